/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the promises of agent/deliver/route_http.c against a scripted server: each answer row by
 * row, order within a run, byte-exact bodies, held routes and new keys, dead letters, and nothing
 * lost over a stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include "event_read.h"
#include "deliver_fixture.h"
#include "http_script.h"

#define BODIES_MAX 4096

struct sink {
    pthread_mutex_t lock;
    unsigned count;
    struct body {
        char *text; /* owned, NUL-terminated */
        size_t size;
        int status; /* answered; 0: not */
        unsigned connection;
        int64_t at;
    } bodies[BODIES_MAX];
    void (*script)(struct sink *sink, const struct script_request *request,
                   struct script_reply *reply);
    const struct script_reply *replies; /* for the first requests, in order */
    size_t reply_count;
    char key[100];
    int phase; /* a script's own */
};

static void handle(void *arg, const struct script_request *request, struct script_reply *reply)
{
    struct sink *sink = arg;
    pthread_mutex_lock(&sink->lock);
    if (request->number <= sink->reply_count)
        *reply = sink->replies[request->number - 1];
    if (sink->script != NULL)
        sink->script(sink, request, reply);
    if (sink->count < BODIES_MAX) {
        struct body *body = &sink->bodies[sink->count++];
        body->text = strndup(request->body.data, request->body.size);
        body->size = request->body.size;
        body->status = reply->is_hanging || reply->is_dropped ? 0 : reply->status;
        body->connection = request->connection;
        body->at = ol__time_monotonic_ms();
    }
    pthread_mutex_unlock(&sink->lock);
}

struct bench {
    struct fixture f;
    struct sink sink;
    struct http_script *server;
    char url[64];
};

static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    pthread_mutex_init(&b->sink.lock, NULL);
    b->server = http_script_start(0, handle, &b->sink);
    assert_non_null(b->server);
    fixture_init(&b->f, ROUTE_HTTP);
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d", http_script_port(b->server));
    b->f.route.url = b->url;
    return b;
}

static void bench_free(struct bench *b)
{
    fixture_release(&b->f);
    http_script_stop(b->server);
    for (unsigned i = 0; i < b->sink.count; i++)
        free(b->sink.bodies[i].text);
    pthread_mutex_destroy(&b->sink.lock);
    free(b);
}

static void wait_empty(struct bench *b)
{
    struct ol_error err = {0};
    /* A circuit that opens for a moment ends a wait, but not this one. */
    int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
    while (deliver_wait(b->f.deliver, NULL, &err) != OL_OK) {
        if (ol__time_monotonic_ms() > deadline)
            fail_msg("never empty: %s", err.message);
        usleep(5000);
    }
}

static ol_status find_letter(void *arg, const struct dead_letter *letter)
{
    struct dead_letter *copy = arg;
    copy->status = letter->status;
    copy->seq = letter->seq;
    copy->tries += 1;
    return OL_OK;
}

/* Letters on disk; the last one's status. */
static int letters(struct bench *b, int *ret_status)
{
    struct dead_letter last = {0};
    struct ol_error err = {0};
    ol_status status = dead_letters_each(b->f.spool_directory, "out", find_letter, &last, &err);
    if (status != OL_OK && status != OL_NOT_FOUND)
        fail_msg("letters: %s", err.message);
    if (ret_status != NULL)
        *ret_status = last.status;
    return last.tries;
}

