/* SPDX-License-Identifier: Apache-2.0 */
/* `why` and `impact` over shapes that pipelines have: attempts, several producers, branches and
 * merges, models made from models, batches of days, runs in progress, cycles, and how all of it
 * stood at a time. The expected graph of each is written by hand. */
#include "store_graph.h"

#define SECOND(n) "2026-11-21T09:00:" n

static const struct shape {
    const char *name;
    const char *runs[14];
    const char *subject, *content, *at;
    const char *why, *impact, *attempts, *affected; /* NULL: not asked */
} shapes[] = {
    {.name = "an attempt that did not win hides nothing",
     .runs = {"train: raw@1 > model@1", "train: raw@1 > model@2", "serve: model@1 > log"},
     .subject = "raw",
     .content = "1",
     .impact = "model@1>serve#3 raw@1>train#1 raw@1>train#2 serve#3>log train#1>model@1 "
               "train#2>model@2",
     .attempts = ""},
    {.name = "nor a failed one, nor one in progress",
     .runs = {"train: raw@1 > model@1", "train!: raw@1 > model@2", "train~: raw@1 > model@3",
              "serve: model@1 > log"},
     .subject = "raw",
     .content = "1",
     .impact = "model@1>serve#4 raw@1>train#1 serve#4>log train#1>model@1",
     .attempts = "train#1: 2 3"},
    {.name = "what failed was used all the same",
     .runs = {"train!: raw@1 > model@1", "train: raw@1 > model@2", "serve: model@1 > log"},
     .subject = "raw",
     .content = "1",
     .impact = "model@1>serve#3 raw@1>train#1 raw@1>train#2 serve#3>log train#1>model@1 "
               "train#2>model@2"},
    {.name = "the same bytes of two attempts are those of one",
     .runs = {"train: raw@1 > model@1", "train: raw@1 > model@1", "serve: model@1 > log"},
     .subject = "raw",
     .content = "1",
     .impact = "model@1>serve#3 raw@1>train#2 serve#3>log train#2>model@1",
     .attempts = "train#2: 1"},
    {.name = "in any version: all that ever read one",
     .runs = {"train: raw@1 > model@1", "train: raw@2 > model@2", "train: raw@2 > model@3",
              "serve: model@2 > log", "serve: model@1 > old"},
     .subject = "raw",
     .impact = "model@1>serve#5 model@2>serve#4 raw>train#1 raw>train#2 raw>train#3 serve#4>log "
               "serve#5>old train#1>model@1 train#2>model@2 train#3>model@3"},
    {.name = "days that read the same table again: each by itself, with its attempts",
     .runs = {"load: src > day@1", "sum: day@1 ref@1 > total@1", "load: src > day@2",
              "sum: day@2 ref@1 > total@2", "sum!: day@2 ref@1 > ", "use: total@1 > x"},
     .subject = "ref",
     .content = "1",
     .impact = "ref@1>sum#2 ref@1>sum#4 sum#2>total@1 sum#4>total@2 total@1>use#6 use#6>x",
     .attempts = "sum#4: 5"},
    {.name = "a day's output depends on that day's input, whatever else was read",
     .runs = {"load: src > day@1", "sum: day@1 > total@1", "load: src > day@2",
              "sum: day@2 > total@2", "load: src > day@3", "sum: day@3 > total@3"},
     .subject = "total",
     .content = "2",
     .why = "day@2>sum#4 load#3>day@2 src>load#3 sum#4>total@2"},
    {.name = "the same without versions: what stood when it was read",
     .runs = {"load: src > day", "sum: day > total", "load: src > day", "sum: day > total"},
     .subject = "01941f29-7c00-7837-a31d-000000000001",
     .impact = "day>sum#2 load#1>day sum#2>total"},
    {.name = "a failed day of its own",
     .runs = {"sum: day@1 > total@1", "sum!: day@2 > ", "sum: day@3 > total@3"},
     .subject = "day",
     .impact = "day>sum#1 day>sum#2 day>sum#3 sum#1>total@1 sum#3>total@3",
     .attempts = ""},
    {.name = "one task many times under one parent: no attempts",
     .runs = {"map^1: ref@1 > a@1", "map^1: ref@1 > b@1", "map^1: ref@1 > b@2"},
     .subject = "ref",
     .content = "1",
     .impact = "map#1>a@1 map#3>b@2 ref@1>map#1 ref@1>map#3",
     .attempts = "map#3: 2"},
    {.name = "a job: all its runs",
     .runs = {"sum: day@1 > total@1", "sum: day@2 > total@2", "use: total@1 > x"},
     .subject = "jobs/sum",
     .impact = "sum#1>total@1 sum#2>total@2 total@1>use#3 use#3>x"},
    {.name = "and what it is made from: the latest",
     .runs = {"sum: day@1 > total@1", "sum: day@2 > total@2"},
     .subject = "jobs/sum",
     .why = "day@2>sum#2"},
    {.name = "a stream that never ends, started again",
     .runs = {"stream~: topic > table", "report: table > r1", "stream~: topic > table",
              "report: table > r2"},
     .subject = "topic",
     .impact = "report#2>r1 report#4>r2 stream#1>table stream#3>table table>report#2 "
               "table>report#4 table>report#4 topic>stream#1 topic>stream#3"},
    {.name = "without versions: under one parent",
     .runs = {"train^1: raw > model@1", "train^1: raw > model@2", "serve: model@1 > log",
              "train^2: raw > model@5", "train^2: raw > model@6", "serve2: model@5 > log2"},
     .subject = "raw",
     .impact = "model@1>serve#3 model@5>serve2#6 raw>train#1 raw>train#2 raw>train#4 raw>train#5 "
               "serve#3>log serve2#6>log2 train#1>model@1 train#2>model@2 train#4>model@5 "
               "train#5>model@6",
     .attempts = ""},
    {.name = "without versions: while it stood",
     .runs = {"load: x > raw", "train: raw > model@1", "train: raw > model@2",
              "serve: model@1 > log", "load: x > raw", "train: raw > model@3"},
     .subject = "01941f29-7c00-7837-a31d-000000000001",
     .impact = "load#1>raw model@1>serve#4 raw>train#2 raw>train#3 serve#4>log train#2>model@1 "
               "train#3>model@2"},
    {.name = "backward: what was tried before",
     .runs = {"train^1!: raw@1 > ", "train^1!: raw@1 > model@1", "train^1: raw@1 > model@2",
              "train^2!: raw@1 > model@3"},
     .subject = "model",
     .content = "2",
     .why = "raw@1>train#3 train#3>model@2",
     .attempts = "train#3: 1 2"},
    {.name = "a tag of one bears on another step's checkpoint: attempts that read each other",
     .runs = {"train!: raw@1 > ckpt@1", "train: raw@1 ckpt@1 > model@1"},
     .subject = "raw",
     .content = "1",
     .impact = "ckpt@1>train#2 raw@1>train#1 raw@1>train#2 train#1>ckpt@1 train#2>model@1"},
    {.name = "several producers of one table",
     .runs = {"eu: src1 > t", "us: src2 > t", "eu: src3 > t", "report: t > r"},
     .subject = "r",
     .why = "eu#3>t report#4>r src2>us#2 src3>eu#3 t>report#4 us#2>t?"},
    {.name = "one that replaced what the others wrote",
     .runs = {"eu: src1 > t", "us: src2 > t+", "report: t > r"},
     .subject = "r",
     .why = "report#3>r src2>us#2 t>report#3 us#2>t"},
    {.name = "several producers that tell versions: the one of that version",
     .runs = {"eu: src1 > t@1", "us: src2 > t@2", "report: t@1 > r"},
     .subject = "r",
     .why = "eu#1>t@1 report#3>r src1>eu#1 t@1>report#3"},
    {.name = "branches and a merge",
     .runs = {"split: raw@1 > a@1 b@1", "left: a@1 > c@1", "right: b@1 > d@1",
              "join: c@1 d@1 > out@1"},
     .subject = "raw",
     .content = "1",
     .impact = "a@1>left#2 b@1>right#3 c@1>join#4 d@1>join#4 join#4>out@1 left#2>c@1 raw@1>split#1 "
               "right#3>d@1 split#1>a@1 split#1>b@1",
     .affected = "{'models':0,'answers':0,'services':0,'datasets':5,'jobs':4,'runs':4}"},
    {.name = "a model from a model's weights",
     .runs = {"train: raw@1 > m*@v1", "tune: m*@v1 new@1 > m*@v2", "score: m*@v2 > out@1"},
     .subject = "raw",
     .content = "1",
     .why = "",
     .impact = "m@v1>tune#2 m@v2>score#3 raw@1>train#1 score#3>out@1 train#1>m@v1 tune#2>m@v2",
     .affected = "{'models':2,'answers':0,'services':0,'datasets':1,'jobs':3,'runs':3}"},
    {.name = "and back",
     .runs = {"train: raw@1 > m*@v1", "tune: m*@v1 new@1 > m*@v2"},
     .subject = "m",
     .content = "v2",
     .why = "m@v1>tune#2 new@1>tune#2 raw@1>train#1 train#1>m@v1 tune#2>m@v2"},
    {.name = "an ensemble",
     .runs = {"t1: raw@1 > m1*@1", "t2: raw@1 > m2*@1", "vote: m1*@1 m2*@1 > ens*@1"},
     .subject = "ens",
     .content = "1",
     .why = "m1@1>vote#3 m2@1>vote#3 raw@1>t1#1 raw@1>t2#2 t1#1>m1@1 t2#2>m2@1 vote#3>ens@1"},
    {.name = "one version a day",
     .runs = {"load: src > day@1", "sum: day@1 > total@1", "load: src > day@2",
              "sum: day@2 > total@2"},
     .subject = "day",
     .content = "1",
     .impact = "day@1>sum#2 sum#2>total@1"},
    {.name = "a run in progress",
     .runs = {"load: src > a@1", "train~: a@1 > "},
     .subject = "a",
     .content = "1",
     .why = "load#1>a@1 src>load#1",
     .impact = "a@1>train#2",
     .affected = "{'models':0,'answers':0,'services':0,'datasets':0,'jobs':1,'runs':1}"},
    {.name = "a table read and written by one run",
     .runs = {"merge: t@1 new@1 > t@2", "merge: t@2 new@2 > t@3"},
     .subject = "t",
     .content = "3",
     .why = "merge#1>t@2 merge#2>t@3 new@1>merge#1 new@2>merge#2 t@1>merge#1 t@2>merge#2"},
    {.name = "a feedback loop: predictions become training data",
     .runs = {"train: data@1 > m*@1", "serve: m*@1 > log@1", "collect: log@1 data@1 > data@2",
              "train: data@2 > m*@2"},
     .subject = "data",
     .content = "1",
     .impact = "collect#3>data@2 data@1>collect#3 data@1>train#1 data@2>train#4 log@1>collect#3 "
               "m@1>serve#2 serve#2>log@1 train#1>m@1 train#4>m@2",
     .affected = "{'models':2,'answers':0,'services':0,'datasets':2,'jobs':3,'runs':4}"},

    {.name = "as of a time: what was read then",
     .runs = {"load: src > a", "sum: a > b", "load: new > a", "sum: a > b"},
     .subject = "b",
     .at = SECOND("03Z"),
     .why = "a>sum#2 load#1>a src>load#1 sum#2>b"},
    {.name = "now",
     .runs = {"load: src > a", "sum: a > b", "load: new > a", "sum: a > b"},
     .subject = "b",
     .why = "a>sum#4 load#3>a new>load#3 sum#4>b"},
    {.name = "as of a time: forward",
     .runs = {"load: src > a@1", "sum: a@1 > b@1", "sum: a@1 > b@2", "use: b@1 > c"},
     .subject = "a",
     .content = "1",
     .at = SECOND("02.700Z"),
     .impact = "a@1>sum#2 sum#2>b@1"},
    {.name = "as of a time: an offset",
     .runs = {"load: src > a@1", "sum: a@1 > b@1", "sum: a@1 > b@2", "use: b@1 > c"},
     .subject = "a",
     .content = "1",
     .at = "2026-11-21T11:00:02.700+02:00",
     .impact = "a@1>sum#2 sum#2>b@1"},
    {.name = "as of a time: a run had begun and said nothing yet",
     .runs = {"load: src > a@1", "sum: a@1 > b@1"},
     .subject = "a",
     .content = "1",
     .at = SECOND("02.200Z"),
     .impact = ""},
    {.name = "as of a date: all of that day",
     .runs = {"load: src > a@1", "sum: a@1 > b@1"},
     .subject = "b",
     .at = "2026-11-21",
     .why = "a@1>sum#2 load#1>a@1 src>load#1 sum#2>b@1"},
    {.name = "as of the day before",
     .runs = {"load: src > a@1", "sum: a@1 > b@1"},
     .subject = "b",
     .at = "2026-11-20",
     .why = ""},
    {.name = "as of a time: a job's latest run",
     .runs = {"j: a > b", "j: c > d", "j: e > f"},
     .subject = "jobs/j",
     .at = SECOND("02.900Z"),
     .why = "c>j#2"},
    {.name = "as of a time: static edges, too",
     .runs = {"5:s= a > b", "k: b > c"},
     .subject = "c",
     .at = SECOND("04Z"),
     .why = "b>k#2 k#2>c"},
};

