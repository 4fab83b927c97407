/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a service on a route that gets summaries: what is summed up, by run and window; that
 * their form on disk is exact and nothing else is believed; and, against a scripted server, that
 * one summary goes out in its place among the run's events, once, whatever fails or stops
 * meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include "event_read.h"
#include "deliver_fixture.h"
#include "http_script.h"
#include "summary.h"

#define MINUTE INT64_C(60000)
#define T0 INT64_C(1795251600000) /* a whole minute */

/* ---- Sums ---- */

static struct summary_answer answer(double latency)
{
    return (struct summary_answer){.run_id = OL_SPAN_LIT("01941f29-7c00-7837-a31d-d79a7fb36a01"),
                                   .job_namespace = OL_SPAN_LIT("ns"),
                                   .job_name = OL_SPAN_LIT("serve"),
                                   .time_ms = T0,
                                   .outcome = SUMMARY_ANSWERED,
                                   .has_latency = latency >= 0,
                                   .latency_ms = latency,
                                   .model = OL_SPAN_LIT("m@1")};
}

static struct spool_record record(uint64_t seq, int64_t taken_ms, uint8_t lane)
{
    return (struct spool_record){.seq = seq, .time_ms = taken_ms, .lane_kind = 1, .lane = {lane}};
}

static void add(struct summaries *s, const struct summary_answer *a, uint64_t seq, int64_t taken_ms,
                uint8_t lane)
{
    struct spool_record r = record(seq, taken_ms, lane);
    assert_int_equal(summaries_add(s, a, &r), OL_OK);
}

static void windows_by_run_and_time(void **state)
{
    (void)state;
    struct summaries s = {.window_ms = MINUTE};
    struct summary_answer a = answer(-1);
    bool any;
    add(&s, &a, 1, T0 + 1, 1);
    add(&s, &a, 2, T0 + MINUTE - 1, 1);
    add(&s, &a, 3, T0 + 5, 2); /* another run */
    assert_int_equal(s.count, 2);
    assert_int_equal(s.items[0]->count, 2);
    assert_false(summaries_close_ended(&s, T0 + MINUTE - 1));
    assert_int_equal(summaries_next_end(&s), T0 + MINUTE);
    add(&s, &a, 4, T0 + MINUTE, 1); /* closes the one before */
    assert_int_equal(s.count, 3);
    assert_true(s.items[0]->is_closed);
    assert_false(s.items[1]->is_closed);
    assert_true(summaries_close_lane(&s, 1, (uint8_t[16]){2}, &any));
    assert_true(any);
    assert_false(summaries_close_lane(&s, 1, (uint8_t[16]){9}, &any));
    assert_false(any);
    add(&s, &a, 5, T0 + 6, 2); /* after the end of its run: one of its own */
    assert_int_equal(s.count, 4);
    assert_int_equal(summaries_answers(&s), 5);
    assert_int_equal(s.taken_seq, 5);
    summaries_remove(&s, s.items[1]->ticket);
    assert_int_equal(s.count, 3);
    assert_true(summaries_close_all(&s));
    assert_int_equal(summaries_next_end(&s), INT64_MAX);
    for (uint8_t i = 0; s.count < SUMMARY_WINDOWS_MAX; i++)
        add(&s, &a, 6 + s.count, T0 + (int64_t)s.count * MINUTE, 7);
    struct spool_record r = record(5000, T0 + 2000 * MINUTE, 7);
    assert_int_equal(summaries_add(&s, &a, &r), OL_FULL);
    assert_int_equal(s.count, SUMMARY_WINDOWS_MAX);
    assert_false(s.items[s.count - 1]->is_closed); /* nothing changed */
    summaries_release(&s);
}

