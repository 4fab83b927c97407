/* SPDX-License-Identifier: Apache-2.0 */
/* The file is an array of slots, in buckets of four, and nothing else: no head that could be wrong,
 * no lock, 16 MiB at most.
 *
 *  slot, little-endian: XXH3-128 of the stamp (16 bytes), SHA-256 (32), when it was written in
 *  seconds (8), XXH3-64 of the bytes before (8).
 *
 * Promises:
 *  1. What does not check out is no entry: a torn, rotten or foreign file is an empty cache, and is
 * written over slot by slot.
 *  2. A hash is remembered only of a file whose times are at least two seconds older than the
 * moment at which reading it began, as git's racy rule has it: a change after that moment has later
 * times, also where they move in steps of two seconds. Nothing is remembered of file systems whose
 * times are another machine's, or a program's. (A process that goes on writing to a page it has
 * mapped and touched before is seen when the kernel has written that page back, not earlier.)
 *  3. Nobody else's file is believed: it is the user's own, and writable by nobody else.
 *  4. Trouble means no cache, and nothing is said.
 */
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <xxhash.h>
#include "files.h"

#define BUCKET_SIZE ((size_t)ARTIFACT_CACHE_WAYS * ARTIFACT_CACHE_SLOT)
#define KEY_SIZE 16
#define TIME_AT (KEY_SIZE + OL_SHA256_SIZE)
#define CHECK_AT (TIME_AT + 8)
#define SEED UINT64_C(0x316567616e696c) /* another for another layout */

struct artifact_cache {
    int fd;
    bool is_read;            /* false: refreshed only */
    atomic_bool is_writable; /* until writing failed once */
    atomic_uint_fast64_t hits;
};

/** The file's descriptor; -1. */
static int open_file(void)
{
    char path[PATH_MAX];
    struct stat st;
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool has_base = base != NULL && base[0] == '/';
    if (!has_base && (home == NULL || home[0] != '/'))
        return -1;
    int size = snprintf(path, sizeof path, "%s%s/lineaged", has_base ? base : home,
                        has_base ? "" : "/.cache");
    if (size < 0 || (size_t)size + sizeof "/hashes-1" > sizeof path)
        return -1;
    /* under sudo the home may be another user's: nothing of ours is left there */
    if (stat(has_base ? base : home, &st) == 0 && st.st_uid != geteuid())
        return -1;
    if (access(path, F_OK) != 0 && ol__fs_make_directories(path, 0700, NULL) != OL_OK)
        return -1;
    memcpy(path + size, "/hashes-1", sizeof "/hashes-1");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    fd = ol__fs_above_standard(fd);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
                    (st.st_mode & 022) != 0)) { /* 3 */
        close(fd);
        return -1;
    }
    return fd;
}

struct artifact_cache *artifact_cache_open(enum artifact_caching how)
{
    struct rlimit limit;
    if (how == ARTIFACT_CACHE_NONE)
        return NULL;
    struct artifact_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    cache->fd = open_file();
    if (cache->fd < 0) {
        free(cache);
        return NULL;
    }
    cache->is_read = how == ARTIFACT_CACHE_USE;
    /* past a limit of the user's the kernel would end us with SIGXFSZ */
    cache->is_writable =
        getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur >= ARTIFACT_CACHE_SIZE;
    return cache;
}

void artifact_cache_close(struct artifact_cache *cache)
{
    if (cache == NULL)
        return;
    close(cache->fd);
    free(cache);
}

uint64_t artifact_cache_hits(const struct artifact_cache *cache)
{
    return cache != NULL ? cache->hits : 0;
}

static void make_key(const struct artifact_stamp *stamp, uint8_t key[KEY_SIZE])
{
    uint8_t facts[7 * 8];
    ol__put_le64(facts, stamp->device);
    ol__put_le64(facts + 8, stamp->inode);
    ol__put_le64(facts + 16, (uint64_t)stamp->size);
    ol__put_le64(facts + 24, (uint64_t)stamp->modified.tv_sec);
    ol__put_le64(facts + 32, (uint64_t)stamp->modified.tv_nsec);
    ol__put_le64(facts + 40, (uint64_t)stamp->changed.tv_sec);
    ol__put_le64(facts + 48, (uint64_t)stamp->changed.tv_nsec);
    XXH128_hash_t hash = XXH3_128bits_withSeed(facts, sizeof facts, SEED);
    ol__put_le64(key, hash.low64);
    ol__put_le64(key + 8, hash.high64);
}

static bool is_whole(const uint8_t *slot)
{
    return XXH3_64bits_withSeed(slot, CHECK_AT, SEED) == ol__get_le64(slot + CHECK_AT);
}

