/* SPDX-License-Identifier: Apache-2.0 */
/* `runs` with its filters, `search` and `stats`: what each lists of a small store, for one who may
 * see all and for one who may not; and what cuts them. */
#include "store_fixture.h"

#include "times.h"

#define SHA_A "sha256:aabbccdd00000000000000000000000000000000000000000000000000000001"
#define SHA_B "sha256:aabbccdd00000000000000000000000000000000000000000000000000000002"
#define ID(n) "01941f29-7c00-7837-a31d-00000000000" #n
#define FACET "'_producer':'p:x','_schemaURL':'s'"

/* Run n of a job, begun in minute `start` and lasting `seconds`, with its run's facets, job's
 * facets, and outputs. */
static const struct told {
    int n, start, seconds;
    uint32_t uid;
    const char *job, *end, *facets, *job_facets, *outputs;
} told[] = {
    {1, 0, 600, 1000, "pipeline", "COMPLETE", "", "", ""},
    {2, 1, 60, 1000, "clean", "COMPLETE",
     "'parent':{" FACET ",'run':{'runId':'" ID(
         1) "'},'job':{'namespace':'jobs','name':'pipeline'},"
            "'root':{'run':{'runId':'" ID(
                1) "'},'job':{'namespace':'jobs','name':'pipeline'}}},"
                   "'lineaged_run':{" FACET ",'step':'clean','task_id':'task-7'},"
                   "'tags':{" FACET ",'tags':[{'key':'fold','value':'3','source':'GROUP'}]}",
     "'sourceCodeLocation':{" FACET ",'type':'git','url':'https://h/r','version':'c0ffee12'}",
     "{'namespace':'file','name':'/data/clean.csv','facets':{'version':{" FACET
     ",'datasetVersion':'" SHA_A "'}}}"},
    {3, 2, 30, 1000, "train", "FAIL",
     "'parent':{" FACET ",'run':{'runId':'" ID(
         2) "'},'job':{'namespace':'jobs','name':'clean'},"
            "'root':{'run':{'runId':'" ID(
                1) "'},'job':{'namespace':'jobs','name':'pipeline'}}},"
                   "'tags':{" FACET ",'tags':[{'key':'fold','value':'4'}]},"
                   "'lineaged_context':{" FACET ",'trace_id':'4bf92f3577b34da6a3ce929d0e0e4736'}",
     "", "{'namespace':'file','name':'/data/Model.bin'}"},
    {4, 3, 10, 1000, "train", NULL, "'tags':{" FACET ",'tags':[{'key':'other','value':'3'}]}", "",
     ""},
    {5, 4, 10, 2000, "train", "ABORT", "", "",
     "{'namespace':'file','name':'/other/model.bin','facets':{'version':{" FACET
     ",'datasetVersion':'" SHA_B "'}}}"},
    {6, 5, 20, 1000, "pipeline", "COMPLETE", "", "", ""},
};

static void add(struct store *store, const struct told *t, const char *type, int64_t at)
{
    char time[OL_TIME_TEXT + 1], text[4096];
    struct ol_error err = {0};
    ol__time_format(at, time);
    snprintf(text, sizeof text,
             "{'eventTime':'%s','eventType':'%s','producer':'p:%s','run':{'runId':'01941f29-7c00-"
             "7837-a31d-%012d','facets':{%s}},'job':{'namespace':'jobs','name':'%s','facets':{%s}},"
             "'inputs':[],'outputs':[%s]}",
             time, type, t->uid == 1000 ? "one" : "two", t->n, t->facets, t->job, t->job_facets,
             t->outputs);
    if (fixture_add(store, text, t->uid, false, &err) != OL_OK)
        fail_msg("%s: %s", text, err.message);
}

static void build(void)
{
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(told); i++) {
        add(store, &told[i], "START", NOW + told[i].start * 60000);
        if (told[i].end != NULL)
            add(store, &told[i], told[i].end,
                NOW + told[i].start * 60000 + (int64_t)told[i].seconds * 1000);
    }
    assert_int_equal(store_commit(store, &spool_a, 11, NULL), OL_OK);
    store_close(store);
}

static char *ask(store_function *function, const struct store_question *question,
                 ol_status expected)
{
    struct store *store = fixture_open(STORE_READ);
    struct ol__buf out;
    struct ol_error err = {0};
    ol__buf_init(&out, 64u << 20);
    ol_status status = function(store, question, &out, &err);
    if (status != expected)
        fail_msg("status %d, not %d: %s", (int)status, (int)expected, err.message);
    store_close(store);
    return ol__buf_take(&out);
}

