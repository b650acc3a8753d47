#include "fixed.h"
#include "step.h"

void tl_argmax_s16(uint8_t *y, const int16_t *x, int32_t t, int32_t c)
{
    for (int32_t i = 0; i < t; i++, x += c) {
        int32_t label = 0, high = x[0];
        for (int32_t j = 1; j < c; j++) {
            int32_t higher = tl_less(high, x[j]); /* of equal ones the first wins */
            label = tl_select(higher, j, label);
            high = tl_select(higher, x[j], high);
        }
        *y++ = (uint8_t)label;
    }
}

TL_STEP(argmax_s16, a[0].p, a[1].p, a[2].i, a[3].i)
