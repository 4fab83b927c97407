/* SPDX-License-Identifier: Apache-2.0 */
/* libopenlineage-http.so: one POST over libcurl for transport_http.c. It calls nothing of the
 * library. Promises:
 *  1. post() is back by its deadline whatever the server, the network or the name service do.
 *  2. No signal is raised in the host, and none of the host's arrives in a thread that libcurl
 * makes to look up a name: all signals are blocked while libcurl works.
 *  3. Only http and https to the configured place: no redirects, no proxy from the environment.
 *  4. forget() sends nothing: it closes the child's copy of the socket.
 *  5. The status is that of the answer to this request; without one it is 0. */
#define ZLIB_CONST /* input is not written to */
#include "http_module.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define ANSWER_MAX ((size_t)1 << 20) /* bytes of an answer's body; it is not looked at */
#define RETRY_AFTER_MAX_S 86400

struct connection {
    CURL *easy;
    struct curl_slist *headers;
    const struct ol__http_options *options;
    int fd; /* of the socket; -1: none */
    size_t answer_size;
    bool has_answer; /* the head of an answer to this request has come */
    int64_t retry_after_s;
    unsigned char *packed; /* owned; the compressed body */
    size_t packed_cap;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Promise 2. Signals that a fault of this thread raises cannot be blocked and are left. */
static void block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGTRAP);
    sigdelset(&all, SIGSYS);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

/* A SIGPIPE that a write of ours raised waits for this thread: take it away. */
static void restore_signals(const sigset_t *before, bool had_pipe)
{
    const struct timespec none = {0};
    sigset_t pipe_only, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (!had_pipe && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1)
        OL_IGNORE(sigtimedwait(&pipe_only, NULL, &none) < 0, "gone is gone");
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static bool has_pipe_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

/* ---- libcurl's callbacks ---- */

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct connection *c = arg;
    (void)data;
    c->answer_size += size * count;
    return c->answer_size <= ANSWER_MAX ? size * count : 0;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "retry-after:";
    struct connection *c = arg;
    size_t total = size * count, at = sizeof name - 1;
    int64_t seconds = 0;
    c->has_answer = true;
    if (total <= at || strncasecmp(data, name, at) != 0)
        return total;
    while (at < total && (data[at] == ' ' || data[at] == '\t'))
        at++;
    for (; at < total && data[at] >= '0' && data[at] <= '9' && seconds < RETRY_AFTER_MAX_S; at++)
        seconds = seconds * 10 + (data[at] - '0');
    c->retry_after_s = seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S;
    return total;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct connection *c = arg;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0)
        c->fd = fd;
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct connection *c = arg;
    if (c->fd == fd)
        c->fd = -1;
    return close(fd);
}

/* ---- one connection ---- */

static pthread_once_t global_once = PTHREAD_ONCE_INIT; /* unlike a mutex it survives a fork */
static bool is_global_ready;

static void init_global(void)
{
    is_global_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static void close_connection(void *connection)
{
    struct connection *c = connection;
    sigset_t before;
    if (c == NULL)
        return;
    bool had_pipe = has_pipe_pending();
    block_signals(&before);
    curl_easy_cleanup(c->easy);
    restore_signals(&before, had_pipe);
    curl_slist_free_all(c->headers);
    free(c->packed);
    free(c);
}

static void forget_connection(void *connection)
{
    struct connection *c = connection;
    if (c->fd >= 0)
        close(c->fd); /* promise 4 */
    c->fd = -1;
}

static bool add_header(struct connection *c, const char *line)
{
    struct curl_slist *list = curl_slist_append(c->headers, line);
    if (list == NULL)
        return false;
    c->headers = list;
    return true;
}

static bool add_headers(struct connection *c, const struct ol__http_options *o)
{
    bool is_good = add_header(c, "Content-Type: application/json") && add_header(c, "Expect:") &&
                   (!o->is_gzip || add_header(c, "Content-Encoding: gzip"));
    for (size_t i = 0; i < o->header_count && is_good; i++)
        is_good = add_header(c, o->headers[i]);
    return is_good;
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (bad == CURLE_OK)                                                                       \
            bad = curl_easy_setopt(c->easy, option, value);                                        \
    } while (0)

static CURLcode set_options(struct connection *c, const struct ol__http_options *o)
{
    CURLcode bad = CURLE_OK;
    SET(CURLOPT_URL, o->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https"); /* promise 3 */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, o->proxy_host != NULL ? o->proxy_host : "");
    if (o->proxy_port > 0)
        SET(CURLOPT_PROXYPORT, o->proxy_port);
    SET(CURLOPT_NOPROXY, o->no_proxy != NULL ? o->no_proxy : "");
    if (o->unix_socket != NULL)
        SET(CURLOPT_UNIX_SOCKET_PATH, o->unix_socket);
    SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* or it waits for the thread that looks up a name: promise 1 */
#endif
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_HTTPHEADER, c->headers);
    SET(CURLOPT_USERAGENT, "libopenlineage/" OL_VERSION);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, c);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, c);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, c);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, c);
    SET(CURLOPT_SSL_VERIFYPEER, o->is_verified ? 1L : 0L);
    SET(CURLOPT_SSL_VERIFYHOST, o->is_verified ? 2L : 0L);
    if (o->ca_file != NULL)
        SET(CURLOPT_CAINFO, o->ca_file);
    if (o->cert_file != NULL)
        SET(CURLOPT_SSLCERT, o->cert_file);
    if (o->key_file != NULL)
        SET(CURLOPT_SSLKEY, o->key_file);
    return bad;
}

