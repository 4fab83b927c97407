/* SPDX-License-Identifier: Apache-2.0 */
/* `show` and `events`: one thing in full. */
#include "answers.h"
#include "ask_assertions.h"

#include <stdlib.h>

#define ROWS_MAX 100000
#define EDGES_SHOWN 20
#define CHILDREN_SHOWN 200

static ol_status invalid(struct ol_error *err)
{
    return ol__error_set(err, OL_INVALID, "a question needs a subject, and no number below 0");
}

/* ---- show: facets ---- */

/* Nothing for a key or a facet that is damaged: the answer says so. */
static ol_status write_facet(struct ask *ask, const struct state_entry *entry)
{
    struct ol__buf text, line;
    ol__buf_init(&text, 64u << 20);
    ol__buf_init(&line, 64u << 20);
    ol_status status = ask_facet(ask, entry->value, &text);
    if (status == OL_OK) /* the document stands on one line */
        status = ol__json_minify(ask->store->json, (struct ol__span){text.data, text.size}, NULL,
                                 &line, ask->err);
    if (status == OL_OK) {
        sqlite3_stmt *stmt = store_bind(ask->store, SQL_TEXT_GET, ask->err, "i", entry->key);
        status = store_step(ask->store, stmt, ask->err);
        if (status == OL_OK) {
            ol__json_key_span(&ask->json, store_column(stmt, 0));
            ol__json_raw(&ask->json, (struct ol__span){line.data, line.size});
        }
        sqlite3_reset(stmt);
    }
    ol__buf_release(&text);
    ol__buf_release(&line);
    return status == OL_END || status == OL_NOT_FOUND ? OL_OK : status;
}

/* Member @p name: the facets of @p state of one kind and object. */
static ol_status write_facets(struct ask *ask, const char *name, const struct state *state,
                              uint8_t kind, int64_t object)
{
    ol_status status = OL_OK;
    ol__json_key(&ask->json, name);
    ol__json_begin_object(&ask->json);
    for (size_t i = 0; i < state->count && status == OL_OK; i++) {
        const struct state_entry *e = &state->entries[i];
        if (e->kind == kind && e->object == object && e->value != 0)
            status = write_facet(ask, e);
    }
    ol__json_end_object(&ask->json);
    return status;
}

static ol_status write_side(struct ask *ask, const char *name, const struct state *state,
                            bool is_output)
{
    ol_status status = OL_OK;
    ol__json_key(&ask->json, name);
    ol__json_begin_array(&ask->json);
    for (size_t i = 0; i < state->count && status == OL_OK; i++) {
        const struct state_entry *e = &state->entries[i];
        if (e->kind != (is_output ? STATE_OUTPUT : STATE_INPUT))
            continue;
        ol__json_begin_object(&ask->json);
        status = ask_write_dataset(ask, e->object, e->key);
        if (status == OL_OK)
            status = write_facets(
                ask, "facets", state,
                is_output ? STATE_OUTPUT_DATASET_FACET : STATE_INPUT_DATASET_FACET, e->object);
        if (status == OL_OK)
            status = write_facets(ask, is_output ? "outputFacets" : "inputFacets", state,
                                  is_output ? STATE_OUTPUT_FACET : STATE_INPUT_FACET, e->object);
        ol__json_end_object(&ask->json);
    }
    ol__json_end_array(&ask->json);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

/* The run's own: tags of its job and datasets (object 0) are with those. */
static ol_status write_ids(struct ask *ask, const struct state *state)
{
    ol_status status = OL_OK;
    ol__json_key(&ask->json, "ids");
    ol__json_begin_array(&ask->json);
    for (size_t i = 0; i < state->count && status == OL_OK; i++) {
        const struct state_entry *e = &state->entries[i];
        const int64_t texts[] = {e->key, e->value};
        static const char *const keys[] = {"key", "value"};
        bool is_again = false;
        for (size_t j = 0; j < i && e->kind == STATE_ID; j++)
            is_again = is_again ||
                       (state->entries[j].kind == STATE_ID && state->entries[j].object != 0 &&
                        state->entries[j].key == e->key && state->entries[j].value == e->value);
        if (e->kind != STATE_ID || e->object == 0 || is_again)
            continue;
        ol__json_begin_object(&ask->json);
        for (int k = 0; k < 2 && status == OL_OK; k++) {
            sqlite3_stmt *stmt = store_bind(ask->store, SQL_TEXT_GET, ask->err, "i", texts[k]);
            status = store_step(ask->store, stmt, ask->err);
            if (status == OL_OK)
                ol__json_member_span(&ask->json, keys[k], store_column(stmt, 0));
            else if (status == OL_END)
                ol__json_member_text(&ask->json, keys[k], ASK_DAMAGED);
            sqlite3_reset(stmt);
            status = status == OL_END ? OL_OK : status;
        }
        ol__json_end_object(&ask->json);
    }
    ol__json_end_array(&ask->json);
    return status < 0 ? status : OL_OK;
}

/* ---- show: a run, a job, a dataset ---- */

static ol_status show_run(struct ask *ask, int64_t id)
{
    struct ask_run run;
    ol_status status = ask_run(ask, id, true, &run);
    if (status != OL_OK)
        return status;
    struct state state = ask->state; /* taken; what follows may use the scratch */
    ask->state = (struct state){0};
    status = ask_write_run(ask, &run);
    if (status == OL_OK)
        status = write_ids(ask, &state);
    if (status == OL_OK)
        status = write_facets(ask, "facets", &state, STATE_RUN_FACET, 0);
    if (status == OL_OK)
        status = write_facets(ask, "job_facets", &state, STATE_JOB_FACET, 0);
    if (status == OL_OK)
        status = write_side(ask, "inputs", &state, false);
    if (status == OL_OK)
        status = write_side(ask, "outputs", &state, true);
    state_release(&state);
    int64_t answers = 0;
    if (status == OL_OK)
        status = ask_count_answers(ask, id, &answers);
    if (answers > 0)
        ol__json_member_int(&ask->json, "answers", answers);
    ol__json_key(&ask->json, "children");
    ol__json_begin_array(&ask->json);
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_CHILDREN, ask->err, "i", id);
    for (int i = 0; i < CHILDREN_SHOWN && status == OL_OK; i++) {
        status = store_step(ask->store, stmt, ask->err);
        if (status == OL_OK)
            status = ask_write_run_object(ask, sqlite3_column_int64(stmt, 0));
    }
    sqlite3_reset(stmt);
    ol__json_end_array(&ask->json);
    return status < 0 ? status : OL_OK;
}

