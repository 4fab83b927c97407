/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Job and inputs are the START's bytes, unchanged. Outputs are left out: nobody knows what was
 * written.
 *  2. It is not earlier than the START, whatever the clocks did. */
#include "inferred.h"

#include "facet_info.h"
#include "json_write.h"
#include "times.h"

#define PRODUCER "https://github.com/lineaged/lineaged/tree/v" OL_VERSION "/agent"
#define SCHEMA_URL "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
#define FACET "lineaged_inferred"

struct pieces {
    struct ol__span text; /* the START */
    struct ol__span run_id, job, inputs;
};

static ol_status piece(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    static const char *const run_id[] = {"run", "runId"}, *const job[] = {"job"},
                             *const inputs[] = {"inputs"};
    struct pieces *p = arg;
    struct ol__span range = {.data = p->text.data + v->begin, .size = v->end - v->begin};
    (void)err;
    if (v->type == OL_JSON_STRING && ol__json_at(v, run_id, OL_COUNT(run_id)))
        p->run_id = range; /* given twice, the last counts (event_read.h) */
    else if (v->type == OL_JSON_OBJECT_END && ol__json_at(v, job, OL_COUNT(job)))
        p->job = range;
    else if (v->type == OL_JSON_ARRAY_END && ol__json_at(v, inputs, OL_COUNT(inputs)))
        p->inputs = range;
    return OL_OK;
}

static void write_facet(struct ol__json_writer *w, const struct inferred *why)
{
    char time[OL_TIME_TEXT + 1];
    const struct ol__facet_info *info =
        ol__facet_info(ol__facet_find(OL_ENTITY_RUN, OL_SPAN_LIT(FACET)));
    assert(info != NULL);
    ol__json_key(w, FACET);
    ol__json_begin_object(w);
    ol__json_member_text(w, "_producer", PRODUCER);
    ol__json_member_text(w, "_schemaURL", info->schema_url);
    ol__json_member_text(w, "reason", "writer_gone");
    ol__time_format(why->last_change_ms, time);
    ol__json_member_text(w, "last_change", time);
    ol__time_format(why->now_ms, time);
    ol__json_member_text(w, "inferred_at", time);
    ol__json_member_text(w, "journal", why->journal);
    ol__json_end_object(w);
}

ol_status inferred_abort_write(struct ol__json_reader *reader, struct ol__span start,
                               const struct ol__event *event, const struct inferred *why,
                               struct ol__buf *out, struct ol_error *err)
{
    struct pieces p = {.text = start};
    struct ol__json_writer w;
    char time[OL_TIME_TEXT + 1];
    int64_t time_ms = OL_MAX(why->last_change_ms, event->time_ms); /* promise 2 */
    ol_status status = ol__json_read(reader, start, NULL, piece, &p, err);
    if (status != OL_OK)
        return status;
    if (event->kind != OL_EVENT_RUN || p.run_id.size == 0 || p.job.size == 0)
        return ol__error_set(err, OL_INVALID, "START without run.runId or job");
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "eventType", ol__event_type_name(OL_TYPE_ABORT));
    ol__time_format(time_ms, time);
    ol__json_member_text(&w, "eventTime", time);
    ol__json_member_text(&w, "producer", PRODUCER);
    ol__json_member_text(&w, "schemaURL", SCHEMA_URL);
    ol__json_key(&w, "run");
    ol__json_begin_object(&w);
    ol__json_key(&w, "runId");
    ol__json_raw(&w, p.run_id);
    ol__json_key(&w, "facets");
    ol__json_begin_object(&w);
    write_facet(&w, why);
    ol__json_end_object(&w);
    ol__json_end_object(&w);
    ol__json_key(&w, "job");
    ol__json_raw(&w, p.job);
    if (p.inputs.size > 0) {
        ol__json_key(&w, "inputs");
        ol__json_raw(&w, p.inputs);
    }
    ol__json_end_object(&w);
    return out->status == OL_OK ? OL_OK
                                : ol__error_set(err, out->status, "inferred ABORT: %s",
                                                ol__status_name(out->status));
}
