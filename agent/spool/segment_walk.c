/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Only records that verify are given, in rising sequence, each once (S10).
 *  2. In the newest segment nothing behind a bad record is given unless a later group proves that
 * the bad one had been synced (S11): what was never acknowledged stays dead.
 *  3. It always ends: every call moves on by at least 8 bytes, and searching sums up at most
 * SEARCH_FACTOR times the file, whatever headers the bytes imitate.
 *  4. The buffer holds one chunk, or one record of at most SPOOL_PAYLOAD_MAX. */
#include "segment.h"

#include <stdlib.h>

#define SEARCH_FACTOR 64u

/* Make @p need bytes at @p at available (at + need <= end); what the file lacks reads as zeros. */
static ol_status ensure(struct segment_walk *w, uint64_t at, size_t need, uint8_t **ret,
                        struct ol_error *err)
{
    if (at >= w->buf_at && at - w->buf_at <= w->have && need <= w->have - (at - w->buf_at)) {
        *ret = w->buf + (at - w->buf_at);
        return OL_OK;
    }
    size_t wanted = OL_MAX(need, w->chunk);
    if (w->cap < wanted || w->cap > 2 * OL_MAX(wanted, w->chunk)) {
        uint8_t *buf = realloc(w->buf, wanted); /* the old bytes do not matter */
        if (buf == NULL)
            return ol__error_set(err, OL_NOMEM, "out of memory for %zu bytes of a segment", wanted);
        w->buf = buf;
        w->cap = wanted;
    }
    w->have = 0;
    size_t size = (size_t)OL_MIN((uint64_t)wanted, w->end - at);
    size_t got = 0;
    ol_status status = ol__fs_read_at(w->fs, w->fd, w->buf, size, (off_t)at, &got, err);
    if (status != OL_OK)
        return status;
    memset(w->buf + got, 0, size - got);
    w->buf_at = at;
    w->have = size;
    *ret = w->buf;
    return OL_OK;
}

/* What can be said of a header alone (S10). */
static bool is_plausible(const struct segment_walk *w, uint64_t at, const uint8_t *header)
{
    uint32_t size = ol__get_le32(header);
    if (size == 0 || size > SPOOL_PAYLOAD_MAX || segment_record_size(size) > w->end - at)
        return false;
    uint8_t type = header[4], flags = header[7];
    if ((type != SPOOL_EVENT && type != SPOOL_POSITIONS) || flags > 3)
        return false;
    uint64_t seq = ol__get_le64(header + 16);
    if (at == SEGMENT_HEADER_SIZE &&
        seq == w->first_seq - 1) /* the snapshot, which is not counted */
        return type == SPOOL_POSITIONS && (flags & SEGMENT_IS_COMPLETE) != 0;
    return seq > w->last_seq && seq <= w->limit_seq;
}

/* Look at @p at: *ret is the record if a good one stands there, else NULL. */
static ol_status look(struct segment_walk *w, uint64_t at, bool is_search, uint8_t **ret,
                      struct ol_error *err)
{
    *ret = NULL;
    if (w->end < at || w->end - at < SEGMENT_RECORD_HEADER)
        return OL_OK;
    uint8_t *p = NULL;
    ol_status status = ensure(w, at, SEGMENT_RECORD_HEADER, &p, err);
    if (status != OL_OK || !is_plausible(w, at, p))
        return status;
    size_t size = segment_record_size(ol__get_le32(p));
    if (is_search) {
        if (w->budget <= size) {
            w->budget = 1; /* promise 3; 0 would mean that it was never set */
            return OL_OK;
        }
        w->budget -= size;
    }
    status = ensure(w, at, size, &p, err);
    if (status == OL_OK && segment_record_verify(p, w->salt))
        *ret = p;
    return status;
}

/* The next good record from @p from on, in steps of 8; *ret_at is the end if there is none. In the
 * newest it must start a group; *ret_torn is then the end of the last one seen that does not. */
