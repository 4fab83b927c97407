/* SPDX-License-Identifier: Apache-2.0 */
/* `impact` counts the answers that used what is affected: by the model, index, prompt, corpus that
 * each names; those that name nothing because their service was reached, and apart. */
#include "store_graph.h"

/* With these ids, "key=value key=value", and more members of its facet (NULL: none). */
struct given {
    const char *ids, *facet;
};

static void add_answers(const struct given *given, size_t count, const char *of_run)
{
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < count; i++) {
        struct ol__buf event;
        struct ol_error err = {0};
        char ids[300], *save = NULL;
        bool is_first = true;
        ol__buf_init(&event, 1 << 20);
        ol__buf_add_format(&event,
                           "{'eventTime':'2026-11-21T09:00:%02zu.000Z','producer':'p:x',"
                           "'eventType':'RUNNING','run':{'runId':'01941f29-7c00-7837-a31d-"
                           "00000000000%s','facets':{'lineaged_answer':{'_producer':'p',"
                           "'_schemaURL':'s','request_id':'q-%zu'%s}",
                           20 + i, of_run, i, given[i].facet != NULL ? given[i].facet : "");
        snprintf(ids, sizeof ids, "%s", given[i].ids);
        if (ids[0] != '\0')
            ol__buf_add_text(&event, ",'lineaged_run':{'_producer':'p','_schemaURL':'s',");
        for (char *id = strtok_r(ids, " ", &save); id != NULL; id = strtok_r(NULL, " ", &save)) {
            char *value = strchr(id, '=');
            *value++ = '\0';
            ol__buf_add_format(&event, "%s'%s':'%s'", is_first ? "" : ",", id, value);
            is_first = false;
        }
        ol__buf_add_format(&event, "%s}},'job':{'namespace':'jobs','name':'serve'}}",
                           is_first ? "" : "}");
        ol__buf_add_char(&event, '\0');
        if (fixture_add(store, event.data, 1000, false, &err) != OL_OK)
            fail_msg("%s: %s", event.data, err.message);
        ol__buf_release(&event);
    }
    assert_int_equal(store_commit(store, &spool_a, 2, NULL), OL_OK);
    store_close(store);
}

