/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: equal lane keys give equal bytes in every version of this program: neither the name
 * space (spec/facts/core.toml) nor the text of a key ever changes. */
#include "event_read.h"

static const char *const type_names[] = {
    [OL_TYPE_ABSENT] = "",     [OL_TYPE_START] = "START",       [OL_TYPE_RUNNING] = "RUNNING",
    [OL_TYPE_OTHER] = "OTHER", [OL_TYPE_COMPLETE] = "COMPLETE", [OL_TYPE_FAIL] = "FAIL",
    [OL_TYPE_ABORT] = "ABORT", [OL_TYPE_UNKNOWN] = "?",
};

const char *ol__event_type_name(enum ol__event_type type)
{
    return (size_t)type < OL_COUNT(type_names) ? type_names[type] : "?";
}

bool ol__event_is_terminal(enum ol__event_type type)
{
    return type == OL_TYPE_COMPLETE || type == OL_TYPE_FAIL || type == OL_TYPE_ABORT;
}

const char *ol__event_warning_name(uint32_t bit)
{
    static const char *const names[OL_WARN_COUNT] = {
        "no_schema_url", "run_id_no_uuid", "time_no_zone", "time_invalid", "time_future",
        "uri",           "duplicate_key",  "event_type",   "facet",        "nul",
        "null",          "name",           "kind"};
    for (int i = 0; i < OL_WARN_COUNT; i++)
        if (bit == 1u << i)
            return names[i];
    return "?";
}

ol_status ol__event_lane_text(const struct ol__event *event, struct ol__buf *out)
{
    switch (event->kind) {
    case OL_EVENT_RUN:
        return ol__buf_add(out, event->run_id.data, event->run_id.size);
    case OL_EVENT_JOB:
        ol__buf_add_text(out, "job:");
        ol__buf_add(out, event->job_namespace.data, event->job_namespace.size);
        ol__buf_add_char(out, '/');
        return ol__buf_add(out, event->job_name.data, event->job_name.size);
    case OL_EVENT_DATASET:
        ol__buf_add_text(out, "dataset:");
        ol__buf_add(out, event->dataset_namespace.data, event->dataset_namespace.size);
        ol__buf_add_char(out, '/');
        return ol__buf_add(out, event->dataset_name.data, event->dataset_name.size);
    }
    return out->status;
}

/* A version 5 UUID over text that comes in pieces, without memory that could be refused: text past
 * LANE_PIECE bytes is folded, each full piece giving the name space of the next. */
#define LANE_PIECE 2048
struct lane_hash {
    struct ol__uuid name_space;
    size_t used;
    char piece[LANE_PIECE];
};

static void lane_add(struct lane_hash *h, struct ol__span text)
{
    while (text.size > 0) {
        if (h->used == LANE_PIECE) {
            h->name_space = ol__uuid_v5(&h->name_space, (struct ol__span){h->piece, h->used});
            h->used = 0;
        }
        size_t size = OL_MIN(text.size, LANE_PIECE - h->used);
        memcpy(h->piece + h->used, text.data, size);
        h->used += size;
        text.data += size;
        text.size -= size;
    }
}

enum ol__lane_kind ol__event_lane(const struct ol__event *event, uint8_t out[16])
{
    struct ol__uuid uuid;
    if (event->kind == OL_EVENT_RUN && ol__uuid_is_canonical(event->run_id) &&
        ol__uuid_parse(event->run_id, &uuid)) {
        memcpy(out, uuid.bytes, sizeof uuid.bytes);
        return OL_LANE_RUN_UUID;
    }
    struct lane_hash h = {.used = 0};
    bool is_uuid = ol__uuid_parse(OL_SPAN_LIT(OL_LANE_NAME_SPACE), &h.name_space);
    assert(is_uuid);
    (void)is_uuid;
    enum ol__lane_kind kind = OL_LANE_RUN_TEXT;
    if (event->kind == OL_EVENT_RUN) {
        lane_add(&h, event->run_id);
    } else if (event->kind == OL_EVENT_JOB) {
        kind = OL_LANE_JOB;
        lane_add(&h, OL_SPAN_LIT("job:"));
        lane_add(&h, event->job_namespace);
        lane_add(&h, OL_SPAN_LIT("/"));
        lane_add(&h, event->job_name);
    } else {
        kind = OL_LANE_DATASET;
        lane_add(&h, OL_SPAN_LIT("dataset:"));
        lane_add(&h, event->dataset_namespace);
        lane_add(&h, OL_SPAN_LIT("/"));
        lane_add(&h, event->dataset_name);
    }
    uuid = ol__uuid_v5(&h.name_space, (struct ol__span){h.piece, h.used});
    memcpy(out, uuid.bytes, sizeof uuid.bytes);
    return kind;
}
