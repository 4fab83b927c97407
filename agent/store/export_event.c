/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Every event is valid OpenLineage 2-0-2, on one line.
 *  2. A facet has the bytes that came, but for newlines between its tokens.
 *  3. A facet, a version or a producer that is damaged is left out, a dataset without its name as
 *     well; without its job there is no event (OL_NOT_FOUND).
 *  4. What the store does not keep (the version facet of all but the last version of a dataset that
 * a run read several of, the producer of a static event) is made anew; nothing else is. */
#include "export.h"

#include "answers.h"
#include "facet_info.h"
#include "times.h"

#define PRODUCER "https://github.com/lineaged/lineaged/tree/v" OL_VERSION "/agent"
#define SPEC "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
#define FACET_MAX ((size_t)64 << 20)

static struct ol__span span(const struct ol__buf *buf)
{
    return (struct ol__span){buf->data != NULL ? buf->data : "", buf->size};
}

ol_status export_text(struct export *ex, int64_t id, struct ol__buf *out)
{
    ol__buf_reset(out);
    sqlite3_stmt *stmt = store_bind(ex->store, SQL_TEXT_GET, ex->err, "i", id);
    ol_status status = store_step(ex->store, stmt, ex->err);
    if (status == OL_OK) {
        struct ol__span text = store_column(stmt, 0);
        status = ol__buf_add(out, text.data, text.size);
    } else if (status == OL_END) {
        status = OL_NOT_FOUND;
    }
    sqlite3_reset(stmt);
    return status;
}

ol_status export_version(struct export *ex, int64_t id, struct ol__buf *out)
{
    ol__buf_reset(out);
    sqlite3_stmt *stmt = store_bind(ex->store, SQL_VERSION_GET, ex->err, "i", id);
    ol_status status = store_step(ex->store, stmt, ex->err);
    if (status == OL_OK)
        status = version_unpack(stmt, 1, out);
    else if (status == OL_END)
        status = OL_NOT_FOUND;
    sqlite3_reset(stmt);
    return status;
}

