/* SPDX-License-Identifier: Apache-2.0 */
/* Redaction and renaming: one pass over the event, each value through all rules of the stage.
 * Promises:
 *  1. Nothing but values that a rule changes gets other bytes; a text is written anew as a whole.
 *  2. What an expression could not finish is taken out whole, counted, and told once by each rule:
 * a limit never lets a secret pass. A rename that could not finish changes nothing.
 *  3. Patterns leave eventTime, eventType and run ids alone where these are what they should be;
 * keys are looked at inside of facets only. Structure is never changed. */
#include <stdio.h>
#include "agent.h"
#include "json_write.h"
#include "rules_impl.h"
#include "times.h"

struct pass {
    struct rules *r;
    size_t first, end; /* rules */
    struct ol__span text;
    bool has_patterns; /* of the user's, which match where they like */
    uint32_t found;    /* built-in patterns that may match somewhere in the event */
    size_t last_end;   /* of the token before this one */
    size_t name_depth; /* of the last `name` or `key` of an object; 0: of none that is open */
    bool is_name_secret;
};

bool rules_in_facet(const struct ol__json_value *v, size_t *ret_at)
{
    static const char *const singles[] = {"run", "job", "dataset"};
    static const char *const sides[] = {"inputs", "outputs"};
    if (v->depth < 3)
        return false;
    for (size_t i = 0; i < OL_COUNT(singles); i++)
        if (rules_key_is(v, 0, singles[i])) {
            *ret_at = 2;
            return rules_key_is(v, 1, "facets");
        }
    for (size_t i = 0; i < OL_COUNT(sides) && v->depth >= 4; i++)
        if (rules_key_is(v, 0, sides[i]) && v->path[1].is_index) {
            *ret_at = 3;
            return rules_key_is(v, 2, "facets") ||
                   rules_key_is(v, 2, i == 0 ? "inputFacets" : "outputFacets");
        }
    return false;
}

void rules_tell(const struct rules *r, const struct rule *rule, const struct ol__json_value *v,
                struct ol__span before, struct ol__span after)
{
    char pointer[1024];
    if (r->watch == NULL)
        return;
    ol__json_pointer(v, pointer, sizeof pointer);
    r->watch->changed(r->watch->arg, rule->config->name, pointer, before, after);
}

void rules_count(struct rule *rule)
{
    if (rule->metrics == NULL)
        return;
    metric_add(&rule->metrics->values, 1);
    if (!rule->is_touched)
        metric_add(&rule->metrics->events, 1);
    rule->is_touched = true;
}

/* Promise 2. Never with the text, nor with keys inside of a facet, which may be secrets too. */
static void note_limit(struct rule *rule, const struct ol__json_value *at, const char *what)
{
    char pointer[256];
    struct ol__json_value v = *at;
    size_t facet_at;
    if (rules_in_facet(at, &facet_at))
        v.depth = facet_at + 1;
    if (rule->metrics != NULL)
        metric_add(&rule->metrics->limited, 1);
    if (rule->was_told)
        return;
    rule->was_told = true;
    ol__json_pointer(&v, pointer, sizeof pointer);
    log_write(LOG_LEVEL_WARNING, "rules",
              "rule %s: an expression reached its limit of steps or time at %s: %s; further ones "
              "are counted, not told here",
              rule->config->name, pointer, what);
}

/* ---- where ---- */

static bool is_step(const struct ol__json_step *step, const char *key)
{
    char index[24];
    if (key == NULL)
        return true;
    if (!step->is_index)
        return ol__span_equal(step->key, ol__span_text(key));
    int size = snprintf(index, sizeof index, "%zu", step->index);
    return size > 0 && strcmp(index, key) == 0;
}

/* @param facet_at  SIZE_MAX: in none. @param is_below  deeper than what the rule names. */
static bool is_place(const struct rule *rule, const struct ol__json_value *v, size_t facet_at,
                     bool *ret_is_below)
{
    size_t base = 0;
    *ret_is_below = true;
    if (rule->config->facet != NULL) {
        if (facet_at == SIZE_MAX || !rules_key_is(v, facet_at, rule->config->facet))
            return false;
        base = facet_at + 1;
    }
    if (v->depth < base + rule->step_count)
        return false;
    for (size_t i = 0; i < rule->step_count; i++)
        if (!is_step(&v->path[base + i], rule->steps[i].key))
            return false;
    *ret_is_below = v->depth > base + rule->step_count;
    return true;
}

