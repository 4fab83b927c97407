/* SPDX-License-Identifier: Apache-2.0 */
/* `depends`, `check` and `stale` over small graphs: each verdict, each kind of finding, and that
 * what is in order gives none. */
#include "store_fixture.h"

#include "times.h"

#define FACET "'_producer':'p:x','_schemaURL':'s'"
#define COLUMNS(from)                                                                              \
    "'columnLineage':{" FACET ",'fields':{'c':{'inputFields':[{'namespace':'n','name':'raw',"      \
    "'field':'x'},{'namespace':'n','name':'" from "','field':'x'}]}}}"
#define CHECKED(members)                                                                           \
    "'dataQualityAssertions':{" FACET                                                              \
    ",'assertions':[{'assertion':'not_null','column':'c'," members "}]}"
#define HOUR INT64_C(3600000)

/* One run of a test, times in minutes from the base; end 0: it has none. */
struct told {
    int n;
    int start, end;
    const char *job, *inputs, *outputs; /* "a@1 b", names with versions */
    int parent;                         /* n of it; 0: none */
    const char *facets;                 /* of the run */
    const char *schema;                 /* fields of the outputs, "name:type name:type" */
    const char *dataset_facets;         /* of the inputs */
    const char *output_facets;          /* of the outputs */
    bool is_inferred, has_failed;
    const char *type; /* of the outputs */
};

static void add_side(struct ol__buf *out, const char *list, const struct told *t, bool is_output)
{
    char copy[256], fields[200], *save = NULL, *save_field = NULL;
    const char *between = "";
    snprintf(copy, sizeof copy, "%s", list != NULL ? list : "");
    for (char *name = strtok_r(copy, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save)) {
        char *version = strchr(name, '@');
        const char *comma = "";
        if (version != NULL)
            *version++ = '\0';
        ol__buf_add_format(out, "%s{'namespace':'n','name':'%s','facets':{", between, name);
        if (version != NULL) {
            ol__buf_add_format(out, "'version':{" FACET ",'datasetVersion':'%s'}", version);
            comma = ",";
        }
        if (is_output && t->schema != NULL) {
            ol__buf_add_format(out, "%s'schema':{" FACET ",'fields':[", comma);
            snprintf(fields, sizeof fields, "%s", t->schema);
            comma = "";
            for (char *f = strtok_r(fields, " ", &save_field); f != NULL;
                 f = strtok_r(NULL, " ", &save_field)) {
                char *colon = strchr(f, ':');
                *colon = '\0';
                ol__buf_add_format(out, "%s{'name':'%s','type':'%s'}", comma, f, colon + 1);
                comma = ",";
            }
            ol__buf_add_text(out, "]}");
            comma = ",";
        }
        if (is_output && t->type != NULL)
            ol__buf_add_format(out, "%s'datasetType':{" FACET ",'datasetType':'%s'}", comma,
                               t->type);
        if (!is_output && t->dataset_facets != NULL)
            ol__buf_add_format(out, "%s%s", comma, t->dataset_facets);
        if (is_output && t->output_facets != NULL)
            ol__buf_add_format(out, "%s%s", comma, t->output_facets);
        ol__buf_add_text(out, "}}");
        between = ",";
    }
}

static int64_t taken_at; /* by the agent's clock */

static void add_event(struct store *store, const struct told *t, const char *type, int64_t at)
{
    char time[OL_TIME_TEXT + 1];
    struct ol__buf text;
    struct ol_error err = {0};
    const char *comma = t->facets != NULL ? "," : "";
    ol__buf_init(&text, 1 << 20);
    ol__time_format(at, time);
    ol__buf_add_format(&text,
                       "{'eventTime':'%s','eventType':'%s','producer':'p:x','run':{'runId':"
                       "'01941f29-7c00-7837-a31d-%012d','facets':{%s",
                       time, type, t->n, t->facets != NULL ? t->facets : "");
    if (t->parent != 0)
        ol__buf_add_format(
            &text,
            "%s'parent':{" FACET ",'run':{'runId':'01941f29-7c00-7837-a31d-%012d'},'job':"
            "{'namespace':'jobs','name':'parent'},'root':{'run':{'runId':"
            "'01941f29-7c00-7837-a31d-%012d'},'job':{'namespace':'jobs','name':'parent'}}}",
            comma, t->parent, t->parent);
    ol__buf_add_format(&text, "}},'job':{'namespace':'jobs','name':'%s'},'inputs':[", t->job);
    add_side(&text, t->inputs, t, false);
    ol__buf_add_text(&text, "],'outputs':[");
    add_side(&text, t->outputs, t, true);
    ol__buf_add_text(&text, "]}");
    assert_int_equal(text.status, OL_OK);
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\'')
            text.data[i] = '"';
    struct store_event taken = {.taken_ms = taken_at,
                                .uid = 1000,
                                .is_inferred = t->is_inferred,
                                .data = {.data = text.data, .size = text.size}};
    if (store_add(store, &taken, false, &err) != OL_OK)
        fail_msg("%s: %s", text.data, err.message);
    ol__buf_release(&text);
}

