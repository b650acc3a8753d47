#include "fixed.h"
#include "step.h"

/* The upper 32 bits of q * 4^h; h such that 2^62 <= q * 4^h < 2^64, for 1 <= q < 2^62.  No branch, and shifts of 32 bits
 * only: a 64-bit shift by a variable is a library call on small cores. */
static uint32_t normalize(uint64_t q, int32_t *h)
{
    int32_t high = (int32_t)(q >> 32), low = (int32_t)q;
    int32_t zero = tl_is_zero(high);
    int32_t total = zero & 16;
    high = tl_select(zero, low, high);
    low = tl_select(zero, 0, low);
    for (int32_t s = 8; s > 0; s >>= 1) {
        uint32_t carried = (uint32_t)low >> (32 - 2 * s);
        zero = tl_is_zero((int32_t)((uint32_t)high >> (32 - 2 * s)));
        high = tl_select(zero, (int32_t)((uint32_t)high << (2 * s) | carried), high);
        low = tl_select(zero, tl_shl(low, 2 * s), low);
        total += zero & s;
    }
    *h = total;
    return (uint32_t)high;
}

static inline uint32_t mul_high(uint32_t a, uint32_t b) { return (uint32_t)(tl_umul64(a, b) >> 32); }

/* 1 / sqrt(m / 2^32) in Q30 for m >= 2^30: a linear seed within 10 %, then Newton r (3 - m r^2) / 2. */
static uint32_t rsqrt(uint32_t m)
{
    uint32_t r = 2641404887u - mul_high(m, 1431655765u);
    for (int32_t i = 0; i < 4; i++)
        r = (uint32_t)(tl_umul64(r, (3u << 28) - mul_high(m, mul_high(r, r))) >> 29);
    return r;
}

/* v / sqrt(q) * w in Q14 of w's scale.  |v| * 2^h < 2^32 because v^2 <= q. */
static inline int32_t weighted(int32_t v, int32_t h, uint32_t r, int32_t w)
{
    int32_t scaled = tl_shl(v, h - 1);
    uint64_t product = tl_umul64((uint32_t)scaled, r); /* r may reach 2^31, so that it is no int32_t */
    uint32_t high = (uint32_t)(product >> 32) - (uint32_t)tl_select(scaled >> 31, (int32_t)r, 0);
    int32_t unit = (int32_t)(high << 1 | (uint32_t)product >> 31); /* Q30 */
    return (int32_t)(tl_mul64(unit, w) >> 16);
}

void tl_layer_norm_s8(int8_t *y, const int8_t *x, const int16_t *w, const int32_t *b, int32_t t, int32_t d, int32_t eps,
                      int32_t y_zp, int32_t mult, int32_t shift)
{
    for (int32_t i = 0; i < t; i++, x += d) {
        int32_t sum = 0, squares = 0; /* <= 2^17, <= 2^24 */
        for (int32_t c = 0; c < d; c++) {
            sum += x[c];
            squares += x[c] * x[c];
        }
        uint32_t n = (uint32_t)d;
        uint64_t spread = tl_umul64(n, (uint32_t)squares) - (uint64_t)tl_mul64(sum, sum); /* < 2^34 */
        uint64_t q = tl_umul64(n, (uint32_t)spread) + ((uint64_t)(n * (uint32_t)(spread >> 32)) << 32) + (uint32_t)eps;
        int32_t h;
        uint32_t r = rsqrt(normalize(q, &h));
        for (int32_t c = 0; c < d; c++)
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(tl_add(b[c], weighted(d * x[c] - sum, h, r, w[c])), mult, shift)));
    }
}

void tl_rms_norm_s8(int8_t *y, const int8_t *x, const int16_t *w, int32_t t, int32_t d, int32_t x_zp, int32_t eps,
                    int32_t mult, int32_t shift)
{
    for (int32_t i = 0; i < t; i++, x += d) {
        uint32_t squares = 0; /* <= 2^26 */
        for (int32_t c = 0; c < d; c++)
            squares += (uint32_t)((x[c] - x_zp) * (x[c] - x_zp));
        int32_t h;
        uint32_t r = rsqrt(normalize((uint64_t)squares + (uint32_t)eps, &h));
        for (int32_t c = 0; c < d; c++)
            *y++ = tl_sat8(tl_mbqm(weighted(x[c] - x_zp, h, r, w[c]), mult, shift));
    }
}

TL_STEP(layer_norm_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i)
TL_STEP(rms_norm_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i)
