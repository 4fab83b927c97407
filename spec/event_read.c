/* SPDX-License-Identifier: Apache-2.0 */
/* Promises (DESIGN 8):
 *  1. Refused: no JSON, no object, none of run, job and dataset; eventType, eventTime, producer,
 * schemaURL, run.runId, or a namespace or name that is no text; run, job, dataset or an element of
 * inputs or outputs that is no object; inputs or outputs that is no array; no eventTime, producer,
 * run.runId (RunEvent), job.namespace and job.name (RunEvent, JobEvent), dataset.namespace and
 * dataset.name (DatasetEvent). Null is absent, so it refuses only where absence does. An empty
 * runId is absent too: no lane could be named after it.
 *  2. Everything else is taken, and what is looser than the spec sets a bit of `warnings`.
 *  3. The bytes are not changed. Text without escapes is borrowed from them, other text is decoded
 * into the reader's own memory.
 *  4. A core key given twice: the last one counts, whole, as if the earlier had not been there.
 *  5. Memory is bounded by the limits on bytes, datasets, facets and facts, and given back after an
 * event that needed much. */
#include "event_impl.h"

#include <stdio.h>
#include <stdlib.h>

#define SIZE_MAX_DEFAULT ((size_t)16 * 1024 * 1024)
#define DATASET_MAX_DEFAULT 100000
#define CHUNK_SIZE 8192
#define KEEP_ITEMS 4096 /* capacity of an array that is kept from event to event */

struct chunk {
    struct chunk *next;
    size_t size, cap;
    char data[];
};

/* ---- Memory ---- */

static void release_chunks(struct chunk *c)
{
    while (c != NULL) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
}

ol_status event_keep(struct ol__event_reader *r, struct ol__span text, struct ol__span *ret,
                     struct ol_error *err)
{
    /* compared as numbers: the pointers may be into different objects */
    uintptr_t at = (uintptr_t)text.data, from = (uintptr_t)r->text.data;
    if (text.size == 0) {
        *ret = (struct ol__span){"", 0};
        return OL_OK;
    }
    if (at >= from && at - from < r->text.size) {
        *ret = text; /* promise 3 */
        return OL_OK;
    }
    struct chunk *c = r->chunks;
    if (c == NULL || c->cap - c->size < text.size) {
        size_t cap = OL_MAX(text.size, (size_t)CHUNK_SIZE);
        c = malloc(sizeof *c + cap);
        if (c == NULL)
            return ol__error_set(err, OL_NOMEM, "event: out of memory");
        *c = (struct chunk){.next = r->chunks, .cap = cap};
        r->chunks = c;
    }
    char *copy = c->data + c->size;
    memcpy(copy, text.data, text.size);
    c->size += text.size;
    *ret = (struct ol__span){copy, text.size};
    return OL_OK;
}

ol_status event_grow(void **items, size_t *cap, size_t count, size_t item_size, size_t max,
                     const char *what, struct ol_error *err)
{
    if (count < *cap)
        return OL_OK;
    if (count >= max)
        return ol__error_set(err, OL_TOO_LARGE, "event: more than %zu %s", max, what);
    size_t wanted = *cap == 0 ? 32 : *cap * 2;
    void *grown = realloc(*items, wanted * item_size);
    if (grown == NULL)
        return ol__error_set(err, OL_NOMEM, "event: out of memory");
    *items = grown;
    *cap = wanted;
    return OL_OK;
}

static void shrink(void **items, size_t *cap)
{
    if (*cap <= KEEP_ITEMS)
        return;
    free(*items);
    *items = NULL;
    *cap = 0;
}

/* Ready for the next event (promise 5). */
static void reset(struct ol__event_reader *r)
{
    struct chunk *c = r->chunks;
    if (c != NULL) {
        release_chunks(c->next);
        c->next = NULL;
        c->size = 0;
        if (c->cap > CHUNK_SIZE) {
            free(c);
            r->chunks = NULL;
        }
    }
    shrink((void **)&r->datasets, &r->dataset_cap);
    shrink((void **)&r->facets, &r->facet_cap);
    shrink((void **)&r->facts, &r->fact_cap);
    r->event = (struct ol__event){.time_ms = INT64_MIN};
    r->section = SECTION_NONE;
    r->seen = r->run_seen = r->job_seen = r->dataset_seen = r->element_seen = 0;
    r->input_count = r->output_count = 0;
    r->in_facets = r->is_walking = r->is_job_type = false;
}

