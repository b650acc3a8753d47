/* UINTPTR_MAX as on a 32-bit machine: the forms that fixed.h has for those, on any. */
#ifndef NARROW_H
#define NARROW_H
#include <stdint.h>
#undef UINTPTR_MAX
#define UINTPTR_MAX 0xffffffffu
#endif
