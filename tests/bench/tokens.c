/* SPDX-License-Identifier: Apache-2.0 */
#include "tokens.h"

#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>
#include "bench.h"

enum kind { NUL, BOOLEAN, NUMBER, TEXT, KEY, BEGIN_MAP, END_MAP, BEGIN_ARRAY, END_ARRAY };
struct token {
    enum kind kind;
    int truth;
    unsigned char *text; /* owned */
    size_t size;
};
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

void tokens_read(const char *text, size_t size, struct tokens *ret)
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

void tokens_generate(yajl_gen gen, const struct tokens *tokens)
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

void tokens_forget(yajl_gen gen)
{
    yajl_gen_clear(gen);
    yajl_gen_reset(gen, NULL);
}

void tokens_check(yajl_gen gen, const struct tokens *tokens, const char *line, size_t size)
{
    const unsigned char *text;
    size_t generated;
    tokens_generate(gen, tokens);
    if (yajl_gen_get_buf(gen, &text, &generated) != yajl_gen_status_ok || generated != size ||
        memcmp(text, line, size) != 0)
        bench_die("yajl_gen writes %zu other bytes than our %zu", generated, size);
    tokens_forget(gen);
}

void tokens_release(struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++)
        free(tokens->items[i].text);
    free(tokens->items);
    *tokens = (struct tokens){0};
}