ol_status ol__event_reader_new(struct ol__event_reader **ret, struct ol_error *err)
{
    struct ol__event_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ol__error_set(err, OL_NOMEM, "event reader: out of memory");
    ol_status st = ol__json_reader_new(&r->json, err);
    if (st != OL_OK) {
        free(r);
        return st;
    }
    *ret = r;
    return OL_OK;
}

void ol__event_reader_free(struct ol__event_reader *reader)
{
    if (reader == NULL)
        return;
    ol__json_reader_free(reader->json);
    release_chunks(reader->chunks);
    free(reader->datasets);
    free(reader->facets);
    free(reader->facts);
    free(reader);
}

/* ---- Refusals and warnings ---- */

static const char *type_name(enum ol__json_type type)
{
    switch (type) {
    case OL_JSON_NULL:
        return "null";
    case OL_JSON_BOOL:
        return "true or false";
    case OL_JSON_NUMBER:
        return "a number";
    case OL_JSON_STRING:
        return "text";
    case OL_JSON_OBJECT:
    case OL_JSON_OBJECT_END:
        return "an object";
    case OL_JSON_ARRAY:
    case OL_JSON_ARRAY_END:
        return "an array";
    }
    return "?";
}

static ol_status refuse_type(const struct ol__json_value *v, const char *expected,
                             struct ol_error *err)
{
    char pointer[120];
    ol__json_pointer(v, pointer, sizeof pointer);
    return ol__error_set(err, OL_INVALID, "%s: expected %s, found %s",
                         pointer[0] != '\0' ? pointer : "event", expected, type_name(v->type));
}

ol_status event_warn(struct ol__event_reader *r, enum ol__event_warning warning,
                     const struct ol__json_value *at, const char *what, struct ol_error *err)
{
    char pointer[120] = "";
    if (r->limits.is_strict)
        ol__json_pointer(at, pointer, sizeof pointer);
    return event_warn_at(r, warning, pointer, what, err);
}

/* Note that a core key was met. */
static ol_status see(struct ol__event_reader *r, uint32_t *seen, uint32_t bit,
                     const struct ol__json_value *v, struct ol_error *err)
{
    if ((*seen & bit) == 0) {
        *seen |= bit;
        return OL_OK;
    }
    return event_warn(r, OL_WARN_DUPLICATE_KEY, v, "given twice, the last counts", err);
}

/* A core text; null empties it. */
static ol_status take_text(struct ol__event_reader *r, const struct ol__json_value *v,
                           bool is_optional, struct ol__span *ret, struct ol_error *err)
{
    if (v->type == OL_JSON_STRING)
        return event_keep(r, v->text, ret, err);
    if (v->type != OL_JSON_NULL)
        return refuse_type(v, "text", err);
    *ret = (struct ol__span){NULL, 0};
    return is_optional ? event_warn(r, OL_WARN_NULL, v, "null", err) : OL_OK;
}

/* ---- Inside run, job, dataset and the elements of inputs and outputs ---- */

static bool key_is(struct ol__span key, const char *name, size_t size)
{
    return key.size == size && memcmp(key.data, name, size) == 0;
}
#define KEY_IS(key, literal) key_is(key, literal, sizeof(literal) - 1)

static ol_status begin_facets(struct ol__event_reader *r, const struct ol__json_value *v,
                              uint32_t *seen, uint32_t bit, enum ol__entity entity,
                              struct ol_error *err)
{
    if (v->type == OL_JSON_OBJECT_END) {
        r->in_facets = false;
        return OL_OK;
    }
    if (v->type == OL_JSON_ARRAY_END)
        return OL_OK;
    bool is_again = (*seen & bit) != 0;
    ol_status st = see(r, seen, bit, v, err);
    if (st != OL_OK)
        return st;
    if (is_again)
        event_drop_facets(r, entity,
                          r->section == SECTION_RUN || r->section == SECTION_JOB
                              ? -1
                              : (int)r->element_dataset); /* promise 4 */
    if (v->type != OL_JSON_OBJECT)
        return event_warn(r, OL_WARN_FACET, v, "facets must be an object", err);
    r->in_facets = true;
    r->entity = entity;
    return OL_OK;
}

