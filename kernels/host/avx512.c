/* 256 bits wide like AVX2, with twice the registers and the fused VPDPWSSD, which does not saturate. */
#include "host.h"

#ifdef TL_X86
#define TL_TARGET "avx2,avx512f,avx512vl,avx512bw,avx512dq,avx512vnni"
#ifdef __clang__
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target(TL_TARGET))), apply_to = function)
#else
#pragma GCC target("avx2,avx512f,avx512vl,avx512bw,avx512dq,avx512vnni")
#include <immintrin.h>
#endif
#define TL_TABLE tl_avx512_kernels
#define MADD(acc, a, b) _mm256_dpwssd_epi32(acc, a, b)
#include "kernels.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int tl_no_avx512;
#endif
