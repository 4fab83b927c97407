/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STATE_H
#define STORE_STATE_H
/** @file
 * What all events of one run (or the static events of one job or dataset) said, merged: facets,
 * edges, ids. In the database it is one column, `state`, of some ten bytes an entry; layout:
 * SCHEMA.md "State". Threads: one.
 */
#include "buf.h"

enum state_kind {
    STATE_RUN_FACET = 0,
    STATE_JOB_FACET = 1,
    STATE_INPUT_DATASET_FACET = 2,  /* a dataset facet, on the input side */
    STATE_OUTPUT_DATASET_FACET = 3, /* the same, on the output side */
    STATE_INPUT_FACET = 4,
    STATE_OUTPUT_FACET = 5,
    STATE_SUBJECT_FACET = 6, /* of a DatasetEvent */
    STATE_INPUT = 7,         /* object: dataset; key: version or 0; value 0 */
    STATE_OUTPUT = 8,
    STATE_VERSION = 9, /* of a DatasetEvent: object: dataset; key: version; value 0 */
    STATE_ID = 10, /* last: state_merge(). object: the key of the facet of the run or its job that
                      it came with, or 0: a tag of the job or of a dataset; key, value: texts */
    STATE_KIND_COUNT
};

#define STATE_ID_COMMIT "commit" /* keys of the ids of a run's code */
#define STATE_ID_CODE_TAG "code_tag"

struct state_entry {
    uint8_t kind;   /* enum state_kind */
    int64_t object; /* dataset id, or 0 */
    int64_t key;    /* text id of the facet's key */
    int64_t value;  /* facet id; 0: removed by _deleted */
    int64_t at;     /* event time in ms of the event that said so */
};
struct state {
    struct state_entry *entries; /* owned; sorted by kind, object, key (STATE_ID: value too) */
    size_t count, cap;
};

void state_release(struct state *state);
/** Append; sorting is the caller's. @return OL_OK or OL_NOMEM. */
OL_NODISCARD ol_status state_add(struct state *state, const struct state_entry *entry);
void state_sort(struct state *state);
/** @return OL_OK, OL_CORRUPT (the column is not what state_write() makes), OL_NOMEM. */
OL_NODISCARD ol_status state_read(struct state *state, struct ol__span column,
                                  struct ol_error *err);
/** @return out->status */
ol_status state_write(const struct state *state, struct ol__buf *out);
/** The entry with the same kind, object and key (STATE_ID: value), or NULL. @p state is sorted. */
const struct state_entry *state_find(const struct state *state, const struct state_entry *like);
/** Whether a later statement replaces an earlier one: a facet's does if it is not older. */
bool state_is_facet(uint8_t kind);
/** Merge sorted @p news into sorted @p old, giving @p ret (emptied first): OPENLINEAGE "Merging".
 *  1. A facet replaces the one of its kind, object and key unless it is older.
 *  2. Edges accumulate; an edge without version gives way to one with a version.
 *  3. The ids that a facet of the run or its job carried go when another takes its place; those of
 * object 0 (tags of the job and of datasets) stay: who finds a run by them looks at its facets.
 *  The result does not depend on the order in which events of different times come. */
OL_NODISCARD ol_status state_merge(const struct state *old, const struct state *news,
                                   struct state *ret);
#endif
