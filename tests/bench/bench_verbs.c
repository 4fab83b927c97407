/* SPDX-License-Identifier: Apache-2.0 */
/* Bar "verbs": every question that the store knows, on a store of 1,000,000 events: the lake of
 * bench_store, five rounds of it, and beside that a model trained, approved and deployed again and
 * again, a service with answers, runs that failed. The questions are those of the store's own
 * table: one that comes to it is asked here as well, or this program dies.
 * BENCH_VERBS_DATASETS and BENCH_VERBS_ROUNDS make it smaller; BENCH_KEEP keeps the file;
 * BENCH_STORE_FILE asks a kept one. BENCH_VERBS_LIST=1 prints each question. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "bench.h"
#include "store.h"
#include "store_world.h"

#define BATCH 2048u
#define ANSWERS 20000
#define RELEASES 500 /* each: training, approval, deployment */
#define FAILURES 2000
#define BOUND_MS 1000.0
#define ASKED 5 /* times each */
#define PRODUCER "https://example.org/bench/1.0"
#define SCHEMA "https://example.org/schemas/"
#define RUN_SCHEMA "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

static struct world world;
static struct ol__uuid spool = {{1}};
static char directory[200], path[300];
static uint64_t seq, bytes;

static void try(ol_status status, const char *what, const struct ol_error *err)
{
    if (status != OL_OK)
        bench_die("%s: %s", what, err->message);
}

/* ---- What happens beside the lake ---- */

/* The time of event @p n, an hour apart from the next hundred. */
static void add_head(struct ol__buf *out, const char *type, long n, long run)
{
    ol__buf_add_format(
        out,
        "{\"eventType\":\"%s\",\"eventTime\":\"2026-%02ld-%02ldT%02ld:%02ld:%02ld.000Z\","
        "\"producer\":\"" PRODUCER "\",\"schemaURL\":\"" RUN_SCHEMA "\","
        "\"run\":{\"runId\":\"01960000-0000-7000-8000-%012ld\",\"facets\":{",
        type, 1 + n / 2592000 % 12, 1 + n / 86400 % 28, n / 3600 % 24, n / 60 % 60, n % 60, run);
}

static void add_facet(struct ol__buf *out, const char *key)
{
    ol__buf_add_format(
        out, "\"%s\":{\"_producer\":\"" PRODUCER "\",\"_schemaURL\":\"" SCHEMA "%s\",", key, key);
}

static void add_job(struct ol__buf *out, const char *name)
{
    ol__buf_add_format(out, "}},\"job\":{\"namespace\":\"ml\",\"name\":\"%s\"},", name);
}

static void add_model(struct ol__buf *out, long release)
{
    ol__buf_add_format(out, "{\"namespace\":\"models\",\"name\":\"churn\",\"facets\":{");
    add_facet(out, "version");
    ol__buf_add_format(out, "\"datasetVersion\":\"v%ld\"}}}", release);
}

static void training(struct ol__buf *out, long release)
{
    char name[64];
    add_head(out, "COMPLETE", release * 3600, release);
    add_facet(out, "executionParameters");
    ol__buf_add_format(
        out, "\"parameters\":[{\"key\":\"epochs\",\"name\":\"epochs\",\"value\":\"%ld\"}]},",
        release % 9);
    add_facet(out, "tags");
    ol__buf_add_format(out, "\"tags\":[{\"key\":\"team\",\"value\":\"team%ld\"}]}", release % 7);
    add_job(out, "train");
    world_name(&world, world.datasets - 1 - release, name, sizeof name);
    ol__buf_add_format(
        out, "\"inputs\":[{\"namespace\":\"s3://lake\",\"name\":\"%s\"}],\"outputs\":[", name);
    add_model(out, release);
    ol__buf_add_text(out, "]}");
}

static void approval(struct ol__buf *out, long release)
{
    add_head(out, "COMPLETE", release * 3600 + 600, 100000 + release);
    add_facet(out, "lineaged_approval");
    ol__buf_add_format(
        out,
        "\"approvals\":[{\"verdict\":\"%s\",\"by\":\"person%ld\",\"subject\":\"churn\","
        "\"reason\":\"accuracy\"}]}",
        release % 10 == 9 ? "rejected" : "approved", release % 5);
    add_job(out, "approve");
    ol__buf_add_text(out, "\"inputs\":[");
    add_model(out, release);
    ol__buf_add_text(out, "],\"outputs\":[]}");
}

