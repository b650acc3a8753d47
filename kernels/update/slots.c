#include "small.h"
#include "update.h"

/* Two slots in flash, such that a power failure at any moment leaves the old model or the new one.
 *
 * A slot: the package from its start; in its last page the marks, each a unit, behind the record of the update.  The order
 * in which flash changes is what the guarantee rests on:
 *   begin     erase the first page: its package is none any more, whatever the marks say
 *             erase the marks, then the other pages that the package needs; program the record
 *   write     program units in order
 *   finish    check all of it, as flash has it, then program ACTIVE
 *   boot      of the slots with an exact ACTIVE and without a BAD, the one of the highest sequence whose hash fits: if it
 *             has no CONFIRMED, program one ATTEMPT, run the windows, program CONFIRMED or BAD; what is confirmed gets no
 *             BAD, whatever is found: it may be this firmware that is at fault, and the next one may take it again
 * A mark torn by a power failure reads as anything, once as this and once as that.  ACTIVE and CONFIRMED count when they are
 * exact: the slot has been checked before, so both answers are right.  ATTEMPT and BAD count when they are not erased: each
 * only ever keeps a new model from running.  A torn word of a package is never kept: the page in which the power failed is
 * erased again before the update goes on. */

enum { RECORD_WORDS = 5, MARKS = 32 }; /* words of the record, and where the marks begin behind it */
enum { ACTIVE, ATTEMPT, CONFIRMED = ATTEMPT + TL_UPDATE_ATTEMPTS, BAD = CONFIRMED + 2 };
enum { MARK = 0x4b52414d }; /* "MARK": what a unit of a mark is filled with */
enum { ERASED = 0, EXACT, OTHER };

typedef struct {
    uint32_t bytes, id[2], sequence, crc; /* crc: of those before */
} record;

/* 1 if its sizes are such as tl_flash asks for: a unit goes through buffers of TL_UPDATE_MAX_UNIT bytes. */
TL_APART static int32_t usable(const tl_flash *f)
{
    uint32_t unit = f->unit_bytes, page = f->page_bytes, rest = f->slot_bytes;
    if (unit < 4 || unit > TL_UPDATE_MAX_UNIT || unit & (unit - 1u) || page < 256 || page & 31u || page > rest >> 1)
        return 0;
    while (rest >= page) /* cores without a division would call one */
        rest -= page;
    return !rest;
}

static uint32_t capacity(const tl_flash *f) { return f->slot_bytes - f->page_bytes; }

static uint32_t marks_at(const tl_flash *f, uint32_t slot_at) { return slot_at + capacity(f); }

/* ERASED, EXACT, or OTHER, which a unit that cannot be read is too. */
TL_APART static int32_t mark(const tl_flash *f, uint32_t slot_at, uint32_t which)
{
    uint8_t unit[TL_UPDATE_MAX_UNIT];
    uint32_t ones = 0xffffffffu, wrong = 0;
    if (f->read(f->context, marks_at(f, slot_at) + MARKS + which * f->unit_bytes, unit, f->unit_bytes))
        return OTHER;
    for (uint32_t i = 0; i < f->unit_bytes; i += 4) {
        ones &= tl_word(unit + i);
        wrong |= tl_word(unit + i) ^ (uint32_t)MARK;
    }
    return ones == 0xffffffffu ? ERASED : wrong ? OTHER : EXACT;
}

TL_APART static int32_t set(const tl_flash *f, uint32_t slot_at, uint32_t which)
{
    uint8_t unit[TL_UPDATE_MAX_UNIT];
    for (uint32_t i = 0; i < f->unit_bytes; i++)
        unit[i] = (uint8_t)((uint32_t)MARK >> (8u * (i & 3u)));
    return f->program(f->context, marks_at(f, slot_at) + MARKS + which * f->unit_bytes, unit, f->unit_bytes)
               ? TL_UPDATE_FLASH : TL_UPDATE_OK;
}

TL_APART static int32_t confirmed(const tl_flash *f, uint32_t slot_at)
{
    return mark(f, slot_at, CONFIRMED) == EXACT || mark(f, slot_at, CONFIRMED + 1) == EXACT;
}

/* 1 if the slot has a record. */
TL_APART static int32_t find(const tl_flash *f, uint32_t slot_at, record *r)
{
    return !f->read(f->context, marks_at(f, slot_at), r, sizeof *r) && tl_crc32(0, r, 4 * (RECORD_WORDS - 1)) == r->crc;
}

