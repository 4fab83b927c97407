/* SPDX-License-Identifier: Apache-2.0 */
#include "sha1.h"

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

/* The function and constant of each 20 rounds (FIPS 180-4, 4.1.1 and 4.2.1). */
static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20)
        return ((b & c) | (~b & d)) + UINT32_C(0x5a827999);
    if (round < 40)
        return (b ^ c ^ d) + UINT32_C(0x6ed9eba1);
    if (round < 60)
        return ((b & c) | (b & d) | (c & d)) + UINT32_C(0x8f1bbcdc);
    return (b ^ c ^ d) + UINT32_C(0xca62c1d6);
}

static void add_block(struct ol__sha1 *s, const uint8_t *p)
{
    uint32_t w[80];
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4];
    for (int i = 0; i < 80; i++) {
        uint32_t t = rotate(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = t;
    }
    s->h[0] += a;
    s->h[1] += b;
    s->h[2] += c;
    s->h[3] += d;
    s->h[4] += e;
}

void ol__sha1_init(struct ol__sha1 *s)
{
    *s = (struct ol__sha1){.h = {UINT32_C(0x67452301), UINT32_C(0xefcdab89), UINT32_C(0x98badcfe),
                                 UINT32_C(0x10325476), UINT32_C(0xc3d2e1f0)}};
}

void ol__sha1_add(struct ol__sha1 *s, const void *data, size_t size)
{
    const uint8_t *p = data;
    while (size > 0) {
        size_t filled = s->size % sizeof s->block;
        size_t part = OL_MIN(size, sizeof s->block - filled);
        memcpy(s->block + filled, p, part);
        p += part;
        size -= part;
        s->size += part;
        if (filled + part == sizeof s->block)
            add_block(s, s->block);
    }
}

void ol__sha1_finish(struct ol__sha1 *s, uint8_t out[OL_SHA1_SIZE])
{
    uint64_t bits = s->size * 8;
    uint8_t length[8];
    static const uint8_t padding[64] = {0x80};
    size_t filled = s->size % sizeof s->block;
    ol__sha1_add(s, padding, filled < 56 ? 56 - filled : 120 - filled);
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    ol__sha1_add(s, length, sizeof length);
    for (int i = 0; i < OL_SHA1_SIZE; i++)
        out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}
