#include "tl_selftest.h"
#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>

static tl_selftest_memory memory;

static void put(const char *text, uint32_t bytes)
{
    for (; bytes; bytes--)
        printk("%c", *text++);
}

int main(void)
{
    for (;;) {
        (void)tl_selftest(&memory, put);
        k_msleep(3000);
    }
}
