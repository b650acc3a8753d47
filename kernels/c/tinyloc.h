/* tinyloc: integer kernels for indoor localization, and the runner that executes a model image with them.
 *
 * Freestanding C99: no allocation, no float, no static state, no recursion; on Cortex-M control flow never depends on data.
 * Arrays are dense, in C order.  Argument order: what is written, what is read, constants, state, scratch, sizes,
 * arithmetic constants.  Letters: t time steps, d width, e inner width, n state or outputs, k reduction, c classes.
 * An int8 tensor means real = scale * (q - zp); mult and shift rescale by mult * 2^(shift - 31) (see fixed.h).
 */
#ifndef TINYLOC_H
#define TINYLOC_H

#include <stdint.h>

/* Products of int8, int16 and their like are of type int: with one of 16 bits they would overflow without a word.  (gcc's
 * limits.h wants a C library's; fixed.h asks compilers that do not say it.) */
#if defined __SIZEOF_INT__ && __SIZEOF_INT__ != 4
#error "tinyloc: the kernels need an int of 32 bits; there is no build for a core whose int has another size"
#endif

#if defined __BYTE_ORDER__ && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tinyloc: images and packed weights are little-endian; there is no build for a big-endian core"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- kernels, in the order of their numbers in an image; new ones go at the end ---- */
#define TL_OPS(X) \
    X(linear_s8) \
    X(linear_s8_s16) \
    X(conv1d_s8) \
    X(depthwise_conv_s8) \
    X(interleave_s8) \
    X(layer_norm_s8) \
    X(rms_norm_s8) \
    X(softmax_s8) \
    X(matmul_s8) \
    X(add_s8) \
    X(mul_s8) \
    X(table_s8) \
    X(table_s8_u16) \
    X(scan_s8) \
    X(scan_powers_s8) \
    X(viterbi_s16) \
    X(argmax_s16) \
    X(linear_packed_s8) \
    X(linear_packed_s16) \
    X(conv1d_packed_s8) \
    X(attention_s8) \
    X(argmax_confidence_s16) \
    X(viterbi_confidence_s16) \
    X(linear_w4_s8) \
    X(linear_w4_s16) \
    X(linear_w4_packed_s8) \
    X(linear_w4_packed_s16)

/* y[t,n] = sat8(zp + rescale(bias[n] + sum_k w[n,k] x[t,k])); bias holds -x_zp * sum_k w too.
 * bias_step is 1, or 0 for one bias for all; mult_step is 1 for a multiplier per output, 0 for one for all. */
void tl_linear_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                  const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t y_zp, int32_t bias_step,
                  int32_t mult_step);
/* The same with int16 outputs of zero point 0. */
void tl_linear_s8_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t bias_step, int32_t mult_step);

/* y[t,n] = sat8(zp + rescale(bias[n] + sum_{j<k,c<d} w[n,j,c] x[i*stride + j - pad_left, c])) for output row i; rows of
 * x outside [0, t_in) hold x_zp, so that bias can hold -x_zp * sum w. */
void tl_conv1d_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                  const int8_t *shift, int32_t t, int32_t n, int32_t d, int32_t k, int32_t t_in, int32_t stride,
                  int32_t pad_left, int32_t x_zp, int32_t y_zp, int32_t bias_step, int32_t mult_step);
/* y[i,c] = sat8(zp + rescale(bias[c] + sum_{j<k} w[j,c] x[i - k + 1 + j, c])); the k - 1 rows before x are state[k-1,d],
 * which holds the last k - 1 rows afterwards.  Sums lie below 2^30. */
void tl_depthwise_conv_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                          const int8_t *shift, int8_t *state, int32_t t, int32_t d, int32_t k, int32_t y_zp,
                          int32_t bias_step, int32_t mult_step);
/* y[i * count + index, j] = x[i, j] for i < t, j < d. */
void tl_interleave_s8(int8_t *y, const int8_t *x, int32_t t, int32_t d, int32_t count, int32_t index);

