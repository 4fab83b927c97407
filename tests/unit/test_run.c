/* SPDX-License-Identifier: Apache-2.0 */
/* The events of runs, jobs and datasets are, byte for byte, what is written here by hand; and what
 * a run answers when it is used wrongly or something fails. */
#include "emitter_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "client.h"
#include "fail_alloc.h"
#include "fault_fs.h"

#define RUN_ID "01a1fdf6-1a8b-7197-a023-18fbf2fcf91c"
#define PARENT_ID "11111111-1111-7111-8111-111111111111"
#define ROOT_ID "22222222-2222-7222-8222-222222222222"
#define TIME_MS INT64_C(1763730000123)
#define P "\"_producer\":\"https://example.org/p/1\","
#define FACETS "\"_schemaURL\":\"https://openlineage.io/spec/facets/"
#define CORE "\"schemaURL\":\"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
#define ENGINE                                                                                     \
    "\"processing_engine\":{" P FACETS                                                             \
    "1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet\",\"version\":\"0.1.0\"," \
    "\"name\":\"libopenlineage\",\"openlineageAdapterVersion\":\"0.1.0\"}"
#define EVENT(type)                                                                                \
    "{\"eventType\":\"" type "\",\"eventTime\":\"2025-11-21T13:00:00.123Z\","                      \
    "\"producer\":\"https://example.org/p/1\"," CORE "RunEvent\",\"run\":{\"runId\":\"" RUN_ID     \
    "\",\"facets\":{"
#define PARENT_HEAD ",\"parent\":{" P FACETS "1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet\","
#define WHO(ns, name, id)                                                                          \
    "\"run\":{\"runId\":\"" id "\"},\"job\":{\"namespace\":\"" ns "\",\"name\":\"" name "\"}"
#define ROWS(n)                                                                                    \
    "\"outputStatistics\":{" P FACETS "1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/"      \
    "OutputStatisticsOutputDatasetFacet\",\"rowCount\":" n "}"
#define SQL                                                                                        \
    "\"sql\":{" P FACETS "1-1-0/SQLJobFacet.json#/$defs/SQLJobFacet\",\"query\":\"select 1\"}"

struct fixture {
    char *directory;
    struct ol__journal_limits limits;
    struct ol_client *client;
    struct ol_run *run;
};

static void open_client(struct fixture *f)
{
    struct ol_error err = {.message = ""};
    const struct ol__client_hooks hooks = {.fs = &fault_fs, .limits = &f->limits};
    if (ol__client_open_hooked(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                                       .journal_directory = f->directory),
                               &hooks, &f->client, &err) != OL_OK)
        fail_msg("%s", err.message);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fault_fs_reset();
    f->directory = help_directory();
    f->limits = ol__journal_limits_default;
    f->limits.floor_percent = 0;
    help_clean_environment(f->directory);
    open_client(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fault_fs_reset();
    ol_run_free(f->run);
    ol_client_close(f->client, 0, NULL);
    help_remove(f->directory);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    ol_client_close(f->client, 0, NULL);
    open_client(f);
}

static void new_run(struct fixture *f, const struct ol_run_options *options)
{
    struct ol_error err = {.message = ""};
    if (ol_run_new(f->client, options, &f->run, &err) != OL_OK)
        fail_msg("%s", err.message);
}

static void emit(struct fixture *f, enum ol_event event)
{
    struct ol_error err = {.message = ""};
    if (ol_run_emit_at(f->run, event, TIME_MS, &err) != OL_OK)
        fail_msg("%s", err.message);
}

/* The events so far are exactly these, ended by NULL. */
static void assert_journal(struct fixture *f, const char *const *want)
{
    size_t count = 0;
    struct help_journals all = help_read(f->directory);
    const char **events = help_events(&all, &count);
    for (size_t i = 0; want[i] != NULL; i++) {
        assert_true(i < count);
        assert_string_equal(events[i], want[i]);
    }
    assert_null(want[count]);
    free(events);
    help_release(&all);
}

