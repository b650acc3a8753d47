#include "fixed.h"
#include "step.h"

void tl_add_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t t, int32_t d, int32_t a_zp, int32_t b_zp,
               int32_t y_zp, int32_t a_mult, int32_t a_shift, int32_t b_mult, int32_t b_shift, int32_t mult,
               int32_t shift)
{
    for (int32_t i = 0; i < t * d; i++) {
        int32_t left = tl_mbqm(tl_shl(a[i] - a_zp, 20), a_mult, a_shift);
        int32_t right = tl_mbqm(tl_shl(b[i] - b_zp, 20), b_mult, b_shift);
        y[i] = tl_sat8(tl_add(y_zp, tl_mbqm(tl_add(left, right), mult, shift)));
    }
}

void tl_mul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t t, int32_t d, int32_t a_zp, int32_t b_zp,
               int32_t y_zp, int32_t mult, int32_t shift)
{
    for (int32_t i = 0; i < t * d; i++)
        y[i] = tl_sat8(tl_add(y_zp, tl_mbqm((a[i] - a_zp) * (b[i] - b_zp), mult, shift)));
}

TL_STEP(add_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i)
TL_STEP(mul_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i)
