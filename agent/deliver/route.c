/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. The cursor passes an event only after its answer, its synced dead letter, or its counted
 * loss.
 *  2. Nothing is read past what the cursor could mark (S17), but for ROUTE_BEYOND_MAX events, so
 * memory does not grow with the backlog. */
#include "route.h"

#include <inttypes.h>
#include <stdio.h>
#include "times.h"

#define LANE_TEXT_MAX 4096

bool route_is_pinned(const struct agent *agent, int index)
{
    const struct route_config *config =
        &((const struct route_config *)agent->config->routes.items)[index];
    return config->on_lag == ON_LAG_PIN || (config->on_lag == ON_LAG_DEFAULT && index == 0);
}

ol_status route_init(struct route *route, const struct agent *agent, int index, bool own_cursor,
                     struct ol_error *err)
{
    const struct route_config *config =
        &((const struct route_config *)agent->config->routes.items)[index];
    route->agent = agent;
    route->config = config;
    route->metrics = &agent->metrics->routes[index];
    route->poll_fd = -1;
    route->kept_from = UINT64_MAX;
    pace_init(&route->pace, config->rate_events, config->rate_bytes, ol__time_monotonic_ms());
    spool_route_key(config->name, route->key);
    snprintf(route->area, sizeof route->area, "route %s", config->name);
    route_metrics_set_state(route->metrics, ROUTE_STARTING);
    ol_status status = route_filter_new(config, &route->filter, err);
    if (status == OL_OK)
        status = ol__event_reader_new(&route->events, err);
    if (status == OL_OK)
        status = ol__json_reader_new(&route->json, err);
    if (status != OL_OK || own_cursor)
        return status;
    status = spool_cursor_open(agent->spool, config->name, route_is_pinned(agent, index),
                               &route->cursor, err);
    if (status != OL_OK)
        return status;
    route->read_seq = spool_cursor_low(route->cursor);
    return spool_reader_open(agent->spool, route->read_seq, &route->reader, err);
}

ol_status route_open_letters(struct route *route, struct ol_error *err)
{
    ol_status status =
        dead_letters_open(route->agent->config->spool_directory, route->config->name,
                          route->config->dead_letter_bytes, NULL, &route->letters, err);
    if (status == OL_OK && dead_letters_unreadable(route->letters) > 0)
        log_write(LOG_LEVEL_ERROR, route->area,
                  "%" PRIu64 " lines among the dead letters do not verify; they stay in the file",
                  dead_letters_unreadable(route->letters));
    return status;
}

void route_release(struct route *route)
{
    if (route->cursor != NULL && route->is_dirty)
        OL_IGNORE(!route_sync(route), "it was logged; what is not saved is delivered again");
    route_filter_free(route->filter);
    spool_reader_close(route->reader);
    spool_cursor_close(route->cursor);
    dead_letters_close(route->letters);
    ol__event_reader_free(route->events);
    ol__json_reader_free(route->json);
}

/* Mark what was done beyond the window and is within by now. */
static void settle_beyond(struct route *route)
{
    for (unsigned i = 0; i < route->beyond_count;) {
        uint64_t seq = route->beyond[i], low = spool_cursor_low(route->cursor);
        if (seq > low + SPOOL_CURSOR_AHEAD) {
            i++;
            continue;
        }
        route->beyond[i] = route->beyond[--route->beyond_count];
        if (seq > low)
            spool_cursor_done(route->cursor, seq);
        route->is_dirty = true;
        i = 0; /* the mark may have moved */
    }
}

void route_done(struct route *route, uint64_t seq)
{
    uint64_t low = spool_cursor_low(route->cursor);
    if (seq > low + SPOOL_CURSOR_AHEAD) {
        assert(route->beyond_count < ROUTE_BEYOND_MAX); /* no more were read */
        route->beyond[route->beyond_count++] = seq;
        return;
    }
    if (seq > low)
        spool_cursor_done(route->cursor, seq);
    route->is_dirty = true;
    if (route->beyond_count > 0)
        settle_beyond(route);
}

/* @return whether the whole gap is marked. */
static bool mark_gap(struct route *route)
{
    while (route->gap_at != 0) {
        uint64_t low = spool_cursor_low(route->cursor);
        if (route->gap_at <= low)
            route->gap_at = low + 1;
        if (route->gap_at > route->gap_end) {
            route->gap_at = 0;
            break;
        }
        if (route->gap_at > low + SPOOL_CURSOR_AHEAD)
            return false;
        route_done(route, route->gap_at++);
    }
    return true;
}

