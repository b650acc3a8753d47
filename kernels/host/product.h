/* Linear layers, convolutions over time, and products of activations: rows a of 16-bit values (the zero point taken off) by
 * panels of eight columns of b.  A panel's vector j holds elements 2j and 2j+1 of each column, so that one VPMADDWD with a
 * broadcast pair of a serves eight outputs, which then are rescaled where they lie. */

enum { ROOM = 8192, PANEL_ROOM = 1024, PANEL_PAIRS = 512 }; /* elements of a; vectors of panels, of which two are at work */

/* What the columns need once they are summed; steps are 0 where all columns share a constant, and bias may be absent. */
typedef struct {
    const int32_t *bias, *mult;
    const int8_t *shift;
    int32_t bias_step, mult_step, zp;
} finish;

/* The next block of at most 16 columns: `first` of them, and whether two panels or one; the last block overlaps the one
 * before, so that its stores are whole, unless there are too few columns. */
TL_INLINE int32_t block(int32_t at, int32_t n, int32_t *first, int32_t *panels)
{
    int32_t left = n - at;
    *panels = left > 8 ? 2 : 1;
    *first = left >= 8 * *panels || n < 8 * *panels ? at : n - 8 * *panels;
    return *first + 8 * *panels;
}

/* 16 elements of a row of b from j on; `left` is what the array still has from there. */
TL_INLINE __m128i row16(const int8_t *p, int64_t left) { return left >= 16 ? load16(p) : load_some(p, (int32_t)left); }

/* The same of 16 halves of bytes, the low half of each first, plus HALF_ZP: flipping the top bit of four adds it, which
 * leaves no sign to extend, and the panel's zero point takes it off. */
enum { HALF_ZP = 8 };
TL_INLINE __m128i row16_of_halves(const int8_t *p, int64_t left)
{
    __m128i x = left >= 8 ? load8(p) : load_some(p, (int32_t)left), low = _mm_set1_epi8(15);
    x = _mm_xor_si128(x, _mm_set1_epi8(-0x78)); /* 0x88 */
    return _mm_unpacklo_epi8(_mm_and_si128(x, low), _mm_and_si128(_mm_srli_epi16(x, 4), low));
}

/* Eight rows of b[n,k], of bytes or of halves, from `first` on as a panel; those beyond n repeat the last.  The pair of an
 * odd k ends with what lies there, which a zero of a takes off. */
TL_INLINE void panel_of_rows(v8 *panel, const int8_t *b, int32_t n, int32_t k, int32_t first, int32_t zp, int halved)
{
    int32_t pairs = (k + 1) / 2;
    int64_t at[8], row = halved ? pairs : k, size = n * row;
    v8 zero = _mm256_set1_epi16((int16_t)zp);
    for (int32_t i = 0; i < 8; i++)
        at[i] = (first + i < n ? first + i : n - 1) * row;
    for (int32_t j = 0; j < pairs; j += 8) {
        __m128i r[8], s[8], q[8];
        for (int32_t i = 0; i < 8; i++)
            r[i] = halved ? row16_of_halves(b + at[i] + j, size - at[i] - j)
                          : row16(b + at[i] + 2 * j, size - at[i] - 2 * j);
        for (int32_t i = 0; i < 8; i += 2) {
            s[i] = _mm_unpacklo_epi16(r[i], r[i + 1]);
            s[i + 1] = _mm_unpackhi_epi16(r[i], r[i + 1]);
        }
        for (int32_t h = 0; h < 2; h++) {
            __m128i low = _mm_unpacklo_epi32(s[h], s[h + 2]), high = _mm_unpackhi_epi32(s[h], s[h + 2]);
            __m128i low2 = _mm_unpacklo_epi32(s[h + 4], s[h + 6]), high2 = _mm_unpackhi_epi32(s[h + 4], s[h + 6]);
            q[4 * h] = _mm_unpacklo_epi64(low, low2);
            q[4 * h + 1] = _mm_unpackhi_epi64(low, low2);
            q[4 * h + 2] = _mm_unpacklo_epi64(high, high2);
            q[4 * h + 3] = _mm_unpackhi_epi64(high, high2);
        }
        int32_t count = pairs - j < 8 ? pairs - j : 8;
        for (int32_t i = 0; i < count; i++)
            panel[j + i] = _mm256_sub_epi16(_mm256_cvtepi8_epi16(q[i]), zero);
    }
}

