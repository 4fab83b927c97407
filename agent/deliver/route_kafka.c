/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. An event is done when its delivery report says so, or its dead letter is synced.
 *  2. Order per key: the idempotent producer keeps it while it lives, for messages never time out
 * in it (message.timeout.ms 0 unless configured). When one fails, or the producer does, all that is
 * not reported is purged and read again from the low-water mark by a new producer.
 *  3. Memory: librdkafka holds at most 16 MiB of messages; what does not fit stays in the spool.
 *  4. librdkafka is loaded only here.
 *  5. While login, encryption or a setting's file keeps events back, the files that settings name
 * are looked at once a second; a change makes a new producer with them at once.
 *  6. A broker refuses a whole batch for one message, or for its size: what was refused beside
 * others is sent again alone, from the low-water mark, and parked only if it is refused then. */
#include "route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "kafka_error.h"
#include "kafka_key.h"
#include "times.h"

#define RETRY_MS 1000
#define HELD_MS 60000
#define LOOK_MS 1000
#define FLUSH_POLL_MS 50

struct message {
    uint64_t seq, segment, offset;
    int64_t taken_ms;
    rd_kafka_resp_err_t code; /* to be parked: why; none: our own limit */
    struct message *next;     /* free, or to be parked */
};

struct kafka_route {
    struct route base;
    const struct kafka_library *lib;
    struct kafka_settings settings;
    struct kafka_keys *keys;
    rd_kafka_t *producer; /* NULL: none now */
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    struct message *unused, *to_park;
    size_t outstanding;
    bool is_failing; /* purge, then begin again from the low-water mark */
    bool is_purged;
    bool is_held;           /* one message at a time until one gets through */
    bool is_refused;        /* login or encryption fails: says so until one gets through */
    bool is_down;           /* no broker can be reached */
    bool has_files;         /* settings name files */
    bool is_prompt;         /* the next producer at once */
    uint64_t careful_until; /* promise 6: one message at a time up to this sequence */
    bool has_parked;        /* since then */
    int failures;           /* producers in a row without a delivery */
    int64_t retry_at, park_at, progress_at, look_at;
    char reason[ROUTE_ERROR_MAX];
    enum route_cause cause; /* what kind of reason that is */
};

/* ---- What librdkafka tells ---- */

static void say(struct kafka_route *r, enum route_cause cause, const char *what, const char *detail)
{
    /* "All brokers down" comes behind what says why. */
    if (cause != CAUSE_CONNECT || r->cause == CAUSE_NONE)
        r->cause = cause;
    snprintf(r->reason, sizeof r->reason, "%s: %s", what, detail);
}

static void say_code(struct kafka_route *r, rd_kafka_resp_err_t code, const char *text)
{
    r->cause = kafka_error_cause(code);
    kafka_error_tell(&r->settings, code, text, r->reason, sizeof r->reason);
}

static void begin_again(struct kafka_route *r, rd_kafka_resp_err_t code)
{
    if (!r->is_failing)
        say_code(r, code, r->lib->err2str(code));
    r->is_failing = true;
    r->is_held = r->is_held || kafka_error_is_setting(code);
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *arg)
{
    struct kafka_route *r = arg;
    rd_kafka_resp_err_t code = (rd_kafka_resp_err_t)error;
    char text[200];
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_resp_err_t original = r->lib->fatal_error(producer, text, sizeof text);
        begin_again(r, original);
        if (kafka_error_is_setting(original)) /* without any right there is no idempotence either */
            say_code(r, original, text);
        else
            say(r, kafka_error_cause(original), "fatal", text);
        return;
    }
    /* The rest librdkafka goes on trying itself; what it says last is why nothing comes, but for
     * "all brokers are down", which is no reason. */
    bool is_setting = kafka_error_is_setting(code);
    r->is_refused = r->is_refused || is_setting;
    r->is_down = r->is_down || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    if (is_setting ||
        (!r->is_refused && (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || r->cause == CAUSE_NONE)))
        say_code(r, code, reason);
}

