/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_REPAIR_H
#define SPOOL_REPAIR_H
/** @file
 * What an agent that starts would do to a damaged spool, and more: segments with damage inside are
 * written anew without it, so that nothing stumbles over it again. Only without an agent. Threads:
 * one.
 */
#include "spool_look.h"

struct repair_sink {
    /** What was found, before anything is done about it. */
    ol_status (*found)(void *arg, const struct look_problem *problem, struct ol_error *err);
    /** Segment @p number was written anew with @p records of its records. NULL: not told. */
    void (*packed)(void *arg, uint64_t number, uint64_t records);
    void *arg;
};

/** Tell all that is wrong with the spool of @p options, and, unless @p is_dry, put it right: open
 * it as an agent does (the lock, S11, S13), keep a copy of each bad place in quarantine/, write
 * each segment that has one anew, close it. A dry run takes no lock and writes nothing.
 *  @return OL_OK; as spool_open(); OL_FULL, OL_IO: what was not done yet is as it was. */
OL_NODISCARD ol_status spool_repair(const struct spool_options *options, bool is_dry,
                                    const struct repair_sink *sink, struct ol_error *err);
#endif
