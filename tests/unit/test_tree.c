/* SPDX-License-Identifier: Apache-2.0 */
/* Proves how answers look to people: exact text, nothing in it that a terminal would obey, every
 * shared node expanded once, and every wrong document refused. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "fail_alloc.h"
#include "tree.h"

typedef ol_status renderer(struct pretty *p, const struct json_node *root, struct ol_error *err);

/** Render @p json; the text is owned. NULL: it failed with *ret. */
static char *render(renderer *function, const char *json, bool is_utf8, bool has_colour, int width,
                    ol_status *ret)
{
    struct json_doc doc;
    struct ol__buf out;
    struct ol_error err = {.message = ""};
    ol__buf_init(&out, 64u << 20);
    struct pretty p = {.out = &out, .is_utf8 = is_utf8, .has_colour = has_colour, .width = width};
    *ret = json_doc_read(&doc, ol__span_text(json), &err);
    if (*ret == OL_OK) {
        *ret = function(&p, doc.root, &err);
        json_doc_release(&doc);
    }
    char *text = *ret == OL_OK ? strdup(out.data != NULL ? out.data : "") : NULL;
    ol__buf_release(&out);
    return text;
}

static void check(renderer *function, const char *json, bool is_utf8, int width,
                  const char *expected)
{
    ol_status st;
    char *text = render(function, json, is_utf8, false, width, &st);
    assert_int_equal(st, OL_OK);
    assert_string_equal(text, expected);
    free(text);
}

#define RUN(id, job, more)                                                                         \
    "{\"id\":" id                                                                                  \
    ",\"kind\":\"run\",\"depth\":1,\"run_id\":\"01a1fe0a-583d-72d0-ba10-3e1d1b248cb7\",\"job\":{"  \
    "\"namespace\":\"demo\",\"name\":\"" job "\"}" more "}"
#define DATASET(id, depth, name, more)                                                             \
    "{\"id\":" id ",\"kind\":\"dataset\",\"depth\":" depth                                         \
    ",\"namespace\":\"file\",\"name\":\"" name "\"" more "}"

static const char diamond[] =
    "{\"subject\":{\"by\":\"name\"},\"direction\":\"upstream\",\"nodes\":[" DATASET("0", "0", "/r.md", ",\"version\":\"sha256:12ab34cd5b76b345e8e3fbb5deae76003458faad6ad6a8f29f2179f2eab12948\"") "," RUN(
        "1", "report",
        ",\"state\":\"COMPLETE\",\"started\":\"2026-11-21T09:00:01.000Z\",\"ended\":\"2026-11-"
        "21T09:00:02.800Z\"") "," DATASET("2", "2", "/a",
                                          "") "," DATASET("3", "2", "/b",
                                                          ",\"version\":\"v7\"") "," RUN("4",
                                                                                         "split",
                                                                                         ",\"state"
                                                                                         "\":"
                                                                                         "\"ABORT\""
                                                                                         ",\"inferr"
                                                                                         "ed\":"
                                                                                         "true") "," DATASET("5",
                                                                                                             "4",
                                                                                                             "/src",
                                                                                                             "") "],\"edges\":[{\"from\":1,\"to\":0},{\"from\":2,\"to\":1},{\"from\":3,\"to\":1},{\"from\":4,\"to\":2},"
                                                                                                                 "{\"from\":4,\"to\":3},{\"from\":5,\"to\":4}],\"truncated\":false}";

static void test_tree(void **state)
{
    (void)state;
    check(tree_graph, diamond, true, 0,
          "file /r.md  sha256:12ab34cd\xe2\x80\xa6\n"
          "\xe2\x94\x94\xe2\x94\x80 report (demo)  run 01a1fe0a-583d\xe2\x80\xa6  COMPLETE  "
          "2026-11-21 09:00:01Z  1.8 s\n"
          "   \xe2\x94\x9c\xe2\x94\x80 file /a\n"
          "   \xe2\x94\x82  \xe2\x94\x94\xe2\x94\x80 split (demo)  run 01a1fe0a-583d\xe2\x80\xa6  "
          "ABORT (inferred)\n"
          "   \xe2\x94\x82     \xe2\x94\x94\xe2\x94\x80 file /src\n"
          "   \xe2\x94\x94\xe2\x94\x80 file /b  v7\n"
          "      \xe2\x94\x94\xe2\x94\x80 split (demo)  run 01a1fe0a-583d\xe2\x80\xa6  ABORT "
          "(inferred)  (above)\n");
    check(tree_graph, diamond, false, 0,
          "file /r.md  sha256:12ab34cd...\n"
          "`- report (demo)  run 01a1fe0a-583d...  COMPLETE  2026-11-21 09:00:01Z  1.8 s\n"
          "   |- file /a\n"
          "   |  `- split (demo)  run 01a1fe0a-583d...  ABORT (inferred)\n"
          "   |     `- file /src\n"
          "   `- file /b  v7\n"
          "      `- split (demo)  run 01a1fe0a-583d...  ABORT (inferred)  (above)\n");
}

