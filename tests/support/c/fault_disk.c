/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that can lose power, modelled above the real one (fault_fs.h says what a cut may leave).
 *  1. `image` of a file is what a cut leaves at least: its bytes when it was first seen, plus all
 * writes that a later successful, honest sync covered. `changes` came after it.
 *  2. A failed sync drops the changes so far: they never reach the image, as the kernel drops dirty
 * pages.
 *  3. Names are undone newest first, back to a cut point per directory; replacing is one step.
 * Bytes written through a mapping are not seen. All functions run under the lock of fault_fs.c, but
 * for those that a test calls. */
#include "fault_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECTOR 512

struct change {
    struct change *next;
    bool is_truncation; /* to `offset` bytes */
    off_t offset;
    size_t size;
    uint8_t data[];
};

struct file {
    struct file *next;
    dev_t dev;
    ino_t ino;
    int fd; /* of its own, for reading and writing */
    uint8_t *image;
    size_t size;
    struct change *first;
    struct change **last;
};

enum name_op { OP_CREATED, OP_MADE, OP_RENAMED, OP_UNLINKED, OP_REMOVED };

struct name {
    struct name *older;
    enum name_op op;
    int dirfd; /* owned */
    dev_t dev; /* of the directory whose sync makes it durable */
    ino_t ino;
    char name[256];
    int from_dirfd; /* RENAMED: owned */
    char from[256];
    int saved_fd;     /* UNLINKED: the file, owned */
    bool is_replaced; /* UNLINKED: by the RENAMED that follows */
    bool is_durable;
    bool is_kept;
};

