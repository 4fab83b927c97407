/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences of events and the rows they must leave: merging (OPENLINEAGE 1.4), states, parents,
 * versions, ids, deleted facets; the same twice and in every order; recorded events of other
 * projects where present. */
#include "store_fixture.h"

#include <dirent.h>
#include "state.h"
#include "fail_alloc.h"

#define AT(second) "'eventTime':'2026-11-21T09:00:" second "Z','producer':'https://e.org/p'"
#define RUN_A "01941f29-7c00-7837-a31d-d79a7fb36a01"
#define RUN_B "01941f29-7c00-7837-a31d-d79a7fb36a02"
#define JOB ",'job':{'namespace':'n','name':'j'}"
#define EVENT(type, second, run, facets, more)                                                     \
    "{'eventType':'" type "'," AT(second) ",'run':{'runId':'" run "','facets':{" facets "}}" more  \
                                          "}"
#define FACET "'_producer':'p','_schemaURL':'s'"
#define PARENT                                                                                     \
    "'parent':{" FACET ",'run':{'runId':'" RUN_B "'},'job':{'namespace':'n','name':'dag'}}"
#define IN(name, facets) ",'inputs':[{'namespace':'n','name':'" name "','facets':{" facets "}}]"
#define OUT(name, facets) ",'outputs':[{'namespace':'n','name':'" name "','facets':{" facets "}}]"
#define VERSION(v) "'version':{" FACET ",'datasetVersion':'" v "'}"
#define SHA "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#define STATUS                                                                                     \
    "SELECT status, flags, (started - 1795251600000) / 1000, (ended - 1795251600000) / 1000 "      \
    "FROM runs ORDER BY id"
#define EDGES                                                                                      \
    "SELECT d.name, side, coalesce(nullif(hex(v.value), ''), '') FROM io JOIN datasets d "         \
    "ON d.id = io.dataset LEFT JOIN versions v ON v.id = io.version ORDER BY 1, 2, 3"
#define IDS                                                                                        \
    "SELECT k.text, v.text FROM ids JOIN texts k ON k.id = key JOIN texts v ON v.id = value "      \
    "ORDER BY 1, 2"

