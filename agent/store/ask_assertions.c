/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A check is known by what it asserts, its name and its column. Of several results the newest
 * counts, whichever way it went: unlike a run that made something, one that failed is an answer.
 *  2. Of each job that touched the dataset its newest JOB_RUNS runs are looked at; of jobs at most
 * JOBS_MAX, of checks ASSERTIONS_MAX.
 *  3. Clients put the facet on the input, on the dataset that is an input (dbt) or an output: each
 * is read. */
#include "ask_assertions.h"

#include <stdlib.h>
#include "json_doc.h"

#define JOBS_MAX 500
#define JOB_RUNS 4
#define ASSERTIONS_MAX 500

struct assertion {
    const char *what, *name, *column, *severity, *expected, *actual, *description; /* or NULL */
    bool is_success;
    int64_t at, run;
};
struct gatherer {
    struct ask *ask;
    struct ol__arena arena;
    int64_t dataset, key;
    int64_t jobs[JOBS_MAX];
    size_t job_count;
    struct assertion items[ASSERTIONS_MAX];
    size_t count;
};

bool assertions_has_place(const struct state_entry *entry)
{
    return entry->value != 0 &&
           (entry->kind == STATE_INPUT_DATASET_FACET || entry->kind == STATE_OUTPUT_DATASET_FACET ||
            entry->kind == STATE_INPUT_FACET || entry->kind == STATE_OUTPUT_FACET);
}

/* ---- Gathering ---- */

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static ol_status keep(struct gatherer *g, const struct json_node *node, const char *key,
                      const char **ret)
{
    const char *text = json_get_text(node, key);
    *ret = NULL;
    if (text == NULL || text[0] == '\0')
        return OL_OK;
    size_t size = strlen(text) + 1;
    char *copy = ol__arena_alloc(&g->arena, size);
    if (copy == NULL)
        return ol__error_set(g->ask->err, OL_NOMEM, "assertions: out of memory");
    memcpy(copy, text, size);
    *ret = copy;
    return OL_OK;
}

/* Promise 1. */
static void put(struct gatherer *g, const struct assertion *new)
{
    for (size_t i = 0; i < g->count; i++) {
        struct assertion *old = &g->items[i];
        if (!is_same_text(old->what, new->what) || !is_same_text(old->name, new->name) ||
            !is_same_text(old->column, new->column))
            continue;
        if (new->at > old->at)
            *old = *new;
        return;
    }
    if (g->count < ASSERTIONS_MAX)
        g->items[g->count++] = *new;
}

