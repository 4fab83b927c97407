/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "dataset_name.h"
#include "run.h"

#define TABLE_FIRST 16

static uint64_t hash_text(uint64_t h, const char *text)
{
    for (; *text != '\0';
         text++) /* FNV-1a: names are short, and the set is of this process's own making */
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

ol_status ol__dataset_new(struct ol_run *run, enum ol__entity side, const char *name_space,
                          const char *name, struct ol_dataset **ret)
{
    size_t space_size = strlen(name_space) + 1, name_size = strlen(name) + 1;
    struct ol_dataset *d = malloc(sizeof *d + space_size + name_size);
    if (d == NULL)
        return OL_NOMEM;
    *d = (struct ol_dataset){.hash = 0};
    char *texts = (char *)(d + 1);
    memcpy(texts, name_space, space_size);
    memcpy(texts + space_size, name, name_size);
    d->name_space = texts;
    d->name = texts + space_size;
    ol__facet_place_init(&d->place, OL_ENTITY_DATASET, side, &run->context, &run->first_error,
                         OL_LINE_MAX);
    struct ol__json_writer w;
    ol__buf_init(&d->head, OL_LINE_MAX);
    ol__buf_add_char(&d->head, '{');
    ol__json_writer_init(&w, &d->head);
    ol__buf_add_text(&d->head, "\"namespace\":");
    ol__json_text(&w, name_space);
    ol__buf_add_text(&d->head, ",\"name\":");
    ol__json_writer_init(&w, &d->head);
    ol__json_text(&w, name);
    ol__buf_add_text(&d->head, ",\"facets\":");
    if (d->head.status != OL_OK) {
        ol_status status = d->head.status;
        ol__dataset_free(d);
        return status;
    }
    *ret = d;
    return OL_OK;
}

void ol__dataset_free(struct ol_dataset *dataset)
{
    if (dataset == NULL)
        return;
    ol__facet_place_release(&dataset->place);
    ol__buf_release(&dataset->head);
    free(dataset);
}

void ol__dataset_set_release(struct ol__dataset_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        ol__dataset_free(set->items[i]);
    free(set->items);
    free(set->table);
    *set = (struct ol__dataset_set){0};
}

/* Room for one more in both arrays. */
static bool reserve(struct ol__dataset_set *set)
{
    if (set->count == set->cap) {
        size_t cap = set->cap == 0 ? 4 : set->cap * 2;
        struct ol_dataset **items = realloc(
            set->items, cap * sizeof *items); /* NOLINT(bugprone-sizeof-expression): of pointers */
        if (items == NULL)
            return false;
        set->items = items;
        set->cap = cap;
    }
    if ((set->count + 1) * 2 <= set->table_size)
        return true;
    size_t size = set->table_size == 0 ? TABLE_FIRST : set->table_size * 2;
    uint32_t *table = calloc(size, sizeof *table);
    if (table == NULL)
        return false;
    for (size_t i = 0; i < set->count; i++) {
        size_t at = set->items[i]->hash & (size - 1);
        while (table[at] != 0)
            at = (at + 1) & (size - 1);
        table[at] = (uint32_t)i + 1;
    }
    free(set->table);
    set->table = table;
    set->table_size = size;
    return true;
}

struct ol_dataset *ol__dataset_get(struct ol_run *run, struct ol__dataset_set *set,
                                   enum ol__entity side, const char *name_space, const char *name)
{
    uint64_t hash = hash_text(hash_text(UINT64_C(0xcbf29ce484222325), name_space), name);
    struct ol_dataset *d = NULL;
    if (!reserve(set)) {
        OL_IGNORE(ol__run_fail(run, OL_NOMEM, "dataset '%.80s': out of memory", name), "kept");
        return NULL;
    }
    size_t at = hash & (set->table_size - 1);
    for (; set->table[at] != 0; at = (at + 1) & (set->table_size - 1)) {
        d = set->items[set->table[at] - 1];
        if (d->hash == hash && strcmp(d->name_space, name_space) == 0 && strcmp(d->name, name) == 0)
            return d;
    }
    ol_status status = set->count >= OL_RUN_DATASETS_MAX
                           ? OL_TOO_LARGE
                           : ol__dataset_new(run, side, name_space, name, &d);
    if (status != OL_OK) {
        OL_IGNORE(ol__run_fail(run, status,
                               status == OL_TOO_LARGE
                                   ? "dataset '%.80s': a run has at most %d on each side"
                                   : "dataset '%.80s': out of memory",
                               name, OL_RUN_DATASETS_MAX),
                  "kept");
        return NULL;
    }
    d->hash = hash;
    set->items[set->count++] = d;
    set->table[at] = (uint32_t)set->count;
    return d;
}

/* What the scheme says the dataset is, unless the program has said so. */
static void set_type(struct ol_dataset *d, const char *type)
{
    for (size_t i = 0; i < d->place.count; i++) {
        const struct ol__facet_slot *slot = &d->place.slots[i];
        struct ol__span key = {d->place.text.data + slot->key_offset, slot->key_size};
        if (slot->entity == OL_ENTITY_DATASET && ol__span_equal(key, OL_SPAN_LIT("datasetType")))
            return;
    }
    OL_IGNORE(ol_dataset_set_dataset_type(d, OL_MAKE(ol_dataset_type, .type = type)),
              "kept for the next emit");
}

struct ol_dataset *ol__dataset_from_uri(struct ol_run *run, struct ol__dataset_set *set,
                                        enum ol__entity side, const char *uri_or_path,
                                        const char *table)
{
    char space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE],
        version[OL_DATASET_VERSION_SIZE];
    struct ol__name n = {.space = {.out = space, .size = sizeof space},
                         .name = {.out = name, .size = sizeof name},
                         .version = {.out = version, .size = sizeof version}};
    struct ol_error why;
    struct ol_dataset *d = NULL;
    ol_status status = ol__name_make(uri_or_path, table, &n, &why);
    if (status != OL_OK) {
        OL_IGNORE(ol__run_fail(run, status, "%s", why.message), "kept");
        return NULL;
    }
    if (set != NULL) {
        d = ol__dataset_get(run, set, side, space, name);
    } else {
        status = ol__dataset_new(run, side, space, name, &d);
        if (status != OL_OK)
            OL_IGNORE(ol__run_fail(run, status, "dataset '%.80s': out of memory", name), "kept");
    }
    if (d != NULL && version[0] != '\0')
        OL_IGNORE(
            ol_dataset_set_dataset_version(d, OL_MAKE(ol_dataset_version, .version = version)),
            "kept for the next emit");
    if (d != NULL && n.type != NULL)
        set_type(d, n.type);
    return d;
}

