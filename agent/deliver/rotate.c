/* SPDX-License-Identifier: Apache-2.0 */
#include "rotate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 600
#define FILES_MAX 65536u /* looked at in one go; more take several rotations */
#define SAME_MAX 10000

int64_t rotate_turn(int64_t unix_ms, int64_t every_ms)
{
    return unix_ms / every_ms - (unix_ms % every_ms < 0);
}

/* Without RENAME_NOREPLACE (not every filesystem has it): nobody else makes such names. */
static int rename_new(int dirfd, const char *from, const char *to)
{
    if (renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (faccessat(dirfd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(dirfd, from, dirfd, to);
}

ol_status rotate_away(int dirfd, const char *name, uint64_t seq, struct ol_error *err)
{
    char to[NAMES_MAX];
    for (int same = 1; same <= SAME_MAX; same++) {
        int size = snprintf(to, sizeof to, "%s.%020" PRIu64, name, seq);
        if (same > 1)
            snprintf(to + size, sizeof to - (size_t)size, "-%d", same);
        if (rename_new(dirfd, name, to) == 0)
            return OL_OK;
        if (errno != EEXIST)
            break;
    }
    return ol__error_set_errno(err, errno, "'%s': rename to '%s'", name, to);
}

/* ---- Pruning ---- */

struct old_file {
    struct timespec changed;
    char *name; /* owned */
};
struct old_files {
    struct old_file *items; /* owned */
    size_t count, capacity;
};

static bool is_of(const char *found, const char *name)
{
    size_t size = strlen(name);
    if (strncmp(found, name, size) != 0 || found[size] != '.')
        return false;
    const char *at = found + size + 1;
    size_t digits = strspn(at, "0123456789");
    if (digits != 20)
        return false;
    at += digits;
    if (at[0] == '-' && at[1] != '\0')
        at += 1 + strspn(at + 1, "0123456789");
    return *at == '\0';
}

static int compare(const void *a, const void *b)
{
    const struct old_file *x = a, *y = b;
    if (x->changed.tv_sec != y->changed.tv_sec)
        return x->changed.tv_sec < y->changed.tv_sec ? -1 : 1;
    if (x->changed.tv_nsec != y->changed.tv_nsec)
        return x->changed.tv_nsec < y->changed.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool add(struct old_files *files, const char *name, const struct stat *st)
{
    if (files->count == files->capacity) {
        struct old_file *items = ol__grow(files->items, &files->capacity, sizeof *items);
        if (items == NULL)
            return false;
        files->items = items;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return false;
    files->items[files->count++] = (struct old_file){.changed = st->st_mtim, .name = copy};
    return true;
}

static ol_status list(int dirfd, const char *name, struct old_files *files, struct ol_error *err)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    ol_status status = OL_OK;
    if (directory == NULL) {
        status = ol__error_set_errno(err, errno, "'%s': list its directory", name);
        if (fd >= 0)
            close(fd);
        return status;
    }
    const struct dirent *entry;
    while (status == OL_OK && files->count < FILES_MAX && (entry = readdir(directory)) != NULL) {
        struct stat st;
        if (is_of(entry->d_name, name) &&
            fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            !add(files, entry->d_name, &st))
            status = ol__error_set(err, OL_NOMEM, "'%s': out of memory for old files", name);
    }
    closedir(directory);
    return status;
}

ol_status rotate_prune(int dirfd, const char *name, size_t keep, size_t *ret_removed,
                       struct ol_error *err)
{
    struct old_files files = {0};
    *ret_removed = 0;
    ol_status status = list(dirfd, name, &files, err);
    if (status == OL_OK && files.count > 0)
        qsort(files.items, files.count, sizeof *files.items, compare);
    for (size_t i = 0; status == OL_OK && i + keep < files.count; i++) {
        if (unlinkat(dirfd, files.items[i].name, 0) == 0)
            ++*ret_removed;
        else if (errno != ENOENT)
            status = ol__error_set_errno(err, errno, "'%s': remove", files.items[i].name);
    }
    for (size_t i = 0; i < files.count; i++)
        free(files.items[i].name);
    free(files.items);
    return status;
}
