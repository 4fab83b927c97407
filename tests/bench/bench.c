/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void *bench_alloc(size_t size)
{
    void *p = calloc(1, size > 0 ? size : 1);
    if (p == NULL)
        bench_die("out of memory");
    return p;
}

/* ---- clocks ---- */

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        bench_die("clock %d: %s", (int)clock, strerror(errno));
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t bench_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t bench_cpu_ns(clockid_t clock)
{
    return read_clock(clock);
}

clockid_t bench_cpu_clock(int pid)
{
    clockid_t clock;
    int error = clock_getcpuclockid(pid, &clock);
    if (error != 0)
        bench_die("CPU clock of process %d: %s", pid, strerror(error));
    return clock;
}

uint32_t bench_random(uint32_t bound)
{
    static uint64_t state;
    if (state == 0)
        state = (uint64_t)bench_now_ns() | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) % bound);
}

/* ---- numbers ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median_of(double *values, size_t count)
{
    if (count == 0)
        bench_die("median of nothing");
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void bench_times_init(struct bench_times *t, size_t max)
{
    *t = (struct bench_times){.ns = bench_alloc(max * sizeof *t->ns), .max = max};
}

void bench_times_add(struct bench_times *t, int64_t ns)
{
    if (t->count == t->max)
        bench_die("more than %zu times", t->max);
    t->ns[t->count++] = ns;
}

double bench_times_at(struct bench_times *t, double part)
{
    if (t->count == 0)
        bench_die("no time was taken");
    qsort(t->ns, t->count, sizeof *t->ns, compare_times);
    size_t index = (size_t)(part * (double)t->count);
    return (double)t->ns[index < t->count ? index : t->count - 1] / 1e3;
}

void bench_times_release(struct bench_times *t)
{
    free(t->ns);
    *t = (struct bench_times){0};
}

/* ---- rounds ---- */

size_t bench_round_count(void)
{
    const char *text = getenv("BENCH_ROUNDS");
    long count = text != NULL ? strtol(text, NULL, 10) : BENCH_ROUNDS;
    return count >= 8 && count <= 1000 ? (size_t)count : BENCH_ROUNDS;
}

