#include "small.h"
#include "update.h"

/* Ed25519 (RFC 8032), verification alone: all that it computes with is public, so its time may depend on it.
 *
 * The field is that of the numbers modulo p = 2^255 - 19, eight words each, of any value below 2^256 = 38 (mod p); they are
 * brought below p where that matters (`reduce`).  Points are X, Y, Z, T with x = X / Z, y = Y / Z, x y = T / Z on
 * -x^2 + y^2 = 1 + d x^2 y^2 (Hisil, Wong, Carter, Dawson 2008, sections 3.1 and 3.3). */

typedef struct {
    uint32_t w[8];
} field;

typedef struct {
    field x, y, z, t;
} point;

static const field ZERO = {{0}}, ONE = {{1}};
static const field D = {{0x135978a3, 0x75eb4dca, 0x4141d8ab, 0x00700a4d, 0x7779e898, 0x8cc74079, 0x2b6ffe73, 0x52036cee}};
static const field D2 = {{0x26b2f159, 0xebd69b94, 0x8283b156, 0x00e0149a, 0xeef3d130, 0x198e80f2, 0x56dffce7, 0x2406d9dc}};
static const field ROOT = /* of -1 */
    {{0x4a0ea0b0, 0xc4ee1b27, 0xad2fe478, 0x2f431806, 0x3dfbd7a7, 0x2b4d0099, 0x4fc1df0b, 0x2b832480}};
static const point BASE = {
    {{0x8f25d51a, 0xc9562d60, 0x9525a7b2, 0x692cc760, 0xfdd6dc5c, 0xc0a4e231, 0xcd6e53fe, 0x216936d3}},
    {{0x66666658, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666}},
    {{1}},
    {{0xa5b7dda3, 0x6dde8ab3, 0x775152f5, 0x20f09f80, 0x64abe37d, 0x66ea4e8e, 0xd78b7665, 0x67875f0f}},
};
static const field ORDER = /* of BASE: 2^252 + 27742317777372353535851937790883648493 */
    {{0x5cf5d3ed, 0x5812631a, 0xa2f79cd6, 0x14def9de, 0x00000000, 0x00000000, 0x00000000, 0x10000000}};

/* ---- the field ---- */

/* r += 38 n, for n < 2^26, modulo p. */
TL_APART static void fold(field *r, uint32_t n)
{
    uint64_t t = (uint64_t)n * 38u;
    for (uint32_t i = 0; i < 8; i++, t >>= 32) {
        t += r->w[i];
        r->w[i] = (uint32_t)t;
    }
    r->w[0] += 38u * (uint32_t)t; /* where that carried, what is left lies below 38 n */
}

TL_SMALL static void add(field *r, const field *a, const field *b)
{
    uint64_t t = 0;
    for (uint32_t i = 0; i < 8; i++, t >>= 32) {
        t += (uint64_t)a->w[i] + b->w[i];
        r->w[i] = (uint32_t)t;
    }
    fold(r, (uint32_t)t);
}

/* r = a - b; 1 if that borrows from beyond the eighth word. */
TL_APART static uint32_t less(field *r, const field *a, const field *b)
{
    uint32_t borrow = 0;
    for (uint32_t i = 0; i < 8; i++) {
        uint64_t t = (uint64_t)a->w[i] - b->w[i] - borrow;
        r->w[i] = (uint32_t)t;
        borrow = (uint32_t)(t >> 32) & 1u;
    }
    return borrow;
}

TL_SMALL static void subtract(field *r, const field *a, const field *b)
{
    field some = {{0}};
    some.w[0] = 38u * less(r, a, b);
    r->w[0] -= 38u * less(r, r, &some); /* where that borrowed, r lies less than 38 below 2^256 */
}

