/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ASK_ASSERTIONS_H
#define STORE_ASK_ASSERTIONS_H
/** @file What checks said of a dataset: the facet dataQualityAssertions of the runs that read or
 * wrote it. Threads: one. */
#include "ask.h"

/** Member "assertions" of an open object: each check once, as the newest run that made it says, the
 * failed ones first; nothing where nobody checked. @p version 0: any. */
OL_NODISCARD ol_status ask_write_assertions(struct ask *ask, int64_t dataset, int64_t version);
/** The newest runs of @p job in the window, whatever became of them, at most @p max. */
OL_NODISCARD ol_status assertions_newest(struct ask *ask, const struct ask_window *window,
                                         int64_t job, struct ask_edge *ret, size_t max,
                                         size_t *ret_count);
/** Whether a facet with that key (a text of the dictionary) in that place tells assertions. */
bool assertions_has_place(const struct state_entry *entry);
#endif
