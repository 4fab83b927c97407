/* SPDX-License-Identifier: Apache-2.0 */
/* Promises (JOURNAL.md F1 to F6):
 *  1. A file is only read: never changed, moved, locked or removed.
 *  2. A file is who it is by its inode and its first line; so it keeps its position when it is
 * renamed, and begins anew when it is cut back or replaced.
 *  3. A position is on disk in the same group as the event that ends there.
 *  4. Memory is bounded by FILES_MAX; a poll costs one look at each name.
 */
#include "foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "buf.h"
#include "times.h"

#define FILES_MAX 10000u
#define HELD_MAX 256u   /* descriptors held open, so that a renamed file is read out */
#define FIRST_MAX 4096u /* of the first line count */
#define LINE_MAX_BYTES (16u * 1024u * 1024u)
#define READ_SIZE (256u * 1024u)
#define TURN_BYTES (1024u * 1024u)
#define HOLD_MS (10 * 60 * 1000)     /* after its last change */
#define UNSEEN_MS (24 * 3600 * 1000) /* then a file that nobody saw is forgotten */

struct foreign_file {
    dev_t device;
    ino_t inode;
    char *path; /* owned; where it was last seen */
    int fd;     /* -1: none is held */
    struct ol__uuid key;
    uint64_t taken, synced, size;
    struct timespec changed;
    int64_t changed_ms, seen_ms; /* monotonic */
    uint32_t uid;
    bool has_key, is_dirty, is_in_group, is_skipping;
    bool is_settled; /* it did not change between two polls */
    bool is_told;
};

struct foreign {
    const struct agent *agent;
    struct intake_taker *taker;
    struct foreign_file **files; /* owned, sorted by device and inode */
    size_t count, cap, held, next;
    int64_t poll_due;
    struct ol__buf lines;
    bool is_listed, is_cut, has_dirty, has_group;
};

ol_status foreign_open(const struct agent *agent, struct intake_taker *taker, struct foreign **ret,
                       struct ol_error *err)
{
    struct foreign *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ol__error_set(err, OL_NOMEM, "foreign files: out of memory");
    f->agent = agent;
    f->taker = taker;
    ol__buf_init(&f->lines, LINE_MAX_BYTES + READ_SIZE);
    *ret = f;
    return OL_OK;
}

static void let_go(struct foreign *f, struct foreign_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        f->held--;
    }
    file->fd = -1;
}

static void free_file(struct foreign *f, struct foreign_file *file)
{
    let_go(f, file);
    free(file->path);
    free(file);
}

void foreign_close(struct foreign *foreign)
{
    if (foreign == NULL)
        return;
    for (size_t i = 0; i < foreign->count; i++)
        free_file(foreign, foreign->files[i]);
    free(foreign->files);
    ol__buf_release(&foreign->lines);
    free(foreign);
}

int64_t foreign_deadline(const struct foreign *foreign)
{
    return foreign->agent->config->files_paths.count > 0 ? foreign->poll_due : INT64_MAX;
}

void foreign_rescan(struct foreign *foreign)
{
    foreign->poll_due = 0;
}

/* ---- The list ---- */

