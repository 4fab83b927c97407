/* SPDX-License-Identifier: Apache-2.0 */
/* The event reader: every row of DESIGN 8 (refused, or taken with a warning), what it returns, its
 * limits, its lanes, and failing allocations. Events are written with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "event_read.h"
#include "fail_alloc.h"
#include "times.h"

#define TIME "'eventTime':'2026-11-21T09:00:00Z'"
#define PRODUCER "'producer':'https://example.org/p/1'"
#define SCHEMA "'schemaURL':'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent'"
#define HEAD TIME "," PRODUCER "," SCHEMA
#define RUN_ID "'01941f29-7c00-7837-a31d-d79a7fb36a3d'"
#define RUN "'run':{'runId':" RUN_ID "}"
#define JOB "'job':{'namespace':'n','name':'j'}"
#define DATASET "'dataset':{'namespace':'n','name':'d'}"
#define NOW INT64_C(1795251600000) /* 2026-11-21T09:00:00Z */

static char *quoted(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *c = copy; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static struct ol__event_reader *new_reader(void)
{
    struct ol__event_reader *r = NULL;
    assert_int_equal(ol__event_reader_new(&r, NULL), OL_OK);
    return r;
}

struct row {
    const char *event;
    ol_status status;
    uint32_t warnings;   /* exactly these */
    const char *message; /* what a refusal says */
};

static const struct row rows[] = {
    /* legal, nothing to say */
    {"{" HEAD "," RUN "," JOB ",'eventType':'START'}", OL_OK, 0, NULL},
    {"{" HEAD "," RUN "," JOB "}", OL_OK, 0, NULL}, /* eventType is optional */
    {"{" HEAD "," JOB "}", OL_OK, 0, NULL},
    {"{" HEAD "," DATASET "}", OL_OK, 0, NULL},
    {"{" HEAD "," RUN "," JOB "," DATASET "}", OL_OK, 0, NULL},
    {"{" HEAD "," RUN "," JOB ",'inputs':[],'outputs':[],'more':{'x':[1,{'run':2}]}}", OL_OK, 0,
     NULL},
    {"{" HEAD "," RUN "," JOB ",'inputs':[{'namespace':'a','name':'b','inputFacets':{}}]}", OL_OK,
     0, NULL},
    /* no JSON, no object */
    {"", OL_INVALID, 0, "not JSON"},
    {"{", OL_INVALID, 0, "not JSON"},
    {"{" HEAD "," RUN "," JOB "} x", OL_INVALID, 0, "not JSON"},
    {"{" HEAD "," RUN "," JOB ",}", OL_INVALID, 0, "not JSON"},
    {"[]", OL_INVALID, 0, "event: expected an object, found an array"},
    {"'x'", OL_INVALID, 0, "event: expected an object, found text"},
    {"null", OL_INVALID, 0, "event: expected an object, found null"},
    {"7", OL_INVALID, 0, "event: expected an object, found a number"},
    /* no subject */
    {"{}", OL_INVALID, 0, "none of /run, /job and /dataset"},
    {"{" HEAD "}", OL_INVALID, 0, "none of /run, /job and /dataset"},
    {"{" HEAD ",'run':null,'job':null}", OL_INVALID, 0, "none of /run, /job and /dataset"},
    /* missing */
    {"{" PRODUCER "," SCHEMA "," RUN "," JOB "}", OL_INVALID, 0, "/eventTime: missing"},
    {"{'eventTime':null," PRODUCER "," SCHEMA "," RUN "," JOB "}", OL_INVALID, 0,
     "/eventTime: missing"},
    {"{" TIME "," SCHEMA "," RUN "," JOB "}", OL_INVALID, 0, "/producer: missing"},
    {"{" HEAD ",'run':{}," JOB "}", OL_INVALID, 0, "/run/runId: missing"},
    {"{" HEAD ",'run':{'runId':null}," JOB "}", OL_INVALID, 0, "/run/runId: missing"},
    {"{" HEAD ",'run':{'runId':''}," JOB "}", OL_INVALID, 0, "/run/runId: missing"},
    {"{" HEAD "," RUN "}", OL_INVALID, 0, "/job/namespace: missing"},
    {"{" HEAD "," RUN ",'job':null}", OL_INVALID, 0, "/job/namespace: missing"},
    {"{" HEAD "," RUN ",'job':{'namespace':'n'}}", OL_INVALID, 0, "/job/name: missing"},
    {"{" HEAD "," RUN ",'job':{'name':'n'}}", OL_INVALID, 0, "/job/namespace: missing"},
    {"{" HEAD ",'job':{'namespace':'n'}}", OL_INVALID, 0, "/job/name: missing"},
    {"{" HEAD ",'job':{'namespace':'n','name':null}}", OL_INVALID, 0, "/job/name: missing"},
    {"{" HEAD ",'dataset':{'namespace':'n'}}", OL_INVALID, 0, "/dataset/name: missing"},
    {"{" HEAD ",'dataset':{'name':'n'}}", OL_INVALID, 0, "/dataset/namespace: missing"},
    /* wrong types in core fields */
    {"{'eventTime':1," PRODUCER "," SCHEMA "," RUN "," JOB "}", OL_INVALID, 0,
     "/eventTime: expected text, found a number"},
    {"{" HEAD "," RUN "," JOB ",'eventType':true}", OL_INVALID, 0,
     "/eventType: expected text, found true or false"},
    {"{" TIME ",'producer':{}," SCHEMA "," RUN "," JOB "}", OL_INVALID, 0,
     "/producer: expected text, found an object"},
    {"{" TIME "," PRODUCER ",'schemaURL':[]," RUN "," JOB "}", OL_INVALID, 0,
     "/schemaURL: expected text, found an array"},
    {"{" HEAD ",'run':'x'," JOB "}", OL_INVALID, 0, "/run: expected an object, found text"},
    {"{" HEAD ",'run':[]," JOB "}", OL_INVALID, 0, "/run: expected an object, found an array"},
    {"{" HEAD ",'run':{'runId':5}," JOB "}", OL_INVALID, 0,
     "/run/runId: expected text, found a number"},
    {"{" HEAD "," RUN ",'job':7}", OL_INVALID, 0, "/job: expected an object, found a number"},
    {"{" HEAD "," RUN ",'job':{'namespace':1,'name':'j'}}", OL_INVALID, 0,
     "/job/namespace: expected text, found a number"},
    {"{" HEAD "," RUN ",'job':{'namespace':'n','name':{}}}", OL_INVALID, 0,
     "/job/name: expected text, found an object"},
    {"{" HEAD ",'dataset':[]}", OL_INVALID, 0, "/dataset: expected an object, found an array"},
    {"{" HEAD ",'dataset':{'namespace':'n','name':3}}", OL_INVALID, 0,
     "/dataset/name: expected text, found a number"},
    {"{" HEAD "," RUN "," JOB ",'inputs':{}}", OL_INVALID, 0,
     "/inputs: expected an array, found an object"},
    {"{" HEAD "," RUN "," JOB ",'outputs':'x'}", OL_INVALID, 0,
     "/outputs: expected an array, found text"},
    {"{" HEAD "," RUN "," JOB ",'inputs':[{'namespace':'n','name':'a'},4]}", OL_INVALID, 0,
     "/inputs/1: expected an object, found a number"},
    {"{" HEAD "," RUN "," JOB ",'inputs':[[]]}", OL_INVALID, 0,
     "/inputs/0: expected an object, found an array"},
    {"{" HEAD "," RUN "," JOB ",'outputs':[{'namespace':'n','name':1}]}", OL_INVALID, 0,
     "/outputs/0/name: expected text, found a number"},
    {"{" HEAD "," RUN "," JOB ",'outputs':[{'namespace':false,'name':'x'}]}", OL_INVALID, 0,
     "/outputs/0/namespace: expected text, found true or false"},
    /* looser: taken, warned */
    {"{" TIME "," PRODUCER "," RUN "," JOB "}", OL_OK, OL_WARN_NO_SCHEMA_URL, "/schemaURL"},
    {"{" TIME "," PRODUCER ",'schemaURL':null," RUN "," JOB "}", OL_OK,
     OL_WARN_NO_SCHEMA_URL | OL_WARN_NULL, "/schemaURL"},
    {"{" HEAD ",'run':{'runId':'abc'}," JOB "}", OL_OK, OL_WARN_RUN_ID_NO_UUID, "/run/runId"},
    {"{'eventTime':'2026-11-21T09:00:00'," PRODUCER "," SCHEMA "," RUN "," JOB "}", OL_OK,
     OL_WARN_TIME_NO_ZONE, "/eventTime"},
    {"{'eventTime':'yesterday'," PRODUCER "," SCHEMA "," RUN "," JOB "}", OL_OK,
     OL_WARN_TIME_INVALID, "/eventTime"},
    {"{'eventTime':''," PRODUCER "," SCHEMA "," RUN "," JOB "}", OL_OK, OL_WARN_TIME_INVALID,
     "/eventTime"},
    {"{" TIME ",'producer':'me'," SCHEMA "," RUN "," JOB "}", OL_OK, OL_WARN_URI, "/producer"},
    {"{" TIME ",'producer':'https://a b'," SCHEMA "," RUN "," JOB "}", OL_OK, OL_WARN_URI,
     "/producer"},
    {"{" TIME ",'producer':'https:'," SCHEMA "," RUN "," JOB "}", OL_OK, OL_WARN_URI, "/producer"},
    {"{" TIME ",'producer':'://x'," SCHEMA "," RUN "," JOB "}", OL_OK, OL_WARN_URI, "/producer"},
    {"{" TIME "," PRODUCER ",'schemaURL':'x'," RUN "," JOB "}", OL_OK, OL_WARN_URI, "/schemaURL"},
    {"{" HEAD "," TIME "," RUN "," JOB "}", OL_OK, OL_WARN_DUPLICATE_KEY, "/eventTime"},
    {"{" HEAD "," RUN "," JOB "," RUN "}", OL_OK, OL_WARN_DUPLICATE_KEY, "/run"},
    {"{" HEAD ",'run':{'runId':'a','runId':" RUN_ID "}," JOB "}", OL_OK, OL_WARN_DUPLICATE_KEY,
     "/run/runId"},
    {"{" HEAD "," RUN "," JOB ",'inputs':[],'inputs':[]}", OL_OK, OL_WARN_DUPLICATE_KEY, "/inputs"},
    {"{" HEAD "," RUN "," JOB ",'inputs':[{'namespace':'a','name':'b','name':'c'}]}", OL_OK,
     OL_WARN_DUPLICATE_KEY, "/inputs/0/name"},
    {"{" HEAD "," RUN "," JOB ",'eventType':'FINISHED'}", OL_OK, OL_WARN_EVENT_TYPE, "/eventType"},
    {"{" HEAD "," RUN "," JOB ",'eventType':'complete'}", OL_OK, OL_WARN_EVENT_TYPE, "/eventType"},
    {"{" HEAD "," RUN "," JOB ",'eventType':''}", OL_OK, OL_WARN_EVENT_TYPE, "/eventType"},
    {"{" HEAD "," RUN "," JOB ",'eventType':null}", OL_OK, OL_WARN_NULL, "/eventType"},
    {"{" HEAD "," RUN "," JOB ",'inputs':null}", OL_OK, OL_WARN_NULL, "/inputs"},
    {"{" HEAD "," JOB ",'run':null}", OL_OK, OL_WARN_NULL, "/run"},
    {"{" HEAD "," RUN ",'job':{'namespace':'n','name':'j','facets':[]}}", OL_OK, OL_WARN_FACET,
     "/job/facets"},
    {"{" HEAD "," RUN ",'job':{'namespace':'n','name':'j','facets':{'sql':'select 1'}}}", OL_OK,
     OL_WARN_FACET, "/job/facets/sql"},
    {"{" HEAD "," RUN ",'job':{'namespace':'n','name':'j','facets':{'sql':{'query':5}}}}", OL_OK,
     OL_WARN_FACET, "/job/facets/sql/query"},
    {"{" HEAD "," RUN "," JOB ",'inputs':[{'namespace':'n','name':'i','facets':{'schema':{'fields':"
     "[{'name':'a','fields':[{'name':7}]}]}}}]}",
     OL_OK, OL_WARN_FACET, "/inputs/0/facets/schema/fields/0/fields/0/name"},
    {"{" HEAD "," RUN "," JOB ",'outputs':[{'namespace':'n','name':'i','outputFacets':"
     "{'outputStatistics':{'rowCount':1.5}}}]}",
     OL_OK, OL_WARN_FACET, "/outputs/0/outputFacets/outputStatistics/rowCount"},
    {"{" HEAD "," RUN ",'job':{'namespace':'n','name':'a\\u0000b'}}", OL_OK, OL_WARN_NUL,
     "\\u0000"},
    {"{" HEAD "," RUN "," JOB ",'x\\\\\\u0000':1}", OL_OK, OL_WARN_NUL, "\\u0000"},
    {"{" HEAD "," RUN ",'job':{'namespace':'n','name':'a\\\\u0000b'}}", OL_OK, 0, NULL},
    {"{" HEAD "," RUN ",'job':{'namespace':'','name':'j'}}", OL_OK, OL_WARN_NAME, "/job/namespace"},
    {"{" HEAD "," RUN "," JOB ",'inputs':[{'name':'x'}]}", OL_OK, OL_WARN_NAME, "/inputs/0"},
    {"{" HEAD "," RUN "," JOB ",'outputs':[{}]}", OL_OK, OL_WARN_NAME, "/outputs/0"},
    {"{" HEAD "," RUN "," JOB ",'dataset':{}}", OL_OK, OL_WARN_NAME, "/dataset"},
    {"{" HEAD "," JOB "," DATASET "}", OL_OK, OL_WARN_KIND, "/job"},
    /* facets that break their schema, unknown facets, facets on the wrong side */
    {"{" HEAD ",'run':{'runId':" RUN_ID
     ",'facets':{'errorMessage':{},'my_own':{'a':[1,null]}}}," JOB "}",
     OL_OK, 0, NULL},
    {"{" HEAD "," RUN "," JOB ",'inputs':[{'namespace':'n','name':'i','facets':"
     "{'dataQualityAssertions':{'assertions':[{'assertion':'not_null','success':true}]}}}]}",
     OL_OK, 0, NULL},
};

static void check_message(const struct ol_error *err, const char *part, const char *event)
{
    if (strstr(err->message, part) == NULL)
        fail_msg("%s: '%s' does not say '%s'", event, err->message, part);
}

/* Each row gets its verdict; with validation strict, a warning refuses and names its place. */
static void rows_get_their_verdict(void **state)
{
    (void)state;
    struct ol__event_reader *r = new_reader();
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        char *text = quoted(row->event);
        struct ol_error err = {.status = OL_OK};
        const struct ol__event *e = NULL;
        ol_status st = ol__event_read(r, ol__span_text(text), OL_EVENT_ALL, NULL, NOW, &e, &err);
        if (st != row->status)
            fail_msg("%s: %d %s", text, (int)st, err.message);
        if (st == OL_OK && e->warnings != row->warnings)
            fail_msg("%s: warnings %x, not %x", text, e->warnings, row->warnings);
        if (st != OL_OK) {
            check_message(&err, row->message, text);
            assert_null(e);
        }
        /* CORE comes to the same, but for types inside facets */
        st = ol__event_read(r, ol__span_text(text), OL_EVENT_CORE, NULL, NOW, &e, &err);
        assert_int_equal(st, row->status);
        if (st == OL_OK && ((e->warnings ^ row->warnings) & ~(uint32_t)OL_WARN_FACET) != 0)
            fail_msg("%s: core warnings %x, not %x", text, e->warnings, row->warnings);
        /* strict, at either depth */
        for (int depth = OL_EVENT_CORE; depth <= OL_EVENT_ALL; depth++) {
            const struct ol__event_limits strict = {.is_strict = true};
            st = ol__event_read(r, ol__span_text(text), (enum ol__event_depth)depth, &strict, NOW,
                                &e, &err);
            if (st != (row->warnings != 0 ? OL_INVALID : row->status))
                fail_msg("%s: strict: %d %s", text, (int)st, err.message);
            if (row->message != NULL && row->status == OL_OK)
                check_message(&err, row->message, text);
        }
        free(text);
    }
    ol__event_reader_free(r);
}

