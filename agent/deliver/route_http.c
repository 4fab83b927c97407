/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. The bytes sent are the event's bytes. Neither they, nor answers, nor keys reach the log.
 *  2. At most max_in_flight requests wait for an answer, each with one event or, to a server that
 * takes batches, batch_events; the cursor marks each event at its answer, so kill -9 repeats at
 * most those.
 *  3. Of one lane one event is under way, whether in a batch or not: a batch that is taken in part
 * breaks no order.
 *  4. Keys, tokens and certificates are read or fetched again when they change or end (http_auth.c,
 * http_link.c).
 *  5. Events that fail while others get through end as dead letters also when they have used up the
 * cursor's window: single events past it show whether others still do.
 *  6. Where a health page is known, an outage's probe asks it first, but not it alone: every third
 * time an event goes. */
#include "http_route.h"

#include <inttypes.h>
#include <stdlib.h>
#include "times.h"

#define URL_MAX 4096
#define HEALTH_TRUST 3
#define BUSY_DELAY_MS 10
#define ROUTE_TAKE_MAX 1024 /* answers summed up before the other routes have their turn */
/* After a start: how far back is looked for runs that have ended. */
#define WARM_RECORDS 2048
#define WARM_BYTES (32u << 20)

/* ---- What goes out ---- */

/* Why not to send at all. @return whether the item is dealt with. */
static bool refuse(struct http_route *r, const struct lanes_item *item,
                   const struct spool_record *record, struct late_event *ret_late, int64_t now_ms)
{
    enum route_profile profile = (enum route_profile)r->base.config->profile;
    const struct ol__event *event;
    if (!r->profile->looks_at_events || ol__event_read(r->base.events, record->data, OL_EVENT_CORE,
                                                       NULL, -1, &event, NULL) != OL_OK)
        return false; /* the other side will say what is wrong with it */
    late_event_of(event, record, ret_late);
    struct sent sent = {.item = *item, .record = *record, .late = *ret_late};
    if (http_resend_only(r, &sent, now_ms))
        return true;
    const char *reason = profile_refusal(profile, event, record->warnings);
    if (reason == NULL)
        return false;
    if (http_park(r, item, record, reason, 0, (struct ol__span){0}, now_ms))
        http_settle(r, NULL, &sent, now_ms);
    return true;
}

static bool goes_alone(const struct http_route *r, const struct lanes_item *item)
{
    return r->batch_events <= 1 || r->is_batch_off || item->is_probe || item->is_alone;
}

/* @param batch  in and out: the request that is being filled, or NULL. */
static void take(struct http_route *r, const struct lanes_item *item,
                 const struct spool_record *record, struct request **batch, int64_t now_ms)
{
    struct late_event late = {0};
    if (item->is_probe)
        r->health = HEALTH_UNKNOWN;
    if (refuse(r, item, record, &late, now_ms))
        return;
    bool is_alone = goes_alone(r, item);
    if (!is_alone && *batch != NULL && !request_has_room(*batch, record->data.size)) {
        request_send(*batch, now_ms);
        *batch = NULL;
    }
    struct request *q = is_alone || *batch == NULL ? request_take(r) : *batch;
    if (q == NULL) {
        lanes_release(r->lanes, item, now_ms, BUSY_DELAY_MS);
        return;
    }
    if (!request_add(q, item, record, r->late != NULL ? &late : NULL)) {
        route_metrics_set_error(r->base.metrics, "request: out of memory");
        lanes_release(r->lanes, item, now_ms, LOCAL_DELAY_MS);
        if (q->count == 0)
            request_end(q);
        return;
    }
    pace_take(&r->base.pace, record->data.size);
    if (is_alone)
        request_send(q, now_ms);
    else
        *batch = q;
}

static void take_again(struct http_route *r, const struct lanes_item *item, struct request **batch,
                       int64_t now_ms)
{
    struct spool_record record;
    struct ol_error err;
    if ((item->seq & LANES_TICKET) != 0) {
        if (answers_record(r, item->seq, &record))
            take(r, item, &record, batch, now_ms);
        else
            lanes_release(r->lanes, item, now_ms, LOCAL_DELAY_MS);
        return;
    }
    if (item->seq <= spool_cursor_low(r->base.cursor)) { /* given up: on_lag detach */
        lanes_remove(r->lanes, item);
        return;
    }
    ol_status status =
        spool_read_again(r->base.reader, item->segment, item->offset, item->seq, &record, &err);
    if (status == OL_OK) {
        take(r, item, &record, batch, now_ms);
    } else if (status == OL_NOT_FOUND || status == OL_CORRUPT) {
        log_write(LOG_LEVEL_ERROR, r->base.area, "event %" PRIu64 " lost: %s", item->seq,
                  err.message);
        route_metrics_dropped(r->base.metrics, DROP_UNREADABLE, 1);
        lanes_remove(r->lanes, item);
        route_done(&r->base, item->seq);
    } else {
        route_metrics_set_error(r->base.metrics, err.message);
        lanes_release(r->lanes, item, now_ms, LOCAL_DELAY_MS);
    }
}

