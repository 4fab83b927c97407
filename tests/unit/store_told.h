/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_TOLD_H
#define STORE_TOLD_H
/* Small graphs for the tests of questions: runs as rows of a table, told to a store of the fixture
 * as events, and what a question answers about them looked at by SQL. */
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

OL_UNUSED static void build(const struct told *told, size_t count, int64_t base)
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

OL_UNUSED static void clean(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < OL_COUNT(ends); i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", fixture_path, ends[i]);
        unlink(name);
    }
}

OL_UNUSED static void expect(const char *name, store_function *function,
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
#endif
