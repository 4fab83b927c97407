/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. The bytes sent are the event's bytes; of several, with commas between.
 *  2. A batch holds at most batch_events events and BATCH_BYTES bytes, of different lanes. */
#include "http_route.h"

#include <stdlib.h>

#define KEEP_BUFFER (256u * 1024u)
#define BATCH_BYTES (1u << 20)
#define PACK_MIN 512 /* below that gzip gains nothing */

static const struct ol__span opening[] = {
    [BATCH_ARRAY] = OL_SPAN_LIT("["), [BATCH_OBJECT] = OL_SPAN_LIT("{\"events\":[")};
static const struct ol__span closing[] = {
    [BATCH_ARRAY] = OL_SPAN_LIT("]"), [BATCH_OBJECT] = OL_SPAN_LIT("]}")};

bool request_is_free(const struct http_route *r, const struct request *held)
{
    for (size_t i = 0; i < r->request_count; i++)
        if (!r->requests[i].is_busy && &r->requests[i] != held)
            return true;
    return false;
}

struct request *request_take(struct http_route *r)
{
    for (size_t i = 0; i < r->request_count; i++) {
        struct request *q = &r->requests[i];
        if (q->is_busy)
            continue;
        q->is_busy = true;
        q->is_resend = q->is_packed = q->transfer.is_fresh = false;
        q->count = 0;
        ol__buf_reset(&q->body);
        return q;
    }
    return NULL;
}

void request_end(struct request *q)
{
    auth_headers_unref(q->headers);
    q->headers = NULL;
    q->is_busy = false;
    q->count = 0;
    if (q->body.cap > KEEP_BUFFER)
        ol__buf_release(&q->body);
    if (q->packed.cap > KEEP_BUFFER)
        ol__buf_release(&q->packed);
}

bool request_has_room(const struct request *q, size_t size)
{
    return q->count == 0 ||
           (q->count < q->route->batch_events && q->body.size + size + 16 <= BATCH_BYTES);
}

bool request_add(struct request *q, const struct lanes_item *item,
                 const struct spool_record *record, const struct late_event *late)
{
    size_t before = q->body.size;
    if (q->count > 0)
        ol__buf_add_char(&q->body, ',');
    size_t at = q->body.size;
    if (ol__buf_add(&q->body, record->data.data, record->data.size) != OL_OK) {
        if (q->count == 0)
            ol__buf_reset(&q->body);
        else
            ol__buf_truncate(&q->body, before);
        return false;
    }
    struct sent *sent = &q->sent[q->count++];
    *sent = (struct sent){.item = *item, .record = *record, .at = at, .size = record->data.size};
    sent->record.data = (struct ol__span){0};
    if (late != NULL)
        sent->late = *late;
    return true;
}

struct spool_record request_record(const struct request *q, size_t i)
{
    struct spool_record record = q->sent[i].record;
    record.data = (struct ol__span){.data = q->body.data + q->sent[i].at, .size = q->sent[i].size};
    return record;
}

/* Brackets around several events. */
static bool wrap(struct request *q)
{
    enum profile_batch batch = q->route->profile->batch;
    size_t size = q->body.size, front = opening[batch].size;
    if (ol__buf_room(&q->body, front + closing[batch].size) == NULL)
        return false;
    ol__buf_grow(&q->body, front);
    memmove(q->body.data + front, q->body.data, size);
    memcpy(q->body.data, opening[batch].data, front);
    for (size_t i = 0; i < q->count; i++)
        q->sent[i].at += front;
    return ol__buf_add(&q->body, closing[batch].data, closing[batch].size) == OL_OK;
}

static bool submit(struct request *q)
{
    struct http_route *r = q->route;
    struct ol__span body = {.data = q->body.data, .size = q->body.size};
    q->is_packed = r->packer != NULL && !r->is_packing_off && body.size >= PACK_MIN;
    if (q->is_packed && packer_gzip(r->packer, body, &q->packed) != OL_OK)
        return false;
    if (q->is_packed)
        body = (struct ol__span){.data = q->packed.data, .size = q->packed.size};
    auth_headers_unref(q->headers);
    q->headers = auth_headers(r->auth);
    if (q->headers == NULL)
        return false;
    q->transfer.answer.max = q->count > 1 ? HTTP_BATCH_ANSWER_MAX : HTTP_ANSWER_MAX;
    struct http_message message = {.url = q->count > 1 ? r->batch_url.data : r->url.data,
                                   .body = body,
                                   .headers =
                                       q->is_packed ? q->headers->packed : q->headers->plain};
    if (!transfer_start(&q->transfer, &message))
        return false;
    metric_add(&r->base.metrics->requests, 1);
    return true;
}

void request_send(struct request *q, int64_t now_ms)
{
    struct http_route *r = q->route;
    for (size_t i = 0; i < q->count; i++)
        if (q->sent[i].item.tries > 1 && !q->transfer.is_fresh) {
            metric_add(&r->base.metrics->retries, 1);
            break;
        }
    bool is_first = !q->transfer.is_fresh && !q->is_resend;
    if ((q->count == 1 || !is_first || wrap(q)) && submit(q))
        return;
    bool is_denied = !auth_is_ready(r->auth); /* a token has just ended: no fault of ours */
    if (!is_denied)
        route_metrics_set_error(r->base.metrics, "request: out of memory");
    for (size_t i = 0; i < q->count; i++)
        lanes_release(r->lanes, &q->sent[i].item, now_ms, is_denied ? 0 : LOCAL_DELAY_MS);
    request_end(q);
}
