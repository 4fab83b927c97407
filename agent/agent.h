/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_H
#define AGENT_H
/** @file
 * How the agent's threads are wired: main() makes one of these, starts intake, delivery, store and
 * admin in that order, and stops them in the reverse one. Only what is listed here is shared.
 */
#include "config.h"
#include "metrics.h"
#include "spool/spool.h"

struct intake;  /* opaque */
struct deliver; /* opaque */

struct rules; /* rules/rules.h */

/** Constant after start-up but for what its members lock themselves. */
struct agent {
    const struct agent_config *config;
    struct agent_metrics *metrics;
    struct spool *spool;
    /* whom admin hands changes to; NULL: not there (tests, or all routes are stores) */
    struct intake *intake;
    struct deliver *deliver;
    struct rules *rules;                /**< the intake thread's; NULL: none */
    struct store_writer *const *stores; /**< by route; NULL: no store, or (all) not there */
};

/* ---- Log: one line an event on standard error, text or JSON; the only mutable global of the agent
 * ---- */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
void log_setup(enum log_level level, bool is_json);
/** @p area is a room ("intake", "route marquez"). Any thread. Never with event bytes or secrets. */
void log_write(enum log_level level, const char *area, const char *format, ...) OL_PRINTF(3, 4);

/** Tell how many were suppressed of kinds whose window is over (all kinds if @p is_final); once a
 * second from one thread, and at the end. */
void log_flush(bool is_final);

/* ---- Intake thread (intake/) ---- */
/** Open listeners (unless @p no_listeners, for --once) and journal directories; nothing is taken
 * before intake_start().
 *  @return OL_OK, OL_CONFIG, OL_BUSY (address or directory taken; err says by whom), OL_IO,
 * OL_NOMEM. */
OL_NODISCARD ol_status intake_open(const struct agent *agent, bool no_listeners,
                                   struct intake **ret, struct ol_error *err);
OL_NODISCARD ol_status intake_start(struct intake *intake, struct ol_error *err);
/** Stop taking: listeners close, requests that wait are answered after their sync, journals stay.
 * Joins. */
void intake_stop(struct intake *intake);
/** Without a thread: drain what the journals hold now, commit, return (for --once). */
OL_NODISCARD ol_status intake_drain_once(struct intake *intake, struct ol_error *err);
/** Put records, complete but for their sequence, behind all that was taken, unchecked, and wait for
 * their sync. Any thread but intake's own. *ret_count: as many of the first are in the spool, where
 * the group had no room for all; 0 unless OL_OK.
 *  @return OL_OK, OL_FULL, OL_TOO_LARGE, OL_IO, OL_NOMEM, OL_BUSY (stopping). */
OL_NODISCARD ol_status intake_put(struct intake *intake, struct spool_record *records, size_t count,
                                  size_t *ret_count, struct ol_error *err);
void intake_close(struct intake *intake);
/** Where listener @p index listens, with the port that was given for port 0; NULL past the last. */
const char *intake_address(const struct intake *intake, size_t index);

/* ---- Delivery thread (deliver/): http, kafka and file routes ---- */
/** Make all routes but store. Connects nothing yet. @return OL_OK, OL_CONFIG, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status deliver_open(const struct agent *agent, struct deliver **ret,
                                    struct ol_error *err);
OL_NODISCARD ol_status deliver_start(struct deliver *deliver, struct ol_error *err);
/** Go on until every route is empty or its circuit opens or it is held, at most @p timeout_ms; then
 * stop what is in flight. Joins. @p ret_left: events not delivered to some route. */
void deliver_stop(struct deliver *deliver, int64_t timeout_ms, uint64_t *ret_left);
/** For --once: wait until each route (@p route NULL: all) is empty, or its circuit opens, or it is
 * held. Started deliver only. @return OL_OK: empty; OL_AGAIN: something still waits. */
OL_NODISCARD ol_status deliver_wait(struct deliver *deliver, const char *route,
                                    struct ol_error *err);
/** Have the thread end dead letters of @p route, by sequence; see dead_letters_end_many(). Any
 * thread but delivery's own. @return OL_OK, OL_NOT_FOUND (no such route, or it keeps none),
 * OL_FULL, OL_IO, OL_NOMEM, OL_BUSY (stopping). */
OL_NODISCARD ol_status deliver_end_letters(struct deliver *deliver, const char *route,
                                           const uint64_t *seqs, size_t count, const char *how,
                                           size_t *ret_ended, struct ol_error *err);
/** Have the thread send a route all from sequence @p from on again, as far as the spool still has
 * it; *ret_from: where that begins. Any thread but delivery's own. @return OL_OK; OL_NOT_FOUND;
 * OL_INVALID: the route has not come so far; OL_IO, OL_FULL, OL_NOMEM: it goes on as before;
 * OL_BUSY (stopping). */
OL_NODISCARD ol_status deliver_rewind(struct deliver *deliver, const char *route, uint64_t from,
                                      uint64_t *ret_from, struct ol_error *err);
void deliver_close(struct deliver *deliver);

/* ---- Store thread (store/) ---- */
struct store_writer; /* opaque */
/** One for each store route. @return OL_OK, OL_VERSION_NEWER, OL_CORRUPT, OL_IO... */
OL_NODISCARD ol_status store_writer_open(const struct agent *agent, int route_index,
                                         struct store_writer **ret, struct ol_error *err);
OL_NODISCARD ol_status store_writer_start(struct store_writer *writer, struct ol_error *err);
OL_NODISCARD ol_status store_writer_wait(struct store_writer *writer, struct ol_error *err);
/** What @p wish would remove from the store (@p is_dry, with at most @p limit runs listed); else
 * have the thread remove it, waiting some seconds: "more": true, then the same wish again waits on.
 * One JSON document. Any thread but the store's own.
 * @return OL_OK; OL_INVALID: there is no such class; what befell the store. */
struct policy_wish;
OL_NODISCARD ol_status store_writer_gc(struct store_writer *writer, const struct policy_wish *wish,
                                       bool is_dry, int64_t limit, struct ol__buf *out,
                                       struct ol_error *err);
void store_writer_stop(struct store_writer *writer, int64_t timeout_ms, uint64_t *ret_left);
void store_writer_close(struct store_writer *writer);

/* ---- Admin thread (admin/) ---- */
struct admin; /* opaque */
OL_NODISCARD ol_status admin_start(const struct agent *agent, struct admin **ret,
                                   struct ol_error *err);
void admin_stop(struct admin *admin);
/** All metrics, as OpenMetrics 1.0 or Prometheus text 0.0.4; any thread. */
ol_status admin_exposition(const struct agent *agent, bool is_openmetrics, struct ol__buf *out);
/** Its Content-Type. */
const char *admin_exposition_type(bool is_openmetrics);
/** Whether the Accept header field @p accept (NULL: none) asks for OpenMetrics. */
bool admin_exposition_is_open(const char *accept);
/** Health as text, "ok\n" or reasons. @return whether healthy. Any thread. */
bool admin_health(const struct agent *agent, struct ol__buf *out);
/** /status as JSON. Any thread. */
ol_status admin_status(const struct agent *agent, struct ol__buf *out);
#endif
