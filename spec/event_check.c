/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: what is missing is looked for only once the whole text was read, so the order of keys,
 * and a key given twice, make no difference; first what refuses, then what warns. The list of both
 * is promise 1 of event_read.c and enum ol__event_warning. */
#include "event_impl.h"

#include "times.h"

#define FUTURE_MS (INT64_C(5) * 60 * 1000)

ol_status event_warn_at(struct ol__event_reader *r, enum ol__event_warning warning,
                        const char *pointer, const char *what, struct ol_error *err)
{
    r->event.warnings |= (uint32_t)warning;
    if (r->limits.is_strict && warning != OL_WARN_TIME_FUTURE)
        return ol__error_set(err, OL_INVALID, "%s: %s (%s; validation is strict)", pointer, what,
                             ol__event_warning_name((uint32_t)warning));
    return OL_OK;
}

static enum ol__event_type type_of(struct ol__span text)
{
    for (int t = OL_TYPE_START; t < OL_TYPE_UNKNOWN; t++)
        if (ol__span_equal(text, ol__span_text(ol__event_type_name((enum ol__event_type)t))))
            return (enum ol__event_type)t;
    return OL_TYPE_UNKNOWN;
}

static ol_status missing(const char *pointer, struct ol_error *err)
{
    return ol__error_set(err, OL_INVALID, "%s: missing, expected text", pointer);
}

static ol_status check_present(struct ol__event_reader *r, struct ol_error *err)
{
    struct ol__event *e = &r->event;
    if ((r->seen & (SEEN_RUN | SEEN_JOB | SEEN_DATASET)) == 0)
        return ol__error_set(err, OL_INVALID,
                             "event: none of /run, /job and /dataset is there, expected one");
    e->kind = (r->seen & SEEN_RUN) != 0       ? OL_EVENT_RUN
              : (r->seen & SEEN_DATASET) != 0 ? OL_EVENT_DATASET
                                              : OL_EVENT_JOB;
    if ((r->seen & SEEN_EVENT_TIME) == 0)
        return missing("/eventTime", err);
    if ((r->seen & SEEN_PRODUCER) == 0)
        return missing("/producer", err);
    if (e->kind == OL_EVENT_RUN && e->run_id.size == 0)
        return missing("/run/runId", err);
    if (e->kind != OL_EVENT_DATASET && (r->job_seen & SEEN_NAMESPACE) == 0)
        return missing("/job/namespace", err);
    if (e->kind != OL_EVENT_DATASET && (r->job_seen & SEEN_NAME) == 0)
        return missing("/job/name", err);
    if (e->kind == OL_EVENT_DATASET && (r->dataset_seen & SEEN_NAMESPACE) == 0)
        return missing("/dataset/namespace", err);
    if (e->kind == OL_EVENT_DATASET && (r->dataset_seen & SEEN_NAME) == 0)
        return missing("/dataset/name", err);
    return OL_OK;
}

/* A scheme, a colon and more, without blanks: what RFC 3986 asks of an absolute URI at the least.
 */
static bool is_uri(struct ol__span text)
{
    size_t i = 0;
    while (i < text.size &&
           ((text.data[i] >= 'a' && text.data[i] <= 'z') ||
            (text.data[i] >= 'A' && text.data[i] <= 'Z') ||
            (i > 0 && (text.data[i] == '+' || text.data[i] == '-' || text.data[i] == '.' ||
                       (text.data[i] >= '0' && text.data[i] <= '9')))))
        i++;
    if (i == 0 || i + 1 >= text.size || text.data[i] != ':')
        return false;
    for (; i < text.size; i++)
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == '<' || text.data[i] == '>' ||
            text.data[i] == '"')
            return false;
    return true;
}

/* Valid JSON can only hold a NUL as an escape, in either case of its digits (which are all zeros).
 */
static bool has_nul(struct ol__span text)
{
    static const char escape[] = "\\u0000";
    const char *at = text.data, *end = text.data + text.size;
    while ((at = memmem(at, (size_t)(end - at), escape, sizeof escape - 1)) != NULL) {
        size_t before = 0; /* backslashes: an even number escapes nothing but themselves */
        while (at - before > text.data && at[-1 - (ptrdiff_t)before] == '\\')
            before++;
        if (before % 2 == 0)
            return true;
        at += sizeof escape - 1;
    }
    return false;
}

static ol_status check_time(struct ol__event_reader *r, struct ol_error *err)
{
    struct ol__event *e = &r->event;
    bool has_zone = true;
    int64_t time_ms;
    if (ol__time_parse(e->event_time, &time_ms, &has_zone) != OL_OK)
        return event_warn_at(r, OL_WARN_TIME_INVALID, "/eventTime", "no date-time", err);
    e->time_ms = time_ms;
    ol_status st = OL_OK;
    if (!has_zone)
        st = event_warn_at(r, OL_WARN_TIME_NO_ZONE, "/eventTime", "no zone, read as UTC", err);
    if (st == OL_OK && r->now_ms >= 0 && time_ms - FUTURE_MS > r->now_ms)
        st = event_warn_at(r, OL_WARN_TIME_FUTURE, "/eventTime", "in the future", err);
    return st;
}

static ol_status check_loose(struct ol__event_reader *r, struct ol_error *err)
{
    struct ol__event *e = &r->event;
    struct ol__uuid uuid;
    ol_status st = check_time(r, err);
    if (st == OL_OK && !is_uri(e->producer))
        st = event_warn_at(r, OL_WARN_URI, "/producer", "no absolute URI", err);
    if (st == OL_OK && (r->seen & SEEN_SCHEMA_URL) == 0)
        st = event_warn_at(r, OL_WARN_NO_SCHEMA_URL, "/schemaURL", "missing", err);
    else if (st == OL_OK && !is_uri(e->schema_url))
        st = event_warn_at(r, OL_WARN_URI, "/schemaURL", "no absolute URI", err);
    if (st == OL_OK && (r->seen & SEEN_EVENT_TYPE) != 0) {
        e->type = type_of(e->event_type);
        if (e->type == OL_TYPE_UNKNOWN)
            st = event_warn_at(r, OL_WARN_EVENT_TYPE, "/eventType", "none of the known types", err);
    }
    if (st == OL_OK && e->kind == OL_EVENT_RUN && !ol__uuid_parse(e->run_id, &uuid))
        st = event_warn_at(r, OL_WARN_RUN_ID_NO_UUID, "/run/runId", "no UUID", err);
    if (st == OL_OK && e->kind == OL_EVENT_DATASET && (r->seen & SEEN_JOB) != 0)
        st = event_warn_at(r, OL_WARN_KIND, "/job", "beside a dataset without a run", err);
    if (st == OL_OK && e->kind == OL_EVENT_RUN && (r->seen & SEEN_DATASET) != 0 &&
        (r->dataset_seen & (SEEN_NAMESPACE | SEEN_NAME)) != (SEEN_NAMESPACE | SEEN_NAME))
        st = event_warn_at(r, OL_WARN_NAME, "/dataset", "namespace or name is missing", err);
    if (st == OL_OK && has_nul(r->text))
        st = event_warn_at(r, OL_WARN_NUL, "event", "\\u0000 in some text", err);
    return st;
}

ol_status event_check(struct ol__event_reader *r, struct ol_error *err)
{
    ol_status st = check_present(r, err);
    return st == OL_OK ? check_loose(r, err) : st;
}
