/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A segment is written anew beside the old one, synced, and only then takes its name: through
 * any crash and failure the name stands for the old bytes or for the new ones.
 *  2. All records that verify are kept, byte for byte, with header, salt and sequences; only their
 *     offsets change. The successor's header may then name an end behind the file's: readers stop
 * at the file's end (S9).
 *  3. Bad bytes are copied to quarantine/ before they go; where that has no room (its limit) they
 * are counted, as an agent would do.
 *  4. Nothing is done without the lock; and nothing is done to a spool of another version. */
#include "spool_repair.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include "spool_internal.h"

#define COPY_BUFFER ((size_t)1 << 20)
#define TEMPORARY ".repair.tmp" /* a leftover is written over by the next repair */

/* ---- What is wrong ---- */

struct damage {
    const struct repair_sink *sink;
    uint64_t *segments; /* owned: numbers of those with bad bytes inside */
    size_t count, cap;
};

static ol_status note_problem(void *arg, const struct look_problem *problem, struct ol_error *err)
{
    struct damage *d = arg;
    ol_status status = d->sink->found(d->sink->arg, problem, err);
    bool is_known = d->count > 0 && d->segments[d->count - 1] == problem->segment;
    if (status != OL_OK || problem->kind != LOOK_BAD_BYTES || is_known)
        return status;
    if (d->count == d->cap) {
        uint64_t *grown = ol__grow(d->segments, &d->cap, sizeof *grown);
        if (grown == NULL)
            return ol__error_set(err, OL_NOMEM, "repair: out of memory");
        d->segments = grown;
    }
    d->segments[d->count++] = problem->segment;
    return OL_OK;
}

static ol_status look(const char *directory, struct damage *damage, struct ol_error *err)
{
    struct spool_look *l = NULL;
    const struct look_sink sink = {.problem = note_problem, .arg = damage};
    ol_status status = spool_look_open(directory, &l, err);
    if (status == OL_OK)
        status = spool_look_walk(l, 0, UINT64_MAX, &sink, err);
    spool_look_close(l);
    return status;
}

/* ---- Writing one anew ---- */

struct writer {
    const struct ol__fs *fs;
    int fd;
    uint64_t at; /* of the buffer's first byte in the file */
    struct ol__buf buf;
};

static ol_status flush(struct writer *w, struct ol_error *err)
{
    if (w->buf.size == 0)
        return OL_OK;
    ol_status status = ol__fs_write_at(w->fs, w->fd, w->buf.data, w->buf.size, (off_t)w->at, err);
    w->at += w->buf.size;
    ol__buf_reset(&w->buf);
    return status;
}

static ol_status put(struct writer *w, const void *data, size_t size, struct ol_error *err)
{
    if (ol__buf_add(&w->buf, data, size) != OL_OK)
        return ol__error_set(err, OL_NOMEM, "repair: out of memory");
    return w->buf.size >= COPY_BUFFER ? flush(w, err) : OL_OK;
}

/* Copy what verifies, keep a copy of what does not (promises 2 and 3). */
static ol_status copy_good(struct spool *spool, const struct spool_segment *s, int from,
                           struct writer *w, uint64_t *ret_records, struct ol_error *err)
{
    struct segment_walk walk = {.fs = spool->fs,
                                .fd = from,
                                .salt = s->salt,
                                .first_seq = s->first_seq,
                                .limit_seq = s->last_seq,
                                .end = s->end,
                                .chunk = COPY_BUFFER};
    uint8_t header[SEGMENT_HEADER_SIZE];
    size_t got = 0;
    ol_status status = ol__fs_read_at(spool->fs, from, header, sizeof header, 0, &got, err);
    if (status == OL_OK)
        status = put(w, header, got, err);
    while (status == OL_OK) {
        struct spool_record record;
        status = segment_walk_next(&walk, &record, err);
        if (status == OL_GAP) {
            spool_quarantine_bytes(spool, s->number, from, walk.bad_from, walk.bad_to,
                                   walk.missing);
            status = OL_OK;
        } else if (status == OL_OK) {
            const uint8_t *bytes = (const uint8_t *)record.data.data - SEGMENT_RECORD_HEADER;
            status = put(w, bytes, segment_record_size(record.data.size), err);
            ++*ret_records;
        }
    }
    segment_walk_release(&walk);
    return status == OL_END ? flush(w, err) : status;
}

