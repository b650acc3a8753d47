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

/* Sums of the products of k elements of x and of each of four rows of w, which are `row` bytes apart */
TL_INLINE int32x4_t tl_dots(const int8_t *x, const int8_t *w, int32_t row, int32_t k)
{
    int32_t a = 0, b = 0, c = 0, d = 0; /* |sum| <= k * 2^14 < 2^31 */
    for (; k > 0; k -= 16, x += 16, w += 16) {
        mve_pred16_t p = vctp8q((uint32_t)k);
        int8x16_t v = vldrbq_z_s8(x, p);
        a = vmladavaq_p_s8(a, v, vldrbq_z_s8(w, p), p);
        b = vmladavaq_p_s8(b, v, vldrbq_z_s8(w + row, p), p);
        c = vmladavaq_p_s8(c, v, vldrbq_z_s8(w + 2 * row, p), p);
        d = vmladavaq_p_s8(d, v, vldrbq_z_s8(w + 3 * row, p), p);
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

#endif
#endif
