/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Of one lane at most one event is in flight, always its oldest: order within a lane holds.
 *  2. An event leaves only by lanes_answer() saying LANES_DELIVERED, or by lanes_remove().
 *  3. Only lanes_add() allocates, and it changes nothing when it fails; at most `window` events and
 * as many lanes are held, whatever the backlog.
 *  4. Poison: a failure counts against an event only if something got through since the lane failed
 *     last, and only while the circuit is closed. In an outage nothing is counted.
 *  5. Outage: the circuit opens when OPEN_LANES different lanes, or all there are, failed in a row
 * (at least OPEN_STREAK failures). Probes go round the lanes, so one bad event cannot keep it open;
 * a lane that comes new while fewer lanes have failed is a probe at once.
 *  6. Refusals: the REFUSED_LANES-th in a row over different lanes is not parked, the route is
 * held.
 *  7. Lanes that fail alone never wait for each other for ever: while all that are held have
 * failed, one more event at a time is asked for, as a witness, however many are ready.
 */
#include "lanes.h"

#include <stdlib.h>
#include <xxhash.h>

#define NONE UINT32_MAX
#define WINDOW_MAX 65536u
#define PRESSED_BACKOFF_MS 5000 /* ceiling */
#define OPEN_STREAK 3
#define OPEN_LANES 5u
#define REFUSED_LANES 10u

enum lane_state { LANE_FREE, LANE_READY, LANE_WAITING, LANE_IN_FLIGHT };

struct entry {
    uint64_t seq, segment, offset;
    uint32_t next; /* in its lane, or in the free list */
};

struct lane {
    uint8_t key[17];      /* kind first */
    uint8_t state;        /* enum lane_state */
    bool is_alone;        /* of the oldest event */
    int level;            /* of the backoff */
    int tries, suspicion; /* of the oldest event */
    uint32_t first, last;
    uint32_t next_hash;  /* in its bucket, or in the free list */
    uint32_t prev, next; /* READY */
    uint32_t heap_at;    /* WAITING */
    int64_t ready_at;
    uint64_t fail_epoch; /* successes of the route when it failed last, plus one */
    uint64_t fail_round;
};

struct lanes {
    struct lanes_options options;
    uint64_t random;
    struct entry *entries;
    uint32_t entry_cap, entry_free, entry_count;
    struct lane *lanes; /* heap and buckets have room for lane_cap */
    uint32_t lane_cap, lane_free, lane_count;
    uint32_t *buckets; /* lane_cap of them: a power of two */
    uint32_t *heap;    /* waiting lanes, soonest first */
    uint32_t heap_count;
    uint32_t ready_first, ready_last, ready_count;
    uint32_t in_flight;
    int64_t pause_until;
    bool is_pressed;
    /* circuit */
    enum lanes_circuit circuit;
    bool has_probe, is_probe_due;
    int64_t probe_at;
    int probe_level;
    uint64_t epoch;                  /* successes + 1 */
    uint64_t round;                  /* changes whenever something got through */
    int streak;                      /* failures in this round */
    uint32_t failed_lanes;           /* in this round */
    uint64_t refused[REFUSED_LANES]; /* hashes of lanes refused since the last success */
    uint32_t refused_count;
};

ol_status lanes_new(const struct lanes_options *options, struct lanes **ret, struct ol_error *err)
{
    struct lanes *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ol__error_set(err, OL_NOMEM, "lanes: out of memory");
    l->options = *options;
    assert(options->in_flight_max > 0);
    if (l->options.window == 0 || l->options.window > WINDOW_MAX)
        l->options.window = WINDOW_MAX;
    if (l->options.backoff_ms <= 0)
        l->options.backoff_ms = 250;
    if (l->options.backoff_max_ms <= 0)
        l->options.backoff_max_ms = INT64_C(5) * 60 * 1000;
    if (l->options.hold_ms <= 0)
        l->options.hold_ms = INT64_C(60) * 1000;
    if (l->options.poison_tries <= 0)
        l->options.poison_tries = 10;
    l->random = options->seed | 1;
    l->entry_free = l->lane_free = l->ready_first = l->ready_last = NONE;
    l->epoch = l->round = 1;
    *ret = l;
    return OL_OK;
}

void lanes_free(struct lanes *l)
{
    if (l == NULL)
        return;
    free(l->entries);
    free(l->lanes);
    free(l->buckets);
    free(l->heap);
    free(l);
}