static void build(const struct told *told, size_t count, int64_t base)
{
    taken_at = taken_at != 0 ? taken_at : ol__time_now_ms();
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < count; i++) {
        if (told[i].n == 0)
            continue;
        add_event(store, &told[i], "START", base + told[i].start * INT64_C(60000));
        if (told[i].end != 0)
            add_event(store, &told[i],
                      told[i].is_inferred  ? "ABORT"
                      : told[i].has_failed ? "FAIL"
                                           : "COMPLETE",
                      base + told[i].end * INT64_C(60000));
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
}

static void clean(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < OL_COUNT(ends); i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", fixture_path, ends[i]);
        unlink(name);
    }
}

static void expect(const char *name, store_function *function,
                   const struct store_question *question, ol_status expected_status,
                   const char *sql, const char *expected)
{
    struct store *store = fixture_open(STORE_READ);
    struct ol__buf out;
    struct ol_error err = {0};
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    ol__buf_init(&out, 64u << 20);
    ol_status status = function(store, question, &out, &err);
    store_close(store);
    if (status != expected_status)
        fail_msg("%s: status %d: %s", name, (int)status, err.message);
    if (sql != NULL) {
        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
            fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        sqlite3_bind_text(stmt, 1, out.data, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) != SQLITE_ROW)
            fail_msg("%s: %s in %s", name, sqlite3_errmsg(db), out.data);
        const char *got = (const char *)sqlite3_column_text(stmt, 0);
        if (strcmp(got != NULL ? got : "", expected) != 0)
            fail_msg("%s:\ngot      %s\nexpected %s\nof %s", name, got, expected, out.data);
        sqlite3_finalize(stmt);
        sqlite3_close(db);
    }
    ol__buf_release(&out);
}

/* ---- depends ---- */

#define VERDICT                                                                                    \
    "SELECT json_extract(?1, '$.depends') || coalesce(' path ' || (SELECT group_concat("           \
    "coalesce(json_extract(value, '$.name'), json_extract(value, '$.job.name')) || "               \
    "coalesce('@' || json_extract(value, '$.version'), ''), '>') FROM json_each(?1, '$.path')), "  \
    "'') || coalesce(' gaps ' || (SELECT group_concat(json_extract(value, '$.kind') || ':' || "    \
    "coalesce(json_extract(value, '$.at.name'), json_extract(value, '$.at.job.name'), ''), ' ') "  \
    "FROM json_each(?1, '$.gaps')), '')"
#define SOURCE "'tags':{" FACET ",'tags':[{'key':'source','value':'true'}]}"

