/* SPDX-License-Identifier: Apache-2.0 */
/* `untracked`: models and datasets that are deployed, answer, or are called, and of which no run is
 * recorded that made them.
 *
 * Promises:
 *  1. Looked at are: the models of deployments, what runs read that gave answers, the models that
 *     answers name, and the models that were called.
 *  2. Each that is listed says why: `no_producer` (it is known, nobody is recorded that wrote it),
 *     `other_version` (runs wrote it, none this version), `version_not_told` (used without a
 *     version), `not_recorded` (nothing by that name), `external` (a provider's model: what it was
 *     made of is not for us to know).
 *  3. `tracked` counts the others. */
#include "serving.h"

#include <stdio.h>
#include <stdlib.h>

#define LISTED_MAX 1000

static const char *const reasons[] = {
    "no run is recorded that wrote it", "runs are recorded that wrote it, but none this version",
    "it was used without a version", "nothing is recorded by that name",
    "a provider's model: how it was made is not recorded here"};
static const char *const reason_names[] = {"no_producer", "other_version", "version_not_told",
                                           "not_recorded", "external"};
enum reason { NO_PRODUCER, OTHER_VERSION, VERSION_NOT_TOLD, NOT_RECORDED, EXTERNAL, TRACKED };

struct listed {
    int64_t dataset, version; /* dataset 0: the text is all there is */
    const char *text;         /* model_version, or what was called; "" */
    enum reason reason;
    int64_t run, at; /* who used it last */
    int64_t uses;
    const char *by; /* "deployment", "answers", "call": the first that was found */
};
struct untracked {
    struct decisions d;
    struct deployments deployed;
    struct listed *items; /* owned, LISTED_MAX */
    int count;
    int64_t tracked;
    bool is_cut;
};

/* ---- Who made it ---- */

static ol_status reason_of(struct ask *ask, int64_t dataset, int64_t version, enum reason *ret)
{
    struct ask_edge writer;
    ol_status status = ask_writer(ask, dataset, version, INT64_MAX, 0, &writer);
    bool is_written = writer.job != 0;
    if (status == OL_OK && version != 0 && is_written && writer.version != version)
        *ret = OTHER_VERSION;
    else if (status == OL_OK && version == 0)
        *ret = is_written ? VERSION_NOT_TOLD : NO_PRODUCER;
    else
        *ret = is_written ? TRACKED : NO_PRODUCER;
    if (status != OL_OK || is_written || version == 0)
        return status;
    bool has_other = false; /* ask_writer() looks for this version, or for none */
    struct ask_edge any;
    status = ask_writer(ask, dataset, 0, INT64_MAX, 0, &any);
    has_other = any.job != 0;
    if (has_other)
        *ret = OTHER_VERSION;
    return status;
}

static ol_status keep(struct untracked *u, const char *text, const char **ret)
{
    size_t size = strlen(text) + 1;
    char *copy = ol__arena_alloc(&u->d.arena, size);
    if (copy == NULL)
        return ol__error_set(u->d.ask->err, OL_NOMEM, "store: out of memory");
    memcpy(copy, text, size);
    *ret = copy;
    return OL_OK;
}

static ol_status note(struct untracked *u, const struct listed *use)
{
    for (int i = 0; i < u->count; i++) {
        struct listed *l = &u->items[i];
        bool is_it = use->dataset != 0 ? l->dataset == use->dataset && l->version == use->version
                                       : l->dataset == 0 && strcmp(l->text, use->text) == 0;
        if (!is_it)
            continue;
        l->uses += use->uses;
        if (use->at > l->at) {
            l->at = use->at;
            l->run = use->run;
        }
        return OL_OK;
    }
    if (u->count == LISTED_MAX) {
        u->is_cut = true;
        return OL_OK;
    }
    u->items[u->count] = *use;
    ol_status status = keep(u, use->text, &u->items[u->count].text);
    u->count += status == OL_OK;
    return status;
}

static ol_status use_dataset(struct untracked *u, int64_t dataset, int64_t version, int64_t run,
                             int64_t at, const char *by)
{
    struct listed use = {.dataset = dataset,
                         .version = version,
                         .text = "",
                         .run = run,
                         .at = at,
                         .uses = 1,
                         .by = by};
    ol_status status = reason_of(u->d.ask, dataset, version, &use.reason);
    return status == OL_OK ? note(u, &use) : status;
}

