/* SPDX-License-Identifier: Apache-2.0 */
/* What may leave a journal directory.
 *
 *  1. Nothing is unlinked or moved before every line of it is in the spool and synced (J11), nor
 * when it has changed since its end was judged.
 *  2. A position is forgotten only after the directory's fsync behind the unlink (J17). If that
 * fails it is kept and tried again.
 *  3. What others may make in the directory (markers, names in done/) costs at most one listing a
 * second.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "journal_impl.h"
#include "times.h"

#define SYNC_DELAY_MS 1000
#define CLEAN_DELAY_MS 60000
#define LIST_DELAY_MS 1000 /* promise 3 */

void journal_dir_add_gone(struct journal_dir *dir, const struct ol__uuid *key)
{
    dir->must_sync = true;
    if (dir->gone_count == dir->gone_cap) {
        struct ol__uuid *gone = ol__grow(dir->gone, &dir->gone_cap, sizeof *gone);
        if (gone == NULL)
            return; /* kept until the next start, which looks for positions without a file */
        dir->gone = gone;
    }
    dir->gone[dir->gone_count++] = *key;
}

static DIR *list_directory(int dirfd)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (stream == NULL && fd >= 0)
        close(fd);
    return stream;
}

/* ---- Ended journals ---- */

/** Somebody removed done/: make it again. @return whether the move may be tried again. */
static bool renew_done(struct journal_dir *dir)
{
    struct stat st;
    if (dir->done_fd >= 0 && fstat(dir->done_fd, &st) == 0 && st.st_nlink > 0)
        return false;
    if (mkdirat(dir->fd, "done", 0700) < 0 && errno != EEXIST)
        return false;
    int fd = openat(dir->fd, "done", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid()) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (dir->done_fd >= 0)
        close(dir->done_fd);
    dir->done_fd = fd;
    return true;
}

static int move_to_done(struct journal_dir *dir, const char *name)
{
    int result = renameat(dir->fd, name, dir->done_fd, name);
    if (result < 0 && errno == ENOENT && renew_done(dir))
        result = renameat(dir->fd, name, dir->done_fd, name);
    return result;
}

