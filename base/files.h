/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_FILES_H
#define OL_FILES_H
/** @file
 * Files, behind a table of functions so that tests can make each call fail, tear or lie. What a
 * failed sync means here: the kernel may have thrown the dirty pages away and will report success
 * next time, so a file whose fdatasync failed is never synced or appended to again by its owner;
 * the bytes are written anew elsewhere. Threads: any, unless a file is shared.
 */
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include "buf.h"

/** The system calls that durable modules use; each as its manual page says, errno included. */
struct ol__fs {
    int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*pread)(int fd, void *data, size_t size, off_t offset);
    ssize_t (*write)(int fd, const void *data, size_t size);
    ssize_t (*pwrite)(int fd, const void *data, size_t size, off_t offset);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*ftruncate)(int fd, off_t size);
    int (*fstat)(int fd, struct stat *st);
    int (*fstatvfs)(int fd, struct statvfs *st);
    int (*renameat)(int olddir, const char *oldname, int newdir, const char *newname);
    int (*linkat)(int olddir, const char *oldname, int newdir, const char *newname, int flags);
    int (*unlinkat)(int dirfd, const char *name, int flags);
    int (*mkdirat)(int dirfd, const char *name, mode_t mode);
    int (*flock)(int fd, int operation);
};
/** The real ones. */
extern const struct ol__fs ol__fs_real;

/** Move a descriptor that is 0, 1 or 2 (the host has closed its own) to a number above, so that
 * nothing the host prints ends up in our file. Closes @p fd if it moves it; passes -1 on.
 *  @return the descriptor to use; -1 with errno set if there is no other. */
int ol__fs_above_standard(int fd);
/** Read up to @p size bytes at @p offset, retrying short reads and EINTR. @p ret_size is less than
 * size only at the end of the file. @return OL_OK, OL_IO. */
OL_NODISCARD ol_status ol__fs_read_at(const struct ol__fs *fs, int fd, void *data, size_t size,
                                      off_t offset, size_t *ret_size, struct ol_error *err);
/** Write all of it at @p offset, retrying short writes and EINTR. On failure what stands there is
 *  unknown. @return OL_OK, OL_FULL, OL_IO. */
OL_NODISCARD ol_status ol__fs_write_at(const struct ol__fs *fs, int fd, const void *data,
                                       size_t size, off_t offset, struct ol_error *err);
/** Make the new file @p name in @p dirfd, of exactly @p data, synced; its directory is not. Nothing
 * stands there after a failure, or what others had put there before. The umask applies to @p mode.
 * @return OL_OK, OL_FULL, OL_DENIED, OL_IO. */
OL_NODISCARD ol_status ol__fs_create(const struct ol__fs *fs, int dirfd, const char *name,
                                     const void *data, size_t size, mode_t mode,
                                     struct ol_error *err);
/** Make @p name in @p dirfd hold exactly @p data, or what it held before, through any crash:
 * temporary name, write, fsync, rename, fsync of the directory. A crash may leave the temporary,
 * ".NAME.8HEX.tmp", behind. The umask applies to @p mode. After a failure the old or the new bytes
 * stand there. @return OL_OK, OL_FULL, OL_DENIED, OL_IO. */
OL_NODISCARD ol_status ol__fs_replace(const struct ol__fs *fs, int dirfd, const char *name,
                                      const void *data, size_t size, mode_t mode,
                                      struct ol_error *err);
/** Append a whole file to @p out, which its ceiling bounds; on failure @p out keeps what it had.
 *  @return OL_OK, OL_NOT_FOUND, OL_DENIED, OL_TOO_LARGE, OL_NOMEM, OL_IO; and what else
 *  ol__error_set_errno() makes of a failing open. */
OL_NODISCARD ol_status ol__fs_read_file(const struct ol__fs *fs, int dirfd, const char *path,
                                        struct ol__buf *out, struct ol_error *err);
/** Whether a path that was @p a and is @p b now still leads to the same file, unchanged. */
static inline bool ol__fs_is_unchanged(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}
/** mkdir -p; @p mode for those it makes (umask applies). Absolute or relative to the working
 * directory.
 *  @return OL_OK, OL_DENIED, OL_FULL, OL_IO. */
OL_NODISCARD ol_status ol__fs_make_directories(const char *path, mode_t mode, struct ol_error *err);
/** Open a directory for use as a dirfd. @return OL_OK, OL_NOT_FOUND, OL_DENIED, OL_IO. */
OL_NODISCARD ol_status ol__fs_open_directory(const char *path, int *ret, struct ol_error *err);
#endif
