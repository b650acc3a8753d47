/* Runs the golden windows of tl_golden.c on this device and prints what it computed, one line each.
 *
 * A line is text, a space, '*', the text's CRC-32 (zlib's, 8 digits) and a newline; all numbers are hexadecimal.  None is
 * longer than 200 characters, since consoles may cut what is (Zephyr's native_sim: 255):
 *   tinyloc 3 IMAGE RUNS STEPS WINDOWS BYTES   version of these lines; CRC-32 in the image's header; runs, bytes a window
 *   scaler CRC                                 of the codes of all access points, each from -128 to 127 dBm
 *   stream CRC                                 of what tl_stream answers to a script; left out where it cannot run the model
 *   input WINDOW BYTES                         what was run, at most 64 bytes a line: a window is all of its lines
 *   sign WINDOW LABEL CRC...                   the last label; a CRC-32 a step, and the state's (see tl_golden.h), 16 a line
 *   PASS WINDOWS, or FAIL WINDOWS              how many were as expected, or were not; FAIL 0: scaler or stream alone
 *   refused TEXT                               in place of all but the first: why the image cannot run
 * `tinyloc verify MODEL --serial PORT` reads them and computes the same on the host. */
#ifndef TL_SELFTEST_H
#define TL_SELFTEST_H

#include "tl_model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*tl_put)(const char *text, uint32_t bytes);

typedef struct {
    tl_model model;
    uint32_t crcs[TL_MODEL_STEPS + 1], signature[TL_MODEL_STEPS + 1];
    uint32_t arena[(TL_MODEL_ARENA_BYTES + 3) / 4];
#ifdef TL_MODEL_STREAM
    tl_stream stream;
    tl_heard heard[TL_MODEL_APS];
    int8_t window[TL_MODEL_ROWS * TL_MODEL_APS];
#endif
} tl_selftest_memory;

/* 0: everything is as expected.  Prints through put. */
int32_t tl_selftest(tl_selftest_memory *m, tl_put put);

#ifdef __cplusplus
}
#endif

#endif
