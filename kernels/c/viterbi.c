#include "fixed.h"
#include "step.h"

#define CLOSED (-(1 << 24)) /* the start's score after the first step; differences of real scores are below 2^18 */

/* Greatest of scores + trans[.][to] for four labels; for one */
static inline void reach4(int32_t *best, const int32_t *scores, const int16_t *trans, int32_t c)
{
    int32_t a = INT32_MIN, b = INT32_MIN, e = INT32_MIN, f = INT32_MIN;
    for (const int32_t *end = scores + c; scores <= end; trans += c) {
        int32_t score = *scores++;
#ifdef TL_DSP /* two at a load, of any alignment; each half is extended as it is added */
        uint32_t p, q;
        __builtin_memcpy(&p, trans, 4);
        __builtin_memcpy(&q, trans + 2, 4);
        int32_t t0 = (int16_t)p, t1 = (int32_t)p >> 16, t2 = (int16_t)q, t3 = (int32_t)q >> 16;
#else
        int32_t t0 = trans[0], t1 = trans[1], t2 = trans[2], t3 = trans[3];
#endif
        a = tl_max(a, tl_add(score, t0));
        b = tl_max(b, tl_add(score, t1));
        e = tl_max(e, tl_add(score, t2));
        f = tl_max(f, tl_add(score, t3));
    }
    best[0] = a;
    best[1] = b;
    best[2] = e;
    best[3] = f;
}
static inline void reach(int32_t *best, const int32_t *scores, const int16_t *trans, int32_t c)
{
    int32_t high = INT32_MIN;
    for (const int32_t *end = scores + c; scores <= end; trans += c)
        high = tl_max(high, tl_add(*scores++, *trans));
    *best = high;
}

void tl_viterbi_s16(uint8_t *y, const int16_t *x, const int16_t *trans, const int16_t *end, int32_t *scores,
                    int32_t *best, int32_t t, int32_t c)
{
    for (int32_t i = 0; i < t; i++) {
        int32_t top = INT32_MIN, to = 0;
        if (c < 4)
            for (; to < c; to++)
                reach(best + to, scores, trans + to, c);
        for (; to < c; to += 4) { /* the last four overlap those before: a label alone costs nearly as much as two */
            int32_t first = to < c - 4 ? to : c - 4;
            reach4(best + first, scores, trans + first, c);
        }
        for (to = 0; to < c; to++) {
            best[to] = tl_add(best[to], *x++);
            top = tl_max(top, best[to]);
        }
        int32_t label = 0, high = INT32_MIN;
        for (to = 0; to < c; to++) {
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