/* The future is a warning that even strict takes, and only with a clock. */
static void future_warns(void **state)
{
    (void)state;
    struct ol__event_reader *r = new_reader();
    const struct ol__event *e = NULL;
    const struct ol__event_limits strict = {.is_strict = true};
    char *text = quoted("{" HEAD "," RUN "," JOB "}");
    const struct {
        int64_t now;
        uint32_t warnings;
    } cases[] = {{NOW, 0},
                 {NOW - 300000, 0},
                 {NOW - 300001, OL_WARN_TIME_FUTURE},
                 {-1, 0},
                 {0, OL_WARN_TIME_FUTURE}};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        assert_int_equal(
            ol__event_read(r, ol__span_text(text), OL_EVENT_CORE, &strict, cases[i].now, &e, NULL),
            OL_OK);
        assert_int_equal(e->warnings, cases[i].warnings);
        assert_int_equal(e->time_ms, NOW);
    }
    free(text);
    ol__event_reader_free(r);
}

static void is_text(struct ol__span span, const char *text)
{
    if (!ol__span_equal(span, ol__span_text(text)))
        fail_msg("'%.*s' is not '%s'", (int)span.size, span.data != NULL ? span.data : "", text);
}

static const struct ol__event_fact *fact(const struct ol__event *e, enum ol__field_id field,
                                         int index)
{
    for (size_t i = 0; i < e->fact_count; i++)
        if (e->facts[i].field == field && e->facts[i].index == index)
            return &e->facts[i];
    return NULL;
}

