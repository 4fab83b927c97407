/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. What is to be redacted never reaches a line: facets are changed when they are set.
 *  2. What the program sets and what is configured meet in one facet: configured tags win, the
 * program's environment variables and owners do.
 *  3. _producer and _schemaURL stay as they are. */
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "pattern.h"
#include "rules_parts.h"

struct filter {
    const char *match;           /* borrowed; NULL: pattern */
    struct ol__pattern *pattern; /* owned */
};

struct ol__rules {
    const struct ol__conf *tree; /* borrowed */
    struct filter *filters;      /* owned */
    size_t filter_count;
    struct ol__addition additions[OL_ADDITION_COUNT];
    struct ol__redaction *redactions; /* owned */
    size_t redaction_count;
    struct ol__facet_hook hook;
    bool has_hook;
};

/* ---- leaving out ---- */

static bool list_has(const struct ol__conf *list, const char *text)
{
    if (list == NULL)
        return false;
    if (list->type == OL_CONF_TEXT)
        return strcmp(list->text, text) == 0;
    for (const struct ol__conf *c = list->first; c != NULL; c = c->next)
        if (strcmp(c->text, text) == 0)
            return true;
    return false;
}

/* facets.NAME.disabled: the steps of NAME may be mappings of their own. */
static bool switch_says(const struct ol__conf *map, const char *name, bool *ret)
{
    for (const struct ol__conf *c = map->first; c != NULL; c = c->next) {
        size_t size = c->type == OL_CONF_MAP ? strlen(c->key) : 0;
        if (size == 0 || strncasecmp(c->key, name, size) != 0)
            continue;
        const struct ol__conf *told = ol__conf_member(c, "disabled");
        if (name[size] == '\0' && told != NULL) {
            static const char *const words[] = {"true", "1", "yes", "on"};
            *ret = false;
            for (size_t i = 0; i < OL_COUNT(words); i++)
                *ret = *ret || strcasecmp(told->text, words[i]) == 0;
            return true;
        }
        if (name[size] == '.' && switch_says(c, name + size + 1, ret))
            return true;
    }
    return false;
}

static bool is_left_out(const struct ol__rules *r, const char *key)
{
    bool says = false;
    const struct ol__conf *facets = ol__conf_member(r->tree, "facets");
    if (facets == NULL)
        return false;
    return list_has(ol__key_find(r->tree, OL_KEY_FACETS_DISABLED), key) ||
           (switch_says(facets, key, &says) && says);
}

/* ---- the hook ---- */

static ol_status change(void *arg, enum ol__entity entity, const char *key, struct ol__span json,
                        struct ol__buf *out, struct ol_error *err)
{
    const struct ol__rules *r = arg;
    struct ol__buf merged;
    ol_status status = OL_OK;
    if (is_left_out(r, key))
        return OL_END;
    ol__buf_init(&merged, out->max);
    for (size_t i = 0; i < OL_ADDITION_COUNT && status == OL_OK; i++)
        if (ol__addition_is_for(&r->additions[i], entity, key))
            status = ol__addition_merge(&r->additions[i], json, &merged, err);
    bool is_merged = status == OL_AGAIN;
    if (is_merged)
        json = (struct ol__span){merged.data, merged.size};
    if (status >= 0)
        status = ol__redact(r->redactions, r->redaction_count, key, json, out, err);
    if (status == OL_OK && is_merged) {
        status = ol__buf_add(out, json.data, json.size);
        status = status == OL_OK ? OL_AGAIN : status;
    }
    ol__buf_release(&merged);
    return status;
}

/* ---- reading ---- */

static ol_status refuse(const struct ol__conf *node, const char *what, struct ol_error *err)
{
    char source[OL_CONF_SOURCE_MAX];
    ol__conf_source(node, source, sizeof source);
    return ol__error_set(err, OL_CONFIG, "%s: %s", source, what);
}

static ol_status read_pattern(const struct ol__conf *node, struct ol__pattern **ret,
                              struct ol_error *err)
{
    struct ol_error why = {.message = ""};
    ol_status status = ol__pattern_new(node->text, ret, &why);
    if (status == OL_INVALID)
        return refuse(node, why.message, err);
    return status == OL_OK ? OL_OK : ol__error_set(err, status, "rules: out of memory");
}

static size_t count_of(const struct ol__conf *list)
{
    size_t count = 0;
    for (const struct ol__conf *c = list != NULL ? list->first : NULL; c != NULL; c = c->next)
        count++;
    return count;
}

