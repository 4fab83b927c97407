/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A bad place is counted once a process, however many readers pass it.
 *  2. quarantine/ grows to SPOOL_QUARANTINE_MAX (a whole segment may go past it once); then places
 * are only counted.
 *  3. Nothing here can fail the caller: bytes that could not be copied still stand in their
 * segment. */
#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define COPY_STEP 65536u

static void quarantine_name(uint64_t segment, uint64_t offset, char out[64])
{
    snprintf(out, 64, "%016" PRIx64 "-%" PRIu64 ".bin", segment, offset);
}

/* Promise 1. Under the lock. */
static bool note(struct spool *spool, uint64_t segment, uint64_t offset)
{
    for (size_t i = 0; i < spool->noted_count; i++)
        if (spool->noted[i].segment == segment && spool->noted[i].offset == offset)
            return false;
    if (spool->noted_count >=
        SPOOL_NOTED_MAX) /* so much is bad that counting exactly is the least worry */
        return true;
    void *grown = spool->noted_count % 64 == 0
                      ? realloc(spool->noted, (spool->noted_count + 64) * sizeof *spool->noted)
                      : spool->noted;
    if (grown == NULL)
        return true;
    spool->noted = grown;
    spool->noted[spool->noted_count].segment = segment;
    spool->noted[spool->noted_count++].offset = offset;
    return true;
}

static bool copy(const struct spool *spool, int fd, int to, uint64_t from, uint64_t size)
{
    uint8_t *buf = malloc(COPY_STEP);
    bool is_good = buf != NULL;
    for (uint64_t at = 0; at < size && is_good;) {
        size_t got = 0;
        size_t step = (size_t)OL_MIN((uint64_t)COPY_STEP, size - at);
        is_good =
            ol__fs_read_at(spool->fs, fd, buf, step, (off_t)(from + at), &got, NULL) == OL_OK &&
            got > 0 && ol__fs_write_at(spool->fs, to, buf, got, (off_t)at, NULL) == OL_OK;
        at += got;
    }
    free(buf);
    return is_good;
}

void spool_quarantine_bytes(struct spool *spool, uint64_t segment, int fd, uint64_t from,
                            uint64_t to, uint64_t missing)
{
    uint64_t size = to - from;
    pthread_mutex_lock(&spool->lock);
    bool is_new = note(spool, segment, from);
    bool has_room = spool->quarantine_bytes + size <= SPOOL_QUARANTINE_MAX;
    if (is_new) {
        spool->quarantined_bytes += size;
        spool->quarantined_records += missing;
    }
    if (is_new && has_room && !spool->is_read_only) {
        spool->quarantine_bytes += size;
        spool->other_bytes += size;
    }
    pthread_mutex_unlock(&spool->lock);
    if (!is_new || !has_room || spool->is_read_only)
        return;
    char name[64];
    quarantine_name(segment, from, name);
    int out = spool->fs->openat(spool->quarantine_fd, name,
                                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return; /* EEXIST: an earlier start kept it; else promise 3 */
    bool is_good = copy(spool, fd, out, from, size);
    OL_IGNORE(spool->fs->close(out), "promise 3");
    if (!is_good)
        OL_IGNORE(spool->fs->unlinkat(spool->quarantine_fd, name, 0), "promise 3");
}

void spool_quarantine_file(struct spool *spool, uint64_t number, uint64_t size)
{
    char from[SEGMENT_NAME_SIZE], to[64];
    segment_name(number, false, from);
    quarantine_name(number, 0, to);
    pthread_mutex_lock(&spool->lock);
    bool has_room =
        spool->quarantine_bytes + size <= SPOOL_QUARANTINE_MAX || spool->quarantine_bytes == 0;
    spool->quarantined_bytes += size;
    if (has_room) {
        spool->quarantine_bytes += size;
        spool->other_bytes += size;
    }
    pthread_mutex_unlock(&spool->lock);
    if (spool->is_read_only)
        return;
    if (has_room)
        OL_IGNORE(spool->fs->renameat(spool->dirfd, from, spool->quarantine_fd, to),
                  "a name that stays is found bad again at the next start");
    else
        OL_IGNORE(spool->fs->unlinkat(spool->dirfd, from, 0), "as above");
    OL_CRASHPOINT("spool.quarantined");
}