/* Promise 6. With nothing else outstanding it was alone in its batch: those beside it would have
 * been refused, and have made is_failing true. @return whether it is to be parked. */
static bool is_refused_alone(struct kafka_route *r, uint64_t seq)
{
    if (r->outstanding == 0 && !r->is_failing)
        return true;
    if (!r->is_failing) {
        begin_again(r, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        r->is_prompt = true;
        if (r->careful_until != 0 && !r->has_parked) /* no event, the batches are too large */
            r->settings.batch_bytes = OL_MAX(r->settings.batch_bytes / 2, INT64_C(1024));
        r->has_parked = false;
    }
    r->careful_until = OL_MAX(r->careful_until, seq);
    return false;
}

static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *report, void *arg)
{
    struct kafka_route *r = arg;
    struct message *m = report->_private;
    (void)producer;
    r->outstanding--;
    if (kafka_error_is_bad_event(report->err)) {
        if (is_refused_alone(r, m->seq)) {
            m->code = report->err;
            m->next = r->to_park;
            r->to_park = m;
            r->has_parked = true;
            return;
        }
    } else if (report->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        OL_CRASHPOINT("deliver.answered");
        route_done(&r->base, m->seq);
        OL_CRASHPOINT("deliver.done");
        metric_add(&r->base.metrics->delivered_events, 1);
        metric_add(&r->base.metrics->delivered_bytes, report->len);
        route_metrics_delivered(r->base.metrics, m->taken_ms, 1);
        r->cause = CAUSE_NONE;
        r->is_held = r->is_down = r->is_refused = false;
        r->failures = 0;
        r->progress_at = ol__time_monotonic_ms();
    } else if (report->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
               report->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
        begin_again(r, report->err);
        metric_add(&r->base.metrics->retries, 1);
    }
    m->next = r->unused;
    r->unused = m;
}

static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    (void)producer; /* comes on librdkafka's threads: only the log may be touched */
    log_write(level <= 3 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "kafka", "%s: %s", facility, text);
}

/* ---- Producer ---- */

static void producer_close(struct kafka_route *r)
{
    if (r->queue != NULL)
        r->lib->queue_destroy(r->queue);
    if (r->topic != NULL)
        r->lib->topic_destroy(r->topic);
    if (r->producer != NULL)
        r->lib->destroy(r->producer);
    r->queue = NULL;
    r->topic = NULL;
    r->producer = NULL;
    r->is_failing = r->is_purged = false;
}

