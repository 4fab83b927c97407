/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the files of an artifact. Symbolic links beneath a directory are lines of its text and
 * are never followed, so there is no loop but by a mount, and a folder within itself is not
 * entered. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "artifact.h"
#include "files.h"
#include "artifact_lines.h"

#define DEPTH_MAX 256
#define LIST_MAX ((size_t)256 << 20)

OL_PRINTF(2, 3)
static ol_status refuse(struct artifact *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (a->reason[0] == '\0')
        vsnprintf(a->reason, sizeof a->reason, format, args);
    va_end(args);
    return OL_END;
}

static char *keep(struct artifact *a, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ol__arena_alloc(&a->arena, size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

ol_status artifact_add_sum(struct artifact *a, const char *path, bool is_followed, size_t *budget)
{
    if (*budget == 0)
        return OL_TOO_LARGE;
    if (a->sum_count == a->sum_cap) {
        struct artifact_sum *sums = ol__grow(a->sums, &a->sum_cap, sizeof *sums);
        if (sums == NULL)
            return OL_NOMEM;
        a->sums = sums;
    }
    struct artifact_sum sum = {
        .path = path == a->path ? path : keep(a, path), .fd = -1, .is_followed = is_followed};
    if (sum.path == NULL)
        return OL_NOMEM;
    --*budget;
    a->sums[a->sum_count++] = sum;
    return OL_OK;
}

/* ---- directories ---- */

struct folder {
    const struct folder *parent;
    dev_t device;
    ino_t inode;
    int depth;
};
struct walk {
    struct artifact *a;
    size_t *budget;
    struct ol__buf path; /* of the entry; begins with the root's */
    size_t root_size;
};

/** The path as the text has it: "./" and what is beneath the root. */
static const char *below(const struct walk *w)
{
    return w->path.data + w->root_size + 1;
}

static ol_status add_link(struct walk *w, int dirfd, const char *name)
{
    struct artifact *a = w->a;
    char target[PATH_MAX + 1];
    struct ol__buf line, shown;
    ssize_t size = readlinkat(dirfd, name, target, sizeof target - 1);
    if (size < 0)
        return refuse(a, "'%.100s': %s", below(w), strerror(errno));
    target[size] = '\0';
    if (*w->budget == 0)
        return OL_TOO_LARGE;
    if (a->link_count == a->link_cap) {
        const char **links = ol__grow(a->links, &a->link_cap, sizeof *links);
        if (links == NULL)
            return OL_NOMEM;
        a->links = links;
    }
    ol__buf_init(&shown, (size_t)1 << 20);
    ol__buf_init(&line, (size_t)1 << 20);
    ol__buf_add_text(&shown, "./");
    ol__buf_add_text(&shown, below(w));
    if (shown.status == OL_OK)
        artifact_link_add(&line, shown.data, target);
    char *kept = shown.status == OL_OK && line.status == OL_OK ? keep(a, line.data) : NULL;
    ol__buf_release(&shown);
    ol__buf_release(&line);
    if (kept == NULL)
        return OL_NOMEM;
    --*w->budget;
    a->links[a->link_count++] = kept;
    return OL_OK;
}

static ol_status add_file(struct walk *w, const struct stat *st)
{
    ol_status status = artifact_add_sum(w->a, w->path.data, false, w->budget);
    if (status != OL_OK)
        return status;
    struct artifact_sum *sum = &w->a->sums[w->a->sum_count - 1];
    artifact_stamp_of(st, &sum->stamp);
    sum->is_there = true;
    return OL_OK;
}

static ol_status walk_folder(struct walk *w, int dirfd, const char *name,
                             const struct folder *parent);

static ol_status walk_entry(struct walk *w, int dirfd, const char *name,
                            const struct folder *parent)
{
    struct stat st;
    size_t used = w->path.size;
    ol__buf_add_char(&w->path, '/');
    ol_status status = ol__buf_add_text(&w->path, name);
    if (status != OL_OK)
        return status == OL_TOO_LARGE ? refuse(w->a, "'%.100s...': too long a path", below(w))
                                      : OL_NOMEM;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        status = errno == ENOENT ? OL_OK /* gone before it was looked at */
                                 : refuse(w->a, "'%.100s': %s", below(w), strerror(errno));
    else if (S_ISDIR(st.st_mode))
        status = w->a->skip_inode == (uint64_t)st.st_ino && w->a->skip_device == (uint64_t)st.st_dev
                     ? OL_OK
                     : walk_folder(w, dirfd, name, parent);
    else if (S_ISREG(st.st_mode))
        status = add_file(w, &st);
    else if (S_ISLNK(st.st_mode))
        status = add_link(w, dirfd, name);
    else if (w->a->left_out++ == 0)
        snprintf(w->a->trouble, sizeof w->a->trouble,
                 "'%.100s' is no file, folder or link: left out", below(w));
    ol__buf_truncate(&w->path, used);
    return status;
}

static bool is_within_itself(const struct folder *f)
{
    for (const struct folder *up = f->parent; up != NULL; up = up->parent) {
        if (up->device == f->device && up->inode == f->inode)
            return true;
    }
    return false;
}

static ol_status walk_folder(struct walk *w, int dirfd, const char *name,
                             const struct folder *parent)
{
    struct stat st;
    struct folder self = {.parent = parent, .depth = parent != NULL ? parent->depth + 1 : 0};
    const char *shown = parent != NULL ? below(w) : ".";
    if (self.depth > DEPTH_MAX)
        return refuse(w->a, "'%.100s': more than %d folders deep", shown, DEPTH_MAX);
    int fd =
        openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (parent != NULL ? O_NOFOLLOW : 0));
    if (fd < 0 && errno == ENOENT && parent != NULL)
        return OL_OK;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL || fstat(fd, &st) != 0) {
        ol_status status = refuse(w->a, "folder '%.100s': %s", shown, strerror(errno));
        if (dir != NULL)
            closedir(dir);
        else if (fd >= 0)
            close(fd);
        return status;
    }
    self.device = st.st_dev;
    self.inode = st.st_ino;
    ol_status status =
        is_within_itself(&self) ? refuse(w->a, "folder '%.100s' is within itself", shown) : OL_OK;
    while (status == OL_OK) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL && errno != 0)
            status = refuse(w->a, "folder '%.100s': %s", shown, strerror(errno));
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = walk_entry(w, fd, entry->d_name, &self);
    }
    closedir(dir);
    return status;
}