static void fact_is(const struct ol__event *e, enum ol__field_id field, int index,
                    enum ol__json_type type, const char *text)
{
    const struct ol__event_fact *f = fact(e, field, index);
    if (f == NULL) {
        fail_msg("%s: no fact %d", ol__field_info(field)->path, index);
        return;
    }
    assert_int_equal(f->type, type);
    is_text(f->text, text);
}

static const char full[] =
    "{" HEAD ",'eventType':'FAIL',"
    "'outputs':[{'outputFacets':{'outputStatistics':{'rowCount':12}},'namespace':'ns\\u0041','name'"
    ":'out'}],"
    "'inputs':[{'namespace':'a','name':'b','facets':{'schema':{'fields':["
    "  "
    "{'name':'id','type':'INT','fields':[{'name':'deep'}],'description':'key'},{'name':'x\\ny','"
    "ordinal_position':2}]}}},"
    " {'namespace':'c','name':'d'}],"
    "'run':{'facets':{'tags':{'tags':[{'key':'k','value':'v'},{'key':'k2','value':'v2','source':"
    "null}]},"
    "  'own\\u005ffacet': {'a' : [1, "
    "2]},'parent':{'run':{'runId':'p'},'root':{'job':{'name':'top'}}}},'runId':" RUN_ID "},"
    "'job':{'facets':{'jobType':{'processingType':'STREAMING','integration':'X'}},'namespace':'n','"
    "name':'j'}}";