static void latencies_within_three_percent(void **state)
{
    (void)state;
    static const double scales[] = {0.002, 0.37, 1, 81.5, 12000};
    for (size_t k = 0; k < OL_COUNT(scales); k++) {
        struct summaries s = {.window_ms = MINUTE};
        for (int i = 1; i <= 1000; i++) {
            struct summary_answer a = answer(scales[k] * (1 + i / 250.0));
            add(&s, &a, (uint64_t)i, T0, 1);
        }
        const struct summary *w = s.items[0];
        double p50 = scales[k] * 3, p95 = scales[k] * 4.8;
        assert_true(fabs(summary_latency_at(w, 0.5) / p50 - 1) < 0.031);
        assert_true(fabs(summary_latency_at(w, 0.95) / p95 - 1) < 0.031);
        assert_true(fabs(w->latency_min / (scales[k] * 1.004) - 1) < 1e-9);
        assert_true(fabs(w->latency_max / (scales[k] * 5) - 1) < 1e-9);
        assert_true(fabs(w->latency_sum / 1000 / (scales[k] * 3.002) - 1) < 1e-6);
        summaries_release(&s);
    }
    struct summaries s = {.window_ms = MINUTE};
    struct summary_answer a = answer(0);
    add(&s, &a, 1, T0, 1);
    assert_true(summary_latency_at(s.items[0], 0.5) == 0);
    a = answer(1e300); /* past the buckets: the longest is known */
    add(&s, &a, 2, T0, 1);
    assert_true(summary_latency_at(s.items[0], 1) <= 1e300);
    summaries_release(&s);
}

static struct summaries filled(void)
{
    struct summaries s = {.window_ms = MINUTE};
    char model[32];
    for (int i = 0; i < 100; i++) {
        struct summary_answer a = answer(i % 7);
        snprintf(model, sizeof model, "m@%d", i % 40); /* more than are kept */
        a.model = ol__span_text(model);
        a.outcome = (enum summary_outcome)(i % SUMMARY_OUTCOMES);
        a.has_cost = true;
        a.cost = 0.25;
        a.currency = i % 2 ? OL_SPAN_LIT("USD") : (struct ol__span){0};
        a.is_cached = i % 4 == 0;
        a.has_input = a.has_output = true;
        a.input_tokens = 10;
        a.output_tokens = (uint64_t)i;
        a.time_ms = T0 + i;
        add(&s, &a, (uint64_t)i + 1, T0 + i, (uint8_t)(i % 3));
    }
    summaries_close_ended(&s, T0 + MINUTE);
    struct summary_answer a = answer(1);
    add(&s, &a, 101, T0 + MINUTE, 1);
    return s;
}

static void the_event_is_valid_and_says_all(void **state)
{
    (void)state;
    struct summaries s = {.window_ms = MINUTE};
    for (int i = 0; i < 4; i++) {
        struct summary_answer a = answer(i + 1);
        a.outcome = i == 3 ? SUMMARY_REFUSED : SUMMARY_ANSWERED;
        a.is_cached = i == 2;
        a.has_input = true;
        a.input_tokens = 10;
        a.has_cost = i > 1;
        a.cost = 0.25;
        a.currency = OL_SPAN_LIT("USD");
        a.time_ms = T0 + i;
        add(&s, &a, (uint64_t)i + 7, T0 + i, 1);
    }
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    assert_int_equal(summary_write(s.items[0], &out), OL_OK);
    static const char *const parts[] = {
        "{\"eventType\":\"OTHER\",\"eventTime\":\"2026-11-21T09:00:00.003Z\"",
        "\"window\":\"2026-11-21T09:00:00.000Z/60/7\",\"count\":4,\"first_at\":"
        "\"2026-11-21T09:00:00.000Z\",\"last_at\":\"2026-11-21T09:00:00.003Z\",\"answered\":3,"
        "\"refused\":1,\"latency_min_ms\":1,\"latency_mean_ms\":2.5,",
        "\"latency_max_ms\":4,\"input_tokens\":40,\"cache_hits\":1,\"costs\":[{\"currency\":"
        "\"USD\",\"cost\":0.5}],\"models\":[{\"name\":\"m@1\",\"count\":4}]}}},\"job\":{"
        "\"namespace\":\"ns\",\"name\":\"serve\",\"facets\":{}},\"inputs\":[],\"outputs\":[]}",
    };
    for (size_t i = 0; i < OL_COUNT(parts); i++)
        if (strstr(out.data, parts[i]) == NULL)
            fail_msg("no %s in %s", parts[i], out.data);
    struct ol__event_reader *reader = NULL;
    const struct ol__event *event = NULL;
    assert_int_equal(ol__event_reader_new(&reader, NULL), OL_OK);
    struct ol__event_limits strict = {.is_strict = true};
    assert_int_equal(ol__event_read(reader, (struct ol__span){out.data, out.size}, OL_EVENT_ALL,
                                    &strict, -1, &event, NULL),
                     OL_OK);
    ol__event_reader_free(reader);
    ol__buf_release(&out);
    summaries_release(&s);
}

