/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "times.h"
#include "ids.h"

#define SPREAD 100
#define JOBS 5000
#define START_MS INT64_C(1795251600000)
#define PRODUCER "https://github.com/lineaged/lineaged/tree/0.1.0"
#define SPEC "https://openlineage.io/spec/"

void world_init(struct world *world, long datasets, long rounds)
{
    long width = (datasets + WORLD_LAYERS - 1) / WORLD_LAYERS;
    *world = (struct world){.width = width, .datasets = width * WORLD_LAYERS, .rounds = rounds};
    world->depth = bench_alloc((size_t)world->datasets * sizeof *world->depth);
    world->is_seen = bench_alloc((size_t)world->datasets * sizeof *world->is_seen);
    world->queue = bench_alloc((size_t)world->datasets * sizeof *world->queue);
}

void world_release(struct world *world)
{
    free(world->depth);
    free(world->is_seen);
    free(world->queue);
    *world = (struct world){0};
}

long world_event_count(const struct world *world)
{
    return world->datasets * world->rounds * 2;
}

/* ---- Who is made from whom ---- */

static uint64_t mix(uint64_t v)
{
    v = (v + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return v ^ v >> 31;
}

/* The second input of @p dataset, which is not in the first layer; never the first input. */
static long second_input(const struct world *world, long dataset)
{
    long left = dataset - world->width, column = left % world->width;
    long aside = 1 + (long)(mix((uint64_t)dataset) % (uint64_t)(SPREAD - 1));
    return left - column + (column + aside) % world->width;
}

static bool is_input(const struct world *world, long input, long dataset)
{
    return dataset - world->width == input || second_input(world, dataset) == input;
}

void world_name(const struct world *world, long dataset, char *ret, size_t size)
{
    snprintf(ret, size, "layer%ld/table_%06ld", dataset / world->width, dataset);
}

/* Looks like a hash of the content: 64 digits without an order. */
static void version_text(long dataset, long round, char ret[WORLD_VERSION])
{
    uint64_t part[4] = {(uint64_t)(round + 1) << 40 | (uint64_t)dataset};
    part[0] = mix(part[0]);
    for (int i = 1; i < 4; i++)
        part[i] = mix(part[i - 1]);
    snprintf(ret, WORLD_VERSION, "sha256:%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%016" PRIx64,
             part[0], part[1], part[2], part[3]);
}

/* ---- Events ---- */

static void add_facet(struct ol__buf *out, const char *key, const char *schema)
{
    ol__buf_add_format(
        out, "\"%s\":{\"_producer\":\"" PRODUCER "\",\"_schemaURL\":\"" SPEC "facets/%s\",", key,
        schema);
}

static void add_dataset(const struct world *world, struct ol__buf *out, long dataset, long round)
{
    char name[64], version[WORLD_VERSION];
    world_name(world, dataset, name, sizeof name);
    ol__buf_add_format(out, "{\"namespace\":\"s3://lake\",\"name\":\"%s\",\"facets\":{", name);
    add_facet(out, "version",
              "1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet");
    version_text(dataset, round, version);
    ol__buf_add_format(out, "\"datasetVersion\":\"%s\"}}}", version);
}

static void add_run(struct ol__buf *out, long run, bool is_end)
{
    char time[OL_TIME_TEXT + 1], uuid[OL_UUID_TEXT + 1];
    int64_t at = START_MS + run * 100;
    struct ol__uuid id = {{0}};
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((uint64_t)at >> (40 - 8 * i));
    uint64_t noise = mix((uint64_t)run);
    memcpy(id.bytes + 8, &noise, 8);
    id.bytes[6] = 0x70;
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    ol__uuid_format(&id, uuid);
    ol__time_format(at + (is_end ? 50 : 0), time);
    ol__buf_add_format(out,
                       "{\"eventTime\":\"%s\",\"producer\":\"" PRODUCER "\",\"schemaURL\":\"" SPEC
                       "2-0-2/OpenLineage.json#/$defs/RunEvent\",\"eventType\":\"%s\","
                       "\"run\":{\"runId\":\"%s\",\"facets\":{",
                       time, is_end ? "COMPLETE" : "START", uuid);
    add_facet(out, "lineaged_run", "LineagedRunFacet-1-0-0.json#/$defs/LineagedRunFacet");
    ol__buf_add_format(out,
                       "\"run_id\":\"2026-11-21T09-00-00Z_%032lx\",\"step\":\"step%ld\","
                       "\"attempt\":\"1\"},",
                       run / 20, run % 20);
    add_facet(out, "processing_engine",
              "1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet");
    ol__buf_add_format(out, "\"version\":\"0.1.0\",\"name\":\"lineaged\"}}},");
}

void world_event(const struct world *world, long n, struct ol__buf *out)
{
    long run = n / 2, made = run % world->datasets, round = run / world->datasets;
    bool is_end = n % 2 != 0;
    ol__buf_reset(out);
    add_run(out, run, is_end);
    ol__buf_add_format(out, "\"job\":{\"namespace\":\"bench\",\"name\":\"make_%06ld\",\"facets\":{",
                       made % JOBS);
    add_facet(out, "jobType", "2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet");
    ol__buf_add_text(out, "\"processingType\":\"BATCH\",\"integration\":\"LINEAGED\"}}},"
                          "\"inputs\":[");
    if (made >= world->width) {
        add_dataset(world, out, made - world->width, round);
        ol__buf_add_char(out, ',');
        add_dataset(world, out, second_input(world, made), round);
    }
    ol__buf_add_text(out, "],\"outputs\":[");
    if (is_end) {
        add_dataset(world, out, made, round);
        out->size--; /* its last brace */
        ol__buf_add_text(out, ",\"outputFacets\":{");
        add_facet(out, "outputStatistics",
                  "1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/"
                  "OutputStatisticsOutputDatasetFacet");
        ol__buf_add_format(out, "\"rowCount\":%ld,\"size\":%ld}}}", run % 1000, run * 11);
    }
    ol__buf_add_text(out, "]}");
    if (out->status != OL_OK)
        bench_die("an event does not fit");
}

/* ---- Answers ---- */

static void reach(struct world *world, long *count, long dataset, int depth)
{
    if (world->depth[dataset] >= 0)
        return;
    world->depth[dataset] = (int8_t)depth;
    world->queue[(*count)++] = dataset;
}

/* Depth of all that can be reached. @return How many datasets; *ret_runs how many runs are between
 * them, *ret_edges how many edges. */
static long walk(struct world *world, bool is_why, long subject, long *ret_runs, long *ret_edges)
{
    long count = 0;
    memset(world->depth, -1, (size_t)world->datasets);
    reach(world, &count, subject, 0);
    *ret_runs = *ret_edges = 0;
    for (long i = 0; i < count; i++) {
        long dataset = world->queue[i], column = dataset % world->width;
        int depth = world->depth[dataset] + 1;
        if (is_why) {
            bool has_inputs = dataset >= world->width;
            *ret_runs += 1;
            *ret_edges += has_inputs ? 3 : 1;
            if (!has_inputs)
                continue;
            reach(world, &count, dataset - world->width, depth);
            reach(world, &count, second_input(world, dataset), depth);
            continue;
        }
        for (long aside = 0; aside < SPREAD && dataset + world->width < world->datasets; aside++) {
            long reader =
                dataset - column + world->width + (column - aside + world->width) % world->width;
            if (!is_input(world, dataset, reader))
                continue;
            *ret_edges += 1;
            if (world->depth[reader] < 0) {
                *ret_runs += 1; /* what reads is one run, and it makes one dataset */
                *ret_edges += 1;
            }
            reach(world, &count, reader, depth);
        }
    }
    return count;
}

/* The value of member @p key of the node at @p node, which ends at @p end. */
static const char *member(const char *node, const char *end, const char *key)
{
    char text[32];
    int size = snprintf(text, sizeof text, "\"%s\":", key);
    const char *found = memmem(node, (size_t)(end - node), text, (size_t)size);
    if (found == NULL)
        bench_die("answer: no %s in %.300s", key, node);
    return found + size;
}

void world_version(const struct world *world, long dataset, char ret[WORLD_VERSION])
{
    version_text(dataset, world->rounds - 1, ret);
}

static void check_version(const struct world *world, long dataset, const char *node,
                          const char *end)
{
    char version[WORLD_VERSION];
    world_version(world, dataset, version);
    if (strncmp(member(node, end, "version") + 1, version, strlen(version)) != 0)
        bench_die("answer: version %s is expected, not %.300s", version, node);
}

static void check_dataset(struct world *world, const char *node, const char *end)
{
    char name[64];
    const char *given = member(node, end, "name");
    const char *number = memmem(given, (size_t)(end - given), "table_", 6);
    long dataset = number != NULL ? strtol(number + 6, NULL, 10) : -1;
    if (dataset < 0 || dataset >= world->datasets || world->is_seen[dataset])
        bench_die("answer: no dataset, or one that stands there twice: %.300s", node);
    world->is_seen[dataset] = true;
    world_name(world, dataset, name, sizeof name);
    if (strncmp(given + 1, name, strlen(name)) != 0 ||
        strtol(member(node, end, "depth"), NULL, 10) != world->depth[dataset])
        bench_die("answer: %s at depth %d is expected, not %.300s", name, world->depth[dataset],
                  node);
    check_version(world, dataset, node, end);
}

static long count_of(const char *text, const char *what)
{
    long count = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
        count++;
    return count;
}

long world_check(struct world *world, bool is_why, long dataset, long limit, const char *answer)
{
    long runs, edges, datasets = walk(world, is_why, dataset, &runs, &edges);
    long told_runs = 0, told_datasets = 0;
    const char *node = strstr(answer, "\"nodes\":["), *list_end = strstr(answer, "\"edges\":[");
    if (node == NULL || list_end == NULL)
        bench_die("answer: no nodes or no edges");
    memset(world->is_seen, 0, (size_t)world->datasets * sizeof *world->is_seen);
    while ((node = memmem(node, (size_t)(list_end - node), "{\"id\":", 6)) != NULL) {
        const char *end = memmem(node + 1, (size_t)(list_end - node - 1), "{\"id\":", 6);
        if (end == NULL)
            end = list_end;
        if (strncmp(member(node, end, "kind"), "\"run\"", 5) == 0) {
            told_runs++;
        } else {
            told_datasets++;
            check_dataset(world, node, end);
        }
        node = end;
    }
    if (limit > 0 && (told_runs + told_datasets != limit || datasets + runs <= limit ||
                      strstr(list_end, "\"cut_by\":\"limit\"") == NULL))
        bench_die("answer: %ld + %ld nodes; a cut at %ld of %ld is expected", told_datasets,
                  told_runs, limit, datasets + runs);
    if (limit == 0 && (told_datasets != datasets || told_runs != runs ||
                       count_of(list_end, "\"from\":") != edges ||
                       strstr(list_end, "\"truncated\":false") == NULL))
        bench_die("answer: %ld datasets, %ld runs, %ld edges instead of %ld, %ld, %ld; %.40s",
                  told_datasets, told_runs, count_of(list_end, "\"from\":"), datasets, runs, edges,
                  answer + strlen(answer) - OL_MIN(strlen(answer), (size_t)40));
    return told_datasets + told_runs;
}
