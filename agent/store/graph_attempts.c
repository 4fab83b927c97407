/* SPDX-License-Identifier: Apache-2.0 */
/* Several runs of one job that read the same thing: batches of many days, and attempts at one step.
 * Promises:
 *  1. Forward, a run whose output somebody used is never hidden by another attempt, be that later
 * or complete.
 *  2. Nor does an attempt that nobody used lead anywhere: so retries without end add nothing to the
 * graph but their names.
 *  3. Another attempt at a step is a run of its job that read the same version (or none is told,
 * and it is under the same parent) and did not complete, or that completed and wrote nothing but
 * datasets that the step's run wrote, under the same parent or the very same versions. All others
 * are followed: a batch of every day reads the same table again.
 *  4. At most LOOKED_MAX runs an answer are looked at; the document says that it was cut. */
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

#define OUTPUTS_MAX 64
/* The run that was followed last, and what counts as another attempt at its step. */
struct step {
    size_t index, maker; /* nodes; maker GRAPH_NONE: there was no room */
    int64_t parent, version;
    struct {
        int64_t dataset, version;
    } outputs[OUTPUTS_MAX];
    size_t output_count;
    bool has_more_outputs;
    size_t first; /* of its attempts */
};

static void begin_step(struct walk *w, struct step *step, const struct ask_edge *edge,
                       const struct ask_run *run, size_t maker)
{
    step->maker = maker;
    step->parent = run->row.parent;
    step->version = edge->version;
    step->output_count = 0;
    step->has_more_outputs = false;
    step->first = w->attempt_count;
    for (size_t i = 0; i < w->ask->state.count; i++) {
        const struct state_entry *e = &w->ask->state.entries[i];
        if (e->kind != STATE_OUTPUT)
            continue;
        if (step->output_count == OUTPUTS_MAX) {
            step->has_more_outputs = true;
            return;
        }
        step->outputs[step->output_count].dataset = e->object;
        step->outputs[step->output_count++].version = e->key;
    }
}

static void end_step(struct walk *w, const struct step *step)
{
    struct graph_node *node = step->maker != GRAPH_NONE ? &w->nodes[step->maker] : NULL;
    if (node == NULL || node->attempt_count > 0 || w->attempt_count == step->first)
        return;
    node->first_attempt = step->first;
    node->attempt_count = w->attempt_count - step->first;
}

/* Promise 3, of a run that completed: @p ret_is_same where it wrote the very same versions. */
static bool wrote_no_other(const struct walk *w, const struct step *step, bool *ret_is_same)
{
    *ret_is_same = step->output_count > 0;
    if (step->has_more_outputs)
        return false;
    for (size_t i = 0; i < w->ask->state.count; i++) {
        const struct state_entry *e = &w->ask->state.entries[i];
        size_t at = 0;
        if (e->kind != STATE_OUTPUT)
            continue;
        while (at < step->output_count && step->outputs[at].dataset != e->object)
            at++;
        if (at == step->output_count)
            return false;
        *ret_is_same = *ret_is_same && e->key != 0 && step->outputs[at].version == e->key;
    }
    return true;
}

/* Promise 3; the run's state is in ask->state. */
static bool is_attempt(const struct walk *w, const struct step *step, const struct ask_edge *edge,
                       const struct ask_run *run)
{
    bool is_same = false;
    bool is_sibling = step->parent != 0 && run->row.parent == step->parent;
    /* one that was killed before it could tell what it read */
    bool is_untold = edge->version == 0 && run->row.status != RUN_COMPLETE && is_sibling;
    if (edge->version != step->version && !is_untold)
        return false;
    if (run->row.status != RUN_COMPLETE)
        return true;
    return wrote_no_other(w, step, &is_same) && (is_same || is_sibling);
}

static ol_status one_reader(struct walk *w, struct step *step, const struct ask_edge *edge)
{
    struct ask_run run;
    bool has_use = false;
    size_t maker;
    ol_status status = ask_run(w->ask, edge->run, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    if (!is_attempt(w, step, edge, &run)) {
        end_step(w, step);
        status = graph_put_reader(w, step->index, edge, &maker);
        if (status == OL_OK)
            status = ask_run(w->ask, edge->run, true, &run); /* graph_columns.c read others */
        if (status == OL_OK)
            begin_step(w, step, edge, &run, maker);
        return status == OL_NOT_FOUND ? OL_OK : status;
    }
    status = is_used(w, edge->run, &has_use);
    if (status == OL_OK && has_use)
        return graph_put_reader(w, step->index, edge, &maker); /* promise 1 */
    return status == OL_OK ? keep(w, edge->run) : status;      /* promise 2 */
}

static int newest_first(const void *a, const void *b)
{
    const struct ask_edge *x = a, *y = b;
    return x->at != y->at ? (x->at < y->at ? 1 : -1) : (x->run < y->run) - (x->run > y->run);
}

/* Those that read node @p node; windows as in forward() of ask_graph.c. */
static ol_status gather(struct walk *w, const struct graph_node *node, int64_t job,
                        struct ask_edge_list *list)
{
    size_t max = (size_t)(LOOKED_MAX - w->looked_at);
    struct ask_window window = {.dataset = node->id,
                                .version = node->version != 0 ? node->version : ASK_ANY_VERSION,
                                .since = INT64_MIN,
                                .until = INT64_MAX,
                                .except_run = node->run};
    ol_status status = OL_OK;
    if (node->version != 0 || node->run == 0)
        status = ask_all_runs(w->ask, &window, job, max, list);
    if (node->run == 0 || status != OL_OK)
        return status;
    window.version = node->version != 0 ? 0 : ASK_ANY_VERSION;
    window.since = node->at;
    if (node->run > 0)
        status = ask_next_write(w->ask, node->id, node->at, &window.until);
    if (status == OL_OK)
        status = ask_all_runs(w->ask, &window, job, max, list);
    if (status == OL_OK)
        qsort(list->items, list->count, sizeof *list->items, newest_first);
    return status;
}

ol_status graph_follow_attempts(struct walk *w, size_t index, size_t maker,
                                const struct ask_edge *picked)
{
    const struct graph_node node = w->nodes[index];
    struct step step = {.index = index};
    struct ask_edge_list list = {0};
    struct ask_run run;
    if (maker == GRAPH_NONE || w->looked_at >= LOOKED_MAX) {
        w->is_cut_by_runs = w->is_cut_by_runs || maker != GRAPH_NONE;
        return OL_OK;
    }
    ol_status status = gather(w, &node, picked->job, &list);
    w->looked_at += (int64_t)list.count;
    w->is_cut_by_runs = w->is_cut_by_runs || list.is_cut;
    if (status == OL_OK)
        status = ask_run(w->ask, picked->run, true, &run);
    if (status == OL_OK)
        begin_step(w, &step, picked, &run, maker);
    for (size_t i = 0; i < list.count && status == OL_OK; i++) {
        if (list.items[i].run == picked->run ||
            (i > 0 && list.items[i].run == list.items[i - 1].run))
            continue;
        if (w->is_cut_by_limit || graph_is_half_full(w, node.depth)) { /* no room for them */
            w->is_cut_by_limit = true;
            w->nodes[index].beyond += (int64_t)(list.count - i);
            break;
        }
        status = one_reader(w, &step, &list.items[i]);
    }
    end_step(w, &step);
    free(list.items);
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
