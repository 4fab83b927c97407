/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, runs and datasets on one line each, `runs` as a table, `show` as sections. */
#include <inttypes.h>
#include <stdio.h>
#include "times.h"
#include "tree.h"
#include "when.h"

#define RUN_SHOWN 13 /* of a run id: all the milliseconds of a version 7 */
#define HASH_SHOWN 8

void rows_time(const char *text, char out[ROWS_TEXT])
{
    int64_t unix_ms;
    char full[OL_TIME_TEXT + 1];
    out[0] = '\0';
    if (text == NULL || ol__time_parse(ol__span_text(text), &unix_ms, NULL) != OL_OK)
        return;
    ol__time_format(unix_ms, full);
    snprintf(out, ROWS_TEXT, "%.10s %.8sZ", full, full + 11);
}

void rows_duration(const char *begin, const char *end, char out[ROWS_TEXT])
{
    int64_t from, to;
    out[0] = '\0';
    if (begin == NULL || end == NULL ||
        ol__time_parse(ol__span_text(begin), &from, NULL) != OL_OK ||
        ol__time_parse(ol__span_text(end), &to, NULL) != OL_OK || to < from)
        return;
    when_shown(to - from, out, ROWS_TEXT);
}

static const char *dots(const struct pretty *p)
{
    return p->is_utf8 ? "\xe2\x80\xa6" : "...";
}

/** The first @p keep characters of an id, and a sign that there is more. */
static void write_short(struct pretty *p, enum pretty_colour colour, const char *text, size_t keep)
{
    char cut[64];
    if (strlen(text) <= keep || keep >= sizeof cut) {
        pretty_text(p, colour, text);
        return;
    }
    snprintf(cut, sizeof cut, "%.*s", (int)keep, text);
    pretty_text(p, colour, cut);
    ol__buf_add_text(p->out, dots(p));
}

static const char *text_or(const struct json_node *node, const char *key, const char *fallback)
{
    const char *text = json_get_text(node, key);
    return text != NULL ? text : fallback;
}

void rows_dataset(struct pretty *p, const struct json_node *dataset, enum pretty_colour colour)
{
    const char *version = json_get_text(dataset, "version");
    pretty_text(p, PRETTY_DIM, text_or(dataset, "namespace", "?"));
    ol__buf_add_char(p->out, ' ');
    pretty_text(p, colour, text_or(dataset, "name", "?"));
    if (version == NULL)
        return;
    ol__buf_add_text(p->out, "  ");
    if (strncmp(version, "sha256:", 7) == 0)
        write_short(p, PRETTY_DIM, version, 7 + HASH_SHOWN);
    else
        pretty_text(p, PRETTY_DIM, version);
}

static void write_job(struct pretty *p, const struct json_node *job)
{
    pretty_text(p, PRETTY_BOLD, text_or(job, "name", "?"));
    ol__buf_add_text(p->out, " (");
    pretty_text(p, PRETTY_PLAIN, text_or(job, "namespace", "?"));
    ol__buf_add_char(p->out, ')');
}

void rows_run_id(struct pretty *p, const struct json_node *run)
{
    write_short(p, PRETTY_PLAIN, text_or(run, "run_id", "?"), RUN_SHOWN);
}

void rows_run(struct pretty *p, const struct json_node *run)
{
    char text[ROWS_TEXT];
    const char *state = json_get_text(run, "state");
    const char *started = json_get_text(run, "started");
    const struct json_node *job = json_get(run, "job");
    write_job(p, job != NULL ? job : run);
    if (json_get_text(run, "run_id") == NULL)
        return;
    ol__buf_add_text(p->out, "  run ");
    rows_run_id(p, run);
    if (state != NULL) {
        ol__buf_add_text(p->out, "  ");
        pretty_text(p, pretty_state_colour(state), state);
        if (json_get_bool(run, "inferred"))
            ol__buf_add_text(p->out, " (inferred)");
    }
    rows_time(started, text);
    if (text[0] != '\0')
        ol__buf_add_format(p->out, "  %s", text);
    rows_duration(started, json_get_text(run, "ended"), text);
    if (text[0] != '\0')
        ol__buf_add_format(p->out, "  %s", text);
}

/* ---- runs ---- */

