/* SPDX-License-Identifier: Apache-2.0 */
/* `check` and `stale` over small graphs: each kind of finding, and that what is in order gives
 * none. */
#include "store_told.h"

/* ---- check ---- */

#define FINDINGS                                                                                   \
    "SELECT group_concat(json_extract(value, '$.severity') || ' ' || json_extract(value, "         \
    "'$.kind') || ' ' || json_extract(value, '$.run.job.name') || coalesce(' ' || "                \
    "json_extract(value, '$.dataset.name'), '') || ': ' || json_extract(value, '$.what'), '\n') "  \
    "FROM json_each(?1, '$.findings')"

static const struct {
    const char *name;
    int64_t ago; /* the base lies so long before now, in minutes */
    struct told told[5];
    const char *subject;
    const char *expected; /* parts that must be there in order, joined by |; "" nothing */
} checks[] = {
    {"what is in order",
     100,
     {{.n = 1, .start = 0, .end = 50, .job = "parent", .inputs = "", .outputs = ""},
      {.n = 2,
       .start = 1,
       .end = 2,
       .job = "clean",
       .inputs = "raw@1",
       .outputs = "clean@1",
       .parent = 1,
       .schema = "id:int"},
      {.n = 3,
       .start = 3,
       .end = 4,
       .job = "train",
       .inputs = "clean@1",
       .outputs = "model@1",
       .parent = 1}},
     NULL,
     ""},
    {"it ended before it started",
     100,
     {{.n = 1, .start = 10, .end = 4, .job = "j", .inputs = "", .outputs = ""}},
     NULL,
     "error ended_before_started j: it ended 360000 ms before it started"},
    {"a time that is not yet",
     0,
     {{.n = 1, .start = -5, .end = 600, .job = "j", .inputs = "", .outputs = ""}},
     NULL,
     "error future_time j: an event of it has a time 3"},
    {"a child that began before its parent",
     100,
     {{.n = 1, .start = 20, .end = 50, .job = "parent", .inputs = "", .outputs = ""},
      {.n = 2, .start = 10, .end = 30, .job = "child", .inputs = "", .outputs = "", .parent = 1}},
     NULL,
     "error outside_parent child: it started 600 s before its parent"},
    {"a child that outlived its parent may be meant so",
     100,
     {{.n = 1, .start = 0, .end = 10, .job = "parent", .inputs = "", .outputs = ""},
      {.n = 2, .start = 5, .end = 60, .job = "child", .inputs = "", .outputs = "", .parent = 1}},
     NULL,
     "warning outside_parent child: it ended 3000 s after its parent"},
    {"it ended before the writer started",
     100,
     {{.n = 1, .start = 0, .end = 1, .job = "reader", .inputs = "a@1", .outputs = "b"},
      {.n = 2, .start = 30, .end = 31, .job = "writer", .inputs = "", .outputs = "a@1"}},
     NULL,
     "error read_before_written reader a: it ended before run"},
    {"it started before the writer had finished",
     100,
     {{.n = 1, .start = 0, .end = 20, .job = "writer", .inputs = "", .outputs = "a@1"},
      {.n = 2, .start = 10, .end = 30, .job = "reader", .inputs = "a@1", .outputs = "b"}},
     NULL,
     "warning read_before_written reader a: it started before run"},
    {"within the tolerance of clocks",
     100,
     {{.n = 1, .start = 0, .end = 10, .job = "writer", .inputs = "", .outputs = "a@1"},
      {.n = 2, .start = 8, .end = 30, .job = "reader", .inputs = "a@1", .outputs = "b"}},
     NULL,
     ""},
    {"a version that nobody wrote",
     100,
     {{.n = 1, .start = 0, .end = 1, .job = "writer", .inputs = "", .outputs = "a@1"},
      {.n = 2, .start = 2, .end = 3, .job = "reader", .inputs = "a@7", .outputs = "b"}},
     NULL,
     "error broken_chain reader a: it read a version that no recorded run wrote"},
    {"nobody ever wrote it: a source",
     100,
     {{.n = 2, .start = 2, .end = 3, .job = "reader", .inputs = "a@7", .outputs = "b"}},
     NULL,
     ""},
    {"its writer tells no versions",
     100,
     {{.n = 1, .start = 0, .end = 1, .job = "writer", .inputs = "", .outputs = "a"},
      {.n = 2, .start = 2, .end = 3, .job = "reader", .inputs = "a@7", .outputs = "b"}},
     NULL,
     ""},
    {"open for two days",
     3000,
     {{.n = 1, .start = 0, .end = 0, .job = "j", .inputs = "", .outputs = ""}},
     NULL,
     "warning open_too_long j: it has not ended, and nothing was heard of it for 50 h"},
    {"open for an hour",
     60,
     {{.n = 1, .start = 0, .end = 0, .job = "j", .inputs = "", .outputs = ""}},
     NULL,
     ""},
    {"fields that changed",
     100,
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "j",
       .inputs = "",
       .outputs = "t@1",
       .schema = "id:int price:float old:text"},
      {.n = 2,
       .start = 2,
       .end = 3,
       .job = "j",
       .inputs = "",
       .outputs = "t@2",
       .schema = "id:int price:text new:int"}},
     NULL,
     "warning schema_drift j t: price was float and is text; old is gone; new is new"},
    {"fields that did not",
     100,
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "j",
       .inputs = "",
       .outputs = "t@1",
       .schema = "id:int price:float"},
      {.n = 2,
       .start = 2,
       .end = 3,
       .job = "k",
       .inputs = "",
       .outputs = "t@2",
       .schema = "price:float id:int"}},
     NULL,
     ""},
    {"a check failed",
     100,
     {{.n = 1, .start = 0, .end = 1, .job = "j", .inputs = "", .outputs = "t"},
      {.n = 2,
       .start = 2,
       .end = 3,
       .job = "test",
       .inputs = "t",
       .outputs = "",
       .dataset_facets = CHECKED("'name':'t_c','success':false")}},
     NULL,
     "error failed_assertion test t: t_c of c failed"},
    {"a check failed, asked of what was checked",
     100,
     {{.n = 1, .start = 0, .end = 1, .job = "j", .inputs = "", .outputs = "t"},
      {.n = 2,
       .start = 2,
       .end = 3,
       .job = "test",
       .inputs = "t",
       .outputs = "",
       .dataset_facets = CHECKED("'success':false")},
      {.n = 3, .start = 4, .end = 5, .job = "k", .inputs = "t", .outputs = "made"}},
     "made",
     "error failed_assertion test t: not_null of c failed"},
    {"a check failed that only warns",
     100,
     {{.n = 2,
       .start = 2,
       .end = 3,
       .job = "test",
       .inputs = "t",
       .outputs = "",
       .dataset_facets = CHECKED("'severity':'warn','success':false")}},
     NULL,
     "warning failed_assertion test t: not_null of c failed"},
    {"a check that failed held the next time",
     100,
     {{.n = 2,
       .start = 2,
       .end = 3,
       .job = "test",
       .inputs = "t",
       .outputs = "",
       .dataset_facets = CHECKED("'success':false")},
      {.n = 3,
       .start = 4,
       .end = 5,
       .job = "test",
       .inputs = "t",
       .outputs = "",
       .dataset_facets = CHECKED("'success':true")}},
     NULL,
     ""},
    {"what failed a check was written anew",
     100,
     {{.n = 2,
       .start = 2,
       .end = 3,
       .job = "test",
       .inputs = "t",
       .outputs = "",
       .dataset_facets = CHECKED("'success':false")},
      {.n = 3, .start = 4, .end = 5, .job = "j", .inputs = "", .outputs = "t"}},
     NULL,
     ""},
    {"a facet of another form",
     100,
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "j",
       .inputs = "",
       .outputs = "",
       .facets = "'nominalTime':{" FACET ",'nominalStartTime':5}"}},
     NULL,
     "warning facet_invalid j: facet nominalTime: /nominalStartTime has another type"},
    {"a facet that lacks a member",
     100,
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "j",
       .inputs = "",
       .outputs = "",
       .facets = "'errorMessage':{" FACET ",'message':'m'}"}},
     NULL,
     "warning facet_invalid j: facet errorMessage: /programmingLanguage is missing"},
    {"only what is upstream of X",
     100,
     {{.n = 1, .start = 0, .end = 1, .job = "writer", .inputs = "", .outputs = "a@1"},
      {.n = 2, .start = 2, .end = 3, .job = "reader", .inputs = "a@7", .outputs = "b"},
      {.n = 3, .start = 10, .end = 4, .job = "other", .inputs = "", .outputs = "c"}},
     "b",
     "error broken_chain reader a: it read"},
};

