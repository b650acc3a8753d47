#include "small.h"
#include "update.h"

/* A patch, applied as it arrives: the new package in segments, each the old one's bytes from some offset plus differences,
 * or bytes of its own (differences from zero).  All is written by one adaptive binary range coder (Martin 1979), whose bits
 * come with odds of 12 bits that move by a sixteenth:
 *   a segment: 24 bits length (1 or more), one bit, and if that is set 24 bits offset in the old package, each of even odds;
 *   then a byte at a time, its 8 bits from the highest, the odds of each chosen by the bits before it: one set of 255 for
 *   differences from the old package, one for bytes of their own.
 * range and code have 32 bits; range begins as 2^32 - 1 and code as the first four bytes, the highest first.  A bit splits
 * range at bound = floor(range / 2^12) odds: it is 0 if code < bound, and range becomes bound; else both lose bound.  While
 * range < 2^24 both are shifted by a byte, and code takes in the next one.  The last byte of the package takes in the last
 * of the patch. */

enum { MAGIC = 0x50444c54, VERSION = 1, BITS = 12, RATE = 4, TOP = 1u << 24 }; /* "TLDP" */
enum { HEADER, LENGTH, FLAG, OFFSET, BYTES };                                  /* phases: what the next bit belongs to */

void tl_patch_begin(tl_patch *p, const tl_update_device *d, const tl_booted *running)
{
    p->device = d;
    p->running = running;
    p->phase = HEADER;
    p->filled = 0;
    p->made = 0;
    for (uint32_t i = 0; i < 256; i++)
        p->odds[0][i] = p->odds[1][i] = 1u << (BITS - 1);
}

/* What follows is a number of so many bits. */
static void expect(tl_patch *p, uint32_t phase, uint32_t bits)
{
    p->phase = (uint8_t)phase;
    p->bits = bits;
    p->symbol = phase == BYTES;
}

/* The header and the first four bytes of code. */
TL_APART static int32_t begin(tl_patch *p)
{
    const uint8_t *h = p->buffer;
    uint32_t bytes = tl_word(h + 8);
    /* First, as the buffer has no room for what is sent behind a header that is refused. */
    expect(p, LENGTH, 24);
    p->range = 0xffffffffu;
    if (tl_word(h) != MAGIC || tl_word(h + 4) != VERSION)
        return TL_UPDATE_PATCH;
    if (!p->running->valid)
        return TL_UPDATE_BASE;
    for (uint32_t i = 0; i < 8; i++)
        if (p->running->envelope.hash[i] != h[20 + i])
            return TL_UPDATE_BASE;
    p->code = (uint32_t)h[28] << 24 | (uint32_t)h[29] << 16 | (uint32_t)h[30] << 8 | h[31];
    return tl_update_begin(&p->update, p->device, p->running, bytes, h + 12, &p->skip);
}

/* The next bit of the odds, or of even ones where that is 0. */
static uint32_t decode(tl_patch *p, uint16_t *odds)
{
    uint32_t bound = (p->range >> BITS) * (odds ? *odds : 1u << (BITS - 1)), bit = p->code >= bound;
    if (bit) {
        p->code -= bound;
        p->range -= bound;
    } else {
        p->range = bound;
    }
    if (odds) { /* of 0; from 15 to 2^12 - 15 */
        uint32_t old = *odds;
        *odds = (uint16_t)(bit ? old - (old >> RATE) : old + (((1u << BITS) - old) >> RATE));
    }
    return bit;
}

/* What the number that is complete says. */
TL_APART static int32_t take(tl_patch *p)
{
    switch (p->phase) {
    case LENGTH:
        p->length = p->symbol;
        if (p->length == 0 || p->length > p->update.bytes - p->made)
            return TL_UPDATE_PATCH;
        expect(p, FLAG, 1);
        return TL_UPDATE_OK;
    case FLAG:
        p->based = (uint8_t)p->symbol;
        expect(p, p->based ? OFFSET : BYTES, p->based ? 24 : 8);
        return TL_UPDATE_OK;
    case OFFSET:
        p->at = p->symbol;
        if (p->at > p->running->bytes || p->length > p->running->bytes - p->at)
            return TL_UPDATE_PATCH;
        expect(p, BYTES, 8);
        return TL_UPDATE_OK;
    default:
        break;
    }
    uint8_t byte = (uint8_t)p->symbol;
    if (p->based) {
        const tl_flash *f = p->device->flash;
        byte = (uint8_t)(byte + f->map[p->running->slot * f->slot_bytes + p->at++]);
    }
    p->length--;
    expect(p, p->length ? BYTES : LENGTH, p->length ? 8 : 24);
    return p->made++ < p->skip ? TL_UPDATE_OK : tl_update_write(&p->update, &byte, 1);
}

int32_t tl_patch_write(tl_patch *p, const void *data, uint32_t n)
{
    const uint8_t *from = data;
    int32_t error = TL_UPDATE_OK;
    while (!error) {
        if (p->phase == HEADER) {
            if (!n)
                break;
            n--;
            p->buffer[p->filled++] = *from++;
            if (p->filled == TL_PATCH_HEADER + 4)
                error = begin(p);
        } else if (!p->update.device) {
            error = TL_UPDATE_ORDER;
        } else if (p->range < TOP) {
            if (!n)
                break;
            n--;
            p->range <<= 8;
            p->code = p->code << 8 | *from++;
        } else if (p->made == p->update.bytes) {
            if (!n)
                break;
            error = TL_UPDATE_ORDER;
        } else {
            p->symbol = p->symbol << 1 | decode(p, p->phase == BYTES ? &p->odds[p->based][p->symbol] : 0);
            if (--p->bits == 0)
                error = take(p);
        }
    }
    if (error)
        p->update.device = 0;
    return error;
}

int32_t tl_patch_finish(tl_patch *p)
{
    return p->phase == HEADER || p->range < TOP ? TL_UPDATE_ORDER : tl_update_finish(&p->update);
}
