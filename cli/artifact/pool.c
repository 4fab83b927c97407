/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Memory: a block and a hash for each thread, whatever the number and size of the files.
 *  2. No thread is made for what one thread does within a millisecond or so.
 *  3. Without threads (a limit of the user's) the caller hashes alone.
 */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli.h"
#include "times.h"

#define FEW_FILES 16
#define FEW_BYTES ((uint64_t)1 << 20)
#define LARGE ((int64_t)8 << 20) /* from here on large files come first */
#define SHOW_AFTER_US 1000000
#define SHOW_EVERY_MS 200

struct pool {
    const struct artifact_hasher *hasher;
    struct artifact_sum *const *sums;
    const size_t *order; /* NULL: as given */
    size_t count;
    atomic_size_t next;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned running; /* under lock */
};

/* ---- progress ---- */

void artifact_progress_allow(struct artifact_progress *progress)
{
    if (isatty(STDERR_FILENO) && tcgetpgrp(STDERR_FILENO) == getpgrp())
        progress->is_shown = true;
}

void artifact_progress_add(struct artifact_progress *progress, uint64_t bytes)
{
    atomic_fetch_add_explicit(&progress->bytes, bytes, memory_order_relaxed);
}

static void draw(struct artifact_progress *p)
{
    int64_t taken_us = ol__time_monotonic_us() - p->begun_us;
    if (!p->is_shown || taken_us < SHOW_AFTER_US)
        return;
    double bytes = (double)p->bytes, mib = 1024.0 * 1024.0;
    fprintf(stderr, "\r\033[Klineage: hashing, %llu of %llu files, %.0f of %.0f MiB, %.0f MiB/s",
            (unsigned long long)p->files, (unsigned long long)p->total_files, bytes / mib,
            (double)p->total_bytes / mib, bytes / mib / ((double)taken_us / 1e6));
    p->is_drawn = true;
}

static void wipe(struct artifact_progress *p)
{
    if (p->is_drawn)
        fputs("\r\033[K", stderr);
    p->is_drawn = false;
}

/* ---- work ---- */

static void work(struct pool *pool)
{
    struct artifact_bench bench;
    if (artifact_bench_init(&bench) == OL_OK) {
        for (size_t i; (i = atomic_fetch_add(&pool->next, 1)) < pool->count;) {
            artifact_sum_hash(pool->sums[pool->order != NULL ? pool->order[i] : i], pool->hasher,
                              &bench);
            if (pool->hasher->progress != NULL)
                pool->hasher->progress->files++;
        }
    }
    artifact_bench_release(&bench);
}

static void *thread(void *arg)
{
    struct pool *pool = arg;
    work(pool);
    pthread_mutex_lock(&pool->lock);
    pool->running--;
    pthread_cond_signal(&pool->ended);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static unsigned processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/** Until the last thread is through. */
static void watch(struct pool *pool)
{
    struct artifact_progress *progress = pool->hasher->progress;
    pthread_mutex_lock(&pool->lock);
    while (pool->running > 0) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SHOW_EVERY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&pool->ended, &pool->lock, &until);
        if (progress != NULL && pool->running > 0)
            draw(progress);
    }
    pthread_mutex_unlock(&pool->lock);
    if (progress != NULL)
        wipe(progress);
}

static void run_threads(struct pool *pool, unsigned count)
{
    pthread_t ids[ARTIFACT_THREADS_MAX];
    pthread_condattr_t attributes;
    unsigned started = 0;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    pool->running = count;
    while (started < count && pthread_create(&ids[started], NULL, thread, pool) == 0)
        started++;
    pthread_mutex_lock(&pool->lock);
    pool->running -= count - started;
    pthread_mutex_unlock(&pool->lock);
    watch(pool);
    for (unsigned i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    pthread_cond_destroy(&pool->ended);
    pthread_mutex_destroy(&pool->lock);
}

/* ---- order ---- */

struct turn {
    int64_t size;
    size_t index;
};

static int compare(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/** Large ones first, so that no thread begins one when the others are through. Owned; NULL: as
 * given. */
static size_t *make_order(struct artifact_sum *const *sums, size_t count)
{
    struct turn *turns = malloc(count * sizeof *turns);
    size_t *order = malloc(count * sizeof *order);
    bool is_sorted = turns != NULL && order != NULL;
    for (size_t i = 0; is_sorted && i < count; i++)
        turns[i] = (struct turn){.size = sums[i]->stamp.size >= LARGE ? sums[i]->stamp.size : 0,
                                 .index = i};
    if (is_sorted)
        qsort(turns, count, sizeof *turns, compare);
    for (size_t i = 0; is_sorted && i < count; i++)
        order[i] = turns[i].index;
    free(turns);
    if (!is_sorted) {
        free(order);
        order = NULL;
    }
    return order;
}

void artifact_hash_all(const struct artifact_hasher *hasher, struct artifact_sum *const *sums,
                       size_t count)
{
    struct pool pool = {.hasher = hasher, .sums = sums, .count = count};
    size_t there = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        sums[i]->reason = sums[i]->is_there ? "out of memory" : sums[i]->reason;
        there += sums[i]->is_there ? 1 : 0;
        bytes += sums[i]->is_there ? (uint64_t)sums[i]->stamp.size : 0;
    }
    if (there == 0)
        return;
    if (hasher->progress != NULL) {
        hasher->progress->total_files = count;
        hasher->progress->total_bytes = bytes;
        hasher->progress->bytes = hasher->progress->files = 0;
        hasher->progress->begun_us = ol__time_monotonic_us();
    }
    unsigned threads = hasher->threads > 0 ? hasher->threads : processors();
    threads = (unsigned)OL_MIN(OL_MIN(threads, ARTIFACT_THREADS_MAX), there);
    size_t *order = threads > 1 ? make_order(sums, count) : NULL;
    pool.order = order;
    if (bytes > FEW_BYTES || there > FEW_FILES)
        run_threads(&pool, threads);
    if (pool.next < count)
        work(&pool);
    free(order);
}
