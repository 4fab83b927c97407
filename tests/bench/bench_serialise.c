/* SPDX-License-Identifier: Apache-2.0 */
/* Building and serialising an event (a run, its facets, `emit` into the transport `noop`) against
 * yajl_gen writing the same bytes from tokens that are already there. The bytes are compared first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"
#include "event.h"
#include "tokens.h"

#define EVENTS 2000 /* a burst */

struct side {
    const struct bench_event *event;
    struct ol_client *client;
    struct tokens tokens;
    yajl_gen gen;
};

/* ---- bursts ---- */

typedef void one_event(struct side *side);

static void one_of_yajl(struct side *side)
{
    tokens_generate(side->gen, &side->tokens);
    tokens_forget(side->gen);
}

static void one_of_ours(struct side *side)
{
    bench_event_emit(side->event, side->client);
}

static void burst(struct side *side, one_event *one, struct bench_figures *ret)
{
    struct bench_times times;
    bench_times_init(&times, EVENTS);
    int64_t cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < EVENTS; i++) {
        int64_t t0 = bench_now_ns();
        one(side);
        bench_times_add(&times, bench_now_ns() - t0);
    }
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / EVENTS;
    ret->of[BENCH_P50] = bench_times_at(&times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(&times, 0.99);
    bench_times_release(&times);
}

static void burst_of_yajl(void *arg, struct bench_figures *ret)
{
    burst(arg, one_of_yajl, ret);
}

static void burst_of_ours(void *arg, struct bench_figures *ret)
{
    burst(arg, one_of_ours, ret);
}

/* ---- the whole ---- */

static void measure(enum bench_size size)
{
    static struct bench_event event;
    struct side side = {.event = &event};
    struct ol_error err;
    size_t bytes;
    char what[128];
    bench_event_init(&event, size);
    char *line = bench_event_line(&event, &bytes);
    tokens_read(line, bytes, &side.tokens);
    side.gen = yajl_gen_alloc(NULL);
    if (side.gen == NULL)
        bench_die("out of memory");
    tokens_check(side.gen, &side.tokens, line, bytes);
    side.client = bench_client_open(NULL);
    const struct bench_side sides[] = {{"yajl_gen", burst_of_yajl, &side},
                                       {"libopenlineage", burst_of_ours, &side}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_run(&set);
    snprintf(what, sizeof what, "%zu bytes", bytes);
    bench_say_sides(&set, what);
    snprintf(what, sizeof what, "%s: build and serialise, p50, to yajl_gen of the same bytes",
             bench_event_name(size));
    bench_at_most(&set, "serialise", 1, BENCH_P50, 0.4, what);
    bench_release(&set);
    if (ol_client_close(side.client, 0, &err) != OL_OK)
        bench_die("close: %s", err.message);
    yajl_gen_free(side.gen);
    tokens_release(&side.tokens);
    free(line);
}

int main(void)
{
    bench_begin("bench_serialise", "building and serialising against yajl_gen");
    measure(BENCH_MID);
    measure(BENCH_SMALL);
    return 0;
}
