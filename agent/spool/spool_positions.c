/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Committed values change only in positions_commit() and positions_replay().
 *  2. After positions_rollback() the table is as before the group's first move.
 *  3. It never holds more than `max` entries, so a snapshot always fits (S4). */
#include "spool_positions.h"

#include <stdlib.h>
#include <xxhash.h>

#define FIRST_ITEMS 32u

bool positions_are_moved_by(const struct spool_record *record, struct ol__uuid *ret)
{
    static const struct ol__uuid none;
    memcpy(ret->bytes, record->source_id, sizeof ret->bytes);
    return record->source == SPOOL_FROM_JOURNAL || record->source == SPOOL_FROM_FILE ||
           (record->source == SPOOL_FROM_AGENT && memcmp(ret, &none, sizeof none) != 0);
}

void positions_init(struct positions *table, uint32_t max)
{
    *table = (struct positions){.max = max};
    ol__random(&table->seed, sizeof table->seed); /* who names journals cannot make them collide */
}

void positions_release(struct positions *table)
{
    free(table->items);
    free(table->slots);
    free(table->dirty);
    *table = (struct positions){.max = table->max, .seed = table->seed};
}

static uint32_t first_slot(const struct positions *t, const struct ol__uuid *journal)
{
    return (uint32_t)XXH3_64bits_withSeed(journal->bytes, 16, t->seed) & (t->slot_count - 1);
}

/* The item, or NULL; *ret_slot is where its index stands or belongs. */
static struct position *find(const struct positions *t, const struct ol__uuid *journal,
                             uint32_t *ret_slot)
{
    if (t->slot_count == 0)
        return NULL;
    uint32_t slot = first_slot(t, journal);
    for (; t->slots[slot] != 0; slot = (slot + 1) & (t->slot_count - 1)) {
        struct position *item = &t->items[t->slots[slot] - 1];
        if (memcmp(item->journal.bytes, journal->bytes, 16) == 0) {
            *ret_slot = slot;
            return item;
        }
    }
    *ret_slot = slot;
    return NULL;
}

const struct position *positions_find(const struct positions *table, const struct ol__uuid *journal)
{
    uint32_t slot = 0;
    return find(table, journal, &slot);
}

static void rebuild(struct positions *t)
{
    if (t->slot_count == 0)
        return;
    memset(t->slots, 0, t->slot_count * sizeof *t->slots);
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t slot = first_slot(t, &t->items[i].journal);
        while (t->slots[slot] != 0)
            slot = (slot + 1) & (t->slot_count - 1);
        t->slots[slot] = i + 1;
    }
}

static ol_status grow(struct positions *t, struct ol_error *err)
{
    uint32_t cap = OL_MIN(t->cap == 0 ? FIRST_ITEMS : t->cap * 2, t->max);
    uint32_t slot_count = 1;
    while (slot_count < 2 * cap)
        slot_count *= 2;
    struct position *items = realloc(t->items, cap * sizeof *items);
    if (items != NULL)
        t->items = items;
    uint32_t *dirty = realloc(t->dirty, cap * sizeof *dirty);
    if (dirty != NULL)
        t->dirty = dirty;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (items == NULL || dirty == NULL || slots == NULL) {
        free(slots);
        return ol__error_set(err, OL_NOMEM, "journal positions: out of memory for %u", cap);
    }
    free(t->slots);
    t->slots = slots;
    t->slot_count = slot_count;
    t->cap = cap;
    rebuild(t);
    return OL_OK;
}

ol_status positions_reserve(struct positions *table, const struct ol__uuid *journal,
                            struct ol_error *err)
{
    if (positions_find(table, journal) != NULL || table->count < table->cap)
        return OL_OK;
    if (table->count >= table->max)
        return ol__error_set(err, OL_FULL, "journal positions: more than %u journals at once",
                             table->max);
    return grow(table, err);
}

static struct position *find_or_add(struct positions *t, const struct ol__uuid *journal)
{
    uint32_t slot = 0;
    struct position *item = find(t, journal, &slot);
    if (item != NULL)
        return item;
    assert(t->count < t->cap); /* positions_reserve() */
    item = &t->items[t->count++];
    *item = (struct position){.journal = *journal};
    t->slots[slot] = t->count;
    return item;
}

static void touch(struct positions *t, struct position *item)
{
    if (item->is_dirty)
        return;
    item->is_dirty = true;
    t->dirty[t->dirty_count++] = (uint32_t)(item - t->items);
}

void positions_move(struct positions *table, const struct ol__uuid *journal, uint64_t value,
                    bool is_explicit)
{
    struct position *item = find_or_add(table, journal);
    touch(table, item);
    if (item->is_forgotten) { /* it is back: the last word counts */
        item->is_forgotten = false;
        table->forget_count--;
    }
    /* An event that comes after an explicit move says more: the record written last must not take
     * it back. */
    if (item->is_explicit)
        table->explicit_count--;
    item->is_explicit = is_explicit;
    if (is_explicit)
        table->explicit_count++;
    item->is_pending = true;
    item->pending = value;
}

void positions_forget(struct positions *table, const struct ol__uuid *journal)
{
    uint32_t slot = 0;
    struct position *item = find(table, journal, &slot);
    if (item == NULL || item->is_forgotten)
        return;
    touch(table, item);
    if (item->is_explicit)
        table->explicit_count--;
    item->is_explicit = item->is_pending = false;
    item->is_forgotten = true;
    table->forget_count++;
}

