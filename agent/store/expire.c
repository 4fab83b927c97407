/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Whole runs go, the ones seen longest ago first, with their edges, ids and raw events.
 *  2. Texts, facets, versions, datasets and jobs go only when nothing names them any more: a sweep
 * marks all that is named, then removes the rest. What is added or named while it is under way is
 * marked too.
 *  3. Answers go with their run, and before it once they are too old themselves; where bytes are to
 * be freed, answers and runs go in the order in which they were seen.
 *  4. Every call is one short transaction of its own; between calls events may be added. */
#include "answers.h"

#include <stdlib.h>

#define DAY_MS 86400000
#define SWEEP_ROWS 2000
#define LOOK_MAX 1000
#define SWEEP_AFTER 50 /* runs removed, or a twentieth of all if that is more */

enum { MAP_JOBS, MAP_DATASETS, MAP_VERSIONS, MAP_FACETS, MAP_TEXTS, MAP_COUNT };

struct sweep {
    enum store_sql phase;
    int64_t at; /* id of the last row looked at in this phase */
    struct {
        uint8_t *bits; /* owned; bit id: it is named */
        int64_t max;   /* ids above came later and stay */
    } maps[MAP_COUNT];
    struct state state;
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

/* ---- Removing runs ---- */

static ol_status remove_edges(struct store *store, const struct state *state,
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

static ol_status remove_run(struct store *store, const struct run_row *row,
                            const struct state *state, struct ol_error *err)
{
    static const enum store_sql others[] = {SQL_EVENT_REMOVE, SQL_RUN_ORPHAN_PARENT,
                                            SQL_RUN_ORPHAN_ROOT, SQL_MARK_REMOVE, SQL_RUN_REMOVE};
    ol_status status = remove_edges(store, state, row, err);
    for (size_t i = 0; i < OL_COUNT(others) && status == OL_OK; i++)
        status = store_run(store, others[i], err, "i", row->id);
    return status;
}

static ol_status pragma_int(struct store *store, const char *sql, int64_t *ret,
                            struct ol_error *err)
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

static ol_status used_bytes(struct store *store, int64_t *ret, struct ol_error *err)
{
    int64_t pages = 0, unused = 0, size = 0;
    ol_status status = pragma_int(store, "PRAGMA page_count", &pages, err);
    if (status == OL_OK)
        status = pragma_int(store, "PRAGMA freelist_count", &unused, err);
    if (status == OL_OK)
        status = pragma_int(store, "PRAGMA page_size", &size, err);
    *ret = (pages - unused) * size;
    return status;
}

/* Those taken before @p before_ms. @p ret_some: there were, and maybe more are. */
static ol_status remove_answers(struct store *store, int64_t before_ms, bool *ret_some,
                                struct ol_error *err)
{
    int64_t oldest = 0, removed = 0;
    ol_status status = answers_oldest(store, &oldest, err);
    if (status == OL_OK && oldest < before_ms)
        status = answers_remove_old(store, before_ms, &removed, err);
    *ret_some = removed > 0;
    return status;
}

/* Remove runs until the limits hold or @p batch are gone. @p ret_more: some are still over a limit.
 */
static ol_status remove_runs(struct store *store, int64_t before_ms, bool is_over, int batch,
                             bool *ret_more, struct ol_error *err)
{
    int64_t day = -1, id = 0;
    struct state state = {0};
    ol_status status = OL_OK;
    *ret_more = false;
    for (int looked = 0, removed = 0; looked < LOOK_MAX; looked++) {
        struct run_row row;
        struct ol__span column;
        sqlite3_stmt *stmt = store_bind(store, SQL_EXPIRE_NEXT, err, "ii", day, id);
        status = store_step(store, stmt, err);
        if (status != OL_OK)
            break;
        run_row_read(stmt, &row, NULL, &column);
        status = state_read(&state, column, err);
        sqlite3_reset(stmt);
        if (status != OL_OK)
            break;
        day = row.seen_day;
        id = row.id;
        bool is_old = row.seen < before_ms;
        if (!is_old && !is_over) {
            if (row.seen_day > before_ms / DAY_MS)
                break;
            continue; /* of the last day, some runs are old enough and some are not */
        }
        if (removed >= batch) {
            *ret_more = true;
            break;
        }
        bool has_more = false; /* answers: then the run waits */
        status = is_over ? remove_answers(store, row.seen, ret_more, err) : OL_OK;
        if (status == OL_OK && !*ret_more)
            status = answers_remove_run(store, row.id, &has_more, err);
        if (status != OL_OK || *ret_more || has_more) {
            *ret_more = *ret_more || has_more;
            break;
        }
        status = remove_run(store, &row, &state, err);
        if (status != OL_OK)
            break;
        removed++;
        store->removed_runs++;
    }
    state_release(&state);
    return status < 0 ? status : OL_OK;
}

/* ---- The sweep ---- */

static ol_status sweep_new(struct store *store, struct ol_error *err)
{
    static const char *const sizes[MAP_COUNT] = {
        "SELECT max(id) FROM jobs", "SELECT max(id) FROM datasets", "SELECT max(id) FROM versions",
        "SELECT max(id) FROM facets", "SELECT max(id) FROM texts"};
    struct sweep *sweep = calloc(1, sizeof *sweep);
    ol_status status = OL_OK;
    if (sweep == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    for (int i = 0; i < MAP_COUNT && status == OL_OK; i++) {
        status = pragma_int(store, sizes[i], &sweep->maps[i].max, err);
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
    if (status == OL_OK && map == MAP_JOBS)
        status = remove_edges(store, &sweep->state, &(struct run_row){.job = id}, err);
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

/* Some rows further. @p ret_done: the sweep is over. */
static ol_status sweep_on(struct store *store, int64_t before_ms, bool *ret_done,
                          struct ol_error *err)
{
    struct sweep *sweep = store->sweep;
    int rows = 0;
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
    *ret_done = rows < SWEEP_ROWS && sweep->phase == SQL_SWEEP_TEXTS;
    if (rows < SWEEP_ROWS) {
        sweep->phase++;
        sweep->at = 0;
    }
    dict_forget(store); /* what was removed must not be believed */
    return OL_OK;
}

/* ---- The whole of it ---- */

static ol_status give_back(struct store *store, struct ol_error *err)
{
    int64_t pages = 0, unused = 0;
    ol_status status = pragma_int(store, "PRAGMA page_count", &pages, err);
    if (status == OL_OK)
        status = pragma_int(store, "PRAGMA freelist_count", &unused, err);
    if (status != OL_OK || unused * 4 < pages || unused < 256)
        return status;
    int code = sqlite3_exec(store->db, "PRAGMA incremental_vacuum(1000)", NULL, NULL, NULL);
    return code == SQLITE_OK ? OL_OK : store_db_error(store, code, "give pages back", err);
}

static ol_status expire_step(struct store *store, int64_t before_ms, int64_t max_bytes, int batch,
                             bool *ret_more, struct ol_error *err)
{
    int64_t used = 0, runs = 0;
    bool is_done = false;
    ol_status status = OL_OK;
    if (store->sweep != NULL) {
        status = sweep_on(store, before_ms, &is_done, err);
        if (status == OL_OK && is_done) {
            sweep_free(store->sweep);
            store->sweep = NULL;
            status = give_back(store, err);
        }
        *ret_more = true; /* after it, look at the limits again */
        return status;
    }
    status = used_bytes(store, &used, err);
    bool is_over = max_bytes > 0 && used > max_bytes, is_more = false;
    if (status == OL_OK)
        status = remove_answers(store, before_ms, &is_more, err);
    if (status == OL_OK && !is_more)
        status = remove_runs(store, before_ms, is_over, batch, &is_more, err);
    if (status == OL_OK)
        status = pragma_int(store, "SELECT max(id) - min(id) FROM runs", &runs, err);
    if (status != OL_OK)
        return status;
    /* Most of the bytes are freed by the sweep only: never remove run after run without one. */
    bool is_due = store->removed_runs >= OL_MAX(SWEEP_AFTER, runs / 20);
    if (store->removed_runs > 0 && (is_due || !is_more)) {
        store->removed_runs = 0;
        *ret_more = true;
        return sweep_new(store, err);
    }
    *ret_more = is_more;
    return OL_OK;
}

ol_status store_expire(struct store *store, int64_t before_ms, int64_t max_bytes, int batch,
                       struct ol_error *err)
{
    bool is_more = false;
    ol_status status = store_begin(store, err);
    if (status != OL_OK)
        return status;
    status = expire_step(store, before_ms, max_bytes, batch, &is_more, err);
    if (status == OL_OK)
        status = store_commit(store, NULL, 0, err);
    if (status != OL_OK) { /* a sweep that was rolled back starts over */
        store_rollback(store);
        sweep_free(store->sweep);
        store->sweep = NULL;
        return status;
    }
    return is_more ? OL_AGAIN : OL_OK;
}
