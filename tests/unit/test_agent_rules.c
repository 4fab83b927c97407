/* SPDX-License-Identifier: Apache-2.0 */
/* What each kind of rule does to events as they come, byte by byte: nothing but what it says. */
#include "rules_help.h"

#include <stdio.h>
#include <stdlib.h>
#include "fail_alloc.h"
#include "times.h"

#define RUN_ID "0190a1b2-0000-7000-8000-000000000001"
/* White space as a client may send it: it must stay. */
#define EVENT(job, run_tail, tail)                                                                 \
    "{ \"eventTime\" : \"2026-11-21T09:00:00Z\", \"eventType\":\"START\",\n \"producer\":"         \
    "\"https://e.org/p\",\"run\":{\"runId\":\"" RUN_ID "\"" run_tail "},\"job\":{" job "}" tail    \
    "}"
#define JOB "\"namespace\":\"prod\",\"name\":\"etl.orders\""
#define FACETS(members) ",\"facets\":{" members "}"
#define HEAD "\"_producer\":\"https://e.org/p\",\"_schemaURL\":\"https://e.org/s.json\""

struct row {
    const char *rules, *event, *expected; /* NULL: dropped */
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rules_world w;
        rules_world_init(&w, rows[i].rules);
        rules_world_expect(&w, rows[i].event, rows[i].expected);
        rules_world_release(&w);
    }
}

#define SQL(text) EVENT(JOB FACETS("\"sql\" : {" HEAD ",\"query\":\"" text "\"}"), "", "")

static void redaction_changes_the_texts_it_is_about(void **state)
{
    static const struct row rows[] = {
        {"{ name: r, type: redact, pattern: 'id=\\K[0-9]+' }", SQL("WHERE id=17 OR id=18"),
         SQL("WHERE id=[redacted:r] OR id=[redacted:r]")},
        {"{ name: r, type: redact, pattern: 'x', with: '' }", SQL("axb\\n"), SQL("ab\\n")},
        {"{ name: r, type: redact, pattern: 'none' }", SQL("a\\/b \\u00e9"), SQL("a\\/b \\u00e9")},
        {"{ name: r, type: redact, pattern: '(?i)SELECT', facet: sql }", SQL("select"),
         SQL("[redacted:r]")},
        {"{ name: r, type: redact, pattern: select, facet: other }", SQL("select"), SQL("select")},
        {"{ name: r, type: redact, pattern: select, pointer: /job/facets/*/query }", SQL("select"),
         SQL("[redacted:r]")},
        {"{ name: r, type: redact, pattern: select, pointer: /run }", SQL("select"), SQL("select")},
        /* by place alone: whatever stands there, at and below it */
        {"{ name: r, type: redact, facet: sql, pointer: /query }", SQL("a"), SQL("[redacted:r]")},
        {"{ name: r, type: redact, facet: sql }", SQL("a"), SQL("[redacted:r]")},
        {"{ name: r, type: redact, facet: env, pointer: /variables/*/value, with: gone }",
         EVENT(JOB,
               FACETS("\"env\":{" HEAD ",\"variables\":[{\"name\":\"A\",\"value\":\"1\"},"
                      "{\"name\":\"B\",\"value\": 2.50 },{\"value\":{\"x\":true,\"y\":null}}]}"),
               ""),
         EVENT(JOB,
               FACETS("\"env\":{" HEAD ",\"variables\":[{\"name\":\"A\",\"value\":\"gone\"},"
                      "{\"name\":\"B\",\"value\": null },{\"value\":{\"x\":null,\"y\":null}}]}"),
               "")},
        {"{ name: r, type: redact, pointer: /job/name }", EVENT(JOB, "", ""),
         EVENT("\"namespace\":\"prod\",\"name\":\"[redacted:r]\"", "", "")},
        {"{ name: r, type: redact, pointer: /inputs/1/name }",
         EVENT(JOB, "",
               ",\"inputs\":[{\"namespace\":\"a\",\"name\":\"b\"},{\"namespace\":\"a\",\"name\":"
               "\"c\"}]"),
         EVENT(JOB, "",
               ",\"inputs\":[{\"namespace\":\"a\",\"name\":\"b\"},{\"namespace\":\"a\",\"name\":\"["
               "redacted:r]\"}]")},
        {"{ name: r, type: redact, facet: a~b, pointer: '/c~1d/~0e' }",
         EVENT(JOB FACETS("\"a~b\":{\"c/d\":{\"~e\":\"1\",\"f\":\"2\"}}"), "", ""),
         EVENT(JOB FACETS("\"a~b\":{\"c/d\":{\"~e\":\"[redacted:r]\",\"f\":\"2\"}}"), "", "")},
        /* rules apply one after the other */
        {"{ name: a, type: redact, pattern: x, with: y }\n"
         "{ name: b, type: redact, pattern: yy, with: z }",
         SQL("xx"), SQL("z")},
        {"{ name: a, type: redact, pattern: yy, with: z }\n"
         "{ name: b, type: redact, pattern: x, with: y }",
         SQL("xx"), SQL("yy")},
        /* names of things, and keys inside of facets */
        {"{ name: r, type: redact, builtin: [url_password] }",
         EVENT(JOB, "", ",\"outputs\":[{\"namespace\":\"postgres://u:pw@h:5432\",\"name\":\"t\"}]"),
         EVENT(JOB, "",
               ",\"outputs\":[{\"namespace\":\"postgres://"
               "u:[redacted:url_password]@h:5432\",\"name\":\"t\"}]")},
        {"{ name: r, type: redact, builtin: [email] }",
         EVENT(JOB FACETS("\"m\":{ \"a@b.io\" : {\"k\":1} , \"n\":[{\"c@d.io\":\"e@f.io\"}]}"), "",
               ""),
         EVENT(JOB FACETS("\"m\":{ \"[redacted:email]\" : {\"k\":1} , "
                          "\"n\":[{\"[redacted:email]\":\"[redacted:email]\"}]}"),
               "", "")},
        /* hidden behind escapes */
        {"{ name: r, type: redact, builtin: [email] }", SQL("\\u0061\\u0040b.io"),
         SQL("[redacted:email]")},
        /* what an event cannot be without */
        {"{ name: r, type: redact, pattern: '.+' }", EVENT(JOB, "", ""),
         "{ \"eventTime\" : \"2026-11-21T09:00:00Z\", \"eventType\":\"START\",\n \"producer\":"
         "\"[redacted:r]\",\"run\":{\"runId\":\"" RUN_ID
         "\"},\"job\":{\"namespace\":\"[redacted:r]\","
         "\"name\":\"[redacted:r]\"}}"},
    };
    (void)state;
    check(rows, OL_COUNT(rows));
}

