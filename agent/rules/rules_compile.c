/* SPDX-License-Identifier: Apache-2.0 */
/* From settings to rules.
 * Promise: every error names file, line, rule and key, and what was expected; a key that the rule's
 * type does not have is one. */
#include <stdio.h>
#include <stdlib.h>
#include "json_write.h"
#include "rules_impl.h"

#define TEXT_MAX ((size_t)64 << 20) /* of an event, once rules have added to it */
#define TAGS_MAX 64

static const char *const type_names[] = {"redact", "drop", "rename", "tag", "shed"};

/* What is being compiled, for messages. */
struct compiling {
    const struct agent_config *config;
    const struct rule_config *rule;
    size_t index;
    struct ol_error *err;
};

static ol_status refuse(const struct compiling *c, const char *key, const char *what)
{
    const char *file = c->config->config_path != NULL ? c->config->config_path : "settings";
    return ol__error_set(c->err, OL_CONFIG, "%s:%lld: rules[%zu].%s: rule '%s': %s", file,
                         (long long)c->rule->line, c->index, key, c->rule->name, what);
}

static ol_status out_of_memory(const struct compiling *c)
{
    return ol__error_set(c->err, OL_NOMEM, "rules: out of memory");
}

static ol_status compile_expression(const struct compiling *c, const char *key, const char *text,
                                    bool is_whole, struct ol__expression **ret)
{
    struct ol_error why = {.message = ""};
    if (text == NULL)
        return OL_OK;
    ol_status status = ol__expression_new(text, is_whole, ret, &why);
    if (status == OL_INVALID)
        return refuse(c, key, why.message);
    return status == OL_OK ? OL_OK : out_of_memory(c);
}

/* ---- which keys a type has ---- */

#define TYPE(type) (1u << (type))

static ol_status check_keys(const struct compiling *c)
{
    const struct rule_config *r = c->rule;
    const struct {
        const char *key;
        bool is_given;
        enum rule_type type;
    } keys[] = {
        {"builtin", r->builtin.count > 0, RULE_REDACT},
        {"pattern", r->pattern != NULL, RULE_REDACT},
        {"facet", r->facet != NULL, RULE_REDACT},
        {"pointer", r->pointer != NULL, RULE_REDACT},
        {"with", r->with != NULL, RULE_REDACT},
        {"from", r->from.count > 0, RULE_RENAME},
        {"from_prefix", r->from_prefix != NULL, RULE_RENAME},
        {"from_regex", r->from_regex != NULL, RULE_RENAME},
        {"from_hosts", r->from_hosts.count > 0, RULE_RENAME},
        {"to", r->to != NULL, RULE_RENAME},
        {"of", r->of != 0, RULE_RENAME},
        {"run_tags", r->run_tags.count > 0, RULE_TAG},
        {"job_tags", r->job_tags.count > 0, RULE_TAG},
        {"max_facet", r->max_facet != 0, RULE_SHED},
        {"max_event", r->max_event != 0, RULE_SHED},
        {"keep", r->keep.count > 0, RULE_SHED},
    };
    char what[64];
    for (size_t i = 0; i < OL_COUNT(keys); i++)
        if (keys[i].is_given && keys[i].type != (enum rule_type)r->type) {
            snprintf(what, sizeof what, "type %s has no such key", type_names[r->type]);
            return refuse(c, keys[i].key, what);
        }
    return OL_OK;
}