static ol_status on_name(struct ol__event_reader *r, const struct ol__json_value *v, uint32_t *seen,
                         uint32_t bit, struct ol__span *ret, struct ol_error *err)
{
    ol_status st = see(r, seen, bit, v, err);
    if (st == OL_OK)
        st = take_text(r, v, false, ret, err);
    if (st == OL_OK && v->type == OL_JSON_NULL)
        *seen &= ~bit; /* as if it were not there */
    if (st == OL_OK && v->type == OL_JSON_STRING && v->text.size == 0)
        st = event_warn(r, OL_WARN_NAME, v, "empty", err);
    return st;
}

static ol_status on_run_member(struct ol__event_reader *r, const struct ol__json_value *v,
                               struct ol_error *err)
{
    struct ol__span key = v->path[v->depth - 1].key;
    if (KEY_IS(key, "runId")) {
        ol_status st = see(r, &r->run_seen, SEEN_RUN_ID, v, err);
        return st == OL_OK ? take_text(r, v, false, &r->event.run_id, err) : st;
    }
    if (KEY_IS(key, "facets"))
        return begin_facets(r, v, &r->run_seen, SEEN_FACETS, OL_ENTITY_RUN, err);
    return OL_OK;
}

static ol_status on_named_member(struct ol__event_reader *r, const struct ol__json_value *v,
                                 struct ol_error *err)
{
    struct ol__span key = v->path[v->depth - 1].key;
    struct ol__event *e = &r->event;
    struct ol__span unused, *name_space = &unused, *name = &unused;
    uint32_t *seen = &r->element_seen;
    enum ol__entity entity = OL_ENTITY_DATASET;
    if (r->section == SECTION_JOB) {
        name_space = &e->job_namespace, name = &e->job_name;
        seen = &r->job_seen;
        entity = OL_ENTITY_JOB;
    } else if (r->section == SECTION_DATASET) {
        name_space = &e->dataset_namespace, name = &e->dataset_name;
        seen = &r->dataset_seen;
    } else if (r->depth == OL_EVENT_ALL) {
        name_space = &r->datasets[r->element_dataset].name_space;
        name = &r->datasets[r->element_dataset].name;
    }
    if (KEY_IS(key, "namespace"))
        return on_name(r, v, seen, SEEN_NAMESPACE, name_space, err);
    if (KEY_IS(key, "name"))
        return on_name(r, v, seen, SEEN_NAME, name, err);
    if (KEY_IS(key, "facets"))
        return begin_facets(r, v, seen, SEEN_FACETS, entity, err);
    if (r->section == SECTION_INPUTS && KEY_IS(key, "inputFacets"))
        return begin_facets(r, v, seen, SEEN_SIDE_FACETS, OL_ENTITY_INPUT, err);
    if (r->section == SECTION_OUTPUTS && KEY_IS(key, "outputFacets"))
        return begin_facets(r, v, seen, SEEN_SIDE_FACETS, OL_ENTITY_OUTPUT, err);
    return OL_OK;
}

static ol_status begin_dataset(struct ol__event_reader *r, enum ol__entity side,
                               struct ol_error *err)
{
    if (r->depth != OL_EVENT_ALL)
        return OL_OK;
    ol_status st = event_grow((void **)&r->datasets, &r->dataset_cap, r->event.dataset_count,
                              sizeof *r->datasets, r->limits.dataset_max + 1 /* the subject */,
                              "datasets", err);
    if (st != OL_OK)
        return st;
    r->element_dataset = r->event.dataset_count++;
    r->datasets[r->element_dataset] = (struct ol__event_dataset){.side = side};
    return OL_OK;
}

/* An element of inputs or outputs. */
static ol_status on_element(struct ol__event_reader *r, const struct ol__json_value *v,
                            struct ol_error *err)
{
    if (v->type == OL_JSON_OBJECT_END)
        return (r->element_seen & SEEN_NAMESPACE) != 0 && (r->element_seen & SEEN_NAME) != 0
                   ? OL_OK
                   : event_warn(r, OL_WARN_NAME, v, "namespace or name is missing", err);
    if (v->type != OL_JSON_OBJECT)
        return refuse_type(v, "an object", err);
    bool is_input = r->section == SECTION_INPUTS;
    size_t *count = is_input ? &r->input_count : &r->output_count;
    if (++*count + (is_input ? r->output_count : r->input_count) > r->limits.dataset_max)
        return ol__error_set(err, OL_TOO_LARGE, "event: more than %zu inputs and outputs",
                             r->limits.dataset_max);
    r->element_seen = 0;
    return begin_dataset(r, is_input ? OL_ENTITY_INPUT : OL_ENTITY_OUTPUT, err);
}

