/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A hash is of a file that had the stamp's identity, size and times before the first byte was
 * read and after the last one.
 *  2. A change shows in the file's times, which move in steps of a clock tick: a file that was
 * changed within this tick is looked at again in the next, before it is read.
 *  3. Nothing blocks on what is no regular file.
 */
#include "sum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "cache.h"
#include "pool.h"

#define BLOCK_SIZE ((size_t)256 << 10)
#define LARGE ((int64_t)1 << 20)
#define TICK_WAIT_MAX_MS 20 /* a file from a clock ahead of ours is not waited for */

void artifact_stamp_of(const struct stat *st, struct artifact_stamp *ret)
{
    *ret = (struct artifact_stamp){.device = (uint64_t)st->st_dev,
                                   .inode = (uint64_t)st->st_ino,
                                   .links = (uint64_t)st->st_nlink,
                                   .size = (int64_t)st->st_size,
                                   .modified = st->st_mtim,
                                   .changed = st->st_ctim};
}

bool artifact_is_later(struct timespec a, struct timespec b)
{
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static bool is_time_equal(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool artifact_stamp_is_same(const struct artifact_stamp *a, const struct artifact_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           is_time_equal(a->modified, b->modified) &&
           (a->links != b->links || is_time_equal(a->changed, b->changed));
}

void artifact_sum_look(struct artifact_sum *sum)
{
    struct stat st;
    int result = sum->fd >= 0       ? fstat(sum->fd, &st)
                 : sum->is_followed ? stat(sum->path, &st)
                                    : lstat(sum->path, &st);
    sum->is_there = result == 0 && S_ISREG(st.st_mode);
    sum->reason = sum->is_there                           ? NULL
                  : result == 0                           ? "no regular file"
                  : (errno == ENOENT || errno == ENOTDIR) ? "not there"
                  : (errno == EACCES || errno == EPERM)   ? "may not be looked at"
                                                          : "cannot be looked at";
    if (result == 0)
        artifact_stamp_of(&st, &sum->stamp);
}

void artifact_sum_open(struct artifact_sum *sum)
{
    if (sum->fd < 0)
        sum->fd = open(sum->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
                                      (sum->is_followed ? 0 : O_NOFOLLOW));
}

void artifact_sum_close(struct artifact_sum *sum)
{
    if (sum->fd >= 0)
        close(sum->fd);
    sum->fd = -1;
}

/** Wait until a change of a file last changed at @p changed would show (2). */
static void wait_for_tick(struct timespec changed)
{
    static const struct timespec pause = {.tv_nsec = 1000 * 1000};
    for (int i = 0; i < TICK_WAIT_MAX_MS; i++) {
        struct timespec now;
        if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0 || artifact_is_later(now, changed))
            return;
        nanosleep(&pause, NULL);
    }
}

void artifact_sums_settle(struct artifact_sum *const *sums, size_t count)
{
    struct timespec latest = {0}, oldest_tick = {0};
    for (size_t i = 0; i < count; i++) {
        if (sums[i]->is_there && artifact_is_later(sums[i]->stamp.changed, latest))
            latest = sums[i]->stamp.changed;
    }
    if (latest.tv_sec == 0)
        return;
    wait_for_tick(latest);
    if (clock_gettime(CLOCK_REALTIME_COARSE, &oldest_tick) < 0)
        oldest_tick.tv_sec = 0;
    /* They were looked at a while ago: what has not changed for seconds had not then. */
    oldest_tick.tv_sec -= oldest_tick.tv_sec > 2 ? 2 : 0;
    for (size_t i = 0; i < count; i++) {
        if (sums[i]->is_there && artifact_is_later(sums[i]->stamp.changed, oldest_tick))
            artifact_sum_look(sums[i]);
    }
}

ol_status artifact_bench_init(struct artifact_bench *bench)
{
    *bench = (struct artifact_bench){.hash = NULL};
    ol__sha256_read_no_config(); /* a command may be started meanwhile */
    bench->block = malloc(BLOCK_SIZE);
    return bench->block == NULL ? OL_NOMEM : ol__sha256_new(&bench->hash, NULL);
}

void artifact_bench_release(struct artifact_bench *bench)
{
    ol__sha256_free(bench->hash);
    free(bench->block);
    *bench = (struct artifact_bench){.hash = NULL};
}

static bool is_as_looked_at(const struct artifact_sum *sum)
{
    struct stat st;
    struct artifact_stamp now;
    if (fstat(sum->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    artifact_stamp_of(&st, &now);
    return artifact_stamp_is_same(&sum->stamp, &now);
}

/** @return NULL: all bytes are in the hash; else why they are not. */
static const char *read_all(const struct artifact_sum *sum, const struct artifact_hasher *hasher,
                            struct artifact_bench *bench)
{
    int64_t size = 0;
    if (sum->stamp.size >= LARGE) /* the kernel then reads further ahead */
        OL_IGNORE(posix_fadvise(sum->fd, 0, 0, POSIX_FADV_SEQUENTIAL) != 0, "it is slower without");
    for (;;) {
        if (hasher->is_hurried != NULL && hasher->is_hurried())
            return "there was no time to read it";
        ssize_t n = pread(sum->fd, bench->block, BLOCK_SIZE, (off_t)size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return "cannot be read";
        ol__sha256_add(bench->hash, bench->block, (size_t)n);
        size += n;
        if (hasher->progress != NULL)
            artifact_progress_add(hasher->progress, (uint64_t)n);
        if (size > sum->stamp.size)
            return "changed while it was read";
        if (n == 0)
            return size == sum->stamp.size ? NULL : "changed while it was read";
    }
}

static void hash(struct artifact_sum *sum, const struct artifact_hasher *hasher,
                 struct artifact_bench *bench)
{
    struct timespec begun = {0};
    sum->reason = "larger than --hash-limit";
    if ((uint64_t)sum->stamp.size > hasher->limit)
        return;
    sum->is_hashed = artifact_cache_get(hasher->cache, &sum->stamp, sum->sha256);
    sum->reason = NULL;
    if (sum->is_hashed && hasher->progress != NULL)
        artifact_progress_add(hasher->progress, (uint64_t)sum->stamp.size);
    if (sum->is_hashed)
        return;
    sum->reason = "there was no time to read it";
    if (hasher->is_hurried != NULL && hasher->is_hurried())
        return;
    sum->reason = NULL;
    artifact_sum_open(sum);
    if (sum->fd < 0)
        sum->reason = errno == ENOENT || errno == ENOTDIR ? "vanished before it was read"
                      : errno == EACCES || errno == EPERM ? "cannot be opened: Permission denied"
                                                          : "cannot be opened";
    else if (clock_gettime(CLOCK_REALTIME, &begun) != 0 || !is_as_looked_at(sum))
        sum->reason = "changed before it was read";
    if (sum->reason != NULL)
        return;
    ol__sha256_reset(bench->hash);
    sum->reason = read_all(sum, hasher, bench);
    if (sum->reason == NULL && !is_as_looked_at(sum))
        sum->reason = "changed while it was read";
    if (sum->reason != NULL)
        return;
    ol__sha256_finish(bench->hash, sum->sha256);
    sum->is_hashed = true;
    artifact_cache_put(hasher->cache, &sum->stamp, sum->sha256, begun, sum->fd);
}

void artifact_sum_hash(struct artifact_sum *sum, const struct artifact_hasher *hasher,
                       struct artifact_bench *bench)
{
    bool was_open = sum->fd >= 0;
    if (sum->is_there)
        hash(sum, hasher, bench);
    if (!was_open || !sum->is_kept_open)
        artifact_sum_close(sum);
}
