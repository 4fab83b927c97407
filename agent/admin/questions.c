/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: an asker who may not see all gets nothing but runs of the own uid (question.uid is set
 * here and only here, from the socket, never from the request). */
#include "admin_impl.h"

#define PREFIX "/v1/"

static const struct route_config *store_route(const struct agent_config *config)
{
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++)
        if (routes[i].type == ROUTE_STORE)
            return &routes[i];
    return NULL;
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
        .uid = request->peer.may_see_all ? STORE_ANY_UID : (int64_t)request->peer.uid,
    };
    struct ol_error err = {0};
    const struct store_verb *verb = strncmp(request->path, PREFIX, sizeof PREFIX - 1) == 0
                                        ? store_verb(request->path + sizeof PREFIX - 1)
                                        : NULL;
    if (verb == NULL) {
        admin_reply_error(reply, 404, "no such question: %s", request->path);
        return;
    }
    ol_status status = OL_OK;
    for (size_t i = 0; status == OL_OK && store_question_key(i) != NULL; i++) {
        const char *value = request->parameter(request, store_question_key(i));
        if (value != NULL)
            status = store_question_set(&question, store_question_key(i), value, &err);
    }
    if (status == OL_OK && verb->needs_subject && question.subject == NULL)
        status = ol__error_set(&err, OL_INVALID, "subject: missing");
    if (status != OL_OK) {
        admin_reply_error(reply, 400, "%s", err.message);
        return;
    }
    if (!open_store(q, reply))
        return;
    status = verb->ask(q->store, &question, &reply->body, &err);
    char damage[200];
    if (!q->has_logged_damage && store_damage(q->store, damage, sizeof damage)) {
        log_write(LOG_LEVEL_ERROR, "store", "%s: lineage backup --check names all", damage);
        q->has_logged_damage = true;
    }
    reply->type = verb->type;
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