static bool is_whole(const struct rule *rule)
{
    return rule->builtins == 0 && rule->pattern == NULL;
}

/* What every facet has, and what names its schema. */
static bool is_about_facet(const struct ol__json_value *v, size_t facet_at)
{
    return facet_at != SIZE_MAX && v->depth == facet_at + 2 &&
           (rules_key_is(v, facet_at + 1, "_producer") ||
            rules_key_is(v, facet_at + 1, "_schemaURL"));
}

/* Promise 3. */
static bool is_protected(const struct ol__json_value *v)
{
    struct ol__uuid id;
    int64_t time_ms;
    if (v->depth == 1 && rules_key_is(v, 0, "eventTime"))
        return ol__time_parse(v->text, &time_ms, NULL) == OL_OK;
    for (int type = OL_TYPE_START; type < OL_TYPE_UNKNOWN && v->depth == 1; type++)
        if (ol__span_equal(v->text, ol__span_text(ol__event_type_name((enum ol__event_type)type))))
            return rules_key_is(v, 0, "eventType");
    return rules_key_is(v, v->depth - 1, "runId") && ol__uuid_parse(v->text, &id);
}

/* ---- texts ---- */

/* A text on its way through the rules. */
struct travel {
    struct rules *r;
    const struct ol__json_value *v;
    struct ol__span text; /* as it is now: the value's, or in one of r->scratch */
    unsigned turn;
    bool is_changed;
};

static struct ol__buf *next_buffer(struct travel *t)
{
    struct ol__buf *out = &t->r->scratch[t->turn];
    ol__buf_reset(out);
    return out;
}

static void arrive(struct travel *t, struct rule *rule, struct ol__buf *out)
{
    struct ol__span after = {.data = out->size > 0 ? out->data : "", .size = out->size};
    if (out->status != OL_OK)
        return; /* seen at the end */
    rules_tell(t->r, rule, t->v, t->text, after);
    rules_count(rule);
    t->text = after;
    t->turn = 1 - t->turn;
    t->is_changed = true;
}

static void add_with(const struct rule *rule, const char *name, struct ol__buf *out)
{
    if (rule->with != NULL)
        ol__buf_add_text(out, rule->with);
    else
        ol__buf_add_format(out, "[redacted:%s]", name);
}

static void take_whole(struct travel *t, struct rule *rule, const char *name)
{
    struct ol__buf *out = next_buffer(t);
    add_with(rule, name, out);
    arrive(t, rule, out);
}

/* All matches of one expression. */
static void replace(struct travel *t, struct rule *rule, const struct ol__expression *x,
                    const struct builtin *builtin)
{
    const char *name = builtin != NULL ? builtin->name : rule->config->name;
    struct ol__match match[OL_EXPRESSION_GROUPS];
    struct ol__buf *out = NULL;
    size_t copied = 0, from = 0;
    enum ol__found found;
    while ((found = ol__expression_find(x, t->r->matcher, t->text, from, match)) == OL_FOUND) {
        struct ol__span what = {.data = t->text.data + match[0].begin,
                                .size = match[0].end - match[0].begin};
        size_t size = builtin != NULL && builtin->check != NULL ? builtin->check(what) : what.size;
        if (size == 0) { /* it only looked like one; what is checked is ASCII */
            from = match[0].begin + 1;
            continue;
        }
        if (out == NULL)
            out = next_buffer(t);
        ol__buf_add(out, t->text.data + copied, match[0].begin - copied);
        add_with(rule, name, out);
        copied = from = match[0].begin + size;
    }
    if (found == OL_FOUND_LIMIT) {
        note_limit(rule, t->v, "the text there is redacted whole");
        take_whole(t, rule, name);
    } else if (out != NULL) {
        ol__buf_add(out, t->text.data + copied, t->text.size - copied);
        arrive(t, rule, out);
    }
}

