/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_RUN_IDS_H
#define OL_RUN_IDS_H
/** @file The ids in a run's facet lineaged_run as it is now, however it was set. Threads: as the
 * run. */
#include "run.h"

struct ol__run_ids {
    struct ol_ids ids;   /**< texts borrowed from below; NULL: absent */
    struct ol__buf text; /**< all of them, each with its NUL */
};

void ol__run_ids_init(struct ol__run_ids *ids);
/** @return OL_OK; OL_NOMEM; a facet whose members are no texts has none of them. */
OL_NODISCARD ol_status ol__run_ids_read(const struct ol_run *run, struct ol__run_ids *ret);
void ol__run_ids_release(struct ol__run_ids *ids);
#endif
