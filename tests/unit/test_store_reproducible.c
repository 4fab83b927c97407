/* SPDX-License-Identifier: Apache-2.0 */
/* Proves which runs `reproducible` tells of: those that made X and upstream of them, each once,
 * nearest first, by version; children of a pipeline but for those that failed; nothing of others.
 */
#include "store_graph.h"

/* "train@0(clean<1) clean@1(raw)": each run with its depth, and what it read, from which run. */
#define RUNS                                                                                       \
    "SELECT group_concat(json_extract(value, '$.run.job.name') || '@' || "                         \
    "json_extract(value, '$.depth') || '(' || coalesce((SELECT group_concat("                      \
    "json_extract(i.value, '$.name') || coalesce('<' || CAST(substr(json_extract(i.value, "        \
    "'$.written_by'), -4) AS INTEGER), ''), ' ') FROM json_each(j.value, '$.inputs') i), '') "     \
    "|| ')', ' ') FROM json_each(?1, '$.runs') j"

static const struct row {
    const char *runs[8];
    const char *subject, *content;
    int64_t depth, limit, uid; /* uid 0: any */
    const char *expected;
} rows[] = {
    {{"clean: raw > clean", "train: clean > model"},
     "model",
     NULL,
     0,
     0,
     0,
     "train@0(clean<1) clean@1(raw)"},
    /* the version that was read decides, not the latest */
    {{"clean: raw > clean@1", "train: clean@1 > model", "clean: raw > clean@2"},
     "model",
     NULL,
     0,
     0,
     0,
     "train@0(clean<1) clean@1(raw)"},
    {{"train: a > m@1", "train: b > m@2"}, "m", "1", 0, 0, 0, "train@0(a)"},
    /* a diamond: each once; a circle ends */
    {{"j: a > b c", "k: b > d", "l: c > e", "m: d e > f"},
     "f",
     NULL,
     0,
     0,
     0,
     "m@0(d<2 e<3) k@1(b<1) l@1(c<1) j@2(a)"},
    {{"j: a > b", "k: b > a", "j: a > b"}, "b", NULL, 0, 0, 0, "j@0(a<2) k@1(b<1) j@2(a)"},
    /* a run, a job */
    {{"clean: raw > clean", "train: clean > model"},
     "01941f29-7c00-7837-a31d-000000000001",
     NULL,
     0,
     0,
     0,
     "clean@0(raw)"},
    {{"clean: raw > clean", "train: clean > model"},
     "train",
     NULL,
     0,
     0,
     0,
     "train@0(clean<1) clean@1(raw)"},
    /* the run as a whole, and what did not fail of it */
    {{"a^1: x > y", "b^1!: y > z", "b^1: y > z"},
     "01941f29-7c00-7837-a31d-000000009001",
     NULL,
     0,
     0,
     0,
     "dag@0() a@0(x) b@0(y<1)"},
    /* limits are said */
    {{"clean: raw > clean", "train: clean > model"}, "model", NULL, 0, 1, 0, "train@0(clean<1)"},
    /* what others did is not there, and no way leads through it */
    {{"raw: s > raw", "2000/clean: raw > clean", "train: clean > model"},
     "model",
     NULL,
     0,
     0,
     1000,
     "train@0(clean)"},
};

static void test_runs(void **state)
{
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        assert_int_equal(fixture_setup(state), 0);
        build(rows[i].runs);
        const struct store_question q = {.subject = rows[i].subject,
                                         .content = rows[i].content,
                                         .depth = rows[i].depth,
                                         .limit = rows[i].limit,
                                         .uid = rows[i].uid == 0 ? STORE_ANY_UID : rows[i].uid};
        char *document = answer(store_reproducible, &q, OL_OK);
        char *got = extract(document, RUNS);
        assert_string_equal(got, rows[i].expected);
        free(got);
        got = extract(document, "SELECT json_extract(?1, '$.cut_by')");
        assert_string_equal(got, rows[i].limit > 0 ? "limit" : "");
        free(got);
        free(document);
        assert_int_equal(fixture_teardown(state), 0);
    }
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    static const char *const runs[] = {"clean: raw > clean", "2000/dark: x > night", NULL};
    build(runs);
    struct store_question q = {.subject = "nothing", .uid = STORE_ANY_UID};
    free(answer(store_reproducible, &q, OL_NOT_FOUND));
    q.subject = "raw"; /* known, and made by nobody known */
    char *document = answer(store_reproducible, &q, OL_OK);
    char *got = extract(document, "SELECT json_array_length(?1, '$.runs')");
    assert_string_equal(got, "0");
    free(got);
    free(document);
    q = (struct store_question){.subject = "night", .uid = 1000};
    free(answer(store_reproducible, &q, OL_NOT_FOUND));
}

static void test_what_was_told(void **state)
{
    (void)state;
    struct ol_error err = {0};
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    assert_int_equal(
        fixture_add(
            store,
            "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:00:00Z','producer':'p',"
            "'run':{'runId':'01941f29-7c00-7837-a31d-000000000001','facets':{"
            "'lineaged_run':{'_producer':'p','_schemaURL':'s','run_id':'R','step':'train',"
            "'attempt':'2'},"
            "'lineaged_reproducibility':{'_producer':'p','_schemaURL':'s',"
            "'seeds':{'python':'7'},'versions':{'torch':'2.1'}},"
            "'lineaged_code':{'_producer':'p','_schemaURL':'s','commit':'abc','dirty':false}"
            "}},'job':{'namespace':'ml','name':'train'},'inputs':[],'outputs':[{"
            "'namespace':'n','name':'m'}]}",
            1000, false, &err),
        OL_OK);
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    const struct store_question q = {.subject = "m", .uid = 1000};
    char *document = answer(store_reproducible, &q, OL_OK);
    static const struct {
        const char *sql, *expected;
    } facts[] = {
        {"SELECT json_extract(?1, '$.runs[0].ids')",
         "{\"attempt\":\"2\",\"run_id\":\"R\",\"step\":\"train\"}"},
        {"SELECT json_extract(?1, '$.runs[0].told.seed')",
         "[{\"what\":\"python\",\"value\":\"7\"}]"},
        {"SELECT json_extract(?1, '$.runs[0].told.code')",
         "[{\"what\":\"lineaged_code.commit\",\"value\":\"abc\"},"
         "{\"what\":\"lineaged_code.dirty\",\"value\":\"false\"}]"},
        {"SELECT json_extract(?1, '$.runs[0].told.environment')",
         "[{\"what\":\"versions.torch\",\"value\":\"2.1\"}]"},
        {"SELECT json_extract(?1, '$.runs[0].outputs[0].name')", "m"},
    };
    for (size_t i = 0; i < OL_COUNT(facts); i++) {
        char *got = extract(document, facts[i].sql);
        if (i == 0) { /* ids stand in no order */
            assert_non_null(strstr(got, "\"run_id\":\"R\""));
            assert_non_null(strstr(got, "\"attempt\":\"2\""));
            assert_non_null(strstr(got, "\"step\":\"train\""));
        } else {
            assert_string_equal(got, facts[i].expected);
        }
        free(got);
    }
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_what_was_told, fixture_setup, fixture_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
