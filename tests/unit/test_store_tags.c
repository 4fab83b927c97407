/* SPDX-License-Identifier: Apache-2.0 */
/* Subjects that are many things: all that have a tag (of a run, a job, a dataset), or ran one
 * version of the code. */
#include "store_graph.h"

#define TAGS(list) "'tags':{'_producer':'p','_schemaURL':'s','tags':[" list "]}"
#define TAG(key, value) "{'key':'" key "','value':'" value "'}"
#define AT_COMMIT(id)                                                                              \
    "'sourceCodeLocation':{'_producer':'p','_schemaURL':'s','type':'git','url':'https://x/y',"     \
    "'version':'" id "'}"
#define OUR_COMMIT(id) "'lineaged_code':{'_producer':'p','_schemaURL':'s','commit':'" id "'}"
#define COMMIT_A "5ae0bd7f4c9b9d1c7f7f1a2f0f3bd1a5a5c0ffee"
#define COMMIT_B "00000000000000000000000000000000000000bb"

static const struct told {
    int run;
    const char *job, *run_facets, *job_facets, *input, *input_facets, *output, *output_facets;
} events[] = {
    {1, "load", TAGS(TAG("team", "red")), AT_COMMIT(COMMIT_A), "raw", TAGS(TAG("class", "pii")),
     "a", ""},
    {2, "sum", TAGS(TAG("team", "blue")), TAGS(TAG("owner", "red")), "a", "", "b", ""},
    {3, "own", OUR_COMMIT(COMMIT_A), "", "b", "", "c", TAGS(TAG("class", "pii"))},
    {4, "other", OUR_COMMIT(COMMIT_B), AT_COMMIT(COMMIT_B), "x", "", "y", ""},
    /* the tag of y goes with a later statement about it in the same run */
    {4, "other", OUR_COMMIT(COMMIT_B), AT_COMMIT(COMMIT_B), "x", TAGS(TAG("class", "old")), "y",
     ""},
    {4, "other", "", "", "x", TAGS(TAG("class", "open")), "y", ""},
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
                 "{'eventTime':'2026-11-21T09:00:%02zuZ','producer':'p:x','eventType':'COMPLETE',"
                 "'run':{'runId':'01941f29-7c00-7837-a31d-%012d','facets':{%s}},"
                 "'job':{'namespace':'jobs','name':'%s','facets':{%s}},"
                 "'inputs':[{'namespace':'n','name':'%s','facets':{%s}}],"
                 "'outputs':[{'namespace':'n','name':'%s','facets':{%s}}]}",
                 i + 1, e->run, e->run_facets, e->job, e->job_facets, e->input, e->input_facets,
                 e->output, e->output_facets);
        if (fixture_add(store, event, e->run == 4 ? 2000 : 1000, false, &err) != OL_OK)
            fail_msg("%s: %s", event, err.message);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
}

#define MATCHES                                                                                    \
    "SELECT group_concat(x, ' ') FROM (SELECT coalesce(json_extract(value, '$.name'), "            \
    "CAST(substr(json_extract(value, '$.run_id'), -4) AS INTEGER)) AS x "                          \
    "FROM json_each(?1, '$.subject.matches') ORDER BY 1)"

static void test_subjects(void **state)
{
    static const struct {
        const char *subject, *kind, *by, *matches, *impact; /* impact NULL: not asked */
        int64_t uid;
    } rows[] = {
        {"team=red", "run", "tag", "1", "a>sum#2 b>own#3 load#1>a own#3>c sum#2>b", 0},
        {"red", "run", "tag", "1 2", NULL, 0}, /* of a run, and of another's job */
        {"owner=red", "run", "tag", "2", "b>own#3 own#3>c sum#2>b", 0},
        {"team=green", "none", "", "", NULL, 0},
        {"pii", "dataset", "tag", "c raw", "a>sum#2 b>own#3 load#1>a own#3>c raw>load#1 sum#2>b",
         0},
        {"class=pii", "dataset", "tag", "c raw", NULL, 0},
        {"class=open", "dataset", "tag", "x", "other#4>y x>other#4", 0},
        {"class=old", "none", "", "", NULL, 0}, /* it was, once */
        {COMMIT_A, "run", "code", "1 3", NULL, 0},
        {COMMIT_B, "run", "code", "4", "other#4>y", 0},
        {"commit=" COMMIT_B, "run", "code", "4", NULL, 0},
        {COMMIT_B, "none", "", "", NULL, 1000}, /* another user's */
        {"open", "none", "", "", NULL, 1000},
        {"5ae0bd7", "run", "code", "1 3", NULL, 0}, /* the first digits of one */
        {"5AE0BD7F4C9B", "run", "code", "1 3", NULL, 0},
        {"5ae0bd", "none", "", "", NULL, 0},
        {"0000000", "run", "code", "4", NULL, 0},
        {"0000000", "none", "", "", NULL, 1000},
        {"=", "none", "", "", NULL, 0},
        {"=red", "none", "", "", NULL, 0},
    };
    (void)state;
    build_events();
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question question = {.subject = rows[i].subject,
                                          .uid = rows[i].uid == 0 ? STORE_ANY_UID : rows[i].uid};
        ol_status expected = strcmp(rows[i].kind, "none") == 0 ? OL_NOT_FOUND : OL_OK;
        char *document = answer(store_impact, &question, expected);
        char *kind = extract(document, "SELECT json_extract(?1, '$.subject.kind')");
        char *by = extract(document, "SELECT json_extract(?1, '$.subject.by')");
        char *matches = extract(document, MATCHES);
        print_message("%s\n", rows[i].subject);
        assert_string_equal(kind, rows[i].kind);
        assert_string_equal(by, rows[i].by);
        assert_string_equal(matches, rows[i].matches);
        if (rows[i].impact != NULL)
            expect(store_impact, &question, EDGES, rows[i].impact);
        free(matches);
        free(by);
        free(kind);
        free(document);
    }
}

