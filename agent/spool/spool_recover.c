/* SPDX-License-Identifier: Apache-2.0 */
/* From what is on disk to a log that goes on (S9, S11, S13..S15).
 * Promises:
 *  1. A segment is part of the log only if the chain of headers, followed back from the newest,
 * comes to it. One that the chain passes over holds nothing that was acknowledged (its S4 failed).
 *  2. Only the newest segment is read through: of the others the headers are, and their ends stand
 * in their successors' headers. Their records are verified by the readers that pass them (S10). A
 * header that is lost costs one more segment read.
 *  3. Positions are those of the last complete snapshot plus the records behind it. Each segment
 * begins with one, so this too is the newest segment alone, unless its snapshot went bad.
 *  4. The sequences of the log that is found are never given again; the next one is one higher.
 *  5. The last group found in the newest segment is written again in its place and synced before it
 * is believed: a kill may have come between its write and its sync, or its sync may have failed,
 * after which the kernel shows bytes that the disk does not have and calls them clean. What is
 * built on these records (a journal unlinked, a cursor moved) must not outlive them. All groups
 * before it are proven synced (S2).
 *  6. With is_read_only nothing on disk changes. */
#include "spool_about.h"
#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define SCAN_CHUNK (1024u * 1024u)
#define FILES_MAX 1000000u

struct file {
    uint64_t number;
    uint64_t size;
    bool is_free, is_good, is_used;
    struct segment_header header;
};

struct listing {
    struct file *files; /* owned */
    size_t count, cap;
};

