/* SPDX-License-Identifier: Apache-2.0 */
/* What goes and what stays, against a model that knows nothing of the database: random runs with
 * and without versions, classes, counts, approvals; the dry run foretells what is removed, what is
 * pinned is never removed, not even for bytes, and what came lately survives a sweep. */
#include "retention.h"
#include "store_fixture.h"

#include "hash.h"
#include "json_doc.h"
#include "times.h"

#define FILE_X "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define RUNS 60
#define JOBS 5
#define DATASETS 7
#define DAY INT64_C(86400000)

struct edge {
    int dataset;
    int version; /* 0: none told */
};
struct model_run {
    int job, inputs, outputs;
    struct edge in[2], out[2];
    int64_t at, seen;
    const char *state;
    bool is_tagged, is_root, is_pinned;
};
static struct model_run runs[RUNS];
static uint64_t seed;

static int draw(int n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((seed >> 33) % (uint64_t)n);
}

static void make_runs(void)
{
    static const char *const states[] = {"COMPLETE", "COMPLETE", "COMPLETE", "FAIL", "START"};
    int versions[DATASETS] = {0}, next = 1;
    for (int i = 0; i < RUNS; i++) {
        struct model_run *r = &runs[i];
        *r = (struct model_run){.job = draw(JOBS),
                                .at = NOW + (int64_t)i * 60000,
                                .seen = NOW + draw(100) * DAY,
                                .state = states[draw(5)],
                                .is_tagged = draw(6) == 0,
                                .is_root = draw(20) == 0};
        r->inputs = draw(3);
        for (int k = 0; k < r->inputs; k++) {
            r->in[k].dataset = k == 0 ? draw(DATASETS) : (r->in[0].dataset + 1) % DATASETS;
            r->in[k].version = draw(3) != 0 ? versions[r->in[k].dataset] : 0;
        }
        r->outputs = draw(2) + (r->inputs == 0);
        for (int k = 0; k < r->outputs; k++) {
            int d = k == 0 ? draw(DATASETS) : (r->out[0].dataset + 1) % DATASETS;
            r->out[k] = (struct edge){.dataset = d, .version = draw(4) != 0 ? next++ : 0};
            if (r->out[k].version != 0)
                versions[d] = r->out[k].version;
        }
    }
}

static void add_edges(struct ol__buf *out, const char *key, const struct edge *edges, int count)
{
    ol__buf_add_format(out, ",'%s':[", key);
    for (int i = 0; i < count; i++) {
        ol__buf_add_format(out, "%s{'namespace':'n','name':'d%d'", i > 0 ? "," : "",
                           edges[i].dataset);
        if (edges[i].version != 0)
            ol__buf_add_format(out,
                               ",'facets':{'version':{'_producer':'p','_schemaURL':'s',"
                               "'datasetVersion':'v%d'}}",
                               edges[i].version);
        ol__buf_add_text(out, "}");
    }
    ol__buf_add_text(out, "]");
}

static void add_run(struct store *store, int i)
{
    const struct model_run *r = &runs[i];
    struct ol_error err = {0};
    struct ol__buf out;
    char time[OL_TIME_TEXT + 1];
    ol__buf_init(&out, 8192);
    ol__time_format(r->at, time);
    ol__buf_add_format(&out,
                       "{'eventType':'%s','eventTime':'%s','producer':'p:x','run':{'runId':"
                       "'01941f29-7c00-7837-a31d-%012d','facets':{'x':{'_producer':'p',"
                       "'_schemaURL':'s','n':%d}",
                       r->state, time, i, i);
    if (r->is_tagged)
        ol__buf_add_text(&out, ",'tags':{'_producer':'p','_schemaURL':'s','tags':[{'key':'keep',"
                               "'value':'long'}]}");
    if (r->is_root)
        ol__buf_add_text(&out, ",'lineaged_approval':{'_producer':'p','_schemaURL':'s'}");
    ol__buf_add_format(&out, "}},'job':{'namespace':'ns','name':'job%d'}", r->job);
    add_edges(&out, "inputs", r->in, r->inputs);
    add_edges(&out, "outputs", r->out, r->outputs);
    ol__buf_add_text(&out, "}");
    assert_int_equal(out.status, OL_OK);
    char *text = fixture_quoted(out.data);
    struct store_event event = {.taken_ms = r->seen, .uid = 1000, .data = ol__span_text(text)};
    if (store_add(store, &event, false, &err) != OL_OK)
        fail_msg("%s", err.message);
    free(text);
    ol__buf_release(&out);
}

