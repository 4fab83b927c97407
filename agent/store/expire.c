/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Whole runs go, the ones seen longest ago first, with their edges, ids and raw events; what
 * is pinned never does (judge.c).
 *  2. What they named goes when nothing names it any more (sweep.c).
 *  3. Answers go with their run, and before it once they are too old themselves; where bytes are to
 * be freed, answers and runs go in the order in which they were seen.
 *  4. Every call is one short transaction of its own; between calls events may be added.
 *  5. How many runs went since the last sweep ended is in the file (`meta`), in the transaction
 * that removed them: whoever opens it after a crash sweeps.
 *  6. A pass goes once over the runs that may be old, from the one seen longest ago; it ends with
 * OL_OK, and the next call begins another. */
#include "answers.h"
#include "judge.h"
#include "sweep.h"

#include <stdlib.h>

#define DAY_MS 86400000
#define LOOK_MAX 1000
#define SWEEP_AFTER 50 /* runs removed, or a twentieth of all if that is more */
#define PINS_AGE_MS INT64_C(3600000)
#define PINS_AGE_OVER_MS                                                                           \
    INT64_C(60000) /* what came since then counts as pinned, and may not be                        \
                    */

struct expiry {
    bool is_under_way;                     /* a pass */
    int64_t day, id;                       /* the last run that was looked at */
    bool is_known;                         /* `unswept` is what the file says (promise 5) */
    int64_t unswept;                       /* runs removed since the last sweep */
    int64_t removed_in_pass, kept_in_pass; /* kept: pinned or held */
    struct store_kept kept;
    struct judge judge; /* of one call */
};

void expiry_free(struct expiry *expiry)
{
    free(expiry);
}

void store_kept(const struct store *store, struct store_kept *ret)
{
    *ret = store->expiry != NULL ? store->expiry->kept : (struct store_kept){0};
}

void store_expire_restart(struct store *store)
{
    if (store->expiry != NULL)
        store->expiry->is_under_way = store->expiry->is_known = false;
}

/* ---- Promise 5 ---- */

static ol_status read_unswept(struct store *store, struct ol_error *err)
{
    struct expiry *x = store->expiry;
    if (x->is_known)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(store, SQL_META_GET, err, "t", ol__span_text("unswept"));
    ol_status status = store_step(store, stmt, err);
    if (status < 0)
        return status;
    x->unswept = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    x->is_known = true;
    sqlite3_reset(stmt);
    return OL_OK;
}

static ol_status write_unswept(struct store *store, int64_t count, struct ol_error *err)
{
    return store_run(store, SQL_META_SET, err, "ti", ol__span_text("unswept"), count);
}

/* ---- Removing ---- */

static ol_status remove_run(struct store *store, const struct run_row *row,
                            const struct state *state, struct ol_error *err)
{
    static const enum store_sql others[] = {SQL_EVENT_REMOVE, SQL_RUN_ORPHAN_PARENT,
                                            SQL_RUN_ORPHAN_ROOT, SQL_MARK_REMOVE, SQL_RUN_REMOVE};
    ol_status status = sweep_remove_edges(store, state, row, err);
    for (size_t i = 0; i < OL_COUNT(others) && status == OL_OK; i++)
        status = store_run(store, others[i], err, "i", row->id);
    return status;
}

static ol_status used_bytes(struct store *store, int64_t *ret, struct ol_error *err)
{
    int64_t pages = 0, unused = 0, size = 0;
    ol_status status = store_measure(store, "PRAGMA page_count", &pages, err);
    if (status == OL_OK)
        status = store_measure(store, "PRAGMA freelist_count", &unused, err);
    if (status == OL_OK)
        status = store_measure(store, "PRAGMA page_size", &size, err);
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
    store->expiry->kept.removed_answers += removed;
    *ret_some = removed > 0;
    return status;
}

/* One run, with all its answers. @p ret_is_gone: false: some of its answers are left, or, over the
 * bytes, answers that were seen before it. */
