/* SPDX-License-Identifier: Apache-2.0 */
/* One journal: who wrote it, how far it was taken, where it ends. Rules: spec/JOURNAL.md.
 *
 *  1. A line is taken only with its newline (J5), a run note only with the line behind it (J6);
 * what is behind the last newline waits, or is torn once the writer is gone (J9).
 *  2. The lock is probed before the file is read to its end, never after: what a writer added
 * before it went is then always seen (J10).
 *  3. A line that is no event is counted and passed; the file is then kept in done/ (J8).
 *  4. No line of a later part of a chain is taken before every line of the earlier ones (J19).
 *  5. Trouble with the file itself is logged once and tried again later; it stops nobody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "journal_impl.h"
#include "times.h"

#define READ_SIZE (256u * 1024u)

/* ---- Who it is ---- */

bool journal_name_is_valid(const char *name, struct ol__uuid *ret_id)
{
    if (strlen(name) != JOURNAL_NAME_SIZE || strcmp(name + 21 + OL_UUID_TEXT, ".jsonl") != 0 ||
        name[20] != '-')
        return false;
    for (int i = 0; i < 20; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
    }
    return ol__uuid_parse((struct ol__span){.data = name + 21, .size = OL_UUID_TEXT}, ret_id);
}

static void remember(struct journal_file *file, const struct stat *st)
{
    file->device = st->st_dev;
    file->inode = st->st_ino;
    file->size = (uint64_t)st->st_size;
    file->changed = st->st_ctim;
    file->modified = st->st_mtim;
}

/** First look at a file: its owner, and with it the key of its position (J17). */
static void identify(struct journal_intake *ji, struct journal_file *file, const struct stat *st)
{
    struct ol__uuid id;
    char owner[32];
    bool is_name = journal_name_is_valid(file->name, &id);
    assert(is_name); /* the directory lists no other */
    (void)is_name;
    file->uid = (uint32_t)st->st_uid;
    snprintf(owner, sizeof owner, "uid:%u", (unsigned)st->st_uid);
    file->key = ol__uuid_v5(&id, ol__span_text(owner));
    if (spool_position(ji->agent->spool, &file->key, &file->synced) != OL_OK)
        file->synced = 0;
    file->taken = file->resumed = file->synced;
    file->rechecked = 0;
    file->is_opened = true;
    file->has_header = file->is_local = file->has_end = file->is_skipping = false;
    file->is_in_order = file->is_rotated = file->may_infer = file->has_detached = false;
    file->part = 0;
    file->parked = 0;
    file->end_look = 0;
    file->aborted = file->aborted_synced = 0;
    journal_abort_release(ji, file);
}

void journal_file_leave(struct journal_dir *dir, struct journal_file *file, const char *why)
{
    file->is_left = true;
    if (!file->is_told)
        log_write(LOG_LEVEL_WARNING, "intake", "journal '%s/%s' is left alone: %s", dir->path,
                  file->name, why);
    file->is_told = true;
}

static void note_failure(const struct journal_dir *dir, struct journal_file *file, const char *what)
{
    if (!file->is_failing)
        log_write(LOG_LEVEL_ERROR, "intake", "journal '%s/%s': %s; tried again", dir->path,
                  file->name, what);
    file->is_failing = true;
}

/** @return OL_OK; OL_END: the file cannot be read now, and that was seen to; OL_NOMEM: nothing can
 * be opened now. */