/* Normalization, d <= 1024, eps >= 1, |b| <= 2^29.  Per row: v[c] = d x[c] - sum x, q = sum v^2 + eps (layer norm), or
 * v[c] = x[c] - x_zp, q = sum v^2 + eps (RMS norm).  h is such that 2^62 <= q 4^h < 2^64, m = floor(q 4^h / 2^32);
 * r = 2641404887 - floor(m 1431655765 / 2^32), then four times
 * r = floor(r (3 2^28 - floor(m floor(r^2 / 2^32) / 2^32)) / 2^29); unit = floor(v 2^(h-1) r / 2^31);
 * y[c] = sat8(zp + rescale(b[c] + floor(unit w[c] / 2^16))), where RMS norm has zp = 0 and no b. */
void tl_layer_norm_s8(int8_t *y, const int8_t *x, const int16_t *w, const int32_t *b, int32_t t, int32_t d, int32_t eps,
                      int32_t y_zp, int32_t mult, int32_t shift);
void tl_rms_norm_s8(int8_t *y, const int8_t *x, const int16_t *w, int32_t t, int32_t d, int32_t x_zp, int32_t eps,
                    int32_t mult, int32_t shift);

/* y[t,n] = softmax of x[t,:] with scale 1/256 and zero point -128: the bits of TensorFlow Lite Micro.  y may be x.
 * table[min(d, size - 1)] is the exponential, in Q0, of a difference of d codes from the row's maximum; table[0] is 2^31 - 1.
 * E = sum over the row of RDBPOT(e, 12); r = 1 / E in Q0, E scaled to [1, 2) by its leading zeros Z (see softmax.c);
 * y = sat8(RDBPOT(SRDHM(r, e), 35 - Z) - 128).  n <= 511. */
void tl_softmax_s8(int8_t *y, const int8_t *x, const int32_t *table, int32_t t, int32_t n, int32_t size);

/* y[m,n] = sat8(zp + rescale(sum_k (a[m,k] - a_zp) (b[n*b_n + k*b_k] - b_zp))); k <= 33025; pairs[k+3] is scratch. */
void tl_matmul_s8(int8_t *y, const int8_t *a, const int8_t *b, uint32_t *pairs, int32_t m, int32_t n, int32_t k,
                  int32_t a_zp, int32_t b_zp, int32_t y_zp, int32_t b_n, int32_t b_k, int32_t mult, int32_t shift);

/* y[m,width] = softmax(q[m,d] k[n,d]^T) v[n,width]: matmul with s_mult, s_shift and zero point s_zp, softmax, matmul, of
 * two rows of m at a time, which scores[2n] holds; pairs[4 quads] is scratch; n, d <= 4 quads, n <= 511. */
void tl_attention_s8(int8_t *y, const int8_t *q, const int8_t *k, const int8_t *v, const int32_t *table, int8_t *scores,
                     uint32_t *pairs, int32_t m, int32_t n, int32_t d, int32_t width, int32_t size, int32_t quads,
                     int32_t q_zp, int32_t k_zp, int32_t s_zp, int32_t v_zp, int32_t y_zp, int32_t s_mult,
                     int32_t s_shift, int32_t mult, int32_t shift);

/* y = sat8(zp + rescale(rescale((a - a_zp) 2^20) + rescale((b - b_zp) 2^20))), each rescale with its own constants. */
void tl_add_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t t, int32_t d, int32_t a_zp, int32_t b_zp,
               int32_t y_zp, int32_t a_mult, int32_t a_shift, int32_t b_mult, int32_t b_shift, int32_t mult,
               int32_t shift);
/* y = sat8(zp + rescale((a - a_zp) (b - b_zp))) */
void tl_mul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t t, int32_t d, int32_t a_zp, int32_t b_zp,
               int32_t y_zp, int32_t mult, int32_t shift);

/* y = table[x + 128] */
void tl_table_s8(int8_t *y, const int8_t *x, const int8_t *table, int32_t t, int32_t d);
void tl_table_s8_u16(uint16_t *y, const int8_t *x, const uint16_t *table, int32_t t, int32_t d);

