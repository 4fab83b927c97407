/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A document is of one moment: all of a question's statements run in one read transaction.
 *  2. With a uid, runs of others, and datasets and jobs that only others touched, are as if they
 * were not there.
 *  3. With a time, what was told later is as if it were not there: a run that had not ended is
 * running, one that had not begun is not there. But a facet that was replaced since is gone. */
#include "ask.h"

#include <stdio.h>
#include <stdlib.h>
#include "times.h"

#define FACET_MAX (64u << 20) /* more than any event */

bool ask_may_see(const struct ask *ask, int64_t uid)
{
    return ask->question->uid == STORE_ANY_UID || ask->question->uid == uid;
}

/* ---- Frame ---- */

/* "2026-11-21T09:00:00Z", or a date: then all of that day had come. */
static ol_status read_at(struct ask *ask)
{
    const char *text = ask->question->at;
    char of_day[sizeof "2026-11-21T23:59:59.999Z"];
    ask->at = INT64_MAX;
    if (text == NULL)
        return OL_OK;
    if (strlen(text) == sizeof "2026-11-21" - 1) {
        snprintf(of_day, sizeof of_day, "%sT23:59:59.999Z", text);
        text = of_day;
    }
    if (ol__time_parse(ol__span_text(text), &ask->at, NULL) == OL_OK)
        return OL_OK;
    return ol__error_set(ask->err, OL_INVALID,
                         "at: '%.60s': expected a time as 2026-11-21T09:00:00Z, or a date",
                         ask->question->at);
}

ol_status ask_begin(struct ask *ask, struct store *store, const struct store_question *question,
                    int64_t nodes, struct ol__buf *out, struct ol_error *err)
{
    *ask = (struct ask){.store = store, .question = question, .err = err};
    ol_status status = read_at(ask);
    if (status != OL_OK)
        return status;
    ol__json_writer_init(&ask->json, out);
    ask->slots = ASK_CACHED;
    while ((int64_t)ask->slots < nodes)
        ask->slots *= 2;
    ask->runs = calloc(ask->slots, sizeof *ask->runs); /* untouched pages cost nothing */
    ask->writers = calloc(ask->slots, sizeof *ask->writers);
    ask->begun = out->size;
    damage_begin(store);
    int code = sqlite3_exec(store->db, "BEGIN", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return OL_OK;
    store->damage.is_noted = false;
    free(ask->runs);
    free(ask->writers);
    return store_db_error(store, code, "begin to read", err);
}

ol_status ask_end(struct ask *ask, ol_status status)
{
    for (int i = 0; i < SQL_COUNT; i++) /* a statement left in its middle keeps the transaction */
        sqlite3_reset(ask->store->statements[i]);
    OL_IGNORE(sqlite3_exec(ask->store->db, "COMMIT", NULL, NULL, NULL), "it only read");
    state_release(&ask->state);
    state_release(&ask->told);
    free(ask->runs);
    free(ask->writers);
    status = damage_end(ask->store, ask->json.out, ask->begun, status, ask->err);
    if (status >= 0 && ask->json.out->status != OL_OK)
        return ol__error_set(ask->err, ask->json.out->status, "the answer: %s",
                             ol__status_name(ask->json.out->status));
    return status;
}

/* ---- Rows ---- */

ol_status ask_read_state(struct ask *ask, struct state *ret, struct ol__span column,
                         const char *table, int64_t id)
{
    ol_status status = state_read(ret, column, ask->err);
    if (status != OL_CORRUPT)
        return status;
    damage_note(ask->store, table, id);
    ret->count = 0;
    return OL_OK;
}

static struct ask_cached_run *run_slot(const struct ask *ask, int64_t id)
{
    return ask->runs != NULL ? &ask->runs[(size_t)id & (ask->slots - 1)] : NULL;
}

static void remember_run(struct ask *ask, const struct ask_run *run)
{
    struct ask_cached_run *slot = run_slot(ask, run->row.id);
    if (slot == NULL || strlen(run->run_id) >= sizeof slot->run_id)
        return;
    slot->row = run->row;
    memcpy(slot->run_id, run->run_id, strlen(run->run_id) + 1);
}

/* Promise 3. @return OL_OK or OL_NOT_FOUND. */
static ol_status as_it_was(const struct ask *ask, struct run_row *row)
{
    if (row->started > ask->at)
        return OL_NOT_FOUND;
    if (row->ended > ask->at) {
        row->status = RUN_RUNNING;
        row->flags &= ~(int64_t)RUN_INFERRED;
        row->ended = row->error = 0;
    }
    row->last = OL_MIN(row->last, ask->at);
    return OL_OK;
}

/* Promise 3. */
static void forget_later(const struct ask *ask, struct state *state)
{
    size_t kept = 0;
    if (ask->at == INT64_MAX)
        return;
    for (size_t i = 0; i < state->count; i++)
        if (state->entries[i].at <= ask->at)
            state->entries[kept++] = state->entries[i];
    state->count = kept;
}

ol_status ask_run(struct ask *ask, int64_t id, bool want_state, struct ask_run *ret)
{
    struct ol__span text, column;
    const struct ask_cached_run *slot = want_state ? NULL : run_slot(ask, id);
    if (slot != NULL && id > 0 && slot->row.id == id) { /* only what may be seen is in there */
        ret->row = slot->row;
        memcpy(ret->run_id, slot->run_id, sizeof slot->run_id);
        return OL_OK;
    }
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_RUN, ask->err, "i", id);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status != OL_OK)
        return status == OL_END ? OL_NOT_FOUND : status;
    run_row_read(stmt, &ret->row, &text, want_state ? &column : NULL);
    if (!ask_may_see(ask, ret->row.uid) || as_it_was(ask, &ret->row) != OL_OK)
        status = OL_NOT_FOUND;
    if (text.size > 0)
        snprintf(ret->run_id, sizeof ret->run_id, "%.*s",
                 (int)OL_MIN(text.size, sizeof ret->run_id - 1), text.data);
    else
        ol__uuid_format(&ret->row.uuid, ret->run_id);
    if (status == OL_OK)
        remember_run(ask, ret);
    if (status == OL_OK && want_state)
        status = ask_read_state(ask, &ask->state, column, "runs", id);
    if (status == OL_OK && want_state)
        forget_later(ask, &ask->state);
    sqlite3_reset(stmt);
    return status;
}

