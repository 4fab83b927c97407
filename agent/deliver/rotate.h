/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROTATE_H
#define ROTATE_H
/** @file
 * What becomes of a file that is full or old: it gets a name of its own, and the oldest of such
 * files go if somebody said how many to keep. Blocks on disk. Threads: one.
 */
#include "ol_base.h"

/** Rename @p name in @p dirfd to NAME.SEQUENCE (20 digits), or NAME.SEQUENCE-2 and so on where
 * there is such a file: none is ever replaced. @return OL_OK, OL_IO, OL_DENIED, OL_FULL,
 * OL_NOT_FOUND. */
OL_NODISCARD ol_status rotate_away(int dirfd, const char *name, uint64_t seq, struct ol_error *err);
/** Remove the oldest files that rotate_away() named for @p name, by the time of their last byte,
 * until
 * @p keep are left. Whatever has another name stays. @param ret_removed how many, on failure too.
 *  @return OL_OK, OL_IO, OL_DENIED, OL_NOMEM. */
OL_NODISCARD ol_status rotate_prune(int dirfd, const char *name, size_t keep, size_t *ret_removed,
                                    struct ol_error *err);
/** Which turn a time falls in; turns of @p every_ms begin at multiples of it since 1970 (UTC). */
int64_t rotate_turn(int64_t unix_ms, int64_t every_ms);
#endif
