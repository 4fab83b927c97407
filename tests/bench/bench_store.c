/* SPDX-License-Identifier: Apache-2.0 */
/* What the store costs: CPU and bytes per event of about 2 KB, and `why` / `impact` over a graph of
 * 20 layers.
 *
 *     bench_store [EVENTS [DATASETS [DIRECTORY]]]     (200000 100000 /tmp)
 *
 * Each run is a START and a COMPLETE with the same job facets, two inputs and one output with
 * schema, source, version and statistics: versions, statistics and ids are new with every run, the
 * rest repeats. Dataset d of layer k is made from datasets of layer k - 1. Prints the bar's lines
 * and one JSON object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"
#include "store.h"
#include "times.h"

#define LAYERS 20
#define BATCH 512
#define START_MS INT64_C(1795251600000)

static long event_count = 200000, dataset_count = 100000;
static struct ol__uuid spool = {{1}};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const struct ol_error *err)
{
    fprintf(stderr, "bench_store: %s: %s\n", what, err->message);
    exit(1);
}

#define FACET(url)                                                                                 \
    "{\"_producer\":\"https://github.com/lineaged/lineaged/tree/0.1.0\",\"_schemaURL\":"           \
    "\"https://openlineage.io/spec/facets/" url "\","

static void add_dataset(struct ol__buf *out, const char *side, long dataset, long version)
{
    ol__buf_add_format(
        out,
        "{\"namespace\":\"s3://lake\",\"name\":\"layer%ld/"
        "table_%06ld\",\"facets\":{\"version\":" FACET(
            "1-0-1/DatasetVersionDatasetFacet.json#/$defs/"
            "DatasetVersionDatasetFacet") "\"datasetVersion\":\"sha256:%064lx\"}},\"%sFacets\":{\"%"
                                          "sStatistics\":" FACET("1-0-2/"
                                                                 "OutputStatisticsOutputDatasetFace"
                                                                 "t.json#/$defs/"
                                                                 "OutputStatisticsOutputDatasetFace"
                                                                 "t") "\"rowCount\":%ld,\"size\":%"
                                                                      "ld}}}",
        dataset / (dataset_count / LAYERS), dataset, version * 1000003 + dataset, side, side,
        version % 1000, version * 11);
}

/* The dataset that run r writes, and the round: how often each was written before. */
static void make_event(struct ol__buf *out, long r, bool is_end)
{
    long width = dataset_count / LAYERS;
    /* all datasets in order, again and again: a layer is written before the next reads it */
    long round = r / dataset_count, made = r % dataset_count;
    char time[OL_TIME_TEXT + 1], uuid[OL_UUID_TEXT + 1];
    int64_t at = START_MS + r * 100 + is_end * 50;
    struct ol__uuid id = {{0}};
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((uint64_t)(START_MS + r * 100) >> (40 - 8 * i));
    uint64_t mix = (uint64_t)(r + 1) * 0x9e3779b97f4a7c15u;
    memcpy(id.bytes + 8, &mix, 8);
    id.bytes[6] = 0x70;
    ol__uuid_format(&id, uuid);
    ol__time_format(at, time);
    ol__buf_reset(out);
    ol__buf_add_format(
        out,
        "{\"eventTime\":\"%s\",\"producer\":\"https://github.com/lineaged/lineaged/"
        "tree/0.1.0\","
        "\"schemaURL\":\"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
        "RunEvent\","
        "\"eventType\":\"%s\",\"run\":{\"runId\":\"%s\",\"facets\":{\"lineaged_"
        "run\":" FACET("LineagedRunFacet-1-0-0.json#/$defs/LineagedRunFacet") "\"run_id\":"
                                                                              "\"2026-11-21T09-"
                                                                              "00-"
                                                                              "00Z_%032lx\","
                                                                              "\"step\":\"step%"
                                                                              "ld\","
                                                                              "\"attempt\":"
                                                                              "\"1\"},"
                                                                              "\"processing_"
                                                                              "engine\":" FACET(
                                                                                  "1-1-1/"
                                                                                  "ProcessingEn"
                                                                                  "gineRunFacet"
                                                                                  ".json#/"
                                                                                  "$defs/"
                                                                                  "ProcessingEn"
                                                                                  "gineRunFace"
                                                                                  "t") "\"versi"
                                                                                       "on\":"
                                                                                       "\"0.1."
                                                                                       "0\","
                                                                                       "\"name"
                                                                                       "\":"
                                                                                       "\"linea"
                                                                                       "ged\"}}"
                                                                                       "}"
                                                                                       ",",
        time, is_end ? "COMPLETE" : "START", uuid, r / 20, r % 20);
    ol__buf_add_format(
        out,
        "\"job\":{\"namespace\":\"bench\",\"name\":\"make_%06ld\",\"facets\":{\"jobType\":" FACET(
            "2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet") "\"processingType\":\"BATCH\","
                                                                 "\"integration\":\"LINEAGED\"}}},"
                                                                 "\"inputs\":[",
        made % 5000);
    if (made >= width) {
        long left = made - width, right = made - width - made % width + (made * 7 + 1) % width;
        add_dataset(out, "input", left, round);
        ol__buf_add_char(out, ',');
        add_dataset(out, "input", right == left ? left - left % width : right, round);
    }
    ol__buf_add_text(out, "],\"outputs\":[");
    if (is_end)
        add_dataset(out, "output", made, round);
    ol__buf_add_text(out, "]}");
}