static void pack_rows(v8 *panel, const int8_t *b, int32_t n, int32_t k, int32_t first, int32_t zp)
{
    panel_of_rows(panel, b, n, k, first, zp, 0);
}
static void pack_halves(v8 *panel, const int8_t *b, int32_t n, int32_t k, int32_t first, int32_t zp)
{
    panel_of_rows(panel, b, n, k, first, zp, 1);
}

/* Eight columns of b[k,n] from `first` on. */
static void pack_columns(v8 *panel, const int8_t *b, int32_t n, int32_t k, int32_t first, int32_t zp)
{
    v8 zero = _mm256_set1_epi16((int16_t)zp);
    int32_t width = n - first < 8 ? n - first : 8;
    for (int32_t j = 0; j < k; j += 2) {
        const int8_t *p = b + (int64_t)j * n + first;
        __m128i even, odd = _mm_setzero_si128();
        if (width == 8) {
            even = load8(p);
            odd = j + 1 < k ? load8(p + n) : odd;
        } else {
            even = load_some(p, width);
            odd = j + 1 < k ? load_some(p + n, width) : odd;
        }
        panel[j / 2] = _mm256_sub_epi16(_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(even, odd)), zero);
    }
}

/* to = from - zp of rows of k bytes, each padded with a zero to an even number */
static void widen(int16_t *to, const int8_t *from, int32_t rows, int32_t k, int32_t zp)
{
    v8 zero = _mm256_set1_epi16((int16_t)zp);
    int32_t width = k;
    if (k % 2 == 0) { /* as one row */
        width = rows * k;
        rows = 1;
    }
    for (; rows > 0; rows--, to += k % 2, from += width, to += width) {
        int32_t i = 0;
        for (; i + 16 <= width; i += 16)
            store(to + i, _mm256_sub_epi16(_mm256_cvtepi8_epi16(load16(from + i)), zero));
        for (; i < width; i++)
            to[i] = (int16_t)(from[i] - zp);
        if (k % 2)
            to[width] = 0;
    }
}

TL_INLINE v8 constants(const int32_t *p, int32_t step, int32_t first, int32_t n)
{
    if (!step)
        return all(*p);
    if (n - first >= 8)
        return load(p + first);
    int32_t some[8] ALIGNED;
    for (int32_t i = 0; i < 8; i++)
        some[i] = p[first + i < n ? first + i : n - 1];
    return load(some);
}
TL_INLINE v8 byte_constants(const int8_t *p, int32_t step, int32_t first, int32_t n)
{
    if (!step)
        return all(*p);
    return _mm256_cvtepi8_epi32(n - first >= 8 ? load8(p + first) : load_some(p + first, n - first));
}

/* Bias and rescaling of the columns of `panels` panels from `first` on; those beyond n repeat the last */
TL_INLINE void panel_constants(v8 *bias, rescale8 *r, const finish *f, int32_t first, int32_t n, int panels)
{
    for (int p = 0; p < panels; p++) {
        int32_t at = first + 8 * p < n ? first + 8 * p : n - 1;
        bias[p] = f->bias ? constants(f->bias, f->bias_step, at, n) : _mm256_setzero_si256();
        r[p] = rescale_of(constants(f->mult, f->mult_step, at, n), byte_constants(f->shift, f->mult_step, at, n));
    }
}

/* `rows` rows by `panels` panels, both known where this is inlined */
TL_INLINE void tile(uint8_t *y, const uint8_t *end, int64_t y_row, const int16_t *a, int32_t a_row, const v8 *b,
                    int32_t pairs, const v8 *bias, const rescale8 *r, const right8 *right, v8 zp, int rows, int panels,
                    int wide)
{
    v8 acc[4][2];
    for (int i = 0; i < rows; i++)
        for (int p = 0; p < panels; p++)
            acc[i][p] = bias[p];
    const v8 *second = b + pairs, *last = b + pairs;
    for (intptr_t row = a_row; b != last; a += 2, b++, second++)
        for (int i = 0; i < rows; i++) {
            int32_t pair;
            memcpy(&pair, a + i * row, 4);
            v8 x = all(pair);
            acc[i][0] = MADD(acc[i][0], x, *b);
            if (panels > 1)
                acc[i][1] = MADD(acc[i][1], x, *second);
        }
    for (int i = 0; i < rows; i++, y += y_row) {
        for (int p = 0; p < panels; p++)
            acc[i][p] = r ? add(mbqm(acc[i][p], r + p), zp) : rescale_right(acc[i][p], right + p);
        int32_t size = 8 * panels * (1 + wide);
        int64_t room = end - y < y_row ? end - y : y_row; /* where columns are few, the next row writes over the rest */
        if (wide) {
            v8 x = narrow16(acc[i][0], acc[i][panels - 1]);
            if (panels == 2 && end - y >= size)
                store(y, x);
            else if (panels == 1 && end - y >= size)
                _mm_storeu_si128((__m128i *)y, _mm256_castsi256_si128(x));
            else {
                int8_t bytes[32];
                store(bytes, x);
                memcpy(y, bytes, (size_t)room);
            }
        } else if (panels == 2) {
            __m128i x = narrow8(acc[i][0], acc[i][1]);
            if (end - y >= size)
                _mm_storeu_si128((__m128i *)y, x);
            else
                store_some(y, x, (int32_t)room);
        } else {
            __m128i x = narrow8_one(acc[i][0]);
            if (end - y >= size)
                _mm_storel_epi64((__m128i *)y, x);
            else
                store_some(y, x, (int32_t)room);
        }
    }
}

