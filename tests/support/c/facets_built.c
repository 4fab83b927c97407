/* SPDX-License-Identifier: Apache-2.0 */
#include "facets_built.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* NOLINTNEXTLINE(bugprone-macro-parentheses): initialisers */
#define SHED                                                                                       \
    .count = OL_INT(2), .bytes = OL_INT(300), .limit = OL_INT(4096), .facets = left_out,           \
    .facet_count = COUNT(left_out)
#define PARENT_ID "0190b0c4-6a3e-7b52-8c39-1f0e5d6a7b81"
#define ROOT_ID "0190b0c4-0000-7000-8000-00000000beef"

/* ---- run ---- */

static ol_status nominal_time(const struct built_handles *h)
{
    return ol_run_set_nominal_time(h->run, OL_MAKE(ol_nominal_time,
                                                   .nominal_start_time = "2026-11-21T00:00:00Z",
                                                   .nominal_end_time = "2026-11-22T00:00:00Z"));
}

static ol_status nominal_time_point(const struct built_handles *h)
{
    return ol_run_set_nominal_time(
        h->run, OL_MAKE(ol_nominal_time, .nominal_start_time = "2026-11-21T00:00:00.125+01:00"));
}

static ol_status parent(const struct built_handles *h)
{
    return ol_run_set_parent(h->run,
                             OL_MAKE(ol_parent, .run_id = PARENT_ID, .job_namespace = "night",
                                     .job_name = "shop.load", .root_run_id = ROOT_ID,
                                     .root_job_namespace = "night", .root_job_name = "shop"));
}

static ol_status parent_without_root(const struct built_handles *h)
{
    return ol_run_set_parent(h->run, OL_MAKE(ol_parent, .run_id = PARENT_ID,
                                             .job_namespace = "night", .job_name = "shop.load"));
}

static ol_status error_message(const struct built_handles *h)
{
    return ol_run_set_error_message(
        h->run, OL_MAKE(ol_error_message, .message = "line 7: no \"price\"\n\ttry \\N for none",
                        .programming_language = "C", .stack_trace = "#0 parse\n#1 main"));
}

static ol_status processing_engine(const struct built_handles *h)
{
    return ol_run_set_processing_engine(h->run, OL_MAKE(ol_processing_engine, .version = "3.5.1",
                                                        .name = "spark",
                                                        .openlineage_adapter_version = "1.55.0"));
}

static ol_status external_query(const struct built_handles *h)
{
    return ol_run_set_external_query(
        h->run, OL_MAKE(ol_external_query, .id = "shop:EU.job_7f3a", .source = "bigquery"));
}

static ol_status extraction_error(const struct built_handles *h)
{
    static const struct ol_extraction_failure errors[] = {
        OL_ITEM(ol_extraction_failure, .error_message = "unexpected LATERAL",
                .stack_trace = "at 1:8", .task = "select lateral", .task_number = OL_INT(0)),
        OL_ITEM(ol_extraction_failure, .error_message = "too long")};
    return ol_run_set_extraction_error(
        h->run, OL_MAKE(ol_extraction_error, .total_tasks = OL_INT(12), .failed_tasks = OL_INT(2),
                        .errors = errors, .error_count = COUNT(errors)));
}

static ol_status environment_variables(const struct built_handles *h)
{
    static const struct ol_environment_variable variables[] = {
        OL_ITEM(ol_environment_variable, .name = "TZ", .value = "Europe/Zürich"),
        OL_ITEM(ol_environment_variable, .name = "EMPTY", .value = "")};
    return ol_run_set_environment_variables(h->run, OL_MAKE(ol_environment_variables,
                                                            .variables = variables,
                                                            .variable_count = COUNT(variables)));
}

static ol_status execution_parameters(const struct built_handles *h)
{
    static const struct ol_execution_parameter parameters[] = {
        OL_ITEM(ol_execution_parameter, .key = "retry.max", .name = "Tries",
                .description = "How often a step is tried.", .value = "3"),
        OL_ITEM(ol_execution_parameter, .key = "dry-run")};
    return ol_run_set_execution_parameters(h->run, OL_MAKE(ol_execution_parameters,
                                                           .parameters = parameters,
                                                           .parameter_count = COUNT(parameters)));
}