static void back_from_bytes(void **state)
{
    (void)state;
    struct summaries s = filled(), back = {.window_ms = MINUTE};
    const struct ol__uuid spool = {{7}};
    struct ol__uuid uuid;
    struct ol__buf bytes, again, event, event_again;
    ol__buf_init(&bytes, 1 << 20);
    ol__buf_init(&again, 1 << 20);
    ol__buf_init(&event, 1 << 20);
    ol__buf_init(&event_again, 1 << 20);
    assert_int_equal(summaries_write(&s, &spool, &bytes), OL_OK);
    struct ol__span span = {bytes.data, bytes.size};
    assert_int_equal(summaries_read(&back, span, &uuid), OL_OK);
    assert_int_equal(uuid.bytes[0], 7);
    assert_int_equal(back.count, s.count);
    assert_int_equal(back.taken_seq, 101);
    assert_true(back.items[0]->is_saved && !back.items[0]->is_queued);
    assert_false(back.items[3]->is_closed);
    assert_int_equal(summaries_write(&back, &spool, &again), OL_OK);
    assert_int_equal(again.size, bytes.size);
    assert_memory_equal(again.data, bytes.data, bytes.size);
    for (size_t i = 0; i < s.count; i++) { /* sent again it is the same */
        ol__buf_reset(&event);
        ol__buf_reset(&event_again);
        assert_int_equal(summary_write(s.items[i], &event), OL_OK);
        assert_int_equal(summary_write(back.items[i], &event_again), OL_OK);
        assert_string_equal(event.data, event_again.data);
    }
    summaries_release(&back);
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_equal(summaries_read(&back, (struct ol__span){bytes.data, size}, &uuid),
                         OL_CORRUPT);
    for (size_t i = 0; i < bytes.size; i++) {
        bytes.data[i] ^= 0x20;
        assert_int_equal(summaries_read(&back, span, &uuid), OL_CORRUPT);
        bytes.data[i] ^= 0x20;
    }
    assert_int_equal(back.count, 0);
    summaries_release(&s);
    ol__buf_release(&bytes);
    ol__buf_release(&again);
    ol__buf_release(&event);
    ol__buf_release(&event_again);
}

/* ---- On a route ---- */

#define BODIES_MAX 3000

struct bench {
    struct fixture f;
    struct http_script *server;
    char url[64];
    pthread_mutex_t lock;
    char *bodies[BODIES_MAX]; /* owned: those that were taken */
    unsigned count, refusals; /* to come: of summaries */
    char *refused;            /* owned: the last one */
    int status;               /* of a refusal */
};

static bool is_summary(const char *body)
{
    return strstr(body, "\"lineaged_answers\"") != NULL;
}

static void handle(void *arg, const struct script_request *request, struct script_reply *reply)
{
    struct bench *b = arg;
    char *body = strndup(request->body.data, request->body.size);
    pthread_mutex_lock(&b->lock);
    reply->status = 201;
    if (is_summary(body) && b->refusals > 0 && strstr(body, "serve-1") != NULL) {
        b->refusals--;
        reply->status = b->status;
        if (b->refused != NULL)
            assert_string_equal(b->refused, body); /* the same each time */
        free(b->refused);
        b->refused = body;
    } else {
        b->bodies[b->count++] = body;
    }
    pthread_mutex_unlock(&b->lock);
}

static struct bench *bench_new(int answers)
{
    struct bench *b = calloc(1, sizeof *b);
    pthread_mutex_init(&b->lock, NULL);
    b->server = http_script_start(0, handle, b);
    fixture_init(&b->f, ROUTE_HTTP);
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d", http_script_port(b->server));
    b->f.route.url = b->url;
    b->f.route.profile = PROFILE_MARQUEZ;
    b->f.route.answers = answers;
    b->f.route.answer_window_ms = 3600000;
    b->f.route.dead_letter_bytes = 1 << 20;
    return b;
}

