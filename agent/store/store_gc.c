/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of retention by hand, as documents: what would go, read beside the thread; what
 * went, removed by it. */
#include "agent.h"
#include "json_write.h"
#include "store_writer.h"
#include "times.h"

#define WAIT_MS 20000 /* less than the asker's patience; then it asks again */

static ol_status plan(const struct route_config *route, const struct policy_wish *wish,
                      int64_t limit, struct ol__buf *out, struct ol_error *err)
{
    struct policy policy;
    struct store *store = NULL;
    int64_t now = ol__time_now_ms();
    policy_make(route, now, &policy);
    ol_status status = policy_change(&policy, wish, now, err);
    if (status == OL_OK)
        status = store_open(route->path, STORE_READ, &store, err);
    if (status == OL_OK)
        status = store_gc_plan(store, &policy.policy, limit, out, err);
    store_close(store);
    return status;
}

ol_status store_writer_gc(struct store_writer *writer, const struct policy_wish *wish, bool is_dry,
                          int64_t limit, struct ol__buf *out, struct ol_error *err)
{
    struct store_kept kept = {0};
    if (is_dry)
        return plan(store_writer_config(writer), wish, limit, out, err);
    ol_status status = store_writer_collect(writer, wish, WAIT_MS, &kept, err);
    if (status != OL_OK && status != OL_AGAIN)
        return status;
    return policy_write_gone(&kept, status == OL_AGAIN, out);
}
