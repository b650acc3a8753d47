#include "dot4.h"
#include "mve.h"
#include "step.h"

/* A word of a row holds eight weights; plus 8 each, two of them lie 16 bits apart under a mask, n_i + 2^16 n_(i+4).  Times
 * 2^16 x_i + x_(i+4) that is n_i x_i + n_(i+4) x_(i+4) above and n_i x_(i+4) below: one product of words serves two columns.
 * Sums of sixteen columns fit: 16 * 15 * 128 < 2^15, and what is below, 8 * 15 * 128 at most, is made positive.  8 times the
 * sum of x comes off once for all rows. */
#define MASK 0x000f000fu
#define BELOW 0x8000u

enum { COLUMNS = 64, ROWS = 16 }; /* that are taken at once, where not all columns are */

/* pairs[4q+i] = 2^16 x[8q+i] + x[8q+i+4], beyond k <= COLUMNS as if x were 0; returns before + 8 times the sum of x. */
static TL_NOINLINE int32_t prepare(uint32_t *pairs, const int8_t *x, int32_t k, int32_t before)
{
    uint32_t sum = 0; /* of both halves: of 32 values each */
    int32_t below;
    for (; k > 7; k -= 8, x += 8)
        for (int32_t i = 0; i < 4; i++)
            sum += *pairs++ = ((uint32_t)x[i] << 16) + (uint32_t)x[i + 4];
    for (int32_t i = 0; i < 4 && k > 0; i++)
        sum += *pairs++ = ((uint32_t)(i < k ? x[i] : 0) << 16) + (uint32_t)(i + 4 < k ? x[i + 4] : 0);
    below = (int16_t)(sum & 0xffff);
    return before + 8 * (((int32_t)(sum - (uint32_t)below) >> 16) + below);
}

#ifdef TL_DOT1

#define UNUSED __attribute__((unused))

/* sums += those of the products of whole words, each weight plus 8, up to the pairs' end; of the rows up to the sums' end.
 * skip: bytes of a row behind them.  Two words make a sum of sixteen columns; of an odd number, the first is a second. */
#define WORDS(text)                                                                                             \
static TL_NAKED void words(int32_t *sums UNUSED, const int8_t *w UNUSED, const uint32_t *pairs UNUSED,          \
                           const uint32_t *end UNUSED, int32_t skip UNUSED, const int32_t *sums_end UNUSED)     \
{                                                                                                               \
    __asm__ volatile(".syntax unified\n" text);                                                                 \
}

#ifdef __thumb2__
#define LOADED(w, row) 1

/* r4-r7: pairs, r8: a word of w, r9: two weights, r10: sum of sixteen columns, r11: of all, r12: mask, lr: at the pairs */
#define OCTET                            \
    "ldr r8, [r1], #4\n"                 \
    "ldmia lr!, {r4-r7}\n"               \
    "eor r8, r8, #0x88888888\n"          \
    "and r9, r12, r8\n"                  \
    "mla r10, r9, r4, r10\n"             \
    "and r9, r12, r8, lsr #4\n"          \
    "mla r10, r9, r5, r10\n"             \
    "and r9, r12, r8, lsr #8\n"          \
    "mla r10, r9, r6, r10\n"             \
    "and r9, r12, r8, lsr #12\n"         \
    "mla r10, r9, r7, r10\n"

WORDS("push {r4-r11, lr}\n"
      "mov r12, #0x000f000f\n"
      "1: ldr r11, [r0]\n"
      "mov lr, r2\n"
      "mov r10, #0x8000\n"
      "subs r4, r3, r2\n"
      "lsls r4, r4, #27\n"
      "bmi 3f\n"
      "2:\n" OCTET
      "3:\n" OCTET
      "cmp lr, r3\n"
      "add r11, r11, r10, asr #16\n"
      "mov r10, #0x8000\n"
      "bne 2b\n"
      "ldrd r8, r9, [sp, #36]\n"
      "str r11, [r0], #4\n"
      "add r1, r1, r8\n"
      "cmp r0, r9\n"
      "bne 1b\n"
      "pop {r4-r11, pc}\n")

#else
#define LOADED(w, row) ((((uintptr_t)(w) | (uintptr_t)(row)) & 3) == 0) /* only such words can be */

/* r0: at the pairs, r2, r3: two of them, r4: a word of w, r5: two weights, r6: sum of sixteen columns, r7: mask, r12: sum of
 * all, lr: the eights */
#define TWO(weights, pair)               \
    weights "\n"                         \
    "ands r5, r7\n"                      \
    "muls r5, " pair ", r5\n"            \
    "adds r6, r6, r5\n"
#define OCTET                            \
    "ldmia r1!, {r4}\n"                  \
    "mov r5, lr\n"                       \
    "eors r4, r5\n"                      \
    "ldmia r0!, {r2, r3}\n"              \
    TWO("movs r5, r4", "r2")             \
    TWO("lsrs r5, r4, #4", "r3")         \
    "ldmia r0!, {r2, r3}\n"              \
    TWO("lsrs r5, r4, #8", "r2")         \
    TWO("lsrs r5, r4, #12", "r3")