/* ---- public ---- */

static struct ol_dataset *add(struct ol_run *run, enum ol__entity side, const char *uri_or_path,
                              const char *table)
{
    if (run == NULL)
        return NULL;
    if (run->form == OL_FORM_DATASET) {
        OL_IGNORE(ol__run_fail(run, OL_INVALID, "a DatasetEvent has no inputs and outputs"),
                  "kept");
        return NULL;
    }
    return ol__dataset_from_uri(run, side == OL_ENTITY_INPUT ? &run->inputs : &run->outputs, side,
                                uri_or_path, table);
}

struct ol_dataset *ol_run_input(struct ol_run *run, const char *uri_or_path)
{
    return add(run, OL_ENTITY_INPUT, uri_or_path, NULL);
}

struct ol_dataset *ol_run_output(struct ol_run *run, const char *uri_or_path)
{
    return add(run, OL_ENTITY_OUTPUT, uri_or_path, NULL);
}

static struct ol_dataset *add_table(struct ol_run *run, enum ol__entity side,
                                    const char *connection, const char *table)
{
    if (run != NULL && (table == NULL || table[0] == '\0')) {
        OL_IGNORE(ol__run_fail(run, OL_INVALID, "dataset: a table is required"), "kept");
        return NULL;
    }
    return add(run, side, connection, table);
}

struct ol_dataset *ol_run_input_table(struct ol_run *run, const char *connection, const char *table)
{
    return add_table(run, OL_ENTITY_INPUT, connection, table);
}

struct ol_dataset *ol_run_output_table(struct ol_run *run, const char *connection,
                                       const char *table)
{
    return add_table(run, OL_ENTITY_OUTPUT, connection, table);
}

static struct ol_dataset *add_named(struct ol_run *run, enum ol__entity side,
                                    const char *name_space, const char *name)
{
    if (run == NULL)
        return NULL;
    if (run->form == OL_FORM_DATASET || name_space == NULL || name_space[0] == '\0' ||
        name == NULL || name[0] == '\0') {
        OL_IGNORE(ol__run_fail(run, OL_INVALID,
                               run->form == OL_FORM_DATASET
                                   ? "a DatasetEvent has no inputs and outputs"
                                   : "dataset: name space and name are required"),
                  "kept");
        return NULL;
    }
    return ol__dataset_get(run, side == OL_ENTITY_INPUT ? &run->inputs : &run->outputs, side,
                           name_space, name);
}

struct ol_dataset *ol_run_input_named(struct ol_run *run, const char *dataset_namespace,
                                      const char *name)
{
    return add_named(run, OL_ENTITY_INPUT, dataset_namespace, name);
}

struct ol_dataset *ol_run_output_named(struct ol_run *run, const char *dataset_namespace,
                                       const char *name)
{
    return add_named(run, OL_ENTITY_OUTPUT, dataset_namespace, name);
}
