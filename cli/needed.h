/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NEEDED_H
#define NEEDED_H
/** @file
 * Has a step been done already (`lineage run --if-needed`; spec/RECEIPT.md, R15)? Threads: main.
 */
#include "run_files.h"
#include "step.h"

#define NEEDED_REASON_SIZE 512

/** Compare what is asked for with what successful attempts at the step did, the newest first: the
 * command and its parameters, the inputs' and outputs' bytes as they are now. Hashes files. @p s
 * comes from step_find(); of @p files texts, limit and caching are used.
 *  @return OL_OK: it need not be done, *ret_attempt did; OL_END: it must be, @p reason says why;
 * OL_NOMEM. */
OL_NODISCARD ol_status needed_look(const struct step *s, const struct run_files *files,
                                   int64_t *ret_attempt, char reason[NEEDED_REASON_SIZE]);
#endif
