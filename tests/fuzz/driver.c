/* libFuzzer's place where there is no clang: mutants of a corpus, by a seed, coverage not looked at.
 *
 *     driver runs seed file...
 *
 * Prints how many runs there were.  A crash leaves the mutant in crash.bin of the working folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { MOST = 1 << 16, MUTATIONS = 6 };

typedef struct {
    uint8_t *data;
    size_t size;
} input;

static uint8_t now[MOST];
static size_t now_size;

/* xorshift64* (Vigna 2016) */
static uint64_t state;
static uint32_t draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1dull) >> 32) % below;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__has_feature)
void __asan_set_death_callback(void (*callback)(void));
static void keep(void)
{
    FILE *f = fopen("crash.bin", "wb");
    if (f) {
        fwrite(now, 1, now_size, f);
        fclose(f);
    }
}
#endif

static void put16(size_t at, uint32_t value)
{
    now[at] = (uint8_t)value;
    now[at + 1] = (uint8_t)(value >> 8);
}

/* An image is made of half-words, most of them small numbers: so are the mutations. */
static void mutate(const input *other)
{
    static const uint16_t edges[] = {0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 127, 128, 255, 256, 0x3ff, 0x400, 0x7fff,
                                     0x8000, 0x8001, 0xfff0, 0xffff};
    size_t at, some;
    if (now_size < 8)
        return;
    /* The first words say what all others are: they are worth more than one in a thousand. */
    at = draw(4) ? draw((uint32_t)now_size - 1) : draw(now_size > 400 ? 400 : (uint32_t)now_size - 1);
    switch (draw(10)) {
    case 0: now[at] ^= (uint8_t)(1u << draw(8)); break;
    case 1: now[at] = (uint8_t)draw(256); break;
    case 2: put16(at & ~(size_t)1, edges[draw(sizeof edges / sizeof *edges)]); break;
    case 3:
    case 4: put16(at & ~(size_t)1, now[at & ~(size_t)1] + 256u * now[at | 1] + draw(9) - 4); break;
    case 5: { /* a half-word from elsewhere */
        size_t from = draw((uint32_t)now_size - 1) & ~(size_t)1;
        put16(at & ~(size_t)1, now[from] + 256u * now[from + 1]);
        break;
    }
    case 6: /* some bytes from another input, at the same place */
        some = 1 + draw(64);
        if (other->size > at + some && now_size > at + some)
            memcpy(now + at, other->data + at, some);
        break;
    case 7:
        some = 1 + draw(16);
        if (now_size > at + some)
            memset(now + at, draw(2) ? 0xff : 0, some);
        break;
    case 8:
        if (!draw(8))
            now_size -= draw((uint32_t)now_size);
        break;
    default: { /* two half-words change places */
        size_t from = draw((uint32_t)now_size - 1) & ~(size_t)1, to = at & ~(size_t)1;
        uint32_t a = now[from] + 256u * now[from + 1];
        put16(from, now[to] + 256u * now[to + 1]);
        put16(to, a);
    }
    }
}

int main(int argc, char **argv)
{
    int count = argc - 3;
    input *corpus = calloc((size_t)(count > 0 ? count : 1), sizeof *corpus);
    unsigned long runs = argc > 3 ? strtoul(argv[1], 0, 10) : 0, done = 0;
    if (count < 1 || !corpus) {
        fprintf(stderr, "driver: expected runs, seed and files\n");
        return 2;
    }
    state = strtoull(argv[2], 0, 10) * 0x9e3779b97f4a7c15ull + 1;
#if defined(__SANITIZE_ADDRESS__) || defined(__has_feature)
    __asan_set_death_callback(keep);
#endif
    for (int i = 0; i < count; i++) {
        FILE *f = fopen(argv[i + 3], "rb");
        if (!f || !(corpus[i].data = malloc(MOST))) {
            fprintf(stderr, "driver: %s cannot be read\n", argv[i + 3]);
            return 2;
        }
        corpus[i].size = fread(corpus[i].data, 1, MOST - 2, f);
        fclose(f);
    }
    for (int i = 0; i < count && done < runs; i++, done++) /* each as it is, first */
        LLVMFuzzerTestOneInput(corpus[i].data, corpus[i].size);
    for (; done < runs; done++) {
        const input *from = corpus + draw((uint32_t)count);
        memcpy(now, from->data, now_size = from->size);
        for (uint32_t n = 1 + draw(MUTATIONS); n; n--)
            mutate(corpus + draw((uint32_t)count));
        LLVMFuzzerTestOneInput(now, now_size);
    }
    printf("runs: %lu\n", done);
    for (int i = 0; i < count; i++)
        free(corpus[i].data);
    free(corpus);
    return 0;
}
