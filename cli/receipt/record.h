/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_RECORD_H
#define RECEIPT_RECORD_H
/** @file
 * What stands in manifest.json, claim.json, receipt.json and seal.json (spec/RECEIPT.md; JSON
 * Schemas in spec/schemas/). All texts are borrowed; NULL is absent. Threads: plain functions.
 */
#include "attempt.h"

struct receipt_pair {
    const char *key, *value;
};
struct receipt_pairs {
    const struct receipt_pair *items;
    size_t count;
};
struct receipt_artifact {
    const char *path; /**< as given */
    const char *name_space, *name;
    const char *sha256;  /**< hexadecimal */
    const char *version; /**< of what is known by another version than its hash */
    int64_t size;        /**< bytes; below 0: not known */
    bool has_rows;       /**< `rows`: of it that were read or written, as somebody said */
    int64_t rows;
    const char *media_type;
    const char *kind;           /**< file, remote... (R10) */
    const char *basis;          /**< computed, declared, unknown */
    const char *reason;         /**< why it is unknown */
    int64_t member_count;       /**< below 1, without members_sha256: it has none */
    struct ol__span members;    /**< their text, which is kept in objects/ */
    const char *members_sha256; /**< of that text; NULL: it is not kept */
};
/** The path as receipts say it: of what is elsewhere without credentials and other secrets (R12).
 */
void receipt_shown_path(const struct receipt_artifact *a, struct ol__buf *out);
struct receipt_conflict {
    const char *path;
    int64_t attempt;
    const char *sha256, *was;
    char *member;         /**< owned: the first member that differs; NULL: not known */
    int64_t member_count; /**< how many differ */
};
struct receipt_origin {
    const char *run_id, *root_run_id, *parent_run_id, *job_namespace, *job_name;
    const char *event_type; /**< of the last event; NULL: there was none yet */
};

struct ol__json_writer;
/** One element of `inputs` or `outputs`. */
void receipt_write_artifact(struct ol__json_writer *w, const struct receipt_artifact *artifact);

/** What the run as a whole starts from: inputs/NAME.json. */
struct receipt_input {
    const char *run_id, *name;
    const struct receipt_artifact *artifact;
};
void receipt_write_input(const struct receipt_input *input, struct ol__buf *out);
/** Where one of them stands, and the hash of that file. */
struct receipt_input_file {
    char path[RECEIPT_PATH_SIZE]; /**< "inputs/NAME.json" */
    char sha256[OL_SHA256_TEXT + 1];
};
struct receipt_manifest {
    const char *run_id, *created_at, *pipeline;
    const struct receipt_input_file *inputs;
    size_t input_count;
    struct receipt_pairs parameters, tags, groups;
    struct ol__span facets; /**< facets_write()'s; size 0: absent */
    struct receipt_origin openlineage;
};
void receipt_write_manifest(const struct receipt_manifest *manifest, struct ol__buf *out);

/** Members that are made elsewhere, each one JSON value on one line; in the order in which they
 * stand. Claim and receipt have those that are set. */
enum receipt_part {
    RECEIPT_METRICS,         /**< array: name, value, step, split */
    RECEIPT_ENVIRONMENT,     /**< object of texts: variables that were asked for, redacted */
    RECEIPT_CODE,            /**< object: commit, branch, dirty... */
    RECEIPT_MACHINE,         /**< object */
    RECEIPT_CONTAINER,       /**< object */
    RECEIPT_SCHEDULER,       /**< object */
    RECEIPT_TOOLS,           /**< object: what MLflow, Feast, lakeFS, DVC call the run */
    RECEIPT_DVC,             /**< object: data by DVC's hashes */
    RECEIPT_REPRODUCIBILITY, /**< object: seeds, flags, versions */
    RECEIPT_STREAMS,         /**< object: stdin, stdout, stderr that are files */
    RECEIPT_GATES,           /**< array: command, verdict, exit status... */
    RECEIPT_CALLS,           /**< array: AI calls */
    RECEIPT_KEPT,            /**< array: path, sha256, size of what stands in objects/ (R11) */
    RECEIPT_FACETS,          /**< object: what events say beyond the other members */
    RECEIPT_PARTS
};
/** The member's key; static text. */
const char *receipt_part_name(enum receipt_part part);

struct receipt {
    const struct receipt_attempt *attempt;
    bool is_declared; /**< told afterwards, not observed */
    const char *task_id;
    const char *status; /**< COMPLETE, FAIL, ABORT */
    const char *started_at, *finished_at;
    int64_t duration_ms;
    int exit_code;      /**< when signal is NULL */
    const char *signal; /**< "SIGTERM" */
    char *const *argv;  /**< NULL-terminated, redacted here; NULL: not told */
    const char *cwd;
    const struct receipt_artifact *inputs, *outputs;
    size_t input_count, output_count;
    const struct receipt_conflict *conflicts;
    size_t conflict_count;
    struct receipt_pairs parameters, tags, groups;
    struct ol__span parts[RECEIPT_PARTS]; /**< size 0: absent */
    struct receipt_origin openlineage;
};
/** @param choice NULL: the claim. */
void receipt_write(const struct receipt *receipt, const struct receipt_choice *choice,
                   struct ol__buf *out);

/** Media type by the name's ending; NULL: not known. Static text. */
const char *receipt_media_type(const char *path);
#endif
