/* SPDX-License-Identifier: Apache-2.0 */
#include "conditions.h"

bool conditions_list_has(const struct ol__text_list *list, struct ol__span text)
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

/* One condition in its three forms. */
static bool fits(struct ol__matcher *matcher, const struct ol__text_list *exact,
                 const struct ol__text_list *prefixes, const struct ol__expression *expression,
                 struct ol__span text, bool in_doubt)
{
    struct ol__match match[OL_EXPRESSION_GROUPS];
    if (exact->count == 0 && prefixes->count == 0 && expression == NULL)
        return true;
    if (text.size == 0)
        return false;
    if (conditions_list_has(exact, text) || begins_with_one(prefixes, text))
        return true;
    if (expression == NULL)
        return false;
    enum ol__found found = ol__expression_find(expression, matcher, text, 0, match);
    return found == OL_FOUND || (found == OL_FOUND_LIMIT && in_doubt);
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
    return conditions_list_has(types, name);
}

bool conditions_hold(const struct conditions *c, struct ol__matcher *matcher,
                     const struct ol__event *event, bool in_doubt)
{
    bool is_dataset = event->kind == OL_EVENT_DATASET;
    return is_of_type(c->event_type, event) &&
           fits(matcher, c->name_space, c->namespace_prefix, c->namespace_expression,
                is_dataset ? event->dataset_namespace : event->job_namespace, in_doubt) &&
           fits(matcher, c->job, c->job_prefix, c->job_expression,
                is_dataset ? (struct ol__span){NULL, 0} : event->job_name, in_doubt) &&
           fits(matcher, c->producer, c->producer_prefix, c->producer_expression, event->producer,
                in_doubt);
}
