/* Selective scan, 16 states at a time: see ../c/scan.c for the arithmetic, which is the same.
 *
 * Sixteen states in one vector of 16-bit lanes are unpacked into two of 32 bits, `low` (0-3, 8-11) and `high` (4-7, 12-15),
 * whose upper halves are zero: what VPMADDWD and VPMULHUW want, and the order in which VPACKSSDW puts them together again. */

enum { SCAN_CHANNELS = 64, SCAN_STATES = 64 }; /* a block of channels, and the most states that there is room for */

/* floor(a h / 2^16) of a 32-bit a and the 16-bit h in the lower half of each lane: the upper half of a times h, and the
 * lower, unsigned; VPMULHUW takes a negative h for h + 2^16. */
TL_INLINE v8 scaled(v8 a, v8 h)
{
    v8 upper = _mm256_madd_epi16(_mm256_srai_epi32(a, 16), h);
    v8 excess = _mm256_and_si256(a, _mm256_srai_epi32(_mm256_slli_epi32(h, 16), 31));
    return add(upper, sub(_mm256_mulhi_epu16(a, h), _mm256_and_si256(excess, all(0xffff))));
}

/* start + floor(slope f / 2^16) at a fraction f of 32 bits, given as its halves: 2^(-f / 2^32) in Q31.  The slope is negative,
 * where VPMULHUW takes it for slope + 2^16. */
TL_INLINE v8 on_line(v8 start, v8 slope, v8 upper, v8 lower)
{
    slope = _mm256_and_si256(slope, all(0xffff));
    return add(start, add(_mm256_madd_epi16(upper, slope), sub(_mm256_mulhi_epu16(lower, slope), lower)));
}

/* The same, which looks up its lines */
TL_INLINE v8 line_at(v8 upper, v8 lower)
{
    v8 index = _mm256_permute4x64_epi64(_mm256_srli_epi32(upper, 9), 0xd8);
    v8 a = _mm256_i32gather_epi64((const void *)tl_scan_lines, _mm256_castsi256_si128(index), 8);
    v8 b = _mm256_i32gather_epi64((const void *)tl_scan_lines, _mm256_extracti128_si256(index, 1), 8);
    v8 start = _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88));
    v8 slope = _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0xdd));
    return on_line(start, slope, upper, lower);
}

/* u = s rate / 2^32, s < 2^28 and rate < 2^8: floor(u 2^16), into which no carry comes from below, the 16 bits below, and
 * the numbers of the lines. */
TL_INLINE void exponents(v8 *u, v8 *below, uint32_t *at, v8 s, v8 rate)
{
    v8 whole = add(_mm256_madd_epi16(_mm256_srli_epi32(s, 16), rate), _mm256_mulhi_epu16(s, rate));
    *u = whole;
    *below = _mm256_mullo_epi16(s, rate);
    _mm256_store_si256((v8 *)at, _mm256_and_si256(_mm256_srli_epi32(whole, 9), all(127)));
}

/* The state after a step: h in the lower halves, b the pairs (b 2^b_shift, 1), g the pairs (g, 2^14) */
TL_INLINE v8 advance(v8 d, v8 h, v8 g, v8 b)
{
    return _mm256_srai_epi32(add(_mm256_madd_epi16(g, b), scaled(d, h)), 15);
}

/* What the two ops share; of powers a has one rate a channel, and a_scale is 0. */
typedef struct {
    int8_t *y;
    const int8_t *x;
    const uint16_t *dt;
    const int8_t *b, *c;
    const void *a;
    const int16_t *a_scale, *d_skip;
    const int8_t *h_exp;
    int16_t *h;
    int32_t t, e, n, x_zp, y_zp, a_shift, g_mult, g_shift, b_shift, d_shift, y_mult, y_shift;
} scan_of;

/* The pairs (g, 2^14) of eight channels */
TL_INLINE v8 drive_of(v8 delta, v8 v, const rescale8 *r)
{
    v8 g = mbqm(_mm256_mullo_epi32(delta, v), r);
    g = _mm256_min_epi32(_mm256_max_epi32(g, all(-32768)), all(32767));
    return _mm256_or_si256(_mm256_and_si256(g, all(0xffff)), all(16384 << 16));
}

