/* SPDX-License-Identifier: Apache-2.0 */
/* `emit` of ours through the journal against the warm Java client's and the Python client's over
 * HTTP to an instant sink, the same facts, in turn within each round. Ours is timed from filled
 * structs to the finished write, that is with the building of the event; of the others only emit()
 * is timed, which favours them. CPU is that of the whole process, building included, on all sides;
 * the sink's is not counted. The Java client first emits BENCH_WARM_UP events of each size. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"
#include "event.h"
#include "sink.h"

#define EVENTS 1000 /* a burst; also of the Python client's PYTHON_EVENTS */
#define PYTHON_EVENTS 100
#define WARM_UP 3000

struct peer {
    const char *name;
    pid_t pid;
    FILE *to, *from;
    clockid_t cpu;
    enum bench_size size;
    int events;
    long bytes; /* of one event, as it says */
};
struct ours {
    const struct bench_event *event;
    int events;
};

/* ---- peers ---- */

static bool peer_say(struct peer *p, int events, struct bench_figures *ret)
{
    double p50, p99, build;
    int64_t begin = bench_now_ns();
    int64_t cpu = ret != NULL ? bench_cpu_ns(p->cpu) : 0;
    if (fprintf(p->to, "%s %d\n", p->size == BENCH_MID ? "mid" : "small", events) < 0 ||
        fflush(p->to) != 0 ||
        fscanf(p->from, "%lf %lf %lf %ld", &p50, &p99, &build, &p->bytes) != 4)
        return false;
    if (ret == NULL)
        return true;
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / events;
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(p->cpu) - cpu) / 1e3 / events;
    ret->of[BENCH_P50] = p50 / 1e3;
    ret->of[BENCH_P99] = p99 / 1e3;
    ret->of[BENCH_BUILD] = build / 1e3;
    return true;
}

