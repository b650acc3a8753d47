#include "dot4.h"
#include "matmul.h"
#include "step.h"

#ifdef TL_DSP

/* Two rows of a times two columns of b at a time.  Of every four elements a0..a3 of both rows, pairs hold the half-words
 * (a0, a2) and (a1, a3) of 2 (a - a_zp); a word of b gives (b0, b2) and (b1, b3) by two sign extensions, and each serves
 * both rows.  sum 2 (a - a_zp) (b - b_zp) starts at -b_zp sum 2 (a - a_zp); SMMULR of twice a value is SRDHM.  Where k is
 * no multiple of four, the last four overlap those before, with zeros for a: nothing beyond b is read. */

/* e, o = (v0, v2), (v1, v3) of 2 (v - zp), masked; z = -2 zp twice; total grows by their sum */
#define WIDEN                                \
    "sxtab16 %[e], %[z], %[v]\n"             \
    "sxtab16 %[o], %[z], %[v], ror #8\n"     \
    "sxtab16 %[e], %[e], %[v]\n"             \
    "sxtab16 %[o], %[o], %[v], ror #8\n"

/* pairs (e, o of the row, then four words further on) of one row of k elements; returns their sum. */
static __attribute__((noinline)) int32_t prepare(uint32_t *pairs, const int8_t *a, int32_t k, int32_t zp)
{
    uint32_t v, e, o, z = (uint32_t)(-2 * zp & 0xffff) * 0x00010001u, one = 0x00010001u;
    int32_t total = 0, rest = k & 3;
    const int8_t *end = a + (k - rest);
    __asm__ volatile("1: ldr %[v], [%[a]], #4\n" WIDEN
                     "cmp %[a], %[end]\n"
                     "smlad %[total], %[e], %[one], %[total]\n"
                     "strd %[e], %[o], [%[p]], #16\n"
                     "smlad %[total], %[o], %[one], %[total]\n"
                     "bne 1b\n"
                     : [a] "+r"(a), [p] "+r"(pairs), [total] "+r"(total), [v] "=&r"(v), [e] "=&r"(e), [o] "=&r"(o)
                     : [z] "r"(z), [one] "r"(one), [end] "r"(end)
                     : "cc", "memory");
    if (rest) {
        __asm__ volatile("ldr %[v], [%[a]]\n" WIDEN
                         : [v] "=&r"(v), [e] "=&r"(e), [o] "=&r"(o)
                         : [a] "r"(a - 4 + rest), [z] "r"(z)
                         : "memory");
        e &= rest > 1 ? 0xffff0000u : 0;
        o &= rest > 2 ? 0xffffffffu : 0xffff0000u;
        __asm__("smlad %0, %1, %2, %0" : "+r"(total) : "r"(e), "r"(one));
        __asm__("smlad %0, %1, %2, %0" : "+r"(total) : "r"(o), "r"(one));
        pairs[0] = e;
        pairs[1] = o;
    }
    return total;
}

#define START /* r4: the tl_product */       \
    "ldmia r4, {r0, r1, r11, r12, lr}\n"     \
    "mov r2, r0\n"                           \
    "mov r3, r1\n"

/* r0-r3: (row 0, row 1) of column 0, of column 1 */
#define FINISH                               \
    "ldrd r5, r6, [r4, #24]\n"               \
    "ldrd r7, r8, [r4, #32]\n"               \
    "ldr r9, [r4, #40]\n"                    \
    "smmulr r0, r0, r5\n"                    \
    "smmulr r1, r1, r5\n"                    \
    "smmulr r2, r2, r5\n"                    \
    "smmulr r3, r3, r5\n"                    \
    "ldr r5, [r4, #52]\n"                    \
    "add r0, r0, r0, asr #31\n"              \
    "add r1, r1, r1, asr #31\n"              \
    "add r2, r2, r2, asr #31\n"              \
    "add r3, r3, r3, asr #31\n"              \
    "add r0, r0, r6\n"                       \
    "add r1, r1, r6\n"                       \
    "add r2, r2, r6\n"                       \
    "add r3, r3, r6\n"                       \
    "ldrd r9, r6, [r4, #40]\n"               \
    "asrs r0, r7\n"                          \
    "asrs r1, r7\n"                          \
    "asrs r2, r7\n"                          \
    "asrs r3, r7\n"                          \
    "ssat r0, #8, r0\n"                      \
    "ssat r1, #8, r1\n"                      \
    "ssat r2, #8, r2\n"                      \
    "ssat r3, #8, r3\n"                      \
    "add r9, r9, r8\n"                       \
    "strb r0, [r8]\n"                        \
    "strb r2, [r8, r6]\n"                    \
    "add r8, r8, r6, lsl #1\n"               \
    "strb r1, [r9]\n"                        \
    "strb r3, [r9, r6]\n"                    \
    "cmp r8, r5\n"                           \
    "str r8, [r4, #36]\n"

