/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that whatever answers on the admin socket, the client ends with a clear result; and that
 * questions survive their way through a URL. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "cli.h"

static char directory[] = "/tmp/test_cli_client.XXXXXX";
static char path[64];

/** A server for one connection: reads the request to its blank line, sends the answer in pieces,
 * closes. */
struct server {
    int fd;
    const char *answer;
    size_t size, piece;
    char request[4096];
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    size_t used = 0;
    int fd = accept(s->fd, NULL, NULL);
    if (fd < 0)
        return NULL;
    while (used + 1 < sizeof s->request && strstr(s->request, "\r\n\r\n") == NULL) {
        ssize_t n = recv(fd, s->request + used, sizeof s->request - 1 - used, 0);
        if (n <= 0)
            break;
        used += (size_t)n;
        s->request[used] = '\0';
    }
    for (size_t at = 0; at < s->size;) {
        size_t size = OL_MIN(s->piece, s->size - at);
        ssize_t n = send(fd, s->answer + at, size, MSG_NOSIGNAL);
        if (n <= 0) /* the client had enough */
            break;
        at += (size_t)n;
    }
    close(fd);
    return NULL;
}

static void start(struct server *s, const char *answer, size_t size, size_t piece)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *s = (struct server){.answer = answer, .size = size, .piece = piece};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->fd, 1), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    close(s->fd);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/x-admin.sock", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        ol_status result;
        int status;
        const char *body, *says;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n", OL_OK, 200, "{}\n", NULL},
        {"HTTP/1.0 404 Not Found\r\nX: y\r\n\r\n{\"a\":1}", OL_OK, 404, "{\"a\":1}", NULL},
        {"HTTP/1.1 200 OK\r\ncontent-length:  0\r\n\r\n", OL_OK, 200, "", NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}\n", OL_IO, 0, NULL, "cut short"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}\n", OL_IO, 0, NULL, "cut short"},
        {"HTTP/1.1 200 OK\r\nContent-Le", OL_IO, 0, NULL, "no HTTP"},
        {"", OL_IO, 0, NULL, "no HTTP"},
        {"220 mail.example ESMTP\r\n\r\n", OL_IO, 0, NULL, "no HTTP"},
        {"HTTP/1.\r\n\r\n", OL_IO, 0, NULL, "no HTTP"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", OL_IO, 0, NULL,
         "encoding"},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        for (size_t piece = 1; piece <= 64; piece *= 8) {
            struct server server;
            struct ol__buf body;
            struct ol_error err = {.message = ""};
            int status = 0;
            ol__buf_init(&body, 100);
            start(&server, rows[i].answer, strlen(rows[i].answer), piece);
            ol_status st = client_get(path, "/v1/why?subject=a%20b", &status, &body, &err);
            stop(&server);
            assert_int_equal(st, rows[i].result);
            assert_int_equal(status, rows[i].status);
            if (rows[i].says != NULL)
                assert_non_null(strstr(err.message, rows[i].says));
            if (rows[i].body != NULL)
                assert_string_equal(body.data != NULL ? body.data : "", rows[i].body);
            assert_int_equal(strncmp(server.request, "GET /v1/why?subject=a%20b HTTP/1.0\r\n", 36),
                             0);
            ol__buf_release(&body);
        }
    }
}

static void test_answer_without_end(void **state)
{
    (void)state;
    static char flood[1 << 20];
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    struct server server;
    struct ol__buf body;
    struct ol_error err = {.message = ""};
    int status = 0;
    memset(flood, 'x', sizeof flood);
    memcpy(flood, head, sizeof head - 1);
    ol__buf_init(&body, 1000);
    start(&server, flood, sizeof flood, 65536);
    assert_int_equal(client_get(path, "/", &status, &body, &err), OL_TOO_LARGE);
    stop(&server);
    assert_int_equal(body.size, 0);
    assert_non_null(strstr(err.message, "more than"));
    ol__buf_release(&body);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct server server;
    struct ol__buf body;
    struct ol_error err = {.message = ""};
    int status = 0;
    char too_long[200];
    ol__buf_init(&body, 1000);
    unlink(path);
    assert_int_equal(client_get(path, "/", &status, &body, &err), OL_NOT_FOUND);
    start(&server, "", 0, 1); /* a socket file that its owner left behind */
    assert_int_equal(client_get(path, "/", &status, &body, &err), OL_IO);
    stop(&server);
    assert_int_equal(client_get(path, "/", &status, &body, &err), OL_NOT_FOUND);
    assert_non_null(strstr(err.message, path));
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    assert_int_equal(client_get(too_long, "/", &status, &body, &err), OL_TOO_LARGE);
    ol__buf_release(&body);
}

static void test_query(void **state)
{
    (void)state;
    struct ol__buf target;
    ol__buf_init(&target, 1000);
    ol__buf_add_text(&target, "/v1/why");
    client_add_query(&target, "subject", "file\x1f/a b/\xc3\xbc?&=#%+\n");
    client_add_query(&target, "content", NULL);
    client_add_query(&target, "depth", "3");
    client_add_query(&target, "empty", "");
    assert_string_equal(
        target.data,
        "/v1/why?subject=file%1F%2Fa%20b%2F%C3%BC%3F%26%3D%23%25%2B%0A&depth=3&empty=");
    ol__buf_release(&target);
}

static void test_socket_path(void **state)
{
    (void)state;
    char out[256];
    bool is_system;
    assert_int_equal(setenv("LINEAGED_SOCKET", "/x/e.sock", 1), 0);
    assert_int_equal(client_socket_path(out, sizeof out, &is_system, NULL), OL_OK);
    assert_string_equal(out, "/x/e-admin.sock");
    assert_int_equal(setenv("LINEAGED_SOCKET", "unix:/x/e", 1), 0);
    assert_int_equal(client_socket_path(out, sizeof out, &is_system, NULL), OL_OK);
    assert_string_equal(out, "/x/e-admin.sock");
    assert_false(is_system);
    assert_int_equal(client_socket_path(out, 10, &is_system, NULL), OL_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),        cmocka_unit_test(test_answer_without_end),
        cmocka_unit_test(test_nobody_listens), cmocka_unit_test(test_query),
        cmocka_unit_test(test_socket_path),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