static struct store *fill(int from, int to)
{
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = from; i < to; i++)
        add_run(store, i);
    assert_int_equal(store_commit(store, NULL, 0, NULL), OL_OK);
    return store;
}

/* ---- The model ---- */

static void pin(int i);

/* Of each job the latest complete run that wrote it until then, else the latest. */
static void pin_writers(const struct edge *edge, int64_t until, int except, int version)
{
    for (int job = 0; job < JOBS; job++) {
        int best = -1;
        for (int i = 0; i < RUNS; i++) {
            bool writes = false;
            for (int k = 0; k < runs[i].outputs; k++)
                writes = writes || (runs[i].out[k].dataset == edge->dataset &&
                                    (version < 0 || runs[i].out[k].version == version));
            if (!writes || runs[i].job != job || i == except || runs[i].at > until)
                continue;
            bool is_complete = strcmp(runs[i].state, "COMPLETE") == 0;
            if (best < 0 || is_complete || strcmp(runs[best].state, "COMPLETE") != 0)
                best = i; /* in order of time */
        }
        if (best >= 0)
            pin(best);
    }
}

static void pin_edge(const struct edge *edge, int64_t until, int except)
{
    if (edge->version == 0) {
        pin_writers(edge, until, except, -1);
        return;
    }
    pin_writers(edge, INT64_MAX, except, edge->version);
    pin_writers(edge, until, except, 0);
}

static void pin(int i)
{
    if (runs[i].is_pinned)
        return;
    runs[i].is_pinned = true;
    for (int k = 0; k < runs[i].inputs; k++)
        pin_edge(&runs[i].in[k], runs[i].at, i);
}

static void pin_all(void)
{
    for (int i = 0; i < RUNS; i++)
        if (runs[i].is_root) {
            pin(i);
            for (int k = 0; k < runs[i].outputs; k++)
                pin_edge(&runs[i].out[k], INT64_MAX, i);
        }
}

/* class_count: none */
static size_t class_of(const struct store_policy *policy, int i)
{
    const struct model_run *r = &runs[i];
    const char *state = strcmp(r->state, "START") == 0 ? "RUNNING" : r->state;
    for (size_t c = 0; c < policy->class_count; c++) {
        const struct store_class *class = &policy->classes[c];
        if ((class->state == NULL || strcmp(class->state, state) == 0) &&
            (class->tag == NULL || r->is_tagged) && (class->job == NULL || r->job == 3))
            return c;
    }
    return policy->class_count;
}

static bool is_last(const struct store_policy *policy, int i, int64_t keep_last)
{
    int newer = 0;
    for (int k = i + 1; k < RUNS; k++)
        newer += runs[k].job == runs[i].job && class_of(policy, k) == class_of(policy, i);
    return newer < keep_last;
}

static bool stays(const struct store_policy *policy, int i)
{
    const struct model_run *r = &runs[i];
    size_t c = class_of(policy, i);
    const struct store_class none = {
        .name = "default", .before_ms = policy->before_ms, .keep_last = policy->keep_last};
    const struct store_class *class = c < policy->class_count ? &policy->classes[c] : &none;
    bool is_meant = policy->only_class == NULL || strcmp(policy->only_class, class->name) == 0;
    bool is_open = strcmp(r->state, "START") == 0 && r->seen >= policy->open_before_ms;
    return r->is_pinned || !is_meant || r->seen >= class->before_ms || is_open ||
           is_last(policy, i, class->keep_last);
}

/* ---- Comparing ---- */

static void expire(struct store *store, const struct store_policy *policy, int batch)
{
    struct ol_error err = {0};
    ol_status status;
    int calls = 0;
    while ((status = store_expire(store, policy, batch, &err)) == OL_AGAIN)
        assert_true(++calls < 2000);
    if (status != OL_OK)
        fail_msg("%s", err.message);
}

