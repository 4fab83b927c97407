/* SPDX-License-Identifier: Apache-2.0 */
/* The store as OpenLineage events, a page at a time.
 * Promises:
 *  1. Pages are of about PAGE_BYTES, however large the store, a run or its answers are: memory
 *     stays flat. The last line of a page says where the next one begins, or that there is none, so
 *     that a page that was cut is seen to be.
 *  2. The order is that of the rows: static events of jobs, of datasets, then runs, each with its
 *     answers, as they came. Two exports of the same store are the same bytes.
 *  3. An asker with a uid gets what the other questions show: runs of that uid, and what only that
 *     uid said of jobs and datasets.
 *  4. What is damaged is left out, in as small a piece as an event can do without; the last line of
 *     the page names it.
 *  5. Where all events of a run were kept as they came, these are given; else what the store knows
 *     (export_plan.c). */
#include "export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PAGE_BYTES ((size_t)1 << 20) /* about 20 ms: whoever else asks waits that long */
#define TEXT_MAX ((size_t)16 << 20)
#define PARTS "jdr"

/* Where a page begins: part of the store, the row that was done last or is under way, and in it the
 * next item and the last answer, or the last raw event. */
struct place_in {
    char part;   /* 'j', 'd', 'r'; 'w': in the raw events of a run */
    int64_t row; /* rows up to it are done; with is_inside it is the one under way */
    int64_t item;
    int64_t answer;
    bool is_inside;
};

static bool is_page_full(const struct export *ex)
{
    return ex->out->size >= PAGE_BYTES;
}

static void write_place(struct export *ex, const struct place_in *at)
{
    ol__buf_add_text(ex->out, "{\"export\":{");
    if (at->part != '\0')
        ol__buf_add_format(ex->out, "\"next\":\"%c.%" PRId64 ".%" PRId64 ".%" PRId64 ".%d\"",
                           at->part, at->row, at->item, at->answer, at->is_inside);
    else
        ol__buf_add_text(ex->out, "\"done\":true");
    ol__buf_add_char(ex->out, '}');
    damage_tell(ex->store, ex->out);
    ol__buf_add_text(ex->out, "}\n");
}

/* A number and the character behind it, past which *at goes. */
static bool read_number(const char **at, char behind, int64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoll(*at, &end, 10);
    if (errno != 0 || **at < '0' || **at > '9' || *end != behind)
        return false;
    *at = behind == '\0' ? end : end + 1;
    return true;
}

static ol_status read_place(const char *text, struct place_in *ret, struct ol_error *err)
{
    int64_t inside = 0;
    *ret = (struct place_in){.part = 'j'};
    if (text == NULL)
        return OL_OK;
    const char *at = text[0] != '\0' && text[1] == '.' ? text + 2 : "";
    if (text[0] == '\0' || strchr(PARTS "w", text[0]) == NULL ||
        !read_number(&at, '.', &ret->row) || !read_number(&at, '.', &ret->item) ||
        !read_number(&at, '.', &ret->answer) || !read_number(&at, '\0', &inside))
        return ol__error_set(err, OL_INVALID,
                             "after: '%.60s': expected the text that the last page named", text);
    ret->part = text[0];
    ret->is_inside = inside != 0;
    return OL_OK;
}

/* The id of a text, 0 if there is none. */
static ol_status find_text(struct export *ex, struct ol__span text, int64_t *ret)
{
    sqlite3_stmt *stmt =
        store_bind(ex->store, SQL_TEXT_FIND, ex->err, "it", dict_text_hash(ex->store, text), text);
    ol_status status = store_step(ex->store, stmt, ex->err);
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status == OL_END ? OL_OK : status;
}

/* ---- What the plan's items say, from at->item on ---- */

static ol_status write_items(struct export *ex, struct place_in *at)
{
    size_t i = (size_t)at->item;
    ol_status status = OL_OK;
    while (status == OL_OK && i < ex->plan.count && !is_page_full(ex)) {
        size_t begin = ex->out->size, from = i;
        status = export_event_write(ex, from, &i);
        if (status == OL_NOT_FOUND) { /* promise 4 */
            ol__buf_truncate(ex->out, begin);
            for (i = from + 1; i < ex->plan.count &&
                               export_same_event(&ex->plan.items[from], &ex->plan.items[i]);)
                i++;
            status = OL_OK;
        }
    }
    at->item = (int64_t)i;
    at->is_inside = status == OL_OK && i < ex->plan.count;
    return status;
}

