/* SPDX-License-Identifier: Apache-2.0 */
/* The ceilings of J13-J15: no agent for ever must not fill a disk, and a file size limit must not
 * kill the host. */
#include "journal_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "times.h"

#define MIB ((uint64_t)1024 * 1024)
#define ENTRIES_MAX 200000 /* a directory with more is counted no further */

const struct ol__journal_limits ol__journal_limits_default = {
    .rotate_bytes = 64 * MIB,
    .fsize_margin = MIB,
    .check_bytes = MIB,
    .floor_bytes = 1024 * MIB,
    .floor_percent = 5,
    .low_retry_ms = 1000,
    .uid_bytes = 256 * MIB,
    .uid_files = 10000,
    .count_odds = 256,
    .recount_ms = INT64_C(10) * 1000,
    .idle_ms = INT64_C(12) * 60 * 60 * 1000,
};

void ol__journal_read_limit(struct ol__journal *j)
{
    struct rlimit limit;
    j->hard_limit = UINT64_MAX;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        j->hard_limit =
            limit.rlim_cur > j->limits->fsize_margin ? limit.rlim_cur - j->limits->fsize_margin : 0;
    j->rotate_at = OL_MIN(j->limits->rotate_bytes, j->hard_limit);
}

ol_status ol__journal_check_space(struct ol__journal *j, int fd, struct ol_error *err)
{
    struct statvfs fs;
    j->unchecked = 0;
    j->is_low = false;
    if (fd < 0 || j->fs->fstatvfs(fd, &fs) != 0)
        return OL_OK; /* not known to be full: the write will tell */
    uint64_t block = fs.f_frsize != 0 ? fs.f_frsize : fs.f_bsize;
    uint64_t available = fs.f_bavail * block;
    uint64_t floor =
        OL_MIN(fs.f_blocks / 100 * j->limits->floor_percent * block, j->limits->floor_bytes);
    if (available >= floor)
        return OL_OK;
    j->is_low = true;
    j->low_since_ms = ol__time_monotonic_ms();
    return ol__error_set(err, OL_FULL,
                         "journal '%s': %ju MiB free on its filesystem, %ju MiB must stay free",
                         j->directory, (uintmax_t)(available / MIB), (uintmax_t)(floor / MIB));
}

/* Bytes and files of this uid. Stops when both or either is past its limit. */
static ol_status count_files(struct ol__journal *j, uint64_t *ret_bytes, uint64_t *ret_files,
                             struct ol_error *err)
{
    uint64_t bytes = 0, files = 0;
    int fd = j->fs->openat(j->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (directory == NULL) {
        int sys_errno = errno;
        if (fd >= 0)
            j->fs->close(fd);
        return ol__error_set_errno(err, sys_errno, "journal directory '%s': list", j->directory);
    }
    uid_t uid = geteuid();
    for (int i = 0; i < ENTRIES_MAX; i++) {
        struct stat st;
        struct dirent *entry = readdir(directory);
        if (entry == NULL || bytes > j->limits->uid_bytes || files > j->limits->uid_files)
            break;
        if (fstatat(j->dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode) || st.st_uid != uid)
            continue;
        if (entry->d_name[0] == '.' && strstr(entry->d_name, ".jsonl.new") == NULL)
            continue; /* the marker, the drainer's lock */
        bytes += (uint64_t)st.st_size;
        files++;
    }
    closedir(directory);
    *ret_bytes = bytes;
    *ret_files = files;
    return OL_OK;
}

static ol_status refuse_ceiling(const struct ol__journal *j, struct ol_error *err)
{
    return ol__error_set(err, OL_FULL,
                         "journal '%s': more than %ju MiB or %ju files wait there for an agent; is"
                         " lineaged running?",
                         j->directory, (uintmax_t)(j->limits->uid_bytes / MIB),
                         (uintmax_t)j->limits->uid_files);
}

/* The marker's time says when anybody last counted. */
static ol_status set_marker(struct ol__journal *j, const char *marker, struct ol_error *err)
{
    int fd = j->fs->openat(j->dirfd, marker, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
                           0600);
    if (fd < 0)
        return refuse_ceiling(
            j, err); /* refused all the same; without a marker the next birth may ask */
    OL_IGNORE(futimens(fd, NULL), "the next birth counts too early");
    j->fs->close(fd);
    return refuse_ceiling(j, err);
}

ol_status ol__journal_check_ceiling(struct ol__journal *j, bool is_rotation, struct ol_error *err)
{
    char marker[32];
    struct stat st;
    uint64_t bytes = 0, files = 0;
    const struct ol__journal_limits *l = j->limits;
    if (j->dirfd < 0)
        return OL_OK; /* birth opens it again; the next one counts */
    snprintf(marker, sizeof marker, ".full-%ju", (uintmax_t)geteuid());
    bool is_marked = fstatat(j->dirfd, marker, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_marked) {
        int64_t age_ms =
            ol__time_now_ms() - ((int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
        if (age_ms >= 0 && age_ms < l->recount_ms)
            return refuse_ceiling(j, err);
    } else if (!is_rotation) {
        uint32_t drawn;
        ol__random(&drawn, sizeof drawn);
        if (drawn % l->count_odds != 0)
            return OL_OK;
    }
    ol_status status = count_files(j, &bytes, &files, err);
    if (status != OL_OK)
        return status;
    if (bytes > l->uid_bytes || files > l->uid_files)
        return set_marker(j, marker, err);
    if (!is_marked)
        return OL_OK;
    if (bytes > l->uid_bytes / 2 || files > l->uid_files / 2)
        return set_marker(j, marker, err); /* not yet: a limit crossed to and fro helps nobody */
    OL_IGNORE(j->fs->unlinkat(j->dirfd, marker, 0), "the agent or another writer removed it");
    return OL_OK;
}
