/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of transport_http.c against a server in this process that can refuse, hang, fail and
 * count: what an emit answers, where the event lies, how long it takes. A name service that hangs
 * is a getaddrinfo() of this program. Composite and transform, which stand before it. */
#include "emitter_help.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openlineage/facets.h>
#include <openlineage/openlineage.h>
#include "client.h"
#include "times.h"
#include "transport_http.h"

/* Far above the deadline of 200 ms, far below what one would wait for without it. */
#define SOON_MS 5000
#define BODY_MAX 65536

enum mode { ANSWER, HANG, CUT };

static struct server {
    int fd, port;
    pthread_t thread;
    _Atomic int mode, status, retry_after;
    _Atomic int requests, connections;
    _Atomic bool ends;
    pthread_mutex_t lock; /* of the next one */
    char last[BODY_MAX];  /* the last request, head and body */
} server;

static size_t body_size(const char *request)
{
    const char *at = strcasestr(request, "\r\ncontent-length:");
    return at != NULL ? strtoul(at + 17, NULL, 10) : 0;
}

/* One request; @return false: the connection is over. */
static bool serve_one(int fd)
{
    char text[BODY_MAX] = "", answer[256];
    size_t size = 0;
    const char *end = NULL;
    while (end == NULL || size < (size_t)(end + 4 - text) + body_size(text)) {
        ssize_t n = read(fd, text + size, sizeof text - 1 - size);
        if (n <= 0)
            return false;
        size += (size_t)n;
        text[size] = '\0';
        end = strstr(text, "\r\n\r\n");
    }
    pthread_mutex_lock(&server.lock);
    memcpy(server.last, text, size + 1);
    pthread_mutex_unlock(&server.lock);
    atomic_fetch_add(&server.requests, 1);
    if (atomic_load(&server.mode) == CUT)
        return false;
    if (atomic_load(&server.mode) == HANG) /* until the client has had enough of it */
        return read(fd, answer, 1) == 1;
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 %d X\r\nContent-Length: 0\r\nRetry-After: %d\r\n\r\n",
                     atomic_load(&server.status), atomic_load(&server.retry_after));
    return send(fd, answer, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *serve_connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    while (serve_one(fd)) {
    }
    close(fd);
    return NULL;
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_t thread;
        int fd = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || atomic_load(&server.ends))
            return NULL;
        atomic_fetch_add(&server.connections, 1);
        if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
}

/* ---- a name service that does not answer ---- */

static _Atomic bool names_hang;
/* Of a fault of the thread itself, and the two that nobody can block. */
static const char unblocked[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGTRAP,
                                 SIGSYS,  SIGKILL, SIGSTOP, 0};
static _Atomic int lookups, lookups_open_to_signals; /* asked; with a signal of no fault let in */

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **ret)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)ret;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (int number = 1; number < 32; number++)
        if (sigismember(&mask, number) == 0 && strchr(unblocked, number) == NULL)
            atomic_store(&lookups_open_to_signals, number);
    atomic_fetch_add(&lookups, 1);
    while (atomic_load(&names_hang)) /* it is a thread of libcurl that waits here */
        poll(NULL, 0, 10);
    return EAI_AGAIN;
}

/* ---- fixture ---- */

struct fixture {
    char *home, journal[600];
    char logged[8192];
    struct ol__journal_limits limits;
    struct ol_client *client;
};

