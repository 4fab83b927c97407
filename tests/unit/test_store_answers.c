/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a service in the store: a row each, the run's state untouched; found by each of their
 * ids; gone with their run, by age and by size; files of schemas 1 and 2 become one of schema 3. */
#include "retention.h"
#include "store_fixture.h"

#include "json_read.h"

#define RUN_A "01941f29-7c00-7837-a31d-d79a7fb36a01"
#define RUN_B "01941f29-7c00-7837-a31d-d79a7fb36a02"
#define FACET "'_producer':'p','_schemaURL':'s'"
#define EVENT(type, run, facets, more)                                                             \
    "{'eventType':'" type "','eventTime':'2026-11-21T09:00:01Z','producer':'https://e.org/p',"     \
    "'run':{'runId':'" run "','facets':{" facets "}},'job':{'namespace':'n','name':'serve'}" more  \
    "}"
#define IDS "'lineaged_run':{" FACET ",'step':'serve','model_version':'m@0'}"
#define START(run) EVENT("START", run, IDS, "")
#define ANSWER_IDS(provider) "'lineaged_run':{" FACET ",'model_version':'m@1'" provider "},"
#define ANSWER(id, more) "'lineaged_answer':{" FACET ",'request_id':'" id "'" more "}"
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define ONE(run, id)                                                                               \
    EVENT("OTHER", run,                                                                            \
          ANSWER_IDS(",'provider_request_id':'prov-" id "'")                                       \
              ANSWER(id, ",'outcome':'answered','trace_id':'" TRACE "'"),                          \
          "")
#define RUNS "SELECT events, status, length(state) FROM runs ORDER BY id"

static void add_as(struct store *store, const char *quoted, uint32_t uid, int64_t taken_ms)
{
    char *text = fixture_quoted(quoted);
    struct ol_error err = {0};
    struct store_event event = {.taken_ms = taken_ms, .uid = uid, .data = ol__span_text(text)};
    if (store_add(store, &event, false, &err) != OL_OK)
        fail_msg("%s: %s", text, err.message);
    free(text);
}

static void add(struct store *store, const char *quoted)
{
    add_as(store, quoted, 1000, NOW);
}

static struct store *begin(void)
{
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    return store;
}

static void commit(struct store *store)
{
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
}

typedef ol_status ask_function(struct store *store, const struct store_question *question,
                               struct ol__buf *out, struct ol_error *err);

/* The document; empty: nothing of that id. */
static char *ask(ask_function *function, const char *subject, bool is_request, int64_t uid)
{
    struct store *store = fixture_open(STORE_READ);
    struct store_question q = {.subject = subject, .is_request = is_request, .uid = uid};
    struct ol__buf out;
    struct ol_error err = {0};
    ol__buf_init(&out, 1 << 24);
    ol_status status = function(store, &q, &out, &err);
    store_close(store);
    if (status != OL_OK && status != OL_NOT_FOUND)
        fail_msg("%s: %s", subject, err.message);
    if (status == OL_NOT_FOUND)
        ol__buf_reset(&out);
    ol__buf_add_text(&out, "");
    char *text = ol__buf_take(&out);
    return text != NULL ? text : strdup("");
}

static void expect(ask_function *function, const char *subject, bool is_request, const char *part)
{
    char *text = ask(function, subject, is_request, STORE_ANY_UID);
    char *wanted = fixture_quoted(part);
    if (strstr(text, wanted) == NULL)
        fail_msg("%s: no %s in %s", subject, wanted, text);
    free(text);
    free(wanted);
}

/* ---- Rows ---- */

static void test_state_stays(void **state)
{
    (void)state;
    struct store *store = begin();
    add(store, START(RUN_A));
    commit(store);
    char *before = fixture_rows("SELECT length(state), hex(state) FROM runs");
    store = begin();
    add(store, ONE(RUN_A, "q-1"));
    add(store, ONE(RUN_A, "q-2"));
    add(store, ONE(RUN_A, "q-2")); /* again: once */
    add(store, EVENT("RUNNING", RUN_A, ANSWER("q-3", ""), ""));
    commit(store);
    char *after = fixture_rows("SELECT length(state), hex(state) FROM runs");
    assert_string_equal(before, after);
    free(before);
    free(after);
    fixture_expect("SELECT events, status FROM runs", "4|1");
    fixture_expect(
        "SELECT provider_id, i.text FROM answers LEFT JOIN texts i ON i.id = ids",
        "prov-q-1|{\"model_version\":\"m@1\"}\nprov-q-2|{\"model_version\":\"m@1\"}\n-|-");
    fixture_expect("SELECT k.text, v.text FROM ids JOIN texts k ON k.id = key "
                   "JOIN texts v ON v.id = value ORDER BY 1",
                   "model_version|m@0\nstep|serve");
}

