#include "fixed.h"
#include "step.h"

/* The upper 32 bits of q * 4^h; h such that 2^62 <= q * 4^h < 2^64, for 1 <= q < 2^62.  No branch, and shifts of 32 bits
 * only: a 64-bit shift by a variable is a library call on small cores. */
static inline uint32_t normalize(uint64_t q, int32_t *h)
{
    int32_t high = (int32_t)(q >> 32), low = (int32_t)q;
    int32_t zero = tl_is_zero(high);
    int32_t total = zero & 16;
    high = tl_select(zero, low, high);
    low = tl_select(zero, 0, low);
#if defined(__ARM_FEATURE_CLZ) && defined(__GNUC__)
    int32_t s = __builtin_clz((uint32_t)high) & ~1;
    *h = total + s / 2;
    return (uint32_t)high << s | (uint32_t)low >> 1 >> (31 - s);
#else
    for (int32_t s = 8; s > 0; s >>= 1) {
        uint32_t carried = (uint32_t)low >> (32 - 2 * s);
        zero = tl_is_zero((int32_t)((uint32_t)high >> (32 - 2 * s)));
        high = tl_select(zero, (int32_t)((uint32_t)high << (2 * s) | carried), high);
        low = tl_select(zero, tl_shl(low, 2 * s), low);
        total += zero & s;
    }
    *h = total;
    return (uint32_t)high;
#endif
}

static inline uint32_t mul_high(uint32_t a, uint32_t b) { return (uint32_t)(tl_umul64(a, b) >> 32); }

/* 2 r - 2^32, 2^30 < r <= 2^31, for r = 1 / sqrt(m / 2^32) in Q30, m = q 4^h / 2^32: a linear seed within 10 %, then
 * Newton r (3 - m r^2) / 2. */
static int32_t rsqrt(uint64_t q, int32_t *h)
{
    uint32_t m = normalize(q, h), r = 2641404887u - mul_high(m, 1431655765u);
    for (int32_t i = 0; i < 4; i++)
        r = (uint32_t)(tl_umul64(r, (3u << 28) - mul_high(m, mul_high(r, r))) >> 29);
    return (int32_t)(r << 1);
}

/* v r / 2^31 (Q30) times w / 2^16, plus b; twice = 2 r - 2^32 */
static inline int32_t weighted(int32_t v, int32_t twice, int32_t w, int32_t b)
{
#ifdef TL_DSP
    __asm__("smmla %0, %0, %1, %0" : "+r"(v) : "r"(twice));
    __asm__("smlawb %0, %1, %2, %0" : "+r"(b) : "r"(v), "r"(w));
    return b;
#else
    v = tl_add(v, tl_mul_high(v, twice));
    return tl_add(b, tl_mul_16(v, w));
#endif
}

/* A row of values v = d x - sum (d = 1 for RMS norm) with sum v^2 + eps = q; b is a row if biased.  |v| 2^h < 2^32 because
 * v^2 <= q, so that v 2^(h-1) may be had from products modulo 2^32. */
TL_INLINE void row(int8_t *y, const int8_t *x, const int16_t *w, const int32_t *b, int32_t n, int32_t d, int32_t sum,
                   uint64_t q, int32_t y_zp, int32_t mult, int32_t shift, int biased)
{
    int32_t h, twice = rsqrt(q, &h), gain = tl_shl(d, h - 1), start = tl_shl(-sum, h - 1);
    const int8_t *end = x + n;
    if (shift < 0)
        for (int32_t less = -1 - shift, offset = 2 * y_zp + 1; x != end;) {
            int32_t acc = weighted(tl_add(tl_mul(gain, *x++), start), twice, *w++, biased ? *b++ : 0);
            *y++ = (int8_t)tl_rescale8(tl_add(acc, acc), mult, less, offset);
        }
    else
        while (x != end) {
            int32_t acc = weighted(tl_add(tl_mul(gain, *x++), start), twice, *w++, biased ? *b++ : 0);
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, mult, shift)));
        }
}

/* Two functions of their own, so that nothing else takes their registers. */
static TL_NOINLINE void layer_row(int8_t *y, const int8_t *x, const int16_t *w, const int32_t *b, int32_t d, int32_t sum,
                                  uint64_t q, int32_t y_zp, int32_t mult, int32_t shift)
{
    row(y, x, w, b, d, d, sum, q, y_zp, mult, shift, 1);
}
static TL_NOINLINE void rms_row(int8_t *y, const int8_t *x, const int16_t *w, int32_t d, int32_t x_zp, uint64_t q,
                                int32_t mult, int32_t shift)
{
    row(y, x, w, 0, d, 1, x_zp, q, 0, mult, shift, 0);
}

/* sum and squares of a row */
static inline uint32_t moments(const int8_t *x, int32_t n, int32_t zp, int32_t *sum)
{
    int32_t total = 0, squares = 0; /* <= 2^18, <= 2^26 */
#ifdef TL_DSP
    for (uint32_t minus = TL_PAIR(-zp); n > 3; n -= 4) {
        uint32_t w = tl_next4(&x), odd;
        TL_ADD_ODD(odd, minus, w);
        TL_ADD_EVEN(w, minus, w);
        __asm__("smlad %0, %1, %1, %0" : "+r"(squares) : "r"(w));
        __asm__("smlad %0, %1, %1, %0" : "+r"(squares) : "r"(odd));
        if (sum) {
            __asm__("smlad %0, %1, %2, %0" : "+r"(total) : "r"(w), "r"(0x00010001));
            __asm__("smlad %0, %1, %2, %0" : "+r"(total) : "r"(odd), "r"(0x00010001));
        }
    }
#endif
    for (; n > 0; n--) {
        int32_t v = *x++ - zp;
        total += v;
        squares += v * v;
    }
    if (sum)
        *sum = total;
    return (uint32_t)squares;
}

void tl_layer_norm_s8(int8_t *y, const int8_t *x, const int16_t *w, const int32_t *b, int32_t t, int32_t d, int32_t eps,
                      int32_t y_zp, int32_t mult, int32_t shift)
{
    for (; t > 0; t--, x += d, y += d) {
        int32_t sum;
        uint32_t n = (uint32_t)d, squares = moments(x, d, 0, &sum);
        uint64_t spread = tl_umul64(n, squares) - (uint64_t)tl_mul64(sum, sum); /* < 2^34 */
        uint64_t q = tl_umul64(n, (uint32_t)spread) + ((uint64_t)(n * (uint32_t)(spread >> 32)) << 32) + (uint32_t)eps;
        layer_row(y, x, w, b, d, sum, q, y_zp, mult, shift);
    }
}

void tl_rms_norm_s8(int8_t *y, const int8_t *x, const int16_t *w, int32_t t, int32_t d, int32_t x_zp, int32_t eps,
                    int32_t mult, int32_t shift)
{
    for (; t > 0; t--, x += d, y += d)
        rms_row(y, x, w, d, x_zp, (uint64_t)moments(x, d, x_zp, 0) + (uint32_t)eps, mult, shift);
}

TL_STEP(layer_norm_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i)
TL_STEP(rms_norm_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i)
