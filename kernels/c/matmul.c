#include "fixed.h"
#include "step.h"

void tl_matmul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t m, int32_t n, int32_t k, int32_t a_zp,
                  int32_t b_zp, int32_t y_zp, int32_t b_n, int32_t b_k, int32_t mult, int32_t shift)
{
    for (int32_t i = 0; i < m; i++, a += k)
        for (int32_t o = 0; o < n; o++) {
            int32_t acc = 0;
            for (int32_t j = 0; j < k; j++)
                acc += (a[j] - a_zp) * (b[o * b_n + j * b_k] - b_zp); /* |acc| <= k * 255^2 < 2^31 */
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, mult, shift)));
        }
}

TL_STEP(matmul_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i)