static bool is_recording, is_lying, has_failed;
static struct file *files;
static struct name *names; /* newest first */
static int saved_fd = -1;  /* from before_name_lost() for the next unlinked() */

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("fault_disk: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static void complain(const char *what)
{
    fprintf(stderr, "fault_disk: %s: errno %d\n", what, errno);
    has_failed = true;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void forget_changes(struct file *f)
{
    while (f->first != NULL) {
        struct change *next = f->first->next;
        free(f->first);
        f->first = next;
    }
    f->last = &f->first;
}

void fault_disk_stop(void)
{
    is_recording = false;
    while (files != NULL) {
        struct file *next = files->next;
        forget_changes(files);
        close(files->fd);
        free(files->image);
        free(files);
        files = next;
    }
    while (names != NULL) {
        struct name *older = names->older;
        close_if_open(names->dirfd);
        close_if_open(names->from_dirfd);
        close_if_open(names->saved_fd);
        free(names);
        names = older;
    }
    close_if_open(saved_fd);
    saved_fd = -1;
}

void fault_disk_record(void)
{
    fault_disk_stop();
    is_recording = true;
    has_failed = false;
}

void fault_disk_lie(bool lying)
{
    is_lying = lying;
}

/* ---- files ---- */

static struct file *find_file(int fd)
{
    struct stat st;
    if (!is_recording || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return NULL;
    for (struct file *f = files; f != NULL; f = f->next)
        if (f->dev == st.st_dev && f->ino == st.st_ino)
            return f;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    struct file *f = must(calloc(1, sizeof *f));
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->last = &f->first;
    f->fd = open(link, O_RDWR | O_CLOEXEC);
    f->size = (size_t)st.st_size;
    f->image = must(calloc(1, f->size + 1));
    size_t got = 0;
    if (f->fd < 0 || ol__fs_read_at(&ol__fs_real, f->fd, f->image, f->size, 0, &got, NULL) != OL_OK)
        complain("follow a file");
    f->next = files;
    files = f;
    return f;
}

void fault_disk_before_write(int fd)
{
    int saved = errno;
    find_file(fd);
    errno = saved;
}

static void add_change(int fd, bool is_truncation, off_t offset, const void *data, size_t size)
{
    struct file *f = find_file(fd);
    if (f == NULL)
        return;
    struct change *c = must(malloc(sizeof *c + size));
    *c = (struct change){.is_truncation = is_truncation, .offset = offset, .size = size};
    if (size > 0)
        memcpy(c->data, data, size);
    *f->last = c;
    f->last = &c->next;
}

void fault_disk_wrote(int fd, const void *data, size_t size, off_t offset)
{
    add_change(fd, false, offset, data, size);
}

void fault_disk_truncated(int fd, off_t size)
{
    add_change(fd, true, size, NULL, 0);
}

static void resize_image(struct file *f, size_t size)
{
    f->image = must(realloc(f->image, size + 1));
    if (size > f->size)
        memset(f->image + f->size, 0, size - f->size);
    f->size = size;
}

static void apply_piece(struct file *f, size_t offset, const uint8_t *data, size_t size)
{
    if (offset + size > f->size)
        resize_image(f, offset + size);
    memcpy(f->image + offset, data, size);
}

static void sync_file(struct file *f)
{
    for (const struct change *c = f->first; c != NULL; c = c->next) {
        if (c->is_truncation)
            resize_image(f, (size_t)c->offset);
        else
            apply_piece(f, (size_t)c->offset, c->data, c->size);
    }
    forget_changes(f);
}

void fault_disk_synced(int fd, bool failed)
{
    struct stat st;
    if (!is_recording || fstat(fd, &st) != 0)
        return;
    if (S_ISDIR(st.st_mode)) {
        for (struct name *n = names; n != NULL && !failed && !is_lying; n = n->older)
            if (n->dev == st.st_dev && n->ino == st.st_ino)
                n->is_durable = true;
        return;
    }
    struct file *f = find_file(fd);
    if (f == NULL)
        return;
    if (failed)
        forget_changes(f); /* promise 2 */
    else if (!is_lying)
        sync_file(f);
}

/* ---- names ---- */

/* Open the directory that holds the last part of @p path, which goes to @p base. */
static int open_parent(int dirfd, const char *path, char base[256])
{
    char parent[4096];
    const char *slash = strrchr(path, '/');
    snprintf(base, 256, "%s", slash != NULL ? slash + 1 : path);
    if (slash == NULL)
        snprintf(parent, sizeof parent, ".");
    else
        snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        complain("open a directory");
    return fd;
}

static struct name *add_name(enum name_op op, int dirfd, const char *path)
{
    struct name *n = must(calloc(1, sizeof *n));
    n->op = op;
    n->from_dirfd = -1;
    n->saved_fd = -1;
    n->dirfd = open_parent(dirfd, path, n->name);
    struct stat st = {0};
    if (n->dirfd >= 0 && fstat(n->dirfd, &st) != 0)
        complain("stat a directory");
    n->dev = st.st_dev;
    n->ino = st.st_ino;
    n->older = names;
    names = n;
    return n;
}

void fault_disk_opened(int fd, int dirfd, const char *name, int flags, bool is_new)
{
    if (!is_recording)
        return;
    int saved = errno;
    if ((flags & O_ACCMODE) != O_RDONLY)
        find_file(fd);
    if (is_new)
        add_name(OP_CREATED, dirfd, name);
    errno = saved;
}

bool fault_disk_before_name_lost(int dirfd, const char *name)
{
    if (!is_recording)
        return false;
    close_if_open(saved_fd);
    saved_fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    return saved_fd >= 0;
}

void fault_disk_unlinked(int dirfd, const char *name, bool is_directory)
{
    if (!is_recording)
        return;
    struct name *n = add_name(is_directory ? OP_REMOVED : OP_UNLINKED, dirfd, name);
    n->saved_fd = saved_fd;
    saved_fd = -1;
}

void fault_disk_renamed(int olddir, const char *oldname, int newdir, const char *newname)
{
    if (!is_recording)
        return;
    if (names != NULL && names->op == OP_UNLINKED && strcmp(names->name, newname) == 0)
        names->is_replaced = true;
    struct name *n = add_name(OP_RENAMED, newdir, newname);
    n->from_dirfd = open_parent(olddir, oldname, n->from);
}

void fault_disk_linked(int dirfd, const char *name)
{
    if (is_recording)
        add_name(OP_CREATED, dirfd, name);
}

void fault_disk_made_directory(int dirfd, const char *name)
{
    if (is_recording)
        add_name(OP_MADE, dirfd, name);
}

/* ---- the cut ---- */

static uint64_t random_state;

static unsigned draw(unsigned below)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = (random_state ^ random_state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ z >> 31) % below);
}

/* Keep some sectors of the changes, then make the file so. */
static void cut_file(struct file *f, unsigned long seed)
{
    size_t end = f->size;
    for (const struct change *c = f->first; c != NULL && seed != 0; c = c->next) {
        if (c->is_truncation) {
            if (draw(2) == 0)
                resize_image(f, (size_t)c->offset);
            continue;
        }
        end = OL_MAX(end, (size_t)c->offset + c->size);
        for (size_t at = 0; at < c->size;) {
            size_t offset = (size_t)c->offset + at;
            size_t piece = OL_MIN(c->size - at, SECTOR - offset % SECTOR);
            if (draw(2) == 0)
                apply_piece(f, offset, c->data + at, piece);
            at += piece;
        }
    }
    if (seed != 0 && draw(4) == 0 && end > f->size)
        resize_image(f, end); /* the size was written, the data was not */
    if (ftruncate(f->fd, 0) != 0 ||
        ol__fs_write_at(&ol__fs_real, f->fd, f->image, f->size, 0, NULL) != OL_OK)
        complain("restore a file");
}

/* Mark which names survive: all durable ones, and of the others the oldest few of each directory.
 */
static void choose_names(unsigned long seed)
{
    for (const struct name *d = names; d != NULL; d = d->older) {
        size_t open_count = 0;
        bool is_first = true;
        for (const struct name *n = names; n != d; n = n->older)
            is_first = is_first && !(n->dev == d->dev && n->ino == d->ino);
        if (!is_first)
            continue; /* this directory was done */
        for (const struct name *n = d; n != NULL; n = n->older)
            open_count += n->dev == d->dev && n->ino == d->ino && !n->is_durable;
        size_t lose = seed == 0 ? open_count : draw((unsigned)open_count + 1);
        size_t place = 0;
        bool newer_is_kept = true;
        for (struct name *n = names; n != NULL; n = n->older) {
            if (n->dev != d->dev || n->ino != d->ino)
                continue;
            n->is_kept = n->is_durable || place++ >= lose;
            if (n->is_replaced)
                n->is_kept = newer_is_kept; /* promise 3: it goes as its rename goes */
            newer_is_kept = n->is_kept;
        }
    }
}

/* Give a removed file its name again: by a link, or as a copy when no other name is left. */
static void restore_file(const struct name *n)
{
    struct stat st;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", n->saved_fd);
    if (n->saved_fd < 0 || fstat(n->saved_fd, &st) != 0) {
        complain("restore a name");
        return;
    }
    if (st.st_nlink > 0 && linkat(AT_FDCWD, link, n->dirfd, n->name, AT_SYMLINK_FOLLOW) == 0)
        return;
    int fd = openat(n->dirfd, n->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 07777);
    size_t size = (size_t)st.st_size;
    uint8_t *data = must(malloc(size + 1));
    size_t got = 0;
    if (fd < 0 || ol__fs_read_at(&ol__fs_real, n->saved_fd, data, size, 0, &got, NULL) != OL_OK ||
        ol__fs_write_at(&ol__fs_real, fd, data, got, 0, NULL) != OL_OK)
        complain("restore a removed file");
    free(data);
    close_if_open(fd);
}

static void undo_name(const struct name *n)
{
    int result = 0;
    switch (n->op) {
    case OP_CREATED:
        result = unlinkat(n->dirfd, n->name, 0);
        break;
    case OP_MADE:
        result = unlinkat(n->dirfd, n->name, AT_REMOVEDIR);
        break;
    case OP_RENAMED:
        result = renameat(n->dirfd, n->name, n->from_dirfd, n->from);
        break;
    case OP_REMOVED:
        result = mkdirat(n->dirfd, n->name, 0700);
        break;
    case OP_UNLINKED:
        restore_file(n);
        break;
    }
    /* Another directory's later change may have survived and moved it away or filled it. */
    if (result != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
        complain("take a name back");
}

bool fault_disk_power_cut(unsigned long seed)
{
    random_state = seed;
    if (is_recording && seed != 1) {
        for (struct file *f = files; f != NULL; f = f->next)
            cut_file(f, seed);
        choose_names(seed);
        for (const struct name *n = names; n != NULL; n = n->older)
            if (!n->is_kept)
                undo_name(n);
    }
    fault_disk_stop();
    return !has_failed;
}
