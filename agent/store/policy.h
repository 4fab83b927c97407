/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_POLICY_H
#define STORE_POLICY_H
/** @file A store route's settings as a policy (retention.h). Threads: plain functions. */
#include "config.h"
#include "retention.h"

struct policy {
    struct store_policy policy;
    struct store_class classes[RETENTION_CLASSES_MAX]; /**< texts are the configuration's */
};
/** As the route says, at @p now_ms. @p ret must stay where it is. */
void policy_make(const struct route_config *route, int64_t now_ms, struct policy *ret);

/** What a user asks for instead; zero or below: as the route says. */
struct policy_wish {
    int64_t older_than_ms;
    int64_t keep_last;
    const char *only_class;
};
/** A wish for one class only changes that class. Without an age, `keep_last` alone decides.
 * @return OL_OK; OL_INVALID: there is no such class, err names those there are. */
OL_NODISCARD ol_status policy_change(struct policy *policy, const struct policy_wish *wish,
                                     int64_t now_ms, struct ol_error *err);
/** What went, as a document. @return out->status. */
ol_status policy_write_gone(const struct store_kept *kept, bool has_more, struct ol__buf *out);
#endif
