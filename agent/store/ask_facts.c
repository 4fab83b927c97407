/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Each leaf of each facet is one fact, unless it is different in every run by its nature.
 *  2. An element of a list is called by its name, where it has one, not by its place: a parameter
 * that was added in front changes no other.
 *  3. Queries that a run sent are its code, also where its tool tells each as a run below it. */
#include "ask_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include "json_doc.h"

#define PATH_MAX_BYTES 1024
#define DEPTH_MAX 32
#define VALUE_SHOWN 4096
#define STATEMENTS_MAX 200

/* ---- What is about what ---- */

/* Facets that are about something in particular. `list`: the one member that matters, whose
 * elements are called by their own names alone. */
static const struct known {
    const char *key, *list;
    enum fact_area area;
} known_facets[] = {
    {"sourceCode", NULL, FACT_CODE},
    {"sourceCodeLocation", NULL, FACT_CODE},
    {"sql", NULL, FACT_CODE},
    {"lineaged_code", NULL, FACT_CODE},
    {"lineaged_dvc", NULL, FACT_CODE},
    {"lineaged_container", NULL, FACT_CODE},
    {"executionParameters", "parameters", FACT_PARAMETER},
    {"lineaged_call", NULL, FACT_MODEL},
    {"lineaged_prompt", NULL, FACT_MODEL},
    {"lineaged_retrieval", NULL, FACT_MODEL},
    {"lineaged_reproducibility", NULL, FACT_ENVIRONMENT},
    {"lineaged_machine", NULL, FACT_ENVIRONMENT},
    {"lineaged_tools", NULL, FACT_ENVIRONMENT},
    {"environmentVariables", "environmentVariables", FACT_ENVIRONMENT},
    {"processing_engine", NULL, FACT_ENVIRONMENT},
    {"schema", "fields", FACT_SCHEMA},
    {"columnLineage", NULL, FACT_SCHEMA},
    {"lineaged_metrics", "metrics", FACT_METRIC},
    {"outputStatistics", NULL, FACT_METRIC},
    {"inputStatistics", NULL, FACT_METRIC},
    {"dataQualityMetrics", NULL, FACT_METRIC},
    {"dataQualityAssertions", "assertions", FACT_METRIC},
    {"errorMessage", NULL, FACT_OUTCOME},
    {"tags", "tags", FACT_TAG},
};
/* Said elsewhere, or never the same twice. */
static const char *const left_out[] = {"parent",
                                       "nominalTime",
                                       "lineaged_context",
                                       "version",
                                       "lineaged_artifact",
                                       "lineaged_shed",
                                       "lineaged_inferred",
                                       "lineaged_answer",
                                       "lineaged_answers",
                                       "externalQuery",
                                       "airflowDagRun",
                                       "airflowState"};
/* Of the ids that people search those that say what was used. */
static const char *const used_ids[] = {"dataset_id", "feature_view", "corpus_sha",
                                       "prompt_template", "model_version"};
/* Members of facets that are never the same twice, or follow from the clock. */
static const struct {
    const char *facet, *member;
} noisy[] = {
    {"lineaged_call", "client_request_id"},
    {"lineaged_call", "response_id"},
    {"lineaged_call", "latency_ms"},
    {"lineaged_call", "time_to_first_chunk_ms"},
    {"lineaged_call", "tries"},
    {"lineaged_container", "id"},
    {"lineaged_container", "pod_name"},
    {"lineaged_container", "pod_uid"},
    {"lineaged_deployment", "record"},
    {"lineaged_deployment", "record_sha256"},
    {"dbt_run", "invocation_id"},
    {"airflow", "dagRun"},
    {"airflow", "taskInstance"},
    {"airflow", "taskUuid"},
    {"spark_applicationDetails", "applicationId"},
    {"spark_applicationDetails", "uiWebUrl"},
};

