/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Texts, facets, versions, datasets and jobs go only when nothing names them any more: a sweep
 * marks all that is named, then removes the rest.
 *  2. What is added or named while it is under way is marked too.
 *  3. A dataset of whose own events one pins it stays with what they say. */
#include "sweep.h"
#include "members.h"

#include <stdlib.h>
#include "times.h"

#define SWEEP_ROWS 2000
#define LIST_GRACE_MS INT64_C(86400000) /* events of a list that came lately may be under way */

enum { MAP_JOBS, MAP_DATASETS, MAP_VERSIONS, MAP_FACETS, MAP_TEXTS, MAP_COUNT };

struct sweep {
    enum store_sql phase;
    int64_t at; /* id of the last row looked at in this phase */
    struct {
        uint8_t *bits; /* owned; bit id: it is named */
        int64_t max;   /* ids above came later and stay */
    } maps[MAP_COUNT];
    struct state state;
    bool is_at_members; /* the last phase: lists of members (members.h) */
};

void sweep_free(struct sweep *sweep)
{
    if (sweep == NULL)
        return;
    for (int i = 0; i < MAP_COUNT; i++)
        free(sweep->maps[i].bits);
    state_release(&sweep->state);
    free(sweep);
}

static void mark(struct sweep *sweep, int map, int64_t id)
{
    if (id > 0 && id <= sweep->maps[map].max)
        sweep->maps[map].bits[id / 8] |= (uint8_t)(1u << id % 8);
}

static bool is_marked(const struct sweep *sweep, int map, int64_t id)
{
    return id > sweep->maps[map].max || (sweep->maps[map].bits[id / 8] >> id % 8 & 1) != 0;
}

void sweep_mark_id(struct sweep *sweep, enum store_sql kind, int64_t id)
{
    if (sweep == NULL)
        return;
    switch ((int)kind) {
    case SQL_SWEEP_JOBS:
        mark(sweep, MAP_JOBS, id);
        break;
    case SQL_SWEEP_DATASETS:
        mark(sweep, MAP_DATASETS, id);
        break;
    case SQL_SWEEP_VERSIONS:
        mark(sweep, MAP_VERSIONS, id);
        break;
    case SQL_SWEEP_FACETS:
        mark(sweep, MAP_FACETS, id);
        break;
    case SQL_SWEEP_TEXTS:
        mark(sweep, MAP_TEXTS, id);
        break;
    default:
        break;
    }
}

void sweep_mark_state(struct sweep *sweep, const struct state *state)
{
    if (sweep == NULL)
        return;
    for (size_t i = 0; i < state->count; i++) {
        const struct state_entry *e = &state->entries[i];
        if (state_is_facet(e->kind)) {
            mark(sweep, MAP_DATASETS, e->object);
            mark(sweep, MAP_TEXTS, e->key);
            mark(sweep, MAP_FACETS, e->value);
        } else if (e->kind == STATE_ID) {
            mark(sweep, MAP_TEXTS, e->object);
            mark(sweep, MAP_TEXTS, e->key);
            mark(sweep, MAP_TEXTS, e->value);
        } else {
            mark(sweep, MAP_DATASETS, e->object);
            mark(sweep, MAP_VERSIONS, e->key);
        }
    }
}

ol_status sweep_remove_edges(struct store *store, const struct state *state,
                             const struct run_row *row, struct ol_error *err)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < state->count && status == OL_OK; i++) {
        const struct state_entry *e = &state->entries[i];
        if (e->kind == STATE_INPUT || e->kind == STATE_OUTPUT)
            status =
                store_run(store, SQL_IO_REMOVE, err, "iiiiii", e->object,
                          (int64_t)(e->kind == STATE_OUTPUT), row->job, row->born, row->id, e->key);
        else if (e->kind == STATE_ID)
            status = store_run(store, SQL_ID_REMOVE, err, "iii", e->value, e->key, row->id);
    }
    return status;
}

ol_status store_measure(struct store *store, const char *sql, int64_t *ret, struct ol_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW ? OL_OK : store_db_error(store, code, "measure", err);
}

/* ---- The sweep ---- */

