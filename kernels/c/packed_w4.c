#include "packed.h"
#include "step.h"

/* Linear layers with weights of four bits, packed for cores with the DSP extension (Armv7E-M, Armv8-M): see tinyloc.h for the
 * layout.
 *
 * A word shifted right by 0, 4, 8 or 12 holds in bits 0-3 and 16-19 the weights, each plus 8, of two columns whose values
 * make a pair: with a mask that is one instruction, and the dual product another.  What the eights add, 8 times the sum of
 * the vector, comes off once for all rows. */

static inline int32_t low(uint32_t v) { return (int16_t)(v & 0xffff); }
static inline int32_t high(uint32_t v) { return (int16_t)(v >> 16); }

/* pairs[4q .. 4q+3] = columns 0 and 2, 1 and 3, 4 and 6, 5 and 7 of x[8q .. 8q+7], beyond k as if x were 0; returns 8 times
 * their sum. */
static int32_t prepare(uint32_t *pairs, const int8_t *x, int32_t k)
{
    int32_t sum = 0;
    for (int32_t j = 0; j < k; j++)
        sum += x[j];
    for (int32_t j = 0; j < (k + 7) / 8 * 8; j += 4)
        for (int32_t i = j; i < j + 2; i++) {
            int32_t a = i < k ? x[i] : 0, b = i + 2 < k ? x[i + 2] : 0;
            *pairs++ = (uint32_t)(a & 0xffff) | (uint32_t)b << 16;
        }
    return 8 * sum;
}

/* All outputs of one vector, of 8 bits or 16, four at a time */
TL_INLINE void outputs(tl_vector *v, int32_t eights, int wide)
{
    while (v->n > 0) {
        int32_t twice[4];
        for (int32_t r = 0; r < 4; r++)
            twice[r] = tl_sub(v->rows[r], eights);
        for (const uint32_t *p = v->pairs; p < v->end; p += 4)
            for (int32_t r = 0; r < 4; r++, v->w += 4) {
                const uint8_t *b = (const uint8_t *)v->w;
                uint32_t word = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
                for (int32_t i = 0; i < 4; i++, word >>= 4)
                    twice[r] = tl_add(twice[r], (int32_t)(word & 15) * low(p[i]) + (int32_t)(word >> 16 & 15) * high(p[i]));
            }
        for (int32_t r = 0; r < 4; r++)
            twice[r] = tl_add(twice[r], twice[r]);
        tl_packed_store(v, twice, wide);
    }
}

TL_INLINE void linear(void *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                      int32_t octets, int32_t n, int32_t k, int32_t mult, int32_t offset, int32_t shift, int32_t per_row,
                      int wide)
{
    tl_vector v = {y, n, w, rows, pairs, pairs, pairs + 4 * octets, mult, offset, shift, per_row};
    for (; t > 0; t--, x += k) {
        int32_t eights = prepare(pairs, x, k);
        v.w = w;
        v.rows = rows;
        v.n = n;
        outputs(&v, eights, wide);
    }
}

void tl_linear_w4_packed_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                            int32_t groups, int32_t octets, int32_t n, int32_t k, int32_t mult, int32_t offset,
                            int32_t shift, int32_t per_row)
{
    linear(y, x, w, rows, pairs, t, octets, n, k, mult, offset, shift, per_row, 0);
    (void)groups;
}

void tl_linear_w4_packed_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                             int32_t groups, int32_t octets, int32_t n, int32_t k, int32_t mult, int32_t offset,
                             int32_t shift, int32_t per_row)
{
    linear(y, x, w, rows, pairs, t, octets, n, k, mult, offset, shift, per_row, 1);
    (void)groups;
}

TL_STEP(linear_w4_packed_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i,
        a[11].i, a[12].i, a[13].i)
TL_STEP(linear_w4_packed_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i,
        a[11].i, a[12].i, a[13].i)
