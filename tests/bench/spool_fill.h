/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_FILL_H
#define SPOOL_FILL_H
/** @file A spool with events for the benches of delivery. Threads: main. Dies on failure. */
#include "spool/spool.h"

/** Open the spool in @p directory and put @p count times @p event into it, in groups of 256, in
 * runs of @p run_length. Owned by the caller. */
struct spool *bench_spool_fill(const char *directory, struct ol__span event, unsigned count,
                               unsigned run_length);
#endif
