/* SPDX-License-Identifier: Apache-2.0 */
/* OpenLineage events, one JSON object a line: what `lineage export`, a file route, the file
 * transport of another client or `lineage spool cat` wrote.
 * Promises:
 *  1. A line that is no event is named by its number, with what is wrong at which JSON pointer; the
 *     others go on.
 *  2. No line of more than SPOOL_LINE_MAX bytes is held in memory: the rest of it is passed over.
 */
#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "spool_line.h"

struct lines {
    struct import *im;
    const char *path;
    FILE *file;
    pid_t gunzip; /* 0: none */
    struct ol__buf line;
    uint64_t number;
    struct spool_line *reader;
    size_t from, to; /* what of chunk is still to be read */
    char chunk[65536];
};

/* gzip reads the file and writes into a pipe: nothing is linked for what is rare. */
static ol_status open_gzip(struct lines *l, int fd, struct ol_error *err)
{
    char program[] = "gzip", words[] = "-dcq";
    char *argv[] = {program, words, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ol__error_set_errno(err, errno, "'%s': pipe", l->path);
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    if (failed == 0)
        failed = posix_spawnp(&l->gunzip, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed == 0)
        l->file = fdopen(ends[0], "r");
    if (failed == 0 && l->file != NULL)
        return OL_OK;
    close(ends[0]);
    return ol__error_set_errno(err, failed != 0 ? failed : ENOMEM, "'%s': run gzip", l->path);
}

static ol_status open_lines(struct lines *l, bool is_gzip, struct ol_error *err)
{
    int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ol_status st = OL_OK;
    if (fd < 0)
        return ol__error_set_errno(err, errno, "'%s': open", l->path);
    if (is_gzip) {
        st = open_gzip(l, fd, err);
        close(fd);
    } else {
        l->file = fdopen(fd, "r");
        if (l->file == NULL) {
            close(fd);
            st = ol__error_set(err, OL_NOMEM, "'%s': out of memory", l->path);
        }
    }
    return st == OL_OK ? spool_line_new(&l->reader, err) : st;
}

/* Promise 2. @return OL_OK, OL_END, OL_TOO_LARGE (the line was passed over), OL_IO, OL_NOMEM. */
static ol_status next_line(struct lines *l, struct ol_error *err)
{
    bool has_any = false;
    ol__buf_reset(&l->line);
    for (;;) {
        if (l->from == l->to) {
            l->from = 0;
            l->to = fread(l->chunk, 1, sizeof l->chunk, l->file);
            if (l->to == 0 && ferror(l->file))
                return ol__error_set_errno(err, errno, "'%s': read", l->path);
            if (l->to == 0)
                break;
        }
        const char *at = l->chunk + l->from;
        const char *end = memchr(at, '\n', l->to - l->from);
        size_t size = end != NULL ? (size_t)(end - at) : l->to - l->from;
        OL_IGNORE(ol__buf_add(&l->line, at, size) != OL_OK, "sticks in the buffer");
        l->from += size + (end != NULL ? 1 : 0);
        has_any = true;
        if (end != NULL)
            break;
    }
    if (!has_any)
        return OL_END;
    l->number++;
    return l->line.status == OL_NOMEM ? ol__error_set(err, OL_NOMEM, "'%s': out of memory", l->path)
                                      : l->line.status;
}

static bool is_blank(struct ol__span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] != ' ' && text.data[i] != '\t' && text.data[i] != '\r')
            return false;
    return true;
}

static ol_status take_line(struct lines *l, struct ol_error *err)
{
    struct ol_error why = {.message = ""};
    const struct ol__event *event;
    struct ol__span text = {.data = l->line.data, .size = l->line.size}, bytes;
    if (is_blank(text))
        return OL_OK;
    ol_status st = spool_line_read(l->reader, text, &bytes, &event, &why);
    if (st == OL_OK)
        return import_event(l->im, bytes, l->number, err);
    if (st != OL_INVALID && st != OL_TOO_LARGE) {
        *err = why;
        return st;
    }
    import_say(l->im, "'%s' line %" PRIu64 " is no event: %s", l->path, l->number, why.message);
    return OL_OK;
}

/* @return OL_OK, or that the file is no gzip, or cut. */
static ol_status close_lines(struct lines *l, ol_status st, struct ol_error *err)
{
    int status = 0;
    if (l->file != NULL)
        fclose(l->file);
    while (l->gunzip > 0 && waitpid(l->gunzip, &status, 0) < 0 && errno == EINTR) {
    }
    spool_line_free(l->reader);
    ol__buf_release(&l->line);
    if (st == OL_OK && l->gunzip > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return ol__error_set(err, OL_CORRUPT,
                             "'%s': gzip cannot read it to its end: what was read is imported",
                             l->path);
    return st;
}

ol_status import_lines(struct import *im, const char *path, bool is_gzip, struct ol_error *err)
{
    struct lines l;
    memset(&l, 0, offsetof(struct lines, chunk));
    l.im = im;
    l.path = path;
    im->result.kind = "events";
    ol__buf_init(&l.line, SPOOL_LINE_MAX);
    ol_status st = open_lines(&l, is_gzip, err);
    while (st == OL_OK) {
        st = next_line(&l, err);
        if (st == OL_TOO_LARGE) {
            import_say(im, "'%s' line %" PRIu64 " is no event: it is longer than %zu bytes", path,
                       l.number, l.line.max);
            st = OL_OK;
        } else if (st == OL_OK) {
            st = take_line(&l, err);
        }
    }
    return close_lines(&l, st == OL_END ? OL_OK : st, err);
}
