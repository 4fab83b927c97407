/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's writer. J numbers are rules of spec/JOURNAL.md. Promises:
 *  1. OL_OK means that the kernel has the whole line, or, if durable, that fdatasync returned (P1).
 *  2. A refused event leaves no line of its own in the file: a piece of it is cut off, or stays
 * without its newline and is closed by one in front of the next line (J6, P4).
 *  3. One write call an event. Other calls: birth, rotation, trouble, and after each check_bytes.
 *  4. Nothing is allocated here after open.
 *  5. A file whose fdatasync failed gets no further byte: the event is written again to a new one.
 *  6. The offset and the write that moves it are under one mutex; processes share no file. */
#include "journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "times.h"

static ol_status refuse_errno(const struct ol__journal *j, int sys_errno, const char *what,
                              struct ol_error *err)
{
    return ol__error_set_errno(err, sys_errno, "journal '%s/%s': %s", j->directory, j->file.name,
                               what);
}

/* ---- fork (J16) ---- */

static bool is_still(int fd, dev_t device, ino_t inode)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* A daemon closes all descriptors after its fork and opens files of its own: close only what is
 * ours. */
static void drop_inherited(struct ol__journal *j, struct ol__journal_file *file)
{
    struct ol__journal_file was = *file;
    ol__journal_file_none(file);
    if (is_still(was.fd, was.device, was.inode))
        j->fs->close(was.fd); /* the parent's lock stays: it belongs to the open file description */
}

static void forget_inherited(struct ol__journal *j)
{
    drop_inherited(j, &j->file);
    drop_inherited(j, &j->old);
    if (!is_still(j->dirfd, j->dir_device, j->dir_inode))
        j->dirfd = -1;
    j->part = 0;
    j->is_low = false;
    j->unchecked = 0;
}

/* ---- lines ---- */

/* J6: @p written bytes of a line stand behind the last whole one, as far as we know. */
static void cut_back(struct ol__journal *j, struct ol__journal_file *file, uint64_t written)
{
    struct stat st;
    if (j->fs->fstat(file->fd, &st) == 0) {
        uint64_t end = (uint64_t)st.st_size;
        if (end == file->offset)
            return;
        if (end == file->offset + written && j->fs->ftruncate(file->fd, (off_t)file->offset) == 0)
            return;
        file->offset = end;
    } else {
        file->offset += written;
    }
    file->needs_newline = true;
}

/* J5: @p data begins with the newline that only a torn file needs. */
static ol_status write_line(struct ol__journal *j, struct ol__journal_file *file, const char *data,
                            size_t size, struct ol_error *err)
{
    ssize_t n;
    if (!file->needs_newline) {
        data++;
        size--;
    }
    do
        n = j->fs->write(file->fd, data, size);
    while (n < 0 && errno == EINTR); /* nothing was written, says write(2) */
    if (n >= 0 && (size_t)n == size) {
        file->offset += size;
        file->needs_newline = false;
        j->unchecked += size;
        return OL_OK;
    }
    int sys_errno = errno;
    if (n < 0 && sys_errno == EBADF)
        return refuse_errno(j, sys_errno, "closed by the host program", err);
    cut_back(j, file, n > 0 ? (uint64_t)n : 0);
    if (n < 0)
        return refuse_errno(j, sys_errno, "write", err);
    return ol__error_set(
        err, OL_FULL,
        "journal '%s/%s': only %zd of %zu bytes written; disk, quota or file size limit",
        j->directory, file->name, n, size);
}

/* End line and close; a journal without its end line is found finished by its lock (J10). */
static void end_file(struct ol__journal *j, struct ol__journal_file *file,
                     const struct ol__journal_file *next)
{
    char line[160], uuid[OL_UUID_TEXT + 1];
    int size;
    if (next != NULL) {
        ol__uuid_format(&next->id, uuid);
        size =
            snprintf(line, sizeof line,
                     "\n{\"ol_journal_end\":\"rotated\",\"events\":%" PRIu64 ",\"next\":\"%s\"}\n",
                     file->events, uuid);
    } else {
        size = snprintf(line, sizeof line,
                        "\n{\"ol_journal_end\":\"closed\",\"events\":%" PRIu64 "}\n", file->events);
    }
    OL_IGNORE(write_line(j, file, line, (size_t)size, NULL), "J10 ends it without");
    int fd = file->fd;
    ol__journal_file_none(file);
    j->fs->close(fd);
}

