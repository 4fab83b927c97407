/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Rules apply in their order, each to what those before it left.
 *  2. An event that no rule changes keeps its bytes: they are not even copied. Of one that is
 * changed nothing changes but what a rule says; the rest is copied byte for byte.
 *  3. Memory for an event is given back, but for a little that is kept for the next. */
#include "rules_impl.h"
#include "utf8.h"

#define KEEP ((size_t)256 * 1024)
#define MIB ((size_t)1 << 20)

const char *rules_builtin_name(size_t index)
{
    return index < builtin_count ? builtins[index].name : NULL;
}

const char *rules_builtin_help(size_t index)
{
    return index < builtin_count ? builtins[index].help : NULL;
}

/* ---- conditions ---- */

static bool is_in(const struct ol__text_list *list, struct ol__span text)
{
    for (size_t i = 0; i < list->count; i++)
        if (ol__span_equal(text, ol__span_text(list->items[i])))
            return true;
    return false;
}

static bool begins_with_one(const struct ol__text_list *list, struct ol__span text)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t size = strlen(list->items[i]);
        if (text.size >= size && memcmp(list->items[i], text.data, size) == 0)
            return true;
    }
    return false;
}

/* One condition in its three forms. An expression that reaches its limit says @p at_limit. */
static bool fits(const struct rules *r, const struct ol__text_list *exact,
                 const struct ol__text_list *prefixes, const struct ol__expression *expression,
                 struct ol__span text, bool at_limit)
{
    struct ol__match match[OL_EXPRESSION_GROUPS];
    if (exact->count == 0 && prefixes->count == 0 && expression == NULL)
        return true;
    if (text.size > 0 && (is_in(exact, text) || begins_with_one(prefixes, text)))
        return true;
    if (expression == NULL || text.size == 0)
        return false;
    enum ol__found found = ol__expression_find(expression, r->matcher, text, 0, match);
    return found == OL_FOUND || (found == OL_FOUND_LIMIT && at_limit);
}

static bool is_of_type(const struct ol__text_list *types, const struct ol__event *event)
{
    struct ol__span name = event->event_type;
    if (types->count == 0)
        return true;
    if (event->kind != OL_EVENT_RUN)
        name = event->kind == OL_EVENT_JOB ? OL_SPAN_LIT("JOB") : OL_SPAN_LIT("DATASET");
    else if (event->type == OL_TYPE_ABSENT)
        name = OL_SPAN_LIT("none");
    return is_in(types, name);
}

/* What takes secrets out applies when in doubt, what takes events out does not. */
static bool holds(const struct rules *r, const struct rule *rule, const struct ol__event *event)
{
    const struct rule_config *c = rule->config;
    if (!rule->has_conditions)
        return true;
    bool in_doubt = c->type == RULE_REDACT;
    bool is_dataset = event->kind == OL_EVENT_DATASET;
    return is_of_type(&c->event_type, event) &&
           fits(r, &c->name_space, &c->namespace_prefix, rule->name_space,
                is_dataset ? event->dataset_namespace : event->job_namespace, in_doubt) &&
           fits(r, &c->job, &c->job_prefix, rule->job,
                is_dataset ? (struct ol__span){NULL, 0} : event->job_name, in_doubt) &&
           fits(r, &c->producer, &c->producer_prefix, rule->producer, event->producer, in_doubt);
}

/* ---- stages ---- */

/* The edits of a stage become the event (promise 2). */
static ol_status change(struct rules *r, struct ol__span *text, struct ol_error *err)
{
    struct ol__buf *out = &r->texts[r->turn];
    ol__buf_reset(out);
    ol_status status = edits_apply(&r->edits, *text, out);
    if (status != OL_OK)
        return ol__error_set(err, status, "event of %zu bytes: its rules: %s", text->size,
                             status == OL_NOMEM ? "out of memory" : "it grew too large");
    *text = (struct ol__span){.data = out->data, .size = out->size};
    r->turn = 1 - r->turn;
    return OL_OK;
}

