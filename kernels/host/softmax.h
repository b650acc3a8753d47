/* Rows of softmax: see ../c/softmax.c for the arithmetic, which is the same. */

TL_INLINE int32_t one_over_one_plus(int32_t a)
{
    int32_t half = (a >> 1) + (1 << 30);
    int32_t x = 1515870810 + tl_srdhm(half, -1010580540);
    for (int32_t i = 0; i < 3; i++)
        x += tl_shl(tl_srdhm(x, (1 << 29) - tl_srdhm(half, x)), 2);
    return x >= 1 << 30 ? INT32_MAX : tl_shl(x, 1);
}

/* 127 less the greatest of n codes: the least of 127 - x as unsigned bytes */
TL_INLINE int32_t below_greatest(const int8_t *x, int32_t n)
{
    __m128i flip = _mm_set1_epi8(127), least = _mm_set1_epi8(-1);
    if (n < 16) {
        int8_t few[16];
        memset(few, -128, sizeof few);
        memcpy(few, x, (size_t)n);
        least = _mm_xor_si128(load16(few), flip);
    } else {
        for (int32_t i = 0; i + 16 <= n; i += 16)
            least = _mm_min_epu8(least, _mm_xor_si128(load16(x + i), flip));
        least = _mm_min_epu8(least, _mm_xor_si128(load16(x + n - 16), flip));
    }
    least = _mm_min_epu8(least, _mm_srli_epi16(least, 8));
    return _mm_cvtsi128_si32(_mm_minpos_epu16(_mm_and_si128(least, _mm_set1_epi16(255)))) & 0xff;
}

static void softmax(int8_t *y, const int8_t *x, const int32_t *table, int32_t t, int32_t n, int32_t size)
{
    int32_t e[512] ALIGNED; /* n <= 511 */
    v8 last = all(size - 1), lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), low = _mm256_set1_epi64x(1 << 30);
    for (; t > 0; t--, x += n, y += n) {
        v8 top = all(127 - below_greatest(x, n)), sum = _mm256_setzero_si256();
        for (int32_t i = 0; i < n; i += 8) {
            int32_t left = n - i;
            v8 d = sub(top, _mm256_cvtepi8_epi32(left >= 8 ? load8(x + i) : load_some(x + i, left)));
            if (left < 8)
                d = _mm256_and_si256(d, _mm256_cmpgt_epi32(all(left), lanes));
            v8 p = _mm256_i32gather_epi32(table, _mm256_min_epi32(d, last), 4);
            if (left < 8)
                p = _mm256_and_si256(p, _mm256_cmpgt_epi32(all(left), lanes));
            _mm256_store_si256((v8 *)(e + i), p);
            sum = add(sum, _mm256_srli_epi32(add(p, all(2048)), 12));
        }
        uint32_t total = (uint32_t)total_of(sum);
        int32_t room = __builtin_clz(total | 1), shift = 34 - room;
        v8 scale = all(one_over_one_plus((int32_t)((total << room) - 0x80000000u)));
        v8 half = all((int32_t)((uint32_t)1 << (shift - 1)));
        for (int32_t i = 0; i < n; i += 8) {
            v8 p = _mm256_load_si256((v8 *)(e + i));
            v8 even = _mm256_add_epi64(_mm256_mul_epu32(p, scale), low);
            v8 odd = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(p, 32), scale), low);
            p = add(_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa), half);
            p = sub(_mm256_min_epi32(_mm256_srl_epi32(p, _mm_cvtsi32_si128(shift)), all(255)), all(128));
            __m128i made = narrow8_one(p);
            if (n - i >= 8)
                _mm_storel_epi64((__m128i *)(y + i), made);
            else
                store_some(y + i, made, n - i);
        }
    }
}

static void softmax_s8(const tl_arg *a) { softmax(a[0].p, a[1].c, a[2].c, a[3].i, a[4].i, a[5].i); }
#define TL_FAST_softmax_s8 ~, softmax_s8