static void log_it(void *arg, ol_status status, const char *message)
{
    struct fixture *f = arg;
    size_t used = strlen(f->logged);
    snprintf(f->logged + used, sizeof f->logged - used, "%s: %s\n", ol_status_name(status),
             message);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->home = help_directory();
    help_clean_environment(f->home);
    snprintf(f->journal, sizeof f->journal, "%s/.local/state/lineaged/journal", f->home);
    f->limits = ol__journal_limits_default;
    f->limits.floor_percent = 0;
    atomic_store(&server.mode, ANSWER);
    atomic_store(&server.status, 201);
    atomic_store(&server.retry_after, 0);
    atomic_store(&server.requests, 0);
    atomic_store(&server.connections, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    atomic_store(&names_hang, false);
    ol_client_close(f->client, 0, NULL);
    help_clean_environment("/");
    help_remove(f->home);
    free(f);
    return 0;
}

static void open_client(struct fixture *f, const char *transport)
{
    struct ol_error err = {.message = ""};
    char json[1024], nowhere[600];
    const char *port = strstr(transport, "%d"); /* stands for the server's, at most once */
    snprintf(json, sizeof json, "%.*s%.*d%s",
             port != NULL ? (int)(port - transport) : (int)strlen(transport), transport, 0,
             port != NULL ? server.port : 0, port != NULL ? port + 2 : "");
    snprintf(nowhere, sizeof nowhere, "%s/system", f->home);
    setenv("OPENLINEAGE__TRANSPORT", json, 1);
    const struct ol__client_hooks hooks = {.limits = &f->limits, .system_directory = nowhere};
    if (ol__client_open_hooked(
            OL_MAKE(ol_client_options, .producer = "https://e.org/p", .log = log_it, .log_arg = f),
            &hooks, &f->client, &err) != OL_OK)
        fail_msg("%s: %s", json, err.message);
}

#define HTTP "{\"type\":\"http\",\"url\":\"http://127.0.0.1:%d\"}"

static ol_status emit(struct ol_client *client, enum ol_event event, struct ol_run **run)
{
    if (*run == NULL)
        assert_int_equal(ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "j"), run, NULL),
                         OL_OK);
    return ol_run_emit(*run, event, NULL);
}

static ol_status emit_one(struct ol_client *client)
{
    struct ol_run *run = NULL;
    ol_status status = emit(client, OL_START, &run);
    ol_run_free(run);
    return status;
}

static size_t journaled(const struct fixture *f)
{
    size_t count = 0;
    if (access(f->journal, F_OK) != 0)
        return 0;
    struct help_journals all = help_read(f->journal);
    free(help_events(&all, &count));
    help_release(&all);
    return count;
}

/* ---- the fault table ---- */

