/* SPDX-License-Identifier: Apache-2.0 */
/* lineage spool replay: events that are still in the spool go to a route once more. The agent moves
 * the route's mark back; without one it is done here, under the lock. What the route has already
 * comes twice, and is said to. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "config.h"
#include "spool_verb.h"
#include "times.h"
#include "tree.h"

/* ---- From when ---- */

struct finder {
    int64_t since_ms;
    uint64_t found;
};

static ol_status find_first(void *arg, const struct spool_record *record, bool is_snapshot,
                            struct ol_error *err)
{
    struct finder *f = arg;
    (void)is_snapshot;
    (void)err;
    if (record->type != SPOOL_EVENT || record->time_ms < f->since_ms)
        return OL_OK;
    f->found = record->seq;
    return OL_END;
}

/* The first event taken at that time or later. */
static ol_status find_since(struct place *place, const struct spool_words *w, uint64_t *ret,
                            struct ol_error *err)
{
    struct finder f = {.found = 0};
    struct spool_look *look = NULL;
    const struct look_sink sink = {.record = find_first, .arg = &f};
    if (ol__time_parse(ol__span_text(w->since), &f.since_ms, NULL) != OL_OK)
        return ol__error_set(err, OL_INVALID,
                             "--since '%s': expected a time such as 2026-11-21T09:00:00Z",
                             w->since);
    ol_status st = spool_verb_look(place, w, &look, err);
    if (st == OL_OK)
        st = spool_look_walk(look, 0, UINT64_MAX, &sink, err);
    spool_look_close(look);
    if (st == OL_OK)
        return ol__error_set(err, OL_NOT_FOUND, "nothing in the spool was taken since %s",
                             w->since);
    *ret = f.found;
    return st == OL_END ? OL_OK : st;
}

/* ---- Without an agent ---- */

static ol_status move_mark(struct place *place, const struct spool_words *w, uint64_t from,
                           uint64_t *ret_from, uint64_t *ret_to, struct ol_error *err)
{
    struct spool *spool = NULL;
    struct spool_cursor *cursor = NULL;
    const struct route_config *route = NULL;
    ol_status st = place_configure(place, err);
    if (st != OL_OK)
        return st;
    const struct route_config *routes = place->config->routes.items;
    for (size_t i = 0; i < place->config->routes.count; i++)
        if (strcmp(routes[i].name, w->route) == 0)
            route = &routes[i];
    if (route == NULL)
        return ol__error_set(err, OL_NOT_FOUND, "no such route: %s", w->route);
    if (route->type == ROUTE_STORE || (route->type == ROUTE_FILE && strcmp(route->path, "-") != 0))
        return ol__error_set(err, OL_INVALID,
                             "route '%s' keeps its place with what it delivered: %s", w->route,
                             route->type == ROUTE_STORE ? "to fill a store anew move its file away"
                                                        : "start the agent, it can move it");
    st = place_open_spool(place, &spool, err);
    if (st != OL_OK)
        return st;
    st = spool_cursor_open(spool, w->route, true, &cursor, err);
    if (st == OL_OK) {
        *ret_to = spool_synced(spool);
        uint64_t low = spool_cursor_low(cursor);
        if (from > low)
            st = ol__error_set(err, OL_INVALID,
                               "route '%s' has come to sequence %" PRIu64 ": %" PRIu64
                               " and what follows goes to it anyway",
                               w->route, low, from);
        else
            *ret_from = spool_cursor_rewind(cursor, from);
        if (st == OL_OK)
            st = spool_cursor_sync(cursor, err);
        spool_cursor_close(cursor);
    }
    spool_close(spool);
    return st;
}

/* ---- Through the agent ---- */

static ol_status read_answer(int status, struct ol__span body, uint64_t *ret_from, uint64_t *ret_to,
                             struct ol_error *err)
{
    struct json_doc doc;
    ol_status st = cli_answer_read(status, body, &doc, err);
    if (st != OL_OK)
        return st;
    *ret_from = (uint64_t)json_get_int(doc.root, "from", 0);
    *ret_to = (uint64_t)json_get_int(doc.root, "to", 0);
    json_doc_release(&doc);
    return OL_OK;
}

static ol_status ask_agent(struct place *place, const struct spool_words *w, uint64_t from,
                           uint64_t *ret_from, uint64_t *ret_to, bool *ret_is_there,
                           struct ol_error *err)
{
    struct ol__buf target, body;
    char number[24];
    int status = 0;
    snprintf(number, sizeof number, "%" PRIu64, from);
    ol__buf_init(&target, 4096);
    ol__buf_init(&body, CLIENT_ANSWER_MAX);
    ol__buf_add_text(&target, "/v1/spool/replay");
    client_add_query(&target, "route", w->route);
    client_add_query(&target, "from", number);
    ol_status st = target.status == OL_OK
                       ? place_request(place, "POST", target.data, &status, &body, err)
                       : ol__error_set(err, target.status, "the name is too long");
    *ret_is_there = st != OL_NOT_FOUND;
    if (st == OL_OK)
        st = read_answer(status, (struct ol__span){.data = body.data, .size = body.size}, ret_from,
                         ret_to, err);
    ol__buf_release(&target);
    ol__buf_release(&body);
    return st;
}

int spool_replay(struct place *place, const struct spool_words *w)
{
    struct ol_error err = {.message = ""};
    uint64_t from = w->has_from ? w->from : 1, to = 0, begun = 0;
    bool is_there = true;
    ol_status st = OL_OK;
    if (w->route == NULL)
        return cli_usage("spool", "replay: --route says to which route");
    if (w->has_from && w->since != NULL)
        return cli_usage("spool", "replay: either --from or --since");
    if (w->since != NULL)
        st = find_since(place, w, &from, &err);
    if (st == OL_OK)
        st = ask_agent(place, w, from, &begun, &to, &is_there, &err);
    if (!is_there)
        st = move_mark(place, w, from, &begun, &to, &err);
    if (st == OL_DENIED && is_there) {
        cli_say("%s", err.message);
        return CLI_NO;
    }
    if (st != OL_OK)
        return cli_fail(place, st, &err);
    if (begun > from && w->has_from)
        cli_say("the spool has nothing before sequence %" PRIu64 " any more", begun);
    cli_say("sequences %" PRIu64 " to %" PRIu64
            " go to route '%s' again%s: what it has of them already, it gets twice",
            begun, to, w->route, is_there ? "" : " when the agent runs");
    return CLI_YES;
}
