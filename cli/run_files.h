/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_FILES_H
#define RUN_FILES_H
/** @file
 * What a wrapped command reads and writes, and the ids of those artifacts (artifact/artifact.h).
 * Threads: the list belongs to main, except between the start and the join of
 * run_files_hash_inputs(), when the inputs belong to that thread.
 */
#include <openlineage/openlineage.h>
#include "artifact/artifact.h"
#include "artifact/cache.h"
#include "cli.h"
#include "receipt/record.h"

#define RUN_FILES_MAX 10000
#define RUN_VERSION_SIZE (sizeof "sha256:" + OL_SHA256_TEXT)

enum run_side { RUN_INPUT, RUN_OUTPUT };
struct run_file {
    enum run_side side;
    const char *text;           /**< as given; borrowed from argv */
    struct ol_dataset *dataset; /**< borrowed from the run; NULL: refused */
    bool has_rows;              /**< `rows`, as the user says */
    int64_t rows;
    struct artifact artifact;
};
struct run_files {
    struct run_file *items; /**< owned */
    size_t count, cap;
    uint64_t hash_limit;      /**< bytes; 0: hash nothing */
    bool (*is_hurried)(void); /**< asked between blocks: true ends the hashing; NULL: never */
    enum artifact_caching caching;
    const char *runs; /**< the runs folder, which is part of no directory; NULL: none. Borrowed */
    /* its own */
    struct artifact_cache *cache; /**< owned; NULL: none, or not opened yet */
    struct artifact_progress progress;
    size_t members; /**< found so far */
};

/** @return OL_OK, OL_TOO_LARGE (RUN_FILES_MAX), OL_NOMEM. */
OL_NODISCARD ol_status run_files_add(struct run_files *files, enum run_side side, const char *text);
/** Tell the run about all of them; @p run may be NULL. */
void run_files_declare(struct run_files *files, struct ol_run *run);
/** Look at the inputs, and open the first of them, so that what is hashed is what was there before
 * the command. Before START. */
void run_files_open_inputs(struct run_files *files);
/** Whether there is anything for run_files_hash_inputs() to do. */
bool run_files_has_inputs(const struct run_files *files);
/** A thread's body: hash every input. @p files is a struct run_files. */
void *run_files_hash_inputs(void *files);
/** The command has ended: the terminal is ours, so that progress may be shown on it. */
void run_files_show_progress(struct run_files *files);
/** Look at the outputs and hash them; a declared file that is not there is said unless quiet, and
 * what else is to be said of inputs and outputs. */
void run_files_hash_outputs(struct run_files *files, bool is_quiet);
/** Put versions and ids into the datasets' facets. */
void run_files_set_versions(struct run_files *files);
/** What a receipt says of those on @p side; texts are borrowed from @p files. @p ret is owned:
 * free(). @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status run_files_list(const struct run_files *files, enum run_side side,
                                      struct receipt_artifact **ret, size_t *ret_count);
void run_files_release(struct run_files *files);
/** "64MiB", "0", "1000": bytes. */
bool run_files_parse_size(const char *text, uint64_t *ret);
/** The hash of the regular file at @p path, of at most @p limit bytes, as "sha256:HEX".
 * @return OL_OK; OL_END: no regular file, too large, or it changed meanwhile (promise 4 of run.c);
 * OL_NOT_FOUND, OL_NOMEM. */
OL_NODISCARD ol_status run_files_hash_path(const char *path, uint64_t limit,
                                           char out[RUN_VERSION_SIZE]);
#endif
