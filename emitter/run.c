/* SPDX-License-Identifier: Apache-2.0 */
/* Runs, and the two kinds of events without one. Promises:
 *  1. After a negative result of an emit the run is as it was: nothing is marked as sent, it has
 * not ended, and the first failure of a setter is still to be told.
 *  2. A run whose terminal event was accepted takes no other event. */
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "derive.h"
#include "facet_table.h"
#include "run_ids.h"
#include "shed.h"
#include "times.h"

#define NAME_MAX_BYTES 65536 /* of a job's name space, of its name */

ol_status ol__run_fail(struct ol_run *run, ol_status status, const char *format, ...)
{
    va_list args;
    char message[sizeof run->first_error.message];
    if (run->first_error.status != OL_OK)
        return status;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return ol__error_set(&run->first_error, status, "%s", message);
}

/* ---- making ---- */

void ol_run_free(struct ol_run *run)
{
    if (run == NULL)
        return;
    ol__facet_place_release(&run->place);
    ol__facet_place_release(&run->job.place);
    ol__dataset_set_release(&run->inputs);
    ol__dataset_set_release(&run->outputs);
    ol__dataset_free(run->subject);
    ol__buf_release(&run->job_head);
    if (run->root_id != NULL)
        ol__buf_release(run->root_id);
    free(run->root_id);
    ol__travel_release(&run->travel);
    ol__json_reader_free(run->context.reader);
    free(run->parent_id);
    ol__run_share_release(run->share);
    ol__client_release(run->client);
    free(run);
}

static ol_status new_object(struct ol_client *client, enum ol__event_form form, struct ol_run **ret)
{
    struct ol_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return OL_NOMEM;
    run->client = client;
    ol__client_hold(client);
    run->form = form;
    run->context = (struct ol__facet_context){.producer = client->producer,
                                              .facet_max = OL_LINE_MAX,
                                              .hook = ol__rules_hook(client->rules)};
    ol__facet_place_init(&run->place, OL_ENTITY_RUN, OL_ENTITY_COUNT, &run->context,
                         &run->first_error, OL_LINE_MAX);
    ol__facet_place_init(&run->job.place, OL_ENTITY_JOB, OL_ENTITY_COUNT, &run->context,
                         &run->first_error, OL_LINE_MAX);
    ol__buf_init(&run->job_head, OL_LINE_MAX);
    *ret = run;
    return OL_OK;
}

/* Keep the job's name space and name, and write them once and for all. */
static ol_status set_job(struct ol_run *run, const char *job_namespace, const char *job_name)
{
    struct ol__json_writer w;
    run->namespace_size = strlen(job_namespace);
    run->name_size = strlen(job_name);
    size_t size = run->namespace_size + run->name_size + OL_UUID_TEXT + 3;
    run->parent_id = malloc(size);
    if (run->parent_id == NULL)
        return OL_NOMEM;
    snprintf(run->parent_id, size, "%s/%s/%s", job_namespace, job_name, run->run_id);
    ol__buf_add_text(&run->job_head, "\"job\":");
    ol__json_writer_init(&w, &run->job_head);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "namespace", job_namespace);
    ol__json_member_text(&w, "name", job_name);
    ol__json_key(&w, "facets");
    return run->job_head.status;
}

static ol_status check_job(const char *job_namespace, const char *job_name, struct ol_error *err)
{
    if (job_name == NULL || job_name[0] == '\0')
        return ol__error_set(err, OL_INVALID, "job_name: none; expected the name of the job");
    if (job_namespace[0] == '\0')
        return ol__error_set(err, OL_INVALID,
                             "job_namespace: empty; expected a text, or NULL for the client's");
    if (strlen(job_name) > NAME_MAX_BYTES || strlen(job_namespace) > NAME_MAX_BYTES)
        return ol__error_set(err, OL_INVALID, "job name space or name: longer than %d bytes",
                             NAME_MAX_BYTES);
    return OL_OK;
}

static ol_status set_engine(struct ol_run *run)
{
    const struct ol_client *c = run->client;
    return ol_run_set_processing_engine(
        run, OL_MAKE(ol_processing_engine, .version = c->engine_version, .name = c->engine_name,
                     .openlineage_adapter_version = ol_version()));
}