static size_t place(const struct foreign *f, const struct stat *st)
{
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct foreign_file *file = f->files[mid];
        if (file->device < st->st_dev || (file->device == st->st_dev && file->inode < st->st_ino))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct foreign_file *insert(struct foreign *f, size_t at, const struct stat *st)
{
    if (f->count == f->cap) {
        struct foreign_file **files = ol__grow(f->files, &f->cap, sizeof(struct foreign_file *));
        if (files == NULL)
            return NULL;
        f->files = files;
    }
    struct foreign_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    *file = (struct foreign_file){.device = st->st_dev, .inode = st->st_ino, .fd = -1};
    memmove(f->files + at + 1, f->files + at, (f->count - at) * sizeof(struct foreign_file *));
    f->files[at] = file;
    f->count++;
    return file;
}

static void note_change(struct foreign *f, struct foreign_file *file, const struct stat *st,
                        int64_t now)
{
    bool is_same = file->changed_ms != 0 && file->size == (uint64_t)st->st_size &&
                   file->changed.tv_sec == st->st_ctim.tv_sec &&
                   file->changed.tv_nsec == st->st_ctim.tv_nsec;
    bool was_settled = file->is_settled;
    file->is_settled = is_same;
    if (!is_same) {
        file->size = (uint64_t)st->st_size;
        file->changed = st->st_ctim;
        file->changed_ms = now;
    }
    if (!is_same || !was_settled) {
        file->is_dirty = true;
        f->has_dirty = true;
    }
    file->uid = (uint32_t)st->st_uid;
}

static void see(struct foreign *f, const char *path, int64_t now)
{
    struct stat st;
    if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    size_t at = place(f, &st);
    struct foreign_file *file =
        at < f->count && f->files[at]->device == st.st_dev && f->files[at]->inode == st.st_ino
            ? f->files[at]
            : NULL;
    if (file == NULL) {
        if (f->count >= FILES_MAX) {
            if (!f->is_cut)
                log_write(LOG_LEVEL_WARNING, "intake",
                          "intake.files: more than %u files: '%s' and others are not read",
                          FILES_MAX, path);
            f->is_cut = true;
            return;
        }
        file = insert(f, at, &st);
        if (file == NULL)
            return; /* at the next poll */
    }
    if (file->path == NULL || strcmp(file->path, path) != 0) {
        char *copy = strdup(path);
        if (copy != NULL) {
            free(file->path);
            file->path = copy;
        }
    }
    file->seen_ms = now;
    note_change(f, file, &st, now);
}

/* What no name leads to is read out through its descriptor, and in the end forgotten. */
static void weed(struct foreign *f, int64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct foreign_file *file = f->files[i];
        struct stat st;
        if (file->seen_ms != now && file->fd >= 0 && fstat(file->fd, &st) == 0)
            note_change(f, file, &st, now);
        if (file->fd >= 0 && now - file->changed_ms > HOLD_MS)
            let_go(f, file);
        if (file->path == NULL || (now - file->seen_ms > UNSEEN_MS && !file->is_in_group)) {
            if (file->has_key)
                OL_IGNORE(spool_group_forget(f->agent->spool, &file->key) != OL_OK,
                          "kept until the next start");
            free_file(f, file);
            continue;
        }
        f->files[kept++] = file;
    }
    f->count = kept;
}

static void list(struct foreign *f, int64_t now)
{
    const struct ol__text_list *patterns = &f->agent->config->files_paths;
    bool is_whole = true;
    for (size_t i = 0; i < patterns->count; i++) {
        glob_t found = {0};
        int result = glob(patterns->items[i], GLOB_NOSORT, NULL, &found);
        is_whole &= result == 0 || result == GLOB_NOMATCH;
        for (size_t n = 0; result == 0 && n < found.gl_pathc; n++)
            see(f, found.gl_pathv[n], now);
        globfree(&found);
    }
    f->is_listed = is_whole && !f->is_cut;
    weed(f, now);
}

/* ---- One file ---- */

static int hold(struct foreign *f, struct foreign_file *file)
{
    struct stat st;
    if (file->fd >= 0)
        return file->fd;
    int fd = open(file->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_dev != file->device || st.st_ino != file->inode)) {
        close(fd); /* replaced since the look: the next poll sees it */
        fd = -1;
        errno = ESTALE;
    }
    if (fd < 0) {
        if (!file->is_told && errno != ESTALE && errno != ENOENT)
            log_write(LOG_LEVEL_WARNING, "intake", "file '%s': %s; tried again", file->path,
                      strerror(errno));
        file->is_told = errno != ESTALE && errno != ENOENT;
        return -1;
    }
    file->is_told = false;
    file->fd = fd;
    f->held++;
    return fd;
}