static void every_fault_ends_in_the_journal(void **state)
{
    static const struct {
        const char *name;
        int mode, status, retry_after;
        bool is_up;
        int requests; /* of three events of three runs, one after the other */
        size_t journaled;
        const char *said;
    } rows[] = {
        {"well", ANSWER, 201, 0, true, 3, 0, ""},
        {"200", ANSWER, 200, 0, true, 3, 0, ""},
        {"refused", ANSWER, 201, 0, false, 0, 3, "onnect"},
        {"hanging", HANG, 0, 0, true, 1, 3, "no answer in time"},
        {"cut", CUT, 0, 0, true, 1, 3, "events go to the journal"},
        {"500", ANSWER, 500, 0, true, 1, 3,
         "answered 500; events go to the journal, it is asked "
         "again in 1 s"},
        {"503", ANSWER, 503, 7, true, 1, 3,
         "answered 503; events go to the journal, it is asked "
         "again in 7 s"},
        {"429", ANSWER, 429, 20, true, 1, 3,
         "answered 429; events go to the journal, it is asked "
         "again in 20 s"},
        {"429 for days", ANSWER, 429, 800000, true, 1, 3, "again in 300 s"},
        {"401", ANSWER, 401, 0, true, 1, 3,
         "answered 401; events go to the journal, it is asked "
         "again in 60 s"},
        {"302", ANSWER, 302, 0, true, 1, 3, "answered 302"},
        /* against the event: the next one is tried */
        {"422", ANSWER, 422, 0, true, 3, 3, ""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t before = journaled(f);
        f->logged[0] = '\0';
        atomic_store(&server.mode, rows[i].mode);
        atomic_store(&server.status, rows[i].status);
        atomic_store(&server.retry_after, rows[i].retry_after);
        atomic_store(&server.requests, 0);
        open_client(f, rows[i].is_up ? HTTP : "{\"type\":\"http\",\"url\":\"http://127.0.0.1:1\"}");
        for (int k = 0; k < 3; k++) {
            int64_t start = ol__time_monotonic_ms();
            if (emit_one(f->client) != OL_OK)
                fail_msg("%s: an event was refused: %s", rows[i].name, f->logged);
            int64_t took = ol__time_monotonic_ms() - start;
            if (took > SOON_MS)
                fail_msg("%s: %d ms", rows[i].name, (int)took);
        }
        if (atomic_load(&server.requests) != rows[i].requests)
            fail_msg("%s: %d requests", rows[i].name, atomic_load(&server.requests));
        if (ol_client_diverted(f->client) != rows[i].journaled)
            fail_msg("%s: %d diverted", rows[i].name, (int)ol_client_diverted(f->client));
        assert_int_equal(ol_client_lost(f->client, NULL), 0);
        if (strstr(f->logged, rows[i].said) == NULL)
            fail_msg("%s: '%s' is not in %s", rows[i].name, rows[i].said, f->logged);
        int lines = 0;
        for (char *p = f->logged; (p = strchr(p, '\n')) != NULL; p++)
            lines++;
        assert_int_equal(lines, rows[i].said[0] != '\0'); /* once, not at every event */
        assert_int_equal(ol_client_close(f->client, 0, NULL), OL_OK);
        f->client = NULL;
        assert_int_equal(journaled(f) - before, rows[i].journaled);
    }
}

/* 200 ms and what a busy machine adds; and how often the server was asked. */
static void a_hanging_server_costs_one_deadline(void **state)
{
    enum { EVENTS = 40, DEADLINE_MS = 200, BUSY_MS = 2000 };
    struct fixture *f = *state;
    atomic_store(&server.mode, HANG);
    open_client(f, HTTP);
    int64_t begin = ol__time_monotonic_ms();
    for (int i = 0; i < EVENTS; i++) {
        int64_t start = ol__time_monotonic_ms();
        assert_int_equal(emit_one(f->client), OL_OK);
        int64_t took = ol__time_monotonic_ms() - start;
        if (took > DEADLINE_MS + BUSY_MS)
            fail_msg("event %d took %d ms", i, (int)took);
    }
    int64_t left = ol__time_monotonic_ms() - begin;
    int allowed = 1;
    for (int64_t pause = 1000; left > pause; pause *= 2) { /* promise 2 */
        left -= pause;
        allowed++;
    }
    if (atomic_load(&server.requests) > allowed)
        fail_msg("%d requests, %d allowed", atomic_load(&server.requests), allowed);
    assert_int_equal(ol_client_diverted(f->client), EVENTS);
    assert_int_equal(journaled(f), EVENTS);
}

static void a_hanging_name_service_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    atomic_store(&names_hang, true);
    open_client(f, "{\"type\":\"http\",\"url\":\"http://lineage.example.org:%d\"}");
    int64_t start = ol__time_monotonic_ms();
    assert_int_equal(emit_one(f->client), OL_OK);
    assert_true(ol__time_monotonic_ms() - start < SOON_MS);
    assert_non_null(strstr(f->logged, "no answer in time"));
    assert_int_equal(journaled(f), 1);
}

/* The thread that looks a name up takes no signal that is meant for the host. */
static void a_look_up_takes_no_signal(void **state)
{
    struct fixture *f = *state;
    int before = atomic_load(&lookups);
    open_client(f, "{\"type\":\"http\",\"url\":\"http://lineage.example.org:%d\","
                   "\"timeout\":20}");
    assert_int_equal(emit_one(f->client), OL_OK);
    assert_true(atomic_load(&lookups) > before);
    assert_int_equal(atomic_load(&lookups_open_to_signals), 0);
}

/* No journal can be made: then, and only then, the event is lost, and counted. */
static void without_a_journal_it_is_counted(void **state)
{
    struct fixture *f = *state;
    const char *reason = NULL;
    unsetenv("HOME");
    open_client(f, "{\"type\":\"http\",\"url\":\"http://127.0.0.1:1\"}");
    assert_non_null(strstr(f->logged, "no journal for what cannot be handed over"));
    assert_int_equal(emit_one(f->client), OL_IO);
    assert_int_equal(ol_client_lost(f->client, &reason), 1);
    assert_non_null(reason);
    assert_int_equal(ol_client_diverted(f->client), 0);
}

