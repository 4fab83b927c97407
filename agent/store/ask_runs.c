/* SPDX-License-Identifier: Apache-2.0 */
/* `runs`: a list. Promises:
 *  1. The filter that leaves the fewest runs is looked up in an index, the others are checked run
 *     by run; no more than SCAN_MAX runs are looked at, and the document says if that cut it.
 *  2. A run is listed if all filters hold for it. */
#include "answers.h"

#include <stdlib.h>

#define RUNS_DEFAULT 50
#define ROWS_MAX 100000
#define SCAN_MAX 200000
#define BELOW_MAX 10000

enum status_set { ANY_STATUS = -1, FAILED = -2 }; /* else one of enum run_status */

struct run_list {
    struct ask *ask;
    int64_t *ids; /* owned, limit + 1 */
    size_t count, max;
    int64_t looked; /* runs */
    bool is_cut_by_scan;
    /* filters */
    int64_t wanted; /* enum status_set */
    int64_t since, until;
    bool has_group;
    int64_t group_key, group_value; /* 0: nothing has that text */
    int64_t above[ASK_MATCHES];     /* --parent */
    int above_count;
    bool has_children; /* those whose parent is among them are in the list already */
    int64_t jobs[ASK_MATCHES];
    int job_count;
};

ol_status ask_write_run_object(struct ask *ask, int64_t id)
{
    struct ask_run run;
    ol_status status = ask_run(ask, id, false, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    ol__json_begin_object(&ask->json);
    status = ask_write_run(ask, &run);
    ol__json_end_object(&ask->json);
    return status;
}

/* ---- Filters ---- */

static bool has_status(int64_t wanted, int64_t status)
{
    return wanted == ANY_STATUS || wanted == status ||
           (wanted == FAILED && (status == RUN_FAIL || status == RUN_ABORT));
}

static bool is_among(int64_t id, const int64_t *ids, int count)
{
    for (int i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static ol_status is_in_group(const struct run_list *list, int64_t run, bool *ret)
{
    struct ask *ask = list->ask;
    *ret = true;
    if (!list->has_group)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_ID_HAS, ask->err, "iii", list->group_value,
                                    run, list->group_key);
    ol_status status = store_step(ask->store, stmt, ask->err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* Promise 2. */
static ol_status is_wanted(struct run_list *list, int64_t id, bool *ret)
{
    struct ask_run run;
    *ret = false;
    ol_status status = ask_run(list->ask, id, false, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    const struct run_row *row = &run.row;
    bool is_below = list->above_count == 0 ||
                    is_among(row->parent, list->above, list->above_count) ||
                    is_among(row->root, list->above, list->above_count);
    bool is_root = !list->ask->question->by_root || (row->parent == 0 && row->root == 0);
    bool is_of_job = list->job_count == 0 || is_among(row->job, list->jobs, list->job_count);
    if (!is_below || !is_root || !is_of_job || !has_status(list->wanted, row->status) ||
        row->started < list->since || row->started > list->until ||
        (list->has_children && is_among(row->parent, list->above, list->above_count)))
        return OL_OK;
    return is_in_group(list, id, ret);
}

/* ---- Where runs come from ---- */

/* Take the ids that a statement (id, uid, status, job, started) gives and the question wants. */
static ol_status take(struct run_list *list, sqlite3_stmt *stmt)
{
    struct ask *ask = list->ask;
    bool is_wanted_too = false;
    ol_status status;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK && list->count < list->max) {
        if (list->looked++ >= SCAN_MAX) { /* promise 1 */
            list->is_cut_by_scan = true;
            break;
        }
        int64_t id = sqlite3_column_int64(stmt, 0), started = sqlite3_column_int64(stmt, 4);
        if (!ask_may_see(ask, sqlite3_column_int64(stmt, 1)) ||
            !has_status(list->wanted, sqlite3_column_int64(stmt, 2)) || started < list->since ||
            started > list->until)
            continue;
        status = is_wanted(list, id, &is_wanted_too);
        if (status != OL_OK)
            break;
        if (is_wanted_too)
            list->ids[list->count++] = id;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* Runs that carry an id (a tag, or one of ours): of this value, and (not 0) under this key. */
static ol_status take_tagged(struct run_list *list, int64_t value, int64_t key)
{
    struct ask *ask = list->ask;
    bool is_wanted_too = false;
    int64_t last = 0;
    ol_status status;
    if (value == 0)
        return OL_OK;
    sqlite3_stmt *stmt =
        key != 0
            ? store_bind(ask->store, SQL_ASK_ID_KEY, ask->err, "iii", value, key, (int64_t)ROWS_MAX)
            : store_bind(ask->store, SQL_ASK_ID, ask->err, "ii", value, (int64_t)ROWS_MAX);
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK && list->count < list->max) {
        int64_t id = sqlite3_column_int64(stmt, 0);
        list->is_cut_by_scan = ++list->looked >= ROWS_MAX;
        if (id == last) /* under two keys */
            continue;
        last = id;
        status = is_wanted(list, id, &is_wanted_too);
        if (status != OL_OK)
            break;
        if (is_wanted_too)
            list->ids[list->count++] = id;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* The same, and those that answered a request of this id. */
static ol_status take_by_id(struct run_list *list, struct ol__span text)
{
    struct ask *ask = list->ask;
    int64_t answers[ASK_MATCHES], runs[ASK_MATCHES], value = 0;
    int count = 0;
    ol_status status = ask_text_id(ask, text, &value);
    if (status == OL_OK)
        status = take_tagged(list, value, 0);
    if (status == OL_OK)
        status = ask_find_answers(ask, text, answers, runs, ASK_MATCHES, &count);
    for (int i = 0; i < count && status == OL_OK && list->count < list->max; i++) {
        bool is_wanted_too = false, is_again = is_among(runs[i], list->ids, (int)list->count);
        if (!is_again)
            status = is_wanted(list, runs[i], &is_wanted_too);
        if (status == OL_OK && is_wanted_too)
            list->ids[list->count++] = runs[i];
    }
    return status;
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Those below a run: of an upper run those that name it as their root, too. */
static ol_status take_below(struct run_list *list)
{
    static const enum store_sql statements[] = {SQL_ASK_RUNS_PARENT, SQL_ASK_RUNS_ROOT};
    struct ask *ask = list->ask;
    ol_status status = OL_OK;
    for (size_t s = 0; s < OL_COUNT(statements); s++) {
        list->has_children = s == 1;
        for (int i = 0; i < list->above_count && status == OL_OK; i++)
            status =
                take(list, store_bind(ask->store, statements[s], ask->err, "i", list->above[i]));
    }
    qsort(list->ids, list->count, sizeof *list->ids, compare);
    return status;
}

static ol_status take_runs(struct run_list *list)
{
    struct ask *ask = list->ask;
    const struct store_question *q = ask->question;
    ol_status status = OL_OK;
    if (q->parent != NULL)
        return take_below(list);
    if (q->subject != NULL)
        return take_by_id(list, ol__span_text(q->subject));
    if (list->has_group)
        return list->group_key == 0 ? OL_OK : take_tagged(list, list->group_value, list->group_key);
    if (q->job != NULL) {
        for (int i = 0; i < list->job_count && status == OL_OK; i++)
            status = take(list, store_bind(ask->store, SQL_ASK_RUNS_JOB_TIME, ask->err, "iii",
                                           list->jobs[i], list->since, INT64_MAX));
        return status;
    }
    if (list->wanted == FAILED || list->wanted == RUN_FAIL || list->wanted == RUN_ABORT)
        return take(list, store_bind(ask->store, SQL_ASK_RUNS_FAILED, ask->err, "ii", list->since,
                                     INT64_MAX));
    if (list->wanted >= 0 && list->wanted != RUN_COMPLETE) /* rare states have an index */
        return take(list, store_bind(ask->store, SQL_ASK_RUNS_STATUS, ask->err, "i", list->wanted));
    if (q->since != 0 || q->until != 0)
        return take(list, store_bind(ask->store, SQL_ASK_RUNS_TIME, ask->err, "ii", list->since,
                                     INT64_MAX));
    return take(list, store_bind(ask->store, SQL_ASK_RUNS, ask->err, "i", INT64_MAX));
}

/* ---- What is asked ---- */

static int64_t parse_status(const char *text)
{
    for (int64_t i = RUN_NEW; i <= RUN_ABORT; i++)
        if (strcmp(text, run_status_name(i)) == 0)
            return i;
    return ANY_STATUS;
}

static ol_status read_group(struct run_list *list)
{
    const char *group = list->ask->question->group;
    const char *equals = group != NULL ? strchr(group, '=') : NULL;
    if (group == NULL)
        return OL_OK;
    if (equals == NULL || equals == group)
        return ol__error_set(list->ask->err, OL_INVALID, "group '%.100s': expected KEY=VALUE",
                             group);
    list->has_group = true;
    ol_status status =
        ask_text_id(list->ask, (struct ol__span){.data = group, .size = (size_t)(equals - group)},
                    &list->group_key);
    return status == OL_OK ? ask_text_id(list->ask, ol__span_text(equals + 1), &list->group_value)
                           : status;
}

static ol_status read_names(struct run_list *list)
{
    struct ask *ask = list->ask;
    const struct store_question *q = ask->question;
    ol_status status = OL_OK;
    if (q->job != NULL)
        status = ask_find_jobs(ask, ol__span_text(q->job));
    if (status == OL_OK && q->job != NULL && ask->count == 0)
        status = ol__error_set(ask->err, OL_NOT_FOUND, "no job '%.150s' is recorded", q->job);
    list->job_count = ask->count;
    memcpy(list->jobs, ask->ids, sizeof list->jobs);
    ask->count = 0;
    if (status == OL_OK && q->parent != NULL)
        status = ask_find_runs(ask, ol__span_text(q->parent));
    if (status == OL_OK && q->parent != NULL && ask->count == 0)
        status = ol__error_set(ask->err, OL_NOT_FOUND, "no run '%.150s' is recorded", q->parent);
    list->above_count = ask->count;
    memcpy(list->above, ask->ids, sizeof list->above);
    ask->count = 0;
    return status;
}

static ol_status gather(struct run_list *list)
{
    const struct store_question *q = list->ask->question;
    list->since = q->since != 0 ? q->since : INT64_MIN;
    list->until = q->until != 0 ? q->until : INT64_MAX;
    list->wanted = q->state != NULL ? parse_status(q->state) : q->is_failed ? FAILED : ANY_STATUS;
    if (q->state != NULL && list->wanted == ANY_STATUS)
        return ol__error_set(list->ask->err, OL_INVALID,
                             "state '%.100s': NEW, RUNNING, COMPLETE, FAIL or ABORT is expected",
                             q->state);
    ol_status status = read_group(list);
    if (status == OL_OK)
        status = read_names(list);
    return status == OL_OK ? take_runs(list) : status;
}

/* ---- Writing ---- */

/* Member "below": how many runs name this one as their root, and what became of them. */
static ol_status write_below(struct ask *ask, int64_t root)
{
    int64_t runs = 0, counts[RUN_ABORT + 1] = {0}, last = 0;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_RUNS_ROOT, ask->err, "i", root);
    ol_status status = OL_OK;
    while (runs < BELOW_MAX && (status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        int64_t state = sqlite3_column_int64(stmt, 2);
        if (!ask_may_see(ask, sqlite3_column_int64(stmt, 1)))
            continue;
        runs++;
        last = OL_MAX(last, sqlite3_column_int64(stmt, 5));
        if (state >= 0 && state <= RUN_ABORT)
            counts[state]++;
    }
    sqlite3_reset(stmt);
    ol__json_key(&ask->json, "below");
    ol__json_begin_object(&ask->json);
    ol__json_member_int(&ask->json, "runs", runs);
    ol__json_member_int(&ask->json, "complete", counts[RUN_COMPLETE]);
    ol__json_member_int(&ask->json, "failed", counts[RUN_FAIL] + counts[RUN_ABORT]);
    ol__json_member_int(&ask->json, "running", counts[RUN_RUNNING]);
    ask_write_time(ask, "last_event", last);
    if (runs == BELOW_MAX)
        ol__json_member_bool(&ask->json, "truncated", true);
    ol__json_end_object(&ask->json);
    return status < 0 ? status : OL_OK;
}

static ol_status write_one(struct ask *ask, int64_t id)
{
    struct ask_run run;
    if (!ask->question->by_root)
        return ask_write_run_object(ask, id);
    ol_status status = ask_run(ask, id, false, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    ol__json_begin_object(&ask->json);
    status = ask_write_run(ask, &run);
    if (status == OL_OK)
        status = write_below(ask, id);
    ol__json_end_object(&ask->json);
    return status;
}

ol_status store_runs(struct store *store, const struct store_question *question,
                     struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    struct run_list list = {.ask = &ask};
    if (question->limit < 0)
        return ol__error_set(err, OL_INVALID, "a question needs no number below 0");
    list.max = question->limit == 0 ? RUNS_DEFAULT : (size_t)OL_MIN(question->limit, ROWS_MAX);
    list.max++; /* one more, to know that there are more */
    list.ids = calloc(list.max, sizeof *list.ids);
    if (list.ids == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    ol_status status = ask_begin(&ask, store, question, 0, out, err);
    if (status != OL_OK) {
        free(list.ids);
        return status;
    }
    ol_status found = gather(&list);
    status = found == OL_NOT_FOUND ? OL_OK : found;
    bool is_cut = list.count == list.max;
    ol__json_begin_object(&ask.json);
    ol__json_key(&ask.json, "runs");
    ol__json_begin_array(&ask.json);
    for (size_t i = 0; i < list.count - is_cut && status == OL_OK; i++)
        status = write_one(&ask, list.ids[i]);
    ol__json_end_array(&ask.json);
    ol__json_member_bool(&ask.json, "truncated", is_cut || list.is_cut_by_scan);
    if (is_cut || list.is_cut_by_scan)
        ol__json_member_text(&ask.json, "cut_by", is_cut ? "limit" : "scan");
    ol__json_end_object(&ask.json);
    free(list.ids);
    status = ask_end(&ask, status);
    return status == OL_OK ? found : status;
}
