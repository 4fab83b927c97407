/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_PINS_H
#define STORE_PINS_H
/** @file
 * What stays whatever its age: runs and datasets whose events say lineaged_approval or
 * lineaged_deployment (tables marks and pins), and all that leads to them. Threads: one per store.
 */
#include "ask.h"

/** Whether an event's facet is one that pins. */
bool pins_is_facet(struct ol__span key);
/** Inside a transaction: an event of @p dataset pins it. */
OL_NODISCARD ol_status pins_add(struct store *store, int64_t dataset, struct ol_error *err);
/** A run that pins came: what is known is to be found anew. */
void pins_forget(struct store *store);
/** An event of the run came: while the runs that are pinned are known, it counts as one. */
void pins_touch(struct store *store, int64_t run);

/** Find all that is pinned, some runs further; store->pins.
 * @param max_age_ms  what was found is good for so long; 0: find it anew, unless it is being found.
 * @return OL_OK; OL_AGAIN: more to find; OL_NOMEM or the store's failure. */
OL_NODISCARD ol_status pins_find(struct store *store, int64_t max_age_ms, struct ol_error *err);
/** Whether a run is pinned, or came since. pins_find() said OL_OK. */
bool pins_has(const struct store *store, int64_t run);
OL_NODISCARD ol_status pins_has_dataset(struct store *store, int64_t dataset, bool *ret,
                                        struct ol_error *err);
/** As they are known. */
int64_t pins_count(const struct store *store);
#endif