static ol_status show_job(struct ask *ask, int64_t id)
{
    ol_status status = ask_write_name(ask, ASK_JOB, id);
    if (status == OL_OK)
        status = ask_static(ask, ASK_JOB, id);
    struct state state = ask->state;
    ask->state = (struct state){0};
    if (status == OL_OK)
        status = write_facets(ask, "facets", &state, STATE_JOB_FACET, 0);
    if (status == OL_OK)
        status = write_side(ask, "inputs", &state, false);
    if (status == OL_OK)
        status = write_side(ask, "outputs", &state, true);
    state_release(&state);
    ol__json_key(&ask->json, "runs");
    ol__json_begin_array(&ask->json);
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_RUNS_JOB, ask->err, "i", id);
    for (int shown = 0; shown < EDGES_SHOWN && status == OL_OK;) {
        status = store_step(ask->store, stmt, ask->err);
        if (status != OL_OK || !ask_may_see(ask, sqlite3_column_int64(stmt, 1)))
            continue;
        shown++;
        status = ask_write_run_object(ask, sqlite3_column_int64(stmt, 0));
    }
    sqlite3_reset(stmt);
    ol__json_end_array(&ask->json);
    return status < 0 ? status : OL_OK;
}

struct side_list {
    struct ask *ask;
    struct ask_edge edges[EDGES_SHOWN];
    int count;
};

static ol_status keep_edge(void *arg, const struct ask_edge *edge)
{
    struct side_list *list = arg;
    list->edges[list->count++] = *edge;
    return list->count == EDGES_SHOWN ? OL_END : OL_OK;
}

/* Add the facets that a run told of @p dataset to @p all, as if they were the dataset's own. */
static ol_status add_facets(struct ask *ask, int64_t dataset, struct state *all)
{
    for (size_t i = 0; i < ask->state.count; i++) {
        struct state_entry e = ask->state.entries[i];
        if ((e.kind != STATE_INPUT_DATASET_FACET && e.kind != STATE_OUTPUT_DATASET_FACET) ||
            e.object != dataset)
            continue;
        e.kind = STATE_SUBJECT_FACET;
        size_t j = 0;
        while (j < all->count && all->entries[j].key != e.key)
            j++;
        if (j < all->count && e.at > all->entries[j].at)
            all->entries[j] = e;
        else if (j == all->count && state_add(all, &e) != OL_OK)
            return ol__error_set(ask->err, OL_NOMEM, "store: out of memory");
    }
    return OL_OK;
}

/* Member @p name: of each job the run that counts, with the version it touched. */
static ol_status write_edge_list(struct ask *ask, const char *name, int64_t dataset, int64_t side,
                                 int64_t version, struct state *all)
{
    struct side_list list = {.ask = ask};
    struct ask_window window = {.dataset = dataset,
                                .side = side,
                                .version = version != 0 ? version : ASK_ANY_VERSION,
                                .since = INT64_MIN,
                                .until = INT64_MAX};
    ol_status status = ask_edges(ask, &window, keep_edge, &list);
    ol__json_key(&ask->json, name);
    ol__json_begin_array(&ask->json);
    for (int i = 0; i < list.count && status == OL_OK; i++) {
        const struct ask_edge *edge = &list.edges[i];
        struct ask_run run;
        ol__json_begin_object(&ask->json);
        if (edge->run == 0) {
            ol__json_key(&ask->json, "job");
            ol__json_begin_object(&ask->json);
            status = ask_write_name(ask, ASK_JOB, edge->job);
            ol__json_end_object(&ask->json);
        } else {
            status = ask_run(ask, edge->run, true, &run);
            if (status == OL_OK)
                status = add_facets(ask, dataset, all);
            if (status == OL_OK)
                status = ask_write_run(ask, &run);
        }
        if (status == OL_OK)
            status = ask_write_version(ask, edge->version);
        ol__json_end_object(&ask->json);
    }
    ol__json_end_array(&ask->json);
    return status;
}

