/* SPDX-License-Identifier: Apache-2.0 */
/* Proves how a verdict comes about: what a policy makes of each state, which rule counts, that the
 * least counts along chains and circles, and that nothing is laid out outside of its root or over
 * what is there. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "reproduce/judge.h"
#include "reproduce/layout.h"

static void a_policy_weighs(void **state)
{
    (void)state;
    static const enum repro_state expected[][3] = {
        [REPRO_REQUIRED] = {REPRO_NOT, REPRO_DOCUMENTED, REPRO_REBUILD},
        [REPRO_ONLY_TOLD] = {REPRO_NOT, REPRO_REBUILD, REPRO_REBUILD},
        [REPRO_OPTIONAL] = {REPRO_REBUILD, REPRO_REBUILD, REPRO_REBUILD},
        [REPRO_IGNORED] = {REPRO_REBUILD, REPRO_REBUILD, REPRO_REBUILD}};
    for (int level = REPRO_REQUIRED; level <= REPRO_IGNORED; level++)
        for (int s = REPRO_NOT; s <= REPRO_REBUILD; s++)
            assert_int_equal(repro_weigh((enum repro_level)level, (enum repro_state)s),
                             expected[level][s]);
}

static void read_policy(const char *text, struct repro_policy *ret)
{
    char path[] = "/tmp/policy-XXXXXX";
    struct ol_error err = {.message = ""};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    ol_status status = repro_policy_read(path, ret, &err);
    unlink(path);
    if (status != OL_OK)
        fail_msg("%s", err.message);
    ret->name = "test";
}

static void the_last_rule_counts(void **state)
{
    (void)state;
    struct repro_policy policy;
    read_policy("fields: {tools: ignored}\n"
                "jobs:\n"
                "  - {match: 'train*', seeds: required, tools: required}\n"
                "  - {match: 'ml/*', seeds: documented}\n"
                "  - {match: '*_old', seeds: ignored}\n"
                "keeps: ['s3://lake/*', hdfs]\n",
                &policy);
    static const struct {
        const char *name_space, *name;
        enum repro_level seeds, tools, inputs;
    } rows[] = {
        {"etl", "clean", REPRO_OPTIONAL, REPRO_IGNORED, REPRO_REQUIRED},
        {"etl", "train_a", REPRO_REQUIRED, REPRO_REQUIRED, REPRO_REQUIRED},
        {"ml", "train_a", REPRO_ONLY_TOLD, REPRO_REQUIRED, REPRO_REQUIRED},
        {"ml", "train_old", REPRO_IGNORED, REPRO_REQUIRED, REPRO_REQUIRED},
        {"ml", "retrain", REPRO_ONLY_TOLD, REPRO_IGNORED, REPRO_REQUIRED}, /* no default rules */
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        enum repro_level levels[REPRO_FIELDS];
        repro_policy_levels(&policy, rows[i].name_space, rows[i].name, levels);
        assert_int_equal(levels[REPRO_SEEDS], rows[i].seeds);
        assert_int_equal(levels[REPRO_TOOLS], rows[i].tools);
        assert_int_equal(levels[REPRO_INPUTS], rows[i].inputs);
        assert_int_equal(levels[REPRO_OUTCOME], REPRO_REQUIRED);
    }
    assert_true(repro_policy_keeps(&policy, "s3://lake", "a/b"));
    assert_true(repro_policy_keeps(&policy, "x", "hdfs"));
    assert_false(repro_policy_keeps(&policy, "s3://pond", "a/b"));
    repro_policy_release(&policy);
}

#define HASH "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
/* A run of job N that read version V of dataset R, written by run W, and wrote what is called as
 * it.
 */
#define RUN(n, r, v, w, more)                                                                      \
    "{'depth':0,'run':{'run_id':'" n "','job':{'namespace':'ml','name':'" n                        \
    "'},'state':'COMPLETE'},'ids':{},'told':{'code':[{'what':'sql.query','value':'s'}]" more       \
    "},'inputs':[{'namespace':'lake','name':'" r "','version':'" v "'" w                           \
    "}],'outputs':[{'namespace':'lake','name':'" n "','version':'" HASH "'}]}"

static const char yaml[] = "fields: {environment: ignored}\nkeeps: [lake/kept]\n";