struct step {
    const char *event;
    bool is_inferred;
};
static const struct row {
    const char *name;
    struct step steps[5];
    const char *sql, *expected;
    bool any_order; /* the same in every order of the steps */
} rows[] = {
    {"a run that completes",
     {{EVENT("START", "01", RUN_A, "", JOB), 0}, {EVENT("COMPLETE", "05", RUN_A, "", JOB), 0}},
     STATUS,
     "2|2|1|5",
     true},
    {"a late START or RUNNING does not open it again",
     {{EVENT("COMPLETE", "05", RUN_A, "", JOB), 0},
      {EVENT("START", "01", RUN_A, "", JOB), 0},
      {EVENT("RUNNING", "07", RUN_A, "", JOB), 0},
      {EVENT("OTHER", "08", RUN_A, "", JOB), 0}},
     STATUS,
     "2|2|1|5",
     true},
    {"OTHER before START: the START says when it started",
     {{EVENT("OTHER", "01", RUN_A, "", JOB), 0}, {EVENT("START", "03", RUN_A, "", JOB), 0}},
     STATUS,
     "1|2|3|-",
     true},
    {"COMPLETE twice",
     {{EVENT("COMPLETE", "05", RUN_A, "", JOB), 0}, {EVENT("COMPLETE", "06", RUN_A, "", JOB), 0}},
     STATUS,
     "2|0|5|6",
     true},
    {"the later of two ends counts",
     {{EVENT("FAIL", "06", RUN_A, "", JOB), 0}, {EVENT("COMPLETE", "05", RUN_A, "", JOB), 0}},
     STATUS,
     "3|0|5|6",
     true},
    {"an inferred ABORT ends it",
     {{EVENT("START", "01", RUN_A, "", JOB), 0}, {EVENT("ABORT", "05", RUN_A, "", JOB), 1}},
     STATUS,
     "4|3|1|5",
     true},
    {"a real end wins over an inferred one, also an earlier one",
     {{EVENT("START", "01", RUN_A, "", JOB), 0},
      {EVENT("ABORT", "05", RUN_A, "", JOB), 1},
      {EVENT("COMPLETE", "04", RUN_A, "", JOB), 0}},
     STATUS,
     "2|2|1|4",
     true},
    {"no eventType: it runs",
     {{"{" AT("01") ",'run':{'runId':'" RUN_A "'}" JOB "}", 0}},
     STATUS,
     "1|0|1|-",
     false},
    {"a parent that nobody spoke of is there as NEW, with its job",
     {{EVENT("START", "01", RUN_A, PARENT, JOB), 0}},
     "SELECT r.status, j.name, p.status, pj.name FROM runs r JOIN jobs j ON j.id = r.job "
     "JOIN runs p ON p.id = r.parent JOIN jobs pj ON pj.id = p.job",
     "1|j|0|dag",
     false},
    {"its own events come later and decide its job and owner",
     {{EVENT("START", "02", RUN_A, PARENT, JOB), 0},
      {EVENT("START", "01", RUN_B, "", ",'job':{'namespace':'n','name':'real'}"), 0}},
     "SELECT r.status, j.name, r.parent IS NULL FROM runs r JOIN jobs j ON j.id = r.job "
     "ORDER BY r.started",
     "1|real|1\n1|j|0",
     true},
    {"a run that names itself as its parent has none",
     {{EVENT("START", "01", RUN_B, PARENT, JOB), 0},
      {EVENT("RUNNING", "02", RUN_B, PARENT, JOB), 0}},
     "SELECT count(*), count(parent), max(events) FROM runs",
     "1|0|2",
     false},
    {"inputs and outputs of all events of a run add up",
     {{EVENT("START", "01", RUN_A, "", JOB IN("a", "")), 0},
      {EVENT("RUNNING", "02", RUN_A, "", JOB IN("b", "")), 0},
      {EVENT("COMPLETE", "03", RUN_A, "", JOB OUT("a", "")), 0}},
     EDGES,
     "a|0|\na|1|\nb|0|",
     true},
    {"an edge without version gives way to one with a version; several versions stay",
     {{EVENT("START", "01", RUN_A, "", JOB IN("a", "")), 0},
      {EVENT("RUNNING", "02", RUN_A, "", JOB IN("a", VERSION("7"))), 0},
      {EVENT("RUNNING", "03", RUN_A, "", JOB IN("a", VERSION("8"))), 0},
      {EVENT("COMPLETE", "04", RUN_A, "", JOB IN("a", "")), 0}},
     EDGES,
     "a|0|37\na|0|38",
     true},
    {"a SHA-256 is kept as 32 bytes",
     {{EVENT("COMPLETE", "01", RUN_A, "", JOB OUT("a", VERSION(SHA))), 0}},
     "SELECT typeof(value), length(value) FROM versions",
     "blob|32",
     false},
    {"tags and our ids, once each",
     {{EVENT("START", "01", RUN_A,
             "'tags':{" FACET ",'tags':[{'key':'step','value':'2'},{'key':'team','value':'x'}]},"
             "'lineaged_run':{" FACET ",'step':'2'}",
             JOB),
       0}},
     IDS,
     "step|2\nteam|x",
     false},
    {"a tags facet that is replaced takes its tags along, but for those that another facet has",
     {{EVENT("START", "01", RUN_A,
             "'tags':{" FACET ",'tags':[{'key':'step','value':'2'},{'key':'team','value':'x'}]},"
             "'lineaged_run':{" FACET ",'step':'2'}",
             JOB),
       0},
      {EVENT("COMPLETE", "02", RUN_A, "'tags':{" FACET ",'tags':[{'key':'a','value':'b'}]}", JOB),
       0}},
     IDS,
     "a|b\nstep|2",
     true},
    {"an error and an engine",
     {{EVENT("FAIL", "01", RUN_A,
             "'errorMessage':{" FACET ",'message':'boom','programmingLanguage':'C'},"
             "'processing_engine':{" FACET ",'name':'Spark','version':'3.5'}",
             JOB),
       0}},
     "SELECT e.text, g.text, p.text FROM runs JOIN texts e ON e.id = error "
     "JOIN texts g ON g.id = engine JOIN texts p ON p.id = producer",
     "boom|Spark 3.5|https://e.org/p",
     false},
    {"facets that are equal are kept once, with their head apart, byte for byte",
     {{EVENT("START", "01", RUN_A, "'x_y':{" FACET ",'k': [1, 2]}", JOB), 0},
      {EVENT("START", "01", RUN_B, "'x_y':{" FACET ",'k': [1, 2]}", JOB), 0}},
     "SELECT texts.text || body FROM facets JOIN texts ON texts.id = head",
     "{\"_producer\":\"p\",\"_schemaURL\":\"s\",\"k\": [1, 2]}",
     false},
    {"a run id that is no UUID keeps its text",
     {{EVENT("START", "01", "my run", "", JOB), 0},
      {EVENT("COMPLETE", "02", "my run", "", JOB), 0}},
     "SELECT text, status, length(uuid) FROM runs",
     "my run|2|16",
     true},
    {"static events: edges of no run, types",
     {{"{" AT("01") JOB IN("a", "") OUT("b", "'datasetType':{" FACET ",'datasetType':'MODEL'}") "}",
       0},
      {"{" AT("02") ",'dataset':{'namespace':'n','name':'b','facets':{" VERSION("3") "}}}", 0}},
     "SELECT d.name, side, run, t.text, (SELECT count(*) FROM versions) FROM io JOIN datasets d "
     "ON d.id = io.dataset LEFT JOIN texts t ON t.id = d.type ORDER BY 1",
     "a|0|0|-|1\nb|1|0|MODEL|1",
     true},
    {"a time that is none: the time it was taken",
     {{"{'eventType':'START','eventTime':'soon','producer':'p:x','run':{'runId':'" RUN_A "'}" JOB
       "}",
       0}},
     STATUS,
     "1|2|0|-",
     false},
};

