/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SWEEP_H
#define STORE_SWEEP_H
/** @file Removing what nothing names any more, and what expire.c needs with it. Threads: one per
 * store. */
#include "pins.h"

/** Begin one: store->sweep. @return OL_OK, OL_NOMEM or the store's failure. */
OL_NODISCARD ol_status sweep_new(struct store *store, struct ol_error *err);
/** Some rows further. @p before_ms: own events of jobs and datasets that came since count as
 * naming them. @p ret_done: it is over. */
OL_NODISCARD ol_status sweep_on(struct store *store, int64_t before_ms, bool *ret_done,
                                struct ol_error *err);
/** The rows of io and ids that @p state says, of a run or of a job's own events. */
OL_NODISCARD ol_status sweep_remove_edges(struct store *store, const struct state *state,
                                          const struct run_row *row, struct ol_error *err);
/** The number that @p sql gives, static text. */
OL_NODISCARD ol_status store_measure(struct store *store, const char *sql, int64_t *ret,
                                     struct ol_error *err);
#endif