/* Selective scan.  Per step and channel j: v = x - x_zp; g = sat16(rescale(dt v; g_mult, g_shift - h_exp[j]));
 * for each k: d = 2^(-u) in Q31 with u = a[j,k] floor(dt a_scale[k] / 8) in Q32 (see below);
 * h[j,k] = sat16(floor((floor(h d / 2^16) + g b[k] 2^b_shift + 2^14) / 2^15));
 * y = sat8(y_zp + rescale(d_skip[j] v 2^d_shift + sum_k c[k] h[j,k]; y_mult, y_shift + h_exp[j])).
 * d = floor((A + floor(B f / 2^16)) / 2^floor(u / 2^32)) with f = u mod 2^32 as an int32, i = floor(f / 2^25) mod 128,
 * m = (i + 1/2) / 128, B = round(-ln 2 2^(15 - m)), A = round(2^(31 - m) (1 + (ln 2 / 256)^2 / 4) - 2^16 B m'), where m'
 * is m, less 1 for i > 63.
 * The state h[e,n] survives; 1 <= a_scale, b_shift <= 8, d_shift <= 7; the shifts of both rescalings lie in [-31, -1], and
 * the sum that becomes y and its part by d_skip below 2^30. */
void tl_scan_s8(int8_t *y, const int8_t *x, const uint16_t *dt, const int8_t *b, const int8_t *c, const uint8_t *a,
                const int16_t *a_scale, const int16_t *d_skip, const int8_t *h_exp, int16_t *h, int16_t *bc, int32_t t,
                int32_t e, int32_t n, int32_t x_zp, int32_t y_zp, int32_t g_mult, int32_t g_shift, int32_t b_shift,
                int32_t d_shift, int32_t y_mult, int32_t y_shift);
/* The same with one rate a channel: d_0 = 2^(-u) with u = floor(dt a[j] / 2^a_shift) 2^4, d_k = floor(d_{k-1} d_0 / 2^31). */
void tl_scan_powers_s8(int8_t *y, const int8_t *x, const uint16_t *dt, const int8_t *b, const int8_t *c,
                       const uint16_t *a, const int16_t *d_skip, const int8_t *h_exp, int16_t *h, int16_t *bc, int32_t t,
                       int32_t e, int32_t n, int32_t x_zp, int32_t y_zp, int32_t a_shift, int32_t g_mult, int32_t g_shift,
                       int32_t b_shift, int32_t d_shift, int32_t y_mult, int32_t y_shift);

/* Linear-chain CRF decoder: y[t] = last label of the best path over the steps so far, of equal ones the first.
 * best[to] = sat16(max over from of sat16(scores[from] + trans[from,to]) + x[t,to]); scores = sat16(best - max best);
 * y[t] = first greatest of sat16(scores + end).  trans[c+1,c] from row to column, its last row from the start.
 * scores[c+1] survives: per class, and the start's, 0 before the first step and -2^15, which is what cannot be, after it.
 * best[c] is scratch; c <= 256.  Where |trans|, |end| <= T, |x| <= X and T + X < 2^14, scores lie at -2 (T + X) or above, and
 * the labels are those without saturation. */
void tl_viterbi_s16(uint8_t *y, const int16_t *x, const int16_t *trans, const int16_t *end, int16_t *scores,
                    int16_t *best, int32_t t, int32_t c);

/* y[t] = index of the greatest x[t,:], of equal ones the first; c <= 256. */
void tl_argmax_s16(uint8_t *y, const int16_t *x, int32_t t, int32_t c);

/* y[t,2]: the label as above, then table[min(floor(margin / 2^shift), size - 1)], its confidence in 1/255; the margin is
 * how far the greatest of x[t,:], or of Viterbi's sat16(scores + end), lies above the second, or above -2^15 where c = 1. */
void tl_argmax_confidence_s16(uint8_t *y, const int16_t *x, const uint8_t *table, int32_t t, int32_t c, int32_t size,
                              int32_t shift);
void tl_viterbi_confidence_s16(uint8_t *y, const int16_t *x, const int16_t *trans, const int16_t *end,
                               const uint8_t *table, int16_t *scores, int16_t *best, int32_t t, int32_t c, int32_t size,
                               int32_t shift);

