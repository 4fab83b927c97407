/* SPDX-License-Identifier: Apache-2.0 */
/* The counters as Prometheus text (exposition format 0.0.4): tables, so that a metric's name, type
 * and help stand in one place. Names are a promise to dashboards: added, never changed. */
#include "admin_impl.h"

#include "event_read.h"

static void head(struct ol__buf *out, const char *name, const char *type, const char *help)
{
    ol__buf_add_format(out, "# HELP lineaged_%s %s\n# TYPE lineaged_%s %s\n", name, help, name,
                       type);
}

static void plain(struct ol__buf *out, const char *name, const char *type, const char *help,
                  uint64_t value)
{
    head(out, name, type, help);
    ol__buf_add_format(out, "lineaged_%s %llu\n", name, (unsigned long long)value);
}

static void labelled(struct ol__buf *out, const char *name, const char *label, const char *value,
                     uint64_t count)
{
    ol__buf_add_format(out, "lineaged_%s{%s=\"%s\"} %llu\n", name, label, value,
                       (unsigned long long)count);
}

static void add_intake(struct intake_metrics *m, struct ol__buf *out)
{
    const struct {
        const char *name, *type, *help;
        metric *value;
    } table[] = {
        {"events_accepted_total", "counter", "Events on disk, from all sources.",
         &m->accepted_events},
        {"bytes_accepted_total", "counter", "Bytes of events on disk, from all sources.",
         &m->accepted_bytes},
        {"groups_total", "counter", "Groups committed, each with one sync.", &m->groups},
        {"http_requests_total", "counter", "Requests that reached the door.", &m->http_requests},
        {"http_accepted_total", "counter", "Requests answered 200 or 201.", &m->http_accepted},
        {"http_duplicates_total", "counter", "Events recognised as a client's own retry.",
         &m->http_duplicates},
        {"http_connections", "gauge", "Open connections.", &m->http_connections},
        {"journal_events_total", "counter", "Events taken from journals.", &m->journal_events},
        {"journal_bytes_total", "counter", "Bytes taken from journals.", &m->journal_bytes},
        {"journal_files", "gauge", "Journals that are followed.", &m->journal_files},
        {"journal_parked_lines_total", "counter", "Lines of journals that are no event.",
         &m->journal_parked_lines},
        {"journal_unlinked_total", "counter", "Journals removed after their end.",
         &m->journal_unlinked},
        {"journal_moved_total", "counter", "Journals moved to done/ without an end.",
         &m->journal_moved},
    };
    for (size_t i = 0; i < OL_COUNT(table); i++)
        plain(out, table[i].name, table[i].type, table[i].help, metric_get(table[i].value));
    head(out, "http_refused_total", "counter", "Requests refused, by reason.");
    labelled(out, "http_refused_total", "reason", "invalid", metric_get(&m->http_refused_invalid));
    labelled(out, "http_refused_total", "reason", "full", metric_get(&m->http_refused_full));
    labelled(out, "http_refused_total", "reason", "other", metric_get(&m->http_refused_other));
    head(out, "event_warnings_total", "counter", "Events taken although they are loose, by what.");
    for (int bit = 0; bit < 32; bit++)
        if (metric_get(&m->warnings[bit]) != 0)
            labelled(out, "event_warnings_total", "warning", ol__event_warning_name(1u << bit),
                     metric_get(&m->warnings[bit]));
}

