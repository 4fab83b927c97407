/* SPDX-License-Identifier: Apache-2.0 */
/* Health and status. Nothing here waits for a disk: counters, and the spool's own, which are never
 * locked over a system call (it must answer while a sync hangs). */
#include "admin_impl.h"

#include <stdio.h>
#include <unistd.h>
#include "json_write.h"
#include "times.h"

/* What of the spool must stay for this route, done or not. */
static uint64_t lag(const struct agent *agent, int route)
{
    uint64_t synced = spool_synced(agent->spool);
    uint64_t low = metric_get(&agent->metrics->routes[route].low);
    return synced > low ? synced - low : 0;
}

uint64_t admin_waiting(const struct agent *agent, int route)
{
    uint64_t synced = spool_synced(agent->spool);
    uint64_t done = metric_get(&agent->metrics->routes[route].done);
    return synced > done ? synced - done : 0;
}

uint64_t admin_waiting_bytes(const struct agent *agent, int route)
{
    struct spool_stats stats;
    spool_stats_get(agent->spool, &stats);
    uint64_t kept = stats.synced_seq + 1 - OL_MIN(stats.oldest_seq, stats.synced_seq + 1);
    uint64_t waiting = OL_MIN(admin_waiting(agent, route), kept);
    uint64_t events = metric_get(&agent->metrics->intake.accepted_events);
    if (events != 0)
        return waiting * (metric_get(&agent->metrics->intake.accepted_bytes) / events);
    return kept != 0 ? waiting * (stats.bytes_used / kept) : 0;
}

static const struct route_config *route_config(const struct agent *agent, int route)
{
    return (const struct route_config *)agent->config->routes.items + route;
}

int admin_slowest_pinned(const struct agent *agent)
{
    int slowest = -1;
    for (int i = 0; i < agent->metrics->route_count; i++)
        if (route_config(agent, i)->on_lag == ON_LAG_PIN && lag(agent, i) > 0 &&
            (slowest < 0 || lag(agent, i) > lag(agent, slowest)))
            slowest = i;
    return slowest;
}

static int64_t sync_running_ms(const struct spool_stats *stats)
{
    return stats->sync_started_ms == 0 ? 0 : ol__time_monotonic_ms() - stats->sync_started_ms;
}

bool admin_health(const struct agent *agent, struct ol__buf *out)
{
    struct spool_stats stats;
    size_t before = out->size;
    spool_stats_get(agent->spool, &stats);
    if (stats.is_failing)
        ol__buf_add_text(out, "spool: cannot be written; events are refused\n");
    if (stats.is_full) {
        int route = admin_slowest_pinned(agent);
        if (route >= 0)
            ol__buf_add_format(out, "spool: full; it waits for route %s\n",
                               agent->metrics->routes[route].name);
        else
            ol__buf_add_text(out, "spool: full, or its filesystem is\n");
    }
    if (sync_running_ms(&stats) > ADMIN_SYNC_HANGS_MS)
        ol__buf_add_format(out, "spool: a sync has been running for %lld s\n",
                           (long long)(sync_running_ms(&stats) / 1000));
    if (out->size != before)
        return false;
    ol__buf_add_text(out, "ok\n");
    return true;
}

static void member_time_opt(struct ol__json_writer *w, const char *key, uint64_t unix_ms)
{
    char text[OL_TIME_TEXT + 1];
    if (unix_ms == 0)
        return;
    ol__time_format((int64_t)unix_ms, text);
    ol__json_member_text(w, key, text);
}

/* Where it leads, without what may be secret (settings allow no password in a URL). */
static void member_destination(struct ol__json_writer *w, const struct route_config *c)
{
    char text[1024];
    if (c->type == ROUTE_HTTP)
        snprintf(text, sizeof text, "%.*s", (int)OL_MIN(strcspn(c->url, "?#"), sizeof text - 1),
                 c->url);
    else if (c->type == ROUTE_KAFKA)
        snprintf(text, sizeof text, "%s at %s", c->topic, c->brokers);
    else
        snprintf(text, sizeof text, "%s", c->path);
    ol__json_member_text(w, "destination", text);
}

