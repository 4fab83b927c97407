/* SPDX-License-Identifier: Apache-2.0 */
#include "agent_process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

#define SETTINGS "%s/lineaged.yaml"
#define START_LIMIT_NS INT64_C(30000000000)

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        bench_die("free port: %s", strerror(errno));
    close(fd);
    return ntohs(address.sin_port);
}

/* The answer to GET @p path, head and all; owned, NULL if there is none. */
static char *get(int port, const char *path)
{
    struct sockaddr_in address = loopback(port);
    size_t max = 1u << 20, size = 0;
    char request[256], *text = NULL;
    ssize_t n;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
    if (fd < 0)
        bench_die("socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, request, (size_t)length, MSG_NOSIGNAL) == length) {
        text = bench_alloc(max + 1);
        while (size < max && (n = recv(fd, text + size, max - size, 0)) > 0)
            size += (size_t)n;
    }
    close(fd);
    if (size == 0) {
        free(text);
        return NULL;
    }
    return text;
}

static void write_settings(const struct agent_process *agent, const char *spool_bytes,
                           const char *routes)
{
    char path[300];
    snprintf(path, sizeof path, SETTINGS, agent->directory);
    FILE *f = fopen(path, "we");
    if (f == NULL)
        bench_die("%s: %s", path, strerror(errno));
    const char *d = agent->directory;
    fprintf(f,
            "intake:\n  http: { listen: [\"unix:%s/lineaged.sock\", \"127.0.0.1:%d\"] }\n"
            "  journal: { directories: [\"%s/journal\"] }\n"
            "spool: { directory: \"%s/spool\", max_bytes: %s }\ndrain: 0s\nroutes:\n",
            d, agent->port, d, d, spool_bytes);
    for (const char *at = routes; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's') {
            fputs(d, f);
            at++;
        } else {
            fputc(*at, f);
        }
    }
    if (fclose(f) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

/* A program that dies leaves no agent behind (which would hold its output open, too). */
static pid_t live;

static void end_live(void)
{
    if (live > 0)
        kill(live, SIGKILL);
}

static void wait_ready(struct agent_process *agent, int64_t begin)
{
    const struct timespec pause = {.tv_nsec = 200000};
    for (;;) {
        char *answer = get(agent->port, "/healthz");
        bool is_ready = answer != NULL && strncmp(answer, "HTTP/1.1 200", 12) == 0;
        free(answer);
        if (is_ready)
            break;
        if (waitpid(agent->pid, NULL, WNOHANG) != 0) {
            live = 0;
            bench_die("lineaged ended; see %s/log", agent->directory);
        }
        if (bench_now_ns() - begin > START_LIMIT_NS)
            bench_die("lineaged is not ready; see %s/log", agent->directory);
        nanosleep(&pause, NULL);
    }
    agent->ready_ns = bench_now_ns() - begin;
}

void agent_process_again(struct agent_process *agent)
{
    static bool is_registered;
    extern char **environ;
    char settings[300], log[300];
    posix_spawn_file_actions_t actions;
    snprintf(settings, sizeof settings, SETTINGS, agent->directory);
    snprintf(log, sizeof log, "%s/log", agent->directory);
    char *argv[] = {(char[]){LINEAGED}, (char[]){"--config"}, settings, NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int64_t begin = bench_now_ns();
    int error = posix_spawn(&agent->pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        bench_die("%s: %s", argv[0], strerror(error));
    live = agent->pid;
    if (!is_registered)
        is_registered = atexit(end_live) == 0;
    wait_ready(agent, begin);
}

void agent_process_make(struct agent_process *agent, const char *spool_bytes, const char *routes)
{
    bench_directory_make(agent->directory, sizeof agent->directory);
    agent->port = free_port();
    write_settings(agent, spool_bytes, routes);
}

void agent_process_start(struct agent_process *agent, const char *spool_bytes, const char *routes)
{
    agent_process_make(agent, spool_bytes, routes);
    agent_process_again(agent);
}

double agent_process_metric(const struct agent_process *agent, const char *name)
{
    char *text = get(agent->port, "/metrics");
    size_t size = strlen(name);
    double value = -1;
    for (char *at = text; at != NULL && (at = strstr(at, name)) != NULL; at += size) {
        if (at[-1] == '\n' && at[size] == ' ')
            value = strtod(at + size, NULL);
    }
    free(text);
    if (value < 0)
        bench_die("lineaged has no metric %s", name);
    return value;
}

double agent_process_resident(const struct agent_process *agent)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)agent->pid);
    const char *at = bench_read_file(path, text, sizeof text) > 0 ? strstr(text, "\nVmRSS:") : NULL;
    if (at == NULL)
        bench_die("%s: no VmRSS", path);
    return strtod(at + 7, NULL) / 1024;
}

void agent_process_end(struct agent_process *agent)
{
    int status = 0;
    kill(agent->pid, SIGTERM);
    while (waitpid(agent->pid, &status, 0) < 0 && errno == EINTR)
        ;
    live = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("lineaged ended with status 0x%x; see %s/log", (unsigned)status,
                  agent->directory);
}

void agent_process_stop(struct agent_process *agent)
{
    agent_process_end(agent);
    bench_directory_remove(agent->directory);
}
