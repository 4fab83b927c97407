/* SPDX-License-Identifier: Apache-2.0 */
/* Every generated setter against JSON written by hand; what setters refuse and how they name it;
 * structs of older and newer callers. JSON is written with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <openlineage/openlineage.h>
#include "facet_encode.h"
#include "facet_place.h"
#include "fail_alloc.h"

#define BASE "'_producer':'p','_schemaURL':'https://"
#define IDS_URL                                                                                    \
    BASE "raw.githubusercontent.com/lineaged/lineaged/v0.1.0/spec/schemas/"                        \
         "LineagedRunFacet-1-0-0.json#/$defs/LineagedRunFacet'"

struct fixture {
    struct ol__facet_context context;
    struct ol_error error;
    struct ol__facet_place run, job, input, output;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->context = (struct ol__facet_context){.producer = "p", .facet_max = 65536};
    ol__facet_place_init(&f->run, OL_ENTITY_RUN, OL_ENTITY_COUNT, &f->context, &f->error, 1 << 20);
    ol__facet_place_init(&f->job, OL_ENTITY_JOB, OL_ENTITY_COUNT, &f->context, &f->error, 1 << 20);
    ol__facet_place_init(&f->input, OL_ENTITY_DATASET, OL_ENTITY_INPUT, &f->context, &f->error,
                         1 << 20);
    ol__facet_place_init(&f->output, OL_ENTITY_DATASET, OL_ENTITY_OUTPUT, &f->context, &f->error,
                         1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ol__facet_place_release(&f->run);
    ol__facet_place_release(&f->job);
    ol__facet_place_release(&f->input);
    ol__facet_place_release(&f->output);
    ol__json_reader_free(f->context.reader);
    free(f);
    return 0;
}

#define RUN(f) ((struct ol_run *)&(f)->run)
#define JOB(f) ((struct ol_job *)&(f)->job)
#define INPUT(f) ((struct ol_dataset *)&(f)->input)
#define OUTPUT(f) ((struct ol_dataset *)&(f)->output)

/* What is expected, written short: ' is ", and what every facet begins with is $VERSION/Definition,
 * or $ids for ours. */
