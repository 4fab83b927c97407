/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals and deployments in the store: what serves after which deployments, whose approval
 * counts for which version, what others may see of it, and that marks go with their run. */
#include "store_fixture.h"

#include "json_doc.h"
#include "retention.h"

#define FACET "'_producer':'p','_schemaURL':'s'"
#define VERSION(v) "'facets':{'version':{" FACET ",'datasetVersion':'" v "'}}"
#define DATASET(name, v) "{'namespace':'n','name':'" name "'," VERSION(v) "}"
#define SHA_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void add(struct store *store, int number, const char *run_facets, const char *inputs,
                const char *outputs, uint32_t uid)
{
    char text[4096];
    struct ol_error err = {0};
    snprintf(text, sizeof text,
             "{'eventType':'COMPLETE','eventTime':'2026-03-01T10:%02d:00Z','producer':"
             "'https://e.org/p','run':{'runId':'01941f29-7c00-7837-a31d-d79a7fb36%03d','facets':{"
             "%s}},'job':{'namespace':'n','name':'j'},'inputs':[%s],'outputs':[%s]}",
             number, number, run_facets, inputs, outputs);
    if (fixture_add(store, text, uid, false, &err) != OL_OK)
        fail_msg("%s: %s", text, err.message);
}

static struct store *begin(void)
{
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    return store;
}

static void commit(struct store *store)
{
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
}

static void ask(store_function *function, const char *subject, const char *content, int64_t uid,
                struct json_doc *ret)
{
    struct store *store = fixture_open(STORE_READ);
    const struct store_question q = {.subject = subject, .content = content, .uid = uid};
    struct ol__buf out;
    struct ol_error err = {0};
    ol__buf_init(&out, 1 << 24);
    ol_status status = function(store, &q, &out, &err);
    store_close(store);
    if (status != OL_OK && status != OL_NOT_FOUND)
        fail_msg("%s: %s", subject, err.message);
    assert_int_equal(json_doc_read(ret, (struct ol__span){out.data, out.size}, &err), OL_OK);
    ol__buf_release(&out);
}

/* ---- What serves ---- */

struct told {
    const char *version, *more; /* of the facet */
};
static const struct {
    const char *name;
    struct told told[6];
    const char *serves; /* versions, in the order of time */
} serving[] = {
    {"the later takes the place of the earlier", {{"1", ""}, {"2", ""}}, "2"},
    {"a share stands beside", {{"1", ""}, {"2", ",'traffic_percent':10"}}, "1 2"},
    {"a canary stands beside", {{"1", ""}, {"2", ",'strategy':'canary'"}}, "1 2"},
    {"a shadow stands beside",
     {{"1", ""}, {"2", ",'strategy':'shadow','traffic_percent':0"}},
     "1 2"},
    {"a share that grows is one",
     {{"1", ""}, {"2", ",'traffic_percent':10"}, {"2", ",'traffic_percent':50"}},
     "1 2"},
    {"all of it",
     {{"1", ""}, {"2", ",'traffic_percent':10"}, {"2", ",'traffic_percent':100"}},
     "2"},
    {"none of it", {{"1", ""}, {"1", ",'traffic_percent':0"}}, ""},
    {"what failed changes nothing", {{"1", ""}, {"2", ",'status':'failed'"}}, "1"},
    {"rolled back: what was before is back",
     {{"1", ""}, {"2", ""}, {"2", ",'status':'rolled_back'"}},
     "1"},
    {"rolled back by its id",
     {{"1", ",'id':'a'"}, {"2", ",'id':'b'"}, {"9", ",'id':'b','status':'rolled_back'"}},
     "1"},
    {"rolled back by replaces",
     {{"1", ",'id':'a'"}, {"2", ",'id':'b'"}, {"9", ",'replaces':'b','status':'rolled_back'"}},
     "1"},
    {"rolled back what never was", {{"1", ""}, {"2", ",'status':'rolled_back'"}}, "1"},
    {"another environment is another place",
     {{"1", ",'environment':'a'"}, {"2", ",'environment':'b'"}},
     "1 2"},
    {"named as replaced, though only a share",
     {{"1", ",'id':'a'"}, {"2", ",'replaces':'a','traffic_percent':50"}},
     "2"},
};

static void test_what_serves(void **state)
{
    for (size_t i = 0; i < OL_COUNT(serving); i++) {
        char facet[512], input[256], found[128] = "";
        struct json_doc doc;
        assert_int_equal(fixture_setup(state), 0);
        struct store *store = begin();
        /* told in the order of the table or backwards: event times count */
        int count = 0;
        while (count < 6 && serving[i].told[count].version != NULL)
            count++;
        for (int k = count - 1; k >= 0; k--) {
            snprintf(facet, sizeof facet, "'lineaged_deployment':{" FACET "%s}",
                     serving[i].told[k].more);
            snprintf(input, sizeof input,
                     "{'namespace':'n','name':'m','facets':{'version':{" FACET
                     ",'datasetVersion':'%s'}}}",
                     serving[i].told[k].version);
            add(store, k + 1, facet, input, "{'namespace':'e','name':'x'}", 1000);
        }
        commit(store);
        ask(store_serving, NULL, NULL, STORE_ANY_UID, &doc);
        for (const struct json_node *s = json_get_items(doc.root, "serving"); s != NULL;
             s = s->next) {
            size_t used = strlen(found);
            snprintf(found + used, sizeof found - used, "%s%s", used > 0 ? " " : "",
                     json_get_text(json_get(s, "model"), "version"));
        }
        if (strcmp(found, serving[i].serves) != 0)
            fail_msg("%s: '%s' serves, expected '%s'", serving[i].name, found, serving[i].serves);
        json_doc_release(&doc);
        assert_int_equal(fixture_teardown(state), 0);
    }
}

