#include "step.h"

/* Every kernel, by its number in an image.  Firmware lists only those of its image, so that the linker drops the rest. */
TL_OPS(TL_DECLARE)

const tl_kernel tl_all_kernels[] = {
#define X(op) {tl_step_##op, tl_spec_##op},
    TL_OPS(X)
#undef X
};
