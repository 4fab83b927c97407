/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MEMBERS_DOOR_H
#define CLI_MEMBERS_DOOR_H
/** @file
 * Hand lists of members (spec/RECEIPT.md, R10) over to the agent that takes this user's events: a
 * file in the folder `members` of its journal directory (spec/JOURNAL.md, J26). Nothing waits for
 * the agent, which need not be there. Threads: main only. Blocks on the file system.
 */
#include "buf.h"

/** The list @p text, whose hash is @p sha256. @param runs  a runs folder that may have it among its
 * objects, so that no second copy is made; NULL: none.
 * @return OL_OK; OL_END: events go where no agent of this machine takes lists, or it is empty;
 * OL_TOO_LARGE: more than the agent takes, or too many wait; OL_DENIED, OL_FULL, OL_IO, OL_CONFIG.
 */
OL_NODISCARD ol_status members_offer(const char *runs, struct ol__span text, const char *sha256,
                                     struct ol_error *err);
/** The list that stands in @p runs among the objects, for an import. @return as members_offer();
 * OL_NOT_FOUND; OL_CORRUPT: its bytes have another hash. */
OL_NODISCARD ol_status members_offer_object(const char *runs, const char *sha256,
                                            struct ol_error *err);
#endif
