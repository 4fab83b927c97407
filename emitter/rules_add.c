/* SPDX-License-Identifier: Apache-2.0 */
/* Tags, owners and environment variables that every event gets. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "rules_parts.h"

#define ITEM_MAX ((size_t)1024 * 1024)

void ol__addition_release(struct ol__addition *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->items[i].key);
        free(a->items[i].json);
    }
    free(a->items);
    a->items = NULL;
    a->count = 0;
}

bool ol__addition_is_for(const struct ol__addition *a, enum ol__entity entity, const char *key)
{
    return a->count > 0 && a->entity == entity && strcmp(a->facet, key) == 0;
}

/* ---- reading ---- */

/* {"<names[0]>":"<texts[0]>",...}; a later one of the same key replaces an earlier one. */
static ol_status add_item(struct ol__addition *a, const char *const names[3],
                          const char *const texts[3])
{
    struct ol__buf out;
    struct ol__json_writer w;
    ol__buf_init(&out, ITEM_MAX);
    ol__json_writer_init(&w, &out);
    ol__json_begin_object(&w);
    for (size_t i = 0; i < 3 && names[i] != NULL; i++)
        ol__json_member_text_opt(&w, names[i], texts[i]);
    ol__json_end_object(&w);
    char *json = ol__buf_take(&out), *key = strdup(texts[0]);
    void *grown = realloc(a->items, (a->count + 1) * sizeof *a->items);
    if (grown != NULL)
        a->items = grown;
    ol__buf_release(&out);
    if (json == NULL || key == NULL || grown == NULL) {
        free(json);
        free(key);
        return OL_NOMEM;
    }
    a->items[a->count].key = key;
    a->items[a->count++].json = json;
    return OL_OK;
}

/* A map as the Python client has it (source USER), or a list of KEY, KEY:VALUE, KEY:VALUE:SOURCE as
 * the Java client has it (value "true", source CONFIG). */
static ol_status read_tags(const struct ol__conf *told, struct ol__addition *a)
{
    static const char *const names[] = {"key", "value", "source"};
    ol_status status = OL_OK;
    for (const struct ol__conf *c = told != NULL ? told->first : NULL; c != NULL && status == OL_OK;
         c = c->next) {
        if (c->type != OL_CONF_TEXT)
            continue;
        if (c->key != NULL) {
            status = add_item(a, names, (const char *[]){c->key, c->text, "USER"});
            continue;
        }
        char *copy = strdup(c->text), *rest = copy;
        if (copy == NULL)
            return OL_NOMEM;
        const char *key = strsep(&rest, ":"), *value = rest != NULL ? strsep(&rest, ":") : "true";
        if (key[0] != '\0')
            status = add_item(a, names, (const char *[]){key, value, rest ? rest : "CONFIG"});
        free(copy);
    }
    return status;
}

static ol_status read_owners(const struct ol__conf *told, struct ol__addition *a)
{
    static const char *const names[] = {"name", "type", NULL};
    ol_status status = OL_OK;
    for (const struct ol__conf *c = told != NULL ? told->first : NULL; c != NULL && status == OL_OK;
         c = c->next)
        if (c->type == OL_CONF_TEXT)
            status = add_item(a, names, (const char *[]){c->text, c->key, NULL});
    return status;
}

static ol_status read_variable(const char *name, struct ol__addition *a)
{
    static const char *const names[] = {"name", "value", NULL};
    const char *value = secure_getenv(name);
    if (value == NULL || strlen(value) > OL_CONF_VALUE_MAX)
        return OL_OK; /* as in the other clients, one that is not set is not shown */
    return add_item(a, names, (const char *[]){name, value, NULL});
}

static ol_status read_environment(const struct ol__conf *told, struct ol__addition *a)
{
    ol_status status = OL_OK;
    if (told != NULL && told->type == OL_CONF_TEXT)
        return read_variable(told->text, a);
    for (const struct ol__conf *c = told != NULL ? told->first : NULL; c != NULL && status == OL_OK;
         c = c->next)
        status = read_variable(c->text, a);
    return status;
}

