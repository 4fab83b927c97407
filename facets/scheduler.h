/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_SCHEDULER_H
#define OL_SCHEDULER_H
/** @file
 * What a scheduler's variables say of the task that this process is: Slurm, Airflow, GitLab, GitHub
 * and Kubernetes, in this order, since the first ones run on the last ones. Only the environment is
 * read. Threads: set-up only.
 */
#include "buf.h"

/** Where a value goes: the first ones into lineaged_run, the others into lineaged_context. */
enum ol__scheduler_field {
    OL_SCHEDULER_TASK_ID,
    OL_SCHEDULER_ATTEMPT,
    OL_SCHEDULER_WORKFLOW,
    OL_SCHEDULER_WORKFLOW_RUN,
    OL_SCHEDULER_PLACE,
    OL_SCHEDULER_TASK_UID,
    OL_SCHEDULER_TASK_INDEX,
    OL_SCHEDULER_URL,
    OL_SCHEDULER_FIELDS
};

/** Bytes of one value; longer ones are refused. */
#define OL_SCHEDULER_VALUE_MAX 1024

struct ol__scheduler {
    const char *name;                  /**< static; NULL: none was found */
    char *values[OL_SCHEDULER_FIELDS]; /**< owned; NULL: absent */
};

/** Told of each variable whose value cannot be used: too long, control characters, no number. */
typedef void ol__scheduler_refused(void *arg, const char *variable, const char *expected);

/** One row of the table, for the page that documents it (docs/context.md). All static. */
struct ol__scheduler_row {
    const char *scheduler, *sign, *field;
    const char *value; /**< ${NAME} stands for a variable */
    bool is_count;     /**< the value is a number, one more is told */
};
/** @return whether there is a row @p index. */
bool ol__scheduler_describe(size_t index, struct ol__scheduler_row *ret);

/** Read the environment. @p ret is released by the caller whatever the result.
 *  @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status ol__scheduler_read(struct ol__scheduler *ret, ol__scheduler_refused *refused,
                                          void *arg);
void ol__scheduler_release(struct ol__scheduler *scheduler);
#endif
