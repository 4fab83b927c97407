/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_H
#define BENCH_H
/** @file
 * What the programs of tests/bench share: sides that do the same work run in rounds, in an order
 * shuffled anew each round, the reference twice (the A/A control); figures are medians over the
 * rounds of the ratio within a round. Prints one line a figure: bar 1 | what | figure | bound | ok
 * or NOT MET | A/A median [lowest..highest] Programs end with 0 whether a bar is met or not, 1 when
 * they could not measure, 77 when this machine lacks what they need. Threads: one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define BENCH_SKIP 77
#define BENCH_ROUNDS                                                                               \
    9 /* pairs, unless BENCH_ROUNDS in the environment says otherwise (at least 8) */

/** What one burst costs, per event, in microseconds; 0 where it was not measured. */
enum bench_metric { BENCH_P50, BENCH_P99, BENCH_CPU, BENCH_WALL, BENCH_BUILD, BENCH_METRICS };
struct bench_figures {
    double of[BENCH_METRICS];
};

struct bench_side {
    const char *name;
    /** One burst of work; dies with bench_die() when it cannot. */
    void (*burst)(void *arg, struct bench_figures *ret);
    void *arg;
};

/** Sides and their figures; the first side is the reference. Zero it, set sides and side_count. */
struct bench_set {
    const struct bench_side *sides;
    size_t side_count;
    size_t rounds;
    struct bench_figures *figures; /**< owned: [rounds][side_count + 1], the last is the control */
};

/** Say what runs, on how many processors, at which load. */
void bench_begin(const char *program, const char *what);
/** How many rounds bench_run() will run that count. */
size_t bench_round_count(void);
/** Run one round that does not count, then the rounds. Free with bench_release(). */
void bench_run(struct bench_set *set);
void bench_release(struct bench_set *set);
/** Median over the rounds. */
double bench_median(const struct bench_set *set, size_t side, enum bench_metric metric);
/** Median over the rounds of @p side to @p reference. */
double bench_ratio(const struct bench_set *set, size_t side, size_t reference,
                   enum bench_metric metric);

/** One line: the ratio of @p side to the first side, which must be at most @p bound. */
void bench_at_most(const struct bench_set *set, const char *bar, size_t side,
                   enum bench_metric metric, double bound, const char *what);
/** The inverse, first side's cost over @p side's: @p side does at least that share of its work. */
void bench_at_least(const struct bench_set *set, const char *bar, size_t side,
                    enum bench_metric metric, double bound, const char *what);
/** The same for a figure that is no ratio of two sides. A @p bound of 0 is none: watched. */
void bench_say(const char *bar, double figure, const char *unit, bool at_most, double bound,
               const char *format, ...) __attribute__((format(printf, 6, 7)));
/** `what: name p50 .. p99 .. CPU ..` of every side, for the reader. */
void bench_say_sides(const struct bench_set *set, const char *what);

/** Times of single events. */
struct bench_times {
    int64_t *ns; /**< owned */
    size_t count, max;
};
void bench_times_init(struct bench_times *t, size_t max);
void bench_times_add(struct bench_times *t, int64_t ns);
/** Sorts; in microseconds. @p part of 0.5 is the median. */
double bench_times_at(struct bench_times *t, double part);
void bench_times_release(struct bench_times *t);

double bench_median_of(double *values, size_t count);
int64_t bench_now_ns(void);
/** CPU that a clock counts: CLOCK_PROCESS_CPUTIME_ID or that of another process. */
int64_t bench_cpu_ns(clockid_t clock);
clockid_t bench_cpu_clock(int pid);
/** Deterministic numbers for shuffling; below @p bound. */
uint32_t bench_random(uint32_t bound);

/** A new empty directory under $BENCH_DIR, $TMPDIR or /tmp; at least 64 bytes at @p ret. Removed,
 *  with the files and directories in it, by bench_directory_remove(). */
void bench_directory_make(char *ret, size_t size);
void bench_directory_remove(const char *path);

/** The whole file, NUL-terminated, at most @p size - 1 bytes; -1 if it cannot be read. */
long bench_read_file(const char *path, char *ret, size_t size);

/** Die unless the journals in @p directory hold exactly @p count events. */
void bench_expect_events(const char *directory, size_t count);

/** The bytes of the last line of the only journal in @p directory, without its newline; owned. */
char *bench_last_line(const char *directory, size_t *ret_size);

void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void *bench_alloc(size_t size); /**< Zeroed, or dies. */
#endif