static ol_status job_dependencies(const struct built_handles *h)
{
    static const struct ol_job_dependency upstream[] = {
        OL_ITEM(ol_job_dependency, .job_namespace = "night", .job_name = "shop.fetch",
                .run_id = PARENT_ID,
                .dependency_type = OL_JOB_DEPENDENCY_DEPENDENCY_TYPE_DIRECT_INVOCATION,
                .sequence_trigger_rule = OL_JOB_DEPENDENCY_SEQUENCE_TRIGGER_RULE_FINISH_TO_START,
                .status_trigger_rule = OL_JOB_DEPENDENCY_STATUS_TRIGGER_RULE_EXECUTE_ON_SUCCESS),
        OL_ITEM(ol_job_dependency, .job_namespace = "night", .job_name = "clock")};
    static const struct ol_job_dependency downstream[] = {
        OL_ITEM(ol_job_dependency, .job_namespace = "day", .job_name = "report")};
    return ol_run_set_job_dependencies(
        h->run,
        OL_MAKE(ol_job_dependencies, .upstream = upstream, .upstream_count = COUNT(upstream),
                .downstream = downstream, .downstream_count = COUNT(downstream),
                .trigger_rule = OL_JOB_DEPENDENCIES_TRIGGER_RULE_ALL_SUCCESS));
}

static const struct ol_tag tags[] = {
    OL_ITEM(ol_tag, .key = "team", .value = "data", .source = "USER"),
    OL_ITEM(ol_tag, .key = "nightly", .value = "true")};

static ol_status run_tags(const struct built_handles *h)
{
    return ol_run_set_tags(h->run, OL_MAKE(ol_tags, .tags = tags, .tag_count = COUNT(tags)));
}

static ol_status run_tags_none(const struct built_handles *h)
{
    return ol_run_set_tags(h->run, OL_MAKE(ol_tags, .tags = tags, .tag_count = 0));
}

static ol_status tests(const struct built_handles *h)
{
    static const struct ol_test made[] = {
        OL_ITEM(ol_test, .name = "prices are positive", .status = OL_TEST_STATUS_FAIL,
                .severity = OL_TEST_SEVERITY_WARN, .type = OL_TEST_TYPE_CUSTOM_SQL,
                .description = "No price below zero.", .expected = "0", .actual = "3",
                .content = "select count(*) from p where price < 0",
                .content_type = OL_TEST_CONTENT_TYPE_SQL,
                .params = " { \"limit\" : 0.5e1 ,\n \"deep\" : [ { \"x\" : [ ] } , -1.25E-2 ] } "),
        OL_ITEM(ol_test, .name = "smoke", .status = "flaky")};
    return ol_run_set_tests(h->run, OL_MAKE(ol_tests, .tests = made, .test_count = COUNT(made)));
}

static ol_status gcp_composer_run(const struct built_handles *h)
{
    return ol_run_set_gcp_composer_run(
        h->run, OL_MAKE(ol_gcp_composer_run, .dag_run_id = "scheduled__2026-11-21T00:00:00+00:00"));
}

static ol_status gcp_dataproc(const struct built_handles *h)
{
    return ol_run_set_gcp_dataproc(
        h->run,
        OL_MAKE(ol_gcp_dataproc, .app_id = "application_17_0001", .app_name = "clean",
                .batch_id = "b1", .batch_uuid = "bu", .cluster_name = "c1", .cluster_uuid = "cu",
                .job_id = "j1", .job_uuid = "ju", .project_id = "shop", .query_node_name = "insert",
                .job_type = "batch", .session_id = "s1", .session_uuid = "su"));
}

static ol_status ids(const struct built_handles *h)
{
    return ol_run_set_ids(h->run, OL_MAKE(ol_ids, .run_id = "20261121T000000Z_00", .step = "clean",
                                          .attempt = "1", .task_id = "42", .dataset_id = "raw@7",
                                          .feature_view = "users:v3", .corpus_sha = "c0ffee",
                                          .prompt_template = "ask@2", .model_version = "m:4",
                                          .provider_request_id = "req-1"));
}

static ol_status surroundings(const struct built_handles *h)
{
    return ol_run_set_surroundings(
        h->run, OL_MAKE(ol_surroundings, .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
                        .span_id = "00f067aa0ba902b7", .scheduler = OL_SURROUNDINGS_SCHEDULER_SLURM,
                        .workflow = "train", .workflow_run = "42", .place = "cluster",
                        .task_uid = "u", .task_index = "0", .url = "https://example.org/42"));
}

static const struct ol_shed_facet left_out[] = {
    OL_ITEM(ol_shed_facet, .pointer = "/job/facets/sql", .bytes = OL_INT(200)),
    OL_ITEM(ol_shed_facet, .pointer = "/inputs/0/facets/schema", .bytes = OL_INT(100))};

static ol_status run_shed(const struct built_handles *h)
{
    return ol_run_set_shed(h->run, OL_MAKE(ol_shed, SHED));
}

static ol_status run_inferred(const struct built_handles *h)
{
    return ol_run_set_inferred(
        h->run,
        OL_MAKE(ol_inferred, .reason = OL_INFERRED_REASON_WRITER_GONE,
                .last_change = "2026-11-21T09:00:00.000Z",
                .inferred_at = "2026-11-21T09:01:00.000Z",
                .journal = "01763715600000000000-01941f29-7c00-7837-a31d-d79a7fb36a3d.jsonl"));
}

