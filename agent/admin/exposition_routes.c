/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics of routes; promises as in exposition.c. */
#include "exposition_impl.h"

#define AT(member) offsetof(struct route_metrics, member)
static const struct {
    const char *name, *help;
    enum exposition_type type;
    size_t offset;
} route_table[] = {
    {"route_delivered", "Events delivered.", EXPOSE_COUNTER, AT(delivered_events)},
    {"route_delivered_bytes", "Bytes of events delivered.", EXPOSE_COUNTER, AT(delivered_bytes)},
    {"route_requests", "Requests or batches sent.", EXPOSE_COUNTER, AT(requests)},
    {"route_retries", "Requests sent again.", EXPOSE_COUNTER, AT(retries)},
    {"route_parked", "Events put among the dead letters.", EXPOSE_COUNTER, AT(parked)},
    {"route_resent", "Terminal events sent again after a late event of their run.", EXPOSE_COUNTER,
     AT(resent)},
    {"route_not_resent", "Terminal events that should have been sent again, but could not.",
     EXPOSE_COUNTER, AT(not_resent)},
    {"route_answers_summed", "Answers of services that reached the route in a summary.",
     EXPOSE_COUNTER, AT(answers_summed)},
    {"route_answers_waiting", "Answers of services in summaries that are not delivered yet.",
     EXPOSE_GAUGE, AT(answers_waiting)},
    {"route_letters", "Dead letters kept.", EXPOSE_GAUGE, AT(letters)},
    {"route_letters_retried", "Dead letters sent again by hand.", EXPOSE_COUNTER,
     AT(letters_retried)},
    {"route_letters_dropped", "Dead letters forgotten by hand.", EXPOSE_COUNTER,
     AT(letters_dropped)},
    {"route_skipped", "Records that are not for this route.", EXPOSE_COUNTER, AT(skipped)},
    {"route_in_flight", "Events sent and not answered.", EXPOSE_GAUGE, AT(in_flight)},
    {"route_low_seq", "All records up to this sequence are done.", EXPOSE_GAUGE, AT(low)},
};

static metric *at(struct route_metrics *m, size_t offset)
{
    return (metric *)(void *)((char *)m + offset);
}

static void add_lag(struct exposition *x, const struct agent *agent)
{
    struct route_metrics *routes = agent->metrics->routes;
    int count = agent->metrics->route_count;
    expose_family(x, "route_lag_events", EXPOSE_GAUGE,
                  "Records on disk that this route does not have yet.");
    for (int r = 0; r < count; r++)
        expose(x, EXPOSE_LABEL("route", routes[r].name), EXPOSE_NO_LABEL, admin_waiting(agent, r));
    expose_family(x, "route_lag_bytes", EXPOSE_GAUGE,
                  "About how many bytes of events that is: by the mean size of what was taken.");
    for (int r = 0; r < count; r++)
        expose(x, EXPOSE_LABEL("route", routes[r].name), EXPOSE_NO_LABEL,
               admin_waiting_bytes(agent, r));
    expose_family(x, "route_lag_seconds", EXPOSE_GAUGE,
                  "Age of the oldest event that this route does not have yet; 0: it has all.");
    for (int r = 0; r < count; r++)
        expose_ms(x, EXPOSE_LABEL("route", routes[r].name),
                  admin_age_ms(metric_get(&routes[r].oldest_ms)));
}

static void add_states(struct exposition *x, struct route_metrics *routes, int count)
{
    expose_family(x, "route_state", EXPOSE_GAUGE, "1 for the state that the route is in.");
    for (int r = 0; r < count; r++)
        for (int state = ROUTE_STARTING; state <= ROUTE_FAILED; state++)
            expose(x, EXPOSE_LABEL("route", routes[r].name),
                   EXPOSE_LABEL("state", route_state_name((enum route_state)state)),
                   metric_get(&routes[r].state) == (uint64_t)state);
    expose_family(x, "route_state_since_seconds", EXPOSE_GAUGE,
                  "Unix time since when it is in that state.");
    for (int r = 0; r < count; r++)
        expose_ms(x, EXPOSE_LABEL("route", routes[r].name), metric_get(&routes[r].state_since));
    expose_family(x, "route_trouble", EXPOSE_GAUGE,
                  "1 for the kind of trouble that the route has now; none: it has none.");
    for (int r = 0; r < count; r++)
        expose(
            x, EXPOSE_LABEL("route", routes[r].name),
            EXPOSE_LABEL("cause", route_cause_name((enum route_cause)metric_get(&routes[r].cause))),
            1);
    expose_family(x, "route_last_success_seconds", EXPOSE_GAUGE,
                  "Unix time of the last delivery; 0: none since the start.");
    for (int r = 0; r < count; r++)
        expose_ms(x, EXPOSE_LABEL("route", routes[r].name), metric_get(&routes[r].last_success));
}

/* What only a store has. */
static void add_stores(struct exposition *x, struct route_metrics *routes, int count)
{
    static const struct {
        const char *name, *help;
        enum exposition_type type;
        size_t offset;
    } table[] = {
        {"store_bytes", "Bytes in use in the store.", EXPOSE_GAUGE, AT(store_bytes)},
        {"store_max_bytes", "Its ceiling (retention_size); 0: none.", EXPOSE_GAUGE,
         AT(store_max_bytes)},
        {"store_pinned_runs", "Runs that are approved or deployed, or lead to what is.",
         EXPOSE_GAUGE, AT(store_pinned_runs)},
        {"store_stuck",
         "1: the store is over its ceiling, and all that is left in it is pinned or held.",
         EXPOSE_GAUGE, AT(store_is_stuck)},
        {"store_removed_runs", "Runs removed by retention.", EXPOSE_COUNTER,
         AT(store_removed_runs)},
        {"store_removed_answers", "Answers removed by retention.", EXPOSE_COUNTER,
         AT(store_removed_answers)},
    };
    for (size_t i = 0; i < OL_COUNT(table); i++) {
        expose_family(x, table[i].name, table[i].type, table[i].help);
        for (int r = 0; r < count; r++)
            if (strcmp(routes[r].type, "store") == 0)
                expose(x, EXPOSE_LABEL("route", routes[r].name), EXPOSE_NO_LABEL,
                       metric_get(at(&routes[r], table[i].offset)));
    }
}

void expose_routes(struct exposition *x, const struct agent *agent)
{
    struct route_metrics *routes = agent->metrics->routes;
    int count = agent->metrics->route_count;
    for (size_t i = 0; i < OL_COUNT(route_table); i++) {
        expose_family(x, route_table[i].name, route_table[i].type, route_table[i].help);
        for (int r = 0; r < count; r++)
            expose(x, EXPOSE_LABEL("route", routes[r].name), EXPOSE_NO_LABEL,
                   metric_get(at(&routes[r], route_table[i].offset)));
    }
    expose_family(x, "route_dropped", EXPOSE_COUNTER, "Events given up, by reason.");
    for (int r = 0; r < count; r++)
        for (int reason = 0; reason < DROP_COUNT; reason++)
            expose(x, EXPOSE_LABEL("route", routes[r].name),
                   EXPOSE_LABEL("reason", route_drop_name((enum route_drop)reason)),
                   metric_get(&routes[r].dropped_by[reason]));
    add_lag(x, agent);
    add_states(x, routes, count);
    add_stores(x, routes, count);
    expose_family(x, "route_latency_seconds", EXPOSE_HISTOGRAM,
                  "From when an event was taken to its delivery.");
    for (int r = 0; r < count; r++)
        expose_histogram(x, EXPOSE_LABEL("route", routes[r].name), &routes[r].latency);
}
