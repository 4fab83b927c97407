/* SPDX-License-Identifier: Apache-2.0 */
/* Typical mistakes of a program's author: each call says so, names the thing that is wrong, and
 * what was expected in its place. */
#include "emitter_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openlineage/openlineage.h>

#define PRODUCER "https://example.org/mistakes/1.0"

struct fixture {
    char *home, before[1024];
    struct ol_client *client;
    struct ol_run *run, *job_event, *dataset_event;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct ol_dataset *dataset;
    f->home = help_directory();
    help_clean_environment(f->home);
    if (getcwd(f->before, sizeof f->before) == NULL || chdir(f->home) != 0 ||
        ol_client_open(OL_MAKE(ol_client_options, .producer = PRODUCER, .journal_directory = "j"),
                       &f->client, NULL) != OL_OK ||
        ol_run_new(f->client, OL_MAKE(ol_run_options, .job_name = "job"), &f->run, NULL) != OL_OK ||
        ol_job_event_new(f->client, NULL, "job", &f->job_event, NULL) != OL_OK ||
        ol_dataset_event_new(f->client, "data.csv", &f->dataset_event, &dataset, NULL) != OL_OK)
        return -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ol_run_free(f->run);
    ol_run_free(f->job_event);
    ol_run_free(f->dataset_event);
    ol_client_close(f->client, 0, NULL);
    int result = chdir(f->before);
    help_clean_environment("/");
    help_remove(f->home);
    free(f);
    return result;
}

/* The status is as expected and the same in @p err, whose message has both texts. */
static void expect(ol_status got, ol_status want, const struct ol_error *err, const char *thing,
                   const char *expected)
{
    if (got != want || err->status != want || strstr(err->message, thing) == NULL ||
        strstr(err->message, expected) == NULL)
        fail_msg("wanted %s, '%s' and '%s'; got %s (%s): %s", ol_status_name(want), thing, expected,
                 ol_status_name(got), ol_status_name(err->status), err->message);
}
#define EXPECT(want, thing, expected, call)                                                        \
    do {                                                                                           \
        struct ol_error err = {.status = OL_OK};                                                   \
        ol_status got = call;                                                                      \
        expect(got, want, &err, thing, expected);                                                  \
    } while (0)

/* ---- opening ---- */

static void opening(void **state)
{
    static const struct {
        struct ol_client_options options;
        ol_status want;
        const char *thing, *expected;
    } rows[] = {
        {{.producer = PRODUCER}, OL_INVALID, "ol_client_options: struct_size", "OL_MAKE"},
        {OL_ITEM(ol_client_options, .producer = NULL), OL_INVALID, "producer: none",
         "https://example.org/program/1.0"},
        {OL_ITEM(ol_client_options, .producer = "myprog"), OL_INVALID, "producer: 'myprog'",
         "https://example.org/program/1.0"},
        {OL_ITEM(ol_client_options, .producer = PRODUCER, .durability = (enum ol_durability)7),
         OL_INVALID, "durability: 7", "enum ol_durability"},
        {OL_ITEM(ol_client_options, .producer = PRODUCER, .config_path = "nowhere.yml"), OL_CONFIG,
         "'nowhere.yml'", "No such file"},
        {OL_ITEM(ol_client_options, .producer = PRODUCER, .journal_directory = "/dev/null/j"),
         OL_IO, "journal directory '/dev/null/j'", "Not a directory"},
        {OL_ITEM(ol_client_options, .producer = PRODUCER, .journal_directory = "/dev/null"), OL_IO,
         "journal directory '/dev/null'", "Not a directory"},
    };
    struct ol_client *client = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT(rows[i].want, rows[i].thing, rows[i].expected,
               ol_client_open(&rows[i].options, &client, &err));
        assert_null(client);
    }
    EXPECT(OL_INVALID, "ol_client_options: NULL", "struct ol_client_options",
           ol_client_open(NULL, &client, &err));
}

static void variables(void **state)
{
    static const struct {
        const char *name, *value, *thing, *expected;
    } rows[] = {
        {"OPENLINEAGE__TRANSPORT__TYPE", "htpp", "OPENLINEAGE__TRANSPORT__TYPE: 'htpp'",
         "did you mean 'http'?"},
        {"OPENLINEAGE__TRANSPORT__TYPE", "http", "OPENLINEAGE__TRANSPORT__TYPE", "needs a url"},
        {"OPENLINEAGE__TRANSPORT__TYPE", "file", "OPENLINEAGE__TRANSPORT__TYPE",
         "needs a location"},
        {"OPENLINEAGE_URL", "localhost:5000", "OPENLINEAGE_URL: 'localhost:5000'",
         "expected http://"},
        {"OPENLINEAGE_DISABLED", "perhaps", "OPENLINEAGE_DISABLED: 'perhaps'",
         "expected true or false"},
    };
    struct ol_client *client = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setenv(rows[i].name, rows[i].value, 1);
        EXPECT(OL_CONFIG, rows[i].thing, rows[i].expected,
               ol_client_open(OL_MAKE(ol_client_options, .producer = PRODUCER), &client, &err));
        assert_null(client);
        unsetenv(rows[i].name);
    }
}

