/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/fs.h>
#include "artifact_lines.h"
#include "ids.h"
#include "json_write.h"
#include "times.h"
#include "utf8.h"

#define DEPTH_MAX 16       /* folders below the run's */
#define FILES_MAX 10000000 /* 10,000 steps with 1,000 files each */
#define PATH_SIZE 4096

struct walk {
    struct receipt_listing *listing;
    struct ol_error *err;
    char path[PATH_SIZE]; /* within the run's folder, "" at its top */
};

static ol_status add_file(struct walk *w, int dirfd, const char *name)
{
    struct receipt_listing *l = w->listing;
    if (l->count == FILES_MAX)
        return ol__error_set(w->err, OL_TOO_LARGE, "'%s': more than %d files", w->path, FILES_MAX);
    if (l->count == l->cap) {
        struct receipt_file *items = ol__grow(l->items, &l->cap, sizeof *items);
        if (items == NULL)
            return ol__error_set(w->err, OL_NOMEM, "listing: out of memory");
        l->items = items;
    }
    struct receipt_file *file = &l->items[l->count];
    *file = (struct receipt_file){.path = strdup(w->path)};
    if (file->path == NULL)
        return ol__error_set(w->err, OL_NOMEM, "listing: out of memory");
    l->count++;
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return ol__error_set_errno(w->err, errno, "'%s'", w->path);
    ol_status status = ol__sha256_file(fd, 0, file->sha256, NULL, w->err);
    close(fd);
    return status;
}

/* "link  PATH -> TARGET": what it leads to is not looked at. */
static ol_status write_other(struct walk *w, int dirfd, const char *name, mode_t mode,
                             struct ol__buf *line)
{
    char target[PATH_SIZE];
    if (!S_ISLNK(mode)) {
        artifact_mark_add(line,
                          S_ISFIFO(mode)   ? "fifo"
                          : S_ISSOCK(mode) ? "socket"
                                           : "device",
                          w->path);
        return line->status;
    }
    ssize_t size = readlinkat(dirfd, name, target, sizeof target);
    if (size < 0)
        return ol__error_set_errno(w->err, errno, "link '%s'", w->path);
    if ((size_t)size == sizeof target)
        return ol__error_set(w->err, OL_TOO_LARGE, "link '%s': its target has more than %d bytes",
                             w->path, PATH_SIZE - 1);
    target[size] = '\0';
    if (ol__utf8_find_bad((struct ol__span){target, (size_t)size}) != (size_t)size)
        w->listing->unnamed++;
    else
        artifact_link_add(line, w->path, target);
    return line->status;
}

static ol_status add_other(struct walk *w, int dirfd, const char *name, mode_t mode)
{
    struct receipt_listing *l = w->listing;
    struct ol__buf line;
    if (l->other_count == FILES_MAX)
        return ol__error_set(w->err, OL_TOO_LARGE, "'%s': more than %d links", w->path, FILES_MAX);
    if (l->other_count == l->other_cap) {
        struct receipt_other *others = ol__grow(l->others, &l->other_cap, sizeof *others);
        if (others == NULL)
            return ol__error_set(w->err, OL_NOMEM, "listing: out of memory");
        l->others = others;
    }
    ol__buf_init(&line, (size_t)PATH_SIZE * 5);
    ol_status status = write_other(w, dirfd, name, mode, &line);
    if (status == OL_OK && line.size > 0) {
        struct receipt_other other = {.path = strdup(w->path),
                                      .line = strndup(line.data, line.size - 1)}; /* no newline */
        if (other.path != NULL && other.line != NULL) {
            l->others[l->other_count++] = other;
        } else {
            free(other.path);
            free(other.line);
            status = ol__error_set(w->err, OL_NOMEM, "listing: out of memory");
        }
    }
    ol__buf_release(&line);
    return status;
}

static bool is_listed(const char *path, const char *name)
{
    return name[0] != '.' && strcmp(path, "seal.json") != 0 && strcmp(path, "last") != 0;
}

static ol_status walk_folder(struct walk *w, int dirfd, const char *name, int depth);

static ol_status walk_entry(struct walk *w, int dirfd, const char *name, int depth)
{
    struct stat st;
    size_t used = strlen(w->path);
    ol_status status = OL_OK;
    int size = snprintf(w->path + used, sizeof w->path - used, "%s%s", used > 0 ? "/" : "", name);
    if (size < 0 || (size_t)size >= sizeof w->path - used)
        status = ol__error_set(w->err, OL_TOO_LARGE, "'%.100s...': a path of more than %d bytes",
                               w->path, PATH_SIZE - 1);
    else if (!is_listed(w->path, name))
        status = OL_OK;
    else if (ol__utf8_find_bad(ol__span_text(name)) != strlen(name))
        w->listing->unnamed++;
    else if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        status = errno == ENOENT ? OL_OK : ol__error_set_errno(w->err, errno, "'%s'", w->path);
    else if (S_ISDIR(st.st_mode))
        status = walk_folder(w, dirfd, name, depth + 1);
    else if (S_ISREG(st.st_mode))
        status = add_file(w, dirfd, name);
    else
        status = add_other(w, dirfd, name, st.st_mode);
    w->path[used] = '\0';
    return status;
}

static ol_status walk_folder(struct walk *w, int dirfd, const char *name, int depth)
{
    if (depth > DEPTH_MAX)
        return ol__error_set(w->err, OL_TOO_LARGE, "'%s': more than %d folders deep", w->path,
                             DEPTH_MAX);
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        ol_status status = ol__error_set_errno(w->err, errno, "folder '%s'", w->path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    ol_status status = OL_OK;
    for (const struct dirent *entry; status == OL_OK && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = walk_entry(w, fd, entry->d_name, depth);
    }
    closedir(dir);
    return status;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct receipt_file *)a)->path, ((const struct receipt_file *)b)->path);
}

