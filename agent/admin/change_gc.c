/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/store/gc: what the store would let go by the route's settings or by what is asked for
 * instead, and with run=1 lets go. A POST in both cases, as it tells of everybody's runs and may
 * take its time. */
#include "admin_impl.h"

#include <errno.h>
#include <stdlib.h>
#include "store/policy.h"

#define LIMIT_MAX 10000

static int find_store(const struct agent *agent, const char *name)
{
    const struct route_config *routes = agent->config->routes.items;
    for (size_t i = 0; i < agent->config->routes.count; i++)
        if (routes[i].type == ROUTE_STORE && (name == NULL || strcmp(routes[i].name, name) == 0))
            return (int)i;
    return -1;
}

/* @return whether it is absent or a number from 1 to @p max. */
static bool number(const struct admin_request *request, const char *name, int64_t max, int64_t *ret)
{
    const char *text = request->parameter(request, name);
    char *end;
    if (text == NULL)
        return true;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *ret >= 1 && *ret <= max;
}

void admin_gc(const struct agent *agent, const struct admin_request *request,
              struct admin_reply *reply)
{
    struct policy_wish wish = {.only_class = request->parameter(request, "class")};
    int64_t limit = 100;
    int route = find_store(agent, request->parameter(request, "route"));
    if (route < 0) {
        admin_reply_error(reply, 404, "no route of type store is configured by that name");
        return;
    }
    if (!number(request, "older_than_ms", INT64_C(86400000) * 36500, &wish.older_than_ms) ||
        !number(request, "keep_last", RETENTION_LAST_MAX, &wish.keep_last) ||
        !number(request, "limit", LIMIT_MAX, &limit)) {
        admin_reply_error(reply, 400,
                          "expected older_than_ms, keep_last (to %d) and limit (to %d) as numbers "
                          "above 0",
                          RETENTION_LAST_MAX, LIMIT_MAX);
        return;
    }
    if (agent->stores == NULL || agent->stores[route] == NULL) {
        admin_reply_error(reply, 503, "the store's thread is not there");
        return;
    }
    struct ol_error err = {0};
    bool is_dry = request->parameter(request, "run") == NULL;
    ol_status status =
        store_writer_gc(agent->stores[route], &wish, is_dry, limit, &reply->body, &err);
    if (status != OL_OK) {
        ol__buf_reset(&reply->body);
        admin_reply_error(reply,
                          status == OL_INVALID     ? 400
                          : status == OL_NOT_FOUND ? 404
                                                   : 503,
                          "%s", err.message);
        return;
    }
    reply->status = 200;
    reply->type = "application/json";
}
