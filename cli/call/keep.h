/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALL_KEEP_H
#define CALL_KEEP_H
/** @file
 * What of a request or an answer may be kept: the same bytes without secrets (spec/RECEIPT.md R12),
 * found in the texts as they are meant, not as they are escaped or cut into the events of a stream.
 * Threads: any.
 */
#include "buf.h"

enum keep_form {
    KEEP_JSON,   /**< one JSON value */
    KEEP_LINES,  /**< a JSON value a line */
    KEEP_EVENTS, /**< text/event-stream */
    KEEP_TEXT,
    KEEP_BYTES /**< nothing is known of it */
};
/** By the media type, "" where none was said. */
enum keep_form keep_form_of(const char *media_type);
/** "json", "jsonl", "sse", "txt", "bin". */
const char *keep_ending(enum keep_form form);

/** Add @p content to @p out without secrets.
 *  @return OL_OK: *ret_changed tells whether anything was taken out; OL_INVALID: it is no text, so
 * that nobody can say what is in it; OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status keep_redact(enum keep_form form, struct ol__span content,
                                   struct ol__buf *out, bool *ret_changed, struct ol_error *err);
#endif
