/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: an asker who may not see all gets only letters whose event came from the own uid; of
 * others not even whether they exist. */
#include "admin_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include "json_write.h"
#include "spool/letters_change.h"

#define LIST_MAX 10000

struct listing {
    const struct admin_request *request;
    struct ol__json_writer writer;
    const char *id; /* NULL: all */
    struct letters_choice choice;
    uint64_t count, more;
};

static ol_status each(void *arg, const struct dead_letter *letter)
{
    struct listing *l = arg;
    const struct admin_peer *peer = &l->request->peer;
    if (!peer->may_see_all && letter->uid != peer->uid)
        return OL_OK;
    if ((l->id != NULL && strcmp(l->id, letter->id) != 0) ||
        !letters_choice_has(&l->choice, letter))
        return OL_OK;
    if (l->count == LIST_MAX) {
        l->more++;
        return OL_OK;
    }
    l->count++;
    dead_letter_write(&l->writer, letter, l->id != NULL);
    return l->id != NULL ? OL_END : OL_OK;
}

static bool is_route(const struct agent_config *config, const char *name, size_t size)
{
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++)
        if (strlen(routes[i].name) == size && memcmp(routes[i].name, name, size) == 0)
            return true;
    return false;
}

static void one_letter(const struct agent *agent, struct listing *l, struct admin_reply *reply)
{
    char route[80];
    struct ol_error err = {0};
    const char *dash = strrchr(l->id, '-');
    size_t size = dash != NULL ? (size_t)(dash - l->id) : 0;
    if (size > 0 && size < sizeof route && is_route(agent->config, l->id, size)) {
        snprintf(route, sizeof route, "%.*s", (int)size, l->id);
        ol_status status = dead_letters_each(agent->config->spool_directory, route, each, l, &err);
        if (status < 0 && status != OL_NOT_FOUND) {
            admin_reply_error(reply, 503, "%s", err.message);
            return;
        }
    }
    if (l->count == 0)
        admin_reply_error(reply, 404, "no such dead letter: %s", l->id);
    else
        ol__buf_add_char(&reply->body, '\n');
}

static void all_letters(const struct agent *agent, struct listing *l, struct admin_reply *reply)
{
    struct ol_error err = {0};
    const char *route = l->request->parameter(l->request, "route");
    if (route != NULL && !is_route(agent->config, route, strlen(route))) {
        admin_reply_error(reply, 404, "no such route: %s", route);
        return;
    }
    const char *status_text = l->request->parameter(l->request, "status");
    l->choice.reason = l->request->parameter(l->request, "reason");
    if (status_text != NULL)
        l->choice.status = (int)strtol(status_text, NULL, 10);
    ol__json_begin_object(&l->writer);
    ol__json_key(&l->writer, "deadletters");
    ol__json_begin_array(&l->writer);
    ol_status status = dead_letters_each(agent->config->spool_directory, route, each, l, &err);
    if (status < 0 && status != OL_NOT_FOUND) {
        admin_reply_error(reply, 503, "%s", err.message);
        return;
    }
    ol__json_end_array(&l->writer);
    if (l->more > 0)
        ol__json_member_uint(&l->writer, "left_off", l->more);
    ol__json_end_object(&l->writer);
    ol__buf_add_char(&reply->body, '\n');
}

void admin_letters(const struct agent *agent, const struct admin_request *request,
                   struct admin_reply *reply)
{
    static const char base[] = "/v1/deadletters";
    struct listing l = {.request = request, .choice = {.status = -1}};
    const char *rest = request->path + sizeof base - 1;
    ol__json_writer_init(&l.writer, &reply->body);
    reply->status = 200;
    reply->type = "application/json";
    if (rest[0] == '/' && rest[1] != '\0') {
        l.id = rest + 1;
        one_letter(agent, &l, reply);
    } else
        all_letters(agent, &l, reply);
}