static void run_round(const struct bench_set *set, struct bench_figures *figures)
{
    size_t count = set->side_count + 1;
    size_t order[16];
    if (count > sizeof order / sizeof order[0])
        bench_die("too many sides");
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = bench_random((uint32_t)i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (size_t i = 0; i < count; i++) {
        const struct bench_side *side = &set->sides[order[i] < set->side_count ? order[i] : 0];
        memset(&figures[order[i]], 0, sizeof figures[0]);
        side->burst(side->arg, &figures[order[i]]);
    }
}

void bench_run(struct bench_set *set)
{
    size_t width = set->side_count + 1;
    set->rounds = bench_round_count();
    set->figures = bench_alloc(set->rounds * width * sizeof *set->figures);
    run_round(set, set->figures); /* warms up; written over */
    for (size_t r = 0; r < set->rounds; r++)
        run_round(set, set->figures + r * width);
}

void bench_release(struct bench_set *set)
{
    free(set->figures);
    set->figures = NULL;
}

static double figure_of(const struct bench_set *set, size_t round, size_t side,
                        enum bench_metric metric)
{
    return set->figures[round * (set->side_count + 1) + side].of[metric];
}

double bench_median(const struct bench_set *set, size_t side, enum bench_metric metric)
{
    double values[1000];
    for (size_t r = 0; r < set->rounds; r++)
        values[r] = figure_of(set, r, side, metric);
    return bench_median_of(values, set->rounds);
}

/* Into @p values, sorted. */
static double ratios(const struct bench_set *set, size_t side, size_t reference,
                     enum bench_metric metric, double *values)
{
    for (size_t r = 0; r < set->rounds; r++) {
        double base = figure_of(set, r, reference, metric);
        if (base <= 0)
            bench_die("%s: a figure of the reference is 0", set->sides[side].name);
        values[r] = figure_of(set, r, side, metric) / base;
    }
    return bench_median_of(values, set->rounds);
}

double bench_ratio(const struct bench_set *set, size_t side, size_t reference,
                   enum bench_metric metric)
{
    double values[1000];
    return ratios(set, side, reference, metric, values);
}

/* ---- lines ---- */

void bench_begin(const char *program, const char *what)
{
    char load[64] = "?";
    if (bench_read_file("/proc/loadavg", load, sizeof load) > 0)
        load[strcspn(load, "/\n")] = '\0';
    char *last = strrchr(load, ' '); /* "0.50 0.40 0.30 2" of "2/345" */
    if (last != NULL)
        *last = '\0';
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("# %s: %s\n# %ld processors, load average %s\n", program, what,
           sysconf(_SC_NPROCESSORS_ONLN), load);
}

static void say(const char *bar, const char *what, double figure, const char *unit, bool at_most,
                double bound)
{
    bool is_met = at_most ? figure <= bound : figure >= bound;
    printf("bar %s | %s | %.3g%s | ", bar, what, figure, unit);
    if (bound == 0)
        printf("watched | -");
    else
        printf("%s %.3g%s | %s", at_most ? "<=" : ">=", bound, unit, is_met ? "ok" : "NOT MET");
}

static void say_control(const struct bench_set *set, enum bench_metric metric)
{
    double values[1000];
    double median = ratios(set, set->side_count, 0, metric, values);
    printf(" | A/A %.2f [%.2f..%.2f]\n", median, values[0], values[set->rounds - 1]);
}

void bench_at_most(const struct bench_set *set, const char *bar, size_t side,
                   enum bench_metric metric, double bound, const char *what)
{
    say(bar, what, bench_ratio(set, side, 0, metric), "", true, bound);
    say_control(set, metric);
}

void bench_at_least(const struct bench_set *set, const char *bar, size_t side,
                    enum bench_metric metric, double bound, const char *what)
{
    say(bar, what, bench_ratio(set, 0, side, metric), "", false, bound);
    say_control(set, metric);
}

void bench_say(const char *bar, double figure, const char *unit, bool at_most, double bound,
               const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    say(bar, what, figure, unit, at_most, bound);
    puts("");
}

void bench_say_sides(const struct bench_set *set, const char *what)
{
    static const char *const names[BENCH_METRICS] = {
        [BENCH_P50] = "p50",
        [BENCH_P99] = "p99",
        [BENCH_CPU] = "CPU",
        [BENCH_WALL] = "wall",
        [BENCH_BUILD] = "of it building",
    };
    for (size_t s = 0; s < set->side_count; s++) {
        printf("  %s, %s:", what, set->sides[s].name);
        for (int m = 0; m < BENCH_METRICS; m++) {
            double figure = bench_median(set, s, (enum bench_metric)m);
            if (figure > 0)
                printf(" %s %.4g us", names[m], figure);
        }
        puts("");
    }
}

/* ---- files ---- */

long bench_read_file(const char *path, char *ret, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t got = 0;
    while (got < size - 1) {
        ssize_t n = read(fd, ret + got, size - 1 - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    close(fd);
    ret[got] = '\0';
    return (long)got;
}

void bench_directory_make(char *ret, size_t size)
{
    const char *base = getenv("BENCH_DIR");
    if (base == NULL)
        base = getenv("TMPDIR");
    int n = snprintf(ret, size, "%s/lineaged-bench-XXXXXX", base != NULL ? base : "/tmp");
    if (n < 0 || (size_t)n >= size || mkdtemp(ret) == NULL)
        bench_die("directory under %s: %s", base != NULL ? base : "/tmp", strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void bench_directory_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

/* Events in one file: its whole lines but for the header and the end line. */
static size_t events_in(const char *path)
{
    char *line = NULL;
    size_t room = 0, count = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        bench_die("%s: %s", path, strerror(errno));
    for (ssize_t size; (size = getline(&line, &room, file)) > 0;) {
        if (line[size - 1] == '\n' && memmem(line, (size_t)size, "\"eventTime\":", 12) != NULL &&
            memmem(line, (size_t)size, "\"producer\":", 11) != NULL)
            count++;
    }
    free(line);
    fclose(file);
    return count;
}

void bench_expect_events(const char *directory, size_t count)
{
    size_t found = 0;
    DIR *d = opendir(directory);
    if (d == NULL)
        bench_die("%s: %s", directory, strerror(errno));
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        size_t size = strlen(e->d_name);
        if (size <= 6 || e->d_name[0] == '.' || strcmp(e->d_name + size - 6, ".jsonl") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        found += events_in(path);
    }
    closedir(d);
    if (found != count)
        bench_die("%s: %zu events instead of %zu", directory, found, count);
}

char *bench_last_line(const char *directory, size_t *ret_size)
{
    char path[512] = "";
    DIR *d = opendir(directory);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        size_t size = strlen(e->d_name);
        if (size > 6 && e->d_name[0] != '.' && strcmp(e->d_name + size - 6, ".jsonl") == 0)
            snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
    }
    if (d != NULL)
        closedir(d);
    struct stat st;
    if (path[0] == '\0' || stat(path, &st) != 0)
        bench_die("%s: no journal", directory);
    char *text = bench_alloc((size_t)st.st_size + 1);
    long size = bench_read_file(path, text, (size_t)st.st_size + 1);
    char *end = memrchr(text, '\n', (size_t)(size > 0 ? size : 0));
    if (end == NULL)
        bench_die("%s: no line", path);
    *end = '\0';
    char *start = memrchr(text, '\n', (size_t)(end - text));
    start = start != NULL ? start + 1 : text;
    *ret_size = (size_t)(end - start);
    memmove(text, start, *ret_size + 1);
    return text;
}
