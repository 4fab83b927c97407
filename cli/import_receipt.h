/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMPORT_RECEIPT_H
#define IMPORT_RECEIPT_H
/** @file What a manifest, a claim or a receipt says, as OpenLineage events. Threads: plain
 * functions. */
#include "buf.h"
#include "json_doc.h"

struct receipt_event {
    const struct json_node *doc; /**< receipt.json or claim.json; NULL: of the run as a whole */
    const struct json_node *manifest;
    const struct json_node *parent; /**< `openlineage` of the parent run; NULL: it is not known */
    const struct json_node *const *inputs; /**< of the run as a whole: its inputs/NAME.json */
    size_t input_count;
    const char *seal_sha256; /**< NULL: none */
    bool is_claim;           /**< doc is claim.json, which says its datasets: START as it was */
    bool is_unverified;      /**< imported though it is not what was sealed */
    const char *type, *time; /**< START, COMPLETE...; RFC 3339 */
};
/** One event on one line, without a newline. @return out->status */
ol_status receipt_event_write(const struct receipt_event *event, struct ol__buf *out);
#endif
