/* Every primitive of fixed.h as a function of int32_t a, b, c, d with a result that int64_t holds. */
#ifndef PRIMITIVES_H
#define PRIMITIVES_H

#include "fixed.h"

#ifdef TL_ARMV6M
#define PRIMITIVES_V6M(X) X(upper, tl_upper(a, b)) X(half_middle, tl_half_middle(a, b, c))
#else /* other cores have no such functions, and their products of 64 bits stand in */
#define PRIMITIVES_V6M(X) \
    X(upper, (int64_t)(a >> 16) * (b >> 16)) \
    X(half_middle, (((int64_t)a * b >> 16) + c - (int64_t)(a >> 16) * (b >> 16) * 65536) >> 1)
#endif
#define PRIMITIVES(X) \
    X(clamp, tl_clamp(a, b, c)) X(sat8, tl_sat8(a)) X(sat16, tl_sat16(a)) \
    X(add, tl_add(a, b)) X(sub, tl_sub(a, b)) X(mul, tl_mul(a, b)) X(shl, tl_shl(a, b)) \
    X(srdhm, tl_srdhm(a, b)) X(rdbpot, tl_rdbpot(a, b)) X(rshift_round, tl_rshift_round(a, b)) X(mbqm, tl_mbqm(a, b, c)) \
    X(opaque, tl_opaque(a)) X(less, tl_less(a, b)) X(is_zero, tl_is_zero(a)) X(select, tl_select(a, b, c)) \
    X(min, tl_min(a, b)) X(max, tl_max(a, b)) X(near_less, tl_near_less(a, b)) X(near_min, tl_near_min(a, b)) \
    X(near_max, tl_near_max(a, b)) X(sat, tl_sat(a, b)) X(sat_near8, tl_sat_near8(a)) \
    X(umul64, (int64_t)tl_umul64((uint32_t)a, (uint32_t)b)) X(mul64, tl_mul64(a, b)) X(mul_high, tl_mul_high(a, b)) \
    X(mul_16, tl_mul_16(a, b)) X(srdhm_wrap, tl_srdhm_wrap(a, b)) X(half_srdhm, tl_half_srdhm(a, b)) \
    X(rescale8, tl_rescale8(a, b, c, d)) PRIMITIVES_V6M(X)

#endif
