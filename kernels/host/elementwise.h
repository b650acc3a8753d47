/* Sums, products and look-ups of single elements; y may be an input. */

/* 16 outputs a round, each of body(an element of one, an element of two); what is left over goes through a buffer. */
#define EACH(count, one, two, y, body)                                    \
    for (; count > 0; count -= 16, one += 16, two += 16, y += 16) {       \
        int whole = count >= 16;                                          \
        __m128i p = whole ? load16(one) : load_some(one, count);          \
        __m128i q = whole ? load16(two) : load_some(two, count);          \
        v8 a0 = _mm256_cvtepi8_epi32(p), a1 = _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(p, p)); \
        v8 b0 = _mm256_cvtepi8_epi32(q), b1 = _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(q, q)); \
        __m128i made = narrow8(body(a0, b0), body(a1, b1));               \
        if (whole)                                                        \
            _mm_storeu_si128((__m128i *)y, made);                         \
        else                                                              \
            store_some(y, made, count);                                   \
    }

TL_INLINE rescale8 rescale_by(int32_t mult, int32_t shift) { return rescale_of(all(mult), all(shift)); }

static void add_s8(const tl_arg *a)
{
    int8_t *y = a[0].p;
    const int8_t *one = a[1].c, *two = a[2].c;
    int32_t count = a[3].i * a[4].i, a_mult = a[8].i, a_shift = a[9].i, b_mult = a[10].i, b_shift = a[11].i;
    rescale8 ra = rescale_by(a_mult, a_shift), rb = rescale_by(b_mult, b_shift), r = rescale_by(a[12].i, a[13].i);
    v8 a_zp = all(a[5].i), b_zp = all(a[6].i), zp = all(a[7].i);
    /* The greater scale's multiplier is 1/2, and then its part is 2^19 times the element exactly; sums stay below 2^30. */
#define HALVED(x, z) _mm256_slli_epi32(sub(x, z), 19)
#define SCALED(x, z, by) mbqm(_mm256_slli_epi32(sub(x, z), 20), &by)
#define ADD(x, v) add(mbqm(add(SCALED(x, a_zp, ra), SCALED(v, b_zp, rb)), &r), zp)
    right8 right = right_of(&r, a[7].i), b_right = right_of(&rb, 0), a_right = right_of(&ra, 0);
#define SCALED_RIGHT(x, z, by) rescale_right(_mm256_slli_epi32(sub(x, z), 20), &by)
#define ADD_A_RIGHT(x, v) rescale_right(add(HALVED(x, a_zp), SCALED_RIGHT(v, b_zp, b_right)), &right)
#define ADD_B_RIGHT(x, v) rescale_right(add(SCALED_RIGHT(x, a_zp, a_right), HALVED(v, b_zp)), &right)
    if (a_mult == 1 << 30 && a_shift == 0 && b_shift < 0 && a[13].i < 0) {
        EACH(count, one, two, y, ADD_A_RIGHT)
    } else if (b_mult == 1 << 30 && b_shift == 0 && a_shift < 0 && a[13].i < 0) {
        EACH(count, one, two, y, ADD_B_RIGHT)
    } else {
        EACH(count, one, two, y, ADD)
    }
}
#define TL_FAST_add_s8 ~, add_s8

static void mul_s8(const tl_arg *a)
{
    int8_t *y = a[0].p;
    const int8_t *one = a[1].c, *two = a[2].c;
    int32_t count = a[3].i * a[4].i;
    rescale8 r = rescale_by(a[8].i, a[9].i);
    v8 a_zp = all(a[5].i), b_zp = all(a[6].i), zp = all(a[7].i);
#define MUL(x, v) add(mbqm(_mm256_mullo_epi32(sub(x, a_zp), sub(v, b_zp)), &r), zp)
    EACH(count, one, two, y, MUL)
}
#define TL_FAST_mul_s8 ~, mul_s8

/* Sixteen look-ups by the lower four bits, of which the upper four choose one. */
static void table_s8(const tl_arg *a)
{
    int8_t *y = a[0].p;
    const int8_t *x = a[1].c, *table = a[2].c;
    int32_t count = a[3].i * a[4].i;
    if (count >= 64) {
        v8 part[16], lower = _mm256_set1_epi8(15);
        for (int32_t i = 0; i < 16; i++) /* in the order of x as an unsigned byte */
            part[i] = _mm256_broadcastsi128_si256(load16(table + (16 * i ^ 128)));
        for (; count >= 32; count -= 32, x += 32, y += 32) {
            v8 v = load(x), low = _mm256_and_si256(v, lower), found[16];
            v8 bit7 = v, bit6 = _mm256_slli_epi16(v, 1), bit5 = _mm256_slli_epi16(v, 2), bit4 = _mm256_slli_epi16(v, 3);
            for (int32_t i = 0; i < 16; i++)
                found[i] = _mm256_shuffle_epi8(part[i], low);
            for (int32_t i = 0; i < 8; i++)
                found[i] = _mm256_blendv_epi8(found[2 * i], found[2 * i + 1], bit4);
            for (int32_t i = 0; i < 4; i++)
                found[i] = _mm256_blendv_epi8(found[2 * i], found[2 * i + 1], bit5);
            for (int32_t i = 0; i < 2; i++)
                found[i] = _mm256_blendv_epi8(found[2 * i], found[2 * i + 1], bit6);
            store(y, _mm256_blendv_epi8(found[0], found[1], bit7));
        }
    }
    for (; count > 0; count--)
        *y++ = table[128 + *x++];
}
#define TL_FAST_table_s8 ~, table_s8
