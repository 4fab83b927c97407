/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_MEMBERS_INBOX_H
#define STORE_MEMBERS_INBOX_H
/** @file
 * Lists of members that wait in the folder `members` of a journal directory, each a file named by
 * its hash (spec/JOURNAL.md, J26), on their way into the store. Threads: the store writer's.
 */
#include "agent.h"
#include "store.h"

struct members_inbox; /* opaque */
/** Of all journal directories of @p agent, which stays. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status members_inbox_new(const struct agent *agent, const char *area,
                                         struct members_inbox **ret, struct ol_error *err);
/** Go on for about @p budget_ms. What is no such list is removed, and said. @p ret_more: something
 * waits still. @return OL_OK; a failure of @p store, after which members_inbox_drop() and another
 * store. */
OL_NODISCARD ol_status members_inbox_step(struct members_inbox *inbox, struct store *store,
                                          int64_t budget_ms, bool *ret_more, struct ol_error *err);
/** Let go of the store; what was under way begins anew. */
void members_inbox_drop(struct members_inbox *inbox);
void members_inbox_free(struct members_inbox *inbox);
#endif
