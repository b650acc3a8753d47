/* tinyloc: integer kernels for indoor localization, and the runner that executes a model image with them.
 *
 * Freestanding C99: no allocation, no float, no static state, no recursion; control flow never depends on data.
 * Arrays are dense, in C order.  Argument order: what is written, what is read, constants, state, scratch, sizes,
 * arithmetic constants.  Letters: t time steps, d width, e inner width, n state or outputs, k reduction, c classes.
 * An int8 tensor means real = scale * (q - zp); mult and shift rescale by mult * 2^(shift - 31) (see fixed.h).
 */
#ifndef TINYLOC_H
#define TINYLOC_H

#include <stdint.h>

/* ---- kernels, in the order of their numbers in an image; new ones go at the end ---- */
#define TL_OPS(X) \
    X(linear_s8) \
    X(linear_s8_s16) \
    X(conv1d_s8) \
    X(depthwise_conv_s8) \
    X(interleave_s8) \
    X(layer_norm_s8) \
    X(rms_norm_s8)

/* y[t,n] = sat8(zp + rescale(bias[n] + sum_k w[n,k] x[t,k])); bias holds -x_zp * sum_k w too.
 * bias_step is 1, or 0 for one bias for all; mult_step is 1 for a multiplier per output, 0 for one for all. */
void tl_linear_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                  const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t y_zp, int32_t bias_step,
                  int32_t mult_step);
/* The same with int16 outputs of zero point 0. */
void tl_linear_s8_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t bias_step, int32_t mult_step);

/* y[t,n] = sat8(zp + rescale(bias[n] + sum_{j<k,c<d} w[n,j,c] x[i*stride + j - pad_left, c])) for output row i; rows of
 * x outside [0, t_in) hold x_zp, so that bias can hold -x_zp * sum w. */
void tl_conv1d_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                  const int8_t *shift, int32_t t, int32_t n, int32_t d, int32_t k, int32_t t_in, int32_t stride,
                  int32_t pad_left, int32_t x_zp, int32_t y_zp, int32_t bias_step, int32_t mult_step);
/* y[i,c] = sat8(zp + rescale(bias[c] + sum_{j<k} w[j,c] x[i - k + 1 + j, c])); the k - 1 rows before x are state[k-1,d],
 * which holds the last k - 1 rows afterwards. */
void tl_depthwise_conv_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                          const int8_t *shift, int8_t *state, int32_t t, int32_t d, int32_t k, int32_t y_zp,
                          int32_t bias_step, int32_t mult_step);
/* y[i * count + index, j] = x[i, j] for i < t, j < d. */
void tl_interleave_s8(int8_t *y, const int8_t *x, int32_t t, int32_t d, int32_t count, int32_t index);

/* Normalization, d <= 1024, eps >= 1.  Per row: v[c] = d x[c] - sum x, q = sum v^2 + eps (layer norm), or
 * v[c] = x[c] - x_zp, q = sum v^2 + eps (RMS norm).  h is such that 2^62 <= q 4^h < 2^64, m = floor(q 4^h / 2^32);
 * r = 2641404887 - floor(m 1431655765 / 2^32), then four times
 * r = floor(r (3 2^28 - floor(m floor(r^2 / 2^32) / 2^32)) / 2^29); unit = floor(v 2^(h-1) r / 2^31);
 * y[c] = sat8(zp + rescale(b[c] + floor(unit w[c] / 2^16))), where RMS norm has zp = 0 and no b. */
void tl_layer_norm_s8(int8_t *y, const int8_t *x, const int16_t *w, const int32_t *b, int32_t t, int32_t d, int32_t eps,
                      int32_t y_zp, int32_t mult, int32_t shift);
void tl_rms_norm_s8(int8_t *y, const int8_t *x, const int16_t *w, int32_t t, int32_t d, int32_t x_zp, int32_t eps,
                    int32_t mult, int32_t shift);

#endif