static ol_status open_file(struct journal_intake *ji, struct journal_dir *dir,
                           struct journal_file *file, int *ret, struct ol_error *err)
{
    struct stat st;
    int fd = openat(dir->fd, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int reason = errno;
    if (fd >= 0) {
        *ret = fd;
        return OL_OK;
    }
    if (reason == EMFILE || reason == ENFILE || reason == ENOMEM)
        return ol__error_set(err, OL_NOMEM, "journal '%s/%s': open: %s", dir->path, file->name,
                             strerror(reason));
    if (reason == ENOENT) {
        dir->must_scan = true; /* somebody took it away; the scan drops it */
    } else if (reason == ELOOP || reason == EACCES || reason == EPERM || reason == ENXIO) {
        if (fstatat(dir->fd, file->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            if (!file->is_opened) /* its position must not pass for one without a file */
                identify(ji, file, &st);
            remember(file, &st);
        }
        journal_file_leave(dir, file, strerror(reason));
    } else {
        note_failure(dir, file, strerror(reason));
    }
    return OL_END;
}

ol_status journal_file_read(const struct journal_dir *dir, struct journal_file *file, int fd,
                            char *out, size_t size, uint64_t offset, size_t *ret_size)
{
    struct ol_error why = {.status = OL_OK};
    if (ol__fs_read_at(&ol__fs_real, fd, out, size, (off_t)offset, ret_size, &why) == OL_OK)
        return OL_OK;
    note_failure(dir, file, why.message);
    return OL_END;
}

/* ---- Order ---- */

/** Promise 4. @return whether all that this part follows has been taken. */
static bool may_follow(struct journal_dir *dir, struct journal_file *file)
{
    if (file->part <= 1 || file->is_in_order)
        return true;
    if (dir->scans <= file->listed_scan) { /* the one before may have been missed so far */
        dir->must_scan = true;
        return false;
    }
    for (size_t i = journal_dir_index(dir, file->name); i-- > 0;) {
        struct journal_file *before = dir->files[i];
        if (!before->is_looked_at) {
            journal_dir_mark(dir, before);
            return false;
        }
        if (before->part == 0 || before->part >= file->part || before->uid != file->uid ||
            memcmp(before->chain.bytes, file->chain.bytes, sizeof file->chain.bytes) != 0)
            continue;
        if (before->is_left || before->is_failing)
            continue; /* nobody waits for it, but what stands before it may yet have lines */
        /* Its events were all written before we saw this name: read to its end since then, it has
         * none left. It was not read before its own turn, so neither have those before it. */
        if (before->is_ended || before->is_orphan || before->end_look > file->listed_look)
            break;
        journal_dir_mark(dir, before);
        return false;
    }
    file->is_in_order = true;
    return true;
}

/* ---- Lines ---- */

static void park(struct journal_intake *ji, struct journal_dir *dir, struct journal_file *file,
                 const char *reason)
{
    if (file->parked++ == 0)
        log_write(LOG_LEVEL_WARNING, "intake", "journal '%s/%s' offset %llu: line parked: %s",
                  dir->path, file->name, (unsigned long long)file->taken, reason);
    metric_add(&ji->agent->metrics->intake.journal_parked_lines, 1);
}

/** One line without its newline; @p end is the offset behind it. @return OL_OK: passed; else not.
 */
static ol_status take_line(struct journal_intake *ji, struct journal_dir *dir,
                           struct journal_file *file, struct ol__span line, uint64_t end,
                           struct ol_error *err)
{
    if (line.size == 0)
        return OL_OK;
    if (journal_begins_with(line, OL_SPAN_LIT("{\"ol_journal"))) {
        file->has_end = journal_begins_with(line, OL_SPAN_LIT("{\"ol_journal_end\""));
        file->is_rotated =
            journal_begins_with(line, OL_SPAN_LIT("{\"ol_journal_end\":\"rotated\""));
        if (journal_begins_with(line, OL_SPAN_LIT("{\"ol_journal_run\"")))
            journal_abort_run_note(ji, file, line);
        return OL_OK;
    }
    struct spool_record record = {.source = SPOOL_FROM_JOURNAL,
                                  .source_position = end,
                                  .uid = listen_known_uid(file->uid),
                                  .data = line};
    memcpy(record.source_id, file->key.bytes, sizeof record.source_id);
    struct ol_error why = {.status = OL_OK};
    const struct ol__event *event;
    ji->owner = open_runs_owner(file->open != NULL ? &file->open->key : &file->key);
    ol_status st = intake_take(ji->taker, &record, &event, &why);
    ji->owner = 0;
    if (st == OL_INVALID || st == OL_TOO_LARGE) {
        park(ji, dir, file, why.message);
    } else if (st == OL_END) { /* dropped by a rule: makes no record */
        if (file->open != NULL && intake_check(ji->taker, line, &event, NULL) == OL_OK &&
            event->type != OL_TYPE_START) /* yet it may say that a run is over */
            journal_abort_line(ji, file, event, end - line.size - 1, line.size);
        metric_add(&ji->agent->metrics->intake.journal_bytes, line.size + 1);
    } else if (st != OL_OK) {
        if (err != NULL)
            *err = why;
        return st;
    } else {
        file->is_in_group = true;
        dir->has_group = true;
        journal_abort_line(ji, file, event, end - line.size - 1, line.size);
        metric_add(&ji->agent->metrics->intake.journal_events, 1);
        metric_add(&ji->agent->metrics->intake.journal_bytes, line.size + 1);
    }
    file->has_end = file->is_rotated = false;
    return OL_OK;
}

/** Promise 1: a writer that cannot write the whole of note and event cuts both off again. Together
 * they are no longer than a line may be. */
static bool is_note_alone(const char *begin, const char *newline, const char *end)
{
    struct ol__span line = {.data = begin, .size = (size_t)(newline - begin)};
    return journal_begins_with(line, OL_SPAN_LIT("{\"ol_journal_run\"")) &&
           (size_t)(end - begin) < JOURNAL_LINE_MAX &&
           memchr(newline + 1, '\n', (size_t)(end - newline - 1)) == NULL;
}

/** Take the whole lines in the buffer, which starts at file->taken. @p searched: so many bytes at
 * its front hold no newline, before and after. */
static ol_status take_lines(struct journal_intake *ji, struct journal_dir *dir,
                            struct journal_file *file, size_t *searched, struct ol_error *err)
{
    size_t at = 0, skip = *searched;
    *searched = 0;
    while (at < ji->lines.size) {
        const char *begin = ji->lines.data + at, *end = ji->lines.data + ji->lines.size;
        const char *newline = memchr(begin + skip, '\n', (size_t)(end - begin) - skip);
        skip = 0;
        if (newline == NULL)
            *searched = (size_t)(end - begin);
        if (newline == NULL || is_note_alone(begin, newline, end))
            break;
        struct ol__span line = {.data = begin, .size = (size_t)(newline - begin)};
        uint64_t line_end = file->taken + line.size + 1;
        if (file->is_skipping) {
            file->is_skipping = false; /* the rest of the long line, counted at its start */
        } else {
            ol_status st = take_line(ji, dir, file, line, line_end, err);
            if (st != OL_OK)
                return st; /* the caller reads anew from file->taken */
        }
        file->taken = line_end;
        at += line.size + 1;
    }
    ol__buf_consume(&ji->lines, at);
    if (ji->lines.size >= JOURNAL_LINE_MAX || (file->is_skipping && ji->lines.size > 0)) {
        if (!file->is_skipping)
            park(ji, dir, file, "longer than 16 MiB");
        file->is_skipping = true;
        file->has_end = false;
        file->taken += ji->lines.size;
        ol__buf_reset(&ji->lines);
        *searched = 0;
    }
    return OL_OK;
}

/** Read on from file->taken. @return OL_OK at the end of the file, OL_AGAIN after a turn, or why
 * not. */
static ol_status take_turn(struct journal_intake *ji, struct journal_dir *dir,
                           struct journal_file *file, int fd, struct ol_error *err)
{
    uint64_t begin = file->taken;
    size_t searched = 0;
    ol__buf_reset(&ji->lines);
    for (;;) {
        size_t got;
        char *room = ol__buf_room(&ji->lines, READ_SIZE);
        if (room == NULL)
            return ol__error_set(err, OL_NOMEM, "journal '%s': out of memory", file->name);
        ol_status st =
            journal_file_read(dir, file, fd, room, READ_SIZE, file->taken + ji->lines.size, &got);
        if (st != OL_OK)
            return st;
        ol__buf_grow(&ji->lines, got);
        st = take_lines(ji, dir, file, &searched, err);
        if (st != OL_OK)
            return st;
        if (got < READ_SIZE)
            return OL_OK;
        if (file->taken - begin >= JOURNAL_TURN && ji->lines.size < READ_SIZE)
            return OL_AGAIN;
    }
}

/* ---- The end ---- */

/** One line that was taken before this start. @return OL_OK, OL_NOMEM. */
static ol_status recheck_line(struct journal_intake *ji, struct journal_dir *dir,
                              struct journal_file *file, struct ol__span line, uint64_t offset,
                              struct ol_error *err)
{
    struct ol_error why = {.status = OL_OK};
    const struct ol__event *event;
    if (line.size == 0)
        return OL_OK;
    if (journal_begins_with(line, OL_SPAN_LIT("{\"ol_journal"))) {
        if (journal_begins_with(line, OL_SPAN_LIT("{\"ol_journal_run\"")))
            journal_abort_run_note(ji, file, line);
        return OL_OK;
    }
    ol_status st = intake_check(ji->taker, line, &event, &why);
    if (st == OL_NOMEM)
        return ol__error_set(err, OL_NOMEM, "journal '%s': out of memory", file->name);
    if (st == OL_OK)
        journal_abort_line(ji, file, event, offset, line.size);
    else if (file->parked == 0)
        park(ji, dir, file, why.message);
    return OL_OK;
}

/** Promise 3 over a start: were lines parked before the position that we began with? And which runs
 * are open (J22)? Looks through at most JOURNAL_TURN bytes. @return OL_OK: it is known; OL_AGAIN:
 * not yet; OL_END: as open_file(); OL_NOMEM. */
static ol_status recheck(struct journal_intake *ji, struct journal_dir *dir,
                         struct journal_file *file, int fd, size_t *bytes, struct ol_error *err)
{
    uint64_t end = OL_MIN(file->resumed, file->taken), begin = file->rechecked;
    size_t got = 1;
    ol__buf_reset(&ji->lines);
    while ((file->parked == 0 || file->open != NULL) && file->rechecked < end && got > 0) {
        uint64_t offset = file->rechecked + ji->lines.size;
        size_t size = (size_t)OL_MIN((uint64_t)READ_SIZE, end - offset);
        char *room = ol__buf_room(&ji->lines, size);
        if (room == NULL)
            return ol__error_set(err, OL_NOMEM, "journal '%s': out of memory", file->name);
        ol_status st = journal_file_read(dir, file, fd, room, size, offset, &got);
        if (st != OL_OK)
            return st;
        ol__buf_grow(&ji->lines, got);
        size_t at = 0;
        for (const char *newline;
             (newline = memchr(ji->lines.data + at, '\n', ji->lines.size - at)) != NULL;) {
            struct ol__span line = {.data = ji->lines.data + at,
                                    .size = (size_t)(newline - ji->lines.data) - at};
            st = recheck_line(ji, dir, file, line, file->rechecked + at, err);
            if (st != OL_OK)
                return st;
            at += line.size + 1;
        }
        ol__buf_consume(&ji->lines, at);
        file->rechecked += at;
        if (ji->lines.size >= JOURNAL_LINE_MAX || (got < size && ji->lines.size > 0))
            park(ji, dir, file, "longer than 16 MiB");
        if (file->rechecked - begin >= JOURNAL_TURN)
            break;
    }
    *bytes += (size_t)(file->rechecked - begin);
    return (file->parked == 0 || file->open != NULL) && file->rechecked < end && got > 0 ? OL_AGAIN
                                                                                         : OL_OK;
}

/** At the end of the file: has the writer ended (J10), or is nobody to say so (J12)? @return OL_OK,
 * or what recheck() returned: judged later. */
static ol_status judge_end(struct journal_intake *ji, struct journal_dir *dir,
                           struct journal_file *file, int fd, bool is_free, size_t *bytes,
                           struct ol_error *err)
{
    size_t rest = ji->lines.size;
    int64_t changed_ms = (int64_t)file->modified.tv_sec * 1000 + file->modified.tv_nsec / 1000000;
    bool is_closed = file->has_end && rest == 0;
    bool is_dead = is_free && file->is_local;
    if (is_closed || is_dead) {
        ol_status st = recheck(ji, dir, file, fd, bytes, err);
        if (st != OL_OK)
            return st;
        bool is_over = true;
        if (!is_closed)
            st = journal_abort_judge(ji, dir, file, fd, bytes, &is_over, err);
        if (st != OL_OK || !is_over)
            return st;
        if (!is_closed && rest > 0)
            park(ji, dir, file, "torn: no newline, and its writer is gone");
        file->is_ended = true;
    } else if (is_free && journal_is_past(ji, changed_ms, ji->orphan_after_ms))
        file->is_orphan = true;
    dir->has_ended |= file->is_ended || file->is_orphan;
    return OL_OK;
}

/* ---- One look ---- */

/** What may be read, by whom it is and how it stands. @return OL_OK; OL_END: not now; OL_AGAIN:
 * after the commit. */
static ol_status check_file(struct journal_intake *ji, struct journal_dir *dir,
                            struct journal_file *file, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        note_failure(dir, file, strerror(errno));
        return OL_END;
    }
    if (file->is_opened && (st.st_ino != file->inode || st.st_dev != file->device)) {
        if (file->is_in_group)
            return OL_AGAIN; /* what was taken from the one before is settled first */
        file->is_opened = false;
    }
    if (!file->is_opened)
        identify(ji, file, &st);
    remember(file, &st);
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1) { /* J20 */
        journal_file_leave(dir, file,
                           S_ISREG(st.st_mode) ? "it has other links" : "no regular file");
        return OL_END;
    }
    if (file->taken > (uint64_t)st.st_size) /* J17: it was consumed; power loss cut it back */
        file->taken = (uint64_t)st.st_size;
    return OL_OK;
}

