/* SPDX-License-Identifier: Apache-2.0 */
/* The questions, over small graphs written as "job: inputs > outputs": what each answer holds, for
 * chains, diamonds, cycles, fans, versions, contents, several users, depth and limit; and that no
 * statement scans a table. */
#include "store_graph.h"

#include "json_read.h"
#include "db.h"
#include "sql.h"

#define SHA(digit) "sha256:" digit digit digit digit digit digit digit digit
#define EIGHT "00000000"

/* ---- Graphs ---- */

static const struct graph_row {
    const char *name;
    const char *runs[12];
    const char *subject, *content;
    int64_t depth, limit, uid; /* uid 0: any */
    const char *why, *impact;  /* edges; NULL: not asked */
} graphs[] = {
    {"a chain",
     {"j: a > b", "k: b > c", "l: c > d"},
     "b",
     NULL,
     0,
     0,
     0,
     "a>j#1 j#1>b",
     "b>k#2 c>l#3 k#2>c l#3>d"},
    {"a diamond is walked once",
     {"j: a > b c", "k: b > d", "l: c > e", "m: d e > f"},
     "f",
     NULL,
     0,
     0,
     0,
     "a>j#1 b>k#2 c>l#3 d>m#4 e>m#4 j#1>b j#1>c k#2>d l#3>e m#4>f",
     NULL},
    {"the latest complete run wrote it",
     {"j: a > b", "j: x > b", "j!: y > b"},
     "b",
     NULL,
     0,
     0,
     0,
     "j#2>b x>j#2",
     NULL},
    {"only a failed run wrote it: better than nothing",
     {"j!: a > b"},
     "b",
     NULL,
     0,
     0,
     0,
     "a>j#1 j#1>b",
     NULL},
    {"by what time a reader found it",
     {"j: x > a", "k: a > b", "j: y > a"},
     "b",
     NULL,
     0,
     0,
     0,
     "a>k#2 j#1>a k#2>b x>j#1",
     NULL},
    {"the same with runs that come out of order",
     {"5:j: y > a", "1:j: x > a", "2:k: a > b"},
     "b",
     NULL,
     0,
     0,
     0,
     "a>k#3 j#2>a k#3>b x>j#2",
     NULL},
    {"a version leads to the run that wrote it",
     {"j: x > a@1", "j: y > a@2", "k: a@1 > b@1"},
     "b",
     NULL,
     0,
     0,
     0,
     "a@1>k#3 j#1>a@1 k#3>b@1 x>j#1",
     NULL},
    {"also if by the clocks it was written later",
     {"9:j: x > a@1", "1:k: a@1 > b"},
     "b",
     NULL,
     0,
     0,
     0,
     "a@1>k#2 j#1>a@1 k#2>b x>j#1",
     NULL},
    {"a version that nobody wrote ends there",
     {"j: x > a@1", "k: a@7 > b"},
     "b",
     NULL,
     0,
     0,
     0,
     "a@7>k#2 k#2>b",
     NULL},
    {"a writer that tells no versions",
     {"j: x > a", "k: a@7 > b"},
     "b",
     NULL,
     0,
     0,
     0,
     "a@7>k#2 j#1>a@7 k#2>b x>j#1",
     NULL},
    {"readers of a version, and of the data while it stood",
     {"j: x > a@1", "k: a@1 > b", "l: a > c", "j: y > a@2", "m: a@2 > d", "o: a > e"},
     "a",
     "1",
     0,
     0,
     0,
     NULL,
     "a@1>k#2 a@1>l#3 k#2>b l#3>c"},
    {"without a version, all readers, of each job the latest",
     {"j: x > a", "k: a > b", "k: a > b", "l: a > c", "k!: a > b"},
     "a",
     NULL,
     0,
     0,
     0,
     NULL,
     "a>k#2 a>k#3 a>l#4 k#2>b k#3>b l#4>c"},
    {"a cycle over versions ends",
     {"j: a@1 > b@1", "k: b@1 > a@1"},
     "a",
     "1",
     0,
     0,
     0,
     "a@1>j#1 b@1>k#2 j#1>b@1 k#2>a@1",
     "a@1>j#1 b@1>k#2 j#1>b@1 k#2>a@1"},
    {"a table that is added to each day: its history, to the depth",
     {"j: a > a", "j: a > a", "j: a > a", "j: a > a"},
     "a",
     NULL,
     2,
     0,
     0,
     "a>j#3 a>j#4 j#3>a j#4>a",
     NULL},
    {"depth counts from dataset to dataset",
     {"j: a > b", "k: b > c", "l: c > d"},
     "d",
     NULL,
     1,
     0,
     0,
     "c>l#3 l#3>d",
     NULL},
    {"static edges of a job",
     {"s= a > b", "k: b > c"},
     "c",
     NULL,
     0,
     0,
     0,
     "a>s b>k#2 k#2>c s>b",
     NULL},
    {"static edges forward",
     {"j: x > a", "s= a > b"},
     "x",
     NULL,
     0,
     0,
     0,
     NULL,
     "a>s j#1>a s>b x>j#1"},
    {"a job's latest run",
     {"j: a > b", "j: c > d"},
     "jobs/j",
     NULL,
     0,
     0,
     0,
     "c>j#2",
     "j#1>b j#2>d"},
    {"a run by the first digits of its id",
     {"j: a > b", "j: c > d"},
     "01941f29-7c00-7837-a31d-000000000001",
     NULL,
     0,
     0,
     0,
     "a>j#1",
     "j#1>b"},
    {"one user's runs are not there for the other",
     {"1/j: x > a", "2/k: a > b", "1/l: a > c"},
     "a",
     NULL,
     0,
     0,
     1,
     "j#1>a x>j#1",
     "a>l#3 l#3>c"},
    {"nor do paths lead through them",
     {"1/j: x > a", "2/k: a > b", "1/l: b > c"},
     "c",
     NULL,
     0,
     0,
     1,
     "b>l#3 l#3>c",
     NULL},
};