/* The next record that is sent as it is. @return as read_ahead(). */
static ol_status read_on(struct http_route *r, struct spool_record *ret, int64_t now_ms,
                         struct ol_error *err)
{
    for (unsigned taken = 0;; taken++) {
        ol_status status = route_read(&r->base, ret, err);
        if (status == OL_AGAIN && lanes_wants_witness(r->lanes)) /* promise 5 */
            status = route_read_beyond(&r->base, ret, err);
        r->is_at_end = status == OL_END;
        if (status == OL_END || status == OL_AGAIN)
            return OL_END;
        if (status != OL_OK)
            return status;
        switch (answers_take(r, ret, now_ms)) {
        case ANSWER_NONE:
            return OL_OK;
        case ANSWER_LATER:
            return ol__error_set(err, OL_AGAIN, "answers wait to be summed up");
        case ANSWER_TAKEN:
            break;
        }
        if (taken >= ROUTE_TAKE_MAX) {
            r->base.is_yielding = true;
            return OL_END;
        }
    }
}

/* Read one event into its lane. @return OL_OK: *ret is it; OL_END: none now; else try later. */
static ol_status read_ahead(struct http_route *r, struct spool_record *ret, int64_t now_ms)
{
    struct ol_error err;
    ol_status status = read_on(r, ret, now_ms, &err);
    if (status == OL_OK) {
        status =
            lanes_add(r->lanes, ret->lane_kind, ret->lane, ret->seq, ret->segment, ret->offset);
        if (status != OL_OK) {
            ol__error_set(&err, status, "lanes: out of memory");
            r->base.ahead = *ret; /* comes out of route_read() again */
        }
    }
    if (status != OL_OK && status != OL_END && status != OL_AGAIN)
        route_metrics_set_error(r->base.metrics, err.message);
    return status;
}

/* @return when to come again because of trouble here; INT64_MAX: no such trouble. */
static int64_t send_all(struct http_route *r, int64_t now_ms)
{
    struct request *batch = NULL;
    struct lanes_item item;
    struct spool_record record;
    int64_t again = INT64_MAX;
    while ((batch != NULL || request_is_free(r, NULL)) && pace_wait(&r->base.pace, now_ms) == 0) {
        if (lanes_next(r->lanes, now_ms, &item)) {
            take_again(r, &item, &batch, now_ms);
            continue;
        }
        if (!lanes_wants(r->lanes))
            break;
        ol_status status = read_ahead(r, &record, now_ms);
        if (status != OL_OK) {
            if (status != OL_END)
                again = now_ms + LOCAL_DELAY_MS;
            break;
        }
        if (!lanes_next(r->lanes, now_ms, &item))
            continue;
        if (item.seq == record.seq)
            take(r, &item, &record, &batch, now_ms); /* without reading it twice */
        else
            take_again(r, &item, &batch, now_ms);
    }
    if (batch != NULL)
        request_send(batch, now_ms);
    return again;
}

/* ---- Health ---- */

static void health_end(struct http_route *r)
{
    transfer_stop(&r->health_transfer);
    auth_headers_unref(r->health_headers);
    r->health_headers = NULL;
    r->health = HEALTH_UNKNOWN;
}

static void health_finished(struct http_transfer *t, CURLcode result, int64_t now_ms)
{
    struct http_route *r = t->owner;
    struct retry_answer answer = transfer_answer(t, result);
    bool is_good = answer.failure == RETRY_ANSWERED && answer.status < 500;
    health_end(r);
    if (!is_good && ++r->unhealthy < HEALTH_TRUST) {
        lanes_probe_failed(r->lanes, now_ms);
        return;
    }
    r->unhealthy = 0;
    r->health = HEALTH_GOOD;
}

/* Promise 6. @return whether a probe has to wait for the answer. */
static bool ask_health(struct http_route *r, int64_t now_ms)
{
    if (r->health == HEALTH_ASKING)
        return true;
    if (r->health_url.data == NULL || r->health == HEALTH_GOOD ||
        !lanes_is_probe_due(r->lanes, now_ms))
        return false;
    r->health_headers = auth_headers(r->auth);
    if (r->health_headers == NULL)
        return false;
    r->health_transfer.is_fresh = true;
    struct http_message message = {.url = r->health_url.data, .headers = r->health_headers->plain};
    if (transfer_start(&r->health_transfer, &message)) {
        r->health = HEALTH_ASKING;
        return true;
    }
    health_end(r);
    return false;
}

