/* SPDX-License-Identifier: Apache-2.0 */
/* Bar 1: an emit through the journal, from filled structs to a finished write, against a bare
 * write(2) of the same bytes to a file opened for appending. Beside it: a whole life of a run per
 * event (new, setters, emit, free), and the reference against itself, which tells how much the
 * machine wanders. Order shuffled, median over the pairs. Then the system calls of an emit, counted
 * at the table of file functions.
 *
 *     bench_emit [DIRECTORY]      default: the working directory
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "client.h"
#include "ids.h"

#define PAIRS 16
#define BLOCK_BYTES (24u << 20)
#define EVENTS_MAX 20000
#define FIELDS_MAX 600

enum { LIBRARY, LIFE, REFERENCE, CONTROL, KINDS };
static const char *const kind_names[KINDS] = {"setters + emit", "a run per event", "bare write",
                                              "bare write again"};

static struct ol_schema_field fields[FIELDS_MAX];
static char names[FIELDS_MAX][32];
static int64_t samples[EVENTS_MAX];

struct size {
    const char *name;
    int fields;   /* columns of the schema that fill the event */
    size_t bytes; /* measured */
    char *line;   /* such an event, for the bare write */
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int compare_real(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_real);
    return (values[count / 2] + values[(count - 1) / 2]) / 2;
}

/* ---- one event ---- */

static struct ol_run *new_run(struct ol_client *client)
{
    struct ol_run *run = NULL;
    if (ol_run_new(client, OL_MAKE(ol_run_options, .job_namespace = "bench", .job_name = "emit"),
                   &run, NULL) != OL_OK)
        exit(1);
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
    if (ol_run_emit(run, OL_RUNNING, NULL) != OL_OK) {
        fprintf(stderr, "bench_emit: an event was refused; is the disk full?\n");
        exit(1);
    }
}

/* ---- one block of events ---- */

struct figures {
    double p50, p99; /* ns */
};

static struct figures summarise(size_t count)
{
    qsort(samples, count, sizeof *samples, compare);
    return (struct figures){.p50 = (double)samples[count / 2],
                            .p99 = (double)samples[count * 99 / 100]};
}

static void clear(const char *directory)
{
    char command[1200];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command) != 0)
        die("rm");
}

static struct ol_client *open_client(const char *directory, const struct ol__client_hooks *hooks)
{
    struct ol_client *client = NULL;
    struct ol_error err;
    if (ol__client_open_hooked(OL_MAKE(ol_client_options,
                                       .producer = "https://example.org/bench/1.0",
                                       .journal_directory = directory),
                               hooks, &client, &err) != OL_OK) {
        fprintf(stderr, "bench_emit: %s\n", err.message);
        exit(1);
    }
    return client;
}

static struct figures run_library(const char *directory, const struct size *size, size_t count,
                                  bool is_life)
{
    struct ol_client *client = open_client(directory, &(struct ol__client_hooks){0});
    struct ol_run *run = new_run(client);
    set_and_emit(run, size); /* birth */
    for (size_t i = 0; i < count; i++) {
        int64_t start = now_ns();
        if (is_life) {
            struct ol_run *own = new_run(client);
            set_and_emit(own, size);
            ol_run_free(own);
        } else {
            set_and_emit(run, size);
        }
        samples[i] = now_ns() - start;
    }
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    clear(directory);
    return summarise(count);
}

