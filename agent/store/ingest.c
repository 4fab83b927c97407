/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. An event that cannot be read changes nothing.
 *  2. The same event again, or one that says nothing new, changes nothing but runs.seen and the
 *     cursor: a store into which an export is taken twice is as it was after the first time.
 *  3. Of events with different times, what the rows say in the end does not depend on the order
 * they come in (state.h; run_apply() below), but for `born`, which only files edges.
 *  4. A state once final stays: a late START or RUNNING does not open the run again. Between two
 * final events the later one counts; one that was inferred (DESIGN 2) gives way to any real one.
 *  5. A run named by others only is there with status NEW; its first own event decides its job and
 * owner. */
#include "ingest.h"
#include "answers.h"
#include "members.h"
#include "pins.h"

#include <inttypes.h>
#include <xxhash.h>

#define DAY_MS 86400000
#define ERROR_MAX 4096          /* the whole text is in the facet */
#define UID_UNKNOWN 0xffff0000u /* and above: names of keys (spec/SPOOL.md), nobody's uid */

const char *run_status_name(int64_t status)
{
    static const char *const names[] = {"NEW", "RUNNING", "COMPLETE", "FAIL", "ABORT"};
    return status >= 0 && status < (int64_t)OL_COUNT(names) ? names[status] : "NEW";
}

struct ol__uuid run_uuid(struct ol__span run_id)
{
    struct ol__event event = {.kind = OL_EVENT_RUN, .run_id = run_id};
    struct ol__uuid uuid = {0};
    (void)ol__event_lane(&event, uuid.bytes);
    return uuid;
}

void run_row_read(sqlite3_stmt *stmt, struct run_row *ret, struct ol__span *ret_text,
                  struct ol__span *ret_state)
{
    int64_t *const columns[] = {&ret->job,      &ret->status, &ret->flags,  &ret->born,
                                &ret->started,  &ret->ended,  &ret->last,   &ret->seen_day,
                                &ret->seen,     &ret->uid,    &ret->parent, &ret->root,
                                &ret->producer, &ret->engine, &ret->error,  &ret->events};
    ret->id = sqlite3_column_int64(stmt, 0);
    struct ol__span uuid = store_column(stmt, 1);
    memset(&ret->uuid, 0, sizeof ret->uuid);
    if (uuid.size == sizeof ret->uuid.bytes)
        memcpy(ret->uuid.bytes, uuid.data, uuid.size);
    for (size_t i = 0; i < OL_COUNT(columns); i++)
        *columns[i] = sqlite3_column_int64(stmt, (int)i + 3);
    if (ret_text != NULL)
        *ret_text = store_column(stmt, 2);
    if (ret_state != NULL)
        *ret_state = store_column(stmt, 19);
}

static struct ol__span buf_span(const struct ol__buf *buf)
{
    return (struct ol__span){.data = buf->data, .size = buf->size};
}

static struct ol__span uuid_span(const struct ol__uuid *uuid)
{
    return (struct ol__span){.data = (const char *)uuid->bytes, .size = sizeof uuid->bytes};
}

/* ---- The row of a run ---- */

/* The row of @p run_id; id 0 if there is none. Its state goes to store->gather->old if @p
 * want_state. */
static ol_status run_find(struct store *store, struct ol__span run_id, bool want_state,
                          struct run_row *ret, struct ol_error *err)
{
    *ret = (struct run_row){.uuid = run_uuid(run_id)};
    if (want_state)
        store->gather->old.count = 0;
    sqlite3_stmt *stmt = store_bind(store, SQL_RUN_FIND, err, "b", uuid_span(&ret->uuid));
    ol_status status = store_step(store, stmt, err);
    if (status == OL_END)
        return OL_OK;
    if (status != OL_OK)
        return status;
    struct ol__span state;
    run_row_read(stmt, ret, NULL, &state);
    if (want_state)
        status = state_read(&store->gather->old, state, err);
    sqlite3_reset(stmt);
    return status;
}

