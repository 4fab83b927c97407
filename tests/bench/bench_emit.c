/* SPDX-License-Identifier: Apache-2.0 */
/* Bar 1: an emit through the journal, from filled structs to a finished write, against a bare
 * write(2) of the same bytes to a file opened for appending. Beside it: a whole life of a run per
 * event (new, setters, emit, free). Then the system calls of an emit, counted at the table of file
 * functions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "bench.h"
#include "client.h"

#define BLOCK_BYTES (24u << 20)
#define EVENTS_MAX 20000
#define FIELDS_MAX 600

enum { REFERENCE, LIBRARY, LIFE, KINDS };

static struct ol_schema_field fields[FIELDS_MAX];
static char names[FIELDS_MAX][32];

struct size {
    const char *name;
    int fields;     /* columns of the schema that fill the event */
    bool is_barred; /* the bar names this size */
    size_t bytes;   /* measured */
    char *line;     /* such an event, for the bare write */
};

/* ---- one event ---- */

static struct ol_run *new_run(struct ol_client *client)
{
    struct ol_run *run = NULL;
    if (ol_run_new(client, OL_MAKE(ol_run_options, .job_namespace = "bench", .job_name = "emit"),
                   &run, NULL) != OL_OK)
        bench_die("ol_run_new failed");
    ol_run_output_named(run, "postgres://db:5432", "shop.public.users");
    return run;
}

static void set_and_emit(struct ol_run *run, const struct size *size)
{
    struct ol_dataset *out = ol_run_output_named(run, "postgres://db:5432", "shop.public.users");
    if (size->fields > 0)
        ol_dataset_set_schema(
            out, OL_MAKE(ol_schema, .fields = fields, .field_count = (size_t)size->fields));
    ol_dataset_set_output_statistics(out, OL_MAKE(ol_output_statistics, .row_count = OL_INT(1000)));
    if (ol_run_emit(run, OL_RUNNING, NULL) != OL_OK)
        bench_die("an event was refused; is the disk full?");
}

/* ---- one block of events ---- */

static size_t block_count(const struct size *size)
{
    size_t count = BLOCK_BYTES / size->bytes;
    return count < EVENTS_MAX ? count : EVENTS_MAX;
}

static void summarise(struct bench_times *times, struct bench_figures *ret)
{
    ret->of[BENCH_P50] = bench_times_at(times, 0.5);
    ret->of[BENCH_P99] = bench_times_at(times, 0.99);
    bench_times_release(times);
}

static struct ol_client *open_client(const char *directory, const struct ol__client_hooks *hooks)
{
    struct ol_client *client = NULL;
    struct ol_error err;
    if (ol__client_open_hooked(OL_MAKE(ol_client_options,
                                       .producer = "https://example.org/bench/1.0",
                                       .journal_directory = directory),
                               hooks, &client, &err) != OL_OK)
        bench_die("%s", err.message);
    return client;
}

static void run_library(const struct size *size, bool is_life, struct bench_figures *ret)
{
    char directory[256];
    struct bench_times times;
    size_t count = block_count(size);
    bench_times_init(&times, count);
    bench_directory_make(directory, sizeof directory);
    struct ol_client *client = open_client(directory, &(struct ol__client_hooks){0});
    struct ol_run *run = new_run(client);
    set_and_emit(run, size); /* birth */
    for (size_t i = 0; i < count; i++) {
        int64_t start = bench_now_ns();
        if (is_life) {
            struct ol_run *own = new_run(client);
            set_and_emit(own, size);
            ol_run_free(own);
        } else {
            set_and_emit(run, size);
        }
        bench_times_add(&times, bench_now_ns() - start);
    }
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    bench_expect_events(directory, count + 1);
    bench_directory_remove(directory);
    summarise(&times, ret);
}

static void burst_of_emits(void *arg, struct bench_figures *ret)
{
    run_library(arg, false, ret);
}

static void burst_of_lives(void *arg, struct bench_figures *ret)
{
    run_library(arg, true, ret);
}

