/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the spool: names, space (S7), and the thread that fills the next file ahead (S3).
 * Promises:
 *  1. A file is counted in log_bytes before its first byte is written and until it is gone, so
 * max_bytes holds.
 *  2. A `free-` file on the list is closed, filled and synced. */
#include "spool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define FILL_STEP (1024u * 1024u)
#define FLOOR_MAX (1024ull * 1024 * 1024)

ol_status spool_segment_open(const struct spool *spool, uint64_t number, int flags, int *ret,
                             struct ol_error *err)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, false, name);
    int fd = spool->fs->openat(spool->dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "segment '%s/%s': open", spool->directory, name);
    *ret = fd;
    return OL_OK;
}

ol_status spool_sync_directory(const struct spool *spool, struct ol_error *err)
{
    if (spool->fs->fsync(spool->dirfd) != 0)
        return ol__error_set_errno(err, errno, "directory '%s': sync", spool->directory);
    return OL_OK;
}

void spool_release_bytes(struct spool *spool, uint64_t bytes)
{
    pthread_mutex_lock(&spool->lock);
    spool->log_bytes -= bytes;
    pthread_mutex_unlock(&spool->lock);
}

/* What the file system has free, and how much of that must stay (S7). */
static ol_status read_free(const struct spool *spool, uint64_t *ret_left, uint64_t *ret_floor,
                           struct ol_error *err)
{
    struct statvfs vfs;
    if (spool->fs->fstatvfs(spool->dirfd, &vfs) != 0)
        return ol__error_set_errno(err, errno, "spool '%s': free space", spool->directory);
    uint64_t unit = vfs.f_frsize != 0 ? vfs.f_frsize : vfs.f_bsize;
    *ret_left = (uint64_t)vfs.f_bavail * unit;
    *ret_floor = spool->has_no_floor ? 0
                 : spool->min_free != UINT64_MAX
                     ? spool->min_free
                     : OL_MIN((uint64_t)vfs.f_blocks * unit / 20, FLOOR_MAX);
    return OL_OK;
}

/* S7: may another file be made? */
static ol_status check_new_file(const struct spool *spool, uint64_t used, struct ol_error *err)
{
    if (used + spool->segment_bytes > spool->max_bytes)
        return ol__error_set(err, OL_FULL,
                             "spool '%s' is full: %" PRIu64 " of max_bytes %" PRIu64 " in use",
                             spool->directory, used, spool->max_bytes);
    if (spool->has_no_floor)
        return OL_OK;
    uint64_t left = 0, floor = 0;
    ol_status status = read_free(spool, &left, &floor, err);
    if (status != OL_OK)
        return status;
    if (left < floor + spool->segment_bytes)
        return ol__error_set(err, OL_FULL,
                             "spool '%s': the filesystem has %" PRIu64 " bytes free, %" PRIu64
                             " must stay so",
                             spool->directory, left, floor);
    return OL_OK;
}

ol_status spool_check_room(struct spool *spool, struct ol_error *err)
{
    pthread_mutex_lock(&spool->lock);
    bool is_ready = spool->free_count > 0;
    uint64_t used = spool->log_bytes + spool->other_bytes;
    pthread_mutex_unlock(&spool->lock);
    return is_ready ? OL_OK : check_new_file(spool, used, err);
}

/* Count a new file in (promise 1). */
static ol_status reserve(struct spool *spool, struct ol_error *err)
{
    pthread_mutex_lock(&spool->lock);
    ol_status status = check_new_file(spool, spool->log_bytes + spool->other_bytes, err);
    if (status == OL_OK)
        spool->log_bytes += spool->segment_bytes;
    pthread_mutex_unlock(&spool->lock);
    return status;
}

static ol_status make_free(struct spool *spool, uint64_t *ret_number, int *ret_fd,
                           struct ol_error *err)
{
    ol_status status = reserve(spool, err);
    if (status != OL_OK)
        return status;
    pthread_mutex_lock(&spool->lock);
    uint64_t number = spool->next_free++;
    pthread_mutex_unlock(&spool->lock);
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, true, name);
    int fd = spool->fs->openat(spool->dirfd, name,
                               O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        status = ol__error_set_errno(err, errno, "file '%s/%s': create", spool->directory, name);
        spool_release_bytes(spool, spool->segment_bytes);
        return status;
    }
    *ret_number = number;
    *ret_fd = fd;
    return OL_OK;
}

ol_status spool_free_take(struct spool *spool, uint64_t *ret_number, int *ret_fd,
                          bool *ret_is_filled, struct ol_error *err)
{
    for (;;) {
        uint64_t number = 0;
        pthread_mutex_lock(&spool->lock);
        bool has_one = spool->free_count > 0;
        if (has_one)
            number = spool->free_files[--spool->free_count];
        pthread_mutex_unlock(&spool->lock);
        if (!has_one) {
            *ret_is_filled = false;
            return make_free(spool, ret_number, ret_fd, err);
        }
        char name[SEGMENT_NAME_SIZE];
        segment_name(number, true, name);
        int fd = spool->fs->openat(spool->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
        if (fd >= 0) {
            *ret_number = number;
            *ret_fd = fd;
            *ret_is_filled = true;
            return OL_OK;
        }
        spool_free_drop(spool, number); /* whatever became of it: the next, or a new one */
    }
}

void spool_free_drop(struct spool *spool, uint64_t number)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, true, name);
    OL_IGNORE(spool->fs->unlinkat(spool->dirfd, name, 0),
              "it is no part of the log; the next start removes it");
    spool_release_bytes(spool, spool->segment_bytes);
}

