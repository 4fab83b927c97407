/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: what the questions read of a facet they read of each of its published schema versions,
 * and of one that names none, alike. The last version of each row is the one that spec/facts has.
 */
#include "store_fixture.h"

#include "facet_info.h"

#define RUN "01941f29-7c00-7837-a31d-000000000001"
#define PARENT "01941f29-7c00-7837-a31d-000000000009"
enum place { OF_RUN, OF_JOB, OF_DATASET, OF_INPUT };
typedef ol_status ask_function(struct store *, const struct store_question *, struct ol__buf *,
                               struct ol_error *);

static const struct {
    const char *name;
    enum place place;
    const char *schema; /* of the facet, without the version */
    const char *versions[4], *bodies[4];
    ask_function *ask;
    const char *subject, *column;
    const char *expected; /* in the answer */
} cases[] = {
    {"version",
     OF_DATASET,
     "DatasetVersionDatasetFacet",
     {"1-0-0", "1-0-1"},
     {"'datasetVersion':'v7'", "'datasetVersion':'v7'"},
     store_why,
     "out",
     NULL,
     "'name':'out','version':'v7'"},
    {"columnLineage",
     OF_DATASET,
     "ColumnLineageDatasetFacet",
     {"1-0-0", "1-0-1", "1-1-0", "1-2-0"},
     {"'fields':{'y':{'inputFields':[{'namespace':'n','name':'in','field':'x'}],"
      "'transformationDescription':'d','transformationType':'IDENTITY'}}",
      "'fields':{'y':{'inputFields':[{'namespace':'n','name':'in','field':'x'}]}}",
      "'fields':{'y':{'inputFields':[{'namespace':'n','name':'in','field':'x','transformations':"
      "[{'type':'DIRECT','subtype':'IDENTITY','description':'','masking':false}]}]}}",
      "'fields':{'y':{'inputFields':[{'namespace':'n','name':'in','field':'x','transformations':"
      "[{'type':'DIRECT','subtype':'IDENTITY'}]}]}},'dataset':[]"},
     store_why,
     "out",
     "y",
     "'column':'x'"},
    {"tags",
     OF_RUN,
     "TagsRunFacet",
     {"1-0-0"},
     {"'tags':[{'key':'team','value':'blue','source':'USER'}]"},
     store_why,
     "team=blue",
     NULL,
     "'run_id':'" RUN "'"},
    {"tags",
     OF_JOB,
     "TagsJobFacet",
     {"1-0-0"},
     {"'tags':[{'key':'owner','value':'red'}]"},
     store_why,
     "owner=red",
     NULL,
     "'run_id':'" RUN "'"},
    {"tags",
     OF_DATASET,
     "TagsDatasetFacet",
     {"1-0-0"},
     {"'tags':[{'key':'class','value':'pii','source':'S','field':'y'}]"},
     store_impact,
     "class=pii",
     NULL,
     "'name':'out'"},
    {"datasetType",
     OF_DATASET,
     "DatasetTypeDatasetFacet",
     {"1-0-0", "1-0-1"},
     {"'datasetType':'MODEL'", "'datasetType':'MODEL','subType':'x'"},
     store_why,
     "out",
     NULL,
     "'name':'out','type':'MODEL'"},
    {"lifecycleStateChange",
     OF_DATASET,
     "LifecycleStateChangeDatasetFacet",
     {"1-0-0", "1-0-1"},
     {"'lifecycleStateChange':'OVERWRITE'",
      "'lifecycleStateChange':'OVERWRITE','previousIdentifier':{'namespace':'n','name':'o'}"},
     store_show,
     "out",
     NULL,
     "'lifecycleStateChange':'OVERWRITE'"},
    {"symlinks",
     OF_DATASET,
     "SymlinksDatasetFacet",
     {"1-0-0", "1-0-1"},
     {"'identifiers':[{'namespace':'hive://h','name':'db.t','type':'TABLE'}]",
      "'identifiers':[{'namespace':'hive://h','name':'db.t','type':'TABLE'}]"},
     store_show,
     "out",
     NULL,
     "'name':'db.t','type':'TABLE'"},
    {"externalQuery",
     OF_RUN,
     "ExternalQueryRunFacet",
     {"1-0-0", "1-0-1", "1-0-2"},
     {"'externalQueryId':'q7','source':'w'", "'externalQueryId':'q7','source':'w'",
      "'externalQueryId':'q7','source':'w'"},
     store_search,
     "q7",
     NULL,
     "'key':'external_query_id'"},
    /* the list grew by severity, then by what was expected and found; dbt puts it on the dataset */
    {"dataQualityAssertions",
     OF_INPUT,
     "DataQualityAssertionsDatasetFacet",
     {"1-0-0", "1-0-1", "1-1-0"},
     {"'assertions':[{'assertion':'not_null','success':false,'column':'x'}]",
      "'assertions':[{'assertion':'not_null','success':false,'column':'x','severity':'error'}]",
      "'assertions':[{'assertion':'not_null','success':false,'column':'x','severity':'error',"
      "'name':'t','expected':'0','actual':'3','params':{}}]"},
     store_findings,
     NULL,
     NULL,
     "'kind':'failed_assertion'"},
    {"parent",
     OF_RUN,
     "ParentRunFacet",
     {"1-0-0", "1-0-1", "1-1-0", "1-2-0"},
     {"'run':{'runId':'" PARENT "'},'job':{'namespace':'jobs','name':'dag'}",
      "'run':{'runId':'" PARENT "'},'job':{'namespace':'jobs','name':'dag'}",
      "'run':{'runId':'" PARENT "'},'job':{'namespace':'jobs','name':'dag'},'root':{'run':{"
      "'runId':'" PARENT "'},'job':{'namespace':'jobs','name':'dag'}}",
      "'run':{'runId':'" PARENT "'},'job':{'namespace':'jobs','name':'dag'},'root':{'run':{"
      "'runId':'" PARENT "'},'job':{'namespace':'jobs','name':'dag'}}"},
     store_show,
     RUN,
     NULL,
     "'parent':'" PARENT "'"},
    {"errorMessage",
     OF_RUN,
     "ErrorMessageRunFacet",
     {"1-0-0", "1-0-1"},
     {"'message':'it broke','programmingLanguage':'C'",
      "'message':'it broke','programmingLanguage':'C','stackTrace':'at 1'"},
     store_show,
     RUN,
     NULL,
     "'error':'it broke'"},
    {"processing_engine",
     OF_RUN,
     "ProcessingEngineRunFacet",
     {"1-0-0", "1-1-0", "1-1-1"},
     {"'version':'3.5','name':'Spark'", "'version':'3.5','name':'Spark'",
      "'version':'3.5','name':'Spark','openlineageAdapterVersion':'1.20'"},
     store_show,
     RUN,
     NULL,
     "'engine':'Spark 3.5'"},
    {"sourceCodeLocation",
     OF_JOB,
     "SourceCodeLocationJobFacet",
     {"1-0-0", "1-0-1", "1-1-0"},
     {"'type':'git','url':'https://c.example','version':'0123456789abcdef'",
      "'type':'git','url':'https://c.example','version':'0123456789abcdef','tag':'t'",
      "'type':'git','url':'https://c.example','version':'0123456789abcdef','tag':'t',"
      "'pullRequestNumber':'7'"},
     store_why,
     "0123456789abcdef",
     NULL,
     "'run_id':'" RUN "'"},
    {"jobType",
     OF_JOB,
     "JobTypeJobFacet",
     {"1-0-0", "2-0-2", "2-0-3", "2-0-4"},
     {"'processingType':'BATCH','integration':'SPARK'",
      "'processingType':'BATCH','integration':'SPARK','jobType':'QUERY'",
      "'processingType':'BATCH','integration':'SPARK','jobType':'QUERY'",
      "'processingType':'BATCH','integration':'SPARK','jobType':'QUERY','emissionPattern':{"
      "'eventTrigger':'ON_COMPLETION'}"},
     store_why,
     "out",
     NULL,
     "'name':'job','type':'"},
};

