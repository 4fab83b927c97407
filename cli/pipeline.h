/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIPELINE_H
#define PIPELINE_H
/** @file
 * The run as a whole: its folder and manifest, its events, its end (spec/RECEIPT.md R1, R2, R14).
 * Threads: main.
 */
#include <openlineage/openlineage.h>
#include "run_files.h"

struct pipeline_options {
    const char *runs; /**< absolute path of the runs folder */
    const char *job_namespace;
    const char *name; /**< job name; NULL: the name of the folder that the runs folder stands in */
    bool is_quiet;
    bool is_detached; /**< another process ends it */
    struct receipt_pairs parameters, tags, groups;
    struct run_files *inputs; /**< what it starts from; NULL: nothing. Hashed by pipeline_begin() */
    const char *const *input_names; /**< of each of them: receipt_step_problem() has none */
};

/** How a client is opened. */
struct pipeline_client {
    const char *job_namespace;
    const bool *is_quiet;
    bool is_offline;         /**< the journal alone, whatever is configured */
    bool is_shown;           /**< events go to standard output only */
    int64_t emit_timeout_ms; /**< 0: as configured */
    bool has_failed;         /**< set: there is none, and not since lineage is disabled */
};
/** Client for what `lineage` itself emits; NULL after saying why, unless quiet. */
struct ol_client *pipeline_open_client_as(struct pipeline_client *how);
/** The same as configured. */
struct ol_client *pipeline_open_client(const char *job_namespace, const bool *is_quiet);
/** Hand an event over, saying what is wrong with it, unless quiet. @p time_ms since 1970 UTC; 0:
 * now. @p run NULL: nothing is emitted. */
void pipeline_emit(struct ol_run *run, enum ol_event event, int64_t time_ms, bool is_quiet);
/** Make the folder, hash the inputs and write them down, emit START, write the manifest. @p client
 * NULL: nothing is emitted.
 *  @param ret_root  owned; NULL where nothing is emitted.
 *  @return as receipt_folder_make() and receipt_put(). */
OL_NODISCARD ol_status pipeline_begin(const struct pipeline_options *options,
                                      struct ol_client *client, struct receipt_folder *ret,
                                      struct ol_run **ret_root, struct ol_error *err);
/** Make the run the parent of what a client that is opened from now on emits, unless the
 * environment names another one. @return OL_OK, OL_NOMEM, OL_CORRUPT (manifest.json says no job),
 * OL_IO. */
OL_NODISCARD ol_status pipeline_be_child_of(const struct receipt_folder *folder,
                                            struct ol_error *err);
/** Where the environment names the run itself as parent, as it does for its steps: name what stood
 * above the run when it was begun, if anything did. */
void pipeline_step_out(const struct receipt_folder *folder);
/** The root run of a run that was begun elsewhere, to be ended here. @return NULL: none, err says
 * why. Owned. */
struct ol_run *pipeline_root(const struct receipt_folder *folder, struct ol_client *client,
                             struct ol_error *err);
/** Open a run that was begun before and has not ended. @p run_id "last": the newest such in the
 * folder. @return OL_OK: receipt_folder_close(); OL_NOT_FOUND; OL_BUSY: it has ended; OL_INVALID;
 * OL_CORRUPT: it has no manifest; as receipt_folder_open(). */
OL_NODISCARD ol_status pipeline_resume(const char *runs, const char *run_id,
                                       struct receipt_folder *ret, struct ol_error *err);
/** Seal the folder and emit @p event for @p root, which may be NULL. @return as receipt_seal(). */
OL_NODISCARD ol_status pipeline_end(const struct receipt_folder *folder, struct ol_run *root,
                                    enum ol_event event, bool is_quiet, struct ol_error *err);
#endif