/* Tags that no run told: of jobs and datasets by themselves, while the facet says so. */
static void test_static(void **state)
{
    static const char *const told[] = {
        "'job':{'namespace':'jobs','name':'nightly','facets':{" TAGS(
            TAG("tier", "gold")) "}},"
                                 "'outputs':[{'namespace':'n','name':'table'}]",
        "'dataset':{'namespace':'n','name':'people','facets':{'version':{'_producer':'p',"
        "'_schemaURL':'s','datasetVersion':'7'}," TAGS(TAG("class", "secret")) "}}",
        "'dataset':{'namespace':'n','name':'was','facets':{" TAGS(TAG("class", "secret")) "}}",
        "'dataset':{'namespace':'n','name':'was','facets':{" TAGS(TAG("class", "open")) "}}",
        "'dataset':{'namespace':'n','name':'theirs','facets':{" TAGS(TAG("class", "secret")) "}}"};
    static const struct {
        const char *subject, *by, *matches, *at, *kind;
        int64_t uid;
    } rows[] = {{"gold", "tag", "nightly", NULL, NULL, 1000},
                {"tier=gold", "tag", "nightly", NULL, NULL, 1000},
                {"secret", "tag", "people", NULL, NULL, 1000},
                {"class=secret", "tag", "people theirs", NULL, NULL, STORE_ANY_UID},
                {"class=open", "tag", "was", NULL, "tag", 1000},
                {"class=open", "", "", NULL, "code", 1000},
                {"secret", "", "", "2026-11-21T09:00:01Z", NULL, 1000},
                {"tier=silver", "", "", NULL, NULL, 1000}};
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(told); i++) {
        char event[1000];
        struct ol_error err = {0};
        snprintf(event, sizeof event, "{'eventTime':'2026-11-21T09:00:%02zuZ','producer':'p:x',%s}",
                 i + 2, told[i]);
        if (fixture_add(store, event, i == 4 ? 2000 : 1000, false, &err) != OL_OK)
            fail_msg("%s: %s", event, err.message);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question question = {
            .subject = rows[i].subject, .at = rows[i].at, .kind = rows[i].kind, .uid = rows[i].uid};
        print_message("%s\n", rows[i].subject);
        char *document =
            answer(store_impact, &question, rows[i].by[0] == '\0' ? OL_NOT_FOUND : OL_OK);
        char *by = extract(document, "SELECT json_extract(?1, '$.subject.by')");
        char *matches = extract(document, MATCHES);
        assert_string_equal(by, rows[i].by);
        assert_string_equal(matches, rows[i].matches);
        free(matches);
        free(by);
        free(document);
    }
}