static void terminal_event_carries_everything(void **state)
{
    struct fixture *f = *state;
    new_run(f, OL_MAKE(ol_run_options, .job_namespace = "ns", .job_name = "clean \"it\"",
                       .run_id = RUN_ID));
    ol_job_set_sql(ol_run_job(f->run), OL_MAKE(ol_sql, .query = "select 1"));
    assert_non_null(ol_run_input_named(f->run, "file", "/raw.csv"));
    struct ol_dataset *out = ol_run_output(f->run, "postgres://db/shop.public.users");
    assert_ptr_equal(ol_run_output(f->run, "postgresql://me:x@DB:5432/shop/public/users"), out);
    emit(f, OL_START);
    ol_dataset_set_output_statistics(out, OL_MAKE(ol_output_statistics, .row_count = OL_INT(0)));
    emit(f, OL_COMPLETE);
#define REST(facets)                                                                               \
    ENGINE "}},\"job\":{\"namespace\":\"ns\",\"name\":\"clean \\\"it\\\"\",\"facets\":{" SQL "}}," \
           "\"inputs\":[{\"namespace\":\"file\",\"name\":\"/"                                      \
           "raw.csv\",\"facets\":{},\"inputFacets\":{}}],"                                         \
           "\"outputs\":[{\"namespace\":\"postgres://db:5432\",\"name\":\"shop.public.users\","    \
           "\"facets\":{},\"outputFacets\":{" facets "}}]}"
    assert_journal(
        f, (const char *const[]){EVENT("START") REST(""), EVENT("COMPLETE") REST(ROWS("0")), NULL});
}

static void empty_parts_are_there(void **state)
{
    static const char *const names[] = {"START", "RUNNING", "OTHER", "COMPLETE", "FAIL", "ABORT"};
    struct fixture *f = *state;
    for (int event = OL_START; event <= OL_ABORT; event++) {
        char want[1200];
        new_run(f, OL_MAKE(ol_run_options, .job_name = "j", .run_id = RUN_ID));
        emit(f, (enum ol_event)event);
        snprintf(
            want, sizeof want,
            EVENT("%s") ENGINE
            "}},\"job\":{\"namespace\":\"default\",\"name\":\"j\",\"facets\":{}},\"inputs\":[],"
            "\"outputs\":[]}",
            names[event]);
        struct help_journals all = help_read(f->directory);
        assert_string_equal(all.files[0].lines[1 + event], want);
        help_release(&all);
        ol_run_free(f->run);
        f->run = NULL;
    }
}

static void lean_end_leaves_out_what_was_sent(void **state)
{
    struct fixture *f = *state;
    new_run(f, OL_MAKE(ol_run_options, .job_namespace = "ns", .job_name = "j", .run_id = RUN_ID,
                       .is_lean = true));
    ol_job_set_sql(ol_run_job(f->run), OL_MAKE(ol_sql, .query = "select 1"));
    ol_run_input_named(f->run, "file", "/in");
    struct ol_dataset *out = ol_run_output_named(f->run, "file", "/out");
    emit(f, OL_START);
    ol_dataset_set_output_statistics(out, OL_MAKE(ol_output_statistics, .row_count = OL_INT(7)));
    fault_fs_fail(FAULT_WRITE, 1, ENOSPC); /* a refused event changes nothing */
    assert_int_equal(ol_run_emit_at(f->run, OL_COMPLETE, TIME_MS, NULL), OL_FULL);
    fault_fs_stop();
    emit(f, OL_COMPLETE);
    assert_journal(
        f, (const char *const[]){
               EVENT("START") ENGINE
               "}},\"job\":{\"namespace\":\"ns\",\"name\":\"j\",\"facets\":{" SQL "}},"
               "\"inputs\":[{\"namespace\":\"file\",\"name\":\"/"
               "in\",\"facets\":{},\"inputFacets\":{}}],"
               "\"outputs\":[{\"namespace\":\"file\",\"name\":\"/"
               "out\",\"facets\":{},\"outputFacets\":{}}]}",
               EVENT("COMPLETE") ENGINE
               "}},\"job\":{\"namespace\":\"ns\",\"name\":\"j\",\"facets\":{}},"
               "\"inputs\":[],\"outputs\":[{\"namespace\":\"file\",\"name\":\"/out\",\"facets\":{},"
               "\"outputFacets\":{" ROWS("7") "}}]}",
               NULL});
}

