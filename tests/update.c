/* Opens payloads, one after the other, each in memory of exactly its size, and tests the models that open: for sanitizers.
 * The file: two words, the inputs; then for each payload its bytes, a word, and these. */
#include "update.h"
#include <stdio.h>
#include <stdlib.h>

static uint32_t arena[1 << 14], signatures[256];

static int read_words(FILE *f, uint32_t *to, size_t n) { return fread(to, 4, n, f) == n; }

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : 0;
    uint32_t inputs[2], bytes, opened = 0, tested = 0, total = 0;
    if (!f || !read_words(f, inputs, 2))
        return 2;
    while (read_words(f, &bytes, 1)) {
        void *data = malloc(bytes ? bytes : 1);
        tl_package p;
        tl_model m;
        if (!data || (bytes && fread(data, bytes, 1, f) != 1))
            return 2;
        total++;
        if (!tl_package_open(&p, data, bytes, inputs)) {
            opened++;
            for (uint32_t ap = 0; ap < p.scaler.count; ap++)
                for (int32_t dbm = -128; dbm < 128; dbm++)
                    tl_code(&p.scaler, ap, dbm);
            for (uint32_t i = 0, n = 0; i < p.room_count; i++)
                for (const char *c = tl_package_name(p.rooms, i); *c; c++)
                    n += (unsigned char)*c;
            if (!tl_open(&m, p.image, p.image_bytes, arena, sizeof arena, tl_all_kernels) &&
                !tl_package_test(&p, &m, signatures, 256))
                tested++;
        }
        free(data);
    }
    printf("%u %u %u\n", opened, tested, total);
    fclose(f);
    return 0;
}
