#include "fixed.h"
#include "step.h"

/* The lines a + b f / 2^16 over each 128th of a unit, for 2^(-f / 2^32) in Q31; see tinyloc.h. */
static const int32_t lines[128][2] = {
    {2147479810, -22652}, {2147416858, -22529}, {2147292980, -22408}, {2147107324, -22287}, {2146859557, -22166},
    {2146554975, -22047}, {2146186336, -21927}, {2145763293, -21809}, {2145279886, -21691}, {2144740652, -21574},
    {2144146803, -21458}, {2143493663, -21342}, {2142780911, -21226}, {2142022051, -21112}, {2141204991, -20998},
    {2140329413, -20884}, {2139411899, -20772}, {2138428328, -20659}, {2137405270, -20548}, {2136325519, -20437},
    {2135199264, -20327}, {2134016725, -20217}, {2132789120, -20108}, {2131505649, -19999}, {2130178556, -19891},
    {2128809076, -19784}, {2127384880, -19677}, {2125905672, -19570}, {2124400341, -19465}, {2122841458, -19360},
    {2121228731, -19255}, {2119577999, -19151}, {2117890510, -19048}, {2116150360, -18945}, {2114357264, -18842},
    {2112547291, -18741}, {2110685855, -18640}, {2108772675, -18539}, {2106827183, -18439}, {2104830415, -18339},
    {2102802830, -18240}, {2100745690, -18142}, {2098638497, -18044}, {2096480979, -17946}, {2094295652, -17849},
    {2092083781, -17753}, {2089822828, -17657}, {2087536847, -17562}, {2085202277, -17467}, {2082818855, -17372},
    {2080438033, -17279}, {2077983517, -17185}, {2075534153, -17093}, {2073010580, -17000}, {2070466814, -16908},
    {2067904136, -16817}, {2065294901, -16726}, {2062668297, -16636}, {2059995659, -16546}, {2057307199, -16457},
    {2054573232, -16368}, {2051793510, -16279}, {2049031789, -16192}, {2046193360, -16104}, {993652382, -16017},
    {996426469, -15931}, {999156661, -15845}, {1001842719, -15759}, {1004453943, -15674}, {1007021585, -15589},
    {1009515969, -15505}, {1011967327, -15421}, {1014347010, -15338}, {1016684227, -15255}, {1018951357, -15173},
    {1021176587, -15091}, {1023359690, -15009}, {1025474584, -14928}, {1027522580, -14848}, {1029529823, -14768},
    {1031496091, -14688}, {1033421162, -14608}, {1035258224, -14530}, {1037078483, -14451}, {1038835641, -14373},
    {1040552777, -14295}, {1042208429, -14218}, {1043824655, -14141}, {1045381017, -14065}, {1046898552, -13989},
    {1048357849, -13914}, {1049797610, -13838}, {1051161565, -13764}, {1052505568, -13689}, {1053793574, -13615},
    {1055026914, -13542}, {1056223049, -13469}, {1057381775, -13396}, {1058487787, -13324}, {1059557012, -13252},
    {1060589250, -13180}, {1061570736, -13109}, {1062515864, -13038}, {1063411893, -12968}, {1064272197, -12898},
    {1065096581, -12828}, {1065873844, -12759}, {1066615826, -12690}, {1067322336, -12621}, {1067983712, -12553},
    {1068610260, -12485}, {1069193346, -12418}, {1069742254, -12351}, {1070256798, -12284}, {1070729881, -12218},
    {1071169255, -12152}, {1071574738, -12086}, {1071940771, -12021}, {1072273573, -11956}, {1072572964, -11891},
    {1072834926, -11827}, {1073064144, -11763}, {1073257625, -11700}, {1073419033, -11637}, {1073548193, -11574},
    {1073644931, -11511}, {1073708305, -11449}, {1073739935, -11387},
};

/* floor(a h / 2^16) in two products of 32 bits, |h| <= 2^15: below 2^30 and below 2^31 */
static inline int32_t scaled(int32_t a, int32_t h) { return (a >> 16) * h + (((a & 0xffff) * h) >> 16); }

