/* Hooks that run on the host, called by Unicorn.
 *
 * tl_block_hook counts executed blocks, at the start of each.
 * Block [a, a + size) adds +1 at a and -1 at its end: the running sum is how often each halfword was executed, however
 * the emulator cut the code into blocks.  `jump` counts, at a block's end, arrivals elsewhere than there: taken branches. */
#include <stdint.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif

typedef struct {
    uint64_t base, halfwords; /* the code that is counted */
    uint64_t last;            /* end of the block before */
    uint64_t left;            /* blocks until `stop` is called */
    uint64_t outside;         /* blocks elsewhere */
    int64_t *edge;
    uint64_t *jump;
    int (*stop)(void *);
} tl_counts;

EXPORT void tl_block_hook(void *engine, uint64_t address, uint32_t size, tl_counts *c)
{
    uint64_t at = (address - c->base) >> 1, end = at + (size >> 1), last = (c->last - c->base) >> 1;
    if (address != c->last && last <= c->halfwords)
        c->jump[last]++;
    c->last = address + size;
    if (end <= c->halfwords && at < end) {
        c->edge[at]++;
        c->edge[end]--;
    } else
        c->outside++;
    if (c->left-- == 0)
        c->stop(engine);
}

/* Before an LDRD, STRD, LDM or STM: these fault on every Cortex-M when the base is no multiple of 4 (Armv7-M ARM,
 * A3.2.1), which the emulator itself lets pass. */
typedef struct {
    uint64_t address; /* of the first misaligned access's instruction, else 0 */
    int32_t reg;
    int (*read)(void *, int32_t, void *);
    int (*stop)(void *);
} tl_aligned;

EXPORT void tl_aligned_hook(void *engine, uint64_t address, uint32_t size, tl_aligned *a)
{
    uint32_t base = 0;
    (void)size;
    a->read(engine, a->reg, &base);
    if (base & 3) {
        a->address = address;
        a->stop(engine);
    }
}
