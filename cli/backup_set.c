/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A file has its name only once it is whole and synced.
 *  2. The manifest comes last: until then the one before is there. */
#include "backup_set.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "artifact_lines.h"
#include "ids.h"

#define MANIFEST_MAX ((size_t)1 << 30)
#define PART ((size_t)1 << 16)

ol_status backup_set_add(struct backup_set *set, const char *path, const char *sha256,
                         struct ol_error *err)
{
    if (set->count == set->cap) {
        size_t cap = set->cap * 2 + 64;
        struct backup_file *items = realloc(set->items, cap * sizeof *items);
        if (items == NULL)
            return ol__error_set(err, OL_NOMEM, "backup: out of memory");
        set->items = items;
        set->cap = cap;
    }
    struct backup_file *file = &set->items[set->count];
    file->path = strdup(path);
    if (file->path == NULL)
        return ol__error_set(err, OL_NOMEM, "backup: out of memory");
    memcpy(file->sha256, sha256, sizeof file->sha256);
    set->count++;
    return OL_OK;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct backup_file *)a)->path, ((const struct backup_file *)b)->path);
}

void backup_set_sort(struct backup_set *set)
{
    if (set->count > 0)
        qsort(set->items, set->count, sizeof *set->items, by_path);
}

const struct backup_file *backup_set_find(const struct backup_set *set, const char *path)
{
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", path);
    const struct backup_file key = {.path = copy};
    return set->count > 0 ? bsearch(&key, set->items, set->count, sizeof key, by_path) : NULL;
}

void backup_set_release(struct backup_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->items[i].path);
    free(set->items);
    *set = (struct backup_set){0};
}

/* Within the backup, and nowhere else. */
static bool is_inside(const char *path)
{
    return (strncmp(path, "runs/", 5) == 0 || strncmp(path, "store/", 6) == 0) &&
           strstr(path, "/../") == NULL && strstr(path, "//") == NULL &&
           (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0);
}

ol_status backup_set_read(int dirfd, struct backup_set *ret, struct ol_error *err)
{
    struct ol__buf text, space;
    struct artifact_line line;
    char path[4096];
    *ret = (struct backup_set){0};
    ol__buf_init(&text, MANIFEST_MAX);
    ol__buf_init(&space, MANIFEST_MAX);
    ol_status status = ol__fs_read_file(&ol__fs_real, dirfd, BACKUP_MANIFEST, &text, err);
    struct ol__span rest = {text.data, text.size};
    const char *end = status == OL_OK && text.size > 0 ? memchr(text.data, '\n', text.size) : NULL;
    if (status == OL_OK &&
        (end == NULL || strncmp(text.data, BACKUP_HEAD, sizeof BACKUP_HEAD - 1) != 0))
        status = ol__error_set(err, OL_CORRUPT, "'" BACKUP_MANIFEST "': expected '%s' at its begin",
                               BACKUP_HEAD);
    if (status == OL_OK)
        rest = (struct ol__span){end + 1, text.size - (size_t)(end + 1 - text.data)};
    while (status == OL_OK && (status = artifact_line_read(&rest, &space, &line)) == OL_OK) {
        snprintf(path, sizeof path, "%.*s", (int)OL_MIN(line.name.size, sizeof path - 1),
                 line.name.data);
        if (line.is_link || !is_inside(path))
            status = ol__error_set(
                err, OL_CORRUPT, "'" BACKUP_MANIFEST "': '%.200s' is outside of the backup", path);
        else
            status = backup_set_add(ret, path, line.sha256, err);
    }
    if (status == OL_INVALID)
        status =
            ol__error_set(err, OL_CORRUPT, "'" BACKUP_MANIFEST "': line %zu is none of sha256sum",
                          ret->count + 2);
    ol__buf_release(&text);
    ol__buf_release(&space);
    if (status != OL_END) {
        backup_set_release(ret);
        return status;
    }
    backup_set_sort(ret);
    return OL_OK;
}

