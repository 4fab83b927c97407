/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. An event is marked at its answer, after the answer to the terminal event that followed it.
 *  2. What cannot be said of single events of a batch is found out by sending each alone; no try is
 * counted for that.
 *  3. While dead letters cannot be written, an event to be parked is posted again ever less often:
 * after a second at first, a minute in the end.
 *  4. Where the last arrival wins, the terminal event of a run goes again after the last of the
 * late ones (late.h) that wait. A kill between the two repeats the late one, so none is
 * forgotten. */
#include "http_route.h"

#include <inttypes.h>
#include <stdio.h>
#include "cause.h"
#include "times.h"

#define LETTER_DELAY_MAX_MS 60000

void http_show_state(struct http_route *r, const char *reason)
{
    static const enum route_state states[] = {[LANES_OPEN] = ROUTE_CIRCUIT_OPEN,
                                              [LANES_DENIED] = ROUTE_HELD,
                                              [LANES_MISCONFIGURED] = ROUTE_HELD};
    enum lanes_circuit circuit = lanes_circuit(r->lanes);
    char text[ROUTE_ERROR_MAX];
    if (reason != NULL && circuit == LANES_MISCONFIGURED) {
        snprintf(text, sizeof text,
                 "refused events of 10 runs in a row, is this an OpenLineage "
                 "endpoint? last: %s",
                 reason);
        reason = text;
    }
    bool is_saving = r->answers != NULL && r->answers->retry_at != 0; /* and failing */
    enum route_state state = circuit != LANES_CLOSED                    ? states[circuit]
                             : lanes_waiting(r->lanes) > 0 || is_saving ? ROUTE_RETRYING
                                                                        : ROUTE_OK;
    route_set_state(&r->base, state, reason);
    metric_set(&r->base.metrics->in_flight, lanes_in_flight(r->lanes));
}

bool http_park(struct http_route *r, const struct lanes_item *item,
               const struct spool_record *record, const char *reason, int status,
               struct ol__span answer, int64_t now_ms)
{
    struct ol_error err;
    if (route_park(&r->base, record, reason, status, answer, status != 0 ? item->tries : 0, &err) ==
        OL_OK) {
        r->letter_level = 0;
        return true;
    }
    lanes_release(r->lanes, item, now_ms, /* promise 3 */
                  retry_ceiling(LOCAL_DELAY_MS, LETTER_DELAY_MAX_MS, r->letter_level));
    if (r->letter_level < 30)
        r->letter_level++;
    return false;
}

/* ---- The terminal event once more ---- */

/* @return whether it is under way. */
static bool resend(struct http_route *r, struct request *q, const struct sent *sent,
                   const struct late_event *terminal, int64_t now_ms)
{
    struct spool_record record;
    struct ol_error err;
    struct sent of = *sent; /* it may stand in q */
    ol_status status = spool_read_again(r->base.reader, terminal->segment, terminal->offset,
                                        terminal->seq, &record, &err);
    if (status != OL_OK) {
        metric_add(&r->base.metrics->not_resent, 1);
        log_write(LOG_LEVEL_WARNING, r->base.area,
                  "event %" PRIu64 " came after the end of its run, which cannot be sent again: %s",
                  of.item.seq, err.message);
        return false;
    }
    if ((q == NULL || !q->is_busy) && (q = request_take(r)) == NULL)
        return false;
    late_settle(r->late, &of.late);
    ol__buf_reset(&q->body);
    q->count = 0;
    if (!request_add(q, &of.item, &record, &of.late)) {
        request_end(q);
        return false;
    }
    q->sent[0].record = of.record;
    q->is_resend = true;
    q->transfer.is_fresh = false;
    request_send(q, now_ms);
    return true;
}

bool http_resend_only(struct http_route *r, const struct sent *sent, int64_t now_ms)
{
    struct late_event terminal;
    if (r->late == NULL || !late_is_settled(r->late, &sent->late) ||
        !late_is_owed(r->late, &sent->late, &terminal))
        return false;
    if (resend(r, NULL, sent, &terminal, now_ms))
        return true;
    late_paid(r->late, &sent->late);
    lanes_remove(r->lanes, &sent->item);
    http_done(r, sent->item.seq);
    return true;
}

void http_settle(struct http_route *r, struct request *q, const struct sent *sent, int64_t now_ms)
{
    struct late_event terminal;
    if (r->late != NULL && !lanes_has_next(r->lanes, &sent->item) &&
        late_is_owed(r->late, &sent->late, &terminal)) {
        if (resend(r, q, sent, &terminal, now_ms))
            return;
        late_paid(r->late, &sent->late);
    }
    uint64_t seq = sent->item.seq;
    lanes_remove(r->lanes, &sent->item);
    http_done(r, seq);
}

