/* SPDX-License-Identifier: Apache-2.0 */
/* The sums on disk (spec/SPOOL.md, `answers/ROUTE`): "LNANSW01", then little-endian numbers of 8
 * bytes, texts as size and bytes; the XXH3-64 of all before it at the end. Promise: bytes from
 * outside change nothing but by giving OL_CORRUPT. */
#include "summary.h"

#include <stdlib.h>
#include <xxhash.h>

#define MAGIC "LNANSW01"
#define MAGIC_SIZE (sizeof MAGIC - 1)
#define NAME_MAX (1u << 20) /* of a run or job */

/* ---- Writing ---- */

static void put(struct ol__buf *out, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    ol__buf_add(out, bytes, sizeof bytes);
}

static void put_real(struct ol__buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put(out, bits);
}

static void put_text(struct ol__buf *out, const char *text)
{
    size_t size = strlen(text);
    put(out, size);
    ol__buf_add(out, text, size);
}

static void put_named(struct ol__buf *out, const struct summary_named *list, size_t count)
{
    put(out, count);
    for (size_t i = 0; i < count; i++) {
        put_text(out, list[i].name);
        put(out, list[i].count);
        put_real(out, list[i].sum);
    }
}

static void put_summary(struct ol__buf *out, const struct summary *w)
{
    uint64_t used = 0;
    put(out, w->lane_kind);
    ol__buf_add(out, w->lane, sizeof w->lane);
    put_text(out, w->run_id);
    put_text(out, w->job_namespace);
    put_text(out, w->job_name);
    const int64_t times[] = {w->start_ms, w->window_ms, w->first_at, w->last_at, w->last_taken_ms};
    for (size_t i = 0; i < OL_COUNT(times); i++)
        put(out, (uint64_t)times[i]);
    const uint64_t numbers[] = {w->first_seq,     w->last_seq,  w->is_closed,  w->count,
                                w->cached,        w->has_input, w->has_output, w->input_tokens,
                                w->output_tokens, w->latencies};
    for (size_t i = 0; i < OL_COUNT(numbers); i++)
        put(out, numbers[i]);
    for (int i = 0; i < SUMMARY_OUTCOMES; i++)
        put(out, w->outcomes[i]);
    put_real(out, w->latency_sum);
    put_real(out, w->latency_min);
    put_real(out, w->latency_max);
    for (size_t i = 0; i < SUMMARY_BUCKETS; i++)
        used += w->buckets[i] > 0;
    put(out, used);
    for (size_t i = 0; i < SUMMARY_BUCKETS; i++)
        if (w->buckets[i] > 0)
            put(out, (uint64_t)i << 32 | w->buckets[i]);
    put_named(out, w->models, w->model_count);
    put_named(out, w->costs, w->cost_count);
}

ol_status summaries_write(const struct summaries *s, const struct ol__uuid *spool,
                          struct ol__buf *out)
{
    size_t begin = out->size;
    ol__buf_add(out, MAGIC, MAGIC_SIZE);
    ol__buf_add(out, spool->bytes, sizeof spool->bytes);
    put(out, s->taken_seq);
    put(out, s->count);
    for (size_t i = 0; i < s->count; i++)
        put_summary(out, s->items[i]);
    if (out->status == OL_OK)
        put(out, XXH3_64bits(out->data + begin, out->size - begin));
    return out->status;
}

/* ---- Reading ---- */

struct reader {
    const uint8_t *at, *end;
    bool is_bad, is_nomem;
};

static const uint8_t *get_bytes(struct reader *r, uint64_t size)
{
    const uint8_t *at = r->at;
    if (r->is_bad || size > (uint64_t)(r->end - r->at)) {
        r->is_bad = true;
        return NULL;
    }
    r->at += size;
    return at;
}

