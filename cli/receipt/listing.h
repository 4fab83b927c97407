/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_LISTING_H
#define RECEIPT_LISTING_H
/** @file
 * Every file of a run with its hash: what a seal lists and a check starts from (spec/RECEIPT.md,
 * R14). Threads: one per listing. Blocks on the file system: all files are read.
 */
#include "folder.h"

struct receipt_file {
    char *path; /**< within the run's folder; owned by the listing */
    char sha256[OL_SHA256_TEXT + 1];
};
/** What is neither file nor folder. */
struct receipt_other {
    char *path; /**< within the run's folder; owned by the listing */
    char *line; /**< "link  PATH -> TARGET", "fifo  PATH", escaped as R10 says; owned */
};
struct receipt_listing {
    struct receipt_file *items; /**< in byte order of their paths */
    size_t count, cap;
    struct receipt_other *others; /**< in byte order of their paths */
    size_t other_count, other_cap;
    size_t unnamed; /**< files and folders whose names are no UTF-8: no JSON can list them */
};
/** List what is there now, but for seal.json, `last`, and names that begin with a dot or are no
 * UTF-8. Zero it first. @return OL_OK; OL_IO, OL_DENIED, OL_TOO_LARGE, OL_NOMEM.
 * receipt_listing_release() in any case. */
OL_NODISCARD ol_status receipt_list(const struct receipt_folder *folder,
                                    struct receipt_listing *listing, struct ol_error *err);
void receipt_listing_release(struct receipt_listing *listing);
/** NULL: not there. */
const struct receipt_file *receipt_find(const struct receipt_listing *listing, const char *path);

/** R14: write seal.json, once. @p how the run ended, at @p now_ms: COMPLETE, FAIL, ABORT. @return
 * OL_OK: ret_sha256 is its hash; OL_BUSY: the run is sealed already; as receipt_list() and
 * receipt_put(). */
OL_NODISCARD ol_status receipt_seal(const struct receipt_folder *folder, const char *how,
                                    int64_t now_ms, char ret_sha256[OL_SHA256_TEXT + 1],
                                    struct ol_error *err);
#endif