/* 2^(-u) in Q31, u = whole + fraction / 2^32 */
static inline int32_t decay(uint32_t whole, uint32_t fraction)
{
    const int32_t *line = lines[fraction >> 25];
    return (line[0] + scaled((int32_t)fraction, line[1])) >> whole;
}

static inline int32_t drive(int32_t delta, int32_t v, int32_t mult, int32_t shift)
{
    return tl_sat16(tl_mbqm(delta * v, mult, shift));
}

#ifdef TL_DSP

/* One time step of all channels, for n a multiple of 4; the assembler below knows the order.  Pointers are to the ends of
 * arrays, which j counts up to.  A rescaling's right shift s >= 1 is one by s - 1 first, and a saturating one by 1 last:
 * the sum of all that rounding and a zero point add lies between them, as 2 zero point + 1. */
typedef struct {
    int32_t a_shift;          /* these three of tl_scan_powers_s8 only */
    const int32_t (*lines)[2];
    const uint16_t *a;
    const int8_t *x;          /*  0 */
    const uint16_t *dt;       /*  4 */
    const int16_t *d_skip;    /*  8 */
    int32_t zero;             /* 12: -2 x_zp */
    int32_t g_mult, g_right;  /* 16, 20: right shift, less 1 and less h_exp */
    int32_t d_shift;          /* 24 */
    const int8_t *h_exp;      /* 28 */
    int32_t j;                /* 32: from -e to -1 */
    int8_t *y;                /* 36 */
    int32_t y_mult, y_right;  /* 40, 44: right shift, less 1 and plus h_exp */
    int32_t y_offset;         /* 48: 2 y_zp + 1 */
    const int16_t *bc;        /* 52: (b0, b1) 2^b_shift, 2 (c0, c1) and so on */
    int32_t rounds;           /* 56: times 2^16; bit 0: the first is half of one */
    const int16_t *a_scale;   /* 60 */
} frame;

/* Leaves with y of the channel whose twice the sum is in r6 or r7; uses r4, r5, r8-r12. */
#define OUTPUT(sum, offset, j_offset)                    \
    "add r12, sp, #" offset "\n"                         \
    "ldm r12, {r4, r5, r8, r9, r10, r11}\n"              \
    "smmulr " sum ", " sum ", r9\n"                      \
    "ldrsb r4, [r4, r5]\n"                               \
    "add " sum ", " sum ", " sum ", asr #31\n"           \
    "sub r10, r10, r4\n"                                 \
    "asr " sum ", " sum ", r10\n"                        \
    "add " sum ", " sum ", r11\n"                        \
    "ssat " sum ", #8, " sum ", asr #1\n"                \
    "strb " sum ", [r8, r5]\n"                           \
    "adds r5, r5, #1\n"                                  \
    "str r5, [sp, #" j_offset "]\n"

/* d = decay by the rate at r1 and the scale in a half of r4; uses r10-r12 */
#define DECAY(d, half)                \
    "ldrb r10, [r1], #1\n"            \
    "smulw" half " r11, r5, r4\n"     \
    "umull r10, r11, r10, r11\n"      \
    "lsr r12, r10, #25\n"             \
    "add r12, r3, r12, lsl #3\n"      \
    "ldrd " d ", r12, [r12]\n"        \
    "smlawb " d ", r10, r12, " d "\n" \
    "lsr " d ", " d ", r11\n"

#define PAIR                              \
    "ldr r4, [r9], #4\n" DECAY("lr", "b") \
    "ldrb r10, [r1], #1\n"                \
    "smulwt r4, r5, r4\n"                 \
    "umull r10, r4, r10, r4\n"            \
    "lsr r12, r10, #25\n"                 \
    "add r12, r3, r12, lsl #3\n"          \
    "ldrd r11, r12, [r12]\n"              \
    "smlawb r11, r10, r12, r11\n"         \
    "lsr r11, r11, r4\n"                  \
    "ldr r4, [r8], #4\n"                  \
    "ldr r10, [r0]\n"                     \
    "smlabb r12, r7, r4, r2\n"            \
    "smlabt r4, r7, r4, r2\n"             \
    "smlawb r12, lr, r10, r12\n"          \
    "smlawt r4, r11, r10, r4\n"           \
    "ssat r12, #16, r12, asr #15\n"       \
    "ssat r4, #16, r4, asr #15\n"         \
    "ldr r10, [r8], #4\n"                 \
    "pkhbt r12, r12, r4, lsl #16\n"       \
    "str r12, [r0], #4\n"                 \
    "smlad r6, r12, r10, r6\n"

