/* SPDX-License-Identifier: Apache-2.0 */
/* A listener whose places are nearly all taken. The server library waits for edges: of a connection
 * whose end arrived together with its last bytes (a sender that died before it was accepted, say)
 * it reads the bytes, never sees the end, and keeps its place for intake.http.idle_timeout.
 * Promises:
 *  1. Near its limit a listener looks every LOOK_MS for connections that are over, and ends them;
 * else every SLOW_LOOK_MS for those with half a request.
 *  2. Near its limit a connection that moves no byte for CROWDED_IDLE_S is ended, between requests
 * and in the middle of one, so those who wait to be accepted get their turn.
 *  3. A request that waits for its sync, or whose answer is on its way, is not ended by 1. */
#include "http_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "times.h"

#define LOOK_MS 200
#define SLOW_LOOK_MS 500
#define PATIENCE_STEP_MS 1000 /* what the clock of patience moves at most between two looks */
#define CROWDED_IDLE_S 3u

static struct http_link *link_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

/* Address or uid at the other end, as a sender's name. */
static void find_peer(struct http_listener *l, struct http_link *link)
{
    enum http_sender_kind kind = HTTP_SENDER_UID;
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char name[HTTP_SENDER_NAME_MAX + 1] = "";
    if (l->socket.address.is_unix) {
        link->uid = listen_peer_uid(link->fd);
        link->is_loopback = true;
        snprintf(name, sizeof name, "uid %" PRIu32, link->uid);
    } else if (getpeername(link->fd, (struct sockaddr *)&address, &size) == 0 &&
               getnameinfo((struct sockaddr *)&address, size, name, sizeof name, NULL, 0,
                           NI_NUMERICHOST) == 0) {
        kind = HTTP_SENDER_ADDRESS;
        link->is_loopback = listen_is_loopback(&address);
    }
    link->peer = http_sender_ref(l->door->senders, kind, name);
}

/* Whether the peer has more connections than it may. */
static bool is_too_many(const struct http_listener *l, const struct http_link *link)
{
    const struct agent_config *config = l->door->agent->config;
    uint64_t max = (uint64_t)config->http_max_per_peer;
    if (max == 0)
        max = link->is_loopback ? 0 : (uint64_t)OL_MAX(1, config->http_max_connections / 2);
    return max != 0 && link->peer != NULL && http_sender_refs(link->peer) > max;
}

static void begin_tls(struct http_listener *l, struct http_link *link)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(link->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info != NULL)
        link->identity = http_tls_begin(l->door->tls, info->tls_session, ol__time_monotonic_ms());
    if (link->identity == NULL) /* without, the handshake would fail: say so at once */
        OL_IGNORE(shutdown(link->fd, SHUT_RDWR), "the handshake fails anyway");
}

struct http_link *http_link_new(struct http_listener *l, struct MHD_Connection *connection)
{
    struct http_link *link = calloc(1, sizeof *link);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (link == NULL)
        return NULL;
    link->connection = connection;
    link->fd = info != NULL ? info->connect_fd : -1;
    link->uid = SPOOL_UID_UNKNOWN;
    link->has_baseline = true;
    link->next = l->links;
    if (l->links != NULL)
        l->links->previous = link;
    l->links = link;
    l->link_count++;
    find_peer(l, link);
    if (is_too_many(l, link)) {
        metric_add(&l->door->metrics->http_peer_refused, 1);
        OL_IGNORE(shutdown(link->fd, SHUT_RDWR), "it is ended a little later, then");
    }
    if (l->socket.address.is_tls)
        begin_tls(l, link);
    return link;
}

void http_link_free(struct http_listener *l, struct http_link *link)
{
    struct http_door *door = l->door;
    if (link == NULL)
        return;
    if (!link->has_begun)
        metric_add(&door->metrics->http_unfinished, 1);
    if (link->next != NULL)
        link->next->previous = link->previous;
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        l->links = link->next;
    l->link_count--;
    l->hurried_count -= link->is_hurried;
    http_sender_unref(door->senders, link->credential);
    http_sender_unref(door->senders, link->peer);
    http_tls_unref(door->tls, link->identity);
    free(link);
}

bool http_link_set_request(struct MHD_Connection *connection, struct http_request *r)
{
    struct http_link *link = link_of(connection);
    if (link == NULL)
        return false;
    http_slow_note(link, r != NULL ? r->listener : NULL, r == NULL);
    link->has_begun = true;
    link->request = r;
    return true;
}

