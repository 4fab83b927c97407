/* SPDX-License-Identifier: Apache-2.0 */
/* A run's context into a call and out of one: what is put, what of others is kept, what is refused
 * key by key; and that what one program puts another one takes. */
#include "emitter_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openlineage/openlineage.h>
#include "client.h"
#include "fail_alloc.h"
#include "ol_base.h"
#include "run_ids.h"

#define RUN_ID "01a1fdf6-1a8b-7197-a023-18fbf2fcf91c"
#define ROOT_ID "22222222-2222-7222-8222-222222222222"
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define GIVEN "00-" TRACE "-" SPAN "-01"
#define MADE "00-01a1fdf61a8b7197a02318fbf2fcf91c-a02318fbf2fcf91c-00"
#define SELF ",lineage.parent=default/my%20job/" RUN_ID
#define OURS "lineage.run_id=" RUN_ID ",lineage.step=my%20job" SELF
#define CALLER "n/caller/33333333-3333-7333-8333-333333333333"
#define TOP "s3://b/top/" ROOT_ID

struct fixture {
    char *home, logged[2048];
    struct ol_client *client;
    struct ol_run *run;
};

/* A carrier of three keys. */
struct headers {
    char values[3][20000]; /* "" absent */
    int left;              /* so many keys are taken, then none */
};
static const char *const keys[3] = {"traceparent", "tracestate", "baggage"};

static const char *get(void *arg, const char *key)
{
    struct headers *h = arg;
    for (size_t i = 0; i < 3; i++)
        if (strcmp(keys[i], key) == 0)
            return h->values[i][0] != '\0' ? h->values[i] : NULL;
    fail_msg("key %s", key);
    return NULL;
}

static int put(void *arg, const char *key, const char *value)
{
    struct headers *h = arg;
    if (h->left-- == 0)
        return -1;
    for (size_t i = 0; i < 3; i++)
        if (strcmp(keys[i], key) == 0)
            return snprintf(h->values[i], sizeof h->values[i], "%s", value) < 0;
    fail_msg("key %s", key);
    return -1;
}

static struct headers *make(const char *traceparent, const char *tracestate, const char *baggage)
{
    struct headers *h = calloc(1, sizeof *h);
    const char *const values[3] = {traceparent, tracestate, baggage};
    for (size_t i = 0; i < 3; i++)
        snprintf(h->values[i], sizeof h->values[i], "%s", values[i] != NULL ? values[i] : "");
    h->left = 3;
    return h;
}

static void log_it(void *arg, ol_status status, const char *message)
{
    struct fixture *f = arg;
    size_t used = strlen(f->logged);
    snprintf(f->logged + used, sizeof f->logged - used, "%s: %s\n", ol_status_name(status),
             message);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->home = help_directory();
    help_clean_environment(f->home);
    *state = f;
    return ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                                  .journal_directory = f->home, .log = log_it, .log_arg = f),
                          &f->client, NULL);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ol_run_free(f->run);
    ol_client_close(f->client, 0, NULL);
    help_remove(f->home);
    free(f);
    return 0;
}

static void new_run(struct fixture *f)
{
    ol_run_free(f->run);
    f->run = NULL;
    assert_int_equal(ol_run_new(f->client,
                                OL_MAKE(ol_run_options, .job_name = "my job", .run_id = RUN_ID),
                                &f->run, NULL),
                     OL_OK);
}

static ol_status inject(const struct ol_run *run, struct headers *h, struct ol_error *err)
{
    return ol_context_inject(run, OL_MAKE(ol_carrier, .get = get, .put = put, .arg = h), err);
}

static ol_status extract(struct ol_run *run, struct headers *h, struct ol_error *err)
{
    return ol_context_extract(run, OL_MAKE(ol_carrier, .get = get, .arg = h), err);
}

