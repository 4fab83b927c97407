/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that come too slowly. The server library knows idle connections only: one that gets a
 * byte now and then keeps its place for ever.
 * Promises:
 *  1. A request that is older than intake.http.slow_after must have brought intake.http.min_rate
 * bytes for each second since; its head, as far as TCP counts its bytes. On a unix socket, which
 * counts none, a head may take slow_after beyond intake.http.idle_timeout.
 *  2. Time in which the agent itself did not read (a disk that hangs) is nobody's slowness.
 *  3. A request that waits for its sync, or whose answer is on its way, is left alone. */
#include <linux/tcp.h> /* struct tcp_info with tcpi_bytes_received */
#include <netinet/in.h>
#include <sys/socket.h>
#include "http_impl.h"

void http_slow_note(struct http_link *link, const struct http_listener *l, bool is_over)
{
    link->since_ms = is_over ? 0 : l->patience_ms + 1;
    link->has_baseline = false;
}

/* Bytes that TCP has taken in on it so far. @return false: it does not say. */
static bool bytes_received(const struct http_link *link, uint64_t *ret)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(link->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return false;
    *ret = info.tcpi_bytes_received;
    return true;
}

static void end(struct http_link *link, const struct http_listener *l)
{
    static const char answer[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                                 "Content-Length: 0\r\n\r\n";
    metric_add(&l->door->metrics->http_slow, 1);
    if (link->identity == NULL) /* nothing of ours can be under way while a request comes in */
        OL_IGNORE(send(link->fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL),
                  "it learns it from the end of the connection");
    OL_IGNORE(shutdown(link->fd, SHUT_RD), "the idle timeout remains");
    link->since_ms = l->patience_ms + 1; /* once */
}

/* Promise 1. */
static bool is_slow(const struct http_link *link, const struct http_listener *l, uint64_t bytes)
{
    const struct agent_config *config = l->door->agent->config;
    int64_t late_ms = l->patience_ms + 1 - link->since_ms - config->http_slow_ms;
    return late_ms > 0 && (double)bytes < (double)config->http_min_rate * (double)late_ms / 1000.0;
}

/* Between requests: nothing, or the head of the next one. */
static bool look_at_head(struct http_link *link, const struct http_listener *l)
{
    const struct agent_config *config = l->door->agent->config;
    uint64_t now = 0;
    if (!bytes_received(link, &now)) {
        if (link->since_ms == 0)
            link->since_ms = l->patience_ms + 1;
        if (l->patience_ms + 1 - link->since_ms > config->http_idle_ms + config->http_slow_ms)
            end(link, l);
        return false; /* bytes that come wake us */
    }
    if (!link->has_baseline) {
        link->has_baseline = true;
        link->received_then = now;
    }
    if (now == link->received_then)
        return false;
    if (link->since_ms == 0)
        link->since_ms = l->patience_ms + 1;
    if (is_slow(link, l, now - link->received_then))
        end(link, l);
    return true;
}

bool http_slow_look(struct http_link *link, const struct http_listener *l)
{
    const struct http_request *r = link->request;
    if (l->door->agent->config->http_min_rate == 0)
        return false;
    if (r == NULL)
        return look_at_head(link, l);
    if (r->is_waiting || r->is_answered)
        return false;
    if (is_slow(link, l, r->received))
        end(link, l);
    return true;
}