static ol_status run_insert(struct store *store, struct run_row *row, struct ol__span run_id,
                            struct ol__span state, struct ol_error *err)
{
    /* The text is kept only where the 16 bytes do not give it back. */
    struct ol__span text = run_id;
    if (ol__uuid_is_canonical(run_id))
        text = (struct ol__span){0};
    ol_status status =
        store_run(store, SQL_RUN_ADD, err, "buiiiiiniiiinnnnnib", uuid_span(&row->uuid), text,
                  row->job, row->status, row->flags, row->born, row->started, row->ended, row->last,
                  row->seen_day, row->seen, row->uid, row->parent, row->root, row->producer,
                  row->engine, row->error, row->events, state);
    if (status == OL_OK)
        row->id = sqlite3_last_insert_rowid(store->db);
    return status;
}

static ol_status run_update(struct store *store, const struct run_row *old,
                            const struct run_row *row, struct ol__span state, struct ol_error *err)
{
    bool is_indexed = old->job != row->job || old->seen_day != row->seen_day ||
                      old->parent != row->parent || old->root != row->root ||
                      old->born != row->born;
    if (!is_indexed && old->status != row->status)
        return store_run(store, SQL_RUN_UPDATE_STATUS, err, "iiiniiinnnibi", row->id, row->flags,
                         row->started, row->ended, row->last, row->seen, row->uid, row->producer,
                         row->engine, row->error, row->events, state, row->status);
    if (!is_indexed)
        return store_run(store, SQL_RUN_UPDATE, err, "iiiniiinnnib", row->id, row->flags,
                         row->started, row->ended, row->last, row->seen, row->uid, row->producer,
                         row->engine, row->error, row->events, state);
    return store_run(store, SQL_RUN_UPDATE_ALL, err, "iiiniiinnnibiiinni", row->id, row->flags,
                     row->started, row->ended, row->last, row->seen, row->uid, row->producer,
                     row->engine, row->error, row->events, state, row->job, row->status,
                     row->seen_day, row->parent, row->root, row->born);
}

static int64_t final_status(enum ol__event_type type)
{
    return type == OL_TYPE_COMPLETE ? RUN_COMPLETE
           : type == OL_TYPE_FAIL   ? RUN_FAIL
           : type == OL_TYPE_ABORT  ? RUN_ABORT
                                    : RUN_NEW;
}

static void apply_status(struct run_row *row, enum ol__event_type type, bool is_inferred,
                         int64_t at)
{
    int64_t status = final_status(type);
    if (status == RUN_NEW) { /* promise 4 */
        if (row->status == RUN_NEW)
            row->status = RUN_RUNNING;
        return;
    }
    bool was_final = row->status >= RUN_COMPLETE, was_inferred = row->flags & RUN_INFERRED;
    bool wins = !was_final || (was_inferred && !is_inferred) ||
                (was_inferred == is_inferred && at >= row->ended);
    if (!wins)
        return;
    row->status = status;
    row->ended = at;
    row->flags = is_inferred ? row->flags | RUN_INFERRED : row->flags & ~(int64_t)RUN_INFERRED;
}

/* Put an own event of the run into its row, but for what needs ids. */
static void run_apply(struct run_row *row, const struct ol__event *event,
                      const struct store_event *taken, int64_t at, int64_t job)
{
    int64_t uid = taken->uid >= UID_UNKNOWN ? STORE_UID_UNKNOWN : (int64_t)taken->uid;
    if (row->id == 0 || row->status == RUN_NEW) { /* promise 5 */
        row->job = job;
        row->born = row->started = row->last = at;
        row->uid = uid;
    }
    if (row->uid == STORE_UID_UNKNOWN)
        row->uid = uid;
    apply_status(row, event->type, taken->is_inferred, at);
    bool has_start = row->flags & RUN_HAS_START;
    if (event->type == OL_TYPE_START) {
        row->started = has_start ? OL_MIN(row->started, at) : at;
        row->flags |= RUN_HAS_START;
    } else if (!has_start) {
        row->started = OL_MIN(row->started, at);
    }
    row->last = OL_MAX(row->last, at);
    row->seen = OL_MAX(row->seen, taken->taken_ms);
    row->seen_day = row->seen / DAY_MS;
    row->events++;
}

