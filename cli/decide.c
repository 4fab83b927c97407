/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. The record is on disk before the event is handed over, and the event names its hash.
 *  2. Whatever people wrote passes redaction before it is written anywhere. */
#include "decide.h"

#include <stdio.h>
#include <stdlib.h>
#include "ids.h"
#include "json_doc.h"
#include "pipeline.h"
#include "pretty.h"
#include "receipt/redact.h"
#include "run_told.h"
#include "times.h"

#define TEXT_MAX ((size_t)1 << 20)

void decide_begin(struct decide *d)
{
    struct ol__uuid uuid = ol__uuid_v7(-1);
    ol__uuid_format(&uuid, d->run_id);
    d->at_ms = ol__time_now_ms();
    ol__time_format(d->at_ms, d->at);
}

void decide_member(struct ol__json_writer *w, const char *key, const char *value)
{
    struct ol__buf text;
    if (value == NULL || value[0] == '\0')
        return;
    ol__buf_init(&text, TEXT_MAX);
    redact_text(ol__span_text(value), &text);
    if (text.status == OL_OK)
        ol__json_member_span(w, key, (struct ol__span){text.data, text.size});
    else
        ol__json_member_text(w, key, REDACTED);
    ol__buf_release(&text);
}

/* ---- the record ---- */

static void write_dataset(struct ol__json_writer *w, const struct decide_subject *s)
{
    ol__json_begin_object(w);
    ol__json_member_text(w, "namespace", s->name_space);
    ol__json_member_text(w, "name", s->name);
    if (s->is_model)
        ol__json_member_text(w, "type", "MODEL");
    if (s->version[0] != '\0')
        ol__json_member_text(w, "version", s->version);
    ol__json_end_object(w);
}

static void write_datasets(const struct decide *d, struct ol__json_writer *w)
{
    ol__json_key(w, "inputs");
    ol__json_begin_array(w);
    for (size_t i = 0; i < d->input_count; i++)
        if (strcmp(d->inputs[i].kind, "dataset") == 0)
            write_dataset(w, &d->inputs[i]);
    ol__json_end_array(w);
    ol__json_key(w, "outputs");
    ol__json_begin_array(w);
    if (d->output.kind != NULL)
        write_dataset(w, &d->output);
    ol__json_end_array(w);
}

static const char *job_namespace(const struct decide *d)
{
    const char *told = getenv("OPENLINEAGE_NAMESPACE");
    return d->job_namespace != NULL          ? d->job_namespace
           : told != NULL && told[0] != '\0' ? told
                                             : "default";
}

static void write_record(void *arg, const struct receipt_decision *decision, struct ol__buf *out)
{
    const struct decide *d = arg;
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "schema", RECEIPT_SCHEMA("ReceiptDecision"));
    ol__json_member_text(&w, "kind", d->kind);
    ol__json_member_int(&w, "number", decision->number);
    ol__json_member_text(&w, "at", d->at);
    write_datasets(d, &w);
    ol__json_key(&w, "facets");
    ol__json_begin_object(&w);
    ol__json_key(&w, d->facet_key);
    ol__json_begin_object(&w);
    d->write_facet(d, &w, NULL, NULL);
    ol__json_end_object(&w);
    if (d->model_version != NULL) {
        ol__json_key(&w, "lineaged_run");
        ol__json_begin_object(&w);
        decide_member(&w, "model_version", d->model_version);
        ol__json_end_object(&w);
    }
    ol__json_end_object(&w);
    ol__json_key(&w, "openlineage");
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "run_id", d->run_id);
    ol__json_member_text(&w, "job_namespace", job_namespace(d));
    ol__json_member_text(&w, "job_name", d->job);
    ol__json_end_object(&w);
    if (decision->previous_path[0] != '\0') {
        ol__json_key(&w, "previous");
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "path", decision->previous_path);
        ol__json_member_text(&w, "sha256", decision->previous_sha256);
        ol__json_end_object(&w);
    }
    ol__json_member_text(&w, "writer", "lineage/" OL_VERSION);
    ol__json_end_object(&w);
}

/* ---- the event ---- */

