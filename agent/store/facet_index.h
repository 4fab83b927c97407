/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_FACET_INDEX_H
#define STORE_FACET_INDEX_H
/** @file
 * By which content a facet is found: for writers only. An index over random hashes would change a
 * page of its own for nearly each new facet, so those of the latest facets stay in memory and are
 * put into the table `facet_keys` many at a time, in the order of that table.
 */
#include "db.h"

/** The id of the facet with these parts, 0 if there is none. @return OL_OK or the store's failure.
 */
OL_NODISCARD ol_status facet_index_find(struct store *store, int64_t hash, int64_t head,
                                        struct ol__span body, int64_t *ret, struct ol_error *err);
/** Facet @p id was added just now. Only inside a transaction. */
OL_NODISCARD ol_status facet_index_add(struct store *store, int64_t hash, int64_t id,
                                       struct ol_error *err);
#endif