static void test_downstream_cycle_and_notes(void **state)
{
    (void)state;
    check(tree_graph,
          "{\"subject\":{\"by\":\"content\",\"note\":\"a\\u001bb\"},\"direction\":\"downstream\","
          "\"nodes\":[" DATASET(
              "0", "0", "/s",
              "") ",{\"id\":1,\"kind\":\"job\",\"depth\":1,\"namespace\":\"n\",\"name\":\"j\"}],"
                  "\"edges\":[{\"from\":0,\"to\":1},{\"from\":1,\"to\":0}],\"truncated\":true,"
                  "\"cut_by\":\"depth\"}",
          false, 0,
          "(unknown by this name; found by its content)\n"
          "(a\\u{1b}b)\n"
          "file /s\n"
          "`- j (n)\n"
          "   `- file /s  (above)\n"
          "(there is more: --depth N)\n");
}

/* A dataset that @p runs runs of one job read, each in a version of its own, and wrote another;
 * and @p wide other datasets behind the first run. */
static char *batch(int runs, int wide)
{
    struct ol__buf out;
    const char *between = "";
    ol__buf_init(&out, 64u << 20);
    ol__buf_add_text(&out,
                     "{\"direction\":\"downstream\",\"nodes\":[{\"id\":0,\"kind\":\"dataset\","
                     "\"depth\":0,\"namespace\":\"file\",\"name\":\"/in\"}");
    for (int i = 1; i <= runs; i++)
        ol__buf_add_format(
            &out,
            ",{\"id\":%d,\"kind\":\"run\",\"depth\":1,\"run_id\":\"r%d\",\"job\":{"
            "\"namespace\":\"demo\",\"name\":\"sum\"},\"state\":\"%s\",\"started\":"
            "\"2026-11-21T09:%02d:%02dZ\"},{\"id\":%d,\"kind\":\"dataset\","
            "\"depth\":1,\"namespace\":\"file\",\"name\":\"/out\",\"version\":\"%d\"}",
            i, i, i % 10 == 0 ? "FAIL" : "COMPLETE", i / 60, i % 60, runs + i, i);
    for (int i = 1; i <= wide; i++)
        ol__buf_add_format(&out,
                           ",{\"id\":%d,\"kind\":\"dataset\",\"depth\":1,\"namespace\":\"file\","
                           "\"name\":\"/wide/%d\"}",
                           2 * runs + i, i);
    ol__buf_add_text(&out, "],\"edges\":[");
    for (int i = 1; i <= runs; i++, between = ",")
        ol__buf_add_format(&out,
                           "%s{\"from\":0,\"to\":%d,\"version\":\"v%d\"},{\"from\":%d,\"to\":%d}",
                           between, i, i, i, runs + i);
    for (int i = 1; i <= wide; i++, between = ",")
        ol__buf_add_format(&out, "%s{\"from\":%d,\"to\":%d}", between, runs > 0 ? runs : 0,
                           2 * runs + i);
    ol__buf_add_text(&out, "]}");
    return ol__buf_take(&out);
}

/* Of many runs the newest, and one line for all of them; of many datasets the first. */
static void test_many_below(void **state)
{
    (void)state;
    char *few = batch(5, 0), *many = batch(30, 0), *wide = batch(1, 10000);
    ol_status st;
    char *text = render(tree_graph, few, false, false, 0, &st);
    assert_null(strstr(text, "runs,"));
    assert_null(strstr(text, "not shown"));
    free(text);
    check(
        tree_graph, many, false, 0,
        "file /in\n"
        "`- sum (demo): 30 runs, 2026-11-21 09:00:01Z to 2026-11-21 09:00:30Z, 3 did not complete\n"
        "   |- sum (demo)  run r30  FAIL  2026-11-21 09:00:30Z  (read v30)\n"
        "   |  `- file /out  30\n"
        "   |- sum (demo)  run r29  COMPLETE  2026-11-21 09:00:29Z  (read v29)\n"
        "   |  `- file /out  29\n"
        "   |- sum (demo)  run r28  COMPLETE  2026-11-21 09:00:28Z  (read v28)\n"
        "   |  `- file /out  28\n"
        "   `- and 27 more, on to /out\n"
        "(54 of 61 are not shown: --all shows them)\n");
    text = render(tree_graph_all, many, false, false, 0, &st);
    assert_int_equal(st, OL_OK);
    for (int i = 1; i <= 30; i++) {
        char read[20];
        snprintf(read, sizeof read, "(read v%d)", i);
        assert_non_null(strstr(text, read));
    }
    free(text);
    text = render(tree_graph, wide, false, false, 0, &st);
    assert_non_null(strstr(text, "   |- file /wide/49\n   `- and 9951 more\n"));
    assert_non_null(strstr(text, "(9951 of 10003 are not shown: --all shows them)\n"));
    free(text);
    free(few);
    free(many);
    free(wide);
}

