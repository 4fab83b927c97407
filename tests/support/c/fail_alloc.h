/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAIL_ALLOC_H
#define FAIL_ALLOC_H
/** @file
 * Let the n-th allocation fail. Link ol_test_support: the linker then sends malloc, calloc,
 * realloc, strdup and strndup of the program's own objects and static libraries here (--wrap);
 * shared libraries are not affected. Counts over all threads.
 *
 *     for (unsigned long n = 1;; n++) {
 *         fail_alloc_at(n);
 *         ol_status status = thing_under_test();
 *         if (!fail_alloc_stop())
 *             break; // it made fewer than n allocations: all were tried
 *         assert_int_equal(status, OL_NOMEM);
 *     }
 */
#include <stdbool.h>

/** From now on the @p nth allocation (1: the next) fails, once; those after it succeed again. */
void fail_alloc_at(unsigned long nth);
/** Every allocation from the @p nth on fails. */
void fail_alloc_from(unsigned long nth);
/** No failures any more. @return whether one happened since fail_alloc_at() or _from(). */
bool fail_alloc_stop(void);
/** Allocations since the last fail_alloc_at(), _from() or _stop(). */
unsigned long fail_alloc_count(void);
#endif