static void begin_gap(struct route *route, uint64_t first, uint64_t last)
{
    uint64_t low = spool_cursor_low(route->cursor);
    route->gap_at = OL_MAX(first, low + 1);
    route->gap_end = last;
    route->read_seq = OL_MAX(route->read_seq, last);
    if (route->gap_at > last)
        route->gap_at = 0;
    else
        metric_add(&route->metrics->skipped, last - route->gap_at + 1);
}

static ol_status read_one(struct route *route, struct spool_record *ret, struct ol_error *err)
{
    if (route->ahead.seq != 0) {
        ol_status status = spool_read_again(route->reader, route->ahead.segment,
                                            route->ahead.offset, route->ahead.seq, ret, err);
        if (status == OL_NOT_FOUND || status == OL_CORRUPT) {
            begin_gap(route, route->ahead.seq, route->ahead.seq);
            route->ahead.seq = 0;
            return OL_GAP;
        }
        if (status == OL_OK)
            route->ahead.seq = 0;
        return status;
    }
    ol_status status = spool_reader_next(route->reader, ret, err);
    if (status == OL_GAP)
        begin_gap(route, ret->seq, ret->offset);
    if (status != OL_OK)
        return status;
    if (ret->seq >
        route->read_seq + 1) { /* never silently: what is missing must not hold the mark */
        route->ahead = *ret;
        begin_gap(route, route->read_seq + 1, ret->seq - 1);
        return OL_GAP;
    }
    route->read_seq = OL_MAX(route->read_seq, ret->seq);
    return OL_OK;
}

bool route_takes(struct route *route, const struct spool_record *record)
{
    if (!spool_record_is_for(record, route->key))
        return false;
    if (route_filter_takes(route->filter, record))
        return true;
    metric_add(&route->metrics->skipped, 1);
    return false;
}

static ol_status read_within(struct route *route, uint64_t ahead, struct spool_record *ret,
                             struct ol_error *err)
{
    for (unsigned passed = 0;; passed++) {
        route->is_yielding = passed >= ROUTE_SKIP_MAX;
        if (route->is_yielding || !mark_gap(route))
            return OL_AGAIN;
        settle_beyond(route);
        uint64_t low = spool_cursor_low(route->cursor);
        uint64_t next = route->ahead.seq != 0 ? route->ahead.seq : route->read_seq + 1;
        if (next > low + ahead)
            return OL_AGAIN;
        ol_status status = read_one(route, ret, err);
        if (status == OL_GAP)
            continue;
        if (status != OL_OK)
            return status;
        if (ret->seq <= low || spool_cursor_is_done(route->cursor, ret->seq))
            continue;
        if (ret->type == SPOOL_EVENT && route_takes(route, ret))
            return OL_OK;
        route_done(route, ret->seq);
    }
}

ol_status route_read(struct route *route, struct spool_record *ret, struct ol_error *err)
{
    return read_within(route, SPOOL_CURSOR_AHEAD, ret, err);
}

ol_status route_read_beyond(struct route *route, struct spool_record *ret, struct ol_error *err)
{
    return read_within(route, SPOOL_CURSOR_AHEAD + ROUTE_BEYOND_MAX, ret, err);
}

bool route_is_pressed(const struct route *route)
{
    uint64_t next = route->ahead.seq != 0 ? route->ahead.seq : route->read_seq + 1;
    return next > spool_cursor_low(route->cursor) + SPOOL_CURSOR_AHEAD &&
           next <= spool_synced(route->agent->spool);
}