ol_status ol__run_set_origin(struct ol_run *run, const struct ol__origin *parent,
                             const struct ol__origin *root)
{
    return ol_run_set_parent(
        run, OL_MAKE(ol_parent, .run_id = parent->run_id, .job_namespace = parent->job_namespace,
                     .job_name = parent->job_name, .root_run_id = root->run_id,
                     .root_job_namespace = root->job_namespace, .root_job_name = root->job_name));
}

static ol_status choose_id(const struct ol_run_options *o, struct ol__uuid *ret,
                           enum ol__foreign *ret_form, struct ol_error *err)
{
    *ret_form = OL_FOREIGN_UUID;
    if (o->foreign_id != NULL && o->run_id != NULL)
        return ol__error_set(err, OL_INVALID, "ol_run_options: run_id and foreign_id are both set");
    if (o->foreign_id != NULL &&
        ol__derive_foreign(ol__span_text(o->foreign_system), ol__span_text(o->foreign_id), ret,
                           ret_form) != OL_OK)
        return ol__error_set(err, OL_INVALID,
                             "ol_run_options.foreign_id: '%.40s': expected 1 to 4096 bytes, and no"
                             " '/' in foreign_system",
                             o->foreign_id);
    if (o->run_id != NULL && !ol__uuid_parse(ol__span_text(o->run_id), ret))
        return ol__error_set(err, OL_INVALID,
                             "ol_run_options.run_id: '%.40s' is no UUID; expected one, or the text"
                             " as foreign_id",
                             o->run_id);
    if (o->run_id == NULL && o->foreign_id == NULL)
        *ret = ol__uuid_v7(-1);
    return OL_OK;
}

/* Keep the text that the run's id was made of where people search, beside what the context says. */
static ol_status keep_foreign(struct ol_run *run, const char *text, enum ol__foreign form)
{
    struct ol__run_ids known;
    if (form == OL_FOREIGN_UUID)
        return OL_OK;
    ol__run_ids_init(&known);
    ol_status status = ol__run_ids_read(run, &known);
    if (form == OL_FOREIGN_RECEIPT)
        known.ids.run_id = text;
    else
        known.ids.task_id = text;
    if (status == OL_OK)
        status = ol_run_set_ids(run, &known.ids);
    ol__run_ids_release(&known);
    return status;
}

/* What the configuration says of every run and job. */
static ol_status begin_rules(struct ol_run *run, const char *job_name)
{
    struct ol__rules *rules = run->client->rules;
    run->is_filtered = run->form == OL_FORM_RUN && ol__rules_filter(rules, job_name);
    ol_status status = run->form == OL_FORM_RUN ? ol__rules_begin(rules, &run->place) : OL_OK;
    return status == OL_OK ? ol__rules_begin(rules, &run->job.place) : status;
}

/* @p parent NULL: what the environment says; else that of run @p from. */
static ol_status new_run(struct ol_client *client, const struct ol_run_options *options,
                         const struct ol_run *from, const struct ol__origin *parent,
                         const struct ol__origin *root, struct ol_run **ret, struct ol_error *err)
{
    struct ol_run_options o;
    struct ol__uuid uuid;
    enum ol__foreign form = OL_FOREIGN_UUID;
    struct ol_run *run = NULL;
    if (options == NULL || !ol__options_copy(options, &o, sizeof o, sizeof o))
        return ol__options_refused(options, "ol_run_options", err);
    const char *job_namespace = o.job_namespace != NULL ? o.job_namespace : client->job_namespace;
    ol_status status = check_job(job_namespace, o.job_name, err);
    if (status != OL_OK)
        return status;
    status = choose_id(&o, &uuid, &form, err);
    if (status != OL_OK)
        return status;
    status = new_object(client, OL_FORM_RUN, &run);
    if (status != OL_OK)
        return ol__error_set(err, status, "run: out of memory");
    ol__uuid_format(&uuid, run->run_id);
    run->is_detached = o.is_detached;
    run->is_lean = o.is_lean;
    const struct ol__context *context = &client->context;
    if (parent == NULL && context->parent.job_namespace != NULL) {
        parent = &context->parent;
        root = &context->root;
    }
    run->root_id = malloc(sizeof *run->root_id);
    status = run->root_id != NULL ? set_job(run, job_namespace, o.job_name) : OL_NOMEM;
    if (run->root_id != NULL)
        ol__buf_init(run->root_id, OL_LINE_MAX);
    if (status == OL_OK)
        status = set_engine(run);
    if (status == OL_OK && parent != NULL)
        status = ol__run_set_origin(run, parent, root);
    if (status == OL_OK)
        status = ol__travel_copy(from != NULL ? &from->travel : &context->travel, &run->travel);
    if (status == OL_OK)
        status = ol__context_describe(run, from);
    if (status == OL_OK)
        status = keep_foreign(run, o.foreign_id, form);
    if (status == OL_OK)
        status = begin_rules(run, o.job_name);
    if (status != OL_OK) {
        ol_run_free(run);
        return ol__error_set(err, status, "run: %s", ol_status_name(status));
    }
    *ret = run;
    return OL_OK;
}