/* ---- Jobs and datasets ---- */

static ol_status export_static(struct export *ex, enum ask_kind kind, int64_t id, int64_t seen,
                               struct place_in *at)
{
    ex->subject.kind = kind;
    ex->subject.row = (struct run_row){.id = 0};
    ex->subject.job = kind == ASK_JOB ? id : 0;
    ex->subject.dataset = kind == ASK_DATASET ? id : 0;
    ex->subject.seen = seen;
    ol_status status = export_plan_make(ex);
    return status == OL_OK ? write_items(ex, at) : status;
}

/* The next row that has something to say. @return OL_OK, OL_END. */
static ol_status next_static(struct export *ex, enum ask_kind kind, struct place_in *at,
                             int64_t *ret_seen)
{
    sqlite3_stmt *stmt =
        store_bind(ex->store, kind == ASK_JOB ? SQL_EXPORT_JOBS : SQL_EXPORT_DATASETS, ex->err, "i",
                   at->is_inside ? at->row - 1 : at->row);
    ol_status status;
    while ((status = store_step(ex->store, stmt, ex->err)) == OL_OK) {
        int64_t row = sqlite3_column_int64(stmt, 0);
        if (sqlite3_column_type(stmt, 3) == SQLITE_NULL ||
            !ask_may_see(&ex->ask, sqlite3_column_int64(stmt, 1)))
            continue;
        if (row != at->row) /* the one under way is gone */
            at->item = 0;
        at->row = row;
        *ret_seen = sqlite3_column_int64(stmt, 2);
        status = ask_read_state(&ex->ask, &ex->ask.state, store_column(stmt, 3),
                                kind == ASK_JOB ? "jobs" : "datasets", row);
        break;
    }
    sqlite3_reset(stmt);
    return status;
}

static ol_status export_statics(struct export *ex, enum ask_kind kind, struct place_in *at)
{
    ol_status status = OL_OK;
    int64_t seen = 0;
    while (status == OL_OK && !is_page_full(ex) &&
           (status = next_static(ex, kind, at, &seen)) == OL_OK) {
        status = export_static(ex, kind, at->row, seen, at);
        if (!at->is_inside)
            at->item = 0;
    }
    return status;
}

/* ---- Runs ---- */

static ol_status export_raw(struct export *ex, struct place_in *at)
{
    sqlite3_stmt *stmt = store_bind(ex->store, SQL_EXPORT_RAW, ex->err, "ii", at->row, at->answer);
    ol_status status = OL_OK;
    while (!is_page_full(ex) && (status = store_step(ex->store, stmt, ex->err)) == OL_OK) {
        struct ol__span data = store_column(stmt, 1);
        at->answer = sqlite3_column_int64(stmt, 0);
        if (memchr(data.data, '\n', data.size) == NULL)
            ol__buf_add(ex->out, data.data, data.size);
        else
            status = ol__json_minify(ex->store->json, data, NULL, ex->out, ex->err);
        if (status == OL_OK)
            status = ol__buf_add_char(ex->out, '\n');
        if (status != OL_OK)
            break;
    }
    sqlite3_reset(stmt);
    at->part = status == OL_OK ? 'w' : 'r';
    at->is_inside = status == OL_OK;
    return status == OL_END ? OL_OK : status;
}

/* One number from a statement, 0 if there is none. */
static ol_status take_number(struct export *ex, sqlite3_stmt *stmt, int64_t *ret)
{
    ol_status status = store_step(ex->store, stmt, ex->err);
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status == OL_END ? OL_OK : status;
}

