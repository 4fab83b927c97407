/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and checking settings by the table. Promises:
 *  1. What is told and means something is right, or an error names its place, key and what is
 * allowed; what means nothing here is told to the log, never dropped in silence.
 *  2. Nothing depends on the locale. */
#include "config_keys.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const char *const bool_words[] = {"true", "1", "yes", "on", "false", "0", "no", "off"};

static const struct {
    const char *name;
    enum ol__transport_kind kind;
} kinds[] = {
    {"journal", OL_KIND_JOURNAL},     {"http", OL_KIND_HTTP},
    {"file", OL_KIND_FILE},           {"console", OL_KIND_CONSOLE},
    {"noop", OL_KIND_NOOP},           {"composite", OL_KIND_COMPOSITE},
    {"transform", OL_KIND_TRANSFORM}, {"async_http", OL_KIND_HTTP},
    {"kafka", OL_KIND_ELSEWHERE},     {"msk-iam", OL_KIND_ELSEWHERE},
    {"kinesis", OL_KIND_ELSEWHERE},   {"s3", OL_KIND_ELSEWHERE},
    {"gcs", OL_KIND_ELSEWHERE},       {"gcplineage", OL_KIND_ELSEWHERE},
    {"dataplex", OL_KIND_ELSEWHERE},  {"amazon_datazone_api", OL_KIND_ELSEWHERE},
    {"datadog", OL_KIND_ELSEWHERE},   {"nats", OL_KIND_ELSEWHERE},
};

enum ol__transport_kind ol__transport_kind_of(const char *type)
{
    for (size_t i = 0; i < OL_COUNT(kinds); i++)
        if (ol__conf_key_equal(type, kinds[i].name))
            return kinds[i].kind;
    /* Other clients load a class by its name. */
    return strchr(type, '.') != NULL ? OL_KIND_ELSEWHERE : OL_KIND_UNSET;
}

const char *ol__transport_kind_name(enum ol__transport_kind kind)
{
    for (size_t i = 0; i < OL_COUNT(kinds); i++)
        if (kinds[i].kind == kind && kind != OL_KIND_ELSEWHERE)
            return kinds[i].name;
    return "";
}

/* ---- finding ---- */

/* How @p path stands to @p pattern, dotted both. */
enum match { MATCH_NOT, MATCH_WHOLE, MATCH_SECTION };
static enum match match_path(const char *pattern, size_t pattern_size, const char *path)
{
    char step[64], key[256];
    const char *end = pattern + pattern_size;
    for (;;) {
        size_t step_size = 0, key_size = strcspn(path, ".");
        while (pattern + step_size < end && pattern[step_size] != '.')
            step_size++;
        snprintf(step, sizeof step, "%.*s", (int)step_size, pattern);
        snprintf(key, sizeof key, "%.*s", (int)key_size, path);
        if (strcmp(step, "*") != 0 && !ol__conf_key_equal(step, key))
            return MATCH_NOT;
        pattern += step_size;
        path += key_size;
        if (pattern == end)
            return *path == '\0' ? MATCH_WHOLE : MATCH_NOT;
        if (*path == '\0')
            return MATCH_SECTION;
        pattern++;
        path++;
    }
}

static enum match match_key(const struct ol__key_info *key, const char *path)
{
    enum match best =
        key->path != NULL ? match_path(key->path, strlen(key->path), path) : MATCH_NOT;
    for (const char *a = key->aliases; a != NULL && *a != '\0' && best != MATCH_WHOLE;) {
        size_t size = strcspn(a, " ");
        enum match match = match_path(a, size, path);
        if (match != MATCH_NOT)
            best = match;
        a += size + (a[size] == ' ');
    }
    return best;
}

static enum ol__key key_of(enum ol__key_scope scope, const char *path, enum match wanted)
{
    for (size_t i = 0; i < OL_KEY_COUNT; i++)
        if (ol__keys[i].scope == scope && match_key(&ol__keys[i], path) == wanted)
            return (enum ol__key)i;
    return OL_KEY_COUNT;
}

enum ol__key ol__key_of(enum ol__key_scope scope, const char *path, bool *ret_is_section)
{
    if (ret_is_section != NULL)
        *ret_is_section = key_of(scope, path, MATCH_SECTION) != OL_KEY_COUNT;
    return key_of(scope, path, MATCH_WHOLE);
}

