#include "fixed.h"
#include "step.h"

static inline int32_t dot(const int8_t *x, const int8_t *w, int32_t k)
{
    int32_t acc = 0;
    for (int32_t j = 0; j < k; j++)
        acc += x[j] * w[j]; /* |acc| <= k * 2^14 < 2^31 as k < 2^17 */
    return acc;
}

void tl_linear_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                  const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t y_zp, int32_t bias_step,
                  int32_t mult_step)
{
    for (int32_t i = 0; i < t; i++)
        for (int32_t o = 0; o < n; o++) {
            int32_t acc = tl_add(bias[o * bias_step], dot(x + i * k, w + o * k, k));
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, mult[o * mult_step], shift[o * mult_step])));
        }
}

void tl_linear_s8_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t bias_step, int32_t mult_step)
{
    for (int32_t i = 0; i < t; i++)
        for (int32_t o = 0; o < n; o++) {
            int32_t acc = tl_add(bias[o * bias_step], dot(x + i * k, w + o * k, k));
            *y++ = tl_sat16(tl_mbqm(acc, mult[o * mult_step], shift[o * mult_step]));
        }
}

TL_STEP(linear_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i)
TL_STEP(linear_s8_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i)