/* SQLite reads the JSON: what we wrote is checked by someone else. */
static void expect(store_function *function, const struct store_question *question,
                   ol_status status, const char *sql, const char *expected)
{
    char *document = ask(function, question, status);
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_bind_text(stmt, 1, document != NULL ? document : "{}", -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const char *got = (const char *)sqlite3_column_text(stmt, 0);
    if (strcmp(got != NULL ? got : "", expected) != 0)
        fail_msg("got      %s\nexpected %s\nof %s", got, expected, document);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    free(document);
}

#define RUNS                                                                                       \
    "SELECT group_concat(CAST(substr(json_extract(value, '$.run_id'), -4) AS INTEGER), ' ') "      \
    "FROM json_each(?1, '$.runs')"
#define MINUTE(n) (NOW + (n)*INT64_C(60000))

static void test_filters(void **state)
{
    static const struct {
        struct store_question q;
        const char *expected;
    } rows[] = {
        {{.uid = -1}, "6 5 4 3 2 1"},
        {{.is_failed = true, .uid = -1}, "5 3"},
        {{.is_failed = true, .uid = 1000}, "3"},
        {{.is_failed = true, .since = MINUTE(3), .uid = -1}, "5"},
        {{.since = MINUTE(3), .uid = -1}, "6 5 4"},
        {{.since = MINUTE(1), .until = MINUTE(3), .uid = -1}, "4 3 2"},
        {{.until = MINUTE(1), .uid = -1}, "2 1"},
        {{.job = "train", .since = MINUTE(3), .uid = -1}, "5 4"},
        {{.job = "train", .is_failed = true, .uid = 1000}, "3"},
        {{.group = "fold=3", .uid = -1}, "2"}, /* the value under that key, no other */
        {{.group = "fold=4", .is_failed = true, .uid = -1}, "3"},
        {{.group = "fold=4", .state = "COMPLETE", .uid = -1}, ""},
        {{.group = "fold=5", .uid = -1}, ""},
        {{.group = "nothing=3", .uid = -1}, ""},
        {{.group = "fold=3", .job = "clean", .uid = 2000}, ""},
        {{.parent = ID(1), .uid = -1}, "3 2"}, /* below: also what its children started */
        {{.parent = ID(2), .uid = -1}, "3"},
        {{.parent = ID(1), .is_failed = true, .uid = -1}, "3"},
        {{.by_root = true, .uid = -1}, "6 5 4 1"},
        {{.subject = "task-7", .uid = -1}, "2"},
        {{.subject = "c0ffee12", .uid = -1}, "2"}, /* a commit */
        {{.subject = "4bf92f3577b34da6a3ce929d0e0e4736", .uid = -1}, "3"},
        {{.state = "RUNNING", .uid = -1}, "4"},
    };
    (void)state;
    build();
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        const struct store_question *q = &rows[i].q;
        bool is_unknown = q->job != NULL && q->uid == 2000;
        expect(store_runs, q, is_unknown ? OL_NOT_FOUND : OL_OK, RUNS, rows[i].expected);
    }
    struct store_question q = {.by_root = true, .uid = -1};
    expect(store_runs, &q, OL_OK,
           "SELECT group_concat(json_extract(value, '$.below.runs') || '/' || "
           "json_extract(value, '$.below.failed'), ' ') FROM json_each(?1, '$.runs')",
           "0/0 0/0 0/0 2/1");
    q = (struct store_question){.parent = ID(9), .uid = -1};
    expect(store_runs, &q, OL_NOT_FOUND, RUNS, "");
    q = (struct store_question){.limit = 2, .since = MINUTE(0), .uid = -1};
    expect(store_runs, &q, OL_OK,
           "SELECT json_extract(?1, '$.truncated') || json_extract(?1, '$.cut_by')", "1limit");
    struct ol_error err = {0};
    struct store *store = fixture_open(STORE_READ);
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    q = (struct store_question){.group = "fold", .uid = -1};
    assert_int_equal(store_runs(store, &q, &out, &err), OL_INVALID);
    assert_non_null(strstr(err.message, "KEY=VALUE"));
    ol__buf_release(&out);
    store_close(store);
}

#define FOUND                                                                                      \
    "SELECT group_concat(x, ' ') FROM (SELECT json_extract(value, '$.kind') || ':' || "            \
    "coalesce(json_extract(value, '$.key'), json_extract(value, '$.by')) || ':' || "               \
    "coalesce(substr(json_extract(value, '$.run_id'), -1), json_extract(value, '$.name')) AS x "   \
    "FROM json_each(?1, '$.results'))"

