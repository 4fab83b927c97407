/* SPDX-License-Identifier: Apache-2.0 */
/* Promises (spec/RECEIPT.md, R11):
 *  1. Under a name stands what has that hash, whole, or nothing; one that was damaged is written
 *     anew by the next who keeps the same.
 *  2. What is text is redacted before it reaches the disk.
 *  3. What is kept again is young again, or written anew: nobody who cleans up takes it away before
 * a receipt can name it. */
#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "json_write.h"
#include "redact.h"

void receipt_object_path(const char *sha256, char out[RECEIPT_OBJECT_PATH])
{
    snprintf(out, RECEIPT_OBJECT_PATH, "objects/%.2s/%.*s", sha256, OL_SHA256_TEXT - 2, sha256 + 2);
}

/* The folder @p name in @p dirfd, made if need be. */
static ol_status open_folder(int dirfd, const char *name, int *ret, struct ol_error *err)
{
    bool is_new = mkdirat(dirfd, name, 0777) == 0;
    if (!is_new && errno != EEXIST)
        return ol__error_set_errno(err, errno, "folder '%s' of kept content", name);
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || (is_new && fsync(dirfd) != 0)) {
        ol_status status = ol__error_set_errno(err, errno, "folder '%s' of kept content", name);
        if (fd >= 0)
            close(fd);
        return status;
    }
    *ret = fd;
    return OL_OK;
}

/* Whether the bytes of that hash stand there already. */
static bool is_kept(int dirfd, const char *name, const char *sha256)
{
    char found[OL_SHA256_TEXT + 1];
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool is_same = ol__sha256_file(fd, RECEIPT_KEEP_LIMIT_MAX, found, NULL, NULL) == OL_OK &&
                   strcmp(found, sha256) == 0;
    close(fd);
    /* Promise 3: by its name, so that one that lineage gc has put aside is not there any more. */
    return is_same && utimensat(dirfd, name, NULL, AT_SYMLINK_NOFOLLOW) == 0;
}

ol_status receipt_object_put(const char *runs, struct ol__span bytes,
                             char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    int runs_fd = -1, objects_fd = -1, fd = -1;
    char folder[3];
    ol_status status = receipt_hash(bytes, ret_sha256, err);
    if (status == OL_OK)
        status = ol__fs_open_directory(runs, &runs_fd, err);
    if (status == OL_OK)
        status = open_folder(runs_fd, "objects", &objects_fd, err);
    snprintf(folder, sizeof folder, "%.2s", status == OL_OK ? ret_sha256 : "");
    if (status == OL_OK)
        status = open_folder(objects_fd, folder, &fd, err);
    if (status == OL_OK && !is_kept(fd, ret_sha256 + 2, ret_sha256))
        status =
            ol__fs_replace(&ol__fs_real, fd, ret_sha256 + 2, bytes.data, bytes.size, 0444, err);
    if (runs_fd >= 0)
        close(runs_fd);
    if (objects_fd >= 0)
        close(objects_fd);
    if (fd >= 0)
        close(fd);
    return status;
}

ol_status receipt_object_keep(const char *runs, struct ol__span bytes, struct receipt_kept *ret,
                              struct ol_error *err)
{
    struct ol__buf shown;
    ol_status status = OL_OK;
    ret->original[0] = '\0';
    ol__buf_init(&shown, RECEIPT_KEEP_LIMIT_MAX * 2);
    if (redact_is_text(bytes) && redact_content(bytes, &shown)) { /* 2 */
        status = receipt_hash(bytes, ret->original, err);
        ret->original_size = (int64_t)bytes.size;
        if (shown.status != OL_OK)
            status = ol__error_set(err, OL_NOMEM, "kept content: out of memory");
        bytes = (struct ol__span){.data = shown.data, .size = shown.size};
    }
    ret->size = (int64_t)bytes.size;
    if (status == OL_OK)
        status = receipt_object_put(runs, bytes, ret->sha256, err);
    ol__buf_release(&shown);
    return status;
}

static ol_status refuse(struct receipt_kept *ret, ol_status status, const char *path,
                        const char *reason, struct ol_error *err)
{
    ret->reason = reason;
    return ol__error_set(err, status, "'%s' is not kept: %s", path, reason);
}

/* All of it, as it was at one time. */
static ol_status read_stable(int fd, const char *path, uint64_t limit, struct ol__buf *out,
                             struct receipt_kept *ret, struct ol_error *err)
{
    struct stat before, after;
    size_t got = 0;
    if (fstat(fd, &before) != 0)
        return ol__error_set_errno(err, errno, "'%s'", path);
    if (!S_ISREG(before.st_mode))
        return refuse(ret, OL_INVALID, path, "no regular file", err);
    ret->size = before.st_size;
    if ((uint64_t)before.st_size > limit)
        return refuse(ret, OL_TOO_LARGE, path, "larger than --keep-limit", err);
    char *room = ol__buf_room(out, (size_t)before.st_size + 1);
    if (room == NULL)
        return ol__error_set(err, OL_NOMEM, "'%s': out of memory", path);
    ol_status status =
        ol__fs_read_at(&ol__fs_real, fd, room, (size_t)before.st_size + 1, 0, &got, err);
    if (status != OL_OK)
        return status;
    ol__buf_grow(out, got);
    if (fstat(fd, &after) != 0 || !ol__fs_is_unchanged(&before, &after) ||
        got != (size_t)before.st_size)
        return refuse(ret, OL_AGAIN, path, "changed while it was read", err);
    return OL_OK;
}

ol_status receipt_object_keep_file(const char *runs, const char *path, uint64_t limit,
                                   struct receipt_kept *ret, struct ol_error *err)
{
    struct ol__buf text;
    ret->size = -1;
    ret->sha256[0] = ret->original[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "'%s'", path);
    ol__buf_init(&text, RECEIPT_KEEP_LIMIT_MAX + 64);
    ol_status status =
        read_stable(fd, path, OL_MIN(limit, RECEIPT_KEEP_LIMIT_MAX), &text, ret, err);
    close(fd);
    if (status == OL_OK)
        status = receipt_object_keep(
            runs, (struct ol__span){.data = text.data != NULL ? text.data : "", .size = text.size},
            ret, err);
    ol__buf_release(&text);
    return status;
}

void receipt_write_kept(const struct receipt_kept *items, size_t count, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        const struct receipt_kept *k = &items[i];
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "path", k->path);
        ol__json_member_text_opt(&w, "at", k->at);
        ol__json_member_text_opt(&w, "sha256", k->sha256[0] != '\0' ? k->sha256 : NULL);
        if (k->size >= 0)
            ol__json_member_int(&w, "size", k->size);
        ol__json_member_text_opt(&w, "media_type", k->media_type);
        if (k->original[0] != '\0') {
            ol__json_key(&w, "original");
            ol__json_begin_object(&w);
            ol__json_member_text(&w, "sha256", k->original);
            ol__json_member_int(&w, "size", k->original_size);
            ol__json_end_object(&w);
        }
        ol__json_member_text_opt(&w, "reason", k->reason);
        ol__json_end_object(&w);
    }
    ol__json_end_array(&w);
}