static char *expand(const char *text)
{
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    for (const char *c = text; *c != '\0'; c++) {
        size_t size = strcspn(c, ",}");
        if (strncmp(c, "$ids", 4) == 0) {
            ol__buf_add_text(&out, IDS_URL);
            c += 3;
        } else if (*c == '$') {
            const char *name = strchr(c, '/') + 1;
            int name_size = (int)(c + size - name);
            ol__buf_add_format(&out, BASE "openlineage.io/spec/facets/%.*s.json#/$defs/%.*s'",
                               (int)size - 1, c + 1, name_size, name);
            c += size - 1;
        } else {
            ol__buf_add_char(&out, *c);
        }
    }
    for (char *c = out.data; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    return ol__buf_take(&out);
}

static void holds(struct ol__facet_place *place, enum ol__entity entity, const char *expected)
{
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    ol__facet_write(place, entity, &out);
    assert_int_equal(out.status, OL_OK);
    char *text = expand(expected);
    assert_non_null(text);
    assert_string_equal(out.data, text);
    free(text);
    ol__buf_release(&out);
}

static void run_setters(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        ol_run_set_nominal_time(RUN(f), OL_MAKE(ol_nominal_time,
                                                .nominal_start_time = "2026-11-21T00:00:00Z",
                                                .nominal_end_time = "2026-11-22T00:00:00Z")),
        OL_OK);
    assert_int_equal(ol_run_set_parent(RUN(f), OL_MAKE(ol_parent, .run_id = "r",
                                                       .job_namespace = "n", .job_name = "j")),
                     OL_OK);
    assert_int_equal(
        ol_run_set_error_message(
            RUN(f), OL_MAKE(ol_error_message, .message = "no \"x\"", .programming_language = "C")),
        OL_OK);
    assert_int_equal(ol_run_set_processing_engine(
                         RUN(f), OL_MAKE(ol_processing_engine, .version = "1", .name = "e",
                                         .openlineage_adapter_version = "2")),
                     OL_OK);
    static const struct ol_tag tags[] = {
        OL_ITEM(ol_tag, .key = "a", .value = "1", .source = "USER"),
        OL_ITEM(ol_tag, .key = "b", .value = "2")};
    assert_int_equal(ol_run_set_tags(RUN(f), OL_MAKE(ol_tags, .tags = tags, .tag_count = 2)),
                     OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{'nominalTime':{$1-0-1/NominalTimeRunFacet,"
          "'nominalStartTime':'2026-11-21T00:00:00Z',"
          "'nominalEndTime':'2026-11-22T00:00:00Z'},'parent':{$1-2-0/ParentRunFacet,"
          "'run':{'runId':'r'},'job':{'namespace':'n','name':'j'}},"
          "'errorMessage':{$1-0-1/ErrorMessageRunFacet,'message':'no \\'x\\'',"
          "'programmingLanguage':'C'},"
          "'processing_engine':{$1-1-1/ProcessingEngineRunFacet,'version':'1',"
          "'name':'e','openlineageAdapterVersion':'2'},'tags':{$1-0-0/TagsRunFacet,"
          "'tags':[{'key':'a','value':'1','source':'USER'},{'key':'b','value':'2'}]}}");
    /* the root: all of it or none; an earlier value is replaced whole, in its place */
    assert_int_equal(
        ol_run_set_parent(RUN(f), OL_MAKE(ol_parent, .run_id = "r2", .job_namespace = "n",
                                          .job_name = "j", .root_run_id = "t",
                                          .root_job_namespace = "tn", .root_job_name = "tj")),
        OL_OK);
    assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "nominalTime"), OL_OK);
    assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "errorMessage"), OL_OK);
    assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "processing_engine"), OL_OK);
    assert_int_equal(ol_run_set_tags(RUN(f), OL_MAKE(ol_tags, .tags = NULL)), OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{'parent':{$1-2-0/ParentRunFacet,'run':{'runId':'r2'},"
          "'job':{'namespace':'n','name':'j'},'root':{'run':{'runId':'t'},"
          "'job':{'namespace':'tn','name':'tj'}}},'tags':{$1-0-0/TagsRunFacet}}");
    assert_int_equal(f->error.status, OL_OK);
}

static void job_setters(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        ol_job_set_job_type(
            JOB(f), OL_MAKE(ol_job_type, .processing_type = OL_JOB_TYPE_PROCESSING_TYPE_STREAMING,
                            .integration = "X", .job_type = OL_JOB_TYPE_JOB_TYPE_JOB,
                            .emission_event_trigger = "PERIODIC",
                            .emission_event_content_mode = "ACCUMULATIVE",
                            .emission_window_duration = OL_INT(60))),
        OL_OK);
    assert_int_equal(
        ol_job_set_sql(JOB(f), OL_MAKE(ol_sql, .query = "select 1\n", .dialect = "ansi")), OL_OK);
    assert_int_equal(ol_job_set_source_code_location(
                         JOB(f), OL_MAKE(ol_source_code_location, .type = "git", .url = "u",
                                         .repo_url = "r", .path = "p", .version = "v", .tag = "t",
                                         .branch = "b", .pull_request_number = "7")),
                     OL_OK);
    holds(&f->job, OL_ENTITY_JOB,
          "{'jobType':{$2-0-4/JobTypeJobFacet,'processingType':'STREAMING',"
          "'integration':'X','jobType':'JOB',"
          "'emissionPattern':{'eventTrigger':'PERIODIC',"
          "'eventContentMode':'ACCUMULATIVE','windowDuration':60}},"
          "'sql':{$1-1-0/SQLJobFacet,'query':'select 1\\n','dialect':'ansi'},"
          "'sourceCodeLocation':{$1-1-0/SourceCodeLocationJobFacet,'type':'git',"
          "'url':'u','repoUrl':'r','path':'p','version':'v','tag':'t','branch':'b',"
          "'pullRequestNumber':'7'}}");
}

