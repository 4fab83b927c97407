/* SPDX-License-Identifier: Apache-2.0 */
/* What filters, facet switches, tags, owners, environment variables and redactions make of events;
 * regular expressions: what is taken, what is refused, what they find. */
#include "emitter_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openlineage/facets.h>
#include <openlineage/openlineage.h>
#include "pattern.h"

struct fixture {
    char *home, before[1024];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->home = help_directory();
    help_clean_environment(f->home);
    *state = f;
    return getcwd(f->before, sizeof f->before) == NULL || chdir(f->home) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    int result = chdir(f->before);
    help_clean_environment("/");
    help_remove(f->home);
    free(f);
    return result;
}

/* Emit one START of job @p job with some facets; @return its status; the line is in ./out. */
static ol_status emit_with(const char *yaml, const char *job)
{
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct ol_error err = {.message = ""};
    FILE *file = fopen("openlineage.yml", "w");
    assert_non_null(file);
    fprintf(file, "transport: {type: file, location: out}\n%s", yaml);
    assert_int_equal(fclose(file), 0);
    unlink("out");
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "a:b"), &client, &err) != OL_OK)
        fail_msg("%s: %s", yaml, err.message);
    assert_int_equal(ol_run_new(client, OL_MAKE(ol_run_options, .job_name = job), &run, NULL),
                     OL_OK);
    static const char tags[] = "{\"tags\":[{\"key\":\"Env\",\"value\":\"dev\",\"source\":\"P\"},"
                               "{\"key\":\"own\",\"value\":\"1\",\"source\":\"P\"}]}";
    static const char variables[] =
        "{\"environmentVariables\":[{\"name\":\"HERE\",\"value\":\"mine\"}]}";
    assert_int_equal(ol_job_set_facet_json(ol_run_job(run), "tags", NULL, tags, sizeof tags - 1),
                     OL_OK);
    assert_int_equal(
        ol_run_set_facet_json(run, "environmentVariables", NULL, variables, sizeof variables - 1),
        OL_OK);
    assert_int_equal(
        ol_job_set_sql(ol_run_job(run),
                       OL_MAKE(ol_sql, .query = "key AKIA1234 \"x\" AKIA99", .dialect = "d")),
        OL_OK);
    static const char numbers[] = "{\"n\":5,\"t\":{\"a~/b\":[\"s1\",\"s2\"]}}";
    assert_int_equal(
        ol_run_set_facet_json(run, "my_numbers", "http://s/1", numbers, sizeof numbers - 1), OL_OK);
    ol_status status = ol_run_emit(run, OL_START, NULL);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    return status;
}

static const char *line(void)
{
    static char text[65536];
    FILE *in = fopen("out", "r");
    text[0] = '\0';
    if (in != NULL) {
        text[fread(text, 1, sizeof text - 1, in)] = '\0';
        fclose(in);
    }
    return text;
}

static void rules_change_events(void **state OL_UNUSED)
{
    static const struct {
        const char *yaml, *there, *gone;
    } cases[] = {
        {"", "\"query\":\"key AKIA1234", "redacted"},
        {"facets: {disabled: [sql]}\n", "\"my_numbers\"", "\"sql\""},
        {"facets: {my_numbers: {disabled: true}}\n", "\"sql\"", "my_numbers"},
        {"facets: {my_numbers: {disabled: false}}\n", "my_numbers", "redacted"},
        {"facets: {processing_engine: {disabled: yes}}\n", "\"sql\"", "processing_engine"},
        /* configured tags win whatever the case of the key; the others stay */
        {"tags: {job: {ENV: prod}}\n",
         "\"tags\":[{\"key\":\"own\",\"value\":\"1\",\"source\":\"P\"},{\"key\":\"ENV\",\"value\":"
         "\"prod\",\"source\":\"USER\"}]",
         "\"dev\""},
        {"job: {tags: [one, 'two:2', 'three:3:s:t', 'one:again']}\n",
         "{\"key\":\"two\",\"value\":\"2\",\"source\":\"CONFIG\"},{\"key\":\"three\",\"value\":"
         "\"3\","
         "\"source\":\"s:t\"},{\"key\":\"one\",\"value\":\"again\",\"source\":\"CONFIG\"}",
         "\"true\""},
        {"tags: {run: {a: b}}\n", "\"tags\":[{\"key\":\"a\",\"value\":\"b\",\"source\":\"USER\"}]",
         "redacted"},
        {"job: {owners: {team: data}}\n", "\"owners\":[{\"name\":\"data\",\"type\":\"team\"}]",
         "redacted"},
        /* what the program says of a variable wins; one that is not set is not shown */
        {"facets: {environment_variables: [HERE, OTHER_HERE, NOT_SET_AT_ALL]}\n",
         "[{\"name\":\"HERE\",\"value\":\"mine\"},{\"name\":\"OTHER_HERE\",\"value\":\"o\"}]",
         "NOT_SET"},
        {"redactions: [{facet: sql}]\n", "\"query\":\"[redacted]\",\"dialect\":\"[redacted]\"",
         "AKIA"},
        {"redactions: [{facet: sql, pointer: /query, with: '\"q\"'}]\n",
         "\"query\":\"\\\"q\\\"\",\"dialect\":\"d\"", "AKIA"},
        {"redactions: [{pattern: 'AKIA\\d+'}]\n",
         "\"query\":\"key [redacted] \\\"x\\\" [redacted]\"", "AKIA"},
        {"redactions: [{facet: other, pointer: /query}]\n", "AKIA1234", "redacted"},
        {"redactions: [{pointer: /n}, {pointer: '/t/a~0~1b/1'}]\n",
         "\"n\":null,\"t\":{\"a~/b\":[\"s1\",\"[redacted]\"]}", "s2"},
        {"redactions: [{pointer: '/t/*/*', with: z}]\n", "[\"z\",\"z\"]", "s1"},
        /* what is added is redacted as well */
        {"facets: {environment_variables: [OTHER_HERE]}\n"
         "redactions: [{facet: environmentVariables, pointer: '/environmentVariables/*/value'}]\n",
         "{\"name\":\"OTHER_HERE\",\"value\":\"[redacted]\"}", "\"mine\""},
        {"redactions: [{facet: sql, pointer: /_producer}, {facet: sql, pattern: '.*'}]\n",
         "\"sql\":{\"_producer\":\"a:b\",\"_schemaURL\":\"https:", "AKIA"},
    };
    setenv("HERE", "there", 1);
    setenv("OTHER_HERE", "o", 1);
    unsetenv("NOT_SET_AT_ALL");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(emit_with(cases[i].yaml, "j"), OL_OK);
        if (strstr(line(), cases[i].there) == NULL)
            fail_msg("%s: no %s in %s", cases[i].yaml, cases[i].there, line());
        if (strstr(line(), cases[i].gone) != NULL)
            fail_msg("%s: %s is in %s", cases[i].yaml, cases[i].gone, line());
    }
}