/* n16: n, up to a multiple of 16; where it is known the loops over states are unrolled. */
TL_INLINE void scan(const scan_of *s, int32_t n16)
{
    enum { CHANNELS = SCAN_CHANNELS };
    int32_t e = s->e, n = s->n;
    int16_t states[CHANNELS * SCAN_STATES] ALIGNED, c_row[SCAN_STATES] ALIGNED;
    uint8_t rates[CHANNELS * SCAN_STATES] ALIGNED;
    int32_t scale[SCAN_STATES] ALIGNED, g[CHANNELS] ALIGNED, sum[CHANNELS] ALIGNED;
    v8 pair[2 * SCAN_STATES / 16], zero = _mm256_setzero_si256();
    memset(scale, 0, sizeof scale);
    memset(c_row, 0, sizeof c_row);
    for (int32_t k = 0; k < n; k++)
        scale[k] = s->a_scale[k];
    for (int32_t first = 0; first < e; first += CHANNELS) {
        int32_t width = e - first < CHANNELS ? e - first : CHANNELS;
        const int8_t *b = s->b, *c = s->c;
        if (n < n16) {
            memset(states, 0, sizeof states);
            memset(rates, 0, sizeof rates);
        }
        for (int32_t j = 0; j < width; j++) {
            memcpy(states + j * n16, s->h + (first + j) * n, 2 * (size_t)n);
            memcpy(rates + j * n16, (const uint8_t *)s->a + (first + j) * n, (size_t)n);
        }
        for (int32_t i = 0; i < s->t; i++, b += n, c += n) {
            const int8_t *x = s->x + i * e + first;
            const uint16_t *dt = s->dt + i * e + first;
            for (int32_t k = 0; k < n16; k += 16) {
                int32_t left = n - k;
                v8 v = _mm256_cvtepi8_epi16(left >= 16 ? load16(b + k) : load_some(b + k, left));
                v = _mm256_sll_epi16(v, _mm_cvtsi32_si128(s->b_shift));
                pair[k / 8] = _mm256_unpacklo_epi16(v, _mm256_set1_epi16(1));
                pair[k / 8 + 1] = _mm256_unpackhi_epi16(v, _mm256_set1_epi16(1));
                _mm256_store_si256((v8 *)(c_row + k), _mm256_cvtepi8_epi16(left >= 16 ? load16(c + k) : load_some(c + k, left)));
            }
            /* g, and the part of the output that skips the state, of eight channels at a time */
            for (int32_t j = 0; j < width; j += 8) {
                int32_t left = width - j;
                int whole = left >= 8;
                v8 delta = _mm256_cvtepu16_epi32(whole ? load16(dt + j) : load_some(dt + j, 2 * left));
                v8 v = sub(_mm256_cvtepi8_epi32(whole ? load8(x + j) : load_some(x + j, left)), all(s->x_zp));
                const int8_t *p = s->h_exp + first + j;
                const int16_t *skip = s->d_skip + first + j;
                v8 exponent = _mm256_cvtepi8_epi32(whole ? load8(p) : load_some(p, left));
                v8 by = _mm256_cvtepi16_epi32(whole ? load16(skip) : load_some(skip, 2 * left));
                rescale8 r = rescale_of(all(s->g_mult), sub(all(s->g_shift), exponent));
                v8 drive = drive_of(delta, v, &r);
                _mm256_store_si256((v8 *)(g + j), drive);
                v = _mm256_sll_epi32(_mm256_mullo_epi32(by, v), _mm_cvtsi32_si128(s->d_shift));
                _mm256_store_si256((v8 *)(sum + j), v);
            }
            for (int32_t j = 0; j < width; j += 8) {
                /* In three passes of their own: one after the other, what a state waits for exceeds what the processor
                 * looks ahead. */
                int32_t channels = width - j < 8 ? width - j : 8, vectors = n16 / 8;
                v8 acc[8], u[SCAN_STATES], d[SCAN_STATES];
                uint32_t line[8 * SCAN_STATES] ALIGNED;
                for (int32_t q = 0, i8 = 0; q < channels; q++) {
                    v8 delta = all(dt[j + q]);
                    for (int32_t k = 0; k < n16; k += 16, i8 += 2) {
                        const __m128i *p = (const __m128i *)(scale + k);
                        v8 rate = _mm256_cvtepu8_epi16(_mm_load_si128((const __m128i *)(rates + (j + q) * n16 + k)));
                        v8 low = _mm256_inserti128_si256(_mm256_castsi128_si256(p[0]), p[2], 1);
                        v8 high = _mm256_inserti128_si256(_mm256_castsi128_si256(p[1]), p[3], 1);
                        low = _mm256_srli_epi32(_mm256_mullo_epi32(delta, low), 3);
                        high = _mm256_srli_epi32(_mm256_mullo_epi32(delta, high), 3);
                        exponents(u + i8, d + i8, line + 8 * i8, low, _mm256_unpacklo_epi16(rate, zero));
                        exponents(u + i8 + 1, d + i8 + 1, line + 8 * i8 + 8, high, _mm256_unpackhi_epi16(rate, zero));
                    }
                }
                for (int32_t i8 = 0; i8 < channels * vectors; i8++) {
                    const uint32_t *eight = line + 8 * i8; /* eight loads are faster than VPGATHERDQ twice */
#define LINES(m, n) _mm_unpacklo_epi64(load8(tl_scan_lines + eight[m]), load8(tl_scan_lines + eight[n]))
                    __m256 one = _mm256_castsi256_ps(_mm256_set_m128i(LINES(4, 5), LINES(0, 1)));
                    __m256 two = _mm256_castsi256_ps(_mm256_set_m128i(LINES(6, 7), LINES(2, 3)));
                    v8 start = _mm256_castps_si256(_mm256_shuffle_ps(one, two, 0x88));
                    v8 slope = _mm256_castps_si256(_mm256_shuffle_ps(one, two, 0xdd));
                    d[i8] = _mm256_srlv_epi32(on_line(start, slope, _mm256_and_si256(u[i8], all(0xffff)), d[i8]),
                                              _mm256_srli_epi32(u[i8], 16));
                }
                for (int32_t q = 0, i8 = 0; q < 8; q++) {
                    v8 total = zero;
                    if (q >= channels) {
                        acc[q] = total;
                        continue;
                    }
                    v8 drive = all(g[j + q]);
                    int16_t *state = states + (j + q) * n16;
                    for (int32_t k = 0; k < n16; k += 16, i8 += 2) {
                        v8 h = _mm256_load_si256((v8 *)(state + k));
                        v8 low = advance(d[i8], _mm256_unpacklo_epi16(h, zero), drive, pair[k / 8]);
                        v8 high = advance(d[i8 + 1], _mm256_unpackhi_epi16(h, zero), drive, pair[k / 8 + 1]);
                        h = _mm256_packs_epi32(low, high);
                        _mm256_store_si256((v8 *)(state + k), h);
                        total = MADD(total, h, _mm256_load_si256((const v8 *)(c_row + k)));
                    }
                    acc[q] = total;
                }
                for (int32_t q = 0; q < 8; q += 2)
                    acc[q / 2] = _mm256_hadd_epi32(acc[q], acc[q + 1]);
                v8 first4 = _mm256_hadd_epi32(acc[0], acc[1]), last4 = _mm256_hadd_epi32(acc[2], acc[3]);
                v8 total = add(_mm256_permute2x128_si256(first4, last4, 0x20), _mm256_permute2x128_si256(first4, last4, 0x31));
                int32_t left = width - j;
                const int8_t *p = s->h_exp + first + j;
                v8 exponent = _mm256_cvtepi8_epi32(left >= 8 ? load8(p) : load_some(p, left));
                rescale8 r = rescale_of(all(s->y_mult), add(all(s->y_shift), exponent));
                total = add(mbqm(add(total, _mm256_load_si256((v8 *)(sum + j))), &r), all(s->y_zp));
                __m128i made = narrow8_one(total);
                int8_t *y = s->y + i * e + first + j;
                if (left >= 8)
                    _mm_storel_epi64((__m128i *)y, made);
                else
                    store_some(y, made, left);
            }
        }
        for (int32_t j = 0; j < width; j++)
            memcpy(s->h + (first + j) * n, states + j * n16, 2 * (size_t)n);
    }
}

