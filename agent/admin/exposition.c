/* SPDX-License-Identifier: Apache-2.0 */
/* The counters as Prometheus text 0.0.4 or OpenMetrics 1.0: tables, so that a metric's name, type
 * and help stand in one place. docs/metrics.md lists them, and a test compares the two.
 * Promises:
 *  1. Names are a promise to dashboards: added, never changed.
 *  2. What the two formats have in common is written the same; a counter's family has no "_total"
 *     in OpenMetrics, and must have it in the older one. */
#include "exposition_impl.h"

#include <stdio.h>
#include "event_read.h"
#include "times.h"

void expose_family(struct exposition *x, const char *name, enum exposition_type type,
                   const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const char *end = type == EXPOSE_COUNTER && !x->is_openmetrics ? "_total" : "";
    x->family = name;
    x->type = type;
    ol__buf_add_format(x->out, "# HELP lineaged_%s%s %s\n# TYPE lineaged_%s%s %s\n", name, end,
                       help, name, end, types[type]);
}

static void add_label(struct ol__buf *out, char before, struct exposition_label label)
{
    ol__buf_add_format(out, "%c%s=\"", before, label.name);
    for (const char *p = label.value; *p != '\0'; p++) {
        if (*p == '\n')
            ol__buf_add_text(out, "\\n");
        else {
            if (*p == '"' || *p == '\\')
                ol__buf_add_char(out, '\\');
            ol__buf_add_char(out, *p);
        }
    }
    ol__buf_add_char(out, '"');
}

static void add_name(struct exposition *x, const char *end, struct exposition_label a,
                     struct exposition_label b)
{
    ol__buf_add_format(x->out, "lineaged_%s%s", x->family, end);
    if (a.name != NULL)
        add_label(x->out, '{', a);
    if (b.name != NULL)
        add_label(x->out, a.name != NULL ? ',' : '{', b);
    if (a.name != NULL || b.name != NULL)
        ol__buf_add_char(x->out, '}');
    ol__buf_add_char(x->out, ' ');
}

void expose(struct exposition *x, struct exposition_label a, struct exposition_label b,
            uint64_t value)
{
    add_name(x, x->type == EXPOSE_COUNTER ? "_total" : "", a, b);
    ol__buf_add_format(x->out, "%llu\n", (unsigned long long)value);
}

void expose_ms(struct exposition *x, struct exposition_label a, uint64_t ms)
{
    add_name(x, x->type == EXPOSE_COUNTER ? "_total" : "", a, EXPOSE_NO_LABEL);
    ol__buf_add_format(x->out, "%llu.%03u\n", (unsigned long long)(ms / 1000),
                       (unsigned)(ms % 1000));
}

/* "0.0001", "2.5", "60.0": as OpenMetrics wants them. */
static void write_bound(uint64_t us, char *out, size_t size)
{
    int end = snprintf(out, size, "%llu.%06u", (unsigned long long)(us / 1000000),
                       (unsigned)(us % 1000000));
    while (end > 2 && out[end - 1] == '0' && out[end - 2] != '.')
        out[--end] = '\0';
}

void expose_histogram(struct exposition *x, struct exposition_label a, struct histogram *h)
{
    uint64_t count = 0;
    char bound[32];
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += metric_get(&h->counts[i]);
        if (i == HISTOGRAM_BOUNDS)
            snprintf(bound, sizeof bound, "+Inf");
        else
            write_bound(histogram_bounds_us[i], bound, sizeof bound);
        add_name(x, "_bucket", a, EXPOSE_LABEL("le", bound));
        ol__buf_add_format(x->out, "%llu\n", (unsigned long long)count);
    }
    uint64_t sum = metric_get(&h->sum_us);
    add_name(x, "_sum", a, EXPOSE_NO_LABEL);
    ol__buf_add_format(x->out, "%llu.%06u\n", (unsigned long long)(sum / 1000000),
                       (unsigned)(sum % 1000000));
    add_name(x, "_count", a, EXPOSE_NO_LABEL); /* the same count: promised to equal +Inf */
    ol__buf_add_format(x->out, "%llu\n", (unsigned long long)count);
}

/* ---- The agent, what comes in ---- */

static void plain(struct exposition *x, const char *name, enum exposition_type type,
                  const char *help, uint64_t value)
{
    expose_family(x, name, type, help);
    expose(x, EXPOSE_NO_LABEL, EXPOSE_NO_LABEL, value);
}

