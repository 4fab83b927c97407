/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_CALLS_H
#define FAULT_CALLS_H
/** @file
 * Let the n-th call that the shared library makes into libc fail. The program defines the functions
 * itself, so the library as it is shipped binds to them; each does the real thing unless it is its
 * turn to fail. Counted are the calls of the library, its modules, libcurl, libyaml, libyajl, and
 * of libc (which allocates within others' calls), but not what dlopen() and regcomp() do inside.
 * Arm only around the library. Threads: one.
 */
#include <stdbool.h>

enum fault_kind {
    FAULT_ANY,    /**< the call fails, with the errno asked for where it has one */
    FAULT_MEMORY, /**< only allocations are counted and fail */
    FAULT_SYSTEM, /**< all but allocations */
    FAULT_SHORT   /**< only write(), which takes the first half */
};

/** From now on call number @p nth (1: the next) fails; with @p is_for_ever all after it, too. */
void fault_calls_arm(unsigned long nth, bool is_for_ever, enum fault_kind kind, int sys_errno);
/** Nothing fails any more. @return the name of the call that failed first, NULL: none. */
const char *fault_calls_stop(void);
/** Names of all calls that can be made to fail, ended by NULL. */
extern const char *const fault_calls_names[];
#endif
