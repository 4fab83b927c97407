/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STARTED_H
#define STARTED_H
/** @file
 * What `lineage finish` needs of what `lineage start` began: started.json in the attempt's folder
 * or, of a run without a step, a file of the state folder, called as the run. Threads: main.
 */
#include "receipt/record.h"

#define STARTED_TEXT_MAX 4096 /**< of the state folder's path */

/** All texts are borrowed, when it is read from the document. */
struct started {
    const char *run_id; /**< UUID */
    const char *job_namespace, *job_name;
    const char *parent_id, *root_id; /**< NAMESPACE/NAME/UUID; NULL: none */
    const char *foreign_id, *foreign_system;
    int64_t started_ms;
    const struct receipt_artifact *inputs;
    size_t input_count;
    const char *const *outputs; /**< as given */
    size_t output_count;
};

/** Where runs without a step are noted: @p option, else XDG_STATE_HOME or HOME, else (root) the
 * system's. @return false: it is too long, or nobody says where. */
bool started_find_folder(const char *option, char out[STARTED_TEXT_MAX]);
/** Write it as @p name in @p dirfd. @return as receipt_put(). */
OL_NODISCARD ol_status started_put(int dirfd, const char *name, const struct started *started,
                                   struct ol_error *err);
/** A started.json that was read. */
struct started_doc {
    struct json_doc doc;
    struct started started;
    struct receipt_artifact *inputs; /**< owned */
    const char **outputs;            /**< owned */
};
/** @return OL_OK: started_release(); OL_NOT_FOUND; OL_CORRUPT; OL_DENIED, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status started_get(int dirfd, const char *name, struct started_doc *ret,
                                   struct ol_error *err);
void started_release(struct started_doc *doc);
#endif