/* Promise 2. @return whether it is known who it is. */
static bool identify(struct foreign *f, struct foreign_file *file)
{
    char text[64 + FIRST_MAX];
    size_t got = 0;
    int head = snprintf(text, 64, "file:%llu:", (unsigned long long)file->inode);
    if (ol__fs_read_at(&ol__fs_real, file->fd, text + head, FIRST_MAX, 0, &got, NULL) != OL_OK)
        return false;
    const char *newline = memchr(text + head, '\n', got);
    if (newline == NULL && got < FIRST_MAX && !(file->is_settled && got > 0))
        return false; /* its first line grows yet */
    size_t size = newline != NULL ? (size_t)(newline - text) : (size_t)head + got;
    struct ol__uuid key =
        ol__uuid_v5(spool_uuid(f->agent->spool), (struct ol__span){.data = text, .size = size});
    bool is_same = file->has_key && memcmp(key.bytes, file->key.bytes, sizeof key.bytes) == 0;
    if (is_same && file->taken <= file->size)
        return true;
    if (file->has_key && !is_same)
        OL_IGNORE(spool_group_forget(f->agent->spool, &file->key) != OL_OK, "until a start");
    if (is_same || spool_position(f->agent->spool, &key, &file->synced) != OL_OK ||
        file->synced > file->size)
        file->synced = 0; /* new, or cut back: from its beginning */
    file->taken = file->synced;
    file->key = key;
    file->has_key = true;
    file->is_skipping = false;
    return true;
}

static void park(struct foreign *f, const struct foreign_file *file, const char *reason)
{
    metric_add(&f->agent->metrics->intake.foreign_parked_lines, 1);
    log_write(LOG_LEVEL_WARNING, "intake", "file '%s' offset %llu: line passed over: %s",
              file->path, (unsigned long long)file->taken, reason);
}

/* @return OL_OK: passed; else as intake_take(). */
static ol_status take_line(struct foreign *f, struct foreign_file *file, struct ol__span line,
                           uint64_t end, uint64_t *owner, struct ol_error *err)
{
    struct ol_error why = {.status = OL_OK};
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    if (line.size == 0)
        return OL_OK;
    struct spool_record record = {
        .source = SPOOL_FROM_FILE, .source_position = end, .uid = file->uid, .data = line};
    memcpy(record.source_id, file->key.bytes, sizeof record.source_id);
    *owner = open_runs_owner(&file->key);
    ol_status st = intake_take(f->taker, &record, NULL, &why);
    *owner = 0;
    if (st == OL_INVALID || st == OL_TOO_LARGE) {
        park(f, file, why.message);
    } else if (st == OL_OK) {
        file->is_in_group = f->has_group = true;
        metric_add(&f->agent->metrics->intake.foreign_events, 1);
    } else if (st != OL_END) { /* that one a rule dropped */
        if (err != NULL)
            *err = why;
        return st;
    }
    return OL_OK;
}

static ol_status take_lines(struct foreign *f, struct foreign_file *file, uint64_t *owner,
                            struct ol_error *err)
{
    size_t at = 0;
    const char *newline;
    ol_status st = OL_OK;
    while (st == OL_OK &&
           (newline = memchr(f->lines.data + at, '\n', f->lines.size - at)) != NULL) {
        struct ol__span line = {.data = f->lines.data + at,
                                .size = (size_t)(newline - f->lines.data) - at};
        uint64_t end = file->taken + line.size + 1;
        if (!file->is_skipping)
            st = take_line(f, file, line, end, owner, err);
        if (st != OL_OK)
            break;
        file->is_skipping = false;
        file->taken = end;
        at += line.size + 1;
    }
    ol__buf_consume(&f->lines, at);
    if (st == OL_OK && f->lines.size >= LINE_MAX_BYTES) {
        if (!file->is_skipping)
            park(f, file, "longer than 16 MiB");
        file->is_skipping = true;
        file->taken += f->lines.size;
        ol__buf_reset(&f->lines);
    }
    return st;
}

/* F3: one event a file, without newline behind it: whole once it is an event and nothing moves. */
static ol_status take_rest(struct foreign *f, struct foreign_file *file, uint64_t *owner,
                           struct ol_error *err)
{
    struct ol__span line = {.data = f->lines.data, .size = f->lines.size};
    if (line.size == 0 || file->is_skipping || !file->is_settled ||
        intake_check(f->taker, line, NULL, NULL) != OL_OK)
        return OL_OK;
    ol_status st = take_line(f, file, line, file->taken + line.size, owner, err);
    if (st == OL_OK)
        file->taken += line.size;
    return st;
}

