/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_TOLD_H
#define RUN_TOLD_H
/** @file
 * What the user tells of a run on its command line: metrics, rows, and parameters, tags and groups
 * as events have them, redacted. Threads: main.
 */
#include "run_files.h"
#include "receipt/record.h"

#define RUN_METRICS_MAX 1000
#define RUN_ROWS_MAX 1000

struct run_metric {
    const char *name; /**< borrowed from argv */
    double value;
    int64_t step; /**< below 0: none */
};
struct run_rows {
    const char *dataset; /**< as -i or -o has it; borrowed from argv */
    int64_t count;
};
struct run_told {
    struct run_metric *metrics; /**< owned */
    size_t metric_count;
    struct run_rows *rows; /**< owned */
    size_t rows_count;
    struct ol__buf json;
};

/** Add "NAME=VALUE[@STEP]", which is split in place. @return NULL, or what is wrong: static text.
 */
const char *run_told_add_metric(struct run_told *told, char *text);
/** Add "DATASET=N", split in place. @return as above. */
const char *run_told_add_rows(struct run_told *told, char *text);
/** The first of the rows whose dataset is none of @p files; NULL: all are. */
const char *run_told_find_stranger(const struct run_told *told, const struct run_files *files);
/** Tell @p run, which may be NULL and whose datasets are declared, and @p files: facet
 * lineaged_metrics, input and output statistics.
 */
void run_told_describe(struct run_told *told, struct run_files *files, struct ol_run *run);
/** The receipt's part `metrics`; empty if there are none. Borrowed until release. */
struct ol__span run_told_metrics(struct run_told *told);
void run_told_release(struct run_told *told);

/** A part of a receipt, made of redacted texts, as a facet that has it as its one member. */
void run_part_describe(struct ol_run *run, const char *facet, const char *schema_url,
                       const char *member, struct ol__span part);
/** Where the schema of a run facet of ours stands. */
#define RUN_FACET_SCHEMA(name) RECEIPT_SCHEMA(name) "#/$defs/" name
/** Parameters as executionParameters, tags and groups as tags. */
void run_pairs_describe(struct receipt_pairs parameters, struct receipt_pairs tags,
                        struct receipt_pairs groups, struct ol_run *run);
#endif
