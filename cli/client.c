/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP over the agent's sockets: one request a connection, answer bounded in size and time. No
 * library: starting one costs more than the whole question. Version 1.0, so that no answer comes in
 * chunks. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "cli.h"
#include "places.h"
#include "times.h"

#define ANSWER_TIMEOUT_MS 30000
#define HEAD_MAX 16384

ol_status client_socket_path(char *out, size_t size, bool *ret_is_system, struct ol_error *err)
{
    struct ol__places places;
    const char *named = getenv("LINEAGED_SOCKET");
    *ret_is_system = false;
    if (named != NULL && named[0] != '\0') {
        if (strncmp(named, "unix:", 5) == 0)
            named += 5;
        if (ol__places_admin_socket(named, out, size) != OL_OK)
            return ol__error_set(err, OL_TOO_LARGE, "LINEAGED_SOCKET: path too long");
        return OL_OK;
    }
    ol_status st = ol__places_of_user(&places, err);
    if (st != OL_OK)
        return st;
    *ret_is_system = places.is_system;
    if (strlen(places.admin_socket) >= size)
        return ol__error_set(err, OL_TOO_LARGE, "'%s': path too long", places.admin_socket);
    memcpy(out, places.admin_socket, strlen(places.admin_socket) + 1);
    return OL_OK;
}

static ol_status connect_to(const char *path, int *ret, struct ol_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return ol__error_set(err, OL_TOO_LARGE, "'%s': longer than a socket's path may be (%zu)",
                             path, sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "socket");
    /* Bounds connect(), too: it waits while the agent's backlog is full. */
    struct timeval limit = {.tv_sec = ANSWER_TIMEOUT_MS / 1000};
    OL_IGNORE(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0,
              "then it may take longer");
    int result;
    do {
        result = connect(fd, (struct sockaddr *)&address, sizeof address);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        ol_status st = errno == ENOENT || errno == ECONNREFUSED
                           ? ol__error_set(err, OL_NOT_FOUND, "no agent listens at '%s'", path)
                           : ol__error_set_errno(err, errno, "connect to '%s'", path);
        close(fd);
        return st;
    }
    *ret = fd;
    return OL_OK;
}

static ol_status wait_ready(int fd, short events, int64_t deadline, struct ol_error *err)
{
    for (;;) {
        int64_t left = deadline - ol__time_monotonic_ms();
        struct pollfd p = {.fd = fd, .events = events};
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n > 0)
            return OL_OK;
        if (n == 0)
            return ol__error_set(err, OL_IO, "the agent gave no answer within %d s",
                                 ANSWER_TIMEOUT_MS / 1000);
        if (errno != EINTR)
            return ol__error_set_errno(err, errno, "poll");
    }
}

static ol_status send_all(int fd, const char *data, size_t size, int64_t deadline,
                          struct ol_error *err)
{
    while (size > 0) {
        ol_status st = wait_ready(fd, POLLOUT, deadline, err);
        if (st != OL_OK)
            return st;
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return ol__error_set_errno(err, errno, "send to the agent");
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    return OL_OK;
}

/** Read to the end of the stream. */
static ol_status receive_all(int fd, struct ol__buf *in, int64_t deadline, struct ol_error *err)
{
    for (;;) {
        ol_status st = wait_ready(fd, POLLIN, deadline, err);
        if (st != OL_OK)
            return st;
        char part[16384];
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n == 0)
            return OL_OK;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return ol__error_set_errno(err, errno, "read from the agent");
        if (n > 0 && (st = ol__buf_add(in, part, (size_t)n)) != OL_OK)
            return ol__error_set(err, st, "the agent's answer: more than %zu bytes", in->max);
    }
}

/** Take head and body apart. The agent answers with Content-Length or until it closes. */
static ol_status split(struct ol__buf *in, int *ret_status, struct ol__buf *body,
                       struct ol_error *err)
{
    const char *end = in->size > 0 ? strstr(in->data, "\r\n\r\n") : NULL;
    if (end == NULL || in->size < 12 || memcmp(in->data, "HTTP/1.", 7) != 0 ||
        (size_t)(end - in->data) > HEAD_MAX)
        return ol__error_set(err, OL_IO, "what answers there speaks no HTTP");
    int status = (int)strtol(in->data + 9, NULL, 10);
    size_t head = (size_t)(end - in->data) + 4;
    for (const char *line = in->data; line != NULL && line < end; line = strstr(line, "\r\n")) {
        if (*line == '\r')
            line += 2;
        if (strncasecmp(line, "Content-Length:", 15) == 0 &&
            strtoull(line + 15, NULL, 10) != in->size - head)
            return ol__error_set(err, OL_IO, "the agent's answer was cut short");
        if (strncasecmp(line, "Transfer-Encoding:", 18) == 0)
            return ol__error_set(err, OL_IO,
                                 "the agent's answer has an encoding that was not asked for");
    }
    ol_status st = ol__buf_add(body, in->data + head, in->size - head);
    if (st != OL_OK)
        return ol__error_set(err, st, "the agent's answer: more than %zu bytes", body->max);
    *ret_status = status;
    return OL_OK;
}

ol_status client_get(const char *path, const char *target, int *ret_status, struct ol__buf *body,
                     struct ol_error *err)
{
    static const struct client_content nothing;
    return client_request(path, "GET", target, &nothing, ret_status, body, err);
}

ol_status client_request(const char *path, const char *method, const char *target,
                         const struct client_content *content, int *ret_status,
                         struct ol__buf *body, struct ol_error *err)
{
    int fd = -1;
    int64_t deadline = ol__time_monotonic_ms() + ANSWER_TIMEOUT_MS;
    struct ol__buf request, answer;
    ol__buf_init(&request, 64 * 1024);
    ol__buf_init(&answer, body->max + HEAD_MAX);
    ol_status st = connect_to(path, &fd, err);
    if (st != OL_OK)
        goto out;
    ol__buf_add_format(&request, "%s %s HTTP/1.0\r\nHost: lineaged\r\n", method, target);
    if (content->type != NULL)
        ol__buf_add_format(&request, "Content-Type: %s\r\n", content->type);
    if (strcmp(method, "GET") != 0)
        ol__buf_add_format(&request, "Content-Length: %zu\r\n", content->data.size);
    ol__buf_add_text(&request, "\r\n");
    if (request.status != OL_OK) {
        st = ol__error_set(err, OL_TOO_LARGE, "the question is longer than %zu bytes", request.max);
        goto out;
    }
    st = send_all(fd, request.data, request.size, deadline, err);
    if (st == OL_OK && content->data.size > 0)
        st = send_all(fd, content->data.data, content->data.size, deadline, err);
    if (st == OL_OK)
        st = receive_all(fd, &answer, deadline, err);
    if (st == OL_OK)
        st = split(&answer, ret_status, body, err);
out:
    if (fd >= 0)
        close(fd);
    ol__buf_release(&request);
    ol__buf_release(&answer);
    return st;
}

void client_add_percent(struct ol__buf *out, const char *text, const char *also)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
            strchr("-._~", *p) != NULL || strchr(also, *p) != NULL)
            ol__buf_add_char(out, (char)*p);
        else
            ol__buf_add_format(out, "%%%02X", *p);
    }
}

void client_add_query(struct ol__buf *target, const char *key, const char *value)
{
    if (value == NULL)
        return;
    bool is_first = target->size == 0 || memchr(target->data, '?', target->size) == NULL;
    ol__buf_add_format(target, "%c%s=", is_first ? '?' : '&', key);
    client_add_percent(target, value, "");
}