static void a_run_follows_its_first_event_into_the_journal(void **state)
{
    struct fixture *f = *state;
    struct ol_run *run = NULL;
    atomic_store(&server.status, 422);
    open_client(f, HTTP);
    assert_int_equal(emit(f->client, OL_START, &run), OL_OK);
    atomic_store(&server.status, 201);
    assert_int_equal(emit(f->client, OL_COMPLETE, &run), OL_OK);
    ol_run_free(run);
    assert_int_equal(journaled(f), 2);
    assert_int_equal(atomic_load(&server.requests), 1);
    assert_int_equal(emit_one(f->client), OL_OK); /* another run is sent */
    assert_int_equal(atomic_load(&server.requests), 2);
}

static void a_server_that_comes_back_is_used_again(void **state)
{
    struct fixture *f = *state;
    atomic_store(&server.status, 503);
    open_client(f, HTTP);
    assert_int_equal(emit_one(f->client), OL_OK);
    atomic_store(&server.status, 201);
    int64_t until = ol__time_monotonic_ms() + 30000;
    while (atomic_load(&server.requests) < 2 && ol__time_monotonic_ms() < until) {
        assert_int_equal(emit_one(f->client), OL_OK);
        poll(NULL, 0, 20);
    }
    assert_int_equal(atomic_load(&server.requests), 2);
    assert_non_null(strstr(f->logged, "takes events again"));
    uint64_t diverted = ol_client_diverted(f->client);
    assert_int_equal(emit_one(f->client), OL_OK);
    assert_int_equal(ol_client_diverted(f->client), diverted);
    assert_int_equal(atomic_load(&server.connections), 1); /* kept open */
}

static void what_is_sent(void **state)
{
    struct fixture *f = *state;
    open_client(f, "{\"type\":\"http\",\"url\":\"http://127.0.0.1:%d/base/\",\"endpoint\":\"in\","
                   "\"urlParams\":{\"a b\":\"c&d\"},\"headers\":{\"X-Extra\":\"abc\"},"
                   "\"auth\":{\"type\":\"api_key\",\"apiKey\":\"k1\"}}");
    assert_int_equal(emit_one(f->client), OL_OK);
    assert_memory_equal(server.last, "POST /base/in?a%20b=c%26d HTTP/1.1\r\n", 36);
    assert_non_null(strstr(server.last, "\r\nAuthorization: Bearer k1\r\n"));
    assert_non_null(strstr(server.last, "\r\nX-Extra: abc\r\n"));
    assert_non_null(strstr(server.last, "\r\nContent-Type: application/json\r\n"));
    assert_null(strcasestr(server.last, "\r\nExpect:"));
    assert_non_null(strstr(server.last, "\r\n\r\n{\"eventType\":\"START\""));
    assert_int_equal(server.last[strlen(server.last) - 1], '}');
    ol_client_close(f->client, 0, NULL);
    open_client(f, "{\"type\":\"http\",\"url\":\"http://127.0.0.1:%d\",\"compression\":\"gzip\"}");
    assert_int_equal(emit_one(f->client), OL_OK);
    assert_non_null(strstr(server.last, "\r\nContent-Encoding: gzip\r\n"));
    assert_memory_equal(strstr(server.last, "\r\n\r\n") + 4, "\x1f\x8b", 2);
}