static void test_run_not_known(void **state)
{
    (void)state;
    struct store *store = begin();
    add(store, ONE(RUN_A, "q-1"));
    add(store, START(RUN_A));
    add(store, ONE(RUN_A, "q-2"));
    /* named as a parent first */
    add(store, EVENT("START", "01941f29-7c00-7837-a31d-d79a7fb36a03",
                     "'parent':{" FACET ",'run':{'runId':'" RUN_B
                     "'},'job':{'namespace':'n','name':'dag'}}",
                     ""));
    add(store, ONE(RUN_B, "q-3"));
    add(store, EVENT("COMPLETE", RUN_A, "", ""));
    add(store, ONE(RUN_A, "q-4")); /* late: it stays complete */
    commit(store);
    fixture_expect("SELECT hex(uuid), events, status FROM runs ORDER BY uuid",
                   "01941F297C007837A31DD79A7FB36A01|5|2\n01941F297C007837A31DD79A7FB36A02|1|1\n"
                   "01941F297C007837A31DD79A7FB36A03|1|1");
    fixture_expect("SELECT count(*) FROM answers", "4");
    fixture_expect("PRAGMA foreign_key_check", "");
}

static void test_not_an_answer(void **state)
{
    (void)state;
    struct store *store = begin();
    add(store, EVENT("COMPLETE", RUN_A, ANSWER("q-1", ""), "")); /* it ends the run */
    add(store, EVENT("OTHER", RUN_A, "'lineaged_answer':{" FACET ",'geo':'DE'}", "")); /* no id */
    /* more than an answer: the rest is merged */
    add(store, EVENT("OTHER", RUN_A, ANSWER("q-2", "") ",'sql':{" FACET ",'query':'x'}",
                     ",'inputs':[{'namespace':'n','name':'corpus'}]"));
    commit(store);
    fixture_expect("SELECT count(*) FROM answers", "1");
    fixture_expect("SELECT d.name FROM io JOIN datasets d ON d.id = dataset", "corpus");
    expect(store_show, RUN_A, false, "'sql':{'_producer':'p'");
    expect(store_show, RUN_A, false, "'answers':1");
}

/* ---- Questions ---- */

static void test_found(void **state)
{
    (void)state;
    struct store *store = begin();
    add(store, START(RUN_A));
    add(store, ONE(RUN_A, "q-1"));
    add(store, ONE(RUN_A, "q-2"));
    add_as(store, ONE(RUN_B, "q-9"), 2000, NOW);
    commit(store);
    expect(store_show, "q-1", false,
           "'kind':'answer','by':'request','matches':[{}]},'answers':[{'at':"
           "'2026-11-21T09:00:01.000Z','provider_request_id':'prov-q-1','ids':{'model_version':"
           "'m@1'},'answer':{'_producer':'p','_schemaURL':'s','request_id':'q-1','outcome':"
           "'answered','trace_id':'" TRACE "'},'run':{'run_id':'" RUN_A "',");
    expect(store_show, "prov-q-2", true, "'request_id':'q-2'");
    expect(store_show, TRACE, true, "'request_id':'q-1'");
    expect(store_runs, "q-2", false, "'runs':[{'run_id':'" RUN_A "'");
    expect(store_runs, TRACE, false, RUN_B);
    expect(store_why, "q-2", false, "'kind':'run'");
    char *text = ask(store_show, "q-3", true, STORE_ANY_UID);
    assert_string_equal(text, "");
    free(text);
    text = ask(store_show, RUN_A, true, STORE_ANY_UID); /* no request's id */
    assert_string_equal(text, "");
    free(text);
    text = ask(store_show, "q-9", true, 1000); /* somebody else's */
    assert_string_equal(text, "");
    free(text);
    text = ask(store_show, TRACE, true, 2000);
    assert_non_null(strstr(text, "q-9"));
    assert_null(strstr(text, "q-1"));
    free(text);
}

/* ---- Many ---- */

#define MANY 20000

