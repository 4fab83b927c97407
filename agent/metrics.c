/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "times.h"

#define TAKEN_TOGETHER_MS 50

const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
    100,    250,    500,     1000,    2500,    5000,     10000,    25000,    50000,     100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000, 600000000, 3600000000};

void histogram_add(struct histogram *h, int64_t us, uint64_t n)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    size_t i = 0;
    while (i < HISTOGRAM_BOUNDS && value > histogram_bounds_us[i])
        i++;
    metric_add(&h->counts[i], n);
    metric_add(&h->sum_us, value * n);
}

void taken_times_add(struct taken_times *t, int64_t taken_ms)
{
    int64_t away = t->used > 0 ? taken_ms - t->entries[t->used - 1].ms : 0;
    if (t->used > 0 && ((away >= 0 && away <= TAKEN_TOGETHER_MS) || t->used == TAKEN_ENTRIES)) {
        t->entries[t->used - 1].count++;
        return;
    }
    t->entries[t->used].ms = taken_ms;
    t->entries[t->used++].count = 1;
}

/* Held for a copy of 256 bytes, so spinning is short; yielding covers a holder that was preempted.
 */
static void lock(struct route_metrics *m)
{
    int expected = 0;
    while (!atomic_compare_exchange_weak_explicit(&m->error_lock, &expected, 1,
                                                  memory_order_acquire, memory_order_relaxed)) {
        expected = 0;
        sched_yield();
    }
}

static void unlock(struct route_metrics *m)
{
    atomic_store_explicit(&m->error_lock, 0, memory_order_release);
}

void route_metrics_set_error(struct route_metrics *m, const char *text)
{
    lock(m);
    snprintf(m->last_error, sizeof m->last_error, "%s", text);
    unlock(m);
}

void route_metrics_set_cause(struct route_metrics *m, enum route_cause cause, const char *text)
{
    route_metrics_set_error(m, text);
    metric_set(&m->cause, (uint64_t)cause);
    if (metric_get(&m->failing_since) == 0)
        metric_set(&m->failing_since, (uint64_t)ol__time_now_ms());
}

void route_metrics_delivered(struct route_metrics *m, int64_t taken_ms, uint64_t count)
{
    int64_t now_ms = ol__time_now_ms();
    histogram_add(&m->latency, (now_ms - taken_ms) * 1000, count);
    metric_set(&m->last_success, (uint64_t)now_ms);
    metric_set(&m->newest_taken_ms, (uint64_t)taken_ms);
    metric_set(&m->failing_since, 0);
}

void route_metrics_delivered_all(struct route_metrics *m, struct taken_times *t)
{
    for (unsigned i = 0; i < t->used; i++)
        route_metrics_delivered(m, t->entries[i].ms, t->entries[i].count);
    t->used = 0;
}

void route_metrics_dropped(struct route_metrics *m, enum route_drop reason, uint64_t count)
{
    metric_add(&m->dropped_by[reason], count);
    metric_add(&m->dropped, count);
}

void route_metrics_get_error(struct route_metrics *m, char *out)
{
    lock(m);
    memcpy(out, m->last_error, ROUTE_ERROR_MAX);
    unlock(m);
}

void route_metrics_set_state(struct route_metrics *m, enum route_state state)
{
    if (metric_get(&m->state) == (uint64_t)state && metric_get(&m->state_since) != 0)
        return;
    metric_set(&m->state, (uint64_t)state);
    metric_set(&m->state_since, (uint64_t)ol__time_now_ms());
}

const char *route_state_name(enum route_state state)
{
    switch (state) {
    case ROUTE_STARTING:
        return "starting";
    case ROUTE_OK:
        return "ok";
    case ROUTE_RETRYING:
        return "retrying";
    case ROUTE_CIRCUIT_OPEN:
        return "circuit_open";
    case ROUTE_HELD:
        return "held";
    case ROUTE_FAILED:
        return "failed";
    }
    return "?";
}

const char *route_cause_name(enum route_cause cause)
{
    static const char *const names[] = {
        [CAUSE_NONE] = "none",
        [CAUSE_DNS] = "dns",
        [CAUSE_CONNECT] = "connect",
        [CAUSE_TIMEOUT] = "timeout",
        [CAUSE_BROKEN] = "broken",
        [CAUSE_TLS] = "tls",
        [CAUSE_TLS_UNTRUSTED] = "tls_untrusted",
        [CAUSE_TLS_EXPIRED] = "tls_expired",
        [CAUSE_TLS_NAME] = "tls_name",
        [CAUSE_CREDENTIALS] = "credentials",
        [CAUSE_AUTH] = "auth",
        [CAUSE_NOT_FOUND] = "not_found",
        [CAUSE_REFUSED] = "refused",
        [CAUSE_BUSY] = "busy",
        [CAUSE_SERVER] = "server",
        [CAUSE_TOPIC] = "topic",
        [CAUSE_DISK] = "disk",
        [CAUSE_OTHER] = "other",
    };
    return names[cause];
}

uint64_t route_metrics_given_up(struct route_metrics *m, uint64_t total)
{
    uint64_t counted = metric_get(&m->dropped_by[DROP_GIVEN_UP]);
    if (total <= counted)
        return 0;
    route_metrics_dropped(m, DROP_GIVEN_UP, total - counted);
    return total - counted;
}

const char *route_drop_name(enum route_drop reason)
{
    static const char *const names[] = {
        [DROP_UNREADABLE] = "unreadable", [DROP_GIVEN_UP] = "given_up", [DROP_COUNT] = "?"};
    return names[reason];
}
