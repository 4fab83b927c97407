/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_OPEN_RUNS_H
#define INTAKE_OPEN_RUNS_H
/** @file
 * Which runs of journals that permit an inferred ABORT have a START and no end yet, and which runs
 * others have had events of lately (JOURNAL.md J22, J23). All in memory, of a fixed size that is
 * touched only as it fills; what must outlast a crash stands in journals, the kept files (J25) and
 * the spool's positions. Threads: one.
 */
#include <stdbool.h>
#include "ids.h"

#define OPEN_RUNS_MAX 32768u
#define OPEN_RUNS_OF_CHAIN 8192u
#define OPEN_RUNS_LANE 16

struct open_runs; /* opaque */

enum open_run_sharing {
    OPEN_RUN_OWN,             /**< no event of it came from elsewhere */
    OPEN_RUN_SHARED_IN_GROUP, /**< one is in the group being gathered */
    OPEN_RUN_SHARED           /**< one is on disk */
};

struct open_run {
    uint8_t lane[OPEN_RUNS_LANE];
    struct open_chain *chain;
    uint64_t offset;         /**< of its START line... */
    uint32_t size;           /**< ...without newline */
    uint32_t part;           /**< which part of the chain that stands in; 0: the kept file */
    uint32_t next, previous; /**< of the chain, oldest START first; index + 1, 0: none */
    uint8_t sharing;         /**< enum open_run_sharing */
};

/** The parts of one writer's journal; made and freed by journal_abort.c. */
struct open_chain {
    struct ol__uuid key;
    uint32_t first, last, count; /**< its runs */
    uint32_t files;              /**< parts that are listed */
    uint32_t kept_part; /**< J25: the last part folded into the kept file; 0: there is none */
    uint64_t kept_size; /**< its bytes */
    bool is_told;       /**< that some run of it gets no ABORT was logged */
};

/** @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status open_runs_new(struct open_runs **ret, struct ol_error *err);
void open_runs_free(struct open_runs *runs);
uint32_t open_runs_count(const struct open_runs *runs);

/** NULL: it is not open. */
struct open_run *open_runs_find(const struct open_runs *runs, const uint8_t lane[OPEN_RUNS_LANE]);
/** A run that is not there yet, behind those of its chain. NULL: there are too many. */
struct open_run *open_runs_add(struct open_runs *runs, struct open_chain *chain,
                               const uint8_t lane[OPEN_RUNS_LANE]);
void open_runs_remove(struct open_runs *runs, struct open_run *run);
/** The runs of @p chain, oldest START first: after @p run, or the first (NULL). */
struct open_run *open_runs_next(const struct open_runs *runs, const struct open_chain *chain,
                                const struct open_run *run);
/** What is shared within the group is so for good, or was not. */
void open_runs_settle(struct open_runs *runs, bool is_committed);

/** Who events of a journal count as: the first bytes of its chain's key, or of its own. */
static inline uint64_t open_runs_owner(const struct ol__uuid *key)
{
    return ol__get_le64(key->bytes);
}
/** An event of the run @p lane came from @p owner (any number but 0 and UINT64_MAX). @return the
 * run that became shared by it, or NULL. */
struct open_run *open_runs_note(struct open_runs *runs, const uint8_t lane[OPEN_RUNS_LANE],
                                uint64_t owner);
/** It is shared: within the group as well as on disk. */
void open_runs_share(struct open_runs *runs, struct open_run *run);
/** Whether somebody but @p owner had one lately. */
bool open_runs_is_known_of_others(const struct open_runs *runs, const uint8_t lane[OPEN_RUNS_LANE],
                                  uint64_t owner);
#endif
