/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of files (promise 4 of run.c).
 *
 *  1. An input's version is of the bytes that were there before the command started: what is hashed
 * has the identity, size and times that were seen then.
 *  2. A file that changes while it is hashed has no version. A change shows in the file's times,
 * which move in steps of a clock tick: a file that was changed within this tick is looked at again
 * in the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "run_files.h"

#define OPEN_MAX_INPUTS 256 /* the others are found by name when their turn comes */
#define BLOCK_SIZE ((size_t)1 << 20)
#define TICK_WAIT_MAX_MS 20 /* a file from a clock ahead of ours is not waited for */

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

/** The file that @p text names on this machine, owned; NULL: none, its version is given, or out of
 * memory. */
static char *local_path(const char *text)
{
    char name_space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE],
        version[OL_DATASET_VERSION_SIZE];
    if (ol_dataset_name(text, name_space, sizeof name_space, name, sizeof name, version,
                        sizeof version, NULL) != OL_OK ||
        strcmp(name_space, "file") != 0 || version[0] != '\0')
        return NULL;
    return strdup(name);
}

void run_files_declare(struct run_files *files, struct ol_run *run)
{
    for (size_t i = 0; i < files->count; i++) {
        struct run_file *f = &files->items[i];
        f->dataset =
            f->side == RUN_INPUT ? ol_run_input(run, f->text) : ol_run_output(run, f->text);
        f->size = -1;
        f->reason = "no file of this machine";
        if (files->hash_limit > 0)
            f->path = local_path(f->text);
        else
            f->reason = "nothing is hashed";
        if (f->path != NULL)
            f->reason = "not there";
    }
}

/** A descriptor of the regular file at @p path, or -1 and errno. Never blocks: a FIFO somebody
 * declared must not hold us. */
static int open_regular(const char *path, struct stat *st)
{
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

static bool is_time_equal(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/** Whether the content is as it was. Removing or renaming a file over it moves its ctime, too: then
 * its mtime alone has to tell. */
static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           is_time_equal(a->st_mtim, b->st_mtim) &&
           (a->st_nlink != b->st_nlink || is_time_equal(a->st_ctim, b->st_ctim));
}

/** Wait until a change of a file last changed at @p changed would show (2). */
static void wait_for_tick(struct timespec changed)
{
    static const struct timespec pause = {.tv_nsec = 1000 * 1000};
    for (int i = 0; i < TICK_WAIT_MAX_MS; i++) {
        struct timespec now;
        if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0 || now.tv_sec > changed.tv_sec ||
            (now.tv_sec == changed.tv_sec && now.tv_nsec > changed.tv_nsec))
            return;
        nanosleep(&pause, NULL);
    }
}

/** "sha256:..." of the open file, unless it is too large, is not as @p before says, or changes
 * (OL_END, and why). */
static ol_status hash_open(int fd, const struct stat *before, uint64_t limit,
                           bool (*is_hurried)(void), char out[RUN_VERSION_SIZE],
                           const char **ret_reason)
{
    struct stat after;
    struct ol__sha256 *hash;
    uint64_t hashed = 0;
    uint8_t sum[OL_SHA256_SIZE];
    *ret_reason = "larger than --hash-limit";
    if ((uint64_t)before->st_size > limit)
        return OL_END;
    *ret_reason = "out of memory";
    char *block = malloc(BLOCK_SIZE);
    if (block == NULL)
        return OL_NOMEM;
    ol__sha256_read_no_config(); /* the command is started meanwhile */
    ol_status st = ol__sha256_new(&hash, NULL);
    if (st != OL_OK) {
        free(block);
        return st;
    }
    for (;;) {
        ssize_t n = is_hurried != NULL && is_hurried() ? 0 : read(fd, block, BLOCK_SIZE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            st = OL_IO;
            *ret_reason = "cannot be read";
        }
        if (n <= 0)
            break;
        ol__sha256_add(hash, block, (size_t)n);
        hashed += (uint64_t)n;
        if (hashed > (uint64_t)before->st_size)
            break;
    }
    if (st == OL_OK && fstat(fd, &after) < 0)
        st = OL_IO;
    if (st == OL_OK && (!is_same(before, &after) || hashed != (uint64_t)after.st_size)) {
        *ret_reason = is_hurried != NULL && is_hurried() ? "there was no time to read it"
                                                         : "changed while it was read";
        st = OL_END;
    }
    if (st == OL_OK) {
        *ret_reason = NULL;
        ol__sha256_finish(hash, sum);
        snprintf(out, RUN_VERSION_SIZE, "sha256:");
        ol__hex(sum, sizeof sum, out + 7);
    }
    ol__sha256_free(hash);
    free(block);
    return st;
}