/* What a store holds and may not let go. */
static void write_kept(struct route_metrics *m, struct ol__json_writer *w)
{
    ol__json_key(w, "store");
    ol__json_begin_object(w);
    ol__json_member_uint(w, "bytes", metric_get(&m->store_bytes));
    if (metric_get(&m->store_max_bytes) != 0)
        ol__json_member_uint(w, "max_bytes", metric_get(&m->store_max_bytes));
    ol__json_member_uint(w, "pinned_runs", metric_get(&m->store_pinned_runs));
    ol__json_member_bool(w, "stuck", metric_get(&m->store_is_stuck) != 0);
    ol__json_member_uint(w, "removed_runs", metric_get(&m->store_removed_runs));
    ol__json_member_uint(w, "removed_answers", metric_get(&m->store_removed_answers));
    ol__json_end_object(w);
}

static void write_route(const struct agent *agent, int i, struct ol__json_writer *w)
{
    struct route_metrics *m = &agent->metrics->routes[i];
    char error[ROUTE_ERROR_MAX];
    route_metrics_get_error(m, error);
    ol__json_begin_object(w);
    ol__json_member_text(w, "name", m->name);
    ol__json_member_text(w, "type", m->type);
    ol__json_member_text(w, "on_lag",
                         route_config(agent, i)->on_lag == ON_LAG_PIN ? "pin" : "detach");
    ol__json_member_text(w, "state", route_state_name((enum route_state)metric_get(&m->state)));
    member_time_opt(w, "since", metric_get(&m->state_since));
    ol__json_member_text(w, "cause", route_cause_name((enum route_cause)metric_get(&m->cause)));
    member_time_opt(w, "failing_since", metric_get(&m->failing_since));
    member_destination(w, route_config(agent, i));
    ol__json_member_uint(w, "waiting", admin_waiting(agent, i));
    ol__json_member_uint(w, "waiting_bytes", admin_waiting_bytes(agent, i));
    member_time_opt(w, "oldest", metric_get(&m->oldest_ms));
    ol__json_member_uint(w, "in_flight", metric_get(&m->in_flight));
    ol__json_member_uint(w, "low", metric_get(&m->low));
    ol__json_member_uint(w, "delivered", metric_get(&m->delivered_events));
    ol__json_member_uint(w, "delivered_bytes", metric_get(&m->delivered_bytes));
    ol__json_member_uint(w, "retries", metric_get(&m->retries));
    ol__json_member_uint(w, "parked", metric_get(&m->parked));
    ol__json_member_uint(w, "resent", metric_get(&m->resent));
    ol__json_member_uint(w, "answers_summed", metric_get(&m->answers_summed));
    ol__json_member_uint(w, "answers_waiting", metric_get(&m->answers_waiting));
    ol__json_member_uint(w, "letters", metric_get(&m->letters));
    ol__json_member_uint(w, "letters_retried", metric_get(&m->letters_retried));
    ol__json_member_uint(w, "letters_dropped", metric_get(&m->letters_dropped));
    ol__json_member_uint(w, "dropped", metric_get(&m->dropped));
    ol__json_member_uint(w, "given_up", metric_get(&m->dropped_by[DROP_GIVEN_UP]));
    ol__json_member_uint(w, "skipped", metric_get(&m->skipped));
    member_time_opt(w, "last_success", metric_get(&m->last_success));
    if (metric_get(&m->last_status) != 0)
        ol__json_member_uint(w, "last_status", metric_get(&m->last_status));
    if (error[0] != '\0')
        ol__json_member_text(w, "last_error", error);
    ol__json_member_int(w, "clock_skew_ms", atomic_load(&m->clock_skew_ms));
    if (route_config(agent, i)->type == ROUTE_STORE)
        write_kept(m, w);
    ol__json_end_object(w);
}

