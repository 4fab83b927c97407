/* SPDX-License-Identifier: Apache-2.0 */
/* Bar 5: delivery out of a spool to a real broker, against a bare librdkafka producer of the same
 * messages, keys and settings, with runs of 2, of 100 and of all
 * events, and beside an HTTP sink that takes 50 events a second. What the broker then has is
 * counted by its offsets, and one burst of delivery is read back: every key and byte, in the
 * spool's order. Threads: the delivery thread, librdkafka's. */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent.h"
#include "bench.h"
#include "event_read.h"
#include "ids.h"
#include "sink.h"

#define EVENTS 30000u
#define EVENT_SIZE 2048u
#define TOPIC "bench"
#define BROKER_MS 30000

struct event {
    char key[OL_UUID_TEXT + 1];
    char data[EVENT_SIZE];
};

struct work {
    char brokers[40];
    char directory[100];
    struct spool *spool;
    struct event *events; /* owned, EVENTS */
    rd_kafka_t *consumer; /* owned; for offsets and reading back */
    int64_t high;         /* offsets that were counted */
    unsigned bursts;
    char slow_url[80];
};

/* ---- The broker ---- */

static pid_t broker_pid;
static int broker_stdin;

/* It ends with its standard input, ours for the writing: when we die as well. */
static void broker_stop(void)
{
    int status;
    if (broker_pid == 0)
        return;
    close(broker_stdin);
    waitpid(broker_pid, &status, 0);
    broker_pid = 0;
}

/* @return its port; does not return where there can be none. */
static int broker_start(const char *directory)
{
    int in[2], out[2], port = 0, status;
    if (pipe(in) != 0 || pipe(out) != 0 || (broker_pid = fork()) < 0)
        bench_die("broker: no process");
    if (broker_pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[0]);
        close(in[1]);
        close(out[0]);
        close(out[1]);
        execl(BENCH_PYTHON, "python3", BENCH_SOURCE_DIR "/kafka_hold.py", directory, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    broker_stdin = in[1];
    atexit(broker_stop);
    FILE *from = fdopen(out[0], "r");
    if (from != NULL && fscanf(from, "%d", &port) == 1 && port > 0) {
        fclose(from);
        return port;
    }
    waitpid(broker_pid, &status, 0);
    broker_pid = 0;
    bench_directory_remove(directory);
    if (WIFEXITED(status) && WEXITSTATUS(status) == BENCH_SKIP)
        exit(BENCH_SKIP);
    bench_die("the broker does not start");
}

static rd_kafka_conf_t *settings(const struct work *w, const char *const pairs[][2], size_t count)
{
    char text[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", w->brokers, text, sizeof text) !=
        RD_KAFKA_CONF_OK)
        bench_die("librdkafka: %s", text);
    for (size_t i = 0; i < count; i++)
        if (rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], text, sizeof text) !=
            RD_KAFKA_CONF_OK)
            bench_die("librdkafka: %s", text);
    return conf;
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char text[200];
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk == NULL)
        bench_die("librdkafka: %s", text);
    return rk;
}

/* How many messages came since the last time. */
static int64_t arrived(struct work *w)
{
    int64_t low, high, before = w->high;
    rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(w->consumer, TOPIC, 0, &low, &high, BROKER_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        bench_die("offsets: %s", rd_kafka_err2str(code));
    w->high = high;
    return high - before;
}

static void expect_arrived(struct work *w)
{
    int64_t count = arrived(w);
    if (count != EVENTS)
        bench_die("%lld of %u messages are in the topic", (long long)count, EVENTS);
}

/* The last EVENTS messages are our events, in order. */
static void expect_events(struct work *w)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, TOPIC, 0)->offset = w->high - EVENTS;
    if (rd_kafka_assign(w->consumer, list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        bench_die("the consumer takes no partition");
    rd_kafka_topic_partition_list_destroy(list);
    for (unsigned i = 0; i < EVENTS; i++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(w->consumer, BROKER_MS);
        if (m == NULL || m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            bench_die("message %u: %s", i, m == NULL ? "none came" : rd_kafka_message_errstr(m));
        if (m->len != EVENT_SIZE || memcmp(m->payload, w->events[i].data, EVENT_SIZE) != 0 ||
            m->key_len != OL_UUID_TEXT || memcmp(m->key, w->events[i].key, OL_UUID_TEXT) != 0)
            bench_die("message %u is not event %u", i, i);
        rd_kafka_message_destroy(m);
    }
    rd_kafka_assign(w->consumer, NULL);
}

/* ---- The reference ---- */

static void figures(int64_t wall_ns, int64_t cpu_ns, struct bench_figures *ret)
{
    ret->of[BENCH_WALL] = (double)wall_ns / 1e3 / EVENTS;
    ret->of[BENCH_CPU] = (double)cpu_ns / 1e3 / EVENTS;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
    unsigned *reported = arg;
    (void)rk;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        bench_die("report: %s", rd_kafka_err2str(m->err));
    ++*reported;
}

static void burst_bare(void *arg, struct bench_figures *ret)
{
    /* The route's own: deliver/route_kafka.c. */
    static const char *const pairs[][2] = {
        {"enable.idempotence", "true"}, {"acks", "all"},
        {"compression.codec", "lz4"},   {"queue.buffering.max.kbytes", "16384"},
        {"message.timeout.ms", "0"},    {"partitioner", "murmur2_random"}};
    struct work *w = arg;
    unsigned reported = 0;
    int64_t wall = bench_now_ns(), cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    rd_kafka_conf_t *conf = settings(w, pairs, OL_COUNT(pairs));
    rd_kafka_conf_set_opaque(conf, &reported);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, TOPIC, NULL);
    for (unsigned i = 0; i < EVENTS;) {
        struct event *e = &w->events[i];
        if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, e->data, EVENT_SIZE,
                             e->key, OL_UUID_TEXT, NULL) == 0) {
            i++;
            if (i % 64 == 0)
                rd_kafka_poll(rk, 0);
        } else if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(rk, 100);
        } else {
            bench_die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    while (reported < EVENTS)
        rd_kafka_poll(rk, 100);
    figures(bench_now_ns() - wall, bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu, ret);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    expect_arrived(w);
}

