/* SPDX-License-Identifier: Apache-2.0 */
/* Where facets are kept: replacing, removing, compacting, JSON from callers, limits, and the mirror
 * of our ids in the run's tags (promises 1 to 5 of facet_place.c). JSON is written with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <openlineage/facets.h>
#include "facet_info.h"
#include "facet_place.h"

struct fixture {
    struct ol__facet_context context;
    struct ol_error error;
    struct ol__facet_place run, output;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->context = (struct ol__facet_context){.producer = "p", .facet_max = 2000};
    ol__facet_place_init(&f->run, OL_ENTITY_RUN, OL_ENTITY_COUNT, &f->context, &f->error, 30000);
    ol__facet_place_init(&f->output, OL_ENTITY_DATASET, OL_ENTITY_OUTPUT, &f->context, &f->error,
                         30000);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ol__facet_place_release(&f->run);
    ol__facet_place_release(&f->output);
    ol__json_reader_free(f->context.reader);
    free(f);
    return 0;
}

static char *quoted(const char *text)
{
    char *copy = strdup(text);
    for (char *c = copy; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static void holds(struct ol__facet_place *place, enum ol__entity entity, const char *expected)
{
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    ol__facet_write(place, entity, &out);
    assert_int_equal(out.status, OL_OK);
    char *text = quoted(expected);
    assert_string_equal(out.data, text);
    free(text);
    ol__buf_release(&out);
}

static ol_status set_json(struct fixture *f, const char *key, const char *url, const char *json)
{
    char *text = quoted(json);
    ol_status st = ol__facet_set_json(&f->run, OL_ENTITY_RUN, key, url, ol__span_text(text));
    free(text);
    return st;
}

static void json_is_checked_and_completed(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set_json(f, "my_facet", "u", " {\n 'a' : [ 1.50 , 'x\\n' ] } "), OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{'my_facet':{'_producer':'p','_schemaURL':'u','a':[1.50,'x\\n']}}");
    assert_int_equal(set_json(f, "my_facet", NULL, "{'_schemaURL':'s','b':2}"), OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{'my_facet':{'_producer':'p','_schemaURL':'s','b':2}}");
    assert_int_equal(set_json(f, "my_facet", "u", "{'_producer':'q','b':2}"), OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{'my_facet':{'_schemaURL':'u','_producer':'q','b':2}}");
    assert_int_equal(set_json(f, "my_facet", "u", "{'_producer':'q','_schemaURL':'s'}"), OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{'my_facet':{'_producer':'q','_schemaURL':'s'}}");
    assert_int_equal(set_json(f, "my_facet", "u", "{}"), OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{'my_facet':{'_producer':'p','_schemaURL':'u'}}");
    assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "my_facet"), OL_OK);
    /* known keys bring their own address */
    assert_int_equal(set_json(f, "nominalTime", NULL, "{'nominalStartTime':'t'}"), OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{'nominalTime':{'_producer':'p','_schemaURL':'https://openlineage.io/spec/facets/1-0-1/"
          "NominalTimeRunFacet.json#/$defs/"
          "NominalTimeRunFacet','nominalStartTime':'t'}}");
    assert_int_equal(f->error.status, OL_OK);
}

static void keys_are_letters_digits_and_three_signs(void **state)
{
    struct fixture *f = *state;
    for (int byte = 1; byte < 256; byte++) {
        char key[] = {'k', (char)byte, '\0'};
        bool is_good = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9') || strchr("_.-", byte) != NULL;
        ol_status expected = is_good ? OL_OK : OL_INVALID;
        if (set_json(f, key, "u", "{}") != expected)
            fail_msg("key with byte 0x%02x: not %s", byte, is_good ? "taken" : "refused");
        assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, key), OL_OK);
    }
    char key[OL_FACET_JSON_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    key[OL_FACET_JSON_KEY_MAX + 1] = '\0';
    assert_int_equal(set_json(f, key, "u", "{}"), OL_INVALID);
    key[OL_FACET_JSON_KEY_MAX] = '\0';
    assert_int_equal(set_json(f, key, "u", "{}"), OL_OK);
}

