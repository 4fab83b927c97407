/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H
/** @file `check`: ask_check.c goes over runs and their times and inputs, check_facets.c looks into
 * what they told. Threads: one. */
#include "graph.h"

#define CHECK_FACETS 4096 /* slots: facets that were found right in this question */

struct check {
    struct ask *ask;
    int64_t now, deadline;      /* wall clock; monotonic */
    int64_t tolerance, open_ms; /* ms */
    size_t findings, errors;
    size_t runs;                                  /* looked at */
    int64_t key_schema, key_step, key_assertions; /* texts; 0: nobody ever used them */
    int64_t *steps;                               /* owned; runs that are attempts at a step */
    size_t step_count;
    int64_t right[CHECK_FACETS]; /* ids of facets, by their low bits */
};

/** Begin a finding about a run: its members kind, severity and object are there. End it with
 * check_end(). */
OL_NODISCARD ol_status check_begin(struct check *c, const char *kind, bool is_error,
                                   const struct ask_run *run);
/** Member "dataset", inside a finding. */
OL_NODISCARD ol_status check_dataset(struct check *c, int64_t dataset, int64_t version);
/** Members what and since (0: none), and its end. */
void check_end(struct check *c, int64_t since, const char *format, ...) OL_PRINTF(3, 4);

/** Facets of the run against what is known of their schemas, and fields of what it wrote against
 * what was there before. @p state is the run's. */
OL_NODISCARD ol_status check_facets(struct check *c, const struct ask_run *run,
                                    const struct state *state);
/** Checks that failed of a dataset, by those who read it: no part of what made it. */
OL_NODISCARD ol_status check_readers(struct check *c, int64_t dataset, int64_t version);
#endif