static ol_status rotate(struct ol__journal *j, size_t need, struct ol_error *err)
{
    j->old = j->file;
    ol__journal_file_none(&j->file);
    ol_status status = ol__journal_birth(j, true, need, err);
    if (status != OL_OK) { /* the old file is as good as it was; a later emit tries again */
        j->file = j->old;
        ol__journal_file_none(&j->old);
        return status;
    }
    OL_CRASHPOINT("emitter.rotated");
    end_file(j, &j->old, &j->file);
    return OL_OK;
}

/* ---- one event ---- */

/* A born file with room for @p need more bytes, on a filesystem with room (J13, J14). */
static ol_status make_ready(struct ol__journal *j, size_t need, int64_t now, struct ol_error *err)
{
    const struct ol__journal_limits *l = j->limits;
    if (j->is_low && now - j->low_since_ms < l->low_retry_ms)
        return ol__error_set(err, OL_FULL, "journal '%s': too little free space on its filesystem",
                             j->directory);
    if (!j->file.is_born)
        return ol__journal_birth(j, false, need, err);
    if (j->is_low || j->unchecked >= l->check_bytes) {
        ol__journal_read_limit(j);
        ol_status status = ol__journal_check_space(j, j->file.fd, err);
        if (status != OL_OK)
            return status;
    }
    bool has_lines = j->file.events > 0;
    if ((has_lines && j->file.offset + need > j->rotate_at) ||
        j->file.offset + need > j->hard_limit || now - j->last_write_ms > l->idle_ms)
        return rotate(j, need, err);
    return OL_OK;
}

/* Promise 5. The line just written is cut off again, so that it is not taken twice. */
static ol_status move_after_failed_sync(struct ol__journal *j, const struct ol__line *line,
                                        int sys_errno, struct ol_error *err)
{
    for (int tries = 0; tries < 2; tries++) {
        struct ol__journal_file *file = &j->file;
        /* Both failing leaves the line; then it is delivered though refused, or delivered twice. */
        OL_IGNORE(j->fs->ftruncate(file->fd, (off_t)file->offset), "nothing better is left to do");
        int fd = file->fd;
        ol__journal_file_none(file);
        j->fs->close(fd);
        if (tries > 0)
            break;
        ol_status status = ol__journal_birth(j, true, line->size, err);
        if (status != OL_OK)
            return status;
        uint64_t before = j->file.offset;
        status = write_line(j, &j->file, line->data, line->size, err);
        if (status != OL_OK)
            return status;
        if (j->fs->fdatasync(j->file.fd) == 0)
            return OL_OK;
        sys_errno = errno;
        j->file.offset = before;
    }
    return ol__error_set_errno(err, sys_errno, "journal in '%s': fdatasync", j->directory);
}

static ol_status emit_locked(struct ol__journal *j, const struct ol__line *line,
                             struct ol_error *err)
{
    int64_t now = ol__time_monotonic_ms();
    ol_status status = make_ready(j, line->size, now, err);
    if (status != OL_OK)
        return status;
    uint64_t before = j->file.offset;
    status = write_line(j, &j->file, line->data, line->size, err);
    if (status != OL_OK && j->file.fd >= 0 && fcntl(j->file.fd, F_GETFD) < 0) {
        /* The host closed our descriptor: go on in a new file. Nobody ends the old one but its
         * lock. */
        ol__journal_file_none(&j->file);
        status = ol__journal_birth(j, true, line->size, err);
        if (status != OL_OK)
            return status;
        before = j->file.offset;
        status = write_line(j, &j->file, line->data, line->size, err);
    }
    if (status != OL_OK)
        return status;
    OL_CRASHPOINT("emitter.written");
    if (j->is_durable && j->fs->fdatasync(j->file.fd) != 0) {
        int sys_errno = errno;
        j->file.offset = before;
        status = move_after_failed_sync(j, line, sys_errno, err);
        if (status != OL_OK)
            return status;
    }
    j->file.events++;
    j->last_write_ms = now;
    return OL_OK;
}

