/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: no secret is shown. What the table calls a secret is not, nor is anything whose key
 * looks like one, nor the password in a URL; whatever a transport of another client is told is
 * shown only where its key is one of ours. */
#include "config_report.h"

#include <ctype.h>
#include <stdio.h>
#include "config.h"
#include "rules.h"
#include "json_write.h"

#define MASK "(set)"
#define REPORT_MAX ((size_t)4 * 1024 * 1024)

struct report {
    struct ol__buf *out;
    struct ol__json_writer json;
    bool is_json;
    bool is_foreign; /* inside a transport of another client */
};

/* ---- values ---- */

static bool looks_secret(const char *key)
{
    static const char *const words[] = {"secret", "password",   "passwd",  "token",
                                        "apikey", "credential", "private", "accountkey"};
    char plain[256];
    size_t size = 0;
    for (const char *p = key != NULL ? key : ""; *p != '\0' && size + 1 < sizeof plain; p++)
        if (isalnum((unsigned char)*p))
            plain[size++] = (char)tolower((unsigned char)*p);
    plain[size] = '\0';
    for (size_t i = 0; i < OL_COUNT(words); i++)
        if (strstr(plain, words[i]) != NULL)
            return true;
    return false;
}

/* user:password@ of a URL becomes (set)@. */
static void add_text(struct ol__buf *out, const char *text)
{
    const char *authority = strstr(text, "://");
    size_t at = 0;
    if (authority != NULL) {
        authority += 3;
        for (size_t i = 0; authority[i] != '\0' && strchr("/?#", authority[i]) == NULL; i++)
            at = authority[i] == '@' ? i : at;
    }
    if (at == 0) {
        ol__buf_add_text(out, text);
        return;
    }
    ol__buf_add(out, text, (size_t)(authority - text));
    ol__buf_add_text(out, MASK);
    ol__buf_add_text(out, authority + at);
}

static void add_value(struct ol__buf *out, const struct ol__conf *node, bool is_secret)
{
    bool is_first = true;
    is_secret = is_secret || looks_secret(node->key);
    if (node->type == OL_CONF_NULL) {
        ol__buf_add_text(out, "null");
    } else if (node->type == OL_CONF_TEXT) {
        if (is_secret)
            ol__buf_add_text(out, MASK);
        else
            add_text(out, node->text);
    } else {
        ol__buf_add_char(out, node->type == OL_CONF_MAP ? '{' : '[');
        for (const struct ol__conf *c = node->first; c != NULL; c = c->next, is_first = false) {
            if (!is_first)
                ol__buf_add_text(out, ", ");
            if (c->key != NULL)
                ol__buf_add_format(out, "%s: ", c->key);
            add_value(out, c, is_secret);
        }
        ol__buf_add_char(out, node->type == OL_CONF_MAP ? '}' : ']');
    }
}

/* ---- rows ---- */

/* @p value NULL: nothing told and no default. */
static void add_row(struct report *r, const char *key, const char *value, const char *source)
{
    if (r->is_json) {
        ol__json_begin_object(&r->json);
        ol__json_member_text(&r->json, "key", key);
        ol__json_member_text(&r->json, "value", value);
        ol__json_member_text(&r->json, "source", source);
        ol__json_end_object(&r->json);
        return;
    }
    ol__buf_add_format(r->out, "%-44s %-32s %s\n", key, value != NULL ? value : "-", source);
}

static void add_told(struct report *r, const struct ol__conf *node, const struct ol__key_info *info)
{
    char path[512];
    struct ol__buf value;
    bool is_secret = info != NULL ? info->is_secret : r->is_foreign;
    ol__conf_path(node, path, sizeof path);
    ol__buf_init(&value, REPORT_MAX);
    add_value(&value, node, is_secret);
    add_row(r, path, value.status == OL_OK && value.data != NULL ? value.data : "",
            node->place != NULL ? node->place : "");
    ol__buf_release(&value);
}

static void report_transport(struct report *r, const struct ol__transport_config *c,
                             const char *path);

/* What is told in a map of @p scope; transports inside it are told on their own. */
static void report_map(struct report *r, const struct ol__conf *map, enum ol__key_scope scope,
                       const char *prefix)
{
    for (const struct ol__conf *c = map != NULL ? map->first : NULL; c != NULL; c = c->next) {
        char path[512];
        bool is_section = false;
        if (c->type == OL_CONF_NULL || c->key == NULL)
            continue;
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", c->key);
        enum ol__key key = ol__key_of(scope, path, &is_section);
        const struct ol__key_info *info = key != OL_KEY_COUNT ? &ol__keys[key] : NULL;
        if (info != NULL && (info->type == OL_KEY_SECTION || info->type == OL_KEY_TRANSPORTS))
            continue;
        if (info == NULL && is_section && c->type == OL_CONF_MAP)
            report_map(r, c, scope, path);
        else
            add_told(r, c, info);
    }
}

