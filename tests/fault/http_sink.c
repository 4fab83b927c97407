/* SPDX-License-Identifier: Apache-2.0 */
#include "http_sink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 65536

static const char *served_root;

/* @return whether the body stands in the file. */
static bool keep(const char *request, char *body, size_t size)
{
    char name[64], path[512];
    if (sscanf(request, "POST /%60[A-Za-z0-9-] ", name) != 1)
        return false;
    snprintf(path, sizeof path, "%s/%s/served", served_root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    body[size] = '\n';
    bool is_written = write(fd, body, size + 1) == (ssize_t)size + 1;
    return close(fd) == 0 && is_written;
}

/* @return false: the connection is over. */
static bool serve_one(int fd, char *text)
{
    static const char good[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
    static const char bad[] = "HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n";
    size_t size = 0, head = 0, body = 0;
    while (head == 0 || size < head + body) {
        ssize_t n = size < REQUEST_MAX ? read(fd, text + size, REQUEST_MAX - size) : 0;
        if (n <= 0)
            return false;
        size += (size_t)n;
        text[size] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length;
        if (head == 0 && end != NULL) {
            head = (size_t)(end + 4 - text);
            length = strcasestr(text, "\r\ncontent-length:");
            body = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
        }
    }
    const char *answer = keep(text, text + head, body) ? good : bad;
    return send(fd, answer, strlen(answer), MSG_NOSIGNAL) > 0;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char *text = malloc(REQUEST_MAX + 2);
    while (text != NULL && serve_one(fd, text)) {
    }
    free(text);
    close(fd);
    return NULL;
}

int http_sink_start(const char *root)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t parent = getpid();
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        abort();
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid > 0) {
        close(listener);
        return ntohs(address.sin_port);
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(1);
    served_root = root;
    for (;;) {
        pthread_t thread;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
        else if (fd >= 0)
            close(fd);
    }
}
