/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. What goes into the spool is the decoded body as it was sent, white space included; of an
 * array, the exact bytes of each element.
 *  2. An event that stands in the spool, or in the group that waits for its sync, is not taken
 * again from the same client within the window; each element of an array is remembered by itself,
 * so an array that was taken in part (the spool became full) can be sent again whole. */
#include "http_impl.h"

#include <stdlib.h>
#include "json_write.h"
#include "times.h"

/* Who asks, where, and what: lengths are in it, so no two requests are spelt alike. */
static void request_key(const struct http_request *r, struct ol__span body, uint32_t uid,
                        uint8_t key[DEDUP_KEY_SIZE])
{
    struct ol__sha256 *hash = r->listener->door->hash;
    uint8_t sum[OL_SHA256_SIZE], head[20];
    const char *credential = r->fields.authorization != NULL ? r->fields.authorization : "";
    ol__put_le64(head, strlen(r->url));
    ol__put_le64(head + 8, strlen(credential));
    ol__put_le32(head + 16, uid);
    ol__sha256_reset(hash);
    ol__sha256_add(hash, head, sizeof head);
    ol__sha256_add(hash, r->url, strlen(r->url));
    ol__sha256_add(hash, credential, strlen(credential));
    ol__sha256_add(hash, body.data, body.size);
    ol__sha256_finish(hash, sum);
    memcpy(key, sum, DEDUP_KEY_SIZE);
}

struct origin {
    uint8_t key[DEDUP_KEY_SIZE];
    uint32_t uid;   /* as the record has it */
    int64_t now_ms; /* monotonic */
};

/* @return OL_OK: it waits for the sync; OL_END: it is on disk already, or a rule dropped it; else
 * as intake_take(). */
static ol_status take_one(struct http_door *door, const struct origin *from, uint64_t index,
                          struct ol__span event, struct ol_error *err)
{
    uint8_t key[DEDUP_KEY_SIZE];
    dedup_element_key(from->key, index, key);
    enum dedup_found found = dedup_find(door->dedup, key, from->now_ms);
    if (found != DEDUP_NEW) { /* promise 2 */
        metric_add(&door->metrics->http_duplicates, 1);
        return found == DEDUP_DONE ? OL_END : OL_OK;
    }
    struct spool_record record = {
        .source = SPOOL_FROM_HTTP, .source_position = index, .uid = from->uid, .data = event};
    memcpy(record.source_id, from->key, sizeof record.source_id);
    ol_status status = intake_take(door->taker, &record, NULL, err);
    if (status == OL_OK)
        dedup_add(door->dedup, key, from->now_ms);
    return status;
}

