/* SPDX-License-Identifier: Apache-2.0 */
/* Which answers of a service used what is affected. Promises:
 *  1. An answer that names (model_version, corpus_sha, prompt_template, feature_view, dataset_id,
 * or retrieval_index, embedding_model of its own) an affected thing that its run read is counted.
 *  2. It is left out only where it names something else in place of each affected thing: another
 * version of that dataset, or whatever stands where other answers of the run name it.
 *  3. What tells neither is counted, because its service was reached, and counted apart.
 *  4. Answers with the same ids are looked at once; of bodies no more than BODIES_MAX. */
#include "graph.h"
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include "json_doc.h"

#define AFFECTED_MAX 32 /* of one run; with more no answer is told apart */
#define GROUPS_MAX 10000
#define BODIES_MAX 5000

/* What an answer may name: of the first five the event's lineaged_run, else that of its run; the
 * others are members of lineaged_answer. */
static const char *const keys[] = {"model_version",  "corpus_sha", "prompt_template",
                                   "feature_view",   "dataset_id", "retrieval_index",
                                   "embedding_model"};
#define KEYS OL_COUNT(keys)
#define ID_KEYS 5

struct told {
    const char *values[KEYS]; /* NULL: nothing */
};
struct affected {
    int64_t dataset;
    char *name;    /* owned */
    char *version; /* owned; "": none is told */
    bool is_named[KEYS];
};
struct used {
    struct walk *w;
    int64_t run;
    struct affected items[AFFECTED_MAX];
    size_t count;
    char own[ID_KEYS][512]; /* what the run says of itself; "" */
    int64_t seen;           /* answers of all groups */
    struct graph_counts *counts;
    struct graph_answers *ret;
};
enum verdict { OTHER, NOT_TOLD, THIS };

/* ---- Whether a text names a thing ---- */

static const char *digest_of(const char *text)
{
    return strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;
}

/* NAME, NAME@VERSION, NAME:VERSION, the name with or without what stands before its last slash. */
static enum verdict names(const char *text, const char *name, const char *version)
{
    size_t size = strlen(name);
    if (size == 0 || strncmp(text, name, size) != 0)
        return NOT_TOLD;
    if (text[size] == '\0')
        return THIS;
    if (strchr("@:#/", text[size]) == NULL)
        return NOT_TOLD;
    return version[0] == '\0' || strcmp(digest_of(text + size + 1), digest_of(version)) == 0
               ? THIS
               : OTHER;
}

