/* Runs the frozen vectors of frozen.h: every kernel, every primitive of fixed.h, on few arguments, each there to catch the
 * mistakes that it names.  Freestanding: firmware calls tl_frozen with a function that prints a text (see README.md). */
#include "primitives.h"
#include "tinyloc.h"

/* before: content at the call, 0 for noise; after: that behind it, 0: as before, or, of noise, whatever.  bytes 0: a number. */
typedef struct {
    const void *before, *after;
    uint32_t bytes;
    int32_t number;
} frozen_arg;
typedef struct {
    const char *op, *catches;
    void (*step)(const tl_arg *a);
    const frozen_arg *args;
    uint32_t count;
} frozen_vector;
typedef struct {
    const char *name, *catches;
    int64_t (*function)(int32_t a, int32_t b, int32_t c, int32_t d);
    int32_t operands[4];
    int64_t result;
} frozen_primitive;

#define NUMBER(n) {0, 0, 0, n}
#define READ(a) {a, 0, sizeof a, 0}
#define STATE(a, b) {a, b, sizeof a, 0}
#define WRITTEN(b) {0, b, sizeof b, 0}
#define SCRATCH(n) {0, 0, n, 0}

#define X(op) void tl_step_##op(const tl_arg *a);
TL_OPS(X)
#undef X
#define X(name, result) \
    static int64_t fixed_##name(int32_t a, int32_t b, int32_t c, int32_t d) { return (void)a, (void)b, (void)c, (void)d, result; }
PRIMITIVES(X)
#undef X

#include "frozen.h"

int32_t tl_frozen(void (*put)(const char *text));

enum { GUARD = 8, NOISE = 0xA5 };

static uint32_t memory[FROZEN_WORDS]; /* the arrays of a vector, each from a word on, with guards around them */

static uint32_t place(uint32_t at, uint32_t bytes) { return (at + bytes + 3) / 4 * 4 + GUARD; }

static void call(const frozen_vector *v)
{
    uint8_t *bytes = (uint8_t *)memory;
    tl_arg args[TL_MAX_ARGS];
    uint32_t at = GUARD;
    for (uint32_t i = 0; i < sizeof memory; i++)
        bytes[i] = NOISE;
    for (uint32_t i = 0; i < v->count; i++) {
        const frozen_arg *a = &v->args[i];
        const uint8_t *from = a->before;
        args[i].p = 0;
        if (a->bytes == 0) {
            args[i].i = a->number;
            continue;
        }
        for (uint32_t j = 0; from && j < a->bytes; j++)
            bytes[at + j] = from[j];
        args[i].p = bytes + at;
        at = place(at, a->bytes);
    }
    v->step(args);
}

/* The first argument that is not as expected behind the call, or whose guard is not; v->count if all are. */
static uint32_t wrong(const frozen_vector *v)
{
    const uint8_t *bytes = (const uint8_t *)memory;
    uint32_t at = GUARD, beside = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        const frozen_arg *a = &v->args[i];
        const uint8_t *want = a->after ? a->after : a->before;
        if (a->bytes == 0)
            continue;
        for (; beside < at; beside++)
            if (bytes[beside] != NOISE)
                return i;
        for (uint32_t j = 0; want && j < a->bytes; j++)
            if (bytes[at + j] != want[j])
                return i;
        beside = at + a->bytes;
        at = place(at, a->bytes);
    }
    for (; beside < sizeof memory; beside++)
        if (bytes[beside] != NOISE)
            return v->count - 1;
    return v->count;
}

/* n < 10000, without a division, which the smallest cores have not */
static void put_number(void (*put)(const char *text), uint32_t n)
{
    static const uint32_t tens[] = {1000, 100, 10, 1};
    char digits[5];
    uint32_t used = 0;
    for (uint32_t i = 0; i < 4; i++) {
        char digit = '0';
        for (; n >= tens[i]; n -= tens[i])
            digit++;
        if (used || digit > '0' || i == 3)
            digits[used++] = digit;
    }
    digits[used] = 0;
    put(digits);
}

static void complain(void (*put)(const char *text), const char *name, uint32_t number, const char *what, const char *catches)
{
    put(name);
    put(", vector ");
    put_number(put, number);
    put(what);
    put("; it catches: ");
    put(catches);
    put("\n");
}

/* Prints a line an op; how many vectors give other results. */
int32_t tl_frozen(void (*put)(const char *text))
{
    int32_t differ = 0;
    uint32_t number = 0, i;
    for (i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const frozen_vector *v = &vectors[i];
        uint32_t at;
        number = i && vectors[i - 1].step == v->step ? number + 1 : 0;
        call(v);
        at = wrong(v);
        if (at < v->count) {
            differ++;
            complain(put, v->op, number, ": another result", v->catches);
        }
        if (i + 1 == sizeof vectors / sizeof *vectors || vectors[i + 1].step != v->step) {
            put(v->op);
            put(": ");
            put_number(put, number + 1);
            put(" vectors\n");
        }
    }
    for (i = 0; i < sizeof primitives / sizeof *primitives; i++) {
        const frozen_primitive *p = &primitives[i];
        number = i && primitives[i - 1].function == p->function ? number + 1 : 0;
        if (p->function(p->operands[0], p->operands[1], p->operands[2], p->operands[3]) != p->result) {
            differ++;
            complain(put, p->name, number, ": another result", p->catches);
        }
    }
    put("primitives of fixed.h: ");
    put_number(put, (uint32_t)(sizeof primitives / sizeof *primitives));
    put(" vectors\n");
    put_number(put, (uint32_t)differ);
    put(" differ\n");
    return differ;
}

#ifndef FROZEN_NO_MAIN
#include <stdio.h>

static void print(const char *text) { fputs(text, stdout); }

int main(void) { return tl_frozen(print) != 0; }
#endif
