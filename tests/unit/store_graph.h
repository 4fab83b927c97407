/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_GRAPH_FIXTURE_H
#define STORE_GRAPH_FIXTURE_H
/* Graphs written as "job: inputs > outputs", and answers read by somebody else: SQLite. */
#include "store_fixture.h"

#include "times.h"

/* ---- Building ---- */

static inline void add_side(struct ol__buf *out, const char *side, char *list)
{
    char *save = NULL;
    bool is_first = true;
    ol__buf_add_format(out, ",\"%s\":[", side);
    for (char *name = strtok_r(list, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save)) {
        char *version = strchr(name, '@');
        char *type = strchr(name, '*'), *change = strchr(name, '+');
        if (version != NULL)
            *version++ = '\0';
        if (type != NULL)
            *type = '\0';
        if (change != NULL)
            *change = '\0';
        ol__buf_add_format(out, "%s{\"namespace\":\"n\",\"name\":\"%s\",\"facets\":{",
                           is_first ? "" : ",", name);
        if (version != NULL)
            ol__buf_add_format(out,
                               "\"version\":{\"_producer\":\"p\",\"_schemaURL\":\"s\","
                               "\"datasetVersion\":\"%s\"}%s",
                               version, type != NULL ? "," : "");
        if (type != NULL)
            ol__buf_add_text(out, "\"datasetType\":{\"_producer\":\"p\",\"_schemaURL\":\"s\","
                                  "\"datasetType\":\"MODEL\"}");
        if (change != NULL)
            ol__buf_add_text(out,
                             "\"lifecycleStateChange\":{\"_producer\":\"p\",\"_schemaURL\":\"s\","
                             "\"lifecycleStateChange\":\"OVERWRITE\"}");
        ol__buf_add_text(out, "}}");
        is_first = false;
    }
    ol__buf_add_char(out, ']');
}

/* "[time:][uid/]job[^P][!|~]: a b@1 > c": one run, number @p n, starting in second `time` (else n)
 * and lasting half of one, whose end tells its datasets; with ! it failed, with ~ it runs on; ^P:
 * its parent is run 9000 + P; with = in place of the colon a JobEvent. NAME*@V is a model, NAME+
 * was overwritten. */
static inline void add_run(struct store *store, int n, const char *text)
{
    char copy[512], in[400] = "", out[400] = "", job[120] = "", time[OL_TIME_TEXT + 1];
    int second = n, uid = 1000, used = 0;
    snprintf(copy, sizeof copy, "%s", text);
    char *p = copy;
    if (sscanf(p, "%d:%n", &second, &used) == 1 && used > 0)
        p += used;
    used = 0;
    if (sscanf(p, "%d/%n", &uid, &used) == 1 && used > 0)
        p += used;
    char *colon = strpbrk(p, ":="), *arrow = strchr(p, '>');
    assert_true(colon != NULL && arrow != NULL);
    bool is_static = *colon == '=';
    snprintf(job, sizeof job, "%.*s", (int)(colon - p), p);
    snprintf(in, sizeof in, "%.*s", (int)(arrow - colon - 1), colon + 1);
    snprintf(out, sizeof out, "%s", arrow + 1);
    bool has_failed = strchr(job, '!') != NULL, is_running = strchr(job, '~') != NULL;
    const char *parent = strchr(job, '^');
    int under = parent != NULL ? 9000 + (int)strtol(parent + 1, NULL, 10) : 0;
    job[strcspn(job, "!^~")] = '\0';
    struct ol__buf event;
    ol__buf_init(&event, 1 << 20);
    for (int part = is_static; part < 2; part++) {
        ol__time_format(NOW + second * 1000 + part * 500, time);
        ol__buf_reset(&event);
        ol__buf_add_format(&event, "{\"eventTime\":\"%s\",\"producer\":\"p:x\"", time);
        if (!is_static)
            ol__buf_add_format(&event,
                               ",\"eventType\":\"%s\",\"run\":{\"runId\":\"01941f29-7c00-7837-a31d-"
                               "%012d\"",
                               part == 0    ? "START"
                               : is_running ? "RUNNING"
                               : has_failed ? "FAIL"
                                            : "COMPLETE",
                               n);
        if (!is_static && under != 0)
            ol__buf_add_format(&event,
                               ",\"facets\":{\"parent\":{\"_producer\":\"p\",\"_schemaURL\":\"s\","
                               "\"run\":{\"runId\":\"01941f29-7c00-7837-a31d-%012d\"},"
                               "\"job\":{\"namespace\":\"jobs\",\"name\":\"dag\"}}}",
                               under);
        if (!is_static)
            ol__buf_add_char(&event, '}');
        ol__buf_add_format(&event, ",\"job\":{\"namespace\":\"jobs\",\"name\":\"%s\"}", job);
        if (part == 1) {
            add_side(&event, "inputs", in);
            add_side(&event, "outputs", out);
        }
        ol__buf_add_char(&event, '}');
        struct ol_error err = {0};
        struct store_event taken = {.taken_ms = NOW,
                                    .uid = (uint32_t)uid,
                                    .data = {.data = event.data, .size = event.size}};
        if (store_add(store, &taken, true, &err) != OL_OK)
            fail_msg("%s: %s", event.data, err.message);
    }
    ol__buf_release(&event);
}

