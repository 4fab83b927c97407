/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "facet_info.h"
#include "facet_table.h"
#include "times.h"

#define PRODUCER "https://github.com/lineaged/lineaged/tree/v" OL_VERSION "/agent"
#define SCHEMA_URL "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
#define KEY "\"lineaged_answer\""

/* ---- An answer ---- */

static bool read_real(struct ol__span text, double *ret)
{
    char copy[64];
    if (text.size == 0 || text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *ret = strtod(copy, NULL);
    return *ret - *ret == 0;
}

static bool read_count(struct ol__span text, uint64_t *ret)
{
    double value;
    if (!read_real(text, &value) || value < 0 || value > 1e15)
        return false;
    *ret = (uint64_t)value;
    return true;
}

static enum summary_outcome outcome_of(struct ol__span text)
{
    for (int i = SUMMARY_UNSAID + 1; i < SUMMARY_OUTCOMES; i++)
        if (ol__span_equal(text, ol__span_text(summary_outcome_name((enum summary_outcome)i))))
            return (enum summary_outcome)i;
    return SUMMARY_UNSAID;
}

static void take_number(enum ol__field_id field, struct ol__span text, struct summary_answer *a)
{
    double value;
    if (field == OL_FIELD_RUN_LINEAGED_ANSWER_LATENCY_MS && read_real(text, &value) && value >= 0) {
        a->latency_ms = value;
        a->has_latency = true;
    } else if (field == OL_FIELD_RUN_LINEAGED_ANSWER_COST && read_real(text, &value)) {
        a->cost = value;
        a->has_cost = true;
    } else if (field == OL_FIELD_RUN_LINEAGED_ANSWER_INPUT_TOKENS) {
        a->has_input = read_count(text, &a->input_tokens);
    } else if (field == OL_FIELD_RUN_LINEAGED_ANSWER_OUTPUT_TOKENS) {
        a->has_output = read_count(text, &a->output_tokens);
    }
}

/* @return whether it is the request's id. */
static bool take_fact(const struct ol__event_fact *f, struct summary_answer *a)
{
    if (f->type == OL_JSON_NUMBER)
        take_number(f->field, f->text, a);
    else if (f->type == OL_JSON_BOOL && f->field == OL_FIELD_RUN_LINEAGED_ANSWER_CACHE_HIT)
        a->is_cached = ol__span_equal(f->text, OL_SPAN_LIT("true"));
    else if (f->type == OL_JSON_STRING && f->field == OL_FIELD_RUN_LINEAGED_ANSWER_OUTCOME)
        a->outcome = outcome_of(f->text);
    else if (f->type == OL_JSON_STRING && f->field == OL_FIELD_RUN_LINEAGED_ANSWER_CURRENCY)
        a->currency = f->text;
    else if (f->type == OL_JSON_STRING && f->field == OL_FIELD_RUN_LINEAGED_RUN_MODEL_VERSION)
        a->model = f->text;
    return f->type == OL_JSON_STRING && f->field == OL_FIELD_RUN_LINEAGED_ANSWER_REQUEST_ID &&
           f->text.size > 0;
}

bool summary_answer_of(struct ol__event_reader *reader, const struct spool_record *record,
                       struct summary_answer *ret)
{
    const struct ol__event *event;
    bool is_answer = false;
    /* Most events are none: they are not parsed for it. */
    if (memmem(record->data.data, record->data.size, KEY, sizeof KEY - 1) == NULL ||
        ol__event_read(reader, record->data, OL_EVENT_ALL, NULL, -1, &event, NULL) != OL_OK ||
        event->kind != OL_EVENT_RUN || event->type == OL_TYPE_START ||
        event->type == OL_TYPE_COMPLETE || event->type == OL_TYPE_FAIL ||
        event->type == OL_TYPE_ABORT)
        return false;
    *ret = (struct summary_answer){.run_id = event->run_id,
                                   .job_namespace = event->job_namespace,
                                   .job_name = event->job_name,
                                   .time_ms = event->time_ms == INT64_MIN ? record->time_ms
                                                                          : event->time_ms};
    for (size_t i = 0; i < event->fact_count; i++)
        is_answer = take_fact(&event->facts[i], ret) || is_answer;
    return is_answer;
}

/* ---- The event ---- */

static void write_time(struct ol__json_writer *w, const char *key, int64_t ms)
{
    char text[OL_TIME_TEXT + 1];
    ol__time_format(ms, text);
    ol__json_member_text(w, key, text);
}

static void write_real(struct ol__json_writer *w, const char *key, double value)
{
    ol__json_key(w, key);
    ol__json_real(w, value);
}

static void begin_facet(struct ol__json_writer *w, enum ol__facet_id id)
{
    ol__json_key(w, ol__facet_info(id)->key);
    ol__json_begin_object(w);
    ol__json_member_text(w, "_producer", PRODUCER);
    ol__json_member_text(w, "_schemaURL", ol__facet_info(id)->schema_url);
}

/* Thousandths are more than the buckets tell. */
static double rounded(double value)
{
    char text[64];
    OL_IGNORE(snprintf(text, sizeof text, "%.4g", value), "it fits");
    return strtod(text, NULL);
}

static void write_lists(struct ol__json_writer *w, const struct summary *s)
{
    if (s->cost_count > 0) {
        ol__json_key(w, "costs");
        ol__json_begin_array(w);
        for (size_t i = 0; i < s->cost_count; i++) {
            ol__json_begin_object(w);
            if (s->costs[i].name[0] != '\0')
                ol__json_member_text(w, "currency", s->costs[i].name);
            write_real(w, "cost", s->costs[i].sum);
            ol__json_end_object(w);
        }
        ol__json_end_array(w);
    }
    if (s->model_count == 0)
        return;
    ol__json_key(w, "models");
    ol__json_begin_array(w);
    for (size_t i = 0; i < s->model_count; i++) {
        ol__json_begin_object(w);
        ol__json_member_text(w, "name", s->models[i].name);
        ol__json_member_uint(w, "count", s->models[i].count);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
}

static void write_facet(struct ol__json_writer *w, const struct summary *s)
{
    char window[96], time[OL_TIME_TEXT + 1];
    begin_facet(w, OL_FACET_RUN_LINEAGED_ANSWERS);
    ol__time_format(s->start_ms, time);
    snprintf(window, sizeof window, "%s/%" PRId64 "/%" PRIu64, time, s->window_ms / 1000,
             s->first_seq);
    ol__json_member_text(w, "window", window);
    ol__json_member_uint(w, "count", s->count);
    write_time(w, "first_at", s->first_at);
    write_time(w, "last_at", s->last_at);
    for (int i = SUMMARY_UNSAID + 1; i < SUMMARY_OUTCOMES; i++)
        if (s->outcomes[i] > 0)
            ol__json_member_uint(w, summary_outcome_name((enum summary_outcome)i), s->outcomes[i]);
    if (s->latencies > 0) {
        write_real(w, "latency_min_ms", s->latency_min);
        write_real(w, "latency_mean_ms", rounded(s->latency_sum / (double)s->latencies));
        write_real(w, "latency_p50_ms", rounded(summary_latency_at(s, 0.5)));
        write_real(w, "latency_p95_ms", rounded(summary_latency_at(s, 0.95)));
        write_real(w, "latency_max_ms", s->latency_max);
    }
    if (s->has_input)
        ol__json_member_uint(w, "input_tokens", s->input_tokens);
    if (s->has_output)
        ol__json_member_uint(w, "output_tokens", s->output_tokens);
    ol__json_member_uint(w, "cache_hits", s->cached);
    write_lists(w, s);
    ol__json_end_object(w);
}

ol_status summary_write(const struct summary *s, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "eventType", "OTHER");
    write_time(&w, "eventTime", s->last_at);
    ol__json_member_text(&w, "producer", PRODUCER);
    ol__json_member_text(&w, "schemaURL", SCHEMA_URL);
    ol__json_key(&w, "run");
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "runId", s->run_id);
    ol__json_key(&w, "facets");
    ol__json_begin_object(&w);
    begin_facet(&w, OL_FACET_RUN_PROCESSING_ENGINE); /* some servers take no event without */
    ol__json_member_text(&w, "version", OL_VERSION);
    ol__json_member_text(&w, "name", "lineaged");
    ol__json_end_object(&w);
    write_facet(&w, s);
    ol__json_end_object(&w);
    ol__json_end_object(&w);
    ol__json_key(&w, "job");
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "namespace", s->job_namespace);
    ol__json_member_text(&w, "name", s->job_name);
    ol__json_key(&w, "facets");
    ol__json_begin_object(&w);
    ol__json_end_object(&w);
    ol__json_end_object(&w);
    ol__json_key(&w, "inputs");
    ol__json_begin_array(&w);
    ol__json_end_array(&w);
    ol__json_key(&w, "outputs");
    ol__json_begin_array(&w);
    ol__json_end_array(&w);
    ol__json_end_object(&w);
    return out->status;
}
