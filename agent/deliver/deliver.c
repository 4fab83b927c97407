/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. One thread drives all routes and never waits for one of them: it sleeps in one poll until
 * something happens or the next deadline, and never polls in vain.
 *  2. Cursors are on disk within a second of their last move, and at the end.
 *  3. Dead letters and cursors are touched by this thread alone: who wants them changed hands the
 *     request over and waits for the answer. */
#include "route.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "handover.h"
#include "times.h"

#define SYNC_MS 1000

struct deliver {
    const struct agent *agent;
    CURLM *multi; /* NULL: no HTTP route */
    struct route *routes[ROUTES_MAX];
    size_t route_count;
    int spool_fd, wake_fd;        /* eventfds */
    bool is_spool_news, is_woken; /* they are readable */
    bool is_subscribed, is_curl_up;
    pthread_t thread;
    bool is_running;
    _Atomic int64_t stop_at; /* monotonic ms; INT64_MAX: go on */
    /* Under lock: */
    pthread_mutex_t lock;
    pthread_cond_t passed; /* signalled after a pass that somebody may have waited for */
    uint64_t passes;
    unsigned waiters;
    uint64_t heeded;  /* passes up to which each is told */
    uint64_t awaited; /* the lowest sequence that somebody waits for */
    struct {
        bool is_stuck;
        uint64_t kept_from;
    } shown[ROUTES_MAX];
    struct handover *requests;
};

/* What is handed over. */
enum request_kind { END_LETTERS, REWIND };
struct letters_request {
    const char *route, *how;
    const uint64_t *seqs;
    size_t count, ended;
};
struct rewind_request {
    const char *route;
    uint64_t from, begun;
};

static void wake(struct deliver *d)
{
    uint64_t one = 1;
    OL_IGNORE(write(d->wake_fd, &one, sizeof one) < 0, "full means it is awake already");
}

static void drain(int fd)
{
    uint64_t count;
    OL_IGNORE(read(fd, &count, sizeof count) < 0, "EAGAIN: nothing came");
}

/* ---- The thread ---- */

static void transfers(struct deliver *d)
{
    int running = 0, left;
    CURLMsg *message;
    if (d->multi == NULL)
        return;
    curl_multi_perform(d->multi, &running);
    if (running > 0)
        OL_CRASHPOINT("deliver.sent");
    int64_t now = ol__time_monotonic_ms();
    while ((message = curl_multi_info_read(d->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE)
            route_http_finished(message->easy_handle, message->data.result, now);
}

/* A spool that is full at the start, with nothing to deliver, gets room only by this save. */
static bool must_sync(const struct route *route)
{
    return route->is_dirty || (route->cursor != NULL && spool_cursor_is_dirty(route->cursor));
}

/* @return when the next one is due. */
static int64_t sync_cursors(struct deliver *d, int64_t now, int64_t *sync_at)
{
    bool is_dirty = false;
    for (size_t i = 0; i < d->route_count; i++)
        is_dirty = is_dirty || must_sync(d->routes[i]);
    if (!is_dirty) {
        *sync_at = 0;
        return INT64_MAX;
    }
    if (*sync_at == 0)
        *sync_at = now + SYNC_MS;
    if (now < *sync_at)
        return *sync_at;
    for (size_t i = 0; i < d->route_count; i++) {
        if (must_sync(d->routes[i]))
            OL_IGNORE(!route_sync(d->routes[i]), "it was logged, and is tried again");
    }
    *sync_at = 0;
    return now + SYNC_MS; /* those that failed */
}

static void tell_given_up(struct route *route)
{
    uint64_t total;
    OL_IGNORE(spool_cursor_given_up(route->cursor, &total), "how far is in its mark");
    uint64_t count = route_metrics_given_up(route->metrics, total);
    if (count > 0)
        log_write(LOG_LEVEL_WARNING, route->area,
                  "on_lag: detach: %llu records were given up at half of the spool (cursor/%s.gaps "
                  "says which)",
                  (unsigned long long)count, route->config->name);
}

static int64_t work_all(struct deliver *d, bool is_hurried, bool is_awaited)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < d->route_count; i++) {
        struct route *route = d->routes[i];
        route->is_hurried = is_hurried;
        route->is_awaited = is_awaited;
        route->is_yielding = false;
        int64_t at = route->ops->work(route, ol__time_monotonic_ms());
        next = OL_MIN(next, route->is_yielding ? ol__time_monotonic_ms() : at);
        if (route->cursor != NULL) {
            tell_given_up(route);
            metric_set(&route->metrics->low, spool_cursor_low(route->cursor));
            metric_set(&route->metrics->done,
                       spool_cursor_done_count(route->cursor) + route->beyond_count);
        }
        if (route->letters != NULL)
            metric_set(&route->metrics->letters, dead_letters_count(route->letters));
    }
    return next;
}

