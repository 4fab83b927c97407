/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Bytes are handed out once: the pool lives on a page that the kernel zeroes in a forked child,
 * lock and fill level included, so a child finds an empty, unlocked pool whatever its parent was
 * doing.
 *  2. Without such a page (Linux before 4.14) there is no pool: each call asks the kernel.
 *  3. Bytes that were handed out are wiped from the pool at once. */
#include "ids.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <uuid.h>
#include "times.h"

#define PAGE 4096
#define POOL_BYTES 3072

/* All zero is a valid state: unlocked, empty, of no generation. A zeroed pthread mutex is unlocked
 * in every C library on Linux. */
struct pool {
    pthread_mutex_t lock;
    _Atomic bool is_marked; /* false: first use in this process */
    size_t left;            /* bytes at the end of `bytes` not handed out */
    uint8_t bytes[POOL_BYTES];
};
static_assert(sizeof(struct pool) <= PAGE, "the pool fits its page");

static struct pool *_Atomic the_pool; /* NULL: not tried yet; &no_pool: there is none */
static struct pool no_pool;
static _Atomic uint64_t generation; /* ordinary memory: a child inherits it, then counts on */
static _Atomic pid_t known_pid;     /* without a pool only */

static struct pool *make_pool(void)
{
    size_t size = (size_t)OL_MAX(sysconf(_SC_PAGESIZE), (long)PAGE);
    struct pool *made = &no_pool;
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED) {
        if (madvise(page, size, MADV_WIPEONFORK) == 0)
            made = page;
        else
            OL_IGNORE(munmap(page, size), "a page too many does no harm");
    }
    struct pool *found = NULL;
    if (atomic_compare_exchange_strong(&the_pool, &found, made))
        return made;
    if (made != &no_pool) /* another thread was first */
        OL_IGNORE(munmap(made, size), "a page too many does no harm");
    return found;
}

static inline struct pool *get_pool(void)
{
    struct pool *pool = atomic_load_explicit(&the_pool, memory_order_acquire);
    return pool != NULL ? pool : make_pool();
}

/* The kernel gave nothing: mix what differs between processes and calls. Not for secrets. */
static void fill_from_clock(uint8_t *out, size_t size)
{
    static _Atomic uint64_t calls;
    uint64_t x = (uint64_t)ol__time_now_ns() ^ (uint64_t)getpid() << 40 ^
                 (uint64_t)ol__time_monotonic_us() << 20 ^ (uint64_t)(uintptr_t)&x;
    x += atomic_fetch_add(&calls, 1) * UINT64_C(0xd1342543de82ef95);
    for (size_t i = 0; i < size; i++) { /* splitmix64 */
        x += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        out[i] = (uint8_t)(z >> 56);
    }
}

static void fill_from_kernel(uint8_t *out, size_t size)
{
    int saved = errno;
    while (size > 0) {
        ssize_t got = getrandom(out, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fill_from_clock(out, size);
            break;
        }
        out += got;
        size -= (size_t)got;
    }
    errno = saved;
}

void ol__random(void *out, size_t size)
{
    struct pool *pool = get_pool();
    if (pool == &no_pool || size > POOL_BYTES / 8) { /* promise 2; and big pieces gain nothing */
        fill_from_kernel(out, size);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    if (pool->left < size) {
        fill_from_kernel(pool->bytes, sizeof pool->bytes);
        pool->left = sizeof pool->bytes;
    }
    uint8_t *from = pool->bytes + sizeof pool->bytes - pool->left;
    memcpy(out, from, size);
    memset(from, 0, size); /* promise 3 */
    pool->left -= size;
    pthread_mutex_unlock(&pool->lock);
}

uint64_t ol__fork_generation(void)
{
    struct pool *pool = get_pool();
    if (pool == &no_pool) {
        pid_t pid = getpid();
        if (atomic_load(&known_pid) != pid && atomic_exchange(&known_pid, pid) != pid)
            atomic_fetch_add(&generation, 1);
        return atomic_load(&generation);
    }
    if (!atomic_load_explicit(&pool->is_marked, memory_order_acquire)) {
        pthread_mutex_lock(&pool->lock);
        if (!pool->is_marked) {
            atomic_fetch_add(&generation, 1);
            pool->is_marked = true;
        }
        pthread_mutex_unlock(&pool->lock);
    }
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

static void set_version(struct ol__uuid *uuid, unsigned version)
{
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | version << 4);
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80);
}