static void bad_json_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set_json(f, "my_facet", "u", "{'old':1}"), OL_OK);
    static const struct {
        const char *key, *url, *json;
        ol_status status;
        const char *message;
    } rows[] = {
        {"my_facet", "u", "[]", OL_INVALID, "facet my_facet: is no JSON object"},
        {"my_facet", "u", "5", OL_INVALID, "facet my_facet: is no JSON object"},
        {"my_facet", "u", "{'a':}", OL_INVALID, "facet my_facet: not JSON at byte"},
        {"my_facet", "u", "{} {}", OL_INVALID, "facet my_facet: not JSON at byte"},
        {"my_facet", "u", "", OL_INVALID, "facet my_facet: not JSON"},
        {"my_facet", NULL, "{}", OL_INVALID, "facet my_facet: no _schemaURL inside and none given"},
        {"my_facet", "u", "{'_producer':1}", OL_INVALID,
         "facet my_facet: /_producer: text expected"},
        {"my_facet", "u", "{'_schemaURL':null}", OL_INVALID,
         "facet my_facet: /_schemaURL: text expected"},
        {"my facet", "u", "{}", OL_INVALID, "facet key 'my facet':"},
        {"a\"b", "u", "{}", OL_INVALID, "facet key"},
        {"", "u", "{}", OL_INVALID, "facet key ''"},
        {NULL, "u", "{}", OL_INVALID, "facet key '(NULL)'"},
        {"tags", NULL, "{'tags':{}}", OL_INVALID, "facet tags: /tags: an array expected"},
        {"tags", "https://example.org/newer.json", "{'tags':{}}", OL_INVALID,
         "facet tags: tags must be an array"},
        {"my_facet", "u", "{'a/b':[1,{'c':tru}]}", OL_INVALID,
         "facet my_facet: not JSON at byte 18 (/a~1b/1/c): "},
        /* what is to carry a schema's name is what that schema says */
        {"tags", NULL, "{'tags':[{'key':'k','value':'v'},{'key':'k'}]}", OL_INVALID,
         "facet tags: /tags/1: value is required"},
        {"tags", NULL, "{'tags':[{'key':'k','value':7}]}", OL_INVALID,
         "facet tags: /tags/0/value: text expected"},
        {"tags", NULL, "{'tags':null}", OL_INVALID, "facet tags: /tags: an array expected"},
        {"nominalTime", NULL, "{'nominalEndTime':'t'}", OL_INVALID,
         "facet nominalTime: nominalStartTime is required"},
        {"nominalTime", NULL, "{'_deleted':true}", OL_OK, ""},
        {"parent", NULL, "{'run':{'runId':'r'},'job':{'name':'n'}}", OL_INVALID,
         "facet parent: /job: namespace is required"},
        {"extractionError", NULL, "{'totalTasks':1.5}", OL_INVALID,
         "facet extractionError: /totalTasks: a whole number expected"},
        /* of another version nothing is known */
        {"nominalTime", "https://example.org/newer.json", "{'nominalStartTime':7}", OL_OK, ""},
        {"nominalTime", NULL, "{'_schemaURL':'https://example.org/newer.json'}", OL_OK, ""},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        f->error = (struct ol_error){.status = OL_OK};
        assert_int_equal(set_json(f, rows[i].key, rows[i].url, rows[i].json), rows[i].status);
        if (strncmp(f->error.message, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("'%s' does not begin '%s'", f->error.message, rows[i].message);
        assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "nominalTime"), OL_OK);
        holds(&f->run, OL_ENTITY_RUN, "{'my_facet':{'_producer':'p','_schemaURL':'u','old':1}}");
    }
    char big[2100] = "{\"a\":\"";
    memset(big + 6, 'x', sizeof big - 6);
    memcpy(big + sizeof big - 3, "\"}", 3);
    f->error.status = OL_OK;
    assert_int_equal(
        ol__facet_set_json(&f->run, OL_ENTITY_RUN, "my_facet", "u", ol__span_text(big)),
        OL_TOO_LARGE);
    assert_int_equal(f->error.status, OL_TOO_LARGE);
    assert_int_equal(ol__facet_set_json(NULL, OL_ENTITY_RUN, "my_facet", "u", ol__span_text("{}")),
                     OL_DISABLED);
    /* nesting: what would not fit below an event's own depth */
    char deep[2 * 101 + 1];
    memset(deep, '[', 101);
    memset(deep + 101, ']', 101);
    deep[202] = '\0';
    char facet[256];
    snprintf(facet, sizeof facet, "{\"a\":%s}", deep);
    assert_int_equal(
        ol__facet_set_json(&f->run, OL_ENTITY_RUN, "my_facet", "u", ol__span_text(facet)),
        OL_INVALID);
    holds(&f->run, OL_ENTITY_RUN, "{'my_facet':{'_producer':'p','_schemaURL':'u','old':1}}");
}