static void ingest(const char *path, double *ret_cpu_us, double *ret_read_us, double *ret_bytes)
{
    struct store *store = NULL;
    struct ol_error err = {0};
    struct ol__buf text;
    ol__buf_init(&text, 1 << 20);
    if (store_open(path, STORE_WRITE, &store, &err) != OL_OK)
        die("open", &err);
    double cpu = 0, made = 0;
    uint64_t bytes = 0;
    for (long n = 0; n < event_count;) {
        double t0 = cpu_s();
        if (store_begin(store, &err) != OL_OK)
            die("begin", &err);
        cpu += cpu_s() - t0;
        static struct ol__buf batch[BATCH];
        long count = 0;
        t0 = cpu_s();
        for (; count < BATCH && n + count < event_count; count++) {
            batch[count].max = 1 << 20;
            make_event(&batch[count], (n + count) / 2, (n + count) % 2 != 0);
            bytes += batch[count].size;
        }
        made += cpu_s() - t0;
        t0 = cpu_s();
        for (long i = 0; i < count; i++) {
            struct store_event event = {.seq = (uint64_t)(n + i + 1),
                                        .taken_ms = START_MS + (n + i) * 50,
                                        .uid = 1000,
                                        .data = {.data = batch[i].data, .size = batch[i].size}};
            if (store_add(store, &event, false, &err) != OL_OK)
                die("add", &err);
        }
        n += count;
        if (store_commit(store, &spool, (uint64_t)n, &err) != OL_OK)
            die("commit", &err);
        cpu += cpu_s() - t0;
    }
    *ret_cpu_us = cpu * 1e6 / (double)event_count;
    *ret_read_us = made * 1e6 / (double)event_count;
    store_close(store);
    struct stat st;
    if (stat(path, &st) != 0)
        exit(1);
    *ret_bytes = (double)st.st_size / (double)bytes;
    fprintf(stderr, "%.0f bytes an event, %.1f MB stored\n", (double)bytes / (double)event_count,
            (double)st.st_size / 1e6);
    ol__buf_release(&text);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Median time of nine askings, and how many nodes were reached. */
static double ask(struct store *store, bool is_why, long dataset, int64_t limit, long *ret_nodes)
{
    char name[64];
    double times[9];
    struct ol_error err = {0};
    struct ol__buf out;
    ol__buf_init(&out, 256u << 20);
    snprintf(name, sizeof name, "layer%ld/table_%06ld", dataset / (dataset_count / LAYERS),
             dataset);
    struct store_question question = {.subject = name, .limit = limit, .uid = STORE_ANY_UID};
    for (int i = 0; i < 9; i++) {
        ol__buf_reset(&out);
        int64_t t0 = ol__time_monotonic_us();
        if ((is_why ? store_why : store_impact)(store, &question, &out, &err) != OL_OK)
            die("ask", &err);
        times[i] = (double)(ol__time_monotonic_us() - t0);
    }
    *ret_nodes = 0;
    for (const char *p = out.data; (p = strstr(p, "\"kind\":\"")) != NULL; p++)
        ++*ret_nodes;
    *ret_nodes -= 1; /* the subject's own */
    ol__buf_release(&out);
    qsort(times, 9, sizeof *times, compare_doubles);
    return times[4];
}

static void ask_all(const char *path)
{
    struct store *store = NULL;
    struct ol_error err = {0};
    if (store_open(path, STORE_READ, &store, &err) != OL_OK)
        die("open", &err);
    static const int64_t limits[] = {1000, 100000};
    for (int is_why = 0; is_why < 2; is_why++)
        for (int i = 0; i < 2; i++) {
            long nodes = 0;
            long subject = is_why ? dataset_count - 7 : 7;
            double us = ask(store, is_why, subject, limits[i], &nodes);
            printf(",\"%s_%ld_nodes_ms\":%.2f,\"%s_us_per_node\":%.2f", is_why ? "why" : "impact",
                   nodes, us / 1e3, i == 0 ? "small" : "large", us / (double)nodes);
        }
    store_close(store);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        event_count = strtol(argv[1], NULL, 10);
    if (argc > 2)
        dataset_count = strtol(argv[2], NULL, 10);
    char directory[256], path[300];
    snprintf(directory, sizeof directory, "%s/bench-store-XXXXXX", argc > 3 ? argv[3] : "/tmp");
    if (event_count < 1 || dataset_count < LAYERS * 10 || mkdtemp(directory) == NULL) {
        fprintf(stderr, "usage: bench_store [EVENTS [DATASETS [DIRECTORY]]]\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/lineage.db", directory);
    double cpu_us, make_us, ratio;
    bench_begin("bench_store", "what the store costs");
    ingest(path, &cpu_us, &make_us, &ratio);
    printf("{\"events\":%ld,\"datasets\":%ld,\"cpu_us_per_event\":%.1f,\"bytes_per_event_byte\":"
           "%.3f",
           event_count, dataset_count, cpu_us, ratio);
    ask_all(path);
    printf("}\n");
    bench_say("store", cpu_us, " us", true, 30, "ingest: CPU per event of 2 KB");
    bench_say("store", ratio, "", true, 0.35, "bytes kept per event byte");
    if (getenv("BENCH_KEEP") == NULL) {
        unlink(path);
        rmdir(directory);
    }
    return 0;
}
