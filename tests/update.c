/* Installs a package as a device does, in flash of the greatest unit; then opens payloads, one after the other, each in memory
 * of exactly its size, and tests the models that open: for sanitizers.
 * The file: two words, the inputs; the hash of a key and the key, 32 bytes each; 8 bytes by which a package is announced, its
 * bytes, a word, and these; then for each payload its bytes, a word, and these. */
#include "update.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 256, UNIT = TL_UPDATE_MAX_UNIT, SLOT = 64 * PAGE };

static uint32_t arena[1 << 14], signatures[256], flash[2 * SLOT / 4];

static int read_words(FILE *f, uint32_t *to, size_t n) { return fread(to, 4, n, f) == n; }

static int32_t flash_read(void *context, uint32_t at, void *to, uint32_t bytes)
{
    memcpy(to, (uint8_t *)context + at, bytes);
    return 0;
}

static int32_t flash_program(void *context, uint32_t at, const void *from, uint32_t bytes)
{
    memcpy((uint8_t *)context + at, from, bytes);
    return 0;
}

static int32_t flash_erase(void *context, uint32_t at)
{
    memset((uint8_t *)context + at, 0xff, PAGE);
    return 0;
}

/* 1 if the package is installed, runs, and is confirmed. */
static int installs(FILE *f, const uint32_t inputs[2])
{
    static const tl_flash nor = {flash, flash_read, flash_program, flash_erase, (const uint8_t *)flash, PAGE, UNIT, SLOT};
    uint8_t hash[32], public[32], id[8], *data;
    uint32_t bytes, from;
    tl_update_key key = {TL_UPDATE_ED25519, hash, public, tl_update_ed25519};
    tl_update_device d = {&nor, &key, 1, tl_all_kernels, arena, sizeof arena, signatures, 256, {inputs[0], inputs[1]}, 0, 0};
    tl_booted booted;
    tl_update update;
    if (fread(hash, 32, 1, f) != 1 || fread(public, 32, 1, f) != 1 || fread(id, 8, 1, f) != 1 || !read_words(f, &bytes, 1))
        return 0;
    data = malloc(bytes);
    memset(flash, 0xff, sizeof flash);
    int right = data && fread(data, bytes, 1, f) == 1 && tl_update_boot(&d, &booted) == TL_UPDATE_NONE &&
                !tl_update_begin(&update, &d, &booted, bytes, id, &from) && !from && !tl_update_write(&update, data, bytes) &&
                !tl_update_finish(&update) && !tl_update_boot(&d, &booted) && booted.valid && !tl_update_boot(&d, &booted);
    free(data);
    return right;
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : 0;
    uint32_t inputs[2], bytes, opened = 0, tested = 0, total = 0;
    if (!f || !read_words(f, inputs, 2))
        return 2;
    if (!installs(f, inputs))
        return 3;
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
