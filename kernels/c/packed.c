#include "packed.h"
#include "step.h"

/* Linear layers on weights packed for cores with the DSP extension (Armv7E-M, Armv8-M): see tinyloc.h for the layout.
 *
 * A half-word holds 256 w1 + w0 of two neighbors.  With b = x1 - 127 and a = 256 x0 - b, which fit 16 bits for every int8
 * x0 and x1, (256 w1 + w0) b + w0 a = 256 (w1 b + w0 x0): one dual product of the words as they lie, one of their low
 * bytes sign-extended, and so one unpacking serves four products.  The 127 sum w1 is in the bias. */

#ifdef TL_DSP

/* pairs[2q], pairs[2q+1] = b of elements 1 and 3, a of elements 0 and 2 of x[4q .. 4q+3]; beyond k, as if x were 0. */
static inline __attribute__((always_inline)) void prepare(uint32_t *pairs, const int8_t *x, int32_t k)
{
    uint32_t v, b;
#define PAIRS                            \
    "ldr %[v], [%[x]], #4\n"             \
    "sxtb16 %[b], %[v], ror #8\n"        \
    "and %[v], %[high], %[v], lsl #8\n"  \
    "ssub16 %[b], %[b], %[c]\n"          \
    "ssub16 %[v], %[v], %[b]\n"          \
    "strd %[b], %[v], [%[p]], #8\n"
#define ROUNDS(text, end)                                                                  \
    __asm__ volatile("1:\n" text "cmp %[x], %[e]\nbne 1b\n"                                \
                     : [x] "+r"(x), [p] "+r"(pairs), [v] "=&r"(v), [b] "=&r"(b)            \
                     : [high] "r"(0xff00ff00u), [c] "r"(0x007f007fu), [e] "r"(end)         \
                     : "cc", "memory")
    if (k >= 8)
        ROUNDS(PAIRS PAIRS, x + (k & ~7));
    if (k & 4)
        ROUNDS(PAIRS, x + 4);
#undef PAIRS
#undef ROUNDS
    if (k & 3) {
        int32_t x1 = (k & 2) ? x[1] : 0, x2 = (k & 3) == 3 ? x[2] : 0, b0 = x1 - 127, b1 = -127;
        pairs[0] = (uint32_t)(b0 & 0xffff) | (uint32_t)b1 << 16;
        pairs[1] = (uint32_t)((256 * x[0] - b0) & 0xffff) | (uint32_t)(256 * x2 - b1) << 16;
    }
}

#define QUAD                          \
    "ldmia r10!, {r4, r5, r6, r7}\n"  \
    "ldrd r8, r9, [r11], #8\n"        \
    "smlad r0, r4, r8, r0\n"          \
    "smlad r1, r5, r8, r1\n"          \
    "smlad r2, r6, r8, r2\n"          \
    "smlad r3, r7, r8, r3\n"          \
    "sxtb16 r4, r4\n"                 \
    "sxtb16 r5, r5\n"                 \
    "sxtb16 r6, r6\n"                 \
    "sxtb16 r7, r7\n"                 \
    "smlad r0, r4, r9, r0\n"          \
    "smlad r1, r5, r9, r1\n"          \
    "smlad r2, r6, r9, r2\n"          \
    "smlad r3, r7, r9, r3\n"

/* SOME takes any number of quads, FOURS multiples of four; both give 256 times the sums. */
#define SOME                       \
    "cmp r11, r12\n"               \
    "beq 3f\n"                     \
    "2:\n" QUAD QUAD QUAD QUAD     \
    "cmp r11, r12\n"               \
    "bne 2b\n"                     \
    "3: ldr r12, [lr, #24]\n"      \
    "cmp r11, r12\n"               \
    "beq 5f\n"                     \
    "4:\n" QUAD                    \
    "cmp r11, r12\n"               \
    "bne 4b\n"
#define FOURS                      \
    "2:\n" QUAD QUAD QUAD QUAD     \
    "cmp r11, r12\n"               \
    "bne 2b\n"

TL_OUTPUTS_S8(some_s8, SOME, "7")
TL_OUTPUTS_S8(fours_s8, FOURS, "7")
TL_OUTPUTS_S16(outputs_s16, SOME, "7")

static inline void outputs_s8(tl_vector *v)
{
    if (v->end4 == v->end)
        fours_s8(v);
    else
        some_s8(v);
}