static ol_status show_dataset(struct ask *ask, int64_t id, int64_t version)
{
    struct state all = {0};
    ol_status status = ask_write_dataset(ask, id, version);
    if (status == OL_OK)
        status = ask_static(ask, ASK_DATASET, id);
    for (size_t i = 0; i < ask->state.count && status == OL_OK; i++)
        if (ask->state.entries[i].kind == STATE_SUBJECT_FACET) {
            struct state_entry e = ask->state.entries[i];
            e.object = id;
            status = state_add(&all, &e);
        }
    if (status == OL_OK)
        status = write_edge_list(ask, "written_by", id, 1, version, &all);
    if (status == OL_OK)
        status = write_edge_list(ask, "read_by", id, 0, version, &all);
    if (status == OL_OK)
        status = write_facets(ask, "facets", &all, STATE_SUBJECT_FACET, id);
    if (status == OL_OK)
        status = ask_write_assertions(ask, id, version);
    state_release(&all);
    return status;
}

ol_status store_show(struct store *store, const struct store_question *question,
                     struct ol__buf *out, struct ol_error *err)
{
    static const char *const members[] = {NULL, "datasets", "jobs", "runs", "answers"};
    struct ask ask;
    if (question->subject == NULL)
        return invalid(err);
    ol_status status = ask_begin(&ask, store, question, 0, out, err);
    if (status != OL_OK)
        return status;
    ask.wants_answers = true;
    ol_status found = ask_resolve(&ask);
    status = found == OL_NOT_FOUND ? OL_OK : found;
    ol__json_begin_object(&ask.json);
    if (status == OL_OK)
        status = ask_write_subject(&ask);
    if (status == OL_OK && ask.kind != ASK_NONE) {
        ol__json_key(&ask.json, members[ask.kind]);
        ol__json_begin_array(&ask.json);
        for (int i = 0; i < ask.count && status == OL_OK; i++) {
            ol__json_begin_object(&ask.json);
            status = ask.kind == ASK_RUN      ? show_run(&ask, ask.ids[i])
                     : ask.kind == ASK_ANSWER ? ask_write_answer(&ask, ask.ids[i])
                     : ask.kind == ASK_JOB    ? show_job(&ask, ask.ids[i])
                                              : show_dataset(&ask, ask.ids[i], ask.versions[i]);
            ol__json_end_object(&ask.json);
        }
        ol__json_end_array(&ask.json);
    }
    if (status == OL_OK)
        ol__json_end_object(&ask.json);
    status = ask_end(&ask, status);
    return status == OL_OK && found == OL_NOT_FOUND ? ask_not_found(&ask) : status;
}

/* ---- events ---- */

ol_status store_events(struct store *store, const struct store_question *question,
                       struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    if (question->subject == NULL || question->limit < 0)
        return invalid(err);
    ol_status status = ask_begin(&ask, store, question, 0, out, err);
    if (status != OL_OK)
        return status;
    int64_t left = question->limit == 0 ? ROWS_MAX : question->limit;
    status = ask_resolve(&ask);
    if (status == OL_OK && ask.kind != ASK_RUN)
        status = OL_NOT_FOUND;
    for (int i = 0; i < ask.count && status == OL_OK; i++) {
        sqlite3_stmt *stmt = store_bind(store, SQL_ASK_EVENTS, err, "i", ask.ids[i]);
        while (left-- > 0 && (status = store_step(store, stmt, err)) == OL_OK) {
            struct ol__span data = store_column(stmt, 0);
            /* Byte for byte, but for an event that was written over several lines. */
            status = memchr(data.data, '\n', data.size) == NULL
                         ? ol__buf_add(out, data.data, data.size)
                         : ol__json_minify(store->json, data, NULL, out, err);
            if (status == OL_OK)
                status = ol__buf_add_char(out, '\n');
            if (status != OL_OK)
                break;
        }
        sqlite3_reset(stmt);
        status = status == OL_END ? OL_OK : status;
    }
    if ((status == OL_OK || status == OL_NOT_FOUND) && store->damage.count > 0) { /* a last line */
        ol__buf_add_text(out, "{\"events\":{\"complete\":false}");
        damage_tell(store, out);
        ol__buf_add_text(out, "}\n");
    }
    status = ask_end(&ask, status);
    return status == OL_NOT_FOUND ? ask_not_found(&ask) : status;
}
