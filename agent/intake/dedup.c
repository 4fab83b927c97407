/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of keys in the order they came, and an open-addressed table of places in the ring.
 * Promises:
 *  1. A key is found from its add until its window has passed, keys_max newer ones came, or it was
 * rolled back.
 *  2. Memory is 24 bytes a key and 8 a slot, allocated once, touched as keys come. */
#include "dedup.h"

#include <stdlib.h>

struct entry {
    uint8_t key[DEDUP_KEY_SIZE];
    int64_t time_ms;
};

struct dedup {
    struct entry *ring; /* owned, size entries; the n-th key ever added stands at n mod size */
    uint32_t *slots;    /* owned, 2 * size; 0: free, else place in the ring + 1 */
    uint32_t size;
    uint64_t first, end; /* numbers of the oldest key and of the next one */
    uint64_t committed;  /* keys from here on are pending */
    int64_t window_ms;
};

ol_status dedup_new(uint32_t keys_max, int64_t window_ms, struct dedup **ret, struct ol_error *err)
{
    assert(keys_max >= 2 && (keys_max & (keys_max - 1)) == 0);
    struct dedup *d = calloc(1, sizeof *d);
    if (d != NULL) {
        d->ring = calloc(keys_max, sizeof *d->ring);
        d->slots = calloc((size_t)keys_max * 2, sizeof *d->slots);
    }
    if (d == NULL || d->ring == NULL || d->slots == NULL) {
        dedup_free(d);
        return ol__error_set(err, OL_NOMEM, "de-duplication: out of memory");
    }
    d->size = keys_max;
    d->window_ms = window_ms;
    *ret = d;
    return OL_OK;
}

void dedup_free(struct dedup *d)
{
    if (d == NULL)
        return;
    free(d->ring);
    free(d->slots);
    free(d);
}

static uint32_t home(const struct dedup *d, const uint8_t *key)
{
    return (ol__get_le32(key) ^ ol__get_le32(key + 8)) & (2 * d->size - 1);
}

/* The slot that holds @p key, or the free one where it would go. */
static uint32_t find_slot(const struct dedup *d, const uint8_t *key)
{
    uint32_t slot = home(d, key);
    while (d->slots[slot] != 0 && memcmp(d->ring[d->slots[slot] - 1].key, key, DEDUP_KEY_SIZE) != 0)
        slot = (slot + 1) & (2 * d->size - 1);
    return slot;
}

/* Take a key out of the table, closing the hole so that no search ends in it too early. */
static void remove_key(struct dedup *d, const uint8_t *key)
{
    uint32_t mask = 2 * d->size - 1, hole = find_slot(d, key);
    if (d->slots[hole] == 0)
        return;
    for (uint32_t next = (hole + 1) & mask; d->slots[next] != 0; next = (next + 1) & mask) {
        uint32_t wanted = home(d, d->ring[d->slots[next] - 1].key);
        if (((next - wanted) & mask) < ((next - hole) & mask))
            continue; /* it would land before its home */
        d->slots[hole] = d->slots[next];
        hole = next;
    }
    d->slots[hole] = 0;
}

static void drop_oldest(struct dedup *d)
{
    remove_key(d, d->ring[d->first & (d->size - 1)].key);
    d->first++;
    if (d->committed < d->first)
        d->committed = d->first;
}

enum dedup_found dedup_find(struct dedup *d, const uint8_t key[DEDUP_KEY_SIZE], int64_t now_ms)
{
    while (d->first < d->committed &&
           d->ring[d->first & (d->size - 1)].time_ms + d->window_ms <= now_ms)
        drop_oldest(d);
    uint32_t place = d->slots[find_slot(d, key)];
    if (place == 0)
        return DEDUP_NEW;
    uint64_t age = (d->end - 1 - (place - 1)) & (d->size - 1); /* 0: the newest */
    return d->end - 1 - age >= d->committed ? DEDUP_PENDING : DEDUP_DONE;
}

void dedup_add(struct dedup *d, const uint8_t key[DEDUP_KEY_SIZE], int64_t now_ms)
{
    if (d->end - d->first == d->size)
        drop_oldest(d);
    uint32_t place = (uint32_t)(d->end & (d->size - 1));
    uint32_t slot = find_slot(d, key);
    assert(d->slots[slot] == 0);
    memcpy(d->ring[place].key, key, DEDUP_KEY_SIZE);
    d->ring[place].time_ms = now_ms;
    d->slots[slot] = place + 1;
    d->end++;
}

void dedup_commit(struct dedup *d)
{
    d->committed = d->end;
}

void dedup_rollback(struct dedup *d)
{
    while (d->end > d->committed) {
        d->end--;
        remove_key(d, d->ring[d->end & (d->size - 1)].key);
    }
}

uint32_t dedup_count(const struct dedup *d)
{
    return (uint32_t)(d->end - d->first);
}