/* Answers of the run that carry @p ids (0: none), behind @p after, as far as there is room. */
static ol_status export_answers_of(struct export *ex, struct place_in *at, int64_t ids,
                                   int64_t after)
{
    enum { BATCH = 500 };
    int64_t found[BATCH];
    ol_status status = OL_OK;
    int count = BATCH;
    while (status == OL_OK && count == BATCH && !is_page_full(ex)) {
        sqlite3_stmt *stmt = store_bind(ex->store, SQL_EXPORT_ANSWERS, ex->err, "inii", at->row,
                                        ids, after, (int64_t)BATCH);
        count = 0;
        while (count < BATCH && (status = store_step(ex->store, stmt, ex->err)) == OL_OK)
            found[count++] = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        status = status < 0 ? status : OL_OK;
        for (int i = 0; i < count && status == OL_OK && !is_page_full(ex); i++) {
            size_t begin = ex->out->size;
            status = export_answer_write(ex, found[i]);
            at->answer = after = found[i];
            if (status == OL_NOT_FOUND) {
                ol__buf_truncate(ex->out, begin);
                status = OL_OK;
            }
        }
    }
    return status;
}

static ol_status export_answers(struct export *ex, struct place_in *at)
{
    int64_t ids = 0, after = at->answer;
    ol_status status = OL_OK;
    if (ex->store->schema < 2)
        return OL_OK;
    if (at->answer != 0)
        status = take_number(ex, store_bind(ex->store, SQL_EXPORT_ANSWER, ex->err, "i", at->answer),
                             &ids);
    while (status == OL_OK && !is_page_full(ex)) {
        status = export_answers_of(ex, at, ids, after);
        after = 0;
        if (status != OL_OK || is_page_full(ex))
            break;
        status = take_number(
            ex, store_bind(ex->store, SQL_EXPORT_ANSWER_IDS, ex->err, "ii", at->row, ids), &ids);
        if (ids == 0)
            break;
    }
    at->is_inside = is_page_full(ex); /* there may be more */
    return status;
}

/* Whether @p event is the first that was taken of the run. */
static bool is_first(struct export *ex, struct ol__span text)
{
    const struct ol__event *event;
    if (ex->store->reader == NULL && ol__event_reader_new(&ex->store->reader, NULL) != OL_OK)
        return false; /* one that only reads has none yet */
    return ol__event_read(ex->store->reader, text, OL_EVENT_CORE, NULL, -1, &event, NULL) ==
               OL_OK &&
           event->time_ms == ex->subject.row.born;
}

/* Whether every event of the run that said something was kept as it came: the first one is there,
 * and as many as counted. */
static ol_status has_raw(struct export *ex, bool *ret)
{
    bool has_first = false;
    sqlite3_stmt *stmt =
        store_bind(ex->store, SQL_EXPORT_RAW_COUNT, ex->err, "i", ex->subject.row.id);
    ol_status status = store_step(ex->store, stmt, ex->err);
    int64_t count = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    if (count > 0 && count >= ex->subject.row.events) {
        stmt = store_bind(ex->store, SQL_EXPORT_RAW_FIRST, ex->err, "i", ex->subject.row.id);
        status = store_step(ex->store, stmt, ex->err);
        has_first = status == OL_OK && is_first(ex, store_column(stmt, 0));
        sqlite3_reset(stmt);
    }
    *ret = has_first;
    return status == OL_END ? OL_OK : status;
}

static ol_status look_at_answers(struct export *ex)
{
    ex->subject.has_last = false;
    if (ex->store->schema < 2)
        return OL_OK;
    sqlite3_stmt *stmt =
        store_bind(ex->store, SQL_EXPORT_LAST_ANSWER, ex->err, "i", ex->subject.row.id);
    ol_status status = store_step(ex->store, stmt, ex->err);
    if (status == OL_OK)
        ex->subject.has_last = sqlite3_column_int64(stmt, 0) == ex->subject.row.last;
    sqlite3_reset(stmt);
    return status == OL_END ? OL_OK : status;
}

