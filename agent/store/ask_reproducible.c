/* SPDX-License-Identifier: Apache-2.0 */
/* `reproducible`: what was told of the runs that made X, and of those upstream of them, that
 * somebody needs who would do it all again.
 *
 * Promises:
 *  1. Only what was told stands here. What it is worth is judged by who asks: policies and files
 * are theirs.
 *  2. Each run once, at its smallest depth, those nearest to X first.
 *  3. A run that began others (a pipeline) is followed by those of its children that did not fail:
 *     a try that failed is nobody's to repeat. */
#include <stdlib.h>
#include "ask_facts.h"

#define RUNS_DEFAULT 200
#define RUNS_MAX 5000
#define DEPTH_DEFAULT 20
#define FACTS_SHOWN 1000 /* of a run */
#define CHILDREN_MAX 10000

struct made {
    int64_t run, depth;
};
struct walk {
    struct ask *ask;
    struct made *runs; /* owned; in the order in which they were found */
    size_t count, max;
    int64_t depth;
    bool is_cut_by_depth, is_cut_by_limit;
};

static const enum fact_area told[] = {FACT_CODE,  FACT_PARAMETER,   FACT_SEED,
                                      FACT_MODEL, FACT_ENVIRONMENT, FACT_OTHER};

/* Of all other facets only which system's job it was. */
static bool is_wanted(const struct fact *fact, enum fact_area area)
{
    static const char job[] = "jobType.";
    return fact->area == area &&
           (area != FACT_OTHER || strncmp(fact->what, job, sizeof job - 1) == 0);
}

/* Promise 2. */
static void add_run(struct walk *w, int64_t run, int64_t depth)
{
    if (run == 0)
        return;
    for (size_t i = 0; i < w->count; i++)
        if (w->runs[i].run == run)
            return;
    if (depth > w->depth)
        w->is_cut_by_depth = true;
    else if (w->count == w->max)
        w->is_cut_by_limit = true;
    else
        w->runs[w->count++] = (struct made){.run = run, .depth = depth};
}

