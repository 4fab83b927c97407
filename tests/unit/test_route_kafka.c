/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the promises of agent/deliver/route_kafka.c against librdkafka's mock cluster, read back
 * with a consumer: all events once, in order per key, keys, injected errors, oversize, brokers that
 * are not there, wrong topics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include "event_read.h"
#include "deliver_fixture.h"
#include "kafka_key.h"

#define TOPIC "lineage"

struct broker {
    rd_kafka_t *host; /* a client that does nothing but hold the cluster */
    rd_kafka_mock_cluster_t *cluster;
    char servers[200];
};

struct bench {
    struct fixture f;
    struct broker broker;
    char topic[40];
    char *properties[4];
};

static void broker_start(struct broker *b)
{
    char text[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    b->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(b->host);
    b->cluster = rd_kafka_mock_cluster_new(b->host, 1);
    assert_non_null(b->cluster);
    snprintf(b->servers, sizeof b->servers, "%s", rd_kafka_mock_cluster_bootstraps(b->cluster));
    assert_int_equal(rd_kafka_mock_topic_create(b->cluster, TOPIC, 4, 1), 0);
}

static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    broker_start(&b->broker);
    fixture_init(&b->f, ROUTE_KAFKA);
    strcpy(b->topic, TOPIC);
    b->f.route.brokers = b->broker.servers;
    b->f.route.topic = b->topic;
    b->f.route.properties.items = b->properties;
    return b;
}

static void bench_free(struct bench *b)
{
    fixture_release(&b->f);
    rd_kafka_mock_cluster_destroy(b->broker.cluster);
    rd_kafka_destroy(b->broker.host);
    free(b);
}

static void wait_empty(struct bench *b)
{
    struct ol_error err = {0};
    int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
    while (deliver_wait(b->f.deliver, NULL, &err) != OL_OK) {
        if (ol__time_monotonic_ms() > deadline)
            fail_msg("never empty: %s", err.message);
        usleep(10000);
    }
}

struct seen {
    unsigned count;
    bool may_double;   /* what came before may come again */
    unsigned next[64]; /* number expected of each run */
    char last_key[200];
};

/* Read the topic until @p want messages came; of each run (`job-N`) the numbers rise without a
 * hole. */
static void consume_on(struct bench *b, unsigned want, struct seen *seen)
{
    char text[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(
        rd_kafka_conf_set(conf, "bootstrap.servers", b->broker.servers, text, sizeof text),
        RD_KAFKA_CONF_OK);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    assert_non_null(consumer);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, TOPIC, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    for (int32_t p = 0; p < 4; p++)
        assert_int_equal(rd_kafka_consume_start_queue(topic, p, RD_KAFKA_OFFSET_BEGINNING, queue),
                         0);
    int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
    while (seen->count < want && ol__time_monotonic_ms() < deadline) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(queue, 100);
        if (m != NULL && m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            char *event = strndup(m->payload, m->len);
            const char *run = strstr(event, "job-"), *number = strstr(event, "\"n\":");
            assert_true(run != NULL && number != NULL);
            unsigned lane = (unsigned)strtoul(run + 4, NULL, 10);
            unsigned n = (unsigned)strtoul(number + 4, NULL, 10);
            assert_true(lane < 64);
            bool is_again = seen->may_double && n < seen->next[lane];
            if (!is_again && n != seen->next[lane])
                fail_msg("run %u: event %u, expected %u", lane, n, seen->next[lane]);
            seen->next[lane] += !is_again;
            seen->count += !is_again;
            snprintf(seen->last_key, sizeof seen->last_key, "%.*s", (int)m->key_len,
                     (const char *)m->key);
            free(event);
        }
        if (m != NULL)
            rd_kafka_message_destroy(m);
    }
    for (int32_t p = 0; p < 4; p++)
        rd_kafka_consume_stop(topic, p);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(consumer);
    assert_int_equal(seen->count, want);
}

static void consume(struct bench *b, unsigned want, struct seen *seen)
{
    memset(seen, 0, sizeof *seen);
    consume_on(b, want, seen);
}

static void all_in_order_with_keys(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct seen seen;
    for (unsigned n = 0; n < 50; n++)
        for (unsigned run = 1; run <= 20; run++)
            fixture_event(&b->f, run, n);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    assert_int_equal(fixture_stop(&b->f, 0), 0);
    consume(b, 1000, &seen);
    assert_int_equal(strlen(seen.last_key), OL_UUID_TEXT);
    assert_string_equal(seen.last_key + 8, "-0000-0000-0000-000000000000");
    assert_int_equal(metric_get(&b->f.metrics.routes[0].delivered_events), 1000);
    bench_free(b);
}

