/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_GATE_H
#define RUN_GATE_H
/** @file
 * Gates: commands that must say yes before the wrapped one is started. Threads: main.
 */
#include "run_child.h"

#define RUN_GATES_MAX 100
#define RUN_GATE_TIMEOUT_MS 60000
/** What `lineage run` exits with when the command was not started: a gate, or --strict. Other
 * programs that start programs use it alike (env, timeout, docker run). */
#define RUN_NOT_STARTED 125

struct run_gate {
    const char *command; /**< for `sh -c`; borrowed */
    const char *verdict; /**< "pass", "fail", "error" (it could not say); NULL: it did not run */
    int exit_code;       /**< when signal is 0 and has_ended */
    int signal;          /**< that ended it */
    bool has_ended;      /**< by itself or by a signal */
    int64_t duration_ms;
    char message[128];
};
struct run_gates {
    struct run_gate items[RUN_GATES_MAX];
    size_t count;
    int64_t timeout_ms; /**< of each */
    int stopped_by;     /**< signal that asked us to end meanwhile; 0: none */
};

/** Run them in their order, with /dev/null as standard input and standard error for what they
 * print, until one does not pass. @p child tells signals and masks. @return whether all passed. */
bool run_gates_pass(struct run_gates *gates, const struct run_child *child);
/** The receipt's part `gates`, on one line; nothing if none ran. */
void run_gates_write(const struct run_gates *gates, struct ol__buf *out);
/** What to exit with, and why, when they did not pass. */
void run_gates_outcome(const struct run_gates *gates, struct run_outcome *outcome);
#endif