static void deployment(struct ol__buf *out, long release)
{
    add_head(out, "COMPLETE", release * 3600 + 1200, 200000 + release);
    add_facet(out, "lineaged_deployment");
    ol__buf_add_format(out,
                       "\"id\":\"d%ld\",\"name\":\"churn-%ld\",\"environment\":\"production\","
                       "\"status\":\"succeeded\"}",
                       release, release % 20);
    add_job(out, "deploy");
    ol__buf_add_text(out, "\"inputs\":[");
    add_model(out, release);
    ol__buf_add_text(out, "],\"outputs\":[]}");
}

static void failure(struct ol__buf *out, long n)
{
    add_head(out, "FAIL", n * 600, 300000 + n);
    add_facet(out, "errorMessage");
    ol__buf_add_format(out, "\"message\":\"no space\",\"programmingLanguage\":\"C\"}");
    char job[32];
    snprintf(job, sizeof job, "flaky_%ld", n % 50);
    add_job(out, job);
    ol__buf_add_text(out, "\"inputs\":[],\"outputs\":[]}");
}

static void answer(struct ol__buf *out, long n)
{
    add_head(out, "OTHER", 3600 * RELEASES + n, 400000 + n % 10);
    add_facet(out, "lineaged_run");
    ol__buf_add_format(out, "\"model_version\":\"churn@v%d\"},", RELEASES - 1);
    add_facet(out, "lineaged_answer");
    ol__buf_add_format(out,
                       "\"request_id\":\"req-%ld\",\"outcome\":\"answered\",\"latency_ms\":%ld,"
                       "\"retrieved\":[\"doc-%ld\",\"doc-%ld\"]}",
                       n, n % 100, n % 300, n % 7);
    add_job(out, "support");
    ol__buf_add_text(out, "\"inputs\":[");
    add_model(out, RELEASES - 1);
    ol__buf_add_text(out, "],\"outputs\":[]}");
}

/* ---- Into the store ---- */

struct source {
    void (*event)(struct ol__buf *out, long n);
    long count;
};

static void world_source(struct ol__buf *out, long n)
{
    world_event(&world, n, out);
}

static int64_t take_in(struct store *store, const struct source *from)
{
    struct ol__buf text;
    struct ol_error err = {0};
    int64_t cpu = 0;
    ol__buf_init(&text, 8192);
    for (long n = 0; n < from->count;) {
        try(store_begin(store, &err), "begin", &err);
        for (unsigned i = 0; i < BATCH && n < from->count; i++, n++) {
            ol__buf_reset(&text);
            from->event(&text, n);
            if (text.status != OL_OK)
                bench_die("an event does not fit");
            seq++;
            struct store_event event = {.seq = seq,
                                        .taken_ms = INT64_C(1795251600000) + (int64_t)seq,
                                        .uid = 1000,
                                        .data = {.data = text.data, .size = text.size}};
            bytes += text.size;
            int64_t t0 = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
            try(store_add(store, &event, false, &err), "add", &err);
            cpu += bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - t0;
        }
        int64_t t0 = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
        try(store_commit(store, &spool, seq, &err), "commit", &err);
        cpu += bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - t0;
    }
    ol__buf_release(&text);
    return cpu;
}

static void make(void)
{
    const struct source sources[] = {{world_source, world_event_count(&world)},
                                     {training, RELEASES},
                                     {approval, RELEASES},
                                     {deployment, RELEASES},
                                     {failure, FAILURES},
                                     {answer, ANSWERS}};
    struct ol_error err = {0};
    struct store *store;
    struct stat st;
    int64_t cpu = 0, begin = bench_now_ns();
    snprintf(path, sizeof path, "%s/lineage.db", directory);
    try(store_open(path, STORE_WRITE, &store, &err), "open", &err);
    for (size_t i = 0; i < OL_COUNT(sources); i++)
        cpu += take_in(store, &sources[i]);
    store_close(store);
    if (stat(path, &st) != 0)
        bench_die("%s: no file", path);
    double seconds = (double)(bench_now_ns() - begin) / 1e9;
    printf("  %llu events, %.0f MB, in %.0f s: %.0f events a second; %.1f MB in the store\n",
           (unsigned long long)seq, (double)bytes / 1e6, seconds, (double)seq / seconds,
           (double)st.st_size / 1e6);
    bench_say("store", (double)cpu / 1e3 / (double)seq, " us", true, 30,
              "ingest of %llu events: CPU per event", (unsigned long long)seq);
    bench_say("store", (double)st.st_size / (double)bytes, "", true, 0.35,
              "bytes kept per event byte");
}

/* ---- Questions ---- */

