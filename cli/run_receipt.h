/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_RECEIPT_H
#define RUN_RECEIPT_H
/** @file
 * The receipt of a wrapped command, and the run it belongs to (spec/RECEIPT.md). Trouble is said on
 * standard error unless quiet; the command runs all the same (P6). Threads: main.
 */
#include "run_child.h"
#include "run_options.h"

struct run_receipt {
    const struct run_options *options;
    char *runs; /**< owned */
    struct receipt_folder folder;
    bool is_open;        /**< folder: a run that was begun before, or by us */
    bool is_made;        /**< by us: it ends with the command */
    struct ol_run *root; /**< of a run that we made; NULL: nothing is emitted */
    char *pipeline;      /**< owned: job name of a run that we made */
    bool is_taken;       /**< attempt */
    struct receipt_attempt attempt;
    char root_id[OL_ID_SIZE];
    char task_id[256];
    char *cwd; /**< owned */
    int64_t started_ms, started_us;
};

/** Before the client is opened: find the run that the environment names, and make it the parent of
 * what is emitted, unless another parent is named. */
void run_receipt_find(struct run_receipt *r, const struct run_options *o);
/** Take the attempt, beginning a run if there is none. @p client may be NULL. @return the run to
 * emit, owned; NULL: there is no client, err says why if that is not the reason. */
struct ol_run *run_receipt_begin(struct run_receipt *r, struct ol_client *client, const char *job,
                                 struct ol_error *err);
/** After START was described: write the claim, and tell the command by its environment. @p run may
 * be NULL. */
void run_receipt_start(struct run_receipt *r, const struct ol_run *run, char *const *argv);
/** After the outputs were hashed: write the receipt. @p status "COMPLETE", "FAIL" or "ABORT". */
void run_receipt_end(struct run_receipt *r, const struct ol_run *run, char *const *argv,
                     const char *status, const struct run_outcome *outcome);
/** After the attempt's last event: end the run if we made it. */
void run_receipt_close(struct run_receipt *r, bool is_success);
#endif