/* Everything that ALL promises: datasets, facets with their bytes, facts with field, index and
 * type. */
static void all_is_found(void **state)
{
    (void)state;
    struct ol__event_reader *r = new_reader();
    const struct ol__event *e = NULL;
    struct ol_error err;
    char *text = quoted(full);
    ol_status st = ol__event_read(r, ol__span_text(text), OL_EVENT_ALL, NULL, -1, &e, &err);
    assert_int_equal(st, OL_OK);
    assert_int_equal(e->warnings, OL_WARN_FACET); /* the source that is null */
    assert_int_equal(e->kind, OL_EVENT_RUN);
    assert_int_equal(e->type, OL_TYPE_FAIL);
    is_text(e->job_name, "j");
    is_text(e->processing_type, "STREAMING");
    is_text(e->event_time, "2026-11-21T09:00:00Z");
    assert_int_equal(e->dataset_count, 3);
    assert_int_equal(e->datasets[0].side, OL_ENTITY_OUTPUT);
    is_text(e->datasets[0].name_space, "nsA");
    is_text(e->datasets[2].name, "d");
    static const struct {
        enum ol__entity entity;
        int dataset;
        const char *key;
        enum ol__facet_id id;
        const char *json;
    } facets[] = {
        {OL_ENTITY_OUTPUT, 0, "outputStatistics", OL_FACET_OUTPUT_OUTPUT_STATISTICS,
         "{'rowCount':12}"},
        {OL_ENTITY_DATASET, 1, "schema", OL_FACET_DATASET_SCHEMA, NULL},
        {OL_ENTITY_RUN, -1, "tags", OL_FACET_RUN_TAGS, NULL},
        {OL_ENTITY_RUN, -1, "own_facet", OL_FACET_UNKNOWN, "{'a' : [1, 2]}"},
        {OL_ENTITY_RUN, -1, "parent", OL_FACET_RUN_PARENT, NULL},
        {OL_ENTITY_JOB, -1, "jobType", OL_FACET_JOB_JOB_TYPE,
         "{'processingType':'STREAMING','integration':'X'}"},
    };
    assert_int_equal(e->facet_count, OL_COUNT(facets));
    for (size_t i = 0; i < OL_COUNT(facets); i++) {
        assert_int_equal(e->facets[i].entity, facets[i].entity);
        assert_int_equal(e->facets[i].dataset, facets[i].dataset);
        assert_int_equal(e->facets[i].id, facets[i].id);
        is_text(e->facets[i].key, facets[i].key);
        if (facets[i].json != NULL) {
            char *json = quoted(facets[i].json);
            is_text(e->facets[i].json, json);
            free(json);
        }
    }
    fact_is(e, OL_FIELD_OUTPUT_OUTPUT_STATISTICS_ROW_COUNT, -1, OL_JSON_NUMBER, "12");
    fact_is(e, OL_FIELD_DATASET_SCHEMA_FIELDS_NAME, 0, OL_JSON_STRING, "id");
    fact_is(e, OL_FIELD_DATASET_SCHEMA_FIELDS_DESCRIPTION, 0, OL_JSON_STRING, "key");
    fact_is(e, OL_FIELD_DATASET_SCHEMA_FIELDS_NAME, 1, OL_JSON_STRING, "x\ny");
    fact_is(e, OL_FIELD_DATASET_SCHEMA_FIELDS_ORDINAL_POSITION, 1, OL_JSON_NUMBER, "2");
    fact_is(e, OL_FIELD_RUN_TAGS_TAGS_VALUE, 1, OL_JSON_STRING, "v2");
    assert_null(fact(e, OL_FIELD_RUN_TAGS_TAGS_SOURCE, 1));
    fact_is(e, OL_FIELD_RUN_PARENT_RUN_RUN_ID, -1, OL_JSON_STRING, "p");
    fact_is(e, OL_FIELD_RUN_PARENT_ROOT_JOB_NAME, -1, OL_JSON_STRING, "top");
    size_t names = 0; /* the nested column is no fact */
    for (size_t i = 0; i < e->fact_count; i++)
        names += e->facts[i].field == OL_FIELD_DATASET_SCHEMA_FIELDS_NAME;
    assert_int_equal(names, 2);
    /* CORE knows the streaming job too, and keeps no lists */
    st = ol__event_read(r, ol__span_text(text), OL_EVENT_CORE, NULL, -1, &e, &err);
    assert_int_equal(st, OL_OK);
    is_text(e->processing_type, "STREAMING");
    assert_int_equal(e->dataset_count + e->facet_count + e->fact_count, 0);
    free(text);
    ol__event_reader_free(r);
}