static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        struct store_question question = {
            .subject = s->subject, .content = s->content, .at = s->at, .uid = STORE_ANY_UID};
        question_function *asked = s->impact != NULL ? store_impact : store_why;
        print_message("%s\n", s->name);
        assert_int_equal(fixture_setup(NULL), 0);
        build(s->runs);
        if (s->why != NULL)
            expect(store_why, &question, EDGES, s->why);
        if (s->impact != NULL)
            expect(store_impact, &question, EDGES, s->impact);
        if (s->attempts != NULL)
            expect(asked, &question, ATTEMPTS, s->attempts);
        if (s->affected != NULL) {
            char *affected = fixture_quoted(s->affected);
            expect(store_impact, &question, AFFECTED, affected);
            free(affected);
        }
        assert_int_equal(fixture_teardown(NULL), 0);
    }
}

/* Thousands of attempts: one that was used is followed, the others cost the answer nothing but
 * their names, and no more of them than are looked at. */
static void test_many_attempts(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    char run[64];
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = 1; i <= 1000; i++) {
        snprintf(run, sizeof run, "train!: raw@1 > m@%d", i);
        add_run(store, i, run);
    }
    add_run(store, 1001, "serve: m@990 > log");
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    struct store_question question = {.subject = "raw", .content = "1", .uid = STORE_ANY_UID};
    expect(store_impact, &question, EDGES,
           "m@990>serve#1001 raw@1>train#1000 raw@1>train#990 serve#1001>log train#1000>m@1000 "
           "train#990>m@990");
    expect(store_impact, &question,
           "SELECT json_array_length(?1, '$.nodes[1].attempts') || ' ' || "
           "json_extract(?1, '$.nodes[1].attempts_more')",
           "64 934");
}