/* ---- texts whose name says what they are ---- */

static bool says_secret(const struct rules *r, struct ol__span name)
{
    struct ol__match match[OL_EXPRESSION_GROUPS];
    const struct ol__expression *x = r->builtins[__builtin_ctz(builtin_named_bit())];
    return name.size > 0 && ol__expression_find(x, r->matcher, name, 0, match) != OL_FOUND_NOT;
}

/* {"name":..., "value":...}: the name is kept for the value beside it. */
static void note_name(struct pass *p, const struct ol__json_value *v)
{
    bool is_object = v->type == OL_JSON_OBJECT || v->type == OL_JSON_OBJECT_END;
    if (is_object && v->depth < p->name_depth)
        p->name_depth = 0;
    if (v->type != OL_JSON_STRING ||
        !(rules_key_is(v, v->depth - 1, "name") || rules_key_is(v, v->depth - 1, "key")))
        return;
    p->name_depth = v->depth;
    p->is_name_secret = says_secret(p->r, v->text);
}

static bool is_named_secret(const struct pass *p, const struct ol__json_value *v, size_t facet_at)
{
    size_t at = v->depth - 1;
    if (facet_at == SIZE_MAX || v->depth < facet_at + 2)
        return false;
    if (v->path[at].is_index && at > facet_at + 1)
        at--; /* one of several */
    if (v->path[at].is_index)
        return false;
    if (p->name_depth == v->depth && rules_key_is(v, at, "value"))
        return p->is_name_secret;
    return says_secret(p->r, v->path[at].key);
}

static bool is_redacted(struct ol__span text)
{
    static const char mark[] = "[redacted:";
    return text.size >= sizeof mark - 1 && memcmp(text.data, mark, sizeof mark - 1) == 0;
}

static void redact(struct travel *t, struct rule *rule, uint32_t *found)
{
    for (uint32_t left = rule->builtins & *found; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        if (1u << i == builtin_named_bit()) {
            if (!is_redacted(t->text))
                take_whole(t, rule, builtins[i].name);
            continue;
        }
        replace(t, rule, t->r->builtins[i], &builtins[i]);
    }
    if (rule->pattern != NULL)
        replace(t, rule, rule->pattern, NULL);
}

static void rename_text(struct travel *t, struct rule *rule)
{
    bool is_limit = false;
    struct ol__buf *out = next_buffer(t);
    if (rename_apply(t->r, rule, t->text, out, &is_limit))
        arrive(t, rule, out);
    else if (is_limit)
        note_limit(rule, t->v, "the namespace there keeps its name");
}

/* One text: a value, or a key, through all rules of the stage. */
static void travel(const struct pass *p, struct travel *t, size_t facet_at, bool is_key)
{
    struct rules *r = p->r;
    uint32_t found = 0;
    bool can_match = t->text.size > 0 && (is_key || !is_protected(t->v)), is_below;
    if (can_match && p->found != 0)
        found = p->found & builtin_filter_find(r->filter, t->text, false) & ~builtin_named_bit();
    if (can_match && !is_key && (p->found & builtin_named_bit()) != 0 &&
        is_named_secret(p, t->v, facet_at))
        found |= builtin_named_bit();
    for (size_t i = p->first; i < p->end; i++) {
        struct rule *rule = &r->list[i];
        if (rule->config->type == RULE_RENAME) {
            if (!is_key && rename_is_for(rule, t->v, facet_at))
                rename_text(t, rule);
        } else if (is_whole(rule)) {
            if (!is_key && is_place(rule, t->v, facet_at, &is_below) &&
                !(is_below && is_about_facet(t->v, facet_at)))
                take_whole(t, rule, rule->config->name);
        } else if (can_match && ((rule->builtins & found) != 0 || rule->pattern != NULL) &&
                   is_place(rule, t->v, facet_at, &is_below))
            redact(t, rule, &found);
    }
}