static void each_answer(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int profile;
        struct script_reply replies[3];
        size_t count;
        unsigned requests; /* in all, for three events of one run */
        int parked, parked_status;
        int64_t least_ms; /* between the first two requests */
    } rows[] = {
        {"201", 0, {{.status = 201}}, 1, 3, 0, 0, 0},
        {"200 with a body", 0, {{.status = 200, .body = "fine"}}, 1, 3, 0, 0, 0},
        {"503, then 201", 0, {{.status = 503}}, 1, 4, 0, 0, 0},
        {"503 twice with a body",
         0,
         {{.status = 503, .body = "x"}, {.status = 503}},
         2,
         5,
         0,
         0,
         0},
        {"Retry-After, capped at retry_max",
         0,
         {{.status = 503, .headers = "Retry-After: 100\r\n"}},
         1,
         4,
         0,
         0,
         295},
        {"429", 0, {{.status = 429, .headers = "retry-after:1\r\n"}}, 1, 4, 0, 0, 295},
        {"422", 0, {{.status = 422, .body = "{\"errors\":[]}"}}, 1, 3, 1, 422, 0},
        {"400", 0, {{.status = 400}}, 1, 3, 1, 400, 0},
        {"413, connection closed", 0, {{.status = 413, .closes_after = true}}, 1, 3, 1, 413, 0},
        {"500 with code 400, generic",
         0,
         {{.status = 500, .body = "{\"code\":400}"}},
         1,
         4,
         0,
         0,
         0},
        {"500 with code 400, marquez",
         1,
         {{.status = 500, .body = "{\"code\":400}"}},
         1,
         3,
         1,
         500,
         0},
        {"dropped without an answer", 0, {{.is_dropped = true}}, 1, 4, 0, 0, 0},
        {"hanging", 0, {{.is_hanging = true}}, 1, 4, 0, 0, 295},
    };
    static const int profiles[] = {PROFILE_GENERIC, PROFILE_MARQUEZ};
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct bench *b = bench_new();
        b->sink.replies = rows[i].replies;
        b->sink.reply_count = rows[i].count;
        b->f.route.profile = profiles[rows[i].profile];
        if (rows[i].replies[0].is_hanging)
            b->f.route.timeout_ms = 300;
        for (unsigned n = 0; n < 3; n++)
            fixture_event(&b->f, 1, n);
        fixture_commit(&b->f);
        fixture_start(&b->f);
        wait_empty(b);
        int status = 0;
        int parked = letters(b, &status);
        if (b->sink.count != rows[i].requests || parked != rows[i].parked ||
            status != rows[i].parked_status ||
            b->sink.bodies[1].at - b->sink.bodies[0].at < rows[i].least_ms)
            fail_msg("%s: %u requests, %d parked, last with status %d, %lld ms between",
                     rows[i].what, b->sink.count, parked, status,
                     (long long)(b->sink.bodies[1].at - b->sink.bodies[0].at));
        assert_int_equal(metric_get(&b->f.metrics.routes[0].delivered_events), 3 - parked);
        assert_int_equal(metric_get(&b->f.metrics.routes[0].parked), parked);
        assert_int_equal(metric_get(&b->f.metrics.routes[0].state), ROUTE_OK);
        assert_int_equal(fixture_stop(&b->f, 0), 0);
        bench_free(b);
    }
}

static void bad_weather(struct sink *sink, const struct script_request *request,
                        struct script_reply *reply)
{
    (void)sink;
    reply->status = request->number % 7 == 3 ? 503 : 201;
    reply->is_dropped = request->number % 11 == 5;
}

/* Events of 20 runs through a server that fails now and then: each run's arrive in order, each at
 * least once, and each is answered 201 exactly once. */
static void order_within_a_run(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->sink.script = bad_weather;
    for (unsigned n = 0; n < 25; n++)
        for (unsigned run = 1; run <= 20; run++)
            fixture_event(&b->f, run, n);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    unsigned next[21] = {0};
    for (unsigned i = 0; i < b->sink.count; i++) {
        const char *run = strstr(b->sink.bodies[i].text, "job-");
        const char *number = strstr(b->sink.bodies[i].text, "\"n\":");
        assert_non_null(run);
        assert_non_null(number);
        unsigned lane = (unsigned)strtoul(run + 4, NULL, 10);
        unsigned n = (unsigned)strtoul(number + 4, NULL, 10);
        assert_int_equal(n, next[lane]); /* a failed one comes again before the next */
        next[lane] += b->sink.bodies[i].status == 201;
    }
    for (unsigned run = 1; run <= 20; run++)
        assert_int_equal(next[run], 25);
    assert_int_equal(letters(b, NULL), 0);
    bench_free(b);
}

static void bytes_as_they_came(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    static char big[300001];
    memset(big, 'x', sizeof big - 1);
    static const char begin[] = "{\n\t\"n\" : 1e400,  \"\\ud800\":\"";
    memcpy(big, begin, sizeof begin - 1);
    memcpy(big + sizeof big - 4, "\"}\n", 3);
    fixture_add(&b->f, 1, ol__span_text(big));
    fixture_add(&b->f, 1, OL_SPAN_LIT(" {\"\xC3\xA9\": \"\\u00e9\" , \"n\":00.10}\n\n"));
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    assert_int_equal(b->sink.count, 2);
    assert_int_equal(b->sink.bodies[0].size, sizeof big - 1);
    assert_memory_equal(b->sink.bodies[0].text, big, sizeof big - 1);
    assert_string_equal(b->sink.bodies[1].text, " {\"\xC3\xA9\": \"\\u00e9\" , \"n\":00.10}\n\n");
    bench_free(b);
}

static void close_after_each(struct sink *sink, const struct script_request *request,
                             struct script_reply *reply)
{
    (void)sink;
    (void)request;
    reply->closes_after = true;
}

