/* SPDX-License-Identifier: Apache-2.0 */
/* What the environment says of a run's surroundings (docs/context.md): each source of parent and
 * root, their order, Airflow's derivation, trace and baggage, each scheduler's ids. A malformed
 * value is as if it were not set, counted, and told once; the client opens all the same. */
#include "emitter_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <openlineage/openlineage.h>
#include "client.h"
#include "fail_alloc.h"
#include "ol_base.h"

#define P_ID "11111111-1111-7111-8111-111111111111"
#define R_ID "22222222-2222-7222-8222-222222222222"
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define MAX_VARIABLES 10

struct fixture {
    char *home;
    char logged[4096]; /* messages, one a line */
    struct ol_client *client;
    struct ol_run *run;
};

static void log_it(void *arg, ol_status status, const char *message)
{
    struct fixture *f = arg;
    size_t used = strlen(f->logged);
    snprintf(f->logged + used, sizeof f->logged - used, "%s: %s\n", ol_status_name(status),
             message);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->home = help_directory();
    help_clean_environment(f->home);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ol_run_free(f->run);
    ol_client_close(f->client, 0, NULL);
    help_clean_environment("/");
    help_remove(f->home);
    free(f);
    return 0;
}

static ol_status open_run(struct fixture *f)
{
    ol_run_free(f->run);
    ol_client_close(f->client, 0, NULL);
    f->run = NULL;
    f->client = NULL;
    f->logged[0] = '\0';
    ol_status status =
        ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                               .journal_directory = f->home, .log = log_it, .log_arg = f),
                       &f->client, NULL);
    if (status == OL_OK)
        status = ol_run_new(f->client, OL_MAKE(ol_run_options, .job_name = "j"), &f->run, NULL);
    return status;
}

static void set_variables(struct fixture *f, const char *const variables[MAX_VARIABLES][2])
{
    help_clean_environment(f->home);
    for (size_t i = 0; i < MAX_VARIABLES && variables[i][0] != NULL; i++)
        setenv(variables[i][0], variables[i][1], 1);
}

/* The text of a facet of the run's last event, from its key to the end of its object; "" if absent.
 */
static const char *emit_and_find(struct fixture *f, const char *key)
{
    static char found[8192];
    char quoted[128];
    size_t count = 0;
    assert_int_equal(ol_run_emit(f->run, OL_START, NULL), OL_OK);
    struct help_journals all = help_read(f->home);
    const char **events = help_events(&all, &count);
    assert_true(count > 0);
    snprintf(quoted, sizeof quoted, "\"%s\":{", key);
    const char *at = strstr(events[count - 1], quoted);
    size_t size = 0;
    for (int depth = 0; at != NULL && at[size] != '\0'; size++) {
        depth += at[size] == '{' ? 1 : at[size] == '}' ? -1 : 0;
        if (at[size] == '}' && depth == 0) {
            size++;
            break;
        }
    }
    snprintf(found, sizeof found, "%.*s", (int)size, at != NULL ? at : "");
    free(events);
    help_release(&all);
    return found;
}

#define JSON(parent_id, rest)                                                                      \
    "{\"parent\":{\"run\":{\"runId\":\"" parent_id                                                 \
    "\",\"facets\":{}},\"job\":{\"namespace\":\"n\",\"name\":\"p\"}" rest
#define ROOT(id)                                                                                   \
    "\"root\":{\"run\":{\"runId\":\"" id "\"},\"job\":{\"namespace\":\"rn\",\"name\":\"r\"}}"
#define AIRFLOW(date)                                                                              \
    {"AIRFLOW_CTX_DAG_ID", "my_dag"}, {"AIRFLOW_CTX_TASK_ID", "my_task"},                          \
        {"AIRFLOW_CTX_TRY_NUMBER", "1"},                                                           \
    {                                                                                              \
        "AIRFLOW_CTX_LOGICAL_DATE", date                                                           \
    }
