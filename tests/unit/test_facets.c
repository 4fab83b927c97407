/* SPDX-License-Identifier: Apache-2.0 */
/* What setters do with what they are given: replace whole, mirror our ids, refuse and name the
 * field. Each facet's JSON is the business of test_facets_built.c. JSON is written with ' for ". */
#include <stdio.h>
#include <stdlib.h>
#include "facets_fixture.h"
#include "fail_alloc.h"

/* An earlier value is replaced whole, in its place; a root is all there or not at all; an array of
 * none is said, an absent one is not. */
static void later_values_replace_earlier_ones(void **state)
{
    struct fixture *f = *state;
    static const struct ol_tag tags[] = {OL_ITEM(ol_tag, .key = "a", .value = "1")};
    assert_int_equal(
        ol_run_set_parent(RUN(f), OL_MAKE(ol_parent, .run_id = "r", .job_namespace = "n",
                                          .job_name = "j", .root_run_id = "t",
                                          .root_job_namespace = "tn", .root_job_name = "tj")),
        OL_OK);
    assert_int_equal(ol_run_set_tags(RUN(f), OL_MAKE(ol_tags, .tags = tags, .tag_count = 1)),
                     OL_OK);
    assert_int_equal(ol_run_set_parent(RUN(f), OL_MAKE(ol_parent, .run_id = "r2",
                                                       .job_namespace = "n", .job_name = "j")),
                     OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{'parent':{$1-2-0/ParentRunFacet,'run':{'runId':'r2'},"
          "'job':{'namespace':'n','name':'j'}},"
          "'tags':{$1-0-0/TagsRunFacet,'tags':[{'key':'a','value':'1'}]}}");
    assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "parent"), OL_OK);
    assert_int_equal(ol_run_set_tags(RUN(f), OL_MAKE(ol_tags, .tags = tags, .tag_count = 0)),
                     OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{'tags':{$1-0-0/TagsRunFacet,'tags':[]}}");
    assert_int_equal(ol_run_set_tags(RUN(f), OL_MAKE(ol_tags, .tags = NULL)), OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{'tags':{$1-0-0/TagsRunFacet}}");
    assert_int_equal(f->error.status, OL_OK);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(later_values_replace_earlier_ones), TEST(ids_setter),
        TEST(refusals_name_the_field),           TEST(branching_cycle_ends),
        TEST(null_handles_are_disabled),         cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