static ol_status search(struct segment_walk *w, uint64_t from, uint64_t *ret_at, uint64_t *ret_torn,
                        struct ol_error *err)
{
    if (w->budget == 0)
        w->budget = SEARCH_FACTOR * w->end + 1;
    uint64_t at = from;
    while (at < w->end && w->end - at >= SEGMENT_RECORD_HEADER && w->budget > 1) {
        uint8_t *p = NULL;
        ol_status status = ensure(w, at, SEGMENT_RECORD_HEADER, &p, err);
        if (status != OL_OK)
            return status;
        /* Most of what is searched is zeros: pass over them without asking for each. */
        size_t left = w->have - (size_t)(at - w->buf_at);
        size_t skipped = 0;
        while (left - skipped >= 8 && ol__get_le32(p + skipped) == 0)
            skipped += 8;
        at += skipped;
        if (skipped > 0)
            continue;
        uint8_t *record = NULL;
        status = look(w, at, true, &record, err);
        if (status != OL_OK)
            return status;
        if (record != NULL && (!w->is_newest || (record[7] & SEGMENT_STARTS_GROUP) != 0)) {
            *ret_at = at;
            return OL_OK;
        }
        if (record != NULL)
            *ret_torn = at + segment_record_size(ol__get_le32(record));
        at += 8;
    }
    *ret_at = w->end;
    return OL_OK;
}

/* Nothing good stands at `offset`: rot, or the end of the log. */
static ol_status pass_bad(struct segment_walk *w, struct ol_error *err)
{
    uint64_t bad = w->offset, good = 0, torn = 0;
    uint8_t *p = NULL;
    ol_status status = ensure(w, bad, SEGMENT_RECORD_HEADER, &p, err);
    if (status != OL_OK)
        return status;
    if (is_plausible(w, bad, p) && ol__get_le64(p + 16) == w->last_seq + 1)
        torn = bad + segment_record_size(ol__get_le32(p)); /* its header at least came through */
    status = search(w, bad + 8, &good, &torn, err);
    if (status != OL_OK)
        return status;
    if (good == w->end && w->is_newest) {
        w->torn = torn > bad ? torn - bad : 0;
        w->end = bad; /* promise 2 */
        return OL_END;
    }
    uint64_t next_seq = w->limit_seq == UINT64_MAX ? w->last_seq + 1 : w->limit_seq + 1;
    if (good < w->end) {
        status = ensure(w, good, SEGMENT_RECORD_HEADER, &p, err);
        if (status != OL_OK)
            return status;
        next_seq = ol__get_le64(p + 16);
    }
    w->bad_from = bad;
    w->bad_to = good;
    w->missing = next_seq - 1 - w->last_seq;
    w->last_seq = next_seq - 1;
    w->offset = good;
    return OL_GAP;
}

ol_status segment_walk_next(struct segment_walk *walk, struct spool_record *ret,
                            struct ol_error *err)
{
    if (walk->offset == 0) {
        walk->offset = SEGMENT_HEADER_SIZE;
        walk->last_seq = walk->first_seq - 1;
    }
    if (walk->offset >= walk->end || walk->end - walk->offset < SEGMENT_RECORD_HEADER)
        return OL_END;
    uint8_t *record = NULL;
    ol_status status = look(walk, walk->offset, false, &record, err);
    if (status != OL_OK)
        return status;
    if (record == NULL)
        return pass_bad(walk, err);
    segment_record_decode(record, ret);
    walk->record_offset = ret->offset = walk->offset;
    walk->record_flags = record[7];
    if (ret->seq > walk->last_seq)
        walk->last_seq = ret->seq;
    walk->offset += segment_record_size(ret->data.size);
    return OL_OK;
}

ol_status segment_walk_look(struct segment_walk *walk, struct spool_record *ret,
                            struct ol_error *err)
{
    uint8_t *record = NULL;
    ol_status status = look(walk, walk->offset, false, &record, err);
    if (status != OL_OK)
        return status;
    if (record == NULL)
        return OL_CORRUPT;
    segment_record_decode(record, ret);
    ret->offset = walk->offset;
    return OL_OK;
}

void segment_walk_release(struct segment_walk *walk)
{
    free(walk->buf);
    walk->buf = NULL;
    walk->cap = walk->have = 0;
}