/* Sizes of the plain files in one directory. */
static uint64_t directory_bytes(const struct spool *spool, const char *name)
{
    int fd = openat(spool->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    uint64_t sum = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        struct stat st;
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    }
    closedir(dir);
    return sum;
}

void spool_count_other(struct spool *spool)
{
    uint64_t quarantine = directory_bytes(spool, "quarantine");
    uint64_t others = directory_bytes(spool, "cursor") + directory_bytes(spool, "dead");
    uint64_t left = 0, floor = 0;
    OL_IGNORE(read_free(spool, &left, &floor, NULL), "then it shows as none");
    pthread_mutex_lock(&spool->lock);
    spool->free_bytes = left;
    spool->floor_bytes = floor;
    spool->quarantine_bytes = quarantine;
    spool->other_bytes = others + quarantine;
    pthread_mutex_unlock(&spool->lock);
}

static bool must_stop(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    bool stop = spool->prepare_stop;
    pthread_mutex_unlock(&spool->lock);
    return stop;
}

static ol_status fill(struct spool *spool, int fd, struct ol_error *err)
{
    uint8_t *zeros = calloc(1, FILL_STEP);
    if (zeros == NULL)
        return ol__error_set(err, OL_NOMEM, "spool: out of memory for filling a file");
    ol_status status = OL_OK;
    for (uint64_t at = 0; at < spool->segment_bytes && status == OL_OK; at += FILL_STEP) {
        size_t size = (size_t)OL_MIN((uint64_t)FILL_STEP, spool->segment_bytes - at);
        status = must_stop(spool) ? OL_AGAIN
                                  : ol__fs_write_at(spool->fs, fd, zeros, size, (off_t)at, err);
        /* Sync as it goes: one flush of 64 MiB would stand in the way of the acknowledgements' own.
         */
        if (status == OL_OK && (at / FILL_STEP) % 4 == 3 && spool->fs->fdatasync(fd) != 0)
            status = ol__error_set_errno(err, errno, "spool: sync a prepared file");
    }
    free(zeros);
    if (status == OL_OK && spool->fs->fsync(fd) != 0)
        status = ol__error_set_errno(err, errno, "spool: sync a prepared file");
    return status;
}

static ol_status prepare_one(struct spool *spool, struct ol_error *err)
{
    uint64_t number = 0;
    int fd = -1;
    ol_status status = make_free(spool, &number, &fd, err);
    if (status != OL_OK)
        return status;
    status = fill(spool, fd, err);
    if (spool->fs->close(fd) != 0 && status == OL_OK)
        status = ol__error_set_errno(err, errno, "spool: close a prepared file");
    bool is_kept = false;
    pthread_mutex_lock(&spool->lock);
    if (status == OL_OK && spool->free_count < SPOOL_FREE_MAX) {
        spool->free_files[spool->free_count++] = number; /* promise 2 */
        is_kept = true;
    }
    pthread_mutex_unlock(&spool->lock);
    if (!is_kept) /* reaping was faster, or it failed */
        spool_free_drop(spool, number);
    OL_CRASHPOINT("spool.prepare.filled");
    return status;
}

static void *prepare_main(void *arg)
{
    struct spool *spool = arg;
    pthread_mutex_lock(&spool->lock);
    while (!spool->prepare_stop) {
        ol_status status = OL_OK;
        if (spool->free_count == 0) {
            pthread_mutex_unlock(&spool->lock);
            status = prepare_one(spool, NULL);
            pthread_mutex_lock(&spool->lock);
        }
        /* Full or failing: the writer makes its own file and says what is wrong. Try again when
         * something changed, or after a second. */
        if (spool->prepare_stop || (status == OL_OK && spool->free_count == 0))
            continue;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        if (status == OL_OK)
            pthread_cond_wait(&spool->prepare_wake, &spool->lock);
        else
            pthread_cond_timedwait(&spool->prepare_wake, &spool->lock, &until);
    }
    pthread_mutex_unlock(&spool->lock);
    return NULL;
}

ol_status spool_prepare_start(struct spool *spool, struct ol_error *err)
{
    int reason = pthread_create(&spool->prepare_thread, NULL, prepare_main, spool);
    if (reason != 0)
        return ol__error_set_errno(err, reason, "spool: start a thread");
    spool->has_thread = true;
    return OL_OK;
}

void spool_prepare_stop(struct spool *spool)
{
    if (!spool->has_thread)
        return;
    pthread_mutex_lock(&spool->lock);
    spool->prepare_stop = true;
    pthread_cond_signal(&spool->prepare_wake);
    pthread_mutex_unlock(&spool->lock);
    pthread_join(spool->prepare_thread, NULL);
    spool->has_thread = false;
}
