/* How a step of an image calls a kernel: one argument is a pointer or a number. */
#ifndef TL_STEP_H
#define TL_STEP_H

#include "tinyloc.h"

typedef union {
    void *p;
    int32_t i;
} tl_arg;

#define TL_STEP(op, ...)                 \
    void tl_step_##op(const tl_arg *a);  \
    void tl_step_##op(const tl_arg *a) { tl_##op(__VA_ARGS__); }

#endif
