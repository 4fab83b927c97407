/* SPDX-License-Identifier: Apache-2.0 */
/* `emit` of ours through the journal against the warm Java client's and the Python client's over
 * HTTP to an instant sink, the same facts, in turn within each round; beside them bare yajl_gen of
 * our event and one bare write of its bytes. Ours is timed from filled structs to the finished
 * write, that is with the building of the event; of the other clients only emit() is timed, which
 * favours them. CPU is that of the whole process, building included, on all sides; the sink's is
 * not counted. The Java client first emits WARM_UP events of each size. After the timing the system
 * calls of each side are counted (syscalls.h), building and the client's own threads included. */
#include <errno.h>
#include <fcntl.h>
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
#include "syscalls.h"
#include "tokens.h"

#define EVENTS 1000 /* a burst; also of the Python client's PYTHON_EVENTS */
#define PYTHON_EVENTS 100
#define WARM_UP 3000
#define FEW 100 /* the calls of MANY less those of FEW: what is not the events falls out */
#define MANY 300

struct peer {
    const char *name;
    pid_t pid;
    FILE *to, *from;
    clockid_t cpu;
    enum bench_size size;
    int events;
    long bytes; /* of one event, as it says */
};
/* What a side of this process works with. */
struct own {
    const struct bench_event *event;
    char *line; /* owned: the same event as it is written, newline included */
    size_t line_size;
    struct tokens tokens; /* owned: of that line */
    yajl_gen gen;
    struct ol_client *client;
    int fd;
};
struct own_kind {
    const char *name;
    void (*open)(struct own *own, const char *directory);
    /* One event; sets *built_at (clock) where building is a part of it. */
    void (*one)(struct own *own, int64_t *built_at);
    void (*close)(struct own *own, const char *directory, size_t events);
};
struct own_side {
    const struct own_kind *kind;
    struct own *own;
};

/* ---- peers ---- */

static const char *const words[BENCH_SIZES] = {"small", "mid", "large"};

static bool peer_ask(struct peer *p, int events)
{
    return fprintf(p->to, "%s %d\n", words[p->size], events) > 0 && fflush(p->to) == 0;
}

