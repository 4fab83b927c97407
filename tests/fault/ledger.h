/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEDGER_H
#define LEDGER_H
/** @file
 * What a host was told of each event, in memory shared with a child, against what stands in a
 * directory of journals. An event is known by the number in its job's or dataset's name and its
 * type. Threads: each number belongs to one.
 */
#include <openlineage/openlineage.h>

#define LEDGER_NUMBERS 16384 /**< jobs of one trial */
#define LEDGER_SLOTS 8       /**< the eventType of a RunEvent, or one of these: */
#define LEDGER_JOB_EVENT 6
#define LEDGER_DATASET_EVENT 7
#define LEDGER_NAMESPACE "fault"

struct ledger {
    _Atomic unsigned tried, accepted, partial, refused, disabled;
    _Atomic unsigned not_made; /**< clients, runs, ... that could not be made: told, no event yet */
    uint64_t counted;          /**< by ol_client_lost() */
    _Atomic unsigned told[16]; /**< how often each failure was told, by -status */
    char message[sizeof((struct ol_error *)0)->message]; /**< of the first failure */
    unsigned char told_accepted[LEDGER_NUMBERS][LEDGER_SLOTS];
};
/** What stands in the directory. */
struct ledger_found {
    unsigned found;      /**< whole events that were accepted */
    unsigned missing;    /**< accepted, not there */
    unsigned unexpected; /**< there, whole, refused or never heard of */
    unsigned doubled;
    unsigned torn; /**< pieces that no reader takes for an event */
};

/** Zeroed, shared with children; free with ledger_free(). */
struct ledger *ledger_new(void);
void ledger_free(struct ledger *ledger);
/** Note what an emit answered. */
void ledger_tell(struct ledger *ledger, unsigned number, unsigned slot, ol_status status,
                 const struct ol_error *err);
/** Note that something could not even be made. */
void ledger_tell_unmade(struct ledger *ledger, ol_status status, const struct ol_error *err);
/** Emit START and COMPLETE of job @p number with a facet each on run and output. */
void ledger_run(struct ledger *ledger, struct ol_client *client, unsigned number);
/** Read all journals of @p directory, or the lines of the one file that it is; and those of the
 * file @p more, if not NULL. */
struct ledger_found ledger_compare(const struct ledger *ledger, const char *directory,
                                   const char *more);
/** Every event delivered, in a journal, or in a counter, and nothing there that was refused. */
bool ledger_is_balanced(const struct ledger *ledger, const struct ledger_found *found);
#endif
