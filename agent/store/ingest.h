/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_INGEST_H
#define STORE_INGEST_H
/** @file How one event becomes rows: ingest.c merges, ingest_gather.c collects what the event says.
 */
#include "db.h"

/** What one event says, as ids. Scratch: kept between events to spare allocations. */
struct gather {
    struct state old, news, merged;
    struct ol__buf column; /* the state column being written */
    struct ol__buf text;   /* small texts put together */
    int64_t *dataset_ids;  /* by index in event->datasets */
    int64_t *version_ids;
    size_t dataset_cap;
    struct gather_facet {
        int64_t key; /* text id */
        bool is_new; /* its facts count: not said before, and not older than what was */
    } * facets;      /* by index in event->facets */
    size_t facet_cap;
    bool has_answer; /* the event holds an answer, whose facets are not the run's */
    /* From facts that count; empty: not said. Borrowed from the event. */
    struct ol__span parent_run, parent_namespace, parent_name;
    struct ol__span root_run, root_namespace, root_name;
    struct ol__span error, engine_name, engine_version, processing_type;
};

/** Where an event's time is not one, the time it was taken. */
static inline int64_t gather_time(const struct ol__event *event, const struct store_event *taken)
{
    return event->time_ms == INT64_MIN ? taken->taken_ms : event->time_ms;
}

/** Fill store->gather from @p event: `news` sorted; dictionaries grow. `old` must be set.
 *  @return OL_OK, or the store's failure (roll back). */
OL_NODISCARD ol_status gather_event(struct store *store, const struct ol__event *event, int64_t at,
                                    struct ol_error *err);
OL_NODISCARD ol_status gather_new(struct store *store, struct ol_error *err);
#endif