static off_t bucket_of(const uint8_t key[KEY_SIZE])
{
    return (off_t)(ol__get_le64(key) % ARTIFACT_CACHE_BUCKETS * BUCKET_SIZE);
}

/** Bytes that are not there are zeros: no slot that checks out. */
static bool read_bucket(const struct artifact_cache *cache, const uint8_t key[KEY_SIZE],
                        uint8_t bucket[BUCKET_SIZE])
{
    size_t got = 0;
    memset(bucket, 0, BUCKET_SIZE);
    return ol__fs_read_at(&ol__fs_real, cache->fd, bucket, BUCKET_SIZE, bucket_of(key), &got,
                          NULL) == OL_OK;
}

bool artifact_cache_find(const uint8_t *bucket, const struct artifact_stamp *stamp,
                         uint8_t sha256[OL_SHA256_SIZE])
{
    uint8_t key[KEY_SIZE];
    make_key(stamp, key);
    for (size_t i = 0; i < ARTIFACT_CACHE_WAYS; i++) {
        const uint8_t *slot = bucket + i * ARTIFACT_CACHE_SLOT;
        if (memcmp(slot, key, KEY_SIZE) == 0 && is_whole(slot)) {
            memcpy(sha256, slot + KEY_SIZE, OL_SHA256_SIZE);
            return true;
        }
    }
    return false;
}

bool artifact_cache_get(struct artifact_cache *cache, const struct artifact_stamp *stamp,
                        uint8_t sha256[OL_SHA256_SIZE])
{
    uint8_t key[KEY_SIZE], bucket[BUCKET_SIZE];
    if (cache == NULL || !cache->is_read)
        return false;
    make_key(stamp, key);
    if (!read_bucket(cache, key, bucket) || !artifact_cache_find(bucket, stamp, sha256))
        return false;
    cache->hits++;
    return true;
}

/** Whether the times of files there are given by this kernel, as changes happen (2). */
static bool has_times_of_its_own(int fd)
{
    static const long others[] = {NFS_SUPER_MAGIC,         SMB_SUPER_MAGIC,   0xff534d42 /* cifs */,
                                  SMB2_SUPER_MAGIC,        FUSE_SUPER_MAGIC,  V9FS_MAGIC,
                                  CEPH_SUPER_MAGIC,        AFS_SUPER_MAGIC,   AFS_FS_MAGIC,
                                  CODA_SUPER_MAGIC,        MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC,
                                  0x0bd00bd0 /* lustre */, 0x47504653 /* gpfs */};
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return false;
    for (size_t i = 0; i < OL_COUNT(others); i++) {
        if ((uint32_t)fs.f_type == (uint32_t)others[i])
            return false;
    }
    return true;
}

/** The slot to write: the one it has already, a free one, or the oldest. */
static size_t choose_slot(const uint8_t *bucket, const uint8_t key[KEY_SIZE])
{
    size_t chosen = 0;
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < ARTIFACT_CACHE_WAYS; i++) {
        const uint8_t *slot = bucket + i * ARTIFACT_CACHE_SLOT;
        if (memcmp(slot, key, KEY_SIZE) == 0)
            return i;
        uint64_t written = is_whole(slot) ? ol__get_le64(slot + TIME_AT) : 0;
        if (written < oldest) {
            oldest = written;
            chosen = i;
        }
    }
    return chosen;
}

void artifact_cache_put(struct artifact_cache *cache, const struct artifact_stamp *stamp,
                        const uint8_t sha256[OL_SHA256_SIZE], struct timespec begun, int fd)
{
    uint8_t key[KEY_SIZE], bucket[BUCKET_SIZE], slot[ARTIFACT_CACHE_SLOT];
    begun.tv_sec -= ARTIFACT_CACHE_QUIET_S;
    if (cache == NULL || !cache->is_writable || !artifact_is_later(begun, stamp->modified) ||
        !artifact_is_later(begun, stamp->changed) || !has_times_of_its_own(fd))
        return;
    make_key(stamp, key);
    if (!read_bucket(cache, key, bucket))
        return;
    memcpy(slot, key, KEY_SIZE);
    memcpy(slot + KEY_SIZE, sha256, OL_SHA256_SIZE);
    ol__put_le64(slot + TIME_AT, (uint64_t)begun.tv_sec);
    ol__put_le64(slot + CHECK_AT, XXH3_64bits_withSeed(slot, CHECK_AT, SEED));
    off_t at = bucket_of(key) + (off_t)(choose_slot(bucket, key) * ARTIFACT_CACHE_SLOT);
    if (ol__fs_write_at(&ol__fs_real, cache->fd, slot, sizeof slot, at, NULL) != OL_OK)
        cache->is_writable = false;
}
