/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H
/** @file
 * The parts of an HTTP route among themselves: route_http.c decides what goes out when,
 * http_request.c puts it into requests, http_answer.c sees to what comes back. Delivery thread.
 */
#include "http_answers.h"
#include "http_auth.h"
#include "http_body.h"
#include "lanes.h"
#include "late.h"
#include "profile.h"
#include "route.h"

#define LOCAL_DELAY_MS 1000

/** An event under way. */
struct sent {
    struct lanes_item item;
    struct spool_record record; /**< its data: `size` bytes of the request's body from `at` */
    size_t at, size;
    struct late_event late; /**< only where the last arrival wins */
};

struct request {
    struct http_transfer transfer;
    struct http_route *route;
    struct http_headers *headers; /**< a reference */
    struct sent *sent;            /**< batch_events of them */
    size_t count;                 /**< more than 1: a batch */
    struct ol__buf body, packed;
    bool is_busy, is_packed;
    bool is_resend; /**< the body is the terminal event of the run of sent[0], which got through */
};

enum health { HEALTH_UNKNOWN, HEALTH_ASKING, HEALTH_GOOD };

struct http_route {
    struct route base;
    const struct profile *profile;
    struct http_link link;
    struct http_auth *auth;
    struct lanes *lanes;
    struct late *late;          /**< NULL: the other side keeps order by itself */
    struct answers *answers;    /**< NULL: each is sent as it is */
    struct http_packer *packer; /**< NULL: nothing is compressed */
    struct ol__buf url, batch_url, health_url;
    struct request *requests; /**< max_in_flight of them */
    size_t request_count;
    size_t batch_events; /**< most in one request */
    struct batch_verdict *verdicts;
    bool is_batch_off, is_packing_off; /**< it did not take them; until the connection is anew */
    int letter_level;                  /**< dead letters that could not be written, in a row */
    /* half-open probes */
    struct http_transfer health_transfer;
    struct http_headers *health_headers; /**< of that transfer */
    enum health health;
    int unhealthy;  /**< answers in a row */
    bool is_at_end; /**< all that is in the spool was read, in this round of work */
    bool is_warm;   /**< `late` knows what was delivered before the start */
};

/* http_request.c */

/** One that is not under way, taken and empty; NULL: all are. */
struct request *request_take(struct http_route *r);
/** Whether there is one, besides @p held (may be NULL). */
bool request_is_free(const struct http_route *r, const struct request *held);
/** Put an event into @p q. @return whether it fits (else nothing changed). */
bool request_add(struct request *q, const struct lanes_item *item,
                 const struct spool_record *record, const struct late_event *late);
/** Whether @p size more bytes may go into it. */
bool request_has_room(const struct request *q, size_t size);
/** Send it; what cannot be sent goes back to its lane. */
void request_send(struct request *q, int64_t now_ms);
/** Give it back. */
void request_end(struct request *q);
/** Its event's bytes. */
struct spool_record request_record(const struct request *q, size_t i);

/* http_answer.c */

/** Mark the event of @p seq done, or the summary of that ticket. */
void http_done(struct http_route *r, uint64_t seq);
void request_finished(struct http_transfer *transfer, CURLcode result, int64_t now_ms);
/** Show the state of the lanes; @p reason may be NULL. */
void http_show_state(struct http_route *r, const char *reason);
/** Write a dead letter. @return whether it is written; else the event's lane waits. */
bool http_park(struct http_route *r, const struct lanes_item *item,
               const struct spool_record *record, const char *reason, int status,
               struct ol__span answer, int64_t now_ms);
/** Of an event that got through before: send only the terminal event that follows it. @return
 * whether it was one. */
bool http_resend_only(struct http_route *r, const struct sent *sent, int64_t now_ms);
/** The event of @p item is dealt with, but for the terminal event that may have to follow it.
 * @param q  its own request, or NULL; it is under way afterwards if something goes out. */
void http_settle(struct http_route *r, struct request *q, const struct sent *sent, int64_t now_ms);
#endif
