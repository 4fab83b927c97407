/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of serving runs: one row each, in a table of their own. Promises:
 *  1. An answer changes nothing of its run but times and the count of events: a hundred thousand of
 * them leave the run's state as it was.
 *  2. What else an event with an answer says (datasets, other facets) is merged like that of any
 * other.
 *  3. The same answer again is no second row.
 *  4. An answer is found by request_id, provider_request_id and trace_id, each by a hash and then
 * by its text. */
#include "answers.h"

#include "members.h"

#include <stdio.h>
#include "times.h"

#define DAY_MS 86400000

/* ---- What an event says ---- */

static const struct ol__event_facet *find_facet(const struct ol__event *event, enum ol__facet_id id)
{
    const struct ol__event_facet *found = NULL;
    for (size_t i = 0; i < event->facet_count; i++)
        if (event->facets[i].id == id && event->facets[i].entity == OL_ENTITY_RUN)
            found = &event->facets[i]; /* of two the later counts */
    return found;
}

static struct ol__span fact(const struct ol__event *event, const struct ol__event_facet *facet,
                            enum ol__field_id field)
{
    struct ol__span text = {0};
    for (size_t i = 0; i < event->fact_count; i++)
        if (event->facts[i].field == field && event->facts[i].type == OL_JSON_STRING &&
            &event->facets[event->facts[i].facet] == facet)
            text = event->facts[i].text;
    return text;
}

bool answer_of(const struct ol__event *event, struct answer *ret)
{
    *ret = (struct answer){.facet = find_facet(event, OL_FACET_RUN_LINEAGED_ANSWER)};
    if (ret->facet == NULL || event->kind != OL_EVENT_RUN || event->type == OL_TYPE_START ||
        event->type == OL_TYPE_COMPLETE || event->type == OL_TYPE_FAIL ||
        event->type == OL_TYPE_ABORT)
        return false;
    ret->request = fact(event, ret->facet, OL_FIELD_RUN_LINEAGED_ANSWER_REQUEST_ID);
    ret->trace = fact(event, ret->facet, OL_FIELD_RUN_LINEAGED_ANSWER_TRACE_ID);
    ret->ids = find_facet(event, OL_FACET_RUN_LINEAGED_RUN);
    if (ret->ids != NULL)
        ret->provider = fact(event, ret->ids, OL_FIELD_RUN_LINEAGED_RUN_PROVIDER_REQUEST_ID);
    ret->says_more = event->dataset_count > 0;
    for (size_t i = 0; i < event->facet_count; i++)
        ret->says_more = ret->says_more || !answer_has_facet(&event->facets[i]);
    return ret->request.size > 0;
}

bool answer_has_facet(const struct ol__event_facet *facet)
{
    return facet->entity == OL_ENTITY_RUN &&
           (facet->id == OL_FACET_RUN_LINEAGED_ANSWER || facet->id == OL_FACET_RUN_LINEAGED_RUN);
}

/* ---- Rows ---- */

/* The searched ids but the provider's, which differs from answer to answer: they repeat. */
static ol_status ids_text(struct store *store, const struct ol__event *event,
                          const struct answer *answer, int64_t *ret, struct ol_error *err)
{
    struct ol__buf *text = &store->gather->text;
    struct ol__json_writer w;
    bool has_any = false;
    if (answer->ids == NULL)
        return OL_OK;
    ol__buf_reset(text);
    ol__json_writer_init(&w, text);
    ol__json_begin_object(&w);
    for (size_t i = 0; i < event->fact_count; i++) {
        const struct ol__event_fact *f = &event->facts[i];
        const struct ol__field_info *info = ol__field_info(f->field);
        if (info == NULL || &event->facets[f->facet] != answer->ids || f->type != OL_JSON_STRING ||
            f->field == OL_FIELD_RUN_LINEAGED_RUN_PROVIDER_REQUEST_ID)
            continue;
        ol__json_member_span(&w, info->path, f->text);
        has_any = true;
    }
    ol__json_end_object(&w);
    if (!has_any || text->status == OL_TOO_LARGE) /* the event has it, where it is kept */
        return OL_OK;
    if (text->status != OL_OK)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    return dict_text(store, (struct ol__span){text->data, text->size}, ret, err);
}