const struct ol__conf *ol__key_find(const struct ol__conf *map, enum ol__key key)
{
    const struct ol__key_info *info = &ol__keys[key];
    const struct ol__conf *found =
        map != NULL && info->path != NULL ? ol__conf_find(map, info->path) : NULL;
    for (const char *a = info->aliases; map != NULL && a != NULL && *a != '\0' && found == NULL;) {
        char path[64];
        size_t size = strcspn(a, " ");
        snprintf(path, sizeof path, "%.*s", (int)size, a);
        found = ol__conf_find(map, path);
        a += size + (a[size] == ' ');
    }
    return found;
}

/* ---- values ---- */

static bool is_true(const char *text)
{
    for (size_t i = 0; i < 4; i++)
        if (strcasecmp(text, bool_words[i]) == 0)
            return true;
    return false;
}

static bool is_bool(const char *text)
{
    for (size_t i = 0; i < OL_COUNT(bool_words); i++)
        if (strcasecmp(text, bool_words[i]) == 0)
            return true;
    return false;
}

/* A decimal number times @p scale, e.g. "0.25" times 1000; no locale. */
static bool read_number(const char *text, int64_t scale, int64_t *ret)
{
    int64_t value = 0;
    bool is_negative = *text == '-';
    text += is_negative;
    if (!isdigit((unsigned char)*text))
        return false;
    for (; isdigit((unsigned char)*text); text++) {
        if (value > INT64_C(1000000000000))
            return false;
        value = value * 10 + (*text - '0');
    }
    value *= scale;
    if (*text == '.' && scale > 1) {
        for (text++; isdigit((unsigned char)*text); text++) {
            scale /= 10;
            value += scale * (*text - '0');
        }
    }
    *ret = is_negative ? -value : value;
    return *text == '\0';
}

const char *ol__key_text(const struct ol__conf *map, enum ol__key key)
{
    const struct ol__conf *found = ol__key_find(map, key);
    return found != NULL && found->type == OL_CONF_TEXT ? found->text : ol__keys[key].default_value;
}

bool ol__key_bool(const struct ol__conf *map, enum ol__key key)
{
    const char *text = ol__key_text(map, key);
    return text != NULL && is_true(text);
}

int64_t ol__key_number(const struct ol__conf *map, enum ol__key key)
{
    int64_t value = 0;
    const char *text = ol__key_text(map, key);
    if (text != NULL)
        OL_IGNORE(!read_number(text, ol__keys[key].type == OL_KEY_SECONDS ? 1000 : 1, &value),
                  "it was checked");
    return value;
}

/* ---- what may be meant ---- */

