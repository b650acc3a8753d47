#include "small.h"
#include "update.h"

/* What an update brings, in memory: every offset and length is checked before it is used, and none is added to another
 * before it is known to be small. */

enum { MAGIC = 0x4b504c54, HEADER = 28, ENTRY = 12, IMAGE_HEADER = 24 }; /* "TLPK" */
enum { IMAGE = 1, SCALER, GOLDEN, ROOMS, INPUTS, STREAM, OPTIONAL = 128 };
enum { SCALER_HEADER = 12, CURVE = 256, AP = 12, GOLDEN_HEADER = 12, STREAM_BYTES = 16 };
enum { IMAGE_INPUT = 3, IMAGE_OUTPUT, DIGEST_WORDS }; /* DIGEST_WORDS: where the header has the inputs' digest */

/* A tl_ap and a tl_stream_config in flash are read as such: their layout is that of the format. */
typedef char tl_ap_has_12_bytes[sizeof(tl_ap) == AP ? 1 : -1];
typedef char tl_stream_config_has_14_bytes[sizeof(tl_stream_config) == STREAM_BYTES - 2 ? 1 : -1];

static const uint32_t *words(const void *p) { return p; }

/* The section's entry: kind | count << 16, offset, bytes; 0 if there is none. */
TL_APART static const uint32_t *section(const uint8_t *payload, uint32_t kind)
{
    const uint32_t *s = words(payload + HEADER);
    for (uint32_t n = words(payload)[1] >> 16; n; n--, s += 3)
        if ((s[0] & 0xffffu) == kind)
            return s;
    return 0;
}

/* The section has `count` texts, each with its zero byte, and nothing else. */
TL_APART static int32_t texts(const uint8_t *p, const uint32_t *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s[2]; i++)
        count += p[s[1] + i] == 0;
    return s[2] && p[s[1] + s[2] - 1] == 0 && count == s[0] >> 16;
}

TL_APART static int32_t scaler(tl_scaler *r, const uint8_t *p, uint32_t bytes)
{
    if (bytes < SCALER_HEADER)
        return 0;
    uint32_t a = words(p)[0], b = words(p)[1], c = words(p)[2];
    uint32_t count = a & 0xffffu, curved = a >> 16, at = SCALER_HEADER, size;
    r->count = (uint16_t)count;
    r->curved = (uint16_t)curved;
    r->hold = (uint16_t)b;
    r->silent = (int16_t)(b >> 16);
    r->least = (int8_t)c;
    r->most = (int8_t)(c >> 8);
    if (count == 0 || curved > count || c >> 16 || bytes - at < (curved ? (uint32_t)CURVE : 0u))
        return 0;
    r->curve = curved ? (const int8_t *)p + at : 0;
    at += curved ? CURVE : 0;
    size = AP * (count - curved); /* less than 2^20 */
    if (bytes - at < size)
        return 0;
    r->aps = (const tl_ap *)(const void *)(p + at);
    at += size;
    r->fixes = p + at;
    for (uint32_t i = 0; i < count - curved; i++) /* the last byte of fixes that it may ask for */
        if (r->aps[i].first > r->aps[i].last ||
            r->aps[i].fix + ((uint32_t)(r->aps[i].last - r->aps[i].first) >> 3) >= bytes - at)
            return 0;
    return 1;
}

/* Bytes of the image's input, and its rows; 0 if it has none.  tl_open has not seen this image yet. */
TL_APART static uint32_t input_bytes(const uint8_t *image, uint32_t bytes, uint32_t *rows)
{
    uint32_t n = words(image)[2] >> 16 & 255u;
    const uint32_t *s = words(image + IMAGE_HEADER);
    for (*rows = 0; n && tl_inside(IMAGE_HEADER, 12 * n, bytes); n--, s += 3)
        if ((s[0] & 255u) == IMAGE_INPUT) {
            *rows = s[0] >> 16;
            return s[2];
        }
    return 0;
}

