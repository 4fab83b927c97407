/* SPDX-License-Identifier: Apache-2.0 */
#include "event_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "config.h"
#include "json_doc.h"
#include "spool_line.h"
#include "times.h"

#define BATCH_EVENTS 500u
#define BATCH_BYTES ((size_t)1 << 20)
#define WAIT_MS 60000 /* for an agent that is full */
#define PAUSE_MS 500

struct event_sink {
    struct place *place;
    struct spool_line *reader;
    uint64_t taken;
    struct ol__buf body;
    uint64_t numbers[BATCH_EVENTS];
    struct ol__span events[BATCH_EVENTS]; /* by offset in body while it grows */
    size_t count;
    struct spool *spool; /* without an agent */
    char door[1024];
};

/* ---- Through the door ---- */

static ol_status find_door(struct event_sink *k, struct ol_error *err)
{
    const char *named = getenv("LINEAGED_SOCKET");
    ol_status st = place_configure(k->place, err);
    if (st != OL_OK && !k->place->is_named)
        return st;
    if (k->place->is_named && named != NULL) {
        snprintf(k->door, sizeof k->door, "%s",
                 strncmp(named, "unix:", 5) == 0 ? named + 5 : named);
        return OL_OK;
    }
    const struct ol__text_list *listen = &k->place->config->http_listen;
    for (size_t i = 0; i < listen->count; i++) {
        if (strncmp(listen->items[i], "unix:", 5) != 0)
            continue;
        snprintf(k->door, sizeof k->door, "%s", listen->items[i] + 5);
        return OL_OK;
    }
    return ol__error_set(
        err, OL_CONFIG,
        "the agent's door has no unix socket (intake.http.listen): events cannot be "
        "handed to it from here");
}

/* Keep of the batch what was not taken and may be later. @return OL_OK: all is settled; OL_AGAIN; a
 * failure. */
static ol_status settle(struct event_sink *k, const struct json_node *failed, struct ol_error *err)
{
    size_t kept = 0;
    const struct json_node *next = failed != NULL ? failed->first : NULL;
    for (size_t i = 0; i < k->count; i++) {
        if (next == NULL || (size_t)json_get_int(next, "index", -1) != i) {
            k->taken++;
            continue;
        }
        if (!json_get_bool(next, "retriable"))
            return ol__error_set(err, OL_IO, "event %" PRIu64 ": the agent refuses it: %s",
                                 k->numbers[i], json_get_text(next, "reason"));
        k->numbers[kept] = k->numbers[i];
        k->events[kept++] = k->events[i];
        next = next->next;
    }
    k->count = kept;
    return kept == 0 ? OL_OK : OL_AGAIN;
}

static ol_status post(struct event_sink *k, struct ol_error *err)
{
    struct ol__buf wire, answer;
    struct json_doc doc;
    int status = 0;
    ol__buf_init(&wire, k->body.max * 2);
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    for (size_t i = 0; i < k->count; i++) {
        ol__buf_add_char(&wire, i == 0 ? '[' : ',');
        ol__buf_add(&wire, k->events[i].data, k->events[i].size);
    }
    ol__buf_add_char(&wire, ']');
    const struct client_content content = {.type = "application/json",
                                           .data = {.data = wire.data, .size = wire.size}};
    ol_status st = wire.status == OL_OK ? client_request(k->door, "POST", "/api/v1/lineage/batch",
                                                         &content, &status, &answer, err)
                                        : ol__error_set(err, OL_NOMEM, "import: out of memory");
    struct ol__span body = {.data = answer.data, .size = answer.size};
    if (st == OL_OK && status == 503) {
        st = OL_AGAIN;
    } else if (st == OL_OK && status != 200) {
        char *message = cli_answer_message(body, "no reason given");
        st = ol__error_set(err, OL_IO, "the agent answers %d: %s", status,
                           message != NULL ? message : "");
        free(message);
    } else if (st == OL_OK) {
        st = json_doc_read(&doc, body, err);
        if (st == OL_OK) {
            st = settle(k, json_get(doc.root, "failed_events"), err);
            json_doc_release(&doc);
        }
    }
    ol__buf_release(&wire);
    ol__buf_release(&answer);
    return st;
}

static ol_status post_patiently(struct event_sink *k, struct ol_error *err)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    int64_t deadline = ol__time_monotonic_ms() + WAIT_MS;
    ol_status st;
    while ((st = post(k, err)) == OL_AGAIN) {
        if (ol__time_monotonic_ms() >= deadline)
            return ol__error_set(err, OL_FULL, "the agent takes nothing: its spool is full");
        nanosleep(&pause, NULL); /* as its Retry-After asks: nothing tells when there is room */
    }
    return st;
}