static ol_status read_filters(struct ol__rules *r, struct ol_error *err)
{
    const struct ol__conf *list = ol__key_find(r->tree, OL_KEY_FILTERS);
    if (count_of(list) == 0)
        return OL_OK;
    r->filters = calloc(count_of(list), sizeof *r->filters);
    if (r->filters == NULL)
        return ol__error_set(err, OL_NOMEM, "rules: out of memory");
    for (const struct ol__conf *c = list->first; c != NULL; c = c->next) {
        struct filter *f = &r->filters[r->filter_count++];
        const struct ol__conf *type = ol__key_find(c, OL_KEY_FILTER_TYPE);
        const struct ol__conf *match = ol__key_find(c, OL_KEY_FILTER_MATCH);
        const struct ol__conf *regex = ol__key_find(c, OL_KEY_FILTER_REGEX);
        bool is_regex = type != NULL && strcasecmp(type->text, "regex") == 0;
        if (type == NULL)
            return refuse(c, "a filter needs a type: exact or regex", err);
        if (!is_regex && match == NULL)
            return refuse(type, "exact needs match", err);
        if (is_regex && regex == NULL)
            return refuse(type, "regex needs regex", err);
        if (!is_regex)
            f->match = match->text;
        ol_status status = is_regex ? read_pattern(regex, &f->pattern, err) : OL_OK;
        if (status != OL_OK)
            return status;
    }
    return OL_OK;
}

static ol_status read_redactions(struct ol__rules *r, struct ol_error *err)
{
    const struct ol__conf *list = ol__key_find(r->tree, OL_KEY_REDACTIONS);
    if (count_of(list) == 0)
        return OL_OK;
    r->redactions = calloc(count_of(list), sizeof *r->redactions);
    if (r->redactions == NULL)
        return ol__error_set(err, OL_NOMEM, "rules: out of memory");
    for (const struct ol__conf *c = list->first; c != NULL; c = c->next) {
        struct ol__redaction *x = &r->redactions[r->redaction_count++];
        const struct ol__conf *pattern = ol__key_find(c, OL_KEY_REDACT_PATTERN);
        x->facet = ol__key_text(c, OL_KEY_REDACT_FACET);
        x->pointer = ol__key_text(c, OL_KEY_REDACT_POINTER);
        x->with = ol__key_text(c, OL_KEY_REDACT_WITH);
        if (x->facet == NULL && x->pointer == NULL && pattern == NULL)
            return refuse(c, "a redaction needs a facet, a pointer or a pattern", err);
        if (x->pointer != NULL && x->pointer[0] != '/')
            return ol__conf_refuse(ol__key_find(c, OL_KEY_REDACT_POINTER),
                                   "a JSON pointer, which begins with /", err);
        ol_status status = pattern != NULL ? read_pattern(pattern, &x->pattern, err) : OL_OK;
        if (status != OL_OK)
            return status;
    }
    return OL_OK;
}

void ol__rules_free(struct ol__rules *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->filter_count; i++)
        ol__pattern_free(r->filters[i].pattern);
    for (size_t i = 0; i < r->redaction_count; i++)
        ol__pattern_free(r->redactions[i].pattern);
    for (size_t i = 0; i < OL_ADDITION_COUNT; i++)
        ol__addition_release(&r->additions[i]);
    free(r->filters);
    free(r->redactions);
    free(r);
}

ol_status ol__rules_read(const struct ol__config *config, struct ol__rules **ret,
                         struct ol_error *err)
{
    *ret = NULL;
    struct ol__rules *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ol__error_set(err, OL_NOMEM, "rules: out of memory");
    r->tree = &config->tree;
    r->hook = (struct ol__facet_hook){.change = change, .arg = r};
    ol_status status = read_filters(r, err);
    if (status == OL_OK)
        status = read_redactions(r, err);
    if (status == OL_OK && ol__additions_read(r->tree, r->additions) != OL_OK)
        status = ol__error_set(err, OL_NOMEM, "rules: out of memory");
    if (status != OL_OK) {
        ol__rules_free(r);
        return status;
    }
    r->has_hook = r->redaction_count > 0 || ol__conf_member(r->tree, "facets") != NULL;
    for (size_t i = 0; i < OL_ADDITION_COUNT; i++)
        r->has_hook = r->has_hook || r->additions[i].count > 0;
    if (r->has_hook || r->filter_count > 0)
        *ret = r;
    else
        ol__rules_free(r);
    return OL_OK;
}

/* ---- asking ---- */

bool ol__rules_filter(struct ol__rules *r, const char *job_name)
{
    for (size_t i = 0; r != NULL && i < r->filter_count; i++) {
        const struct filter *f = &r->filters[i];
        if (f->match != NULL ? strcmp(f->match, job_name) == 0
                             : ol__pattern_begins(f->pattern, job_name))
            return true;
    }
    return false;
}

const struct ol__facet_hook *ol__rules_hook(struct ol__rules *r)
{
    return r != NULL && r->has_hook ? &r->hook : NULL;
}

ol_status ol__rules_begin(struct ol__rules *r, struct ol__facet_place *place)
{
    ol_status status = OL_OK;
    for (size_t i = 0; r != NULL && i < OL_ADDITION_COUNT && status == OL_OK; i++) {
        const struct ol__addition *a = &r->additions[i];
        char json[64];
        if (a->count == 0 || a->entity != place->entity)
            continue;
        snprintf(json, sizeof json, "{\"%s\":[]}", a->array);
        status = ol__facet_set_json(place, a->entity, a->facet, NULL, ol__span_text(json));
    }
    return status;
}
