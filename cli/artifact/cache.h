/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_CACHE_H
#define ARTIFACT_CACHE_H
/** @file
 * Hashes of files that were hashed before, for this user: $XDG_CACHE_HOME/lineaged/hashes-1. Never
 * asked by `verify`. Threads: any number on one object, any number of processes on the file.
 */
#include "sum.h"

struct artifact_cache; /* opaque */
enum artifact_caching {
    ARTIFACT_CACHE_USE,
    ARTIFACT_CACHE_REFRESH, /**< everything is read; what is found is written */
    ARTIFACT_CACHE_NONE
};
/** @return the cache, owned; NULL: there is none, and everything is read. */
struct artifact_cache *artifact_cache_open(enum artifact_caching how);
void artifact_cache_close(struct artifact_cache *cache);
/** Whether a file with that stamp is known; its hash. @p cache may be NULL. */
bool artifact_cache_get(struct artifact_cache *cache, const struct artifact_stamp *stamp,
                        uint8_t sha256[OL_SHA256_SIZE]);
/** Remember it, if a later change could not go unseen. @p begun: when reading began; @p fd: of the
 * file. @p cache may be NULL. */
void artifact_cache_put(struct artifact_cache *cache, const struct artifact_stamp *stamp,
                        const uint8_t sha256[OL_SHA256_SIZE], struct timespec begun, int fd);
/** How many files were found in it, for messages and tests. */
uint64_t artifact_cache_hits(const struct artifact_cache *cache);

/* The file, for tests: buckets of slots. */
#define ARTIFACT_CACHE_SLOT 64
#define ARTIFACT_CACHE_WAYS 4
#define ARTIFACT_CACHE_BUCKETS 65536
#define ARTIFACT_CACHE_SIZE                                                                        \
    ((uint64_t)ARTIFACT_CACHE_BUCKETS * ARTIFACT_CACHE_WAYS * ARTIFACT_CACHE_SLOT)
/** Seconds that a file must have been left alone before its hash is remembered. */
#define ARTIFACT_CACHE_QUIET_S 2
/** A bucket's bytes: whether one of its slots has that stamp. What a fuzzer feeds. */
bool artifact_cache_find(const uint8_t *bucket, const struct artifact_stamp *stamp,
                         uint8_t sha256[OL_SHA256_SIZE]);
#endif