static void bench_free(struct bench *b)
{
    fixture_release(&b->f);
    http_script_stop(b->server);
    for (unsigned i = 0; i < b->count; i++)
        free(b->bodies[i]);
    free(b->refused);
    free(b);
}

static void put(struct bench *b, unsigned run, const char *type, int request)
{
    struct ol__uuid uuid = {{(uint8_t)run}};
    char id[OL_UUID_TEXT + 1], facet[300] = "", text[900];
    ol__uuid_format(&uuid, id);
    if (request >= 0)
        snprintf(facet, sizeof facet,
                 ",\"facets\":{\"lineaged_answer\":{\"_producer\":\"p:x\",\"_schemaURL\":\"s:x\","
                 "\"request_id\":\"q-%d\",\"outcome\":\"answered\",\"latency_ms\":%d.5,"
                 "\"cache_hit\":true}}",
                 request, request % 100);
    int size = snprintf(text, sizeof text,
                        "{\"eventType\":\"%s\",\"eventTime\":\"2026-11-21T09:00:00Z\",\"run\":{"
                        "\"runId\":\"%s\"%s},\"job\":{\"namespace\":\"ns\",\"name\":\"serve-%u\"},"
                        "\"producer\":\"https://example.com/p\",\"schemaURL\":\"https://openlineage"
                        ".io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent\"}",
                        type, id, facet, run);
    fixture_add(&b->f, run, (struct ol__span){.data = text, .size = (size_t)size});
}

static void put_answers(struct bench *b, unsigned run, int from, int to)
{
    for (int i = from; i < to; i++)
        put(b, run, "OTHER", i);
    fixture_commit(&b->f);
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

/* What arrived, a letter each: S START, R RUNNING, C COMPLETE, a answer, + summary; its counts
 * are added up. */
static void expect(struct bench *b, const char *order, long answers)
{
    char got[BODIES_MAX + 1] = "";
    long sum = 0;
    pthread_mutex_lock(&b->lock);
    for (unsigned i = 0; i < b->count; i++) {
        const char *type = strstr(b->bodies[i], "\"eventType\":\"") + 13;
        const char *count = strstr(b->bodies[i], "\"cache_hits\":");
        got[i] = is_summary(b->bodies[i])                            ? '+'
                 : strstr(b->bodies[i], "lineaged_answer\"") != NULL ? 'a'
                                                                     : *type;
        if (got[i] == '+')
            sum += strtol(count + 13, NULL, 10);
    }
    pthread_mutex_unlock(&b->lock);
    assert_string_equal(got, order);
    assert_int_equal(sum, answers);
}

static bool has_read_all(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].answers_waiting) >= 1000;
}

static bool has_marked(void *arg)
{
    struct bench *b = arg; /* all but the answers of less than a second */
    return metric_get(&b->f.metrics.routes[0].low) >= spool_synced(b->f.spool);
}

static void one_summary_in_its_place(void **state)
{
    (void)state;
    struct bench *b = bench_new(ANSWERS_DEFAULT);
    put(b, 1, "START", -1);
    put_answers(b, 1, 0, 500);
    put(b, 1, "RUNNING", -1); /* a heartbeat waits for no window, and ends none */
    put_answers(b, 1, 500, 1000);
    fixture_start(&b->f);
    fixture_until(has_read_all, b, "answers read");
    fixture_until(has_marked, b, "the sums are on disk, and then the answers are marked");
    expect(b, "SR", 0);
    put(b, 1, "COMPLETE", -1);
    fixture_commit(&b->f);
    wait_empty(b);
    expect(b, "SR+C", 1000);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].answers_summed), 1000);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].answers_waiting), 0);
    put_answers(b, 1, 1000, 1003); /* late: the end follows once more */
    wait_empty(b);
    expect(b, "SR+C+C", 1003);
    bench_free(b);
}

static void a_stop_keeps_the_window(void **state)
{
    (void)state;
    struct bench *b = bench_new(ANSWERS_SUMMARY);
    put(b, 1, "START", -1);
    put_answers(b, 1, 0, 1000);
    fixture_start(&b->f);
    fixture_until(has_read_all, b, "answers read");
    fixture_until(has_marked, b, "answers marked");
    fixture_stop(&b->f, 0);
    expect(b, "S", 0); /* a stop ends no window */
    put_answers(b, 1, 1000, 1500);
    fixture_start(&b->f);
    wait_empty(b); /* somebody waits: windows end */
    expect(b, "S+", 1500);
    fixture_stop(&b->f, 0);
    fixture_start(&b->f); /* nothing comes again */
    wait_empty(b);
    expect(b, "S+", 1500);
    bench_free(b);
}

