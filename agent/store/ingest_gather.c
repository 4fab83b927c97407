/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest.h"
#include "answers.h"

#include <stdlib.h>
#include "facet_info.h"

#define STATE_MAX (64u << 20)
#define TEXT_MAX (64u << 10)

ol_status gather_new(struct store *store, struct ol_error *err)
{
    store->gather = calloc(1, sizeof *store->gather);
    if (store->gather == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    ol__buf_init(&store->gather->column, STATE_MAX);
    ol__buf_init(&store->gather->text, TEXT_MAX);
    return OL_OK;
}

void gather_free(struct gather *g)
{
    if (g == NULL)
        return;
    state_release(&g->old);
    state_release(&g->news);
    state_release(&g->merged);
    ol__buf_release(&g->column);
    ol__buf_release(&g->text);
    free(g->dataset_ids);
    free(g->version_ids);
    free(g->facets);
    free(g);
}

static ol_status make_room(struct gather *g, const struct ol__event *event, struct ol_error *err)
{
    if (event->dataset_count > g->dataset_cap) {
        size_t cap = event->dataset_count * 2;
        int64_t *ids = realloc(g->dataset_ids, cap * sizeof *ids);
        if (ids == NULL)
            goto nomem;
        g->dataset_ids = ids;
        ids = realloc(g->version_ids, cap * sizeof *ids);
        if (ids == NULL)
            goto nomem;
        g->version_ids = ids;
        g->dataset_cap = cap;
    }
    if (event->facet_count > g->facet_cap) {
        size_t cap = event->facet_count * 2;
        struct gather_facet *facets = realloc(g->facets, cap * sizeof *facets);
        if (facets == NULL)
            goto nomem;
        g->facets = facets;
        g->facet_cap = cap;
    }
    return OL_OK;
nomem:
    return ol__error_set(err, OL_NOMEM, "store: out of memory");
}

static ol_status add(struct gather *g, const struct state_entry *entry, struct ol_error *err)
{
    if (state_add(&g->news, entry) != OL_OK)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    return OL_OK;
}

/* ---- Facets ---- */

struct deleted_look {
    bool is_deleted;
};

static ol_status look_deleted(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)err;
    static const char *const path[] = {"_deleted"};
    struct deleted_look *look = arg;
    if (value->type == OL_JSON_BOOL && ol__json_at(value, path, 1))
        look->is_deleted = value->boolean;
    return OL_OK;
}

/* Before it is read once more: few facets have the word. */
static bool may_be_deleted(struct ol__span json)
{
    static const char word[] = "_deleted\"";
    const char *p = json.data, *end = p + json.size;
    while ((p = memchr(p, '_', (size_t)(end - p))) != NULL) {
        if ((size_t)(end - p) >= sizeof word - 1 && memcmp(p, word, sizeof word - 1) == 0)
            return true;
        p++;
    }
    return false;
}

/* `_deleted: true` takes a facet of a job or dataset away; other entities have no such member. */
static bool is_deleted(struct store *store, const struct ol__event_facet *facet)
{
    if (facet->entity != OL_ENTITY_JOB && facet->entity != OL_ENTITY_DATASET)
        return false;
    if (!may_be_deleted(facet->json))
        return false;
    struct deleted_look look = {false};
    return ol__json_read(store->json, facet->json, NULL, look_deleted, &look, NULL) == OL_OK &&
           look.is_deleted;
}

static uint8_t facet_kind(const struct ol__event *event, const struct ol__event_facet *facet)
{
    switch (facet->entity) {
    case OL_ENTITY_RUN:
        return STATE_RUN_FACET;
    case OL_ENTITY_JOB:
        return STATE_JOB_FACET;
    case OL_ENTITY_INPUT:
        return STATE_INPUT_FACET;
    case OL_ENTITY_OUTPUT:
        return STATE_OUTPUT_FACET;
    case OL_ENTITY_DATASET:
    case OL_ENTITY_COUNT:
        break;
    }
    switch (facet->dataset >= 0 ? event->datasets[facet->dataset].side : OL_ENTITY_DATASET) {
    case OL_ENTITY_INPUT:
        return STATE_INPUT_DATASET_FACET;
    case OL_ENTITY_OUTPUT:
        return STATE_OUTPUT_DATASET_FACET;
    default:
        return STATE_SUBJECT_FACET;
    }
}