static void burst_of_writes(void *arg, struct bench_figures *ret)
{
    const struct size *size = arg;
    char directory[256], path[300];
    struct bench_times times;
    size_t count = block_count(size);
    bench_times_init(&times, count);
    bench_directory_make(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/bare", directory);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        bench_die("%s: %s", path, strerror(errno));
    for (size_t i = 0; i <= count; i++) {
        int64_t start = bench_now_ns();
        if (write(fd, size->line, size->bytes) != (ssize_t)size->bytes)
            bench_die("write: %s", strerror(errno));
        if (i > 0) /* the first one is warm-up, as the birth is */
            bench_times_add(&times, bench_now_ns() - start);
    }
    close(fd);
    bench_directory_remove(directory);
    summarise(&times, ret);
}

/* ---- counting ---- */

static _Atomic unsigned long writes, others;

static ssize_t counted_write(int fd, const void *data, size_t size)
{
    writes++;
    return write(fd, data, size);
}
static int counted_fstat(int fd, struct stat *st)
{
    others++;
    return fstat(fd, st);
}
static int counted_fstatvfs(int fd, struct statvfs *st)
{
    others++;
    return fstatvfs(fd, st);
}

static void count_calls(const struct size *size)
{
    char directory[256];
    struct ol__fs fs = ol__fs_real;
    fs.write = counted_write;
    fs.fstat = counted_fstat;
    fs.fstatvfs = counted_fstatvfs;
    bench_directory_make(directory, sizeof directory);
    struct ol_client *client = open_client(directory, &(struct ol__client_hooks){.fs = &fs});
    struct ol_run *run = new_run(client);
    set_and_emit(run, size);
    writes = others = 0;
    for (int i = 0; i < 1000; i++)
        set_and_emit(run, size);
    printf("  1000 emits: %lu writes, %lu other calls (one statvfs after each MiB)\n", writes,
           others);
    bench_say("1", (double)writes / 1000, " calls", true, 1, "%s: write calls an emit", size->name);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    bench_directory_remove(directory);
}

/* The bytes that the library writes for this size. */
static void measure(struct size *size)
{
    char directory[256];
    bench_directory_make(directory, sizeof directory);
    struct ol_client *client = open_client(directory, &(struct ol__client_hooks){0});
    struct ol_run *run = new_run(client);
    set_and_emit(run, size);
    ol_run_free(run);
    size->line = bench_last_line(directory, &size->bytes);
    size->line[size->bytes++] = '\n';
    ol_client_close(client, 0, NULL);
    bench_directory_remove(directory);
}

static void compare_size(struct size *size)
{
    char what[128];
    measure(size);
    const struct bench_side sides[KINDS] = {{"bare write", burst_of_writes, size},
                                            {"setters + emit", burst_of_emits, size},
                                            {"a run per event", burst_of_lives, size}};
    struct bench_set set = {.sides = sides, .side_count = KINDS};
    bench_run(&set);
    snprintf(what, sizeof what, "%s (%zu bytes)", size->name, size->bytes);
    bench_say_sides(&set, what);
    double bound = size->is_barred ? 2.0 : 0;
    snprintf(what, sizeof what, "%s: setters and emit, p50, to a bare write of the same bytes",
             size->name);
    bench_at_most(&set, "1", LIBRARY, BENCH_P50, bound, what);
    snprintf(what, sizeof what, "%s: new run, setters, emit, free, p50, to the same", size->name);
    bench_at_most(&set, "1", LIFE, BENCH_P50, 0, what);
    count_calls(size);
    bench_release(&set);
    free(size->line);
}

int main(void)
{
    static struct size sizes[] = {{.name = "10 KB", .fields = 105, .is_barred = true},
                                  {.name = "0.7 KB", .fields = 0, .is_barred = true},
                                  {.name = "40 KB", .fields = 445}};
    bench_begin("bench_emit", "emit through the journal against a bare write");
    for (int i = 0; i < FIELDS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "column_%d", i);
        fields[i] =
            (struct ol_schema_field)OL_ITEM(ol_schema_field, .name = names[i], .type = "BIGINT",
                                            .description = "What this column holds, in words");
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        compare_size(&sizes[i]);
    return 0;
}