/* ---- The route ---- */

/* Which runs have ended, of those that were sent before the start. */
static void warm_up(struct http_route *r)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    const struct ol__event *event;
    struct ol_error err;
    uint64_t low = spool_cursor_low(r->base.cursor), bytes = 0;
    r->is_warm = true;
    if (r->late == NULL || low == 0 ||
        spool_reader_open(r->base.agent->spool, low > WARM_RECORDS ? low - WARM_RECORDS : 0,
                          &reader, &err) != OL_OK)
        return;
    while (bytes < WARM_BYTES) {
        ol_status status = spool_reader_next(reader, &record, &err);
        if (status == OL_GAP)
            continue;
        if (status != OL_OK || record.seq > low)
            break;
        bytes += record.data.size;
        struct late_event late;
        if (record.type != SPOOL_EVENT || !spool_record_is_for(&record, r->base.key) ||
            dead_letters_has(r->base.letters, record.seq) ||
            ol__event_read(r->base.events, record.data, OL_EVENT_CORE, NULL, -1, &event, NULL) !=
                OL_OK)
            continue;
        late_event_of(event, &record, &late);
        late_delivered(r->late, &late);
        late_paid(r->late, &late); /* or it was, before */
    }
    spool_reader_close(reader);
}

static int64_t work(struct route *base, int64_t now_ms)
{
    struct http_route *r = (struct http_route *)base;
    bool has_changed = false, is_held = false;
    enum route_cause cause = CAUSE_NONE;
    if (!r->is_warm)
        warm_up(r);
    int64_t auth = auth_work(r->auth, now_ms, &has_changed);
    if (has_changed) {
        lanes_probe_now(r->lanes);
        r->is_batch_off = r->is_packing_off = false;
    }
    if (!auth_is_ready(r->auth)) {
        const char *why = auth_why(r->auth, &is_held, &cause);
        if (why != NULL) {
            route_metrics_set_cause(base->metrics, cause, why);
            route_set_state(base, is_held ? ROUTE_HELD : ROUTE_CIRCUIT_OPEN, why);
        }
        return auth;
    }
    lanes_press(r->lanes, route_is_pressed(base), now_ms);
    int64_t again = INT64_MAX;
    bool waits = ask_health(r, now_ms);
    r->is_at_end = false;
    if (!waits)
        again = send_all(r, now_ms);
    int64_t due = answers_work(r, r->is_at_end, now_ms);
    if (!waits && lanes_deadline(r->lanes) <= now_ms) /* a summary */
        again = OL_MIN(again, send_all(r, now_ms));
    again = OL_MIN(again, due);
    http_show_state(r, NULL);
    if (!route_is_empty(base)) /* a new key may end a hold; a token must not end in the middle */
        again = OL_MIN(again, auth);
    if (waits || !request_is_free(r, NULL))
        return again;                               /* an answer comes */
    int64_t paced = pace_wait(&base->pace, now_ms); /* 0, or when the rate lets one more go */
    return OL_MIN(again, OL_MAX(paced, lanes_deadline(r->lanes)));
}

static void stop(struct route *base)
{
    struct http_route *r = (struct http_route *)base;
    for (size_t i = 0; i < r->request_count; i++)
        if (r->requests[i].is_busy) {
            transfer_stop(&r->requests[i].transfer);
            request_end(&r->requests[i]);
        }
    health_end(r);
    if (r->auth != NULL)
        auth_stop(r->auth);
}

static void http_close(struct route *base)
{
    struct http_route *r = (struct http_route *)base;
    stop(base);
    answers_close(r);
    for (size_t i = 0; i < r->request_count; i++) {
        transfer_release(&r->requests[i].transfer);
        ol__buf_release(&r->requests[i].body);
        ol__buf_release(&r->requests[i].packed);
        free(r->requests[i].sent);
    }
    transfer_release(&r->health_transfer);
    free(r->requests);
    free(r->verdicts);
    auth_close(r->auth);
    link_release(&r->link);
    lanes_free(r->lanes);
    late_free(r->late);
    packer_free(r->packer);
    ol__buf_release(&r->url);
    ol__buf_release(&r->batch_url);
    ol__buf_release(&r->health_url);
    route_release(base);
    free(r);
}

static void forget(struct route *base)
{
    struct http_route *r = (struct http_route *)base;
    uint64_t seed;
    stop(base);
    lanes_clear(r->lanes);
    answers_forget(r);
    ol__random(&seed, sizeof seed);
    struct late *late = r->late != NULL ? late_new(seed) : NULL;
    if (late == NULL)
        return; /* with the old one some ends are only sent once more than they need be */
    late_free(r->late);
    r->late = late;
}

