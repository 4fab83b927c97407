/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_EVENT_READ_H
#define OL_EVENT_READ_H
/** @file
 * Read one OpenLineage event over borrowed bytes: what the door checks (DESIGN 8), the lane it
 * travels in, and, when asked, every dataset, facet and known fact for the store. The bytes are
 * never changed. Accepts any spec version, unknown keys, any facet. Threads: one at a time per
 * reader.
 */
#include "entity.h"
#include "facet_info.h"
#include "ids.h"
#include "json_read.h"

enum ol__event_kind { OL_EVENT_RUN, OL_EVENT_JOB, OL_EVENT_DATASET };

enum ol__event_type {
    OL_TYPE_ABSENT, /**< legal; Marquez answers it with 500 */
    OL_TYPE_START,
    OL_TYPE_RUNNING,
    OL_TYPE_OTHER,
    OL_TYPE_COMPLETE,
    OL_TYPE_FAIL,
    OL_TYPE_ABORT,
    OL_TYPE_UNKNOWN /**< any other text: taken, warned */
};

/** Looser than the schema, yet taken (unless `validation: strict`); bits of struct
 * ol__event.warnings. */
enum ol__event_warning {
    OL_WARN_NO_SCHEMA_URL = 1 << 0,
    OL_WARN_RUN_ID_NO_UUID = 1 << 1,
    OL_WARN_TIME_NO_ZONE = 1 << 2,
    OL_WARN_TIME_INVALID = 1 << 3,
    OL_WARN_TIME_FUTURE = 1 << 4,   /**< more than 5 minutes ahead of the clock */
    OL_WARN_URI = 1 << 5,           /**< producer or schemaURL is no absolute URI */
    OL_WARN_DUPLICATE_KEY = 1 << 6, /**< a core key given twice; the last counts */
    OL_WARN_EVENT_TYPE = 1 << 7,
    OL_WARN_FACET = 1 << 8, /**< a facet is no object, or a known field has another type */
    OL_WARN_NUL = 1 << 9,   /**< \u0000 in some text (PostgreSQL refuses it) */
    OL_WARN_NULL = 1 << 10, /**< an optional core field is null: taken as absent */
    OL_WARN_NAME = 1 << 11, /**< a namespace or name is empty, or missing from an input, an output
                               or a dataset beside a run */
    OL_WARN_KIND = 1 << 12  /**< job and dataset without run: taken as a DatasetEvent */
};
#define OL_WARN_COUNT 13
/** "no_schema_url"...; static; @p bit is one of enum ol__event_warning, else "?". */
const char *ol__event_warning_name(uint32_t bit);

/** The key that events are kept in order by: run id, else job, else dataset (DESIGN 6). */
enum ol__lane_kind { OL_LANE_RUN_UUID = 1, OL_LANE_RUN_TEXT, OL_LANE_JOB, OL_LANE_DATASET };

struct ol__event_facet {
    enum ol__entity entity;
    int dataset;          /**< index in datasets; -1: run's or job's */
    struct ol__span key;  /**< decoded */
    enum ol__facet_id id; /**< OL_FACET_UNKNOWN if not in the table for this entity */
    struct ol__span json; /**< the facet's value as it stands in the text */
};
/** A scalar of a known facet, e.g. tags/1/value; null is none. The members of a recursive struct
 * count only at its first level (a column's name, not its sub-columns'): read the rest from the
 * facet's json. */
struct ol__event_fact {
    int facet; /**< index in facets */
    enum ol__field_id field;
    int index; /**< element of the outermost array on its path; -1: none */
    struct ol__span
        map_key; /**< name in the outermost map on its path, e.g. a column; empty: none */
    enum ol__json_type type;
    struct ol__span text; /**< STRING: decoded; NUMBER: as written; BOOL: "true" or "false" */
};
struct ol__event_dataset {
    enum ol__entity side; /**< INPUT, OUTPUT; DATASET: the top-level dataset, subject of a
                             DatasetEvent (a RunEvent may carry one too) */
    struct ol__span name_space, name;
};

struct ol__event {
    enum ol__event_kind kind;
    enum ol__event_type type;
    uint32_t warnings; /**< enum ol__event_warning */
    int64_t time_ms;   /**< eventTime; INT64_MIN if it is no time */
    struct ol__span producer, schema_url, event_time, event_type;
    struct ol__span run_id; /**< as written; empty: none */
    struct ol__span job_namespace, job_name, dataset_namespace, dataset_name;
    struct ol__span
        processing_type; /**< jobType facet's processingType: STREAMING, SERVICE, BATCH.. */
    /* Only with OL_EVENT_ALL. A facet key given twice stands here twice; the later counts. */
    const struct ol__event_dataset *datasets;
    size_t dataset_count;
    const struct ol__event_facet *facets;
    size_t facet_count;
    const struct ol__event_fact *facts;
    size_t fact_count;
};

/** CORE looks into facets only for jobType, and, if strict, for types; so OL_WARN_FACET of a
 * field's type shows with ALL or strict only. */
enum ol__event_depth { OL_EVENT_CORE, OL_EVENT_ALL };
/** Facets and facts that one event may have; past them OL_TOO_LARGE. */
#define OL_EVENT_FACET_MAX 200000
#define OL_EVENT_FACT_MAX 1000000

struct ol__event_limits {
    size_t size_max;    /**< 0: 16 MiB */
    size_t depth_max;   /**< 0: OL_JSON_DEPTH_MAX */
    size_t dataset_max; /**< datasets in one event; 0: 100,000 */
    bool is_strict;     /**< warnings refuse (all but TIME_FUTURE) */
};

struct ol__event_reader; /* opaque */
OL_NODISCARD ol_status ol__event_reader_new(struct ol__event_reader **ret, struct ol_error *err);
void ol__event_reader_free(struct ol__event_reader *reader);

/** Read @p text. Kind by presence: run, else dataset, else job; null counts as absent. @param
 * now_ms  for TIME_FUTURE; below 0: not checked.
 *  @param ret  Borrowed until the next call on this reader; its spans until @p text goes as well.
 *  @return OL_OK; OL_INVALID: err says JSON pointer, reason and what was expected (DESIGN 8: not
 * JSON, not an object, a core field missing or of a wrong type); OL_TOO_LARGE; OL_NOMEM. */
OL_NODISCARD ol_status ol__event_read(struct ol__event_reader *reader, struct ol__span text,
                                      enum ol__event_depth depth,
                                      const struct ol__event_limits *limits, int64_t now_ms,
                                      const struct ol__event **ret, struct ol_error *err);

/** 16 bytes that name the lane: the UUID itself for a canonical run id, else the first 16 bytes of
 * the UUIDv5 of the key text (ol__event_lane_text) in our own name space, OL_LANE_NAME_SPACE; a key
 * text past 2,048 bytes is folded piece by piece. Equal keys, equal bytes. */
enum ol__lane_kind ol__event_lane(const struct ol__event *event, uint8_t out[16]);
/** The lane key as text, e.g. for Kafka: the run id as written; `job:NAMESPACE/NAME`;
 * `dataset:...`. */
ol_status ol__event_lane_text(const struct ol__event *event, struct ol__buf *out);
/** "START"...; "" for ABSENT. */
const char *ol__event_type_name(enum ol__event_type type);
bool ol__event_is_terminal(enum ol__event_type type);
#endif