static void dropping_needs_every_condition(void **state)
{
#define DROP(conditions) "{ name: d, type: drop, " conditions " }"
    static const struct row rows[] = {
        {DROP("job: [etl.orders]"), EVENT(JOB, "", ""), NULL},
        {DROP("job: [etl]"), EVENT(JOB, "", ""), EVENT(JOB, "", "")},
        {DROP("job_prefix: [x, etl.]"), EVENT(JOB, "", ""), NULL},
        {DROP("job_regex: 'etl\\..*'"), EVENT(JOB, "", ""), NULL},
        {DROP("job_regex: 'etl'"), EVENT(JOB, "", ""), EVENT(JOB, "", "")}, /* the whole name */
        {DROP("namespace: [prod]"), EVENT(JOB, "", ""), NULL},
        {DROP("namespace: [prod], job: [other]"), EVENT(JOB, "", ""), EVENT(JOB, "", "")},
        {DROP("producer_prefix: ['https://e.org/']"), EVENT(JOB, "", ""), NULL},
        {DROP("event_type: [RUNNING, START]"), EVENT(JOB, "", ""), NULL},
        {DROP("event_type: [COMPLETE]"), EVENT(JOB, "", ""), EVENT(JOB, "", "")},
        {DROP("event_type: [DATASET], namespace: [n]"),
         "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"https://e.org/p\",\"dataset\":"
         "{\"namespace\":\"n\",\"name\":\"d\"}}",
         NULL},
        {DROP("event_type: [none]"),
         "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"https://e.org/p\",\"run\":{"
         "\"runId\":\"" RUN_ID "\"},\"job\":{" JOB "}}",
         NULL},
        /* what it asks is what the rules before it left */
        {"{ name: r, type: rename, from: [prod], to: dev }\n" DROP("namespace: [dev]"),
         EVENT(JOB, "", ""), NULL},
        {DROP("namespace: [dev]") "\n{ name: r, type: rename, from: [prod], to: dev }",
         EVENT(JOB, "", ""), EVENT("\"namespace\":\"dev\",\"name\":\"etl.orders\"", "", "")},
    };
    (void)state;
    check(rows, OL_COUNT(rows));
}