static void add(struct store *store, size_t c, size_t v)
{
    struct ol_error err = {0};
    char facet[1200], url[200] = "s", text[6000];
    if (cases[c].versions[v] != NULL)
        snprintf(url, sizeof url, "https://openlineage.io/spec/facets/%s/%s.json#/$defs/%s",
                 cases[c].versions[v], cases[c].schema, cases[c].schema);
    snprintf(facet, sizeof facet, "'%s':{'_producer':'p','_schemaURL':'%s',%s}", cases[c].name, url,
             cases[c].bodies[v]);
    snprintf(text, sizeof text,
             "{'eventTime':'2026-11-21T09:00:01Z','producer':'p:x','eventType':'COMPLETE',"
             "'run':{'runId':'" RUN "','facets':{%s}},'job':{'namespace':'jobs','name':'job',"
             "'facets':{%s}},'inputs':[{'namespace':'n','name':'in','inputFacets':{%s}}],"
             "'outputs':[{'namespace':'n','name':'out','facets':{%s}}]}",
             cases[c].place == OF_RUN ? facet : "", cases[c].place == OF_JOB ? facet : "",
             cases[c].place == OF_INPUT ? facet : "", cases[c].place == OF_DATASET ? facet : "");
    assert_int_equal(store_begin(store, &err), OL_OK);
    if (fixture_add(store, text, 1000, false, &err) != OL_OK)
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(store_commit(store, &spool_a, 1, &err), OL_OK);
}

