/* SPDX-License-Identifier: Apache-2.0 */
#include "http_script.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512
#define REQUEST_MAX (4u * 1024u * 1024u)

struct connection {
    struct http_script *server;
    pthread_t thread;
    int fd;
    unsigned number;
};

struct http_script {
    int fd, port;
    http_script_handler *handler;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* everything below, and the handler */
    bool is_stopping;
    unsigned requests;
    unsigned connection_count;
    struct connection connections[CONNECTIONS_MAX];
};

static size_t body_size(const char *head)
{
    for (const char *line = head; line != NULL; line = strstr(line, "\r\n")) {
        line += line == head ? 0 : 2;
        if (strncasecmp(line, "content-length:", 15) == 0)
            return strtoul(line + 15, NULL, 10);
    }
    return 0;
}

static bool send_reply(int fd, const struct script_reply *reply, const char *body)
{
    char head[1000];
    int size = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n",
                        reply->status, strlen(body), reply->headers != NULL ? reply->headers : "");
    size_t more = strlen(body);
    return send(fd, head, (size_t)size, MSG_NOSIGNAL | (more > 0 ? MSG_MORE : 0)) == size &&
           (more == 0 || send(fd, body, more, MSG_NOSIGNAL) == (ssize_t)more);
}

/* @return whether the connection goes on. */
static bool reply_to(struct connection *c, const struct script_request *request)
{
    struct http_script *server = c->server;
    struct script_reply reply = {.status = 201};
    pthread_mutex_lock(&server->lock);
    struct script_request numbered = *request;
    numbered.number = ++server->requests;
    numbered.connection = c->number;
    server->handler(server->arg, &numbered, &reply);
    /* The next call may write the handler's buffer anew. */
    char *body = strdup(reply.body != NULL ? reply.body : "");
    pthread_mutex_unlock(&server->lock);
    if (body == NULL)
        return false;
    if (reply.is_hanging) {
        char byte;
        while (read(c->fd, &byte, 1) > 0) /* until the client, or stop, ends it */
            continue;
    }
    bool goes_on = !reply.is_hanging && !reply.is_dropped && send_reply(c->fd, &reply, body) &&
                   !reply.closes_after;
    free(body);
    return goes_on;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    char *data = malloc(REQUEST_MAX + 1);
    size_t size = 0;
    for (bool goes_on = data != NULL; goes_on;) {
        char *end = NULL;
        size_t head = 0, body = 0;
        for (;;) {
            data[size] = '\0';
            end = strstr(data, "\r\n\r\n");
            if (end != NULL) {
                head = (size_t)(end - data) + 4;
                body = body_size(data);
                if (size >= head + body)
                    break;
            }
            ssize_t n = size < REQUEST_MAX ? read(c->fd, data + size, REQUEST_MAX - size) : 0;
            if (n <= 0)
                goto out;
            size += (size_t)n;
        }
        struct script_request request = {.head = {data, head}, .body = {data + head, body}};
        goes_on = reply_to(c, &request);
        memmove(data, data + head + body, size - head - body);
        size -= head + body;
    }
out:
    shutdown(c->fd, SHUT_RDWR);
    free(data);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct http_script *server = arg;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&server->lock);
        bool is_good = !server->is_stopping && server->connection_count < CONNECTIONS_MAX;
        if (is_good) {
            struct connection *c = &server->connections[server->connection_count];
            *c = (struct connection){
                .server = server, .fd = fd, .number = server->connection_count + 1};
            is_good = pthread_create(&c->thread, NULL, serve, c) == 0;
            server->connection_count += is_good;
        }
        pthread_mutex_unlock(&server->lock);
        if (!is_good)
            close(fd);
    }
}

struct http_script *http_script_start(int port, http_script_handler *handler, void *arg)
{
    struct http_script *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    int one = 1;
    if (server == NULL)
        return NULL;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->handler = handler;
    server->arg = arg;
    pthread_mutex_init(&server->lock, NULL);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(server->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->fd, 128) != 0 ||
        getsockname(server->fd, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&server->thread, NULL, accept_all, server) != 0) {
        if (server->fd >= 0)
            close(server->fd);
        free(server);
        return NULL;
    }
    server->port = ntohs(address.sin_port);
    return server;
}

int http_script_port(const struct http_script *server)
{
    return server->port;
}

unsigned http_script_requests(struct http_script *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned requests = server->requests;
    pthread_mutex_unlock(&server->lock);
    return requests;
}

void http_script_stop(struct http_script *server)
{
    if (server == NULL)
        return;
    pthread_mutex_lock(&server->lock);
    server->is_stopping = true;
    pthread_mutex_unlock(&server->lock);
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    for (unsigned i = 0; i < server->connection_count; i++) {
        shutdown(server->connections[i].fd, SHUT_RDWR);
        pthread_join(server->connections[i].thread, NULL);
        close(server->connections[i].fd);
    }
    close(server->fd);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
