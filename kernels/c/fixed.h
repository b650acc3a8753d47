/* Fixed-point primitives.  Each comment says first what the function is in mathematics, then its edges.
 * Mirror: ../fixed.py.  `>>` of a negative value must be arithmetic, as on every compiler that we know of. */
#ifndef TL_FIXED_H
#define TL_FIXED_H

#include <stdint.h>

typedef char tl_shift_is_arithmetic[((-1) >> 1) == -1 ? 1 : -1];

/* min(max(x, lo), hi) */
static inline int32_t tl_clamp(int32_t x, int32_t lo, int32_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static inline int8_t tl_sat8(int32_t x) { return (int8_t)tl_clamp(x, -128, 127); }

static inline int16_t tl_sat16(int32_t x) { return (int16_t)tl_clamp(x, -32768, 32767); }

/* a + b, a - b, a * b modulo 2^32: the kernels' sums are proved to fit, and a sum that is not wraps as Numba's does
 * instead of being undefined. */
static inline int32_t tl_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline int32_t tl_sub(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
static inline int32_t tl_mul(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }

/* x * 2^n modulo 2^32, 0 <= n <= 31 */
static inline int32_t tl_shl(int32_t x, int32_t n) { return (int32_t)((uint32_t)x << n); }

/* SRDHM: a * b / 2^31 to the nearest, ties up; a = b = -2^31 saturates to 2^31 - 1. */
static inline int32_t tl_srdhm(int32_t a, int32_t b)
{
    int64_t p = ((int64_t)a * b + ((int64_t)1 << 30)) >> 31;
    return p > INT32_MAX ? INT32_MAX : (int32_t)p;
}

/* RDBPOT: x / 2^e to the nearest, ties away from zero; 0 <= e <= 31. */
static inline int32_t tl_rdbpot(int32_t x, int32_t e)
{
    int32_t mask = (int32_t)(((uint32_t)1 << e) - 1u);
    int32_t rest = x & mask;
    int32_t half = (int32_t)((uint32_t)mask >> 1) + (x < 0);
    return (x >> e) + (rest > half);
}

/* x / 2^e to the nearest, ties up; 0 <= e <= 30 and x + 2^(e-1) < 2^31. */
static inline int32_t tl_rshift_round(int32_t x, int32_t e)
{
    return (x + (int32_t)(((uint32_t)1 << e) >> 1)) >> e;
}

/* MBQM: x * mult * 2^(shift - 31) with TFLM's double rounding; mult in [2^30, 2^31) or 0, shift in [-31, 30].
 * x * 2^max(shift, 0) must fit (it wraps otherwise). */
static inline int32_t tl_mbqm(int32_t x, int32_t mult, int32_t shift)
{
    int32_t left = shift > 0 ? shift : 0;
    return tl_rdbpot(tl_srdhm(tl_shl(x, left), mult), left - shift);
}

#endif