/* Promise 1. */
static ol_status put(struct pass *p, const struct travel *t, size_t begin, size_t end)
{
    struct rules *r = p->r;
    struct ol__json_writer w;
    for (size_t i = 0; i < OL_COUNT(r->scratch); i++)
        if (r->scratch[i].status != OL_OK)
            return r->scratch[i].status;
    if (!t->is_changed)
        return OL_OK;
    if (edits_begin(&r->edits, begin, end) != OL_OK)
        return OL_NOMEM;
    ol__json_writer_init(&w, &r->edits.with);
    ol__json_span(&w, t->text);
    edits_end(&r->edits);
    return r->edits.with.status;
}

/* A number, or true or false: it has no room for a text. */
static ol_status take_other(struct pass *p, const struct ol__json_value *v, size_t facet_at)
{
    struct rules *r = p->r;
    bool is_below;
    for (size_t i = p->first; i < p->end; i++) {
        struct rule *rule = &r->list[i];
        if (rule->config->type != RULE_REDACT || !is_whole(rule) ||
            !is_place(rule, v, facet_at, &is_below))
            continue;
        struct ol__span before = {.data = p->text.data + v->begin, .size = v->end - v->begin};
        rules_tell(r, rule, v, before, OL_SPAN_LIT("null"));
        rules_count(rule);
        if (edits_begin(&r->edits, v->begin, v->end) != OL_OK)
            return OL_NOMEM;
        ol__buf_add_text(&r->edits.with, "null");
        edits_end(&r->edits);
        return r->edits.with.status;
    }
    return OL_OK;
}

/* The key of a member inside of a facet; it stands between the token before and the value. */
static ol_status take_key(struct pass *p, const struct ol__json_value *v, size_t facet_at)
{
    struct travel t = {.r = p->r, .v = v, .text = v->path[v->depth - 1].key};
    if (p->found == 0 && !p->has_patterns)
        return OL_OK;
    if (t.text.size > 0 && t.text.data[0] == '_')
        return OL_OK;
    travel(p, &t, facet_at, true);
    if (!t.is_changed)
        return put(p, &t, 0, 0);
    size_t begin = p->last_end, end = v->begin;
    while (begin < end && p->text.data[begin] != '"')
        begin++;
    while (end > begin && p->text.data[end - 1] != '"')
        end--;
    return put(p, &t, begin, end);
}

static ol_status take(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct pass *p = arg;
    ol_status status = OL_OK;
    size_t facet_at = SIZE_MAX, at;
    (void)err;
    if ((p->found & builtin_named_bit()) != 0 && v->depth > 0)
        note_name(p, v);
    if (v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END) {
        p->last_end = v->end;
        return OL_OK;
    }
    if (v->depth > 0 && rules_in_facet(v, &at)) {
        facet_at = at;
        if (v->depth > facet_at + 1 && !v->path[v->depth - 1].is_index)
            status = take_key(p, v, facet_at);
    }
    if (status == OL_OK && v->depth > 0 && v->type == OL_JSON_STRING) {
        struct travel t = {.r = p->r, .v = v, .text = v->text};
        travel(p, &t, facet_at, false);
        status = put(p, &t, v->begin, v->end);
    } else if (status == OL_OK && v->depth > 0 &&
               (v->type == OL_JSON_NUMBER || v->type == OL_JSON_BOOL))
        status = take_other(p, v, facet_at);
    p->last_end = v->end;
    return status;
}

ol_status rules_values(struct rules *r, size_t first, size_t end, struct ol__span text,
                       struct ol_error *err)
{
    struct pass p = {.r = r, .first = first, .end = end, .text = text};
    uint32_t wanted = 0;
    bool needs_pass = false;
    for (size_t i = first; i < end; i++) {
        const struct rule *rule = &r->list[i];
        p.has_patterns |= rule->pattern != NULL;
        wanted |= rule->builtins;
        needs_pass |= rule->config->type == RULE_RENAME || rule->pattern != NULL || is_whole(rule);
    }
    if (wanted != 0)
        p.found = wanted & builtin_filter_find(r->filter, text, true);
    if (!needs_pass && p.found == 0) /* no secret can be in it: most events */
        return OL_OK;
    ol_status status = ol__json_read(r->json, text, NULL, take, &p, err);
    if (status != OL_OK)
        return status;
    return r->edits.count > 0 ? OL_AGAIN : OL_OK;
}
