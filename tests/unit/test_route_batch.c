/* SPDX-License-Identifier: Apache-2.0 */
/* Proves what agent/deliver/README.md says of batches, against a scripted server: who gets them,
 * order within a run whatever of a batch fails, what happens to single events, the way back to
 * single events and forth, the bound on what is under way, and health pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include "event_read.h"

#include "deliver_fixture.h"
#include "http_script.h"

#define RUNS 400u

enum mode {
    TAKES_ALL,  /* 204 */
    SAYS_OK,    /* 200 and a body that is no JSON */
    TAKES_PART, /* of each batch: runs by run % 10: 3 refused, 7 to be sent again */
    KNOWS_NO_BATCH,
    REFUSES_BATCH, /* 400; single ones of run 3 as well */
    FAILS_ON_ONE,  /* 500 where run 3 is in it */
    CUT_ANSWER,    /* 200 with half an object, though it took them all */
    OUTAGE         /* 503, and the health page too */
};

struct sink {
    pthread_mutex_t lock;
    enum mode mode;
    int no_batch_status;
    unsigned batches, singles, largest, health;
    unsigned next[RUNS];     /* number expected next of each run, as far as it was taken */
    unsigned again[RUNS];    /* taken more than once */
    unsigned broken;         /* out of order */
    unsigned twice_in_batch; /* a run twice in one batch */
    bool is_object;
    char answers[16][20000]; /* more than are written at once: each stands until it is sent */
};

static unsigned number_after(const char *text, const char *end, const char *key)
{
    const char *found = memmem(text, (size_t)(end - text), key, strlen(key));
    assert_non_null(found);
    return (unsigned)strtoul(found + strlen(key), NULL, 10);
}

static void take_one(struct sink *s, unsigned run, unsigned n)
{
    if (n < s->next[run])
        s->again[run]++;
    else if (n > s->next[run])
        s->broken++;
    else
        s->next[run]++;
}

struct item {
    unsigned run, n;
};

/* The events of a body, by what follows "job-" and "n": of each. */
static unsigned events_of(struct ol__span body, struct item *items, unsigned max)
{
    unsigned count = 0;
    const char *at = body.data, *end = body.data + body.size;
    while ((at = memmem(at, (size_t)(end - at), "\"job-", 5)) != NULL && count < max) {
        items[count++] = (struct item){.run = (unsigned)strtoul(at + 5, NULL, 10),
                                       .n = number_after(at, end, "\"n\":")};
        at += 5;
    }
    return count;
}

static bool has_run(const struct item *items, unsigned count, unsigned run)
{
    for (unsigned i = 0; i < count; i++)
        if (items[i].run == run)
            return true;
    return false;
}

static void take_part(struct sink *s, char *answer, const struct item *items, unsigned count,
                      struct script_reply *reply)
{
    char *out = answer;
    const char *comma = "";
    out += sprintf(out, "{\"status\":\"PARTIAL_SUCCESS\",\"failed_events\":[");
    for (unsigned i = 0; i < count; i++) {
        unsigned kind = items[i].run % 10;
        if (kind != 3 && kind != 7) {
            take_one(s, items[i].run, items[i].n);
            continue;
        }
        out += sprintf(out, "%s{\"index\":%u,\"reason\":\"no \\\"%u\\\"\",\"retriable\":%s}", comma,
                       i, kind, kind == 7 ? "true" : "false");
        comma = ",";
        if (kind == 3)
            s->next[items[i].run]++; /* parked: its lane goes on */
    }
    sprintf(out, "]}");
    reply->status = 200;
    reply->body = answer;
}

static void handle(void *arg, const struct script_request *request, struct script_reply *reply)
{
    struct sink *s = arg;
    struct item items[300];
    pthread_mutex_lock(&s->lock);
    enum mode mode = s->mode;
    if (memcmp(request->head.data, "GET ", 4) == 0) {
        s->health++;
        assert_memory_equal(request->head.data, "GET /healthz ", 13);
        reply->status = mode == OUTAGE ? 503 : 200;
        pthread_mutex_unlock(&s->lock);
        return;
    }
    bool is_batch = memmem(request->head.data, request->head.size, "/batch HTTP/1.1", 15) != NULL;
    unsigned count = events_of(request->body, items, 300);
    s->batches += is_batch;
    s->singles += !is_batch;
    s->largest = OL_MAX(s->largest, count);
    assert_true(is_batch ? count > 1 : count == 1);
    if (is_batch) {
        static const char object[] = "{\"events\":[{";
        const char *begin = s->is_object ? object : "[{";
        assert_memory_equal(request->body.data, begin, strlen(begin));
    }
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < i; j++)
            s->twice_in_batch += items[i].run == items[j].run;
    bool takes = true;
    if (mode == OUTAGE)
        reply->status = 503;
    else if (is_batch && mode == KNOWS_NO_BATCH)
        reply->status = s->no_batch_status;
    else if (is_batch && mode == REFUSES_BATCH)
        reply->status = 400;
    else if (mode == REFUSES_BATCH && items[0].run == 3)
        reply->status = 400;
    else if (mode == TAKES_PART && !is_batch && items[0].run % 10 == 3)
        reply->status = 400; /* the last one left, no batch any more */
    else if (mode == FAILS_ON_ONE && has_run(items, count, 3))
        reply->status = 500;
    else if (is_batch && mode == TAKES_PART) {
        take_part(s, s->answers[request->number % OL_COUNT(s->answers)], items, count, reply);
        takes = false;
    } else if (is_batch && mode == CUT_ANSWER) {
        reply->status = 200;
        reply->body = "{\"status\":\"succ";
    } else
        reply->status = is_batch ? (mode == SAYS_OK ? 200 : 204) : 201;
    if (mode == SAYS_OK)
        reply->body = "OK";
    if (reply->status == 400 && !is_batch)
        s->next[items[0].run]++; /* parked */
    if (takes && reply->status < 300)
        for (unsigned i = 0; i < count; i++)
            take_one(s, items[i].run, items[i].n);
    pthread_mutex_unlock(&s->lock);
}

