/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_SCRIPT_H
#define REPRODUCE_SCRIPT_H
/** @file
 * A plan as a script for a POSIX shell: needs sh and sha256sum; from a bundle also tar, and git or
 * patch where there were differences from the commit. Threads: main.
 */
#include "plan.h"

/** @param has_bundle  the script stands in a bundle, and lays its files out first. @return
 * out->status. */
OL_NODISCARD ol_status replay_write_script(const struct replay_plan *plan, bool has_bundle,
                                           struct ol__buf *out);
/** Variables that a step's receipt says it ran with: those that --env named, seeds and flags. Calls
 * @p each; is_redacted: the value is not known. */
typedef void replay_variable(void *arg, const char *name, const char *value, bool is_redacted);
void replay_each_variable(const struct replay_step *step, replay_variable *each, void *arg);
#endif
