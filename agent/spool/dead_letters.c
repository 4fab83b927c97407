/* SPDX-License-Identifier: Apache-2.0 */
/* Promises (S20):
 *  1. dead_letters_add() answers OL_OK only when the whole line was synced (and, for a new file,
 * its name).
 *  2. A file whose write or sync failed is not appended to again: the next line goes to a new one,
 * which holds all open letters and replaces the old one by rename.
 *  3. A line counts with its newline only. A line that is no letter is kept, and passed over.
 *  4. The file never grows past max_bytes; at the limit those that ended make room first. */
#include "dead_letters.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "dead_letters_file.h"
#include "json_write.h"

#define MAX_BYTES_DEFAULT (64 * 1024 * 1024)
#define ANSWER_MAX 4096

struct dead_letters {
    const struct ol__fs *fs;
    char *route;
    char name[96];
    int dirfd;
    int fd;                        /* -1: the next line makes a new file (promise 2) */
    uint64_t size;                 /* synced bytes of the file under `name` */
    uint64_t last_line, next_line; /* while it is opened: where lines start */
    uint64_t max_bytes;
    uint64_t *open_seqs; /* owned, in the order they came; of letters that have not ended */
    size_t cap;
    _Atomic uint64_t count;
    uint64_t unreadable; /* lines that are no letters, or not any more */
    bool has_waste;      /* the file holds ended letters: writing it anew makes room */
    bool is_replacing;   /* the file on disk is to be replaced, not created */
};

/* ---- which letters are open ---- */

static ol_status reserve_seq(struct dead_letters *l, struct ol_error *err)
{
    size_t count = (size_t)atomic_load(&l->count);
    if (count < l->cap)
        return OL_OK;
    uint64_t *grown = ol__grow(l->open_seqs, &l->cap, sizeof *grown);
    if (grown == NULL)
        return ol__error_set(err, OL_NOMEM, "dead letters of '%s': out of memory", l->route);
    l->open_seqs = grown;
    return OL_OK;
}

bool dead_letters_has(const struct dead_letters *letters, uint64_t seq)
{
    uint64_t count = atomic_load(&letters->count);
    for (uint64_t i = count; i-- > 0;) /* asked for the latest, as a rule */
        if (letters->open_seqs[i] == seq)
            return true;
    return false;
}

uint64_t dead_letters_count(const struct dead_letters *letters)
{
    return atomic_load(&letters->count);
}

uint64_t dead_letters_unreadable(const struct dead_letters *letters)
{
    return letters->unreadable;
}

static void push_seq(struct dead_letters *l, uint64_t seq)
{
    uint64_t count = atomic_load(&l->count);
    l->open_seqs[count] = seq;
    atomic_store(&l->count, count + 1);
}

static void drop_seq(struct dead_letters *l, uint64_t seq)
{
    uint64_t count = atomic_load(&l->count);
    for (uint64_t i = 0; i < count; i++) {
        if (l->open_seqs[i] != seq)
            continue;
        memmove(l->open_seqs + i, l->open_seqs + i + 1,
                (size_t)(count - i - 1) * sizeof *l->open_seqs);
        atomic_store(&l->count, count - 1);
        return;
    }
}

static ol_status take_line(void *arg, struct ol__span line, const struct dead_line *what,
                           struct ol_error *err)
{
    struct dead_letters *l = arg;
    l->last_line = l->next_line;
    l->next_line += line.size;
    l->unreadable += what->kind == DEAD_LINE_OTHER;
    if (what->kind == DEAD_LINE_END) {
        drop_seq(l, what->seq);
        l->has_waste = true;
    }
    if (what->kind != DEAD_LINE_LETTER || dead_letters_has(l, what->seq))
        return OL_OK;
    ol_status status = reserve_seq(l, err);
    if (status == OL_OK)
        push_seq(l, what->seq);
    return status;
}

/* ---- opening ---- */

/* The cursor will pass an event whose letter is here, so it must be on disk: a kill may have come
 * before the sync of the last line, or that sync may have failed, and then the kernel shows what
 * the disk does not have. All lines before it were synced. */
