/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENT_SINK_H
#define EVENT_SINK_H
/** @file
 * Events into the agent: through its door, where they pass what all others pass, or without an
 * agent into its spool under the lock, synced before they count, and only where no rule would have
 * to see them. Each event goes once: in order, a batch at a time. Threads: main only.
 */
#include "cli.h"

struct event_sink; /* opaque */
/** @p place is borrowed until event_sink_close(). @return OL_OK; OL_DENIED: not this user's;
 * OL_CONFIG; OL_BUSY: another has the spool; OL_IO; OL_NOMEM. */
OL_NODISCARD ol_status event_sink_open(struct place *place, struct event_sink **ret,
                                       struct ol_error *err);
/** Whether there is no agent, so that the events wait in the spool. */
bool event_sink_is_spool(const struct event_sink *sink);
/** Add one event, whose bytes are copied; @p number says which it is (a line's). Sends the batch
 * first where it is full. @return OL_OK; OL_INVALID: it is no event; OL_FULL: the agent took
 * nothing for a minute; OL_IO: refused, err says which number and why. */
OL_NODISCARD ol_status event_sink_add(struct event_sink *sink, struct ol__span event,
                                      uint64_t number, struct ol_error *err);
/** Send what is left of the batch. @return as event_sink_add(). */
OL_NODISCARD ol_status event_sink_flush(struct event_sink *sink, struct ol_error *err);
/** Events that were taken so far. */
uint64_t event_sink_count(const struct event_sink *sink);
/** The number of the first event that was not answered for; @p fallback: all were. */
uint64_t event_sink_first_open(const struct event_sink *sink, uint64_t fallback);
/** What was not flushed is gone. NULL is a no-op. */
void event_sink_close(struct event_sink *sink);
#endif
