#include "fixed.h"
#include "step.h"

static inline int32_t low_half(int32_t both) { return ((both & 15) ^ 8) - 8; }

/* |sum| <= k * 2^10 < 2^31 as k <= 2^17 */
static inline int32_t dot(const int8_t *x, const int8_t *w, int32_t k)
{
    int32_t sum = 0;
    for (; k > 1; k -= 2, x += 2, w++)
        sum += x[0] * low_half(*w) + x[1] * (*w >> 4);
    return k ? sum + x[0] * low_half(*w) : sum;
}

/* wide: to 16 bits, without a zero point */
TL_INLINE void linear(void *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t row, int32_t y_zp, int32_t bias_step,
                      int32_t mult_step, int wide)
{
    int8_t *y8 = y;
    int16_t *y16 = y;
    for (; t > 0; t--, x += k, y8 += n, y16 += n)
        for (int32_t o = 0; o < n; o++) {
            int32_t sum = tl_add(bias[o * bias_step], dot(x, w + o * row, k));
            int32_t made = tl_mbqm(sum, mult[o * mult_step], shift[o * mult_step]);
            if (wide)
                y16[o] = tl_sat16(made);
            else
                y8[o] = tl_sat8(tl_add(y_zp, made));
        }
}

void tl_linear_w4_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                     const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t row, int32_t y_zp, int32_t bias_step,
                     int32_t mult_step)
{
    linear(y, x, w, bias, mult, shift, t, n, k, row, y_zp, bias_step, mult_step, 0);
}

void tl_linear_w4_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t row, int32_t bias_step,
                      int32_t mult_step)
{
    linear(y, x, w, bias, mult, shift, t, n, k, row, 0, bias_step, mult_step, 1);
}

TL_STEP(linear_w4_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i)
TL_STEP(linear_w4_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i)