/* The row of @p stmt into ex->subject, its state into ex->ask.state. */
static ol_status take_run(struct export *ex, sqlite3_stmt *stmt)
{
    struct ol__span text, column;
    char id[OL_UUID_TEXT + 1];
    run_row_read(stmt, &ex->subject.row, &text, &column);
    ex->subject.kind = ASK_RUN;
    ex->subject.job = ex->subject.row.job;
    ex->subject.dataset = 0;
    ol__buf_reset(&ex->subject.run_id);
    ol__uuid_format(&ex->subject.row.uuid, id);
    if (text.size == 0)
        text = ol__span_text(id);
    ol_status status = ol__buf_add(&ex->subject.run_id, text.data, text.size);
    return status == OL_OK
               ? ask_read_state(&ex->ask, &ex->ask.state, column, "runs", ex->subject.row.id)
               : status;
}

static ol_status export_run(struct export *ex, struct place_in *at)
{
    bool is_raw = at->part == 'w';
    ol_status status = OL_OK;
    if (!at->is_inside)
        status = has_raw(ex, &is_raw);
    if (status != OL_OK || is_raw)
        return status == OL_OK ? export_raw(ex, at) : status;
    status = look_at_answers(ex);
    if (status == OL_OK)
        status = export_plan_make(ex);
    if (status == OL_OK && (size_t)at->item < ex->plan.count)
        status = write_items(ex, at);
    if (status == OL_OK && (size_t)at->item >= ex->plan.count) {
        at->is_inside = false;
        status = export_answers(ex, at);
    }
    return status;
}

static ol_status next_run(struct export *ex, struct place_in *at)
{
    ol_status status;
    for (;;) {
        int64_t after = at->is_inside ? at->row - 1 : at->row;
        sqlite3_stmt *stmt = store_bind(ex->store, SQL_EXPORT_RUNS, ex->err, "i", after);
        status = store_step(ex->store, stmt, ex->err);
        if (status == OL_OK)
            status = take_run(ex, stmt);
        sqlite3_reset(stmt);
        if (status != OL_OK)
            return status;
        if (ex->subject.row.id != at->row) { /* not the one under way, or that is gone */
            at->is_inside = false;
            at->part = 'r';
        }
        at->row = ex->subject.row.id;
        /* one that others named only comes back by what they say */
        if (ex->subject.row.status != RUN_NEW && ask_may_see(&ex->ask, ex->subject.row.uid))
            return OL_OK;
    }
}

static ol_status export_runs(struct export *ex, struct place_in *at)
{
    ol_status status = OL_OK;
    while (status == OL_OK && !is_page_full(ex) && (status = next_run(ex, at)) == OL_OK) {
        if (!at->is_inside)
            at->item = at->answer = 0;
        status = export_run(ex, at);
        if (!at->is_inside)
            at->item = at->answer = 0;
    }
    return status;
}

/* ---- One thing ---- */

/* @return OL_NOT_FOUND: it is not there, or not to be seen, or says nothing. */
static ol_status export_named_run(struct export *ex, struct ol__span id, struct place_in *at)
{
    struct ol__uuid uuid = run_uuid(id);
    struct ol__span key = {.data = (const char *)uuid.bytes, .size = sizeof uuid.bytes};
    sqlite3_stmt *stmt = store_bind(ex->store, SQL_RUN_FIND, ex->err, "b", key);
    ol_status status = store_step(ex->store, stmt, ex->err);
    if (status == OL_OK)
        status = take_run(ex, stmt);
    sqlite3_reset(stmt);
    if (status == OL_END || (status == OL_OK && (ex->subject.row.status == RUN_NEW ||
                                                 !ask_may_see(&ex->ask, ex->subject.row.uid))))
        return OL_NOT_FOUND;
    at->row = ex->subject.row.id;
    return status == OL_OK ? export_run(ex, at) : status;
}

