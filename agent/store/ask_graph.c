/* SPDX-License-Identifier: Apache-2.0 */
/* `why` and `impact`: a walk over dataset versions and the runs that made and read them.
 * Promises:
 *  1. A node is a dataset in one version as one run left it, or one run: nothing is visited twice,
 * so cycles end.
 *  2. Backward, an input leads to the run that wrote that very version; without a version, to the
 * run that wrote it last before the reader started; what other jobs wrote there before, if nothing
 * says that it was replaced, is an edge marked `maybe`. Forward, every run that read what is meant,
 * but for attempts whose outputs nobody used (graph_attempts.c): of a dataset without a version
 * whatever was read of it, of a job all its runs.
 *  3. No more than `limit` nodes and `depth` steps (dataset to dataset); the document says which of
 * them cut it. */
#include "graph_columns.h"

#include <stdlib.h>

#define DEPTH_DEFAULT 20
#define LIMIT_DEFAULT 10000
#define LIMIT_MAX 100000
#define EARLIER_MAX 16 /* jobs that wrote a dataset without versions before its last writer */

/* ---- From a run (or a job's static events) to its datasets ---- */

static ol_status load_maker(struct walk *w, const struct graph_node *node, struct ask_run *run)
{
    *run = (struct ask_run){0};
    if (node->kind == GRAPH_RUN)
        return ask_run(w->ask, node->id, true, run);
    run->row.started = INT64_MAX;
    run->row.job = node->id;
    return ask_static(w->ask, ASK_JOB, node->id);
}

/* The run's own number among the attempts at its step. */
static void take_attempt(struct walk *w, size_t index, const struct state_entry *e)
{
    if (e->key == w->key_attempt && e->key != 0 && w->nodes[index].kind == GRAPH_RUN)
        w->nodes[index].attempt = e->value;
}

