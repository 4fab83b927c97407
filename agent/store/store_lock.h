/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H
/** @file
 * Who may have a store's file: one process that writes, any number that read, or one that puts
 * another file in its place. FILE-lock beside it carries it and stays there. Threads: any.
 */
#include "ol_base.h"

enum store_hold {
    STORE_HOLD_READ,   /**< the file stays in its place; no lock file, none to open: nothing held */
    STORE_HOLD_WRITE,  /**< and nobody else writes */
    STORE_HOLD_REPLACE /**< nobody else has it at all */
};
/** Hold the store at @p path, waiting @p wait_ms at most for others.
 * @param ret  Owned: close() lets go, as the end of the process does; -1: there is nothing to hold
 * (STORE_HOLD_READ, or a file system without such locks).
 * @return OL_OK; OL_BUSY: err says what others do; OL_DENIED, OL_FULL, OL_IO. */
OL_NODISCARD ol_status store_lock(const char *path, enum store_hold hold, int64_t wait_ms, int *ret,
                                  struct ol_error *err);
#endif
