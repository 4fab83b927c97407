/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H
/** @file
 * An instant HTTP sink: a process of its own that takes POSTs on loopback, over any number of kept
 * connections, and answers each at once with 201 and no body. It reads Content-Length and chunked
 * bodies and keeps nothing but counts.
 */
#include <stdint.h>
#include <sys/types.h>

struct sink; /* opaque */

/** Fork it, listening on a free port of 127.0.0.1. Dies on failure. End with sink_stop(). */
struct sink *sink_start(int *ret_port);
/** The same, but it takes only so many requests a second, one after the other, over all
 * connections. */
struct sink *sink_start_slow(int *ret_port, unsigned per_second);
/** Requests answered, and bytes of bodies, so far. */
void sink_count(const struct sink *sink, uint64_t *ret_requests, uint64_t *ret_bytes);
pid_t sink_pid(const struct sink *sink);
void sink_stop(struct sink *sink);
#endif
