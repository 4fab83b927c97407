/* SPDX-License-Identifier: Apache-2.0 */
/* What waits in each directory, for status and metrics. Files that are known to have changed are
 * asked for their size, at most JOURNAL_POLL_FILES a time; the others are as they were when last
 * looked at. */
#include "journal_impl.h"

#include <fcntl.h>
#include <sys/stat.h>

static int64_t unix_ms(const struct timespec *t)
{
    return (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

static void count_directory(const struct journal_dir *dir, struct journal_dir_metrics *m)
{
    uint64_t bytes = 0;
    int64_t oldest_ms = 0;
    size_t asked = 0;
    for (size_t i = 0; dir->fd >= 0 && i < dir->count; i++) {
        const struct journal_file *file = dir->files[i];
        uint64_t size = file->size;
        struct timespec modified = file->modified;
        struct stat st;
        if (file->is_left) /* not ours to read */
            continue;
        if ((file->is_dirty || !file->is_looked_at) && asked++ < JOURNAL_POLL_FILES &&
            fstatat(dir->fd, file->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            size = (uint64_t)st.st_size;
            modified = st.st_mtim;
        }
        if (size <= file->synced)
            continue;
        bytes += size - file->synced;
        if (oldest_ms == 0 || unix_ms(&modified) < oldest_ms)
            oldest_ms = OL_MAX(INT64_C(1), unix_ms(&modified));
    }
    metric_set(&m->files, dir->count);
    metric_set(&m->bytes, bytes);
    metric_set(&m->oldest_ms, (uint64_t)oldest_ms);
    metric_set(&m->is_lost, dir->fd < 0);
}

void journal_waiting_publish(struct journal_intake *ji)
{
    struct intake_metrics *m = &ji->agent->metrics->intake;
    for (size_t d = 0; d < ji->dir_count && d < JOURNAL_DIRECTORIES_MAX; d++)
        count_directory(&ji->dirs[d], &m->directories[d]);
}
