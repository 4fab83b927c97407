/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTE_FILTER_H
#define ROUTE_FILTER_H
/** @file
 * Which events a route takes: `only` and `except` of its settings, with the keys and meanings that
 * rules have (agent/rules/). What is not taken stays for the other routes. Threads: one at a time
 * per object.
 */
#include "config.h"
#include "spool/spool.h"

struct route_filter; /* opaque */
/** @param ret  Owned; NULL where the route takes all. @p config is borrowed until
 * route_filter_free().
 *  @return OL_OK; OL_CONFIG: err names key and reason, as "only.job_regex: ..."; OL_NOMEM. */
OL_NODISCARD ol_status route_filter_new(const struct route_config *config,
                                        struct route_filter **ret, struct ol_error *err);
/** Whether all routes' filters can be made. @return as route_filter_new(); err names file and line
 * too.
 */
OL_NODISCARD ol_status route_filter_check(const struct agent_config *config, struct ol_error *err);
void route_filter_free(struct route_filter *filter);
/** Whether the route takes @p record, an event. A dead letter sent again always is, for somebody
 * asked for it; so is what cannot be read, and what an expression could not decide on within its
 * limits. */
bool route_filter_takes(struct route_filter *filter, const struct spool_record *record);
#endif