static bool is_finished(const struct deliver *d)
{
    for (size_t i = 0; i < d->route_count; i++)
        if (!d->routes[i]->is_stuck && !route_is_empty(d->routes[i]))
            return false;
    return true;
}

static void sleep_until(struct deliver *d, int64_t next)
{
    int64_t wait = next == INT64_MAX ? -1 : OL_MAX(next - ol__time_monotonic_ms(), INT64_C(0));
    int timeout = (int)OL_MIN(wait, INT64_C(600000));
    if (d->multi != NULL) {
        struct curl_waitfd fds[ROUTES_MAX + 2] = {{.fd = d->spool_fd, .events = CURL_WAIT_POLLIN},
                                                  {.fd = d->wake_fd, .events = CURL_WAIT_POLLIN}};
        unsigned count = 2;
        for (size_t i = 0; i < d->route_count; i++)
            if (d->routes[i]->poll_fd >= 0)
                fds[count++] =
                    (struct curl_waitfd){.fd = d->routes[i]->poll_fd, .events = CURL_WAIT_POLLIN};
        curl_multi_poll(d->multi, fds, count, timeout < 0 ? 600000 : timeout, NULL);
        d->is_spool_news = fds[0].revents != 0;
        d->is_woken = fds[1].revents != 0;
        return;
    }
    struct pollfd fds[ROUTES_MAX + 2] = {{.fd = d->spool_fd, .events = POLLIN},
                                         {.fd = d->wake_fd, .events = POLLIN}};
    nfds_t count = 2;
    for (size_t i = 0; i < d->route_count; i++)
        if (d->routes[i]->poll_fd >= 0)
            fds[count++] = (struct pollfd){.fd = d->routes[i]->poll_fd, .events = POLLIN};
    OL_IGNORE(poll(fds, count, timeout) < 0, "EINTR: look around and come back");
    d->is_spool_news = fds[0].revents != 0;
    d->is_woken = fds[1].revents != 0;
}

/* ---- Requests: promise 3 ---- */

static struct route *find_route(struct deliver *d, const char *name)
{
    for (size_t i = 0; i < d->route_count; i++)
        if (strcmp(d->routes[i]->config->name, name) == 0)
            return d->routes[i];
    return NULL;
}

static ol_status end_letters(struct deliver *d, struct letters_request *q, struct ol_error *err)
{
    struct route *route = find_route(d, q->route);
    if (route == NULL || route->letters == NULL)
        return ol__error_set(err, OL_NOT_FOUND, "route '%s' keeps no dead letters", q->route);
    ol_status status =
        dead_letters_end_many(route->letters, q->seqs, q->count, q->how, &q->ended, err);
    if (status == OL_OK)
        metric_add(strcmp(q->how, "dropped") == 0 ? &route->metrics->letters_dropped
                                                  : &route->metrics->letters_retried,
                   q->ended);
    return status;
}

static ol_status rewind_route(struct deliver *d, struct rewind_request *q, struct ol_error *err)
{
    struct route *route = find_route(d, q->route);
    if (route == NULL)
        return ol__error_set(err, OL_NOT_FOUND, "no such route of delivery: %s", q->route);
    if (route->cursor == NULL)
        return ol__error_set(err, OL_IO, "route '%s' is not open yet", q->route);
    uint64_t low = spool_cursor_low(route->cursor);
    if (q->from > low)
        return ol__error_set(
            err, OL_INVALID,
            "route '%s' has come to sequence %llu: %llu and what follows goes to it "
            "anyway",
            q->route, (unsigned long long)low, (unsigned long long)q->from);
    ol_status status = route->ops->rewind(route, q->from, &q->begun, err);
    if (status == OL_OK)
        log_write(LOG_LEVEL_WARNING, route->area,
                  "goes back: sequences from %llu on are sent again", (unsigned long long)q->begun);
    return status;
}

static void serve_requests(struct deliver *d)
{
    struct handover_job *job;
    while ((job = handover_next(d->requests)) != NULL) {
        struct ol_error err = {0};
        ol_status status = OL_INVALID;
        switch ((enum request_kind)job->kind) {
        case END_LETTERS:
            status = end_letters(d, job->arg, &err);
            break;
        case REWIND:
            status = rewind_route(d, job->arg, &err);
            break;
        }
        handover_answer(d->requests, job, status, &err);
    }
}