/* The ids of the run's facet as text. */
static void assert_ids(const struct ol_run *run, const char *want)
{
    struct ol__run_ids known;
    char text[1000];
    ol__run_ids_init(&known);
    assert_int_equal(ol__run_ids_read(run, &known), OL_OK);
    const char *const ids[] = {known.ids.run_id, known.ids.step, known.ids.attempt,
                               known.ids.task_id, known.ids.model_version};
    snprintf(text, sizeof text, "%s|%s|%s|%s|%s", ids[0] != NULL ? ids[0] : "",
             ids[1] != NULL ? ids[1] : "", ids[2] != NULL ? ids[2] : "",
             ids[3] != NULL ? ids[3] : "", ids[4] != NULL ? ids[4] : "");
    ol__run_ids_release(&known);
    assert_string_equal(text, want);
}

static void what_is_put(void **state)
{
    static const struct {
        const char *came[3];  /* extracted before; all NULL: nothing */
        const char *there[3]; /* in the carrier before */
        const char *want[3];
    } rows[] = {
        {{NULL, NULL, NULL}, {NULL, NULL, NULL}, {MADE, "", OURS}},
        /* of others in the carrier: kept, and ours beside it */
        {{NULL, NULL, NULL},
         {GIVEN, "a=b", "x=1;p=q, y = 2"},
         {GIVEN, "a=b", "x=1;p=q,y = 2," OURS}},
        {{NULL, NULL, NULL}, {"broken", NULL, "x,y=2"}, {MADE, "", "y=2," OURS}},
        {{NULL, NULL, NULL},
         {NULL, NULL, "lineage.step=old,x=1,lineage.run_id=o"},
         {MADE, "", "x=1," OURS}},
        /* what came goes on */
        {{GIVEN, "a=b", "x=1;p,lineage.run_id=R,lineage.step=S,lineage.attempt=3"},
         {NULL, NULL, NULL},
         {GIVEN, "a=b", "x=1;p,lineage.run_id=R,lineage.step=S,lineage.attempt=3" SELF}},
        /* who called stands above; who is called calls the next */
        {{NULL, NULL,
          "lineage.run_id=R,lineage.step=S,lineage.parent=" CALLER ",lineage.root=" TOP},
         {NULL, NULL, NULL},
         {"00-22222222222272228222222222222222-a02318fbf2fcf91c-00", "",
          "lineage.run_id=R,lineage.step=S" SELF ",lineage.root=" TOP}},
        {{GIVEN, NULL, NULL}, {NULL, NULL, NULL}, {GIVEN, "", OURS}},
        /* the carrier's own trace and members win over those that came */
        {{"00-11111111111111111111111111111111-2222222222222222-00", "a=b", "x=1,y=2"},
         {GIVEN, NULL, "y=3,y=4"},
         {GIVEN, "", "y=3,y=4,x=1," OURS}},
        {{NULL, NULL, "lineage.run_id=%C3%A4%2C%20"},
         {NULL, NULL, NULL},
         {MADE, "", "lineage.run_id=%C3%A4%2C%20,lineage.step=my%20job" SELF}},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct headers *came = make(rows[i].came[0], rows[i].came[1], rows[i].came[2]);
        struct headers *h = make(rows[i].there[0], rows[i].there[1], rows[i].there[2]);
        struct ol_error err = {.message = ""};
        new_run(f);
        assert_int_equal(extract(f->run, came, &err), OL_OK);
        if (inject(f->run, h, &err) != OL_OK)
            fail_msg("row %zu: %s", i, err.message);
        for (size_t k = 0; k < 3; k++)
            if (strcmp(h->values[k], rows[i].want[k]) != 0)
                fail_msg("row %zu: %s is '%s', expected '%s'", i, keys[k], h->values[k],
                         rows[i].want[k]);
        free(came);
        free(h);
    }
    assert_int_equal(ol_client_ignored(f->client), 0);
}

