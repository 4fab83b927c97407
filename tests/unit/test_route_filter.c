/* SPDX-License-Identifier: Apache-2.0 */
/* Proves agent/route_filter.h, read from settings as users write them: each condition in each form,
 * alone and together, for runs, jobs and datasets; what a mistake is told as; what is taken in
 * doubt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include "route_filter.h"

#define START 0
#define COMPLETE 1
#define TYPELESS 2
#define JOB 3
#define DATASET 4
#define BROKEN 5
static const char *const events[] = {
    "{\"eventType\":\"START\",\"eventTime\":\"2026-11-21T09:00:00Z\",\"run\":{\"runId\":\"r\"},"
    "\"job\":{\"namespace\":\"prod-eu\",\"name\":\"etl.orders\"},\"producer\":\"https://a/x\"}",
    "{\"eventType\":\"COMPLETE\",\"eventTime\":\"2026-11-21T09:00:00Z\",\"run\":{\"runId\":\"r\"},"
    "\"job\":{\"namespace\":\"dev\",\"name\":\"tmp\"},\"producer\":\"https://b\"}",
    "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"run\":{\"runId\":\"r\"},"
    "\"job\":{\"namespace\":\"dev\",\"name\":\"etl.items\"},\"producer\":\"https://a/y\"}",
    "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"job\":{\"namespace\":\"prod-us\",\"name\":\"etl.x\"}"
    ","
    "\"producer\":\"https://a/x\"}",
    "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"dataset\":{\"namespace\":\"prod-eu\",\"name\":\"d\"}"
    ","
    "\"producer\":\"https://a/x\"}",
    "no event",
};

/* A route with @p more in it; NULL: refused, err says why. */
static struct route_filter *make(struct agent_config *config, const char *more,
                                 struct ol_error *err)
{
    char yaml[1200];
    struct route_filter *filter = NULL;
    int size =
        snprintf(yaml, sizeof yaml, "routes:\n  - { name: r, type: file, path: /x, %s }\n", more);
    *config = (struct agent_config){0};
    assert_int_equal(ol__settings_defaults(agent_settings, config, err), OL_OK);
    if (ol__settings_read(agent_settings, config, "f",
                          (struct ol__span){.data = yaml, .size = (size_t)size}, err) != OL_OK)
        fail_msg("%s: %s", more, err->message);
    ol_status status = route_filter_new(config->routes.items, &filter, err);
    if (status != OL_OK)
        assert_int_equal(route_filter_check(config, err), OL_CONFIG);
    return status == OL_OK ? filter : NULL;
}