ol_status sweep_new(struct store *store, struct ol_error *err)
{
    static const char *const sizes[MAP_COUNT] = {
        "SELECT max(id) FROM jobs", "SELECT max(id) FROM datasets", "SELECT max(id) FROM versions",
        "SELECT max(id) FROM facets", "SELECT max(id) FROM texts"};
    struct sweep *sweep = calloc(1, sizeof *sweep);
    ol_status status = OL_OK;
    if (sweep == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    for (int i = 0; i < MAP_COUNT && status == OL_OK; i++) {
        status = store_measure(store, sizes[i], &sweep->maps[i].max, err);
        if (status == OL_OK &&
            (sweep->maps[i].bits = calloc((size_t)sweep->maps[i].max / 8 + 1, 1)) == NULL)
            status = ol__error_set(err, OL_NOMEM, "store: out of memory");
    }
    if (status != OL_OK) {
        sweep_free(sweep);
        return status;
    }
    sweep->phase = SQL_SWEEP_RUNS;
    store->sweep = sweep;
    return OL_OK;
}

static ol_status mark_column(struct sweep *sweep, sqlite3_stmt *stmt, int column,
                             struct ol_error *err)
{
    ol_status status = state_read(&sweep->state, store_column(stmt, column), err);
    if (status == OL_OK)
        sweep_mark_state(sweep, &sweep->state);
    return status;
}

/* A job or dataset: named by a run, or told of itself lately. */
static ol_status sweep_named(struct store *store, sqlite3_stmt *stmt, int map, int64_t before_ms,
                             struct ol_error *err)
{
    struct sweep *sweep = store->sweep;
    int64_t id = sqlite3_column_int64(stmt, 0);
    bool has_state = sqlite3_column_type(stmt, 4) != SQLITE_NULL;
    if (is_marked(sweep, map, id) || (has_state && sqlite3_column_int64(stmt, 3) >= before_ms)) {
        mark(sweep, map, id);
        mark(sweep, MAP_TEXTS, sqlite3_column_int64(stmt, 1));
        mark(sweep, MAP_TEXTS, sqlite3_column_int64(stmt, 2));
        return mark_column(sweep, stmt, 4, err);
    }
    ol_status status = state_read(&sweep->state, store_column(stmt, 4), err);
    bool is_pinned = false;
    if (status == OL_OK && has_state && map == MAP_DATASETS)
        status = pins_has_dataset(store, id, &is_pinned, err);
    if (status == OL_OK && is_pinned) { /* promise 3 */
        mark(sweep, map, id);
        mark(sweep, MAP_TEXTS, sqlite3_column_int64(stmt, 1));
        mark(sweep, MAP_TEXTS, sqlite3_column_int64(stmt, 2));
        sweep_mark_state(sweep, &sweep->state);
        return OL_OK;
    }
    if (status == OL_OK && map == MAP_JOBS)
        status = sweep_remove_edges(store, &sweep->state, &(struct run_row){.job = id}, err);
    if (status == OL_OK)
        status =
            store_run(store, map == MAP_JOBS ? SQL_JOB_REMOVE : SQL_DATASET_REMOVE, err, "i", id);
    return status;
}

static ol_status sweep_row(struct store *store, sqlite3_stmt *stmt, int64_t before_ms,
                           struct ol_error *err)
{
    struct sweep *sweep = store->sweep;
    int64_t id = sqlite3_column_int64(stmt, 0);
    switch ((int)sweep->phase) {
    case SQL_SWEEP_RUNS:
        mark(sweep, MAP_JOBS, sqlite3_column_int64(stmt, 2));
        for (int i = 3; i <= 5; i++)
            mark(sweep, MAP_TEXTS, sqlite3_column_int64(stmt, i));
        return mark_column(sweep, stmt, 6, err);
    case SQL_SWEEP_ANSWERS:
        mark(sweep, MAP_TEXTS, sqlite3_column_int64(stmt, 1));
        mark(sweep, MAP_TEXTS, sqlite3_column_int64(stmt, 2));
        return OL_OK;
    case SQL_SWEEP_JOBS:
        return sweep_named(store, stmt, MAP_JOBS, before_ms, err);
    case SQL_SWEEP_DATASETS:
        return sweep_named(store, stmt, MAP_DATASETS, before_ms, err);
    case SQL_SWEEP_VERSIONS:
        return is_marked(sweep, MAP_VERSIONS, id)
                   ? OL_OK
                   : store_run(store, SQL_VERSION_REMOVE, err, "i", id);
    case SQL_SWEEP_FACETS:
        if (is_marked(sweep, MAP_FACETS, id)) {
            mark(sweep, MAP_TEXTS, sqlite3_column_int64(stmt, 1));
            return OL_OK;
        }
        return store_run(store, SQL_FACET_REMOVE, err, "i", id);
    default:
        return is_marked(sweep, MAP_TEXTS, id) ? OL_OK
                                               : store_run(store, SQL_TEXT_REMOVE, err, "i", id);
    }
}

ol_status sweep_on(struct store *store, int64_t before_ms, bool *ret_done, struct ol_error *err)
{
    struct sweep *sweep = store->sweep;
    int rows = 0;
    if (sweep->is_at_members)
        return members_sweep(store, &sweep->at,
                             OL_MAX(before_ms, ol__time_now_ms() - LIST_GRACE_MS), ret_done, err);
    sqlite3_stmt *stmt = store_bind(store, sweep->phase, err, "ii", sweep->at, (int64_t)SWEEP_ROWS);
    ol_status status;
    while ((status = store_step(store, stmt, err)) == OL_OK) {
        sweep->at = sqlite3_column_int64(stmt, 0);
        rows++;
        status = sweep_row(store, stmt, before_ms, err);
        if (status != OL_OK) {
            sqlite3_reset(stmt);
            return status;
        }
    }
    if (status != OL_END)
        return status;
    if (sweep->phase == SQL_SWEEP_FACETS)
        facet_index_free(store);
    if (rows < SWEEP_ROWS) {
        sweep->is_at_members = sweep->phase == SQL_SWEEP_TEXTS;
        sweep->phase++;
        sweep->at = 0;
    }
    dict_forget(store); /* what was removed must not be believed */
    return OL_OK;
}