static ol_status check_name(const struct compiling *c)
{
    const struct rule_config *all = c->config->rules.items;
    size_t size = strlen(c->rule->name);
    char what[64];
    if (size < 1 || size > 64 ||
        strspn(c->rule->name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != size)
        return refuse(c, "name", "expected 1 to 64 of a-z, 0-9, '_' and '-'");
    for (size_t i = 0; i < c->index; i++)
        if (strcmp(all[i].name, c->rule->name) == 0) {
            snprintf(what, sizeof what, "the rule at line %lld has this name",
                     (long long)all[i].line);
            return refuse(c, "name", what);
        }
    return OL_OK;
}

/* ---- conditions ---- */

static ol_status check_event_types(const struct compiling *c)
{
    static const char *const names[] = {"START", "RUNNING", "COMPLETE", "ABORT",  "FAIL",
                                        "OTHER", "none",    "JOB",      "DATASET"};
    const struct ol__text_list *list = &c->rule->event_type;
    for (size_t i = 0; i < list->count; i++) {
        size_t k = 0;
        while (k < OL_COUNT(names) && strcmp(names[k], list->items[i]) != 0)
            k++;
        if (k == OL_COUNT(names))
            return refuse(c, "event_type",
                          "expected START, RUNNING, COMPLETE, ABORT, FAIL, OTHER, none, JOB or "
                          "DATASET");
    }
    return OL_OK;
}

static ol_status compile_conditions(const struct compiling *c, struct rule *rule)
{
    const struct rule_config *r = c->rule;
    rule->has_conditions =
        r->job.count + r->job_prefix.count + r->name_space.count + r->namespace_prefix.count +
                r->producer.count + r->producer_prefix.count + r->event_type.count >
            0 ||
        r->job_regex != NULL || r->namespace_regex != NULL || r->producer_regex != NULL;
    ol_status status = check_event_types(c);
    if (status == OL_OK)
        status = compile_expression(c, "job_regex", r->job_regex, true, &rule->job);
    if (status == OL_OK)
        status =
            compile_expression(c, "namespace_regex", r->namespace_regex, true, &rule->name_space);
    if (status == OL_OK)
        status = compile_expression(c, "producer_regex", r->producer_regex, true, &rule->producer);
    return status;
}

/* ---- redact ---- */

/* "~01" and "~1": RFC 6901. */
static char *decode_step(const char *step, size_t size)
{
    char *key = malloc(size + 1);
    size_t used = 0;
    for (size_t i = 0; i < size && key != NULL; i++) {
        char ch = step[i];
        if (ch == '~' && i + 1 < size && (step[i + 1] == '0' || step[i + 1] == '1'))
            ch = step[++i] == '0' ? '~' : '/';
        key[used++] = ch;
    }
    if (key != NULL)
        key[used] = '\0';
    return key;
}

/* Whether replacing all at and below the pointer would take what every event must have. */
static bool covers_core(const struct rule *rule)
{
    static const char *const core[][2] = {
        {"eventTime", NULL}, {"eventType", NULL}, {"producer", NULL}, {"run", "runId"}};
    for (size_t i = 0; i < OL_COUNT(core); i++) {
        size_t depth = core[i][1] != NULL ? 2 : 1, k = 0;
        while (k < rule->step_count && k < depth &&
               (rule->steps[k].key == NULL || strcmp(rule->steps[k].key, core[i][k]) == 0))
            k++;
        if (k == rule->step_count)
            return true;
    }
    return false;
}

static ol_status compile_pointer(const struct compiling *c, struct rule *rule)
{
    const char *p = c->rule->pointer;
    if (p == NULL)
        return OL_OK;
    if (p[0] != '/')
        return refuse(c, "pointer", "expected a JSON pointer, which begins with /");
    for (const char *s = p; *s != '\0'; s++)
        rule->step_count += *s == '/';
    rule->steps = calloc(rule->step_count, sizeof *rule->steps);
    if (rule->steps == NULL)
        return out_of_memory(c);
    for (size_t i = 0; i < rule->step_count; i++) {
        size_t size = strcspn(p + 1, "/");
        if (size != 1 || p[1] != '*') {
            rule->steps[i].key = decode_step(p + 1, size);
            if (rule->steps[i].key == NULL)
                return out_of_memory(c);
        }
        p += 1 + size;
    }
    return OL_OK;
}

static ol_status compile_builtins(const struct compiling *c, struct rule *rule)
{
    const struct ol__text_list *list = &c->rule->builtin;
    char what[640] = "";
    for (size_t i = 0; i < list->count; i++) {
        uint32_t bits = builtin_find(list->items[i]);
        if (bits == 0) {
            int used = snprintf(what, sizeof what, "'%.40s' is not one of all", list->items[i]);
            for (size_t k = 0; k < builtin_count && used > 0 && (size_t)used < sizeof what; k++)
                used += snprintf(what + used, sizeof what - (size_t)used, ", %s", builtins[k].name);
            return refuse(c, "builtin", what);
        }
        rule->builtins |= bits;
    }
    return OL_OK;
}

static ol_status compile_redact(const struct compiling *c, struct rule *rule)
{
    const struct rule_config *r = c->rule;
    if (r->builtin.count == 0 && r->pattern == NULL && r->facet == NULL && r->pointer == NULL)
        return refuse(c, "type", "redact needs builtin, pattern, facet or pointer");
    ol_status status = compile_builtins(c, rule);
    if (status == OL_OK)
        status = compile_expression(c, "pattern", r->pattern, false, &rule->pattern);
    if (status == OL_OK)
        status = compile_pointer(c, rule);
    if (status != OL_OK)
        return status;
    if (r->facet == NULL && rule->builtins == 0 && rule->pattern == NULL && covers_core(rule))
        return refuse(c, "pointer",
                      "it would take eventTime, eventType, producer or run.runId, without which "
                      "there is no event; name what is below");
    rule->with = r->with != NULL ? strdup(r->with) : NULL;
    return r->with != NULL && rule->with == NULL ? out_of_memory(c) : OL_OK;
}

/* ---- rename, tag, shed, drop ---- */

static ol_status compile_rename(const struct compiling *c, struct rule *rule)
{
    const struct rule_config *r = c->rule;
    if (r->to == NULL || r->to[0] == '\0')
        return refuse(c, "to", "missing; type rename needs it");
    if (r->from.count == 0 && r->from_prefix == NULL && r->from_regex == NULL &&
        r->from_hosts.count == 0)
        return refuse(c, "from",
                      "missing; rename needs from, from_prefix, from_regex or from_hosts");
    return compile_expression(c, "from_regex", r->from_regex, true, &rule->from);
}

/* KEY, KEY:VALUE or KEY:VALUE:SOURCE, as in OpenLineage's Java client. */
static ol_status compile_tag(const struct compiling *c, const char *key_name, const char *text,
                             struct rule_tag *ret)
{
    struct ol__buf json;
    struct ol__json_writer w;
    char *copy = strdup(text), *rest = copy;
    if (copy == NULL)
        return out_of_memory(c);
    const char *key = strsep(&rest, ":"), *value = rest != NULL ? strsep(&rest, ":") : "true";
    if (key[0] == '\0') {
        free(copy);
        return refuse(c, key_name, "a tag needs a key: KEY, KEY:VALUE or KEY:VALUE:SOURCE");
    }
    ol__buf_init(&json, TEXT_MAX);
    ol__json_writer_init(&w, &json);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "key", key);
    ol__json_member_text(&w, "value", value);
    ol__json_member_text(&w, "source", rest != NULL ? rest : "CONFIG");
    ol__json_end_object(&w);
    ret->key = strdup(key);
    ret->json = ol__buf_take(&json);
    ol__buf_release(&json);
    free(copy);
    return ret->key != NULL && ret->json != NULL ? OL_OK : out_of_memory(c);
}