void lanes_clear(struct lanes *l)
{
    free(l->entries);
    free(l->lanes);
    free(l->buckets);
    free(l->heap);
    *l = (struct lanes){.options = l->options,
                        .random = l->random,
                        .entry_free = NONE,
                        .lane_free = NONE,
                        .ready_first = NONE,
                        .ready_last = NONE,
                        .epoch = 1,
                        .round = 1};
}

static uint64_t next_random(struct lanes *l)
{
    uint64_t x = l->random; /* xorshift64*: jitter needs no more */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    l->random = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* ---- Ready list ---- */

static void ready_put(struct lanes *l, uint32_t i, bool at_front)
{
    struct lane *lane = &l->lanes[i];
    lane->state = LANE_READY;
    lane->prev = at_front ? NONE : l->ready_last;
    lane->next = at_front ? l->ready_first : NONE;
    if (lane->prev != NONE)
        l->lanes[lane->prev].next = i;
    else
        l->ready_first = i;
    if (lane->next != NONE)
        l->lanes[lane->next].prev = i;
    else
        l->ready_last = i;
    l->ready_count++;
}

static uint32_t ready_take(struct lanes *l)
{
    uint32_t i = l->ready_first;
    l->ready_first = l->lanes[i].next;
    if (l->ready_first != NONE)
        l->lanes[l->ready_first].prev = NONE;
    else
        l->ready_last = NONE;
    l->ready_count--;
    return i;
}

/* ---- Heap of waiting lanes ---- */

static void heap_place(struct lanes *l, uint32_t at, uint32_t i)
{
    l->heap[at] = i;
    l->lanes[i].heap_at = at;
}

static void heap_up(struct lanes *l, uint32_t at, uint32_t i)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (l->lanes[l->heap[parent]].ready_at <= l->lanes[i].ready_at)
            break;
        heap_place(l, at, l->heap[parent]);
        at = parent;
    }
    heap_place(l, at, i);
}

static void wait_put(struct lanes *l, uint32_t i, int64_t ready_at)
{
    l->lanes[i].state = LANE_WAITING;
    l->lanes[i].ready_at = ready_at;
    heap_up(l, l->heap_count++, i);
}

static uint32_t wait_take(struct lanes *l)
{
    uint32_t top = l->heap[0];
    uint32_t moved = l->heap[--l->heap_count];
    uint32_t at = 0;
    if (l->heap_count == 0)
        return top;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= l->heap_count)
            break;
        if (child + 1 < l->heap_count &&
            l->lanes[l->heap[child + 1]].ready_at < l->lanes[l->heap[child]].ready_at)
            child++;
        if (l->lanes[moved].ready_at <= l->lanes[l->heap[child]].ready_at)
            break;
        heap_place(l, at, l->heap[child]);
        at = child;
    }
    heap_place(l, at, moved);
    return top;
}

/* ---- Lanes by key ---- */

static uint64_t key_hash(const struct lanes *l, const uint8_t key[17])
{
    /* Seeded: senders choose run ids. */
    return XXH3_64bits_withSeed(key, 17, l->options.seed);
}

static uint32_t *bucket_of(const struct lanes *l, const uint8_t key[17])
{
    return &l->buckets[key_hash(l, key) & (l->lane_cap - 1)];
}

static uint32_t lane_find(const struct lanes *l, const uint8_t key[17])
{
    if (l->lane_cap == 0)
        return NONE;
    uint32_t i = *bucket_of(l, key);
    while (i != NONE && memcmp(l->lanes[i].key, key, 17) != 0)
        i = l->lanes[i].next_hash;
    return i;
}

static bool lanes_grow(struct lanes *l)
{
    uint32_t cap = l->lane_cap == 0 ? 64 : l->lane_cap * 2;
    struct lane *lanes = realloc(l->lanes, cap * sizeof *lanes);
    if (lanes == NULL)
        return false;
    l->lanes = lanes;
    uint32_t *heap = realloc(l->heap, cap * sizeof *heap);
    if (heap == NULL)
        return false;
    l->heap = heap;
    uint32_t *buckets = realloc(l->buckets, cap * sizeof *buckets);
    if (buckets == NULL)
        return false;
    l->buckets = buckets;
    uint32_t old = l->lane_cap;
    l->lane_cap = cap;
    memset(buckets, 0xff, cap * sizeof *buckets);
    for (uint32_t i = 0; i < old; i++) { /* all are in use, or there would be no need to grow */
        uint32_t *bucket = bucket_of(l, lanes[i].key);
        lanes[i].next_hash = *bucket;
        *bucket = i;
    }
    for (uint32_t i = cap; i-- > old;) {
        lanes[i] = (struct lane){.next_hash = l->lane_free};
        l->lane_free = i;
    }
    return true;
}