#define IN(name_space)                                                                             \
    EVENT(JOB, "", ",\"inputs\":[{\"namespace\" : \"" name_space "\",\"name\":\"t\"}]")

static void namespaces_get_other_names_wherever_they_name_something(void **state)
{
#define RENAME(how) "{ name: n, type: rename, " how " }"
    static const struct row rows[] = {
        {RENAME("from: [a, b], to: c"), IN("b"), IN("c")},
        {RENAME("from: [a], to: c"), IN("ab"), IN("ab")},
        {RENAME("from_prefix: 'hive://old', to: 'hive://new'"), IN("hive://old:9083"),
         IN("hive://new:9083")},
        {RENAME("from_regex: 's3a?n?://(.*)-(eu|us)', to: 's3://$1.$2$$'"), IN("s3a://lake-eu"),
         IN("s3://lake.eu$")},
        {RENAME("from_regex: 's3', to: x"), IN("s3://b"), IN("s3://b")},
        {RENAME("from_hosts: ['b1:9092', b2, '[::1]'], to: kafka-prod"),
         IN("kafka://b2:9093,B1:9092"), IN("kafka://kafka-prod")},
        {RENAME("from_hosts: ['b1:9092', b2, '[::1]'], to: kafka-prod"),
         IN("kafka://[::1]:9092,b2"), IN("kafka://kafka-prod")},
        {RENAME("from_hosts: ['b1:9092'], to: k"), IN("kafka://b1:9093"), IN("kafka://b1:9093")},
        {RENAME("from_hosts: [b1], to: k"), IN("kafka://b1,b9"), IN("kafka://b1,b9")},
        {RENAME("from_hosts: [10.0.0.5], to: dwh"), IN("postgres://10.0.0.5:5432/x"),
         IN("postgres://dwh/x")},
        {RENAME("from_hosts: [h], to: dwh"), IN("postgres://u@h:1"), IN("postgres://u@dwh")},
        {RENAME("from: [prod], to: p"),
         EVENT(JOB,
               FACETS("\"parent\":{" HEAD ",\"run\":{\"runId\":\"" RUN_ID "\"},\"job\":{" JOB
                      "},\"root\":{\"job\":{" JOB "}}},\"mine\":{\"namespace\":\"prod\"}"),
               ",\"outputs\":[{\"namespace\":\"prod\",\"name\":\"prod\",\"facets\":{"
               "\"columnLineage\":{" HEAD
               ",\"fields\":{\"namespace\":{\"inputFields\":[{\"namespace\":\"prod\",\"name\":"
               "\"t\",\"field\":\"prod\"}]}}},"
               "\"symlinks\":{" HEAD
               ",\"identifiers\":[{\"namespace\":\"prod\",\"name\":\"x\",\"type\":\"T\"}]}}}]"),
         EVENT(
             "\"namespace\":\"p\",\"name\":\"etl.orders\"",
             FACETS("\"parent\":{" HEAD ",\"run\":{\"runId\":\"" RUN_ID
                    "\"},\"job\":{\"namespace\":\"p\",\"name\":\"etl.orders\"},\"root\":{\"job\":{"
                    "\"namespace\":\"p\",\"name\":\"etl.orders\"}}},\"mine\":{\"namespace\":"
                    "\"prod\"}"),
             ",\"outputs\":[{\"namespace\":\"p\",\"name\":\"prod\",\"facets\":{\"columnLineage\":"
             "{" HEAD ",\"fields\":{\"namespace\":{\"inputFields\":[{\"namespace\":\"p\",\"name\":"
             "\"t\",\"field\":\"prod\"}]}}},"
             "\"symlinks\":{" HEAD
             ",\"identifiers\":[{\"namespace\":\"p\",\"name\":\"x\",\"type\":\"T\"}]}}}]")},
        {RENAME("from: [prod], to: p, of: datasets"),
         EVENT(JOB, "", ",\"inputs\":[{\"namespace\":\"prod\",\"name\":\"t\"}]"),
         EVENT(JOB, "", ",\"inputs\":[{\"namespace\":\"p\",\"name\":\"t\"}]")},
        {RENAME("from: [prod], to: p, of: jobs"),
         EVENT(JOB, "", ",\"inputs\":[{\"namespace\":\"prod\",\"name\":\"t\"}]"),
         EVENT("\"namespace\":\"p\",\"name\":\"etl.orders\"", "",
               ",\"inputs\":[{\"namespace\":\"prod\",\"name\":\"t\"}]")},
    };
    (void)state;
    check(rows, OL_COUNT(rows));
}

