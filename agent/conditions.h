/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONDITIONS_H
#define CONDITIONS_H
/** @file
 * Of which events a rule, or a route, asks: the one vocabulary of job, namespace, producer and type
 * that both have in lineaged.yaml(5). Threads: one per matcher.
 */
#include "config.h"
#include "event_read.h"
#include "expression.h"

/** What is asked; all borrowed. Lists may be empty and expressions NULL: then nothing is. */
struct conditions {
    const struct ol__text_list *event_type;
    const struct ol__text_list *job, *job_prefix;
    const struct ol__text_list *name_space, *namespace_prefix;
    const struct ol__text_list *producer, *producer_prefix;
    const struct ol__expression *job_expression, *namespace_expression, *producer_expression;
};

bool conditions_list_has(const struct ol__text_list *list, struct ol__span text);
/** @param in_doubt  what an expression says that reached its limit.
 *  @return whether all hold; of a DatasetEvent the namespace is its dataset's, and no job is asked
 * about that holds. */
bool conditions_hold(const struct conditions *c, struct ol__matcher *matcher,
                     const struct ol__event *event, bool in_doubt);
#endif
