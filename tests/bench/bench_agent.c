/* SPDX-License-Identifier: Apache-2.0 */
/* The whole agent, HTTP in to HTTP out: CPU of its process per event from the first byte taken to
 * the last answer of an instant sink, at 64 connections with events of 2 KB, each a run of its own.
 * Then its start and its memory: fresh, and with $BENCH_BACKLOG events waiting (100000; the bar
 * says 1000000, which takes a minute and 1 GB). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "agent_process.h"
#include "bare_server.h"
#include "bench.h"
#include "load.h"
#include "sink.h"

#define EVENTS 10000 /* a burst */
#define DELIVERY_LIMIT_NS INT64_C(60000000000)
#define STARTS 15

static const char delivered[] = "lineaged_route_delivered_total{route=\"sink\"}";

static void take(int server_port, long events, int event_bytes)
{
    struct load_result result;
    struct load_plan plan = {.port = server_port,
                             .connections = 64,
                             .requests = events,
                             .event_bytes = event_bytes,
                             .stall_seconds = 10};
    load_run(&plan, &result);
    if (result.taken != events)
        bench_die("%ld taken, %ld refused, %ld connections ended", result.taken, result.refused,
                  result.broken);
}

struct whole {
    struct agent_process agent;
    struct sink *sink;
};

static void burst(void *arg, struct bench_figures *ret)
{
    const struct whole *w = arg;
    const struct agent_process *agent = &w->agent;
    uint64_t requests, bytes, requests_before, bytes_before;
    sink_count(w->sink, &requests_before, &bytes_before);
    const struct timespec pause = {.tv_nsec = 20000000};
    double before = agent_process_metric(agent, delivered);
    clockid_t clock = bench_cpu_clock(agent->pid);
    int64_t cpu = bench_cpu_ns(clock), begin = bench_now_ns();
    take(agent->port, EVENTS, 2048);
    while (agent_process_metric(agent, delivered) < before + EVENTS) {
        if (bench_now_ns() - begin > DELIVERY_LIMIT_NS)
            bench_die("%.0f of %d were delivered", agent_process_metric(agent, delivered) - before,
                      EVENTS);
        nanosleep(&pause, NULL);
    }
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(clock) - cpu) / 1e3 / EVENTS;
    sink_count(w->sink, &requests, &bytes);
    if (requests - requests_before != EVENTS || bytes - bytes_before != UINT64_C(2048) * EVENTS)
        bench_die("the sink took %llu events, %llu bytes",
                  (unsigned long long)(requests - requests_before),
                  (unsigned long long)(bytes - bytes_before));
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / EVENTS;
}

/* The reference: the same requests to a server that answers and keeps nothing. */
struct bare {
    pid_t pid;
    int port;
};

static void burst_bare(void *arg, struct bench_figures *ret)
{
    const struct bare *bare = arg;
    clockid_t clock = bench_cpu_clock(bare->pid);
    int64_t cpu = bench_cpu_ns(clock), begin = bench_now_ns();
    take(bare->port, EVENTS, 2048);
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(clock) - cpu) / 1e3 / EVENTS;
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / EVENTS;
}

static void measure_whole(void)
{
    struct bare bare;
    static struct whole w;
    struct agent_process *agent = &w.agent;
    char routes[200];
    int port;
    w.sink = sink_start(&port);
    snprintf(routes, sizeof routes,
             "  - { name: sink, type: http, url: \"http://127.0.0.1:%d\" }\n", port);
    agent_process_start(agent, "1GiB", routes);
    bench_say("6", agent_process_resident(agent), " MB", true, 14, "resident, idle");
    bare.pid = bare_server_start(&bare.port);
    const struct bench_side sides[] = {{"bare libmicrohttpd, HTTP in only", burst_bare, &bare},
                                       {"lineaged", burst, &w}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_run(&set);
    bench_say_sides(&set, "HTTP to HTTP");
    bench_at_most(&set, "agent", 1, BENCH_CPU, 0,
                  "CPU an event, HTTP to HTTP, to a bare server that only answers");
    bench_say("agent", bench_median(&set, 1, BENCH_CPU) / 10, " s", true, 3.5,
              "CPU per 100,000 events, HTTP to HTTP, 64 connections");
    bench_say("6", agent_process_resident(agent), " MB", true, 25, "resident at work");
    bench_release(&set);
    agent_process_stop(agent);
    bare_server_stop(bare.pid);
    sink_stop(w.sink);
}

static double start_ms(struct agent_process *agent)
{
    double values[STARTS];
    for (int i = 0; i < STARTS; i++) {
        agent_process_end(agent);
        agent_process_again(agent);
        values[i] = (double)agent->ready_ns / 1e6;
    }
    return bench_median_of(values, STARTS);
}

static void measure_start(void)
{
    static struct agent_process agent;
    const char *text = getenv("BENCH_BACKLOG");
    long backlog = text != NULL ? strtol(text, NULL, 10) : 100000;
    if (backlog < 1000 || backlog > 10000000)
        bench_die("BENCH_BACKLOG: 1000 to 10000000");
    agent_process_start(&agent, "16GiB",
                        "  - { name: nowhere, type: http, url: \"http://127.0.0.1:1\" }\n");
    bench_say("start", start_ms(&agent), " ms", true, 25,
              "from its start to the first answer, fresh");
    take(agent.port, backlog, 1024);
    bench_say("6", agent_process_resident(&agent), " MB", true, 25,
              "resident with %ld events waiting", backlog);
    bench_say("start", start_ms(&agent), " ms", true, 500, "the same with %ld events waiting",
              backlog);
    bench_say("6", agent_process_resident(&agent), " MB", true, 25, "resident after that start");
    agent_process_stop(&agent);
}

int main(void)
{
    bench_begin("bench_agent", "the whole agent, its start, its memory");
    if (access(LINEAGED, X_OK) != 0) {
        printf("no %s\n", LINEAGED);
        return BENCH_SKIP;
    }
    measure_whole();
    measure_start();
    return 0;
}
