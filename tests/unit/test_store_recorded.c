/* SPDX-License-Identifier: Apache-2.0 */
/* `why` and `impact` over events that Airflow and Spark sent: the graphs that their own events
 * describe, written by hand. Skipped where the recorded events are not there. */
#include "store_graph.h"

static void add_recorded(struct store *store, const char *directory, const char *name)
{
    char path[500];
    struct ol__buf text;
    struct ol_error err = {0};
    char part[4096];
    size_t size;
    snprintf(path, sizeof path, "%s/events/valid/%s.json", directory, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is not there", path);
    ol__buf_init(&text, 1 << 24);
    while ((size = fread(part, 1, sizeof part, file)) > 0)
        assert_int_equal(ol__buf_add(&text, part, size), OL_OK);
    assert_int_equal(fclose(file), 0);
    struct store_event event = {
        .taken_ms = NOW, .uid = 1000, .data = {.data = text.data, .size = text.size}};
    if (store_add(store, &event, false, &err) != OL_OK)
        fail_msg("%s: %s", path, err.message);
    ol__buf_release(&text);
}

static void load(const char *const *names, size_t count)
{
    const char *directory = getenv("OPENLINEAGE_REFERENCE");
    if (directory == NULL || access(directory, R_OK) != 0) {
        print_message("skipped: OPENLINEAGE_REFERENCE is not there\n");
        skip();
    }
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < count; i++)
        add_recorded(store, directory, names[i]);
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
}

/* Runs by the names of their jobs, from the last dot on; datasets by their names. */
#define NAMED_EDGES                                                                                \
    "WITH n AS (SELECT json_extract(value, '$.id') AS id, coalesce(json_extract(value, "           \
    "'$.name'), json_extract(value, '$.job.name')) || coalesce('.' || json_extract(value, "        \
    "'$.column'), '') AS label FROM json_each(?1, '$.nodes')) SELECT group_concat(x, ' ') FROM "   \
    "(SELECT f.label || '>' || t.label AS x FROM json_each(?1, '$.edges') e JOIN n f ON f.id = "   \
    "json_extract(e.value, '$.from') JOIN n t ON t.id = json_extract(e.value, '$.to') ORDER BY 1)"

static void test_airflow(void **state)
{
    static const char *const names[] = {"airflow_01", "airflow_02", "airflow_03", "airflow_04",
                                        "airflow_05", "airflow_06", "airflow_07", "airflow_08",
                                        "airflow_09", "airflow_10", "airflow_11", "airflow_12",
                                        "airflow_13", "airflow_14", "airflow_15", "airflow_16"};
    (void)state;
    load(names, OL_COUNT(names));
    struct store_question question = {.subject = "result.csv", .uid = STORE_ANY_UID};
    expect(store_why, &question, NAMED_EDGES,
           "BQ.copy>mock-project.test.upload_cp BQ.download>result.csv "
           "BQ.upload>mock-project.test.upload copied.csv>BQ.upload "
           "mock-project.test.upload>BQ.copy mock-project.test.upload_cp>BQ.download "
           "test.csv>BQ.upload");
    question.subject = "test.csv";
    expect(store_impact, &question, NAMED_EDGES,
           "BQ.copy>mock-project.test.upload_cp BQ.download>result.csv "
           "BQ.upload>mock-project.test.upload mock-project.test.upload>BQ.copy "
           "mock-project.test.upload_cp>BQ.download test.csv>BQ.upload");
    question = (struct store_question){
        .subject = "result.csv", .column = "a", .depth = 1, .uid = STORE_ANY_UID};
    expect(store_why, &question, NAMED_EDGES,
           "BQ.download.a>result.csv.a mock-project.test.upload_cp.a>BQ.download.a");
}

static void test_spark(void **state)
{
    static const char *const names[] = {"spark_1",          "spark_2",          "spark_3",
                                        "spark_4",          "column_lineage_5", "column_lineage_6",
                                        "column_lineage_7", "column_lineage_8"};
    (void)state;
    load(names, OL_COUNT(names));
    struct store_question question = {
        .subject = "/user/hive/warehouse/t2", .column = "a", .uid = STORE_ANY_UID};
    expect(store_why, &question,
           "SELECT group_concat(json_extract(value, '$.name') || '.' || json_extract(value, "
           "'$.column'), ' ') FROM json_each(?1, '$.nodes') WHERE json_extract(value, '$.kind') = "
           "'dataset'",
           "/user/hive/warehouse/t2.a /user/hive/warehouse/t1.a");
    question = (struct store_question){
        .subject = "/tmp/cll_test/cll_source1", .column = "a", .uid = STORE_ANY_UID};
    expect(store_impact, &question,
           "SELECT group_concat(DISTINCT json_extract(value, '$.name') || '.' || "
           "json_extract(value, '$.column')) FROM json_each(?1, '$.nodes') WHERE "
           "json_extract(value, '$.kind') = 'dataset'",
           "/tmp/cll_test/cll_source1.a,/tmp/cll_test/tbl1.ident,/tmp/cll_test/tbl1.trans,"
           "/tmp/cll_test/tbl1.agg");
    question = (struct store_question){.subject = "/tmp/cll_test/tbl1", .uid = STORE_ANY_UID};
    expect(store_why, &question,
           "SELECT group_concat(x) FROM (SELECT DISTINCT json_extract(value, '$.name') AS x FROM "
           "json_each(?1, '$.nodes') WHERE json_extract(value, '$.kind') = 'dataset' ORDER BY 1)",
           "/tmp/cll_test/cll_source1,/tmp/cll_test/cll_source2,/tmp/cll_test/tbl1");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_airflow),
        WITH_FIXTURE(test_spark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