static int by_number(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static ol_status add_file(void *arg, uint64_t number, bool is_free, uint64_t size,
                          struct ol_error *err)
{
    struct listing *list = arg;
    if (list->count == FILES_MAX)
        return ol__error_set(err, OL_TOO_LARGE, "spool: more than %u files", FILES_MAX);
    if (list->count == list->cap) {
        struct file *grown = ol__grow(list->files, &list->cap, sizeof *grown);
        if (grown == NULL)
            return ol__error_set(err, OL_NOMEM, "spool: out of memory for more than %zu files",
                                 list->cap);
        list->files = grown;
    }
    list->files[list->count++] = (struct file){.number = number, .is_free = is_free, .size = size};
    return OL_OK;
}

static ol_status list_files(const struct spool *spool, struct listing *list, struct ol_error *err)
{
    ol_status status =
        segment_files_each(spool->fs, spool->dirfd, spool->directory, add_file, list, err);
    if (status == OL_OK && list->count > 0)
        qsort(list->files, list->count, sizeof *list->files, by_number);
    return status;
}

static ol_status read_header(const struct spool *spool, struct file *file, struct ol_error *err)
{
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    int fd = -1;
    ol_status status = spool_segment_open(spool, file->number, O_RDONLY, &fd, err);
    if (status == OL_NOT_FOUND)
        return OL_OK; /* reading beside an agent that has just reaped it: as if it had no header */
    if (status != OL_OK)
        return status;
    size_t got = 0;
    status = ol__fs_read_at(spool->fs, fd, bytes, sizeof bytes, 0, &got, err);
    OL_IGNORE(spool->fs->close(fd), "read only");
    if (status != OL_OK)
        return status;
    uint32_t format = 0;
    status = segment_header_decode(bytes, got, &file->header, &format);
    if (status == OL_VERSION_NEWER)
        return spool_about_refuse_segment(spool->directory, file->number, format, err);
    /* A rename that was lost by a crash can leave another segment's bytes under this name. */
    file->is_good = status == OL_OK && file->header.number == file->number;
    return OL_OK;
}

static ol_status check_uuid(struct spool *spool, const struct listing *list, struct ol_error *err)
{
    static const struct ol__uuid none;
    for (size_t i = list->count; i-- > 0;) {
        const struct file *file = &list->files[i];
        if (file->is_free || !file->is_good)
            continue;
        if (memcmp(&spool->uuid, &none, sizeof none) == 0)
            spool->uuid = file->header.spool; /* spool.json was lost: the log says who it is */
        if (memcmp(&spool->uuid, &file->header.spool, sizeof spool->uuid) == 0)
            continue;
        char text[OL_UUID_TEXT + 1];
        ol__uuid_format(&file->header.spool, text);
        return ol__error_set(err, OL_CORRUPT,
                             "segment '%s/%016" PRIx64
                             ".seg' belongs to spool %s: move it away (S14)",
                             spool->directory, file->number, text);
    }
    return OL_OK;
}

static void walk_init(const struct spool *spool, const struct spool_segment *segment, int fd,
                      bool is_newest, struct segment_walk *walk)
{
    *walk = (struct segment_walk){.fs = spool->fs,
                                  .fd = fd,
                                  .salt = segment->salt,
                                  .first_seq = segment->first_seq,
                                  .limit_seq = segment->last_seq,
                                  .end = segment->end,
                                  .chunk = SCAN_CHUNK,
                                  .is_newest = is_newest};
}

/* Promise 5: @p from..@p to of the file, again. */
static ol_status write_again(const struct spool *spool, int fd, uint64_t from, uint64_t to,
                             struct ol_error *err)
{
    size_t size = (size_t)(to - from), got = 0; /* at most a segment, as a rule one group */
    if (size == 0)
        return OL_OK;
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return ol__error_set(err, OL_NOMEM, "spool: out of memory for %zu bytes", size);
    ol_status status = ol__fs_read_at(spool->fs, fd, bytes, size, (off_t)from, &got, err);
    if (status == OL_OK)
        status = ol__fs_write_at(spool->fs, fd, bytes, got, (off_t)from, err);
    free(bytes);
    OL_CRASHPOINT("spool.open.written");
    if (status == OL_OK && spool->fs->fdatasync(fd) != 0)
        status =
            ol__error_set_errno(err, errno, "spool '%s': sync the last group", spool->directory);
    OL_CRASHPOINT("spool.open.synced");
    return status;
}

/* Find where a segment ends that no header speaks of (S11). Its last_seq is the most it can be. */
static ol_status find_end(struct spool *spool, struct spool_segment *segment, struct ol_error *err)
{
    int fd = -1;
    int flags = spool->is_read_only ? O_RDONLY : O_RDWR;
    uint64_t last_group = SEGMENT_HEADER_SIZE;
    ol_status status = spool_segment_open(spool, segment->number, flags, &fd, err);
    if (status != OL_OK)
        return status;
    struct segment_walk walk;
    walk_init(spool, segment, fd, true, &walk);
    while (status == OL_OK || status == OL_GAP) {
        struct spool_record record;
        status = segment_walk_next(&walk, &record, err);
        if (status == OL_OK)
            spool->last_time_ms = record.time_ms;
        if (status == OL_OK && (walk.record_flags & SEGMENT_STARTS_GROUP) != 0)
            last_group = walk.record_offset;
    }
    if (status == OL_END && !spool->is_read_only)
        status = write_again(spool, fd, last_group, OL_MAX(walk.offset, last_group), err);
    else if (status == OL_END)
        status = OL_OK;
    if (status == OL_OK) {
        segment->end = OL_MAX(walk.offset, (uint64_t)SEGMENT_HEADER_SIZE);
        segment->last_seq = OL_MAX(walk.last_seq, segment->first_seq - 1);
        spool->torn_bytes += walk.torn;
    }
    segment_walk_release(&walk);
    OL_IGNORE(spool->fs->close(fd), "read only");
    return status;
}

static struct file *find_file(const struct listing *list, uint64_t number, size_t below)
{
    for (size_t i = below; i-- > 0;)
        if (!list->files[i].is_free && list->files[i].number == number)
            return &list->files[i];
    return NULL;
}

static struct file *next_lower(const struct listing *list, size_t below)
{
    for (size_t i = below; i-- > 0;)
        if (!list->files[i].is_free)
            return &list->files[i];
    return NULL;
}

/* Put one more segment, older than those there, in front. */
static ol_status push_oldest(struct spool *spool, const struct spool_segment *segment,
                             struct ol_error *err)
{
    if (spool->count == spool->cap) {
        struct spool_segment *grown = ol__grow(spool->segments, &spool->cap, sizeof *grown);
        if (grown == NULL)
            return ol__error_set(err, OL_NOMEM, "spool: out of memory for more than %zu segments",
                                 spool->cap);
        spool->segments = grown;
    }
    spool->segments[spool->count++] = *segment; /* newest first for now; turned round at the end */
    return OL_OK;
}

/* S13: the newest files whose headers do not verify never came to life. */
static struct file *drop_bad_newest(struct spool *spool, const struct listing *list)
{
    struct file *file = next_lower(list, list->count);
    while (file != NULL && !file->is_good) {
        file->is_used = true;
        spool_quarantine_file(spool, file->number, file->size);
        file = next_lower(list, (size_t)(file - list->files));
    }
    return file;
}

/* Follow the chain back from @p file (promise 1). */
static ol_status follow_chain(struct spool *spool, const struct listing *list, struct file *file,
                              struct ol_error *err)
{
    uint64_t named_end = 0, next_first = 0; /* what the successor says; 0: nothing */
    while (file != NULL) {
        const struct segment_header *h = &file->header;
        file->is_used = true;
        struct spool_segment segment = {
            .number = file->number,
            .salt = h->salt,
            .first_seq = h->first_seq,
            /* The newest cannot hold more than its bytes allow, whatever a record claims. */
            .last_seq = next_first != 0 ? next_first - 1
                                        : h->first_seq + file->size / SEGMENT_RECORD_HEADER,
            .end = named_end != 0
                       ? OL_MIN(named_end, OL_MAX(file->size, (uint64_t)SEGMENT_HEADER_SIZE))
                       : file->size,
            .size = file->size,
            .born_ms = h->born_ms,
            .is_filled = file->size == spool->segment_bytes,
        };
        if (next_first != 0 && h->first_seq > next_first) {
            file->is_good = false; /* going back in sequence: not of this chain, whatever it says */
        } else if (named_end == 0) {
            ol_status status = find_end(spool, &segment, err);
            if (status != OL_OK)
                return status;
        }
        ol_status status = file->is_good ? push_oldest(spool, &segment, err) : OL_OK;
        if (status != OL_OK)
            return status;
        size_t index = (size_t)(file - list->files);
        struct file *previous = find_file(list, h->previous, index);
        if (h->previous == 0)
            break;
        named_end = previous != NULL && file->is_good ? h->previous_end : 0;
        next_first = OL_MIN(h->first_seq, next_first != 0 ? next_first : UINT64_MAX);
        file = previous != NULL ? previous : next_lower(list, index);
        while (file != NULL && !file->is_good) { /* S13, elsewhere: no salt, no records */
            file->is_used = true;
            named_end = 0;
            spool_quarantine_file(spool, file->number, file->size);
            file = next_lower(list, (size_t)(file - list->files));
        }
    }
    return OL_OK;
}

static void turn_round(struct spool *spool)
{
    for (size_t i = 0, j = spool->count; i + 1 < j; i++) {
        struct spool_segment swapped = spool->segments[i];
        spool->segments[i] = spool->segments[--j];
        spool->segments[j] = swapped;
    }
    for (size_t i = 1; i < spool->count;
         i++) { /* sequences that went with segments that are no more */
        uint64_t first = spool->segments[i].first_seq;
        uint64_t last = spool->segments[i - 1].last_seq;
        if (first > last + 1)
            spool->quarantined_records += first - last - 1;
    }
}

/* What is no part of the log: keep free files of the right size, remove the rest. */
static void settle_rest(struct spool *spool, const struct listing *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct file *file = &list->files[i];
        uint64_t next = file->number < UINT64_MAX / 2 ? file->number + 1 : 1;
        if (file->is_free) {
            spool->next_free = OL_MAX(spool->next_free, next);
            if (file->size == spool->segment_bytes && spool->free_count < SPOOL_FREE_MAX &&
                !spool->is_read_only) {
                spool->free_files[spool->free_count++] = file->number;
                spool->log_bytes += file->size;
                continue;
            }
        } else {
            spool->writer.next_number = OL_MAX(spool->writer.next_number, next);
            if (file->is_used)
                continue;
        }
        if (spool->is_read_only)
            continue;
        char name[SEGMENT_NAME_SIZE];
        segment_name(file->number, file->is_free, name);
        OL_IGNORE(spool->fs->unlinkat(spool->dirfd, name, 0), "the next start tries again");
    }
}

