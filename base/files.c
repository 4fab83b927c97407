/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. ol__fs_replace() returns OL_OK only after the bytes, the name and the directory were synced,
 * in this order; at any other result the name holds the old bytes or the new, never a mixture.
 *  2. A sync that failed is not tried again: its file is given up. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include "ids.h"

static int real_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    return openat(dirfd, path, flags, mode);
}

const struct ol__fs ol__fs_real = {
    .openat = real_openat,
    .close = close,
    .pread = pread,
    .write = write,
    .pwrite = pwrite,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .ftruncate = ftruncate,
    .fstat = fstat,
    .fstatvfs = fstatvfs,
    .renameat = renameat,
    .linkat = linkat,
    .unlinkat = unlinkat,
    .mkdirat = mkdirat,
    .flock = flock,
};

int ol__fs_above_standard(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int saved = errno;
    close(fd);
    errno = saved;
    return moved;
}

ol_status ol__fs_read_at(const struct ol__fs *fs, int fd, void *data, size_t size, off_t offset,
                         size_t *ret_size, struct ol_error *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = fs->pread(fd, (char *)data + done, size - done, offset + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int reason = errno;
            OL_IGNORE(ol__error_set_errno(err, reason, "read %zu bytes at offset %lld", size,
                                          (long long)offset),
                      "reading has one kind of failure");
            if (err != NULL)
                err->status = OL_IO;
            return OL_IO;
        }
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_size = done;
    return OL_OK;
}

static ol_status write_failed(int reason, size_t size, off_t offset, struct ol_error *err)
{
    ol_status status =
        ol__error_set_errno(err, reason, "write %zu bytes at offset %lld", size, (long long)offset);
    if (status == OL_FULL)
        return status;
    if (err != NULL)
        err->status = OL_IO;
    return OL_IO;
}

ol_status ol__fs_write_at(const struct ol__fs *fs, int fd, const void *data, size_t size,
                          off_t offset, struct ol_error *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t put = fs->pwrite(fd, (const char *)data + done, size - done, offset + (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) /* nothing taken and no reason given: as a full disk */
            return write_failed(put < 0 ? errno : ENOSPC, size, offset, err);
        done += (size_t)put;
    }
    return OL_OK;
}

static ol_status sync_directory(const struct ol__fs *fs, int dirfd, const char *name,
                                struct ol_error *err)
{
    int fd = fs->openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "file '%s': open its directory", name);
    ol_status status = OL_OK;
    if (fs->fsync(fd) != 0)
        status = ol__error_set_errno(err, errno, "file '%s': sync its directory", name);
    OL_IGNORE(fs->close(fd), "read only");
    return status;
}

/* The outcomes that are documented. */
static ol_status narrow(ol_status status, struct ol_error *err)
{
    if (status == OL_OK || status == OL_FULL || status == OL_DENIED)
        return status;
    if (err != NULL)
        err->status = OL_IO;
    return OL_IO;
}

ol_status ol__fs_create(const struct ol__fs *fs, int dirfd, const char *name, const void *data,
                        size_t size, mode_t mode, struct ol_error *err)
{
    int fd = fs->openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return narrow(ol__error_set_errno(err, errno, "file '%s': create", name), err);
    ol_status status = ol__fs_write_at(fs, fd, data, size, 0, err);
    if (status != OL_OK)
        OL_IGNORE(ol__error_prefix(err, status, "file '%s'", name), "status is returned");
    else if (fs->fsync(fd) != 0)
        status = ol__error_set_errno(err, errno, "file '%s': sync", name);
    if (fs->close(fd) != 0 && status == OL_OK)
        status = ol__error_set_errno(err, errno, "file '%s': close", name);
    if (status != OL_OK)
        OL_IGNORE(fs->unlinkat(dirfd, name, 0), "the failure is reported");
    return narrow(status, err);
}

