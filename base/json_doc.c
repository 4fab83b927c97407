/* SPDX-License-Identifier: Apache-2.0 */
#include "json_doc.h"

#include <errno.h>
#include <stdlib.h>

struct builder {
    struct ol__arena *arena;
    struct json_node *root;
    struct json_node *open[OL_JSON_DEPTH_MAX + 1]; /* by depth */
    struct json_node *last[OL_JSON_DEPTH_MAX + 1]; /* its last child so far */
};

static const char *copy(struct ol__arena *arena, struct ol__span text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t nul_count = 0;
    for (size_t i = 0; i < text.size; i++)
        nul_count += text.data[i] == '\0' ? 1 : 0;
    char *out = ol__arena_alloc(arena, text.size + 2 * nul_count + 1);
    if (out == NULL)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\0') {
            out[used++] = text.data[i];
        } else {
            memcpy(out + used, replacement, 3);
            used += 3;
        }
    }
    out[used] = '\0';
    return out;
}

static ol_status take(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct builder *b = arg;
    if (value->type == OL_JSON_OBJECT_END || value->type == OL_JSON_ARRAY_END)
        return OL_OK;
    struct json_node *node = ol__arena_alloc(b->arena, sizeof *node);
    if (node == NULL)
        return ol__error_set(err, OL_NOMEM, "JSON: out of memory");
    *node = (struct json_node){.type = value->type, .boolean = value->boolean};
    if (value->type == OL_JSON_STRING || value->type == OL_JSON_NUMBER) {
        node->text = copy(b->arena, value->text);
        if (node->text == NULL)
            return ol__error_set(err, OL_NOMEM, "JSON: out of memory");
    }
    b->open[value->depth] = node;
    b->last[value->depth] = NULL;
    if (value->depth == 0) {
        b->root = node;
        return OL_OK;
    }
    const struct ol__json_step *step = &value->path[value->depth - 1];
    if (!step->is_index && (node->key = copy(b->arena, step->key)) == NULL)
        return ol__error_set(err, OL_NOMEM, "JSON: out of memory");
    struct json_node *parent = b->open[value->depth - 1];
    if (b->last[value->depth - 1] == NULL)
        parent->first = node;
    else
        b->last[value->depth - 1]->next = node;
    b->last[value->depth - 1] = node;
    parent->count++;
    return OL_OK;
}

ol_status json_doc_read(struct json_doc *doc, struct ol__span json, struct ol_error *err)
{
    struct ol__json_reader *reader;
    *doc = (struct json_doc){.root = NULL};
    struct builder b = {.arena = &doc->arena};
    ol_status st = ol__json_reader_new(&reader, err);
    if (st != OL_OK)
        return st;
    st = ol__json_read(reader, json, NULL, take, &b, err);
    ol__json_reader_free(reader);
    if (st != OL_OK) {
        json_doc_release(doc);
        return st;
    }
    doc->root = b.root;
    return OL_OK;
}

void json_doc_release(struct json_doc *doc)
{
    ol__arena_reset(&doc->arena, 0);
    doc->root = NULL;
}

const struct json_node *json_get(const struct json_node *node, const char *key)
{
    if (node == NULL || node->type != OL_JSON_OBJECT)
        return NULL;
    for (const struct json_node *n = node->first; n != NULL; n = n->next) {
        if (strcmp(n->key, key) == 0)
            return n;
    }
    return NULL;
}

const char *json_get_text(const struct json_node *node, const char *key)
{
    const struct json_node *n = json_get(node, key);
    return n != NULL && (n->type == OL_JSON_STRING || n->type == OL_JSON_NUMBER) ? n->text : NULL;
}

int64_t json_get_int(const struct json_node *node, const char *key, int64_t fallback)
{
    const struct json_node *n = json_get(node, key);
    if (n == NULL || n->type != OL_JSON_NUMBER)
        return fallback;
    char *end;
    errno = 0;
    long long value = strtoll(n->text, &end, 10);
    return errno == 0 && *end == '\0' ? value : fallback;
}

bool json_get_bool(const struct json_node *node, const char *key)
{
    const struct json_node *n = json_get(node, key);
    return n != NULL && n->type == OL_JSON_BOOL && n->boolean;
}

const struct json_node *json_get_items(const struct json_node *node, const char *key)
{
    const struct json_node *n = json_get(node, key);
    return n != NULL && (n->type == OL_JSON_ARRAY || n->type == OL_JSON_OBJECT) ? n->first : NULL;
}
