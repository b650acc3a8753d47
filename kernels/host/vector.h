/* Eight 32-bit lanes: rescaling, rows of int8, stores of a part. */
#include <string.h>

#include "step.h"

TL_OPS(TL_DECLARE)

typedef __m256i v8;

#define ALIGNED __attribute__((aligned(32)))

TL_INLINE v8 all(int32_t x) { return _mm256_set1_epi32(x); }
TL_INLINE v8 add(v8 a, v8 b) { return _mm256_add_epi32(a, b); }
TL_INLINE v8 sub(v8 a, v8 b) { return _mm256_sub_epi32(a, b); }
TL_INLINE v8 load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
TL_INLINE void store(void *p, v8 x) { _mm256_storeu_si256((__m256i *)p, x); }
TL_INLINE __m128i load16(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
TL_INLINE __m128i load8(const void *p) { return _mm_loadl_epi64((const __m128i *)p); }

/* The first n <= 16 bytes at p, zeros after them */
TL_INLINE __m128i load_some(const void *p, int32_t n)
{
    int8_t bytes[16] = {0};
    memcpy(bytes, p, (size_t)n);
    return load16(bytes);
}
TL_INLINE void store_some(void *p, __m128i x, int32_t n)
{
    int8_t bytes[16];
    _mm_storeu_si128((__m128i *)bytes, x);
    memcpy(p, bytes, (size_t)n);
}

/* What MBQM needs of each lane's multiplier and shift */
typedef struct {
    v8 mult, odd, left, right, mask, half;
} rescale8;

TL_INLINE rescale8 rescale_of(v8 mult, v8 shift)
{
    rescale8 r;
    r.mult = mult;
    r.odd = _mm256_srli_epi64(mult, 32);
    r.left = _mm256_max_epi32(shift, _mm256_setzero_si256());
    r.right = sub(r.left, shift);
    r.mask = sub(_mm256_sllv_epi32(all(1), r.right), all(1));
    r.half = _mm256_srli_epi32(r.mask, 1);
    return r;
}

/* MBQM of each lane for mult >= 0: 64-bit products, even lanes and odd ones, with fixed.h's two roundings as they are.  The
 * sum p of SRDHM fits 63 bits, so that bits 31 to 62 of p + 2^30 are its result whatever shift brings them down. */
TL_INLINE v8 mbqm(v8 x, const rescale8 *r)
{
    v8 round = _mm256_set1_epi64x(1 << 30);
    x = _mm256_sllv_epi32(x, r->left);
    v8 even = _mm256_add_epi64(_mm256_mul_epi32(x, r->mult), round);
    v8 odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), r->odd), round);
    x = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
    v8 rest = _mm256_and_si256(x, r->mask), half = sub(r->half, _mm256_srai_epi32(x, 31));
    return sub(_mm256_srav_epi32(x, r->right), _mm256_cmpgt_epi32(rest, half));
}

/* The same, plus zp, for right shifts of 1 and more: less is 1 less than they are, offset 2 zp + 1.  RDBPOT(p, e) =
 * floor((floor((p - [p < 0]) / 2^(e-1)) + 1) / 2), and SRDHM by a multiplier below 2^31 never is -2^31.  Nothing overflows
 * for any x where the shift is at least 2, or |x| < 2^30. */
typedef struct {
    v8 mult, odd, less, offset;
} right8;

TL_INLINE right8 right_of(const rescale8 *r, int32_t zp)
{
    right8 s = {r->mult, r->odd, sub(r->right, all(1)), all(2 * zp + 1)};
    return s;
}

TL_INLINE v8 rescale_right(v8 x, const right8 *r)
{
    v8 round = _mm256_set1_epi64x(1 << 30);
    v8 even = _mm256_add_epi64(_mm256_mul_epi32(x, r->mult), round);
    v8 odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), r->odd), round);
    x = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
    x = _mm256_srav_epi32(add(x, _mm256_srai_epi32(x, 31)), r->less);
    return _mm256_srai_epi32(add(x, r->offset), 1);
}

/* Whether that serves any x */
TL_INLINE int goes_right(const rescale8 *r) { return !_mm256_movemask_epi8(_mm256_cmpgt_epi32(all(2), r->right)); }

/* floor(a b / 2^32) and floor(a b / 2^16) modulo 2^32 of signed lanes */
TL_INLINE v8 mul_high(v8 a, v8 b)
{
    v8 even = _mm256_mul_epi32(a, b), odd = _mm256_mul_epi32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
}
TL_INLINE v8 mul_middle(v8 a, v8 b)
{
    v8 even = _mm256_mul_epi32(a, b), odd = _mm256_mul_epi32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 16), _mm256_slli_epi64(odd, 16), 0xaa);
}

/* sat16 of 16 lanes, in order; sat8 of 16 and of 8 lanes, in order */
TL_INLINE v8 narrow16(v8 a, v8 b) { return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8); }
TL_INLINE __m128i halves(v8 x) { return _mm_packs_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)); }
TL_INLINE __m128i narrow8(v8 a, v8 b) { return halves(narrow16(a, b)); }
TL_INLINE __m128i narrow8_one(v8 a)
{
    __m128i x = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    return _mm_packs_epi16(x, x);
}

/* The sum of the lanes */
TL_INLINE int32_t total_of(v8 x)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}