static ol_status run_answer_details(const struct built_handles *h)
{
    static const char *const retrieved[] = {"doc-7", "doc-9"}, *const cited[] = {"doc-9"};
    return ol_run_set_answer_details(
        h->run,
        OL_MAKE(ol_answer_details, .request_id = "req-1", .outcome = "answered",
                .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736", .span_id = "00f067aa0ba902b7",
                .embedding_model = "embed-3", .retrieval_index = "papers@12",
                .retrieved = retrieved, .retrieved_count = COUNT(retrieved), .cited = cited,
                .cited_count = COUNT(cited), .feature_snapshot_ts = "2026-11-21T09:00:00Z",
                .cohort = "b", .geo = "DE", .temperature = OL_REAL(0.5), .max_tokens = OL_INT(512),
                .seed = OL_INT(7), .input_hash = "sha256:00", .input_bytes = OL_INT(12),
                .output_hash = "hmac-sha256:11", .output_bytes = OL_INT(340),
                .latency_ms = OL_REAL(81.25), .confidence = OL_REAL(0.875),
                .input_tokens = OL_INT(30), .output_tokens = OL_INT(90), .cost = OL_REAL(0.25),
                .currency = "USD", .cache_hit = OL_TRUE, .cached_from = "req-0"));
}

static ol_status run_answers_summary(const struct built_handles *h)
{
    static const struct ol_answers_cost costs[] = {
        OL_ITEM(ol_answers_cost, .currency = "USD", .cost = OL_REAL(1.5))};
    static const struct ol_answers_model models[] = {
        OL_ITEM(ol_answers_model, .name = "m@1", .count = OL_INT(3))};
    return ol_run_set_answers_summary(
        h->run,
        OL_MAKE(ol_answers_summary, .window = "w1", .count = OL_INT(3),
                .first_at = "2026-11-21T09:00:00.000Z", .last_at = "2026-11-21T09:00:59.000Z",
                .answered = OL_INT(1), .abstained = OL_INT(0), .refused = OL_INT(1),
                .fallback = OL_INT(0), .handoff = OL_INT(1), .filtered = OL_INT(0),
                .latency_min_ms = OL_REAL(1.5), .latency_mean_ms = OL_REAL(2.5),
                .latency_p50_ms = OL_REAL(2.5), .latency_p95_ms = OL_REAL(3.5),
                .latency_max_ms = OL_REAL(3.5), .input_tokens = OL_INT(90),
                .output_tokens = OL_INT(270), .cache_hits = OL_INT(1), .costs = costs,
                .cost_count = COUNT(costs), .models = models, .model_count = COUNT(models)));
}

/* ---- job ---- */

static ol_status job_shed(const struct built_handles *h)
{
    return ol_job_set_shed(h->job, OL_MAKE(ol_shed, SHED));
}

static ol_status job_type(const struct built_handles *h)
{
    return ol_job_set_job_type(
        h->job, OL_MAKE(ol_job_type, .processing_type = OL_JOB_TYPE_PROCESSING_TYPE_STREAMING,
                        .integration = "FLINK", .job_type = OL_JOB_TYPE_JOB_TYPE_JOB,
                        .emission_event_trigger = OL_JOB_TYPE_EMISSION_EVENT_TRIGGER_PERIODIC,
                        .emission_event_content_mode =
                            OL_JOB_TYPE_EMISSION_EVENT_CONTENT_MODE_COMPLETE_SNAPSHOT,
                        .emission_window_duration = OL_INT(60)));
}

static ol_status job_type_short(const struct built_handles *h)
{
    return ol_job_set_job_type(
        h->job, OL_MAKE(ol_job_type, .processing_type = "BATCH", .integration = "make"));
}

static ol_status sql(const struct built_handles *h)
{
    return ol_job_set_sql(h->job,
                          OL_MAKE(ol_sql, .query = "select 'a' -- größe", .dialect = "ansi"));
}

static ol_status source_code(const struct built_handles *h)
{
    return ol_job_set_source_code(
        h->job, OL_MAKE(ol_source_code, .language = "C", .text = "int main(void) { return 0; }\n"));
}

static ol_status source_code_location(const struct built_handles *h)
{
    return ol_job_set_source_code_location(
        h->job,
        OL_MAKE(ol_source_code_location, .type = "git",
                .url = "https://example.org/shop/blob/1f2e/clean.c",
                .repo_url = "git@example.org:shop.git", .path = "clean.c", .version = "1f2e",
                .tag = "v1", .branch = "main", .pull_request_number = "7"));
}