static bool peer_answer(struct peer *p, struct bench_figures *ret)
{
    double p50, p99, build;
    if (fscanf(p->from, "%lf %lf %lf %ld", &p50, &p99, &build, &p->bytes) != 4)
        return false;
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
    for (int size = BENCH_SMALL; size < BENCH_SIZES; size++) {
        struct bench_figures unused;
        p->size = (enum bench_size)size;
        if (!peer_ask(p, warm_up) || !peer_answer(p, &unused)) {
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
    p->pid = 0;
}

static void burst_of_peer(void *arg, struct bench_figures *ret)
{
    struct peer *p = arg;
    int64_t begin = bench_now_ns(), cpu = bench_cpu_ns(p->cpu);
    if (!peer_ask(p, p->events) || !peer_answer(p, ret))
        bench_die("the %s client ended", p->name);
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / p->events;
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(p->cpu) - cpu) / 1e3 / p->events;
}

/* ---- sides of this process ---- */

static void open_client(struct own *own, const char *directory)
{
    own->client = bench_client_open(directory);
}

static void emit_one(struct own *own, int64_t *built_at)
{
    struct ol_error err;
    struct ol_run *run = bench_event_build(own->event, own->client);
    *built_at = bench_now_ns();
    if (ol_run_emit(run, OL_START, &err) != OL_OK)
        bench_die("ol_run_emit: %s", err.message);
    ol_run_free(run);
}

static void close_client(struct own *own, const char *directory, size_t events)
{
    struct ol_error err;
    if (ol_client_lost(own->client, NULL) != 0 || ol_client_close(own->client, 0, &err) != OL_OK)
        bench_die("events were lost");
    bench_expect_events(directory, events);
}

static void open_nothing(struct own *own, const char *directory)
{
    (void)own;
    (void)directory;
}

static void generate_one(struct own *own, int64_t *built_at)
{
    (void)built_at;
    tokens_generate(own->gen, &own->tokens);
    tokens_forget(own->gen);
}

static void close_nothing(struct own *own, const char *directory, size_t events)
{
    (void)directory;
    (void)events;
    tokens_check(own->gen, &own->tokens, own->line, own->line_size - 1);
}

static void open_file(struct own *own, const char *directory)
{
    char path[300];
    snprintf(path, sizeof path, "%s/bare.jsonl", directory);
    own->fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (own->fd < 0)
        bench_die("%s: %s", path, strerror(errno));
}

static void write_one(struct own *own, int64_t *built_at)
{
    (void)built_at;
    if (write(own->fd, own->line, own->line_size) != (ssize_t)own->line_size)
        bench_die("write: %s", strerror(errno));
}

static void close_file(struct own *own, const char *directory, size_t events)
{
    close(own->fd);
    bench_expect_events(directory, events);
}

enum { OURS, YAJL, WRITE, OWN_KINDS };
static const struct own_kind own_kinds[OWN_KINDS] = {
    {"libopenlineage journal", open_client, emit_one, close_client},
    {"bare yajl_gen", open_nothing, generate_one, close_nothing},
    {"one bare write", open_file, write_one, close_file},
};

static void own_init(struct own *own, const struct bench_event *event)
{
    size_t size;
    char *line = bench_event_line(event, &size);
    *own = (struct own){.event = event, .line = bench_alloc(size + 2), .line_size = size + 1};
    memcpy(own->line, line, size);
    own->line[size] = '\n';
    free(line);
    tokens_read(own->line, size, &own->tokens);
    own->gen = yajl_gen_alloc(NULL);
    if (own->gen == NULL)
        bench_die("out of memory");
    tokens_check(own->gen, &own->tokens, own->line, size);
}

static void own_release(struct own *own)
{
    yajl_gen_free(own->gen);
    tokens_release(&own->tokens);
    free(own->line);
}

static void burst_of_own(void *arg, struct bench_figures *ret)
{
    const struct own_side *side = arg;
    struct bench_times times, builds;
    char directory[256];
    bench_directory_make(directory, sizeof directory);
    bench_times_init(&times, EVENTS);
    bench_times_init(&builds, EVENTS);
    side->kind->open(side->own, directory);
    int64_t cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t begin = bench_now_ns();
    for (int i = 0; i < EVENTS; i++) {
        int64_t t0 = bench_now_ns(), built_at = t0;
        side->kind->one(side->own, &built_at);
        bench_times_add(&times, bench_now_ns() - t0);
        bench_times_add(&builds, built_at - t0);
    }
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / EVENTS;
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / EVENTS;
    ret->of[BENCH_P50] = bench_times_at(&times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(&times, 0.99);
    ret->of[BENCH_BUILD] = bench_times_at(&builds, 0.5);
    side->kind->close(side->own, directory, EVENTS);
    bench_times_release(&times);
    bench_times_release(&builds);
    bench_directory_remove(directory);
}

/* ---- system calls ---- */

/* The same dialogue as with the other clients, from a child of this program; never returns. */
static void serve(const struct own_side *side, const char *directory, int in, int out)
{
    char line[64];
    int64_t unused;
    FILE *requests = fdopen(in, "r");
    if (requests == NULL)
        bench_die("%s", strerror(errno));
    side->kind->open(side->own, directory);
    side->kind->one(side->own, &unused); /* the first one also makes the journal */
    while (fgets(line, sizeof line, requests) != NULL) {
        const char *count = strchr(line, ' ');
        for (long n = count != NULL ? strtol(count, NULL, 10) : 0; n > 0; n--)
            side->kind->one(side->own, &unused);
        if (dprintf(out, "0 0 0 %zu\n", side->own->line_size) < 0)
            bench_die("%s", strerror(errno));
    }
    _exit(0);
}

static void serve_start(struct peer *p, const struct own_side *side, const char *directory)
{
    int in[2], out[2];
    if (pipe(in) != 0 || pipe(out) != 0)
        bench_die("pipe: %s", strerror(errno));
    fflush(stdout);
    p->pid = fork();
    if (p->pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (p->pid == 0) {
        close(in[1]);
        close(out[0]);
        serve(side, directory, in[0], out[1]);
    }
    close(in[0]);
    close(out[1]);
    p->name = side->kind->name;
    p->to = fdopen(in[1], "w");
    p->from = fdopen(out[0], "r");
    if (p->to == NULL || p->from == NULL)
        bench_die("%s: %s", p->name, strerror(errno));
}

static uint64_t calls_of(struct peer *p, int events)
{
    struct bench_figures unused;
    if (!peer_ask(p, events))
        bench_die("%s ended", p->name);
    uint64_t calls = syscalls_until(p->pid, fileno(p->from));
    if (!peer_answer(p, &unused))
        bench_die("%s ended", p->name);
    return calls;
}

static void say_calls(struct peer *p)
{
    calls_of(p, FEW); /* it may have been on its way to its input, or new to this size */
    uint64_t few = calls_of(p, FEW), many = calls_of(p, MANY);
    bench_say("2", ((double)many - (double)few) / (MANY - FEW), "", true, 0,
              "%s: system calls an emit, %s", bench_event_name(p->size), p->name);
}

static void peer_kill(struct peer *p)
{
    syscalls_end(p->pid);
    fclose(p->to);
    fclose(p->from);
    p->pid = 0;
}

static void count_own(struct own *own, enum bench_size size)
{
    for (int kind = 0; kind < OWN_KINDS; kind++) {
        char directory[256];
        struct own_side side = {&own_kinds[kind], own};
        struct peer peer = {.size = size};
        bench_directory_make(directory, sizeof directory);
        serve_start(&peer, &side, directory);
        syscalls_seize(peer.pid);
        say_calls(&peer);
        peer_kill(&peer);
        bench_directory_remove(directory);
    }
}

static void count_peer(struct peer *p)
{
    syscalls_seize(p->pid);
    for (int size = BENCH_SMALL; size < BENCH_SIZES; size++) {
        p->size = (enum bench_size)size;
        say_calls(p);
    }
    peer_kill(p);
}

/* ---- the whole ---- */

enum { JAVA, FIRST_OWN, PYTHON = FIRST_OWN + OWN_KINDS, SIDES };

/* The p50 and CPU of ours to those of another side, which no bar bounds. */
static void watch(const struct bench_set *set, const char *name, size_t side, const char *what)
{
    bench_say("2", bench_ratio(set, FIRST_OWN, side, BENCH_P50), "", true, 0,
              "%s: emit with building, p50, to %s", name, what);
    bench_say("2", bench_ratio(set, FIRST_OWN, side, BENCH_CPU), "", true, 0,
              "%s: CPU an event to %s", name, what);
}

/* A @p p50_bound of 0: no bar names this size. */
static void measure(enum bench_size size, struct peer *java, struct peer *python, double p50_bound)
{
    static struct bench_event event;
    struct own own;
    char what[128];
    const char *name = bench_event_name(size);
    bench_event_init(&event, size);
    own_init(&own, &event);
    java->size = python->size = size;
    struct own_side own_sides[OWN_KINDS];
    struct bench_side sides[SIDES] = {[JAVA] = {"java http", burst_of_peer, java},
                                      [PYTHON] = {"python http", burst_of_peer, python}};
    for (int i = 0; i < OWN_KINDS; i++) {
        own_sides[i] = (struct own_side){&own_kinds[i], &own};
        sides[FIRST_OWN + i] = (struct bench_side){own_kinds[i].name, burst_of_own, &own_sides[i]};
    }
    struct bench_set set = {.sides = sides, .side_count = python->pid > 0 ? SIDES : PYTHON};
    bench_run(&set);
    printf("  %s class: ours is %zu bytes, java sends %ld, python %ld\n", name, own.line_size,
           java->bytes, python->bytes);
    bench_say_sides(&set, name);
    snprintf(what, sizeof what, "%s: emit with building, p50, to warm Java http emit", name);
    bench_at_most(&set, "2", FIRST_OWN, BENCH_P50, p50_bound, what);
    snprintf(what, sizeof what, "%s: CPU an event to warm Java http", name);
    bench_at_most(&set, "2", FIRST_OWN, BENCH_CPU, p50_bound > 0 ? 1.0 / 15 : 0, what);
    bench_say("2",
              bench_median(&set, FIRST_OWN, BENCH_P50) /
                  (bench_median(&set, JAVA, BENCH_P50) + bench_median(&set, JAVA, BENCH_BUILD)),
              "", true, 0, "%s: the same with the building on both sides, p50", name);
    if (set.side_count == SIDES)
        watch(&set, name, PYTHON, "Python http emit");
    watch(&set, name, FIRST_OWN + YAJL, "yajl_gen of the same bytes");
    watch(&set, name, FIRST_OWN + WRITE, "one bare write of them");
    count_own(&own, size);
    bench_release(&set);
    own_release(&own);
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
        if (!peer_start(&python, "python", port, PYTHON_EVENTS))
            peer_stop(&python);
        measure(BENCH_MID, &java, &python, 1.0 / 7);
        measure(BENCH_SMALL, &java, &python, 1.0 / 30);
        measure(BENCH_LARGE, &java, &python, 0);
        uint64_t requests, bytes;
        sink_count(sink, &requests, &bytes);
        /* All sizes at the start; the reference twice a round; one round more to warm up. */
        uint64_t bursts = BENCH_SIZES * (bench_round_count() + 1);
        uint64_t expected = BENCH_SIZES * WARM_UP + bursts * 2 * EVENTS;
        if (python.pid > 0)
            expected += BENCH_SIZES * PYTHON_EVENTS + bursts * PYTHON_EVENTS;
        if (requests != expected)
            bench_die("the sink took %llu requests; the clients sent %llu",
                      (unsigned long long)requests, (unsigned long long)expected);
        if (python.pid > 0)
            count_peer(&python);
        count_peer(&java);
    }
    peer_stop(&python);
    peer_stop(&java);
    sink_stop(sink);
    return result;
}
