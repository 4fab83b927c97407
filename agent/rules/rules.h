/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_H
#define RULES_H
/** @file
 * What is done to events between the door and the spool (DESIGN 10): an ordered list of rules from
 * the settings. README.md says what each may change. Threads: one at a time per object; intake has
 * the agent's.
 */
#include "config.h"
#include "event_read.h"
#include "metrics.h"

struct rules; /* opaque */

/** Compile config->rules. Makes, opens and connects nothing.
 *  @param config   borrowed until rules_free(), and so is @p metrics (NULL: nothing is counted).
 *  @param ret      Owned; NULL where there is no rule.
 *  @return OL_OK; OL_CONFIG: err names file, line, rule and key; OL_NOMEM. */
OL_NODISCARD ol_status rules_new(const struct agent_config *config, struct agent_metrics *metrics,
                                 struct rules **ret, struct ol_error *err);
void rules_free(struct rules *rules);

/** Tells what was done, value by value. @p before or @p after is empty where something was added or
 * removed. All borrowed for the call. */
struct rules_watch {
    void (*changed)(void *arg, const char *rule, const char *pointer, struct ol__span before,
                    struct ol__span after);
    void *arg;
};

/** Apply all rules to one event that the door has taken.
 *  @param text   the event; @p event: the same as read, CORE is enough. Both borrowed for the call.
 *  @param watch  NULL, or who is told.
 *  @param ret    with OL_AGAIN: the event as it is now, borrowed until the next call.
 *  @return OL_OK: nothing to change, its bytes stay; OL_AGAIN: changed; OL_END: dropped;
 * OL_TOO_LARGE: it grew past 64 MiB; OL_NOMEM. */
OL_NODISCARD ol_status rules_apply(struct rules *rules, struct ol__span text,
                                   const struct ol__event *event, const struct rules_watch *watch,
                                   struct ol__span *ret, struct ol_error *err);

/** Before the reason for which an event was refused is told to anybody: if it names something that
 * a redaction matches (a key, in a JSON pointer), the reason is left out. */
void rules_hide(struct rules *rules, struct ol_error *err);

/** What is built in; NULL past the last. Static. */
const char *rules_builtin_name(size_t index);
const char *rules_builtin_help(size_t index);
#endif
