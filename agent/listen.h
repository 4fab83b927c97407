/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LISTEN_H
#define LISTEN_H
/** @file
 * Listening sockets of the agent, on TCP and in the file system. Threads: one per object.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "ol_base.h"

struct listen_address {
    bool is_unix;
    struct sockaddr_storage address;
    socklen_t size;
    char text[sizeof(((struct sockaddr_un *)0)->sun_path) + 16]; /**< for messages */
};

/** Read "unix:PATH", "ADDRESS:PORT", "[ADDRESS]:PORT", "localhost:PORT" or "*:PORT". Resolves no
 * names.
 *  @return OL_OK or OL_INVALID: err says what is allowed. */
OL_NODISCARD ol_status listen_parse(const char *text, struct listen_address *ret,
                                    struct ol_error *err);

struct listen_socket {
    int fd;                        /**< not blocking; -1: closed */
    struct listen_address address; /**< TCP: with the port that was given for port 0 */
    dev_t device;                  /**< unix: of the file we made */
    ino_t inode;
};

/** Bind and listen. A socket file that nobody listens on is removed first; directories are made
 * (0700, in the system place 0755). @param mode of a unix socket file.
 *  @return OL_OK; OL_BUSY: somebody listens there; OL_DENIED, OL_IO. */
OL_NODISCARD ol_status listen_open(const struct listen_address *address, mode_t mode,
                                   bool is_system, struct listen_socket *ret, struct ol_error *err);
/** How many connections one of @p listeners sockets of the door may hold, @p wanted at most; 0
 * listeners: the admin socket. Together they leave descriptors for journals, spool, routes and
 * stores: the server library spins, or goes deaf until one of the listener's own connections ends,
 * when accept(2) finds none left. */
unsigned listen_limit(size_t listeners, unsigned wanted);
/** Close, and remove the socket file if it is still ours. Accepts a closed one. */
void listen_close(struct listen_socket *listener);
#endif
