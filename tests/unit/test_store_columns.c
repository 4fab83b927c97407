/* SPDX-License-Identifier: Apache-2.0 */
/* `why` and `impact` of one column: through columnLineage of every version, with what bears on the
 * whole dataset, and an end that is said where a run told nothing. */
#include "store_graph.h"

#define FACET(version, body)                                                                       \
    "'columnLineage':{'_producer':'p','_schemaURL':'https://openlineage.io/spec/facets/" version   \
    "/ColumnLineageDatasetFacet.json',"                                                            \
    "'fields':{" body "}"
#define VERSION(v) "'version':{'_producer':'p','_schemaURL':'s','datasetVersion':'" v "'}"
#define IN(name, field, how)                                                                       \
    "{'namespace':'n','name':'" name "','field':'" field "'"                                       \
    ",'transformations':[" how "]}"
#define PLAIN(name, field) "{'namespace':'n','name':'" name "','field':'" field "'}"
#define IDENTITY "{'type':'DIRECT','subtype':'IDENTITY','description':'','masking':false}"
#define HASH "{'type':'DIRECT','subtype':'TRANSFORMATION','description':'sha','masking':true}"
#define FILTER "{'type':'INDIRECT','subtype':'FILTER'}"

static const struct step {
    const char *job, *inputs, *outputs; /* names with versions; names with facets */
} steps[] = {
    {"clean", "{'name':'raw','namespace':'n','facets':{" VERSION("1") "}}",
     "{'name':'people','namespace':'n','facets':{" VERSION("7") "," FACET(
         "1-2-0", "'id':{'inputFields':[" IN(
                      "raw", "id",
                      IDENTITY) "]},"
                                "'who':{'inputFields':[" IN("raw", "mail", HASH) "," IN(
                                    "raw", "phone", HASH) "]}") ",'dataset':[" IN("raw", "country",
                                                                                  FILTER) "]}}}"},
    {"old", "{'name':'people','namespace':'n','facets':{" VERSION("7") "}}",
     "{'name':'report','namespace':'n','facets':{" FACET(
         "1-0-1", "'reader':{'inputFields':[" PLAIN(
                      "people", "who") "],"
                                       "'transformationDescription':'as it "
                                       "is','transformationType':'IDENTITY'}") "}}}"},
    {"silent", "{'name':'people','namespace':'n','facets':{" VERSION("7") "}}",
     "{'name':'copy','namespace':'n'}"},
    {"after", "{'name':'copy','namespace':'n'}",
     "{'name':'end','namespace':'n','facets':{" FACET(
         "1-1-0", "'x':{'inputFields':[" PLAIN("copy", "x") "," PLAIN("nowhere", "y") "]}") "}}}"},
    {"newer", "{'name':'report','namespace':'n'}",
     "{'name':'view','namespace':'n','facets':{'lineage':{'_producer':'p','_schemaURL':"
     "'https://openlineage.io/spec/facets/1-0-0/LineageFacet.json','inputs':[{'namespace':'n',"
     "'name':'report','type':'DATASET'}],'fields':{'seen':{'inputs':[{'namespace':'n',"
     "'name':'report','type':'DATASET','field':'reader','transformations':[" IDENTITY "]}]}}}}}"},
};

static void build_steps(void)
{
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(steps); i++) {
        struct ol_error err = {0};
        char event[4096];
        snprintf(event, sizeof event,
                 "{'eventTime':'2026-11-21T09:00:%02zuZ','producer':'p:x','eventType':'COMPLETE',"
                 "'run':{'runId':'01941f29-7c00-7837-a31d-%012zu'},'job':{'namespace':'jobs',"
                 "'name':'%s'},'inputs':[%s],'outputs':[%s]}",
                 i + 1, i + 1, steps[i].job, steps[i].inputs, steps[i].outputs);
        if (fixture_add(store, event, 1000, false, &err) != OL_OK)
            fail_msg("%s: %s", event, err.message);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
}

#define TRANSFORMATIONS                                                                            \
    NODES "SELECT group_concat(x, ', ') FROM (SELECT f.label || ': ' || coalesce(json_extract("    \
          "t.value, '$.type'), '') || ' ' || coalesce(json_extract(t.value, '$.subtype'), '') || " \
          "CASE WHEN json_extract(t.value, '$.masking') THEN ' masked' ELSE '' END AS x "          \
          "FROM json_each(?1, '$.edges') e, json_each(e.value, '$.transformations') t JOIN n f "   \
          "ON f.id = json_extract(e.value, '$.from') ORDER BY 1)"
#define CAVEATS                                                                                    \
    NODES "SELECT group_concat(x, '; ') FROM (SELECT coalesce(n.label || ': ', '') || "            \
          "json_extract(c.value, '$.text') AS x FROM json_each(?1, '$.caveats') c "                \
          "LEFT JOIN n ON n.id = json_extract(c.value, '$.node') ORDER BY 1)"
#define NOT_TOLD "no lineage of columns is told here: what lies beyond is not known"

