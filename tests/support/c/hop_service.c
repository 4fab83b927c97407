/* SPDX-License-Identifier: Apache-2.0 */
/* hop_service: a service that takes up the context of the call and hands it on to what it starts.
 *
 *   hop_service JOURNAL JOB OUTPUT COMMAND [ARGUMENT...]
 *
 * Prints the port on which it listens at 127.0.0.1, serves one request, and exits. The request is a
 * run of JOB whose output is OUTPUT; within it COMMAND runs, with TRACEPARENT and BAGGAGE of that
 * run in its environment. 200 if it succeeds, else 500; the run ends with COMPLETE or FAIL. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openlineage/openlineage.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAD_MAX 32768

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static int accept_one(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        die("hop_service: listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    int link = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (link < 0)
        die("hop_service: accept");
    close(listener);
    return link;
}

/* The head of the request, its lines ended by NUL: request line, headers, an empty one. */
static void read_head(int link, char *head)
{
    size_t used = 0;
    head[0] = '\0';
    while (strstr(head, "\r\n\r\n") == NULL) {
        ssize_t n = used < HEAD_MAX - 1 ? read(link, head + used, HEAD_MAX - 1 - used) : 0;
        if (n <= 0)
            die("hop_service: request");
        used += (size_t)n;
        head[used] = '\0';
    }
    for (char *c = head; *c != '\0'; c++)
        if (*c == '\r' || *c == '\n')
            *c = '\0';
}

/* ---- the two carriers ---- */

/* arg: the head; each line is followed by two NULs, the last by four. */
static const char *get_header(void *arg, const char *key)
{
    size_t size = strlen(key);
    for (const char *line = arg; line[0] != '\0'; line += strlen(line) + 2)
        if (strncasecmp(line, key, size) == 0 && line[size] == ':')
            return line + size + 1 + strspn(line + size + 1, " ");
    return NULL;
}

static int put_variable(void *arg, const char *key, const char *value)
{
    (void)arg;
    return strcmp(key, "traceparent") == 0  ? setenv("TRACEPARENT", value, 1)
           : strcmp(key, "tracestate") == 0 ? setenv("TRACESTATE", value, 1)
                                            : setenv("BAGGAGE", value, 1);
}

static bool work(const struct ol_run *run, char **command)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        unsetenv("OPENLINEAGE_PARENT_ID"); /* of what started the service */
        unsetenv("OPENLINEAGE_ROOT_PARENT_ID");
        if (ol_context_inject(run, OL_MAKE(ol_carrier, .put = put_variable), NULL) != OL_OK)
            _exit(126);
        execvp(command[0], command);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char **argv)
{
    static char head[HEAD_MAX];
    struct ol_error err = {.message = ""};
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    if (argc < 5) {
        fprintf(stderr, "usage: hop_service JOURNAL JOB OUTPUT COMMAND [ARGUMENT...]\n");
        return 2;
    }
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/hop/1",
                               .journal_directory = argv[1]),
                       &client, &err) != OL_OK) {
        fprintf(stderr, "hop_service: %s\n", err.message);
        return 1;
    }
    int link = accept_one();
    read_head(link, head);
    if (ol_run_new(client, OL_MAKE(ol_run_options, .job_name = argv[2]), &run, &err) != OL_OK ||
        ol_context_extract(run, OL_MAKE(ol_carrier, .get = get_header, .arg = head), &err) != OL_OK)
        fprintf(stderr, "hop_service: %s\n", err.message);
    ol_run_output(run, argv[3]);
    ol_run_emit(run, OL_START, NULL);
    bool is_done = work(run, argv + 4);
    if (ol_run_emit(run, is_done ? OL_COMPLETE : OL_FAIL, &err) != OL_OK)
        fprintf(stderr, "hop_service: %s\n", err.message);
    if (dprintf(link, "HTTP/1.1 %s\r\nContent-Length: 7\r\nConnection: close\r\n\r\nserved\n",
                is_done ? "200 OK" : "500 No") < 0)
        die("hop_service: answer");
    shutdown(link, SHUT_WR);
    while (read(link, head, sizeof head) > 0) /* until the other side has read it */
        continue;
    close(link);
    ol_run_free(run);
    return ol_client_close(client, 1000, NULL) == OL_OK ? 0 : 1;
}