static ol_status producer_open(struct kafka_route *r, struct ol_error *err)
{
    char text[200];
    rd_kafka_conf_t *conf;
    ol_status status = kafka_settings_make(&r->settings, &conf, err);
    if (status != OL_OK)
        return status;
    r->lib->conf_set_opaque(conf, r);
    r->lib->conf_set_dr_msg_cb(conf, on_report);
    r->lib->conf_set_error_cb(conf, on_error);
    r->lib->conf_set_log_cb(conf, on_log);
    r->producer = r->lib->new (RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (r->producer == NULL) {
        r->lib->conf_destroy(conf);
        return ol__error_set(err, OL_CONFIG, "librdkafka: %s", text);
    }
    r->topic = r->lib->topic_new(r->producer, r->base.config->topic, NULL);
    if (r->topic == NULL) {
        producer_close(r);
        return ol__error_set(err, OL_CONFIG, "topic '%s': %s", r->base.config->topic,
                             r->lib->err2str(r->lib->last_error()));
    }
    r->queue = r->lib->queue_get_main(r->producer);
    static const uint64_t one = 1;
    r->lib->queue_io_event_enable(r->queue, r->base.poll_fd, &one, sizeof one);
    /* From the low-water mark; what is done above it is passed over. */
    uint64_t low = spool_cursor_low(r->base.cursor);
    struct spool_reader *reader;
    status = spool_reader_open(r->base.agent->spool, low, &reader, err);
    if (status != OL_OK) {
        producer_close(r);
        return status;
    }
    spool_reader_close(r->base.reader);
    r->base.reader = reader;
    r->base.read_seq = low;
    r->base.ahead.seq = 0;
    r->base.gap_at = 0;
    return OL_OK;
}

/* ---- Work ---- */

static ol_status park(struct kafka_route *r, const struct message *m,
                      const struct spool_record *record, struct ol_error *err)
{
    char reason[160];
    if (m->code == RD_KAFKA_RESP_ERR_NO_ERROR)
        snprintf(reason, sizeof reason,
                 "%zu bytes are more than this route sends (message.max.bytes of its properties)",
                 record->data.size);
    else
        snprintf(reason, sizeof reason, "%zu bytes, refused by the broker: %s", record->data.size,
                 r->lib->err2str(m->code));
    bool is_sent = m->code != RD_KAFKA_RESP_ERR_NO_ERROR;
    return route_park(&r->base, record, reason, 0, (struct ol__span){0}, is_sent ? 1 : 0, err);
}

/* @return whether all are parked. */
static bool park_all(struct kafka_route *r, int64_t now_ms)
{
    struct ol_error err;
    struct spool_record record;
    if (r->to_park == NULL)
        return true;
    if (now_ms < r->park_at)
        return false;
    while (r->to_park != NULL) {
        struct message *m = r->to_park;
        ol_status status =
            spool_read_again(r->base.reader, m->segment, m->offset, m->seq, &record, &err);
        if (status == OL_NOT_FOUND || status == OL_CORRUPT) {
            route_metrics_dropped(r->base.metrics, DROP_UNREADABLE, 1);
        } else {
            if (status == OL_OK)
                status = park(r, m, &record, &err);
            if (status != OL_OK) {
                r->park_at = now_ms + RETRY_MS;
                return false;
            }
        }
        route_done(&r->base, m->seq);
        r->to_park = m->next;
        m->next = r->unused;
        r->unused = m;
    }
    return true;
}

static struct message *message_new(struct kafka_route *r, const struct spool_record *record)
{
    struct message *m = r->unused;
    if (m != NULL)
        r->unused = m->next;
    else
        m = malloc(sizeof *m);
    if (m != NULL)
        *m = (struct message){.seq = record->seq,
                              .segment = record->segment,
                              .offset = record->offset,
                              .taken_ms = record->time_ms};
    return m;
}

/* @return OL_OK; OL_AGAIN: it comes again from route_read(), at now + *ret_delay or with a report.
 */
static ol_status produce(struct kafka_route *r, const struct spool_record *record, int64_t now_ms,
                         int64_t *ret_delay)
{
    struct ol__span key;
    struct ol_error err = {0};
    struct message *m = message_new(r, record);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    *ret_delay = RETRY_MS;
    if (m == NULL)
        return OL_AGAIN;
    ol_status status = kafka_keys_get(r->keys, record, &key, &err);
    if (status == OL_INVALID || status == OL_TOO_LARGE)
        key = (struct ol__span){0}; /* no key: any partition */
    else if (status != OL_OK)
        goto again;
    if (r->lib->produce(r->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                        (void *)(uintptr_t)record->data.data, record->data.size, key.data, key.size,
                        m) == 0) {
        if (r->outstanding++ == 0)
            r->progress_at = now_ms;
        metric_add(&r->base.metrics->requests, 1);
        pace_take(&r->base.pace, record->data.size);
        return OL_OK;
    }
    code = r->lib->last_error();
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        m->next = r->to_park;
        r->to_park = m;
        return OL_OK;
    }
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        *ret_delay = INT64_MAX; /* reports make room, and wake us */
    else
        begin_again(r, code);
again:
    m->next = r->unused;
    r->unused = m;
    return OL_AGAIN;
}

/* Whether messages go one at a time. */
static bool is_careful(const struct kafka_route *r)
{
    return r->is_held || r->base.read_seq <= r->careful_until;
}

