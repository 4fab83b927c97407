/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H
/** @file A store's file as a whole: a copy of one moment, while it is written to; whether it is
 * what it was. Threads: plain functions. */
#include "store.h"

/** Write a copy of the store at @p path to @p to, which is not there: of one moment, without what
 * was deleted, 0600, synced. Others may write meanwhile. @return as store_open(STORE_READ);
 * OL_FULL, OL_DENIED, OL_IO. */
OL_NODISCARD ol_status store_backup(const char *path, const char *to, struct ol_error *err);

struct store_found {
    int64_t runs, facets, texts, edges; /**< that were looked at */
    int64_t pages, unsummed; /**< of the file; those without checksum: as page_sums_found */
    int64_t problems;
};
/** Told of each problem; the text is borrowed. */
typedef void store_problem(void *arg, const char *problem);
/** Read everything: the checksum of each page; SQLite's own check; each run's state and what it
 * names; each edge; each text and facet against its hash. Goes on behind what is damaged. @return
 * OL_OK with any number of problems; as store_open(STORE_READ). */
OL_NODISCARD ol_status store_check(const char *path, store_problem *tell, void *arg,
                                   struct store_found *ret, struct ol_error *err);
#endif
