#include "fixed.h"
#include "step.h"

/* sat8(zp + rescale(a + rescaled b)) for an a that has the greater scale, whose multiplier then is 1/2 exactly, and right
 * shifts of 1 and more, given less 1; start = 1 - a_zp 2^20, offset = 2 zp + 1.  Twice the sum is a 2^20 and twice the
 * rescaled b, whose last rounding the a_zp and the 1 precede. */
static inline int8_t sum(int32_t a, int32_t b, int32_t start, int32_t b_mult, int32_t b_less, int32_t mult, int32_t less,
                         int32_t offset)
{
    int32_t p = tl_half_srdhm(tl_shl(b, 21), b_mult);
    p = ((p + (p >> 31)) >> b_less) + start;
    return (int8_t)tl_rescale8(tl_add(p & ~1, tl_shl(a, 20)), mult, less, offset);
}

/* A function of its own, so that nothing else takes its registers: it needs all of them. */
static TL_NOINLINE void add(int8_t *y, const int8_t *a, const int8_t *b, int32_t count, int32_t a_zp, int32_t b_zp,
                            int32_t b_mult, int32_t b_less, int32_t mult, int32_t less, int32_t y_zp)
{
    int32_t start = 1 - tl_shl(a_zp, 20), offset = 2 * y_zp + 1;
    for (const int8_t *end = y + count; y != end;)
        *y++ = sum(*a++, *b++ - b_zp, start, b_mult, b_less, mult, less, offset);
}

void tl_add_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t t, int32_t d, int32_t a_zp, int32_t b_zp,
               int32_t y_zp, int32_t a_mult, int32_t a_shift, int32_t b_mult, int32_t b_shift, int32_t mult,
               int32_t shift)
{
    int32_t count = t * d;
    if (shift < 0 && a_mult == 1 << 30 && a_shift == 0 && b_shift < 0)
        add(y, a, b, count, a_zp, b_zp, b_mult, -1 - b_shift, mult, -1 - shift, y_zp);
    else if (shift < 0 && b_mult == 1 << 30 && b_shift == 0 && a_shift < 0)
        add(y, b, a, count, b_zp, a_zp, a_mult, -1 - a_shift, mult, -1 - shift, y_zp);
    else
        for (int32_t i = 0; i < count; i++) {
            int32_t left = tl_mbqm(tl_shl(a[i] - a_zp, 20), a_mult, a_shift);
            int32_t right = tl_mbqm(tl_shl(b[i] - b_zp, 20), b_mult, b_shift);
            y[i] = tl_sat8(tl_add(y_zp, tl_mbqm(tl_add(left, right), mult, shift)));
        }
}

void tl_mul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t t, int32_t d, int32_t a_zp, int32_t b_zp,
               int32_t y_zp, int32_t mult, int32_t shift)
{
    int32_t count = t * d, less = -1 - shift, offset = 2 * y_zp + 1;
    if (shift >= 0) {
        for (int32_t i = 0; i < count; i++)
            y[i] = tl_sat8(tl_add(y_zp, tl_mbqm((a[i] - a_zp) * (b[i] - b_zp), mult, shift)));
        return;
    }
#ifdef TL_DSP
#define PRODUCT(half, u, v) __asm__("smul" half " %0, %1, %2" : "=r"(p) : "r"(u), "r"(v))
    for (uint32_t minus_a = TL_PAIR(-a_zp), minus_b = TL_PAIR(-b_zp); count > 3; count -= 4) {
        uint32_t u = tl_next4(&a), v = tl_next4(&b), even, odd, other;
        int32_t p;
        TL_ADD_EVEN(even, minus_a, u);
        TL_ADD_ODD(odd, minus_a, u);
        __asm__("sadd16 %0, %0, %0" : "+r"(even)); /* a factor of 2 */
        __asm__("sadd16 %0, %0, %0" : "+r"(odd));
        TL_ADD_EVEN(other, minus_b, v);
        TL_ADD_ODD(v, minus_b, v);
        PRODUCT("bb", even, other);
        *y++ = (int8_t)tl_rescale8(p, mult, less, offset);
        PRODUCT("bb", odd, v);
        *y++ = (int8_t)tl_rescale8(p, mult, less, offset);
        PRODUCT("tt", even, other);
        *y++ = (int8_t)tl_rescale8(p, mult, less, offset);
        PRODUCT("tt", odd, v);
        *y++ = (int8_t)tl_rescale8(p, mult, less, offset);
    }
#endif
    for (; count > 0; count--)
        *y++ = (int8_t)tl_rescale8(2 * (*a++ - a_zp) * (*b++ - b_zp), mult, less, offset);
}

TL_STEP(add_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i)
TL_STEP(mul_s8, a[0].p, a[1].p, a[2].p, a[3].i, a[4].i, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i)
