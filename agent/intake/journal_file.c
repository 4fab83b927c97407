/* SPDX-License-Identifier: Apache-2.0 */
/* One journal: who wrote it, how far it was taken, where it ends. Rules: spec/JOURNAL.md.
 *
 *  1. A line is taken only with its newline (J5); what is behind the last newline waits, or is torn once
 *     the writer is gone (J9).
 *  2. The lock is probed before the file is read to its end, never after: what a writer added before it
 *     went is then always seen (J10).
 *  3. A line that is no event is counted and passed; the file is then kept in done/ (J8).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "journal_impl.h"
#include "times.h"

#define READ_SIZE (256u * 1024u)

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

struct header {
    int64_t format;
    bool is_control; /* its first key begins with ol_journal */
    char boot[OL_UUID_TEXT + 1], host[256];
};

static void copy_text(struct ol__span text, char *out, size_t size)
{
    size_t n = OL_MIN(text.size, size - 1);
    memcpy(out, text.data, n);
    out[n] = '\0';
}

static ol_status header_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct header *h = arg;
    (void)err;
    if (value->depth != 1 || value->path[0].is_index)
        return OL_OK;
    struct ol__span key = value->path[0].key;
    if (value->type == OL_JSON_NUMBER && ol__span_equal(key, OL_SPAN_LIT("ol_journal"))) {
        h->is_control = true;
        h->format = value->text.size == 1 ? value->text.data[0] - '0' : INT64_MAX;
    } else if (value->type == OL_JSON_STRING && ol__span_equal(key, OL_SPAN_LIT("boot")))
        copy_text(value->text, h->boot, sizeof h->boot);
    else if (value->type == OL_JSON_STRING && ol__span_equal(key, OL_SPAN_LIT("host")))
        copy_text(value->text, h->host, sizeof h->host);
    return OL_OK;
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
    file->taken = file->synced;
    file->is_opened = true;
}

static void leave(struct journal_dir *dir, struct journal_file *file, const char *why)
{
    file->is_left = true;
    log_write(LOG_LEVEL_WARNING, "intake", "journal '%s/%s' is left alone: %s", dir->path, file->name,
              why);
}

/** @return OL_OK: read, or there is none and the writer is gone; OL_AGAIN: not there yet. */
static ol_status read_header(struct journal_intake *ji, struct journal_dir *dir,
                             struct journal_file *file, int fd, bool is_free, struct ol_error *err)
{
    char text[JOURNAL_HEADER_MAX];
    size_t size;
    struct header h = {.format = 0};
    static const struct ol__json_limits limits = {.size_max = JOURNAL_HEADER_MAX, .depth_max = 4};
    ol_status st = ol__fs_read_at(&ol__fs_real, fd, text, sizeof text, 0, &size, err);
    if (st != OL_OK)
        return st;
    const char *end = memchr(text, '\n', size);
    if (end == NULL && size < sizeof text && !is_free)
        return OL_AGAIN;
    if (end == NULL)
        return OL_OK; /* no header: the lines below say what to make of the bytes */
    struct ol__span line = {.data = text, .size = (size_t)(end - text)};
    st = ol__json_read(ji->reader, line, &limits, header_value, &h, NULL);
    if (st == OL_NOMEM)
        return ol__error_set(err, OL_NOMEM, "journal '%s': out of memory", file->name);
    if (st == OL_OK && h.is_control && h.format > 1) {
        leave(dir, file, "written in a newer format");
        return OL_OK;
    }
    if (st == OL_OK && h.is_control) {
        file->is_local = strcmp(h.boot, ji->boot) == 0 && strcmp(h.host, ji->host) == 0;
        file->taken = OL_MAX(file->taken, line.size + 1);
    }
    file->has_header = true; /* or a line that will be parked like any other */
    return OL_OK;
}

static bool begins_with(struct ol__span line, struct ol__span what)
{
    return line.size >= what.size && memcmp(line.data, what.data, what.size) == 0;
}

static void park(struct journal_intake *ji, struct journal_dir *dir, struct journal_file *file,
                 const char *reason)
{
    if (file->parked++ == 0)
        log_write(LOG_LEVEL_WARNING, "intake", "journal '%s/%s' offset %llu: line parked: %s",
                  dir->path, file->name, (unsigned long long)file->taken, reason);
    metric_add(&ji->agent->metrics->intake.journal_parked_lines, 1);
}

/** One line without its newline; @p end is the offset behind it. @return OL_OK: passed; else not. */
static ol_status take_line(struct journal_intake *ji, struct journal_dir *dir,
                           struct journal_file *file, struct ol__span line, uint64_t end,
                           struct ol_error *err)
{
    if (begins_with(line, OL_SPAN_LIT("{\"ol_journal"))) {
        file->has_end = begins_with(line, OL_SPAN_LIT("{\"ol_journal_end\""));
        return OL_OK;
    }
    if (line.size == 0)
        return OL_OK;
    struct spool_record record = {.source = SPOOL_FROM_JOURNAL,
                                  .source_position = end,
                                  .uid = file->uid,
                                  .data = line};
    memcpy(record.source_id, file->key.bytes, sizeof record.source_id);
    struct ol_error why;
    ol_status st = intake_take(ji->taker, &record, NULL, &why);
    if (st == OL_INVALID || st == OL_TOO_LARGE) {
        park(ji, dir, file, why.message);
    } else if (st != OL_OK) {
        if (err != NULL)
            *err = why;
        return st;
    } else {
        metric_add(&ji->agent->metrics->intake.journal_events, 1);
        metric_add(&ji->agent->metrics->intake.journal_bytes, line.size + 1);
    }
    file->has_end = false;
    return OL_OK;
}

