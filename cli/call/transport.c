/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Only http and https, to the URL that was given: a redirect is an answer, so that a key goes
 *     nowhere else. Certificates are verified, always.
 *  2. Proxies are those of the environment (https_proxy, no_proxy...), as for any other program.
 *  3. SIGINT, SIGTERM and SIGHUP end a transfer and a wait at once; unless they were ignored when
 * we were started.
 *  4. Not one byte past answer_max is kept, decoded or not. */
#include "transport.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include "retry.h"
#include "times.h"

#define RETRY_AFTER_CAP_MS (INT64_C(366) * 86400 * 1000) /* how long is waited is decided above */

struct transport {
    struct transport_options options;
    CURLM *multi;
    CURL *easy;
    char trouble[CURL_ERROR_SIZE];
    /* of the exchange under way */
    const struct transport_request *request;
    struct transport_answer *answer;
    int64_t started_us;
    bool is_too_large;
};

/* ---- signals ---- */

static volatile sig_atomic_t signal_number;
static int signal_pipe[2] = {-1, -1};

static void take_signal(int number)
{
    int saved = errno;
    if (signal_number == 0)
        signal_number = number;
    OL_IGNORE(write(signal_pipe[1], "", 1) < 0, "full: it is awake already");
    errno = saved;
}

static ol_status catch_signals(struct ol_error *err)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction old, action = {.sa_handler = take_signal, .sa_flags = SA_RESTART};
    sigset_t all;
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return ol__error_set_errno(err, errno, "pipe");
    sigemptyset(&action.sa_mask);
    sigemptyset(&all);
    for (size_t i = 0; i < OL_COUNT(numbers); i++) {
        sigaddset(&all, numbers[i]);
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN &&
            sigaction(numbers[i], &action, NULL) != 0)
            return ol__error_set_errno(err, errno, "sigaction");
    }
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    return OL_OK;
}

int transport_signal(void)
{
    return (int)signal_number;
}

bool transport_wait(struct transport *t, int64_t wait_ms)
{
    int64_t until = ol__time_monotonic_ms() + wait_ms, left;
    (void)t;
    while (signal_number == 0 && (left = until - ol__time_monotonic_ms()) > 0) {
        struct pollfd p = {.fd = signal_pipe[0], .events = POLLIN};
        OL_IGNORE(poll(&p, 1, (int)OL_MIN(left, INT64_C(60000))) < 0, "the loop looks again");
    }
    return signal_number == 0;
}

/* ---- what comes in ---- */

static struct ol__span value_of(const char *line, size_t size, const char *name)
{
    size_t length = strlen(name);
    if (size <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
        return (struct ol__span){0};
    line += length + 1;
    size -= length + 1;
    while (size > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        size--;
    }
    while (size > 0 && strchr(" \t\r\n", line[size - 1]) != NULL)
        size--;
    return (struct ol__span){.data = line, .size = size};
}

static void begin_answer(struct transport_answer *a, const char *line, size_t size)
{
    size_t at = 0;
    while (at < size && line[at] != ' ')
        at++;
    a->status = 0;
    for (at++; at < size && isdigit((unsigned char)line[at]) && a->status < 100; at++)
        a->status = a->status * 10 + (line[at] - '0');
    a->retry_ms = a->may_retry = -1;
    a->media_type[0] = '\0';
}

static void note_header(struct transport_answer *a, const char *line, size_t size)
{
    struct ol__span v = value_of(line, size, "retry-after-ms");
    char digits[16];
    if (v.size > 0 && v.size < sizeof digits && isdigit((unsigned char)v.data[0])) {
        memcpy(digits, v.data, v.size);
        digits[v.size] = '\0';
        a->retry_ms = strtoll(digits, NULL, 10);
    }
    v = value_of(line, size, "retry-after");
    if (v.size > 0 && a->retry_ms < 0)
        a->retry_ms = retry_after_parse(v, ol__time_now_ms(), RETRY_AFTER_CAP_MS);
    v = value_of(line, size, "x-should-retry");
    if (v.size > 0)
        a->may_retry = ol__span_equal(v, OL_SPAN_LIT("true"))    ? 1
                       : ol__span_equal(v, OL_SPAN_LIT("false")) ? 0
                                                                 : -1;
    v = value_of(line, size, "content-type");
    if (v.size > 0) {
        size_t length = 0;
        while (length < v.size && length < sizeof a->media_type - 1 &&
               strchr("; \t", v.data[length]) == NULL) {
            a->media_type[length] = (char)tolower((unsigned char)v.data[length]);
            length++;
        }
        a->media_type[length] = '\0';
    }
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    struct transport *t = arg;
    size *= count;
    if (size > 5 && memcmp(data, "HTTP/", 5) == 0)
        begin_answer(t->answer, data, size); /* 100, say, came before */
    note_header(t->answer, data, size);
    if (t->answer->first_us == 0)
        t->answer->first_us = OL_MAX(ol__time_monotonic_us() - t->started_us, INT64_C(1));
    t->request->on_header(t->request->arg, data, size);
    return size;
}

static size_t take_data(char *data, size_t size, size_t count, void *arg)
{
    struct transport *t = arg;
    size *= count;
    if (size > t->options.answer_max - t->answer->size) { /* promise 4 */
        t->is_too_large = true;
        return 0;
    }
    t->answer->size += size;
    t->request->on_data(t->request->arg, data, size);
    return size;
}

/* ---- the handle ---- */

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (bad == CURLE_OK)                                                                       \
            bad = curl_easy_setopt(t->easy, option, value);                                        \
    } while (0)