static bool entries_grow(struct lanes *l)
{
    uint32_t cap = l->entry_cap == 0 ? 256 : l->entry_cap * 2;
    struct entry *entries = realloc(l->entries, cap * sizeof *entries);
    if (entries == NULL)
        return false;
    for (uint32_t i = cap; i-- > l->entry_cap;) {
        entries[i] = (struct entry){.next = l->entry_free};
        l->entry_free = i;
    }
    l->entries = entries;
    l->entry_cap = cap;
    return true;
}

static uint32_t lane_make(struct lanes *l, const uint8_t key[17])
{
    uint32_t i = l->lane_free;
    struct lane *lane = &l->lanes[i];
    l->lane_free = lane->next_hash;
    uint32_t *bucket = bucket_of(l, key);
    *lane = (struct lane){.first = NONE, .last = NONE, .next_hash = *bucket};
    memcpy(lane->key, key, sizeof lane->key);
    *bucket = i;
    l->lane_count++;
    return i;
}

static void lane_drop(struct lanes *l, uint32_t i)
{
    uint32_t *link = bucket_of(l, l->lanes[i].key);
    while (*link != i)
        link = &l->lanes[*link].next_hash;
    *link = l->lanes[i].next_hash;
    l->lanes[i].state = LANE_FREE;
    l->lanes[i].next_hash = l->lane_free;
    l->lane_free = i;
    l->lane_count--;
}

ol_status lanes_add(struct lanes *l, uint8_t kind, const uint8_t key[16], uint64_t seq,
                    uint64_t segment, uint64_t offset)
{
    if (l->entry_count >= l->options.window)
        return OL_FULL;
    uint8_t whole[17] = {kind};
    memcpy(whole + 1, key, 16);
    uint32_t i = lane_find(l, whole);
    if (l->entry_free == NONE && !entries_grow(l))
        return OL_NOMEM;
    if (i == NONE && l->lane_free == NONE && !lanes_grow(l))
        return OL_NOMEM;
    uint32_t e = l->entry_free;
    l->entry_free = l->entries[e].next;
    l->entry_count++;
    l->entries[e] = (struct entry){.seq = seq, .segment = segment, .offset = offset, .next = NONE};
    if (i != NONE) {
        assert(((seq | l->entries[l->lanes[i].last].seq) & LANES_TICKET) != 0 ||
               l->entries[l->lanes[i].last].seq < seq);
        l->entries[l->lanes[i].last].next = e;
        l->lanes[i].last = e;
        return OL_OK;
    }
    i = lane_make(l, whole);
    l->lanes[i].first = l->lanes[i].last = e;
    if (l->circuit == LANES_OPEN && l->failed_lanes < OPEN_LANES) /* promise 5 */
        l->is_probe_due = true;
    ready_put(l, i, l->circuit == LANES_OPEN);
    return OL_OK;
}

/* ---- Sending ---- */

bool lanes_wants_witness(const struct lanes *l)
{
    return l->lane_count > 0 && l->in_flight == 0 && l->failed_lanes >= l->lane_count &&
           (l->circuit == LANES_CLOSED || l->circuit == LANES_OPEN);
}

bool lanes_wants(const struct lanes *l)
{
    return l->entry_count < l->options.window &&
           (l->ready_count + l->in_flight < (uint32_t)l->options.in_flight_max ||
            lanes_wants_witness(l)); /* promise 7 */
}

void lanes_press(struct lanes *l, bool is_pressed, int64_t now_ms)
{
    if (is_pressed && !l->is_pressed)
        for (uint32_t i = 0; i < l->heap_count; i++) { /* keeps the heap's order */
            struct lane *lane = &l->lanes[l->heap[i]];
            lane->ready_at = OL_MIN(lane->ready_at, now_ms + PRESSED_BACKOFF_MS);
        }
    l->is_pressed = is_pressed;
}

static bool circuit_lets(const struct lanes *l, int64_t now_ms)
{
    if (now_ms < l->pause_until)
        return false;
    if (l->circuit == LANES_CLOSED)
        return true;
    return !l->has_probe && (l->is_probe_due || now_ms >= l->probe_at);
}