TL_APART static void multiply(field *r, const field *a, const field *b)
{
    uint32_t product[16];
    uint64_t t = 0;
    for (uint32_t j = 0; j < 8; j++, t >>= 32) {
        t += (uint64_t)a->w[0] * b->w[j];
        product[j] = (uint32_t)t;
    }
    product[8] = (uint32_t)t;
    for (uint32_t i = 1; i < 8; i++) {
        t = 0;
        for (uint32_t j = 0; j < 8; j++, t >>= 32) { /* (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1 */
            t += (uint64_t)a->w[i] * b->w[j] + product[i + j];
            product[i + j] = (uint32_t)t;
        }
        product[i + 8] = (uint32_t)t;
    }
    t = 0;
    for (uint32_t i = 0; i < 8; i++, t >>= 32) {
        t += (uint64_t)product[i + 8] * 38u + product[i];
        r->w[i] = (uint32_t)t;
    }
    fold(r, (uint32_t)t);
}

/* r = a^(2^bits - 1 - zeros), whose bits are ones but for those of zeros; r is not a. */
TL_APART static void power(field *r, const field *a, uint32_t bits, uint32_t zeros)
{
    *r = ONE;
    while (bits--) {
        multiply(r, r, r);
        if (bits > 31 || !(zeros >> bits & 1u))
            multiply(r, r, a);
    }
}

/* The same number, below p. */
TL_SMALL static void reduce(field *r)
{
    field less_p;
    uint64_t t = 19u * (uint64_t)(r->w[7] >> 31);
    r->w[7] &= 0x7fffffffu;
    for (uint32_t i = 0; i < 8; i++, t >>= 32) { /* below 2^255 + 19 */
        t += r->w[i];
        r->w[i] = (uint32_t)t;
    }
    t = 19;
    for (uint32_t i = 0; i < 8; i++, t >>= 32) {
        t += r->w[i];
        less_p.w[i] = (uint32_t)t;
    }
    if (less_p.w[7] >> 31) { /* r + 19 >= 2^255 */
        less_p.w[7] &= 0x7fffffffu;
        *r = less_p;
    }
}

TL_SMALL static int32_t equal(const field *a, const field *b)
{
    field d;
    uint32_t any = 0;
    subtract(&d, a, b);
    reduce(&d);
    for (uint32_t i = 0; i < 8; i++)
        any |= d.w[i];
    return !any;
}

