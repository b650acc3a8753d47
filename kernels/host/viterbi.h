/* The decoder, eight labels at a time, in the saturating 16 bits of its specification. */

TL_INLINE int32_t greatest_of(__m128i m)
{
    m = _mm_max_epi16(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi16(m, _mm_shuffle_epi32(m, 0xb1));
    m = _mm_max_epi16(m, _mm_srli_epi32(m, 16));
    return (int16_t)_mm_cvtsi128_si32(m);
}
TL_INLINE int32_t least_of(__m128i m) /* of none below 0 */
{
    return _mm_cvtsi128_si32(_mm_minpos_epu16(m)) & 0xffff;
}

static void viterbi_s16(const tl_arg *a)
{
    enum { MOST = 256 };
    uint8_t *y = a[0].p;
    const int16_t *x = a[1].c, *trans = a[2].c, *end = a[3].c;
    int16_t *scores = a[4].p, best[MOST] ALIGNED;
    int32_t t = a[6].i, c = a[7].i;
    __m128i none = _mm_set1_epi16(-32768), lanes = _mm_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7);
    if (c < 8 || c > MOST) {
        tl_step_viterbi_s16(a);
        return;
    }
    for (; t > 0; t--, x += c) {
        __m128i top = none, high = none, label = _mm_setzero_si128();
        for (int32_t to = 0; to < c; to += 8) { /* the last eight overlap those before */
            int32_t first = to <= c - 8 ? to : c - 8;
            __m128i reached = none;
            const int16_t *p = trans + first;
            for (int32_t from = 0; from <= c; from++, p += c)
                reached = _mm_max_epi16(reached, _mm_adds_epi16(_mm_set1_epi16(scores[from]), load16(p)));
            reached = _mm_adds_epi16(reached, load16(x + first));
            _mm_storeu_si128((__m128i *)(best + first), reached);
            top = _mm_max_epi16(top, reached);
        }
        top = _mm_set1_epi16((int16_t)greatest_of(top));
        for (int32_t to = 0; to < c; to += 8) {
            int32_t first = to <= c - 8 ? to : c - 8;
            __m128i score = _mm_subs_epi16(load16(best + first), top), total = _mm_adds_epi16(score, load16(end + first));
            _mm_storeu_si128((__m128i *)(scores + first), score);
            __m128i higher = _mm_cmpgt_epi16(total, high); /* of equal ones in a lane the first stays */
            high = _mm_max_epi16(high, total);
            label = _mm_blendv_epi8(label, _mm_add_epi16(_mm_set1_epi16((int16_t)first), lanes), higher);
        }
        /* A lane whose totals are all the least score holds label 0: what the scalar loop says when no total is higher. */
        __m128i equal = _mm_cmpeq_epi16(high, _mm_set1_epi16((int16_t)greatest_of(high)));
        *y++ = (uint8_t)least_of(_mm_blendv_epi8(_mm_set1_epi16(0x7fff), label, equal));
        scores[c] = -32768;
    }
}
#define TL_FAST_viterbi_s16 ~, viterbi_s16
