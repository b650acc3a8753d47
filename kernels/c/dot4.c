#include "dot4.h"

#ifdef TL_DOT4

#define UNUSED __attribute__((unused))

#ifdef __thumb2__

/* r1: x, r2-r5: rows of w, r6-r9: sums, r0: of x, lr: end of x.  The sign says whether k is odd. */
#define OPEN(x_end)                      \
    ".syntax unified\n"                  \
    "push {r0, r4-r11, lr}\n"            \
    "ldr r12, [sp, #40]\n"               \
    "ldmia r0, {r6-r9}\n"                \
    "add lr, r1, " x_end "\n"            \
    "lsls r10, r3, #31\n"                \
    "add r3, r2, r12\n"                  \
    "add r4, r3, r12\n"                  \
    "add r5, r4, r12\n"
#define CLOSE                            \
    "cmp r1, lr\n"                       \
    "bne 1b\n"                           \
    "ldr r0, [sp], #4\n"                 \
    "stmia r0, {r6-r9}\n"                \
    "pop {r4-r11, pc}\n"

/* A load behind another one takes a cycle less. */
#define BYTES                            \
    "ldrsb r0, [r1], #1\n"               \
    "ldrsb r10, [r2], #1\n"              \
    "ldrsb r11, [r3], #1\n"              \
    "ldrsb r12, [r4], #1\n"              \
    "mla r6, r0, r10, r6\n"              \
    "ldrsb r10, [r5], #1\n"              \
    "mla r7, r0, r11, r7\n"              \
    "mla r8, r0, r12, r8\n"              \
    "mla r9, r0, r10, r9\n"

TL_NAKED void tl_dot4(int32_t *sums UNUSED, const int8_t *x UNUSED, const int8_t *w UNUSED, int32_t k UNUSED,
                      int32_t row UNUSED)
{
    __asm__ volatile(OPEN("r3") "bmi 2f\n"
                     "1:\n" BYTES
                     "2:\n" BYTES CLOSE);
}

#define WORDS /* r12: step, r11: as many of them */ \
    "ldr r0, [r1], #4\n"                 \
    "ldrsb r10, [r2, r11]\n"             \
    "mla r6, r0, r10, r6\n"              \
    "ldrsb r10, [r3, r11]\n"             \
    "mla r7, r0, r10, r7\n"              \
    "ldrsb r10, [r4, r11]\n"             \
    "mla r8, r0, r10, r8\n"              \
    "ldrsb r10, [r5, r11]\n"             \
    "mla r9, r0, r10, r9\n"              \
    "add r11, r11, r12\n"

TL_NAKED void tl_dot4_wide(int32_t *sums UNUSED, const int32_t *x UNUSED, const int8_t *w UNUSED, int32_t k UNUSED,
                           int32_t row UNUSED, int32_t step UNUSED)
{
    __asm__ volatile(OPEN("r3, lsl #2")
                     "ldr r12, [sp, #44]\n"
                     "mov r11, #0\n"
                     "bmi 2f\n"
                     "1:\n" WORDS
                     "2:\n" WORDS CLOSE);
}

#else /* Armv6-M: only r0-r7 can be multiplied and hold addresses, the sums are in r8-r11 */

/* r1: x, r2-r5: rows of w, r6: row, and then of x, r7: of w */
#define OPEN                             \
    ".syntax unified\n"                  \
    "push {r0, r4-r7, lr}\n"             \
    "mov r4, r8\n"                       \
    "mov r5, r9\n"                       \
    "mov r6, r10\n"                      \
    "mov r7, r11\n"                      \
    "push {r4-r7}\n"                     \
    "ldmia r0!, {r4-r7}\n"               \
    "mov r8, r4\n"                       \
    "mov r9, r5\n"                       \
    "mov r10, r6\n"                      \
    "mov r11, r7\n"                      \
    "ldr r6, [sp, #40]\n"
#define ROWS                             \
    "adds r3, r2, r6\n"                  \
    "adds r4, r3, r6\n"                  \
    "adds r5, r4, r6\n"
#define CLOSE                            \
    "ldr r0, [sp, #16]\n"                \
    "mov r4, r8\n"                       \
    "mov r5, r9\n"                       \
    "mov r6, r10\n"                      \
    "mov r7, r11\n"                      \
    "stmia r0!, {r4-r7}\n"               \
    "pop {r4-r7}\n"                      \
    "mov r8, r4\n"                       \
    "mov r9, r5\n"                       \
    "mov r10, r6\n"                      \
    "mov r11, r7\n"                      \
    "pop {r0, r4-r7, pc}\n"
#define PRODUCT(w, sum)                  \
    "ldrsb r7, [" w ", r0]\n"            \
    "muls r7, r6, r7\n"                  \
    "add " sum ", r7\n"
#define FOUR PRODUCT("r2", "r8") PRODUCT("r3", "r9") PRODUCT("r4", "r10") PRODUCT("r5", "r11")

TL_NAKED void tl_dot4(int32_t *sums UNUSED, const int8_t *x UNUSED, const int8_t *w UNUSED, int32_t k UNUSED,
                      int32_t row UNUSED)
{
    __asm__ volatile(OPEN
                     "rsbs r0, r3, #0\n" /* counts up to the ends of x and rows */
                     "adds r1, r1, r3\n"
                     "adds r2, r2, r3\n" ROWS
                     "1: ldrsb r6, [r1, r0]\n" FOUR
                     "adds r0, #1\n"
                     "bne 1b\n" CLOSE);
}

TL_NAKED void tl_dot4_wide(int32_t *sums UNUSED, const int32_t *x UNUSED, const int8_t *w UNUSED, int32_t k UNUSED,
                           int32_t row UNUSED, int32_t step UNUSED)
{
    __asm__ volatile(OPEN
                     "ldr r0, [sp, #44]\n"
                     "mov r12, r0\n"
                     "movs r0, #0\n"
                     "lsls r3, r3, #2\n"
                     "adds r3, r3, r1\n"
                     "mov lr, r3\n" ROWS
                     "1: ldmia r1!, {r6}\n" FOUR
                     "add r0, r12\n"
                     "cmp r1, lr\n"
                     "bne 1b\n" CLOSE);
}

#endif
#endif
