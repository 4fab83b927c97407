/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_OBJECT_H
#define RECEIPT_OBJECT_H
/** @file
 * Kept content (spec/RECEIPT.md, R11): runs/objects/XX/REST, named by the SHA-256 of what stands in
 * it, read-only, once for all runs. Threads: plain functions. Blocks on the file system.
 */
#include "folder.h"

#define RECEIPT_KEEP_LIMIT ((uint64_t)16 << 20) /**< what is kept of one file, unless told else */
#define RECEIPT_KEEP_LIMIT_MAX ((uint64_t)256 << 20)
#define RECEIPT_OBJECT_PATH (sizeof "objects//" + OL_SHA256_TEXT) /**< "objects/9f/86d0..." */

/** One element of a receipt's part `kept`. Texts are borrowed. */
struct receipt_kept {
    const char *path;                  /**< as given, or what else it is called */
    const char *at;                    /**< "start", "end": of the attempt; NULL: not said */
    const char *media_type;            /**< NULL: not known */
    char sha256[OL_SHA256_TEXT + 1];   /**< of what is kept; "": nothing is, `reason` says why */
    int64_t size;                      /**< of what is kept; below 0: not known */
    char original[OL_SHA256_TEXT + 1]; /**< of what it was before it was redacted; "": the same */
    int64_t original_size;
    const char *reason; /**< static text */
};

/** Keep @p bytes as they are. @p runs is the runs folder, which is there.
 *  @return OL_OK: ret_sha256 is its name; OL_FULL, OL_DENIED, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status receipt_object_put(const char *runs, struct ol__span bytes,
                                          char ret_sha256[OL_SHA256_TEXT + 1],
                                          struct ol_error *err);
/** Keep @p bytes, redacted (R12) if they are text. Fills sha256, size, original, original_size of
 * @p ret, leaves the rest. @return as receipt_object_put(). */
OL_NODISCARD ol_status receipt_object_keep(const char *runs, struct ol__span bytes,
                                           struct receipt_kept *ret, struct ol_error *err);
/** The same with the regular file at @p path, of at most @p limit bytes. @return as
 * receipt_object_put(); OL_NOT_FOUND; OL_TOO_LARGE, OL_INVALID (no regular file), OL_AGAIN (changed
 * while it was read): ret->reason says it, and ret->size where it is known. */
OL_NODISCARD ol_status receipt_object_keep_file(const char *runs, const char *path, uint64_t limit,
                                                struct receipt_kept *ret, struct ol_error *err);
/** "objects/9f/86d0..." */
void receipt_object_path(const char *sha256, char out[RECEIPT_OBJECT_PATH]);
/** The value of `kept`, on one line: an array, for receipt.parts[RECEIPT_KEPT]. */
void receipt_write_kept(const struct receipt_kept *items, size_t count, struct ol__buf *out);
#endif
