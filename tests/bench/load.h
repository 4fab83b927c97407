/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H
/** @file
 * A load generator: one thread, epoll, kept connections to 127.0.0.1, one POST of an event in
 * flight on each. Every event of a program's life has a run id and a number of its own, so that no
 * server takes one for a retry of another. Threads: one.
 */
#include <stdbool.h>
#include <stdint.h>

struct load_plan {
    int port;
    int connections;
    long requests;     /**< over all connections */
    int event_bytes;   /**< of one event, at least 700 */
    int stall_seconds; /**< no answer at all for so long: a stall */
};

struct load_result {
    double wall_s;
    double p50_us, p99_us, max_us; /**< from the first byte sent to the last of the answer */
    long taken;                    /**< answered 201 */
    long refused;                  /**< answered anything else */
    long broken;                   /**< connections that the server ended */
    bool is_stalled;
    uint64_t event_bytes; /**< of the events taken */
};

/** Connect, send, close. Dies only where this side fails. */
void load_run(const struct load_plan *plan, struct load_result *ret);
#endif