static int64_t hash_or_none(const struct store *store, struct ol__span text)
{
    int64_t hash = text.size > 0 ? dict_text_hash(store, text) : 0;
    return text.size > 0 && hash == 0 ? 1 : hash; /* 0 is NULL */
}

ol_status answer_is_there(struct store *store, const struct answer *answer, int64_t run, int64_t at,
                          bool *ret, struct ol_error *err)
{
    struct ol__span json = answer->facet->json;
    size_t head_size = dict_facet_head(json);
    struct ol__span body = {json.data + head_size, json.size - head_size};
    sqlite3_stmt *stmt = store_bind(store, SQL_ANSWER_FIND, err, "iiit",
                                    hash_or_none(store, answer->request), run, at, body);
    ol_status status = store_step(store, stmt, err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    return status == OL_END ? OL_OK : status;
}

ol_status answer_add(struct store *store, const struct ol__event *event,
                     const struct answer *answer, int64_t run, int64_t at, int64_t seen,
                     struct ol_error *err)
{
    struct ol__span json = answer->facet->json;
    size_t head_size = dict_facet_head(json);
    struct ol__span body = {json.data + head_size, json.size - head_size};
    int64_t head = 0, ids = 0, request = hash_or_none(store, answer->request);
    bool is_there = false;
    ol_status status = answer_is_there(store, answer, run, at, &is_there, err);
    if (status != OL_OK || is_there)
        return status; /* promise 3 */
    status = head_size > 0 ? dict_text(store, (struct ol__span){json.data, head_size}, &head, err)
                           : OL_OK;
    if (status == OL_OK)
        status = ids_text(store, event, answer, &ids, err);
    if (status == OL_OK)
        status = store_run(store, SQL_ANSWER_ADD, err, "iiiinnunnt", run, at, seen, request,
                           hash_or_none(store, answer->provider),
                           hash_or_none(store, answer->trace), answer->provider, ids, head, body);
    if (status == OL_OK)
        status = members_answer_docs(store, event, answer->facet,
                                     sqlite3_last_insert_rowid(store->db), err);
    return status;
}

ol_status answer_touch(struct store *store, const struct run_row *old, const struct run_row *row,
                       struct ol_error *err)
{
    if (old->status == row->status && old->seen_day == row->seen_day)
        return store_run(store, SQL_RUN_TOUCH, err, "iiii", row->id, row->started, row->last,
                         row->seen);
    return store_run(store, SQL_RUN_TOUCH_DAY, err, "iiiiii", row->id, row->started, row->last,
                     row->seen, row->seen / DAY_MS, row->status);
}

/* ---- Finding ---- */

static bool is_it(struct ol__span column, struct ol__span wanted)
{
    return ol__span_equal(column, wanted);
}

struct look {
    struct ol__span wanted;
    bool is_found;
};

static ol_status look_at(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    static const char *const request[] = {"request_id"}, *const trace[] = {"trace_id"};
    struct look *look = arg;
    (void)err;
    if (value->type == OL_JSON_STRING &&
        (ol__json_at(value, request, 1) || ol__json_at(value, trace, 1)) &&
        is_it(value->text, look->wanted))
        look->is_found = true;
    return look->is_found ? OL_END : OL_OK;
}

/* The facet of answer @p stmt (SQL_ANSWER_GET) on one line. */
static ol_status facet_of(struct store *store, sqlite3_stmt *stmt, struct ol__buf *out,
                          struct ol_error *err)
{
    struct ol__buf text;
    ol__buf_init(&text, 64u << 20);
    struct ol__span head = store_column(stmt, 4), body = store_column(stmt, 5);
    ol__buf_add(&text, head.data, head.size);
    ol_status status = ol__buf_add(&text, body.data, body.size);
    if (status == OL_OK)
        status =
            ol__json_minify(store->json, (struct ol__span){text.data, text.size}, NULL, out, err);
    ol__buf_release(&text);
    return status;
}

/* What facet_of() gave: an answer that cannot be read is noted, and says nothing. */
static ol_status is_readable(struct ask *ask, int64_t id, ol_status status, struct ol__buf *line)
{
    if (status != OL_INVALID && status != OL_CORRUPT)
        return status;
    damage_note(ask->store, "answers", id);
    ol__buf_reset(line);
    return OL_OK;
}

/* A hash may be shared: whether the row really has that id. */
static ol_status has_id(struct ask *ask, int64_t id, struct ol__span wanted, int64_t *ret_run,
                        bool *ret)
{
    struct ol__buf line;
    struct look look = {.wanted = wanted};
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ANSWER_GET, ask->err, "i", id);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    *ret_run = sqlite3_column_int64(stmt, 0);
    ol__buf_init(&line, 64u << 20);
    look.is_found = is_it(store_column(stmt, 2), wanted);
    if (!look.is_found)
        status = is_readable(ask, id, facet_of(ask->store, stmt, &line, ask->err), &line);
    if (!look.is_found && status == OL_OK)
        OL_IGNORE(ol__json_read(ask->store->json, (struct ol__span){line.data, line.size}, NULL,
                                look_at, &look, NULL) != OL_OK,
                  "it ends when it is found");
    sqlite3_reset(stmt);
    ol__buf_release(&line);
    *ret = look.is_found;
    return status;
}