static size_t step_count(const struct row *row)
{
    size_t count = 0;
    while (count < OL_COUNT(row->steps) && row->steps[count].event != NULL)
        count++;
    return count;
}

static void take(struct store *store, const struct step *step)
{
    struct ol_error err = {0};
    if (fixture_add(store, step->event, 1000, step->is_inferred, &err) != OL_OK)
        fail_msg("%s: %s", step->event, err.message);
}

static void run_order(const struct row *row, const size_t *order, size_t count)
{
    assert_int_equal(fixture_setup(NULL), 0);
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < count; i++)
        take(store, &row->steps[order[i]]);
    assert_int_equal(store_commit(store, &spool_a, count, NULL), OL_OK);
    fixture_expect(row->sql, row->expected);
    char *before = fixture_graph(), *facets = fixture_rows("SELECT * FROM facets");
    /* Once more, across a restart: promise 2 of ingest.c. */
    store_close(store);
    store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < count; i++)
        take(store, &row->steps[order[i]]);
    assert_int_equal(store_commit(store, &spool_a, count, NULL), OL_OK);
    fixture_expect(row->sql, row->expected);
    char *after = fixture_graph(), *facets_after = fixture_rows("SELECT * FROM facets");
    assert_string_equal(before, after);
    assert_string_equal(facets, facets_after);
    fixture_expect("PRAGMA integrity_check", "ok");
    fixture_expect("PRAGMA foreign_key_check", "");
    free(before);
    free(after);
    free(facets);
    free(facets_after);
    store_close(store);
    assert_int_equal(fixture_teardown(NULL), 0);
}

static void permute(const struct row *row, size_t *order, size_t at, size_t count)
{
    if (at == count) {
        run_order(row, order, count);
        return;
    }
    for (size_t i = at; i < count; i++) {
        size_t t = order[at];
        order[at] = order[i];
        order[i] = t;
        permute(row, order, at + 1, count);
        t = order[at];
        order[at] = order[i];
        order[i] = t;
        if (!row->any_order)
            return;
    }
}

static void test_sequences(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        size_t order[] = {0, 1, 2, 3, 4};
        print_message("%s\n", rows[i].name);
        permute(&rows[i], order, 0, step_count(&rows[i]));
    }
}

/* `_deleted` takes a facet of a job or dataset away, whichever comes first. */
static void test_deleted(void **state)
{
    static const char *const events[] = {
        EVENT("START", "01", RUN_A, "",
              ",'job':{'namespace':'n','name':'j','facets':{'sql':{" FACET
              ",'query':'SELECT 1'}}}"),
        EVENT("COMPLETE", "02", RUN_A, "",
              ",'job':{'namespace':'n','name':'j','facets':{'sql':{" FACET ",'_deleted': true}}}"),
    };
    (void)state;
    for (int order = 0; order < 2; order++) {
        assert_int_equal(fixture_setup(NULL), 0);
        struct store *store = fixture_open(STORE_WRITE);
        assert_int_equal(store_begin(store, NULL), OL_OK);
        for (int i = 0; i < 2; i++)
            assert_int_equal(fixture_add(store, events[i ^ order], 1000, false, NULL), OL_OK);
        assert_int_equal(store_commit(store, &spool_a, 2, NULL), OL_OK);
        sqlite3 *db = NULL;
        sqlite3_stmt *stmt = NULL;
        struct state merged = {0};
        assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT state FROM runs", -1, &stmt, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        struct ol__span column = {.data = sqlite3_column_blob(stmt, 0),
                                  .size = (size_t)sqlite3_column_bytes(stmt, 0)};
        assert_int_equal(state_read(&merged, column, NULL), OL_OK);
        assert_int_equal(merged.count, 1);
        assert_int_equal(merged.entries[0].kind, STATE_JOB_FACET);
        assert_int_equal(merged.entries[0].value, 0);
        /* Every cut and every flipped bit of the column is refused or read; never more than that.
         */
        char copy[256];
        for (size_t i = 0; i < column.size; i++) {
            memcpy(copy, column.data, column.size);
            copy[i] ^= (char)0x80;
            OL_IGNORE(state_read(&merged, (struct ol__span){copy, column.size}, NULL), "no crash");
            if (i > 0)
                assert_int_equal(state_read(&merged, (struct ol__span){column.data, i}, NULL),
                                 OL_CORRUPT);
        }
        state_release(&merged);
        sqlite3_finalize(stmt);
        sqlite3_close(db);
        store_close(store);
        assert_int_equal(fixture_teardown(NULL), 0);
    }
}

