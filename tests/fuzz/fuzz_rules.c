/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the event: no crash, and within bounds; what the rules leave is an event that the door
 * would take; unchanged means the very bytes; the filter before the built-in patterns hides no
 * match: with it and without it the same comes out. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "builtin.h"
#include "expression.h"
#include "rules.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const char yaml[] =
    "rules_budget: 2s\n" /* time decides nothing here */
    "rules:\n"
    "  - { name: own, type: redact, pattern: '(x+x+)+y|ab\\K[c-f]{2,}' }\n"
    "  - { name: all, type: redact, builtin: [all] }\n"
    "  - { name: place, type: redact, pointer: '/inputs/*/facets/p' }\n"
    "  - { name: facet, type: redact, facet: secret, with: \"\\\"\\n\" }\n"
    "  - { name: rename, type: rename, from_regex: '(a.*)(b?)', to: '$2$1-', from_hosts: [h, "
    "'k:1'] }\n"
    "  - { name: drop, type: drop, event_type: [FAIL], job_prefix: [d] }\n"
    "  - { name: tags, type: tag, run_tags: [a, 'b:c'], job_tags: [d] }\n"
    "  - { name: cap, type: shed, max_facet: 200, max_event: 2000, keep: [k] }\n";

static struct rules *rules;
static struct ol__event_reader *reader;
static struct agent_config config;

static void open_all(void)
{
    struct ol_error err = {.message = ""};
    CHECK(ol__settings_defaults(agent_settings, &config, &err) == OL_OK);
    CHECK(ol__settings_read(agent_settings, &config, "fuzz",
                            (struct ol__span){yaml, sizeof yaml - 1}, &err) == OL_OK);
    CHECK(rules_new(&config, NULL, &rules, &err) == OL_OK);
    CHECK(ol__event_reader_new(&reader, &err) == OL_OK);
}

/* Each built-in pattern on the bytes as a text: what matches was seen by the filter. */
static void check_filter(struct ol__span text)
{
    static struct ol__expression *expressions[BUILTIN_MAX];
    static struct builtin_filter *filter;
    static struct ol__matcher *matcher;
    struct ol__match match[OL_EXPRESSION_GROUPS];
    if (filter == NULL) {
        filter = builtin_filter_new(builtin_find("all"));
        CHECK(filter != NULL && ol__matcher_new(&matcher, NULL) == OL_OK);
        for (size_t i = 0; i < builtin_count; i++)
            CHECK(ol__expression_new(builtins[i].expression, false, &expressions[i], NULL) ==
                  OL_OK);
    }
    uint32_t seen = builtin_filter_find(filter, text, false);
    for (size_t i = 0; i < builtin_count; i++) {
        if ((seen >> i & 1) != 0 ||
            ol__expression_find(expressions[i], matcher, text, 0, match) != OL_FOUND)
            continue;
        struct ol__span what = {text.data + match[0].begin, match[0].end - match[0].begin};
        CHECK(builtins[i].check != NULL && builtins[i].check(what) == 0);
    }
}

static void tell(void *arg, const char *rule, const char *pointer, struct ol__span before,
                 struct ol__span after)
{
    size_t *changes = arg;
    CHECK(rule[0] != '\0' && pointer != NULL && before.size + after.size < SIZE_MAX);
    ++*changes;
}

static ol_status value(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    (void)arg;
    (void)err;
    if (v->type == OL_JSON_STRING)
        check_filter(v->text);
    return OL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ol__json_reader *json;
    const struct ol__span text = {(const char *)data, size};
    const struct ol__event *event;
    struct ol__span left = text;
    struct ol_error err = {.status = OL_OK};
    size_t changes = 0;
    const struct rules_watch watch = {.changed = tell, .arg = &changes};
    if (rules == NULL) {
        open_all();
        CHECK(ol__json_reader_new(&json, NULL) == OL_OK);
    }
    if (ol__event_read(reader, text, OL_EVENT_CORE, NULL, -1, &event, NULL) != OL_OK)
        return 0;
    CHECK(ol__json_read(json, text, NULL, value, NULL, NULL) == OL_OK);
    ol_status status = rules_apply(rules, text, event, &watch, &left, &err);
    CHECK(status == OL_OK || status == OL_AGAIN || status == OL_END);
    CHECK((changes == 0) == (status == OL_OK));
    CHECK(status == OL_AGAIN || left.data == text.data);
    if (status == OL_AGAIN &&
        ol__event_read(reader, left, OL_EVENT_ALL, NULL, -1, &event, &err) != OL_OK) {
        fprintf(stderr, "%s: %.*s\n", err.message, (int)left.size, left.data);
        abort();
    }
    return 0;
}