static ol_status remove_whole(struct store *store, const struct judged_run *run, bool is_over,
                              bool *ret_is_gone, struct ol_error *err)
{
    struct run_row row;
    struct ol__span column;
    struct state state = {0};
    bool has_more = false;
    *ret_is_gone = false;
    ol_status status = is_over ? remove_answers(store, run->seen, &has_more, err) : OL_OK;
    if (status == OL_OK && !has_more)
        status = answers_remove_run(store, run->id, &has_more, err);
    if (status != OL_OK || has_more)
        return status;
    sqlite3_stmt *stmt = store_bind(store, SQL_ASK_RUN, err, "i", run->id);
    status = store_step(store, stmt, err);
    if (status == OL_OK) {
        run_row_read(stmt, &row, NULL, &column);
        status = state_read(&state, column, err);
    }
    sqlite3_reset(stmt);
    if (status == OL_OK)
        status = remove_run(store, &row, &state, err);
    state_release(&state);
    *ret_is_gone = status == OL_OK;
    return status == OL_END ? OL_OK : status;
}

/* ---- A pass ---- */

/* Look on from the last run; at most @p batch that go, into @p ret.
 * @return OL_OK; OL_END: the rest is younger than any limit, or there is none. */
static ol_status collect(struct store *store, bool is_over, int batch, struct judged_run *ret,
                         int *ret_count, struct ol_error *err)
{
    struct expiry *x = store->expiry;
    int64_t last_day = x->judge.youngest_ms / DAY_MS;
    ol_status status = OL_OK;
    *ret_count = 0;
    sqlite3_stmt *stmt =
        store_bind(store, SQL_EXPIRE_SCAN, err, "iii", x->day, x->id, (int64_t)LOOK_MAX);
    int looked = 0;
    for (; *ret_count < batch; looked++) {
        struct judged_run run;
        enum verdict verdict;
        size_t class;
        status = store_step(store, stmt, err);
        if (status != OL_OK)
            break;
        judge_read_run(stmt, &run);
        if (!is_over && run.seen_day > last_day) {
            status = OL_END;
            looked = 0;
            break;
        }
        status = judge_run(&x->judge, &run, is_over, &verdict, &class, err);
        if (status != OL_OK)
            break;
        if (verdict == VERDICT_GO)
            ret[(*ret_count)++] = run;
        x->kept_in_pass += verdict == VERDICT_PINNED || verdict == VERDICT_HELD;
        x->day = run.seen_day;
        x->id = run.id;
    }
    sqlite3_reset(stmt);
    return status == OL_END && looked >= LOOK_MAX ? OL_OK : status;
}

