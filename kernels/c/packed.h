/* Linear layers on weights packed for cores with the DSP extension, of eight bits and of four: what becomes of the sums. */
#ifndef TL_PACKED_H
#define TL_PACKED_H

#include "fixed.h"

/* What one vector needs; the assembler knows the offsets. */
typedef struct {
    void *y;                /*  0: moves on */
    int32_t n;              /*  4: outputs left */
    const int8_t *w;        /*  8: moves on */
    const int32_t *rows;    /* 12: moves on */
    const uint32_t *pairs;  /* 16 */
    const uint32_t *end4;   /* 20: of the quads that are taken by fours */
    const uint32_t *end;    /* 24 */
    int32_t mult, offset, shift, per_row; /* 28, 32, 36, 40: offset = 2^(shift-1) + zero point 2^shift */
} tl_vector;

static inline void tl_begin(tl_vector *v, const int8_t *w, const int32_t *rows, int32_t n)
{
    v->w = w;
    v->rows = rows;
    v->n = n;
}

#ifdef TL_DSP

/* All outputs of one vector, four rows at a time, of `bits` bits and `size` bytes.
 *
 * `sums` is the assembler that differs: with lr at the vector, r10 at its w, r11 at its pairs, r12 its end4 and r0 to r3
 * what four rows' sums start from, it adds the products and leaves r10 behind the weights; it may use r4 to r9, r11, r12 and
 * the labels 2 to 5, of which 5 is behind it.  Shifted by `places`, a sum is twice itself: SMMULR of that is SRDHM. */