static struct figures run_reference(const char *directory, const struct size *size, size_t count)
{
    char path[1100];
    if (mkdir(directory, 0700) != 0)
        die(directory);
    snprintf(path, sizeof path, "%s/bare", directory);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        die(path);
    for (size_t i = 0; i <= count; i++) {
        int64_t start = now_ns();
        if (write(fd, size->line, size->bytes) != (ssize_t)size->bytes)
            die("write");
        if (i > 0) /* the first one is warm-up, as the birth is */
            samples[i - 1] = now_ns() - start;
    }
    close(fd);
    clear(directory);
    return summarise(count);
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

static void count_calls(const char *directory, const struct size *size)
{
    struct ol__fs fs = ol__fs_real;
    fs.write = counted_write;
    fs.fstat = counted_fstat;
    fs.fstatvfs = counted_fstatvfs;
    struct ol_client *client = open_client(directory, &(struct ol__client_hooks){.fs = &fs});
    struct ol_run *run = new_run(client);
    set_and_emit(run, size);
    writes = others = 0;
    for (int i = 0; i < 1000; i++)
        set_and_emit(run, size);
    printf("  1000 emits: %lu writes, %lu other calls (one statvfs after each MiB)\n", writes,
           others);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    clear(directory);
}

/* The bytes that the library writes for this size. */
static void measure(const char *directory, struct size *size)
{
    struct ol_client *client = open_client(directory, &(struct ol__client_hooks){0});
    struct ol__buf *journal = ol__client_take_buffer(client);
    struct ol_run *run = new_run(client);
    char command[1200];
    set_and_emit(run, size);
    ol_run_free(run);
    snprintf(command, sizeof command, "cat '%s'/*.jsonl", directory);
    FILE *in = popen(command, "r");
    int c;
    while (in != NULL && (c = fgetc(in)) != EOF)
        ol__buf_add_char(journal, (char)c);
    if (in == NULL || pclose(in) != 0)
        die("cat");
    char *event = strchr(journal->data, '\n') + 1;
    size->bytes = strlen(event);
    size->line = strdup(event);
    ol__client_give_buffer(client, journal);
    ol_client_close(client, 0, NULL);
    clear(directory);
}

static void shuffle(int *order, int count)
{
    for (int i = count - 1; i > 0; i--) {
        uint32_t drawn;
        ol__random(&drawn, sizeof drawn);
        int other = (int)(drawn % (uint32_t)(i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

static void compare_size(const char *directory, struct size *size)
{
    double p50[KINDS][PAIRS], p99[KINDS][PAIRS], ratio[KINDS][PAIRS], ratio99[KINDS][PAIRS];
    measure(directory, size);
    size_t count = BLOCK_BYTES / size->bytes;
    count = count < EVENTS_MAX ? count : EVENTS_MAX;
    for (int pair = 0; pair < PAIRS; pair++) {
        int order[KINDS] = {LIBRARY, LIFE, REFERENCE, CONTROL};
        shuffle(order, KINDS);
        for (int i = 0; i < KINDS; i++) {
            int kind = order[i];
            struct figures f = kind == LIBRARY || kind == LIFE
                                   ? run_library(directory, size, count, kind == LIFE)
                                   : run_reference(directory, size, count);
            p50[kind][pair] = f.p50;
            p99[kind][pair] = f.p99;
        }
        for (int kind = 0; kind < KINDS; kind++) {
            ratio[kind][pair] = p50[kind][pair] / p50[REFERENCE][pair];
            ratio99[kind][pair] = p99[kind][pair] / p99[REFERENCE][pair];
        }
    }
    printf("%s event (%zu bytes), %zu events a block, %d pairs\n", size->name, size->bytes, count,
           PAIRS);
    for (int kind = 0; kind < KINDS; kind++)
        printf("  %-18s p50 %7.2f us  p99 %7.2f us   ratio p50 %.2f  p99 %.2f\n", kind_names[kind],
               median(p50[kind], PAIRS) / 1000, median(p99[kind], PAIRS) / 1000,
               median(ratio[kind], PAIRS), median(ratio99[kind], PAIRS));
    count_calls(directory, size);
    free(size->line);
}

int main(int argc, char **argv)
{
    char directory[1024];
    static struct size sizes[] = {{.name = "0.7 KB", .fields = 0},
                                  {.name = "10 KB", .fields = 105},
                                  {.name = "40 KB", .fields = 445}};
    for (int i = 0; i < FIELDS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "column_%d", i);
        fields[i] =
            (struct ol_schema_field)OL_ITEM(ol_schema_field, .name = names[i], .type = "BIGINT",
                                            .description = "What this column holds, in words");
    }
    snprintf(directory, sizeof directory, "%s/bench-emit-%d", argc > 1 ? argv[1] : ".",
             (int)getpid());
    printf("bar 1: setters + emit at most 2.0 times a bare write, p50, 10 KB and 0.7 KB\n");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        compare_size(directory, &sizes[i]);
    return 0;
}