/* ---- Ids of other tools ---- */

#define FOREIGN_ID_MAX 256

/* What their people search a run by, in facets that no schema here knows. */
static const struct foreign_id {
    const char *facet, *path[2], *key;
    size_t depth;
} foreign_ids[] = {
    {"dbt_run", {"invocation_id"}, "invocation_id", 1},
    {"airflowDagRun", {"dagRun", "run_id"}, "dag_run_id", 2},
    {"airflow", {"dagRun", "run_id"}, "dag_run_id", 2},
    {"spark_applicationDetails", {"applicationId"}, "application_id", 1},
};
struct foreign_look {
    const struct foreign_id *id;
    size_t size;
    char text[FOREIGN_ID_MAX];
};

static ol_status look_foreign(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)err;
    struct foreign_look *look = arg;
    if (value->type == OL_JSON_STRING && value->text.size <= sizeof look->text &&
        ol__json_at(value, look->id->path, look->id->depth)) {
        memcpy(look->text, value->text.data, value->text.size);
        look->size = value->text.size;
        return OL_END;
    }
    return OL_OK;
}

static ol_status gather_foreign(struct store *store, const struct ol__event_facet *facet,
                                int64_t facet_key, int64_t at, struct ol_error *err)
{
    for (size_t i = 0; i < OL_COUNT(foreign_ids); i++) {
        struct foreign_look look = {.id = &foreign_ids[i]};
        struct state_entry entry = {.kind = STATE_ID, .object = facet_key, .at = at};
        if (!ol__span_equal(facet->key, ol__span_text(look.id->facet)))
            continue;
        if (ol__json_read(store->json, facet->json, NULL, look_foreign, &look, NULL) != OL_OK ||
            look.size == 0)
            return OL_OK;
        ol_status status = dict_text(store, ol__span_text(look.id->key), &entry.key, err);
        if (status == OL_OK)
            status = dict_text(store, (struct ol__span){look.text, look.size}, &entry.value, err);
        return status == OL_OK ? add(store->gather, &entry, err) : status;
    }
    return OL_OK;
}

static ol_status gather_facets(struct store *store, const struct ol__event *event, int64_t at,
                               struct ol_error *err)
{
    struct gather *g = store->gather;
    for (size_t i = 0; i < event->facet_count; i++) {
        const struct ol__event_facet *facet = &event->facets[i];
        struct state_entry entry = {.kind = facet_kind(event, facet), .at = at};
        if (g->has_answer && answer_has_facet(facet)) {
            g->facets[i].is_new = false;
            continue;
        }
        if (facet->dataset >= 0)
            entry.object = g->dataset_ids[facet->dataset];
        ol_status status = dict_text(store, facet->key, &entry.key, err);
        if (status == OL_OK && !is_deleted(store, facet))
            status = dict_facet(store, facet->json, &entry.value, err);
        if (status == OL_OK)
            status = add(g, &entry, err);
        if (status != OL_OK)
            return status;
        const struct state_entry *old = state_find(&g->old, &entry);
        g->facets[i].key = entry.key;
        g->facets[i].is_new =
            entry.value != 0 && (old == NULL || (at >= old->at && old->value != entry.value));
        if (g->facets[i].is_new && entry.kind == STATE_RUN_FACET &&
            (status = gather_foreign(store, facet, entry.key, at, err)) != OL_OK)
            return status;
    }
    return OL_OK;
}

/* ---- Facts ---- */

/* Ids are few; the ones a facet carries are remembered with its key, so that they go when it goes.
 */