enum { RUN_ID, RUN_STATE, RUN_STARTED, RUN_TOOK, RUN_JOB, RUN_BELOW, RUN_ERROR, RUN_COLUMNS };

static const char *join(struct ol__arena *arena, const char *a, const char *between, const char *b)
{
    size_t size = strlen(a) + strlen(between) + strlen(b) + 1;
    char *out = ol__arena_alloc(arena, size);
    if (out != NULL)
        snprintf(out, size, "%s%s%s", a, between, b);
    return out;
}

/** "12, 3 failed": what `runs --by-root` counts below a run; NULL: nobody counted. */
static const char *below(struct ol__arena *arena, const struct json_node *counts)
{
    char text[ROWS_TEXT * 2];
    int64_t failed = json_get_int(counts, "failed", 0), open = json_get_int(counts, "running", 0);
    if (counts == NULL)
        return NULL;
    int size = snprintf(text, sizeof text, "%" PRId64, json_get_int(counts, "runs", 0));
    if (failed > 0)
        size += snprintf(text + size, sizeof text - (size_t)size, ", %" PRId64 " failed", failed);
    if (open > 0)
        snprintf(text + size, sizeof text - (size_t)size, ", %" PRId64 " running", open);
    return join(arena, text, "", "");
}

static bool fill_row(struct ol__arena *arena, const struct json_node *run, const char **row)
{
    char time[ROWS_TEXT], took[ROWS_TEXT];
    const struct json_node *job = json_get(run, "job");
    const char *state = text_or(run, "state", "");
    if (json_get_text(run, "run_id") == NULL) /* a static edge: the job itself */
        job = job != NULL ? job : run;
    rows_time(json_get_text(run, "started"), time);
    rows_duration(json_get_text(run, "started"), json_get_text(run, "ended"), took);
    row[RUN_ID] = text_or(run, "run_id", "-");
    row[RUN_STATE] = json_get_bool(run, "inferred") ? join(arena, state, "", " (inferred)") : state;
    row[RUN_STARTED] = join(arena, time, "", "");
    row[RUN_TOOK] = join(arena, took, "", "");
    row[RUN_JOB] = join(arena, text_or(job, "namespace", "?"), "/", text_or(job, "name", "?"));
    row[RUN_ERROR] = json_get_text(run, "error");
    row[RUN_BELOW] = below(arena, json_get(run, "below"));
    return row[RUN_STATE] != NULL && row[RUN_STARTED] != NULL && row[RUN_TOOK] != NULL &&
           row[RUN_JOB] != NULL;
}

/** The runs of @p array as a table. @return OL_OK, OL_NOMEM. */
static ol_status write_runs(struct pretty *p, const struct json_node *array, int indent)
{
    struct ol__arena arena = {.first = NULL};
    struct pretty_table table = {
        .arena = &arena,
        .columns = RUN_COLUMNS,
        .heads = {"RUN", "STATE", "STARTED", "TOOK", "JOB", "BELOW", "ERROR"},
        .flexible = RUN_JOB};
    ol_status st = OL_OK;
    bool has_error = false, has_below = false;
    for (const struct json_node *run = array->first; run != NULL && st == OL_OK; run = run->next) {
        const char **row = pretty_table_row(&table);
        if (row == NULL || !fill_row(&arena, run, row))
            st = OL_NOMEM;
        else
            has_error = has_error || row[RUN_ERROR] != NULL;
        has_below = has_below || json_get(run, "below") != NULL;
    }
    if (!has_below) { /* its place is free */
        table.heads[RUN_BELOW] = table.heads[RUN_ERROR];
        for (size_t i = 0; i < table.count; i++)
            table.rows[i][RUN_BELOW] = table.rows[i][RUN_ERROR];
        table.columns--;
    }
    if (has_error)
        table.flexible = (int)table.columns - 1;
    else
        table.columns--;
    if (st == OL_OK)
        pretty_table_print(p, &table, indent);
    pretty_table_release(&table);
    ol__arena_reset(&arena, 0);
    return st;
}

static ol_status finish(struct pretty *p, ol_status st, struct ol_error *err)
{
    if (st == OL_OK)
        st = p->out->status;
    return st == OL_OK ? OL_OK : ol__error_set(err, st, "the answer: %s", ol__status_name(st));
}

