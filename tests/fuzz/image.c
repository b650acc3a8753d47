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

/* Some runs from the initial state, with the last words of the image for input, and an arena of one byte throughout. */
static void run(const uint8_t *image, uint32_t size, uint32_t *crcs, const tl_kernel *kernels, uint8_t fill)
{
    uint32_t need;
    memcpy(&need, image + 20, 4);
    uint8_t *arena = malloc(need ? need : 1);
    tl_model m;
    memset(arena, fill, need);
    if (tl_open(&m, image, size, arena, need, kernels))
        abort();
    for (int i = 0; i < RUNS; i++, crcs += m.count + 1u) {
        uint8_t *x = tl_input(&m);
        for (uint32_t at = 0, bytes = tl_input_bytes(&m); at < bytes; at++)
            x[at] = image[(at + 7u * (uint32_t)i) % size];
        tl_sign(&m, crcs);
    }
    /* What an application would read */
    uint32_t sum = tl_crc32(0, tl_output(&m), tl_output_bytes(&m));
    *crcs = sum;
    free(arena);
}

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
        size_t words = (m.count + 1u) * RUNS + 1u;
        uint32_t *want = malloc(4 * words);
        steps += RUNS * (unsigned long)m.count;
        run(image, size, want, tl_all_kernels, 0x55);
#ifdef FUZZ_HOST
        uint32_t *got = malloc(4 * words);
        for (int32_t level = 1; level < TL_LEVELS; level++) {
            const tl_kernel *kernels = tl_host_kernels(level);
            if (!kernels)
                continue;
            run(image, size, got, kernels, 0x55);
            if (memcmp(want, got, 4 * words)) {
                fprintf(stderr, "level %d differs from portable C\n", (int)level);
                abort();
            }
        }
        free(got);
#endif
        free(want);
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