#define TAG_HEAD(entity)                                                                           \
    "\"_producer\":\"https://github.com/lineaged/lineaged/tree/v" OL_VERSION                       \
    "\",\"_schemaURL\":\"https://openlineage.io/spec/facets/1-0-0/Tags" entity                     \
    "Facet.json#/$defs/Tags" entity "Facet\""
#define TAG(key, value) "{\"key\":\"" key "\",\"value\":\"" value "\",\"source\":\"CONFIG\"}"

static void tags_are_added_once(void **state)
{
#define ADD "{ name: t, type: tag, run_tags: [env:prod, team] }"
#define OURS TAG("env", "prod") "," TAG("team", "true")
    static const struct row rows[] = {
        {ADD, EVENT(JOB, "", ""),
         "{ \"eventTime\" : \"2026-11-21T09:00:00Z\", \"eventType\":\"START\",\n \"producer\":"
         "\"https://e.org/p\",\"run\":{\"facets\":{\"tags\":{" TAG_HEAD(
             "Run") ",\"tags\":[" OURS "]}},\"runId\":\"" RUN_ID "\"},\"job\":{" JOB "}}"},
        {ADD, EVENT(JOB, FACETS(" "), ""),
         EVENT(JOB, FACETS("\"tags\":{" TAG_HEAD("Run") ",\"tags\":[" OURS "]} "), "")},
        {ADD, EVENT(JOB, FACETS("\"x\":{}"), ""),
         EVENT(JOB, FACETS("\"tags\":{" TAG_HEAD("Run") ",\"tags\":[" OURS "]},\"x\":{}"), "")},
        {ADD, EVENT(JOB, FACETS("\"tags\":{" HEAD ",\"tags\":[ ]}"), ""),
         EVENT(JOB, FACETS("\"tags\":{" HEAD ",\"tags\":[" OURS "]}"), "")},
        {ADD,
         EVENT(JOB,
               FACETS("\"tags\":{" HEAD
                      ",\"tags\":[{\"key\":\"a\"}, {\"key\":\"ENV\",\"value\":\"dev\"}]}"),
               ""),
         EVENT(JOB, FACETS("\"tags\":{" HEAD ",\"tags\":[{\"key\":\"a\"}," OURS "]}"), "")},
        {ADD, EVENT(JOB, FACETS("\"tags\":{" HEAD ",\"tags\":[ " OURS "]}"), ""),
         EVENT(JOB, FACETS("\"tags\":{" HEAD ",\"tags\":[ " OURS "]}"), "")},
        {ADD, EVENT(JOB, FACETS("\"tags\":{" HEAD "}"), ""),
         EVENT(JOB, FACETS("\"tags\":{\"tags\":[" OURS "]," HEAD "}"), "")},
        {ADD, EVENT(JOB, ",\"facets\":null", ""),
         EVENT(JOB, FACETS("\"tags\":{" TAG_HEAD("Run") ",\"tags\":[" OURS "]}"), "")},
        {ADD, EVENT(JOB, FACETS("\"tags\":7"), ""), EVENT(JOB, FACETS("\"tags\":7"), "")},
        {"{ name: t, type: tag, job_tags: ['owner:me:hr'] }", EVENT(JOB FACETS(""), "", ""),
         EVENT(JOB FACETS("\"tags\":{" TAG_HEAD(
                   "Job") ",\"tags\":[{\"key\":\"owner\",\"value\":\"me\",\"source\":\"hr\"}]}"),
               "", "")},
        {ADD,
         "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"https://e.org/p\",\"job\":{" JOB
         "}}",
         "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"https://e.org/p\",\"job\":{" JOB
         "}}"},
        {"{ name: t, type: tag, run_tags: [env:prod, team], namespace: [dev] }", EVENT(JOB, "", ""),
         EVENT(JOB, "", "")},
    };
    (void)state;
    check(rows, OL_COUNT(rows));
}

#define X100                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxx"                                                                                       \
    "xx"