/** Take the whole lines in the buffer, which starts at file->taken. */
static ol_status take_lines(struct journal_intake *ji, struct journal_dir *dir,
                            struct journal_file *file, struct ol_error *err)
{
    size_t at = 0;
    while (at < ji->lines.size) {
        const char *begin = ji->lines.data + at;
        const char *newline = memchr(begin, '\n', ji->lines.size - at);
        if (newline == NULL)
            break;
        struct ol__span line = {.data = begin, .size = (size_t)(newline - begin)};
        uint64_t end = file->taken + line.size + 1;
        if (file->is_skipping) {
            file->is_skipping = false; /* the rest of the long line, counted at its start */
        } else {
            ol_status st = take_line(ji, dir, file, line, end, err);
            if (st != OL_OK)
                return st; /* the caller reads anew from file->taken */
        }
        file->taken = end;
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
    }
    return OL_OK;
}

/** Read on from file->taken. @return OL_OK at the end of the file, OL_AGAIN after a turn, or why not. */
static ol_status take_turn(struct journal_intake *ji, struct journal_dir *dir,
                           struct journal_file *file, int fd, struct ol_error *err)
{
    uint64_t begin = file->taken;
    ol__buf_reset(&ji->lines);
    for (;;) {
        size_t got;
        char *room = ol__buf_room(&ji->lines, READ_SIZE);
        if (room == NULL)
            return ol__error_set(err, OL_NOMEM, "journal '%s': out of memory", file->name);
        ol_status st = ol__fs_read_at(&ol__fs_real, fd, room, READ_SIZE,
                                      (off_t)(file->taken + ji->lines.size), &got, err);
        if (st != OL_OK)
            return st;
        ol__buf_grow(&ji->lines, got);
        st = take_lines(ji, dir, file, err);
        if (st != OL_OK)
            return st;
        if (got < READ_SIZE)
            return OL_OK;
        if (file->taken - begin >= JOURNAL_TURN && ji->lines.size < READ_SIZE)
            return OL_AGAIN;
    }
}

/** At the end of the file: has the writer ended (J10), or is nobody to say so (J12)? */
static void judge_end(struct journal_intake *ji, struct journal_dir *dir, struct journal_file *file,
                      bool is_free)
{
    size_t rest = ji->lines.size;
    bool is_old = ol__time_now_ms() - file->changed_ms >= ji->orphan_after_ms;
    if (file->has_end && rest == 0)
        file->is_ended = true;
    else if (is_free && file->is_local) {
        if (rest > 0)
            park(ji, dir, file, "torn: no newline, and its writer is gone");
        file->is_ended = true;
    } else if (is_free && is_old)
        file->is_orphan = true;
}

ol_status journal_file_take(struct journal_intake *ji, struct journal_dir *dir,
                            struct journal_file *file, size_t *ret_bytes, struct ol_error *err)
{
    struct stat st;
    ol_status result = OL_OK;
    uint64_t begin;
    *ret_bytes = 0;
    int fd = openat(dir->fd, file->name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT) {
            dir->must_scan = true; /* somebody took it away; the scan drops it */
            return OL_OK;
        }
        if (errno == ELOOP || errno == EACCES || errno == ENXIO) {
            leave(dir, file, strerror(errno));
            return OL_OK;
        }
        return ol__error_set_errno(err, errno, "journal '%s/%s': open", dir->path, file->name);
    }
    if (fstat(fd, &st) < 0) {
        result = ol__error_set_errno(err, errno, "journal '%s/%s': stat", dir->path, file->name);
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1) { /* J20 */
        leave(dir, file, S_ISREG(st.st_mode) ? "it has other links" : "no regular file");
        goto out;
    }
    if (!file->is_opened)
        identify(ji, file, &st);
    bool is_free = flock(fd, LOCK_SH | LOCK_NB) == 0; /* promise 2 */
    if (is_free)
        OL_IGNORE(flock(fd, LOCK_UN) < 0, "closing unlocks as well");
    begin = file->taken;
    if (!file->has_header) {
        result = read_header(ji, dir, file, fd, is_free, err);
        if (result != OL_OK || file->is_left) {
            result = result == OL_AGAIN ? OL_OK : result;
            goto out;
        }
        begin = file->taken;
    }
    if (file->taken > (uint64_t)st.st_size) /* J17: it was consumed; power loss cut it back */
        file->taken = (uint64_t)st.st_size;
    begin = OL_MIN(begin, file->taken);
    result = take_turn(ji, dir, file, fd, err);
    *ret_bytes = (size_t)(file->taken - begin);
    file->size = (uint64_t)st.st_size;
    file->changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    if (result == OL_OK)
        judge_end(ji, dir, file, is_free);
out:
    close(fd);
    return result;
}