ol_status spool_recover(struct spool *spool, struct ol_error *err)
{
    struct listing list = {0};
    ol_status status = list_files(spool, &list, err);
    for (size_t i = 0; i < list.count && status == OL_OK; i++)
        if (!list.files[i].is_free)
            status = read_header(spool, &list.files[i], err);
    if (status == OL_OK)
        status = check_uuid(spool, &list, err);
    if (status == OL_OK)
        status = follow_chain(spool, &list, drop_bad_newest(spool, &list), err);
    if (status == OL_OK) {
        turn_round(spool);
        settle_rest(spool, &list);
        for (size_t i = 0; i < spool->count; i++)
            spool->log_bytes += spool->segments[i].size;
        uint64_t last = spool->count > 0 ? spool->segments[spool->count - 1].last_seq : 0;
        atomic_store(&spool->synced, last);
        spool->writer.next_seq = last + 1; /* promise 4 */
    }
    free(list.files);
    return status;
}

/* ---- positions (S15) ---- */

/* Whether the segment begins with a good complete snapshot. */
static ol_status has_snapshot(struct spool *spool, const struct spool_segment *segment, bool *ret,
                              struct ol_error *err)
{
    int fd = -1;
    ol_status status = spool_segment_open(spool, segment->number, O_RDONLY, &fd, err);
    if (status != OL_OK)
        return status;
    struct segment_walk walk;
    walk_init(spool, segment, fd, false, &walk);
    walk.chunk = SEGMENT_HEADER_SIZE;
    struct spool_record record;
    status = segment_walk_next(&walk, &record, err);
    *ret = status == OL_OK && record.type == SPOOL_POSITIONS &&
           (walk.record_flags & SEGMENT_IS_COMPLETE) != 0;
    segment_walk_release(&walk);
    OL_IGNORE(spool->fs->close(fd), "read only");
    return status < 0 ? status : OL_OK;
}