static ol_status write_last_again(struct dead_letters *l, struct ol_error *err)
{
    if (l->size == 0)
        return OL_OK;
    size_t size = (size_t)(l->size - l->last_line), got = 0;
    char *bytes = malloc(size);
    if (bytes == NULL)
        return ol__error_set(err, OL_NOMEM, "dead letters of '%s': out of memory", l->route);
    ol_status status = ol__fs_read_at(l->fs, l->fd, bytes, size, (off_t)l->last_line, &got, err);
    if (status == OL_OK)
        status = ol__fs_write_at(l->fs, l->fd, bytes, got, (off_t)l->last_line, err);
    if (status == OL_OK && l->fs->fdatasync(l->fd) != 0)
        status = ol__error_set_errno(err, errno, "file 'dead/%s': sync", l->name);
    free(bytes);
    return status;
}

static ol_status open_file(struct dead_letters *l, struct ol_error *err)
{
    int fd = l->fs->openat(l->dirfd, l->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        return errno == ENOENT ? OL_OK
                               : ol__error_set_errno(err, errno, "file 'dead/%s': open", l->name);
    l->fd = fd;
    l->is_replacing = true;
    uint64_t whole = 0, size = 0;
    ol_status status = dead_file_read(l->fs, fd, l->route, take_line, l, &whole, &size, err);
    if (status != OL_OK)
        return status;
    if (size > whole && l->fs->ftruncate(fd, (off_t)whole) != 0) /* promise 3 */
        return ol__error_set_errno(err, errno, "file 'dead/%s': cut a torn line", l->name);
    l->size = whole;
    return write_last_again(l, err);
}

ol_status dead_letters_open(const char *spool_directory, const char *route, int64_t max_bytes,
                            const struct ol__fs *fs, struct dead_letters **ret,
                            struct ol_error *err)
{
    struct dead_letters *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ol__error_set(err, OL_NOMEM, "dead letters of '%s': out of memory", route);
    l->fs = fs != NULL ? fs : &ol__fs_real;
    l->dirfd = l->fd = -1;
    l->max_bytes = (uint64_t)(max_bytes > 0 ? max_bytes : MAX_BYTES_DEFAULT);
    int length = snprintf(l->name, sizeof l->name, "%s.jsonl", route);
    ol_status status = OL_OK;
    if (length < 0 || (size_t)length >= sizeof l->name || strchr(route, '/') != NULL)
        status = ol__error_set(err, OL_INVALID, "dead letters: no route name: '%.80s'", route);
    if (status == OL_OK && (l->route = strdup(route)) == NULL)
        status = ol__error_set(err, OL_NOMEM, "dead letters of '%s': out of memory", route);
    if (status == OL_OK)
        status = dead_directory_open(l->fs, spool_directory, true, &l->dirfd, err);
    if (status == OL_OK)
        status = open_file(l, err);
    if (status != OL_OK) {
        dead_letters_close(l);
        return status;
    }
    *ret = l;
    return OL_OK;
}

void dead_letters_close(struct dead_letters *letters)
{
    if (letters == NULL)
        return;
    if (letters->fd >= 0)
        OL_IGNORE(letters->fs->close(letters->fd), "what counts was synced");
    if (letters->dirfd >= 0)
        OL_IGNORE(letters->fs->close(letters->dirfd), "read only");
    free(letters->open_seqs);
    free(letters->route);
    free(letters);
}

/* ---- writing ---- */

static void give_up_file(struct dead_letters *l)
{
    if (l->fd >= 0)
        OL_IGNORE(l->fs->close(l->fd), "promise 2: it is given up");
    l->fd = -1;
}

struct keep {
    struct dead_letters *letters;
    struct ol__buf *out;
};

static ol_status keep_line(void *arg, struct ol__span line, const struct dead_line *what,
                           struct ol_error *err)
{
    const struct keep *keep = arg;
    bool is_over = what->kind == DEAD_LINE_END ||
                   (what->kind == DEAD_LINE_LETTER && !dead_letters_has(keep->letters, what->seq));
    if (is_over)
        return OL_OK;
    ol_status status = ol__buf_add(keep->out, line.data, line.size);
    return status == OL_OK ? OL_OK
                           : ol__error_set(err, status == OL_TOO_LARGE ? OL_FULL : status,
                                           "dead letters of '%s': more than %" PRIu64 " bytes",
                                           keep->letters->route, keep->letters->max_bytes);
}

/* Write the file anew: the letters that are open, then @p line. */
static ol_status write_anew(struct dead_letters *l, struct ol__span line, struct ol_error *err)
{
    struct ol__buf out;
    ol__buf_init(&out, (size_t)l->max_bytes);
    ol_status status = OL_OK;
    if (l->is_replacing) {
        int fd = l->fs->openat(l->dirfd, l->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
        uint64_t whole = 0, size = 0;
        struct keep keep = {.letters = l, .out = &out};
        if (fd < 0 && errno != ENOENT)
            status = ol__error_set_errno(err, errno, "file 'dead/%s': open", l->name);
        if (fd >= 0) {
            /* A line that failed may stand there whole: its letter is not in open_seqs, so it goes.
             */
            status = dead_file_read(l->fs, fd, l->route, keep_line, &keep, &whole, &size, err);
            OL_IGNORE(l->fs->close(fd), "read only");
        }
    }
    if (status == OL_OK && ol__buf_add(&out, line.data, line.size) != OL_OK)
        status = ol__error_set(err, out.status == OL_TOO_LARGE ? OL_FULL : out.status,
                               "dead letters of '%s': the limit of %" PRIu64 " bytes is reached",
                               l->route, l->max_bytes);
    if (status == OL_OK)
        status = ol__fs_replace(l->fs, l->dirfd, l->name, out.data, out.size, 0600, err);
    OL_CRASHPOINT("dead.replaced");
    if (status == OL_OK) {
        give_up_file(l);
        l->fd = l->fs->openat(l->dirfd, l->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
        l->is_replacing = true;
        l->has_waste = false;
        l->size = out.size;
    }
    ol__buf_release(&out);
    return status;
}

static ol_status append(struct dead_letters *l, struct ol__span line, struct ol_error *err)
{
    bool is_full = l->size + line.size > l->max_bytes;
    if (is_full && l->fd >= 0 && !l->has_waste)
        return ol__error_set(err, OL_FULL,
                             "dead letters of '%s': the limit of %" PRIu64 " bytes is reached",
                             l->route, l->max_bytes);
    if (l->fd < 0 || is_full)
        return write_anew(l, line, err);
    ol_status status = ol__fs_write_at(l->fs, l->fd, line.data, line.size, (off_t)l->size, err);
    OL_CRASHPOINT("dead.written");
    if (status == OL_OK && l->fs->fdatasync(l->fd) != 0)
        status = ol__error_set_errno(err, errno, "sync");
    OL_CRASHPOINT("dead.synced");
    if (status != OL_OK) {
        give_up_file(l);
        return ol__error_prefix(err, status == OL_FULL ? status : OL_IO, "file 'dead/%s'", l->name);
    }
    l->size += line.size;
    return OL_OK;
}

static void write_letter(struct ol__buf *out, const char *route, const struct dead_letter *letter)
{
    struct ol__json_writer w;
    char id[128];
    snprintf(id, sizeof id, "%s-%" PRIu64, route, letter->seq);
    struct ol__span answer = letter->answer;
    answer.size = OL_MIN(answer.size, (size_t)ANSWER_MAX);
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "id", id);
    ol__json_member_text(&w, "route", route);
    ol__json_member_uint(&w, "seq", letter->seq);
    ol__json_member_int(&w, "taken", letter->taken_ms);
    ol__json_member_int(&w, "parked", letter->parked_ms);
    ol__json_member_text(&w, "reason", letter->reason != NULL ? letter->reason : "");
    ol__json_member_int(&w, "status", letter->status);
    ol__json_member_span(&w, "answer", answer);
    ol__json_member_int(&w, "tries", letter->tries);
    ol__json_member_text(&w, "lane", letter->lane != NULL ? letter->lane : "");
    ol__json_member_uint(&w, "uid", letter->uid);
    ol__json_member_span(&w, "event", letter->event);
    ol__json_end_object(&w);
    dead_line_seal(out, 0);
}

static ol_status buffer_failed(const struct dead_letters *l, ol_status status, struct ol_error *err)
{
    if (status == OL_TOO_LARGE)
        return ol__error_set(err, OL_FULL,
                             "dead letters of '%s': one of more than %" PRIu64 " bytes", l->route,
                             l->max_bytes);
    return ol__error_set(err, status, "dead letters of '%s': out of memory", l->route);
}

ol_status dead_letters_add(struct dead_letters *letters, const struct dead_letter *letter,
                           struct ol_error *err)
{
    struct dead_letters *l = letters;
    if (dead_letters_has(l, letter->seq)) /* a kill came between letter and cursor */
        return OL_OK;
    ol_status status = reserve_seq(l, err);
    if (status != OL_OK)
        return status;
    struct ol__buf line;
    ol__buf_init(&line, (size_t)l->max_bytes);
    write_letter(&line, l->route, letter);
    if (line.status != OL_OK)
        status = buffer_failed(l, line.status, err);
    else
        status = append(l, (struct ol__span){.data = line.data, .size = line.size}, err);
    if (status == OL_OK)
        push_seq(l, letter->seq);
    ol__buf_release(&line);
    return status;
}

/* The lines that end those of @p seqs that are open. */
static size_t write_ends(const struct dead_letters *l, const uint64_t *seqs, size_t count,
                         const char *how, struct ol__buf *out)
{
    size_t ended = 0;
    for (size_t i = 0; i < count; i++) {
        struct ol__json_writer w;
        char id[128];
        if (!dead_letters_has(l, seqs[i]))
            continue;
        ended++;
        snprintf(id, sizeof id, "%s-%" PRIu64, l->route, seqs[i]);
        size_t start = out->size;
        ol__json_writer_init(&w, out);
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "done", id);
        ol__json_member_text(&w, "how", how);
        ol__json_end_object(&w);
        dead_line_seal(out, start);
    }
    return ended;
}

ol_status dead_letters_end_many(struct dead_letters *letters, const uint64_t *seqs, size_t count,
                                const char *how, size_t *ret_ended, struct ol_error *err)
{
    struct dead_letters *l = letters;
    struct ol__buf lines;
    ol__buf_init(&lines, (size_t)l->max_bytes);
    *ret_ended = write_ends(l, seqs, count, how, &lines);
    bool fits = lines.status == OL_OK && l->fd >= 0 && l->size + lines.size <= l->max_bytes;
    ol_status status = OL_OK;
    if (lines.status == OL_NOMEM) {
        status = buffer_failed(l, lines.status, err);
    } else if (*ret_ended == 0) {
        status = OL_OK;
    } else if (fits) {
        status = append(l, (struct ol__span){.data = lines.data, .size = lines.size}, err);
        for (size_t i = 0; status == OL_OK && i < count; i++)
            drop_seq(l, seqs[i]);
        l->has_waste = l->has_waste || status == OL_OK;
    } else {
        /* Written anew without the letters: their ends need no lines. */
        size_t before = (size_t)atomic_load(&l->count);
        uint64_t *kept = malloc(before * sizeof *kept);
        if (kept == NULL) {
            status = ol__error_set(err, OL_NOMEM, "dead letters of '%s': out of memory", l->route);
        } else {
            memcpy(kept, l->open_seqs, before * sizeof *kept);
            for (size_t i = 0; i < count; i++)
                drop_seq(l, seqs[i]);
            status = write_anew(l, (struct ol__span){.data = NULL, .size = 0}, err);
            if (status != OL_OK) { /* all are open as before */
                memcpy(l->open_seqs, kept, before * sizeof *kept);
                atomic_store(&l->count, before);
            }
        }
        free(kept);
    }
    ol__buf_release(&lines);
    return status;
}

ol_status dead_letters_end(struct dead_letters *letters, const char *id, const char *how,
                           struct ol_error *err)
{
    uint64_t seq = 0;
    size_t ended = 0;
    if (!dead_id_parse(letters->route, ol__span_text(id), &seq) || !dead_letters_has(letters, seq))
        return ol__error_set(err, OL_NOT_FOUND, "route '%s' has no dead letter '%.100s'",
                             letters->route, id);
    return dead_letters_end_many(letters, &seq, 1, how, &ended, err);
}
