/* Runs tl_stream on the file of scripts that streams.py wrote (its format is described there) and compares the answers.
 * Each array is a block of its own size, so that AddressSanitizer sees the first byte beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyloc.h"

static FILE *file;

static void fail(const char *what)
{
    fprintf(stderr, "stream: %s\n", what);
    exit(2);
}

static void *block(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p) {
        fail("out of memory");
    }
    return p;
}

static void get(void *p, size_t n)
{
    if (n && fread(p, 1, n, file) != n) {
        fail("the file is cut off");
    }
}

static uint32_t get32(void)
{
    unsigned char b[4];
    get(b, 4);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* So many items of that size, as they lie; 0 where there are none. */
static void *items(size_t size, uint32_t *count)
{
    void *p;
    *count = get32();
    if (!*count) {
        return NULL;
    }
    p = block(*count * size);
    get(p, *count * size);
    return p;
}

typedef struct {
    uint32_t ms;
    int16_t dbm;
    uint16_t ap;
} event;

int main(int argc, char **argv)
{
    unsigned long streams = 0, answers = 0, differ = 0;
    char magic[4];
    int c;

    file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file) {
        fail("expected one argument, the file that streams.py wrote");
    }
    get(magic, 4);
    if (memcmp(magic, "TLS1", 4) != 0) {
        fail("not a file that streams.py wrote");
    }
    while ((c = getc(file)) != EOF) {
        uint32_t arena_bytes, bytes, n, asked, i, at = 0;
        tl_stream_config config;
        tl_scaler scaler;
        tl_stream stream;
        tl_model model;

        ungetc(c, file);
        arena_bytes = get32();
        void *arena = block(arena_bytes), *image = items(1, &bytes), *curve = items(1, &n), *aps = items(sizeof(tl_ap), &n),
             *fixes = items(1, &n);
        scaler.curve = curve;
        scaler.aps = aps;
        scaler.fixes = fixes;
        scaler.count = (uint16_t)get32();
        scaler.curved = (uint16_t)get32();
        scaler.hold = (uint16_t)get32();
        scaler.silent = (int16_t)(int32_t)get32();
        scaler.least = (int8_t)(int32_t)get32();
        scaler.most = (int8_t)(int32_t)get32();
        get(&config, sizeof config);
        get(magic, 2);
        event *events = items(sizeof(event), &n);
        tl_answer *want = items(sizeof(tl_answer), &asked);
        tl_heard *heard = block(scaler.count * sizeof *heard);
        int8_t *window = config.window == 1 ? NULL : block((size_t)config.window * scaler.count);
        int32_t error = tl_open(&model, image, bytes, arena, arena_bytes, tl_all_kernels);
        if (!error) {
            error = tl_stream_open(&stream, &model, &scaler, &config, heard, window,
                                   window ? (uint32_t)config.window * scaler.count : 0);
        }
        if (error) {
            fail(tl_error_text(error));
        }
        for (i = 0; i < n; i++) {
            if (events[i].ap != 65535) {
                tl_stream_hear(&stream, events[i].ap, events[i].dbm, events[i].ms);
                continue;
            }
            tl_answer a = tl_stream_answer(&stream, events[i].ms), w;
            if (at == asked) {
                fail("more questions than answers");
            }
            w = want[at++];
            if (a.room != w.room || a.heard != w.heard || a.label != w.label || a.confidence != w.confidence ||
                a.reason != w.reason) {
                if (differ++ == 0) {
                    fprintf(stderr, "stream: stream %lu, answer %lu: room %d for reason %d, expected %d for %d\n", streams,
                            (unsigned long)at - 1, a.room, a.reason, w.room, w.reason);
                }
            }
        }
        if (at != asked) {
            fail("fewer questions than answers");
        }
        answers += asked;
        streams++;
        free(window);
        free(heard);
        free(want);
        free(events);
        free(fixes);
        free(aps);
        free(curve);
        free(image);
        free(arena);
    }
    fclose(file);
    printf("%lu streams, %lu answers, %lu differ\n", streams, answers, differ);
    return differ != 0;
}
