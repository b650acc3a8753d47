/* An image is any bytes: tl_open refuses them, or they run without an access out of bounds, without undefined behavior, and
 * with the same bits in portable C and in the host's vector kernels.
 *
 * Every input is opened twice: as it is, and with the CRC that it should have, since a mutant hardly ever gets past that.
 * Image and arena are blocks of just their size, so that the sanitizers see the first byte beside them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#ifdef FUZZ_HOST
#include "host.h"
#else
#include "tinyloc.h"
#endif

enum { ARENA = 1 << 13, RUNS = 3 }; /* no larger arena, so that no input takes long */

static unsigned long codes[TL_ERR_COUNT], steps;

static void report(void)
{
    printf("codes:");
    for (int i = 0; i < TL_ERR_COUNT; i++)
        printf(" %lu", codes[i]);
    printf("\nsteps: %lu\n", steps);
}

/* Opens what was opened before, in an arena of one byte throughout. */
static void *again(tl_model *m, const uint8_t *image, uint32_t size, const tl_kernel *kernels)
{
    uint32_t need;
    memcpy(&need, image + 20, 4);
    uint8_t *arena = malloc(need ? need : 1);
    memset(arena, 0x55, need);
    if (tl_open(m, image, size, arena, need, kernels))
        abort();
    return arena;
}

/* Some runs, with words of the image for input. */
static void run(const uint8_t *image, uint32_t size)
{
    tl_model m;
    void *arena = again(&m, image, size, tl_all_kernels);
    uint32_t *crcs = malloc(4 * (m.count + 1u));
    for (uint32_t i = 0; i < RUNS; i++) {
        uint8_t *x = tl_input(&m);
        for (uint32_t at = 0, bytes = tl_input_bytes(&m); at < bytes; at++)
            x[at] = image[(at + 7u * i) % size];
        tl_sign(&m, crcs);
        tl_crc32(0, tl_output(&m), tl_output_bytes(&m)); /* as an application would read it */
    }
    steps += RUNS * (unsigned long)m.count;
    free(crcs);
    free(arena);
}

#ifdef FUZZ_HOST
/* Each step in portable C and at a level of the host, on the same bytes: the same output. */
static void compare(const uint8_t *image, uint32_t size, const tl_kernel *kernels)
{
    tl_model one, two;
    uint8_t *a = again(&one, image, size, tl_all_kernels), *b = again(&two, image, size, kernels);
    uint32_t need;
    const uint16_t *p = one.steps;
    memcpy(&need, image + 20, 4);
    for (int32_t i = 0; i < one.count; i++) {
        uint32_t at = (uint32_t)p[3] << one.arena_unit, bytes = ((uint32_t)p[4] << one.arena_unit) - ((p[0] >> 8) & 127u);
        memcpy(b, a, need); /* what lies in scratch afterwards is each one's own affair */
        tl_step(&one, i);
        tl_step(&two, i);
        if (memcmp(a + at, b + at, bytes)) {
            fprintf(stderr, "step %d, op %d: the host's vectors differ from portable C\n", (int)i, p[0] & 255);
            abort();
        }
        uint32_t halves = 3 + 2 * (p[1] & 255u) + (p[1] >> 8);
        for (uint32_t wide = p[2]; wide; wide >>= 1)
            halves += wide & 1u;
        p += halves;
    }
    free(a);
    free(b);
}
#endif

static void try(const uint8_t *data, uint32_t size)
{
    uint8_t *image = malloc(size ? size : 1);
    uint32_t need = 0;
    memcpy(image, data, size);
    if (size >= 24)
        memcpy(&need, image + 20, 4);
    need = need < ARENA ? need : ARENA;
    uint8_t *arena = malloc(need ? need : 1);
    tl_model m;
    int32_t code = tl_open(&m, image, size, arena, need, tl_all_kernels);
    if (code < 0 || code >= TL_ERR_COUNT || !*tl_error_text(code))
        abort();
    codes[code]++;
    free(arena);
    if (!code) {
        run(image, size);
#ifdef FUZZ_HOST
        for (int32_t level = 1; level < TL_LEVELS; level++)
            if (tl_host_kernels(level))
                compare(image, size, tl_host_kernels(level));
#endif
    }
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    uint32_t bytes = (uint32_t)size;
    if (!begun++)
        atexit(report);
    try(data, bytes);
    if (size >= 24) {
        uint8_t *sealed = malloc(size);
        uint32_t total, crc;
        memcpy(sealed, data, size);
        memcpy(&total, sealed + 12, 4);
        if (total >= 24 && total <= bytes) {
            crc = tl_crc32(0, sealed + 8, total - 8);
            memcpy(sealed + 4, &crc, 4);
            try(sealed, bytes);
        }
        free(sealed);
    }
    return 0;
}
