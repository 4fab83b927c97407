/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: an asker who may not see all gets nothing but runs of the own uid (question.uid is set
 * here and only here, from the socket, never from the request). */
#include "admin_impl.h"

#include <errno.h>
#include <stdlib.h>

typedef ol_status ask_function(struct store *store, const struct store_question *question,
                               struct ol__buf *out, struct ol_error *err);

static const struct {
    const char *path;
    ask_function *ask;
    bool needs_subject;
    const char *type;
} verbs[] = {
    {"/v1/why", store_why, true, "application/json"},
    {"/v1/impact", store_impact, true, "application/json"},
    {"/v1/runs", store_runs, false, "application/json"},
    {"/v1/show", store_show, true, "application/json"},
    {"/v1/diff", store_diff, true, "application/json"},
    {"/v1/events", store_events, true, "application/x-ndjson"},
};

static const struct route_config *store_route(const struct agent_config *config)
{
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++)
        if (routes[i].type == ROUTE_STORE)
            return &routes[i];
    return NULL;
}

/* @return whether the parameter is absent or a number from 1 to @p max. */
static bool number(const struct admin_request *request, const char *name, int64_t max, int64_t *ret)
{
    const char *text = request->parameter(request, name);
    char *end;
    *ret = 0;
    if (text == NULL)
        return true;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1 || value > max)
        return false;
    *ret = value;
    return true;
}

/* @return whether there is a store to ask; else the reply says why not. */
static bool open_store(struct admin_questions *q, struct admin_reply *reply)
{
    struct ol_error err = {0};
    if (q->store != NULL)
        return true;
    const struct route_config *route = store_route(q->agent->config);
    if (route == NULL) {
        admin_reply_error(reply, 501, "no route of type store is configured");
        return false;
    }
    ol_status status = store_open(route->path, STORE_READ, &q->store, &err);
    if (status != OL_OK)
        admin_reply_error(reply, status == OL_NOT_FOUND ? 404 : 503, "%s", err.message);
    return status == OL_OK;
}

void admin_question(struct admin_questions *q, const struct admin_request *request,
                    struct admin_reply *reply)
{
    struct store_question question = {
        .subject = request->parameter(request, "subject"),
        .content = request->parameter(request, "content"),
        .job = request->parameter(request, "job"),
        .state = request->parameter(request, "state"),
        .is_request = request->parameter(request, "request") != NULL,
        .other = request->parameter(request, "other"),
        .other_content = request->parameter(request, "other_content"),
        .uid = request->peer.may_see_all ? STORE_ANY_UID : (int64_t)request->peer.uid,
    };
    struct ol_error err = {0};
    size_t verb = 0;
    while (verb < OL_COUNT(verbs) && strcmp(verbs[verb].path, request->path) != 0)
        verb++;
    if (verb == OL_COUNT(verbs)) {
        admin_reply_error(reply, 404, "no such question: %s", request->path);
        return;
    }
    const char *wrong = verbs[verb].needs_subject && question.subject == NULL ? "subject: missing"
                        : !number(request, "depth", 10000, &question.depth)
                            ? "depth: expected a number from 1 to 10000"
                        : !number(request, "limit", 1000000, &question.limit)
                            ? "limit: expected a number from 1 to 1000000"
                            : NULL;
    if (wrong != NULL) {
        admin_reply_error(reply, 400, "%s", wrong);
        return;
    }
    if (!open_store(q, reply))
        return;
    ol_status status = verbs[verb].ask(q->store, &question, &reply->body, &err);
    reply->type = verbs[verb].type;
    reply->status = 200;
    if (status == OL_NOT_FOUND) {
        reply->status = 404;
        if (reply->body.size == 0)
            admin_reply_error(reply, 404, "%s", err.message);
    } else if (status == OL_INVALID)
        admin_reply_error(reply, 400, "%s", err.message);
    else if (status != OL_OK) {
        admin_reply_error(reply, 503, "%s", err.message);
        admin_questions_release(q); /* the next question opens it anew */
    }
}

void admin_questions_release(struct admin_questions *q)
{
    if (q->store != NULL)
        store_close(q->store);
    q->store = NULL;
}
