/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIPT_MEMBERS_H
#define RECEIPT_MEMBERS_H
/** @file
 * Members of artifacts: their text stands once in objects/ (spec/RECEIPT.md, R10). Threads: plain
 * functions. Blocks on the file system.
 */
#include "artifact_lines.h"
#include "object.h"
#include "record.h"

/** Keep the texts that the artifacts have. @return as receipt_object_put(). */
OL_NODISCARD ol_status receipt_members_keep(const char *runs, const struct receipt_artifact *items,
                                            size_t count, struct ol_error *err);
/** The text named @p sha256, added to @p out. @return as ol__fs_read_file(); OL_CORRUPT: its hash
 * is another. */
OL_NODISCARD ol_status receipt_members_read(const char *runs, const char *sha256,
                                            struct ol__buf *out, struct ol_error *err);
/** What is wrong with an output of a receipt that is a file, manifest, directory or list of this
 * machine, into @p problem; "": nothing. Everything is read. @param cwd  where its path starts.
 * @param ret_is_read  whether it is of this machine. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status receipt_check_output(const char *runs, const char *cwd,
                                            const struct json_node *output, char *problem,
                                            size_t size, bool *ret_is_read, struct ol_error *err);
#endif
