/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_H
#define ARTIFACT_H
/** @file
 * What a text behind -i, -o or `lineage artifact` stands for, and its id (spec/RECEIPT.md, R10). In
 * this order: init, look, (the command), hash, finish. Threads: one at a time per artifact.
 */
#include "arena.h"
#include "buf.h"
#include "pool.h"

#define ARTIFACT_MEMBERS_MAX 1000000 /**< of all artifacts of a command together */
#define ARTIFACT_REASON_SIZE 256

enum artifact_kind {
    ARTIFACT_FILE,
    ARTIFACT_REMOTE,
    ARTIFACT_DIRECTORY,
    ARTIFACT_MANIFEST,
    ARTIFACT_LIST,
    ARTIFACT_KINDS
};
struct artifact {
    enum artifact_kind kind;   /**< a directory is a file until it was looked at */
    const char *text;          /**< as given; borrowed */
    const char *subject;       /**< what of it names the dataset; borrowed from the text */
    char *name_space, *name;   /**< owned; NULL: no dataset has such a name */
    char *version;             /**< owned: the version that the text declares; NULL */
    char *path;                /**< owned: of a file of this machine that is hashed; NULL */
    bool is_glob, is_literal;  /**< a name with stars is no glob */
    struct artifact_sum *sums; /**< what is hashed; their paths are in the arena */
    size_t sum_count, sum_cap;
    const char **links; /**< lines of symbolic links, in the arena */
    size_t link_count, link_cap;
    uint64_t skip_device,
        skip_inode;  /**< a folder beneath a directory that is no part of it; 0 none */
    size_t left_out; /**< entries that are no files, folders or links */
    struct ol__arena arena;
    char sha256[OL_SHA256_TEXT + 1]; /**< computed or declared; "" none */
    int64_t size;                    /**< bytes, of all members together; below 0: not known */
    int64_t member_count;            /**< below 0: it has none, or they are not known */
    struct ol__buf members;          /**< their text, once it is finished */
    char members_sha256[OL_SHA256_TEXT + 1]; /**< of that text */
    char reason[ARTIFACT_REASON_SIZE];       /**< why there is no hash; "" */
    char trouble[ARTIFACT_REASON_SIZE];      /**< what else to say of it; "" */
};

/** "file", "directory"... */
const char *artifact_kind_name(enum artifact_kind kind);
/** What @p text says by itself; it stays longer than the artifact. @p is_local: files are looked
 * for.
 * @return OL_OK, OL_NOMEM: artifact_release() in any case. */
OL_NODISCARD ol_status artifact_init(struct artifact *a, const char *text, bool is_local);
/** The file or directory at @p path, whatever its name looks like. Otherwise as artifact_init(). */
OL_NODISCARD ol_status artifact_init_path(struct artifact *a, const char *path);
/** Find what is hashed, as it is now; reads folders, lists and globs, but no file's content. May be
 * called again: then all is found anew. @p budget members are left to find; less afterwards.
 * @return OL_OK, whatever was found; OL_NOMEM. */
OL_NODISCARD ol_status artifact_look(struct artifact *a, size_t *budget);
/** After the sums were hashed: the id, or the reason. Reads manifests. @return OL_OK, whatever came
 * out; OL_NOMEM. */
OL_NODISCARD ol_status artifact_finish(struct artifact *a);
void artifact_release(struct artifact *a);

/** All sums of those artifacts, owned; NULL with *ret_count 0: there are none, or out of memory. */
struct artifact_sum **artifact_collect_sums(struct artifact *const *items, size_t count,
                                            size_t *ret_count);

/* ---- walk.c: for artifact_look() ---- */
/** A sum for the file at @p path, copied unless it is a->path. @return OL_OK, OL_NOMEM,
 * OL_TOO_LARGE. */
OL_NODISCARD ol_status artifact_add_sum(struct artifact *a, const char *path, bool is_followed,
                                        size_t *budget);
/** All beneath the directory a->path. Reasons and what was left out are in the artifact. @return
 * OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status artifact_walk(struct artifact *a, size_t *budget);
/** The files that the glob a->text names. */
OL_NODISCARD ol_status artifact_expand_glob(struct artifact *a, size_t *budget);
/** The files that the list at a->path names, one path a line, or each ended by a NUL. */
OL_NODISCARD ol_status artifact_read_list(struct artifact *a, size_t *budget);

/* ---- manifest.c: for artifact_finish() ---- */
#define ARTIFACT_MANIFEST_LINE_MAX ((size_t)4 << 20)
/** Members of the JSON-lines @p fd, as text, into a->members; or trouble. @return OL_OK, OL_NOMEM.
 */
OL_NODISCARD ol_status artifact_read_manifest(struct artifact *a, int fd);
struct ol__json_reader;
/** One line: "path" or "id", and "sha256", of an object. @p name is added to. @return OL_OK;
 * OL_END: nothing but white space; OL_INVALID, err says why; OL_NOMEM. */
OL_NODISCARD ol_status artifact_read_manifest_line(struct ol__json_reader *reader,
                                                   struct ol__span line, struct ol__buf *name,
                                                   char sha256[OL_SHA256_TEXT + 1],
                                                   struct ol_error *err);
#endif
