/* SPDX-License-Identifier: Apache-2.0 */
/* `stale`: what was made from data that is old, or that was written anew since. Promises:
 *  1. A dataset is judged by the run that wrote it as it stands now, or, upstream of a subject, as
 * it went into that.
 *  2. An input was written anew if a complete run wrote another version of it after the one that
 * was read; without versions, if one wrote it after the reader had started.
 *  3. One question looks at datasets for STALE_MS at most; `next` says where to go on. */
#include "graph.h"

#include <strings.h>
#include "times.h"

#define STALE_MS 250
#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 10000
#define WALK_DEPTH 100
#define WALK_NODES 20000

struct stale {
    struct ask *ask;
    int64_t now, deadline; /* wall clock; monotonic */
    int64_t before;        /* written before that is old; INT64_MIN: nothing is */
    size_t findings, max, looked;
};

static int64_t written_at(const struct run_row *row)
{
    return row->ended != 0 ? row->ended : row->last;
}

/* ---- Findings ---- */

/* What is stale, and since when; members that say why follow. */
static ol_status begin(struct stale *s, const char *kind, int64_t dataset, int64_t version,
                       const struct ask_run *writer)
{
    struct ol__json_writer *w = &s->ask->json;
    s->findings++;
    ol__json_begin_object(w);
    ol__json_member_text(w, "kind", kind);
    ol__json_key(w, "dataset");
    ol__json_begin_object(w);
    ol_status status = ask_write_dataset(s->ask, dataset, version);
    ol__json_end_object(w);
    ol__json_member_text(w, "written_by", writer->run_id);
    ask_write_time(s->ask, "written_at", written_at(&writer->row));
    return status == OL_NOT_FOUND ? OL_OK : status;
}