static ol_status replay(struct spool *spool, const struct spool_segment *segment,
                        struct ol_error *err)
{
    int fd = -1;
    ol_status status = spool_segment_open(spool, segment->number, O_RDONLY, &fd, err);
    if (status != OL_OK)
        return status;
    struct segment_walk walk;
    walk_init(spool, segment, fd, false, &walk);
    for (;;) {
        struct spool_record record;
        status = segment_walk_next(&walk, &record, err);
        if (status == OL_GAP)
            continue;
        if (status != OL_OK)
            break;
        status = positions_replay(&spool->positions, &record,
                                  (walk.record_flags & SEGMENT_IS_COMPLETE) != 0, err);
        if (status != OL_OK)
            break;
    }
    segment_walk_release(&walk);
    OL_IGNORE(spool->fs->close(fd), "read only");
    return status == OL_END ? OL_OK : status;
}

ol_status spool_recover_positions(struct spool *spool, struct ol_error *err)
{
    size_t from = spool->count;
    bool is_found = false;
    while (from > 0 && !is_found) { /* promise 3: as a rule this looks at one */
        ol_status status = has_snapshot(spool, &spool->segments[--from], &is_found, err);
        if (status != OL_OK)
            return status;
    }
    for (size_t i = from; i < spool->count; i++) {
        ol_status status = replay(spool, &spool->segments[i], err);
        if (status != OL_OK)
            return status;
    }
    return OL_OK;
}
