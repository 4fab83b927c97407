/* SPDX-License-Identifier: Apache-2.0 */
/* The files in which DVC keeps what it knows of data: dvc.lock (schema 2.0) and *.dvc. Promises:
 *  1. Of a file at most 4 MiB are read; anchors and aliases, which DVC does not write, end it, so
 *     that a small file cannot become a large one.
 *  2. What is no text of DVC's is left out, item by item. */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <yaml.h>
#include "collect_run.h"
#include "hash.h"

#define FILE_SIZE_MAX (4u << 20)
#define ITEMS_MAX 1000 /* listed; all are counted */
#define FILES_MAX 256
#define LEVELS_MAX 64

struct reading {
    struct ol__collected *c;
    yaml_document_t *document;
    struct collect_dvc_list *list;
};

static struct ol__span text_of(const yaml_node_t *node)
{
    if (node == NULL || node->type != YAML_SCALAR_NODE)
        return (struct ol__span){"", 0};
    return (struct ol__span){(const char *)node->data.scalar.value, node->data.scalar.length};
}

static const yaml_node_t *member(const struct reading *r, const yaml_node_t *node, const char *key)
{
    if (node == NULL || node->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top; p++)
        if (ol__span_equal(text_of(yaml_document_get_node(r->document, p->key)),
                           ol__span_text(key)))
            return yaml_document_get_node(r->document, p->value);
    return NULL;
}

static struct ol_int number_of(const yaml_node_t *node)
{
    struct ol__span text = text_of(node);
    char *end;
    long long n = text.size > 0 && text.size < 20 ? strtoll(text.data, &end, 10) : -1;
    if (n < 0 || end != text.data + text.size)
        return (struct ol_int){.is_set = false};
    return (struct ol_int){.is_set = true, .value = n};
}

/* One more in the array, which grows by doubling. @return NULL: the list is full, or no memory. */
static struct ol_dvc_data *next(struct reading *r)
{
    struct ol_dvc *dvc = &r->list->dvc;
    size_t count = dvc->data_count;
    dvc->total_count = (struct ol_int){.is_set = true, .value = dvc->total_count.value + 1};
    if (count == ITEMS_MAX)
        return NULL;
    if (count == 0 || (count >= 16 && (count & (count - 1)) == 0)) {
        struct ol_dvc_data *grown =
            ol__arena_alloc(&r->c->arena, sizeof *grown * (count == 0 ? 16 : count * 2));
        if (grown == NULL)
            return NULL;
        if (count > 0)
            memcpy(grown, r->list->items, count * sizeof *grown);
        dvc->data = r->list->items = grown;
    }
    return &r->list->items[count];
}

static void take_item(struct reading *r, const yaml_node_t *node, const char *role,
                      const char *stage)
{
    static const char *const algorithms[] = {OL_DVC_DATA_ALGORITHM_MD5, OL_DVC_DATA_ALGORITHM_ETAG,
                                             OL_DVC_DATA_ALGORITHM_CHECKSUM};
    const struct ol__span name = text_of(member(r, node, "path"));
    const char *path = name.size > 0 && memmem(name.data, name.size, "://", 3) != NULL
                           ? ol__collect_keep_url(r->c, name) /* dvc import-url */
                           : ol__collect_keep(r->c, name);
    struct ol_dvc_data *item = path != NULL ? next(r) : NULL;
    if (item == NULL)
        return;
    *item = (struct ol_dvc_data){
        .struct_size = sizeof *item, .path = path, .role = role, .stage = stage};
    for (size_t i = 0; i < OL_COUNT(algorithms) && item->hash == NULL; i++) {
        item->hash = ol__collect_keep(r->c, text_of(member(r, node, algorithms[i])));
        item->algorithm = item->hash != NULL ? algorithms[i] : NULL;
    }
    const yaml_node_t *repository = member(r, node, "repo"); /* dvc import */
    if (item->hash == NULL) {
        item->hash = ol__collect_keep(r->c, text_of(member(r, repository, "rev_lock")));
        item->algorithm = item->hash != NULL ? OL_DVC_DATA_ALGORITHM_REV : NULL;
    }
    item->size = number_of(member(r, node, "size"));
    item->file_count = number_of(member(r, node, "nfiles"));
    r->list->dvc.data_count++;
}

