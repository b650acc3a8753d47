#include "fixed.h"
#include "step.h"

void tl_conv1d_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                  const int8_t *shift, int32_t t, int32_t n, int32_t d, int32_t k, int32_t t_in, int32_t stride,
                  int32_t pad_left, int32_t x_zp, int32_t y_zp, int32_t bias_step, int32_t mult_step)
{
    for (int32_t i = 0; i < t; i++)
        for (int32_t o = 0; o < n; o++) {
            int32_t acc = 0; /* |acc| <= k * d * 2^14 < 2^31, as the quantizer proves */
            for (int32_t j = 0; j < k; j++) {
                const int8_t *taps = w + (o * k + j) * d;
                int32_t row = i * stride + j - pad_left;
                if (row >= 0 && row < t_in)
                    for (int32_t c = 0; c < d; c++)
                        acc += x[row * d + c] * taps[c];
                else
                    for (int32_t c = 0; c < d; c++)
                        acc += x_zp * taps[c];
            }
            acc = tl_add(bias[o * bias_step], acc);
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, mult[o * mult_step], shift[o * mult_step])));
        }
}

void tl_depthwise_conv_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                          const int8_t *shift, int8_t *state, int32_t t, int32_t d, int32_t k, int32_t y_zp,
                          int32_t bias_step, int32_t mult_step)
{
    const int8_t *newest = w + (k - 1) * d;
    for (int32_t i = 0; i < t; i++, x += d) {
        for (int32_t c = 0; c < d; c++) {
            int32_t acc = x[c] * newest[c]; /* |acc| <= k * 2^14 */
            for (int32_t j = 0; j < k - 1; j++)
                acc += state[j * d + c] * w[j * d + c];
            acc = tl_add(bias[c * bias_step], acc);
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, mult[c * mult_step], shift[c * mult_step])));
        }
        for (int32_t j = 0; j < (k - 2) * d; j++)
            state[j] = state[j + d];
        if (k > 1)
            for (int32_t c = 0; c < d; c++)
                state[(k - 2) * d + c] = x[c];
    }
}

TL_STEP(conv1d_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i, a[14].i, a[15].i, a[16].i)
TL_STEP(depthwise_conv_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].p, a[7].i, a[8].i, a[9].i, a[10].i,
        a[11].i, a[12].i)