/* A chain of 50,000: neither stack nor text grow beyond bounds. */
static void test_deep(void **state)
{
    (void)state;
    struct ol__buf out;
    ol_status st;
    const int depth = 50000;
    ol__buf_init(&out, 64u << 20);
    ol__buf_add_text(&out, "{\"direction\":\"downstream\",\"nodes\":[");
    for (int i = 0; i < depth; i++)
        ol__buf_add_format(&out,
                           "%s{\"id\":%d,\"kind\":\"dataset\",\"depth\":%d,\"namespace\":\"n\","
                           "\"name\":\"d%d\"}",
                           i > 0 ? "," : "", i, i, i);
    ol__buf_add_text(&out, "],\"edges\":[");
    for (int i = 1; i < depth; i++)
        ol__buf_add_format(&out, "%s{\"from\":%d,\"to\":%d}", i > 1 ? "," : "", i - 1, i);
    ol__buf_add_text(&out, "]}");
    char *document = ol__buf_take(&out), *text = render(tree_graph, document, false, false, 0, &st);
    assert_int_equal(st, OL_OK);
    assert_non_null(strstr(text, "`- [1999] n d1999\n"));
    assert_non_null(strstr(text, "(48000 of 50000 are not shown: --all shows them)\n"));
    free(text);
    text = render(tree_graph_all, document, false, false, 0, &st);
    assert_int_equal(st, OL_OK);
    assert_non_null(strstr(text, "`- [49999] n d49999\n"));
    assert_true(strlen(text) < (size_t)50000 * 300);
    free(text);
    free(document);
}

static void test_harmful_names(void **state)
{
    (void)state;
    check(tree_graph,
          "{\"direction\":\"upstream\",\"nodes\":[" DATASET(
              "0", "0", "a\\nb\\t\\u001b[31m\\u009b\\u202e\\u0000\\u00fc", "") "],\"edges\":[]}",
          true, 0, "file a\\nb\\t\\u{1b}[31m\\u{9b}\\u{202e}\xef\xbf\xbd\xc3\xbc\n");
}

static const char runs[] = "{\"runs\":[{\"run_id\":\"r1\",\"job\":{\"namespace\":\"demo\",\"name\":"
                           "\"a-job-with-a-long-name\"},"
                           "\"state\":\"COMPLETE\",\"started\":\"2026-11-21T09:00:01Z\",\"ended\":"
                           "\"2026-11-21T09:02:03Z\"},"
                           "{\"run_id\":\"run2\",\"job\":{\"namespace\":\"demo\",\"name\":"
                           "\"\xc3\xbc\"},\"state\":\"FAIL\"}],\"truncated\":true}";

static void test_runs(void **state)
{
    (void)state;
    check(tree_runs, runs, true, 0,
          "RUN   STATE     STARTED               TOOK        JOB\n"
          "r1    COMPLETE  2026-11-21 09:00:01Z  2 min 02 s  demo/a-job-with-a-long-name\n"
          "run2  FAIL                                        demo/\xc3\xbc\n"
          "(there are more: --limit N)\n");
    check(tree_runs, "{\"runs\":[],\"truncated\":false}", true, 0, "no runs\n");
}

static void test_runs_narrow(void **state)
{
    (void)state;
    ol_status st;
    char *text = render(tree_runs, runs, false, false, 66, &st);
    assert_int_equal(st, OL_OK);
    size_t lines = 0;
    for (const char *line = text; *line != '\0'; lines++) {
        size_t size = strcspn(line, "\n");
        assert_true(size <= 66);
        line += size + 1;
    }
    assert_int_equal(lines, 4);
    assert_non_null(strstr(text, "demo/a-job-w"));
    assert_null(strstr(text, "long-name"));
    assert_non_null(strstr(text, "RUN"));
    free(text);
}

static void test_colour(void **state)
{
    (void)state;
    ol_status st;
    char *text = render(tree_runs, runs, true, true, 0, &st);
    assert_int_equal(st, OL_OK);
    assert_non_null(strstr(text, "\033[32mCOMPLETE\033[0m"));
    assert_non_null(strstr(text, "\033[31mFAIL\033[0m"));
    free(text);
}

