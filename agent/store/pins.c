/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A run is pinned if one of its events says lineaged_approval or lineaged_deployment, or if it
 * leads to what such a run (or a DatasetEvent) names: by the very version, else by the time it was
 * read, over any number of steps, also through jobs that told their lineage without runs; with its
 * parent and root; what an approval names as its evidence counts as read. What read a directory or
 * list leads on to who wrote its members.
 *  2. At least all that `why` finds is found: of each job that wrote a thing the run that counts.
 *  3. What comes or changes after the runs were found counts as pinned until they are found anew.
 */
#include "pins.h"
#include "members.h"
#include "sweep.h"

#include <stdlib.h>
#include "times.h"

#define STEP_RUNS 2000

struct pins {
    uint8_t *runs, *jobs, *lists; /* owned; bit id: seen */
    int64_t max_run, max_job, max_list;
    int64_t *todo; /* owned; runs, and below 0 jobs with events of their own */
    size_t todo_count, todo_cap;
    int64_t count, found_at;
    bool is_done;
    struct ask ask; /* for the edges; asks for everybody */
    struct store_question question;
};

bool pins_is_facet(struct ol__span key)
{
    static const char *const keys[] = {"lineaged_approval", "lineaged_deployment"};
    for (size_t i = 0; i < OL_COUNT(keys); i++)
        if (ol__span_equal(key, ol__span_text(keys[i])))
            return true;
    return false;
}

void pins_free(struct pins *pins)
{
    if (pins == NULL)
        return;
    free(pins->runs);
    free(pins->jobs);
    free(pins->lists);
    free(pins->todo);
    state_release(&pins->ask.state);
    state_release(&pins->ask.told);
    free(pins);
}

void pins_forget(struct store *store)
{
    pins_free(store->pins);
    store->pins = NULL;
}

ol_status pins_add(struct store *store, int64_t dataset, struct ol_error *err)
{
    pins_forget(store);
    return store_run(store, SQL_PIN_ADD, err, "i", dataset);
}

void pins_touch(struct store *store, int64_t run)
{
    struct pins *p = store->pins;
    if (p != NULL && p->runs != NULL && run > 0 && run <= p->max_run)
        p->runs[run / 8] |= (uint8_t)(1u << run % 8); /* promise 3 */
}

bool pins_has(const struct store *store, int64_t run)
{
    const struct pins *p = store->pins;
    if (p == NULL || p->runs == NULL)
        return false;
    return run > p->max_run || (p->runs[run / 8] >> run % 8 & 1) != 0;
}

int64_t pins_count(const struct store *store)
{
    return store->pins != NULL ? store->pins->count : 0;
}

