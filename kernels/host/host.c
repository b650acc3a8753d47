#include "host.h"

const tl_kernel *tl_host_kernels(int32_t level)
{
    if (level == TL_PORTABLE_LEVEL)
        return tl_all_kernels;
#ifdef TL_X86
    __builtin_cpu_init();
    if (level == TL_AVX2_LEVEL && __builtin_cpu_supports("avx2"))
        return tl_avx2_kernels;
    if (level == TL_AVX512_LEVEL && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni"))
        return tl_avx512_kernels;
#endif
    return 0;
}
