/* SPDX-License-Identifier: Apache-2.0 */
/* Every facet that the facts know, filled as a program fills it (tests/support/c/facets_built.c),
 * is byte for byte what was written by hand in tests/data/facets/, white space aside; and none can
 * be set without what its schema requires. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "facets_built.h"
#include "facets_fixture.h"

#define PRODUCER "https://example.org/lineaged/tests"

static struct built_handles handles(struct fixture *f)
{
    f->context.producer = PRODUCER;
    return (struct built_handles){RUN(f), JOB(f), INPUT(f), OUTPUT(f)};
}

/* "run.parent.no-root": on which entity, and the key */
static enum ol__entity entity_of(const char *name, char *ret_key, size_t size)
{
    static const char *const names[OL_ENTITY_COUNT] = {"run", "job", "dataset", "input", "output"};
    size_t entity = 0;
    while (entity < OL_ENTITY_COUNT && (strncmp(name, names[entity], strlen(names[entity])) != 0 ||
                                        name[strlen(names[entity])] != '.'))
        entity++;
    assert_true(entity < OL_ENTITY_COUNT);
    const char *key = name + strlen(names[entity]) + 1;
    snprintf(ret_key, size, "%.*s", (int)strcspn(key, "."), key);
    return (enum ol__entity)entity;
}

static struct ol__facet_place *place_of(struct fixture *f, enum ol__entity entity)
{
    if (entity == OL_ENTITY_RUN)
        return &f->run;
    if (entity == OL_ENTITY_JOB)
        return &f->job;
    return entity == OL_ENTITY_INPUT ? &f->input : &f->output;
}

/* The hand-written file on one line, as an event would hold it: {"KEY":{...}}. */
static void expected(const char *name, const char *key, struct ol__buf *ret)
{
    char path[512], text[16384];
    snprintf(path, sizeof path, SOURCE_DIRECTORY "/tests/data/facets/%s.json", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("%s: what must come out is not written down", path);
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    assert_in_range(n, 2, sizeof text - 1);
    struct ol__json_reader *reader = NULL;
    struct ol_error err;
    assert_int_equal(ol__json_reader_new(&reader, &err), OL_OK);
    ol__buf_init(ret, 1 << 20);
    ol__buf_add_format(ret, "{\"%s\":", key);
    if (ol__json_minify(reader, (struct ol__span){text, (size_t)n}, NULL, ret, &err) != OL_OK)
        fail_msg("%s: %s", path, err.message);
    ol__buf_add_char(ret, '}');
    ol__json_reader_free(reader);
}

static void each_is_as_written_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < built_facet_count; i++) {
        struct fixture *f = NULL;
        set_up((void **)&f);
        const struct built_handles h = handles(f);
        char key[64];
        enum ol__entity entity = entity_of(built_facets[i].name, key, sizeof key);
        if (built_facets[i].build(&h) != OL_OK)
            fail_msg("%s: %s", built_facets[i].name, f->error.message);
        struct ol__buf written, want;
        ol__buf_init(&written, 1 << 20);
        ol__facet_write(place_of(f, entity), entity, &written);
        expected(built_facets[i].name, key, &want);
        /* our ids also stand in tags, behind it; test_facets.c looks at those */
        if (ol__facet_find(entity, ol__span_text(key)) == OL_FACET_MIRRORED) {
            assert_true(written.size > want.size && written.data[want.size - 1] == ',');
            memcpy(written.data + want.size - 1, "}", 2);
        }
        if (strcmp(written.data, want.data) != 0)
            fail_msg("%s\nis:   %s\nwant: %s", built_facets[i].name, written.data, want.data);
        ol__buf_release(&written);
        ol__buf_release(&want);
        tear_down((void **)&f);
    }
}