static inline void build(const char *const *runs)
{
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = 0; runs[i] != NULL; i++)
        add_run(store, i + 1, runs[i]);
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
}

/* ---- Reading answers: SQLite reads the JSON, so what we wrote is checked by someone else ---- */

static inline char *extract(const char *document, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_bind_text(stmt, 1, document, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_ROW)
        fail_msg("%s: %s", document, sqlite3_errmsg(db));
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    char *copy = strdup(text != NULL ? text : "");
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return copy;
}

#define RUN_NUMBER(run) "CAST(substr(json_extract(" run ", '$.run_id'), -4) AS INTEGER)"
#define NODES                                                                                      \
    "WITH n AS (SELECT value AS node, json_extract(value, '$.id') AS id, "                         \
    "CASE json_extract(value, '$.kind') WHEN 'run' THEN json_extract(value, '$.job.name') || '#' " \
    "|| " RUN_NUMBER(                                                                              \
        "value") " ELSE json_extract(value, '$.name') || "                                         \
                 "coalesce('@' || substr(json_extract(value, '$.version'), 1, 10), '') END || "    \
                 "coalesce('.' || json_extract(value, '$.column'), '') AS label "                  \
                 "FROM json_each(?1, '$.nodes')) "
/* "a@1>job#1 job#1>b", in order; ? behind an edge that may be one. */
#define EDGES                                                                                      \
    NODES "SELECT group_concat(x, ' ') FROM (SELECT f.label || '>' || t.label || "                 \
          "CASE WHEN json_extract(e.value, '$.maybe') THEN '?' ELSE '' END AS x "                  \
          "FROM json_each(?1, '$.edges') e JOIN n f ON f.id = json_extract(e.value, '$.from') "    \
          "JOIN n t ON t.id = json_extract(e.value, '$.to') ORDER BY 1)"
/* "job#2: 1 3": the other attempts of each run. */
#define ATTEMPTS                                                                                   \
    NODES "SELECT group_concat(x, ', ') FROM (SELECT label || ': ' || (SELECT group_concat("       \
          "r, ' ') FROM (SELECT " RUN_NUMBER(                                                      \
              "value") " AS r "                                                                    \
                       "FROM json_each(node, '$.attempts') ORDER BY 1)) AS x FROM n "              \
                       "WHERE json_extract(node, '$.attempts') IS NOT NULL ORDER BY 1)"
#define AFFECTED "SELECT json_extract(?1, '$.affected')"

typedef ol_status question_function(struct store *store, const struct store_question *question,
                                    struct ol__buf *out, struct ol_error *err);

static inline char *answer(question_function *function, const struct store_question *question,
                           ol_status expected)
{
    struct store *store = fixture_open(STORE_READ);
    struct ol__buf out;
    struct ol_error err = {0};
    ol__buf_init(&out, 64u << 20);
    ol_status status = function(store, question, &out, &err);
    if (status != expected)
        fail_msg("%s: status %d, not %d: %s", question->subject, (int)status, (int)expected,
                 err.message);
    store_close(store);
    return ol__buf_take(&out);
}

static inline void expect(question_function *function, const struct store_question *question,
                          const char *sql, const char *expected)
{
    char *document = answer(function, question, OL_OK), *got = extract(document, sql);
    if (strcmp(got, expected) != 0)
        fail_msg("%s %s:\n got      %s\n expected %s\n document %s", question->subject,
                 function == store_why ? "why" : "impact", got, expected, document);
    free(document);
    free(got);
}
#endif
