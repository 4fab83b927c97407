/* SPDX-License-Identifier: Apache-2.0 */
/* `check`: what cannot be so, or should not. Promises:
 *  1. What contradicts itself is an error: time that ran backwards, data that was read before
 * anybody wrote it. What may have a reason is a warning.
 *  2. Clocks of several machines differ: times of two runs are compared with a tolerance.
 *  3. One question looks at runs for CHECK_MS at most; `next` says where to go on. */
#include "check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "times.h"

#define CHECK_MS 250
#define RUNS_DEFAULT 1000
#define RUNS_MAX 100000
#define FINDINGS_MAX 1000
#define WALK_DEPTH 100
#define TOLERANCE_DEFAULT INT64_C(300000)
#define OPEN_DEFAULT INT64_C(86400000)
#define WHAT_MAX 600

/* ---- Findings ---- */

ol_status check_begin(struct check *c, const char *kind, bool is_error, const struct ask_run *run)
{
    struct ol__json_writer *w = &c->ask->json;
    c->findings++;
    c->errors += is_error;
    ol__json_begin_object(w);
    ol__json_member_text(w, "kind", kind);
    ol__json_member_text(w, "severity", is_error ? "error" : "warning");
    ol__json_key(w, "run");
    ol__json_begin_object(w);
    ol__json_member_text(w, "run_id", run->run_id);
    ol__json_key(w, "job");
    ol__json_begin_object(w);
    ol_status status = ask_write_name(c->ask, ASK_JOB, run->row.job);
    ol__json_end_object(w);
    ol__json_end_object(w);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

ol_status check_dataset(struct check *c, int64_t dataset, int64_t version)
{
    ol__json_key(&c->ask->json, "dataset");
    ol__json_begin_object(&c->ask->json);
    ol_status status = ask_write_dataset(c->ask, dataset, version);
    ol__json_end_object(&c->ask->json);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

void check_end(struct check *c, int64_t since, const char *format, ...)
{
    char text[WHAT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ol__json_member_text(&c->ask->json, "what", text);
    ask_write_time(c->ask, "since", since);
    ol__json_end_object(&c->ask->json);
}

/* ---- Times ---- */

static ol_status check_own_times(struct check *c, const struct ask_run *run)
{
    const struct run_row *row = &run->row;
    int64_t latest = OL_MAX(row->last, row->started);
    ol_status status = OL_OK;
    if (row->ended != 0 && row->ended < row->started) {
        status = check_begin(c, "ended_before_started", true, run);
        check_end(c, row->ended, "it ended %" PRId64 " ms before it started",
                  row->started - row->ended);
    }
    if (status == OL_OK && latest > c->now + c->tolerance) {
        status = check_begin(c, "future_time", true, run);
        check_end(c, latest, "an event of it has a time %" PRId64 " s from now",
                  (latest - c->now) / 1000);
    } else if (status == OL_OK && row->seen != 0 && latest > row->seen + c->tolerance) {
        status = check_begin(c, "clock_ahead", false, run);
        check_end(c, latest, "an event of it was taken %" PRId64 " s before its own time",
                  (latest - row->seen) / 1000);
    }
    if (status == OL_OK && row->status == RUN_RUNNING && c->now - row->last > c->open_ms) {
        status = check_begin(c, "open_too_long", false, run);
        check_end(c, row->last, "it has not ended, and nothing was heard of it for %" PRId64 " h",
                  (c->now - row->last) / 3600000);
    }
    return status;
}

static ol_status check_parent(struct check *c, const struct ask_run *run)
{
    struct ask_run parent;
    const struct run_row *row = &run->row;
    if (row->parent == 0)
        return OL_OK;
    ol_status status = ask_run(c->ask, row->parent, false, &parent);
    if (status != OL_OK || parent.row.status == RUN_NEW)
        return status == OL_NOT_FOUND ? OL_OK : status;
    if (row->started + c->tolerance < parent.row.started) {
        status = check_begin(c, "outside_parent", true, run);
        check_end(c, row->started, "it started %" PRId64 " s before its parent %s",
                  (parent.row.started - row->started) / 1000, parent.run_id);
    } else if (row->ended != 0 && parent.row.ended != 0 &&
               row->ended > parent.row.ended + c->tolerance) {
        status = check_begin(c, "outside_parent", false, run);
        check_end(c, row->ended, "it ended %" PRId64 " s after its parent %s",
                  (row->ended - parent.row.ended) / 1000, parent.run_id);
    }
    return status;
}

/* ---- Inputs ---- */

static bool is_kin(const struct run_row *a, const struct run_row *b)
{
    return a->parent == b->id || b->parent == a->id || a->root == b->id || b->root == a->id;
}

/* Promise 1. The writer is the one that a reader at that time found; only if there is none before
 * it, a later one. */
static ol_status check_order(struct check *c, const struct ask_run *run, int64_t dataset,
                             int64_t version)
{
    struct ask_edge edge;
    struct ask_run writer;
    const struct run_row *row = &run->row;
    ol_status status = ask_writer(c->ask, dataset, version, row->started, row->id, &edge);
    if (status != OL_OK || edge.run == 0 || edge.version != version)
        return status;
    status = ask_run(c->ask, edge.run, false, &writer);
    if (status != OL_OK || is_kin(row, &writer.row))
        return status == OL_NOT_FOUND ? OL_OK : status;
    bool is_error = row->ended != 0 && row->ended + c->tolerance < writer.row.started;
    if (!is_error && (writer.row.ended == 0 || row->started + c->tolerance >= writer.row.ended))
        return OL_OK;
    status = check_begin(c, "read_before_written", is_error, run);
    if (status == OL_OK)
        status = check_dataset(c, dataset, version);
    if (is_error)
        check_end(c, row->ended, "it ended before run %s started, which wrote what it read",
                  writer.run_id);
    else
        check_end(c, row->started,
                  "it started before run %s had finished, which wrote what it read", writer.run_id);
    return status;
}

static ol_status has_writer(struct check *c, int64_t dataset, bool *ret)
{
    sqlite3_stmt *stmt = store_bind(c->ask->store, SQL_ASK_IO_JOB, c->ask->err, "iii", dataset,
                                    (int64_t)1, (int64_t)0);
    ol_status status = store_step(c->ask->store, stmt, c->ask->err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status check_input(struct check *c, const struct ask_run *run, int64_t dataset,
                             int64_t version)
{
    bool is_written = false, is_vague = false, has_any = false;
    if (version == 0)
        return OL_OK;
    ol_status status = ask_has_edges(c->ask, dataset, 1, version, &is_written);
    if (status != OL_OK || is_written)
        return status == OL_OK ? check_order(c, run, dataset, version) : status;
    status = ask_has_edges(c->ask, dataset, 1, 0, &is_vague); /* a writer that tells no versions */
    if (status == OL_OK && !is_vague)
        status = has_writer(c, dataset, &has_any);
    if (status != OL_OK || !has_any)
        return status;
    status = check_begin(c, "broken_chain", true, run);
    if (status == OL_OK)
        status = check_dataset(c, dataset, version);
    check_end(c, run->row.started,
              "it read a version that no recorded run wrote, though runs are recorded that wrote "
              "this dataset");
    return status;
}

/* ---- Runs ---- */

static void keep_step(struct check *c, const struct state *state, int64_t run)
{
    for (size_t i = 0; i < state->count && c->step_count < RUNS_MAX && c->steps != NULL; i++)
        if (state->entries[i].kind == STATE_ID && state->entries[i].key == c->key_step) {
            c->steps[c->step_count++] = run;
            return;
        }
}

static ol_status check_run(struct check *c, int64_t id)
{
    struct ask_run run;
    ol_status status = ask_run(c->ask, id, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    if (run.row.status == RUN_NEW)
        return OL_OK;
    struct state state = c->ask->state; /* taken: what follows uses the scratch */
    c->ask->state = (struct state){0};
    c->runs++;
    status = check_own_times(c, &run);
    if (status == OL_OK)
        status = check_parent(c, &run);
    for (size_t i = 0; i < state.count && status == OL_OK; i++)
        if (state.entries[i].kind == STATE_INPUT)
            status = check_input(c, &run, state.entries[i].object, state.entries[i].key);
    if (status == OL_OK)
        status = check_facets(c, &run, &state);
    keep_step(c, &state, id);
    state_release(&state);
    return status;
}

static bool is_over(const struct check *c)
{
    return c->findings >= FINDINGS_MAX || ol__time_monotonic_ms() > c->deadline;
}

/* From the newest, or from where the question before ended. */
static ol_status check_newest(struct check *c, int64_t *ret_next)
{
    struct ask *ask = c->ask;
    const struct store_question *q = ask->question;
    int64_t limit = q->limit == 0 ? RUNS_DEFAULT : OL_MIN(q->limit, (int64_t)RUNS_MAX);
    ol_status status;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_RUNS_BEFORE, ask->err, "i",
                                    q->from != 0 ? q->from : INT64_MAX);
    *ret_next = 0;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        int64_t id = sqlite3_column_int64(stmt, 0);
        if (!ask_may_see(ask, sqlite3_column_int64(stmt, 1)))
            continue;
        if ((int64_t)c->runs >= limit || is_over(c)) {
            *ret_next = id + 1;
            break;
        }
        status = check_run(c, id);
        if (status != OL_OK)
            break;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* Whether the walk came to that version of the dataset before, as another run left it. */
static bool was_seen(const struct walk *w, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (w->nodes[i].kind == GRAPH_DATASET && w->nodes[i].id == w->nodes[at].id &&
            w->nodes[i].version == w->nodes[at].version)
            return true;
    return false;
}

/* The runs upstream of what was asked for, and the checks of that and of what it was made from. */
static ol_status check_upstream(struct check *c, struct walk *w, bool *ret_is_cut)
{
    ol_status status = graph_walk(w);
    for (size_t i = 0; i < w->count && status == OL_OK; i++) {
        if (is_over(c)) {
            *ret_is_cut = true;
            break;
        }
        if (w->nodes[i].kind == GRAPH_RUN)
            status = check_run(c, w->nodes[i].id);
        else if (w->nodes[i].kind == GRAPH_DATASET && !was_seen(w, i))
            status = check_readers(c, w->nodes[i].id, w->nodes[i].version);
    }
    *ret_is_cut = *ret_is_cut || w->is_cut_by_depth || w->is_cut_by_limit;
    return status;
}

/* Member "steps": the attempts that receipts can be looked for. */
static ol_status write_steps(struct check *c)
{
    struct ask *ask = c->ask;
    struct ol__json_writer *json = &ask->json;
    ol_status status = OL_OK;
    if (c->steps == NULL)
        return OL_OK;
    ol__json_key(json, "steps");
    ol__json_begin_array(json);
    for (size_t i = 0; i < c->step_count && status == OL_OK; i++) {
        struct ask_run run;
        status = ask_run(ask, c->steps[i], true, &run);
        if (status != OL_OK)
            break;
        ol__json_begin_object(json);
        ol__json_member_text(json, "run", run.run_id);
        ol__json_member_text(json, "state", run_status_name(run.row.status));
        ask_write_time(ask, "started", run.row.started);
        struct state state = ask->state;
        for (size_t k = 0; k < state.count && status == OL_OK; k++) {
            char key[32];
            if (state.entries[k].kind != STATE_ID)
                continue;
            status = ask_text(ask, state.entries[k].key, key, sizeof key);
            bool is_again = k > 0 && state.entries[k - 1].kind == STATE_ID &&
                            state.entries[k - 1].key == state.entries[k].key;
            if (status == OL_OK && !is_again &&
                (strcmp(key, "run_id") == 0 || strcmp(key, "step") == 0 ||
                 strcmp(key, "attempt") == 0))
                status = ask_write_text(ask, key, state.entries[k].value);
        }
        ol__json_end_object(json);
    }
    ol__json_end_array(json);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

static ol_status write_check(struct check *c, struct walk *w, ol_status *ret_found)
{
    struct ask *ask = c->ask;
    struct ol__json_writer *json = &ask->json;
    bool is_cut = false;
    int64_t next = 0;
    ol_status status = ask_text_id(ask, ol__span_text("schema"), &c->key_schema);
    *ret_found = OL_OK;
    if (status == OL_OK)
        status = ask_text_id(ask, ol__span_text("dataQualityAssertions"), &c->key_assertions);
    if (status == OL_OK && ask->question->subject != NULL) {
        *ret_found = ask_resolve(ask);
        status = *ret_found == OL_NOT_FOUND ? OL_OK : *ret_found;
    }
    if (status != OL_OK)
        return status;
    ol__json_begin_object(json);
    if (ask->question->subject != NULL)
        status = ask_write_subject(ask);
    ol__json_key(json, "findings");
    ol__json_begin_array(json);
    if (status == OL_OK && ask->question->subject != NULL)
        status = *ret_found == OL_OK ? check_upstream(c, w, &is_cut) : OL_OK;
    else if (status == OL_OK)
        status = check_newest(c, &next);
    ol__json_end_array(json);
    if (status == OL_OK)
        status = write_steps(c);
    ol__json_member_uint(json, "errors", c->errors);
    ol__json_member_uint(json, "warnings", c->findings - c->errors);
    ol__json_member_uint(json, "runs", c->runs);
    if (next != 0)
        ol__json_member_int(json, "next", next);
    ol__json_member_bool(json, "truncated", is_cut || next != 0);
    ol__json_end_object(json);
    return status;
}

ol_status store_findings(struct store *store, const struct store_question *question,
                         struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    struct walk w = {.ask = &ask, .is_upstream = true, .depth = WALK_DEPTH};
    if (question->limit < 0 || question->depth < 0)
        return ol__error_set(err, OL_INVALID, "a question needs no number below 0");
    struct check *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    c->ask = &ask;
    c->now = ol__time_now_ms();
    c->deadline = ol__time_monotonic_ms() + CHECK_MS;
    c->tolerance = question->tolerance != 0 ? question->tolerance : TOLERANCE_DEFAULT;
    c->open_ms = question->open_for != 0 ? question->open_for : OPEN_DEFAULT;
    w.limit = RUNS_MAX;
    ol_status found = OL_OK, status = ask_begin(&ask, store, question, 0, out, err);
    if (status == OL_OK) {
        if (question->has_steps && (c->steps = calloc(RUNS_MAX, sizeof *c->steps)) == NULL)
            status = ol__error_set(err, OL_NOMEM, "store: out of memory");
        if (status == OL_OK && question->has_steps)
            status = ask_text_id(&ask, ol__span_text("step"), &c->key_step);
        if (status == OL_OK)
            status = write_check(c, &w, &found);
        graph_release(&w);
        status = ask_end(&ask, status);
        if (status == OL_OK && found == OL_NOT_FOUND)
            status = ask_not_found(&ask);
    }
    free(c->steps);
    free(c);
    return status;
}