static ol_status job_documentation(const struct built_handles *h)
{
    return ol_job_set_documentation(h->job, OL_MAKE(ol_documentation, .description = "# Cleans",
                                                    .content_type = "text/markdown"));
}

static const struct ol_owner owners[] = {
    OL_ITEM(ol_owner, .name = "team:data", .type = OL_OWNER_TYPE_MAINTAINER),
    OL_ITEM(ol_owner, .name = "user:ann")};

static ol_status job_ownership(const struct built_handles *h)
{
    return ol_job_set_ownership(
        h->job, OL_MAKE(ol_ownership, .owners = owners, .owner_count = COUNT(owners)));
}

static ol_status job_tags(const struct built_handles *h)
{
    return ol_job_set_tags(h->job, OL_MAKE(ol_tags, .tags = tags, .tag_count = COUNT(tags)));
}

/* From a field, with what was done to it; from a job's run; from the event's own job. */
static const struct ol_transformation hashed[] = {
    OL_ITEM(ol_transformation, .type = OL_TRANSFORMATION_TYPE_DIRECT,
            .subtype = OL_TRANSFORMATION_SUBTYPE_TRANSFORMATION, .description = "sha256",
            .masking = OL_TRUE),
    OL_ITEM(ol_transformation, .type = OL_TRANSFORMATION_TYPE_INDIRECT, .masking = OL_FALSE)};
static const struct ol_lineage_input sources[] = {
    OL_ITEM(ol_lineage_input, .type = OL_LINEAGE_INPUT_TYPE_DATASET, .name_space = "file",
            .name = "/raw.csv", .field = "mail", .transformations = hashed,
            .transformation_count = COUNT(hashed)),
    OL_ITEM(ol_lineage_input, .type = OL_LINEAGE_INPUT_TYPE_JOB, .name_space = "night",
            .name = "fetch", .run_id = PARENT_ID),
    OL_ITEM(ol_lineage_input, .type = OL_LINEAGE_INPUT_TYPE_JOB)};
static const struct ol_lineage_field lineage_fields[] = {
    OL_ITEM(ol_lineage_field, .key = "mail hash", .inputs = sources, .input_count = 1),
    OL_ITEM(ol_lineage_field, .key = "row", .inputs = sources, .input_count = 0)};

static ol_status job_lineage(const struct built_handles *h)
{
    static const struct ol_lineage_entry entries[] = {
        OL_ITEM(ol_lineage_entry, .type = OL_LINEAGE_ENTRY_TYPE_DATASET, .name_space = "file",
                .name = "/clean.csv", .inputs = sources, .input_count = COUNT(sources),
                .fields = lineage_fields, .field_count = COUNT(lineage_fields)),
        OL_ITEM(ol_lineage_entry, .type = OL_LINEAGE_ENTRY_TYPE_JOB, .name_space = "day",
                .name = "report", .run_id = ROOT_ID, .inputs = &sources[2], .input_count = 1),
        OL_ITEM(ol_lineage_entry, .type = OL_LINEAGE_ENTRY_TYPE_JOB)};
    return ol_job_set_lineage(
        h->job, OL_MAKE(ol_job_lineage, .entries = entries, .entry_count = COUNT(entries)));
}

static ol_status gcp_composer_job(const struct built_handles *h)
{
    return ol_job_set_gcp_composer_job(
        h->job, OL_MAKE(ol_gcp_composer_job, .environment_name = "prod", .dag_id = "shop",
                        .operator_name = "BashOperator", .task_id = "clean",
                        .airflow_version = "2.9.1+composer", .composer_version = "3"));
}

static ol_status gcp_lineage(const struct built_handles *h)
{
    return ol_job_set_gcp_lineage(h->job,
                                  OL_MAKE(ol_gcp_lineage, .display_name = "Clean",
                                          .origin_source_type = "CUSTOM", .origin_name = "shop"));
}

/* ---- dataset ---- */

static ol_status dataset_shed(const struct built_handles *h)
{
    return ol_dataset_set_shed(h->output, OL_MAKE(ol_shed, SHED));
}

static ol_status schema(const struct built_handles *h)
{
    static const struct ol_schema_field geo[] = {
        OL_ITEM(ol_schema_field, .name = "lat", .type = "DOUBLE"),
        OL_ITEM(ol_schema_field, .name = "lon", .type = "DOUBLE")};
    static const struct ol_schema_field address[] = {
        OL_ITEM(ol_schema_field, .name = "street", .ordinal_position = OL_INT(1)),
        OL_ITEM(ol_schema_field, .name = "geo", .type = "struct", .fields = geo,
                .field_count = COUNT(geo))};
    static const struct ol_schema_field fields[] = {
        OL_ITEM(ol_schema_field, .name = "id", .type = "BIGINT", .description = "the key",
                .ordinal_position = OL_INT(1)),
        OL_ITEM(ol_schema_field, .name = "größe \"XL\"", .type = "DECIMAL(10,2)"),
        OL_ITEM(ol_schema_field, .name = "address", .type = "struct", .fields = address,
                .field_count = COUNT(address))};
    return ol_dataset_set_schema(
        h->output, OL_MAKE(ol_schema, .fields = fields, .field_count = COUNT(fields)));
}

