/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_EVENT_H
#define BENCH_EVENT_H
/** @file
 * The START event that the client benchmarks emit, in three sizes, as filled structs.
 * java/BenchEmit.java and emit_python.py make events of the same facts. Threads: a filled one is
 * only read.
 */
#include <openlineage/openlineage.h>

#define BENCH_COLUMNS 100 /* of BENCH_LARGE */
#define BENCH_PRODUCER "https://example.org/lineaged/tests/bench"

enum bench_size {
    BENCH_SMALL, /**< 0.7 KB: job, one input, one output, the engine */
    BENCH_MID,   /**< 10 KB: times, parent, 1 KB of SQL, 3 schemas of 20 columns, column lineage */
    BENCH_LARGE, /**< 40 KB: the same with 100 columns */
    BENCH_SIZES
};

struct bench_event {
    enum bench_size size;
    size_t column_count;
    char sql[1025];
    char columns[BENCH_COLUMNS][16], made[BENCH_COLUMNS][16], notes[BENCH_COLUMNS][32];
    struct ol_schema_field fields[BENCH_COLUMNS], made_fields[BENCH_COLUMNS];
    struct ol_input_field origins[BENCH_COLUMNS];
    struct ol_column_origin lineage[BENCH_COLUMNS];
};

/** Fill @p event; it may not be moved afterwards. */
void bench_event_init(struct bench_event *event, enum bench_size size);
/** "0.7 KB", "10 KB" or "40 KB". */
const char *bench_event_name(enum bench_size size);
/** A client that writes its journal into @p directory, or with the transport `noop` (NULL). */
struct ol_client *bench_client_open(const char *directory);
/** Make a run and tell it all of @p event. Dies on failure. */
struct ol_run *bench_event_build(const struct bench_event *event, struct ol_client *client);
/** One such event as it stands in a journal, without its newline; owned. Dies on failure. */
char *bench_event_line(const struct bench_event *event, size_t *ret_size);
/** bench_event_build(), emit START, free the run. Dies on failure. */
void bench_event_emit(const struct bench_event *event, struct ol_client *client);
#endif
