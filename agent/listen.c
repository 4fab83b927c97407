/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A socket file is removed only when a connection to it is refused, that is when nobody
 * listens; two agents that start at once do not remove each other's (the directory is locked from
 * the probe to listen(2)).
 *  2. Nobody connects before the file has its mode: it is set between bind(2) and listen(2). */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>
#include "files.h"

#define BACKLOG 1024
/* Descriptors for everything else: half of all, but so many at least and at most. */
#define FILES_MIN 48
#define FILES_MAX 256

static ol_status parse_unix(const char *path, struct listen_address *ret, struct ol_error *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (path[0] != '/')
        return ol__error_set(err, OL_INVALID, "'unix:%s': expected an absolute path", path);
    if (strlen(path) >= sizeof un.sun_path)
        return ol__error_set(err, OL_INVALID, "'unix:%s': path of a socket longer than %zu bytes",
                             path, sizeof un.sun_path - 1);
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    memcpy(&ret->address, &un, sizeof un);
    ret->size = sizeof un;
    ret->is_unix = ret->is_local = true;
    snprintf(ret->text, sizeof ret->text, "unix:%s", path);
    return OL_OK;
}

static bool split_port(const char *text, char *host, size_t size, const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t length;
    char *end;
    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return false;
    unsigned long port = strtoul(colon + 1, &end, 10);
    length = (size_t)(colon - text);
    if (*end != '\0' || port > 65535 || length == 0 || length >= size)
        return false;
    if (text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    } else if (memchr(text, ':', length) != NULL)
        return false; /* IPv6 without brackets */
    memcpy(host, text, length);
    host[length] = '\0';
    *ret_port = colon + 1;
    return true;
}

bool listen_is_loopback(const struct sockaddr_storage *address)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address->ss_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    memcpy(&in6, address, sizeof in6);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) && in6.sin6_addr.s6_addr[12] == 127);
}

ol_status listen_parse(const char *text, struct listen_address *ret, struct ol_error *err)
{
    char host[64];
    const char *port;
    struct addrinfo *found, hints = {.ai_family = AF_UNSPEC,
                                     .ai_socktype = SOCK_STREAM,
                                     .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    const char *whole = text;
    *ret = (struct listen_address){0};
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, ret, err);
    if (strncmp(text, "tls:", 4) == 0) {
        ret->is_tls = true;
        text += 4;
    }
    if (!split_port(text, host, sizeof host, &port))
        goto invalid;
    const char *address = strcmp(host, "localhost") == 0 ? "127.0.0.1"
                          : strcmp(host, "*") == 0       ? NULL
                                                         : host;
    if (getaddrinfo(address, port, &hints, &found) != 0)
        goto invalid;
    memcpy(&ret->address, found->ai_addr, found->ai_addrlen);
    ret->size = found->ai_addrlen;
    freeaddrinfo(found);
    ret->is_local = listen_is_loopback(&ret->address);
    snprintf(ret->text, sizeof ret->text, "%s", whole);
    return OL_OK;
invalid:
    return ol__error_set(err, OL_INVALID,
                         "'%s': expected unix:PATH, ADDRESS:PORT or [ADDRESS]:PORT (a number, "
                         "localhost or *), or one of these two with tls: before",
                         whole);
}

/* Whether nobody listens on the socket file (promise 1). */
static ol_status remove_stale(const struct listen_address *address, struct ol_error *err)
{
    const char *path = ((const struct sockaddr_un *)&address->address)->sun_path;
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? OL_OK : ol__error_set_errno(err, errno, "'%s'", path);
    if (!S_ISSOCK(st.st_mode))
        return ol__error_set(err, OL_BUSY, "'%s' is there and is no socket", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "'%s': socket", path);
    int failed =
        connect(fd, (const struct sockaddr *)&address->address, address->size) != 0 ? errno : 0;
    close(fd);
    if (failed != ECONNREFUSED)
        return ol__error_set(err, OL_BUSY, "'%s': another program listens there", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return ol__error_set_errno(err, errno, "'%s': remove a stale socket", path);
    return OL_OK;
}

static ol_status open_unix(struct listen_socket *l, const struct listen_file *file,
                           struct ol_error *err)
{
    const char *path = ((struct sockaddr_un *)&l->address.address)->sun_path;
    char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat st;
    int lock = -1;
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    slash[slash == directory ? 1 : 0] = '\0';
    ol_status status = ol__fs_make_directories(directory, file->is_system ? 0755 : 0700, err);
    if (status != OL_OK)
        return status;
    status = ol__fs_open_directory(directory, &lock, err);
    if (status != OL_OK)
        return status;
    while (flock(lock, LOCK_EX) != 0 && errno == EINTR)
        ;
    status = remove_stale(&l->address, err);
    if (status != OL_OK)
        goto done;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&l->address.address, l->address.size) != 0 ||
        (file->group != LISTEN_NO_GROUP && chown(path, (uid_t)-1, file->group) != 0) ||
        chmod(path, file->mode) != 0 || lstat(path, &st) != 0 || listen(l->fd, BACKLOG) != 0) {
        status = ol__error_set_errno(err, errno, "'%s': listen", path);
        goto done;
    }
    l->device = st.st_dev;
    l->inode = st.st_ino;