const char *http_link_peer(struct MHD_Connection *connection)
{
    const struct http_link *link = link_of(connection);
    return link != NULL && link->peer != NULL ? http_sender_name(link->peer) : "?";
}

struct http_sender *http_link_sender(struct MHD_Connection *connection)
{
    const struct http_link *link = link_of(connection);
    return link != NULL ? link->peer : NULL;
}

struct http_sender *http_link_set_credential(struct MHD_Connection *connection,
                                             enum http_sender_kind kind, const char *name)
{
    struct http_link *link = link_of(connection);
    if (link == NULL || link->request == NULL)
        return NULL;
    struct http_senders *senders = link->request->listener->door->senders;
    if (link->credential != NULL && http_sender_kind(link->credential) == kind &&
        strcmp(http_sender_name(link->credential), name) == 0)
        return link->credential;
    struct http_sender *sender = http_sender_ref(senders, kind, name);
    if (sender != NULL) {
        http_sender_unref(senders, link->credential);
        link->credential = sender;
    }
    return sender;
}

const char *http_link_certificate(struct MHD_Connection *connection, const char **why)
{
    struct http_link *link = link_of(connection);
    if (link == NULL || link->identity == NULL)
        return NULL;
    if (!link->is_vouched_for) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        link->is_vouched_for = true;
        if (info == NULL || !http_tls_peer(info->tls_session, link->certificate,
                                           sizeof link->certificate, &link->certificate_why))
            link->certificate[0] = '\0';
    }
    *why = link->certificate_why;
    return link->certificate[0] != '\0' ? link->certificate : NULL;
}

uint32_t http_link_uid(struct MHD_Connection *connection)
{
    const struct http_link *link = link_of(connection);
    return link != NULL ? link->uid : SPOOL_UID_UNKNOWN;
}

/* Whether nothing can come of it any more: the peer has ended it, no byte is left to be read. */
static bool is_over(const struct http_link *link)
{
    char byte;
    if (link->request != NULL && (link->request->is_waiting || link->request->is_answered))
        return false; /* promise 3: it may have ended its side only */
    ssize_t size = recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void hurry(struct http_listener *l, struct http_link *link, bool is_hurried)
{
    unsigned usual = l->idle_s, timeout = is_hurried ? OL_MIN(CROWDED_IDLE_S, usual) : usual;
    if (link->is_hurried == is_hurried || (link->request != NULL && link->request->is_waiting))
        return; /* of one that is suspended the library would ignore it */
    if (MHD_set_connection_option(link->connection, MHD_CONNECTION_OPTION_TIMEOUT, timeout) !=
        MHD_YES)
        return; /* another look comes */
    link->is_hurried = is_hurried;
    if (is_hurried)
        l->hurried_count++;
    else
        l->hurried_count--;
}

/* With some distance between entering and leaving. */
static bool is_crowded(const struct http_listener *l)
{
    return l->link_count >= l->limit - l->limit / (l->hurried_count > 0 ? 4 : 8);
}

void http_links_look(struct http_listener *l)
{
    bool crowded = is_crowded(l);
    int64_t now_ms = ol__time_monotonic_ms();
    int64_t pause_ms = crowded || l->hurried_count > 0 ? LOOK_MS : SLOW_LOOK_MS;
    if (crowded && !l->is_crowded)
        l->look_after_ms = now_ms;
    l->is_crowded = crowded;
    l->is_stale = l->link_count > 0;
    l->is_watching = l->is_watching && l->is_stale; /* else: of a link that has gone since */
    if (!l->is_stale || now_ms < l->look_after_ms)
        return;
    l->look_after_ms = now_ms + pause_ms;
    l->patience_ms += OL_MIN(now_ms - l->looked_ms, PATIENCE_STEP_MS);
    l->looked_ms = now_ms;
    l->is_stale = l->is_watching = false;
    for (struct http_link *link = l->links; link != NULL; link = link->next) {
        hurry(l, link, crowded); /* promise 2 */
        bool is_under_way = http_slow_look(link, l);
        /* The end is known to the kernel already: this makes it tell the library (promise 1). */
        if ((crowded || is_under_way) && is_over(link))
            OL_IGNORE(shutdown(link->fd, SHUT_RD), "the short timeout remains");
        else if (is_under_way)
            l->is_watching = true;
    }
}

int http_links_timeout_ms(const struct http_listener *l)
{
    if (!l->is_crowded && l->hurried_count == 0 && !l->is_watching && !l->is_stale)
        return -1;
    return (int)OL_MAX(0, OL_MIN(l->look_after_ms - ol__time_monotonic_ms(), SLOW_LOOK_MS));
}