/* linear_s8 on weights packed for the DSP extension.  w: groups of four rows; in a group, for each quad of columns, a word
 * a row: half-words 256 w[4q+1] + w[4q] and 256 w[4q+3] + w[4q+2]; zeros fill up.  rows: for each group of four rows
 * 256 (bias + 127 sum of odd columns' w), and, if per_row, their multipliers, their offsets, and their shifts, a byte each.
 * y = sat8((p - (p < 0) + offset) >> shift), p = SRDHM(sum w x + bias, mult): MBQM with the zero point in offset =
 * 2^(shift-1) + zp 2^shift.  pairs: 2 quads words.  1 <= shift <= 20; 256 times the sums fit 32 bits. */
void tl_linear_packed_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                         int32_t groups, int32_t quads, int32_t n, int32_t k, int32_t mult, int32_t offset, int32_t shift,
                         int32_t per_row);
/* linear_s8_s16 likewise: y = sat16(...), zp = 0. */
void tl_linear_packed_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                          int32_t groups, int32_t quads, int32_t n, int32_t k, int32_t mult, int32_t offset,
                          int32_t shift, int32_t per_row);
/* conv1d_s8 likewise, a linear layer of k * d columns; row: k * d bytes of scratch. */
void tl_conv1d_packed_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int8_t *row,
                         int32_t t, int32_t groups, int32_t quads, int32_t n, int32_t d, int32_t k, int32_t t_in,
                         int32_t stride, int32_t pad_left, int32_t x_zp, int32_t mult, int32_t offset, int32_t shift,
                         int32_t per_row);

/* linear_s8 and linear_s8_s16 with weights of four bits, signed, two a byte: those of columns 2j and 2j+1 in the low and the
 * high half of byte j of a row of w[n,row], whose last half means nothing where k is odd. */
void tl_linear_w4_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                     const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t row, int32_t y_zp, int32_t bias_step,
                     int32_t mult_step);
void tl_linear_w4_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, const int32_t *mult,
                      const int8_t *shift, int32_t t, int32_t n, int32_t k, int32_t row, int32_t bias_step,
                      int32_t mult_step);
/* The same packed for the DSP extension.  w: groups of four rows; in a group, for each octet of columns, a word a row: the
 * weights of columns 8q to 8q+7 in its bits from 12, 8, 28, 24, 4, 0, 20 and 16 on, those of 8q and 8q+2 as they are, the
 * others plus 8; zeros fill up.  rows: for each group of four rows 2^12 (bias - 128 sum of w), and, if per_row, the rest as
 * in linear_packed_s8, with which all else is shared.  pairs: 4 octets words.  2^12 times the sums fit 32 bits. */
void tl_linear_w4_packed_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                            int32_t groups, int32_t octets, int32_t n, int32_t k, int32_t mult, int32_t offset,
                            int32_t shift, int32_t per_row);
void tl_linear_w4_packed_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                             int32_t groups, int32_t octets, int32_t n, int32_t k, int32_t mult, int32_t offset,
                             int32_t shift, int32_t per_row);

/* ---- model images: bytes that are run where they lie, in flash; no pointers, little-endian ----
 *
 * Header, six words: magic; CRC-32 of the image from the next word on; version | sections << 16 | variant << 24 (reserved,
 * 0); bytes of the image; TL_ABI; bytes of the arena.  Then three words a section:
 * kind | format << 8 | count << 16, its offset and its bytes:
 *   1 steps: count records; format: log2 of the unit of places in the image | log2 of that in the arena << 4
 *   2 state: the words that it begins with, zeros follow; count words in all; it lies at the end of the arena
 *   3 input, 4 output: offset in the arena; count rows, of the input time steps a run; format: log2 of the dtype's bytes | 8 if signed
 *   128 states whose ends of int16 mean that they were cut off: count pairs of words, offset in the arena and bytes
 * A runner refuses kinds below 128 that it does not know, and skips the others.
 *
 * A step is a record of half-words: op | flags << 8, arrays | ints << 8, a bit for each int of 32 bits; then two for each
 * array, its place (bit 15: in the image, else in the arena) and its extent, in units; then the ints, of 16 bits or of 32.
 * flags: bit 7, the first array, the output, is complete and its bytes belong to the signature; bits 0-6, bytes by which
 * its last unit is longer than it. */

