/* Updates are rare: their code is TL_SMALL at -O3, where compilers would unroll and inline it to twice its size. */
#ifndef TINYLOC_SMALL_H
#define TINYLOC_SMALL_H

#include "step.h"

/* Of functions that call another one several times, which clang's minsize does through a register: no static bound of the
 * stack sees through that. */
#if defined(__GNUC__)
#define TL_APART __attribute__((noinline))
#else
#define TL_APART
#endif

/* The little-endian word at p, wherever that lies. */
static inline uint32_t tl_word(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#endif
