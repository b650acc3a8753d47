/* The decoder, eight labels at a time. */

static void viterbi_s16(const tl_arg *a)
{
    enum { MOST = 264 };
    uint8_t *y = a[0].p;
    const int16_t *x = a[1].c, *trans = a[2].c, *end = a[3].c;
    int32_t *scores = a[4].p, t = a[6].i, c = a[7].i, blocks = (c + 7) / 8, best[MOST] ALIGNED, last[MOST] ALIGNED;
    v8 none = all(INT32_MIN), lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    if (c < 8) {
        tl_step_viterbi_s16(a);
        return;
    }
    for (int32_t i = 0; i < blocks; i++) { /* what a path gains by its end */
        int32_t first = 8 * i <= c - 8 ? 8 * i : c - 8;
        store(last + first, _mm256_cvtepi16_epi32(load16(end + first)));
    }
    for (; t > 0; t--, x += c) {
        v8 top = none;
        for (int32_t i = 0; i < blocks; i++) { /* the last eight overlap those before */
            int32_t first = 8 * i <= c - 8 ? 8 * i : c - 8;
            v8 high = none;
            const int16_t *p = trans + first;
            for (int32_t from = 0; from <= c; from++, p += c)
                high = _mm256_max_epi32(high, add(all(scores[from]), _mm256_cvtepi16_epi32(load16(p))));
            high = add(high, _mm256_cvtepi16_epi32(load16(x + first)));
            store(best + first, high);
            top = _mm256_max_epi32(top, high);
        }
        __m128i m = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
        top = _mm256_broadcastd_epi32(m);
        v8 high = none, label = _mm256_setzero_si256();
        for (int32_t i = 0; i < blocks; i++) {
            int32_t first = 8 * i <= c - 8 ? 8 * i : c - 8;
            v8 score = sub(load(best + first), top), total = add(score, load(last + first));
            store(scores + first, score);
            v8 higher = _mm256_cmpgt_epi32(total, high); /* of equal ones in a lane the first stays */
            high = _mm256_max_epi32(high, total);
            label = _mm256_blendv_epi8(label, add(all(first), lanes), higher);
        }
        m = _mm_max_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
        label = _mm256_blendv_epi8(all(INT32_MAX), label, _mm256_cmpeq_epi32(high, _mm256_broadcastd_epi32(m)));
        m = _mm_min_epi32(_mm256_castsi256_si128(label), _mm256_extracti128_si256(label, 1));
        m = _mm_min_epi32(m, _mm_shuffle_epi32(m, 0x4e));
        m = _mm_min_epi32(m, _mm_shuffle_epi32(m, 0xb1));
        *y++ = (uint8_t)_mm_cvtsi128_si32(m);
        scores[c] = -(1 << 24);
    }
}
#define TL_FAST_viterbi_s16 ~, viterbi_s16
