/* SPDX-License-Identifier: Apache-2.0 */
/* Bar "verbs": every question that the store knows, on a store of 1,000,000 events: the lake of
 * bench_store, five rounds of it, and beside that a model trained, approved and deployed again and
 * again, a service with answers, runs that failed, one of 4,000 datasets, one of 5,000 events. Each
 * question of the store's own table is asked of what is most work for it, and the answer must have
 * what is expected; a question that stands in that table and not here ends this program.
 * BENCH_VERBS_DATASETS and BENCH_VERBS_ROUNDS make it smaller; BENCH_KEEP keeps the file;
 * BENCH_STORE_FILE asks a kept one. BENCH_VERBS_LIST=1 prints each question. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "backup.h"
#include "bench.h"
#include "retention.h"
#include "store.h"
#include "store_world.h"

#define BATCH 2048u
#define ANSWERS 20000
#define RELEASES 500 /* each: training, approval, deployment */
#define FAILURES 2000
#define WIDE 2000   /* datasets on each side of a run */
#define STREAM 5000 /* events of a run */
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
        "{\"eventType\":\"%s\",\"eventTime\":\"2027-%02ld-%02ldT%02ld:%02ld:%02ld.000Z\","
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
        "\"approvals\":[{\"verdict\":\"%s\",\"by\":\"person%ld\",\"subject\":\"v%ld\","
        "\"reason\":\"accuracy\"}]}",
        release % 10 == 9 ? "rejected" : "approved", release % 5, release);
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

/* A run that read and wrote thousands of datasets. */
static void wide(struct ol__buf *out, long n)
{
    static const char *const sides[] = {"in", "out"};
    add_head(out, n == 0 ? "START" : "COMPLETE", 7200 + n, 500001);
    add_facet(out, "lineaged_run");
    ol__buf_add_text(out, "\"step\":\"wide\"}");
    add_job(out, "wide");
    for (int side = 0; side < 2; side++) {
        ol__buf_add_format(out, "%s\"%sputs\":[", side > 0 ? "]," : "", sides[side]);
        for (long i = 0; i < WIDE; i++)
            ol__buf_add_format(out, "%s{\"namespace\":\"wide\",\"name\":\"wide_%s_%ld\"}",
                               i > 0 ? "," : "", sides[side], i);
    }
    ol__buf_add_text(out, "]}");
}

/* A run whose events are kept as they are. */
static void stream(struct ol__buf *out, long n)
{
    add_head(out, "RUNNING", 7200 + n, 500002);
    add_facet(out, "progress");
    ol__buf_add_format(out, "\"wave\":%ld}", n);
    add_job(out, "stream");
    ol__buf_add_text(out, "\"inputs\":[],\"outputs\":[]}");
}

/* ---- Into the store ---- */

