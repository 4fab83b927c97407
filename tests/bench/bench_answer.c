/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a service: ol_answer_record() into the journal against a bare write(2) of the same
 * bytes to a file opened for appending; beside it with 1 KB of input and output to be hashed; then
 * threads that share one handle, as answers a second. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "bench.h"

#define EVENTS 20000
#define THREADS 4

enum { REFERENCE, LIBRARY, HASHED, KINDS };

struct size {
    const char *name;
    bool is_small; /* an id, an outcome and a latency */
    size_t bytes;  /* measured */
    char *line;
};

static const char *const retrieved[] = {"handbook/0007", "handbook/0009", "handbook/0123",
                                        "handbook/0456", "handbook/0789"};
static char text[1024], ids[EVENTS + 1][48], providers[EVENTS + 1][48]; /* made by the server */

static struct ol_client *open_client(const char *directory)
{
    struct ol_client *client = NULL;
    struct ol_error err;
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/bench/1.0",
                               .journal_directory = directory),
                       &client, &err) != OL_OK)
        bench_die("%s", err.message);
    return client;
}

static struct ol_serving *serve(struct ol_client *client, struct ol_run **run)
{
    struct ol_serving *serving = NULL;
    struct ol_error err;
    if (ol_run_new(client,
                   OL_MAKE(ol_run_options, .job_namespace = "bench", .job_name = "support.answers"),
                   run, &err) != OL_OK)
        bench_die("%s", err.message);
    ol_run_set_ids(*run, OL_MAKE(ol_ids, .run_id = "2026-02-04T18-41-12Z_0123456789abcdef",
                                 .step = "serve", .model_version = "support-llm@41",
                                 .prompt_template = "greeting@3"));
    if (ol_serving_new(*run, OL_MAKE(ol_serving_options, .key_size = 0), &serving, &err) != OL_OK)
        bench_die("%s", err.message);
    return serving;
}

static void record(struct ol_serving *serving, const struct size *size, int i, bool is_hashed)
{
    const char *id = ids[i], *provider = providers[i];
    struct ol_answer a = {.struct_size = sizeof a,
                          .request_id = id,
                          .outcome = OL_ANSWERED,
                          .latency_ms = OL_REAL(81.25 + i % 1000 / 8.0)};
    if (!size->is_small) {
        a.provider_request_id = provider;
        a.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
        a.span_id = "00f067aa0ba902b7";
        a.embedding_model = "embed-3-large@2026-01";
        a.retrieval_index = "handbook@12";
        a.retrieved = retrieved;
        a.retrieved_count = 5;
        a.cited = retrieved;
        a.cited_count = 2;
        a.corpus_sha = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        a.temperature = (struct ol_real)OL_REAL(0);
        a.max_tokens = (struct ol_int)OL_INT(512);
        a.input_hash = a.output_hash = a.corpus_sha;
        a.input_tokens = (struct ol_int)OL_INT(210 + i % 100);
        a.output_tokens = (struct ol_int)OL_INT(38 + i % 100);
        a.confidence = (struct ol_real)OL_REAL(0.875);
        a.cost = (struct ol_real)OL_REAL(0.00125);
        a.currency = "USD";
        a.cache_hit = OL_FALSE;
    }
    if (is_hashed) {
        a.input_hash = a.output_hash = NULL;
        a.input = a.output = text;
        a.input_size = a.output_size = sizeof text;
    }
    if (ol_answer_record(serving, &a, NULL) != OL_OK)
        bench_die("an answer was refused; is the disk full?");
}

