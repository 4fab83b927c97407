/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A request is answered when its last byte has been read, never before.
 *  2. What is not plain HTTP/1.1 of bounded head ends its connection; the sink goes on. */
#include "sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

#define HEAD_MAX 16384
#define READ_SIZE 65536

struct counts {
    _Atomic uint64_t requests, bytes;
};
struct sink {
    pid_t pid;
    struct counts *counts; /* shared with the process */
};

enum stage { IN_HEAD, IN_BODY, IN_CHUNK_SIZE, IN_CHUNK, IN_CHUNK_END, IN_TRAILER };
struct conn {
    int fd;
    enum stage stage;
    uint64_t left;       /* of the body or of the chunk */
    size_t size;         /* bytes in text */
    char text[HEAD_MAX]; /* of the head, or a line of a chunk */
};

static const char answer[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

/* Of a slow sink: how long a request keeps it busy. */
static struct timespec busy;

static bool answer_one(struct conn *c, struct counts *counts)
{
    if (busy.tv_sec > 0 || busy.tv_nsec > 0)
        nanosleep(&busy, NULL);
    atomic_fetch_add_explicit(&counts->requests, 1, memory_order_relaxed);
    c->stage = IN_HEAD;
    c->size = 0;
    ssize_t n;
    do {
        n = send(c->fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == sizeof answer - 1;
}

/* The value of header @p name in the head, NULL if absent. */
static const char *header(const struct conn *c, const char *name)
{
    size_t size = strlen(name);
    for (const char *line = strstr(c->text, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':')
            return line + size + 1 + strspn(line + size + 1, " \t");
    }
    return NULL;
}

static bool begin_body(struct conn *c, struct counts *counts)
{
    const char *coding = header(c, "Transfer-Encoding"), *length = header(c, "Content-Length");
    const char *expect = header(c, "Expect");
    if (expect != NULL && strncasecmp(expect, "100-continue", 12) == 0 &&
        send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) != 25)
        return false;
    c->size = 0;
    c->left = length != NULL ? strtoull(length, NULL, 10) : 0;
    if (coding != NULL && strncasecmp(coding, "chunked", 7) == 0)
        c->stage = IN_CHUNK_SIZE;
    else if (c->left > 0)
        c->stage = IN_BODY;
    else
        return answer_one(c, counts);
    return true;
}

/* A line of the head (whole head) or of chunks is complete in c->text. */
static bool take_line(struct conn *c, struct counts *counts)
{
    switch (c->stage) {
    case IN_HEAD:
        return begin_body(c, counts);
    case IN_CHUNK_SIZE:
        c->left = strtoull(c->text, NULL, 16);
        c->stage = c->left > 0 ? IN_CHUNK : IN_TRAILER;
        break;
    case IN_CHUNK_END:
        c->stage = IN_CHUNK_SIZE;
        break;
    default: /* IN_TRAILER: an empty line ends the request */
        if (c->size == 2)
            return answer_one(c, counts);
    }
    c->size = 0;
    return true;
}

static bool take_bytes(struct conn *c, const char *data, size_t size, struct counts *counts)
{
    while (size > 0) {
        if (c->stage == IN_BODY || c->stage == IN_CHUNK) {
            size_t part = size < c->left ? size : (size_t)c->left;
            atomic_fetch_add_explicit(&counts->bytes, part, memory_order_relaxed);
            data += part;
            size -= part;
            c->left -= part;
            if (c->left > 0)
                return true;
            if (c->stage == IN_CHUNK)
                c->stage = IN_CHUNK_END;
            else if (!answer_one(c, counts))
                return false;
            continue;
        }
        const char *newline = memchr(data, '\n', size);
        size_t part = newline != NULL ? (size_t)(newline - data) + 1 : size;
        if (part >= HEAD_MAX - c->size)
            return false;
        memcpy(c->text + c->size, data, part);
        c->size += part;
        c->text[c->size] = '\0';
        data += part;
        size -= part;
        bool is_end = c->stage != IN_HEAD ||
                      (c->size >= 4 && memcmp(c->text + c->size - 4, "\r\n\r\n", 4) == 0);
        if (newline != NULL && is_end && !take_line(c, counts))
            return false;
    }
    return true;
}

static void take_in(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int one = 1;
    struct conn *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (c == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(c);
        close(fd);
        return;
    }
    c->fd = fd;
}

static void serve(int listener, struct counts *counts)
{
    static char data[READ_SIZE];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        _exit(1);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            struct conn *c = events[i].data.ptr;
            if (c == NULL) {
                take_in(epoll, listener);
                continue;
            }
            ssize_t n = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
            if (n < 0 && (errno == EAGAIN || errno == EINTR))
                continue;
            if (n > 0 && take_bytes(c, data, (size_t)n, counts))
                continue;
            close(c->fd);
            free(c);
        }
    }
}

static struct sink *start(int *ret_port, struct timespec pause)
{
    struct sink *sink = bench_alloc(sizeof *sink);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 1024) != 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        bench_die("sink: %s", strerror(errno));
    sink->counts =
        mmap(NULL, sizeof *sink->counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sink->counts == MAP_FAILED)
        bench_die("sink: %s", strerror(errno));
    sink->pid = fork();
    if (sink->pid < 0)
        bench_die("sink: fork: %s", strerror(errno));
    if (sink->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        busy = pause;
        serve(fd, sink->counts);
    }
    close(fd);
    *ret_port = ntohs(address.sin_port);
    return sink;
}

struct sink *sink_start(int *ret_port)
{
    return start(ret_port, (struct timespec){0});
}

struct sink *sink_start_slow(int *ret_port, unsigned per_second)
{
    return start(ret_port, (struct timespec){.tv_sec = per_second == 1,
                                             .tv_nsec = 1000000000 / per_second % 1000000000});
}

void sink_count(const struct sink *sink, uint64_t *ret_requests, uint64_t *ret_bytes)
{
    *ret_requests = atomic_load(&sink->counts->requests);
    *ret_bytes = atomic_load(&sink->counts->bytes);
}

pid_t sink_pid(const struct sink *sink)
{
    return sink->pid;
}

void sink_stop(struct sink *sink)
{
    if (sink == NULL)
        return;
    kill(sink->pid, SIGKILL);
    while (waitpid(sink->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    munmap(sink->counts, sizeof *sink->counts);
    free(sink);
}