static void parent_and_root_come_from_the_environment(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *parent, *root, *facet, *root_id;
    } rows[] = {
        {"airflow/dag.task/" PARENT_ID, "airflow/dag/" ROOT_ID,
         PARENT_HEAD WHO("airflow", "dag.task", PARENT_ID) ",\"root\":{" WHO("airflow", "dag",
                                                                             ROOT_ID) "}}",
         "airflow/dag/" ROOT_ID},
        {"airflow/dag.task/" PARENT_ID, NULL,
         PARENT_HEAD WHO("airflow", "dag.task", PARENT_ID) ",\"root\":{" WHO("airflow", "dag.task",
                                                                             PARENT_ID) "}}",
         "airflow/dag.task/" PARENT_ID},
        {"s://host:1/a/b/" PARENT_ID, NULL,
         PARENT_HEAD WHO("s://host:1", "a/b", PARENT_ID) ",\"root\":{" WHO("s://host:1", "a/b",
                                                                           PARENT_ID) "}}",
         "s://host:1/a/b/" PARENT_ID},
        {NULL, NULL, "", "default/j/" RUN_ID},
        {NULL, "airflow/dag/" ROOT_ID, "", "default/j/" RUN_ID},
    };
    const char *want[sizeof rows / sizeof rows[0] + 1] = {NULL};
    static char texts[sizeof rows / sizeof rows[0]][2000];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        help_clean_environment(f->directory);
        if (rows[i].parent != NULL)
            setenv("OPENLINEAGE_PARENT_ID", rows[i].parent, 1);
        if (rows[i].root != NULL)
            setenv("OPENLINEAGE_ROOT_PARENT_ID", rows[i].root, 1);
        reopen(f);
        new_run(f, OL_MAKE(ol_run_options, .job_name = "j", .run_id = RUN_ID));
        assert_string_equal(ol_run_parent_id(f->run), "default/j/" RUN_ID);
        assert_string_equal(ol_run_root_parent_id(f->run), rows[i].root_id);
        emit(f, OL_START);
        snprintf(texts[i], sizeof texts[i],
                 EVENT("START") ENGINE
                 "%s}},\"job\":{\"namespace\":\"default\","
                 "\"name\":\"j\",\"facets\":{}},\"inputs\":[],\"outputs\":[]}",
                 rows[i].facet);
        want[i] = texts[i];
        assert_journal(f, want);
        ol_run_free(f->run);
        f->run = NULL;
    }
}

static void children_name_parent_and_root(void **state)
{
    struct fixture *f = *state;
    struct ol_run *child = NULL, *grandchild = NULL;
    new_run(
        f, OL_MAKE(ol_run_options, .job_namespace = "a/b", .job_name = "top/1", .run_id = ROOT_ID));
    assert_int_equal(
        ol_run_new_child(f->run, OL_MAKE(ol_run_options, .job_name = "mid", .run_id = PARENT_ID),
                         &child, NULL),
        OL_OK);
    assert_int_equal(ol_run_new_child(child,
                                      OL_MAKE(ol_run_options, .job_name = "leaf", .run_id = RUN_ID),
                                      &grandchild, NULL),
                     OL_OK);
    assert_string_equal(ol_run_root_parent_id(grandchild), "a/b/top/1/" ROOT_ID);
    assert_int_equal(ol_run_emit_at(grandchild, OL_START, TIME_MS, NULL), OL_OK);
    assert_journal(
        f, (const char *const[]){
               EVENT("START") ENGINE PARENT_HEAD WHO("default", "mid", PARENT_ID) ",\"root\":{" WHO(
                   "a/b", "top/1",
                   ROOT_ID) "}}}},\"job\":{\"namespace\":\"default\",\"name\":\"leaf\","
                            "\"facets\":{}},\"inputs\":[],\"outputs\":[]}",
               NULL});
    ol_run_free(child);
    ol_run_free(grandchild);
    /* A parent facet of the host's own counts as well. */
    ol_run_set_parent(
        f->run, OL_MAKE(ol_parent, .run_id = PARENT_ID, .job_namespace = "x", .job_name = "y"));
    assert_string_equal(ol_run_root_parent_id(f->run), "x/y/" PARENT_ID);
}

