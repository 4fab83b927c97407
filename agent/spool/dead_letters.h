/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEAD_LETTERS_H
#define DEAD_LETTERS_H
/** @file
 * Events that a route will not take, kept on disk with the reason (SPOOL.md S20). One object per
 * route; adding belongs to the delivery thread, listing may be done by any thread (it opens the
 * file anew).
 */
#include "files.h"
#include "json_write.h"

struct dead_letters; /* opaque */

struct dead_letter {
    const char *id; /**< "ROUTE-SEQ" */
    const char *route;
    uint64_t seq;
    int64_t taken_ms, parked_ms;
    const char *reason; /**< e.g. "status 422", "too large", "no eventType" */
    int status;         /**< HTTP status; 0: none */
    struct ol__span answer;
    int tries;
    const char *lane;      /**< lane key as text */
    uint32_t uid;          /**< of the sender; 0xffffffff: not known */
    struct ol__span event; /**< exact bytes */
};

/** Open `dead/ROUTE.jsonl` under the spool's directory, cutting a torn last line. @p max_bytes 0:
 * 64 MiB. */
OL_NODISCARD ol_status dead_letters_open(const char *spool_directory, const char *route,
                                         int64_t max_bytes, const struct ol__fs *fs,
                                         struct dead_letters **ret, struct ol_error *err);
void dead_letters_close(struct dead_letters *letters);
/** Append and sync one. @return OL_OK: the cursor may pass; OL_FULL, OL_IO: the lane waits. A
 * failed file is not appended to again: the next call writes a new file and replaces the old one by
 * rename. */
OL_NODISCARD ol_status dead_letters_add(struct dead_letters *letters,
                                        const struct dead_letter *letter, struct ol_error *err);
/** End the letter @p id: @p how is "retried" (it is in the spool again, synced) or "dropped".
 * Appends and syncs a line; the space comes back when the file is next written anew. Owner's
 * thread.
 *  @return OL_OK; OL_NOT_FOUND: no open letter has this id; OL_FULL, OL_IO: it is still open. */
OL_NODISCARD ol_status dead_letters_end(struct dead_letters *letters, const char *id,
                                        const char *how, struct ol_error *err);
/** The same for @p count letters by sequence, with one sync: all of them, or none. Those that are
 * not open are passed over. *ret_ended: how many were. @return OL_OK, OL_FULL, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status dead_letters_end_many(struct dead_letters *letters, const uint64_t *seqs,
                                             size_t count, const char *how, size_t *ret_ended,
                                             struct ol_error *err);
/** Whether a letter for @p seq is there already (a kill between letter and cursor). */
bool dead_letters_has(const struct dead_letters *letters, uint64_t seq);
uint64_t dead_letters_count(const struct dead_letters *letters); /* any thread */
/** Lines that were found at the open and are no letters: bits that flipped, as a rule. They stay in
 * the file. */
uint64_t dead_letters_unreadable(const struct dead_letters *letters);

/** Call @p each for each open letter of @p route (NULL: of every route), oldest first, until it
 * returns other than OL_OK, which is returned. Opens the files anew; usable while the agent runs
 * and without it. */
OL_NODISCARD ol_status dead_letters_each(const char *spool_directory, const char *route,
                                         ol_status (*each)(void *arg,
                                                           const struct dead_letter *letter),
                                         void *arg, struct ol_error *err);

/** Write @p letter as one JSON object, as the admin socket and `lineage deadletter` give it; with
 * the event itself only if @p with_event. */
void dead_letter_write(struct ol__json_writer *writer, const struct dead_letter *letter,
                       bool with_event);
#endif
