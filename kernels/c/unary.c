#include "step.h"

/* Four a round, since the rest of a loop costs as much as the work on one. */
#define LOOK_UP                                      \
    for (table += 128; count > 3; count -= 4) {      \
        int32_t a = x[0], b = x[1], c = x[2], e = x[3]; \
        x += 4;                                      \
        y[0] = table[a];                             \
        y[1] = table[b];                             \
        y[2] = table[c];                             \
        y[3] = table[e];                             \
        y += 4;                                      \
    }                                                \
    for (; count > 0; count--)                       \
        *y++ = table[*x++]

void tl_table_s8(int8_t *y, const int8_t *x, const int8_t *table, int32_t t, int32_t d)
{
    int32_t count = t * d;
    LOOK_UP;
}

void tl_table_s8_u16(uint16_t *y, const int8_t *x, const uint16_t *table, int32_t t, int32_t d)
{
    int32_t count = t * d;
    LOOK_UP;
}

TL_STEP(table_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i)
TL_STEP(table_s8_u16, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i)