#define X1000 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100
#define SHED_HEAD(entity)                                                                          \
    "\"lineaged_shed\":{\"_producer\":\"https://github.com/lineaged/lineaged/tree/v" OL_VERSION    \
    "\",\"_schemaURL\":\"https://raw.githubusercontent.com/lineaged/lineaged/v0.1.0/spec/schemas/" \
    "LineagedShed" entity "Facet-1-0-0.json#/$defs/LineagedShed" entity "Facet\","

static void facets_that_are_too_large_are_left_out_and_listed(void **state)
{
#define CAP "{ name: s, type: shed, max_facet: 500 }"
#define LISTED(count, bytes, limit, list)                                                          \
    SHED_HEAD("Run")                                                                               \
    "\"count\":" count ",\"bytes\":" bytes ",\"limit\":" limit ",\"facets\":[" list "]}"
#define ITEM(pointer, bytes) "{\"pointer\":\"" pointer "\",\"bytes\":" bytes "}"
    static const struct row rows[] = {
        {CAP, EVENT(JOB, FACETS("\"a\":{\"v\":1} , \"big\" : {\"v\":\"" X1000 "\"} ,\"c\":{}"), ""),
         EVENT(JOB,
               FACETS("\"a\":{\"v\":1} ,\"c\":{}," LISTED("1", "1016", "500",
                                                          ITEM("/run/facets/big", "1016"))),
               "")},
        {CAP, EVENT(JOB, FACETS("\"big\":{\"v\":\"" X1000 "\"}, \"c\":{}"), ""),
         EVENT(JOB, FACETS("\"c\":{}," LISTED("1", "1014", "500", ITEM("/run/facets/big", "1014"))),
               "")},
        {CAP, EVENT(JOB, FACETS("\"big\":{\"v\":\"" X1000 "\"}"), ""),
         EVENT(JOB, FACETS(LISTED("1", "1014", "500", ITEM("/run/facets/big", "1014"))), "")},
        {CAP, EVENT(JOB FACETS("\"q\":\"" X1000 "\",\"r\":\"" X1000 "\""), "", ""),
         EVENT(JOB FACETS(""),
               FACETS(LISTED("2", "2012", "500",
                             ITEM("/job/facets/q", "1006") "," ITEM("/job/facets/r", "1006"))),
               "")},
        {CAP,
         EVENT(JOB, "",
               ",\"outputs\":[{\"namespace\":\"n\",\"name\":\"d\",\"outputFacets\":{\"o\":\"" X1000
               "\"},\"facets\":{\"k\":1}}]"),
         EVENT(JOB, FACETS(LISTED("1", "1006", "500", ITEM("/outputs/0/outputFacets/o", "1006"))),
               ",\"outputs\":[{\"namespace\":\"n\",\"name\":\"d\",\"outputFacets\":{},\"facets\":{"
               "\"k\":1}}]")},
        {"{ name: s, type: shed, max_facet: 500, keep: [q] }",
         EVENT(JOB FACETS("\"q\":\"" X1000 "\""), "", ""),
         EVENT(JOB FACETS("\"q\":\"" X1000 "\""), "", "")},
        /* what never goes */
        {CAP, EVENT(JOB, FACETS("\"parent\":{\"v\":\"" X1000 "\"}"), ""),
         EVENT(JOB, FACETS("\"parent\":{\"v\":\"" X1000 "\"}"), "")},
        /* what an earlier one said is kept */
        {CAP,
         EVENT(JOB,
               FACETS("\"lineaged_shed\":{\"count\":2,\"bytes\":99,\"facets\":[{\"pointer\":\"/run/"
                      "facets/z\",\"bytes\":9}]},\"b\":\"" X1000 "\""),
               ""),
         EVENT(JOB,
               FACETS(LISTED(
                   "3", "1105", "500",
                   ITEM("/run/facets/b", "1006") ",{\"pointer\":\"/run/facets/z\",\"bytes\":9}")),
               "")},
        /* no more than it takes, the largest first */
        {"{ name: s, type: shed, max_event: 3400 }",
         EVENT(JOB,
               FACETS("\"a\":\"" X1000 "\",\"b\":\"" X1000 X100 "\",\"c\":\"" X1000 X1000
                      "\",\"d\":\"s\""),
               ""),
         EVENT(JOB,
               FACETS("\"a\":\"" X1000 "\",\"b\":\"" X1000 X100
                      "\",\"d\":\"s\"," LISTED("1", "2006", "3400", ITEM("/run/facets/c", "2006"))),
               "")},
    };
    (void)state;
    check(rows, OL_COUNT(rows));
}