/* Whether @p text is a version of @p dataset that is recorded. */
static ol_status is_version(struct ask *ask, int64_t dataset, const char *text, bool *ret)
{
    uint8_t bytes[32];
    char prefixed[sizeof "sha256:" + 64];
    struct ol__span value = ol__span_text(text);
    if (value.size == 64) {
        snprintf(prefixed, sizeof prefixed, "sha256:%s", text);
        value = ol__span_text(prefixed);
    }
    bool is_packed = version_pack(value, bytes);
    if (is_packed)
        value = (struct ol__span){.data = (const char *)bytes, .size = sizeof bytes};
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_VERSION, ask->err, is_packed ? "bi" : "ti", value, dataset);
    ol_status status = store_step(ask->store, stmt, ask->err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status verdict_of(struct used *u, const struct affected *a, const char *text,
                            enum verdict *ret)
{
    const char *slash = strrchr(a->name, '/');
    bool is_other = false;
    if (a->version[0] != '\0' && strcmp(digest_of(text), digest_of(a->version)) == 0) {
        *ret = THIS;
        return OL_OK;
    }
    *ret = names(text, a->name, a->version);
    if (*ret == NOT_TOLD && slash != NULL)
        *ret = names(text, slash + 1, a->version);
    if (*ret != NOT_TOLD || a->version[0] == '\0')
        return OL_OK;
    ol_status status = is_version(u->w->ask, a->dataset, text, &is_other);
    *ret = is_other ? OTHER : NOT_TOLD;
    return status;
}

/* Promises 1 to 3, of one answer and one thing. */
static ol_status judge_one(struct used *u, const struct affected *a, const struct told *told,
                           enum verdict *ret)
{
    enum verdict found = NOT_TOLD;
    ol_status status = OL_OK;
    *ret = NOT_TOLD;
    for (size_t k = 0; k < KEYS && status == OL_OK; k++) {
        if (told->values[k] == NULL)
            continue;
        status = verdict_of(u, a, told->values[k], &found);
        if (found == THIS) {
            *ret = THIS;
            return status;
        }
        if (found == OTHER || a->is_named[k])
            *ret = OTHER;
    }
    return status;
}

static ol_status judge_all(struct used *u, const struct told *told, enum verdict *ret)
{
    enum verdict found = NOT_TOLD;
    ol_status status = OL_OK;
    *ret = OTHER;
    for (size_t i = 0; i < u->count && status == OL_OK && *ret != THIS; i++) {
        status = judge_one(u, &u->items[i], told, &found);
        *ret = OL_MAX(*ret, found);
    }
    return status;
}

/* ---- Answers with the same ids ---- */

static ol_status count_group(struct used *u, int64_t ids, int64_t *ret)
{
    struct ask *ask = u->w->ask;
    sqlite3_stmt *stmt = store_bind(
        ask->store,
        ask->at == INT64_MAX ? SQL_ASK_ANSWER_COUNT_OF_IDS : SQL_ASK_ANSWER_COUNT_OF_IDS_UNTIL,
        ask->err, ask->at == INT64_MAX ? "in" : "ini", u->run, ids, ask->at);
    ol_status status = store_step(ask->store, stmt, ask->err);
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* One answer at a time, by what its own facet names as well. */
static ol_status look_at_bodies(struct used *u, int64_t ids, const struct told *of_group,
                                int64_t *ret_used, int64_t *ret_other)
{
    struct ask *ask = u->w->ask;
    int64_t after = 0;
    ol_status status = OL_OK;
    while (status == OL_OK && u->w->bodies_looked++ < BODIES_MAX) {
        struct json_doc doc;
        struct told told = *of_group;
        enum verdict verdict = NOT_TOLD;
        int64_t at = 0;
        sqlite3_stmt *stmt = store_bind(ask->store, SQL_EXPORT_ANSWERS, ask->err, "inii", u->run,
                                        ids, after, (int64_t)1);
        status = store_step(ask->store, stmt, ask->err);
        if (status == OL_OK)
            after = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        if (status == OL_OK)
            status = ask_read_answer(ask, after, &at, &doc);
        if (status == OL_NOT_FOUND) { /* damaged: it tells nothing */
            status = OL_OK;
            continue;
        }
        if (status != OL_OK)
            break;
        for (size_t k = ID_KEYS; k < KEYS; k++)
            told.values[k] = json_get_text(doc.root, keys[k]);
        if (at <= ask->at) {
            status = judge_all(u, &told, &verdict);
            *ret_used += verdict == THIS;
            *ret_other += verdict == OTHER;
        }
        json_doc_release(&doc);
    }
    return status < 0 ? status : OL_OK;
}

static ol_status add_group(struct used *u, int64_t ids, const struct told *told)
{
    int64_t count = 0, used = 0, other = 0;
    enum verdict verdict = NOT_TOLD;
    ol_status status = count_group(u, ids, &count);
    if (status == OL_OK && count > 0)
        status = judge_all(u, told, &verdict);
    if (status != OL_OK || count == 0)
        return status;
    u->seen += count;
    if (verdict == THIS)
        used = count;
    else if (verdict == OTHER)
        other = count;
    else
        status = look_at_bodies(u, ids, told, &used, &other);
    if (verdict == OTHER && status == OL_OK)
        status = graph_set_put(u->w, &u->counts->left_out, graph_group_key(u->run, ids));
    u->ret->count += count - other;
    u->ret->not_told += count - used - other;
    return status;
}

/* Whatever an id of the group names is named by some answer. */
static ol_status learn(struct used *u, int64_t ids OL_UNUSED, const struct told *told)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < u->count; i++)
        for (size_t k = 0; k < ID_KEYS && status == OL_OK; k++) {
            enum verdict verdict = NOT_TOLD;
            if (told->values[k] != NULL)
                status = verdict_of(u, &u->items[i], told->values[k], &verdict);
            u->items[i].is_named[k] = u->items[i].is_named[k] || verdict == THIS;
        }
    return status;
}

static ol_status each_group(struct used *u,
                            ol_status (*each)(struct used *, int64_t, const struct told *))
{
    struct ask *ask = u->w->ask;
    struct told own = {.values = {NULL}};
    int64_t after = 0;
    for (size_t k = 0; k < ID_KEYS; k++)
        own.values[k] = u->own[k][0] != '\0' ? u->own[k] : NULL;
    ol_status status = each(u, 0, &own);
    for (int rows = 0; rows < GROUPS_MAX && status == OL_OK; rows++) {
        struct json_doc doc;
        struct told told = own;
        sqlite3_stmt *stmt =
            store_bind(ask->store, SQL_ASK_ANSWER_IDS, ask->err, "ii", u->run, after);
        status = store_step(ask->store, stmt, ask->err);
        if (status == OL_OK) {
            after = sqlite3_column_int64(stmt, 0);
            status = json_doc_read(&doc, store_column(stmt, 1), ask->err);
        }
        sqlite3_reset(stmt);
        if (status != OL_OK)
            break;
        for (size_t k = 0; k < ID_KEYS; k++)
            if (json_get_text(doc.root, keys[k]) != NULL)
                told.values[k] = json_get_text(doc.root, keys[k]);
        status = each(u, after, &told);
        json_doc_release(&doc);
    }
    return status < 0 ? status : OL_OK;
}