ol_status ask_latest_run(struct ask *ask, int64_t job, int64_t *ret)
{
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_RUNS_JOB_UNTIL, ask->err, "ii", job, ask->at);
    ol_status status;
    *ret = 0;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        int64_t state = sqlite3_column_int64(stmt, 2);
        bool is_complete = state == RUN_COMPLETE && sqlite3_column_int64(stmt, 4) <= ask->at;
        if (!ask_may_see(ask, sqlite3_column_int64(stmt, 1)) || state == RUN_NEW ||
            (*ret != 0 && !is_complete))
            continue;
        *ret = sqlite3_column_int64(stmt, 0);
        if (is_complete)
            break;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status ask_static(struct ask *ask, enum ask_kind kind, int64_t id)
{
    ask->state.count = 0;
    sqlite3_stmt *stmt =
        store_bind(ask->store, kind == ASK_JOB ? SQL_JOB_GET : SQL_DATASET_GET, ask->err, "i", id);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK && ask_may_see(ask, sqlite3_column_int64(stmt, 1)))
        status = ask_read_state(ask, &ask->state, store_column(stmt, 3),
                                kind == ASK_JOB ? "jobs" : "datasets", id);
    if (status == OL_OK)
        forget_later(ask, &ask->state);
    sqlite3_reset(stmt);
    return status == OL_END ? OL_NOT_FOUND : status;
}