/* 365 days: which version each of them read stands at the edge, and how many they were at the
 * subject; what does not fit is counted. */
static void test_many_days(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    char run[64];
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = 1; i <= 365; i++) {
        snprintf(run, sizeof run, "sum: day@%d > total@%d", i, i);
        add_run(store, i, run);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    struct store_question question = {.subject = "day", .uid = STORE_ANY_UID};
    expect(store_impact, &question,
           NODES "SELECT count(*) || ' ' || sum(json_extract(e.value, '$.version') = "
                 "CAST(substr(json_extract(t.node, '$.run_id'), -4) AS INTEGER)) || ' ' || "
                 "json_extract(?1, '$.nodes[0].versions_read') || ' ' || "
                 "json_extract(?1, '$.truncated') FROM json_each(?1, '$.edges') e "
                 "JOIN n t ON t.id = json_extract(e.value, '$.to') "
                 "WHERE json_extract(e.value, '$.from') = 0",
           "365 365 365 0");
    expect(store_impact, &question, "SELECT json_extract(?1, '$.affected.runs')", "365");
    question.limit = 100;
    expect(store_impact, &question,
           "SELECT json_array_length(?1, '$.nodes') || ' ' || json_extract(?1, '$.cut_by') || ' ' "
           "|| json_extract(?1, '$.nodes[0].beyond') || ' ' || json_extract(?1, '$.beyond')",
           "99 limit 316 316");
}

