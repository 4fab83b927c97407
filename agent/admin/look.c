/* SPDX-License-Identifier: Apache-2.0 */
/* What the housekeeper finds out once a second, because finding it out touches the disk: since when
 * the spool refuses events, what is free beneath it, and when the oldest event was taken that a
 * route does not have.
 * Promises:
 *  1. A mark that moves costs nothing: the event delivered last tells how old they are. The record
 *     behind a mark that stands still is read once, from the page cache mostly.
 *  2. A change is logged once, with what it waits for. */
#include "admin_impl.h"

#include "times.h"

uint64_t admin_age_ms(uint64_t unix_ms)
{
    int64_t age = ol__time_now_ms() - (int64_t)unix_ms;
    return unix_ms == 0 || age < 0 ? 0 : (uint64_t)age;
}

/* When the first record after @p low was taken; 0: none, or it cannot be read. */
static int64_t taken_after(struct spool *spool, uint64_t low)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct ol_error err;
    int64_t taken_ms = 0;
    if (spool_reader_open(spool, low, &reader, &err) != OL_OK)
        return 0;
    ol_status status;
    do {
        status = spool_reader_next(reader, &record, &err);
    } while (status == OL_GAP || (status == OL_OK && record.type != SPOOL_EVENT));
    if (status == OL_OK)
        taken_ms = record.time_ms;
    spool_reader_close(reader);
    return taken_ms;
}

static void look_at_route(struct admin_look *look, const struct agent *agent, int i)
{
    struct route_metrics *m = &agent->metrics->routes[i];
    uint64_t low = metric_get(&m->low);
    if (admin_waiting(agent, i) == 0) {
        look->low[i] = UINT64_MAX;
        metric_set(&m->oldest_ms, 0);
        return;
    }
    if (low != look->low[i]) { /* promise 1 */
        look->low[i] = low;
        look->is_known[i] = false;
        if (metric_get(&m->newest_taken_ms) != 0) {
            metric_set(&m->oldest_ms, metric_get(&m->newest_taken_ms));
            return;
        }
    }
    if (look->is_known[i])
        return;
    int64_t taken_ms = taken_after(agent->spool, low);
    look->is_known[i] = taken_ms != 0;
    if (taken_ms != 0)
        metric_set(&m->oldest_ms, (uint64_t)taken_ms);
}

/* @return whether it has just begun or ended. */
static bool note(metric *since, bool is_so)
{
    bool was_so = metric_get(since) != 0;
    if (was_so != is_so)
        metric_set(since, is_so ? (uint64_t)ol__time_now_ms() : 0);
    return was_so != is_so;
}

static void look_at_spool(const struct agent *agent)
{
    struct agent_metrics *m = agent->metrics;
    struct spool_stats stats;
    spool_stats_get(agent->spool, &stats);
    note(&m->failing_since, stats.is_failing); /* the intake says why */
    if (!note(&m->full_since, stats.is_full))
        return;
    int route = admin_slowest_pinned(agent);
    if (!stats.is_full)
        log_write(LOG_LEVEL_INFO, "spool", "has room again: events are taken");
    else if (route >= 0) /* promise 2 */
        log_write(
            LOG_LEVEL_WARNING, "spool",
            "full: events are refused, journals wait; it waits for route %s, which lacks %llu",
            m->routes[route].name, (unsigned long long)admin_waiting(agent, route));
    else
        log_write(LOG_LEVEL_WARNING, "spool",
                  "its filesystem is full: events are refused, journals wait");
}

void admin_look(struct admin_look *look, const struct agent *agent)
{
    look_at_spool(agent);
    for (int i = 0; i < agent->metrics->route_count; i++)
        look_at_route(look, agent, i);
}
