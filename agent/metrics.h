/* SPDX-License-Identifier: Apache-2.0 */
#ifndef METRICS_H
#define METRICS_H
/** @file
 * The counters that threads share: each is an atomic, written by one thread, read by admin. Names
 * and help are in admin/exposition.c.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

typedef _Atomic uint64_t metric;
static inline void metric_add(metric *m, uint64_t n)
{
    atomic_fetch_add_explicit(m, n, memory_order_relaxed);
}
static inline void metric_set(metric *m, uint64_t n)
{
    atomic_store_explicit(m, n, memory_order_relaxed);
}
static inline uint64_t metric_get(metric *m)
{
    return atomic_load_explicit(m, memory_order_relaxed);
}

struct intake_metrics {
    metric http_requests, http_accepted, http_duplicates, http_refused_invalid, http_refused_full,
        http_refused_other, http_connections;
    metric journal_events, journal_files, journal_parked_lines, journal_bytes, journal_unlinked,
        journal_moved;
    metric accepted_events, accepted_bytes; /* all sources, synced */
    metric groups;
    metric warnings[32]; /* by bit of enum ol__event_warning */
};

enum route_state {
    ROUTE_STARTING,
    ROUTE_OK,
    ROUTE_RETRYING,     /* some lanes wait */
    ROUTE_CIRCUIT_OPEN, /* outage: probes only */
    ROUTE_HELD,  /* 401, 403, 404, 405, misconfigured, or a wrong setting: probes once a minute */
    ROUTE_FAILED /* cannot work at all, e.g. its file cannot be opened */
};

#define ROUTE_ERROR_MAX 256
struct route_metrics {
    const char *name, *type; /* set before the threads start, then constant */
    metric delivered_events, delivered_bytes, requests, retries, parked, dropped, skipped;
    metric letters;                          /* dead letters that are open */
    metric letters_retried, letters_dropped; /* by hand */
    metric state;                            /* enum route_state */
    metric state_since;                      /* Unix ms */
    metric low;                              /* low-water mark */
    metric done;                             /* records done: the mark, and those above it */
    metric in_flight;
    metric last_success;    /* Unix ms */
    metric last_status;     /* HTTP status, 0: none */
    _Atomic int error_lock; /* spin lock around last_error: writer copies in, readers copy out */
    char last_error[ROUTE_ERROR_MAX];
};

#define ROUTES_MAX 16
struct agent_metrics {
    struct intake_metrics intake;
    struct route_metrics routes[ROUTES_MAX];
    int route_count;
    int64_t started_ms;
};

void route_metrics_set_error(struct route_metrics *m, const char *text);
/** @param out at least ROUTE_ERROR_MAX bytes */
void route_metrics_get_error(struct route_metrics *m, char *out);
void route_metrics_set_state(struct route_metrics *m, enum route_state state);
const char *route_state_name(enum route_state state);
#endif
