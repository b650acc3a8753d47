/* Written by tests/make_frozen.py out of tests/frozen; frozen.c includes it. */
static const int8_t linear_s8_0_y_after[] = {
    22,
};
static const int8_t linear_s8_0_x[] = {
    113,
};
static const int8_t linear_s8_0_w[] = {
    32,
};
static const int32_t linear_s8_0_bias[] = {
    6035,
};
static const int32_t linear_s8_0_mult[] = {
    1073741824,
};
static const int8_t linear_s8_0_shift[] = {
    -11,
};
static const frozen_arg linear_s8_0[] = {
    WRITTEN(linear_s8_0_y_after), READ(linear_s8_0_x), READ(linear_s8_0_w), READ(linear_s8_0_bias),
    READ(linear_s8_0_mult), READ(linear_s8_0_shift), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(20), NUMBER(0), NUMBER(0),
};
static const int8_t linear_s8_1_y_after[] = {
    127, 127,
};
static const int8_t linear_s8_1_x[] = {
    -16, -115,
};
static const int8_t linear_s8_1_w[] = {
    30,
};
static const int32_t linear_s8_1_bias[] = {
    12408,
};
static const int32_t linear_s8_1_mult[] = {
    1073741824,
};
static const int8_t linear_s8_1_shift[] = {
    -1,
};
static const frozen_arg linear_s8_1[] = {
    WRITTEN(linear_s8_1_y_after), READ(linear_s8_1_x), READ(linear_s8_1_w), READ(linear_s8_1_bias),
    READ(linear_s8_1_mult), READ(linear_s8_1_shift), NUMBER(2), NUMBER(1), NUMBER(1), NUMBER(0), NUMBER(1), NUMBER(0),
};
static const int8_t linear_s8_2_y_after[] = {
    -58, -128, 100, 127, 127, 127, 90, -65, 65, 29, 95, 127, 127, 127, 92, 29, 127, 127, 92, 10, 66, 32, 95, 127, -22,
    -128, 98, 127, 117, 127, 94, 80, 26, -69, 97, 127,
};
static const int8_t linear_s8_2_x[] = {
    -118, 88, -27, 39, 49, -26, -91, 12, -56,
};
static const int8_t linear_s8_2_w[] = {
    97, 107, -6, -122,
};
static const int32_t linear_s8_2_bias[] = {
    1095,
};
static const int32_t linear_s8_2_mult[] = {
    1912919296, 1089625933, 2073686105, 1074413573,
};
static const int8_t linear_s8_2_shift[] = {
    -6, -4, -7, -5,
};
static const frozen_arg linear_s8_2[] = {
    WRITTEN(linear_s8_2_y_after), READ(linear_s8_2_x), READ(linear_s8_2_w), READ(linear_s8_2_bias),
    READ(linear_s8_2_mult), READ(linear_s8_2_shift), NUMBER(9), NUMBER(4), NUMBER(1), NUMBER(86), NUMBER(0), NUMBER(1),
};
static const int8_t linear_s8_3_y_after[] = {
    127, 127,
};
static const int8_t linear_s8_3_x[] = {
    8, 95, 93, -126, 106, -55, 106, -122, 17, 104, 10, -119, 100, 98, -67, 105, 8, -85, 97, -71,
};
static const int8_t linear_s8_3_w[] = {
    -11, -72, 51, -57, -69, -93, 91, -48, 124, 84, -46, 29, -29, 41, -1, 50, 117, -41, 108, -111, -87, -125, 28, 23, -94,
    -110, -56, -66, -106, 37, -110, -29, 109, 122, 85, 21, -108, -116, 97, -96,
};
static const int32_t linear_s8_3_bias[] = {
    3207, -5122,
};
static const int32_t linear_s8_3_mult[] = {
    1930068728,
};
static const int8_t linear_s8_3_shift[] = {
    -7,
};
static const frozen_arg linear_s8_3[] = {
    WRITTEN(linear_s8_3_y_after), READ(linear_s8_3_x), READ(linear_s8_3_w), READ(linear_s8_3_bias),
    READ(linear_s8_3_mult), READ(linear_s8_3_shift), NUMBER(1), NUMBER(2), NUMBER(20), NUMBER(127), NUMBER(1), NUMBER(0),
};
static const int8_t linear_s8_4_y_after[] = {
    -128, 127, -27, -128, 127, -128, -120, 127, 14, -128, 127, -128, -128, 127, 127, -96, -128, -128, -128, -55, -128,
    -128, 127, -128, -128, 127, 127, -128, 127, -128, -128, 127, -128, -128, 127, 123, -128, 127, -128, -128, 127, -128,
};
static const int8_t linear_s8_4_x[] = {
    45, -54, -124, -38, -59, 120, -115, -83, 16, -9, 27, -114, -40, -61,
};
static const int8_t linear_s8_4_w[] = {
    -13, 4, 38, 82, 6, 84, 41, 126, 3, -99, 6, -57,
};
static const int32_t linear_s8_4_bias[] = {
    -1394, 11759, 5070, -12446, 4380, -4656,
};
static const int32_t linear_s8_4_mult[] = {
    1073741824,
};
static const int8_t linear_s8_4_shift[] = {
    -2,
};
static const frozen_arg linear_s8_4[] = {
    WRITTEN(linear_s8_4_y_after), READ(linear_s8_4_x), READ(linear_s8_4_w), READ(linear_s8_4_bias),
    READ(linear_s8_4_mult), READ(linear_s8_4_shift), NUMBER(7), NUMBER(6), NUMBER(2), NUMBER(-128), NUMBER(1), NUMBER(0),
};
static const int8_t linear_s8_5_y_after[] = {
    -128, -128, -32, -95, -8, -128, 113, -128, 14, -42, -23, 53, -128, -128, -78, -91, 4, -128, -128, -128, -24, -70,
    -12, -109, -128, -128, -37, -76, -8, -128, -128, -128, -67, -65, -1, -128, -128, -30, -39, -8, -11, -128, -128, -15,
    -40, -3, -11, -128, -128, -70, -34, -22, -11, -128, 127, -128, 31, -46, -28, 124, 43, -128, 16, -76, -22, 54, -128,
    -128, -77, -89, 3, -128,
};
static const int8_t linear_s8_5_x[] = {
    -67, -19, 97, -65, -121, 96, -9, -8, -37, 16, -56, 101, 91, 106, 100, 114, 71, 77, 112, -113, 34, -112, -116, 95,
};
static const int8_t linear_s8_5_w[] = {
    124, -86, 61, 39, 44, -68, 51, 28, -21, 20, 81, -111,
};
static const int32_t linear_s8_5_bias[] = {
    -13419,
};
static const int32_t linear_s8_5_mult[] = {
    1274373606, 1188217932, 1226784474, 2052241541, 1910254604, 1488649820,
};
static const int8_t linear_s8_5_shift[] = {
    -5, -5, -7, -7, -8, -6,
};
static const frozen_arg linear_s8_5[] = {
    WRITTEN(linear_s8_5_y_after), READ(linear_s8_5_x), READ(linear_s8_5_w), READ(linear_s8_5_bias),
    READ(linear_s8_5_mult), READ(linear_s8_5_shift), NUMBER(12), NUMBER(6), NUMBER(2), NUMBER(35), NUMBER(0), NUMBER(1),
};
static const int8_t linear_s8_6_y_after[] = {
    -128, -128, -128, -128, 127, 127, 127, 127, 127, 127, -128, -128, 127, -128, 127, -128, 127, -128, 127, -128, -128,
    -128, -128, 127, -128, -128, -128, 127, -128, -128, 127, 127, -128, 127, 127, 127, 127, -128, -128, -128, -128, -128,
    -128, -128, -128, 127, 127, 127, -128, -128, -128, 127, -128, -128, -128, -128, 127, -128, 127, 127, 127, 127, -128,
    127, 127, -128, 127, 127, -11, -128, 127, 127, 127, 127, -128, -128, -128, 127, -128, -128, -128, -128, 127, -128,
    127, 127, 127, 127, -128, 127, 127, -128, 127, -128, -128, 127, -128, -128, 127, 127, 127, 127, -128, -128,
};
static const int8_t linear_s8_6_x[] = {
    96, -114, 111, 68, 46, -115, -73, -19, 123, -97, -23, -128, 91, 56, -21, 115, 25, 94, -9, -74, 41, 39, 8, -51, 94,
    94, -30, 6, 113, -1, 96, 82, -8, -58, 118, -88, -7, 117, 95, 25,
};
static const int8_t linear_s8_6_w[] = {
    -111, 109, 62, -86, 31, -109, 51, -107, 76, -99, 114, 61, -86, 87, -43, -5, -79, -108, 62, -77, -75, -72, 109, -95,
    89, 102, -103, -63, 126, -24, 94, 58, 21, -100, -55, 118, 87, 115, 4, -15, 26, -23, 35, -28, 60, -118, 28, 84, -82,
    124, -116, -21, 82, -48, -80, -25, -24, -54, -22, 52, 77, 28, -10, 14, 47,
};
static const int32_t linear_s8_6_bias[] = {
    -10118, 13845, -14392, -8473, 1929, -5183, 8136, 14073, 6067, 8386, -4522, 948, 1566,
};
static const int32_t linear_s8_6_mult[] = {
    1073741824,
};
static const int8_t linear_s8_6_shift[] = {
    1,
};
static const frozen_arg linear_s8_6[] = {
    WRITTEN(linear_s8_6_y_after), READ(linear_s8_6_x), READ(linear_s8_6_w), READ(linear_s8_6_bias),
    READ(linear_s8_6_mult), READ(linear_s8_6_shift), NUMBER(8), NUMBER(13), NUMBER(5), NUMBER(127), NUMBER(1), NUMBER(0),
};
static const int8_t linear_s8_7_y_after[] = {
    -128, -128, -128, -128, 127, -128, -128, -90, 127, -128, 127, -121, -111, 71, -128, -128, -128, 127, 127, 127, 127,
    57, -24, 127,
};
static const int8_t linear_s8_7_x[] = {
    -61, 69, -31, -105, -20, 109, 50, 110, 3, -71, -18, -5, -86, 69, -67, -36, -127, -94, 122, -6, -82, 45, 38, 14, -13,
    -125, -114, 38, 29, -13, -55, -3, 36, 14, -124, -52, 26, -50, 29, 36, -31, -15, -101, -2, -110, 6, 16, 15, 117, 52,
    102, -80, 42, 51, 76, 19, -84, -68, 89, 60, 9, -80, 54, -41, 84, 42, 34, 78, -121, 17, 98, -48, 74, -127, -32, -52,
    111, 33, 77, -3, -43, 78, 117, -85, -52, -17, 27, -44, 79, 43, -100, -113, 96, 95, -126, 25, 51, -15, 17, 71, 112,
    116, -121, -65, -27, 75, -105, 68, -119, 37, -79, -60, 56, 76, 94, -74, -125, -7, -128, 61, -34, -66, 37, -21, -112,
    -86, 68, 32, 48, 63, 54, -50, -77, 95, -30, 113, 56, 49, -59, -49, -59, 93, -56, -107, -71, -78, -18, -13, 0, 114,
};
static const int8_t linear_s8_7_w[] = {
    -49, 5, 109, 17, 3, -45, -110, -19, 97, -13, -52, -123, -53, -47, -77, 97, 57, 63, -9, -67, 34, -111, 80, 94, 74, 76,
    112, -19, 48, -33, -62, -86, 77, -98, 111, -24, -49, 115, -20, -87, -109, 79, 50, 41, 91, -82, -84, 1, 4, 84, -29,
    25, -31, 69, 109, -26, -62, 46, -2, -85, -1, -106, 44, -105, -75, 66, -100, 113, -53, 7, -18, -90, 116, -117, -53,
    -49, 71, -35, -19, 34, -3, -89, -69, 88, 72, -45, 123, 44, 77, 30, -80, 57, 14, -86, 16, 4, -43, -59, 103, -2,
};
static const int32_t linear_s8_7_bias[] = {
    9612, -8558, -5819, -8575,
};
static const int32_t linear_s8_7_mult[] = {
    1073741824,
};
static const int8_t linear_s8_7_shift[] = {
    -4,
};
static const frozen_arg linear_s8_7[] = {
    WRITTEN(linear_s8_7_y_after), READ(linear_s8_7_x), READ(linear_s8_7_w), READ(linear_s8_7_bias),
    READ(linear_s8_7_mult), READ(linear_s8_7_shift), NUMBER(6), NUMBER(4), NUMBER(25), NUMBER(127), NUMBER(1), NUMBER(0),
};
static const int16_t linear_s8_s16_0_y_after[] = {
    -32768, 12667,
};
static const int8_t linear_s8_s16_0_x[] = {
    -81, -98,
};
static const int8_t linear_s8_s16_0_w[] = {
    -39, 118, -22, -76,
};
static const int32_t linear_s8_s16_0_bias[] = {
    -8883, -2987,
};
static const int32_t linear_s8_s16_0_mult[] = {
    2090488304, 1089323852,
};
static const int8_t linear_s8_s16_0_shift[] = {
    1, 2,
};
static const frozen_arg linear_s8_s16_0[] = {
    WRITTEN(linear_s8_s16_0_y_after), READ(linear_s8_s16_0_x), READ(linear_s8_s16_0_w), READ(linear_s8_s16_0_bias),
    READ(linear_s8_s16_0_mult), READ(linear_s8_s16_0_shift), NUMBER(1), NUMBER(2), NUMBER(2), NUMBER(1), NUMBER(1),
};
static const int16_t linear_s8_s16_1_y_after[] = {
    -1, -3,
};
static const int8_t linear_s8_s16_1_x[] = {
    -87, -25, 116,
};
static const int8_t linear_s8_s16_1_w[] = {
    46, 97, -49, -66, -110, -47,
};
static const int32_t linear_s8_s16_1_bias[] = {
    7734, -15382,
};
static const int32_t linear_s8_s16_1_mult[] = {
    1073741824,
};
static const int8_t linear_s8_s16_1_shift[] = {
    -11,
};
static const frozen_arg linear_s8_s16_1[] = {
    WRITTEN(linear_s8_s16_1_y_after), READ(linear_s8_s16_1_x), READ(linear_s8_s16_1_w), READ(linear_s8_s16_1_bias),
    READ(linear_s8_s16_1_mult), READ(linear_s8_s16_1_shift), NUMBER(1), NUMBER(2), NUMBER(3), NUMBER(1), NUMBER(0),
};
static const int16_t linear_s8_s16_2_y_after[] = {
    20752, -13721, 25811, 24387, -19324, 10105, 26054, 7723,
};
static const int8_t linear_s8_s16_2_x[] = {
    78,
};
static const int8_t linear_s8_s16_2_w[] = {
    71, 88, 93, 51, -87, 33, 42, -84,
};
static const int32_t linear_s8_s16_2_bias[] = {
    6710, -14962, 7980, 10415, -4619, 3390, 12101, 11110,
};
static const int32_t linear_s8_s16_2_mult[] = {
    1819276336,
};
static const int8_t linear_s8_s16_2_shift[] = {
    1,
};
static const frozen_arg linear_s8_s16_2[] = {
    WRITTEN(linear_s8_s16_2_y_after), READ(linear_s8_s16_2_x), READ(linear_s8_s16_2_w), READ(linear_s8_s16_2_bias),
    READ(linear_s8_s16_2_mult), READ(linear_s8_s16_2_shift), NUMBER(1), NUMBER(8), NUMBER(1), NUMBER(1), NUMBER(0),
};
static const int16_t linear_s8_s16_3_y_after[] = {
    -32768, 4793, 659, -32768, -1688, -1230, -31140, -1525, -11169, -32768, -5474, -22038,
};
static const int8_t linear_s8_s16_3_x[] = {
    -64, -40, 107, -71, -106, 50, -94, -19, 38, 69, 34, 127, 102, 33, -7, -18, -75, 127, 93, -100, -69, 107, 67, 123,
};
static const int8_t linear_s8_s16_3_w[] = {
    -27, 99, -117, -80, 51, -38, -21, -69, 79, -56, -63, 49, -40, 48, 100, 46, -33, 12,
};
static const int32_t linear_s8_s16_3_bias[] = {
    -11492,
};
static const int32_t linear_s8_s16_3_mult[] = {
    1924809831, 1452846981, 2082561711,
};
static const int8_t linear_s8_s16_3_shift[] = {
    1, -1, 0,
};
static const frozen_arg linear_s8_s16_3[] = {
    WRITTEN(linear_s8_s16_3_y_after), READ(linear_s8_s16_3_x), READ(linear_s8_s16_3_w), READ(linear_s8_s16_3_bias),
    READ(linear_s8_s16_3_mult), READ(linear_s8_s16_3_shift), NUMBER(4), NUMBER(3), NUMBER(6), NUMBER(0), NUMBER(1),
};
static const int16_t linear_s8_s16_4_y_after[] = {
    -16753, 8418, -13310,
};
static const int8_t linear_s8_s16_4_x[] = {
    93, -26, 109, -54, 40, -75, -75, -104, 101, 23, 125, -125, -23, -20, -39, 27, -74, -32, -126, 87, 127, -43, 7,
};
static const int8_t linear_s8_s16_4_w[] = {
    -102, 71, -51, 33, -3, 93, 69, 77, 106, 78, 111, -22, -43, 121, -116, -39, -44, -21, 93, -89, -123, -17, -56, 57,
    -53, 12, -94, -98, -14, -126, 82, -29, -124, -116, -120, -76, 92, -28, 19, -54, -77, 108, 20, 54, 58, -56, -119, -62,
    1, -12, 93, 26, 14, -46, -51, -85, -91, -114, -78, 61, 100, 12, 14, 100, 92, 79, -3, -72, 44,
};
static const int32_t linear_s8_s16_4_bias[] = {
    14846, 6026, -2514,
};
static const int32_t linear_s8_s16_4_mult[] = {
    1514457825,
};
static const int8_t linear_s8_s16_4_shift[] = {
    0,
};
static const frozen_arg linear_s8_s16_4[] = {
    WRITTEN(linear_s8_s16_4_y_after), READ(linear_s8_s16_4_x), READ(linear_s8_s16_4_w), READ(linear_s8_s16_4_bias),
    READ(linear_s8_s16_4_mult), READ(linear_s8_s16_4_shift), NUMBER(1), NUMBER(3), NUMBER(23), NUMBER(1), NUMBER(0),
};
static const int16_t linear_s8_s16_5_y_after[] = {
    229, 512, -124, 590, 341, -417, 444, 1342, 26, -55, -94, 297, 118, -235, 1555, 364, 369, -906, -624, 1826, 426, 1205,
    1536, -226, -169, 956, 1357, -175, 728, 244, 822, 1086,
};
static const int8_t linear_s8_s16_5_x[] = {
    -49, -26, -31, -1, -101, -25, -59, 27, 34, -47, 90, 83, -63, 12, -103, -96, 45, -25, 62, 99, 110, -26, 35, 90, -14,
    34, 115, 123, -94, 50, 52, -126, 101, -105, 123, 113, -53, 70, -128, 20, -8, -17, -94, -84, 7, -63, 63, -100, -61,
    -15, -85, 8, -75, -65, 30, -98, -75, 104, 103, 20, 60, 88, 27, -60,
};
static const int8_t linear_s8_s16_5_w[] = {
    -6, -20, 96, -116, 36, 101, -121, -13,
};
static const int32_t linear_s8_s16_5_bias[] = {
    5712, 8818,
};
static const int32_t linear_s8_s16_5_mult[] = {
    1073741824,
};
static const int8_t linear_s8_s16_5_shift[] = {
    -3,
};
static const frozen_arg linear_s8_s16_5[] = {
    WRITTEN(linear_s8_s16_5_y_after), READ(linear_s8_s16_5_x), READ(linear_s8_s16_5_w), READ(linear_s8_s16_5_bias),
    READ(linear_s8_s16_5_mult), READ(linear_s8_s16_5_shift), NUMBER(16), NUMBER(2), NUMBER(4), NUMBER(1), NUMBER(0),
};
static const int8_t conv1d_s8_0_y_after[] = {
    -2,
};
static const int8_t conv1d_s8_0_x[] = {
    32,
};
static const int8_t conv1d_s8_0_w[] = {
    127,
};
static const int32_t conv1d_s8_0_bias[] = {
    1565,
};
static const int32_t conv1d_s8_0_mult[] = {
    1073741824,
};
static const int8_t conv1d_s8_0_shift[] = {
    -10,
};
static const frozen_arg conv1d_s8_0[] = {
    WRITTEN(conv1d_s8_0_y_after), READ(conv1d_s8_0_x), READ(conv1d_s8_0_w), READ(conv1d_s8_0_bias),
    READ(conv1d_s8_0_mult), READ(conv1d_s8_0_shift), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(3),
    NUMBER(0), NUMBER(3), NUMBER(-5), NUMBER(0), NUMBER(0),
};
static const int8_t conv1d_s8_1_y_after[] = {
    -128, 65, -128, 28,
};
static const int8_t conv1d_s8_1_x[] = {
    89, 117,
};
static const int8_t conv1d_s8_1_w[] = {
    -26, -115, 46, 52, -93, 91, 51, -33, -27, 103,
};
static const int32_t conv1d_s8_1_bias[] = {
    5658, 3301,
};
static const int32_t conv1d_s8_1_mult[] = {
    1876543999,
};
static const int8_t conv1d_s8_1_shift[] = {
    -7,
};
static const frozen_arg conv1d_s8_1[] = {
    WRITTEN(conv1d_s8_1_y_after), READ(conv1d_s8_1_x), READ(conv1d_s8_1_w), READ(conv1d_s8_1_bias),
    READ(conv1d_s8_1_mult), READ(conv1d_s8_1_shift), NUMBER(2), NUMBER(2), NUMBER(1), NUMBER(5), NUMBER(2), NUMBER(2),
    NUMBER(2), NUMBER(127), NUMBER(-128), NUMBER(1), NUMBER(0),
};
static const int8_t conv1d_s8_2_y_after[] = {
    -128, -79, 90, 62, 127, 64, 42, 127, 65, -104, 76, 76,
};
static const int8_t conv1d_s8_2_x[] = {
    -117, 111, 99, 10,
};
static const int8_t conv1d_s8_2_w[] = {
    87, 95, -14,
};
static const int32_t conv1d_s8_2_bias[] = {
    -6390, 4977, 9251,
};
static const int32_t conv1d_s8_2_mult[] = {
    1297675623, 1770186229, 1142114355,
};
static const int8_t conv1d_s8_2_shift[] = {
    -5, -6, -6,
};
static const frozen_arg conv1d_s8_2[] = {
    WRITTEN(conv1d_s8_2_y_after), READ(conv1d_s8_2_x), READ(conv1d_s8_2_w), READ(conv1d_s8_2_bias),
    READ(conv1d_s8_2_mult), READ(conv1d_s8_2_shift), NUMBER(4), NUMBER(3), NUMBER(1), NUMBER(1), NUMBER(4), NUMBER(1),
    NUMBER(0), NUMBER(3), NUMBER(0), NUMBER(1), NUMBER(1),
};
static const int8_t conv1d_s8_3_y_after[] = {
    -128, -59,
};
static const int8_t conv1d_s8_3_x[] = {
    2, 29, -92, -41, -116, -113, -54, -52, 90, -11, 1, 20,
};
static const int8_t conv1d_s8_3_w[] = {
    48, 35, -15, 93, 119, 50, -83, 111, -80, 94, 74, 108, -76, -114, -63,
};
static const int32_t conv1d_s8_3_bias[] = {
    8408,
};
static const int32_t conv1d_s8_3_mult[] = {
    1073741824,
};
static const int8_t conv1d_s8_3_shift[] = {
    -3,
};
static const frozen_arg conv1d_s8_3[] = {
    WRITTEN(conv1d_s8_3_y_after), READ(conv1d_s8_3_x), READ(conv1d_s8_3_w), READ(conv1d_s8_3_bias),
    READ(conv1d_s8_3_mult), READ(conv1d_s8_3_shift), NUMBER(2), NUMBER(1), NUMBER(3), NUMBER(5), NUMBER(4), NUMBER(2),
    NUMBER(0), NUMBER(127), NUMBER(0), NUMBER(0), NUMBER(0),
};
static const int8_t conv1d_s8_4_y_after[] = {
    -100, 127, -6, 127, -128, 127, -128, 121, 127, 127, 127, 59, 127, 127, 127, 127,
};
static const int8_t conv1d_s8_4_x[] = {
    -70, 105, 7, -97, -7, -113, -127, 80, 118, 62, -77, 43, 60, -91, 108, -5, -7, 24, -45, -23,
};
static const int8_t conv1d_s8_4_w[] = {
    -106, 90, -51, -45, -12, 60, -26, -46, -72, 103, 30, -109, 71, 109, -27, 87,
};
static const int32_t conv1d_s8_4_bias[] = {
    -6047, 8109, 9211, 1611,
};
static const int32_t conv1d_s8_4_mult[] = {
    1073741824, 1073741824, 1073741824, 1073741824,
};
static const int8_t conv1d_s8_4_shift[] = {
    -4, -5, -4, -6,
};
static const frozen_arg conv1d_s8_4[] = {
    WRITTEN(conv1d_s8_4_y_after), READ(conv1d_s8_4_x), READ(conv1d_s8_4_w), READ(conv1d_s8_4_bias),
    READ(conv1d_s8_4_mult), READ(conv1d_s8_4_shift), NUMBER(4), NUMBER(4), NUMBER(2), NUMBER(2), NUMBER(10), NUMBER(3),
    NUMBER(1), NUMBER(3), NUMBER(127), NUMBER(1), NUMBER(1),
};
static const int8_t conv1d_s8_5_y_after[] = {
    -128, -128, -128, -128, -128, -128, -51, -12, 127, 127, -128, -128, -128, -128, -128, -128, -128, -58, -19, 127, 127,
    -128,
};
static const int8_t conv1d_s8_5_x[] = {
    126, 74, -10, 120, -37,
};
static const int8_t conv1d_s8_5_w[] = {
    -127, -127, -127, -127, -127, -127, 127, 127, 127, 127, -127,
};
static const int32_t conv1d_s8_5_bias[] = {
    7477, 3830, -2494, 1627, 5087, 2951, -6829, -3187, -3458, 7670, 9210,
};
static const int32_t conv1d_s8_5_mult[] = {
    2066623493, 2067620630, 2054742731, 1125118103, 1136809095, 1455115011, 1147906544, 1238672582, 1627350708,
    1581137203, 2023829662,
};
static const int8_t conv1d_s8_5_shift[] = {
    -7, -5, -5, -4, -5, -5, -6, -6, -5, -6, -6,
};
static const frozen_arg conv1d_s8_5[] = {
    WRITTEN(conv1d_s8_5_y_after), READ(conv1d_s8_5_x), READ(conv1d_s8_5_w), READ(conv1d_s8_5_bias),
    READ(conv1d_s8_5_mult), READ(conv1d_s8_5_shift), NUMBER(2), NUMBER(11), NUMBER(1), NUMBER(1), NUMBER(5), NUMBER(3),
    NUMBER(0), NUMBER(3), NUMBER(-128), NUMBER(1), NUMBER(1),
};
static const int8_t conv1d_s8_6_y_after[] = {
    -128, -128, 127, -128, -128, -128, -128, -128, -128, -128, 127, 127, 127, -128, -128, -128, 127, 127, -128, 127, 127,
    127, 14, -128, -128, -128, -128, 127, 127, 127, 127, 127, -128, -128, 127, -17,
};
static const int8_t conv1d_s8_6_x[] = {
    75, -90, -124, 116, -42, -20, 34, -110, -92, 65, -84, -9, -57, 112, 53, 124, -20, 44, 43, -127, 76, -20, -111, 76,
    -89, -29, 102, 127, 88, 42, 94, -18, -22, 107, 110, 40,
};
static const int8_t conv1d_s8_6_w[] = {
    127, -127, 127, -127, 127, -127, 127, -127, -127, 127, 127, 127, 127, -127, -127, -127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, -127, -127, -127, -127, -127, 127, -127, 127, 127, 127, 127, 127, 127, -127, -127, 127, 127,
    -127, -127, -127, -127, 127, 127, -127, -127, 127, 127, -127, 127, -127, -127, 127, -127,
};
static const int32_t conv1d_s8_6_bias[] = {
    -7886,
};
static const int32_t conv1d_s8_6_mult[] = {
    1073741824,
};
static const int8_t conv1d_s8_6_shift[] = {
    -2,
};
static const frozen_arg conv1d_s8_6[] = {
    WRITTEN(conv1d_s8_6_y_after), READ(conv1d_s8_6_x), READ(conv1d_s8_6_w), READ(conv1d_s8_6_bias),
    READ(conv1d_s8_6_mult), READ(conv1d_s8_6_shift), NUMBER(12), NUMBER(3), NUMBER(4), NUMBER(5), NUMBER(9), NUMBER(1),
    NUMBER(3), NUMBER(3), NUMBER(127), NUMBER(0), NUMBER(0),
};
static const int8_t depthwise_conv_s8_0_y_after[] = {
    44,
};
static const int8_t depthwise_conv_s8_0_x[] = {
    113,
};
static const int8_t depthwise_conv_s8_0_w[] = {
    127,
};
static const int32_t depthwise_conv_s8_0_bias[] = {
    7943,
};
static const int32_t depthwise_conv_s8_0_mult[] = {
    1073741824,
};
static const int8_t depthwise_conv_s8_0_shift[] = {
    -8,
};
static const frozen_arg depthwise_conv_s8_0[] = {
    WRITTEN(depthwise_conv_s8_0_y_after), READ(depthwise_conv_s8_0_x), READ(depthwise_conv_s8_0_w),
    READ(depthwise_conv_s8_0_bias), READ(depthwise_conv_s8_0_mult), READ(depthwise_conv_s8_0_shift), SCRATCH(0),
    NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(0), NUMBER(0), NUMBER(0),
};
static const int8_t depthwise_conv_s8_1_y_after[] = {
    64,
};
static const int8_t depthwise_conv_s8_1_x[] = {
    47,
};
static const int8_t depthwise_conv_s8_1_w[] = {
    60, 83, 59,
};
static const int32_t depthwise_conv_s8_1_bias[] = {
    865,
};
static const int32_t depthwise_conv_s8_1_mult[] = {
    1073741824,
};
static const int8_t depthwise_conv_s8_1_shift[] = {
    -7,
};
static const int8_t depthwise_conv_s8_1_state[] = {
    113, 87,
};
static const int8_t depthwise_conv_s8_1_state_after[] = {
    87, 47,
};
static const frozen_arg depthwise_conv_s8_1[] = {
    WRITTEN(depthwise_conv_s8_1_y_after), READ(depthwise_conv_s8_1_x), READ(depthwise_conv_s8_1_w),
    READ(depthwise_conv_s8_1_bias), READ(depthwise_conv_s8_1_mult), READ(depthwise_conv_s8_1_shift),
    STATE(depthwise_conv_s8_1_state, depthwise_conv_s8_1_state_after), NUMBER(1), NUMBER(1), NUMBER(3), NUMBER(-5),
    NUMBER(0), NUMBER(0),
};
static const int8_t depthwise_conv_s8_2_y_after[] = {
    -128, -128,
};
static const int8_t depthwise_conv_s8_2_x[] = {
    106, -67,
};
static const int8_t depthwise_conv_s8_2_w[] = {
    51, -89, 7,
};
static const int32_t depthwise_conv_s8_2_bias[] = {
    -9137,
};
static const int32_t depthwise_conv_s8_2_mult[] = {
    1073741824,
};
static const int8_t depthwise_conv_s8_2_shift[] = {
    -4,
};
static const int8_t depthwise_conv_s8_2_state[] = {
    89, 13,
};
static const int8_t depthwise_conv_s8_2_state_after[] = {
    106, -67,
};
static const frozen_arg depthwise_conv_s8_2[] = {
    WRITTEN(depthwise_conv_s8_2_y_after), READ(depthwise_conv_s8_2_x), READ(depthwise_conv_s8_2_w),
    READ(depthwise_conv_s8_2_bias), READ(depthwise_conv_s8_2_mult), READ(depthwise_conv_s8_2_shift),
    STATE(depthwise_conv_s8_2_state, depthwise_conv_s8_2_state_after), NUMBER(2), NUMBER(1), NUMBER(3), NUMBER(0),
    NUMBER(0), NUMBER(0),
};
static const int8_t depthwise_conv_s8_3_y_after[] = {
    -128, -128, -128, 31,
};
static const int8_t depthwise_conv_s8_3_x[] = {
    -25, -58, 21, 62,
};
static const int8_t depthwise_conv_s8_3_w[] = {
    127, -127, 127, 127,
};
static const int32_t depthwise_conv_s8_3_bias[] = {
    -2970, 6928,
};
static const int32_t depthwise_conv_s8_3_mult[] = {
    1621156154, 1969765685,
};
static const int8_t depthwise_conv_s8_3_shift[] = {
    -6, -7,
};
static const int8_t depthwise_conv_s8_3_state[] = {
    -36, 127,
};
static const int8_t depthwise_conv_s8_3_state_after[] = {
    21, 62,
};
static const frozen_arg depthwise_conv_s8_3[] = {
    WRITTEN(depthwise_conv_s8_3_y_after), READ(depthwise_conv_s8_3_x), READ(depthwise_conv_s8_3_w),
    READ(depthwise_conv_s8_3_bias), READ(depthwise_conv_s8_3_mult), READ(depthwise_conv_s8_3_shift),
    STATE(depthwise_conv_s8_3_state, depthwise_conv_s8_3_state_after), NUMBER(2), NUMBER(2), NUMBER(2), NUMBER(-128),
    NUMBER(1), NUMBER(1),
};
static const int8_t depthwise_conv_s8_4_y_after[] = {
    127, 127, 127, 127, -33, 127,
};
static const int8_t depthwise_conv_s8_4_x[] = {
    78, -25, -13, -23, -72, 87,
};
static const int8_t depthwise_conv_s8_4_w[] = {
    -82, -122, -80, 8, -117, -45, 63, 46,
};
static const int32_t depthwise_conv_s8_4_bias[] = {
    6278, -7409,
};
static const int32_t depthwise_conv_s8_4_mult[] = {
    1073741824, 1073741824,
};
static const int8_t depthwise_conv_s8_4_shift[] = {
    -3, -3,
};
static const int8_t depthwise_conv_s8_4_state[] = {
    31, -125, -57, -70, -5, -115,
};
static const int8_t depthwise_conv_s8_4_state_after[] = {
    78, -25, -13, -23, -72, 87,
};
static const frozen_arg depthwise_conv_s8_4[] = {
    WRITTEN(depthwise_conv_s8_4_y_after), READ(depthwise_conv_s8_4_x), READ(depthwise_conv_s8_4_w),
    READ(depthwise_conv_s8_4_bias), READ(depthwise_conv_s8_4_mult), READ(depthwise_conv_s8_4_shift),
    STATE(depthwise_conv_s8_4_state, depthwise_conv_s8_4_state_after), NUMBER(3), NUMBER(2), NUMBER(4), NUMBER(127),
    NUMBER(1), NUMBER(1),
};
static const int8_t depthwise_conv_s8_5_y_after[] = {
    -124, 127, -128, -128, -128, -128, -128, 127, 127, 127, 127, -128, -128, -128, -128, -128, -128, -128,
};
static const int8_t depthwise_conv_s8_5_x[] = {
    20, -97, 18, 114, 48, 32, -78, -87, 17, -83, 2, 55, 78, 80, -58, 95, -28, 70,
};
static const int8_t depthwise_conv_s8_5_w[] = {
    -127, -127, -127, -127,
};
static const int32_t depthwise_conv_s8_5_bias[] = {
    -6460,
};
static const int32_t depthwise_conv_s8_5_mult[] = {
    1073741824,
};
static const int8_t depthwise_conv_s8_5_shift[] = {
    -4,
};
static const int8_t depthwise_conv_s8_5_state[] = {
    19, -127, 67,
};
static const int8_t depthwise_conv_s8_5_state_after[] = {
    95, -28, 70,
};
static const frozen_arg depthwise_conv_s8_5[] = {
    WRITTEN(depthwise_conv_s8_5_y_after), READ(depthwise_conv_s8_5_x), READ(depthwise_conv_s8_5_w),
    READ(depthwise_conv_s8_5_bias), READ(depthwise_conv_s8_5_mult), READ(depthwise_conv_s8_5_shift),
    STATE(depthwise_conv_s8_5_state, depthwise_conv_s8_5_state_after), NUMBER(18), NUMBER(1), NUMBER(4), NUMBER(-5),
    NUMBER(0), NUMBER(0),
};
static const int8_t depthwise_conv_s8_6_y_after[] = {
    81, 40, -98, 91, -66, 24, 39, 23, 13, 34, -32, -53, -5, -21, 10, -7, 14, 42,
};
static const int8_t depthwise_conv_s8_6_x[] = {
    104, -63, -27, 13, -4, -4, 78, 31, -51, -39, -71, -45, -39, -23, -20, -83, 112, 79,
};
static const int8_t depthwise_conv_s8_6_w[] = {
    -107, 114, 12, 51, 36,
};
static const int32_t depthwise_conv_s8_6_bias[] = {
    3527,
};
static const int32_t depthwise_conv_s8_6_mult[] = {
    1154038656,
};
static const int8_t depthwise_conv_s8_6_shift[] = {
    -7,
};
static const int8_t depthwise_conv_s8_6_state[] = {
    -63, 82, 122, -85,
};
static const int8_t depthwise_conv_s8_6_state_after[] = {
    -20, -83, 112, 79,
};
static const frozen_arg depthwise_conv_s8_6[] = {
    WRITTEN(depthwise_conv_s8_6_y_after), READ(depthwise_conv_s8_6_x), READ(depthwise_conv_s8_6_w),
    READ(depthwise_conv_s8_6_bias), READ(depthwise_conv_s8_6_mult), READ(depthwise_conv_s8_6_shift),
    STATE(depthwise_conv_s8_6_state, depthwise_conv_s8_6_state_after), NUMBER(18), NUMBER(1), NUMBER(5), NUMBER(-5),
    NUMBER(0), NUMBER(0),
};
static const int8_t depthwise_conv_s8_7_y_after[] = {
    -128, -128, 127, 39, -128,
};
static const int8_t depthwise_conv_s8_7_x[] = {
    105, -93, 42, -75, -42,
};
static const int8_t depthwise_conv_s8_7_w[] = {
    -127, -127, -127, -127, 127, 127, -127, -127, -127, -127, 127, 127, -127, -127, -127, -127, 127, 127, -127, -127,
};
static const int32_t depthwise_conv_s8_7_bias[] = {
    -6384, 7655, 2596, 2226, 1271,
};
static const int32_t depthwise_conv_s8_7_mult[] = {
    1287088118, 1835446982, 2031757622, 1283155957, 1246162148,
};
static const int8_t depthwise_conv_s8_7_shift[] = {
    -6, -7, -6, -6, -6,
};
static const int8_t depthwise_conv_s8_7_state[] = {
    -44, -8, -115, 74, 8, 21, 30, -104, -104, 49, 30, 45, -52, -18, 23,
};
static const int8_t depthwise_conv_s8_7_state_after[] = {
    21, 30, -104, -104, 49, 30, 45, -52, -18, 23, 105, -93, 42, -75, -42,
};
static const frozen_arg depthwise_conv_s8_7[] = {
    WRITTEN(depthwise_conv_s8_7_y_after), READ(depthwise_conv_s8_7_x), READ(depthwise_conv_s8_7_w),
    READ(depthwise_conv_s8_7_bias), READ(depthwise_conv_s8_7_mult), READ(depthwise_conv_s8_7_shift),
    STATE(depthwise_conv_s8_7_state, depthwise_conv_s8_7_state_after), NUMBER(1), NUMBER(5), NUMBER(4), NUMBER(-128),
    NUMBER(1), NUMBER(1),
};
static const int8_t interleave_s8_0_y[] = {
    0, -83, -90, 102, -25, -37, 78, -16, 87,
};
static const int8_t interleave_s8_0_y_after[] = {
    0, -83, -90, 47, -119, -111, 78, -16, 87,
};
static const int8_t interleave_s8_0_x[] = {
    47, -119, -111,
};
static const frozen_arg interleave_s8_0[] = {
    STATE(interleave_s8_0_y, interleave_s8_0_y_after), READ(interleave_s8_0_x), NUMBER(1), NUMBER(3), NUMBER(3),
    NUMBER(1),
};
static const int8_t layer_norm_s8_0_y_after[] = {
    95,
};
static const int8_t layer_norm_s8_0_x[] = {
    113,
};
static const int16_t layer_norm_s8_0_w[] = {
    32767,
};
static const int32_t layer_norm_s8_0_b[] = {
    197761701,
};
static const frozen_arg layer_norm_s8_0[] = {
    WRITTEN(layer_norm_s8_0_y_after), READ(layer_norm_s8_0_x), READ(layer_norm_s8_0_w), READ(layer_norm_s8_0_b),
    NUMBER(1), NUMBER(1), NUMBER(2147483647), NUMBER(70), NUMBER(1146503768), NUMBER(-22),
};
static const int8_t layer_norm_s8_1_y_after[] = {
    74, 74,
};
static const int8_t layer_norm_s8_1_x[] = {
    90, 121,
};
static const int16_t layer_norm_s8_1_w[] = {
    32767,
};
static const int32_t layer_norm_s8_1_b[] = {
    175023212,
};
static const frozen_arg layer_norm_s8_1[] = {
    WRITTEN(layer_norm_s8_1_y_after), READ(layer_norm_s8_1_x), READ(layer_norm_s8_1_w), READ(layer_norm_s8_1_b),
    NUMBER(2), NUMBER(1), NUMBER(1), NUMBER(16), NUMBER(1479829066), NUMBER(-21),
};
static const int8_t layer_norm_s8_2_y_after[] = {
    -50, -47,
};
static const int8_t layer_norm_s8_2_x[] = {
    96, 96,
};
static const int16_t layer_norm_s8_2_w[] = {
    12810, 32767,
};
static const int32_t layer_norm_s8_2_b[] = {
    -1592837, 2020202,
};
static const frozen_arg layer_norm_s8_2[] = {
    WRITTEN(layer_norm_s8_2_y_after), READ(layer_norm_s8_2_x), READ(layer_norm_s8_2_w), READ(layer_norm_s8_2_b),
    NUMBER(1), NUMBER(2), NUMBER(2147483647), NUMBER(-49), NUMBER(1702947320), NUMBER(-20),
};
static const int8_t layer_norm_s8_3_y_after[] = {
    49, 127, 127,
};
static const int8_t layer_norm_s8_3_x[] = {
    -56, -112, 55,
};
static const int16_t layer_norm_s8_3_w[] = {
    -17490, -31227, 32767,
};
static const int32_t layer_norm_s8_3_b[] = {
    -127336209, 231329197, 80826318,
};
static const frozen_arg layer_norm_s8_3[] = {
    WRITTEN(layer_norm_s8_3_y_after), READ(layer_norm_s8_3_x), READ(layer_norm_s8_3_w), READ(layer_norm_s8_3_b),
    NUMBER(1), NUMBER(3), NUMBER(320), NUMBER(75), NUMBER(1396747987), NUMBER(-21),
};
static const int8_t layer_norm_s8_4_y_after[] = {
    127, -109, 127, -109,
};
static const int8_t layer_norm_s8_4_x[] = {
    -71, -55, -31, 92,
};
static const int16_t layer_norm_s8_4_w[] = {
    32767, 6392,
};
static const int32_t layer_norm_s8_4_b[] = {
    523919830, -482211652,
};
static const frozen_arg layer_norm_s8_4[] = {
    WRITTEN(layer_norm_s8_4_y_after), READ(layer_norm_s8_4_x), READ(layer_norm_s8_4_w), READ(layer_norm_s8_4_b),
    NUMBER(2), NUMBER(2), NUMBER(2147483647), NUMBER(64), NUMBER(1613239295), NUMBER(-21),
};
static const int8_t layer_norm_s8_5_y_after[] = {
    -128, -128, -128, -128, -128, -128,
};
static const int8_t layer_norm_s8_5_x[] = {
    6, 60, 40, -82, 11, -108,
};
static const int16_t layer_norm_s8_5_w[] = {
    32767,
};
static const int32_t layer_norm_s8_5_b[] = {
    -487376527,
};
static const frozen_arg layer_norm_s8_5[] = {
    WRITTEN(layer_norm_s8_5_y_after), READ(layer_norm_s8_5_x), READ(layer_norm_s8_5_w), READ(layer_norm_s8_5_b),
    NUMBER(6), NUMBER(1), NUMBER(1), NUMBER(-99), NUMBER(1161290016), NUMBER(-22),
};
static const int8_t layer_norm_s8_6_y_after[] = {
    110, 116, 111, 116, 109, 111, 114, 114, 114, 114, 114, 114, 114, 114, 114, 116, 109, 111, 116, 116, 118,
};
static const int8_t layer_norm_s8_6_x[] = {
    -128, 127, 127, 127, -128, 127, -128, -128, -128, 127, 127, 127, -128, -128, -128, 127, -128, 127, 127, 127, -128,
};
static const int16_t layer_norm_s8_6_w[] = {
    21825, 32767, -30468,
};
static const int32_t layer_norm_s8_6_b[] = {
    1970823, 2071303, 1772686,
};
static const frozen_arg layer_norm_s8_6[] = {
    WRITTEN(layer_norm_s8_6_y_after), READ(layer_norm_s8_6_x), READ(layer_norm_s8_6_w), READ(layer_norm_s8_6_b),
    NUMBER(7), NUMBER(3), NUMBER(2147483647), NUMBER(112), NUMBER(2012775958), NUMBER(-20),
};
static const int8_t layer_norm_s8_7_y_after[] = {
    57, 127, 127, 127, 127, 57, 127, 127, 127, 127, -41, 127, -22, -19, 127, 125, 127, 127, 127, 125, 127, 127, 127, 127,
    127,
};
static const int8_t layer_norm_s8_7_x[] = {
    127, -128, 127, 127, 127, 127, -128, 127, 127, 127, 127, -128, -128, -128, 127, 127, 127, 127, 127, 127, -128, -128,
    127, 127, 127,
};
static const int16_t layer_norm_s8_7_w[] = {
    -16924, -3321, 22866, 22540, 32767,
};
static const int32_t layer_norm_s8_7_b[] = {
    -907150, 760714, 1320863, 1468262, -1280268,
};
static const frozen_arg layer_norm_s8_7[] = {
    WRITTEN(layer_norm_s8_7_y_after), READ(layer_norm_s8_7_x), READ(layer_norm_s8_7_w), READ(layer_norm_s8_7_b),
    NUMBER(5), NUMBER(5), NUMBER(1), NUMBER(126), NUMBER(1227260559), NUMBER(-19),
};
static const int8_t rms_norm_s8_0_y_after[] = {
    0,
};
static const int8_t rms_norm_s8_0_x[] = {
    113,
};
static const int16_t rms_norm_s8_0_w[] = {
    32767,
};
static const frozen_arg rms_norm_s8_0[] = {
    WRITTEN(rms_norm_s8_0_y_after), READ(rms_norm_s8_0_x), READ(rms_norm_s8_0_w), NUMBER(1), NUMBER(1), NUMBER(-128),
    NUMBER(2147483647), NUMBER(1146503768), NUMBER(-22),
};
static const int8_t rms_norm_s8_1_y_after[] = {
    0,
};
static const int8_t rms_norm_s8_1_x[] = {
    127,
};
static const int16_t rms_norm_s8_1_w[] = {
    32767,
};
static const frozen_arg rms_norm_s8_1[] = {
    WRITTEN(rms_norm_s8_1_y_after), READ(rms_norm_s8_1_x), READ(rms_norm_s8_1_w), NUMBER(1), NUMBER(1), NUMBER(127),
    NUMBER(2147483647), NUMBER(1683454341), NUMBER(-21),
};
static const int8_t rms_norm_s8_2_y_after[] = {
    -128,
};
static const int8_t rms_norm_s8_2_x[] = {
    102,
};
static const int16_t rms_norm_s8_2_w[] = {
    32767,
};
static const frozen_arg rms_norm_s8_2[] = {
    WRITTEN(rms_norm_s8_2_y_after), READ(rms_norm_s8_2_x), READ(rms_norm_s8_2_w), NUMBER(1), NUMBER(1), NUMBER(127),
    NUMBER(1), NUMBER(1809573303), NUMBER(-21),
};
static const int8_t rms_norm_s8_3_y_after[] = {
    -28,
};
static const int8_t rms_norm_s8_3_x[] = {
    -128,
};
static const int16_t rms_norm_s8_3_w[] = {
    32767,
};
static const frozen_arg rms_norm_s8_3[] = {
    WRITTEN(rms_norm_s8_3_y_after), READ(rms_norm_s8_3_x), READ(rms_norm_s8_3_w), NUMBER(1), NUMBER(1), NUMBER(127),
    NUMBER(1), NUMBER(1911642367), NUMBER(-24),
};
static const int8_t rms_norm_s8_4_y_after[] = {
    -7, -49,
};
static const int8_t rms_norm_s8_4_x[] = {
    -128, -128,
};
static const int16_t rms_norm_s8_4_w[] = {
    4649, 32767,
};
static const frozen_arg rms_norm_s8_4[] = {
    WRITTEN(rms_norm_s8_4_y_after), READ(rms_norm_s8_4_x), READ(rms_norm_s8_4_w), NUMBER(1), NUMBER(2), NUMBER(127),
    NUMBER(1), NUMBER(1155239814), NUMBER(-22),
};
static const int8_t rms_norm_s8_5_y_after[] = {
    0, -128,
};
static const int8_t rms_norm_s8_5_x[] = {
    127, 42,
};
static const int16_t rms_norm_s8_5_w[] = {
    -16659, 32767,
};
static const frozen_arg rms_norm_s8_5[] = {
    WRITTEN(rms_norm_s8_5_y_after), READ(rms_norm_s8_5_x), READ(rms_norm_s8_5_w), NUMBER(1), NUMBER(2), NUMBER(127),
    NUMBER(1), NUMBER(1289419917), NUMBER(-21),
};
static const int8_t rms_norm_s8_6_y_after[] = {
    -76, 109, -76, 109, 76, -109, -76, 109, 76, -109,
};
static const int8_t rms_norm_s8_6_x[] = {
    63, 63, 88, 88, -44, -44, 127, 127, -102, -102,
};
static const int16_t rms_norm_s8_6_w[] = {
    -23025, 32767,
};
static const frozen_arg rms_norm_s8_6[] = {
    WRITTEN(rms_norm_s8_6_y_after), READ(rms_norm_s8_6_x), READ(rms_norm_s8_6_w), NUMBER(5), NUMBER(2), NUMBER(15),
    NUMBER(1), NUMBER(1288230307), NUMBER(-21),
};
static const int8_t rms_norm_s8_7_y_after[] = {
    71, -71, 127, -65, 127, -73, -73, -117, -32, -62, -101, 39, 127, 42, 101, 127, 60, 127, 127, -57, 42, -128, -25, 50,
};
static const int8_t rms_norm_s8_7_x[] = {
    29, -34, -67, 2, -91, -54, -38, 106, 20, -37, -124, -79, 126, -5, -68, -105, -45, 99, 83, 64, -86, -74, -54, -124,
};
static const int16_t rms_norm_s8_7_w[] = {
    11051, 32767, -20207, -23849, -22148, 14881, 27053, -6955, -6238, 24071, 6996, -4708,
};
static const frozen_arg rms_norm_s8_7[] = {
    WRITTEN(rms_norm_s8_7_y_after), READ(rms_norm_s8_7_x), READ(rms_norm_s8_7_w), NUMBER(2), NUMBER(12), NUMBER(-18),
    NUMBER(1), NUMBER(1967540920), NUMBER(-19),
};
static const int8_t softmax_s8_0_y_after[] = {
    127,
};
static const int8_t softmax_s8_0_x[] = {
    127,
};
static const int32_t softmax_s8_0_table[] = {
    2147483647, 730880208, 248749689, 84660132, 28813447, 9806444, 3337551, 1135911, 386599, 131576, 44781, 15241, 5187,
    0,
};
static const frozen_arg softmax_s8_0[] = {
    WRITTEN(softmax_s8_0_y_after), READ(softmax_s8_0_x), READ(softmax_s8_0_table), NUMBER(1), NUMBER(1), NUMBER(14),
};
static const int8_t softmax_s8_1_y_after[] = {
    -113, 46, -103, -87,
};
static const int8_t softmax_s8_1_x[] = {
    -48, 107, -15, 16,
};
static const int32_t softmax_s8_1_table[] = {
    2147483647, 2113848622, 2080740784, 2048151460, 2016072496, 1984495946, 1953413954, 1922818778, 1892702796,
    1863058530, 1833878539, 1805155579, 1776882500, 1749052267, 1721657964, 1694692816, 1668149226, 1642022151,
    1616304214, 1590989036, 1566070352, 1541541919, 1517397654, 1493631545, 1470237670, 1447210200, 1424543418,
    1402231635, 1380269316, 1358650999, 1337371311, 1316424975, 1295806128, 1275510796, 1255533284, 1235868635,
    1216511964, 1197458472, 1178703384, 1160242045, 1142069855, 1124182284, 1106574878, 1089243265, 1072183098,
    1055390151, 1038860252, 1022589301, 1006572714, 990807456, 975289066, 960013707, 944977585, 930176958, 915608157,
    901267523, 887151499, 873256567, 859579262, 846116180, 832863982, 819819346, 806979047, 794339899, 781898326,
    769651971, 757597406, 745731618, 734051667, 722554649, 711237699, 700098011, 689132787, 678339305, 667714875,
    657256852, 646962633, 636829668, 626855422, 617037432, 607372903, 597860020, 588496111, 579278861, 570205960,
    561275159, 552484236, 543831000, 535313302, 526929004, 518676025, 510552310, 502555837, 494684619, 486936709,
    479310172, 471802830, 464413288, 457139471, 449979570, 442931813, 435994433, 429165708, 422443937, 415827446,
    409314591, 402903738, 396593296, 390381695, 384267393, 378248870, 372324449, 366492988, 360752844, 355102594,
    349540835, 344066189, 338677283, 333372779, 328151357, 323011715, 317952572, 312972673, 308070768, 303245644,
    298496100, 293820958, 289218907, 284689072, 280230169, 275841096, 271520761, 267268092, 263082033, 258961534,
    254905571, 250913135, 246983230, 243114877, 239307118, 235558997, 231869587, 228237973, 224663133, 221144386,
    217680744, 214271344, 210915339, 207611897, 204360194, 201159423, 198008781, 194907485, 191854764, 188849856,
    185892014, 182980505, 180114599, 177293590, 174516680, 171783341, 169092806, 166444411, 163837491, 161271401,
    158745502, 156259164, 153811771, 151402707, 149031376, 146697185, 144399556, 142137915, 139911704, 137720366,
    135563281, 133440042, 131350054, 129292798, 127267763, 125274443, 123312343, 121380974, 119479855, 117608514,
    115766481, 113953300, 112168518, 110411692, 108682387, 106980175, 105304565, 103655248, 102031760, 100433698,
    98860665, 97312270, 95788125, 94287852, 92811076, 91357431, 89926555, 88518088, 87131683, 85766995, 84423684,
    83101374, 81799816, 80518638, 79257524, 78016161, 76794240, 75591458, 74407514, 73242113, 72094965, 70965784,
    69854288, 68760203, 67683254, 66623174, 65579700, 64552540, 63541498, 62546289, 61566665, 60602383, 59653204,
    58718891, 57799211, 56893937, 56002840, 55125701, 54262300, 53412422, 52575856, 51752394, 50941832, 50143942,
    49358571, 48585499, 47824534, 47075487, 46338172, 45612404, 44898004, 44194793, 43502596, 42821241, 42150557,
    41490378, 40840540, 40200881, 39571243, 38951447, 38341377,
};
static const frozen_arg softmax_s8_1[] = {
    WRITTEN(softmax_s8_1_y_after), READ(softmax_s8_1_x), READ(softmax_s8_1_table), NUMBER(1), NUMBER(4), NUMBER(256),
};
static const int8_t softmax_s8_2_y_after[] = {
    -15, 15, 71, -71,
};
static const int8_t softmax_s8_2_x[] = {
    -42, -35, -73, -111,
};
static const int32_t softmax_s8_2_table[] = {
    2147483647, 2077669584, 2010125346, 1944776870, 1881552810, 1820384173, 1761204138, 1703948172, 1648552988,
    1594959259, 1543107688, 1492941786, 1444406759, 1397449596, 1352019043, 1308065615, 1265540450, 1224398231,
    1184593472, 1146082744, 1108823986, 1072776512, 1037900988, 1004158929, 971514185, 939930616, 909373794, 879810363,
    851208019, 823535565, 796762833, 770860133, 745799783, 721554095, 698096608, 675401726, 653444653, 632201436,
    611648623, 591764221, 572526187, 553913550, 535906010, 518483890, 501628169, 485320474, 469542750, 454278106,
    439509686, 425221376, 411397575, 398023183, 385083608, 372564562, 360452676, 348734497, 337397259, 326428590,
    315816508, 305549423, 295616149, 286005698, 276707777, 267712107, 259008878, 250588584, 242442036, 234560339,
    226934909, 219557264, 212419543, 205513855, 198832670, 192368688, 186114850, 180064337, 174210463, 168546960,
    163067557, 157766287, 152637359, 147675171, 142874307, 138229536, 133735701, 129388007, 125181649, 121112036,
    117174725, 113365416, 109679952, 106114267, 102664542, 99326956, 96097871, 92973762, 89951216, 87026935, 84197731,
    81460470, 78812224, 76250067, 73771202, 71372925, 69052617, 66807744, 64635829, 62534550, 60501575, 58534690,
    56631747, 54790668, 53009444, 51286131, 49618824, 48005736, 46445087, 44935173, 43474346, 42061010, 40693623,
    39370695, 38090755, 36852439, 35654379, 34495268, 33373838, 32288866, 31239170, 30223587, 29241032, 28290417,
    27370705, 26480892, 25620008, 24787111, 23981295, 23201664, 22447387, 21717630, 21011598, 20328518, 19667645,
    19028258, 18409651, 17811162, 17232127, 16671917, 16129919, 15605540, 15098210, 14607375, 14132490, 13673048,
    13228542, 12798487, 12382413, 11979865, 11590404, 11213601, 10849052, 10496354, 10155121, 9824981, 9505574, 9196552,
    8897576, 8608317, 8328464, 8057709, 7795755, 7542318, 7297120, 7059893, 6830377, 6608324, 6393490, 6185640, 5984547,
    5789992, 5601761, 5419650, 5243458, 5072995, 4908074, 4748514, 4594142, 4444788, 4300289, 4160489, 4025232, 3894373,
    3767769, 3645280, 3526773, 3412119, 3301192, 3193871, 3090039, 2989583, 2892393, 2798362, 2707389, 2619372, 2534218,
    2451831, 2372123, 2295006, 2220396, 2148212, 2078374, 2010807, 1945436, 1882190, 1821001, 1761801, 1704526, 1649112,
    1595500, 1543631, 1493448, 1444896, 1397923, 1352477, 1308509, 1265970, 1224813, 1184995, 1146471, 1109200, 1073140,
    1038253, 1004499, 971844, 940249, 909682, 880109, 851497, 823815, 797033, 771121, 746053, 721799, 698334, 675631,
    653667, 632416, 611856, 591965, 572721, 554102, 536088, 518660, 501799, 485485, 469702,
};
static const frozen_arg softmax_s8_2[] = {
    WRITTEN(softmax_s8_2_y_after), READ(softmax_s8_2_x), READ(softmax_s8_2_table), NUMBER(2), NUMBER(2), NUMBER(256),
};
static const int8_t softmax_s8_3_y_after[] = {
    -128, -128, 127, -128, -128,
};
static const int8_t softmax_s8_3_x[] = {
    -57, -59, 117, -6, 83,
};
static const int32_t softmax_s8_3_table[] = {
    2147483647, 1672462419, 1302515042, 1014399735, 790015308, 615264540, 479168506, 373176807, 290630390, 226343175,
    176276242, 137284076, 106916946, 83267001, 64848406, 50503989, 39332546, 30632218, 23856395, 18579379, 14469635,
    11268963, 8776277, 6834972, 5323081, 4145620, 3228612, 2514446, 1958252, 1525088, 1187740, 925013, 720401, 561049,
    436945, 340293, 265021, 206398, 160743, 125187, 97496, 75930, 59134, 46054, 35867, 27933, 21754, 16942, 13195, 10276,
    8003, 6233, 4854, 3780, 2944, 2293, 0,
};
static const frozen_arg softmax_s8_3[] = {
    WRITTEN(softmax_s8_3_y_after), READ(softmax_s8_3_x), READ(softmax_s8_3_table), NUMBER(1), NUMBER(5), NUMBER(57),
};
static const int8_t softmax_s8_4_y_after[] = {
    -119, -108, -122, -117, -75, -84, -117, -103, -94, -117, -120, -116, -114, -124, -85, -84, -91, -112, -91, -121,
    -102, -122, -105, -122, -124, -125, -104, -84, -113, -122, -121, -122, -117, -118, -78, -119, -120, -82, -109, -118,
    -105, -113, -106, -123, -100, -111, -91, -101, -102, -108, -117, -113,
};
static const int8_t softmax_s8_4_x[] = {
    -83, -1, -113, -61, 91, 73, -63, 17, 48, -60, -96, -54, -39, -116, 122, 126, 109, 29, 108, -54, 76, -62, 64, -71,
    -114, -119, 50, 109, 7, -81, -65, -83, -25, -32, 123, -41, -49, 115, 31, -31, 50, 11, 47, -103, 72, 25, 99, 68, 64,
    41, -23, 12,
};
static const int32_t softmax_s8_4_table[] = {
    2147483647, 2125262644, 2103272003, 2081508898, 2059970924, 2038655789, 2017561195, 1996684867, 1976024547,
    1955578032, 1935343053, 1915317452, 1895499061, 1875885739, 1856475361, 1837265856, 1818255092, 1799441040,
    1780821668, 1762394966, 1744158942, 1726111658, 1708251118, 1690575424, 1673082677, 1655770055, 1638637399,
    1621681967, 1604901955, 1588295556, 1571860978, 1555596446, 1539500228, 1523570538, 1507805677, 1492203939,
    1476763637, 1461483101, 1446360698, 1431394751, 1416583662, 1401925830, 1387419670, 1373063617, 1358856141,
    1344795668, 1330880705, 1317109755, 1303481336, 1289993272, 1276645381, 1263435580, 1250362448, 1237424575,
    1224620566, 1211949056, 1199408643, 1186997986, 1174715746, 1162560594, 1150531215, 1138626325, 1126844602,
    1115184787, 1103645621, 1092225857, 1080924274, 1069739622, 1058670709, 1047716340, 1036875336, 1026146531,
    1015528785, 1005020361, 994621159, 984329540, 974144400, 964064637, 954089181, 944216926, 934446819, 924777806,
    915208840, 905738887, 896366936, 887091947, 877912928, 868828889, 859838844, 850941836, 842136878, 833423031,
    824799355, 816264921, 807818807, 799460117, 791187928, 783000925, 774899015, 766880922, 758945785, 751092758,
    743320973, 735629602, 728017813, 720484786, 713029704, 705651772, 698350172, 691124124, 683972846, 676895565,
    669891525, 662959948, 656100097, 649311229, 642592613, 635943522, 629363252, 622851073, 616406297, 610027889,
    603715775, 597468963, 591286789, 585168569, 579113651, 573121384, 567191119, 561322215, 555514047, 549765969,
    544077367, 538447629, 532876142, 527362314, 521905531, 516505211, 511160773, 505871636, 500637232, 495457002,
    490330373, 485256802, 480235743, 475266393, 470348691, 465481872, 460665397, 455898756, 451181433, 446512919,
    441892711, 437320316, 432795225, 428316958, 423885028, 419498956, 415158276, 410862503, 406611180, 402403847,
    398240050, 394119339, 390041274, 386005405, 382011302, 378058535, 374146680, 370275111, 366443786, 362652093,
    358899627, 355185986, 351510769, 347873584, 344274028, 340711717, 337186266, 333697294, 330244424, 326827286,
    323445502, 320098710, 316786548, 313508659, 310264688, 307054289, 303877106, 300732803, 297621038, 294541478,
    291493792, 288477498, 285492548, 282538479, 279614973, 276721714, 273858395, 271024697, 268220321, 265444961,
    262698319, 259980097, 257290005, 254627745, 251993032, 249385581, 246805111, 244251341, 241724000, 239222808,
    236747498, 234297804, 231873460, 229474207, 227099789, 224749822, 222424280, 220122795, 217845122, 215591017,
    213360232, 211152528, 208967667, 206805413, 204665533, 202547797, 200451972, 198377832, 196325155, 194293717,
    192283299, 190293687, 188324659, 186376006, 184447518, 182538986, 180650205, 178780974, 176931087, 175100253,
    173288446, 171495384, 169720875, 167964723, 166226741, 164506742, 162804539, 161119950, 159452794, 157802886,
    156170050, 154554109, 152954889, 151372217,
};
static const frozen_arg softmax_s8_4[] = {
    WRITTEN(softmax_s8_4_y_after), READ(softmax_s8_4_x), READ(softmax_s8_4_table), NUMBER(4), NUMBER(13), NUMBER(256),
};
static const int8_t softmax_s8_5_y_after[] = {
    127,
};
static const int8_t softmax_s8_5_x[] = {
    127,
};
static const int32_t softmax_s8_5_table[] = {
    2147483647, 730880208, 248749689, 84660132, 28813447, 9806444, 3337551, 1135911, 386599, 131576, 44781, 15241, 5187,
    0,
};
static const frozen_arg softmax_s8_5[] = {
    WRITTEN(softmax_s8_5_y_after), READ(softmax_s8_5_x), READ(softmax_s8_5_table), NUMBER(1), NUMBER(1), NUMBER(14),
};
static const int8_t matmul_s8_0_y_after[] = {
    1,
};
static const int8_t matmul_s8_0_a[] = {
    113,
};
static const int8_t matmul_s8_0_b[] = {
    32,
};
static const frozen_arg matmul_s8_0[] = {
    WRITTEN(matmul_s8_0_y_after), READ(matmul_s8_0_a), READ(matmul_s8_0_b), SCRATCH(16), NUMBER(1), NUMBER(1), NUMBER(1),
    NUMBER(0), NUMBER(5), NUMBER(0), NUMBER(1), NUMBER(1), NUMBER(1073741824), NUMBER(-10),
};
static const int8_t matmul_s8_1_y_after[] = {
    55, 41, 30, 0, 59, 84,
};
static const int8_t matmul_s8_1_a[] = {
    31, -9, -42, -128, 43, 115,
};
static const int8_t matmul_s8_1_b[] = {
    -39,
};
static const frozen_arg matmul_s8_1[] = {
    WRITTEN(matmul_s8_1_y_after), READ(matmul_s8_1_a), READ(matmul_s8_1_b), SCRATCH(16), NUMBER(6), NUMBER(1), NUMBER(1),
    NUMBER(-128), NUMBER(-128), NUMBER(0), NUMBER(1), NUMBER(1), NUMBER(1073741824), NUMBER(-7),
};
static const int8_t matmul_s8_2_y_after[] = {
    -128, 127,
};
static const int8_t matmul_s8_2_a[] = {
    -128, 127, 127, 127, 127, -128,
};
static const int8_t matmul_s8_2_b[] = {
    -128, 127, 127, -128, -128, 127, 127, 127, 127, 127, -128, -128,
};
static const frozen_arg matmul_s8_2[] = {
    WRITTEN(matmul_s8_2_y_after), READ(matmul_s8_2_a), READ(matmul_s8_2_b), SCRATCH(36), NUMBER(1), NUMBER(2), NUMBER(6),
    NUMBER(-128), NUMBER(5), NUMBER(-128), NUMBER(6), NUMBER(1), NUMBER(1073741824), NUMBER(-6),
};
static const int8_t matmul_s8_3_y_after[] = {
    -128, 127, -128, -128, 127, -128, -128, 120, -128, -128, 127, -128, -128, 127, -128, -27, 16, -38, -128, 127, -128,
};
static const int8_t matmul_s8_3_a[] = {
    23, 77, 2, 119, 25, -111, 93,
};
static const int8_t matmul_s8_3_b[] = {
    -75, 52, -110,
};
static const frozen_arg matmul_s8_3[] = {
    WRITTEN(matmul_s8_3_y_after), READ(matmul_s8_3_a), READ(matmul_s8_3_b), SCRATCH(16), NUMBER(7), NUMBER(3), NUMBER(1),
    NUMBER(-128), NUMBER(5), NUMBER(0), NUMBER(1), NUMBER(1), NUMBER(1347949158), NUMBER(-5),
};
static const int8_t matmul_s8_4_y_after[] = {
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 125, 108, 101, 110, 111,
    126, 118, 125, 119, 127, 127, 127, 127, 127, 127, 127, 127, 127,
};
static const int8_t matmul_s8_4_a[] = {
    -27, -62, 16, -24,
};
static const int8_t matmul_s8_4_b[] = {
    115, -22, -78, -9, -4, 123, 54, 111, 62,
};
static const frozen_arg matmul_s8_4[] = {
    WRITTEN(matmul_s8_4_y_after), READ(matmul_s8_4_a), READ(matmul_s8_4_b), SCRATCH(16), NUMBER(4), NUMBER(9), NUMBER(1),
    NUMBER(0), NUMBER(127), NUMBER(127), NUMBER(1), NUMBER(1), NUMBER(1073741824), NUMBER(-6),
};
static const int8_t matmul_s8_5_y_after[] = {
    78, 127, -50, 49, 110, 127, 73, 127, 62, 127, 0, 126, -66, -18, 71, 127, -56, 35, 78, 127, 94, 127, 127, 127,
};
static const int8_t matmul_s8_5_a[] = {
    11, -87, -94, -36, 41, 47, 89, -101, 108, 77, 23, -123, -5, -91, -64, -113, -26, 48, 12, 0, -127, 107, 90, -85, 48,
    71, 78, 70, -67, 40, 95, 30, 12, 127, 65, -49, -100, -20, 62, -74, 84, 95, -27, 77, 38, -64, 7, -97, -20, -36, -91,
    -67, -79, -22, 89, -69, -111, -77, -65, -62,
};
static const int8_t matmul_s8_5_b[] = {
    35, 42, 98, 23, 94, 33, 42, -1, -111, 71,
};
static const frozen_arg matmul_s8_5[] = {
    WRITTEN(matmul_s8_5_y_after), READ(matmul_s8_5_a), READ(matmul_s8_5_b), SCRATCH(32), NUMBER(12), NUMBER(2),
    NUMBER(5), NUMBER(127), NUMBER(127), NUMBER(-128), NUMBER(5), NUMBER(1), NUMBER(2060547732), NUMBER(-8),
};
static const int8_t matmul_s8_6_y_after[] = {
    127, 127, 127, 124, 123, 127, 127, 127, 125, 125, 125, 127, 120, 121, 116, 126, 127, 117, 127, 125, 127, 127, 127,
    126, 127, 125, 127, 127, 124, 120, 125, 127, 125, 127, 127, 127, 127, 127, 124, 123, 125, 127, 120, 126, 125, 127,
    125, 122, 127, 127, 125, 127, 127, 124, 122, 124, 127, 116, 127, 127, 127, 124, 127, 127, 127, 127, 125, 124, 127,
    125, 123, 127, 118, 126, 123, 127, 120, 127, 127, 127, 126, 127, 127, 127, 127, 124, 127, 127, 127, 127, 126, 127,
    125, 126, 125,
};
static const int8_t matmul_s8_6_a[] = {
    88, 23, -29, 54, 106, -54, -64, 63, 119, 102, 83, -99, -12, 83, 70, -121, 66, -61, -60, 58, 78, -94, 78, 91, -32,
    -87, -8, -33, 73, 83, -32, 51, 40, 3, 31, -117, -70, 32, -6, -77, 93, -75, 16, 30, -109, -88, 75, -84, -58, 63, -54,
    -51, -41, 81, 71, 48, 47, -50, 81, -114, -114, 98, -89, 91, -7, -44, 15, 28, 114, -115, -125, -101, 43, -16, 13, -32,
};
static const int8_t matmul_s8_6_b[] = {
    -11, 44, -21, 34, 56, -23, 40, -17, 43, 7, -114, 104, -67, -15, -28, -8, -113, -29, -102, -15,
};
static const frozen_arg matmul_s8_6[] = {
    WRITTEN(matmul_s8_6_y_after), READ(matmul_s8_6_a), READ(matmul_s8_6_b), SCRATCH(28), NUMBER(19), NUMBER(5),
    NUMBER(4), NUMBER(5), NUMBER(5), NUMBER(127), NUMBER(4), NUMBER(1), NUMBER(1073741824), NUMBER(-10),
};
static const int8_t add_s8_0_y_after[] = {
    122, 127, 122,
};
static const int8_t add_s8_0_a[] = {
    -88, 82, -116,
};
static const int8_t add_s8_0_b[] = {
    -13, -35, 79,
};
static const frozen_arg add_s8_0[] = {
    WRITTEN(add_s8_0_y_after), READ(add_s8_0_a), READ(add_s8_0_b), NUMBER(1), NUMBER(3), NUMBER(17), NUMBER(-128),
    NUMBER(127), NUMBER(1073741824), NUMBER(0), NUMBER(1737632249), NUMBER(-3), NUMBER(1992752170), NUMBER(-23),
};
static const int8_t add_s8_1_y_after[] = {
    127, -128, 127, -66, -128, 85, -128,
};
static const int8_t add_s8_1_a[] = {
    -89, -109, 78, 7, 55, -15, -14,
};
static const int8_t add_s8_1_b[] = {
    58, -61, 76, -3, -56, 36, -67,
};
static const frozen_arg add_s8_1[] = {
    WRITTEN(add_s8_1_y_after), READ(add_s8_1_a), READ(add_s8_1_b), NUMBER(1), NUMBER(7), NUMBER(17), NUMBER(17),
    NUMBER(17), NUMBER(1073741824), NUMBER(-4), NUMBER(1073741824), NUMBER(0), NUMBER(1073741824), NUMBER(-16),
};
static const int8_t add_s8_2_y_after[] = {
    13, -128, -128, 9, -102, -128, -128, 26, -128,
};
static const int8_t add_s8_2_a[] = {
    116, -106, -119, -64, -126, -62, -126, 15, 5,
};
static const int8_t add_s8_2_b[] = {
    21, -125, -97, 108, 45, -105, -63, 83, -127,
};
static const frozen_arg add_s8_2[] = {
    WRITTEN(add_s8_2_y_after), READ(add_s8_2_a), READ(add_s8_2_b), NUMBER(3), NUMBER(3), NUMBER(11), NUMBER(-2),
    NUMBER(-77), NUMBER(1073741824), NUMBER(0), NUMBER(2147483647), NUMBER(0), NUMBER(1273507697), NUMBER(-19),
};
static const int8_t add_s8_3_y_after[] = {
    127, 127, 127, 127, -53, 127, 127, 127, 127,
};
static const int8_t add_s8_3_a[] = {
    77, 29, -41, -80, -125, 11, 59, 93, 125,
};
static const int8_t add_s8_3_b[] = {
    103, -73, 60, 84, -86, -75, 87, 114, 39,
};
static const frozen_arg add_s8_3[] = {
    WRITTEN(add_s8_3_y_after), READ(add_s8_3_a), READ(add_s8_3_b), NUMBER(3), NUMBER(3), NUMBER(-106), NUMBER(-89),
    NUMBER(-9), NUMBER(1073741824), NUMBER(0), NUMBER(2147483647), NUMBER(0), NUMBER(1837750272), NUMBER(-17),
};
static const int8_t mul_s8_0_y_after[] = {
    127, 127, 126,
};
static const int8_t mul_s8_0_a[] = {
    -88, 82, -116,
};
static const int8_t mul_s8_0_b[] = {
    -13, -35, 79,
};
static const frozen_arg mul_s8_0[] = {
    WRITTEN(mul_s8_0_y_after), READ(mul_s8_0_a), READ(mul_s8_0_b), NUMBER(1), NUMBER(3), NUMBER(17), NUMBER(-128),
    NUMBER(127), NUMBER(1592667713), NUMBER(-15),
};
static const int8_t mul_s8_1_y_after[] = {
    -10, 78, 39, 18, 0, 13, 33,
};
static const int8_t mul_s8_1_a[] = {
    -89, -109, 78, 7, 55, -15, -14,
};
static const int8_t mul_s8_1_b[] = {
    58, -61, 76, -3, -56, 36, -67,
};
static const frozen_arg mul_s8_1[] = {
    WRITTEN(mul_s8_1_y_after), READ(mul_s8_1_a), READ(mul_s8_1_b), NUMBER(1), NUMBER(7), NUMBER(17), NUMBER(17),
    NUMBER(17), NUMBER(1717986918), NUMBER(-7),
};
static const int8_t mul_s8_2_y_after[] = {
    -128, -128, -128, -128, 1, -128, -128, 127, 127, 127, -128, -128,
};
static const int8_t mul_s8_2_a[] = {
    -76, -76, -108, -57, -26, -79, -109, 110, 118, 68, -78, -67,
};
static const int8_t mul_s8_2_b[] = {
    50, 81, 39, -43, -87, 15, 76, 15, -125, 34, 90, 3,
};
static const frozen_arg mul_s8_2[] = {
    WRITTEN(mul_s8_2_y_after), READ(mul_s8_2_a), READ(mul_s8_2_b), NUMBER(12), NUMBER(1), NUMBER(0), NUMBER(-128),
    NUMBER(127), NUMBER(2023350888), NUMBER(-3),
};
static const int8_t mul_s8_3_y_after[] = {
    -128, 127, 39, -128, -128, 127, -128, -128, 127, -128, -128, -128, 127, -128, -128, 127, -128, 127, 127, 127, 127,
    -128, -128, -128, -128,
};
static const int8_t mul_s8_3_a[] = {
    41, -50, 123, 47, 96, 105, -21, -56, 70, -6, -96, 114, 66, 107, 34, 56, -88, -106, -30, -109, 12, -40, -85, -98, -61,
};
static const int8_t mul_s8_3_b[] = {
    39, -102, 91, 121, 73, -31, 29, 33, -9, 67, 34, 115, -22, 127, 71, -33, 61, -6, -43, -121, -61, 51, 107, 7, 100,
};
static const frozen_arg mul_s8_3[] = {
    WRITTEN(mul_s8_3_y_after), READ(mul_s8_3_a), READ(mul_s8_3_b), NUMBER(5), NUMBER(5), NUMBER(127), NUMBER(0),
    NUMBER(127), NUMBER(2083855496), NUMBER(-2),
};
static const int8_t mul_s8_4_y_after[] = {
    -71, 127, -128, 25, 43, -128, 61, 127, 10, -98, 0, 42, -3, 127, -128, -36, 13, 27, 127, -125, -128, 127, 19, -83,
    127, 47, -128, 27, 7, -92, -51, 63,
};
static const int8_t mul_s8_4_a[] = {
    -10, 95, -61, 20, 126, -82, 49, 114, -4, -15, -104, 23, 7, 115, -91, 0, 10, 86, 72, -16, -111, 106, 40, -11, 103, 36,
    -24, 22, 7, -70, -33, 68,
};
static const int8_t mul_s8_4_b[] = {
    61, 27, 15, 21, -114, 97, -48, 102, -109, 81, -120, 116, -12, 51, 18, 54, -96, -120, 84, 122, 38, 108, -124, 80, 22,
    -35, 77, -15, -69, -55, -49, -75,
};
static const frozen_arg mul_s8_4[] = {
    WRITTEN(mul_s8_4_y_after), READ(mul_s8_4_a), READ(mul_s8_4_b), NUMBER(8), NUMBER(4), NUMBER(17), NUMBER(-128),
    NUMBER(17), NUMBER(1181312338), NUMBER(-5),
};
static const int8_t mul_s8_5_y_after[] = {
    -128, -128, 127, -128, 127, -128, -128, 17, 127, 127, 127, 127, 75, 127, 127, -128, 127, 127, -128, 127, 127, 127,
    -128, 127, -128, 127, -128, 127, -128, 127, -128, 127, 127, 127, 127, -128, 127, 127, 127, 127, -128, 127, -128,
    -128, -128, 127, -128, -128, 127, 127, -128, 127, 127, -128, -128, 127, 127, 127, -128, 127, -128, -128, -128, 127,
    -128, 127, 127, 127, -128, -128, -128, -128, -128, 127, -128, 127, -128, 127, -128, -128, 127, 127, -128, -128, -128,
    -128, 127, -128, 127, -128, 127, 127, 127, 127, 127, 127, 127, -128,
};
static const int8_t mul_s8_5_a[] = {
    122, -106, -8, -119, -119, -89, -23, 20, -52, -7, 15, 34, 126, 29, -104, -46, -41, 15, 40, -5, -91, -31, -40, -77,
    86, -4, -16, 61, 71, -38, 117, -70, 123, -44, 94, -36, -38, 3, 90, 59, 80, 28, 34, 120, 19, 16, 58, 8, 5, 21, 124,
    70, 56, 123, 11, -71, -89, 40, -96, -34, -28, -112, 107, -15, 34, -11, -99, -62, 50, -125, 4, 60, -47, 83, -65, -72,
    -74, -9, 103, 79, -23, 23, -87, 111, 123, 58, 62, 72, 115, 50, -126, 101, 8, 118, -8, -45, -100, -66,
};
static const int8_t mul_s8_5_b[] = {
    67, 127, -34, 55, -42, 73, 53, 17, -19, -57, -111, -7, 2, -34, -20, 94, -2, -119, 90, -109, -51, -5, 47, -69, 42,
    -16, 46, -85, 59, -76, 27, -111, -118, -113, -45, 61, -45, -38, -22, -69, 49, -93, 93, 39, 76, -58, 118, 91, 4, -52,
    64, -44, -112, 98, 76, -79, -81, -112, 83, -61, 67, 91, 74, 14, 70, -29, -101, -37, 114, 33, 126, 79, 32, -46, 63, 1,
    23, -110, 70, 114, -24, -96, 54, 37, 100, 110, 9, 121, -88, 26, -115, -74, -99, -108, -90, -49, -102, 87,
};
static const frozen_arg mul_s8_5[] = {
    WRITTEN(mul_s8_5_y_after), READ(mul_s8_5_a), READ(mul_s8_5_b), NUMBER(2), NUMBER(49), NUMBER(127), NUMBER(17),
    NUMBER(17), NUMBER(2073390389), NUMBER(2),
};
static const int8_t table_s8_0_y_after[] = {
    -27, -34, 34, 80, 61, -70, -87, -44,
};
static const int8_t table_s8_0_x[] = {
    97, -53, 99, 32, -11, -114, -106, -65,
};
static const int8_t table_s8_0_table[] = {
    -19, 52, 83, 113, -6, 32, -40, -44, -21, -10, -4, 36, -41, 118, -70, 12, 117, 41, 54, 57, 42, -74, -87, -80, 12,
    -125, 95, -55, -80, -57, -90, -67, -108, 95, -10, -52, 47, 45, 48, -106, -15, 113, -9, 30, -4, 112, -45, 43, -54,
    117, 51, -93, 93, 91, -76, 11, 107, 107, 26, 101, -47, 84, -127, -44, -19, 59, 118, -12, 13, 122, 121, 59, -98, 16,
    -40, -34, -75, -53, -61, 28, 30, -125, -45, -4, 59, 2, 0, -92, -91, 62, -105, -115, 49, 22, -24, 127, 118, -35, -80,
    -95, -101, -37, 39, 62, 28, -112, -52, 104, -83, 103, 55, -65, 17, 86, 51, 7, 88, 61, 21, -37, 126, 9, -13, -83, 98,
    0, 83, 112, 86, -110, -83, -100, 23, -66, -54, -81, 127, 113, -107, 57, -49, -40, -1, 83, 1, 54, -41, 20, -33, -39,
    121, 113, -126, -38, 44, 7, 100, -15, -68, -75, 80, -2, -30, -82, 99, -62, 8, -102, -94, 40, 31, -39, -19, -81, -114,
    -71, 108, 26, -93, -124, 43, 126, -15, 126, -124, 54, -101, -1, 19, 11, 110, 63, -76, 92, -23, -37, 62, -22, 31, 34,
    82, -31, -125, 113, -118, -15, -35, -50, 22, 113, -109, -125, 13, 34, -31, -56, -72, -109, -20, -89, -118, -40, 35,
    89, -96, -27, -38, 34, -125, -109, 116, 49, 85, 104, 9, -60, -79, 74, -105, 99, 4, 66, -93, -74, -54, 4, -13, 4, -58,
    77, 78, -93, -23, 125, -78, 73,
};
static const frozen_arg table_s8_0[] = {
    WRITTEN(table_s8_0_y_after), READ(table_s8_0_x), READ(table_s8_0_table), NUMBER(1), NUMBER(8),
};
static const uint16_t table_s8_u16_0_y_after[] = {
    25888, 24313, 41530, 53490, 48430, 14972, 10560, 21669,
};
static const int8_t table_s8_u16_0_x[] = {
    97, -53, 99, 32, -11, -114, -106, -65,
};
static const uint16_t table_s8_u16_0_table[] = {
    27999, 46131, 54049, 61752, 31271, 41152, 22664, 21690, 27398, 30452, 31977, 42005, 22295, 63215, 14972, 36052,
    62829, 43318, 46739, 47603, 43747, 14038, 10560, 12306, 35918, 953, 57151, 18885, 12349, 18361, 9832, 15787, 5374,
    57261, 30316, 19552, 44917, 44503, 45169, 5649, 29028, 61797, 30546, 40473, 31830, 61460, 21320, 43994, 18970, 62728,
    45940, 9156, 56648, 56266, 13409, 35649, 60178, 60409, 39442, 58706, 20829, 54336, 259, 21669, 28036, 47880, 63200,
    29729, 36349, 64136, 63965, 47944, 7712, 36897, 22615, 24313, 13802, 19348, 17184, 39985, 40509, 925, 21287, 31993,
    47920, 33468, 32900, 9246, 9671, 48744, 5955, 3490, 45335, 38567, 26771, 65515, 62997, 23885, 12518, 8654, 7081,
    23334, 42925, 48833, 40113, 4295, 19634, 59626, 11547, 59205, 47075, 16263, 37273, 54961, 46022, 34697, 55452, 48430,
    38155, 23437, 65172, 35195, 29566, 11606, 58086, 32991, 54176, 61477, 54852, 4608, 11632, 7247, 38886, 16093, 19126,
    12037, 65375, 61711, 5463, 47427, 20318, 22701, 32602, 54207, 33242, 46692, 22308, 38108, 24453, 22804, 63825, 61796,
    645, 23213, 44261, 34663, 58373, 29177, 15414, 13786, 53490, 32470, 25288, 12029, 58162, 16999, 34832, 6738, 8853,
    43144, 40913, 23017, 27957, 12159, 3826, 14724, 60656, 39480, 9030, 1173, 44002, 65186, 29071, 65067, 1208, 46657,
    6934, 32624, 37875, 35771, 61023, 49103, 13502, 56373, 26954, 23512, 48720, 27238, 40762, 41587, 53794, 24926, 991,
    61856, 2723, 29126, 24022, 20142, 38465, 61914, 4936, 787, 36247, 41620, 24989, 18460, 14590, 5015, 27770, 10182,
    2619, 22538, 41918, 55724, 8410, 25888, 23267, 41530, 827, 5082, 62551, 45386, 54704, 59644, 35308, 17566, 12720,
    51937, 6042, 58128, 33922, 49818, 9051, 13847, 18984, 33840, 29440, 33831, 18170, 52515, 52929, 9172, 27087, 64843,
    12916, 51693,
};
static const frozen_arg table_s8_u16_0[] = {
    WRITTEN(table_s8_u16_0_y_after), READ(table_s8_u16_0_x), READ(table_s8_u16_0_table), NUMBER(1), NUMBER(8),
};
static const int8_t scan_s8_0_y_after[] = {
    -124,
};
static const int8_t scan_s8_0_x[] = {
    32,
};
static const uint16_t scan_s8_0_dt[] = {
    65535,
};
static const int8_t scan_s8_0_b[] = {
    47,
};
static const int8_t scan_s8_0_c[] = {
    101,
};
static const uint8_t scan_s8_0_a[] = {
    233,
};
static const int16_t scan_s8_0_a_scale[] = {
    4,
};
static const int16_t scan_s8_0_d_skip[] = {
    -14,
};
static const int8_t scan_s8_0_h_exp[] = {
    2,
};
static const int16_t scan_s8_0_h[] = {
    3131,
};
static const int16_t scan_s8_0_h_after[] = {
    3166,
};
static const frozen_arg scan_s8_0[] = {
    WRITTEN(scan_s8_0_y_after), READ(scan_s8_0_x), READ(scan_s8_0_dt), READ(scan_s8_0_b), READ(scan_s8_0_c),
    READ(scan_s8_0_a), READ(scan_s8_0_a_scale), READ(scan_s8_0_d_skip), READ(scan_s8_0_h_exp), STATE(scan_s8_0_h,
    scan_s8_0_h_after), SCRATCH(4), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(0), NUMBER(-128), NUMBER(1757219834),
    NUMBER(-11), NUMBER(7), NUMBER(1), NUMBER(1930309030), NUMBER(-18),
};
static const int8_t scan_s8_1_y_after[] = {
    33, 15,
};
static const int8_t scan_s8_1_x[] = {
    64, -37,
};
static const uint16_t scan_s8_1_dt[] = {
    1, 1,
};
static const int8_t scan_s8_1_b[] = {
    -127, 102,
};
static const int8_t scan_s8_1_c[] = {
    83, 84,
};
static const uint8_t scan_s8_1_a[] = {
    184,
};
static const int16_t scan_s8_1_a_scale[] = {
    338,
};
static const int16_t scan_s8_1_d_skip[] = {
    20416,
};
static const int8_t scan_s8_1_h_exp[] = {
    -3,
};
static const int16_t scan_s8_1_h[] = {
    -10142,
};
static const int16_t scan_s8_1_h_after[] = {
    -10143,
};
static const frozen_arg scan_s8_1[] = {
    WRITTEN(scan_s8_1_y_after), READ(scan_s8_1_x), READ(scan_s8_1_dt), READ(scan_s8_1_b), READ(scan_s8_1_c),
    READ(scan_s8_1_a), READ(scan_s8_1_a_scale), READ(scan_s8_1_d_skip), READ(scan_s8_1_h_exp), STATE(scan_s8_1_h,
    scan_s8_1_h_after), SCRATCH(4), NUMBER(2), NUMBER(1), NUMBER(1), NUMBER(-128), NUMBER(0), NUMBER(1237111281),
    NUMBER(-9), NUMBER(8), NUMBER(6), NUMBER(1171953706), NUMBER(-19),
};
static const int8_t scan_s8_2_y_after[] = {
    -126,
};
static const int8_t scan_s8_2_x[] = {
    -44,
};
static const uint16_t scan_s8_2_dt[] = {
    59440,
};
static const int8_t scan_s8_2_b[] = {
    54, -120, -102,
};
static const int8_t scan_s8_2_c[] = {
    -106, -45, -12,
};
static const uint8_t scan_s8_2_a[] = {
    187, 46, 56,
};
static const int16_t scan_s8_2_a_scale[] = {
    31173, 10973, 19614,
};
static const int16_t scan_s8_2_d_skip[] = {
    22546,
};
static const int8_t scan_s8_2_h_exp[] = {
    -3,
};
static const int16_t scan_s8_2_h[] = {
    14349, 9744, 10753,
};
static const int16_t scan_s8_2_h_after[] = {
    202, 4900, 2524,
};
static const frozen_arg scan_s8_2[] = {
    WRITTEN(scan_s8_2_y_after), READ(scan_s8_2_x), READ(scan_s8_2_dt), READ(scan_s8_2_b), READ(scan_s8_2_c),
    READ(scan_s8_2_a), READ(scan_s8_2_a_scale), READ(scan_s8_2_d_skip), READ(scan_s8_2_h_exp), STATE(scan_s8_2_h,
    scan_s8_2_h_after), SCRATCH(12), NUMBER(1), NUMBER(1), NUMBER(3), NUMBER(-128), NUMBER(-128), NUMBER(1577953726),
    NUMBER(-10), NUMBER(2), NUMBER(2), NUMBER(2060278956), NUMBER(-19),
};
static const int8_t scan_s8_3_y_after[] = {
    127, -124,
};
static const int8_t scan_s8_3_x[] = {
    -112, 62,
};
static const uint16_t scan_s8_3_dt[] = {
    45316, 45337,
};
static const int8_t scan_s8_3_b[] = {
    -6, 109,
};
static const int8_t scan_s8_3_c[] = {
    -11, -119,
};
static const uint8_t scan_s8_3_a[] = {
    210, 249, 226, 153,
};
static const int16_t scan_s8_3_a_scale[] = {
    4963, 1107,
};
static const int16_t scan_s8_3_d_skip[] = {
    -23993, -10593,
};
static const int8_t scan_s8_3_h_exp[] = {
    3, -2,
};
static const int16_t scan_s8_3_h[] = {
    15133, -19183, 4631, -6813,
};
static const int16_t scan_s8_3_h_after[] = {
    5891, -15903, 2136, -14483,
};
static const frozen_arg scan_s8_3[] = {
    WRITTEN(scan_s8_3_y_after), READ(scan_s8_3_x), READ(scan_s8_3_dt), READ(scan_s8_3_b), READ(scan_s8_3_c),
    READ(scan_s8_3_a), READ(scan_s8_3_a_scale), READ(scan_s8_3_d_skip), READ(scan_s8_3_h_exp), STATE(scan_s8_3_h,
    scan_s8_3_h_after), SCRATCH(8), NUMBER(1), NUMBER(2), NUMBER(2), NUMBER(127), NUMBER(-128), NUMBER(1894492991),
    NUMBER(-10), NUMBER(8), NUMBER(3), NUMBER(1196517555), NUMBER(-18),
};
static const int8_t scan_s8_4_y_after[] = {
    0, -2, 0, -3, 0, -2, -1, 0, 0, -1,
};
static const int8_t scan_s8_4_x[] = {
    1, 30, -2, 124, -71, 100, 127, -80, -102, -52,
};
static const uint16_t scan_s8_4_dt[] = {
    54999, 40198, 36786, 41324, 36908, 44402, 16874, 58153, 54047, 17875,
};
static const int8_t scan_s8_4_b[] = {
    86, 86, -52, 91, -90,
};
static const int8_t scan_s8_4_c[] = {
    -64, -72, 32, 116, 109,
};
static const uint8_t scan_s8_4_a[] = {
    196, 120,
};
static const int16_t scan_s8_4_a_scale[] = {
    26234,
};
static const int16_t scan_s8_4_d_skip[] = {
    -1605, -15043,
};
static const int8_t scan_s8_4_h_exp[] = {
    -1, -2,
};
static const int16_t scan_s8_4_h[] = {
    4549, -5398,
};
static const int16_t scan_s8_4_h_after[] = {
    -58, -41,
};
static const frozen_arg scan_s8_4[] = {
    WRITTEN(scan_s8_4_y_after), READ(scan_s8_4_x), READ(scan_s8_4_dt), READ(scan_s8_4_b), READ(scan_s8_4_c),
    READ(scan_s8_4_a), READ(scan_s8_4_a_scale), READ(scan_s8_4_d_skip), READ(scan_s8_4_h_exp), STATE(scan_s8_4_h,
    scan_s8_4_h_after), SCRATCH(4), NUMBER(5), NUMBER(2), NUMBER(1), NUMBER(-128), NUMBER(0), NUMBER(2102187847),
    NUMBER(-10), NUMBER(3), NUMBER(1), NUMBER(1531515866), NUMBER(-19),
};
static const int8_t scan_s8_5_y_after[] = {
    -128, -128,
};
static const int8_t scan_s8_5_x[] = {
    -9, 25,
};
static const uint16_t scan_s8_5_dt[] = {
    0, 0,
};
static const int8_t scan_s8_5_b[] = {
    85, 113, 21, -110, -111, 60, 19, -55, 72, -118,
};
static const int8_t scan_s8_5_c[] = {
    49, -87, 9, 106, -56, 11, -106, 94, -14, -64,
};
static const uint8_t scan_s8_5_a[] = {
    61, 41, 96, 89, 170,
};
static const int16_t scan_s8_5_a_scale[] = {
    353, 533, 537, 227, 183,
};
static const int16_t scan_s8_5_d_skip[] = {
    -29940,
};
static const int8_t scan_s8_5_h_exp[] = {
    -1,
};
static const int16_t scan_s8_5_h[] = {
    -4725, -7633, 472, 9198, 19758,
};
static const int16_t scan_s8_5_h_after[] = {
    -4725, -7633, 472, 9198, 19758,
};
static const frozen_arg scan_s8_5[] = {
    WRITTEN(scan_s8_5_y_after), READ(scan_s8_5_x), READ(scan_s8_5_dt), READ(scan_s8_5_b), READ(scan_s8_5_c),
    READ(scan_s8_5_a), READ(scan_s8_5_a_scale), READ(scan_s8_5_d_skip), READ(scan_s8_5_h_exp), STATE(scan_s8_5_h,
    scan_s8_5_h_after), SCRATCH(20), NUMBER(2), NUMBER(1), NUMBER(5), NUMBER(-128), NUMBER(-128), NUMBER(1730167271),
    NUMBER(-12), NUMBER(3), NUMBER(3), NUMBER(1371743937), NUMBER(-19),
};
static const int8_t scan_s8_6_y_after[] = {
    -128, -119, -128, -128, -128, -128, 127, -119, -125, 127, -120, -119, 127, -119, -109, -128, -119, -128, -128, -119,
    -111, 127, -128, -128, -128, -119, -128, -128, -118, -128, -128, -118, -128,
};
static const int8_t scan_s8_6_x[] = {
    127, -128, -128, 127, 127, -128, -128, -128, 127, -128, -128, 127, -128, -128, 127, 127, -128, -128, 127, -128, 127,
    -128, 127, -128, 127, -128, -128, 127, -128, -128, 127, -128, -128,
};
static const uint16_t scan_s8_6_dt[] = {
    59738, 24882, 25703, 38603, 30802, 64403, 61652, 15960, 61009, 45830, 55466, 18940, 39830, 51732, 33449, 27602,
    20005, 2872, 31030, 34864, 4668, 22342, 27401, 26660, 23799, 41604, 57224, 31957, 8413, 6467, 15688, 24323, 3596,
};
static const int8_t scan_s8_6_b[] = {
    -128, 127, -128, 127, 127, -128, -128, 127, 127, -128, -128, -128, 127, 127, 127, 127, 127, -128, -128, 127, -128,
    -128, -128, 127, 127, -128, -128, 127, -128, 127, -128, -128, 127, -128, 127, -128, -128, 127, 127, 127, -128, -128,
    -128, -128, 127, -128, -128, 127, -128, 127, -128, 127, -128, 127, -128, -128, 127, 127, -128, 127, -128, -128, 127,
    127, 127, 127, -128, 127, 127, -128, -128, -128, -128, -128, 127, -128, -128, -128, 127, -128, -128, -128, -128,
    -128, -128, -128, 127, 127, 127, 127, 127, -128, -128, -128, -128, -128, 127, -128, 127, 127, 127, 127, -128, 127,
    127, -128, -128, 127, -128, -128,
};
static const int8_t scan_s8_6_c[] = {
    127, 127, -128, 127, 127, -128, -128, -128, 127, -128, 127, 127, -128, -128, -128, -128, 127, -128, 127, 127, -128,
    127, -128, 127, 127, -128, -128, 127, -128, -128, 127, 127, 127, -128, 127, -128, -128, 127, 127, -128, -128, -128,
    127, 127, 127, -128, -128, -128, 127, -128, -128, 127, -128, 127, 127, 127, -128, -128, -128, 127, -128, 127, 127,
    127, -128, -128, 127, 127, 127, 127, 127, -128, -128, -128, -128, 127, -128, -128, -128, 127, 127, -128, -128, -128,
    -128, -128, 127, 127, 127, -128, -128, 127, -128, -128, -128, 127, -128, 127, -128, -128, 127, 127, 127, -128, -128,
    127, -128, -128, -128, -128,
};
static const uint8_t scan_s8_6_a[] = {
    220, 222, 146, 231, 129, 76, 34, 16, 49, 11, 46, 1, 171, 99, 152, 92, 251, 193, 105, 119, 136, 53, 178, 46, 21, 186,
    225, 113, 72, 41,
};
static const int16_t scan_s8_6_a_scale[] = {
    165, 177, 396, 446, 134, 426, 274, 558, 511, 382,
};
static const int16_t scan_s8_6_d_skip[] = {
    -19807, -17303, -57,
};
static const int8_t scan_s8_6_h_exp[] = {
    3, -3, 2,
};
static const int16_t scan_s8_6_h[] = {
    3093, -6203, 121, 11613, 9414, 4947, -1563, -15741, 13903, 18581, -16496, -4400, -3186, -14529, -16048, -17594, 4703,
    -19463, -18463, -18650, -8624, -4818, 16084, 1824, -6419, -17172, -19289, 4740, 3000, 8969,
};
static const int16_t scan_s8_6_h_after[] = {
    2326, -4480, 70, 5116, 8153, 3841, -1383, -14667, 11404, 17925, -12567, -2968, 46, -10437, -15181, -9529, 4884,
    -14608, -13778, -15560, -7478, -4544, 10428, 1619, -6261, -10563, -13327, 3290, 2308, 8167,
};
static const frozen_arg scan_s8_6[] = {
    WRITTEN(scan_s8_6_y_after), READ(scan_s8_6_x), READ(scan_s8_6_dt), READ(scan_s8_6_b), READ(scan_s8_6_c),
    READ(scan_s8_6_a), READ(scan_s8_6_a_scale), READ(scan_s8_6_d_skip), READ(scan_s8_6_h_exp), STATE(scan_s8_6_h,
    scan_s8_6_h_after), SCRATCH(40), NUMBER(11), NUMBER(3), NUMBER(10), NUMBER(0), NUMBER(-128), NUMBER(1669730876),
    NUMBER(-10), NUMBER(3), NUMBER(5), NUMBER(1146668578), NUMBER(-19),
};
static const int8_t scan_powers_s8_0_y_after[] = {
    -128,
};
static const int8_t scan_powers_s8_0_x[] = {
    32,
};
static const uint16_t scan_powers_s8_0_dt[] = {
    65535,
};
static const int8_t scan_powers_s8_0_b[] = {
    47,
};
static const int8_t scan_powers_s8_0_c[] = {
    101,
};
static const uint16_t scan_powers_s8_0_a[] = {
    59809,
};
static const int16_t scan_powers_s8_0_d_skip[] = {
    -14,
};
static const int8_t scan_powers_s8_0_h_exp[] = {
    2,
};
static const int16_t scan_powers_s8_0_h[] = {
    3131,
};
static const int16_t scan_powers_s8_0_h_after[] = {
    38,
};
static const frozen_arg scan_powers_s8_0[] = {
    WRITTEN(scan_powers_s8_0_y_after), READ(scan_powers_s8_0_x), READ(scan_powers_s8_0_dt), READ(scan_powers_s8_0_b),
    READ(scan_powers_s8_0_c), READ(scan_powers_s8_0_a), READ(scan_powers_s8_0_d_skip), READ(scan_powers_s8_0_h_exp),
    STATE(scan_powers_s8_0_h, scan_powers_s8_0_h_after), SCRATCH(4), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(0),
    NUMBER(-128), NUMBER(0), NUMBER(1757219834), NUMBER(-11), NUMBER(7), NUMBER(1), NUMBER(1930309030), NUMBER(-18),
};
static const int8_t scan_powers_s8_1_y_after[] = {
    -128, 127, -128, -127, 127, -128,
};
static const int8_t scan_powers_s8_1_x[] = {
    -128, 127, -128, -128, 127, -128,
};
static const uint16_t scan_powers_s8_1_dt[] = {
    6494, 62811, 48379, 14067, 1524, 18711,
};
static const int8_t scan_powers_s8_1_b[] = {
    -128, 127, -128, -128, -128, 127,
};
static const int8_t scan_powers_s8_1_c[] = {
    -128, -128, -128, 127, 127, -128,
};
static const uint16_t scan_powers_s8_1_a[] = {
    44997,
};
static const int16_t scan_powers_s8_1_d_skip[] = {
    28663,
};
static const int8_t scan_powers_s8_1_h_exp[] = {
    1,
};
static const int16_t scan_powers_s8_1_h[] = {
    6866,
};
static const int16_t scan_powers_s8_1_h_after[] = {
    762,
};
static const frozen_arg scan_powers_s8_1[] = {
    WRITTEN(scan_powers_s8_1_y_after), READ(scan_powers_s8_1_x), READ(scan_powers_s8_1_dt), READ(scan_powers_s8_1_b),
    READ(scan_powers_s8_1_c), READ(scan_powers_s8_1_a), READ(scan_powers_s8_1_d_skip), READ(scan_powers_s8_1_h_exp),
    STATE(scan_powers_s8_1_h, scan_powers_s8_1_h_after), SCRATCH(4), NUMBER(6), NUMBER(1), NUMBER(1), NUMBER(-128),
    NUMBER(-128), NUMBER(3), NUMBER(1745216458), NUMBER(-11), NUMBER(1), NUMBER(6), NUMBER(1843817767), NUMBER(-18),
};
static const int8_t scan_powers_s8_2_y_after[] = {
    13, -11, 127, 33, -128,
};
static const int8_t scan_powers_s8_2_x[] = {
    -128, 127, 127, -128, 127,
};
static const uint16_t scan_powers_s8_2_dt[] = {
    49320, 46658, 36616, 49357, 5879,
};
static const int8_t scan_powers_s8_2_b[] = {
    127,
};
static const int8_t scan_powers_s8_2_c[] = {
    127,
};
static const uint16_t scan_powers_s8_2_a[] = {
    59089, 63815, 62418, 60888, 29759,
};
static const int16_t scan_powers_s8_2_d_skip[] = {
    -8443, -7229, 23089, -1249, -14965,
};
static const int8_t scan_powers_s8_2_h_exp[] = {
    -3, -3, 1, 1, 1,
};
static const int16_t scan_powers_s8_2_h[] = {
    -8265, 9494, 4690, 5054, -4691,
};
static const int16_t scan_powers_s8_2_h_after[] = {
    -5719, 5971, 2357, 1760, -4415,
};
static const frozen_arg scan_powers_s8_2[] = {
    WRITTEN(scan_powers_s8_2_y_after), READ(scan_powers_s8_2_x), READ(scan_powers_s8_2_dt), READ(scan_powers_s8_2_b),
    READ(scan_powers_s8_2_c), READ(scan_powers_s8_2_a), READ(scan_powers_s8_2_d_skip), READ(scan_powers_s8_2_h_exp),
    STATE(scan_powers_s8_2_h, scan_powers_s8_2_h_after), SCRATCH(4), NUMBER(1), NUMBER(5), NUMBER(1), NUMBER(0),
    NUMBER(0), NUMBER(3), NUMBER(1750135263), NUMBER(-13), NUMBER(7), NUMBER(5), NUMBER(1720940319), NUMBER(-18),
};
static const int8_t scan_powers_s8_3_y_after[] = {
    127, 116,
};
static const int8_t scan_powers_s8_3_x[] = {
    -128, 127,
};
static const uint16_t scan_powers_s8_3_dt[] = {
    64019, 39381,
};
static const int8_t scan_powers_s8_3_b[] = {
    -128, -128, 127, -128, -128,
};
static const int8_t scan_powers_s8_3_c[] = {
    -128, -128, 127, 127, -128,
};
static const uint16_t scan_powers_s8_3_a[] = {
    38351, 20221,
};
static const int16_t scan_powers_s8_3_d_skip[] = {
    -12027, -5810,
};
static const int8_t scan_powers_s8_3_h_exp[] = {
    3, 1,
};
static const int16_t scan_powers_s8_3_h[] = {
    6725, 16633, 14432, 5960, -15751, 18190, 701, -4514, -8031, 18918,
};
static const int16_t scan_powers_s8_3_h_after[] = {
    3072, 3437, 1312, 278, -272, 13999, 351, -2020, -2940, 5165,
};
static const frozen_arg scan_powers_s8_3[] = {
    WRITTEN(scan_powers_s8_3_y_after), READ(scan_powers_s8_3_x), READ(scan_powers_s8_3_dt), READ(scan_powers_s8_3_b),
    READ(scan_powers_s8_3_c), READ(scan_powers_s8_3_a), READ(scan_powers_s8_3_d_skip), READ(scan_powers_s8_3_h_exp),
    STATE(scan_powers_s8_3_h, scan_powers_s8_3_h_after), SCRATCH(20), NUMBER(1), NUMBER(2), NUMBER(5), NUMBER(0),
    NUMBER(127), NUMBER(3), NUMBER(1910029042), NUMBER(-10), NUMBER(3), NUMBER(0), NUMBER(1600460200), NUMBER(-19),
};
static const int8_t scan_powers_s8_4_y_after[] = {
    -113, -127, -128, -127, -101, -126,
};
static const int8_t scan_powers_s8_4_x[] = {
    54, 38, -66, 43, 60, 106,
};
static const uint16_t scan_powers_s8_4_dt[] = {
    62295, 41814, 8606, 3779, 51270, 10717,
};
static const int8_t scan_powers_s8_4_b[] = {
    42, -118, -95, 20, -126, -101, -17, 71, 72, 20, -12, -79, -96, -66, -75, 61, -20, 57, 53, 54, 94,
};
static const int8_t scan_powers_s8_4_c[] = {
    66, -110, 75, 90, 102, 98, 115, 5, -86, 57, 62, 122, -81, 41, 124, -19, 5, -114, -54, -110, 112,
};
static const uint16_t scan_powers_s8_4_a[] = {
    28165, 37464,
};
static const int16_t scan_powers_s8_4_d_skip[] = {
    15211, 25093,
};
static const int8_t scan_powers_s8_4_h_exp[] = {
    2, -3,
};
static const int16_t scan_powers_s8_4_h[] = {
    9506, 2846, -14193, -19534, 7513, 7977, -6430, 16750, -14993, 13936, -19949, -12349, 15390, -17102,
};
static const int16_t scan_powers_s8_4_h_after[] = {
    9484, 2827, -14110, -19359, 7425, 7868, -6328, 16734, -15021, 13776, -19789, -12372, 15184, -16912,
};
static const frozen_arg scan_powers_s8_4[] = {
    WRITTEN(scan_powers_s8_4_y_after), READ(scan_powers_s8_4_x), READ(scan_powers_s8_4_dt), READ(scan_powers_s8_4_b),
    READ(scan_powers_s8_4_c), READ(scan_powers_s8_4_a), READ(scan_powers_s8_4_d_skip), READ(scan_powers_s8_4_h_exp),
    STATE(scan_powers_s8_4_h, scan_powers_s8_4_h_after), SCRATCH(28), NUMBER(3), NUMBER(2), NUMBER(7), NUMBER(-128),
    NUMBER(-128), NUMBER(12), NUMBER(1115745230), NUMBER(-9), NUMBER(0), NUMBER(1), NUMBER(2140261529), NUMBER(-20),
};
static const int8_t scan_powers_s8_5_y_after[] = {
    -128, -128, -128, -99, -128, -117, -128, -128, -128, -75, -127, -102, -127, -128, -128, -111, -128, -124, -128, -128,
    -128, -91, -128, -110, -128, -106, -128, -101, -128, -127, -127, -102, -128, -128, -86, -128,
};
static const int8_t scan_powers_s8_5_x[] = {
    -128, -128, -128, -128, 127, -128, -128, 127, 127, -128, 127, -128, 127, 127, 127, 127, 127, 127, -128, -128, 127,
    -128, 127, -128, 127, 127, 127, -128, 127, 127, 127, 127, -128, 127, -128, 127,
};
static const uint16_t scan_powers_s8_5_dt[] = {
    15205, 12404, 35652, 55259, 45476, 18189, 16910, 8040, 1754, 43651, 14816, 29051, 1607, 65302, 24296, 23514, 6466,
    1728, 41625, 60333, 52109, 58171, 64341, 48144, 3123, 20160, 2633, 41588, 33155, 55539, 1230, 62357, 49837, 33370,
    26905, 52114,
};
static const int8_t scan_powers_s8_5_b[] = {
    127, 127, -128, 127, -128, -128, -128, -128, -128, 127, 127, 127, 127, 127, 127, 127, 127, -128, 127, 127, -128, 127,
    127, -128, 127, -128, 127, -128, -128, -128, 127, 127, 127, -128, -128, -128, -128, -128, -128, -128, -128, 127, 127,
    127, 127, -128, 127, 127, 127, 127, -128, 127, 127, -128, 127, 127, 127, 127, 127, 127, -128, -128, -128, 127, 127,
    127, 127, -128, -128, -128, 127, 127, 127, 127, -128, -128, -128, 127, -128, -128, -128, -128, -128, -128,
};
static const int8_t scan_powers_s8_5_c[] = {
    -128, -128, 127, 127, -128, 127, -128, 127, 127, -128, 127, -128, -128, 127, 127, -128, -128, -128, -128, -128, -128,
    127, 127, -128, 127, 127, -128, 127, -128, 127, -128, -128, -128, -128, 127, -128, 127, -128, 127, -128, -128, -128,
    -128, 127, -128, -128, -128, -128, -128, 127, -128, -128, 127, 127, 127, 127, 127, -128, -128, 127, 127, 127, -128,
    -128, -128, -128, -128, -128, -128, -128, 127, 127, -128, 127, 127, 127, 127, -128, -128, 127, -128, -128, -128, 127,
};
static const uint16_t scan_powers_s8_5_a[] = {
    45093, 23742, 29004, 27110, 21600, 9434,
};
static const int16_t scan_powers_s8_5_d_skip[] = {
    24002, 19347, 24202, -2459, -28771, -3194,
};
static const int8_t scan_powers_s8_5_h_exp[] = {
    -1, 3, -2, 3, 0, 2,
};
static const int16_t scan_powers_s8_5_h[] = {
    2296, 13392, -15733, 10175, -12824, -15528, 18225, 9785, 1874, -5723, -3098, 9404, -8838, 16095, 18151, 9461, -15241,
    7085, -1462, 8345, -6327, 8367, -17596, -3364, -11560, -16290, -2041, 13567, 9849, 817, -4181, 1212, -10652, 3897,
    17603, -8706, -7966, 6789, -14518, -17621, 6257, -17632, 15493, 4189, -2299, -9702, 508, -17295, 495, 8894, 6693,
    -15039, 16371, -8001, -4863, -7105, -8981, -17908, -3343, -16586, 14289, 13025, 19582, 768, 17015, 16672, 17492,
    3022, 2209, 12722, 7778, -5531, -11305, -7198, 16322, -9083, 10789, 906, 16070, -14058, -3559, 3895, 7832, -995,
};
static const int16_t scan_powers_s8_5_h_after[] = {
    104, 10369, -15362, 10068, -11948, -13742, 13737, 6074, 2484, -5096, -3964, 7345, -7362, 8589, 17055, 8355, -13016,
    5775, -1193, 5928, -4391, 5322, -10644, -2048, -6431, -8371, -1098, 6211, 5393, -3174, -3819, -2779, -4611, 6586,
    16138, -6423, -1642, 4836, -7789, -9066, 4136, -8065, 14099, 3305, -2020, -7325, 349, -11382, 411, 4934, 3595, -7637,
    7333, -3312, -2068, -2686, -9004, -16866, -3339, -14432, 11996, 10538, 15024, 161, 12090, 11387, 11456, 2226, 1678,
    7494, 7288, -5656, -10870, -6451, 14604, -8281, 9407, 580, 13611, -11691, -3172, 3273, 5788, -874,
};
static const frozen_arg scan_powers_s8_5[] = {
    WRITTEN(scan_powers_s8_5_y_after), READ(scan_powers_s8_5_x), READ(scan_powers_s8_5_dt), READ(scan_powers_s8_5_b),
    READ(scan_powers_s8_5_c), READ(scan_powers_s8_5_a), READ(scan_powers_s8_5_d_skip), READ(scan_powers_s8_5_h_exp),
    STATE(scan_powers_s8_5_h, scan_powers_s8_5_h_after), SCRATCH(56), NUMBER(6), NUMBER(6), NUMBER(14), NUMBER(127),
    NUMBER(-128), NUMBER(8), NUMBER(2013787414), NUMBER(-10), NUMBER(4), NUMBER(4), NUMBER(1640678881), NUMBER(-21),
};
static const uint8_t viterbi_s16_0_y_after[] = {
    0,
};
static const int16_t viterbi_s16_0_x[] = {
    29157,
};
static const int16_t viterbi_s16_0_trans[] = {
    8198, 12070,
};
static const int16_t viterbi_s16_0_end[] = {
    26031,
};
static const int16_t viterbi_s16_0_scores[] = {
    -18950, -32768,
};
static const int16_t viterbi_s16_0_scores_after[] = {
    0, -32768,
};
static const frozen_arg viterbi_s16_0[] = {
    WRITTEN(viterbi_s16_0_y_after), READ(viterbi_s16_0_x), READ(viterbi_s16_0_trans), READ(viterbi_s16_0_end),
    STATE(viterbi_s16_0_scores, viterbi_s16_0_scores_after), SCRATCH(2), NUMBER(1), NUMBER(1),
};
static const uint8_t viterbi_s16_1_y_after[] = {
    0,
};
static const int16_t viterbi_s16_1_x[] = {
    4143, -7551,
};
static const int16_t viterbi_s16_1_trans[] = {
    3647, -7780, -1811, -2439, -1729, -4015,
};
static const int16_t viterbi_s16_1_end[] = {
    -5801, -1715,
};
static const int16_t viterbi_s16_1_scores[] = {
    -32768, -32768, 0,
};
static const int16_t viterbi_s16_1_scores_after[] = {
    0, -13980, -32768,
};
static const frozen_arg viterbi_s16_1[] = {
    WRITTEN(viterbi_s16_1_y_after), READ(viterbi_s16_1_x), READ(viterbi_s16_1_trans), READ(viterbi_s16_1_end),
    STATE(viterbi_s16_1_scores, viterbi_s16_1_scores_after), SCRATCH(4), NUMBER(1), NUMBER(2),
};
static const uint8_t viterbi_s16_2_y_after[] = {
    0,
};
static const int16_t viterbi_s16_2_x[] = {
    19173, -27125,
};
static const int16_t viterbi_s16_2_trans[] = {
    -30976, 8880, -31336, 31733, 29015, -28568,
};
static const int16_t viterbi_s16_2_end[] = {
    -2616, -23415,
};
static const int16_t viterbi_s16_2_scores[] = {
    -31933, -6277, -32768,
};
static const int16_t viterbi_s16_2_scores_after[] = {
    0, -17089, -32768,
};
static const frozen_arg viterbi_s16_2[] = {
    WRITTEN(viterbi_s16_2_y_after), READ(viterbi_s16_2_x), READ(viterbi_s16_2_trans), READ(viterbi_s16_2_end),
    STATE(viterbi_s16_2_scores, viterbi_s16_2_scores_after), SCRATCH(4), NUMBER(1), NUMBER(2),
};
static const uint8_t viterbi_s16_3_y_after[] = {
    0, 0,
};
static const int16_t viterbi_s16_3_x[] = {
    -2, 2, 2, 2,
};
static const int16_t viterbi_s16_3_trans[] = {
    2, 2, 2, 2, -2, 2,
};
static const int16_t viterbi_s16_3_end[] = {
    2, -2,
};
static const int16_t viterbi_s16_3_scores[] = {
    -6, -3, -32768,
};
static const int16_t viterbi_s16_3_scores_after[] = {
    0, 0, -32768,
};
static const frozen_arg viterbi_s16_3[] = {
    WRITTEN(viterbi_s16_3_y_after), READ(viterbi_s16_3_x), READ(viterbi_s16_3_trans), READ(viterbi_s16_3_end),
    STATE(viterbi_s16_3_scores, viterbi_s16_3_scores_after), SCRATCH(4), NUMBER(2), NUMBER(2),
};
static const uint8_t argmax_s16_0_y_after[] = {
    0,
};
static const int16_t argmax_s16_0_x[] = {
    54, 47, -99,
};
static const frozen_arg argmax_s16_0[] = {
    WRITTEN(argmax_s16_0_y_after), READ(argmax_s16_0_x), NUMBER(1), NUMBER(3),
};
static const uint8_t argmax_s16_1_y_after[] = {
    0, 0,
};
static const int16_t argmax_s16_1_x[] = {
    1, -1, -2, -2, 1, 0, -1, -2, -1, -1, -1, -2,
};
static const frozen_arg argmax_s16_1[] = {
    WRITTEN(argmax_s16_1_y_after), READ(argmax_s16_1_x), NUMBER(2), NUMBER(6),
};
static const int8_t linear_packed_s8_0_y_after[] = {
    24,
};
static const int8_t linear_packed_s8_0_x[] = {
    113,
};
static const int8_t linear_packed_s8_0_w[] = {
    12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t linear_packed_s8_0_rows[] = {
    1049344, 0, 0, 0,
};
static const frozen_arg linear_packed_s8_0[] = {
    WRITTEN(linear_packed_s8_0_y_after), READ(linear_packed_s8_0_x), READ(linear_packed_s8_0_w),
    READ(linear_packed_s8_0_rows), SCRATCH(8), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1073741824),
    NUMBER(448), NUMBER(7), NUMBER(0),
};
static const int8_t linear_packed_s8_1_y_after[] = {
    -47, -33,
};
static const int8_t linear_packed_s8_1_x[] = {
    111, -74, 53, -119,
};
static const int8_t linear_packed_s8_1_w[] = {
    -31, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t linear_packed_s8_1_rows[] = {
    -3063552, 0, 0, 0,
};
static const frozen_arg linear_packed_s8_1[] = {
    WRITTEN(linear_packed_s8_1_y_after), READ(linear_packed_s8_1_x), READ(linear_packed_s8_1_w),
    READ(linear_packed_s8_1_rows), SCRATCH(8), NUMBER(2), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(2), NUMBER(1372061112),
    NUMBER(8160), NUMBER(6), NUMBER(0),
};
static const int8_t linear_packed_s8_2_y_after[] = {
    127, 127, 127,
};
static const int8_t linear_packed_s8_2_x[] = {
    103, 82, -100, 94,
};
static const int8_t linear_packed_s8_2_w[] = {
    -8, -22, -45, -39, -14, -22, -45, 18, 49, 0, 31, -3, 0, 0, 0, 0,
};
static const int32_t linear_packed_s8_2_rows[] = {
    54784, 1907968, 1875456, 0,
};
static const frozen_arg linear_packed_s8_2[] = {
    WRITTEN(linear_packed_s8_2_y_after), READ(linear_packed_s8_2_x), READ(linear_packed_s8_2_w),
    READ(linear_packed_s8_2_rows), SCRATCH(8), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(3), NUMBER(4), NUMBER(1073741824),
    NUMBER(-510), NUMBER(2), NUMBER(0),
};
static const int8_t linear_packed_s8_3_y_after[] = {
    -128, -128, 127, -128, 100, -128,
};
static const int8_t linear_packed_s8_3_x[] = {
    103, 65, 67, -37, -113, 28, -85, 54, -66, 5, 34, -75,
};
static const int8_t linear_packed_s8_3_w[] = {
    -93, -20, -25, -9, 12, 18, 15, -1, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t linear_packed_s8_3_rows[] = {
    -1893376, -462848, 0, 0,
};
static const frozen_arg linear_packed_s8_3[] = {
    WRITTEN(linear_packed_s8_3_y_after), READ(linear_packed_s8_3_x), READ(linear_packed_s8_3_w),
    READ(linear_packed_s8_3_rows), SCRATCH(8), NUMBER(3), NUMBER(1), NUMBER(1), NUMBER(2), NUMBER(4), NUMBER(1073741824),
    NUMBER(-510), NUMBER(2), NUMBER(0),
};
static const int8_t linear_packed_s8_4_y_after[] = {
    -42, -128, -128, -71, -128, -117, -128, -128, -116, -78, 70, -128, -128, -111, -36, -128, -128, -128, -114, -107,
    -128, -128, -128, -105, -105, -128, -128, -128, -91, -128,
};
static const int8_t linear_packed_s8_4_x[] = {
    85, -32, -69, 82, 51, 120, -126, 50, -60, 41, -114, -42,
};
static const int8_t linear_packed_s8_4_w[] = {
    79, 65, 0, 0, -18, 43, 0, 0, 10, -21, 0, 0, 18, -39, 0, 0, 15, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t linear_packed_s8_4_rows[] = {
    2328576, -1921792, -3055104, 380160, 1073805936, 1393055663, 1509363847, 1694513422, -4080, -8160, -8160, -16320,
    117835269, 2664960, 0, 0, 0, 1194203309, 0, 0, 0, -8160, 0, 0, 0, 6,
};
static const frozen_arg linear_packed_s8_4[] = {
    WRITTEN(linear_packed_s8_4_y_after), READ(linear_packed_s8_4_x), READ(linear_packed_s8_4_w),
    READ(linear_packed_s8_4_rows), SCRATCH(8), NUMBER(6), NUMBER(2), NUMBER(1), NUMBER(5), NUMBER(2), NUMBER(0),
    NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int8_t linear_packed_s8_5_y_after[] = {
    -53, 127, -128, -53, -128, -128, 127, 127,
};
static const int8_t linear_packed_s8_5_x[] = {
    127, -128, -128, 127, -128, -128, 127, -128, 127, 127, -128, -128, -128, -128, 127, -128, 127, -128, -128, 127, -128,
    127, -128, 127, 127, 127, -128, -128, 127, -128, -128, -128,
};
static const int8_t linear_packed_s8_5_w[] = {
    127, 127, -127, -128, 127, 127, -127, -128, -127, 126, -127, -128, 127, 127, -127, -128, 127, -127, -127, -128, 127,
    -127, -127, -128, -127, 126, -127, 126, -127, 126, -127, 126, 127, -127, 127, 127, 127, -127, -127, 126, -127, -128,
    -127, 126, -127, 126, 127, -127, -127, 126, 127, 127, -127, 126, 127, -127, 127, -127, -127, -128, 127, 127, 127,
    -127,
};
static const int32_t linear_packed_s8_5_rows[] = {
    3880960, -4377088, 3880960, 12139008,
};
static const frozen_arg linear_packed_s8_5[] = {
    WRITTEN(linear_packed_s8_5_y_after), READ(linear_packed_s8_5_x), READ(linear_packed_s8_5_w),
    READ(linear_packed_s8_5_rows), SCRATCH(32), NUMBER(2), NUMBER(1), NUMBER(4), NUMBER(4), NUMBER(16),
    NUMBER(1789171861), NUMBER(896), NUMBER(8), NUMBER(0),
};
static const int8_t linear_packed_s8_6_y_after[] = {
    42, -41, -67, -110, 0, 55, 15, -32, 22, 38, 36, 70, -2, -107, -128, 127, 26, -12, -111, -63, -55, -54, 20, -15, 18,
    43, -12, 10, 25, -68, -99, 100, 43, -27, -71, -77, -51, -22, 16, 9, 18, 40, 13, 10, 16, -96, -128, 127,
};
static const int8_t linear_packed_s8_6_x[] = {
    -78, 59, -113, 121, -95, -73, -24, -2, -105, 6, -82, 24,
};
static const int8_t linear_packed_s8_6_w[] = {
    -53, 49, 45, 1, -84, -54, 65, 9, -21, 95, 14, -36, -19, 15, 38, -29, -2, -7, 19, 87, 50, 43, 15, 49, 10, 25, 68, 2,
    -32, 11, -52, -63, 9, 37, 52, 10, -28, -22, 0, 9, -36, 1, -69, 38, 17, 14, 43, 61, 22, -32, -22, -60, 60, -32, 67,
    -9, 19, -66, -4, -19, -32, -9, -70, 50,
};
static const int32_t linear_packed_s8_6_rows[] = {
    2336256, -5479680, -989440, -2100480, 1224150366, 1207085154, 1827511520, 1272022297, 32, 128, 64, 32, 101124102,
    550912, 3711744, 4491008, -2966784, 1874238318, 1332870244, 1115965794, 1219760152, 64, 32, 128, 32, 101189127,
    4598272, 3104000, -569600, 3655168, 1344855877, 1315209821, 1233103488, 1420635892, 128, 128, 64, 32, 101124104,
    -1016064, -4558336, -6670848, 3235072, 1594496234, 2116907928, 1113522307, 1105922366, 128, 128, 32, 32, 101058568,
};
static const frozen_arg linear_packed_s8_6[] = {
    WRITTEN(linear_packed_s8_6_y_after), READ(linear_packed_s8_6_x), READ(linear_packed_s8_6_w),
    READ(linear_packed_s8_6_rows), SCRATCH(8), NUMBER(3), NUMBER(4), NUMBER(1), NUMBER(16), NUMBER(4), NUMBER(0),
    NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int16_t linear_packed_s16_0_y_after[] = {
    21,
};
static const int8_t linear_packed_s16_0_x[] = {
    113,
};
static const int8_t linear_packed_s16_0_w[] = {
    12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t linear_packed_s16_0_rows[] = {
    1049344, 0, 0, 0,
};
static const frozen_arg linear_packed_s16_0[] = {
    WRITTEN(linear_packed_s16_0_y_after), READ(linear_packed_s16_0_x), READ(linear_packed_s16_0_w),
    READ(linear_packed_s16_0_rows), SCRATCH(8), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1),
    NUMBER(1073741824), NUMBER(64), NUMBER(7), NUMBER(0),
};
static const int16_t linear_packed_s16_1_y_after[] = {
    -4382, -4286, -3106,
};
static const int8_t linear_packed_s16_1_x[] = {
    -26, 29, 71, 31,
};
static const int8_t linear_packed_s16_1_w[] = {
    -6, -57, -10, 14, 47, 20, 10, -45, 4, 2, 36, 29, 0, 0, 0, 0,
};
static const int32_t linear_packed_s16_1_rows[] = {
    -5399296, -4879104, -3058432, 0, 2138893713, 2138893713, 2138893713, 0, 2, 2, 2, 0, 131586,
};
static const frozen_arg linear_packed_s16_1[] = {
    WRITTEN(linear_packed_s16_1_y_after), READ(linear_packed_s16_1_x), READ(linear_packed_s16_1_w),
    READ(linear_packed_s16_1_rows), SCRATCH(8), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(3), NUMBER(4), NUMBER(0),
    NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int16_t linear_packed_s16_2_y_after[] = {
    3685, -1280, 2878, 1125, -627, 2638, -776, 3499,
};
static const int8_t linear_packed_s16_2_x[] = {
    -18, -125, 8, 112, 119, -74, -113, -13, -4, 80, -23, -76, -111, 77, -37, -118,
};
static const int8_t linear_packed_s16_2_w[] = {
    8, -85, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t linear_packed_s16_2_rows[] = {
    -1658624, 0, 0, 0,
};
static const frozen_arg linear_packed_s16_2[] = {
    WRITTEN(linear_packed_s16_2_y_after), READ(linear_packed_s16_2_x), READ(linear_packed_s16_2_w),
    READ(linear_packed_s16_2_rows), SCRATCH(8), NUMBER(8), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(2),
    NUMBER(2138893713), NUMBER(2), NUMBER(2), NUMBER(0),
};
static const int16_t linear_packed_s16_3_y_after[] = {
    9210, 23648, -23046, 7520, 1146, -544,
};
static const int8_t linear_packed_s16_3_x[] = {
    -128, 127, -128, -128, 127, 127, 127, -128, -128, 127, 127, -128, -128, -128, -128, 127, 127, -128, -128, 127, -128,
    127, 127, -128, 127, -128, 127,
};
static const int8_t linear_packed_s16_3_w[] = {
    -127, 126, 127, 127, -127, 126, -127, -128, 0, 0, 0, 0, 0, 0, 0, 0, 127, 127, -127, -128, 127, 127, -127, 126, 0, 0,
    0, 0, 0, 0, 0, 0, -127, -1, 0, 0, -127, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t linear_packed_s16_3_rows[] = {
    5307136, 11827968, 0, 0,
};
static const frozen_arg linear_packed_s16_3[] = {
    WRITTEN(linear_packed_s16_3_y_after), READ(linear_packed_s16_3_x), READ(linear_packed_s16_3_w),
    READ(linear_packed_s16_3_rows), SCRATCH(24), NUMBER(3), NUMBER(1), NUMBER(3), NUMBER(2), NUMBER(9),
    NUMBER(2138893713), NUMBER(2), NUMBER(2), NUMBER(0),
};
static const int16_t linear_packed_s16_4_y_after[] = {
    -18894, -9339, -2767, 6789, -2767, -9339, 13361, 22917, -10830, -1275, 5298, -1275, -18894, 22917, -2767, 22917,
    -2767, -32768, -2767, 22917, 13361, -32768, -2767, -9339, 29489, -9339,
};
static const int8_t linear_packed_s16_4_x[] = {
    127, 127, -128, -128, 127, 127, 127, 127, -128, -128, 127, -128, -128, -128, 127, -128, 127, 127, -128, -128, -128,
    -128, -128, -128, 127, -128, 127, -128, -128, 127, 127, 127, 127, 127, -128, -128, -128, 127, 127, 127, -128, -128,
    -128, 127, -128, 127, 127, 127, -128, 127, -128, 127, 127, 127, 127, -128, 127, -128, -128, -128, 127, -128, 127,
    127, -128, -128, -128, -128, 127, 127, -128, 127, -128, 127, 127, -128, 127, 127, -128, 127, -128, -128, -128, -128,
    -128, 127, 127, -128, -128, 127, 127, 127, -128, -128, -128, -128, 127, -128, -128, -128, 127, 127, -128, -128, 127,
    127, 127, 127, -128, 127, 127, -128, -128, -128, -128, -128, -128, -128, -128, 127, 127, -128, 127, -128, 127, 127,
    127, -128, 127, 127, 127, 127, -128, -128, -128, 127, 127, 127, -128, -128, 127, 127, -128, -128, 127, -128, 127,
    127, -128, -128, 127, -128, -128, 127, 127, 127,
};
static const int8_t linear_packed_s16_4_w[] = {
    -127, -128, 127, 127, -127, 126, 127, 127, 0, 0, 0, 0, 0, 0, 0, 0, -127, 126, 127, -127, -127, -128, -127, 126, 0, 0,
    0, 0, 0, 0, 0, 0, -127, 126, 127, 127, -127, -128, -127, -128, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t linear_packed_s16_4_rows[] = {
    5446400, -1375744, 0, 0, 2138893713, 2138893713, 0, 0, 2, 2, 0, 0, 514,
};
static const frozen_arg linear_packed_s16_4[] = {
    WRITTEN(linear_packed_s16_4_y_after), READ(linear_packed_s16_4_x), READ(linear_packed_s16_4_w),
    READ(linear_packed_s16_4_rows), SCRATCH(24), NUMBER(13), NUMBER(1), NUMBER(3), NUMBER(2), NUMBER(12), NUMBER(0),
    NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int16_t linear_packed_s16_5_y_after[] = {
    142, 189, 210, -122, 105, -161, 186, -152, 273, 189, 104, -39, 133, 126, -207, -211, 149, 157, 123, -26, 353, 28,
    138, -98, 169, -118, -23, -84, 472, 164, -246, -205, 302, 269, -152, -84, 191, 272, 407, -226, -30, -98, 63, -109,
    218, 161, 231, -258, 324, 145, -395, -47, 142, 159, -109, -71, 88, -307, 112, -69, 231, 148, 268, -14,
};
static const int8_t linear_packed_s16_5_x[] = {
    -1, 66, 104, 124, 3, 91, -45, 24, -95, 41, 65, -81, -62, 63, -15, -19, 85, -54, 117, -80, -115, 34, 13, 38, 123, -46,
    -53, -59, -69, -62, 49, 42, 71, -92, 103, -101, 53, 70, 51, -27, -18, 87, 76, 115, 57, 77, -83, -2, -80, -32, -108,
    36, -12, 90, -86, 111, -111, 37, 15, -19, -110, 33, -40, 16, 18, -37, -9, -90, 124, -93, -121, 95, -44, -69, -47,
    -113, -88, 116, 0, 33, 9, 57, 91, -42, 112, 1, -100, 106, -48, -14, 35, -84, -33, -6, 88, 29, 103, -23, -97, 97, 120,
    61, -87, 15, 8, 21, 51, -18, 20, -57, -43, -62, 21, -104, 103, -6, 94, 31, -39, -62, -23, 102, 112, 97, 82, -117,
    -84, 91, 118, -74, -77, 109, -76, -13, 108, -27, 9, -96, 73, 94, 85, -13, -97, 108, -113, -3, -21, -47, 82, -119, 10,
    -100, -14, -61, 125, 104, -87, -78, -70, 12,
};
static const int8_t linear_packed_s16_5_w[] = {
    -64, -68, -42, 27, -36, -12, -4, 26, -27, -77, -9, 33, 17, 10, -19, 21, 27, -26, -52, 88, 83, -3, 2, 68, -25, 61, 69,
    -34, 37, 7, -58, -26, 4, 23, 0, 0, -33, 61, 0, 0, -80, -12, 0, 0, 9, -14, 0, 0,
};
static const int32_t linear_packed_s16_5_rows[] = {
    4493056, 5334784, 815360, -2693888,
};
static const frozen_arg linear_packed_s16_5[] = {
    WRITTEN(linear_packed_s16_5_y_after), READ(linear_packed_s16_5_x), READ(linear_packed_s16_5_w),
    READ(linear_packed_s16_5_rows), SCRATCH(24), NUMBER(16), NUMBER(1), NUMBER(3), NUMBER(4), NUMBER(10),
    NUMBER(1073741824), NUMBER(16), NUMBER(5), NUMBER(0),
};
static const int8_t conv1d_packed_s8_0_y_after[] = {
    4,
};
static const int8_t conv1d_packed_s8_0_x[] = {
    32,
};
static const int8_t conv1d_packed_s8_0_w[] = {
    12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t conv1d_packed_s8_0_rows[] = {
    656640, 0, 0, 0,
};
static const frozen_arg conv1d_packed_s8_0[] = {
    WRITTEN(conv1d_packed_s8_0_y_after), READ(conv1d_packed_s8_0_x), READ(conv1d_packed_s8_0_w),
    READ(conv1d_packed_s8_0_rows), SCRATCH(8), SCRATCH(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1),
    NUMBER(1), NUMBER(1), NUMBER(3), NUMBER(0), NUMBER(127), NUMBER(1073741824), NUMBER(3584), NUMBER(10), NUMBER(0),
};
static const int8_t conv1d_packed_s8_1_y_after[] = {
    -84,
};
static const int8_t conv1d_packed_s8_1_x[] = {
    -11, 120, -71, -99,
};
static const int8_t conv1d_packed_s8_1_w[] = {
    -16, -47, -48, -2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t conv1d_packed_s8_1_rows[] = {
    -4786432, 0, 0, 0,
};
static const frozen_arg conv1d_packed_s8_1[] = {
    WRITTEN(conv1d_packed_s8_1_y_after), READ(conv1d_packed_s8_1_x), READ(conv1d_packed_s8_1_w),
    READ(conv1d_packed_s8_1_rows), SCRATCH(8), SCRATCH(4), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(2),
    NUMBER(2), NUMBER(2), NUMBER(2), NUMBER(0), NUMBER(127), NUMBER(1590081572), NUMBER(64), NUMBER(7), NUMBER(0),
};
static const int8_t conv1d_packed_s8_2_y_after[] = {
    127, -24, -45, -78,
};
static const int8_t conv1d_packed_s8_2_x[] = {
    -109,
};
static const int8_t conv1d_packed_s8_2_w[] = {
    -56, -1, 0, 0, 15, 0, 0, 0, 30, 0, 0, 0, -7, -1, 0, 0,
};
static const int32_t conv1d_packed_s8_2_rows[] = {
    1760768, 1760768, 1760768, 1760768, 1468201789, 1359968552, 1586641787, 1803800512, -4080, -4080, -4080, -16320,
    117769477,
};
static const frozen_arg conv1d_packed_s8_2[] = {
    WRITTEN(conv1d_packed_s8_2_y_after), READ(conv1d_packed_s8_2_x), READ(conv1d_packed_s8_2_w),
    READ(conv1d_packed_s8_2_rows), SCRATCH(8), SCRATCH(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(4), NUMBER(1),
    NUMBER(1), NUMBER(1), NUMBER(3), NUMBER(0), NUMBER(127), NUMBER(0), NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int8_t conv1d_packed_s8_3_y_after[] = {
    -25, -17, 26,
};
static const int8_t conv1d_packed_s8_3_x[] = {
    -80,
};
static const int8_t conv1d_packed_s8_3_w[] = {
    -28, 34, -34, -54, -24, 20, -1, -84, -59, 0, -3, 9, 0, 0, 0, 0,
};
static const int32_t conv1d_packed_s8_3_rows[] = {
    -14848, -1445376, 928000, 0, 1622754398, 1229814376, 1781766353, 0, 32, 64, 128, 0, 526086,
};
static const frozen_arg conv1d_packed_s8_3[] = {
    WRITTEN(conv1d_packed_s8_3_y_after), READ(conv1d_packed_s8_3_x), READ(conv1d_packed_s8_3_w),
    READ(conv1d_packed_s8_3_rows), SCRATCH(8), SCRATCH(4), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(3), NUMBER(1),
    NUMBER(4), NUMBER(1), NUMBER(2), NUMBER(0), NUMBER(127), NUMBER(0), NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int8_t conv1d_packed_s8_4_y_after[] = {
    65, 127,
};
static const int8_t conv1d_packed_s8_4_x[] = {
    -83, -83, 9, -116, 9, -14, 2, 102, -23, 23, 23, 123,
};
static const int8_t conv1d_packed_s8_4_w[] = {
    -23, -17, 0, 43, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t conv1d_packed_s8_4_rows[] = {
    2669824, 0, 0, 0,
};
static const frozen_arg conv1d_packed_s8_4[] = {
    WRITTEN(conv1d_packed_s8_4_y_after), READ(conv1d_packed_s8_4_x), READ(conv1d_packed_s8_4_w),
    READ(conv1d_packed_s8_4_rows), SCRATCH(8), SCRATCH(4), NUMBER(2), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(4),
    NUMBER(1), NUMBER(3), NUMBER(2), NUMBER(0), NUMBER(0), NUMBER(1627284535), NUMBER(224), NUMBER(6), NUMBER(0),
};
static const int8_t conv1d_packed_s8_5_y_after[] = {
    127, -128, 127, 127, 38,
};
static const int8_t conv1d_packed_s8_5_x[] = {
    -128, 127, -128, -128, -128, -128, 127, -128, 127, 127, 127, 127, -128,
};
static const int8_t conv1d_packed_s8_5_w[] = {
    127, 127, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t conv1d_packed_s8_5_rows[] = {
    6814720, 0, 0, 0,
};
static const frozen_arg conv1d_packed_s8_5[] = {
    WRITTEN(conv1d_packed_s8_5_y_after), READ(conv1d_packed_s8_5_x), READ(conv1d_packed_s8_5_w),
    READ(conv1d_packed_s8_5_rows), SCRATCH(8), SCRATCH(2), NUMBER(5), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1),
    NUMBER(2), NUMBER(13), NUMBER(3), NUMBER(0), NUMBER(0), NUMBER(2130108659), NUMBER(8160), NUMBER(6), NUMBER(0),
};
static const int8_t conv1d_packed_s8_6_y_after[] = {
    127, -128, 127, 127, -128, 127, 127, -128,
};
static const int8_t conv1d_packed_s8_6_x[] = {
    -128, -128, -128, 127, 127, 127, 127, 127, -128, 127, 127, -128, -128, -128, -128, 127,
};
static const int8_t conv1d_packed_s8_6_w[] = {
    127, -127, -127, 126, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t conv1d_packed_s8_6_rows[] = {
    124928, 0, 0, 0,
};
static const frozen_arg conv1d_packed_s8_6[] = {
    WRITTEN(conv1d_packed_s8_6_y_after), READ(conv1d_packed_s8_6_x), READ(conv1d_packed_s8_6_w),
    READ(conv1d_packed_s8_6_rows), SCRATCH(8), SCRATCH(4), NUMBER(8), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(2),
    NUMBER(2), NUMBER(8), NUMBER(1), NUMBER(0), NUMBER(127), NUMBER(1502356995), NUMBER(8160), NUMBER(6), NUMBER(0),
};
static const int8_t conv1d_packed_s8_7_y_after[] = {
    66, -40, 66, -40,
};
static const int8_t conv1d_packed_s8_7_x[] = {
    -128, -128, 127, 127, 127, 127, 127, -128, -128, -128, -128, 127, -128, 127, 127, 127, -128, -128, 127, -128,
};
static const int8_t conv1d_packed_s8_7_w[] = {
    -127, 126, -127, -128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const int32_t conv1d_packed_s8_7_rows[] = {
    -3141120, 0, 0, 0,
};
static const frozen_arg conv1d_packed_s8_7[] = {
    WRITTEN(conv1d_packed_s8_7_y_after), READ(conv1d_packed_s8_7_x), READ(conv1d_packed_s8_7_w),
    READ(conv1d_packed_s8_7_rows), SCRATCH(8), SCRATCH(4), NUMBER(4), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(2),
    NUMBER(2), NUMBER(10), NUMBER(3), NUMBER(1), NUMBER(127), NUMBER(1788720862), NUMBER(128), NUMBER(8), NUMBER(0),
};
static const int8_t conv1d_packed_s8_8_y_after[] = {
    -80, 70, -28, 81, -128, -128, -90, -94, -90, -128, 127, -128, -128, 18, -36, 120, -124, 117, -33, -63, -18,
};
static const int8_t conv1d_packed_s8_8_x[] = {
    -39, 63, -112, -43, 112, -101,
};
static const int8_t conv1d_packed_s8_8_w[] = {
    -8, -47, -34, -1, 58, 24, -50, -1, -34, 18, -44, -1, 26, -3, 33, 0, 52, -39, -5, -1, 84, 37, -11, -1, 28, -51, 63, 0,
    0, 0, 0, 0,
};
static const int32_t conv1d_packed_s8_8_rows[] = {
    -5110784, 1457152, -1908224, 3321088, 1767675200, 1224731101, 1752399508, 1263838537, 448, 224, 224, 224, 101058055,
    -5301504, -1648128, -2583296, 0, 1842352928, 1108949522, 1697840950, 0, 448, 112, 448, 0, 460039,
};
static const frozen_arg conv1d_packed_s8_8[] = {
    WRITTEN(conv1d_packed_s8_8_y_after), READ(conv1d_packed_s8_8_x), READ(conv1d_packed_s8_8_w),
    READ(conv1d_packed_s8_8_rows), SCRATCH(8), SCRATCH(3), NUMBER(3), NUMBER(2), NUMBER(1), NUMBER(7), NUMBER(1),
    NUMBER(3), NUMBER(6), NUMBER(2), NUMBER(0), NUMBER(-128), NUMBER(0), NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int8_t conv1d_packed_s8_9_y_after[] = {
    -128, 13, 35, -22, -128, 61, -9, 22, -128, 23, 65, -9,
};
static const int8_t conv1d_packed_s8_9_x[] = {
    109, 29, 87, -18, 90, -107, -98, 72, -86, -128, -67, -125, 36, 79, -81, 127, -54, -72, -68, 98, 49, -54, -90, -16,
    72, -31, -47, -51, -100, -104, 15, 126, -8, 125, 26, 90, -57, 125, -122, 56, 125, -80,
};
static const int8_t conv1d_packed_s8_9_w[] = {
    -11, -71, -3, 4, -89, -11, 60, 21, 16, -20, -5, 50, 39, 35, -15, 10, -8, 48, 0, 0, 3, -74, 0, 0, 49, 92, 0, 0, -25,
    49, 0, 0,
};
static const int32_t conv1d_packed_s8_9_rows[] = {
    -2789888, -2484224, 6729216, 3507200, 1609167048, 1387867308, 1895867684, 1280007958, 32, 32, 64, 32, 101123590,
};
static const frozen_arg conv1d_packed_s8_9[] = {
    WRITTEN(conv1d_packed_s8_9_y_after), READ(conv1d_packed_s8_9_x), READ(conv1d_packed_s8_9_w),
    READ(conv1d_packed_s8_9_rows), SCRATCH(16), SCRATCH(6), NUMBER(3), NUMBER(1), NUMBER(2), NUMBER(4), NUMBER(6),
    NUMBER(1), NUMBER(7), NUMBER(3), NUMBER(0), NUMBER(3), NUMBER(0), NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int8_t attention_s8_0_y_after[] = {
    21, 58, 21, 58, 21, 58, 21, 58,
};
static const int8_t attention_s8_0_q[] = {
    76, 56, -66, 102, -103, -12, 51, -22, 10, -56, -21, -46,
};
static const int8_t attention_s8_0_k[] = {
    19, 65, 2,
};
static const int8_t attention_s8_0_v[] = {
    37, 111,
};
static const int32_t attention_s8_0_table[] = {
    2147483647, 1591751535, 1179833452, 874512710, 648203771, 480459821, 356124929, 263965887, 195656025, 145023590,
    107493985, 79676358, 59057479, 43774412, 32446343, 24049788, 17826110, 13213017, 9793714, 7259268, 5380695, 3988262,
    2956168, 2191162, 1624127, 1203831, 892300, 661388, 490232, 363369, 269335, 199636, 147973, 109680, 81297, 60259,
    44665, 33106, 24539, 18189, 13482, 9993, 7407, 5490, 4069, 3016, 2236, 0,
};
static const frozen_arg attention_s8_0[] = {
    WRITTEN(attention_s8_0_y_after), READ(attention_s8_0_q), READ(attention_s8_0_k), READ(attention_s8_0_v),
    READ(attention_s8_0_table), SCRATCH(2), SCRATCH(16), NUMBER(4), NUMBER(1), NUMBER(3), NUMBER(2), NUMBER(48),
    NUMBER(1), NUMBER(-128), NUMBER(127), NUMBER(0), NUMBER(5), NUMBER(5), NUMBER(1082063528), NUMBER(-5),
    NUMBER(1073741824), NUMBER(-8),
};
static const int8_t attention_s8_1_y_after[] = {
    27, 41, -16, -10, 33, -47, -37,
};
static const int8_t attention_s8_1_q[] = {
    -27, 64, 35, -89, -90, -18, -39, 53,
};
static const int8_t attention_s8_1_k[] = {
    -49, -39, -16, 112, -69, -22, -125, 11, 79, 79, 24, 60, 105, -105, -59, -10, 106, -77, -36, -30, 116, -86, -44, -117,
};
static const int8_t attention_s8_1_v[] = {
    37, 64, -128, -82, 44, -93, -42, 56, 104, 107, -54, 95, -117, -58, 84, 91, -61, 93, 72, -56, -108,
};
static const int32_t attention_s8_1_table[] = {
    2147483647, 1159755342, 626329633, 338251257, 182673672, 98653491, 53278131, 28773023, 15538962, 8391866, 4532054,
    2447550, 1321807, 713846, 385515, 208199, 112438, 60723, 32793, 17710, 9564, 5165, 2790, 0,
};
static const frozen_arg attention_s8_1[] = {
    WRITTEN(attention_s8_1_y_after), READ(attention_s8_1_q), READ(attention_s8_1_k), READ(attention_s8_1_v),
    READ(attention_s8_1_table), SCRATCH(6), SCRATCH(32), NUMBER(1), NUMBER(3), NUMBER(8), NUMBER(7), NUMBER(24),
    NUMBER(2), NUMBER(5), NUMBER(127), NUMBER(127), NUMBER(5), NUMBER(0), NUMBER(1299219777), NUMBER(-7),
    NUMBER(1073741824), NUMBER(-8),
};
static const int8_t attention_s8_2_y_after[] = {
    47, 91, 98, 7,
};
static const int8_t attention_s8_2_q[] = {
    -101, -30, -65, 56, -84, 26, 89, -82,
};
static const int8_t attention_s8_2_k[] = {
    105, 52, -117, 8, -43, 50, -79, -3, -8, -1, 107, 113, -111, 73, -85, -88,
};
static const int8_t attention_s8_2_v[] = {
    -4, 121, 6, 22, 62, -6, -16, 50,
};
static const int32_t attention_s8_2_table[] = {
    2147483647, 1716346308, 1371765601, 1096364382, 876253839, 700333580, 559731783, 447357775, 357544413, 285762329,
    228391600, 182538755, 145891531, 116601757, 93192317, 74482651, 59529214, 47577888, 38025957, 30391709, 24290154,
    19413563, 15516017, 12400959, 9911292, 7921461, 6331117, 5060056, 4044179, 3232254, 2583333, 2064693, 1650177,
    1318880, 1054097, 842472, 673334, 538153, 430111, 343760, 274746, 219587, 175502, 140267, 112107, 89600, 71611,
    57234, 45744, 36560, 29220, 23354, 18665, 14918, 11923, 9529, 7616, 6087, 4865, 3888, 3108, 2484, 0,
};
static const frozen_arg attention_s8_2[] = {
    WRITTEN(attention_s8_2_y_after), READ(attention_s8_2_q), READ(attention_s8_2_k), READ(attention_s8_2_v),
    READ(attention_s8_2_table), SCRATCH(8), SCRATCH(16), NUMBER(2), NUMBER(4), NUMBER(4), NUMBER(2), NUMBER(63),
    NUMBER(1), NUMBER(-128), NUMBER(5), NUMBER(127), NUMBER(0), NUMBER(5), NUMBER(1073741824), NUMBER(-9),
    NUMBER(1797396144), NUMBER(-7),
};
static const int8_t attention_s8_3_y_after[] = {
    -120, -123, -128, -128,
};
static const int8_t attention_s8_3_q[] = {
    47, 65,
};
static const int8_t attention_s8_3_k[] = {
    77, -20, 74, 7, 111, 64, 28, -99, 43, 12, -92, 83, -2, 5,
};
static const int8_t attention_s8_3_v[] = {
    94, 98, -28, -89, 99, 35, -5, -8, -26, -83, -96, 108, 50, -75, -104, 30, -7, -67, 60, -33, -53, 78, -98, 46, -47,
    103, 68, -78,
};
static const int32_t attention_s8_3_table[] = {
    2147483647, 1571060809, 1149360122, 840851419, 615151789, 450034194, 329237010, 240863937, 176211728, 128913393,
    94310743, 68996062, 50476279, 36927555, 27015542, 19764090, 14459053, 10577988, 7738668, 5661472, 4141831, 3030091,
    2216760, 1621742, 1186438, 867977, 634997, 464552, 339858, 248634, 181896, 133072, 97353, 71222, 52105, 38119, 27887,
    20402, 14926, 10919, 7988, 5844, 4275, 3128, 2288, 0,
};
static const frozen_arg attention_s8_3[] = {
    WRITTEN(attention_s8_3_y_after), READ(attention_s8_3_q), READ(attention_s8_3_k), READ(attention_s8_3_v),
    READ(attention_s8_3_table), SCRATCH(14), SCRATCH(32), NUMBER(1), NUMBER(7), NUMBER(2), NUMBER(4), NUMBER(46),
    NUMBER(2), NUMBER(5), NUMBER(127), NUMBER(-128), NUMBER(5), NUMBER(-128), NUMBER(1106035056), NUMBER(-5),
    NUMBER(1494550499), NUMBER(-8),
};
static const int8_t attention_s8_4_y_after[] = {
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
};
static const int8_t attention_s8_4_q[] = {
    5, -68, -79, 115, -11, -32, -37,
};
static const int8_t attention_s8_4_k[] = {
    120, 93,
};
static const int8_t attention_s8_4_v[] = {
    67, -59, -36, -22,
};
static const int32_t attention_s8_4_table[] = {
    2147483647, 1826989768, 1554326899, 1322356874, 1125006080, 957108370, 814268057, 692745347, 589358910, 501402076,
    426572019, 362909713, 308748513, 262670391, 223469013, 190118168, 161744629, 137605638, 117069125, 99597542,
    84733458, 72087692, 61329209, 52176344, 44389461, 37764706, 32128643, 27333713, 23254384, 19783864, 16831289,
    14319358, 12182316, 10364208, 8817439, 7501509, 6381972, 5429517, 4619206, 3929829, 3343335, 2844370, 2419872,
    2058726, 1751479, 1490085, 1267703, 1078509, 917550, 780614, 664114, 565001, 480679, 408942, 347911, 295988, 251814,
    214233, 182261, 155060, 131918, 112231, 95481, 81231, 69108, 58794, 50020, 42555, 36204, 30801, 26204, 22293, 18966,
    16136, 13728, 11679, 9936, 8453, 7191, 6118, 5205, 4428, 3767, 3205, 2727, 2320, 0,
};
static const frozen_arg attention_s8_4[] = {
    WRITTEN(attention_s8_4_y_after), READ(attention_s8_4_q), READ(attention_s8_4_k), READ(attention_s8_4_v),
    READ(attention_s8_4_table), SCRATCH(4), SCRATCH(16), NUMBER(7), NUMBER(2), NUMBER(1), NUMBER(2), NUMBER(87),
    NUMBER(1), NUMBER(-128), NUMBER(127), NUMBER(-128), NUMBER(127), NUMBER(-128), NUMBER(1073741824), NUMBER(-9),
    NUMBER(1897846855), NUMBER(-7),
};
static const int8_t attention_s8_5_y_after[] = {
    58, 127, 17, 111, 127, 117, 127, 127, 127, 44, 104, 117, 127, 83, 127, 91, 81, 127, 127,
};
static const int8_t attention_s8_5_q[] = {
    -30, 31, 36, 100, -3, 74, -71, -91, 99, -27,
};
static const int8_t attention_s8_5_k[] = {
    -90, -43, -120, -113, -43, 20, -60, 80, -64, 69, -57, 56, 7, -122, -110, -103, 4, 97, -103, 116, -111, -31, -38, 39,
    64, -8, -19, -25, 123, 65, 99, -72, 93, 62, 34, -1, 75, 34, 45, -81,
};
static const int8_t attention_s8_5_v[] = {
    -82, 121, -68, -8, 115, -21, 34, 92, 84, -92, 8, -46, 77, -108, 44, -43, 64, 42, -28, -93, 4, -21, 93, 36, 85, 106,
    64, 51, -110, -24, 54, 52, -29, 104, 4, -119, 59, -112, -71, 50, -106, -40, -46, -128, -42, -24, 77, -39, 34, -57,
    101, -85, 92, -88, -30, -57, 119, 47, -73, -120, -92, -35, 34, 90, -116, -88, 4, -85, 21, -56, 96, 60, 24, -46, 42,
    107,
};
static const int32_t attention_s8_5_table[] = {
    2147483647, 978569415, 445916407, 203196043, 92592761, 42192847, 19226518, 8761174, 3992309, 1819223, 828987, 377755,
    172136, 78439, 35743, 16288, 7422, 3382, 0,
};
static const frozen_arg attention_s8_5[] = {
    WRITTEN(attention_s8_5_y_after), READ(attention_s8_5_q), READ(attention_s8_5_k), READ(attention_s8_5_v),
    READ(attention_s8_5_table), SCRATCH(8), SCRATCH(48), NUMBER(1), NUMBER(4), NUMBER(10), NUMBER(19), NUMBER(19),
    NUMBER(3), NUMBER(-128), NUMBER(-128), NUMBER(127), NUMBER(0), NUMBER(127), NUMBER(1073741824), NUMBER(-5),
    NUMBER(1495079885), NUMBER(-7),
};
static const int8_t attention_s8_6_y_after[] = {
    112, 52, -99, 41, 12, 93, -31, -55, 66, -67, -111, -60, -40, 33, -47, -5, -100, -24, -79, 62, 61, -107, -112, 84, 59,
    5, 55, -32, 36, 30, -7, 43, -41, 10, -70, -62, 4, -3, 28, -45, -1, -44, -39, 22, -46, -15,
};
static const int8_t attention_s8_6_q[] = {
    24, -29, -46, 70, 9, -120, -110, -100, 77, 100, 115, 126, -42, -6,
};
static const int8_t attention_s8_6_k[] = {
    -124, -42, -124, -125, 97, 78, -33, 118, -56, 40, -22, 116, -47, -4, 111, -116, 31, -90, -83, 103, 99, 65, -80, -101,
    -56, 101, -88, 116,
};
static const int8_t attention_s8_6_v[] = {
    72, 89, 63, 62, -42, -80, 87, -5, 63, -53, 90, -34, -118, -55, 119, -11, -32, -10, -106, -80, 16, -74, 102, 116, 55,
    -103, 42, 21, 94, -31, -56, 72, -66, -115, -51, -36, 36, -39, -8, -100, -23, -82, 75, 68, -111, -110, 62, 74, 100,
    -102, 80, -85, -97, 64, 57, -27, -116, 117, -32, -24, 98, 77, -20, 81, -35, -26, -62, -98, 57, 66, 38, 65, 68, -63,
    102, 42, 50, 0, 8, 63, -108, -17, 41, -80, 110, 12, 41, 71, -100, -9, 61, -27,
};
static const int32_t attention_s8_6_table[] = {
    2147483647, 1461097597, 994096517, 676360061, 460179535, 313095398, 213022776, 144935713, 98610866, 67092528,
    45648183, 31057960, 21131106, 14377107, 9781849, 6655340, 4528138, 3080839, 2096131, 1426158, 970325, 660187, 449176,
    305609, 207929, 141470, 96253, 65488, 44557, 30315, 20626, 14033, 9548, 6496, 4420, 3007, 0,
};
static const frozen_arg attention_s8_6[] = {
    WRITTEN(attention_s8_6_y_after), READ(attention_s8_6_q), READ(attention_s8_6_k), READ(attention_s8_6_v),
    READ(attention_s8_6_table), SCRATCH(8), SCRATCH(32), NUMBER(2), NUMBER(4), NUMBER(7), NUMBER(23), NUMBER(37),
    NUMBER(2), NUMBER(5), NUMBER(-128), NUMBER(127), NUMBER(127), NUMBER(127), NUMBER(1073741824), NUMBER(-8),
    NUMBER(1107499416), NUMBER(-7),
};
static const int8_t attention_s8_7_y_after[] = {
    -31, -64, 56, -117, -39, 6, -37, 92, 33, -4, 76, 96, 24, 58, -16, -81, -44, 49, -39, 18, -30, -31, 85, -81, 24, -85,
    -50, 57, -123, 1, 11, -96, 76, 18, 98, 67, 103, -38, 95, -4, -54, -25, 76, -19, -51, -107, 45, 55, -69, -35, -92,
    -48, 57, -123, 6, 12, -103, 74, 16, 110, 66, 104, -46, 100, -2, -51, -23, 79, -17, -59, -116, 54, 51, -68, -42, -31,
    -64, 56, -117, -39, 6, -37, 92, 33, -4, 76, 96, 24, 58, -16, -81, -44, 49, -39, 18, -30, -31, 85, -81, 24,
};
static const int8_t attention_s8_7_q[] = {
    118, -12, -45, 33, 60, 100, -13, 120, 117, -43, -26, -22, -44, 95, 27, 117, 4, 49, 62, -95, -77, -28, -28, 21, -107,
    -95, 126, 112, -113, -52, 105, -70, 73, -83, 23, -46, 51, 123, -125, 70, 31, 110, 96, -100,
};
static const int8_t attention_s8_7_k[] = {
    73, 102, 34, 95, 30, -61, -85, -127, -116, 96, 28, 21, 63, 105, 43, -128, 31, -85, -88, -4, -31, -116,
};
static const int8_t attention_s8_7_v[] = {
    -92, -48, 57, -124, 6, 12, -103, 74, 16, 110, 66, 104, -46, 100, -2, -51, -23, 79, -17, -59, -116, 54, 51, -68, -42,
    30, -79, 54, -109, -84, -1, 29, 110, 50, -118, 86, 88, 93, 16, -30, -111, -65, 19, -61, 95, 56, -115, 118, -94, 90,
};
static const int32_t attention_s8_7_table[] = {
    2147483647, 1334087838, 828779319, 514865052, 319851160, 198702093, 123440297, 76685186, 47639367, 29595146,
    18385479, 11421670, 7095517, 4407969, 2738376, 1701170, 1056823, 656534, 407860, 253376, 157406, 97786, 60748, 37738,
    23444, 14564, 9048, 5621, 3492, 2169, 0,
};
static const frozen_arg attention_s8_7[] = {
    WRITTEN(attention_s8_7_y_after), READ(attention_s8_7_q), READ(attention_s8_7_k), READ(attention_s8_7_v),
    READ(attention_s8_7_table), SCRATCH(4), SCRATCH(48), NUMBER(4), NUMBER(2), NUMBER(11), NUMBER(25), NUMBER(31),
    NUMBER(3), NUMBER(0), NUMBER(127), NUMBER(5), NUMBER(5), NUMBER(5), NUMBER(2009720418), NUMBER(-7),
    NUMBER(1073741824), NUMBER(-7),
};
static const uint8_t argmax_confidence_s16_0_y_after[] = {
    1, 92, 0, 92, 0, 92, 0, 92,
};
static const int16_t argmax_confidence_s16_0_x[] = {
    49, 73, 50, -20, 43, 38, -87, -92,
};
static const uint8_t argmax_confidence_s16_0_table[] = {
    92,
};
static const frozen_arg argmax_confidence_s16_0[] = {
    WRITTEN(argmax_confidence_s16_0_y_after), READ(argmax_confidence_s16_0_x), READ(argmax_confidence_s16_0_table),
    NUMBER(4), NUMBER(2), NUMBER(1), NUMBER(10),
};
static const uint8_t argmax_confidence_s16_1_y_after[] = {
    8, 188,
};
static const int16_t argmax_confidence_s16_1_x[] = {
    15, -101, -73, 52, -99, -38, -56, 1, 61,
};
static const uint8_t argmax_confidence_s16_1_table[] = {
    188, 111, 42, 44, 140, 25, 54,
};
static const frozen_arg argmax_confidence_s16_1[] = {
    WRITTEN(argmax_confidence_s16_1_y_after), READ(argmax_confidence_s16_1_x), READ(argmax_confidence_s16_1_table),
    NUMBER(1), NUMBER(9), NUMBER(7), NUMBER(8),
};
static const uint8_t argmax_confidence_s16_2_y_after[] = {
    10, 12,
};
static const int16_t argmax_confidence_s16_2_x[] = {
    9, -16, -101, 83, -1, 14, -76, 33, 80, 34, 98, 94, -5, -3, 25, 92, 25, 22, -93, -55, 98, 54,
};
static const uint8_t argmax_confidence_s16_2_table[] = {
    12, 190, 204, 24, 161, 234, 180, 126, 105, 115, 131, 71, 169, 69, 41, 189, 155, 246, 81, 83, 17, 223, 237,
};
static const frozen_arg argmax_confidence_s16_2[] = {
    WRITTEN(argmax_confidence_s16_2_y_after), READ(argmax_confidence_s16_2_x), READ(argmax_confidence_s16_2_table),
    NUMBER(1), NUMBER(22), NUMBER(23), NUMBER(13),
};
static const uint8_t argmax_confidence_s16_3_y_after[] = {
    17, 128,
};
static const int16_t argmax_confidence_s16_3_x[] = {
    -5316, 8186, 28609, -32263, -2823, -264, -19338, 1415, -14832, -24990, -3123, -20129, 10894, -21178, -2269, 10859,
    -6744, 29061, -26828, -14645, -15950, -13584, 12327, -30620, -7652, -25032, 24743, -24744, -24750, -11842, -22521,
    -701,
};
static const uint8_t argmax_confidence_s16_3_table[] = {
    128, 94, 171, 225, 144, 58, 24, 125, 204, 159, 66, 207, 208, 220, 31, 204,
};
static const frozen_arg argmax_confidence_s16_3[] = {
    WRITTEN(argmax_confidence_s16_3_y_after), READ(argmax_confidence_s16_3_x), READ(argmax_confidence_s16_3_table),
    NUMBER(1), NUMBER(32), NUMBER(16), NUMBER(11),
};
static const uint8_t argmax_confidence_s16_4_y_after[] = {
    0, 103, 1, 103,
};
static const int16_t argmax_confidence_s16_4_x[] = {
    1, -1, -1, 1, -1, 0, 0, 0,
};
static const uint8_t argmax_confidence_s16_4_table[] = {
    103, 0, 161, 84, 190, 47, 39, 101, 229, 103, 219, 116, 121, 182, 124, 194, 23, 1, 216, 173, 188, 151, 97, 228, 76,
    177, 1, 185, 73, 39, 33, 202, 29, 49, 251, 205, 82, 171, 97, 20, 215, 252, 48, 166, 25, 183,
};
static const frozen_arg argmax_confidence_s16_4[] = {
    WRITTEN(argmax_confidence_s16_4_y_after), READ(argmax_confidence_s16_4_x), READ(argmax_confidence_s16_4_table),
    NUMBER(2), NUMBER(4), NUMBER(46), NUMBER(0),
};
static const uint8_t viterbi_confidence_s16_0_y_after[] = {
    0, 69, 0, 69, 0, 69,
};
static const int16_t viterbi_confidence_s16_0_x[] = {
    2249, -6035, 7723,
};
static const int16_t viterbi_confidence_s16_0_trans[] = {
    -5771, -6802,
};
static const int16_t viterbi_confidence_s16_0_end[] = {
    5903,
};
static const uint8_t viterbi_confidence_s16_0_table[] = {
    227, 84, 98, 179, 186, 115, 69,
};
static const int16_t viterbi_confidence_s16_0_scores[] = {
    -32768, 0,
};
static const int16_t viterbi_confidence_s16_0_scores_after[] = {
    0, -32768,
};
static const frozen_arg viterbi_confidence_s16_0[] = {
    WRITTEN(viterbi_confidence_s16_0_y_after), READ(viterbi_confidence_s16_0_x), READ(viterbi_confidence_s16_0_trans),
    READ(viterbi_confidence_s16_0_end), READ(viterbi_confidence_s16_0_table), STATE(viterbi_confidence_s16_0_scores,
    viterbi_confidence_s16_0_scores_after), SCRATCH(2), NUMBER(3), NUMBER(1), NUMBER(7), NUMBER(1),
};
static const uint8_t viterbi_confidence_s16_1_y_after[] = {
    0, 218, 0, 218, 0, 218, 0, 218, 0, 218, 0, 218, 0, 218, 0, 218,
};
static const int16_t viterbi_confidence_s16_1_x[] = {
    3100, -3762, 7865, 8085, -1625, -2546, -1083, -6917,
};
static const int16_t viterbi_confidence_s16_1_trans[] = {
    -6019, -7024,
};
static const int16_t viterbi_confidence_s16_1_end[] = {
    -2748,
};
static const uint8_t viterbi_confidence_s16_1_table[] = {
    223, 79, 47, 144, 167, 11, 162, 181, 218,
};
static const int16_t viterbi_confidence_s16_1_scores[] = {
    -32768, 0,
};
static const int16_t viterbi_confidence_s16_1_scores_after[] = {
    0, -32768,
};
static const frozen_arg viterbi_confidence_s16_1[] = {
    WRITTEN(viterbi_confidence_s16_1_y_after), READ(viterbi_confidence_s16_1_x), READ(viterbi_confidence_s16_1_trans),
    READ(viterbi_confidence_s16_1_end), READ(viterbi_confidence_s16_1_table), STATE(viterbi_confidence_s16_1_scores,
    viterbi_confidence_s16_1_scores_after), SCRATCH(2), NUMBER(8), NUMBER(1), NUMBER(9), NUMBER(10),
};
static const uint8_t viterbi_confidence_s16_2_y_after[] = {
    1, 89,
};
static const int16_t viterbi_confidence_s16_2_x[] = {
    -33, -44,
};
static const int16_t viterbi_confidence_s16_2_trans[] = {
    23, 27, -31, 100, -36, -35,
};
static const int16_t viterbi_confidence_s16_2_end[] = {
    -97, 64,
};
static const uint8_t viterbi_confidence_s16_2_table[] = {
    111, 56, 23, 188, 82, 55, 225, 218, 39, 239, 247, 166, 120, 23, 158, 5, 247, 4, 67, 88, 219, 196, 218, 89,
};
static const int16_t viterbi_confidence_s16_2_scores[] = {
    -32768, -32768, 0,
};
static const int16_t viterbi_confidence_s16_2_scores_after[] = {
    0, -10, -32768,
};
static const frozen_arg viterbi_confidence_s16_2[] = {
    WRITTEN(viterbi_confidence_s16_2_y_after), READ(viterbi_confidence_s16_2_x), READ(viterbi_confidence_s16_2_trans),
    READ(viterbi_confidence_s16_2_end), READ(viterbi_confidence_s16_2_table), STATE(viterbi_confidence_s16_2_scores,
    viterbi_confidence_s16_2_scores_after), SCRATCH(4), NUMBER(1), NUMBER(2), NUMBER(24), NUMBER(0),
};
static const uint8_t viterbi_confidence_s16_3_y_after[] = {
    1, 92, 1, 119, 1, 119, 1, 119,
};
static const int16_t viterbi_confidence_s16_3_x[] = {
    -1, -2, -2, -2, 1, -3, 1, 1, -3, 0, 1, 1,
};
static const int16_t viterbi_confidence_s16_3_trans[] = {
    2, 1, 2, 1, 2, -3, 1, -1, 2, -2, -3, 2,
};
static const int16_t viterbi_confidence_s16_3_end[] = {
    -3, 0, -1,
};
static const uint8_t viterbi_confidence_s16_3_table[] = {
    92, 119,
};
static const int16_t viterbi_confidence_s16_3_scores[] = {
    -6, -1, 0, -32768,
};
static const int16_t viterbi_confidence_s16_3_scores_after[] = {
    -2, 0, -1, -32768,
};
static const frozen_arg viterbi_confidence_s16_3[] = {
    WRITTEN(viterbi_confidence_s16_3_y_after), READ(viterbi_confidence_s16_3_x), READ(viterbi_confidence_s16_3_trans),
    READ(viterbi_confidence_s16_3_end), READ(viterbi_confidence_s16_3_table), STATE(viterbi_confidence_s16_3_scores,
    viterbi_confidence_s16_3_scores_after), SCRATCH(6), NUMBER(4), NUMBER(3), NUMBER(2), NUMBER(1),
};
static const uint8_t viterbi_confidence_s16_4_y_after[] = {
    1, 52,
};
static const int16_t viterbi_confidence_s16_4_x[] = {
    -60, 83,
};
static const int16_t viterbi_confidence_s16_4_trans[] = {
    -85, -94, -77, 25, -31, -17,
};
static const int16_t viterbi_confidence_s16_4_end[] = {
    -29, 63,
};
static const uint8_t viterbi_confidence_s16_4_table[] = {
    52, 161, 197, 30, 151, 208, 202, 26, 239, 225, 72, 161, 138, 55, 30, 71, 5, 20, 121, 172, 166, 139, 10, 148, 148,
    109, 72,
};
static const int16_t viterbi_confidence_s16_4_scores[] = {
    -32768, -32768, 0,
};
static const int16_t viterbi_confidence_s16_4_scores_after[] = {
    -157, 0, -32768,
};
static const frozen_arg viterbi_confidence_s16_4[] = {
    WRITTEN(viterbi_confidence_s16_4_y_after), READ(viterbi_confidence_s16_4_x), READ(viterbi_confidence_s16_4_trans),
    READ(viterbi_confidence_s16_4_end), READ(viterbi_confidence_s16_4_table), STATE(viterbi_confidence_s16_4_scores,
    viterbi_confidence_s16_4_scores_after), SCRATCH(4), NUMBER(1), NUMBER(2), NUMBER(27), NUMBER(11),
};
static const int8_t linear_w4_s8_0_y_after[] = {
    127,
};
static const int8_t linear_w4_s8_0_x[] = {
    113,
};
static const int8_t linear_w4_s8_0_w[] = {
    34,
};
static const int32_t linear_w4_s8_0_bias[] = {
    1626,
};
static const int32_t linear_w4_s8_0_mult[] = {
    1073741824,
};
static const int8_t linear_w4_s8_0_shift[] = {
    -4,
};
static const frozen_arg linear_w4_s8_0[] = {
    WRITTEN(linear_w4_s8_0_y_after), READ(linear_w4_s8_0_x), READ(linear_w4_s8_0_w), READ(linear_w4_s8_0_bias),
    READ(linear_w4_s8_0_mult), READ(linear_w4_s8_0_shift), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(70),
    NUMBER(0), NUMBER(0),
};
static const int8_t linear_w4_s8_1_y_after[] = {
    -128, 127, 127, 127, -128, 127, 127, 127,
};
static const int8_t linear_w4_s8_1_x[] = {
    -128, -128, -128, -128,
};
static const int8_t linear_w4_s8_1_w[] = {
    119, -121, -121, -121,
};
static const int32_t linear_w4_s8_1_bias[] = {
    501,
};
static const int32_t linear_w4_s8_1_mult[] = {
    1523075600,
};
static const int8_t linear_w4_s8_1_shift[] = {
    -1,
};
static const frozen_arg linear_w4_s8_1[] = {
    WRITTEN(linear_w4_s8_1_y_after), READ(linear_w4_s8_1_x), READ(linear_w4_s8_1_w), READ(linear_w4_s8_1_bias),
    READ(linear_w4_s8_1_mult), READ(linear_w4_s8_1_shift), NUMBER(2), NUMBER(4), NUMBER(2), NUMBER(1), NUMBER(127),
    NUMBER(0), NUMBER(0),
};
static const int8_t linear_w4_s8_2_y_after[] = {
    -128, -125, -128, -128, -128, -124, -128, -128, -128, -128, -128, -128, -128, -127, -128, -128,
};
static const int8_t linear_w4_s8_2_x[] = {
    -100, -111, -45, -71, -57, 120, -83, 33,
};
static const int8_t linear_w4_s8_2_w[] = {
    12, -73, -62, 37,
};
static const int32_t linear_w4_s8_2_bias[] = {
    -1622, 1012, -220, 14,
};
static const int32_t linear_w4_s8_2_mult[] = {
    1073741824,
};
static const int8_t linear_w4_s8_2_shift[] = {
    -7,
};
static const frozen_arg linear_w4_s8_2[] = {
    WRITTEN(linear_w4_s8_2_y_after), READ(linear_w4_s8_2_x), READ(linear_w4_s8_2_w), READ(linear_w4_s8_2_bias),
    READ(linear_w4_s8_2_mult), READ(linear_w4_s8_2_shift), NUMBER(4), NUMBER(4), NUMBER(2), NUMBER(1), NUMBER(-128),
    NUMBER(1), NUMBER(0),
};
static const int8_t linear_w4_s8_3_y_after[] = {
    -69, -61, 127, 127, 127, 34, -127, 127, 109, 127,
};
static const int8_t linear_w4_s8_3_x[] = {
    -71, -29, -45, 53, -123, -40, -90, -71,
};
static const int8_t linear_w4_s8_3_w[] = {
    79, -128, 47, 62, 30, 52, -78, 54, 99, -1,
};
static const int32_t linear_w4_s8_3_bias[] = {
    -1434, -979, 501, 183, 1662,
};
static const int32_t linear_w4_s8_3_mult[] = {
    1766717628, 1124970965, 1525203383, 2028080380, 1333030615,
};
static const int8_t linear_w4_s8_3_shift[] = {
    -3, -1, -3, -5, -2,
};
static const frozen_arg linear_w4_s8_3[] = {
    WRITTEN(linear_w4_s8_3_y_after), READ(linear_w4_s8_3_x), READ(linear_w4_s8_3_w), READ(linear_w4_s8_3_bias),
    READ(linear_w4_s8_3_mult), READ(linear_w4_s8_3_shift), NUMBER(2), NUMBER(5), NUMBER(4), NUMBER(2), NUMBER(127),
    NUMBER(1), NUMBER(1),
};
static const int8_t linear_w4_s8_4_y_after[] = {
    -6, -71, 45, -94, -3, -94, 33, 67, -42, -88, -54, 57,
};
static const int8_t linear_w4_s8_4_x[] = {
    74, 59, -31, -92, 67, -27, -99, -9, -99, 67, -1, -39, 30, 110, -110, -83, -12, -49, -27, 85, -111, 68, 11, -71, 125,
    49, -95, -64,
};
static const int8_t linear_w4_s8_4_w[] = {
    75, -70, 45, -66, -113, -2, 9, 28, -9, 68, 39, -56,
};
static const int32_t linear_w4_s8_4_bias[] = {
    -538,
};
static const int32_t linear_w4_s8_4_mult[] = {
    1213893229,
};
static const int8_t linear_w4_s8_4_shift[] = {
    -3,
};
static const frozen_arg linear_w4_s8_4[] = {
    WRITTEN(linear_w4_s8_4_y_after), READ(linear_w4_s8_4_x), READ(linear_w4_s8_4_w), READ(linear_w4_s8_4_bias),
    READ(linear_w4_s8_4_mult), READ(linear_w4_s8_4_shift), NUMBER(4), NUMBER(3), NUMBER(7), NUMBER(4), NUMBER(0),
    NUMBER(0), NUMBER(0),
};
static const int8_t linear_w4_s8_5_y_after[] = {
    -122, 127, 127, -128, -15, 127, -28, 68, 127, 127, 30, 54, 127, 127,
};
static const int8_t linear_w4_s8_5_x[] = {
    90, -117, 66, 37, 73, 107, 118, 92, -99, -74, 122, -108, -36, -63, 23, -37, -45, -60, -11, 8, 68, 31, 61, -73, -104,
    -52, -5, -124, -14, 32, 58, -59, -78, 54, 15, -53, -42, 89, -6, -45, 94, 6,
};
static const int8_t linear_w4_s8_5_w[] = {
    10, -23, 5, -56, -17, 80,
};
static const int32_t linear_w4_s8_5_bias[] = {
    743, 1567,
};
static const int32_t linear_w4_s8_5_mult[] = {
    1493451908,
};
static const int8_t linear_w4_s8_5_shift[] = {
    -2,
};
static const frozen_arg linear_w4_s8_5[] = {
    WRITTEN(linear_w4_s8_5_y_after), READ(linear_w4_s8_5_x), READ(linear_w4_s8_5_w), READ(linear_w4_s8_5_bias),
    READ(linear_w4_s8_5_mult), READ(linear_w4_s8_5_shift), NUMBER(7), NUMBER(2), NUMBER(6), NUMBER(3), NUMBER(-128),
    NUMBER(1), NUMBER(0),
};
static const int8_t linear_w4_s8_6_y_after[] = {
    127, 127, 59, -128, 44, 127, 61, 127, 127,
};
static const int8_t linear_w4_s8_6_x[] = {
    74, -62, -127, -62, 88,
};
static const int8_t linear_w4_s8_6_w[] = {
    -107, 95, -74, 85, 11, -34, 101, 97, -13, 0, 124, -100, 107, 96, -50, -19, -46, 26, -76, 10, 64, -21, -16, 2, -81,
    -64, 17,
};
static const int32_t linear_w4_s8_6_bias[] = {
    493, 555, -814, -1265, -177, 1298, -1869, 1362, 880,
};
static const int32_t linear_w4_s8_6_mult[] = {
    1147048365, 1588546164, 1114181552, 1734000354, 1940030155, 1509321085, 1123352462, 1669474022, 1876367615,
};
static const int8_t linear_w4_s8_6_shift[] = {
    -2, -3, -3, -2, -4, -2, -2, -3, -4,
};
static const frozen_arg linear_w4_s8_6[] = {
    WRITTEN(linear_w4_s8_6_y_after), READ(linear_w4_s8_6_x), READ(linear_w4_s8_6_w), READ(linear_w4_s8_6_bias),
    READ(linear_w4_s8_6_mult), READ(linear_w4_s8_6_shift), NUMBER(1), NUMBER(9), NUMBER(5), NUMBER(3), NUMBER(127),
    NUMBER(1), NUMBER(1),
};
static const int8_t linear_w4_s8_7_y_after[] = {
    -128, -128, -128, -7, 127, -116, -128, -128, -128, -7, 127, -116, -128, -128, -128, -7, 127, -116, -128, -128, -128,
    -7, 127, -116,
};
static const int8_t linear_w4_s8_7_x[] = {
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
    -128,
};
static const int8_t linear_w4_s8_7_w[] = {
    -121, 119, -121, 119, 119, -73, 119, -121, -73, -121, -121, 71, 119, 120, 24, 119, 120, -24,
};
static const int32_t linear_w4_s8_7_bias[] = {
    -1131, -742, -1053, 104, 822, -333,
};
static const int32_t linear_w4_s8_7_mult[] = {
    1073741824,
};
static const int8_t linear_w4_s8_7_shift[] = {
    -1,
};
static const frozen_arg linear_w4_s8_7[] = {
    WRITTEN(linear_w4_s8_7_y_after), READ(linear_w4_s8_7_x), READ(linear_w4_s8_7_w), READ(linear_w4_s8_7_bias),
    READ(linear_w4_s8_7_mult), READ(linear_w4_s8_7_shift), NUMBER(4), NUMBER(6), NUMBER(5), NUMBER(3), NUMBER(127),
    NUMBER(1), NUMBER(0),
};
static const int8_t linear_w4_s8_8_y_after[] = {
    -128, 127, 127, -128, 127, -128, 127, -128, -128, 127, 127, -128, 127, -128, 127, -128, -128, -76, -128, -128, 127,
    -128, 127, -128, -128, -128, -128, -128, 127, -128, 127, -128, -43, 127, 127, -128, 127, -128, 127, -128, -128, 127,
    127, -128, 127, -128, -128, -128, -128, 127, 127, -128, 127, -128, 127, -128, -128, -128, 127, -128, 127, 127, 127,
    127, 127, 127, 47, -128, 127, 73, 127, 127, 32, 80, 127, -128, 127, -128, 127, -76, 127, 127, 127, -128, 127, -128,
    127, -128,
};
static const int8_t linear_w4_s8_8_x[] = {
    106, -110, 102, 38, 18, 42, 8, -26, -38, 13, -22, -79, 50, 71, -108, 103, 48, 123, 72, -59, 96, 64, 49, -88, 95, 98,
    121, 119, -67, 104, -78, -16, 13, -85, 38, 59, 117, -53, -97, -114, 20, 86, -104, 74, 14, -25, -61, 41, -1, 115, 19,
    -105, 97, -114, 46, 49, 38, 10, -102, 94, 69, -96, -123, -124, 122, -88, -16, -40, -1, -50, -126, -116, 124, -86, 53,
    -66, 76,
};
static const int8_t linear_w4_s8_8_w[] = {
    -101, 75, -82, 13, -46, -110, -62, 16, 28, -29, 88, -55, 43, -128, 76, -53, 17, 24, -49, -69, -78, 76, -56, -114,
    -98, 27, -106, 26, -62, 123, -39, 89,
};
static const int32_t linear_w4_s8_8_bias[] = {
    -473, 707, 727, -1678, 1849, -942, 1143, -428,
};
static const int32_t linear_w4_s8_8_mult[] = {
    1073741824,
};
static const int8_t linear_w4_s8_8_shift[] = {
    1,
};
static const frozen_arg linear_w4_s8_8[] = {
    WRITTEN(linear_w4_s8_8_y_after), READ(linear_w4_s8_8_x), READ(linear_w4_s8_8_w), READ(linear_w4_s8_8_bias),
    READ(linear_w4_s8_8_mult), READ(linear_w4_s8_8_shift), NUMBER(11), NUMBER(8), NUMBER(7), NUMBER(4), NUMBER(127),
    NUMBER(1), NUMBER(0),
};
static const int16_t linear_w4_s16_0_y_after[] = {
    58,
};
static const int8_t linear_w4_s16_0_x[] = {
    113,
};
static const int8_t linear_w4_s16_0_w[] = {
    34,
};
static const int32_t linear_w4_s16_0_bias[] = {
    1626,
};
static const int32_t linear_w4_s16_0_mult[] = {
    1073741824,
};
static const int8_t linear_w4_s16_0_shift[] = {
    -4,
};
static const frozen_arg linear_w4_s16_0[] = {
    WRITTEN(linear_w4_s16_0_y_after), READ(linear_w4_s16_0_x), READ(linear_w4_s16_0_w), READ(linear_w4_s16_0_bias),
    READ(linear_w4_s16_0_mult), READ(linear_w4_s16_0_shift), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(0),
    NUMBER(0),
};
static const int16_t linear_w4_s16_1_y_after[] = {
    1866, 1866, 1866, 31978, 1866, 1866, 1866, 31978,
};
static const int8_t linear_w4_s16_1_x[] = {
    -128, -128, -128, -128,
};
static const int8_t linear_w4_s16_1_w[] = {
    119, 119, 119, 120,
};
static const int32_t linear_w4_s16_1_bias[] = {
    1911,
};
static const int32_t linear_w4_s16_1_mult[] = {
    2104969825,
};
static const int8_t linear_w4_s16_1_shift[] = {
    4,
};
static const frozen_arg linear_w4_s16_1[] = {
    WRITTEN(linear_w4_s16_1_y_after), READ(linear_w4_s16_1_x), READ(linear_w4_s16_1_w), READ(linear_w4_s16_1_bias),
    READ(linear_w4_s16_1_mult), READ(linear_w4_s16_1_shift), NUMBER(2), NUMBER(4), NUMBER(2), NUMBER(1), NUMBER(0),
    NUMBER(0),
};
static const int16_t linear_w4_s16_2_y_after[] = {
    -4, -1, 5, 11,
};
static const int8_t linear_w4_s16_2_x[] = {
    -128, 34, 57, -115, -29, -6, 1, -43, 28, -126, 103, 83, -75, 52,
};
static const int8_t linear_w4_s16_2_w[] = {
    -76, -56, 53, 12, 66, 60, -120, -11,
};
static const int32_t linear_w4_s16_2_bias[] = {
    329,
};
static const int32_t linear_w4_s16_2_mult[] = {
    1073741824,
};
static const int8_t linear_w4_s16_2_shift[] = {
    -6,
};
static const frozen_arg linear_w4_s16_2[] = {
    WRITTEN(linear_w4_s16_2_y_after), READ(linear_w4_s16_2_x), READ(linear_w4_s16_2_w), READ(linear_w4_s16_2_bias),
    READ(linear_w4_s16_2_mult), READ(linear_w4_s16_2_shift), NUMBER(2), NUMBER(2), NUMBER(7), NUMBER(4), NUMBER(0),
    NUMBER(0),
};
static const int16_t linear_w4_s16_3_y_after[] = {
    -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768,
    -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768,
};
static const int8_t linear_w4_s16_3_x[] = {
    104, -119, 58, -120, 20, -71, 31, 56, -105, 52, 38,
};
static const int8_t linear_w4_s16_3_w[] = {
    43, 40,
};
static const int32_t linear_w4_s16_3_bias[] = {
    -1680,
};
static const int32_t linear_w4_s16_3_mult[] = {
    1995122567,
};
static const int8_t linear_w4_s16_3_shift[] = {
    6,
};
static const frozen_arg linear_w4_s16_3[] = {
    WRITTEN(linear_w4_s16_3_y_after), READ(linear_w4_s16_3_x), READ(linear_w4_s16_3_w), READ(linear_w4_s16_3_bias),
    READ(linear_w4_s16_3_mult), READ(linear_w4_s16_3_shift), NUMBER(11), NUMBER(2), NUMBER(1), NUMBER(1), NUMBER(0),
    NUMBER(0),
};
static const int16_t linear_w4_s16_4_y_after[] = {
    89, -32768, -1780, -31157, -102, 4422, -955, -12968, 61, 23442,
};
static const int8_t linear_w4_s16_4_x[] = {
    70, -4, -90, 22, 26, -7, -115, 59, -46, 1, 23, 77, -40, -53, -99, 36, -26, -7, 106, 91,
};
static const int8_t linear_w4_s16_4_w[] = {
    63, -110, -115, 86,
};
static const int32_t linear_w4_s16_4_bias[] = {
    429, -520,
};
static const int32_t linear_w4_s16_4_mult[] = {
    1830741207, 1115734611,
};
static const int8_t linear_w4_s16_4_shift[] = {
    3, 6,
};
static const frozen_arg linear_w4_s16_4[] = {
    WRITTEN(linear_w4_s16_4_y_after), READ(linear_w4_s16_4_x), READ(linear_w4_s16_4_w), READ(linear_w4_s16_4_bias),
    READ(linear_w4_s16_4_mult), READ(linear_w4_s16_4_shift), NUMBER(5), NUMBER(2), NUMBER(4), NUMBER(2), NUMBER(1),
    NUMBER(1),
};
static const int16_t linear_w4_s16_5_y_after[] = {
    -1960, 1906, -1960, 1906, -1960, 1906,
};
static const int8_t linear_w4_s16_5_x[] = {
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
    -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128, -128,
    -128, -128, -128, -128, -128, -128, -128, -128, -128,
};
static const int8_t linear_w4_s16_5_w[] = {
    119, 119, -120, -121, -121, 119, 120, -120, 119, 120, -121, -120, -120, -121, 120, -120, 120, 119, 120, 120, -121,
    119,
};
static const int32_t linear_w4_s16_5_bias[] = {
    -1489, 483,
};
static const int32_t linear_w4_s16_5_mult[] = {
    1073741824,
};
static const int8_t linear_w4_s16_5_shift[] = {
    0,
};
static const frozen_arg linear_w4_s16_5[] = {
    WRITTEN(linear_w4_s16_5_y_after), READ(linear_w4_s16_5_x), READ(linear_w4_s16_5_w), READ(linear_w4_s16_5_bias),
    READ(linear_w4_s16_5_mult), READ(linear_w4_s16_5_shift), NUMBER(3), NUMBER(2), NUMBER(22), NUMBER(11), NUMBER(1),
    NUMBER(0),
};
static const int16_t linear_w4_s16_6_y_after[] = {
    -37, -197, -82, -11, -16, -69, 137, -5, 28, 100, -20, -142, -78, -48, 52, 10, -100, 118, -91, 125, 84,
};
static const int8_t linear_w4_s16_6_x[] = {
    -128, -128, -128, -128, -128, -128,
};
static const int8_t linear_w4_s16_6_w[] = {
    120, -121, 119, 119, 119, 119, -120, 119, 119, -121, -120, 119, -121, -121, 119, -121, 120, 119, -121, -120, -120,
    120, 120, 120, 119, 120, -120, -120, 119, -120, -121, 119, -121, -121, 119, 119, 119, 120, 120, -121, 120, -121, 119,
    -121, -120, -120, 119, -120, -121, -121, 119, -120, -120, 119, 119, 120, 119, -120, 119, -120, -120, -121, 120,
};
static const int32_t linear_w4_s16_6_bias[] = {
    353, -918, -1096, -749, 1025, -658, 151, -536, 511, 906, 907, -1088, -944, -1918, 1275, -2000, -1675, 1481, 556,
    1689, 395,
};
static const int32_t linear_w4_s16_6_mult[] = {
    1073741824,
};
static const int8_t linear_w4_s16_6_shift[] = {
    -4,
};
static const frozen_arg linear_w4_s16_6[] = {
    WRITTEN(linear_w4_s16_6_y_after), READ(linear_w4_s16_6_x), READ(linear_w4_s16_6_w), READ(linear_w4_s16_6_bias),
    READ(linear_w4_s16_6_mult), READ(linear_w4_s16_6_shift), NUMBER(1), NUMBER(21), NUMBER(6), NUMBER(3), NUMBER(1),
    NUMBER(0),
};
static const int8_t linear_w4_packed_s8_0_y_after[] = {
    2,
};
static const int8_t linear_w4_packed_s8_0_x[] = {
    113,
};
static const int8_t linear_w4_packed_s8_0_w[] = {
    -120, 40, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8,
};
static const int32_t linear_w4_packed_s8_0_rows[] = {
    2039808, 0, 0, 0,
};
static const frozen_arg linear_w4_packed_s8_0[] = {
    WRITTEN(linear_w4_packed_s8_0_y_after), READ(linear_w4_packed_s8_0_x), READ(linear_w4_packed_s8_0_w),
    READ(linear_w4_packed_s8_0_rows), SCRATCH(16), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1),
    NUMBER(1073741824), NUMBER(128), NUMBER(8), NUMBER(0),
};
static const int8_t linear_w4_packed_s8_1_y_after[] = {
    127, 3, -117, 127, 7, -107,
};
static const int8_t linear_w4_packed_s8_1_x[] = {
    43, -102, 31, -94,
};
static const int8_t linear_w4_packed_s8_1_w[] = {
    -120, 102, -120, 8, -120, -88, -120, 8, -120, -102, -120, 8, -120, 8, -120, 8,
};
static const int32_t linear_w4_packed_s8_1_rows[] = {
    3416064, 4222976, -348160, 0, 1693820618, 1587168418, 1673107902, 0, 14, 56, 28, 0, 197634,
};
static const frozen_arg linear_w4_packed_s8_1[] = {
    WRITTEN(linear_w4_packed_s8_1_y_after), READ(linear_w4_packed_s8_1_x), READ(linear_w4_packed_s8_1_w),
    READ(linear_w4_packed_s8_1_rows), SCRATCH(16), NUMBER(2), NUMBER(1), NUMBER(1), NUMBER(3), NUMBER(2), NUMBER(0),
    NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int8_t linear_w4_packed_s8_2_y_after[] = {
    127, -128, 127, -21, 127, -21,
};
static const int8_t linear_w4_packed_s8_2_x[] = {
    -128, 127, 127, -128, 127, -128, -128, -128, 127,
};
static const int8_t linear_w4_packed_s8_2_w[] = {
    -120, -113, -120, 120, -120, 112, -120, -120, -120, 8, -120, 8, -120, 8, -120, 8,
};
static const int32_t linear_w4_packed_s8_2_rows[] = {
    -2547712, 5316608, 0, 0, 2075612690, 1707384181, 0, 0, 1020, 510, 0, 0, 515,
};
static const frozen_arg linear_w4_packed_s8_2[] = {
    WRITTEN(linear_w4_packed_s8_2_y_after), READ(linear_w4_packed_s8_2_x), READ(linear_w4_packed_s8_2_w),
    READ(linear_w4_packed_s8_2_rows), SCRATCH(16), NUMBER(3), NUMBER(1), NUMBER(1), NUMBER(2), NUMBER(3), NUMBER(0),
    NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int8_t linear_w4_packed_s8_3_y_after[] = {
    -97, -128, -109, -128, -76, -128, -128, -128, -128, -128, -128, -128, -128, -128,
};
static const int8_t linear_w4_packed_s8_3_x[] = {
    86, 78, 100, -123, 5, -98, -107,
};
static const int8_t linear_w4_packed_s8_3_w[] = {
    -120, 120, -120, 8, -120, 120, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8,
};
static const int32_t linear_w4_packed_s8_3_rows[] = {
    -8040448, -10133504, 0, 0, 1787225297, 2138893713, 0, 0, 2, 2, 0, 0, 514,
};
static const frozen_arg linear_w4_packed_s8_3[] = {
    WRITTEN(linear_w4_packed_s8_3_y_after), READ(linear_w4_packed_s8_3_x), READ(linear_w4_packed_s8_3_w),
    READ(linear_w4_packed_s8_3_rows), SCRATCH(16), NUMBER(7), NUMBER(1), NUMBER(1), NUMBER(2), NUMBER(1), NUMBER(0),
    NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int8_t linear_w4_packed_s8_4_y_after[] = {
    66, 127, 94, 38, 77, 127, 88, 60, 110, 127, 127, 62, 127, 98, 54, 120, 96, 127, 70, 126, 127, 127,
};
static const int8_t linear_w4_packed_s8_4_x[] = {
    -29, -111, 74, -40, 91, 94, 96, 17, -103, 40, 74, -16, -3, -71, 124, -7,
};
static const int8_t linear_w4_packed_s8_4_w[] = {
    70, 101, -73, -59, -20, 46, -35, -82, 57, -9, 111, -51, 45, 111, 119, -33, 48, 56, -117, 68, -24, 4, 8, 63, 97, -77,
    -95, -114, 38, -77, 73, 39, 116, -77, -13, -31, -96, 47, -94, -88, -79, -81, -92, 101, -120, 8, -120, 8,
};
static const int32_t linear_w4_packed_s8_4_rows[] = {
    -2531328, -7106560, -1044480, -12337152, 307200, -1818624, 12181504, 2519040, 5394432, 11243520, 9011200, 0,
};
static const frozen_arg linear_w4_packed_s8_4[] = {
    WRITTEN(linear_w4_packed_s8_4_y_after), READ(linear_w4_packed_s8_4_x), READ(linear_w4_packed_s8_4_w),
    READ(linear_w4_packed_s8_4_rows), SCRATCH(16), NUMBER(2), NUMBER(3), NUMBER(1), NUMBER(11), NUMBER(8),
    NUMBER(1073741824), NUMBER(2040), NUMBER(4), NUMBER(0),
};
static const int16_t linear_w4_packed_s16_0_y_after[] = {
    2,
};
static const int8_t linear_w4_packed_s16_0_x[] = {
    113,
};
static const int8_t linear_w4_packed_s16_0_w[] = {
    -120, 40, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8,
};
static const int32_t linear_w4_packed_s16_0_rows[] = {
    2039808, 0, 0, 0,
};
static const frozen_arg linear_w4_packed_s16_0[] = {
    WRITTEN(linear_w4_packed_s16_0_y_after), READ(linear_w4_packed_s16_0_x), READ(linear_w4_packed_s16_0_w),
    READ(linear_w4_packed_s16_0_rows), SCRATCH(16), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1), NUMBER(1),
    NUMBER(1073741824), NUMBER(128), NUMBER(8), NUMBER(0),
};
static const int16_t linear_w4_packed_s16_1_y_after[] = {
    -221, 517, -271, -385, 492, -86,
};
static const int8_t linear_w4_packed_s16_1_x[] = {
    95, -41, 12, 118,
};
static const int8_t linear_w4_packed_s16_1_w[] = {
    -120, 103, -120, 8, -120, 90, -120, 8, -120, -103, -120, 8, -120, 8, -120, 8,
};
static const int32_t linear_w4_packed_s16_1_rows[] = {
    -8765440, 3215360, 1589248, 0, 2138893713, 2138893713, 2138893713, 0, 2, 2, 2, 0, 131586,
};
static const frozen_arg linear_w4_packed_s16_1[] = {
    WRITTEN(linear_w4_packed_s16_1_y_after), READ(linear_w4_packed_s16_1_x), READ(linear_w4_packed_s16_1_w),
    READ(linear_w4_packed_s16_1_rows), SCRATCH(16), NUMBER(2), NUMBER(1), NUMBER(1), NUMBER(3), NUMBER(2), NUMBER(0),
    NUMBER(0), NUMBER(0), NUMBER(1),
};
static const int16_t linear_w4_packed_s16_2_y_after[] = {
    3, -3, -8, -3, -1, 0, -1, -9, -6, 2, 1, -2, -4, 5, -4, 2, 3, 2, 5, -4,
};
static const int8_t linear_w4_packed_s16_2_x[] = {
    77, 58, 19, -51, 117, 24, 52, 84, -80, -18, 62, 113, 68, 103, -62, 93, 63, -71, -15, 41, 77, 125, -69, 114, -79, 9,
    -108, 87, 114, -90, -62, -125, 63, -96, 80, -35,
};
static const int8_t linear_w4_packed_s16_2_w[] = {
    -104, 38, -84, -116, 3, -37, -68, -10, 66, -45, 4, -107, 27, 80, 95, -65, -120, -104, -120, 8, -120, 8, -120, 8,
    -120, 8, -120, 8, -120, -24, -120, 8, -32, 78, 17, 119, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8, -120,
    104, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8, -120, 8,
};
static const int32_t linear_w4_packed_s16_2_rows[] = {
    1507328, 4128768, 20381696, 983040, -3735552, 0, 0, 0,
};
static const frozen_arg linear_w4_packed_s16_2[] = {
    WRITTEN(linear_w4_packed_s16_2_y_after), READ(linear_w4_packed_s16_2_x), READ(linear_w4_packed_s16_2_w),
    READ(linear_w4_packed_s16_2_rows), SCRATCH(32), NUMBER(4), NUMBER(2), NUMBER(2), NUMBER(5), NUMBER(9),
    NUMBER(1073741824), NUMBER(64), NUMBER(7), NUMBER(0),
};
static const frozen_vector vectors[] = {
    {"linear_s8", "y_zp ignored", tl_step_linear_s8, linear_s8_0, 12},
    {"linear_s8", "int8 wraps instead of saturating", tl_step_linear_s8, linear_s8_1, 12},
    {"linear_s8", "ties of the right shift up instead of away from zero; right shift without rounding; one rounding instead of two; int8 saturates at -127; x read one place off; w read one place off; mult read one place off; shift read one place off", tl_step_linear_s8, linear_s8_2, 12},
    {"linear_s8", "sum of products in 16 bits", tl_step_linear_s8, linear_s8_3, 12},
    {"linear_s8", "bias read one place off", tl_step_linear_s8, linear_s8_4, 12},
    {"linear_s8", "high product without rounding", tl_step_linear_s8, linear_s8_5, 12},
    {"linear_s8", "left shift left out", tl_step_linear_s8, linear_s8_6, 12},
    {"linear_s8", "ties of the high product away from zero", tl_step_linear_s8, linear_s8_7, 12},
    {"linear_s8_s16", "left shift left out; int16 wraps instead of saturating; x read one place off; w read one place off; bias read one place off; mult read one place off; shift read one place off", tl_step_linear_s8_s16, linear_s8_s16_0, 11},
    {"linear_s8_s16", "right shift without rounding", tl_step_linear_s8_s16, linear_s8_s16_1, 11},
    {"linear_s8_s16", "high product without rounding", tl_step_linear_s8_s16, linear_s8_s16_2, 11},
    {"linear_s8_s16", "ties of the right shift up instead of away from zero; one rounding instead of two", tl_step_linear_s8_s16, linear_s8_s16_3, 11},
    {"linear_s8_s16", "sum of products in 16 bits", tl_step_linear_s8_s16, linear_s8_s16_4, 11},
    {"linear_s8_s16", "ties of the high product away from zero", tl_step_linear_s8_s16, linear_s8_s16_5, 11},
    {"conv1d_s8", "right shift without rounding; y_zp ignored", tl_step_conv1d_s8, conv1d_s8_0, 17},
    {"conv1d_s8", "int8 wraps instead of saturating; int8 saturates at -127; x read one place off; w read one place off; bias read one place off; stride ignored; pad_left ignored; x_zp ignored", tl_step_conv1d_s8, conv1d_s8_1, 17},
    {"conv1d_s8", "mult read one place off; shift read one place off", tl_step_conv1d_s8, conv1d_s8_2, 17},
    {"conv1d_s8", "sum of products in 16 bits", tl_step_conv1d_s8, conv1d_s8_3, 17},
    {"conv1d_s8", "ties of the right shift up instead of away from zero", tl_step_conv1d_s8, conv1d_s8_4, 17},
    {"conv1d_s8", "high product without rounding; one rounding instead of two", tl_step_conv1d_s8, conv1d_s8_5, 17},
    {"conv1d_s8", "ties of the high product away from zero", tl_step_conv1d_s8, conv1d_s8_6, 17},
    {"depthwise_conv_s8", "right shift without rounding", tl_step_depthwise_conv_s8, depthwise_conv_s8_0, 13},
    {"depthwise_conv_s8", "w read one place off; state read one place off; state taken as 0; y_zp ignored", tl_step_depthwise_conv_s8, depthwise_conv_s8_1, 13},
    {"depthwise_conv_s8", "int8 wraps instead of saturating; int8 saturates at -127; x read one place off", tl_step_depthwise_conv_s8, depthwise_conv_s8_2, 13},
    {"depthwise_conv_s8", "bias read one place off; mult read one place off; shift read one place off", tl_step_depthwise_conv_s8, depthwise_conv_s8_3, 13},
    {"depthwise_conv_s8", "high product without rounding; ties of the high product away from zero", tl_step_depthwise_conv_s8, depthwise_conv_s8_4, 13},
    {"depthwise_conv_s8", "ties of the right shift up instead of away from zero", tl_step_depthwise_conv_s8, depthwise_conv_s8_5, 13},
    {"depthwise_conv_s8", "one rounding instead of two", tl_step_depthwise_conv_s8, depthwise_conv_s8_6, 13},
    {"depthwise_conv_s8", "sum of products in 16 bits", tl_step_depthwise_conv_s8, depthwise_conv_s8_7, 13},
    {"interleave_s8", "x read one place off; index ignored", tl_step_interleave_s8, interleave_s8_0, 6},
    {"layer_norm_s8", "y_zp ignored; mult ignored; shift ignored", tl_step_layer_norm_s8, layer_norm_s8_0, 10},
    {"layer_norm_s8", "right shift without rounding", tl_step_layer_norm_s8, layer_norm_s8_1, 10},
    {"layer_norm_s8", "b read one place off", tl_step_layer_norm_s8, layer_norm_s8_2, 10},
    {"layer_norm_s8", "int8 wraps instead of saturating; sum of products in 16 bits; one Newton step for the reciprocal root; x read one place off; w read one place off", tl_step_layer_norm_s8, layer_norm_s8_3, 10},
    {"layer_norm_s8", "eps ignored", tl_step_layer_norm_s8, layer_norm_s8_4, 10},
    {"layer_norm_s8", "int8 saturates at -127", tl_step_layer_norm_s8, layer_norm_s8_5, 10},
    {"layer_norm_s8", "normalized value in 15 bits", tl_step_layer_norm_s8, layer_norm_s8_6, 10},
    {"layer_norm_s8", "three Newton steps for the reciprocal root", tl_step_layer_norm_s8, layer_norm_s8_7, 10},
    {"rms_norm_s8", "eps ignored; shift ignored", tl_step_rms_norm_s8, rms_norm_s8_0, 9},
    {"rms_norm_s8", "x_zp ignored", tl_step_rms_norm_s8, rms_norm_s8_1, 9},
    {"rms_norm_s8", "int8 wraps instead of saturating; int8 saturates at -127; mult ignored", tl_step_rms_norm_s8, rms_norm_s8_2, 9},
    {"rms_norm_s8", "right shift without rounding; sum of products in 16 bits", tl_step_rms_norm_s8, rms_norm_s8_3, 9},
    {"rms_norm_s8", "one Newton step for the reciprocal root; w read one place off", tl_step_rms_norm_s8, rms_norm_s8_4, 9},
    {"rms_norm_s8", "x read one place off", tl_step_rms_norm_s8, rms_norm_s8_5, 9},
    {"rms_norm_s8", "three Newton steps for the reciprocal root", tl_step_rms_norm_s8, rms_norm_s8_6, 9},
    {"rms_norm_s8", "normalized value in 15 bits", tl_step_rms_norm_s8, rms_norm_s8_7, 9},
    {"softmax_s8", "int8 wraps instead of saturating", tl_step_softmax_s8, softmax_s8_0, 6},
    {"softmax_s8", "x read one place off", tl_step_softmax_s8, softmax_s8_1, 6},
    {"softmax_s8", "right shift without rounding", tl_step_softmax_s8, softmax_s8_2, 6},
    {"softmax_s8", "int8 saturates at -127", tl_step_softmax_s8, softmax_s8_3, 6},
    {"softmax_s8", "two Newton steps for the reciprocal", tl_step_softmax_s8, softmax_s8_4, 6},
    {"softmax_s8", "table read one place off", tl_step_softmax_s8, softmax_s8_5, 6},
    {"matmul_s8", "b_zp ignored; mult ignored; shift ignored", tl_step_matmul_s8, matmul_s8_0, 14},
    {"matmul_s8", "right shift without rounding; a read one place off; a_zp ignored", tl_step_matmul_s8, matmul_s8_1, 14},
    {"matmul_s8", "int8 wraps instead of saturating; int8 saturates at -127; sum of products in 16 bits; y_zp ignored", tl_step_matmul_s8, matmul_s8_2, 14},
    {"matmul_s8", "b read one place off", tl_step_matmul_s8, matmul_s8_3, 14},
    {"matmul_s8", "ties of the right shift up instead of away from zero; one rounding instead of two", tl_step_matmul_s8, matmul_s8_4, 14},
    {"matmul_s8", "high product without rounding", tl_step_matmul_s8, matmul_s8_5, 14},
    {"matmul_s8", "ties of the high product away from zero", tl_step_matmul_s8, matmul_s8_6, 14},
    {"add_s8", "right shift without rounding; int8 wraps instead of saturating; a read one place off; b read one place off; a_zp ignored; b_zp ignored; y_zp ignored; a_mult ignored; b_mult ignored; b_shift ignored; mult ignored; shift ignored", tl_step_add_s8, add_s8_0, 14},
    {"add_s8", "ties of the right shift up instead of away from zero; one rounding instead of two; int8 saturates at -127; a_shift ignored", tl_step_add_s8, add_s8_1, 14},
    {"add_s8", "high product without rounding", tl_step_add_s8, add_s8_2, 14},
    {"add_s8", "ties of the high product away from zero", tl_step_add_s8, add_s8_3, 14},
    {"mul_s8", "right shift without rounding; a read one place off; b read one place off; b_zp ignored; y_zp ignored; mult ignored; shift ignored", tl_step_mul_s8, mul_s8_0, 10},
    {"mul_s8", "a_zp ignored", tl_step_mul_s8, mul_s8_1, 10},
    {"mul_s8", "ties of the right shift up instead of away from zero; int8 wraps instead of saturating; int8 saturates at -127", tl_step_mul_s8, mul_s8_2, 10},
    {"mul_s8", "high product without rounding", tl_step_mul_s8, mul_s8_3, 10},
    {"mul_s8", "one rounding instead of two", tl_step_mul_s8, mul_s8_4, 10},
    {"mul_s8", "left shift left out", tl_step_mul_s8, mul_s8_5, 10},
    {"table_s8", "table indexed by the unsigned code; x read one place off; table read one place off", tl_step_table_s8, table_s8_0, 5},
    {"table_s8_u16", "table indexed by the unsigned code; x read one place off; table read one place off; table read as signed", tl_step_table_s8_u16, table_s8_u16_0, 5},
    {"scan_s8", "sum of products in 16 bits; a decay of 0.905 whatever the step; decay in 15 bits; decay from the table alone, without the line; state rounds down; dt read as signed; a read as signed; h taken as 0; y_zp ignored; g_mult ignored; g_shift ignored; b_shift ignored; y_mult ignored; y_shift ignored", tl_step_scan_s8, scan_s8_0, 22},
    {"scan_s8", "right shift without rounding; x read one place off; b read one place off; x_zp ignored; d_shift ignored", tl_step_scan_s8, scan_s8_1, 22},
    {"scan_s8", "decay's exponent modulo 1; a read one place off; a_scale read one place off; h read one place off", tl_step_scan_s8, scan_s8_2, 22},
    {"scan_s8", "int8 wraps instead of saturating; dt read one place off; c read one place off; d_skip read one place off; h_exp read one place off", tl_step_scan_s8, scan_s8_3, 22},
    {"scan_s8", "int16 wraps instead of saturating", tl_step_scan_s8, scan_s8_4, 22},
    {"scan_s8", "int8 saturates at -127", tl_step_scan_s8, scan_s8_5, 22},
    {"scan_s8", "kept state toward zero", tl_step_scan_s8, scan_s8_6, 22},
    {"scan_powers_s8", "int8 saturates at -127; a decay of 0.905 whatever the step; decay's exponent modulo 1; dt read as signed; a read as signed; y_zp ignored; g_mult ignored; g_shift ignored; b_shift ignored; y_shift ignored", tl_step_scan_powers_s8, scan_powers_s8_0, 22},
    {"scan_powers_s8", "right shift without rounding; int8 wraps instead of saturating; sum of products in 16 bits; decay from the table alone, without the line; state rounds down; x read one place off; dt read one place off; b read one place off; c read one place off; h taken as 0; x_zp ignored; a_shift ignored; d_shift ignored; y_mult ignored", tl_step_scan_powers_s8, scan_powers_s8_1, 22},
    {"scan_powers_s8", "a read one place off; d_skip read one place off; h_exp read one place off; h read one place off", tl_step_scan_powers_s8, scan_powers_s8_2, 22},
    {"scan_powers_s8", "decay in 15 bits", tl_step_scan_powers_s8, scan_powers_s8_3, 22},
    {"scan_powers_s8", "int16 wraps instead of saturating", tl_step_scan_powers_s8, scan_powers_s8_4, 22},
    {"scan_powers_s8", "powers of the decay rounded", tl_step_scan_powers_s8, scan_powers_s8_5, 22},
    {"viterbi_s16", "the start stays open", tl_step_viterbi_s16, viterbi_s16_0, 8},
    {"viterbi_s16", "int16 wraps instead of saturating; x read one place off; trans read one place off; scores read one place off; scores taken as 0", tl_step_viterbi_s16, viterbi_s16_1, 8},
    {"viterbi_s16", "end read one place off", tl_step_viterbi_s16, viterbi_s16_2, 8},
    {"viterbi_s16", "the last of equal values wins", tl_step_viterbi_s16, viterbi_s16_3, 8},
    {"argmax_s16", "x read one place off", tl_step_argmax_s16, argmax_s16_0, 4},
    {"argmax_s16", "the last of equal values wins", tl_step_argmax_s16, argmax_s16_1, 4},
    {"linear_packed_s8", "w read one place off; rows read one place off; mult ignored; offset ignored; shift ignored", tl_step_linear_packed_s8, linear_packed_s8_0, 14},
    {"linear_packed_s8", "right shift without rounding; x read one place off", tl_step_linear_packed_s8, linear_packed_s8_1, 14},
    {"linear_packed_s8", "int8 wraps instead of saturating", tl_step_linear_packed_s8, linear_packed_s8_2, 14},
    {"linear_packed_s8", "int8 saturates at -127", tl_step_linear_packed_s8, linear_packed_s8_3, 14},
    {"linear_packed_s8", "high product without rounding; one rounding instead of two", tl_step_linear_packed_s8, linear_packed_s8_4, 14},
    {"linear_packed_s8", "sum of products in 16 bits", tl_step_linear_packed_s8, linear_packed_s8_5, 14},
    {"linear_packed_s8", "ties of the right shift up instead of away from zero", tl_step_linear_packed_s8, linear_packed_s8_6, 14},
    {"linear_packed_s16", "w read one place off; rows read one place off; mult ignored; offset ignored; shift ignored", tl_step_linear_packed_s16, linear_packed_s16_0, 14},
    {"linear_packed_s16", "ties of the right shift up instead of away from zero; right shift without rounding; high product without rounding; x read one place off", tl_step_linear_packed_s16, linear_packed_s16_1, 14},
    {"linear_packed_s16", "one rounding instead of two", tl_step_linear_packed_s16, linear_packed_s16_2, 14},
    {"linear_packed_s16", "sum of products in 16 bits", tl_step_linear_packed_s16, linear_packed_s16_3, 14},
    {"linear_packed_s16", "int16 wraps instead of saturating", tl_step_linear_packed_s16, linear_packed_s16_4, 14},
    {"linear_packed_s16", "ties of the high product away from zero", tl_step_linear_packed_s16, linear_packed_s16_5, 14},
    {"conv1d_packed_s8", "rows read one place off; mult ignored; offset ignored; shift ignored", tl_step_conv1d_packed_s8, conv1d_packed_s8_0, 20},
    {"conv1d_packed_s8", "right shift without rounding; x read one place off; w read one place off", tl_step_conv1d_packed_s8, conv1d_packed_s8_1, 20},
    {"conv1d_packed_s8", "int8 wraps instead of saturating", tl_step_conv1d_packed_s8, conv1d_packed_s8_2, 20},
    {"conv1d_packed_s8", "x_zp ignored", tl_step_conv1d_packed_s8, conv1d_packed_s8_3, 20},
    {"conv1d_packed_s8", "stride ignored", tl_step_conv1d_packed_s8, conv1d_packed_s8_4, 20},
    {"conv1d_packed_s8", "int8 saturates at -127", tl_step_conv1d_packed_s8, conv1d_packed_s8_5, 20},
    {"conv1d_packed_s8", "sum of products in 16 bits", tl_step_conv1d_packed_s8, conv1d_packed_s8_6, 20},
    {"conv1d_packed_s8", "pad_left ignored", tl_step_conv1d_packed_s8, conv1d_packed_s8_7, 20},
    {"conv1d_packed_s8", "ties of the right shift up instead of away from zero; one rounding instead of two", tl_step_conv1d_packed_s8, conv1d_packed_s8_8, 20},
    {"conv1d_packed_s8", "high product without rounding", tl_step_conv1d_packed_s8, conv1d_packed_s8_9, 20},
    {"attention_s8", "right shift without rounding; int8 wraps instead of saturating; v read one place off; table read one place off; v_zp ignored; y_zp ignored; mult ignored; shift ignored", tl_step_attention_s8, attention_s8_0, 22},
    {"attention_s8", "q_zp ignored; k_zp ignored; s_zp ignored", tl_step_attention_s8, attention_s8_1, 22},
    {"attention_s8", "q read one place off; k read one place off; s_mult ignored; s_shift ignored", tl_step_attention_s8, attention_s8_2, 22},
    {"attention_s8", "int8 saturates at -127", tl_step_attention_s8, attention_s8_3, 22},
    {"attention_s8", "sum of products in 16 bits", tl_step_attention_s8, attention_s8_4, 22},
    {"attention_s8", "ties of the right shift up instead of away from zero; one rounding instead of two", tl_step_attention_s8, attention_s8_5, 22},
    {"attention_s8", "high product without rounding", tl_step_attention_s8, attention_s8_6, 22},
    {"attention_s8", "ties of the high product away from zero", tl_step_attention_s8, attention_s8_7, 22},
    {"argmax_confidence_s16", "x read one place off", tl_step_argmax_confidence_s16, argmax_confidence_s16_0, 7},
    {"argmax_confidence_s16", "table read one place off; table read as signed; shift ignored", tl_step_argmax_confidence_s16, argmax_confidence_s16_1, 7},
    {"argmax_confidence_s16", "the last of equal values wins", tl_step_argmax_confidence_s16, argmax_confidence_s16_2, 7},
    {"argmax_confidence_s16", "margin above the least score", tl_step_argmax_confidence_s16, argmax_confidence_s16_3, 7},
    {"argmax_confidence_s16", "margin above the second of distinct scores", tl_step_argmax_confidence_s16, argmax_confidence_s16_4, 7},
    {"viterbi_confidence_s16", "the start stays open; margin above the least score; table read one place off", tl_step_viterbi_confidence_s16, viterbi_confidence_s16_0, 11},
    {"viterbi_confidence_s16", "table read as signed", tl_step_viterbi_confidence_s16, viterbi_confidence_s16_1, 11},
    {"viterbi_confidence_s16", "int16 wraps instead of saturating; x read one place off; trans read one place off; end read one place off; scores read one place off; scores taken as 0", tl_step_viterbi_confidence_s16, viterbi_confidence_s16_2, 11},
    {"viterbi_confidence_s16", "the last of equal values wins; margin above the second of distinct scores", tl_step_viterbi_confidence_s16, viterbi_confidence_s16_3, 11},
    {"viterbi_confidence_s16", "shift ignored", tl_step_viterbi_confidence_s16, viterbi_confidence_s16_4, 11},
    {"linear_w4_s8", "int8 wraps instead of saturating; y_zp ignored", tl_step_linear_w4_s8, linear_w4_s8_0, 13},
    {"linear_w4_s8", "int8 saturates at -127; w read one place off", tl_step_linear_w4_s8, linear_w4_s8_1, 13},
    {"linear_w4_s8", "x read one place off; bias read one place off", tl_step_linear_w4_s8, linear_w4_s8_2, 13},
    {"linear_w4_s8", "right shift without rounding; mult read one place off; shift read one place off", tl_step_linear_w4_s8, linear_w4_s8_3, 13},
    {"linear_w4_s8", "high product without rounding", tl_step_linear_w4_s8, linear_w4_s8_4, 13},
    {"linear_w4_s8", "one rounding instead of two", tl_step_linear_w4_s8, linear_w4_s8_5, 13},
    {"linear_w4_s8", "ties of the right shift up instead of away from zero", tl_step_linear_w4_s8, linear_w4_s8_6, 13},
    {"linear_w4_s8", "ties of the high product away from zero", tl_step_linear_w4_s8, linear_w4_s8_7, 13},
    {"linear_w4_s8", "left shift left out", tl_step_linear_w4_s8, linear_w4_s8_8, 13},
    {"linear_w4_s16", "right shift without rounding", tl_step_linear_w4_s16, linear_w4_s16_0, 12},
    {"linear_w4_s16", "left shift left out; w read one place off", tl_step_linear_w4_s16, linear_w4_s16_1, 12},
    {"linear_w4_s16", "x read one place off", tl_step_linear_w4_s16, linear_w4_s16_2, 12},
    {"linear_w4_s16", "int16 wraps instead of saturating", tl_step_linear_w4_s16, linear_w4_s16_3, 12},
    {"linear_w4_s16", "high product without rounding; bias read one place off; mult read one place off; shift read one place off", tl_step_linear_w4_s16, linear_w4_s16_4, 12},
    {"linear_w4_s16", "ties of the high product away from zero", tl_step_linear_w4_s16, linear_w4_s16_5, 12},
    {"linear_w4_s16", "ties of the right shift up instead of away from zero; one rounding instead of two", tl_step_linear_w4_s16, linear_w4_s16_6, 12},
    {"linear_w4_packed_s8", "right shift without rounding; w read one place off; rows read one place off; mult ignored; offset ignored; shift ignored", tl_step_linear_w4_packed_s8, linear_w4_packed_s8_0, 14},
    {"linear_w4_packed_s8", "int8 wraps instead of saturating; x read one place off", tl_step_linear_w4_packed_s8, linear_w4_packed_s8_1, 14},
    {"linear_w4_packed_s8", "ties of the right shift up instead of away from zero; one rounding instead of two; int8 saturates at -127", tl_step_linear_w4_packed_s8, linear_w4_packed_s8_2, 14},
    {"linear_w4_packed_s8", "high product without rounding", tl_step_linear_w4_packed_s8, linear_w4_packed_s8_3, 14},
    {"linear_w4_packed_s8", "ties of the high product away from zero", tl_step_linear_w4_packed_s8, linear_w4_packed_s8_4, 14},
    {"linear_w4_packed_s16", "right shift without rounding; w read one place off; rows read one place off; mult ignored; offset ignored; shift ignored", tl_step_linear_w4_packed_s16, linear_w4_packed_s16_0, 14},
    {"linear_w4_packed_s16", "ties of the right shift up instead of away from zero; high product without rounding; one rounding instead of two; x read one place off", tl_step_linear_w4_packed_s16, linear_w4_packed_s16_1, 14},
    {"linear_w4_packed_s16", "ties of the high product away from zero", tl_step_linear_w4_packed_s16, linear_w4_packed_s16_2, 14},
};
static const frozen_primitive primitives[] = {
    {"clamp", "no lower bound", fixed_clamp, {-2147483647 - 1, -2, -2, 0}, INT64_C(-2)},
    {"clamp", "no upper bound", fixed_clamp, {-2, -2147483647 - 1, -2147483647 - 1, 0}, INT64_C(-2147483648)},
    {"sat8", "wraps; ends at -127", fixed_sat8, {-2147483647 - 1, 0, 0, 0}, INT64_C(-128)},
    {"sat8", "ends at 126", fixed_sat8, {2147483647, 0, 0, 0}, INT64_C(127)},
    {"sat16", "wraps; ends at -32767", fixed_sat16, {-2147483647 - 1, 0, 0, 0}, INT64_C(-32768)},
    {"add", "saturates", fixed_add, {-2147483647 - 1, -2147483647 - 1, 0, 0}, INT64_C(0)},
    {"sub", "operands exchanged", fixed_sub, {-2147483647 - 1, -2, 0, 0}, INT64_C(-2147483646)},
    {"sub", "saturates", fixed_sub, {-2147483647 - 1, 1, 0, 0}, INT64_C(2147483647)},
    {"mul", "saturates", fixed_mul, {-2147483647 - 1, -2147483647 - 1, 0, 0}, INT64_C(0)},
    {"mul", "of 16 bits", fixed_mul, {-2147483647 - 1, -1, 0, 0}, INT64_C(-2147483648)},
    {"shl", "saturates", fixed_shl, {-2147483647 - 1, 1, 0, 0}, INT64_C(0)},
    {"shl", "shifts by n modulo 16", fixed_shl, {-2147483647 - 1, 16, 0, 0}, INT64_C(0)},
    {"srdhm", "does not saturate; ties away from zero; unsigned", fixed_srdhm, {-2147483647 - 1, -2147483647 - 1, 0, 0}, INT64_C(2147483647)},
    {"srdhm", "no rounding", fixed_srdhm, {-2, 1, 0, 0}, INT64_C(0)},
    {"rdbpot", "ties up; toward zero", fixed_rdbpot, {-1, 1, 0, 0}, INT64_C(-1)},
    {"rdbpot", "no rounding", fixed_rdbpot, {1, 1, 0, 0}, INT64_C(1)},
    {"rshift_round", "ties away from zero; no rounding", fixed_rshift_round, {-1, 1, 0, 0}, INT64_C(0)},
    {"mbqm", "no right shift", fixed_mbqm, {-2147483647 - 1, 2147221504, -2, 0}, INT64_C(-536805376)},
    {"mbqm", "one rounding; no left shift", fixed_mbqm, {-2147483647 - 1, 2147221504, 1, 0}, INT64_C(0)},
    {"mbqm", "last ties up", fixed_mbqm, {-2147483647 - 1, 2147483647, -1, 0}, INT64_C(-1073741824)},
    {"opaque", "of 16 bits", fixed_opaque, {-2147483647 - 1, 0, 0, 0}, INT64_C(-2147483648)},
    {"less", "or equal", fixed_less, {-2147483647 - 1, -2147483647 - 1, 0, 0}, INT64_C(0)},
    {"less", "1 instead of -1", fixed_less, {-2147483647 - 1, -2, 0, 0}, INT64_C(-1)},
    {"less", "unsigned", fixed_less, {-2147483647 - 1, 0, 0, 0}, INT64_C(-1)},
    {"less", "by the sign of the difference", fixed_less, {-2147483647 - 1, 1, 0, 0}, INT64_C(-1)},
    {"is_zero", "below zero too; of the lower half", fixed_is_zero, {-2147483647 - 1, 0, 0, 0}, INT64_C(0)},
    {"is_zero", "1 instead of -1", fixed_is_zero, {0, 0, 0, 0}, INT64_C(-1)},
    {"select", "exchanged", fixed_select, {-1, -2147483647 - 1, -2, 0}, INT64_C(-2147483648)},
    {"min", "the greater", fixed_min, {-2147483647 - 1, -2, 0, 0}, INT64_C(-2147483648)},
    {"min", "by the sign of the difference", fixed_min, {-2147483647 - 1, 1, 0, 0}, INT64_C(-2147483648)},
    {"max", "the less", fixed_max, {-2147483647 - 1, -2, 0, 0}, INT64_C(-2)},
    {"max", "by the sign of the difference", fixed_max, {-2147483647 - 1, 1, 0, 0}, INT64_C(1)},
    {"near_less", "or equal", fixed_near_less, {-2147483647 - 1, -2147483647 - 1, 0, 0}, INT64_C(0)},
    {"near_min", "the greater", fixed_near_min, {-2147483647 - 1, -2, 0, 0}, INT64_C(-2147483648)},
    {"near_max", "the less", fixed_near_max, {-2147483647 - 1, -2, 0, 0}, INT64_C(-2)},
    {"sat", "wraps; 16 bits always", fixed_sat, {-2147483647 - 1, 8, 0, 0}, INT64_C(-128)},
    {"sat", "8 bits always", fixed_sat, {-2147483647 - 1, 16, 0, 0}, INT64_C(-32768)},
    {"sat_near8", "wraps; ends at -127", fixed_sat_near8, {-2147483393, 0, 0, 0}, INT64_C(-128)},
    {"umul64", "the upper half lost", fixed_umul64, {-2147483647 - 1, -2147483647 - 1, 0, 0}, INT64_C(4611686018427387904)},
    {"umul64", "signed", fixed_umul64, {-2147483647 - 1, -2, 0, 0}, INT64_C(9223372032559808512)},
    {"mul64", "the upper half lost", fixed_mul64, {-2147483647 - 1, -2147483647 - 1, 0, 0}, INT64_C(4611686018427387904)},
    {"mul64", "unsigned", fixed_mul64, {-2147483647 - 1, -2, 0, 0}, INT64_C(4294967296)},
    {"mul_high", "unsigned", fixed_mul_high, {-2147483647 - 1, -2, 0, 0}, INT64_C(1)},
    {"mul_high", "rounded", fixed_mul_high, {-2147483647 - 1, -1, 0, 0}, INT64_C(0)},
    {"mul_high", "toward zero", fixed_mul_high, {-2147483647 - 1, 1, 0, 0}, INT64_C(-1)},
    {"mul_16", "16 bits unsigned", fixed_mul_16, {-2147483647 - 1, -2, 0, 0}, INT64_C(65536)},
    {"mul_16", "toward zero; rounded", fixed_mul_16, {-2, 1, 0, 0}, INT64_C(-1)},
    {"srdhm_wrap", "saturates", fixed_srdhm_wrap, {-2147483647 - 1, -2147483647 - 1, 0, 0}, INT64_C(-2147483648)},
    {"srdhm_wrap", "no rounding", fixed_srdhm_wrap, {-2, 1, 0, 0}, INT64_C(0)},
    {"srdhm_wrap", "ties away from zero", fixed_srdhm_wrap, {-2147483393, 1073741824, 0, 0}, INT64_C(-1073741696)},
    {"half_srdhm", "of all of x", fixed_half_srdhm, {-2147483647 - 1, -2, 0, 0}, INT64_C(1)},
    {"half_srdhm", "no rounding", fixed_half_srdhm, {-2147483647 - 1, -1, 0, 0}, INT64_C(1)},
    {"rescale8", "no zero point; wraps", fixed_rescale8, {-4, 1073741824, 0, -255}, INT64_C(-128)},
    {"rescale8", "ties up", fixed_rescale8, {-4, 1073741824, 0, -3}, INT64_C(-3)},
    {"rescale8", "no rounding", fixed_rescale8, {-4, 1073741824, 13, -3}, INT64_C(-2)},
    {"rescale8", "shifted once less", fixed_rescale8, {2147483646, 1073741824, 30, -255}, INT64_C(-128)},
    {"upper", "unsigned", fixed_upper, {-2147483647 - 1, -2, 0, 0}, INT64_C(32768)},
    {"half_middle", "no rounding", fixed_half_middle, {-2147483647 - 1, -2147483647 - 1, 16384, 0}, INT64_C(8192)},
    {"half_middle", "the 33rd bit lost", fixed_half_middle, {2147483647, 2147483647, 0, 0}, INT64_C(2147418112)},
};
enum { FROZEN_WORDS = 290 };
