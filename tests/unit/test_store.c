/* SPDX-License-Identifier: Apache-2.0 */
/* The store as a file: who may open what, the cursor, expiry; and what survives kill -9 at every
 * named point and every failing write or sync: the rows are those of a run without the mishap. */
#include "retention.h"
#include "store_fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>

#define EVENTS 40
#define BATCH 5

static void make_event(char *out, size_t size, int n, int64_t *ret_taken)
{
    *ret_taken = NOW + (int64_t)n * 3600000;
    snprintf(
        out, size,
        "{\"eventType\":\"%s\",\"eventTime\":\"2026-11-21T09:%02d:00Z\",\"producer\":\"p:x\","
        "\"run\":{\"runId\":\"01941f29-7c00-7837-a31d-%012d\",\"facets\":{\"tags\":{"
        "\"_producer\":\"p\",\"_schemaURL\":\"s\",\"tags\":[{\"key\":\"n\",\"value\":\"%d\"}]}}},"
        "\"job\":{\"namespace\":\"n\",\"name\":\"j%d\"},\"outputs\":[{\"namespace\":\"n\","
        "\"name\":\"d%d\",\"facets\":{\"version\":{\"_producer\":\"p\",\"_schemaURL\":\"s\","
        "\"datasetVersion\":\"%d\"}}}]}",
        n % 2 == 0 ? "START" : "COMPLETE", n, n / 2, n, n % 7, n % 5, n / 2);
}

/* From the store's cursor to the end, in batches. @return the first failure. */
static ol_status ingest_rest(struct store *store, int count, struct ol_error *err)
{
    uint64_t seq = 0;
    ol_status status = store_cursor(store, &spool_a, &seq, err);
    while (status == OL_OK && seq < (uint64_t)count) {
        status = store_begin(store, err);
        for (int i = 0; i < BATCH && status == OL_OK; i++) {
            char text[1024];
            struct store_event event = {.seq = ++seq, .uid = 1000};
            make_event(text, sizeof text, (int)seq - 1, &event.taken_ms);
            event.data = ol__span_text(text);
            status = store_add(store, &event, true, err);
        }
        if (status == OL_OK)
            status = store_commit(store, &spool_a, seq, err);
        else
            store_rollback(store);
    }
    return status;
}

static void ingest(int count)
{
    struct store *store = fixture_open(STORE_WRITE);
    struct ol_error err = {0};
    if (ingest_rest(store, count, &err) != OL_OK)
        fail_msg("%s", err.message);
    store_close(store);
}

/* ---- Opening ---- */