static void test_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(checks); i++) {
        char sql[1200];
        struct store_question q = {.subject = checks[i].subject, .uid = STORE_ANY_UID};
        build(checks[i].told, OL_COUNT(checks[i].told), ol__time_now_ms() - checks[i].ago * 60000);
        snprintf(sql, sizeof sql, "SELECT substr((" FINDINGS "), 1, %zu)",
                 checks[i].expected[0] != '\0' ? strlen(checks[i].expected) : (size_t)1000);
        expect(checks[i].name, store_findings, &q, OL_OK, sql, checks[i].expected);
        expect(checks[i].name, store_findings, &q, OL_OK,
               "SELECT json_extract(?1, '$.errors') + json_extract(?1, '$.warnings')",
               checks[i].expected[0] != '\0' ? "1" : "0");
        q.uid = 7; /* somebody else: there is nothing to look at */
        expect(checks[i].name, store_findings, &q, q.subject != NULL ? OL_NOT_FOUND : OL_OK,
               "SELECT json_extract(?1, '$.runs')", "0");
        clean();
    }
}

/* Its clock is an hour ahead of ours, and the time has come by now. */
static void test_clock(void **state)
{
    static const struct told told[] = {{.n = 1, .start = 0, .end = 1, .job = "j"}};
    (void)state;
    int64_t base = ol__time_now_ms() - 5 * HOUR;
    taken_at = base - HOUR;
    build(told, 1, base);
    taken_at = 0;
    struct store_question q = {.uid = STORE_ANY_UID};
    expect("an hour", store_findings, &q, OL_OK, FINDINGS,
           "warning clock_ahead j: an event of it was taken 3660 s before its own time");
    q.tolerance = 2 * HOUR;
    expect("tolerated", store_findings, &q, OL_OK, FINDINGS, "");
}

