/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Records come in rising sequence, none twice, and none beyond the synced end (S12).
 *  2. Every sequence above `after` is either given or named in a gap.
 *  3. While the reader stands in a segment spool_reap() leaves it, unless a detached route is given
 * up: then what was not read becomes a gap. Bytes of another use of the file are never given: they
 * do not verify. */
#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#define READ_CHUNK (128u * 1024u)
#define KEYS_CHUNK (256u * 1024u)

struct spool_reader {
    struct spool *spool;
    uint64_t after;    /* the last sequence given, or told as gone */
    uint64_t segment;  /* number, 0: in none */
    uint64_t last_seq; /* of the segment */
    struct segment_walk walk;
    bool has_record; /* `record` was found behind a gap and is given next */
    struct spool_record record;
    struct segment_walk again; /* of spool_read_again() */
};

static struct spool_segment *find(struct spool *spool, uint64_t number)
{
    for (size_t i = 0; i < spool->count; i++)
        if (spool->segments[i].number == number && !spool->segments[i].is_leaving)
            return &spool->segments[i];
    return NULL;
}

/* Pin @p number and tell of it. */
static bool pin(struct spool *spool, uint64_t number, struct spool_segment *ret)
{
    pthread_mutex_lock(&spool->lock);
    struct spool_segment *segment = find(spool, number);
    if (segment != NULL) {
        segment->readers++;
        *ret = *segment;
    }
    pthread_mutex_unlock(&spool->lock);
    return segment != NULL;
}

static void unpin(struct spool *spool, uint64_t number)
{
    pthread_mutex_lock(&spool->lock);
    for (size_t i = 0; i < spool->count; i++)
        if (spool->segments[i].number == number && spool->segments[i].readers > 0)
            spool->segments[i].readers--;
    pthread_mutex_unlock(&spool->lock);
}

static bool is_there(struct spool *spool, uint64_t number)
{
    pthread_mutex_lock(&spool->lock);
    bool is_found = find(spool, number) != NULL;
    pthread_mutex_unlock(&spool->lock);
    return is_found;
}

static void leave(struct spool_reader *r)
{
    struct spool *spool = r->spool;
    if (r->segment == 0)
        return;
    unpin(spool, r->segment);
    OL_IGNORE(spool->fs->close(r->walk.fd), "read only");
    r->walk.fd = -1;
    r->segment = 0;
}

ol_status spool_reader_open(struct spool *spool, uint64_t after, struct spool_reader **ret,
                            struct ol_error *err)
{
    struct spool_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ol__error_set(err, OL_NOMEM, "spool: out of memory for a reader");
    r->spool = spool;
    r->after =
        OL_MIN(after, spool_synced(spool)); /* S19: a mark of the future is of another past */
    r->walk.fd = r->again.fd = -1;
    *ret = r;
    return OL_OK;
}

void spool_reader_close(struct spool_reader *reader)
{
    if (reader == NULL)
        return;
    leave(reader);
    segment_walk_release(&reader->walk);
    segment_walk_release(&reader->again);
    free(reader);
}

static void aim(struct spool *spool, const struct spool_segment *segment, struct segment_walk *walk)
{
    walk->fs = spool->fs;
    walk->salt = segment->salt;
    walk->first_seq = segment->first_seq;
    walk->limit_seq = segment->last_seq;
    walk->end = segment->end;
    walk->chunk = READ_CHUNK;
    walk->offset = 0;
    walk->budget = 0;
    walk->have = 0;
}

static ol_status give_gap(struct spool_reader *r, uint64_t last, struct spool_record *ret)
{
    *ret = (struct spool_record){.seq = r->after + 1, .offset = last};
    r->after = last;
    return OL_GAP;
}

/* Enter the segment that holds the sequence after `after`. @return OL_OK, OL_END, OL_GAP or a
 * failure. */
static ol_status enter(struct spool_reader *r, struct spool_record *ret, struct ol_error *err)
{
    struct spool *spool = r->spool;
    struct spool_segment found = {0};
    pthread_mutex_lock(&spool->lock);
    uint64_t synced = atomic_load(&spool->synced);
    for (size_t i = 0; i < spool->count && found.number == 0; i++) {
        struct spool_segment *segment = &spool->segments[i];
        if (segment->is_leaving || segment->last_seq <= r->after)
            continue;
        if (segment->first_seq <= r->after + 1)
            segment->readers++;
        found = *segment;
    }
    pthread_mutex_unlock(&spool->lock);
    if (found.number == 0)
        return synced > r->after ? give_gap(r, synced, ret) : OL_END;
    if (found.first_seq > r->after + 1)
        return give_gap(r, found.first_seq - 1, ret);
    int fd = -1;
    ol_status status = spool_segment_open(spool, found.number, O_RDONLY, &fd, err);
    if (status != OL_OK) {
        unpin(spool, found.number);
        if (status == OL_NOT_FOUND) /* looking from outside, or a hand that took the file away */
            return give_gap(r, found.last_seq, ret);
        return status;
    }
    aim(spool, &found, &r->walk);
    r->walk.fd = fd;
    r->segment = found.number;
    r->last_seq = found.last_seq;
    return OL_OK;
}

