/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_SET_H
#define BACKUP_SET_H
/** @file
 * A backup: a folder with store/NAME.db, runs/ and `manifest.sha256`, which sha256sum --check
 * reads; what it does not list is no part of it. Threads: one per set. Blocks on the file system.
 */
#include "files.h"
#include "hash.h"

#define BACKUP_MANIFEST "manifest.sha256"
#define BACKUP_HEAD "# lineage backup 1"

struct backup_file {
    char *path; /**< owned; "runs/..." or "store/..." */
    char sha256[OL_SHA256_TEXT + 1];
};
struct backup_set {
    struct backup_file *items; /**< owned; sorted by path once read */
    size_t count, cap;
};
/** @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status backup_set_add(struct backup_set *set, const char *path, const char *sha256,
                                      struct ol_error *err);
/** NULL: not in it. The set was read, or backup_set_sort() was called. */
const struct backup_file *backup_set_find(const struct backup_set *set, const char *path);
void backup_set_sort(struct backup_set *set);
void backup_set_release(struct backup_set *set);
/** The manifest in @p dirfd. @return OL_OK; OL_NOT_FOUND; OL_CORRUPT: it is none; OL_IO, OL_NOMEM.
 */
OL_NODISCARD ol_status backup_set_read(int dirfd, struct backup_set *ret, struct ol_error *err);
/** Sorts. @return as ol__fs_replace(). */
OL_NODISCARD ol_status backup_set_write(int dirfd, struct backup_set *set, struct ol_error *err);
/** Told of each file that is not what the manifest says. */
typedef void backup_problem(void *arg, const char *path, const char *problem);
/** Hash everything. @return OL_OK with any number of problems. */
OL_NODISCARD ol_status backup_set_verify(int dirfd, const struct backup_set *set,
                                         backup_problem *tell, void *arg, int64_t *ret_problems,
                                         struct ol_error *err);
/** The SHA-256 of a regular file below @p dirfd. @return OL_OK, OL_NOT_FOUND, OL_INVALID (no
 * regular file), OL_DENIED, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status backup_hash(int dirfd, const char *path, char ret[OL_SHA256_TEXT + 1],
                                   struct ol_error *err);
/** Copy a regular file, with its mode and time, whole or not at all, making folders on the way.
 * @return OL_OK, OL_FULL, OL_DENIED, OL_IO, OL_NOT_FOUND. */
OL_NODISCARD ol_status backup_copy(int from_fd, const char *from, int to_fd, const char *to,
                                   struct ol_error *err);
#endif
