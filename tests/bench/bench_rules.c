/* SPDX-License-Identifier: Apache-2.0 */
/* What rules cost an event, against the event's own reading at the door (both over the same bytes
 * in memory): all built-in patterns on an event without and with secrets, a pattern of the user's,
 * a renaming. Without rules there is nothing to measure: one comparison. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "event.h"
#include "rules.h"

#define EVENTS 2000 /* a burst */

struct side {
    struct agent_config config;
    struct rules *rules; /* NULL: only the reading */
    struct ol__event_reader *reader;
    struct ol__span event;
    ol_status expected;
};

static void burst(void *arg, struct bench_figures *ret)
{
    struct side *side = arg;
    struct bench_times times;
    const struct ol__event *read;
    struct ol__span left;
    ol_status status;
    bench_times_init(&times, EVENTS);
    status = ol__event_read(side->reader, side->event, OL_EVENT_CORE, NULL, -1, &read, NULL);
    if (status != OL_OK)
        bench_die("the event is none");
    for (int i = 0; i < EVENTS; i++) {
        int64_t t0 = bench_now_ns();
        status =
            side->rules != NULL
                ? rules_apply(side->rules, side->event, read, NULL, &left, NULL)
                : ol__event_read(side->reader, side->event, OL_EVENT_CORE, NULL, -1, &read, NULL);
        bench_times_add(&times, bench_now_ns() - t0);
        if (status != side->expected)
            bench_die("the rules came to %d, not %d", (int)status, (int)side->expected);
    }
    ret->of[BENCH_P50] = bench_times_at(&times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(&times, 0.99);
    bench_times_release(&times);
}

static void open_side(struct side *side, const char *rule, struct ol__span event,
                      ol_status expected)
{
    char yaml[512];
    struct ol_error err = {.message = ""};
    *side = (struct side){.event = event, .expected = expected};
    int size = snprintf(yaml, sizeof yaml, "rules:\n  - %s\n", rule != NULL ? rule : "");
    ol_status status = ol__event_reader_new(&side->reader, &err);
    if (status == OL_OK)
        status = ol__settings_defaults(agent_settings, &side->config, &err);
    if (status == OL_OK && rule != NULL)
        status = ol__settings_read(agent_settings, &side->config, "bench",
                                   (struct ol__span){yaml, (size_t)size}, &err);
    if (status == OL_OK)
        status = rules_new(&side->config, NULL, &side->rules, &err);
    if (status != OL_OK)
        bench_die("%s", err.message);
}

static void close_side(struct side *side)
{
    rules_free(side->rules);
    ol__event_reader_free(side->reader);
    ol__settings_release(agent_settings, &side->config);
}

static void measure(enum bench_size size)
{
    static const struct {
        const char *name, *rule;
        bool has_secrets;
        ol_status expected;
    } rows[] = {
        {"reading", NULL, false, OL_OK},
        {"all built-in patterns, no secret", "{ name: r, type: redact, builtin: [all] }", false,
         OL_OK},
        {"card, ssn and email, no secret", "{ name: r, type: redact, builtin: [card, ssn, email] }",
         false, OL_OK},
        {"all built-in patterns, two secrets", "{ name: r, type: redact, builtin: [all] }", true,
         OL_AGAIN},
        {"a pattern of the user's", "{ name: r, type: redact, pattern: 'emp[0-9]{6}' }", false,
         OL_OK},
        {"a namespace renamed", "{ name: r, type: rename, from_regex: 'b.*', to: c, of: jobs }",
         false, OL_AGAIN},
    };
    static struct bench_event event;
    struct side sides[OL_COUNT(rows)];
    struct bench_side list[OL_COUNT(rows)];
    size_t bytes;
    char what[160];
    bench_event_init(&event, size);
    char *line = bench_event_line(&event, &bytes);
    struct ol__buf secret;
    ol__buf_init(&secret, 1 << 20); /* the same, with two secrets as its last member */
    ol__buf_add(&secret, line, bytes - 1);
    if (ol__buf_add_text(&secret, ",\"x\":[\"4111 1111 1111 1111\",\"jane@example.org\"]}") !=
        OL_OK)
        bench_die("out of memory");
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__span text = rows[i].has_secrets ? (struct ol__span){secret.data, secret.size}
                                                   : (struct ol__span){line, bytes};
        open_side(&sides[i], rows[i].rule, text, rows[i].expected);
        list[i] = (struct bench_side){rows[i].name, burst, &sides[i]};
    }
    struct bench_set set = {.sides = list, .side_count = OL_COUNT(rows)};
    bench_run(&set);
    snprintf(what, sizeof what, "%zu bytes", bytes);
    bench_say_sides(&set, what);
    for (size_t i = 1; i < OL_COUNT(rows); i++)
        bench_say("rules", bench_ratio(&set, i, 0, BENCH_P50), "", true, 0,
                  "%s: %s, p50, to reading the event", bench_event_name(size), rows[i].name);
    bench_release(&set);
    for (size_t i = 0; i < OL_COUNT(rows); i++)
        close_side(&sides[i]);
    ol__buf_release(&secret);
    free(line);
}

int main(void)
{
    bench_begin("bench_rules", "rules against the reading of the same event");
    measure(BENCH_MID);
    measure(BENCH_SMALL);
    return 0;
}