static ol_status add_id(struct store *store, const struct ol__event_fact *fact, struct ol__span key,
                        int64_t at, bool is_of_run_facet, struct ol_error *err)
{
    struct state_entry entry = {.kind = STATE_ID,
                                .object =
                                    is_of_run_facet ? store->gather->facets[fact->facet].key : 0,
                                .at = at};
    if (key.size == 0 || fact->text.size == 0)
        return OL_OK;
    ol_status status = dict_text(store, key, &entry.key, err);
    if (status == OL_OK)
        status = dict_text(store, fact->text, &entry.value, err);
    return status == OL_OK ? add(store->gather, &entry, err) : status;
}

/* The key of the tag that @p value is the value of: they are facts of one array element. */
static struct ol__span tag_key(const struct ol__event *event, const struct ol__event_fact *value,
                               enum ol__field_id key)
{
    for (size_t i = 0; i < event->fact_count; i++) {
        const struct ol__event_fact *f = &event->facts[i];
        if (f->field == key && f->facet == value->facet && f->index == value->index)
            return f->text;
    }
    return (struct ol__span){0};
}

/* What a run is searched by, besides its tags and the ids of lineaged_run. */
static const char *searched_key(enum ol__field_id field)
{
    switch (field) {
    case OL_FIELD_RUN_LINEAGED_CONTEXT_TRACE_ID:
        return "trace_id";
    case OL_FIELD_RUN_EXTERNAL_QUERY_EXTERNAL_QUERY_ID:
        return "external_query_id";
    case OL_FIELD_RUN_LINEAGED_CODE_COMMIT:
    case OL_FIELD_JOB_SOURCE_CODE_LOCATION_VERSION:
        return STATE_ID_COMMIT;
    case OL_FIELD_JOB_SOURCE_CODE_LOCATION_TAG:
        return STATE_ID_CODE_TAG;
    default:
        return NULL;
    }
}

/* Tags of a run's job and datasets: it is found by them, too. Empty: the fact is no such tag. */
static struct ol__span told_tag_key(const struct ol__event *event,
                                    const struct ol__event_fact *fact)
{
    if (fact->field == OL_FIELD_JOB_TAGS_TAGS_VALUE)
        return tag_key(event, fact, OL_FIELD_JOB_TAGS_TAGS_KEY);
    if (fact->field == OL_FIELD_DATASET_TAGS_TAGS_VALUE)
        return tag_key(event, fact, OL_FIELD_DATASET_TAGS_TAGS_KEY);
    return (struct ol__span){0};
}

static ol_status gather_fact(struct store *store, const struct ol__event *event,
                             const struct ol__event_fact *fact, int64_t at, struct ol_error *err)
{
    struct gather *g = store->gather;
    struct {
        enum ol__field_id field;
        struct ol__span *to;
    } const texts[] = {
        {OL_FIELD_RUN_PARENT_RUN_RUN_ID, &g->parent_run},
        {OL_FIELD_RUN_PARENT_JOB_NAMESPACE, &g->parent_namespace},
        {OL_FIELD_RUN_PARENT_JOB_NAME, &g->parent_name},
        {OL_FIELD_RUN_PARENT_ROOT_RUN_RUN_ID, &g->root_run},
        {OL_FIELD_RUN_PARENT_ROOT_JOB_NAMESPACE, &g->root_namespace},
        {OL_FIELD_RUN_PARENT_ROOT_JOB_NAME, &g->root_name},
        {OL_FIELD_RUN_ERROR_MESSAGE_MESSAGE, &g->error},
        {OL_FIELD_RUN_PROCESSING_ENGINE_NAME, &g->engine_name},
        {OL_FIELD_RUN_PROCESSING_ENGINE_VERSION, &g->engine_version},
        {OL_FIELD_JOB_JOB_TYPE_PROCESSING_TYPE, &g->processing_type},
    };
    for (size_t i = 0; i < OL_COUNT(texts); i++)
        if (texts[i].field == fact->field) {
            *texts[i].to = fact->text;
            return OL_OK;
        }
    const struct ol__field_info *info = ol__field_info(fact->field);
    if (info == NULL)
        return OL_OK;
    if (info->facet == OL_FACET_RUN_LINEAGED_RUN)
        return add_id(store, fact, ol__span_text(info->path), at, true, err);
    if (fact->field == OL_FIELD_RUN_LINEAGED_APPROVAL_APPROVALS_SUBJECT)
        return add_id(store, fact, ol__span_text("approval.subject"), at, true, err);
    if (fact->field == OL_FIELD_RUN_LINEAGED_DEPLOYMENT_ID)
        return add_id(store, fact, ol__span_text("deployment.id"), at, true, err);
    if (fact->field == OL_FIELD_RUN_TAGS_TAGS_VALUE)
        return add_id(store, fact, tag_key(event, fact, OL_FIELD_RUN_TAGS_TAGS_KEY), at, true, err);
    const char *searched = event->kind == OL_EVENT_RUN ? searched_key(fact->field) : NULL;
    if (searched != NULL)
        return add_id(store, fact, ol__span_text(searched), at, true, err);
    struct ol__span told = told_tag_key(event, fact);
    if (event->kind == OL_EVENT_RUN && told.size > 0)
        return add_id(store, fact, told, at, false, err);
    if (fact->field == OL_FIELD_DATASET_DATASET_TYPE_DATASET_TYPE) {
        int64_t type = 0;
        ol_status status = dict_text(store, fact->text, &type, err);
        int dataset = event->facets[fact->facet].dataset;
        if (status == OL_OK && dataset >= 0)
            status = store_run(store, SQL_DATASET_TYPE, err, "ii", g->dataset_ids[dataset], type);
        return status;
    }
    return OL_OK;
}

