#include "small.h"
#include "update.h"

/* The envelope: MCUboot's image format, read from flash through a small buffer. */

enum { HEADER = 32, NOT_BOOTABLE = 0x10, PROTECTED = 0x6908, OPEN = 0x6907, TLV = 4 };
enum { KEY_HASH = 0x01, SHA256 = 0x10, COUNTER = 0x50, MAX_SIGNATURE = 72 };

TL_APART const char *tl_update_text(int32_t code)
{
    static const char texts[] =
        "no error\0"
        "flash could not be read, programmed or erased\0"
        "the package is larger than a slot, or too small for one\0"
        "the package is cut off, or something follows it\0"
        "this is no MCUboot image\0"
        "the package's header or TLVs are malformed or not supported\0"
        "the package is damaged (SHA-256)\0"
        "the package is signed with another key\0"
        "the package's signature is wrong\0"
        "the package is older than what has run here (security counter)\0"
        "the payload is no tinyloc package, or malformed\0"
        "the package has another format version\0"
        "the package was made for other kernels\0"
        "the package was made for other access points\0"
        "the arena, the room for signatures or the stream's window is too small for the model\0"
        "the package's image is refused by the runner, or by its stream\0"
        "the model gives other signatures than where it was packaged, or a room without a name\0"
        "the model never got through its self-test\0"
        "no slot holds a model that may run\0"
        "the patch is malformed\0"
        "the patch is for another model than the one that runs\0"
        "more or fewer bytes than were announced, or a call out of order\0"
        "the flash's pages, units or slots have sizes that cannot be used\0";
    const char *p = texts;
    for (code = code < 0 || code > TL_UPDATE_COUNT ? TL_UPDATE_COUNT : code; code > 0; code--)
        while (*p++)
            ;
    return p;
}

TL_APART int32_t tl_update_ed25519(const tl_update_key *k, const uint8_t *digest, const uint8_t *signature, uint32_t bytes)
{
    return bytes == 64 && tl_ed25519_verify(k->key, digest, 32, signature);
}

static uint32_t half(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }

TL_APART static int32_t differ(const uint8_t *a, const uint8_t *b, uint32_t n)
{
    uint32_t any = 0;
    while (n--)
        any |= *a++ ^ *b++;
    return any != 0;
}

/* What the TLVs say. */
typedef struct {
    uint32_t signature_bytes, type; /* type: the signature's */
    uint8_t counter[4], hash[32], key_hash[32], signature[MAX_SIGNATURE];
} tlvs;

/* Reads the TLVs [at, end), the protected ones or the others; each that is known once, and all that are wanted. */
TL_APART static int32_t read_tlvs(const tl_flash *f, uint32_t at, uint32_t end, uint32_t magic, tlvs *t)
{
    uint8_t head[TLV];
    uint32_t seen = 0;
    if (end - at < TLV)
        return TL_UPDATE_FORMAT;
    if (f->read(f->context, at, head, TLV))
        return TL_UPDATE_FLASH;
    if (half(head) != magic || half(head + 2) != end - at)
        return TL_UPDATE_FORMAT;
    for (at += TLV; at < end;) {
        if (end - at < TLV)
            return TL_UPDATE_FORMAT;
        if (f->read(f->context, at, head, TLV))
            return TL_UPDATE_FLASH;
        uint32_t type = half(head), bytes = half(head + 2), want, bit;
        uint8_t *to;
        at += TLV;
        if (bytes > end - at)
            return TL_UPDATE_FORMAT;
        if (magic == PROTECTED) {
            to = t->counter;
            want = type == COUNTER ? 4 : 0;
            bit = 1;
            if (type != COUNTER) { /* the signature covers it, whatever it is */
                at += bytes;
                continue;
            }
        } else if (type == SHA256) {
            to = t->hash;
            want = 32;
            bit = 2;
        } else if (type == KEY_HASH) {
            to = t->key_hash;
            want = 32;
            bit = 4;
        } else if (type == TL_UPDATE_ED25519 || type == TL_UPDATE_ECDSA_P256) {
            to = t->signature;
            want = type == TL_UPDATE_ED25519 ? 64 : bytes <= MAX_SIGNATURE ? bytes : 0;
            bit = 8;
            t->type = type;
            t->signature_bytes = bytes;
        } else {
            return TL_UPDATE_FORMAT;
        }
        if (seen & bit || bytes != want)
            return TL_UPDATE_FORMAT;
        seen |= bit;
        if (f->read(f->context, at, to, bytes))
            return TL_UPDATE_FLASH;
        at += bytes;
    }
    return seen == (magic == PROTECTED ? 1u : 14u) ? TL_UPDATE_OK : TL_UPDATE_FORMAT;
}