static void filters_drop_runs(void **state OL_UNUSED)
{
    static const char yaml[] = "filters:\n  - {type: exact, match: a.b}\n"
                               "  - {type: regex, regex: 'tmp_\\d+|.*_temp$'}\n";
    static const struct {
        const char *job;
        bool is_dropped;
    } cases[] = {{"a.b", true},      {"axb", false},   {"a.b.c", false},  {"tmp_1x", true},
                 {"x_tmp_1", false}, {"x_temp", true}, {"x_temp_", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(emit_with(yaml, cases[i].job), cases[i].is_dropped ? OL_DISABLED : OL_OK);
        assert_int_equal(line()[0] == '\0', cases[i].is_dropped);
    }
}

static void patterns(void **state OL_UNUSED)
{
    static const struct {
        const char *expression, *text, *replaced, *refused;
    } cases[] = {
        {"a|b", "xaybz", "x*y*z", NULL},
        {"^a", "aab", "*ab", NULL},
        {"", "ab", "ab", NULL},
        {"x*", "axxb", "a*b", NULL},
        {"[\\d.]+", "v1.2 w", "v* w", NULL},
        {"(?:ab){2}", "xababab", "x*ab", NULL},
        {"[[:alpha:]]\\s\\S", "a b1", "*1", NULL},
        {"\\.\\/", "a./", "a*", NULL},
        {"(a)\\1", NULL, NULL, "back references"},
        {"(?i)a", NULL, NULL, "(?"},
        {"a+?", NULL, NULL, "lazy"},
        {"\\bword", NULL, NULL, "escape"},
        {"(a{100}){100}", NULL, NULL, "1000 copies"},
        {"a{1001}", NULL, NULL, "1000 copies"},
        {"[a", NULL, NULL, "bracket"},
        {"(a", NULL, NULL, ""},
    };
    char longest[OL_PATTERN_MAX + 2];
    struct ol__pattern *p = NULL;
    struct ol_error err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ol__buf out;
        ol__buf_init(&out, 1000);
        ol_status status = ol__pattern_new(cases[i].expression, &p, &err);
        if (cases[i].refused != NULL) {
            assert_int_equal(status, OL_INVALID);
            if (strstr(err.message, cases[i].refused) == NULL)
                fail_msg("%s: %s", cases[i].expression, err.message);
            continue;
        }
        if (status != OL_OK)
            fail_msg("%s: %s", cases[i].expression, err.message);
        bool is_changed = ol__pattern_replace(
            p, (struct ol__span){cases[i].text, strlen(cases[i].text)}, "*", &out);
        assert_string_equal(out.data, cases[i].replaced);
        assert_int_equal(is_changed, strcmp(cases[i].text, cases[i].replaced) != 0);
        ol__buf_release(&out);
        ol__pattern_free(p);
    }
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(ol__pattern_new(longest, &p, &err), OL_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_change_events),
        TEST(filters_drop_runs),
        TEST(patterns),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