static void ids_of_the_facet_and_the_root_are_put(void **state)
{
    struct fixture *f = *state;
    struct ol_run *child = NULL;
    struct headers *h = make(NULL, NULL, NULL);
    new_run(f);
    ol_run_set_ids(f->run, OL_MAKE(ol_ids, .run_id = "exp/1", .step = "train", .attempt = "2",
                                   .model_version = "m:v1"));
    assert_int_equal(inject(f->run, h, NULL), OL_OK);
    assert_string_equal(h->values[2],
                        "lineage.run_id=exp/1,lineage.step=train,lineage.attempt=2" SELF);
    /* a child shares what says whose part it is, not what it works on */
    assert_int_equal(
        ol_run_new_child(f->run, OL_MAKE(ol_run_options, .job_name = "c"), &child, NULL), OL_OK);
    assert_ids(child, "exp/1|train|2||");
    ol_run_free(child);
    /* the root names the trace and, without an id of its own, the run */
    new_run(f);
    ol_run_set_parent(f->run,
                      OL_MAKE(ol_parent, .run_id = ROOT_ID, .job_namespace = "n", .job_name = "p"));
    free(h);
    h = make(NULL, NULL, NULL);
    assert_int_equal(inject(f->run, h, NULL), OL_OK);
    assert_string_equal(h->values[0], "00-22222222222272228222222222222222-a02318fbf2fcf91c-00");
    assert_string_equal(h->values[2], "lineage.run_id=" ROOT_ID ",lineage.step=my%20job" SELF
                                      ",lineage.root=n/p/" ROOT_ID);
    free(h);
}

static void what_came_is_in_the_event_and_goes_to_children(void **state)
{
    struct fixture *f = *state;
    struct ol_run *child = NULL;
    struct headers *came = make(GIVEN, NULL, "x=1,lineage.run_id=R,lineage.step=S");
    struct headers *h = make(NULL, NULL, NULL);
    new_run(f);
    ol_run_set_ids(f->run, OL_MAKE(ol_ids, .run_id = "old", .attempt = "1", .task_id = "t",
                                   .model_version = "m"));
    assert_int_equal(extract(f->run, came, NULL), OL_OK);
    assert_ids(f->run, "R|S||t|m"); /* the attempt was one at another step */
    assert_int_equal(ol_run_emit(f->run, OL_START, NULL), OL_OK);
    struct help_journals all = help_read(f->home);
    size_t count;
    const char **events = help_events(&all, &count);
    assert_string_equal(help_member(events[0], "trace_id"), TRACE);
    assert_string_equal(help_member(events[0], "span_id"), SPAN);
    assert_string_equal(help_member(events[0], "step"), "S");
    free(events);
    help_release(&all);
    assert_int_equal(
        ol_run_new_child(f->run, OL_MAKE(ol_run_options, .job_name = "c"), &child, NULL), OL_OK);
    assert_int_equal(inject(child, h, NULL), OL_OK);
    assert_string_equal(h->values[0], GIVEN);
    assert_memory_equal(h->values[2],
                        "x=1,lineage.run_id=R,lineage.step=S,lineage.parent=default/c/",
                        sizeof "x=1,lineage.run_id=R,lineage.step=S,lineage.parent=default/c/" - 1);
    assert_non_null(strstr(h->values[2], ",lineage.root=default/my%20job/" RUN_ID));
    ol_run_free(child);
    free(came);
    free(h);
}