#define DATE "2025-01-01T00:00:00+00:00"
/* of the Python client for that date */
#define TASK_RUN "default/my_dag.my_task/01941f29-7c00-7837-a31d-d79a7fb36a3d"
#define DAG_RUN "default/my_dag/01941f29-7c00-709e-becf-9b63d4348e4b"

/* The parent facet's two origins as NAMESPACE/NAME/UUID; "-": no facet. */
static void describe_parent(struct fixture *f, char *out, size_t size)
{
    char parts[6][300];
    const char *facet = emit_and_find(f, "parent");
    const char *root = strstr(facet, "\"root\":");
    if (facet[0] == '\0') {
        snprintf(out, size, "-");
        return;
    }
    assert_non_null(root); /* always told */
    for (int i = 0; i < 6; i++)
        snprintf(parts[i], sizeof parts[i], "%s",
                 help_member(i < 3 ? facet : root,
                             (const char *const[]){"namespace", "name", "runId"}[i % 3]));
    snprintf(out, size, "%s/%s/%s %s/%s/%s", parts[0], parts[1], parts[2], parts[3], parts[4],
             parts[5]);
}

static void parent_and_root(void **state)
{
    static const struct {
        const char *variables[MAX_VARIABLES][2];
        const char *want;    /* PARENT ROOT; "-" none */
        const char *ignored; /* the variable that the log names; NULL: nothing is ignored */
    } rows[] = {
        {{{NULL, NULL}}, "-", NULL},
        /* the two ids */
        {{{"OPENLINEAGE_PARENT_ID", "n/p/" P_ID}}, "n/p/" P_ID " n/p/" P_ID, NULL},
        {{{"OPENLINEAGE_PARENT_ID", "n/p/" P_ID}, {"OPENLINEAGE_ROOT_PARENT_ID", "rn/r/" R_ID}},
         "n/p/" P_ID " rn/r/" R_ID,
         NULL},
        {{{"OPENLINEAGE_PARENT_ID", "s://h:1/a/b/" P_ID}},
         "s://h:1/a/b/" P_ID " s://h:1/a/b/" P_ID,
         NULL},
        {{{"OPENLINEAGE_PARENT_ID", "n/p://x/" P_ID}}, "n/p://x/" P_ID " n/p://x/" P_ID, NULL},
        {{{"OPENLINEAGE_PARENT_ID", ""}}, "-", NULL},
        {{{"OPENLINEAGE_PARENT_ID", "a/b/c"}}, "-", "OPENLINEAGE_PARENT_ID"},
        {{{"OPENLINEAGE_PARENT_ID", "b/" P_ID}}, "-", "OPENLINEAGE_PARENT_ID"},
        {{{"OPENLINEAGE_PARENT_ID", "a//" P_ID}}, "-", "OPENLINEAGE_PARENT_ID"},
        {{{"OPENLINEAGE_PARENT_ID", "/b/" P_ID}}, "-", "OPENLINEAGE_PARENT_ID"},
        {{{"OPENLINEAGE_PARENT_ID", "a://" P_ID}}, "-", "OPENLINEAGE_PARENT_ID"},
        {{{"OPENLINEAGE_PARENT_ID", "a://b/" P_ID}}, "-", "OPENLINEAGE_PARENT_ID"},
        {{{"OPENLINEAGE_PARENT_ID", "a/b/" P_ID "0"}}, "-", "OPENLINEAGE_PARENT_ID"},
        {{{"OPENLINEAGE_PARENT_ID", "n/p/" P_ID}, {"OPENLINEAGE_ROOT_PARENT_ID", "r"}},
         "n/p/" P_ID " n/p/" P_ID,
         "OPENLINEAGE_ROOT_PARENT_ID"},
        {{{"OPENLINEAGE_ROOT_PARENT_ID", "rn/r/" R_ID}}, "-", "OPENLINEAGE_ROOT_PARENT_ID"},
        /* JSON: the root inside the parent, beside it, partly told, not told */
        {{{"OPENLINEAGE_CONTEXT", JSON(P_ID, "," ROOT(R_ID) "}}")}},
         "n/p/" P_ID " rn/r/" R_ID,
         NULL},
        {{{"OPENLINEAGE_CONTEXT", JSON(P_ID, "}," ROOT(R_ID) "}")}},
         "n/p/" P_ID " rn/r/" R_ID,
         NULL},
        {{{"OPENLINEAGE_CONTEXT", JSON(P_ID, ",\"root\":{\"run\":{\"runId\":\"" R_ID "\"}}}}")}},
         "n/p/" P_ID " n/p/" R_ID,
         NULL},
        {{{"OPENLINEAGE_CONTEXT", JSON(P_ID, "}}")}}, "n/p/" P_ID " n/p/" P_ID, NULL},
        {{{"OPENLINEAGE_CONTEXT", JSON(P_ID, "},\"other\":[{\"root\":1}]}")}},
         "n/p/" P_ID " n/p/" P_ID,
         NULL},
        {{{"OPENLINEAGE_CONTEXT", JSON(P_ID, "}}")},
          {"OPENLINEAGE_PARENT_ID", "x/y/" R_ID},
          {"OPENLINEAGE_ROOT_PARENT_ID", "x/y/" R_ID}},
         "n/p/" P_ID " n/p/" P_ID,
         NULL},
        {{{"OPENLINEAGE_CONTEXT", "{"}, {"OPENLINEAGE_PARENT_ID", "x/y/" R_ID}},
         "x/y/" R_ID " x/y/" R_ID,
         "OPENLINEAGE_CONTEXT"},
        {{{"OPENLINEAGE_CONTEXT", "{}"}}, "-", "OPENLINEAGE_CONTEXT"},
        {{{"OPENLINEAGE_CONTEXT", "[1]"}}, "-", "OPENLINEAGE_CONTEXT"},
        {{{"OPENLINEAGE_CONTEXT", JSON("no-uuid", "}}")}}, "-", "OPENLINEAGE_CONTEXT"},
        {{{"OPENLINEAGE_CONTEXT", JSON(P_ID "\\u0000", "}}")}}, "-", "OPENLINEAGE_CONTEXT"},
        {{{"OPENLINEAGE_CONTEXT", JSON(P_ID, ",\"root\":{\"run\":{\"runId\":\"no\"}}}}")}},
         "-",
         "OPENLINEAGE_CONTEXT"},
        {{{"OPENLINEAGE_CONTEXT", "{\"parent\":{\"run\":{\"runId\":\"" P_ID
                                  "\"},\"job\":{\"namespace\":\"n\\u0000\",\"name\":\"p\"}}}"}},
         "-",
         "OPENLINEAGE_CONTEXT"},
        /* Airflow */
        {{AIRFLOW(DATE)}, TASK_RUN " " DAG_RUN, NULL},
        {{AIRFLOW("2025-01-01T01:00:00+01:00")}, TASK_RUN " " DAG_RUN, NULL},
        {{AIRFLOW("2024-02-29T12:34:56.789123+00:00")},
         "default/my_dag.my_task/018df4dc-5495-7959-9b84-a715d5877bdc "
         "default/my_dag/018df4dc-5495-78a5-8f4e-3d7319d1ac31",
         NULL},
        {{{"AIRFLOW_CTX_DAG_ID", "my_dag"},
          {"AIRFLOW_CTX_TASK_ID", "my_task"},
          {"AIRFLOW_CTX_TRY_NUMBER", "1"},
          {"AIRFLOW_CTX_EXECUTION_DATE", DATE}}, /* Airflow 2 */
         TASK_RUN " " DAG_RUN,
         NULL},
        {{AIRFLOW(DATE), {"OPENLINEAGE_NAMESPACE", "default"}}, TASK_RUN " " DAG_RUN, NULL},
        {{AIRFLOW(DATE),
          {"AIRFLOW__OPENLINEAGE__NAMESPACE", "air"},
          {"OPENLINEAGE_NAMESPACE", "x"}},
         "air/my_dag.my_task/01941f29-7c00-73dc-9d5d-0ce3999f1210 "
         "air/my_dag/01941f29-7c00-7833-b11d-42ec476d856e",
         NULL},
        {{AIRFLOW(DATE), {"AIRFLOW_CTX_MAP_INDEX", "3"}, {"AIRFLOW_CTX_CLEAR_NUMBER", "2"}},
         "default/my_dag.my_task/01941f29-7c00-7b6e-b6df-e2dd7c0114a8 "
         "default/my_dag/01941f29-7c00-7e6e-bd5f-8c881fb54a4b",
         NULL},
        {{AIRFLOW(DATE), {"OPENLINEAGE_PARENT_ID", "n/p/" P_ID}}, "n/p/" P_ID " n/p/" P_ID, NULL},
        {{AIRFLOW(DATE), {"OPENLINEAGE_PARENT_ID", "wrong"}},
         TASK_RUN " " DAG_RUN,
         "OPENLINEAGE_PARENT_ID"},
        /* not enough for an id: no parent, no complaint */
        {{{"AIRFLOW_CTX_DAG_ID", "my_dag"},
          {"AIRFLOW_CTX_TASK_ID", "my_task"},
          {"AIRFLOW_CTX_TRY_NUMBER", "1"}},
         "-",
         NULL},
        {{{"AIRFLOW_CTX_DAG_ID", "my_dag"}, {"AIRFLOW_CTX_LOGICAL_DATE", DATE}}, "-", NULL},
        {{AIRFLOW("2025-01-01T00:00:00")}, "-", "AIRFLOW_CTX_LOGICAL_DATE"},
        {{AIRFLOW("yesterday")}, "-", "AIRFLOW_CTX_LOGICAL_DATE"},
        {{AIRFLOW(DATE), {"AIRFLOW_CTX_TRY_NUMBER", "one"}}, "-", "AIRFLOW_CTX_TRY_NUMBER"},
        {{AIRFLOW(DATE), {"AIRFLOW_CTX_MAP_INDEX", "-2"}}, "-", "AIRFLOW_CTX_MAP_INDEX"},
        {{AIRFLOW(DATE), {"AIRFLOW_CTX_CLEAR_NUMBER", "9999999999999999999"}},
         "-",
         "AIRFLOW_CTX_CLEAR_NUMBER"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        char told[2048];
        set_variables(f, rows[i].variables);
        assert_int_equal(open_run(f), OL_OK);
        describe_parent(f, told, sizeof told);
        if (strcmp(told, rows[i].want) != 0)
            fail_msg("row %zu: %s, expected %s", i, told, rows[i].want);
        uint64_t ignored = rows[i].ignored != NULL ? 1 : 0;
        if (ol_client_ignored(f->client) != ignored)
            fail_msg("row %zu: %d values ignored: %s", i, (int)ol_client_ignored(f->client),
                     f->logged);
        if (ignored == 0)
            assert_null(strstr(f->logged, "ignored"));
        else if (strncmp(f->logged, "OL_INVALID: ", 12) != 0 ||
                 strstr(f->logged, rows[i].ignored) == NULL)
            fail_msg("row %zu: '%s' does not name %s", i, f->logged, rows[i].ignored);
    }
}

/* The provider's name space may stand in airflow.cfg: where that lies, and what counts in it. */
static void airflow_configuration(void **state)
{
    static const struct {
        const char *text, *home_variable, *want;
    } rows[] = {
        {"[core]\nnamespace = no\n[openlineage]\n# namespace =\nnamespace = air \n", "AIRFLOW_HOME",
         "air/"},
        {"[openlineage]\r\nnamespace=air\r\n[other]\nnamespace = no\n", "AIRFLOW_HOME", "air/"},
        {"[openlineage]\nnamespace: air\n", "AIRFLOW_CONFIG", "air/"},
        {"[openlineage]\nnamespace =\n", "AIRFLOW_HOME", "fallback/"},
        {"[openlineage]\nnamespaces = air\n", "AIRFLOW_HOME", "fallback/"},
        {"", "AIRFLOW_HOME", "fallback/"},
        {NULL, "AIRFLOW_HOME", "fallback/"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        static const char *const task[MAX_VARIABLES][2] = {AIRFLOW(DATE),
                                                           {"OPENLINEAGE_NAMESPACE", "fallback"}};
        char path[600];
        char told[2048];
        snprintf(path, sizeof path, "%s/airflow.cfg", f->home);
        remove(path);
        if (rows[i].text != NULL) {
            FILE *out = fopen(path, "w");
            assert_non_null(out);
            assert_true(fputs(rows[i].text, out) >= 0);
            assert_int_equal(fclose(out), 0);
        }
        set_variables(f, task);
        setenv(rows[i].home_variable,
               strcmp(rows[i].home_variable, "AIRFLOW_HOME") == 0 ? f->home : path, 1);
        assert_int_equal(open_run(f), OL_OK);
        describe_parent(f, told, sizeof told);
        if (strncmp(told, rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("row %zu: %s, expected %s", i, told, rows[i].want);
    }
    /* what is no file is not opened: it might never answer */
    char fifo[600];
    snprintf(fifo, sizeof fifo, "%s/fifo", f->home);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    setenv("AIRFLOW_CONFIG", fifo, 1);
    assert_int_equal(open_run(f), OL_OK);
    remove(fifo);
}

#define FACET(key, name, members)                                                                  \
    "\"" key "\":{\"_producer\":\"https://example.org/p/1\",\"_schemaURL\":\"https://"             \
    "raw.githubusercontent.com/lineaged/lineaged/v0.1.0/spec/schemas/" name                        \
    "-1-0-0.json#/$defs/" name "\"," members "}"
#define IDS(members) FACET("lineaged_run", "LineagedRunFacet", members)
#define AROUND(members) FACET("lineaged_context", "LineagedContextRunFacet", members)

static void surroundings(void **state)
{
    static const struct {
        const char *variables[MAX_VARIABLES][2];
        const char *ids, *around; /* the facets; "" absent */
        unsigned ignored;
    } rows[] = {
        {{{NULL, NULL}}, "", "", 0},
        {{{"TRACEPARENT", "00-" TRACE "-" SPAN "-01"}},
         "",
         AROUND("\"trace_id\":\"" TRACE "\",\"span_id\":\"" SPAN "\""),
         0},
        {{{"TRACEPARENT", "00-" TRACE "-0000000000000000-01"}}, "", "", 1},
        {{{"BAGGAGE", "a=1, lineage.run_id=r%201 ;p=1,lineage.step=s,lineage.attempt=2"}},
         IDS("\"run_id\":\"r 1\",\"step\":\"s\",\"attempt\":\"2\""),
         "",
         0},
        {{{"BAGGAGE", "lineage.run_id=r%2,lineage.step=s"}}, IDS("\"step\":\"s\""), "", 1},
        {{{"SLURM_JOB_ID", "77"},
          {"SLURM_JOB_NAME", "train"},
          {"SLURM_CLUSTER_NAME", "hpc"},
          {"SLURM_STEP_ID", "0"},
          {"SLURM_PROCID", "5"},
          {"SLURM_RESTART_COUNT", "1"}},
         IDS("\"attempt\":\"2\",\"task_id\":\"77\""),
         AROUND("\"scheduler\":\"slurm\",\"workflow\":\"train\",\"workflow_run\":\"77\","
                "\"place\":\"hpc\",\"task_uid\":\"77.0\",\"task_index\":\"5\""),
         0},
        {{{"SLURM_JOB_ID", "78"}, {"SLURM_ARRAY_JOB_ID", "77"}, {"SLURM_ARRAY_TASK_ID", "3"}},
         IDS("\"task_id\":\"77_3\""),
         AROUND("\"scheduler\":\"slurm\",\"workflow_run\":\"77\""),
         0},
        {{{"SLURM_JOB_ID", "77"}, {"SLURM_RESTART_COUNT", "x"}},
         IDS("\"task_id\":\"77\""),
         AROUND("\"scheduler\":\"slurm\",\"workflow_run\":\"77\""),
         1},
        {{{"AIRFLOW_CTX_DAG_ID", "d"},
          {"AIRFLOW_CTX_TASK_ID", "t"},
          {"AIRFLOW_CTX_TRY_NUMBER", "2"},
          {"AIRFLOW_CTX_DAG_RUN_ID", "manual__1"}},
         IDS("\"attempt\":\"2\",\"task_id\":\"t\""),
         AROUND("\"scheduler\":\"airflow\",\"workflow\":\"d\",\"workflow_run\":\"manual__1\""),
         0},
        {{{"GITLAB_CI", "true"},
          {"CI_JOB_ID", "5"},
          {"CI_JOB_NAME", "build"},
          {"CI_PROJECT_PATH", "g/p"},
          {"CI_PIPELINE_ID", "9"},
          {"CI_NODE_INDEX", "1"},
          {"CI_SERVER_URL", "https://git.example"},
          {"CI_JOB_URL", "https://git.example/j/5"}},
         IDS("\"task_id\":\"5\""),
         AROUND("\"scheduler\":\"gitlab\",\"workflow\":\"g/p\",\"workflow_run\":\"9\",\"place\":"
                "\"https://git.example\",\"task_uid\":\"build\",\"task_index\":\"1\",\"url\":"
                "\"https://git.example/j/5\""),
         0},
        {{{"GITHUB_ACTIONS", "true"},
          {"GITHUB_RUN_ID", "12"},
          {"GITHUB_JOB", "test"},
          {"GITHUB_RUN_ATTEMPT", "3"},
          {"GITHUB_REPOSITORY", "o/r"},
          {"GITHUB_WORKFLOW", "ci"},
          {"GITHUB_SERVER_URL", "https://hub.example"}},
         IDS("\"attempt\":\"3\",\"task_id\":\"12/test\""),
         AROUND("\"scheduler\":\"github\",\"workflow\":\"o/r/ci\",\"workflow_run\":\"12\","
                "\"place\":\"https://hub.example\",\"url\":"
                "\"https://hub.example/o/r/actions/runs/12\""),
         0},
        {{{"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
          {"HOSTNAME", "pod-1"},
          {"MY_POD_NAMESPACE", "ml"},
          {"POD_UID", P_ID},
          {"K8S_JOB_NAME", "train"},
          {"JOB_COMPLETION_INDEX", "4"}},
         IDS("\"task_id\":\"pod-1\""),
         AROUND("\"scheduler\":\"kubernetes\",\"workflow\":\"train\",\"place\":\"ml\","
                "\"task_uid\":\"" P_ID "\",\"task_index\":\"4\""),
         0},
        {{{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"POD_NAME", "pod-1"}, {"HOSTNAME", "h"}},
         IDS("\"task_id\":\"pod-1\""),
         AROUND("\"scheduler\":\"kubernetes\""),
         0},
        {{{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"POD_NAME", "a\nb"}, {"HOSTNAME", "h"}},
         IDS("\"task_id\":\"h\""),
         AROUND("\"scheduler\":\"kubernetes\""),
         1},
        /* the inner one counts, and the attempt that travels with the step */
        {{{"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
          {"SLURM_JOB_ID", "77"},
          {"SLURM_RESTART_COUNT", "0"},
          {"BAGGAGE", "lineage.run_id=r,lineage.attempt=9"},
          {"TRACEPARENT", "00-" TRACE "-" SPAN "-00"}},
         IDS("\"run_id\":\"r\",\"attempt\":\"9\",\"task_id\":\"77\""),
         AROUND("\"trace_id\":\"" TRACE "\",\"span_id\":\"" SPAN
                "\",\"scheduler\":\"slurm\",\"workflow_run\":\"77\""),
         0},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        set_variables(f, rows[i].variables);
        assert_int_equal(open_run(f), OL_OK);
        const char *ids = emit_and_find(f, "lineaged_run");
        if (strcmp(ids, rows[i].ids) != 0)
            fail_msg("row %zu: %s\nexpected %s", i, ids, rows[i].ids);
        const char *around = emit_and_find(f, "lineaged_context");
        if (strcmp(around, rows[i].around) != 0)
            fail_msg("row %zu: %s\nexpected %s", i, around, rows[i].around);
        if (ol_client_ignored(f->client) != rows[i].ignored)
            fail_msg("row %zu: %s", i, f->logged);
    }
}

/* docs/context.md tells the truth: each row of the table in facets/scheduler.c stands there, in its
 * order, and no other. OL_UPDATE_DOCS=1 prints what should stand there. */
static void the_page_has_the_table(void **state)
{
    static char page[64 * 1024];
    struct ol__scheduler_row row;
    struct ol__buf want;
    (void)state;
    FILE *in = fopen(OL_CONTEXT_PAGE, "r");
    assert_non_null(in);
    page[fread(page, 1, sizeof page - 1, in)] = '\0';
    fclose(in);
    char *begin = strstr(page, "<!-- schedulers -->\n"),
         *end = strstr(page, "<!-- /schedulers -->");
    assert_true(begin != NULL && end != NULL);
    *end = '\0';
    begin = strchr(begin, '\n') + 1;
    ol__buf_init(&want, sizeof page);
    ol__buf_add_text(&want, "| scheduler | sign | field | value |\n|---|---|---|---|\n");
    for (size_t i = 0; ol__scheduler_describe(i, &row); i++)
        ol__buf_add_format(&want, "| %s | `%s` | `%s` | `%s`%s |\n", row.scheduler, row.sign,
                           row.field, row.value, row.is_count ? " + 1" : "");
    if (getenv("OL_UPDATE_DOCS") != NULL)
        fputs(want.data, stdout);
    assert_string_equal(begin, want.data);
    ol__buf_release(&want);
}

static void values_have_a_limit(void **state)
{
    static const char *const names[] = {"OPENLINEAGE_CONTEXT", "OPENLINEAGE_PARENT_ID",
                                        "TRACEPARENT", "BAGGAGE", "SLURM_JOB_ID"};
    static char large[100001];
    struct fixture *f = *state;
    memset(large, 'x', sizeof large - 1);
    for (size_t i = 0; i < OL_COUNT(names); i++) {
        help_clean_environment(f->home);
        setenv(names[i], large, 1);
        assert_int_equal(open_run(f), OL_OK);
        if (ol_client_ignored(f->client) == 0 || strstr(f->logged, names[i]) == NULL)
            fail_msg("%s: %s", names[i], f->logged);
        assert_string_equal(emit_and_find(f, "parent"), "");
        assert_string_equal(emit_and_find(f, "lineaged_run"), "");
    }
}

static void every_failed_allocation_is_told(void **state)
{
    static const char *const variables[MAX_VARIABLES][2] = {
        AIRFLOW(DATE),
        {"OPENLINEAGE_CONTEXT", JSON(P_ID, "," ROOT(R_ID) "}}")},
        {"TRACEPARENT", "00-" TRACE "-" SPAN "-01"},
        {"TRACESTATE", "a=b"},
        {"BAGGAGE", "a=b,lineage.run_id=r,lineage.step=s"},
        {"SLURM_JOB_ID", "77"}};
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) { /* without JSON: Airflow's */
        unsigned long n = 1;
        set_variables(f, variables);
        if (round == 1)
            unsetenv("OPENLINEAGE_CONTEXT");
        for (;; n++) {
            fail_alloc_at(n);
            ol_status status = open_run(f);
            if (!fail_alloc_stop()) {
                assert_int_equal(status, OL_OK);
                break;
            }
            if (status != OL_OK && status != OL_NOMEM)
                fail_msg("allocation %lu: %s", n, ol_status_name(status));
            if (status == OL_OK) /* of no consequence: nothing was left out */
                assert_string_not_equal(emit_and_find(f, "parent"), "");
        }
        assert_true(n > 20);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parent_and_root),     TEST(airflow_configuration),
        TEST(surroundings),        TEST(the_page_has_the_table),
        TEST(values_have_a_limit), TEST(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