static void all_facets_are_built(void **state)
{
    (void)state;
    for (int id = 1; id < OL_FACET_COUNT; id++) {
        const struct ol__facet_info *info = ol__facet_info((enum ol__facet_id)id);
        bool is_there = false;
        for (size_t i = 0; i < built_facet_count && !is_there; i++) {
            char key[64];
            enum ol__entity entity = entity_of(built_facets[i].name, key, sizeof key);
            is_there = entity == info->entity && strcmp(key, info->key) == 0;
        }
        if (!is_there)
            fail_msg("facet %s (%s) is not in facets_built.c", info->key, info->schema_url);
    }
}

static void is_refused(struct fixture *f, const char *setter, ol_status status, const char *message)
{
    bool is_free = message == NULL; /* nothing is required */
    if (status != (is_free ? OL_OK : OL_INVALID) || f->error.status != status ||
        (!is_free && strcmp(f->error.message, message) != 0))
        fail_msg("%s: %s, '%s', not '%s'", setter, ol_status_name(status), f->error.message,
                 is_free ? "" : message);
    f->error = (struct ol_error){.status = OL_OK};
}

/* A struct with nothing in it is refused by the name of the first field that its schema requires,
 * or taken where none is. */
#define EMPTY(handle, setter, type, message)                                                       \
    is_refused(f, #setter,                                                                         \
               setter(h.handle, &(const struct type){.struct_size = sizeof(struct type)}),         \
               message)