static int64_t foretold(struct store *store, const struct store_policy *policy, int all)
{
    struct ol_error err = {0};
    struct ol__buf out;
    struct json_doc doc;
    ol__buf_init(&out, 1 << 20);
    if (store_gc_plan(store, policy, 10, &out, &err) != OL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(json_doc_read(&doc, (struct ol__span){out.data, out.size}, &err), OL_OK);
    int64_t go = json_get_int(json_get(doc.root, "go"), "runs", -1), stay = 0;
    static const char *const why[] = {"pinned", "other_class", "young", "open", "last_of_job"};
    for (size_t i = 0; i < OL_COUNT(why); i++)
        stay += json_get_int(json_get(doc.root, "stay"), why[i], 0);
    int64_t bytes = json_get_int(json_get(doc.root, "go"), "bytes", -1);
    assert_int_equal(go + stay, all);
    assert_true(go == 0 ? bytes == 0 : bytes >= 100 * go);
    json_doc_release(&doc);
    ol__buf_release(&out);
    return go;
}

static void expect_runs(const struct store_policy *policy, uint64_t with_seed)
{
    char *there = fixture_rows("SELECT substr(hex(uuid), 21) FROM runs ORDER BY uuid");
    for (int i = 0; i < RUNS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%012d", i);
        if ((strstr(there, id) != NULL) != stays(policy, i))
            fail_msg("seed %llu, run %d: %s", (unsigned long long)with_seed, i,
                     stays(policy, i) ? "should stay" : "should go");
    }
    free(there);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= 60; s++) {
        seed = s;
        make_runs();
        pin_all();
        const struct store_class classes[] = {
            {.name = "failed", .state = "FAIL", .before_ms = NOW + draw(100) * DAY},
            {.name = "tagged", .tag = "keep=long", .before_ms = draw(2) ? INT64_MIN : NOW + DAY},
            {.name = "third",
             .job = "job[3]",
             .name_space = "n*",
             .before_ms = NOW + draw(100) * DAY,
             .keep_last = draw(4)}};
        static const char *const only[] = {NULL, NULL, "failed", "default"};
        const struct store_policy policy = {.before_ms = NOW + draw(110) * DAY,
                                            .keep_last = draw(5),
                                            .answers_before_ms = INT64_MIN,
                                            .open_before_ms = NOW + draw(100) * DAY,
                                            .classes = classes,
                                            .class_count = (size_t)draw(4),
                                            .only_class = only[draw(4)],
                                            .is_fresh = true};
        assert_int_equal(fixture_setup(NULL), 0);
        struct store *store = fill(0, RUNS);
        int64_t go = 0, told = foretold(store, &policy, RUNS);
        for (int i = 0; i < RUNS; i++)
            go += !stays(&policy, i);
        expire(store, &policy, 1 + draw(20));
        expect_runs(&policy, s);
        assert_int_equal(go, told);
        fixture_expect("PRAGMA foreign_key_check", "");
        fixture_expect("PRAGMA integrity_check", "ok");
        fixture_expect("SELECT count(*) FROM io WHERE run NOT IN (SELECT id FROM runs)", "0");
        assert_int_equal(foretold(store, &policy, (int)(RUNS - go)), 0);
        store_close(store);
        assert_int_equal(fixture_teardown(NULL), 0);
    }
}

/* ---- Bytes ---- */

static void test_stuck(void **state)
{
    (void)state;
    seed = 3;
    make_runs();
    for (int i = 0; i < RUNS; i++) { /* a chain, and what is approved at its end */
        runs[i].inputs = i > 0;
        runs[i].outputs = 1;
        runs[i].in[0] = (struct edge){.dataset = 0, .version = i};
        runs[i].out[0] = (struct edge){.dataset = 0, .version = i + 1};
        runs[i].is_root = i == RUNS / 2;
        runs[i].is_pinned = i <= RUNS / 2;
    }
    struct store *store = fill(0, RUNS);
    struct store_policy policy = {.before_ms = INT64_MIN,
                                  .answers_before_ms = INT64_MIN,
                                  .max_bytes = 4096,
                                  .is_fresh = true};
    struct store_kept kept;
    expire(store, &policy, 7);
    fixture_expect("SELECT count(*) FROM runs", "31"); /* all that led there, and not one more */
    store_kept(store, &kept);
    assert_true(kept.is_stuck);
    assert_true(kept.used_bytes > policy.max_bytes);
    assert_int_equal(kept.pinned_runs, RUNS / 2 + 1);
    assert_int_equal(kept.removed_runs, RUNS - RUNS / 2 - 1);
    policy.max_bytes = 1 << 30;
    expire(store, &policy, 7);
    store_kept(store, &kept);
    assert_false(kept.is_stuck);
    store_close(store);
}

