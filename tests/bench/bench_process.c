/* SPDX-License-Identifier: Apache-2.0 */
/* A process that emits one event into the journal, against one that does nothing: wall, CPU,
 * memory; beside it a Python and a Java process that each emit one over HTTP to an instant sink
 * with the clients of those languages, in turn within each round. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"
#include "sink.h"

#define STARTS 40 /* a burst */
#define PYTHON_STARTS 3
#define JAVA_STARTS 1
#define PEAKS 9
#define WORDS 16

struct program {
    char *argv[WORDS];
    char **environment; /* NULL: ours */
    const char *errors; /* where its standard error goes; NULL: to ours */
    int starts;
    double peak_mb;  /* the highest of its starts so far */
    char text[4096]; /* what argv points to, where it is not constant */
};

/* Its end status at *ret_status, unless NULL: then it must end with 0. */
static struct rusage run_one(const struct program *program, int output, int *ret_status)
{
    extern char **environ;
    char **environment = program->environment != NULL ? program->environment : environ;
    posix_spawn_file_actions_t actions;
    struct rusage usage;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (program->errors != NULL)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, program->errors,
                                         O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int error = posix_spawnp(&pid, program->argv[0], &actions, NULL, program->argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        bench_die("%s: %s", program->argv[0], strerror(error));
    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR)
            bench_die("wait4: %s", strerror(errno));
    }
    if (ret_status != NULL)
        *ret_status = status;
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("%s: ended with status 0x%x%s%s", program->argv[0], (unsigned)status,
                  program->errors != NULL ? "; what it said: " : "",
                  program->errors != NULL ? program->errors : "");
    return usage;
}

