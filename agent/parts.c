/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Every route's cursor is open before anything can be reaped.
 *  2. Stopping goes in the direction of the events: intake, delivery and stores, admin last, so
 * that status answers while delivery drains. */
#include "main.h"

#include <stdio.h>
#include "times.h"

static const char *const type_names[] = {"http", "kafka", "file", "store"};

static const struct route_config *routes(const struct agent_config *config)
{
    return config->routes.items;
}

static bool has_name(const struct agent_config *config, const char *name)
{
    for (size_t i = 0; i < config->routes.count; i++)
        if (strcmp(routes(config)[i].name, name) == 0)
            return true;
    return false;
}

/* Whether --route, if given, means route @p i. A name goes before a type. */
static bool is_meant(const struct agent_config *config, const char *only, size_t i)
{
    const struct route_config *r = &routes(config)[i];
    return only == NULL ||
           strcmp(has_name(config, only) ? r->name : type_names[r->type], only) == 0;
}

bool parts_has_route(const struct agent_config *config, const char *name)
{
    for (size_t i = 0; i < config->routes.count; i++)
        if (is_meant(config, name, i))
            return true;
    return false;
}

static void open_metrics(struct agent_parts *p)
{
    const struct agent_config *config = p->agent.config;
    struct agent_metrics *m = p->agent.metrics;
    m->started_ms = ol__time_now_ms();
    m->route_count = (int)config->routes.count;
    m->intake.directory_count =
        (int)OL_MIN(config->journal_directories.count, (size_t)JOURNAL_DIRECTORIES_MAX);
    for (int i = 0; i < m->intake.directory_count; i++)
        m->intake.directories[i].path = config->journal_directories.items[i];
    for (size_t i = 0; i < config->routes.count; i++) {
        m->routes[i].name = routes(config)[i].name;
        m->routes[i].type = type_names[routes(config)[i].type];
        route_metrics_set_state(&m->routes[i], ROUTE_STARTING);
    }
}

ol_status parts_open(struct agent_parts *p, struct ol_error *err)
{
    const struct agent_config *config = p->agent.config;
    bool has_deliver = false;
    ol_status status = OL_OK;
    open_metrics(p);
    for (size_t i = 0; i < config->routes.count && status == OL_OK; i++) {
        if (routes(config)[i].type == ROUTE_STORE)
            status = store_writer_open(&p->agent, (int)i, &p->stores[i], err);
        else
            has_deliver = true;
    }
    if (status == OL_OK && has_deliver) /* promise 1 */
        status = deliver_open(&p->agent, &p->deliver, err);
    if (status == OL_OK)
        status = intake_open(&p->agent, p->is_once, &p->intake, err);
    p->agent.deliver = p->deliver;
    p->agent.stores = p->stores;
    p->agent.intake = p->intake;
    return status;
}

static ol_status start_delivery(struct agent_parts *p, struct ol_error *err)
{
    const struct agent_config *config = p->agent.config;
    for (size_t i = 0; i < config->routes.count; i++) {
        ol_status status = OL_OK;
        if (!is_meant(config, p->only, i))
            continue;
        if (p->stores[i] != NULL) {
            status = store_writer_start(p->stores[i], err);
            p->is_storing[i] = status == OL_OK;
        } else if (!p->is_delivering) {
            status = deliver_start(p->deliver, err);
            p->is_delivering = status == OL_OK;
        }
        if (status != OL_OK)
            return status;
    }
    return OL_OK;
}

ol_status parts_start(struct agent_parts *p, struct ol_error *err)
{
    ol_status status = intake_start(p->intake, err);
    if (status == OL_OK)
        status = start_delivery(p, err);
    if (status == OL_OK)
        status = admin_start(&p->agent, &p->admin, err);
    return status;
}

/* Wait for one route. @return as deliver_wait(). */
static ol_status wait_for(struct agent_parts *p, size_t i, struct ol_error *err)
{
    return p->stores[i] != NULL ? store_writer_wait(p->stores[i], err)
                                : deliver_wait(p->deliver, routes(p->agent.config)[i].name, err);
}

ol_status parts_pass(struct agent_parts *p, bool *ret_is_all, struct ol_error *err)
{
    const struct agent_config *config = p->agent.config;
    struct ol_error waits = {0}, one;
    bool is_all = true;
    ol_status status = intake_drain_once(p->intake, &waits);
    if (status < 0 && status != OL_FULL) {
        *err = waits;
        return status;
    }
    is_all = status == OL_OK; /* full: the journals wait, what is there is delivered */
    status = start_delivery(p, err);
    for (size_t i = 0; i < config->routes.count && status >= 0; i++) {
        if (!is_meant(config, p->only, i))
            continue;
        one = (struct ol_error){0};
        status = wait_for(p, i, &one);
        if (status < 0)
            *err = one;
        if (status == OL_AGAIN && is_all) {
            waits = one;
            if (waits.message[0] == '\0')
                snprintf(waits.message, sizeof waits.message, "route %s: events still wait",
                         routes(config)[i].name);
        }
        is_all = is_all && status != OL_AGAIN;
    }
    if (status < 0)
        return status;
    status = spool_reap(p->agent.spool, err);
    if (status < 0)
        return status;
    if (!is_all)
        *err = waits;
    *ret_is_all = is_all;
    return OL_OK;
}

uint64_t parts_stop(struct agent_parts *p, int64_t drain_ms)
{
    int64_t deadline = ol__time_monotonic_ms() + drain_ms;
    uint64_t left = 0, all = 0;
    intake_stop(p->intake);
    if (p->is_delivering) {
        deliver_stop(p->deliver, OL_MAX(0, deadline - ol__time_monotonic_ms()), &left);
        all += left;
    }
    for (size_t i = 0; i < ROUTES_MAX; i++) {
        if (!p->is_storing[i])
            continue;
        left = 0;
        store_writer_stop(p->stores[i], OL_MAX(0, deadline - ol__time_monotonic_ms()), &left);
        all += left;
        p->is_storing[i] = false;
    }
    p->is_delivering = false;
    admin_stop(p->admin);
    p->admin = NULL;
    return all;
}

void parts_close(struct agent_parts *p)
{
    intake_close(p->intake);
    if (p->deliver != NULL)
        deliver_close(p->deliver);
    for (size_t i = 0; i < ROUTES_MAX; i++)
        if (p->stores[i] != NULL)
            store_writer_close(p->stores[i]);
    if (p->agent.spool != NULL)
        spool_close(p->agent.spool);
}
