/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_IN_PLACE_H
#define REPRODUCE_IN_PLACE_H
/** @file
 * Doing a run again where it was: is the code what it was, and what becomes of the outputs that are
 * there. Threads: main. Blocks on the file system and on git.
 */
#include "plan.h"

/** An output that is there as the run wrote it. Texts are owned. */
struct in_place_item {
    char *full;
    char *aside;    /**< where it waits meanwhile; NULL: it was not moved */
    char *replayed; /**< where other bytes than its own were put afterwards; NULL: there are none */
    const char *cwd;
    const struct json_node *artifact; /**< of the receipt; a file of a list has none of its own */
    char sha256[OL_SHA256_TEXT + 1];
};
struct in_place {
    struct replay_plan *plan;
    struct in_place_item *items; /**< owned */
    size_t count, cap;
    bool may_overwrite;
    struct ol_error *err;
};
/** What stands in the way becomes a problem of the plan: other code, outputs that are there with
 * other bytes than the run wrote, or with those that it also read. Nothing is changed, but that an
 * output which a replay that was killed had put aside gets its name back.
 * @return OL_OK, with any number of problems; OL_NOMEM, OL_IO. in_place_release() in any case. */
OL_NODISCARD ol_status in_place_look(struct in_place *p);
/** Put the outputs aside. @return OL_OK; as ol_error_set_errno(): those before it are aside. */
OL_NODISCARD ol_status in_place_begin(struct in_place *p);
/** Give them their names back. Other bytes that were written meanwhile get the name that
 * `replayed` says. @return OL_OK; the first failure, which names the file. */
OL_NODISCARD ol_status in_place_end(struct in_place *p);
/** Where the bytes are that were written in the place of @p full; NULL: under that name. */
const char *in_place_replayed(const struct in_place *p, const char *full);
void in_place_release(struct in_place *p);
#endif
