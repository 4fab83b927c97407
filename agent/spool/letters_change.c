/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Sent again: first the events are in the spool, synced; then their letters end. A crash
 * between the two doubles the batch when somebody asks again; nothing is lost (S21).
 *  2. Memory holds one batch: BATCH_LETTERS, and BATCH_BYTES of events or one that is larger.
 *  3. Letters of a route that nobody owns stay as they are. */
#include "letters_change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "event_read.h"
#include "times.h"

#define BATCH_LETTERS 4096u
#define BATCH_BYTES ((size_t)4 << 20)
#define ROUTE_NAME_MAX 80

bool letters_choice_is_narrow(const struct letters_choice *c)
{
    return c->id != NULL || c->route != NULL || c->reason != NULL || c->status >= 0;
}

bool letters_choice_has(const struct letters_choice *c, const struct dead_letter *letter)
{
    return (c->id == NULL || strcmp(c->id, letter->id) == 0) &&
           (c->route == NULL || strcmp(c->route, letter->route) == 0) &&
           (c->reason == NULL || strstr(letter->reason, c->reason) != NULL) &&
           (c->status < 0 || c->status == letter->status) &&
           (c->up_to == 0 || letter->seq <= c->up_to);
}

struct batch {
    const struct letters_choice *choice;
    const struct letters_hands *hands;
    bool with_events;
    char route[ROUTE_NAME_MAX]; /* all of a batch are of one */
    size_t count;
    uint64_t *seqs;
    struct spool_record *records; /* data.data is set once all are there */
    size_t *offsets;
    struct ol__buf events;
    struct ol__event_reader *reader;
    uint64_t left_off;
    bool has_more;
};

static void batch_release(struct batch *b)
{
    free(b->seqs);
    free(b->records);
    free(b->offsets);
    ol__buf_release(&b->events);
    ol__event_reader_free(b->reader);
}

static ol_status batch_init(struct batch *b, struct ol_error *err)
{
    ol__buf_init(&b->events, BATCH_BYTES + SPOOL_PAYLOAD_MAX);
    b->seqs = calloc(BATCH_LETTERS, sizeof *b->seqs);
    b->records = calloc(BATCH_LETTERS, sizeof *b->records);
    b->offsets = calloc(BATCH_LETTERS, sizeof *b->offsets);
    if (b->seqs == NULL || b->records == NULL || b->offsets == NULL)
        return ol__error_set(err, OL_NOMEM, "dead letters: out of memory");
    return ol__event_reader_new(&b->reader, err);
}

static void fill_record(struct batch *b, const struct dead_letter *letter,
                        struct spool_record *record)
{
    const struct ol__event *event;
    *record = (struct spool_record){.type = SPOOL_EVENT,
                                    .source = SPOOL_FROM_DEAD_LETTER,
                                    .source_position = (uint64_t)OL_MAX(letter->tries, 0),
                                    .uid = letter->uid,
                                    .time_ms = ol__time_now_ms(),
                                    .data = {.size = letter->event.size}};
    spool_route_key(letter->route, record->source_id);
    if (ol__event_read(b->reader, letter->event, OL_EVENT_CORE, NULL, -1, &event, NULL) != OL_OK)
        return; /* it was let in once; without a lane it waits for nobody */
    record->lane_kind = (uint8_t)ol__event_lane(event, record->lane);
    record->warnings = event->warnings;
}

static ol_status gather(void *arg, const struct dead_letter *letter)
{
    struct batch *b = arg;
    if (!letters_choice_has(b->choice, letter))
        return OL_OK;
    if (!b->hands->knows(b->hands->arg, letter->route)) {
        b->left_off++;
        return OL_OK;
    }
    bool is_other = b->count > 0 && strcmp(b->route, letter->route) != 0;
    if (is_other || b->count == BATCH_LETTERS || b->events.size >= BATCH_BYTES) {
        b->has_more = true;
        return OL_END;
    }
    snprintf(b->route, sizeof b->route, "%s", letter->route);
    if (b->with_events) {
        if (letter->event.size == 0 || letter->event.size > SPOOL_PAYLOAD_MAX)
            return OL_OK; /* no line that we wrote */
        b->offsets[b->count] = b->events.size;
        fill_record(b, letter, &b->records[b->count]);
        if (ol__buf_add(&b->events, letter->event.data, letter->event.size) != OL_OK)
            return OL_NOMEM;
    }
    b->seqs[b->count++] = letter->seq;
    return OL_OK;
}

/* Promise 1. */
static ol_status put(struct batch *b, struct ol_error *err)
{
    size_t added = 0;
    for (size_t i = 0; i < b->count; i++)
        b->records[i].data.data = b->events.data + b->offsets[i];
    ol_status status = b->hands->put(b->hands->arg, b->records, b->count, &added, err);
    if (status != OL_OK)
        return ol__error_prefix(err, status, "dead letter '%s-%" PRIu64 "'", b->route, b->seqs[0]);
    if (added < b->count)
        b->has_more = true; /* the group had room for these only */
    b->count = added;
    OL_CRASHPOINT("dead.retry.spooled");
    return OL_OK;
}

static ol_status change_some(const char *directory, struct batch *b, enum letters_verb verb,
                             struct letters_result *result, struct ol_error *err)
{
    b->count = 0;
    b->left_off = 0;
    b->has_more = false;
    ol__buf_reset(&b->events);
    ol_status status = dead_letters_each(directory, b->choice->route, gather, b, err);
    result->left_off = b->left_off;
    if (status < 0 && status != OL_NOT_FOUND)
        return status == OL_NOMEM ? ol__error_set(err, status, "dead letters: out of memory")
                                  : status;
    if (b->count == 0)
        return OL_OK;
    size_t ended = 0;
    status = verb == LETTERS_RETRY ? put(b, err) : OL_OK;
    if (status != OL_OK)
        return status;
    status = b->hands->end(b->hands->arg, b->route, b->seqs, b->count,
                           verb == LETTERS_RETRY ? "retried" : "dropped", &ended, err);
    if (status != OL_OK)
        return verb == LETTERS_RETRY ? ol__error_prefix(err, status, "sent again, but still listed")
                                     : status;
    result->count += ended;
    return OL_OK;
}

ol_status letters_change(const char *spool_directory, enum letters_verb verb,
                         const struct letters_choice *choice, const struct letters_hands *hands,
                         int64_t budget_ms, struct letters_result *result, struct ol_error *err)
{
    struct batch batch = {.choice = choice, .hands = hands, .with_events = verb == LETTERS_RETRY};
    int64_t deadline = ol__time_monotonic_ms() + budget_ms;
    *result = (struct letters_result){.count = 0};
    ol_status status = batch_init(&batch, err);
    while (status == OL_OK) {
        status = change_some(spool_directory, &batch, verb, result, err);
        if (status != OL_OK || !batch.has_more)
            break;
        result->has_more = ol__time_monotonic_ms() >= deadline;
        if (result->has_more)
            break;
    }
    batch_release(&batch);
    return status;
}
