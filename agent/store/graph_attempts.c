/* SPDX-License-Identifier: Apache-2.0 */
/* Several runs of one job that read the same thing: attempts at one step.
 * Promises:
 *  1. Forward, a run whose output somebody used is never hidden by another attempt, be that later
 * or complete.
 *  2. Nor does an attempt that nobody used lead anywhere, but for the one that would be followed if
 * it were alone: so retries without end add nothing to the graph but their names.
 *  3. What was read without a version is the same thing while it stood; where nobody is known to
 * have written it, only what ran under one parent counts as attempts at one step: the others are
 * runs of other days.
 *  4. At most ASK_JOB_ROWS attempts at a step, LOOKED_MAX an answer are looked at. */
#include "graph.h"
#include "answers.h"

#include <stdlib.h>

#define LOOKED_MAX 20000
#define SIBLINGS_MAX 16

/* ---- Whether somebody used what a run wrote ---- */

static ol_status stop(void *arg, const struct ask_edge *edge)
{
    bool *is_read = arg;
    (void)edge;
    *is_read = true;
    return OL_END;
}

static ol_status is_output_used(struct walk *w, const struct ask_run *run,
                                const struct state_entry *output, bool *ret)
{
    struct ask_edge writer;
    struct ask_window window = {.dataset = output->object,
                                .version = output->key,
                                .since = INT64_MIN,
                                .until = INT64_MAX,
                                .except_run = run->row.id};
    ol_status status = OL_OK;
    if (output->key != 0) { /* the same bytes of several attempts are those of one */
        status = ask_writer(w->ask, output->object, output->key, INT64_MAX, 0, &writer);
        if (status == OL_OK && writer.run == run->row.id)
            status = ask_edges(w->ask, &window, stop, ret);
    }
    if (status != OL_OK || *ret)
        return status;
    window.version = output->key != 0 ? 0 : ASK_ANY_VERSION; /* while it stood */
    window.since = run->row.born;
    status = ask_next_write(w->ask, output->object, window.since, &window.until);
    return status == OL_OK ? ask_edges(w->ask, &window, stop, ret) : status;
}

static ol_status is_used(struct walk *w, int64_t id, bool *ret)
{
    struct ask_run run;
    int64_t answers = 0;
    *ret = false;
    ol_status status = ask_run(w->ask, id, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    struct state state = w->ask->state; /* what is_output_used() calls does not touch it */
    for (size_t i = 0; i < state.count && status == OL_OK && !*ret; i++)
        if (state.entries[i].kind == STATE_OUTPUT)
            status = is_output_used(w, &run, &state.entries[i], ret);
    if (status == OL_OK && !*ret)
        status = ask_count_answers(w->ask, id, &answers);
    *ret = *ret || answers > 0;
    return status;
}

/* ---- Keeping and following ---- */

static ol_status keep(struct walk *w, int64_t run)
{
    if (w->attempt_count == w->attempt_cap) {
        int64_t *more = graph_grow(w->attempts, &w->attempt_cap, sizeof *more);
        if (more == NULL)
            return graph_nomem(w);
        w->attempts = more;
    }
    w->attempts[w->attempt_count++] = run;
    return OL_OK;
}

/* Promise 3. */
static ol_status is_attempt(struct walk *w, const struct ask_edge *edge, int64_t parent, bool *ret)
{
    struct ask_run run;
    ol_status status = ask_run(w->ask, edge->run, false, &run);
    *ret = status == OL_OK && parent != 0 && run.row.parent == parent;
    return status == OL_NOT_FOUND ? OL_OK : status;
}

ol_status graph_follow_attempts(struct walk *w, size_t index, size_t maker,
                                const struct ask_edge *picked)
{
    const struct graph_node node = w->nodes[index];
    struct ask_window window = {.dataset = node.id,
                                .version = picked->version,
                                .since = INT64_MIN,
                                .until = INT64_MAX,
                                .except_run = node.run};
    struct ask_edge found[ASK_JOB_ROWS];
    struct ask_run run;
    size_t count = 0, first = w->attempt_count;
    bool must_share_parent = picked->version == 0 && node.run <= 0;
    if (maker == GRAPH_NONE || w->looked_at >= LOOKED_MAX)
        return OL_OK;
    ol_status status = ask_run(w->ask, picked->run, false, &run);
    if (status == OL_OK && picked->version == 0 && node.run > 0) {
        window.since = node.at;
        status = ask_next_write(w->ask, node.id, node.at, &window.until);
    }
    if (status == OL_OK)
        status = ask_runs_between(w->ask, &window, picked->job, found, OL_COUNT(found), &count);
    w->looked_at += (int64_t)count;
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        bool is_one = true, has_use = false;
        size_t other;
        if (found[i].run == picked->run)
            continue;
        if (must_share_parent)
            status = is_attempt(w, &found[i], run.row.parent, &is_one);
        if (status == OL_OK && is_one)
            status = is_used(w, found[i].run, &has_use);
        if (status == OL_OK && has_use)
            status = graph_put_reader(w, index, &found[i], &other); /* promise 1 */
        else if (status == OL_OK && is_one)
            status = keep(w, found[i].run); /* promise 2 */
    }
    if (w->nodes[maker].attempt_count == 0 && w->attempt_count > first) {
        w->nodes[maker].first_attempt = first;
        w->nodes[maker].attempt_count = w->attempt_count - first;
    }
    return status == OL_NOT_FOUND ? OL_OK : status;
}

/* Neighbours of the run among those of its job, one way in time. */
static ol_status keep_siblings(struct walk *w, const struct run_row *row, enum store_sql sql,
                               int64_t ret[SIBLINGS_MAX], size_t *ret_count)
{
    sqlite3_stmt *stmt = store_bind(w->ask->store, sql, w->ask->err, "ii", row->job, row->born);
    ol_status status;
    *ret_count = 0;
    for (int rows = 0; rows < SIBLINGS_MAX; rows++) {
        status = store_step(w->ask->store, stmt, w->ask->err);
        if (status != OL_OK || sqlite3_column_int64(stmt, 5) != row->parent)
            break;
        int64_t state = sqlite3_column_int64(stmt, 2);
        if (sqlite3_column_int64(stmt, 0) != row->id && state != RUN_COMPLETE && state != RUN_NEW)
            ret[(*ret_count)++] = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status graph_keep_attempts(struct walk *w, size_t index, const struct ask_run *run)
{
    static const enum store_sql both[] = {SQL_ASK_RUNS_JOB_UNTIL, SQL_ASK_RUNS_JOB_SINCE};
    size_t first = w->attempt_count;
    ol_status status = OL_OK;
    if (run->row.parent == 0 || w->nodes[index].attempt_count > 0)
        return OL_OK;
    for (size_t b = 0; b < OL_COUNT(both) && status == OL_OK; b++) {
        int64_t found[SIBLINGS_MAX];
        struct ask_run other;
        size_t count = 0;
        status = keep_siblings(w, &run->row, both[b], found, &count);
        for (size_t i = 0; i < count && status == OL_OK; i++) {
            status = ask_run(w->ask, found[i], false, &other); /* may it be seen, was it there */
            if (status == OL_OK)
                status = keep(w, found[i]);
            status = status == OL_NOT_FOUND ? OL_OK : status;
        }
    }
    w->nodes[index].first_attempt = first;
    w->nodes[index].attempt_count = w->attempt_count - first;
    return status;
}
