/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_FOREIGN_H
#define INTAKE_FOREIGN_H
/** @file
 * Files of JSON lines that other OpenLineage clients write (their `file` transport), followed by
 * polling, never changed (JOURNAL.md F1 to F6). Part of the journals' intake: called by journal.c
 * alone, with the same meaning of commit and roll-back. Threads: the intake thread.
 */
#include "agent.h"
#include "open_runs.h"
#include "take.h"

struct foreign; /* opaque */

/** @p agent, @p taker: borrowed until foreign_close(). Reads nothing yet. @return OL_OK, OL_NOMEM.
 */
OL_NODISCARD ol_status foreign_open(const struct agent *agent, struct intake_taker *taker,
                                    struct foreign **ret, struct ol_error *err);
void foreign_close(struct foreign *foreign);
/** When foreign_run() wants to be called, monotonic ms; INT64_MAX: no file is configured. */
int64_t foreign_deadline(const struct foreign *foreign);
/** Look at the files if it is time, and take lines into the group. @p owner is set while one is
 * taken (open_runs_note()). @return OL_OK: caught up; OL_AGAIN: there is more; OL_FULL, OL_IO,
 * OL_NOMEM: as intake_take(). */
OL_NODISCARD ol_status foreign_run(struct foreign *foreign, uint64_t *owner, struct ol_error *err);
void foreign_committed(struct foreign *foreign);
void foreign_rolled_back(struct foreign *foreign);
/** Look again now, for --once and after a start. */
void foreign_rescan(struct foreign *foreign);
/** Keys of the positions that are needed. @return false: not all are known. */
bool foreign_each_key(const struct foreign *foreign,
                      void (*each)(void *arg, const struct ol__uuid *key), void *arg);
#endif