static void test_graphs(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(graphs); i++) {
        const struct graph_row *row = &graphs[i];
        struct store_question question = {.subject = row->subject,
                                          .content = row->content,
                                          .depth = row->depth,
                                          .limit = row->limit,
                                          .uid = row->uid == 0 ? STORE_ANY_UID : row->uid};
        print_message("%s\n", row->name);
        assert_int_equal(fixture_setup(NULL), 0);
        build(row->runs);
        if (row->why != NULL)
            expect(store_why, &question, EDGES, row->why);
        if (row->impact != NULL)
            expect(store_impact, &question, EDGES, row->impact);
        assert_int_equal(fixture_teardown(NULL), 0);
    }
}

/* ---- Subjects ---- */

static void test_subjects(void **state)
{
    static const char *const runs[] = {"j: s3/a > dir/b@" SHA(EIGHT), "k: b2 > c", "2/q: z > z2",
                                       NULL};
    static const char content[] = SHA(EIGHT), other[] = SHA("11111111");
    static const struct {
        const char *subject, *content, *sql, *expected;
        int64_t uid;
        ol_status status;
    } rows[] = {
        {"dir/b", NULL, "name", "dir/b", -1, OL_OK},
        {"n/dir/b", NULL, "name", "dir/b", -1, OL_OK}, /* NAMESPACE/NAME, and a URI */
        {"n dir/b", NULL, "name", "dir/b", -1, OL_OK},
        {"n\x1f"
         "dir/b\x1fwhatever",
         NULL, "name", "dir/b", -1, OL_OK},
        {"other\x1fthing\x1f"
         "dir/b",
         NULL, "name", "dir/b", -1, OL_OK}, /* not as resolved, but as written */
        {"dir/b", content, "version", content, -1, OL_OK},
        {"dir/b", other, "version", "", -1, OL_OK},
        {"renamed", content, "name", "dir/b", -1, OL_OK}, /* by content, the name being unknown */
        {content, NULL, "name", "dir/b", -1, OL_OK},
        {"j", NULL, "name", "j", -1, OL_OK},
        {"01941f29-7c00-7837-a31d-000000000002", NULL, "run_id",
         "01941f29-7c00-7837-a31d-000000000002", -1, OL_OK},
        {"nothing", NULL, "name", "", -1, OL_NOT_FOUND},
        {"nothing", other, "name", "", -1, OL_NOT_FOUND},
        {"0194", NULL, "run_id", "", -1, OL_NOT_FOUND}, /* too short for a prefix */
        {"z", NULL, "name", "", 1000, OL_NOT_FOUND},
        {"q", NULL, "name", "", 1000, OL_NOT_FOUND},
        {"z", NULL, "name", "z", 2, OL_OK},
        {"01941f29-7c00-7837-a31d-000000000003", NULL, "run_id", "", 1000, OL_NOT_FOUND},
    };
    (void)state;
    build(runs);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question question = {
            .subject = rows[i].subject, .content = rows[i].content, .uid = rows[i].uid};
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT json_extract(?1, '$.subject.matches[0].%s')",
                 rows[i].sql);
        question_function *const functions[] = {store_why, store_impact, store_show};
        for (size_t f = 0; f < OL_COUNT(functions); f++) {
            char *document = answer(functions[f], &question, rows[i].status);
            char *got = extract(document, sql);
            assert_string_equal(got, rows[i].expected);
            free(got);
            free(document);
        }
    }
    struct store_question question = {.subject = "dir/b", .content = other, .uid = STORE_ANY_UID};
    expect(store_why, &question, "SELECT json_extract(?1, '$.subject.note')",
           "content differs from every recorded version");
    question = (struct store_question){.subject = "01941f29-7c00", .uid = STORE_ANY_UID};
    char *several = answer(store_show, &question, OL_NOT_FOUND);
    char *count = extract(several, "SELECT json_array_length(?1, '$.subject.candidates')");
    assert_string_equal(count, "3");
    free(count);
    free(several);
}

