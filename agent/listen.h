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
    bool is_tls;   /**< was written with "tls:" before it */
    bool is_local; /**< nobody beyond this machine can reach it: unix, loopback */
    struct sockaddr_storage address;
    socklen_t size;
    char text[sizeof(((struct sockaddr_un *)0)->sun_path) + 16]; /**< for messages */
};

/** Read "unix:PATH", "ADDRESS:PORT", "[ADDRESS]:PORT", "localhost:PORT" or "*:PORT", those with a
 * port also with "tls:" before. Resolves no names.
 *  @return OL_OK or OL_INVALID: err says what is allowed. */
OL_NODISCARD ol_status listen_parse(const char *text, struct listen_address *ret,
                                    struct ol_error *err);

struct listen_socket {
    int fd;                        /**< not blocking; -1: closed */
    struct listen_address address; /**< TCP: with the port that was given for port 0 */
    dev_t device;                  /**< unix: of the file we made */
    ino_t inode;
};

/** Whether an address is of this machine's loopback. */
bool listen_is_loopback(const struct sockaddr_storage *address);

#define LISTEN_NO_GROUP ((gid_t)-1)
/** Of a unix socket file. */
struct listen_file {
    mode_t mode;
    gid_t group;    /**< LISTEN_NO_GROUP: as it falls */
    bool is_system; /**< directories that are made get 0755 in place of 0700 */
};
/** Bind and listen. A socket file that nobody listens on is removed first; directories are made.
 *  @return OL_OK; OL_BUSY: somebody listens there; OL_DENIED, OL_IO. */
OL_NODISCARD ol_status listen_open(const struct listen_address *address,
                                   const struct listen_file *file, struct listen_socket *ret,
                                   struct ol_error *err);

#define LISTEN_UID_UNKNOWN UINT32_MAX
/** Who the kernel says is at the other end of the unix socket @p fd; LISTEN_UID_UNKNOWN: it cannot
 * tell. In a user namespace that does not know every uid, the kernel shows a stranger as the
 * overflow uid (65534): that is nobody in particular. Any thread. */
uint32_t listen_peer_uid(int fd);
/** @p uid as the kernel shows it, of a file or a process; LISTEN_UID_UNKNOWN: it stands for any
 * stranger. */
uint32_t listen_known_uid(uint32_t uid);
/** How many connections one of @p listeners sockets of the door may hold, @p wanted at most; 0
 * listeners: the admin socket. Together they leave descriptors for journals, spool, routes and
 * stores: the server library spins, or goes deaf until one of the listener's own connections ends,
 * when accept(2) finds none left. */
unsigned listen_limit(size_t listeners, unsigned wanted);
/** Close, and remove the socket file if it is still ours. Accepts a closed one. */
void listen_close(struct listen_socket *listener);
#endif