/* 1 if it was activated too, and nothing speaks against it. */
TL_APART static int32_t alive(const tl_flash *f, uint32_t slot_at, record *r)
{
    return find(f, slot_at, r) && mark(f, slot_at, BAD) == ERASED &&
           (mark(f, slot_at, ACTIVE) == EXACT || confirmed(f, slot_at));
}

/* ---- boot ---- */

/* Opens the package of a slot, and tests and confirms it if that is still to be done. */
TL_APART static int32_t start(const tl_update_device *d, uint32_t slot_at, const record *r, tl_booted *b)
{
    const tl_flash *f = d->flash;
    int32_t known = confirmed(f, slot_at), error = tl_update_hash(d, slot_at, r->bytes, &b->envelope);
    if (error)
        return error;
    if (b->envelope.counter < d->least_counter) /* of a firmware that has come since it was checked */
        return TL_UPDATE_OLD;
    for (uint32_t i = 0; !known; i++) { /* counted before anything of the model runs */
        if (i == TL_UPDATE_ATTEMPTS)
            return TL_UPDATE_HANGS;
        if (mark(f, slot_at, ATTEMPT + i) == ERASED && !set(f, slot_at, ATTEMPT + i))
            break;
    }
    error = tl_package_open(&b->package, f->map + slot_at + b->envelope.payload_at, b->envelope.payload_bytes, d->inputs);
    if (!error && b->package.window_bytes > d->window_bytes) /* of a firmware that has come since it was checked */
        error = TL_UPDATE_ARENA;
    if (!error && (tl_open(&b->model, b->package.image, b->package.image_bytes, d->arena, d->arena_bytes, d->kernels) ||
                   tl_stream_fits(&b->model, &b->package.scaler, b->package.stream, d->window_bytes)))
        error = TL_UPDATE_MODEL;
    if (error || known)
        return error;
    error = tl_package_test(&b->package, &b->model, d->signatures, d->signature_words);
    /* A first mark that was torn, and cannot be programmed again, has a second one beside it. */
    if (!error && (set(f, slot_at, CONFIRMED) || mark(f, slot_at, CONFIRMED) != EXACT))
        set(f, slot_at, CONFIRMED + 1);
    return error;
}

TL_APART int32_t tl_update_boot(const tl_update_device *d, tl_booted *b)
{
    const tl_flash *f = d->flash;
    uint32_t tried = 0; /* bits of the slots */
    b->refused = TL_UPDATE_OK;
    b->valid = 0;
    if (!usable(f))
        return TL_UPDATE_GEOMETRY;
    for (;;) {
        record r, newest;
        uint32_t best = 2;
        for (uint32_t i = 0; i < 2; i++) {
            if (!(tried >> i & 1u) && alive(f, i * f->slot_bytes, &r) && (best == 2 || r.sequence > newest.sequence)) {
                best = i;
                newest = r;
            }
        }
        b->valid = best < 2;
        if (!b->valid)
            return TL_UPDATE_NONE;
        b->slot = best;
        b->bytes = newest.bytes;
        b->sequence = newest.sequence;
        int32_t error = start(d, best * f->slot_bytes, &newest, b);
        if (!error)
            return TL_UPDATE_OK;
        if (error != TL_UPDATE_FLASH && !confirmed(f, best * f->slot_bytes))
            set(f, best * f->slot_bytes, BAD);
        if (!b->refused)
            b->refused = error;
        tried |= 1u << best;
    }
}

/* ---- an update ---- */

/* 1 if all of the page at `at` could be read, as ones. */
TL_APART static int32_t erased(const tl_flash *f, uint32_t at)
{
    uint8_t some[32];
    for (uint32_t i = 0; i < f->page_bytes; i += sizeof some) {
        if (f->read(f->context, at + i, some, sizeof some))
            return 0;
        for (uint32_t j = 0; j < sizeof some; j++)
            if (some[j] != 0xffu)
                return 0;
    }
    return 1;
}