static void write_spool(const struct agent *agent, const struct spool_stats *s,
                        struct ol__json_writer *w)
{
    ol__json_key(w, "spool");
    ol__json_begin_object(w);
    ol__json_member_text(w, "directory", agent->config->spool_directory);
    ol__json_member_uint(w, "synced", s->synced_seq);
    ol__json_member_uint(w, "oldest", s->oldest_seq);
    ol__json_member_uint(w, "bytes", s->bytes_used);
    ol__json_member_uint(w, "max_bytes", s->bytes_max);
    ol__json_member_uint(w, "free_bytes", s->free_bytes);
    ol__json_member_uint(w, "min_free_bytes", s->min_free_bytes);
    ol__json_member_uint(w, "segments", s->segments);
    ol__json_member_bool(w, "full", s->is_full);
    member_time_opt(w, "full_since", s->is_full ? metric_get(&agent->metrics->full_since) : 0);
    ol__json_member_bool(w, "failing", s->is_failing);
    member_time_opt(w, "failing_since",
                    s->is_failing ? metric_get(&agent->metrics->failing_since) : 0);
    ol__json_member_uint(w, "syncs", s->syncs);
    ol__json_member_uint(w, "sync_failures", s->sync_failures);
    ol__json_member_int(w, "sync_running_ms", sync_running_ms(s));
    ol__json_member_uint(w, "quarantined_records", s->quarantined_records);
    ol__json_member_uint(w, "gap_records", s->gap_records);
    ol__json_end_object(w);
}

static void write_directory(struct ol__json_writer *w, struct journal_dir_metrics *m)
{
    ol__json_begin_object(w);
    ol__json_member_text(w, "path", m->path);
    ol__json_member_uint(w, "files", metric_get(&m->files));
    ol__json_member_uint(w, "waiting_bytes", metric_get(&m->bytes));
    member_time_opt(w, "oldest", metric_get(&m->oldest_ms));
    ol__json_member_bool(w, "lost", metric_get(&m->is_lost) != 0);
    ol__json_end_object(w);
}

static void write_intake(const struct agent *agent, struct ol__json_writer *w)
{
    struct intake_metrics *m = &agent->metrics->intake;
    const struct ol__text_list *doors = &agent->config->http_listen;
    ol__json_key(w, "intake");
    ol__json_begin_object(w);
    ol__json_member_uint(w, "accepted", metric_get(&m->accepted_events));
    ol__json_member_uint(w, "accepted_bytes", metric_get(&m->accepted_bytes));
    ol__json_member_uint(w, "groups", metric_get(&m->groups));
    ol__json_key(w, "listen");
    ol__json_begin_array(w);
    for (size_t i = 0; i < doors->count; i++)
        ol__json_text(w, doors->items[i]);
    ol__json_end_array(w);
    ol__json_key(w, "http");
    ol__json_begin_object(w);
    ol__json_member_uint(w, "connections", metric_get(&m->http_connections));
    ol__json_member_uint(w, "requests", metric_get(&m->http_requests));
    ol__json_member_uint(w, "accepted", metric_get(&m->http_accepted));
    ol__json_member_uint(w, "duplicates", metric_get(&m->http_duplicates));
    ol__json_member_uint(w, "refused_invalid", metric_get(&m->http_refused_invalid));
    ol__json_member_uint(w, "refused_full", metric_get(&m->http_refused_full));
    ol__json_member_uint(w, "refused_other", metric_get(&m->http_refused_other));
    ol__json_end_object(w);
    ol__json_key(w, "journal");
    ol__json_begin_object(w);
    ol__json_member_uint(w, "files", metric_get(&m->journal_files));
    ol__json_member_uint(w, "events", metric_get(&m->journal_events));
    ol__json_member_uint(w, "bytes", metric_get(&m->journal_bytes));
    ol__json_member_uint(w, "parked_lines", metric_get(&m->journal_parked_lines));
    ol__json_member_uint(w, "unlinked", metric_get(&m->journal_unlinked));
    ol__json_member_uint(w, "moved", metric_get(&m->journal_moved));
    ol__json_key(w, "directories");
    ol__json_begin_array(w);
    for (int i = 0; i < m->directory_count; i++)
        write_directory(w, &m->directories[i]);
    ol__json_end_array(w);
    ol__json_end_object(w);
    ol__json_end_object(w);
}