/* Events that cannot be read are refused, change nothing, and the transaction goes on. */
static void test_unreadable(void **state)
{
    static const char *const bad[] = {"", "{", "[]", "{'eventTime':1}", "{" AT("01") "}"};
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(bad); i++) {
        struct ol_error err = {0};
        assert_int_equal(fixture_add(store, bad[i], 1000, false, &err), OL_INVALID);
        assert_true(err.message[0] != '\0');
    }
    assert_int_equal(fixture_add(store, EVENT("START", "01", RUN_A, "", JOB), 1000, false, NULL),
                     OL_OK);
    assert_int_equal(store_commit(store, &spool_a, 6, NULL), OL_OK);
    fixture_expect("SELECT count(*) FROM runs", "1");
    store_close(store);
}

/* A rollback leaves nothing, not even in the cache of ids. */
static void test_rollback(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_begin(store, NULL), OL_OK);
        assert_int_equal(fixture_add(store,
                                     EVENT("START", "01", RUN_A, PARENT, JOB IN("a", VERSION("7"))),
                                     1000, false, NULL),
                         OL_OK);
        if (i == 0)
            store_rollback(store);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    fixture_expect(EDGES, "a|0|37");
    fixture_expect("PRAGMA foreign_key_check", "");
    store_close(store);
}

static void test_nomem(void **state)
{
    (void)state;
    for (unsigned long n = 1;; n++) {
        assert_int_equal(fixture_setup(NULL), 0);
        struct store *store = NULL;
        fail_alloc_at(n);
        ol_status status = store_open(fixture_path, STORE_WRITE, &store, NULL);
        if (status == OL_OK)
            status = store_begin(store, NULL);
        if (status == OL_OK) {
            char text[] = "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"p:x\",\"run\":{"
                          "\"runId\":\"x\"},\"job\":{\"namespace\":\"n\",\"name\":\"j\"},"
                          "\"inputs\":[{\"namespace\":\"n\",\"name\":\"d\"}]}";
            struct store_event event = {.taken_ms = NOW, .data = ol__span_text(text)};
            status = store_add(store, &event, true, NULL);
        }
        if (status == OL_OK)
            status = store_commit(store, &spool_a, 1, NULL);
        bool has_failed = fail_alloc_stop();
        if (has_failed)
            assert_int_equal(status, OL_NOMEM);
        else
            assert_int_equal(status, OL_OK);
        store_close(store);
        assert_int_equal(fixture_teardown(NULL), 0);
        if (!has_failed)
            break;
    }
}

/* What other projects recorded goes in as it is. */
static void test_recorded(void **state)
{
    (void)state;
    const char *directory = getenv("OPENLINEAGE_REFERENCE");
    char path[512];
    snprintf(path, sizeof path, "%s/events/valid",
             directory != NULL ? directory : "../shared/openlineage");
    DIR *dir = opendir(path);
    if (dir == NULL) {
        print_message("skipped: no recorded events at %s\n", path);
        skip();
    }
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    int count = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char name[1024];
        static char text[1 << 20];
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        FILE *file = e->d_name[0] != '.' ? fopen(name, "r") : NULL;
        if (file == NULL)
            continue;
        struct ol_error err = {0};
        struct store_event event = {.taken_ms = NOW, .uid = 1000, .data = {.data = text}};
        event.data.size = fread(text, 1, sizeof text, file);
        fclose(file);
        if (store_add(store, &event, true, &err) != OL_OK)
            fail_msg("%s: %s", e->d_name, err.message);
        count++;
    }
    closedir(dir);
    assert_int_equal(store_commit(store, &spool_a, (uint64_t)count, NULL), OL_OK);
    print_message("%d recorded events\n", count);
    assert_true(count > 30);
    fixture_expect("PRAGMA foreign_key_check", "");
    fixture_expect("SELECT count(*) > 10, count(*) FILTER (WHERE status = 0) > 0 FROM runs", "1|1");
    fixture_expect("SELECT count(*) > 20 FROM io", "1");
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_deleted),
        cmocka_unit_test_setup_teardown(test_unreadable, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_rollback, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_nomem),
        cmocka_unit_test_setup_teardown(test_recorded, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
