/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments: what was put where, and what of it serves now. Promises:
 *  1. What serves follows from what was told, in the order of event times, and from nothing else:
 *     - `failed`: nothing changes;
 *     - `rolled_back`: that deployment (by its id, by `replaces`, else the same model at the same
 *       place) serves no more, and those that it had replaced do again;
 *     - traffic 0: the same model at the same place serves no more;
 *     - else it serves; the same model at the same place gives way to it; so does the one it names
 *       as replaced; and all others there, unless it takes a share (traffic below 100) or its
 *       strategy is canary or shadow.
 *  2. Two places are the same if endpoint and environment are. */
#include "decisions.h"

#include <stdlib.h>

/* ---- Reading ---- */

static ol_status keep_text(struct decisions *d, const char *text, const char **ret)
{
    size_t size = text != NULL ? strlen(text) : 0;
    char *copy = ol__arena_alloc(&d->arena, size + 1);
    if (copy == NULL)
        return ol__error_set(d->ask->err, OL_NOMEM, "store: out of memory");
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    *ret = copy;
    return OL_OK;
}

static ol_status keep_texts(struct decisions *d, const struct json_node *facet,
                            struct deployment *item)
{
    const char *place = json_get_text(facet, "url");
    if (place == NULL)
        place = json_get_text(facet, "service");
    if (place == NULL)
        place = json_get_text(facet, "name");
    const struct {
        const char *text;
        const char **to;
    } texts[] = {{place, &item->place},
                 {json_get_text(facet, "id"), &item->id},
                 {json_get_text(facet, "environment"), &item->environment},
                 {json_get_text(facet, "status"), &item->status},
                 {json_get_text(facet, "strategy"), &item->strategy},
                 {json_get_text(facet, "replaces"), &item->replaces}};
    ol_status status = OL_OK;
    for (size_t i = 0; i < OL_COUNT(texts) && status == OL_OK; i++)
        status = keep_text(d, texts[i].text, texts[i].to);
    const char *traffic = json_get_text(facet, "traffic_percent");
    item->has_traffic = traffic != NULL;
    item->traffic = traffic != NULL ? strtod(traffic, NULL) : 0;
    return status;
}

static ol_status is_model(struct ask *ask, int64_t dataset, bool *ret)
{
    int64_t wanted = 0;
    *ret = false;
    ol_status status = ask_text_id(ask, ol__span_text("MODEL"), &wanted);
    if (status != OL_OK || wanted == 0)
        return status;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_DATASET_GET, ask->err, "i", dataset);
    status = store_step(ask->store, stmt, ask->err);
    *ret = status == OL_OK && sqlite3_column_int64(stmt, 0) == wanted;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static bool is_artifact(const char *version, const char *artifact)
{
    return artifact != NULL && version[0] != '\0' &&
           (strcmp(version, artifact) == 0 ||
            (strncmp(version, "sha256:", 7) == 0 && strcmp(version + 7, artifact) == 0));
}

/* Which input is the model: the one with the hash that the facet names, the only one, the only one
 * that is a model by its type; else nobody told. */
static ol_status find_model(struct decisions *d, const char *artifact, struct deployment *item)
{
    struct state state = d->ask->state; /* taken: what follows may use the scratch */
    const struct state_entry *typed = NULL, *only = NULL, *named = NULL;
    int inputs = 0, models = 0;
    ol_status status = OL_OK;
    d->ask->state = (struct state){0};
    for (size_t i = 0; i < state.count && status == OL_OK; i++) {
        const struct state_entry *e = &state.entries[i];
        const char *version = "";
        bool is_typed = false;
        if (e->kind == STATE_OUTPUT && item->endpoint == 0)
            item->endpoint = e->object;
        if (e->kind != STATE_INPUT)
            continue;
        inputs++;
        only = e;
        status = is_model(d->ask, e->object, &is_typed);
        if (status == OL_OK)
            status = decisions_version(d, e->key, &version);
        if (is_artifact(version, artifact))
            named = named == NULL || is_typed ? e : named;
        models += is_typed;
        typed = is_typed ? e : typed;
    }
    const struct state_entry *model = named != NULL ? named
                                      : inputs == 1 ? only
                                      : models == 1 ? typed
                                                    : NULL;
    if (model != NULL) {
        item->model = model->object;
        item->version = model->key;
    }
    state_release(&state);
    return status;
}