static void add_spool(const struct agent *agent, struct ol__buf *out)
{
    struct spool_stats s;
    spool_stats_get(agent->spool, &s);
    plain(out, "spool_synced_seq", "gauge", "Sequence of the newest record on disk.", s.synced_seq);
    plain(out, "spool_oldest_seq", "gauge", "Sequence of the oldest record kept.", s.oldest_seq);
    plain(out, "spool_bytes", "gauge", "Bytes of all files of the spool.", s.bytes_used);
    plain(out, "spool_max_bytes", "gauge", "Most that the spool may use.", s.bytes_max);
    plain(out, "spool_segments", "gauge", "Segments of the log.", s.segments);
    plain(out, "spool_full", "gauge", "1 while events are refused for lack of room.", s.is_full);
    plain(out, "spool_failing", "gauge", "1 while the spool cannot be written.", s.is_failing);
    plain(out, "spool_syncs_total", "counter", "Syncs.", s.syncs);
    plain(out, "spool_sync_failures_total", "counter", "Writes or syncs that failed.",
          s.sync_failures);
    plain(out, "spool_written_bytes_total", "counter", "Bytes handed to the device.",
          s.written_bytes);
    plain(out, "spool_quarantined_records_total", "counter", "Records that did not verify.",
          s.quarantined_records);
    plain(out, "spool_gap_records_total", "counter", "Records given up by detached routes.",
          s.gap_records);
}

#define AT(member) offsetof(struct route_metrics, member)
static const struct {
    const char *name, *type, *help;
    size_t offset;
} route_table[] = {
    {"route_delivered_total", "counter", "Events delivered.", AT(delivered_events)},
    {"route_delivered_bytes_total", "counter", "Bytes of events delivered.", AT(delivered_bytes)},
    {"route_requests_total", "counter", "Requests or batches sent.", AT(requests)},
    {"route_retries_total", "counter", "Requests sent again.", AT(retries)},
    {"route_parked_total", "counter", "Events put among the dead letters.", AT(parked)},
    {"route_letters", "gauge", "Dead letters kept.", AT(letters)},
    {"route_letters_retried_total", "counter", "Dead letters sent again by hand.",
     AT(letters_retried)},
    {"route_letters_dropped_total", "counter", "Dead letters forgotten by hand.",
     AT(letters_dropped)},
    {"route_dropped_total", "counter", "Events given up by a limit somebody set.", AT(dropped)},
    {"route_skipped_total", "counter", "Records that are not for this route.", AT(skipped)},
    {"route_in_flight", "gauge", "Events sent and not answered.", AT(in_flight)},
    {"route_low_seq", "gauge", "All records up to this sequence are done.", AT(low)},
};

static void add_routes(const struct agent *agent, struct ol__buf *out)
{
    struct route_metrics *routes = agent->metrics->routes;
    int count = agent->metrics->route_count;
    for (size_t i = 0; i < OL_COUNT(route_table); i++) {
        head(out, route_table[i].name, route_table[i].type, route_table[i].help);
        for (int r = 0; r < count; r++)
            labelled(out, route_table[i].name, "route", routes[r].name,
                     metric_get((metric *)(void *)((char *)&routes[r] + route_table[i].offset)));
    }
    head(out, "route_lag_events", "gauge", "Records on disk that this route does not have yet.");
    for (int r = 0; r < count; r++)
        labelled(out, "route_lag_events", "route", routes[r].name, admin_waiting(agent, r));
    head(out, "route_last_success_seconds", "gauge", "Unix time of the last delivery.");
    for (int r = 0; r < count; r++)
        labelled(out, "route_last_success_seconds", "route", routes[r].name,
                 metric_get(&routes[r].last_success) / 1000);
    head(out, "route_state", "gauge", "1 for the state that the route is in.");
    for (int r = 0; r < count; r++)
        for (int state = ROUTE_STARTING; state <= ROUTE_FAILED; state++)
            ol__buf_add_format(out, "lineaged_route_state{route=\"%s\",state=\"%s\"} %d\n",
                               routes[r].name, route_state_name((enum route_state)state),
                               metric_get(&routes[r].state) == (uint64_t)state);
}

ol_status admin_exposition(const struct agent *agent, struct ol__buf *out)
{
    head(out, "info", "gauge", "Version of the agent.");
    ol__buf_add_format(out, "lineaged_info{version=\"%s\"} 1\n", OL_VERSION);
    plain(out, "start_time_seconds", "gauge", "Unix time of the start.",
          (uint64_t)agent->metrics->started_ms / 1000);
    add_intake(&agent->metrics->intake, out);
    add_spool(agent, out);
    add_routes(agent, out);
    return out->status;
}