static void injected_errors_are_retried(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct seen seen;
    rd_kafka_mock_push_request_errors(
        b->broker.cluster, 0 /* Produce */, 4, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
    for (unsigned n = 0; n < 30; n++)
        for (unsigned run = 1; run <= 5; run++)
            fixture_event(&b->f, run, n);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    consume(b, 150, &seen);
    bench_free(b);
}

static ol_status count_letter(void *arg, const struct dead_letter *letter)
{
    (void)letter;
    ++*(int *)arg;
    return OL_OK;
}

static void oversize_is_parked(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct seen seen;
    struct ol_error err;
    static char property[] = "message.max.bytes=2000";
    b->properties[0] = property;
    b->f.route.properties.count = 1;
    static char big[5000];
    memset(big, ' ', sizeof big - 1);
    memcpy(big, "{}", 2);
    fixture_event(&b->f, 1, 0);
    fixture_add(&b->f, 1, ol__span_text(big));
    fixture_event(&b->f, 1, 1);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    int letters = 0;
    assert_int_equal(dead_letters_each(b->f.spool_directory, "out", count_letter, &letters, &err),
                     OL_OK);
    assert_int_equal(letters, 1);
    consume(b, 2, &seen);
    bench_free(b);
}

static bool has_failed(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].state) == ROUTE_FAILED &&
           metric_get(&b->f.metrics.routes[0].delivered_events) == 9;
}

/* No room for a dead letter: the route says so, the event is not passed, those behind it go on, and
 * a start with room parks it without sending anything again. */
static void a_letter_without_room_waits(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct seen seen;
    static char property[] = "message.max.bytes=2000";
    static char big[5000];
    b->properties[0] = property;
    b->f.route.properties.count = 1;
    b->f.route.dead_letter_bytes = 1;
    memset(big, ' ', sizeof big - 1);
    memcpy(big, "{}", 2);
    fixture_add(&b->f, 2, ol__span_text(big));
    for (unsigned n = 0; n < 9; n++)
        fixture_event(&b->f, 1, n);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    fixture_until(has_failed, b, "the route says that a dead letter cannot be written");
    assert_int_equal(metric_get(&b->f.metrics.routes[0].parked), 0);
    assert_int_equal(fixture_stop(&b->f, 20000), 1);
    b->f.route.dead_letter_bytes = 1 << 20;
    fixture_start(&b->f);
    wait_empty(b);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].parked), 1);
    consume(b, 9, &seen);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].delivered_events), 9);
    bench_free(b);
}

static ol_status count_reasons(void *arg, const struct dead_letter *letter)
{
    if (strstr(letter->reason, "refused by the broker: Broker: Message size too large") != NULL)
        ++*(int *)arg;
    return OL_OK;
}

/* Promise 6: a broker that refuses a batch says so of every message in it. Those that are good
 * alone arrive, in order; nothing is parked. */
static void what_shares_a_refused_batch_arrives(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct seen seen;
    rd_kafka_mock_push_request_errors(b->broker.cluster, 0, 2, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    for (unsigned n = 0; n < 60; n++)
        fixture_event(&b->f, 1, n);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    int letters = 0;
    struct ol_error err;
    assert_int_equal(dead_letters_each(b->f.spool_directory, "out", count_reasons, &letters, &err),
                     OL_OK);
    assert_int_equal(letters, 1);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].parked), 1);
    memset(&seen, 0, sizeof seen);
    seen.next[1] = 1;
    consume_on(b, 59, &seen);
    bench_free(b);
}

/* Refused by the broker, not by the client's own limit: the report says so. */
static void refused_by_the_broker_is_parked(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct ol_error err;
    rd_kafka_mock_push_request_errors(b->broker.cluster, 0, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    fixture_event(&b->f, 1, 0);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    int letters = 0;
    assert_int_equal(dead_letters_each(b->f.spool_directory, "out", count_letter, &letters, &err),
                     OL_OK);
    assert_int_equal(letters, 1);
    bench_free(b);
}

static bool is_open(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].state) == ROUTE_CIRCUIT_OPEN;
}

static void an_absent_broker_keeps_everything(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct seen seen;
    rd_kafka_mock_broker_set_down(b->broker.cluster, 1);
    for (unsigned n = 0; n < 40; n++)
        fixture_event(&b->f, 1 + n % 4, n / 4);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    fixture_until(is_open, b, "the circuit opens");
    struct ol_error err = {0};
    assert_int_equal(deliver_wait(b->f.deliver, NULL, &err), OL_AGAIN);
    assert_int_equal(fixture_stop(&b->f, 20000), 40);
    fixture_start(&b->f);
    rd_kafka_mock_broker_set_up(b->broker.cluster, 1);
    wait_empty(b);
    consume(b, 40, &seen);
    assert_int_equal(metric_get(&b->f.metrics.routes[0].state), ROUTE_OK);
    bench_free(b);
}

