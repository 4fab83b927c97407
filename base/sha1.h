/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_SHA1_H
#define OL_SHA1_H
/** @file SHA-1 (FIPS 180-4), for ids that other clients derive with it; never for anything that
 * must withstand an attacker. Threads: plain data. Blocks on nothing. */
#include "ol_base.h"

#define OL_SHA1_SIZE 20

struct ol__sha1 {
    uint32_t h[5];
    uint64_t size;     /* bytes so far */
    uint8_t block[64]; /* size % 64 of them are filled */
};

void ol__sha1_init(struct ol__sha1 *s);
void ol__sha1_add(struct ol__sha1 *s, const void *data, size_t size);
/** After this only ol__sha1_init() may follow. */
void ol__sha1_finish(struct ol__sha1 *s, uint8_t out[OL_SHA1_SIZE]);
#endif