/* False, with its reason printed, where this machine cannot run it. */
static bool peer_start(struct peer *p, const char *name, int port, int warm_up)
{
    extern char **environ;
    int in[2], out[2];
    char url[64], script[] = BENCH_SOURCE_DIR "/peer.py", kind[16];
    posix_spawn_file_actions_t actions;
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    snprintf(kind, sizeof kind, "%s", name);
    char *argv[] = {(char[]){BENCH_PYTHON}, script, kind, url, NULL};
    if (pipe(in) != 0 || pipe(out) != 0)
        bench_die("pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    for (int i = 0; i < 2; i++) {
        posix_spawn_file_actions_addclose(&actions, in[i]);
        posix_spawn_file_actions_addclose(&actions, out[i]);
    }
    int error = posix_spawn(&p->pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        bench_die("%s: %s", argv[0], strerror(error));
    close(in[0]);
    close(out[1]);
    p->name = name;
    p->to = fdopen(in[1], "w");
    p->from = fdopen(out[0], "r");
    if (p->to == NULL || p->from == NULL)
        bench_die("%s: %s", name, strerror(errno));
    for (int size = BENCH_SMALL; size <= BENCH_MID; size++) {
        p->size = (enum bench_size)size;
        if (!peer_say(p, warm_up, NULL)) {
            printf("  no %s client here\n", name);
            return false;
        }
    }
    p->cpu = bench_cpu_clock(p->pid);
    return true;
}

static void peer_stop(struct peer *p)
{
    if (p->pid <= 0)
        return;
    fclose(p->to); /* it ends at the end of its input */
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    fclose(p->from);
}

static void burst_of_peer(void *arg, struct bench_figures *ret)
{
    struct peer *p = arg;
    if (!peer_say(p, p->events, ret))
        bench_die("the %s client ended", p->name);
}

/* ---- ours ---- */

static void burst_of_ours(void *arg, struct bench_figures *ret)
{
    const struct ours *o = arg;
    struct bench_times times, builds;
    struct ol_error err;
    char directory[256];
    bench_directory_make(directory, sizeof directory);
    bench_times_init(&times, (size_t)o->events);
    bench_times_init(&builds, (size_t)o->events);
    struct ol_client *client = bench_client_open(directory);
    int64_t cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t begin = bench_now_ns();
    for (int i = 0; i < o->events; i++) {
        int64_t t0 = bench_now_ns();
        struct ol_run *run = bench_event_build(o->event, client);
        int64_t built = bench_now_ns();
        if (ol_run_emit(run, OL_START, &err) != OL_OK)
            bench_die("ol_run_emit: %s", err.message);
        ol_run_free(run);
        bench_times_add(&times, bench_now_ns() - t0);
        bench_times_add(&builds, built - t0);
    }
    ret->of[BENCH_BUILD] = bench_times_at(&builds, 0.5);
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / o->events;
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / o->events;
    ret->of[BENCH_P50] = bench_times_at(&times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(&times, 0.99);
    if (ol_client_lost(client, NULL) != 0 || ol_client_close(client, 0, &err) != OL_OK)
        bench_die("events were lost");
    bench_expect_events(directory, (size_t)o->events);
    bench_times_release(&times);
    bench_times_release(&builds);
    bench_directory_remove(directory);
}

/* ---- the whole ---- */

/* A side's emit with the building before it (both are timed so only for ours). */
static double whole_us(const struct bench_set *set, size_t side)
{
    double build = side == 1 ? 0 : bench_median(set, side, BENCH_BUILD);
    return bench_median(set, side, BENCH_P50) + build;
}

static void measure(enum bench_size size, struct peer *java, struct peer *python, double p50_bound)
{
    static struct bench_event event;
    char what[128];
    const char *name = bench_event_name(size);
    struct ours ours = {.event = &event, .events = EVENTS};
    bench_event_init(&event, size);
    java->size = python->size = size;
    const struct bench_side sides[] = {{"java http", burst_of_peer, java},
                                       {"libopenlineage journal", burst_of_ours, &ours},
                                       {"python http", burst_of_peer, python}};
    struct bench_set set = {.sides = sides, .side_count = python->pid > 0 ? 3 : 2};
    bench_run(&set);
    printf("  %s class: java sends %ld bytes, python %ld\n", name, java->bytes, python->bytes);
    bench_say_sides(&set, name);
    snprintf(what, sizeof what, "%s: emit with building, p50, to warm Java http emit", name);
    bench_at_most(&set, "2", 1, BENCH_P50, p50_bound, what);
    snprintf(what, sizeof what, "%s: CPU an event to warm Java http", name);
    bench_at_most(&set, "2", 1, BENCH_CPU, 1.0 / 15, what);
    bench_say("2", whole_us(&set, 1) / whole_us(&set, 0), "", true, 0,
              "%s: the same with the building on both sides, p50", name);
    if (set.side_count > 2) {
        bench_say("2", bench_ratio(&set, 1, 2, BENCH_P50), "", true, 0,
                  "%s: emit with building, p50, to Python http emit", name);
        bench_say("2", bench_ratio(&set, 1, 2, BENCH_CPU), "", true, 0,
                  "%s: CPU an event to Python http", name);
    }
    bench_release(&set);
}

int main(void)
{
    int port, result = 0;
    struct peer java = {.events = EVENTS}, python = {.events = PYTHON_EVENTS};
    bench_begin("bench_clients", "emit against the Java and Python clients");
    signal(SIGPIPE, SIG_IGN);
    struct sink *sink = sink_start(&port);
    if (!peer_start(&java, "java", port, WARM_UP)) {
        result = BENCH_SKIP;
    } else {
        if (!peer_start(&python, "python", port, PYTHON_EVENTS)) {
            peer_stop(&python);
            python.pid = 0;
        }
        measure(BENCH_MID, &java, &python, 1.0 / 7);
        measure(BENCH_SMALL, &java, &python, 1.0 / 30);
        uint64_t requests, bytes;
        sink_count(sink, &requests, &bytes);
        /* Both sizes at the start; the reference twice a round; one round more to warm up. */
        uint64_t bursts = 2 * (bench_round_count() + 1);
        uint64_t expected = 2 * WARM_UP + bursts * 2 * EVENTS;
        if (python.pid > 0)
            expected += 2 * PYTHON_EVENTS + bursts * PYTHON_EVENTS;
        if (requests != expected)
            bench_die("the sink took %llu requests; the clients sent %llu",
                      (unsigned long long)requests, (unsigned long long)expected);
    }
    peer_stop(&python);
    peer_stop(&java);
    sink_stop(sink);
    return result;
}
