/* SPDX-License-Identifier: Apache-2.0 */
/* The store's thread: reads the spool, adds to the store in batches, lets the spool go on.
 * Promises:
 *  1. The spool may let go of a record only after the commit that holds it (S19): the mark follows
 * the cursor that stands in the same transaction.
 *  2. No event is skipped because the store failed: it is closed, opened anew, and read from its
 * own cursor, for as long as it takes. Skipped are only events that can never be read; they are
 * counted.
 *  3. A batch is at most BATCH_EVENTS events or BATCH_MS, so that a question sees what came a
 * moment ago.
 *  4. A start on a full disk, or while `lineage gc` or restore has the store, is one: the thread
 * tries again, and until it has read the store's cursor the spool keeps everything for it.
 *  5. Nothing expires for a day after the wall clock was set by more than an hour, or after a start
 * at which it may have been: more than a day from the newest record.
 *  6. Lists of members come in between two batches, as long as one more batch takes
 * (members_inbox.c). */
#include "members_inbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "route_filter.h"
#include "store_writer.h"
#include "times.h"

#define BATCH_EVENTS 2048 /* an eighth less CPU than 512: events share the pages they change */
#define BATCH_MS 200
#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS 30000
#define BUSY_WAIT_MS 500 /* another process has the store: it will be done */
#define FAILED_WAIT_MS 60000
#define MEMBERS_MS 100
#define INBOX_MS 5000 /* nobody wakes us for a list of members that no event follows */
#define EXPIRE_EVERY_MS 60000
#define EXPIRE_PAUSE 100 /* times as long as a pass took: at most a hundredth goes into looking */
#define EXPIRE_RUNS 50
#define CLOCK_STEP_MS INT64_C(3600000)
#define CLOCK_HOLD_MS INT64_C(86400000)

struct store_writer {
    const struct agent *agent;
    const struct route_config *config;
    struct route_metrics *metrics;
    char area[80];
    /* the thread's own */
    struct store *store;         /* NULL after a failure */
    struct spool_reader *reader; /* NULL after a failure */
    struct spool_cursor *cursor;
    struct route_filter *filter; /* NULL: takes all */
    struct members_inbox *inbox; /* NULL: another store has them */
    uint64_t seq;                /* of the last record in the store */
    int64_t backoff_ms, expire_at, clock_offset, clock_hold_until;
    int64_t pass_ms; /* what the pass that is under way took until now */
    bool has_logged_unreadable, is_expiring, is_stuck;
    struct store_kept told; /* in metrics */
    /* shared */
    int wake_fd; /* eventfd: the spool grew, or stop */
    pthread_t thread;
    bool is_started;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    uint64_t done;     /* as seq, after its commit */
    bool has_members;  /* lists may wait */
    uint64_t failures; /* goes up with every failed try */
    bool must_stop;
    int64_t stop_deadline; /* monotonic */
    enum { GC_NONE, GC_ASKED, GC_UNDER_WAY, GC_DONE } gc;
    struct policy_wish wish; /* only_class: wish_class, or NULL */
    char wish_class[80];
    ol_status gc_status;
    struct ol_error gc_err;
    struct store_kept gc_from, gc_now;
};

/* ---- Opening, again and again ---- */

static void close_store(struct store_writer *w)
{
    spool_reader_close(w->reader);
    w->reader = NULL;
    members_inbox_drop(w->inbox);
    store_close(w->store);
    w->store = NULL;
    w->told = (struct store_kept){0};
    w->is_expiring = false;
}

static ol_status open_store(struct store_writer *w, struct ol_error *err)
{
    const struct ol__uuid *uuid = spool_uuid(w->agent->spool);
    ol_status status = store_open(w->config->path, STORE_WRITE, &w->store, err);
    if (status == OL_OK)
        status = store_cursor(w->store, uuid, &w->seq, err);
    if (status == OL_OK)
        status = spool_reader_open(w->agent->spool, w->seq, &w->reader, err);
    if (status != OL_OK)
        close_store(w);
    return status;
}

/* ---- What others see ---- */