static int status_of(ol_status status)
{
    return status == OL_INVALID     ? MHD_HTTP_BAD_REQUEST
           : status == OL_TOO_LARGE ? MHD_HTTP_CONTENT_TOO_LARGE
                                    : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void take_event(struct http_request *r, const struct origin *from, struct ol__span body)
{
    struct ol_error err = {0};
    ol_status status = take_one(r->listener->door, from, 0, body, &err);
    if (status == OL_OK || status == OL_END) {
        r->status = MHD_HTTP_CREATED;
        r->events = 1;
        r->is_waiting = status == OL_OK;
    } else
        http_refuse(r, status_of(status), err.message);
}

/* ---- Arrays ---- */

struct elements {
    struct ol__span text;
    struct ol__span *items; /* owned */
    size_t count, cap;
    bool is_array;
};

static ol_status element(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct elements *e = arg;
    if (v->depth == 0) {
        if (v->type == OL_JSON_ARRAY)
            e->is_array = true;
        else if (v->type != OL_JSON_ARRAY_END)
            return ol__error_set(err, OL_INVALID, "expected an array of events");
        return OL_OK;
    }
    if (v->depth != 1 || v->type == OL_JSON_OBJECT || v->type == OL_JSON_ARRAY)
        return OL_OK; /* inside an element, or its beginning: its end has the range */
    if (e->count == HTTP_BATCH_MAX)
        return ol__error_set(err, OL_TOO_LARGE, "more than %u events in one array", HTTP_BATCH_MAX);
    if (e->count == e->cap) {
        struct ol__span *items = ol__grow(e->items, &e->cap, sizeof *items);
        if (items == NULL)
            return ol__error_set(err, OL_NOMEM, "array: out of memory");
        e->items = items;
    }
    e->items[e->count++] =
        (struct ol__span){.data = e->text.data + v->begin, .size = v->end - v->begin};
    return OL_OK;
}

struct summary {
    uint64_t successful, retriable, non_retriable;
    bool is_waiting;
};

static void take_elements(struct http_request *r, const struct origin *from,
                          const struct elements *e, struct ol__json_writer *w, struct summary *sum)
{
    for (size_t i = 0; i < e->count; i++) {
        struct ol_error err = {0};
        ol_status status = take_one(r->listener->door, from, i, e->items[i], &err);
        if (status == OL_OK || status == OL_END) {
            sum->successful++;
            sum->is_waiting |= status == OL_OK;
            continue;
        }
        bool is_retriable = status != OL_INVALID && status != OL_TOO_LARGE;
        sum->retriable += is_retriable;
        sum->non_retriable += !is_retriable;
        ol__json_begin_object(w);
        ol__json_member_uint(w, "index", i);
        ol__json_member_text(w, "reason", err.message);
        ol__json_member_bool(w, "retriable", is_retriable);
        ol__json_end_object(w);
    }
}

static void take_batch(struct http_request *r, const struct origin *from, struct ol__span body)
{
    struct http_door *door = r->listener->door;
    struct elements e = {.text = body};
    struct summary sum = {0};
    struct ol_error err = {0};
    struct ol__json_writer w;
    ol_status status = OL_OK;
    if (door->json == NULL)
        status = ol__json_reader_new(&door->json, &err);
    if (status == OL_OK)
        status = ol__json_read(door->json, body, NULL, element, &e, &err);
    if (status != OL_OK) {
        http_refuse(r, status_of(status), err.message);
        free(e.items);
        return;
    }
    ol__json_writer_init(&w, &r->answer);
    ol__json_begin_object(&w);
    ol__json_key(&w, "failed_events");
    ol__json_begin_array(&w);
    take_elements(r, from, &e, &w, &sum);
    ol__json_end_array(&w);
    uint64_t failed = sum.retriable + sum.non_retriable;
    if (sum.non_retriable > 0)
        log_write(LOG_LEVEL_WARNING, "intake", "%s: %llu of %zu events of an array are refused",
                  r->listener->socket.address.text, (unsigned long long)sum.non_retriable, e.count);
    ol__json_member_text(&w, "status", failed == 0 ? "success" : "partial_success");
    ol__json_key(&w, "summary");
    ol__json_begin_object(&w);
    ol__json_member_uint(&w, "received", e.count);
    ol__json_member_uint(&w, "successful", sum.successful);
    ol__json_member_uint(&w, "failed", failed);
    ol__json_member_uint(&w, "retriable", sum.retriable);
    ol__json_member_uint(&w, "non_retriable", sum.non_retriable);
    ol__json_end_object(&w);
    ol__json_end_object(&w);
    ol__buf_add_char(&r->answer, '\n');
    r->status = MHD_HTTP_OK;
    r->events = sum.successful;
    r->is_waiting = sum.is_waiting;
    free(e.items);
}

void http_take(struct http_request *r, struct ol__span body)
{
    struct origin from = {.uid = http_auth_record_uid(r), .now_ms = ol__time_monotonic_ms()};
    request_key(r, body, http_link_uid(r->connection), from.key);
    if (r->kind == HTTP_BATCH)
        take_batch(r, &from, body);
    else
        take_event(r, &from, body);
}
