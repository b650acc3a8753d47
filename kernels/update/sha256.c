#include "small.h"
#include "update.h"

/* SHA-256 (FIPS 180-4). */

static uint32_t rotate(uint32_t x, uint32_t n) { return x >> n | x << (32u - n); }

TL_APART static void block(uint32_t *state, const uint8_t *p)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    };
    uint32_t w[16], s[8];
    for (uint32_t i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (uint32_t i = 0; i < 8; i++)
        s[i] = state[i];
    for (uint32_t i = 0; i < 64; i++) {
        if (i > 15) { /* the schedule needs no more than its last 16 words */
            uint32_t a = w[(i + 1) & 15u], b = w[(i + 14) & 15u];
            w[i & 15u] += (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[(i + 9) & 15u] +
                          (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
        }
        uint32_t e = s[4], a = s[0];
        uint32_t t = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i & 15u];
        uint32_t u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        for (uint32_t j = 7; j; j--)
            s[j] = s[j - 1];
        s[4] += t;
        s[0] = t + u;
    }
    for (uint32_t i = 0; i < 8; i++)
        state[i] += s[i];
}

TL_SMALL void tl_sha256_start(tl_sha256 *h)
{
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (uint32_t i = 0; i < 8; i++)
        h->state[i] = first[i];
    h->bytes = 0;
}

TL_SMALL void tl_sha256_add(tl_sha256 *h, const void *data, uint32_t n)
{
    const uint8_t *p = data;
    for (; n; n--) {
        h->block[h->bytes++ & 63u] = *p++;
        if (!(h->bytes & 63u))
            block(h->state, h->block);
    }
}

TL_SMALL void tl_sha256_end(tl_sha256 *h, uint8_t digest[32])
{
    uint32_t bytes = h->bytes;
    uint8_t pad = 0x80, length[8] = {0, 0, 0, (uint8_t)(bytes >> 29)}; /* in bits */
    for (uint32_t i = 0; i < 4; i++)
        length[4 + i] = (uint8_t)(bytes << 3 >> (24u - 8u * i));
    do {
        tl_sha256_add(h, &pad, 1);
        pad = 0;
    } while ((h->bytes & 63u) != 56u);
    tl_sha256_add(h, length, 8);
    for (uint32_t i = 0; i < 32; i++)
        digest[i] = (uint8_t)(h->state[i >> 2] >> (24u - 8u * (i & 3u)));
}
