/* The self-test on this machine: cc -std=c99 -O2 -Isrc host/main.c src/[a-z]*.c -o ../selftest && ../selftest */
#include "tl_selftest.h"
#include <stdio.h>

static tl_selftest_memory memory;

static void put(const char *text, uint32_t bytes) { fwrite(text, 1, bytes, stdout); }

int main(void) { return tl_selftest(&memory, put) ? 1 : 0; }