/* On one line: promises 1 and 2. */
static ol_status add_line(struct export *ex, struct ol__span json, struct ol__buf *out)
{
    if (memchr(json.data, '\n', json.size) == NULL && memchr(json.data, '\r', json.size) == NULL)
        return ol__buf_add(out, json.data, json.size);
    if (ol__json_minify(ex->store->json, json, NULL, out, NULL) == OL_OK)
        return OL_OK;
    size_t from = out->size; /* nested past our limit: between tokens it may as well be a space */
    ol__buf_add(out, json.data, json.size);
    for (size_t i = from; i < out->size; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
    return out->status;
}

static ol_status load_facet(struct export *ex, int64_t id)
{
    struct ol__buf whole;
    ol__buf_init(&whole, FACET_MAX);
    ol__buf_reset(&ex->facet);
    sqlite3_stmt *stmt = store_bind(ex->store, SQL_FACET_GET, ex->err, "i", id);
    ol_status status = store_step(ex->store, stmt, ex->err);
    if (status == OL_OK) {
        struct ol__span head = store_column(stmt, 0), body = store_column(stmt, 1);
        ol__buf_add(&whole, head.data, head.size);
        status = ol__buf_add(&whole, body.data, body.size);
        if (status == OL_OK)
            status = add_line(ex, span(&whole), &ex->facet);
    } else if (status == OL_END) {
        status = OL_NOT_FOUND;
    }
    sqlite3_reset(stmt);
    ol__buf_release(&whole);
    return status;
}

static ol_status take_version(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    static const char *const path[] = {"datasetVersion"};
    struct export *ex = arg;
    (void)err;
    if (value->type != OL_JSON_STRING || !ol__json_at(value, path, 1))
        return OL_OK;
    ol__buf_reset(&ex->text);
    return ol__buf_add(&ex->text, value->text.data, value->text.size);
}

ol_status export_facet_version(struct export *ex, int64_t facet)
{
    ol__buf_reset(&ex->text);
    ol_status status = load_facet(ex, facet);
    if (status == OL_OK) /* a facet that is no such JSON says none */
        OL_IGNORE(ol__json_read(ex->store->json, span(&ex->facet), NULL, take_version, ex, NULL) !=
                      OL_OK,
                  "it stays empty");
    return status != OL_OK ? status : ex->text.status;
}

/* ---- Facets ---- */

static void write_made(struct ol__json_writer *w, const char *schema)
{
    ol__json_begin_object(w);
    ol__json_member_text(w, "_producer", PRODUCER);
    ol__json_member_text(w, "_schemaURL", schema);
}

static ol_status write_facet(struct export *ex, struct ol__json_writer *w,
                             const struct export_item *item)
{
    /* What may fail comes first: a key without a value is no JSON. */
    ol_status status = item->value != 0 ? load_facet(ex, item->value) : OL_OK;
    if (status == OL_OK)
        status = export_text(ex, item->key, &ex->text);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    ol__json_key_span(w, span(&ex->text));
    if (item->value == 0) {
        write_made(w, item->kind == STATE_JOB_FACET ? SPEC "JobFacet" : SPEC "DatasetFacet");
        ol__json_member_bool(w, "_deleted", true);
        ol__json_end_object(w);
        return OL_OK;
    }
    ol__json_raw(w, span(&ex->facet));
    return OL_OK;
}

static bool is_full(const struct export *ex, size_t begin)
{
    return ex->out->size - begin > EXPORT_EVENT_BYTES;
}

/* Items of one kind from *i on, as members. */
static ol_status write_facets(struct export *ex, struct ol__json_writer *w, size_t begin,
                              uint8_t kind, size_t *i)
{
    const struct export_item *first = &ex->plan.items[*i];
    ol_status status = OL_OK;
    while (status == OL_OK && *i < ex->plan.count && !is_full(ex, begin)) {
        const struct export_item *item = &ex->plan.items[*i];
        if (!export_same_event(first, item) || item->kind != kind || item->place == EXPORT_MARK ||
            item->object != first->object)
            break;
        status = write_facet(ex, w, item);
        (*i)++;
    }
    return status;
}

/* ---- Datasets ---- */

static bool is_edge(uint8_t kind)
{
    return kind == STATE_INPUT || kind == STATE_OUTPUT || kind == STATE_VERSION;
}

/* The version that the dataset which begins at item @p from is to have, if no facet of the event
 * says it: of the edge at the end of its items. */
static int64_t missing_version(const struct export *ex, size_t from)
{
    const struct export_item *first = &ex->plan.items[from];
    for (size_t i = from; i < ex->plan.count; i++) {
        const struct export_item *item = &ex->plan.items[i];
        if (!export_same_event(first, item) || item->place != first->place ||
            item->object != first->object)
            return 0;
        if (!is_edge(item->kind) && item->key == ex->version_key && item->value != 0 &&
            item->kind != STATE_INPUT_FACET && item->kind != STATE_OUTPUT_FACET)
            return 0;
        if (is_edge(item->kind))
            return item->key;
    }
    return 0;
}

static ol_status write_version(struct export *ex, struct ol__json_writer *w, int64_t version)
{
    ol_status status = export_version(ex, version, &ex->text);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    const struct ol__facet_info *info =
        ol__facet_info(ol__facet_find(OL_ENTITY_DATASET, OL_SPAN_LIT("version")));
    assert(info != NULL);
    ol__json_key(w, "version");
    write_made(w, info->schema_url);
    ol__json_member_span(w, "datasetVersion", span(&ex->text));
    ol__json_end_object(w);
    return OL_OK;
}

/* @return OL_OK: the members were written behind @p key (NULL: none) in a new object; OL_NOT_FOUND:
 * the name is damaged, nothing was written. */
static ol_status begin_dataset(struct export *ex, struct ol__json_writer *w, const char *key,
                               int64_t dataset)
{
    sqlite3_stmt *stmt = store_bind(ex->store, SQL_ASK_DATASET, ex->err, "ii", dataset, (int64_t)0);
    ol_status status = store_step(ex->store, stmt, ex->err);
    if (status != OL_OK)
        return status == OL_END ? OL_NOT_FOUND : status;
    status = export_text(ex, sqlite3_column_int64(stmt, 0), &ex->text);
    if (status == OL_OK) {
        if (key != NULL)
            ol__json_key(w, key);
        ol__json_begin_object(w);
        ol__json_member_span(w, "namespace", span(&ex->text));
        ol__json_member_span(w, "name", store_column(stmt, 1));
    }
    sqlite3_reset(stmt);
    return status;
}

/* All items of the dataset that *i is one of. */
static void skip_dataset(const struct export *ex, size_t *i)
{
    const struct export_item *first = &ex->plan.items[*i];
    while (*i < ex->plan.count && export_same_event(first, &ex->plan.items[*i]) &&
           ex->plan.items[*i].place == first->place && ex->plan.items[*i].object == first->object)
        (*i)++;
}

/* One dataset from item *i on, as far as there is room. @return OL_NOT_FOUND: as begin_dataset(),
 * it was passed over. */
static ol_status write_dataset(struct export *ex, struct ol__json_writer *w, const char *key,
                               size_t begin, size_t *i)
{
    const struct export_item *first = &ex->plan.items[*i];
    bool is_output = first->place == EXPORT_OUTPUT;
    int64_t version = missing_version(ex, *i);
    ol_status status = begin_dataset(ex, w, key, first->object);
    if (status == OL_NOT_FOUND)
        skip_dataset(ex, i);
    if (status != OL_OK)
        return status;
    ol__json_key(w, "facets");
    ol__json_begin_object(w);
    if (status == OL_OK && version != 0)
        status = write_version(ex, w, version);
    if (status == OL_OK)
        status = write_facets(ex, w, begin,
                              first->place == EXPORT_SUBJECT ? STATE_SUBJECT_FACET
                              : is_output                    ? STATE_OUTPUT_DATASET_FACET
                                                             : STATE_INPUT_DATASET_FACET,
                              i);
    ol__json_end_object(w);
    const struct export_item *here = *i < ex->plan.count ? &ex->plan.items[*i] : first;
    if (status == OL_OK && here->object == first->object && here->place == first->place &&
        export_same_event(first, here) &&
        (here->kind == STATE_INPUT_FACET || here->kind == STATE_OUTPUT_FACET)) {
        ol__json_key(w, is_output ? "outputFacets" : "inputFacets");
        ol__json_begin_object(w);
        status = write_facets(ex, w, begin, here->kind, i);
        ol__json_end_object(w);
    }
    ol__json_end_object(w);
    for (; *i < ex->plan.count; (*i)++) { /* its edge has been told */
        const struct export_item *item = &ex->plan.items[*i];
        if (!export_same_event(first, item) || item->place != first->place ||
            item->object != first->object || !is_edge(item->kind))
            break;
    }
    return status;
}

static ol_status write_datasets(struct export *ex, struct ol__json_writer *w, size_t begin,
                                size_t from, uint8_t place, size_t *i)
{
    const struct export_item *first = &ex->plan.items[from];
    ol_status status = OL_OK;
    bool has_any = false;
    while (status == OL_OK && *i < ex->plan.count && !is_full(ex, begin)) {
        const struct export_item *item = &ex->plan.items[*i];
        if (!export_same_event(first, item) || item->place != place)
            break;
        if (!has_any) {
            ol__json_key(w, place == EXPORT_INPUT ? "inputs" : "outputs");
            ol__json_begin_array(w);
            has_any = true;
        }
        status = write_dataset(ex, w, NULL, begin, i);
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    if (has_any)
        ol__json_end_array(w);
    return status;
}

/* ---- Events ---- */

static ol_status write_job(struct export *ex, struct ol__json_writer *w, size_t begin, size_t from,
                           size_t *i)
{
    sqlite3_stmt *stmt = store_bind(ex->store, SQL_ASK_JOB, ex->err, "i", ex->subject.job);
    ol_status status = store_step(ex->store, stmt, ex->err);
    if (status != OL_OK)
        return status == OL_END ? OL_NOT_FOUND : status;
    status = export_text(ex, sqlite3_column_int64(stmt, 0), &ex->text);
    if (status != OL_OK) {
        sqlite3_reset(stmt);
        return status;
    }
    ol__json_key(w, "job");
    ol__json_begin_object(w);
    ol__json_member_span(w, "namespace", span(&ex->text));
    ol__json_member_span(w, "name", store_column(stmt, 1));
    sqlite3_reset(stmt);
    ol__json_key(w, "facets");
    ol__json_begin_object(w);
    if (status == OL_OK && *i < ex->plan.count &&
        export_same_event(&ex->plan.items[from], &ex->plan.items[*i]) &&
        ex->plan.items[*i].place == EXPORT_JOB)
        status = write_facets(ex, w, begin, STATE_JOB_FACET, i);
    ol__json_end_object(w);
    ol__json_end_object(w);
    return status;
}

static enum ol__event_type final_type(int64_t status)
{
    return status == RUN_COMPLETE ? OL_TYPE_COMPLETE
           : status == RUN_FAIL   ? OL_TYPE_FAIL
                                  : OL_TYPE_ABORT;
}

static enum ol__event_type type_of(const struct export *ex, const struct export_item *item,
                                   bool is_begin)
{
    const struct run_row *row = &ex->subject.row;
    bool has_end = row->status >= RUN_COMPLETE;
    if (item->pass == EXPORT_FIRST_PASS)
        return row->flags & RUN_HAS_START ? OL_TYPE_START : OL_TYPE_OTHER;
    if (has_end && item->at == row->ended && item->pass == EXPORT_LAST_PASS &&
        (is_begin || !(row->flags & RUN_INFERRED)))
        return final_type(row->status);
    if (item->at == row->started && (row->flags & RUN_HAS_START) && row->ended != row->started)
        return OL_TYPE_START;
    return item->at > row->started && (!has_end || item->at < row->ended) ? OL_TYPE_RUNNING
                                                                          : OL_TYPE_OTHER;
}

/* Into ex->text; empty: nobody told it, or it is damaged. */
static ol_status take_producer(struct export *ex, struct ol__span *ret)
{
    *ret = (struct ol__span){0};
    if (ex->subject.row.producer == 0)
        return OL_OK;
    ol_status status = export_text(ex, ex->subject.row.producer, &ex->text);
    if (status == OL_OK)
        *ret = span(&ex->text);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

static void write_head(struct ol__json_writer *w, int64_t at, struct ol__span producer,
                       const char *schema)
{
    char time[OL_TIME_TEXT + 1];
    ol__time_format(at, time);
    ol__json_member_text(w, "eventTime", time);
    if (producer.size > 0)
        ol__json_member_span(w, "producer", producer);
    else
        ol__json_member_text(w, "producer", PRODUCER);
    ol__json_member_text(w, "schemaURL", schema);
}

/* That an end is a guess is told by a facet; a store of before it had one tells it itself. */
static ol_status write_inferred(struct export *ex, struct ol__json_writer *w, size_t from)
{
    const struct export_item *first = &ex->plan.items[from];
    for (size_t i = from; i < ex->plan.count && export_same_event(first, &ex->plan.items[i]); i++)
        if (ex->plan.items[i].kind == STATE_RUN_FACET && ex->plan.items[i].place == EXPORT_RUN &&
            ex->plan.items[i].key == ex->inferred_key)
            return OL_OK;
    const struct ol__facet_info *info =
        ol__facet_info(ol__facet_find(OL_ENTITY_RUN, OL_SPAN_LIT("lineaged_inferred")));
    assert(info != NULL);
    ol__json_key(w, "lineaged_inferred");
    write_made(w, info->schema_url);
    ol__json_member_text(w, "reason", "writer_gone");
    ol__json_end_object(w);
    return OL_OK;
}

static ol_status write_run_event(struct export *ex, struct ol__json_writer *w, size_t begin,
                                 size_t from, size_t *i)
{
    const struct export_item *first = &ex->plan.items[from];
    const struct run_row *row = &ex->subject.row;
    bool is_begin = from == 0 || !export_same_event(first, first - 1);
    enum ol__event_type type = type_of(ex, first, is_begin);
    struct ol__span producer = {0};
    ol_status status = take_producer(ex, &producer);
    ol__json_member_text(w, "eventType", ol__event_type_name(type));
    write_head(w, first->at, producer, SPEC "RunEvent");
    ol__json_key(w, "run");
    ol__json_begin_object(w);
    ol__json_member_span(w, "runId", span(&ex->subject.run_id));
    ol__json_key(w, "facets");
    ol__json_begin_object(w);
    if (status == OL_OK && ol__event_is_terminal(type) && (row->flags & RUN_INFERRED))
        status = write_inferred(ex, w, from);
    if (status == OL_OK && *i < ex->plan.count && ex->plan.items[*i].place == EXPORT_RUN &&
        export_same_event(first, &ex->plan.items[*i]))
        status = write_facets(ex, w, begin, STATE_RUN_FACET, i);
    ol__json_end_object(w);
    ol__json_end_object(w);
    if (status == OL_OK)
        status = write_job(ex, w, begin, from, i);
    return status;
}

ol_status export_event_write(struct export *ex, size_t from, size_t *ret_next)
{
    const struct export_item *first = &ex->plan.items[from];
    const struct ol__span none = {0};
    struct ol__json_writer w;
    size_t i = from, begin = ex->out->size;
    ol_status status = OL_OK;
    ol__json_writer_init(&w, ex->out);
    ol__json_begin_object(&w);
    while (i < ex->plan.count && ex->plan.items[i].place == EXPORT_MARK &&
           export_same_event(first, &ex->plan.items[i]))
        i++;
    if (ex->subject.kind == ASK_RUN) {
        status = write_run_event(ex, &w, begin, from, &i);
    } else if (ex->subject.kind == ASK_JOB) {
        write_head(&w, first->at, none, SPEC "JobEvent");
        status = write_job(ex, &w, begin, from, &i);
    } else {
        write_head(&w, first->at, none, SPEC "DatasetEvent");
        if (i < ex->plan.count && export_same_event(first, &ex->plan.items[i])) {
            status = write_dataset(ex, &w, "dataset", begin, &i);
        } else {
            status = begin_dataset(ex, &w, "dataset", ex->subject.dataset);
            if (status == OL_OK)
                ol__json_end_object(&w);
        }
    }
    if (status == OL_OK && ex->subject.kind != ASK_DATASET && i < ex->plan.count &&
        ex->plan.items[i].place == EXPORT_SUBJECT &&
        export_same_event(first,
                          &ex->plan.items[i])) { /* some producers tell of one beside a run */
        status = write_dataset(ex, &w, "dataset", begin, &i);
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    if (status == OL_OK)
        status = write_datasets(ex, &w, begin, from, EXPORT_INPUT, &i);
    if (status == OL_OK)
        status = write_datasets(ex, &w, begin, from, EXPORT_OUTPUT, &i);
    if (status != OL_OK)
        return status;
    ol__json_end_object(&w);
    ol__buf_add_char(ex->out, '\n');
    *ret_next = i;
    return ex->out->status;
}

/* ---- Answers ---- */

/* The searched ids of an answer, as they were told: facet lineaged_run. */
static void write_ids(struct export *ex, struct ol__json_writer *w, struct ol__span provider,
                      struct ol__span ids)
{
    const struct ol__facet_info *info =
        ol__facet_info(ol__facet_find(OL_ENTITY_RUN, OL_SPAN_LIT("lineaged_run")));
    assert(info != NULL);
    ol__json_key(w, "lineaged_run");
    write_made(w, info->schema_url);
    if (provider.size > 0)
        ol__json_member_span(w, "provider_request_id", provider);
    ol__json_end_object(w);
    if (ids.size > 2) { /* {"key":"value"...}: its members behind ours */
        ol__buf_truncate(ex->out, ex->out->size - 1);
        ol__buf_add_char(ex->out, ',');
        ol__buf_add(ex->out, ids.data + 1, ids.size - 1);
    }
}

static ol_status pass_over(void *arg OL_UNUSED, const struct ol__json_value *value OL_UNUSED,
                           struct ol_error *err OL_UNUSED)
{
    return OL_OK;
}

ol_status export_answer_write(struct export *ex, int64_t id)
{
    size_t begin = ex->out->size;
    struct ol__json_writer w;
    struct ol__span producer = {0};
    struct ol__buf whole;
    ol_status status = take_producer(ex, &producer);
    if (status != OL_OK)
        return status;
    sqlite3_stmt *stmt = store_bind(ex->store, SQL_ANSWER_GET, ex->err, "i", id);
    status = store_step(ex->store, stmt, ex->err);
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    ol__json_writer_init(&w, ex->out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "eventType", ol__event_type_name(OL_TYPE_OTHER));
    write_head(&w, sqlite3_column_int64(stmt, 1), producer, SPEC "RunEvent");
    ol__json_key(&w, "run");
    ol__json_begin_object(&w);
    ol__json_member_span(&w, "runId", span(&ex->subject.run_id));
    ol__json_key(&w, "facets");
    ol__json_begin_object(&w);
    struct ol__span provider = store_column(stmt, 2), ids = store_column(stmt, 3);
    if (provider.size > 0 || ids.size > 2)
        write_ids(ex, &w, provider, ids);
    struct ol__span head = store_column(stmt, 4), body = store_column(stmt, 5);
    ol__buf_init(&whole, FACET_MAX);
    ol__buf_add(&whole, head.data, head.size);
    status = ol__buf_add(&whole, body.data, body.size);
    ol__buf_reset(&ex->facet);
    if (status == OL_OK)
        status = add_line(ex, span(&whole), &ex->facet);
    ol__buf_release(&whole);
    sqlite3_reset(stmt);
    ol__json_key(&w, "lineaged_answer");
    ol__json_raw(&w, span(&ex->facet));
    ol__json_end_object(&w);
    ol__json_end_object(&w);
    size_t none = ex->plan.count;
    if (status == OL_OK)
        status = write_job(ex, &w, ex->out->size, 0, &none);
    if (status != OL_OK)
        return status;
    ol__json_end_object(&w);
    /* Answers have no hash: what is no JSON any more is left out. */
    struct ol__span line = {ex->out->data + begin, ex->out->size - begin};
    if (ex->out->status == OL_OK &&
        ol__json_read(ex->store->json, line, NULL, pass_over, NULL, NULL) != OL_OK) {
        damage_note(ex->store, "answers", id);
        return OL_NOT_FOUND;
    }
    ol__buf_add_char(ex->out, '\n');
    return ex->out->status;
}