TL_APART int32_t tl_update_begin(tl_update *u, const tl_update_device *d, const tl_booted *running, uint32_t bytes,
                                 const uint8_t id[8], uint32_t *from)
{
    const tl_flash *f = d->flash;
    uint32_t page = f->page_bytes, first = 0, sequence;
    uint8_t unit[TL_UPDATE_MAX_UNIT];
    record r;
    u->device = 0; /* until it is begun */
    *from = 0;
    if (!usable(f))
        return TL_UPDATE_GEOMETRY;
    if (bytes < TL_UPDATE_LEAST || bytes > capacity(f))
        return TL_UPDATE_SIZE;
    /* With nothing that runs, a slot that may still be alive is kept. */
    u->slot_at = (running->valid ? running->slot == 0 : alive(f, 0, &r)) ? f->slot_bytes : 0;
    sequence = running->valid ? running->sequence : find(f, f->slot_bytes - u->slot_at, &r) ? r.sequence : 0;
    sequence++;
    u->bytes = bytes;
    u->id[0] = tl_word(id);
    u->id[1] = tl_word(id + 4);
    u->least_counter = d->least_counter;
    if (running->valid && running->envelope.counter > u->least_counter)
        u->least_counter = running->envelope.counter;
    int32_t resume = find(f, u->slot_at, &r) && r.bytes == bytes && r.id[0] == u->id[0] && r.id[1] == u->id[1] &&
                     r.sequence == sequence;
    for (uint32_t i = ACTIVE; i <= BAD; i++)
        resume = resume && mark(f, u->slot_at, i) == ERASED;
    if (resume) {
        while (first * page < bytes && !erased(f, u->slot_at + first * page))
            first++;
        resume = first > 0; /* with nothing written the record itself may be what was torn */
    }
    if (resume) {
        *from = (first - 1) * page;
        for (uint32_t at = *from; at < bytes; at += page) /* what is left blank by its own content counts as erased above */
            if (f->erase(f->context, u->slot_at + at))
                return TL_UPDATE_FLASH;
    } else {
        if (f->erase(f->context, u->slot_at) || f->erase(f->context, marks_at(f, u->slot_at)))
            return TL_UPDATE_FLASH;
        for (uint32_t at = page; at < bytes; at += page)
            if (f->erase(f->context, u->slot_at + at))
                return TL_UPDATE_FLASH;
        r.bytes = bytes;
        r.id[0] = u->id[0];
        r.id[1] = u->id[1];
        r.sequence = sequence;
        r.crc = tl_crc32(0, &r, 4 * (RECORD_WORDS - 1));
        for (uint32_t i = 0; i < sizeof r; i += f->unit_bytes) {
            for (uint32_t j = 0; j < f->unit_bytes; j++)
                unit[j] = i + j < sizeof r ? ((const uint8_t *)&r)[i + j] : 0xffu;
            if (f->program(f->context, marks_at(f, u->slot_at) + i, unit, f->unit_bytes))
                return TL_UPDATE_FLASH;
        }
    }
    u->done = *from;
    u->device = d;
    return TL_UPDATE_OK;
}

TL_APART int32_t tl_update_write(tl_update *u, const void *data, uint32_t n)
{
    const uint8_t *p = data;
    if (!u->device || n > u->bytes - u->done)
        return TL_UPDATE_ORDER;
    const tl_flash *f = u->device->flash;
    for (; n; n--) {
        uint32_t i = u->done & (f->unit_bytes - 1u);
        u->unit[i++] = *p++;
        u->done++;
        if (u->done == u->bytes)
            for (; i < f->unit_bytes; i++)
                u->unit[i] = 0xffu;
        if (i == f->unit_bytes && f->program(f->context, u->slot_at + ((u->done - 1u) & ~(i - 1u)), u->unit, i)) {
            u->device = 0;
            return TL_UPDATE_FLASH;
        }
    }
    return TL_UPDATE_OK;
}

TL_APART int32_t tl_update_finish(tl_update *u)
{
    const tl_update_device *d = u->device;
    tl_envelope e;
    if (!d || u->done != u->bytes)
        return TL_UPDATE_ORDER;
    u->device = 0;
    int32_t error = tl_update_check(d, u->slot_at, u->bytes, u->least_counter, &e);
    if (!error && (tl_word(e.hash) != u->id[0] || tl_word(e.hash + 4) != u->id[1]))
        error = TL_UPDATE_DAMAGED; /* another package than the one announced */
    if (error == TL_UPDATE_FLASH)
        return error;
    /* A mark that an earlier try tore may look erased, and yet not be programmed again. */
    if (!error && (set(d->flash, u->slot_at, ACTIVE) || mark(d->flash, u->slot_at, ACTIVE) != EXACT))
        error = TL_UPDATE_FLASH;
    if (error)
        set(d->flash, u->slot_at, BAD); /* so that the next one begins anew */
    return error;
}
