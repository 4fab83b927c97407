/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A transport that works is what was asked for; one that only another client has becomes the
 * journal, and the log is told once, with the place that asked for it.
 *  2. The older variables mean what they mean to the Python client: the whole transport where
 * nothing else is told, what an http transport lacks, one more child of a composite one. */
#include "config_transport.h"

#include <stdlib.h>
#include <strings.h>

#define REPLACER "JobNamespaceReplaceTransformer"

void ol__config_transport_release(struct ol__transport_config *transport)
{
    for (size_t i = 0; i < transport->child_count; i++)
        ol__config_transport_release(&transport->children[i]);
    free(transport->children);
    *transport = (struct ol__transport_config){0};
}

/* ---- the older variables ---- */

static const struct ol__conf *variable(const struct ol__config *config, enum ol__key key)
{
    for (const struct ol__conf *c = config->variables.first; c != NULL; c = c->next)
        if (strcmp(c->key, ol__keys[key].variable) == 0)
            return c;
    return NULL;
}

static ol_status add_text(struct ol__conf *map, const char *key, const struct ol__conf *value)
{
    if (value == NULL)
        return OL_OK;
    return ol__conf_add(map, key, OL_CONF_TEXT, value->text, value->place, NULL);
}

/* What the variables say of an http transport, where @p map does not. */
static ol_status add_legacy(const struct ol__config *config, struct ol__conf *map)
{
    ol_status status = OL_OK;
    bool has_auth = ol__conf_member(map, "auth") != NULL || ol__conf_member(map, "apiKey") != NULL;
    if (ol__key_find(map, OL_KEY_URL) == NULL)
        status = add_text(map, "url", variable(config, OL_KEY_LEGACY_URL));
    if (status == OL_OK && ol__key_find(map, OL_KEY_ENDPOINT) == NULL)
        status = add_text(map, "endpoint", variable(config, OL_KEY_LEGACY_ENDPOINT));
    if (status == OL_OK && !has_auth)
        status = add_text(map, "apiKey", variable(config, OL_KEY_LEGACY_API_KEY));
    return status;
}

static ol_status add_http(const struct ol__config *config, struct ol__conf *parent, const char *key,
                          const struct ol__conf *url)
{
    struct ol__conf *map = NULL;
    ol_status status = ol__conf_add(parent, key, OL_CONF_MAP, NULL, url->place, &map);
    if (status == OL_OK)
        status = ol__conf_add(map, "type", OL_CONF_TEXT, "http", url->place, NULL);
    return status == OL_OK ? add_legacy(config, map) : status;
}

/* Promise 2. */
static ol_status apply_legacy(struct ol__config *config)
{
    struct ol__conf *transport = ol__conf_member(&config->tree, "transport");
    const struct ol__conf *url = variable(config, OL_KEY_LEGACY_URL);
    if (transport == NULL || (transport->type == OL_CONF_MAP && transport->first == NULL)) {
        config->is_url_told = url != NULL;
        return url != NULL ? add_http(config, &config->tree, "transport", url) : OL_OK;
    }
    const char *type =
        transport->type == OL_CONF_MAP ? ol__key_text(transport, OL_KEY_TYPE) : "none";
    enum ol__transport_kind kind = ol__transport_kind_of(type);
    if (kind == OL_KIND_HTTP && ol__key_find(transport, OL_KEY_URL) == NULL)
        return add_legacy(config, transport);
    if (kind != OL_KIND_COMPOSITE || url == NULL)
        return OL_OK;
    struct ol__conf *children = ol__conf_member(transport, "transports");
    if (children == NULL) {
        ol_status status =
            ol__conf_add(transport, "transports", OL_CONF_MAP, NULL, transport->place, &children);
        if (status != OL_OK)
            return status;
    }
    if (children->type != OL_CONF_MAP || ol__conf_member(children, "default_http") != NULL)
        return OL_OK;
    return add_http(config, children, "default_http", url);
}

/* ---- each kind ---- */

struct reader {
    const struct ol__log *log;
    struct ol_error *err;
};

static ol_status missing(const struct reader *r, const struct ol__conf *map, const char *what)
{
    char source[OL_CONF_SOURCE_MAX];
    ol__conf_source(map, source, sizeof source);
    return ol__error_set(r->err, OL_CONFIG, "%s: %s", source, what);
}