/* @return OL_OK: at its end; OL_AGAIN; else as intake_take(). */
static ol_status take_file(struct foreign *f, struct foreign_file *file, uint64_t *owner,
                           struct ol_error *err)
{
    uint64_t begin;
    size_t got = READ_SIZE;
    if (hold(f, file) < 0 || !identify(f, file))
        return OL_OK;
    begin = file->taken;
    ol__buf_reset(&f->lines);
    while (got == READ_SIZE) {
        char *room = ol__buf_room(&f->lines, READ_SIZE);
        if (room == NULL)
            return ol__error_set(err, OL_NOMEM, "file '%s': out of memory", file->path);
        if (ol__fs_read_at(&ol__fs_real, file->fd, room, READ_SIZE,
                           (off_t)(file->taken + f->lines.size), &got, NULL) != OL_OK)
            return OL_OK; /* at its next change */
        ol__buf_grow(&f->lines, got);
        ol_status st = take_lines(f, file, owner, err);
        if (st != OL_OK)
            return st;
        if (got == READ_SIZE && file->taken - begin >= TURN_BYTES && f->lines.size < READ_SIZE)
            return OL_AGAIN;
    }
    return take_rest(f, file, owner, err);
}

/* ---- All of them ---- */

ol_status foreign_run(struct foreign *foreign, uint64_t *owner, struct ol_error *err)
{
    struct foreign *f = foreign;
    int64_t now = ol__time_monotonic_ms();
    if (f->agent->config->files_paths.count == 0)
        return OL_OK;
    if (now >= f->poll_due && !f->has_group) { /* what was taken is settled first */
        list(f, now);
        f->poll_due = now + f->agent->config->files_poll_ms;
    }
    size_t turns = f->has_dirty ? f->count : 0, bytes = 0;
    bool is_left = false;
    for (size_t n = 0; n < turns; n++) {
        struct foreign_file *file = f->files[(f->next + n) % f->count];
        uint64_t before = file->taken;
        if (!file->is_dirty)
            continue;
        if (bytes >= TURN_BYTES) {
            f->next = (f->next + n) % f->count;
            is_left = true;
            break;
        }
        ol_status st = take_file(f, file, owner, err);
        bytes += file->taken > before ? (size_t)(file->taken - before) : 0;
        if (f->held > HELD_MAX)
            let_go(f, file);
        if (!file->is_in_group)
            file->synced = file->taken;
        if (st < 0)
            return st;
        file->is_dirty = st == OL_AGAIN;
        is_left |= st == OL_AGAIN;
    }
    if (f->lines.cap > TURN_BYTES)
        ol__buf_release(&f->lines);
    f->has_dirty = is_left;
    metric_set(&f->agent->metrics->intake.foreign_files, f->count);
    return is_left ? OL_AGAIN : OL_OK;
}

void foreign_committed(struct foreign *foreign)
{
    for (size_t i = 0; foreign->has_group && i < foreign->count; i++) {
        foreign->files[i]->synced = foreign->files[i]->taken;
        foreign->files[i]->is_in_group = false;
    }
    foreign->has_group = false;
}

void foreign_rolled_back(struct foreign *foreign)
{
    for (size_t i = 0; foreign->has_group && i < foreign->count; i++) {
        struct foreign_file *file = foreign->files[i];
        if (!file->is_in_group)
            continue;
        file->taken = file->synced;
        file->is_in_group = file->is_skipping = false;
        file->is_dirty = foreign->has_dirty = true;
    }
    foreign->has_group = false;
}

bool foreign_each_key(const struct foreign *foreign,
                      void (*each)(void *arg, const struct ol__uuid *key), void *arg)
{
    if (foreign->agent->config->files_paths.count == 0)
        return true;
    if (!foreign->is_listed || foreign->has_dirty)
        return false;
    for (size_t i = 0; i < foreign->count; i++) {
        const struct foreign_file *file = foreign->files[i];
        if (file->has_key)
            each(arg, &file->key);
        else if (file->size > 0 && !file->is_told)
            return false; /* its first line may yet grow; one that cannot be read is not waited for
                           */
    }
    return true;
}