#define UNUSED __attribute__((unused)) /* as the compiler sees it */

/* f: from x on */
static TL_NAKED void channels(int16_t *h UNUSED, const uint8_t *a UNUSED, const void *f UNUSED,
                              const int32_t (*table)[2] UNUSED)
{
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "sub sp, sp, #64\n"
        "ldmia r2!, {r4-r11}\n"
        "stmia sp, {r4-r11}\n"
        "ldmia r2, {r4-r11}\n"
        "add r12, sp, #32\n"
        "stmia r12, {r4-r11}\n"
        "mov r2, #16384\n"
        "1: ldmia sp, {r4-r12}\n"
        "ldrsb r4, [r4, r12]\n"
        "ldrh r5, [r5, r12, lsl #1]\n"
        "ldrsh r6, [r6, r12, lsl #1]\n"
        "ldrsb r11, [r11, r12]\n"
        "add r4, r7, r4, lsl #1\n"  /* 2 v */
        "mul r7, r5, r4\n"
        "smulbb r6, r6, r4\n"
        "smmulr r7, r7, r8\n"
        "add r9, r9, r11\n"
        "lsl r6, r6, r10\n"         /* twice the sum */
        "add r7, r7, r7, asr #31\n"
        "asr r7, r7, r9\n"
        "ldrd r8, r10, [sp, #52]\n"
        "add r7, r7, #1\n"
        "lsl r5, r5, #13\n"
        "ssat r7, #16, r7, asr #1\n"
        "ldr r9, [sp, #60]\n"
        "pkhbt r7, r7, r10\n"       /* g below the rounds that are left */
        "2:\n" PAIR PAIR
        "subs r7, r7, #65536\n"
        "bpl 2b\n"
        OUTPUT("r6", "28", "32")
        "bne 1b\n"
        "add sp, sp, #64\n"
        "pop {r4-r11, pc}\n");
}

#define QUAD                               \
    "ldrd r5, r6, [r0]\n"                  \
    "ldrd r9, r10, [r4], #8\n" HALF("r5")  \
    "ldrd r9, r10, [r4], #8\n" HALF("r6")  \
    "strd r5, r6, [r0], #8\n"

#define HALF(h)                             \
    "smlabb r11, r8, r9, r1\n"              \
    "smlabt r12, r8, r9, r1\n"              \
    "smlawb r11, r2, " h ", r11\n"          \
    "umull lr, r2, r2, r3\n"                \
    "smlawt r12, r2, " h ", r12\n"          \
    "umull lr, r2, r2, r3\n"                \
    "ssat r11, #16, r11, asr #15\n"         \
    "ssat r12, #16, r12, asr #15\n"         \
    "pkhbt " h ", r11, r12, lsl #16\n"      \
    "smlad r7, " h ", r10, r7\n"

static TL_NAKED void channels_of_powers(int16_t *h UNUSED, const frame *f UNUSED)
{
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "sub sp, sp, #72\n"
        "ldmia r1!, {r2-r11}\n"
        "stmia sp, {r2-r11}\n"
        "ldmia r1, {r4-r11}\n"
        "add r12, sp, #40\n"
        "stmia r12, {r4-r11}\n"
        "mov r1, #16384\n"
        "1: ldmia sp, {r2-r12, lr}\n"
        "ldrsb r5, [r5, lr]\n"
        "ldrh r6, [r6, lr, lsl #1]\n"
        "ldrsh r7, [r7, lr, lsl #1]\n"
        "ldrh r4, [r4, lr, lsl #1]\n"
        "ldrsb r12, [r12, lr]\n"
        "add r5, r8, r5, lsl #1\n" /* 2 v */
        "mul r8, r6, r5\n"
        "smulbb r7, r7, r5\n"
        "mul r4, r4, r6\n"
        "smmulr r8, r8, r9\n"
        "add r10, r10, r12\n"
        "lsr r4, r4, r2\n"
        "lsl r7, r7, r11\n"        /* twice the sum */
        "lsl r5, r4, #4\n"
        "lsr r4, r4, #28\n"
        "lsr r6, r5, #25\n"
        "add r6, r3, r6, lsl #3\n"
        "ldrd r2, r3, [r6]\n"
        "add r8, r8, r8, asr #31\n"
        "asr r8, r8, r10\n"
        "smlawb r2, r5, r3, r2\n"
        "add r8, r8, #1\n"
        "lsr r2, r2, r4\n"         /* the power */
        "ldrd r4, r5, [sp, #64]\n"
        "ssat r8, #16, r8, asr #1\n"
        "lsl r3, r2, #1\n"
        "pkhbt r8, r8, r5\n"       /* g below the rounds that are left */
        "lsls r5, r5, #31\n"
        "bmi 3f\n"
        "2:\n" QUAD
        "3:\n" QUAD
        "subs r8, r8, #65536\n"
        "bpl 2b\n"
        OUTPUT("r7", "40", "44")
        "bne 1b\n"
        "add sp, sp, #72\n"
        "pop {r4-r11, pc}\n");
}