/* ---- What the run is, and what of it is affected ---- */

static ol_status copy_text(struct walk *w, struct ol__span text, char **ret)
{
    *ret = malloc(text.size + 1);
    if (*ret == NULL)
        return graph_nomem(w);
    memcpy(*ret, text.data != NULL ? text.data : "", text.size);
    (*ret)[text.size] = '\0';
    return OL_OK;
}

static ol_status add_affected(struct used *u, int64_t dataset, int64_t version)
{
    struct ask *ask = u->w->ask;
    struct affected *a = &u->items[u->count];
    struct ol__buf text;
    *a = (struct affected){.dataset = dataset};
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_DATASET, ask->err, "ii", dataset, (int64_t)0);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK)
        status = copy_text(u->w, store_column(stmt, 1), &a->name);
    sqlite3_reset(stmt);
    if (status != OL_OK)
        return status;
    u->count++;
    ol__buf_init(&text, 1 << 20);
    status = ask_version_text(ask, version, &text);
    if (status == OL_OK)
        status = copy_text(u->w, (struct ol__span){text.data, text.size}, &a->version);
    ol__buf_release(&text);
    return status;
}

/* The datasets that the walk came by to the run; none: the run itself is what was asked about. */
static ol_status take_affected(struct used *u, size_t index, bool *ret_too_many)
{
    struct walk *w = u->w;
    size_t i = GRAPH_NONE;
    ol_status status = graph_first_edge_to(w, index, &i);
    *ret_too_many = false;
    for (; i != GRAPH_NONE && status == OL_OK; i = graph_next_edge_to(w, i)) {
        const struct graph_node *from = &w->nodes[w->edges[i].from];
        if (from->kind != GRAPH_DATASET)
            continue;
        if (u->count == AFFECTED_MAX) {
            *ret_too_many = true;
            return OL_OK;
        }
        status =
            add_affected(u, from->id, from->version != 0 ? from->version : w->edges[i].version);
    }
    return status == OL_END ? OL_NOT_FOUND : status;
}

static ol_status take_own(struct used *u)
{
    struct ask *ask = u->w->ask;
    int64_t key_ids[ID_KEYS];
    struct ask_run run;
    ol_status status = OL_OK;
    for (size_t k = 0; k < ID_KEYS && status == OL_OK; k++)
        status = ask_text_id(ask, ol__span_text(keys[k]), &key_ids[k]);
    if (status == OL_OK)
        status = ask_run(ask, u->run, true, &run);
    for (size_t i = 0; status == OL_OK && i < ask->state.count; i++) {
        const struct state_entry e = ask->state.entries[i];
        for (size_t k = 0; k < ID_KEYS && e.kind == STATE_ID && e.object != 0; k++)
            if (key_ids[k] != 0 && e.key == key_ids[k])
                status = ask_text(ask, e.value, u->own[k], sizeof u->own[k]);
    }
    return status;
}

uint64_t graph_group_key(int64_t run, int64_t ids)
{
    return (((uint64_t)run * 0x9e3779b97f4a7c15u) ^ (uint64_t)ids) | 1;
}

ol_status graph_count_answers(struct walk *w, struct graph_counts *counts, size_t index,
                              struct graph_answers *ret)
{
    struct used *u;
    bool is_too_many = false;
    int64_t run = w->nodes[index].id, all = 0;
    *ret = (struct graph_answers){0};
    ol_status status = ask_count_answers(w->ask, run, &all);
    if (status != OL_OK || all == 0)
        return status;
    ret->count = all;
    if (index < w->root_count || w->ask->store->schema < 3)
        return OL_OK;
    u = calloc(1, sizeof *u);
    if (u == NULL)
        return graph_nomem(w);
    u->w = w;
    u->run = run;
    u->counts = counts;
    u->ret = ret;
    status = take_affected(u, index, &is_too_many);
    if (status == OL_OK && (u->count == 0 || is_too_many)) {
        ret->not_told = is_too_many ? all : 0;
    } else if (status == OL_OK) {
        ret->count = 0;
        status = take_own(u);
        if (status == OL_OK)
            status = each_group(u, learn);
        if (status == OL_OK)
            status = each_group(u, add_group);
        ret->count += OL_MAX(all - u->seen, 0); /* more groups than are looked at */
        ret->not_told += OL_MAX(all - u->seen, 0);
    }
    for (size_t i = 0; i < u->count; i++) {
        free(u->items[i].name);
        free(u->items[i].version);
    }
    free(u);
    return status == OL_NOT_FOUND ? OL_OK : status;
}
