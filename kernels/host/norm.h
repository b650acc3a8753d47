/* Layer and RMS norm: see ../c/norm.c for the arithmetic, which is the same. */

/* 2 r - 2^32 for r = 1 / sqrt(q) as there */
TL_INLINE int32_t rsqrt(uint64_t q, int32_t *h)
{
    int32_t s = __builtin_clzll(q) & ~1;
    *h = s / 2;
    uint64_t m = q << s >> 32, r = (uint32_t)(2641404887u - (uint32_t)(m * 1431655765u >> 32));
    for (int32_t i = 0; i < 4; i++) {
        uint32_t square = (uint32_t)(m * (r * r >> 32) >> 32);
        r = (uint32_t)(r * (uint32_t)((3u << 28) - square) >> 29);
    }
    return (int32_t)((uint32_t)r << 1);
}

/* sum and squares of a row less zp */
TL_INLINE uint32_t moments(const int8_t *x, int32_t n, int32_t zp, int32_t *sum)
{
    v8 total = _mm256_setzero_si256(), squares = total, one = _mm256_set1_epi16(1), zero = _mm256_set1_epi16((int16_t)zp);
    int32_t i = 0, s = 0, s2 = 0;
    for (; i + 16 <= n; i += 16) {
        v8 v = _mm256_sub_epi16(_mm256_cvtepi8_epi16(load16(x + i)), zero);
        total = add(total, _mm256_madd_epi16(v, one));
        squares = add(squares, _mm256_madd_epi16(v, v));
    }
    for (; i < n; i++) {
        int32_t v = x[i] - zp;
        s += v;
        s2 += v * v;
    }
    *sum = s + total_of(total);
    return (uint32_t)(s2 + total_of(squares));
}

/* Rows whose moments, then roots, then outputs are taken together: a root alone waits for one product after the other. */
enum { NORM_ROWS = 32 };
typedef struct {
    uint64_t q;
    int32_t sum, h, twice;
} norm_of;

TL_INLINE void norm_roots(norm_of *row, int32_t rows)
{
    for (; rows > 0; rows--, row++)
        row->twice = rsqrt(row->q, &row->h);
}

TL_INLINE void norm_row(int8_t *y, const int8_t *x, const int16_t *w, const int32_t *b, int32_t n, int32_t d,
                        const norm_of *row, const rescale8 *r, int32_t y_zp, int biased)
{
    v8 twice = all(row->twice), gain = all(tl_shl(d, row->h - 1)), start = all(tl_shl(-row->sum, row->h - 1));
    v8 zp = all(y_zp);
    for (int32_t i = 0; i < n; i += 8) {
        int32_t left = n - i;
        __m128i codes, weights;
        v8 bias = _mm256_setzero_si256();
        if (left >= 8) {
            codes = load8(x + i);
            weights = load16(w + i);
            if (biased)
                bias = load(b + i);
        } else {
            int32_t some[8] = {0};
            codes = load_some(x + i, left);
            weights = load_some(w + i, 2 * left);
            if (biased)
                memcpy(some, b + i, 4 * (size_t)left);
            bias = load(some);
        }
        v8 v = add(_mm256_mullo_epi32(gain, _mm256_cvtepi8_epi32(codes)), start);
        v = add(v, mul_high(v, twice));
        v = add(mbqm(add(bias, mul_middle(v, _mm256_cvtepi16_epi32(weights))), r), zp);
        __m128i made = narrow8_one(v);
        if (left >= 8)
            _mm_storel_epi64((__m128i *)(y + i), made);
        else
            store_some(y + i, made, left);
    }
}

static void layer_norm_s8(const tl_arg *a)
{
    int8_t *y = a[0].p;
    const int8_t *x = a[1].c;
    int32_t t = a[4].i, d = a[5].i;
    rescale8 r = rescale_by(a[8].i, a[9].i);
    norm_of of[NORM_ROWS];
    for (int32_t rows; t > 0; t -= rows) {
        rows = t < NORM_ROWS ? t : NORM_ROWS;
        for (int32_t i = 0; i < rows; i++) {
            uint64_t squares = moments(x + i * d, d, 0, &of[i].sum);
            uint64_t spread = (uint64_t)d * squares - (uint64_t)((int64_t)of[i].sum * of[i].sum);
            of[i].q = (uint64_t)d * spread + (uint32_t)a[6].i;
        }
        norm_roots(of, rows);
        for (int32_t i = 0; i < rows; i++, x += d, y += d)
            norm_row(y, x, a[2].c, a[3].c, d, d, of + i, &r, a[7].i, 1);
    }
}
#define TL_FAST_layer_norm_s8 ~, layer_norm_s8

static void rms_norm_s8(const tl_arg *a)
{
    int8_t *y = a[0].p;
    const int8_t *x = a[1].c;
    int32_t t = a[3].i, d = a[4].i, x_zp = a[5].i, unused;
    rescale8 r = rescale_by(a[7].i, a[8].i);
    norm_of of[NORM_ROWS];
    for (int32_t rows; t > 0; t -= rows) {
        rows = t < NORM_ROWS ? t : NORM_ROWS;
        for (int32_t i = 0; i < rows; i++) {
            of[i].q = (uint64_t)moments(x + i * d, d, x_zp, &unused) + (uint32_t)a[6].i;
            of[i].sum = x_zp;
        }
        norm_roots(of, rows);
        for (int32_t i = 0; i < rows; i++, x += d, y += d)
            norm_row(y, x, a[2].c, 0, d, 1, of + i, &r, 0, 0);
    }
}
#define TL_FAST_rms_norm_s8 ~, rms_norm_s8