static ol_status export_named_static(struct export *ex, enum ask_kind kind, struct ol__span name,
                                     struct place_in *at)
{
    const char *split = memchr(name.data, '\x1f', name.size);
    int64_t name_space = 0, id = 0, seen = 0;
    if (split == NULL)
        return ol__error_set(ex->err, OL_INVALID, "subject: expected NAMESPACE U+001F NAME");
    struct ol__span head = {name.data, (size_t)(split - name.data)};
    struct ol__span tail = {split + 1, name.size - head.size - 1};
    ol_status status = find_text(ex, head, &name_space);
    if (status != OL_OK || name_space == 0)
        return status == OL_OK ? OL_NOT_FOUND : status;
    sqlite3_stmt *stmt = store_bind(ex->store, kind == ASK_JOB ? SQL_JOB_FIND : SQL_DATASET_FIND,
                                    ex->err, "ti", tail, name_space);
    status = store_step(ex->store, stmt, ex->err);
    if (status == OL_OK)
        id = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    if (status != OL_OK)
        return status == OL_END ? OL_NOT_FOUND : status;
    struct place_in row = {.part = at->part, .row = id, .item = at->item, .is_inside = true};
    status = next_static(ex, kind, &row, &seen);
    if (status != OL_OK || row.row != id)
        return status == OL_OK || status == OL_END ? OL_NOT_FOUND : status;
    status = export_static(ex, kind, id, seen, &row);
    *at = row;
    return status;
}

static ol_status export_one(struct export *ex, struct place_in *at)
{
    struct ol__span text = ol__span_text(ex->ask.question->subject);
    static const struct {
        struct ol__span prefix;
        enum ask_kind kind;
    } kinds[] = {{OL_SPAN_LIT("run\x1f"), ASK_RUN},
                 {OL_SPAN_LIT("job\x1f"), ASK_JOB},
                 {OL_SPAN_LIT("dataset\x1f"), ASK_DATASET}};
    for (size_t i = 0; i < OL_COUNT(kinds); i++) {
        struct ol__span prefix = kinds[i].prefix;
        if (text.size <= prefix.size || memcmp(text.data, prefix.data, prefix.size) != 0)
            continue;
        text.data += prefix.size;
        text.size -= prefix.size;
        return kinds[i].kind == ASK_RUN ? export_named_run(ex, text, at)
                                        : export_named_static(ex, kinds[i].kind, text, at);
    }
    return ol__error_set(ex->err, OL_INVALID,
                         "subject: expected run, job or dataset, then U+001F and its id or names");
}

/* ---- All of it ---- */

static ol_status export_all(struct export *ex, struct place_in *at)
{
    ol_status status = OL_OK;
    while (at->part != '\0' && status == OL_OK && !is_page_full(ex)) {
        status = at->part == 'j'   ? export_statics(ex, ASK_JOB, at)
                 : at->part == 'd' ? export_statics(ex, ASK_DATASET, at)
                                   : export_runs(ex, at);
        if (status != OL_END)
            continue;
        *at = (struct place_in){.part = at->part == 'j' ? 'd' : at->part == 'd' ? 'r' : '\0'};
        status = OL_OK;
    }
    return status;
}

ol_status store_export(struct store *store, const struct store_question *question,
                       struct ol__buf *out, struct ol_error *err)
{
    struct export ex = {.store = store, .out = out, .err = err};
    struct place_in at;
    ol_status status = read_place(question->after, &at, err);
    if (status == OL_OK)
        status = ask_begin(&ex.ask, store, question, 0, out, err);
    if (status != OL_OK)
        return status;
    ol__buf_init(&ex.subject.run_id, TEXT_MAX);
    ol__buf_init(&ex.text, TEXT_MAX);
    ol__buf_init(&ex.facet, (size_t)64 << 20);
    status = find_text(&ex, OL_SPAN_LIT("version"), &ex.version_key);
    if (status == OL_OK)
        status = find_text(&ex, OL_SPAN_LIT("parent"), &ex.parent_key);
    if (status == OL_OK)
        status = find_text(&ex, OL_SPAN_LIT("lineaged_inferred"), &ex.inferred_key);
    if (status == OL_OK && question->subject != NULL) {
        if (question->after == NULL)
            at.part = 'r';
        status = export_one(&ex, &at);
        if (!at.is_inside)
            at.part = '\0';
    } else if (status == OL_OK) {
        status = export_all(&ex, &at);
    }
    if (status == OL_OK)
        write_place(&ex, &at);
    if (status == OL_NOT_FOUND)
        ol__error_set(err, OL_NOT_FOUND, "nothing by that name is recorded");
    export_plan_release(&ex.plan);
    ol__buf_release(&ex.subject.run_id);
    ol__buf_release(&ex.text);
    ol__buf_release(&ex.facet);
    return ask_end(&ex.ask, status);
}