/* Maps: the fact carries the entry's name, and the place in the outermost array. An entity that
 * accepts another's facet: the same facet. */
static void maps_and_strays(void **state)
{
    (void)state;
    struct ol__event_reader *r = new_reader();
    const struct ol__event *e = NULL;
    char *text =
        quoted("{" HEAD ",'dataset':{'namespace':'n','name':'d','facets':{"
               "'columnLineage':{'fields':{"
               "'a':{'inputFields':[{'field':'x'},{'field':'y','transformations':[{'type':'t'}]}]},"
               "'b\\u0062':{'inputFields':[{'field':'z'}]}}},"
               "'dataQualityAssertions':{'assertions':[{'assertion':'s','success':false}]}}}}");
    assert_int_equal(ol__event_read(r, ol__span_text(text), OL_EVENT_ALL, NULL, -1, &e, NULL),
                     OL_OK);
    assert_int_equal(e->warnings, 0);
    static const struct {
        enum ol__field_id field;
        int index;
        const char *map_key, *text;
    } facts[] = {
        {OL_FIELD_DATASET_COLUMN_LINEAGE_FIELDS_INPUT_FIELDS_FIELD, 0, "a", "x"},
        {OL_FIELD_DATASET_COLUMN_LINEAGE_FIELDS_INPUT_FIELDS_FIELD, 1, "a", "y"},
        {OL_FIELD_DATASET_COLUMN_LINEAGE_FIELDS_INPUT_FIELDS_TRANSFORMATIONS_TYPE, 1, "a", "t"},
        {OL_FIELD_DATASET_COLUMN_LINEAGE_FIELDS_INPUT_FIELDS_FIELD, 0, "bb", "z"},
        {OL_FIELD_INPUT_DATA_QUALITY_ASSERTIONS_ASSERTIONS_ASSERTION, 0, "", "s"},
        {OL_FIELD_INPUT_DATA_QUALITY_ASSERTIONS_ASSERTIONS_SUCCESS, 0, "", "false"},
    };
    assert_int_equal(e->fact_count, OL_COUNT(facts));
    for (size_t i = 0; i < OL_COUNT(facts); i++) {
        assert_int_equal(e->facts[i].field, facts[i].field);
        assert_int_equal(e->facts[i].index, facts[i].index);
        is_text(e->facts[i].map_key, facts[i].map_key);
        is_text(e->facts[i].text, facts[i].text);
    }
    assert_int_equal(e->facets[1].entity, OL_ENTITY_DATASET);
    assert_int_equal(e->facets[1].id, OL_FACET_INPUT_DATA_QUALITY_ASSERTIONS);
    free(text);
    ol__event_reader_free(r);
}

