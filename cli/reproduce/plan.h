/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_PLAN_H
#define REPRODUCE_PLAN_H
/** @file
 * What it takes to do a run again, read from its receipts: steps in order, what they read that none
 * of them makes, the code, and what stands in the way. Threads: main. Blocks on the file system.
 */
#include "receipt/folder.h"

#define REPLAY_STEPS_MAX 10000
#define REPLAY_PROBLEMS_MAX 50 /**< that are named; the rest is counted */

/** A file, or with a target a link, that has to be there before a step. Texts are in the arena. */
struct replay_file {
    const char *full;   /**< where it was */
    const char *sha256; /**< "" of a link */
    const char *target; /**< of a link; NULL */
    const char *kept;   /**< where an attempt's folder has the same bytes; NULL */
    size_t step;        /**< that reads it first */
};
struct replay_step {
    struct json_doc doc; /**< its receipt */
    const char *name, *cwd, *started_at;
    int64_t seq;  /**< below 0: none */
    bool is_call; /**< of a model: not done again, what it wrote is taken from before */
};
/** The working copy of a commit, maybe with differences, or none. */
struct replay_code {
    const char *root, *commit;          /**< NULL: no repository, its programs are inputs */
    const char *patch;                  /**< hash of the differences, which are in objects/; NULL */
    bool is_known;                      /**< whether there were any was asked */
    const struct json_node *submodules; /**< the first of them (replay_submodule()); NULL */
};
/** Where a repository inside stands, beneath the code's root, and its commit. @return false: it was
 * not checked out, or the receipt tells no such thing. */
bool replay_submodule(const struct json_node *item, const char **ret_path, const char **ret_commit);
struct replay_plan {
    struct ol__arena arena;
    const char *runs; /**< the runs folder; borrowed */
    char run_id[RECEIPT_RUN_ID_SIZE];
    struct replay_step *steps; /**< owned; in order of their beginnings */
    size_t count;
    size_t first, last; /**< those that are done again, both included */
    char *base;         /**< the folder that another root stands for; in the arena */
    struct replay_code code;
    struct replay_file *sources; /**< owned; what no step of the plan makes */
    size_t source_count, source_cap;
    const char *problems[REPLAY_PROBLEMS_MAX]; /**< why it cannot be replayed: in the arena */
    size_t problem_count;
    const char *notes[REPLAY_PROBLEMS_MAX]; /**< what is not as it was, but in nobody's way */
    size_t note_count;
    struct ol_error *err;
};

/** Read it. @param from, to  names of steps; NULL: the first, the last. @return OL_OK, with any
 * number of problems; OL_NOT_FOUND: no such run or step; OL_INVALID: no run_id, or a receipt that
 * cannot be read; OL_IO, OL_DENIED, OL_TOO_LARGE, OL_NOMEM. replay_plan_release() in any case. */
OL_NODISCARD ol_status replay_plan_read(struct replay_plan *plan, const char *runs,
                                        const char *run_id, const char *from, const char *to,
                                        struct ol_error *err);
void replay_plan_release(struct replay_plan *plan);

OL_PRINTF(2, 3) void replay_problem(struct replay_plan *plan, const char *format, ...);
OL_PRINTF(2, 3) void replay_note(struct replay_plan *plan, const char *format, ...);
/** Text in the arena; NULL: out of memory. */
const char *replay_keep(struct replay_plan *plan, const char *text);
/** The part of @p full beneath the base: "" the base itself; NULL: it is elsewhere. */
const char *replay_beneath(const struct replay_plan *plan, const char *full);
/** argv of a step; its first word, or NULL. */
const struct json_node *replay_argv(const struct replay_step *step);
/** What was its standard input, if that was a file whose bytes are known; NULL. */
const struct json_node *replay_stdin(const struct replay_step *step);
/** Where standard output of step @p place of the plan has to go: a file that it wrote alone, and
 * that is one of its outputs or is read by a later step of the plan, or, @p is_elsewhere, lies
 * beneath the base; NULL. */
const struct json_node *replay_stdout(const struct replay_plan *plan, size_t place,
                                      bool is_elsewhere);
/** Calls @p each with every file and link of an artifact of a step's receipt, members included.
 * @return OL_OK; OL_NOT_FOUND: its members are not kept; OL_INVALID; OL_NOMEM; that of @p each. */
typedef ol_status replay_file_handler(void *arg, const char *full, const char *sha256,
                                      const char *target);
OL_NODISCARD ol_status replay_each_file(const struct replay_plan *plan, const char *cwd,
                                        const struct json_node *artifact, replay_file_handler *each,
                                        void *arg, struct ol_error *err);

/** Say what would lead out of another root: absolute paths, what is written elsewhere. */
void replay_check_movable(struct replay_plan *plan);

/* ---- sources.c ---- */
/** Fill sources, and say what stands in the way. @return OL_OK, OL_TOO_LARGE, OL_NOMEM. */
OL_NODISCARD ol_status replay_find_sources(struct replay_plan *plan);
#endif
