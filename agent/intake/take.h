/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_TAKE_H
#define INTAKE_TAKE_H
/** @file
 * The one way in: every event, whatever its source, is checked here and put into the spool's group
 * that is being gathered. Nothing counts, for anybody, before the group's commit; intake.c commits
 * it and tells each source what became of it. Threads: the intake thread only.
 */
#include "event_read.h"
#include "metrics.h"
#include "rules.h"
#include "spool/spool.h"

struct intake_taker; /* opaque */

/** @p spool and @p metrics are borrowed until intake_taker_free(). */
OL_NODISCARD ol_status intake_taker_new(struct spool *spool, struct intake_metrics *metrics,
                                        bool is_strict, size_t event_max, struct intake_taker **ret,
                                        struct ol_error *err);
/** Refuse events nested deeper than @p depth_max; 0: OL_JSON_DEPTH_MAX, as from the start. */
void intake_taker_limit_depth(struct intake_taker *taker, size_t depth_max);
void intake_taker_free(struct intake_taker *taker);
/** What every event passes between the checks and the group. Borrowed; NULL: nothing. */
void intake_taker_use_rules(struct intake_taker *taker, struct rules *rules);

/** Call @p saw for every record that enters the group; NULL: nobody. */
void intake_taker_watch(struct intake_taker *taker,
                        void (*saw)(void *arg, const struct spool_record *record), void *arg);

/** Check record->data as the door does (DESIGN 8), apply the rules, and add what they leave to the
 * group.
 *  @param record     The caller sets source, source_id, source_position, uid and data (borrowed for
 * the call); type, lane, warnings and (if 0) time_ms are filled in, seq by the spool; data is what
 * the rules left, until the next call.
 *  @param ret_event  NULL, or the event as read: borrowed until the next call on this taker.
 *  @return OL_OK; OL_END: a rule dropped it, which is as good as taken; OL_INVALID: err says JSON
 * pointer and reason, the event must be parked or answered 400; OL_TOO_LARGE: past the event limit;
 * OL_FULL: the spool is full, ask again after a while; OL_IO; OL_NOMEM. Nothing was added unless
 * OL_OK. */
OL_NODISCARD ol_status intake_take(struct intake_taker *taker, struct spool_record *record,
                                   const struct ol__event **ret_event, struct ol_error *err);

/** Only check, as intake_take() does: nothing is added or counted. @return OL_OK, OL_INVALID,
 * OL_TOO_LARGE, OL_NOMEM. */
OL_NODISCARD ol_status intake_check(struct intake_taker *taker, struct ol__span data,
                                    const struct ol__event **ret_event, struct ol_error *err);

/** Commit the group and count it, or forget it. An empty one is no sync. @return as
 * spool_group_commit(). */
OL_NODISCARD ol_status intake_taker_commit(struct intake_taker *taker, struct ol_error *err);
#endif