/* ---- NULL: a result, and a reason ---- */

static void nothing_there(void **state)
{
    struct ol_run *run;
    struct ol_dataset *dataset;
    (void)state;
    EXPECT(OL_DISABLED, "ol_run_new", "no client",
           ol_run_new(NULL, OL_MAKE(ol_run_options, .job_name = "job"), &run, &err));
    EXPECT(OL_DISABLED, "ol_job_event_new", "no client",
           ol_job_event_new(NULL, NULL, "job", &run, &err));
    EXPECT(OL_DISABLED, "ol_dataset_event_new", "no client",
           ol_dataset_event_new(NULL, "data.csv", &run, &dataset, &err));
    EXPECT(OL_DISABLED, "ol_run_new_child", "no parent run",
           ol_run_new_child(NULL, OL_MAKE(ol_run_options, .job_name = "job"), &run, &err));
    EXPECT(OL_DISABLED, "ol_run_emit", "no run", ol_run_emit(NULL, OL_START, &err));
    EXPECT(OL_DISABLED, "ol_job_event_emit", "no job event", ol_job_event_emit(NULL, &err));
    EXPECT(OL_DISABLED, "ol_dataset_event_emit", "no dataset event",
           ol_dataset_event_emit(NULL, &err));
    EXPECT(OL_DISABLED, "ol_context_inject", "no run", ol_context_inject(NULL, NULL, &err));
    EXPECT(OL_DISABLED, "ol_context_extract", "no run", ol_context_extract(NULL, NULL, &err));
    EXPECT(OL_DISABLED, "ol_client_close", "no client", ol_client_close(NULL, 0, &err));
}

/* ---- runs ---- */

static void new_runs(void **state)
{
    static const struct {
        struct ol_run_options options;
        const char *thing, *expected;
    } rows[] = {
        {{.job_name = "job"}, "ol_run_options: struct_size", "OL_MAKE"},
        {OL_ITEM(ol_run_options, .job_name = NULL), "job_name: none", "expected the name"},
        {OL_ITEM(ol_run_options, .job_name = ""), "job_name: none", "expected the name"},
        {OL_ITEM(ol_run_options, .job_name = "job", .job_namespace = ""), "job_namespace: empty",
         "NULL"},
        {OL_ITEM(ol_run_options, .job_name = "job", .run_id = "17"), "run_id: '17' is no UUID",
         "foreign_id"},
    };
    struct fixture *f = *state;
    struct ol_run *run = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT(OL_INVALID, rows[i].thing, rows[i].expected,
               ol_run_new(f->client, &rows[i].options, &run, &err));
        assert_null(run);
    }
    EXPECT(OL_INVALID, "ol_run_options: NULL", "struct ol_run_options",
           ol_run_new(f->client, NULL, &run, &err));
    EXPECT(OL_INVALID, "parent", "ol_run_new()",
           ol_run_new_child(f->job_event, OL_MAKE(ol_run_options, .job_name = "job"), &run, &err));
}

static void emits(void **state)
{
    struct fixture *f = *state;
    EXPECT(OL_INVALID, "ol_run_emit", "OL_START to OL_ABORT",
           ol_run_emit(f->run, (enum ol_event)42, &err));
    EXPECT(OL_INVALID, "ol_run_emit", "an event without a run",
           ol_run_emit(f->job_event, OL_START, &err));
    EXPECT(OL_INVALID, "ol_job_event_emit", "ol_job_event_new()", ol_job_event_emit(f->run, &err));
    EXPECT(OL_INVALID, "ol_dataset_event_emit", "ol_dataset_event_new()",
           ol_dataset_event_emit(f->job_event, &err));
    EXPECT(OL_INVALID, "ol_carrier: NULL", "struct ol_carrier",
           ol_context_inject(f->run, NULL, &err));
    EXPECT(OL_INVALID, "ol_context_inject", "put: required",
           ol_context_inject(f->run, OL_MAKE(ol_carrier, .arg = f), &err));
    EXPECT(OL_INVALID, "ol_context_extract", "get: required",
           ol_context_extract(f->run, OL_MAKE(ol_carrier, .arg = f), &err));
    assert_int_equal(ol_run_emit(f->run, OL_FAIL, NULL), OL_OK);
    EXPECT(OL_INVALID, "COMPLETE, FAIL or ABORT", "ol_run_new()",
           ol_run_emit(f->run, OL_COMPLETE, &err));
}

