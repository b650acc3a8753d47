#include "matmul.h"
#include "step.h"

void tl_attention_s8(int8_t *y, const int8_t *q, const int8_t *k, const int8_t *v, const int32_t *table, int8_t *scores,
                     uint32_t *pairs, int32_t m, int32_t n, int32_t d, int32_t width, int32_t size, int32_t quads,
                     int32_t q_zp, int32_t k_zp, int32_t s_zp, int32_t v_zp, int32_t y_zp, int32_t s_mult,
                     int32_t s_shift, int32_t mult, int32_t shift)
{
    tl_product scoring, weighting;
    tl_product_open(&scoring, k, pairs, n, d, q_zp, k_zp, s_zp, d, 1, s_mult, s_shift);
    tl_product_open(&weighting, v, pairs, width, n, -128, v_zp, y_zp, 1, width, mult, shift);
    for (int32_t rows; m > 0; m -= rows, q += rows * d, y += rows * width) {
        rows = m < 2 ? m : 2;
        tl_product_rows(&scoring, scores, q, rows);
        tl_softmax_s8(scores, scores, table, rows, n, size);
        tl_product_rows(&weighting, y, scores, rows);
    }
    (void)quads;
}

TL_STEP(attention_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].p, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i, a[14].i, a[15].i, a[16].i, a[17].i, a[18].i, a[19].i, a[20].i, a[21].i)