/* Promise 2: whether an event changed nothing of a run that was there. */
static bool is_repeat(const struct store *store, const struct run_row *old,
                      const struct run_row *row)
{
    const struct state *was = &store->gather->old, *is = &store->gather->merged;
    const int64_t pairs[][2] = {{old->job, row->job},
                                {old->status, row->status},
                                {old->flags, row->flags},
                                {old->started, row->started},
                                {old->ended, row->ended},
                                {old->last, row->last},
                                {old->uid, row->uid},
                                {old->parent, row->parent},
                                {old->root, row->root},
                                {old->producer, row->producer},
                                {old->engine, row->engine},
                                {old->error, row->error},
                                {(int64_t)was->count, (int64_t)is->count}};
    if (old->id == 0 || old->status == RUN_NEW)
        return false;
    for (size_t i = 0; i < OL_COUNT(pairs); i++)
        if (pairs[i][0] != pairs[i][1])
            return false;
    for (size_t i = 0; i < is->count; i++) {
        const struct state_entry *a = &was->entries[i], *b = &is->entries[i];
        if (a->kind != b->kind || a->object != b->object || a->key != b->key ||
            a->value != b->value || a->at != b->at)
            return false;
    }
    return true;
}

/* ---- What the row says in ids of others ---- */

/* A run that an event names: as it is, or as a new row that waits for its own events (promise 5).
 */
static ol_status run_mention(struct store *store, struct ol__span run_id, struct ol__span job_ns,
                             struct ol__span job_name, const struct run_row *by, int64_t *ret,
                             struct ol_error *err)
{
    struct run_row row;
    if (run_id.size == 0 || job_name.size == 0 || job_ns.size == 0)
        return OL_OK;
    ol_status status = run_find(store, run_id, false, &row, err);
    if (status != OL_OK)
        return status;
    if (row.id == 0) {
        status = dict_job(store, job_ns, job_name, &row.job, err);
        row.born = row.started = row.last = by->started;
        row.seen = by->seen;
        row.seen_day = by->seen_day;
        row.uid = by->uid;
        if (status == OL_OK)
            status = run_insert(store, &row, run_id, (struct ol__span){0}, err);
        if (status == OL_OK)
            sweep_mark_id(store->sweep, SQL_SWEEP_RUNS, row.id);
    } else if (row.status == RUN_NEW && by->started < row.started) /* promise 3 */
        status = store_run(store, SQL_RUN_NAMED, err, "ii", row.id, by->started);
    if (status == OL_OK && row.id != by->id)
        *ret = row.id;
    return status;
}

static ol_status text_into(struct store *store, struct ol__span text, int64_t *ret,
                           struct ol_error *err)
{
    return text.size == 0 ? OL_OK : dict_text(store, text, ret, err);
}

static ol_status run_facts(struct store *store, const struct ol__event *event, int64_t at,
                           struct run_row *row, struct ol_error *err)
{
    struct gather *g = store->gather;
    struct ol__span error = {.data = g->error.data, .size = OL_MIN(g->error.size, ERROR_MAX)};
    while (error.size < g->error.size && error.size > 0 && (error.data[error.size] & 0xc0) == 0x80)
        error.size--; /* not inside a character */
    ol_status status = text_into(store, error, &row->error, err);
    if (status == OL_OK && g->engine_name.size + g->engine_version.size > 0) {
        ol__buf_reset(&g->text);
        ol__buf_add(&g->text, g->engine_name.data, g->engine_name.size);
        if (g->engine_name.size > 0 && g->engine_version.size > 0)
            ol__buf_add_char(&g->text, ' ');
        ol__buf_add(&g->text, g->engine_version.data, g->engine_version.size);
        if (g->text.status == OL_OK) /* too long for a column: the facet has it */
            status = dict_text(store, buf_span(&g->text), &row->engine, err);
    }
    if (status == OL_OK && (at >= row->last || row->producer == 0))
        status = text_into(store, event->producer, &row->producer, err);
    if (status == OL_OK && g->processing_type.size > 0)
        status = dict_job_type(store, row->job, g->processing_type, err);
    if (status == OL_OK)
        status = run_mention(store, g->parent_run, g->parent_namespace, g->parent_name, row,
                             &row->parent, err);
    if (status == OL_OK)
        status =
            run_mention(store, g->root_run, g->root_namespace, g->root_name, row, &row->root, err);
    return status;
}

