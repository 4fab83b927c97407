/* SPDX-License-Identifier: Apache-2.0 */
#include "sha2.h"

/* Fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void expand(const uint8_t *p, uint32_t w[64])
{
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
}

static void add_block(struct ol__sha2 *s, const uint8_t *p)
{
    uint32_t w[64], v[8]; /* a to h of the standard */
    expand(p, w);
    memcpy(v, s->h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + K[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6];
        v[6] = v[5];
        v[5] = e;
        v[4] = v[3] + t1;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = a;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        s->h[i] += v[i];
}

void ol__sha2_init(struct ol__sha2 *s)
{
    *s = (struct ol__sha2){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void ol__sha2_add(struct ol__sha2 *s, const void *data, size_t size)
{
    const uint8_t *p = data;
    while (size > 0) {
        size_t filled = s->size % sizeof s->block;
        size_t part = OL_MIN(size, sizeof s->block - filled);
        if (part == sizeof s->block) {
            add_block(s, p); /* no copy of what is whole */
        } else {
            memcpy(s->block + filled, p, part);
            if (filled + part == sizeof s->block)
                add_block(s, s->block);
        }
        p += part;
        size -= part;
        s->size += part;
    }
}

void ol__sha2_finish(struct ol__sha2 *s, uint8_t out[OL_SHA2_SIZE])
{
    uint64_t bits = s->size * 8;
    uint8_t length[8];
    static const uint8_t padding[64] = {0x80};
    size_t filled = s->size % sizeof s->block;
    ol__sha2_add(s, padding, filled < 56 ? 56 - filled : 120 - filled);
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    ol__sha2_add(s, length, sizeof length);
    for (int i = 0; i < OL_SHA2_SIZE; i++)
        out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void ol__hmac_init(struct ol__hmac *m, const void *key, size_t size)
{
    uint8_t block[64] = {0}, pad[64];
    if (size > sizeof block) {
        ol__sha2_init(&m->inner);
        ol__sha2_add(&m->inner, key, size);
        ol__sha2_finish(&m->inner, block);
    } else if (size > 0) {
        memcpy(block, key, size);
    }
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = block[i] ^ 0x36;
    ol__sha2_init(&m->inner);
    ol__sha2_add(&m->inner, pad, sizeof pad);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = block[i] ^ 0x5c;
    ol__sha2_init(&m->outer);
    ol__sha2_add(&m->outer, pad, sizeof pad);
    explicit_bzero(block, sizeof block);
    explicit_bzero(pad, sizeof pad);
}

void ol__hmac_add(struct ol__hmac *m, const void *data, size_t size)
{
    ol__sha2_add(&m->inner, data, size);
}

void ol__hmac_finish(struct ol__hmac *m, uint8_t out[OL_SHA2_SIZE])
{
    uint8_t digest[OL_SHA2_SIZE];
    ol__sha2_finish(&m->inner, digest);
    ol__sha2_add(&m->outer, digest, sizeof digest);
    ol__sha2_finish(&m->outer, out);
}

void ol__sha2_text(const uint8_t digest[OL_SHA2_SIZE], char out[OL_SHA2_TEXT + 1])
{
    for (size_t i = 0; i < OL_SHA2_SIZE; i++) {
        out[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    out[OL_SHA2_TEXT] = '\0';
}