static void malformed_keys_are_refused_one_by_one(void **state)
{
    static const struct {
        const char *came[3];
        const char *named; /* in the error */
        unsigned ignored;
        const char *trace, *ids;
    } rows[] = {
        {{"00-x", NULL, "lineage.step=S"}, "traceparent", 1, "", "|S|||"},
        {{GIVEN, "a\nb", NULL}, "tracestate", 1, TRACE, "||||"},
        {{"00-x", "a\nb", NULL}, "traceparent", 1, "", "||||"},
        {{GIVEN, NULL, "lineage.run_id=%,lineage.step=S"}, "lineage.run_id", 1, TRACE, "|S|||"},
        {{NULL, NULL, "lineage.run_id=,lineage.step=%00,lineage.attempt=2"},
         "lineage.run_id",
         2,
         "",
         "||2||"},
        {{NULL, NULL, "a,b,lineage.run_id=R,c"}, "baggage", 1, "", "R||||"},
        {{NULL, NULL, "lineage.run_id=R,lineage.run_id=T"}, NULL, 0, "", "T||||"},
        {{"x", NULL, "="}, "traceparent", 2, "", "||||"},
        {{NULL, NULL, "lineage.parent=n/j/7,lineage.step=S"}, "lineage.parent", 1, "", "|S|||"},
        {{NULL, NULL, "lineage.parent=" CALLER ",lineage.root="}, "lineage.root", 1, "", "||||"},
    };
    struct fixture *f = *state;
    uint64_t ignored = 0;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct headers *came = make(rows[i].came[0], rows[i].came[1], rows[i].came[2]);
        struct ol_error err = {.status = OL_OK, .message = ""};
        new_run(f);
        ol_status status = extract(f->run, came, &err);
        assert_int_equal(status, rows[i].named != NULL ? OL_PARTIAL : OL_OK);
        assert_int_equal(err.status, status);
        if (rows[i].named != NULL &&
            strncmp(err.message, rows[i].named, strlen(rows[i].named)) != 0)
            fail_msg("row %zu: %s", i, err.message);
        ignored += rows[i].ignored;
        if (ol_client_ignored(f->client) != ignored)
            fail_msg("row %zu: %d ignored", i, (int)ol_client_ignored(f->client));
        assert_string_equal(f->run->travel.trace.trace_id, rows[i].trace);
        assert_ids(f->run, rows[i].ids);
        free(came);
    }
    /* the first is told, all are counted */
    assert_string_equal(f->logged, "OL_INVALID: traceparent: ignored: expected "
                                   "VERSION-TRACE-SPAN-FLAGS, not all zero\n");
}

/* "PARENT of ROOT" as the run's parent facet says it; "": none. */
static void assert_parent(const struct ol_run *run, const char *want)
{
    struct ol__span facet;
    struct ol__origin parent = {0}, root = {0};
    char text[1000] = "";
    if (ol__run_find_facet(run, "parent", &facet)) {
        assert_int_equal(ol__origin_read(facet, OL_ORIGIN_FACET, &parent, &root, NULL), OL_OK);
        snprintf(text, sizeof text, "%s/%s/%s of %s/%s/%s", parent.job_namespace, parent.job_name,
                 parent.run_id, root.job_namespace, root.job_name, root.run_id);
        ol__origin_release(&parent);
        ol__origin_release(&root);
    }
    assert_string_equal(text, want);
}

static void the_caller_stands_above(void **state)
{
    static const struct {
        const char *baggage, *parent;
    } rows[] = {
        {"lineage.parent=" CALLER ",lineage.root=" TOP, CALLER " of " TOP},
        {"lineage.parent=" CALLER, CALLER " of " CALLER},
        {"lineage.root=" TOP ",lineage.parent=" CALLER, CALLER " of " TOP},
        {"lineage.parent=" CALLER ",lineage.root=nobody", CALLER " of " CALLER},
        {"lineage.root=" TOP, ""},
        {"lineage.parent=nobody,lineage.root=" TOP, ""},
        {"lineage.parent=s3%3A//b/a%20job/" ROOT_ID,
         "s3://b/a job/" ROOT_ID " of s3://b/a job/" ROOT_ID},
    };
    struct fixture *f = *state;
    struct ol_run *child = NULL;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct headers *h = make(NULL, NULL, rows[i].baggage);
        new_run(f);
        OL_IGNORE(extract(f->run, h, NULL) != OL_OK, "rows with nobody are partial");
        assert_parent(f->run, rows[i].parent);
        free(h);
    }
    /* a second call, to a run that serves several, stands in the place of the first */
    struct headers *first = make(NULL, NULL, "lineage.parent=" CALLER);
    struct headers *second = make(NULL, NULL, "lineage.parent=" TOP);
    new_run(f);
    assert_int_equal(extract(f->run, first, NULL), OL_OK);
    assert_int_equal(extract(f->run, second, NULL), OL_OK);
    assert_parent(f->run, TOP " of " TOP);
    /* what the program says wins: a facet, or a parent within it */
    new_run(f);
    ol_run_set_parent(f->run,
                      OL_MAKE(ol_parent, .run_id = ROOT_ID, .job_namespace = "n", .job_name = "p"));
    assert_int_equal(extract(f->run, first, NULL), OL_OK);
    assert_parent(f->run, "n/p/" ROOT_ID " of n/p/" ROOT_ID);
    new_run(f);
    assert_int_equal(
        ol_run_new_child(f->run, OL_MAKE(ol_run_options, .job_name = "c"), &child, NULL), OL_OK);
    assert_int_equal(extract(child, first, NULL), OL_OK);
    assert_parent(child, "default/my job/" RUN_ID " of default/my job/" RUN_ID);
    ol_run_free(child);
    free(first);
    free(second);
}

