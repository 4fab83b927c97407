/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. An answer counts in exactly one summary, that of its run and of the window in which it was
 * taken; of a run one summary is open at most.
 *  2. A closed summary never changes. */
#include "summary.h"

#include <math.h>
#include <stdlib.h>

#define ITEM_SIZE sizeof(void *) /* of summaries.items */
#define BUCKET_WIDTH 1.06
#define LATENCY_LEAST 0.001 /* ms */

void summary_free(struct summary *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->model_count; i++)
        free(w->models[i].name);
    for (size_t i = 0; i < w->cost_count; i++)
        free(w->costs[i].name);
    free(w->run_id);
    free(w->job_namespace);
    free(w->job_name);
    free(w);
}

void summaries_release(struct summaries *s)
{
    for (size_t i = 0; i < s->count; i++)
        summary_free(s->items[i]);
    free(s->items);
    *s = (struct summaries){.window_ms = s->window_ms};
}

const char *summary_outcome_name(enum summary_outcome outcome)
{
    static const char *const names[SUMMARY_OUTCOMES] = {
        NULL, "answered", "abstained", "refused", "fallback", "handoff", "filtered"};
    return names[outcome];
}

/* ---- One ---- */

static size_t bucket_of(double latency_ms)
{
    if (!(latency_ms > LATENCY_LEAST))
        return 0;
    double at = ceil(log(latency_ms / LATENCY_LEAST) / log(BUCKET_WIDTH));
    return at < SUMMARY_BUCKETS - 1 ? (size_t)at : SUMMARY_BUCKETS - 1;
}

double summary_latency_at(const struct summary *w, double part)
{
    uint64_t below = 0, wanted = (uint64_t)ceil(part * (double)w->latencies);
    if (w->latencies == 0)
        return 0;
    for (size_t i = 0; i < SUMMARY_BUCKETS; i++) {
        below += w->buckets[i];
        if (below < OL_MAX(wanted, UINT64_C(1)))
            continue;
        /* the middle of the bucket, as a ratio: at most 3 % off */
        double value = LATENCY_LEAST * pow(BUCKET_WIDTH, (double)i - 0.5);
        return OL_MIN(OL_MAX(value, w->latency_min), w->latency_max);
    }
    return w->latency_max;
}

static void add_latency(struct summary *w, double latency_ms)
{
    bool is_first = w->latencies == 0;
    w->latency_min = is_first ? latency_ms : OL_MIN(w->latency_min, latency_ms);
    w->latency_max = is_first ? latency_ms : OL_MAX(w->latency_max, latency_ms);
    w->latency_sum += latency_ms;
    w->latencies++;
    if (w->buckets[bucket_of(latency_ms)] < UINT32_MAX)
        w->buckets[bucket_of(latency_ms)]++;
}

static bool is_named(const struct summary_named *n, struct ol__span name)
{
    return ol__span_equal(ol__span_text(n->name), name);
}

/* The entry of that name, made if there is room; NULL: none, or no memory. */
static struct summary_named *named(struct summary_named *list, size_t *count, size_t max,
                                   struct ol__span name)
{
    name.size = OL_MIN(name.size, (size_t)SUMMARY_TEXT_MAX);
    for (size_t i = 0; i < *count; i++)
        if (is_named(&list[i], name))
            return &list[i];
    if (*count == max)
        return NULL;
    char *copy = strndup(name.size > 0 ? name.data : "", name.size);
    if (copy == NULL)
        return NULL;
    list[*count] = (struct summary_named){.name = copy};
    return &list[(*count)++];
}

static void add_to(struct summary *w, const struct summary_answer *a,
                   const struct spool_record *record)
{
    w->first_at = w->count == 0 ? a->time_ms : OL_MIN(w->first_at, a->time_ms);
    w->last_at = w->count == 0 ? a->time_ms : OL_MAX(w->last_at, a->time_ms);
    w->last_seq = record->seq;
    w->last_taken_ms = record->time_ms;
    w->count++;
    w->outcomes[a->outcome]++;
    w->cached += a->is_cached;
    if (a->has_latency)
        add_latency(w, a->latency_ms);
    w->has_input = w->has_input || a->has_input;
    w->has_output = w->has_output || a->has_output;
    w->input_tokens += a->input_tokens;
    w->output_tokens += a->output_tokens;
    struct summary_named *n = NULL;
    if (a->model.size > 0)
        n = named(w->models, &w->model_count, SUMMARY_MODELS_MAX, a->model);
    if (n != NULL)
        n->count++;
    n = a->has_cost ? named(w->costs, &w->cost_count, SUMMARY_COSTS_MAX, a->currency) : NULL;
    if (n != NULL)
        n->sum += a->cost;
}

