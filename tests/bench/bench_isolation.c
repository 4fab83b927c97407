/* SPDX-License-Identifier: Apache-2.0 */
/* A slow destination costs nobody else: delivery to an instant HTTP sink, alone and beside routes
 * that are slow, silent or gone. Same spool, same events, one delivery thread; bench_kafka has the
 * same for a topic. Printed too: what the slow one gets meanwhile, and what the backlog costs in
 * memory. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "agent.h"
#include "bench.h"
#include "spool_fill.h"
#include "event_read.h"
#include "sink.h"

#define EVENTS 20000u
#define EVENT_SIZE 2048u
#define RUN_LENGTH 100u
#define SLOW_PER_SECOND 50u
#define BESIDE_MAX 3

struct work {
    struct sink *fast, *slow;
    char fast_url[80], slow_url[80], gone_url[80];
    char event[EVENT_SIZE + 1];
    char directory[100];
    struct spool *spool;
    unsigned bursts;
    double slow_events, slow_seconds; /* over all bursts */
};
/* One side: the instant sink with other routes beside it. */
struct side {
    struct work *work;
    char *beside[BESIDE_MAX];
};

static uint64_t taken(const struct sink *sink)
{
    uint64_t requests, bytes;
    sink_count(sink, &requests, &bytes);
    return requests;
}

static double resident_mb(void)
{
    char text[200];
    long size, pages;
    if (bench_read_file("/proc/self/statm", text, sizeof text) <= 0 ||
        sscanf(text, "%ld %ld", &size, &pages) != 2)
        bench_die("statm");
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void burst(void *arg, struct bench_figures *ret)
{
    struct side *side = arg;
    struct work *w = side->work;
    char names[1 + BESIDE_MAX][40]; /* cursors of their own: from the oldest event */
    struct route_config routes[1 + BESIDE_MAX];
    struct agent_metrics metrics = {0};
    int count = 0;
    for (int i = 0; i <= BESIDE_MAX; i++) {
        char *url = i == 0 ? w->fast_url : side->beside[i - 1];
        if (url == NULL)
            continue;
        snprintf(names[count], sizeof names[count], "burst%u-%d", w->bursts, i);
        routes[count] = (struct route_config){.name = names[count],
                                              .type = ROUTE_HTTP,
                                              .on_lag = count == 0 ? ON_LAG_PIN : ON_LAG_DETACH,
                                              .url = url,
                                              .timeout_ms = 30000,
                                              .max_in_flight = 16,
                                              .retry_max_ms = 60000,
                                              .poison_tries = 8};
        metrics.routes[count].name = names[count];
        count++;
    }
    w->bursts++;
    metrics.route_count = count;
    struct agent_config config = {.spool_directory = w->directory,
                                  .routes = {.items = routes, .count = (size_t)count}};
    struct agent agent = {.config = &config, .metrics = &metrics, .spool = w->spool};
    struct deliver *deliver;
    struct ol_error err = {0};
    uint64_t fast = taken(w->fast), slow = taken(w->slow);
    int64_t wall = bench_now_ns(), cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (deliver_open(&agent, &deliver, &err) != OL_OK || deliver_start(deliver, &err) != OL_OK ||
        deliver_wait(deliver, names[0], &err) != OL_OK)
        bench_die("delivery: %s", err.message);
    wall = bench_now_ns() - wall;
    ret->of[BENCH_WALL] = (double)wall / 1e3 / EVENTS;
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / EVENTS;
    if (side->beside[0] == w->slow_url) {
        w->slow_events += (double)(taken(w->slow) - slow);
        w->slow_seconds += (double)wall / 1e9;
    }
    deliver_stop(deliver, 0, NULL);
    deliver_close(deliver);
    if (taken(w->fast) - fast != EVENTS)
        bench_die("the instant sink took %llu of %u", (unsigned long long)(taken(w->fast) - fast),
                  EVENTS);
}

int main(void)
{
    static struct work w;
    int port;
    log_setup(LOG_LEVEL_ERROR, false);
    bench_begin("bench_isolation", "an instant HTTP sink alone and beside slow and dead routes");
    w.fast = sink_start(&port);
    snprintf(w.fast_url, sizeof w.fast_url, "http://127.0.0.1:%d/api/v1/lineage", port);
    w.slow = sink_start_slow(&port, SLOW_PER_SECOND);
    snprintf(w.slow_url, sizeof w.slow_url, "http://127.0.0.1:%d/api/v1/lineage", port);
    struct sink *gone = sink_start(&port); /* its port is nobody's now */
    snprintf(w.gone_url, sizeof w.gone_url, "http://127.0.0.1:%d/api/v1/lineage", port);
    sink_stop(gone);
    memset(w.event, 'x', EVENT_SIZE);
    memcpy(w.event, "{\"text\":\"", 9);
    memcpy(w.event + EVENT_SIZE - 2, "\"}", 2);
    bench_directory_make(w.directory, sizeof w.directory);
    w.spool =
        bench_spool_fill(w.directory, (struct ol__span){w.event, EVENT_SIZE}, EVENTS, RUN_LENGTH);
    struct side alone = {&w, {NULL}}, slow = {&w, {w.slow_url}}, dead = {&w, {w.gone_url}},
                all = {&w, {w.slow_url, w.gone_url, w.slow_url}};
    const struct bench_side sides[] = {{"alone", burst, &alone},
                                       {"beside one that takes 50/s", burst, &slow},
                                       {"beside one that is gone", burst, &dead},
                                       {"beside two slow and a dead one", burst, &all}};
    struct bench_set set = {.sides = sides, .side_count = OL_COUNT(sides)};
    double before = resident_mb();
    bench_run(&set);
    double after = resident_mb();
    bench_at_least(&set, "isolation", 1, BENCH_WALL, 0.9,
                   "an instant HTTP sink beside one that takes 50 events/s, 2 KB, runs of 100");
    bench_at_least(&set, "isolation", 2, BENCH_WALL, 0.9,
                   "an instant HTTP sink beside one whose port is closed");
    bench_at_least(&set, "isolation", 3, BENCH_WALL, 0,
                   "an instant HTTP sink beside two slow ones and a dead one");
    bench_at_most(&set, "isolation", 1, BENCH_CPU, 0,
                  "CPU of the thread beside one that takes 50 events/s");
    bench_say("isolation", w.slow_events / w.slow_seconds, "/s", false, 0,
              "events that the slow sinks took meanwhile, 50 offered");
    bench_say("isolation", after - before, "MB", true, 10,
              "memory that delivery keeps with %u events waiting for slow routes", EVENTS);
    bench_say_sides(&set, "isolation");
    bench_release(&set);
    spool_close(w.spool);
    bench_directory_remove(w.directory);
    sink_stop(w.slow);
    sink_stop(w.fast);
    return 0;
}
