/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A dataset's runs are never all looked at: a seek or two a job, then at most ASK_JOB_ROWS runs
 * of it that may be seen, from the newest (and no more than ASK_HIDDEN_ROWS that may not), unless
 * all are asked for.
 *  2. Of several runs that wrote the same thing, a complete one is preferred to any other, then the
 * later one. */
#include "ask.h"

#include <stdlib.h>

/* The next job behind @p after that wrote @p dataset; 0: none. */
static ol_status next_writer(struct ask *ask, int64_t dataset, int64_t after, int64_t *ret)
{
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_IO_JOB, ask->err, "iii", dataset, (int64_t)1, after);
    ol_status status = store_step(ask->store, stmt, ask->err);
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* Whether an edge was told by then: its run's (or job's) state says when. */
static ol_status was_told(struct ask *ask, const struct ask_window *w, const struct ask_edge *edge,
                          bool *ret)
{
    struct ol__span column = {0};
    struct run_row row;
    const struct state_entry like = {.kind = w->side == 1 ? STATE_OUTPUT : STATE_INPUT,
                                     .object = w->dataset,
                                     .key = edge->version};
    sqlite3_stmt *stmt = store_bind(ask->store, edge->run != 0 ? SQL_ASK_RUN : SQL_JOB_GET,
                                    ask->err, "i", edge->run != 0 ? edge->run : edge->job);
    ol_status status = store_step(ask->store, stmt, ask->err);
    *ret = false;
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    if (edge->run != 0)
        run_row_read(stmt, &row, NULL, &column);
    else
        column = store_column(stmt, 3);
    status = ask_read_state(ask, &ask->told, column, edge->run != 0 ? "runs" : "jobs",
                            edge->run != 0 ? edge->run : edge->job);
    sqlite3_reset(stmt);
    const struct state_entry *entry = status == OL_OK ? state_find(&ask->told, &like) : NULL;
    *ret = entry != NULL && entry->at <= ask->at;
    return status;
}

/* Whether the edge may be seen, and in what state its run is. */
static ol_status look(struct ask *ask, const struct ask_window *w, struct ask_edge *edge,
                      bool *ret_is_visible)
{
    struct ask_run run;
    ol_status status;
    if (edge->run == 0) { /* static */
        edge->status = RUN_COMPLETE;
        sqlite3_stmt *stmt = store_bind(ask->store, SQL_JOB_GET, ask->err, "i", edge->job);
        status = store_step(ask->store, stmt, ask->err);
        *ret_is_visible = status == OL_OK && ask_may_see(ask, sqlite3_column_int64(stmt, 1));
        sqlite3_reset(stmt);
    } else {
        status = ask_run(ask, edge->run, false, &run);
        *ret_is_visible = status == OL_OK;
        if (status == OL_OK)
            edge->status = run.row.status;
    }
    if (*ret_is_visible && ask->at != INT64_MAX)
        status = was_told(ask, w, edge, ret_is_visible);
    return status < 0 && status != OL_NOT_FOUND ? status : OL_OK;
}

/* All rows of @p job in the window, the newest first. */
static sqlite3_stmt *bind_job(struct ask *ask, const struct ask_window *w, int64_t job)
{
    int64_t until = OL_MIN(w->until, ask->at);
    return w->version == ASK_ANY_VERSION
               ? store_bind(ask->store, SQL_ASK_IO_LATEST, ask->err, "iiiii", w->dataset, w->side,
                            job, w->since, until)
               : store_bind(ask->store, SQL_ASK_IO_LATEST_VERSION, ask->err, "iiiiii", w->dataset,
                            w->side, job, w->since, until, w->version);
}

