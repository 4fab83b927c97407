/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_HELP_H
#define RULES_HELP_H
/** @file Rules from YAML, applied to an event: what the tests of agent/rules/ share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules.h"

struct rules_world {
    struct agent_config config;
    struct agent_metrics *metrics;
    struct rules *rules;
    struct ol__event_reader *reader;
    struct ol__buf told; /**< "RULE POINTER BEFORE -> AFTER\n" of each change of the last event */
};

/** @p yaml is what stands behind "rules:", one rule a line, each as "{...}"; asserts that it is
 * good. */
void rules_world_init(struct rules_world *w, const char *yaml);
void rules_world_release(struct rules_world *w);
/** The message that refuses the rules. */
const char *rules_world_refusal(const char *yaml);
/** Apply. @return OL_OK, OL_AGAIN, OL_END; what comes out is checked to be an event. @p ret: what
 * is left: the very bytes of @p event with OL_OK. */
ol_status rules_world_apply(struct rules_world *w, struct ol__span event, struct ol__span *ret);
/** The same with texts: what is left must be @p expected; NULL: dropped. */
void rules_world_expect(struct rules_world *w, const char *event, const char *expected);
#endif
