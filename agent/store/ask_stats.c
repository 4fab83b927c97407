/* SPDX-License-Identifier: Apache-2.0 */
/* `stats`: how much there is, and what became of it. Promises:
 *  1. No table is read: counts come from indexes; what needs rows looks at the newest SAMPLE runs
 *     and the newest JOB_RUNS of each job that is shown, and says so.
 *  2. After STATS_MS what is not counted yet is left out, and `truncated` says so.
 *  3. Whoever may not see all gets what the newest OWN_SAMPLE runs tell of the own ones. */
#include "ask.h"

#include <stdlib.h>
#include "times.h"

#define STATS_MS 700
#define SAMPLE 10000
#define OWN_SAMPLE 50000
#define JOB_RUNS 100
#define JOBS_DEFAULT 20
#define JOBS_MAX 200
#define DAYS_SHOWN 30
#define LISTED 20
#define DAY_MS INT64_C(86400000)
#define PROGRESS 20000 /* steps of SQLite's machine between looks at the clock */
#define CLOCK_EVERY 4096

struct tally {
    int64_t id, count, other; /* id: a job or a text; 0: empty */
};
struct tallies {
    struct tally *slots; /* owned */
    size_t size, count;  /* a power of two */
};
struct stats {
    struct ask *ask;
    int64_t deadline;
    bool is_cut;
    int64_t runs, by_state[RUN_ABORT + 1];
    struct {
        int64_t day, runs;
    } days[DAYS_SHOWN]; /* the last ones, round and round */
    size_t day_count;
    struct tallies jobs, producers, namespaces;
    int64_t datasets, job_count, sampled;
};

static ol_status nomem(const struct stats *s)
{
    return ol__error_set(s->ask->err, OL_NOMEM, "store: out of memory");
}

/* ---- Tallies ---- */

static struct tally *slot_of(const struct tallies *t, int64_t id)
{
    size_t at = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15u >> 20) & (t->size - 1);
    while (t->slots[at].id != 0 && t->slots[at].id != id)
        at = (at + 1) & (t->size - 1);
    return &t->slots[at];
}

static bool tally(struct tallies *t, int64_t id, int64_t count, int64_t other)
{
    if (t->count * 2 >= t->size) {
        struct tallies more = {.size = t->size == 0 ? 256 : t->size * 2, .count = t->count};
        more.slots = calloc(more.size, sizeof *more.slots);
        if (more.slots == NULL)
            return false;
        for (size_t i = 0; i < t->size; i++)
            if (t->slots[i].id != 0)
                *slot_of(&more, t->slots[i].id) = t->slots[i];
        free(t->slots);
        *t = more;
    }
    struct tally *slot = slot_of(t, id);
    t->count += slot->id == 0;
    slot->id = id;
    slot->count += count;
    slot->other += other;
    return true;
}

static int most_first(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    int64_t p = x->count + x->other, q = y->count + y->other;
    return p != q ? (p < q ? 1 : -1) : x->id < y->id ? -1 : x->id > y->id;
}

/* Empty slots last, the largest first. */
static void sort(struct tallies *t)
{
    if (t->size > 0)
        qsort(t->slots, t->size, sizeof *t->slots, most_first);
}

/* ---- Counting ---- */

static int look_at_clock(void *arg)
{
    const struct stats *s = arg;
    return ol__time_monotonic_ms() > s->deadline;
}

static bool is_late(struct stats *s, int64_t rows)
{
    if (rows % CLOCK_EVERY == 0 && ol__time_monotonic_ms() > s->deadline)
        s->is_cut = true;
    return s->is_cut;
}

/* Member @p key: the one number of a statement; left out where the time is over (promise 2). */
static ol_status write_count(struct stats *s, const char *key, enum store_sql sql)
{
    struct ask *ask = s->ask;
    if (ol__time_monotonic_ms() > s->deadline) {
        s->is_cut = true;
        return OL_OK;
    }
    sqlite3_stmt *stmt = store_bind(ask->store, sql, ask->err, "");
    if (stmt == NULL)
        return OL_IO;
    sqlite3_progress_handler(ask->store->db, PROGRESS, look_at_clock, s);
    int code = sqlite3_step(stmt);
    sqlite3_progress_handler(ask->store->db, 0, NULL, NULL);
    ol_status status = OL_OK;
    if (code == SQLITE_ROW)
        ol__json_member_int(&ask->json, key, sqlite3_column_int64(stmt, 0));
    else if (code == SQLITE_INTERRUPT)
        s->is_cut = true;
    else
        status = store_db_error(ask->store, code, "count", ask->err);
    sqlite3_reset(stmt);
    return status;
}

