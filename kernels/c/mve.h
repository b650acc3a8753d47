/* Vectors of Armv8.1-M (Cortex-M55): products of bytes, and rescaling of four sums at a time. */
#ifndef TL_MVE_H
#define TL_MVE_H

#include "fixed.h"

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1) && !defined(TL_PORTABLE)
#define TL_MVE
#include <arm_mve.h>

TL_INLINE int32x4_t tl_lanes(int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32x4_t v = vdupq_n_s32(a);
    v = vsetq_lane_s32(b, v, 1);
    v = vsetq_lane_s32(c, v, 2);
    return vsetq_lane_s32(d, v, 3);
}

/* Those of the next 16 weights at w that p says.  If halves, two are a byte, the first in its low half: a byte widened to 16
 * bits and shifted by four is 16 times the first and beside it the second.  Of what p says of each two, the first counts. */
TL_INLINE int8x16_t tl_weights(const int8_t *w, mve_pred16_t p, int halves)
{
    if (!halves)
        return vldrbq_z_s8(w, p);
    return vshlq_s8(vreinterpretq_s8_s16(vshlq_n_s16(vldrbq_z_s16(w, p), 4)), vreinterpretq_s8_s16(vdupq_n_s16(0x00fc)));
}

/* Sums of the products of k elements of x and of each of four rows of w, which are `row` bytes apart */
TL_INLINE int32x4_t tl_dots(const int8_t *x, const int8_t *w, int32_t row, int32_t k, int halves)
{
    int32_t a = 0, b = 0, c = 0, d = 0; /* |sum| <= k * 2^14 < 2^31 */
    for (; k > 0; k -= 16, x += 16, w += halves ? 8 : 16) {
        mve_pred16_t p = vctp8q((uint32_t)k);
        int8x16_t v = vldrbq_z_s8(x, p);
        a = vmladavaq_p_s8(a, v, tl_weights(w, p, halves), p);
        b = vmladavaq_p_s8(b, v, tl_weights(w + row, p, halves), p);
        c = vmladavaq_p_s8(c, v, tl_weights(w + 2 * row, p, halves), p);
        d = vmladavaq_p_s8(d, v, tl_weights(w + 3 * row, p, halves), p);
    }
    return tl_lanes(a, b, c, d);
}

/* The same for an x that is one value */
TL_INLINE int32x4_t tl_dots_of(int32_t x, const int8_t *w, int32_t row, int32_t k)
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (; k > 0; k -= 16, w += 16) {
        mve_pred16_t p = vctp8q((uint32_t)k);
        a = vaddvaq_p_s8(a, vldrbq_z_s8(w, p), p);
        b = vaddvaq_p_s8(b, vldrbq_z_s8(w + row, p), p);
        c = vaddvaq_p_s8(c, vldrbq_z_s8(w + 2 * row, p), p);
        d = vaddvaq_p_s8(d, vldrbq_z_s8(w + 3 * row, p), p);
    }
    return vmulq_n_s32(tl_lanes(a, b, c, d), x);
}

/* What MBQM needs of each lane's multiplier and shift */
typedef struct {
    int32x4_t mult, left, right;
} tl_rescale4;

TL_INLINE tl_rescale4 tl_rescale4_of(int32x4_t mult, int32x4_t shift)
{
    int32x4_t zero = vdupq_n_s32(0);
    tl_rescale4 r = {mult, vmaxq_s32(shift, zero), vminq_s32(shift, zero)};
    return r;
}

/* MBQM of each lane.  VQRDMULH is SRDHM, ties and saturation alike.  VRSHL rounds ties up; one less for what is below zero,
 * where there is a right shift at all, makes of it RDBPOT. */
TL_INLINE int32x4_t tl_mbqm4(int32x4_t x, const tl_rescale4 *r)
{
    x = vqrdmulhq_s32(vshlq_s32(x, r->left), r->mult);
    return vrshlq_s32(vqaddq_s32(x, vshrq_n_s32(vandq_s32(x, r->right), 31)), r->right);
}

/* Four constants of a layer from `at` on: one each, or one for all */
TL_INLINE int32x4_t tl_words4(const int32_t *p, int32_t step, int32_t at)
{
    return step ? vldrwq_s32(p + at) : vdupq_n_s32(*p);
}
TL_INLINE int32x4_t tl_bytes4(const int8_t *p, int32_t step, int32_t at)
{
    return step ? vldrbq_s32(p + at) : vdupq_n_s32(*p);
}
TL_INLINE int32x4_t tl_clamp4(int32x4_t x, int32_t lo, int32_t hi)
{
    return vminq_s32(vmaxq_s32(x, vdupq_n_s32(lo)), vdupq_n_s32(hi));
}

/* A linear layer of four outputs or more, four at a time, the last four overlapping those before; of each four all rows, as
 * their constants stay.  wide: to 16 bits; halves: see above, and `row` are the bytes of a row of w */
TL_INLINE void tl_linear4(void *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                          const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t row, int32_t y_zp,
                          int32_t bias_step, int32_t mult_step, int halves, int wide)
{
    for (int32_t o = 0; o < n; o += 4) {
        int32_t at = tl_min(o, n - 4);
        const int8_t *rows = w + at * row, *in = x;
        int8_t *y8 = (int8_t *)y + at;
        int16_t *y16 = (int16_t *)y + at;
        int32x4_t start = tl_words4(bias, bias_step, at);
        tl_rescale4 r = tl_rescale4_of(tl_words4(mult, mult_step, at), tl_bytes4(shift, mult_step, at));
        for (int32_t i = 0; i < t; i++, in += k, y8 += n, y16 += n) {
            int32x4_t sums = tl_mbqm4(vaddq_s32(tl_dots(in, rows, row, k, halves), start), &r);
            if (wide)
                vstrhq_s32(y16, tl_clamp4(sums, -32768, 32767));
            else
                vstrbq_s32(y8, tl_clamp4(vaddq_n_s32(sums, y_zp), -128, 127));
        }
    }
}

#endif
#endif
