/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_HTTP_H
#define INTAKE_HTTP_H
/** @file
 * The HTTP door (DESIGN 8, 9; README.md has the table of answers): one libmicrohttpd daemon a
 * listener, run by the intake thread. A request whose event is in the group that is being gathered
 * is suspended until intake.c says what became of the group. Threads: one, but for
 * http_door_address().
 */
#include "agent.h"
#include "take.h"

struct http_door; /* opaque */

/** Bind and listen; nothing is accepted before the first http_door_run(). Fills the de-duplication
 *  window from the spool. @return OL_OK, OL_BUSY, OL_DENIED, OL_IO, OL_NOMEM, OL_CONFIG. */
OL_NODISCARD ol_status http_door_open(const struct agent *agent, struct intake_taker *taker,
                                      struct http_door **ret, struct ol_error *err);
/** Becomes readable when there is something to do; constant. */
int http_door_fd(const struct http_door *door);
/** When to run though the descriptor is silent, in ms from now; -1: not by itself. */
int http_door_timeout_ms(const struct http_door *door);
/** Accept, read, check, take into the group, answer what needs no sync. */
void http_door_run(struct http_door *door);
/** Whether requests wait for the group's commit. */
bool http_door_is_waiting(const struct http_door *door);
/** The group was committed (OL_OK) or not: answer those that wait. */
void http_door_committed(struct http_door *door, ol_status status);
/** Accept nobody any more, answer new requests with 503, close connections after their answer. */
void http_door_quiesce(struct http_door *door);
/** Requests that are under way (begun and not answered). */
unsigned http_door_active(const struct http_door *door);
/** Connections accepted so far, over all listeners. */
uint64_t http_door_accepted(const struct http_door *door);
/** Close all. Nothing may be waiting. NULL is a no-op. */
void http_door_close(struct http_door *door);
/** Where listener @p index listens, e.g. "127.0.0.1:5010"; NULL past the last. Any thread. */
const char *http_door_address(const struct http_door *door, size_t index);
#endif
