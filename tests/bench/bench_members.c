/* SPDX-License-Identifier: Apache-2.0 */
/* A list of 1,000,000 members in the store, against the plain table (artifact, name, sha256) with
 * an index over names and one over hashes: time and bytes of putting it in; of the same list a day
 * later, one member of a hundred changed; look-ups by name; `impact` of a record and `why` of the
 * folder. BENCH_MEMBERS may be set. Answers are checked. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "artifact_lines.h"
#include "bench.h"
#include "hash.h"
#include "store.h"
#include "times.h"

#define MEMBERS 1000000
#define LOOKUPS 200

static char directory[200];

static void try(ol_status status, const char *what, const struct ol_error *err)
{
    if (status < 0)
        bench_die("%s: %s", what, err->message);
}

static double seconds(int64_t from_us)
{
    return (double)(ol__time_monotonic_us() - from_us) / 1e6;
}

static double file_bytes(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        bench_die("'%s' is not there", path);
    return (double)st.st_size;
}

static void hash(struct ol__span text, uint8_t out[32])
{
    struct ol__sha256 *sum;
    if (ol__sha256_new(&sum, NULL) != OL_OK)
        bench_die("out of memory");
    ol__sha256_add(sum, text.data, text.size);
    ol__sha256_finish(sum, out);
    ol__sha256_free(sum);
}

static void name_of(long i, char *out, size_t size)
{
    snprintf(out, size, "./shard-%03ld/document-%07ld.txt", i / 4096, i);
}

static void sum_of(long i, bool is_changed, uint8_t out[32])
{
    char content[48];
    snprintf(content, sizeof content, "document %ld %d", i, is_changed);
    hash(ol__span_text(content), out);
}

/* Of the second day every hundredth member is another. */
static void make_list(struct ol__buf *text, long count, int day)
{
    ol__buf_init(text, (size_t)512 << 20);
    for (long i = 0; i < count; i++) {
        char name[80], hex[65];
        uint8_t sum[32];
        name_of(i, name, sizeof name);
        sum_of(i, day > 0 && i * 7919 % 100 == 0, sum);
        ol__hex(sum, sizeof sum, hex);
        artifact_line_add(text, hex, name);
    }
    if (text->status != OL_OK)
        bench_die("out of memory");
}

static void put(struct store *store, const struct ol__buf *text, uint8_t sum[32])
{
    struct ol_error err = {.message = ""};
    hash((struct ol__span){text->data, text->size}, sum);
    try(store_members_put(store, sum, 1000, ol__time_now_ms(),
                          (struct ol__span){text->data, text->size}, &err),
        "put the list in", &err);
}

/* The folder as a run wrote it, and another read it and wrote an index. */
static void add_events(struct store *store, const uint8_t sum[32])
{
    static const char *const jobs[] = {"collect", "build-index"};
    char hex[65], event[2048];
    struct ol_error err = {.message = ""};
    ol__hex(sum, 32, hex);
    try(store_begin(store, &err), "begin", &err);
    for (int i = 0; i < 2; i++) {
        char folder[600];
        snprintf(folder, sizeof folder,
                 "{\"namespace\":\"file\",\"name\":\"/d/corpus\",\"facets\":{\"version\":{"
                 "\"_producer\":\"p\",\"_schemaURL\":\"s\",\"datasetVersion\":\"sha256:%s\"}}}",
                 hex);
        snprintf(
            event, sizeof event,
            "{\"eventType\":\"COMPLETE\",\"eventTime\":\"2026-11-21T09:0%d:00Z\","
            "\"producer\":\"p:x\",\"run\":{\"runId\":\"01941f29-7c00-7837-a31d-00000000000%d\"},"
            "\"job\":{\"namespace\":\"n\",\"name\":\"%s\"},\"inputs\":[%s],\"outputs\":[%s]}",
            i, i, jobs[i], i == 1 ? folder : "",
            i == 0 ? folder : "{\"namespace\":\"file\",\"name\":\"/d/index.bin\"}");
        const struct store_event taken = {
            .taken_ms = ol__time_now_ms(), .uid = 1000, .data = ol__span_text(event)};
        try(store_add(store, &taken, false, &err), "add an event", &err);
    }
    try(store_commit(store, NULL, 0, &err), "commit", &err);
}

static double ask(struct store *store, store_function *function, const char *subject,
                  const char *needed)
{
    const struct store_question question = {.subject = subject, .uid = STORE_ANY_UID};
    struct ol__buf out;
    struct ol_error err = {.message = ""};
    ol__buf_init(&out, (size_t)64 << 20);
    int64_t from = ol__time_monotonic_us();
    try(function(store, &question, &out, &err), subject, &err);
    double took = seconds(from);
    if (out.data == NULL || strstr(out.data, needed) == NULL)
        bench_die("the answer to '%s' has no %s: %.300s", subject, needed, out.data);
    ol__buf_release(&out);
    return took;
}

/* ---- The plain table ---- */

