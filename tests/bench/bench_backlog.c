/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's start with $BENCH_BACKLOG events of 2 KB waiting (1,000,000: 2.3 GB on the disk), in
 * runs of 2, for an HTTP sink that is there: from its start to the first answer of /healthz and to
 * the first delivery, and its memory, at once and while it delivers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent_process.h"
#include "bench.h"
#include "event_read.h"
#include "sink.h"
#include "spool.h"
#include "times.h"

#define EVENT_SIZE 2048u
#define GROUP 1000u
#define STARTS 7
#define FIRST_LIMIT_NS INT64_C(30000000000)
#define AT_WORK 2000 /* deliveries of each start before it is ended */

static const struct timespec tick = {.tv_nsec = 200000};

static uint64_t sink_requests(const struct sink *sink)
{
    uint64_t requests, bytes;
    sink_count(sink, &requests, &bytes);
    return requests;
}

/* As intake leaves it, without the HTTP in front. */
static void fill(const struct agent_process *agent, long events)
{
    struct ol_error err = {0};
    struct spool *spool;
    static char event[EVENT_SIZE];
    char directory[300];
    snprintf(directory, sizeof directory, "%s/spool", agent->directory);
    struct spool_options options = {.directory = directory, .max_bytes = INT64_C(1) << 40};
    memset(event, 'x', sizeof event);
    memcpy(event, "{\"text\":\"", 9);
    memcpy(event + EVENT_SIZE - 2, "\"}", 2);
    if (spool_open(&options, &spool, &err) != OL_OK)
        bench_die("spool: %s", err.message);
    for (long i = 0; i < events; i++) {
        struct spool_record record = {.type = SPOOL_EVENT,
                                      .source = SPOOL_FROM_HTTP,
                                      .lane_kind = OL_LANE_RUN_UUID,
                                      .uid = SPOOL_UID_UNKNOWN,
                                      .time_ms = ol__time_now_ms(),
                                      .data = {event, EVENT_SIZE}};
        ol__put_le32(record.lane, (uint32_t)(i / 2));
        ol__put_le32(record.source_id, (uint32_t)i + 1);
        if (spool_group_add(spool, &record, &err) != OL_OK ||
            ((i % GROUP == GROUP - 1 || i + 1 == events) &&
             spool_group_commit(spool, &err) != OL_OK))
            bench_die("spool: %s", err.message);
    }
    spool_close(spool);
}

static void wait_for(const struct sink *sink, uint64_t requests, int64_t begin)
{
    while (sink_requests(sink) < requests) {
        if (bench_now_ns() - begin > FIRST_LIMIT_NS)
            bench_die("nothing was delivered");
        nanosleep(&tick, NULL);
    }
}

struct starts {
    double ready[STARTS], first[STARTS], resident[STARTS], at_work[STARTS];
};

static void one_start(struct agent_process *agent, const struct sink *sink, int i,
                      struct starts *ret)
{
    uint64_t before = sink_requests(sink);
    int64_t begin = bench_now_ns();
    agent_process_again(agent); /* asks every 0.2 ms, so the first delivery is not missed by more */
    ret->ready[i] = (double)agent->ready_ns / 1e6;
    ret->resident[i] = agent_process_resident(agent);
    wait_for(sink, before + 1, begin);
    ret->first[i] = (double)(bench_now_ns() - begin) / 1e6;
    wait_for(sink, before + AT_WORK, begin);
    ret->at_work[i] = agent_process_resident(agent);
    agent_process_end(agent);
    uint64_t now = 0; /* what the sink still has in hand counts for nobody */
    for (const struct timespec rest = {.tv_nsec = 100000000}; now != sink_requests(sink);) {
        now = sink_requests(sink);
        nanosleep(&rest, NULL);
    }
}

int main(void)
{
    static struct agent_process agent;
    struct starts starts;
    char routes[200];
    int port;
    const char *text = getenv("BENCH_BACKLOG");
    long backlog = text != NULL ? strtol(text, NULL, 10) : 1000000;
    if (backlog < 100000 || backlog > 10000000)
        bench_die("BENCH_BACKLOG: 100000 to 10000000");
    bench_begin("bench_backlog", "the agent's start with a backlog");
    if (access(LINEAGED, X_OK) != 0) {
        printf("no %s\n", LINEAGED);
        return BENCH_SKIP;
    }
    struct sink *sink = sink_start(&port);
    snprintf(routes, sizeof routes,
             "  - { name: sink, type: http, url: \"http://127.0.0.1:%d\" }\n", port);
    agent_process_make(&agent, "1TiB", routes);
    int64_t begin = bench_now_ns();
    fill(&agent, backlog);
    printf("%ld events of %u bytes in the spool after %.1f s\n", backlog, EVENT_SIZE,
           (double)(bench_now_ns() - begin) / 1e9);
    for (int i = 0; i < STARTS; i++)
        one_start(&agent, sink, i, &starts);
    bench_say("start", bench_median_of(starts.ready, STARTS), " ms", true, 500,
              "from its start to the first answer, %ld events of 2 KB waiting", backlog);
    bench_say("start", bench_median_of(starts.first, STARTS), " ms", true, 0,
              "from its start to the first delivery, the same");
    bench_say("6", bench_median_of(starts.resident, STARTS), " MB", true, 25,
              "resident after that start");
    bench_say("6", bench_median_of(starts.at_work, STARTS), " MB", true, 25,
              "resident while it delivers them");
    bench_directory_remove(agent.directory);
    sink_stop(sink);
    return 0;
}
