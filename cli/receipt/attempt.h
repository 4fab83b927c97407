/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_ATTEMPT_H
#define RECEIPT_ATTEMPT_H
/** @file
 * Taking an attempt at a step and ending it (spec/RECEIPT.md, R6 to R8, R13): numbers by mkdir(2),
 * the winner by link(2), no lock. Threads: one per object. Blocks on the file system.
 */
#include <openlineage/openlineage.h>
#include "folder.h"

#define RECEIPT_OVER_MAX 1000 /**< earlier attempts that a winner's receipt lists */
#define RECEIPT_PATH_SIZE 256 /**< of a path within a run's folder */

struct receipt_attempt {
    const struct receipt_folder *folder; /**< borrowed */
    char step[RECEIPT_STEP_MAX + 1];
    int64_t seq;                   /**< below 0: none */
    char place[RECEIPT_PATH_SIZE]; /**< "steps/020_render_video/attempt-1" */
    int step_fd, fd;
    bool is_first;  /**< we made the step's folder, too */
    int64_t number; /**< from 1 */
    char uuid[OL_ID_SIZE];
    char previous_path[RECEIPT_PATH_SIZE]; /**< from the run's folder: what was the last receipt
                                              when this was taken */
    char previous_sha256[OL_SHA256_TEXT + 1];
};

/** One of the attempts that ended before a winner. */
struct receipt_over {
    int64_t number;
    char status[16]; /**< "" while it has no receipt */
    int64_t exit_code;
};
/** What became of an attempt among those of its step. */
struct receipt_choice {
    bool is_winner;
    bool is_linked;            /**< false: the file system has no hard links */
    int64_t winner;            /**< 0: none so far */
    struct receipt_over *over; /**< a winner's; owned by receipt_attempt_end() */
    size_t over_count;
};
/** Write the receipt, on one line, into @p out. Called once or, if another attempt was first,
 * twice. */
typedef void receipt_writer(void *arg, const struct receipt_choice *choice, struct ol__buf *out);

/** Take the next attempt at a step, or attempt @p number (0: the next). @p folder stays open
 * longer.
 *  @return OL_OK: end it with receipt_attempt_release(); OL_INVALID: the step's name; OL_BUSY: that
 * attempt is taken; OL_DENIED, OL_FULL, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status receipt_attempt_take(const struct receipt_folder *folder, const char *step,
                                            int64_t seq, int64_t number,
                                            struct receipt_attempt *ret, struct ol_error *err);
/** Which attempt receipt_attempt_take() would take now; nothing is made or opened. @p folder may be
 * one that is not there (fd -1). @return OL_OK, OL_INVALID, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status receipt_attempt_foresee(const struct receipt_folder *folder,
                                               const char *step, int64_t seq, int64_t number,
                                               struct receipt_attempt *ret, struct ol_error *err);
/** Open attempt @p number of another process, to be ended here. What it had for `previous` is read
 * from its claim. @return OL_OK; OL_NOT_FOUND; OL_CORRUPT: its claim; OL_DENIED, OL_IO, OL_NOMEM.
 */
OL_NODISCARD ol_status receipt_attempt_open(const struct receipt_folder *folder, const char *step,
                                            int64_t seq, int64_t number,
                                            struct receipt_attempt *ret, struct ol_error *err);
void receipt_attempt_release(struct receipt_attempt *attempt);
/** Write claim.json; @p json on one line. @return as receipt_put(). */
OL_NODISCARD ol_status receipt_attempt_claim(struct receipt_attempt *attempt, struct ol__span json,
                                             struct ol_error *err);
/** Write the receipt. @p has_won: it succeeded, so it is the winner unless another is.
 *  @return OL_OK: ret_sha256 is its hash, ret_choice (without `over`) what was decided; OL_FULL,
 * OL_DENIED, OL_IO, OL_NOMEM: there may be no receipt. */
OL_NODISCARD ol_status receipt_attempt_end(struct receipt_attempt *attempt, bool has_won,
                                           receipt_writer *writer, void *arg,
                                           struct receipt_choice *ret_choice,
                                           char ret_sha256[OL_SHA256_TEXT + 1],
                                           struct ol_error *err);

/** The highest attempt that was taken, 0: none. @return OL_OK, OL_IO, OL_DENIED. */
OL_NODISCARD ol_status receipt_attempt_highest(int step_fd, int64_t *ret, struct ol_error *err);
/** "attempt-N": N, else 0. */
int64_t receipt_attempt_number(const char *name);
/** A winner that died between its two names has only the step's: give it the other one. @p step_fd
 * is the step's folder. Trouble is left to the next one who comes. */
void receipt_attempt_mend(int step_fd);
#endif
