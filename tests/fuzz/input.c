/* The layer from the radio to the codes, by a script of events: any packet, any time, any accelerometer sample.
 *
 * The scaler is a constant of the firmware and keeps to what tinyloc.h says of it; all else is as hostile as it likes.  What
 * must hold: nothing is read or written beside its arrays, every code lies between the scaler's ends or is one that the
 * curve has, and a value that is too old is never heard again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "tinyloc.h"

enum { APS = 8, FIXES = 64, LEAST_HEADER = 8 };

static unsigned long events[4];

static void report(void) { printf("events: %lu %lu %lu %lu\n", events[0], events[1], events[2], events[3]); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    script s = {data, data + size};
    uint32_t count = 1 + byte(&s) % APS, curved = byte(&s) % (count + 1), now = word(&s);
    tl_ap *aps = malloc(sizeof(tl_ap) * (count - curved + 1));
    uint8_t *fixes = malloc(FIXES);
    int8_t *curve = malloc(256), *codes = malloc(count);
    tl_heard *heard = malloc(sizeof(tl_heard) * count);
    int16_t *dbm = malloc(2 * count);
    tl_scaler scaler = {curve, aps, fixes, (uint16_t)count, (uint16_t)curved, (uint16_t)half(&s), (int16_t)(int8_t)byte(&s),
                        -128, 127};
    if (!begun++)
        atexit(report);
    for (uint32_t i = 0; i < 256; i++)
        curve[i] = (int8_t)(i ^ 128);
    for (uint32_t i = 0; i < FIXES; i++)
        fixes[i] = (uint8_t)byte(&s);
    for (uint32_t i = 0; i < count - curved; i++) {
        int8_t a = (int8_t)byte(&s), b = (int8_t)byte(&s);
        int32_t first = a < b ? a : b, last = a < b ? b : a, reach = last - first;
        /* least + floor(d mult / 2^24) + 1 <= most for every d */
        aps[i] = (tl_ap){(uint32_t)((254u << 24) / (uint32_t)(reach + 1)), 0, (int8_t)first, (int8_t)last,
                         (uint16_t)(byte(&s) % (FIXES - 32 + 1))};
    }
    tl_forget(&scaler, heard);
    for (uint32_t i = 0; i < count; i++)
        check(heard[i].dbm == TL_NOT_HEARD, "heard before the first packet");
    while (s.p < s.end) {
        uint32_t kind = byte(&s) & 3u;
        events[kind]++;
        if (kind == 0) {
            uint32_t ap = byte(&s);
            tl_hear(&scaler, heard, ap > 250 ? 0xffffff00u + ap : ap, (int16_t)half(&s), now);
        } else if (kind == 1) {
            now += byte(&s) & 1u ? word(&s) : byte(&s);
            tl_row(&scaler, heard, codes, now);
            for (uint32_t i = 0; i < count; i++) {
                check(heard[i].dbm == TL_NOT_HEARD || now + TL_AHEAD - heard[i].ms <= scaler.hold + (uint32_t)TL_AHEAD, "older than it may be");
                int8_t want = tl_code(&scaler, i, heard[i].dbm == TL_NOT_HEARD ? scaler.silent : heard[i].dbm);
                check(codes[i] == want, "another code than of what was heard");
            }
        } else if (kind == 2) {
            for (uint32_t i = 0; i < count; i++)
                dbm[i] = (int16_t)half(&s);
            tl_scale(&scaler, codes, dbm);
            for (uint32_t i = curved; i < count; i++)
                check(dbm[i] >= aps[i - curved].first || dbm[i] == TL_NOT_HEARD || codes[i] == scaler.least,
                      "below its first dBm an access point has the least code");
        } else {
            uint32_t n = byte(&s), most = n > 200 ? TL_MOTION_SAMPLES + n : n;
            int16_t *xyz = malloc(most ? 6 * most : 1);
            for (uint32_t i = 0; i < 3 * most; i++)
                xyz[i] = (int16_t)(s.p < s.end ? half(&s) : i % 3 * 16384u);
            int32_t level = tl_motion(xyz, most);
            check(most >= 2 && most <= TL_MOTION_SAMPLES ? level >= 0 && level <= 100 : level == TL_NOT_HEARD,
                  "a level of motion that there is none");
            free(xyz);
        }
    }
    free(aps);
    free(fixes);
    free(curve);
    free(codes);
    free(heard);
    free(dbm);
    return 0;
}