ol_status tree_runs(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *runs = json_get(root, "runs");
    if (runs == NULL || runs->type != OL_JSON_ARRAY)
        return ol__error_set(err, OL_INVALID, "the answer is no list of runs");
    if (runs->count == 0) {
        ol__buf_add_text(p->out, "no runs\n");
        return finish(p, OL_OK, err);
    }
    ol_status st = write_runs(p, runs, 0);
    if (json_get_bool(root, "truncated"))
        ol__buf_add_text(p->out, "(there are more: --limit N)\n");
    return finish(p, st, err);
}

/* ---- show ---- */

static bool is_runs(const char *key)
{
    return strcmp(key, "written_by") == 0 || strcmp(key, "read_by") == 0 ||
           strcmp(key, "runs") == 0 || strcmp(key, "children") == 0;
}

static ol_status show_datasets(struct pretty *p, const struct json_node *array)
{
    for (const struct json_node *d = array->first; d != NULL; d = d->next) {
        ol__buf_add_text(p->out, "    ");
        rows_dataset(p, d, PRETTY_PLAIN);
        ol__buf_add_char(p->out, '\n');
        for (const struct json_node *n = d->first; n != NULL; n = n->next) {
            if (n->type == OL_JSON_OBJECT)
                pretty_sections(p, n, 6);
        }
    }
    return OL_OK;
}

/** One dataset, job or run in full. */
static ol_status show_one(struct pretty *p, const struct json_node *thing)
{
    ol_status st = OL_OK;
    struct json_node scalars = {.type = OL_JSON_OBJECT};
    struct json_node copies[64];
    size_t count = 0;
    for (const struct json_node *n = thing->first; n != NULL && count < OL_COUNT(copies);
         n = n->next) {
        if (n->type == OL_JSON_OBJECT || n->type == OL_JSON_ARRAY)
            continue;
        copies[count] = *n;
        copies[count].next = NULL;
        if (count > 0)
            copies[count - 1].next = &copies[count];
        count++;
    }
    scalars.first = count > 0 ? copies : NULL;
    pretty_sections(p, &scalars, 2);
    for (const struct json_node *n = thing->first; n != NULL && st == OL_OK; n = n->next) {
        if ((n->type != OL_JSON_OBJECT && n->type != OL_JSON_ARRAY) || n->count == 0 ||
            strcmp(n->key, "job") == 0)
            continue;
        ol__buf_add_text(p->out, "  ");
        pretty_text(p, PRETTY_BOLD, n->key);
        ol__buf_add_char(p->out, '\n');
        if (is_runs(n->key))
            st = write_runs(p, n, 4);
        else if (strcmp(n->key, "inputs") == 0 || strcmp(n->key, "outputs") == 0)
            st = show_datasets(p, n);
        else
            pretty_sections(p, n, 4);
    }
    return st;
}

void rows_answer(struct pretty *p, const struct json_node *answer)
{
    const struct json_node *run = json_get(answer, "run");
    char time[ROWS_TEXT];
    rows_time(json_get_text(answer, "at"), time);
    pretty_text(p, PRETTY_BOLD, text_or(json_get(answer, "answer"), "request_id", "?"));
    ol__buf_add_format(p->out, "  %s", time);
    if (run != NULL) {
        ol__buf_add_text(p->out, "  by ");
        rows_run(p, run);
    }
}

ol_status tree_show(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    static const char *const members[] = {"datasets", "jobs", "runs", "answers"};
    ol_status st = OL_OK;
    bool is_first = true;
    for (size_t i = 0; i < OL_COUNT(members); i++) {
        for (const struct json_node *n = json_get_items(root, members[i]); n != NULL && st == OL_OK;
             n = n->next) {
            if (!is_first)
                ol__buf_add_char(p->out, '\n');
            is_first = false;
            if (i == 0)
                rows_dataset(p, n, PRETTY_BOLD);
            else if (i == 3)
                rows_answer(p, n);
            else
                rows_run(p, n);
            ol__buf_add_char(p->out, '\n');
            st = show_one(p, n);
        }
    }
    if (is_first)
        return ol__error_set(err, OL_INVALID, "the answer shows nothing");
    return finish(p, st, err);
}