static void what_is_required_cannot_be_left_out(void **state)
{
    struct fixture *f = *state;
    const struct built_handles h = handles(f);
    EMPTY(run, ol_run_set_nominal_time, ol_nominal_time,
          "facet nominalTime: nominalStartTime is required");
    EMPTY(run, ol_run_set_parent, ol_parent, "facet parent: run.runId is required");
    EMPTY(run, ol_run_set_error_message, ol_error_message,
          "facet errorMessage: message is required");
    EMPTY(run, ol_run_set_processing_engine, ol_processing_engine,
          "facet processing_engine: version is required");
    EMPTY(run, ol_run_set_tags, ol_tags, NULL);
    EMPTY(run, ol_run_set_external_query, ol_external_query,
          "facet externalQuery: externalQueryId is required");
    EMPTY(run, ol_run_set_extraction_error, ol_extraction_error,
          "facet extractionError: totalTasks is required");
    EMPTY(run, ol_run_set_environment_variables, ol_environment_variables,
          "facet environmentVariables: environmentVariables is required");
    EMPTY(run, ol_run_set_execution_parameters, ol_execution_parameters, NULL);
    EMPTY(run, ol_run_set_job_dependencies, ol_job_dependencies, NULL);
    EMPTY(run, ol_run_set_tests, ol_tests, "facet test: tests is required");
    EMPTY(run, ol_run_set_gcp_composer_run, ol_gcp_composer_run,
          "facet gcp_composer_run: dagRunId is required");
    EMPTY(run, ol_run_set_gcp_dataproc, ol_gcp_dataproc, "facet gcp_dataproc: appId is required");
    EMPTY(run, ol_run_set_surroundings, ol_surroundings, NULL);
    EMPTY(run, ol_run_set_ids, ol_ids, NULL);
    EMPTY(run, ol_run_set_shed, ol_shed, "facet lineaged_shed: count is required");
    EMPTY(job, ol_job_set_shed, ol_shed, "facet lineaged_shed: count is required");
    EMPTY(input, ol_dataset_set_shed, ol_shed, "facet lineaged_shed: count is required");
    EMPTY(job, ol_job_set_job_type, ol_job_type, "facet jobType: processingType is required");
    EMPTY(job, ol_job_set_sql, ol_sql, "facet sql: query is required");
    EMPTY(job, ol_job_set_source_code, ol_source_code, "facet sourceCode: language is required");
    EMPTY(job, ol_job_set_source_code_location, ol_source_code_location,
          "facet sourceCodeLocation: type is required");
    EMPTY(job, ol_job_set_documentation, ol_documentation,
          "facet documentation: description is required");
    EMPTY(job, ol_job_set_ownership, ol_ownership, NULL);
    EMPTY(job, ol_job_set_tags, ol_tags, NULL);
    EMPTY(job, ol_job_set_lineage, ol_job_lineage, "facet lineage: entries is required");
    EMPTY(job, ol_job_set_gcp_composer_job, ol_gcp_composer_job,
          "facet gcp_composer_job: environmentName is required");
    EMPTY(job, ol_job_set_gcp_lineage, ol_gcp_lineage, NULL);
    EMPTY(output, ol_dataset_set_schema, ol_schema, NULL);
    EMPTY(output, ol_dataset_set_data_source, ol_data_source, NULL);
    EMPTY(output, ol_dataset_set_dataset_version, ol_dataset_version,
          "facet version: datasetVersion is required");
    EMPTY(output, ol_dataset_set_dataset_type, ol_dataset_type,
          "facet datasetType: datasetType is required");
    EMPTY(output, ol_dataset_set_column_lineage, ol_column_lineage,
          "facet columnLineage: fields is required");
    EMPTY(output, ol_dataset_set_lineage, ol_dataset_lineage, NULL);
    EMPTY(output, ol_dataset_set_lifecycle_state_change, ol_lifecycle_state_change,
          "facet lifecycleStateChange: lifecycleStateChange is required");
    EMPTY(output, ol_dataset_set_storage, ol_storage, "facet storage: storageLayer is required");
    EMPTY(output, ol_dataset_set_catalog, ol_catalog, "facet catalog: framework is required");
    EMPTY(output, ol_dataset_set_symlinks, ol_symlinks, NULL);
    EMPTY(output, ol_dataset_set_hierarchy, ol_hierarchy, "facet hierarchy: hierarchy is required");
    EMPTY(output, ol_dataset_set_documentation, ol_documentation,
          "facet documentation: description is required");
    EMPTY(output, ol_dataset_set_ownership, ol_ownership, NULL);
    EMPTY(output, ol_dataset_set_tags, ol_dataset_tags, NULL);
    EMPTY(output, ol_dataset_set_data_quality_metrics, ol_data_quality_metrics,
          "facet dataQualityMetrics: columnMetrics is required");
    EMPTY(input, ol_dataset_set_input_data_quality_metrics, ol_input_data_quality_metrics,
          "facet dataQualityMetrics: columnMetrics is required");
    EMPTY(input, ol_dataset_set_data_quality_assertions, ol_data_quality_assertions,
          "facet dataQualityAssertions: assertions is required");
    EMPTY(input, ol_dataset_set_input_statistics, ol_input_statistics, NULL);
    EMPTY(input, ol_dataset_set_input_subset, ol_input_subset,
          "facet subset: inputCondition is required");
    EMPTY(input, ol_dataset_set_iceberg_scan_report, ol_iceberg_scan_report, NULL);
    EMPTY(output, ol_dataset_set_output_statistics, ol_output_statistics, NULL);
    EMPTY(output, ol_dataset_set_output_subset, ol_output_subset,
          "facet subset: outputCondition is required");
    EMPTY(output, ol_dataset_set_iceberg_commit_report, ol_iceberg_commit_report, NULL);
}

