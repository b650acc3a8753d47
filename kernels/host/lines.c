/* The scan's table of lines, which c/scan.c keeps to itself: that file once more, its kernels under other names. */
#include "../c/step.h"
#undef TL_STEP
#define TL_STEP(op, ...)
#define tl_scan_s8 tl_lines_scan_s8
#define tl_scan_powers_s8 tl_lines_scan_powers_s8
#include "../c/scan.c"
#include "host.h"

#ifdef TL_X86
const int32_t (*const tl_scan_lines)[2] = lines;
#endif
