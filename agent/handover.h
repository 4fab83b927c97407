/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HANDOVER_H
#define HANDOVER_H
/** @file
 * A bounded queue of requests from any thread to the one that owns what they change. The owner
 * looks for them whenever its eventfd wakes it, does them when it suits, and answers; who asks
 * waits for that. Nobody but the owner ever touches what it owns.
 */
#include "ol_base.h"

#define HANDOVER_MAX 16 /**< requests that wait; one more is refused */

/** Owned by who asks, until the answer. */
struct handover_job {
    int kind;  /**< the owner's business, as is arg */
    void *arg; /**< borrowed: what to do, and room for results */
    /* private */
    struct handover_job *next;
    bool is_done;
    struct ol_error err;
};

struct handover; /* opaque */
/** @p wake_fd  eventfd to write to when something came; borrowed. */
OL_NODISCARD ol_status handover_new(int wake_fd, struct handover **ret, struct ol_error *err);
void handover_free(struct handover *handover);

/** Hand @p job over and wait for the answer. Not for the owner's own thread.
 *  @return what the owner answered; OL_BUSY: it has stopped, or too many ask. */
OL_NODISCARD ol_status handover_ask(struct handover *handover, struct handover_job *job,
                                    struct ol_error *err);

/* ---- The owner's thread ---- */
/** The next one, oldest first; NULL: none. Each must be answered. */
struct handover_job *handover_next(struct handover *handover);
/** Whether there is one. */
bool handover_is_waiting(struct handover *handover);
/** @p err may be NULL; @p job is not touched after this. */
void handover_answer(struct handover *handover, struct handover_job *job, ol_status status,
                     const struct ol_error *err);
/** No more: all that wait, and all that come, are answered OL_BUSY. */
void handover_close(struct handover *handover);
#endif
