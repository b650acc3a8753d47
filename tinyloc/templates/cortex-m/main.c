/* The self-test on a Cortex-M without an operating system.  It prints through Arm semihosting, for a debugger or an
 * emulator; without one the first call faults.  On a board, put the bytes into your UART instead. */
#include "tl_selftest.h"
#include "semihost.h"

static tl_selftest_memory memory;

static void put(const char *text, uint32_t bytes)
{
    for (; bytes; bytes--)
        tl_host(0x03, (uintptr_t)text++); /* SYS_WRITEC */
}

int main(void);
int main(void) { return tl_selftest(&memory, put) ? 1 : 0; }
