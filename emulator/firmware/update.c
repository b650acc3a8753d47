/* What the emulator calls to check a package and to boot from one: flash is memory, and the host writes it. */
#include "update.h"

int32_t fw_check(const uint8_t *flash, uint32_t bytes, const uint8_t *key, const uint8_t *hash, const uint32_t *inputs);
int32_t fw_boot(uint8_t *flash, uint32_t page_bytes, uint32_t unit_bytes, uint32_t slot_bytes, const uint32_t *inputs);

static uint32_t arena[2048] __attribute__((section(".noinit"))), signatures[128] __attribute__((section(".noinit")));

static int32_t read(void *context, uint32_t at, void *to, uint32_t bytes)
{
    const uint8_t *from = (const uint8_t *)context + at;
    for (uint8_t *p = to; bytes; bytes--)
        *p++ = *from++;
    return 0;
}

static int32_t program(void *context, uint32_t at, const void *from, uint32_t bytes)
{
    const uint8_t *p = from;
    for (uint8_t *to = (uint8_t *)context + at; bytes; bytes--)
        *to++ &= *p++;
    return 0;
}

static int32_t none(void *context, uint32_t at)
{
    (void)context, (void)at;
    return 1;
}

/* tl_update_check of the package at the start of flash; the device has room for any model. */
int32_t fw_check(const uint8_t *flash, uint32_t bytes, const uint8_t *key, const uint8_t *hash, const uint32_t *inputs)
{
    tl_flash f = {0, read, program, none, flash, 2048, 8, 1u << 20};
    tl_update_key k = {TL_UPDATE_ED25519, hash, key, tl_update_ed25519};
    tl_update_device d = {&f, &k, 1, 0, 0, 1u << 20, 0, 1u << 10, {inputs[0], inputs[1]}, 0, 1u << 20};
    tl_envelope e;
    union {
        const uint8_t *c;
        void *p;
    } u = {flash};
    f.context = u.p;
    return tl_update_check(&d, 0, bytes, 0, &e);
}

/* tl_update_boot from two slots at flash. */
int32_t fw_boot(uint8_t *flash, uint32_t page_bytes, uint32_t unit_bytes, uint32_t slot_bytes, const uint32_t *inputs)
{
    tl_flash f = {flash, read, program, none, flash, page_bytes, unit_bytes, slot_bytes};
    tl_update_device d = {&f, 0, 0, tl_all_kernels, arena, sizeof arena, signatures, 128, {inputs[0], inputs[1]}, 0,
                          1u << 16};
    tl_booted b;
    return tl_update_boot(&d, &b);
}
