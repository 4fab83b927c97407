/* SPDX-License-Identifier: Apache-2.0 */
#include "config_tree.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "json_read.h"

#define PREFIX_SIZE (sizeof("OPENLINEAGE__") - 1)

/* ---- making ---- */

static void free_node(struct ol__conf *node)
{
    struct ol__conf *child = node->first;
    while (child != NULL) { /* at most OL_CONF_DEPTH_MAX deep */
        struct ol__conf *next = child->next;
        free_node(child);
        child = next;
    }
    free(node->key);
    free(node->text);
    free(node->place);
    free(node);
}

void ol__conf_release(struct ol__conf *root)
{
    while (root->first != NULL) {
        struct ol__conf *next = root->first->next;
        free_node(root->first);
        root->first = next;
    }
    root->node_count = 0;
}

static bool copy(const char *text, char **ret)
{
    *ret = text != NULL ? strdup(text) : NULL;
    return text == NULL || *ret != NULL;
}

static struct ol__conf *root_of(struct ol__conf *node, int *ret_depth)
{
    *ret_depth = 0;
    while (node->parent != NULL) {
        node = node->parent;
        ++*ret_depth;
    }
    return node;
}

ol_status ol__conf_add(struct ol__conf *parent, const char *key, enum ol__conf_type type,
                       const char *text, const char *place, struct ol__conf **ret)
{
    int depth;
    struct ol__conf *root = root_of(parent, &depth), **end = &parent->first;
    if (root->node_count >= OL_CONF_NODE_MAX || depth >= OL_CONF_DEPTH_MAX ||
        (text != NULL && strlen(text) > OL_CONF_VALUE_MAX))
        return OL_TOO_LARGE;
    struct ol__conf *node = calloc(1, sizeof *node);
    if (node == NULL)
        return OL_NOMEM;
    node->type = type;
    node->parent = parent;
    if (!copy(key, &node->key) || !copy(text, &node->text) || !copy(place, &node->place)) {
        free_node(node);
        return OL_NOMEM;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = node;
    root->node_count++;
    if (ret != NULL)
        *ret = node;
    return OL_OK;
}

/* ---- finding ---- */

static int next_letter(const char **at)
{
    while (**at == '_' || **at == '-')
        ++*at;
    return **at != '\0' ? tolower((unsigned char)*(*at)++) : '\0';
}

bool ol__conf_key_equal(const char *a, const char *b)
{
    int x, y;
    do {
        x = next_letter(&a);
        y = next_letter(&b);
    } while (x == y && x != '\0');
    return x == y;
}

struct ol__conf *ol__conf_member(const struct ol__conf *map, const char *key)
{
    if (map == NULL || map->type != OL_CONF_MAP)
        return NULL;
    for (struct ol__conf *c = map->first; c != NULL; c = c->next)
        if (c->type != OL_CONF_NULL && c->key != NULL && ol__conf_key_equal(c->key, key))
            return c;
    return NULL;
}

struct ol__conf *ol__conf_find(const struct ol__conf *map, const char *path)
{
    char key[64];
    const struct ol__conf *at = map;
    for (;;) {
        size_t size = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)size, path);
        struct ol__conf *found = ol__conf_member(at, key);
        if (found == NULL || path[size] == '\0')
            return found;
        at = found;
        path += size + 1;
    }
}

void ol__conf_path(const struct ol__conf *node, char *out, size_t size)
{
    const struct ol__conf *steps[OL_CONF_DEPTH_MAX + 2] = {NULL};
    size_t count = 0, used = 0;
    out[0] = '\0';
    for (; node->parent != NULL && count < OL_COUNT(steps); node = node->parent)
        steps[count++] = node;
    while (count-- > 0 && used < size) {
        int n;
        if (steps[count]->key != NULL) {
            n = snprintf(out + used, size - used, "%s%s", used > 0 ? "." : "", steps[count]->key);
        } else {
            size_t index = 0;
            for (const struct ol__conf *c = steps[count]->parent->first; c != steps[count];
                 c = c->next)
                index++;
            n = snprintf(out + used, size - used, "[%zu]", index);
        }
        used += n > 0 ? (size_t)n : 0;
    }
}

/* Whether the variable's name is the path. */
static bool says_path(const char *variable, const char *path)
{
    char dotted[512];
    size_t size = 0;
    if (strncmp(variable, "OPENLINEAGE__", PREFIX_SIZE) != 0)
        return strncmp(variable, "OPENLINEAGE_", 12) == 0;
    for (const char *p = variable + PREFIX_SIZE; *p != '\0' && size + 1 < sizeof dotted; p++) {
        bool is_step = p[0] == '_' && p[1] == '_';
        dotted[size++] = is_step ? '.' : *p;
        p += is_step;
    }
    dotted[size] = '\0';
    return ol__conf_key_equal(dotted, path);
}

void ol__conf_source(const struct ol__conf *node, char *out, size_t size)
{
    char path[512];
    const char *place = node->place != NULL ? node->place : "";
    ol__conf_path(node, path, sizeof path);
    if (says_path(place, path))
        snprintf(out, size, "%s", place);
    else
        snprintf(out, size, "%s: %s", place, path);
}

/* ---- variables ---- */

struct builder {
    struct ol__conf *at; /* the map or list we are in */
    const char *key;     /* of the outermost value */
    const char *place;
};

