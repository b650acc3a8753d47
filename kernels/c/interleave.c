#include "fixed.h"
#include "step.h"

void tl_interleave_s8(int8_t *y, const int8_t *x, int32_t t, int32_t d, int32_t count, int32_t index)
{
    for (int32_t i = 0; i < t; i++)
        for (int32_t j = 0; j < d; j++)
            y[(i * count + index) * d + j] = x[i * d + j];
}

TL_STEP(interleave_s8, a[0].p, a[1].p, a[2].i, a[3].i, a[4].i, a[5].i)
