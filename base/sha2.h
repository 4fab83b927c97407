/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_SHA2_H
#define OL_SHA2_H
/** @file SHA-256 (FIPS 180-4) and HMAC-SHA-256 (FIPS 198-1) without OpenSSL, for libopenlineage,
 * which links libc, libuuid and yajl only; programs that link OpenSSL use hash.h. Values are plain
 * data: a copy of one goes on by itself. Threads: one at a time per object. Blocks on nothing. */
#include "ol_base.h"

#define OL_SHA2_SIZE 32
#define OL_SHA2_TEXT 64 /**< hexadecimal digits; 65 bytes with the NUL */

struct ol__sha2 {
    uint32_t h[8];
    uint64_t size;     /* bytes so far */
    uint8_t block[64]; /* size % 64 of them are filled */
};

void ol__sha2_init(struct ol__sha2 *s);
void ol__sha2_add(struct ol__sha2 *s, const void *data, size_t size);
/** After this only ol__sha2_init() may follow. */
void ol__sha2_finish(struct ol__sha2 *s, uint8_t out[OL_SHA2_SIZE]);

struct ol__hmac {
    struct ol__sha2 inner, outer;
};

/** @p key of any size; nothing of it is kept but what SHA-256 makes of it. */
void ol__hmac_init(struct ol__hmac *m, const void *key, size_t size);
void ol__hmac_add(struct ol__hmac *m, const void *data, size_t size);
/** After this only ol__hmac_init() may follow. */
void ol__hmac_finish(struct ol__hmac *m, uint8_t out[OL_SHA2_SIZE]);

/** Lower case hexadecimal. */
void ol__sha2_text(const uint8_t digest[OL_SHA2_SIZE], char out[OL_SHA2_TEXT + 1]);
#endif