static ol_status take_json(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct builder *b = arg;
    char key[512];
    const char *name = b->key;
    char *text = NULL;
    ol_status status;
    if (v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END) {
        b->at = b->at->parent;
        return OL_OK;
    }
    if (v->depth > 0) {
        const struct ol__json_step *step = &v->path[v->depth - 1];
        name = step->is_index ? NULL : key;
        if (!step->is_index &&
            (step->key.size >= sizeof key || memchr(step->key.data, '\0', step->key.size) != NULL))
            return ol__error_set(err, OL_INVALID, "a key longer than %zu bytes", sizeof key - 1);
        if (!step->is_index)
            snprintf(key, sizeof key, "%.*s", (int)step->key.size, step->key.data);
    }
    if (v->type == OL_JSON_OBJECT || v->type == OL_JSON_ARRAY)
        return ol__conf_add(b->at, name, v->type == OL_JSON_OBJECT ? OL_CONF_MAP : OL_CONF_LIST,
                            NULL, b->place, &b->at);
    if (v->type == OL_JSON_NULL)
        return ol__conf_add(b->at, name, OL_CONF_NULL, NULL, b->place, NULL);
    if (v->type == OL_JSON_BOOL)
        return ol__conf_add(b->at, name, OL_CONF_TEXT, v->boolean ? "true" : "false", b->place,
                            NULL);
    text = strndup(v->text.data != NULL ? v->text.data : "", v->text.size);
    if (text == NULL)
        return OL_NOMEM;
    status = strlen(text) == v->text.size
                 ? ol__conf_add(b->at, name, OL_CONF_TEXT, text, b->place, NULL)
                 : ol__error_set(err, OL_INVALID, "a NUL in a text");
    free(text);
    return status;
}

static void remove_member(struct ol__conf *map, const char *key)
{
    struct ol__conf **at = &map->first;
    while (*at != NULL && !ol__conf_key_equal((*at)->key, key))
        at = &(*at)->next;
    if (*at == NULL)
        return;
    struct ol__conf *found = *at;
    *at = found->next;
    free_node(found);
}

static ol_status set_value(struct ol__conf *map, const char *key, const char *variable,
                           const char *value, struct ol_error *err)
{
    struct ol__json_reader *reader = NULL;
    struct builder b = {.at = map, .key = key, .place = variable};
    const struct ol__json_limits limits = {.size_max = OL_CONF_VALUE_MAX,
                                           .depth_max = OL_CONF_DEPTH_MAX};
    remove_member(map, key);
    if (value[0] == '\0')
        return OL_OK;
    if (value[0] != '{' && value[0] != '[')
        return ol__conf_add(map, key, OL_CONF_TEXT, value, variable, NULL);
    ol_status status = ol__json_reader_new(&reader, NULL);
    if (status == OL_OK)
        status = ol__json_read(reader, ol__span_text(value), &limits, take_json, &b, err);
    ol__json_reader_free(reader);
    if (status == OL_OK)
        return OL_OK;
    remove_member(map, key); /* what was read before the failure */
    return status == OL_INVALID ? ol__conf_add(map, key, OL_CONF_TEXT, value, variable, NULL)
                                : status;
}

ol_status ol__conf_set_variable(struct ol__conf *root, const char *variable, const char *value,
                                struct ol_error *err)
{
    struct ol__conf *at = root;
    const char *from = variable + PREFIX_SIZE;
    char key[256];
    *err = (struct ol_error){.status = OL_OK};
    if (strlen(value) > OL_CONF_VALUE_MAX)
        return OL_TOO_LARGE;
    for (;;) {
        const char *end = strstr(from, "__");
        size_t size = end != NULL ? (size_t)(end - from) : strlen(from);
        if (size == 0 || size >= sizeof key)
            return size == 0 ? OL_OK : OL_TOO_LARGE; /* names nothing */
        for (size_t i = 0; i < size; i++)
            key[i] = (char)tolower((unsigned char)from[i]);
        key[size] = '\0';
        if (end == NULL)
            return set_value(at, key, variable, value, err);
        if (value[0] == '\0')
            return OL_OK; /* set to nothing: not set, makes no map either */
        struct ol__conf *next = ol__conf_member(at, key);
        if (next == NULL || next->type != OL_CONF_MAP) {
            remove_member(at, key);
            ol_status status = ol__conf_add(at, key, OL_CONF_MAP, NULL, variable, &next);
            if (status != OL_OK)
                return status;
        }
        at = next;
        from = end + 2;
    }
}

void ol__conf_merge(struct ol__conf *root, struct ol__conf *other)
{
    struct ol__conf **from = &other->first;
    while (*from != NULL) {
        struct ol__conf *node = *from, *mine = NULL;
        for (struct ol__conf *c = root->first; c != NULL && mine == NULL; c = c->next)
            mine = c->type != OL_CONF_NULL && ol__conf_key_equal(c->key, node->key) ? c : NULL;
        if (mine == NULL) {
            struct ol__conf **end = &root->first;
            *from = node->next;
            node->next = NULL;
            node->parent = root;
            while (*end != NULL)
                end = &(*end)->next;
            *end = node;
            continue;
        }
        if (mine->type == OL_CONF_MAP && node->type == OL_CONF_MAP)
            ol__conf_merge(mine, node);
        from = &node->next;
    }
}
