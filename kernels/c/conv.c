#include "dot4.h"
#include "mve.h"
#include "step.h"

static inline int32_t total(const int8_t *w, const int8_t *end)
{
    int32_t sum = 0;
    while (w != end)
        sum += *w++;
    return sum;
}

void tl_conv1d_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                  const int8_t *shift, int32_t t, int32_t n, int32_t d, int32_t k, int32_t t_in, int32_t stride,
                  int32_t pad_left, int32_t x_zp, int32_t y_zp, int32_t bias_step, int32_t mult_step)
{
    int32_t row = k * d;
    for (int32_t i = 0; i < t; i++, y += n) {
        /* The taps from begin to end meet rows of x, which lie one behind the other; the rest meets padding. */
        int32_t from = i * stride - pad_left, begin = d * tl_clamp(-from, 0, k), end = d * tl_clamp(t_in - from, 0, k);
#ifdef TL_MVE
        const int8_t *met = begin < end ? x + from * d + begin : x; /* where none is met, from may be anything */
        for (int32_t o = 0; o < n && n >= 4; o += 4) { /* the last four overlap those before */
            int32_t at = tl_min(o, n - 4);
            const int8_t *taps = w + at * row;
            int32x4_t sums = tl_words4(bias, bias_step, at);
            tl_rescale4 r = tl_rescale4_of(tl_words4(mult, mult_step, at), tl_bytes4(shift, mult_step, at));
            sums = vaddq_s32(sums, tl_dots(met, taps + begin, row, end - begin, 0));
            sums = vaddq_s32(sums, tl_dots_of(x_zp, taps, row, begin));
            sums = vaddq_s32(sums, tl_dots_of(x_zp, taps + end, row, row - end));
            vstrbq_s32(y + at, tl_clamp4(vaddq_n_s32(tl_mbqm4(sums, &r), y_zp), -128, 127));
        }
        if (n >= 4)
            continue;
#endif
        for (int32_t o = 0, group; o < n; o += group) {
            int32_t sums[4]; /* |sum| <= k * d * 2^14 < 2^31, as the quantizer proves */
            const int8_t *taps;
            const int32_t *sum;
            group = tl_group(&o, n);
            taps = w + o * row;
            for (int32_t r = 0; r < group; r++, taps += row)
                sums[r] = x_zp * (total(taps, taps + begin) + total(taps + end, taps + row));
            if (begin < end)
                tl_group_dot(sums, x + from * d + begin, w + o * row + begin, end - begin, row, group);
            sum = tl_unsized(sums);
            for (int32_t at = o; at < o + group; at++)
                y[at] = tl_sat8(tl_add(y_zp, tl_mbqm(tl_add(bias[at * bias_step], *sum++), mult[at * mult_step],
                                                     shift[at * mult_step])));
        }
    }
}

/* One channel of one time step, whose past moves on by one */
static inline int32_t channel(const int8_t *x, const int8_t *w, int8_t *state, int32_t d, int32_t k)
{
    int32_t acc = 0; /* |acc| <= k * 2^14 */
    for (int32_t j = 1; j < k; j++, w += d, state += d) {
        acc += *state * *w;
        *state = j + 1 < k ? state[d] : *x;
    }
    return acc + *x * *w;
}

#ifdef TL_DSP

/* One time step of the channels that come by fours; the assembler below knows the order. */
typedef struct {
    const int8_t *x;          /*  0: these move on */
    int8_t *y;                /*  4 */
    const int8_t *w;          /*  8 */
    int8_t *state;            /* 12 */
    const int32_t *bias;      /* 16 */
    const int32_t *mult;      /* 20 */
    const int8_t *shift;      /* 24 */
    int32_t left;             /* 28: fours */
    int32_t d;                /* 32 */
    int32_t past;             /* 36: k - 2 */
    int32_t bias_step;        /* 40 */
    int32_t mult_step;        /* 44 */
    int32_t first_mult, less; /* 48, 52: of all channels if mult_step = 0; less = right shift - 1 */
    int32_t offset;           /* 56: 2 y_zp + 1 */
} frame;

/* r0-r3 += the products of the bytes of row and those of the word at r10 */
#define ACCUMULATE(row)              \
    "ldr r5, [r10]\n"                \
    "sxtb16 r6, " row "\n"           \
    "sxtb16 r7, r5\n"                \
    "smlabb r0, r6, r7, r0\n"        \
    "smlatt r2, r6, r7, r2\n"        \
    "sxtb16 r6, " row ", ror #8\n"   \
    "sxtb16 r7, r5, ror #8\n"        \
    "smlabb r1, r6, r7, r1\n"        \
    "smlatt r3, r6, r7, r3\n"

