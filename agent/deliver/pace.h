/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PACE_H
#define PACE_H
/** @file
 * How fast a route may send: a bucket of events and one of bytes, each refilled evenly and never
 * fuller than a tenth of a second's worth. Sending may go on while neither is empty, and may
 * overdraw by the one event that was sent, whose size is paid back before the next. Pure: times are
 * monotonic ms, handed in.
 */
#include <stdint.h>

struct pace_bucket {
    int64_t per_s;   /**< 0: no limit */
    int64_t level;   /**< in thousandths; below 0: overdrawn */
    int64_t full_at; /**< when it was refilled last */
};
struct pace {
    struct pace_bucket events, bytes;
};

/** Begins with full buckets. */
void pace_init(struct pace *pace, int64_t events_per_s, int64_t bytes_per_s, int64_t now_ms);
/** @return 0: one event may go now; else when to ask again, later than @p now_ms. */
int64_t pace_wait(struct pace *pace, int64_t now_ms);
/** One event of so many bytes goes. */
void pace_take(struct pace *pace, uint64_t bytes);
#endif
