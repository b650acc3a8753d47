/* Products of one row with four others: what linear layers, convolutions and products of activations share on cores that
 * multiply one pair at a time (Armv6-M, Armv7-M).  Four rows share what it takes to load from the one and to count. */
#ifndef TL_DOT4_H
#define TL_DOT4_H

#include "fixed.h"

#if defined(__thumb__) && defined(__GNUC__) && !defined(TL_PORTABLE)
#define TL_DOT1 /* one row at a time has its assembler too */
#endif
#if defined(TL_DOT1) && !defined(TL_DSP)
#define TL_DOT4

/* sums[r] += x[0] w[r row] + ... + x[k-1] w[r row + k-1] modulo 2^32, for r = 0 to 3; k > 0 */
void tl_dot4(int32_t *sums, const int8_t *x, const int8_t *w, int32_t k, int32_t row);

/* The same for words x and elements of w that lie `step` bytes apart. */
void tl_dot4_wide(int32_t *sums, const int32_t *x, const int8_t *w, int32_t k, int32_t row, int32_t step);
#endif

/* How many of n rows to take next from row *o on: four or one.  Two or three that are left are taken with those before. */
static inline int32_t tl_group(int32_t *o, int32_t n)
{
#ifdef TL_DOT4
    int32_t four = n > 3 && n - *o > 1, group = four ? 4 : 1;
    *o = four && n - *o < 4 ? n - 4 : *o;
    return group;
#else
    (void)o, (void)n;
    return 1;
#endif
}

/* p, of which the compiler knows no size: gcc would write out the loop over a group. */
static inline int32_t *tl_unsized(int32_t *p)
{
#ifdef TL_DOT4
    __asm__("" : "+r"(p));
#endif
    return p;
}

/* tl_dot4 for a group of rows */
static inline void tl_group_dot(int32_t *sums, const int8_t *x, const int8_t *w, int32_t k, int32_t row, int32_t group)
{
    int32_t sum = sums[0];
#ifdef TL_DOT4
    if (group > 1) {
        tl_dot4(sums, x, w, k, row);
        return;
    }
#endif
    (void)row, (void)group;
#if defined(TL_DOT1) && defined(__thumb2__)
    int32_t a, b;
    const int8_t *end = x + k;
    __asm__ volatile("1: ldrsb %[a], [%[x]], #1\n"
                     "ldrsb %[b], [%[w]], #1\n"
                     "cmp %[x], %[end]\n"
                     "mla %[sum], %[a], %[b], %[sum]\n"
                     "bne 1b\n"
                     : [sum] "+r"(sum), [x] "+r"(x), [w] "+r"(w), [a] "=&r"(a), [b] "=&r"(b)
                     : [end] "r"(end)
                     : "cc", "memory");
#elif defined(TL_DOT1) /* an index that counts up to 0 needs no comparison */
    int32_t j = -k, a, b;
    __asm__ volatile(".syntax unified\n"
                     "1: ldrsb %[a], [%[x], %[j]]\n"
                     "ldrsb %[b], [%[w], %[j]]\n"
                     "muls %[b], %[a], %[b]\n"
                     "adds %[sum], %[sum], %[b]\n"
                     "adds %[j], %[j], #1\n"
                     "bne 1b\n"
                     : [sum] "+l"(sum), [j] "+l"(j), [a] "=&l"(a), [b] "=&l"(b)
                     : [x] "l"(x + k), [w] "l"(w + k)
                     : "cc", "memory");
#else
    for (int32_t j = 0; j < k; j++)
        sum += x[j] * w[j];
#endif
    sums[0] = sum;
}

#endif