static ol_status look_at_docs(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    static const char *const retrieved[] = {"retrieved", "*"}, *const cited[] = {"cited", "*"};
    struct look *look = arg;
    (void)err;
    if (value->type == OL_JSON_STRING &&
        (ol__json_at(value, retrieved, 2) || ol__json_at(value, cited, 2)) &&
        is_it(value->text, look->wanted))
        look->is_found = true;
    return look->is_found ? OL_END : OL_OK;
}

ol_status ask_answer_has_doc(struct ask *ask, int64_t id, struct ol__span doc, int64_t *ret_run,
                             bool *ret)
{
    struct ol__buf line;
    struct look look = {.wanted = doc};
    *ret = false;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ANSWER_GET, ask->err, "i", id);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    *ret_run = sqlite3_column_int64(stmt, 0);
    ol__buf_init(&line, 64u << 20);
    status = is_readable(ask, id, facet_of(ask->store, stmt, &line, ask->err), &line);
    sqlite3_reset(stmt);
    if (status == OL_OK)
        OL_IGNORE(ol__json_read(ask->store->json, (struct ol__span){line.data, line.size}, NULL,
                                look_at_docs, &look, NULL) != OL_OK,
                  "it ends when it is found");
    ol__buf_release(&line);
    *ret = look.is_found;
    return status;
}

static ol_status may_see(struct ask *ask, int64_t id, bool *ret)
{
    struct ask_run run;
    ol_status status = ask_run(ask, id, false, &run);
    *ret = status == OL_OK;
    return status == OL_NOT_FOUND ? OL_OK : status;
}

ol_status ask_find_answers(struct ask *ask, struct ol__span text, int64_t *ret_answers,
                           int64_t *ret_runs, int max, int *ret_count)
{
    static const enum store_sql by[] = {SQL_ASK_ANSWER_REQUEST, SQL_ASK_ANSWER_PROVIDER,
                                        SQL_ASK_ANSWER_TRACE};
    int64_t found[ASK_MATCHES * 4];
    ol_status status = OL_OK;
    *ret_count = 0;
    if (ask->store->schema < 2 || text.size == 0) /* one of before that nobody migrated yet */
        return OL_OK;
    for (size_t i = 0; i < OL_COUNT(by) && status == OL_OK; i++) {
        int count = 0;
        sqlite3_stmt *stmt = store_bind(ask->store, by[i], ask->err, "ii",
                                        hash_or_none(ask->store, text), (int64_t)OL_COUNT(found));
        while (count < (int)OL_COUNT(found) &&
               (status = store_step(ask->store, stmt, ask->err)) == OL_OK)
            found[count++] = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        status = status < 0 ? status : OL_OK;
        for (int k = 0; k < count && status == OL_OK && *ret_count < max; k++) {
            bool is_there = false, is_again = false;
            int64_t run = 0;
            for (int j = 0; j < *ret_count; j++)
                is_again = is_again || ret_answers[j] == found[k];
            if (!is_again)
                status = has_id(ask, found[k], text, &run, &is_there);
            if (status == OL_OK && is_there)
                status = may_see(ask, run, &is_there);
            if (status != OL_OK || !is_there)
                continue;
            ret_answers[*ret_count] = found[k];
            ret_runs[(*ret_count)++] = run;
        }
    }
    return status;
}