/* Promise 3: the server closes every connection after its answer without saying so. */
static void dead_connections_count_no_try(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->sink.script = close_after_each;
    b->f.route.max_in_flight = 1;
    fixture_start(&b->f);
    for (unsigned n = 0; n < 30; n++) {
        fixture_event(&b->f, n % 3, n);
        fixture_commit(&b->f);
        wait_empty(b);
    }
    assert_int_equal(b->sink.count, 30);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].retries), 0);
    bench_free(b);
}

static void need_key(struct sink *sink, const struct script_request *request,
                     struct script_reply *reply)
{
    char head[2000];
    snprintf(head, sizeof head, "%.*s", (int)OL_MIN(request->head.size, (size_t)1999),
             request->head.data);
    assert_non_null(strstr(head, "POST /api/v1/lineage HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "Content-Type: application/json\r\n"));
    assert_null(strstr(head, "Expect:"));
    const char *key = strstr(head, "Authorization: Bearer ");
    if (key != NULL)
        sscanf(key, "Authorization: Bearer %99s", sink->key);
    reply->status = strcmp(sink->key, "second") == 0 ? 201 : 401;
}

static void write_key(const char *path, const char *key)
{
    char next[120];
    snprintf(next, sizeof next, "%s.next", path);
    FILE *file = fopen(next, "w");
    assert_non_null(file);
    fputs(key, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(next, path), 0);
}

static bool is_held(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].state) == ROUTE_HELD &&
           metric_get(&b->f.metrics.routes[0].last_status) == 401;
}

static void a_denied_route_keeps_all_until_a_new_key(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    char path[100];
    snprintf(path, sizeof path, "%s/key", b->f.directory);
    b->f.route.api_key_file = path;
    b->sink.script = need_key;
    for (unsigned run = 0; run < 8; run++)
        fixture_event(&b->f, run, 0);
    fixture_commit(&b->f);
    fixture_start(&b->f); /* without the file: held, nothing is sent */
    struct ol_error err = {0};
    assert_int_equal(deliver_wait(b->f.deliver, "out", &err), OL_AGAIN);
    assert_non_null(strstr(err.message, "api_key_file"));
    assert_int_equal(http_script_requests(b->server), 0);
    write_key(path, "first\n");
    fixture_until(is_held, b, "held after a 401");
    assert_int_equal(deliver_wait(b->f.deliver, NULL, &err), OL_AGAIN);
    assert_true(http_script_requests(b->server) <= 4); /* those in flight together */
    write_key(path, "second");
    wait_empty(b);
    assert_string_equal(b->sink.key, "second");
    assert_int_equal(metric_get(&b->f.metrics.routes[0].delivered_events), 8);
    assert_int_equal(letters(b, NULL), 0);
    bench_free(b);
}

static void refuse_all(struct sink *sink, const struct script_request *request,
                       struct script_reply *reply)
{
    (void)sink;
    (void)request;
    reply->status = 422;
}

static void a_wrong_endpoint_is_held_after_ten(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->sink.script = refuse_all;
    for (unsigned run = 0; run < 50; run++)
        fixture_event(&b->f, run, 0);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    struct ol_error err = {0};
    assert_int_equal(deliver_wait(b->f.deliver, NULL, &err), OL_AGAIN);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].state), ROUTE_HELD);
    assert_int_equal(letters(b, NULL), 9);
    assert_int_equal(fixture_stop(&b->f, 20000), 41);
    bench_free(b);
}

static void poison_run_7(struct sink *sink, const struct script_request *request,
                         struct script_reply *reply)
{
    (void)sink;
    const char *job = memmem(request->body.data, request->body.size, "\"job-7\"", 7);
    const char *first = memmem(request->body.data, request->body.size, "\"n\":0}", 6);
    if (job != NULL && first != NULL)
        reply->status = 500;
}

static bool has_letter(void *arg)
{
    struct bench *b = arg;
    static unsigned n = 100;
    fixture_event(&b->f, 1000 + n % 5, n); /* others go on succeeding */
    n++;
    fixture_commit(&b->f);
    return metric_get(&b->f.metrics.routes[0].parked) > 0;
}

static void poison_costs_nobody_else(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->sink.script = poison_run_7;
    fixture_event(&b->f, 7, 0);
    fixture_event(&b->f, 7, 1);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    fixture_until(has_letter, b, "the poison event is parked");
    wait_empty(b);
    int status = 0;
    assert_int_equal(letters(b, &status), 1);
    assert_int_equal(status, 500);
    bool has_second = false; /* its lane went on */
    for (unsigned i = 0; i < b->sink.count; i++)
        has_second = has_second || (strstr(b->sink.bodies[i].text, "\"job-7\"") != NULL &&
                                    strstr(b->sink.bodies[i].text, "\"n\":1}") != NULL);
    assert_true(has_second);
    bench_free(b);
}

