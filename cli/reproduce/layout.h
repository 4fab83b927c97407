/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_LAYOUT_H
#define REPRODUCE_LAYOUT_H
/** @file
 * Put what a plan needs beneath another root, or into a bundle: code at its commit, files by their
 * hashes. Nothing that is there is overwritten. Threads: main. Blocks on the file system and on git
 * and tar.
 */
#include "plan.h"

#define LAYOUT_SUBMODULES_MAX 1000
/** Where the bytes of a plan's sources come from. */
struct layout {
    const struct replay_plan *plan;
    const char *root;   /**< absolute; stands for the plan's base */
    const char *bundle; /**< folder with code/COMMIT.tar, or NULL: the repository itself */
    bool is_in_place;   /**< the root is the base itself: the code is there */
    int64_t files, bytes;
    struct ol_error *err;
};
/** "ROOT/beneath" for a path of the plan, as it is where it lies elsewhere. @return false: too
 * long.
 */
bool layout_path(const struct layout *l, const char *full, char *out, size_t size);
/** Lay all of it out. @return OL_OK; OL_INVALID: something else is there already, or a hash is not
 * that of the plan; OL_NOT_FOUND: neither kept nor where it was; OL_IO, OL_DENIED, OL_FULL,
 * OL_NOMEM.
 */
OL_NODISCARD ol_status layout_make(struct layout *l);

/** Copy the bytes of hash @p sha256 from @p from to @p to, whose folders are made; what stands
 * there already stays if it has that hash. @return OL_OK; OL_NOT_FOUND: no such file; OL_CORRUPT:
 * @p from has another hash; OL_INVALID: something else is there; OL_IO, OL_DENIED, OL_FULL. */
OL_NODISCARD ol_status layout_copy(const char *from, const char *to, const char *sha256,
                                   int64_t *ret_bytes, struct ol_error *err);
/** The same from objects/, else from where it was. */
OL_NODISCARD ol_status layout_fetch(const char *runs, const struct replay_file *file,
                                    const char *to, int64_t *ret_bytes, struct ol_error *err);
/** `git archive` of @p commit of the repository at @p folder into the file @p to. @return OL_OK;
 * OL_NOT_FOUND: the repository or the commit is not there; OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status layout_archive(const char *folder, const char *commit, const char *to,
                                      struct ol_error *err);
/** Run a program with /dev/null for input. @param output  a file to be made for its output; NULL:
 * ours. @return its exit status, 128 + a signal's number, or -1: it could not be started. */
int layout_program(const char *const *argv, const char *directory, const char *input,
                   const char *output);
#endif