/* A thousand readers of one dataset, and a limit that cuts them. */
static void test_fan(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = 1; i <= 1000; i++) {
        char run[64];
        snprintf(run, sizeof run, "job%d: a > b%d", i, i);
        add_run(store, i, run);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    struct store_question question = {.subject = "a", .limit = 5000, .uid = STORE_ANY_UID};
    expect(store_impact, &question, "SELECT json_array_length(?1, '$.nodes')", "2001");
    expect(store_impact, &question, "SELECT json_extract(?1, '$.truncated')", "0");
    question.limit = 100;
    expect(store_impact, &question, "SELECT json_array_length(?1, '$.nodes')", "100");
    expect(store_impact, &question, "SELECT json_extract(?1, '$.cut_by')", "limit");
    question = (struct store_question){.subject = "b7", .depth = 1, .uid = STORE_ANY_UID};
    expect(store_why, &question, "SELECT json_extract(?1, '$.truncated')", "0");
}

static void test_cut_by_depth(void **state)
{
    static const char *const runs[] = {"j: a > b", "k: b > c", NULL};
    (void)state;
    build(runs);
    struct store_question question = {.subject = "c", .depth = 1, .uid = STORE_ANY_UID};
    expect(store_why, &question, "SELECT json_extract(?1, '$.cut_by')", "depth");
    question.subject = "a";
    expect(store_impact, &question, "SELECT json_extract(?1, '$.cut_by')", "depth");
    question.depth = 2;
    expect(store_impact, &question, "SELECT json_extract(?1, '$.truncated')", "0");
}

/* ---- runs, show, events ---- */

#define LIST                                                                                       \
    "SELECT group_concat(substr(json_extract(value, '$.run_id'), -1), ' ') FROM json_each(?1, "    \
    "'$.runs')"

static void test_runs(void **state)
{
    static const char *const runs[] = {"1/j: a > b", "1/k!: b > c", "2/j: x > y", "1/j: a > b",
                                       NULL};
    (void)state;
    build(runs);
    struct store_question question = {.uid = STORE_ANY_UID};
    expect(store_runs, &question, LIST, "4 3 2 1");
    question.limit = 2;
    expect(store_runs, &question, LIST, "4 3");
    expect(store_runs, &question, "SELECT json_extract(?1, '$.truncated')", "1");
    question = (struct store_question){.uid = 1};
    expect(store_runs, &question, LIST, "4 2 1");
    question.job = "j";
    expect(store_runs, &question, LIST, "4 1");
    question = (struct store_question){.uid = STORE_ANY_UID, .state = "FAIL"};
    expect(store_runs, &question, LIST, "2");
    question.state = "COMPLETE";
    expect(store_runs, &question, LIST, "4 3 1");
    question.job = "jobs/k";
    expect(store_runs, &question, LIST, "");
    question = (struct store_question){.uid = STORE_ANY_UID, .state = "BROKEN"};
    free(answer(store_runs, &question, OL_INVALID));
    question = (struct store_question){.uid = STORE_ANY_UID, .job = "none"};
    free(answer(store_runs, &question, OL_NOT_FOUND));
}