ol_status ol__additions_read(const struct ol__conf *tree,
                             struct ol__addition ret[OL_ADDITION_COUNT])
{
    ret[OL_ADD_RUN_TAGS] = (struct ol__addition){
        .entity = OL_ENTITY_RUN, .facet = "tags", .array = "tags", .key = "key", .ours_win = true};
    ret[OL_ADD_JOB_TAGS] = ret[OL_ADD_RUN_TAGS];
    ret[OL_ADD_JOB_TAGS].entity = OL_ENTITY_JOB;
    ret[OL_ADD_ENVIRONMENT] = (struct ol__addition){.entity = OL_ENTITY_RUN,
                                                    .facet = "environmentVariables",
                                                    .array = "environmentVariables",
                                                    .key = "name"};
    ret[OL_ADD_OWNERS] = (struct ol__addition){
        .entity = OL_ENTITY_JOB, .facet = "ownership", .array = "owners", .key = "name"};
    ol_status status = read_tags(ol__key_find(tree, OL_KEY_TAGS_RUN), &ret[OL_ADD_RUN_TAGS]);
    if (status == OL_OK)
        status = read_tags(ol__key_find(tree, OL_KEY_TAGS_JOB), &ret[OL_ADD_JOB_TAGS]);
    if (status == OL_OK)
        status = read_environment(ol__key_find(tree, OL_KEY_ENVIRONMENT), &ret[OL_ADD_ENVIRONMENT]);
    if (status == OL_OK)
        status = read_owners(ol__key_find(tree, OL_KEY_OWNERS), &ret[OL_ADD_OWNERS]);
    return status;
}

/* ---- merging ---- */

struct merge {
    const struct ol__addition *a;
    struct ol__span json;
    struct ol__buf *out;
    bool *is_there;    /* of each item: the facet has one of this key already */
    size_t begin, end; /* of the array, brackets included; end 0: none */
    size_t kept;       /* elements written */
    bool is_replaced;  /* the element that we are in is */
};

static bool is_same_key(const struct ol__addition *a, const char *key, struct ol__span text)
{
    if (strlen(key) != text.size)
        return false;
    return a->ours_win ? strncasecmp(key, text.data, text.size) == 0
                       : memcmp(key, text.data, text.size) == 0;
}

static ol_status take(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct merge *m = arg;
    (void)err;
    if (v->depth == 0 || v->path[0].is_index ||
        !ol__span_equal(v->path[0].key, ol__span_text(m->a->array)))
        return OL_OK;
    if (v->depth == 1 && v->type == OL_JSON_ARRAY)
        m->begin = v->begin;
    else if (v->depth == 1 && v->type == OL_JSON_ARRAY_END)
        m->end = v->end;
    else if (v->depth == 2 && v->type == OL_JSON_OBJECT)
        m->is_replaced = false;
    else if (v->depth == 3 && v->type == OL_JSON_STRING &&
             ol__span_equal(v->path[2].key, ol__span_text(m->a->key))) {
        for (size_t i = 0; i < m->a->count; i++) {
            if (!is_same_key(m->a, m->a->items[i].key, v->text))
                continue;
            m->is_there[i] = true;
            m->is_replaced = m->a->ours_win;
        }
    } else if (v->depth == 2 && v->type != OL_JSON_OBJECT && v->type != OL_JSON_ARRAY &&
               !(m->is_replaced && v->type == OL_JSON_OBJECT_END)) {
        if (m->kept++ > 0)
            ol__buf_add_char(m->out, ',');
        ol__buf_add(m->out, m->json.data + v->begin, v->end - v->begin);
    }
    return m->out->status;
}

static bool is_last_of_its_key(const struct ol__addition *a, size_t i)
{
    for (size_t k = i + 1; k < a->count; k++)
        if (strcasecmp(a->items[k].key, a->items[i].key) == 0)
            return false;
    return true;
}

ol_status ol__addition_merge(const struct ol__addition *a, struct ol__span json,
                             struct ol__buf *out, struct ol_error *err)
{
    struct ol__json_reader *reader = NULL;
    struct ol__buf elements;
    struct merge m = {.a = a, .json = json, .out = &elements};
    ol__buf_init(&elements, out->max);
    m.is_there = calloc(a->count, sizeof *m.is_there);
    ol_status status = m.is_there != NULL ? ol__json_reader_new(&reader, err) : OL_NOMEM;
    if (status == OL_OK)
        status = ol__json_read(reader, json, NULL, take, &m, err);
    ol__json_reader_free(reader);
    for (size_t i = 0; i < a->count && status == OL_OK && m.end > 0; i++) {
        if ((m.is_there[i] && !a->ours_win) || (a->ours_win && !is_last_of_its_key(a, i)))
            continue;
        if (m.kept++ > 0)
            ol__buf_add_char(&elements, ',');
        status = ol__buf_add_text(&elements, a->items[i].json);
    }
    if (status == OL_OK && m.end > 0) {
        ol__buf_add(out, json.data, m.begin + 1);
        ol__buf_add(out, elements.data, elements.size);
        status = ol__buf_add(out, json.data + m.end - 1, json.size - (m.end - 1));
        status = status == OL_OK ? OL_AGAIN : status;
    }
    free(m.is_there);
    ol__buf_release(&elements);
    return status;
}