/* ---- Edges and ids: what the merged state has and the old one had not, and the other way ---- */

static ol_status put_entry(struct store *store, const struct state_entry *e, bool is_there,
                           const struct run_row *row, struct ol_error *err)
{
    if (e->kind == STATE_VERSION)
        return OL_OK;
    if (e->kind == STATE_INPUT || e->kind == STATE_OUTPUT)
        return store_run(store, is_there ? SQL_IO_ADD : SQL_IO_REMOVE, err, "iiiiii", e->object,
                         (int64_t)(e->kind == STATE_OUTPUT), row->job, row->born, row->id, e->key);
    return store_run(store, is_there ? SQL_ID_ADD : SQL_ID_REMOVE, err, "iii", e->value, e->key,
                     row->id);
}

/* Two facets may carry the same id (ours is mirrored into tags): it goes with the last of them. */
static bool has_id(const struct state *state, const struct state_entry *id)
{
    for (size_t i = 0; i < state->count; i++)
        if (state->entries[i].kind == STATE_ID && state->entries[i].key == id->key &&
            state->entries[i].value == id->value)
            return true;
    return false;
}

static ol_status put_edges(struct store *store, const struct run_row *row, struct ol_error *err)
{
    const struct state *old = &store->gather->old, *merged = &store->gather->merged;
    ol_status status = OL_OK;
    for (size_t i = 0; i < old->count && status == OL_OK; i++) {
        const struct state_entry *e = &old->entries[i];
        if (state_is_facet(e->kind) || state_find(merged, e) != NULL ||
            (e->kind == STATE_ID && has_id(merged, e)))
            continue;
        status = put_entry(store, e, false, row, err);
    }
    for (size_t i = 0; i < merged->count && status == OL_OK; i++) {
        const struct state_entry *e = &merged->entries[i];
        if (state_is_facet(e->kind) || state_find(old, e) != NULL)
            continue;
        status = put_entry(store, e, true, row, err);
    }
    return status;
}

/* gather->old + gather->news -> gather->merged and the column. */
static ol_status merge(struct store *store, struct ol_error *err)
{
    struct gather *g = store->gather;
    if (state_merge(&g->old, &g->news, &g->merged) != OL_OK)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    ol__buf_reset(&g->column);
    if (state_write(&g->merged, &g->column) == OL_TOO_LARGE)
        return ol__error_set(err, OL_INVALID, "a run's merged state is larger than %zu bytes",
                             g->column.max);
    if (g->column.status != OL_OK)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    return OL_OK;
}

/* ---- The three kinds of events ---- */

static ol_status add_raw(struct store *store, int64_t run, struct ol__span data,
                         struct ol_error *err)
{
    int64_t hash = (int64_t)XXH3_64bits_withSeed(data.data, data.size, store->hash_seed);
    sqlite3_stmt *stmt = store_bind(store, SQL_EVENT_FIND, err, "iit", run, hash, data);
    ol_status status = store_step(store, stmt, err);
    if (status == OL_OK) {
        sqlite3_reset(stmt);
        return OL_OK; /* promise 2 */
    }
    return status == OL_END ? store_run(store, SQL_EVENT_ADD, err, "iit", run, hash, data) : status;
}

/* An event may name its own run as the parent; a tree may not. */
static struct run_row *own_parent(struct run_row *row)
{
    if (row->parent == row->id)
        row->parent = 0;
    if (row->root == row->id)
        row->root = 0;
    return row;
}

/* So that such runs are found without reading all of them. */
static ol_status put_marks(struct store *store, const struct ol__event *event, int64_t run,
                           struct ol_error *err)
{
    static const struct {
        enum ol__facet_id facet;
        enum run_mark mark;
    } marked[] = {{OL_FACET_RUN_LINEAGED_APPROVAL, MARK_APPROVAL},
                  {OL_FACET_RUN_LINEAGED_DEPLOYMENT, MARK_DEPLOYMENT},
                  {OL_FACET_RUN_LINEAGED_CALL, MARK_CALL}};
    ol_status status = OL_OK;
    for (size_t i = 0; i < event->facet_count && status == OL_OK; i++)
        for (size_t k = 0; k < OL_COUNT(marked) && status == OL_OK; k++)
            if (event->facets[i].id == marked[k].facet) {
                status = store_run(store, SQL_MARK_ADD, err, "ii", (int64_t)marked[k].mark, run);
                if (marked[k].mark != MARK_CALL)
                    pins_forget(store);
            }
    return status;
}

