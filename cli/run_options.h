/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_OPTIONS_H
#define RUN_OPTIONS_H
/** @file The command line of `lineage run` (lineage(1)). Threads: main. */
#include "receipt/record.h"
#include "run_environment.h"
#include "run_facet.h"
#include "run_files.h"
#include "run_gate.h"
#include "run_keep.h"
#include "run_told.h"

#define RUN_PAIRS_MAX 1000
#define RUN_OK_CODES_MAX 255

struct run_pairs {
    struct receipt_pair *items; /**< owned; texts borrowed from argv */
    size_t count, cap;
};
struct run_options {
    const char *job;
    const char *job_namespace;
    const char *id, *system; /**< another system's id for the run; NULL: a new one */
    const char *derive_id;   /**< the same key gives the same run of a job; NULL: none */
    const char *image;       /**< REF@ALGORITHM:HEX; NULL: not said */
    unsigned collects;       /**< what is found without asking (collect_run.h) */
    bool is_collect_given;   /**< --collect; else it follows from the other options */
    bool has_git;            /**< --git: whether files differ from the commit, too */
    const char *log;         /**< file for lines of JSON; NULL: none */
    struct run_files files;
    bool is_quiet;
    /* receipts */
    const char *step; /**< NULL: none is written */
    const char *runs, *pipeline, *task_id;
    int64_t seq;     /**< below 0: none */
    int64_t attempt; /**< 0: the next */
    struct run_pairs parameters, tags, groups;
    struct run_told told;
    struct run_facets facets;
    struct run_environment environment;
    struct run_keep keep;
    struct run_gates gates;
    struct ol__buf container;              /**< what --image says, as JSON */
    int64_t heartbeat_ms, emit_timeout_ms; /**< 0: none, as configured */
    bool has_no_argv;                      /**< the receipt does not tell the command line */
    bool is_offline, is_dry, is_strict, aborts_on_signal;
    bool is_ok[RUN_OK_CODES_MAX + 1]; /**< by exit status */
    bool if_needed;                   /**< not where the step's winner did the same */
    bool is_done;                     /**< so it is: set by run.c */
};

/** Read the options; @p argv is changed (a NUL takes the place of each '=' of a pair). @return 0:
 * the command is at argv[optind]; below 0: help was printed; else what to exit with, said. */
int run_options_parse(int argc, char **argv, struct run_options *o);
void run_options_release(struct run_options *o);
/** Add "KEY=VALUE", which is split in place. @return NULL, or what is wrong with it: static text.
 */
const char *run_pairs_add(struct run_pairs *pairs, char *text);
#endif
