/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing, spool.json, the lock, who follows, and the figures.
 * Promises:
 *  1. A spool of another version is refused before anything is touched.
 *  2. One process at a time: the lock is held before anything is read for recovery. */
#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include "spool_about.h"
#include "times.h"

#define CLOCK_SLACK_MS INT64_C(60000)
#define CLOCK_GAP_MS INT64_C(86400000)
#define MAX_BYTES_DEFAULT (2ull * 1024 * 1024 * 1024)
#define SEGMENT_BYTES_DEFAULT (64ull * 1024 * 1024)
#define SEGMENT_BYTES_MIN (64ull * 1024)

/* ---- the lock ---- */

static ol_status refuse_held(const struct spool *spool, struct ol_error *err)
{
    struct ol__buf holder;
    ol__buf_init(&holder, 512);
    OL_IGNORE(ol__fs_read_file(spool->fs, spool->dirfd, "lock", &holder, NULL),
              "then the holder is not named");
    char pid[24] = "?", since[40] = "?", host[128] = "?";
    if (holder.size > 0)
        OL_IGNORE(sscanf(holder.data, "%23s %39s %127s", pid, since, host) < 3,
                  "what is missing stays ?");
    ol__buf_release(&holder);
    ol_status status =
        ol__error_set(err, OL_BUSY, "spool '%s' is in use by process %s on %s since %s",
                      spool->directory, pid, host, since);
    return status;
}

