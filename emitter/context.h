/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONTEXT_H
#define OL_CONTEXT_H
/** @file
 * What the environment says of the place of this process's runs in a larger whole
 * (docs/context.md): parent and root, trace and baggage, the scheduler's task. A value that is
 * malformed is as if it were not set; the client counts it and says so. Threads: set-up only.
 */
#include <openlineage/openlineage.h>
#include "origin.h"
#include "scheduler.h"
#include "travel.h"

struct ol__context {
    struct ol__origin parent, root; /**< both or none */
    struct ol__travel travel;
    struct ol__scheduler scheduler;
};

/** Told of what is not used: the variable (or key), and what was expected. */
typedef void ol__context_refused(void *arg, const char *name, const char *expected);

/** Read the environment. @p ret is released by the caller whatever the result.
 *  @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status ol__context_read(ol__context_refused *refused, void *arg,
                                        struct ol__context *ret);
void ol__context_release(struct ol__context *context);

/** Parent and root of a program inside an Airflow task, derived as Airflow's own provider derives
 * them; unset if a variable that this takes is absent.
 *  @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status ol__airflow_read(ol__context_refused *refused, void *arg,
                                        struct ol__origin *ret_parent, struct ol__origin *ret_root);
/** Set lineaged_run and lineaged_context of a new run, from its client's context and what travels
 * with it. @p from (may be NULL): the run whose child it is, whose run_id, step, attempt and
 * task_id it shares. @return OL_OK, OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__context_describe(struct ol_run *run, const struct ol_run *from);
/** Set them again after a context was extracted; other ids of lineaged_run stay. @return likewise.
 */
OL_NODISCARD ol_status ol__context_describe_again(struct ol_run *run);
#endif