static const struct {
    const char *name;
    struct told told[6];
    const char *a, *b, *b_content;
    int64_t depth;
    const char *expected;
} verdicts[] = {
    {"a path of two runs, with versions",
     {{.n = 1, .start = 0, .end = 1, .job = "clean", .inputs = "raw@1", .outputs = "clean@1"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "clean@1", .outputs = "model@1"}},
     "model",
     "raw",
     NULL,
     0,
     "yes path raw@1>clean>clean@1>train>model@1"},
    {"the shortest of several",
     {{.n = 1, .start = 0, .end = 1, .job = "clean", .inputs = "raw", .outputs = "clean"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "clean raw", .outputs = "model"}},
     "model",
     "raw",
     NULL,
     0,
     "yes path raw>train>model"},
    {"by a job in between",
     {{.n = 1, .start = 0, .end = 1, .job = "clean", .inputs = "raw", .outputs = "clean"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "clean", .outputs = "model"}},
     "model",
     "jobs/clean",
     NULL,
     0,
     "yes path clean>clean>train>model"},
    {"another version of it went in: that is told",
     {{.n = 1, .start = 0, .end = 1, .job = "get", .inputs = "web", .outputs = "raw@1"},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "raw@1", .outputs = "model@1"},
      {.n = 3, .start = 4, .end = 5, .job = "get", .inputs = "web", .outputs = "raw@2"}},
     "model",
     "raw",
     "2",
     0,
     "yes path raw@1>train>model@1"},
    {"no: a source is declared by the run as a whole, and all is known to there",
     {{.n = 1, .start = 0, .end = 9, .job = "parent", .inputs = "raw", .outputs = ""},
      {.n = 2,
       .start = 1,
       .end = 2,
       .job = "clean",
       .inputs = "raw",
       .outputs = "clean",
       .parent = 1},
      {.n = 3,
       .start = 3,
       .end = 4,
       .job = "train",
       .inputs = "clean",
       .outputs = "model",
       .parent = 1},
      {.n = 4,
       .start = 5,
       .end = 6,
       .job = "other",
       .inputs = "raw",
       .outputs = "secret",
       .parent = 1}},
     "model",
     "secret",
     NULL,
     0,
     "no"},
    {"no: a source is declared by a tag",
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "train",
       .inputs = "raw",
       .outputs = "model",
       .dataset_facets = SOURCE},
      {.n = 2, .start = 2, .end = 3, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     0,
     "no"},
    {"not known: nobody says where the first input is from",
     {{.n = 1, .start = 0, .end = 1, .job = "train", .inputs = "raw", .outputs = "model"},
      {.n = 2, .start = 2, .end = 3, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     0,
     "not_known gaps no_writer:raw"},
    {"not known: a run told no inputs",
     {{.n = 1, .start = 0, .end = 1, .job = "train", .inputs = "", .outputs = "model"},
      {.n = 2, .start = 2, .end = 3, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     0,
     "not_known gaps no_inputs:train"},
    {"not known: a run is still running",
     {{.n = 1,
       .start = 0,
       .end = 0,
       .job = "train",
       .inputs = "raw",
       .outputs = "model",
       .dataset_facets = SOURCE},
      {.n = 2, .start = 2, .end = 3, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     0,
     "not_known gaps running:train"},
    {"not known: its end was inferred",
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "train",
       .inputs = "raw",
       .outputs = "model",
       .dataset_facets = SOURCE,
       .is_inferred = true},
      {.n = 2, .start = 2, .end = 3, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     0,
     "not_known gaps inferred:train"},
    {"not known: it failed",
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "train",
       .inputs = "raw",
       .outputs = "model",
       .dataset_facets = SOURCE,
       .has_failed = true},
      {.n = 2, .start = 2, .end = 3, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     0,
     "not_known gaps failed:train"},
    {"not known: an event was cut",
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "train",
       .inputs = "raw",
       .outputs = "model",
       .dataset_facets = SOURCE,
       .facets = "'lineaged_shed':{" FACET ",'count':1,'bytes':9,'limit':5}"},
      {.n = 2, .start = 2, .end = 3, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     0,
     "not_known gaps cut_event:train"},
    {"not known: columns come from what is no input",
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "train",
       .inputs = "raw",
       .outputs = "model",
       .dataset_facets = SOURCE,
       .output_facets = COLUMNS("secret")},
      {.n = 2, .start = 2, .end = 3, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     0,
     "not_known gaps untold_input:train"},
    {"no: columns come from the inputs, and from itself",
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "train",
       .inputs = "raw",
       .outputs = "model",
       .dataset_facets = SOURCE,
       .output_facets = COLUMNS("model")},
      {.n = 2, .start = 2, .end = 3, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     0,
     "no"},
    {"not known: the walk was cut",
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "clean",
       .inputs = "raw",
       .outputs = "clean",
       .dataset_facets = SOURCE},
      {.n = 2, .start = 2, .end = 3, .job = "train", .inputs = "clean", .outputs = "model"},
      {.n = 3, .start = 4, .end = 5, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "secret",
     NULL,
     1,
     "not_known gaps truncated:"},
    {"a cycle ends: what it was made from before",
     {{.n = 1,
       .start = 0,
       .end = 1,
       .job = "make",
       .inputs = "raw",
       .outputs = "model@1",
       .dataset_facets = SOURCE},
      {.n = 2, .start = 2, .end = 3, .job = "tune", .inputs = "model@1", .outputs = "model@2"},
      {.n = 3, .start = 4, .end = 5, .job = "other", .inputs = "raw", .outputs = "secret"}},
     "model",
     "model",
     NULL,
     0,
     "yes path model@1>tune>model@2"},
};

static void test_depends(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(verdicts); i++) {
        build(verdicts[i].told, OL_COUNT(verdicts[i].told), NOW);
        struct store_question q = {.subject = verdicts[i].a,
                                   .other = verdicts[i].b,
                                   .other_content = verdicts[i].b_content,
                                   .depth = verdicts[i].depth,
                                   .uid = STORE_ANY_UID};
        expect(verdicts[i].name, store_depends, &q, OL_OK, VERDICT, verdicts[i].expected);
        q.other = "never heard of";
        q.other_content = NULL;
        expect(verdicts[i].name, store_depends, &q, OL_NOT_FOUND, NULL, NULL);
        q.subject = "never heard of";
        q.other = verdicts[i].b;
        expect(verdicts[i].name, store_depends, &q, OL_NOT_FOUND, NULL, NULL);
        clean();
    }
    build(verdicts[3].told, OL_COUNT(verdicts[3].told), NOW);
    struct store_question q = {
        .subject = "model", .other = "raw", .other_content = "2", .uid = STORE_ANY_UID};
    expect("versions", store_depends, &q, OL_OK,
           "SELECT json_extract(?1, '$.is_asked_version') || json_extract(?1, '$.versions')",
           "0[{\"version\":\"1\"}]");
    q.other_content = "1";
    expect("versions", store_depends, &q, OL_OK, "SELECT json_extract(?1, '$.is_asked_version')",
           "1");
}

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
    const struct CMUnitTest tests[] = {WITH_FIXTURE(test_depends), WITH_FIXTURE(test_check),
                                       WITH_FIXTURE(test_clock), WITH_FIXTURE(test_check_goes_on),
                                       WITH_FIXTURE(test_stale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