static ol_status http_rewind(struct route *base, uint64_t from, uint64_t *ret_from,
                             struct ol_error *err)
{
    ol_status status = answers_rewind((struct http_route *)base, from, err);
    if (status != OL_OK)
        return status;
    return route_rewind(base, from, forget, ret_from, err);
}

static const struct route_ops http_ops = {work, stop, http_close, http_rewind};

static ol_status open_urls(struct http_route *r, struct ol_error *err)
{
    const struct route_config *config = r->base.config;
    enum route_profile profile = (enum route_profile)config->profile;
    ol__buf_init(&r->url, URL_MAX);
    ol__buf_init(&r->batch_url, URL_MAX);
    ol__buf_init(&r->health_url, URL_MAX);
    if (profile_url(profile, config->url, &r->url, err) != OL_OK)
        return OL_CONFIG;
    ol_status status = profile_batch_url(r->url.data, &r->batch_url, err);
    if (status != OL_OK)
        return status;
    if (config->health_url != NULL)
        return ol__buf_add_text(&r->health_url, config->health_url) == OL_OK
                   ? OL_OK
                   : ol__error_set(err, OL_CONFIG, "health_url: too long");
    if (r->profile->health != NULL)
        status = profile_health_url(r->url.data, r->profile->health, &r->health_url, err);
    return status;
}

static ol_status open_requests(struct http_route *r, struct ol_error *err)
{
    size_t count = (size_t)OL_MAX(r->base.config->max_in_flight, 1);
    r->requests = calloc(count, sizeof *r->requests);
    r->verdicts = calloc(r->batch_events, sizeof *r->verdicts);
    if (r->requests == NULL || r->verdicts == NULL)
        return ol__error_set(err, OL_NOMEM, "route: out of memory");
    for (size_t i = 0; i < count; i++, r->request_count++) {
        struct request *q = &r->requests[i];
        q->route = r;
        transfer_init(&q->transfer, &r->link, request_finished, q);
        ol__buf_init(&q->body, SPOOL_PAYLOAD_MAX + 64);
        ol__buf_init(&q->packed, SPOOL_PAYLOAD_MAX + SPOOL_PAYLOAD_MAX / 64);
        q->sent = calloc(r->batch_events, sizeof *q->sent);
        if (q->sent == NULL)
            return ol__error_set(err, OL_NOMEM, "route: out of memory");
    }
    return OL_OK;
}

static ol_status open_lanes(struct http_route *r, struct ol_error *err)
{
    const struct route_config *config = r->base.config;
    struct lanes_options options = {
        .window = SPOOL_CURSOR_AHEAD + ROUTE_BEYOND_MAX,
        .in_flight_max = (int)(OL_MAX(config->max_in_flight, 1) * (int64_t)r->batch_events),
        .backoff_max_ms = config->retry_max_ms,
        .hold_ms = config->hold_ms,
        .poison_tries = (int)config->poison_tries};
    ol__random(&options.seed, sizeof options.seed);
    ol_status status = lanes_new(&options, &r->lanes, err);
    if (status == OL_OK && r->profile->resends_terminal &&
        (r->late = late_new(options.seed)) == NULL)
        status = ol__error_set(err, OL_NOMEM, "route: out of memory");
    if (status == OL_OK && config->compression != 0)
        status = packer_new(&r->packer, err);
    return status;
}

ol_status route_http_open(const struct agent *agent, int index, CURLM *multi, struct route **ret,
                          struct ol_error *err)
{
    struct http_route *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ol__error_set(err, OL_NOMEM, "route: out of memory");
    *ret = &r->base;
    r->base.ops = &http_ops;
    ol_status status = route_init(&r->base, agent, index, false, err);
    const struct route_config *config = r->base.config;
    r->profile = profile_of((enum route_profile)config->profile);
    r->batch_events =
        (size_t)(config->batch_events > 0 ? config->batch_events : r->profile->batch_events);
    if (r->profile->batch == BATCH_NONE)
        r->batch_events = 1;
    if (status == OL_OK)
        status = link_open(&r->link, config, r->base.metrics, multi, err);
    transfer_init(&r->health_transfer, &r->link, health_finished, r);
    if (status == OL_OK)
        status = route_open_letters(&r->base, err);
    if (status == OL_OK)
        status = open_urls(r, err);
    if (status == OL_OK)
        status = open_lanes(r, err);
    if (status == OL_OK)
        status = answers_open(r, err);
    if (status == OL_OK)
        status = open_requests(r, err);
    if (status == OL_OK)
        status = auth_open(&r->link, r->base.area, r->base.json, &r->auth, err);
    return status;
}

void route_http_finished(CURL *easy, CURLcode result, int64_t now_ms)
{
    transfer_ended(easy, result, now_ms);
}