/* Header, TLVs and hash. */
TL_APART static int32_t read_envelope(const tl_flash *f, uint32_t slot_at, uint32_t bytes, tl_envelope *e, tlvs *t)
{
    union {
        uint8_t header[HEADER], some[64];
    } b;
    uint8_t digest[32];
    tl_sha256 h;
    if (bytes < TL_UPDATE_LEAST || bytes > f->slot_bytes - f->page_bytes)
        return TL_UPDATE_SIZE;
    if (f->read(f->context, slot_at, b.header, HEADER))
        return TL_UPDATE_FLASH;
    if (tl_word(b.header) != 0x96f3b83du)
        return TL_UPDATE_MAGIC;
    e->payload_at = half(b.header + 8);
    e->payload_bytes = tl_word(b.header + 12);
    for (uint32_t i = 0; i < 8; i++)
        e->version[i] = b.header[20 + i];
    uint32_t protected_bytes = half(b.header + 10);
    if (e->payload_at < HEADER || e->payload_at & 3u || tl_word(b.header + 16) != NOT_BOOTABLE)
        return TL_UPDATE_FORMAT;
    /* bytes is at least 224, payload_at and protected_bytes less than 2^16 */
    if (e->payload_at + protected_bytes > bytes || e->payload_bytes > bytes - e->payload_at - protected_bytes)
        return TL_UPDATE_SHORT;
    e->tlv_at = e->payload_at + e->payload_bytes + protected_bytes;
    if (bytes - e->tlv_at < TLV)
        return TL_UPDATE_SHORT;
    if (f->read(f->context, slot_at + e->tlv_at, b.some, TLV))
        return TL_UPDATE_FLASH;
    if (half(b.some) == OPEN && half(b.some + 2) != bytes - e->tlv_at)
        return TL_UPDATE_SHORT;
    int32_t error = read_tlvs(f, slot_at + e->tlv_at - protected_bytes, slot_at + e->tlv_at, PROTECTED, t);
    if (!error)
        error = read_tlvs(f, slot_at + e->tlv_at, slot_at + bytes, OPEN, t);
    if (error)
        return error;
    tl_sha256_start(&h);
    for (uint32_t at = 0; at < e->tlv_at;) {
        uint32_t n = e->tlv_at - at < sizeof b.some ? e->tlv_at - at : sizeof b.some;
        if (f->read(f->context, slot_at + at, b.some, n))
            return TL_UPDATE_FLASH;
        tl_sha256_add(&h, b.some, n);
        at += n;
    }
    tl_sha256_end(&h, digest);
    if (differ(digest, t->hash, 32))
        return TL_UPDATE_DAMAGED;
    for (uint32_t i = 0; i < 32; i++)
        e->hash[i] = digest[i];
    e->counter = tl_word(t->counter);
    return TL_UPDATE_OK;
}

TL_APART int32_t tl_update_hash(const tl_update_device *d, uint32_t at, uint32_t bytes, tl_envelope *e)
{
    tlvs t;
    return read_envelope(d->flash, at, bytes, e, &t);
}

TL_APART int32_t tl_update_check(const tl_update_device *d, uint32_t at, uint32_t bytes, uint32_t least_counter,
                                 tl_envelope *e)
{
    const tl_update_key *k = 0;
    tl_package p;
    tlvs t;
    int32_t error = read_envelope(d->flash, at, bytes, e, &t);
    if (error)
        return error;
    for (uint32_t i = 0; i < d->key_count && !k; i++)
        if (d->keys[i].type == t.type && !differ(d->keys[i].hash, t.key_hash, 32))
            k = &d->keys[i];
    if (!k)
        return TL_UPDATE_KEY;
    if (!k->verify(k, e->hash, t.signature, t.signature_bytes))
        return TL_UPDATE_SIGNATURE;
    if (e->counter < least_counter)
        return TL_UPDATE_OLD;
    error = tl_package_open(&p, d->flash->map + at + e->payload_at, e->payload_bytes, d->inputs);
    if (error)
        return error;
    return p.arena_bytes > d->arena_bytes || p.signature_words > d->signature_words || p.window_bytes > d->window_bytes
               ? TL_UPDATE_ARENA : TL_UPDATE_OK;
}
