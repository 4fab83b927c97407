/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing: `lineage artifact` of one file against `openssl dgst -sha256` of it; of many files with
 * a thread for each processor against one; and of a directory of small files against the recipe of
 * spec/RECEIPT.md, also when the hashes are remembered. Everything is in the page cache. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

#define ONE_MIB 256
#define MANY 64
#define MANY_MIB 4
#define SMALL 5000
#define SMALL_SIZE 2048

static const char one[] = "one", many[] = "many", small[] = "small";

static void run_quietly(void *argv_of_side, struct bench_figures *ret)
{
    char *const *argv = argv_of_side;
    posix_spawn_file_actions_t actions;
    struct rusage usage;
    pid_t pid;
    int status;
    int64_t begin = bench_now_ns();
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    if (error != 0)
        bench_die("%s: %s", argv[0], strerror(error));
    posix_spawn_file_actions_destroy(&actions);
    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR)
            bench_die("wait4: %s", strerror(errno));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("%s: ended with status 0x%x", argv[0], (unsigned)status);
    ret->of[BENCH_WALL] = ret->of[BENCH_P50] = (double)(bench_now_ns() - begin) / 1e3;
    ret->of[BENCH_CPU] = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void make_file(const char *path, size_t size)
{
    static char block[1 << 20];
    FILE *file = fopen(path, "w");
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)bench_random(256);
    if (file == NULL)
        bench_die("%s: %s", path, strerror(errno));
    for (size_t left = size; left > 0;) {
        size_t piece = left < sizeof block ? left : sizeof block;
        if (fwrite(block, 1, piece, file) != piece)
            bench_die("%s: %s", path, strerror(errno));
        left -= piece;
    }
    if (fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

static void make_files(void)
{
    char path[64];
    make_file(one, (size_t)ONE_MIB << 20);
    if (mkdir(many, 0700) != 0 || mkdir(small, 0700) != 0)
        bench_die("mkdir: %s", strerror(errno));
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "%s/%d", many, i);
        make_file(path, (size_t)MANY_MIB << 20);
    }
    static char text[SMALL_SIZE];
    for (int i = 0; i < SMALL; i++) {
        snprintf(path, sizeof path, "%s/%d", small, i);
        FILE *file = fopen(path, "w");
        snprintf(text, sizeof text, "%d", i);
        if (file == NULL || fwrite(text, 1, sizeof text, file) != sizeof text || fclose(file) != 0)
            bench_die("%s: %s", path, strerror(errno));
    }
}

/** What a shell prints up to the first blank. */
static void first_word(const char *command, char *ret, size_t size)
{
    char line[256] = "";
    FILE *out = popen(command, "r"); /* NOLINT(cert-env33-c) */
    if (out == NULL || fgets(line, sizeof line, out) == NULL)
        bench_die("%s: printed nothing", command);
    pclose(out);
    snprintf(ret, size, "%.*s", (int)strcspn(line, " \n"), line);
}

/** What was timed has to be right. */
static void compare(const char *ours, const char *theirs)
{
    char a[80], b[80];
    first_word(ours, a, sizeof a);
    first_word(theirs, b, sizeof b);
    if (strlen(a) != 64 || strcmp(a, b) != 0)
        bench_die("%s: '%s', but %s: '%s'", ours, a, theirs, b);
}

#define WORD(text) ((char[]){text})
static const char recipe[] =
    "cd small && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum";

static void measure_one(void)
{
    char *theirs[] = {WORD("openssl"), WORD("dgst"), WORD("-sha256"), WORD("one"), NULL};
    char *ours[] = {WORD(LINEAGE), WORD("artifact"), WORD("--no-cache"), WORD("one"), NULL};
    const struct bench_side sides[] = {{"openssl dgst -sha256", run_quietly, theirs},
                                       {"lineage artifact", run_quietly, ours}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_run(&set);
    bench_say_sides(&set, "one file of 256 MiB");
    bench_say("hash", ONE_MIB / (bench_median(&set, 1, BENCH_WALL) / 1e6), " MiB/s", false, 0,
              "one file");
    bench_at_least(&set, "hash", 1, BENCH_WALL, 0.9, "one file, to openssl dgst -sha256");
    bench_at_least(&set, "hash", 1, BENCH_CPU, 0.9, "the same, by CPU");
    bench_release(&set);
}

static void measure_many(void)
{
    char number[24], what[96];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(number, sizeof number, "%ld", processors < 32 ? processors : 32);
    char *alone[] = {WORD(LINEAGE),
                     WORD("artifact"),
                     WORD("--no-cache"),
                     WORD("--threads"),
                     WORD("1"),
                     WORD("many"),
                     NULL};
    char *all[] = {WORD(LINEAGE),
                   WORD("artifact"),
                   WORD("--no-cache"),
                   WORD("--threads"),
                   number,
                   WORD("many"),
                   NULL};
    const struct bench_side sides[] = {{"1 thread", run_quietly, alone},
                                       {"all processors", run_quietly, all}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_run(&set);
    bench_say_sides(&set, "64 files of 4 MiB");
    snprintf(what, sizeof what, "64 files: %s threads to one, wall", number);
    bench_at_most(&set, "hash", 1, BENCH_WALL, 1 / (0.8 * (double)processors), what);
    bench_release(&set);
}

static void measure_small(void)
{
    char script[sizeof recipe];
    memcpy(script, recipe, sizeof recipe);
    char *shell[] = {WORD("sh"), WORD("-c"), script, NULL};
    char *ours[] = {WORD(LINEAGE), WORD("artifact"), WORD("--no-cache"), WORD("small"), NULL};
    char *known[] = {WORD(LINEAGE), WORD("artifact"), WORD("small"), NULL};
    const struct bench_side sides[] = {{"find, sort, sha256sum", run_quietly, shell},
                                       {"lineage artifact", run_quietly, ours},
                                       {"the same, remembered", run_quietly, known}};
    struct bench_set set = {.sides = sides, .side_count = 3};
    bench_run(&set);
    bench_say_sides(&set, "a directory of 5,000 files of 2 KiB");
    bench_at_most(&set, "hash", 1, BENCH_WALL, 0, "5,000 small files, to the shell's recipe");
    bench_at_most(&set, "hash", 2, BENCH_WALL, 0, "the same, hashes remembered");
    bench_release(&set);
}

int main(void)
{
    char directory[256];
    bench_begin("bench_hash", "lineage artifact against openssl and sha256sum");
    if (system("openssl version > /dev/null") != 0) { /* NOLINT(cert-env33-c) */
        puts("bench_hash: no openssl program here");
        return BENCH_SKIP;
    }
    bench_directory_make(directory, sizeof directory);
    if (chdir(directory) != 0 || setenv("XDG_CACHE_HOME", directory, 1) != 0)
        bench_die("%s: %s", directory, strerror(errno));
    make_files();
    compare(LINEAGE " artifact --no-cache one", "openssl dgst -sha256 -r one");
    compare(LINEAGE " artifact --no-cache small",
            "( cd small && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum ) | "
            "sha256sum");
    measure_one();
    measure_many();
    measure_small();
    if (chdir("/") != 0)
        bench_die("/: %s", strerror(errno));
    bench_directory_remove(directory);
    return 0;
}