static void add_agent(struct exposition *x, const struct agent *agent)
{
    expose_family(x, "build_info", EXPOSE_GAUGE, "1; what is running.");
    expose(x, EXPOSE_LABEL("version", OL_VERSION), EXPOSE_LABEL("compiler", __VERSION__), 1);
    expose_family(x, "start_time_seconds", EXPOSE_GAUGE, "Unix time of the start.");
    expose_ms(x, EXPOSE_NO_LABEL, (uint64_t)agent->metrics->started_ms);
    struct ol__buf health;
    ol__buf_init(&health, 4096);
    plain(x, "healthy", EXPOSE_GAUGE, "1 while /healthz says ok.", admin_health(agent, &health));
    ol__buf_release(&health);
}

static void add_warnings(struct exposition *x, struct intake_metrics *m)
{
    expose_family(x, "event_warnings", EXPOSE_COUNTER,
                  "Events taken although they are loose, by what.");
    for (int bit = 0; bit < 32; bit++)
        if (metric_get(&m->warnings[bit]) != 0)
            expose(x, EXPOSE_LABEL("warning", ol__event_warning_name(1u << bit)), EXPOSE_NO_LABEL,
                   metric_get(&m->warnings[bit]));
}

static void add_directories(struct exposition *x, struct intake_metrics *m)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } table[] = {
        {"journal_directory_files", "Journals followed in a directory.",
         offsetof(struct journal_dir_metrics, files)},
        {"journal_directory_waiting_bytes",
         "Written to journals there and not on the spool's disk.",
         offsetof(struct journal_dir_metrics, bytes)},
        {"journal_directory_lost", "1 while a directory is missing or cannot be drained.",
         offsetof(struct journal_dir_metrics, is_lost)},
    };
    for (size_t i = 0; i < OL_COUNT(table); i++) {
        expose_family(x, table[i].name, EXPOSE_GAUGE, table[i].help);
        for (int d = 0; d < m->directory_count; d++)
            expose(x, EXPOSE_LABEL("directory", m->directories[d].path), EXPOSE_NO_LABEL,
                   metric_get((metric *)(void *)((char *)&m->directories[d] + table[i].offset)));
    }
    expose_family(
        x, "journal_directory_oldest_seconds", EXPOSE_GAUGE,
        "Age of the last change of the oldest journal of which something waits; 0: none.");
    for (int d = 0; d < m->directory_count; d++)
        expose_ms(x, EXPOSE_LABEL("directory", m->directories[d].path),
                  admin_age_ms(metric_get(&m->directories[d].oldest_ms)));
}

static void add_intake(struct exposition *x, struct intake_metrics *m)
{
    const struct {
        const char *name, *help;
        enum exposition_type type;
        metric *value;
    } table[] = {
        {"events_accepted", "Events on disk, from all sources.", EXPOSE_COUNTER,
         &m->accepted_events},
        {"bytes_accepted", "Bytes of events on disk, from all sources.", EXPOSE_COUNTER,
         &m->accepted_bytes},
        {"groups", "Groups committed, each with one sync.", EXPOSE_COUNTER, &m->groups},
        {"http_requests", "Requests that reached the door.", EXPOSE_COUNTER, &m->http_requests},
        {"http_accepted", "Requests answered 200 or 201.", EXPOSE_COUNTER, &m->http_accepted},
        {"http_duplicates", "Events recognised as a client's own retry.", EXPOSE_COUNTER,
         &m->http_duplicates},
        {"http_connections", "Open connections.", EXPOSE_GAUGE, &m->http_connections},
        {"dedup_keys", "Requests remembered to recognise retries.", EXPOSE_GAUGE, &m->dedup_keys},
        {"journal_events", "Events taken from journals.", EXPOSE_COUNTER, &m->journal_events},
        {"journal_bytes", "Bytes taken from journals.", EXPOSE_COUNTER, &m->journal_bytes},
        {"journal_files", "Journals that are followed.", EXPOSE_GAUGE, &m->journal_files},
        {"journal_parked_lines", "Lines of journals that are no event.", EXPOSE_COUNTER,
         &m->journal_parked_lines},
        {"journal_unlinked", "Journals removed after their end.", EXPOSE_COUNTER,
         &m->journal_unlinked},
        {"journal_moved", "Journals moved to done/ without an end.", EXPOSE_COUNTER,
         &m->journal_moved},
        {"foreign_files", "Files of other clients that are followed.", EXPOSE_GAUGE,
         &m->foreign_files},
        {"foreign_events", "Events taken from files of other clients.", EXPOSE_COUNTER,
         &m->foreign_events},
        {"foreign_parked_lines", "Lines of files of other clients that are no event.",
         EXPOSE_COUNTER, &m->foreign_parked_lines},
        {"open_runs", "Runs of journals that get an ABORT if their process dies.", EXPOSE_GAUGE,
         &m->open_runs},
        {"aborts_inferred", "ABORTs of runs whose process died.", EXPOSE_COUNTER,
         &m->aborts_inferred},
        {"aborts_given_up", "Runs that get no ABORT: too many were open, or the START is gone.",
         EXPOSE_COUNTER, &m->aborts_given_up},
    };
    for (size_t i = 0; i < OL_COUNT(table); i++)
        plain(x, table[i].name, table[i].type, table[i].help, metric_get(table[i].value));
    expose_http(x, m);
    add_warnings(x, m);
    add_directories(x, m);
    expose_family(x, "http_to_sync_seconds", EXPOSE_HISTOGRAM,
                  "From a request's head to the sync that covers it.");
    expose_histogram(x, EXPOSE_NO_LABEL, &m->to_sync);
    expose_family(x, "commit_seconds", EXPOSE_HISTOGRAM, "One group's write and sync.");
    expose_histogram(x, EXPOSE_NO_LABEL, &m->commit);
}