static void job_and_dataset_events(void **state)
{
    struct fixture *f = *state;
    struct ol_dataset *subject = NULL;
    assert_int_equal(ol_job_event_new(f->client, "ns", "j", &f->run, NULL), OL_OK);
    ol_run_input_named(f->run, "file", "/in");
    assert_null(ol_run_id(f->run));
    assert_int_equal(ol_run_emit(f->run, OL_START, NULL), OL_INVALID);
    assert_int_equal(ol_job_event_emit(f->run, NULL), OL_OK);
    ol_run_free(f->run);
    f->run = NULL;
    assert_int_equal(ol_dataset_event_new(f->client,
                                          "s3a://b/k#md5:0123456789abcdef0123456789abcdef", &f->run,
                                          &subject, NULL),
                     OL_OK);
    assert_non_null(subject);
    assert_null(ol_run_input(f->run, "/x"));
    struct ol_error err;
    assert_int_equal(ol_dataset_event_emit(f->run, &err), OL_PARTIAL);
    struct help_journals all = help_read(f->directory);
    char *job = all.files[0].lines[1], *dataset = all.files[0].lines[2];
    static const char head[] = "{\"eventTime\":\"";
    assert_memory_equal(job, head, sizeof head - 1);
    assert_memory_equal(dataset, head, sizeof head - 1);
    assert_string_equal(job + sizeof head - 1 + 24,
                        "\",\"producer\":\"https://example.org/p/1\"," CORE
                        "JobEvent\",\"job\":{\"namespace\":\"ns\",\"name\":\"j\","
                        "\"facets\":{}},\"inputs\":[{\"namespace\":\"file\",\"name\":\"/"
                        "in\",\"facets\":{},\"inputFacets\":{}}],"
                        "\"outputs\":[]}");
    assert_string_equal(dataset + sizeof head - 1 + 24,
                        "\",\"producer\":\"https://example.org/p/1\"," CORE
                        "DatasetEvent\",\"dataset\":{\"namespace\":\"s3://b\","
                        "\"name\":\"k\",\"facets\":{\"version\":{" P FACETS
                        "1-0-1/DatasetVersionDatasetFacet.json#/$defs/"
                        "DatasetVersionDatasetFacet\",\"datasetVersion\":\"md5:"
                        "0123456789abcdef0123456789abcdef\"}}}}");
    help_release(&all);
}

/* By name as OpenLineage has it, at a time of its own, again and again; a facet that holds no more.
 */
static void named_events_at_their_time(void **state)
{
    struct fixture *f = *state;
    struct ol_dataset *subject = NULL;
    struct ol_error err;
    assert_int_equal(ol_dataset_event_new_named(f->client, "s3a://b", "", &f->run, &subject, &err),
                     OL_INVALID);
    assert_null(f->run);
    assert_int_equal(ol_dataset_event_new_named(NULL, "s3a://b", "k#1", &f->run, &subject, &err),
                     OL_DISABLED);
    assert_int_equal(
        ol_dataset_event_new_named(f->client, "s3a://b", "k#1", &f->run, &subject, &err), OL_OK);
    ol_dataset_delete_facet(subject, "schema", NULL);
    assert_int_equal(ol_dataset_event_emit_at(f->run, TIME_MS, NULL), OL_OK);
    assert_int_equal(ol_dataset_event_emit_at(f->run, TIME_MS, NULL), OL_OK);
    ol_run_free(f->run);
    assert_int_equal(ol_job_event_new(f->client, "ns", "j", &f->run, NULL), OL_OK);
    ol_job_delete_facet(ol_run_job(f->run), "sql", NULL);
    assert_int_equal(ol_job_event_emit_at(f->run, TIME_MS, NULL), OL_OK);
    assert_int_equal(ol_dataset_event_emit_at(f->run, TIME_MS, NULL), OL_INVALID);
    assert_int_equal(ol_job_delete_facet(NULL, "sql", NULL), OL_DISABLED);
    assert_int_equal(ol_dataset_delete_facet(NULL, "schema", NULL), OL_DISABLED);
    struct help_journals all = help_read(f->directory);
    const char *dataset =
        "{\"eventTime\":\"2025-11-21T13:00:00.123Z\",\"producer\":\"https://example.org/p/1\"," CORE
        "DatasetEvent\",\"dataset\":{\"namespace\":\"s3a://b\",\"name\":\"k#1\","
        "\"facets\":{\"schema\":{" P FACETS "1-2-0/SchemaDatasetFacet.json#/$defs/"
        "SchemaDatasetFacet\",\"_deleted\":true}}}}";
    assert_string_equal(all.files[0].lines[1], dataset);
    assert_string_equal(all.files[0].lines[2], dataset);
    assert_string_equal(
        all.files[0].lines[3],
        "{\"eventTime\":\"2025-11-21T13:00:00.123Z\",\"producer\":\"https://example.org/p/1\"," CORE
        "JobEvent\",\"job\":{\"namespace\":\"ns\",\"name\":\"j\",\"facets\":{\"sql\":{" P FACETS
        "1-1-0/SQLJobFacet.json#/$defs/SQLJobFacet\",\"_deleted\":true}}},"
        "\"inputs\":[],\"outputs\":[]}");
    help_release(&all);
}