static void dataset_setters(void **state)
{
    struct fixture *f = *state;
    static const struct ol_schema_field inner[] = {
        OL_ITEM(ol_schema_field, .name = "street", .ordinal_position = OL_INT(1))};
    static const struct ol_schema_field fields[] = {
        OL_ITEM(ol_schema_field, .name = "id", .type = "BIGINT", .description = "key"),
        OL_ITEM(ol_schema_field, .name = "address", .fields = inner, .field_count = 1)};
    assert_int_equal(
        ol_dataset_set_schema(OUTPUT(f), OL_MAKE(ol_schema, .fields = fields, .field_count = 2)),
        OL_OK);
    assert_int_equal(ol_dataset_set_data_source(
                         OUTPUT(f), OL_MAKE(ol_data_source, .name = "db", .uri = "postgres://db")),
                     OL_OK);
    assert_int_equal(
        ol_dataset_set_dataset_version(OUTPUT(f), OL_MAKE(ol_dataset_version, .version = "7")),
        OL_OK);
    assert_int_equal(ol_dataset_set_dataset_type(
                         OUTPUT(f), OL_MAKE(ol_dataset_type, .type = OL_DATASET_TYPE_TYPE_TABLE,
                                            .sub_type = "EXTERNAL")),
                     OL_OK);
    assert_int_equal(ol_dataset_set_output_statistics(
                         OUTPUT(f), OL_MAKE(ol_output_statistics, .row_count = OL_INT(0),
                                            .size = OL_INT(INT64_MAX))),
                     OL_OK);
    assert_int_equal(ol_dataset_set_input_statistics(
                         INPUT(f), OL_MAKE(ol_input_statistics, .row_count = OL_INT(3),
                                           .size = OL_INT(4), .file_count = OL_INT(5))),
                     OL_OK);
    holds(&f->output, OL_ENTITY_DATASET,
          "{'schema':{$1-2-0/SchemaDatasetFacet,'fields':[{'name':'id','type':'BIGINT',"
          "'description':'key'},{'name':'address','fields':[{'name':'street',"
          "'ordinal_position':1}]}]},'dataSource':{$1-0-1/DatasourceDatasetFacet,"
          "'name':'db','uri':'postgres://db'},"
          "'version':{$1-0-1/DatasetVersionDatasetFacet,'datasetVersion':'7'},"
          "'datasetType':{$1-0-1/DatasetTypeDatasetFacet,'datasetType':'TABLE',"
          "'subType':'EXTERNAL'}}");
    holds(&f->output, OL_ENTITY_OUTPUT,
          "{'outputStatistics':{$1-0-2/OutputStatisticsOutputDatasetFacet,'rowCount':0,"
          "'size':9223372036854775807}}");
    holds(&f->input, OL_ENTITY_INPUT,
          "{'inputStatistics':{$1-0-0/InputStatisticsInputDatasetFacet,'rowCount':3,"
          "'size':4,'fileCount':5}}");
    holds(&f->input, OL_ENTITY_DATASET, "{}");
    /* an empty array is said, an absent one is not */
    assert_int_equal(
        ol_dataset_set_schema(INPUT(f), OL_MAKE(ol_schema, .fields = fields, .field_count = 0)),
        OL_OK);
    holds(&f->input, OL_ENTITY_DATASET, "{'schema':{$1-2-0/SchemaDatasetFacet,'fields':[]}}");
}

static void column_lineage_setter(void **state)
{
    struct fixture *f = *state;
    static const struct ol_transformation hashed[] = {
        OL_ITEM(ol_transformation, .type = OL_TRANSFORMATION_TYPE_DIRECT, .subtype = "IDENTITY",
                .description = "sha", .masking = OL_TRUE)};
    static const struct ol_input_field from[] = {
        OL_ITEM(ol_input_field, .name_space = "n", .name = "t", .field = "mail",
                .transformations = hashed, .transformation_count = 1)};
    static const struct ol_input_field filter[] = {
        OL_ITEM(ol_input_field, .name_space = "n", .name = "t", .field = "age")};
    static const struct ol_column_origin columns[] = {
        OL_ITEM(ol_column_origin, .key = "mail hash", .input_fields = from, .input_field_count = 1),
        OL_ITEM(ol_column_origin, .key = "one", .input_fields = from, .input_field_count = 0)};
    assert_int_equal(ol_dataset_set_column_lineage(
                         OUTPUT(f), OL_MAKE(ol_column_lineage, .fields = columns, .field_count = 2,
                                            .dataset = filter, .dataset_count = 1)),
                     OL_OK);
    holds(&f->output, OL_ENTITY_DATASET,
          "{'columnLineage':{$1-2-0/ColumnLineageDatasetFacet,'fields':{"
          "'mail hash':{'inputFields':[{'namespace':'n','name':'t','field':'mail',"
          "'transformations':[{'type':'DIRECT','subtype':'IDENTITY','description':'sha',"
          "'masking':true}]}]},'one':{'inputFields':[]}},"
          "'dataset':[{'namespace':'n','name':'t','field':'age'}]}}");
}

