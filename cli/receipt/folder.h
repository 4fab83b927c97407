/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_FOLDER_H
#define RECEIPT_FOLDER_H
/** @file
 * The folder of a run and what every file in it has in common (spec/RECEIPT.md, R1 to R5). Threads:
 * one per folder object; any number of processes share the folder itself. Blocks on the file
 * system.
 */
#include "files.h"
#include "hash.h"
#include "json_doc.h"

#define RECEIPT_RUN_ID_SIZE 54 /**< "2026-02-04T18-41-12Z_", 32 hexadecimal digits, NUL */
#define RECEIPT_STEP_MAX 128   /**< bytes of a step's name */
#define RECEIPT_FILE_MAX ((size_t)64 << 20)
#define RECEIPT_SEAL_MAX (RECEIPT_FILE_MAX * 16) /**< a seal names every file of its run */
#define RECEIPT_SCHEMA(name)                                                                       \
    "https://raw.githubusercontent.com/lineaged/lineaged/v0.1.0/spec/schemas/" name "-1-0-0.json"

/** U+FFFD, which stands in JSON for bytes that are no UTF-8: what they were is not known. */
#define RECEIPT_BAD_BYTES "\xEF\xBF\xBD"

struct receipt_folder {
    char *runs; /**< owned; absolute path of the runs folder */
    char run_id[RECEIPT_RUN_ID_SIZE];
    int fd; /**< of runs/RUN_ID */
};

/** R3. @param option --runs, or NULL. @return OL_OK: *ret is owned, absolute, maybe not there yet;
 * OL_INVALID; OL_NOMEM; OL_IO. */
OL_NODISCARD ol_status receipt_find_runs(const char *option, char **ret, struct ol_error *err);
/** R1. */
void receipt_make_run_id(char out[RECEIPT_RUN_ID_SIZE]);
bool receipt_is_run_id(const char *text);
/** R4. @return NULL, or what is wrong with it: static text. */
const char *receipt_step_problem(const char *step);

/** Make runs/RUN_ID with its steps folder. Nothing is a run before its manifest is there:
 * receipt_put(). @p runs is copied. @return OL_OK, OL_DENIED, OL_FULL, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status receipt_folder_make(const char *runs, const char *run_id,
                                           struct receipt_folder *ret, struct ol_error *err);
/** Open a run's folder, whatever is in it. @return OL_OK; OL_NOT_FOUND; OL_INVALID: no run_id;
 * OL_DENIED; OL_IO; OL_NOMEM. */
OL_NODISCARD ol_status receipt_folder_open(const char *runs, const char *run_id,
                                           struct receipt_folder *ret, struct ol_error *err);
/** Whether the run has ended: nothing may be written into it any more (R14). */
bool receipt_is_sealed(const struct receipt_folder *folder);
/** Accepts what was not opened. */
void receipt_folder_close(struct receipt_folder *folder);

/** R5: put a whole file in its place through any crash. @return as ol__fs_replace(). */
OL_NODISCARD ol_status receipt_put(int dirfd, const char *name, struct ol__span bytes,
                                   struct ol_error *err);
/** The file's bytes, at most RECEIPT_FILE_MAX, added to @p out, and their hash (may be NULL).
 * @return as ol__fs_read_file(). */
OL_NODISCARD ol_status receipt_get(int dirfd, const char *path, struct ol__buf *out,
                                   char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err);
/** The file, of at most @p max bytes, as a document. @return OL_OK: end it with json_doc_release();
 * OL_INVALID: no JSON; as receipt_get(). */
OL_NODISCARD ol_status receipt_get_doc(int dirfd, const char *path, size_t max,
                                       struct json_doc *ret, struct ol_error *err);
/** @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status receipt_hash(struct ol__span bytes, char out[OL_SHA256_TEXT + 1],
                                    struct ol_error *err);
/** Make @p out the text of the file @p name, of JSON that is on one line; and its hash.
 * @return OL_OK; OL_TOO_LARGE, OL_NOMEM: of @p line, too. */
OL_NODISCARD ol_status receipt_print(const struct ol__buf *line, const char *name,
                                     struct ol__buf *out, char ret_sha256[OL_SHA256_TEXT + 1],
                                     struct ol_error *err);
/** JSON that is on one line, two spaces a level, a newline at the end. @p json is valid. */
void receipt_indent(struct ol__span json, struct ol__buf *out);
#endif
