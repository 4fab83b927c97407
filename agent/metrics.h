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

/** How long something took: counts below fixed bounds, lock-free; one writer is not needed. */
#define HISTOGRAM_BOUNDS 20
extern const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS]; /**< rising, microseconds */
struct histogram {
    metric counts[HISTOGRAM_BOUNDS + 1]; /**< each for itself, the last without a bound */
    metric sum_us;
};
/** Count @p n that took @p us each; below 0 (a clock that was set) counts as 0. Any thread. */
void histogram_add(struct histogram *h, int64_t us, uint64_t n);

/** Take times of what is delivered in one go, for its latency: what came within 50 ms of each other
 * counts as one, and what came after the last of the entries with that. */
#define TAKEN_ENTRIES 32
struct taken_times {
    struct {
        int64_t ms;
        uint64_t count;
    } entries[TAKEN_ENTRIES];
    unsigned used;
};
void taken_times_add(struct taken_times *t, int64_t taken_ms);

#define JOURNAL_DIRECTORIES_MAX 16
struct journal_dir_metrics {
    const char *path; /**< set before the threads start, then constant */
    metric files;     /**< that are followed */
    metric bytes;     /**< written there, not on the spool's disk yet */
    metric
        oldest_ms; /**< Unix ms: last change of the oldest file of which something waits; 0: none */
    metric is_lost; /**< the directory is missing or another agent drains it */
};

/* Senders that show a key or a certificate, by its name. */
#define CLIENTS_MAX 64
struct client_metrics {
    char name[72]; /* constant once client_count covers it */
    metric requests, events, refused;
};

