/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEP_H
#define STEP_H
/** @file
 * An attempt at a step, for every verb that makes one (run, start and finish, record, call): find
 * the run, take the attempt, write claim and receipt, say the ids in events and environment
 * (spec/RECEIPT.md). Trouble is said on standard error unless quiet, and nothing else becomes of it
 * (P6): every function may be called whatever came of those before it. Threads: main.
 *
 * In this order:
 *
 *     struct step step;
 *     step_find(&step, &options);                     // before the client: the run is its parent
 *     client = pipeline_open_client(...);
 *     run = step_begin(&step, client, &err);          // attempt taken; step.is_taken tells
 *     ... describe the run ...; pipeline_emit(run, OL_START, step.started_ms, is_quiet);
 *     step.parts[RECEIPT_MACHINE] = ...;              // what the claim is to say, too
 *     step_claim(&step, run);
 *     step_tell(&step, run);                          // the command's environment is ours
 *     ... the work; what it keeps goes into step.attempt.fd, whose path is step_directory() ...
 *     step.parts[RECEIPT_METRICS] = ...;
 *     step_end(&step, run, &result);                  // receipt.json: the run is as it will be
 * said pipeline_emit(run, OL_COMPLETE, step.finished_ms, is_quiet); ol_run_free(run);
 *     step_close(&step, is_success);                  // ends the run if step_begin() made it
 */
#include <openlineage/openlineage.h>
#include "receipt/record.h"

/** Zero it; `seq` -1 where the step has no number. All texts and lists are borrowed until
 * step_close(). */
struct step_options {
    const char *name; /**< of the step; NULL: no receipt, and most functions do nothing */
    const char *job;  /**< job name of the events */
    const char *job_namespace;
    const char *runs;     /**< --runs; NULL: R3 */
    const char *run_id;   /**< NULL: LINEAGE_RUN_ID, else a run is made */
    const char *pipeline; /**< job name of a run that is made; NULL: the folder's name */
    const char *task_id;  /**< NULL: the scheduler's */
    int64_t seq;          /**< below 0: none */
    int64_t attempt;      /**< 0: the next */
    int64_t started_ms;   /**< since 1970 UTC; 0: when step_begin() is called */
    char *const *argv;    /**< the command, NULL-terminated; redacted in the files */
    bool is_quiet;
    bool is_declared; /**< told afterwards, not observed */
    bool is_detached; /**< another process ends the attempt: no agent may infer its end */
    struct receipt_pairs parameters, tags, groups;
};
/** How it ended. Zero it. */
struct step_result {
    const char *status; /**< COMPLETE, FAIL, ABORT */
    int exit_code;
    int signal;             /**< that ended it; 0: none */
    int64_t finished_ms;    /**< since 1970 UTC; 0: when step_end() is called */
    const char *event_type; /**< of the event that ends the run; NULL: as `status` */
    const struct receipt_artifact *inputs, *outputs;
    size_t input_count, output_count;
};
struct step {
    struct step_options options;
    char *runs; /**< owned */
    struct receipt_folder folder;
    bool is_open;        /**< folder: a run that was begun before, or by us */
    bool is_made;        /**< by us: it ends with the attempt */
    struct ol_run *root; /**< of a run that we made; NULL: nothing is emitted */
    bool is_taken;       /**< attempt */
    struct receipt_attempt attempt;
    char root_id[OL_ID_SIZE];
    char task_id[256];                    /**< "": none is known */
    char *cwd;                            /**< owned */
    int64_t started_ms, started_us;       /**< the time of START, where there is one */
    int64_t finished_ms;                  /**< of the last event; 0 before step_end() */
    struct ol__span parts[RECEIPT_PARTS]; /**< set by others; borrowed until step_close() */
    struct ol__buf claim;                 /**< of an attempt that was reopened: its parts */
    struct ol__buf facets;                /**< what the event says that no member does */
};

/** Before the client is opened: find the run, and make it the parent of what is emitted, unless the
 * environment names another parent. */
void step_find(struct step *s, const struct step_options *options);
/** Take the attempt, beginning a run if there is none. @p client may be NULL. @return the run to
 * emit, owned; NULL: there is no client, or err says why. */
struct ol_run *step_begin(struct step *s, struct ol_client *client, struct ol_error *err);
/** As step_begin(), but nothing is made: which attempt it would be, and the run that would be
 * emitted. */
struct ol_run *step_foresee(struct step *s, struct ol_client *client, struct ol_error *err);
/** In the place of step_begin(): go on with attempt `options.attempt`, which another process began
 * with `is_detached`. `options.started_ms` is when. `parts` are those of its claim. @return as
 * step_begin(); is_taken tells whether the attempt is there. */
struct ol_run *step_reopen(struct step *s, struct ol_client *client, struct ol_error *err);
/** What the claim says, on one line. */
void step_write_claim(const struct step *s, const struct ol_run *run, struct ol__buf *out);
/** Write the claim, as START says it. @p run may be NULL. */
void step_claim(struct step *s, const struct ol_run *run);
/** Set LINEAGE_RUN_ID, LINEAGE_RUNS, LINEAGE_STEP, LINEAGE_ATTEMPT, LINEAGE_TASK_ID,
 * LINEAGE_ATTEMPT_DIR and the trace context in our environment, for the command; in a call without
 * an attempt the context alone. @p run may be NULL. */
void step_tell(const struct step *s, const struct ol_run *run);
/** Write the receipt, and say which outputs an earlier attempt wrote with other bytes. @p run may
 * be NULL. */
void step_end(struct step *s, const struct ol_run *run, const struct step_result *result);
/** After the attempt's last event: another attempt at the same step may be begun by step_begin().
 */
void step_again(struct step *s);
/** After the attempt's last event: end the run if step_begin() made it; release all. */
void step_close(struct step *s, bool is_success);
/** The attempt's folder, absolute, into @p out. @return false: none is taken, or it is too long. */
bool step_directory(const struct step *s, char *out, size_t size);
#endif