static ol_status take_lock(struct spool *spool, struct ol_error *err)
{
    const struct ol__fs *fs = spool->fs;
    spool->lock_fd =
        fs->openat(spool->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (spool->lock_fd < 0)
        return ol__error_set_errno(err, errno, "file '%s/lock': open", spool->directory);
    if (fs->flock(spool->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return refuse_held(spool, err);
        return ol__error_set_errno(err, errno, "file '%s/lock': lock", spool->directory);
    }
    char host[128] = "?", since[OL_TIME_TEXT + 1], text[256];
    OL_IGNORE(gethostname(host, sizeof host), "stays ?");
    host[sizeof host - 1] = '\0';
    ol__time_format(ol__time_now_ms(), since);
    int size = snprintf(text, sizeof text, "%ld %s %s\n", (long)getpid(), since, host);
    /* Only to be read by whoever finds it held: no failure matters. */
    if (fs->ftruncate(spool->lock_fd, 0) == 0 && size > 0)
        OL_IGNORE(ol__fs_write_at(fs, spool->lock_fd, text, (size_t)size, 0, NULL), "see above");
    return OL_OK;
}

/* ---- opening ---- */

static ol_status apply_options(struct spool *spool, const struct spool_options *options,
                               struct ol_error *err)
{
    spool->fs = options->fs != NULL ? options->fs : &ol__fs_real;
    spool->max_bytes = options->max_bytes > 0 ? (uint64_t)options->max_bytes : MAX_BYTES_DEFAULT;
    spool->segment_bytes =
        options->segment_bytes > 0 ? (uint64_t)options->segment_bytes : SEGMENT_BYTES_DEFAULT;
    spool->has_no_floor = options->min_free_bytes < 0;
    spool->min_free = options->min_free_bytes > 0 ? (uint64_t)options->min_free_bytes : UINT64_MAX;
    spool->is_read_only = options->is_read_only;
    spool->retry_ms = options->retry_ms == 0 ? 1000 : OL_MAX(options->retry_ms, (int64_t)0);
    if (spool->segment_bytes < SEGMENT_BYTES_MIN || spool->segment_bytes % 8 != 0)
        return ol__error_set(err, OL_INVALID,
                             "spool: segment_bytes is %" PRIu64 "; at least %llu, a multiple of 8",
                             spool->segment_bytes, SEGMENT_BYTES_MIN);
    if (spool->max_bytes < 2 * spool->segment_bytes)
        return ol__error_set(err, OL_INVALID,
                             "spool: max_bytes %" PRIu64 " holds no two segments of %" PRIu64,
                             spool->max_bytes, spool->segment_bytes);
    spool->directory = strdup(options->directory);
    return spool->directory != NULL ? OL_OK : ol__error_set(err, OL_NOMEM, "spool: out of memory");
}

static ol_status open_sub(struct spool *spool, const char *name, int *ret, struct ol_error *err)
{
    const struct ol__fs *fs = spool->fs;
    if (!spool->is_read_only && fs->mkdirat(spool->dirfd, name, 0700) != 0 && errno != EEXIST)
        return ol__error_set_errno(err, errno, "directory '%s/%s': create", spool->directory, name);
    if (ret == NULL)
        return OL_OK;
    *ret = fs->openat(spool->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (*ret < 0 && !(spool->is_read_only && errno == ENOENT))
        return ol__error_set_errno(err, errno, "directory '%s/%s': open", spool->directory, name);
    return OL_OK;
}

static ol_status open_directories(struct spool *spool, struct ol_error *err)
{
    const struct ol__fs *fs = spool->fs;
    ol_status status = open_sub(spool, "cursor", &spool->cursor_fd, err);
    if (status == OL_OK)
        status = open_sub(spool, "quarantine", &spool->quarantine_fd, err);
    if (status == OL_OK)
        status = open_sub(spool, "dead", NULL, err);
    if (status != OL_OK || spool->is_read_only)
        return status;
    status = spool_sync_directory(spool, err);
    if (status != OL_OK)
        return status;
    /* What is acknowledged must not go with the name of the directory itself. */
    int parent = fs->openat(spool->dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (parent < 0)
        return errno == EACCES
                   ? OL_OK /* then it was not made by us either */
                   : ol__error_set_errno(err, errno, "directory '%s/..': open", spool->directory);
    if (fs->fsync(parent) != 0)
        status = ol__error_set_errno(err, errno, "directory '%s/..': sync", spool->directory);
    OL_IGNORE(fs->close(parent), "read only");
    return status;
}

static ol_status open_all(struct spool *spool, struct ol_error *err)
{
    ol_status status = OL_OK;
    if (!spool->is_read_only)
        status = ol__fs_make_directories(spool->directory, 0700, err);
    if (status == OL_OK)
        status = ol__fs_open_directory(spool->directory, &spool->dirfd, err);
    struct spool_about about = {0};
    if (status == OL_OK) /* promise 1 */
        status = spool_about_read(spool->fs, spool->dirfd, spool->directory, &about, err);
    if (status == OL_OK && !spool->is_read_only)
        status = take_lock(spool, err);
    if (status == OL_OK) /* as it is now that nobody else writes it */
        status = spool_about_read(spool->fs, spool->dirfd, spool->directory, &about, err);
    if (status == OL_OK)
        status = open_directories(spool, err);
    if (status != OL_OK)
        return status;
    bool is_new = !about.has_uuid || !about.has_version;
    if (about.has_uuid)
        spool->uuid = about.uuid;
    status = spool_recover(spool, err);
    static const struct ol__uuid none;
    if (status == OL_OK && memcmp(&spool->uuid, &none, sizeof none) == 0)
        spool->uuid = ol__uuid_v4();
    if (status == OL_OK && is_new && !spool->is_read_only)
        status = spool_about_write(spool->fs, spool->dirfd, &spool->uuid, err);
    if (status == OL_OK)
        status = spool_recover_positions(spool, err);
    if (status == OL_OK)
        spool_count_other(spool);
    return status;
}

static ol_status init_locks(struct spool *spool, struct ol_error *err)
{
    pthread_condattr_t attr;
    if (pthread_mutex_init(&spool->lock, NULL) != 0)
        return ol__error_set(err, OL_NOMEM, "spool: no lock");
    bool is_good = pthread_condattr_init(&attr) == 0 &&
                   pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
                   pthread_cond_init(&spool->prepare_wake, &attr) == 0;
    pthread_condattr_destroy(&attr);
    return is_good ? OL_OK : ol__error_set(err, OL_NOMEM, "spool: no condition variable");
}

ol_status spool_open(const struct spool_options *options, struct spool **ret, struct ol_error *err)
{
    struct spool *spool = calloc(1, sizeof *spool);
    if (spool == NULL)
        return ol__error_set(err, OL_NOMEM, "spool '%s': out of memory", options->directory);
    spool->dirfd = spool->cursor_fd = spool->quarantine_fd = spool->lock_fd = -1;
    spool->writer.fd = -1;
    spool->writer.next_number = spool->next_free = 1;
    spool->fs = &ol__fs_real;
    ol_status status = init_locks(spool, err);
    if (status == OL_OK)
        status = apply_options(spool, options, err);
    /* A snapshot takes at most a quarter of a small segment. */
    uint64_t snapshot_max = OL_MIN((uint64_t)SPOOL_SNAPSHOT_MAX, spool->segment_bytes / 4);
    positions_init(&spool->positions,
                   (uint32_t)((snapshot_max - SEGMENT_RECORD_HEADER) / SEGMENT_POSITION_SIZE));
    if (status == OL_OK)
        status = open_all(spool, err);
    if (status == OL_OK && !spool->is_read_only && !options->no_prepare)
        status = spool_prepare_start(spool, err);
    if (status != OL_OK) {
        spool_close(spool);
        return status;
    }
    *ret = spool;
    return OL_OK;
}

static void close_fd(const struct spool *spool, int fd)
{
    if (fd >= 0)
        OL_IGNORE(spool->fs->close(fd), "all that counts was synced");
}

void spool_close(struct spool *spool)
{
    if (spool == NULL)
        return;
    spool_prepare_stop(spool);
    struct spool_writer *w = &spool->writer;
    /* S6: nothing comes behind the synced end any more, so the next start need not search there. */
    if (w->fd >= 0)
        OL_IGNORE(spool->fs->ftruncate(w->fd, (off_t)w->offset), "only saves time and room");
    close_fd(spool, w->fd);
    close_fd(spool, spool->cursor_fd);
    close_fd(spool, spool->quarantine_fd);
    close_fd(spool, spool->dirfd);
    close_fd(spool, spool->lock_fd); /* last: this unlocks */
    positions_release(&spool->positions);
    pthread_cond_destroy(&spool->prepare_wake);
    pthread_mutex_destroy(&spool->lock);
    free(w->group);
    free(spool->segments);
    free(spool->noted);
    free(spool->directory);
    free(spool);
}

const struct ol__uuid *spool_uuid(const struct spool *spool)
{
    return &spool->uuid;
}

bool spool_name_is_valid(const char *name)
{
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return size >= 1 && size <= SPOOL_NAME_MAX && name[size] == '\0';
}

void spool_route_key(const char *route, uint8_t out[16])
{
    static const struct ol__uuid name_space = {{0x5c, 0x0e, 0x8a, 0x54, 0x1f, 0x6d, 0x4b, 0x21,
                                                0x9a, 0x37, 0xd2, 0x40, 0x6e, 0xb9, 0x13, 0xc8}};
    struct ol__uuid key = ol__uuid_v5(&name_space, ol__span_text(route));
    memcpy(out, key.bytes, 16);
}

bool spool_record_is_for(const struct spool_record *record, const uint8_t key[16])
{
    return record->source != SPOOL_FROM_DEAD_LETTER || memcmp(record->source_id, key, 16) == 0;
}

/* ---- following ---- */

int64_t spool_last_time_ms(const struct spool *spool)
{
    return spool->last_time_ms;
}

bool spool_clock_is_doubtful(const struct spool *spool, int64_t wall_ms)
{
    int64_t last = spool->last_time_ms;
    return last != 0 && (wall_ms < last - CLOCK_SLACK_MS || wall_ms > last + CLOCK_GAP_MS);
}

uint64_t spool_synced(const struct spool *spool)
{
    return atomic_load(&spool->synced);
}

uint64_t spool_oldest(const struct spool *spool)
{
    pthread_mutex_t *lock =
        (pthread_mutex_t *)(uintptr_t)&spool->lock; /* looking changes nothing else */
    pthread_mutex_lock(lock);
    uint64_t oldest = atomic_load(&spool->synced) + 1;
    for (size_t i = 0; i < spool->count; i++) {
        if (spool->segments[i].is_leaving)
            continue;
        oldest = OL_MIN(oldest, spool->segments[i].first_seq);
        break;
    }
    pthread_mutex_unlock(lock);
    return oldest;
}

ol_status spool_subscribe(struct spool *spool, int event_fd)
{
    pthread_mutex_lock(&spool->lock);
    bool has_room = spool->subscriber_count < SPOOL_SUBSCRIBERS_MAX;
    if (has_room)
        spool->subscribers[spool->subscriber_count++] = event_fd;
    pthread_mutex_unlock(&spool->lock);
    return has_room ? OL_OK : OL_NOMEM;
}

void spool_unsubscribe(struct spool *spool, int event_fd)
{
    pthread_mutex_lock(&spool->lock);
    for (size_t i = 0; i < spool->subscriber_count; i++) {
        if (spool->subscribers[i] != event_fd)
            continue;
        spool->subscribers[i] = spool->subscribers[--spool->subscriber_count];
        break;
    }
    pthread_mutex_unlock(&spool->lock);
}

void spool_stats_get(const struct spool *spool, struct spool_stats *ret)
{
    uint64_t oldest = spool_oldest(spool);
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&spool->lock;
    pthread_mutex_lock(lock);
    *ret = (struct spool_stats){
        .synced_seq = atomic_load(&spool->synced),
        .oldest_seq = oldest,
        .bytes_used = spool->log_bytes + spool->other_bytes,
        .bytes_max = spool->max_bytes,
        .free_bytes = spool->free_bytes,
        .min_free_bytes = spool->floor_bytes,
        .segments = spool->count,
        .quarantined_records = spool->quarantined_records,
        .quarantined_bytes = spool->quarantined_bytes,
        .torn_bytes = spool->torn_bytes,
        .syncs = atomic_load(&spool->syncs),
        .sync_failures = atomic_load(&spool->sync_failures),
        .written_bytes = atomic_load(&spool->written_bytes),
        .gap_records = spool->gap_records,
        .sync_started_ms = atomic_load(&spool->sync_started_ms),
        .is_full = atomic_load(&spool->is_full),
        .is_failing = atomic_load(&spool->is_failing),
    };
    pthread_mutex_unlock(lock);
}