/* Widens b and c of a time step, four at a time; b + 128 times 2^b_shift stays within its 16 bits. */
static void widen(int16_t *bc, const int8_t *b, const int8_t *c, int32_t n, int32_t b_shift)
{
    uint32_t t, b0, b1, c0, c1, less = 0x00800080u << b_shift;
    const int8_t *end = b + n;
    __asm__ volatile("1: ldr %[b1], [%[b]], #4\n"
                     "ldr %[c1], [%[c]], #4\n"
                     "eor %[b1], %[b1], #0x80808080\n"
                     "uxtb16 %[b0], %[b1]\n"
                     "uxtb16 %[b1], %[b1], ror #8\n"
                     "sxtb16 %[c0], %[c1]\n"
                     "sxtb16 %[c1], %[c1], ror #8\n"
                     "lsl %[b0], %[b0], %[shift]\n"
                     "lsl %[b1], %[b1], %[shift]\n"
                     "ssub16 %[b0], %[b0], %[less]\n"
                     "ssub16 %[b1], %[b1], %[less]\n"
                     "sadd16 %[c0], %[c0], %[c0]\n"
                     "sadd16 %[c1], %[c1], %[c1]\n"
                     "cmp %[b], %[end]\n"
                     "pkhbt %[t], %[b0], %[b1], lsl #16\n"
                     "pkhtb %[b1], %[b1], %[b0], asr #16\n"
                     "pkhbt %[b0], %[c0], %[c1], lsl #16\n"
                     "pkhtb %[c1], %[c1], %[c0], asr #16\n"
                     "strd %[t], %[b0], [%[bc]], #8\n"
                     "strd %[b1], %[c1], [%[bc]], #8\n"
                     "bne 1b\n"
                     : [bc] "+r"(bc), [b] "+r"(b), [c] "+r"(c), [b0] "=&r"(b0), [b1] "=&r"(b1), [c0] "=&r"(c0),
                       [c1] "=&r"(c1), [t] "=&r"(t)
                     : [shift] "r"(b_shift), [less] "r"(less), [end] "r"(end)
                     : "cc", "memory");
}

#endif

/* The state after a step: g b is the input in Q15.  |h d / 2^16| <= 2^30, |g b| <= 2^30, not both at the same sign. */
static inline int32_t advance(int32_t d, int32_t h, int32_t g, int32_t b)
{
    return tl_sat16(tl_add(g * b + 16384, scaled(d, h)) >> 15);
}

