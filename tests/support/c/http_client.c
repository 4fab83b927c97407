/* SPDX-License-Identifier: Apache-2.0 */
#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool http_client_open(struct http_client *c, const char *address)
{
    struct sockaddr_storage storage = {0};
    socklen_t size;
    ol__buf_init(&c->in, 16u << 20);
    if (strncmp(address, "unix:", 5) == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)&storage;
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof un->sun_path, "%s", address + 5);
        size = sizeof *un;
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&storage;
        const char *colon = strrchr(address, ':');
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)atoi(colon + 1));
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        size = sizeof *in;
    }
    c->fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd >= 0 && connect(c->fd, (struct sockaddr *)&storage, size) == 0)
        return true;
    http_client_close(c);
    return false;
}

void http_client_close(struct http_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    ol__buf_release(&c->in);
}

bool http_client_send(struct http_client *c, const void *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data = (const char *)data + n;
        size -= (size_t)n;
    }
    return true;
}

/* Read some more. @return false: end, failure, or the wait is over. */
static bool more(struct http_client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (poll(&p, 1, HTTP_CLIENT_WAIT_MS) != 1)
        return false;
    char *room = ol__buf_room(&c->in, 65536);
    ssize_t n = room != NULL ? recv(c->fd, room, 65536, 0) : -1;
    if (n <= 0)
        return false;
    ol__buf_grow(&c->in, (size_t)n);
    return true;
}

const char *http_answer_field(const struct http_answer *a, const char *name)
{
    static _Thread_local char value[512];
    size_t size = strlen(name);
    for (const char *line = strstr(a->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
            line += size + 1;
            line += strspn(line, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"), line);
            return value;
        }
    }
    return NULL;
}

int http_client_read(struct http_client *c, struct http_answer *a)
{
    const char *end = NULL;
    *a = (struct http_answer){0};
    while (c->in.size == 0 || (end = memmem(c->in.data, c->in.size, "\r\n\r\n", 4)) == NULL)
        if (!more(c))
            return 0;
    size_t head = (size_t)(end - c->in.data) + 4;
    snprintf(a->head, sizeof a->head, "%.*s", (int)head, c->in.data);
    const char *length = http_answer_field(a, "Content-Length");
    size_t body = length != NULL ? strtoul(length, NULL, 10) : 0;
    while (c->in.size < head + body)
        if (!more(c))
            return 0;
    a->body_size = body;
    memcpy(a->body, c->in.data + head, OL_MIN(body, sizeof a->body - 1));
    ol__buf_consume(&c->in, head + body);
    if (sscanf(a->head, "HTTP/1.%*d %d", &a->status) != 1)
        a->status = 0;
    return a->status;
}

bool http_client_is_closed(struct http_client *c)
{
    while (more(c))
        ; /* the server library says some heads twice */
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    char byte;
    return poll(&p, 1, 0) == 1 && recv(c->fd, &byte, 1, 0) <= 0;
}

int http_client_once(const char *address, const void *data, size_t size, struct http_answer *ret)
{
    struct http_client c;
    int status = 0;
    *ret = (struct http_answer){0};
    if (!http_client_open(&c, address))
        return 0;
    http_client_send(&c, data, size); /* a refusal may close it early: the answer tells */
    status = http_client_read(&c, ret);
    http_client_close(&c);
    return status;
}