#define ROWS                                 \
    "ldmia r11!, {r4-r7}\n"                  \
    "ldr r8, [r10, r12]\n"                   \
    "sxtb16 r9, r8\n"                        \
    "sxtb16 r8, r8, ror #8\n"                \
    "smlad r2, r4, r9, r2\n"                 \
    "smlad r3, r6, r9, r3\n"                 \
    "smlad r2, r5, r8, r2\n"                 \
    "smlad r3, r7, r8, r3\n"                 \
    "ldr r8, [r10], #4\n"                    \
    "sxtb16 r9, r8\n"                        \
    "sxtb16 r8, r8, ror #8\n"                \
    "smlad r0, r4, r9, r0\n"                 \
    "smlad r1, r6, r9, r1\n"                 \
    "smlad r0, r5, r8, r0\n"                 \
    "smlad r1, r7, r8, r1\n"

/* b_k = 1: both columns are rows of b. */
static TL_NAKED void by_rows(tl_product *v __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n"
        "push {r0, r4-r11, lr}\n"
        "mov r4, r0\n"
        "ldr r10, [r0, #20]\n"
        "1: " START
        "sub r4, lr, r11\n" /* two quads a round, and an odd one first */
        "tst r4, #16\n"
        "bne 3f\n"
        "2: " ROWS
        "3: " ROWS
        "cmp r11, lr\n"
        "bne 2b\n"
        "ldr r4, [sp]\n"
        "ldr r5, [r4, #48]\n"
        "cbz r5, 4f\n"
        "sub r10, r10, r5\n" ROWS
        "ldr r4, [sp]\n"
        "4: add r10, r10, r12\n" FINISH
        "bne 1b\n"
        "pop {r3, r4-r11, pc}\n");
}

#define COLUMN_PAIR(e0, e1, first, second)   \
    "ldrh r8, " first "\n"                   \
    "ldrh r9, " second "\n"                  \
    "orr r8, r8, r9, lsl #16\n"              \
    "sxtb16 r9, r8\n"                        \
    "sxtb16 r8, r8, ror #8\n"                \
    "smlad r0, " e0 ", r9, r0\n"             \
    "smlad r1, " e1 ", r9, r1\n"             \
    "smlad r2, " e0 ", r8, r2\n"             \
    "smlad r3, " e1 ", r8, r3\n"
#define COLUMNS /* r12: stride, lr: three of them */                         \
    "ldmia r11!, {r4-r7}\n"                                                  \
    COLUMN_PAIR("r4", "r6", "[r10]", "[r10, r12, lsl #1]")                   \
    COLUMN_PAIR("r5", "r7", "[r10, r12]", "[r10, lr]")                       \
    "add r10, r10, r12, lsl #2\n"

/* b_n = 1: the columns are neighbors. */
static TL_NAKED void by_columns(tl_product *v __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n"
        "push {r0, r4-r11, lr}\n"
        "ldr r1, [r0, #56]\n"
        "mov r4, r0\n"
        "ldr r10, [r0, #20]\n"
        "str r1, [sp, #-8]!\n"
        "1: " START
        "2: " COLUMNS
        "ldr r8, [sp]\n"
        "cmp r11, r8\n"
        "bne 2b\n"
        "ldr r4, [sp, #8]\n"
        "ldr r5, [r4, #48]\n"
        "cbz r5, 3f\n"
        "sub r10, r10, r5\n" COLUMNS
        "ldr r4, [sp, #8]\n"
        "3: ldr r5, [r4, #60]\n"
        "sub r10, r10, r5\n" FINISH
        "bne 1b\n"
        "add sp, sp, #12\n"
        "pop {r4-r11, pc}\n");
}

/* Whether there is room: sums of 2 (a - a_zp) (b - b_zp) below 2^31, a right shift, the zero point above it. */
static inline int32_t has_room(const tl_product *v)
{
    return v->n >= 2 && v->k >= 4 && v->k <= 16384 && v->shift <= -1 && v->shift >= -20 &&
           (v->b_n == 1 || (v->b_k == 1 && v->b_n == v->k));
}

static inline void open_pairs(tl_product *v)
{
    int32_t rest = v->k & 3, right = -v->shift & 31;
    v->end = v->pairs + (v->k - rest);
    v->stride = v->b_n == 1 ? v->b_k : v->b_n;
    v->last = v->b_n == 1 ? 3 * (uintptr_t)v->b_k : (uintptr_t)v->end;
    v->home = tl_mul(v->k, v->b_k) - 2;
    v->right = right;
    v->offset = tl_add((int32_t)(((uint32_t)1 << right) >> 1), tl_shl(v->y_zp, right));
    v->back = rest ? tl_mul(4 - rest, v->b_k) : 0;
}

