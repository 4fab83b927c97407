/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_CONFLICT_H
#define RECEIPT_CONFLICT_H
/** @file
 * Outputs that an earlier attempt at the step wrote with other bytes (spec/RECEIPT.md, R9).
 * Threads: one per object. Blocks on the file system.
 */
#include "record.h"

struct receipt_conflicts {
    struct receipt_conflict *items; /**< owned; texts borrowed from the outputs and from below */
    size_t count;
    struct json_doc
        *earlier; /**< owned: receipts of the attempts before, as far as they are there */
    size_t earlier_count;
};
/** Compare each output with that of the newest attempt before, of RECEIPT_OVER_MAX, that wrote the
 * same path. @p ret is filled anew. @return OL_OK, OL_NOMEM; receipt_conflicts_release() in any
 * case. */
OL_NODISCARD ol_status receipt_find_conflicts(const struct receipt_attempt *attempt,
                                              const struct receipt_artifact *outputs, size_t count,
                                              struct receipt_conflicts *ret);
void receipt_conflicts_release(struct receipt_conflicts *conflicts);
#endif