struct source {
    void (*event)(struct ol__buf *out, long n);
    long count;
    bool is_raw; /* kept as they are, too */
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
    ol__buf_init(&text, 1 << 20);
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
            try(store_add(store, &event, from->is_raw, &err), "add", &err);
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
    const struct source sources[] = {{world_source, world_event_count(&world), false},
                                     {training, RELEASES, false},
                                     {approval, RELEASES, false},
                                     {deployment, RELEASES, false},
                                     {failure, FAILURES, false},
                                     {wide, 2, false},
                                     {stream, STREAM, true},
                                     {answer, ANSWERS, false}};
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

/* What a verb is asked, and what must stand in each answer. A value that begins with @ is another
 * dataset each time: of the first layer, or the last. */
struct asked {
    const char *verb, *what, *expected;
    struct {
        const char *key, *value;
    } with[4];
    const char *page; /* the parameter that goes on from `next`: asked until there is none */
};
#define LAST "@last"
#define FIRST "@first"
#define ALL "100000"
#define WIDE_ID "01960000-0000-7000-8000-000000500001"
#define STREAM_ID "01960000-0000-7000-8000-000000500002"
static const struct asked table[] = {
    {"why", "20 layers", "\"name\":\"layer0/", {{"subject", LAST}, {"limit", ALL}}, NULL},
    {"why", "a model", "\"name\":\"layer0/", {{"subject", "churn"}, {"limit", ALL}}, NULL},
    {"why",
     "an answer",
     "\"name\":\"layer0/",
     {{"subject", "req-77"}, {"request", "1"}, {"limit", ALL}},
     NULL},
    {"impact", "20 layers", "\"name\":\"layer19/", {{"subject", FIRST}, {"limit", ALL}}, NULL},
    {"impact", "a tag of 70 runs", "\"affected\":", {{"subject", "team3"}, {"limit", ALL}}, NULL},
    {"show", "a dataset", "\"read_by\":[{", {{"subject", FIRST}}, NULL},
    {"show", "an answer", "\"request_id\":\"req-77\"", {{"subject", "req-77"}}, NULL},
    {"show", "a run of 4,000 datasets", "\"wide_out_1999\"", {{"subject", WIDE_ID}}, NULL},
    {"show", "a model of 500 versions", "\"written_by\":[{", {{"subject", "churn"}}, NULL},
    {"runs", "of a job", "\"runs\":[{", {{"job", "flaky_7"}, {"limit", "1000"}}, NULL},
    {"runs", "that failed", "\"FAIL\"", {{"failed", "1"}, {"limit", "1000"}}, NULL},
    {"runs", "of a tag", "\"train\"", {{"subject", "team3"}, {"limit", "1000"}}, NULL},
    {"runs", "of a group", "\"train\"", {{"group", "team=team3"}, {"limit", "1000"}}, NULL},
    {"runs", "newest", "\"truncated\":true", {{"limit", "1000"}}, NULL},
    {"runs", "by root", "\"below\":", {{"by_root", "1"}, {"limit", "1000"}}, NULL},
    {"diff",
     "two models",
     "\"changed\":[{",
     {{"subject", "churn"}, {"content", "v2"}, {"other", "churn"}, {"other_content", "v3"}},
     NULL},
    {"diff",
     "two of the last layer",
     "\"changed\":[{",
     {{"subject", LAST}, {"other", LAST "2"}},
     NULL},
    {"approvals",
     "a model",
     "\"verdict\":\"approved\"",
     {{"subject", "churn"}, {"content", "v498"}},
     NULL},
    {"audit", "a model", "\"approval\":", {{"subject", "churn"}, {"limit", ALL}}, NULL},
    {"audit", "20 layers", "\"made_by\":[{", {{"subject", LAST}, {"limit", ALL}}, NULL},
    {"serving", "now", "\"deployment_id\"", {{NULL, NULL}}, NULL},
    {"serving", "ever", "\"deployment_id\"", {{"all", "1"}}, NULL},
    {"untracked", "all", "\"tracked\":", {{NULL, NULL}}, NULL},
    {"reproducible", "20 layers", "\"depth\":9,", {{"subject", LAST}, {"limit", ALL}}, NULL},
    {"reproducible", "a model", "\"told\":", {{"subject", "churn"}, {"limit", ALL}}, NULL},
    {"events", "of a run of 5,000", "\"wave\":4999", {{"subject", STREAM_ID}}, NULL},
    {"search", "a name", "\"by\":\"name\"", {{"subject", LAST}}, NULL},
    {"search", "a part of 100,000 names", "\"by\":\"part\"", {{"subject", "able_0"}}, NULL},
    {"search", "nothing has it", NULL, {{"subject", "nowhere"}}, NULL},
    {"check", "20 layers", "\"runs\":", {{"subject", LAST}}, NULL},
    {"check", "everything, by pages", "\"runs\":", {{"limit", "100000"}}, "from"},
    {"depends",
     "a model on the first layer",
     "\"depends\":\"",
     {{"subject", "churn"}, {"other", "layer0/table_000001"}},
     NULL},
    {"depends", "20 layers", "\"depends\":\"", {{"subject", LAST}, {"other", FIRST}}, NULL},
    {"stale", "20 layers", "\"looked_at\":", {{"subject", LAST}}, NULL},
    {"stale", "everything, by pages", "\"looked_at\":", {{"older_than", "1"}}, "from"},
    {"stats", "all", "\"counts\":{\"datasets\":", {{NULL, NULL}}, NULL},
    {"export", "everything, by pages", "{\"export\":{", {{NULL, NULL}}, "after"},
};

static const char *subject_of(const char *value, long i, char *name, size_t size)
{
    bool is_last = strncmp(value, LAST, sizeof LAST - 1) == 0;
    long at = (i * 397 + 11 + (value[0] == '@' && value[strlen(value) - 1] == '2')) % world.width;
    if (!is_last && strcmp(value, FIRST) != 0)
        return value;
    world_name(&world, is_last ? world.datasets - 1 - at : at, name, size);
    return name;
}

/* The `next` of an answer, into @p ret: a number or a text. False: it has none. */
static bool next_of(const struct ol__buf *out, char ret[128])
{
    static const char key[] = "\"next\":";
    const char *found = NULL, *end = out->data + out->size;
    size_t size = 0;
    for (const char *p = out->data; (p = memmem(p, (size_t)(end - p), key, sizeof key - 1)) != NULL;
         p++)
        found = p;
    if (found == NULL)
        return false;
    for (found += sizeof key - 1; found < end && *found != ',' && *found != '}' && size < 127;
         found++)
        if (*found != '"')
            ret[size++] = *found;
    ret[size] = '\0';
    return true;
}

static double time_ms(struct store *store, const struct store_verb *verb, const struct asked *how,
                      const struct store_question *question, struct ol__buf *out)
{
    struct ol_error err = {.message = ""};
    ol__buf_reset(out);
    int64_t t0 = bench_now_ns();
    ol_status status = verb->ask(store, question, out, &err);
    double ms = (double)(bench_now_ns() - t0) / 1e6;
    if (status != (how->expected != NULL ? OL_OK : OL_NOT_FOUND))
        bench_die("%s, %s, %s: %s", verb->name, how->what, question->subject, err.message);
    if (how->expected != NULL &&
        memmem(out->data, out->size, how->expected, strlen(how->expected)) == NULL)
        bench_die("%s, %s, %s: %s is expected in %.600s", verb->name, how->what, question->subject,
                  how->expected, out->data);
    return ms;
}

/* The slowest answer, or page, of several times. */
static void ask(struct store *store, const struct store_verb *verb, const struct asked *how,
                struct ol__buf *out)
{
    double worst = 0, sum = 0;
    long pages = 0;
    for (long i = 0; i < (how->page != NULL ? 1 : ASKED); i++) {
        char names[OL_COUNT(how->with)][64], next[128];
        struct ol_error err = {.message = ""};
        struct store_question question = {.uid = STORE_ANY_UID};
        for (size_t k = 0; k < OL_COUNT(how->with) && how->with[k].key != NULL; k++)
            if (store_question_set(&question, how->with[k].key,
                                   subject_of(how->with[k].value, i, names[k], sizeof names[k]),
                                   &err) != OL_OK)
                bench_die("%s: %s", verb->name, err.message);
        bool has_more = true;
        for (; has_more; pages++) {
            double ms = time_ms(store, verb, how, &question, out);
            worst = OL_MAX(worst, ms);
            sum += ms;
            has_more = how->page != NULL && next_of(out, next);
            if (has_more && store_question_set(&question, how->page, next, &err) != OL_OK)
                bench_die("%s: %s", verb->name, err.message);
        }
    }
    if (getenv("BENCH_VERBS_LIST") != NULL)
        printf("  %-12s %9zu bytes  %.160s\n", verb->name, out->size,
               out->size > 0 ? out->data : "");
    if (how->page != NULL)
        printf("  %s, %s: %ld pages in %.1f s\n", verb->name, how->what, pages, sum / 1e3);
    bench_say("verbs", worst, " ms", true, BOUND_MS, "%s, %s: the slowest %s", verb->name,
              how->what, how->page != NULL ? "page" : "answer");
}

/* Not asked for an answer in a second, but watched: all is read. */
static void tell(void *arg, const char *problem)
{
    (void)arg;
    bench_die("the store: %s", problem);
}

static void watch(struct store *store, struct ol__buf *out)
{
    struct ol_error err = {0};
    struct store_found found;
    const struct store_policy policy = {.before_ms = INT64_MAX,
                                        .answers_before_ms = INT64_MAX,
                                        .open_before_ms = INT64_MAX,
                                        .is_fresh = true};
    ol__buf_reset(out);
    int64_t t0 = bench_now_ns();
    try(store_gc_plan(store, &policy, 100, out, &err), "gc", &err);
    double seconds = (double)(bench_now_ns() - t0) / 1e9;
    if (memmem(out->data, out->size, "\"run_id\"", 8) == NULL)
        bench_die("gc: no run would go: %.400s", out->data);
    bench_say("verbs", seconds, " s", true, 0, "gc, a dry run over everything");
    t0 = bench_now_ns();
    try(store_check(path, tell, NULL, &found, &err), "check", &err);
    seconds = (double)(bench_now_ns() - t0) / 1e9;
    bench_say("verbs", seconds, " s", true, 0,
              "backup --check: %lld runs, %lld facets, %lld edges read", (long long)found.runs,
              (long long)found.facets, (long long)found.edges);
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
        bool is_asked = false;
        for (size_t k = 0; k < OL_COUNT(table); k++)
            if (strcmp(table[k].verb, verb->name) == 0) {
                ask(store, verb, &table[k], &out);
                is_asked = true;
            }
        if (!is_asked)
            bench_die("%s stands in the store's table and not in this one", verb->name);
    }
    watch(store, &out);
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