ol_status ask_text_id(struct ask *ask, struct ol__span text, int64_t *ret)
{
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_TEXT, ask->err, "it",
                                    dict_text_hash(ask->store, text), text);
    ol_status status = store_step(ask->store, stmt, ask->err);
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status ask_text(struct ask *ask, int64_t text, char *out, size_t size)
{
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_TEXT_GET, ask->err, "i", text);
    ol_status status = store_step(ask->store, stmt, ask->err);
    struct ol__span value = status == OL_OK ? store_column(stmt, 0) : (struct ol__span){0};
    snprintf(out, size, "%.*s", (int)OL_MIN(value.size, size - 1),
             value.size > 0 ? value.data : "");
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status ask_facet(struct ask *ask, int64_t facet, struct ol__buf *out)
{
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_FACET_GET, ask->err, "i", facet);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status != OL_OK)
        return status == OL_END ? OL_NOT_FOUND : status;
    struct ol__span head = store_column(stmt, 0), body = store_column(stmt, 1);
    ol__buf_add(out, head.data, head.size);
    if (ol__buf_add(out, body.data, body.size) != OL_OK)
        status = ol__error_set(ask->err, out->status, "a facet: %s", ol__status_name(out->status));
    sqlite3_reset(stmt);
    return status;
}

ol_status ask_facet_doc(struct ask *ask, int64_t facet, struct json_doc *ret)
{
    struct ol__buf text;
    ol__buf_init(&text, FACET_MAX);
    ol_status status = ask_facet(ask, facet, &text);
    if (status == OL_OK)
        status = json_doc_read(ret, (struct ol__span){text.data, text.size}, ask->err);
    ol__buf_release(&text);
    return status;
}

/* ---- Writing ---- */

ol_status ask_write_text(struct ask *ask, const char *key, int64_t text)
{
    if (text == 0)
        return OL_OK;
    struct ask_cached_text *slot = &ask->texts[text & (ASK_TEXTS_CACHED - 1)];
    if (slot->id == text) {
        ol__json_member_span(&ask->json, key, (struct ol__span){slot->text, slot->size});
        return OL_OK;
    }
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_TEXT_GET, ask->err, "i", text);
    ol_status status = store_step(ask->store, stmt, ask->err);
    struct ol__span value = status == OL_OK ? store_column(stmt, 0) : (struct ol__span){0};
    if (status == OL_OK)
        ol__json_member_span(&ask->json, key, value);
    else if (status == OL_END)
        ol__json_member_text(&ask->json, key, ASK_DAMAGED);
    if (status == OL_OK && value.size > 0 && value.size <= sizeof slot->text) {
        slot->id = text;
        slot->size = value.size;
        memcpy(slot->text, value.data, value.size);
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* The version that a row has in @p column. */
static ol_status write_version(struct ask *ask, const char *key, sqlite3_stmt *stmt, int column)
{
    struct ol__buf text;
    ol_status status = OL_OK;
    ol__buf_init(&text, 1 << 20);
    if (version_unpack(stmt, column, &text) == OL_OK)
        ol__json_member_span(&ask->json, key,
                             (struct ol__span){.data = text.data, .size = text.size});
    else
        status =
            ol__error_set(ask->err, text.status, "a version: %s", ol__status_name(text.status));
    ol__buf_release(&text);
    return status;
}

/* Namespace, name and type of a row; the texts come from the cache, or by a statement of their own.
 */
static ol_status write_named(struct ask *ask, sqlite3_stmt *stmt)
{
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_END) { /* an edge to a row that is gone: noted, and marked here */
        ask->name_space_id = ask->type_id = 0;
        ol__json_member_text(&ask->json, "namespace", ASK_DAMAGED);
        ol__json_member_text(&ask->json, "name", ASK_DAMAGED);
        return OL_OK;
    }
    if (status != OL_OK)
        return status;
    ask->name_space_id = sqlite3_column_int64(stmt, 0);
    ask->type_id = sqlite3_column_int64(stmt, 2);
    status = ask_write_text(ask, "namespace", ask->name_space_id);
    ol__json_member_span(&ask->json, "name", store_column(stmt, 1));
    return status == OL_OK ? ask_write_text(ask, "type", ask->type_id) : status;
}