ol_status pins_has_dataset(struct store *store, int64_t dataset, bool *ret, struct ol_error *err)
{
    *ret = false;
    if (store->schema < 3)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(store, SQL_PIN_HAS, err, "i", dataset);
    ol_status status = store_step(store, stmt, err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* ---- Walking ---- */

static ol_status put(struct pins *p, uint8_t *bits, int64_t max, int64_t id, bool is_job)
{
    if (id <= 0 || id > max || (bits[id / 8] >> id % 8 & 1) != 0)
        return OL_OK;
    if (p->todo_count == p->todo_cap) {
        size_t cap = p->todo_cap * 2 + 64;
        int64_t *todo = realloc(p->todo, cap * sizeof *todo);
        if (todo == NULL)
            return ol__error_set(p->ask.err, OL_NOMEM, "store: out of memory");
        p->todo = todo;
        p->todo_cap = cap;
    }
    bits[id / 8] |= (uint8_t)(1u << id % 8);
    p->todo[p->todo_count++] = is_job ? -id : id;
    p->count += !is_job;
    return OL_OK;
}

static ol_status put_run(struct pins *p, int64_t run)
{
    return put(p, p->runs, p->max_run, run, false);
}

static ol_status take_writer(void *arg, const struct ask_edge *edge)
{
    struct pins *p = arg;
    return edge->run != 0 ? put_run(p, edge->run) : put(p, p->jobs, p->max_job, edge->job, true);
}

static ol_status edge_writers(struct pins *p, int64_t dataset, int64_t version, int64_t as_of,
                              int64_t except_run)
{
    struct ask_window w = {.dataset = dataset,
                           .side = 1,
                           .version = version != 0 ? version : ASK_ANY_VERSION,
                           .since = INT64_MIN,
                           .until = as_of,
                           .except_run = except_run};
    ol_status status = ask_edges(&p->ask, &w, take_writer, p);
    if (status == OL_OK && version != 0 && as_of != INT64_MAX) {
        w.until = INT64_MAX; /* the very bytes: then the clocks differ */
        status = ask_edges(&p->ask, &w, take_writer, p);
    }
    if (status == OL_OK && version != 0) {
        w.until = as_of; /* a producer that tells no versions */
        w.version = 0;
        status = ask_edges(&p->ask, &w, take_writer, p);
    }
    return status;
}

/* Who wrote these very bytes, under whatever name. */
static ol_status walk_content(struct pins *p, const uint8_t sha256[OL_SHA256_SIZE])
{
    int64_t found[64][2];
    size_t count = 0;
    ol_status status = OL_OK;
    sqlite3_stmt *stmt = store_bind(p->ask.store, SQL_ASK_VERSION_VALUE, p->ask.err, "b",
                                    (struct ol__span){(const char *)sha256, OL_SHA256_SIZE});
    while (count < OL_COUNT(found) &&
           (status = store_step(p->ask.store, stmt, p->ask.err)) == OL_OK) {
        found[count][0] = sqlite3_column_int64(stmt, 0);
        found[count++][1] = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    status = status < 0 ? status : OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++)
        status = edge_writers(p, found[i][1], found[i][0], INT64_MAX, 0);
    return status;
}

static ol_status walk_piece(struct pins *p, int64_t piece, struct ol__buf *data)
{
    struct member member;
    ol__buf_reset(data);
    ol_status status = members_piece(p->ask.store, piece, data, p->ask.err);
    struct ol__span rest = {data->data, data->size};
    while (status == OL_OK && (status = member_next(&rest, &member)) == OL_OK)
        if (!member.is_link && !member_is_empty(member.sha256))
            status = walk_content(p, member.sha256);
    return status == OL_END || status == OL_CORRUPT ? OL_OK : status;
}

/* Who wrote the members of a list; each list once. */
static ol_status walk_list(struct pins *p, int64_t list)
{
    struct ol__buf column, data;
    size_t at = 0;
    int64_t piece = 0;
    if (list <= 0 || list > p->max_list || (p->lists[list / 8] >> list % 8 & 1) != 0)
        return OL_OK;
    p->lists[list / 8] |= (uint8_t)(1u << list % 8);
    ol__buf_init(&column, 64u << 20);
    ol__buf_init(&data, 64u << 20);
    sqlite3_stmt *stmt = store_bind(p->ask.store, SQL_LIST_GET, p->ask.err, "i", list);
    ol_status status = store_step(p->ask.store, stmt, p->ask.err);
    if (status == OL_OK) {
        struct ol__span pieces = store_column(stmt, 3);
        if (ol__buf_add(&column, pieces.data, pieces.size) != OL_OK)
            status = ol__error_set(p->ask.err, OL_NOMEM, "store: out of memory");
    }
    sqlite3_reset(stmt);
    const struct ol__span all = {column.data, column.size};
    while (status == OL_OK && all.size > 0 &&
           (status = members_next_piece(all, &at, &piece)) == OL_OK)
        status = walk_piece(p, piece, &data);
    ol__buf_release(&column);
    ol__buf_release(&data);
    return status == OL_END || status == OL_CORRUPT ? OL_OK : status;
}

/* Members of what has this version, as anybody says. */
static ol_status walk_members(struct pins *p, int64_t version)
{
    uint8_t sha256[OL_SHA256_SIZE];
    int64_t lists[16];
    size_t count = 0;
    sqlite3_stmt *stmt = store_bind(p->ask.store, SQL_VERSION_GET, p->ask.err, "i", version);
    ol_status status = store_step(p->ask.store, stmt, p->ask.err);
    struct ol__span value = status == OL_OK ? store_column(stmt, 1) : (struct ol__span){0};
    bool is_content = value.size == sizeof sha256 && sqlite3_column_type(stmt, 1) == SQLITE_BLOB;
    if (is_content)
        memcpy(sha256, value.data, sizeof sha256);
    sqlite3_reset(stmt);
    if (status < 0 || !is_content)
        return status < 0 ? status : OL_OK;
    stmt = store_bind(p->ask.store, SQL_ASK_ARTIFACT_LISTS, p->ask.err, "b",
                      (struct ol__span){(const char *)sha256, sizeof sha256});
    while (count < OL_COUNT(lists) &&
           (status = store_step(p->ask.store, stmt, p->ask.err)) == OL_OK)
        lists[count++] = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    status = status < 0 ? status : OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++)
        status = walk_list(p, lists[i]);
    return status;
}

static ol_status writers_of(struct pins *p, int64_t dataset, int64_t version, int64_t as_of,
                            int64_t except_run)
{
    ol_status status = edge_writers(p, dataset, version, as_of, except_run);
    return status == OL_OK && version != 0 && p->max_list > 0 ? walk_members(p, version) : status;
}

/* @p kinds: bits of the state's kinds whose datasets lead on. */
static ol_status walk_state(struct pins *p, unsigned kinds, int64_t as_of, int64_t run)
{
    struct state state = p->ask.state; /* ask_edges() does not touch it */
    ol_status status = OL_OK;
    for (size_t i = 0; i < state.count && status == OL_OK; i++)
        if ((kinds >> state.entries[i].kind & 1) != 0)
            status = writers_of(p, state.entries[i].object, state.entries[i].key, as_of, run);
    return status;
}

/* Runs and versions of the name @p text, where a decision says nothing but that. */
static ol_status walk_name(struct pins *p, int64_t text)
{
    struct store *store = p->ask.store;
    uint8_t bytes[32];
    char name[80] = "", hex[96];
    sqlite3_stmt *stmt = store_bind(store, SQL_TEXT_GET, p->ask.err, "i", text);
    ol_status status = store_step(store, stmt, p->ask.err);
    if (status == OL_OK && sqlite3_column_bytes(stmt, 0) < (int)sizeof name - 8)
        sqlite3_snprintf(sizeof name, name, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_reset(stmt);
    if (status < 0 || name[0] == '\0')
        return status < 0 ? status : OL_OK;
    struct ol__uuid uuid = run_uuid(ol__span_text(name));
    stmt = store_bind(store, SQL_RUN_FIND, p->ask.err, "b",
                      (struct ol__span){(const char *)uuid.bytes, sizeof uuid.bytes});
    status = store_step(store, stmt, p->ask.err);
    int64_t run = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    if (status >= 0)
        status = put_run(p, run);
    sqlite3_snprintf(sizeof hex, hex, "%s%s",
                     strncmp(name, "sha256:", 7) == 0 ? "" : "sha256:", name);
    if (status != OL_OK || !version_pack(ol__span_text(hex), bytes))
        return status;
    return walk_content(p, bytes);
}

/* What a decision names by an id of its run (approval.subject). */
static ol_status walk_ids(struct pins *p)
{
    struct state state = p->ask.state;
    ol_status status = OL_OK;
    for (size_t i = 0; i < state.count && status == OL_OK; i++)
        if (state.entries[i].kind == STATE_ID)
            status = walk_name(p, state.entries[i].value);
    return status;
}

/* Who wrote each of a list of things with a `sha256`. */
static ol_status walk_named(struct pins *p, const struct json_node *item)
{
    ol_status status = OL_OK;
    for (; item != NULL && status == OL_OK; item = item->next) {
        const char *text = json_get_text(item, "sha256");
        uint8_t sha256[OL_SHA256_SIZE];
        if (text != NULL && strlen(text) == OL_SHA256_TEXT &&
            ol__hex_read(text, sha256, sizeof sha256))
            status = walk_content(p, sha256);
    }
    return status;
}

/* What an approval rests on, by content. */
static ol_status walk_evidence(struct pins *p)
{
    struct state state = p->ask.state;
    struct json_doc doc;
    int64_t key = 0;
    ol_status status = ask_text_id(&p->ask, ol__span_text("lineaged_approval"), &key);
    for (size_t i = 0; i < state.count && status == OL_OK; i++) {
        const struct state_entry *e = &state.entries[i];
        if (e->kind != STATE_RUN_FACET || e->key != key || e->value == 0)
            continue;
        status = ask_facet_doc(&p->ask, e->value, &doc);
        if (status != OL_OK)
            continue;
        const struct json_node *item = json_get_items(doc.root, "approvals");
        for (; item != NULL && status == OL_OK; item = item->next)
            status = walk_named(p, json_get_items(item, "evidence"));
        json_doc_release(&doc);
    }
    return status == OL_NOT_FOUND || status == OL_CORRUPT ? OL_OK : status;
}

static ol_status walk_run(struct pins *p, int64_t id, bool is_root)
{
    struct ask_run run;
    ol_status status = ask_run(&p->ask, id, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    status = put_run(p, run.row.parent);
    if (status == OL_OK)
        status = put_run(p, run.row.root);
    if (status == OL_OK)
        status = walk_state(p, 1u << STATE_INPUT, run.row.started, id);
    if (status == OL_OK && is_root)
        status = walk_state(p, 1u << STATE_OUTPUT, INT64_MAX, id);
    if (status == OL_OK && is_root)
        status = walk_ids(p);
    if (status == OL_OK && is_root)
        status = walk_evidence(p);
    return status;
}

static ol_status walk_job(struct pins *p, int64_t job)
{
    ol_status status = ask_static(&p->ask, ASK_JOB, job);
    if (status == OL_NOT_FOUND)
        return OL_OK;
    return status == OL_OK ? walk_state(p, 1u << STATE_INPUT, INT64_MAX, 0) : status;
}

/* A dataset that an event of its own pins: in the versions such events told. */
static ol_status walk_dataset(struct pins *p, int64_t dataset)
{
    ol_status status = ask_static(&p->ask, ASK_DATASET, dataset);
    if (status == OL_NOT_FOUND)
        return OL_OK;
    bool has_version = false;
    for (size_t i = 0; status == OL_OK && i < p->ask.state.count; i++)
        has_version = has_version || p->ask.state.entries[i].kind == STATE_VERSION;
    if (status == OL_OK && has_version)
        return walk_state(p, 1u << STATE_VERSION, INT64_MAX, 0);
    return status == OL_OK ? writers_of(p, dataset, 0, INT64_MAX, 0) : status;
}

/* ---- Finding them all ---- */

static ol_status measure(struct store *store, enum store_sql sql, int64_t *ret,
                         struct ol_error *err)
{
    sqlite3_stmt *stmt = store_bind(store, sql, err, "");
    ol_status status = store_step(store, stmt, err);
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* The next root behind @p after: a run with mark @p sql's kind, or a dataset. */
static ol_status next_root(struct pins *p, enum store_sql sql, int64_t kind, int64_t after,
                           int64_t *ret)
{
    sqlite3_stmt *stmt = store_bind(p->ask.store, sql, p->ask.err, "ii", kind, after);
    ol_status status = store_step(p->ask.store, stmt, p->ask.err);
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status;
}

/* The roots: few, and each is looked at once. */
static ol_status seed(struct pins *p)
{
    static const int64_t marks[] = {MARK_APPROVAL, MARK_DEPLOYMENT};
    ol_status status = OL_END;
    for (size_t i = 0; i < OL_COUNT(marks) && status == OL_END; i++) {
        int64_t run = INT64_MAX;
        while ((status = next_root(p, SQL_ASK_MARKS, marks[i], run, &run)) == OL_OK) {
            status = put_run(p, run);
            if (status == OL_OK)
                status = walk_run(p, run, true);
            if (status != OL_OK)
                break;
        }
    }
    int64_t dataset = 0;
    while (status == OL_END) {
        status = next_root(p, SQL_PIN_NEXT, 0, dataset, &dataset);
        if (status == OL_END)
            break;
        if (status == OL_OK)
            status = walk_dataset(p, dataset);
        status = status == OL_OK ? OL_END : status;
    }
    return status == OL_END ? OL_OK : status;
}

static ol_status begin(struct store *store, struct ol_error *err)
{
    int64_t any = 0;
    struct pins *p = calloc(1, sizeof *p);
    ol_status status = OL_OK;
    if (p == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    p->question.uid = STORE_ANY_UID;
    p->ask = (struct ask){.store = store, .question = &p->question, .err = err, .at = INT64_MAX};
    if (store->schema >= 3)
        status = measure(store, SQL_PIN_ANY, &any, err);
    if (status == OL_OK && any == 0 && store->schema >= 3)
        status = measure(store, SQL_MARK_ANY, &any, err);
    if (status == OL_OK && any != 0) {
        status = measure(store, SQL_RUN_MAX, &p->max_run, err);
        if (status == OL_OK)
            status = measure(store, SQL_JOB_MAX, &p->max_job, err);
        if (status == OL_OK)
            status = store_measure(store, "SELECT max(id) FROM lists", &p->max_list, err);
        p->lists = calloc((size_t)p->max_list / 8 + 1, 1);
        p->runs = calloc((size_t)p->max_run / 8 + 1, 1);
        p->jobs = calloc((size_t)p->max_job / 8 + 1, 1);
        if (status == OL_OK && (p->runs == NULL || p->jobs == NULL || p->lists == NULL))
            status = ol__error_set(err, OL_NOMEM, "store: out of memory");
        if (status == OL_OK)
            status = seed(p);
    }
    if (status != OL_OK) {
        pins_free(p);
        return status;
    }
    store->pins = p;
    return OL_OK;
}

ol_status pins_find(struct store *store, int64_t max_age_ms, struct ol_error *err)
{
    int64_t now = ol__time_monotonic_ms();
    if (store->pins != NULL && store->pins->is_done && now - store->pins->found_at >= max_age_ms) {
        pins_free(store->pins);
        store->pins = NULL;
    }
    ol_status status = store->pins == NULL ? begin(store, err) : OL_OK;
    struct pins *p = store->pins;
    if (status != OL_OK || p->is_done)
        return status;
    p->ask.err = err;
    for (int i = 0; i < STEP_RUNS && p->todo_count > 0 && status == OL_OK; i++) {
        int64_t id = p->todo[--p->todo_count];
        status = id > 0 ? walk_run(p, id, false) : walk_job(p, -id);
    }
    if (status != OL_OK) { /* half of it is no answer */
        pins_free(p);
        store->pins = NULL;
        return status;
    }
    p->is_done = p->todo_count == 0;
    p->found_at = ol__time_monotonic_ms();
    return p->is_done ? OL_OK : OL_AGAIN;
}
