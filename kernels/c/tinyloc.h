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
    X(rms_norm_s8) \
    X(softmax_s8) \
    X(matmul_s8) \
    X(add_s8) \
    X(mul_s8) \
    X(table_s8) \
    X(table_s8_u16) \
    X(scan_s8) \
    X(scan_powers_s8) \
    X(viterbi_s16) \
    X(argmax_s16)

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

/* y[t,n] = softmax of x[t,:] with scale 1/256 and zero point -128: the bits of TensorFlow Lite Micro.  Differences
 * from the row's maximum become Q5 by SRDHM(d << shift, mult); those below diff_min count as zero.  n <= 4095. */
void tl_softmax_s8(int8_t *y, const int8_t *x, int32_t t, int32_t n, int32_t mult, int32_t shift, int32_t diff_min);

/* y[m,n] = sat8(zp + rescale(sum_k (a[m,k] - a_zp) (b[n*b_n + k*b_k] - b_zp))); k <= 33025. */
void tl_matmul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t m, int32_t n, int32_t k, int32_t a_zp,
                  int32_t b_zp, int32_t y_zp, int32_t b_n, int32_t b_k, int32_t mult, int32_t shift);

/* y = sat8(zp + rescale(rescale((a - a_zp) 2^20) + rescale((b - b_zp) 2^20))), each rescale with its own constants. */
void tl_add_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t t, int32_t d, int32_t a_zp, int32_t b_zp,
               int32_t y_zp, int32_t a_mult, int32_t a_shift, int32_t b_mult, int32_t b_shift, int32_t mult,
               int32_t shift);
/* y = sat8(zp + rescale((a - a_zp) (b - b_zp))) */
void tl_mul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t t, int32_t d, int32_t a_zp, int32_t b_zp,
               int32_t y_zp, int32_t mult, int32_t shift);

/* y = table[x + 128] */
void tl_table_s8(int8_t *y, const int8_t *x, const int8_t *table, int32_t t, int32_t d);
void tl_table_s8_u16(uint16_t *y, const int8_t *x, const uint16_t *table, int32_t t, int32_t d);

/* Selective scan.  Per step and channel j: v = x - x_zp; g = clamp(rescale(dt v; g_mult, g_shift - h_exp[j]), +-32767);
 * for each k: d = 2^(-u) in Q31 with u = dt a[j,k] 2^a_shift[k] in Q39 (see below);
 * h[j,k] = sat16(floor((floor(h d / 2^16) + g b[k] 2^b_shift + 2^14) / 2^15));
 * y = sat8(y_zp + rescale(d_skip[j] v 2^d_shift + sum_k c[k] h[j,k]; y_mult, y_shift + h_exp[j])).
 * d: i = u >> 39, T = round(2^31 2^(-(m + 1/2) / 128) (1 + (ln 2 / 256)^2 / 4)) with m = (u >> 32) & 127,
 * f = (u & (2^32 - 1)) - 2^31, d = floor((T - floor(T f / 2^32) 23258160 / 2^32) / 2^i), both floors of exact values.
 * The state h[e,n] survives; dt a 2^a_shift < 2^43, 1 <= a_shift <= 31, b_shift <= 8, d_shift <= 7, n <= 255. */
void tl_scan_s8(int8_t *y, const int8_t *x, const uint16_t *dt, const int8_t *b, const int8_t *c, const uint8_t *a,
                const int8_t *a_shift, const int16_t *d_skip, const int8_t *h_exp, int16_t *h, int32_t t, int32_t e,
                int32_t n, int32_t x_zp, int32_t y_zp, int32_t g_mult, int32_t g_shift, int32_t b_shift,
                int32_t d_shift, int32_t y_mult, int32_t y_shift);
/* The same with one rate a channel, whose decay d_0 = 2^(-dt a[j] 2^a_shift) has the powers d_k = floor(d_{k-1} d_0 / 2^31). */
void tl_scan_powers_s8(int8_t *y, const int8_t *x, const uint16_t *dt, const int8_t *b, const int8_t *c,
                       const uint16_t *a, const int16_t *d_skip, const int8_t *h_exp, int16_t *h, int32_t t, int32_t e,
                       int32_t n, int32_t x_zp, int32_t y_zp, int32_t a_shift, int32_t g_mult, int32_t g_shift,
                       int32_t b_shift, int32_t d_shift, int32_t y_mult, int32_t y_shift);

/* Linear-chain CRF decoder: y[t] = last label of the best path over the steps so far, of equal ones the first.
 * scores[c+1] survives: per class relative to the best, and the start's (0 before the first step, then -2^24).
 * trans[c+1,c] from row to column, its last row from the start; best[c] is scratch.  c <= 256. */
void tl_viterbi_s16(uint8_t *y, const int16_t *x, const int16_t *trans, const int16_t *end, int32_t *scores,
                    int32_t *best, int32_t t, int32_t c);

/* y[t] = index of the greatest x[t,:], of equal ones the first; c <= 256. */
void tl_argmax_s16(uint8_t *y, const int16_t *x, int32_t t, int32_t c);

#endif