struct bench {
    struct fixture f;
    struct sink sink;
    struct http_script *server;
    char url[64];
};

static struct bench *bench_new(enum mode mode, int profile)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    pthread_mutex_init(&b->sink.lock, NULL);
    b->sink.mode = mode;
    b->server = http_script_start(0, handle, &b->sink);
    assert_non_null(b->server);
    fixture_init(&b->f, ROUTE_HTTP);
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d", http_script_port(b->server));
    b->f.route.url = b->url;
    b->f.route.profile = profile;
    return b;
}

static void bench_free(struct bench *b)
{
    fixture_release(&b->f);
    http_script_stop(b->server);
    pthread_mutex_destroy(&b->sink.lock);
    free(b);
}

static void wait_empty(struct bench *b)
{
    struct ol_error err = {0};
    int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
    while (deliver_wait(b->f.deliver, NULL, &err) != OL_OK) {
        if (ol__time_monotonic_ms() > deadline)
            fail_msg("never empty: %s", err.message);
        usleep(5000);
    }
}

static void add_runs(struct bench *b, unsigned runs, unsigned first, unsigned each)
{
    for (unsigned n = first; n < first + each; n++)
        for (unsigned run = 0; run < runs; run++)
            fixture_event(&b->f, run, n);
    fixture_commit(&b->f);
}

static ol_status count_letter(void *arg, const struct dead_letter *letter)
{
    unsigned *count = arg;
    assert_true(letter->event.size > 100);
    assert_memory_equal(letter->event.data, "{\"eventType\"", 12);
    (*count)++;
    return OL_OK;
}

static unsigned letters(struct bench *b)
{
    unsigned count = 0;
    struct ol_error err = {0};
    ol_status status = dead_letters_each(b->f.spool_directory, "out", count_letter, &count, &err);
    assert_true(status == OL_OK || status == OL_NOT_FOUND);
    return count;
}

/* Each kind of answer to batches: everything arrives or is parked, in order within its run. */
static void each_answer(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum mode mode;
        int no_batch_status;
        unsigned parked, batches_at_least, batches_at_most;
        bool may_double;
    } rows[] = {
        {"204", TAKES_ALL, 0, 0, 5, 200, false},
        {"200 OK", SAYS_OK, 0, 0, 5, 200, false},
        {"failed_events", TAKES_PART, 0, 30, 5, 200, false},
        {"404", KNOWS_NO_BATCH, 404, 0, 1, 4, false},
        {"405", KNOWS_NO_BATCH, 405, 0, 1, 4, false},
        {"501", KNOWS_NO_BATCH, 501, 0, 1, 4, false},
        {"400 to all of a batch", REFUSES_BATCH, 0, 3, 5, 200, false},
        {"500 because of one", FAILS_ON_ONE, 0, 3, 5, 200, false},
        {"half an answer", CUT_ANSWER, 0, 0, 5, 200, true},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct bench *b = bench_new(rows[i].mode, PROFILE_LINEAGED);
        b->sink.no_batch_status = rows[i].no_batch_status;
        b->f.route.batch_events = 16;
        b->f.route.poison_tries = 1;
        if (rows[i].mode == FAILS_ON_ONE)
            for (unsigned n = 0; n < 3; n++)
                b->sink.next[3]++; /* none of its is ever taken */
        add_runs(b, 100, 0, 3);
        fixture_start(&b->f);
        wait_empty(b);
        unsigned doubled = 0;
        for (unsigned run = 0; run < 100; run++) {
            assert_int_equal(b->sink.next[run], 3);
            doubled += b->sink.again[run];
        }
        if (b->sink.broken > 0 || b->sink.twice_in_batch > 0 || letters(b) != rows[i].parked ||
            (doubled > 0) != rows[i].may_double || b->sink.largest > 16 ||
            b->sink.batches < rows[i].batches_at_least || b->sink.batches > rows[i].batches_at_most)
            fail_msg("%s: %u broken, %u twice in a batch, %u parked, %u doubled, %u batches, %u "
                     "singles, largest %u",
                     rows[i].what, b->sink.broken, b->sink.twice_in_batch, letters(b), doubled,
                     b->sink.batches, b->sink.singles, b->sink.largest);
        assert_int_equal(metric_get(&b->f.metrics.routes[0].delivered_events),
                         300 - rows[i].parked);
        assert_int_equal(fixture_stop(&b->f, 0), 0);
        bench_free(b);
    }
}