/* All that a run read. */
static ol_status use_inputs(struct untracked *u, int64_t run, const char *by)
{
    struct ask_run row;
    ol_status status = ask_run(u->d.ask, run, true, &row);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    struct state state = u->d.ask->state; /* taken: what follows may use the scratch */
    u->d.ask->state = (struct state){0};
    for (size_t i = 0; i < state.count && status == OL_OK; i++)
        if (state.entries[i].kind == STATE_INPUT)
            status = use_dataset(u, state.entries[i].object, state.entries[i].key, run,
                                 row.row.last, by);
    state_release(&state);
    return status;
}

/* ---- The uses (promise 1) ---- */

static ol_status use_deployments(struct untracked *u)
{
    const struct deployments *all = &u->deployed;
    ol_status status = deployments_read(&u->d, &u->deployed);
    u->is_cut = u->is_cut || all->is_cut;
    for (int i = 0; i < all->count && status == OL_OK; i++)
        status = all->items[i].model != 0
                     ? use_dataset(u, all->items[i].model, all->items[i].version, all->items[i].run,
                                   all->items[i].at, "deployment")
                     : use_inputs(u, all->items[i].run, "deployment");
    return status;
}

/* What answers call themselves: a deployment may have said which model that is, else it is the
 * dataset of that name. */
static ol_status find_model(struct untracked *u, const char *model_version, int64_t *ret_dataset,
                            int64_t *ret_version, bool *ret_is_deployed)
{
    ol_status status = OL_OK;
    *ret_is_deployed = false;
    for (int i = 0; i < u->deployed.count && status == OL_OK && !*ret_is_deployed; i++) {
        const struct deployment *item = &u->deployed.items[i];
        if (item->model == 0)
            continue;
        status = deployment_is_of(&u->d, item, model_version, ret_is_deployed);
        *ret_dataset = item->model;
        *ret_version = item->version;
    }
    if (status != OL_OK || *ret_is_deployed)
        return status;
    *ret_dataset = *ret_version = 0;
    return decisions_find_model(u->d.ask, model_version, ret_dataset, ret_version);
}

static ol_status use_served(struct untracked *u, const struct served *s)
{
    int64_t dataset = 0, version = 0;
    struct listed use = {.text = s->model_version,
                         .reason = NOT_RECORDED,
                         .at = s->last,
                         .uses = s->answers,
                         .by = "answers"};
    if (s->run_count > 0)
        use.run = s->runs[OL_MIN(s->run_count, SERVED_RUNS) - 1];
    ol_status status = OL_OK;
    bool is_deployed = false;
    if (s->model_version[0] != '\0')
        status = find_model(u, s->model_version, &dataset, &version, &is_deployed);
    if (status == OL_OK && dataset != 0) {
        use.dataset = dataset;
        use.version = version;
        status = reason_of(u->d.ask, dataset, version, &use.reason);
        if (status == OL_OK && !is_deployed && version == 0 &&
            strpbrk(s->model_version, "@:") != NULL)
            use.reason = OTHER_VERSION; /* the text names one, which nobody wrote */
    }
    if (status == OL_OK && s->model_version[0] != '\0')
        status = note(u, &use);
    for (int i = 0; i < OL_MIN(s->run_count, SERVED_RUNS) && status == OL_OK; i++)
        status = use_inputs(u, s->runs[i], "answers");
    return status;
}

static ol_status use_answers(struct untracked *u)
{
    struct served_list served = {0};
    ol_status status = served_read(&u->d, &served);
    u->is_cut = u->is_cut || served.is_cut;
    for (int i = 0; i < served.count && status == OL_OK; i++)
        status = use_served(u, &served.items[i]);
    served_release(&served);
    return status;
}