static void what_fails_is_sent_again_the_same(void **state)
{
    (void)state;
    struct bench *b = bench_new(ANSWERS_SUMMARY);
    b->status = 503;
    b->refusals = 3;
    put(b, 1, "START", -1);
    put_answers(b, 1, 0, 10);
    put(b, 1, "COMPLETE", -1);
    put(b, 2, "START", -1);
    put_answers(b, 2, 0, 5);
    fixture_start(&b->f);
    wait_empty(b);
    assert_non_null(b->refused);
    b->refusals = 0;
    free(b->refused);
    b->refused = NULL;
    pthread_mutex_lock(&b->lock);
    unsigned at = 0; /* of run 1, in order; run 2 goes its own way */
    for (unsigned i = 0; i < b->count; i++)
        if (strstr(b->bodies[i], "serve-1") != NULL) {
            static const char *const parts[] = {"START", "lineaged_answers", "COMPLETE"};
            assert_true(at < 3);
            assert_non_null(strstr(b->bodies[i], parts[at++]));
        }
    pthread_mutex_unlock(&b->lock);
    assert_int_equal(at, 3);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].answers_summed), 15);
    bench_free(b);
}

static ol_status count_letter(void *arg, const struct dead_letter *letter)
{
    assert_true(memmem(letter->event.data, letter->event.size, "\"count\":10", 10) != NULL);
    (*(int *)arg)++;
    return OL_OK;
}

static void a_refused_summary_is_parked(void **state)
{
    (void)state;
    int letters = 0;
    struct bench *b = bench_new(ANSWERS_SUMMARY);
    b->status = 422;
    b->refusals = 1;
    put(b, 1, "START", -1);
    put_answers(b, 1, 0, 10);
    put(b, 1, "COMPLETE", -1);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    expect(b, "SC", 0);
    struct ol_error err = {0};
    assert_int_equal(dead_letters_each(b->f.spool_directory, "out", count_letter, &letters, &err),
                     OL_OK);
    assert_int_equal(letters, 1);
    bench_free(b);
}

static void each_and_none(void **state)
{
    (void)state;
    static const struct {
        int answers, profile;
        const char *order;
        int skipped;
    } rows[] = {{ANSWERS_EACH, PROFILE_MARQUEZ, "SaaaC", 0},
                {ANSWERS_NONE, PROFILE_MARQUEZ, "SC", 3},
                {ANSWERS_DEFAULT, PROFILE_GENERIC, "SaaaC", 0},
                {ANSWERS_DEFAULT, PROFILE_OPENMETADATA, "SC", 3},
                {ANSWERS_DEFAULT, PROFILE_DATAHUB, "S+C", 0},
                {ANSWERS_SUMMARY, PROFILE_GENERIC, "S+C", 0}};
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct bench *b = bench_new(rows[i].answers);
        b->f.route.profile = rows[i].profile;
        put(b, 1, "START", -1);
        put_answers(b, 1, 0, 3);
        put(b, 1, "COMPLETE", -1);
        fixture_commit(&b->f);
        fixture_start(&b->f);
        wait_empty(b);
        expect(b, rows[i].order, strchr(rows[i].order, '+') != NULL ? 3 : 0);
        assert_int_equal(metric_get(&b->f.metrics.routes[0].skipped), rows[i].skipped);
        bench_free(b);
    }
}

static bool has_cause(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].cause) == CAUSE_DISK;
}

static bool has_one(void *arg)
{
    struct bench *b = arg;
    pthread_mutex_lock(&b->lock);
    bool has = b->count > 0;
    pthread_mutex_unlock(&b->lock);
    return has;
}

