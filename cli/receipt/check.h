/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_CHECK_H
#define RECEIPT_CHECK_H
/** @file
 * Is a run's folder what it was (spec/RECEIPT.md, R13, R14)? Threads: one. Reads, never writes.
 */
#include "listing.h"

struct receipt_figures {
    int64_t steps, attempts, won, open, failed; /**< open: claimed, without a receipt */
    int64_t files, files_in;                    /**< outputs, inputs that were hashed again */
    int64_t gone;                               /**< of both, those that are not there */
    int64_t unread;                             /**< and those that could not be read */
    int64_t replaced;                           /**< and what another winner wrote anew since */
    int64_t kept;                               /**< objects that were hashed (R11) */
    int64_t unnamed;                            /**< files whose names no seal can tell */
    int64_t inputs;                             /**< that the run as a whole starts from */
    int64_t problems;
    bool is_sealed;
};
/** Told of each problem, in byte order of paths within each kind of check. @p path is borrowed.
 * @p is_gone: a file that a receipt names is not there, or cannot be read, which is no problem of
 * the receipts. */
typedef void receipt_problem(void *arg, const char *path, const char *problem, bool is_gone);

/** @param with_files  also hash what winners read and wrote that are files here.
 *  @return OL_OK with any number of problems; OL_IO, OL_DENIED, OL_TOO_LARGE, OL_NOMEM. */
OL_NODISCARD ol_status receipt_check(const struct receipt_folder *folder, bool with_files,
                                     receipt_problem *tell, void *arg, struct receipt_figures *ret,
                                     struct ol_error *err);
#endif