/* ---- At the top ---- */

/* Forget the datasets of one side, which is given again (promise 4). */
static void drop_datasets(struct ol__event_reader *r, enum ol__entity side)
{
    if (r->depth != OL_EVENT_ALL)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < r->event.dataset_count; i++) {
        if (r->datasets[i].side != side)
            kept++;
    }
    if (kept == r->event.dataset_count)
        return;
    /* mark the facets of dropped datasets with a dataset number that none has, and renumber the
     * rest */
    size_t to = 0;
    size_t next_facet = 0;
    for (size_t i = 0; i < r->event.dataset_count; i++) {
        bool is_kept = r->datasets[i].side != side;
        for (; next_facet < r->event.facet_count && r->facets[next_facet].dataset <= (int)i;
             next_facet++) {
            struct ol__event_facet *f = &r->facets[next_facet];
            if (f->dataset < 0)
                continue;
            f->entity = is_kept ? f->entity : OL_ENTITY_COUNT;
            f->dataset = is_kept ? (int)to : -2;
        }
        if (is_kept)
            r->datasets[to++] = r->datasets[i];
    }
    r->event.dataset_count = to;
    event_drop_facets(r, OL_ENTITY_COUNT, -2);
}

static ol_status on_list(struct ol__event_reader *r, const struct ol__json_value *v,
                         enum section section, uint32_t bit, struct ol_error *err)
{
    if (v->type == OL_JSON_ARRAY_END || v->type == OL_JSON_OBJECT_END) {
        r->section = SECTION_NONE;
        return OL_OK;
    }
    if ((r->seen & bit) != 0) {
        drop_datasets(r, section == SECTION_INPUTS ? OL_ENTITY_INPUT : OL_ENTITY_OUTPUT);
        *(section == SECTION_INPUTS ? &r->input_count : &r->output_count) = 0;
    }
    ol_status st = see(r, &r->seen, bit, v, err);
    if (st != OL_OK)
        return st;
    if (v->type == OL_JSON_NULL)
        return event_warn(r, OL_WARN_NULL, v, "null", err);
    if (v->type != OL_JSON_ARRAY)
        return refuse_type(v, "an array", err);
    r->section = section;
    r->base = 3;
    return OL_OK;
}

static ol_status on_subject(struct ol__event_reader *r, const struct ol__json_value *v,
                            enum section section, uint32_t bit, struct ol_error *err)
{
    struct ol__event *e = &r->event;
    const struct ol__span none = {NULL, 0};
    if (v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END) {
        r->section = SECTION_NONE;
        return OL_OK;
    }
    bool is_again = (r->seen & bit) != 0;
    ol_status st = see(r, &r->seen, bit, v, err);
    if (st != OL_OK)
        return st;
    if (v->type != OL_JSON_OBJECT && v->type != OL_JSON_NULL)
        return refuse_type(v, "an object", err);
    r->base = 2;
    switch (section) { /* promise 4: what an earlier one said is forgotten */
    case SECTION_RUN:
        e->run_id = none;
        r->run_seen = 0;
        if (is_again)
            event_drop_facets(r, OL_ENTITY_RUN, -1);
        break;
    case SECTION_JOB:
        e->job_namespace = e->job_name = none;
        r->job_seen = 0;
        if (is_again)
            event_drop_facets(r, OL_ENTITY_JOB, -1);
        break;
    case SECTION_DATASET:
        e->dataset_namespace = e->dataset_name = none;
        r->dataset_seen = 0;
        if (is_again)
            drop_datasets(r, OL_ENTITY_DATASET);
        if (v->type == OL_JSON_OBJECT)
            st = begin_dataset(r, OL_ENTITY_DATASET, err);
        break;
    case SECTION_NONE:
    case SECTION_INPUTS:
    case SECTION_OUTPUTS:
        break;
    }
    if (v->type == OL_JSON_NULL) {
        r->seen &= ~bit; /* absent */
        return event_warn(r, OL_WARN_NULL, v, "null", err);
    }
    r->section = section;
    return st;
}

static bool is_end(const struct ol__json_value *v)
{
    return v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END;
}

