/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_CHILD_H
#define RUN_CHILD_H
/** @file Start the wrapped command, pass signals on, wait for its end. Threads: main. */
#include <signal.h>
#include <openlineage/openlineage.h>
#include "cli.h"

struct run_child {
    sigset_t waited;   /**< signals we take ourselves and pass on, and SIGCHLD */
    sigset_t old_mask; /**< what the command gets back */
};
struct run_outcome {
    int exit_status;   /**< what we exit with */
    int exec_errno;    /**< why it could not be executed; 0: it was */
    char message[128]; /**< for the errorMessage facet when exit_status is not 0 */
};

/** Block what will be passed on; signals that were ignored stay ignored and untouched. */
void run_child_block_signals(struct run_child *child);
/** Fork, execute @p command with the run as parent in its environment (@p run may be NULL), pass signals on,
 *  wait. Always fills @p outcome. */
void run_child_run(struct run_child *child, char **command, const struct ol_run *run,
                   struct run_outcome *outcome);
#endif