static void publish(struct store_writer *w, bool has_members)
{
    metric_set(&w->metrics->low, w->seq);
    metric_set(&w->metrics->done, w->seq);
    pthread_mutex_lock(&w->lock);
    w->done = w->seq;
    w->has_members = has_members;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void succeeded(struct store_writer *w)
{
    metric_set(&w->metrics->cause, CAUSE_NONE);
    metric_set(&w->metrics->failing_since, 0);
    if (metric_get(&w->metrics->state) != ROUTE_OK)
        route_metrics_set_state(w->metrics, ROUTE_OK);
    if (w->backoff_ms != 0)
        log_write(LOG_LEVEL_INFO, w->area, "works again");
    w->backoff_ms = 0;
}

/* Nothing that waiting heals by itself; yet someone may put it right, so it is tried once a minute.
 */
static bool is_hopeless(ol_status status)
{
    return status == OL_CORRUPT || status == OL_VERSION_NEWER || status == OL_DENIED;
}

static void failed(struct store_writer *w, ol_status status, const struct ol_error *err)
{
    bool is_first = w->backoff_ms == 0;
    close_store(w); /* promise 2 */
    w->backoff_ms = is_first ? BACKOFF_FIRST_MS : OL_MIN(w->backoff_ms * 2, BACKOFF_MAX_MS);
    if (is_hopeless(status))
        w->backoff_ms = FAILED_WAIT_MS;
    else if (status == OL_BUSY)
        w->backoff_ms = OL_MIN(w->backoff_ms, (int64_t)BUSY_WAIT_MS);
    if (is_first)
        log_write(LOG_LEVEL_ERROR, w->area, "%s", err->message);
    metric_add(&w->metrics->retries, 1);
    route_metrics_set_cause(w->metrics, CAUSE_DISK, err->message);
    route_metrics_set_state(w->metrics, is_hopeless(status) ? ROUTE_FAILED : ROUTE_CIRCUIT_OPEN);
    pthread_mutex_lock(&w->lock);
    w->failures++;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* ---- One batch ---- */

struct batch {
    uint64_t seq, events, bytes, skipped;
    int64_t until;
    struct taken_times taken;
    bool is_open, is_at_end;
};

static ol_status add_event(struct store_writer *w, const struct spool_record *record,
                           struct batch *batch, struct ol_error *err)
{
    struct store_event event = {.seq = record->seq,
                                .taken_ms = record->time_ms,
                                .uid = record->uid,
                                .is_inferred = record->source == SPOOL_FROM_AGENT,
                                .data = record->data};
    if (!route_filter_takes(w->filter, record)) {
        batch->skipped++;
        return OL_OK;
    }
    ol_status status = store_add(w->store, &event, w->config->raw_events, err);
    if (status != OL_INVALID) {
        batch->events += status == OL_OK;
        if (status == OL_OK)
            taken_times_add(&batch->taken, record->time_ms);
        batch->bytes += status == OL_OK ? record->data.size : 0;
        return status;
    }
    batch->skipped++;
    if (!w->has_logged_unreadable)
        log_write(LOG_LEVEL_WARNING, w->area,
                  "event %llu cannot be read and is skipped (this is said once, then counted): %s",
                  (unsigned long long)record->seq, err->message);
    w->has_logged_unreadable = true;
    return OL_OK;
}

/* Take one record. @return OL_OK, OL_END: no more for now, or the store's failure. */
static ol_status take(struct store_writer *w, struct batch *batch, struct ol_error *err)
{
    struct spool_record record = {0};
    ol_status found = spool_reader_next(w->reader, &record, err), status = OL_OK;
    if (found == OL_END || found < 0)
        return found;
    if (!batch->is_open) {
        status = store_begin(w->store, err);
        if (status != OL_OK)
            return status;
        batch->is_open = true;
        batch->until = ol__time_monotonic_ms() + BATCH_MS;
    }
    if (found == OL_GAP) {
        log_write(LOG_LEVEL_WARNING, w->area, "records %llu to %llu are gone from the spool",
                  (unsigned long long)record.seq, (unsigned long long)record.offset);
        status = store_gap(w->store, spool_uuid(w->agent->spool), record.seq, record.offset, err);
        batch->seq = record.offset;
        return status;
    }
    if (record.type == SPOOL_EVENT && record.source != SPOOL_FROM_DEAD_LETTER) /* none of ours */
        status = add_event(w, &record, batch, err);
    batch->seq = record.seq;
    return status;
}

static ol_status run_batch(struct store_writer *w, struct batch *batch, struct ol_error *err)
{
    *batch = (struct batch){.seq = w->seq};
    ol_status status = OL_OK;
    for (int n = 0; n < BATCH_EVENTS && status == OL_OK; n++) {
        if (batch->is_open && ol__time_monotonic_ms() >= batch->until)
            break; /* promise 3 */
        status = take(w, batch, err);
    }
    batch->is_at_end = status == OL_END;
    if (status < 0 || !batch->is_open)
        return status < 0 ? status : OL_OK;
    status = store_commit(w->store, spool_uuid(w->agent->spool), batch->seq, err);
    if (status != OL_OK)
        return status;
    w->seq = batch->seq;
    spool_cursor_set_external(w->cursor, w->seq); /* promise 1 */
    metric_add(&w->metrics->delivered_events, batch->events);
    route_metrics_delivered_all(w->metrics, &batch->taken);
    metric_add(&w->metrics->delivered_bytes, batch->bytes);
    metric_add(&w->metrics->skipped, batch->skipped);
    metric_add(&w->metrics->requests, 1);
    return OL_OK;
}

/* ---- Expiry ---- */

static bool may_expire(struct store_writer *w, int64_t now)
{
    int64_t offset = ol__time_now_ms() - now, step = offset - w->clock_offset;
    if (step > CLOCK_STEP_MS || step < -CLOCK_STEP_MS)
        w->clock_hold_until = now + CLOCK_HOLD_MS; /* promise 5 */
    w->clock_offset = offset;
    return now >= w->clock_hold_until;
}

/* Tell what is kept; once a store is over its ceiling with nothing that may go, loudly. */
static void tell_kept(struct store_writer *w)
{
    struct store_kept kept;
    store_kept(w->store, &kept);
    metric_set(&w->metrics->store_bytes, (uint64_t)kept.used_bytes);
    metric_set(&w->metrics->store_max_bytes, (uint64_t)w->config->retention_bytes);
    metric_set(&w->metrics->store_pinned_runs, (uint64_t)kept.pinned_runs);
    metric_set(&w->metrics->store_is_stuck, kept.is_stuck);
    metric_add(&w->metrics->store_removed_runs,
               (uint64_t)(kept.removed_runs - w->told.removed_runs));
    metric_add(&w->metrics->store_removed_answers,
               (uint64_t)(kept.removed_answers - w->told.removed_answers));
    w->told = kept;
    if (kept.is_stuck && !w->is_stuck)
        log_write(LOG_LEVEL_ERROR, w->area,
                  "the store has %lld bytes, %lld more than retention_size, and all that is left "
                  "is pinned (%lld runs are approved or deployed, or lead there) or held by its "
                  "class: nothing of it is removed; raise retention_size",
                  (long long)kept.used_bytes,
                  (long long)(kept.used_bytes - w->config->retention_bytes),
                  (long long)kept.pinned_runs);
    else if (!kept.is_stuck && w->is_stuck)
        log_write(LOG_LEVEL_INFO, w->area, "the store is below retention_size again");
    w->is_stuck = kept.is_stuck;
}

static ol_status expire_on(struct store_writer *w, struct policy *policy, struct ol_error *err)
{
    int64_t now = ol__time_monotonic_ms();
    ol_status status = store_expire(w->store, &policy->policy, EXPIRE_RUNS, err);
    w->pass_ms = (w->is_expiring ? w->pass_ms : 0) + ol__time_monotonic_ms() - now;
    w->is_expiring = status == OL_AGAIN;
    if (status == OL_OK)
        w->expire_at =
            ol__time_monotonic_ms() + OL_MAX((int64_t)EXPIRE_EVERY_MS, w->pass_ms * EXPIRE_PAUSE);
    if (status >= 0)
        tell_kept(w);
    return status;
}

/* What somebody asked for by hand comes before what the configuration says. @return whether there
 * is such a thing, with what became of it in @p ret. */
static bool collect_wish(struct store_writer *w, ol_status *ret, struct ol_error *err)
{
    struct policy policy;
    struct store_kept from = {0};
    pthread_mutex_lock(&w->lock);
    bool is_asked = w->gc == GC_ASKED, is_meant = is_asked || w->gc == GC_UNDER_WAY;
    struct policy_wish wish = w->wish;
    char name[sizeof w->wish_class];
    memcpy(name, w->wish_class, sizeof name);
    if (is_asked)
        w->gc = GC_UNDER_WAY;
    pthread_mutex_unlock(&w->lock);
    if (!is_meant)
        return false;
    wish.only_class = wish.only_class != NULL ? name : NULL;
    int64_t now = ol__time_now_ms();
    policy_make(w->config, now, &policy);
    if (is_asked) {
        store_kept(w->store, &from);
        store_expire_restart(w->store);
        w->is_expiring = false;
    }
    *ret = policy_change(&policy, &wish, now, err);
    if (*ret == OL_OK)
        *ret = expire_on(w, &policy, err);
    pthread_mutex_lock(&w->lock);
    if (is_asked)
        w->gc_from = from;
    store_kept(w->store, &w->gc_now);
    if (*ret != OL_AGAIN && w->gc == GC_UNDER_WAY) {
        w->gc = GC_DONE;
        w->gc_status = *ret;
        w->gc_err = *err;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    if (*ret == OL_INVALID)
        *ret = OL_OK; /* the wish was wrong, not the store */
    return true;
}

static ol_status expire(struct store_writer *w, struct ol_error *err)
{
    struct policy policy;
    ol_status status = OL_OK;
    int64_t now = ol__time_monotonic_ms();
    if (collect_wish(w, &status, err))
        return status < 0 ? status : OL_OK;
    if ((now < w->expire_at && !w->is_expiring) || !may_expire(w, now))
        return OL_OK;
    policy_make(w->config, ol__time_now_ms(), &policy);
    status = expire_on(w, &policy, err);
    return status < 0 ? status : OL_OK;
}

/* ---- The thread ---- */

static void tell_given_up(struct store_writer *w)
{
    uint64_t total;
    OL_IGNORE(spool_cursor_given_up(w->cursor, &total), "the reader says which are gone");
    uint64_t count = route_metrics_given_up(w->metrics, total);
    if (count > 0)
        log_write(LOG_LEVEL_WARNING, w->area,
                  "on_lag: detach: %llu records were given up at half of the spool (cursor/%s.gaps "
                  "says which)",
                  (unsigned long long)count, w->config->name);
}

/* Whether to go on: not once stop is asked for and all is done, or its time is over, or it fails.
 */
static bool goes_on(struct store_writer *w, bool is_at_end, bool is_failing)
{
    pthread_mutex_lock(&w->lock);
    bool is_over =
        w->must_stop && (is_at_end || is_failing || ol__time_monotonic_ms() >= w->stop_deadline);
    pthread_mutex_unlock(&w->lock);
    return !is_over;
}

static void sleep_until_woken(struct store_writer *w, int64_t ms)
{
    struct pollfd fd = {.fd = w->wake_fd, .events = POLLIN};
    uint64_t count;
    if (poll(&fd, 1, (int)ms) > 0)
        OL_IGNORE(read(w->wake_fd, &count, sizeof count) < 0, "another wake-up took it");
}

/* A backoff ends early for a stop only, not because the spool grew. */
static void back_off(struct store_writer *w)
{
    int64_t until = ol__time_monotonic_ms() + w->backoff_ms, left;
    while ((left = until - ol__time_monotonic_ms()) > 0 && goes_on(w, false, true))
        sleep_until_woken(w, left);
}

static void *writer_main(void *arg)
{
    struct store_writer *w = arg;
    for (bool is_at_end = false, is_failing = false; goes_on(w, is_at_end, is_failing);) {
        struct ol_error err = {0};
        struct batch batch = {0};
        bool has_members = false;
        ol_status status = w->store == NULL ? open_store(w, &err) : OL_OK;
        if (status == OL_OK)
            status = run_batch(w, &batch, &err);
        if (status == OL_OK && w->inbox != NULL)
            status = members_inbox_step(w->inbox, w->store, MEMBERS_MS, &has_members, &err);
        is_at_end = status == OL_OK && batch.is_at_end && !has_members;
        is_failing = status != OL_OK;
        tell_given_up(w);
        if (status == OL_OK) {
            succeeded(w);
            publish(w, has_members);
            if (is_at_end)
                status = expire(w, &err);
        }
        if (status != OL_OK) {
            failed(w, status, &err);
            back_off(w);
        } else if (is_at_end && !w->is_expiring && goes_on(w, true, false)) {
            int64_t ms = OL_MAX(w->expire_at - ol__time_monotonic_ms(), INT64_C(1));
            sleep_until_woken(w, w->inbox != NULL ? OL_MIN(ms, INBOX_MS) : ms);
        }
    }
    return NULL;
}

/* ---- What agent.h offers ---- */

/* Of several stores one has the members. */
static bool is_first_store(const struct agent *agent, int route_index)
{
    const struct route_config *routes = agent->config->routes.items;
    int i = 0;
    while (i < route_index && routes[i].type != ROUTE_STORE)
        i++;
    return i == route_index;
}

ol_status store_writer_open(const struct agent *agent, int route_index, struct store_writer **ret,
                            struct ol_error *err)
{
    struct store_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ol__error_set(err, OL_NOMEM, "store route: out of memory");
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    w->agent = agent;
    w->config = (const struct route_config *)agent->config->routes.items + route_index;
    w->metrics = &agent->metrics->routes[route_index];
    OL_IGNORE(snprintf(w->area, sizeof w->area, "route %s", w->config->name) < 0, "a log's area");
    w->clock_offset = ol__time_now_ms() - ol__time_monotonic_ms();
    if (spool_clock_is_doubtful(agent->spool, ol__time_now_ms())) /* promise 5 */
        w->clock_hold_until = ol__time_monotonic_ms() + CLOCK_HOLD_MS;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ol_status status = w->wake_fd < 0 ? ol__error_set_errno(err, errno, "store route: eventfd")
                                      : open_store(w, err);
    if (status == OL_FULL || status == OL_BUSY) { /* promise 4 */
        failed(w, status, err);
        w->seq = 0;
        status = OL_OK;
    }
    if (status == OL_OK)
        status = route_filter_new(w->config, &w->filter, err);
    if (status == OL_OK && is_first_store(agent, route_index))
        status = members_inbox_new(agent, w->area, &w->inbox, err);
    bool is_pinned = w->config->on_lag == ON_LAG_PIN ||
                     (w->config->on_lag == ON_LAG_DEFAULT && route_index == 0);
    if (status == OL_OK)
        status = spool_cursor_open_external(agent->spool, w->config->name, is_pinned, w->seq,
                                            &w->cursor, err);
    if (status == OL_OK)
        status = spool_subscribe(agent->spool, w->wake_fd);
    if (status != OL_OK) {
        store_writer_close(w);
        return status;
    }
    publish(w, w->inbox != NULL);
    *ret = w;
    return OL_OK;
}

ol_status store_writer_start(struct store_writer *w, struct ol_error *err)
{
    int code = pthread_create(&w->thread, NULL, writer_main, w);
    if (code != 0)
        return ol__error_set_errno(err, code, "store route: start a thread");
    w->is_started = true;
    return OL_OK;
}

ol_status store_writer_wait(struct store_writer *w, struct ol_error *err)
{
    pthread_mutex_lock(&w->lock);
    uint64_t failures = w->failures;
    while ((w->done < spool_synced(w->agent->spool) || w->has_members) && w->failures == failures) {
        struct timespec until; /* the spool may grow without a change here */
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&w->changed, &w->lock, &until);
    }
    bool is_done = w->done >= spool_synced(w->agent->spool) && !w->has_members;
    pthread_mutex_unlock(&w->lock);
    char text[ROUTE_ERROR_MAX];
    if (is_done)
        return OL_OK;
    route_metrics_get_error(w->metrics, text);
    return ol__error_set(err, OL_AGAIN, "%s", text);
}

static bool is_same_wish(const struct policy_wish *a, const struct policy_wish *b)
{
    bool has_class = a->only_class != NULL;
    return a->older_than_ms == b->older_than_ms && a->keep_last == b->keep_last &&
           has_class == (b->only_class != NULL) &&
           (!has_class || strcmp(a->only_class, b->only_class) == 0);
}

const struct route_config *store_writer_config(const struct store_writer *w)
{
    return w->config;
}

ol_status store_writer_collect(struct store_writer *w, const struct policy_wish *wish,
                               int64_t wait_ms, struct store_kept *ret, struct ol_error *err)
{
    struct timespec until;
    uint64_t one = 1;
    ol_status status = OL_AGAIN;
    if (wish->only_class != NULL && strlen(wish->only_class) >= sizeof w->wish_class)
        return ol__error_set(err, OL_INVALID, "class: there is no such class");
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    pthread_mutex_lock(&w->lock);
    if (w->gc == GC_NONE || w->gc == GC_DONE || !is_same_wish(wish, &w->wish)) {
        w->wish = *wish;
        snprintf(w->wish_class, sizeof w->wish_class, "%s",
                 wish->only_class != NULL ? wish->only_class : "");
        w->wish.only_class = wish->only_class != NULL ? w->wish_class : NULL;
        w->gc = GC_ASKED;
    }
    OL_IGNORE(write(w->wake_fd, &one, sizeof one) < 0, "full: then it is awake");
    uint64_t failures = w->failures;
    int late = 0;
    while (w->gc != GC_DONE && w->gc != GC_NONE && w->failures == failures && late == 0 &&
           !w->must_stop)
        late = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    *ret = w->gc_now;
    ret->removed_runs -= w->gc_from.removed_runs;
    ret->removed_answers -= w->gc_from.removed_answers;
    if (w->gc == GC_DONE) {
        status = w->gc_status;
        if (status != OL_OK && err != NULL)
            *err = w->gc_err;
        w->gc = GC_NONE;
    } else if (w->failures != failures) {
        status = ol__error_set(err, OL_IO, "the store fails; the agent's log says why");
        w->gc = GC_NONE;
    } else if (w->must_stop) {
        status = ol__error_set(err, OL_BUSY, "the agent is stopping");
    }
    pthread_mutex_unlock(&w->lock);
    return status;
}

void store_writer_stop(struct store_writer *w, int64_t timeout_ms, uint64_t *ret_left)
{
    if (w->is_started) {
        uint64_t one = 1;
        pthread_mutex_lock(&w->lock);
        w->must_stop = true;
        w->stop_deadline = ol__time_monotonic_ms() + timeout_ms;
        pthread_mutex_unlock(&w->lock);
        OL_IGNORE(write(w->wake_fd, &one, sizeof one) < 0, "full: then it is awake");
        pthread_join(w->thread, NULL);
        w->is_started = false;
    }
    uint64_t synced = spool_synced(w->agent->spool);
    if (ret_left != NULL)
        *ret_left = synced > w->seq ? synced - w->seq : 0;
}

void store_writer_close(struct store_writer *w)
{
    if (w == NULL)
        return;
    store_writer_stop(w, 0, NULL);
    if (w->wake_fd >= 0) {
        spool_unsubscribe(w->agent->spool, w->wake_fd);
        close(w->wake_fd);
    }
    close_store(w);
    members_inbox_free(w->inbox);
    route_filter_free(w->filter);
    spool_cursor_close(w->cursor);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
