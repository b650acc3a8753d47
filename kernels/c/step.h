/* How a step of an image calls a kernel. */
#ifndef TL_STEP_H
#define TL_STEP_H

#include "tinyloc.h"

#define TL_STEP(op, ...)                 \
    void tl_step_##op(const tl_arg *a);  \
    void tl_step_##op(const tl_arg *a) { tl_##op(__VA_ARGS__); }

#endif
