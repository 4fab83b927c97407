/* SPDX-License-Identifier: Apache-2.0 */
/* A listener whose places are nearly all taken. The server library waits for edges: of a connection
 * whose end arrived together with its last bytes (a sender that died before it was accepted, say)
 * it reads the bytes, never sees the end, and keeps its place for intake.http.idle_timeout.
 * Promises:
 *  1. Near its limit a listener looks every LOOK_MS for connections that are over, and ends them.
 *  2. Near its limit a connection that moves no byte for CROWDED_IDLE_S is ended, between requests
 * and in the middle of one, so those who wait to be accepted get their turn.
 *  3. A request that waits for its sync, or whose answer is on its way, is not ended by 1. */
#include "http_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "times.h"

#define LOOK_MS 200
#define CROWDED_IDLE_S 3u

struct http_link {
    struct http_link *next, *previous;
    struct MHD_Connection *connection;
    struct http_request *request; /* borrowed; NULL: between requests */
    int fd;
    uint32_t uid;
    bool is_hurried; /* has the short timeout */
};

static struct http_link *link_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

struct http_link *http_link_new(struct http_listener *l, struct MHD_Connection *connection)
{
    struct http_link *link = calloc(1, sizeof *link);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (link == NULL)
        return NULL;
    link->connection = connection;
    link->fd = info != NULL ? info->connect_fd : -1;
    link->uid = SPOOL_UID_UNKNOWN;
    if (l->socket.address.is_unix && link->fd >= 0 &&
        getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
        link->uid = peer.uid;
    link->next = l->links;
    if (l->links != NULL)
        l->links->previous = link;
    l->links = link;
    l->link_count++;
    return link;
}

void http_link_free(struct http_listener *l, struct http_link *link)
{
    if (link == NULL)
        return;
    if (link->next != NULL)
        link->next->previous = link->previous;
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        l->links = link->next;
    l->link_count--;
    l->hurried_count -= link->is_hurried;
    free(link);
}

bool http_link_set_request(struct MHD_Connection *connection, struct http_request *r)
{
    struct http_link *link = link_of(connection);
    if (link != NULL)
        link->request = r;
    return link != NULL;
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
    l->is_crowded = crowded;
    if (!crowded && l->hurried_count == 0)
        return;
    int64_t now_ms = ol__time_monotonic_ms();
    if (now_ms < l->look_after_ms)
        return;
    l->look_after_ms = now_ms + LOOK_MS;
    for (struct http_link *link = l->links; link != NULL; link = link->next) {
        hurry(l, link, crowded); /* promise 2 */
        /* The end is known to the kernel already: this makes it tell the library (promise 1). */
        if (crowded && is_over(link))
            OL_IGNORE(shutdown(link->fd, SHUT_RD), "the short timeout remains");
    }
}

int http_links_timeout_ms(const struct http_listener *l)
{
    if (!l->is_crowded && l->hurried_count == 0)
        return -1;
    return (int)OL_MAX(0, OL_MIN(l->look_after_ms - ol__time_monotonic_ms(), LOOK_MS));
}
