/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H
/** @file What the users of the HTTP server library share. Threads: the one that runs the daemon. */
#include <microhttpd.h>

static inline unsigned http_server_connections(struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info != NULL ? info->num_connections : 0;
}

/** MHD_run() of an epoll daemon that is driven from outside; again after connections ended: one
 * that was full has taken its socket out of its epoll, puts it back only at the start of the next
 * run, and until then nothing wakes us for those who wait to be accepted. */
static inline void http_server_run(struct MHD_Daemon *daemon)
{
    unsigned before;
    do {
        before = http_server_connections(daemon);
        MHD_run(daemon);
    } while (http_server_connections(daemon) < before);
}
#endif