ol_status deliver_end_letters(struct deliver *d, const char *route, const uint64_t *seqs,
                              size_t count, const char *how, size_t *ret_ended,
                              struct ol_error *err)
{
    struct letters_request q = {.route = route, .how = how, .seqs = seqs, .count = count};
    struct handover_job job = {.kind = END_LETTERS, .arg = &q};
    ol_status status = handover_ask(d->requests, &job, err);
    *ret_ended = status == OL_OK ? q.ended : 0;
    return status;
}

ol_status deliver_rewind(struct deliver *d, const char *route, uint64_t from, uint64_t *ret_from,
                         struct ol_error *err)
{
    struct rewind_request q = {.route = route, .from = OL_MAX(from, UINT64_C(1))};
    struct handover_job job = {.kind = REWIND, .arg = &q};
    ol_status status = handover_ask(d->requests, &job, err);
    if (status == OL_OK)
        *ret_from = q.begun;
    return status;
}

/* How far it has come; 0 before it is open. */
static uint64_t low_of(const struct route *route)
{
    return route->cursor != NULL ? spool_cursor_low(route->cursor) : 0;
}

/* Under the lock: whether what the pass came to may end somebody's wait. To wake all after each
 * pass costs as much as sending an event. */
static bool is_awaited(const struct deliver *d, int64_t stop_at)
{
    if (d->waiters == 0)
        return false;
    if (d->passes <= d->heeded || stop_at != INT64_MAX)
        return true;
    for (size_t i = 0; i < d->route_count; i++)
        if (d->shown[i].is_stuck || low_of(d->routes[i]) >= d->awaited)
            return true;
    return false;
}

static void *run(void *arg)
{
    struct deliver *d = arg;
    int64_t sync_at = 0;
    for (;;) {
        /* Before looking: what comes later wakes anew. */
        if (d->is_spool_news)
            drain(d->spool_fd);
        if (d->is_woken)
            drain(d->wake_fd);
        int64_t stop_at = atomic_load(&d->stop_at);
        pthread_mutex_lock(&d->lock);
        bool has_waiters = d->waiters > 0;
        pthread_mutex_unlock(&d->lock);
        serve_requests(d);
        transfers(d);
        int64_t next = work_all(d, stop_at != INT64_MAX || has_waiters, has_waiters);
        int64_t now = ol__time_monotonic_ms();
        next = OL_MIN(next, sync_cursors(d, now, &sync_at));
        pthread_mutex_lock(&d->lock);
        d->passes++;
        for (size_t i = 0; i < d->route_count; i++) {
            d->shown[i].is_stuck = d->routes[i]->is_stuck;
            d->shown[i].kept_from = d->routes[i]->kept_from;
        }
        if (is_awaited(d, stop_at))
            pthread_cond_broadcast(&d->passed);
        pthread_mutex_unlock(&d->lock);
        if (stop_at != INT64_MAX && (now >= stop_at || is_finished(d)))
            break;
        sleep_until(d, OL_MIN(next, stop_at));
    }
    for (size_t i = 0; i < d->route_count; i++)
        d->routes[i]->ops->stop(d->routes[i]);
    sync_at = 1;
    sync_cursors(d, ol__time_monotonic_ms(), &sync_at);
    handover_close(d->requests);
    return NULL;
}

/* ---- From outside ---- */

static ol_status open_routes(struct deliver *d, struct ol_error *err)
{
    const struct agent_config *config = d->agent->config;
    const struct route_config *routes = config->routes.items;
    if (config->routes.count > ROUTES_MAX)
        return ol__error_set(err, OL_CONFIG, "%zu routes: at most %d", config->routes.count,
                             ROUTES_MAX);
    for (size_t i = 0; i < config->routes.count; i++) {
        struct route **slot = &d->routes[d->route_count];
        ol_status status = OL_OK;
        if (routes[i].type == ROUTE_STORE)
            continue;
        if (routes[i].type == ROUTE_HTTP && d->multi == NULL) {
            d->is_curl_up = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
            d->multi = d->is_curl_up ? curl_multi_init() : NULL;
            if (d->multi == NULL)
                return ol__error_set(err, OL_NOMEM, "libcurl: cannot be set up");
        }
        if (routes[i].type == ROUTE_HTTP)
            status = route_http_open(d->agent, (int)i, d->multi, slot, err);
        else if (routes[i].type == ROUTE_KAFKA)
            status = route_kafka_open(d->agent, (int)i, slot, err);
        else
            status = route_file_open(d->agent, (int)i, slot, err);
        d->route_count += *slot != NULL;
        if (status != OL_OK)
            return ol__error_prefix(err, status, "route '%s'", routes[i].name);
    }
    return OL_OK;
}

