/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "times.h"

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