static ol_status use_call(struct untracked *u, int64_t run, int64_t key)
{
    struct ask_run row;
    struct json_doc doc;
    char text[512];
    int64_t dataset = 0, version = 0;
    ol_status status = decisions_facet(u->d.ask, run, key, &row, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND || status == OL_INVALID ? OL_OK : status;
    const char *provider = json_get_text(doc.root, "provider");
    const char *model = json_get_text(doc.root, "response_model");
    if (model == NULL)
        model = json_get_text(doc.root, "request_model");
    snprintf(text, sizeof text, "%s%s%s", provider != NULL ? provider : "",
             provider != NULL ? " " : "", model != NULL ? model : "");
    if (model != NULL)
        status = decisions_find_model(u->d.ask, model, &dataset, &version);
    struct listed use = {.text = text,
                         .reason = provider != NULL ? EXTERNAL : NOT_RECORDED,
                         .run = run,
                         .at = row.row.last,
                         .uses = 1,
                         .by = "call"};
    if (status == OL_OK && dataset != 0) {
        use.dataset = dataset;
        use.version = version;
        status = reason_of(u->d.ask, dataset, version, &use.reason);
        if (provider != NULL && use.reason == NO_PRODUCER)
            use.reason = EXTERNAL; /* also where the provider did not say which version it was */
    }
    if (status == OL_OK && model != NULL)
        status = note(u, &use);
    json_doc_release(&doc);
    return status;
}

static ol_status use_calls(struct untracked *u)
{
    int64_t key = 0, before = INT64_MAX;
    ol_status status = ask_text_id(u->d.ask, ol__span_text("lineaged_call"), &key);
    if (u->d.ask->store->schema < 3 || key == 0)
        return status;
    for (int rows = 0; status == OL_OK; rows++) {
        sqlite3_stmt *stmt = store_bind(u->d.ask->store, SQL_ASK_MARKS, u->d.ask->err, "ii",
                                        (int64_t)MARK_CALL, before);
        status = store_step(u->d.ask->store, stmt, u->d.ask->err);
        if (status == OL_OK)
            before = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        if (status == OL_OK && rows == DECISIONS_MAX) {
            u->is_cut = true;
            break;
        }
        if (status == OL_OK)
            status = use_call(u, before, key);
    }
    return status < 0 ? status : OL_OK;
}

/* ---- The answer ---- */

static ol_status write_listed(struct untracked *u, const struct listed *l)
{
    struct ask *ask = u->d.ask;
    struct ol__json_writer *w = &ask->json;
    struct ask_run run;
    ol_status status = OL_OK;
    ol__json_begin_object(w);
    ol__json_member_text(w, "verdict", reason_names[l->reason]);
    ol__json_member_text(w, "reason", reasons[l->reason]);
    if (l->dataset != 0)
        status = ask_write_dataset(ask, l->dataset, l->version);
    if (l->text[0] != '\0')
        ol__json_member_text(w, "model_version", l->text);
    ol__json_member_text(w, "used_by", l->by);
    ol__json_member_int(w, "uses", l->uses);
    ask_write_time(ask, "last_used", l->at);
    if (status == OL_OK && l->run != 0) {
        status = ask_run(ask, l->run, false, &run);
        if (status == OL_OK)
            ol__json_member_text(w, "run_id", run.run_id);
    }
    ol__json_end_object(w);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

static ol_status write_all(struct untracked *u)
{
    struct ol__json_writer *w = &u->d.ask->json;
    ol_status status = use_deployments(u);
    if (status == OL_OK)
        status = use_answers(u);
    if (status == OL_OK)
        status = use_calls(u);
    ol__json_begin_object(w);
    ol__json_key(w, "untracked");
    ol__json_begin_array(w);
    for (int i = 0; i < u->count && status == OL_OK; i++) {
        if (u->items[i].reason == TRACKED)
            u->tracked++;
        else
            status = write_listed(u, &u->items[i]);
    }
    ol__json_end_array(w);
    ol__json_member_int(w, "tracked", u->tracked);
    ol__json_member_bool(w, "truncated", u->is_cut);
    ol__json_end_object(w);
    return status;
}

ol_status store_untracked(struct store *store, const struct store_question *q, struct ol__buf *out,
                          struct ol_error *err)
{
    struct ask ask;
    struct untracked u = {.count = 0};
    ol_status status = ask_begin(&ask, store, q, 0, out, err);
    if (status != OL_OK)
        return status;
    u.items = calloc(LISTED_MAX, sizeof *u.items);
    status = u.items != NULL ? decisions_begin(&u.d, &ask)
                             : ol__error_set(err, OL_NOMEM, "store: out of memory");
    if (status == OL_OK)
        status = write_all(&u);
    deployments_release(&u.deployed);
    decisions_end(&u.d);
    free(u.items);
    return ask_end(&ask, status);
}