/* ---- Rules ---- */

static void add_rules(struct exposition *x, struct agent_metrics *m)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } table[] = {
        {"rule_events", "Events that a rule changed or dropped.",
         offsetof(struct rule_metrics, events)},
        {"rule_values", "Values that a rule changed, added or left out.",
         offsetof(struct rule_metrics, values)},
        {"rule_limited", "Values that an expression could not finish, redacted whole.",
         offsetof(struct rule_metrics, limited)},
    };
    for (size_t i = 0; i < OL_COUNT(table); i++) {
        expose_family(x, table[i].name, EXPOSE_COUNTER, table[i].help);
        for (int r = 0; r < m->rule_count; r++)
            expose(x, EXPOSE_LABEL("rule", m->rules[r].name),
                   EXPOSE_LABEL("type", m->rules[r].type),
                   metric_get((metric *)(void *)((char *)&m->rules[r] + table[i].offset)));
    }
}

/* ---- The spool ---- */

static void add_spool(struct exposition *x, const struct agent *agent)
{
    struct spool_stats s;
    spool_stats_get(agent->spool, &s);
    const struct {
        const char *name, *help;
        enum exposition_type type;
        uint64_t value;
    } table[] = {
        {"spool_synced_seq", "Sequence of the newest record on disk.", EXPOSE_GAUGE, s.synced_seq},
        {"spool_oldest_seq", "Sequence of the oldest record kept.", EXPOSE_GAUGE, s.oldest_seq},
        {"spool_bytes", "Bytes of all files of the spool.", EXPOSE_GAUGE, s.bytes_used},
        {"spool_max_bytes", "Most that the spool may use.", EXPOSE_GAUGE, s.bytes_max},
        {"spool_free_bytes", "Bytes free on the spool's file system, looked at once a second.",
         EXPOSE_GAUGE, s.free_bytes},
        {"spool_min_free_bytes", "Bytes that must stay free there.", EXPOSE_GAUGE,
         s.min_free_bytes},
        {"spool_segments", "Segments of the log.", EXPOSE_GAUGE, s.segments},
        {"spool_full", "1 while events are refused for lack of room.", EXPOSE_GAUGE, s.is_full},
        {"spool_failing", "1 while the spool cannot be written.", EXPOSE_GAUGE, s.is_failing},
        {"spool_syncs", "Syncs.", EXPOSE_COUNTER, s.syncs},
        {"spool_sync_failures", "Writes or syncs that failed.", EXPOSE_COUNTER, s.sync_failures},
        {"spool_written_bytes", "Bytes handed to the device.", EXPOSE_COUNTER, s.written_bytes},
        {"spool_quarantined_records", "Records that did not verify.", EXPOSE_COUNTER,
         s.quarantined_records},
        {"spool_quarantined_bytes", "Bytes that did not verify, kept in quarantine.",
         EXPOSE_COUNTER, s.quarantined_bytes},
        {"spool_torn_bytes", "Bytes cut off at the start, of a group that was never acknowledged.",
         EXPOSE_COUNTER, s.torn_bytes},
        {"spool_gap_records", "Records given up by detached routes.", EXPOSE_COUNTER,
         s.gap_records},
    };
    for (size_t i = 0; i < OL_COUNT(table); i++)
        plain(x, table[i].name, table[i].type, table[i].help, table[i].value);
}

ol_status admin_exposition(const struct agent *agent, bool is_openmetrics, struct ol__buf *out)
{
    struct exposition x = {.out = out, .is_openmetrics = is_openmetrics};
    add_agent(&x, agent);
    add_intake(&x, &agent->metrics->intake);
    add_rules(&x, agent->metrics);
    add_spool(&x, agent);
    expose_routes(&x, agent);
    if (is_openmetrics)
        ol__buf_add_text(out, "# EOF\n");
    return out->status;
}

const char *admin_exposition_type(bool is_openmetrics)
{
    return is_openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                          : "text/plain; version=0.0.4; charset=utf-8";
}

bool admin_exposition_is_open(const char *accept)
{
    return accept != NULL && strstr(accept, "application/openmetrics-text") != NULL;
}