static void plain_list(sqlite3 *db, const uint8_t artifact[32], const struct ol__buf *text)
{
    sqlite3_stmt *stmt = NULL;
    struct ol__span rest = {text->data, text->size};
    struct ol__buf space;
    struct artifact_line line;
    ol__buf_init(&space, 1 << 20);
    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    sqlite3_prepare_v2(db, "INSERT INTO members VALUES(?1, ?2, ?3)", -1, &stmt, NULL);
    while (artifact_line_read(&rest, &space, &line) == OL_OK) {
        uint8_t sum[32];
        if (!ol__hex_read(line.sha256, sum, sizeof sum))
            bench_die("the list: '%.64s' is no hash", line.sha256);
        sqlite3_bind_blob(stmt, 1, artifact, 32, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, line.name.data, (int)line.name.size, SQLITE_STATIC);
        sqlite3_bind_blob(stmt, 3, sum, sizeof sum, SQLITE_STATIC);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            bench_die("the plain table: %s", sqlite3_errmsg(db));
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    if (sqlite3_exec(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL) != SQLITE_OK)
        bench_die("the plain table: %s", sqlite3_errmsg(db));
    ol__buf_release(&space);
}

static sqlite3 *plain_open(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(
            db,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -6000;"
            "CREATE TABLE members(artifact BLOB, name TEXT, sha256 BLOB);"
            "CREATE INDEX by_name ON members(name); CREATE INDEX by_hash ON members(sha256)",
            NULL, NULL, NULL) != SQLITE_OK)
        bench_die("the plain table: %s", sqlite3_errmsg(db));
    return db;
}

/* ---- ---- */

static void fold(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL) != SQLITE_OK)
        bench_die("'%s': %s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
}

int main(void)
{
    char ours[300], plain[300];
    struct ol__buf days[2];
    uint8_t sums[2][32];
    struct ol_error err = {.message = ""};
    struct store *store = NULL;
    const char *told = getenv("BENCH_MEMBERS"), *place = getenv("TMPDIR");
    long count = told != NULL ? atol(told) : MEMBERS;
    bench_begin("bench_members", "a list of members in the store");
    snprintf(directory, sizeof directory, "%s/bench-members-XXXXXX",
             place != NULL ? place : "/tmp");
    if (count < 1000 || mkdtemp(directory) == NULL)
        bench_die("no directory, or fewer than 1,000 members");
    snprintf(ours, sizeof ours, "%s/lineage.db", directory);
    snprintf(plain, sizeof plain, "%s/plain.db", directory);
    for (int day = 0; day < 2; day++)
        make_list(&days[day], count, day);
    try(store_open(ours, STORE_WRITE, &store, &err), "open", &err);
    sqlite3 *db = plain_open(plain);
    double before = 0, plain_before = 0;
    for (int day = 0; day < 2; day++) {
        int64_t from = ol__time_monotonic_us();
        put(store, &days[day], sums[day]);
        double took = seconds(from);
        fold(ours);
        from = ol__time_monotonic_us();
        plain_list(db, sums[day], &days[day]);
        double plain_took = seconds(from);
        double bytes = file_bytes(ours) - before, plain_bytes = file_bytes(plain) - plain_before;
        printf("members | day %d: %ld members of %.0f bytes of text | store %.1f s, %.1f bytes a "
               "member "
               "| plain %.1f s, %.1f bytes a member\n",
               day + 1, count, (double)days[day].size, took, bytes / (double)count, plain_took,
               plain_bytes / (double)count);
        before += bytes;
        plain_before += plain_bytes;
    }
    sqlite3_close(db);
    add_events(store, sums[0]);
    double longest = 0, sum = 0;
    for (long i = 0; i < LOOKUPS; i++) {
        char name[80];
        name_of(i * 7919 * 31 % count, name, sizeof name);
        double took = ask(store, store_impact, name, "index.bin");
        longest = took > longest ? took : longest;
        sum += took;
    }
    printf("members | impact of a record in a list of %ld, all to the index | mean %.2f ms, "
           "longest %.2f ms\n",
           count, sum / LOOKUPS * 1e3, longest * 1e3);
    printf("members | why of the index, across the folder | %.2f ms\n",
           ask(store, store_why, "/d/index.bin", "corpus") * 1e3);
    int64_t lists = 0, from = ol__time_monotonic_us();
    try(store_members_check(store, &lists, &err), "check", &err);
    printf("members | every list hashed again (%lld) | %.1f s\n", (long long)lists, seconds(from));
    store_close(store);
    for (int day = 0; day < 2; day++)
        ol__buf_release(&days[day]);
    static const char *const ends[] = {"lineage.db", "lineage.db-wal", "lineage.db-shm",
                                       "plain.db",   "plain.db-wal",   "plain.db-shm"};
    for (size_t i = 0; i < OL_COUNT(ends); i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", directory, ends[i]);
        unlink(path);
    }
    return rmdir(directory) == 0 ? 0 : 1;
}
