/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_EXECUTE_H
#define REPRODUCE_EXECUTE_H
/** @file
 * Do the steps of a plan again, each by `lineage run`, as a new run or as new attempts of the same
 * one, and compare what comes out.
 * Threads: main. Starts programs.
 */
#include "in_place.h"

enum replay_result {
    REPLAY_SAME,
    REPLAY_DIFFERENT,
    REPLAY_MISSING,  /**< the step ended well, and did not write it */
    REPLAY_NOT_DONE, /**< its step failed, or was not begun */
    REPLAY_UNKNOWN   /**< one of the two has no hash */
};
/** What came of an output. Texts are borrowed; NULL: not known. */
struct replay_verdict {
    const char *step, *path, *was, *is;
    const char *replayed; /**< where the other bytes are; NULL: in their place */
    int64_t attempt;      /**< of the new run's step; 0: none */
    enum replay_result result;
};
/** Told of each output, in the order of the steps, after the last one. */
typedef void replay_output(void *arg, const struct replay_verdict *verdict);
struct replay_execution {
    const struct replay_plan *plan;
    const char *root;          /**< absolute; everything is laid out there */
    struct in_place *in_place; /**< NULL: in another root */
    replay_output *tell;
    void *arg;
    char run_id[RECEIPT_RUN_ID_SIZE]; /**< of the new run, or the same */
    char runs[8192];                  /**< its folder */
    bool is_same_run;                 /**< new attempts of the run itself */
    int64_t done, same, different, missing, not_done, unknown;
    int64_t *attempts;  /**< owned by replay_execute(): of each step of the plan */
    const char *failed; /**< the step that did not end as it did then; NULL */
    int status;         /**< with which exit status */
};
/** In place: a run that has no seal gets new attempts, one that has gets a new run in the same
 * folder, which names it (tag `replay_of`). @return OL_OK, with any result; OL_IO: the new run
 * could not be begun or read; OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status replay_execute(struct replay_execution *x, struct ol_error *err);
#endif