/* Who gets batches: a table over profiles and settings. */
static void who_gets_batches(void **state)
{
    (void)state;
    static const struct {
        int profile;
        int64_t batch_events;
        unsigned largest;
        bool is_object;
    } rows[] = {
        {PROFILE_GENERIC, 0, 1, false},       {PROFILE_GENERIC, 20, 20, false},
        {PROFILE_LINEAGED, 0, 64, false},     {PROFILE_LINEAGED, 1, 1, false},
        {PROFILE_MARQUEZ, 0, 1, false},       {PROFILE_OPENMETADATA, 0, 1, true},
        {PROFILE_OPENMETADATA, 10, 10, true},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct bench *b = bench_new(TAKES_ALL, rows[i].profile);
        b->f.route.batch_events = rows[i].batch_events;
        b->sink.is_object = rows[i].is_object;
        add_runs(b, 200, 0, 1);
        fixture_start(&b->f);
        wait_empty(b);
        if (b->sink.largest != rows[i].largest)
            fail_msg("row %zu: %u in a request", i, b->sink.largest);
        bench_free(b);
    }
}

static bool is_in_flight(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].in_flight) == 24;
}

static bool has_three(void *arg)
{
    return http_script_requests(arg) == 3;
}

static void hang(void *arg, const struct script_request *request, struct script_reply *reply)
{
    (void)arg;
    (void)request;
    reply->is_hanging = true;
}

/* Never more under way than max_in_flight times batch_events: a kill doubles at most those. */
static void under_way_is_bounded(void **state)
{
    (void)state;
    struct bench *b = bench_new(TAKES_ALL, PROFILE_LINEAGED);
    struct http_script *hanging = http_script_start(0, hang, NULL);
    assert_non_null(hanging);
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d", http_script_port(hanging));
    b->f.route.batch_events = 8;
    b->f.route.max_in_flight = 3;
    b->f.route.timeout_ms = 20000;
    add_runs(b, 300, 0, 1);
    fixture_start(&b->f);
    fixture_until(is_in_flight, b, "three batches of eight");
    fixture_until(has_three, hanging, "three requests");
    assert_int_equal(fixture_stop(&b->f, 0), 300);
    http_script_stop(hanging);
    bench_free(b);
}

static bool is_circuit_open(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].state) == ROUTE_CIRCUIT_OPEN;
}

static bool has_asked_5(void *arg)
{
    struct bench *b = arg;
    pthread_mutex_lock(&b->sink.lock);
    unsigned health = b->sink.health;
    pthread_mutex_unlock(&b->sink.lock);
    return health >= 5;
}

static void set_mode(struct bench *b, enum mode mode)
{
    pthread_mutex_lock(&b->sink.lock);
    b->sink.mode = mode;
    pthread_mutex_unlock(&b->sink.lock);
}

/* In an outage the health page is asked, an event only every third time; afterwards batches are
 * tried again where they were not taken before. */
static void an_outage_asks_the_health_page(void **state)
{
    (void)state;
    struct bench *b = bench_new(KNOWS_NO_BATCH, PROFILE_LINEAGED);
    b->sink.no_batch_status = 404;
    b->f.route.batch_events = 16;
    add_runs(b, 50, 0, 1);
    fixture_start(&b->f);
    wait_empty(b);
    unsigned batches = b->sink.batches;
    assert_true(batches > 0 && b->sink.singles == 50);
    set_mode(b, OUTAGE);
    add_runs(b, 50, 1, 1);
    fixture_until(is_circuit_open, b, "an outage");
    pthread_mutex_lock(&b->sink.lock);
    unsigned before = b->sink.singles + b->sink.batches;
    b->sink.health = 0;
    pthread_mutex_unlock(&b->sink.lock);
    fixture_until(has_asked_5, b, "the health page is asked");
    pthread_mutex_lock(&b->sink.lock);
    assert_true(b->sink.singles + b->sink.batches - before <=
                2 + 4); /* those that were under way */
    pthread_mutex_unlock(&b->sink.lock);
    set_mode(b, TAKES_ALL);
    wait_empty(b);
    add_runs(b, 50, 2, 1);
    wait_empty(b);
    assert_true(b->sink.batches > batches);
    assert_int_equal(b->sink.broken, 0);
    for (unsigned run = 0; run < 50; run++)
        assert_int_equal(b->sink.next[run], 3);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer),
        cmocka_unit_test(who_gets_batches),
        cmocka_unit_test(under_way_is_bounded),
        cmocka_unit_test(an_outage_asks_the_health_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