/* A key given twice: the later counts whole, with what hung off the earlier gone. */
static void last_of_two_counts(void **state)
{
    (void)state;
    struct ol__event_reader *r = new_reader();
    const struct ol__event *e = NULL;
    char *text = quoted(
        "{" HEAD "," JOB ",'run':{'runId':'x','facets':{'tags':{'tags':[{'key':'old'}]}}},"
        "'inputs':[{'namespace':'a','name':'1','facets':{'version':{'datasetVersion':'old'}}},{'"
        "namespace':'a','name':'2'}],"
        "'outputs':[{'namespace':'o','name':'o','facets':{'version':{'datasetVersion':'kept'}}}],"
        "'inputs':[{'namespace':'a','name':'3','facets':{'version':{'datasetVersion':'new'}}}],"
        "'job':{'namespace':'n2','name':'j2','facets':{'jobType':{'processingType':'BATCH'}},'"
        "facets':{}},"
        "'run':{'runId':" RUN_ID ",'facets':{'tags':{'tags':[{'key':'new'}]}}}}");
    assert_int_equal(ol__event_read(r, ol__span_text(text), OL_EVENT_ALL, NULL, -1, &e, NULL),
                     OL_OK);
    assert_int_equal(e->warnings, OL_WARN_DUPLICATE_KEY);
    is_text(e->job_namespace, "n2");
    assert_int_equal(e->processing_type.size, 0);
    assert_int_equal(e->dataset_count, 2);
    is_text(e->datasets[0].name, "o");
    is_text(e->datasets[1].name, "3");
    assert_int_equal(e->facet_count, 3);
    assert_int_equal(e->fact_count, 3);
    static const struct {
        int dataset;
        const char *fact;
    } expected[] = {{0, "kept"}, {1, "new"}, {-1, "new"}};
    for (size_t i = 0; i < OL_COUNT(expected); i++) {
        assert_int_equal(e->facets[i].dataset, expected[i].dataset);
        assert_int_equal(e->facts[i].facet, (int)i);
        is_text(e->facts[i].text, expected[i].fact);
    }
    free(text);
    ol__event_reader_free(r);
}

