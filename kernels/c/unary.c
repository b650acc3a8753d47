#include "step.h"

void tl_table_s8(int8_t *y, const int8_t *x, const int8_t *table, int32_t t, int32_t d)
{
    for (int32_t i = 0; i < t * d; i++)
        y[i] = table[x[i] + 128];
}

void tl_table_s8_u16(uint16_t *y, const int8_t *x, const uint16_t *table, int32_t t, int32_t d)
{
    for (int32_t i = 0; i < t * d; i++)
        y[i] = table[x[i] + 128];
}

TL_STEP(table_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i)
TL_STEP(table_s8_u16, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i)