/* What came of the terminal event; the late one before it got through. */
static void resent(struct request *q, const struct retry_class *class, const char *reason,
                   int64_t now_ms)
{
    struct http_route *r = q->route;
    struct sent *sent = &q->sent[0];
    switch (lanes_answer(r->lanes, &sent->item, class, now_ms)) {
    case LANES_DELIVERED:
        late_paid(r->late, &sent->late);
        http_done(r, sent->item.seq);
        metric_add(&r->base.metrics->resent, 1);
        http_show_state(r, NULL);
        return;
    case LANES_PARK: /* it was taken before: nothing to keep */
        late_paid(r->late, &sent->late);
        metric_add(&r->base.metrics->not_resent, 1);
        lanes_remove(r->lanes, &sent->item);
        http_done(r, sent->item.seq);
        break;
    case LANES_KEPT:
        break;
    }
    http_show_state(r, reason);
}

/* ---- One event ---- */

static void taken(struct request *q, size_t i)
{
    struct http_route *r = q->route;
    if ((q->sent[i].item.seq & LANES_TICKET) != 0)
        answers_delivered(r, q->sent[i].item.seq);
    metric_add(&r->base.metrics->delivered_events, 1);
    metric_add(&r->base.metrics->delivered_bytes, q->sent[i].size);
    route_metrics_delivered(r->base.metrics, q->sent[i].record.time_ms, 1);
    if (r->late != NULL)
        late_delivered(r->late, &q->sent[i].late);
}

/* @return whether the request goes on. */
static bool one_answered(struct request *q, const struct retry_answer *answer,
                         const struct retry_class *class, const char *reason, int64_t now_ms)
{
    struct http_route *r = q->route;
    struct sent *sent = &q->sent[0];
    struct late_event terminal;
    if (class->kind == RETRY_DONE && r->late != NULL) {
        taken(q, 0);
        if (late_is_owed(r->late, &sent->late, &terminal) &&
            !lanes_has_next(r->lanes, &sent->item) && resend(r, q, sent, &terminal, now_ms))
            return true;
        if (!lanes_has_next(r->lanes, &sent->item))
            late_paid(r->late, &sent->late); /* it is gone: told */
    } else if (class->kind == RETRY_DONE)
        taken(q, 0);
    switch (lanes_answer(r->lanes, &sent->item, class, now_ms)) {
    case LANES_DELIVERED:
        http_done(r, sent->item.seq);
        http_show_state(r, NULL);
        return false;
    case LANES_PARK: {
        struct spool_record record = request_record(q, 0);
        if (!http_park(r, &sent->item, &record, reason, answer->status, answer->body, now_ms)) {
            http_show_state(r, NULL); /* why it waits is not the answer any more */
            return false;
        }
        http_settle(r, q, sent, now_ms);
        break;
    }
    case LANES_KEPT:
        break;
    }
    http_show_state(r, reason);
    return q->transfer.is_running;
}

/* ---- A batch ---- */

static void each_alone(struct request *q, int64_t now_ms)
{
    for (size_t i = 0; i < q->count; i++) {
        lanes_set_alone(q->route->lanes, &q->sent[i].item);
        lanes_release(q->route->lanes, &q->sent[i].item, now_ms, 0);
    }
}

static void of_batch(struct request *q, size_t i, const struct batch_verdict *v, int status,
                     int64_t now_ms)
{
    struct http_route *r = q->route;
    const struct lanes_item *item = &q->sent[i].item;
    struct retry_class class = {.kind = !v->is_failed     ? RETRY_DONE
                                        : v->is_retriable ? RETRY_LATER
                                                          : RETRY_PARK};
    char reason[sizeof v->reason + 32];
    snprintf(reason, sizeof reason, "failed in a batch: %s", v->reason);
    if (class.kind == RETRY_DONE)
        taken(q, i);
    else
        route_metrics_set_cause(r->base.metrics, v->is_retriable ? CAUSE_BUSY : CAUSE_REFUSED,
                                reason);
    if (class.kind == RETRY_LATER)
        lanes_set_alone(r->lanes, item); /* then its status tells */
    switch (lanes_answer(r->lanes, item, &class, now_ms)) {
    case LANES_DELIVERED:
        http_done(r, item->seq);
        break;
    case LANES_PARK: {
        struct spool_record record = request_record(q, i);
        if (http_park(r, item, &record, reason, status, ol__span_text(v->reason), now_ms))
            http_settle(r, q, &q->sent[i], now_ms);
        break;
    }
    case LANES_KEPT:
        break;
    }
}

