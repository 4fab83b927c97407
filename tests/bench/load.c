/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A connection sends its next request only when the answer before has been read to its end.
 *  2. A request counts as taken only with status 201. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench.h"

#define ANSWER_MAX 4096

struct conn {
    int fd;
    char *request; /* owned */
    size_t request_size, sent;
    char answer[ANSWER_MAX + 1];
    size_t answer_size;
    size_t body_left; /* of an answer whose head has been read */
    bool has_head;
    int64_t started;
};

struct load {
    const struct load_plan *plan;
    struct load_result *result;
    int epoll;
    long begun, ended;
    int open;
    struct bench_times times;
    char *text; /* head and event of every request; the number is written into a copy */
    size_t size, head_size, run_at, job_at;
};

/* ---- the request ---- */

static const char run_id_key[] = "\"runId\":\"", job_key[] = "\"name\":\"load_";

static void make_text(struct load *l)
{
    char event[65536];
    int n = snprintf(event, sizeof event,
                     "{\"eventType\":\"START\",\"eventTime\":\"2026-01-01T00:00:00.000Z\","
                     "\"producer\":\"https://example.org/lineaged/tests/bench\",\"schemaURL\":"
                     "\"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent\","
                     "\"run\":{%s01890a5d-ac96-774b-bcce-000000000000\",\"facets\":{}},"
                     "\"job\":{\"namespace\":\"bench\",%s000\",\"facets\":{\"sql\":{\"_producer\":"
                     "\"https://example.org/lineaged/tests/bench\",\"_schemaURL\":"
                     "\"https://openlineage.io/spec/facets/1-0-1/SQLJobFacet.json"
                     "#/$defs/SQLJobFacet\",\"query\":\"",
                     run_id_key, job_key);
    static const char tail[] = "\"}}},\"inputs\":[],\"outputs\":[]}";
    int size = l->plan->event_bytes;
    if (size < 700 || size >= (int)sizeof event)
        bench_die("events of 700 to %zu bytes", sizeof event - 1);
    for (; n < size - (int)sizeof tail + 1; n++)
        event[n] = "select a, b from t where c = 1 "[n % 31];
    memcpy(event + n, tail, sizeof tail);
    l->text = bench_alloc((size_t)size + 512);
    l->head_size = (size_t)snprintf(l->text, 512,
                                    "POST /api/v1/lineage HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                                    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
                                    l->plan->port, size);
    memcpy(l->text + l->head_size, event, (size_t)size + 1);
    l->size = l->head_size + (size_t)size;
    l->run_at = (size_t)(strstr(l->text, run_id_key) - l->text) + sizeof run_id_key - 1 + 24;
    l->job_at = (size_t)(strstr(l->text, job_key) - l->text) + sizeof job_key - 1;
}

static void set_number(struct load *l, char *request)
{
    static uint64_t number;
    static const char digits[] = "0123456789abcdef";
    if (number == 0)
        number = (uint64_t)bench_now_ns() / 1000; /* another one in the next process */
    uint64_t n = ++number;
    for (int i = 11; i >= 0; i--, n >>= 4)
        request[l->run_at + (size_t)i] = digits[n & 15];
    n = number;
    for (int i = 2; i >= 0; i--, n /= 10)
        request[l->job_at + (size_t)i] = (char)('0' + n % 10);
}

/* ---- one connection ---- */

static void end(struct load *l, struct conn *c)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    l->open--;
}

/* False: the server ended it. */
static bool send_more(struct load *l, struct conn *c)
{
    while (c->sent < c->request_size) {
        ssize_t n = send(c->fd, c->request + c->sent, c->request_size - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
            return epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event) == 0;
        }
        if (n <= 0)
            return false;
        c->sent += (size_t)n;
    }
    return true;
}

static bool begin_next(struct load *l, struct conn *c)
{
    if (l->begun == l->plan->requests)
        return true;
    l->begun++;
    set_number(l, c->request);
    c->sent = c->answer_size = 0;
    c->has_head = false;
    c->started = bench_now_ns();
    return send_more(l, c);
}