static void take_lists(struct reading *r, const yaml_node_t *node, const char *stage)
{
    static const struct {
        const char *key, *role;
    } lists[] = {{"deps", OL_DVC_DATA_ROLE_DEP}, {"outs", OL_DVC_DATA_ROLE_OUT}};
    for (size_t k = 0; k < OL_COUNT(lists); k++) {
        const yaml_node_t *list = member(r, node, lists[k].key);
        if (list == NULL || list->type != YAML_SEQUENCE_NODE)
            continue;
        for (const yaml_node_item_t *i = list->data.sequence.items.start;
             i < list->data.sequence.items.top; i++)
            take_item(r, yaml_document_get_node(r->document, *i), lists[k].role, stage);
    }
}

/* promise 1: looked through before anything is built */
static bool is_plain(struct ol__span text)
{
    yaml_parser_t parser;
    bool is_end = false, is_good = true;
    if (yaml_parser_initialize(&parser) == 0)
        return false;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.size);
    for (int depth = 0; !is_end && is_good;) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            is_good = false;
            break;
        }
        is_end = event.type == YAML_STREAM_END_EVENT;
        depth += event.type == YAML_MAPPING_START_EVENT || event.type == YAML_SEQUENCE_START_EVENT;
        depth -= event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
        is_good = depth <= 32 && event.type != YAML_ALIAS_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return is_good;
}

ol_status collect_dvc_read(struct ol__collected *c, struct ol__span text,
                           struct collect_dvc_list *ret)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (!is_plain(text))
        return OL_INVALID;
    if (yaml_parser_initialize(&parser) == 0)
        return OL_NOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.size);
    ol_status st = OL_INVALID;
    if (yaml_parser_load(&parser, &document) != 0) {
        struct reading r = {c, &document, ret};
        const yaml_node_t *root = yaml_document_get_root_node(&document);
        const yaml_node_t *stages = member(&r, root, "stages");
        if (root != NULL && root->type == YAML_MAPPING_NODE)
            st = OL_OK;
        take_lists(&r, root, NULL);
        if (stages != NULL && stages->type == YAML_MAPPING_NODE)
            for (const yaml_node_pair_t *p = stages->data.mapping.pairs.start;
                 p < stages->data.mapping.pairs.top; p++)
                take_lists(&r, yaml_document_get_node(&document, p->value),
                           ol__collect_keep(c, text_of(yaml_document_get_node(&document, p->key))));
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return st;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void add_hash(struct collect_run *k, struct ol__span text)
{
    char hex[OL_SHA256_TEXT + 1];
    if (ol__sha256_text(text, hex, NULL) == OL_OK)
        k->dvc.dvc.lock_sha256 = ol__collect_keep(&k->c, ol__span_text(hex));
}

static void read_lock(struct collect_run *k, const char *directory)
{
    char path[PATH_MAX];
    struct ol__span text;
    if ((size_t)snprintf(path, sizeof path, "%s/dvc.lock", directory) >= sizeof path ||
        ol__collect_read(&k->c, path, FILE_SIZE_MAX, &text) != OL_OK)
        return;
    add_hash(k, text);
    OL_IGNORE(collect_dvc_read(&k->c, text, &k->dvc) != OL_OK, "then it says nothing");
}

static void read_files(struct collect_run *k, const char *directory)
{
    DIR *dir = opendir(directory);
    int left = FILES_MAX;
    for (struct dirent *e; dir != NULL && left > 0 && (e = readdir(dir)) != NULL;) {
        char path[PATH_MAX];
        struct ol__span text;
        size_t size = strlen(e->d_name);
        if (size <= 4 || strcmp(e->d_name + size - 4, ".dvc") != 0)
            continue;
        left--;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, e->d_name) < sizeof path &&
            ol__collect_read(&k->c, path, OL_COLLECT_FILE_MAX, &text) == OL_OK)
            OL_IGNORE(collect_dvc_read(&k->c, text, &k->dvc) != OL_OK, "then it says nothing");
    }
    if (dir != NULL)
        closedir(dir);
}

bool collect_dvc(struct collect_run *k, const char *directory)
{
    char here[PATH_MAX], inner[PATH_MAX];
    if ((size_t)snprintf(here, sizeof here, "%s", directory) >= sizeof here)
        return false;
    for (int level = 0; level < LEVELS_MAX; level++) {
        if ((size_t)snprintf(inner, sizeof inner, "%s/.dvc", here) < sizeof inner &&
            is_directory(inner))
            break;
        char *slash = strrchr(here, '/');
        if (slash == NULL || here[0] == '\0' || level == LEVELS_MAX - 1)
            return false;
        *slash = '\0';
    }
    k->dvc.dvc.root = ol__collect_keep(&k->c, ol__span_text(here));
    read_lock(k, here);
    read_files(k, here);
    if (strcmp(here, directory) != 0) {
        read_lock(k, directory);
        read_files(k, directory);
    }
    return k->dvc.dvc.data_count > 0;
}
