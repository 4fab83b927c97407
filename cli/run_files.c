/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "run_files.h"

ol_status run_files_add(struct run_files *files, enum run_side side, const char *text)
{
    if (files->count == RUN_FILES_MAX)
        return OL_TOO_LARGE;
    if (files->count == files->cap) {
        size_t cap = files->cap == 0 ? 16 : files->cap * 2;
        struct run_file *items = realloc(files->items, cap * sizeof *items);
        if (items == NULL)
            return OL_NOMEM;
        files->items = items;
        files->cap = cap;
    }
    files->items[files->count++] = (struct run_file){.side = side, .text = text, .fd = -1};
    return OL_OK;
}

void run_files_declare(struct run_files *files, struct ol_run *run)
{
    for (size_t i = 0; i < files->count; i++) {
        struct run_file *f = &files->items[i];
        f->dataset = f->side == RUN_INPUT ? ol_run_input(run, f->text) : ol_run_output(run, f->text);
    }
}

/** A descriptor of the regular file that @p text names, or -1: a URI, a directory, a device, not there.
 *  Never blocks: a FIFO somebody declared must not hold us. */
static int open_regular(const char *text, struct stat *st)
{
    const char *path = text;
    if (strncmp(text, "file:///", 8) == 0)
        path = text + 7;
    else if (strstr(text, "://") != NULL)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/** "sha256:..." of the open file, unless it is too large or changes meanwhile (OL_END). */
static ol_status hash_open(int fd, uint64_t limit, char *out, size_t size)
{
    struct stat before, after;
    char hex[OL_SHA256_TEXT + 1];
    uint64_t hashed;
    if (fstat(fd, &before) < 0)
        return OL_IO;
    if ((uint64_t)before.st_size > limit)
        return OL_END;
    ol_status st = ol__sha256_file(fd, limit, hex, &hashed, NULL);
    if (st == OL_TOO_LARGE)
        return OL_END;
    if (st != OL_OK)
        return st;
    if (fstat(fd, &after) < 0)
        return OL_IO;
    if (!is_same(&before, &after) || hashed != (uint64_t)after.st_size)
        return OL_END;
    snprintf(out, size, "sha256:%s", hex);
    return OL_OK;
}

ol_status run_files_hash_path(const char *path, uint64_t limit, char *out, size_t size)
{
    struct stat st;
    int fd = open_regular(path, &st);
    if (fd < 0)
        return errno == ENOENT ? OL_NOT_FOUND : OL_END;
    ol_status result = hash_open(fd, limit, out, size);
    close(fd);
    return result;
}

void run_files_open_inputs(struct run_files *files)
{
    struct stat st;
    for (size_t i = 0; i < files->count && files->hash_limit > 0; i++) {
        struct run_file *f = &files->items[i];
        if (f->side == RUN_INPUT && f->dataset != NULL)
            f->fd = open_regular(f->text, &st); /* past EMFILE the rest has no version */
    }
}

void *run_files_hash_inputs(void *arg)
{
    struct run_files *files = arg;
    for (size_t i = 0; i < files->count; i++) {
        struct run_file *f = &files->items[i];
        if (f->fd < 0)
            continue;
        OL_IGNORE(hash_open(f->fd, files->hash_limit, f->version, sizeof f->version) != OL_OK,
                  "no version is recorded");
        close(f->fd);
        f->fd = -1;
    }
    return NULL;
}

void run_files_hash_outputs(struct run_files *files, bool is_quiet)
{
    for (size_t i = 0; i < files->count; i++) {
        struct run_file *f = &files->items[i];
        if (f->side != RUN_OUTPUT || f->dataset == NULL || strstr(f->text, "://") != NULL)
            continue;
        ol_status st =
            run_files_hash_path(f->text, files->hash_limit, f->version, sizeof f->version);
        if (st == OL_NOT_FOUND && !is_quiet)
            cli_say("output '%s' is not there after the command", f->text);
    }
}

void run_files_set_versions(struct run_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct run_file *f = &files->items[i];
        if (f->version[0] != '\0')
            ol_dataset_set_version(f->dataset,
                                   OL_MAKE(ol_version_facet, .dataset_version = f->version));
    }
}

void run_files_release(struct run_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i].fd >= 0)
            close(files->items[i].fd);
    }
    free(files->items);
    *files = (struct run_files){0};
}

bool run_files_parse_size(const char *text, uint64_t *ret)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0},    {"B", 0},    {"K", 10},   {"KiB", 10}, {"M", 20},
                 {"MiB", 20}, {"G", 30},   {"GiB", 30}, {"T", 40},   {"TiB", 40}};
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0)
        return false;
    for (size_t i = 0; i < OL_COUNT(units); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            if (n > UINT64_MAX >> units[i].shift)
                return false;
            *ret = (uint64_t)n << units[i].shift;
            return true;
        }
    }
    return false;
}
