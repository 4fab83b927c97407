/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_JOURNAL_H
#define INTAKE_JOURNAL_H
/** @file
 * Journals and other JSON-lines files as a source of the intake thread (spec/JOURNAL.md). intake.c
 * polls the descriptor and the deadline given here, calls journal_intake_run(), which hands lines
 * to intake_take(), then commits the group, in which events from HTTP may stand as well, and tells
 * what became of it. Threads: all calls from one thread at a time.
 *
 *     for (;;) {
 *         wait for journal_intake_fd(), or until journal_intake_deadline()
 *         status = journal_intake_run(ji, INTAKE_GROUP_BYTES, &err);
 *         if (intake_taker_commit(taker, &err) == OL_OK)
 *             journal_intake_committed(ji);
 *         else
 *             journal_intake_rolled_back(ji);
 *     }
 */
#include "agent.h"
#include "take.h"

struct journal_intake; /* opaque */

/** Make missing directories (J21), lock each (J18), watch it. Reads nothing yet. Directories and
 * limits come from agent->config (journal_*); positions and forgetting go to agent->spool, counters
 * to agent->metrics.
 *  @param taker  Borrowed until journal_intake_close().
 *  @return OL_OK; OL_BUSY: err says who drains a directory already; OL_DENIED, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status journal_intake_open(const struct agent *agent, struct intake_taker *taker,
                                           struct journal_intake **ret, struct ol_error *err);

/** A descriptor that becomes readable when something may have changed; -1: none, only the deadline
 * counts. It is read (emptied) by journal_intake_run(). Constant over the object's life. */
int journal_intake_fd(const struct journal_intake *ji);

/** When journal_intake_run() wants to be called at the latest though the descriptor is silent
 * (polling where inotify does not see writes, orphans), monotonic ms; INT64_MAX: not
 * by itself. */
int64_t journal_intake_deadline(const struct journal_intake *ji);

/** Empty the descriptor and take lines into the group, oldest journal first, each at most 1 MiB a
 * call (J19), all at most about @p budget_bytes. Positions that moved without an event are added
 * with spool_group_position(). Called again before the commit of an earlier call only if that one
 * answered OL_OK or OL_AGAIN.
 *  @return OL_OK: caught up with what is there now; OL_AGAIN: the budget ended first, call again
 * after the commit; OL_FULL: the spool takes nothing, the journals wait (the deadline says when to
 * ask again); OL_IO, OL_NOMEM: err names the object, what was added before it stands, the deadline
 * says when to ask again. */
OL_NODISCARD ol_status journal_intake_run(struct journal_intake *ji, size_t budget_bytes,
                                          struct ol_error *err);

/** The group is on disk: positions count, what has ended may be unlinked or moved (J11, J12, J17).
 */
void journal_intake_committed(struct journal_intake *ji);
/** Nothing of the group counts: go back to the synced positions. */
void journal_intake_rolled_back(struct journal_intake *ji);
/** For --once, when caught up: runs whose process ended longer ago than the grace, by the clock,
 * get their ABORT in the next run (J22). */
void journal_intake_let_pass(struct journal_intake *ji);

/** Look at every directory anew at the next run, whatever the descriptor said (after a start; for
 * --once). */
void journal_intake_rescan(struct journal_intake *ji);

/** Unlock and forget; files stay as they are. NULL is a no-op. */
void journal_intake_close(struct journal_intake *ji);
#endif