static ol_status count_days(struct stats *s)
{
    struct ask *ask = s->ask;
    ol_status status;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_STATS_DAYS, ask->err, "i", (int64_t)0);
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        int64_t runs = sqlite3_column_int64(stmt, 1);
        s->runs += runs;
        s->days[s->day_count % DAYS_SHOWN].day = sqlite3_column_int64(stmt, 0);
        s->days[s->day_count++ % DAYS_SHOWN].runs = runs;
    }
    return status == OL_END ? OL_OK : status;
}

static ol_status count_states(struct stats *s)
{
    struct ask *ask = s->ask;
    s->by_state[RUN_COMPLETE] = s->runs;
    for (int64_t state = RUN_NEW; state <= RUN_ABORT; state++) {
        if (state == RUN_COMPLETE)
            continue;
        sqlite3_stmt *stmt = store_bind(ask->store, SQL_STATS_STATE, ask->err, "i", state);
        ol_status status = store_step(ask->store, stmt, ask->err);
        if (status != OL_OK)
            return status;
        s->by_state[state] = sqlite3_column_int64(stmt, 0);
        s->by_state[RUN_COMPLETE] -= s->by_state[state];
        sqlite3_reset(stmt);
    }
    return OL_OK;
}

static ol_status count_jobs(struct stats *s)
{
    struct ask *ask = s->ask;
    int64_t rows = 0;
    ol_status status;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_STATS_JOBS, ask->err, "i", INT64_MIN);
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK && !is_late(s, ++rows))
        if (!tally(&s->jobs, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1), 0)) {
            status = nomem(s);
            break;
        }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* Datasets and jobs of each namespace. */
static ol_status count_names(struct stats *s)
{
    static const enum store_sql statements[] = {SQL_STATS_DATASET_NAMES, SQL_STATS_JOB_NAMES};
    struct ask *ask = s->ask;
    ol_status status = OL_OK;
    for (int i = 0; i < 2 && status >= 0; i++) {
        int64_t *total = i == 0 ? &s->datasets : &s->job_count;
        sqlite3_stmt *stmt = store_bind(ask->store, statements[i], ask->err, "");
        while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK && !is_late(s, ++*total))
            if (!tally(&s->namespaces, sqlite3_column_int64(stmt, 0), i == 0, i == 1)) {
                status = nomem(s);
                break;
            }
        sqlite3_reset(stmt);
    }
    return status < 0 ? status : OL_OK;
}

/* Who told of the newest runs; with a uid also what became of them (promise 3). */
static ol_status sample(struct stats *s)
{
    struct ask *ask = s->ask;
    bool is_all = ask->question->uid == STORE_ANY_UID;
    int64_t max = is_all ? SAMPLE : OWN_SAMPLE, rows = 0;
    ol_status status;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_STATS_SAMPLE, ask->err, "i", INT64_MAX);
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK && rows++ < max &&
           !is_late(s, rows)) {
        int64_t state = sqlite3_column_int64(stmt, 1), producer = sqlite3_column_int64(stmt, 3);
        if (!ask_may_see(ask, sqlite3_column_int64(stmt, 0)))
            continue;
        s->sampled++;
        bool is_able = producer == 0 || tally(&s->producers, producer, 1, 0);
        if (!is_all && state >= 0 && state <= RUN_ABORT) {
            s->runs++;
            s->by_state[state]++;
            is_able = is_able && tally(&s->jobs, sqlite3_column_int64(stmt, 2), 1, 0);
        }
        if (!is_able) {
            status = nomem(s);
            break;
        }
    }
    sqlite3_reset(stmt);
    s->is_cut = s->is_cut || (!is_all && rows > max);
    return status < 0 ? status : OL_OK;
}

/* ---- Writing ---- */

static ol_status write_text(struct stats *s, const char *key, int64_t text)
{
    struct ask *ask = s->ask;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_TEXT_GET, ask->err, "i", text);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK)
        ol__json_member_span(&ask->json, key, store_column(stmt, 0));
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* By nearest rank: the least of them that @p percent of all do not exceed; one that was, not a
 * mean. */
static int64_t percentile(const int64_t *sorted, size_t count, size_t percent)
{
    return sorted[(count * percent + 99) / 100 - 1];
}

