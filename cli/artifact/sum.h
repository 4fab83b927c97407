/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_SUM_H
#define ARTIFACT_SUM_H
/** @file
 * SHA-256 of files that do not change meanwhile (promise 4 of run.c): what a file was when it was
 * looked at, and its hash if it still was that when the last byte had been read. Threads: plain
 * functions; a sum belongs to one thread at a time.
 */
#include <sys/stat.h>
#include <time.h>
#include "hash.h"

/** What tells a file's content from another's without reading it. */
struct artifact_stamp {
    uint64_t device, inode, links;
    int64_t size;
    struct timespec modified, changed;
};
/** One file to hash. */
struct artifact_sum {
    const char *path;  /**< where it is; borrowed */
    int fd;            /**< -1, or open for reading; hashing closes it */
    bool is_kept_open; /**< not if it was open before */
    bool is_followed;  /**< through a symbolic link */
    bool is_there;     /**< a regular file, as the stamp says */
    bool is_hashed;
    struct artifact_stamp stamp;
    uint8_t sha256[OL_SHA256_SIZE];
    const char *reason; /**< why there is no hash; static text */
};

void artifact_stamp_of(const struct stat *st, struct artifact_stamp *ret);
/** Whether the content is as it was. Removing or renaming a file over it moves its ctime, too: then
 * its mtime alone has to tell. */
bool artifact_stamp_is_same(const struct artifact_stamp *a, const struct artifact_stamp *b);
bool artifact_is_later(struct timespec a, struct timespec b);
/** Look at sum->path: sets stamp and is_there, or reason. Reads nothing. */
void artifact_sum_look(struct artifact_sum *sum);
/** Open a file that was looked at, so that it stays what it is under whatever name. Past EMFILE
 * nothing happens: it is found by name. */
void artifact_sum_open(struct artifact_sum *sum);
/** A file changed within this tick of the clock could change again without showing it: wait for the
 * next one, and look at such files again. From here on each change shows. */
void artifact_sums_settle(struct artifact_sum *const *sums, size_t count);
void artifact_sum_close(struct artifact_sum *sum);

struct artifact_cache;
struct artifact_progress;
/** How to hash. */
struct artifact_hasher {
    uint64_t limit;                     /**< bytes; larger files have no hash */
    bool (*is_hurried)(void);           /**< asked between blocks: true ends it; NULL: never */
    struct artifact_cache *cache;       /**< NULL: none. Borrowed */
    struct artifact_progress *progress; /**< NULL: none. Borrowed */
    unsigned threads;                   /**< at most; 0: one for each processor */
};
/** What one thread hashes with. */
struct artifact_bench {
    struct ol__sha256 *hash;
    char *block;
};
/** @return OL_OK, OL_NOMEM. artifact_bench_release() in any case. */
OL_NODISCARD ol_status artifact_bench_init(struct artifact_bench *bench);
void artifact_bench_release(struct artifact_bench *bench);
/** Hash one file that was looked at: is_hashed and sha256, or reason. Blocks. */
void artifact_sum_hash(struct artifact_sum *sum, const struct artifact_hasher *hasher,
                       struct artifact_bench *bench);
#endif
