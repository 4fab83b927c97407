/* SPDX-License-Identifier: Apache-2.0 */
/* What dbt, Airflow and Spark tell in ways of their own: ids in facets that no schema here knows,
 * queries as runs below the run that sent them, checks of data on whatever side they stand. */
#include "store_graph.h"

#define F "'_producer':'p','_schemaURL':'s'"
#define RUN_ID(n) "01941f29-7c00-7837-a31d-00000000000" #n
#define BELOW(n)                                                                                   \
    "'parent':{" F ",'run':{'runId':'" RUN_ID(n) "'},'job':{'namespace':'jobs','name':'above'}}"
#define CHECKS(list) "'dataQualityAssertions':{" F ",'assertions':[" list "]}"
#define CHECK(name, success) "{'assertion':'not_null','name':'" name "','success':" success "}"

static const struct told {
    int run, second;
    const char *type, *job, *run_facets, *job_facets, *inputs, *outputs;
} events[] = {
    /* the same model twice; the second time its query is another */
    {1, 1, "COMPLETE", "model.m",
     "'dbt_run':{" F ",'invocation_id':'inv-1'},'externalQuery':{" F
     ",'externalQueryId':'query-1','source':'w'}",
     "", "{'namespace':'n','name':'a'}", "{'namespace':'n','name':'m'}"},
    {2, 2, "COMPLETE", "model.m.sql.1", BELOW(1), "'sql':{" F ",'query':'SELECT 1'}", "", ""},
    {3, 3, "COMPLETE", "model.m", "'dbt_run':{" F ",'invocation_id':'inv-2'}", "",
     "{'namespace':'n','name':'a'}", "{'namespace':'n','name':'m'}"},
    {4, 4, "COMPLETE", "model.m.sql.1", BELOW(3), "'sql':{" F ",'query':'SELECT 2'}", "", ""},
    /* no statement: it read something itself */
    {5, 5, "COMPLETE", "model.m.other", BELOW(3), "'sql':{" F ",'query':'SELECT 3'}",
     "{'namespace':'n','name':'a'}", ""},
    /* checks: before, again and failed, by another job, and on what a run wrote */
    {6, 6, "COMPLETE", "test.one", "", "",
     "{'namespace':'n','name':'m','facets':{" CHECKS(CHECK("one", "true")) "}}", ""},
    {7, 7, "FAIL", "test.one", "'airflowDagRun':{" F ",'dagRun':{'run_id':'manual__1'}}", "",
     "{'namespace':'n','name':'m','inputFacets':{" CHECKS(CHECK("one", "false")) "}}", ""},
    {8, 8, "COMPLETE", "test.two", "'spark_applicationDetails':{" F ",'applicationId':'local-7'}",
     "", "{'namespace':'n','name':'m','facets':{" CHECKS(CHECK("two", "true")) "}}", ""},
    {9, 9, "COMPLETE", "own", "", "", "",
     "{'namespace':'n','name':'k','facets':{" CHECKS(CHECK("own", "true")) "}}"},
};

static void build_events(void)
{
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(events); i++) {
        const struct told *e = &events[i];
        struct ol_error err = {0};
        char event[4096];
        snprintf(event, sizeof event,
                 "{'eventTime':'2026-11-21T09:00:%02dZ','producer':'p:x','eventType':'%s',"
                 "'run':{'runId':'01941f29-7c00-7837-a31d-%012d','facets':{%s}},"
                 "'job':{'namespace':'jobs','name':'%s','facets':{%s}},"
                 "'inputs':[%s],'outputs':[%s]}",
                 e->second, e->type, e->run, e->run_facets, e->job, e->job_facets, e->inputs,
                 e->outputs);
        if (fixture_add(store, event, 1000, false, &err) != OL_OK)
            fail_msg("%s: %s", event, err.message);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
}

static void test_ids(void **state)
{
    static const char *const rows[][2] = {{"inv-1", "invocation_id:1"},
                                          {"inv-2", "invocation_id:3"},
                                          {"query-1", "external_query_id:1"},
                                          {"manual__1", "dag_run_id:7"},
                                          {"local-7", "application_id:8"}};
    (void)state;
    build_events();
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question q = {.subject = rows[i][0], .uid = STORE_ANY_UID};
        expect(store_search, &q,
               "SELECT group_concat(json_extract(value, '$.key') || ':' || CAST(substr("
               "json_extract(value, '$.run_id'), -4) AS INTEGER)) FROM json_each(?1, '$.results')",
               rows[i][1]);
    }
}

static void test_statements(void **state)
{
    (void)state;
    build_events();
    struct store_question q = {.subject = RUN_ID(1), .other = RUN_ID(3), .uid = STORE_ANY_UID};
    expect(store_diff, &q,
           "SELECT group_concat(json_extract(value, '$.area') || ' ' || json_extract(value, "
           "'$.what') || ' ' || json_extract(value, '$.a') || '>' || json_extract(value, '$.b'), "
           "';') FROM json_each(?1, '$.pairs[0].changed')",
           "code sql.1: sql.query SELECT 1>SELECT 2");
}

#define ASSERTIONS                                                                                 \
    "SELECT group_concat(json_extract(value, '$.name') || ' ' || json_extract(value, "             \
    "'$.success') || ' ' || CAST(substr(json_extract(value, '$.run_id'), -4) AS INTEGER), ', ') "  \
    "FROM json_each(?1, '$.datasets[0].assertions')"

static void test_checks(void **state)
{
    (void)state;
    build_events();
    struct store_question q = {.subject = "n/m", .uid = STORE_ANY_UID};
    expect(store_show, &q, ASSERTIONS, "one 0 7, two 1 8"); /* the failed one first */
    q.subject = "n/k";
    expect(store_show, &q, ASSERTIONS, "own 1 9");
    q.subject = "n/a";
    expect(store_show, &q, "SELECT count(*) FROM json_each(?1, '$.datasets[0].assertions')", "0");
    q.uid = 2000; /* somebody else */
    q.subject = "n/m";
    struct store *store = fixture_open(STORE_READ);
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    assert_int_equal(store_show(store, &q, &out, NULL), OL_NOT_FOUND);
    ol__buf_release(&out);
    store_close(store);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {WITH_FIXTURE(test_ids), WITH_FIXTURE(test_statements),
                                       WITH_FIXTURE(test_checks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
