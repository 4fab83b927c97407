/* SPDX-License-Identifier: Apache-2.0 */
/* The file `senders`: a name a line; a name's number is its line's, from 0.
 * Promises:
 *  1. A number is given out only when its line is synced, and never given to another name.
 *  2. A line that a crash tore is nobody's: it is cut off before the next one is written. */
#include "senders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "files.h"

#define FILE_NAME "senders"
#define FILE_MAX ((size_t)SENDERS_MAX * (SENDERS_NAME_MAX + 1))

struct senders {
    int dirfd;
    struct ol__buf text; /* whole lines, as in the file */
    uint32_t count;
};

/* Whole lines of the file. Absent: none. */
static ol_status read_lines(int dirfd, struct ol__buf *text, struct ol_error *err)
{
    ol_status status = ol__fs_read_file(&ol__fs_real, dirfd, FILE_NAME, text, err);
    if (status == OL_NOT_FOUND)
        return OL_OK;
    if (status != OL_OK)
        return status;
    while (text->size > 0 && text->data[text->size - 1] != '\n') /* promise 2 */
        text->size--;
    return OL_OK;
}

ol_status senders_open(const char *directory, struct senders **ret, struct ol_error *err)
{
    struct senders *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ol__error_set(err, OL_NOMEM, "'%s/" FILE_NAME "': out of memory", directory);
    s->dirfd = -1;
    ol__buf_init(&s->text, FILE_MAX);
    ol_status status = ol__fs_open_directory(directory, &s->dirfd, err);
    if (status == OL_OK)
        status = read_lines(s->dirfd, &s->text, err);
    if (status != OL_OK) {
        senders_close(s);
        return status;
    }
    for (size_t i = 0; i < s->text.size; i++)
        s->count += s->text.data[i] == '\n';
    *ret = s;
    return OL_OK;
}

void senders_close(struct senders *s)
{
    if (s == NULL)
        return;
    ol__buf_release(&s->text);
    if (s->dirfd >= 0)
        close(s->dirfd);
    free(s);
}

/* Number of a name among @p text's lines. @return UINT32_MAX: none. */
static uint32_t find(const struct ol__buf *text, const char *name)
{
    size_t size = strlen(name);
    uint32_t number = 0;
    for (size_t at = 0; at < text->size; number++) {
        const char *line = text->data + at;
        const char *end = memchr(line, '\n', text->size - at);
        size_t length = (size_t)(end - line);
        if (length == size && memcmp(line, name, size) == 0)
            return number;
        at += length + 1;
    }
    return UINT32_MAX;
}

/* Put one line behind the others, and on the disk. */
static ol_status write_line(const struct senders *s, const char *line, size_t size,
                            struct ol_error *err)
{
    int fd = openat(s->dirfd, FILE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "spool: " FILE_NAME);
    ol_status status = OL_OK;
    if (ftruncate(fd, (off_t)s->text.size) != 0) /* promise 2 */
        status = ol__error_set_errno(err, errno, "spool: " FILE_NAME);
    if (status == OL_OK)
        status = ol__fs_write_at(&ol__fs_real, fd, line, size, (off_t)s->text.size, err);
    if (status == OL_OK && (fdatasync(fd) != 0 || (s->count == 0 && fsync(s->dirfd) != 0)))
        status = ol__error_set_errno(err, errno, "spool: " FILE_NAME ": sync");
    close(fd);
    return status;
}

uint32_t senders_uid(struct senders *s, const char *name, struct ol_error *err)
{
    char line[SENDERS_NAME_MAX + 2];
    uint32_t number = find(&s->text, name);
    if (number != UINT32_MAX)
        return SPOOL_UID_SENDERS + number;
    int size = snprintf(line, sizeof line, "%s\n", name);
    if (size < 2 || (size_t)size >= sizeof line || strcspn(name, "\n") + 1 != (size_t)size ||
        s->count == SENDERS_MAX) {
        OL_IGNORE(ol__error_set(err, OL_INVALID, "spool: " FILE_NAME ": no room for '%s'", name),
                  "told by the result");
        return SPOOL_UID_UNKNOWN;
    }
    if (ol__buf_room(&s->text, (size_t)size) == NULL) {
        OL_IGNORE(ol__error_set(err, OL_NOMEM, "spool: " FILE_NAME ": out of memory"),
                  "told by the result");
        return SPOOL_UID_UNKNOWN;
    }
    if (write_line(s, line, (size_t)size, err) != OL_OK)
        return SPOOL_UID_UNKNOWN;
    OL_IGNORE(ol__buf_add(&s->text, line, (size_t)size) != OL_OK, "there was room");
    return SPOOL_UID_SENDERS + s->count++; /* promise 1 */
}

ol_status senders_name(const char *directory, uint32_t uid, char out[SENDERS_NAME_MAX + 1],
                       struct ol_error *err)
{
    struct senders *s;
    if (!senders_has(uid))
        return ol__error_set(err, OL_NOT_FOUND, "uid %lu is no name's", (unsigned long)uid);
    ol_status status = senders_open(directory, &s, err);
    if (status != OL_OK)
        return status;
    uint32_t number = uid - SPOOL_UID_SENDERS;
    size_t at = 0;
    for (uint32_t i = 0; i < number && at < s->text.size; i++)
        at += strcspn(s->text.data + at, "\n") + 1;
    if (number < s->count)
        snprintf(out, SENDERS_NAME_MAX + 1, "%.*s", (int)strcspn(s->text.data + at, "\n"),
                 s->text.data + at);
    else
        status = ol__error_set(err, OL_NOT_FOUND, "'%s/" FILE_NAME "' has no line %lu", directory,
                               (unsigned long)number + 1);
    senders_close(s);
    return status;
}