static ol_status compile_tags(const struct compiling *c, const char *key_name,
                              const struct ol__text_list *list, struct rule_tags *ret)
{
    if (list->count > TAGS_MAX)
        return refuse(c, key_name, "more than 64 tags");
    if (list->count == 0)
        return OL_OK;
    ret->items = calloc(list->count, sizeof *ret->items);
    if (ret->items == NULL)
        return out_of_memory(c);
    ret->count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        ol_status status = compile_tag(c, key_name, list->items[i], &ret->items[i]);
        if (status != OL_OK)
            return status;
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(ret->items[k].key, ret->items[i].key) == 0)
                return refuse(c, key_name, "two tags of one key");
    }
    return OL_OK;
}

static ol_status compile_type(const struct compiling *c, struct rule *rule)
{
    const struct rule_config *r = c->rule;
    ol_status status = OL_OK;
    switch ((enum rule_type)r->type) {
    case RULE_REDACT:
        return compile_redact(c, rule);
    case RULE_RENAME:
        return compile_rename(c, rule);
    case RULE_DROP:
        return rule->has_conditions
                   ? OL_OK
                   : refuse(c, "type",
                            "drop needs a job, namespace, producer or event_type; without one it "
                            "would drop everything");
    case RULE_TAG:
        if (r->run_tags.count == 0 && r->job_tags.count == 0)
            return refuse(c, "type", "tag needs run_tags or job_tags");
        status = compile_tags(c, "run_tags", &r->run_tags, &rule->run_tags);
        return status == OL_OK ? compile_tags(c, "job_tags", &r->job_tags, &rule->job_tags)
                               : status;
    case RULE_SHED:
        break;
    }
    return r->max_facet > 0 || r->max_event > 0
               ? OL_OK
               : refuse(c, "type", "shed needs max_facet or max_event");
}

/* ---- all ---- */

static ol_status compile_rule(const struct compiling *c, struct rule *rule)
{
    ol_status status = check_name(c);
    if (status == OL_OK)
        status = check_keys(c);
    if (status == OL_OK)
        status = compile_conditions(c, rule);
    return status == OL_OK ? compile_type(c, rule) : status;
}