static bool is_among(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

const char *fact_area_name(enum fact_area area)
{
    static const char *const names[FACT_AREAS] = {
        [FACT_INPUT] = "input",
        [FACT_OUTPUT] = "output",
        [FACT_CODE] = "code",
        [FACT_PARAMETER] = "parameter",
        [FACT_SEED] = "seed",
        [FACT_MODEL] = "model",
        [FACT_ENVIRONMENT] = "environment",
        [FACT_SCHEMA] = "schema",
        [FACT_METRIC] = "metric",
        [FACT_OUTCOME] = "outcome",
        [FACT_TAG] = "tag",
        [FACT_OTHER] = "other",
    };
    return names[area];
}

/* ---- Gathering ---- */

struct gatherer {
    struct ask *ask;
    struct ol__arena *arena;
    struct facts *facts;
    enum fact_area area;
    const char *facet;   /* its key */
    const char *dataset; /* facets of datasets: in front of what; else "" */
    enum fact_area side; /* of that dataset */
    char path[PATH_MAX_BYTES];
};

static const char *keep(struct ol__arena *arena, const char *text, size_t size)
{
    char *copy = ol__arena_alloc(arena, size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

static ol_status add(struct gatherer *g, const struct fact *fact)
{
    struct facts *f = g->facts;
    if (f->count == FACTS_MAX) {
        f->is_cut = true;
        return OL_OK;
    }
    if (f->count == f->cap) {
        size_t cap = f->cap == 0 ? 128 : f->cap * 2;
        struct fact *items =
            ol__arena_grow(g->arena, f->items, f->cap * sizeof *items, cap * sizeof *items);
        if (items == NULL)
            return ol__error_set(g->ask->err, OL_NOMEM, "facts of a run: out of memory");
        f->items = items;
        f->cap = cap;
    }
    f->items[f->count++] = *fact;
    return fact->what != NULL && fact->value != NULL
               ? OL_OK
               : ol__error_set(g->ask->err, OL_NOMEM, "facts of a run: out of memory");
}

static ol_status add_leaf(struct gatherer *g, const char *value)
{
    char what[PATH_MAX_BYTES * 2];
    int size = snprintf(what, sizeof what, "%s%s%s", g->dataset, g->dataset[0] != '\0' ? ": " : "",
                        g->path);
    struct fact fact = {.area = g->area,
                        .what = keep(g->arena, what, OL_MIN((size_t)size, sizeof what - 1)),
                        .value = keep(g->arena, value, OL_MIN(strlen(value), (size_t)VALUE_SHOWN))};
    if (g->dataset[0] != '\0' && fact.what != NULL && (size_t)size < sizeof what) {
        fact.owner = g->dataset;
        fact.rest = fact.what + strlen(g->dataset) + 2;
        fact.side = g->side;
    }
    return add(g, &fact);
}

static const char *const naming[] = {"key", "name", "field", "assertion", "path", "tool", "id"};

/* Promise 2: what an element is called by; NULL: it has no name. */
static const char *name_of(const struct json_node *element)
{
    for (size_t i = 0; i < OL_COUNT(naming); i++) {
        const char *name = json_get_text(element, naming[i]);
        if (name != NULL)
            return name;
    }
    return NULL;
}

/* Members that stand in the name of their element, or say nothing that could be different. */
static bool is_in_name(const struct json_node *member, const char *name)
{
    static const char *const others[] = {"step", "split", "column", "description", "source"};
    if (strcmp(member->key, "field") == 0)
        return true; /* a column of a dataset: flatten_named() */
    return is_among(member->key, others, OL_COUNT(others)) ||
           (member->text != NULL && strcmp(member->text, name) == 0 &&
            is_among(member->key, naming, OL_COUNT(naming)));
}

static const char *scalar(const struct json_node *node)
{
    return node->text != NULL            ? node->text
           : node->type == OL_JSON_NULL  ? "null"
           : node->type == OL_JSON_BOOL  ? (node->boolean ? "true" : "false")
           : node->type == OL_JSON_ARRAY ? "[]"
                                         : "{}";
}

static ol_status flatten(struct gatherer *g, const struct json_node *node, size_t size, int depth);

/* One member or element under the path, which is as it was afterwards. */
static ol_status flatten_below(struct gatherer *g, // NOLINT(misc-no-recursion)
                               const struct json_node *node, size_t size, const char *name,
                               int depth)
{
    int more = snprintf(g->path + size, sizeof g->path - size, "%s%s",
                        size > 0 && name[0] != '[' ? "." : "", name);
    if (more < 0 || (size_t)more >= sizeof g->path - size)
        return OL_OK; /* a path that nobody could read */
    ol_status status = flatten(g, node, size + (size_t)more, depth + 1);
    g->path[size] = '\0';
    return status;
}

/* {"name": "lr", "value": 0.1, "description": "..."}: the value is that of `lr` itself. */
static ol_status flatten_named(struct gatherer *g, // NOLINT(misc-no-recursion)
                               const struct json_node *element, size_t size, const char *name,
                               int depth)
{
    char called[PATH_MAX_BYTES];
    const char *step = json_get_text(element, "step"), *split = json_get_text(element, "split");
    const char *column = json_get_text(element, "column"), *field = json_get_text(element, "field");
    if (column == NULL && field != NULL && strcmp(field, name) != 0)
        column = field;
    snprintf(called, sizeof called, "%s%s%s%s%s%s%s", name, step != NULL ? "@" : "",
             step != NULL ? step : "", split != NULL ? "/" : "", split != NULL ? split : "",
             column != NULL ? " " : "", column != NULL ? column : "");
    int more = snprintf(g->path + size, sizeof g->path - size, "%s%s", size > 0 ? "." : "", called);
    if (more < 0 || (size_t)more >= sizeof g->path - size)
        return OL_OK;
    size_t inner = size + (size_t)more;
    ol_status status = OL_OK;
    for (const struct json_node *m = element->first; m != NULL && status == OL_OK; m = m->next) {
        if (is_in_name(m, name))
            continue;
        if (m->first == NULL && (strcmp(m->key, "value") == 0 || strcmp(m->key, "type") == 0))
            status = add_leaf(g, scalar(m));
        else
            status = flatten_below(g, m, inner, m->key, depth);
    }
    g->path[size] = '\0';
    return status;
}

static ol_status flatten_list(struct gatherer *g, // NOLINT(misc-no-recursion)
                              const struct json_node *list, size_t size, int depth)
{
    size_t index = 0;
    ol_status status = OL_OK;
    for (const struct json_node *e = list->first; e != NULL && status == OL_OK; e = e->next) {
        const char *name = e->type == OL_JSON_OBJECT ? name_of(e) : NULL;
        char place[24];
        snprintf(place, sizeof place, "[%zu]", index++);
        status = name != NULL ? flatten_named(g, e, size, name, depth + 1)
                              : flatten_below(g, e, size, place, depth);
    }
    return status;
}

static bool is_noisy(const struct gatherer *g, const char *member, int depth)
{
    if (depth > 0) /* how long a gate took */
        return strcmp(g->facet, "lineaged_gates") == 0 && strcmp(member, "duration_ms") == 0;
    for (size_t i = 0; i < OL_COUNT(noisy); i++)
        if (strcmp(noisy[i].facet, g->facet) == 0 && strcmp(noisy[i].member, member) == 0)
            return true;
    return false;
}

/* Promise 1. The depth is bounded: what lies deeper is one fact less. */
static ol_status flatten(struct gatherer *g, // NOLINT(misc-no-recursion)
                         const struct json_node *node, size_t size, int depth)
{
    ol_status status = OL_OK;
    if (depth > DEPTH_MAX)
        return OL_OK;
    if (node->first == NULL)
        return add_leaf(g, scalar(node));
    if (node->type == OL_JSON_ARRAY)
        return flatten_list(g, node, size, depth);
    for (const struct json_node *m = node->first; m != NULL && status == OL_OK; m = m->next)
        if (m->key[0] != '_' && !is_noisy(g, m->key, depth))
            status = flatten_below(g, m, size, m->key, depth);
    return status;
}

/* ---- Facets ---- */

static const struct known *find_known(const char *key)
{
    for (size_t i = 0; i < OL_COUNT(known_facets); i++)
        if (strcmp(known_facets[i].key, key) == 0)
            return &known_facets[i];
    return NULL;
}

/* Labels of the run, but for the mirror of ids that are different in every run. */
static ol_status take_tags(struct gatherer *g, const struct json_node *tags)
{
    ol_status status = OL_OK;
    for (const struct json_node *t = tags != NULL ? tags->first : NULL;
         t != NULL && status == OL_OK; t = t->next) {
        const char *key = json_get_text(t, "key"), *source = json_get_text(t, "source");
        if (key == NULL || (source != NULL && strcmp(source, "lineaged") == 0))
            continue;
        snprintf(g->path, sizeof g->path, "%s", key);
        const char *value = json_get_text(t, "value");
        status = add_leaf(g, value != NULL ? value : "");
    }
    return status;
}

static ol_status take_ids(struct gatherer *g, const struct json_node *facet)
{
    ol_status status = OL_OK;
    g->area = FACT_MODEL;
    for (size_t i = 0; i < OL_COUNT(used_ids) && status == OL_OK; i++) {
        const char *value = json_get_text(facet, used_ids[i]);
        snprintf(g->path, sizeof g->path, "%s", used_ids[i]);
        if (value != NULL)
            status = add_leaf(g, value);
    }
    return status;
}

static ol_status take_reproducibility(struct gatherer *g, const struct json_node *facet)
{
    ol_status status = OL_OK;
    for (const struct json_node *m = facet->first; m != NULL && status == OL_OK; m = m->next) {
        if (m->key[0] == '_')
            continue;
        bool is_seed = strcmp(m->key, "seeds") == 0;
        g->area = is_seed ? FACT_SEED : FACT_ENVIRONMENT;
        size_t size = is_seed ? 0 : (size_t)snprintf(g->path, sizeof g->path, "%s", m->key);
        g->path[size] = '\0';
        status = flatten(g, m, size, 0);
    }
    return status;
}

static ol_status take_document(struct gatherer *g, const char *key, const struct json_node *root)
{
    const struct known *known = find_known(key);
    g->area = known != NULL ? known->area : FACT_OTHER;
    g->path[0] = '\0';
    g->facet = key;
    if (strcmp(key, "lineaged_run") == 0)
        return take_ids(g, root);
    if (strcmp(key, "tags") == 0)
        return take_tags(g, json_get(root, "tags"));
    if (strcmp(key, "lineaged_reproducibility") == 0)
        return take_reproducibility(g, root);
    const struct json_node *list =
        known != NULL && known->list != NULL ? json_get(root, known->list) : NULL;
    if (list != NULL)
        return flatten(g, list, 0, 0);
    int size = snprintf(g->path, sizeof g->path, "%s", key);
    return flatten(g, root, OL_MIN((size_t)size, sizeof g->path - 1), 0);
}

/* A text of the dictionary, in the arena; NULL with ask->err. */
static ol_status get_text(struct gatherer *g, int64_t id, const char **ret)
{
    struct store *store = g->ask->store;
    sqlite3_stmt *stmt = store_bind(store, SQL_TEXT_GET, g->ask->err, "i", id);
    ol_status status = store_step(store, stmt, g->ask->err);
    *ret = id > 0 && status == OL_END ? ASK_DAMAGED : "";
    if (status == OL_OK) {
        struct ol__span text = store_column(stmt, 0);
        *ret = keep(g->arena, text.data, text.size);
    }
    sqlite3_reset(stmt);
    if (status < 0)
        return status;
    return *ret != NULL ? OL_OK : ol__error_set(g->ask->err, OL_NOMEM, "facts: out of memory");
}

static ol_status take_facet(struct gatherer *g, const struct state_entry *entry)
{
    const char *key;
    struct json_doc doc;
    ol_status status = get_text(g, entry->key, &key);
    if (status != OL_OK || entry->value == 0 || is_among(key, left_out, OL_COUNT(left_out)))
        return status;
    status = ask_facet_doc(g->ask, entry->value, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    if (doc.root->type == OL_JSON_OBJECT)
        status = take_document(g, key, doc.root);
    json_doc_release(&doc);
    return status;
}

/* ---- Datasets ---- */

/* "NAMESPACE NAME" in the arena. */
static ol_status dataset_name(struct gatherer *g, int64_t id, const char **ret)
{
    struct store *store = g->ask->store;
    const char *name_space = "";
    const char *name = NULL;
    sqlite3_stmt *stmt = store_bind(store, SQL_ASK_DATASET, g->ask->err, "ii", id, (int64_t)0);
    ol_status status = store_step(store, stmt, g->ask->err);
    int64_t space = 0;
    if (status == OL_OK) {
        struct ol__span text = store_column(stmt, 1);
        space = sqlite3_column_int64(stmt, 0);
        name = keep(g->arena, text.data, text.size);
    }
    sqlite3_reset(stmt);
    if (status == OL_OK)
        status = get_text(g, space, &name_space);
    if (status != OL_OK)
        return status == OL_END ? OL_NOT_FOUND : status;
    size_t size = strlen(name_space) + (name != NULL ? strlen(name) : 0) + 2;
    char *both = ol__arena_alloc(g->arena, size);
    if (name == NULL || both == NULL)
        return ol__error_set(g->ask->err, OL_NOMEM, "facts: out of memory");
    snprintf(both, size, "%s %s", name_space, name);
    *ret = both;
    return OL_OK;
}

static ol_status take_edge(struct gatherer *g, const struct state_entry *entry)
{
    struct fact fact = {.area = entry->kind == STATE_OUTPUT ? FACT_OUTPUT : FACT_INPUT,
                        .value = "",
                        .dataset = entry->object,
                        .version = entry->key};
    struct store *store = g->ask->store;
    ol_status status = dataset_name(g, entry->object, &fact.what);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    if (entry->key > 0) {
        struct ol__buf text;
        ol__buf_init(&text, 1 << 20);
        sqlite3_stmt *stmt = store_bind(store, SQL_VERSION_GET, g->ask->err, "i", entry->key);
        status = store_step(store, stmt, g->ask->err);
        if (status == OL_OK && version_unpack(stmt, 1, &text) == OL_OK)
            fact.value = keep(g->arena, text.data, text.size);
        sqlite3_reset(stmt);
        ol__buf_release(&text);
    }
    return status < 0 ? status : add(g, &fact);
}

static ol_status take_entry(struct gatherer *g, const struct state_entry *entry)
{
    ol_status status = OL_OK;
    switch ((enum state_kind)entry->kind) {
    case STATE_INPUT:
    case STATE_OUTPUT:
        return take_edge(g, entry);
    case STATE_RUN_FACET:
    case STATE_JOB_FACET:
        g->dataset = "";
        return take_facet(g, entry);
    case STATE_INPUT_DATASET_FACET:
    case STATE_OUTPUT_DATASET_FACET:
    case STATE_INPUT_FACET:
    case STATE_OUTPUT_FACET:
        g->side = entry->kind == STATE_OUTPUT_DATASET_FACET || entry->kind == STATE_OUTPUT_FACET
                      ? FACT_OUTPUT
                      : FACT_INPUT;
        status = dataset_name(g, entry->object, &g->dataset);
        return status == OL_OK ? take_facet(g, entry) : status == OL_NOT_FOUND ? OL_OK : status;
    default:
        return OL_OK;
    }
}

/* ---- Statements ---- */

/* What a job is called: its name, and what begins with the name of another without that. */
static ol_status statement_name(struct gatherer *g, int64_t job, const char *above,
                                const char **ret)
{
    struct store *store = g->ask->store;
    sqlite3_stmt *stmt = store_bind(store, SQL_ASK_JOB, g->ask->err, "i", job);
    ol_status status = store_step(store, stmt, g->ask->err);
    *ret = "";
    if (status == OL_OK) {
        struct ol__span text = store_column(stmt, 1);
        size_t size = strlen(above);
        if (size > 0 && text.size > size + 1 && memcmp(text.data, above, size) == 0 &&
            text.data[size] == '.')
            text = (struct ol__span){text.data + size + 1, text.size - size - 1};
        *ret = keep(g->arena, text.data, text.size);
    }
    sqlite3_reset(stmt);
    if (status < 0)
        return status;
    return *ret != NULL ? OL_OK : ol__error_set(g->ask->err, OL_NOMEM, "facts: out of memory");
}

/* A run that read and wrote nothing and told a query is a statement of the run above it. */
static ol_status take_statement(struct gatherer *g, int64_t id, const char *above, int64_t key)
{
    struct ask_run run;
    const struct state_entry *query = NULL;
    bool has_data = false;
    ol_status status = ask_run(g->ask, id, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    struct state state = g->ask->state;
    g->ask->state = (struct state){0};
    for (size_t i = 0; i < state.count; i++) {
        const struct state_entry *e = &state.entries[i];
        has_data = has_data || e->kind == STATE_INPUT || e->kind == STATE_OUTPUT;
        if (e->kind == STATE_JOB_FACET && e->key == key && e->value != 0)
            query = e;
    }
    if (query != NULL && !has_data) {
        status = statement_name(g, run.row.job, above, &g->dataset);
        if (status == OL_OK)
            status = take_facet(g, query);
        g->dataset = "";
    }
    state_release(&state);
    return status;
}

/* Promise 3. */
static ol_status take_statements(struct gatherer *g, int64_t id, int64_t job,
                                 const struct state *state)
{
    int64_t key = 0, children[STATEMENTS_MAX];
    size_t count = 0;
    bool has_data = false, has_query = false;
    const char *above = "";
    ol_status status = ask_text_id(g->ask, ol__span_text("sql"), &key);
    for (size_t i = 0; i < state->count; i++) {
        const struct state_entry *e = &state->entries[i];
        has_data = has_data || e->kind == STATE_INPUT || e->kind == STATE_OUTPUT;
        has_query = has_query || (e->kind == STATE_JOB_FACET && e->key == key && e->value != 0);
    }
    if (status != OL_OK || key == 0 || has_query || !has_data)
        return status;
    sqlite3_stmt *stmt = store_bind(g->ask->store, SQL_ASK_CHILDREN, g->ask->err, "i", id);
    while (count < STATEMENTS_MAX &&
           (status = store_step(g->ask->store, stmt, g->ask->err)) == OL_OK)
        children[count++] = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    if (status < 0 || count == 0)
        return status < 0 ? status : OL_OK;
    status = statement_name(g, job, "", &above);
    for (size_t i = 0; i < count && status == OL_OK; i++)
        status = take_statement(g, children[i], above, key);
    return status;
}

int fact_compare(const struct fact *a, const struct fact *b)
{
    return a->area != b->area ? (a->area < b->area ? -1 : 1) : strcmp(a->what, b->what);
}

static int compare(const void *a, const void *b)
{
    const struct fact *x = a, *y = b;
    int order = fact_compare(x, y);
    return order != 0 ? order : strcmp(x->value, y->value);
}

void facts_sort(struct facts *facts)
{
    if (facts->count > 0)
        qsort(facts->items, facts->count, sizeof *facts->items, compare);
}

ol_status facts_read(struct ask *ask, int64_t id, struct ol__arena *arena, struct facts *ret)
{
    struct gatherer g = {.ask = ask, .arena = arena, .facts = ret, .dataset = ""};
    struct ask_run run;
    *ret = (struct facts){0};
    ol_status status = ask_run(ask, id, true, &run);
    if (status != OL_OK)
        return status;
    struct state state = ask->state;
    ask->state = (struct state){0};
    g.area = FACT_OUTCOME;
    snprintf(g.path, sizeof g.path, "state");
    status = add_leaf(&g, run_status_name(run.row.status));
    for (size_t i = 0; i < state.count && status == OL_OK; i++)
        status = take_entry(&g, &state.entries[i]);
    if (status == OL_OK)
        status = take_statements(&g, id, run.row.job, &state);
    state_release(&state);
    if (status == OL_OK)
        facts_sort(ret);
    return status;
}