static ol_status take_open_file(struct journal_intake *ji, struct journal_dir *dir,
                                struct journal_file *file, int fd, size_t *bytes,
                                struct ol_error *err)
{
    uint64_t look = ++ji->looks;
    ol_status st = check_file(ji, dir, file, fd);
    if (st != OL_OK)
        return st;
    bool is_free = flock(fd, LOCK_SH | LOCK_NB) == 0; /* promise 2 */
    if (is_free)
        OL_IGNORE(flock(fd, LOCK_UN) < 0, "closing unlocks as well");
    st = OL_OK;
    if (!file->has_header)
        st = journal_header_read(ji, dir, file, fd, is_free, err);
    file->is_looked_at = true;
    if (st != OL_OK || file->is_left)
        return st == OL_AGAIN ? OL_END : st;
    if (!may_follow(dir, file))
        return dir->is_failing ? OL_END
                               : OL_AGAIN; /* a directory that cannot be listed now: later */
    st = journal_abort_attach(ji, dir, file, err);
    if (st == OL_OK && file->open != NULL)
        st = recheck(ji, dir, file, fd, bytes, err);
    if (st != OL_OK)
        return st;
    st = take_turn(ji, dir, file, fd, err);
    if (st == OL_OK) {
        file->end_look = look;
        file->is_failing = false;
        st = judge_end(ji, dir, file, fd, is_free, bytes, err);
    }
    return st;
}

ol_status journal_file_take(struct journal_intake *ji, struct journal_dir *dir,
                            struct journal_file *file, size_t *ret_bytes, struct ol_error *err)
{
    int fd = -1;
    *ret_bytes = 0;
    ol_status st = open_file(ji, dir, file, &fd, err);
    if (st == OL_NOMEM)
        return st;
    if (st == OL_OK) {
        uint64_t begin = file->taken;
        st = take_open_file(ji, dir, file, fd, ret_bytes, err);
        *ret_bytes += file->taken > begin ? (size_t)(file->taken - begin) : 0;
        close(fd);
    }
    file->is_looked_at |= st == OL_OK || st == OL_END;
    if (!file->is_in_group)
        file->synced = file->taken; /* nothing but lines that make no record: no sync to wait for */
    return st == OL_END ? OL_OK : st;
}

void journal_file_roll_back(struct journal_file *file)
{
    file->taken = file->synced;
    file->aborted = file->aborted_synced;
    file->is_in_group = file->is_rotated = false;
    file->has_end = file->is_ended = file->is_orphan = file->is_skipping = false;
    file->end_look = 0;
}