void tl_scan_s8(int8_t *y, const int8_t *x, const uint16_t *dt, const int8_t *b, const int8_t *c, const uint8_t *a,
                const int16_t *a_scale, const int16_t *d_skip, const int8_t *h_exp, int16_t *h, int16_t *bc, int32_t t,
                int32_t e, int32_t n, int32_t x_zp, int32_t y_zp, int32_t g_mult, int32_t g_shift, int32_t b_shift,
                int32_t d_shift, int32_t y_mult, int32_t y_shift)
{
#ifdef TL_DSP
    if (n % 4 == 0) {
        frame f = {0, 0, 0, x, dt, d_skip + e, -2 * x_zp, g_mult, -1 - g_shift, d_shift, h_exp + e, 0, y, y_mult,
                   -1 - y_shift, 2 * y_zp + 1, bc, (n / 4 - 1) << 16, a_scale};
        for (; t > 0; t--, b += n, c += n) {
            widen(bc, b, c, n, b_shift);
            f.x += e;
            f.dt += e;
            f.y += e;
            f.j = -e;
            channels(h, a, &f.x, lines);
        }
        return;
    }
#endif
    (void)bc;
    for (int32_t i = 0; i < t; i++, b += n, c += n) {
        const uint8_t *rate = a;
        int16_t *state = h;
        for (int32_t j = 0; j < e; j++, rate += n, state += n) {
            int32_t delta = *dt++, v = *x++ - x_zp;
            int32_t g = drive(delta, v, g_mult, g_shift - h_exp[j]);
            int32_t acc = tl_shl(d_skip[j] * v, d_shift);
            for (int32_t k = 0; k < n; k++) {
                uint64_t u = tl_umul64(((uint32_t)delta * (uint32_t)a_scale[k]) >> 3, rate[k]);
                int32_t d = decay((uint32_t)(u >> 32), (uint32_t)u);
                state[k] = (int16_t)advance(d, state[k], g, tl_shl(b[k], b_shift));
                acc = tl_add(acc, c[k] * state[k]);
            }
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, y_mult, y_shift + h_exp[j])));
        }
    }
}

void tl_scan_powers_s8(int8_t *y, const int8_t *x, const uint16_t *dt, const int8_t *b, const int8_t *c,
                       const uint16_t *a, const int16_t *d_skip, const int8_t *h_exp, int16_t *h, int16_t *bc, int32_t t,
                       int32_t e, int32_t n, int32_t x_zp, int32_t y_zp, int32_t a_shift, int32_t g_mult, int32_t g_shift,
                       int32_t b_shift, int32_t d_shift, int32_t y_mult, int32_t y_shift)
{
#ifdef TL_DSP
    if (n % 4 == 0) {
        frame f = {a_shift, lines, a + e, x, dt, d_skip + e, -2 * x_zp, g_mult, -1 - g_shift, d_shift, h_exp + e, 0, y,
                   y_mult, -1 - y_shift, 2 * y_zp + 1, bc, (((n + 4) / 8 - 1) << 16) + n / 4 % 2, 0};
        for (; t > 0; t--, b += n, c += n) {
            widen(bc, b, c, n, b_shift);
            f.x += e;
            f.dt += e;
            f.y += e;
            f.j = -e;
            channels_of_powers(h, &f);
        }
        return;
    }
#endif
    (void)bc;
    for (int32_t i = 0; i < t; i++, b += n, c += n) {
        int16_t *state = h;
        for (int32_t j = 0; j < e; j++, state += n) {
            int32_t delta = *dt++, v = *x++ - x_zp;
            int32_t g = drive(delta, v, g_mult, g_shift - h_exp[j]);
            int32_t acc = tl_shl(d_skip[j] * v, d_shift);
            uint32_t u = ((uint32_t)delta * a[j]) >> a_shift;
            int32_t first = decay(u >> 28, u << 4), d = first;
            for (int32_t k = 0; k < n; k++) {
                state[k] = (int16_t)advance(d, state[k], g, tl_shl(b[k], b_shift));
                acc = tl_add(acc, c[k] * state[k]);
                d = (int32_t)(tl_umul64((uint32_t)d, (uint32_t)first << 1) >> 32);
            }
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, y_mult, y_shift + h_exp[j])));
        }
    }
}

TL_STEP(scan_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].p, a[7].p, a[8].p, a[9].p, a[10].p, a[11].i,
        a[12].i, a[13].i, a[14].i, a[15].i, a[16].i, a[17].i, a[18].i, a[19].i, a[20].i, a[21].i)
TL_STEP(scan_powers_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].p, a[7].p, a[8].p, a[9].p, a[10].i, a[11].i,
        a[12].i, a[13].i, a[14].i, a[15].i, a[16].i, a[17].i, a[18].i, a[19].i, a[20].i, a[21].i)