ol_status backup_set_write(int dirfd, struct backup_set *set, struct ol_error *err)
{
    struct ol__buf text;
    ol__buf_init(&text, MANIFEST_MAX);
    ol__buf_add_text(&text, BACKUP_HEAD ", lineaged " OL_VERSION
                                        ": sha256sum --check " BACKUP_MANIFEST "\n");
    backup_set_sort(set);
    for (size_t i = 0; i < set->count; i++)
        artifact_line_add(&text, set->items[i].sha256, set->items[i].path);
    ol_status status =
        text.status == OL_OK
            ? ol__fs_replace(&ol__fs_real, dirfd, BACKUP_MANIFEST, text.data, text.size, 0600, err)
            : ol__error_set(err, text.status, "backup: out of memory");
    ol__buf_release(&text);
    return status;
}

ol_status backup_hash(int dirfd, const char *path, char ret[OL_SHA256_TEXT + 1],
                      struct ol_error *err)
{
    struct stat st;
    int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "'%s'", path);
    ol_status status = fstat(fd, &st) != 0 ? ol__error_set_errno(err, errno, "'%s'", path)
                       : !S_ISREG(st.st_mode)
                           ? ol__error_set(err, OL_INVALID, "'%s': no regular file", path)
                           : ol__sha256_file(fd, 0, ret, NULL, err);
    close(fd);
    return status;
}

ol_status backup_set_verify(int dirfd, const struct backup_set *set, backup_problem *tell,
                            void *arg, int64_t *ret_problems, struct ol_error *err)
{
    *ret_problems = 0;
    for (size_t i = 0; i < set->count; i++) {
        char sha256[OL_SHA256_TEXT + 1];
        struct ol_error why = {0};
        ol_status status = backup_hash(dirfd, set->items[i].path, sha256, &why);
        if (status == OL_NOMEM)
            return ol__error_set(err, OL_NOMEM, "backup: out of memory");
        if (status == OL_OK && strcmp(sha256, set->items[i].sha256) == 0)
            continue;
        *ret_problems += 1;
        tell(arg, set->items[i].path,
             status == OL_NOT_FOUND ? "is not there"
             : status != OL_OK      ? why.message
                                    : "is not what it was");
    }
    return OL_OK;
}

static ol_status make_folders(int dirfd, const char *path, struct ol_error *err)
{
    char part[4096];
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (slash == path)
            continue;
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdirat(dirfd, part, 0777) != 0 && errno != EEXIST)
            return ol__error_set_errno(err, errno, "folder '%s'", part);
    }
    return OL_OK;
}

static ol_status copy_bytes(int from, int to, const char *name, struct ol_error *err)
{
    char *part = malloc(PART);
    off_t at = 0;
    size_t got = 1;
    ol_status status =
        part != NULL ? OL_OK : ol__error_set(err, OL_NOMEM, "'%s': out of memory", name);
    while (status == OL_OK && got > 0) {
        status = ol__fs_read_at(&ol__fs_real, from, part, PART, at, &got, err);
        if (status == OL_OK && got > 0)
            status = ol__fs_write_at(&ol__fs_real, to, part, got, at, err);
        at += (off_t)got;
    }
    free(part);
    return status;
}

ol_status backup_copy(int from_fd, const char *from, int to_fd, const char *to,
                      struct ol_error *err)
{
    char temporary[4096];
    struct stat st;
    const char *slash = strrchr(to, '/');
    uint32_t number = 0;
    ol_status status = make_folders(to_fd, to, err);
    if (status != OL_OK)
        return status;
    ol__random(&number, sizeof number);
    snprintf(temporary, sizeof temporary, "%.*s.%08x.tmp",
             slash != NULL ? (int)(slash + 1 - to) : 0, to, number);
    int in = openat(from_fd, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (in < 0 || fstat(in, &st) != 0) {
        status = ol__error_set_errno(err, errno, "'%s'", from);
        if (in >= 0)
            close(in);
        return status;
    }
    int out = openat(to_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0) {
        status = ol__error_set_errno(err, errno, "'%s': create", to);
        close(in);
        return status;
    }
    status = copy_bytes(in, out, to, err);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    OL_CRASHPOINT("backup.copied");
    if (status == OL_OK && (fchmod(out, st.st_mode & 0777) != 0 || futimens(out, times) != 0 ||
                            fsync(out) != 0 || renameat(to_fd, temporary, to_fd, to) != 0))
        status = ol__error_set_errno(err, errno, "'%s'", to); /* promise 1 */
    if (status != OL_OK)
        OL_IGNORE(unlinkat(to_fd, temporary, 0), "the first error counts");
    close(out);
    close(in);
    return status;
}