/* y of two rows of a, the second one `second` bytes further on */
static inline void two_rows(tl_product *v, int8_t *y, const int8_t *a, int32_t second)
{
    v->start0 = -v->b_zp * prepare(v->pairs, a, v->k, v->a_zp);
    v->start1 = -v->b_zp * prepare(v->pairs + 2, a + second, v->k, v->a_zp);
    v->y_column = 1;
    v->y = y;
    v->y_end = y + (v->n & ~1);
    v->at = v->b;
    for (int32_t part = v->n & 1;; part = 0) { /* the last of an odd number of columns: with the one before, again */
        if (v->b_n == 1)
            by_columns(v);
        else
            by_rows(v);
        if (!part)
            return;
        v->y = v->y_end - 1;
        v->y_end += 1;
        v->at = v->b + (v->n - 2) * v->b_n;
    }
}

static inline int32_t by_pairs(tl_product *v, int8_t *y, const int8_t *a, int32_t m)
{
    if (!has_room(v))
        return 0;
    v->y_row = m > 1 ? v->n : 0; /* one row alone is both */
    for (; m > 1; m -= 2, a += 2 * v->k, y += 2 * v->n)
        two_rows(v, y, a, v->k);
    if (m) {
        int32_t odd = v->y_row != 0; /* the last of an odd number: with the one before, again */
        two_rows(v, odd ? y - v->n : y, odd ? a - v->k : a, odd ? v->k : 0);
    }
    return 1;
}

/* Columns of b that are prepared serve all rows of a, which are then read as they lie: what by_rows does with rows and
 * columns, and so a and b, exchanged. */
typedef struct {
    int32_t total0, total1;
} sums;

/* Four elements of two neighboring columns, widened by z = -2 zp twice, without those that are masked */
TL_INLINE sums widen_columns(uint32_t *pairs, const int8_t *b, int32_t step, uint32_t z, uint32_t even, uint32_t odd, sums s)
{
    uint16_t b0, b1, b2, b3;
    uint32_t v, w, e0, o0, e1, o1, one = 0x00010001u;
    __builtin_memcpy(&b0, b, 2);
    __builtin_memcpy(&b1, b + step, 2);
    __builtin_memcpy(&b2, b + 2 * step, 2);
    __builtin_memcpy(&b3, b + 3 * step, 2);
    v = b0 | (uint32_t)b2 << 16;
    w = b1 | (uint32_t)b3 << 16;
    TL_ADD_EVEN(e0, z, v);
    TL_ADD_EVEN(o0, z, w);
    TL_ADD_ODD(e1, z, v);
    TL_ADD_ODD(o1, z, w);
    TL_ADD_EVEN(e0, e0, v);
    TL_ADD_EVEN(o0, o0, w);
    TL_ADD_ODD(e1, e1, v);
    TL_ADD_ODD(o1, o1, w);
    pairs[0] = e0 &= even;
    pairs[1] = o0 &= odd;
    pairs[2] = e1 &= even;
    pairs[3] = o1 &= odd;
    __asm__("smlad %0, %1, %2, %0" : "+r"(s.total0) : "r"(e0), "r"(one));
    __asm__("smlad %0, %1, %2, %0" : "+r"(s.total1) : "r"(e1), "r"(one));
    __asm__("smlad %0, %1, %2, %0" : "+r"(s.total0) : "r"(o0), "r"(one));
    __asm__("smlad %0, %1, %2, %0" : "+r"(s.total1) : "r"(o1), "r"(one));
    return s;
}

static TL_NOINLINE void prepare_columns(tl_product *v, const int8_t *b)
{
    uint32_t *pairs = v->pairs, z = TL_PAIR(-2 * v->b_zp);
    int32_t step = v->b_k, rest = v->k & 3;
    sums s = {0, 0};
    for (const uint32_t *end = v->pairs + 4 * (v->k / 4); pairs != end; pairs += 4, b += 4 * step)
        s = widen_columns(pairs, b, step, z, ~0u, ~0u, s);
    if (rest)
        s = widen_columns(pairs, b - (4 - rest) * step, step, z, rest > 1 ? 0xffff0000u : 0, rest > 2 ? ~0u : 0xffff0000u, s);
    v->start0 = -v->a_zp * s.total0;
    v->start1 = -v->a_zp * s.total1;
}