#define RESCALE(sum)                         \
    "lsl " sum ", " sum ", #1\n"             \
    "smmulr " sum ", " sum ", r4\n"          \
    "add " sum ", " sum ", " sum ", asr #31\n" \
    "asr " sum ", " sum ", r5\n"             \
    "add " sum ", " sum ", r6\n"             \
    "ssat " sum ", #8, " sum ", asr #1\n"    \
    "strb " sum ", [r8], #1\n"

#define NEXT             \
    "ldrsb r5, [r7], #1\n" \
    "ldr r4, [r9], #4\n" \
    "mvn r5, r5\n"

static TL_NAKED void fours(frame *f __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "mov lr, r0\n"
        "ldr r11, [lr, #32]\n"
        "1: ldm lr, {r4, r5, r10}\n"
        "ldr r12, [lr, #16]\n"
        "ldr r6, [lr, #40]\n"
        "ldr r8, [r4], #4\n"      /* the newest row */
        "add r5, r10, #4\n"
        "str r4, [lr]\n"
        "str r5, [lr, #8]\n"
        "ldr r9, [lr, #12]\n"
        "cbz r6, 2f\n"
        "ldm r12!, {r0, r1, r2, r3}\n"
        "str r12, [lr, #16]\n"
        "b 3f\n"
        "2: ldr r0, [r12]\n"
        "mov r1, r0\n"
        "mov r2, r0\n"
        "mov r3, r0\n"
        "3: add r6, r9, #4\n"
        "ldr r12, [lr, #36]\n"
        "str r6, [lr, #12]\n"
        "ldr r4, [r9]\n"
        "cmp r12, #0\n"
        "beq 5f\n"
        "4:\n" ACCUMULATE("r4")
        "ldr r4, [r9, r11]\n"
        "add r10, r10, r11\n"
        "str r4, [r9]\n"
        "add r9, r9, r11\n"
        "subs r12, r12, #1\n"
        "bne 4b\n"
        "5:\n" ACCUMULATE("r4")
        "add r10, r10, r11\n"
        "str r8, [r9]\n"
        ACCUMULATE("r8")
        "ldr r7, [lr, #44]\n"
        "ldr r8, [lr, #4]\n"
        "ldr r6, [lr, #56]\n"
        "cmp r7, #0\n"
        "beq 6f\n"
        "ldrd r9, r7, [lr, #20]\n"
        NEXT RESCALE("r0") NEXT RESCALE("r1") NEXT RESCALE("r2") NEXT RESCALE("r3")
        "strd r9, r7, [lr, #20]\n"
        "b 7f\n"
        "6: ldrd r4, r5, [lr, #48]\n"
        RESCALE("r0") RESCALE("r1") RESCALE("r2") RESCALE("r3")
        "7: ldr r12, [lr, #28]\n"
        "str r8, [lr, #4]\n"
        "subs r12, r12, #1\n"
        "str r12, [lr, #28]\n"
        "bne 1b\n"
        "pop {r4-r11, pc}\n");
}

/* Channels that go by fours: none where the arithmetic above has no room */
static int32_t by_fours(const int8_t *shift, int32_t d, int32_t k, int32_t mult_step)
{
    int32_t every = -1;
    for (int32_t c = 0; c < (d - 1) * mult_step + 1; c++)
        every &= shift[c];
    return every < 0 && k > 1 ? d & ~3 : 0;
}

#endif

/* One time step of the channels from start on */
static TL_NOINLINE void others(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                               const int8_t *shift, int8_t *state, int32_t start, int32_t d, int32_t k, int32_t y_zp,
                               int32_t bias_step, int32_t mult_step)
{
    for (int32_t c = start; c < d; c++) {
        int32_t acc = tl_add(bias[c * bias_step], channel(x + c, w + c, state + c, d, k));
        y[c] = tl_sat8(tl_add(y_zp, tl_mbqm(acc, mult[c * mult_step], shift[c * mult_step])));
    }
}

void tl_depthwise_conv_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                          const int8_t *shift, int8_t *state, int32_t t, int32_t d, int32_t k, int32_t y_zp,
                          int32_t bias_step, int32_t mult_step)
{
    int32_t start = 0;
#ifdef TL_DSP
    start = by_fours(shift, d, k, mult_step);
#endif
    for (; t > 0; t--, x += d, y += d) {
#ifdef TL_DSP
        if (start) {
            frame f = {x, y, w, state, bias, mult, shift, start / 4, d, k - 2, bias_step, mult_step, *mult, -1 - *shift,
                       2 * y_zp + 1};
            fours(&f);
        }
#endif
        if (start < d)
            others(y, x, w, bias, mult, shift, state, start, d, k, y_zp, bias_step, mult_step);
    }
}

TL_STEP(conv1d_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i, a[14].i, a[15].i, a[16].i)
TL_STEP(depthwise_conv_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].p, a[7].i, a[8].i, a[9].i, a[10].i,
        a[11].i, a[12].i)
