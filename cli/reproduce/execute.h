/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_EXECUTE_H
#define REPRODUCE_EXECUTE_H
/** @file
 * Do the steps of a plan again as a new run, each by `lineage run`, and compare what comes out.
 * Threads: main. Starts programs.
 */
#include "plan.h"

enum replay_result {
    REPLAY_SAME,
    REPLAY_DIFFERENT,
    REPLAY_UNKNOWN /**< one of the two has no hash */
};
/** Told of each output, in the order of the steps. Texts are borrowed; NULL: not known. */
typedef void replay_output(void *arg, const char *step, const char *path, const char *was,
                           const char *is, enum replay_result result);
struct replay_execution {
    const struct replay_plan *plan;
    const char *root; /**< absolute; everything is laid out there */
    replay_output *tell;
    void *arg;
    char run_id[RECEIPT_RUN_ID_SIZE]; /**< of the new run */
    char runs[8192];                  /**< ROOT/runs */
    int64_t done, same, different, unknown;
    const char *failed; /**< the step that did not end as it did then; NULL */
    int status;         /**< with which exit status */
};
/** @return OL_OK, with any result; OL_IO: the new run could not be begun or read; OL_NOMEM,
 * OL_TOO_LARGE. */
OL_NODISCARD ol_status replay_execute(struct replay_execution *x, struct ol_error *err);
#endif
