/* An input as a script of events, and what must hold of them. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

/* Where the next event lies; zeros are behind the end. */
typedef struct {
    const uint8_t *p, *end;
} script;

static inline uint32_t byte(script *s) { return s->p < s->end ? *s->p++ : 0; }
static inline uint32_t half(script *s)
{
    uint32_t low = byte(s);
    return low | byte(s) << 8;
}
static inline uint32_t word(script *s)
{
    uint32_t low = half(s);
    return low | half(s) << 16;
}

static inline void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

#endif