static void detached_runs_have_a_note(void **state)
{
    struct fixture *f = *state;
    new_run(f, OL_MAKE(ol_run_options, .job_name = "j", .run_id = RUN_ID, .is_detached = true));
    unsigned long writes = fault_fs_calls(FAULT_WRITE);
    emit(f, OL_START);
    assert_int_equal(fault_fs_calls(FAULT_WRITE) - writes,
                     2); /* the header; note and event together */
    emit(f, OL_COMPLETE);
    struct help_journals all = help_read(f->directory);
    assert_int_equal(all.files[0].count, 4);
    assert_string_equal(all.files[0].lines[1],
                        "{\"ol_journal_run\":\"" RUN_ID "\",\"detached\":true}");
    help_release(&all);
}

static void failures_of_setters_come_once(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    new_run(f, OL_MAKE(ol_run_options, .job_name = "j"));
    assert_null(ol_run_input(f->run, ""));
    ol_job_set_sql(ol_run_job(f->run), OL_MAKE(ol_sql, .dialect = "no query"));
    fault_fs_fail(FAULT_WRITE, 1, ENOSPC);
    assert_int_equal(ol_run_emit(f->run, OL_START, &err), OL_FULL);
    fault_fs_stop();
    assert_int_equal(ol_run_emit(f->run, OL_START, &err), OL_PARTIAL); /* still to be told */
    assert_int_equal(err.status, OL_PARTIAL);
    assert_non_null(strstr(err.message, "dataset")); /* the first of the two */
    assert_int_equal(ol_run_emit(f->run, OL_RUNNING, &err), OL_OK);
}

static void wrong_use_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    struct ol_run *none = (struct ol_run *)f;
    static const struct {
        const char *name, *run_id;
    } rows[] = {
        {NULL, NULL}, {"", NULL}, {"j", "no-uuid"}, {"j", "01a1fdf6-1a8b-7197-a023-18fbf2fcf91cc"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        none = (struct ol_run *)f;
        assert_int_equal(
            ol_run_new(f->client,
                       OL_MAKE(ol_run_options, .job_name = rows[i].name, .run_id = rows[i].run_id),
                       &none, &err),
            OL_INVALID);
        assert_null(none);
        assert_int_equal(err.status, OL_INVALID);
    }
    assert_int_equal(ol_run_new(f->client, &(struct ol_run_options){.job_name = "j"}, &none, &err),
                     OL_INVALID);
    new_run(f, OL_MAKE(ol_run_options, .job_name = "j"));
    assert_int_equal(ol_run_emit(f->run, (enum ol_event)17, NULL), OL_INVALID);
    emit(f, OL_FAIL);
    assert_int_equal(ol_run_emit(f->run, OL_COMPLETE, &err), OL_INVALID);
    const char *reason = NULL;
    assert_int_equal(ol_client_lost(f->client, &reason), 2);
    assert_non_null(reason);
    /* NULL everywhere */
    assert_int_equal(ol_run_new(NULL, OL_MAKE(ol_run_options, .job_name = "j"), &none, NULL),
                     OL_DISABLED);
    assert_int_equal(ol_run_emit(NULL, OL_START, NULL), OL_DISABLED);
    assert_null(ol_run_input(NULL, "x"));
    assert_null(ol_run_job(NULL));
    assert_null(ol_run_id(NULL));
    assert_null(ol_run_parent_id(NULL));
    assert_null(ol_run_root_parent_id(NULL));
    assert_int_equal(ol_run_set_facet_json(NULL, "a", NULL, "{}", 2), OL_DISABLED);
    assert_int_equal(ol_dataset_set_side_facet_json(NULL, "a", NULL, "{}", 2), OL_DISABLED);
    ol_run_free(NULL);
    assert_int_equal(ol_client_close(NULL, 0, NULL), OL_DISABLED);
}

