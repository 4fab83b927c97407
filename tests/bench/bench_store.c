/* SPDX-License-Identifier: Apache-2.0 */
/* Bar "store": CPU and bytes kept per event of 2 KB, against the same bytes as plain rows of
 * SQLite; `why` and `impact` over 100,000 datasets in 20 layers, against one row read by id for
 * each node. BENCH_DATASETS, BENCH_STORE_ROUNDS (how often each is written) and BENCH_KEEP (the
 * file stays) may be set. All answers are checked, node by node. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bench.h"
#include "store.h"
#include "store_world.h"

#define DATASETS 100000
#define BATCH 2048u /* as the agent's thread does it */
#define BARE_EVENTS 8192
#define SUBJECTS 8     /* of one burst of small questions */
#define SMALL 1000     /* nodes of one, by its limit */
#define EVENT_MAX 4096 /* bytes */

static struct world world;
static struct ol__buf batch[BATCH];
static struct ol__uuid spool = {{1}};
static char directory[200];

static void try(ol_status status, const char *what, const struct ol_error *err)
{
    if (status != OL_OK)
        bench_die("%s: %s", what, err->message);
}

/* Events @p first and following into `batch`. */
static size_t fill(long first, long left, uint64_t *bytes)
{
    size_t count = 0;
    for (; count < BATCH && (long)count < left; count++) {
        batch[count].max = EVENT_MAX;
        world_event(&world, first + (long)count, &batch[count]);
        *bytes += batch[count].size;
    }
    return count;
}

/* ---- Ingest ---- */

struct ingest {
    char path[300];
    struct store *store;
    long next, chunk; /* events */
    uint64_t bytes;
    int64_t cpu_ns; /* of all bursts */
};

static void burst_ingest(void *arg, struct bench_figures *ret)
{
    struct ingest *in = arg;
    struct ol_error err = {0};
    int64_t cpu = 0;
    long left = OL_MIN(in->chunk, world_event_count(&world) - in->next), taken = left;
    if (left <= 0)
        bench_die("no event is left");
    while (left > 0) {
        size_t count = fill(in->next, left, &in->bytes);
        int64_t t0 = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
        try(store_begin(in->store, &err), "begin", &err);
        for (size_t i = 0; i < count; i++) {
            struct store_event event = {.seq = (uint64_t)in->next + i + 1,
                                        .taken_ms = INT64_C(1795251600000) + in->next * 50,
                                        .uid = 1000,
                                        .data = {.data = batch[i].data, .size = batch[i].size}};
            try(store_add(in->store, &event, false, &err), "add", &err);
        }
        in->next += (long)count;
        left -= (long)count;
        try(store_commit(in->store, &spool, (uint64_t)in->next, &err), "commit", &err);
        cpu += bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - t0;
    }
    in->cpu_ns += cpu;
    ret->of[BENCH_CPU] = (double)cpu / 1e3 / (double)taken;
}

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        bench_die("%s: %s", text, sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK)
        bench_die("%s: %s", text, sqlite3_errmsg(db));
    return stmt;
}

