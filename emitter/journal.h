/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_JOURNAL_H
#define OL_JOURNAL_H
/** @file
 * The writer's side of spec/JOURNAL.md: one file of this process's own, one write call an event.
 * The file is born with the first event. Threads: any may emit; fork: the child's first emit gives
 * birth to a journal of its own. Read journal.c first.
 */
#include <openlineage/openlineage.h>
#include "files.h"
#include "transport.h"

/** Numbers of JOURNAL.md; tests make them small. */
struct ol__journal_limits {
    uint64_t rotate_bytes; /**< J13 */
    uint64_t fsize_margin; /**< J13: how far below RLIMIT_FSIZE */
    uint64_t check_bytes;  /**< J14: fstatvfs after so many bytes */
    uint64_t floor_bytes;  /**< J14 */
    unsigned floor_percent;
    int64_t low_retry_ms; /**< J14 */
    uint64_t uid_bytes;   /**< J15 */
    uint64_t uid_files;   /**< J15 */
    unsigned count_odds;  /**< J15: one birth in so many counts */
    int64_t recount_ms;   /**< J15 */
    int64_t idle_ms;      /**< J13: rotates first after so long without a write */
};
extern const struct ol__journal_limits ol__journal_limits_default;

struct ol__journal_options {
    const char *directory;                   /**< made 0700 with its parents if absent; copied */
    bool must_exist;                         /**< do not make it */
    bool is_durable;                         /**< fdatasync before emit returns */
    bool infer_abort;                        /**< said in the header */
    const struct ol__fs *fs;                 /**< NULL: the real one */
    const struct ol__journal_limits *limits; /**< NULL: the defaults; borrowed for good */
};

/** Open the directory. No file is made yet. @param ret  Owned: end it with its close function.
 *  @return OL_OK, OL_NOMEM, OL_NOT_FOUND, OL_DENIED, OL_FULL, OL_IO. */
OL_NODISCARD ol_status ol__journal_open(const struct ol__journal_options *options,
                                        struct ol__transport **ret, struct ol_error *err);

/** Whether somebody drains @p directory now (J18): 1 yes, 0 no. Blocks on nothing. */
bool ol__journal_is_drained(const char *directory);
#endif