/** Promise 1: as it was when its end was judged? */
static bool is_unchanged(const struct journal_dir *dir, const struct journal_file *file,
                         bool *ret_is_gone)
{
    struct stat st;
    if (fstatat(dir->fd, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        *ret_is_gone = errno == ENOENT;
        return false;
    }
    return st.st_ino == file->inode && st.st_dev == file->device &&
           (uint64_t)st.st_size == file->size && st.st_mtim.tv_sec == file->modified.tv_sec &&
           st.st_mtim.tv_nsec == file->modified.tv_nsec;
}

/** @return whether @p file has left the directory. */
static bool remove_ended(struct journal_intake *ji, struct journal_dir *dir,
                         struct journal_file *file)
{
    bool is_kept = file->parked > 0 || file->is_orphan;
    bool is_gone = false;
    if (!is_unchanged(dir, file, &is_gone)) {
        file->is_ended = file->is_orphan = false;
        journal_dir_mark(dir, file);
        return is_gone;
    }
    if (file->open != NULL && (file->is_rotated || journal_abort_is_followed(dir, file)))
        journal_keep_write(ji, dir, file);
    if ((is_kept ? move_to_done(dir, file->name) : unlinkat(dir->fd, file->name, 0)) < 0) {
        if (errno == ENOENT && fstatat(dir->fd, file->name, &(struct stat){0}, 0) < 0)
            return true;
        if (!file->is_told)
            log_write(LOG_LEVEL_ERROR, "intake", "journal '%s/%s': %s: %s", dir->path, file->name,
                      is_kept ? "move to done/" : "unlink", strerror(errno));
        file->is_told = true;
        return false;
    }
    OL_CRASHPOINT("journal.unlinked");
    metric_add(is_kept ? &ji->agent->metrics->intake.journal_moved
                       : &ji->agent->metrics->intake.journal_unlinked,
               1);
    if (is_kept)
        dir->clean_due = OL_MIN(dir->clean_due, ol__time_monotonic_ms() + LIST_DELAY_MS);
    return true;
}

static void remove_all_ended(struct journal_intake *ji, struct journal_dir *dir)
{
    size_t kept = 0;
    dir->has_ended = false;
    for (size_t i = 0; i < dir->count; i++) {
        struct journal_file *file = dir->files[i];
        bool is_over = file->is_ended || file->is_orphan;
        if (is_over && !file->is_in_group && file->taken == file->synced &&
            remove_ended(ji, dir, file)) {
            dir->must_sync = true;
            if (file->is_opened)
                journal_dir_add_gone(dir, &file->key);
            journal_abort_leave(ji, dir, file);
            journal_abort_release(ji, file);
            free(file);
        } else {
            dir->has_ended |= file->is_ended || file->is_orphan;
            dir->files[kept++] = file;
        }
    }
    if (kept < dir->count && dir->is_cut && kept <= ji->uid_listed_max / 2)
        dir->must_scan = true; /* a scan of very many names: not for each that goes */
    dir->count = kept;
}

/* ---- done/ ---- */

struct done_entry {
    char name[JOURNAL_NAME_SIZE + 1];
    int64_t moved_ms, size;
};

static int by_age(const void *a, const void *b)
{
    const struct done_entry *x = a, *y = b;
    return (x->moved_ms > y->moved_ms) - (x->moved_ms < y->moved_ms);
}

/** J12: at most 7 days and 256 MiB, oldest out first. The age is the ctime's, which the move set:
 * the mtime is its owner's to choose, and old from the start for what waited while no agent ran. */
static void clean_done(struct journal_intake *ji, struct journal_dir *dir)
{
    struct done_entry *entries = NULL;
    size_t count = 0, cap = 0;
    int64_t bytes = 0;
    const struct dirent *entry;
    DIR *stream = list_directory(dir->done_fd);
    if (stream == NULL)
        return; /* said when something is moved there */
    while ((entry = readdir(stream)) != NULL) {
        struct stat st;
        struct ol__uuid id;
        if (!journal_name_is_valid(entry->d_name, &id) ||
            fstatat(dir->done_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (count == cap) {
            cap = cap == 0 ? 64 : cap * 2;
            struct done_entry *more = realloc(entries, cap * sizeof *entries);
            if (more == NULL)
                break; /* the rest next time */
            entries = more;
        }
        memcpy(entries[count].name, entry->d_name, JOURNAL_NAME_SIZE + 1);
        entries[count].moved_ms = (int64_t)st.st_ctim.tv_sec * 1000;
        entries[count].size = (int64_t)st.st_size;
        bytes += entries[count++].size;
    }
    closedir(stream);
    if (count > 0)
        qsort(entries, count, sizeof *entries, by_age);
    for (size_t i = 0; i < count; i++) {
        if (bytes <= JOURNAL_DONE_BYTES &&
            !journal_is_past(ji, entries[i].moved_ms, JOURNAL_DONE_AGE_MS))
            break;
        if (unlinkat(dir->done_fd, entries[i].name, 0) == 0)
            bytes -= entries[i].size;
    }
    free(entries);
}

/* ---- Markers ---- */

static bool is_drained(const struct journal_dir *dir, uint32_t uid)
{
    uint64_t bytes = 0, files = 0;
    for (size_t i = 0; i < dir->count; i++) {
        const struct journal_file *file = dir->files[i];
        if (file->is_opened && file->uid == uid) {
            bytes += file->size > file->synced ? file->size - file->synced : 0;
            files++;
        }
    }
    return bytes <= JOURNAL_UID_BYTES / 2 && files <= JOURNAL_UID_FILES / 2;
}

/** J15: take away the marker of a uid whose journals are drained to below half of both ceilings.
 * Only the one that its owner made for itself counts, so nobody can make us count for ever. */
static void clear_full_markers(struct journal_dir *dir)
{
    const struct dirent *entry;
    bool is_left = false;
    DIR *stream = list_directory(dir->fd);
    if (stream == NULL)
        return;
    while ((entry = readdir(stream)) != NULL) {
        struct stat st;
        char own[32];
        if (strncmp(entry->d_name, ".full-", 6) != 0 ||
            fstatat(dir->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        snprintf(own, sizeof own, ".full-%u", (unsigned)st.st_uid);
        if (strcmp(own, entry->d_name) != 0)
            continue;
        if (!is_drained(dir, (uint32_t)st.st_uid) ||
            (unlinkat(dir->fd, entry->d_name, 0) < 0 && errno != ENOENT))
            is_left = true;
    }
    closedir(stream);
    dir->has_full_marker = is_left;
}

/* ---- All of it ---- */

static void sync_and_forget(struct journal_intake *ji, struct journal_dir *dir)
{
    if (fsync(dir->fd) < 0) {
        log_write(LOG_LEVEL_ERROR, "intake", "journal directory '%s': fsync: %s", dir->path,
                  strerror(errno));
        return; /* promise 2 */
    }
    OL_CRASHPOINT("journal.dir_synced");
    for (size_t i = 0; i < dir->gone_count; i++)
        OL_IGNORE(spool_group_forget(ji->agent->spool, &dir->gone[i]) != OL_OK,
                  "kept until the next start");
    dir->gone_count = 0;
    dir->must_sync = false;
}

void journal_dir_tidy(struct journal_intake *ji, struct journal_dir *dir, bool is_closing)
{
    int64_t now = ol__time_monotonic_ms();
    bool had_sync = dir->must_sync;
    if (dir->fd < 0)
        return;
    if (dir->has_ended)
        remove_all_ended(ji, dir);
    if (dir->must_sync && !had_sync)
        dir->sync_due = now + SYNC_DELAY_MS;
    if (dir->must_sync && (is_closing || now >= dir->sync_due)) {
        sync_and_forget(ji, dir);
        dir->sync_due = now + SYNC_DELAY_MS;
    }
    if (now >= dir->clean_due) {
        clean_done(ji, dir);
        dir->clean_due = now + CLEAN_DELAY_MS;
    }
    if (dir->has_full_marker && now >= dir->marker_due) {
        clear_full_markers(dir);
        dir->marker_due = now + LIST_DELAY_MS;
    }
}