static int compare_sums(const void *a, const void *b)
{
    return strcmp(((const struct artifact_sum *)a)->path, ((const struct artifact_sum *)b)->path);
}

static int compare_links(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static ol_status end(struct artifact *a, ol_status status)
{
    if (status == OL_TOO_LARGE)
        status = refuse(a, "more than %d members", ARTIFACT_MEMBERS_MAX);
    if (a->sum_count > 1)
        qsort(a->sums, a->sum_count, sizeof *a->sums, compare_sums);
    if (a->link_count > 1)
        qsort(a->links, a->link_count, sizeof *a->links, compare_links);
    return status < 0 ? status : OL_OK;
}

ol_status artifact_walk(struct artifact *a, size_t *budget)
{
    struct walk w = {.a = a, .budget = budget, .root_size = strlen(a->path)};
    ol__buf_init(&w.path, (size_t)64 << 10);
    ol_status status = ol__buf_add_text(&w.path, a->path);
    if (w.root_size == 1) { /* "/": the slash behind it is its own */
        ol__buf_truncate(&w.path, 0);
        w.root_size = 0;
    }
    if (status == OL_OK)
        status = walk_folder(&w, AT_FDCWD, a->path, NULL);
    ol__buf_release(&w.path);
    if (a->left_out > 1)
        snprintf(a->trouble + strlen(a->trouble), sizeof a->trouble - strlen(a->trouble),
                 ", as are %zu others", a->left_out - 1);
    return end(a, status);
}

/* ---- globs and lists ---- */

/** A file that a glob or list names. */
static ol_status add_named(struct artifact *a, const char *path, size_t *budget)
{
    struct stat st;
    bool is_other =
        a->is_glob &&
        (stat(path, &st) == 0 ? !S_ISREG(st.st_mode) : lstat(path, &st) == 0); /* leads nowhere */
    if (is_other) {
        if (a->left_out++ == 0)
            snprintf(a->trouble, sizeof a->trouble, "'%.150s' is no file: left out", path);
        return OL_OK;
    }
    return artifact_add_sum(a, path, true, budget);
}

/** Sorted, and each once. */
static ol_status end_named(struct artifact *a, ol_status status)
{
    status = end(a, status);
    size_t kept = 0;
    for (size_t i = 0; i < a->sum_count; i++) {
        if (kept == 0 || strcmp(a->sums[kept - 1].path, a->sums[i].path) != 0)
            a->sums[kept++] = a->sums[i];
    }
    a->sum_count = kept;
    return status;
}

ol_status artifact_expand_glob(struct artifact *a, size_t *budget)
{
    glob_t found = {.gl_pathc = 0};
    /* a URI's name is a path without its escapes */
    const char *pattern = strncmp(a->text, "file:", 5) == 0 ? a->path : a->text;
    int result = glob(pattern, GLOB_NOSORT, NULL, &found);
    ol_status status = OL_OK;
    if (result == GLOB_NOSPACE)
        status = OL_NOMEM;
    else if (result != 0 || found.gl_pathc == 0)
        status = refuse(a, "not there");
    for (size_t i = 0; status == OL_OK && i < found.gl_pathc; i++)
        status = add_named(a, found.gl_pathv[i], budget);
    globfree(&found);
    if (status == OL_OK && a->sum_count == 0)
        status = refuse(a, "it names no file");
    return end_named(a, status);
}

ol_status artifact_read_list(struct artifact *a, size_t *budget)
{
    struct ol__buf text;
    struct ol_error err = {.message = ""};
    struct stat st;
    if (stat(a->path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a FIFO would hold us */
        OL_IGNORE(refuse(a, "no regular file") != OL_OK, "it is the reason");
        return OL_OK;
    }
    ol__buf_init(&text, LIST_MAX);
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, a->path, &text, &err);
    if (status == OL_NOT_FOUND)
        status = refuse(a, "not there");
    else if (status < 0 && status != OL_NOMEM)
        status = refuse(a, "%.200s", err.message);
    const char separator =
        text.size > 0 && memchr(text.data, '\0', text.size) != NULL ? '\0' : '\n';
    for (size_t at = 0; status == OL_OK && at < text.size;) {
        char *line = text.data + at;
        char *stop = memchr(line, separator, text.size - at);
        size_t size = stop != NULL ? (size_t)(stop - line) : text.size - at;
        line[size] = '\0'; /* there is one behind the last byte, too */
        at += size + 1;
        if (size > 0)
            status = add_named(a, line, budget);
    }
    ol__buf_release(&text);
    if (status == OL_OK && a->sum_count == 0)
        status = refuse(a, "it names no file");
    return end_named(a, status);
}