static ol_status open_connection(const struct ol__http_options *o, void **ret,
                                 struct ol__http_answer *answer)
{
    sigset_t before;
    *answer = (struct ol__http_answer){0};
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return OL_NOMEM;
    c->fd = -1;
    c->options = o;
    bool had_pipe = has_pipe_pending();
    block_signals(&before);
    pthread_once(&global_once, init_global);
    c->easy = is_global_ready ? curl_easy_init() : NULL;
    CURLcode bad = c->easy == NULL || !add_headers(c, o) ? CURLE_OUT_OF_MEMORY : set_options(c, o);
    restore_signals(&before, had_pipe);
    if (bad == CURLE_OK) {
        *ret = c;
        return OL_OK;
    }
    snprintf(answer->why, sizeof answer->why, "%s", curl_easy_strerror(bad));
    close_connection(c);
    return bad == CURLE_OUT_OF_MEMORY ? OL_NOMEM : OL_CONFIG;
}

/* ---- one request ---- */

static bool pack(struct connection *c, struct ol__span body, size_t *ret_size)
{
    z_stream z = {.next_in = (z_const Bytef *)body.data, .avail_in = (uInt)body.size};
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t bound = deflateBound(&z, (uLong)body.size);
    if (bound > c->packed_cap) {
        unsigned char *grown = realloc(c->packed, bound);
        if (grown == NULL) {
            deflateEnd(&z);
            return false;
        }
        c->packed = grown;
        c->packed_cap = bound;
    }
    z.next_out = c->packed;
    z.avail_out = (uInt)c->packed_cap;
    bool is_done = deflate(&z, Z_FINISH) == Z_STREAM_END;
    *ret_size = c->packed_cap - z.avail_out;
    deflateEnd(&z);
    return is_done;
}

static void perform(struct connection *c, struct ol__span body, int64_t deadline,
                    struct ol__http_answer *answer)
{
    long status = 0;
    CURLcode bad = CURLE_OK;
    int64_t left = deadline - now_ms();
    c->answer_size = 0;
    c->has_answer = false;
    c->retry_after_s = 0;
    SET(CURLOPT_POSTFIELDS, body.data);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
    SET(CURLOPT_TIMEOUT_MS, (long)left);
    if (bad == CURLE_OK)
        bad = left > 0 ? curl_easy_perform(c->easy) : CURLE_OPERATION_TIMEDOUT;
    /* An answer that is not whole at its end is an answer all the same. Where libcurl did not get
     * so far as to ask, it still has the one to the last request. */
    if (c->has_answer)
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, NULL); /* borrowed for the call only */
    answer->is_late = bad == CURLE_OPERATION_TIMEDOUT;
    answer->status = bad == CURLE_OK || status >= 200 ? (int)status : 0;
    answer->retry_after_ms = c->retry_after_s * 1000;
    if (answer->status == 0)
        snprintf(answer->why, sizeof answer->why, "%s",
                 answer->is_late ? "no answer in time" : curl_easy_strerror(bad));
}

static void post(void *connection, struct ol__span body, int64_t timeout_ms,
                 struct ol__http_answer *answer)
{
    struct connection *c = connection;
    sigset_t before;
    int64_t deadline = now_ms() + timeout_ms;
    *answer = (struct ol__http_answer){0};
    if (c->options->is_gzip) {
        size_t size = 0;
        if (!pack(c, body, &size)) {
            snprintf(answer->why, sizeof answer->why, "out of memory to compress");
            return;
        }
        body = (struct ol__span){.data = (const char *)c->packed, .size = size};
    }
    bool had_pipe = has_pipe_pending();
    block_signals(&before);
    perform(c, body, deadline, answer);
    restore_signals(&before, had_pipe);
}

__attribute__((visibility("default"))) extern const struct ol__http_functions ol__http_module;
const struct ol__http_functions ol__http_module = {.version = OL_HTTP_MODULE_VERSION,
                                                   .open = open_connection,
                                                   .post = post,
                                                   .close = close_connection,
                                                   .forget = forget_connection};
