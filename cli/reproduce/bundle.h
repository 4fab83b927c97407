/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_BUNDLE_H
#define REPRODUCE_BUNDLE_H
/** @file
 * A folder with all that it takes to do a run again elsewhere (docs/reproduce.md): its receipts,
 * kept content, what it read, its code, and a script. Threads: main. Blocks on the file system.
 */
#include "plan.h"

struct bundle_figures {
    int64_t files, bytes; /**< sources and kept content */
};
/** Make the bundle in @p directory, which is empty. The plan has no problems. @return OL_OK;
 * OL_NOT_FOUND: something of it is gone; OL_CORRUPT: is not what it was; OL_IO, OL_DENIED, OL_FULL,
 * OL_NOMEM: what stands there is no bundle (bundle.json is written last). */
OL_NODISCARD ol_status bundle_write(const struct replay_plan *plan, const char *directory,
                                    struct bundle_figures *ret, struct ol_error *err);
/** A bundle that was made so, checked: its files have the hashes that SHA256SUMS says, and that one
 * is the one that bundle.json says. @param ret_runs  owned: its runs folder. @return OL_OK;
 * OL_NOT_FOUND: no bundle; OL_CORRUPT; OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status bundle_open(const char *directory, char **ret_runs,
                                   char ret_run_id[RECEIPT_RUN_ID_SIZE], struct ol_error *err);
/** Make the folder @p path, which must be empty if it is there. @param ret  owned: its real path.
 * @return OL_OK; OL_INVALID: there is something in it; OL_DENIED, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status bundle_make_empty(const char *path, char **ret, struct ol_error *err);
#endif