static ol_status read_one(struct decisions *d, int64_t run, struct deployments *list)
{
    struct ask_run row;
    struct json_doc doc;
    struct deployment item = {.run = run};
    ol_status status = decisions_facet(d->ask, run, d->deployment_key, &row, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND || status == OL_INVALID ? OL_OK : status;
    item.at = row.row.last;
    status = keep_texts(d, doc.root, &item);
    if (status == OL_OK && item.id[0] == '\0')
        status = keep_text(d, row.run_id, &item.id);
    if (status == OL_OK)
        status = find_model(d, json_get_text(doc.root, "artifact_id"), &item);
    json_doc_release(&doc);
    if (status != OL_OK)
        return status;
    if (list->count == list->cap) {
        int cap = list->cap == 0 ? 64 : list->cap * 2;
        struct deployment *items = realloc(list->items, (size_t)cap * sizeof *items);
        if (items == NULL)
            return ol__error_set(d->ask->err, OL_NOMEM, "store: out of memory");
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = item;
    return OL_OK;
}

static int compare(const void *a, const void *b)
{
    const struct deployment *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->run < y->run ? -1 : x->run > y->run;
}

/* ---- What serves (promise 1) ---- */

static bool is_same_place(const struct deployment *a, const struct deployment *b)
{
    return a->endpoint == b->endpoint && strcmp(a->environment, b->environment) == 0 &&
           (a->endpoint != 0 || strcmp(a->place, b->place) == 0);
}

static bool is_same_model(const struct deployment *a, const struct deployment *b)
{
    return a->model != 0 && a->model == b->model && a->version == b->version;
}

static void roll_back(struct deployments *list, int at)
{
    const struct deployment *it = &list->items[at];
    int found = -1;
    for (int pass = 0; pass < 3 && found < 0; pass++)
        for (int i = at - 1; i >= 0 && found < 0; i--) {
            const struct deployment *o = &list->items[i];
            bool is_it = pass == 0   ? strcmp(o->id, it->id) == 0
                         : pass == 1 ? it->replaces[0] != '\0' && strcmp(o->id, it->replaces) == 0
                                     : is_same_place(o, it) && is_same_model(o, it);
            if (is_it && o->is_live)
                found = i;
        }
    if (found < 0)
        return;
    list->items[found].is_live = false;
    for (int i = 0; i < found; i++)
        if (list->items[i].gone_for == found + 1) {
            list->items[i].is_live = true;
            list->items[i].gone_for = 0;
        }
}

static bool takes_all(const struct deployment *it)
{
    bool has_share = it->has_traffic && it->traffic < 100;
    return !has_share && strcmp(it->strategy, "canary") != 0 && strcmp(it->strategy, "shadow") != 0;
}

static void serve(struct deployments *list, int at)
{
    struct deployment *it = &list->items[at];
    bool is_gone = it->has_traffic && it->traffic <= 0 && strcmp(it->strategy, "shadow") != 0;
    it->is_live = !is_gone;
    for (int i = 0; i < at; i++) {
        struct deployment *o = &list->items[i];
        bool gives_way =
            (is_same_place(o, it) &&
             (is_same_model(o, it) || strcmp(o->id, it->id) == 0 || (!is_gone && takes_all(it)))) ||
            (it->replaces[0] != '\0' && strcmp(o->id, it->replaces) == 0);
        if (!o->is_live || !gives_way)
            continue;
        o->is_live = false;
        o->gone_for = at + 1;
    }
}

ol_status deployments_read(struct decisions *d, struct deployments *ret)
{
    ol_status status = OL_OK;
    *ret = (struct deployments){0};
    if (d->deployment_key == 0 || d->ask->store->schema < 3)
        return OL_OK;
    int64_t before = INT64_MAX;
    for (int rows = 0; status == OL_OK; rows++) {
        /* begun anew for each row: reading one uses other statements, and this holds no lock */
        sqlite3_stmt *stmt = store_bind(d->ask->store, SQL_ASK_MARKS, d->ask->err, "ii",
                                        (int64_t)MARK_DEPLOYMENT, before);
        status = store_step(d->ask->store, stmt, d->ask->err);
        if (status == OL_OK)
            before = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        if (status == OL_OK && rows == DECISIONS_MAX) {
            ret->is_cut = true;
            break;
        }
        if (status == OL_OK)
            status = read_one(d, before, ret);
    }
    if (status < 0)
        return status;
    if (ret->count > 0)
        qsort(ret->items, (size_t)ret->count, sizeof *ret->items, compare);
    for (int i = 0; i < ret->count; i++) {
        const char *told = ret->items[i].status;
        if (strcmp(told, "rolled_back") == 0)
            roll_back(ret, i);
        else if (strcmp(told, "failed") != 0)
            serve(ret, i);
    }
    return OL_OK;
}

void deployments_release(struct deployments *list)
{
    free(list->items);
    *list = (struct deployments){0};
}

/* ---- Writing ---- */

static ol_status write_dataset(struct decisions *d, const char *key, int64_t dataset,
                               int64_t version)
{
    ol__json_key(&d->ask->json, key);
    ol__json_begin_object(&d->ask->json);
    ol_status status = ask_write_dataset(d->ask, dataset, version);
    ol__json_end_object(&d->ask->json);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

ol_status deployment_write(struct decisions *d, const struct deployment *item)
{
    static const char *const members[] = {"name",   "service",      "strategy",     "url",
                                          "engine", "image",        "image_digest", "config_sha256",
                                          "record", "record_sha256"};
    struct ol__json_writer *w = &d->ask->json;
    struct ask_run row;
    struct json_doc doc;
    ol__json_member_text(w, "deployment_id", item->id);
    ol_status status =
        item->endpoint != 0 ? write_dataset(d, "endpoint", item->endpoint, 0) : OL_OK;
    if (item->environment[0] != '\0')
        ol__json_member_text(w, "environment", item->environment);
    if (status == OL_OK && item->model != 0)
        status = write_dataset(d, "model", item->model, item->version);
    ask_write_time(d->ask, "since", item->at);
    if (item->has_traffic) {
        ol__json_key(w, "traffic_percent");
        ol__json_real(w, item->traffic);
    }
    ol__json_member_text(w, "status", item->status[0] != '\0' ? item->status : "succeeded");
    ol__json_member_bool(w, "serves", item->is_live);
    if (item->replaces[0] != '\0')
        ol__json_member_text(w, "replaces", item->replaces);
    if (status == OL_OK)
        status = decisions_facet(d->ask, item->run, d->deployment_key, &row, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    for (size_t i = 0; i < OL_COUNT(members); i++)
        ol__json_member_text_opt(w, members[i], json_get_text(doc.root, members[i]));
    ol__json_member_text(w, "run_id", row.run_id);
    json_doc_release(&doc);
    return OL_OK;
}

/* ---- Models by a text ---- */

static bool is_joined(const char *text, const char *name, const char *version)
{
    size_t size = strlen(name);
    return size > 0 && version[0] != '\0' && strncmp(text, name, size) == 0 &&
           (text[size] == '@' || text[size] == ':' || text[size] == '#' || text[size] == '/') &&
           strcmp(text + size + 1, version) == 0;
}

ol_status deployment_is_of(struct decisions *d, const struct deployment *item,
                           const char *model_version, bool *ret)
{
    const char *name = "", *version = "";
    int64_t id = 0;
    *ret = false;
    ol_status status = ask_text_id(d->ask, ol__span_text(model_version), &id);
    if (status == OL_OK && id != 0) {
        sqlite3_stmt *stmt = store_bind(d->ask->store, SQL_ASK_ID_MARKED, d->ask->err, "ii", id,
                                        (int64_t)MARK_DEPLOYMENT);
        while ((status = store_step(d->ask->store, stmt, d->ask->err)) == OL_OK && !*ret)
            *ret = sqlite3_column_int64(stmt, 0) == item->run;
        sqlite3_reset(stmt);
        status = status < 0 ? status : OL_OK;
    }
    if (status != OL_OK || *ret || item->model == 0 || item->version == 0)
        return status;
    status = decisions_name(d, item->model, &name);
    if (status == OL_OK)
        status = decisions_version(d, item->version, &version);
    const char *slash = strrchr(name, '/');
    *ret = is_joined(model_version, name, version) ||
           (slash != NULL && is_joined(model_version, slash + 1, version)) ||
           is_artifact(version, model_version);
    return status;
}

ol_status decisions_find_model(struct ask *ask, const char *text, int64_t *ret_dataset,
                               int64_t *ret_version)
{
    const struct store_question *before = ask->question;
    struct store_question question = {.uid = before->uid};
    char name[1024];
    *ret_dataset = *ret_version = 0;
    const char *at = strrchr(text, '@');
    const char *split = at != NULL && at != text ? at : strrchr(text, ':');
    bool is_digest = strncmp(text, "sha256:", 7) == 0;
    question.subject = text;
    if (is_digest) {
        question.content = text;
    } else if (split != NULL && split != text && (size_t)(split - text) < sizeof name) {
        memcpy(name, text, (size_t)(split - text));
        name[split - text] = '\0';
        question.subject = name;
        question.content = split + 1;
    }
    ask->question = &question;
    ask->count = 0;
    ask->kind = ASK_NONE;
    ask->note = NULL;
    ol_status status = ask_resolve(ask);
    for (int i = 0; i < ask->count && ask->kind == ASK_DATASET && *ret_version == 0; i++) {
        *ret_dataset = ask->ids[i];
        *ret_version = ask->versions[i];
    }
    ask->question = before;
    return status == OL_NOT_FOUND ? OL_OK : status;
}