static void assertions_setter(void **state)
{
    struct fixture *f = *state;
    static const struct ol_assertion checks[] = {
        OL_ITEM(ol_assertion, .assertion = "not_null", .success = OL_FALSE, .column = "id",
                .severity = "error", .name = "n", .description = "d", .expected = "0",
                .actual = "7", .content = "c", .content_type = "t", .params = "{ \"a\": 1 }"),
        OL_ITEM(ol_assertion, .assertion = "unique", .success = OL_TRUE)};
    assert_int_equal(ol_dataset_set_data_quality_assertions(
                         INPUT(f), OL_MAKE(ol_data_quality_assertions, .assertions = checks,
                                           .assertion_count = 2)),
                     OL_OK);
    holds(&f->input, OL_ENTITY_INPUT,
          "{'dataQualityAssertions':{$1-1-0/DataQualityAssertionsDatasetFacet,'assertions':["
          "{'assertion':'not_null','success':false,'column':'id','severity':'error','name':'n',"
          "'description':'d','expected':'0','actual':'7','content':'c','contentType':'t',"
          "'params':{'a':1}},{'assertion':'unique','success':true}]}}");
    assert_int_equal(ol_dataset_set_data_quality_assertions(
                         OUTPUT(f), OL_MAKE(ol_data_quality_assertions, .assertions = checks,
                                            .assertion_count = 2)),
                     OL_INVALID);
}