/* What a verb is asked; the subject of each further time is another dataset, unless it is given. */
struct asked {
    const char *verb;
    struct {
        const char *key, *value;
    } with[4];
};
/* A verb that needs only a subject, or nothing, does not stand here. */
static const struct asked table[] = {
    {"diff", {{"other", "churn"}, {"other_content", "v3"}}},
    {"diff",
     {{"subject", "churn"}, {"content", "v2"}, {"other", "churn"}, {"other_content", "v3"}}},
    {"depends", {{"subject", "churn"}, {"other", "layer0/table_000001"}}},
    {"runs", {{"job", "flaky_7"}}},
    {"runs", {{"state", "FAIL"}}},
    {"runs", {{"subject", "team3"}}},
    {"runs", {{"limit", "1000"}}},
    {"show", {{"subject", "req-77"}, {"request", "1"}}},
    {"show", {{"subject", "churn"}}},
    {"why", {{"subject", "req-77"}, {"request", "1"}}},
    {"why", {{"subject", "churn"}}},
    {"impact", {{"subject", "layer0/table_000003"}, {"limit", "10000"}}},
};

static double time_ms(struct store *store, const struct store_verb *verb,
                      const struct store_question *question, struct ol__buf *out)
{
    struct ol_error err = {.message = ""};
    ol__buf_reset(out);
    int64_t t0 = bench_now_ns();
    ol_status status = verb->ask(store, question, out, &err);
    double ms = (double)(bench_now_ns() - t0) / 1e6;
    if (status != OL_OK && status != OL_NOT_FOUND)
        bench_die("%s: %s", verb->name, err.message);
    return ms;
}

/* The slowest of several times. */
static double ask(struct store *store, const struct store_verb *verb, const struct asked *how,
                  struct ol__buf *out)
{
    double worst = 0;
    for (long i = 0; i < ASKED; i++) {
        char name[64];
        struct ol_error err = {.message = ""};
        struct store_question question = {.uid = STORE_ANY_UID};
        world_name(&world, (i * 7919 + 11) % world.datasets, name, sizeof name);
        if (verb->needs_subject)
            question.subject = name;
        for (size_t k = 0; how != NULL && k < OL_COUNT(how->with) && how->with[k].key != NULL; k++)
            if (store_question_set(&question, how->with[k].key, how->with[k].value, &err) != OL_OK)
                bench_die("%s: %s", verb->name, err.message);
        double ms = time_ms(store, verb, &question, out);
        worst = OL_MAX(worst, ms);
    }
    if (getenv("BENCH_VERBS_LIST") != NULL)
        printf("  %-12s %8.2f ms %9zu bytes  %.120s\n", verb->name, worst, out->size,
               out->size > 0 ? out->data : "");
    return worst;
}

static void ask_all(void)
{
    struct ol_error err = {0};
    struct store *store;
    struct ol__buf out;
    ol__buf_init(&out, (size_t)64 << 20);
    try(store_open(path, STORE_READ, &store, &err), "open", &err);
    const struct store_verb *verb;
    for (size_t i = 0; (verb = store_verb_at(i)) != NULL; i++) {
        double worst = 0;
        bool is_asked = false;
        for (size_t k = 0; k < OL_COUNT(table); k++)
            if (strcmp(table[k].verb, verb->name) == 0) {
                double ms = ask(store, verb, &table[k], &out);
                worst = OL_MAX(worst, ms);
                is_asked = true;
            }
        if (!is_asked || (strcmp(verb->name, "diff") != 0 && strcmp(verb->name, "depends") != 0)) {
            double ms = ask(store, verb, NULL, &out);
            worst = OL_MAX(worst, ms);
        }
        bench_say("verbs", worst, " ms", true, BOUND_MS, "%s: the slowest answer", verb->name);
    }
    store_close(store);
    ol__buf_release(&out);
}

static long setting(const char *name, long otherwise, long least)
{
    const char *text = getenv(name);
    long value = text != NULL ? strtol(text, NULL, 10) : otherwise;
    if (value < least || value > 10000000)
        bench_die("%s: a number from %ld to 10000000 is expected", name, least);
    return value;
}

int main(void)
{
    bench_begin("bench_verbs", "every question on 1,000,000 events");
    bench_directory_make(directory, sizeof directory);
    world_init(&world, setting("BENCH_VERBS_DATASETS", 100000, 4000),
               setting("BENCH_VERBS_ROUNDS", 5, 1));
    if (getenv("BENCH_STORE_FILE") == NULL)
        make();
    else
        snprintf(path, sizeof path, "%s", getenv("BENCH_STORE_FILE"));
    ask_all();
    world_release(&world);
    if (getenv("BENCH_KEEP") == NULL)
        bench_directory_remove(directory);
    else
        printf("  kept: %s\n", path);
    return 0;
}