static ol_status from_maker(struct walk *w, size_t index)
{
    struct graph_node node = w->nodes[index];
    struct ask_run run;
    ol_status status = load_maker(w, &node, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    uint8_t kind = w->is_upstream ? STATE_INPUT : STATE_OUTPUT;
    struct state state = w->ask->state; /* ask_writer() does not touch it */
    if (w->columns != NULL) {
        status = graph_from_column_maker(w, index, &run, &state);
        return status == OL_OK && w->is_upstream && node.kind == GRAPH_RUN
                   ? graph_keep_attempts(w, index, &run)
                   : status;
    }
    for (size_t i = 0; i < state.count && status == OL_OK; i++) {
        const struct state_entry *e = &state.entries[i];
        if (e->kind == STATE_ID)
            take_attempt(w, index, e);
        if (e->kind != kind)
            continue;
        struct ask_edge writer = {.job = node.kind == GRAPH_JOB ? node.id : run.row.job,
                                  .run = node.kind == GRAPH_RUN ? node.id : 0,
                                  .at = run.row.born};
        if (w->is_upstream)
            status = ask_writer(w->ask, e->object, e->key, run.row.started, run.row.id, &writer);
        struct graph_node next = graph_dataset(e->object, e->key, &writer, node.depth);
        if (status == OL_OK)
            status = graph_put_edge(w, index, &next, NULL, NULL);
    }
    if (status == OL_OK && w->is_upstream && node.kind == GRAPH_RUN)
        status = graph_keep_attempts(w, index, &run);
    return status;
}

/* ---- From a dataset, forward ---- */

static ol_status keep_found(void *arg, const struct ask_edge *edge)
{
    struct walk *w = arg;
    for (size_t i = 0; i < w->found_count; i++)
        if (w->found[i].job == edge->job) /* read with and without the version: the later run */ {
            if (edge->at > w->found[i].at)
                w->found[i] = *edge;
            w->found[i].has_more = true;
            return OL_OK;
        }
    if (w->found_count == w->found_cap) {
        struct ask_edge *found = graph_grow(w->found, &w->found_cap, sizeof *found);
        if (found == NULL)
            return graph_nomem(w);
        w->found = found;
    }
    w->found[w->found_count++] = *edge;
    return (int64_t)w->found_count > w->limit ? OL_END : OL_OK;
}

/* Those that read it without saying which version, while it stood. */
static ol_status find_in_time(struct walk *w, const struct graph_node *node)
{
    struct ask_window window = {.dataset = node->id,
                                .version = node->version != 0 ? 0 : ASK_ANY_VERSION,
                                .since = node->at,
                                .until = INT64_MAX,
                                .except_run = node->run};
    bool is_read = true;
    ol_status status = OL_OK;
    if (window.version == 0) /* mostly nobody, where versions are told */
        status = ask_has_edges(w->ask, node->id, 0, 0, &is_read);
    if (status != OL_OK || !is_read)
        return status;
    if (node->run > 0)
        status = ask_next_write(w->ask, node->id, node->at, &window.until);
    if (status == OL_OK)
        status = ask_edges(w->ask, &window, keep_found, w);
    window.since = window.until = 0; /* static edges stand at all times */
    return status == OL_OK ? ask_edges(w->ask, &window, keep_found, w) : status;
}

int64_t graph_version_read(const struct walk *w, size_t index, const struct ask_edge *reader)
{
    return w->nodes[index].version == 0 ? reader->version : 0;
}

ol_status graph_put_reader(struct walk *w, size_t index, const struct ask_edge *reader,
                           size_t *ret_maker)
{
    struct graph_node next = graph_maker(reader, w->nodes[index].depth + 1);
    const struct graph_edge edge = {.version = graph_version_read(w, index, reader)};
    return w->columns != NULL ? graph_put_column_reader(w, index, reader, ret_maker)
                              : graph_put_edge(w, index, &next, &edge, ret_maker);
}

static ol_status forward(struct walk *w, size_t index)
{
    struct graph_node node = w->nodes[index];
    struct ask_window window = {.dataset = node.id,
                                .version = node.version != 0 ? node.version : ASK_ANY_VERSION,
                                .since = INT64_MIN,
                                .until = INT64_MAX,
                                .except_run = node.run};
    w->found_count = 0;
    ol_status status = OL_OK;
    if (node.version != 0 || node.run == 0)
        status = ask_edges(w->ask, &window, keep_found, w);
    if (status == OL_OK && node.run != 0)
        status = find_in_time(w, &node);
    if (status == OL_OK && node.depth >= w->depth) {
        w->is_cut_by_depth = w->is_cut_by_depth || w->found_count > 0;
        w->nodes[index].beyond += (int64_t)w->found_count;
        return OL_OK;
    }
    for (size_t i = 0; i < w->found_count && status == OL_OK; i++) {
        const struct ask_edge found = w->found[i];
        size_t maker;
        status = graph_put_reader(w, index, &found, &maker);
        if (status == OL_OK && found.has_more && found.run != 0)
            status = graph_follow_attempts(w, index, maker, &found);
    }
    return status;
}

/* Whether a run said that it put something else in place of what the dataset had been. */
static ol_status replaced(struct walk *w, int64_t run_id, int64_t dataset, bool *ret)
{
    static const char *const words[] = {"\"CREATE\"", "\"DROP\"", "\"OVERWRITE\"", "\"TRUNCATE\""};
    const struct state_entry like = {
        .kind = STATE_OUTPUT_DATASET_FACET, .object = dataset, .key = w->key_lifecycle};
    struct ask_run run;
    struct ol__buf text;
    *ret = false;
    if (run_id <= 0 || like.key == 0)
        return OL_OK;
    ol_status status = ask_run(w->ask, run_id, true, &run);
    const struct state_entry *e = status == OL_OK ? state_find(&w->ask->state, &like) : NULL;
    if (e == NULL || e->value == 0)
        return status == OL_NOT_FOUND ? OL_OK : status;
    ol__buf_init(&text, 1 << 20);
    status = ask_facet(w->ask, e->value, &text);
    for (size_t i = 0; i < OL_COUNT(words) && status == OL_OK; i++)
        *ret = *ret || memmem(text.data, text.size, words[i], strlen(words[i])) != NULL;
    ol__buf_release(&text);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

/* Backward from dataset @p index: what made it, or the column of it that is meant. */
static struct graph_node maker_of(const struct walk *w, size_t index, const struct ask_edge *writer)
{
    const struct graph_node *node = &w->nodes[index];
    struct graph_node maker = graph_maker(writer, node->depth + 1);
    maker.column = node->column;
    maker.run = w->columns != NULL ? node->id : 0;
    return maker;
}

/* A dataset without versions that several jobs write: the last of them wrote it, and of what the
 * others wrote before something may be left. */
static int newest_first(const void *a, const void *b)
{
    const struct ask_edge *x = a, *y = b;
    return x->at != y->at ? (x->at < y->at ? 1 : -1) : (x->run < y->run) - (x->run > y->run);
}

static ol_status earlier_writers(struct walk *w, size_t index)
{
    const struct graph_node node = w->nodes[index];
    struct ask_window window = {.dataset = node.id,
                                .side = 1,
                                .version = ASK_ANY_VERSION,
                                .since = INT64_MIN,
                                .until = node.at,
                                .except_run = node.run};
    const struct graph_edge maybe = {.is_maybe = true};
    struct ask_run run = {.row = {.job = -node.run}};
    bool is_new = false;
    w->found_count = 0;
    ol_status status = ask_edges(w->ask, &window, keep_found, w);
    if (status == OL_OK && w->found_count > 0 && node.run > 0)
        status = ask_run(w->ask, node.run, false, &run);
    if (status == OL_OK && w->found_count > 0)
        status = replaced(w, node.run, node.id, &is_new);
    if (status == OL_OK && w->found_count > EARLIER_MAX && !is_new) {
        qsort(w->found, w->found_count, sizeof *w->found, newest_first);
        w->is_cut_by_limit = true;
        w->nodes[index].beyond += (int64_t)(w->found_count - EARLIER_MAX);
        w->found_count = EARLIER_MAX;
    }
    for (size_t i = 0; i < w->found_count && status == OL_OK && !is_new; i++) {
        struct graph_node next = maker_of(w, index, &w->found[i]);
        if (w->found[i].job != run.row.job)
            status = graph_put_edge(w, index, &next, &maybe, NULL);
    }
    return status == OL_NOT_FOUND ? OL_OK : status;
}

static ol_status backward(struct walk *w, size_t index)
{
    struct graph_node node = w->nodes[index];
    if (node.run == 0)
        return OL_OK;
    if (node.depth >= w->depth) {
        w->is_cut_by_depth = true;
        w->nodes[index].beyond++;
        return OL_OK;
    }
    struct ask_edge writer = {.run = node.run > 0 ? node.run : 0, .job = -node.run};
    struct graph_node next = maker_of(w, index, &writer);
    ol_status status = graph_put_edge(w, index, &next, NULL, NULL);
    return status == OL_OK && node.version == 0 ? earlier_writers(w, index) : status;
}

/* ---- Where the walk begins ---- */

static ol_status put_root(struct walk *w, const struct graph_node *node)
{
    size_t index;
    ol_status status = graph_put_node(w, node, &index);
    w->roots_beyond += status == OL_END;
    return status == OL_END ? OL_OK : status;
}

/* The job's latest run to be seen, or its static events. */
static ol_status job_root(struct walk *w, int64_t job)
{
    struct ask_edge edge = {.job = job};
    ol_status status = ask_latest_run(w->ask, job, &edge.run);
    struct graph_node node = graph_maker(&edge, 0);
    return status < 0 ? status : put_root(w, &node);
}

/* Forward, whatever any of its runs made: all of them, the newest first. */
static ol_status job_roots(struct walk *w, int64_t job)
{
    int64_t *runs = NULL;
    size_t count = 0, cap = 0;
    ol_status status;
    sqlite3_stmt *stmt =
        store_bind(w->ask->store, SQL_ASK_RUNS_JOB_UNTIL, w->ask->err, "ii", job, w->ask->at);
    while ((status = store_step(w->ask->store, stmt, w->ask->err)) == OL_OK) {
        if (sqlite3_column_int64(stmt, 2) == RUN_NEW ||
            !ask_may_see(w->ask, sqlite3_column_int64(stmt, 1)))
            continue;
        if ((int64_t)count > w->limit) /* one more, so that it shows */
            break;
        if (count == cap) {
            int64_t *more = graph_grow(runs, &cap, sizeof *more);
            if (more == NULL) {
                status = graph_nomem(w);
                break;
            }
            runs = more;
        }
        runs[count++] = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_reset(stmt);
    status = status < 0 ? status : OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        const struct ask_edge edge = {.job = job, .run = runs[i]};
        struct graph_node node = graph_maker(&edge, 0);
        struct ask_run run;
        if (graph_is_half_full(w, 0)) {
            w->is_cut_by_limit = true;
            w->roots_beyond += (int64_t)(count - i);
            break;
        }
        status = ask_run(w->ask, runs[i], false, &run);
        if (status == OL_OK)
            status = put_root(w, &node);
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    free(runs);
    return status == OL_OK && count == 0 ? job_root(w, job) : status;
}

static ol_status put_roots(struct walk *w)
{
    struct ask *ask = w->ask;
    ol_status status = OL_OK;
    for (int i = 0; i < ask->count && status == OL_OK; i++) {
        struct graph_node node = {.kind = GRAPH_RUN, .id = ask->ids[i]};
        struct ask_edge writer = {0};
        struct ask_run run;
        if (ask->kind == ASK_JOB) {
            status = w->is_upstream ? job_root(w, ask->ids[i]) : job_roots(w, ask->ids[i]);
            continue;
        }
        if (ask->kind == ASK_DATASET) {
            if (w->is_upstream || ask->versions[i] != 0)
                status = ask_writer(ask, ask->ids[i], ask->versions[i], INT64_MAX, 0, &writer);
            node = graph_dataset(ask->ids[i], ask->versions[i], &writer, 0);
            node.column = w->column;
        }
        if (ask->kind == ASK_RUN) /* it may have begun later than the time asked for */
            status = ask_run(ask, node.id, false, &run);
        if (status == OL_OK)
            status = put_root(w, &node);
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    return status;
}

static ol_status one_node(struct walk *w, size_t i)
{
    enum graph_kind kind = w->nodes[i].kind;
    if (kind == GRAPH_MEMBER)
        return graph_from_member(w, i);
    if (kind == GRAPH_RUN || kind == GRAPH_JOB)
        return from_maker(w, i);
    if (kind != GRAPH_DATASET)
        return OL_OK;
    ol_status status = w->is_upstream ? backward(w, i) : forward(w, i);
    /* no list knows of columns */
    return status == OL_OK && w->columns == NULL ? graph_follow_members(w, i) : status;
}

static ol_status walk_all(struct walk *w)
{
    ol_status status = w->ask->kind == ASK_MEMBER ? graph_put_member_roots(w) : put_roots(w);
    w->root_count = w->root_count != 0 ? w->root_count : w->count;
    for (size_t i = 0; i < w->count && status == OL_OK; i++) {
        status = one_node(w, i);
        if (status == OL_OK && i + 1 == w->count)
            status = graph_follow_wholes(w);
    }
    return status;
}

/* Texts that the walk looks for; one that nobody ever used has no number. */
static ol_status prepare(struct walk *w)
{
    sqlite3_stmt *stmt;
    ol_status status = ask_text_id(w->ask, ol__span_text("attempt"), &w->key_attempt);
    if (status == OL_OK)
        status = ask_text_id(w->ask, ol__span_text("lifecycleStateChange"), &w->key_lifecycle);
    if (status != OL_OK || w->ask->store->schema < 2)
        return status;
    stmt = store_bind(w->ask->store, SQL_ASK_ANSWER_ANY, w->ask->err, "");
    status = store_step(w->ask->store, stmt, w->ask->err);
    w->has_answers = status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status graph_walk(struct walk *w)
{
    ol_status status = prepare(w);
    return status == OL_OK ? walk_all(w) : status;
}

static ol_status graph(struct store *store, const struct store_question *question, bool is_upstream,
                       struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    struct walk w = {.ask = &ask, .is_upstream = is_upstream};
    if (question->subject == NULL || question->depth < 0 || question->limit < 0)
        return ol__error_set(err, OL_INVALID, "a question needs a subject, and no number below 0");
    w.depth = question->depth == 0 ? DEPTH_DEFAULT : question->depth;
    w.limit = question->limit == 0 ? LIMIT_DEFAULT : OL_MIN(question->limit, LIMIT_MAX);
    ol_status found = OL_NOT_FOUND, status = ask_begin(&ask, store, question, w.limit, out, err);
    if (status != OL_OK)
        return status;
    ol__json_begin_object(&ask.json);
    ask.wants_members = true;
    found = ask_resolve(&ask);
    status = found == OL_NOT_FOUND ? OL_OK : found;
    if (status == OL_OK)
        status = graph_columns_open(&w);
    if (status == OL_OK)
        status = prepare(&w);
    if (status == OL_OK)
        status = graph_prepare_members(&w);
    if (status == OL_OK)
        status = walk_all(&w);
    if (status == OL_OK && ask.at != INT64_MAX && ask.kind != ASK_NONE && w.edge_count == 0 &&
        ask.note == NULL)
        ask.note = "nothing of it was recorded at that time";
    if (status == OL_OK)
        status = ask_write_subject(&ask);
    if (status == OL_OK)
        status = graph_write(&w);
    if (status == OL_OK)
        ol__json_end_object(&ask.json);
    graph_columns_close(&w);
    graph_release(&w);
    status = ask_end(&ask, status);
    if (status == OL_OK && found == OL_NOT_FOUND)
        return ask_not_found(&ask);
    return status;
}

ol_status store_why(struct store *store, const struct store_question *question, struct ol__buf *out,
                    struct ol_error *err)
{
    return graph(store, question, true, out, err);
}

ol_status store_impact(struct store *store, const struct store_question *question,
                       struct ol__buf *out, struct ol_error *err)
{
    return graph(store, question, false, out, err);
}
