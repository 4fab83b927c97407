/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_EVENT_IMPL_H
#define OL_EVENT_IMPL_H
/** @file What the parts of the event reader share; for the event_*.c files only. */
#include "event_read.h"

/** Which top-level member the reader is in. */
enum section {
    SECTION_NONE,
    SECTION_RUN,
    SECTION_JOB,
    SECTION_DATASET,
    SECTION_INPUTS,
    SECTION_OUTPUTS
};

/** Bits of "seen" for duplicate detection and presence. */
enum {
    SEEN_EVENT_TIME = 1 << 0,
    SEEN_EVENT_TYPE = 1 << 1,
    SEEN_PRODUCER = 1 << 2,
    SEEN_SCHEMA_URL = 1 << 3,
    SEEN_RUN = 1 << 4,
    SEEN_JOB = 1 << 5,
    SEEN_DATASET = 1 << 6,
    SEEN_INPUTS = 1 << 7,
    SEEN_OUTPUTS = 1 << 8,
    /* inside run, job, dataset and elements: */
    SEEN_RUN_ID = 1 << 0,
    SEEN_NAMESPACE = 1 << 1,
    SEEN_NAME = 1 << 2,
    SEEN_FACETS = 1 << 3,
    SEEN_SIDE_FACETS = 1 << 4
};

struct chunk; /* of the arena */

struct ol__event_reader {
    struct ol__json_reader *json;
    struct ol__event event;
    /* owned arrays, reused from event to event */
    struct ol__event_dataset *datasets;
    struct ol__event_facet *facets;
    struct ol__event_fact *facts;
    size_t dataset_cap, facet_cap, fact_cap;
    struct chunk *chunks; /* decoded text; newest first */
    /* of the reading under way */
    struct ol__span text;
    struct ol__event_limits limits;
    enum ol__event_depth depth;
    int64_t now_ms;
    enum section section;
    uint32_t seen; /* at the top */
    uint32_t run_seen, job_seen, dataset_seen, element_seen;
    size_t base; /* depth of the members of the subject being read */
    size_t input_count, output_count;
    size_t element_dataset; /* index in datasets of the subject being read; ALL only */
    /* in a facets object, at depth base */
    bool in_facets;
    enum ol__entity entity;
    /* in one facet */
    bool is_walking; /* its fields are looked at */
    bool is_job_type;
    size_t facet;                          /* index in facets; ALL only */
    uint16_t nodes[OL_JSON_DEPTH_MAX + 2]; /* by depth */
    size_t recursion_depth;                /* depth of the first recursive step above; 0: none */
};

/** Make @p text last until the next event: borrowed if it lies in the event, else copied.
 *  @return OL_OK, OL_NOMEM. */
ol_status event_keep(struct ol__event_reader *r, struct ol__span text, struct ol__span *ret,
                     struct ol_error *err);
/** Note a looser-than-schema place; strict readers refuse here. @return OL_OK, OL_INVALID. */
ol_status event_warn(struct ol__event_reader *r, enum ol__event_warning warning,
                     const struct ol__json_value *at, const char *what, struct ol_error *err);
/** The same, at a place that has a fixed @p pointer. */
ol_status event_warn_at(struct ol__event_reader *r, enum ol__event_warning warning,
                        const char *pointer, const char *what, struct ol_error *err);
/** After the last byte: what is missing, and what is looser than the spec. @return OL_OK,
 * OL_INVALID. */
ol_status event_check(struct ol__event_reader *r, struct ol_error *err);
/** Grow an array of the reader to hold one more. @return OL_OK, OL_NOMEM, OL_TOO_LARGE. */
ol_status event_grow(void **items, size_t *cap, size_t count, size_t item_size, size_t max,
                     const char *what, struct ol_error *err);
/** A value inside a facets object: below depth r->base. */
ol_status event_facet_value(struct ol__event_reader *r, const struct ol__json_value *v,
                            struct ol_error *err);
/** Forget facets and facts of an entity, because its object is given again. @p dataset -1: run's,
 * job's. */
void event_drop_facets(struct ol__event_reader *r, enum ol__entity entity, int dataset);
#endif