#else

static void prepare(uint32_t *pairs, const int8_t *x, int32_t k)
{
    for (int32_t j = 0; j < k; j += 4) {
        int32_t x1 = j + 1 < k ? x[j + 1] : 0, x2 = j + 2 < k ? x[j + 2] : 0, x3 = j + 3 < k ? x[j + 3] : 0;
        int32_t b0 = x1 - 127, b1 = x3 - 127;
        *pairs++ = (uint32_t)(b0 & 0xffff) | (uint32_t)b1 << 16;
        *pairs++ = (uint32_t)((256 * x[j] - b0) & 0xffff) | (uint32_t)(256 * x2 - b1) << 16;
    }
}

static inline int32_t low(uint32_t v) { return (int16_t)(v & 0xffff); }
static inline int32_t high(uint32_t v) { return (int16_t)(v >> 16); }

/* All outputs of one vector, of 8 bits or 16, four at a time */
TL_INLINE void outputs(tl_vector *v, int wide)
{
    while (v->n > 0) {
        int32_t acc[4] = {v->rows[0], v->rows[1], v->rows[2], v->rows[3]};
        for (const uint32_t *p = v->pairs; p < v->end; p += 2)
            for (int32_t r = 0; r < 4; r++, v->w += 4) {
                int32_t w0 = v->w[0], w1 = 256 * v->w[1] + (uint8_t)w0, w2 = v->w[2], w3 = 256 * v->w[3] + (uint8_t)w2;
                acc[r] = tl_add(acc[r], w1 * low(p[0]) + w3 * high(p[0]) + w0 * low(p[1]) + w2 * high(p[1]));
            }
        for (int32_t r = 0; r < 4; r++)
            acc[r] >>= 7;
        tl_packed_store(v, acc, wide);
    }
}

static void outputs_s8(tl_vector *v) { outputs(v, 0); }
static void outputs_s16(tl_vector *v) { outputs(v, 1); }

#endif

#define VECTOR(y) \
    {y, n, w, rows, pairs, pairs + 2 * (quads & ~3), pairs + 2 * quads, mult, offset, shift, per_row}

void tl_linear_packed_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                         int32_t groups, int32_t quads, int32_t n, int32_t k, int32_t mult, int32_t offset, int32_t shift,
                         int32_t per_row)
{
    tl_vector v = VECTOR(y);
    for (; t > 0; t--, x += k) {
        prepare(pairs, x, k);
        tl_begin(&v, w, rows, n);
        outputs_s8(&v);
    }
    (void)groups;
}

void tl_linear_packed_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                          int32_t groups, int32_t quads, int32_t n, int32_t k, int32_t mult, int32_t offset,
                          int32_t shift, int32_t per_row)
{
    tl_vector v = VECTOR(y);
    for (; t > 0; t--, x += k) {
        prepare(pairs, x, k);
        tl_begin(&v, w, rows, n);
        outputs_s16(&v);
    }
    (void)groups;
}

void tl_conv1d_packed_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int8_t *row,
                         int32_t t, int32_t groups, int32_t quads, int32_t n, int32_t d, int32_t k, int32_t t_in,
                         int32_t stride, int32_t pad_left, int32_t x_zp, int32_t mult, int32_t offset, int32_t shift,
                         int32_t per_row)
{
    tl_vector v = VECTOR(y);
    for (int32_t i = 0; i < t; i++) {
        int32_t first = i * stride - pad_left;
        const int8_t *taps = row;
        if (first >= 0 && first + k <= t_in)
            taps = x + first * d;
        else /* padding: the row is put together */
            for (int32_t j = 0; j < k; j++) {
                int32_t inside = first + j >= 0 && first + j < t_in;
                for (int32_t c = 0; c < d; c++)
                    row[j * d + c] = inside ? x[(first + j) * d + c] : (int8_t)x_zp;
            }
        prepare(pairs, taps, k * d);
        tl_begin(&v, w, rows, n);
        outputs_s8(&v);
    }
    (void)groups;
}

TL_STEP(linear_packed_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i)
TL_STEP(linear_packed_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i,
        a[11].i, a[12].i, a[13].i)
TL_STEP(conv1d_packed_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i, a[14].i, a[15].i, a[16].i, a[17].i, a[18].i, a[19].i)
