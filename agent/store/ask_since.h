/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ASK_SINCE_H
#define STORE_ASK_SINCE_H
/** @file What `diff` compares when it is asked for what changed since a deployment. Threads: one
 * per store. */
#include "decisions.h"

struct since_side {
    int64_t dataset, version;
    char note[160]; /* what it is */
};
/** Both sides, the older first. @return OL_OK; OL_NOT_FOUND: nothing was deployed there; a failure.
 */
OL_NODISCARD ol_status since_find(struct ask *ask, const char *subject, struct since_side sides[2]);
#endif