/* Promise 5. */
static void first_error_is_kept(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set_json(f, "one", "u", "["), OL_INVALID);
    assert_int_equal(set_json(f, "two", "u", "["), OL_INVALID);
    assert_non_null(strstr(f->error.message, "facet one"));
}

/* Many replacements in a small place: only what is live takes room, and slots follow their text. */
static void replacing_compacts(void **state)
{
    struct fixture *f = *state;
    char json[1024];
    memset(json, 'y', sizeof json);
    memcpy(json, "{\"a\":\"", 6);
    memcpy(json + sizeof json - 3, "\"}", 3);
    assert_int_equal(set_json(f, "first", "u", "{'n':0}"), OL_OK);
    for (int i = 0; i < 300; i++) {
        char small[64];
        assert_int_equal(
            ol__facet_set_json(&f->run, OL_ENTITY_RUN, "big", "u", ol__span_text(json)), OL_OK);
        snprintf(small, sizeof small, "{'n':%d}", i);
        assert_int_equal(set_json(f, i % 2 == 0 ? "even" : "odd", "u", small), OL_OK);
        assert_int_equal(set_json(f, "tags", NULL, "{'tags':[{'key':'k','value':'v'}]}"), OL_OK);
        assert_int_equal(set_json(f, "lineaged_run", NULL, "{'run_id':'7'}"), OL_OK);
        assert_true(f->run.text.size < 20000);
    }
    assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "big"), OL_OK);
    assert_false(ol__facet_has(&f->run, OL_ENTITY_RUN, "big"));
    assert_true(ol__facet_has(&f->run, OL_ENTITY_RUN, "even"));
    assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "lineaged_run"), OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{'first':{'_producer':'p','_schemaURL':'u','n':0},'even':{'_producer':'p','_schemaURL':'"
          "u','n':298},"
          "'tags':{'_producer':'p','_schemaURL':'https://openlineage.io/spec/facets/1-0-0/"
          "TagsRunFacet.json#/$defs/TagsRunFacet',"
          "'tags':[{'key':'k','value':'v'}]},'odd':{'_producer':'p','_schemaURL':'u','n':299}}");
    assert_int_equal(f->error.status, OL_OK);
}

/* The place's own ceiling: full, then usable again (promise 2). */
static void full_place_recovers(void **state)
{
    struct fixture *f = *state;
    char json[1024];
    memset(json, 'y', sizeof json);
    memcpy(json, "{\"a\":\"", 6);
    memcpy(json + sizeof json - 3, "\"}", 3);
    char key[16];
    int count = 0;
    ol_status st = OL_OK;
    for (; st == OL_OK && count < 1000; count++) {
        snprintf(key, sizeof key, "k%d", count);
        st = ol__facet_set_json(&f->run, OL_ENTITY_RUN, key, "u", ol__span_text(json));
    }
    assert_int_equal(st, OL_TOO_LARGE);
    assert_true(count > 20 && count < 31);
    assert_false(ol__facet_has(&f->run, OL_ENTITY_RUN, key));
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, key), OL_OK);
    }
    assert_int_equal(ol__facet_set_json(&f->run, OL_ENTITY_RUN, "again", "u", ol__span_text(json)),
                     OL_OK);
}

