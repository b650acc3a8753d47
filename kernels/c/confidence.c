#include "fixed.h"
#include "step.h"

enum { FLOOR = -32768 };

static inline uint8_t look_up(const uint8_t *table, int32_t high, int32_t second, int32_t size, int32_t shift)
{
    return table[tl_min((high - second) >> shift, size - 1)];
}

void tl_argmax_confidence_s16(uint8_t *y, const int16_t *x, const uint8_t *table, int32_t t, int32_t c, int32_t size,
                              int32_t shift)
{
    for (int32_t i = 0; i < t; i++, x += c) {
        int32_t label = 0, high = x[0], second = FLOOR;
        for (int32_t j = 1; j < c; j++) {
            int32_t v = x[j], higher = tl_near_less(high, v); /* of equal ones the first wins */
            label = tl_select(higher, j, label);
            second = tl_near_max(second, tl_near_min(high, v));
            high = tl_near_max(high, v);
        }
        *y++ = (uint8_t)label;
        *y++ = look_up(table, high, second, size, shift);
    }
}

void tl_viterbi_confidence_s16(uint8_t *y, const int16_t *x, const int16_t *trans, const int16_t *end,
                               const uint8_t *table, int16_t *scores, int16_t *best, int32_t t, int32_t c, int32_t size,
                               int32_t shift)
{
    for (int32_t i = 0; i < t; i++, x += c) {
        int32_t high = FLOOR, second = FLOOR;
        tl_viterbi_s16(y++, x, trans, end, scores, best, 1, c);
        for (int32_t to = 0; to < c; to++) {
            int32_t total = tl_near_min(tl_near_max(scores[to] + end[to], FLOOR), 32767);
            second = tl_near_max(second, tl_near_min(high, total));
            high = tl_near_max(high, total);
        }
        *y++ = look_up(table, high, second, size, shift);
    }
}

TL_STEP(argmax_confidence_s16, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i, a[5].i, a[6].i)
TL_STEP(viterbi_confidence_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].p, a[7].i, a[8].i, a[9].i, a[10].i)