static void test_many(void **state)
{
    (void)state;
    struct store *store = begin();
    add(store, START(RUN_A));
    for (int i = 0; i < MANY; i++) {
        char event[1200];
        snprintf(event, sizeof event,
                 EVENT("OTHER", RUN_A,
                       ANSWER_IDS("") ANSWER(
                           "req-%d",
                           ",'outcome':'answered','input_hash':'sha256:%064d','latency_ms':12.5"),
                       ""),
                 i, i);
        add(store, event);
        if (i % 2000 == 1999) {
            assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
            assert_int_equal(store_begin(store, NULL), OL_OK);
        }
    }
    commit(store);
    fixture_expect("SELECT events, length(state) < 200 FROM runs", "20001|1");
    fixture_expect("SELECT count(DISTINCT ids), count(DISTINCT head) FROM answers", "1|1");
    /* 340 bytes of JSON an event; of them the store keeps the half */
    fixture_expect("SELECT page_count * page_size < 20000 * 300 FROM pragma_page_count, "
                   "pragma_page_size",
                   "1");
    for (int i = 0; i < 10; i++) {
        char id[32], part[64];
        snprintf(id, sizeof id, "req-%d", i * 1999);
        snprintf(part, sizeof part, "'request_id':'%s'", id);
        expect(store_show, id, true, part);
    }
}

/* ---- Retention ---- */

static void expire(int64_t before_ms, int64_t max_bytes)
{
    struct store *store = fixture_open(STORE_WRITE);
    struct ol_error err = {0};
    ol_status status;
    const struct store_policy policy = {.before_ms = before_ms,
                                        .answers_before_ms = before_ms,
                                        .open_before_ms = INT64_MAX,
                                        .max_bytes = max_bytes};
    while ((status = store_expire(store, &policy, 50, &err)) == OL_AGAIN)
        ;
    if (status != OL_OK)
        fail_msg("%s", err.message);
    store_close(store);
}

static void test_retention(void **state)
{
    (void)state;
    const int64_t day = 86400000;
    struct store *store = begin();
    add_as(store, START(RUN_A), 1000, NOW);
    add_as(store, ONE(RUN_A, "q-old"), 1000, NOW);
    add_as(store, ONE(RUN_A, "q-new"), 1000, NOW + 9 * day);
    add_as(store, ONE(RUN_B, "q-gone"), 1000, NOW + day);
    commit(store);
    expire(NOW + 5 * day, 0); /* run A is alive, and one of its answers is too old */
    fixture_expect("SELECT count(*) FROM runs", "1");
    fixture_expect("SELECT provider_id, i.text, h.text FROM answers JOIN texts i ON i.id = ids "
                   "JOIN texts h ON h.id = head",
                   "prov-q-new|{\"model_version\":\"m@1\"}|{\"_producer\":\"p\",\"_schemaURL\":"
                   "\"s\"");
    fixture_expect("PRAGMA foreign_key_check", "");
    expire(INT64_MAX, 0);
    fixture_expect("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM answers), "
                   "(SELECT count(*) FROM texts)",
                   "0|0|0");
}

static void test_by_size(void **state)
{
    (void)state;
    struct store *store = begin();
    add_as(store, START(RUN_A), 1000, NOW);
    for (int i = 0; i < MANY; i++) {
        char event[900];
        snprintf(event, sizeof event, EVENT("OTHER", RUN_A, ANSWER("req-%d", ""), ""), i);
        add_as(store, event, 1000, NOW + i);
    }
    add_as(store, START(RUN_B), 1000, NOW + MANY);
    commit(store);
    expire(INT64_MIN, 1000000);
    fixture_expect("SELECT (page_count - freelist_count) * page_size <= 1000000 FROM "
                   "pragma_page_count, pragma_freelist_count, pragma_page_size",
                   "1");
    /* the run that is alive stays, and of its answers the newest */
    fixture_expect("SELECT count(*) FROM runs", "2");
    fixture_expect("SELECT count(*) > 1000, max(seen) - 1795251600000 FROM answers", "1|19999");
}

/* ---- Migration ---- */