TL_APART int32_t tl_package_open(tl_package *p, const void *payload, uint32_t bytes, const uint32_t inputs[2])
{
    const uint8_t *base = payload;
    const uint32_t *head = payload;
    if ((uintptr_t)payload & 3u || bytes < HEADER || head[0] != MAGIC)
        return TL_UPDATE_PAYLOAD;
    if ((head[1] & 0xffffu) != TL_PACKAGE_VERSION)
        return TL_UPDATE_VERSION;
    uint32_t count = head[1] >> 16;
    if (head[2] != bytes || !tl_inside(HEADER, ENTRY * count, bytes)) /* count < 2^16 */
        return TL_UPDATE_PAYLOAD;
    if (head[3] != TL_ABI)
        return TL_UPDATE_ABI;
    if (head[DIGEST_WORDS] != inputs[0] || head[DIGEST_WORDS + 1] != inputs[1])
        return TL_UPDATE_INPUTS;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *s = words(base + HEADER + ENTRY * i);
        uint32_t kind = s[0] & 0xffffu;
        if (kind == 0 || (kind > STREAM && kind < OPTIONAL) || section(base, kind) != s || s[1] & 3u || s[1] < HEADER ||
            !tl_inside(s[1], s[2], bytes))
            return TL_UPDATE_PAYLOAD;
    }
    const uint32_t *image = section(base, IMAGE), *scale = section(base, SCALER), *golden = section(base, GOLDEN);
    const uint32_t *rooms = section(base, ROOMS), *names = section(base, INPUTS), *stream = section(base, STREAM);
    if (!image || !scale || !golden || !rooms || !stream || image[2] < IMAGE_HEADER || stream[2] != STREAM_BYTES ||
        !texts(base, rooms) || (names && !texts(base, names)))
        return TL_UPDATE_PAYLOAD;
    p->image = base + image[1];
    p->image_bytes = image[2];
    p->arena_bytes = head[4];
    p->golden = base + golden[1];
    p->golden_count = (uint16_t)(golden[0] >> 16);
    p->rooms = (const char *)base + rooms[1];
    p->room_count = (uint16_t)(rooms[0] >> 16);
    p->inputs = names ? (const char *)base + names[1] : 0;
    p->stream = (const tl_stream_config *)(const void *)(base + stream[1]);
    p->delay = (uint16_t)(words(base + stream[1])[3] >> 16);
    if (words(p->image)[5] != p->arena_bytes || !scaler(&p->scaler, base + scale[1], scale[2]))
        return TL_UPDATE_PAYLOAD;
    uint32_t rows, input = input_bytes(p->image, p->image_bytes, &rows); /* rows, count < 2^16 */
    if (rows == 0 || rows * p->scaler.count != input || (names && names[0] >> 16 != p->scaler.count))
        return TL_UPDATE_PAYLOAD;
    p->window_bytes = rows == 1 ? 0 : input;
    if (golden[2] < GOLDEN_HEADER || p->golden_count == 0)
        return TL_UPDATE_PAYLOAD; /* a model that cannot be tested is not confirmed either */
    uint32_t runs = words(p->golden)[0], run = words(p->golden)[1], left = golden[2] - GOLDEN_HEADER;
    p->signature_words = words(p->golden)[2];
    if (runs == 0 || run != input || (uint64_t)runs * run > left)
        return TL_UPDATE_PAYLOAD;
    uint64_t window = (((uint64_t)runs * run + 3u) & ~(uint64_t)3u) + 4u;
    return window * p->golden_count == left ? TL_UPDATE_OK : TL_UPDATE_PAYLOAD;
}

TL_APART int32_t tl_package_test(const tl_package *p, const tl_model *m, uint32_t *signatures, uint32_t words_of_room)
{
    uint32_t runs = words(p->golden)[0], run = words(p->golden)[1], steps = p->signature_words;
    const uint8_t *at = p->golden + GOLDEN_HEADER;
    int32_t found = TL_UPDATE_OK;
    if (steps != (uint32_t)m->count + 1u)
        return TL_UPDATE_SELF_TEST;
    if (steps > words_of_room)
        return TL_UPDATE_ARENA;
    if (tl_stream_fits(m, &p->scaler, p->stream, p->window_bytes))
        return TL_UPDATE_MODEL;
    /* Labels, one a row, which the stream takes with confidences behind them or without. */
    uint32_t bytes = tl_output_bytes(m), apart = bytes == tl_section(m, IMAGE_OUTPUT)[0] >> 16 ? 1 : 2;
    for (uint32_t n = p->golden_count; n; n--) {
        uint32_t crc = 0;
        tl_reset(m);
        for (uint32_t i = 0; i < runs; i++) {
            uint8_t *to = tl_input(m);
            for (uint32_t j = 0; j < run; j++)
                to[j] = *at++;
            tl_sign(m, signatures);
            crc = tl_crc32(crc, signatures, 4u * steps);
            const uint8_t *y = tl_output(m);
            for (uint32_t j = 0; j < bytes; j += apart)
                if (y[j] >= p->room_count)
                    found = TL_UPDATE_SELF_TEST;
        }
        at += -(runs * run) & 3u;
        if (crc != *words(at))
            found = TL_UPDATE_SELF_TEST;
        at += 4;
    }
    tl_reset(m);
    return found;
}

TL_APART const char *tl_package_name(const char *names, uint32_t i)
{
    for (; i; i--)
        while (*names++)
            ;
    return names;
}
