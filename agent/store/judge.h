/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_JUDGE_H
#define STORE_JUDGE_H
/** @file Whether a run goes by a policy, and if not why (retention.h). Threads: one per store. */
#include "pins.h"
#include "retention.h"

enum verdict {
    VERDICT_GO,
    VERDICT_PINNED,
    VERDICT_CLASS,   /* not of the class that is meant */
    VERDICT_YOUNG,   /* seen too lately for its class */
    VERDICT_OPEN,    /* has no end, and was seen lately */
    VERDICT_LAST,    /* one of the last of its job */
    VERDICT_ANSWERS, /* has answers that stay */
    VERDICT_HELD,    /* bytes are over, but its class is held */
    VERDICT_COUNT
};
/** "pinned", "young"... */
const char *judge_reason(enum verdict verdict);

struct judged_run {
    int64_t id, job, status, seen, seen_day, born;
};
struct judge_slot {
    int64_t job;      /* 0: empty */
    uint64_t classes; /* bit: the class's conditions on the job hold */
};
#define JUDGE_SLOTS 1024
struct judge {
    struct store *store;
    const struct store_policy *policy;
    int64_t youngest_ms;      /* what was seen since is young in every class */
    struct judge_slot *slots; /* owned */
    int64_t tag_keys[RETENTION_CLASSES_MAX],
        tag_values[RETENTION_CLASSES_MAX]; /* 0: no such text */
};

/** Borrow @p policy until judge_release(). @return OL_OK, OL_NOMEM or the store's failure. */
OL_NODISCARD ol_status judge_init(struct judge *judge, struct store *store,
                                  const struct store_policy *policy, struct ol_error *err);
void judge_release(struct judge *judge);
/** @p stmt has a row of SQL_EXPIRE_SCAN. */
void judge_read_run(sqlite3_stmt *stmt, struct judged_run *ret);
/** @p is_over: bytes are to be freed as well. Pins are found. *ret_class: which class it is,
 * class_count: none. */
OL_NODISCARD ol_status judge_run(struct judge *judge, const struct judged_run *run, bool is_over,
                                 enum verdict *ret, size_t *ret_class, struct ol_error *err);
#endif
