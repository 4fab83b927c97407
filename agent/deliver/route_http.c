/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. The bytes sent are the event's bytes. Neither they, nor answers, nor keys reach the log.
 *  2. At most max_in_flight requests wait for an answer; the cursor marks each event at its answer,
 * so kill -9 repeats at most those.
 *  3. A connection that the server closed while it was idle counts no try: the request goes out
 * again at once on a fresh one.
 *  4. A key file is read again when it changes; while it cannot be read the last good key stays.
 *  5. Only http and https to the configured place: no redirects, no proxy from the environment.
 *  6. Events that fail while others get through end as dead letters also when they have used up the
 * cursor's window: single events past it show whether others still do.
 *  7. While dead letters cannot be written, an event to be parked is posted again ever less often:
 * after a second at first, a minute in the end. */
#include "route.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "cause.h"
#include "lanes.h"
#include "profile.h"
#include "times.h"

#define ANSWER_MAX 4096
#define KEY_MAX 8192
#define KEY_CHECK_MS 1000
#define URL_MAX 4096
#define CONNECT_MAX_MS 10000
/* Marquez closes idle connections after 30 s and does not say so. */
#define IDLE_MAX_S 25L
#define KEEP_BUFFER (256u * 1024u)
#define LOCAL_DELAY_MS 1000
#define LETTER_DELAY_MAX_MS 60000

/* Header lines; shared by requests in flight while the key changes. */
struct headers {
    struct curl_slist *list;
    int refs;
};

struct request {
    struct http_route *route;
    CURL *easy;
    struct headers *headers;
    struct lanes_item item;
    struct spool_record record; /* data: in `event` */
    struct ol__buf event;
    char answer[ANSWER_MAX];
    char trouble[CURL_ERROR_SIZE]; /* libcurl's words, if there is no answer */
    size_t answer_size;
    char retry_after[64];
    size_t retry_after_size;
    bool is_busy, has_headers, is_fresh;
};

struct http_route {
    struct route base;
    CURLM *multi; /* borrowed */
    struct lanes *lanes;
    struct cause_clock clock;
    struct ol__buf url;
    struct headers *headers; /* NULL: the key file could not be read yet */
    int64_t key_check_at;
    struct timespec key_mtime;
    off_t key_size;
    ino_t key_inode;
    int letter_level;         /* dead letters that could not be written, in a row */
    struct request *requests; /* max_in_flight of them */
    size_t request_count;
};

/* ---- Key and headers ---- */

static void headers_unref(struct headers *headers)
{
    if (headers == NULL || --headers->refs > 0)
        return;
    curl_slist_free_all(headers->list);
    free(headers);
}

static bool headers_add(struct headers *headers, const char *line)
{
    struct curl_slist *list = curl_slist_append(headers->list, line);
    if (list == NULL)
        return false;
    headers->list = list;
    return true;
}

static ol_status headers_set(struct http_route *r, struct ol__span key, struct ol_error *err)
{
    while (key.size > 0 && strchr(" \t\r\n", key.data[key.size - 1]) != NULL)
        key.size--;
    for (size_t i = 0; i < key.size; i++)
        if (key.data[i] < 0x21 || key.data[i] > 0x7e)
            return ol__error_set(err, OL_CONFIG,
                                 "API key: position %zu is no visible ASCII character", i);
    struct headers *headers = calloc(1, sizeof *headers);
    struct ol__buf line;
    ol__buf_init(&line, KEY_MAX + 100);
    bool is_good = headers != NULL && headers_add(headers, "Content-Type: application/json") &&
                   headers_add(headers, "Expect:");
    if (is_good && key.size > 0) {
        ol__buf_add_text(&line, "Authorization: Bearer ");
        ol__buf_add(&line, key.data, key.size);
        is_good = line.status == OL_OK && headers_add(headers, line.data);
    }
    if (line.data != NULL)
        explicit_bzero(line.data, line.size);
    ol__buf_release(&line);
    if (!is_good) {
        if (headers != NULL)
            headers->refs = 1;
        headers_unref(headers);
        return ol__error_set(err, OL_NOMEM, "HTTP headers: out of memory");
    }
    headers->refs = 1;
    headers_unref(r->headers);
    r->headers = headers;
    return OL_OK;
}

