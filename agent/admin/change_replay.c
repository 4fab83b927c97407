/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/spool/replay: a route gets events once more. */
#include "admin_impl.h"

#include <stdlib.h>
#include "json_write.h"

static const struct route_config *find_route(const struct agent *agent, const char *name)
{
    const struct route_config *routes = agent->config->routes.items;
    for (size_t i = 0; i < agent->config->routes.count; i++)
        if (strcmp(routes[i].name, name) == 0)
            return &routes[i];
    return NULL;
}

static int status_of(ol_status status)
{
    return status == OL_INVALID ? 400 : status == OL_NOT_FOUND ? 404 : 503;
}

void admin_replay(const struct agent *agent, const struct admin_request *request,
                  struct admin_reply *reply)
{
    const char *name = request->parameter(request, "route");
    const char *from = request->parameter(request, "from");
    const struct route_config *route = name != NULL ? find_route(agent, name) : NULL;
    struct ol_error err = {0};
    struct ol__json_writer w;
    char *end = NULL;
    uint64_t first = from != NULL ? strtoull(from, &end, 10) : 1, begun = 0;
    if (name == NULL || (end != NULL && (*end != '\0' || from[0] < '0' || from[0] > '9'))) {
        admin_reply_error(reply, 400, "expected route=NAME and from=SEQUENCE");
        return;
    }
    if (route == NULL || agent->deliver == NULL || route->type == ROUTE_STORE) {
        admin_reply_error(reply, route == NULL ? 404 : 400,
                          route == NULL
                              ? "no such route: %s"
                              : "route '%s' is a store, which has what it took: to fill one "
                                "anew, stop the agent, move its file away, start it",
                          name);
        return;
    }
    uint64_t synced = spool_synced(agent->spool);
    ol_status status = deliver_rewind(agent->deliver, name, first, &begun, &err);
    if (status != OL_OK) {
        admin_reply_error(reply, status_of(status), "%s", err.message);
        return;
    }
    ol__json_writer_init(&w, &reply->body);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "route", name);
    ol__json_member_uint(&w, "from", begun);
    ol__json_member_uint(&w, "to", synced);
    ol__json_end_object(&w);
    ol__buf_add_char(&reply->body, '\n');
    reply->status = 200;
    reply->type = "application/json";
}