struct intake_metrics {
    metric http_requests, http_accepted, http_duplicates, http_refused_invalid, http_refused_full,
        http_refused_other, http_refused_unauthorized, http_refused_rate, http_refused_large,
        http_connections, http_slow, http_peer_refused, http_unfinished;
    struct client_metrics clients[CLIENTS_MAX];
    _Atomic unsigned client_count;
    metric journal_events, journal_files, journal_parked_lines, journal_bytes, journal_unlinked,
        journal_moved;
    metric open_runs, aborts_inferred, aborts_given_up;
    metric foreign_files, foreign_events, foreign_parked_lines;
    metric accepted_events, accepted_bytes; /* all sources, synced */
    metric groups;
    metric dedup_keys;        /* remembered now */
    struct histogram to_sync; /* from a request's head to the sync that covers it */
    struct histogram commit;  /* one group's write and sync */
    struct journal_dir_metrics directories[JOURNAL_DIRECTORIES_MAX];
    int directory_count;
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

/** What kind of trouble a route met last. Names are a promise: route_cause_name(). */
enum route_cause {
    CAUSE_NONE,
    CAUSE_DNS,           /* no address for its name */
    CAUSE_CONNECT,       /* nobody listens there, or the way is closed */
    CAUSE_TIMEOUT,       /* no answer in time */
    CAUSE_BROKEN,        /* the connection ended in the middle, or what answers speaks no HTTP */
    CAUSE_TLS,           /* no TLS between us: it speaks none, or no version in common */
    CAUSE_TLS_UNTRUSTED, /* a certificate of an authority we do not know */
    CAUSE_TLS_EXPIRED,   /* a certificate out of date, or a clock that is */
    CAUSE_TLS_NAME,      /* a certificate for another name */
    CAUSE_CREDENTIALS,   /* ours cannot be read or obtained */
    CAUSE_AUTH,          /* ours are not accepted: 401, 403, 407 */
    CAUSE_NOT_FOUND,     /* there is something, but not what we ask: 404, 405, 410, redirects */
    CAUSE_REFUSED,       /* it does not want the events: 400, 413, 422... */
    CAUSE_BUSY,          /* later, it says: 429, 503 */
    CAUSE_SERVER,        /* it fails: 500, 502, 504... */
    CAUSE_TOPIC,         /* Kafka: no such topic */
    CAUSE_DISK,          /* on this machine: no room, or no permission */
    CAUSE_OTHER
};
const char *route_cause_name(enum route_cause cause);

/** Why events were given up by a route. */
enum route_drop {
    DROP_UNREADABLE, /* gone from the spool, or no longer verifies, before it was sent */
    DROP_GIVEN_UP,   /* on_lag: detach, at half of the spool */
    DROP_COUNT
};
const char *route_drop_name(enum route_drop reason);

#define ROUTE_ERROR_MAX 256
struct route_metrics {
    const char *name, *type; /* set before the threads start, then constant */
    metric delivered_events, delivered_bytes, requests, retries, parked, dropped, skipped;
    metric dropped_by[DROP_COUNT];           /* `dropped` is their sum */
    metric resent, not_resent;               /* terminal events, after a late one of their run */
    metric answers_summed;                   /* in summaries that were delivered */
    metric answers_waiting;                  /* in summaries that were not */
    metric letters;                          /* dead letters that are open */
    metric letters_retried, letters_dropped; /* by hand */
    metric state;                            /* enum route_state */
    metric state_since;                      /* Unix ms */
    metric low;                              /* low-water mark */
    metric done;                             /* records done: the mark, and those above it */
    metric in_flight;
    metric last_success;    /* Unix ms */
    metric last_status;     /* HTTP status, 0: none */
    metric cause;           /* enum route_cause of last_error; none once it is well again */
    metric failing_since;   /* Unix ms: first failure since something got through; 0: none */
    metric newest_taken_ms; /* Unix ms: when the event that got through last was taken */
    metric oldest_ms;       /* Unix ms: when the oldest event that waits was taken; 0: none waits */
    metric store_bytes, store_max_bytes; /* a store's: in use; its ceiling, 0: none */
    metric store_pinned_runs;            /* that never expire */
    metric store_is_stuck; /* over its ceiling, and nothing is left that may be removed */
    metric store_removed_runs, store_removed_answers;
    struct histogram latency;      /* from taken to delivered */
    _Atomic int64_t clock_skew_ms; /* by its answers: how far our clock is ahead of theirs */
    _Atomic int error_lock; /* spin lock around last_error: writer copies in, readers copy out */
    char last_error[ROUTE_ERROR_MAX];
};

struct rule_metrics {
    const char *name, *type; /* set before the threads start, then constant */
    metric events,           /* that it changed or dropped */
        values,              /* that it changed */
        limited;             /* redacted whole, as an expression reached its limit */
};

#define ROUTES_MAX 16
#define RULES_MAX 64
struct agent_metrics {
    struct intake_metrics intake;
    struct rule_metrics rules[RULES_MAX];
    int rule_count;
    struct route_metrics routes[ROUTES_MAX];
    int route_count;
    int64_t started_ms;
    metric full_since, failing_since; /* Unix ms: of the spool; 0: it is not */
};

void route_metrics_set_error(struct route_metrics *m, const char *text);
/** @param out at least ROUTE_ERROR_MAX bytes */
void route_metrics_get_error(struct route_metrics *m, char *out);
/** Remember what went wrong, text as route_metrics_set_error(). */
void route_metrics_set_cause(struct route_metrics *m, enum route_cause cause, const char *text);
/** Count events that were taken at @p taken_ms and have got through now, and end the trouble. */
void route_metrics_delivered(struct route_metrics *m, int64_t taken_ms, uint64_t count);
/** The same for many; empties @p t. */
void route_metrics_delivered_all(struct route_metrics *m, struct taken_times *t);
void route_metrics_dropped(struct route_metrics *m, enum route_drop reason, uint64_t count);
/** Of a detached route's backlog @p total records were given up since the start. @return how many
 * of them were not counted yet, for the log. The route's own thread. */
uint64_t route_metrics_given_up(struct route_metrics *m, uint64_t total);
void route_metrics_set_state(struct route_metrics *m, enum route_state state);
const char *route_state_name(enum route_state state);
#endif
