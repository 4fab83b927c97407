/* SPDX-License-Identifier: Apache-2.0 */
#include "late.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NONE UINT32_MAX
#define BUCKETS (2u * LATE_RUNS_MAX)

struct entry {
    struct late_event terminal;
    uint64_t settled_seq;
    uint32_t next; /* in its bucket */
    bool is_used, is_owed;
};

struct late {
    uint64_t seed;
    uint32_t at; /* the next entry to be used, hence the oldest */
    uint32_t buckets[BUCKETS];
    struct entry entries[LATE_RUNS_MAX]; /* zero pages until they are used */
};

struct late *late_new(uint64_t seed)
{
    struct late *late = calloc(1, sizeof *late);
    if (late == NULL)
        return NULL;
    late->seed = seed; /* senders choose run ids */
    memset(late->buckets, 0xff, sizeof late->buckets);
    return late;
}

void late_free(struct late *late)
{
    free(late);
}

void late_event_of(const struct ol__event *event, const struct spool_record *record,
                   struct late_event *ret)
{
    *ret = (struct late_event){.lane_kind = record->lane_kind,
                               .is_run = event->kind == OL_EVENT_RUN,
                               .type = event->type,
                               .source = record->source,
                               .time_ms = event->time_ms,
                               .seq = record->seq,
                               .segment = record->segment,
                               .offset = record->offset};
    memcpy(ret->lane, record->lane, sizeof ret->lane);
}

static bool is_terminal(const struct late_event *event)
{
    return event->type == OL_TYPE_COMPLETE || event->type == OL_TYPE_FAIL ||
           event->type == OL_TYPE_ABORT;
}

static bool is_same_run(const struct late_event *a, const struct late_event *b)
{
    return a->lane_kind == b->lane_kind && memcmp(a->lane, b->lane, sizeof a->lane) == 0;
}

static uint32_t bucket_of(const struct late *late, const struct late_event *event)
{
    return (uint32_t)(XXH3_64bits_withSeed(event->lane, sizeof event->lane,
                                           late->seed + event->lane_kind) %
                      BUCKETS);
}

static uint32_t find_index(const struct late *late, const struct late_event *event)
{
    uint32_t i = event->is_run ? late->buckets[bucket_of(late, event)] : NONE;
    while (i != NONE && !is_same_run(&late->entries[i].terminal, event))
        i = late->entries[i].next;
    return i;
}

static const struct entry *look(const struct late *late, const struct late_event *event)
{
    uint32_t i = find_index(late, event);
    return i != NONE ? &late->entries[i] : NULL;
}

static struct entry *find(struct late *late, const struct late_event *event)
{
    uint32_t i = find_index(late, event);
    return i != NONE ? &late->entries[i] : NULL;
}

static void forget(struct late *late, struct entry *entry)
{
    uint32_t *link = &late->buckets[bucket_of(late, &entry->terminal)];
    uint32_t i = (uint32_t)(entry - late->entries);
    while (*link != i)
        link = &late->entries[*link].next;
    *link = entry->next;
    *entry = (struct entry){0};
}

static void remember(struct late *late, const struct late_event *event)
{
    struct entry *entry = &late->entries[late->at];
    if (entry->is_used)
        forget(late, entry);
    uint32_t *bucket = &late->buckets[bucket_of(late, event)];
    *entry = (struct entry){.terminal = *event, .next = *bucket, .is_used = true};
    *bucket = late->at;
    late->at = (late->at + 1) % LATE_RUNS_MAX;
}

/* Whether @p event is a later end of the run than @p known. */
static bool supersedes(const struct late_event *event, const struct late_event *known)
{
    bool is_inferred = event->source == SPOOL_FROM_AGENT;
    if (is_inferred != (known->source == SPOOL_FROM_AGENT))
        return !is_inferred;
    return event->time_ms >= known->time_ms;
}

void late_delivered(struct late *late, const struct late_event *event)
{
    if (late == NULL || !event->is_run)
        return;
    struct entry *entry = find(late, event);
    if (entry == NULL) {
        if (is_terminal(event))
            remember(late, event);
        return;
    }
    if (event->seq == entry->terminal.seq) /* sent twice */
        return;
    if (is_terminal(event) && supersedes(event, &entry->terminal)) {
        entry->terminal = *event;
        entry->is_owed = false;
    } else if (event->type == OL_TYPE_START && event->time_ms > entry->terminal.time_ms) {
        forget(late, entry);
    } else
        entry->is_owed = true;
}

bool late_is_owed(const struct late *late, const struct late_event *event, struct late_event *ret)
{
    const struct entry *entry = look(late, event);
    if (entry == NULL || !entry->is_owed)
        return false;
    *ret = entry->terminal;
    return true;
}

void late_settle(struct late *late, const struct late_event *event)
{
    struct entry *entry = find(late, event);
    if (entry != NULL)
        entry->settled_seq = event->seq;
}

bool late_is_settled(const struct late *late, const struct late_event *event)
{
    const struct entry *entry = look(late, event);
    return entry != NULL && entry->is_owed && entry->settled_seq == event->seq;
}

void late_paid(struct late *late, const struct late_event *event)
{
    struct entry *entry = find(late, event);
    if (entry != NULL)
        entry->is_owed = false;
}