/* What a setter refuses comes back from the next emit, with facet and field. */
static void facets(void **state)
{
    struct fixture *f = *state;
    struct ol_dataset *in = ol_run_input(f->run, "data.csv");
    static const char json[] = "{\"a\": }";
    assert_int_equal(ol_run_set_error_message(f->run, OL_MAKE(ol_error_message, .message = "m")),
                     OL_INVALID);
    EXPECT(OL_PARTIAL, "errorMessage", "programmingLanguage is required",
           ol_run_emit(f->run, OL_START, &err));
    assert_int_equal(
        ol_dataset_set_output_statistics(in, OL_MAKE(ol_output_statistics, .size = OL_INT(1))),
        OL_INVALID);
    EXPECT(OL_PARTIAL, "outputStatistics", "output", ol_run_emit(f->run, OL_RUNNING, &err));
    assert_int_equal(ol_run_set_facet_json(f->run, "own_facet", NULL, json, strlen(json)),
                     OL_INVALID);
    EXPECT(OL_PARTIAL, "own_facet", "", ol_run_emit(f->run, OL_RUNNING, &err));
    assert_int_equal(ol_run_set_facet_json(f->run, "own_facet", "https://example.org/own.json",
                                           json, strlen(json)),
                     OL_INVALID);
    EXPECT(OL_PARTIAL, "own_facet", "byte", ol_run_emit(f->run, OL_RUNNING, &err));
    assert_null(ol_run_input(f->run, "postgres://db"));
    EXPECT(OL_PARTIAL, "'postgres://db'", "no name", ol_run_emit(f->run, OL_RUNNING, &err));
}

static void count_logs(void *arg, ol_status status, const char *message)
{
    (void)status;
    (void)message;
    ++*(int *)arg;
}

/* The client is closed while runs of it are left: they, their children and a second close are
 * refused, nothing is logged any more, and each may still be freed, in any order. */
static void closed_too_early(void **state)
{
    (void)state;
    struct ol_client *client = NULL;
    struct ol_run *run = NULL, *child = NULL, *job_event = NULL;
    int logs = 0;
    assert_int_equal(
        ol_client_open(OL_MAKE(ol_client_options, .producer = PRODUCER, .journal_directory = "k",
                               .log = count_logs, .log_arg = &logs),
                       &client, NULL),
        OL_OK);
    assert_int_equal(ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "early"), &run, NULL),
                     OL_OK);
    assert_int_equal(ol_job_event_new(client, NULL, "early", &job_event, NULL), OL_OK);
    assert_int_equal(ol_run_emit(run, OL_START, NULL), OL_OK);
    assert_int_equal(ol_client_close(client, 0, NULL), OL_OK);
    EXPECT(OL_INVALID, "ol_client_close()", "before this event",
           ol_run_emit(run, OL_COMPLETE, &err));
    EXPECT(OL_INVALID, "ol_client_close()", "before this event",
           ol_job_event_emit(job_event, &err));
    assert_int_equal(
        ol_run_new_child(run, OL_MAKE(ol_run_options, .job_name = "child"), &child, NULL), OL_OK);
    EXPECT(OL_INVALID, "ol_client_close()", "before this event",
           ol_run_emit(child, OL_START, &err));
    EXPECT(OL_INVALID, "ol_client_close", "closed already", ol_client_close(client, 0, &err));
    ol_run_free(run);
    EXPECT(OL_INVALID, "ol_client_close()", "before this event",
           ol_run_emit(child, OL_START, &err));
    ol_run_free(job_event);
    ol_run_free(child);
    assert_int_equal(logs, 0);
}

/* ---- names and ids ---- */

static void names_and_ids(void **state)
{
    char space[8], name[8], id[OL_ID_SIZE];
    (void)state;
    EXPECT(OL_INVALID, "a buffer or its size", "name space, name and version",
           ol_dataset_name("/x", space, sizeof space, name, sizeof name, NULL, 0, &err));
    EXPECT(OL_INVALID, "ol_airflow_task: NULL", "struct ol_airflow_task",
           ol_id_derive_airflow_task(NULL, id, &err));
    EXPECT(OL_INVALID, "'yesterday'", "RFC 3339",
           ol_id_derive(OL_ID_PYTHON, "yesterday", "x", 1, id, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opening, set_up, tear_down),
        cmocka_unit_test_setup_teardown(variables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(emits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(facets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closed_too_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_and_ids, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("mistakes", tests, NULL, NULL);
}
