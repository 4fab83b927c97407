/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. spool_group_commit() answers OL_OK only after an fdatasync that covers the whole group (S2),
 * and, for a new segment, the fsync of the directory (S4).
 *  2. A file whose write or sync failed is never written or synced again; its successor names the
 * last synced record as its end (S5).
 *  3. After any other answer nothing of the group counts: its sequences are given again, positions
 * are as before.
 *  4. One memcpy of each event, one pwrite and one fdatasync a group; tail blocks are rewritten
 * once a group. */
#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include "times.h"

#define PAGE 4096u
#define GROUP_FIRST (256u * 1024u)
#define GROUP_KEEP (4u * 1024u * 1024u) /* a larger buffer goes back after its group */

/* ---- gathering ---- */

/* Upper bound of the snapshot's record; it may have one more journal after the next move. */
static size_t snapshot_bound(const struct spool *spool)
{
    return segment_record_size(positions_snapshot_size(&spool->positions) + SEGMENT_POSITION_SIZE);
}

static size_t group_limit(const struct spool *spool)
{
    size_t left = (size_t)spool->segment_bytes - SEGMENT_HEADER_SIZE - snapshot_bound(spool);
    return OL_MIN(left, (size_t)SPOOL_GROUP_MAX);
}

static ol_status grow_group(struct spool_writer *w, size_t need, struct ol_error *err)
{
    if (need <= w->cap)
        return OL_OK;
    size_t cap = OL_MAX(w->cap * 2, (size_t)GROUP_FIRST);
    cap = OL_MAX(cap, (need + PAGE - 1) / PAGE * PAGE);
    void *grown = aligned_alloc(PAGE, cap);
    if (grown == NULL)
        return ol__error_set(err, OL_NOMEM, "spool: out of memory for a group of %zu bytes", need);
    if (w->size > 0)
        memcpy(grown, w->group, w->size);
    free(w->group);
    w->group = grown;
    w->cap = cap;
    return OL_OK;
}

/* Room for @p more bytes and the positions record behind them: in the group, on disk, in memory. */
static ol_status make_room(struct spool *spool, size_t more, size_t extra_position,
                           struct ol_error *err)
{
    struct spool_writer *w = &spool->writer;
    if (spool->is_read_only)
        return ol__error_set(err, OL_DENIED, "spool '%s' was opened for reading only",
                             spool->directory);
    size_t changes = positions_changes_size(&spool->positions, true) + extra_position;
    size_t tail = changes > 0 ? segment_record_size(changes) : 0;
    size_t limit = group_limit(spool);
    if (more + tail > limit && w->count == 0 && more > 0)
        return ol__error_set(err, OL_TOO_LARGE,
                             "a record of %zu bytes does not fit into a segment of %" PRIu64, more,
                             spool->segment_bytes);
    if (w->size + more + tail > limit)
        return ol__error_set(err, OL_FULL, "the group holds %zu bytes: commit it first", w->size);
    if ((w->fd < 0 || w->offset + w->size + more + tail > spool->segment_bytes) &&
        !w->has_room_for_roll) {
        ol_status status = spool_check_room(spool, err);
        if (status == OL_FULL)
            atomic_store(&spool->is_full, true);
        if (status != OL_OK)
            return status;
        w->has_room_for_roll = true;
    }
    return grow_group(w, w->size + more + tail, err);
}

ol_status spool_group_add(struct spool *spool, struct spool_record *record, struct ol_error *err)
{
    struct spool_writer *w = &spool->writer;
    if (record->data.size == 0 || record->type != SPOOL_EVENT)
        return ol__error_set(err, OL_INVALID, "a record without payload, or not an event");
    if (record->data.size > SPOOL_PAYLOAD_MAX)
        return ol__error_set(err, OL_TOO_LARGE, "an event of %zu bytes; at most %u are taken",
                             record->data.size, SPOOL_PAYLOAD_MAX);
    size_t size = segment_record_size(record->data.size);
    ol_status status = make_room(spool, size, 0, err);
    if (status != OL_OK)
        return status;
    struct ol__uuid journal;
    if (positions_are_moved_by(record, &journal)) {
        status = positions_reserve(&spool->positions, &journal, err);
        if (status != OL_OK)
            return status;
        positions_move(&spool->positions, &journal, record->source_position, false);
    }
    record->seq = w->next_seq + w->count;
    segment_record_encode(record, w->group + w->size);
    w->size += size;
    w->count++;
    return OL_OK;
}