struct ol__uuid ol__uuid_v4(void)
{
    struct ol__uuid uuid;
    ol__random(uuid.bytes, sizeof uuid.bytes);
    set_version(&uuid, 4);
    return uuid;
}

struct ol__uuid ol__uuid_v5(const struct ol__uuid *name_space, struct ol__span name)
{
    struct ol__uuid uuid;
    uuid_generate_sha1(uuid.bytes, name_space->bytes, name.size > 0 ? name.data : "", name.size);
    return uuid;
}

#define COUNTER_MAX 0xfffu

/* The next (ms << 12 | counter) after @p last for an id of @p ms. @p start: where a new ms begins.
 */
static uint64_t next_stamp(uint64_t last, uint64_t ms, unsigned start, bool is_now)
{
    uint64_t last_ms = last >> 12;
    unsigned counter = last & COUNTER_MAX;
    if (is_now && ms < last_ms && last_ms - ms < 1000)
        ms = last_ms;
    if (ms != last_ms)
        return ms << 12 | start;
    if (counter < COUNTER_MAX)
        return last + 1;
    return is_now ? (last_ms + 1) << 12
                  : last; /* a given time is kept: the random bits still differ */
}

struct ol__uuid ol__uuid_v7(int64_t unix_ms)
{
    static _Atomic uint64_t last_of_now, last_of_given;
    bool is_now = unix_ms < 0;
    uint64_t ms = (uint64_t)(is_now ? ol__time_now_ms() : unix_ms) & UINT64_C(0xffffffffffff);
    struct ol__uuid uuid = {0};
    ol__random(uuid.bytes + 6, 10);
    /* The counter starts in its lower half, which leaves room for 2048 ids in this ms. */
    unsigned start = (unsigned)(uuid.bytes[6] << 8 | uuid.bytes[7]) & (COUNTER_MAX >> 1);
    _Atomic uint64_t *last = is_now ? &last_of_now : &last_of_given;
    uint64_t seen = atomic_load(last);
    uint64_t stamp;
    do
        stamp = next_stamp(seen, ms, start, is_now);
    while (!atomic_compare_exchange_weak(last, &seen, stamp));
    for (int i = 0; i < 6; i++)
        uuid.bytes[i] = (uint8_t)(stamp >> (52 - 8 * i));
    uuid.bytes[6] = (uint8_t)(stamp >> 8 & 0x0f);
    uuid.bytes[7] = (uint8_t)stamp;
    set_version(&uuid, 7);
    return uuid;
}

/* Where the two digits of each byte stand in the text. */
static const uint8_t places[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

void ol__uuid_format(const struct ol__uuid *uuid, char out[OL_UUID_TEXT + 1])
{
    static const char hex[] = "0123456789abcdef";
    memcpy(out, "00000000-0000-0000-0000-000000000000", OL_UUID_TEXT + 1);
    for (int i = 0; i < 16; i++) {
        out[places[i]] = hex[uuid->bytes[i] >> 4];
        out[places[i] + 1] = hex[uuid->bytes[i] & 15];
    }
}

bool ol__uuid_parse(struct ol__span text, struct ol__uuid *ret)
{
    if (text.size != OL_UUID_TEXT || text.data[8] != '-' || text.data[13] != '-' ||
        text.data[18] != '-' || text.data[23] != '-')
        return false;
    struct ol__uuid uuid;
    for (int i = 0; i < 16; i++) {
        int high = ol__hex_value(text.data[places[i]]);
        int low = ol__hex_value(text.data[places[i] + 1]);
        if (high < 0 || low < 0)
            return false;
        uuid.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = uuid;
    return true;
}

bool ol__uuid_is_canonical(struct ol__span text)
{
    struct ol__uuid uuid;
    if (!ol__uuid_parse(text, &uuid))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] >= 'A' && text.data[i] <= 'F')
            return false;
    return true;
}
