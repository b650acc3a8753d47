#include "fixed.h"
#include "step.h"

#define CLOSED (-(1 << 24)) /* the start's score after the first step; differences of real scores are below 2^18 */

void tl_viterbi_s16(uint8_t *y, const int16_t *x, const int16_t *trans, const int16_t *end, int32_t *scores,
                    int32_t *best, int32_t t, int32_t c)
{
    for (int32_t i = 0; i < t; i++) {
        int32_t top = INT32_MIN;
        for (int32_t to = 0; to < c; to++) {
            int32_t high = INT32_MIN;
            for (int32_t from = 0; from <= c; from++) {
                int32_t score = tl_add(scores[from], trans[from * c + to]);
                high = tl_max(high, score);
            }
            best[to] = tl_add(high, *x++);
            top = tl_max(top, best[to]);
        }
        int32_t label = 0, high = INT32_MIN;
        for (int32_t to = 0; to < c; to++) {
            scores[to] = tl_sub(best[to], top);
            int32_t total = tl_add(scores[to], end[to]);
            int32_t higher = tl_less(high, total); /* of equal scores the first wins */
            label = tl_select(higher, to, label);
            high = tl_select(higher, total, high);
        }
        scores[c] = CLOSED;
        *y++ = (uint8_t)label;
    }
}

TL_STEP(viterbi_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i)
