/* Products of rows with one matrix: what matmul and attention share. */
#ifndef TL_MATMUL_H
#define TL_MATMUL_H

#include <stdint.h>

/* The matrix b and its constants.  The assembler of matmul.c knows the offsets of the first fields. */
typedef struct {
    int32_t start0, start1; /*  0,  4: of the sums of either row */
    uint32_t *pairs;        /*  8 */
    int32_t stride;         /* 12: b_n where b_k is 1, b_k where b_n is 1 */
    uintptr_t last;         /* 16: end for by_rows, 3 stride for by_columns */
    const int8_t *at;       /* 20: in b */
    int32_t mult, offset;   /* 24, 28: offset = 2^(right-1) + zero point 2^right */
    int32_t right;          /* 32 */
    int8_t *y;              /* 36: moves on */
    int32_t y_row;          /* 40: from one row of y to the other */
    int32_t y_column;       /* 44: from one column of y to the other */
    int32_t back;           /* 48: by which the last quad overlaps, in bytes of b; 0 for none */
    int8_t *y_end;          /* 52 */
    const uint32_t *end;    /* 56: of the whole quads of pairs */
    int32_t home;           /* 60: from behind a column to its neighbor's begin */
    const int8_t *b;
    int32_t n, k, a_zp, b_zp, y_zp, b_n, b_k, shift;
} tl_product;

void tl_product_open(tl_product *v, const int8_t *b, uint32_t *pairs, int32_t n, int32_t k, int32_t a_zp, int32_t b_zp,
                     int32_t y_zp, int32_t b_n, int32_t b_k, int32_t mult, int32_t shift);
/* y[m,n] of a[m,k], by the formula of tl_matmul_s8 */
void tl_product_rows(tl_product *v, int8_t *y, const int8_t *a, int32_t m);

#endif