/* Promise 4. */
static void check_key(struct http_route *r, int64_t now_ms)
{
    const char *path = r->base.config->api_key_file;
    struct ol_error err;
    if (path == NULL || now_ms < r->key_check_at)
        return;
    r->key_check_at = now_ms + KEY_CHECK_MS;
    struct stat st;
    if (stat(path, &st) == 0 && r->headers != NULL && st.st_size == r->key_size &&
        st.st_ino == r->key_inode && st.st_mtim.tv_sec == r->key_mtime.tv_sec &&
        st.st_mtim.tv_nsec == r->key_mtime.tv_nsec)
        return;
    struct ol__buf key;
    ol__buf_init(&key, KEY_MAX);
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, path, &key, &err);
    if (status == OL_OK && key.size == 0)
        status = ol__error_set(&err, OL_CONFIG, "'%s' is empty", path);
    if (status == OL_OK)
        status = headers_set(r, (struct ol__span){.data = key.data, .size = key.size}, &err);
    if (key.data != NULL)
        explicit_bzero(key.data, key.size);
    ol__buf_release(&key);
    if (status != OL_OK) {
        ol__error_prefix(&err, status, "api_key_file");
        log_write(LOG_LEVEL_ERROR, r->base.area, "%s", err.message);
        if (r->headers == NULL) {
            route_metrics_set_cause(r->base.metrics, CAUSE_CREDENTIALS, err.message);
            route_set_state(&r->base, ROUTE_HELD, err.message);
        }
        return;
    }
    r->key_mtime = st.st_mtim;
    r->key_size = st.st_size;
    r->key_inode = st.st_ino;
    lanes_probe_now(r->lanes);
}

/* ---- Requests ---- */

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
    struct request *q = arg;
    size_t keep = OL_MIN(size * count, sizeof q->answer - q->answer_size);
    memcpy(q->answer + q->answer_size, data, keep);
    q->answer_size += keep;
    return size * count; /* the rest is read and forgotten, so that the connection can be kept */
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "retry-after:";
    struct request *q = arg;
    size *= count;
    q->has_headers = true;
    if (size > 5 && memcmp(data, "HTTP/", 5) == 0)
        q->retry_after_size = 0; /* a final answer after 1xx */
    cause_note_clock(&q->route->clock, q->route->base.metrics, data, size);
    if (size >= sizeof name - 1 && strncasecmp(data, name, sizeof name - 1) == 0) {
        q->retry_after_size = OL_MIN(size - (sizeof name - 1), sizeof q->retry_after);
        memcpy(q->retry_after, data + sizeof name - 1, q->retry_after_size);
    }
    return size;
}

static bool prepare_easy(struct http_route *r, struct request *q)
{
    q->easy = curl_easy_init();
    if (q->easy == NULL)
        return false;
    long timeout = (long)r->base.config->timeout_ms;
    CURLcode bad = CURLE_OK;
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (bad == CURLE_OK)                                                                       \
            bad = curl_easy_setopt(q->easy, option, value);                                        \
    } while (0)
    SET(CURLOPT_URL, r->url.data);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    SET(CURLOPT_PROXY, ""); /* promise 5 */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_USERAGENT, "lineaged/" OL_VERSION);
    SET(CURLOPT_TIMEOUT_MS, timeout);
    SET(CURLOPT_CONNECTTIMEOUT_MS, OL_MIN(timeout, (long)CONNECT_MAX_MS));
    SET(CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, (void *)q);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, (void *)q);
    SET(CURLOPT_PRIVATE, (void *)q);
    SET(CURLOPT_ERRORBUFFER, q->trouble);
#undef SET
    return bad == CURLE_OK;
}

static struct request *free_request(struct http_route *r)
{
    for (size_t i = 0; i < r->request_count; i++)
        if (!r->requests[i].is_busy)
            return &r->requests[i];
    return NULL; /* lanes never give more than there are */
}