/* ---- Delivery ---- */

/* JSON that compresses about as events do: names that repeat, numbers that do not. */
static void make_event(struct event *e, const struct ol__uuid *run, unsigned i)
{
    static const char end[] = "\"}}]}";
    ol__uuid_format(run, e->key);
    int size = snprintf(e->data, EVENT_SIZE,
                        "{\"eventTime\":\"2026-11-21T09:00:00.%03uZ\",\"producer\":\"https://"
                        "example.org/bench\",\"run\":{\"runId\":\"%s\"},\"job\":{\"namespace\":"
                        "\"bench\",\"name\":\"job%u\"},\"inputs\":[{\"namespace\":\"n\",\"name\":"
                        "\"d%u\",\"facets\":{\"text\":\"",
                        i % 1000, e->key, i % 5000, i);
    while ((size_t)size + 40 < EVENT_SIZE - sizeof end)
        size += snprintf(e->data + size, EVENT_SIZE - (size_t)size, "column_%08x BIGINT, ",
                         bench_random(UINT32_MAX));
    memset(e->data + size, ' ', EVENT_SIZE - (size_t)size);
    memcpy(e->data + EVENT_SIZE - (sizeof end - 1), end, sizeof end - 1);
}

static void fill(struct work *w, unsigned run_length)
{
    struct ol_error err = {0};
    struct spool_options options = {.directory = w->directory, .min_free_bytes = -1};
    struct ol__uuid run = {{0}};
    if (spool_open(&options, &w->spool, &err) != OL_OK)
        bench_die("spool: %s", err.message);
    for (unsigned i = 0; i < EVENTS; i++) {
        if (i % run_length == 0) {
            for (size_t b = 0; b < sizeof run.bytes; b++)
                run.bytes[b] = (uint8_t)bench_random(256);
            run.bytes[6] = (uint8_t)((run.bytes[6] & 0x0f) | 0x70);
            run.bytes[8] = (uint8_t)((run.bytes[8] & 0x3f) | 0x80);
        }
        make_event(&w->events[i], &run, i);
        struct spool_record record = {.type = SPOOL_EVENT,
                                      .source = SPOOL_FROM_HTTP,
                                      .lane_kind = OL_LANE_RUN_UUID,
                                      .uid = SPOOL_UID_UNKNOWN,
                                      .data = {w->events[i].data, EVENT_SIZE}};
        memcpy(record.lane, run.bytes, sizeof record.lane);
        if (spool_group_add(w->spool, &record, &err) != OL_OK ||
            ((i % 256 == 255 || i + 1 == EVENTS) && spool_group_commit(w->spool, &err) != OL_OK))
            bench_die("spool: %s", err.message);
    }
}