static void limits_hold(void **state)
{
    (void)state;
    struct ol__event_reader *r = new_reader();
    const struct ol__event *e = NULL;
    struct ol_error err;
    char *text = quoted("{" HEAD "," RUN "," JOB
                        ",'inputs':[{'namespace':'a','name':'b'},{'namespace':'a','name':'c'}],"
                        "'outputs':[{'namespace':'a','name':'b','x':[[[[]]]]}]}");
    for (int depth = OL_EVENT_CORE; depth <= OL_EVENT_ALL; depth++) {
        enum ol__event_depth d = (enum ol__event_depth)depth;
        struct ol__event_limits limits = {.dataset_max = 3};
        assert_int_equal(ol__event_read(r, ol__span_text(text), d, &limits, -1, &e, &err), OL_OK);
        limits.dataset_max = 2;
        assert_int_equal(ol__event_read(r, ol__span_text(text), d, &limits, -1, &e, &err),
                         OL_TOO_LARGE);
        limits = (struct ol__event_limits){.size_max = strlen(text) - 1};
        assert_int_equal(ol__event_read(r, ol__span_text(text), d, &limits, -1, &e, &err),
                         OL_TOO_LARGE);
        limits = (struct ol__event_limits){.depth_max = 6};
        assert_int_equal(ol__event_read(r, ol__span_text(text), d, &limits, -1, &e, &err),
                         OL_INVALID);
    }
    free(text);
    ol__event_reader_free(r);
}

static void lane_is(struct ol__event_reader *r, const char *event, enum ol__lane_kind kind,
                    const char *key, const char *uuid)
{
    char *text = quoted(event);
    const struct ol__event *e = NULL;
    struct ol_error err = {.message = ""};
    if (ol__event_read(r, ol__span_text(text), OL_EVENT_CORE, NULL, -1, &e, &err) != OL_OK)
        fail_msg("%s: %s", text, err.message);
    struct ol__uuid lane;
    char lane_text[OL_UUID_TEXT + 1];
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    assert_int_equal(ol__event_lane(e, lane.bytes), kind);
    assert_int_equal(ol__event_lane_text(e, &out), OL_OK);
    ol__uuid_format(&lane, lane_text);
    assert_string_equal(out.data, key);
    assert_string_equal(lane_text, uuid);
    ol__buf_release(&out);
    free(text);
}