/* Eight channels at a time, through all steps, where the decays are powers, each from the one before: h[k] holds state k of
 * the eight, in the lower halves of its lanes. */
static void scan_of_powers(const scan_of *s)
{
    int32_t e = s->e, n = s->n, pair[SCAN_STATES] ALIGNED, weight[SCAN_STATES] ALIGNED;
    v8 h[SCAN_STATES], half = all(0xffff);
    for (int32_t first = 0, left; first < e; first += 8) {
        const int8_t *b = s->b, *c = s->c;
        int16_t *states[8];
        left = e - first;
        for (int32_t q = 0; q < 8; q++) /* those beyond the last repeat it */
            states[q] = s->h + (int64_t)(q < left ? first + q : e - 1) * n;
        for (int32_t k = 0; k < n; k++) {
            uint16_t each[8];
            for (int32_t q = 0; q < 8; q++)
                each[q] = (uint16_t)states[q][k];
            h[k] = _mm256_cvtepu16_epi32(load16(each));
        }
        int whole = left >= 8;
        const uint16_t *rates = (const uint16_t *)s->a + first;
        const int16_t *skip = s->d_skip + first;
        v8 exponent = _mm256_cvtepi8_epi32(whole ? load8(s->h_exp + first) : load_some(s->h_exp + first, left));
        v8 rate = _mm256_cvtepu16_epi32(whole ? load16(rates) : load_some(rates, 2 * left));
        v8 by = _mm256_cvtepi16_epi32(whole ? load16(skip) : load_some(skip, 2 * left));
        rescale8 in = rescale_of(all(s->g_mult), sub(all(s->g_shift), exponent));
        rescale8 out = rescale_of(all(s->y_mult), add(all(s->y_shift), exponent));
        for (int32_t i = 0; i < s->t; i++, b += n, c += n) {
            const int8_t *x = s->x + i * e + first;
            const uint16_t *dt = s->dt + i * e + first;
            v8 delta = _mm256_cvtepu16_epi32(whole ? load16(dt) : load_some(dt, 2 * left));
            v8 v = sub(_mm256_cvtepi8_epi32(whole ? load8(x) : load_some(x, left)), all(s->x_zp));
            v8 g = drive_of(delta, v, &in);
            v8 acc = _mm256_sll_epi32(_mm256_mullo_epi32(by, v), _mm_cvtsi32_si128(s->d_shift));
            v8 u = _mm256_srl_epi32(_mm256_mullo_epi32(delta, rate), _mm_cvtsi32_si128(s->a_shift));
            v8 d = line_at(_mm256_and_si256(_mm256_srli_epi32(u, 12), half), _mm256_and_si256(_mm256_slli_epi32(u, 4), half));
            d = _mm256_srlv_epi32(d, _mm256_srli_epi32(u, 28));
            v8 twice = _mm256_slli_epi32(d, 1), odd_twice = _mm256_srli_epi64(twice, 32);
            for (int32_t k = 0; k < n; k += 8) {
                int32_t some = n - k;
                v8 b8 = _mm256_cvtepi8_epi32(some >= 8 ? load8(b + k) : load_some(b + k, some));
                v8 c8 = _mm256_cvtepi8_epi32(some >= 8 ? load8(c + k) : load_some(c + k, some));
                b8 = _mm256_and_si256(_mm256_sll_epi32(b8, _mm_cvtsi32_si128(s->b_shift)), half);
                _mm256_store_si256((v8 *)(pair + k), _mm256_or_si256(b8, all(1 << 16)));
                _mm256_store_si256((v8 *)(weight + k), _mm256_and_si256(c8, half));
            }
            for (int32_t k = 0; k < n; k++) {
                v8 next = advance(d, h[k], g, all(pair[k]));
                next = _mm256_and_si256(_mm256_min_epi32(_mm256_max_epi32(next, all(-32768)), all(32767)), half);
                h[k] = next;
                acc = MADD(acc, next, all(weight[k]));
                v8 odd = _mm256_mul_epu32(_mm256_srli_epi64(d, 32), odd_twice);
                d = _mm256_blend_epi32(_mm256_srli_epi64(_mm256_mul_epu32(d, twice), 32), odd, 0xaa);
            }
            __m128i made = narrow8_one(add(mbqm(acc, &out), all(s->y_zp)));
            int8_t *y = s->y + i * e + first;
            if (whole)
                _mm_storel_epi64((__m128i *)y, made);
            else
                store_some(y, made, left);
        }
        for (int32_t k = 0; k < n; k++) {
            int32_t each[8] ALIGNED;
            store(each, h[k]);
            for (int32_t q = 0; q < (whole ? 8 : left); q++)
                states[q][k] = (int16_t)each[q];
        }
    }
}

