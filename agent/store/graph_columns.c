/* SPDX-License-Identifier: Apache-2.0 */
/* `why` and `impact` of one column, by what runs told in columnLineage (all versions of it; also
 * the newer facet `lineage` of datasets). Promises:
 *  1. A node is a column of a dataset's version, or a run (or job) as far as it made one column of
 * one output. No edge is there that no run told: where a run told no lineage of columns, its node
 * says so, a caveat as well, and the walk ends there.
 *  2. What bears on a whole dataset (a filter, a join: `dataset` of the facet) leads on from all of
 * its columns.
 *  3. Names are compared as they are written; a nested field is a column of its own. */
#include "graph_columns.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "json_doc.h"

#define DOCS                                                                                       \
    8 /* parsed facets that are kept: a table's columns are asked for one after the other */
#define KEPT_MAX (64u << 20) /* bytes of names and transformations of one answer */
#define CAVEATS_MAX 64
#define CAVEAT_TEXT 700

struct caveat {
    size_t node;
    const char *text;
};
struct graph_columns {
    struct ol__arena arena; /* names, transformations, caveats */
    size_t kept;
    const char **names; /* owned; by column - 1 */
    size_t count, cap;
    uint32_t *slots; /* owned; hash of name -> column */
    size_t slot_count;
    struct {
        int64_t facet;
        struct json_doc doc;
    } docs[DOCS];
    size_t next_doc;
    int64_t key_column_lineage, key_lineage; /* texts; 0: nobody ever used them */
    struct caveat caveats[CAVEATS_MAX];
    size_t caveat_count; /* may be more than there are */
    int64_t dataset;     /* whose names these are */
    char name_space[1024];
    const char *name; /* in the arena */
};

/* ---- Texts ---- */

static ol_status keep(struct walk *w, struct ol__span text, const char **ret)
{
    struct graph_columns *c = w->columns;
    c->kept += text.size + 1;
    if (c->kept > KEPT_MAX)
        return ol__error_set(w->ask->err, OL_TOO_LARGE,
                             "lineage of columns: more than %u bytes of names", KEPT_MAX);
    char *copy = ol__arena_alloc(&c->arena, text.size + 1);
    if (copy == NULL)
        return graph_nomem(w);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *ret = copy;
    return OL_OK;
}