/* Verdicts of the runs, as "ndr" (not, documented, rebuild), then that of all. */
static void check_verdicts(const char *runs, const char *expected)
{
    struct repro_policy policy;
    struct repro_case c;
    struct json_doc doc;
    struct ol_error err = {.message = ""};
    char text[8192], found[16] = "";
    read_policy(yaml, &policy);
    snprintf(text, sizeof text, "{'runs':[%s],'truncated':false}", runs);
    for (char *at = text; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    assert_int_equal(json_doc_read(&doc, ol__span_text(text), &err), OL_OK);
    assert_int_equal(repro_judge(&c, doc.root, &policy, "/nonexistent", &err), OL_OK);
    for (size_t i = 0; i < c.count; i++)
        found[i] = repro_state_name(c.runs[i].state)[0];
    found[c.count] = repro_state_name(c.state)[0];
    assert_string_equal(found, expected);
    repro_case_release(&c);
    json_doc_release(&doc);
    repro_policy_release(&policy);
}

static void the_least_counts(void **state)
{
    (void)state;
    static const struct {
        const char *runs, *expected;
    } rows[] = {
        {RUN("a", "kept", "v1", "", ""), "rr"},
        {RUN("a", "raw", "v1", "", ""), "dd"}, /* a version that nobody says stays */
        {RUN("a", "raw", HASH, "", ""), "dd"}, /* not here, not kept, made by nobody known */
        {"{'depth':0,'run':{'run_id':'a','job':{},'state':'FAIL'},'told':{}}", "nn"},
        /* what is gone can be made again, if that can */
        {RUN("b", "a", HASH, ",'written_by':'a'", "") "," RUN("a", "kept", "v1", "", ""), "rrr"},
        {RUN("b", "a", HASH, ",'written_by':'a'", "") "," RUN("a", "raw", "v1", "", ""), "ddd"},
        {RUN("c", "b", HASH, ",'written_by':'b'", "") "," RUN("b", "a", HASH, ",'written_by':'a'",
                                                              "") "," RUN("a", "raw", HASH, "", ""),
         "dddd"},
        {RUN("a", "b", HASH, ",'written_by':'b'", "") "," RUN("b", "a", HASH, ",'written_by':'a'",
                                                              ""),
         "ddd"},
        /* a circle holds itself up by nothing but itself, yet ends */
        {RUN("a", "a", HASH, ",'written_by':'a'", ""), "dd"},
        /* a call of a model: told, and not to be had twice */
        {RUN("a", "kept", "v1", "",
             ",'model':[{'what':'lineaged_call.request_model','value':'m'}]"),
         "dd"},
        /* a query says what it does; parameters may be redacted, and are optional */
        {RUN("a", "kept", "v1", "", ",'parameter':[{'what':'p','value':'[redacted]'}]"), "rr"},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++)
        check_verdicts(rows[i].runs, rows[i].expected);
}

/* ---- laying out ---- */

static char directory[64];

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static ol_status lay(const char *root_name, const struct replay_file *files, size_t count,
                     struct ol_error *err)
{
    char base[128], root[128];
    struct replay_file sources[4];
    snprintf(base, sizeof base, "%s/base", directory);
    snprintf(root, sizeof root, "%s/%s", directory, root_name);
    mkdir(root, 0755);
    for (size_t i = 0; i < count; i++)
        sources[i] = files[i];
    struct replay_plan plan = {
        .runs = directory, .base = base, .sources = sources, .source_count = count};
    struct layout l = {.plan = &plan, .root = root, .err = err};
    return layout_make(&l);
}

static void nothing_is_written_outside_or_over(void **state)
{
    (void)state;
    char full[128], through[128], path[256], target[128];
    static const char of_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    struct ol_error err = {.message = ""};
    snprintf(directory, sizeof directory, "/tmp/layout-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(full, sizeof full, "%s/base/a", directory);
    snprintf(through, sizeof through, "%s/base/link/a", directory);
    snprintf(path, sizeof path, "%s/base", directory);
    assert_int_equal(mkdir(path, 0755), 0);
    put("base/a", "abc");
    const struct replay_file good = {.full = full, .sha256 = of_abc};
    assert_int_equal(lay("one", &good, 1, &err), OL_OK);
    assert_int_equal(lay("one", &good, 1, &err), OL_OK); /* as it was wanted: it stays */
    put("one/a", "other");
    assert_int_equal(lay("one", &good, 1, &err), OL_INVALID);
    assert_non_null(strstr(err.message, "not written over"));
    /* the source is not what it was */
    put("base/a", "abd");
    assert_int_equal(lay("two", &good, 1, &err), OL_CORRUPT);
    snprintf(path, sizeof path, "%s/two/a", directory);
    assert_int_equal(access(path, F_OK), -1);
    unlink(full);
    assert_int_equal(lay("two", &good, 1, &err), OL_NOT_FOUND);
    /* a folder in the root that is a link to elsewhere */
    put("base/a", "abc");
    snprintf(path, sizeof path, "%s/three", directory);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(target, sizeof target, "%s/outside", directory);
    assert_int_equal(mkdir(target, 0755), 0);
    snprintf(path, sizeof path, "%s/three/link", directory);
    assert_int_equal(symlink(target, path), 0);
    const struct replay_file bad = {.full = through, .sha256 = of_abc};
    assert_int_equal(lay("three", &bad, 1, &err), OL_INVALID);
    assert_non_null(strstr(err.message, "would lie outside"));
    snprintf(path, sizeof path, "%s/outside/a", directory);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "rm -r %s", directory);
    assert_int_equal(system(path), 0); /* NOLINT(cert-env33-c): a path that mkdtemp() made */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_weighs), cmocka_unit_test(the_last_rule_counts),
        cmocka_unit_test(the_least_counts), cmocka_unit_test(nothing_is_written_outside_or_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