static void test_held(void **state)
{
    (void)state;
    seed = 5;
    make_runs();
    for (int i = 0; i < RUNS; i++) {
        runs[i].is_root = runs[i].is_pinned = false;
        runs[i].seen = NOW + (int64_t)i * DAY;
        runs[i].is_tagged = i % 10 == 0;
    }
    struct store *store = fill(0, RUNS);
    const struct store_class held = {
        .name = "held", .tag = "keep=long", .before_ms = NOW + 15 * DAY, .is_held = true};
    const struct store_policy policy = {.before_ms = INT64_MIN,
                                        .answers_before_ms = INT64_MIN,
                                        .max_bytes = 4096,
                                        .classes = &held,
                                        .class_count = 1,
                                        .is_fresh = true};
    struct store_kept kept;
    expire(store, &policy, 50);
    fixture_expect("SELECT count(*), min(seen) >= 1795251600000 + 15 * 86400000 FROM runs", "4|1");
    store_kept(store, &kept);
    assert_true(kept.is_stuck);
    store_close(store);
}

/* ---- What comes meanwhile ---- */

static void test_approved_meanwhile(void **state)
{
    (void)state;
    seed = 7;
    make_runs();
    for (int i = 0; i < RUNS; i++) {
        runs[i] = (struct model_run){.state = "COMPLETE",
                                     .at = NOW + (int64_t)i * 60000,
                                     .seen = NOW + i,
                                     .inputs = i == RUNS - 1,
                                     .outputs = 1,
                                     .in = {{.dataset = 1, .version = 41}},
                                     .out = {{.dataset = 1, .version = i + 1}}};
        runs[i].is_root = i == RUNS - 1;
    }
    struct store *store = fill(0, RUNS - 1);
    const struct store_policy policy = {
        .before_ms = NOW + DAY, .answers_before_ms = INT64_MIN, .open_before_ms = INT64_MAX};
    struct ol_error err = {0};
    assert_int_equal(store_expire(store, &policy, 10, &err), OL_AGAIN); /* 0 to 9 are gone */
    assert_int_equal(store_begin(store, NULL), OL_OK);
    add_run(store, RUNS - 1); /* version 41, of run 40, is approved */
    assert_int_equal(store_commit(store, NULL, 0, NULL), OL_OK);
    expire(store, &policy, 10);
    fixture_expect("SELECT group_concat(substr(hex(uuid), 31)) FROM runs ORDER BY uuid", "40,59");
    fixture_expect("PRAGMA foreign_key_check", "");
    store_close(store);
}

/* An event of a dataset alone pins the versions it told, and stays itself. */
static void test_dataset_event(void **state)
{
    (void)state;
    seed = 9;
    make_runs();
    for (int i = 0; i < 3; i++) {
        runs[i] = (struct model_run){.state = "COMPLETE",
                                     .at = NOW + (int64_t)i * 60000,
                                     .seen = NOW,
                                     .inputs = i > 0,
                                     .outputs = 1,
                                     .in = {{.dataset = i - 1, .version = i}},
                                     .out = {{.dataset = i, .version = i + 1}}};
    }
    struct store *store = fill(0, 3);
    struct ol_error err = {0};
    assert_int_equal(store_begin(store, NULL), OL_OK);
    assert_int_equal(
        fixture_add(store,
                    "{'eventTime':'2026-11-21T09:30:00Z','producer':'p:x','dataset':{'namespace':"
                    "'n','name':'d1','facets':{'version':{'_producer':'p','_schemaURL':'s',"
                    "'datasetVersion':'v2'},'lineaged_deployment':{'_producer':'p','_schemaURL':"
                    "'s'}}}}",
                    1000, false, &err),
        OL_OK);
    assert_int_equal(store_commit(store, NULL, 0, NULL), OL_OK);
    const struct store_policy policy = {.before_ms = INT64_MAX,
                                        .answers_before_ms = INT64_MIN,
                                        .open_before_ms = INT64_MAX,
                                        .is_fresh = true};
    expire(store, &policy, 10);
    fixture_expect("SELECT group_concat(substr(hex(uuid), 31)) FROM runs ORDER BY uuid", "00,01");
    fixture_expect("SELECT count(*) FROM datasets WHERE state IS NOT NULL", "1");
    fixture_expect("PRAGMA foreign_key_check", "");
    store_close(store);
}