/* A dataset's own event says that it is approved or deployed. */
static bool has_pin(const struct ol__event *event)
{
    for (size_t i = 0; i < event->facet_count; i++)
        if (pins_is_facet(event->facets[i].key))
            return true;
    return false;
}

static ol_status add_run_event(struct store *store, const struct ol__event *event,
                               const struct store_event *taken, int64_t *ret_run,
                               struct ol_error *err)
{
    struct run_row old, row;
    int64_t job = 0, at = gather_time(event, taken);
    ol_status status = run_find(store, event->run_id, true, &old, err);
    if (status == OL_OK)
        status = dict_job(store, event->job_namespace, event->job_name, &job, err);
    if (status == OL_OK)
        status = gather_event(store, event, at, err);
    if (status != OL_OK)
        return status;
    row = old;
    run_apply(&row, event, taken, at, job);
    status = run_facts(store, event, at, &row, err);
    if (status == OL_OK)
        status = merge(store, err);
    if (status != OL_OK)
        return status;
    struct ol__span state = buf_span(&store->gather->column);
    if (row.id == 0 && store->gather->parent_run.size + store->gather->root_run.size > 0)
        /* run_facts() may have made it, if the event names itself as its parent */
        status = run_find(store, event->run_id, false, &old, err);
    if (status == OL_OK && (row.id = old.id) == 0)
        status = run_insert(store, &row, event->run_id, state, err);
    else if (status == OL_OK) {
        if (is_repeat(store, &old, own_parent(&row)))
            row.events = old.events;
        status = run_update(store, &old, &row, state, err);
    }
    if (status == OL_OK)
        status = put_edges(store, &row, err);
    if (status == OL_OK)
        status = put_marks(store, event, row.id, err);
    sweep_mark_state(store->sweep, &store->gather->merged);
    sweep_mark_id(store->sweep, SQL_SWEEP_RUNS, row.id);
    pins_touch(store, row.id);
    *ret_run = row.id;
    return status;
}

/* An answer of a run: a row of its own; of the run's row only times and the count (answers.c). */
static ol_status add_answer_event(struct store *store, const struct ol__event *event,
                                  const struct answer *answer, const struct store_event *taken,
                                  int64_t *ret_run, struct ol_error *err)
{
    struct run_row old, row;
    int64_t job = 0, at = gather_time(event, taken);
    ol_status status = OL_OK;
    if (answer->says_more)
        status = add_run_event(store, event, taken, ret_run, err);
    else
        status = run_find(store, event->run_id, false, &old, err);
    if (status == OL_OK && !answer->says_more) {
        row = old;
        if (row.id == 0 || row.status == RUN_NEW)
            status = dict_job(store, event->job_namespace, event->job_name, &job, err);
        if (status == OL_OK)
            run_apply(&row, event, taken, at, job);
        if (status == OL_OK && row.producer == 0)
            status = text_into(store, event->producer, &row.producer, err);
        if (status == OL_OK && old.id == 0)
            status = run_insert(store, &row, event->run_id, (struct ol__span){0}, err);
        else if (status == OL_OK && (old.status == RUN_NEW || old.uid != row.uid))
            status = add_run_event(store, event, taken, ret_run, err); /* rare: the whole way */
        else if (status == OL_OK) {
            bool is_there = false;
            status = answer_is_there(store, answer, row.id, at, &is_there, err);
            if (status == OL_OK && !is_there)
                status = answer_touch(store, &old, &row, err);
        }
        *ret_run = row.id;
        sweep_mark_id(store->sweep, SQL_SWEEP_JOBS, row.job);
    }
    return status == OL_OK ? answer_add(store, event, answer, *ret_run, at, taken->taken_ms, err)
                           : status;
}