static ol_status data_source(const struct built_handles *h)
{
    return ol_dataset_set_data_source(h->output, OL_MAKE(ol_data_source, .name = "shop",
                                                         .uri = "postgres://db.example.org:5432"));
}

static ol_status dataset_version(const struct built_handles *h)
{
    return ol_dataset_set_dataset_version(
        h->output, OL_MAKE(ol_dataset_version, .version = "sha256:9f86d081"));
}

static ol_status dataset_type(const struct built_handles *h)
{
    return ol_dataset_set_dataset_type(h->output,
                                       OL_MAKE(ol_dataset_type, .type = OL_DATASET_TYPE_TYPE_TABLE,
                                               .sub_type = OL_DATASET_TYPE_SUB_TYPE_EXTERNAL));
}

static ol_status dataset_type_other(const struct built_handles *h)
{
    return ol_dataset_set_dataset_type(h->output, OL_MAKE(ol_dataset_type, .type = "SPREADSHEET"));
}

static ol_status column_lineage(const struct built_handles *h)
{
    static const struct ol_input_field mail[] = {
        OL_ITEM(ol_input_field, .name_space = "file", .name = "/raw.csv", .field = "mail",
                .transformations = hashed, .transformation_count = COUNT(hashed))};
    static const struct ol_input_field filter[] = {
        OL_ITEM(ol_input_field, .name_space = "file", .name = "/raw.csv", .field = "age")};
    static const struct ol_column_origin columns[] = {
        OL_ITEM(ol_column_origin, .key = "mail hash", .input_fields = mail, .input_field_count = 1),
        OL_ITEM(ol_column_origin, .key = "one", .input_fields = mail, .input_field_count = 0)};
    return ol_dataset_set_column_lineage(
        h->output, OL_MAKE(ol_column_lineage, .fields = columns, .field_count = COUNT(columns),
                           .dataset = filter, .dataset_count = COUNT(filter)));
}

static ol_status lifecycle(const struct built_handles *h)
{
    return ol_dataset_set_lifecycle_state_change(
        h->output,
        OL_MAKE(ol_lifecycle_state_change, .change = OL_LIFECYCLE_STATE_CHANGE_CHANGE_RENAME,
                .previous_name = "shop.old", .previous_namespace = "postgres://db:5432"));
}

static ol_status lifecycle_create(const struct built_handles *h)
{
    return ol_dataset_set_lifecycle_state_change(
        h->output, OL_MAKE(ol_lifecycle_state_change, .change = "CREATE"));
}

static ol_status storage(const struct built_handles *h)
{
    return ol_dataset_set_storage(h->output,
                                  OL_MAKE(ol_storage, .layer = OL_STORAGE_LAYER_DELTA,
                                          .file_format = OL_STORAGE_FILE_FORMAT_PARQUET));
}

static ol_status catalog(const struct built_handles *h)
{
    static const struct ol_catalog_property properties[] = {
        OL_ITEM(ol_catalog_property, .key = "io-impl", .value = "s3"),
        OL_ITEM(ol_catalog_property, .key = "a\"b", .value = "")};
    return ol_dataset_set_catalog(
        h->output,
        OL_MAKE(ol_catalog, .framework = "iceberg", .type = "glue", .name = "main",
                .metadata_uri = "glue://eu", .warehouse_uri = "s3://house", .source = "spark",
                .properties = properties, .property_count = COUNT(properties)));
}

static ol_status symlinks(const struct built_handles *h)
{
    static const struct ol_symlink identifiers[] = {
        OL_ITEM(ol_symlink, .name_space = "hive://h:9083", .name = "shop.users",
                .type = OL_SYMLINK_TYPE_TABLE)};
    return ol_dataset_set_symlinks(h->output, OL_MAKE(ol_symlinks, .identifiers = identifiers,
                                                      .identifier_count = COUNT(identifiers)));
}

static ol_status hierarchy(const struct built_handles *h)
{
    static const struct ol_hierarchy_level levels[] = {
        OL_ITEM(ol_hierarchy_level, .type = OL_HIERARCHY_LEVEL_TYPE_DATABASE, .name = "shop"),
        OL_ITEM(ol_hierarchy_level, .type = "FOLDER", .name = "public")};
    return ol_dataset_set_hierarchy(
        h->output, OL_MAKE(ol_hierarchy, .levels = levels, .level_count = COUNT(levels)));
}

