/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_INFERRED_H
#define INTAKE_INFERRED_H
/** @file
 * The ABORT of a run whose process ended without a word, made from its START (JOURNAL.md J24).
 * Threads: any.
 */
#include "event_read.h"

struct inferred {
    const char *journal;    /**< its name; borrowed */
    int64_t last_change_ms; /**< when it was last written, Unix ms */
    int64_t now_ms;
};

/** Append the ABORT to @p out. @p start is the START's line, @p event what was read of it; both
 * borrowed. @return OL_OK; OL_INVALID: it is no event of a run; OL_TOO_LARGE, OL_NOMEM. */
OL_NODISCARD ol_status inferred_abort_write(struct ol__json_reader *reader, struct ol__span start,
                                            const struct ol__event *event,
                                            const struct inferred *why, struct ol__buf *out,
                                            struct ol_error *err);
#endif