static const struct world {
    const char *name;
    const char *runs[6]; /* the last of them serves */
    const char *of_run;
    struct given given[6];
    const char *subject, *content, *at;
    int answers, not_told, services;
} worlds[] = {
    {.name = "a service with two models: those of the affected one",
     .runs = {"t1: raw@1 > churn*@v1", "t2: new@1 > churn*@v2", "serve~: churn*@v1 churn*@v2 > "},
     .of_run = "3",
     .given = {{"model_version=churn@v1", NULL},
               {"model_version=churn@v2", NULL},
               {"model_version=churn@v2", NULL},
               {"model_version=churn:v1", NULL}},
     .subject = "raw",
     .content = "1",
     .answers = 2,
     .services = 1},
    {.name = "none of it: the service is not counted either",
     .runs = {"t1: raw@1 > churn*@v1", "serve~: churn*@v1 churn*@v2 > "},
     .of_run = "2",
     .given = {{"model_version=churn@v2", NULL}},
     .subject = "raw",
     .content = "1"},
    {.name = "a version that the run told no edge of",
     .runs = {"t1: raw@1 > churn*@v1", "serve~: churn*@v1 > "},
     .of_run = "2",
     .given = {{"model_version=churn@v1", NULL}, {"model_version=churn@v3", NULL}},
     .subject = "raw",
     .content = "1",
     .answers = 1,
     .services = 1},
    {.name = "different models by name: what others name in that place",
     .runs = {"t1: raw@1 > small*@1", "t2: new@1 > large*@1", "serve~: small*@1 large*@1 > "},
     .of_run = "3",
     .given = {{"model_version=small@1", NULL},
               {"model_version=large@1", NULL},
               {"model_version=unheard-of", NULL},
               {"", NULL}},
     .subject = "raw",
     .content = "1",
     .answers = 2,
     .not_told = 1,
     .services = 1},
    {.name = "a model is named, the index is affected: not told",
     .runs = {"build: docs@1 > index@7", "serve~: churn*@v1 index@7 > "},
     .of_run = "2",
     .given = {{"model_version=churn@v1", NULL}},
     .subject = "docs",
     .content = "1",
     .answers = 1,
     .not_told = 1,
     .services = 1},
    {.name = "the index that each answer names",
     .runs = {"build: docs@1 > index@7", "build2: docs@2 > index@8", "serve~: index@7 index@8 > "},
     .of_run = "3",
     .given = {{"model_version=churn@v1", ",'retrieval_index':'index@7'"},
               {"model_version=churn@v1", ",'retrieval_index':'index@8'"},
               {"model_version=churn@v1", NULL}},
     .subject = "docs",
     .content = "1",
     .answers = 2,
     .not_told = 1,
     .services = 1},
    {.name = "the prompt, in a version",
     .runs = {"write: idea@1 > prompts/sum@3", "serve~: prompts/sum@3 prompts/sum@4 > "},
     .of_run = "2",
     .given = {{"prompt_template=sum@3", NULL}, {"prompt_template=sum@4", NULL}},
     .subject = "idea",
     .content = "1",
     .answers = 1,
     .services = 1},
    {.name = "the corpus by its version",
     .runs = {"crawl: web@1 > corpus@c1", "crawl: web@2 > corpus@c2", "serve~: corpus@c1 > "},
     .of_run = "3",
     .given = {{"corpus_sha=c1", NULL}, {"corpus_sha=c2", NULL}},
     .subject = "web",
     .content = "1",
     .answers = 1,
     .services = 1},
    {.name = "both are affected: one is enough",
     .runs = {"t1: raw@1 > churn*@v1", "t2: raw@1 > index@7", "serve~: churn*@v1 index@7 > "},
     .of_run = "3",
     .given = {{"model_version=churn@v2", ",'retrieval_index':'index@7'"},
               {"model_version=churn@v2", ",'retrieval_index':'index@8'"}},
     .subject = "raw",
     .content = "1",
     .answers = 1,
     .services = 1},
    {.name = "the service's own run: all of them",
     .runs = {"serve~: churn*@v1 churn*@v2 > "},
     .of_run = "1",
     .given = {{"model_version=churn@v1", NULL}, {"model_version=churn@v2", NULL}, {"", NULL}},
     .subject = "01941f29-7c00-7837-a31d-000000000001",
     .answers = 3,
     .services = 1},
    {.name = "as of a time",
     .runs = {"t1: raw@1 > churn*@v1", "serve~: churn*@v1 > "},
     .of_run = "2",
     .given = {{"model_version=churn@v1", NULL},
               {"model_version=churn@v1", NULL},
               {"model_version=churn@v1", NULL}},
     .subject = "raw",
     .content = "1",
     .at = "2026-11-21T09:00:21Z",
     .answers = 2,
     .services = 1},
};

static void test_worlds(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(worlds); i++) {
        const struct world *w = &worlds[i];
        char expected[100];
        size_t count = 0;
        struct store_question question = {
            .subject = w->subject, .content = w->content, .at = w->at, .uid = STORE_ANY_UID};
        print_message("%s\n", w->name);
        assert_int_equal(fixture_setup(NULL), 0);
        build(w->runs);
        while (count < OL_COUNT(w->given) && w->given[count].ids != NULL)
            count++;
        add_answers(w->given, count, w->of_run);
        snprintf(expected, sizeof expected, "%d %d %d", w->answers, w->not_told, w->services);
        expect(store_impact, &question,
               "SELECT json_extract(?1, '$.affected.answers') || ' ' || "
               "coalesce(json_extract(?1, '$.affected.answers_not_told'), 0) || ' ' || "
               "json_extract(?1, '$.affected.services')",
               expected);
        assert_int_equal(fixture_teardown(NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worlds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