static void unlink_database(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < OL_COUNT(ends); i++) {
        char name[320];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

/* The same events, in the same batches, as they are. */
static void burst_rows(void *arg, struct bench_figures *ret)
{
    char path[300];
    sqlite3 *db = NULL;
    uint64_t bytes = 0;
    int64_t cpu = 0;
    (void)arg;
    snprintf(path, sizeof path, "%s/rows.db", directory);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        bench_die("%s: %s", path, sqlite3_errmsg(db));
    sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE events(id INTEGER PRIMARY KEY, data TEXT NOT NULL)");
    sqlite3_stmt *stmt = prepare(db, "INSERT INTO events(data) VALUES(?1)");
    for (long n = 0; n < BARE_EVENTS; n += BATCH) {
        size_t count = fill(n, BATCH, &bytes);
        int64_t t0 = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
        sql(db, "BEGIN IMMEDIATE");
        for (size_t i = 0; i < count; i++) {
            sqlite3_bind_text(stmt, 1, batch[i].data, (int)batch[i].size, SQLITE_STATIC);
            if (sqlite3_step(stmt) != SQLITE_DONE || sqlite3_reset(stmt) != SQLITE_OK)
                bench_die("insert: %s", sqlite3_errmsg(db));
        }
        sql(db, "COMMIT");
        cpu += bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - t0;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    unlink_database(path);
    ret->of[BENCH_CPU] = (double)cpu / 1e3 / BARE_EVENTS;
}

static void expect_all(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        bench_die("%s: %s", path, sqlite3_errmsg(db));
    sqlite3_stmt *stmt = prepare(db, "SELECT (SELECT count(*) FROM runs WHERE status = 2 AND "
                                     "events = 2), (SELECT count(*) FROM datasets), "
                                     "(SELECT count(*) FROM io)");
    long runs = world_event_count(&world) / 2, made = runs - world.width * world.rounds;
    if (sqlite3_step(stmt) != SQLITE_ROW || sqlite3_column_int64(stmt, 0) != runs ||
        sqlite3_column_int64(stmt, 1) != world.datasets ||
        sqlite3_column_int64(stmt, 2) != runs + 2 * made)
        bench_die("the store has %lld runs, %lld datasets, %lld edges; %ld, %ld, %ld are expected",
                  (long long)sqlite3_column_int64(stmt, 0),
                  (long long)sqlite3_column_int64(stmt, 1),
                  (long long)sqlite3_column_int64(stmt, 2), runs, world.datasets, runs + 2 * made);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static void ingest(struct ingest *in)
{
    struct ol_error err = {0};
    struct stat st;
    snprintf(in->path, sizeof in->path, "%s/lineage.db", directory);
    const struct bench_side sides[] = {{"plain rows", burst_rows, NULL},
                                       {"store", burst_ingest, in}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    long bursts = (long)bench_round_count() + 1; /* the first warms up */
    in->chunk = (world_event_count(&world) + bursts - 1) / bursts;
    try(store_open(in->path, STORE_WRITE, &in->store, &err), "open", &err);
    bench_run(&set);
    store_close(in->store);
    in->store = NULL;
    if (in->next != world_event_count(&world) || stat(in->path, &st) != 0)
        bench_die("%ld of %ld events are in", in->next, world_event_count(&world));
    expect_all(in->path);
    double size = (double)in->bytes / (double)in->next;
    if (size < 1950 || size > 2150)
        bench_die("an event of the bar has 2 KB, not %.0f bytes", size);
    printf("  %ld events of %.0f bytes, %ld datasets, %ld runs: %.1f MB in the store\n", in->next,
           size, world.datasets, in->next / 2, (double)st.st_size / 1e6);
    bench_say("store", (double)in->cpu_ns / 1e3 / (double)in->next, " us", true, 30,
              "ingest: CPU per event of 2 KB");
    bench_at_most(&set, "store", 1, BENCH_CPU, 0, "ingest: CPU, to plain rows of the same bytes");
    bench_say("store", (double)st.st_size / (double)in->bytes, "", true, 0.35,
              "bytes kept per event byte, without raw events");
    bench_say_sides(&set, "ingest");
    bench_release(&set);
}

/* ---- Questions ---- */

struct question {
    struct store *store;
    struct ol__buf *out;
    bool is_why;
    long limit; /* 0: all that can be reached */
    long asked, nodes;
};

/* Subjects differ from burst to burst: all over the last, or the first, layer. */
static void burst_question(void *arg, struct bench_figures *ret)
{
    struct question *q = arg;
    struct ol_error err = {0};
    int64_t ns = 0;
    long nodes = 0;
    for (int i = 0; i < (q->limit > 0 ? SUBJECTS : 1); i++) {
        char name[64], version[WORLD_VERSION];
        long subject = q->asked++ * 397 % world.width;
        if (q->is_why)
            subject = world.datasets - 1 - subject;
        world_name(&world, subject, name, sizeof name);
        world_version(&world, subject, version); /* any version would be twice as many nodes */
        struct store_question question = {.subject = name,
                                          .content = version,
                                          .depth = WORLD_LAYERS,
                                          .limit = q->limit > 0 ? q->limit : 100000,
                                          .uid = STORE_ANY_UID};
        ol__buf_reset(q->out);
        int64_t t0 = bench_now_ns();
        ol_status status = q->is_why ? store_why(q->store, &question, q->out, &err)
                                     : store_impact(q->store, &question, q->out, &err);
        ns += bench_now_ns() - t0;
        try(status, name, &err);
        if (ol__buf_add_char(q->out, '\0') != OL_OK)
            bench_die("the answer is too long");
        nodes += world_check(&world, q->is_why, subject, q->limit, q->out->data);
    }
    q->nodes = q->limit > 0 ? q->limit : nodes;
    ret->of[BENCH_WALL] = (double)ns / 1e3 / (double)nodes;
}

/* As many rows of runs, each by its id. */
static void burst_seeks(void *arg, struct bench_figures *ret)
{
    sqlite3_stmt *stmt = arg;
    const long rows = 20000, runs = world.datasets * world.rounds;
    int64_t t0 = bench_now_ns();
    for (long i = 0; i < rows; i++) {
        sqlite3_bind_int64(stmt, 1, 1 + (runs - rows > 0 ? runs - rows + i : i % runs));
        if (sqlite3_step(stmt) != SQLITE_ROW)
            bench_die("no run %ld", i);
        sqlite3_reset(stmt);
    }
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - t0) / 1e3 / (double)rows;
}

static void say_answers(const struct bench_set *set, size_t small, const struct question *questions,
                        const char *what)
{
    double ms = bench_median(set, small, BENCH_WALL) * SMALL / 1e3;
    double large_ms =
        bench_median(set, small + 1, BENCH_WALL) * (double)questions[small].nodes / 1e3;
    bench_say("store", ms, " ms", true, 5, "%s: %d nodes of 20 layers", what, SMALL);
    bench_say("store", (large_ms - ms) * 1e3 / (double)(questions[small].nodes - SMALL), " us",
              true, 3, "%s: each node beyond, %ld nodes in %.0f ms", what, questions[small].nodes,
              large_ms);
    bench_at_most(set, "store", small + 1, BENCH_WALL, 0, "  to one row read by id for each node");
}

static void ask(const struct ingest *in)
{
    struct ol_error err = {0};
    struct ol__buf out;
    struct store *store = NULL;
    sqlite3 *db = NULL;
    ol__buf_init(&out, 256u << 20);
    try(store_open(in->path, STORE_READ, &store, &err), "open", &err);
    if (sqlite3_open_v2(in->path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        bench_die("%s: %s", in->path, sqlite3_errmsg(db));
    sql(db, "PRAGMA cache_size = -8000; BEGIN"); /* one snapshot, as a question has */
    sqlite3_stmt *stmt = prepare(db, "SELECT uuid, job, status, state FROM runs WHERE id = ?1");
    struct question q[] = {{store, &out, true, SMALL, 0, 0},
                           {store, &out, true, 0, 0, 0},
                           {store, &out, false, SMALL, 0, 0},
                           {store, &out, false, 0, 0, 0}};
    const struct bench_side sides[] = {{"rows by id", burst_seeks, stmt},
                                       {"why, 1000", burst_question, &q[0]},
                                       {"why", burst_question, &q[1]},
                                       {"impact, 1000", burst_question, &q[2]},
                                       {"impact", burst_question, &q[3]}};
    struct bench_set set = {.sides = sides, .side_count = OL_COUNT(sides)};
    bench_run(&set);
    say_answers(&set, 1, q, "why");
    say_answers(&set, 3, q, "impact");
    bench_say_sides(&set, "time of a node");
    bench_release(&set);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    store_close(store);
    ol__buf_release(&out);
}

static long setting(const char *name, long otherwise, long least)
{
    const char *text = getenv(name);
    long value = text != NULL ? strtol(text, NULL, 10) : otherwise;
    if (value < least || value > 10000000)
        bench_die("%s: a number from %ld to 10000000 is expected", name, least);
    return value;
}

int main(void)
{
    struct ingest in = {0};
    bench_begin("bench_store", "what the store costs");
    bench_directory_make(directory, sizeof directory);
    world_init(&world, setting("BENCH_DATASETS", DATASETS, 4000),
               setting("BENCH_STORE_ROUNDS", 2, 1));
    if (getenv("BENCH_STORE_FILE") == NULL)
        ingest(&in);
    else
        snprintf(in.path, sizeof in.path, "%s", getenv("BENCH_STORE_FILE"));
    ask(&in);
    for (size_t i = 0; i < BATCH; i++)
        ol__buf_release(&batch[i]);
    world_release(&world);
    if (getenv("BENCH_KEEP") == NULL)
        bench_directory_remove(directory);
    else
        printf("  kept: %s\n", in.path);
    return 0;
}