static void what_was_done_is_told_and_counted(void **state)
{
    struct rules_world w;
    struct ol__span left;
    (void)state;
    rules_world_init(&w, "{ name: mail, type: redact, builtin: [email, ssn] }\n"
                         "{ name: ns, type: rename, from: [prod], to: p }\n"
                         "{ name: noise, type: drop, job: [gone] }");
    const char *event =
        EVENT(JOB FACETS("\"x\":{\"a\":\"to a@b.io\",\"b\":\"c@d.io 078-05-1120\"}"), "", "");
    assert_int_equal(rules_world_apply(&w, ol__span_text(event), &left), OL_AGAIN);
    assert_string_equal(w.told.data,
                        "ns /job/namespace prod -> p\n"
                        "mail /job/facets/x/a to a@b.io -> to [redacted:email]\n"
                        "mail /job/facets/x/b c@d.io 078-05-1120 -> c@d.io [redacted:ssn]\n"
                        "mail /job/facets/x/b c@d.io [redacted:ssn] -> [redacted:email] "
                        "[redacted:ssn]\n");
    const char *gone = EVENT("\"namespace\":\"prod\",\"name\":\"gone\"", "", "");
    assert_int_equal(rules_world_apply(&w, ol__span_text(gone), &left), OL_END);
    struct rule_metrics *m = w.metrics->rules;
    assert_int_equal(w.metrics->rule_count, 3);
    assert_string_equal(m[0].name, "mail");
    assert_int_equal(metric_get(&m[0].events), 1);
    assert_int_equal(metric_get(&m[0].values), 3);
    assert_int_equal(metric_get(&m[1].events), 2);
    assert_int_equal(metric_get(&m[2].events), 1);
    rules_world_release(&w);
}

/* Fail closed: what cannot be looked through is taken out whole. */
static void a_catastrophic_pattern_takes_the_text_whole_and_stalls_nobody(void **state)
{
    struct rules_world w;
    char *event = malloc(300000);
    struct ol__span left;
    (void)state;
    rules_world_init(&w, "{ name: evil, type: redact, pattern: '(a+)+$' }\n"
                         "{ name: cond, type: drop, job_regex: '(e|et|t)*x' }");
    memset(event, 0, 300000);
    strcpy(event,
           "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"https://e.org/p\",\"job\":"
           "{\"namespace\":\"n\",\"name\":\"");
    for (int i = 0; i < 200; i++)
        strcat(event, "et");
    strcat(event, "\",\"facets\":{\"x\":{\"v\":\"");
    memset(event + strlen(event), 'a', 200000);
    strcat(event, "!\",\"w\":\"aaa!\"}}}}");
    int64_t begin = ol__time_monotonic_ms();
    for (int i = 0; i < 20; i++)
        assert_int_equal(rules_world_apply(&w, ol__span_text(event), &left), OL_AGAIN);
    assert_in_range(ol__time_monotonic_ms() - begin, 0, 20 * 500); /* a budget of 50 ms each */
    assert_non_null(memmem(left.data, left.size, "\"v\":\"[redacted:evil]\"", 21));
    assert_int_equal(metric_get(&w.metrics->rules[1].events), 0); /* in doubt nothing is dropped */
    assert_true(metric_get(&w.metrics->rules[0].limited) >= 20);
    rules_world_release(&w);
    free(event);
}

