/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_MEMBERS_H
#define RECEIPT_MEMBERS_H
/** @file
 * Members of artifacts: their text stands once in objects/ (spec/RECEIPT.md, R10). Threads: plain
 * functions. Blocks on the file system.
 */
#include "artifact_lines.h"
#include "hashes.h"
#include "object.h"
#include "record.h"

/** Keep the texts that the artifacts have. @return as receipt_object_put(). */
OL_NODISCARD ol_status receipt_members_keep(const char *runs, const struct receipt_artifact *items,
                                            size_t count, struct ol_error *err);
/** The text named @p sha256, added to @p out. @return as ol__fs_read_file(); OL_CORRUPT: its hash
 * is another. */
OL_NODISCARD ol_status receipt_members_read(const char *runs, const char *sha256,
                                            struct ol__buf *out, struct ol_error *err);
#define RECEIPT_FULL_SIZE 8192 /**< of a path on this machine */

/** Where an artifact of a receipt is on this machine. @param cwd  where its path starts; NULL: at
 * its dataset's name. @return false: it is not said, or of no kind that is read. */
bool receipt_find_artifact(const char *cwd, const struct json_node *artifact,
                           char out[RECEIPT_FULL_SIZE]);
/** What became of an artifact that a receipt names. */
struct receipt_looked {
    bool is_read;                 /**< it is of this machine, and was looked for */
    bool is_gone;                 /**< it, or a member of it, is not there; nothing else is wrong */
    bool is_unread;               /**< it is there, and cannot be read: nobody can say */
    char full[RECEIPT_FULL_SIZE]; /**< where it is looked for */
    char sha256[OL_SHA256_TEXT + 1]; /**< of what is there; "" gone, or a list */
    char problem[1024];              /**< "" it is what it was */
};
struct artifact;
/** Hash all of its sums that were looked at, without the cache of hashes. @return OL_OK, OL_NOMEM.
 */
OL_NODISCARD ol_status receipt_hash_sums(struct artifact *a);
/** Look at a file, manifest, directory or list of this machine that a receipt names as @p side
 * ("input", "output"). Everything is read, but for what @p hashes knows (NULL: none), which learns
 * the rest. @p cwd as above. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status receipt_check_artifact(const char *runs, const char *cwd, const char *side,
                                              const struct json_node *artifact,
                                              struct receipt_hashes *hashes,
                                              struct receipt_looked *ret, struct ol_error *err);
#endif