static bool submit(struct request *q)
{
    q->answer_size = q->retry_after_size = 0;
    q->has_headers = false;
    q->trouble[0] = '\0';
    if (curl_easy_setopt(q->easy, CURLOPT_HTTPHEADER, q->headers->list) != CURLE_OK ||
        curl_easy_setopt(q->easy, CURLOPT_FRESH_CONNECT, q->is_fresh ? 1L : 0L) != CURLE_OK ||
        curl_easy_setopt(q->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->event.size) !=
            CURLE_OK ||
        curl_easy_setopt(q->easy, CURLOPT_POSTFIELDS, q->event.data) != CURLE_OK ||
        curl_multi_add_handle(q->route->multi, q->easy) != CURLM_OK)
        return false;
    metric_add(&q->route->base.metrics->requests, 1);
    return true;
}

static void request_end(struct request *q)
{
    headers_unref(q->headers);
    q->headers = NULL;
    q->is_busy = false;
    if (q->event.cap > KEEP_BUFFER)
        ol__buf_release(&q->event);
}

/* Promise 7. @return whether it is parked; else its lane waits. */
static bool park(struct http_route *r, const struct lanes_item *item,
                 const struct spool_record *record, const char *reason, int status,
                 struct ol__span answer, int64_t now_ms)
{
    struct ol_error err;
    if (route_park(&r->base, record, reason, status, answer, status != 0 ? item->tries : 0, &err) !=
        OL_OK) {
        lanes_release(r->lanes, item, now_ms,
                      retry_ceiling(LOCAL_DELAY_MS, LETTER_DELAY_MAX_MS, r->letter_level));
        if (r->letter_level < 30)
            r->letter_level++;
        return false;
    }
    r->letter_level = 0;
    lanes_remove(r->lanes, item);
    route_done(&r->base, item->seq);
    return true;
}

/* Why not to send at all; parks. @return whether the item is dealt with. */
static bool refuse(struct http_route *r, const struct lanes_item *item,
                   const struct spool_record *record, int64_t now_ms)
{
    enum route_profile profile = (enum route_profile)r->base.config->profile;
    const struct ol__event *event;
    if (!profile_of(profile)->looks_at_events ||
        ol__event_read(r->base.events, record->data, OL_EVENT_CORE, NULL, -1, &event, NULL) !=
            OL_OK)
        return false; /* the other side will say what is wrong with it */
    const char *reason = profile_refusal(profile, event, record->warnings);
    if (reason == NULL)
        return false;
    OL_IGNORE(!park(r, item, record, reason, 0, (struct ol__span){0}, now_ms),
              "said in the log; it comes again");
    return true;
}

static void send_item(struct http_route *r, const struct lanes_item *item,
                      const struct spool_record *record, int64_t now_ms)
{
    if (refuse(r, item, record, now_ms))
        return;
    struct request *q = free_request(r);
    if (q == NULL) {
        lanes_release(r->lanes, item, now_ms, LOCAL_DELAY_MS);
        return;
    }
    q->item = *item;
    q->record = *record;
    q->is_fresh = false;
    ol__buf_reset(&q->event);
    if ((q->easy == NULL && !prepare_easy(r, q)) ||
        ol__buf_add(&q->event, record->data.data, record->data.size) != OL_OK)
        goto fail;
    q->record.data = (struct ol__span){.data = q->event.data, .size = q->event.size};
    q->headers = r->headers;
    q->headers->refs++;
    q->is_busy = true;
    if (item->tries > 1)
        metric_add(&r->base.metrics->retries, 1);
    if (submit(q))
        return;
    request_end(q);
fail:
    if (q->easy != NULL)
        curl_easy_cleanup(q->easy);
    q->easy = NULL;
    route_metrics_set_error(r->base.metrics, "request: out of memory");
    lanes_release(r->lanes, item, now_ms, LOCAL_DELAY_MS);
}