static ol_status dataset_documentation(const struct built_handles *h)
{
    return ol_dataset_set_documentation(h->output,
                                        OL_MAKE(ol_documentation, .description = "All users."));
}

static ol_status dataset_ownership(const struct built_handles *h)
{
    return ol_dataset_set_ownership(
        h->output, OL_MAKE(ol_ownership, .owners = owners, .owner_count = COUNT(owners)));
}

static ol_status dataset_tags(const struct built_handles *h)
{
    static const struct ol_dataset_tag labels[] = {
        OL_ITEM(ol_dataset_tag, .key = "pii", .value = "true", .source = "USER", .field = "mail"),
        OL_ITEM(ol_dataset_tag, .key = "gold", .value = "true")};
    return ol_dataset_set_tags(
        h->output, OL_MAKE(ol_dataset_tags, .tags = labels, .tag_count = COUNT(labels)));
}

static ol_status dataset_lineage(const struct built_handles *h)
{
    return ol_dataset_set_lineage(
        h->output, OL_MAKE(ol_dataset_lineage, .inputs = sources, .input_count = COUNT(sources),
                           .fields = lineage_fields, .field_count = COUNT(lineage_fields)));
}

/* Zero is told, what is absent is not; whole and broken, small and large, negative. */
static const struct ol_quantile quantiles[] = {
    OL_ITEM(ol_quantile, .key = "0.25", .value = OL_REAL(1.5)),
    OL_ITEM(ol_quantile, .key = "1", .value = OL_REAL(0))};
static const struct ol_column_metrics column_metrics[] = {
    OL_ITEM(ol_column_metrics, .key = "price", .null_count = OL_INT(0),
            .distinct_count = OL_INT(9007199254740993), .sum = OL_REAL(1234.5), .count = OL_REAL(7),
            .min = OL_REAL(-0.001), .max = OL_REAL(1e300), .quantiles = quantiles,
            .quantile_count = COUNT(quantiles)),
    OL_ITEM(ol_column_metrics, .key = "empty")};

static ol_status data_quality_metrics(const struct built_handles *h)
{
    return ol_dataset_set_data_quality_metrics(
        h->output,
        OL_MAKE(ol_data_quality_metrics, .row_count = OL_INT(0), .bytes = OL_INT(INT64_MAX),
                .file_count = OL_INT(1), .last_updated = "2026-11-20T10:00:00Z",
                .columns = column_metrics, .column_count = COUNT(column_metrics),
                .capture_date = "2026-11-21T00:00:00Z"));
}

/* ---- input and output ---- */

static ol_status input_data_quality_metrics(const struct built_handles *h)
{
    return ol_dataset_set_input_data_quality_metrics(
        h->input, OL_MAKE(ol_input_data_quality_metrics, .row_count = OL_INT(7), .bytes = OL_INT(0),
                          .file_count = OL_INT(1), .last_updated = "2026-11-20T10:00:00Z",
                          .columns = column_metrics, .column_count = COUNT(column_metrics)));
}

static ol_status data_quality_assertions(const struct built_handles *h)
{
    static const struct ol_assertion checks[] = {
        OL_ITEM(ol_assertion, .assertion = OL_ASSERTION_ASSERTION_NOT_NULL, .success = OL_FALSE,
                .column = "id", .severity = OL_ASSERTION_SEVERITY_ERROR, .name = "ids",
                .description = "Every user has one.", .expected = "0", .actual = "7",
                .content = "id is not null", .content_type = OL_ASSERTION_CONTENT_TYPE_EXPRESSION,
                .params = "{\"a\":1}"),
        OL_ITEM(ol_assertion, .assertion = "unique", .success = OL_TRUE)};
    return ol_dataset_set_data_quality_assertions(
        h->input, OL_MAKE(ol_data_quality_assertions, .assertions = checks,
                          .assertion_count = COUNT(checks)));
}

static ol_status input_statistics(const struct built_handles *h)
{
    return ol_dataset_set_input_statistics(h->input,
                                           OL_MAKE(ol_input_statistics, .row_count = OL_INT(0),
                                                   .size = OL_INT(4096), .file_count = OL_INT(1)));
}

static ol_status output_statistics(const struct built_handles *h)
{
    return ol_dataset_set_output_statistics(
        h->output, OL_MAKE(ol_output_statistics, .row_count = OL_INT(INT64_MAX), .size = OL_INT(0),
                           .file_count = OL_INT(2)));
}

static ol_status output_statistics_unknown(const struct built_handles *h)
{
    return ol_dataset_set_output_statistics(h->output,
                                            OL_MAKE(ol_output_statistics, .row_count = {false, 7}));
}

