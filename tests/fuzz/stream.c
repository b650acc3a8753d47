/* The stream over any model: an image that tl_open takes, any tl_stream_config, and a script of packets and questions.
 *
 * The input is an image, behind whose end the script begins; as image.c does, its CRC is made to fit.  What must hold:
 * nothing is read or written beside its arrays, and an answer is a room or says why there is none, never both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "tinyloc.h"

enum { ARENA = 1 << 13, ROWS = 200, EVENTS = 300 }; /* rows an answer may make up for, and events: no input takes long */

static unsigned long refused, answers, reasons[TL_SATURATED + 1];

static void report(void)
{
    printf("refused: %lu\nanswers: %lu\nreasons:", refused, answers);
    for (int i = 0; i <= TL_SATURATED; i++)
        printf(" %lu", reasons[i]);
    printf("\n");
}

static void listen(const tl_model *m, script *s, uint32_t inputs)
{
    int8_t curve[256];
    tl_scaler scaler = {curve, 0, 0, (uint16_t)inputs, (uint16_t)inputs, (uint16_t)half(s), (int16_t)(int8_t)byte(s), -128, 127};
    tl_stream_config config = {(uint16_t)(byte(s) & 1u ? tl_section(m, 3)[0] >> 16 : half(s)), (uint16_t)half(s),
                               (uint16_t)half(s), (uint16_t)byte(s), (uint16_t)(inputs - byte(s) % inputs),
                               (uint16_t)byte(s), (uint8_t)byte(s), 0};
    if (config.period)
        config.gap = (uint16_t)(config.gap % (ROWS * config.period));
    tl_heard *heard = malloc(inputs * sizeof *heard);
    uint32_t now = word(s), room = byte(s), window_bytes = config.window * inputs;
    if (!(room & 7u)) /* less than the rows may need */
        window_bytes = window_bytes / 32u * (room >> 3);
    int8_t *window = malloc(window_bytes ? window_bytes : 1);
    tl_stream stream;
    for (uint32_t i = 0; i < 256; i++)
        curve[i] = (int8_t)(i ^ 128);
    if (tl_stream_open(&stream, m, &scaler, &config, heard, room ? window : 0, window_bytes))
        refused++;
    else
        for (uint32_t n = EVENTS; n && s->p < s->end; n--) {
            uint32_t kind = byte(s);
            if (kind & 3u) {
                uint32_t ap = byte(s);
                tl_stream_hear(&stream, ap > 250 ? 0xffffff00u + ap : ap % (inputs + 1), kind & 4u ? (int16_t)half(s) :
                               (int16_t)-(int32_t)byte(s), now - (kind & 8u ? byte(s) : 0));
                continue;
            }
            now += kind & 4u ? config.period : kind & 8u ? word(s) : byte(s);
            tl_answer a = tl_stream_answer(&stream, now);
            check(a.reason <= TL_SATURATED && (a.room == TL_UNKNOWN) == (a.reason != TL_ROOM), "neither a room nor a reason");
            check(a.room == TL_UNKNOWN || (a.room == a.label && a.confidence >= config.threshold && a.heard >= config.least),
                  "a room that is not known");
            check(a.heard <= config.aps, "more was heard than there is");
            answers++;
            reasons[a.reason]++;
        }
    free(window);
    free(heard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    uint32_t total, need, crc;
    if (!begun++)
        atexit(report);
    if (size < 24)
        return 0;
    memcpy(&total, data + 12, 4);
    memcpy(&need, data + 20, 4);
    if (total < 24 || total > size || need > ARENA)
        return 0;
    uint8_t *image = malloc(total), *arena = malloc(need ? need : 1);
    memcpy(image, data, total);
    crc = tl_crc32(0, image + 8, total - 8);
    memcpy(image + 4, &crc, 4);
    tl_model m;
    if (!tl_open(&m, image, total, arena, need, tl_all_kernels)) {
        const uint32_t *in = tl_section(&m, 3);
        uint32_t rows = in[0] >> 16, inputs = rows ? in[2] / rows : 0;
        script s = {data + total, data + size};
        if (inputs > 0 && inputs < 256)
            listen(&m, &s, inputs);
    }
    free(arena);
    free(image);
    return 0;
}
