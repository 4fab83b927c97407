/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_KEEP_H
#define RUN_KEEP_H
/** @file --keep: files whose content a receipt keeps (spec/RECEIPT.md, R11). Threads: main. */
#include "receipt/object.h"

#define RUN_KEEP_MAX 1000

struct run_keep {
    const char **paths; /**< owned; texts borrowed from argv */
    size_t path_count, path_cap;
    uint64_t limit;             /**< bytes of one file */
    struct receipt_kept *items; /**< owned; zeroed with the rest */
    size_t count, cap;
    struct ol__buf json; /**< what run_keep_value() gave last */
};

/** @return OL_OK, OL_TOO_LARGE (RUN_KEEP_MAX), OL_NOMEM. */
OL_NODISCARD ol_status run_keep_add(struct run_keep *keep, const char *path);
/** Keep what is there before the command. @p runs: the runs folder. What cannot be kept is said
 * unless quiet, and the receipt says why. */
void run_keep_start(struct run_keep *keep, const char *runs, bool is_quiet);
/** Keep what the command made or changed. */
void run_keep_end(struct run_keep *keep, const char *runs, bool is_quiet);
/** One more, e.g. a patch; copied, its texts borrowed. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status run_keep_note(struct run_keep *keep, const struct receipt_kept *kept);
/** The receipt's part `kept`; empty if nothing was. Borrowed until the next call or release. */
struct ol__span run_keep_value(struct run_keep *keep);
void run_keep_release(struct run_keep *keep);
#endif