static void tell_dataset(struct ol_dataset *dataset, const struct decide_subject *s)
{
    if (s->version[0] != '\0')
        OL_IGNORE(ol_dataset_set_dataset_version(
                      dataset, OL_MAKE(ol_dataset_version, .version = s->version)) < 0,
                  "emit reports it");
    if (s->is_model)
        OL_IGNORE(ol_dataset_set_dataset_type(dataset, OL_MAKE(ol_dataset_type, .type = "MODEL")) <
                      0,
                  "emit reports it");
}

static void describe(const struct decide *d, struct ol_run *run)
{
    struct ol__json_writer w;
    struct ol__buf facet;
    OL_IGNORE(ol_job_set_job_type(ol_run_job(run),
                                  OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                          .integration = "LINEAGE", .job_type = d->job_type)) < 0,
              "emit reports it");
    for (size_t i = 0; i < d->input_count; i++)
        if (strcmp(d->inputs[i].kind, "dataset") == 0)
            tell_dataset(ol_run_input_named(run, d->inputs[i].name_space, d->inputs[i].name),
                         &d->inputs[i]);
    if (d->output.kind != NULL)
        tell_dataset(ol_run_output_named(run, d->output.name_space, d->output.name), &d->output);
    ol__buf_init(&facet, TEXT_MAX * 16);
    ol__json_writer_init(&w, &facet);
    ol__json_begin_object(&w);
    d->write_facet(d, &w, d->record.path, d->record_sha256);
    ol__json_end_object(&w);
    if (facet.status == OL_OK)
        OL_IGNORE(ol_run_set_facet_json(run, d->facet_key, d->schema, facet.data, facet.size) < 0,
                  "emit reports it");
    else
        cli_say("%s: the event has no facet: out of memory", d->verb);
    ol__buf_release(&facet);
    if (d->model_version != NULL)
        OL_IGNORE(ol_run_set_ids(run, OL_MAKE(ol_ids, .model_version = d->model_version)) < 0,
                  "emit reports it");
}

static void emit(struct decide *d)
{
    struct ol_error err = {.message = ""};
    struct ol_run *run = NULL;
    struct pipeline_client how = {.job_namespace = d->job_namespace, .is_quiet = &d->is_quiet};
    struct ol_client *client = pipeline_open_client_as(&how);
    if (client == NULL)
        return;
    ol_status status =
        ol_run_new(client,
                   OL_MAKE(ol_run_options, .job_namespace = d->job_namespace, .job_name = d->job,
                           .run_id = d->run_id, .is_detached = true),
                   &run, &err);
    if (status >= 0) {
        describe(d, run);
        status = ol_run_emit_at(run, OL_COMPLETE, d->at_ms, &err);
    }
    d->is_emitted = status >= 0;
    if (status < 0)
        cli_say("%s: it stands in %s, but no event was recorded: %s", d->verb, d->record.path,
                err.message);
    ol_run_free(run);
    OL_IGNORE(ol_client_close(client, 0, NULL) < 0, "its events are handed over or were said");
}

int decide_record(struct decide *d)
{
    struct ol_error err = {.message = ""};
    char *runs = NULL;
    ol_status status = receipt_find_runs(d->runs, &runs, &err);
    if (status == OL_OK)
        status = receipt_decision_add(runs, write_record, d, &d->record, d->record_sha256, &err);
    free(runs);
    if (status != OL_OK) {
        cli_say("%s: nothing was recorded: %s", d->verb, err.message);
        return status == OL_INVALID ? CLI_USAGE : CLI_NO;
    }
    emit(d); /* promise 1 */
    return CLI_YES;
}

/* ---- on standard output ---- */

static void write_subject(struct ol__json_writer *w, const struct decide_subject *s)
{
    ol__json_key(w, "subject");
    ol__json_begin_object(w);
    ol__json_member_text(w, "kind", s->kind);
    if (strcmp(s->kind, "dataset") == 0) {
        ol__json_member_text(w, "namespace", s->name_space);
        ol__json_member_text(w, "name", s->name);
        if (s->version[0] != '\0')
            ol__json_member_text(w, "version", s->version);
    } else {
        ol__json_member_text(w, "id", s->id);
    }
    ol__json_end_object(w);
}