static void send_again(struct http_route *r, const struct lanes_item *item, int64_t now_ms)
{
    struct spool_record record;
    struct ol_error err;
    if (item->seq <= spool_cursor_low(r->base.cursor)) { /* given up: on_lag detach */
        lanes_remove(r->lanes, item);
        return;
    }
    ol_status status =
        spool_read_again(r->base.reader, item->segment, item->offset, item->seq, &record, &err);
    if (status == OL_OK) {
        send_item(r, item, &record, now_ms);
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

/* ---- Answers ---- */

static enum retry_failure failure_of(CURLcode result)
{
    switch (result) {
    case CURLE_OK:
        return RETRY_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return RETRY_NO_CONNECTION;
    case CURLE_OPERATION_TIMEDOUT:
        return RETRY_TIMED_OUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_NOT_BUILT_IN:
        return RETRY_UNTRUSTED;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return RETRY_LOCAL;
    default:
        return RETRY_BROKEN;
    }
}

static bool is_stale_connection(const struct request *q, CURLcode result) /* promise 3 */
{
    long connects = 1;
    return !q->is_fresh && !q->has_headers &&
           (result == CURLE_GOT_NOTHING || result == CURLE_SEND_ERROR ||
            result == CURLE_RECV_ERROR) &&
           curl_easy_getinfo(q->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK &&
           connects == 0;
}

static void show_state(struct http_route *r, const char *reason)
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
    enum route_state state = circuit != LANES_CLOSED       ? states[circuit]
                             : lanes_waiting(r->lanes) > 0 ? ROUTE_RETRYING
                                                           : ROUTE_OK;
    route_set_state(&r->base, state, reason);
    metric_set(&r->base.metrics->in_flight, lanes_in_flight(r->lanes));
}

static void answered(struct request *q, CURLcode result, int64_t now_ms)
{
    struct http_route *r = q->route;
    long status = 0;
    OL_IGNORE(curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK,
              "stays 0: no answer");
    struct retry_answer answer = {
        .failure = failure_of(result),
        .status = (int)status,
        .body = {.data = q->answer, .size = q->answer_size},
        .retry_after = {.data = q->retry_after, .size = q->retry_after_size}};
    struct retry_class class =
        retry_classify((enum route_profile)r->base.config->profile, &answer, r->base.json,
                       ol__time_now_ms(), r->base.config->retry_max_ms);
    char reason[ROUTE_ERROR_MAX];
    enum route_cause cause =
        cause_of_answer(q->easy, result, (int)status, q->trouble, reason, sizeof reason);
    metric_set(&r->base.metrics->last_status, (uint64_t)status);
    if (class.kind != RETRY_DONE)
        route_metrics_set_cause(r->base.metrics, cause, reason);
    switch (lanes_answer(r->lanes, &q->item, &class, now_ms)) {
    case LANES_DELIVERED:
        route_done(&r->base, q->item.seq);
        metric_add(&r->base.metrics->delivered_events, 1);
        metric_add(&r->base.metrics->delivered_bytes, q->event.size);
        route_metrics_delivered(r->base.metrics, q->record.time_ms, 1);
        show_state(r, NULL);
        return;
    case LANES_PARK:
        if (!park(r, &q->item, &q->record, reason, (int)status, answer.body, now_ms)) {
            show_state(r, NULL); /* why it waits is not the answer any more */
            return;
        }
        break;
    case LANES_KEPT:
        break;
    }
    show_state(r, reason);
}

void route_http_finished(CURL *easy, CURLcode result, int64_t now_ms)
{
    char *private_data = NULL;
    OL_IGNORE(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private_data) != CURLE_OK,
              "always set by prepare_easy");
    struct request *q = (struct request *)(void *)private_data;
    curl_multi_remove_handle(q->route->multi, easy);
    if (is_stale_connection(q, result)) {
        q->is_fresh = true;
        if (submit(q))
            return;
    }
    OL_CRASHPOINT("deliver.answered");
    answered(q, result, now_ms);
    OL_CRASHPOINT("deliver.done");
    request_end(q);
}

/* ---- The route ---- */

static int64_t work(struct route *base, int64_t now_ms)
{
    struct http_route *r = (struct http_route *)base;
    struct lanes_item item;
    struct spool_record record;
    struct ol_error err;
    check_key(r, now_ms);
    if (r->headers == NULL)
        return r->key_check_at;
    int64_t again = INT64_MAX;
    lanes_press(r->lanes, route_is_pressed(base), now_ms);
    for (;;) {
        while (lanes_next(r->lanes, now_ms, &item))
            send_again(r, &item, now_ms);
        if (!lanes_wants(r->lanes))
            break;
        ol_status status = route_read(base, &record, &err);
        if (status == OL_AGAIN && lanes_wants_witness(r->lanes)) /* promise 6 */
            status = route_read_beyond(base, &record, &err);
        if (status == OL_END || status == OL_AGAIN)
            break;
        if (status == OL_OK) {
            status = lanes_add(r->lanes, record.lane_kind, record.lane, record.seq, record.segment,
                               record.offset);
            if (status != OL_OK) {
                ol__error_set(&err, status, "lanes: out of memory");
                base->ahead = record; /* comes out of route_read() again */
            }
        }
        if (status != OL_OK) {
            route_metrics_set_error(base->metrics, err.message);
            again = now_ms + LOCAL_DELAY_MS;
            break;
        }
        if (!lanes_next(r->lanes, now_ms, &item))
            continue;
        if (item.seq == record.seq)
            send_item(r, &item, &record, now_ms); /* without reading it twice */
        else
            send_again(r, &item, now_ms);
    }
    show_state(r, NULL);
    if (base->config->api_key_file != NULL && lanes_circuit(r->lanes) == LANES_DENIED)
        again = OL_MIN(again, r->key_check_at); /* a new key ends it */
    return OL_MIN(again, lanes_deadline(r->lanes));
}

static void stop(struct route *base)
{
    struct http_route *r = (struct http_route *)base;
    for (size_t i = 0; i < r->request_count; i++)
        if (r->requests[i].is_busy) {
            curl_multi_remove_handle(r->multi, r->requests[i].easy);
            request_end(&r->requests[i]);
        }
}

static void http_close(struct route *base)
{
    struct http_route *r = (struct http_route *)base;
    stop(base);
    for (size_t i = 0; i < r->request_count; i++) {
        curl_easy_cleanup(r->requests[i].easy);
        ol__buf_release(&r->requests[i].event);
    }
    free(r->requests);
    headers_unref(r->headers);
    lanes_free(r->lanes);
    ol__buf_release(&r->url);
    route_release(base);
    free(r);
}

static const struct route_ops http_ops = {work, stop, http_close};

ol_status route_http_open(const struct agent *agent, int index, CURLM *multi, struct route **ret,
                          struct ol_error *err)
{
    struct http_route *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ol__error_set(err, OL_NOMEM, "route: out of memory");
    *ret = &r->base;
    r->base.ops = &http_ops;
    r->multi = multi;
    ol__buf_init(&r->url, URL_MAX);
    ol_status status = route_init(&r->base, agent, index, false, err);
    const struct route_config *config = r->base.config;
    if (status == OL_OK)
        status = dead_letters_open(agent->config->spool_directory, config->name,
                                   config->dead_letter_bytes, NULL, &r->base.letters, err);
    if (status == OL_OK &&
        profile_url((enum route_profile)config->profile, config->url, &r->url, err) != OL_OK)
        status = OL_CONFIG;
    if (status != OL_OK)
        return status;
    struct lanes_options options = {.window = SPOOL_CURSOR_AHEAD + ROUTE_BEYOND_MAX,
                                    .in_flight_max = (int)OL_MAX(config->max_in_flight, 1),
                                    .backoff_max_ms = config->retry_max_ms,
                                    .hold_ms = config->hold_ms,
                                    .poison_tries = (int)config->poison_tries};
    ol__random(&options.seed, sizeof options.seed);
    status = lanes_new(&options, &r->lanes, err);
    if (status != OL_OK)
        return status;
    r->request_count = (size_t)options.in_flight_max;
    r->requests = calloc(r->request_count, sizeof *r->requests);
    if (r->requests == NULL) {
        r->request_count = 0;
        return ol__error_set(err, OL_NOMEM, "route: out of memory");
    }
    for (size_t i = 0; i < r->request_count; i++) {
        r->requests[i].route = r;
        ol__buf_init(&r->requests[i].event, SPOOL_PAYLOAD_MAX);
    }
    if (config->api_key_file == NULL)
        return headers_set(r, ol__span_text(config->api_key), err);
    check_key(r, ol__time_monotonic_ms());
    return OL_OK;
}