WORDS("push {r0, r2-r7, lr}\n"
      "movs r5, #0x88\n"
      "lsls r6, r5, #8\n"
      "orrs r5, r6\n"
      "lsls r6, r5, #16\n"
      "orrs r5, r6\n"
      "mov lr, r5\n"
      "movs r7, #15\n"
      "lsls r6, r7, #16\n"
      "orrs r7, r6\n"
      "1: ldr r5, [sp]\n"
      "ldr r6, [r5]\n"
      "mov r12, r6\n"
      "ldr r0, [sp, #4]\n"
      "movs r6, #0x80\n"
      "lsls r6, r6, #8\n"
      "ldr r5, [sp, #8]\n"
      "subs r5, r5, r0\n"
      "lsls r5, r5, #27\n"
      "bmi 3f\n"
      "2:\n" OCTET
      "3:\n" OCTET
      "asrs r6, r6, #16\n"
      "add r12, r6\n"
      "movs r6, #0x80\n"
      "lsls r6, r6, #8\n"
      "ldr r5, [sp, #8]\n"
      "cmp r0, r5\n"
      "bne 2b\n"
      "ldr r5, [sp]\n"
      "mov r6, r12\n"
      "stmia r5!, {r6}\n"
      "str r5, [sp]\n"
      "ldr r6, [sp, #32]\n"
      "adds r1, r1, r6\n"
      "ldr r6, [sp, #36]\n"
      "cmp r5, r6\n"
      "bne 1b\n"
      "add sp, #12\n"
      "pop {r4-r7, pc}\n")
#endif
#endif

/* Sum of the products of a word, each weight plus 8 */
static inline int32_t products(uint32_t word, const uint32_t *pairs)
{
    uint32_t w = word ^ 0x88888888u;
    return (int32_t)(BELOW + (w & MASK) * pairs[0] + (w >> 4 & MASK) * pairs[1] + (w >> 8 & MASK) * pairs[2] +
                     (w >> 12 & MASK) * pairs[3]) >> 16;
}

#ifdef TL_ARMV6M /* where both loops in one function would leave no register to either */
#define DOT static TL_NOINLINE
#define REST TL_INLINE
#else
#define DOT static inline
#define REST static TL_NOINLINE
#endif

/* sum + that of the products of `bytes` bytes of a row, each weight plus 8; nothing behind them is read. */
DOT int32_t dot(int32_t sum, const uint8_t *w, const uint32_t *pairs, int32_t bytes)
{
    for (; bytes > 3; bytes -= 4, w += 4, pairs += 4)
        sum = tl_add(sum, products(w[0] | (uint32_t)w[1] << 8 | (uint32_t)w[2] << 16 | (uint32_t)w[3] << 24, pairs));
    if (bytes > 0) {
        int32_t middle = bytes / 2, last = bytes - 1;
        sum = tl_add(sum, products(w[0] | (uint32_t)w[middle] << middle * 8 | (uint32_t)w[last] << last * 8, pairs));
    }
    return sum;
}

/* The same of `count` rows */
REST void rest(int32_t *sums, const int8_t *w, const uint32_t *pairs, int32_t bytes, int32_t row, int32_t count)
{
    for (; count > 0; count--, sums++, w += row)
        *sums = dot(*sums, (const uint8_t *)w, pairs, bytes);
}

/* The same of k columns, whole words of them by the assembler */
TL_INLINE void dots(int32_t *sums, const int8_t *w, const uint32_t *pairs, int32_t k, int32_t row, int32_t count)
{
    int32_t bytes = (k + 1) / 2;
#ifdef TL_DOT1
    if (LOADED(w, row)) {
        int32_t whole = bytes & ~3;
        if (whole)
            words(sums, w, pairs, pairs + whole, row - whole, sums + count);
        pairs += whole;
        w += whole;
        bytes &= 3;
    }
#endif
    if (bytes > 0)
        rest(sums, w, pairs, bytes, row, count);
}

/* wide: to 16 bits, without a zero point */
TL_INLINE void linear(void *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t row, int32_t y_zp, int32_t bias_step,
                      int32_t mult_step, int wide)
{
    uint32_t pairs[COLUMNS / 2];
    int8_t *y8 = y;
    int16_t *y16 = y;
#ifdef TL_MVE
    if (n >= 4) {
        tl_linear4(y, x, w, bias, mult, shift, t, n, k, row, y_zp, bias_step, mult_step, 1, wide);
        return;
    }
#endif
    for (; t > 0; t--, x += k) {
        int32_t eights = 0, count;
        for (int32_t o = 0; o < n; o += count) {
            int32_t sums[ROWS], *sum = tl_unsized(sums), at = o * mult_step;
            count = tl_min(n - o, ROWS);
            for (int32_t r = 0, from = o * bias_step; r < count; r++, from += bias_step)
                sum[r] = bias[from];
            for (int32_t j = 0; j < k; j += COLUMNS) {
                int32_t part = tl_min(k - j, COLUMNS);
                if (o == 0 || k > COLUMNS)
                    eights = prepare(pairs, x + j, part, j ? eights : 0); /* |eights| <= k * 2^10 < 2^31 as k <= 2^17 */
                dots(sums, w + o * row + j / 2, pairs, part, row, count);
            }
            sum = tl_unsized(sums);
            for (int32_t r = count; r > 0; r--, at += mult_step) {
                int32_t made = tl_mbqm(tl_sub(*sum++, eights), mult[at], shift[at]);
                if (wide)
                    *y16++ = tl_sat16(made);
                else
                    *y8++ = tl_sat8(tl_add(y_zp, made));
            }
        }
    }
}

void tl_linear_w4_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                     const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t row, int32_t y_zp, int32_t bias_step,
                     int32_t mult_step)
{
    linear(y, x, w, bias, mult, shift, t, n, k, row, y_zp, bias_step, mult_step, 0);
}

void tl_linear_w4_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t row, int32_t bias_step,
                      int32_t mult_step)
{
    linear(y, x, w, bias, mult, shift, t, n, k, row, 0, bias_step, mult_step, 1);
}

TL_STEP(linear_w4_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i)
TL_STEP(linear_w4_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i)