#define RICH                                                                                       \
    "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:00:00Z','producer':'p:x',\n"               \
    "'run':{'runId':'01941f29-7c00-7837-a31d-000000000099','facets':{"                             \
    "'tags':{'_producer':'p','_schemaURL':'s','tags':[{'key':'team','value':'red'}]},"             \
    "'parent':{'_producer':'p','_schemaURL':'s','run':{'runId':'top run'},"                        \
    "'job':{'namespace':'jobs','name':'dag'}}}},"                                                  \
    "'job':{'namespace':'jobs','name':'j','facets':{'sql':{'_producer':'p','_schemaURL':'s',"      \
    "'query':'SELECT \\'x\\''}}},'outputs':[{'namespace':'n','name':'d','facets':{'schema':{"      \
    "'_producer':'p','_schemaURL':'s','fields':[{'name':'c'}]}},"                                  \
    "'outputFacets':{'outputStatistics':{'_producer':'p','_schemaURL':'s','rowCount':7}}}]}"

static void test_show(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    struct ol_error err = {0};
    char text[] = RICH;
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    assert_int_equal(store_begin(store, NULL), OL_OK);
    struct store_event event = {.taken_ms = NOW, .uid = 1000, .data = ol__span_text(text)};
    if (store_add(store, &event, true, &err) != OL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    static const struct {
        const char *subject, *sql, *expected;
    } rows[] = {
        {"01941f29-7c00-7837-a31d-000000000099", "$.runs[0].ids[0].value", "red"},
        {"01941f29-7c00-7837-a31d-000000000099", "$.runs[0].facets.tags.tags[0].key", "team"},
        {"01941f29-7c00-7837-a31d-000000000099", "$.runs[0].job_facets.sql.query", "SELECT \"x\""},
        {"01941f29-7c00-7837-a31d-000000000099", "$.runs[0].parent", "top run"},
        {"01941f29-7c00-7837-a31d-000000000099",
         "$.runs[0].outputs[0].outputFacets.outputStatistics.rowCount", "7"},
        {"top run", "$.runs[0].state", "NEW"},
        {"top run", "$.runs[0].children[0].run_id", "01941f29-7c00-7837-a31d-000000000099"},
        {"d", "$.datasets[0].facets.schema.fields[0].name", "c"},
        {"d", "$.datasets[0].facets.schema._producer", "p"},
        {"d", "$.datasets[0].written_by[0].state", "COMPLETE"},
        {"j", "$.jobs[0].runs[0].run_id", "01941f29-7c00-7837-a31d-000000000099"},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        char sql[160];
        struct store_question question = {.subject = rows[i].subject, .uid = STORE_ANY_UID};
        snprintf(sql, sizeof sql, "SELECT json_extract(?1, '%s')", rows[i].sql);
        expect(store_show, &question, sql, rows[i].expected);
    }
    struct store_question question = {.subject = "red", .uid = STORE_ANY_UID};
    expect(store_runs, &question, LIST, "9");
    question.subject = "01941f29-7c00-7837-a31d-000000000099";
    char *lines = answer(store_events, &question, OL_OK);
    char *newline = strchr(lines, '\n');
    assert_true(newline != NULL && newline[1] == '\0'); /* one line, though it came in two */
    char *type = extract(lines, "SELECT json_extract(?1, '$.eventType')");
    assert_string_equal(type, "COMPLETE");
    free(type);
    free(lines);
}

/* ---- Plans ---- */

/* Nothing is looked for by reading a whole table, and nothing is sorted afterwards. */
static void test_plans(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE); /* its statements use functions of ours */
    sqlite3 *db = store->db;
    int looked = 0;
    for (int i = 0; i < SQL_COUNT; i++) {
        char sql[2048];
        sqlite3_stmt *stmt = NULL;
        assert_non_null(store_sql_texts[i]);
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", store_sql_texts[i]);
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
            fail_msg("%s: %s", store_sql_texts[i], sqlite3_errmsg(db));
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *detail = (const char *)sqlite3_column_text(stmt, 3);
            looked++;
            if (strncmp(detail, "SCAN", 4) == 0 || strstr(detail, "TEMP B-TREE") != NULL ||
                strstr(detail, "AUTOMATIC") != NULL)
                fail_msg("%s: %s", store_sql_texts[i], detail);
        }
        sqlite3_finalize(stmt);
    }
    store_close(store);
    assert_true(looked > 40);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graphs),   WITH_FIXTURE(test_subjects), WITH_FIXTURE(test_fan),
        WITH_FIXTURE(test_cut_by_depth), WITH_FIXTURE(test_runs),     WITH_FIXTURE(test_show),
        WITH_FIXTURE(test_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