static void the_caller_wins_over_the_environment(void **state)
{
    struct fixture *f = *state;
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct headers *h = make(NULL, NULL, "lineage.parent=" CALLER ",lineage.root=" TOP);
    setenv("OPENLINEAGE_PARENT_ID", "n/daemon/" RUN_ID, 1);
    setenv("BAGGAGE", "lineage.parent=n/other/" ROOT_ID, 1);
    assert_int_equal(
        ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                               .journal_directory = f->home),
                       &client, NULL),
        OL_OK);
    assert_int_equal(ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "r"), &run, NULL),
                     OL_OK);
    assert_parent(run, "n/daemon/" RUN_ID " of n/daemon/" RUN_ID);
    assert_int_equal(extract(run, h, NULL), OL_OK);
    assert_parent(run, CALLER " of " TOP);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    /* without the variable the baggage of the environment says whose part the process is */
    unsetenv("OPENLINEAGE_PARENT_ID");
    assert_int_equal(
        ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                               .journal_directory = f->home),
                       &client, NULL),
        OL_OK);
    assert_int_equal(ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "r"), &run, NULL),
                     OL_OK);
    assert_parent(run, "n/other/" ROOT_ID " of n/other/" ROOT_ID);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    unsetenv("BAGGAGE");
    free(h);
}

/* A list of @p count members of @p size bytes. */
static void fill(char *out, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        int n = sprintf(out, "%sk%zu=", i > 0 ? "," : "", i);
        memset(out + n, 'v', size - (size_t)n + (i > 0));
        out += size + (i > 0);
    }
    *out = '\0';
}

static void the_limits_of_the_w3c_hold(void **state)
{
    static const struct {
        size_t count, size; /* of what is there */
        ol_status status;
        const char *tail; /* the list ends so */
    } rows[] = {
        {61, 10, OL_OK, SELF},
        {62, 10, OL_PARTIAL, ",lineage.step=my%20job"},
        {63, 10, OL_PARTIAL, ",lineage.run_id=" RUN_ID},
        {64, 10, OL_PARTIAL, "v"},
        {65, 10, OL_PARTIAL, "v"},
        {2, 4024, OL_OK, SELF}, /* 8049 bytes, and 52 + 22 + 69 */
        {2, 4025, OL_PARTIAL, ",lineage.step=my%20job"},
        {2, 4058, OL_PARTIAL, ",lineage.step=my%20job"}, /* 8117 bytes, and 52 + 22 */
        {2, 4059, OL_PARTIAL, ",lineage.run_id=" RUN_ID},
        {2, 4069, OL_PARTIAL, ",lineage.run_id=" RUN_ID},
        {2, 4096, OL_PARTIAL,
         ",lineage.step=my%20job" SELF}, /* 8193 bytes: its last member is not taken */
        {1, 9000, OL_PARTIAL, SELF},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct headers *h = make(NULL, NULL, NULL);
        struct ol_error err = {.message = ""};
        fill(h->values[2], rows[i].count, rows[i].size);
        new_run(f);
        ol_status status = inject(f->run, h, &err);
        size_t size = strlen(h->values[2]), members = 1, tail = strlen(rows[i].tail);
        for (const char *c = h->values[2]; *c != '\0'; c++)
            members += *c == ',';
        if (status != rows[i].status || strcmp(h->values[2] + size - tail, rows[i].tail) != 0)
            fail_msg("row %zu: %s, %zu bytes, ends '%s'", i, ol_status_name(status), size,
                     h->values[2] + (size > 80 ? size - 80 : 0));
        assert_true(size <= OL_BAGGAGE_MAX && members <= OL_BAGGAGE_MEMBERS_MAX);
        /* the same limits where it comes in: whole members, and it is said */
        fill(h->values[2], rows[i].count, rows[i].size);
        bool is_over = rows[i].count > 64 || strlen(h->values[2]) > OL_BAGGAGE_MAX;
        assert_int_equal(extract(f->run, h, &err), is_over ? OL_PARTIAL : OL_OK);
        free(h);
    }
}