static void wrong_rules_are_refused_by_place_and_reason(void **state)
{
    static const struct {
        const char *rules, *says;
    } rows[] = {
        {"{ name: r, type: redact }", "test.yaml:2: rules[0].type: rule 'r': redact needs"},
        {"{ name: R, type: redact, facet: x }", "rules[0].name: rule 'R': expected 1 to 64"},
        {"{ name: r, type: redact, facet: x }\n{ name: r, type: redact, facet: x }",
         "test.yaml:3: rules[1].name: rule 'r': the rule at line 2 has this name"},
        {"{ name: r, type: redact, pattern: 'a(' }", "rules[0].pattern: rule 'r': no regular"},
        {"{ name: r, type: redact, builtin: [mail] }", "'mail' is not one of all, private_key"},
        {"{ name: r, type: redact, pointer: x }", "rules[0].pointer: rule 'r': expected a JSON"},
        {"{ name: r, type: redact, pointer: /run }", "it would take eventTime, eventType"},
        {"{ name: r, type: redact, pointer: '/*' }", "it would take eventTime, eventType"},
        {"{ name: r, type: redact, facet: x, to: y }", "rules[0].to: rule 'r': type redact has no"},
        {"{ name: r, type: drop }", "drop needs a job, namespace, producer or event_type"},
        {"{ name: r, type: drop, job_regex: '[' }", "rules[0].job_regex: rule 'r': no regular"},
        {"{ name: r, type: drop, event_type: [begin] }", "rules[0].event_type: rule 'r': expected"},
        {"{ name: r, type: rename, to: x }", "rules[0].from: rule 'r': missing; rename needs"},
        {"{ name: r, type: rename, from: [x] }", "rules[0].to: rule 'r': missing"},
        {"{ name: r, type: tag }", "tag needs run_tags or job_tags"},
        {"{ name: r, type: tag, run_tags: [':x'] }", "a tag needs a key"},
        {"{ name: r, type: tag, run_tags: [a, 'A:1'] }", "two tags of one key"},
        {"{ name: r, type: shed }", "shed needs max_facet or max_event"},
        {"{ name: r, type: sched }", "did you mean 'shed'?"},
        {"{ type: shed }", "'name' is missing"},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        const char *said = rules_world_refusal(rows[i].rules);
        if (strstr(said, rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].rules, said);
    }
}

/* Any allocation of ours fails once: an error that may be tried again, or nothing lost; never an
 * event that a rule should have changed and did not. */
static void out_of_memory_lets_no_secret_pass(void **state)
{
    static const char rules[] =
        "{ name: s, type: redact, builtin: [all], pattern: 'zebra', pointer: '/job' }\n"
        "{ name: n, type: rename, from_regex: '(prod)', to: '$1-x' }\n"
        "{ name: t, type: tag, run_tags: [a, 'b:c'] }\n"
        "{ name: c, type: shed, max_facet: 500, keep: [k] }";
    const char *event =
        EVENT(JOB FACETS("\"x\":{\"a\":\"a@b.io zebra\"},\"big\":\"" X1000 "\""), FACETS(""), "");
    unsigned long n = 1, in_new = 0, in_apply = 0;
    (void)state;
    for (;; n++) {
        struct rules_world w;
        struct rules *mine = NULL;
        const struct ol__event *read;
        struct ol__span left = {NULL, 0};
        struct ol_error err = {0};
        rules_world_init(&w, rules); /* the settings */
        assert_int_equal(
            ol__event_read(w.reader, ol__span_text(event), OL_EVENT_CORE, NULL, -1, &read, NULL),
            OL_OK);
        fail_alloc_at(n);
        ol_status status = rules_new(&w.config, NULL, &mine, &err);
        in_new += status == OL_NOMEM;
        if (status == OL_OK) {
            status = rules_apply(mine, ol__span_text(event), read, NULL, &left, &err);
            in_apply += status == OL_NOMEM;
        }
        bool failed = fail_alloc_stop();
        if (status == OL_NOMEM)
            assert_int_equal(err.status, OL_NOMEM);
        else {
            assert_int_equal(status, OL_AGAIN);
            assert_null(memmem(left.data, left.size, "zebra", 5));
            assert_null(memmem(left.data, left.size, "a@b", 3));
            assert_non_null(memmem(left.data, left.size, "lineaged_shed", 13));
        }
        rules_free(mine);
        rules_world_release(&w);
        if (!failed)
            break;
    }
    assert_true(in_new > 10 && in_apply > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redaction_changes_the_texts_it_is_about),
        cmocka_unit_test(dropping_needs_every_condition),
        cmocka_unit_test(namespaces_get_other_names_wherever_they_name_something),
        cmocka_unit_test(tags_are_added_once),
        cmocka_unit_test(facets_that_are_too_large_are_left_out_and_listed),
        cmocka_unit_test(what_was_done_is_told_and_counted),
        cmocka_unit_test(a_catastrophic_pattern_takes_the_text_whole_and_stalls_nobody),
        cmocka_unit_test(out_of_memory_lets_no_secret_pass),
        cmocka_unit_test(wrong_rules_are_refused_by_place_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