/* Promise 1. */
static void go_elsewhere(const struct reader *r, const struct ol__conf *why,
                         struct ol__transport_config *ret)
{
    char source[OL_CONF_SOURCE_MAX];
    ol__conf_source(why, source, sizeof source);
    ol__log(r->log, OL_CONFIG,
            "%s: '%.60s' is nothing this library has; events go to the journal, from where "
            "lineaged delivers them",
            source, why->text != NULL ? why->text : why->key);
    ret->kind = OL_KIND_ELSEWHERE;
}

static ol_status read_http(const struct reader *r, const struct ol__conf *map,
                           const struct ol__conf **elsewhere)
{
    const struct ol__conf *url = ol__key_find(map, OL_KEY_URL);
    const struct ol__conf *auth = ol__key_find(map, OL_KEY_AUTH_TYPE);
    if (url == NULL)
        return missing(r, map, "http needs a url");
    if (strncasecmp(url->text, "http://", 7) != 0 && strncasecmp(url->text, "https://", 8) != 0 &&
        strncasecmp(url->text, "unix:/", 6) != 0 && strncasecmp(url->text, "http+unix://", 12) != 0)
        return ol__conf_refuse(url, "http://, https:// or unix:/path", r->err);
    if (auth != NULL && !ol__conf_key_equal(auth->text, "api_key")) {
        if (*elsewhere == NULL)
            *elsewhere = auth;
    } else if (auth != NULL && ol__key_find(map, OL_KEY_AUTH_API_KEY) == NULL) {
        return missing(r, auth, "api_key needs auth.apiKey");
    }
    return OL_OK;
}

static ol_status read_file(const struct reader *r, const struct ol__conf *map,
                           const struct ol__conf **elsewhere)
{
    const struct ol__conf *location = ol__key_find(map, OL_KEY_LOCATION);
    const struct ol__conf *append = ol__key_find(map, OL_KEY_APPEND);
    char source[OL_CONF_SOURCE_MAX];
    if (location == NULL)
        return missing(r, map, "file needs a location (or log_file_path)");
    if (strstr(location->text, "://") != NULL && *elsewhere == NULL)
        *elsewhere = location;
    if (append != NULL && !ol__key_bool(map, OL_KEY_APPEND) && *elsewhere == NULL) {
        ol__conf_source(append, source, sizeof source);
        ol__log(r->log, OL_CONFIG,
                "%s: a new file for each event is not made here; lines are appended", source);
    }
    return OL_OK;
}

static ol_status read_transport(const struct reader *r, const struct ol__conf *map, int depth,
                                struct ol__transport_config *ret);

static int64_t priority(const struct ol__transport_config *c)
{
    return ol__key_number(c->map, OL_KEY_PRIORITY);
}

/* Highest priority first, else as they stand. */
static void sort_children(struct ol__transport_config *t)
{
    for (size_t i = 1; i < t->child_count; i++) {
        struct ol__transport_config moved = t->children[i];
        size_t k = i;
        for (; k > 0 && priority(&t->children[k - 1]) < priority(&moved); k--)
            t->children[k] = t->children[k - 1];
        t->children[k] = moved;
    }
}

static ol_status read_composite(const struct reader *r, const struct ol__conf *map, int depth,
                                struct ol__transport_config *ret)
{
    const struct ol__conf *list = ol__key_find(map, OL_KEY_TRANSPORTS_LIST);
    size_t count = 0;
    for (const struct ol__conf *c = list != NULL ? list->first : NULL; c != NULL; c = c->next)
        count += c->first != NULL; /* one without settings is switched off */
    if (count == 0)
        return missing(r, map, "composite needs transports");
    ret->children = calloc(count, sizeof *ret->children);
    if (ret->children == NULL)
        return ol__error_set(r->err, OL_NOMEM, "configuration: out of memory");
    for (const struct ol__conf *c = list->first; c != NULL; c = c->next) {
        if (c->first == NULL)
            continue;
        ol_status status = read_transport(r, c, depth + 1, &ret->children[ret->child_count++]);
        if (status != OL_OK)
            return status;
    }
    if (ol__key_bool(map, OL_KEY_SORT))
        sort_children(ret);
    return OL_OK;
}