/* The edge of @p job that counts; ret->job 0: none. */
static ol_status pick(struct ask *ask, const struct ask_window *w, int64_t job,
                      struct ask_edge *ret)
{
    sqlite3_stmt *stmt = bind_job(ask, w, job);
    ol_status status = OL_OK;
    *ret = (struct ask_edge){0};
    for (int rows = 0, hidden = 0; rows < ASK_JOB_ROWS && hidden < ASK_HIDDEN_ROWS;) {
        status = store_step(ask->store, stmt, ask->err);
        if (status != OL_OK)
            break;
        struct ask_edge edge = {.job = job,
                                .at = sqlite3_column_int64(stmt, 0),
                                .run = sqlite3_column_int64(stmt, 1),
                                .version = sqlite3_column_int64(stmt, 2)};
        bool is_visible = false;
        if (edge.run != 0 && edge.run == w->except_run)
            continue;
        status = look(ask, w, &edge, &is_visible);
        if (status != OL_OK)
            break;
        rows += is_visible;
        hidden += !is_visible;
        if (!is_visible || (edge.run == 0 && ret->job != 0))
            continue;
        if (ret->job == 0 || edge.status == RUN_COMPLETE)
            *ret = edge;
        if (edge.status == RUN_COMPLETE)
            break; /* promise 2 */
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* Rows of the window's dataset from job @p from downwards, of each job the newest run first. */
static sqlite3_stmt *bind_scan(struct ask *ask, const struct ask_window *w, int64_t from)
{
    return w->version == ASK_ANY_VERSION
               ? store_bind(ask->store, SQL_ASK_IO, ask->err, "iii", w->dataset, w->side, from)
               : store_bind(ask->store, SQL_ASK_IO_VERSION, ask->err, "iiii", w->dataset, w->side,
                            from, w->version);
}

/* Whether the first row of a job is the one that counts: then its other rows need no look. */
static bool is_plain(const struct ask *ask, const struct ask_window *w, const struct ask_edge *edge,
                     int64_t uid)
{
    return ask->at == INT64_MAX && edge->run != 0 && edge->run != w->except_run &&
           edge->at >= w->since && edge->at <= w->until && edge->status == RUN_COMPLETE &&
           ask_may_see(ask, uid);
}

static ol_status keep_edge(struct ask *ask, struct ask_edge_list *list, const struct ask_edge *edge)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 64 : list->cap * 2;
        struct ask_edge *items = realloc(list->items, cap * sizeof *items);
        if (items == NULL)
            return ol__error_set(ask->err, OL_NOMEM, "store: out of memory");
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = *edge;
    return OL_OK;
}

ol_status ask_all_runs(struct ask *ask, const struct ask_window *w, int64_t job, size_t max,
                       struct ask_edge_list *list)
{
    sqlite3_stmt *stmt = bind_job(ask, w, job);
    int64_t last = 0;
    ol_status status;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        struct ask_edge edge = {.job = job,
                                .at = sqlite3_column_int64(stmt, 0),
                                .run = sqlite3_column_int64(stmt, 1),
                                .version = sqlite3_column_int64(stmt, 2)};
        bool is_visible = false;
        if (edge.run == 0 || edge.run == w->except_run || edge.run == last)
            continue;
        if (list->count >= max) {
            list->is_cut = true;
            break;
        }
        status = look(ask, w, &edge, &is_visible);
        if (status == OL_OK && is_visible)
            status = keep_edge(ask, list, &edge);
        if (status != OL_OK)
            break;
        last = edge.run;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status hand_on(struct ask_edge *edge, ask_edge_handler *each, void *arg)
{
    ol_status status = edge->job != 0 ? each(arg, edge) : OL_OK;
    edge->job = 0;
    return status;
}

/* Mostly one statement for all jobs: it goes on to the next job when a job has but one row, and
 * begins anew behind it when there are more. */
ol_status ask_edges(struct ask *ask, const struct ask_window *window, ask_edge_handler *each,
                    void *arg)
{
    int64_t last = INT64_MAX;   /* the job that was dealt with */
    struct ask_edge kept = {0}; /* of that job, not handed on yet: whether it has more shows next */
    sqlite3_stmt *stmt = bind_scan(ask, window, last);
    ol_status status;
    for (ask->edge_rows = 0;; ask->edge_rows++) {
        status = store_step(ask->store, stmt, ask->err);
        if (status != OL_OK)
            break;
        struct ask_edge edge = {.job = sqlite3_column_int64(stmt, 0),
                                .at = sqlite3_column_int64(stmt, 1),
                                .run = sqlite3_column_int64(stmt, 2),
                                .version = sqlite3_column_int64(stmt, 3),
                                .status = sqlite3_column_int64(stmt, 5)};
        if (edge.job == last) {
            kept.has_more = true;
            stmt = bind_scan(ask, window, last - 1);
            continue;
        }
        last = edge.job;
        int64_t uid = sqlite3_column_int64(stmt, 4);
        status = hand_on(&kept, each, arg);
        if (status == OL_OK && !is_plain(ask, window, &edge, uid))
            status = pick(ask, window, last, &edge);
        if (status != OL_OK)
            break;
        kept = edge;
    }
    sqlite3_reset(stmt);
    if (status == OL_END)
        status = hand_on(&kept, each, arg); /* nothing, where it is the caller who had enough */
    return status == OL_END ? OL_OK : status;
}

/* The row found, or the next one behind it, says of all in between that they have none: where each
 * event tells versions, one look serves a whole walk. */
ol_status ask_has_edges(struct ask *ask, int64_t dataset, int64_t side, int64_t version, bool *ret)
{
    int64_t place = dataset * 2 + side, found = INT64_MAX;
    if (version == 0 && place >= ask->plain_from && place < ask->plain_until) {
        *ret = false;
        return OL_OK;
    }
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_IO_HAS, ask->err, "iii", version, dataset, side);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK)
        found = sqlite3_column_int64(stmt, 0) * 2 + sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    if (status < 0)
        return status;
    *ret = found == place;
    if (version == 0) {
        ask->plain_from = place;
        ask->plain_until = found;
    }
    return OL_OK;
}

