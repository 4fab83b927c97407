/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_HASHES_H
#define RECEIPT_HASHES_H
/** @file
 * What files hash to now, each read once however many receipts name it, several at a time. Never
 * from the cache of hashes. Threads: one per table.
 */
#include "artifact/pool.h"
#include "error.h"

struct receipt_hash {
    char *full;                      /* owned */
    char sha256[OL_SHA256_TEXT + 1]; /* "" none: whoever asks looks at it */
};
/** Zeroed: empty. */
struct receipt_hashes {
    struct receipt_hash *items; /* owned; a table of `cap` places, a power of two */
    size_t count, cap;
};
/** Remember that @p full hashes to @p sha256; "": to be read. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status receipt_hashes_add(struct receipt_hashes *hashes, const char *full,
                                          const char *sha256, struct ol_error *err);
/** Read all regular files that have no hash yet. Blocks. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status receipt_hashes_read(struct receipt_hashes *hashes, struct ol_error *err);
/** @return its hash, borrowed until the next change; NULL: not known. */
const char *receipt_hashes_find(const struct receipt_hashes *hashes, const char *full);
void receipt_hashes_release(struct receipt_hashes *hashes);
#endif