static uint64_t get(struct reader *r)
{
    const uint8_t *bytes = get_bytes(r, 8);
    uint64_t value = 0;
    for (int i = 0; bytes != NULL && i < 8; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static double get_real(struct reader *r)
{
    uint64_t bits = get(r);
    double value;
    memcpy(&value, &bits, sizeof value);
    if (!(value - value == 0))
        r->is_bad = true;
    return r->is_bad ? 0 : value;
}

static char *get_text(struct reader *r, size_t max)
{
    uint64_t size = get(r);
    if (size > max)
        r->is_bad = true;
    const uint8_t *bytes = get_bytes(r, size);
    if (bytes == NULL || memchr(bytes, '\0', size) != NULL) {
        r->is_bad = true;
        return NULL;
    }
    char *text = strndup((const char *)bytes, size);
    if (text == NULL)
        r->is_nomem = r->is_bad = true;
    return text;
}

static void get_named(struct reader *r, struct summary_named *list, size_t *count, size_t max)
{
    uint64_t wanted = get(r);
    if (wanted > max)
        r->is_bad = true;
    for (uint64_t i = 0; i < wanted && !r->is_bad; i++) {
        char *name = get_text(r, SUMMARY_TEXT_MAX);
        if (name == NULL)
            return;
        list[*count].name = name; /* owned from here on */
        list[*count].count = get(r);
        list[(*count)++].sum = get_real(r);
    }
}

static void get_buckets(struct reader *r, struct summary *w)
{
    uint64_t used = get(r);
    for (uint64_t i = 0; i < used && !r->is_bad; i++) {
        uint64_t entry = get(r);
        if (entry >> 32 >= SUMMARY_BUCKETS)
            r->is_bad = true;
        else
            w->buckets[entry >> 32] = (uint32_t)entry;
    }
}

static struct summary *get_summary(struct reader *r)
{
    struct summary *w = calloc(1, sizeof *w);
    if (w == NULL) {
        r->is_nomem = r->is_bad = true;
        return NULL;
    }
    w->lane_kind = (uint8_t)get(r);
    const uint8_t *lane = get_bytes(r, sizeof w->lane);
    if (lane != NULL)
        memcpy(w->lane, lane, sizeof w->lane);
    w->run_id = get_text(r, NAME_MAX);
    w->job_namespace = get_text(r, NAME_MAX);
    w->job_name = get_text(r, NAME_MAX);
    int64_t *const times[] = {&w->start_ms, &w->window_ms, &w->first_at, &w->last_at,
                              &w->last_taken_ms};
    for (size_t i = 0; i < OL_COUNT(times); i++)
        *times[i] = (int64_t)get(r);
    w->first_seq = get(r);
    w->last_seq = get(r);
    w->is_closed = w->is_saved = get(r) != 0;
    w->count = get(r);
    w->cached = get(r);
    w->has_input = get(r) != 0;
    w->has_output = get(r) != 0;
    w->input_tokens = get(r);
    w->output_tokens = get(r);
    w->latencies = get(r);
    for (int i = 0; i < SUMMARY_OUTCOMES; i++)
        w->outcomes[i] = get(r);
    w->latency_sum = get_real(r);
    w->latency_min = get_real(r);
    w->latency_max = get_real(r);
    get_buckets(r, w);
    get_named(r, w->models, &w->model_count, SUMMARY_MODELS_MAX);
    get_named(r, w->costs, &w->cost_count, SUMMARY_COSTS_MAX);
    if (w->window_ms <= 0 || w->window_ms > INT64_C(86400000) || w->start_ms < 0 ||
        w->start_ms > INT64_MAX / 2)
        r->is_bad = true;
    if (r->is_bad) {
        summary_free(w);
        return NULL;
    }
    return w;
}

ol_status summaries_read(struct summaries *s, struct ol__span bytes, struct ol__uuid *ret_spool)
{
    if (bytes.size < MAGIC_SIZE + 8 || memcmp(bytes.data, MAGIC, MAGIC_SIZE) != 0)
        return OL_CORRUPT;
    struct reader tail = {.at = (const uint8_t *)bytes.data + bytes.size - 8,
                          .end = (const uint8_t *)bytes.data + bytes.size};
    if (get(&tail) != XXH3_64bits(bytes.data, bytes.size - 8))
        return OL_CORRUPT;
    struct reader r = {.at = (const uint8_t *)bytes.data + MAGIC_SIZE,
                       .end = (const uint8_t *)bytes.data + bytes.size - 8};
    const uint8_t *uuid = get_bytes(&r, sizeof ret_spool->bytes);
    if (uuid != NULL)
        memcpy(ret_spool->bytes, uuid, sizeof ret_spool->bytes);
    s->taken_seq = get(&r);
    uint64_t count = get(&r);
    if (count > SUMMARY_WINDOWS_MAX)
        r.is_bad = true;
    if (!r.is_bad && count > 0) {
        s->items = calloc(count, sizeof(void *));
        s->cap = s->items != NULL ? count : 0;
        r.is_nomem = r.is_bad = s->items == NULL;
    }
    while (!r.is_bad && s->count < count) {
        struct summary *w = get_summary(&r);
        if (w == NULL)
            break;
        w->ticket = s->next_ticket++;
        s->items[s->count++] = w;
    }
    if (!r.is_bad && r.at == r.end)
        return OL_OK;
    summaries_release(s);
    return r.is_nomem ? OL_NOMEM : OL_CORRUPT;
}
