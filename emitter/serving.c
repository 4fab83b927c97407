/* SPDX-License-Identifier: Apache-2.0 */
/* What the answers of one run share, written once. Promises:
 *  1. After it is made a handle reads nothing of its run but what stands in struct ol__run_share,
 * so neither needs to wait for the other.
 *  2. A key is not kept, only the two states that HMAC makes of it. */
#include "serving.h"

#include <stdlib.h>
#include "facet_info.h"
#include "facet_table.h"
#include "run_ids.h"

#define KEY_MIN 16

struct ol__run_share *ol__run_share(struct ol_run *run)
{
    if (run->share == NULL) {
        run->share = calloc(1, sizeof *run->share);
        if (run->share == NULL)
            return NULL;
        atomic_store(&run->share->users, 1);
        atomic_store(&run->share->has_ended, run->has_ended);
        atomic_store(&run->share->is_diverted, run->is_diverted);
    }
    atomic_fetch_add(&run->share->users, 1);
    return run->share;
}

void ol__run_share_release(struct ol__run_share *share)
{
    if (share != NULL && atomic_fetch_sub(&share->users, 1) == 1)
        free(share);
}

void ol_serving_free(struct ol_serving *serving)
{
    if (serving == NULL)
        return;
    ol__buf_release(&serving->head);
    ol__buf_release(&serving->ids_head);
    ol__buf_release(&serving->facet_head);
    ol__buf_release(&serving->tail);
    for (int i = 0; i < OL_ANSWER_IDS; i++)
        free(serving->ids[i]);
    free(serving->dataset_id);
    ol__run_share_release(serving->run);
    ol__client_release(serving->client);
    free(serving);
}

static char *copy_text(const char *text, ol_status *status)
{
    char *copy = text != NULL && text[0] != '\0' ? strdup(text) : NULL;
    if (copy == NULL && text != NULL && text[0] != '\0')
        *status = OL_NOMEM;
    return copy;
}

/* `"KEY":{"_producer":...,"_schemaURL":...`: more members may follow. */
static void begin_facet(const struct ol_serving *s, enum ol__facet_id id, struct ol__buf *out)
{
    const struct ol__facet_info *info = ol__facet_info(id);
    struct ol__json_writer w;
    ol__buf_add_format(out, "\"%s\":", info->key);
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "_producer", s->client->producer);
    ol__json_member_text(&w, "_schemaURL", info->schema_url);
}

static ol_status take_ids(struct ol_serving *s, const struct ol_run *run)
{
    struct ol__run_ids known;
    struct ol__json_writer w;
    ol__run_ids_init(&known);
    ol_status status = ol__run_ids_read(run, &known);
    const struct ol_ids *ids = &known.ids;
    const char *const own[OL_ANSWER_IDS] = {
        [OL_ANSWER_FEATURE_VIEW] = ids->feature_view,
        [OL_ANSWER_CORPUS_SHA] = ids->corpus_sha,
        [OL_ANSWER_PROMPT_TEMPLATE] = ids->prompt_template,
        [OL_ANSWER_MODEL_VERSION] = ids->model_version,
        [OL_ANSWER_PROVIDER_REQUEST_ID] = ids->provider_request_id,
    };
    for (int i = 0; i < OL_ANSWER_IDS && status == OL_OK; i++)
        s->ids[i] = copy_text(own[i], &status);
    if (status == OL_OK)
        s->dataset_id = copy_text(ids->dataset_id, &status);
    begin_facet(s, OL_FACET_RUN_LINEAGED_RUN, &s->ids_head);
    ol__json_writer_init(&w, &s->ids_head);
    w.depth = 1;
    w.has_member = 1;
    ol__json_member_text_opt(&w, "run_id", ids->run_id);
    ol__json_member_text_opt(&w, "step", ids->step);
    ol__json_member_text_opt(&w, "attempt", ids->attempt);
    ol__json_member_text_opt(&w, "task_id", ids->task_id);
    ol__json_member_text_opt(&w, "dataset_id", ids->dataset_id);
    s->has_ids = ids->run_id != NULL || ids->step != NULL || ids->attempt != NULL ||
                 ids->task_id != NULL || ids->dataset_id != NULL;
    ol__run_ids_release(&known);
    return status;
}