/* ---- Whose approval counts ---- */

#define APPROVAL(members) "'lineaged_approval':{" FACET ",'approvals':[{'by':'ann'" members "}]}"
#define YES ",'verdict':'approved'"

static void expect(const char *name, const char *version, const char *verdict)
{
    struct json_doc doc;
    ask(store_approvals, name, version, STORE_ANY_UID, &doc);
    const char *found = json_get_text(doc.root, "verdict");
    if (strcmp(found, verdict) != 0)
        fail_msg("%s %s: %s, expected %s", name, version, found, verdict);
    json_doc_release(&doc);
}

static void test_whose(void **state)
{
    (void)state;
    struct store *store = begin();
    add(store, 1, APPROVAL(YES ",'subject':'v1'"), DATASET("a", "v1"), "", 1000);
    add(store, 2, "", DATASET("a", "v2") "," DATASET("b", "v1"), "", 1000);
    /* no subject: what it wrote, else what it read */
    add(store, 3, APPROVAL(YES), DATASET("c", "v1"), DATASET("d", "v1"), 1000);
    add(store, 4, APPROVAL(YES), DATASET("e", "v1"), "", 1000);
    /* a digest: those bytes under whatever name */
    add(store, 5, APPROVAL(YES ",'subject':'" SHA_A "'"), "", "", 1000);
    add(store, 6, "", "", DATASET("f", SHA_A), 1000);
    /* a subject that is not of this run's datasets */
    add(store, 7, APPROVAL(YES ",'subject':'v9'"), DATASET("g", "v1"), "", 1000);
    /* the last word, by the time it says */
    add(store, 8, APPROVAL(",'verdict':'rejected','at':'2026-03-02T00:00:00Z'"), DATASET("h", "v1"),
        "", 1000);
    add(store, 9, APPROVAL(YES ",'at':'2026-03-01T00:00:00Z'"), DATASET("h", "v1"), "", 1000);
    /* waived is as good; a word that is none is nothing */
    add(store, 10, APPROVAL(",'verdict':'waived'"), DATASET("i", "v1"), "", 1000);
    add(store, 11, APPROVAL(",'verdict':'maybe'"), DATASET("k", "v1"), "", 1000);
    /* of a run: not of what it reads */
    add(store, 12, APPROVAL(YES ",'subject':'v1','subject_kind':'run'"), DATASET("l", "v1"), "",
        1000);
    commit(store);
    static const struct {
        const char *name, *version, *verdict;
    } cases[] = {{"a", "v1", "approved"},  {"a", "v2", "nobody"},   {"b", "v1", "nobody"},
                 {"c", "v1", "nobody"},    {"d", "v1", "approved"}, {"e", "v1", "approved"},
                 {"f", SHA_A, "approved"}, {"g", "v1", "nobody"},   {"h", "v1", "rejected"},
                 {"i", "v1", "approved"},  {"k", "v1", "nobody"},   {"l", "v1", "nobody"},
                 {"a", NULL, "nobody"},    {"d", NULL, "approved"}, {"z", NULL, "not_known"}};
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        expect(cases[i].name, cases[i].version, cases[i].verdict);
}

static void test_who_may_see(void **state)
{
    (void)state;
    struct json_doc doc;
    struct store *store = begin();
    add(store, 1, "", "", DATASET("m", "v1"), 1001);
    add(store, 2, APPROVAL(YES), DATASET("m", "v1"), "", 1000);
    add(store, 3, "'lineaged_deployment':{" FACET ",'id':'d'}", DATASET("m", "v1"), "", 1000);
    commit(store);
    ask(store_approvals, "m", "v1", 1001, &doc);
    assert_string_equal(json_get_text(doc.root, "verdict"), "nobody");
    json_doc_release(&doc);
    ask(store_serving, NULL, NULL, 1001, &doc);
    assert_null(json_get_items(doc.root, "serving"));
    json_doc_release(&doc);
    ask(store_approvals, "d", NULL, 1001, &doc);
    assert_string_equal(json_get_text(doc.root, "verdict"), "not_known");
    json_doc_release(&doc);
    ask(store_approvals, "d", NULL, 1000, &doc);
    assert_non_null(json_get_items(doc.root, "items"));
    json_doc_release(&doc);
}

static void test_marks_go_with_their_run(void **state)
{
    (void)state;
    struct store *store = begin();
    add(store, 1, APPROVAL(YES), DATASET("m", "v1"), "", 1000);
    add(store, 2, "'lineaged_deployment':{" FACET "}", DATASET("m", "v1"), "", 1000);
    add(store, 2, "'lineaged_deployment':{" FACET "}", DATASET("m", "v1"), "", 1000);
    add(store, 3, "'lineaged_call':{" FACET ",'request_model':'x'}", "", "", 1000);
    add(store, 4, "", DATASET("m", "v1"), "", 1000);
    commit(store);
    fixture_expect("SELECT kind, run FROM marks ORDER BY kind", "1|1\n2|2\n3|3");
    const struct store_policy policy = {
        .before_ms = NOW + 1, .answers_before_ms = NOW + 1, .open_before_ms = INT64_MAX};
    store = fixture_open(STORE_WRITE);
    ol_status status = OL_AGAIN;
    for (int i = 0; i < 1000 && status == OL_AGAIN; i++)
        status = store_expire(store, &policy, 50, NULL);
    assert_int_equal(status, OL_OK);
    store_close(store);
    /* what is decided stays (retention.h), a call is a run like others */
    fixture_expect("SELECT kind, run FROM marks ORDER BY kind", "1|1\n2|2");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_serves), TEST(test_whose),
                                       TEST(test_who_may_see), TEST(test_marks_go_with_their_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