/* Member @p key: a dataset with who wrote it. */
static ol_status write_made(struct stale *s, const char *key, int64_t dataset, int64_t version,
                            const struct ask_run *writer)
{
    struct ol__json_writer *w = &s->ask->json;
    ol__json_key(w, key);
    ol__json_begin_object(w);
    ol_status status = ask_write_dataset(s->ask, dataset, version);
    if (writer != NULL) {
        ol__json_member_text(w, "written_by", writer->run_id);
        ask_write_time(s->ask, "written_at", written_at(&writer->row));
    }
    ol__json_end_object(w);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

static void end(struct stale *s, int64_t since)
{
    ask_write_time(s->ask, "since", since);
    ol__json_end_object(&s->ask->json);
}

/* ---- One input ---- */

struct made {
    int64_t dataset, version;
    const struct ask_run *by;
};

/* Promise 2. */
static ol_status check_newer(struct stale *s, const struct made *made,
                             const struct state_entry *input, const struct ask_edge *read)
{
    struct ask_edge latest;
    struct ask_run writer, old;
    const struct run_row *reader = &made->by->row;
    bool is_old_known = read->run != 0;
    ol_status status = ask_writer(s->ask, input->object, 0, INT64_MAX, reader->id, &latest);
    if (status != OL_OK || latest.run == 0 || latest.run == read->run ||
        latest.status != RUN_COMPLETE)
        return status;
    int64_t version = input->key != 0 ? input->key : read->version;
    if (version != 0 && latest.version == version)
        return OL_OK;
    status = ask_run(s->ask, latest.run, false, &writer);
    if (status == OL_OK && is_old_known)
        status = ask_run(s->ask, read->run, false, &old);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    int64_t after = version != 0 && latest.version != 0 && is_old_known ? written_at(&old.row)
                                                                        : reader->started;
    if (written_at(&writer.row) <= after)
        return OL_OK;
    status = begin(s, "newer_input", made->dataset, made->version, made->by);
    if (status == OL_OK)
        status = write_made(s, "input", input->object, version, is_old_known ? &old : NULL);
    if (status == OL_OK)
        status = write_made(s, "newer", input->object, latest.version, &writer);
    end(s, written_at(&writer.row));
    return status;
}

static ol_status check_old(struct stale *s, const struct made *made,
                           const struct state_entry *input, const struct ask_edge *read)
{
    struct ask_run old;
    if (s->before == INT64_MIN || read->run == 0)
        return OL_OK;
    ol_status status = ask_run(s->ask, read->run, false, &old);
    if (status != OL_OK || written_at(&old.row) >= s->before)
        return status == OL_NOT_FOUND ? OL_OK : status;
    status = begin(s, "old_input", made->dataset, made->version, made->by);
    if (status == OL_OK)
        status = write_made(s, "input", input->object, input->key, &old);
    end(s, written_at(&old.row));
    return status;
}

static ol_status check_input(struct stale *s, const struct made *made,
                             const struct state_entry *input)
{
    struct ask_edge read;
    const struct run_row *reader = &made->by->row;
    if (input->object == made->dataset) /* what is carried on from itself */
        return OL_OK;
    ol_status status =
        ask_writer(s->ask, input->object, input->key, reader->started, reader->id, &read);
    if (status == OL_OK)
        status = check_newer(s, made, input, &read);
    return status == OL_OK ? check_old(s, made, input, &read) : status;
}

/* ---- Models ---- */

struct use {
    struct ask *ask;
    int64_t last; /* when a run that reads it was last heard of */
    bool is_running, is_serving;
};

static ol_status keep_use(void *arg, const struct ask_edge *edge)
{
    struct use *u = arg;
    struct ask_run run;
    if (edge->run == 0)
        return OL_OK;
    ol_status status = ask_run(u->ask, edge->run, false, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    u->last = OL_MAX(u->last, run.row.last);
    u->is_running = u->is_running || run.row.status == RUN_RUNNING;
    if (u->ask->store->schema < 3)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(u->ask->store, SQL_ASK_RUN_MARKED, u->ask->err, "ii",
                                    (int64_t)MARK_DEPLOYMENT, edge->run);
    status = store_step(u->ask->store, stmt, u->ask->err);
    u->is_serving = u->is_serving || status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status is_model(struct stale *s, int64_t dataset, bool *ret)
{
    char type[64] = "";
    int64_t id = 0;
    sqlite3_stmt *stmt = store_bind(s->ask->store, SQL_DATASET_GET, s->ask->err, "i", dataset);
    ol_status status = store_step(s->ask->store, stmt, s->ask->err);
    if (status == OL_OK)
        id = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    if (status == OL_OK && id != 0)
        status = ask_text(s->ask, id, type, sizeof type);
    *ret = strcasestr(type, "model") != NULL;
    return status < 0 ? status : OL_OK;
}

/* In use: a run that reads it is open or was heard of since what counts as old, or deploys it. */
static ol_status check_model(struct stale *s, const struct made *made)
{
    struct use use = {.ask = s->ask};
    struct ask_window window = {.dataset = made->dataset,
                                .side = 0,
                                .version = ASK_ANY_VERSION,
                                .since = INT64_MIN,
                                .until = INT64_MAX};
    bool is_called_model = false;
    if (s->before == INT64_MIN || written_at(&made->by->row) >= s->before)
        return OL_OK;
    ol_status status = is_model(s, made->dataset, &is_called_model);
    if (status == OL_OK)
        status = ask_edges(s->ask, &window, keep_use, &use);
    bool is_used = use.is_running || use.is_serving || use.last >= s->before;
    if (status != OL_OK || !is_used || (!is_called_model && !use.is_serving))
        return status;
    status = begin(s, "old_model", made->dataset, made->version, made->by);
    ask_write_time(s->ask, "last_used", use.last);
    end(s, written_at(&made->by->row));
    return status;
}

/* ---- Datasets ---- */

static ol_status check_made(struct stale *s, int64_t dataset, int64_t version, int64_t writer)
{
    struct ask_run run;
    struct made made = {.dataset = dataset, .version = version, .by = &run};
    ol_status status = ask_run(s->ask, writer, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    struct state state = s->ask->state; /* taken: what follows uses the scratch */
    s->ask->state = (struct state){0};
    s->looked++;
    for (size_t i = 0; i < state.count && status == OL_OK && s->findings < s->max; i++)
        if (state.entries[i].kind == STATE_INPUT)
            status = check_input(s, &made, &state.entries[i]);
    state_release(&state);
    return status == OL_OK && s->findings < s->max ? check_model(s, &made) : status;
}

static bool is_over(const struct stale *s)
{
    return s->findings >= s->max || ol__time_monotonic_ms() > s->deadline;
}

static ol_status check_all(struct stale *s, int64_t *ret_next)
{
    struct ask *ask = s->ask;
    ol_status status;
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_DATASETS, ask->err, "i", ask->question->from);
    *ret_next = 0;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        int64_t id = sqlite3_column_int64(stmt, 0);
        struct ask_edge writer;
        if (is_over(s)) {
            *ret_next = id - 1;
            break;
        }
        status = ask_writer(ask, id, 0, INT64_MAX, 0, &writer);
        if (status == OL_OK && writer.run != 0)
            status = check_made(s, id, writer.version, writer.run);
        if (status != OL_OK)
            break;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status check_upstream(struct stale *s, struct walk *w, bool *ret_is_cut)
{
    ol_status status = graph_walk(w);
    for (size_t i = 0; i < w->count && status == OL_OK; i++) {
        const struct graph_node *node = &w->nodes[i];
        if (node->kind != GRAPH_DATASET || node->run <= 0)
            continue;
        if (is_over(s)) {
            *ret_is_cut = true;
            break;
        }
        status = check_made(s, node->id, node->version, node->run);
    }
    *ret_is_cut = *ret_is_cut || w->is_cut_by_depth || w->is_cut_by_limit;
    return status;
}

static ol_status write_stale(struct stale *s, struct walk *w, ol_status *ret_found)
{
    struct ask *ask = s->ask;
    struct ol__json_writer *json = &ask->json;
    ol_status status = OL_OK;
    bool is_cut = false;
    int64_t next = 0;
    *ret_found = ask->question->subject != NULL ? ask_resolve(ask) : OL_OK;
    status = *ret_found == OL_NOT_FOUND ? OL_OK : *ret_found;
    if (status != OL_OK)
        return status;
    ol__json_begin_object(json);
    if (ask->question->subject != NULL)
        status = ask_write_subject(ask);
    ol__json_key(json, "stale");
    ol__json_begin_array(json);
    if (status == OL_OK && ask->question->subject == NULL)
        status = check_all(s, &next);
    else if (status == OL_OK && *ret_found == OL_OK)
        status = check_upstream(s, w, &is_cut);
    ol__json_end_array(json);
    ol__json_member_uint(json, "looked_at", s->looked);
    if (next != 0)
        ol__json_member_int(json, "next", next);
    ol__json_member_bool(json, "truncated", is_cut || next != 0);
    ol__json_end_object(json);
    return status;
}

ol_status store_stale(struct store *store, const struct store_question *question,
                      struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    struct walk w = {.ask = &ask, .is_upstream = true, .depth = WALK_DEPTH, .limit = WALK_NODES};
    struct stale s = {.ask = &ask, .now = ol__time_now_ms(), .before = INT64_MIN};
    if (question->limit < 0 || question->older_than < 0)
        return ol__error_set(err, OL_INVALID, "a question needs no number below 0");
    s.deadline = ol__time_monotonic_ms() + STALE_MS;
    if (question->older_than != 0)
        s.before = s.now - question->older_than;
    s.max = question->limit == 0 ? LIMIT_DEFAULT : (size_t)OL_MIN(question->limit, LIMIT_MAX);
    if (question->depth != 0)
        w.depth = question->depth;
    ol_status found = OL_OK, status = ask_begin(&ask, store, question, 0, out, err);
    if (status != OL_OK)
        return status;
    status = write_stale(&s, &w, &found);
    graph_release(&w);
    status = ask_end(&ask, status);
    return status == OL_OK && found == OL_NOT_FOUND ? ask_not_found(&ask) : status;
}
