#include "fixed.h"
#include "step.h"

/* A step's demands, checked once, when the image is opened.
 *
 * A spec (spec.h) is a program for a stack of int32, made of the words of `Op.spec` by kernels/encode.py.  Its first two bytes
 * are how many arrays and numbers the step has; then a byte does:
 *   00-0f  push number k of the step          10-15  the next number, from the first on, is in range 0-4; 15: any
 *   18-1c  push low and high of range 0-4     20-2f  the next array has so many elements (popped): bits 0-1 log2 of their
 *   30-32  a + b, a - b, a b                         bytes, bits 2-3 where it may lie (READ and so on)
 *   33     low <= value <= high, all popped   34     the same for each element of the last array; 35: of the first `count`
 *   36     push the next 16 bits              37     all is well
 *   40-5f  push 2^k - 1                       60-ff  push -64 to 95
 * Pushed numbers and results must lie within +-MOST, so that nothing here overflows, and no kernel's index does. */
enum { CLASS = 0x10, PAIR = 0x18, ARRAY = 0x20, ADD = 0x30, SUB, MUL, LIMIT, VALUES, FIRST, HALF, END };
enum { ONES = 0x40, SMALL = 0x60, ZERO = 0xa0, ANY = 5, MOST = 0x3fffffff, DEPTH = 8 };
enum { READ, FIXED, OWN, IN_PLACE }; /* anywhere; in the image, where no step can change it; in the arena; as READ, or y itself */

/* size, zp, shift, mult, flag: the least value, and how many bits the greatest has */
static const int8_t ranges[][2] = {{1, 31}, {-128, 7}, {-31, 5}, {0, 31}, {0, 1}};

static inline int32_t low_of(uint32_t i) { return ranges[i][0]; }
static inline int32_t high_of(uint32_t i) { return (int32_t)(((uint32_t)1 << ranges[i][1]) - 1u); }

static inline int32_t is_in(int32_t value, int32_t low, int32_t high) { return value >= low && value <= high; }

/* Number k of the step at s */
TL_SMALL static int32_t number(const uint16_t *s, uint32_t k)
{
    const uint16_t *p = s + 3 + 2 * (s[1] & 255u);
    uint32_t wide = s[2];
    for (; k; k--, wide >>= 1)
        p += 1 + (wide & 1u);
    return wide & 1u ? (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 16) : (int16_t)p[0];
}

/* Whether n integers of 2^size bytes at p lie in [low, high] */
TL_SMALL static int32_t all_in(const uint8_t *p, uint32_t size, int32_t n, int32_t low, int32_t high)
{
    for (; n > 0; n--, p += (uint32_t)1 << size) {
        const void *v = p;
        int32_t value = size == 0 ? *(const int8_t *)v : size == 1 ? *(const int16_t *)v : *(const int32_t *)v;
        if (!is_in(value, low, high))
            return 0;
    }
    return 1;
}

/* Array i of the step, of `elements` of 2^size bytes; owned: a bit for each array before it that the step writes. */
TL_SMALL static int32_t check_array(const tl_model *m, const uint16_t *s, uint32_t i, int32_t elements, uint32_t size,
                                    uint32_t kind, uint32_t owned)
{
    const uint16_t *p = s + 3 + 2 * i, *other = s + 3;
    uint32_t fixed = p[0] >> 15, unit = fixed ? m->image_unit : m->arena_unit, at = p[0] & 0x7fffu;
    uint32_t bytes = (uint32_t)elements << size, extent = (uint32_t)p[1] << unit, whole = tl_head(m, fixed ? 3 : 5);
    if ((uint32_t)elements > (uint32_t)MOST >> size)
        return TL_ERR_SIZE;
    if (kind == FIXED ? !fixed : kind == OWN && fixed)
        return TL_ERR_PLACE;
    if (!tl_inside(at << unit, extent, whole))
        return TL_ERR_BOUNDS;
    if (extent - bytes >= (uint32_t)1 << unit || (i == 0 && extent - bytes != ((s[0] >> 8) & 127u)))
        return TL_ERR_SIZE; /* the output's spare bytes are in its step's flags */
    for (; other != p && !fixed; other += 2, owned >>= 1)
        if (!(other[0] & 0x8000u) && (owned & 1u || kind == OWN) && at < (uint32_t)other[0] + other[1] &&
            other[0] < at + p[1] && !(kind == IN_PLACE && other == s + 3 && other[0] == at))
            return TL_ERR_OVERLAP;
    return TL_ERR_OK;
}

TL_SMALL int32_t tl_check(const tl_model *m, const uint16_t *s)
{
    const uint8_t *code = m->kernels[s[0] & 255u].spec + 2;
    int32_t stack[DEPTH + 1], *top = stack, count = 0; /* stack[0]: below the first */
    uint32_t next = 0, array = 0, owned = 0, size = 0;
    for (;;) {
        uint32_t c = *code++;
        if (c == END)
            return TL_ERR_OK;
        if (c < CLASS || c == HALF || c >= ONES) {
            int32_t value;
            if (c < CLASS) {
                value = number(s, c);
                if (!is_in(value, -MOST, MOST))
                    return TL_ERR_SIZE;
            } else if (c == HALF) {
                value = (int16_t)(code[0] | code[1] << 8);
                code += 2;
            } else
                value = c < SMALL ? (int32_t)(((uint32_t)1 << (c - ONES)) - 1u) : (int32_t)c - ZERO;
            *++top = value;
        } else if (c < PAIR) {
            int32_t value = number(s, next++);
            if (c != CLASS + ANY && !is_in(value, low_of(c - CLASS), high_of(c - CLASS)))
                return TL_ERR_NUMBER;
        } else if (c < ARRAY) {
            *++top = low_of(c - PAIR);
            *++top = high_of(c - PAIR);
        } else if (c < ADD) {
            uint32_t kind = (c >> 2) & 3u;
            size = c & 3u;
            count = *top--;
            int32_t error = check_array(m, s, array, count, size, kind, owned);
            if (error)
                return error;
            owned |= (uint32_t)(kind == OWN) << array++;
        } else if (c < LIMIT) {
            int32_t b = *top--, a = *top;
            int64_t p = c == MUL ? tl_mul64(a, b) : c == ADD ? a + b : a - b;
            *top = (int32_t)p;
            if ((int32_t)(p >> 32) != *top >> 31 || !is_in(*top, -MOST, MOST))
                return TL_ERR_SIZE;
        } else {
            int32_t low = top[-1], high = *top;
            top -= 2;
            if (c == LIMIT) {
                if (!is_in(*top--, low, high))
                    return TL_ERR_NUMBER;
            } else {
                const uint8_t *p = m->image + ((uint32_t)(s[1 + 2 * array] & 0x7fffu) << m->image_unit);
                if (!all_in(p, size, c == FIRST ? tl_min(*top--, count) : count, low, high))
                    return TL_ERR_VALUE;
            }
        }
    }
}
