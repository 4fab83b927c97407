/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_FILES_H
#define RUN_FILES_H
/** @file
 * What a wrapped command reads and writes, and the versions (SHA-256) of those that are files.
 * Threads: the list belongs to main, except between the start and the join of
 * run_files_hash_inputs(), when descriptors and versions of the inputs belong to that thread.
 */
#include <sys/stat.h>
#include <openlineage/openlineage.h>
#include "cli.h"
#include "hash.h"
#include "receipt/record.h"

#define RUN_FILES_MAX 10000
#define RUN_VERSION_SIZE (sizeof "sha256:" + OL_SHA256_TEXT)

enum run_side { RUN_INPUT, RUN_OUTPUT };
struct run_file {
    enum run_side side;
    const char *text; /**< as given; borrowed from argv */
    char *path;       /**< owned; NULL: no file of this machine, or its version was given */
    struct ol_dataset *dataset; /**< borrowed from the run; NULL: refused */
    int fd;                     /**< of an open input; -1: none */
    bool was_there;             /**< an input that was a regular file, as `before` says */
    struct stat before;
    char version[RUN_VERSION_SIZE]; /**< "" none */
    int64_t size;       /**< bytes when it was hashed, or found too large; below 0: not known */
    const char *reason; /**< why it has no version; static text */
};
struct run_files {
    struct run_file *items; /**< owned */
    size_t count, cap;
    uint64_t hash_limit;      /**< bytes; 0: hash nothing */
    bool (*is_hurried)(void); /**< asked between blocks: true ends the hashing; NULL: never */
};

/** @return OL_OK, OL_TOO_LARGE (RUN_FILES_MAX), OL_NOMEM. */
OL_NODISCARD ol_status run_files_add(struct run_files *files, enum run_side side, const char *text);
/** Tell the run about all of them. */
void run_files_declare(struct run_files *files, struct ol_run *run);
/** Look at inputs that are regular files, and open the first of them, so that what is hashed is
 * what was there before the command. Before START. */
void run_files_open_inputs(struct run_files *files);
/** Whether there is anything for run_files_hash_inputs() to do. */
bool run_files_has_inputs(const struct run_files *files);
/** A thread's body: hash every input. @p files is a struct run_files. */
void *run_files_hash_inputs(void *files);
/** Hash outputs that are regular files; a declared file that is not there is said unless quiet. */
void run_files_hash_outputs(struct run_files *files, bool is_quiet);
/** Put the versions into the datasets' version facets. */
void run_files_set_versions(struct run_files *files);
/** What a receipt says of those on @p side; texts are borrowed from @p files. @p ret is owned:
 * free(). @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status run_files_list(const struct run_files *files, enum run_side side,
                                      struct receipt_artifact **ret, size_t *ret_count);
void run_files_release(struct run_files *files);
/** "64MiB", "0", "1000": bytes. */
bool run_files_parse_size(const char *text, uint64_t *ret);
/** Hash the regular file at @p path, up to @p limit bytes, into "sha256:HEX". @return OL_OK;
 * OL_END: no regular file, too large, or it changed meanwhile (promise 4 of run.c); OL_NOT_FOUND,
 * OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status run_files_hash_path(const char *path, uint64_t limit,
                                           char out[RUN_VERSION_SIZE]);
#endif