static void run_library(const struct size *size, bool is_hashed, struct bench_figures *ret)
{
    char directory[256];
    struct bench_times times;
    struct ol_run *run = NULL;
    bench_times_init(&times, EVENTS);
    bench_directory_make(directory, sizeof directory);
    struct ol_client *client = open_client(directory);
    struct ol_serving *serving = serve(client, &run);
    record(serving, size, 0, is_hashed); /* birth */
    for (int i = 1; i <= EVENTS; i++) {
        int64_t start = bench_now_ns();
        record(serving, size, i, is_hashed);
        bench_times_add(&times, bench_now_ns() - start);
    }
    ol_serving_free(serving);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    bench_expect_events(directory, EVENTS + 1);
    bench_directory_remove(directory);
    ret->of[BENCH_P50] = bench_times_at(&times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(&times, 0.99);
    bench_times_release(&times);
}

static void burst_of_answers(void *arg, struct bench_figures *ret)
{
    run_library(arg, false, ret);
}

static void burst_of_hashed(void *arg, struct bench_figures *ret)
{
    run_library(arg, true, ret);
}

static void burst_of_writes(void *arg, struct bench_figures *ret)
{
    const struct size *size = arg;
    char directory[256], path[300];
    struct bench_times times;
    bench_times_init(&times, EVENTS);
    bench_directory_make(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/bare", directory);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        bench_die("%s: %s", path, strerror(errno));
    for (int i = 0; i <= EVENTS; i++) {
        int64_t start = bench_now_ns();
        if (write(fd, size->line, size->bytes) != (ssize_t)size->bytes)
            bench_die("write: %s", strerror(errno));
        if (i > 0) /* the first one is warm-up, as the birth is */
            bench_times_add(&times, bench_now_ns() - start);
    }
    close(fd);
    bench_directory_remove(directory);
    ret->of[BENCH_P50] = bench_times_at(&times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(&times, 0.99);
    bench_times_release(&times);
}

/* The bytes that the library writes for this size. */
static void measure(struct size *size)
{
    char directory[256];
    struct ol_run *run = NULL;
    bench_directory_make(directory, sizeof directory);
    struct ol_client *client = open_client(directory);
    struct ol_serving *serving = serve(client, &run);
    record(serving, size, 1, false);
    size->line = bench_last_line(directory, &size->bytes);
    size->line[size->bytes++] = '\n';
    ol_serving_free(serving);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    bench_directory_remove(directory);
}

static void compare_size(struct size *size)
{
    char what[128];
    measure(size);
    const struct bench_side sides[KINDS] = {{"bare write", burst_of_writes, size},
                                            {"answer", burst_of_answers, size},
                                            {"with 2 x 1 KB to hash", burst_of_hashed, size}};
    struct bench_set set = {.sides = sides, .side_count = KINDS};
    bench_run(&set);
    snprintf(what, sizeof what, "%s (%zu bytes)", size->name, size->bytes);
    bench_say_sides(&set, what);
    snprintf(what, sizeof what, "%s, %zu bytes: ol_answer_record, p50, to a bare write", size->name,
             size->bytes);
    bench_at_most(&set, "answer", LIBRARY, BENCH_P50, 2.0, what);
    snprintf(what, sizeof what, "%s: the same with 2 x 1 KB to hash", size->name);
    bench_at_most(&set, "answer", HASHED, BENCH_P50, 0, what);
    bench_release(&set);
}

/* ---- Threads ---- */

struct worker {
    struct ol_serving *serving;
    const struct size *size;
};

static void *work(void *arg)
{
    const struct worker *w = arg;
    for (int i = 0; i < EVENTS; i++)
        record(w->serving, w->size, i, false);
    return NULL;
}

static void count_threads(const struct size *size)
{
    char directory[256];
    struct ol_run *run = NULL;
    pthread_t threads[THREADS];
    bench_directory_make(directory, sizeof directory);
    struct ol_client *client = open_client(directory);
    struct worker w = {serve(client, &run), size};
    int64_t start = bench_now_ns();
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, &w) != 0)
            bench_die("pthread_create failed");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    ol_serving_free(w.serving);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    bench_expect_events(directory, THREADS * EVENTS);
    bench_directory_remove(directory);
    bench_say("answer", THREADS * EVENTS / seconds, " a second", false, 10000,
              "%d threads on one handle, %s", THREADS, size->name);
}

int main(void)
{
    static struct size sizes[] = {{.name = "whole"}, {.name = "small", .is_small = true}};
    bench_begin("bench_answer", "answers of a service against a bare write");
    memset(text, 'x', sizeof text);
    for (int i = 0; i <= EVENTS; i++) {
        snprintf(ids[i], sizeof ids[i], "req-%036d", i);
        snprintf(providers[i], sizeof providers[i], "chatcmpl-%029d", i);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        compare_size(&sizes[i]);
    count_threads(&sizes[0]);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        free(sizes[i].line);
    return 0;
}