static ol_status keep_best(void *arg, const struct ask_edge *edge)
{
    struct ask_edge *best = arg;
    bool is_complete = edge->status == RUN_COMPLETE, was_complete = best->status == RUN_COMPLETE;
    if (best->job == 0 || (is_complete && !was_complete) ||
        (is_complete == was_complete && edge->at > best->at))
        *best = *edge;
    return OL_OK;
}

/* A version that was written once was written so for every reader, whenever it came. */
static struct ask_cached_writer *writer_slot(const struct ask *ask, int64_t version)
{
    return version != 0 && ask->writers != NULL ? &ask->writers[(size_t)version & (ask->slots - 1)]
                                                : NULL;
}

ol_status ask_writer(struct ask *ask, int64_t dataset, int64_t version, int64_t as_of,
                     int64_t except_run, struct ask_edge *ret)
{
    struct ask_window w = {.dataset = dataset,
                           .side = 1,
                           .version = version != 0 ? version : ASK_ANY_VERSION,
                           .until = as_of,
                           .except_run = except_run};
    struct ask_cached_writer *slot = writer_slot(ask, version);
    if (slot != NULL && slot->dataset == dataset && slot->edge.version == version &&
        slot->edge.run != except_run) {
        *ret = slot->edge;
        return OL_OK;
    }
    w.since = INT64_MIN;
    *ret = (struct ask_edge){0};
    ol_status status = ask_edges(ask, &w, keep_best, ret);
    if (status == OL_OK && slot != NULL && ask->edge_rows == 1 && ret->run != 0)
        *slot = (struct ask_cached_writer){.dataset = dataset, .edge = *ret};
    if (status != OL_OK || ret->job != 0 || version == 0)
        return status;
    w.until = INT64_MAX; /* the very bytes: then the clocks differ */
    status = ask_edges(ask, &w, keep_best, ret);
    if (status != OL_OK || ret->job != 0)
        return status;
    w.until = as_of; /* a producer that tells no versions */
    w.version = 0;
    return ask_edges(ask, &w, keep_best, ret);
}

ol_status ask_next_write(struct ask *ask, int64_t dataset, int64_t at, int64_t *ret)
{
    int64_t job = 0;
    const struct ask_window w = {.dataset = dataset, .side = 1};
    *ret = INT64_MAX;
    for (;;) {
        ol_status status = next_writer(ask, dataset, job, &job);
        if (status != OL_OK || job == 0)
            return status;
        sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_IO_FIRST, ask->err, "iiii", dataset,
                                        (int64_t)1, job, at);
        for (int rows = 0; rows < ASK_JOB_ROWS; rows++) {
            status = store_step(ask->store, stmt, ask->err);
            if (status != OL_OK)
                break;
            struct ask_edge edge = {.job = job,
                                    .at = sqlite3_column_int64(stmt, 0),
                                    .run = sqlite3_column_int64(stmt, 1),
                                    .version = sqlite3_column_int64(stmt, 2)};
            bool is_visible = false;
            status = look(ask, &w, &edge, &is_visible);
            if (status != OL_OK)
                break;
            if (is_visible && edge.status == RUN_COMPLETE) {
                *ret = OL_MIN(*ret, edge.at);
                break;
            }
        }
        sqlite3_reset(stmt);
        if (status < 0)
            return status;
    }
}
