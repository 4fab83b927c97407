/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_PAGE_SUMS_H
#define STORE_PAGE_SUMS_H
/** @file
 * A checksum in every page of a store's file, beneath SQLite: bytes that changed on disk are an
 * error, never an answer. Threads: the first function anywhere; the others with their database.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include "ol_base.h"

#define PAGE_SUM_SIZE 8                  /**< at the end of each page */
#define PAGE_SUMS_VFS "lineaged-sums"    /**< for sqlite3_open_v2() */
#define PAGE_SUM_WRONG SQLITE_IOERR_DATA /**< what a statement gives that reads such a page */

/** Make the VFS known to SQLite; again is a no-op. @return false: out of memory. */
OL_NODISCARD bool page_sums_register(void);
/** A file that @p db makes from now on (its own, if it is empty; VACUUM INTO) has room for sums. */
void page_sums_want(sqlite3 *db);
/** The page that was last found wrong by @p db, from 1; 0: none. */
int64_t page_sums_wrong(sqlite3 *db);

struct page_sums_found {
    int64_t pages, unsummed, wrong; /**< unsummed: used pages that another program wrote */
    bool has_sums;                  /**< false: the file was made before there were any */
};
/** Told of each wrong page. */
typedef void page_sums_tell(void *arg, int64_t page);
/** Look at every page of the file at @p path, which may be written to meanwhile, but not at the log
 * beside it. @return OL_OK with any number of wrong ones; OL_NOT_FOUND, OL_DENIED, OL_IO, OL_NOMEM;
 * OL_CORRUPT: this is no database. */
OL_NODISCARD ol_status page_sums_check(const char *path, page_sums_tell *tell, void *arg,
                                       struct page_sums_found *ret, struct ol_error *err);
#endif
