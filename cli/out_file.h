/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OUT_FILE_H
#define OUT_FILE_H
/** @file A file that is there whole or not at all, for exports; or standard output. Threads: main
 * only. */
#include "ol_base.h"

struct out_file; /* opaque */
/** @p path "-": standard output. A file that exists is never overwritten. @return OL_OK, OL_INVALID
 * (it exists), OL_NOT_FOUND (no such directory), OL_DENIED, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status out_file_open(const char *path, struct out_file **ret, struct ol_error *err);
OL_NODISCARD ol_status out_file_write(struct out_file *out, const void *data, size_t size,
                                      struct ol_error *err);
/** Sync and give it its name. */
OL_NODISCARD ol_status out_file_commit(struct out_file *out, struct ol_error *err);
/** Without a commit nothing stays. NULL is a no-op. */
void out_file_close(struct out_file *out);
#endif
