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
    int64_t beat_ms;   /**< call `beat` this often while the command runs; 0: never */
    void (*beat)(void *arg);
    void *beat_arg;
};
struct run_outcome {
    int exit_status;     /**< what we exit with */
    int signal;          /**< that ended it; 0: none */
    int exec_errno;      /**< why it could not be executed; 0: it was */
    bool is_not_started; /**< it was not tried: a gate said no */
    char message[256];   /**< for the errorMessage facet when exit_status is not 0 */
};

/** Descriptors 0 to 2 that are closed become /dev/null for us, not for the command: nothing we open
 * may take their place. */
void run_child_hold_streams(void);
/** Block what will be passed on, and SIGPIPE; signals that were ignored stay ignored and untouched.
 * First of all, so that none is lost and every thread blocks them. */
void run_child_block_signals(struct run_child *child);
/** Fork, execute @p command, pass signals on, wait. Always fills @p outcome. */
void run_child_run(const struct run_child *child, char **command, struct run_outcome *outcome);
/** Whether somebody asked us to end (SIGTERM, SIGINT, SIGHUP, SIGQUIT) since: what is left to do
 * should be short. Any thread that blocks them. */
bool run_child_is_hurried(void);
#endif