/* Our ids: every key under its fixed name, and all of them mirrored as tags. */
static void ids_setter(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        ol_run_set_ids(RUN(f), OL_MAKE(ol_ids, .run_id = "1", .step = "2", .attempt = "3",
                                       .task_id = "4", .dataset_id = "5", .feature_view = "6",
                                       .corpus_sha = "7", .prompt_template = "8",
                                       .model_version = "9", .provider_request_id = "10")),
        OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{'lineaged_run':{$ids,"
          "'run_id':'1',"
          "'step':'2',"
          "'attempt':'3',"
          "'task_id':'4',"
          "'dataset_id':'5',"
          "'feature_view':'6',"
          "'corpus_sha':'7',"
          "'prompt_template':'8',"
          "'model_version':'9',"
          "'provider_request_id':'10'"
          "},'tags':{$1-0-0/TagsRunFacet,'tags':["
          "{'key':'run_id','value':'1','source':'lineaged'},"
          "{'key':'step','value':'2','source':'lineaged'},"
          "{'key':'attempt','value':'3','source':'lineaged'},"
          "{'key':'task_id','value':'4','source':'lineaged'},"
          "{'key':'dataset_id','value':'5','source':'lineaged'},"
          "{'key':'feature_view','value':'6','source':'lineaged'},"
          "{'key':'corpus_sha','value':'7','source':'lineaged'},"
          "{'key':'prompt_template','value':'8','source':'lineaged'},"
          "{'key':'model_version','value':'9','source':'lineaged'},"
          "{'key':'provider_request_id','value':'10','source':'lineaged'}"
          "]}}");
}

static void refused(struct fixture *f, ol_status status, const char *message)
{
    assert_int_equal(status, OL_INVALID);
    assert_int_equal(f->error.status, OL_INVALID);
    assert_string_equal(f->error.message, message);
    f->error = (struct ol_error){.status = OL_OK};
}

/* A refusal names facet, field and reason, and leaves what was there. */
static void refusals_name_the_field(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ol_job_set_sql(JOB(f), OL_MAKE(ol_sql, .query = "old")), OL_OK);
    refused(f, ol_job_set_sql(JOB(f), OL_MAKE(ol_sql, .dialect = "x")),
            "facet sql: query is required");
    refused(f, ol_job_set_sql(JOB(f), NULL), "facet sql: ol_sql is NULL");
    struct ol_sql zero = {.query = "x"};
    refused(f, ol_job_set_sql(JOB(f), &zero),
            "facet sql: struct_size is 0; fill struct ol_sql with OL_MAKE or OL_ITEM");
    holds(&f->job, OL_ENTITY_JOB, "{'sql':{$1-1-0/SQLJobFacet,'query':'old'}}");
    refused(f, ol_run_set_parent(RUN(f), OL_MAKE(ol_parent, .run_id = "r", .job_name = "j")),
            "facet parent: job.namespace is required");
    refused(f, ol_run_set_parent(RUN(f), OL_MAKE(ol_parent, .job_namespace = "r", .job_name = "j")),
            "facet parent: run.runId is required");
    refused(f,
            ol_run_set_parent(RUN(f), OL_MAKE(ol_parent, .run_id = "r", .job_namespace = "n",
                                              .job_name = "j", .root_job_name = "x")),
            "facet parent: root.run.runId is required");
    refused(f,
            ol_job_set_job_type(JOB(f), OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                                .integration = "x", .emission_event_trigger = "a",
                                                .emission_event_content_mode = "b",
                                                .emission_window_duration = OL_INT(0))),
            "facet jobType: emissionPattern.windowDuration is 0, must be at least 1");
    struct ol_schema_field fields[3] = {OL_ITEM(ol_schema_field, .name = "a"),
                                        OL_ITEM(ol_schema_field, .type = "t"),
                                        OL_ITEM(ol_schema_field, .name = "c")};
    const struct ol_schema schema = OL_ITEM(ol_schema, .fields = fields, .field_count = 3);
    refused(f, ol_dataset_set_schema(INPUT(f), &schema),
            "facet schema: fields[1].name is required");
    fields[1].name = "b";
    const struct ol_schema_field inner = {.name = "unsized"};
    fields[2].fields = &inner;
    fields[2].field_count = 1;
    refused(f, ol_dataset_set_schema(INPUT(f), &schema),
            "facet schema: fields[2].fields[0].struct_size is 0; fill struct ol_schema_field with "
            "OL_MAKE or OL_ITEM");
    fields[2].fields = NULL;
    refused(f, ol_dataset_set_schema(INPUT(f), &schema),
            "facet schema: fields[2].fields is NULL, but its count is 1");
    fields[2].fields = fields; /* a cycle */
    fields[2].field_count = 3;
    assert_int_equal(ol_dataset_set_schema(INPUT(f), &schema), OL_INVALID);
    assert_non_null(strstr(f->error.message, "is nested deeper than 20"));
    f->error.status = OL_OK;
    holds(&f->input, OL_ENTITY_DATASET, "{}");
    /* the wrong side */
    refused(f,
            ol_dataset_set_output_statistics(INPUT(f),
                                             OL_MAKE(ol_output_statistics, .row_count = OL_INT(1))),
            "facet outputStatistics: belongs to output, which this input is not");
}

/* A cycle that branches would take for ever to walk if a full buffer did not stop it. */
static void branching_cycle_ends(void **state)
{
    struct fixture *f = *state;
    struct ol_schema_field fields[8];
    for (size_t i = 0; i < OL_COUNT(fields); i++)
        fields[i] = (struct ol_schema_field)OL_ITEM(ol_schema_field, .name = "x", .fields = fields,
                                                    .field_count = 8);
    for (size_t i = 0; i < OL_COUNT(fields);
         i++) /* the deepest way is only found after many others */
        fields[i].field_count = i == 0 ? 0 : 8;
    ol_status st =
        ol_dataset_set_schema(INPUT(f), OL_MAKE(ol_schema, .fields = fields, .field_count = 8));
    assert_true(st == OL_TOO_LARGE || st == OL_INVALID);
    assert_true(f->error.status != OL_OK);
    holds(&f->input, OL_ENTITY_DATASET, "{}");
}

