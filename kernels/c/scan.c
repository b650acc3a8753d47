#include "fixed.h"
#include "step.h"

/* 2^(-i / 32) in Q17 */
static const uint32_t exp2_q17[32] = {
    131072, 128263, 125515, 122825, 120194, 117618, 115098, 112631, 110218, 107856, 105545, 103283, 101070,
    98905, 96785, 94711, 92682, 90696, 88752, 86851, 84990, 83169, 81386, 79642, 77936, 76266, 74632, 73032,
    71468, 69936, 68438, 66971,
};

/* 2^(-u / 2^18) in Q16, at most 65535: the fraction's upper 5 bits by the table, the lower 13 by v - v^2 / 2. */
static inline int32_t exp2_negative(uint32_t u)
{
    uint32_t i = u >> 18, top = exp2_q17[(u >> 13) & 31];
    uint32_t v = ((u & 8191) * 181704u) >> 16; /* Q20, <= 22710 */
    i = i < 18 ? i : 18;
    uint32_t e = top - ((top * (v - ((v * v) >> 21))) >> 20);
    e = (e + (1u << i)) >> (i + 1);
    return (int32_t)(e < 65535 ? e : 65535);
}

void tl_scan_s8(int8_t *y, const int8_t *x, const uint16_t *dt, const int8_t *b, const int8_t *c, const uint8_t *a,
                const int8_t *a_shift, const int16_t *d_skip, const int8_t *h_exp, int16_t *h, int32_t t, int32_t e,
                int32_t n, int32_t x_zp, int32_t y_zp, int32_t g_mult, int32_t g_shift, int32_t b_shift,
                int32_t d_shift, int32_t y_mult, int32_t y_shift)
{
    for (int32_t i = 0; i < t; i++, b += n, c += n) {
        const uint8_t *rate = a;
        int16_t *state = h;
        for (int32_t j = 0; j < e; j++, rate += n, state += n) {
            int32_t delta = *dt++, v = *x++ - x_zp;
            int32_t g = tl_clamp(tl_mbqm(tl_mul(delta, v), g_mult, g_shift - h_exp[j]), -32767, 32767);
            int32_t acc = tl_shl(d_skip[j] * v, d_shift);
            for (int32_t k = 0; k < n; k++) {
                uint32_t u = ((uint32_t)delta * rate[k] << 7) >> a_shift[k];
                int32_t kept = (state[k] * exp2_negative(u)) >> 1;        /* |kept| <= 2^30 - 2^14 */
                int32_t new_h = tl_add(kept, tl_shl(g * b[k], b_shift)); /* |g b 2^8| <= 2^30 - 2^15 */
                state[k] = tl_sat16(tl_add(new_h, 16384) >> 15);
                acc = tl_add(acc, c[k] * state[k]);
            }
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, y_mult, y_shift + h_exp[j])));
        }
    }
}

TL_STEP(scan_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].p, a[7].p, a[8].p, a[9].p, a[10].i, a[11].i,
        a[12].i, a[13].i, a[14].i, a[15].i, a[16].i, a[17].i, a[18].i, a[19].i, a[20].i)