/* At the end of what was known of the segment: has it grown, is it the newest, is it still there?
 */
static bool refresh(struct spool_reader *r, bool *ret_is_newest, bool *ret_is_gone)
{
    struct spool *spool = r->spool;
    bool has_grown = false;
    pthread_mutex_lock(&spool->lock);
    const struct spool_segment *segment = find(spool, r->segment);
    *ret_is_gone = segment == NULL;
    *ret_is_newest = segment != NULL && segment == &spool->segments[spool->count - 1];
    if (segment != NULL && segment->end > r->walk.end) {
        has_grown = true;
        r->walk.end = segment->end;
        r->walk.limit_seq = r->last_seq = segment->last_seq;
    }
    pthread_mutex_unlock(&spool->lock);
    return has_grown;
}

static ol_status next_in_segment(struct spool_reader *r, struct spool_record *ret,
                                 struct ol_error *err)
{
    for (;;) {
        ol_status status = segment_walk_next(&r->walk, &r->record, err);
        if (status == OL_GAP && !is_there(r->spool, r->segment))
            return OL_END; /* promise 3: not rot, the file is used for something else by now */
        if (status == OL_GAP) {
            spool_quarantine_bytes(r->spool, r->segment, r->walk.fd, r->walk.bad_from,
                                   r->walk.bad_to, r->walk.missing);
            continue;
        }
        if (status != OL_OK)
            return status;
        if (r->record.seq <= r->after) /* before where this reader starts, or a snapshot */
            continue;
        r->record.segment = r->segment;
        if (r->record.seq > r->after + 1) {
            r->has_record = true;
            return give_gap(r, r->record.seq - 1, ret);
        }
        r->after = r->record.seq;
        *ret = r->record;
        return OL_OK;
    }
}

ol_status spool_reader_next(struct spool_reader *reader, struct spool_record *ret,
                            struct ol_error *err)
{
    struct spool_reader *r = reader;
    if (r->has_record) {
        r->has_record = false;
        r->after = r->record.seq;
        *ret = r->record;
        return OL_OK;
    }
    for (;;) {
        ol_status status = r->segment == 0 ? enter(r, ret, err) : OL_OK;
        if (status != OL_OK)
            return status;
        status = next_in_segment(r, ret, err);
        if (status != OL_END)
            return status;
        bool is_newest = false, is_gone = false;
        if (refresh(r, &is_newest, &is_gone))
            continue;
        uint64_t last = r->last_seq;
        if (!is_newest)
            leave(r);
        if (is_gone)
            continue; /* what is missing shows when the next segment is entered */
        if (r->after < last)
            return give_gap(r, last, ret);
        if (is_newest)
            return OL_END;
    }
}

/* ---- a second look ---- */

ol_status spool_read_again(struct spool_reader *reader, uint64_t segment, uint64_t offset,
                           uint64_t seq, struct spool_record *ret, struct ol_error *err)
{
    struct spool *spool = reader->spool;
    struct segment_walk *walk = &reader->again;
    struct spool_segment found;
    if (!pin(spool, segment, &found))
        return ol__error_set(err, OL_NOT_FOUND, "sequence %" PRIu64 " is no longer in the spool",
                             seq);
    /* Mostly it is the segment being followed: that is open already. */
    bool is_own = segment == reader->segment && reader->walk.fd >= 0;
    int fd = is_own ? reader->walk.fd : -1;
    ol_status status = is_own ? OL_OK : spool_segment_open(spool, segment, O_RDONLY, &fd, err);
    if (status == OL_OK) {
        struct spool_record record = {0};
        aim(spool, &found, walk);
        walk->fd = fd;
        walk->chunk = SEGMENT_HEADER_SIZE; /* one record is wanted, not its neighbours */
        walk->offset = OL_MAX(offset, (uint64_t)SEGMENT_HEADER_SIZE);
        walk->last_seq = found.first_seq - 1;
        status = segment_walk_look(walk, &record, err);
        if (status == OL_OK && record.seq != seq)
            status = OL_CORRUPT;
        if (status == OL_CORRUPT)
            OL_IGNORE(ol__error_set(err, status, "sequence %" PRIu64 " no longer verifies", seq),
                      "it is returned");
        if (status == OL_OK) {
            record.segment = segment;
            *ret = record;
        }
        if (!is_own)
            OL_IGNORE(spool->fs->close(fd), "read only");
    }
    unpin(spool, segment);
    return status;
}

/* ---- keys of recent requests ---- */

struct key {
    uint8_t id[16];
    uint64_t position, seq;
    int64_t time_ms;
};

/* Filled from its end, a segment at a time, the newest first. */
struct keys {
    struct key *items; /* owned; room for max of them, those from begin on are found */
    size_t max, begin;
    size_t count, next; /* of the segment being read: a ring before begin */
    int64_t since_ms;
};

