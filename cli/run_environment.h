/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_ENVIRONMENT_H
#define RUN_ENVIRONMENT_H
/** @file --env: which variables a run tells, and their values, redacted. Threads: main. */
#include <openlineage/openlineage.h>
#include "buf.h"

#define RUN_ENVIRONMENT_MAX 1000        /**< variables, and names that are given */
#define RUN_ENVIRONMENT_VALUE_MAX 32768 /**< bytes of one value; a longer one is not told */

struct run_variable {
    char *name, *value; /**< owned; the value is redacted */
};
struct run_environment {
    char **wanted; /**< owned, texts too: NAME or PREFIX_* */
    size_t wanted_count;
    struct run_variable *items; /**< owned; by name */
    size_t count;
    struct ol__buf json;
};

/** Add "NAME,PREFIX_*,...". @return NULL, or what is wrong with it: static text. */
const char *run_environment_add(struct run_environment *e, const char *list);
/** Look at the environment as it is now. @return OL_OK, OL_NOMEM: it has none. */
OL_NODISCARD ol_status run_environment_read(struct run_environment *e);
/** The standard facet environmentVariables. */
void run_environment_describe(const struct run_environment *e, struct ol_run *run);
/** The receipt's part `environment`; empty if none was found. Borrowed until release. */
struct ol__span run_environment_value(struct run_environment *e);
void run_environment_release(struct run_environment *e);
#endif