/* ---- Under the lock ---- */

static ol_status put(struct event_sink *k, struct ol_error *err)
{
    ol_status st = OL_OK;
    for (size_t i = 0; i < k->count && st == OL_OK; i++) {
        const struct ol__event *event;
        struct ol__span bytes;
        st = spool_line_read(k->reader, k->events[i], &bytes, &event, err);
        if (st != OL_OK)
            return st;
        struct spool_record record = {.type = SPOOL_EVENT,
                                      .source = SPOOL_FROM_IMPORT,
                                      .source_position = k->numbers[i],
                                      .uid = (uint32_t)geteuid(), /* whose spool it is */
                                      .warnings = event->warnings,
                                      .time_ms = ol__time_now_ms(),
                                      .data = bytes};
        record.lane_kind = (uint8_t)ol__event_lane(event, record.lane);
        st = spool_group_add(k->spool, &record, err);
    }
    if (st == OL_OK)
        st = spool_group_commit(k->spool, err);
    if (st == OL_OK)
        k->taken += k->count;
    return st;
}

/* ---- All of it ---- */

static ol_status open_target(struct event_sink *k, struct ol_error *err)
{
    struct ol__buf body;
    int status = 0;
    ol__buf_init(&body, CLIENT_ANSWER_MAX);
    ol_status st = place_get(k->place, "/healthz", &status, &body, err);
    ol__buf_release(&body);
    if (st == OL_OK)
        return find_door(k, err);
    if (st != OL_NOT_FOUND)
        return st;
    st = place_configure(k->place, err);
    if (st == OL_OK && k->place->config->rules.count > 0) /* promise 3 */
        st = ol__error_set(
            err, OL_IO,
            "rules are configured, which only the agent applies: start it, then import");
    if (st != OL_OK)
        return st;
    st = place_open_spool(k->place, &k->spool, err);
    if (st == OL_NOT_FOUND) { /* the agent never ran: it makes its places */
        offline_prepare(k->place);
        st = place_open_spool(k->place, &k->spool, err);
    }
    return st;
}

ol_status event_sink_open(struct place *place, struct event_sink **ret, struct ol_error *err)
{
    struct event_sink *k = calloc(1, sizeof *k);
    if (k == NULL)
        return ol__error_set(err, OL_NOMEM, "import: out of memory");
    k->place = place;
    ol__buf_init(&k->body, BATCH_BYTES + SPOOL_PAYLOAD_MAX);
    ol_status st = spool_line_new(&k->reader, err);
    if (st == OL_OK)
        st = open_target(k, err);
    if (st != OL_OK) {
        event_sink_close(k);
        return st;
    }
    *ret = k;
    return OL_OK;
}

bool event_sink_is_spool(const struct event_sink *k)
{
    return k->spool != NULL;
}

ol_status event_sink_flush(struct event_sink *k, struct ol_error *err)
{
    if (k->count == 0)
        return OL_OK;
    const char *at = k->body.data;
    for (size_t i = 0; i < k->count; i++) { /* now that the buffer moves no more */
        k->events[i].data = at;
        at += k->events[i].size;
    }
    ol_status st = k->spool != NULL ? put(k, err) : post_patiently(k, err);
    if (st != OL_OK)
        return st;
    k->count = 0;
    ol__buf_reset(&k->body);
    return OL_OK;
}

ol_status event_sink_add(struct event_sink *k, struct ol__span event, uint64_t number,
                         struct ol_error *err)
{
    ol_status st = OL_OK;
    if (k->count == BATCH_EVENTS || (k->count > 0 && k->body.size + event.size > BATCH_BYTES))
        st = event_sink_flush(k, err);
    if (st != OL_OK)
        return st;
    if (ol__buf_add(&k->body, event.data, event.size) != OL_OK)
        return ol__error_set(err, OL_NOMEM, "import: out of memory");
    k->numbers[k->count] = number;
    k->events[k->count++] = (struct ol__span){.size = event.size};
    return OL_OK;
}

uint64_t event_sink_count(const struct event_sink *k)
{
    return k->taken;
}

uint64_t event_sink_first_open(const struct event_sink *k, uint64_t fallback)
{
    return k->count > 0 ? k->numbers[0] : fallback;
}

void event_sink_close(struct event_sink *k)
{
    if (k == NULL)
        return;
    spool_close(k->spool);
    spool_line_free(k->reader);
    ol__buf_release(&k->body);
    free(k);
}
