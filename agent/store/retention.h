/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_RETENTION_H
#define STORE_RETENTION_H
/** @file
 * What stays in the store and what goes: ages by class of run, the last runs of each job, pins, a
 * ceiling of bytes. docs/retention.md tells it to people. Threads: one per store.
 */
#include "store.h"

#define RETENTION_CLASSES_MAX 64
#define RETENTION_LAST_MAX 10000
#define RETENTION_DEFAULT "default" /* the name of the runs that no class takes */

/** Runs that are kept differently. Texts are borrowed; patterns are those of fnmatch(3); NULL asks
 * nothing. The first class that takes a run decides. */
struct store_class {
    const char *name;
    const char *job, *name_space; /**< patterns */
    const char *type;             /**< of the job, "SERVICE": its processing type */
    const char *tag;              /**< "key=value": an id of the run */
    const char *state;            /**< "FAIL"; as run_status_name() */
    int64_t before_ms;            /**< last seen before it: old; INT64_MIN: never for its age */
    int64_t keep_last;            /**< so many of each job's newest runs are never too old */
    bool is_held;                 /**< not even for bytes before it is old */
};
struct store_policy {
    int64_t before_ms, keep_last; /**< as in a class, for runs that none takes */
    int64_t answers_before_ms;    /**< answers taken before it go */
    int64_t open_before_ms;       /**< runs without an end that were seen since are not old */
    int64_t max_bytes;            /**< 0: no ceiling */
    const struct store_class *classes;
    size_t class_count;
    const char *only_class; /**< nothing else goes: a name, or RETENTION_DEFAULT; NULL: any */
    bool is_fresh;          /**< look for what is pinned anew, however lately that was done */
};

/** Remove whole runs until the policy holds. At most @p batch runs a call, in a transaction of its
 * own. @return OL_OK: nothing is left to do; OL_AGAIN: more. */
OL_NODISCARD ol_status store_expire(struct store *store, const struct store_policy *policy,
                                    int batch, struct ol_error *err);

/** What was begun goes by another policy: begin anew. */
void store_expire_restart(struct store *store);

/** What is known of it after a call. */
struct store_kept {
    int64_t used_bytes;
    int64_t pinned_runs;                   /**< when they were last counted */
    int64_t removed_runs, removed_answers; /**< by this object, ever */
    bool is_stuck; /**< over max_bytes, and all that is left is pinned or held */
};
void store_kept(const struct store *store, struct store_kept *ret);

/** What would go and why the rest stays, as one JSON document (SCHEMA.md "Answers"); changes
 * nothing, a reader will do. @p limit: runs listed. */
OL_NODISCARD ol_status store_gc_plan(struct store *store, const struct store_policy *policy,
                                     int64_t limit, struct ol__buf *out, struct ol_error *err);
#endif