/* Promise 3. */
static ol_status add_children(struct walk *w, int64_t run, int64_t depth, int64_t *ret_count)
{
    int64_t children[64];
    int64_t count = 0;
    sqlite3_stmt *stmt = store_bind(w->ask->store, SQL_ASK_CHILDREN, w->ask->err, "i", run);
    ol_status status = OL_OK;
    *ret_count = 0;
    while (status == OL_OK && *ret_count + count < CHILDREN_MAX) {
        status = store_step(w->ask->store, stmt, w->ask->err);
        if (status == OL_OK)
            children[count++] = sqlite3_column_int64(stmt, 0);
        if (status < 0 || count == 0 || (status == OL_OK && count < (int64_t)OL_COUNT(children)))
            continue;
        for (int64_t i = 0; i < count; i++) {
            struct ask_run child;
            ol_status seen = ask_run(w->ask, children[i], false, &child);
            if (seen < 0 && seen != OL_NOT_FOUND)
                status = seen;
            const char *state = seen == OL_OK ? run_status_name(child.row.status) : "FAIL";
            if (strcmp(state, "FAIL") != 0 && strcmp(state, "ABORT") != 0)
                add_run(w, children[i], depth);
        }
        *ret_count += count;
        count = 0;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* The runs that are meant: themselves, the latest of a job, those that wrote the dataset. */
static ol_status add_subject(struct walk *w)
{
    struct ask *ask = w->ask;
    struct ask_edge edge = {0};
    ol_status status = OL_OK;
    for (int i = 0; i < ask->count && status == OL_OK; i++) {
        int64_t run = 0;
        if (ask->kind == ASK_RUN) {
            run = ask->ids[i];
        } else if (ask->kind == ASK_DATASET) {
            status = ask_writer(ask, ask->ids[i], ask->versions[i], INT64_MAX, 0, &edge);
            run = edge.run;
        } else {
            status = ask_latest_run(ask, ask->ids[i], &run);
        }
        if (status == OL_OK)
            add_run(w, run, 0);
    }
    return status;
}

/* ---- Writing ---- */

/* Ids by which receipts know an attempt. */
static ol_status write_ids(struct ask *ask, const struct state *state)
{
    static const char *const wanted[] = {"run_id", "step", "attempt", "task_id"};
    char seen[OL_COUNT(wanted)] = {0};
    ol_status status = OL_OK;
    ol__json_key(&ask->json, "ids");
    ol__json_begin_object(&ask->json);
    for (size_t i = 0; i < state->count && status >= 0; i++) {
        const struct state_entry *e = &state->entries[i];
        size_t key = 0;
        if (e->kind != STATE_ID)
            continue;
        sqlite3_stmt *stmt = store_bind(ask->store, SQL_TEXT_GET, ask->err, "i", e->key);
        status = store_step(ask->store, stmt, ask->err);
        while (status == OL_OK && key < OL_COUNT(wanted) &&
               !ol__span_equal(store_column(stmt, 0), ol__span_text(wanted[key])))
            key++;
        sqlite3_reset(stmt);
        if (status != OL_OK || key == OL_COUNT(wanted) || seen[key]++ != 0)
            continue;
        stmt = store_bind(ask->store, SQL_TEXT_GET, ask->err, "i", e->value);
        status = store_step(ask->store, stmt, ask->err);
        if (status == OL_OK)
            ol__json_member_span(&ask->json, wanted[key], store_column(stmt, 0));
        sqlite3_reset(stmt);
    }
    ol__json_end_object(&ask->json);
    return status < 0 ? status : OL_OK;
}

/* Promise 1. */
static void write_told(struct ask *ask, const struct facts *facts, bool *is_cut)
{
    struct ol__json_writer *w = &ask->json;
    size_t shown = 0;
    ol__json_key(w, "told");
    ol__json_begin_object(w);
    for (size_t a = 0; a < OL_COUNT(told); a++) {
        bool is_open = false;
        for (size_t i = 0; i < facts->count; i++) {
            const struct fact *fact = &facts->items[i];
            if (!is_wanted(fact, told[a]))
                continue;
            if (shown == FACTS_SHOWN) {
                *is_cut = true;
                break;
            }
            if (!is_open) {
                ol__json_key(w, fact_area_name(told[a]));
                ol__json_begin_array(w);
            }
            is_open = true;
            shown++;
            ol__json_begin_object(w);
            ol__json_member_text(w, "what", fact->what);
            ol__json_member_text(w, "value", fact->value);
            ol__json_end_object(w);
        }
        if (is_open)
            ol__json_end_array(w);
    }
    ol__json_end_object(w);
}

/* A version that was read, and who wrote it; that one is next. */
static ol_status write_input(struct walk *w, const struct made *made, const struct ask_run *reader,
                             const struct fact *fact)
{
    struct ask_edge edge = {0};
    struct ask_run writer;
    ol_status status =
        ask_writer(w->ask, fact->dataset, fact->version, reader->row.born, reader->row.id, &edge);
    if (status != OL_OK || edge.run == 0)
        return status;
    status = ask_run(w->ask, edge.run, false, &writer);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    ol__json_member_text(&w->ask->json, "written_by", writer.run_id);
    add_run(w, edge.run, made->depth + 1);
    return OL_OK;
}

static ol_status write_side(struct walk *w, const struct made *made, const struct ask_run *run,
                            const struct facts *facts, enum fact_area side)
{
    struct ol__json_writer *json = &w->ask->json;
    ol_status status = OL_OK;
    ol__json_key(json, side == FACT_INPUT ? "inputs" : "outputs");
    ol__json_begin_array(json);
    for (size_t i = 0; i < facts->count && status == OL_OK; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->area != side || fact->dataset == 0)
            continue;
        ol__json_begin_object(json);
        status = ask_write_dataset(w->ask, fact->dataset, fact->version);
        if (status == OL_OK && side == FACT_INPUT)
            status = write_input(w, made, run, fact);
        ol__json_end_object(json);
        if (status == OL_NOT_FOUND)
            status = OL_OK;
    }
    ol__json_end_array(json);
    return status;
}

static ol_status write_facts(struct walk *w, const struct made *made, const struct ask_run *run)
{
    struct ol__arena arena = {0};
    struct facts facts;
    bool is_cut = false;
    ol_status status = facts_read(w->ask, made->run, &arena, &facts);
    if (status == OL_OK) {
        write_told(w->ask, &facts, &is_cut);
        status = write_side(w, made, run, &facts, FACT_INPUT);
    }
    if (status == OL_OK)
        status = write_side(w, made, run, &facts, FACT_OUTPUT);
    if (status == OL_OK && (is_cut || facts.is_cut))
        ol__json_member_bool(&w->ask->json, "truncated", true);
    ol__arena_reset(&arena, 0);
    return status;
}

static ol_status write_made(struct walk *w, const struct made *made)
{
    struct ask *ask = w->ask;
    struct ask_run run;
    int64_t children = 0;
    ol_status status = ask_run(ask, made->run, true, &run);
    if (status != OL_OK)
        return status;
    struct state state = ask->state;
    ask->state = (struct state){0};
    ol__json_begin_object(&ask->json);
    ol__json_member_int(&ask->json, "depth", made->depth);
    ol__json_key(&ask->json, "run");
    ol__json_begin_object(&ask->json);
    status = ask_write_run(ask, &run);
    ol__json_end_object(&ask->json);
    if (status == OL_OK)
        status = write_ids(ask, &state);
    state_release(&state);
    if (status == OL_OK && w->ask->kind == ASK_RUN && made->depth == 0)
        status = add_children(w, made->run, 0, &children);
    if (children > 0)
        ol__json_member_int(&ask->json, "children", children);
    if (status == OL_OK)
        status = write_facts(w, made, &run);
    ol__json_end_object(&ask->json);
    return status;
}

static ol_status write_all(struct walk *w)
{
    struct ol__json_writer *json = &w->ask->json;
    ol__json_begin_object(json);
    ol_status status = ask_write_subject(w->ask);
    if (status == OL_OK)
        status = add_subject(w);
    ol__json_key(json, "runs");
    ol__json_begin_array(json);
    for (size_t i = 0; i < w->count && status == OL_OK; i++) {
        const struct made made = w->runs[i];
        status = write_made(w, &made); /* may add more */
        if (status == OL_NOT_FOUND)
            status = OL_OK;
    }
    ol__json_end_array(json);
    ol__json_member_bool(json, "truncated", w->is_cut_by_depth || w->is_cut_by_limit);
    if (w->is_cut_by_depth || w->is_cut_by_limit)
        ol__json_member_text(json, "cut_by", w->is_cut_by_limit ? "limit" : "depth");
    ol__json_end_object(json);
    return status;
}

ol_status store_reproducible(struct store *store, const struct store_question *q,
                             struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    struct walk w = {.ask = &ask};
    if (q->subject == NULL || q->depth < 0 || q->limit < 0)
        return ol__error_set(err, OL_INVALID, "of what? And no number may be below 0");
    w.depth = q->depth == 0 ? DEPTH_DEFAULT : q->depth;
    w.max = (size_t)(q->limit == 0 ? RUNS_DEFAULT : OL_MIN(q->limit, (int64_t)RUNS_MAX));
    ol_status status = ask_begin(&ask, store, q, (int64_t)w.max, out, err);
    if (status != OL_OK)
        return status;
    struct made *runs = w.runs = calloc(w.max, sizeof *w.runs);
    ol_status found = ask_resolve(&ask);
    if (runs == NULL)
        status = ol__error_set(err, OL_NOMEM, "store: out of memory");
    else if (found != OL_OK && found != OL_NOT_FOUND)
        status = found;
    else
        status = write_all(&w);
    free(runs);
    status = ask_end(&ask, status);
    return status == OL_OK && found == OL_NOT_FOUND ? OL_NOT_FOUND : status;
}
