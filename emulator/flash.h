/* The emulator's flash memory: see flash.py.  Part of the extension, of no firmware. */
#ifndef TINYLOC_FLASH_H
#define TINYLOC_FLASH_H

#include "update.h"

/* What a power failure leaves of the operation that it meets. */
enum {
    TL_TEAR_NOTHING,  /* as it was before */
    TL_TEAR_DONE,     /* as if it had been completed, and for good */
    TL_TEAR_PARTLY,   /* some bits changed, others not */
    TL_TEAR_ANYTHING, /* any bits */
    TL_TEAR_UNSTABLE, /* each bit reads as before or as after, another way each time */
    TL_TEAR_HARDLY,   /* as before, but rarely a bit as after: what looks erased is not */
    TL_TEAR_ALMOST,   /* as after, but rarely a bit as before */
    TL_TEAR_ERROR     /* reads give an error, most of the time */
};

enum { TL_WEAK = 8 };

/* Bytes that do not read the same each time. */
typedef struct {
    uint32_t at, bytes;
    int32_t tear;
    int64_t before; /* offset of their bits before in `past`; those after are in `memory` */
} tl_weak;

typedef struct {
    uint8_t *memory;    /* [bytes], as the processor sees it */
    uint8_t *truth;     /* [bytes], what was programmed; differs from memory in weak bytes alone */
    uint8_t *past;      /* [TL_WEAK][page]: bits of weak bytes before the operation that was torn */
    uint8_t *writes;    /* [bytes / unit]: programs since the last erase */
    uint32_t bytes, page, unit;
    uint32_t most;      /* programs of a unit between two erases: 1 where error correction allows no second one */
    uint32_t keep, keep_bytes; /* a range that must not be changed */
    uint64_t cut;       /* number of the operation that the power failure meets */
    int32_t tear;
    int32_t off;        /* 1: there is no power; nothing works */
    uint64_t random;
    uint64_t operations, programs, erases; /* since `operations` was set to 0 */
    uint64_t refused;   /* programs of units that were programmed `most` times: the controller does nothing */
    uint64_t wrong;     /* calls that no driver may make: alignment, range, what must be kept */
    uint32_t weak_count;
    tl_weak weak[TL_WEAK];
} tl_nor;

int32_t tl_nor_read(void *nor, uint32_t at, void *to, uint32_t bytes);
int32_t tl_nor_program(void *nor, uint32_t at, const void *from, uint32_t bytes);
int32_t tl_nor_erase(void *nor, uint32_t at);
/* Weak bytes among [at, at + bytes). */
uint32_t tl_nor_weak(const tl_nor *nor, uint32_t at, uint32_t bytes);

#endif
