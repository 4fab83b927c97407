/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A segment leaves only when every open cursor is past it (S8), as it was last saved, and never
 * the newest: it holds the positions.
 *  2. A route's backlog is given up only after the gap was synced in `.gaps`; a pinned route's
 * never.
 *  3. Oldest first; the name is gone for good (directory synced) before its file is put to another
 * use. */
#include "spool_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "json_write.h"
#include "times.h"

#define GAPS_MAX (1024u * 1024u)

/* ---- giving up ---- */

struct gap {
    uint64_t first, last;
    int64_t from_ms, to_ms;
};

/* Under the lock: the backlog of @p c, if it is more than half of the spool and can go. */
static bool find_gap(const struct spool *spool, const struct spool_cursor *c, struct gap *ret)
{
    uint64_t mark = spool_cursor_mark(c), bytes = 0;
    if (c->is_pinned || spool->count < 2)
        return false;
    const struct spool_segment *oldest = NULL;
    for (size_t i = 0; i < spool->count; i++) {
        const struct spool_segment *s = &spool->segments[i];
        if (s->last_seq <= mark)
            continue;
        oldest = oldest != NULL ? oldest : s;
        bytes += s->size;
    }
    const struct spool_segment *newest = &spool->segments[spool->count - 1];
    if (bytes <= spool->max_bytes / 2 || oldest == newest || newest->first_seq <= mark + 1)
        return false;
    *ret = (struct gap){.first = mark + 1,
                        .last = newest->first_seq - 1,
                        .from_ms = oldest->born_ms,
                        .to_ms = newest->born_ms};
    return true;
}

/* Put the gap on record: the file as it was, one line more. A line that was torn, or a file past
 * its limit, is cut at a newline. */
static ol_status record_gap(struct spool *spool, const struct spool_cursor *c,
                            const struct gap *gap, struct ol_error *err)
{
    char name[SPOOL_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s.gaps", c->name);
    struct ol__buf text;
    ol__buf_init(&text, 2 * GAPS_MAX);
    ol_status status = ol__fs_read_file(spool->fs, spool->cursor_fd, name, &text, err);
    if (status != OL_OK && status != OL_NOT_FOUND) {
        ol__buf_release(&text);
        return status;
    }
    while (text.size > GAPS_MAX) {
        const char *end = memchr(text.data, '\n', text.size);
        ol__buf_consume(&text, end != NULL ? (size_t)(end - text.data) + 1 : text.size);
    }
    struct ol__json_writer w;
    ol__json_writer_init(&w, &text);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "route", c->name);
    ol__json_member_uint(&w, "first", gap->first);
    ol__json_member_uint(&w, "last", gap->last);
    ol__json_member_int(&w, "from", gap->from_ms);
    ol__json_member_int(&w, "to", gap->to_ms);
    ol__json_member_int(&w, "noted", ol__time_now_ms());
    ol__json_member_text(&w, "why", "on_lag: detach");
    ol__json_end_object(&w);
    status = ol__buf_add_char(&text, '\n');
    status = status != OL_OK ? ol__error_set(err, status, "cursor '%s': out of memory", c->name)
                             : ol__fs_replace(spool->fs, spool->cursor_fd, name, text.data,
                                              text.size, 0600, err);
    ol__buf_release(&text);
    return status;
}

static ol_status give_up_laggards(struct spool *spool, struct ol_error *err)
{
    for (;;) {
        struct gap gap;
        struct spool_cursor *found = NULL;
        pthread_mutex_lock(&spool->lock);
        for (struct spool_cursor *c = spool->cursors; c != NULL && found == NULL; c = c->next)
            if (find_gap(spool, c, &gap))
                found = c;
        pthread_mutex_unlock(&spool->lock);
        if (found == NULL)
            return OL_OK;
        ol_status status = record_gap(spool, found, &gap, err);
        if (status != OL_OK)
            return status; /* promise 2: then it keeps its backlog, and the spool may fill */
        OL_CRASHPOINT("spool.gap.recorded");
        pthread_mutex_lock(&spool->lock);
        spool->gap_records += gap.last - gap.first + 1;
        pthread_mutex_unlock(&spool->lock);
        atomic_fetch_add(&found->gap_records, gap.last - gap.first + 1);
        atomic_store(&found->give_up, gap.last);
    }
}