int decide_print(const struct decide *d, bool is_json, const char *did)
{
    const struct decide_subject *s = &d->inputs[0];
    struct ol__buf out;
    struct pretty p;
    ol__buf_init(&out, TEXT_MAX);
    pretty_init(&p, &out);
    if (is_json) {
        struct ol__json_writer w;
        ol__json_writer_init(&w, &out);
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "decision", did);
        write_subject(&w, s);
        ol__json_member_text(&w, "at", d->at);
        ol__json_member_text(&w, "run_id", d->run_id);
        ol__json_member_text(&w, "record", d->record.path);
        ol__json_member_text(&w, "record_sha256", d->record_sha256);
        ol__json_member_bool(&w, "emitted", d->is_emitted);
        ol__json_end_object(&w);
        ol__buf_add_char(&out, '\n');
    } else {
        pretty_text(&p, PRETTY_BOLD, did);
        ol__buf_add_format(&out, ": %s ", s->kind);
        if (strcmp(s->kind, "dataset") == 0) {
            pretty_text(&p, PRETTY_DIM, s->name_space);
            ol__buf_add_char(&out, ' ');
            pretty_text(&p, PRETTY_PLAIN, s->name);
            ol__buf_add_text(&out, "  ");
            pretty_text(&p, PRETTY_PLAIN, s->version[0] != '\0' ? s->version : "(no version)");
        } else {
            pretty_text(&p, PRETTY_PLAIN, s->id);
        }
        if (s->shown[0] != '\0') {
            ol__buf_add_text(&out, "  ");
            pretty_text(&p, PRETTY_DIM, s->shown);
        }
        ol__buf_add_format(&out, "\n%s  %s\n", d->record_sha256, d->record.path);
    }
    bool is_written = pretty_flush(&p);
    ol__buf_release(&out);
    return is_written ? CLI_YES : CLI_NO;
}

/* ---- the chain ---- */

struct verify {
    struct ol__json_writer w;
    struct ol__buf out;
    struct pretty p;
    bool is_json;
};

static void tell(void *arg, const char *path, const char *problem)
{
    struct verify *v = arg;
    if (v->is_json) {
        ol__json_begin_object(&v->w);
        ol__json_member_text(&v->w, "path", path);
        ol__json_member_text(&v->w, "problem", problem);
        ol__json_end_object(&v->w);
        return;
    }
    pretty_text(&v->p, PRETTY_BAD, path);
    ol__buf_add_text(&v->out, ": ");
    pretty_text(&v->p, PRETTY_PLAIN, problem);
    ol__buf_add_char(&v->out, '\n');
}

static void write_figures(struct verify *v, const struct receipt_decision_figures *f)
{
    if (v->is_json) {
        ol__json_end_array(&v->w);
        ol__json_member_int(&v->w, "records", f->count);
        if (f->head[0] != '\0') {
            ol__json_member_text(&v->w, "head", f->head);
            ol__json_member_text(&v->w, "head_sha256", f->head_sha256);
        }
        ol__json_end_object(&v->w);
        ol__buf_add_char(&v->out, '\n');
        return;
    }
    ol__buf_add_format(&v->out, "%lld decisions; ", (long long)f->count);
    if (f->problems == 0)
        ol__buf_add_text(&v->out, "all is as it was\n");
    else
        ol__buf_add_format(&v->out, "%lld problems\n", (long long)f->problems);
    if (f->head[0] != '\0')
        ol__buf_add_format(&v->out, "%s  %s\n", f->head_sha256, f->head);
}

int decide_verify(const char *runs_option, bool is_json)
{
    struct verify v = {.is_json = is_json};
    struct receipt_decision_figures figures = {0};
    struct ol_error err = {.message = "out of memory"};
    char *runs = NULL;
    bool is_written = false;
    ol__buf_init(&v.out, RECEIPT_SEAL_MAX);
    pretty_init(&v.p, &v.out);
    ol__json_writer_init(&v.w, &v.out);
    ol_status status = receipt_find_runs(runs_option, &runs, &err);
    if (is_json) {
        ol__json_begin_object(&v.w);
        ol__json_key(&v.w, "problems");
        ol__json_begin_array(&v.w);
    }
    if (status == OL_OK)
        status = receipt_decision_check(runs, tell, &v, &figures, &err);
    if (status == OL_OK) {
        write_figures(&v, &figures);
        is_written = pretty_flush(&v.p);
    } else {
        cli_say("%s", err.message);
    }
    free(runs);
    ol__buf_release(&v.out);
    return status == OL_INVALID                                     ? CLI_USAGE
           : status == OL_OK && is_written && figures.problems == 0 ? CLI_YES
                                                                    : CLI_NO;
}