static void test_show(void **state)
{
    (void)state;
    check(tree_show,
          "{\"subject\":{},\"datasets\":[{\"namespace\":\"file\",\"name\":\"/"
          "r\",\"written_by\":[{\"run_id\":\"r1\","
          "\"job\":{\"namespace\":\"d\",\"name\":\"j\"},\"state\":\"FAIL\",\"error\":\"no\"}],"
          "\"read_by\":[],"
          "\"facets\":{\"schema\":{\"_producer\":\"p\",\"fields\":[{\"name\":\"a\",\"type\":"
          "\"int\"},{\"name\":\"bb\"}]}}}]}",
          false, 0,
          "file /r\n"
          "  namespace  file\n"
          "  name       /r\n"
          "  written_by\n"
          "    RUN  STATE  STARTED  TOOK  JOB  ERROR\n"
          "    r1   FAIL                  d/j  no\n"
          "  facets\n"
          "    schema\n"
          "      fields\n"
          "        name  type\n"
          "        a     int\n"
          "        bb\n");
}

static void test_wrong_documents(void **state)
{
    (void)state;
    static const struct {
        renderer *function;
        const char *json;
    } rows[] = {
        {tree_graph, "{}"},
        {tree_graph, "[]"},
        {tree_graph, "null"},
        {tree_graph, "{\"direction\":\"upstream\",\"nodes\":[]}"},
        {tree_graph, "{\"direction\":1.5,\"nodes\":[{}],\"edges\":[]}"},
        {tree_graph, "{\"direction\":\"x\",\"nodes\":[{\"id\":1}],\"edges\":[]}"},
        {tree_graph, "{\"direction\":\"x\",\"nodes\":[{\"id\":0},{\"id\":0}],\"edges\":[]}"},
        {tree_graph,
         "{\"direction\":\"x\",\"nodes\":[{\"id\":0}],\"edges\":[{\"from\":0,\"to\":1}]}"},
        {tree_graph,
         "{\"direction\":\"x\",\"nodes\":[{\"id\":0}],\"edges\":[{\"from\":-1,\"to\":0}]}"},
        {tree_runs, "{\"runs\":{}}"},
        {tree_runs, "\"runs\""},
        {tree_show, "{\"datasets\":[]}"},
        {tree_status, "{\"intake\":{}}"},
        {tree_runs, "{\"runs\":["},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        ol_status st;
        assert_null(render(rows[i].function, rows[i].json, true, false, 0, &st));
        assert_int_equal(st, OL_INVALID);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    renderer *const functions[] = {tree_graph, tree_runs};
    const char *const documents[] = {diamond, runs};
    for (size_t i = 0; i < OL_COUNT(functions); i++) {
        for (unsigned long n = 1;; n++) {
            ol_status st;
            fail_alloc_at(n);
            char *text = render(functions[i], documents[i], true, false, 0, &st);
            bool has_failed = fail_alloc_stop();
            assert_true(st == OL_OK || st == OL_NOMEM);
            free(text);
            if (!has_failed)
                break;
        }
    }
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *end, *text;
    } rows[] = {
        {"2026-11-21T09:00:00Z", "2026-11-21T09:00:00.012Z", "12 ms"},
        {"2026-11-21T09:00:00Z", "2026-11-21T09:00:09.990Z", "9.9 s"},
        {"2026-11-21T09:00:00Z", "2026-11-21T09:00:59Z", "59 s"},
        {"2026-11-21T09:00:00Z", "2026-11-21T10:02:00Z", "1 h 02 min"},
        {"2026-11-21T09:00:00Z", "2026-11-21T08:00:00Z", ""},
        {"2026-11-21T09:00:00Z", NULL, ""},
        {"yesterday", "2026-11-21T09:00:00Z", ""},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        char out[ROWS_TEXT];
        rows_duration(rows[i].begin, rows[i].end, out);
        assert_string_equal(out, rows[i].text);
    }
}

int main(void)
{
    OL_IGNORE(setlocale(LC_CTYPE, "C.UTF-8") == NULL, "widths are then counted as one each");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),          cmocka_unit_test(test_downstream_cycle_and_notes),
        cmocka_unit_test(test_harmful_names), cmocka_unit_test(test_many_below),
        cmocka_unit_test(test_deep),          cmocka_unit_test(test_runs),
        cmocka_unit_test(test_runs_narrow),   cmocka_unit_test(test_colour),
        cmocka_unit_test(test_show),          cmocka_unit_test(test_wrong_documents),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