/* ---- leaving ---- */

/* Under the lock: whether the oldest may go (promise 1). A reader holds it back, but not while a
 * route was given up and room is short: it would be that route's own. */
static bool may_leave(const struct spool *spool)
{
    if (spool->count < 2 || spool->cursors == NULL)
        return false;
    const struct spool_segment *oldest = &spool->segments[0];
    bool is_given_up = false;
    for (const struct spool_cursor *c = spool->cursors; c != NULL; c = c->next) {
        if (spool_cursor_saved(c) < oldest->last_seq)
            return false;
        is_given_up = is_given_up || atomic_load(&c->give_up) >= oldest->last_seq;
    }
    return oldest->readers == 0 || is_given_up;
}

/* *ret_gone: its name is, whatever is returned. *ret_kept: as `free-` file *ret_free. */
static ol_status take_away(struct spool *spool, const struct spool_segment *segment, bool *ret_gone,
                           bool *ret_kept, uint64_t *ret_free, struct ol_error *err)
{
    char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE];
    segment_name(segment->number, false, from);
    pthread_mutex_lock(&spool->lock);
    *ret_kept = segment->is_filled && segment->size == spool->segment_bytes &&
                spool->free_count < SPOOL_FREE_MAX;
    *ret_free = spool->next_free++;
    pthread_mutex_unlock(&spool->lock);
    segment_name(*ret_free, true, to);
    int result = *ret_kept ? spool->fs->renameat(spool->dirfd, from, spool->dirfd, to)
                           : spool->fs->unlinkat(spool->dirfd, from, 0);
    *ret_gone = result == 0 || errno == ENOENT;
    *ret_kept = *ret_kept && result == 0;
    if (!*ret_gone)
        return ol__error_set_errno(err, errno, "segment '%s/%s': remove", spool->directory, from);
    OL_CRASHPOINT("spool.reap.renamed");
    ol_status status = spool_sync_directory(spool, err);
    if (status != OL_OK &&
        *ret_kept) { /* promise 3: the name may come back, so the file is not for another use */
        OL_IGNORE(spool->fs->unlinkat(spool->dirfd, to, 0), "the next start removes it");
        *ret_kept = false;
    }
    return status;
}

ol_status spool_reap(struct spool *spool, struct ol_error *err)
{
    if (spool->is_read_only)
        return OL_OK;
    spool_count_other(spool);
    ol_status status = give_up_laggards(spool, err);
    for (;;) {
        struct spool_segment oldest;
        pthread_mutex_lock(&spool->lock);
        bool may = may_leave(spool);
        if (may) {
            spool->segments[0].is_leaving = true;
            oldest = spool->segments[0];
        }
        pthread_mutex_unlock(&spool->lock);
        if (!may)
            break;
        bool is_gone = false, is_kept = false;
        uint64_t free_number = 0;
        ol_status removed = take_away(spool, &oldest, &is_gone, &is_kept, &free_number, err);
        bool is_listed = false;
        pthread_mutex_lock(&spool->lock);
        if (is_gone) {
            memmove(spool->segments, spool->segments + 1,
                    (spool->count - 1) * sizeof *spool->segments);
            spool->count--;
            is_listed = is_kept && spool->free_count < SPOOL_FREE_MAX;
            if (is_listed)
                spool->free_files[spool->free_count++] = free_number;
            else if (!is_kept)
                spool->log_bytes -= oldest.size;
        } else {
            spool->segments[0].is_leaving = false;
        }
        pthread_mutex_unlock(&spool->lock);
        if (is_kept && !is_listed) /* one was prepared meanwhile */
            spool_free_drop(spool, free_number);
        if (removed != OL_OK)
            return removed;
    }
    if (atomic_load(&spool->is_full) && spool_check_room(spool, NULL) == OL_OK)
        atomic_store(&spool->is_full, false);
    return status;
}