static void null_handles_are_disabled(void **state)
{
    (void)state;
    assert_int_equal(ol_run_set_ids(NULL, OL_MAKE(ol_ids, .run_id = "1")), OL_DISABLED);
    assert_int_equal(ol_run_set_tags(NULL, NULL), OL_DISABLED);
    assert_int_equal(ol_job_set_sql(NULL, OL_MAKE(ol_sql, .query = "1")), OL_DISABLED);
    assert_int_equal(ol_dataset_set_schema(NULL, NULL), OL_DISABLED);
    assert_int_equal(ol_dataset_set_input_statistics(NULL, NULL), OL_DISABLED);
}

/* A struct of the future: longer, also as an array's stride. */
struct newer_field {
    struct ol_schema_field now;
    const char *later[3];
};

/* A type with a history, as the generator lays it out: `b` came in a second version, `c` in a
 * third. */
struct aged {
    size_t struct_size;
    const char *a;
    const char *b;
    struct ol_int c;
};
#define KEY(text) sizeof(text) - 1, text
static const struct ol__member aged_members[] = {
    {OL_MEMBER_TEXT, true, 0, offsetof(struct aged, a), 0, KEY("a"), NULL, NULL, INT64_MIN, NULL},
    {OL_MEMBER_TEXT, false, 0, offsetof(struct aged, b), 0, KEY("b"), NULL, NULL, INT64_MIN, NULL},
    {OL_MEMBER_INT, false, 0, offsetof(struct aged, c), 0, KEY("c"), NULL, NULL, INT64_MIN, NULL},
};
static const uint16_t aged_sizes[] = {offsetof(struct aged, b), offsetof(struct aged, c),
                                      sizeof(struct aged), 0};
static const struct ol__struct aged_type = {"ol_aged", aged_sizes, aged_members, 3, false};

static void structs_of_other_versions(void **state)
{
    struct fixture *f = *state;
    struct newer_field fields[2] = {{.now = OL_ITEM(ol_schema_field, .name = "a")},
                                    {.now = OL_ITEM(ol_schema_field, .name = "b")}};
    fields[0].now.struct_size = fields[1].now.struct_size = sizeof(struct newer_field);
    struct {
        struct ol_schema now;
        const char *later;
    } newer = {.now = {.struct_size = sizeof newer, .fields = &fields[0].now, .field_count = 2}};
    assert_int_equal(ol_dataset_set_schema(INPUT(f), &newer.now), OL_OK);
    holds(&f->input, OL_ENTITY_DATASET,
          "{'schema':{$1-2-0/SchemaDatasetFacet,'fields':[{'name':'a'},{'name':'b'}]}}");
    static const struct {
        size_t size;
        const char *members; /* NULL: refused */
    } cases[] = {{sizeof(struct aged), ",'a':'1','b':'2','c':3"},
                 {sizeof(struct aged) + 64, ",'a':'1','b':'2','c':3"},
                 {sizeof(struct aged) - 8, ",'a':'1','b':'2'"}, /* half a member is none */
                 {offsetof(struct aged, c), ",'a':'1','b':'2'"},
                 {offsetof(struct aged, b), ",'a':'1'"},
                 {offsetof(struct aged, a), NULL},
                 {0, NULL}};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        /* on the heap, exactly as long as it says, so that the sanitizers see a read too far */
        const struct aged whole = {cases[i].size, "1", "2", OL_INT(3)};
        size_t size = OL_MAX(OL_MIN(cases[i].size, sizeof whole), sizeof(size_t));
        struct aged *aged = malloc(size);
        memcpy(aged, &whole, size);
        ol_status st = ol__facet_set(&f->job, OL_FACET_JOB_SQL, &aged_type, aged);
        free(aged);
        assert_int_equal(st, cases[i].members != NULL ? OL_OK : OL_INVALID);
        if (cases[i].members == NULL)
            continue;
        char expected[512];
        snprintf(expected, sizeof expected, "{'sql':{$1-1-0/SQLJobFacet%s}}", cases[i].members);
        holds(&f->job, OL_ENTITY_JOB, expected);
    }
}

/* Kinds that the facts know but no facet of this version uses, laid out as the generator does it.
 */