static void test_open(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct ol_error err = {0};
    struct stat st;
    assert_int_equal(store_open(fixture_path, STORE_READ, &store, &err), OL_NOT_FOUND);
    store_close(fixture_open(STORE_WRITE));
    assert_int_equal(stat(fixture_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    store_close(fixture_open(STORE_READ));
    store_close(fixture_open(STORE_WRITE));
    fixture_expect("PRAGMA journal_mode", "wal");
    /* One writes, another reads what was committed, at the same time. */
    ingest(BATCH);
    struct store *writer = fixture_open(STORE_WRITE), *reader = fixture_open(STORE_READ);
    struct store_question question = {.uid = STORE_ANY_UID};
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    assert_int_equal(store_begin(writer, NULL), OL_OK);
    assert_int_equal(store_runs(reader, &question, &out, &err), OL_OK);
    assert_non_null(strstr(out.data, "\"COMPLETE\""));
    store_rollback(writer);
    ol__buf_release(&out);
    store_close(writer);
    store_close(reader);
}

static void execute(const char *sql)
{
    sqlite3 *db = fixture_database();
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_refused(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct ol_error err = {0};
    store_close(fixture_open(STORE_WRITE));
    execute("PRAGMA user_version = 9; UPDATE meta SET value = 'lineaged 3.1' WHERE key = 'writer'");
    for (int mode = STORE_WRITE; mode <= STORE_READ; mode++) {
        assert_int_equal(store_open(fixture_path, (enum store_mode)mode, &store, &err),
                         OL_VERSION_NEWER);
        assert_non_null(strstr(err.message, "lineaged 3.1"));
        assert_non_null(strstr(err.message, fixture_path));
    }
    fixture_expect("PRAGMA user_version", "9"); /* nothing was changed */
    execute("PRAGMA user_version = 1; PRAGMA application_id = 7");
    assert_int_equal(store_open(fixture_path, STORE_WRITE, &store, &err), OL_CORRUPT);
    unlink(fixture_path);
    execute("CREATE TABLE someone(elses)");
    assert_int_equal(store_open(fixture_path, STORE_WRITE, &store, &err), OL_CORRUPT);
    fixture_expect("SELECT count(*) FROM sqlite_master", "1");
    FILE *file = fopen(fixture_path, "w");
    for (int i = 0; i < 5000; i++)
        fputs("no database", file);
    fclose(file);
    assert_int_equal(store_open(fixture_path, STORE_WRITE, &store, &err), OL_CORRUPT);
    unlink(fixture_path);
    assert_int_equal(symlink("/tmp/elsewhere", fixture_path), 0);
    assert_true(store_open(fixture_path, STORE_WRITE, &store, &err) < 0);
}

static void test_cursor(void **state)
{
    (void)state;
    uint64_t seq = 99;
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_cursor(store, &spool_a, &seq, NULL), OL_OK);
    assert_int_equal(seq, 0);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    assert_int_equal(store_gap(store, &spool_a, 3, 9, NULL), OL_OK);
    assert_int_equal(store_commit(store, &spool_a, 12, NULL), OL_OK);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    assert_int_equal(store_commit(store, &spool_b, 4, NULL), OL_OK);
    store_close(store);
    store = fixture_open(STORE_READ);
    assert_int_equal(store_cursor(store, &spool_a, &seq, NULL), OL_OK);
    assert_int_equal(seq, 12);
    assert_int_equal(store_cursor(store, &spool_b, &seq, NULL), OL_OK);
    assert_int_equal(seq, 4);
    static const struct ol__uuid foreign = {{7}};
    assert_int_equal(store_cursor(store, &foreign, &seq, NULL), OL_OK);
    assert_int_equal(seq, 0);
    store_close(store);
    fixture_expect("SELECT first, last FROM gaps", "3|9");
}

/* ---- Expiry ---- */

static void expire_all(struct store *store, int64_t before, int64_t bytes)
{
    struct ol_error err = {0};
    ol_status status = OL_AGAIN;
    int calls = 0;
    const struct store_policy policy = {.before_ms = before,
                                        .answers_before_ms = before,
                                        .open_before_ms = INT64_MAX,
                                        .max_bytes = bytes};
    while ((status = store_expire(store, &policy, 3, &err)) == OL_AGAIN)
        assert_true(++calls < 1000);
    if (status != OL_OK)
        fail_msg("%s", err.message);
}

static void test_expire(void **state)
{
    (void)state;
    ingest(EVENTS); /* 20 runs, two hours apart */
    struct store *store = fixture_open(STORE_WRITE);
    expire_all(store, NOW + 20 * INT64_C(3600000), 0);
    fixture_expect("SELECT count(*), min(seen) >= 1795251600000 + 20 * 3600000 FROM runs", "10|1");
    fixture_expect("SELECT count(*) FROM io WHERE run NOT IN (SELECT id FROM runs)", "0");
    fixture_expect("SELECT count(*) FROM ids WHERE run NOT IN (SELECT id FROM runs)", "0");
    fixture_expect("SELECT count(*) FROM events", "20");
    fixture_expect("SELECT count(*) FROM versions", "20");
    fixture_expect("PRAGMA foreign_key_check", "");
    fixture_expect("PRAGMA integrity_check", "ok");
    /* What went leaves no gap in what comes: the same runs again are as they were. */
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int n = 0; n < EVENTS; n++) {
        char text[1024];
        struct store_event event = {.seq = (uint64_t)n + 1, .uid = 1000};
        make_event(text, sizeof text, n, &event.taken_ms);
        event.data = ol__span_text(text);
        assert_int_equal(store_add(store, &event, true, NULL), OL_OK);
    }
    assert_int_equal(store_commit(store, &spool_a, EVENTS, NULL), OL_OK);
    char *again = fixture_graph();
    store_close(store);
    assert_int_equal(fixture_teardown(NULL), 0);
    assert_int_equal(fixture_setup(NULL), 0);
    ingest(EVENTS);
    char *once = fixture_graph();
    assert_string_equal(once, again);
    free(once);
    free(again);
    store = fixture_open(STORE_WRITE);
    expire_all(store, INT64_MAX, 0);
    fixture_expect(
        "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM io) + (SELECT count(*) "
        "FROM ids) + (SELECT count(*) FROM events) + (SELECT count(*) FROM facets) + "
        "(SELECT count(*) FROM versions) + (SELECT count(*) FROM texts) + (SELECT count(*) "
        "FROM jobs) + (SELECT count(*) FROM datasets)",
        "0");
    store_close(store);
}

/* Events that come while a sweep is under way keep what they name. */
static void test_expire_meanwhile(void **state)
{
    (void)state;
    ingest(EVENTS / 2);
    struct store *store = fixture_open(STORE_WRITE);
    struct ol_error err = {0};
    ol_status status;
    int n = EVENTS / 2;
    const struct store_policy policy = {.before_ms = NOW + 18 * INT64_C(3600000),
                                        .answers_before_ms = INT64_MIN,
                                        .open_before_ms = INT64_MAX};
    while ((status = store_expire(store, &policy, 2, &err)) == OL_AGAIN)
        if (n < EVENTS)
            assert_int_equal(ingest_rest(store, n += BATCH, &err), OL_OK);
    assert_int_equal(status, OL_OK);
    assert_int_equal(n, EVENTS);
    fixture_expect("PRAGMA foreign_key_check", "");
    fixture_expect("SELECT count(*) FROM io LEFT JOIN versions v ON v.id = io.version "
                   "LEFT JOIN datasets d ON d.id = io.dataset WHERE v.id IS NULL OR d.id IS NULL",
                   "0");
    store_close(store);
}

static void test_expire_by_size(void **state)
{
    (void)state;
    ingest(2000);
    struct store *store = fixture_open(STORE_WRITE);
    expire_all(store, INT64_MIN, 400000);
    fixture_expect(
        "SELECT count(*) > 50, count(*) < 900, max(seen) = 1795251600000 + 1999 * 3600000 "
        "FROM runs",
        "1|1|1");
    fixture_expect("SELECT (page_count - freelist_count) * page_size <= 400000 FROM "
                   "pragma_page_count, pragma_freelist_count, pragma_page_size",
                   "1");
    store_close(store);
}

/* ---- Mishaps ---- */

#ifdef OL_CRASHPOINTS
/* Killed at the n-th passage of a point, started again: the same rows as without. */
static void test_kill(void **state)
{
    static const char *const points[] = {"store.before_commit", "store.committed"};
    (void)state;
    ingest(EVENTS);
    char *expected = fixture_graph();
    assert_int_equal(fixture_teardown(NULL), 0);
    for (size_t p = 0; p < OL_COUNT(points); p++)
        for (int n = 1; n <= EVENTS / BATCH; n++) {
            assert_int_equal(fixture_setup(NULL), 0);
            pid_t pid = fork();
            if (pid == 0) {
                char crash[64];
                struct store *store = NULL;
                snprintf(crash, sizeof crash, "%s:%d", points[p], n);
                setenv("LINEAGED_CRASH", crash, 1);
                if (store_open(fixture_path, STORE_WRITE, &store, NULL) == OL_OK)
                    OL_IGNORE(ingest_rest(store, EVENTS, NULL), "it dies before it returns");
                _exit(1);
            }
            int how = 0;
            assert_int_equal(waitpid(pid, &how, 0), pid);
            assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
            uint64_t seq = 0;
            struct store *store = fixture_open(STORE_WRITE);
            assert_int_equal(store_cursor(store, &spool_a, &seq, NULL), OL_OK);
            assert_int_equal(seq, (uint64_t)BATCH * (uint64_t)(n - 1 + (int)p));
            store_close(store);
            ingest(EVENTS);
            char *got = fixture_graph();
            assert_string_equal(got, expected);
            free(got);
            fixture_expect("SELECT min(events), max(events) FROM runs", "2|2");
            fixture_expect("PRAGMA integrity_check", "ok");
            assert_int_equal(fixture_teardown(NULL), 0);
        }
    free(expected);
    assert_int_equal(fixture_setup(NULL), 0);
}
#endif

/* A VFS whose n-th write or sync fails, once or (disk full) from then on. */
static struct {
    int countdown; /* 0: nothing fails */
    bool is_for_good, has_failed;
    int code;
} mishap;

static int fails(void)
{
    if (mishap.countdown == 0 || --mishap.countdown > 0)
        return SQLITE_OK;
    mishap.has_failed = true;
    if (mishap.is_for_good)
        mishap.countdown = 1;
    return mishap.code;
}

/* SQLite has one table of methods for databases and another for journals: ours beside each. */
static struct {
    const sqlite3_io_methods *real;
    sqlite3_io_methods shim;
} tables[8];

static const sqlite3_io_methods *real_of(const sqlite3_file *file)
{
    for (size_t i = 0; i < OL_COUNT(tables); i++)
        if (file->pMethods == &tables[i].shim)
            return tables[i].real;
    abort(); /* every file was opened by shim_open() */
}

static int shim_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    int code = fails();
    return code != SQLITE_OK ? code : real_of(file)->xWrite(file, data, size, offset);
}