static ol_status journal_emit(struct ol__transport *transport, const struct ol__line *line,
                              struct ol_error *err)
{
    struct ol__journal *j = (struct ol__journal *)transport;
    if (line->size > OL_LINE_MAX)
        return ol__error_set(err, OL_TOO_LARGE,
                             "event: %zu bytes; a journal line holds at most %zu", line->size - 2,
                             OL_LINE_MAX - 1);
    if (ol__fork_lock_take(&j->lock))
        forget_inherited(j);
    ol_status status = emit_locked(j, line, err);
    ol__fork_lock_give(&j->lock);
    return status;
}

/* ---- open and close ---- */

static ol_status journal_close(struct ol__transport *transport, int timeout_ms OL_UNUSED,
                               struct ol_error *err OL_UNUSED)
{
    struct ol__journal *j = (struct ol__journal *)transport;
    if (ol__fork_lock_take(&j->lock))
        forget_inherited(j); /* the parent's journal is not ours to end */
    if (j->file.is_born)
        end_file(j, &j->file, NULL);
    if (j->dirfd >= 0)
        j->fs->close(j->dirfd);
    ol__fork_lock_give(&j->lock);
    ol__fork_lock_release(&j->lock);
    free(j->directory);
    free(j);
    return OL_OK;
}

static const struct ol__transport_functions journal_functions = {.emit = journal_emit,
                                                                 .close = journal_close};

ol_status ol__journal_open(const struct ol__journal_options *options, struct ol__transport **ret,
                           struct ol_error *err)
{
    struct ol__journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return ol__error_set(err, OL_NOMEM, "journal: out of memory");
    j->transport.functions = &journal_functions;
    j->fs = options->fs != NULL ? options->fs : &ol__fs_real;
    j->limits = options->limits != NULL ? options->limits : &ol__journal_limits_default;
    j->is_durable = options->is_durable;
    j->infer_abort = options->infer_abort;
    j->must_exist = options->must_exist;
    j->dirfd = -1;
    ol__journal_file_none(&j->file);
    ol__journal_file_none(&j->old);
    j->directory = strdup(options->directory);
    if (j->directory == NULL || ol__fork_lock_init(&j->lock) != OL_OK) {
        free(j->directory);
        free(j);
        return ol__error_set(err, OL_NOMEM, "journal: out of memory");
    }
    ol_status status = ol__journal_open_directory(j, err);
    if (status != OL_OK) {
        OL_IGNORE(journal_close(&j->transport, 0, NULL), "nothing was opened");
        return status;
    }
    *ret = &j->transport;
    return OL_OK;
}

/* ---- is it drained? (J18) ---- */

/* Another user's lock cannot be opened, but the kernel lists it: "1: FLOCK ADVISORY WRITE 77
 * 08:01:42 0 EOF". */
static bool is_listed(const struct stat *st)
{
    char line[256], want[64];
    bool found = false;
    FILE *locks = fopen("/proc/locks", "re");
    if (locks == NULL)
        return false;
    snprintf(want, sizeof want, " %02x:%02x:%ju ", major(st->st_dev), minor(st->st_dev),
             (uintmax_t)st->st_ino);
    while (!found && fgets(line, sizeof line, locks) != NULL)
        found = strstr(line, " FLOCK ") != NULL && strstr(line, want) != NULL;
    fclose(locks);
    return found;
}

bool ol__journal_is_drained(const char *directory)
{
    struct stat st;
    bool is_locked = false;
    int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return false;
    int fd = openat(dirfd, ".drain", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0) {
        is_locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        close(fd);
    } else if (fstatat(dirfd, ".drain", &st, AT_SYMLINK_NOFOLLOW) == 0) {
        is_locked = is_listed(&st);
    }
    close(dirfd);
    return is_locked;
}