static void report_defaults(struct report *r, const struct ol__conf *map, enum ol__key_scope scope,
                            enum ol__transport_kind kind, const char *path)
{
    for (size_t i = 0; i < OL_KEY_COUNT; i++) {
        char key[512];
        const struct ol__key_info *info = &ol__keys[i];
        if (info->scope != scope || info->path == NULL || info->use != OL_USE_YES ||
            info->type == OL_KEY_SECTION || strchr(info->path, '*') != NULL ||
            (info->kinds != 0 && (info->kinds & OL_KIND_BIT(kind)) == 0) ||
            ol__key_find(map, (enum ol__key)i) != NULL)
            continue;
        snprintf(key, sizeof key, "%s%s%s", path, path[0] != '\0' ? "." : "", info->path);
        add_row(r, key, info->default_value, info->default_value != NULL ? "default" : "not set");
    }
}

static void report_transport(struct report *r, const struct ol__transport_config *c,
                             const char *path)
{
    char child_path[512];
    bool was_foreign = r->is_foreign;
    r->is_foreign = was_foreign || c->kind == OL_KIND_ELSEWHERE;
    report_map(r, c->map, OL_SCOPE_TRANSPORT, "");
    if (c->kind != OL_KIND_ELSEWHERE)
        report_defaults(r, c->map, OL_SCOPE_TRANSPORT, c->kind, path);
    for (size_t i = 0; i < c->child_count; i++) {
        ol__conf_path(c->children[i].map, child_path, sizeof child_path);
        report_transport(r, &c->children[i], child_path);
    }
    r->is_foreign = was_foreign;
}

/* The older variables; what stands for one of the rows above is a row of its own all the same. */
static void report_variables(struct report *r, const struct ol__config *config)
{
    for (size_t i = 0; i < OL_KEY_COUNT; i++) {
        const struct ol__conf *told = NULL;
        if (ol__keys[i].variable == NULL)
            continue;
        for (const struct ol__conf *c = config->variables.first; c != NULL && told == NULL;
             c = c->next)
            told = strcmp(c->key, ol__keys[i].variable) == 0 ? c : NULL;
        if (told != NULL)
            add_told(r, told, &ol__keys[i]);
        else
            add_row(r, ol__keys[i].variable, NULL, "not set");
    }
}

/* ---- notes ---- */

static void take_note(void *arg, ol_status status OL_UNUSED, const char *message)
{
    struct ol__buf *notes = arg; /* texts, each ended by a NUL */
    ol__buf_add(notes, message, strlen(message) + 1);
}

static void report_notes(struct report *r, const struct ol__buf *notes)
{
    for (size_t at = 0; at < notes->size; at += strlen(notes->data + at) + 1) {
        if (r->is_json)
            ol__json_text(&r->json, notes->data + at);
        else
            ol__buf_add_format(r->out, "note: %s\n", notes->data + at);
    }
}

static void report_all(struct report *r, const struct ol__config *config)
{
    report_map(r, &config->tree, OL_SCOPE_ROOT, "");
    report_defaults(r, &config->tree, OL_SCOPE_ROOT, OL_KIND_UNSET, "");
    report_transport(r, &config->transport, "transport");
    report_variables(r, config);
}

ol_status ol__config_report(const char *path, enum ol__report_form form, struct ol__buf *out,
                            struct ol_error *err)
{
    struct ol__config config;
    struct ol__buf notes;
    struct ol_error why = {.status = OL_OK};
    ol__buf_init(&notes, REPORT_MAX);
    const struct ol__log log = {.function = take_note, .arg = &notes};
    struct report r = {.out = out, .is_json = form == OL_REPORT_JSON};
    struct ol__rules *rules = NULL;
    ol_status status = ol__config_read(&config, path, &log, &why);
    if (status == OL_OK && !config.is_disabled)
        status = ol__rules_read(&config, &rules, &why); /* a wrong expression is found out here */
    ol__rules_free(rules);
    ol__json_writer_init(&r.json, out);
    if (r.is_json) {
        ol__json_begin_object(&r.json);
        ol__json_member_text(&r.json, "file", config.file);
        ol__json_key(&r.json, "error");
        ol__json_text(&r.json, status != OL_OK ? why.message : NULL);
        ol__json_key(&r.json, "settings");
        ol__json_begin_array(&r.json);
    } else {
        ol__buf_add_format(out, "%-44s %s\n", "file", config.file != NULL ? config.file : "none");
    }
    if (status == OL_OK)
        report_all(&r, &config);
    if (r.is_json) {
        ol__json_end_array(&r.json);
        ol__json_key(&r.json, "notes");
        ol__json_begin_array(&r.json);
    }
    report_notes(&r, &notes);
    if (r.is_json) {
        ol__json_end_array(&r.json);
        ol__json_end_object(&r.json);
        ol__buf_add_char(out, '\n');
    }
    ol__buf_release(&notes);
    ol__config_release(&config);
    if (status != OL_OK && err != NULL)
        *err = why;
    return status != OL_OK ? status : out->status;
}
