/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LETTERS_CHANGE_H
#define LETTERS_CHANGE_H
/** @file
 * Dead letters that are sent again or forgotten (SPOOL.md S20..S22): which ones, in batches, and in
 * which order what is written. Whoever writes is given as functions: the agent's threads, or, under
 * the lock, the command line itself. Threads: one at a time.
 */
#include "dead_letters.h"
#include "spool.h"

/** Which letters. All that is given must hold. */
struct letters_choice {
    const char *id;     /**< NULL: any */
    const char *route;  /**< NULL: any */
    const char *reason; /**< the reason contains this; NULL: any */
    int status;         /**< -1: any; 0: those without one */
    uint64_t up_to;     /**< letters of events up to this sequence; 0: any */
};
/** Whether something is asked for: without any of the four a choice must not mean all by accident.
 */
bool letters_choice_is_narrow(const struct letters_choice *choice);
bool letters_choice_has(const struct letters_choice *choice, const struct dead_letter *letter);

struct letters_hands {
    /** Whether somebody owns the letters of this route. */
    bool (*knows)(void *arg, const char *route);
    /** Into the spool, synced; see intake_put(). */
    ol_status (*put)(void *arg, struct spool_record *records, size_t count, size_t *ret_count,
                     struct ol_error *err);
    /** See dead_letters_end_many(). */
    ol_status (*end)(void *arg, const char *route, const uint64_t *seqs, size_t count,
                     const char *how, size_t *ret_ended, struct ol_error *err);
    void *arg;
};
enum letters_verb { LETTERS_RETRY, LETTERS_DROP };
struct letters_result {
    uint64_t count;    /**< sent again, or forgotten */
    uint64_t left_off; /**< of routes that nobody owns */
    bool has_more;     /**< the time was up */
};

/** Change the letters that @p choice means, oldest first, until none is left or @p budget_ms is
 * over.
 *  @return OL_OK; or the first failure: result->count are done nevertheless. */
OL_NODISCARD ol_status letters_change(const char *spool_directory, enum letters_verb verb,
                                      const struct letters_choice *choice,
                                      const struct letters_hands *hands, int64_t budget_ms,
                                      struct letters_result *result, struct ol_error *err);
#endif