/* A message that times out in the producer (a setting allows it): all of it again, in order. */
static void timed_out_messages_come_again(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct seen seen;
    static char property[] = "message.timeout.ms=500";
    b->properties[0] = property;
    b->f.route.properties.count = 1;
    rd_kafka_mock_broker_set_down(b->broker.cluster, 1);
    for (unsigned n = 0; n < 40; n++)
        fixture_event(&b->f, 1 + n % 4, n / 4);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
    while (metric_get(&b->f.metrics.routes[0].retries) < 40) {
        assert_true(ol__time_monotonic_ms() < deadline);
        usleep(10000);
    }
    rd_kafka_mock_broker_set_up(b->broker.cluster, 1);
    wait_empty(b);
    consume(b, 40, &seen);
    bench_free(b);
}

static bool is_held(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].state) == ROUTE_HELD;
}

static void a_topic_that_may_not_be_written_is_held(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    for (int i = 0; i < 20; i++)
        rd_kafka_mock_push_request_errors(b->broker.cluster, 0, 1,
                                          RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    fixture_event(&b->f, 1, 0);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    fixture_until(is_held, b, "the route is held");
    assert_int_equal(fixture_stop(&b->f, 20000), 1);
    bench_free(b);
}

/* What the broker says of a topic when it is asked where it is, before anything is sent. It is no
 * outage, and is never shown as one; nothing is lost, and a restart after somebody put it right
 * delivers. */
static void a_topic_that_metadata_refuses_is_held(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t codes[] = {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                                RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION};
    for (size_t i = 0; i < OL_COUNT(codes); i++) {
        struct bench *b = bench_new();
        struct seen seen;
        rd_kafka_mock_topic_set_error(b->broker.cluster, TOPIC, codes[i]);
        for (unsigned n = 0; n < 4; n++)
            fixture_event(&b->f, 1, n);
        fixture_commit(&b->f);
        fixture_start(&b->f);
        int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
        while (!is_held(b)) {
            if (is_open(b) || ol__time_monotonic_ms() > deadline)
                fail_msg("%s: %s", rd_kafka_err2name(codes[i]),
                         is_open(b) ? "shown as an outage" : "not held");
            usleep(10000);
        }
        assert_int_equal(fixture_stop(&b->f, 20000), 4);
        rd_kafka_mock_topic_set_error(b->broker.cluster, TOPIC, RD_KAFKA_RESP_ERR_NO_ERROR);
        fixture_start(&b->f);
        wait_empty(b);
        consume(b, 4, &seen);
        bench_free(b);
    }
}

static void wrong_properties_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "acks=1", "enable.idempotence=false", "no.such.thing=1",
        "linger", "bootstrap.servers=x:1",    "compression.codec=zip",
        "=1"};
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct bench *b = bench_new();
        struct ol_error err = {0};
        char property[60];
        snprintf(property, sizeof property, "%s", rows[i]);
        b->properties[0] = property;
        b->f.route.properties.count = 1;
        if (deliver_open(&b->f.agent, &b->f.deliver, &err) != OL_CONFIG ||
            strstr(err.message, "properties") == NULL)
            fail_msg("'%s': %s", rows[i], err.message);
        bench_free(b);
    }
}

