/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENLINEAGE_COLLECT_H
#define OPENLINEAGE_COLLECT_H
/** @file
 * What surrounds a run, found without asking (docs/collectors.md): read from files and the
 * environment. No program is started, nothing is sent for.
 */
#include <openlineage/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ol_run;

/** What ol_run_collect() looks for; to be or-ed. */
enum ol_collect {
    OL_COLLECT_CODE = 1,      /**< git: run facet lineaged_code, job facet sourceCodeLocation. */
    OL_COLLECT_MACHINE = 2,   /**< lineaged_machine. */
    OL_COLLECT_CONTAINER = 4, /**< lineaged_container. */
    OL_COLLECT_TOOLS = 8,     /**< MLflow, Feast, lakeFS, DVC: lineaged_tools. */
    OL_COLLECT_SEEDS = 16,    /**< PYTHONHASHSEED and its like: lineaged_reproducibility. */
    OL_COLLECT_ALL = 31
};

/** Set the facets that @p what names, of what is found; those that the run has already stay as they
 * are, and what is not found is not set. Of a git working copy the one that the working directory
 * is in. An address never has a user's password. Since 0.1.
 * @return OL_OK, also if nothing is found; OL_DISABLED: run is NULL; OL_INVALID: a bit that there
 * is not; OL_NOMEM, OL_TOO_LARGE: not all are set. Blocks on files: some 0.5 ms. Thread: the run's;
 * the environment must not be changed meanwhile. */
OL_API ol_status ol_run_collect(struct ol_run *run, unsigned what);

#ifdef __cplusplus
}
#endif
#endif