struct entry {
    size_t struct_size;
    const char *key;
    struct ol_real value;
};
struct odd {
    size_t struct_size;
    enum ol_bool flag;
    enum ol_bool flag2;
    const char *json;
    const char *const *names;
    size_t name_count;
    const struct entry *numbers;
    size_t number_count;
    const struct entry *objects;
    size_t object_count;
    const struct ol_sql *sql;
    const char *closed;
    struct ol_real real;
};
static const struct ol__member entry_members[] = {{OL_MEMBER_REAL, true, 0,
                                                   offsetof(struct entry, value), 0, KEY("value"),
                                                   NULL, NULL, INT64_MIN, NULL}};
static const uint16_t entry_sizes[] = {sizeof(struct entry), 0};
static const struct ol__struct entry_value = {"ol_entry", entry_sizes, entry_members, 1, true};
static const struct ol__struct entry_object = {"ol_entry", entry_sizes, entry_members, 1, false};
static const struct ol__member sql_members[] = {{OL_MEMBER_TEXT, true, 0,
                                                 offsetof(struct ol_sql, query), 0, KEY("query"),
                                                 NULL, NULL, INT64_MIN, NULL}};
static const uint16_t sql_sizes[] = {sizeof(struct ol_sql), 0};
static const struct ol__struct sql_type = {"ol_sql", sql_sizes, sql_members, 1, false};
static const char *const closed_values[] = {"ALTER", "DROP", NULL};
static const struct ol__member odd_members[] = {
    {OL_MEMBER_BOOL, true, 0, offsetof(struct odd, flag), 0, KEY("flag"), NULL, NULL, INT64_MIN,
     NULL},
    {OL_MEMBER_BOOL, false, 0, offsetof(struct odd, flag2), 0, KEY("flag2"), NULL, NULL, INT64_MIN,
     NULL},
    {OL_MEMBER_JSON, false, 0, offsetof(struct odd, json), 0, KEY("json"), NULL, NULL, INT64_MIN,
     NULL},
    {OL_MEMBER_TEXT_ARRAY, false, 0, offsetof(struct odd, names), offsetof(struct odd, name_count),
     KEY("names"), NULL, NULL, INT64_MIN, NULL},
    {OL_MEMBER_MAP, false, 0, offsetof(struct odd, numbers), offsetof(struct odd, number_count),
     KEY("numbers"), &entry_value, NULL, INT64_MIN, NULL},
    {OL_MEMBER_MAP, false, 0, offsetof(struct odd, objects), offsetof(struct odd, object_count),
     KEY("objects"), &entry_object, NULL, INT64_MIN, NULL},
    {OL_MEMBER_STRUCT, false, 0, offsetof(struct odd, sql), 0, KEY("sql"), &sql_type, NULL,
     INT64_MIN, NULL},
    {OL_MEMBER_TEXT, false, 0, offsetof(struct odd, closed), 0, KEY("closed"), NULL, closed_values,
     INT64_MIN, NULL},
    {OL_MEMBER_REAL, false, 0, offsetof(struct odd, real), 0, KEY("real"), NULL, NULL, INT64_MIN,
     NULL},
};
static const uint16_t odd_sizes[] = {sizeof(struct odd), 0};
static const struct ol__struct odd_type = {"ol_odd", odd_sizes, odd_members, OL_COUNT(odd_members),
                                           false};

static ol_status set_odd(struct fixture *f, const struct odd *odd)
{
    return ol__facet_set(&f->job, OL_FACET_JOB_SQL, &odd_type, odd);
}

