/* SPDX-License-Identifier: Apache-2.0 */
/* A journal directory: who drains it, what stands in it, what has changed.
 *
 *  1. The list is sorted by name, each name once; what a scan misses a later one finds.
 *  2. One poll costs a bounded number of system calls, however many files there are.
 *  3. A directory that was replaced is opened, locked and listed anew; positions stay.
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

#define FULL_LOOK_POLLS 10 /* polls between two looks at a file that does not seem to change */
#define SETTLED_MS 2000    /* a directory's mtime younger than this may hide a later change */
#define DRAIN_TRIES 50

/* ---- The sorted list ---- */

size_t journal_dir_index(const struct journal_dir *dir, const char *name)
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
    size_t at = journal_dir_index(dir, name);
    return at < dir->count && strcmp(dir->files[at]->name, name) == 0 ? dir->files[at] : NULL;
}

/** A new file at index @p at; NULL: out of memory. */
static struct journal_file *insert(struct journal_intake *ji, struct journal_dir *dir,
                                   const char *name, size_t at)
{
    if (dir->count == dir->cap) {
        struct journal_file **files =
            ol__grow(dir->files, &dir->cap, sizeof(struct journal_file *));
        if (files == NULL)
            return NULL;
        dir->files = files;
    }
    struct journal_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    memcpy(file->name, name, JOURNAL_NAME_SIZE + 1);
    file->listed_scan = dir->scans;
    file->listed_look = ji->looks;
    journal_dir_mark(dir, file);
    memmove(dir->files + at + 1, dir->files + at,
            (dir->count - at) * sizeof(struct journal_file *));
    dir->files[at] = file;
    dir->count++;
    return file;
}