bool lanes_next(struct lanes *l, int64_t now_ms, struct lanes_item *ret)
{
    while (l->heap_count > 0 && l->lanes[l->heap[0]].ready_at <= now_ms)
        ready_put(l, wait_take(l), false);
    if (l->ready_count == 0 || l->in_flight >= (uint32_t)l->options.in_flight_max ||
        !circuit_lets(l, now_ms))
        return false;
    uint32_t i = ready_take(l);
    struct lane *lane = &l->lanes[i];
    const struct entry *e = &l->entries[lane->first];
    lane->state = LANE_IN_FLIGHT;
    lane->tries++;
    l->in_flight++;
    bool is_probe = l->circuit != LANES_CLOSED;
    if (is_probe) {
        l->has_probe = true;
        l->is_probe_due = false;
    }
    *ret = (struct lanes_item){.seq = e->seq,
                               .segment = e->segment,
                               .offset = e->offset,
                               .lane = i,
                               .tries = lane->tries,
                               .is_probe = is_probe,
                               .is_alone = lane->is_alone};
    return true;
}

static struct lane *lane_of(struct lanes *l, const struct lanes_item *item)
{
    struct lane *lane = &l->lanes[item->lane];
    assert(lane->state == LANE_IN_FLIGHT && l->entries[lane->first].seq == item->seq);
    return lane;
}

static void landed(struct lanes *l, const struct lanes_item *item)
{
    l->in_flight--;
    if (item->is_probe)
        l->has_probe = false;
}

void lanes_remove(struct lanes *l, const struct lanes_item *item)
{
    struct lane *lane = lane_of(l, item);
    landed(l, item);
    uint32_t e = lane->first;
    lane->first = l->entries[e].next;
    l->entries[e].next = l->entry_free;
    l->entry_free = e;
    l->entry_count--;
    lane->tries = lane->suspicion = lane->level = 0;
    lane->is_alone = false;
    if (lane->first == NONE)
        lane_drop(l, item->lane);
    else
        ready_put(l, item->lane, false);
}

void lanes_release(struct lanes *l, const struct lanes_item *item, int64_t now_ms, int64_t delay_ms)
{
    struct lane *lane = lane_of(l, item);
    landed(l, item);
    lane->tries--;
    if (item->is_probe)
        l->probe_at = now_ms + delay_ms;
    wait_put(l, item->lane, now_ms + delay_ms);
}

void lanes_set_alone(struct lanes *l, const struct lanes_item *item)
{
    lane_of(l, item)->is_alone = true;
}

bool lanes_has_next(const struct lanes *l, const struct lanes_item *item)
{
    return l->entries[l->lanes[item->lane].first].next != NONE;
}

/* ---- Answers ---- */

static void circuit_close(struct lanes *l)
{
    l->circuit = LANES_CLOSED;
    l->probe_level = 0;
    l->is_probe_due = false;
    l->streak = 0;
    l->failed_lanes = 0;
    l->round++;
}

/* Half of it fixed: probes of an outage should neither come at once nor all agents' together. */
static void probe_later(struct lanes *l, int64_t now_ms, int64_t after_ms)
{
    int64_t half =
        retry_ceiling(l->options.backoff_ms, l->options.backoff_max_ms, l->probe_level) / 2;
    int64_t wait = half + (int64_t)(next_random(l) % (uint64_t)(half + 1));
    if (l->probe_level < 30)
        l->probe_level++;
    l->probe_at = now_ms + OL_MAX(wait, after_ms);
}

static void hold(struct lanes *l, enum lanes_circuit why, int64_t now_ms)
{
    l->circuit = why;
    l->is_probe_due = false;
    l->probe_at = now_ms + l->options.hold_ms;
}