static size_t hash_text(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

static ol_status more_slots(struct walk *w)
{
    struct graph_columns *c = w->columns;
    size_t count = c->slot_count == 0 ? 64 : c->slot_count * 2;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (slots == NULL)
        return graph_nomem(w);
    for (size_t i = 0; i < c->count; i++) {
        size_t at = hash_text(c->names[i]) & (count - 1);
        while (slots[at] != 0)
            at = (at + 1) & (count - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(c->slots);
    c->slots = slots;
    c->slot_count = count;
    return OL_OK;
}

/* The number of a column's name. */
static ol_status intern(struct walk *w, const char *text, int64_t *ret)
{
    struct graph_columns *c = w->columns;
    ol_status status = c->count * 2 >= c->slot_count ? more_slots(w) : OL_OK;
    if (status != OL_OK)
        return status;
    size_t at = hash_text(text) & (c->slot_count - 1);
    for (; c->slots[at] != 0; at = (at + 1) & (c->slot_count - 1))
        if (strcmp(c->names[c->slots[at] - 1], text) == 0) {
            *ret = c->slots[at];
            return OL_OK;
        }
    if (c->count == c->cap) {
        const char **names = graph_grow(c->names, &c->cap, sizeof *names);
        if (names == NULL)
            return graph_nomem(w);
        c->names = names;
    }
    status = keep(w, ol__span_text(text), &c->names[c->count]);
    if (status != OL_OK)
        return status;
    *ret = (int64_t)++c->count;
    c->slots[at] = (uint32_t)*ret;
    return OL_OK;
}

const char *graph_column_name(const struct walk *w, int64_t column)
{
    return column > 0 ? w->columns->names[column - 1] : NULL;
}

__attribute__((format(printf, 3, 4))) static ol_status add_caveat(struct walk *w, size_t node,
                                                                  const char *format, ...)
{
    struct graph_columns *c = w->columns;
    char text[CAVEAT_TEXT];
    va_list args;
    if (c->caveat_count >= CAVEATS_MAX) {
        c->caveat_count++;
        return OL_OK;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t size = strlen(text);
    if (size == sizeof text - 1) /* not a character cut in two */
        while (size > 0 && ((unsigned char)text[size - 1] & 0x80) != 0)
            text[--size] = '\0';
    struct caveat *caveat = &c->caveats[c->caveat_count];
    caveat->node = node;
    ol_status status = keep(w, ol__span_text(text), &caveat->text);
    c->caveat_count += status == OL_OK;
    return status;
}

ol_status graph_columns_open(struct walk *w)
{
    const char *column = w->ask->question->column;
    if (column == NULL)
        return OL_OK;
    if (w->ask->kind != ASK_DATASET && w->ask->kind != ASK_NONE)
        return ol__error_set(w->ask->err, OL_INVALID,
                             "column: '%.*s' is no dataset, so it has none",
                             (int)OL_MIN(w->ask->raw.size, 150u), w->ask->raw.data);
    w->columns = calloc(1, sizeof *w->columns);
    if (w->columns == NULL)
        return graph_nomem(w);
    ol_status status = intern(w, column, &w->column);
    if (status == OL_OK)
        status =
            ask_text_id(w->ask, ol__span_text("columnLineage"), &w->columns->key_column_lineage);
    if (status == OL_OK)
        status = ask_text_id(w->ask, ol__span_text("lineage"), &w->columns->key_lineage);
    return status;
}

void graph_columns_close(struct walk *w)
{
    struct graph_columns *c = w->columns;
    if (c == NULL)
        return;
    for (size_t i = 0; i < DOCS; i++)
        if (c->docs[i].facet != 0)
            json_doc_release(&c->docs[i].doc);
    ol__arena_reset(&c->arena, 0);
    free(c->names);
    free(c->slots);
    free(c);
    w->columns = NULL;
}

/* ---- The facet ---- */

static ol_status read_facet(struct walk *w, int64_t facet, const struct json_node **ret)
{
    struct graph_columns *c = w->columns;
    struct json_doc doc;
    for (size_t i = 0; i < DOCS; i++)
        if (c->docs[i].facet == facet) {
            *ret = c->docs[i].doc.root;
            return OL_OK;
        }
    ol_status status = ask_facet_doc(w->ask, facet, &doc);
    if (status != OL_OK)
        return status;
    size_t slot = c->next_doc;
    if (c->docs[slot].facet != 0)
        json_doc_release(&c->docs[slot].doc);
    c->docs[slot].doc = doc;
    c->docs[slot].facet = facet;
    c->next_doc = (slot + 1) % DOCS;
    *ret = c->docs[slot].doc.root;
    return OL_OK;
}

/* What a run (or a job's static events) of @p state told of the columns of output @p dataset; NULL:
 * nothing. */
static ol_status find_facet(struct walk *w, const struct state *state, int64_t dataset,
                            const struct json_node **ret)
{
    const int64_t keys[] = {w->columns->key_column_lineage, w->columns->key_lineage};
    *ret = NULL;
    for (size_t i = 0; i < OL_COUNT(keys); i++) {
        const struct state_entry like = {
            .kind = STATE_OUTPUT_DATASET_FACET, .object = dataset, .key = keys[i]};
        const struct state_entry *e = keys[i] != 0 ? state_find(state, &like) : NULL;
        if (e == NULL || e->value == 0)
            continue;
        ol_status status = read_facet(w, e->value, ret);
        if (status != OL_NOT_FOUND)
            return status;
    }
    return OL_OK;
}

/* Inputs of one column: `inputFields` of columnLineage, `inputs` of lineage. */
static const struct json_node *inputs_of(const struct json_node *field)
{
    const struct json_node *list = json_get(field, "inputFields");
    if (list == NULL)
        list = json_get(field, "inputs");
    return list != NULL ? list->first : NULL;
}

/* What bears on every column; of the facet `lineage` those of `inputs` that name a field. */
static const struct json_node *inputs_of_all(const struct json_node *facet)
{
    const struct json_node *list = json_get(facet, "dataset");
    if (list == NULL || list->type != OL_JSON_ARRAY)
        list = json_get(facet, "inputs");
    return list != NULL ? list->first : NULL;
}

static void write_member(struct ol__json_writer *json, const struct json_node *from,
                         const char *key, const char *as)
{
    const char *text = json_get_text(from, key);
    if (text != NULL && text[0] != '\0')
        ol__json_member_text(json, as, text);
}

/* How @p input became a part of @p field (NULL: of all), as JSON; NULL: not told. Older versions of
 * the facet say it of the field, not of the input. */
static ol_status take_transformations(struct walk *w, const struct json_node *field,
                                      const struct json_node *input, const char **ret)
{
    const struct json_node *list = json_get(input, "transformations");
    struct ol__buf text;
    struct ol__json_writer json;
    ol_status status = OL_OK;
    bool is_old = (list == NULL || list->first == NULL) &&
                  (json_get_text(field, "transformationType") != NULL ||
                   json_get_text(field, "transformationDescription") != NULL);
    *ret = NULL;
    if (!is_old && (list == NULL || list->first == NULL))
        return OL_OK;
    ol__buf_init(&text, 1 << 20);
    ol__json_writer_init(&json, &text);
    ol__json_begin_array(&json);
    for (const struct json_node *t = is_old ? field : list->first; t != NULL; t = t->next) {
        ol__json_begin_object(&json);
        write_member(&json, t, is_old ? "transformationType" : "type", "type");
        write_member(&json, t, "subtype", "subtype");
        write_member(&json, t, is_old ? "transformationDescription" : "description", "description");
        if (json_get_bool(t, "masking"))
            ol__json_member_bool(&json, "masking", true);
        ol__json_end_object(&json);
        if (is_old)
            break;
    }
    ol__json_end_array(&json);
    if (text.status == OL_OK) /* else an answer without it: the facet itself has it */
        status = keep(w, (struct ol__span){.data = text.data, .size = text.size}, ret);
    ol__buf_release(&text);
    return status;
}

/* ---- Backward: from a run that made a column ---- */

ol_status graph_find_dataset(struct walk *w, const char *name_space, const char *name, int64_t *ret)
{
    int64_t space = 0;
    struct ask *ask = w->ask;
    *ret = 0;
    ol_status status = ask_text_id(ask, ol__span_text(name_space), &space);
    if (status != OL_OK || space == 0)
        return status;
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_DATASET_FIND, ask->err, "ti", ol__span_text(name), space);
    status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* Which version of @p dataset the run read; 0: it did not say. */
static int64_t version_read(const struct state *state, int64_t dataset)
{
    int64_t version = 0;
    for (size_t i = 0; i < state->count; i++)
        if (state->entries[i].kind == STATE_INPUT && state->entries[i].object == dataset)
            version = state->entries[i].key;
    return version;
}

static ol_status put_input(struct walk *w, size_t index, const struct ask_run *run,
                           const struct state *state, const struct json_node *field,
                           const struct json_node *input)
{
    const char *name_space = json_get_text(input, "namespace"),
               *name = json_get_text(input, "name");
    const char *column = json_get_text(input, "field");
    struct ask_edge writer;
    int64_t dataset = 0, id = 0;
    if (name_space == NULL || name == NULL || column == NULL)
        return OL_OK;
    ol_status status = graph_find_dataset(w, name_space, name, &dataset);
    if (status == OL_OK && dataset == 0)
        return add_caveat(w, index,
                          "it read column '%.100s' of %.200s %.200s, which is not recorded", column,
                          name_space, name);
    if (status == OL_OK)
        status = intern(w, column, &id);
    int64_t version = version_read(state, dataset);
    if (status == OL_OK)
        status = ask_writer(w->ask, dataset, version, run->row.started, run->row.id, &writer);
    if (status != OL_OK)
        return status;
    struct graph_node next = graph_dataset(dataset, version, &writer, w->nodes[index].depth);
    struct graph_edge edge = {0};
    next.column = id;
    status = take_transformations(w, field, input, &edge.transformations);
    return status == OL_OK ? graph_put_edge(w, index, &next, &edge, NULL) : status;
}

/* The facet does not say where the column came from, or there is none. */
static ol_status not_told(struct walk *w, size_t index, bool has_facet)
{
    const char *column = graph_column_name(w, w->nodes[index].column);
    w->nodes[index].is_not_told = true;
    if (has_facet && column != NULL)
        return add_caveat(w, index, "the lineage of columns told here does not name '%.200s'",
                          column);
    return add_caveat(w, index,
                      "no lineage of columns is told here: what lies beyond is not known");
}

static ol_status backward(struct walk *w, size_t index, const struct ask_run *run,
                          const struct state *state)
{
    const struct graph_node node = w->nodes[index];
    const char *column = graph_column_name(w, node.column);
    const struct json_node *facet;
    ol_status status = find_facet(w, state, node.run, &facet);
    if (status != OL_OK)
        return status;
    const struct json_node *field =
        column != NULL ? json_get(json_get(facet, "fields"), column) : NULL;
    if (field == NULL)
        status = not_told(w, index, facet != NULL);
    for (const struct json_node *i = inputs_of(field); i != NULL && status == OL_OK; i = i->next)
        status = put_input(w, index, run, state, field, i);
    for (const struct json_node *i = inputs_of_all(facet); i != NULL && status == OL_OK;
         i = i->next)
        status = put_input(w, index, run, state, NULL, i);
    return status;
}

/* ---- Forward: to the runs that read a column ---- */

/* Name space and name of @p dataset into w->columns. */
static ol_status take_names(struct walk *w, int64_t dataset)
{
    struct graph_columns *c = w->columns;
    struct ask *ask = w->ask;
    if (c->dataset == dataset)
        return OL_OK;
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_DATASET, ask->err, "ii", dataset, (int64_t)0);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status != OL_OK)
        return status == OL_END ? OL_NOT_FOUND : status;
    int64_t space = sqlite3_column_int64(stmt, 0);
    status = keep(w, store_column(stmt, 1), &c->name);
    sqlite3_reset(stmt);
    if (status == OL_OK)
        status = ask_text(ask, space, c->name_space, sizeof c->name_space);
    c->dataset = status == OL_OK ? dataset : 0;
    return status;
}

/* Whether @p input is the column (NULL: any column) of the dataset whose names were taken. */
static bool is_it(const struct walk *w, const struct json_node *input, const char *column)
{
    const char *name_space = json_get_text(input, "namespace"),
               *name = json_get_text(input, "name");
    const char *field = json_get_text(input, "field");
    return name_space != NULL && name != NULL && field != NULL &&
           (column == NULL || strcmp(field, column) == 0) && strcmp(name, w->columns->name) == 0 &&
           strcmp(name_space, w->columns->name_space) == 0;
}

/* A node of the run for one column of one output (0: none of its own), and the edge to it. */
static ol_status put_maker(struct walk *w, size_t index, const struct ask_edge *reader,
                           int64_t output, int64_t column, const char *transformations,
                           size_t *ret_maker)
{
    struct graph_node next = graph_maker(reader, w->nodes[index].depth + 1);
    const struct graph_edge edge = {.transformations = transformations,
                                    .version = graph_version_read(w, index, reader)};
    size_t maker;
    next.run = output;
    next.column = column;
    ol_status status = graph_put_edge(w, index, &next, &edge, &maker);
    if (*ret_maker == GRAPH_NONE)
        *ret_maker = maker;
    if (status == OL_OK && maker != GRAPH_NONE && column == 0 && !w->nodes[maker].is_not_told)
        status = not_told(w, maker, false);
    return status;
}

/* What of one output was made from the column. */
static ol_status put_fields(struct walk *w, size_t index, const struct ask_edge *reader,
                            int64_t output, const struct json_node *facet, size_t *ret_maker)
{
    const char *column = graph_column_name(w, w->nodes[index].column), *how = NULL;
    ol_status status = OL_OK;
    const struct json_node *fields = json_get(facet, "fields");
    if (fields != NULL && fields->type != OL_JSON_OBJECT)
        fields = NULL; /* no columnLineage that anybody specified */
    for (const struct json_node *f = fields != NULL ? fields->first : NULL;
         f != NULL && status == OL_OK; f = f->next)
        for (const struct json_node *i = inputs_of(f); i != NULL && status == OL_OK; i = i->next) {
            int64_t made = 0;
            if (!is_it(w, i, column))
                continue;
            status = intern(w, f->key, &made);
            if (status == OL_OK)
                status = take_transformations(w, f, i, &how);
            if (status == OL_OK)
                status = put_maker(w, index, reader, output, made, how, ret_maker);
        }
    for (const struct json_node *i = inputs_of_all(facet); i != NULL && status == OL_OK;
         i = i->next) {
        if (!is_it(w, i, column))
            continue;
        status = take_transformations(w, NULL, i, &how); /* promise 2 */
        if (status == OL_OK)
            status = put_maker(w, index, reader, output, GRAPH_ALL_COLUMNS, how, ret_maker);
    }
    return status;
}

static ol_status load(struct walk *w, const struct ask_edge *edge)
{
    struct ask_run run;
    return edge->run != 0 ? ask_run(w->ask, edge->run, true, &run)
                          : ask_static(w->ask, ASK_JOB, edge->job);
}

ol_status graph_put_column_reader(struct walk *w, size_t index, const struct ask_edge *reader,
                                  size_t *ret_maker)
{
    bool has_output = false;
    *ret_maker = GRAPH_NONE;
    ol_status status = take_names(w, w->nodes[index].id);
    if (status == OL_OK)
        status = load(w, reader);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    const struct state state = w->ask->state; /* nothing below touches it */
    for (size_t i = 0; i < state.count && status == OL_OK; i++) {
        const struct state_entry *e = &state.entries[i];
        const struct json_node *facet;
        if (e->kind != STATE_OUTPUT)
            continue;
        has_output = true;
        status = find_facet(w, &state, e->object, &facet);
        if (status == OL_OK && facet != NULL)
            status = put_fields(w, index, reader, e->object, facet, ret_maker);
        else if (status == OL_OK)
            status = put_maker(w, index, reader, e->object, 0, NULL, ret_maker);
    }
    if (status == OL_OK && !has_output)
        status = put_maker(w, index, reader, 0, 0, NULL, ret_maker);
    return status;
}

/* From a run to the column that it made. */
static ol_status forward(struct walk *w, size_t index, const struct ask_run *run,
                         const struct state *state)
{
    const struct graph_node node = w->nodes[index];
    ol_status status = OL_OK;
    if (node.is_not_told)
        return OL_OK; /* promise 1 */
    for (size_t i = 0; i < state->count && status == OL_OK; i++) {
        const struct state_entry *e = &state->entries[i];
        if (e->kind != STATE_OUTPUT || e->object != node.run)
            continue;
        const struct ask_edge writer = {
            .job = run->row.job, .run = node.kind == GRAPH_RUN ? node.id : 0, .at = run->row.born};
        struct graph_node next = graph_dataset(e->object, e->key, &writer, node.depth);
        next.column = node.column;
        status = graph_put_edge(w, index, &next, NULL, NULL);
    }
    return status;
}

ol_status graph_from_column_maker(struct walk *w, size_t index, const struct ask_run *run,
                                  const struct state *state)
{
    return w->is_upstream ? backward(w, index, run, state) : forward(w, index, run, state);
}

/* ---- Writing ---- */

void graph_write_column(struct walk *w, const struct graph_node *node)
{
    struct ol__json_writer *json = &w->ask->json;
    const char *column = graph_column_name(w, node->column);
    if (column != NULL)
        ol__json_member_text(json, "column", column);
    if (node->is_not_told)
        ol__json_member_text(json, "columns", "not told");
    else if (node->column == GRAPH_ALL_COLUMNS)
        ol__json_member_text(json, "columns", "all");
}

void graph_write_caveats(struct walk *w)
{
    struct ol__json_writer *json = &w->ask->json;
    const struct graph_columns *c = w->columns;
    bool is_alone = w->root_count > 0 && w->edge_count == 0;
    if (c == NULL || (c->caveat_count == 0 && !is_alone))
        return;
    ol__json_key(json, "caveats");
    ol__json_begin_array(json);
    for (size_t i = 0; i < OL_MIN(c->caveat_count, (size_t)CAVEATS_MAX); i++) {
        ol__json_begin_object(json);
        ol__json_member_uint(json, "node", c->caveats[i].node);
        ol__json_member_text(json, "text", c->caveats[i].text);
        ol__json_end_object(json);
    }
    if (is_alone || c->caveat_count > CAVEATS_MAX) {
        ol__json_begin_object(json);
        ol__json_member_text(json, "text",
                             !is_alone        ? "more is not told than stands here"
                             : w->is_upstream ? "no run is recorded that wrote it"
                                              : "no run that is recorded says that it used this "
                                                "column");
        ol__json_end_object(json);
    }
    ol__json_end_array(json);
}
