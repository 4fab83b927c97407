/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_ANSWER_H
#define REPRODUCE_ANSWER_H
/** @file A verdict as JSON (spec/schemas/answers/reproducible.json) and for people. Threads: main.
 */
#include "judge.h"
#include "tree.h"

/** @p subject: member of the store's answer. Ends with a newline. @return out->status. */
OL_NODISCARD ol_status repro_write_json(const struct repro_case *c, const struct json_node *subject,
                                        struct ol__buf *out);
void repro_write_text(const struct repro_case *c, const struct json_node *subject,
                      struct pretty *p);
#endif