static CURLcode prepare(struct transport *t)
{
    CURLcode bad = CURLE_OK;
    t->easy = curl_easy_init();
    if (t->easy == NULL)
        return CURLE_OUT_OF_MEMORY;
    SET(CURLOPT_PROTOCOLS_STR, "http,https"); /* promise 1 */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "lineage-call/" OL_VERSION);
    SET(CURLOPT_TIMEOUT_MS, (long)t->options.timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)t->options.connect_timeout_ms);
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, (void *)t);
    SET(CURLOPT_WRITEFUNCTION, take_data);
    SET(CURLOPT_WRITEDATA, (void *)t);
    SET(CURLOPT_ERRORBUFFER, t->trouble);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (t->options.ca_file != NULL) {
        SET(CURLOPT_CAINFO, t->options.ca_file);
        SET(CURLOPT_CAPATH, (char *)NULL); /* in place of the system's, not besides */
    }
    return bad;
}

static CURLcode set_request(struct transport *t, struct curl_slist *headers)
{
    CURLcode bad = CURLE_OK;
    SET(CURLOPT_URL, t->request->url);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->request->body.size);
    SET(CURLOPT_POSTFIELDS, t->request->body.data);
    return bad;
}
#undef SET

ol_status transport_open(const struct transport_options *options, struct transport **ret,
                         struct ol_error *err)
{
    struct transport *t = calloc(1, sizeof *t);
    if (t == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(t);
        return ol__error_set(err, OL_NOMEM, "libcurl: out of memory");
    }
    t->options = *options;
    ol_status status = catch_signals(err);
    if (status == OL_OK) {
        t->multi = curl_multi_init();
        if (t->multi == NULL || prepare(t) != CURLE_OK)
            status = ol__error_set(err, OL_NOMEM, "libcurl: out of memory, or it lacks HTTPS");
    }
    if (status != OL_OK)
        transport_close(t);
    else
        *ret = t;
    return status;
}

void transport_close(struct transport *t)
{
    if (t == NULL)
        return;
    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    if (t->multi != NULL)
        curl_multi_cleanup(t->multi);
    curl_global_cleanup();
    free(t);
}

/* ---- one exchange ---- */

static enum transport_end end_of(const struct transport *t, CURLcode result, bool has_status)
{
    if (signal_number != 0 && result != CURLE_OK)
        return TRANSPORT_STOPPED;
    if (t->is_too_large)
        return TRANSPORT_TOO_LARGE;
    switch (result) {
    case CURLE_OK:
        return has_status ? TRANSPORT_ANSWERED : TRANSPORT_CUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return TRANSPORT_NO_CONNECTION;
    case CURLE_OPERATION_TIMEDOUT:
        return TRANSPORT_TIMED_OUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_NOT_BUILT_IN:
        return TRANSPORT_UNTRUSTED;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return TRANSPORT_LOCAL;
    default:
        return TRANSPORT_CUT;
    }
}

/* @return what libcurl says of the transfer; CURLE_ABORTED_BY_CALLBACK: a signal came. */
static CURLcode drive(struct transport *t)
{
    struct curl_waitfd extra = {.fd = signal_pipe[0], .events = CURL_WAIT_POLLIN};
    int running = 1, left;
    if (curl_multi_add_handle(t->multi, t->easy) != CURLM_OK)
        return CURLE_OUT_OF_MEMORY;
    CURLcode result = CURLE_RECV_ERROR;
    while (running > 0) {
        if (signal_number != 0) { /* promise 3 */
            result = CURLE_ABORTED_BY_CALLBACK;
            break;
        }
        if (curl_multi_perform(t->multi, &running) != CURLM_OK ||
            (running > 0 && curl_multi_poll(t->multi, &extra, 1, 1000, NULL) != CURLM_OK)) {
            result = CURLE_OUT_OF_MEMORY;
            break;
        }
    }
    const CURLMsg *message = curl_multi_info_read(t->multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE)
        result = message->data.result;
    curl_multi_remove_handle(t->multi, t->easy);
    return result;
}

void transport_exchange(struct transport *t, const struct transport_request *request,
                        struct transport_answer *ret)
{
    struct curl_slist *headers = NULL;
    CURLcode result = CURLE_OK;
    *ret = (struct transport_answer){.retry_ms = -1, .may_retry = -1};
    t->request = request;
    t->answer = ret;
    t->is_too_large = false;
    t->trouble[0] = '\0';
    t->started_us = ol__time_monotonic_us();
    for (size_t i = 0; i < request->header_count && result == CURLE_OK; i++) {
        struct curl_slist *more = curl_slist_append(headers, request->headers[i]);
        if (more == NULL)
            result = CURLE_OUT_OF_MEMORY;
        else
            headers = more;
    }
    if (result == CURLE_OK)
        result = set_request(t, headers);
    if (result == CURLE_OK)
        result = drive(t);
    ret->end = end_of(t, result, ret->status != 0);
    if (ret->end == TRANSPORT_TOO_LARGE)
        snprintf(ret->why, sizeof ret->why, "more than %llu bytes",
                 (unsigned long long)t->options.answer_max);
    else if (ret->end != TRANSPORT_ANSWERED)
        snprintf(ret->why, sizeof ret->why, "%s",
                 t->trouble[0] != '\0' ? t->trouble : curl_easy_strerror(result));
    curl_slist_free_all(headers);
    t->request = NULL;
}

const char *transport_end_name(enum transport_end end)
{
    static const char *const names[] = {
        [TRANSPORT_ANSWERED] = "answered",   [TRANSPORT_NO_CONNECTION] = "no_connection",
        [TRANSPORT_TIMED_OUT] = "timed_out", [TRANSPORT_CUT] = "cut",
        [TRANSPORT_TOO_LARGE] = "too_large", [TRANSPORT_UNTRUSTED] = "untrusted",
        [TRANSPORT_STOPPED] = "stopped",     [TRANSPORT_LOCAL] = "local"};
    return names[end];
}
