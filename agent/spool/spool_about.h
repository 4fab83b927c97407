/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_ABOUT_H
#define SPOOL_ABOUT_H
/** @file
 * spool.json: which format a spool has, who it is, who made it; and the refusal of other formats.
 * Threads: any.
 */
#include "files.h"
#include "ids.h"

#define SPOOL_VERSION 1

#ifndef OL_VERSION
#define OL_VERSION "0"
#endif

struct spool_about {
    int64_t version;
    bool has_version, has_uuid;
    struct ol__uuid uuid;
    char writer[64];
};

/** What spool.json in @p dirfd says. One that is no JSON is as good as none: the segments know the
 * UUID (P3). Nothing is written. @p directory: for messages.
 *  @return OL_OK, also without one; OL_VERSION_NEWER: another format than ours, older or newer: err
 * says which, who wrote it, and what to do; OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status spool_about_read(const struct ol__fs *fs, int dirfd, const char *directory,
                                        struct spool_about *ret, struct ol_error *err);
/** Write it anew, by rename. */
OL_NODISCARD ol_status spool_about_write(const struct ol__fs *fs, int dirfd,
                                         const struct ol__uuid *uuid, struct ol_error *err);
/** Say that a segment has another format than ours. @return OL_VERSION_NEWER. */
ol_status spool_about_refuse_segment(const char *directory, uint64_t number, uint32_t format,
                                     struct ol_error *err);
#endif