static int compare_others(const void *a, const void *b)
{
    return strcmp(((const struct receipt_other *)a)->path, ((const struct receipt_other *)b)->path);
}

ol_status receipt_list(const struct receipt_folder *folder, struct receipt_listing *listing,
                       struct ol_error *err)
{
    struct walk w = {.listing = listing, .err = err};
    ol__sha256_read_no_config();
    ol_status status = walk_folder(&w, folder->fd, ".", 0);
    if (listing->count > 0)
        qsort(listing->items, listing->count, sizeof *listing->items, compare);
    if (listing->other_count > 0)
        qsort(listing->others, listing->other_count, sizeof *listing->others, compare_others);
    return status;
}

void receipt_listing_release(struct receipt_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->items[i].path);
    for (size_t i = 0; i < listing->other_count; i++) {
        free(listing->others[i].path);
        free(listing->others[i].line);
    }
    free(listing->others);
    free(listing->items);
    *listing = (struct receipt_listing){0};
}

const struct receipt_file *receipt_find(const struct receipt_listing *listing, const char *path)
{
    size_t low = 0, high = listing->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(listing->items[middle].path, path);
        if (order == 0)
            return &listing->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- the seal ---- */

static ol_status write_seal(const struct receipt_folder *folder, const char *how, int64_t now_ms,
                            const struct receipt_listing *listing, struct ol__buf *out,
                            struct ol_error *err)
{
    char now[OL_TIME_TEXT + 1];
    struct ol__json_writer w;
    struct ol__buf line, text;
    ol__buf_init(&line, RECEIPT_SEAL_MAX);
    ol__buf_init(&text, PATH_SIZE * 2);
    ol__time_format(now_ms, now);
    ol__json_writer_init(&w, &line);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "schema", RECEIPT_SCHEMA("ReceiptSeal"));
    ol__json_member_text(&w, "run_id", folder->run_id);
    ol__json_member_text(&w, "sealed_at", now);
    ol__json_member_text(&w, "status", how);
    ol__json_key(&w, "receipts");
    ol__json_begin_array(&w);
    for (size_t i = 0; i < listing->count; i++) {
        ol__buf_reset(&text);
        artifact_line_add(&text, listing->items[i].sha256, listing->items[i].path);
        if (text.status == OL_OK)
            ol__json_span(&w, (struct ol__span){text.data, text.size - 1}); /* no newline */
    }
    ol__json_end_array(&w);
    if (listing->other_count > 0) {
        ol__json_key(&w, "others");
        ol__json_begin_array(&w);
        for (size_t i = 0; i < listing->other_count; i++)
            ol__json_text(&w, listing->others[i].line);
        ol__json_end_array(&w);
    }
    ol__json_member_text(&w, "writer", "lineage/" OL_VERSION);
    ol__json_end_object(&w);
    if (line.status == OL_OK)
        receipt_indent((struct ol__span){.data = line.data, .size = line.size}, out);
    ol_status status = line.status != OL_OK   ? line.status
                       : text.status != OL_OK ? text.status
                                              : out->status;
    ol__buf_release(&line);
    ol__buf_release(&text);
    return status == OL_OK ? OL_OK
                           : ol__error_set(err, status, "seal.json: %s", ol_status_name(status));
}

/* Only where there is none: of several that end a run at once one does. @return OL_BUSY: another.
 */
static ol_status put_once(const struct receipt_folder *folder, struct ol__span bytes,
                          struct ol_error *err)
{
    char name[48];
    uint32_t random;
    ol__random(&random, sizeof random);
    snprintf(name, sizeof name, ".seal.json.%08x.tmp", random);
    ol_status status = receipt_put(folder->fd, name, bytes, err);
    if (status != OL_OK)
        return status;
    int result = linkat(folder->fd, name, folder->fd, "seal.json", 0), reason = errno;
    if (result != 0 && reason != EEXIST) { /* no hard links */
        result = renameat2(folder->fd, name, folder->fd, "seal.json", RENAME_NOREPLACE);
        reason = errno;
    }
    OL_IGNORE(unlinkat(folder->fd, name, 0) != 0, "names like it mean nothing");
    if (result == 0 && fsync(folder->fd) == 0)
        return OL_OK;
    return result != 0 && reason == EEXIST
               ? ol__error_set(err, OL_BUSY, "run '%s' is sealed already", folder->run_id)
               : ol__error_set_errno(err, result != 0 ? reason : errno, "run '%s': seal.json",
                                     folder->run_id);
}

ol_status receipt_seal(const struct receipt_folder *folder, const char *how, int64_t now_ms,
                       char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    struct receipt_listing listing = {0};
    struct ol__buf text;
    if (receipt_is_sealed(folder))
        return ol__error_set(err, OL_BUSY, "run '%s' is sealed already", folder->run_id);
    ol__buf_init(&text, RECEIPT_SEAL_MAX);
    ol_status status = receipt_list(folder, &listing, err);
    if (status == OL_OK)
        status = write_seal(folder, how, now_ms, &listing, &text, err);
    const struct ol__span bytes = {.data = text.data, .size = text.size};
    if (status == OL_OK)
        status = receipt_hash(bytes, ret_sha256, err);
    if (status == OL_OK)
        status = put_once(folder, bytes, err);
    receipt_listing_release(&listing);
    ol__buf_release(&text);
    return status;
}