ol_status spool_group_position(struct spool *spool, const struct ol__uuid *journal,
                               uint64_t position, struct ol_error *err)
{
    ol_status status = make_room(spool, 0, SEGMENT_POSITION_SIZE, err);
    if (status == OL_OK)
        status = positions_reserve(&spool->positions, journal, err);
    if (status == OL_OK)
        positions_move(&spool->positions, journal, position, true);
    return status;
}

ol_status spool_group_forget(struct spool *spool, const struct ol__uuid *journal)
{
    positions_forget(&spool->positions, journal);
    return OL_OK;
}

size_t spool_group_size(const struct spool *spool)
{
    return spool->writer.size;
}

/* ---- writing ---- */

/* Put the positions that no event carries behind the group. */
static ol_status append_changes(struct spool *spool, bool *ret_told, struct ol_error *err)
{
    struct spool_writer *w = &spool->writer;
    /* What is forgotten was not asked room for; it waits for a group, or a snapshot, that has some.
     */
    size_t size = positions_changes_size(&spool->positions, true);
    bool all = w->size + segment_record_size(size) <= group_limit(spool);
    size = positions_changes_size(&spool->positions, all);
    *ret_told = all;
    if (size == 0)
        return OL_OK;
    size_t total = segment_record_size(size);
    ol_status status = grow_group(w, w->size + total, err);
    if (status != OL_OK)
        return status;
    uint8_t *out = w->group + w->size;
    struct spool_record record = {
        .type = SPOOL_POSITIONS,
        .source = SPOOL_FROM_AGENT,
        .uid = SPOOL_UID_UNKNOWN,
        .time_ms = ol__time_now_ms(),
        .seq = w->next_seq + w->count,
    };
    memset(out, 0, total);
    segment_record_encode(&record, out); /* without payload: that is written in its place */
    ol__put_le32(out, (uint32_t)size);
    positions_write_changes(&spool->positions, all, record.time_ms, out + SEGMENT_RECORD_HEADER);
    w->size += total;
    w->count++;
    return OL_OK;
}

/* Sums are made here, when it is known which segment the group goes to: it may move to another
 * (S5). */
static void seal_group(const struct spool_writer *w, bool starts_group, uint64_t salt)
{
    uint8_t flags = starts_group ? SEGMENT_STARTS_GROUP : 0;
    for (size_t at = 0; at < w->size; at += segment_record_size(ol__get_le32(w->group + at))) {
        segment_record_seal(w->group + at, flags, salt);
        flags = 0;
    }
}

static ol_status sync_file(struct spool *spool, int fd, struct ol_error *err)
{
    atomic_store(&spool->sync_started_ms, ol__time_monotonic_ms());
    int result = spool->fs->fdatasync(fd);
    int reason = errno;
    atomic_store(&spool->sync_started_ms, 0);
    atomic_fetch_add(&spool->syncs, 1);
    if (result == 0)
        return OL_OK;
    atomic_fetch_add(&spool->sync_failures, 1);
    return ol__error_set_errno(err, reason, "spool '%s': sync", spool->directory);
}

/* Whole pages: what the device is handed, the tail block that the next group writes again included.
 */
static void count_written(struct spool *spool, uint64_t from, uint64_t to)
{
    atomic_fetch_add(&spool->written_bytes, (to + PAGE - 1) / PAGE * PAGE - from / PAGE * PAGE);
}

static ol_status write_group(struct spool *spool, struct ol_error *err)
{
    struct spool_writer *w = &spool->writer;
    seal_group(w, true, w->salt);
    count_written(spool, w->offset, w->offset + w->size);
    ol_status status = ol__fs_write_at(spool->fs, w->fd, w->group, w->size, (off_t)w->offset, err);
    if (status != OL_OK)
        return ol__error_prefix(err, status, "spool '%s'", spool->directory);
    OL_CRASHPOINT("spool.group.written");
    status = sync_file(spool, w->fd, err);
    OL_CRASHPOINT("spool.group.synced");
    return status;
}

