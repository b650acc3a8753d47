#include "host.h"

#ifdef TL_X86
#ifdef __clang__
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#include <immintrin.h>
#endif
#define TL_TABLE tl_avx2_kernels
/* acc + the two products of 16 bits in each lane: below 2^31 wherever the portable sum is */
#define MADD(acc, a, b) _mm256_add_epi32(acc, _mm256_madd_epi16(a, b))
#include "kernels.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int tl_no_avx2;
#endif