/* Page by page: each run once. */
static void test_check_goes_on(void **state)
{
    struct told told[5];
    (void)state;
    for (int i = 0; i < 5; i++)
        told[i] = (struct told){.n = i + 1,
                                .start = 10,
                                .end = 4,
                                .job = "j",
                                .facets = "'lineaged_run':{" FACET ",'run_id':'r','step':'s'}"};
    build(told, 5, ol__time_now_ms() - 100 * INT64_C(60000));
    struct store_question q = {.limit = 2, .uid = STORE_ANY_UID, .has_steps = true};
#define PAGE                                                                                       \
    "SELECT json_extract(?1, '$.runs') || ' ' || coalesce(json_extract(?1, '$.next'), '-') || "    \
    "' ' || json_array_length(?1, '$.findings') || ' ' || json_array_length(?1, '$.steps') || "    \
    "coalesce(json_extract(?1, '$.steps[0].step') || json_extract(?1, '$.steps[0].run_id'), '')"
    expect("page 1", store_findings, &q, OL_OK, PAGE, "2 4 2 2sr");
    q.from = 4;
    expect("page 2", store_findings, &q, OL_OK, PAGE, "2 2 2 2sr");
    q.from = 2;
    expect("page 3", store_findings, &q, OL_OK, PAGE, "1 - 1 1sr");
}

/* ---- stale ---- */

#define STALE                                                                                      \
    "SELECT group_concat(json_extract(value, '$.kind') || ' ' || json_extract(value, "             \
    "'$.dataset.name') || coalesce(' of ' || json_extract(value, '$.input.name') || coalesce('@' " \
    "|| json_extract(value, '$.input.version'), ''), '') || coalesce(' now ' || "                  \
    "CASE WHEN json_extract(value, '$.newer') IS NULL THEN NULL ELSE "                             \
    "coalesce(json_extract(value, '$.newer.version'), '?') END, ''), ', ') "                       \
    "FROM json_each(?1, '$.stale')"