/* In the order of both specs: a_scale (of scan_s8 only) shifts what follows. */
static void scan_s8(const tl_arg *a)
{
    scan_of s = {a[0].p, a[1].c, a[2].c, a[3].c, a[4].c, a[5].c, a[6].c, a[7].c, a[8].c, a[9].p, a[11].i, a[12].i, a[13].i,
                 a[14].i, a[15].i, 0, a[16].i, a[17].i, a[18].i, a[19].i, a[20].i, a[21].i};
    if (s.n > SCAN_STATES)
        tl_step_scan_s8(a);
    else if (s.n == 16)
        scan(&s, 16);
    else
        scan(&s, (s.n + 15) & ~15);
}
#define TL_FAST_scan_s8 ~, scan_s8

static void scan_powers_s8(const tl_arg *a)
{
    scan_of s = {a[0].p, a[1].c, a[2].c, a[3].c, a[4].c, a[5].c, 0, a[6].c, a[7].c, a[8].p, a[10].i, a[11].i, a[12].i,
                 a[13].i, a[14].i, a[15].i, a[16].i, a[17].i, a[18].i, a[19].i, a[20].i, a[21].i};
    if (s.n > SCAN_STATES)
        tl_step_scan_powers_s8(a);
    else
        scan_of_powers(&s);
}
#define TL_FAST_scan_powers_s8 ~, scan_powers_s8
