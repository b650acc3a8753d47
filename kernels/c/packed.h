/* Linear layers on weights packed for cores with the DSP extension, of eight bits and of four: what becomes of the sums. */
#ifndef TL_PACKED_H
#define TL_PACKED_H

#include "fixed.h"

/* What one vector needs; the assembler knows the offsets. */
typedef struct {
    void *y;                /*  0: moves on */
    int32_t n;              /*  4: outputs left */
    const int8_t *w;        /*  8: moves on */
    const int32_t *rows;    /* 12: moves on */
    const uint32_t *pairs;  /* 16 */
    const uint32_t *end4;   /* 20: of the quads that are taken by fours */
    const uint32_t *end;    /* 24 */
    int32_t mult, offset, shift, per_row; /* 28, 32, 36, 40: offset = 2^(shift-1) + zero point 2^shift */
} tl_vector;

/* The next four rows' sums, each given twice, rescaled and stored; of 16 bits if wide */
TL_INLINE void tl_packed_store(tl_vector *v, const int32_t *twice, int wide)
{
    int8_t *y8 = v->y;
    int16_t *y16 = v->y;
    int32_t count = tl_min(v->n, 4);
    for (int32_t r = 0; r < count; r++) {
        const int32_t *own = v->rows + 4 + r;
        int32_t mult = v->per_row ? own[0] : v->mult, offset = v->per_row ? own[4] : v->offset;
        int32_t shift = v->per_row ? (v->rows[12] >> (8 * r)) & 255 : v->shift;
        int32_t p = tl_half_srdhm(twice[r], mult); /* below 2^30 */
        int32_t made = tl_add(p + (p >> 31), offset) >> tl_min(shift, 31);
        if (wide)
            y16[r] = tl_sat16(made);
        else
            y8[r] = tl_sat8(made);
    }
    v->y = wide ? (void *)(y16 + count) : (void *)(y8 + count);
    v->n -= 4;
    v->rows += v->per_row ? 13 : 4;
}

#endif
