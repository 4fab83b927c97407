/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_JSON_READ_H
#define OL_JSON_READ_H
/** @file
 * Read JSON (RFC 8259) as a stream of values, each with the place where it stands, over yajl with
 * limits of our own. The whole text is checked: valid UTF-8, one value, nothing behind it but white
 * space. Bytes are borrowed, never rewritten. Threads: one at a time per reader; readers are
 * reusable to spare allocations on hot paths.
 */
#include "buf.h"

/** Nesting past this, or past limits.depth_max if that is less, is refused (OL_INVALID). `[]` is
 * one level. */
#define OL_JSON_DEPTH_MAX 128

enum ol__json_type {
    OL_JSON_NULL,
    OL_JSON_BOOL,
    OL_JSON_NUMBER, /**< text is the number as written */
    OL_JSON_STRING, /**< text is decoded (escapes resolved) */
    OL_JSON_OBJECT, /**< begins; its members follow, then an end with the same depth */
    OL_JSON_ARRAY,
    OL_JSON_OBJECT_END,
    OL_JSON_ARRAY_END
};

/** One step of the path to a value: a member of an object, or an element of an array. */
struct ol__json_step {
    bool is_index;
    size_t index;        /**< of an array's element */
    struct ol__span key; /**< of a member, decoded; borrowed until its object ends */
};

/** What the handler sees; all borrowed for the call only. */
struct ol__json_value {
    enum ol__json_type type;
    struct ol__span text; /**< STRING, NUMBER: the value; others: empty */
    bool boolean;         /**< BOOL */
    const struct ol__json_step
        *path;    /**< depth steps from the root; path[depth-1] is the innermost */
    size_t depth; /**< 0 for the root value itself */
    size_t begin; /**< offset of the value's first byte: {, [, quote, digit... */
    size_t
        end; /**< offset after its last byte; for OBJECT and ARRAY (begin) equal to begin + 1;
                the   _END call has the whole range: begin of the opening, end after the closing */
};

/** Return OL_OK to go on; OL_END to skip the rest of the checks' callbacks (the text is still
 * checked to its end, without further calls); anything negative stops reading and is returned. */
typedef ol_status ol__json_handler(void *arg, const struct ol__json_value *value,
                                   struct ol_error *err);

struct ol__json_limits {
    size_t size_max;  /**< bytes of text; 0: no limit */
    size_t depth_max; /**< 0: OL_JSON_DEPTH_MAX */
};

struct ol__json_reader; /* opaque */

OL_NODISCARD ol_status ol__json_reader_new(struct ol__json_reader **ret, struct ol_error *err);
void ol__json_reader_free(struct ol__json_reader *reader);

/** Read @p text to its end, calling @p handler for each value in order (NULL: only check). Key and
 * text spans are valid UTF-8; an escaped half of a surrogate pair is U+FFFD there (the bytes of the
 * text between begin and end still have it), and \u0000 is a NUL, so spans are not C strings. The
 * second of two equal keys is reported as the first was. @p limits may be NULL. What the handler
 * saw before a failure it saw of a text that is not JSON.
 *  @return OL_OK; OL_INVALID: not JSON or nested too deeply, err says what at which byte offset and
 * JSON pointer; OL_TOO_LARGE: more than limits.size_max bytes; OL_NOMEM; or what the handler
 * returned. */
OL_NODISCARD ol_status ol__json_read(struct ol__json_reader *reader, struct ol__span text,
                                     const struct ol__json_limits *limits,
                                     ol__json_handler *handler, void *arg, struct ol_error *err);

/** Write the JSON pointer (RFC 6901) of @p value into @p out, cut to @p size with its NUL. "" =
 * root. */
void ol__json_pointer(const struct ol__json_value *value, char *out, size_t size);

/** Whether the path of @p value is exactly these keys, e.g. {"run", "runId"}; "*" matches any one
 * step. */
bool ol__json_at(const struct ol__json_value *value, const char *const *keys, size_t count);

/** Copy JSON without white space between tokens (one line, for facets handed in by callers): the
 * text is checked; numbers and strings keep their spelling. Appends; on failure nothing was added.
 * @return as ol__json_read(); OL_TOO_LARGE also past the ceiling of @p out. */
OL_NODISCARD ol_status ol__json_minify(struct ol__json_reader *reader, struct ol__span text,
                                       const struct ol__json_limits *limits, struct ol__buf *out,
                                       struct ol_error *err);
#endif
