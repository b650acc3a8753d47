#include "fixed.h"
#include "step.h"

/* exp(a) in Q0 for a <= 0 in Q5 (a / 2^26): a Taylor series around -1/8 times a factor for each bit above 1/4. */
static int32_t exp_on_negative(int32_t a)
{
    static const int32_t powers[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    int32_t a_mod = (a & 0xffffff) - 0x1000000; /* in [-1/4, 0) */
    int32_t x = tl_shl(a_mod, 5) + (1 << 28);
    int32_t x2 = tl_srdhm(x, x), x3 = tl_srdhm(x2, x), x4 = tl_srdhm(x2, x2);
    int32_t tail = tl_rdbpot(tl_srdhm(tl_rdbpot(x4, 2) + x3, 715827883) + x2, 1);
    int32_t result = 1895147668 + tl_srdhm(1895147668, x + tail);
    int32_t rest = a_mod - a;
    for (int32_t i = 0; i < 7; i++)
        result = tl_select(-((rest >> (24 + i)) & 1), tl_srdhm(result, powers[i]), result);
    return tl_select(tl_less(a, 0), result, INT32_MAX);
}

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

void tl_softmax_s8(int8_t *y, const int8_t *x, int32_t t, int32_t n, int32_t mult, int32_t shift, int32_t diff_min)
{
    for (int32_t i = 0; i < t; i++, x += n) {
        int32_t top = -128, total = 0;
        for (int32_t c = 0; c < n; c++)
            top = tl_max(top, x[c]);
        for (int32_t c = 0; c < n; c++) {
            int32_t keep = ~tl_less(x[c] - top, diff_min);
            int32_t d = (x[c] - top) & keep;
            total += tl_rdbpot(exp_on_negative(tl_srdhm(tl_shl(d, shift), mult)), 12) & keep; /* n 2^19 < 2^28 */
        }
        int32_t room = leading_zeros((uint32_t)total);
        int32_t scale = one_over_one_plus((int32_t)(((uint32_t)total << room) - 0x80000000u));
        for (int32_t c = 0; c < n; c++) {
            int32_t keep = ~tl_less(x[c] - top, diff_min);
            int32_t d = (x[c] - top) & keep;
            int32_t e = exp_on_negative(tl_srdhm(tl_shl(d, shift), mult));
            *y++ = tl_sat8((tl_rdbpot(tl_srdhm(scale, e), 35 - room) & keep) - 128);
        }
    }
}

TL_STEP(softmax_s8, a[0].p, a[1].p, a[2].i, a[3].i, a[4].i, a[5].i, a[6].i)
