/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_JSON_WRITE_H
#define OL_JSON_WRITE_H
/** @file
 * Write JSON (RFC 8259) on one line into a buffer. Commas and colons are put by the writer. Text
 * must be UTF-8; bytes that are not become U+FFFD, one for each maximal bad part, so what comes out
 * is always valid. Misnesting is a programming error (asserted). Failures stick in the buffer.
 * Threads: one.
 */
#include "buf.h"

#define OL_JSON_WRITE_DEPTH_MAX 64

struct ol__json_writer {
    struct ol__buf *out; /**< Borrowed. */
    int depth;
    uint64_t is_array;   /**< bit d: level d is an array */
    uint64_t has_member; /**< bit d: level d already has one */
    bool has_key;        /**< a key was written, its value is due */
};

void ol__json_writer_init(struct ol__json_writer *w, struct ol__buf *out);
void ol__json_begin_object(struct ol__json_writer *w);
void ol__json_end_object(struct ol__json_writer *w);
void ol__json_begin_array(struct ol__json_writer *w);
void ol__json_end_array(struct ol__json_writer *w);
void ol__json_key(struct ol__json_writer *w, const char *key);
void ol__json_key_span(struct ol__json_writer *w, struct ol__span key);
/** NULL writes null. */
void ol__json_text(struct ol__json_writer *w, const char *text);
void ol__json_span(struct ol__json_writer *w, struct ol__span text);
void ol__json_int(struct ol__json_writer *w, int64_t value);
void ol__json_uint(struct ol__json_writer *w, uint64_t value);
/** Shortest text that reads back as @p value; NaN and infinities write null. */
void ol__json_real(struct ol__json_writer *w, double value);
void ol__json_bool(struct ol__json_writer *w, bool value);
void ol__json_null(struct ol__json_writer *w);
/** A finished JSON value, copied as it is; the caller vouches for it. */
void ol__json_raw(struct ol__json_writer *w, struct ol__span json);

/** A key of @p size ASCII letters, digits and signs that need no escape, and its text: what tables
 * of known members use, in one go. */
void ol__json_member_known(struct ol__json_writer *w, const char *key, size_t size,
                           const char *text);
/** As ol__json_key(), for such a key. */
void ol__json_key_known(struct ol__json_writer *w, const char *key, size_t size);

/* key and value in one call; the _opt form writes nothing for NULL */
void ol__json_member_text(struct ol__json_writer *w, const char *key, const char *text);
void ol__json_member_text_opt(struct ol__json_writer *w, const char *key, const char *text);
void ol__json_member_span(struct ol__json_writer *w, const char *key, struct ol__span text);
void ol__json_member_int(struct ol__json_writer *w, const char *key, int64_t value);
void ol__json_member_uint(struct ol__json_writer *w, const char *key, uint64_t value);
void ol__json_member_bool(struct ol__json_writer *w, const char *key, bool value);
#endif