/* One place, two entities: a dataset's own facets and those of its side. */
static void sides_are_apart(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        ol__facet_set_json(&f->output, OL_ENTITY_DATASET, "x", "u", OL_SPAN_LIT("{\"d\":1}")),
        OL_OK);
    assert_int_equal(
        ol__facet_set_json(&f->output, OL_ENTITY_OUTPUT, "x", "u", OL_SPAN_LIT("{\"o\":1}")),
        OL_OK);
    assert_int_equal(
        ol__facet_set_json(&f->output, OL_ENTITY_INPUT, "x", "u", OL_SPAN_LIT("{\"i\":1}")),
        OL_INVALID);
    assert_int_equal(
        ol__facet_set_json(&f->output, OL_ENTITY_COUNT, "x", "u", OL_SPAN_LIT("{\"i\":1}")),
        OL_INVALID);
    holds(&f->output, OL_ENTITY_DATASET, "{'x':{'_producer':'p','_schemaURL':'u','d':1}}");
    holds(&f->output, OL_ENTITY_OUTPUT, "{'x':{'_producer':'p','_schemaURL':'u','o':1}}");
    holds(&f->output, OL_ENTITY_INPUT, "{}");
}

/* `_deleted` in place of what was set, until it is set again. */
static void deleting_is_said(void **state)
{
    struct fixture *f = *state;
    struct ol_dataset *dataset = (struct ol_dataset *)&f->output;
    const char *gone =
        "{'storage':{'_producer':'p','_schemaURL':'https://openlineage.io/spec/facets/"
        "1-0-1/StorageDatasetFacet.json#/$defs/StorageDatasetFacet','_deleted':true}}";
    assert_int_equal(ol_dataset_set_storage(dataset, OL_MAKE(ol_storage, .layer = "x")), OL_OK);
    assert_int_equal(ol__facet_delete(&f->output, OL_ENTITY_DATASET, "storage", NULL), OL_OK);
    holds(&f->output, OL_ENTITY_DATASET, gone);
    assert_int_equal(ol__facet_delete(&f->output, OL_ENTITY_DATASET, "storage", NULL), OL_OK);
    holds(&f->output, OL_ENTITY_DATASET, gone);
    assert_int_equal(ol__facet_remove(&f->output, OL_ENTITY_DATASET, "storage"), OL_OK);
    assert_int_equal(ol__facet_delete(&f->output, OL_ENTITY_DATASET, "my_own", "u"), OL_OK);
    holds(&f->output, OL_ENTITY_DATASET,
          "{'my_own':{'_producer':'p','_schemaURL':'u','_deleted':true}}");
    assert_int_equal(ol__facet_delete(&f->output, OL_ENTITY_DATASET, "unknown", NULL), OL_INVALID);
    assert_string_equal(f->error.message,
                        "facet unknown: not known here, so its schema URL is needed");
    assert_int_equal(ol__facet_delete(&f->output, OL_ENTITY_DATASET, NULL, "u"), OL_INVALID);
    assert_int_equal(ol__facet_delete(NULL, OL_ENTITY_DATASET, "storage", NULL), OL_DISABLED);
}

static void slots_know_what_is_required(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *key;
        bool is_required;
    } rows[] = {{"parent", true},
                {"errorMessage", true},
                {"lineaged_run", true},
                {"nominalTime", true},
                {"other", false}};
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        assert_int_equal(set_json(f, rows[i].key, "u", "{}"), OL_OK);
        const struct ol__facet_slot *s = &f->run.slots[f->run.count - 1];
        assert_int_equal(s->is_required, rows[i].is_required);
        assert_memory_equal(f->run.text.data + s->key_offset, rows[i].key, s->key_size);
        assert_int_equal(f->run.text.data[s->offset], '"');
        assert_int_equal(f->run.text.data[s->offset + s->size - 1], '}');
    }
}

#define TAGS_HEAD                                                                                  \
    "'_producer':'p','_schemaURL':'https://openlineage.io/spec/facets/1-0-0/TagsRunFacet.json#/"   \
    "$defs/TagsRunFacet'"