/* Header and snapshot of a new segment; *ret is owned by the caller. */
static ol_status make_head(struct spool *spool, const struct spool_segment *next,
                           const struct spool_segment *previous, uint8_t **ret, size_t *ret_size,
                           struct ol_error *err)
{
    size_t bound =
        SEGMENT_HEADER_SIZE + segment_record_size(positions_snapshot_size(&spool->positions));
    uint8_t *head = calloc(1, bound);
    if (head == NULL)
        return ol__error_set(err, OL_NOMEM, "spool: out of memory for a segment's head");
    struct segment_header header = {
        .number = next->number,
        .salt = next->salt,
        .spool = spool->uuid,
        .first_seq = next->first_seq,
        .previous = previous != NULL ? previous->number : 0,
        .previous_end = previous != NULL ? previous->end : 0,
        .born_ms = next->born_ms,
        .allocated = spool->segment_bytes,
    };
    segment_header_encode(&header, head);
    uint8_t *record = head + SEGMENT_HEADER_SIZE;
    size_t size = positions_write_snapshot(&spool->positions, record + SEGMENT_RECORD_HEADER);
    ol__put_le32(record, (uint32_t)size);
    record[4] = SPOOL_POSITIONS;
    record[5] = SPOOL_FROM_AGENT;
    ol__put_le64(record + 16,
                 next->first_seq - 1); /* S4: it stands before the first and is not counted */
    ol__put_le64(record + 24, (uint64_t)next->born_ms);
    ol__put_le32(record + 72, SPOOL_UID_UNKNOWN);
    segment_record_seal(record, SEGMENT_STARTS_GROUP | SEGMENT_IS_COMPLETE, next->salt);
    *ret = head;
    *ret_size = SEGMENT_HEADER_SIZE + segment_record_size(size);
    return OL_OK;
}

/* S4 up to the fdatasync. */
static ol_status write_first(struct spool *spool, int fd, uint64_t salt, const uint8_t *head,
                             size_t head_size, struct ol_error *err)
{
    const struct spool_writer *w = &spool->writer;
    /* No group flag: the snapshot before it is synced together with it (S2). */
    seal_group(w, false, salt);
    count_written(spool, 0, head_size + w->size);
    ol_status status = ol__fs_write_at(spool->fs, fd, head, head_size, 0, err);
    if (status == OL_OK)
        status = ol__fs_write_at(spool->fs, fd, w->group, w->size, (off_t)head_size, err);
    if (status != OL_OK)
        return ol__error_prefix(err, status, "spool '%s'", spool->directory);
    OL_CRASHPOINT("spool.roll.written");
    status = sync_file(spool, fd, err);
    OL_CRASHPOINT("spool.roll.synced");
    return status;
}

/* S4 from the rename on. A name that may not last is taken away again; should that fail too, the
 * chain passes over it (S9), its number never being used again. */
static ol_status publish_name(struct spool *spool, uint64_t free_number, uint64_t number,
                              struct ol_error *err)
{
    char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE];
    segment_name(free_number, true, from);
    segment_name(number, false, to);
    if (spool->fs->renameat(spool->dirfd, from, spool->dirfd, to) != 0)
        return ol__error_set_errno(err, errno, "segment '%s/%s': rename from '%s'",
                                   spool->directory, to, from);
    OL_CRASHPOINT("spool.roll.renamed");
    ol_status status = spool_sync_directory(spool, err);
    if (status != OL_OK)
        OL_IGNORE(spool->fs->unlinkat(spool->dirfd, to, 0), "see above");
    OL_CRASHPOINT("spool.roll.durable");
    return status;
}