static void every_kind_of_member(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"x", "y\"", NULL};
    struct entry entries[] = {OL_ITEM(entry, .key = "k\n", .value = OL_REAL(0.5)),
                              OL_ITEM(entry, .key = "l", .value = OL_REAL(-2))};
    struct odd odd =
        OL_ITEM(odd, .flag = OL_FALSE, .flag2 = OL_TRUE, .json = " { \"a\" : [ 1 , 1.0 ] } ",
                .names = names, .name_count = 2, .numbers = entries, .number_count = 2,
                .objects = entries, .object_count = 1, .sql = OL_MAKE(ol_sql, .query = "q"),
                .closed = "DROP", .real = OL_REAL(1e100));
    assert_int_equal(set_odd(f, &odd), OL_OK);
    holds(&f->job, OL_ENTITY_JOB,
          "{'sql':{$1-1-0/SQLJobFacet,'flag':false,'flag2':true,'json':{'a':[1,1.0]},"
          "'names':['x','y\\''],'numbers':{'k\\n':0.5,'l':-2},"
          "'objects':{'k\\n':{'value':0.5}},'sql':{'query':'q'},'closed':'DROP',"
          "'real':1e+100}}");
    odd.real.value = (double)NAN; /* counts as absent */
    odd.sql = NULL;
    odd.json = NULL;
    odd.closed = NULL;
    odd.flag2 = OL_UNSET;
    odd.number_count = odd.object_count = 0;
    odd.objects = NULL;
    odd.name_count = 0;
    odd.names = NULL;
    assert_int_equal(set_odd(f, &odd), OL_OK);
    holds(&f->job, OL_ENTITY_JOB, "{'sql':{$1-1-0/SQLJobFacet,'flag':false,'numbers':{}}}");
    odd.closed = "EAT";
    refused(f, set_odd(f, &odd), "facet sql: closed 'EAT' is not one of the allowed values");
    odd.closed = NULL;
    odd.names = names;
    odd.name_count = 3;
    refused(f, set_odd(f, &odd), "facet sql: names[2]. is NULL");
    odd.name_count = 0;
    odd.number_count = 2;
    entries[1].key = NULL;
    refused(f, set_odd(f, &odd), "facet sql: numbers[1].key is required");
    entries[1].key = "l";
    entries[1].value.is_set = false;
    refused(f, set_odd(f, &odd), "facet sql: numbers[1].value is required");
    odd.number_count = 0;
    odd.sql = OL_MAKE(ol_sql, .dialect = "x");
    refused(f, set_odd(f, &odd), "facet sql: sql.query is required");
    odd.sql = NULL;
    odd.json = "{";
    assert_int_equal(set_odd(f, &odd), OL_INVALID);
    assert_non_null(strstr(f->error.message, "facet sql: json not JSON at byte 1"));
    f->error.status = OL_OK;
    odd.json = NULL;
    odd.flag = OL_UNSET;
    refused(f, set_odd(f, &odd), "facet sql: flag is required");
}

/* Any allocation may fail: the earlier facets stand, and the setter works again afterwards. */
static void allocations_fail(void **state)
{
    unsigned long n = 1;
    for (;; n++) {
        struct fixture *f = NULL;
        (void)state;
        set_up((void **)&f);
        fail_alloc_at(n);
        ol_status st = ol_run_set_ids(RUN(f), OL_MAKE(ol_ids, .run_id = "1"));
        if (st == OL_OK)
            st = ol_run_set_tags(RUN(f), OL_MAKE(ol_tags, .tags = NULL));
        bool failed = fail_alloc_stop();
        assert_int_equal(st, failed ? OL_NOMEM : OL_OK);
        assert_int_equal(f->error.status, failed ? OL_NOMEM : OL_OK);
        assert_int_equal(ol_run_set_ids(RUN(f), OL_MAKE(ol_ids, .run_id = "1")), OL_OK);
        assert_int_equal(ol_run_set_tags(RUN(f), OL_MAKE(ol_tags, .tags = NULL)), OL_OK);
        struct ol__buf out;
        ol__buf_init(&out, 1 << 20);
        ol__facet_write(&f->run, OL_ENTITY_RUN, &out);
        assert_non_null(strstr(out.data, "\"tags\":[{\"key\":\"run_id\""));
        ol__buf_release(&out);
        tear_down((void **)&f);
        if (!failed)
            break;
    }
    assert_true(n > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(run_setters),
        TEST(job_setters),
        TEST(dataset_setters),
        TEST(column_lineage_setter),
        TEST(assertions_setter),
        TEST(ids_setter),
        TEST(refusals_name_the_field),
        TEST(branching_cycle_ends),
        TEST(null_handles_are_disabled),
        TEST(structs_of_other_versions),
        TEST(every_kind_of_member),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