static inline int32_t exchanged(tl_product *v, int8_t *y, const int8_t *a, int32_t m)
{
    int32_t n = v->n, rest = v->k & 3;
    if (m < 2 || v->b_n != 1 || !has_room(v))
        return 0;
    v->stride = v->k;
    v->last = (uintptr_t)v->end;
    v->back = rest ? 4 - rest : 0;
    v->y_row = 1;
    v->y_column = n;
    for (int32_t o = 0; o < n; o += 2) {
        o -= o + 1 == n; /* the last of an odd number: with the one before, again; the same for rows */
        prepare_columns(v, v->b + o);
        v->y = y + o;
        v->y_end = y + o + (m & ~1) * n;
        v->at = a;
        by_rows(v);
        if (m & 1) {
            v->y = v->y_end - n;
            v->y_end += n;
            v->at = a + (m - 2) * v->k;
            by_rows(v);
        }
    }
    return 1;
}

#if defined(__clang__)
#define RARE __attribute__((noinline, minsize))
#else
#define RARE __attribute__((noinline, cold))
#endif

#else

#define RARE

static inline void open_pairs(tl_product *v) { (void)v; }

static inline int32_t by_pairs(tl_product *v, int8_t *y, const int8_t *a, int32_t m)
{
    (void)v, (void)y, (void)a, (void)m;
    return 0;
}

static inline int32_t exchanged(tl_product *v, int8_t *y, const int8_t *a, int32_t m)
{
    (void)v, (void)y, (void)a, (void)m;
    return 0;
}

#endif

void tl_product_open(tl_product *v, const int8_t *b, uint32_t *pairs, int32_t n, int32_t k, int32_t a_zp, int32_t b_zp,
                     int32_t y_zp, int32_t b_n, int32_t b_k, int32_t mult, int32_t shift)
{
    v->b = b;
    v->pairs = pairs;
    v->n = n;
    v->k = k;
    v->a_zp = a_zp;
    v->b_zp = b_zp;
    v->y_zp = y_zp;
    v->b_n = b_n;
    v->b_k = b_k;
    v->mult = mult;
    v->shift = shift;
    open_pairs(v);
}

#ifdef TL_DOT4

/* pairs hold a row of a - a_zp, whose sum the zero point of b is multiplied with. */
static void plain(const tl_product *v, int8_t *y, const int8_t *a, int32_t m)
{
    int32_t *wide = (int32_t *)v->pairs, n = v->n, k = v->k, b_k = v->b_k;
    for (; m > 0; m--, a += k, y += n) {
        int32_t start = 0;
        for (int32_t j = 0; j < k; j++)
            start += wide[j] = a[j] - v->a_zp; /* |start| <= 255 k < 2^24 */
        start *= -v->b_zp;
        for (int32_t o = 0, group; o < n; o += group) {
            int32_t sums[4] = {start, start, start, start};
            const int8_t *b;
            const int32_t *sum;
            group = tl_group(&o, n);
            b = v->b + o * v->b_n;
            if (group > 1)
                tl_dot4_wide(sums, wide, b, k, v->b_n, b_k);
            else
                for (int32_t j = 0; j < k; j++, b += b_k)
                    sums[0] = tl_add(sums[0], wide[j] * *b);
            sum = tl_unsized(sums);
            for (int32_t at = o; at < o + group; at++)
                y[at] = tl_sat8(tl_add(v->y_zp, tl_mbqm(*sum++, v->mult, v->shift)));
        }
    }
}

#else

/* The formula as it stands: all that other cores have, what is left over on those with pairs. */
static RARE void plain(const tl_product *v, int8_t *y, const int8_t *a, int32_t m)
{
    const int8_t *b = v->b;
    int32_t n = v->n, k = v->k, a_zp = v->a_zp, b_zp = v->b_zp, y_zp = v->y_zp, b_n = v->b_n, b_k = v->b_k;
    int32_t mult = v->mult, shift = v->shift;
    for (int32_t i = 0; i < m; i++, a += k)
        for (int32_t o = 0; o < n; o++) {
            int32_t acc = 0;
            for (int32_t j = 0; j < k; j++)
                acc += (a[j] - a_zp) * (b[o * b_n + j * b_k] - b_zp); /* |acc| <= k * 255^2 < 2^31 */
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, mult, shift)));
        }
}

#endif

void tl_product_rows(tl_product *v, int8_t *y, const int8_t *a, int32_t m)
{
    if (!by_pairs(v, y, a, m))
        plain(v, y, a, m);
}

void tl_matmul_s8(int8_t *y, const int8_t *a, const int8_t *b, uint32_t *pairs, int32_t m, int32_t n, int32_t k,
                  int32_t a_zp, int32_t b_zp, int32_t y_zp, int32_t b_n, int32_t b_k, int32_t mult, int32_t shift)
{
    tl_product v;
    tl_product_open(&v, b, pairs, n, k, a_zp, b_zp, y_zp, b_n, b_k, mult, shift);
    if (!exchanged(&v, y, a, m))
        tl_product_rows(&v, y, a, m);
}

TL_STEP(matmul_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i)