done:
    close(lock);
    return status;
}

static ol_status open_tcp(struct listen_socket *l, struct ol_error *err)
{
    int on = 1;
    struct sockaddr *address = (struct sockaddr *)&l->address.address;
    l->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return ol__error_set_errno(err, errno, "'%s': socket", l->address.text);
    OL_IGNORE(setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "only a convenience");
    OL_IGNORE(setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "only faster");
    if (bind(l->fd, address, l->address.size) != 0 || listen(l->fd, BACKLOG) != 0) {
        int failed = errno;
        if (failed == EADDRINUSE)
            return ol__error_set(err, OL_BUSY, "'%s': another program listens there",
                                 l->address.text);
        return ol__error_set_errno(err, failed, "'%s': listen", l->address.text);
    }
    char host[INET6_ADDRSTRLEN], port[8];
    l->address.size = sizeof l->address.address;
    if (getsockname(l->fd, address, &l->address.size) != 0 ||
        getnameinfo(address, l->address.size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return ol__error_set_errno(err, errno, "'%s': own address", l->address.text);
    const char *scheme = l->address.is_tls ? "tls:" : "";
    snprintf(l->address.text, sizeof l->address.text, strchr(host, ':') ? "%s[%s]:%s" : "%s%s:%s",
             scheme, host, port);
    return OL_OK;
}

ol_status listen_open(const struct listen_address *address, const struct listen_file *file,
                      struct listen_socket *ret, struct ol_error *err)
{
    struct listen_socket l = {.fd = -1, .address = *address};
    ol_status status = address->is_unix ? open_unix(&l, file, err) : open_tcp(&l, err);
    if (status != OL_OK) {
        if (l.fd >= 0)
            close(l.fd);
        return status;
    }
    *ret = l;
    return OL_OK;
}

unsigned listen_limit(size_t listeners, unsigned wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    rlim_t files = OL_MAX((rlim_t)FILES_MIN, OL_MIN(limit.rlim_cur / 2, (rlim_t)FILES_MAX));
    rlim_t room = limit.rlim_cur > files ? limit.rlim_cur - files : 0;
    rlim_t share = listeners == 0 ? room / 8 : (room - room / 8) / listeners;
    return (unsigned)OL_MAX((rlim_t)1, OL_MIN(share, (rlim_t)wanted));
}

void listen_close(struct listen_socket *l)
{
    struct stat st;
    if (l->fd < 0)
        return;
    const char *path = ((struct sockaddr_un *)&l->address.address)->sun_path;
    if (l->address.is_unix && lstat(path, &st) == 0 && st.st_dev == l->device &&
        st.st_ino == l->inode)
        OL_IGNORE(unlink(path), "whoever comes next finds it stale");
    close(l->fd);
    l->fd = -1;
}

/* ---- Peers ---- */

/* What the first line of a file in /proc begins with. @return whether there are so many. */
static bool read_numbers(const char *path, unsigned long *out, int count)
{
    char text[128], *at = text;
    FILE *in = fopen(path, "re");
    bool is_read = in != NULL && fgets(text, sizeof text, in) != NULL;
    if (in != NULL)
        fclose(in);
    for (int i = 0; i < count && is_read; i++) {
        char *end;
        out[i] = strtoul(at, &end, 10);
        is_read = end != at;
        at = end;
    }
    return is_read;
}

uint32_t listen_known_uid(uint32_t uid)
{
    static _Atomic uint32_t overflow; /* 0: not looked up yet; it never changes for us */
    uint32_t stranger = atomic_load_explicit(&overflow, memory_order_relaxed);
    if (stranger == 0) {
        unsigned long map[3], shown = 65534;
        OL_IGNORE(!read_numbers("/proc/sys/kernel/overflowuid", &shown, 1), "its usual value");
        bool is_whole =
            read_numbers("/proc/self/uid_map", map, 3) && map[0] == 0 && map[2] >= UINT32_MAX;
        stranger = is_whole ? LISTEN_UID_UNKNOWN : (uint32_t)shown;
        atomic_store_explicit(&overflow, stranger, memory_order_relaxed);
    }
    return uid == stranger ? LISTEN_UID_UNKNOWN : uid;
}

uint32_t listen_peer_uid(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return LISTEN_UID_UNKNOWN;
    return listen_known_uid(peer.uid);
}