#define CONDITION(...) OL_MAKE(ol_subset_condition, __VA_ARGS__)
#define FIELD(text) OL_MAKE(ol_subset_operand, .type = OL_SUBSET_OPERAND_TYPE_FIELD, .field = text)
#define LITERAL(text)                                                                              \
    OL_MAKE(ol_subset_operand, .type = OL_SUBSET_OPERAND_TYPE_LITERAL, .value = text)

/* age >= 18 and (country = 'CH' or the files) */
static ol_status input_subset(const struct built_handles *h)
{
    static const char *const locations[] = {"s3://b/1.csv", "s3://b/2.csv"};
    const struct ol_subset_condition *grown =
        CONDITION(.type = OL_SUBSET_CONDITION_TYPE_COMPARE, .left_operand = FIELD("age"),
                  .right_operand = LITERAL("18"),
                  .comparison = OL_SUBSET_CONDITION_COMPARISON_GREATER_EQUAL_THAN);
    const struct ol_subset_condition *swiss =
        CONDITION(.type = OL_SUBSET_CONDITION_TYPE_COMPARE, .left_operand = FIELD("country"),
                  .right_operand = LITERAL("CH"),
                  .comparison = OL_SUBSET_CONDITION_COMPARISON_EQUAL);
    const struct ol_subset_condition *files =
        CONDITION(.type = OL_SUBSET_CONDITION_TYPE_LOCATION, .locations = locations,
                  .location_count = 2);
    const struct ol_subset_condition *either =
        CONDITION(.type = OL_SUBSET_CONDITION_TYPE_BINARY, .left = swiss, .right = files,
                  .operator_name = OL_SUBSET_CONDITION_OPERATOR_NAME_OR);
    return ol_dataset_set_input_subset(
        h->input,
        OL_MAKE(ol_input_subset,
                .condition = CONDITION(.type = OL_SUBSET_CONDITION_TYPE_BINARY, .left = grown,
                                       .right = either,
                                       .operator_name = OL_SUBSET_CONDITION_OPERATOR_NAME_AND)));
}

static ol_status output_subset(const struct built_handles *h)
{
    static const struct ol_subset_partition partitions[] = {
        OL_ITEM(ol_subset_partition, .identifier = "day=2026-11-21",
                .dimensions = "{\"day\": \"2026-11-21\", \"shard\": 3}"),
        OL_ITEM(ol_subset_partition, .dimensions = "{}")};
    return ol_dataset_set_output_subset(
        h->output,
        OL_MAKE(ol_output_subset, .condition = CONDITION(.type = OL_SUBSET_CONDITION_TYPE_PARTITION,
                                                         .partitions = partitions,
                                                         .partition_count = COUNT(partitions))));
}

static ol_status iceberg_scan(const struct built_handles *h)
{
    static const char *const names[] = {"id", "mail"};
    return ol_dataset_set_iceberg_scan_report(
        h->input,
        OL_MAKE(ol_iceberg_scan_report, .snapshot_id = OL_INT(3055729675574597004),
                .filter_description = "true", .schema_id = OL_INT(0), .field_names = names,
                .field_name_count = COUNT(names), .total_planning_duration = OL_INT(1),
                .result_data_files = OL_INT(2), .result_delete_files = OL_INT(3),
                .total_data_manifests = OL_INT(4), .total_delete_manifests = OL_INT(5),
                .scanned_data_manifests = OL_INT(6), .skipped_data_manifests = OL_INT(7),
                .total_file_size_in_bytes = OL_INT(8), .total_delete_file_size_in_bytes = OL_INT(9),
                .skipped_data_files = OL_INT(10), .skipped_delete_files = OL_INT(11),
                .scanned_delete_manifests = OL_INT(12), .skipped_delete_manifests = OL_INT(13),
                .indexed_delete_files = OL_INT(14), .equality_delete_files = OL_INT(15),
                .positional_delete_files = OL_INT(16), .metadata = "{\"engine\": \"spark\"}"));
}

