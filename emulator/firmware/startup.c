/* Reset for any Cortex-M: vector table, .data and .bss, main, and back to the host.  Freestanding C, no vendor header.
 * Only the vectors of faults are filled: the firmware enables no interrupt. */
#include "semihost.h"
#include <stdint.h>

extern uint32_t fw_stack_top[], fw_data_load[], fw_data_start[], fw_data_end[], fw_bss_start[], fw_bss_end[];

int main(void);
void fw_reset(void);
void fw_return(void);
static void fault(void);

__attribute__((section(".vectors"), used)) void (*const fw_vectors[16])(void) = {
    (void (*)(void))(uintptr_t)fw_stack_top, fw_reset, fault, fault, fault, fault, fault,
};

void fw_reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: the FPU's and MVE's registers */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    const uint32_t *from = fw_data_load;
    for (uint32_t *to = fw_data_start; to < fw_data_end; to++)
        *to = *from++;
    for (uint32_t *to = fw_bss_start; to < fw_bss_end; to++)
        *to = 0;
    tl_host_exit(main());
}

/* Where a function that the host called directly returns to. */
__attribute__((used, naked)) void fw_return(void) { __asm__ volatile("bkpt 0xAB\n\tb ."); }

static void fault(void) { tl_host_exit(255); }