ol_status deliver_open(const struct agent *agent, struct deliver **ret, struct ol_error *err)
{
    struct deliver *d = calloc(1, sizeof *d);
    if (d == NULL)
        return ol__error_set(err, OL_NOMEM, "delivery: out of memory");
    d->agent = agent;
    atomic_init(&d->stop_at, INT64_MAX);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->passed, NULL);
    d->spool_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ol_status status = OL_OK;
    if (d->spool_fd < 0 || d->wake_fd < 0)
        status = ol__error_set_errno(err, errno, "delivery: eventfd");
    if (status == OL_OK)
        status = handover_new(d->wake_fd, &d->requests, err);
    if (status == OL_OK)
        status = open_routes(d, err);
    if (status == OL_OK) {
        status = spool_subscribe(agent->spool, d->spool_fd);
        d->is_subscribed = status == OL_OK;
        if (status != OL_OK)
            ol__error_set(err, status, "delivery: cannot follow the spool");
    }
    if (status != OL_OK) {
        deliver_close(d);
        return status;
    }
    *ret = d;
    return OL_OK;
}

ol_status deliver_start(struct deliver *d, struct ol_error *err)
{
    int code = pthread_create(&d->thread, NULL, run, d);
    if (code != 0)
        return ol__error_set_errno(err, code, "delivery: thread");
    d->is_running = true;
    return OL_OK;
}

void deliver_stop(struct deliver *d, int64_t timeout_ms, uint64_t *ret_left)
{
    if (d->is_running) {
        atomic_store(&d->stop_at, ol__time_monotonic_ms() + timeout_ms);
        wake(d);
        pthread_join(d->thread, NULL);
        d->is_running = false;
        pthread_mutex_lock(&d->lock); /* nobody passes any more */
        d->passes += 2;
        pthread_cond_broadcast(&d->passed);
        pthread_mutex_unlock(&d->lock);
    }
    uint64_t left = 0;
    for (size_t i = 0; i < d->route_count; i++)
        left += route_left(d->routes[i]);
    if (ret_left != NULL)
        *ret_left = left;
}

ol_status deliver_wait(struct deliver *d, const char *name, struct ol_error *err)
{
    uint64_t target = spool_synced(d->agent->spool);
    const struct route *waits = NULL;
    bool is_found = name == NULL;
    pthread_mutex_lock(&d->lock);
    uint64_t begin = d->passes;
    d->awaited = d->waiters == 0 ? target : OL_MIN(d->awaited, target);
    d->heeded = begin + 2;
    d->waiters++;
    wake(d);
    for (;;) {
        const bool has_passed = d->passes >= begin + 2;
        bool is_over = d->passes >= begin + 2; /* a whole pass that knew of us */
        waits = NULL;
        for (size_t i = 0; i < d->route_count; i++) {
            const struct route *route = d->routes[i];
            if (name != NULL && strcmp(route->config->name, name) != 0)
                continue;
            is_found = true;
            /* What keeps sums of answers has marked them before they are sent. */
            bool has_kept = route->keeps_sums && (!has_passed || d->shown[i].kept_from <= target);
            if (low_of(route) >= target && !has_kept)
                continue;
            waits = route;
            is_over = is_over && (d->shown[i].is_stuck || atomic_load(&d->stop_at) != INT64_MAX);
        }
        if (waits == NULL || is_over)
            break;
        if (d->passes < begin + 2)
            wake(d);
        pthread_cond_wait(&d->passed, &d->lock);
    }
    d->waiters--;
    pthread_mutex_unlock(&d->lock);
    if (!is_found)
        return ol__error_set(err, OL_NOT_FOUND, "route '%s': no such route of delivery", name);
    if (waits == NULL)
        return OL_OK;
    char why[ROUTE_ERROR_MAX];
    route_metrics_get_error(waits->metrics, why);
    return ol__error_set(err, OL_AGAIN, "route '%s' %s: %s", waits->config->name,
                         route_state_name((enum route_state)metric_get(&waits->metrics->state)),
                         why);
}

void deliver_close(struct deliver *d)
{
    if (d == NULL)
        return;
    if (d->is_running)
        deliver_stop(d, 0, NULL);
    if (d->is_subscribed)
        spool_unsubscribe(d->agent->spool, d->spool_fd);
    for (size_t i = 0; i < d->route_count; i++)
        d->routes[i]->ops->close(d->routes[i]);
    handover_close(d->requests);
    handover_free(d->requests);
    curl_multi_cleanup(d->multi);
    if (d->is_curl_up)
        curl_global_cleanup();
    if (d->spool_fd >= 0)
        close(d->spool_fd);
    if (d->wake_fd >= 0)
        close(d->wake_fd);
    pthread_cond_destroy(&d->passed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