#define TL_ABI 0xa21c957cu /* digest of the names and arguments of all ops, in order: images of others are refused */
#define TL_IMAGE_VERSION 1
#define TL_MAX_ARGS 24

typedef union {
    void *p;
    const void *c;
    int32_t i;
} tl_arg;
typedef struct {
    void (*run)(const tl_arg *);
    const uint8_t *spec; /* what its arguments must be, for tl_open */
} tl_kernel;

/* A kernel of each op, zeros for those that no image uses; every kernel is in this one. */
extern const tl_kernel tl_all_kernels[];

/* An opened image; its content is the runner's affair. */
typedef struct {
    const uint8_t *image;
    uint8_t *arena;
    const tl_kernel *kernels;
    const uint16_t *steps;
    uint16_t count;
    uint8_t image_unit, arena_unit;
} tl_model;

enum {
    TL_ERR_OK,
    TL_ERR_ALIGN,   /* image or arena is not aligned to 4 bytes */
    TL_ERR_SHORT,   /* the image is cut off */
    TL_ERR_MAGIC,   /* this is no image */
    TL_ERR_CRC,     /* the image is damaged */
    TL_ERR_VERSION, /* of another format version */
    TL_ERR_VARIANT, /* packed for another core */
    TL_ERR_ABI,     /* made for other kernels */
    TL_ERR_SECTION, /* a section is missing, unknown or out of bounds */
    TL_ERR_ARENA,   /* the arena is too small */
    TL_ERR_STEP,    /* a step is malformed */
    TL_ERR_BOUNDS,  /* an argument of a step is out of bounds */
    TL_ERR_KERNEL,  /* a kernel that the image needs is not linked */
    TL_ERR_NUMBER,  /* a number of a step is out of its range */
    TL_ERR_SIZE,    /* an array of a step has another size than the step's numbers say */
    TL_ERR_PLACE,   /* an array of a step lies in the image and not in the arena, or the other way round */
    TL_ERR_OVERLAP, /* a step writes over another one of its arrays */
    TL_ERR_VALUE,   /* a constant of a step has an element out of its range */
    TL_ERR_STREAM,  /* image, scaler and tl_stream_config do not go together */
    TL_ERR_WINDOW,  /* the stream's window is too small for the model's rows */
    TL_ERR_COUNT
};

/* Checks the whole image; 0 or a TL_ERR_ code.  The state becomes the initial one.
 * Whatever bytes are given: when this returns 0, any number of runs, on any input and any state, read and write within image
 * and arena alone, and every index, shift and sum is one that C defines.  Image and arena must not overlap, and the image
 * must not change from then on. */
int32_t tl_open(tl_model *m, const void *image, uint32_t image_bytes, void *arena, uint32_t arena_bytes,
                const tl_kernel *kernels);
/* English text of a code; an empty string for one that does not exist. */
const char *tl_error_text(int32_t code);
/* The state becomes the initial one. */
void tl_reset(const tl_model *m);
/* Where to write the input before a run and to read the output after it; valid as long as no other run begins. */
void *tl_input(const tl_model *m);
void *tl_output(const tl_model *m);
/* How many bytes these are: what comes from an image that the firmware was not built with has to be asked. */
uint32_t tl_input_bytes(const tl_model *m);
uint32_t tl_output_bytes(const tl_model *m);
/* The three words of a section of the image, 0 where there is none; bytes of the arena. */
const uint32_t *tl_section(const tl_model *m, uint32_t kind);
uint32_t tl_arena_bytes(const tl_model *m);
/* All steps; step i alone, 0 <= i < m->count. */
void tl_run(const tl_model *m);
void tl_step(const tl_model *m, int32_t i);
/* All steps; crcs[i] = CRC-32 of step i's output, or 0 while it is incomplete; crcs[m->count] = that of the state. */
void tl_sign(const tl_model *m, uint32_t *crcs);
/* zlib's CRC-32 of n bytes; crc is 0, or that of the bytes before. */
uint32_t tl_crc32(uint32_t crc, const void *p, uint32_t n);

