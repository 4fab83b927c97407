/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DECIDE_H
#define DECIDE_H
/** @file
 * A decision (approve, deploy): what it is about, its record in the runs folder (spec/RECEIPT.md,
 * R17), and its event. The record comes first: an event that nobody takes is trouble that is said,
 * a record that cannot be written means that nothing was decided. Threads: main.
 */
#include <openlineage/openlineage.h>
#include "dataset_name.h"
#include "json_write.h"
#include "receipt/decision.h"
#include "run_files.h"
#include "times.h"

#define DECIDE_INPUTS 8
#define DECIDE_VERSION (OL_DATASET_VERSION_SIZE)

/** One version of one dataset; or a run or a deployment, by its id. */
struct decide_subject {
    const char *kind; /**< "dataset", "run", "deployment"; static */
    char name_space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE];
    char version[DECIDE_VERSION]; /**< "": not known */
    char id[256];                 /**< of a run or deployment */
    char shown[256];              /**< what else to say of how it was found; "" */
    bool is_model;                /**< the dataset's type is told: MODEL */
};
/** What @p x is: a file or directory of this machine by its bytes, a name that carries a version,
 * or else what the store knows by that name, in the version that stands now. @p is_exact: without a
 * version it is refused. What is wrong is said.
 *  @return CLI_YES, CLI_NO (several, no version), CLI_USAGE, CLI_NOT_KNOWN. */
int decide_find(const char *verb, const char *x, bool is_exact, struct decide_subject *ret);
/** The SHA-256 of the file at @p path, its size; what is wrong is said. @return as above. */
int decide_hash(const char *verb, const char *path, char ret_sha256[OL_SHA256_TEXT + 1],
                int64_t *ret_size);

struct decide {
    const char *verb;      /**< "approve" */
    const char *kind;      /**< of the record: "approval", "deployment" */
    const char *job;       /**< of the event: "lineaged.approval" */
    const char *job_type;  /**< "APPROVAL" */
    const char *facet_key; /**< "lineaged_approval" */
    const char *schema;    /**< its schema's URL */
    const char *runs, *job_namespace;
    bool is_quiet;
    struct decide_subject inputs[DECIDE_INPUTS];
    size_t input_count;
    struct decide_subject output; /**< kind NULL: none */
    const char *model_version;    /**< NULL: none */
    /** Members of the facet into an open object. @p record NULL: in the record itself. */
    void (*write_facet)(const struct decide *d, struct ol__json_writer *w, const char *record,
                        const char *sha256);
    void *arg;
    int64_t at_ms;
    char run_id[OL_ID_SIZE], at[OL_TIME_TEXT + 1];
    /* what became of it */
    struct receipt_decision record;
    char record_sha256[OL_SHA256_TEXT + 1];
    bool is_emitted;
};
/** Give it its id and time: before anything of it is written. */
void decide_begin(struct decide *d);
/** Write the record, emit the event. What is wrong is said. @return CLI_YES, CLI_NO. */
int decide_record(struct decide *d);
/** "value", redacted, as a member; NULL or "": nothing. */
void decide_member(struct ol__json_writer *w, const char *key, const char *value);
/** What was written down, on standard output. @return CLI_YES, CLI_NO. */
int decide_print(const struct decide *d, bool is_json, const char *did);
/** approve --verify: the chain in the runs folder. @return CLI_YES, CLI_NO. */
int decide_verify(const char *runs, bool is_json);
#endif