/* S6: give back what the segment before the newest does not use. */
static void cut_previous(struct spool *spool, int fd)
{
    pthread_mutex_lock(&spool->lock);
    struct spool_segment previous = {0};
    if (spool->count >= 2)
        previous = spool->segments[spool->count - 2];
    pthread_mutex_unlock(&spool->lock);
    bool is_open = fd >= 0;
    /* A full one is worth more as a filled file for another use than the few bytes at its end. */
    if (previous.number != 0 && previous.end < previous.size - previous.size / 8 &&
        (is_open || spool_segment_open(spool, previous.number, O_WRONLY, &fd, NULL) == OL_OK)) {
        if (spool->fs->ftruncate(fd, (off_t)previous.end) == 0) {
            OL_CRASHPOINT("spool.roll.cut");
            pthread_mutex_lock(&spool->lock);
            for (size_t i = 0; i < spool->count; i++) {
                struct spool_segment *s = &spool->segments[i];
                if (s->number != previous.number)
                    continue;
                spool->log_bytes -= s->size - s->end;
                s->size = s->end;
                s->is_filled = false;
            }
            pthread_mutex_unlock(&spool->lock);
        }
    }
    if (fd >= 0)
        OL_IGNORE(spool->fs->close(fd), "all that counts was synced");
}

static ol_status reserve_segment(struct spool *spool, struct ol_error *err)
{
    ol_status status = OL_OK;
    pthread_mutex_lock(&spool->lock);
    if (spool->count == spool->cap) {
        struct spool_segment *grown = ol__grow(spool->segments, &spool->cap, sizeof *grown);
        if (grown != NULL)
            spool->segments = grown;
        else
            status = ol__error_set(err, OL_NOMEM, "spool: out of memory for more than %zu segments",
                                   spool->cap);
    }
    pthread_mutex_unlock(&spool->lock);
    return status;
}

/* Begin a new segment with the group (S4). */
static ol_status roll(struct spool *spool, struct ol_error *err)
{
    struct spool_writer *w = &spool->writer;
    struct spool_segment next = {.number = w->next_number,
                                 .first_seq = w->next_seq,
                                 .last_seq = w->next_seq + w->count - 1,
                                 .size = spool->segment_bytes,
                                 .born_ms = ol__time_now_ms()};
    ol__random(&next.salt, sizeof next.salt);
    ol_status status = reserve_segment(spool, err);
    if (status != OL_OK)
        return status;
    pthread_mutex_lock(&spool->lock);
    struct spool_segment newest = {0};
    if (spool->count > 0) /* of those there only the intake thread changes the newest */
        newest = spool->segments[spool->count - 1];
    pthread_mutex_unlock(&spool->lock);
    uint8_t *head = NULL;
    size_t head_size = 0;
    status = make_head(spool, &next, newest.number != 0 ? &newest : NULL, &head, &head_size, err);
    if (status != OL_OK)
        return status;
    uint64_t free_number = 0;
    int fd = -1;
    status = spool_free_take(spool, &free_number, &fd, &next.is_filled, err);
    if (status == OL_OK) {
        w->next_number++; /* whatever comes of it (S9) */
        status = write_first(spool, fd, next.salt, head, head_size, err);
        if (status == OL_OK)
            status = publish_name(spool, free_number, next.number, err);
        if (status != OL_OK) {
            OL_IGNORE(spool->fs->close(fd), "promise 2: it is given up");
            spool_free_drop(spool, free_number);
        }
    }
    free(head);
    if (status != OL_OK)
        return status;
    next.end = head_size + w->size;
    pthread_mutex_lock(&spool->lock);
    spool->segments[spool->count++] = next;
    pthread_cond_signal(&spool->prepare_wake);
    pthread_mutex_unlock(&spool->lock);
    int old = w->fd;
    w->fd = fd;
    w->salt = next.salt;
    w->offset = next.end;
    cut_previous(spool, old);
    return OL_OK;
}

/* ---- committing ---- */

static void end_group(struct spool *spool)
{
    struct spool_writer *w = &spool->writer;
    w->size = 0;
    w->count = 0;
    w->has_room_for_roll = false;
    if (w->cap > GROUP_KEEP) {
        free(w->group);
        w->group = NULL;
        w->cap = 0;
    }
}

static void wake(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    for (size_t i = 0; i < spool->subscriber_count; i++) {
        uint64_t one = 1;
        OL_IGNORE(ol__fs_real.write(spool->subscribers[i], &one, sizeof one),
                  "full: its reader has not looked since, and will");
    }
    pthread_mutex_unlock(&spool->lock);
}