static double cpu_us(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e6 +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static void burst(void *arg, struct bench_figures *ret)
{
    struct program *program = arg;
    struct bench_times times;
    bench_times_init(&times, (size_t)program->starts);
    double cpu = 0;
    int64_t begin = bench_now_ns();
    for (int i = 0; i < program->starts; i++) {
        int64_t t0 = bench_now_ns();
        struct rusage usage = run_one(program, -1, NULL);
        bench_times_add(&times, bench_now_ns() - t0);
        cpu += cpu_us(&usage);
        double peak = (double)usage.ru_maxrss / 1024;
        program->peak_mb = peak > program->peak_mb ? peak : program->peak_mb;
    }
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / program->starts;
    ret->of[BENCH_P50] = bench_times_at(&times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(&times, 0.99);
    ret->of[BENCH_CPU] = cpu / program->starts;
    bench_times_release(&times);
}

/* What emit_one says of itself: a child's ru_maxrss counts what its parent held at the exec, which
 * is more than emit_one ever holds, and far less than Python and Java do. */
static double peak_mb(const struct program *program)
{
    char text[64] = "";
    int ends[2];
    if (pipe(ends) != 0)
        bench_die("pipe: %s", strerror(errno));
    run_one(program, ends[1], NULL);
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    if (n <= 0)
        bench_die("%s: said nothing", program->argv[0]);
    return strtod(text, NULL) / 1024;
}

/* ---- the other clients ---- */

/* What peer.py says must be started, and the size of the one event; nothing of our environment
 * steers it. False where this machine cannot run it. */
static bool peer_find(struct program *program, const char *kind, int port, char **environment)
{
    char url[64], script[] = BENCH_SOURCE_DIR "/peer.py", name[16];
    int ends[2], status;
    size_t size = 0, words = 0;
    ssize_t n;
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    snprintf(name, sizeof name, "%s", kind);
    struct program asked = {
        .argv = {(char[]){BENCH_PYTHON}, script, (char[]){"--show"}, name, url}};
    if (pipe(ends) != 0)
        bench_die("pipe: %s", strerror(errno));
    run_one(&asked, ends[1], &status); /* a pipe holds all that it says */
    close(ends[1]);
    while (size < sizeof program->text - 1 &&
           (n = read(ends[0], program->text + size, sizeof program->text - 1 - size)) > 0)
        size += (size_t)n;
    close(ends[0]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        printf("  no %s client here\n", kind);
        return false;
    }
    char *rest = program->text;
    for (char *word; (word = strsep(&rest, "\n")) != NULL && *word != '\0';) {
        if (words == WORDS - 2)
            bench_die("peer.py: too many words");
        program->argv[words++] = word;
    }
    static char one[] = "small";
    program->argv[words] = one;
    program->environment = environment;
    return true;
}

static void say_peer(const struct bench_set *set, size_t side, const char *name, double peak_mb)
{
    bench_say("process", bench_median(set, side, BENCH_P50) / 1e3, " ms", true, 0,
              "wall p50 of a %s process that emits one event", name);
    bench_say("process", bench_median(set, side, BENCH_CPU) / 1e3, " ms", true, 0, "%s: its CPU",
              name);
    bench_say("process", peak_mb, " MB", true, 0, "%s: its highest resident set", name);
    bench_say("process", bench_ratio(set, 1, side, BENCH_P50), "", true, 0,
              "our wall p50 to that of %s", name);
    bench_say("process", bench_ratio(set, 1, side, BENCH_CPU), "", true, 0, "our CPU to that of %s",
              name);
}

/* ---- the whole ---- */

static void say_ours(const struct bench_set *set, const struct program *rss,
                     const struct program *nothing_rss)
{
    double peaks[PEAKS], added[PEAKS];
    for (size_t i = 0; i < PEAKS; i++) {
        peaks[i] = peak_mb(rss);
        added[i] = peaks[i] - peak_mb(nothing_rss);
    }
    bench_say("process", bench_median(set, 1, BENCH_P50) / 1e3, " ms", true, 3,
              "wall p50 of a process that emits one event (does nothing: %.2f ms)",
              bench_median(set, 0, BENCH_P50) / 1e3);
    bench_say("process", bench_median(set, 1, BENCH_CPU) / 1e3, " ms", true, 3, "its CPU");
    bench_say("process", bench_median_of(peaks, PEAKS), " MB", true, 4, "its highest resident set");
    bench_say("6", bench_median_of(added, PEAKS), " MB", true, 1,
              "what the library adds to the resident set of its host, its own code included");
    bench_at_most(set, "process", 1, BENCH_P50, 0, "its wall p50 to that of one that does nothing");
}

int main(void)
{
    static struct program peers[2] = {{.starts = PYTHON_STARTS}, {.starts = JAVA_STARTS}};
    static const char *const names[2] = {"python", "java"};
    char directory[256], home[280], path[4096];
    int port, result = 0;
    bench_begin("bench_process", "a process that emits one event");
    bench_directory_make(directory, sizeof directory);
    struct sink *sink = sink_start(&port);
    snprintf(home, sizeof home, "HOME=%s", directory); /* no configuration lies there */
    const char *programs = getenv("PATH");
    snprintf(path, sizeof path, "PATH=%s", programs != NULL ? programs : "/usr/bin:/bin");
    char *environment[] = {path, home, (char[]){"NO_PROXY=*"}, NULL};
    struct program nothing = {.argv = {(char[]){DO_NOTHING}}, .starts = STARTS};
    struct program one = {.argv = {(char[]){EMIT_ONE}, directory}, .starts = STARTS};
    struct program one_rss = {.argv = {(char[]){EMIT_ONE}, directory, (char[]){"rss"}}};
    struct program nothing_rss = {.argv = {(char[]){DO_NOTHING}, (char[]){"rss"}}};
    struct bench_side sides[4] = {{"a process that does nothing", burst, &nothing},
                                  {"one event", burst, &one}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    uint64_t expected = 0;
    char errors[280]; /* logging libraries complain there that nobody configured them */
    snprintf(errors, sizeof errors, "%s/errors", directory);
    for (int i = 0; i < 2; i++) {
        if (!peer_find(&peers[i], names[i], port, environment)) {
            result = BENCH_SKIP;
            continue;
        }
        peers[i].errors = errors;
        sides[set.side_count++] = (struct bench_side){names[i], burst, &peers[i]};
        expected += (bench_round_count() + 1) * (uint64_t)peers[i].starts;
    }
    bench_run(&set);
    bench_say_sides(&set, "start to end");
    say_ours(&set, &one_rss, &nothing_rss);
    for (size_t side = 2; side < set.side_count; side++)
        say_peer(&set, side, sides[side].name, ((const struct program *)sides[side].arg)->peak_mb);
    uint64_t requests, bytes;
    sink_count(sink, &requests, &bytes);
    if (requests != expected)
        bench_die("the sink took %llu requests; the clients sent %llu",
                  (unsigned long long)requests, (unsigned long long)expected);
    bench_release(&set);
    bench_expect_events(directory, (bench_round_count() + 1) * STARTS + PEAKS);
    bench_directory_remove(directory);
    sink_stop(sink);
    return result;
}
