/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTE_H
#define ROUTE_H
/** @file
 * What the delivery loop (deliver.c) and its routes share: a reader, a cursor, dead letters, a
 * state. A kind of route is a table of functions and a struct that begins with struct route.
 * Threads: the delivery thread only, but for the counters.
 */
#include <curl/curl.h>
#include "agent.h"
#include "event_read.h"
#include "pace.h"
#include "route_filter.h"
#include "spool/dead_letters.h"

/** Events sent and answered at most past what the cursor can mark. */
#define ROUTE_BEYOND_MAX 256

struct route;
struct route_ops {
    /** Do all that can be done now without waiting. @return when to come again (monotonic ms),
     * INT64_MAX: when something happens. */
    int64_t (*work)(struct route *route, int64_t now_ms);
    /** Stop what is in flight; what was not answered stays in the spool. */
    void (*stop)(struct route *route);
    void (*close)(struct route *route);
    /** Stop what is in flight and send all from @p from on again, though it may have been delivered
     * (@p from is not above the mark); see spool_cursor_rewind() for what *ret_from gets. @return
     * OL_OK; OL_IO, OL_NOMEM...: it goes on as before. */
    ol_status (*rewind)(struct route *route, uint64_t from, uint64_t *ret_from,
                        struct ol_error *err);
};

struct route {
    const struct route_ops *ops;
    const struct agent *agent;
    const struct route_config *config;
    struct route_metrics *metrics;
    char area[80];               /* for the log */
    uint8_t key[16];             /* spool_route_key() */
    struct route_filter *filter; /* owned; NULL: takes all */
    struct pace pace;            /* rate.* of the settings */
    struct spool_reader *reader;
    struct spool_cursor *cursor;
    struct dead_letters *letters; /* NULL: this kind parks nothing */
    struct ol__event_reader *events;
    struct ol__json_reader *json;
    uint64_t read_seq;        /* newest sequence read */
    uint64_t gap_at, gap_end; /* sequences gone that are still to be marked; gap_at 0: none */
    struct spool_record
        ahead; /* read, but past what may be marked; seq 0: none. Its data is gone */
    uint64_t beyond[ROUTE_BEYOND_MAX]; /* done, but past what the cursor can mark so far */
    unsigned beyond_count;
    bool keeps_sums;       /* of answers, which are marked before their sums are sent; constant */
    uint64_t kept;         /* closed sums that were not delivered */
    uint64_t kept_answers; /* marked answers in sums, open ones too */
    uint64_t kept_from;    /* the first sequence that is in any; UINT64_MAX: none */
    bool is_dirty;         /* the cursor moved since it was synced */
    bool is_cursor_failing, is_letter_failing; /* and that was logged */
    bool is_awaited;  /* somebody waits for all to be delivered, open sums too */
    bool is_hurried;  /* someone waits for it to be empty */
    bool is_yielding; /* it could go on at once: others first */
    bool is_stuck;    /* circuit open, held or failed */
    int poll_fd;      /* -1: none */
};

/** Fill @p route (zeroed) and open what all kinds need. @p own_cursor: the kind opens its cursor
 * and reader.
 *  @return OL_OK, OL_IO, OL_FULL, OL_NOMEM...; the route may be closed in any case. */
OL_NODISCARD ol_status route_init(struct route *route, const struct agent *agent, int index,
                                  bool own_cursor, struct ol_error *err);
/** Open `letters`, and tell of lines there that do not verify. */
OL_NODISCARD ol_status route_open_letters(struct route *route, struct ol_error *err);
void route_release(struct route *route);

/** Next event that this route has not done; positions, gaps and what is done already are passed
 * over.
 *  @return OL_OK; OL_END; OL_AGAIN: too far ahead of the low-water mark (S17); OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status route_read(struct route *route, struct spool_record *ret,
                                  struct ol_error *err);
/** The same past the cursor's window, by at most ROUTE_BEYOND_MAX events: a route whose window is
 * full of what fails learns so whether others get through. What is done there is remembered, but
 * not over an end of the agent. */
OL_NODISCARD ol_status route_read_beyond(struct route *route, struct spool_record *ret,
                                         struct ol_error *err);
/** Whether route_read() has nothing for want of room in the cursor's window. */
bool route_is_pressed(const struct route *route);
/** Mark done, unless the mark has passed it already (a detached route's backlog given up). */
void route_done(struct route *route, uint64_t seq);
/** Write a dead letter and count it; the caller marks the event done. @return OL_OK, OL_FULL,
 * OL_IO. */
OL_NODISCARD ol_status route_park(struct route *route, const struct spool_record *record,
                                  const char *reason, int status, struct ol__span answer, int tries,
                                  struct ol_error *err);
/** Save the cursor; a failure is logged once, and once when it is over. @return whether it is
 * saved.
 */
bool route_sync(struct route *route);
bool route_is_empty(const struct route *route);
/** Records that this route has not done. */
uint64_t route_left(const struct route *route);
/** Tell state and, if @p reason is given, why; a change is logged. */
void route_set_state(struct route *route, enum route_state state, const char *reason);
/** For `rewind` of kinds with a cursor of the spool: @p forget stops what is in flight and forgets
 * what was read ahead. */
OL_NODISCARD ol_status route_rewind(struct route *route, uint64_t from,
                                    void (*forget)(struct route *route), uint64_t *ret_from,
                                    struct ol_error *err);
/** How many events that are not for it a route passes over before the others have their turn. */
#define ROUTE_SKIP_MAX 256
/** Whether the event goes to this route; one that its filter leaves out is counted. */
bool route_takes(struct route *route, const struct spool_record *record);
bool route_is_pinned(const struct agent *agent, int index);

/** One for each kind. The route opened is to be closed by its ops, on failure too if not NULL. */
ol_status route_http_open(const struct agent *agent, int index, CURLM *multi, struct route **ret,
                          struct ol_error *err);
/** A transfer of any HTTP route ended. */
void route_http_finished(CURL *easy, CURLcode result, int64_t now_ms);
ol_status route_kafka_open(const struct agent *agent, int index, struct route **ret,
                           struct ol_error *err);
ol_status route_file_open(const struct agent *agent, int index, struct route **ret,
                          struct ol_error *err);
#endif