/* Static events: what they say stands at the job or dataset itself. */
static ol_status add_static_event(struct store *store, const struct ol__event *event,
                                  const struct store_event *taken, struct ol_error *err)
{
    struct gather *g = store->gather;
    bool is_job = event->kind == OL_EVENT_JOB;
    int64_t id = 0, at = gather_time(event, taken);
    ol_status status =
        is_job ? dict_job(store, event->job_namespace, event->job_name, &id, err)
               : dict_dataset(store, event->dataset_namespace, event->dataset_name, &id, err);
    if (status != OL_OK)
        return status;
    sqlite3_stmt *stmt = store_bind(store, is_job ? SQL_JOB_GET : SQL_DATASET_GET, err, "i", id);
    status = store_step(store, stmt, err);
    if (status != OL_OK)
        return status == OL_END
                   ? ol__error_set(err, OL_CORRUPT, "store '%s': a name is gone", store->path)
                   : status;
    int64_t uid = taken->uid >= UID_UNKNOWN ? STORE_UID_UNKNOWN : (int64_t)taken->uid;
    int64_t seen = OL_MAX(sqlite3_column_int64(stmt, 2), taken->taken_ms);
    bool is_first = sqlite3_column_type(stmt, 3) == SQLITE_NULL;
    if (!is_first && sqlite3_column_int64(stmt, 1) != uid)
        uid = STORE_UID_UNKNOWN; /* said by several users: then it is nobody's but root's */
    status = state_read(&g->old, store_column(stmt, 3), err);
    sqlite3_reset(stmt);
    if (status == OL_OK)
        status = gather_event(store, event, at, err);
    if (status == OL_OK)
        status = merge(store, err);
    if (status == OL_OK)
        status = store_run(store, is_job ? SQL_JOB_STATE : SQL_DATASET_STATE, err, "iiib", id, uid,
                           seen, buf_span(&g->column));
    if (status == OL_OK && is_job && g->processing_type.size > 0)
        status = dict_job_type(store, id, g->processing_type, err);
    struct run_row row = {.job = id}; /* run 0, time 0: edges of no run */
    if (status == OL_OK && is_job)
        status = put_edges(store, &row, err);
    sweep_mark_state(store->sweep, &g->merged);
    if (status == OL_OK && !is_job && has_pin(event))
        status = pins_add(store, id, err);
    return status;
}

/* An end that an agent inferred is marked in the event as well: it may come from another agent, or
 * out of an export. */
static bool is_inferred(const struct ol__event *event)
{
    if (event->kind != OL_EVENT_RUN || !ol__event_is_terminal(event->type))
        return false;
    for (size_t i = 0; i < event->facet_count; i++)
        if (event->facets[i].id == OL_FACET_RUN_LINEAGED_INFERRED &&
            event->facets[i].entity == OL_ENTITY_RUN)
            return true;
    return false;
}

ol_status store_add(struct store *store, const struct store_event *given, bool keep_raw,
                    struct ol_error *err)
{
    assert(store->in_transaction);
    const struct ol__event *event = NULL;
    ol_status status = store->gather == NULL ? gather_new(store, err) : OL_OK;
    if (status == OL_OK)
        status = ol__event_read(store->reader, given->data, OL_EVENT_ALL, NULL, -1, &event, err);
    if (status == OL_TOO_LARGE)
        status = OL_INVALID; /* no later try will read it */
    if (status != OL_OK)
        return status;
    struct store_event copy = *given, *taken = &copy;
    copy.is_inferred = given->is_inferred || is_inferred(event);
    int64_t run = 0;
    struct answer answer;
    store->gather->has_answer = answer_of(event, &answer);
    if (store->gather->has_answer)
        status = add_answer_event(store, event, &answer, taken, &run, err);
    else if (event->kind == OL_EVENT_RUN)
        status = add_run_event(store, event, taken, &run, err);
    else
        status = add_static_event(store, event, taken, err);
    if (status == OL_OK)
        status = members_claims(store, event,
                                taken->uid >= UID_UNKNOWN ? STORE_UID_UNKNOWN : (int64_t)taken->uid,
                                taken->taken_ms, err);
    if (status == OL_OK && keep_raw)
        status = add_raw(store, run, taken->data, err);
    return status;
}