/* A text at the top. */
static ol_status on_text(struct ol__event_reader *r, const struct ol__json_value *v, uint32_t bit,
                         bool is_optional, struct ol__span *ret, struct ol_error *err)
{
    if (is_end(v))
        return OL_OK;
    ol_status st = see(r, &r->seen, bit, v, err);
    if (st == OL_OK)
        st = take_text(r, v, is_optional, ret, err);
    if (st == OL_OK && v->type == OL_JSON_NULL)
        r->seen &= ~bit;
    return st;
}

static ol_status on_top(struct ol__event_reader *r, const struct ol__json_value *v,
                        struct ol_error *err)
{
    struct ol__span key = v->path[0].key;
    struct ol__event *e = &r->event;
    switch (key.size) {
    case 3:
        if (KEY_IS(key, "run"))
            return on_subject(r, v, SECTION_RUN, SEEN_RUN, err);
        if (KEY_IS(key, "job"))
            return on_subject(r, v, SECTION_JOB, SEEN_JOB, err);
        break;
    case 6:
        if (KEY_IS(key, "inputs"))
            return on_list(r, v, SECTION_INPUTS, SEEN_INPUTS, err);
        break;
    case 7:
        if (KEY_IS(key, "dataset"))
            return on_subject(r, v, SECTION_DATASET, SEEN_DATASET, err);
        if (KEY_IS(key, "outputs"))
            return on_list(r, v, SECTION_OUTPUTS, SEEN_OUTPUTS, err);
        break;
    case 8:
        if (KEY_IS(key, "producer"))
            return on_text(r, v, SEEN_PRODUCER, false, &e->producer, err);
        break;
    case 9:
        if (KEY_IS(key, "eventTime"))
            return on_text(r, v, SEEN_EVENT_TIME, false, &e->event_time, err);
        if (KEY_IS(key, "eventType"))
            return on_text(r, v, SEEN_EVENT_TYPE, true, &e->event_type, err);
        if (KEY_IS(key, "schemaURL"))
            return on_text(r, v, SEEN_SCHEMA_URL, true, &e->schema_url, err);
        break;
    default:
        break;
    }
    return OL_OK;
}

static ol_status on_value(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct ol__event_reader *r = arg;
    if (v->depth == 1)
        return on_top(r, v, err);
    if (v->depth == 0)
        return v->type == OL_JSON_OBJECT || v->type == OL_JSON_OBJECT_END
                   ? OL_OK
                   : refuse_type(v, "an object", err);
    if (r->section == SECTION_NONE)
        return OL_OK;
    if (v->depth > r->base)
        return r->in_facets ? event_facet_value(r, v, err) : OL_OK;
    if (v->depth < r->base)
        return on_element(r, v, err);
    if (is_end(v) && !r->in_facets)
        return OL_OK;
    return r->section == SECTION_RUN ? on_run_member(r, v, err) : on_named_member(r, v, err);
}

ol_status ol__event_read(struct ol__event_reader *reader, struct ol__span text,
                         enum ol__event_depth depth, const struct ol__event_limits *limits,
                         int64_t now_ms, const struct ol__event **ret, struct ol_error *err)
{
    struct ol__event_reader *r = reader;
    reset(r);
    r->text = text;
    r->depth = depth;
    r->now_ms = now_ms;
    r->limits = limits != NULL ? *limits : (struct ol__event_limits){0};
    if (r->limits.size_max == 0)
        r->limits.size_max = SIZE_MAX_DEFAULT;
    if (r->limits.dataset_max == 0)
        r->limits.dataset_max = DATASET_MAX_DEFAULT;
    const struct ol__json_limits json = {.size_max = r->limits.size_max,
                                         .depth_max = r->limits.depth_max};
    ol_status st = ol__json_read(r->json, text, &json, on_value, r, err);
    if (st == OL_OK)
        st = event_check(r, err);
    if (st != OL_OK)
        return st;
    r->event.datasets = r->datasets;
    r->event.facets = r->facets;
    r->event.facts = r->facts;
    for (size_t i = 0; i < r->event.dataset_count; i++)
        if (r->datasets[i].side == OL_ENTITY_DATASET) {
            r->datasets[i].name_space = r->event.dataset_namespace;
            r->datasets[i].name = r->event.dataset_name;
        }
    *ret = &r->event;
    return OL_OK;
}
