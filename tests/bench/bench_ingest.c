/* SPDX-License-Identifier: Apache-2.0 */
/* Bars 3 and 4: lineaged as built taking events of 2 KB over TCP, each synced before its 201,
 * against a bare libmicrohttpd server that stores nothing. One event in flight on each connection.
 * CPU is the server's alone. The agent's only route leads to a port where nobody listens, so that
 * taking is measured and not delivery. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "agent_process.h"
#include "bare_server.h"
#include "bench.h"
#include "load.h"

#define EVENT_BYTES 2048
#define STALL_SECONDS 10

#define FILLING (320L << 20) /* more than half of the spool */

static const char nowhere[] =
    "  - { name: nowhere, type: http, url: \"http://127.0.0.1:1\", on_lag: detach }\n";

struct server {
    const char *name;
    pid_t pid;
    int port;
    bool is_agent;
    const struct agent_process *agent;
    int connections;
    long requests;
    int stalls;
    double max_us;
    struct bench_written {
        double device, own, events, syncs; /* bytes, bytes, bytes, count */
        double wall_s;
    } written[64]; /* in each burst */
    size_t written_count;
};

/* ---- bytes on the device ---- */

static double device_bytes(const char *directory)
{
    char path[128], text[512];
    unsigned long long f[7] = {0};
    struct stat st;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || syncfs(fd) != 0)
        bench_die("%s: %s", directory, strerror(errno));
    close(fd);
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(st.st_dev), minor(st.st_dev));
    if (bench_read_file(path, text, sizeof text) <= 0 ||
        sscanf(text, "%llu %llu %llu %llu %llu %llu %llu", f, f + 1, f + 2, f + 3, f + 4, f + 5,
               f + 6) != 7)
        return -1; /* no block device: tmpfs, overlay */
    return (double)f[6] * 512;
}

static struct bench_written written_now(const struct server *s)
{
    struct bench_written w = {.device = device_bytes(s->agent->directory)};
    if (s->is_agent) {
        w.own = agent_process_metric(s->agent, "lineaged_spool_written_bytes_total");
        w.events = agent_process_metric(s->agent, "lineaged_bytes_accepted_total");
        w.syncs = agent_process_metric(s->agent, "lineaged_spool_syncs_total");
    }
    return w;
}

/* ---- bursts ---- */

static void burst(void *arg, struct bench_figures *ret)
{
    struct server *s = arg;
    struct load_plan plan = {.port = s->port,
                             .connections = s->connections,
                             .requests = s->requests,
                             .event_bytes = EVENT_BYTES,
                             .stall_seconds = STALL_SECONDS};
    struct load_result result;
    struct bench_written before = written_now(s);
    int64_t cpu = bench_cpu_ns(bench_cpu_clock(s->pid));
    load_run(&plan, &result);
    cpu = bench_cpu_ns(bench_cpu_clock(s->pid)) - cpu;
    if (result.is_stalled)
        s->stalls++;
    else if (result.taken != s->requests)
        bench_die("%s: %ld taken, %ld refused, %ld connections ended", s->name, result.taken,
                  result.refused, result.broken);
    if (result.taken == 0)
        bench_die("%s: took nothing", s->name);
    if (result.max_us > s->max_us)
        s->max_us = result.max_us;
    ret->of[BENCH_CPU] = (double)cpu / 1e3 / (double)result.taken;
    ret->of[BENCH_WALL] = result.wall_s * 1e6 / (double)result.taken;
    ret->of[BENCH_P50] = result.p50_us;
    ret->of[BENCH_P99] = result.p99_us;
    struct bench_written now = written_now(s);
    if (s->is_agent && !result.is_stalled &&
        now.events - before.events != (double)result.taken * EVENT_BYTES)
        bench_die("%ld events were answered, %.0f bytes are in the spool", result.taken,
                  now.events - before.events);
    s->written[s->written_count++ % 64] =
        (struct bench_written){.device = now.device - before.device,
                               .own = now.own - before.own,
                               .events = now.events - before.events,
                               .syncs = now.syncs - before.syncs,
                               .wall_s = result.wall_s};
}

/* Median over the bursts of one figure to another. */
static double median_written(const struct server *s, size_t offset, size_t base)
{
    double values[64];
    size_t count = s->written_count < 64 ? s->written_count : 64;
    for (size_t i = 0; i < count; i++) {
        const char *at = (const char *)&s->written[i];
        values[i] = *(const double *)(const void *)(at + offset) /
                    *(const double *)(const void *)(at + base);
    }
    return bench_median_of(values, count);
}
#define WRITTEN(s, what, per)                                                                      \
    median_written(s, offsetof(struct bench_written, what), offsetof(struct bench_written, per))

