/* SPDX-License-Identifier: Apache-2.0 */
/* Journal directories: who drains them, what stands in them, what may leave.
 *
 *  1. Nothing is unlinked or moved before every line of it is in the spool and synced (J11): file->taken ==
 *     file->synced, and the end was judged.
 *  2. A position is forgotten only after the directory's fsync behind the unlink (J17). If that fails it is
 *     kept and tried again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "journal_impl.h"
#include "times.h"

#define SYNC_DELAY_MS 1000
#define CLEAN_DELAY_MS 60000

/* ---- The sorted list ---- */

static size_t lower_bound(const struct journal_dir *dir, const char *name)
{
    size_t low = 0, high = dir->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(dir->files[mid]->name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct journal_file *find(const struct journal_dir *dir, const char *name)
{
    size_t at = lower_bound(dir, name);
    return at < dir->count && strcmp(dir->files[at]->name, name) == 0 ? dir->files[at] : NULL;
}

/** Find or add; NULL: out of memory. */
static struct journal_file *list(struct journal_dir *dir, const char *name)
{
    size_t at = lower_bound(dir, name);
    if (at < dir->count && strcmp(dir->files[at]->name, name) == 0)
        return dir->files[at];
    if (dir->count == dir->cap) {
        size_t cap = dir->cap == 0 ? 64 : dir->cap * 2;
        struct journal_file **files = realloc(dir->files, cap * sizeof(struct journal_file *));
        if (files == NULL)
            return NULL;
        dir->files = files;
        dir->cap = cap;
    }
    struct journal_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    memcpy(file->name, name, JOURNAL_NAME_SIZE + 1);
    file->is_dirty = true;
    memmove(dir->files + at + 1, dir->files + at, (dir->count - at) * sizeof(struct journal_file *));
    dir->files[at] = file;
    dir->count++;
    return file;
}

/** Remember that the position of @p file may be forgotten after the next fsync. Out of memory: it is kept
 *  until the next start, which looks for positions without a file. */
static void add_gone(struct journal_dir *dir, const struct journal_file *file)
{
    dir->must_sync = true;
    if (!file->is_opened)
        return;
    if (dir->gone_count == dir->gone_cap) {
        size_t cap = dir->gone_cap == 0 ? 64 : dir->gone_cap * 2;
        struct ol__uuid *gone = realloc(dir->gone, cap * sizeof *gone);
        if (gone == NULL)
            return;
        dir->gone = gone;
        dir->gone_cap = cap;
    }
    dir->gone[dir->gone_count++] = file->key;
}

/* ---- Set-up ---- */

static void name_of_uid(uid_t uid, char *out, size_t size)
{
    snprintf(out, size, "uid %u", (unsigned)uid);
}

static ol_status take_drain_lock(struct journal_dir *dir, struct ol_error *err)
{
    struct stat st;
    char owner[32], holder[64] = "";
    dir->drain_fd = openat(dir->fd, ".drain", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->drain_fd < 0 || fstat(dir->drain_fd, &st) < 0)
        return ol__error_set_errno(err, errno, "journal directory '%s': .drain", dir->path);
    if (st.st_uid != geteuid() || !S_ISREG(st.st_mode)) {
        name_of_uid(st.st_uid, owner, sizeof owner);
        return ol__error_set(err, OL_DENIED,
                             "journal directory '%s': .drain belongs to %s, not to this agent's "
                             "user; remove it if no agent of that user drains here",
                             dir->path, owner);
    }
    /* An emitter that asks whether anybody drains here holds a shared lock for some microseconds. */
    int tries = 0;
    while (flock(dir->drain_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK && ++tries < 50)
        usleep(2000);
    if (tries == 50) {
        ssize_t n = pread(dir->drain_fd, holder, sizeof holder - 1, 0);
        holder[n > 0 ? n : 0] = '\0';
        holder[strcspn(holder, "\n")] = '\0';
        return ol__error_set(err, OL_BUSY, "journal directory '%s' is drained by another agent (pid %s)",
                             dir->path, holder[0] != '\0' ? holder : "unknown");
    }
    int n = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    if (ftruncate(dir->drain_fd, 0) < 0 || pwrite(dir->drain_fd, holder, (size_t)n, 0) != n)
        log_write(LOG_LEVEL_WARNING, "intake", "journal directory '%s': cannot note our pid in .drain",
                  dir->path);
    return OL_OK;
}

/** J21. A directory that is there keeps its mode and group. */
static ol_status make_directory(const struct journal_intake *ji, const char *path,
                                struct ol_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return OL_OK;
    bool is_system = ji->agent->config->is_system;
    ol_status result = ol__fs_make_directories(path, is_system ? 0755 : 0700, err);
    if (result != OL_OK || !is_system)
        return result;
    const struct group *group = getgrnam("lineaged");
    if (group != NULL && chown(path, (uid_t)-1, group->gr_gid) < 0)
        return ol__error_set_errno(err, errno, "journal directory '%s': chgrp lineaged", path);
    if (chmod(path, 03777) < 0) /* after chown, which clears bits */
        return ol__error_set_errno(err, errno, "journal directory '%s': chmod 3777", path);
    return OL_OK;
}

ol_status journal_dir_open(struct journal_intake *ji, struct journal_dir *dir, const char *path,
                           struct ol_error *err)
{
    *dir = (struct journal_dir){.fd = -1, .drain_fd = -1, .done_fd = -1, .watch = -1};
    dir->path = strdup(path);
    if (dir->path == NULL)
        return ol__error_set(err, OL_NOMEM, "journal directory '%s': out of memory", path);
    ol_status st = make_directory(ji, path, err);
    if (st == OL_OK)
        st = ol__fs_open_directory(path, &dir->fd, err);
    if (st == OL_OK)
        st = take_drain_lock(dir, err);
    if (st != OL_OK)
        return st;
    if (mkdirat(dir->fd, "done", 0700) < 0 && errno != EEXIST)
        return ol__error_set_errno(err, errno, "journal directory '%s': mkdir done", path);
    dir->done_fd = openat(dir->fd, "done", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir->done_fd < 0)
        return ol__error_set_errno(err, errno, "journal directory '%s': done", path);
    if (ji->inotify >= 0)
        dir->watch = inotify_add_watch(ji->inotify, path,
                                       IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE |
                                           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
    if (dir->watch < 0)
        log_write(LOG_LEVEL_WARNING, "intake", "journal directory '%s' cannot be watched (%s): polled",
                  path, strerror(errno));
    dir->must_scan = true;
    return OL_OK;
}

void journal_dir_close(struct journal_dir *dir)
{
    for (size_t i = 0; i < dir->count; i++)
        free(dir->files[i]);
    free(dir->files);
    free(dir->gone);
    if (dir->done_fd >= 0)
        close(dir->done_fd);
    if (dir->drain_fd >= 0)
        close(dir->drain_fd); /* unlocks */
    if (dir->fd >= 0)
        close(dir->fd);
    free(dir->path);
    *dir = (struct journal_dir){.fd = -1, .drain_fd = -1, .done_fd = -1, .watch = -1};
}

/* ---- Looking ---- */

/** J4: the remains of a birth whose writer is long gone. */
static void sweep_unborn(struct journal_intake *ji, struct journal_dir *dir, const char *name)
{
    struct stat st;
    size_t length = strlen(name);
    if (length < 5 || strcmp(name + length - 4, ".new") != 0)
        return;
    int fd = openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        ol__time_now_ms() - (int64_t)st.st_mtim.tv_sec * 1000 > ji->orphan_after_ms &&
        flock(fd, LOCK_SH | LOCK_NB) == 0)
        OL_IGNORE(unlinkat(dir->fd, name, 0) < 0, "tried again at the next start");
    close(fd);
}

static void drop_vanished(struct journal_dir *dir, const bool *seen, size_t seen_count)
{
    size_t kept = 0;
    for (size_t i = 0; i < dir->count; i++) {
        if (i < seen_count && !seen[i]) {
            add_gone(dir, dir->files[i]);
            free(dir->files[i]);
        } else
            dir->files[kept++] = dir->files[i];
    }
    dir->count = kept;
}

ol_status journal_dir_scan(struct journal_intake *ji, struct journal_dir *dir, struct ol_error *err)
{
    struct ol__uuid id;
    const struct dirent *entry;
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (stream == NULL) {
        if (fd >= 0)
            close(fd);
        return ol__error_set_errno(err, errno, "journal directory '%s': list", dir->path);
    }
    ol_status st = OL_OK;
    errno = 0;
    while (st == OL_OK && (entry = readdir(stream)) != NULL) {
        if (strncmp(entry->d_name, ".full-", 6) == 0)
            dir->has_full_marker = true;
        else if (entry->d_name[0] == '.')
            sweep_unborn(ji, dir, entry->d_name);
        else if (journal_name_is_valid(entry->d_name, &id)) {
            struct journal_file *file = list(dir, entry->d_name);
            if (file == NULL)
                st = ol__error_set(err, OL_NOMEM, "journal directory '%s': out of memory", dir->path);
            else
                file->is_dirty = true;
        }
        errno = 0;
    }
    if (st == OL_OK && errno != 0)
        st = ol__error_set_errno(err, errno, "journal directory '%s': list", dir->path);
    closedir(stream);
    if (st != OL_OK)
        return st;
    /* What we list and is no longer there: asked one by one, since names that came while we read the directory
     * may not have been among what it returned. */
    bool *seen = calloc(dir->count + 1, sizeof *seen);
    if (seen == NULL)
        return ol__error_set(err, OL_NOMEM, "journal directory '%s': out of memory", dir->path);
    for (size_t i = 0; i < dir->count; i++) {
        struct stat unused;
        seen[i] = fstatat(dir->fd, dir->files[i]->name, &unused, AT_SYMLINK_NOFOLLOW) == 0 ||
                  errno != ENOENT;
    }
    drop_vanished(dir, seen, dir->count);
    free(seen);
    dir->must_scan = false;
    return OL_OK;
}

static void note_event(struct journal_intake *ji, const struct inotify_event *event)
{
    struct ol__uuid id;
    for (size_t i = 0; i < ji->dir_count; i++) {
        struct journal_dir *dir = &ji->dirs[i];
        if (event->mask & IN_Q_OVERFLOW)
            dir->must_scan = true;
        if (event->wd != dir->watch)
            continue;
        if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
            dir->must_scan = true; /* fails, and says so, until it is there again */
            continue;
        }
        if (event->len == 0)
            continue;
        if (strncmp(event->name, ".full-", 6) == 0)
            dir->has_full_marker = true;
        else if (journal_name_is_valid(event->name, &id)) {
            struct journal_file *file = (event->mask & (IN_MOVED_TO | IN_CREATE)) != 0
                                            ? list(dir, event->name)
                                            : find(dir, event->name);
            if (file != NULL)
                file->is_dirty = true;
            else if ((event->mask & (IN_MOVED_TO | IN_CREATE)) != 0)
                dir->must_scan = true; /* out of memory: later */
        }
    }
}

void journal_dir_watch(struct journal_intake *ji)
{
    _Alignas(struct inotify_event) char buffer[65536];
    if (ji->inotify < 0)
        return;
    for (int turn = 0; turn < 64; turn++) { /* bounded: writers may outpace us */
        ssize_t n = read(ji->inotify, buffer, sizeof buffer);
        if (n <= 0)
            return;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(buffer + at);
            note_event(ji, event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
}

/* ---- Leaving ---- */

/** @return whether @p file has left the directory. */
static bool remove_ended(struct journal_intake *ji, struct journal_dir *dir,
                         const struct journal_file *file)
{
    bool is_kept = file->parked > 0 || file->is_orphan;
    int result = is_kept ? renameat(dir->fd, file->name, dir->done_fd, file->name)
                         : unlinkat(dir->fd, file->name, 0);
    if (result < 0 && errno != ENOENT) {
        log_write(LOG_LEVEL_ERROR, "intake", "journal '%s/%s': %s: %s", dir->path, file->name,
                  is_kept ? "move to done/" : "unlink", strerror(errno));
        return false;
    }
    metric_add(is_kept ? &ji->agent->metrics->intake.journal_moved
                       : &ji->agent->metrics->intake.journal_unlinked,
               1);
    if (is_kept)
        dir->clean_due = 0;
    return true;
}

struct done_entry {
    char name[JOURNAL_NAME_SIZE + 1];
    int64_t changed_ms, size;
};

static int by_age(const void *a, const void *b)
{
    const struct done_entry *x = a, *y = b;
    return (x->changed_ms > y->changed_ms) - (x->changed_ms < y->changed_ms);
}

/** J12: at most 7 days and 256 MiB, oldest out first. */
static void clean_done(struct journal_dir *dir)
{
    struct done_entry *entries = NULL;
    size_t count = 0, cap = 0;
    int64_t bytes = 0, now = ol__time_now_ms();
    const struct dirent *entry;
    int fd = openat(dir->done_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (stream == NULL) {
        if (fd >= 0)
            close(fd);
        return; /* said when something is moved there */
    }
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
        entries[count].changed_ms = (int64_t)st.st_mtim.tv_sec * 1000;
        entries[count].size = (int64_t)st.st_size;
        bytes += entries[count++].size;
    }
    closedir(stream);
    if (count > 0)
        qsort(entries, count, sizeof *entries, by_age);
    for (size_t i = 0; i < count; i++) {
        if (bytes <= JOURNAL_DONE_BYTES && now - entries[i].changed_ms <= JOURNAL_DONE_AGE_MS)
            break;
        if (unlinkat(dir->done_fd, entries[i].name, 0) == 0)
            bytes -= entries[i].size;
    }
    free(entries);
}

/** J15: take away the marker of a uid whose journals are drained to below half of both ceilings. */
static void clear_full_markers(struct journal_dir *dir)
{
    const struct dirent *entry;
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    bool is_left = false;
    if (stream == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(stream)) != NULL) {
        char *end;
        if (strncmp(entry->d_name, ".full-", 6) != 0)
            continue;
        unsigned long uid = strtoul(entry->d_name + 6, &end, 10);
        if (*end != '\0')
            continue;
        int64_t bytes = 0, files = 0;
        for (size_t i = 0; i < dir->count; i++) {
            if (dir->files[i]->uid == uid) {
                bytes += (int64_t)(dir->files[i]->size - dir->files[i]->synced);
                files++;
            }
        }
        if (bytes > JOURNAL_UID_BYTES / 2 || files > JOURNAL_UID_FILES / 2 ||
            (unlinkat(dir->fd, entry->d_name, 0) < 0 && errno != ENOENT))
            is_left = true;
    }
    closedir(stream);
    dir->has_full_marker = is_left;
}

static void sync_and_forget(struct journal_intake *ji, struct journal_dir *dir)
{
    if (fsync(dir->fd) < 0) {
        log_write(LOG_LEVEL_ERROR, "intake", "journal directory '%s': fsync: %s", dir->path,
                  strerror(errno));
        return; /* promise 2 */
    }
    for (size_t i = 0; i < dir->gone_count; i++)
        OL_IGNORE(spool_group_forget(ji->agent->spool, &dir->gone[i]) != OL_OK,
                  "kept until the next start");
    dir->gone_count = 0;
    dir->must_sync = false;
}

void journal_dir_tidy(struct journal_intake *ji, struct journal_dir *dir, bool is_closing)
{
    int64_t now = ol__time_monotonic_ms();
    size_t kept = 0;
    bool had_sync = dir->must_sync;
    for (size_t i = 0; i < dir->count; i++) {
        struct journal_file *file = dir->files[i];
        if ((file->is_ended || file->is_orphan) && file->taken == file->synced && /* promise 1 */
            remove_ended(ji, dir, file)) {
            add_gone(dir, file);
            free(file);
        } else
            dir->files[kept++] = file;
    }
    dir->count = kept;
    if (dir->must_sync && !had_sync)
        dir->sync_due = now + SYNC_DELAY_MS;
    if (dir->must_sync && (is_closing || now >= dir->sync_due)) {
        sync_and_forget(ji, dir);
        dir->sync_due = now + SYNC_DELAY_MS;
    }
    if (now >= dir->clean_due) {
        clean_done(dir);
        dir->clean_due = now + CLEAN_DELAY_MS;
    }
    if (dir->has_full_marker)
        clear_full_markers(dir);
}