static void poison_low_runs(struct sink *sink, const struct script_request *request,
                            struct script_reply *reply)
{
    (void)sink;
    unsigned run = 1000;
    const char *job = memmem(request->body.data, request->body.size, "\"job-", 5);
    if (job != NULL)
        run = (unsigned)strtoul(job + 5, NULL, 10);
    if (run < 40)
        reply->status = run % 2 == 0 ? 500 : 502;
}

static bool is_circuit_open(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].state) == ROUTE_CIRCUIT_OPEN;
}

static bool has_300(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].delivered_events) == 300;
}

/* More events that always fail than may be in flight, before any that does not: nobody else's event
 * is read ahead, and yet they do not take each other's failures for an outage. */
static void many_poison_lanes_hold_up_nobody(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->sink.script = poison_low_runs;
    for (unsigned run = 0; run < 12; run++)
        fixture_event(&b->f, 2 * run, 0);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    fixture_until(is_circuit_open, b, "an outage, as far as one can see");
    for (unsigned i = 0; i < 300; i++)
        fixture_event(&b->f, 1000 + i % 50, i);
    fixture_commit(&b->f);
    fixture_until(has_300, b, "the others got through");
    bench_free(b);
}

/* One event that always fails, and more others than the cursor can mark ahead of it. */
static void poison_behind_a_full_window(void **state)
{
    (void)state;
    enum { OTHERS = SPOOL_CURSOR_AHEAD + 3000 };
    struct bench *b = bench_new();
    b->f.route.poison_tries = 10;
    b->sink.script = poison_low_runs;
    fixture_event(&b->f, 6, 0);
    fixture_event(&b->f, 7, 0); /* 502: of itself no proof against the event */
    for (unsigned i = 0; i < OTHERS; i++)
        fixture_event(&b->f, 1000 + i % 500, i);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    assert_int_equal(letters(b, NULL), 2);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].delivered_events), OTHERS);
    assert_int_equal(fixture_stop(&b->f, 0), 0);
    fixture_start(&b->f); /* all of it was marked */
    wait_empty(b);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].delivered_events), OTHERS);
    bench_free(b);
}

static void refuse_run_7(struct sink *sink, const struct script_request *request,
                         struct script_reply *reply)
{
    (void)sink;
    if (memmem(request->body.data, request->body.size, "\"job-7\"", 7) != NULL)
        reply->status = 422;
}

static bool has_posted_3(void *arg)
{
    struct bench *b = arg;
    return http_script_requests(b->server) >= 3;
}

static bool has_parked(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].parked) == 1;
}

/* Promise 7: the dead letters' directory takes no file for a while. */
static void a_letter_that_cannot_be_written_waits_longer(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    char dead[100], away[100];
    snprintf(dead, sizeof dead, "%s/dead", b->f.spool_directory);
    snprintf(away, sizeof away, "%s/away", b->f.spool_directory);
    b->sink.script = refuse_run_7;
    fixture_start(&b->f);
    assert_int_equal(rename(dead, away), 0);
    assert_int_equal(rmdir(away), 0); /* it is removed, so no file can be made in it */
    fixture_event(&b->f, 7, 0);
    fixture_commit(&b->f);
    fixture_until(has_posted_3, b, "posted again");
    /* 1 and 2 s: not one each second */
    assert_true(b->sink.bodies[2].at - b->sink.bodies[1].at >= 1900);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].parked), 0);
    assert_int_equal(fixture_stop(&b->f, 0), 1); /* kept */
    fixture_start(&b->f);
    fixture_until(has_parked, b, "parked once there is room");
    bench_free(b);
}

static void in_turn(struct sink *sink, const struct script_request *request,
                    struct script_reply *reply)
{
    static const int statuses[] = {500, 400, 404};
    (void)request;
    if (sink->phase < (int)OL_COUNT(statuses))
        reply->status = statuses[sink->phase];
}

static bool is_bad_for_the_phase(void *arg)
{
    struct bench *b = arg;
    static const uint64_t statuses[] = {500, 400, 404};
    static const uint64_t states[] = {ROUTE_CIRCUIT_OPEN, ROUTE_HELD, ROUTE_HELD};
    struct route_metrics *m = &b->f.metrics.routes[0];
    pthread_mutex_lock(&b->sink.lock);
    unsigned count = b->sink.count;
    pthread_mutex_unlock(&b->sink.lock);
    fixture_event(&b->f, 100 + count % 50, count); /* and more keep coming */
    fixture_commit(&b->f);
    return metric_get(&m->last_status) == statuses[b->sink.phase] &&
           metric_get(&m->state) == states[b->sink.phase];
}