/* --depth ends exactly there, and says at how many ways on. */
static void test_depth(void **state)
{
    static const char *const runs[] = {"j1: a@1 > b@1", "j2: b@1 > c@1", "j3: b@1 > d@1",
                                       "j4: c@1 d@1 > e@1", NULL};
    static const struct {
        bool is_why;
        int64_t depth;
        const char *subject, *expected; /* nodes, truncated, beyond, of whom */
    } rows[] = {{false, 1, "a", "3 1 2 b"}, {false, 2, "a", "7 1 2 c,d"},
                {false, 3, "a", "9 0 - -"}, {true, 1, "e", "4 1 2 c,d"},
                {true, 2, "e", "7 1 1 b"},  {true, 3, "e", "9 0 - -"}};
    (void)state;
    build(runs);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question question = {.subject = rows[i].subject,
                                          .content = "1",
                                          .depth = rows[i].depth,
                                          .uid = STORE_ANY_UID};
        expect(rows[i].is_why ? store_why : store_impact, &question,
               "SELECT json_array_length(?1, '$.nodes') || ' ' || json_extract(?1, '$.truncated') "
               "|| ' ' || coalesce(json_extract(?1, '$.beyond'), '-') || ' ' || coalesce((SELECT "
               "group_concat(x) FROM (SELECT json_extract(value, '$.name') x FROM json_each(?1, "
               "'$.nodes') WHERE json_extract(value, '$.beyond') > 0 ORDER BY 1)), '-')",
               rows[i].expected);
    }
}

