/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_DECISION_H
#define RECEIPT_DECISION_H
/** @file
 * The chain of decisions (approvals, deployments) in a runs folder: runs/decisions/000001.json,
 * each with the hash of the one before (spec/RECEIPT.md, R17, R18). Threads: plain functions; any
 * number of processes add at once. Blocks on the file system.
 */
#include "folder.h"

#define RECEIPT_DECISIONS "decisions"
#define RECEIPT_DECISION_MAX 999999
#define RECEIPT_DECISION_PATH (sizeof RECEIPT_DECISIONS "/000001.json")

/** What a record is about to be. */
struct receipt_decision {
    int64_t number;                            /**< from 1 */
    char path[RECEIPT_DECISION_PATH];          /**< within the runs folder */
    char previous_path[RECEIPT_DECISION_PATH]; /**< "": it is the first */
    char previous_sha256[OL_SHA256_TEXT + 1];
};
/** Write the record, on one line, into @p out: called again with another number where somebody else
 * was faster. */
typedef void receipt_decision_writer(void *arg, const struct receipt_decision *decision,
                                     struct ol__buf *out);

/** Add a record at the end of the chain; the folder is made. @return OL_OK: ret->path and its hash;
 * OL_DENIED, OL_FULL, OL_TOO_LARGE, OL_IO, OL_NOMEM: nothing was added. */
OL_NODISCARD ol_status receipt_decision_add(const char *runs, receipt_decision_writer *writer,
                                            void *arg, struct receipt_decision *ret,
                                            char ret_sha256[OL_SHA256_TEXT + 1],
                                            struct ol_error *err);

struct receipt_decision_figures {
    int64_t count; /**< records that are there */
    int64_t problems;
    char head[RECEIPT_DECISION_PATH];     /**< the newest; "": none */
    char head_sha256[OL_SHA256_TEXT + 1]; /**< whoever keeps it can tell later that none is gone */
};
/** Told of each problem, in the order of the numbers. */
typedef void receipt_decision_problem(void *arg, const char *path, const char *problem);
/** Check the chain from its first record. No folder is a chain of none.
 * @return OL_OK with any number of problems; OL_IO, OL_DENIED, OL_TOO_LARGE, OL_NOMEM. */
OL_NODISCARD ol_status receipt_decision_check(const char *runs, receipt_decision_problem *tell,
                                              void *arg, struct receipt_decision_figures *ret,
                                              struct ol_error *err);
#endif
