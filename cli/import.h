/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMPORT_H
#define IMPORT_H
/** @file What the readers of `lineage import` share. Threads: main only. */
#include "event_sink.h"

/** What came of one PATH. */
struct import_result {
    const char *kind; /**< static: "events", "runs", "run", "ML Metadata" */
    uint64_t events;  /**< handed over */
    uint64_t bad;     /**< lines that are no events; runs that are not as they were sealed; rows */
    uint64_t runs, attempts;
};
struct import {
    struct place *place;
    struct event_sink *sink; /**< NULL: nothing is handed over (--dry-run) */
    bool is_forced, is_quiet;
    struct import_result result; /**< of the PATH under way */
};

/** Hand one event over. @return as event_sink_add(). */
OL_NODISCARD ol_status import_event(struct import *im, struct ol__span event, uint64_t number,
                                    struct ol_error *err);
/** Something is wrong with what is read; the first ones are said. */
void import_say(struct import *im, const char *format, ...) OL_PRINTF(2, 3);

/** OpenLineage JSON lines, gzip too. @return OL_OK, also with bad lines; as event_sink_add();
 * OL_NOT_FOUND, OL_DENIED, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status import_lines(struct import *im, const char *path, bool is_gzip,
                                    struct ol_error *err);
/** A folder of runs, or (@p is_one) the folder of one. @return as above. */
OL_NODISCARD ol_status import_runs(struct import *im, const char *path, bool is_one,
                                   struct ol_error *err);
/** Approvals and deployments of a runs folder (spec/RECEIPT.md, R17). @return as above. */
OL_NODISCARD ol_status import_decisions(struct import *im, const char *runs, struct ol_error *err);
/** The SQLite file of ML Metadata. @return as above; OL_CORRUPT: it is none, or damaged, or of a
 * schema that is not known; OL_BUSY. */
OL_NODISCARD ol_status import_mlmd(struct import *im, const char *path, struct ol_error *err);
#endif