ol_status ol__fs_replace(const struct ol__fs *fs, int dirfd, const char *name, const void *data,
                         size_t size, mode_t mode, struct ol_error *err)
{
    char temporary[256];
    uint32_t random = 0;
    ol__random(&random, sizeof random);
    int length = snprintf(temporary, sizeof temporary, ".%s.%08x.tmp", name, random);
    if (length < 0 || (size_t)length >= sizeof temporary)
        return narrow(ol__error_set_errno(err, ENAMETOOLONG, "file '%s'", name), err);
    ol_status status = ol__fs_create(fs, dirfd, temporary, data, size, mode, err);
    if (status != OL_OK)
        return status;
    if (fs->renameat(dirfd, temporary, dirfd, name) != 0) {
        status = ol__error_set_errno(err, errno, "file '%s': rename from '%s'", name, temporary);
        OL_IGNORE(fs->unlinkat(dirfd, temporary, 0), "the failure is reported");
        return narrow(status, err);
    }
    return narrow(sync_directory(fs, dirfd, name, err), err);
}

static ol_status read_to_end(const struct ol__fs *fs, int fd, const char *path, struct ol__buf *out,
                             struct ol_error *err)
{
    const size_t step = 65536;
    size_t start = out->size;
    for (;;) {
        /* One byte past the ceiling cannot be asked for; a full buffer is tried with one byte
         * aside. */
        size_t room = OL_MIN(step, out->max - out->size);
        char aside = 0;
        char *to = room > 0 ? ol__buf_room(out, room) : &aside;
        if (to == NULL)
            return ol__error_set(err, out->status, "file '%s': out of memory", path);
        size_t got = 0;
        ol_status status =
            ol__fs_read_at(fs, fd, to, room > 0 ? room : 1, (off_t)(out->size - start), &got, err);
        if (status != OL_OK)
            return ol__error_prefix(err, status, "file '%s'", path);
        if (room == 0)
            return got == 0 ? OL_OK
                            : ol__error_set(err, OL_TOO_LARGE, "file '%s': more than %zu bytes",
                                            path, out->max - start);
        ol__buf_grow(out, got);
        if (got < room)
            return OL_OK;
    }
}

ol_status ol__fs_read_file(const struct ol__fs *fs, int dirfd, const char *path,
                           struct ol__buf *out, struct ol_error *err)
{
    if (out->status != OL_OK)
        return ol__error_set(err, out->status, "file '%s': the buffer had failed before", path);
    int fd = fs->openat(dirfd, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "file '%s': open", path);
    size_t start = out->size;
    ol_status status = read_to_end(fs, fd, path, out, err);
    OL_IGNORE(fs->close(fd), "read only");
    if (status != OL_OK && out->data != NULL)
        ol__buf_truncate(out, start);
    return status;
}

/* One directory of the chain; that it is there already is as good. */
static ol_status make_directory(const char *path, mode_t mode, struct ol_error *err)
{
    if (mkdir(path, mode) == 0)
        return OL_OK;
    int reason = errno;
    struct stat st;
    /* Not only EEXIST: a read-only or foreign parent answers otherwise for one that exists. */
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return OL_OK;
    if (reason == EEXIST)
        reason = ENOTDIR;
    return narrow(ol__error_set_errno(err, reason, "directory '%s': create", path), err);
}

ol_status ol__fs_make_directories(const char *path, mode_t mode, struct ol_error *err)
{
    char part[4096];
    size_t size = strlen(path);
    if (size == 0)
        return narrow(ol__error_set_errno(err, ENOENT, "directory ''"), err);
    if (size >= sizeof part)
        return narrow(ol__error_set_errno(err, ENAMETOOLONG, "directory '%.100s...'", path), err);
    memcpy(part, path, size + 1);
    for (size_t i = 1; i < size; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = '\0';
        ol_status status = make_directory(part, mode, err);
        if (status != OL_OK)
            return status;
        part[i] = '/';
    }
    return make_directory(part, mode, err);
}

ol_status ol__fs_open_directory(const char *path, int *ret, struct ol_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "directory '%s': open", path);
    *ret = fd;
    return OL_OK;
}
