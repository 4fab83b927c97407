/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_CHECK_FILES_H
#define RECEIPT_CHECK_FILES_H
/** @file
 * Are the files that a run read and wrote what its receipts say (spec/RECEIPT.md, R13)? Threads:
 * one per check. Blocks on the file system: all of them are read.
 */
#include "check.h"

/** Look at what the run started from, and at what the winners read and wrote. Counts into
 * @p figures. @return OL_OK with any number of problems; as receipt_get_doc(); OL_NOMEM. */
OL_NODISCARD ol_status receipt_files_check(const struct receipt_folder *folder,
                                           const struct receipt_listing *listing,
                                           receipt_problem *tell, void *arg,
                                           struct receipt_figures *figures, struct ol_error *err);
#endif
