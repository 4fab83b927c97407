/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Memory is bounded by OPEN_RUNS_MAX and RECENT, whatever comes.
 *  2. The recent lanes forget, never invent: a run is only called another's if it was. */
#include "open_runs.h"

#include <stdlib.h>

#define SLOTS (2 * OPEN_RUNS_MAX)
#define RECENT 8192u          /* lanes remembered, 16 bytes each */
#define OWNER_MANY UINT64_MAX /* more than one */

struct recent {
    uint64_t lane, owner; /* a hash of the lane; 0: empty */
};

struct open_runs {
    uint64_t seed[2];       /* odd */
    struct open_run *items; /* owned */
    uint32_t *slots;        /* owned; index + 1, 0: empty */
    struct recent *recent;  /* owned */
    uint32_t used, count;   /* items ever used; those in use */
    uint32_t free;          /* first free one below `used`, by `next`; index + 1 */
    bool has_group;         /* some run is shared within the group */
};

ol_status open_runs_new(struct open_runs **ret, struct ol_error *err)
{
    struct open_runs *runs = calloc(1, sizeof *runs);
    if (runs != NULL) {
        ol__random(runs->seed, sizeof runs->seed); /* who names runs cannot make them collide */
        runs->seed[0] |= 1;
        runs->seed[1] |= 1;
        runs->items = calloc(OPEN_RUNS_MAX, sizeof *runs->items);
        runs->slots = calloc(SLOTS, sizeof *runs->slots);
        runs->recent = calloc(RECENT, sizeof *runs->recent);
    }
    if (runs == NULL || runs->items == NULL || runs->slots == NULL || runs->recent == NULL) {
        open_runs_free(runs);
        return ol__error_set(err, OL_NOMEM, "open runs: out of memory");
    }
    *ret = runs;
    return OL_OK;
}

void open_runs_free(struct open_runs *runs)
{
    if (runs == NULL)
        return;
    free(runs->items);
    free(runs->slots);
    free(runs->recent);
    free(runs);
}

uint32_t open_runs_count(const struct open_runs *runs)
{
    return runs->count;
}

static uint64_t hash(const struct open_runs *runs, const uint8_t *lane)
{
    uint64_t h = ol__get_le64(lane) * runs->seed[0];
    h = (h ^ (h >> 32) ^ ol__get_le64(lane + 8)) * runs->seed[1];
    return h ^ (h >> 29);
}

/* ---- The table ---- */

static uint32_t home(const struct open_runs *runs, const uint8_t *lane)
{
    return (uint32_t)(hash(runs, lane) >> 20) & (SLOTS - 1);
}

static uint32_t find_slot(const struct open_runs *runs, const uint8_t *lane)
{
    uint32_t slot = home(runs, lane);
    while (runs->slots[slot] != 0 &&
           memcmp(runs->items[runs->slots[slot] - 1].lane, lane, OPEN_RUNS_LANE) != 0)
        slot = (slot + 1) & (SLOTS - 1);
    return slot;
}

static struct open_run *at(const struct open_runs *runs, uint32_t place)
{
    return &runs->items[place - 1];
}

struct open_run *open_runs_find(const struct open_runs *runs, const uint8_t lane[OPEN_RUNS_LANE])
{
    uint32_t place = runs->count > 0 ? runs->slots[find_slot(runs, lane)] : 0;
    return place != 0 ? at(runs, place) : NULL;
}

struct open_run *open_runs_add(struct open_runs *runs, struct open_chain *chain,
                               const uint8_t lane[OPEN_RUNS_LANE])
{
    if (runs->count == OPEN_RUNS_MAX || chain->count == OPEN_RUNS_OF_CHAIN) /* promise 1 */
        return NULL;
    uint32_t place = runs->free;
    if (place != 0)
        runs->free = at(runs, place)->next;
    else
        place = ++runs->used;
    struct open_run *run = at(runs, place);
    *run = (struct open_run){.chain = chain, .previous = chain->last};
    memcpy(run->lane, lane, OPEN_RUNS_LANE);
    runs->slots[find_slot(runs, lane)] = place;
    if (chain->last != 0)
        at(runs, chain->last)->next = place;
    else
        chain->first = place;
    chain->last = place;
    chain->count++;
    runs->count++;
    return run;
}

/* Close the hole, so that no search ends in it too early. */
static void empty_slot(struct open_runs *runs, uint32_t hole)
{
    for (uint32_t next = (hole + 1) & (SLOTS - 1); runs->slots[next] != 0;
         next = (next + 1) & (SLOTS - 1)) {
        uint32_t wanted = home(runs, at(runs, runs->slots[next])->lane);
        if (((next - wanted) & (SLOTS - 1)) < ((next - hole) & (SLOTS - 1)))
            continue;
        runs->slots[hole] = runs->slots[next];
        hole = next;
    }
    runs->slots[hole] = 0;
}

void open_runs_remove(struct open_runs *runs, struct open_run *run)
{
    struct open_chain *chain = run->chain;
    empty_slot(runs, find_slot(runs, run->lane));
    if (run->previous != 0)
        at(runs, run->previous)->next = run->next;
    else
        chain->first = run->next;
    if (run->next != 0)
        at(runs, run->next)->previous = run->previous;
    else
        chain->last = run->previous;
    chain->count--;
    runs->count--;
    run->chain = NULL;
    run->next = runs->free;
    runs->free = (uint32_t)(run - runs->items) + 1;
}

struct open_run *open_runs_next(const struct open_runs *runs, const struct open_chain *chain,
                                const struct open_run *run)
{
    uint32_t place = run != NULL ? run->next : chain->first;
    return place != 0 ? at(runs, place) : NULL;
}

void open_runs_settle(struct open_runs *runs, bool is_committed)
{
    for (uint32_t i = 0; runs->has_group && i < runs->used; i++)
        if (runs->items[i].sharing == OPEN_RUN_SHARED_IN_GROUP)
            runs->items[i].sharing = is_committed ? OPEN_RUN_SHARED : OPEN_RUN_OWN;
    runs->has_group = false;
}

/* ---- Who had events of it lately ---- */

static struct recent *recent_of(const struct open_runs *runs, const uint8_t *lane,
                                uint64_t *ret_hash)
{
    *ret_hash = hash(runs, lane) | 1;
    return &runs->recent[(*ret_hash >> 40) & (RECENT - 1)];
}

void open_runs_share(struct open_runs *runs, struct open_run *run)
{
    run->sharing = OPEN_RUN_SHARED_IN_GROUP;
    runs->has_group = true;
}

struct open_run *open_runs_note(struct open_runs *runs, const uint8_t lane[OPEN_RUNS_LANE],
                                uint64_t owner)
{
    uint64_t h;
    struct recent *r = recent_of(runs, lane, &h);
    struct open_run *run = open_runs_find(runs, lane);
    r->owner = r->lane == h && r->owner != owner ? OWNER_MANY : owner;
    r->lane = h;
    if (run == NULL || run->sharing != OPEN_RUN_OWN || open_runs_owner(&run->chain->key) == owner)
        return NULL;
    open_runs_share(runs, run);
    return run;
}

bool open_runs_is_known_of_others(const struct open_runs *runs, const uint8_t lane[OPEN_RUNS_LANE],
                                  uint64_t owner)
{
    uint64_t h;
    const struct recent *r = recent_of(runs, lane, &h);
    return r->lane == h && r->owner != owner;
}
