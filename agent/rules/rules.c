/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Rules apply in their order, each to what those before it left.
 *  2. An event that no rule changes keeps its bytes: they are not even copied. Of one that is
 * changed nothing changes but what a rule says; the rest is copied byte for byte.
 *  3. Memory for an event is given back, but for a little that is kept for the next. */
#include "conditions.h"
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

/* What takes secrets out applies when in doubt, what takes events out does not. */
static bool holds(const struct rules *r, const struct rule *rule, const struct ol__event *event)
{
    const struct rule_config *c = rule->config;
    const struct conditions conditions = {.event_type = &c->event_type,
                                          .job = &c->job,
                                          .job_prefix = &c->job_prefix,
                                          .name_space = &c->name_space,
                                          .namespace_prefix = &c->namespace_prefix,
                                          .producer = &c->producer,
                                          .producer_prefix = &c->producer_prefix,
                                          .job_expression = rule->job,
                                          .namespace_expression = rule->name_space,
                                          .producer_expression = rule->producer};
    return !rule->has_conditions ||
           conditions_hold(&conditions, r->matcher, event, c->type == RULE_REDACT);
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
    const enum ol__event_kind kind = event->kind;
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
        status = run_stage(r, i, is_held, kind, text, err);
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