static void a_disk_that_takes_no_sums(void **state)
{
    (void)state;
    struct bench *b = bench_new(ANSWERS_SUMMARY);
    char path[200];
    snprintf(path, sizeof path, "%s/answers", b->f.spool_directory);
    assert_int_equal(mkdir(path, 0700), 0);
    put(b, 1, "START", -1);
    put_answers(b, 1, 0, 10);
    put(b, 1, "COMPLETE", -1);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    expect(b, "S+C", 10);
    fixture_stop(&b->f, 0);
    /* now its name is a directory's */
    snprintf(path, sizeof path, "%s/answers/out", b->f.spool_directory);
    assert_int_equal(unlink(path), 0);
    for (unsigned i = 0; i < b->count; i++)
        free(b->bodies[i]);
    b->count = 0;
    fixture_start(&b->f);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/answers/out/x", b->f.spool_directory);
    assert_int_equal(mkdir(path, 0700), 0);
    put(b, 3, "START", -1);
    put_answers(b, 3, 0, 10);
    put(b, 3, "COMPLETE", -1);
    fixture_commit(&b->f);
    fixture_until(has_cause, b, "the cause is shown");
    fixture_until(has_one, b, "START arrives");
    expect(b, "S", 0); /* what ends the run waits */
    assert_int_equal(rmdir(path), 0);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    wait_empty(b);
    expect(b, "S+C", 10);
    bench_free(b);
}

static void a_broken_file_is_put_aside(void **state)
{
    (void)state;
    struct bench *b = bench_new(ANSWERS_SUMMARY);
    char path[200];
    snprintf(path, sizeof path, "%s/answers", b->f.spool_directory);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/answers/out", b->f.spool_directory);
    FILE *file = fopen(path, "w");
    fputs("LNANSW01 but no sums", file);
    fclose(file);
    put(b, 1, "START", -1);
    put_answers(b, 1, 0, 10);
    fixture_start(&b->f);
    wait_empty(b);
    expect(b, "S+", 10);
    snprintf(path, sizeof path, "%s/answers/out.bad", b->f.spool_directory);
    assert_int_equal(access(path, F_OK), 0);
    bench_free(b);
}

static void a_rewind_sends_them_again(void **state)
{
    (void)state;
    struct bench *b = bench_new(ANSWERS_SUMMARY);
    struct ol_error err = {0};
    uint64_t from = 0;
    put(b, 1, "START", -1);
    put_answers(b, 1, 0, 10);
    fixture_start(&b->f);
    wait_empty(b);
    expect(b, "S+", 10);
    assert_int_equal(deliver_rewind(b->f.deliver, "out", 1, &from, &err), OL_OK);
    wait_empty(b);
    expect(b, "S+S+", 20);
    bench_free(b);
}

static void a_route_that_gets_each_again(void **state)
{
    (void)state;
    static const int modes[] = {ANSWERS_EACH, ANSWERS_NONE};
    for (size_t i = 0; i < OL_COUNT(modes); i++) {
        struct bench *b = bench_new(ANSWERS_SUMMARY);
        put(b, 1, "START", -1);
        put_answers(b, 1, 0, 1000);
        fixture_start(&b->f);
        fixture_until(has_read_all, b, "answers read");
        fixture_until(has_marked, b, "answers marked");
        fixture_stop(&b->f, 0);
        b->f.route.answers = modes[i];
        put_answers(b, 1, 1000, 1001);
        put(b, 1, "COMPLETE", -1);
        fixture_commit(&b->f);
        fixture_start(&b->f);
        wait_empty(b);
        pthread_mutex_lock(&b->lock);
        bool is_first = is_summary(b->bodies[1]);
        pthread_mutex_unlock(&b->lock);
        expect(b, modes[i] == ANSWERS_NONE ? "S+C" : is_first ? "S+aC" : "Sa+C", 1000);
        bench_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_by_run_and_time),
        cmocka_unit_test(latencies_within_three_percent),
        cmocka_unit_test(the_event_is_valid_and_says_all),
        cmocka_unit_test(back_from_bytes),
        cmocka_unit_test(one_summary_in_its_place),
        cmocka_unit_test(a_stop_keeps_the_window),
        cmocka_unit_test(what_fails_is_sent_again_the_same),
        cmocka_unit_test(a_refused_summary_is_parked),
        cmocka_unit_test(each_and_none),
        cmocka_unit_test(a_disk_that_takes_no_sums),
        cmocka_unit_test(a_broken_file_is_put_aside),
        cmocka_unit_test(a_rewind_sends_them_again),
        cmocka_unit_test(a_route_that_gets_each_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