#define TL_OUTPUTS(name, sums, places, bits, store, size, size2, size3, size4)            \
static TL_NAKED void name(tl_vector *v __attribute__((unused)))                           \
{                                                                                         \
    __asm__ volatile(                                                                     \
        ".syntax unified\n"                                                               \
        "push {r4-r11, lr}\n"                                                             \
        "mov lr, r0\n"                                                                    \
        "1: ldrd r10, r11, [lr, #8]\n"                                                    \
        "ldmia r11!, {r0-r3}\n"                                                           \
        "str r11, [lr, #12]\n"                                                            \
        "ldrd r11, r12, [lr, #16]\n"                                                      \
        sums                                                                              \
        "5: str r10, [lr, #8]\n"                                                          \
        "ldr r4, [lr, #40]\n"                                                             \
        "asrs r0, r0, #" places "\n"                                                      \
        "asrs r1, r1, #" places "\n"                                                      \
        "asrs r2, r2, #" places "\n"                                                      \
        "asrs r3, r3, #" places "\n"                                                      \
        "cbnz r4, 6f\n"                                                                   \
        "ldrd r4, r5, [lr, #28]\n"                                                        \
        "ldr r6, [lr, #36]\n"                                                             \
        "smmulr r0, r0, r4\n"                                                             \
        "smmulr r1, r1, r4\n"                                                             \
        "smmulr r2, r2, r4\n"                                                             \
        "smmulr r3, r3, r4\n"                                                             \
        "add r0, r0, r0, asr #31\n"                                                       \
        "add r1, r1, r1, asr #31\n"                                                       \
        "add r2, r2, r2, asr #31\n"                                                       \
        "add r3, r3, r3, asr #31\n"                                                       \
        "add r0, r0, r5\n"                                                                \
        "add r1, r1, r5\n"                                                                \
        "add r2, r2, r5\n"                                                                \
        "add r3, r3, r5\n"                                                                \
        "asrs r0, r6\n"                                                                   \
        "asrs r1, r6\n"                                                                   \
        "asrs r2, r6\n"                                                                   \
        "asrs r3, r6\n"                                                                   \
        "7: ldrd r11, r12, [lr]\n"                                                        \
        "ssat r0, #" bits ", r0\n"                                                        \
        "ssat r1, #" bits ", r1\n"                                                        \
        "ssat r2, #" bits ", r2\n"                                                        \
        "ssat r3, #" bits ", r3\n"                                                        \
        "subs r12, r12, #4\n"                                                             \
        "blt 8f\n"                                                                        \
        store " r1, [r11, #" size "]\n"                                                   \
        store " r2, [r11, #" size2 "]\n"                                                  \
        store " r3, [r11, #" size3 "]\n"                                                  \
        store " r0, [r11], #" size4 "\n"                                                  \
        "strd r11, r12, [lr]\n"                                                           \
        "bne 1b\n"                                                                        \
        "pop {r4-r11, pc}\n"                                                              \
        "6: ldr r12, [lr, #12]\n"                                                         \
        "ldmia r12!, {r4-r7}\n"                                                           \
        "smmulr r0, r0, r4\n"                                                             \
        "smmulr r1, r1, r5\n"                                                             \
        "smmulr r2, r2, r6\n"                                                             \
        "smmulr r3, r3, r7\n"                                                             \
        "ldmia r12!, {r4-r7}\n"                                                           \
        "add r0, r0, r0, asr #31\n"                                                       \
        "add r1, r1, r1, asr #31\n"                                                       \
        "add r2, r2, r2, asr #31\n"                                                       \
        "add r3, r3, r3, asr #31\n"                                                       \
        "add r0, r0, r4\n"                                                                \
        "ldr r4, [r12], #4\n"                                                             \
        "add r1, r1, r5\n"                                                                \
        "add r2, r2, r6\n"                                                                \
        "add r3, r3, r7\n"                                                                \
        "uxtb r5, r4\n"                                                                   \
        "ubfx r6, r4, #8, #8\n"                                                           \
        "ubfx r7, r4, #16, #8\n"                                                          \
        "lsrs r4, r4, #24\n"                                                              \
        "asrs r0, r5\n"                                                                   \
        "asrs r1, r6\n"                                                                   \
        "asrs r2, r7\n"                                                                   \
        "asrs r3, r4\n"                                                                   \
        "str r12, [lr, #12]\n"                                                            \
        "b 7b\n"                                                                          \
        "8: " store " r0, [r11], #" size "\n" /* one to three are left */                 \
        "adds r12, r12, #3\n"                                                             \
        "beq 9f\n"                                                                        \
        store " r1, [r11], #" size "\n"                                                   \
        "subs r12, r12, #1\n"                                                             \
        "beq 9f\n"                                                                        \
        store " r2, [r11], #" size "\n"                                                   \
        "9: str r11, [lr]\n"                                                              \
        "pop {r4-r11, pc}\n");                                                            \
}
#define TL_OUTPUTS_S8(name, sums, places) TL_OUTPUTS(name, sums, places, "8", "strb", "1", "2", "3", "4")
#define TL_OUTPUTS_S16(name, sums, places) TL_OUTPUTS(name, sums, places, "16", "strh", "2", "4", "6", "8")

#else

/* The next four rows' sums, each given twice, rescaled and stored; of 16 bits if wide */
TL_INLINE void tl_packed_store(tl_vector *v, const int32_t *twice, int wide)
{
    int8_t *y8 = v->y;
    int16_t *y16 = v->y;
    int32_t count = tl_min(v->n, 4);
    for (int32_t r = 0; r < count; r++) {
        const int32_t *own = v->rows + 4 + r;
        int32_t mult = v->per_row ? own[0] : v->mult, offset = v->per_row ? own[4] : v->offset;
        int32_t shift = v->per_row ? (v->rows[12] >> (8 * r)) & 255 : v->shift;
        int32_t p = tl_half_srdhm(twice[r], mult); /* below 2^30 */
        int32_t made = tl_add(p + (p >> 31), offset) >> tl_min(shift, 31);
        if (wide)
            y16[r] = tl_sat16(made);
        else
            y8[r] = tl_sat8(made);
    }
    v->y = wide ? (void *)(y16 + count) : (void *)(y8 + count);
    v->n -= 4;
    v->rows += v->per_row ? 13 : 4;
}

#endif
#endif
