/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KAFKA_KEY_H
#define KAFKA_KEY_H
/** @file
 * The key of a Kafka message: what is kept in order in one partition. Threads: one per object.
 */
#include "event_read.h"
#include "spool/spool.h"

struct kafka_keys; /* opaque */
/** @param is_job  the convention of the other OpenLineage clients: `run:NAMESPACE/NAME` of the root
 * job, else the parent job, else the run's own job, found once per run, so that a later event
 * without parent facet follows its run; `job:` and `dataset:` otherwise. Else the lane's text
 * (ol__event_lane_text). */
OL_NODISCARD ol_status kafka_keys_new(bool is_job, struct kafka_keys **ret, struct ol_error *err);
void kafka_keys_free(struct kafka_keys *keys);
/** @param ret  borrowed until the next call. @return OL_OK, OL_INVALID: not readable, OL_NOMEM. */
OL_NODISCARD ol_status kafka_keys_get(struct kafka_keys *keys, const struct spool_record *record,
                                      struct ol__span *ret, struct ol_error *err);
#endif
