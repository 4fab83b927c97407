/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

#define PARENT_RUN "01890a5d-ac96-774b-bcce-b302099a8057"
#define ROOT_RUN "01890a5d-ac96-774b-bcce-b302099a8058"
#define SOURCE "postgres://db.example.org:5432"
#define TARGET "s3://lake"

const char *bench_event_name(enum bench_size size)
{
    static const char *const names[BENCH_SIZES] = {"0.7 KB", "10 KB", "40 KB"};
    return names[size];
}

void bench_event_init(struct bench_event *e, enum bench_size size)
{
    static const char *const types[] = {"BIGINT", "VARCHAR(255)", "DECIMAL(18,2)", "TIMESTAMP"};
    memset(e, 0, sizeof *e);
    e->size = size;
    e->column_count = size == BENCH_LARGE ? BENCH_COLUMNS : 20;
    for (size_t at = 0; at < sizeof e->sql - 1;
         at++) /* quotes and newlines, as queries have them */
        e->sql[at] = "SELECT \"order\".id, sum(price)\n  FROM orders WHERE day = '1' "[at % 58];
    for (int i = 0; i < BENCH_COLUMNS; i++) {
        snprintf(e->columns[i], sizeof e->columns[i], "column_%02d", i);
        snprintf(e->made[i], sizeof e->made[i], "made_%02d", i);
        snprintf(e->notes[i], sizeof e->notes[i], "What column %02d holds", i);
        e->fields[i] =
            (struct ol_schema_field)OL_ITEM(ol_schema_field, .name = e->columns[i],
                                            .type = types[i % 4], .description = e->notes[i]);
        e->made_fields[i] = (struct ol_schema_field)OL_ITEM(
            ol_schema_field, .name = e->made[i], .type = types[i % 4], .description = e->notes[i]);
        e->origins[i] = (struct ol_input_field)OL_ITEM(ol_input_field, .name_space = SOURCE,
                                                       .name = i % 2 != 0 ? "shop.public.orders"
                                                                          : "shop.public.customers",
                                                       .field = e->columns[i]);
        e->lineage[i] = (struct ol_column_origin)OL_ITEM(ol_column_origin, .key = e->made[i],
                                                         .input_fields = &e->origins[i],
                                                         .input_field_count = 1);
    }
}

struct ol_client *bench_client_open(const char *directory)
{
    struct ol_client *client = NULL;
    struct ol_error err = {0};
    if (directory == NULL)
        setenv("OPENLINEAGE__TRANSPORT__TYPE", "noop", 1);
    else
        unsetenv("OPENLINEAGE__TRANSPORT__TYPE");
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = BENCH_PRODUCER,
                               .job_namespace = "bench", .journal_directory = directory),
                       &client, &err) != OL_OK)
        bench_die("ol_client_open: %s", err.message);
    return client;
}

static void tell_all(const struct bench_event *e, struct ol_run *run)
{
    struct ol_schema schema =
        OL_ITEM(ol_schema, .fields = e->fields, .field_count = e->column_count);
    ol_run_set_nominal_time(run,
                            OL_MAKE(ol_nominal_time, .nominal_start_time = "2026-01-01T00:00:00Z",
                                    .nominal_end_time = "2026-01-02T00:00:00Z"));
    ol_run_set_parent(run, OL_MAKE(ol_parent, .run_id = PARENT_RUN, .job_namespace = "bench",
                                   .job_name = "daily", .root_run_id = ROOT_RUN,
                                   .root_job_namespace = "bench", .root_job_name = "all"));
    ol_job_set_job_type(ol_run_job(run), OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                                 .integration = "BENCH", .job_type = "QUERY"));
    ol_job_set_sql(ol_run_job(run), OL_MAKE(ol_sql, .query = e->sql, .dialect = "postgres"));
    ol_dataset_set_schema(ol_run_input_named(run, SOURCE, "shop.public.orders"), &schema);
    ol_dataset_set_schema(ol_run_input_named(run, SOURCE, "shop.public.customers"), &schema);
    struct ol_dataset *output = ol_run_output_named(run, TARGET, "gold/order_totals");
    ol_dataset_set_schema(
        output, OL_MAKE(ol_schema, .fields = e->made_fields, .field_count = e->column_count));
    ol_dataset_set_column_lineage(
        output, OL_MAKE(ol_column_lineage, .fields = e->lineage, .field_count = e->column_count));
}

struct ol_run *bench_event_build(const struct bench_event *e, struct ol_client *client)
{
    struct ol_run *run = NULL;
    struct ol_error err = {0};
    if (ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "order_totals"), &run, &err) !=
        OL_OK)
        bench_die("ol_run_new: %s", err.message);
    if (e->size != BENCH_SMALL) {
        tell_all(e, run);
    } else {
        ol_run_input_named(run, SOURCE, "shop.public.orders");
        ol_run_output_named(run, TARGET, "gold/order_totals");
    }
    return run;
}

void bench_event_emit(const struct bench_event *e, struct ol_client *client)
{
    struct ol_error err = {0};
    struct ol_run *run = bench_event_build(e, client);
    if (ol_run_emit(run, OL_START, &err) != OL_OK) /* OL_PARTIAL as well: a setter failed */
        bench_die("ol_run_emit: %s", err.message);
    ol_run_free(run);
}

char *bench_event_line(const struct bench_event *e, size_t *ret_size)
{
    char directory[256];
    struct ol_error err;
    bench_directory_make(directory, sizeof directory);
    struct ol_client *client = bench_client_open(directory);
    bench_event_emit(e, client);
    char *line = bench_last_line(directory, ret_size);
    if (ol_client_close(client, 0, &err) != OL_OK)
        bench_die("close: %s", err.message);
    bench_directory_remove(directory);
    return line;
}