static enum lanes_verdict failed(struct lanes *l, const struct lanes_item *item,
                                 const struct retry_class *answer, int64_t now_ms)
{
    struct lane *lane = lane_of(l, item);
    bool counts = l->circuit == LANES_CLOSED && l->epoch > 1 && lane->fail_epoch != l->epoch &&
                  (lane->tries > 1 || l->streak == 0); /* promise 4 */
    lane->fail_epoch = l->epoch;
    if (lane->fail_round != l->round) {
        lane->fail_round = l->round;
        l->failed_lanes++;
    }
    l->streak++;
    if (counts) {
        lane->suspicion += l->is_pressed && answer->is_doubtful ? RETRY_SUSPECT : answer->suspicion;
        if (lane->suspicion >= l->options.poison_tries * RETRY_SUSPECT)
            return LANES_PARK;
    }
    if (answer->is_rate_limit)
        l->pause_until = OL_MAX(l->pause_until, now_ms + answer->after_ms);
    landed(l, item);
    if (l->circuit != LANES_CLOSED) {
        if (item->is_probe && l->circuit == LANES_OPEN)
            probe_later(l, now_ms, answer->after_ms);
        else if (item->is_probe)
            hold(l, l->circuit, now_ms);
        ready_put(l, item->lane, false);
        return LANES_KEPT;
    }
    int64_t ceiling = l->options.backoff_max_ms;
    if (l->is_pressed)
        ceiling = OL_MIN(ceiling, PRESSED_BACKOFF_MS);
    int64_t wait = retry_backoff(l->options.backoff_ms, ceiling, lane->level, next_random(l));
    if (lane->level < 30)
        lane->level++;
    if (l->streak >= OPEN_STREAK &&
        (l->failed_lanes >= OPEN_LANES || l->failed_lanes >= l->lane_count)) { /* promise 5 */
        l->circuit = LANES_OPEN;
        probe_later(l, now_ms, answer->after_ms);
    }
    wait_put(l, item->lane, now_ms + OL_MAX(wait, answer->after_ms));
    return LANES_KEPT;
}

static enum lanes_verdict refused(struct lanes *l, const struct lanes_item *item, int64_t now_ms)
{
    uint64_t hash = key_hash(l, lane_of(l, item)->key);
    bool is_new = true;
    for (uint32_t i = 0; i < l->refused_count; i++)
        is_new = is_new && l->refused[i] != hash;
    if (l->circuit == LANES_OPEN || l->circuit == LANES_DENIED)
        circuit_close(l); /* it talks to us */
    if (is_new && l->refused_count < REFUSED_LANES)
        l->refused[l->refused_count++] = hash;
    if (l->circuit == LANES_MISCONFIGURED || l->refused_count >= REFUSED_LANES) { /* promise 6 */
        landed(l, item);
        if (l->circuit == LANES_CLOSED || item->is_probe)
            hold(l, LANES_MISCONFIGURED, now_ms);
        ready_put(l, item->lane, false);
        return LANES_KEPT;
    }
    return LANES_PARK;
}

enum lanes_verdict lanes_answer(struct lanes *l, const struct lanes_item *item,
                                const struct retry_class *answer, int64_t now_ms)
{
    switch (answer->kind) {
    case RETRY_LATER:
        return failed(l, item, answer, now_ms);
    case RETRY_PARK:
        return refused(l, item, now_ms);
    case RETRY_HOLD:
        landed(l, item);
        if (l->circuit != LANES_DENIED || item->is_probe)
            hold(l, LANES_DENIED, now_ms);
        ready_put(l, item->lane, false);
        return LANES_KEPT;
    case RETRY_DONE:
        break;
    }
    circuit_close(l);
    l->epoch++;
    l->refused_count = 0;
    lanes_remove(l, item);
    return LANES_DELIVERED;
}

void lanes_probe_now(struct lanes *l)
{
    l->is_probe_due = l->circuit != LANES_CLOSED;
}

bool lanes_is_probe_due(const struct lanes *l, int64_t now_ms)
{
    return l->circuit == LANES_OPEN && circuit_lets(l, now_ms) &&
           (l->ready_count > 0 || (l->heap_count > 0 && l->lanes[l->heap[0]].ready_at <= now_ms));
}

void lanes_probe_failed(struct lanes *l, int64_t now_ms)
{
    if (l->circuit != LANES_OPEN || l->has_probe)
        return;
    l->is_probe_due = false;
    probe_later(l, now_ms, 0);
}

/* ---- Looking ---- */

int64_t lanes_deadline(const struct lanes *l)
{
    if (l->in_flight >= (uint32_t)l->options.in_flight_max)
        return INT64_MAX;
    int64_t gate = l->pause_until;
    if (l->circuit != LANES_CLOSED) {
        if (l->has_probe)
            return INT64_MAX;
        if (!l->is_probe_due)
            gate = OL_MAX(gate, l->probe_at);
    }
    if (l->ready_count > 0)
        return gate;
    if (l->heap_count > 0)
        return OL_MAX(gate, l->lanes[l->heap[0]].ready_at);
    return INT64_MAX;
}

enum lanes_circuit lanes_circuit(const struct lanes *l)
{
    return l->circuit;
}

size_t lanes_count(const struct lanes *l)
{
    return l->entry_count;
}

size_t lanes_in_flight(const struct lanes *l)
{
    return l->in_flight;
}

size_t lanes_waiting(const struct lanes *l)
{
    return l->heap_count;
}