static void test_search(void **state)
{
    static const struct {
        const char *text;
        int64_t uid;
        const char *expected; /* NULL: nothing */
    } rows[] = {
        {ID(3), -1, "run:run id:3"},
        {"task-7", -1, "run:task_id:2"},
        {"c0ffee12", -1, "run:commit:2"},
        {"4bf92f3577b34da6a3ce929d0e0e4736", -1, "run:trace_id:3"},
        {SHA_A, -1, "dataset:version:/data/clean.csv"},
        {"aabbccdd", -1, "dataset:version:/data/clean.csv dataset:version:/other/model.bin"},
        {"AABBCCDD", 1000, "dataset:version:/data/clean.csv"}, /* the other is somebody else's */
        {"sha256:aabbcc", 2000, "dataset:version:/other/model.bin"},
        {"aabbc", -1, NULL},             /* too short for a hash */
        {"train", -1, "job:name:train"}, /* once */
        {"tr", -1, "job:beginning:train"},
        {"/data", -1, "dataset:beginning:/data/Model.bin dataset:beginning:/data/clean.csv"},
        {"model", -1, "dataset:part:/data/Model.bin dataset:part:/other/model.bin"},
        {"model", 1000, "dataset:part:/data/Model.bin"},
        {"model", 3000, NULL},
        {"clean", -1, "run:step:2 job:name:clean dataset:part:/data/clean.csv"},
        {"file /data/clean.csv", -1, "dataset:name:/data/clean.csv"},
        {"no such thing", -1, NULL},
    };
    (void)state;
    build();
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question q = {.subject = rows[i].text, .uid = rows[i].uid};
        expect(store_search, &q, rows[i].expected != NULL ? OL_OK : OL_NOT_FOUND, FOUND,
               rows[i].expected != NULL ? rows[i].expected : "");
    }
    struct store_question q = {.subject = "a", .limit = 1, .uid = -1};
    expect(store_search, &q, OL_NOT_FOUND, FOUND, ""); /* one byte: only beginnings */
    q.subject = "in";                                  /* pipeline, train: one too many */
    expect(store_search, &q, OL_OK,
           "SELECT json_array_length(?1, '$.results') || json_extract(?1, '$.cut_by')", "1limit");
}

static void test_stats(void **state)
{
    static const struct {
        const char *sql, *all, *own;
    } rows[] = {
        {"SELECT json_extract(?1, '$.runs')",
         "{\"total\":6,\"new\":0,\"running\":1,\"complete\":3,\"fail\":1,\"abort\":1,"
         "\"failure_rate\":0.4}",
         "{\"total\":5,\"new\":0,\"running\":1,\"complete\":3,\"fail\":1,\"abort\":0,"
         "\"failure_rate\":0.25}"},
        {"SELECT json_extract(?1, '$.counts.datasets') || ' ' || json_extract(?1, '$.counts.jobs') "
         "|| ' ' || json_extract(?1, '$.counts.versions') || ' ' || "
         "json_extract(?1, '$.counts.edges') || ' ' || json_extract(?1, '$.counts.events_taken')",
         "3 3 2 3 11", ""},
        {"SELECT group_concat(json_extract(value, '$.name') || ' ' || json_extract(value, "
         "'$.runs') || ' ' || json_extract(value, '$.failed'), ', ') FROM json_each(?1, '$.jobs')",
         "train 3 2, pipeline 2 0, clean 1 0", "pipeline 2 0, train 2 1, clean 1 0"},
        {"SELECT json_extract(value, '$.duration_ms') FROM json_each(?1, '$.jobs') "
         "WHERE json_extract(value, '$.name') = 'pipeline'",
         "{\"min\":20000,\"median\":20000,\"p95\":600000,\"max\":600000}",
         "{\"min\":20000,\"median\":20000,\"p95\":600000,\"max\":600000}"},
        {"SELECT group_concat(json_extract(value, '$.namespace') || ' ' || "
         "json_extract(value, '$.datasets') || ' ' || json_extract(value, '$.jobs'), ', ') "
         "FROM json_each(?1, '$.namespaces')",
         "jobs 0 3, file 3 0", ""},
        {"SELECT group_concat(json_extract(value, '$.producer') || ' ' || "
         "json_extract(value, '$.runs'), ', ') FROM json_each(?1, '$.producers')",
         "p:one 5, p:two 1", "p:one 5"},
        {"SELECT json_extract(?1, '$.days')", "[{\"day\":\"2026-11-21\",\"runs\":6}]", ""},
        {"SELECT json_extract(?1, '$.truncated')", "0", "0"},
    };
    (void)state;
    build();
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question q = {.uid = -1};
        expect(store_stats, &q, OL_OK, rows[i].sql, rows[i].all);
        q.uid = 1000;
        expect(store_stats, &q, OL_OK, rows[i].sql, rows[i].own);
    }
    struct store_question q = {.limit = 1, .uid = -1};
    expect(store_stats, &q, OL_OK, "SELECT json_array_length(?1, '$.jobs')", "1");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {WITH_FIXTURE(test_filters), WITH_FIXTURE(test_search),
                                       WITH_FIXTURE(test_stats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
