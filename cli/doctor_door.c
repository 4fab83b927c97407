/* SPDX-License-Identifier: Apache-2.0 */
/* One POST of `{}` over plain HTTP: an agent refuses it with 400 and keeps nothing, whatever its
 * settings; before that come path (404) and credentials (401, 403). No library, as in client.c. */
#include "doctor_door.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "times.h"

#define WAIT_MS 5000

struct url {
    char host[256], port[16], path[OL_PATH_MAX], authority[300];
};

/* @return false: not http://, or too long. */
static bool split_url(const char *text, struct url *u)
{
    if (strncmp(text, "http://", 7) != 0)
        return false;
    const char *at = text + 7;
    size_t size = strcspn(at, "/?");
    if (size == 0 || size >= sizeof u->authority)
        return false;
    memcpy(u->authority, at, size);
    u->authority[size] = '\0';
    snprintf(u->path, sizeof u->path, "%s%s", at[size] == '/' ? "" : "/", at + size);
    const char *end = u->authority + size, *name = u->authority, *colon;
    if (name[0] == '[') { /* [::1]:80 */
        name++;
        end = strchr(name, ']');
        colon = end != NULL && end[1] == ':' ? end + 1 : NULL;
    } else {
        colon = strrchr(name, ':');
        end = colon != NULL ? colon : end;
    }
    if (end == NULL || (size_t)(end - name) >= sizeof u->host)
        return false;
    memcpy(u->host, name, (size_t)(end - name));
    u->host[end - name] = '\0';
    snprintf(u->port, sizeof u->port, "%s", colon != NULL ? colon + 1 : "80");
    return true;
}

static bool wait_for(int fd, short events, int64_t deadline)
{
    int64_t left = deadline - ol__time_monotonic_ms();
    struct pollfd p = {.fd = fd, .events = events};
    return left > 0 && poll(&p, 1, (int)left) > 0;
}

/* @return 0, or errno. */
static int connect_within(int fd, const struct sockaddr *address, socklen_t size, int64_t deadline)
{
    int failed = 0;
    socklen_t length = sizeof failed;
    if (connect(fd, address, size) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EAGAIN)
        return errno;
    if (!wait_for(fd, POLLOUT, deadline))
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &length) == 0 ? failed : errno;
}

static int open_unix(const char *path, int64_t deadline, int *ret_errno)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -1;
    *ret_errno = ENAMETOOLONG;
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *ret_errno =
        fd < 0 ? errno
               : connect_within(fd, (const struct sockaddr *)&address, sizeof address, deadline);
    if (*ret_errno != 0 && fd >= 0)
        close(fd);
    return *ret_errno == 0 ? fd : -1;
}

static int open_tcp(const struct url *u, int64_t deadline, int *ret_errno)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1;
    *ret_errno = EHOSTUNREACH;
    if (getaddrinfo(u->host, u->port, &hints, &found) != 0)
        return -1;
    for (const struct addrinfo *a = found; a != NULL && *ret_errno != 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        *ret_errno = fd < 0 ? errno : connect_within(fd, a->ai_addr, a->ai_addrlen, deadline);
        if (*ret_errno != 0 && fd >= 0)
            close(fd);
    }
    freeaddrinfo(found);
    return *ret_errno == 0 ? fd : -1;
}

/* @return the HTTP status; 0: no answer. */
static int post(int fd, const struct url *u, const char *api_key, int64_t deadline)
{
    char request[3072], answer[256];
    size_t have = 0;
    int status = 0;
    int size = snprintf(request, sizeof request,
                        "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                        "Content-Length: 2\r\nConnection: close\r\n%s%s%s\r\n{}",
                        u->path, u->authority, api_key[0] != '\0' ? "Authorization: Bearer " : "",
                        api_key, api_key[0] != '\0' ? "\r\n" : "");
    if (size < 0 || (size_t)size >= sizeof request || strpbrk(api_key, "\r\n") != NULL)
        return 0;
    if (!wait_for(fd, POLLOUT, deadline) || send(fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        return 0;
    while (have < 15 && wait_for(fd, POLLIN, deadline)) {
        ssize_t n = recv(fd, answer + have, sizeof answer - 1 - have, 0);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    answer[have] = '\0';
    if (strncmp(answer, "HTTP/1.", 7) == 0 && have > 12)
        status = (int)strtol(answer + 9, NULL, 10);
    return status;
}

static void tell(struct doctor *d, const struct ol__where *w, int status)
{
    struct doctor_finding *f;
    switch (status) {
    case 200:
    case 201:
    case 400:
    case 422:
        doctor_add(d, DOCTOR_OK, "door", "%s takes events (asked with an empty one)", w->target);
        return;
    case 401:
    case 403:
        f = doctor_add(d, DOCTOR_FAIL, "door",
                       "%s refuses the %s (%d): events of these programs are not taken", w->target,
                       w->api_key[0] != '\0' ? "API key of this environment" : "lack of an API key",
                       status);
        doctor_fix(f, "give programs a key that the agent knows: OPENLINEAGE_API_KEY, or "
                      "transport.auth.apiKey");
        return;
    case 404:
    case 405:
        f = doctor_add(d, DOCTOR_FAIL, "door", "%s: no such path there (%d); %s says where to post",
                       w->target, status, w->source);
        doctor_fix(f, "use a path that ends in /lineage, or add it to intake.http.paths");
        return;
    case 408:
    case 429:
    case 503:
        f = doctor_add(d, d->has_status ? DOCTOR_WARN : DOCTOR_FAIL, "door",
                       "%s takes nothing for now (%d); clients try again", w->target, status);
        doctor_fix(f, "see what the agent waits for, below");
        return;
    default:
        f = doctor_add(d, DOCTOR_FAIL, "door", "%s: %s (status %d)", w->target,
                       status == 0 ? "no answer that is HTTP" : "an answer no agent gives", status);
        doctor_fix(f, "see who listens there: ss -ltnp; %s says where to post", w->source);
    }
}

void doctor_door(struct doctor *d, const struct ol__where *w)
{
    struct url u = {.host = ""};
    int64_t deadline = ol__time_monotonic_ms() + WAIT_MS;
    int code = 0;
    if (!split_url(w->target, &u)) {
        doctor_add(d, DOCTOR_WARN, "door", "%s: not checked, only plain HTTP is", w->target);
        return;
    }
    int fd = w->socket[0] != '\0' ? open_unix(w->socket, deadline, &code)
                                  : open_tcp(&u, deadline, &code);
    if (fd < 0) {
        struct doctor_finding *f =
            doctor_add(d, d->has_status ? DOCTOR_FAIL : DOCTOR_WARN, "door",
                       "nobody takes events at %s, where %s tells programs to post: %s",
                       w->socket[0] != '\0' ? w->socket : w->target, w->source, strerror(code));
        const struct json_node *intake = d->has_status ? json_get(d->status.root, "intake") : NULL;
        const struct json_node *door = json_get_items(intake, "listen");
        char doors[300] = "";
        for (size_t at = 0; door != NULL && at < sizeof doors; door = door->next)
            at += (size_t)snprintf(doors + at, sizeof doors - at, "%s%s", at > 0 ? ", " : "",
                                   door->text != NULL ? door->text : "?");
        if (d->has_status)
            doctor_fix(f,
                       "the agent listens on %s: let one of them be told, or add yours to "
                       "intake.http.listen",
                       doors);
        return;
    }
    int status = post(fd, &u, w->api_key, deadline);
    close(fd);
    tell(d, w, status);
}