static void load(field *r, const uint8_t *p)
{
    for (uint32_t i = 0; i < 8; i++, p += 4)
        r->w[i] = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- the curve ---- */

TL_APART static void add_points(point *r, const point *p, const point *q)
{
    field a, b, c, d;
    subtract(&a, &p->y, &p->x);
    subtract(&b, &q->y, &q->x);
    multiply(&a, &a, &b);
    add(&b, &p->y, &p->x);
    add(&c, &q->y, &q->x);
    multiply(&b, &b, &c);
    multiply(&c, &p->t, &q->t);
    multiply(&c, &c, &D2);
    multiply(&d, &p->z, &q->z);
    add(&d, &d, &d);
    subtract(&r->x, &b, &a); /* E */
    add(&r->y, &b, &a);      /* H */
    subtract(&a, &d, &c);    /* F */
    add(&b, &d, &c);         /* G */
    multiply(&r->t, &r->x, &r->y);
    multiply(&r->x, &r->x, &a);
    multiply(&r->y, &r->y, &b);
    multiply(&r->z, &a, &b);
}

TL_APART static void twice(point *p)
{
    field a, b, c;
    multiply(&a, &p->x, &p->x);
    multiply(&b, &p->y, &p->y);
    multiply(&c, &p->z, &p->z);
    add(&c, &c, &c);
    add(&p->x, &p->x, &p->y);
    multiply(&p->x, &p->x, &p->x);
    add(&p->y, &a, &b);               /* H */
    subtract(&p->x, &p->y, &p->x);    /* E */
    subtract(&a, &a, &b);             /* G */
    add(&c, &c, &a);                  /* F */
    multiply(&p->t, &p->x, &p->y);
    multiply(&p->x, &p->x, &c);
    multiply(&p->y, &p->y, &a);
    multiply(&p->z, &c, &a);
}

/* The point of 32 bytes (RFC 8032, 5.1.3); 0 where there is none, or y is not below p. */
TL_APART static int32_t decode(point *r, const uint8_t *bytes)
{
    field u, v, t, y;
    uint32_t odd = bytes[31] >> 7;
    load(&r->y, bytes);
    r->y.w[7] &= 0x7fffffffu;
    y = r->y;
    reduce(&y);
    if (less(&t, &y, &r->y)) /* reduced to another one */
        return 0;
    r->z = ONE;
    multiply(&u, &y, &y);
    multiply(&v, &u, &D);
    add(&v, &v, &ONE);
    subtract(&u, &u, &ONE);
    multiply(&t, &v, &v);
    multiply(&y, &t, &v); /* v^3 */
    multiply(&y, &y, &u); /* u v^3 */
    multiply(&t, &t, &t);
    multiply(&t, &t, &y);      /* u v^7, whose (p - 5) / 8-th power */
    power(&r->x, &t, 252, 2);  /* has the exponent 2^252 - 3 */
    multiply(&r->x, &r->x, &y);
    multiply(&t, &r->x, &r->x);
    multiply(&t, &t, &v);
    if (!equal(&t, &u)) {
        multiply(&r->x, &r->x, &ROOT);
        subtract(&t, &ZERO, &t);
        if (!equal(&t, &u))
            return 0;
    }
    reduce(&r->x);
    if ((r->x.w[0] & 1u) != odd) {
        if (equal(&r->x, &ZERO))
            return 0; /* there is no odd zero */
        subtract(&r->x, &ZERO, &r->x);
    }
    multiply(&r->t, &r->x, &r->y);
    return 1;
}

/* ---- SHA-512 (FIPS 180-4), of three parts ---- */

static uint64_t rotate(uint64_t x, uint32_t n) { return x >> n | x << (64u - n); }

TL_APART static void block(uint64_t *state, const uint8_t *p)
{
    static const uint64_t k[80] = {
        0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
        0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
        0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
        0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
        0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
        0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
        0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
        0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
        0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
        0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
        0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
        0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
        0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
        0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
        0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
        0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
    };
    uint64_t w[16] = {0}, s[8];
    for (uint32_t i = 0; i < 16; i++)
        for (uint32_t j = 0; j < 8; j++)
            w[i] = w[i] << 8 | *p++;
    for (uint32_t i = 0; i < 8; i++)
        s[i] = state[i];
    for (uint32_t i = 0; i < 80; i++) {
        if (i > 15) {
            uint64_t a = w[(i + 1) & 15u], b = w[(i + 14) & 15u];
            w[i & 15u] += (rotate(a, 1) ^ rotate(a, 8) ^ a >> 7) + w[(i + 9) & 15u] +
                          (rotate(b, 19) ^ rotate(b, 61) ^ b >> 6);
        }
        uint64_t e = s[4], a = s[0];
        uint64_t t = s[7] + (rotate(e, 14) ^ rotate(e, 18) ^ rotate(e, 41)) + ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i & 15u];
        uint64_t u = (rotate(a, 28) ^ rotate(a, 34) ^ rotate(a, 39)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        for (uint32_t j = 7; j; j--)
            s[j] = s[j - 1];
        s[4] += t;
        s[0] = t + u;
    }
    for (uint32_t i = 0; i < 8; i++)
        state[i] += s[i];
}

/* Puts n bytes, or zeros where p is 0, behind `done` bytes. */
TL_SMALL static uint32_t put(uint64_t *state, uint8_t *buffer, uint32_t done, const uint8_t *p, uint32_t n)
{
    for (; n; n--) {
        buffer[done++ & 127u] = p ? *p++ : 0;
        if (!(done & 127u))
            block(state, buffer);
    }
    return done;
}

TL_APART static void sha512(uint8_t digest[64], const uint8_t *a, const uint8_t *b, const uint8_t *c, uint32_t c_bytes)
{
    static const uint8_t one = 0x80;
    uint64_t state[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                         0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
    uint8_t buffer[128], length[5];
    uint32_t done = put(state, buffer, 0, a, 32);
    done = put(state, buffer, done, b, 32);
    done = put(state, buffer, done, c, c_bytes);
    length[0] = (uint8_t)(done >> 29); /* in bits */
    for (uint32_t i = 1; i < 5; i++)
        length[i] = (uint8_t)(done << 3 >> (32u - 8u * i));
    done = put(state, buffer, done, &one, 1);
    done = put(state, buffer, done, 0, ((112u - done) & 127u) + 11u); /* the length has 16 bytes */
    put(state, buffer, done, length, 5);
    for (uint32_t i = 0; i < 64; i++) { /* Armv6-M has no shift of 64 bits by a variable */
        uint32_t half = i & 4u ? (uint32_t)state[i >> 3] : (uint32_t)(state[i >> 3] >> 32);
        digest[i] = (uint8_t)(half >> (24u - 8u * (i & 3u)));
    }
}

/* ---- the signature ---- */

/* r = the 64 bytes as a number modulo the order, bit by bit: 2 r + 1 < 2^254 before each subtraction. */
TL_SMALL static void modulo_order(field *r, const uint8_t *bytes)
{
    field t;
    *r = ZERO;
    for (uint32_t i = 512; i--;) {
        uint32_t bit = (uint32_t)bytes[i >> 3] >> (i & 7u) & 1u;
        for (uint32_t j = 0; j < 8; j++) {
            uint32_t next = r->w[j] >> 31;
            r->w[j] = r->w[j] << 1 | bit;
            bit = next;
        }
        if (!less(&t, r, &ORDER))
            *r = t;
    }
}

int32_t tl_ed25519_verify(const uint8_t key[32], const void *message, uint32_t message_bytes, const uint8_t signature[64])
{
    point table[3], r; /* the base point; minus the key; their sum */
    field s, k, t;
    union {
        uint8_t digest[64];
        point eighth;
    } u;
    load(&s, signature + 32);
    if (!less(&t, &s, &ORDER) || !decode(&table[1], key))
        return 0;
    u.eighth = table[1];
    for (uint32_t i = 0; i < 3; i++)
        twice(&u.eighth);
    if (equal(&u.eighth.x, &ZERO) && equal(&u.eighth.y, &u.eighth.z))
        return 0; /* a key of small order: a signature of it may fit any message */
    sha512(u.digest, signature, key, message, message_bytes);
    modulo_order(&k, u.digest);
    table[0] = BASE;
    subtract(&table[1].x, &ZERO, &table[1].x);
    subtract(&table[1].t, &ZERO, &table[1].t);
    add_points(&table[2], &table[0], &table[1]);
    r.x = r.t = ZERO;
    r.y = r.z = ONE;
    for (uint32_t i = 253; i--;) { /* r = s base - k key */
        uint32_t which = (s.w[i >> 5] >> (i & 31u) & 1u) | (k.w[i >> 5] >> (i & 31u) & 1u) << 1;
        twice(&r);
        if (which)
            add_points(&r, &r, &table[which - 1]);
    }
    power(&t, &r.z, 255, 20); /* 1 / z: p - 2 = 2^255 - 1 - 20 */
    multiply(&r.x, &r.x, &t);
    multiply(&r.y, &r.y, &t);
    reduce(&r.x);
    reduce(&r.y);
    r.y.w[7] |= r.x.w[0] << 31;
    uint32_t differ = 0; /* of the bytes: an encoding of R that is not the shortest is none */
    for (uint32_t i = 0; i < 32; i++)
        differ |= (r.y.w[i >> 2] >> (8u * (i & 3u)) & 255u) ^ signature[i];
    return !differ;
}
