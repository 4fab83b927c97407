/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_JUDGE_H
#define REPRODUCE_JUDGE_H
/** @file
 * Can a run be done again? The store's answer to `reproducible` (agent/store/SCHEMA.md), the
 * receipts and bytes that are here, and a policy, as a verdict with what is missing. Threads: main.
 * Blocks on the file system: inputs are read.
 */
#include "evidence.h"
#include "policy.h"

enum repro_state {
    REPRO_NOT,        /**< nothing that would do was told */
    REPRO_DOCUMENTED, /**< told, but not enough to do it again */
    REPRO_REBUILD     /**< it can be done again */
};
/** "not", "documented", "rebuild". */
const char *repro_state_name(enum repro_state state);

#define REPRO_WHAT_MAX 20 /**< things that are named of a field; the rest is counted */
struct repro_answer {
    enum repro_state state;
    enum repro_level level;
    const char *what[REPRO_WHAT_MAX]; /**< what is there, or missing: in the arena */
    size_t count;                     /**< of them; more than REPRO_WHAT_MAX are not named */
};
struct repro_run {
    const struct json_node *told; /**< element of `runs`; borrowed */
    const char *id, *name_space, *job;
    bool is_whole; /**< a run that only began others: not judged */
    bool has_receipt;
    char receipt_path[RECEIPT_WHERE_SIZE];
    struct json_doc receipt;
    struct repro_answer answers[REPRO_FIELDS];
    enum repro_state state; /**< of the run by the policy */
    unsigned char *looked;  /**< of each input what was found; in the arena; NULL: not yet */
    const char **members;   /**< and what is missing of its members; NULL: nothing */
};
struct repro_case {
    struct ol__arena arena;
    const struct repro_policy *policy; /**< borrowed */
    const char *runs_folder;           /**< borrowed */
    struct repro_run *runs;            /**< owned */
    size_t count;
    bool is_cut;            /**< there is more upstream than was asked for */
    enum repro_state state; /**< the least of all runs' */
    struct ol_error *err;
};

/** Judge all runs of the document @p root, which stays longer. @return OL_OK; OL_INVALID: it is no
 * such document; OL_NOMEM. repro_case_release() in any case. */
OL_NODISCARD ol_status repro_judge(struct repro_case *c, const struct json_node *root,
                                   const struct repro_policy *policy, const char *runs_folder,
                                   struct ol_error *err);
void repro_case_release(struct repro_case *c);
/** What a policy makes of a field's state. */
enum repro_state repro_weigh(enum repro_level level, enum repro_state state);

/* ---- Parts, in fields.c and inputs.c ---- */
/** Name one thing of an answer; out of memory is kept in c->err by the caller's last look. */
OL_PRINTF(3, 4)
void repro_say(struct repro_case *c, struct repro_answer *a, const char *format, ...);
/** Text in the arena; NULL: out of memory. */
const char *repro_keep(struct repro_case *c, const char *text);
/** The value of a fact that the store was told, or NULL. */
const char *repro_told(const struct repro_run *run, const char *area, const char *what);
/** All but inputs. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status repro_judge_fields(struct repro_case *c, struct repro_run *run);
/** Inputs; those that are not here but were made by another of these runs depend on that one.
 * @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status repro_judge_inputs(struct repro_case *c, struct repro_run *run);
#endif
