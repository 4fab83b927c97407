/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_RUN_COLLECT_H
#define OL_RUN_COLLECT_H
/** @file What was collected (facets/collect.h), as facets of a run. Threads: the run's. */
#include "collect.h"

/** Into the job's sourceCodeLocation, where there is a remote, unless it is set. @return OL_OK,
 * OL_NOMEM, OL_TOO_LARGE. */
ol_status ol__collected_set_location(const struct ol__collected *c, struct ol_run *run);
/** Into the run's facets, and the job's sourceCodeLocation, unless they are set there. @return
 * OL_OK, OL_NOMEM, OL_TOO_LARGE. */
ol_status ol__collected_set(const struct ol__collected *c, struct ol_run *run);
#endif
