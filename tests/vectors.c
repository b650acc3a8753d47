/* Runs the C kernels, and the primitives of fixed.h, on the file of cases that vectors.py wrote (its format is described
 * there) and compares.  Each array is a block of its own size, so that AddressSanitizer sees the first byte beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "c/primitives.h"
#include "step.h"

#ifdef TL_HOST_TABLE /* of a level of the host's kernels, instead of the portable ones */
extern const tl_kernel TL_HOST_TABLE[];
#endif

#define X(op) void tl_step_##op(const tl_arg *a);
TL_OPS(X)
#undef X

enum { MAX_ARGS = 64, NUMBER = 0, READ = 1, RESULT = 2, SCRATCH = 3 };

/* 64-bit results of operands in arguments 1 to 4; argument 5: how many */
#define X(name, result)                                                                   \
    static void fixed_##name(const tl_arg *v)                                             \
    {                                                                                     \
        int64_t *y = v[0].p;                                                              \
        const int32_t *p = v[1].c, *q = v[2].c, *r = v[3].c, *s = v[4].c;                 \
        for (int32_t i = 0; i < v[5].i; i++) {                                            \
            int32_t a = p[i], b = q[i], c = r[i], d = s[i];                               \
            (void)b, (void)c, (void)d;                                                    \
            y[i] = result;                                                                \
        }                                                                                 \
    }
PRIMITIVES(X)
#undef X

static const struct {
    const char *name;
    void (*step)(const tl_arg *a);
} ops[] = {
#define X(op) {#op, tl_step_##op},
    TL_OPS(X)
#undef X
#define X(name, result) {"fixed." #name, fixed_##name},
    PRIMITIVES(X)
#undef X
};
enum { OPS = sizeof ops / sizeof ops[0] };
#define X(op) +1
enum { KERNELS = 0 TL_OPS(X) };
#undef X

static void fail(const char *what)
{
    fprintf(stderr, "vectors: %s\n", what);
    exit(2);
}

static void get(void *p, size_t n, FILE *f)
{
    if (n && fread(p, 1, n, f) != n) {
        fail("the file is cut off");
    }
}

static uint32_t get32(FILE *f)
{
    unsigned char b[4];
    get(b, 4, f);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static unsigned char *block(size_t n)
{
    unsigned char *p = malloc(n ? n : 1);
    if (!p) {
        fail("out of memory");
    }
    return p;
}

int main(int argc, char **argv)
{
    unsigned long counts[OPS] = {0}, bytes = 0;
    char magic[4], name[64];
    int differ = 0, c;
    FILE *f = argc == 2 || argc == 3 ? fopen(argv[1], "rb") : NULL;

    (void)KERNELS;
    if (!f) {
        fail("expected an argument, the file that vectors.py wrote, and perhaps a second one, if it has not all ops");
    }
    get(magic, 4, f);
    if (memcmp(magic, "TLV1", 4) != 0) {
        fail("not a file that vectors.py wrote");
    }
    while ((c = getc(f)) != EOF) {
        tl_arg args[MAX_ARGS];
        unsigned char *want[MAX_ARGS];
        size_t size[MAX_ARGS];
        uint32_t kind[MAX_ARGS], length, n, i;
        int op = 0;

        ungetc(c, f);
        length = get32(f);
        if (length >= sizeof name) {
            fail("the name of an op is too long");
        }
        get(name, length, f);
        name[length] = 0;
        while (op < OPS && strcmp(ops[op].name, name) != 0) {
            op++;
        }
        n = get32(f);
        if (op == OPS || n > MAX_ARGS) {
            fail(name);
        }
        for (i = 0; i < n; i++) {
            kind[i] = get32(f);
            size[i] = get32(f);
            want[i] = NULL;
            if (kind[i] == NUMBER) {
                args[i].i = (int32_t)(uint32_t)size[i];
                continue;
            }
            args[i].p = block(size[i]);
            get(args[i].p, size[i], f);
            if (kind[i] == RESULT) {
                want[i] = block(size[i]);
                get(want[i], size[i], f);
            }
        }
#ifdef TL_HOST_TABLE
        if (op < KERNELS)
            TL_HOST_TABLE[op].run(args);
        else
#endif
            ops[op].step(args);
        for (i = 0; i < n; i++) {
            if (kind[i] == NUMBER) {
                continue;
            }
            if (kind[i] == RESULT) {
                if (memcmp(args[i].p, want[i], size[i]) != 0) {
                    fprintf(stderr, "vectors: %s, case %lu: argument %lu differs from what is expected\n", name, counts[op],
                            (unsigned long)i);
                    differ++;
                    if (argc == 3) {
                        return 1;
                    }
                }
                bytes += (unsigned long)size[i];
                free(want[i]);
            }
            free(args[i].p);
        }
        counts[op]++;
    }
    fclose(f);
    for (c = 0; c < OPS; c++) {
        printf("%-20s %6lu cases\n", ops[c].name, counts[c]);
        if (counts[c] == 0 && argc == 2) {
            fprintf(stderr, "vectors: no case of %s\n", ops[c].name);
            differ++;
        }
    }
    printf("%lu bytes of results, %d differ\n", bytes, differ);
    return differ != 0;
}
