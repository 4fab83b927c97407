/* SPDX-License-Identifier: Apache-2.0 */
/* Building and serialising an event (a run, its facets, `emit` into the transport `noop`) against
 * yajl_gen writing the same bytes from tokens that are already there. The bytes are compared first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>
#include "bench.h"
#include "event.h"

#define EVENTS 2000 /* a burst */

enum kind { NUL, BOOLEAN, NUMBER, TEXT, KEY, BEGIN_MAP, END_MAP, BEGIN_ARRAY, END_ARRAY };
struct token {
    enum kind kind;
    int truth;
    unsigned char *text; /* owned */
    size_t size;
};
struct tokens {
    struct token *items;
    size_t count, max;
};
struct side {
    const struct bench_event *event;
    struct ol_client *client;
    struct tokens tokens;
    yajl_gen gen;
};

/* ---- tokens ---- */

static int add(void *ctx, enum kind kind, const unsigned char *text, size_t size, int truth)
{
    struct tokens *t = ctx;
    if (t->count == t->max) {
        t->max = t->max * 2 + 256;
        t->items = realloc(t->items, t->max * sizeof *t->items);
        if (t->items == NULL)
            bench_die("out of memory");
    }
    unsigned char *copy = bench_alloc(size + 1);
    if (size > 0)
        memcpy(copy, text, size);
    t->items[t->count++] = (struct token){.kind = kind, .truth = truth, .text = copy, .size = size};
    return 1;
}
static int add_null(void *ctx)
{
    return add(ctx, NUL, NULL, 0, 0);
}
static int add_boolean(void *ctx, int value)
{
    return add(ctx, BOOLEAN, NULL, 0, value);
}
static int add_number(void *ctx, const char *text, size_t size)
{
    return add(ctx, NUMBER, (const unsigned char *)text, size, 0);
}
static int add_text(void *ctx, const unsigned char *text, size_t size)
{
    return add(ctx, TEXT, text, size, 0);
}
static int add_key(void *ctx, const unsigned char *text, size_t size)
{
    return add(ctx, KEY, text, size, 0);
}
static int begin_map(void *ctx)
{
    return add(ctx, BEGIN_MAP, NULL, 0, 0);
}
static int end_map(void *ctx)
{
    return add(ctx, END_MAP, NULL, 0, 0);
}
static int begin_array(void *ctx)
{
    return add(ctx, BEGIN_ARRAY, NULL, 0, 0);
}
static int end_array(void *ctx)
{
    return add(ctx, END_ARRAY, NULL, 0, 0);
}

static void read_tokens(const char *text, size_t size, struct tokens *ret)
{
    static const yajl_callbacks callbacks = {add_null,   add_boolean, NULL,      NULL,
                                             add_number, add_text,    begin_map, add_key,
                                             end_map,    begin_array, end_array};
    yajl_handle h = yajl_alloc(&callbacks, NULL, ret);
    if (h == NULL || yajl_parse(h, (const unsigned char *)text, size) != yajl_status_ok ||
        yajl_complete_parse(h) != yajl_status_ok)
        bench_die("the event is no JSON");
    yajl_free(h);
}

static void generate(yajl_gen gen, const struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *t = &tokens->items[i];
        yajl_gen_status st;
        switch (t->kind) {
        case NUL:
            st = yajl_gen_null(gen);
            break;
        case BOOLEAN:
            st = yajl_gen_bool(gen, t->truth);
            break;
        case NUMBER:
            st = yajl_gen_number(gen, (const char *)t->text, t->size);
            break;
        case BEGIN_MAP:
            st = yajl_gen_map_open(gen);
            break;
        case END_MAP:
            st = yajl_gen_map_close(gen);
            break;
        case BEGIN_ARRAY:
            st = yajl_gen_array_open(gen);
            break;
        case END_ARRAY:
            st = yajl_gen_array_close(gen);
            break;
        default:
            st = yajl_gen_string(gen, t->text, t->size);
        }
        if (st != yajl_gen_status_ok && st != yajl_gen_generation_complete)
            bench_die("yajl_gen: status %d", (int)st);
    }
}

/* ---- bursts ---- */

typedef void one_event(struct side *side);

static void one_of_yajl(struct side *side)
{
    generate(side->gen, &side->tokens);
    yajl_gen_clear(side->gen);
    yajl_gen_reset(side->gen, NULL);
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

static char *one_line(const struct bench_event *event, size_t *ret_size)
{
    char directory[256];
    struct ol_error err;
    bench_directory_make(directory, sizeof directory);
    struct ol_client *client = bench_client_open(directory);
    bench_event_emit(event, client);
    char *line = bench_last_line(directory, ret_size);
    if (ol_client_close(client, 0, &err) != OL_OK)
        bench_die("close: %s", err.message);
    bench_directory_remove(directory);
    return line;
}

static void check_same(struct side *side, const char *line, size_t size)
{
    const unsigned char *text;
    size_t generated;
    generate(side->gen, &side->tokens);
    if (yajl_gen_get_buf(side->gen, &text, &generated) != yajl_gen_status_ok || generated != size ||
        memcmp(text, line, size) != 0)
        bench_die("yajl_gen writes %zu other bytes than our %zu", generated, size);
    yajl_gen_clear(side->gen);
    yajl_gen_reset(side->gen, NULL);
}

static void measure(enum bench_size size)
{
    static struct bench_event event;
    struct side side = {.event = &event};
    struct ol_error err;
    size_t bytes;
    char what[128];
    bench_event_init(&event, size);
    char *line = one_line(&event, &bytes);
    read_tokens(line, bytes, &side.tokens);
    side.gen = yajl_gen_alloc(NULL);
    if (side.gen == NULL)
        bench_die("out of memory");
    check_same(&side, line, bytes);
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
    for (size_t i = 0; i < side.tokens.count; i++)
        free(side.tokens.items[i].text);
    free(side.tokens.items);
    free(line);
}

int main(void)
{
    bench_begin("bench_serialise", "building and serialising against yajl_gen");
    measure(BENCH_MID);
    measure(BENCH_SMALL);
    return 0;
}
