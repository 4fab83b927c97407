/* SPDX-License-Identifier: Apache-2.0 */
/* The line of an event. Promises:
 *  1. eventType or eventTime comes first: no reader takes the line for a control line (JOURNAL.md).
 *  2. run.facets, job.facets, inputs and outputs are always there: some readers fail without.
 *  3. An event of a run carries everything the run was told, so that one that reads only the last
 * of them misses nothing; a lean run's last event only what was not in one before. */
#include "run.h"
#include "times.h"

#define ADD(out, literal) ol__buf_add(out, literal, sizeof(literal) - 1)

#define HEAD(name)                                                                                 \
    {                                                                                              \
        .data = "{\"eventType\":\"" name "\",\"eventTime\":\"",                                    \
        .size = sizeof("{\"eventType\":\"" name "\",\"eventTime\":\"") - 1                         \
    }
static const struct ol__span types[] = {
    [OL_START] = HEAD("START"), [OL_RUNNING] = HEAD("RUNNING"),   [OL_OTHER] = HEAD("OTHER"),
    [OL_FAIL] = HEAD("FAIL"),   [OL_COMPLETE] = HEAD("COMPLETE"), [OL_ABORT] = HEAD("ABORT"),
};

static void write_facets(const struct ol__facet_place *place, enum ol__entity entity, bool is_lean,
                         struct ol__buf *out)
{
    if (is_lean)
        ol__facet_write_unsent(place, entity, out);
    else
        ol__facet_write(place, entity, out);
}

/* Put @p marker, if there is one, into the facets that were written last. */
static void add_marker(const struct ol__buf *marker, struct ol__buf *out)
{
    if (marker == NULL || out->status != OL_OK)
        return;
    ol__buf_truncate(out, out->size - 1);
    if (out->data[out->size - 1] != '{')
        ol__buf_add_char(out, ',');
    ol__buf_add(out, marker->data, marker->size);
    ol__buf_add_char(out, '}');
}

static void write_dataset(const struct ol_dataset *d, enum ol__entity side, bool is_lean,
                          const struct ol__buf *marker, struct ol__buf *out)
{
    ol__buf_add(out, d->head.data, d->head.size);
    write_facets(&d->place, OL_ENTITY_DATASET, is_lean, out);
    add_marker(marker, out);
    if (side == OL_ENTITY_INPUT)
        ADD(out, ",\"inputFacets\":");
    else if (side == OL_ENTITY_OUTPUT)
        ADD(out, ",\"outputFacets\":");
    if (side != OL_ENTITY_DATASET)
        write_facets(&d->place, side, is_lean, out);
    ol__buf_add_char(out, '}');
}

static void write_datasets(const struct ol__dataset_set *set, enum ol__entity side, bool is_lean,
                           struct ol__buf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < set->count; i++) {
        const struct ol_dataset *d = set->items[i];
        if (!ol__event_has_dataset(d, is_lean))
            continue;
        if (!is_first)
            ol__buf_add_char(out, ',');
        is_first = false;
        write_dataset(d, side, is_lean, NULL, out);
    }
}

static void write_note(const struct ol_run *run, struct ol__buf *out)
{
    ADD(out, "{\"ol_journal_run\":\"");
    ol__buf_add(out, run->run_id, OL_UUID_TEXT);
    ADD(out, "\",\"detached\":true}\n");
}

size_t ol__event_write(const struct ol_run *run, enum ol_event type, int64_t time_ms,
                       const struct ol__buf *marker, struct ol__buf *out)
{
    char time[OL_TIME_TEXT + 1];
    bool is_lean = ol__event_is_lean(run, type);
    const struct ol__buf *tail = &run->client->event_tail[run->form];
    ol__buf_add_char(out, '\n');
    if (run->is_detached && run->form == OL_FORM_RUN && type == OL_START)
        write_note(run, out);
    size_t control_size = out->size - 1;
    if (run->form == OL_FORM_RUN)
        ol__buf_add(out, types[type].data, types[type].size);
    else
        ADD(out, "{\"eventTime\":\"");
    ol__time_format(time_ms, time);
    ol__buf_add(out, time, OL_TIME_TEXT);
    ol__buf_add(out, tail->data, tail->size);
    if (run->form == OL_FORM_DATASET) {
        ADD(out, "\"dataset\":");
        write_dataset(run->subject, OL_ENTITY_DATASET, false, marker, out);
    } else {
        if (run->form == OL_FORM_RUN) {
            ADD(out, "\"run\":{\"runId\":\"");
            ol__buf_add(out, run->run_id, OL_UUID_TEXT);
            ADD(out, "\",\"facets\":");
            write_facets(&run->place, OL_ENTITY_RUN, is_lean, out);
            add_marker(marker, out);
            ADD(out, "},");
        }
        ol__buf_add(out, run->job_head.data, run->job_head.size);
        write_facets(&run->job.place, OL_ENTITY_JOB, is_lean, out);
        if (run->form == OL_FORM_JOB)
            add_marker(marker, out);
        ADD(out, "},\"inputs\":[");
        write_datasets(&run->inputs, OL_ENTITY_INPUT, is_lean, out);
        ADD(out, "],\"outputs\":[");
        write_datasets(&run->outputs, OL_ENTITY_OUTPUT, is_lean, out);
        ol__buf_add_char(out, ']');
    }
    ADD(out, "}\n");
    return control_size;
}
