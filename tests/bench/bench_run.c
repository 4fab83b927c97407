/* SPDX-License-Identifier: Apache-2.0 */
/* `lineage run -- true` against bare `true`: what wrapping a command costs. The journal is a
 * directory of its own; no agent runs. Also with one input of 1 MiB, hashed beside the command. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

#define STARTS 60 /* a burst */

static void run_one(char *const *argv, double *ret_cpu_us)
{
    extern char **environ;
    struct rusage usage;
    pid_t pid;
    int status;
    int error = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
    if (error != 0)
        bench_die("%s: %s", argv[0], strerror(error));
    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR)
            bench_die("wait4: %s", strerror(errno));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("%s: ended with status 0x%x", argv[0], (unsigned)status);
    *ret_cpu_us += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void burst(void *argv, struct bench_figures *ret)
{
    struct bench_times times;
    double cpu = 0;
    bench_times_init(&times, STARTS);
    int64_t begin = bench_now_ns();
    for (int i = 0; i < STARTS; i++) {
        int64_t t0 = bench_now_ns();
        run_one(argv, &cpu);
        bench_times_add(&times, bench_now_ns() - t0);
    }
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / STARTS;
    ret->of[BENCH_P50] = bench_times_at(&times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(&times, 0.99);
    ret->of[BENCH_CPU] = cpu / STARTS;
    bench_times_release(&times);
}

static void set_environment(const char *directory)
{
    static const char *const forgotten[] = {"OPENLINEAGE_URL", "OPENLINEAGE_CONFIG",
                                            "OPENLINEAGE_DISABLED", "OPENLINEAGE_PARENT_ID",
                                            "OPENLINEAGE_ROOT_PARENT_ID"};
    for (size_t i = 0; i < sizeof forgotten / sizeof forgotten[0]; i++)
        unsetenv(forgotten[i]);
    if (setenv("OPENLINEAGE__TRANSPORT__TYPE", "journal", 1) != 0 ||
        setenv("OPENLINEAGE__TRANSPORT__DIRECTORY", directory, 1) != 0)
        bench_die("setenv: %s", strerror(errno));
}

static void make_input(const char *path)
{
    static char block[1 << 20];
    FILE *file = fopen(path, "w");
    if (file == NULL || fwrite(block, 1, sizeof block, file) != sizeof block || fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

int main(void)
{
    char directory[256], input[300];
    bench_begin("bench_run", "lineage run -- true");
    bench_directory_make(directory, sizeof directory);
    set_environment(directory);
    snprintf(input, sizeof input, "%s/input", directory);
    make_input(input);
    char *bare[] = {(char[]){"/bin/true"}, NULL};
    char *wrapped[] = {(char[]){LINEAGE}, (char[]){"run"}, (char[]){"--"}, (char[]){"/bin/true"},
                       NULL};
    char *hashed[] = {(char[]){LINEAGE},
                      (char[]){"run"},
                      (char[]){"-i"},
                      input,
                      (char[]){"--"},
                      (char[]){"/bin/true"},
                      NULL};
    const struct bench_side sides[] = {{"true", burst, bare},
                                       {"lineage run -- true", burst, wrapped},
                                       {"the same with an input of 1 MiB", burst, hashed}};
    struct bench_set set = {.sides = sides, .side_count = 3};
    bench_run(&set);
    bench_say_sides(&set, "start to end");
    double base = bench_median(&set, 0, BENCH_P50);
    bench_say("run", (bench_median(&set, 1, BENCH_P50) - base) / 1e3, " ms", true, 4,
              "what `lineage run -- true` adds to the p50 of true");
    bench_at_most(&set, "run", 1, BENCH_P50, 0, "its p50 to that of true");
    bench_say("run", (bench_median(&set, 2, BENCH_P50) - base) / 1e3, " ms", true, 0,
              "the same with an input of 1 MiB");
    bench_release(&set);
    bench_expect_events(directory, (bench_round_count() + 1) * 2 * STARTS * 2);
    bench_directory_remove(directory);
    return 0;
}