ol_status ask_write_dataset(struct ask *ask, int64_t id, int64_t version)
{
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_DATASET, ask->err, "ii", id, version);
    ol_status status = write_named(ask, stmt);
    bool has_version = status == OL_OK && sqlite3_column_type(stmt, 3) != SQLITE_NULL;
    if (has_version)
        status = write_version(ask, "version", stmt, 3);
    else if (status == OL_OK && version > 0)
        damage_note(ask->store, "versions", version);
    sqlite3_reset(stmt);
    return status;
}

ol_status ask_write_name(struct ask *ask, enum ask_kind kind, int64_t id)
{
    if (kind == ASK_DATASET)
        return ask_write_dataset(ask, id, 0);
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_JOB, ask->err, "i", id);
    ol_status status = write_named(ask, stmt);
    sqlite3_reset(stmt);
    return status;
}

ol_status ask_write_version(struct ask *ask, int64_t version)
{
    return ask_write_version_as(ask, "version", version);
}

ol_status ask_version_text(struct ask *ask, int64_t version, struct ol__buf *out)
{
    if (version <= 0)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_VERSION_GET, ask->err, "i", version);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK && version_unpack(stmt, 1, out) != OL_OK)
        status =
            ol__error_set(ask->err, out->status, "a version: %s", ol__status_name(out->status));
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status ask_write_version_as(struct ask *ask, const char *key, int64_t version)
{
    if (version <= 0)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_VERSION_GET, ask->err, "i", version);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    status = write_version(ask, key, stmt, 1);
    sqlite3_reset(stmt);
    return status;
}

void ask_write_time(struct ask *ask, const char *key, int64_t ms)
{
    char text[OL_TIME_TEXT + 1];
    if (ms == 0)
        return;
    ol__time_format(ms, text);
    ol__json_member_text(&ask->json, key, text);
}

ol_status ask_write_run_id(struct ask *ask, const char *key, int64_t id)
{
    struct run_row row;
    struct ol__span text;
    char uuid[OL_UUID_TEXT + 1];
    if (id == 0)
        return OL_OK;
    const struct ask_cached_run *slot = run_slot(ask, id);
    if (slot != NULL && slot->row.id == id) {
        ol__json_member_text(&ask->json, key, slot->run_id);
        return OL_OK;
    }
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_RUN, ask->err, "i", id);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK) {
        run_row_read(stmt, &row, &text, NULL);
        ol__uuid_format(&row.uuid, uuid);
        ol__json_member_span(&ask->json, key, text.size > 0 ? text : ol__span_text(uuid));
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status ask_write_run(struct ask *ask, const struct ask_run *run)
{
    const struct run_row *row = &run->row;
    struct ol__json_writer *w = &ask->json;
    ol__json_member_text(w, "run_id", run->run_id);
    ol__json_key(w, "job");
    ol__json_begin_object(w);
    ol_status status = ask_write_name(ask, ASK_JOB, row->job);
    ol__json_end_object(w);
    ol__json_member_text(w, "state", run_status_name(row->status));
    if (row->flags & RUN_INFERRED)
        ol__json_member_bool(w, "inferred", true);
    ask_write_time(ask, "started", row->started);
    ask_write_time(ask, "ended", row->ended);
    ask_write_time(ask, "last_event", row->last);
    if (ask->at == INT64_MAX) /* else nobody knows */
        ol__json_member_int(w, "events", row->events);
    if (row->uid != STORE_UID_UNKNOWN)
        ol__json_member_int(w, "uid", row->uid);
    if (status == OL_OK)
        status = ask_write_run_id(ask, "parent", row->parent);
    if (status == OL_OK)
        status = ask_write_run_id(ask, "root", row->root);
    if (status == OL_OK)
        status = ask_write_text(ask, "engine", row->engine);
    if (status == OL_OK)
        status = ask_write_text(ask, "producer", row->producer);
    if (status == OL_OK)
        status = ask_write_text(ask, "error", row->error);
    return status;
}
