/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_KEEP_H
#define RECEIPT_KEEP_H
/** @file
 * Which runs and objects of a runs folder may go (docs/retention.md), and removing them. Runs that
 * are not sealed are never removed, nor what a decision names with all that led to it. Threads: one
 * per object. Blocks on the file system.
 */
#include "folder.h"

/** Content that nobody names is left alone for so long: a step that runs may be about to. */
#define RECEIPT_KEEP_GRACE_MS INT64_C(86400000)

enum receipt_fate {
    RECEIPT_GOES,
    RECEIPT_PINNED,     /**< a decision names it, or what it led to */
    RECEIPT_OPEN,       /**< not sealed */
    RECEIPT_YOUNG,      /**< sealed too lately */
    RECEIPT_LAST,       /**< one of the last of its pipeline */
    RECEIPT_UNREADABLE, /**< a file of it cannot be read: nobody can say what it names */
    RECEIPT_FATES
};
/** "pinned", "open"... */
const char *receipt_fate_name(enum receipt_fate fate);

struct receipt_sums { /* a set of SHA-256s */
    uint8_t (*items)[OL_SHA256_SIZE];
    bool *used;
    size_t count, cap;
};
struct receipt_kept_run {
    char run_id[RECEIPT_RUN_ID_SIZE];
    char *pipeline; /**< owned; NULL: none */
    int64_t sealed_ms, bytes;
    bool is_sealed, is_readable;
    enum receipt_fate fate;
    struct receipt_sums made, used, named; /**< outputs; inputs; all that its files name */
    struct receipt_sums ids;               /**< of runs, that its files say: 16 bytes, then zeros */
};
struct receipt_keep {
    char *runs; /**< owned: the folder */
    int fd;
    struct receipt_kept_run *items; /**< in byte order of run ids, i.e. of time */
    size_t count, cap;
    struct receipt_sums decided, decided_ids; /**< what decisions name */
    /* filled by receipt_keep_judge() */
    int64_t fates[RECEIPT_FATES], bytes; /**< bytes: of the runs that go */
    int64_t objects, object_bytes;       /**< that go with them */
    int64_t objects_stay;
};
struct receipt_keep_policy {
    int64_t before_ms; /**< sealed before it: may go; INT64_MIN: none for its age */
    int64_t keep_last; /**< so many of each pipeline's newest runs stay */
    int64_t now_ms;
};

/** Read the whole folder. @return OL_OK: receipt_keep_release() it; OL_NOT_FOUND; OL_DENIED; OL_IO;
 * OL_NOMEM. */
OL_NODISCARD ol_status receipt_keep_read(const char *runs, struct receipt_keep *ret,
                                         struct ol_error *err);
void receipt_keep_release(struct receipt_keep *keep);
/** Decide of each run, and count the objects that go with them. @return OL_OK, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status receipt_keep_judge(struct receipt_keep *keep,
                                          const struct receipt_keep_policy *policy,
                                          struct ol_error *err);
/** Remove what was judged to go; again after a crash, what was begun is finished. One at a time.
 * @param ret_runs, ret_objects, ret_bytes  what went. @return OL_OK; OL_BUSY: another does it;
 * OL_DENIED, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status receipt_keep_remove(struct receipt_keep *keep,
                                           const struct receipt_keep_policy *policy,
                                           int64_t *ret_runs, int64_t *ret_objects,
                                           int64_t *ret_bytes, struct ol_error *err);

/** Objects that no run but those that go names, old enough. @p removed NULL: they are counted in
 * @p keep; else removed. @return OL_OK, OL_IO, OL_DENIED, OL_NOMEM. */
OL_NODISCARD ol_status receipt_keep_objects(struct receipt_keep *keep,
                                            const struct receipt_keep_policy *policy,
                                            int64_t *removed, int64_t *removed_bytes,
                                            struct ol_error *err);
/** @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status receipt_sums_add(struct receipt_sums *sums,
                                        const uint8_t sum[OL_SHA256_SIZE]);
void receipt_sums_release(struct receipt_sums *sums);
/** Whether @p sum is in the set. */
bool receipt_sums_has(const struct receipt_sums *sums, const uint8_t sum[OL_SHA256_SIZE]);
#endif