static ol_status iceberg_commit(const struct built_handles *h)
{
    return ol_dataset_set_iceberg_commit_report(
        h->output,
        OL_MAKE(ol_iceberg_commit_report, .snapshot_id = OL_INT(-9223372036854775807 - 1),
                .sequence_number = OL_INT(2),
                .operation = OL_ICEBERG_COMMIT_REPORT_OPERATION_APPEND, .total_duration = OL_INT(1),
                .attempts = OL_INT(2), .added_data_files = OL_INT(3),
                .removed_data_files = OL_INT(4), .total_data_files = OL_INT(5),
                .added_delete_files = OL_INT(6), .added_equality_delete_files = OL_INT(7),
                .added_positional_delete_files = OL_INT(8), .added_dvs = OL_INT(9),
                .removed_delete_files = OL_INT(10), .removed_equality_delete_files = OL_INT(11),
                .removed_positional_delete_files = OL_INT(12), .removed_dvs = OL_INT(13),
                .total_delete_files = OL_INT(14), .added_records = OL_INT(15),
                .removed_records = OL_INT(16), .total_records = OL_INT(17),
                .added_files_size_in_bytes = OL_INT(18), .removed_files_size_in_bytes = OL_INT(19),
                .total_files_size_in_bytes = OL_INT(20), .added_positional_deletes = OL_INT(21),
                .removed_positional_deletes = OL_INT(22), .total_positional_deletes = OL_INT(23),
                .added_equality_deletes = OL_INT(24), .removed_equality_deletes = OL_INT(25),
                .total_equality_deletes = OL_INT(26), .metadata = "{}"));
}

const struct built_facet built_facets[] = {
    {"run.nominalTime", nominal_time},
    {"run.nominalTime.point", nominal_time_point},
    {"run.parent", parent},
    {"run.parent.no-root", parent_without_root},
    {"run.errorMessage", error_message},
    {"run.processing_engine", processing_engine},
    {"run.externalQuery", external_query},
    {"run.extractionError", extraction_error},
    {"run.environmentVariables", environment_variables},
    {"run.executionParameters", execution_parameters},
    {"run.jobDependencies", job_dependencies},
    {"run.tags", run_tags},
    {"run.tags.none", run_tags_none},
    {"run.test", tests},
    {"run.gcp_composer_run", gcp_composer_run},
    {"run.gcp_dataproc", gcp_dataproc},
    {"run.lineaged_run", ids},
    {"run.lineaged_context", surroundings},
    {"run.lineaged_shed", run_shed},
    {"run.lineaged_inferred", run_inferred},
    {"run.lineaged_answer", run_answer_details},
    {"run.lineaged_answers", run_answers_summary},
    {"dataset.lineaged_artifact", built_artifact},
    {"dataset.lineaged_artifact.remote", built_artifact_remote},
    {"run.lineaged_call", built_ai_call},
    {"run.lineaged_prompt", built_prompt},
    {"run.lineaged_retrieval", built_retrieval},
    {"run.lineaged_reproducibility", built_reproducibility},
    {"run.lineaged_metrics", built_metrics},
    {"run.lineaged_deployment", built_deployment},
    {"run.lineaged_approval", built_approvals},
    {"run.lineaged_gates", built_gates},
    {"run.lineaged_code", built_code},
    {"run.lineaged_machine", built_machine},
    {"run.lineaged_container", built_container},
    {"run.lineaged_tools", built_tools},
    {"run.lineaged_dvc", built_dvc},
    {"job.jobType", job_type},
    {"job.jobType.short", job_type_short},
    {"job.sql", sql},
    {"job.sourceCode", source_code},
    {"job.sourceCodeLocation", source_code_location},
    {"job.documentation", job_documentation},
    {"job.ownership", job_ownership},
    {"job.tags", job_tags},
    {"job.lineage", job_lineage},
    {"job.gcp_composer_job", gcp_composer_job},
    {"job.gcp_lineage", gcp_lineage},
    {"job.lineaged_shed", job_shed},
    {"dataset.lineaged_shed", dataset_shed},
    {"dataset.schema", schema},
    {"dataset.dataSource", data_source},
    {"dataset.version", dataset_version},
    {"dataset.datasetType", dataset_type},
    {"dataset.datasetType.other", dataset_type_other},
    {"dataset.columnLineage", column_lineage},
    {"dataset.lifecycleStateChange", lifecycle},
    {"dataset.lifecycleStateChange.create", lifecycle_create},
    {"dataset.storage", storage},
    {"dataset.catalog", catalog},
    {"dataset.symlinks", symlinks},
    {"dataset.hierarchy", hierarchy},
    {"dataset.documentation", dataset_documentation},
    {"dataset.ownership", dataset_ownership},
    {"dataset.tags", dataset_tags},
    {"dataset.lineage", dataset_lineage},
    {"dataset.dataQualityMetrics", data_quality_metrics},
    {"input.dataQualityMetrics", input_data_quality_metrics},
    {"input.dataQualityAssertions", data_quality_assertions},
    {"input.inputStatistics", input_statistics},
    {"input.subset", input_subset},
    {"input.icebergScanReport", iceberg_scan},
    {"output.outputStatistics", output_statistics},
    {"output.outputStatistics.unknown", output_statistics_unknown},
    {"output.subset", output_subset},
    {"output.icebergCommitReport", iceberg_commit},
};
const size_t built_facet_count = COUNT(built_facets);
