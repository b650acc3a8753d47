#include "fixed.h"
#include "step.h"

/* sat16 of what is far from the ends of 32 bits */
static inline int16_t sat(int32_t x) { return (int16_t)tl_near_min(tl_near_max(x, -32768), 32767); }

#ifdef TL_DSP

static inline uint32_t pair(const int16_t *p) /* two half-words, of any alignment */
{
    uint32_t w;
    __builtin_memcpy(&w, p, 4);
    return w;
}
static inline void put(int16_t *p, uint32_t w) { __builtin_memcpy(p, &w, 4); }
static inline uint32_t add2(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("qadd16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
static inline uint32_t sub2(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("qsub16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
/* a = the greater of each half of a and b */
#define MAX2(a, b) __asm__("ssub16 r12, %0, %1\n sel %0, %0, %1" : "+r"(a) : "r"(b) : "r12", "cc")

/* Six labels, or two: best = greatest of scores + trans[.][to], plus x */
static TL_NOINLINE void reach6(int16_t *best, const int16_t *scores, const int16_t *trans, const int16_t *x, int32_t c)
{
    uint32_t a = 0x80008000u, b = a, e = a, p, q, r, stride = 2 * (uint32_t)c;
    const int16_t *end = scores + c + 1;
    __asm__ volatile("1: ldrh %[p], [%[scores]], #2\n"
                     "ldr %[r], [%[trans], #8]\n"
                     "ldr %[q], [%[trans], #4]\n"
                     "orr r12, %[p], %[p], lsl #16\n"
                     "ldr %[p], [%[trans]]\n"
                     "qadd16 %[r], %[r], r12\n"
                     "qadd16 %[q], %[q], r12\n"
                     "qadd16 %[p], %[p], r12\n"
                     "ssub16 r12, %[a], %[p]\n"
                     "sel %[a], %[a], %[p]\n"
                     "ssub16 r12, %[b], %[q]\n"
                     "sel %[b], %[b], %[q]\n"
                     "ssub16 r12, %[e], %[r]\n"
                     "sel %[e], %[e], %[r]\n"
                     "cmp %[scores], %[end]\n"
                     "add %[trans], %[trans], %[stride]\n"
                     "bne 1b\n"
                     : [scores] "+r"(scores), [trans] "+r"(trans), [a] "+r"(a), [b] "+r"(b), [e] "+r"(e), [p] "=&r"(p),
                       [q] "=&r"(q), [r] "=&r"(r)
                     : [end] "r"(end), [stride] "r"(stride)
                     : "r12", "cc", "memory");
    put(best, add2(a, pair(x)));
    put(best + 2, add2(b, pair(x + 2)));
    put(best + 4, add2(e, pair(x + 4)));
}
static inline void reach2(int16_t *best, const int16_t *scores, const int16_t *trans, const int16_t *x, int32_t c)
{
    uint32_t a = 0x80008000u;
    for (const int16_t *end = scores + c; scores <= end; trans += c) {
        int32_t from = *scores++;
        uint32_t p = add2(TL_PAIR(from), pair(trans));
        MAX2(a, p);
    }
    put(best, add2(a, pair(x)));
}

/* Of two labels, the scores relative to the top; high and label: of each half the greatest with its end, and whose it is */
#define SETTLE(scores, best, end, labels)                                                                                \
    {                                                                                                                    \
        uint32_t now = sub2(pair(best), top), total = add2(now, pair(end));                                              \
        put(scores, now);                                                                                                \
        __asm__("ssub16 r12, %0, %2\n sel %0, %0, %2\n sel %1, %1, %3"                                                   \
                : "+r"(high), "+r"(label) : "r"(total), "r"(labels) : "r12", "cc");                                      \
    }

/* Scores relative to the best; the label, of equal ones the first.  Even labels in the lower halves, odd ones in the upper;
 * of an odd number of labels the last pair overlaps the one before, and says the same again. */
static TL_NOINLINE int32_t settle(int16_t *scores, const int16_t *best, const int16_t *end, int32_t c)
{
    uint32_t top = 0x80008000u, high = top, label = 0x00010000u, labels = label, w;
    const int16_t *last = best + c - 2, *p;
    for (p = best; p < last; p += 2) {
        w = pair(p);
        MAX2(top, w);
    }
    w = pair(last);
    MAX2(top, w);
    int32_t most = tl_max((int16_t)top, (int32_t)top >> 16);
    top = TL_PAIR(most);
    for (; best < last; best += 2, scores += 2, end += 2, labels += 0x00020002u)
        SETTLE(scores, best, end, labels);
    if (c & 1)
        labels -= 0x00010001u;
    scores -= c & 1;
    end -= c & 1;
    SETTLE(scores, last, end, labels);
    int32_t even = (int16_t)high, odd = (int32_t)high >> 16;
    int32_t first = (int32_t)(label & 0xffffu), other = (int32_t)(label >> 16);
    int32_t take = tl_less(even, odd) | (tl_less(other, first) & ~tl_less(odd, even));
    return tl_select(take, other, first);
}

#else

/* Four labels, as `reach` does one */
static inline void reach4(int16_t *best, const int16_t *scores, const int16_t *trans, const int16_t *x, int32_t c)
{
    int32_t a = -32768, b = a, e = a, f = a;
    for (const int16_t *end = scores + c; scores <= end; trans += c) {
        int32_t score = *scores++;
        a = tl_near_max(a, score + trans[0]);
        b = tl_near_max(b, score + trans[1]);
        e = tl_near_max(e, score + trans[2]);
        f = tl_near_max(f, score + trans[3]);
    }
    best[0] = sat(sat(a) + x[0]);
    best[1] = sat(sat(b) + x[1]);
    best[2] = sat(sat(e) + x[2]);
    best[3] = sat(sat(f) + x[3]);
}

#endif

/* best = greatest of scores + trans[.][to], plus x; the greatest of saturated sums is the saturated greatest sum */
static inline void reach(int16_t *best, const int16_t *scores, const int16_t *trans, const int16_t *x, int32_t c)
{
    int32_t high = -32768;
    for (const int16_t *end = scores + c; scores <= end; trans += c)
        high = tl_near_max(high, *scores++ + *trans);
    *best = sat(sat(high) + *x);
}

static inline int32_t settle_each(int16_t *scores, const int16_t *best, const int16_t *end, int32_t c)
{
    int32_t top = -32768, label = 0, high = -32768;
    for (int32_t to = 0; to < c; to++)
        top = tl_near_max(top, best[to]);
    for (int32_t to = 0; to < c; to++) {
        int16_t now = sat(best[to] - top), total = sat(now + end[to]);
        int32_t higher = tl_near_less(high, total);
        scores[to] = now;
        label = tl_select(higher, to, label);
        high = tl_near_max(high, total);
    }
    return label;
}

void tl_viterbi_s16(uint8_t *y, const int16_t *x, const int16_t *trans, const int16_t *end, int16_t *scores,
                    int16_t *best, int32_t t, int32_t c)
{
    for (int32_t i = 0; i < t; i++, x += c) {
        /* The last labels at once overlap those before: fewer would cost nearly as much. */
#ifdef TL_DSP
        if (c >= 6)
            for (int32_t to = 0; to < c; to += 6) {
                int32_t first = tl_min(to, c - 6);
                reach6(best + first, scores, trans + first, x + first, c);
            }
        else if (c >= 2)
            for (int32_t to = 0; to < c; to += 2) {
                int32_t first = tl_min(to, c - 2);
                reach2(best + first, scores, trans + first, x + first, c);
            }
        else
            reach(best, scores, trans, x, c);
        *y++ = (uint8_t)(c >= 2 ? settle(scores, best, end, c) : settle_each(scores, best, end, c));
#else
        if (c >= 4)
            for (int32_t to = 0; to < c; to += 4) {
                int32_t first = tl_min(to, c - 4);
                reach4(best + first, scores, trans + first, x + first, c);
            }
        else
            for (int32_t to = 0; to < c; to++)
                reach(best + to, scores, trans + to, x + to, c);
        *y++ = (uint8_t)settle_each(scores, best, end, c);
#endif
        scores[c] = -32768;
    }
}

TL_STEP(viterbi_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i)