static size_t distance(const char *a, const char *b)
{
    size_t row[64], m = strlen(b);
    if (m >= OL_COUNT(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t above = row[j];
            size_t change =
                diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            row[j] = OL_MIN(change, OL_MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[m];
}

const char *ol__key_suggest(enum ol__key_scope scope, const char *path)
{
    const char *best = NULL;
    size_t best_distance = OL_MAX((size_t)2, strlen(path) / 5) + 1;
    for (size_t i = 0; i < OL_KEY_COUNT; i++) {
        if (ol__keys[i].scope != scope || ol__keys[i].path == NULL)
            continue;
        size_t d = distance(path, ol__keys[i].path);
        if (d < best_distance) {
            best = ol__keys[i].path;
            best_distance = d;
        }
    }
    return best;
}

static const char *suggest_choice(const char *choices, const char *text, char *out, size_t size)
{
    size_t best = 3;
    out[0] = '\0';
    for (const char *c = choices; *c != '\0';) {
        char word[64];
        size_t n = strcspn(c, "|");
        snprintf(word, sizeof word, "%.*s", (int)n, c);
        size_t d = distance(text, word);
        if (d < best) {
            best = d;
            snprintf(out, size, " (did you mean '%s'?)", word);
        }
        c += n + (c[n] == '|');
    }
    return out;
}

/* ---- checking ---- */

struct check {
    enum ol__key_scope scope;
    enum ol__transport_kind kind;
    const struct ol__log *log;
    const struct ol__conf **elsewhere;
    struct ol_error *err;
};

ol_status ol__conf_refuse(const struct ol__conf *node, const char *allowed, struct ol_error *err)
{
    char source[OL_CONF_SOURCE_MAX];
    ol__conf_source(node, source, sizeof source);
    if (node->type == OL_CONF_TEXT)
        return ol__error_set(err, OL_CONFIG, "%s: '%.60s' is not allowed; expected %s", source,
                             node->text, allowed);
    return ol__error_set(err, OL_CONFIG, "%s: a %s is not allowed; expected %s", source,
                         node->type == OL_CONF_MAP    ? "mapping"
                         : node->type == OL_CONF_LIST ? "list"
                                                      : "null",
                         allowed);
}

static ol_status check_number(const struct ol__key_info *info, const struct ol__conf *node,
                              struct ol_error *err)
{
    int64_t value;
    char allowed[96];
    int64_t scale = info->type == OL_KEY_SECONDS ? 1000 : 1;
    const char *unit = info->type == OL_KEY_SECONDS ? "seconds"
                       : info->type == OL_KEY_MS    ? "whole milliseconds"
                                                    : "a whole number";
    if (read_number(node->text, scale, &value) && value >= info->min && value <= info->max)
        return OL_OK;
    snprintf(allowed, sizeof allowed, "%s, %.10g to %.10g", unit, (double)info->min / (double)scale,
             (double)info->max / (double)scale);
    return ol__conf_refuse(node, allowed, err);
}

static ol_status check_choice(const struct ol__key_info *info, const struct ol__conf *node,
                              struct ol_error *err)
{
    char allowed[192] = "", hint[96];
    size_t used = 0;
    bool is_type = info == &ol__keys[OL_KEY_TYPE];
    if (is_type && ol__transport_kind_of(node->text) != OL_KIND_UNSET)
        return OL_OK;
    for (const char *c = info->choices; *c != '\0';) {
        size_t n = strcspn(c, "|");
        if (!is_type && n == strlen(node->text) && strncasecmp(c, node->text, n) == 0)
            return OL_OK;
        used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%.*s",
                                 used == 0      ? ""
                                 : c[n] == '\0' ? " or "
                                                : ", ",
                                 (int)n, c);
        c += n + (c[n] == '|');
    }
    snprintf(allowed + used, sizeof allowed - used, "%s",
             suggest_choice(info->choices, node->text, hint, sizeof hint));
    return ol__conf_refuse(node, allowed, err);
}

static bool all_texts(const struct ol__conf *node)
{
    for (const struct ol__conf *c = node->first; c != NULL; c = c->next)
        if (c->type != OL_CONF_TEXT)
            return false;
    return true;
}

static size_t count_members(const struct ol__conf *node)
{
    size_t count = 0;
    for (const struct ol__conf *c = node->first; c != NULL; c = c->next)
        count++;
    return count;
}

static ol_status check_many(const struct check *k, const struct ol__key_info *info,
                            const struct ol__conf *node)
{
    char limit[64];
    bool is_list = node->type == OL_CONF_LIST, is_map = node->type == OL_CONF_MAP;
    if (info->max > 0 && count_members(node) > (size_t)info->max) {
        snprintf(limit, sizeof limit, "at most %lld elements", (long long)info->max);
        return ol__conf_refuse(node, limit, k->err);
    }
    switch (info->type) {
    case OL_KEY_TEXTS:
        if (node->type != OL_CONF_TEXT && !(is_list && all_texts(node)))
            return ol__conf_refuse(node, "a list of texts", k->err);
        return OL_OK;
    case OL_KEY_MAP:
        if (!is_map || !all_texts(node))
            return ol__conf_refuse(node, "a mapping of texts", k->err);
        return OL_OK;
    case OL_KEY_TAGS:
        if ((!is_map && !is_list) || !all_texts(node))
            return ol__conf_refuse(node, "a mapping, or a list of KEY:VALUE:SOURCE", k->err);
        return OL_OK;
    case OL_KEY_SECTION:
        return is_map ? OL_OK : ol__conf_refuse(node, "a mapping", k->err);
    case OL_KEY_TRANSPORTS:
    default:
        break;
    }
    if (!is_list && !(is_map && info->type == OL_KEY_TRANSPORTS))
        return ol__conf_refuse(node, "a list of mappings", k->err);
    for (const struct ol__conf *c = node->first; c != NULL; c = c->next) {
        if (c->type == OL_CONF_NULL && is_map)
            continue;
        if (c->type != OL_CONF_MAP)
            return ol__conf_refuse(c, "a mapping", k->err);
        if (info->type == OL_KEY_TRANSPORTS)
            continue; /* each knows its own kind: checked where it is made */
        ol_status status = ol__keys_check(
            c, info == &ol__keys[OL_KEY_FILTERS] ? OL_SCOPE_FILTER : OL_SCOPE_REDACTION,
            OL_KIND_UNSET, k->log, NULL, k->err);
        if (status != OL_OK)
            return status;
    }
    return OL_OK;
}

static ol_status check_value(const struct check *k, const struct ol__key_info *info,
                             const struct ol__conf *node)
{
    char source[OL_CONF_SOURCE_MAX];
    ol__conf_source(node, source, sizeof source);
    if (k->kind == OL_KIND_ELSEWHERE)
        return OL_OK; /* the transport as a whole is told about */
    if (info->scope == OL_SCOPE_TRANSPORT && info->kinds != 0 &&
        (info->kinds & OL_KIND_BIT(k->kind)) == 0) {
        ol__log(k->log, OL_CONFIG, "%s: not used by this type of transport", source);
        return OL_OK;
    }
    if (info->use == OL_USE_NONE) {
        ol__log(k->log, OL_CONFIG, "%s: not used: %s", source, info->help);
        return OL_OK;
    }
    if (info->use == OL_USE_ELSEWHERE && k->elsewhere != NULL && *k->elsewhere == NULL)
        *k->elsewhere = node;
    if (info->use == OL_USE_ELSEWHERE || info->type == OL_KEY_ANY)
        return OL_OK;
    if (info->type >= OL_KEY_TEXTS)
        return check_many(k, info, node);
    if (node->type != OL_CONF_TEXT)
        return ol__conf_refuse(node, "a text", k->err);
    switch (info->type) {
    case OL_KEY_BOOL:
        return is_bool(node->text) ? OL_OK : ol__conf_refuse(node, "true or false", k->err);
    case OL_KEY_MS:
    case OL_KEY_SECONDS:
    case OL_KEY_INT:
        return check_number(info, node, k->err);
    case OL_KEY_CHOICE:
        return check_choice(info, node, k->err);
    default:
        return OL_OK;
    }
}

/* facets.NAME.disabled, where NAME may have dots of its own, as a key or as nested mappings. */
static ol_status check_facet_switches(const struct check *k, const struct ol__conf *map)
{
    for (const struct ol__conf *c = map->first; c != NULL; c = c->next) {
        ol_status status = OL_OK;
        char source[OL_CONF_SOURCE_MAX];
        if (c->type == OL_CONF_MAP)
            status = check_facet_switches(k, c);
        else if (c->type != OL_CONF_NULL && ol__conf_key_equal(c->key, "disabled"))
            status = check_value(k, &ol__keys[OL_KEY_FACET_SWITCH], c);
        else if (c->type != OL_CONF_NULL) {
            ol__conf_source(c, source, sizeof source);
            ol__log(k->log, OL_CONFIG, "%s: not known to this client, not used", source);
        }
        if (status != OL_OK)
            return status;
    }
    return OL_OK;
}

static void tell_unknown(const struct check *k, const struct ol__conf *node, const char *path)
{
    char source[OL_CONF_SOURCE_MAX];
    const char *suggestion = ol__key_suggest(k->scope, path);
    ol__conf_source(node, source, sizeof source);
    if (k->kind != OL_KIND_ELSEWHERE)
        ol__log(k->log, OL_CONFIG, "%s: not known to this client, not used%s%s%s", source,
                suggestion != NULL ? " (did you mean '" : "", suggestion != NULL ? suggestion : "",
                suggestion != NULL ? "'?)" : "");
}

static ol_status check_members(const struct check *k, const struct ol__conf *map,
                               const char *prefix)
{
    ol_status status = OL_OK;
    for (const struct ol__conf *c = map->first; c != NULL && status == OL_OK; c = c->next) {
        char path[256];
        if (c->type == OL_CONF_NULL || c->key == NULL)
            continue;
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", c->key);
        enum ol__key key = key_of(k->scope, path, MATCH_WHOLE);
        if (key != OL_KEY_COUNT)
            status = check_value(k, &ol__keys[key], c);
        else if (k->scope == OL_SCOPE_ROOT && c->type == OL_CONF_MAP &&
                 ol__conf_key_equal(prefix, "facets"))
            status = check_facet_switches(k, c);
        else if (key_of(k->scope, path, MATCH_SECTION) == OL_KEY_COUNT)
            tell_unknown(k, c, path);
        else if (c->type == OL_CONF_MAP)
            status = check_members(k, c, path);
        else if (c->first != NULL || c->text != NULL) /* an empty section is fine */
            status = ol__conf_refuse(c, "a mapping", k->err);
    }
    return status;
}

ol_status ol__keys_check(const struct ol__conf *map, enum ol__key_scope scope,
                         enum ol__transport_kind kind, const struct ol__log *log,
                         const struct ol__conf **ret_elsewhere, struct ol_error *err)
{
    const struct check k = {
        .scope = scope, .kind = kind, .log = log, .elsewhere = ret_elsewhere, .err = err};
    return check_members(&k, map, "");
}