static void test_columns(void **state)
{
    static const struct {
        const char *name, *subject, *column;
        question_function *ask;
        const char *edges, *how, *caveats; /* NULL: not asked */
    } rows[] = {
        {"where a column came from, and what filtered the rows", "people", "id", store_why,
         "clean#1.id>people@7.id raw@1.country>clean#1.id raw@1.id>clean#1.id",
         "raw@1.country: INDIRECT FILTER, raw@1.id: DIRECT IDENTITY", ""},
        {"through an old facet", "report", "reader", store_why,
         "clean#1.who>people@7.who old#2.reader>report.reader people@7.who>old#2.reader "
         "raw@1.country>clean#1.who raw@1.mail>clean#1.who raw@1.phone>clean#1.who",
         "people@7.who: IDENTITY , raw@1.country: INDIRECT FILTER, raw@1.mail: DIRECT "
         "TRANSFORMATION masked, raw@1.phone: DIRECT TRANSFORMATION masked",
         ""},
        {"through the facet lineage", "view", "seen", store_why,
         "clean#1.who>people@7.who newer#5.seen>view.seen old#2.reader>report.reader "
         "people@7.who>old#2.reader raw@1.country>clean#1.who raw@1.mail>clean#1.who "
         "raw@1.phone>clean#1.who report.reader>newer#5.seen",
         NULL, ""},
        {"a run that told nothing is where it ends", "copy", "x", store_why, "silent#3.x>copy.x",
         "", "silent#3.x: " NOT_TOLD},
        {"further up as well, and what is not recorded is said", "end", "x", store_why,
         "after#4.x>end.x copy.x>after#4.x silent#3.x>copy.x", "",
         "after#4.x: it read column 'y' of n nowhere, which is not recorded; "
         "silent#3.x: " NOT_TOLD},
        {"a column that the facet does not name", "report", "nobody", store_why,
         "old#2.nobody>report.nobody", "",
         "old#2.nobody: the lineage of columns told here does not name 'nobody'"},
        {"where a column went", "raw", "mail", store_impact,
         "clean#1.who>people@7.who newer#5.seen>view.seen old#2.reader>report.reader "
         "people@7.who>old#2.reader people@7.who>silent#3 raw.mail>clean#1.who "
         "report.reader>newer#5.seen",
         NULL, "silent#3: " NOT_TOLD},
        {"what bears on all columns leads on from all of them", "raw", "country", store_impact,
         "clean#1>people@7 newer#5.seen>view.seen old#2.reader>report.reader "
         "people@7>old#2.reader people@7>silent#3 raw.country>clean#1 report.reader>newer#5.seen",
         NULL, NULL},
        {"a column that nobody used", "raw", "shoe", store_impact, "", "",
         "no run that is recorded says that it used this column"},
        {"of something that no run wrote", "raw", "mail", store_why, "", "",
         "no run is recorded that wrote it"},
    };
    (void)state;
    build_steps();
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question question = {
            .subject = rows[i].subject, .column = rows[i].column, .uid = STORE_ANY_UID};
        print_message("%s\n", rows[i].name);
        expect(rows[i].ask, &question, EDGES, rows[i].edges);
        if (rows[i].how != NULL)
            expect(rows[i].ask, &question, TRANSFORMATIONS, rows[i].how);
        if (rows[i].caveats != NULL)
            expect(rows[i].ask, &question, CAVEATS, rows[i].caveats);
    }
}

static void test_members(void **state)
{
    (void)state;
    build_steps();
    struct store_question question = {
        .subject = "raw", .column = "country", .depth = 1, .uid = STORE_ANY_UID};
    expect(store_impact, &question, "SELECT json_extract(?1, '$.nodes[2].columns')", "all");
    expect(store_impact, &question, "SELECT json_extract(?1, '$.cut_by')", "depth");
    question = (struct store_question){.subject = "copy", .column = "x", .uid = STORE_ANY_UID};
    expect(store_why, &question, "SELECT json_extract(?1, '$.nodes[1].columns')", "not told");
    question.column = NULL; /* without it there is nothing of columns */
    expect(store_why, &question,
           "SELECT json_extract(?1, '$.nodes[1].column') IS NULL AND "
           "json_extract(?1, '$.caveats') IS NULL",
           "1");
    question = (struct store_question){.subject = "clean", .column = "x", .uid = STORE_ANY_UID};
    free(answer(store_why, &question, OL_INVALID));
    question.subject = "never seen";
    free(answer(store_why, &question, OL_NOT_FOUND));
}

/* Facets that are none: nothing is told, and nothing breaks. */
static void test_malformed(void **state)
{
    static const char *const facets[] = {
        "'fields':[{'inputFields':[" PLAIN("raw", "a") "]}]",
        "'fields':{'x':[1,2],'y':{'inputFields':'raw'},'z':{'inputFields':[1,null,'a',{}]}}",
        "'fields':null,'dataset':{'a':1}",
        "'fields':{'x':{'inputFields':[{'namespace':1,'name':'raw','field':true}]}},'dataset':'a'",
        "'fields':{'x':{'inputFields':[" PLAIN("raw", "b") "],'transformations':[null]}}",
    };
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(facets); i++) {
        struct ol_error err = {0};
        char event[2048];
        snprintf(event, sizeof event,
                 "{'eventTime':'2026-11-21T09:00:00Z','producer':'p:x','eventType':'COMPLETE',"
                 "'run':{'runId':'01941f29-7c00-7837-a31d-%012zu'},'job':{'namespace':'jobs',"
                 "'name':'j%zu'},'inputs':[{'namespace':'n','name':'raw'}],'outputs':[{'namespace':"
                 "'n','name':'out%zu','facets':{'columnLineage':{'_producer':'p','_schemaURL':'s',"
                 "%s}}}]}",
                 i, i, i, facets[i]);
        if (fixture_add(store, event, 1000, false, &err) != OL_OK)
            fail_msg("%s: %s", event, err.message);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    struct store_question question = {.subject = "raw", .column = "a", .uid = STORE_ANY_UID};
    expect(store_impact, &question, EDGES, "");
    for (size_t i = 0; i < OL_COUNT(facets); i++) {
        char subject[16];
        snprintf(subject, sizeof subject, "out%zu", i);
        question = (struct store_question){.subject = subject, .column = "x", .uid = STORE_ANY_UID};
        expect(store_why, &question, "SELECT json_array_length(?1, '$.nodes')", i == 4 ? "3" : "2");
    }
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_columns),
        WITH_FIXTURE(test_members),
        WITH_FIXTURE(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