static int64_t send_some(struct kafka_route *r, int64_t now_ms)
{
    struct spool_record record;
    struct ol_error err;
    while (!is_careful(r) || r->outstanding == 0) {
        int64_t paced = pace_wait(&r->base.pace, now_ms);
        if (paced != 0)
            return paced;
        ol_status status = route_read(&r->base, &record, &err);
        if (status == OL_END || status == OL_AGAIN)
            return INT64_MAX; /* a commit or a report wakes us */
        if (status != OL_OK) {
            route_metrics_set_error(r->base.metrics, err.message);
            return now_ms + RETRY_MS;
        }
        int64_t delay;
        if (produce(r, &record, now_ms, &delay) != OL_OK) {
            r->base.ahead = record;
            return delay == INT64_MAX ? INT64_MAX : now_ms + delay;
        }
    }
    return INT64_MAX;
}

static void show_state(struct kafka_route *r, bool is_late)
{
    if (r->is_held || r->is_refused)
        route_set_state(&r->base, ROUTE_HELD, r->reason);
    else if (r->to_park != NULL && r->base.is_letter_failing)
        route_set_state(&r->base, ROUTE_FAILED, NULL); /* route_park() said why */
    else if ((r->is_down && r->outstanding > 0) || is_late || r->failures > 2)
        route_set_state(&r->base, ROUTE_CIRCUIT_OPEN,
                        r->reason[0] != '\0' ? r->reason : "no delivery report");
    else
        route_set_state(&r->base, r->failures > 0 ? ROUTE_RETRYING : ROUTE_OK,
                        r->failures > 0 ? r->reason : NULL);
    if (r->base.is_stuck && metric_get(&r->base.metrics->state) != ROUTE_FAILED)
        route_metrics_set_cause(r->base.metrics, r->cause != CAUSE_NONE ? r->cause : CAUSE_TIMEOUT,
                                r->reason[0] != '\0' ? r->reason : "no delivery report");
    metric_set(&r->base.metrics->in_flight, r->outstanding);
}

static int64_t hold_ms(const struct kafka_route *r)
{
    return r->base.config->hold_ms > 0 ? r->base.config->hold_ms : HELD_MS;
}

/* Promise 5. @return when to look again. */
static int64_t look_at_files(struct kafka_route *r, int64_t now_ms)
{
    bool is_waiting = r->is_refused || r->is_held || r->producer == NULL;
    if (!r->has_files || !is_waiting || r->is_failing)
        return INT64_MAX;
    if (now_ms < r->look_at)
        return r->look_at;
    r->look_at = now_ms + LOOK_MS;
    if (!kafka_settings_changed(&r->settings))
        return r->look_at;
    log_write(LOG_LEVEL_INFO, r->base.area, "a file of its settings changed: a new producer");
    r->is_prompt = true;
    r->is_refused = false;
    r->is_failing = r->producer != NULL;
    r->retry_at = now_ms;
    return now_ms;
}