static void write_durations(struct stats *s, int64_t *ms, size_t count)
{
    struct ol__json_writer *w = &s->ask->json;
    if (count == 0)
        return;
    qsort(ms, count, sizeof *ms, by_size);
    ol__json_key(w, "duration_ms");
    ol__json_begin_object(w);
    ol__json_member_int(w, "min", ms[0]);
    ol__json_member_int(w, "median", percentile(ms, count, 50));
    ol__json_member_int(w, "p95", percentile(ms, count, 95));
    ol__json_member_int(w, "max", ms[count - 1]);
    ol__json_end_object(w);
}

static ol_status write_job(struct stats *s, const struct tally *job)
{
    struct ask *ask = s->ask;
    struct ol__json_writer *w = &ask->json;
    int64_t ms[JOB_RUNS], looked = 0, failed = 0, ended = 0;
    size_t count = 0;
    ol_status status = OL_OK;
    ol__json_begin_object(w);
    status = ask_write_name(ask, ASK_JOB, job->id);
    ol__json_member_int(w, "runs", job->count);
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_STATS_JOB_RUNS, ask->err, "i", job->id);
    while (status >= 0 && looked < JOB_RUNS &&
           (status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        int64_t state = sqlite3_column_int64(stmt, 1), end = sqlite3_column_int64(stmt, 3);
        if (!ask_may_see(ask, sqlite3_column_int64(stmt, 0)))
            continue;
        looked++;
        failed += state == RUN_FAIL || state == RUN_ABORT;
        ended += state >= RUN_COMPLETE;
        if (state >= RUN_COMPLETE && end >= sqlite3_column_int64(stmt, 2))
            ms[count++] = end - sqlite3_column_int64(stmt, 2);
    }
    sqlite3_reset(stmt);
    ol__json_member_int(w, "of_last", looked);
    ol__json_member_int(w, "failed", failed);
    if (ended > 0) {
        ol__json_key(w, "failure_rate");
        ol__json_real(w, (double)failed / (double)ended);
    }
    write_durations(s, ms, count);
    ol__json_end_object(w);
    return status < 0 && status != OL_NOT_FOUND ? status : OL_OK;
}

static ol_status write_jobs(struct stats *s)
{
    struct ol__json_writer *w = &s->ask->json;
    int64_t limit =
        s->ask->question->limit == 0 ? JOBS_DEFAULT : OL_MIN(s->ask->question->limit, JOBS_MAX);
    ol_status status = OL_OK;
    sort(&s->jobs);
    ol__json_key(w, "jobs");
    ol__json_begin_array(w);
    for (size_t i = 0; i < s->jobs.size && s->jobs.slots[i].id != 0 && (int64_t)i < limit &&
                       status == OL_OK && !is_late(s, 0);
         i++)
        status = write_job(s, &s->jobs.slots[i]);
    ol__json_end_array(w);
    return status;
}