/* Lanes never change: these were computed with Python's uuid.uuid5(). */
static void lanes_are_fixed(void **state)
{
    (void)state;
    struct ol__event_reader *r = new_reader();
    lane_is(r, "{" HEAD "," RUN "," JOB "}", OL_LANE_RUN_UUID,
            "01941f29-7c00-7837-a31d-d79a7fb36a3d", "01941f29-7c00-7837-a31d-d79a7fb36a3d");
    lane_is(r, "{" HEAD ",'run':{'runId':'01941F29-7C00-7837-A31D-D79A7FB36A3D'}," JOB "}",
            OL_LANE_RUN_TEXT, "01941F29-7C00-7837-A31D-D79A7FB36A3D",
            "147a7f07-14da-5202-a407-f7ca2c49a47d");
    lane_is(r, "{" HEAD ",'run':{'runId':'nightly 7'}," JOB "}", OL_LANE_RUN_TEXT, "nightly 7",
            "1a32f64f-b20c-5334-a371-c98d28a2bd3a");
    lane_is(r, "{" HEAD "," JOB "}", OL_LANE_JOB, "job:n/j",
            "2af56a8e-5f91-5255-b64c-c1392a98bf65");
    lane_is(r, "{" HEAD "," DATASET "}", OL_LANE_DATASET, "dataset:n/d",
            "d6b4db68-8de4-54c6-9e78-1654ea2e6561");
    /* a key of 2,049 bytes is folded: uuid5(uuid5(space, first 2,048), last one) */
    char name[2046], event[4096], key[2100];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(event, sizeof event, "{" HEAD ",'job':{'namespace':'','name':'%s'}}", name + 1);
    snprintf(key, sizeof key, "job:/%s", name + 1);
    assert_int_equal(strlen(key), 2049);
    lane_is(r, event, OL_LANE_JOB, key, "61ccbf10-eec2-526c-bb3c-10c1886be7d6");
    ol__event_reader_free(r);
}

static void names_are_known(void **state)
{
    (void)state;
    for (int t = OL_TYPE_START; t < OL_TYPE_UNKNOWN; t++) {
        char event[512];
        struct ol__event_reader *r = new_reader();
        const struct ol__event *e = NULL;
        snprintf(event, sizeof event, "{" HEAD "," RUN "," JOB ",'eventType':'%s'}",
                 ol__event_type_name((enum ol__event_type)t));
        char *text = quoted(event);
        assert_int_equal(ol__event_read(r, ol__span_text(text), OL_EVENT_CORE, NULL, -1, &e, NULL),
                         OL_OK);
        assert_int_equal(e->type, t);
        assert_int_equal(ol__event_is_terminal(e->type), t >= OL_TYPE_COMPLETE);
        free(text);
        ol__event_reader_free(r);
    }
    assert_string_equal(ol__event_type_name(OL_TYPE_ABSENT), "");
    assert_string_equal(ol__event_warning_name(OL_WARN_NO_SCHEMA_URL), "no_schema_url");
    assert_string_equal(ol__event_warning_name(OL_WARN_NUL), "nul");
    assert_string_equal(ol__event_warning_name(OL_WARN_KIND), "kind");
    assert_string_equal(ol__event_warning_name(3), "?");
}

/* Any allocation may fail: OL_NOMEM, no leak (with the sanitizers), and the reader goes on. */
static void allocations_fail(void **state)
{
    (void)state;
    char *text = quoted(full);
    unsigned long n = 1;
    for (;; n++) {
        fail_alloc_at(n);
        struct ol__event_reader *r = NULL;
        const struct ol__event *e = NULL;
        struct ol_error err = {.status = OL_OK};
        ol_status st = ol__event_reader_new(&r, &err);
        if (st == OL_OK)
            st = ol__event_read(r, ol__span_text(text), OL_EVENT_ALL, NULL, -1, &e, &err);
        bool failed = fail_alloc_stop();
        assert_int_equal(st, failed ? OL_NOMEM : OL_OK);
        if (failed && r != NULL)
            assert_int_equal(
                ol__event_read(r, ol__span_text(text), OL_EVENT_ALL, NULL, -1, &e, &err), OL_OK);
        ol__event_reader_free(r);
        if (!failed)
            break;
    }
    assert_true(n > 3);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_get_their_verdict), cmocka_unit_test(future_warns),
        cmocka_unit_test(all_is_found),           cmocka_unit_test(last_of_two_counts),
        cmocka_unit_test(maps_and_strays),        cmocka_unit_test(limits_hold),
        cmocka_unit_test(lanes_are_fixed),        cmocka_unit_test(names_are_known),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