static void a_carrier_may_fail_or_only_write(void **state)
{
    struct fixture *f = *state;
    struct ol_error err = {.message = ""};
    struct headers *h = make(NULL, NULL, NULL);
    new_run(f);
    h->left = 1;
    assert_int_equal(inject(f->run, h, &err), OL_IO);
    assert_non_null(strstr(err.message, "'baggage'"));
    assert_string_equal(h->values[0], MADE);
    h->left = 3;
    assert_int_equal(ol_context_inject(f->run, OL_MAKE(ol_carrier, .put = put, .arg = h), &err),
                     OL_OK);
    assert_string_equal(h->values[2], OURS);
    free(h);
}

static void wrong_calls_are_told(void **state)
{
    struct fixture *f = *state;
    struct ol_run *job = NULL;
    struct headers *h = make(NULL, NULL, NULL);
    const struct ol_carrier unset = {.get = get, .put = put, .arg = h};
    new_run(f);
    assert_int_equal(inject(NULL, h, NULL), OL_DISABLED);
    assert_int_equal(extract(NULL, h, NULL), OL_DISABLED);
    assert_int_equal(ol_context_inject(f->run, NULL, NULL), OL_INVALID);
    assert_int_equal(ol_context_extract(f->run, NULL, NULL), OL_INVALID);
    assert_int_equal(ol_context_inject(f->run, &unset, NULL), OL_INVALID);
    assert_int_equal(ol_context_extract(f->run, &unset, NULL), OL_INVALID);
    assert_int_equal(ol_context_inject(f->run, OL_MAKE(ol_carrier, .get = get), NULL), OL_INVALID);
    assert_int_equal(ol_context_extract(f->run, OL_MAKE(ol_carrier, .put = put), NULL), OL_INVALID);
    assert_int_equal(ol_job_event_new(f->client, NULL, "j", &job, NULL), OL_OK);
    assert_int_equal(inject(job, h, NULL), OL_INVALID);
    assert_int_equal(extract(job, h, NULL), OL_INVALID);
    ol_run_free(job);
    free(h);
}

static void every_failed_allocation_is_told(void **state)
{
    struct fixture *f = *state;
    for (unsigned long n = 1;; n++) {
        struct headers *h = make(GIVEN, "a=b", "x=1,lineage.run_id=R,lineage.step=S");
        struct headers *to = make(NULL, NULL, "y=2");
        new_run(f);
        fail_alloc_at(n);
        ol_status status = extract(f->run, h, NULL);
        if (status == OL_OK)
            status = inject(f->run, to, NULL);
        bool has_failed = fail_alloc_stop();
        assert_int_equal(status, has_failed ? OL_NOMEM : OL_OK);
        free(h);
        free(to);
        if (!has_failed) {
            assert_true(n > 10);
            break;
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_put),
        TEST(ids_of_the_facet_and_the_root_are_put),
        TEST(what_came_is_in_the_event_and_goes_to_children),
        TEST(malformed_keys_are_refused_one_by_one),
        TEST(the_caller_stands_above),
        TEST(the_caller_wins_over_the_environment),
        TEST(the_limits_of_the_w3c_hold),
        TEST(a_carrier_may_fail_or_only_write),
        TEST(wrong_calls_are_told),
        TEST(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