ol_status ol_run_new(struct ol_client *client, const struct ol_run_options *options,
                     struct ol_run **ret, struct ol_error *err)
{
    if (ret == NULL)
        return ol__error_set(err, OL_INVALID, "ol_run_new: ret is NULL");
    *ret = NULL;
    if (client == NULL)
        return ol__error_set(err, OL_DISABLED, "ol_run_new: there is no client: NULL was given");
    return new_run(client, options, NULL, NULL, NULL, ret, err);
}

ol_status ol_run_new_child(const struct ol_run *parent, const struct ol_run_options *options,
                           struct ol_run **ret, struct ol_error *err)
{
    struct ol__origin self = {0}, root = {0};
    if (ret == NULL)
        return ol__error_set(err, OL_INVALID, "ol_run_new_child: ret is NULL");
    *ret = NULL;
    if (parent == NULL)
        return ol__error_set(err, OL_DISABLED,
                             "ol_run_new_child: there is no parent run: NULL was given");
    if (parent->form != OL_FORM_RUN)
        return ol__error_set(err, OL_INVALID,
                             "ol_run_new_child: the parent is an event without a run; expected what"
                             " ol_run_new() made");
    ol_status status = ol__origin_make(parent->parent_id, parent->namespace_size, parent->name_size,
                                       parent->run_id, &self);
    if (status == OL_OK)
        status = ol__run_find_root(parent, &root);
    if (status == OL_OK)
        status = new_run(parent->client, options, parent, &self, &root, ret, err);
    else
        status = ol__error_set(err, status, "root of run %s: %s", parent->run_id,
                               ol_status_name(status));
    free(self.job_namespace);
    free(root.job_namespace);
    return status;
}

ol_status ol_job_event_new(struct ol_client *client, const char *job_namespace,
                           const char *job_name, struct ol_run **ret, struct ol_error *err)
{
    struct ol_run *run = NULL;
    if (ret == NULL)
        return ol__error_set(err, OL_INVALID, "ol_job_event_new: ret is NULL");
    *ret = NULL;
    if (client == NULL)
        return ol__error_set(err, OL_DISABLED,
                             "ol_job_event_new: there is no client: NULL was given");
    if (job_namespace == NULL)
        job_namespace = client->job_namespace;
    ol_status status = check_job(job_namespace, job_name, err);
    if (status != OL_OK)
        return status;
    status = new_object(client, OL_FORM_JOB, &run);
    if (status == OL_OK)
        status = set_job(run, job_namespace, job_name);
    if (status == OL_OK)
        status = begin_rules(run, job_name);
    if (status != OL_OK) {
        ol_run_free(run);
        return ol__error_set(err, status, "job event: %s", ol_status_name(status));
    }
    *ret = run;
    return OL_OK;
}