static ol_status write_parts(struct ol_serving *s, const struct ol_run *run)
{
    const struct ol__buf *kind = &run->client->event_tail[OL_FORM_RUN];
    ol__buf_add(&s->head, kind->data, kind->size);
    ol__buf_add_format(&s->head, "\"run\":{\"runId\":\"%s\",\"facets\":{", run->run_id);
    begin_facet(s, OL_FACET_RUN_LINEAGED_ANSWER, &s->facet_head);
    ol__buf_add_text(&s->tail, "}},");
    ol__buf_add(&s->tail, run->job_head.data, run->job_head.size);
    ol__buf_add_text(&s->tail, "{}},\"inputs\":[],\"outputs\":[]}\n");
    const struct ol__buf *all[] = {&s->head, &s->ids_head, &s->facet_head, &s->tail};
    for (size_t i = 0; i < OL_COUNT(all); i++)
        if (all[i]->status != OL_OK)
            return all[i]->status;
    return OL_OK;
}

/* What ol_context_inject() would call the run's trace. */
static ol_status take_trace(struct ol_serving *s, const struct ol_run *run)
{
    struct ol__origin root = {0};
    struct ol__trace trace = run->travel.trace;
    if (trace.trace_id[0] == '\0') {
        ol_status status = ol__run_find_root(run, &root);
        if (status == OL_INVALID) /* a parent facet from JSON that names nobody */
            status = ol__origin_make(run->parent_id, run->namespace_size, run->name_size,
                                     run->run_id, &root);
        if (status != OL_OK)
            return status;
        if (!ol__run_make_trace(run, &root, &trace))
            trace.trace_id[0] = '\0';
        ol__origin_release(&root);
    }
    memcpy(s->trace_id, trace.trace_id, sizeof s->trace_id);
    return OL_OK;
}

static ol_status check(const struct ol_run *run, const struct ol_serving_options *options,
                       struct ol_serving_options *o, struct ol_error *err)
{
    if (options == NULL || !ol__options_copy(options, o, sizeof *o, sizeof *o))
        return ol__options_refused(options, "ol_serving_options", err);
    if (run->form != OL_FORM_RUN)
        return ol__error_set(
            err, OL_INVALID,
            "ol_serving_new: this is an event without a run; expected what ol_run_new() made");
    if (run->has_ended)
        return ol__error_set(err, OL_INVALID,
                             "ol_serving_new: the run has had its COMPLETE, FAIL or ABORT");
    if (o->key_size > 0 && (o->key == NULL || o->key_size < KEY_MIN))
        return ol__error_set(err, OL_INVALID,
                             "ol_serving_options.key: %zu bytes%s; expected at least %d, or none",
                             o->key_size, o->key == NULL ? " at NULL" : "", KEY_MIN);
    return OL_OK;
}

ol_status ol_serving_new(struct ol_run *run, const struct ol_serving_options *options,
                         struct ol_serving **ret, struct ol_error *err)
{
    struct ol_serving_options o = {.key_size = 0};
    if (ret == NULL)
        return ol__error_set(err, OL_INVALID, "ol_serving_new: ret is NULL");
    *ret = NULL;
    if (run == NULL)
        return ol__error_set(err, OL_DISABLED, "ol_serving_new: there is no run: NULL was given");
    ol_status status = check(run, options, &o, err);
    if (status != OL_OK)
        return status;
    struct ol_serving *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ol__error_set(err, OL_NOMEM, "ol_serving_new: out of memory");
    s->client = run->client;
    ol__client_hold(s->client);
    s->hook = run->context.hook;
    s->is_filtered = run->is_filtered;
    s->is_keyed = o.key_size > 0;
    if (s->is_keyed)
        ol__hmac_init(&s->hmac, o.key, o.key_size);
    struct ol__buf *all[] = {&s->head, &s->ids_head, &s->facet_head, &s->tail};
    for (size_t i = 0; i < OL_COUNT(all); i++)
        ol__buf_init(all[i], OL_LINE_MAX);
    s->run = ol__run_share(run);
    status = s->run != NULL ? take_ids(s, run) : OL_NOMEM;
    if (status == OL_OK)
        status = write_parts(s, run);
    if (status == OL_OK)
        status = take_trace(s, run);
    if (status != OL_OK) {
        ol_serving_free(s);
        status = ol__status_public(status);
        return ol__error_set(err, status, "ol_serving_new: %s", ol_status_name(status));
    }
    *ret = s;
    return OL_OK;
}