static ol_status write_anew(struct spool *spool, const struct spool_segment *s,
                            uint64_t *ret_records, struct ol_error *err)
{
    const struct ol__fs *fs = spool->fs;
    char name[SEGMENT_NAME_SIZE];
    int from = -1;
    struct writer w = {.fs = fs};
    ol_status status = spool_segment_open(spool, s->number, O_RDONLY, &from, err);
    if (status != OL_OK)
        return status;
    segment_name(s->number, false, name);
    ol__buf_init(&w.buf, COPY_BUFFER + SPOOL_PAYLOAD_MAX + SEGMENT_HEADER_SIZE);
    w.fd = fs->openat(spool->dirfd, TEMPORARY, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                      0600);
    if (w.fd < 0)
        status =
            ol__error_set_errno(err, errno, "file '%s/%s': create", spool->directory, TEMPORARY);
    if (status == OL_OK)
        status = copy_good(spool, s, from, &w, ret_records, err);
    if (status == OL_OK && fs->fsync(w.fd) != 0)
        status = ol__error_set_errno(err, errno, "file '%s/%s': sync", spool->directory, TEMPORARY);
    OL_CRASHPOINT("repair.written");
    if (status == OL_OK && fs->renameat(spool->dirfd, TEMPORARY, spool->dirfd, name) != 0)
        status =
            ol__error_set_errno(err, errno, "segment '%s/%s': replace", spool->directory, name);
    OL_CRASHPOINT("repair.renamed");
    if (status == OL_OK)
        status = spool_sync_directory(spool, err);
    if (w.fd >= 0)
        OL_IGNORE(fs->close(w.fd), "it was synced, or is given up");
    if (status != OL_OK)
        OL_IGNORE(fs->unlinkat(spool->dirfd, TEMPORARY, 0), "the next repair writes over it");
    OL_IGNORE(fs->close(from), "it was only read");
    ol__buf_release(&w.buf);
    return status;
}

static ol_status pack(struct spool *spool, const struct damage *damage, struct ol_error *err)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < damage->count && status == OL_OK; i++) {
        for (size_t j = 0; j < spool->count && status == OL_OK; j++) {
            uint64_t records = 0;
            if (spool->segments[j].number != damage->segments[i])
                continue;
            status = write_anew(spool, &spool->segments[j], &records, err);
            if (status == OL_OK && damage->sink->packed != NULL)
                damage->sink->packed(damage->sink->arg, damage->segments[i], records);
        }
    }
    return status;
}

/* Hold the lock while looking. *ret_fd -1: there is none to hold yet. @return false: an agent has
 * it. */
static bool hold_lock(const char *directory, int *ret_fd)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lock", directory);
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return *ret_fd < 0 || flock(*ret_fd, LOCK_EX | LOCK_NB) == 0;
}

ol_status spool_repair(const struct spool_options *options, bool is_dry,
                       const struct repair_sink *sink, struct ol_error *err)
{
    struct damage damage = {.sink = sink};
    struct spool *spool = NULL;
    int lock = -1;
    ol_status status = OL_OK;
    bool is_free = is_dry || hold_lock(options->directory, &lock);
    if (is_free)
        status = look(options->directory, &damage, err);
    if (lock >= 0)
        close(lock);
    /* Between the two an agent may start: then this is refused (as it is while one runs, and that
     * says who it is), and nothing was done. */
    if (status == OL_OK && !is_dry)
        status = spool_open(options, &spool, err);
    if (spool != NULL) {
        status = pack(spool, &damage, err);
        spool_close(spool);
    }
    free(damage.segments);
    return status;
}
