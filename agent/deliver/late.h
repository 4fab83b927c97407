/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LATE_H
#define LATE_H
/** @file
 * Which runs have ended as far as a server knows where the last arrival wins (Marquez): a bounded
 * table of the terminal events delivered, by run. An event is late if it is delivered after a
 * terminal event (COMPLETE, FAIL, ABORT) of its run and
 *  - is not terminal, and no START with a later eventTime (that one begins the run anew); or
 *  - is terminal, but its eventTime is earlier, or the agent inferred it and not the other.
 * Then the terminal event has to go once more, behind the last of the late ones that wait. A real
 * terminal event after an inferred one takes its place, whatever their times. Pure. Threads: one.
 */
#include "event_read.h"
#include "spool/spool.h"

#define LATE_RUNS_MAX 8192 /**< runs remembered; the oldest goes first */

struct late; /* opaque */

/** What is remembered of an event. */
struct late_event {
    uint8_t lane_kind;
    uint8_t lane[16];
    bool is_run; /**< a RunEvent; others are never late */
    enum ol__event_type type;
    enum spool_source source;
    int64_t time_ms; /**< eventTime; INT64_MIN: not known, then it counts as earlier */
    uint64_t seq, segment, offset;
};

/** NULL: out of memory. */
struct late *late_new(uint64_t seed);
void late_free(struct late *late);
void late_event_of(const struct ol__event *event, const struct spool_record *record,
                   struct late_event *ret);
/** It was taken by the other side. NULL is a no-op. */
void late_delivered(struct late *late, const struct late_event *event);
/** Whether the terminal event of this run has to go again; @p ret gets it. */
bool late_is_owed(const struct late *late, const struct late_event *event, struct late_event *ret);
/** @p event itself needs nothing more (taken, or parked), but the terminal event has to follow it.
 */
void late_settle(struct late *late, const struct late_event *event);
bool late_is_settled(const struct late *late, const struct late_event *event);
/** It went again, or cannot. */
void late_paid(struct late *late, const struct late_event *event);
#endif