/* rows of y[m,n] from column `first` on */
TL_INLINE void columns(void *out, const int16_t *a, const v8 *b, int32_t m, int32_t n, int32_t pairs, int32_t first,
                       const finish *f, int panels, int wide)
{
    int64_t y_row = (int64_t)n * (1 + wide);
    uint8_t *y = (uint8_t *)out + first * (1 + wide);
    const uint8_t *end = (const uint8_t *)out + m * y_row;
    v8 bias[2], zp = all(f->zp);
    rescale8 r[2];
    panel_constants(bias, r, f, first, n, panels);
#define TILES(r)                                                                                            \
    for (; m >= 4; m -= 4, a += 8 * pairs, y += 4 * y_row)                                                  \
        tile(y, end, y_row, a, 2 * pairs, b, pairs, bias, r, right, zp, 4, panels, wide);                   \
    if (m == 3)                                                                                             \
        tile(y, end, y_row, a, 2 * pairs, b, pairs, bias, r, right, zp, 3, panels, wide);                   \
    else if (m == 2)                                                                                        \
        tile(y, end, y_row, a, 2 * pairs, b, pairs, bias, r, right, zp, 2, panels, wide);                   \
    else if (m == 1)                                                                                        \
        tile(y, end, y_row, a, 2 * pairs, b, pairs, bias, r, right, zp, 1, panels, wide)
    if (goes_right(r) && goes_right(r + panels - 1)) {
        right8 right[2] = {right_of(r, f->zp), right_of(r + panels - 1, f->zp)};
        TILES(((const rescale8 *)0));
    } else {
        const right8 *right = 0;
        TILES(r);
    }
#undef TILES
}

static void columns_s8(void *y, const int16_t *a, const v8 *b, int32_t m, int32_t n, int32_t pairs, int32_t first,
                       int32_t panels, const finish *f)
{
    if (panels == 2)
        columns(y, a, b, m, n, pairs, first, f, 2, 0);
    else
        columns(y, a, b, m, n, pairs, first, f, 1, 0);
}
static void columns_s16(void *y, const int16_t *a, const v8 *b, int32_t m, int32_t n, int32_t pairs, int32_t first,
                        int32_t panels, const finish *f)
{
    if (panels == 2)
        columns(y, a, b, m, n, pairs, first, f, 2, 1);
    else
        columns(y, a, b, m, n, pairs, first, f, 1, 1);
}

typedef void packing(v8 *panel, const int8_t *b, int32_t n, int32_t k, int32_t first, int32_t zp);

/* y[m,n] of rows a by all of b, a block of columns at a time; `wide`: 16-bit outputs */
static void product(void *y, const int16_t *a, const int8_t *b, int32_t m, int32_t n, int32_t k, int32_t b_zp,
                    packing *pack, const finish *f, int wide)
{
    v8 panel[2 * PANEL_PAIRS];
    int32_t pairs = (k + 1) / 2;
    for (int32_t at = 0, first, panels; at < n;) {
        at = block(at, n, &first, &panels);
        for (int32_t p = 0; p < panels; p++)
            pack(panel + p * pairs, b, n, k, first + 8 * p < n ? first + 8 * p : n - 1, b_zp);
        (wide ? columns_s16 : columns_s8)(y, a, panel, m, n, pairs, first, panels, f);
    }
}

/* The same of int8 rows, as many at a time as there is room for */
static void product_of_bytes(int8_t *y, const int8_t *a, const int8_t *b, int32_t m, int32_t n, int32_t k, int32_t a_zp,
                             int32_t b_zp, packing *pack, const finish *f, int wide)
{
    int16_t rows[ROOM] ALIGNED;
    int32_t most = ROOM / (2 * ((k + 1) / 2));
    most = most > 4 ? most & ~3 : most;
    for (int32_t some; m > 0; m -= some, a += (int64_t)some * k, y += (int64_t)some * n * (1 + wide)) {
        some = m < most ? m : most;
        widen(rows, a, some, k, a_zp);
        product(y, rows, b, some, n, k, b_zp, pack, f, wide);
    }
}