/* ---- All ---- */

static bool is_lane(const struct summary *w, uint8_t kind, const uint8_t lane[16])
{
    return w->lane_kind == kind && memcmp(w->lane, lane, 16) == 0;
}

static int64_t window_of(const struct summaries *s, int64_t taken_ms)
{
    int64_t into = taken_ms % s->window_ms;
    return taken_ms - (into < 0 ? into + s->window_ms : into);
}

static char *copy_span(struct ol__span text)
{
    return strndup(text.size > 0 ? text.data : "", text.size);
}

static struct summary *begin(struct summaries *s, const struct summary_answer *a,
                             const struct spool_record *record)
{
    if (s->count == s->cap) {
        size_t cap = s->cap > 0 ? s->cap * 2 : 8;
        struct summary **items = realloc(s->items, cap * ITEM_SIZE);
        if (items == NULL)
            return NULL;
        s->items = items;
        s->cap = cap;
    }
    struct summary *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->run_id = copy_span(a->run_id);
    w->job_namespace = copy_span(a->job_namespace);
    w->job_name = copy_span(a->job_name);
    if (w->run_id == NULL || w->job_namespace == NULL || w->job_name == NULL) {
        summary_free(w);
        return NULL;
    }
    w->lane_kind = record->lane_kind;
    memcpy(w->lane, record->lane, sizeof w->lane);
    w->ticket = s->next_ticket++;
    w->window_ms = s->window_ms;
    w->start_ms = window_of(s, record->time_ms);
    w->first_seq = record->seq;
    s->items[s->count++] = w;
    return w;
}

ol_status summaries_add(struct summaries *s, const struct summary_answer *answer,
                        const struct spool_record *record)
{
    struct summary *open = NULL;
    int64_t start = window_of(s, record->time_ms);
    /* From the end: the newest is the likeliest. */
    for (size_t i = s->count; i-- > 0 && open == NULL;)
        if (!s->items[i]->is_closed && is_lane(s->items[i], record->lane_kind, record->lane))
            open = s->items[i];
    bool is_other = open != NULL && (open->start_ms != start || open->window_ms != s->window_ms);
    if (open == NULL || is_other) {
        if (s->count >= SUMMARY_WINDOWS_MAX)
            return OL_FULL;
        struct summary *before = open;
        open = begin(s, answer, record);
        if (open == NULL)
            return OL_NOMEM;
        if (is_other)
            before->is_closed = true;
    }
    add_to(open, answer, record);
    s->taken_seq = OL_MAX(s->taken_seq, record->seq);
    return OL_OK;
}

bool summaries_close_ended(struct summaries *s, int64_t now_ms)
{
    bool has_closed = false;
    for (size_t i = 0; i < s->count; i++) {
        struct summary *w = s->items[i];
        if (w->is_closed || now_ms < w->start_ms + w->window_ms)
            continue;
        w->is_closed = has_closed = true;
    }
    return has_closed;
}

bool summaries_close_all(struct summaries *s)
{
    return summaries_close_ended(s, INT64_MAX);
}

bool summaries_close_lane(struct summaries *s, uint8_t kind, const uint8_t lane[16], bool *ret_any)
{
    bool has_closed = false;
    *ret_any = false;
    for (size_t i = 0; i < s->count; i++) {
        struct summary *w = s->items[i];
        if (!is_lane(w, kind, lane))
            continue;
        *ret_any = *ret_any || !w->is_queued;
        has_closed = has_closed || !w->is_closed;
        w->is_closed = true;
    }
    return has_closed;
}

int64_t summaries_next_end(const struct summaries *s)
{
    int64_t end = INT64_MAX;
    for (size_t i = 0; i < s->count; i++)
        if (!s->items[i]->is_closed)
            end = OL_MIN(end, s->items[i]->start_ms + s->items[i]->window_ms);
    return end;
}

struct summary *summaries_find(const struct summaries *s, uint64_t ticket)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i]->ticket == ticket)
            return s->items[i];
    return NULL;
}

void summaries_remove(struct summaries *s, uint64_t ticket)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->items[i]->ticket != ticket)
            continue;
        summary_free(s->items[i]);
        memmove(&s->items[i], &s->items[i + 1], (s->count - i - 1) * ITEM_SIZE);
        s->count--;
        return;
    }
}

uint64_t summaries_answers(const struct summaries *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        count += s->items[i]->count;
    return count;
}