static void batch_taken(struct request *q, const struct retry_answer *answer, int64_t now_ms)
{
    struct http_route *r = q->route;
    if (q->transfer.is_cut ||
        batch_read(r->base.json, answer->body, r->verdicts, q->count) != OL_OK) {
        each_alone(q, now_ms);
        return;
    }
    /* Successes first: the failures of others say less after them. */
    for (int failed = 0; failed < 2; failed++)
        for (size_t i = 0; i < q->count; i++)
            if (r->verdicts[i].is_failed == (failed != 0))
                of_batch(q, i, &r->verdicts[i], answer->status, now_ms);
}

static void batch_answered(struct request *q, const struct retry_answer *answer,
                           const struct retry_class *class, const char *reason, int64_t now_ms)
{
    struct http_route *r = q->route;
    bool is_unknown = answer->failure == RETRY_ANSWERED &&
                      (answer->status == 404 || answer->status == 405 || answer->status == 501);
    if (is_unknown) {
        if (!r->is_batch_off)
            log_write(LOG_LEVEL_INFO, r->base.area, "takes no batches (%s): events go one by one",
                      reason);
        r->is_batch_off = true;
        for (size_t i = 0; i < q->count; i++)
            lanes_release(r->lanes, &q->sent[i].item, now_ms, 0);
    } else if (class->kind == RETRY_DONE) {
        batch_taken(q, answer, now_ms);
    } else if (class->kind == RETRY_PARK || class->suspicion > 0) {
        each_alone(q, now_ms); /* promise 2 */
    } else {
        for (size_t i = 0; i < q->count; i++)
            OL_IGNORE(lanes_answer(r->lanes, &q->sent[i].item, class, now_ms) == LANES_PARK,
                      "nothing is suspected");
    }
    http_show_state(r, class->kind == RETRY_DONE || is_unknown ? NULL : reason);
}

/* ---- Any ---- */

/* A token that is not taken any more, or gzip that never was: the same again, in another way. */
static bool is_sent_otherwise(struct request *q, const struct retry_answer *answer, int64_t now_ms)
{
    struct http_route *r = q->route;
    if (answer->failure != RETRY_ANSWERED)
        return false;
    bool is_unpacked = answer->status == 415 && q->is_packed;
    if (is_unpacked && !r->is_packing_off)
        log_write(LOG_LEVEL_WARNING, r->base.area, "takes no gzip (status 415): sent plain");
    r->is_packing_off = r->is_packing_off || is_unpacked;
    if (!is_unpacked && (answer->status != 401 || q->headers == NULL ||
                         !auth_denied(r->auth, q->headers->version, now_ms)))
        return false;
    for (size_t i = 0; i < q->count; i++)
        lanes_release(r->lanes, &q->sent[i].item, now_ms, 0);
    return true;
}

static void answered(struct request *q, CURLcode result, int64_t now_ms)
{
    struct http_route *r = q->route;
    struct retry_answer answer = transfer_answer(&q->transfer, result);
    metric_set(&r->base.metrics->last_status, (uint64_t)answer.status);
    if (is_sent_otherwise(q, &answer, now_ms)) {
        request_end(q);
        return;
    }
    struct retry_class class =
        retry_classify((enum route_profile)r->base.config->profile, &answer, r->base.json,
                       ol__time_now_ms(), r->base.config->retry_max_ms);
    char reason[ROUTE_ERROR_MAX];
    enum route_cause cause = cause_of_answer(q->transfer.easy, result, answer.status,
                                             q->transfer.trouble, reason, sizeof reason);
    if (class.kind == RETRY_DONE) {
        auth_accepted(r->auth);
        r->unhealthy = 0;
    } else
        route_metrics_set_cause(r->base.metrics, cause, reason);
    bool was_open = lanes_circuit(r->lanes) != LANES_CLOSED, goes_on = false;
    if (q->is_resend)
        resent(q, &class, reason, now_ms);
    else if (q->count == 1)
        goes_on = one_answered(q, &answer, &class, reason, now_ms);
    else
        batch_answered(q, &answer, &class, reason, now_ms);
    if (was_open && lanes_circuit(r->lanes) == LANES_CLOSED) /* perhaps it is another server */
        r->is_batch_off = r->is_packing_off = false;
    if (!goes_on)
        request_end(q);
}

void request_finished(struct http_transfer *transfer, CURLcode result, int64_t now_ms)
{
    struct request *q = transfer->owner;
    if (transfer_is_stale(transfer, result)) {
        request_send(q, now_ms);
        return;
    }
    OL_CRASHPOINT("deliver.answered");
    answered(q, result, now_ms);
    OL_CRASHPOINT("deliver.done");
}
