/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_RULES_H
#define OL_RULES_H
/** @file
 * What the configuration wants of every event: jobs that are filtered, facets that are left out,
 * tags, owners and environment variables that are added, and what must not leave this process.
 * Threads: reading is set-up only; the rest any.
 */
#include "config.h"
#include "facet_place.h"

struct ol__rules; /* opaque */

/** @param ret  Owned; NULL where nothing is told. Values of environment variables are taken now.
 *  @return OL_OK, OL_CONFIG, OL_NOMEM. */
OL_NODISCARD ol_status ol__rules_read(const struct ol__config *config, struct ol__rules **ret,
                                      struct ol_error *err);
void ol__rules_free(struct ol__rules *rules);

/** Whether runs of this job emit nothing. @p rules may be NULL. */
bool ol__rules_filter(struct ol__rules *rules, const char *job_name);
/** The hook for the contexts of facets; NULL if no facet is touched. Borrowed from @p rules. */
const struct ol__facet_hook *ol__rules_hook(struct ol__rules *rules);
/** Set the facets of @p place that hold nothing but what the rules add. @return as a setter. */
ol_status ol__rules_begin(struct ol__rules *rules, struct ol__facet_place *place);
#endif