static ol_status read_transform(const struct reader *r, const struct ol__conf *map, int depth,
                                struct ol__transport_config *ret)
{
    const struct ol__conf *name = ol__key_find(map, OL_KEY_TRANSFORMER_CLASS);
    const struct ol__conf *inner = ol__key_find(map, OL_KEY_INNER);
    const char *dot = name != NULL ? strrchr(name->text, '.') : NULL;
    if (name == NULL || inner == NULL || inner->first == NULL)
        return missing(r, map, "transform needs transformer_class and transport");
    if (strcmp(dot != NULL ? dot + 1 : name->text, REPLACER) != 0)
        return ol__conf_refuse(name, REPLACER " (no other can be loaded here)", r->err);
    if (ol__key_find(map, OL_KEY_NEW_NAMESPACE) == NULL)
        return missing(r, name, "needs transformer_properties.new_job_namespace");
    ret->children = calloc(1, sizeof *ret->children);
    if (ret->children == NULL)
        return ol__error_set(r->err, OL_NOMEM, "configuration: out of memory");
    ret->child_count = 1;
    return read_transport(r, inner, depth + 1, ret->children);
}

/* A section with nothing but what the journal has needs no type. */
static bool is_journal_only(const struct ol__conf *map)
{
    for (const struct ol__conf *c = map->first; c != NULL; c = c->next)
        if (c->type != OL_CONF_NULL && !ol__conf_key_equal(c->key, "directory") &&
            !ol__conf_key_equal(c->key, "durability"))
            return false;
    return true;
}

static ol_status read_kind(const struct reader *r, const struct ol__conf *map,
                           struct ol__transport_config *ret)
{
    const struct ol__conf *type = ol__key_find(map, OL_KEY_TYPE);
    if (type == NULL && is_journal_only(map)) {
        ret->kind = OL_KIND_JOURNAL;
        return OL_OK;
    }
    if (type == NULL)
        return missing(r, map,
                       "has no type; expected journal, http, file, console, noop, composite or "
                       "transform");
    if (type->type == OL_CONF_TEXT)
        ret->kind = ol__transport_kind_of(type->text);
    if (ret->kind == OL_KIND_ELSEWHERE)
        go_elsewhere(r, type, ret);
    return OL_OK; /* one that is unknown is refused by the check of all keys */
}

static ol_status read_transport(const struct reader *r, const struct ol__conf *map, int depth,
                                struct ol__transport_config *ret)
{
    const struct ol__conf *elsewhere = NULL;
    if (map->type != OL_CONF_MAP)
        return ol__conf_refuse(map, "a mapping", r->err);
    if (depth > OL_TRANSPORT_DEPTH_MAX)
        return missing(r, map, "transports inside transports, too deep");
    ret->map = map;
    ol_status status = read_kind(r, map, ret);
    if (status == OL_OK)
        status = ol__keys_check(map, OL_SCOPE_TRANSPORT, ret->kind, r->log, &elsewhere, r->err);
    if (status != OL_OK)
        return status;
    switch (ret->kind) {
    case OL_KIND_HTTP:
        status = read_http(r, map, &elsewhere);
        break;
    case OL_KIND_FILE:
        status = read_file(r, map, &elsewhere);
        break;
    case OL_KIND_COMPOSITE:
        return read_composite(r, map, depth, ret);
    case OL_KIND_TRANSFORM:
        return read_transform(r, map, depth, ret);
    case OL_KIND_UNSET:
    case OL_KIND_JOURNAL:
    case OL_KIND_CONSOLE:
    case OL_KIND_NOOP:
    case OL_KIND_ELSEWHERE:
        return OL_OK;
    }
    if (status == OL_OK && elsewhere != NULL)
        go_elsewhere(r, elsewhere, ret);
    return status;
}

ol_status ol__config_transport(struct ol__config *config, const struct ol__log *log,
                               struct ol_error *err)
{
    const struct reader r = {.log = log, .err = err};
    config->transport = (struct ol__transport_config){.kind = OL_KIND_JOURNAL};
    ol_status status = apply_legacy(config);
    if (status != OL_OK)
        return ol__error_set(err, status == OL_NOMEM ? OL_NOMEM : OL_CONFIG, "configuration: %s",
                             ol__status_name(status));
    const struct ol__conf *map = ol__conf_member(&config->tree, "transport");
    return map != NULL ? read_transport(&r, map, 0, &config->transport) : OL_OK;
}