/* ---- from the radio to the input: the codes that training's scaler and quantizer give, in integers ---- */

enum { TL_NOT_HEARD = -32768 }; /* instead of dBm */
enum { TL_AHEAD = 1000 };       /* ms by which a packet's time may lie ahead of the row's */

/* An access point: below `first` its code is the scaler's least, above `last` the most; between them, with d = dbm - first,
 * least + floor((d mult + offset) / 2^24), plus 1 where bit d mod 8 of fixes[fix + d / 8] is set: float32 rounds ties up
 * here and down there.  The constants hold for each dBm in [-128, 127]. */
typedef struct {
    uint32_t mult, offset;
    int8_t first, last;
    uint16_t fix;
} tl_ap;

/* Inputs are access points, then motion channels, which are the same to all functions but for dB instead of dBm.  Where the
 * first `curved` of them have the same codes, those of -128..127 dBm may be a curve instead, and aps[0] is that of the next. */
typedef struct {
    const int8_t *curve; /* 256 codes, or 0 */
    const tl_ap *aps;
    const uint8_t *fixes;
    uint16_t count;     /* of inputs */
    uint16_t curved;    /* of those, at first, that have the curve */
    uint16_t hold;      /* ms for which a value heard stands in for silence */
    int16_t silent;     /* dBm that stands for silence beyond that */
    int8_t least, most; /* codes */
} tl_scaler;

/* What was last heard of an access point, and when. */
typedef struct {
    uint32_t ms;
    int16_t dbm;
} tl_heard;

/* The code of dbm at access point ap < s->count. */
int8_t tl_code(const tl_scaler *s, uint32_t ap, int32_t dbm);
/* codes[count] of a row dbm[count], each TL_NOT_HEARD or dBm; nothing is held. */
void tl_scale(const tl_scaler *s, int8_t *codes, const int16_t *dbm);
/* heard[count]: nothing yet; before the first packet of a recording. */
void tl_forget(const tl_scaler *s, tl_heard *heard);
/* A packet of access point ap, heard at time ms of a clock that may wrap around; those of ap >= count are dropped. */
void tl_hear(const tl_scaler *s, tl_heard *heard, uint32_t ap, int16_t dbm, uint32_t ms);
/* The row at time ms: codes[count], each of the last value heard that is at most s->hold old.  Who reads the clock, and then
 * takes packets in that an interrupt stamps, is behind them: those up to TL_AHEAD ms ahead are of age 0.  What lies further
 * ahead is no better than what is too old, and both are forgotten for good.  On a clock that wraps around, what was heard
 * 2^32 - TL_AHEAD ms ago would count as new again: call it at least once in 49 days. */
void tl_row(const tl_scaler *s, tl_heard *heard, int8_t *codes, uint32_t ms);

enum { TL_MOTION_SAMPLES = 4096 };

/* The level of motion energy in a row of n accelerometer samples xyz[n][3] in mg: 10 log10(v / (1 mg)^2) in whole dB (the
 * limits between two are within 0.03 dB), v = mean |a - mean a|^2.  TL_NOT_HEARD unless 2 <= n <= TL_MOTION_SAMPLES.  It is
 * heard like a packet: tl_hear(s, heard, channel, tl_motion(xyz, n), ms). */
int16_t tl_motion(const int16_t *xyz, uint32_t n);

/* ---- the stream: the room as time goes on, or why it is unknown ----
 *
 * Packets are heard as they come, answers asked for once a period.  Nothing is kept of a packet but the last value of its
 * access point, so that no burst is too great, and an access point that dies is one that is not heard.
 *
 * Nothing here is locked.  tl_stream_hear and tl_stream_answer (tl_hear and tl_row likewise) are for one context: an answer
 * writes anew what was heard of every access point, and a packet that an interrupt or another thread hears meanwhile may be
 * lost, or counted with another one's time.  A radio's callback puts packets into a queue of yours that the loop empties, or
 * calls of both are made with that interrupt masked, which an answer's runs are long for. */