static void write_wait(struct ol__json_writer *w, const char *who, const char *what,
                       const char *why, uint64_t since_ms)
{
    ol__json_begin_object(w);
    ol__json_member_text(w, "who", who);
    ol__json_member_text(w, "for", what);
    ol__json_member_text(w, "why", why);
    member_time_opt(w, "since", since_ms);
    ol__json_end_object(w);
}

/* Who waits for whom, from the door to the destinations. */
static void write_waits(const struct agent *agent, const struct spool_stats *stats,
                        struct ol__json_writer *w)
{
    char name[96], error[ROUTE_ERROR_MAX], journals[1100];
    struct intake_metrics *intake = &agent->metrics->intake;
    ol__json_key(w, "waits");
    ol__json_begin_array(w);
    if (stats->is_failing)
        write_wait(w, "intake", "disk", "the spool cannot be written",
                   metric_get(&agent->metrics->failing_since));
    else if (sync_running_ms(stats) > 1000)
        write_wait(w, "intake", "disk", "a sync takes long",
                   (uint64_t)(ol__time_now_ms() - sync_running_ms(stats)));
    if (stats->is_full) {
        int route = admin_slowest_pinned(agent);
        if (route >= 0)
            snprintf(name, sizeof name, "route %s", agent->metrics->routes[route].name);
        write_wait(w, "intake", route >= 0 ? name : "disk", "the spool is full",
                   metric_get(&agent->metrics->full_since));
    }
    for (int i = 0; i < agent->metrics->route_count; i++) {
        struct route_metrics *m = &agent->metrics->routes[i];
        enum route_state state = (enum route_state)metric_get(&m->state);
        if (state == ROUTE_OK || state == ROUTE_STARTING)
            continue;
        route_metrics_get_error(m, error);
        snprintf(name, sizeof name, "route %s", m->name);
        write_wait(w, name, "its destination", error[0] != '\0' ? error : route_state_name(state),
                   metric_get(&m->failing_since));
    }
    for (int i = 0; (stats->is_full || stats->is_failing) && i < intake->directory_count; i++)
        if (metric_get(&intake->directories[i].bytes) != 0) {
            snprintf(journals, sizeof journals, "journals in %s", intake->directories[i].path);
            write_wait(w, journals, "intake", "the spool takes nothing",
                       metric_get(&intake->directories[i].oldest_ms));
        }
    ol__json_end_array(w);
}

ol_status admin_status(const struct agent *agent, struct ol__buf *out)
{
    struct ol__json_writer w;
    struct spool_stats stats;
    struct ol__buf health;
    ol__buf_init(&health, 4096);
    bool is_healthy = admin_health(agent, &health);
    ol__buf_release(&health);
    spool_stats_get(agent->spool, &stats);
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "version", OL_VERSION);
    ol__json_member_int(&w, "pid", getpid());
    ol__json_member_bool(&w, "system", agent->config->is_system);
    ol__json_member_text_opt(&w, "config", agent->config->config_path);
    member_time_opt(&w, "now", (uint64_t)ol__time_now_ms());
    ol__json_member_uint(&w, "uid", geteuid());
    member_time_opt(&w, "started", (uint64_t)agent->metrics->started_ms);
    ol__json_member_bool(&w, "healthy", is_healthy);
    write_intake(agent, &w);
    write_spool(agent, &stats, &w);
    ol__json_key(&w, "routes");
    ol__json_begin_array(&w);
    for (int i = 0; i < agent->metrics->route_count; i++)
        write_route(agent, i, &w);
    ol__json_end_array(&w);
    write_waits(agent, &stats, &w);
    ol__json_end_object(&w);
    return ol__buf_add_char(out, '\n');
}
