/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/deadletters/retry and drop: over the threads that own spool and letters. */
#include "admin_impl.h"

#include <stdlib.h>
#include "json_write.h"
#include "spool/letters_change.h"

/* Who asks waits for an answer, and asks again while there is more. */
#define BUDGET_MS 5000

static bool knows(void *arg, const char *route)
{
    const struct agent *agent = arg;
    const struct route_config *routes = agent->config->routes.items;
    for (size_t i = 0; i < agent->config->routes.count; i++)
        if (routes[i].type != ROUTE_STORE && strcmp(routes[i].name, route) == 0)
            return true;
    return false;
}

static ol_status put(void *arg, struct spool_record *records, size_t count, size_t *ret_count,
                     struct ol_error *err)
{
    const struct agent *agent = arg;
    return intake_put(agent->intake, records, count, ret_count, err);
}

static ol_status end(void *arg, const char *route, const uint64_t *seqs, size_t count,
                     const char *how, size_t *ret_ended, struct ol_error *err)
{
    const struct agent *agent = arg;
    return deliver_end_letters(agent->deliver, route, seqs, count, how, ret_ended, err);
}

/* @return false: answered with an error. */
static bool read_choice(const struct agent *agent, const struct admin_request *request,
                        struct letters_choice *c, struct admin_reply *reply)
{
    const char *status = request->parameter(request, "status");
    const char *up_to = request->parameter(request, "up_to");
    char *end_of_number = NULL;
    *c = (struct letters_choice){.id = request->parameter(request, "id"),
                                 .route = request->parameter(request, "route"),
                                 .reason = request->parameter(request, "reason"),
                                 .status = -1,
                                 .up_to = spool_synced(agent->spool)};
    if (status != NULL) {
        long value = strtol(status, &end_of_number, 10);
        if (*end_of_number != '\0' || value < 0 || value > 999) {
            admin_reply_error(reply, 400, "status '%s': expected 0 to 999", status);
            return false;
        }
        c->status = (int)value;
    }
    if (up_to != NULL)
        c->up_to = OL_MIN(strtoull(up_to, NULL, 10), c->up_to);
    if (!letters_choice_is_narrow(c) && request->parameter(request, "all") == NULL) {
        admin_reply_error(reply, 400, "which letters? id, route, reason, status or all");
        return false;
    }
    if (c->route != NULL && !knows((void *)(uintptr_t)agent, c->route)) {
        admin_reply_error(reply, 404, "no such route, or it keeps no dead letters: %s", c->route);
        return false;
    }
    return true;
}

static void change(const struct agent *agent, const struct admin_request *request,
                   struct admin_reply *reply, enum letters_verb verb)
{
    struct letters_choice choice;
    struct letters_result result;
    struct ol_error err = {0};
    struct ol__json_writer w;
    const struct letters_hands hands = {
        .knows = knows, .put = put, .end = end, .arg = (void *)(uintptr_t)agent};
    if (agent->intake == NULL || agent->deliver == NULL) {
        admin_reply_error(reply, 501, "no route that keeps dead letters");
        return;
    }
    if (!read_choice(agent, request, &choice, reply))
        return;
    ol_status status = letters_change(agent->config->spool_directory, verb, &choice, &hands,
                                      BUDGET_MS, &result, &err);
    if (result.count > 0)
        log_write(LOG_LEVEL_INFO, "admin", "%llu dead letters %s, as uid %lu asked",
                  (unsigned long long)result.count,
                  verb == LETTERS_RETRY ? "sent again" : "dropped",
                  (unsigned long)request->peer.uid);
    if (status != OL_OK) {
        admin_reply_error(reply, 503, "%s (%llu were done before)", err.message,
                          (unsigned long long)result.count);
        return;
    }
    if (choice.id != NULL && result.count == 0) {
        admin_reply_error(reply, 404, "no such dead letter: %s", choice.id);
        return;
    }
    ol__json_writer_init(&w, &reply->body);
    ol__json_begin_object(&w);
    ol__json_member_uint(&w, verb == LETTERS_RETRY ? "retried" : "dropped", result.count);
    ol__json_member_uint(&w, "left_off", result.left_off);
    ol__json_member_bool(&w, "more", result.has_more);
    ol__json_member_uint(&w, "up_to", choice.up_to);
    ol__json_end_object(&w);
    ol__buf_add_char(&reply->body, '\n');
    reply->status = 200;
    reply->type = "application/json";
}

void admin_letters_retry(const struct agent *agent, const struct admin_request *request,
                         struct admin_reply *reply)
{
    change(agent, request, reply, LETTERS_RETRY);
}

void admin_letters_drop(const struct agent *agent, const struct admin_request *request,
                        struct admin_reply *reply)
{
    change(agent, request, reply, LETTERS_DROP);
}
