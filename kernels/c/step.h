/* How a step of an image calls a kernel, and what is checked before it may. */
#ifndef TL_STEP_H
#define TL_STEP_H

#include "spec.h"
#include "tinyloc.h"

#define TL_DECLARE(op)                  \
    void tl_step_##op(const tl_arg *a); \
    extern const uint8_t tl_spec_##op[];
#define TL_STEP(op, ...)                                         \
    TL_DECLARE(op)                                               \
    void tl_step_##op(const tl_arg *a) { tl_##op(__VA_ARGS__); } \
    const uint8_t tl_spec_##op[] = {TL_SPEC_##op};

/* The runner is small beside the kernels in time, but not in flash: it stays so at -O3, where clang would unroll it. */
#if defined(__clang__)
#define TL_SMALL __attribute__((minsize, noinline))
#elif defined(__GNUC__)
#define TL_SMALL __attribute__((noinline))
#else
#define TL_SMALL
#endif

/* Whether the step at s may run, of the right counts and within the section of steps; a TL_ERR_ code. */
int32_t tl_check(const tl_model *m, const uint16_t *s);

/* Word i of the image's header: 3 is the bytes of the image, 5 those of the arena. */
static inline uint32_t tl_head(const tl_model *m, uint32_t i) { return ((const uint32_t *)(const void *)m->image)[i]; }

static inline int32_t tl_inside(uint32_t offset, uint32_t bytes, uint32_t whole)
{
    return offset <= whole && bytes <= whole - offset;
}

#endif
