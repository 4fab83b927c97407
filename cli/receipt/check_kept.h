/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_CHECK_KEPT_H
#define RECEIPT_CHECK_KEPT_H
/** @file
 * Is kept content what the receipts of a run say (spec/RECEIPT.md, R11, R13)? Each object is read
 * once, however many receipts name it. Threads: one per list.
 */
#include "attempt.h"
#include "check.h"
#include "object.h"

struct receipt_kept_name {
    char sha256[OL_SHA256_TEXT + 1];
    char who[RECEIPT_PATH_SIZE]; /**< receipt that names it */
};
/** Zero it; receipt_kept_list_release() at the end. */
struct receipt_kept_list {
    struct receipt_kept_name *items; /**< owned */
    size_t count, cap;
};
/** Note what the document @p doc at @p who says is kept. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status receipt_kept_note(struct receipt_kept_list *list, const char *who,
                                         const struct json_node *doc, struct ol_error *err);
/** Read and hash every object; each problem is told with its path from the run's folder.
 *  @param ret_count  objects that were looked at. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status receipt_kept_check(struct receipt_kept_list *list, const char *runs,
                                          receipt_problem *tell, void *arg, int64_t *ret_count,
                                          int64_t *problems, struct ol_error *err);
void receipt_kept_list_release(struct receipt_kept_list *list);
#endif