TL_INLINE void linear(const tl_arg *a, const finish *f, void (*portable)(const tl_arg *a), int32_t w_zp, packing *pack,
                      int wide)
{
    int32_t t = a[6].i, n = a[7].i, k = a[8].i;
    if (k > 2 * PANEL_PAIRS)
        portable(a);
    else
        product_of_bytes(a[0].p, a[1].c, a[2].c, t, n, k, 0, w_zp, pack, f, wide);
}

static void linear_s8(const tl_arg *a)
{
    finish f = {a[3].c, a[4].c, a[5].c, a[10].i, a[11].i, a[9].i};
    linear(a, &f, tl_step_linear_s8, 0, pack_rows, 0);
}
#define TL_FAST_linear_s8 ~, linear_s8

static void linear_s8_s16(const tl_arg *a)
{
    finish f = {a[3].c, a[4].c, a[5].c, a[9].i, a[10].i, 0};
    linear(a, &f, tl_step_linear_s8_s16, 0, pack_rows, 1);
}
#define TL_FAST_linear_s8_s16 ~, linear_s8_s16

static void linear_w4_s8(const tl_arg *a)
{
    finish f = {a[3].c, a[4].c, a[5].c, a[11].i, a[12].i, a[10].i};
    linear(a, &f, tl_step_linear_w4_s8, HALF_ZP, pack_halves, 0);
}
#define TL_FAST_linear_w4_s8 ~, linear_w4_s8

static void linear_w4_s16(const tl_arg *a)
{
    finish f = {a[3].c, a[4].c, a[5].c, a[10].i, a[11].i, 0};
    linear(a, &f, tl_step_linear_w4_s16, HALF_ZP, pack_halves, 1);
}
#define TL_FAST_linear_w4_s16 ~, linear_w4_s16

static void matmul_s8(const tl_arg *a)
{
    int32_t m = a[4].i, n = a[5].i, k = a[6].i, b_n = a[10].i, b_k = a[11].i;
    int8_t shift = (int8_t)a[13].i;
    finish f = {0, &a[12].i, &shift, 0, 0, a[9].i};
    if (k > 2 * PANEL_PAIRS || !((b_k == 1 && b_n == k) || (b_n == 1 && b_k == n)))
        tl_step_matmul_s8(a);
    else
        product_of_bytes(a[0].p, a[1].c, a[2].c, m, n, k, a[7].i, a[8].i, b_k == 1 && b_n == k ? pack_rows : pack_columns,
                         &f, 0);
}
#define TL_FAST_matmul_s8 ~, matmul_s8

/* A linear layer of the rows that the taps see: k d columns */
static void conv1d_s8(const tl_arg *arg)
{
    int8_t *y = arg[0].p;
    const int8_t *x = arg[1].c;
    int32_t t = arg[6].i, n = arg[7].i, d = arg[8].i, k = arg[9].i, t_in = arg[10].i, stride = arg[11].i;
    int32_t pad_left = arg[12].i, x_zp = arg[13].i, size = k * d, even = (size + 1) & ~1;
    finish f = {arg[3].c, arg[4].c, arg[5].c, arg[15].i, arg[16].i, arg[14].i};
    int16_t rows[ROOM] ALIGNED;
    if ((int64_t)k * d > 2 * PANEL_PAIRS) {
        tl_step_conv1d_s8(arg);
        return;
    }
    int32_t most = ROOM / even;
    most = most > 4 ? most & ~3 : most;
    for (int32_t start = 0; start < t; start += most) {
        int32_t some = t - start < most ? t - start : most;
        for (int32_t i = 0; i < some; i++) {
            int16_t *to = rows + i * even;
            for (int32_t j = 0; j < k; j++, to += d) {
                int32_t row = (start + i) * stride + j - pad_left;
                int inside = row >= 0 && row < t_in;
                for (int32_t c = 0; c < d; c++)
                    to[c] = inside ? x[row * d + c] : (int16_t)x_zp;
            }
            if (size < even)
                *to = 0;
        }
        product(y + (int64_t)start * n, rows, arg[2].c, some, n, size, 0, pack_rows, &f, 0);
    }
}
#define TL_FAST_conv1d_s8 ~, conv1d_s8
