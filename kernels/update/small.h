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

#endif