static ol_status take_facet(struct gatherer *g, const struct state_entry *entry, int64_t run)
{
    struct json_doc doc;
    ol_status status = ask_facet_doc(g->ask, entry->value, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    for (const struct json_node *a = json_get_items(doc.root, "assertions");
         a != NULL && status == OL_OK; a = a->next) {
        struct assertion new = {
            .is_success = json_get_bool(a, "success"), .at = entry->at, .run = run};
        const struct {
            const char *key, **to;
        } members[] = {{"assertion", &new.what},         {"name", &new.name},
                       {"column", &new.column},          {"severity", &new.severity},
                       {"expected", &new.expected},      {"actual", &new.actual},
                       {"description", &new.description}};
        for (size_t i = 0; i < OL_COUNT(members) && status == OL_OK; i++)
            status = keep(g, a, members[i].key, members[i].to);
        if (status == OL_OK)
            put(g, &new);
    }
    json_doc_release(&doc);
    return status;
}

static ol_status take_run(struct gatherer *g, int64_t id, bool *ret_has)
{
    struct ask_run run;
    *ret_has = false;
    ol_status status = ask_run(g->ask, id, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    struct state state = g->ask->state;
    g->ask->state = (struct state){0};
    for (size_t i = 0; i < state.count && status == OL_OK; i++) {
        const struct state_entry *e = &state.entries[i];
        if (e->object != g->dataset || e->key != g->key || !assertions_has_place(e) ||
            e->at > g->ask->at)
            continue;
        *ret_has = true;
        status = take_facet(g, e, id);
    }
    state_release(&state);
    return status;
}

static ol_status keep_job(void *arg, const struct ask_edge *edge)
{
    struct gatherer *g = arg;
    if (edge->run == 0)
        return OL_OK;
    g->jobs[g->job_count++] = edge->job;
    return g->job_count == JOBS_MAX ? OL_END : OL_OK;
}

ol_status assertions_newest(struct ask *ask, const struct ask_window *window, int64_t job,
                            struct ask_edge *ret, size_t max, size_t *ret_count)
{
    struct ask_edge_list list = {0};
    ol_status status = ask_all_runs(ask, window, job, max, &list);
    *ret_count = OL_MIN(list.count, max);
    for (size_t i = 0; i < *ret_count; i++)
        ret[i] = list.items[i];
    free(list.items);
    return status;
}

/* Promise 2. */
static ol_status take_side(struct gatherer *g, int64_t side, int64_t version)
{
    struct ask_window window = {.dataset = g->dataset,
                                .side = side,
                                .version = version != 0 ? version : ASK_ANY_VERSION,
                                .since = INT64_MIN,
                                .until = INT64_MAX};
    g->job_count = 0;
    ol_status status = ask_edges(g->ask, &window, keep_job, g);
    for (size_t i = 0; i < g->job_count && status == OL_OK; i++) {
        struct ask_edge runs[JOB_RUNS];
        size_t count = 0;
        bool has = false;
        status = assertions_newest(g->ask, &window, g->jobs[i], runs, JOB_RUNS, &count);
        for (size_t k = 0; k < count && status == OL_OK && !has; k++)
            if (runs[k].run != 0)
                status = take_run(g, runs[k].run, &has);
    }
    return status;
}

/* ---- Writing ---- */

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

static int compare(const void *a, const void *b)
{
    const struct assertion *x = a, *y = b;
    if (x->is_success != y->is_success)
        return x->is_success ? 1 : -1;
    int order = compare_texts(x->name, y->name);
    order = order != 0 ? order : compare_texts(x->what, y->what);
    return order != 0 ? order : compare_texts(x->column, y->column);
}

static ol_status write_one(struct gatherer *g, const struct assertion *a)
{
    struct ol__json_writer *w = &g->ask->json;
    const struct {
        const char *key, *text;
    } members[] = {{"assertion", a->what},         {"name", a->name},         {"column", a->column},
                   {"severity", a->severity},      {"expected", a->expected}, {"actual", a->actual},
                   {"description", a->description}};
    ol__json_begin_object(w);
    ol__json_member_bool(w, "success", a->is_success);
    for (size_t i = 0; i < OL_COUNT(members); i++)
        if (members[i].text != NULL)
            ol__json_member_text(w, members[i].key, members[i].text);
    ask_write_time(g->ask, "at", a->at);
    ol_status status = ask_write_run_id(g->ask, "run_id", a->run);
    ol__json_end_object(w);
    return status;
}

ol_status ask_write_assertions(struct ask *ask, int64_t dataset, int64_t version)
{
    struct gatherer *g = calloc(1, sizeof *g);
    if (g == NULL)
        return ol__error_set(ask->err, OL_NOMEM, "assertions: out of memory");
    g->ask = ask;
    g->dataset = dataset;
    ol_status status = ask_text_id(ask, ol__span_text("dataQualityAssertions"), &g->key);
    for (int64_t side = 0; side < 2 && status == OL_OK && g->key != 0; side++)
        status = take_side(g, side, version);
    if (status == OL_OK && g->count > 0) {
        qsort(g->items, g->count, sizeof g->items[0], compare);
        ol__json_key(&ask->json, "assertions");
        ol__json_begin_array(&ask->json);
        for (size_t i = 0; i < g->count && status == OL_OK; i++)
            status = write_one(g, &g->items[i]);
        ol__json_end_array(&ask->json);
    }
    ol__arena_reset(&g->arena, 0);
    free(g);
    return status;
}
