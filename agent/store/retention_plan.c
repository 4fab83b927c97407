/* SPDX-License-Identifier: Apache-2.0 */
/* What would go and why the rest stays. Promises:
 *  1. Nothing is changed, and the answer is of one moment.
 *  2. A run is listed to go exactly if store_expire() with the same policy would remove it for its
 * age, class, count and pins; what would go for bytes only is told as bytes over the ceiling. */
#include "judge.h"
#include "sweep.h"

#include <stdlib.h>

#define SCAN_ALL INT64_MAX

struct plan {
    struct ask ask;
    struct judge judge;
    struct judged_run *going; /* owned; those listed */
    size_t *classes;          /* owned; of each */
    int64_t limit, count;
    int64_t verdicts[VERDICT_COUNT];
    int64_t bytes, answers;
};

static const char *class_name(const struct store_policy *policy, size_t class)
{
    return class < policy->class_count ? policy->classes[class].name : RETENTION_DEFAULT;
}

/* Bytes of the run's own rows: its state, ids, edges (about), events and answers. What only it
 * names is freed as well, so it is the least. */
static ol_status own_bytes(struct plan *plan, int64_t run, struct ol_error *err)
{
    static const enum store_sql parts[] = {SQL_PLAN_RUN_BYTES, SQL_PLAN_EVENT_BYTES,
                                           SQL_PLAN_ANSWER_BYTES};
    ol_status status = OL_OK;
    for (size_t i = 0; i < OL_COUNT(parts) && status == OL_OK; i++) {
        sqlite3_stmt *stmt = store_bind(plan->ask.store, parts[i], err, "i", run);
        status = store_step(plan->ask.store, stmt, err);
        if (status == OL_OK) {
            plan->bytes += sqlite3_column_int64(stmt, 0);
            plan->answers += parts[i] == SQL_PLAN_ANSWER_BYTES ? sqlite3_column_int64(stmt, 1) : 0;
        }
        sqlite3_reset(stmt);
        status = status < 0 ? status : OL_OK;
    }
    return status;
}

static ol_status look_at_runs(struct plan *plan, struct ol_error *err)
{
    struct store *store = plan->ask.store;
    sqlite3_stmt *stmt =
        store_bind(store, SQL_EXPIRE_SCAN, err, "iii", (int64_t)-1, (int64_t)0, SCAN_ALL);
    ol_status status;
    while ((status = store_step(store, stmt, err)) == OL_OK) {
        struct judged_run run;
        enum verdict verdict;
        size_t class;
        judge_read_run(stmt, &run);
        status = judge_run(&plan->judge, &run, false, &verdict, &class, err);
        if (status == OL_OK && verdict == VERDICT_GO)
            status = own_bytes(plan, run.id, err);
        if (status != OL_OK)
            break;
        plan->verdicts[verdict]++;
        if (verdict == VERDICT_GO && plan->count < plan->limit) {
            plan->classes[plan->count] = class;
            plan->going[plan->count++] = run;
        }
    }
    sqlite3_reset(stmt);
    return status == OL_END ? OL_OK : status;
}

/* ---- The document ---- */

