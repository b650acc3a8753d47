/* Depthwise convolution: pairs of rows, of 16 channels at a time, by pairs of taps. */

static void depthwise_conv_s8(const tl_arg *arg)
{
    enum { BYTES = 16384, TAPS = 64 };
    int8_t *y = arg[0].p, *state = arg[6].p, rows[BYTES + 16], taps[BYTES + 16];
    const int8_t *x = arg[1].c;
    int32_t t = arg[7].i, d = arg[8].i, k = arg[9].i, past = k - 1, pairs = (k + 1) / 2;
    finish f = {arg[3].c, arg[4].c, arg[5].c, arg[11].i, arg[12].i, arg[10].i};
    if (k > TAPS || (int64_t)(k + 1) * d > BYTES) {
        tl_step_depthwise_conv_s8(arg);
        return;
    }
    memcpy(taps, arg[2].c, (size_t)(k * d));
    memset(taps + k * d, 0, (size_t)d); /* the second of the last pair, where k is odd */
    memcpy(rows, state, (size_t)(past * d));
    for (int32_t most = BYTES / d - past, some; t > 0; t -= some, x += some * d, y += some * d) {
        some = t < most ? t : most;
        memcpy(rows + past * d, x, (size_t)(some * d));
        const int8_t *end = y + some * d;
        for (int32_t at = 0, first, panels; at < d;) {
            v8 w[TAPS / 2][2], bias[2], zp = all(f.zp);
            rescale8 r[2];
            at = block(at, d, &first, &panels);
            for (int32_t j = 0; j < pairs; j++) {
                const int8_t *p = taps + 2 * j * d + first;
                __m128i one = load16(p), two = load16(p + d);
                w[j][0] = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(one, two));
                w[j][1] = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(one, two));
            }
            panel_constants(bias, r, &f, first, d, 2);
            int8_t *out = y + first;
            for (int32_t i = 0; i < some; i++, out += d) {
                v8 low = bias[0], high = bias[1];
                for (int32_t j = 0; j < pairs; j++) {
                    const int8_t *p = rows + (i + 2 * j) * d + first;
                    __m128i one = load16(p), two = load16(2 * j + 1 < k ? p + d : p);
                    low = MADD(low, _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(one, two)), w[j][0]);
                    high = MADD(high, _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(one, two)), w[j][1]);
                }
                __m128i made = narrow8(add(mbqm(low, r), zp), add(mbqm(high, r + 1), zp));
                int64_t left = end - out, room = left < d ? left : d; /* few channels: the next row writes over the rest */
                if (panels == 2 && left >= 16)
                    _mm_storeu_si128((__m128i *)out, made);
                else if (panels == 1 && left >= 8)
                    _mm_storel_epi64((__m128i *)out, made);
                else
                    store_some(out, made, (int32_t)room);
            }
        }
        memmove(rows, rows + some * d, (size_t)(past * d));
    }
    memcpy(state, rows, (size_t)(past * d));
}
#define TL_FAST_depthwise_conv_s8 ~, depthwise_conv_s8
