/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_SENDERS_H
#define SPOOL_SENDERS_H
/** @file
 * Names of senders that are no users of this machine (API keys, client certificates). A record's
 * uid (SPOOL.md) has room for a number only: the file `senders` beside the log gives each name one,
 * for ever. Threads: one per object; senders_name() any.
 */
#include "spool.h"

#define SENDERS_MAX 4096u
#define SENDERS_NAME_MAX 80

/** Whether a record's uid is the number of a name. */
static inline bool senders_has(uint32_t uid)
{
    return uid >= SPOOL_UID_SENDERS && uid != SPOOL_UID_UNKNOWN;
}

struct senders; /* opaque */
/** Read what is there; @p directory is the spool's. A torn last line is cut off. Nothing is made.
 *  @return OL_OK, OL_IO, OL_DENIED, OL_NOMEM. */
OL_NODISCARD ol_status senders_open(const char *directory, struct senders **ret,
                                    struct ol_error *err);
void senders_close(struct senders *senders);
/** The number of @p name (no control character), which is on disk when this returns. Blocks for a
 * sync when the name is new. @return SPOOL_UID_UNKNOWN: it could not be written, or too many. */
uint32_t senders_uid(struct senders *senders, const char *name, struct ol_error *err);
/** The name behind @p uid, for people. @return OL_OK; OL_NOT_FOUND; OL_IO... */
OL_NODISCARD ol_status senders_name(const char *directory, uint32_t uid,
                                    char out[SENDERS_NAME_MAX + 1], struct ol_error *err);
#endif