/* An approved model read a directory; a run wrote one file in it. */
static void test_members(void **state)
{
    static const char *const events[] = {
        "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:00:00Z','producer':'p','run':{'runId':"
        "'01941f29-7c00-7837-a31d-000000000001'},'job':{'namespace':'n','name':'a'},'outputs':"
        "[{'namespace':'n','name':'d/x','facets':{'version':{'_producer':'p','_schemaURL':'s',"
        "'datasetVersion':'sha256:" FILE_X "'}}}]}",
        "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:00:00Z','producer':'p','run':{'runId':"
        "'01941f29-7c00-7837-a31d-000000000002'},'job':{'namespace':'n','name':'b'},'outputs':"
        "[{'namespace':'n','name':'e/y'}]}",
        "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:05:00Z','producer':'p','run':{'runId':"
        "'01941f29-7c00-7837-a31d-000000000003','facets':{'lineaged_approval':{'_producer':'p',"
        "'_schemaURL':'s'}}},'job':{'namespace':'n','name':'c'},'inputs':[{'namespace':'n',"
        "'name':'d','facets':{'version':{'_producer':'p','_schemaURL':'s','datasetVersion':"
        "'sha256:%s'}}}]}"};
    char text[] = FILE_X "  ./x\n", hex[OL_SHA256_TEXT + 1], event[1024];
    uint8_t sum[OL_SHA256_SIZE];
    struct ol__sha256 *hash;
    struct ol_error err = {0};
    (void)state;
    assert_int_equal(ol__sha256_new(&hash, &err), OL_OK);
    ol__sha256_add(hash, text, strlen(text));
    ol__sha256_finish(hash, sum);
    ol__sha256_free(hash);
    ol__hex(sum, sizeof sum, hex);
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_members_put(store, sum, 1000, NOW, ol__span_text(text), &err), OL_OK);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(events); i++) {
        const char *mark = strstr(events[i], "%s");
        size_t before = mark != NULL ? (size_t)(mark - events[i]) : strlen(events[i]);
        snprintf(event, sizeof event, "%.*s%s%s", (int)before, events[i], mark != NULL ? hex : "",
                 mark != NULL ? mark + 2 : "");
        if (fixture_add(store, event, 1000, false, &err) != OL_OK)
            fail_msg("%s", err.message);
    }
    assert_int_equal(store_commit(store, NULL, 0, NULL), OL_OK);
    const struct store_policy policy = {.before_ms = INT64_MAX,
                                        .answers_before_ms = INT64_MIN,
                                        .open_before_ms = INT64_MAX,
                                        .is_fresh = true};
    expire(store, &policy, 10);
    fixture_expect("SELECT group_concat(substr(hex(uuid), 31)) FROM runs ORDER BY uuid", "01,03");
    store_close(store);
}

/* What an approval names as its evidence stays with the run that made it. */
static void test_evidence(void **state)
{
    static const char *const events[] = {
        "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:00:00Z','producer':'p','run':{'runId':"
        "'01941f29-7c00-7837-a31d-000000000001'},'job':{'namespace':'n','name':'measure'},"
        "'outputs':[{'namespace':'n','name':'auc','facets':{'version':{'_producer':'p',"
        "'_schemaURL':'s','datasetVersion':'sha256:" FILE_X "'}}}]}",
        "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:00:00Z','producer':'p','run':{'runId':"
        "'01941f29-7c00-7837-a31d-000000000002'},'job':{'namespace':'n','name':'b'},'outputs':"
        "[{'namespace':'n','name':'e/y'}]}",
        "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:05:00Z','producer':'p','run':{'runId':"
        "'01941f29-7c00-7837-a31d-000000000003','facets':{'lineaged_approval':{'_producer':'p',"
        "'_schemaURL':'s','approvals':[{},{'evidence':[{'name':'?'},{'sha256':'no "
        "hash'},{'sha256':'" FILE_X "'}]}]}}},"
        "'job':{'namespace':'n','name':'c'},'inputs':[{'namespace':'n','name':'m'}]}"};
    struct ol_error err = {0};
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(events); i++)
        if (fixture_add(store, events[i], 1000, false, &err) != OL_OK)
            fail_msg("%s", err.message);
    assert_int_equal(store_commit(store, NULL, 0, NULL), OL_OK);
    const struct store_policy policy = {.before_ms = INT64_MAX,
                                        .answers_before_ms = INT64_MIN,
                                        .open_before_ms = INT64_MAX,
                                        .is_fresh = true};
    expire(store, &policy, 10);
    fixture_expect("SELECT group_concat(substr(hex(uuid), 31)) FROM runs ORDER BY uuid", "01,03");
    store_close(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random), TEST(test_stuck),         TEST(test_held),
        TEST(test_approved_meanwhile), TEST(test_dataset_event), TEST(test_members),
        TEST(test_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
