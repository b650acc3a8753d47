#include "flash.h"
#include <string.h>

static uint64_t draw(tl_nor *f) /* xorshift64* (Vigna 2016) */
{
    f->random ^= f->random >> 12;
    f->random ^= f->random << 25;
    f->random ^= f->random >> 27;
    return f->random * 0x2545f4914f6cdd1du >> 16;
}

static int32_t overlap(const tl_weak *w, uint32_t at, uint32_t bytes) { return w->at < at + bytes && at < w->at + w->bytes; }

uint32_t tl_nor_weak(const tl_nor *f, uint32_t at, uint32_t bytes)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < f->weak_count; i++)
        found += overlap(&f->weak[i], at, bytes) ? f->weak[i].bytes : 0;
    return found;
}

/* Byte `before` or `after`, as the tear has it. */
static uint8_t torn(tl_nor *f, int32_t tear, uint8_t before, uint8_t after)
{
    uint8_t mix = (uint8_t)draw(f), rare = draw(f) % 16u ? 0 : (uint8_t)(1u << (draw(f) & 7u));
    switch (tear) {
    case TL_TEAR_NOTHING: return before;
    case TL_TEAR_ANYTHING: return mix;
    case TL_TEAR_HARDLY: mix = rare; break;
    case TL_TEAR_ALMOST: mix = (uint8_t)~rare; break;
    case TL_TEAR_DONE: return after;
    default: break;
    }
    return (uint8_t)((before & ~mix) | (after & mix));
}

/* Leaves [at, at + bytes) as the tear has it; `after`: what they would have become. */
static void leave(tl_nor *f, uint32_t at, const uint8_t *after, uint32_t bytes)
{
    if (f->tear >= TL_TEAR_UNSTABLE && f->weak_count < TL_WEAK) {
        tl_weak *w = &f->weak[f->weak_count];
        uint32_t used = 0, place = 0; /* one that no other has */
        for (uint32_t i = 0; i < f->weak_count; i++)
            used |= 1u << (uint32_t)(f->weak[i].before / f->page);
        while (used >> place & 1u)
            place++;
        w->at = at;
        w->bytes = bytes;
        w->tear = f->tear;
        w->before = (int64_t)place * f->page;
        memcpy(f->past + w->before, f->truth + at, bytes);
        memcpy(f->truth + at, after, bytes);
        f->weak_count++;
    } else {
        for (uint32_t i = 0; i < bytes; i++)
            f->truth[at + i] = torn(f, f->tear, f->truth[at + i], after[i]);
    }
    memcpy(f->memory + at, f->truth + at, bytes);
}

int32_t tl_nor_read(void *nor, uint32_t at, void *to, uint32_t bytes)
{
    tl_nor *f = nor;
    int32_t error = 0;
    if (f->off)
        return 1;
    if (at > f->bytes || bytes > f->bytes - at) {
        f->wrong++;
        return 1;
    }
    for (uint32_t i = 0; i < f->weak_count; i++) {
        const tl_weak *w = &f->weak[i];
        if (!overlap(w, at, bytes))
            continue;
        for (uint32_t j = 0; j < w->bytes; j++)
            f->memory[w->at + j] = torn(f, w->tear, f->past[w->before + j], f->truth[w->at + j]);
        error |= w->tear == TL_TEAR_ERROR && draw(f) % 4u;
    }
    memcpy(to, f->memory + at, bytes);
    return error;
}

/* 1 if the power fails now. */
static int32_t fails(tl_nor *f)
{
    f->off = f->operations++ == f->cut;
    return f->off;
}

static int32_t allowed(tl_nor *f, uint32_t at, uint32_t bytes, uint32_t unit)
{
    int32_t ok = at % unit == 0 && bytes == unit && at < f->bytes && bytes <= f->bytes - at &&
                 (at + bytes <= f->keep || at >= f->keep + f->keep_bytes);
    f->wrong += !ok;
    return ok;
}

int32_t tl_nor_program(void *nor, uint32_t at, const void *from, uint32_t bytes)
{
    tl_nor *f = nor;
    const uint8_t *p = from;
    uint8_t after[TL_UPDATE_MAX_UNIT];
    if (f->off || !allowed(f, at, bytes, f->unit))
        return 1;
    f->programs++;
    for (uint32_t i = 0; i < bytes; i++)
        after[i] = f->truth[at + i] & p[i];
    if (f->writes[at / f->unit] >= f->most) {
        f->refused++;
        return 1;
    }
    int32_t failed = fails(f);
    if (failed && f->tear == TL_TEAR_NOTHING)
        return 1;
    f->writes[at / f->unit]++;
    for (uint32_t i = 0; i < f->weak_count; i++) /* zeros programmed once more are zeros */
        for (uint32_t j = 0; j < bytes && overlap(&f->weak[i], at + j, 1); j++)
            f->past[f->weak[i].before + (at + j - f->weak[i].at)] &= p[j];
    if (failed) {
        leave(f, at, after, bytes);
        return 1;
    }
    memcpy(f->truth + at, after, bytes);
    memcpy(f->memory + at, after, bytes);
    return 0;
}

int32_t tl_nor_erase(void *nor, uint32_t at)
{
    tl_nor *f = nor;
    if (f->off || !allowed(f, at, f->page, f->page))
        return 1;
    f->erases++;
    int32_t failed = fails(f);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->weak_count; i++) /* what an erase has begun with is weak no more */
        if (!overlap(&f->weak[i], at, f->page) || (failed && f->tear == TL_TEAR_NOTHING))
            f->weak[kept++] = f->weak[i];
    f->weak_count = kept;
    memset(f->memory + at, 0xff, f->page);
    if (failed)
        leave(f, at, f->memory + at, f->page);
    else
        memset(f->truth + at, 0xff, f->page);
    if (!failed || f->tear != TL_TEAR_NOTHING) /* half an erase has to be repeated before anything is programmed */
        memset(f->writes + at / f->unit, failed && f->tear != TL_TEAR_DONE ? 0xff : 0, f->page / f->unit);
    return failed;
}
