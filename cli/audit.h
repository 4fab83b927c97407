/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_H
#define AUDIT_H
/** @file The answer of `audit` (agent/store/SCHEMA.md) as Markdown. Threads: main. */
#include "buf.h"
#include "json_doc.h"

/** Whether a record of a decision is in the runs folder, and what its event knows. */
enum audit_record { AUDIT_AS_IT_WAS, AUDIT_CHANGED, AUDIT_NOT_HERE };
/** State of the record that @p decision (an approval or a deployment) names. */
typedef enum audit_record audit_look(void *arg, const struct json_node *decision);

/** @p look may be NULL. @return out->status. */
ol_status audit_markdown(const struct json_node *root, audit_look *look, void *arg,
                         struct ol__buf *out);
#endif
