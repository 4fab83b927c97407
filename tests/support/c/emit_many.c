/* SPDX-License-Identifier: Apache-2.0 */
/* emit_many: numbered events through libopenlineage, as a host program would emit them.
 *
 *   emit_many --runs R --per-run N [--first K] [--first-run K] [--threads T]
 *             [--end close|kill|exit|fork-kill] [--directory D] [--pad BYTES]
 *
 * Prints the number of each accepted event, one a line, to standard output (unbuffered, before the
 * next one), and `refused REASON COUNT` lines to standard error. --end kill: SIGKILL to itself
 * right after the last emit; fork-kill: the parent emits the first half of each run, forks, kills
 * itself, and the child (which waits for that) emits the rest, then kills itself as well. */
#include <openlineage/openlineage.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct plan {
    long runs, per_run, first, first_run, threads, pad;
    const char *end, *directory;
};
struct worker {
    const struct plan *plan;
    struct ol_client *client;
    long thread;
};
static _Atomic long refused[16];

static void say_number(long number)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", number);
    ssize_t done;
    do {
        done = write(STDOUT_FILENO, text, (size_t)n);
    } while (done < 0 && errno == EINTR);
    if (done != n)
        abort(); /* the test would count wrong */
}

static void emit_one(const struct plan *plan, struct ol_run *run, long run_number, long index)
{
    long number = plan->first + run_number * plan->per_run + index;
    size_t cap = (size_t)plan->pad + 128;
    char *facet = malloc(cap);
    if (facet == NULL)
        abort();
    int n = snprintf(facet, cap, "{\"number\":%ld,\"run\":%ld,\"index\":%ld,\"pad\":\"", number,
                     plan->first_run + run_number, index);
    memset(facet + n, 'x', (size_t)plan->pad);
    memcpy(facet + n + plan->pad, "\"}", 3);
    enum ol_event event = index == 0                   ? OL_START
                          : index == plan->per_run - 1 ? OL_COMPLETE
                                                       : OL_RUNNING;
    ol_status st = ol_run_set_facet_json(
        run, "lineaged_numbered",
        "https://example.org/lineaged/tests/NumberedRunFacet.json#/$defs/LineagedNumberedRunFacet",
        facet, (size_t)n + (size_t)plan->pad + 2);
    struct ol_error err;
    if (st == OL_OK)
        st = ol_run_emit(run, event, &err);
    if (st == OL_OK)
        say_number(number);
    else
        refused[st < 0 && st > -15 ? -st : 0]++;
    free(facet);
}

static struct ol_run *new_run(struct ol_client *client, long number)
{
    struct ol_run *run = NULL;
    struct ol_error err;
    char job[64];
    snprintf(job, sizeof job, "numbered.%ld", number);
    if (ol_run_new(client, OL_MAKE(ol_run_options, .job_namespace = "tests", .job_name = job), &run,
                   &err) != OL_OK) {
        fprintf(stderr, "emit_many: %s\n", err.message);
        exit(1);
    }
    return run;
}

static void *work(void *arg)
{
    const struct worker *w = arg;
    for (long r = w->thread; r < w->plan->runs; r += w->plan->threads) {
        struct ol_run *run = new_run(w->client, w->plan->first_run + r);
        for (long i = 0; i < w->plan->per_run; i++)
            emit_one(w->plan, run, r, i);
        ol_run_free(run);
    }
    return NULL;
}

static void fork_kill(const struct plan *plan, struct ol_client *client)
{
    struct ol_run **runs = calloc((size_t)plan->runs, sizeof(struct ol_run *));
    int gate[2];
    if (runs == NULL || pipe(gate) != 0)
        abort();
    long half = plan->per_run / 2;
    for (long r = 0; r < plan->runs; r++) {
        runs[r] = new_run(client, plan->first_run + r);
        for (long i = 0; i < half; i++)
            emit_one(plan, runs[r], r, i);
    }
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid > 0) {
        kill(getpid(), SIGKILL);
        abort();
    }
    char byte;
    close(gate[1]); /* the parent's end closes with its death */
    while (read(gate[0], &byte, 1) < 0 && errno == EINTR)
        ;
    for (long r = 0; r < plan->runs; r++) {
        for (long i = half; i < plan->per_run; i++)
            emit_one(plan, runs[r], r, i);
    }
    kill(getpid(), SIGKILL);
}

static void run_threads(const struct plan *plan, struct ol_client *client)
{
    pthread_t threads[256];
    struct worker workers[256];
    for (long t = 0; t < plan->threads; t++) {
        workers[t] = (struct worker){.plan = plan, .client = client, .thread = t};
        if (pthread_create(&threads[t], NULL, work, &workers[t]) != 0)
            abort();
    }
    for (long t = 0; t < plan->threads; t++)
        pthread_join(threads[t], NULL);
}

int main(int argc, char **argv)
{
    enum { RUNS = 1, PER_RUN, FIRST, FIRST_RUN, THREADS, PAD, END, DIRECTORY };
    static const struct option options[] = {{"runs", 1, NULL, RUNS},
                                            {"per-run", 1, NULL, PER_RUN},
                                            {"first", 1, NULL, FIRST},
                                            {"first-run", 1, NULL, FIRST_RUN},
                                            {"threads", 1, NULL, THREADS},
                                            {"pad", 1, NULL, PAD},
                                            {"end", 1, NULL, END},
                                            {"directory", 1, NULL, DIRECTORY},
                                            {NULL, 0, NULL, 0}};
    struct plan plan = {.runs = 1, .per_run = 2, .threads = 1, .end = "close"};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        long number = optarg != NULL ? strtol(optarg, NULL, 10) : 0;
        switch (c) {
        case RUNS:
            plan.runs = number;
            break;
        case PER_RUN:
            plan.per_run = number;
            break;
        case FIRST:
            plan.first = number;
            break;
        case FIRST_RUN:
            plan.first_run = number;
            break;
        case THREADS:
            plan.threads = number;
            break;
        case PAD:
            plan.pad = number;
            break;
        case END:
            plan.end = optarg;
            break;
        case DIRECTORY:
            plan.directory = optarg;
            break;
        default:
            return 2;
        }
    }
    if (plan.runs < 1 || plan.per_run < 2 || plan.threads < 1 || plan.threads > 256)
        return 2;
    struct ol_client *client = NULL;
    struct ol_error err;
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/emit_many/1.0",
                               .journal_directory = plan.directory),
                       &client, &err) != OL_OK) {
        fprintf(stderr, "emit_many: %s\n", err.message);
        return 1;
    }
    if (strcmp(plan.end, "fork-kill") == 0)
        fork_kill(&plan, client);
    else if (plan.threads == 1)
        work(&(struct worker){.plan = &plan, .client = client});
    else
        run_threads(&plan, client);
    if (strcmp(plan.end, "kill") == 0)
        kill(getpid(), SIGKILL);
    for (int i = 0; i < 16; i++) {
        if (refused[i] > 0)
            fprintf(stderr, "refused %s %ld\n", ol_status_name((ol_status)-i), (long)refused[i]);
    }
    if (strcmp(plan.end, "exit") == 0)
        return 0;
    return ol_client_close(client, 1000, &err) == OL_OK ? 0 : 1;
}