static void old_and_new(void **state)
{
    for (size_t c = 0; c < OL_COUNT(cases); c++)
        for (size_t v = 0; v < OL_COUNT(cases[c].bodies) && cases[c].bodies[v] != NULL; v++) {
            struct ol_error err = {0};
            struct ol__buf out;
            assert_int_equal(fixture_setup(state), 0);
            struct store *store = fixture_open(STORE_WRITE);
            add(store, c, v);
            struct store_question question = {
                .uid = STORE_ANY_UID, .subject = cases[c].subject, .column = cases[c].column};
            ol__buf_init(&out, 1 << 20);
            ol_status status = cases[c].ask(store, &question, &out, &err);
            char *expected = fixture_quoted(cases[c].expected);
            ol__buf_add_char(&out, '\0');
            if (status != OL_OK || strstr(out.data, expected) == NULL)
                fail_msg("%s %s: status %d %s: no %s in %s", cases[c].name, cases[c].versions[v],
                         status, err.message, expected, out.data);
            free(expected);
            ol__buf_release(&out);
            store_close(store);
            assert_int_equal(fixture_teardown(state), 0);
        }
}

/* What is tried last is what this library itself writes. */
static void newest_is_known(void **state)
{
    static const enum ol__entity entities[] = {OL_ENTITY_RUN, OL_ENTITY_JOB, OL_ENTITY_DATASET,
                                               OL_ENTITY_INPUT};
    (void)state;
    for (size_t c = 0; c < OL_COUNT(cases); c++) {
        size_t last = 0;
        char url[200];
        while (last + 1 < OL_COUNT(cases[c].versions) && cases[c].versions[last + 1] != NULL)
            last++;
        const struct ol__facet_info *info =
            ol__facet_info(ol__facet_find(entities[cases[c].place], ol__span_text(cases[c].name)));
        snprintf(url, sizeof url, "https://openlineage.io/spec/facets/%s/%s.json#/$defs/%s",
                 cases[c].versions[last], cases[c].schema, cases[c].schema);
        assert_non_null(info);
        assert_string_equal(info->schema_url, url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(old_and_new),
                                       cmocka_unit_test(newest_is_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
