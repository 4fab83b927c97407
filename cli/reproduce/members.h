/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_MEMBERS_H
#define REPRODUCE_MEMBERS_H
/** @file
 * Are the members of a directory, list or manifest still to be had, each by its own hash? Threads:
 * main. Blocks on the file system: those that are there are read, several at a time.
 */
#include "evidence.h"

#define REPRO_NAMED_MAX 5 /**< members that are named of each kind; the rest is counted */

struct repro_members {
    size_t count;                 /**< of all */
    size_t gone, changed, unread; /**< not where they were, and not in objects/ */
    char what[1024];              /**< "2 of 5 members are gone (a, b) ..."; "" all are there */
};
/** @p cwd: of the command. A member of a manifest is looked for in the manifest's folder, then in
 * @p cwd. @return OL_OK; OL_NOT_FOUND: which members it had is not kept; OL_NOMEM. */
OL_NODISCARD ol_status repro_members_look(const char *runs, const char *cwd,
                                          const struct json_node *artifact,
                                          struct repro_members *ret, struct ol_error *err);
#endif