static int shim_sync(sqlite3_file *file, int flags)
{
    int code = fails();
    return code == SQLITE_OK     ? real_of(file)->xSync(file, flags)
           : code == SQLITE_FULL ? SQLITE_OK /* a sync does not say so */
                                 : SQLITE_IOERR_FSYNC;
}

static sqlite3_vfs shim_vfs, *real_vfs;

static int shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    (void)vfs;
    int code = real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
    if (code != SQLITE_OK || file->pMethods == NULL)
        return code;
    size_t i = 0;
    while (tables[i].real != NULL && tables[i].real != file->pMethods)
        assert_true(++i < OL_COUNT(tables));
    if (tables[i].real == NULL) {
        tables[i].real = file->pMethods;
        tables[i].shim = *file->pMethods;
        tables[i].shim.xWrite = shim_write;
        tables[i].shim.xSync = shim_sync;
    }
    file->pMethods = &tables[i].shim;
    return SQLITE_OK;
}

static void run_mishaps(int code, bool is_for_good, ol_status expected_status, const char *expected)
{
    for (int n = 1;; n++) {
        assert_int_equal(fixture_setup(NULL), 0);
        mishap.has_failed = false;
        mishap.code = code;
        mishap.is_for_good = is_for_good;
        mishap.countdown = n;
        struct store *store = NULL;
        struct ol_error err = {0};
        ol_status status = store_open(fixture_path, STORE_WRITE, &store, &err);
        if (status == OL_OK)
            status = ingest_rest(store, EVENTS, &err);
        mishap.countdown = 0;
        if (status != OL_OK && status != expected_status)
            fail_msg("write %d: status %d: %s", n, (int)status, err.message);
        bool has_failed = mishap.has_failed;
        store_close(store);
        ingest(EVENTS); /* as the store's thread does: open anew, read on from the cursor */
        char *got = fixture_graph();
        assert_string_equal(got, expected);
        free(got);
        fixture_expect("SELECT min(events), max(events) FROM runs", "2|2");
        fixture_expect("PRAGMA integrity_check", "ok");
        assert_int_equal(fixture_teardown(NULL), 0);
        if (!has_failed) {
            assert_true(n > 20);
            break;
        }
    }
}

static void test_failing_writes(void **state)
{
    (void)state;
    ingest(EVENTS);
    char *expected = fixture_graph();
    assert_int_equal(fixture_teardown(NULL), 0);
    real_vfs = sqlite3_vfs_find(NULL);
    shim_vfs = *real_vfs;
    shim_vfs.zName = "shim";
    shim_vfs.xOpen = shim_open;
    assert_int_equal(sqlite3_vfs_register(&shim_vfs, 1), SQLITE_OK);
    run_mishaps(SQLITE_IOERR_WRITE, false, OL_IO, expected);
    run_mishaps(SQLITE_FULL, true, OL_FULL, expected);
    assert_int_equal(sqlite3_vfs_unregister(&shim_vfs), SQLITE_OK);
    free(expected);
    assert_int_equal(fixture_setup(NULL), 0);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_open),
        WITH_FIXTURE(test_refused),
        WITH_FIXTURE(test_cursor),
        WITH_FIXTURE(test_expire),
        WITH_FIXTURE(test_expire_meanwhile),
        WITH_FIXTURE(test_expire_by_size),
#ifdef OL_CRASHPOINTS
        WITH_FIXTURE(test_kill),
#endif
        WITH_FIXTURE(test_failing_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
