/* SPDX-License-Identifier: Apache-2.0 */
#include "route_filter.h"

#include <stdlib.h>
#include "conditions.h"

#define BUDGET_US 5000 /* of all expressions on one event */

enum side { ONLY, EXCEPT, SIDES };
struct expressions {
    struct ol__expression *job, *name_space, *producer; /* owned; NULL: none */
};

struct route_filter {
    const struct route_match *matches[SIDES]; /* borrowed; NULL: nothing is asked there */
    struct expressions expressions[SIDES];
    struct ol__matcher *matcher; /* NULL: no expression */
    struct ol__event_reader *events;
    bool reads_events; /* the source alone does not tell */
};

static const char *const source_names[] = {
    [SPOOL_FROM_HTTP] = "http", [SPOOL_FROM_JOURNAL] = "journal", [SPOOL_FROM_KAFKA] = "kafka",
    [SPOOL_FROM_FILE] = "file", [SPOOL_FROM_AGENT] = "agent",     [SPOOL_FROM_IMPORT] = "import"};

/* ---- Making ---- */

static bool asks_event(const struct route_match *m)
{
    return m->job.count + m->job_prefix.count + m->name_space.count + m->namespace_prefix.count +
                   m->producer.count + m->producer_prefix.count + m->event_type.count >
               0 ||
           m->job_regex != NULL || m->namespace_regex != NULL || m->producer_regex != NULL;
}

static const char *const side_names[SIDES] = {"only", "except"};

static ol_status check_words(enum side side, const char *key, const struct ol__text_list *list,
                             const char *const *words, size_t count, struct ol_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t k = 0;
        while (k < count && (words[k] == NULL || strcmp(words[k], list->items[i]) != 0))
            k++;
        if (k == count)
            return ol__error_set(err, OL_CONFIG, "%s.%s: there is no '%s'", side_names[side], key,
                                 list->items[i]);
    }
    return OL_OK;
}

static ol_status compile(enum side side, const char *key, const char *text,
                         struct ol__expression **ret, struct ol_error *err)
{
    struct ol_error why = {.message = ""};
    if (text == NULL)
        return OL_OK;
    ol_status status = ol__expression_new(text, true, ret, &why);
    if (status == OL_OK)
        return OL_OK;
    return ol__error_set(err, status == OL_INVALID ? OL_CONFIG : status, "%s.%s: %s",
                         side_names[side], key, why.message);
}

static ol_status add_side(struct route_filter *f, enum side side, const struct route_match *m,
                          struct ol_error *err)
{
    static const char *const types[] = {"START", "RUNNING", "COMPLETE", "ABORT",  "FAIL",
                                        "OTHER", "none",    "JOB",      "DATASET"};
    struct expressions *e = &f->expressions[side];
    if (!asks_event(m) && m->source.count == 0)
        return OL_OK;
    f->matches[side] = m;
    f->reads_events = f->reads_events || asks_event(m);
    ol_status status = check_words(side, "event_type", &m->event_type, types, OL_COUNT(types), err);
    if (status == OL_OK)
        status = check_words(side, "source", &m->source, source_names, OL_COUNT(source_names), err);
    if (status == OL_OK)
        status = compile(side, "job_regex", m->job_regex, &e->job, err);
    if (status == OL_OK)
        status = compile(side, "namespace_regex", m->namespace_regex, &e->name_space, err);
    if (status == OL_OK)
        status = compile(side, "producer_regex", m->producer_regex, &e->producer, err);
    bool has_expression = e->job != NULL || e->name_space != NULL || e->producer != NULL;
    if (status == OL_OK && has_expression && f->matcher == NULL)
        status = ol__matcher_new(&f->matcher, err);
    return status;
}

ol_status route_filter_new(const struct route_config *config, struct route_filter **ret,
                           struct ol_error *err)
{
    struct route_filter *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ol__error_set(err, OL_NOMEM, "route filter: out of memory");
    ol_status status = add_side(f, ONLY, &config->only, err);
    if (status == OL_OK)
        status = add_side(f, EXCEPT, &config->except, err);
    if (status == OL_OK && f->reads_events)
        status = ol__event_reader_new(&f->events, err);
    if (status != OL_OK || (f->matches[ONLY] == NULL && f->matches[EXCEPT] == NULL)) {
        route_filter_free(f);
        f = NULL;
    }
    if (status == OL_OK)
        *ret = f;
    return status;
}

void route_filter_free(struct route_filter *f)
{
    if (f == NULL)
        return;
    for (int side = 0; side < SIDES; side++) {
        ol__expression_free(f->expressions[side].job);
        ol__expression_free(f->expressions[side].name_space);
        ol__expression_free(f->expressions[side].producer);
    }
    ol__matcher_free(f->matcher);
    ol__event_reader_free(f->events);
    free(f);
}

ol_status route_filter_check(const struct agent_config *config, struct ol_error *err)
{
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++) {
        struct route_filter *filter = NULL;
        ol_status status = route_filter_new(&routes[i], &filter, err);
        route_filter_free(filter);
        if (status != OL_OK)
            return ol__error_prefix(err, status, "%s:%lld: route '%s'",
                                    config->config_path != NULL ? config->config_path : "settings",
                                    (long long)routes[i].line, routes[i].name);
    }
    return OL_OK;
}

/* ---- Asking ---- */

static bool is_from(const struct ol__text_list *sources, enum spool_source source)
{
    if (sources->count == 0)
        return true;
    return (size_t)source < OL_COUNT(source_names) && source_names[source] != NULL &&
           conditions_list_has(sources, ol__span_text(source_names[source]));
}

/* @p event NULL: it was not read, or cannot be. */
static bool holds(const struct route_filter *f, enum side side, enum spool_source source,
                  const struct ol__event *event)
{
    const struct route_match *m = f->matches[side];
    const struct expressions *e = &f->expressions[side];
    const bool in_doubt = side == ONLY; /* taken, rather than left out for our own limit */
    if (!is_from(&m->source, source))
        return false;
    if (!asks_event(m))
        return true;
    if (event == NULL)
        return in_doubt;
    const struct conditions conditions = {.event_type = &m->event_type,
                                          .job = &m->job,
                                          .job_prefix = &m->job_prefix,
                                          .name_space = &m->name_space,
                                          .namespace_prefix = &m->namespace_prefix,
                                          .producer = &m->producer,
                                          .producer_prefix = &m->producer_prefix,
                                          .job_expression = e->job,
                                          .namespace_expression = e->name_space,
                                          .producer_expression = e->producer};
    return conditions_hold(&conditions, f->matcher, event, in_doubt);
}

bool route_filter_takes(struct route_filter *f, const struct spool_record *record)
{
    const struct ol__event *event = NULL;
    if (f == NULL || record->source == SPOOL_FROM_DEAD_LETTER)
        return true;
    if (f->reads_events &&
        ol__event_read(f->events, record->data, OL_EVENT_CORE, NULL, -1, &event, NULL) != OL_OK)
        event = NULL;
    if (f->matcher != NULL)
        ol__matcher_begin(f->matcher, BUDGET_US);
    return (f->matches[ONLY] == NULL || holds(f, ONLY, record->source, event)) &&
           (f->matches[EXCEPT] == NULL || !holds(f, EXCEPT, record->source, event));
}