static const struct {
    const char *name;
    int64_t ago; /* hours */
    struct told told[5];
    const char *subject;
    int64_t older_than; /* hours */
    const char *expected;
} stales[] = {
    {"made from what stands",
     10,
     {{.n = 1, .start = 0, .end = 1, .job = "get", .inputs = "", .outputs = "raw@1"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "raw@1", .outputs = "model@1"}},
     NULL,
     0,
     ""},
    {"its input was written anew",
     10,
     {{.n = 1, .start = 0, .end = 1, .job = "get", .inputs = "", .outputs = "raw@1"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "raw@1", .outputs = "model@1"},
      {.n = 3, .start = 4, .end = 5, .job = "get", .inputs = "", .outputs = "raw@2"}},
     NULL,
     0,
     "newer_input model of raw@1 now 2"},
    {"the same bytes again are not new",
     10,
     {{.n = 1, .start = 0, .end = 1, .job = "get", .inputs = "", .outputs = "raw@1"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "raw@1", .outputs = "model@1"},
      {.n = 3, .start = 4, .end = 5, .job = "get", .inputs = "", .outputs = "raw@1"}},
     NULL,
     0,
     ""},
    {"without versions: written after it was read",
     10,
     {{.n = 1, .start = 0, .end = 1, .job = "get", .inputs = "", .outputs = "raw"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "raw", .outputs = "model"},
      {.n = 3, .start = 4, .end = 5, .job = "get", .inputs = "", .outputs = "raw"}},
     NULL,
     0,
     "newer_input model of raw now ?"},
    {"a run that failed wrote nothing anew",
     10,
     {{.n = 1, .start = 0, .end = 1, .job = "get", .inputs = "", .outputs = "raw@1"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "raw@1", .outputs = "model@1"},
      {.n = 3,
       .start = 4,
       .end = 5,
       .job = "get",
       .inputs = "",
       .outputs = "raw@2",
       .has_failed = true}},
     NULL,
     0,
     ""},
    {"made from data that is older than that",
     50,
     {{.n = 1, .start = 0, .end = 1, .job = "get", .inputs = "", .outputs = "raw@1"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "raw@1", .outputs = "model@1"}},
     NULL,
     48,
     "old_input model of raw@1"},
    {"not so old",
     50,
     {{.n = 1, .start = 0, .end = 1, .job = "get", .inputs = "", .outputs = "raw@1"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "raw@1", .outputs = "model@1"}},
     NULL,
     51,
     ""},
    {"a model in use that is old",
     50,
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "train",
       .inputs = "",
       .outputs = "model@1",
       .type = "MODEL"},
      {.n = 2, .start = 2, .end = 0, .job = "serve", .inputs = "model@1", .outputs = ""}},
     NULL,
     48,
     "old_model model"},
    {"nobody uses it",
     50,
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "train",
       .inputs = "",
       .outputs = "model@1",
       .type = "MODEL"},
      {.n = 2, .start = 2, .end = 3, .job = "eval", .inputs = "model@1", .outputs = ""}},
     NULL,
     48,
     ""},
    {"upstream of a subject, as it went in",
     10,
     {{.n = 1, .start = 0, .end = 1, .job = "get", .inputs = "", .outputs = "raw@1"},
      {.n = 2, .start = 2, .end = 3, .job = "clean", .inputs = "raw@1", .outputs = "clean@1"},
      {.n = 3, .start = 4, .end = 5, .job = "train", .inputs = "clean@1", .outputs = "model@1"},
      {.n = 4, .start = 6, .end = 7, .job = "get", .inputs = "", .outputs = "raw@2"}},
     "model",
     0,
     "newer_input clean of raw@1 now 2"},
};

static void test_stale(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(stales); i++) {
        struct store_question q = {.subject = stales[i].subject,
                                   .older_than = stales[i].older_than * HOUR,
                                   .uid = STORE_ANY_UID};
        build(stales[i].told, OL_COUNT(stales[i].told), ol__time_now_ms() - stales[i].ago * HOUR);
        expect(stales[i].name, store_stale, &q, OL_OK, STALE, stales[i].expected);
        clean();
    }
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {WITH_FIXTURE(test_check), WITH_FIXTURE(test_clock),
                                       WITH_FIXTURE(test_check_goes_on), WITH_FIXTURE(test_stale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
