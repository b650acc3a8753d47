#include "fixed.h"
#include "step.h"

enum { MAGIC = 0x434f4c54, HEADER = 24, ENTRY = 12 }; /* "TLOC" */
enum { STEPS = 1, STATE, INPUT, OUTPUT, OPTIONAL = 128 };

#define TL_COUNT_OP(op) +1
enum { OPS = 0 TL_OPS(TL_COUNT_OP) };

TL_SMALL const char *tl_error_text(int32_t code)
{
    static const char texts[] =
        "no error\0"
        "image or arena is not aligned to 4 bytes\0"
        "the image is cut off\0"
        "this is no tinyloc image\0"
        "the image is damaged (CRC-32)\0"
        "the image has another format version\0"
        "the image is packed for another core\0"
        "the image was made for other kernels\0"
        "a section of the image is missing, unknown or out of bounds\0"
        "the arena is too small\0"
        "a step of the image is malformed\0"
        "an argument of a step is out of bounds\0"
        "a kernel that the image needs is not linked\0"
        "a number of a step is out of its range\0"
        "an array of a step has another size than its numbers say\0"
        "an array of a step lies in the wrong memory\0"
        "a step writes over another one of its arrays\0"
        "a constant of a step is out of its range\0"
        "the image, its scaler and its stream's figures do not go together\0"
        "the memory for a window of rows is too small\0";
    const char *p = texts;
    for (code = code < 0 || code > TL_ERR_COUNT ? TL_ERR_COUNT : code; code > 0; code--)
        while (*p++)
            ;
    return p;
}