/* The head is in c->answer. */
static bool take_head(struct load *l, struct conn *c, const char *head_end)
{
    int status = 0;
    if (sscanf(c->answer, "HTTP/1.%*d %d", &status) != 1)
        return false;
    if (status == 201) {
        l->result->taken++;
        l->result->event_bytes += c->request_size - l->head_size;
    } else {
        l->result->refused++;
    }
    c->has_head = true;
    c->body_left = 0;
    for (const char *line = strstr(c->answer, "\r\n"); line != NULL && line < head_end;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "Content-Length:", 15) == 0)
            c->body_left = strtoull(line + 17, NULL, 10);
    }
    size_t behind = c->answer_size - (size_t)(head_end + 4 - c->answer);
    if (behind > c->body_left)
        return false; /* more than one answer */
    c->body_left -= behind;
    return true;
}

static bool read_more(struct load *l, struct conn *c)
{
    ssize_t n = recv(c->fd, c->answer + (c->has_head ? 0 : c->answer_size),
                     ANSWER_MAX - (c->has_head ? 0 : c->answer_size), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    if (c->has_head) {
        if ((size_t)n > c->body_left)
            return false;
        c->body_left -= (size_t)n;
    } else {
        c->answer_size += (size_t)n;
        c->answer[c->answer_size] = '\0';
        const char *head_end = strstr(c->answer, "\r\n\r\n");
        if (head_end == NULL)
            return c->answer_size < ANSWER_MAX;
        if (!take_head(l, c, head_end))
            return false;
    }
    if (c->body_left > 0)
        return true;
    bench_times_add(&l->times, bench_now_ns() - c->started);
    l->ended++;
    return begin_next(l, c);
}

static void open_conn(struct load *l, struct conn *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)l->plan->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        bench_die("connection to port %d: %s", l->plan->port, strerror(errno));
    c->request = bench_alloc(l->size);
    c->request_size = l->size;
    memcpy(c->request, l->text, l->size);
    l->open++;
}

/* ---- the whole ---- */

static void run(struct load *l)
{
    struct epoll_event events[256];
    while (l->ended < l->plan->requests && l->open > 0) {
        int count = epoll_wait(l->epoll, events, 256, l->plan->stall_seconds * 1000);
        if (count == 0) {
            l->result->is_stalled = true;
            return;
        }
        for (int i = 0; i < count; i++) {
            struct conn *c = events[i].data.ptr;
            bool is_up = c->fd >= 0 && read_more(l, c);
            if (is_up && (events[i].events & EPOLLOUT) != 0) {
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
                is_up = epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event) == 0 && send_more(l, c);
            }
            if (!is_up && c->fd >= 0) {
                l->result->broken++;
                end(l, c);
            }
        }
    }
}

void load_run(const struct load_plan *plan, struct load_result *ret)
{
    struct load l = {.plan = plan, .result = ret, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct conn *conns = bench_alloc((size_t)plan->connections * sizeof *conns);
    if (l.epoll < 0)
        bench_die("epoll: %s", strerror(errno));
    *ret = (struct load_result){0};
    make_text(&l);
    bench_times_init(&l.times, (size_t)plan->requests);
    for (int i = 0; i < plan->connections; i++)
        open_conn(&l, &conns[i]);
    int64_t begin = bench_now_ns();
    for (int i = 0; i < plan->connections; i++) {
        if (!begin_next(&l, &conns[i])) {
            ret->broken++;
            end(&l, &conns[i]);
        }
    }
    run(&l);
    ret->wall_s = (double)(bench_now_ns() - begin) / 1e9;
    if (l.times.count > 0) {
        ret->p50_us = bench_times_at(&l.times, 0.5);
        ret->p99_us = bench_times_at(&l.times, 0.99);
        ret->max_us = bench_times_at(&l.times, 1);
    }
    for (int i = 0; i < plan->connections; i++) {
        end(&l, &conns[i]);
        free(conns[i].request);
    }
    free(conns);
    free(l.text);
    bench_times_release(&l.times);
    close(l.epoll);
}