/* A list of texts with their counts, the most frequent first. */
static ol_status write_list(struct stats *s, const char *name, const char *key, struct tallies *t,
                            const char *count, const char *other)
{
    struct ol__json_writer *w = &s->ask->json;
    ol_status status = OL_OK;
    sort(t);
    ol__json_key(w, name);
    ol__json_begin_array(w);
    for (size_t i = 0; i < t->size && t->slots[i].id != 0 && i < LISTED && status == OL_OK; i++) {
        ol__json_begin_object(w);
        status = write_text(s, key, t->slots[i].id);
        ol__json_member_int(w, count, t->slots[i].count);
        if (other != NULL)
            ol__json_member_int(w, other, t->slots[i].other);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    return status;
}

static void write_days(struct stats *s)
{
    struct ol__json_writer *w = &s->ask->json;
    char text[OL_TIME_TEXT + 1];
    ol__json_key(w, "days");
    ol__json_begin_array(w);
    size_t shown = OL_MIN(s->day_count, (size_t)DAYS_SHOWN);
    for (size_t i = s->day_count - shown; i < s->day_count; i++) {
        ol__json_begin_object(w);
        ol__time_format(s->days[i % DAYS_SHOWN].day * DAY_MS, text);
        ol__json_member_span(w, "day", (struct ol__span){.data = text, .size = 10});
        ol__json_member_int(w, "runs", s->days[i % DAYS_SHOWN].runs);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
}

static ol_status write_runs(struct stats *s)
{
    static const char *const names[] = {"new", "running", "complete", "fail", "abort"};
    struct ol__json_writer *w = &s->ask->json;
    int64_t failed = s->by_state[RUN_FAIL] + s->by_state[RUN_ABORT];
    int64_t ended = failed + s->by_state[RUN_COMPLETE];
    ol__json_key(w, "runs");
    ol__json_begin_object(w);
    ol__json_member_int(w, "total", s->runs);
    for (int i = RUN_NEW; i <= RUN_ABORT; i++)
        ol__json_member_int(w, names[i], s->by_state[i]);
    if (ended > 0) {
        ol__json_key(w, "failure_rate");
        ol__json_real(w, (double)failed / (double)ended);
    }
    ol__json_end_object(w);
    return OL_OK;
}

static ol_status one_number(struct stats *s, enum store_sql sql, int64_t *ret)
{
    sqlite3_stmt *stmt = store_bind(s->ask->store, sql, s->ask->err, "");
    ol_status status = store_step(s->ask->store, stmt, s->ask->err);
    if (status == OL_OK)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* What only one who may see all is told. */
static ol_status write_size(struct stats *s)
{
    static const struct {
        const char *key;
        enum store_sql sql;
        int since; /* schema that has what is counted */
    } counts[] = {{"versions", SQL_STATS_VERSIONS, 1}, {"edges", SQL_STATS_EDGES, 1},
                  {"facets", SQL_STATS_FACETS, 4},     {"texts", SQL_STATS_TEXTS, 1},
                  {"answers", SQL_STATS_ANSWERS, 2},   {"events_taken", SQL_STATS_TAKEN, 1}};
    struct ol__json_writer *w = &s->ask->json;
    ol_status status = OL_OK;
    ol__json_key(w, "counts");
    ol__json_begin_object(w);
    ol__json_member_int(w, "datasets", s->datasets);
    ol__json_member_int(w, "jobs", s->job_count);
    for (size_t i = 0; i < OL_COUNT(counts) && status == OL_OK; i++)
        if (s->ask->store->schema >= counts[i].since)
            status = write_count(s, counts[i].key, counts[i].sql);
    ol__json_end_object(w);
    if (status != OL_OK)
        return status;
    int64_t pages = 0, unused = 0, page = 0;
    status = one_number(s, SQL_STATS_PAGES, &pages);
    if (status == OL_OK)
        status = one_number(s, SQL_STATS_FREE, &unused);
    if (status == OL_OK)
        status = one_number(s, SQL_STATS_PAGE, &page);
    ol__json_key(w, "size");
    ol__json_begin_object(w);
    ol__json_member_int(w, "bytes", pages * page);
    ol__json_member_int(w, "free_bytes", unused * page);
    ol__json_end_object(w);
    return status;
}

static ol_status count_all(struct stats *s)
{
    ol_status status = count_days(s);
    if (status == OL_OK)
        status = count_states(s);
    if (status == OL_OK)
        status = count_jobs(s);
    return status == OL_OK ? count_names(s) : status;
}

static ol_status write_all(struct stats *s)
{
    struct ask *ask = s->ask;
    bool is_all = ask->question->uid == STORE_ANY_UID;
    ol_status status = is_all ? count_all(s) : OL_OK;
    if (status == OL_OK)
        status = sample(s);
    if (status != OL_OK)
        return status;
    ol__json_begin_object(&ask->json);
    status = write_runs(s);
    if (status == OL_OK && is_all)
        write_days(s);
    if (status == OL_OK)
        status = write_jobs(s);
    if (status == OL_OK && is_all)
        status = write_list(s, "namespaces", "namespace", &s->namespaces, "datasets", "jobs");
    if (status == OL_OK)
        status = write_list(s, "producers", "producer", &s->producers, "runs", NULL);
    ol__json_member_int(&ask->json, "producers_of_last", s->sampled);
    if (status == OL_OK && is_all)
        status = write_size(s);
    ol__json_member_bool(&ask->json, "truncated", s->is_cut);
    ol__json_end_object(&ask->json);
    return status;
}

ol_status store_stats(struct store *store, const struct store_question *question,
                      struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    struct stats s = {.ask = &ask, .deadline = ol__time_monotonic_ms() + STATS_MS};
    ol_status status = ask_begin(&ask, store, question, 0, out, err);
    if (status != OL_OK)
        return status;
    status = write_all(&s);
    free(s.jobs.slots);
    free(s.producers.slots);
    free(s.namespaces.slots);
    return ask_end(&ask, status);
}