static int by_name(const void *a, const void *b)
{
    const struct journal_file *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* ---- Set-up ---- */

static ol_status foreign_drain(const struct journal_dir *dir, const struct stat *st,
                               struct ol_error *err)
{
    return ol__error_set(
        err, OL_DENIED,
        "journal directory '%s': .drain belongs to uid %u, not to this agent's user; "
        "remove it if no agent of that user drains here",
        dir->path, (unsigned)st->st_uid);
}

static ol_status take_drain_lock(struct journal_dir *dir, struct ol_error *err)
{
    struct stat st;
    char holder[64] = "";
    dir->drain_fd = openat(dir->fd, ".drain", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->drain_fd < 0) {
        int reason = errno; /* EACCES also from the kernel's fs.protected_regular */
        if (reason == EACCES && fstatat(dir->fd, ".drain", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_uid != geteuid())
            return foreign_drain(dir, &st, err);
        return ol__error_set_errno(err, reason, "journal directory '%s': .drain", dir->path);
    }
    if (fstat(dir->drain_fd, &st) < 0)
        return ol__error_set_errno(err, errno, "journal directory '%s': .drain", dir->path);
    if (st.st_uid != geteuid() || !S_ISREG(st.st_mode))
        return foreign_drain(dir, &st, err);
    /* An emitter that asks whether anybody drains here holds a shared lock for some microseconds.
     */
    int tries = 0;
    while (flock(dir->drain_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ol__error_set_errno(err, errno, "journal directory '%s': lock of .drain",
                                       dir->path);
        if (++tries < DRAIN_TRIES) {
            usleep(2000);
            continue;
        }
        ssize_t n = pread(dir->drain_fd, holder, sizeof holder - 1, 0);
        holder[n > 0 ? n : 0] = '\0';
        holder[strcspn(holder, "\n")] = '\0';
        return ol__error_set(err, OL_BUSY,
                             "journal directory '%s' is drained by another agent (pid %s)",
                             dir->path, holder[0] != '\0' ? holder : "unknown");
    }
    int n = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    if (ftruncate(dir->drain_fd, 0) < 0 || pwrite(dir->drain_fd, holder, (size_t)n, 0) != n)
        log_write(LOG_LEVEL_WARNING, "intake",
                  "journal directory '%s': cannot note our pid in .drain", dir->path);
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

/** done/ must be ours: others may make names in the system directory. */
static ol_status open_done(struct journal_dir *dir, struct ol_error *err)
{
    struct stat st;
    if (mkdirat(dir->fd, "done", 0700) < 0 && errno != EEXIST)
        return ol__error_set_errno(err, errno, "journal directory '%s': mkdir done", dir->path);
    dir->done_fd = openat(dir->fd, "done", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir->done_fd < 0 || fstat(dir->done_fd, &st) < 0)
        return ol__error_set_errno(err, errno, "journal directory '%s': done", dir->path);
    if (st.st_uid != geteuid())
        return ol__error_set(
            err, OL_DENIED,
            "journal directory '%s': done belongs to uid %u, not to this agent's user", dir->path,
            (unsigned)st.st_uid);
    return OL_OK;
}

static ol_status open_parts(struct journal_intake *ji, struct journal_dir *dir,
                            struct ol_error *err)
{
    ol_status st = make_directory(ji, dir->path, err);
    if (st == OL_OK)
        st = ol__fs_open_directory(dir->path, &dir->fd, err);
    if (st == OL_OK)
        st = take_drain_lock(dir, err);
    if (st == OL_OK)
        st = open_done(dir, err);
    return st;
}

ol_status journal_dir_open(struct journal_intake *ji, struct journal_dir *dir, const char *path,
                           struct ol_error *err)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return ol__error_set(err, OL_NOMEM, "journal directory '%s': out of memory", path);
    *dir = (struct journal_dir){
        .path = copy, .fd = -1, .drain_fd = -1, .done_fd = -1, .watch = -1, .must_scan = true};
    ol_status st = open_parts(ji, dir, err);
    if (st != OL_OK) {
        journal_dir_close(ji, dir, false);
        return st;
    }
    if (ji->inotify >= 0)
        dir->watch = inotify_add_watch(ji->inotify, path,
                                       IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE |
                                           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
    if (dir->watch < 0)
        log_write(LOG_LEVEL_WARNING, "intake",
                  "journal directory '%s' cannot be watched (%s): polled", path, strerror(errno));
    return OL_OK;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void journal_dir_close(struct journal_intake *ji, struct journal_dir *dir, bool is_final)
{
    if (dir->fd >= 0)
        journal_dir_tidy(ji, dir, true);
    for (size_t i = 0; i < dir->count; i++) {
        journal_abort_release(ji, dir->files[i]);
        free(dir->files[i]);
    }
    free(dir->files);
    free(dir->gone);
    if (dir->watch >= 0)
        OL_IGNORE(inotify_rm_watch(ji->inotify, dir->watch) < 0, "it may have gone by itself");
    close_fd(&dir->done_fd);
    close_fd(&dir->drain_fd); /* unlocks */
    close_fd(&dir->fd);
    char *path = dir->path;
    if (is_final) {
        free(path);
        path = NULL;
    }
    *dir = (struct journal_dir){
        .path = path, .fd = -1, .drain_fd = -1, .done_fd = -1, .watch = -1, .is_failing = true};
}

/* ---- Scanning ---- */

/** J4: the remains of a birth whose writer is long gone. */
static void sweep_unborn(struct journal_intake *ji, struct journal_dir *dir, const char *name)
{
    struct stat st;
    size_t length = strlen(name);
    if (length < 5 || strcmp(name + length - 4, ".new") != 0)
        return;
    int fd = openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        journal_is_past(ji, (int64_t)st.st_mtim.tv_sec * 1000, ji->orphan_after_ms) &&
        flock(fd, LOCK_SH | LOCK_NB) == 0)
        OL_IGNORE(unlinkat(dir->fd, name, 0) < 0, "tried again at the next scan");
    close(fd);
}

#define OWNERS_MAX 256

struct owners {
    uid_t uid[OWNERS_MAX];
    uint32_t count[OWNERS_MAX];
    size_t used;
};

/** @return whether @p uid may have one more file. Past OWNERS_MAX owners, those share one count. */
static bool count_owner(struct owners *owners, uid_t uid, size_t most)
{
    size_t i = 0;
    while (i < owners->used && owners->uid[i] != uid)
        i++;
    if (i == OWNERS_MAX)
        i = OWNERS_MAX - 1;
    else if (i == owners->used) {
        owners->uid[owners->used++] = uid;
        owners->count[i] = 0;
    }
    return owners->count[i]++ < most;
}

/** Drop what has vanished, and the newest files of an owner who has too many. */
static void weed(struct journal_intake *ji, struct journal_dir *dir)
{
    struct owners owners;
    size_t kept = 0;
    owners.used = 0;
    for (size_t i = 0; i < dir->count; i++) {
        struct journal_file *file = dir->files[i];
        struct stat st = {.st_uid = file->uid};
        bool is_known = file->is_opened && file->seen_scan == dir->scans;
        /* A name that came while we read the directory may not be among what it returned: asked one
         * by one. */
        if (!is_known && fstatat(dir->fd, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT) {
                dir->must_sync = true;
                if (file->is_opened)
                    journal_dir_add_gone(dir, &file->key);
                journal_abort_release(ji, file);
                free(file);
                continue;
            }
            st.st_uid = file->uid;
        }
        if (!count_owner(&owners, st.st_uid, ji->uid_listed_max) && !file->is_in_group) {
            dir->is_cut = true;
            journal_abort_release(ji, file);
            free(file);
            continue;
        }
        dir->files[kept++] = file;
    }
    dir->count = kept;
}

static void sort_and_weed(struct journal_intake *ji, struct journal_dir *dir)
{
    if (dir->count > 1)
        qsort(dir->files, dir->count, sizeof(struct journal_file *), by_name);
    weed(ji, dir);
}

/** Append what is not among the first @p known files. Past listed_max names it makes room first:
 * memory is bounded, whatever stands there, and the oldest of each owner are found all the same. */
static ol_status read_names(struct journal_intake *ji, struct journal_dir *dir, DIR *stream,
                            struct ol_error *err)
{
    struct journal_dir known = *dir; /* its sorted part, for find() */
    const struct dirent *entry;
    struct ol__uuid id;
    errno = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (dir->count >= ji->listed_max && known.count < dir->count) {
            sort_and_weed(ji, dir); /* the oldest are kept, and there is room again */
            known.count = dir->count;
        }
        known.files = dir->files;
        if (strncmp(entry->d_name, ".full-", 6) == 0)
            dir->has_full_marker = true;
        else if (entry->d_name[0] == '.')
            sweep_unborn(ji, dir, entry->d_name);
        else if (journal_name_is_valid(entry->d_name, &id)) {
            struct journal_file *file = find(&known, entry->d_name);
            if (file == NULL && dir->count < ji->listed_max) {
                file = insert(ji, dir, entry->d_name, dir->count);
                if (file == NULL)
                    return ol__error_set(err, OL_NOMEM, "journal directory '%s': out of memory",
                                         dir->path);
            }
            if (file != NULL)
                file->seen_scan = dir->scans;
            else
                dir->is_cut = true;
        }
        errno = 0;
    }
    if (errno != 0)
        return ol__error_set_errno(err, errno, "journal directory '%s': list", dir->path);
    return OL_OK;
}

ol_status journal_dir_scan(struct journal_intake *ji, struct journal_dir *dir, struct ol_error *err)
{
    struct stat before;
    bool was_cut = dir->is_cut;
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &before) < 0) {
        int reason = errno;
        close_fd(&fd);
        return ol__error_set_errno(err, reason, "journal directory '%s': list", dir->path);
    }
    DIR *stream = fdopendir(fd);
    if (stream == NULL) {
        close_fd(&fd);
        return ol__error_set(err, OL_NOMEM, "journal directory '%s': out of memory", dir->path);
    }
    dir->scans++;
    dir->is_cut = false;
    ol_status st = read_names(ji, dir, stream, err);
    closedir(stream);
    if (st != OL_OK) {
        if (dir->count > 1)
            qsort(dir->files, dir->count, sizeof(struct journal_file *), by_name);
        dir->is_cut |= was_cut;
        return st;
    }
    sort_and_weed(ji, dir);
    if (dir->is_cut && !was_cut)
        log_write(
            LOG_LEVEL_WARNING, "intake",
            "journal directory '%s': an owner has more than %zu files, or all together more than "
            "%zu: the newest wait",
            dir->path, ji->uid_listed_max, ji->listed_max);
    dir->modified = before.st_mtim;
    dir->must_scan = false;
    return OL_OK;
}

/* ---- Watching ---- */

static void note_name(struct journal_intake *ji, struct journal_dir *dir,
                      const struct inotify_event *event)
{
    struct ol__uuid id;
    if (strncmp(event->name, ".full-", 6) == 0)
        dir->has_full_marker = true;
    if (!journal_name_is_valid(event->name, &id))
        return;
    struct journal_file *file = find(dir, event->name);
    if (file == NULL && (event->mask & (IN_MOVED_TO | IN_CREATE)) != 0) {
        if (dir->must_scan || dir->count >= ji->uid_listed_max) {
            dir->must_scan |= !dir->is_cut; /* which counts owners; what is newer waits */
            return;
        }
        file = insert(ji, dir, event->name, journal_dir_index(dir, event->name));
        dir->must_scan = file == NULL; /* out of memory: later */
    }
    if (file != NULL)
        journal_dir_mark(dir, file);
}

static void note_event(struct journal_intake *ji, const struct inotify_event *event)
{
    for (size_t i = 0; i < ji->dir_count; i++) {
        struct journal_dir *dir = &ji->dirs[i];
        if (event->mask & IN_Q_OVERFLOW) {
            dir->must_scan = true;
            for (size_t f = 0; f < dir->count; f++)
                journal_dir_mark(dir, dir->files[f]);
        }
        if (event->wd != dir->watch || dir->watch < 0)
            continue;
        if (event->mask & IN_IGNORED)
            dir->watch = -1;
        if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
            ji->poll_due = 0; /* journal_dir_poll() looks what has become of it */
        else if (event->len > 0)
            note_name(ji, dir, event);
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

/* ---- Polling ---- */

/** Promise 3. @return whether there is a directory to look at. */
static bool refresh(struct journal_intake *ji, struct journal_dir *dir)
{
    struct stat there, held;
    struct ol_error err = {.status = OL_OK};
    if (dir->fd >= 0) {
        if (stat(dir->path, &there) == 0 && fstat(dir->fd, &held) == 0 &&
            there.st_ino == held.st_ino && there.st_dev == held.st_dev)
            return true;
        if (dir->has_group)
            return true; /* what was taken from it is settled first */
        log_write(LOG_LEVEL_WARNING, "intake", "journal directory '%s' was removed or replaced",
                  dir->path);
        journal_dir_close(ji, dir, false);
    }
    char *path = dir->path;
    bool was_told = dir->is_failing && dir->polls > 0;
    unsigned polls = dir->polls + 1;
    ol_status st = journal_dir_open(ji, dir, path, &err);
    if (dir->path != path)
        free(path);
    if (st == OL_OK) {
        log_write(LOG_LEVEL_INFO, "intake", "journal directory '%s' is drained again", dir->path);
        return true;
    }
    if (!was_told)
        log_write(LOG_LEVEL_ERROR, "intake", "%s; tried again", err.message);
    dir->polls = polls;
    return false;
}

static bool is_changed(const struct journal_dir *dir, const struct journal_file *file)
{
    struct stat st;
    if (fstatat(dir->fd, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return true;
    return (uint64_t)st.st_size != file->size || st.st_ino != file->inode ||
           st.st_dev != file->device || st.st_ctim.tv_sec != file->changed.tv_sec ||
           st.st_ctim.tv_nsec != file->changed.tv_nsec;
}

/** Promise 2: of up to JOURNAL_POLL_FILES files, in turn, each is dirty if it changed; and in any
 * case (a lock may have gone) about once in FULL_LOOK_POLLS polls. */
static void poll_files(struct journal_dir *dir)
{
    size_t count = OL_MIN(dir->count, (size_t)JOURNAL_POLL_FILES);
    size_t rounds = (size_t)FULL_LOOK_POLLS * JOURNAL_POLL_FILES / dir->count;
    rounds = OL_MAX((size_t)1, OL_MIN(rounds, (size_t)FULL_LOOK_POLLS));
    for (size_t n = 0; n < count; n++) {
        size_t at = dir->poll_next % dir->count;
        struct journal_file *file = dir->files[at];
        bool is_full_look = (at + dir->poll_next++ / dir->count) % rounds == 0 && !file->is_left;
        if (file->is_dirty || file->is_ended || file->is_orphan)
            continue;
        if (is_full_look || is_changed(dir, file)) {
            file->is_left = false;
            journal_dir_mark(dir, file);
        }
    }
}

void journal_dir_poll(struct journal_intake *ji, struct journal_dir *dir)
{
    struct stat st;
    if (!refresh(ji, dir))
        return;
    dir->polls++;
    /* Without a watch names are found here; with one this is the second look that a hint needs. */
    if ((dir->watch < 0 || dir->polls % FULL_LOOK_POLLS == 0) && fstat(dir->fd, &st) == 0) {
        int64_t age = ol__time_now_ms() - (int64_t)dir->modified.tv_sec * 1000;
        if (st.st_mtim.tv_sec != dir->modified.tv_sec ||
            st.st_mtim.tv_nsec != dir->modified.tv_nsec || (age >= 0 && age < SETTLED_MS))
            dir->must_scan = true;
    }
    if (dir->is_failing)
        dir->must_scan = true;
    if (dir->count > 0)
        poll_files(dir);
}