ol_status route_park(struct route *route, const struct spool_record *record, const char *reason,
                     int status, struct ol__span answer, int tries, struct ol_error *err)
{
    const struct ol__event *event;
    struct ol__buf lane;
    ol__buf_init(&lane, LANE_TEXT_MAX);
    if (ol__event_read(route->events, record->data, OL_EVENT_CORE, NULL, -1, &event, NULL) == OL_OK)
        OL_IGNORE(ol__event_lane_text(event, &lane), "without memory the letter has no lane");
    /* Sent again by hand: what it was tried before counts. */
    int before = record->source == SPOOL_FROM_DEAD_LETTER
                     ? (int)OL_MIN(record->source_position, (uint64_t)1000000)
                     : 0;
    char id[128];
    snprintf(id, sizeof id, "%s-%" PRIu64, route->config->name, record->seq);
    struct dead_letter letter = {.id = id,
                                 .route = route->config->name,
                                 .seq = record->seq,
                                 .taken_ms = record->time_ms,
                                 .parked_ms = ol__time_now_ms(),
                                 .reason = reason,
                                 .status = status,
                                 .answer = answer,
                                 .tries = before + tries,
                                 .lane = lane.data != NULL ? lane.data : "",
                                 .uid = record->uid,
                                 .event = record->data};
    ol_status result = OL_OK;
    if (!dead_letters_has(route->letters, record->seq)) /* a kill between letter and cursor */
        result = dead_letters_add(route->letters, &letter, err);
    OL_CRASHPOINT("deliver.parked");
    ol__buf_release(&lane);
    if (result != OL_OK) {
        route_metrics_set_cause(route->metrics, CAUSE_DISK, err->message);
        if (!route->is_letter_failing)
            log_write(LOG_LEVEL_ERROR, route->area, "dead letter, its lane waits: %s",
                      err->message);
        route->is_letter_failing = true;
        return result;
    }
    if (route->is_letter_failing)
        log_write(LOG_LEVEL_INFO, route->area, "dead letters can be written again");
    route->is_letter_failing = false;
    metric_add(&route->metrics->parked, 1);
    log_write(LOG_LEVEL_WARNING, route->area, "event %" PRIu64 " parked: %s", record->seq, reason);
    return OL_OK;
}

ol_status route_rewind(struct route *route, uint64_t from, void (*forget)(struct route *route),
                       uint64_t *ret_from, struct ol_error *err)
{
    struct spool_reader *reader = NULL;
    /* First what can fail; sequences that are gone by now it tells as a gap. */
    ol_status status = spool_reader_open(route->agent->spool, from - 1, &reader, err);
    if (status != OL_OK)
        return status;
    forget(route); /* answers that still came have marked what they were for */
    *ret_from = spool_cursor_rewind(route->cursor, from);
    spool_reader_close(route->reader);
    route->reader = reader;
    route->read_seq = from - 1;
    route->gap_at = 0;
    route->ahead.seq = 0;
    route->beyond_count = 0;
    route->is_dirty = true;
    return OL_OK;
}

bool route_sync(struct route *route)
{
    struct ol_error err;
    if (spool_cursor_sync(route->cursor, &err) < 0) {
        if (!route->is_cursor_failing)
            log_write(LOG_LEVEL_ERROR, route->area,
                      "%s (no segment leaves the spool until it is saved)", err.message);
        route->is_cursor_failing = true;
        return false;
    }
    if (route->is_cursor_failing)
        log_write(LOG_LEVEL_INFO, route->area, "the cursor is saved again");
    route->is_cursor_failing = route->is_dirty = false;
    return true;
}

bool route_is_empty(const struct route *route)
{
    return route->kept == 0 && spool_cursor_low(route->cursor) >= spool_synced(route->agent->spool);
}

uint64_t route_left(const struct route *route)
{
    uint64_t done = route->cursor != NULL /* of a file that cannot be opened there is none */
                        ? spool_cursor_done_count(route->cursor) + route->beyond_count
                        : metric_get(&route->metrics->done);
    uint64_t synced = spool_synced(route->agent->spool);
    return (synced > done ? synced - done : 0) + route->kept_answers;
}

void route_set_state(struct route *route, enum route_state state, const char *reason)
{
    enum route_state old = (enum route_state)metric_get(&route->metrics->state);
    if (reason != NULL)
        route_metrics_set_error(route->metrics, reason);
    if (state == ROUTE_OK)
        metric_set(&route->metrics->cause, CAUSE_NONE);
    route->is_stuck = state == ROUTE_CIRCUIT_OPEN || state == ROUTE_HELD || state == ROUTE_FAILED;
    if (state == old)
        return;
    int64_t since_ms = (int64_t)metric_get(&route->metrics->state_since);
    route_metrics_set_state(route->metrics, state);
    bool was_bad = old != ROUTE_STARTING && old != ROUTE_OK && old != ROUTE_RETRYING;
    if (route->is_stuck) {
        char why[ROUTE_ERROR_MAX];
        route_metrics_get_error(route->metrics, why);
        log_write(state == ROUTE_CIRCUIT_OPEN ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, route->area,
                  "%s: %s; %" PRIu64 " wait", route_state_name(state), why, route_left(route));
    } else if (was_bad) {
        log_write(LOG_LEVEL_INFO, route->area, "%s again, after %lld s of %s; %" PRIu64 " wait",
                  route_state_name(state),
                  (long long)OL_MAX(INT64_C(0), (ol__time_now_ms() - since_ms) / 1000),
                  route_state_name(old), route_left(route));
    }
}
