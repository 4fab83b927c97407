/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: equal lane keys give equal bytes in every version of this program: neither the name space
 * (spec/facts/core.toml) nor the text of a key ever changes. */
#include "event_read.h"

static const char *const type_names[] = {
    [OL_TYPE_ABSENT] = "",          [OL_TYPE_START] = "START", [OL_TYPE_RUNNING] = "RUNNING",
    [OL_TYPE_OTHER] = "OTHER",      [OL_TYPE_COMPLETE] = "COMPLETE",
    [OL_TYPE_FAIL] = "FAIL",        [OL_TYPE_ABORT] = "ABORT", [OL_TYPE_UNKNOWN] = "?",
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