/* The beginning of several is none of them: the answer names them. */
static void test_ambiguous(void **state)
{
    static const char *const commits[] = {"abcdef1000000000000000000000000000000001",
                                          "abcdef1000000000000000000000000000000002",
                                          "abcdef2000000000000000000000000000000003"};
    static const struct {
        const char *subject, *expected; /* candidates */
    } rows[] = {{"abcdef1", "commit abcdef1000000000000000000000000000000001,"
                            "abcdef1000000000000000000000000000000002"},
                {"01941f29-7c00", "run id 01941f29-7c00-7837-a31d-000000000000,"
                                  "01941f29-7c00-7837-a31d-000000000001,"
                                  "01941f29-7c00-7837-a31d-000000000002"},
                {"sha256:1234567",
                 "content sha256:1234567000000000000000000000000000000000000000000000000000000000,"
                 "sha256:1234567000000000000000000000000000000000000000000000000000000001"}};
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(commits); i++) {
        char event[1000];
        struct ol_error err = {0};
        snprintf(event, sizeof event,
                 "{'eventTime':'2026-11-21T09:00:00Z','producer':'p:x','eventType':'COMPLETE',"
                 "'run':{'runId':'01941f29-7c00-7837-a31d-00000000000%zu','facets':{"
                 "'lineaged_code':{'_producer':'p','_schemaURL':'s','commit':'%s'}}},"
                 "'job':{'namespace':'jobs','name':'j'},'outputs':[{'namespace':'n','name':'d',"
                 "'facets':{'version':{'_producer':'p','_schemaURL':'s','datasetVersion':'sha256:"
                 "12345%s00000000000000000000000000000000000000000000000000000000%zu'}}}]}",
                 i, commits[i], i < 2 ? "67" : "99", i);
        if (fixture_add(store, event, 1000, false, &err) != OL_OK)
            fail_msg("%s: %s", event, err.message);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question question = {.subject = rows[i].subject, .uid = STORE_ANY_UID};
        char *document = answer(store_impact, &question, OL_NOT_FOUND);
        char *got = extract(document, "SELECT json_extract(?1, '$.subject.candidate_kind') || ' ' "
                                      "|| group_concat(value) FROM (SELECT value FROM "
                                      "json_each(?1, '$.subject.candidates') ORDER BY 1)");
        assert_string_equal(got, rows[i].expected);
        free(got);
        free(document);
    }
    static const char *const one[] = {"abcdef2", "sha256:1234599", "1234599",
                                      "01941f29-7c00-7837-a31d-000000000002"};
    for (size_t i = 0; i < OL_COUNT(one); i++) {
        struct store_question question = {.subject = one[i], .uid = STORE_ANY_UID};
        free(answer(store_impact, &question, OL_OK));
    }
}

/* A job and a dataset of one name: the dataset, and that there is a job. */
static void test_kinds(void **state)
{
    static const char *const runs[] = {"orders: raw > orders", "use: orders > x", NULL};
    static const struct {
        const char *kind, *expected;
    } rows[] = {{NULL, "dataset job"}, {"dataset", "dataset -"}, {"job", "job -"}};
    (void)state;
    build(runs);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question question = {
            .subject = "orders", .kind = rows[i].kind, .uid = STORE_ANY_UID};
        expect(store_impact, &question,
               "SELECT json_extract(?1, '$.subject.kind') || ' ' || "
               "coalesce(json_extract(?1, '$.subject.also'), '-')",
               rows[i].expected);
    }
    struct store_question question = {.subject = "orders", .kind = "table", .uid = STORE_ANY_UID};
    free(answer(store_impact, &question, OL_INVALID));
}

/* What a dataset or job is tagged with finds the run, but is not shown as the run's own. */
static void test_shown(void **state)
{
    (void)state;
    build_events();
    struct store_question question = {.subject = "01941f29-7c00-7837-a31d-000000000001",
                                      .uid = STORE_ANY_UID};
    expect(store_show, &question,
           "SELECT group_concat(json_extract(value, '$.key') || '=' || json_extract(value, "
           "'$.value'), ' ') FROM json_each(?1, '$.runs[0].ids')",
           "team=red commit=" COMMIT_A);
}

/* The tag went, and with it what it found; a commit that another event does not repeat stays. */
static void test_at(void **state)
{
    (void)state;
    build_events();
    struct store_question question = {
        .subject = "pii", .at = "2026-11-21T09:00:01Z", .uid = STORE_ANY_UID};
    expect(store_impact, &question, MATCHES, "raw");
}

/* More than are shown: the answer says so. */
static void test_many(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = 0; i < 1100; i++) {
        struct ol_error err = {0};
        char event[600];
        snprintf(event, sizeof event,
                 "{'eventTime':'2026-11-21T09:00:00Z','producer':'p:x','eventType':'COMPLETE',"
                 "'run':{'runId':'01941f29-7c00-7837-a31d-%012d','facets':{" TAGS(
                     TAG("team", "red")) "}},'job':{'namespace':'jobs','name':'j'}}",
                 i);
        if (fixture_add(store, event, 1000, false, &err) != OL_OK)
            fail_msg("%s: %s", event, err.message);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    struct store_question question = {.subject = "red", .uid = STORE_ANY_UID};
    expect(store_why, &question, "SELECT json_array_length(?1, '$.subject.matches')", "1000");
    expect(store_why, &question, "SELECT json_extract(?1, '$.subject.truncated')", "1");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_subjects), WITH_FIXTURE(test_shown),  WITH_FIXTURE(test_at),
        WITH_FIXTURE(test_many),     WITH_FIXTURE(test_static), WITH_FIXTURE(test_ambiguous),
        WITH_FIXTURE(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
