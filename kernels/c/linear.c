#include "dot4.h"
#include "mve.h"
#include "step.h"

/* wide: to 16 bits, without a zero point.  |sum| <= k * 2^14 < 2^31 as k < 2^17 */
TL_INLINE void linear(void *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t y_zp, int32_t bias_step,
                      int32_t mult_step, int wide)
{
    int8_t *y8 = y;
    int16_t *y16 = y;
#ifdef TL_MVE
    if (n >= 4) {
        tl_linear4(y, x, w, bias, mult, shift, t, n, k, k, y_zp, bias_step, mult_step, 0, wide);
        return;
    }
#endif
    for (; t > 0; t--, x += k, y8 += n, y16 += n)
        for (int32_t o = 0, group; o < n; o += group) {
            int32_t sums[4] = {0, 0, 0, 0};
            const int32_t *sum;
            group = tl_group(&o, n);
            tl_group_dot(sums, x, w + o * k, k, k, group);
            sum = tl_unsized(sums);
            for (int32_t at = o; at < o + group; at++) {
                int32_t made = tl_mbqm(tl_add(bias[at * bias_step], *sum++), mult[at * mult_step], shift[at * mult_step]);
                if (wide)
                    y16[at] = tl_sat16(made);
                else
                    y8[at] = tl_sat8(tl_add(y_zp, made));
            }
        }
}

void tl_linear_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                  const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t y_zp, int32_t bias_step,
                  int32_t mult_step)
{
    linear(y, x, w, bias, mult, shift, t, n, k, y_zp, bias_step, mult_step, 0);
}

void tl_linear_s8_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t bias_step, int32_t mult_step)
{
    linear(y, x, w, bias, mult, shift, t, n, k, 0, bias_step, mult_step, 1);
}

TL_STEP(linear_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i)
TL_STEP(linear_s8_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i)