#define IDS_HEAD                                                                                   \
    "'_producer':'p','_schemaURL':'https://raw.githubusercontent.com/lineaged/lineaged/v0.1.0/"    \
    "spec/schemas/"                                                                                \
    "LineagedRunFacet-1-0-0.json#/$defs/LineagedRunFacet'"
#define IDS(members) "'lineaged_run':{" IDS_HEAD members "}"
#define TAGS(tags) "'tags':{" TAGS_HEAD ",'tags':[" tags "]}"
#define STEP "{'key':'step','value':'s','source':'lineaged'}"

/* The caller's tags and the mirror of our ids meet in what is written, whoever came first (promise
 * 4). */
static void ids_and_tags_meet(void **state)
{
    struct fixture *f = *state;
    struct ol_run *run = (struct ol_run *)&f->run;
    static const struct ol_tag mine[] = {OL_ITEM(ol_tag, .key = "a", .value = "1")};
    /* ids first, tags later */
    assert_int_equal(ol_run_set_ids(run, OL_MAKE(ol_ids, .step = "s")), OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{" IDS(",'step':'s'") "," TAGS(STEP) "}");
    assert_int_equal(ol_run_set_tags(run, OL_MAKE(ol_tags, .tags = mine, .tag_count = 1)), OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{" IDS(",'step':'s'") "," TAGS("{'key':'a','value':'1'}," STEP) "}");
    /* new ids replace old ones in the mirror only */
    assert_int_equal(ol_run_set_ids(run, OL_MAKE(ol_ids, .attempt = "2")), OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{" IDS(",'attempt':'2'") "," TAGS(
              "{'key':'a','value':'1'},{'key':'attempt','value':'2','source':'lineaged'}") "}");
    /* an empty array of tags, and no array at all */
    assert_int_equal(ol_run_set_ids(run, OL_MAKE(ol_ids, .step = "s")), OL_OK);
    assert_int_equal(ol_run_set_tags(run, OL_MAKE(ol_tags, .tags = mine, .tag_count = 0)), OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{" IDS(",'step':'s'") "," TAGS(STEP) "}");
    assert_int_equal(ol_run_set_tags(run, OL_MAKE(ol_tags, .tags = NULL)), OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{" IDS(",'step':'s'") "," TAGS(STEP) "}");
    /* tags as JSON, with the array in the middle and brackets in a text */
    assert_int_equal(
        set_json(f, "tags", NULL, "{'tags':[{'key':'x]','value':'}'}],'own':{'tags':[]}}"), OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{" IDS(",'step':'s'") ",'tags':{" TAGS_HEAD ",'tags':[{'key':'x]','value':'}'}," STEP
                                 "],'own':{'tags':[]}}}");
    /* ids without any id: nothing to mirror, the tags stay */
    assert_int_equal(ol_run_set_ids(run, OL_MAKE(ol_ids, .step = NULL)), OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{" IDS("") ",'tags':{" TAGS_HEAD
                      ",'tags':[{'key':'x]','value':'}'}],'own':{'tags':[]}}}");
    /* ids as JSON: known texts are mirrored, others are not */
    assert_int_equal(set_json(f, "lineaged_run", NULL,
                              "{'step':'\\u00e9\\n','other':'x','attempt':'','more':7}"),
                     OL_OK);
    assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "tags"), OL_OK);
    holds(&f->run, OL_ENTITY_RUN,
          "{" IDS(",'step':'\\u00e9\\n','other':'x','attempt':'','more':7") "," TAGS(
              "{'key':'step','value':'\u00e9\\n','source':'lineaged'}") "}");
    /* without ids no mirror */
    assert_int_equal(ol__facet_remove(&f->run, OL_ENTITY_RUN, "lineaged_run"), OL_OK);
    holds(&f->run, OL_ENTITY_RUN, "{}");
    assert_int_equal(f->error.status, OL_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(json_is_checked_and_completed),
        TEST(keys_are_letters_digits_and_three_signs),
        TEST(bad_json_is_refused),
        TEST(first_error_is_kept),
        TEST(replacing_compacts),
        TEST(full_place_recovers),
        TEST(sides_are_apart),
        TEST(slots_know_what_is_required),
        TEST(ids_and_tags_meet),
        TEST(deleting_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
