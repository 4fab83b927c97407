/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_LINES_H
#define ARTIFACT_LINES_H
/** @file
 * The text of an artifact that has members (spec/RECEIPT.md, R10): what sha256sum prints of them,
 * then a line for each symbolic link. Threads: plain functions.
 */
#include "buf.h"
#include "hash.h"

#define ARTIFACT_TEXT_MAX ((size_t)512 << 20)

/** "HASH  NAME", with a backslash in front where NAME had to be escaped, and a newline: byte for
 * byte as sha256sum (coreutils 9) does. */
void artifact_line_add(struct ol__buf *out, const char *sha256, const char *name);
/** "link  NAME -> TARGET", escaped as a whole by the same rule. */
void artifact_link_add(struct ol__buf *out, const char *name, const char *target);
/** "MARK  NAME", escaped likewise, for what is neither file nor link: "fifo", "socket"... */
void artifact_mark_add(struct ol__buf *out, const char *mark, const char *name);

struct artifact_line {
    bool is_link;
    char sha256[OL_SHA256_TEXT + 1]; /**< "" of a link */
    struct ol__span name;            /**< unescaped; of a link all behind "link  ". Borrowed */
};
/** Take the first line off @p text. @param space what an unescaped name is kept in; it is reset.
 *  @return OL_OK; OL_END: nothing is left; OL_INVALID: no such line; OL_NOMEM. */
OL_NODISCARD ol_status artifact_line_read(struct ol__span *text, struct ol__buf *space,
                                          struct artifact_line *ret);

/** How two texts differ. */
struct artifact_difference {
    size_t count;         /**< members that are in one only, or not the same in both */
    struct ol__buf first; /**< name of the first one, in byte order; owned */
};
/** Compare members. @p ret is filled anew. @return OL_OK; OL_INVALID: one is no such text;
 * OL_NOMEM. ol__buf_release(&ret->first) in any case. */
OL_NODISCARD ol_status artifact_lines_compare(struct ol__span a, struct ol__span b,
                                              struct artifact_difference *ret);
#endif
