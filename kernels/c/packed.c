#include "fixed.h"
#include "step.h"

/* Linear layers on weights packed for cores with the DSP extension (Armv7E-M, Armv8-M): see tinyloc.h for the layout.
 *
 * A half-word holds 256 w1 + w0 of two neighbors.  With b = x1 - 127 and a = 256 x0 - b, which fit 16 bits for every int8
 * x0 and x1, (256 w1 + w0) b + w0 a = 256 (w1 b + w0 x0): one dual product of the words as they lie, one of their low
 * bytes sign-extended, and so one unpacking serves four products.  The 127 sum w1 is in the bias. */

/* What one vector needs; the assembler below knows the offsets. */
typedef struct {
    int8_t *y;              /*  0: moves on */
    const int8_t *w;        /*  4: moves on */
    const int32_t *rows;    /*  8: moves on */
    const uint32_t *pairs;  /* 12 */
    const uint32_t *end4;   /* 16: of the quads that are taken by fours */
    const uint32_t *end;    /* 20 */
    int32_t n;              /* 24: outputs left */
    int32_t mult, offset, shift, per_row; /* 28, 32, 36, 40: offset = 2^(shift-1) + zero point 2^shift */
} vector;

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && !defined(TL_PORTABLE)

/* pairs[2q], pairs[2q+1] = b of elements 1 and 3, a of elements 0 and 2 of x[4q .. 4q+3]; beyond k, as if x were 0. */
static inline __attribute__((always_inline)) void prepare(uint32_t *pairs, const int8_t *x, int32_t k)
{
    uint32_t v, b;
    const int8_t *end = x + (k & ~3);
    if (k >= 4)
        __asm__ volatile("1: ldr %[v], [%[x]], #4\n"
                         "sxtb16 %[b], %[v], ror #8\n"
                         "and %[v], %[high], %[v], lsl #8\n"
                         "ssub16 %[b], %[b], %[c]\n"
                         "ssub16 %[v], %[v], %[b]\n"
                         "cmp %[x], %[end]\n"
                         "strd %[b], %[v], [%[p]], #8\n"
                         "bne 1b\n"
                         : [x] "+r"(x), [p] "+r"(pairs), [v] "=&r"(v), [b] "=&r"(b)
                         : [high] "r"(0xff00ff00u), [c] "r"(0x007f007fu), [end] "r"(end)
                         : "cc", "memory");
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

/* All outputs of one vector, four rows at a time.  SMMULR of twice a value is SRDHM. */
static __attribute__((naked, noinline)) void outputs(vector *v)
{
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "mov lr, r0\n"
        "1: ldrd r11, r12, [lr, #12]\n"
        "ldr r10, [lr, #4]\n"
        "movs r0, #0\n"
        "movs r1, #0\n"
        "movs r2, #0\n"
        "cmp r11, r12\n"
        "mov r3, #0\n"
        "beq 3f\n"
        "2:\n" QUAD QUAD QUAD QUAD
        "cmp r11, r12\n"
        "bne 2b\n"
        "3: ldr r12, [lr, #20]\n"
        "cmp r11, r12\n"
        "beq 5f\n"
        "4:\n" QUAD
        "cmp r11, r12\n"
        "bne 4b\n"
        "5: str r10, [lr, #4]\n"
        "ldr r12, [lr, #8]\n"
        "ldr r10, [lr, #40]\n"
        "ldmia r12!, {r4-r7}\n"
        "add r0, r4, r0, asr #7\n"
        "add r1, r5, r1, asr #7\n"
        "add r2, r6, r2, asr #7\n"
        "add r3, r7, r3, asr #7\n"
        "cmp r10, #0\n"
        "bne 6f\n"
        "ldrd r4, r5, [lr, #28]\n"
        "ldr r6, [lr, #36]\n"
        "smmulr r0, r0, r4\n"
        "smmulr r1, r1, r4\n"
        "smmulr r2, r2, r4\n"
        "smmulr r3, r3, r4\n"
        "add r0, r0, r0, asr #31\n"
        "add r1, r1, r1, asr #31\n"
        "add r2, r2, r2, asr #31\n"
        "add r3, r3, r3, asr #31\n"
        "add r0, r0, r5\n"
        "add r1, r1, r5\n"
        "add r2, r2, r5\n"
        "add r3, r3, r5\n"
        "asrs r0, r6\n"
        "asrs r1, r6\n"
        "asrs r2, r6\n"
        "asrs r3, r6\n"
        "b 7f\n"
        "6: ldmia r12!, {r4-r7}\n"
        "smmulr r0, r0, r4\n"
        "smmulr r1, r1, r5\n"
        "smmulr r2, r2, r6\n"
        "smmulr r3, r3, r7\n"
        "ldmia r12!, {r4-r7}\n"
        "add r0, r0, r0, asr #31\n"
        "add r1, r1, r1, asr #31\n"
        "add r2, r2, r2, asr #31\n"
        "add r3, r3, r3, asr #31\n"
        "add r0, r0, r4\n"
        "ldr r4, [r12], #4\n"
        "add r1, r1, r5\n"
        "add r2, r2, r6\n"
        "add r3, r3, r7\n"
        "uxtb r5, r4\n"
        "ubfx r6, r4, #8, #8\n"
        "ubfx r7, r4, #16, #8\n"
        "lsrs r4, r4, #24\n"
        "asrs r0, r5\n"
        "asrs r1, r6\n"
        "asrs r2, r7\n"
        "asrs r3, r4\n"
        "7: str r12, [lr, #8]\n"
        "ldr r11, [lr]\n"
        "ldr r12, [lr, #24]\n"
        "ssat r0, #8, r0\n"
        "ssat r1, #8, r1\n"
        "ssat r2, #8, r2\n"
        "ssat r3, #8, r3\n"
        "subs r12, r12, #4\n"
        "blt 8f\n"
        "strb r1, [r11, #1]\n"
        "strb r2, [r11, #2]\n"
        "strb r3, [r11, #3]\n"
        "strb r0, [r11], #4\n"
        "str r12, [lr, #24]\n"
        "str r11, [lr]\n"
        "bne 1b\n"
        "pop {r4-r11, pc}\n"
        "8: strb r0, [r11], #1\n" /* one to three are left */
        "adds r12, r12, #3\n"
        "beq 9f\n"
        "strb r1, [r11], #1\n"
        "subs r12, r12, #1\n"
        "beq 9f\n"
        "strb r2, [r11], #1\n"
        "9: str r11, [lr]\n"
        "pop {r4-r11, pc}\n");
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

static void outputs(vector *v)
{
    for (; v->n > 0; v->n -= 4, v->rows += v->per_row ? 13 : 4) {
        int32_t acc[4] = {0, 0, 0, 0};
        for (const uint32_t *p = v->pairs; p < v->end; p += 2)
            for (int32_t r = 0; r < 4; r++, v->w += 4) {
                int32_t w0 = v->w[0], w1 = 256 * v->w[1] + (uint8_t)w0, w2 = v->w[2], w3 = 256 * v->w[3] + (uint8_t)w2;
                acc[r] += w1 * low(p[0]) + w3 * high(p[0]) + w0 * low(p[1]) + w2 * high(p[1]);
            }
        for (int32_t r = 0; r < 4 && r < v->n; r++) {
            const int32_t *own = v->rows + 4 + r;
            int32_t mult = v->per_row ? own[0] : v->mult, offset = v->per_row ? own[4] : v->offset;
            int32_t shift = v->per_row ? (v->rows[12] >> (8 * r)) & 255 : v->shift;
            int32_t p = tl_srdhm((acc[r] >> 8) + v->rows[r] / 2, mult);
            *v->y++ = tl_sat8((p + (p >> 31) + offset) >> shift);
        }
    }
}

#endif

void tl_linear_packed_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                         int32_t groups, int32_t quads, int32_t n, int32_t k, int32_t mult, int32_t offset, int32_t shift,
                         int32_t per_row)
{
    vector v = {y, w, rows, pairs, pairs + 2 * (quads & ~3), pairs + 2 * quads, n, mult, offset, shift, per_row};
    for (; t > 0; t--, x += k) {
        prepare(pairs, x, k);
        v.w = w;
        v.rows = rows;
        v.n = n;
        outputs(&v);
    }
    (void)groups;
}

TL_STEP(linear_packed_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i)