/* @return when to come again; 0: the producer works. */
static int64_t ready_producer(struct kafka_route *r, int64_t now_ms)
{
    struct ol_error err;
    if (r->is_failing) {
        if (!r->is_purged)
            r->lib->purge(r->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        r->is_purged = true;
        if (r->outstanding > 0)
            return now_ms + FLUSH_POLL_MS; /* reports of what was purged are on their way */
        producer_close(r);
        log_write(LOG_LEVEL_WARNING, r->base.area,
                  "%s: a new producer begins behind event %" PRIu64, r->reason,
                  spool_cursor_low(r->base.cursor));
        r->failures++;
        int64_t wait = (int64_t)RETRY_MS << OL_MIN(r->failures - 1, 6);
        wait = r->is_held ? hold_ms(r) : OL_MIN(wait, r->base.config->retry_max_ms);
        r->retry_at = now_ms + (r->is_prompt ? 0 : wait);
        r->is_prompt = false;
    }
    if (r->producer != NULL)
        return 0;
    if (now_ms < r->retry_at)
        return r->retry_at;
    if (producer_open(r, &err) == OL_OK)
        return 0;
    say(r, CAUSE_OTHER, "producer", err.message);
    r->is_held = true;
    r->retry_at = now_ms + hold_ms(r);
    return r->retry_at;
}

static int64_t work(struct route *base, int64_t now_ms)
{
    struct kafka_route *r = (struct kafka_route *)base;
    uint64_t count;
    OL_IGNORE(read(base->poll_fd, &count, sizeof count) < 0, "EAGAIN: nothing came");
    if (r->producer != NULL)
        while (r->lib->poll(r->producer, 0) > 0)
            continue;
    int64_t next = look_at_files(r, now_ms);
    park_all(r, now_ms); /* before a new producer, which would read them again */
    int64_t wait = r->to_park != NULL && r->is_failing ? r->park_at : ready_producer(r, now_ms);
    if (wait == 0)
        wait = send_some(r, now_ms);
    if (!park_all(r, now_ms))
        next = OL_MIN(next, r->park_at);
    if (r->is_failing)
        wait = OL_MIN(wait, now_ms + 1);
    bool is_late = false;
    if (r->outstanding > 0) {
        int64_t late_at = r->progress_at + base->config->timeout_ms;
        is_late = now_ms >= late_at;
        if (!is_late)
            next = OL_MIN(next, late_at);
    }
    show_state(r, is_late);
    return OL_MIN(next, wait);
}

static void stop(struct route *base)
{
    struct kafka_route *r = (struct kafka_route *)base;
    if (r->producer == NULL)
        return;
    r->lib->purge(r->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    OL_IGNORE(r->lib->flush(r->producer, 1000) != RD_KAFKA_RESP_ERR_NO_ERROR,
              "what has no report stays in the spool");
    park_all(r, ol__time_monotonic_ms());
    producer_close(r);
}

static void list_free(struct message *m)
{
    while (m != NULL) {
        struct message *next = m->next;
        free(m);
        m = next;
    }
}

static void kafka_close(struct route *base)
{
    struct kafka_route *r = (struct kafka_route *)base;
    stop(base);
    list_free(r->unused);
    list_free(r->to_park);
    kafka_keys_free(r->keys);
    if (base->poll_fd >= 0)
        close(base->poll_fd);
    route_release(base);
    free(r);
}

/* What is wrong for good is told at the start; what cannot be read now holds the route. */
static ol_status check_settings(struct kafka_route *r, struct ol_error *err)
{
    rd_kafka_conf_t *conf;
    r->settings = (struct kafka_settings){
        .lib = r->lib, .config = r->base.config, .batch_bytes = KAFKA_BATCH_BYTES};
    r->has_files = kafka_settings_have_files(&r->settings);
    ol_status status = kafka_settings_make(&r->settings, &conf, err);
    if (status == OL_OK)
        r->lib->conf_destroy(conf);
    return status == OL_CONFIG || status == OL_NOMEM ? status : OL_OK;
}

/* What was not reported within the second that stop() waits never will be: its producer is gone. */
static void forget(struct route *base)
{
    struct kafka_route *r = (struct kafka_route *)base;
    stop(base);
    r->outstanding = 0;
}

/* work() opens a new producer and a new reader at the mark. */
static ol_status kafka_rewind(struct route *base, uint64_t from, uint64_t *ret_from,
                              struct ol_error *err)
{
    return route_rewind(base, from, forget, ret_from, err);
}

static const struct route_ops kafka_ops = {work, stop, kafka_close, kafka_rewind};

ol_status route_kafka_open(const struct agent *agent, int index, struct route **ret,
                           struct ol_error *err)
{
    struct kafka_route *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ol__error_set(err, OL_NOMEM, "route: out of memory");
    *ret = &r->base;
    r->base.ops = &kafka_ops;
    ol_status status = route_init(&r->base, agent, index, false, err);
    const struct route_config *config = r->base.config;
    if (status == OL_OK)
        status = kafka_library_load(&r->lib, err);
    if (status == OL_OK)
        status = check_settings(r, err);
    if (status == OL_OK)
        status = kafka_keys_new(config->key == 1, &r->keys, err);
    if (status == OL_OK)
        status = route_open_letters(&r->base, err);
    if (status != OL_OK)
        return status;
    r->base.poll_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->base.poll_fd < 0)
        return ol__error_set(err, OL_IO, "route: eventfd");
    return OL_OK;
}
