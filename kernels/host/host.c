#include "host.h"

#ifdef TL_X86
#include <cpuid.h>

/* The highest level that processor and operating system have (Intel SDM, volume 1, 14.3 and 15.2-4).  Asked here and not by
 * __builtin_cpu_supports: its answer comes from the compiler's library, and that of zig says no to everything. */
static int32_t highest(void)
{
    enum { OSXSAVE = 1 << 27, AVX2 = 1 << 5, VNNI = 1 << 11, YMM = 0x6, ZMM = 0xe6 };
    const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    uint32_t a, b, c, d, kept, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE) || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return TL_PORTABLE_LEVEL;
    __asm__ volatile("xgetbv" : "=a"(kept), "=d"(high) : "c"(0)); /* registers that the system keeps for a thread */
    if (!(b & AVX2) || (kept & YMM) != YMM)
        return TL_PORTABLE_LEVEL;
    return (b & avx512) == avx512 && (c & VNNI) && (kept & ZMM) == ZMM ? TL_AVX512_LEVEL : TL_AVX2_LEVEL;
}
#endif

const tl_kernel *tl_host_kernels(int32_t level)
{
#ifdef TL_X86
    if (level >= 0 && level <= highest()) {
        const tl_kernel *const tables[TL_LEVELS] = {tl_all_kernels, tl_avx2_kernels, tl_avx512_kernels};
        return tables[level];
    }
    return 0;
#else
    return level == TL_PORTABLE_LEVEL ? tl_all_kernels : 0;
#endif
}
