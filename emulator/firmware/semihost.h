/* Arm semihosting (Arm IHI 0008): the debugger, or the emulator, answers BKPT 0xAB.  On a board without a debugger
 * attached these calls fault: they belong to the emulated firmware and to tests, not to a product. */
#ifndef TL_SEMIHOST_H
#define TL_SEMIHOST_H

#include <stdint.h>

#define TL_SYS_WRITE0 0x04u
#define TL_SYS_EXIT_EXTENDED 0x20u
#define TL_SYS_MARK 0x100u /* numbers from 0x100 on are free for applications: end of a region, arg is its number */
#define TL_SYS_REQUEST 0x101u /* what next?  The host answers a number. */

static inline int32_t tl_host(uint32_t operation, uintptr_t arg)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = arg;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

/* Prints a string that ends in 0. */
static inline void tl_host_print(const char *text) { (void)tl_host(TL_SYS_WRITE0, (uintptr_t)text); }

/* Everything executed since the last mark belongs to `region`. */
static inline void tl_host_mark(uint32_t region) { (void)tl_host(TL_SYS_MARK, region); }

static inline void tl_host_exit(int32_t status)
{
    uintptr_t block[2] = {0x20026u /* ADP_Stopped_ApplicationExit */, (uintptr_t)status};
    for (;;)
        (void)tl_host(TL_SYS_EXIT_EXTENDED, (uintptr_t)block);
}

#endif