static ol_status run_stage(struct rules *r, size_t first, bool is_held, enum ol__event_kind kind,
                           struct ol__span text, struct ol_error *err)
{
    struct rule *rule = &r->list[first];
    if (rule->config->type == RULE_REDACT || rule->config->type == RULE_RENAME) {
        first += !is_held;
        return first < rule->stage_end ? rules_values(r, first, rule->stage_end, text, err) : OL_OK;
    }
    if (!is_held)
        return OL_OK;
    return rule->config->type == RULE_TAG ? rules_tag(r, rule, kind, text, err)
                                          : rules_shed(r, rule, kind, text, err);
}

static void begin(struct rules *r, size_t size, const struct rules_watch *watch)
{
    r->watch = watch;
    for (size_t i = 0; i < r->count; i++)
        r->list[i].is_touched = false;
    for (size_t i = 0; i < OL_COUNT(r->texts); i++) { /* promise 3 */
        if (r->texts[i].cap > KEEP)
            ol__buf_release(&r->texts[i]);
        if (r->scratch[i].cap > KEEP)
            ol__buf_release(&r->scratch[i]);
        ol__buf_reset(&r->texts[i]);
        ol__buf_reset(&r->scratch[i]);
    }
    ol__matcher_begin(r->matcher, r->budget_us + r->budget_us * (int64_t)(size / MIB));
}

ol_status rules_apply(struct rules *r, struct ol__span text, const struct ol__event *event,
                      const struct rules_watch *watch, struct ol__span *ret, struct ol_error *err)
{
    const struct ol__event_limits limits = {.size_max = SIZE_MAX};
    const struct ol__event *now = event; /* NULL: changed since it was read */
    bool is_changed = false;
    ol_status status = OL_OK;
    begin(r, text.size, watch);
    for (size_t i = 0; i < r->count; i = r->list[i].stage_end) { /* promise 1 */
        struct rule *rule = &r->list[i];
        if (rule->has_conditions && now == NULL)
            status = ol__event_read(r->events, text, OL_EVENT_CORE, &limits, -1, &now, err);
        if (status != OL_OK)
            return status;
        bool is_held = holds(r, rule, now);
        if (rule->config->type == RULE_DROP) {
            if (!is_held)
                continue;
            if (rule->metrics != NULL)
                metric_add(&rule->metrics->events, 1);
            rules_tell(r, rule, &(struct ol__json_value){.depth = 0}, text,
                       (struct ol__span){.data = "", .size = 0});
            return OL_END;
        }
        edits_reset(&r->edits);
        status = run_stage(r, i, is_held, event->kind, text, err);
        if (status == OL_OK)
            continue;
        if (status != OL_AGAIN || (status = change(r, &text, err)) != OL_OK)
            return err != NULL && err->status == OL_OK
                       ? ol__error_set(err, status, "rules: %s", ol__status_name(status))
                       : status;
        is_changed = true;
        now = NULL;
    }
    if (!is_changed)
        return OL_OK;
    *ret = text;
    return OL_AGAIN;
}

/* ---- refusals ---- */

static bool is_secret(struct rules *r, const struct rule *rule, struct ol__span text)
{
    struct ol__match match[OL_EXPRESSION_GROUPS];
    for (uint32_t left = rule->builtins & ~builtin_named_bit(); left != 0; left &= left - 1) {
        const struct ol__expression *x = r->builtins[__builtin_ctz(left)];
        if (ol__expression_find(x, r->matcher, text, 0, match) != OL_FOUND_NOT)
            return true;
    }
    return rule->pattern != NULL &&
           ol__expression_find(rule->pattern, r->matcher, text, 0, match) != OL_FOUND_NOT;
}

void rules_hide(struct rules *r, struct ol_error *err)
{
    if (r == NULL || err == NULL)
        return;
    struct ol__span reason = ol__span_text(err->message);
    reason.size = ol__utf8_find_bad(reason); /* it may be cut */
    ol__matcher_begin(r->matcher, r->budget_us);
    for (size_t i = 0; i < r->count; i++) {
        const struct rule *rule = &r->list[i];
        if (is_secret(r, rule, reason)) {
            OL_IGNORE(ol__error_set(err, err->status,
                                    "event: refused; the reason names what rule %s redacts",
                                    rule->config->name),
                      "the status stays");
            return;
        }
    }
}
