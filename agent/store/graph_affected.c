/* SPDX-License-Identifier: Apache-2.0 */
/* What `impact` reached, in numbers. What was asked about is not counted, but for the answers that
 * it gave; which answers of a service are: graph_answers.c. A model is a dataset of type MODEL, or
 * one in a name space of models (docs/naming.md).
 */
#include "graph.h"
#include "answers.h"

#include <stdlib.h>

/* Name spaces whose datasets are models, with what stands behind :// or without. */
static const char *const model_spaces[] = {"anthropic", "bedrock", "cohere", "hf",
                                           "mistral",   "model",   "ollama", "openai"};

static bool is_model_space(const char *text)
{
    size_t size = strcspn(text, ":");
    for (size_t i = 0; i < OL_COUNT(model_spaces); i++)
        if (strlen(model_spaces[i]) == size && memcmp(model_spaces[i], text, size) == 0)
            return text[size] == '\0' || strncmp(text + size, "://", 3) == 0;
    return false;
}

/* Of the dataset that was written last; mostly the same name space and type as before. */
static ol_status is_model(struct walk *w, struct graph_counts *c, bool *ret)
{
    char text[64];
    const struct ask *ask = w->ask;
    ol_status status = OL_OK;
    *ret = c->is_model;
    if (c->name_space == ask->name_space_id && c->type == ask->type_id)
        return OL_OK;
    status = ask_text(w->ask, ask->type_id, text, sizeof text);
    c->is_model = strcmp(text, "MODEL") == 0;
    if (status == OL_OK && ask->type_id == 0) {
        status = ask_text(w->ask, ask->name_space_id, text, sizeof text);
        c->is_model = is_model_space(text);
    }
    c->name_space = ask->name_space_id;
    c->type = ask->type_id;
    *ret = c->is_model;
    return status;
}

/* ---- Sets ---- */

static size_t slot_of(const struct graph_set *set, uint64_t key)
{
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    size_t at = (size_t)(h ^ h >> 32) & (set->size - 1);
    while (set->slots[at] != 0 && set->slots[at] != key)
        at = (at + 1) & (set->size - 1);
    return at;
}

bool graph_set_has(const struct graph_set *set, uint64_t key)
{
    return set->size > 0 && set->slots[slot_of(set, key)] == key;
}

ol_status graph_set_put(struct walk *w, struct graph_set *set, uint64_t key)
{
    if (set->count * 2 >= set->size) {
        struct graph_set larger = {.size = set->size == 0 ? 64 : set->size * 2};
        larger.slots = calloc(larger.size, sizeof *larger.slots);
        if (larger.slots == NULL)
            return graph_nomem(w);
        for (size_t i = 0; i < set->size; i++)
            if (set->slots[i] != 0)
                larger.slots[slot_of(&larger, set->slots[i])] = set->slots[i];
        larger.count = set->count;
        free(set->slots);
        *set = larger;
    }
    size_t at = slot_of(set, key);
    set->count += set->slots[at] == 0;
    set->slots[at] = key;
    return OL_OK;
}

/* ---- Counting ---- */

static ol_status count_dataset(struct walk *w, struct graph_counts *c,
                               const struct graph_node *node)
{
    bool is_one = false;
    ol_status status = is_model(w, c, &is_one);
    if (status != OL_OK)
        return status;
    if (!is_one)
        return graph_set_put(w, &c->datasets, (uint64_t)node->id);
    /* each version is a model; the number of a version is that of no other dataset's */
    if (node->version == 0)
        return graph_set_put(w, &c->models, (uint64_t)node->id << 1);
    status = graph_set_put(w, &c->versioned, (uint64_t)node->id);
    return status != OL_OK ? status
                           : graph_set_put(w, &c->models, (uint64_t)node->version << 1 | 1);
}

static ol_status count_answers(struct walk *w, struct graph_counts *c, size_t index, int64_t job)
{
    struct graph_answers answers = {0};
    ol_status status = w->has_answers ? graph_count_answers(w, c, index, &answers) : OL_OK;
    c->answers += answers.count;
    c->answers_not_told += answers.not_told;
    return status == OL_OK && answers.count > 0 ? graph_set_put(w, &c->services, (uint64_t)job)
                                                : status;
}

/* One that is not counted with its run. */
static ol_status count_answer(struct walk *w, struct graph_counts *c, const struct graph_node *node)
{
    struct ask_run run;
    ol_status status = OL_OK;
    if (graph_has_node(w, &(struct graph_node){.kind = GRAPH_RUN, .id = node->run})) {
        sqlite3_stmt *stmt =
            store_bind(w->ask->store, SQL_EXPORT_ANSWER, w->ask->err, "i", node->id);
        status = store_step(w->ask->store, stmt, w->ask->err);
        int64_t ids = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
        sqlite3_reset(stmt);
        if (status != OL_OK || !graph_set_has(&c->left_out, graph_group_key(node->run, ids)))
            return status < 0 ? status : OL_OK;
    }
    status = ask_run(w->ask, node->run, false, &run);
    if (status != OL_OK)
        return status;
    c->answers++;
    return graph_set_put(w, &c->services, (uint64_t)run.row.job);
}

ol_status graph_count_rest(struct walk *w, struct graph_counts *c)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < w->count && status == OL_OK; i++)
        if (w->nodes[i].kind == GRAPH_ANSWER)
            status = count_answer(w, c, &w->nodes[i]);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

ol_status graph_count(struct walk *w, struct graph_counts *c, size_t index, int64_t job)
{
    const struct graph_node *node = &w->nodes[index];
    bool is_root = index < w->root_count;
    ol_status status = OL_OK;
    if (node->kind == GRAPH_DATASET)
        return is_root ? OL_OK : count_dataset(w, c, node);
    if (node->kind == GRAPH_ANSWER)
        return OL_OK; /* graph_count_rest() */
    if (node->kind == GRAPH_RUN && job != 0 && !node->is_not_told)
        status = count_answers(w, c, index, job);
    if (is_root || job == 0 || status != OL_OK)
        return status;
    if (node->kind == GRAPH_RUN)
        status = graph_set_put(w, &c->runs, (uint64_t)node->id);
    return status != OL_OK ? status : graph_set_put(w, &c->jobs, (uint64_t)job);
}

/* A model without a version (of a run that failed, mostly) is none beside its versions. */
static uint64_t count_models(const struct graph_counts *c)
{
    uint64_t count = c->models.count;
    for (size_t i = 0; i < c->models.size; i++) {
        uint64_t key = c->models.slots[i];
        count -= key != 0 && (key & 1) == 0 && graph_set_has(&c->versioned, key >> 1);
    }
    return count;
}

void graph_write_counts(struct walk *w, const struct graph_counts *c)
{
    struct ol__json_writer *json = &w->ask->json;
    ol__json_key(json, "affected");
    ol__json_begin_object(json);
    ol__json_member_uint(json, "models", count_models(c));
    ol__json_member_int(json, "answers", c->answers);
    if (c->answers_not_told > 0)
        ol__json_member_int(json, "answers_not_told", c->answers_not_told);
    ol__json_member_uint(json, "services", c->services.count);
    ol__json_member_uint(json, "datasets", c->datasets.count);
    ol__json_member_uint(json, "jobs", c->jobs.count);
    ol__json_member_uint(json, "runs", c->runs.count);
    ol__json_end_object(json);
}

void graph_counts_release(struct graph_counts *c)
{
    free(c->models.slots);
    free(c->versioned.slots);
    free(c->datasets.slots);
    free(c->jobs.slots);
    free(c->services.slots);
    free(c->runs.slots);
    free(c->left_out.slots);
}