static void many_datasets_are_found_again(void **state)
{
    struct fixture *f = *state;
    char name[32];
    struct ol_dataset *made[2000];
    new_run(f, OL_MAKE(ol_run_options, .job_name = "j"));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2000; i++) {
            snprintf(name, sizeof name, "/d/%d", i);
            struct ol_dataset *d = ol_run_input_named(f->run, "file", name);
            assert_non_null(d);
            if (round > 0)
                assert_ptr_equal(d, made[i]);
            made[i] = d;
        }
    }
    assert_ptr_not_equal(ol_run_output_named(f->run, "file", "/d/1"),
                         made[1]); /* each side has its own */
}

static void too_large_an_event_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    size_t size = 15u << 20;
    char *query = malloc(size);
    memset(query, 'x', size);
    query[size - 1] = '\0';
    new_run(f, OL_MAKE(ol_run_options, .job_name = "j"));
    assert_int_equal(ol_run_set_error_message(f->run, OL_MAKE(ol_error_message, .message = query,
                                                              .programming_language = "C")),
                     OL_OK);
    emit(f, OL_START);
    query[size / 2] = '\0';
    ol_job_set_job_type(ol_run_job(f->run),
                        OL_MAKE(ol_job_type, .processing_type = "BATCH", .integration = query));
    assert_int_equal(ol_run_emit(f->run, OL_COMPLETE, &err), OL_TOO_LARGE);
    assert_non_null(strstr(err.message, "16777214"));
    assert_int_equal(ol_client_lost(f->client, NULL), 1);
    assert_int_equal(ol_client_shed(f->client), 0);
    ol_job_set_job_type(ol_run_job(f->run),
                        OL_MAKE(ol_job_type, .processing_type = "BATCH", .integration = "SQL"));
    emit(f, OL_COMPLETE); /* the run is as it was */
    free(query);
}

static ol_status whole_life(struct fixture *f)
{
    struct ol_client *client = NULL;
    struct ol_run *run = NULL, *child = NULL;
    const struct ol__client_hooks hooks = {.limits = &f->limits};
    setenv("OPENLINEAGE_PARENT_ID", "a/b/" PARENT_ID, 1);
    ol_status worst =
        ol__client_open_hooked(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                                       .journal_directory = f->directory),
                               &hooks, &client, NULL);
    if (worst == OL_OK)
        worst = ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "j", .is_lean = true), &run,
                           NULL);
    if (worst == OL_OK)
        worst = ol_run_new_child(run, OL_MAKE(ol_run_options, .job_name = "c"), &child, NULL);
    struct ol_dataset *d = ol_run_input(run, "s3://b/k#md5:0123456789abcdef0123456789abcdef");
    ol_dataset_set_data_source(d, OL_MAKE(ol_data_source, .name = "d"));
    ol_run_set_facet_json(run, "my_own", "https://example.org/my.json", "{\"a\": [1, 2]}", 13);
    ol_status status = ol_run_emit(run, OL_START, NULL);
    if (worst == OL_OK && status != OL_OK)
        worst = status;
    if (run != NULL)
        assert_non_null(ol_run_root_parent_id(run));
    ol_run_free(child);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    return worst;
}

static void every_failed_allocation_is_survived(void **state)
{
    struct fixture *f = *state;
    unsigned long n = 1;
    for (;; n++) {
        fail_alloc_at(n);
        ol_status status = whole_life(f);
        if (!fail_alloc_stop()) {
            assert_int_equal(status, OL_OK);
            break;
        }
        /* Told, or without consequence (a number of the journal's header, say). */
        if (status != OL_OK && status != OL_NOMEM && status != OL_PARTIAL)
            fail_msg("allocation %lu: %s", n, ol_status_name(status));
        assert_true(n < 1000);
    }
    assert_true(n > 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(terminal_event_carries_everything),   TEST(empty_parts_are_there),
        TEST(lean_end_leaves_out_what_was_sent),   TEST(parent_and_root_come_from_the_environment),
        TEST(children_name_parent_and_root),       TEST(job_and_dataset_events),
        TEST(named_events_at_their_time),          TEST(detached_runs_have_a_note),
        TEST(failures_of_setters_come_once),       TEST(wrong_use_is_refused),
        TEST(many_datasets_are_found_again),       TEST(too_large_an_event_is_refused),
        TEST(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