static ol_status gather_facts(struct store *store, const struct ol__event *event, int64_t at,
                              struct ol_error *err)
{
    struct gather *g = store->gather;
    for (size_t i = 0; i < event->fact_count; i++) {
        const struct ol__event_fact *fact = &event->facts[i];
        ol_status status = OL_OK;
        if (fact->field == OL_FIELD_DATASET_VERSION_DATASET_VERSION) {
            int dataset = event->facets[fact->facet].dataset;
            if (dataset >= 0 && fact->text.size > 0)
                status = dict_version(store, g->dataset_ids[dataset], fact->text, at,
                                      &g->version_ids[dataset], err);
        } else if (g->facets[fact->facet].is_new) {
            status = gather_fact(store, event, fact, at, err);
        }
        if (status != OL_OK)
            return status;
    }
    return OL_OK;
}

/* ---- All of it ---- */

static void forget_texts(struct gather *g)
{
    const struct ol__span none = {0};
    g->parent_run = g->parent_namespace = g->parent_name = none;
    g->root_run = g->root_namespace = g->root_name = none;
    g->error = g->engine_name = g->engine_version = g->processing_type = none;
}

ol_status gather_event(struct store *store, const struct ol__event *event, int64_t at,
                       struct ol_error *err)
{
    struct gather *g = store->gather;
    g->news.count = 0;
    forget_texts(g);
    ol_status status = make_room(g, event, err);
    for (size_t i = 0; i < event->dataset_count && status == OL_OK; i++) {
        const struct ol__event_dataset *d = &event->datasets[i];
        g->version_ids[i] = 0;
        status = dict_dataset(store, d->name_space, d->name, &g->dataset_ids[i], err);
    }
    if (status == OL_OK)
        status = gather_facets(store, event, at, err);
    if (status == OL_OK)
        status = gather_facts(store, event, at, err);
    for (size_t i = 0; i < event->dataset_count && status == OL_OK; i++) {
        struct state_entry entry = {
            .kind = STATE_INPUT, .object = g->dataset_ids[i], .key = g->version_ids[i], .at = at};
        if (event->datasets[i].side == OL_ENTITY_OUTPUT)
            entry.kind = STATE_OUTPUT;
        else if (event->datasets[i].side == OL_ENTITY_DATASET)
            entry.kind = STATE_VERSION;
        if (entry.kind == STATE_VERSION && entry.key == 0)
            continue;
        status = add(g, &entry, err);
    }
    if (status == OL_OK)
        state_sort(&g->news);
    return status;
}
