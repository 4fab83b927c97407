/* SPDX-License-Identifier: Apache-2.0 */
/* A service for the end-to-end tests: START, answers from several threads that share one handle,
 * then COMPLETE. serve_many --directory JOURNAL --run-id UUID --answers N [--threads T] [--first N]
 * [--pause-us N] [--no-start] [--no-end] [--model-version TEXT] [--input DATASET --version TEXT];
 * ids are req-NUMBER. Prints the milliseconds that the
 * answers took. */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <openlineage/openlineage.h>

#define THREADS_MAX 64

struct share {
    struct ol_serving *serving;
    long first, end;
    useconds_t pause_us;
    long failed;
};

static void *serve(void *arg)
{
    static const char *const retrieved[] = {"handbook/7", "handbook/9"};
    struct share *s = arg;
    char id[32], provider[32];
    for (long i = s->first; i < s->end; i++) {
        snprintf(id, sizeof id, "req-%ld", i);
        snprintf(provider, sizeof provider, "prov-%ld", i);
        struct ol_error err;
        ol_status status = ol_answer_record(
            s->serving,
            OL_MAKE(ol_answer, .request_id = id, .provider_request_id = provider,
                    .outcome = i % 10 == 9 ? OL_REFUSED : OL_ANSWERED, .input = id,
                    .input_size = strlen(id), .retrieval_index = "handbook@12",
                    .retrieved = retrieved, .retrieved_count = 2, .temperature = OL_REAL(0),
                    .latency_ms = OL_REAL((double)(i % 100)), .input_tokens = OL_INT(10),
                    .output_tokens = OL_INT(5), .cost = OL_REAL(0.25), .currency = "USD",
                    .cache_hit = i % 4 == 0 ? OL_TRUE : OL_FALSE),
            &err);
        if (status != OL_OK && s->failed++ == 0)
            fprintf(stderr, "serve_many: %s: %s\n", ol_status_name(status), err.message);
        if (s->pause_us > 0)
            usleep(s->pause_us);
    }
    return NULL;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    enum {
        DIRECTORY = 1,
        RUN_ID,
        ANSWERS,
        THREADS,
        FIRST,
        PAUSE,
        NO_START,
        NO_END,
        MODEL,
        INPUT,
        VERSION
    };
    static const struct option options[] = {{"directory", required_argument, NULL, DIRECTORY},
                                            {"run-id", required_argument, NULL, RUN_ID},
                                            {"answers", required_argument, NULL, ANSWERS},
                                            {"threads", required_argument, NULL, THREADS},
                                            {"first", required_argument, NULL, FIRST},
                                            {"pause-us", required_argument, NULL, PAUSE},
                                            {"no-start", no_argument, NULL, NO_START},
                                            {"no-end", no_argument, NULL, NO_END},
                                            {"model-version", required_argument, NULL, MODEL},
                                            {"input", required_argument, NULL, INPUT},
                                            {"version", required_argument, NULL, VERSION},
                                            {NULL, 0, NULL, 0}};
    const char *directory = NULL, *run_id = NULL, *model = "m@41", *input = NULL, *version = NULL;
    long answers = 0, threads = 4, first = 0, pause_us = 0, failed = 0;
    bool has_start = true, has_end = true;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (c) {
        case DIRECTORY:
            directory = optarg;
            break;
        case RUN_ID:
            run_id = optarg;
            break;
        case ANSWERS:
            answers = strtol(optarg, NULL, 10);
            break;
        case THREADS:
            threads = strtol(optarg, NULL, 10);
            break;
        case FIRST:
            first = strtol(optarg, NULL, 10);
            break;
        case PAUSE:
            pause_us = strtol(optarg, NULL, 10);
            break;
        case NO_START:
            has_start = false;
            break;
        case NO_END:
            has_end = false;
            break;
        case MODEL:
            model = optarg;
            break;
        case INPUT:
            input = optarg;
            break;
        case VERSION:
            version = optarg;
            break;
        default:
            return 2;
        }
    if (directory == NULL || run_id == NULL || threads < 1 || threads > THREADS_MAX)
        return 2;
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct ol_serving *serving = NULL;
    struct ol_error err;
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/serve/1.0",
                               .journal_directory = directory),
                       &client, &err) != OL_OK ||
        ol_run_new(client,
                   OL_MAKE(ol_run_options, .job_namespace = "service", .job_name = "support",
                           .run_id = run_id),
                   &run, &err) != OL_OK ||
        ol_run_set_ids(run, OL_MAKE(ol_ids, .model_version = model, .step = "serve")) != OL_OK ||
        (input != NULL &&
         ol_dataset_set_dataset_version(
             ol_run_input(run, input), OL_MAKE(ol_dataset_version, .version = version)) != OL_OK) ||
        (has_start && ol_run_emit(run, OL_START, &err) != OL_OK) ||
        ol_serving_new(run, OL_MAKE(ol_serving_options, .key_size = 0), &serving, &err) != OL_OK) {
        fprintf(stderr, "serve_many: %s\n", err.message);
        return 1;
    }
    pthread_t ids[THREADS_MAX];
    struct share shares[THREADS_MAX];
    double begin = now_ms();
    for (long i = 0; i < threads; i++) {
        shares[i] = (struct share){.serving = serving,
                                   .first = first + answers * i / threads,
                                   .end = first + answers * (i + 1) / threads,
                                   .pause_us = (useconds_t)pause_us};
        if (pthread_create(&ids[i], NULL, serve, &shares[i]) != 0)
            return 1;
    }
    for (long i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        failed += shares[i].failed;
    }
    printf("%.0f\n", now_ms() - begin);
    ol_serving_free(serving);
    if (has_end && ol_run_emit(run, OL_COMPLETE, &err) != OL_OK)
        failed++;
    ol_run_free(run);
    ol_client_close(client, 1000, NULL);
    return failed == 0 ? 0 : 1;
}
