/* SPDX-License-Identifier: Apache-2.0 */
#include "sha2.h"

#include "sha2_blocks.h"

static void add_blocks(struct ol__sha2 *s, const uint8_t *p, size_t count)
{
    if (!ol__sha2_blocks_native(s->h, p, count))
        ol__sha2_blocks_portable(s->h, p, count);
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
        size_t filled = s->size % sizeof s->block, part = 0;
        if (filled == 0 && size >= sizeof s->block) { /* no copy of what is whole */
            part = size - size % sizeof s->block;
            add_blocks(s, p, part / sizeof s->block);
        } else {
            part = OL_MIN(size, sizeof s->block - filled);
            memcpy(s->block + filled, p, part);
            if (filled + part == sizeof s->block)
                add_blocks(s, s->block, 1);
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
