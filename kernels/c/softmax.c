#include "fixed.h"
#include "step.h"

/* Exponentials come from a table of one entry a difference from the row's maximum, so that an element costs two look-ups
 * and one product.  With e in Q0 and scale the reciprocal of their sum, TFLM's two roundings are one floor:
 * RDBPOT(SRDHM(scale, e), s) = floor((scale e + 2^30 + 2^(30+s)) / 2^(31+s)), as nothing is negative. */

#ifdef TL_DSP

/* a b / 2^32 to the nearest, ties up: SRDHM(a, b / 2) */
static inline int32_t smmulr(int32_t a, int32_t b)
{
    int32_t r;
    __asm__("smmulr %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

/* 1 / (1 + a) in Q0 for a >= 0 in Q0: three Newton steps in Q2; 1 becomes 1 - 2^-31.  2x fits: before the last step
 * x < 2^30. */
static inline int32_t one_over_one_plus(int32_t a)
{
    int32_t half = (a >> 1) + (1 << 30);
    int32_t x = 1515870810 + smmulr(half, 2 * -1010580540);
    for (int32_t i = 0; i < 3; i++)
        x += smmulr(x, 2 * ((1 << 29) - smmulr(half, 2 * x))) * 4;
    __asm__("qadd %0, %0, %0" : "+r"(x));
    return x;
}

static inline int32_t leading_zeros(uint32_t x) { return __builtin_clz(x); }

/* The greatest of n codes, four at a time. */
static inline int32_t greatest(const int8_t *x, int32_t n)
{
    uint32_t top = 0x80808080u, v, m;
    int32_t best = -128;
    for (; n & 3; n--)
        best = tl_max(best, *x++);
#define GREATER                           \
    "ssub8 %[m], %[top], %[v]\n"          \
    "sel %[top], %[top], %[v]\n"
    if (n)
        __asm__ volatile("1: ldr %[v], [%[x]], #4\n" GREATER
                         "cmp %[x], %[end]\n"
                         "bne 1b\n"
                         "ror %[v], %[top], #16\n" GREATER
                         "ror %[v], %[top], #8\n" GREATER
                         : [x] "+r"(x), [top] "+r"(top), [v] "=&r"(v), [m] "=&r"(m)
                         : [end] "r"(x + n)
                         : "cc", "memory");
#undef GREATER
    return tl_max(best, (int8_t)(top & 0xff));
}

/* y = min(top - x, last); returns the sum of the differences' exponentials in Q12 (RDBPOT by 12). */
static inline int32_t sum(int8_t *y, const int8_t *x, const int32_t *table, int32_t n, int32_t top, int32_t last)
{
    uint32_t v, i, tops = (uint32_t)(top & 0xff) * 0x01010101u, lasts = (uint32_t)last * 0x01010101u;
    int32_t total = 0;
    for (; n & 3; n--) {
        int32_t d = tl_min(top - *x++, last);
        total += (int32_t)(((uint32_t)table[d] + 2048) >> 12);
        *y++ = (int8_t)d;
    }
#define ADD                                  \
    "ldr %[i], [%[table], %[i], lsl #2]\n"   \
    "smmlar %[total], %[i], %[q], %[total]\n"
    if (n)
        __asm__ volatile("1: ldr %[v], [%[x]], #4\n"
                         "usub8 %[v], %[tops], %[v]\n"
                         "uqsub8 %[i], %[v], %[lasts]\n"
                         "usub8 %[v], %[v], %[i]\n"
                         "uxtb %[i], %[v]\n" ADD
                         "uxtb %[i], %[v], ror #8\n" ADD
                         "uxtb %[i], %[v], ror #16\n" ADD
                         "lsr %[i], %[v], #24\n" ADD
                         "str %[v], [%[y]], #4\n"
                         "cmp %[x], %[end]\n"
                         "bne 1b\n"
                         : [x] "+r"(x), [y] "+r"(y), [total] "+r"(total), [v] "=&r"(v), [i] "=&r"(i)
                         : [table] "r"(table), [tops] "r"(tops), [lasts] "r"(lasts), [q] "r"(1 << 20), [end] "r"(x + n)
                         : "cc", "memory");
#undef ADD
    return total;
}

/* y = softmax of the differences in y; s = shift + 1. */
static inline void divide(int8_t *y, const int32_t *table, int32_t n, int32_t scale, int32_t shift)
{
    uint32_t v, a, b, c, half = (uint32_t)1 << (shift - 1);
    for (; n & 3; n--, y++) {
        uint64_t p = (uint64_t)(uint32_t)scale * (uint32_t)table[(uint8_t)*y] + (1u << 30);
        *y = (int8_t)(tl_min((int32_t)(((uint32_t)(p >> 32) + half) >> shift), 255) - 128);
    }
#define QUOTIENT(r)                        \
    "ldr " r ", [%[table], " r ", lsl #2]\n" \
    "umull %[c], " r ", %[scale], " r "\n" \
    "cmn %[c], #0x40000000\n"              \
    "adc " r ", " r ", %[half]\n"          \
    "lsr " r ", " r ", %[shift]\n"
    if (n)
        __asm__ volatile("1: ldr %[v], [%[y]]\n"
                         "uxtb %[a], %[v], ror #16\n" QUOTIENT("%[a]")
                         "uxtb %[b], %[v]\n" QUOTIENT("%[b]")
                         "orr %[a], %[b], %[a], lsl #16\n"
                         "lsr %[b], %[v], #24\n" QUOTIENT("%[b]")
                         "uxtb %[v], %[v], ror #8\n" QUOTIENT("%[v]")
                         "orr %[b], %[v], %[b], lsl #16\n"
                         "usat16 %[a], #8, %[a]\n"
                         "usat16 %[b], #8, %[b]\n"
                         "orr %[a], %[a], %[b], lsl #8\n"
                         "eor %[a], %[a], #0x80808080\n"
                         "str %[a], [%[y]], #4\n"
                         "cmp %[y], %[end]\n"
                         "bne 1b\n"
                         : [y] "+r"(y), [v] "=&r"(v), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c)
                         : [table] "r"(table), [scale] "r"(scale), [half] "r"(half), [shift] "r"(shift), [end] "r"(y + n)
                         : "cc", "memory");
#undef QUOTIENT
}

#else

/* 1 / (1 + a) in Q0 for a >= 0 in Q0: three Newton steps in Q2; 1 becomes 1 - 2^-31. */
static int32_t one_over_one_plus(int32_t a)
{
    int32_t half = (a >> 1) + (1 << 30);
    int32_t x = 1515870810 + tl_srdhm(half, -1010580540);
    for (int32_t i = 0; i < 3; i++)
        x += tl_shl(tl_srdhm(x, (1 << 29) - tl_srdhm(half, x)), 2);
    return tl_select(tl_less(x, 1 << 30), tl_shl(x, 1), INT32_MAX);
}

/* Zero bits above the highest one of x > 0. */
static inline int32_t leading_zeros(uint32_t x)
{
    int32_t n = 0;
    for (int32_t s = 16; s > 0; s >>= 1) {
        int32_t shift = tl_is_zero((int32_t)(x >> (32 - s))) & s;
        n += shift;
        x <<= shift;
    }
    return n;
}

static inline int32_t greatest(const int8_t *x, int32_t n)
{
    int32_t best = -128;
    for (; n > 0; n--)
        best = tl_max(best, *x++);
    return best;
}

/* y = min(top - x, last); returns the sum of the differences' exponentials in Q12 (RDBPOT by 12). */
static inline int32_t sum(int8_t *y, const int8_t *x, const int32_t *table, int32_t n, int32_t top, int32_t last)
{
    int32_t total = 0;
    for (; n > 0; n--) {
        int32_t d = tl_min(top - *x++, last);
        total += (int32_t)(((uint32_t)table[d] + 2048) >> 12);
        *y++ = (int8_t)d;
    }
    return total;
}

/* y = softmax of the differences in y; s = shift + 1. */
static inline void divide(int8_t *y, const int32_t *table, int32_t n, int32_t scale, int32_t shift)
{
    uint32_t half = (uint32_t)1 << (shift - 1);
    for (; n > 0; n--, y++) {
        uint64_t p = tl_umul64((uint32_t)scale, (uint32_t)table[(uint8_t)*y]) + (1u << 30);
        *y = (int8_t)(tl_min((int32_t)(((uint32_t)(p >> 32) + half) >> shift), 255) - 128);
    }
}

#endif

/* y may be x. */
void tl_softmax_s8(int8_t *y, const int8_t *x, const int32_t *table, int32_t t, int32_t n, int32_t size)
{
    for (; t > 0; t--, x += n, y += n) {
        int32_t total = sum(y, x, table, n, greatest(x, n), size - 1); /* in [2^19, n 2^19], below 2^28 */
        int32_t room = leading_zeros((uint32_t)total | 1);
        int32_t scale = one_over_one_plus((int32_t)(((uint32_t)total << room) - 0x80000000u));
        divide(y, table, n, scale, 34 - room);
    }
}

TL_STEP(softmax_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i, a[5].i)
