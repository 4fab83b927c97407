/* SPDX-License-Identifier: Apache-2.0 */
/* A process that emits one event into the journal, against one that does nothing: wall, CPU,
 * memory. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

#define STARTS 40 /* a burst */

struct program {
    char *argv[4];
};

static struct rusage run_one(const struct program *program, int output)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    struct rusage usage;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    int error = posix_spawn(&pid, program->argv[0], &actions, NULL, program->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        bench_die("%s: %s", program->argv[0], strerror(error));
    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR)
            bench_die("wait4: %s", strerror(errno));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("%s: ended with status 0x%x", program->argv[0], (unsigned)status);
    return usage;
}

static double cpu_us(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e6 +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static void burst(void *arg, struct bench_figures *ret)
{
    struct bench_times times;
    bench_times_init(&times, STARTS);
    double cpu = 0;
    int64_t begin = bench_now_ns();
    for (int i = 0; i < STARTS; i++) {
        int64_t t0 = bench_now_ns();
        struct rusage usage = run_one(arg, -1);
        bench_times_add(&times, bench_now_ns() - t0);
        cpu += cpu_us(&usage);
    }
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / STARTS;
    ret->of[BENCH_P50] = bench_times_at(&times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(&times, 0.99);
    ret->of[BENCH_CPU] = cpu / STARTS;
    bench_times_release(&times);
}

/* What emit_one says of itself: a child's ru_maxrss would count what its parent held at the exec.
 */
static double peak_mb(const struct program *program)
{
    char text[64] = "";
    int ends[2];
    if (pipe(ends) != 0)
        bench_die("pipe: %s", strerror(errno));
    run_one(program, ends[1]);
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    if (n <= 0)
        bench_die("%s: said nothing", program->argv[0]);
    return strtod(text, NULL) / 1024;
}

int main(void)
{
    char directory[256];
    bench_begin("bench_process", "a process that emits one event");
    bench_directory_make(directory, sizeof directory);
    struct program nothing = {{(char[]){DO_NOTHING}, NULL}};
    struct program one = {{(char[]){EMIT_ONE}, directory, NULL}};
    struct program one_rss = {{(char[]){EMIT_ONE}, directory, (char[]){"rss"}, NULL}};
    const struct bench_side sides[] = {{"a process that does nothing", burst, &nothing},
                                       {"one event", burst, &one}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_run(&set);
    bench_say_sides(&set, "start to end");
    struct program nothing_rss = {{(char[]){DO_NOTHING}, (char[]){"rss"}, NULL}};
    double peaks[9], added[9];
    for (size_t i = 0; i < 9; i++) {
        peaks[i] = peak_mb(&one_rss);
        added[i] = peaks[i] - peak_mb(&nothing_rss);
    }
    bench_say("process", bench_median(&set, 1, BENCH_P50) / 1e3, " ms", true, 3,
              "wall p50 of a process that emits one event (does nothing: %.2f ms)",
              bench_median(&set, 0, BENCH_P50) / 1e3);
    bench_say("process", bench_median(&set, 1, BENCH_CPU) / 1e3, " ms", true, 3, "its CPU");
    bench_say("process", bench_median_of(peaks, 9), " MB", true, 4, "its highest resident set");
    bench_say("6", bench_median_of(added, 9), " MB", true, 1,
              "what the library adds to the resident set of its host, its own code included");
    bench_at_most(&set, "process", 1, BENCH_P50, 0,
                  "its wall p50 to that of one that does nothing");
    bench_release(&set);
    bench_expect_events(directory,
                        (bench_round_count() + 1) * STARTS + sizeof peaks / sizeof peaks[0]);
    bench_directory_remove(directory);
    return 0;
}
