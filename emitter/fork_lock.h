/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_FORK_LOCK_H
#define OL_FORK_LOCK_H
/** @file
 * A mutex that a forked child can take although another thread of its parent held it when the fork
 * happened. The library must not register pthread_atfork handlers (they cannot be taken back, and a
 * host may unload us), so the child notices by itself. Threads: any.
 */
#include <pthread.h>
#include <stdatomic.h>
#include "ids.h"

struct ol__fork_lock {
    pthread_mutex_t mutex;
    _Atomic uint64_t generation; /**< of the process that the mutex belongs to */
    _Atomic uint64_t claim;      /**< generation whose first taker renews the mutex */
};

/** @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status ol__fork_lock_init(struct ol__fork_lock *lock);
void ol__fork_lock_release(struct ol__fork_lock *lock);
/** Take the lock. @return true once in each forked child, for its first taker: what the lock guards
 * was inherited, perhaps in the middle of a change, and must be made anew before the lock is given
 * back. */
OL_NODISCARD bool ol__fork_lock_take(struct ol__fork_lock *lock);
void ol__fork_lock_give(struct ol__fork_lock *lock);
#endif