/* Give the newest segment up: it ends at its last synced record, as the next header will say. */
static void give_up(struct spool *spool)
{
    struct spool_writer *w = &spool->writer;
    if (w->fd >= 0)
        OL_IGNORE(spool->fs->close(w->fd), "all that counts was synced");
    w->fd = -1;
}

/* Write the group: to the newest segment, else to a new one; and once more to another (S5).
 * *ret_tried: a file was touched. */
static ol_status write_somewhere(struct spool *spool, bool *ret_tried, struct ol_error *err)
{
    struct spool_writer *w = &spool->writer;
    uint64_t number = w->next_number;
    bool fits = w->fd >= 0 && w->offset + w->size <= spool->segment_bytes;
    *ret_tried = fits;
    if (fits) {
        ol_status status = write_group(spool, err);
        if (status == OL_OK) {
            w->offset += w->size;
            return OL_OK;
        }
        give_up(spool);
    }
    ol_status status = roll(spool, err);
    /* The new file was the first to fail: it gets one successor. Not if nothing was written at all.
     */
    if (status != OL_OK && !fits && w->next_number != number && !w->is_failing)
        status = roll(spool, err);
    *ret_tried = fits || w->next_number != number;
    /* A failed successor may last under its name and says where this one ends: no record may come
     * behind that. */
    if (status != OL_OK && w->next_number != number)
        give_up(spool);
    return status;
}

static ol_status fail_group(struct spool *spool, ol_status status, bool was_written)
{
    struct spool_writer *w = &spool->writer;
    if (was_written && status != OL_NOMEM) {
        w->failed_ms = ol__time_monotonic_ms();
        w->is_failing = true;
        atomic_store(&spool->is_failing, true);
    }
    positions_rollback(&spool->positions); /* promise 3 */
    end_group(spool);
    return status;
}

ol_status spool_group_commit(struct spool *spool, struct ol_error *err)
{
    struct spool_writer *w = &spool->writer;
    if (w->count == 0 && spool->positions.explicit_count == 0)
        return OL_OK;
    if (w->is_failing && ol__time_monotonic_ms() - w->failed_ms < spool->retry_ms)
        return fail_group(spool,
                          ol__error_set(err, OL_IO,
                                        "spool '%s': two files in a row could not be written; "
                                        "tried again every %" PRId64 " ms",
                                        spool->directory, spool->retry_ms),
                          false);
    bool told_forgotten = false;
    ol_status status = append_changes(spool, &told_forgotten, err);
    if (status != OL_OK)
        return fail_group(spool, status, false);
    uint64_t number = w->next_number;
    bool was_tried = false;
    status = write_somewhere(spool, &was_tried, err);
    if (status == OL_FULL && !was_tried) /* S7 */
        atomic_store(&spool->is_full, true);
    if (status != OL_OK)
        return fail_group(spool, status, was_tried);
    w->is_failing = false;
    atomic_store(&spool->is_failing, false);
    atomic_store(&spool->is_full, false);
    w->next_seq += w->count;
    pthread_mutex_lock(&spool->lock);
    struct spool_segment *newest = &spool->segments[spool->count - 1];
    newest->end = w->offset;
    newest->last_seq = w->next_seq - 1;
    atomic_store(&spool->synced, w->next_seq - 1);
    pthread_mutex_unlock(&spool->lock);
    /* The snapshot of a new segment leaves out what was forgotten. */
    positions_commit(&spool->positions, ol__time_now_ms(),
                     told_forgotten || w->next_number != number);
    end_group(spool);
    wake(spool);
    return OL_OK;
}

ol_status spool_position(const struct spool *spool, const struct ol__uuid *journal, uint64_t *ret)
{
    const struct position *item = positions_find(&spool->positions, journal);
    if (item == NULL || !item->is_live || item->is_forgotten)
        return OL_NOT_FOUND;
    *ret = item->value;
    return OL_OK;
}

void spool_positions(const struct spool *spool,
                     void (*each)(void *arg, const struct ol__uuid *journal, uint64_t position),
                     void *arg)
{
    for (uint32_t i = 0; i < spool->positions.count; i++) {
        const struct position *item = &spool->positions.items[i];
        if (item->is_live && !item->is_forgotten)
            each(arg, &item->journal, item->value);
    }
}
