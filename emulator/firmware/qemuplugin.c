/* A plugin of QEMU's code generator (its API, version 1): counts executed blocks with the hook that Unicorn calls, into a
 * file that the host maps too.  It lets the code that it counts run as it is, and so counts exactly. */
#include "blockhook.c"

typedef struct qemu_plugin_tb qemu_plugin_tb;
typedef struct qemu_plugin_insn qemu_plugin_insn;

extern uint64_t qemu_plugin_tb_n_insns(const qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb *tb);
extern qemu_plugin_insn *qemu_plugin_tb_get_insn(const qemu_plugin_tb *tb, uint64_t i);
extern uint64_t qemu_plugin_insn_vaddr(const qemu_plugin_insn *insn);
extern const void *qemu_plugin_insn_data(const qemu_plugin_insn *insn);
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*f)(uint64_t id, qemu_plugin_tb *tb));
extern void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb *tb, void (*f)(unsigned cpu, void *data), int flags,
                                                 void *data);
/* Of the C library that QEMU runs with. */
extern int open(const char *path, int flags, ...);
extern long lseek(int file, long offset, int whence);
extern void *mmap(void *at, unsigned long size, int rights, int flags, int file, long offset);

int qemu_plugin_version = 1;
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

static tl_counts *counts;

static int never(void *engine)
{
    (void)engine;
    return 0;
}

static void on_block(unsigned cpu, void *data)
{
    uint64_t block = (uint64_t)data; /* address | size << 32 */
    (void)cpu;
    tl_block_hook(0, block & 0xffffffffu, (uint32_t)(block >> 32), counts);
}

/* Bytes of a Thumb instruction, by its first half-word.  QEMU's own answer counts what the decoder has looked at, which at
 * the end of a page is one half-word of the next instruction too. */
static uint64_t size(const qemu_plugin_insn *insn)
{
    const uint8_t *data = qemu_plugin_insn_data(insn);
    return data[1] >> 3 >= 0x1d ? 4 : 2;
}

static void on_translation(uint64_t id, qemu_plugin_tb *tb)
{
    const qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, qemu_plugin_tb_n_insns(tb) - 1);
    uint64_t start = qemu_plugin_tb_vaddr(tb), end = qemu_plugin_insn_vaddr(last) + size(last);
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, 0, (void *)(start | (end - start) << 32));
}

/* argv[0]: "counts=" and the path of the counts: the structure, then its two arrays */
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    int file = argc == 1 ? open(argv[0] + 7, 2 /* O_RDWR */) : -1;
    (void)info;
    if (file < 0)
        return 1;
    counts = mmap(0, (unsigned long)lseek(file, 0, 2), 3 /* read, write */, 1 /* MAP_SHARED */, file, 0);
    if (counts == (void *)-1)
        return 1;
    counts->edge = (int64_t *)(counts + 1);
    counts->jump = (uint64_t *)(counts->edge + counts->halfwords + 1);
    counts->stop = never;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
