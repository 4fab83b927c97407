/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_POOL_H
#define ARTIFACT_POOL_H
/** @file
 * Hashing many files at once, and saying how far it is. Threads: artifact_hash_all() from any one
 * thread; progress may be added to by all.
 */
#include <stdatomic.h>
#include "sum.h"

#define ARTIFACT_THREADS_MAX 32

/** How far it is, on a terminal's standard error, once it has taken a second. Zeroed: never shown.
 */
struct artifact_progress {
    atomic_bool is_shown; /**< may be: set by whom the terminal belongs to */
    atomic_uint_fast64_t bytes, files;
    uint64_t total_bytes, total_files;
    int64_t begun_us;
    bool is_drawn; /* there is a line to take away */
};
/** Allow it where standard error is a terminal and we are in its foreground. */
void artifact_progress_allow(struct artifact_progress *progress);
void artifact_progress_add(struct artifact_progress *progress, uint64_t bytes);

/** Hash what is there. Largest files first, then in the order given; each sum says what became of
 * it. Blocks. */
void artifact_hash_all(const struct artifact_hasher *hasher, struct artifact_sum *const *sums,
                       size_t count);
#endif