enum { TL_UNKNOWN = -1 };                     /* instead of a room */
enum { TL_DBM_LEAST = -127, TL_DBM_MOST = 20 }; /* what a radio can say (Bluetooth Core 5.4, 4.E, 7.5.4; 127 there, and 100 in
                                                  Wi-Fi surveys, mean "not available"): all else is dropped */
enum {
    TL_ROOM,       /* the room is known */
    TL_SILENT,     /* no access point was heard for as long as values are held; it starts anew */
    TL_FEW,        /* fewer were heard than it takes to be right */
    TL_WARMING_UP, /* too few rows since the start */
    TL_UNSURE,     /* the confidence is below the threshold */
    TL_GAP,        /* no answer was asked for, or the clock jumped, for longer than can be made up for; it starts anew */
    TL_BACKWARDS,  /* the clock ran backwards; what was heard is forgotten, and it starts anew */
    TL_SATURATED   /* a state of the model reached an end of its range; it starts anew */
};

/* What a stream has to know of a model beside image and scaler.  It has no pointers: 14 bytes, little-endian as they lie,
 * are the same on every core. */
typedef struct {
    uint16_t window;    /* rows of the windows that it was trained on; 1: each row stands alone */
    uint16_t period;    /* ms from row to row; 0: each answer is of a row of its own */
    uint16_t gap;       /* ms between answers in which missed rows are made up for */
    uint16_t warm_up;   /* rows after a start before the first room */
    uint16_t aps;       /* of the inputs, at first, that are access points; the others are motion channels */
    uint16_t least;     /* of them that must be heard, or held */
    uint8_t threshold;  /* least confidence of a room, in 1/255 */
    uint8_t reserved;   /* 0 */
} tl_stream_config;

typedef struct {
    int16_t room;       /* or TL_UNKNOWN, and then `reason` says why */
    uint16_t heard;     /* access points heard, or held */
    uint8_t label;      /* the likeliest room, known or not; nothing to act on */
    uint8_t confidence; /* that it is right, in 1/255; 255 from a model without confidences */
    uint8_t reason;
} tl_answer;

typedef struct {
    const tl_model *model;
    const tl_scaler *scaler;
    const tl_stream_config *config;
    tl_heard *heard;
    int8_t *window;
    uint32_t ms, row;    /* of the last answer; when the last row was due */
    uint16_t rows;       /* since the start */
    uint16_t dropped;    /* packets out of range, of no access point, or older than the last of theirs; up to 65535 */
    uint16_t saturated;  /* times; up to 65535 */
    uint8_t running;
    tl_answer last;
} tl_stream;

/* heard[scaler->count]; window: window_bytes of memory, config->window * scaler->count or more for a model that runs a
 * window at once, else 0 and 0.  What they point to stays; the model is the stream's alone.  TL_ERR_STREAM where the parts
 * do not fit each other, or where a model with saturating states takes more than a row a run: what saturates there cannot be
 * seen.  TL_ERR_WINDOW where the window is too small: a model that comes as an update may take more rows than the one that
 * the firmware was built with. */
int32_t tl_stream_open(tl_stream *s, const tl_model *m, const tl_scaler *scaler, const tl_stream_config *config,
                       tl_heard *heard, int8_t *window, uint32_t window_bytes);
/* What tl_stream_open says to these with a window of so many bytes; nothing is opened. */
int32_t tl_stream_fits(const tl_model *m, const tl_scaler *scaler, const tl_stream_config *config, uint32_t window_bytes);
/* A packet of access point ap, or a motion channel's level, at time ms of a clock that may wrap around. */
void tl_stream_hear(tl_stream *s, uint32_t ap, int16_t dbm, uint32_t ms);
/* The answer at time ms; ask about once a period, and at least once in 24 days.  A row is made for each period since the
 * last answer, to the nearest; for none, it is the last answer, which is less than a period old.  Rows are at most
 * gap / period, rounded up, and at least one: as many runs of a model of one row a run. */
tl_answer tl_stream_answer(tl_stream *s, uint32_t ms);

#ifdef __cplusplus
}
#endif

#endif
