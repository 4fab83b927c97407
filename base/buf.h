/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_BUF_H
#define OL_BUF_H
/** @file
 * A growing run of bytes with a ceiling. Failures stick: after the first failed append the buffer
 * takes nothing more and ol__buf_status() says why, so a builder checks once, at its end. Threads:
 * one at a time per buffer.
 */
#include "ol_base.h"

/** Bytes that ol__buf_room() allocates behind what was asked for, so that a hot loop may write a
 * little too much; only what ol__buf_grow() takes counts. */
#define OL_BUF_SLACK 16

struct ol__buf {
    char *data;  /**< Owned; NUL-terminated after every append; NULL while nothing was added. */
    size_t size; /**< Bytes used, without the NUL. */
    size_t cap;  /**< Bytes allocated. */
    size_t max;  /**< Ceiling of size; appending past it fails. */
    ol_status status; /**< OL_OK, OL_NOMEM or OL_TOO_LARGE; sticky until reset. */
};

/** An empty buffer that never holds more than @p max bytes. Allocates nothing. */
void ol__buf_init(struct ol__buf *buf, size_t max);
/** Free the bytes; the buffer may be used again, its ceiling kept. Accepts a zeroed struct. */
void ol__buf_release(struct ol__buf *buf);
/** Forget contents and failure, keep the memory. */
void ol__buf_reset(struct ol__buf *buf);
/** Append. On failure the contents are unchanged. @return buf->status. */
ol_status ol__buf_add(struct ol__buf *buf, const void *data, size_t size);
ol_status ol__buf_add_text(struct ol__buf *buf, const char *text);
ol_status ol__buf_add_char(struct ol__buf *buf, char c);
ol_status ol__buf_add_format(struct ol__buf *buf, const char *format, ...) OL_PRINTF(2, 3);
/** Make room for @p size more bytes and return where they start, NULL on failure (sticky). The
 * caller writes them and then calls ol__buf_grow(). */
char *ol__buf_room(struct ol__buf *buf, size_t size);
void ol__buf_grow(struct ol__buf *buf, size_t size);
/** Take @p size bytes off the front. */
void ol__buf_consume(struct ol__buf *buf, size_t size);
/** Cut back to @p size bytes. */
void ol__buf_truncate(struct ol__buf *buf, size_t size);
/** Hand the bytes over: the caller frees them; the buffer is empty. NULL if failed or out of
 * memory. */
char *ol__buf_take(struct ol__buf *buf);
#endif