static void say_written(const struct server *bare, const struct server *agent, double bound)
{
    int n = agent->connections;
    if (agent->written[0].device > 0) {
        bench_say("4", WRITTEN(agent, device, events), "", true, bound,
                  "%d connections: bytes written to the device per byte taken", n);
        printf("  meanwhile others wrote %.2f MB/s, lineaged took %.1f MB/s\n",
               WRITTEN(bare, device, wall_s) / 1e6, WRITTEN(agent, events, wall_s) / 1e6);
    } else {
        printf("  no block device here: bytes written to it cannot be told\n");
    }
    bench_say("4", WRITTEN(agent, own, events), "", true, 0,
              "%d connections: bytes handed over by the agent's own count per byte taken", n);
    printf("  %.1f events a sync\n", WRITTEN(agent, events, syncs) / EVENT_BYTES);
}

static void measure(struct server *bare, struct server *agent, int connections, long requests)
{
    char what[128];
    struct server *both[] = {bare, agent};
    for (int i = 0; i < 2; i++) {
        both[i]->connections = connections;
        both[i]->requests = requests;
        both[i]->stalls = 0;
        both[i]->max_us = 0;
        both[i]->written_count = 0;
    }
    const struct bench_side sides[] = {{bare->name, burst, bare}, {agent->name, burst, agent}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_run(&set);
    snprintf(what, sizeof what, "%d connections", connections);
    bench_say_sides(&set, what);
    if (connections > 8) {
        snprintf(what, sizeof what,
                 "%d connections: requests per CPU second to those of a bare server", connections);
        bench_at_least(&set, "3", 1, BENCH_CPU, 0.35, what);
        bench_say("3", bench_median(&set, 1, BENCH_P99) / 1e3, " ms", true,
                  connections == 64 ? 5 : 0, "%d connections: p99 of an answer (bare: %.3g ms)",
                  connections, bench_median(&set, 0, BENCH_P99) / 1e3);
        bench_say("3", 1e6 / bench_median(&set, 1, BENCH_WALL), "/s", false, 0,
                  "%d connections: requests, the load generator on the same processors",
                  connections);
        bench_say("3", agent->max_us / 1e6, " s", true, STALL_SECONDS,
                  "%d connections: the longest answer of all; %d stalls", connections,
                  agent->stalls);
    }
    if (connections <= 64)
        say_written(bare, agent, connections == 64 ? 1.15 : 2.0);
    bench_release(&set);
}

static void fill(const struct agent_process *process)
{
    struct load_result result;
    struct load_plan plan = {.port = process->port,
                             .connections = 64,
                             .requests = FILLING / EVENT_BYTES,
                             .event_bytes = EVENT_BYTES,
                             .stall_seconds = STALL_SECONDS};
    load_run(&plan, &result);
    if (result.taken != plan.requests)
        bench_die("filling: %ld taken, %ld refused, %ld connections ended", result.taken,
                  result.refused, result.broken);
}

int main(void)
{
    bench_begin("bench_ingest", "lineaged taking events over TCP against a bare server");
    static struct agent_process process;
    static struct server bare = {.name = "bare libmicrohttpd"}, agent = {.name = "lineaged"};
    if (access(LINEAGED, X_OK) != 0) {
        printf("no %s\n", LINEAGED);
        return BENCH_SKIP;
    }
    agent_process_start(&process, "512MiB", nowhere);
    bare.pid = bare_server_start(&bare.port);
    agent.pid = process.pid;
    agent.port = process.port;
    agent.agent = bare.agent = &process;
    agent.is_agent = true;
    printf("  lineaged answered %.1f ms after its start; resident %.1f MB\n",
           (double)process.ready_ns / 1e6, agent_process_resident(&process));
    fill(&process);
    measure(&bare, &agent, 64, 20000);
    bench_say("6", agent_process_resident(&process), " MB", true, 25,
              "resident at work, %.0f events taken so far",
              agent_process_metric(&process, "lineaged_events_accepted_total"));
    measure(&bare, &agent, 8, 6000);
    measure(&bare, &agent, 512, 20000);
    bench_say("6", agent_process_resident(&process), " MB", true, 0,
              "resident after 512 connections at once");
    bare_server_stop(bare.pid);
    agent_process_stop(&process);
    return 0;
}
