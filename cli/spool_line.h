/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_LINE_H
#define SPOOL_LINE_H
/** @file
 * One event a line: bare, or wrapped with what else is known about it:
 * {"seq":..,"time":..,"source":.., "uid":..,"lane":..,"event":..}, where `event` is the event
 * itself, or, if its bytes hold a newline, a string of them. Threads: one.
 */
#include "event_read.h"
#include "spool.h"

#define SPOOL_LINE_MAX                                                                             \
    ((size_t)128 << 20) /**< an event of 16 MiB, each byte escaped, and the rest */

struct spool_line; /* opaque */
OL_NODISCARD ol_status spool_line_new(struct spool_line **ret, struct ol_error *err);
void spool_line_free(struct spool_line *line);
/** Wrapped lines name keys and certificates ("sender" in place of "uid") from the spool in
 * @p directory, which is borrowed. */
void spool_line_look_up_senders(struct spool_line *line, const char *directory);

/** @p record as a line with its newline: bare, its bytes as they came (white space between tokens
 * goes if they hold a newline); or wrapped. @return OL_OK: *ret is borrowed until the next call;
 * OL_NOMEM. */
OL_NODISCARD ol_status spool_line_write(struct spool_line *line, const struct spool_record *record,
                                        bool is_wrapped, struct ol__span *ret,
                                        struct ol_error *err);
/** The event in @p text, a line without its newline: bare or wrapped (also an exported dead
 * letter), checked as the door does.
 *  @return OL_OK: *ret_bytes and *ret_event are borrowed until the next call and as long as @p
 * text; OL_INVALID, OL_TOO_LARGE: it is no event, err says why; OL_NOMEM. */
OL_NODISCARD ol_status spool_line_read(struct spool_line *line, struct ol__span text,
                                       struct ol__span *ret_bytes,
                                       const struct ol__event **ret_event, struct ol_error *err);
#endif
