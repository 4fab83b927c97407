/* SPDX-License-Identifier: Apache-2.0 */
/* Taking in a journal: lineaged starts on a journal of EVENTS events of 2 KB and takes them into
 * its spool, against a loop that writes as many records of as many bytes in groups of 256, each
 * group with one fdatasync. Timed from the start of the process, which costs it 20 ms or so, until
 * its counter says that all are on disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "agent_process.h"
#include "bench.h"
#include "event.h"

#define EVENTS 20480 /* in one file: it is rotated at 64 MiB */
#define GROUP 256
#define LIMIT_NS INT64_C(60000000000)

static struct bench_event event;
static size_t line_size;

static void fill_journal(const char *directory)
{
    struct ol_error err = {0};
    if (mkdir(directory, 0700) != 0)
        bench_die("%s: %s", directory, strerror(errno));
    struct ol_client *client = bench_client_open(directory);
    for (int i = 0; i < EVENTS; i++) {
        struct ol_run *run = bench_event_build(&event, client);
        ol_job_set_sql(ol_run_job(run), OL_MAKE(ol_sql, .query = event.sql));
        if (ol_run_emit(run, OL_START, &err) != OL_OK)
            bench_die("ol_run_emit: %s", err.message);
        ol_run_free(run);
    }
    free(bench_last_line(directory, &line_size)); /* the same each time */
    if (line_size < 1024)
        bench_die("the journal's last line has %zu bytes", line_size);
    if (ol_client_close(client, 0, &err) != OL_OK)
        bench_die("ol_client_close: %s", err.message);
}

static void sync_all(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) != 0)
        bench_die("%s: %s", directory, strerror(errno));
    close(fd);
}

static void burst_of_agent(void *arg, struct bench_figures *ret)
{
    static struct agent_process agent;
    const struct timespec pause = {.tv_nsec = 5000000};
    char journal[300];
    (void)arg;
    agent_process_make(&agent, "1GiB",
                       "  - { name: nowhere, type: http, url: \"http://127.0.0.1:1\" }\n");
    snprintf(journal, sizeof journal, "%s/journal", agent.directory);
    fill_journal(journal);
    sync_all(agent.directory);
    int64_t begin = bench_now_ns();
    agent_process_again(&agent);
    double taken;
    while ((taken = agent_process_metric(&agent, "lineaged_journal_events_total")) < EVENTS) {
        if (bench_now_ns() - begin > LIMIT_NS)
            bench_die("%.0f of %d were taken", taken, EVENTS);
        nanosleep(&pause, NULL);
    }
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / EVENTS;
    ret->of[BENCH_CPU] = (double)bench_cpu_ns(bench_cpu_clock(agent.pid)) / 1e3 / EVENTS;
    agent_process_stop(&agent);
}

static void burst_of_writes(void *arg, struct bench_figures *ret)
{
    char directory[256], path[300], *group = bench_alloc(GROUP * line_size);
    (void)arg;
    memset(group, 'x', GROUP * line_size);
    bench_directory_make(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/file", directory);
    sync_all(directory);
    int64_t begin = bench_now_ns(), cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    for (int i = 0; i < EVENTS / GROUP; i++) {
        if (write(fd, group, GROUP * line_size) != (ssize_t)(GROUP * line_size) ||
            fdatasync(fd) != 0)
            bench_die("%s: %s", path, strerror(errno));
    }
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / EVENTS;
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / EVENTS;
    close(fd);
    free(group);
    bench_directory_remove(directory);
}

int main(void)
{
    struct bench_figures first;
    bench_begin("bench_journal", "taking in a journal against write and fdatasync");
    if (access(LINEAGED, X_OK) != 0) {
        printf("no %s\n", LINEAGED);
        return BENCH_SKIP;
    }
    bench_event_init(&event, BENCH_SMALL);
    burst_of_agent(NULL, &first); /* tells the size of a line */
    printf("  %d events of %zu bytes\n", EVENTS, line_size);
    const struct bench_side sides[] = {{"write + fdatasync, groups of 256", burst_of_writes, NULL},
                                       {"lineaged", burst_of_agent, NULL}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_run(&set);
    bench_say_sides(&set, "a record");
    bench_at_least(&set, "journal", 1, BENCH_WALL, 0.5,
                   "records per second taken from a journal, to write + fdatasync");
    bench_release(&set);
    return 0;
}
