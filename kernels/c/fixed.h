/* Fixed-point primitives.  Each comment says first what the function is in mathematics, then its edges.
 * Mirror: ../fixed.py.  `>>` of a negative value must be arithmetic, as on every compiler that we know of. */
#ifndef TL_FIXED_H
#define TL_FIXED_H

#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && !defined(TL_PORTABLE)
#define TL_DSP /* the instructions of Armv7E-M and of Armv8-M's DSP extension */
#endif
#if defined(__thumb2__) && defined(__ARM_FEATURE_SAT) && defined(__GNUC__) && !defined(TL_PORTABLE)
#define TL_SSAT /* those that saturate, which Cortex-M3 has too */
#endif

#ifdef __GNUC__
#define TL_INLINE static inline __attribute__((always_inline)) /* where constant arguments choose the code */
#define TL_NOINLINE __attribute__((noinline))
#else
#define TL_INLINE static inline
#define TL_NOINLINE
#endif

/* A function that is its assembler and nothing else.  What options add to every function (canaries, calls when it begins and
 * ends, counters), gcc would put in front of that too, and clang some of it. */
#if defined(__GNUC__) && defined(__thumb__)
#ifndef __has_attribute
#define __has_attribute(x) 0
#endif
#if __has_attribute(no_stack_protector)
#define TL_NO_CANARY no_stack_protector
#elif !defined(__clang__) /* gcc before 11 */
#define TL_NO_CANARY optimize("no-stack-protector")
#else
#define TL_NO_CANARY
#endif
#if __has_attribute(no_profile_instrument_function)
#define TL_NO_COUNTER no_profile_instrument_function
#else
#define TL_NO_COUNTER
#endif
#if __has_attribute(no_sanitize_coverage)
#define TL_NO_TRACE no_sanitize_coverage
#else
#define TL_NO_TRACE
#endif
#define TL_NAKED __attribute__((naked, noinline, no_instrument_function, TL_NO_CANARY, TL_NO_COUNTER, TL_NO_TRACE))
#endif

typedef char tl_shift_is_arithmetic[((-1) >> 1) == -1 ? 1 : -1];
typedef char tl_int_has_32_bits[sizeof(int) == 4 ? 1 : -1];

/* a + b, a - b, a * b modulo 2^32: the kernels' sums are proved to fit, and a sum that is not wraps as Numba's does
 * instead of being undefined. */
