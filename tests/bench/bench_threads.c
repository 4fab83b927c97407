/* SPDX-License-Identifier: Apache-2.0 */
/* n threads that emit through one client's journal, against n threads that each write the same
 * bytes to one file. Every thread does its share as fast as it can; wall and CPU are per event of
 * all. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"
#include "event.h"

#define EVENTS 4000 /* a burst, all threads together: 45 MB, below the 64 MiB of a rotation */

struct work {
    const struct bench_event *event;
    struct ol_client *client; /* NULL: write */
    const char *line;
    size_t size;
    int fd, threads;
    pthread_barrier_t gate;
};

static void write_one(const struct work *w)
{
    ssize_t n;
    do {
        n = write(w->fd, w->line, w->size);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)w->size)
        bench_die("write: %s", strerror(errno));
}

static void *run_thread(void *arg)
{
    struct work *w = arg;
    int share = EVENTS / w->threads;
    pthread_barrier_wait(&w->gate);
    for (int i = 0; i < share; i++) {
        if (w->client != NULL)
            bench_event_emit(w->event, w->client);
        else
            write_one(w);
    }
    return NULL;
}

static void run_threads(struct work *w, struct bench_figures *ret)
{
    pthread_t threads[64];
    if (pthread_barrier_init(&w->gate, NULL, (unsigned)w->threads + 1) != 0)
        bench_die("barrier");
    for (int i = 0; i < w->threads; i++) {
        if (pthread_create(&threads[i], NULL, run_thread, w) != 0)
            bench_die("thread");
    }
    int64_t cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t begin = bench_now_ns();
    pthread_barrier_wait(&w->gate);
    for (int i = 0; i < w->threads; i++)
        pthread_join(threads[i], NULL);
    double events = EVENTS / w->threads * w->threads;
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / events;
    ret->of[BENCH_CPU] = (double)(bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / events;
    pthread_barrier_destroy(&w->gate);
}

static void burst_of_writes(void *arg, struct bench_figures *ret)
{
    struct work *w = arg;
    char directory[256], path[300];
    bench_directory_make(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/file", directory);
    w->client = NULL;
    w->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (w->fd < 0)
        bench_die("%s: %s", path, strerror(errno));
    run_threads(w, ret);
    close(w->fd);
    bench_directory_remove(directory);
}

static void burst_of_ours(void *arg, struct bench_figures *ret)
{
    struct work *w = arg;
    struct ol_error err;
    char directory[256];
    bench_directory_make(directory, sizeof directory);
    w->client = bench_client_open(directory);
    bench_event_emit(w->event, w->client); /* the first makes the file */
    run_threads(w, ret);
    if (ol_client_lost(w->client, NULL) != 0 || ol_client_close(w->client, 0, &err) != OL_OK)
        bench_die("events were lost");
    bench_expect_events(directory, (size_t)(EVENTS / w->threads * w->threads) + 1);
    bench_directory_remove(directory);
}

static void measure(enum bench_size size, int threads)
{
    static struct bench_event event;
    char directory[256], what[128];
    struct ol_error err;
    struct work work = {.event = &event, .threads = threads};
    bench_event_init(&event, size);
    bench_directory_make(directory, sizeof directory);
    struct ol_client *client = bench_client_open(directory);
    bench_event_emit(&event, client);
    char *line = bench_last_line(directory, &work.size);
    if (ol_client_close(client, 0, &err) != OL_OK)
        bench_die("close: %s", err.message);
    bench_directory_remove(directory);
    line[work.size++] = '\n';
    work.line = line;
    const struct bench_side sides[] = {{"bare write", burst_of_writes, &work},
                                       {"emit", burst_of_ours, &work}};
    struct bench_set set = {.sides = sides, .side_count = 2};
    bench_run(&set);
    snprintf(what, sizeof what, "%s, %d threads", bench_event_name(size), threads);
    bench_say_sides(&set, what);
    snprintf(what, sizeof what, "%s: %d threads, wall per emit to that of bare writes",
             bench_event_name(size), threads);
    bench_at_most(&set, "threads", 1, BENCH_WALL, 1.2, what);
    bench_release(&set);
    free(line);
}

int main(void)
{
    bench_begin("bench_threads", "emit by n threads at once against bare writes by as many");
    measure(BENCH_MID, 2);
    measure(BENCH_MID, 8);
    measure(BENCH_SMALL, 2);
    measure(BENCH_SMALL, 8);
    return 0;
}
