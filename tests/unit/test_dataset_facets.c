/* SPDX-License-Identifier: Apache-2.0 */
/* What a name says beside the name goes into facets, and what a run's id was made of stays in the
 * event: version, datasetType, lineaged_run. */
#include "emitter_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openlineage/openlineage.h>

struct fixture {
    char *directory;
    struct ol_client *client;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->directory = help_directory();
    help_clean_environment(f->directory);
    assert_int_equal(
        ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                               .journal_directory = f->directory),
                       &f->client, NULL),
        OL_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ol_client_close(f->client, 0, NULL);
    help_remove(f->directory);
    free(f);
    return 0;
}

/* The one event's line; owned. */
static char *emitted(struct fixture *f, struct ol_run *run)
{
    struct ol_error err = {.message = ""};
    if (ol_run_emit(run, OL_COMPLETE, &err) != OL_OK)
        fail_msg("%s", err.message);
    struct help_journals journals = help_read(f->directory);
    size_t count;
    const char **events = help_events(&journals, &count);
    assert_true(count > 0);
    char *line = strdup(events[count - 1]);
    free((void *)events);
    help_release(&journals);
    ol_run_free(run);
    return line;
}

static struct ol_run *new_run(struct fixture *f, const struct ol_run_options *options)
{
    struct ol_run *run = NULL;
    struct ol_error err = {.message = ""};
    if (ol_run_new(f->client, options, &run, &err) != OL_OK)
        fail_msg("%s", err.message);
    return run;
}

static void assert_has(const char *line, const char *part, bool is_there)
{
    if ((strstr(line, part) != NULL) != is_there)
        fail_msg("%s '%s' in %s", is_there ? "no" : "a", part, line);
}

static void versions_and_kinds_become_facets(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *given, *name_space, *name, *version, *type;
    } rows[] = {
        {"model://reg/fraud:v7", "model://reg", "fraud", "v7", "MODEL"},
        {"prompt:hello@prod", "prompt", "hello", "prod", "PROMPT"},
        {"corpus:books@2026-11", "corpus", "books", "2026-11", "CORPUS"},
        {"feature:stats:v2", "feature", "stats", "v2", "FEATURE_VIEW"},
        {"openai://gpt-4o", "openai", "gpt-4o", NULL, "MODEL"},
        {"/data/x#md5:d41d8cd98f00b204e9800998ecf8427e", "file", "/data/x",
         "md5:d41d8cd98f00b204e9800998ecf8427e", NULL},
        {"/data/x@v2", "file", "/data/x@v2", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char part[256];
        struct ol_run *run = new_run(f, OL_MAKE(ol_run_options, .job_name = "j"));
        assert_non_null(ol_run_input(run, rows[i].given));
        char *line = emitted(f, run);
        snprintf(part, sizeof part, "{\"namespace\":\"%s\",\"name\":\"%s\",", rows[i].name_space,
                 rows[i].name);
        assert_has(line, part, true);
        snprintf(part, sizeof part, "\"datasetVersion\":\"%s\"",
                 rows[i].version != NULL ? rows[i].version : "");
        assert_has(line, rows[i].version != NULL ? part : "\"datasetVersion\"",
                   rows[i].version != NULL);
        snprintf(part, sizeof part, "\"datasetType\":\"%s\"",
                 rows[i].type != NULL ? rows[i].type : "");
        assert_has(line, rows[i].type != NULL ? part : "\"datasetType\"", rows[i].type != NULL);
        free(line);
    }
}

static void the_program_s_own_kind_stays(void **state)
{
    struct fixture *f = *state;
    struct ol_run *run = new_run(f, OL_MAKE(ol_run_options, .job_name = "j"));
    struct ol_dataset *d = ol_run_output(run, "model:fraud:v7");
    assert_int_equal(ol_dataset_set_dataset_type(d, OL_MAKE(ol_dataset_type, .type = "ADAPTER")),
                     OL_OK);
    assert_ptr_equal(ol_run_output(run, "model:fraud:v8"), d); /* one dataset, the last version */
    char *line = emitted(f, run);
    assert_has(line, "\"datasetType\":\"ADAPTER\"", true);
    assert_has(line, "\"datasetVersion\":\"v8\"", true);
    assert_has(line, "v7", false);
    free(line);
}

