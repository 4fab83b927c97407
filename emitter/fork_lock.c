/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. No thread of a child waits for a thread that exists only in the parent: the child never looks
 * at the inherited mutex, its first taker puts a new one in its place.
 *  2. Only one thread of a child does so; the others wait until it holds the new mutex.
 *  3. A child of that child, forked in the middle of 2, starts over: its generation is another one.
 */
#include "fork_lock.h"

#include <sched.h>

ol_status ol__fork_lock_init(struct ol__fork_lock *lock)
{
    uint64_t now = ol__fork_generation();
    if (pthread_mutex_init(&lock->mutex, NULL) != 0)
        return OL_NOMEM;
    atomic_init(&lock->generation, now);
    atomic_init(&lock->claim, now);
    return OL_OK;
}

void ol__fork_lock_release(struct ol__fork_lock *lock)
{
    /* A mutex of the parent may be locked for ever: that one is left alone. */
    if (atomic_load(&lock->generation) == ol__fork_generation())
        pthread_mutex_destroy(&lock->mutex);
}

static bool renew(struct ol__fork_lock *lock, uint64_t now)
{
    uint64_t claim = atomic_load(&lock->claim);
    if (claim != now && atomic_compare_exchange_strong(&lock->claim, &claim, now)) {
        pthread_mutex_init(&lock->mutex, NULL);
        pthread_mutex_lock(&lock->mutex);
        atomic_store_explicit(&lock->generation, now, memory_order_release);
        return true;
    }
    while (atomic_load_explicit(&lock->generation, memory_order_acquire) != now)
        sched_yield();
    return false;
}

bool ol__fork_lock_take(struct ol__fork_lock *lock)
{
    uint64_t now = ol__fork_generation();
    if (atomic_load_explicit(&lock->generation, memory_order_acquire) != now && renew(lock, now))
        return true;
    pthread_mutex_lock(&lock->mutex);
    return false;
}

void ol__fork_lock_give(struct ol__fork_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}