static ol_status write_going(struct plan *plan)
{
    struct ol__json_writer *w = &plan->ask.json;
    ol_status status = OL_OK;
    ol__json_key(w, "runs");
    ol__json_begin_array(w);
    for (int64_t i = 0; i < plan->count && status == OL_OK; i++) {
        struct ask_run run;
        status = ask_run(&plan->ask, plan->going[i].id, false, &run);
        if (status == OL_NOT_FOUND) {
            status = OL_OK;
            continue;
        }
        if (status != OL_OK)
            break;
        ol__json_begin_object(w);
        status = ask_write_run(&plan->ask, &run);
        ask_write_time(&plan->ask, "seen", plan->going[i].seen);
        ol__json_member_text(w, "class", class_name(plan->judge.policy, plan->classes[i]));
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    return status;
}

static ol_status count_old_answers(struct plan *plan, int64_t *ret, struct ol_error *err)
{
    struct store *store = plan->ask.store;
    *ret = 0;
    if (store->schema < 2 || plan->judge.policy->answers_before_ms == INT64_MIN)
        return OL_OK;
    sqlite3_stmt *stmt =
        store_bind(store, SQL_PLAN_OLD_ANSWERS, err, "i", plan->judge.policy->answers_before_ms);
    ol_status status = store_step(store, stmt, err);
    if (status == OL_OK)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status write_sizes(struct plan *plan, struct ol_error *err)
{
    struct ol__json_writer *w = &plan->ask.json;
    int64_t pages = 0, unused = 0, size = 0, max = plan->judge.policy->max_bytes;
    ol_status status = store_measure(plan->ask.store, "PRAGMA page_count", &pages, err);
    if (status == OL_OK)
        status = store_measure(plan->ask.store, "PRAGMA freelist_count", &unused, err);
    if (status == OL_OK)
        status = store_measure(plan->ask.store, "PRAGMA page_size", &size, err);
    int64_t used = (pages - unused) * size;
    ol__json_key(w, "store");
    ol__json_begin_object(w);
    ol__json_member_text(w, "path", plan->ask.store->path);
    ol__json_member_int(w, "used_bytes", used);
    if (max > 0)
        ol__json_member_int(w, "max_bytes", max);
    if (max > 0 && used > max)
        ol__json_member_int(w, "over_bytes", used - max);
    ol__json_end_object(w);
    return status;
}

static ol_status write_plan(struct plan *plan, struct ol_error *err)
{
    struct ol__json_writer *w = &plan->ask.json;
    int64_t old_answers = 0;
    ol_status status = count_old_answers(plan, &old_answers, err);
    ol__json_begin_object(w);
    ol__json_member_bool(w, "dry_run", true);
    ol__json_key(w, "go");
    ol__json_begin_object(w);
    ol__json_member_int(w, "runs", plan->verdicts[VERDICT_GO]);
    ol__json_member_int(w, "answers", OL_MAX(old_answers, plan->answers));
    ol__json_member_int(w, "bytes", plan->bytes);
    ol__json_end_object(w);
    ol__json_key(w, "stay");
    ol__json_begin_object(w);
    for (int i = VERDICT_GO + 1; i < VERDICT_COUNT; i++)
        if (plan->verdicts[i] > 0)
            ol__json_member_int(w, judge_reason((enum verdict)i), plan->verdicts[i]);
    ol__json_end_object(w);
    if (status == OL_OK)
        status = write_sizes(plan, err);
    if (status == OL_OK)
        status = write_going(plan);
    ol__json_member_bool(w, "truncated", plan->verdicts[VERDICT_GO] > plan->count);
    ol__json_end_object(w);
    return status;
}

ol_status store_gc_plan(struct store *store, const struct store_policy *policy, int64_t limit,
                        struct ol__buf *out, struct ol_error *err)
{
    const struct store_question question = {.uid = STORE_ANY_UID};
    struct plan plan = {.limit = OL_MIN(OL_MAX(limit, 0), 10000)};
    ol_status status = ask_begin(&plan.ask, store, &question, 0, out, err);
    if (status != OL_OK)
        return status;
    plan.going = calloc((size_t)plan.limit + 1, sizeof *plan.going);
    plan.classes = calloc((size_t)plan.limit + 1, sizeof *plan.classes);
    if (plan.going == NULL || plan.classes == NULL)
        status = ol__error_set(err, OL_NOMEM, "store: out of memory");
    if (status == OL_OK)
        status = judge_init(&plan.judge, store, policy, err);
    if (status == OL_OK) {
        pins_free(store->pins);
        store->pins = NULL;
        while ((status = pins_find(store, INT64_MAX, err)) == OL_AGAIN) {
        }
        if (status == OL_OK)
            status = look_at_runs(&plan, err);
        if (status == OL_OK)
            status = write_plan(&plan, err);
        judge_release(&plan.judge);
    }
    free(plan.going);
    free(plan.classes);
    return ask_end(&plan.ask, status);
}