/* @p name NULL: @p where is a URI or path; else the two are what OpenLineage calls the dataset. */
static ol_status new_dataset_event(struct ol_client *client, const char *where, const char *name,
                                   struct ol_run **ret, struct ol_dataset **ret_dataset,
                                   struct ol_error *err)
{
    struct ol_run *run = NULL;
    if (ret == NULL || ret_dataset == NULL)
        return ol__error_set(err, OL_INVALID, "ol_dataset_event_new: ret is NULL");
    *ret = NULL;
    *ret_dataset = NULL;
    if (client == NULL)
        return ol__error_set(err, OL_DISABLED,
                             "ol_dataset_event_new: there is no client: NULL was given");
    if (new_object(client, OL_FORM_DATASET, &run) != OL_OK)
        return ol__error_set(err, OL_NOMEM, "dataset event: out of memory");
    if (name == NULL)
        run->subject = ol__dataset_from_uri(run, NULL, OL_ENTITY_COUNT, where, NULL);
    else if (ol__dataset_new(run, OL_ENTITY_COUNT, where, name, &run->subject) != OL_OK)
        OL_IGNORE(ol__run_fail(run, OL_NOMEM, "dataset event: out of memory"), "told below");
    if (run->subject == NULL || run->first_error.status != OL_OK) {
        ol_status status = run->first_error.status;
        if (err != NULL)
            *err = run->first_error;
        ol_run_free(run);
        return status;
    }
    *ret = run;
    *ret_dataset = run->subject;
    return OL_OK;
}

ol_status ol_dataset_event_new(struct ol_client *client, const char *uri_or_path,
                               struct ol_run **ret, struct ol_dataset **ret_dataset,
                               struct ol_error *err)
{
    return new_dataset_event(client, uri_or_path, NULL, ret, ret_dataset, err);
}

ol_status ol_dataset_event_new_named(struct ol_client *client, const char *dataset_namespace,
                                     const char *name, struct ol_run **ret,
                                     struct ol_dataset **ret_dataset, struct ol_error *err)
{
    if (dataset_namespace == NULL || dataset_namespace[0] == '\0' || name == NULL ||
        name[0] == '\0') {
        if (ret != NULL)
            *ret = NULL;
        if (ret_dataset != NULL)
            *ret_dataset = NULL;
        return ol__error_set(
            err, client == NULL && ret != NULL && ret_dataset != NULL ? OL_DISABLED : OL_INVALID,
            "dataset: name space and name are required");
    }
    return new_dataset_event(client, dataset_namespace, name, ret, ret_dataset, err);
}

/* ---- emitting ---- */

static void mark_sent(struct ol_run *run)
{
    ol__facet_mark_sent(&run->place);
    ol__facet_mark_sent(&run->job.place);
    for (size_t i = 0; i < run->inputs.count; i++) {
        ol__facet_mark_sent(&run->inputs.items[i]->place);
        run->inputs.items[i]->is_sent = true;
    }
    for (size_t i = 0; i < run->outputs.count; i++) {
        ol__facet_mark_sent(&run->outputs.items[i]->place);
        run->outputs.items[i]->is_sent = true;
    }
}

static ol_status emit(struct ol_run *run, enum ol_event type, int64_t time_ms, struct ol_error *err)
{
    struct ol_client *client = run->client;
    struct ol_error why;
    struct ol__buf *line = ol__client_take_buffer(client);
    if (line == NULL)
        return ol__client_refused(client, ol__error_set(&why, OL_NOMEM, "event: out of memory"),
                                  &why, err);
    struct ol__shed shed = {.items = NULL};
    if (run->share != NULL && atomic_load(&run->share->is_diverted))
        run->is_diverted = true; /* an answer of it lies in the journal */
    size_t control_size = ol__event_write(run, type, time_ms, NULL, line);
    ol_status status = line->status;
    if (ol__shed_is_needed(client, line, control_size))
        status = ol__shed_write(&shed, run, type, time_ms, line, &control_size);
    if (status == OL_TOO_LARGE)
        status = ol__client_refused(
            client,
            ol__error_set(&why, status, "event: larger than %zu bytes without its optional facets",
                          client->event_max),
            &why, err);
    else if (status != OL_OK)
        status = ol__client_refused(client, ol__error_set(&why, status, "event: out of memory"),
                                    &why, err);
    else
        status = ol__client_emit(client,
                                 &(struct ol__line){.data = line->data,
                                                    .size = line->size,
                                                    .control_size = control_size,
                                                    .is_diverted = &run->is_diverted},
                                 err);
    ol__client_give_buffer(client, line);
    if (run->share != NULL && run->is_diverted)
        atomic_store(&run->share->is_diverted, true);
    if (status == OL_OK && run->is_lean)
        mark_sent(run);
    if (status == OL_OK && shed.count > 0)
        ol__shed_tell(&shed, run);
    if (shed.aside > 0)
        ol__shed_end(&shed);
    if (status != OL_OK)
        return status;
    if (run->first_error.status == OL_OK)
        return OL_OK;
    if (err != NULL) {
        *err = run->first_error;
        err->status = OL_PARTIAL;
    }
    run->first_error.status = OL_OK;
    return OL_PARTIAL;
}

