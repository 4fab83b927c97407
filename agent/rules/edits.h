/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDITS_H
#define EDITS_H
/** @file
 * Changes of a text by ranges of its bytes: what no range covers stays as it is. Threads: one at a
 * time.
 */
#include "buf.h"

struct edit {
    size_t begin, end;   /**< of the text, replaced */
    size_t offset, size; /**< in `with`: what stands there instead */
};
struct edits {
    struct edit *items; /**< owned */
    size_t count, cap;
    struct ol__buf with;
};

/** With zeros but for the ceiling of `with`. */
void edits_init(struct edits *e, size_t max);
void edits_release(struct edits *e);
void edits_reset(struct edits *e);
/** What is appended to e->with from here on replaces [begin, end): call edits_end() behind it.
 *  @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status edits_begin(struct edits *e, size_t begin, size_t end);
void edits_end(struct edits *e);
/** Append the changed @p text to @p out. Ranges may have been added in any order, but must not
 * overlap. @return OL_OK, OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status edits_apply(struct edits *e, struct ol__span text, struct ol__buf *out);
#endif