static void urls(void **state)
{
    static const struct {
        const char *url, *endpoint, *whole, *socket;
    } cases[] = {
        {"http://h", NULL, "http://h/api/v1/lineage", ""},
        {"http://h:5000/", NULL, "http://h:5000/api/v1/lineage", ""},
        {"https://h/x/y", NULL, "https://h/x/y", ""},
        {"https://h/x/y?k=1", NULL, "https://h/x/y?k=1", ""},
        {"https://h", "in/put", "https://h/in/put", ""},
        {"https://h/x/y", "/in", "https://h/in", ""},
        {"https://h/x/y", "in", "https://h/x/in", ""},
        {"https://h/x/y/", "in", "https://h/x/y/in", ""},
        {"unix:/run/l.sock", NULL, "http://localhost/api/v1/lineage", "/run/l.sock"},
        {"unix:///run/l.sock", "in", "http://localhost/in", "/run/l.sock"},
        {"http+unix://%2Frun%2Fl.sock/x", NULL, "http://localhost/x", "/run/l.sock"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ol__conf map = {.type = OL_CONF_MAP};
        struct ol__buf url, socket;
        ol__buf_init(&url, 1000);
        ol__buf_init(&socket, 1000);
        assert_int_equal(ol__conf_add(&map, "url", OL_CONF_TEXT, cases[i].url, "f:1", NULL), OL_OK);
        if (cases[i].endpoint != NULL)
            assert_int_equal(
                ol__conf_add(&map, "endpoint", OL_CONF_TEXT, cases[i].endpoint, "f:2", NULL),
                OL_OK);
        assert_int_equal(ol__http_url(&map, &url, &socket, NULL), OL_OK);
        assert_string_equal(url.data, cases[i].whole);
        assert_string_equal(socket.data != NULL ? socket.data : "", cases[i].socket);
        ol__buf_release(&url);
        ol__buf_release(&socket);
        ol__conf_release(&map);
    }
}

/* ---- threads, signals, fork ---- */

static void *emit_ten(void *client)
{
    for (int i = 0; i < 10; i++)
        if (emit_one(client) != OL_OK)
            return client;
    return NULL;
}

static void threads_share_a_client(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[16];
    open_client(f, "{\"type\":\"http\",\"url\":\"http://127.0.0.1:%d\",\"timeout\":20}");
    for (int i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, emit_ten, f->client), 0);
    for (int i = 0; i < 16; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    assert_int_equal(atomic_load(&server.requests), 160);
    assert_int_equal(journaled(f), 0);
}

/* With SIGPIPE at its default a stray signal would end this program. */
static void no_signal_and_the_mask_as_before(void **state)
{
    struct fixture *f = *state;
    sigset_t before, after;
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    open_client(f, HTTP);
    assert_int_equal(emit_one(f->client), OL_OK);
    atomic_store(&server.mode, CUT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(emit_one(f->client), OL_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int number = 1; number < 32; number++)
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
}

static void a_child_has_connections_of_its_own(void **state)
{
    struct fixture *f = *state;
    open_client(f, HTTP);
    assert_int_equal(emit_one(f->client), OL_OK);
    assert_int_equal(atomic_load(&server.connections), 1);
    for (int i = 1; i <= 2; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(emit_one(f->client) == OL_OK && ol_client_diverted(f->client) == 0 &&
                          ol_client_close(f->client, 0, NULL) == OL_OK
                      ? 0
                      : 1);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(atomic_load(&server.connections), 2 * i);
        assert_int_equal(emit_one(f->client), OL_OK); /* the parent's is as it was... */
        assert_int_equal(atomic_load(&server.requests), 1 + 2 * i);
        if (i == 1)
            assert_int_equal(atomic_load(&server.connections), 2); /* ...and still in use */
        atomic_store(&server.connections, 3);
    }
}

/* ---- what stands before others ---- */

#define TWO(options)                                                                               \
    "{\"type\":\"composite\"," options "\"transports\":[{\"type\":\"http\",\"url\":"               \
    "\"http://127.0.0.1:1\"},{\"type\":\"http\",\"url\":\"http://127.0.0.1:%d\"}]}"

static void composite(void **state)
{
    static const struct {
        const char *name, *transport;
        int requests;
        size_t journaled;
        ol_status status;
    } rows[] = {
        {"both are asked, the journal has what one did not take", TWO(""), 1, 1, OL_OK},
        {"the first failure ends it", TWO("\"continue_on_failure\":false,"), 0, 1, OL_OK},
        {"the second is for when the first fails", TWO("\"continue_on_success\":false,"), 1, 0,
         OL_OK},
        {"what is the agent's work goes to the journal, once",
         "{\"type\":\"composite\",\"transports\":{\"a\":{\"type\":\"kafka\"},\"b\":{\"type\":"
         "\"kinesis\"},\"c\":{\"type\":\"http\",\"url\":\"http://127.0.0.1:%d\"}}}",
         1, 1, OL_OK},
        {"sorted by priority",
         "{\"type\":\"composite\",\"sort_transports\":true,\"continue_on_success\":false,"
         "\"transports\":[{\"type\":\"noop\"},{\"type\":\"http\",\"priority\":5,\"url\":"
         "\"http://127.0.0.1:%d\"}]}",
         1, 0, OL_OK},
        {"a failure that others hide",
         "{\"type\":\"composite\",\"transports\":[{\"type\":\"file\",\"location\":\"/dev/full\"},"
         "{\"type\":\"http\",\"url\":\"http://127.0.0.1:%d\"}]}",
         1, 0, OL_OK},
        {"all fail",
         "{\"type\":\"composite\",\"transports\":[{\"type\":\"file\",\"location\":\"/dev/full\"},"
         "{\"type\":\"file\",\"location\":\"/dev/full\"}]}",
         0, 0, OL_FULL},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t before = journaled(f);
        atomic_store(&server.requests, 0);
        f->logged[0] = '\0';
        open_client(f, rows[i].transport);
        ol_status status = emit_one(f->client);
        if (status != rows[i].status)
            fail_msg("%s: %s %s", rows[i].name, ol_status_name(status), f->logged);
        if (atomic_load(&server.requests) != rows[i].requests)
            fail_msg("%s: %d requests", rows[i].name, atomic_load(&server.requests));
        if (strstr(rows[i].transport, "/dev/full") != NULL)
            assert_non_null(strstr(f->logged, "/dev/full"));
        ol_client_close(f->client, 0, NULL);
        f->client = NULL;
        if (journaled(f) - before != rows[i].journaled)
            fail_msg("%s: %d in the journal", rows[i].name, (int)(journaled(f) - before));
    }
}

#define RENAME(properties, inner)                                                                  \
    "{\"type\":\"transform\",\"transformer_class\":\"x.JobNamespaceReplaceTransformer\","          \
    "\"transformer_properties\":{\"new_job_namespace\":\"n\\\"ew\"" properties                     \
    "},\"transport\":" inner "}"

static void transform(void **state)
{
    struct fixture *f = *state;
    setenv("OPENLINEAGE_PARENT_ID", "up/dag/11111111-1111-7111-8111-111111111111", 1);
    open_client(f, RENAME("", HTTP));
    assert_int_equal(emit_one(f->client), OL_OK);
    assert_non_null(strstr(server.last, "\"job\":{\"namespace\":\"n\\\"ew\",\"name\":\"j\""));
    assert_non_null(strstr(server.last, "\"job\":{\"namespace\":\"n\\\"ew\",\"name\":\"dag\""));
    assert_null(strstr(server.last, "\"up\""));
    ol_client_close(f->client, 0, NULL);
    open_client(f, RENAME(",\"include_parent_facet\":false", HTTP));
    assert_int_equal(emit_one(f->client), OL_OK);
    assert_non_null(strstr(server.last, "\"namespace\":\"up\""));
    ol_client_close(f->client, 0, NULL);
    /* also what goes to the journal instead */
    open_client(f, RENAME("", "{\"type\":\"http\",\"url\":\"http://127.0.0.1:1\"}"));
    assert_int_equal(emit_one(f->client), OL_OK);
    struct help_journals all = help_read(f->journal);
    assert_int_equal(all.count, 1);
    assert_non_null(strstr(all.files[0].lines[1], "\"job\":{\"namespace\":\"n\\\"ew\""));
    help_release(&all);
}

static int start_server(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    (void)state;
    pthread_mutex_init(&server.lock, NULL);
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server.fd, (struct sockaddr *)&address, size) != 0 || listen(server.fd, 64) != 0 ||
        getsockname(server.fd, (struct sockaddr *)&address, &size) != 0)
        return -1;
    server.port = ntohs(address.sin_port);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop_server(void **state)
{
    (void)state;
    atomic_store(&server.ends, true);
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    return close(server.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_fault_ends_in_the_journal),
        TEST(a_hanging_server_costs_one_deadline),
        TEST(a_hanging_name_service_is_not_waited_for),
        TEST(a_look_up_takes_no_signal),
        TEST(without_a_journal_it_is_counted),
        TEST(a_run_follows_its_first_event_into_the_journal),
        TEST(a_server_that_comes_back_is_used_again),
        TEST(what_is_sent),
        TEST(urls),
        TEST(threads_share_a_client),
        TEST(no_signal_and_the_mask_as_before),
        TEST(a_child_has_connections_of_its_own),
        TEST(composite),
        TEST(transform),
    };
    return cmocka_run_group_tests_name("transport_http", tests, start_server, stop_server);
}