/* 500, then 400, then 404 to everything: only the first few 400s are parked, and the rest arrives
 * when it heals. */
static void a_sink_that_refuses_all_in_three_ways(void **state)
{
    (void)state;
    static const char *const names[] = {"500", "400", "404"};
    struct bench *b = bench_new();
    b->f.route.hold_ms = 1000;
    b->sink.script = in_turn;
    for (unsigned run = 0; run < 50; run++)
        fixture_event(&b->f, run, 0);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    for (int phase = 0; phase < 3; phase++) {
        pthread_mutex_lock(&b->sink.lock);
        b->sink.phase = phase;
        pthread_mutex_unlock(&b->sink.lock);
        fixture_until(is_bad_for_the_phase, b, names[phase]);
        unsigned begin = http_script_requests(b->server);
        int64_t until = ol__time_monotonic_ms() + 1200; /* and stays so for a while */
        while (ol__time_monotonic_ms() < until)
            usleep(20000);
        assert_true(http_script_requests(b->server) - begin <= (phase == 0 ? 40u : 4u));
    }
    pthread_mutex_lock(&b->sink.lock);
    b->sink.phase = 3;
    pthread_mutex_unlock(&b->sink.lock);
    wait_empty(b);
    int status = 0, parked = letters(b, &status);
    uint64_t synced = spool_synced(b->f.spool);
    assert_int_equal(parked, 9);
    assert_int_equal(status, 400);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].delivered_events), synced - 9);
    bench_free(b);
}

static void what_marquez_cannot_take_is_not_sent(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->f.route.profile = PROFILE_MARQUEZ;
    fixture_add(&b->f, 1,
                OL_SPAN_LIT("{\"eventTime\":\"2026-11-21T09:00:00Z\",\"run\":{\"runId\":\"x\"},"
                            "\"job\":{\"namespace\":\"ns\",\"name\":\"no-type\"},"
                            "\"producer\":\"https://example.com/p\"}"));
    fixture_event(&b->f, 1, 0);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    assert_int_equal(b->sink.count, 1);
    assert_null(strstr(b->sink.bodies[0].text, "no-type"));
    int status = -1;
    assert_int_equal(letters(b, &status), 1);
    assert_int_equal(status, 0);
    bench_free(b);
}

static bool is_open(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].state) == ROUTE_CIRCUIT_OPEN;
}

/* Nobody listens; then stop, open again, and all arrives once the server is there. */
static void an_outage_and_a_restart_lose_nothing(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    int port = http_script_port(b->server);
    http_script_stop(b->server);
    b->server = NULL;
    for (unsigned i = 0; i < 100; i++)
        fixture_event(&b->f, i % 10, i / 10);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    fixture_until(is_open, b, "the circuit opens");
    struct ol_error err = {0};
    assert_int_equal(deliver_wait(b->f.deliver, NULL, &err), OL_AGAIN);
    assert_int_equal(fixture_stop(&b->f, 20000), 100);
    spool_close(b->f.spool);
    fixture_spool_open(&b->f);
    b->server = http_script_start(port, handle, &b->sink);
    assert_non_null(b->server);
    fixture_start(&b->f);
    wait_empty(b);
    assert_int_equal(b->sink.count, 100);
    assert_int_equal(fixture_stop(&b->f, 0), 0);
    /* and once more: the cursor knows */
    spool_close(b->f.spool);
    fixture_spool_open(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    assert_int_equal(b->sink.count, 100);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer),
        cmocka_unit_test(order_within_a_run),
        cmocka_unit_test(bytes_as_they_came),
        cmocka_unit_test(dead_connections_count_no_try),
        cmocka_unit_test(a_denied_route_keeps_all_until_a_new_key),
        cmocka_unit_test(a_wrong_endpoint_is_held_after_ten),
        cmocka_unit_test(poison_costs_nobody_else),
        cmocka_unit_test(many_poison_lanes_hold_up_nobody),
        cmocka_unit_test(poison_behind_a_full_window),
        cmocka_unit_test(a_letter_that_cannot_be_written_waits_longer),
        cmocka_unit_test(a_sink_that_refuses_all_in_three_ways),
        cmocka_unit_test(what_marquez_cannot_take_is_not_sent),
        cmocka_unit_test(an_outage_and_a_restart_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