TL_SMALL uint32_t tl_crc32(uint32_t crc, const void *p, uint32_t n)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const uint8_t *b = p;
    crc = ~crc;
    for (; n; n--) {
        crc ^= *b++;
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

static const uint32_t *word(const void *image, uint32_t offset)
{
    return (const uint32_t *)(const void *)((const uint8_t *)image + offset);
}

/* The section's entry, 0 if there is none: kind | format << 8 | count << 16, offset, bytes */
TL_SMALL static const uint32_t *section(const void *image, uint32_t kind)
{
    const uint32_t *s = word(image, HEADER);
    for (uint32_t n = (word(image, 8)[0] >> 16) & 255; n; n--, s += 3)
        if ((s[0] & 255) == kind)
            return s;
    return 0;
}

static uint32_t state_bytes(const uint32_t *entry) { return entry[0] >> 16 << 2; }

/* Fills in the arguments of the step at p; where the next one begins. */
TL_SMALL static const uint16_t *decode(const tl_model *m, const uint16_t *p, tl_arg *a)
{
    uint32_t arrays = p[1] & 255u, ints = (uint32_t)p[1] >> 8, wide = p[2];
    for (p += 3; arrays; arrays--, a++, p += 2) {
        uint32_t at = *p & 0x7fffu;
        if (*p & 0x8000u)
            a->c = m->image + (at << m->image_unit);
        else
            a->p = m->arena + (at << m->arena_unit);
    }
    for (; ints; ints--, a++, wide >>= 1) {
        a->i = (int16_t)*p++;
        if (wide & 1u) {
            a->i = (int32_t)((uint32_t)p[-1] | (uint32_t)*p << 16);
            p++;
        }
    }
    return p;
}

TL_SMALL static const uint16_t *run(const tl_model *m, const uint16_t *p, tl_arg *a)
{
    void (*const kernel)(const tl_arg *) = m->kernels[*p & 255u].run;
    p = decode(m, p, a);
    kernel(a);
    return p;
}

/* Checks the step at *p, which has `left` half-words, and moves on. */
TL_SMALL static int32_t check(const tl_model *m, const uint16_t **p, uint32_t *left)
{
    const uint16_t *s = *p;
    if (*left < 3 || (s[0] & 255u) >= OPS)
        return TL_ERR_STEP;
    const tl_kernel *kernel = m->kernels + (s[0] & 255u);
    if (!kernel->run)
        return TL_ERR_KERNEL;
    uint32_t arrays = kernel->spec[0], ints = kernel->spec[1], need = 3 + 2 * arrays + ints;
    for (uint32_t w = s[2]; w; w >>= 1)
        need += w & 1u;
    if (s[1] != (arrays | ints << 8) || (uint32_t)s[2] >> ints || need > *left)
        return TL_ERR_STEP;
    *p += need;
    *left -= need;
    return tl_check(m, s);
}

/* Whether an input or output is of whole rows of a known dtype */
TL_SMALL static int32_t has_rows(const uint32_t *s)
{
    uint32_t format = (s[0] >> 8) & 255u, row = s[0] >> 16 << (format & 3u), rest = s[2];
    if (format & ~11u || (format & 3u) == 3 || !row || !rest)
        return 0;
    for (int32_t i = 31; i >= 0; i--) /* the remainder, of which small cores have no instruction */
        if (rest >> i >= row)
            rest -= row << i;
    return rest == 0;
}

TL_SMALL int32_t tl_open(tl_model *m, const void *image, uint32_t image_bytes, void *arena, uint32_t arena_bytes,
                         const tl_kernel *kernels)
{
    if (((uintptr_t)image | (uintptr_t)arena) & 3u)
        return TL_ERR_ALIGN;
    if (image_bytes < HEADER)
        return TL_ERR_SHORT;
    const uint32_t *head = word(image, 0);
    if (head[0] != MAGIC)
        return TL_ERR_MAGIC;
    uint32_t bytes = head[3], table = HEADER + ENTRY * ((head[2] >> 16) & 255);
    if (bytes > image_bytes || bytes < table)
        return TL_ERR_SHORT;
    if (tl_crc32(0, word(image, 8), bytes - 8) != head[1])
        return TL_ERR_CRC;
    if ((head[2] & 0xffff) != TL_IMAGE_VERSION)
        return TL_ERR_VERSION;
    if (head[2] >> 24)
        return TL_ERR_VARIANT;
    if (head[4] != TL_ABI)
        return TL_ERR_ABI;
    if (head[5] > arena_bytes)
        return TL_ERR_ARENA;
    for (uint32_t at = HEADER; at < table; at += ENTRY) {
        const uint32_t *s = word(image, at);
        uint32_t kind = s[0] & 255, in_arena = kind == INPUT || kind == OUTPUT;
        if (kind == 0 || (kind > OUTPUT && kind < OPTIONAL) || section(image, kind) != s || s[1] & 3 ||
            !tl_inside(s[1], s[2], in_arena ? head[5] : bytes) || (in_arena && !has_rows(s)))
            return TL_ERR_SECTION;
    }
    const uint32_t *steps = section(image, STEPS), *state = section(image, STATE);
    if (!steps || !section(image, INPUT) || !section(image, OUTPUT) || steps[2] & 1 || !(steps[0] & 0xe00) ||
        !(steps[0] & 0xe000) ||
        (state && ((state[2] | head[5]) & 3 || state[2] > state_bytes(state) || state_bytes(state) > head[5])))
        return TL_ERR_SECTION;
    m->image = image;
    m->arena = arena;
    m->kernels = kernels;
    m->steps = (const uint16_t *)(const void *)word(image, steps[1]);
    m->count = (uint16_t)(steps[0] >> 16);
    m->image_unit = (steps[0] >> 8) & 15;
    m->arena_unit = (steps[0] >> 12) & 15;
    const uint16_t *p = m->steps;
    uint32_t left = steps[2] / 2;
    for (uint32_t i = m->count; i; i--) {
        int32_t error = check(m, &p, &left);
        if (error)
            return error;
    }
    if (left > 1) /* the section may be padded to a word */
        return TL_ERR_STEP;
    tl_reset(m);
    return TL_ERR_OK;
}

/* The state, at the end of the arena. */
static uint8_t *state_of(const tl_model *m, const uint32_t *state) { return m->arena + tl_head(m, 5) - state_bytes(state); }

TL_SMALL void tl_reset(const tl_model *m)
{
    const uint32_t *state = section(m->image, STATE);
    if (!state)
        return;
    uint32_t *to = (uint32_t *)(void *)state_of(m, state);
    const uint32_t *from = word(m->image, state[1]);
    for (uint32_t n = state[2] / 4; n; n--)
        *to++ = *from++;
    for (uint32_t n = (state_bytes(state) - state[2]) / 4; n; n--)
        *to++ = 0;
}

const uint32_t *tl_section(const tl_model *m, uint32_t kind) { return section(m->image, kind); }

uint32_t tl_arena_bytes(const tl_model *m) { return tl_head(m, 5); }

TL_SMALL void *tl_input(const tl_model *m) { return m->arena + section(m->image, INPUT)[1]; }

TL_SMALL void *tl_output(const tl_model *m) { return m->arena + section(m->image, OUTPUT)[1]; }

TL_SMALL uint32_t tl_input_bytes(const tl_model *m) { return section(m->image, INPUT)[2]; }

TL_SMALL uint32_t tl_output_bytes(const tl_model *m) { return section(m->image, OUTPUT)[2]; }

TL_SMALL void tl_run(const tl_model *m)
{
    tl_arg a[TL_MAX_ARGS];
    const uint16_t *p = m->steps;
    for (uint32_t n = m->count; n; n--)
        p = run(m, p, a);
}

TL_SMALL void tl_step(const tl_model *m, int32_t i)
{
    tl_arg a[TL_MAX_ARGS];
    const uint16_t *p = m->steps;
    for (; i > 0; i--)
        p = decode(m, p, a);
    run(m, p, a);
}

TL_SMALL void tl_sign(const tl_model *m, uint32_t *crcs)
{
    tl_arg a[TL_MAX_ARGS];
    const uint16_t *p = m->steps;
    for (uint32_t n = m->count; n; n--) {
        uint32_t flags = (uint32_t)p[0] >> 8, bytes = ((uint32_t)p[4] << m->arena_unit) - (flags & 127u);
        p = run(m, p, a);
        *crcs++ = flags & 128u ? tl_crc32(0, a[0].p, bytes) : 0;
    }
    const uint32_t *state = section(m->image, STATE);
    *crcs = state ? tl_crc32(0, state_of(m, state), state_bytes(state)) : 0;
}