static void write_secret(const struct bench *b, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/secret", b->f.directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

static bool is_ok(void *arg)
{
    struct bench *b = arg;
    return metric_get(&b->f.metrics.routes[0].state) == ROUTE_OK &&
           metric_get(&b->f.metrics.routes[0].delivered_events) > 0;
}

/* Promise 5: a value that comes from a file which is not there, or empty, holds the route with that
 * sentence; once it is there the route goes on by itself. A wrong name beside it is told at once.
 */
static void a_missing_secret_holds_until_it_is_there(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct ol_error err = {0};
    char property[160], why[ROUTE_ERROR_MAX];
    static char bad[] = "no.such.thing=1";
    snprintf(property, sizeof property, "client.id=file:%s/secret", b->f.directory);
    b->properties[0] = property;
    b->properties[1] = bad;
    b->f.route.properties.count = 2;
    assert_int_equal(deliver_open(&b->f.agent, &b->f.deliver, &err), OL_CONFIG);
    assert_non_null(strstr(err.message, "no.such.thing"));
    b->f.deliver = NULL;
    b->f.route.properties.count = 1;
    fixture_event(&b->f, 1, 0);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    fixture_until(is_held, b, "held for want of a file");
    route_metrics_get_error(&b->f.metrics.routes[0], why);
    if (strstr(why, "'client.id'") == NULL || strstr(why, "/secret") == NULL)
        fail_msg("%s", why);
    write_secret(b, "name\n");
    fixture_until(is_ok, b, "delivered");
    wait_empty(b);
    bench_free(b);
}

/* A value from a file that librdkafka refuses is told by its name alone. */
static void a_secret_is_in_no_error(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct ol_error err = {0};
    char property[160];
    snprintf(property, sizeof property, "security.protocol=file:%s/secret", b->f.directory);
    b->properties[0] = property;
    b->f.route.properties.count = 1;
    write_secret(b, "hush-hush");
    assert_int_equal(deliver_open(&b->f.agent, &b->f.deliver, &err), OL_CONFIG);
    b->f.deliver = NULL;
    assert_non_null(strstr(err.message, "'security.protocol'"));
    assert_null(strstr(err.message, "hush"));
    bench_free(b);
}

/* The idempotent producer cannot go on (the broker forgot it in the middle): a new one begins at
 * the low-water mark by itself; all there, in order. */
static void a_fatal_error_makes_a_new_producer(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct seen seen;
    rd_kafka_mock_push_request_errors(b->broker.cluster, 0 /* Produce */, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    for (unsigned n = 0; n < 50; n++)
        for (unsigned run = 1; run <= 5; run++)
            fixture_event(&b->f, run, n);
    fixture_commit(&b->f);
    fixture_start(&b->f);
    wait_empty(b);
    char why[ROUTE_ERROR_MAX];
    route_metrics_get_error(&b->f.metrics.routes[0], why);
    if (strncmp(why, "fatal: ", 7) != 0)
        fail_msg("no fatal error came: %s", why);
    memset(&seen, 0, sizeof seen);
    seen.may_double = true;
    consume_on(b, 250, &seen);
    bench_free(b);
}

static void job_keys_follow_the_other_clients(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind, lane;
        const char *event, *key;
    } rows[] = {
        {OL_LANE_RUN_UUID, 1,
         "{\"run\":{\"runId\":\"x\",\"facets\":{}},\"job\":{\"namespace\":\"a\",\"name\":\"b\"}}",
         "run:a/b"},
        {OL_LANE_RUN_UUID, 2,
         "{\"job\":{\"namespace\":\"a\",\"name\":\"b\"},\"run\":{\"facets\":{\"parent\":{\"run\":{"
         "\"runId\":\"r\"},\"job\":{\"namespace\":\"pa\",\"name\":\"pb\"}}}}}",
         "run:pa/pb"},
        {OL_LANE_RUN_UUID, 3,
         "{\"job\":{\"namespace\":\"a\",\"name\":\"b\"},\"run\":{\"facets\":{\"parent\":{\"root\":{"
         "\"job\":{\"namespace\":\"ra\",\"name\":\"rb\"}},\"job\":{\"namespace\":\"pa\",\"name\":"
         "\"pb\"}}}}}",
         "run:ra/rb"},
        /* the run's first key stays */
        {OL_LANE_RUN_UUID, 3, "{\"job\":{\"namespace\":\"a\",\"name\":\"b\"}}", "run:ra/rb"},
        {OL_LANE_RUN_UUID, 1,
         "{\"run\":{\"facets\":{\"parent\":{\"job\":{\"namespace\":\"l\",\"name\":\"ate\"}}}}}",
         "run:a/b"},
    };
    struct kafka_keys *keys;
    struct ol_error err;
    assert_int_equal(kafka_keys_new(true, &keys, &err), OL_OK);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct spool_record record = {.lane_kind = rows[i].kind,
                                      .data = ol__span_text(rows[i].event)};
        struct ol__span key;
        memset(record.lane, rows[i].lane, sizeof record.lane);
        assert_int_equal(kafka_keys_get(keys, &record, &key, &err), OL_OK);
        if (!ol__span_equal(key, ol__span_text(rows[i].key)))
            fail_msg("row %zu: %.*s", i, (int)key.size, key.data);
    }
    kafka_keys_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_in_order_with_keys),
        cmocka_unit_test(injected_errors_are_retried),
        cmocka_unit_test(oversize_is_parked),
        cmocka_unit_test(a_letter_without_room_waits),
        cmocka_unit_test(refused_by_the_broker_is_parked),
        cmocka_unit_test(what_shares_a_refused_batch_arrives),
        cmocka_unit_test(an_absent_broker_keeps_everything),
        cmocka_unit_test(timed_out_messages_come_again),
        cmocka_unit_test(a_topic_that_may_not_be_written_is_held),
        cmocka_unit_test(a_topic_that_metadata_refuses_is_held),
        cmocka_unit_test(wrong_properties_are_refused),
        cmocka_unit_test(a_missing_secret_holds_until_it_is_there),
        cmocka_unit_test(a_secret_is_in_no_error),
        cmocka_unit_test(a_fatal_error_makes_a_new_producer),
        cmocka_unit_test(job_keys_follow_the_other_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