/* ---- Showing ---- */

ol_status ask_write_answer(struct ask *ask, int64_t id)
{
    struct ol__json_writer *w = &ask->json;
    struct ask_run run;
    struct ol__buf line;
    int64_t run_id = 0, at = 0;
    ol__buf_init(&line, 64u << 20);
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ANSWER_GET, ask->err, "i", id);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK) {
        run_id = sqlite3_column_int64(stmt, 0);
        at = sqlite3_column_int64(stmt, 1);
        struct ol__span provider = store_column(stmt, 2), ids = store_column(stmt, 3);
        ask_write_time(ask, "at", at);
        if (provider.size > 0)
            ol__json_member_span(w, "provider_request_id", provider);
        if (ids.size > 0) {
            ol__json_key(w, "ids");
            ol__json_raw(w, ids);
        }
        status = is_readable(ask, id, facet_of(ask->store, stmt, &line, ask->err), &line);
    }
    sqlite3_reset(stmt);
    if (status == OL_OK && line.size > 0) {
        ol__json_key(w, "answer");
        ol__json_raw(w, (struct ol__span){line.data, line.size});
    }
    ol__buf_release(&line);
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    status = ask_run(ask, run_id, false, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    ol__json_key(w, "run");
    ol__json_begin_object(w);
    status = ask_write_run(ask, &run);
    ol__json_end_object(w);
    return status;
}

ol_status ask_read_answer(struct ask *ask, int64_t id, int64_t *ret_at, struct json_doc *ret)
{
    struct ol__buf line;
    ol__buf_init(&line, 64u << 20);
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ANSWER_GET, ask->err, "i", id);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK) {
        *ret_at = sqlite3_column_int64(stmt, 1);
        status = is_readable(ask, id, facet_of(ask->store, stmt, &line, ask->err), &line);
    }
    sqlite3_reset(stmt);
    if (status == OL_OK && line.size > 0)
        status = json_doc_read(ret, (struct ol__span){line.data, line.size}, ask->err);
    else if (status == OL_OK || status == OL_END)
        status = OL_NOT_FOUND;
    ol__buf_release(&line);
    return status;
}

ol_status ask_count_answers(struct ask *ask, int64_t run, int64_t *ret)
{
    *ret = 0;
    if (ask->store->schema < 2)
        return OL_OK;
    sqlite3_stmt *stmt =
        ask->at == INT64_MAX
            ? store_bind(ask->store, SQL_ASK_ANSWER_COUNT, ask->err, "i", run)
            : store_bind(ask->store, SQL_ASK_ANSWER_COUNT_UNTIL, ask->err, "ii", run, ask->at);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* ---- Retention ---- */

ol_status answers_remove_run(struct store *store, int64_t run, bool *ret_more, struct ol_error *err)
{
    ol_status status =
        store_run(store, SQL_ANSWER_REMOVE_RUN, err, "ii", run, (int64_t)ANSWERS_BATCH);
    *ret_more = status == OL_OK && sqlite3_changes(store->db) == ANSWERS_BATCH;
    return status;
}

ol_status answers_remove_old(struct store *store, int64_t before_ms, int64_t *ret_removed,
                             struct ol_error *err)
{
    ol_status status =
        store_run(store, SQL_ANSWER_REMOVE_OLD, err, "ii", before_ms, (int64_t)ANSWERS_BATCH);
    *ret_removed = status == OL_OK ? sqlite3_changes(store->db) : 0;
    return status;
}

ol_status answers_oldest(struct store *store, int64_t *ret_seen, struct ol_error *err)
{
    *ret_seen = INT64_MAX;
    sqlite3_stmt *stmt = store_bind(store, SQL_ANSWER_OLDEST, err, "");
    ol_status status = store_step(store, stmt, err);
    if (status == OL_OK)
        *ret_seen = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}