static void keep_key(struct keys *keys, const uint8_t *header)
{
    int64_t time_ms = (int64_t)ol__get_le64(header + 24);
    if (header[4] != SPOOL_EVENT || header[5] != SPOOL_FROM_HTTP || time_ms < keys->since_ms)
        return;
    struct key *key = &keys->items[keys->next];
    memcpy(key->id, header + 48, 16);
    key->position = ol__get_le64(header + 64);
    key->seq = ol__get_le64(header + 16);
    key->time_ms = time_ms;
    keys->next = (keys->next + 1) % keys->begin;
    keys->count = OL_MIN(keys->count + 1, keys->begin);
}

static void reverse(struct key *keys, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++) {
        struct key swapped = keys[i];
        keys[i] = keys[--count];
        keys[count] = swapped;
    }
}

/* What was found in one segment goes in front of what was found so far. */
static void put_in_front(struct keys *keys)
{
    if (keys->count == keys->begin) { /* the ring went round: turn it until the oldest is first */
        reverse(keys->items, keys->next);
        reverse(keys->items + keys->next, keys->count - keys->next);
        reverse(keys->items, keys->count);
    } else if (keys->count > 0) {
        memmove(keys->items + keys->begin - keys->count, keys->items,
                keys->count * sizeof *keys->items);
    }
    keys->begin -= keys->count;
    keys->count = keys->next = 0;
}

/* From header to header, no sum: a wrong key here at worst takes a repeated request twice or not at
 * all, and where a size makes no sense the segment is left. */
static ol_status keys_of_segment(struct spool *spool, const struct spool_segment *segment,
                                 uint8_t *buf, struct keys *keys, struct ol_error *err)
{
    int fd = -1;
    ol_status status = spool_segment_open(spool, segment->number, O_RDONLY, &fd, err);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    uint64_t at = SEGMENT_HEADER_SIZE, buf_at = 0;
    size_t have = 0;
    while (status == OL_OK && at + SEGMENT_RECORD_HEADER <= segment->end) {
        if (at < buf_at || at + SEGMENT_RECORD_HEADER > buf_at + have) {
            status = ol__fs_read_at(spool->fs, fd, buf, KEYS_CHUNK, (off_t)at, &have, err);
            buf_at = at;
            if (status != OL_OK || have < SEGMENT_RECORD_HEADER)
                break;
        }
        const uint8_t *header = buf + (at - buf_at);
        uint32_t size = ol__get_le32(header);
        uint64_t seq = ol__get_le64(header + 16);
        if (size == 0 || size > SPOOL_PAYLOAD_MAX || seq > segment->last_seq ||
            seq + 1 < segment->first_seq)
            break;
        keep_key(keys, header);
        at += segment_record_size(size);
    }
    OL_IGNORE(spool->fs->close(fd), "read only");
    put_in_front(keys);
    return status;
}

/* The newest segment older than number @p before (0: the newest of all); 0: there is none that can
 * hold a record of @p since_ms or later. */
static uint64_t older_segment(struct spool *spool, uint64_t before, int64_t since_ms)
{
    uint64_t number = 0;
    pthread_mutex_lock(&spool->lock);
    for (size_t i = spool->count; i-- > 0 && number == 0;) {
        const struct spool_segment *segment = &spool->segments[i];
        if (before == 0 || segment->number < before)
            number = segment->number;
        else if (segment->born_ms < since_ms)
            break; /* what is older was over when this one was born */
    }
    pthread_mutex_unlock(&spool->lock);
    return number;
}

ol_status spool_recent_keys(struct spool *spool, int64_t since_ms, size_t max,
                            void (*each)(void *arg, const uint8_t key[16], uint64_t position,
                                         uint64_t seq, int64_t time_ms),
                            void *arg, struct ol_error *err)
{
    if (max == 0)
        return OL_OK;
    struct keys keys = {
        .items = malloc(max * sizeof *keys.items), .max = max, .begin = max, .since_ms = since_ms};
    uint8_t *buf = malloc(KEYS_CHUNK);
    ol_status status = OL_OK;
    if (keys.items == NULL || buf == NULL)
        status = ol__error_set(err, OL_NOMEM, "spool: out of memory for %zu keys", max);
    /* Newest first: with a million waiting, those that count stand in the last few segments. */
    uint64_t number = 0;
    while (status == OL_OK && keys.begin > 0 &&
           (number = older_segment(spool, number, since_ms)) != 0) {
        struct spool_segment segment;
        if (pin(spool, number, &segment)) {
            status = keys_of_segment(spool, &segment, buf, &keys, err);
            unpin(spool, number);
        }
    }
    for (size_t i = keys.begin; i < keys.max && status == OL_OK; i++) {
        const struct key *key = &keys.items[i];
        each(arg, key->id, key->position, key->seq, key->time_ms);
    }
    free(keys.items);
    free(buf);
    return status;
}