/* Rules that redact or rename share a pass, up to one that asks what the event is by then. */
static void find_stages(struct rules *r)
{
    for (size_t i = r->count; i-- > 0;) {
        struct rule *rule = &r->list[i], *next = rule + 1;
        bool is_shared = i + 1 < r->count && !next->has_conditions &&
                         (rule->config->type == RULE_REDACT || rule->config->type == RULE_RENAME) &&
                         (next->config->type == RULE_REDACT || next->config->type == RULE_RENAME);
        rule->stage_end = is_shared ? next->stage_end : i + 1;
    }
}

static ol_status open_builtins(struct rules *r, struct ol_error *err)
{
    uint32_t all = 0;
    for (size_t i = 0; i < r->count; i++)
        all |= r->list[i].builtins;
    for (size_t i = 0; i < builtin_count; i++) {
        if ((all >> i & 1) == 0)
            continue;
        ol_status status = ol__expression_new(builtins[i].expression, false, &r->builtins[i], err);
        if (status != OL_OK)
            return ol__error_prefix(err, status, "built-in pattern %s", builtins[i].name);
    }
    if (all != 0 && (r->filter = builtin_filter_new(all)) == NULL)
        return ol__error_set(err, OL_NOMEM, "rules: out of memory");
    return OL_OK;
}

static ol_status open_parts(struct rules *r, struct ol_error *err)
{
    for (size_t i = 0; i < OL_COUNT(r->texts); i++) {
        ol__buf_init(&r->texts[i], TEXT_MAX);
        ol__buf_init(&r->scratch[i], TEXT_MAX);
    }
    edits_init(&r->edits, TEXT_MAX);
    ol_status status = ol__matcher_new(&r->matcher, err);
    if (status == OL_OK)
        status = ol__json_reader_new(&r->json, err);
    if (status == OL_OK)
        status = ol__event_reader_new(&r->events, err);
    return status;
}

ol_status rules_new(const struct agent_config *config, struct agent_metrics *metrics,
                    struct rules **ret, struct ol_error *err)
{
    const struct rule_config *list = config->rules.items;
    *ret = NULL;
    if (config->rules.count == 0)
        return OL_OK;
    struct rules *r = calloc(1, sizeof *r);
    if (r != NULL)
        r->list = calloc(config->rules.count, sizeof *r->list);
    if (r == NULL || r->list == NULL) {
        free(r);
        return ol__error_set(err, OL_NOMEM, "rules: out of memory");
    }
    r->count = config->rules.count;
    r->budget_us = config->rules_budget_ms * 1000;
    ol_status status = open_parts(r, err);
    for (size_t i = 0; i < r->count && status == OL_OK; i++) {
        struct compiling c = {.config = config, .rule = &list[i], .index = i, .err = err};
        r->list[i].config = &list[i];
        if (metrics != NULL) {
            r->list[i].metrics = &metrics->rules[i];
            metrics->rules[i].name = list[i].name;
            metrics->rules[i].type = type_names[list[i].type];
            metrics->rule_count = (int)r->count;
        }
        status = compile_rule(&c, &r->list[i]);
    }
    if (status == OL_OK)
        status = open_builtins(r, err);
    if (status != OL_OK) {
        rules_free(r);
        return status;
    }
    find_stages(r);
    *ret = r;
    return OL_OK;
}

static void release_tags(struct rule_tags *tags)
{
    for (size_t i = 0; i < tags->count; i++) {
        free(tags->items[i].key);
        free(tags->items[i].json);
    }
    free(tags->items);
}

static void release_rule(struct rule *rule)
{
    ol__expression_free(rule->job);
    ol__expression_free(rule->name_space);
    ol__expression_free(rule->producer);
    ol__expression_free(rule->pattern);
    ol__expression_free(rule->from);
    for (size_t i = 0; rule->steps != NULL && i < rule->step_count; i++)
        free(rule->steps[i].key);
    free(rule->steps);
    free(rule->with);
    release_tags(&rule->run_tags);
    release_tags(&rule->job_tags);
}

void rules_free(struct rules *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        release_rule(&r->list[i]);
    for (size_t i = 0; i < BUILTIN_MAX; i++)
        ol__expression_free(r->builtins[i]);
    for (size_t i = 0; i < OL_COUNT(r->texts); i++) {
        ol__buf_release(&r->texts[i]);
        ol__buf_release(&r->scratch[i]);
    }
    edits_release(&r->edits);
    builtin_filter_free(r->filter);
    ol__matcher_free(r->matcher);
    ol__json_reader_free(r->json);
    ol__event_reader_free(r->events);
    free(r->list);
    free(r);
}