static void a_table_behind_a_connection(void **state)
{
    struct fixture *f = *state;
    struct ol_error err = {.message = ""};
    struct ol_run *run = new_run(f, OL_MAKE(ol_run_options, .job_name = "j"));
    struct ol_dataset *d =
        ol_run_input_table(run, "postgresql://me:secret@db/shop?password=secret", "public.users");
    assert_non_null(d);
    assert_ptr_equal(ol_run_input(run, "postgres://db/shop.public.users"), d);
    assert_non_null(ol_run_output_table(run, "kafka://b1,b2", "orders"));
    assert_null(ol_run_input_table(run, "postgresql://me:secret@db/shop", ""));
    assert_null(ol_run_input_table(run, "jdbc:mysql://address=(password=secret)/d", "t"));
    assert_null(ol_run_input_table(NULL, "kafka://b", "t"));
    assert_int_equal(ol_run_emit(run, OL_START, &err), OL_PARTIAL);
    assert_non_null(strstr(err.message, "table"));
    char *line = emitted(f, run);
    assert_has(line, "{\"namespace\":\"postgres://db:5432\",\"name\":\"shop.public.users\"", true);
    assert_has(line, "{\"namespace\":\"kafka://b1:9092\",\"name\":\"orders\"", true);
    assert_has(line, "secret", false);
    free(line);
}

static void foreign_ids_stay_searchable(void **state)
{
    struct fixture *f = *state;
#define HEX "0123abcd4567489abcdef0123456789a"
#define UUID "0123abcd-4567-489a-bcde-f0123456789a"
    static const struct {
        const char *system, *text, *id, *kept;
    } rows[] = {
        {NULL, HEX, UUID, "\"task_id\":\"" HEX "\""},
        {"slurm:alpha", "4711_3", "1bf23993-f22b-5af3-8ed9-07e7dd7d61ac", "\"task_id\":\"4711_3\""},
        {NULL, "20261121T090000Z_" HEX, UUID, "\"run_id\":\"20261121T090000Z_" HEX "\""},
        {NULL, UUID, UUID, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_run *run =
            new_run(f, OL_MAKE(ol_run_options, .job_name = "j", .foreign_id = rows[i].text,
                               .foreign_system = rows[i].system));
        assert_string_equal(ol_run_id(run), rows[i].id);
        char *line = emitted(f, run);
        assert_has(line, rows[i].kept != NULL ? rows[i].kept : "lineaged_run",
                   rows[i].kept != NULL);
        free(line);
    }
}

static void wrong_ids_are_refused(void **state)
{
    struct fixture *f = *state;
    struct ol_run *run = NULL;
    struct ol_error err = {.message = ""};
    assert_int_equal(
        ol_run_new(f->client,
                   OL_MAKE(ol_run_options, .job_name = "j", .foreign_id = "1", .run_id = UUID),
                   &run, &err),
        OL_INVALID);
    assert_int_equal(ol_run_new(f->client,
                                OL_MAKE(ol_run_options, .job_name = "j", .foreign_id = ""), &run,
                                &err),
                     OL_INVALID);
    assert_int_equal(ol_run_new(f->client,
                                OL_MAKE(ol_run_options, .job_name = "j", .foreign_id = "1",
                                        .foreign_system = "a/b"),
                                &run, &err),
                     OL_INVALID);
    assert_non_null(strstr(err.message, "foreign_system"));
    assert_int_equal(ol_run_new(f->client,
                                OL_MAKE(ol_run_options, .job_name = "j", .run_id = "4711"), &run,
                                &err),
                     OL_INVALID);
    assert_non_null(strstr(err.message, "foreign_id"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(versions_and_kinds_become_facets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_program_s_own_kind_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_behind_a_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_ids_stay_searchable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_ids_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("dataset_facets", tests, NULL, NULL);
}