static inline int32_t tl_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline int32_t tl_sub(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
static inline int32_t tl_mul(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }

/* x * 2^n modulo 2^32, 0 <= n <= 31 */
static inline int32_t tl_shl(int32_t x, int32_t n) { return (int32_t)((uint32_t)x << n); }

/* Armv6-M (Cortex-M0, M0+) has no conditional instructions and no product above 32 bits: there a compiler makes a branch
 * of a select and a library call of a 64-bit product, and the time of both depends on data.  So these have a form in
 * plain arithmetic for it; tl_opaque hides a value from the compiler, which would see through the form.  On the other
 * Cortex-M clang and gcc keep the short forms free of branches, as the tests measure; nothing is known of other cores, and
 * on RV32 without conditional instructions clang branches. */
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1 && defined(__GNUC__)
#define TL_ARMV6M
static inline int32_t tl_opaque(int32_t x)
{
    __asm__("" : "+r"(x));
    return x;
}

/* -1 if a < b, else 0: the sign of a - b, unless that overflowed */
static inline int32_t tl_less(int32_t a, int32_t b)
{
    int32_t d = tl_opaque(tl_sub(a, b));
    return tl_opaque((d ^ ((a ^ b) & (d ^ a))) >> 31);
}

/* -1 if x = 0, else 0 */
static inline int32_t tl_is_zero(int32_t x)
{
    return tl_opaque((~x & tl_opaque(tl_sub(x, 1))) >> 31);
}

/* yes if mask is -1, no if it is 0 */
static inline int32_t tl_select(int32_t mask, int32_t yes, int32_t no) { return no ^ ((yes ^ no) & tl_opaque(mask)); }

static inline int32_t tl_min(int32_t a, int32_t b) { return tl_select(tl_less(a, b), a, b); }
static inline int32_t tl_max(int32_t a, int32_t b) { return tl_select(tl_less(b, a), a, b); }

/* The same where a - b fits 32 bits */
static inline int32_t tl_near_less(int32_t a, int32_t b) { return tl_opaque(tl_opaque(a - b) >> 31); }
static inline int32_t tl_near_max(int32_t a, int32_t b)
{
    int32_t d = tl_opaque(a - b);
    return a - (d & tl_opaque(d >> 31));
}
static inline int32_t tl_near_min(int32_t a, int32_t b)
{
    int32_t d = tl_opaque(a - b);
    return b + (d & tl_opaque(d >> 31));
}

/* x if it is what its lower `bits` bits say, else the end of their range on x's side */
static inline int32_t tl_sat(int32_t x, int32_t bits)
{
    int32_t sign = x >> 31, beyond = (x >> (bits - 1)) ^ sign; /* beyond >= 0 */
    return x ^ ((x ^ sign ^ ((1 << (bits - 1)) - 1)) & (tl_opaque(-beyond) >> 31));
}

/* a b / 2^16 + round, rounded down, is 2^16 (upper halves' product) + middle, and middle may need a 33rd bit: half of it,
 * rounded down.  0 <= round <= 2^15, and then no sum leaves its 32 bits. */
static inline int32_t tl_half_middle(int32_t a, int32_t b, int32_t round)
{
    uint32_t low = (uint32_t)tl_opaque((int32_t)((uint32_t)(a & 0xffff) * (uint32_t)(b & 0xffff)));
    int32_t u = (a >> 16) * (b & 0xffff) + (int32_t)(low >> 16) + round, v = (a & 0xffff) * (b >> 16);
    return (u & v) + ((u ^ v) >> 1);
}
static inline int32_t tl_upper(int32_t a, int32_t b) { return (a >> 16) * (b >> 16); }

/* a * b, unsigned and signed, from products of halves; no sum leaves its 32 bits */
static inline uint64_t tl_umul64(uint32_t a, uint32_t b)
{
    uint32_t al = a & 0xffff, ah = a >> 16, bl = b & 0xffff, bh = b >> 16;
    uint32_t low = (uint32_t)tl_opaque((int32_t)(al * bl)), middle = ah * bl + (low >> 16);
    uint32_t other = al * bh + (middle & 0xffff);
    return (uint64_t)(ah * bh + (middle >> 16) + (other >> 16)) << 32 | (other << 16 | (low & 0xffff));
}
static inline int64_t tl_mul64(int32_t a, int32_t b)
{
    int32_t al = a & 0xffff, ah = a >> 16, bl = b & 0xffff, bh = b >> 16;
    uint32_t low = (uint32_t)tl_opaque((int32_t)((uint32_t)al * (uint32_t)bl));
    int32_t middle = ah * bl + (int32_t)(low >> 16), other = al * bh + (middle & 0xffff);
    uint32_t high = (uint32_t)(ah * bh + (middle >> 16) + (other >> 16));
    return (int64_t)((uint64_t)high << 32 | ((uint32_t)other << 16 | (low & 0xffff)));
}
#else
static inline int32_t tl_opaque(int32_t x) { return x; }
static inline int32_t tl_less(int32_t a, int32_t b) { return -(int32_t)(a < b); }
static inline int32_t tl_is_zero(int32_t x) { return -(int32_t)(x == 0); }
static inline int32_t tl_select(int32_t mask, int32_t yes, int32_t no) { return (yes & mask) | (no & ~mask); }
static inline int32_t tl_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t tl_max(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t tl_near_less(int32_t a, int32_t b) { return tl_less(a, b); }
static inline int32_t tl_near_max(int32_t a, int32_t b) { return tl_max(a, b); }
static inline int32_t tl_near_min(int32_t a, int32_t b) { return tl_min(a, b); }
static inline uint64_t tl_umul64(uint32_t a, uint32_t b) { return (uint64_t)a * b; }
static inline int64_t tl_mul64(int32_t a, int32_t b) { return (int64_t)a * b; }
#endif

/* min(max(x, lo), hi), lo <= hi */
static inline int32_t tl_clamp(int32_t x, int32_t lo, int32_t hi) { return tl_min(tl_max(x, lo), hi); }

#if defined(TL_SSAT) && !defined(__clang__) /* clang finds it, and the shift before it, by itself */
static inline int32_t tl_sat(int32_t x, int32_t bits)
{
    if (bits == 8)
        __asm__("ssat %0, #8, %0" : "+r"(x));
    else
        __asm__("ssat %0, #16, %0" : "+r"(x));
    return x;
}
#elif !defined(TL_ARMV6M)
static inline int32_t tl_sat(int32_t x, int32_t bits) { return tl_clamp(x, -(1 << (bits - 1)), (1 << (bits - 1)) - 1); }
#endif

/* tl_sat8 of |x| < 2^31 - 128 */
static inline int32_t tl_sat_near8(int32_t x)
{
#ifdef TL_ARMV6M
    x += 128;
    x &= ~tl_opaque(x >> 31);
    x -= 255;
    return (x & tl_opaque(x >> 31)) + 127;
#else
    return tl_sat(x, 8);
#endif
}

static inline int8_t tl_sat8(int32_t x) { return (int8_t)tl_sat(x, 8); }

static inline int16_t tl_sat16(int32_t x) { return (int16_t)tl_sat(x, 16); }

/* floor(a * b / 2^32) */
static inline int32_t tl_mul_high(int32_t a, int32_t b)
{
#ifdef TL_ARMV6M
    return tl_upper(a, b) + (tl_half_middle(a, b, 0) >> 15);
#else
    return (int32_t)(tl_mul64(a, b) >> 32);
#endif
}

/* floor(a * w / 2^16) for a 16-bit w: below 2^31 */
static inline int32_t tl_mul_16(int32_t a, int32_t w)
{
#ifdef TL_ARMV6M
    return tl_add((a >> 16) * w, ((a & 0xffff) * w) >> 16);
#else
    return (int32_t)(tl_mul64(a, w) >> 16);
#endif
}

/* SRDHM, a * b / 2^31 to the nearest, ties up, modulo 2^32: it is 2^31 for a = b = -2^31. */
static inline int32_t tl_srdhm_wrap(int32_t a, int32_t b)
{
#if defined(TL_ARMV6M)
    return tl_add(tl_shl(tl_upper(a, b), 1), tl_half_middle(a, b, 1 << 14) >> 14);
#elif UINTPTR_MAX > 0xffffffffu
    return (int32_t)((tl_mul64(a, b) + (1 << 30)) >> 31);
#else /* without a carry of 64 bits */
    int64_t p = tl_mul64(a, b);
    return (int32_t)((uint32_t)(p >> 32) * 2 + (((uint32_t)p >> 30) + 1) / 2);
#endif
}

/* SRDHM; 2^31 saturates to 2^31 - 1. */
static inline int32_t tl_srdhm(int32_t a, int32_t b)
{
    int32_t r = tl_srdhm_wrap(a, b);
    return tl_sub(r, (int32_t)((uint32_t)(a & b & r) >> 31)); /* negative factors with a negative product: 2^31 */
}

/* RDBPOT: x / 2^e to the nearest, ties away from zero; 0 <= e <= 31. */
static inline int32_t tl_rdbpot(int32_t x, int32_t e)
{
    int32_t mask = (int32_t)(((uint32_t)1 << e) - 1u);
    int32_t rest = x & mask;
    int32_t half = (int32_t)((uint32_t)mask >> 1) + (x < 0);
    return (x >> e) + (int32_t)((uint32_t)tl_opaque(half - rest) >> 31); /* + 1 if rest > half */
}

/* x / 2^e to the nearest, ties up; 0 <= e <= 30 and x + 2^(e-1) < 2^31. */
static inline int32_t tl_rshift_round(int32_t x, int32_t e)
{
    return (x + (int32_t)(((uint32_t)1 << e) >> 1)) >> e;
}

/* MBQM: x * mult * 2^(shift - 31) with TFLM's double rounding; mult in [2^30, 2^31) or 0, shift in [-31, 30].
 * x * 2^max(shift, 0) must fit (it wraps otherwise).  RDBPOT(p, e) = ((p - [p < 0]) / 2^(e-1) + 1) / 2 for e > 0, both
 * rounded down.  The shift decides which way is gone: a constant of the model. */
static inline int32_t tl_mbqm(int32_t x, int32_t mult, int32_t shift)
{
    int32_t p;
    if (shift >= 0)
        return tl_srdhm_wrap(tl_shl(x, shift), mult); /* mult >= 0: nothing to saturate, and no p of -2^31 below */
    p = tl_srdhm_wrap(x, mult);
    return (((p + (p >> 31)) >> (-1 - shift)) + 1) >> 1;
}

/* SRDHM of the half of an even x: the product's upper word, rounded; for any x and m but both -2^31. */
static inline int32_t tl_half_srdhm(int32_t x, int32_t m)
{
#ifdef TL_DSP
    int32_t r;
    __asm__("smmulr %0, %1, %2" : "=r"(r) : "r"(x), "r"(m));
    return r;
#elif defined(TL_ARMV6M)
    return tl_upper(x, m) + (tl_half_middle(x, m, 1 << 15) >> 15);
#else
    int64_t p = tl_mul64(x, m);
    return (int32_t)(p >> 32) + (int32_t)((uint32_t)p >> 31);
#endif
}

/* sat8(zp + MBQM(x / 2, m, -right)) for an even x and a right shift in [1, 31]: less is right - 1, offset 2 zp + 1.
 * RDBPOT(p, e) = ((p - [p < 0]) / 2^(e-1) + 1) / 2, both rounded down, and the zero point goes in at half of it. */
static inline int32_t tl_rescale8(int32_t x, int32_t m, int32_t less, int32_t offset)
{
    int32_t p = tl_half_srdhm(x, m);
    p = ((p + (p >> 31)) >> less) + offset;
#ifdef TL_SSAT
    int32_t r;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(r) : "r"(p));
    return r;
#else
    return tl_sat_near8(p >> 1);
#endif
}

#ifdef TL_DSP
/* The next four bytes of p, which moves on. */
static inline uint32_t tl_next4(const int8_t **p)
{
    uint32_t w;
    __asm__ volatile("ldr %0, [%1], #4" : "=r"(w), "+r"(*p) : : "memory");
    return w;
}
/* Bytes 0 and 2, or 1 and 3, of w as signed half-words, added to those of x. */
#define TL_ADD_EVEN(r, x, w) __asm__("sxtab16 %0, %1, %2" : "=r"(r) : "r"(x), "r"(w))
#define TL_ADD_ODD(r, x, w) __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(x), "r"(w))
/* x in both half-words */
#define TL_PAIR(x) (((uint32_t)(x) & 0xffffu) | (uint32_t)(x) << 16)
#endif

#endif