static ol_status hash_path(const char *path, uint64_t limit, bool (*is_hurried)(void),
                           char out[RUN_VERSION_SIZE], int64_t *ret_size, const char **ret_reason)
{
    struct stat before;
    int fd = open_regular(path, &before);
    *ret_size = -1;
    *ret_reason = errno == EINVAL ? "no regular file" : "not there, or cannot be opened";
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? OL_NOT_FOUND : OL_END;
    wait_for_tick(before.st_ctim);
    *ret_reason = "cannot be looked at";
    ol_status st =
        fstat(fd, &before) < 0 ? OL_IO : hash_open(fd, &before, limit, is_hurried, out, ret_reason);
    *ret_size = before.st_size;
    close(fd);
    return st;
}

ol_status run_files_hash_path(const char *path, uint64_t limit, char out[RUN_VERSION_SIZE])
{
    int64_t size;
    const char *reason;
    return hash_path(path, limit, NULL, out, &size, &reason);
}

void run_files_open_inputs(struct run_files *files)
{
    struct timespec latest = {0};
    size_t open_count = 0;
    for (size_t i = 0; i < files->count; i++) {
        struct run_file *f = &files->items[i];
        if (f->side != RUN_INPUT || f->path == NULL)
            continue;
        f->was_there = stat(f->path, &f->before) == 0 && S_ISREG(f->before.st_mode);
        if (f->was_there && open_count < OPEN_MAX_INPUTS) {
            struct stat st;
            f->fd = open_regular(f->path, &st); /* past EMFILE the rest is found by name */
            open_count += f->fd >= 0 ? 1 : 0;
        }
        const struct timespec *changed = &f->before.st_ctim;
        if (f->was_there &&
            (changed->tv_sec > latest.tv_sec ||
             (changed->tv_sec == latest.tv_sec && changed->tv_nsec > latest.tv_nsec)))
            latest = *changed;
    }
    if (latest.tv_sec == 0)
        return;
    wait_for_tick(latest);
    for (size_t i = 0; i < files->count; i++) { /* from here on each change shows (1) */
        struct run_file *f = &files->items[i];
        if (f->was_there)
            f->was_there = (f->fd >= 0 ? fstat(f->fd, &f->before) : stat(f->path, &f->before)) == 0;
    }
}

bool run_files_has_inputs(const struct run_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i].was_there)
            return true;
    }
    return false;
}

void *run_files_hash_inputs(void *arg)
{
    struct run_files *files = arg;
    for (size_t i = 0; i < files->count; i++) {
        struct run_file *f = &files->items[i];
        struct stat st;
        if (!f->was_there)
            continue;
        if (f->fd < 0)
            f->fd = open_regular(f->path, &st);
        f->size = f->before.st_size;
        f->reason = "cannot be opened";
        if (f->fd < 0)
            continue;
        OL_IGNORE(hash_open(f->fd, &f->before, files->hash_limit, files->is_hurried, f->version,
                            &f->reason) != OL_OK,
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
        if (f->side != RUN_OUTPUT || f->path == NULL)
            continue;
        ol_status st = hash_path(f->path, files->hash_limit, files->is_hurried, f->version,
                                 &f->size, &f->reason);
        if (st == OL_NOT_FOUND && !is_quiet)
            cli_say("output '%s' is not there after the command", f->text);
    }
}

void run_files_set_versions(struct run_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct run_file *f = &files->items[i];
        if (f->version[0] != '\0')
            OL_IGNORE(ol_dataset_set_dataset_version(
                          f->dataset, OL_MAKE(ol_dataset_version, .version = f->version)) < 0,
                      "the next emit reports it");
    }
}

ol_status run_files_list(const struct run_files *files, enum run_side side,
                         struct receipt_artifact **ret, size_t *ret_count)
{
    struct receipt_artifact *items = calloc(files->count + 1, sizeof *items);
    if (items == NULL)
        return OL_NOMEM;
    *ret = items;
    *ret_count = 0;
    for (size_t i = 0; i < files->count; i++) {
        const struct run_file *f = &files->items[i];
        bool is_hashed = f->version[0] != '\0';
        if (f->side != side)
            continue;
        items[(*ret_count)++] = (struct receipt_artifact){
            .path = f->text,
            .name_space = f->path != NULL ? "file" : NULL,
            .name = f->path,
            .sha256 = is_hashed ? f->version + sizeof "sha256:" - 1 : NULL,
            .size = f->size,
            .media_type = receipt_media_type(f->text),
            .kind = f->path != NULL ? "file" : "remote",
            .basis = is_hashed ? "computed" : "unknown",
            .reason = is_hashed ? NULL : f->reason};
    }
    return OL_OK;
}

void run_files_release(struct run_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i].fd >= 0)
            close(files->items[i].fd);
        free(files->items[i].path);
    }
    free(files->items);
    *files = (struct run_files){0};
}

bool run_files_parse_size(const char *text, uint64_t *ret)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0},     {"B", 0},  {"K", 10},   {"KiB", 10}, {"M", 20},
                 {"MiB", 20}, {"G", 30}, {"GiB", 30}, {"T", 40},   {"TiB", 40}};
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