static ol_status remove_runs(struct store *store, bool is_over, int batch, bool *ret_end,
                             struct ol_error *err)
{
    struct expiry *x = store->expiry;
    struct judged_run *runs = calloc((size_t)batch, sizeof *runs);
    int count = 0;
    if (runs == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    ol_status status = collect(store, is_over, batch, runs, &count, err);
    *ret_end = status == OL_END;
    status = status < 0 ? status : OL_OK;
    for (int i = 0; i < count && status == OL_OK; i++) {
        bool is_gone = false;
        status = remove_whole(store, &runs[i], is_over, &is_gone, err);
        if (status != OL_OK)
            break;
        if (!is_gone) { /* it is the first to be looked at again */
            x->day = runs[i].seen_day;
            x->id = runs[i].id - 1;
            *ret_end = false;
            break;
        }
        x->unswept++;
        x->removed_in_pass++;
        x->kept.removed_runs++;
    }
    free(runs);
    if (status == OL_OK && x->unswept > 0)
        status = write_unswept(store, x->unswept, err);
    return status;
}

static ol_status give_back(struct store *store, struct ol_error *err)
{
    int64_t pages = 0, unused = 0;
    ol_status status = store_measure(store, "PRAGMA page_count", &pages, err);
    if (status == OL_OK)
        status = store_measure(store, "PRAGMA freelist_count", &unused, err);
    if (status != OL_OK || unused * 4 < pages || unused < 256)
        return status;
    int code = sqlite3_exec(store->db, "PRAGMA incremental_vacuum(1000)", NULL, NULL, NULL);
    return code == SQLITE_OK ? OL_OK : store_db_error(store, code, "give pages back", err);
}

static ol_status begin_pass(struct store *store, const struct store_policy *policy, bool is_over,
                            struct ol_error *err)
{
    struct expiry *x = store->expiry;
    int64_t oldest = INT64_MAX;
    ol_status status = store_measure(store, "SELECT min(seen_day) FROM runs", &oldest, err);
    if (status != OL_OK)
        return status;
    bool is_due = is_over || oldest <= x->judge.youngest_ms / DAY_MS;
    if (is_due) {
        status = pins_find(store,
                           x->is_under_way    ? INT64_MAX
                           : policy->is_fresh ? 0
                           : is_over          ? PINS_AGE_OVER_MS
                                              : PINS_AGE_MS,
                           err);
        x->kept.pinned_runs = pins_count(store);
    }
    if (!x->is_under_way) {
        x->is_under_way = true;
        x->day = -1;
        x->id = 0;
        x->removed_in_pass = x->kept_in_pass = 0;
    }
    return is_due ? status : OL_END;
}

static ol_status sweep_further(struct store *store, const struct store_policy *policy,
                               struct ol_error *err)
{
    bool is_done = false;
    ol_status status = sweep_on(store, policy->before_ms, &is_done, err);
    if (status == OL_OK && is_done) {
        sweep_free(store->sweep);
        store->sweep = NULL;
        status = write_unswept(store, 0, err);
        if (status == OL_OK)
            status = give_back(store, err);
    }
    return status;
}

/* The pass is over. With bytes over the ceiling and nothing removed, all that is left is kept. */
static ol_status end_pass(struct store *store, bool is_over, bool *ret_more)
{
    struct expiry *x = store->expiry;
    x->is_under_way = false;
    x->kept.is_stuck = is_over && x->removed_in_pass == 0 && x->kept_in_pass > 0;
    *ret_more = is_over && x->removed_in_pass > 0;
    return OL_OK;
}

static ol_status expire_step(struct store *store, const struct store_policy *policy, int batch,
                             bool *ret_more, struct ol_error *err)
{
    struct expiry *x = store->expiry;
    int64_t runs = 0;
    bool is_end = false, is_more = false;
    *ret_more = true;
    if (store->sweep != NULL)
        return sweep_further(store, policy, err); /* after it, look at the limits again */
    ol_status status = used_bytes(store, &x->kept.used_bytes, err);
    bool is_over = policy->max_bytes > 0 && x->kept.used_bytes > policy->max_bytes;
    if (status == OL_OK)
        status = begin_pass(store, policy, is_over, err);
    if (status == OL_AGAIN)
        return OL_OK; /* pins are still being found */
    is_end = status == OL_END;
    if (status >= 0)
        status = remove_answers(store, policy->answers_before_ms, &is_more, err);
    if (status == OL_OK && !is_more && !is_end)
        status = remove_runs(store, is_over, batch, &is_end, err);
    if (status == OL_OK)
        status = store_measure(store, "SELECT max(id) - min(id) FROM runs", &runs, err);
    if (status != OL_OK)
        return status;
    /* Most of the bytes are freed by the sweep only: never remove run after run without one. */
    if (x->unswept > 0 && ((is_end && !is_more) || x->unswept >= OL_MAX(SWEEP_AFTER, runs / 20))) {
        x->unswept = 0;
        return sweep_new(store, err);
    }
    return is_end && !is_more ? end_pass(store, is_over, ret_more) : OL_OK;
}

ol_status store_expire(struct store *store, const struct store_policy *policy, int batch,
                       struct ol_error *err)
{
    bool is_more = false;
    if (store->expiry == NULL && (store->expiry = calloc(1, sizeof *store->expiry)) == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    ol_status status = store_begin(store, err);
    if (status != OL_OK)
        return status;
    status = judge_init(&store->expiry->judge, store, policy, err);
    if (status == OL_OK)
        status = read_unswept(store, err);
    if (status == OL_OK)
        status = expire_step(store, policy, batch, &is_more, err);
    judge_release(&store->expiry->judge);
    if (status == OL_OK)
        status = store_commit(store, NULL, 0, err);
    if (status != OL_OK) { /* a sweep that was rolled back starts over */
        store_rollback(store);
        sweep_free(store->sweep);
        store->sweep = NULL;
        store_expire_restart(store);
        return status;
    }
    return is_more ? OL_AGAIN : OL_OK;
}