/* Take out what is neither live nor awaited; what stays dirty is listed anew. */
static void sweep(struct positions *t, bool drop_forgotten)
{
    bool has_holes = false;
    for (uint32_t i = 0; i < t->dirty_count; i++) {
        const struct position *item = &t->items[t->dirty[i]];
        has_holes = has_holes || (item->is_forgotten ? drop_forgotten : !item->is_live);
    }
    if (!has_holes) { /* the usual case: no pass over the whole table */
        uint32_t kept = 0;
        for (uint32_t i = 0; i < t->dirty_count; i++) {
            struct position *item = &t->items[t->dirty[i]];
            item->is_dirty = item->is_forgotten;
            if (item->is_dirty)
                t->dirty[kept++] = t->dirty[i];
        }
        t->dirty_count = kept;
        return;
    }
    uint32_t kept = 0;
    t->dirty_count = 0;
    t->forget_count = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        struct position item = t->items[i];
        if (item.is_forgotten ? drop_forgotten : !item.is_live)
            continue;
        item.is_dirty = item.is_forgotten;
        if (item.is_dirty) {
            t->dirty[t->dirty_count++] = kept;
            t->forget_count++;
        }
        t->items[kept++] = item;
    }
    t->count = kept;
    rebuild(t);
}

void positions_commit(struct positions *table, int64_t now_ms, bool told_forgotten)
{
    for (uint32_t i = 0; i < table->dirty_count; i++) {
        struct position *item = &table->items[table->dirty[i]];
        if (!item->is_pending)
            continue;
        item->value = item->pending;
        item->changed_ms = now_ms;
        item->is_live = true;
        item->is_pending = item->is_explicit = false;
    }
    table->explicit_count = 0;
    sweep(table, told_forgotten);
}

void positions_rollback(struct positions *table)
{
    for (uint32_t i = 0; i < table->dirty_count; i++) {
        struct position *item = &table->items[table->dirty[i]];
        item->is_pending = item->is_explicit = false;
    }
    table->explicit_count = 0;
    sweep(table, false);
}

size_t positions_changes_size(const struct positions *table, bool with_forgotten)
{
    uint32_t count = table->explicit_count + (with_forgotten ? table->forget_count : 0);
    return (size_t)count * SEGMENT_POSITION_SIZE;
}

size_t positions_snapshot_size(const struct positions *table)
{
    return (size_t)OL_MAX(table->count, 1u) * SEGMENT_POSITION_SIZE;
}

static uint8_t *write_entry(uint8_t *out, const struct ol__uuid *journal, uint64_t value,
                            int64_t changed_ms)
{
    memcpy(out, journal->bytes, 16);
    ol__put_le64(out + 16, value);
    ol__put_le64(out + 24, (uint64_t)changed_ms);
    return out + SEGMENT_POSITION_SIZE;
}

void positions_write_changes(const struct positions *table, bool with_forgotten, int64_t now_ms,
                             uint8_t *out)
{
    for (uint32_t i = 0; i < table->dirty_count; i++) {
        const struct position *item = &table->items[table->dirty[i]];
        if (item->is_forgotten && with_forgotten)
            out = write_entry(out, &item->journal, POSITIONS_FORGET, now_ms);
        else if (item->is_explicit)
            out = write_entry(out, &item->journal, item->pending, now_ms);
    }
}

size_t positions_write_snapshot(const struct positions *table, uint8_t *out)
{
    uint8_t *start = out;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct position *item = &table->items[i];
        if (item->is_live && !item->is_forgotten)
            out = write_entry(out, &item->journal, item->value, item->changed_ms);
    }
    if (out == start) /* a payload of size 0 would read as "nothing was written here" */
        out = write_entry(out, &(struct ol__uuid){{0}}, POSITIONS_FORGET, 0);
    return (size_t)(out - start);
}

static ol_status replay_one(struct positions *t, const struct ol__uuid *journal, uint64_t value,
                            int64_t changed_ms, struct ol_error *err)
{
    uint32_t slot = 0;
    if (value == POSITIONS_FORGET) {
        struct position *gone = find(t, journal, &slot);
        if (gone != NULL)
            gone->is_live = false; /* taken out below, or by the next commit */
        return OL_OK;
    }
    ol_status status = positions_reserve(t, journal, err);
    if (status == OL_FULL)
        return OL_OK; /* a smaller limit than the one it was written under; that journal is read
                         again */
    if (status != OL_OK)
        return status;
    struct position *item = find_or_add(t, journal);
    item->value = value;
    item->changed_ms = changed_ms;
    item->is_live = true;
    return OL_OK;
}

ol_status positions_replay(struct positions *table, const struct spool_record *record,
                           bool is_complete, struct ol_error *err)
{
    if (record->type == SPOOL_EVENT) {
        struct ol__uuid journal;
        if (!positions_are_moved_by(record, &journal))
            return OL_OK;
        return replay_one(table, &journal, record->source_position, record->time_ms, err);
    }
    if (is_complete) {
        table->count = 0;
        rebuild(table);
    }
    const uint8_t *entry = (const uint8_t *)record->data.data;
    size_t count = record->data.size / SEGMENT_POSITION_SIZE;
    ol_status status = OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++, entry += SEGMENT_POSITION_SIZE) {
        struct ol__uuid journal;
        memcpy(journal.bytes, entry, 16);
        status = replay_one(table, &journal, ol__get_le64(entry + 16),
                            (int64_t)ol__get_le64(entry + 24), err);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->count; i++)
        if (table->items[i].is_live)
            table->items[kept++] = table->items[i];
    if (kept < table->count) {
        table->count = kept;
        rebuild(table);
    }
    return status;
}
