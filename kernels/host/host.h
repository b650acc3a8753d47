/* The host's kernels, by instruction set.  The firmware's folder c/ knows nothing of this one: here lie second
 * implementations of its steps for x86-64, chosen at run time, of the same bits. */
#ifndef TL_HOST_H
#define TL_HOST_H

#include "../c/tinyloc.h"

/* x86-64 and a compiler that takes GNU C's attributes; every other host has the portable kernels alone. */
#if defined(__GNUC__) && defined(__x86_64__)
#define TL_X86
#endif

enum { TL_PORTABLE_LEVEL, TL_AVX2_LEVEL, TL_AVX512_LEVEL, TL_LEVELS };

/* The table for tl_open of a level; 0 where this processor or this build has no such level. */
const tl_kernel *tl_host_kernels(int32_t level);

#ifdef TL_X86
extern const tl_kernel tl_avx2_kernels[], tl_avx512_kernels[];
extern const int32_t (*const tl_scan_lines)[2]; /* the table of c/scan.c */
#endif

#endif