/* What belongs together by `type`, and what is refused inside arrays, maps and pointers. */
static void members_that_depend_on_a_type(void **state)
{
    struct fixture *f = *state;
    const struct built_handles h = handles(f);
    struct ol_lineage_input source = OL_ITEM(ol_lineage_input, .type = "DATASET");
    const struct ol_lineage_field field =
        OL_ITEM(ol_lineage_field, .key = "c", .inputs = &source, .input_count = 1);
    const struct ol_dataset_lineage lineage =
        OL_ITEM(ol_dataset_lineage, .fields = &field, .field_count = 1);
    static const struct {
        const char *type, *name_space, *name, *field, *run_id, *message;
    } inputs[] = {
        {NULL, "n", "m", NULL, NULL, "type is required"},
        {"TABLE", "n", "m", NULL, NULL, "type 'TABLE' is not one of the allowed values"},
        {"DATASET", NULL, NULL, NULL, NULL, "namespace is required"},
        {"DATASET", "n", NULL, NULL, NULL, "name is required with namespace"},
        {"DATASET", "n", "m", "f", "id", "runId belongs to type JOB, but type is 'DATASET'"},
        {"JOB", NULL, "m", NULL, NULL, "namespace is required with name"},
        {"JOB", "n", NULL, NULL, NULL, "name is required with namespace"},
        {"JOB", NULL, NULL, "f", NULL, "field belongs to type DATASET, but type is 'JOB'"},
        {"JOB", NULL, NULL, NULL, "id", NULL},
        {"DATASET", "n", "m", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < OL_COUNT(inputs); i++) {
        char message[160];
        source.type = inputs[i].type;
        source.name_space = inputs[i].name_space;
        source.name = inputs[i].name;
        source.field = inputs[i].field;
        source.run_id = inputs[i].run_id;
        snprintf(message, sizeof message, "facet lineage: fields[0].inputs[0].%s",
                 inputs[i].message != NULL ? inputs[i].message : "");
        is_refused(f, "lineage", ol_dataset_set_lineage(h.output, &lineage),
                   inputs[i].message != NULL ? message : NULL);
    }
    const struct ol_subset_operand *age =
        OL_MAKE(ol_subset_operand, .type = "field", .field = "age");
    const struct ol_subset_operand *none = OL_MAKE(ol_subset_operand, .type = "literal");
    const struct ol_subset_condition *place = OL_MAKE(ol_subset_condition, .type = "location");
    const struct {
        const struct ol_subset_condition *condition;
        const char *message;
    } conditions[] = {
        {OL_MAKE(ol_subset_condition, .location_count = 0), "type is required"},
        {place, "locations is required"},
        {OL_MAKE(ol_subset_condition, .type = "location", .operator_name = "AND"),
         "locations is required"},
        {OL_MAKE(ol_subset_condition, .type = "partition"), "partitions is required"},
        {OL_MAKE(ol_subset_condition, .type = "compare", .right_operand = age), "left is required"},
        {OL_MAKE(ol_subset_condition, .type = "compare", .left_operand = none),
         "left.value is required"},
        {OL_MAKE(ol_subset_condition, .type = "compare", .left_operand = age, .right_operand = age),
         "comparison is required"},
        {OL_MAKE(ol_subset_condition, .type = "binary", .left_operand = age),
         "left belongs to type compare, but type is 'binary'"},
        {OL_MAKE(ol_subset_condition, .type = "binary", .left = place),
         "left.locations is required"},
    };
    for (size_t i = 0; i < OL_COUNT(conditions); i++) {
        char message[160];
        snprintf(message, sizeof message, "facet subset: inputCondition.%s", conditions[i].message);
        is_refused(f, "subset",
                   ol_dataset_set_input_subset(
                       h.input, OL_MAKE(ol_input_subset, .condition = conditions[i].condition)),
                   message);
    }
    struct ol_subset_condition cycle =
        OL_ITEM(ol_subset_condition, .type = "binary", .operator_name = "AND");
    cycle.left = cycle.right = &cycle;
    assert_int_equal(
        ol_dataset_set_input_subset(h.input, OL_MAKE(ol_input_subset, .condition = &cycle)),
        OL_INVALID);
    assert_non_null(strstr(f->error.message, "is nested deeper than 20"));
    f->error.status = OL_OK;
    static const struct ol_test test =
        OL_ITEM(ol_test, .name = "t", .status = "pass", .params = "7");
    is_refused(f, "tests",
               ol_run_set_tests(h.run, OL_MAKE(ol_tests, .tests = &test, .test_count = 1)),
               "facet test: tests[0].params is no JSON object");
    holds(&f->input, OL_ENTITY_INPUT, "{}");
    holds(&f->run, OL_ENTITY_RUN, "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_as_written_by_hand),
        cmocka_unit_test(all_facets_are_built),
        TEST(what_is_required_cannot_be_left_out),
        TEST(members_that_depend_on_a_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