static ol_status misuse(struct ol_run *run, const char *what, struct ol_error *err)
{
    struct ol_error why;
    return ol__client_refused(run->client, ol__error_set(&why, OL_INVALID, "%s", what), &why, err);
}

ol_status ol_run_emit_at(struct ol_run *run, enum ol_event event, int64_t time_ms,
                         struct ol_error *err)
{
    if (run == NULL)
        return ol__error_set(err, OL_DISABLED, "ol_run_emit: there is no run: NULL was given");
    if (run->form != OL_FORM_RUN)
        return misuse(run, "ol_run_emit: this is an event without a run; it has an emit of its own",
                      err);
    if (event > OL_ABORT)
        return misuse(run, "ol_run_emit: no such event; expected OL_START to OL_ABORT", err);
    if (run->has_ended)
        return misuse(run,
                      "ol_run_emit: the run has had its COMPLETE, FAIL or ABORT; a further one is"
                      " made with ol_run_new()",
                      err);
    ol_status status = run->is_filtered
                           ? ol__error_set(err, OL_DISABLED, "a filter matches the job's name")
                           : emit(run, event, time_ms, err);
    if (status >= 0 && ol__event_ends_run(event)) {
        run->has_ended = true;
        if (run->share != NULL)
            atomic_store(&run->share->has_ended, true);
    }
    return status;
}

ol_status ol_run_emit(struct ol_run *run, enum ol_event event, struct ol_error *err)
{
    return ol_run_emit_at(run, event, ol__time_now_ms(), err);
}

ol_status ol_job_event_emit_at(struct ol_run *job_event, int64_t time_ms, struct ol_error *err)
{
    if (job_event == NULL)
        return ol__error_set(err, OL_DISABLED,
                             "ol_job_event_emit: there is no job event: NULL was given");
    if (job_event->form != OL_FORM_JOB)
        return misuse(job_event, "ol_job_event_emit: expected what ol_job_event_new() made", err);
    return emit(job_event, OL_OTHER, time_ms, err);
}

ol_status ol_job_event_emit(struct ol_run *job_event, struct ol_error *err)
{
    return ol_job_event_emit_at(job_event, ol__time_now_ms(), err);
}

ol_status ol_dataset_event_emit_at(struct ol_run *dataset_event, int64_t time_ms,
                                   struct ol_error *err)
{
    if (dataset_event == NULL)
        return ol__error_set(err, OL_DISABLED,
                             "ol_dataset_event_emit: there is no dataset event: NULL was given");
    if (dataset_event->form != OL_FORM_DATASET)
        return misuse(dataset_event,
                      "ol_dataset_event_emit: expected what ol_dataset_event_new() made", err);
    return emit(dataset_event, OL_OTHER, time_ms, err);
}

ol_status ol_dataset_event_emit(struct ol_run *dataset_event, struct ol_error *err)
{
    return ol_dataset_event_emit_at(dataset_event, ol__time_now_ms(), err);
}

struct ol_job *ol_run_job(struct ol_run *run)
{
    return run != NULL && run->form != OL_FORM_DATASET ? &run->job : NULL;
}

const char *ol_run_id(const struct ol_run *run)
{
    return run != NULL && run->form == OL_FORM_RUN ? run->run_id : NULL;
}