static void what_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *settings;
        unsigned taken; /* bits of events */
    } rows[] = {
        {"only: { namespace: [prod-eu] }", 1 << START | 1 << DATASET | 1 << BROKEN},
        {"only: { namespace_prefix: [prod-] }", 1 << START | 1 << JOB | 1 << DATASET | 1 << BROKEN},
        {"only: { namespace_regex: 'prod-(eu|us)' }",
         1 << START | 1 << JOB | 1 << DATASET | 1 << BROKEN},
        {"only: { namespace_regex: 'prod' }", 1 << BROKEN}, /* the whole of it */
        {"only: { job: [tmp, none] }", 1 << COMPLETE | 1 << BROKEN},
        {"only: { job_prefix: [etl.] }", 1 << START | 1 << TYPELESS | 1 << JOB | 1 << BROKEN},
        {"only: { job_regex: '.*s', job: [tmp] }",
         1 << START | 1 << COMPLETE | 1 << TYPELESS | 1 << BROKEN},
        {"only: { producer: ['https://b'] }", 1 << COMPLETE | 1 << BROKEN},
        {"only: { producer_prefix: ['https://a/'], namespace: [dev] }",
         1 << TYPELESS | 1 << BROKEN},
        {"only: { event_type: [START, none] }", 1 << START | 1 << TYPELESS | 1 << BROKEN},
        {"only: { event_type: [JOB, DATASET] }", 1 << JOB | 1 << DATASET | 1 << BROKEN},
        {"except: { event_type: [COMPLETE] }",
         1 << START | 1 << TYPELESS | 1 << JOB | 1 << DATASET | 1 << BROKEN},
        {"except: { namespace: [dev], job: [tmp] }",
         1 << START | 1 << TYPELESS | 1 << JOB | 1 << DATASET | 1 << BROKEN},
        {"only: { namespace_prefix: [prod-] }, except: { event_type: [START] }",
         1 << JOB | 1 << DATASET | 1 << BROKEN},
        {"only: { source: [http] }", 0x3f},
        {"only: { source: [journal, agent] }", 0},
        {"except: { source: [http], namespace: [dev] }",
         1 << START | 1 << JOB | 1 << DATASET | 1 << BROKEN},
        {"except: { source: [http] }", 0},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct agent_config config;
        struct ol_error err = {.message = ""};
        struct route_filter *filter = make(&config, rows[i].settings, &err);
        if (filter == NULL)
            fail_msg("%s: %s", rows[i].settings, err.message);
        for (unsigned e = 0; e < OL_COUNT(events); e++) {
            struct spool_record record = {.source = SPOOL_FROM_HTTP,
                                          .data = ol__span_text(events[e])};
            bool expected = (rows[i].taken >> e & 1) != 0;
            if (route_filter_takes(filter, &record) != expected)
                fail_msg("%s: event %u is %staken", rows[i].settings, e, expected ? "not " : "");
            record.source = SPOOL_FROM_DEAD_LETTER; /* somebody asked for it */
            assert_true(route_filter_takes(filter, &record));
        }
        route_filter_free(filter);
        ol__settings_release(agent_settings, &config);
    }
}

static void no_condition_is_no_filter(void **state)
{
    (void)state;
    struct agent_config config;
    struct ol_error err = {.message = ""};
    struct spool_record record = {.source = SPOOL_FROM_HTTP, .data = ol__span_text(events[0])};
    assert_null(make(&config, "only: { namespace: [] }", &err));
    assert_string_equal(err.message, "");
    assert_true(route_filter_takes(NULL, &record));
    ol__settings_release(agent_settings, &config);
}

static void mistakes_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *told;
    } rows[] = {
        {"only: { event_type: [START, Start] }",
         ":2: route 'r': only.event_type: there is no 'Start'"},
        {"except: { source: [smtp] }", ":2: route 'r': except.source: there is no 'smtp'"},
        {"except: { source: [dead_letter] }", "except.source: there is no 'dead_letter'"},
        {"only: { job_regex: '(' }", ":2: route 'r': only.job_regex: "},
        {"except: { producer_regex: '[z-a]' }", "except.producer_regex: "},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct agent_config config;
        struct ol_error err = {.message = ""};
        assert_null(make(&config, rows[i].settings, &err));
        if (strstr(err.message, rows[i].told) == NULL)
            fail_msg("%s: %s", rows[i].settings, err.message);
        ol__settings_release(agent_settings, &config);
    }
}

/* An expression that would take for ever: the event is taken, soon. */
static void a_catastrophic_expression_takes_in_doubt(void **state)
{
    (void)state;
    static char text[20000];
    struct agent_config config;
    struct ol_error err = {.message = ""};
    char name[4000];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(
        text, sizeof text,
        "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"run\":{\"runId\":\"r\"},\"job\":{\"namespace\":"
        "\"n\",\"name\":\"%s!b\"},\"producer\":\"https://p\"}",
        name);
    struct spool_record record = {.source = SPOOL_FROM_HTTP, .data = ol__span_text(text)};
    static const char *const rows[] = {"only: { job_regex: '(a+)+b' }",
                                       "except: { job_regex: '(a+)+b' }"};
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct route_filter *filter = make(&config, rows[i], &err);
        assert_non_null(filter);
        assert_true(route_filter_takes(filter, &record));
        route_filter_free(filter);
        ol__settings_release(agent_settings, &config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken),
        cmocka_unit_test(no_condition_is_no_filter),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(a_catastrophic_expression_takes_in_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
