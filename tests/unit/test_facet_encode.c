/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of structs: those of older and newer callers, every kind of member, and the rules that
 * tie members to a type. JSON is written with ' for ". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "facets_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(structs_of_other_versions),
        TEST(every_kind_of_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