static void execute(const char *sql)
{
    sqlite3 *db = fixture_database();
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* what schema 4 put in place of two indexes */
#define DROP_4                                                                                     \
    "DROP TRIGGER facets_gone; DROP TABLE facet_keys; DROP INDEX versions_key;"                    \
    "DELETE FROM meta WHERE key = 'facet_keys'; CREATE INDEX facets_hash ON facets(hash);"         \
    "CREATE UNIQUE INDEX versions_value ON versions(value, dataset);"
/* what schema 3 added */
#define DROP_3                                                                                     \
    "DROP TRIGGER answers_gone; DROP TABLE answer_docs; DROP TABLE member_keys;"                   \
    "DROP TABLE list_pieces; DROP TABLE pieces; DROP TABLE artifacts; DROP TABLE lists;"           \
    "DROP TABLE marks; DROP TABLE pins; DROP INDEX runs_born; DROP INDEX runs_failed;"

static void test_migration(void **state)
{
    (void)state;
    struct store *store = begin();
    add(store, START(RUN_A));
    commit(store);
    char *fresh = fixture_rows("SELECT type, name, sql FROM sqlite_master ORDER BY name");
    /* what schema 1 was: all but the answers */
    execute(DROP_4 DROP_3 "DROP TABLE answers;"
                          "PRAGMA user_version = 1;"
                          "UPDATE meta SET value = 'lineaged 0.0.9' WHERE key = 'writer'");
    char *before = fixture_graph();
    expect(store_runs, "serve", false, "'runs':["); /* a reader leaves it as it is */
    char *none = ask(store_show, "q-1", false, STORE_ANY_UID);
    assert_string_equal(none, "");
    free(none);
    fixture_expect("PRAGMA user_version", "1");
    store = begin();
    add(store, ONE(RUN_A, "q-1"));
    commit(store);
    fixture_expect("PRAGMA user_version", "4");
    fixture_expect("SELECT value = 'lineaged 0.0.9' FROM meta WHERE key = 'writer'", "0");
    char *after = fixture_graph(), *made = fixture_rows("SELECT type, name, sql FROM sqlite_master "
                                                        "ORDER BY name");
    assert_string_equal(before, after);
    assert_string_equal(fresh, made); /* the same as one that is made new */
    expect(store_show, "q-1", true, "'request_id':'q-1'");
    fixture_expect("PRAGMA integrity_check", "ok");
    free(before);
    free(after);
    free(fresh);
    free(made);
    /* schema 2: the answers, and nothing of schema 3 */
    fresh = fixture_rows("SELECT type, name, sql FROM sqlite_master ORDER BY name");
    before = fixture_graph();
    execute(DROP_4 DROP_3 "DROP INDEX answers_run; CREATE INDEX answers_run ON answers(run);"
                          "PRAGMA user_version = 2");
    expect(store_show, "q-1", true, "'request_id':'q-1'");
    store_close(fixture_open(STORE_WRITE));
    fixture_expect("PRAGMA user_version", "4");
    after = fixture_graph();
    made = fixture_rows("SELECT type, name, sql FROM sqlite_master ORDER BY name");
    assert_string_equal(before, after);
    assert_string_equal(fresh, made);
    expect(store_show, "q-1", true, "'request_id':'q-1'");
    free(before);
    free(after);
    free(fresh);
    free(made);
    /* schema 3: facets and versions found by indexes of their own */
    fresh = fixture_rows("SELECT type, name, sql FROM sqlite_master ORDER BY name");
    before = fixture_graph();
    execute(DROP_4 "PRAGMA user_version = 3");
    expect(store_show, "q-1", true, "'request_id':'q-1'");
    store_close(fixture_open(STORE_WRITE));
    fixture_expect("PRAGMA user_version", "4");
    after = fixture_graph();
    made = fixture_rows("SELECT type, name, sql FROM sqlite_master ORDER BY name");
    assert_string_equal(before, after);
    assert_string_equal(fresh, made);
    free(before);
    free(after);
    free(fresh);
    free(made);
    fixture_expect("SELECT count(*) > 0, count(*) = (SELECT count(*) FROM facets) FROM facet_keys "
                   "JOIN facets ON facets.id = facet AND hash >> 32 = key",
                   "1|1");
    fixture_expect("SELECT value = (SELECT max(id) FROM facets) FROM meta WHERE key = 'facet_keys'",
                   "1");
    /* a step that fails leaves schema 1 */
    execute("DROP TABLE answers; CREATE TABLE answers(x); PRAGMA user_version = 1");
    struct ol_error err = {0};
    assert_true(store_open(fixture_path, STORE_WRITE, &store, &err) < 0);
    fixture_expect("PRAGMA user_version", "1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_state_stays), TEST(test_run_not_known), TEST(test_not_an_answer),
        TEST(test_found),       TEST(test_many),          TEST(test_retention),
        TEST(test_by_size),     TEST(test_migration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