/* @p slow: the URL of a sink whose route goes beside; NULL: none. */
static void burst(struct work *w, char *slow, struct bench_figures *ret)
{
    char names[2][40]; /* cursors of their own: from the oldest event */
    snprintf(names[0], sizeof names[0], "burst%u", w->bursts++);
    snprintf(names[1], sizeof names[1], "slow%u", w->bursts);
    struct route_config routes[2] = {{.name = names[0],
                                      .type = ROUTE_KAFKA,
                                      .on_lag = ON_LAG_PIN,
                                      .brokers = w->brokers,
                                      .topic = (char *)(uintptr_t)TOPIC,
                                      .timeout_ms = 30000,
                                      .max_in_flight = 16,
                                      .retry_max_ms = 60000,
                                      .poison_tries = 8},
                                     {.name = names[1],
                                      .type = ROUTE_HTTP,
                                      .on_lag = ON_LAG_DETACH,
                                      .url = slow,
                                      .timeout_ms = 30000,
                                      .max_in_flight = 16,
                                      .retry_max_ms = 60000,
                                      .poison_tries = 8}};
    int count = slow != NULL ? 2 : 1;
    struct agent_config config = {.spool_directory = w->directory,
                                  .routes = {.items = routes, .count = (size_t)count}};
    struct agent_metrics metrics = {.route_count = count,
                                    .routes = {{.name = names[0]}, {.name = names[1]}}};
    struct agent agent = {.config = &config, .metrics = &metrics, .spool = w->spool};
    struct deliver *deliver;
    struct ol_error err = {0};
    int64_t wall = bench_now_ns(), cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (deliver_open(&agent, &deliver, &err) != OL_OK || deliver_start(deliver, &err) != OL_OK ||
        deliver_wait(deliver, names[0], &err) != OL_OK)
        bench_die("delivery: %s", err.message);
    figures(bench_now_ns() - wall, bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu, ret);
    deliver_stop(deliver, 0, NULL);
    deliver_close(deliver);
    expect_arrived(w);
}

static void burst_deliver(void *arg, struct bench_figures *ret)
{
    burst(arg, NULL, ret);
}

static void burst_beside(void *arg, struct bench_figures *ret)
{
    struct work *w = arg;
    burst(w, w->slow_url, ret);
}

/* A destination that takes 50 events a second costs the topic nothing. */
static void measure_beside(struct work *w)
{
    int port;
    struct sink *sink = sink_start_slow(&port, 50);
    snprintf(w->slow_url, sizeof w->slow_url, "http://127.0.0.1:%d/api/v1/lineage", port);
    const struct bench_side sides[] = {{"alone", burst_deliver, w},
                                       {"beside a slow sink", burst_beside, w}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_directory_make(w->directory, sizeof w->directory);
    fill(w, 100);
    bench_run(&set);
    bench_at_least(&set, "isolation", 1, BENCH_WALL, 0.9,
                   "delivery to Kafka beside an HTTP sink that takes 50 events/s, runs of 100");
    bench_release(&set);
    sink_stop(sink);
    spool_close(w->spool);
    bench_directory_remove(w->directory);
}

static void measure(struct work *w, unsigned run_length)
{
    char what[100];
    struct bench_figures last;
    bench_directory_make(w->directory, sizeof w->directory);
    fill(w, run_length);
    const struct bench_side sides[] = {{"bare librdkafka", burst_bare, w},
                                       {"delivery", burst_deliver, w}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_run(&set);
    snprintf(what, sizeof what, "delivery to Kafka, 2 KB, %s%u",
             run_length == EVENTS ? "one single run of " : "runs of ", run_length);
    bench_at_least(&set, "5", 1, BENCH_WALL, 0.8, what);
    bench_say("5", 1e6 / bench_median(&set, 1, BENCH_WALL), "/s", false, 0, "%s: events", what);
    snprintf(what, sizeof what, "delivery to Kafka, runs of %u: CPU of the process", run_length);
    bench_at_most(&set, "5", 1, BENCH_CPU, 0, what);
    bench_say_sides(&set, what);
    bench_release(&set);
    burst_deliver(w, &last);
    expect_events(w);
    spool_close(w->spool);
    bench_directory_remove(w->directory);
}

/* The topic exists once something is in it. */
static void make_topic(struct work *w)
{
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, settings(w, NULL, 0));
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, TOPIC, NULL);
    char first[] = "x";
    if (topic == NULL ||
        rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, first, 1, NULL, 0,
                         NULL) != 0 ||
        rd_kafka_flush(rk, BROKER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        bench_die("the topic cannot be made");
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    static const char *const pairs[][2] = {{"group.id", "bench"}, {"enable.auto.commit", "false"}};
    w->consumer = client(RD_KAFKA_CONSUMER, settings(w, pairs, OL_COUNT(pairs)));
    rd_kafka_poll_set_consumer(w->consumer);
    if (arrived(w) != 1)
        bench_die("the topic does not hold its one message");
}

int main(void)
{
    static struct work w;
    char directory[100];
    log_setup(LOG_LEVEL_ERROR, false);
    signal(SIGPIPE, SIG_IGN);
    bench_begin("bench_kafka", "a spool to a real broker against a bare librdkafka producer");
    bench_directory_make(directory, sizeof directory);
    snprintf(w.brokers, sizeof w.brokers, "127.0.0.1:%d", broker_start(directory));
    w.events = bench_alloc(EVENTS * sizeof *w.events);
    make_topic(&w);
    measure(&w, 2);
    measure(&w, 100);
    measure(&w, EVENTS); /* one single run */
    measure_beside(&w);
    rd_kafka_consumer_close(w.consumer);
    rd_kafka_destroy(w.consumer);
    free(w.events);
    broker_stop();
    bench_directory_remove(directory);
    return 0;
}
