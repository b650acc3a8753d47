#include "step.h"

/* Every kernel, by its number in an image.  Firmware lists only those of its image, so that the linker drops the rest. */
#define X(op)                           \
    void tl_step_##op(const tl_arg *a); \
    extern const uint8_t tl_spec_##op[];
TL_OPS(X)
#undef X

const tl_kernel tl_all_kernels[] = {
#define X(op) {tl_step_##op, tl_spec_##op},
    TL_OPS(X)
#undef X
};