/* A table that a hundred jobs write: the last of them, and some before. */
static void test_many_producers(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    char run[64];
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = 1; i <= 100; i++) {
        snprintf(run, sizeof run, "%d:job%d: src%d > t", i < 60 ? i : 59, i, i);
        add_run(store, i, run);
    }
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
    store_close(store);
    struct store_question question = {.subject = "t", .uid = STORE_ANY_UID};
    expect(store_why, &question,
           "SELECT count(*) || ' ' || sum(json_extract(value, '$.maybe')) FROM json_each(?1, "
           "'$.edges') WHERE json_extract(value, '$.to') = 0",
           "17 16");
    expect(store_why, &question, "SELECT json_extract(?1, '$.cut_by')", "limit");
}

/* A run of a time before it ended is running, and its error is not known yet. */
static void test_run_at(void **state)
{
    static const char *const runs[] = {"5:j!: a > b", NULL};
    static const struct {
        const char *at, *expected;
    } rows[] = {{SECOND("05.400Z"), "RUNNING"}, {SECOND("05.500Z"), "FAIL"}};
    (void)state;
    build(runs);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct store_question question = {.subject = "01941f29-7c00-7837-a31d-000000000001",
                                          .at = rows[i].at,
                                          .uid = STORE_ANY_UID};
        expect(store_why, &question, "SELECT json_extract(?1, '$.nodes[0].state')",
               rows[i].expected);
    }
    struct store_question question = {.subject = "b", .at = "yesterday", .uid = STORE_ANY_UID};
    free(answer(store_why, &question, OL_INVALID));
    question.at = SECOND("04Z");
    expect(store_why, &question, "SELECT json_extract(?1, '$.subject.note')",
           "nothing of it was recorded at that time");
    question.subject = "01941f29-7c00-7837-a31d-000000000001";
    expect(store_why, &question, "SELECT json_extract(?1, '$.subject.note')",
           "nothing of it was recorded at that time");
}

#define ANSWER                                                                                     \
    "{'eventTime':'2026-11-21T09:00:1%d.000Z','producer':'p:x','eventType':'RUNNING',"             \
    "'run':{'runId':'01941f29-7c00-7837-a31d-000000000002','facets':{'lineaged_answer':{"          \
    "'_producer':'p','_schemaURL':'s','request_id':'q-%d'}}},"                                     \
    "'job':{'namespace':'jobs','name':'serve'}}"

/* Answers are those of the services that were reached, as many as there were by then. */
static void test_answers(void **state)
{
    static const char *const runs[] = {"train: raw@1 > m*@1", "serve~: m*@1 > ", NULL};
    (void)state;
    build(runs);
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = 0; i < 3; i++) {
        char event[700];
        struct ol_error err = {0};
        snprintf(event, sizeof event, ANSWER, i, i);
        if (fixture_add(store, event, 1000, false, &err) != OL_OK)
            fail_msg("%s", err.message);
    }
    assert_int_equal(store_commit(store, &spool_a, 2, NULL), OL_OK);
    store_close(store);
    struct store_question question = {.subject = "raw", .content = "1", .uid = STORE_ANY_UID};
    expect(store_impact, &question, AFFECTED,
           "{\"models\":1,\"answers\":3,\"answers_not_told\":3,\"services\":1,\"datasets\":0,"
           "\"jobs\":2,\"runs\":2}");
    question.at = SECOND("11Z");
    expect(store_impact, &question, "SELECT json_extract(?1, '$.affected.answers')", "2");
    question = (struct store_question){.subject = "q-1", .is_request = true, .uid = STORE_ANY_UID};
    expect(store_why, &question, EDGES, "m@1>serve#2 raw@1>train#1 train#1>m@1");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),     WITH_FIXTURE(test_many_attempts),
        WITH_FIXTURE(test_many_producers), WITH_FIXTURE(test_many_days),
        WITH_FIXTURE(test_depth),          WITH_FIXTURE(test_run_at),
        WITH_FIXTURE(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
