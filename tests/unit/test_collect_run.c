/* SPDX-License-Identifier: Apache-2.0 */
/* What `lineage run` finds beyond what the library does: DVC's files as DVC writes them, what git
 * and nvidia-smi print, and programs that hang, flood or are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "collect_run.h"
#include "times.h"

#define SHA "1f2e3d4c5b6a79880716253443526170aabbccdd"

static int set_up(void **state)
{
    struct ol__collected *c = malloc(sizeof *c);
    assert_non_null(c);
    ol__collected_init(c, "");
    *state = c;
    return 0;
}

static int tear_down(void **state)
{
    ol__collected_release(*state);
    free(*state);
    return 0;
}

static void dvc_lock(void **state)
{
    static const char text[] = "schema: '2.0'\n"
                               "stages:\n"
                               "  clean:\n"
                               "    cmd: python clean.py\n"
                               "    deps:\n"
                               "    - path: data/raw\n"
                               "      hash: md5\n"
                               "      md5: 22e3f61e52c0ba45334d973244efc155.dir\n"
                               "      size: 12\n"
                               "      nfiles: 2\n"
                               "    params:\n"
                               "      params.yaml:\n"
                               "        lr: 0.1\n"
                               "    outs:\n"
                               "    - path: clean#1.csv\n"
                               "      md5: 0cc175b9c0f1b6a831c399e269772661\n"
                               "      size: 1\n"
                               "  fetch:\n"
                               "    deps:\n"
                               "    - path: https://ann:pw@example.org/x.csv?key=1\n"
                               "      etag: '\"abc\"'\n";
    struct collect_dvc_list list = {.dvc = {.struct_size = sizeof list.dvc}};
    assert_int_equal(collect_dvc_read(*state, ol__span_text(text), &list), OL_OK);
    assert_int_equal(list.dvc.data_count, 3);
    assert_string_equal(list.dvc.data[0].path, "data/raw");
    assert_string_equal(list.dvc.data[0].role, "dep");
    assert_string_equal(list.dvc.data[0].stage, "clean");
    assert_string_equal(list.dvc.data[0].algorithm, "md5");
    assert_string_equal(list.dvc.data[0].hash, "22e3f61e52c0ba45334d973244efc155.dir");
    assert_true(list.dvc.data[0].size.value == 12 && list.dvc.data[0].file_count.value == 2);
    assert_string_equal(list.dvc.data[1].path, "clean#1.csv");
    assert_string_equal(list.dvc.data[1].role, "out");
    assert_false(list.dvc.data[1].file_count.is_set);
    assert_string_equal(list.dvc.data[2].path, "https://example.org/x.csv");
    assert_string_equal(list.dvc.data[2].algorithm, "etag");
    assert_true(list.dvc.total_count.value == 3);
}

static void dvc_files(void **state)
{
    static const char added[] = "outs:\n- md5: a304afb96060aad90176268345e10355\n  size: 37891850\n"
                                "  hash: md5\n  path: data.xml\n";
    static const char imported[] =
        "md5: x\nfrozen: true\ndeps:\n- path: get/data\n  repo:\n    url: https://example.org/r\n"
        "    rev_lock: " SHA "\nouts:\n- md5: b\n  path: data\n";
    struct collect_dvc_list list = {.dvc = {.struct_size = sizeof list.dvc}};
    assert_int_equal(collect_dvc_read(*state, ol__span_text(added), &list), OL_OK);
    assert_int_equal(collect_dvc_read(*state, ol__span_text(imported), &list), OL_OK);
    assert_int_equal(list.dvc.data_count, 3);
    assert_null(list.dvc.data[0].stage);
    assert_true(list.dvc.data[0].size.value == 37891850);
    assert_string_equal(list.dvc.data[1].algorithm, "rev");
    assert_string_equal(list.dvc.data[1].hash, SHA);
}

/* Aliases make small files large; nothing deep, odd or cut short is more than left out. */
static void dvc_that_is_none(void **state)
{
    static const struct {
        const char *text;
        ol_status status;
    } cases[] = {{"", OL_INVALID},
                 {"[1, 2]", OL_INVALID},
                 {"outs: [", OL_INVALID},
                 {"a: &a [x]\nouts: *a\n", OL_INVALID},
                 {"outs: 1\nstages: []\n", OL_OK},
                 {"outs:\n- 1\n- path: []\n- md5: 1\n- path: \"a\\nb\"\n", OL_OK},
                 {"stages:\n  a: 1\n  b:\n    outs: {}\n", OL_OK}};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct collect_dvc_list list = {.dvc = {.struct_size = sizeof list.dvc}};
        assert_int_equal(collect_dvc_read(*state, ol__span_text(cases[i].text), &list),
                         cases[i].status);
        assert_int_equal(list.dvc.data_count, 0);
    }
    static char deep[2048];
    memset(deep, '[', sizeof deep - 1);
    struct collect_dvc_list list = {.dvc = {.struct_size = sizeof list.dvc}};
    assert_int_equal(collect_dvc_read(*state, ol__span_text(deep), &list), OL_INVALID);
}

static void dvc_with_more_than_is_listed(void **state)
{
    struct ol__buf text;
    struct collect_dvc_list list = {.dvc = {.struct_size = sizeof list.dvc}};
    ol__buf_init(&text, 1 << 20);
    ol__buf_add_text(&text, "outs:\n");
    for (int i = 0; i < 1500; i++)
        ol__buf_add_format(&text, "- path: f%d\n  md5: a%d\n", i, i);
    assert_int_equal(collect_dvc_read(*state, (struct ol__span){text.data, text.size}, &list),
                     OL_OK);
    assert_int_equal(list.dvc.data_count, 1000);
    assert_true(list.dvc.total_count.value == 1500);
    assert_string_equal(list.dvc.data[0].path, "f0");
    assert_string_equal(list.dvc.data[999].hash, "a999");
    ol__buf_release(&text);
}

static void git_status(void **state)
{
    struct ol__collected *c = *state;
    static const char text[] = "# branch.oid " SHA "\0# branch.head topic\0# branch.ab +0 -0\0"
                               "1 .M N... 100644 100644 100644 a b with space\0"
                               "u UU N... 1 1 1 1 a b c d\0? new\0? other\0! ignored";
    collect_git_status(c, (struct ol__span){text, sizeof text});
    assert_string_equal(c->code.commit, SHA);
    assert_string_equal(c->code.branch, "topic");
    assert_int_equal(c->code.dirty, OL_TRUE);
    assert_true(c->code.changed_count.value == 2 && c->code.untracked_count.value == 2);
    static const char clean[] = "# branch.oid (initial)\0# branch.head (detached)";
    c->code.commit = c->code.branch = NULL;
    collect_git_status(c, (struct ol__span){clean, sizeof clean});
    assert_int_equal(c->code.dirty, OL_FALSE);
    assert_null(c->code.commit);
    assert_null(c->code.branch);
}

static void gpus(void **state)
{
    struct ol__collected *c = *state;
    c->machine.gpus = c->gpus;
    c->machine.gpu_count = 1;
    c->gpus[0] = (struct ol_gpu){.struct_size = sizeof c->gpus[0], .address = "0000:41:00.0"};
    collect_gpu_list(
        c, ol__span_text("00000000:41:00.0, NVIDIA H100, GPU-1, 550.54.15, 81559\n"
                         "00000000:42:00.0, NVIDIA H100, GPU-2, 550.54.15, [N/A]\n\nno\n"));
    assert_int_equal(c->machine.gpu_count, 2);
    assert_string_equal(c->gpus[0].name, "NVIDIA H100");
    assert_true(c->gpus[0].memory_bytes.value == (int64_t)81559 << 20);
    assert_string_equal(c->gpus[1].uuid, "GPU-2");
    assert_false(c->gpus[1].memory_bytes.is_set);
}

static bool add(void *arg, const char *data, size_t size)
{
    return ol__buf_add(arg, data, size) == OL_OK;
}

static void programs(void **state)
{
    (void)state;
    static const char *const hello[] = {"sh", "-c", "pwd; cat; echo lost >&2", NULL};
    static const char *const hangs[] = {"sh", "-c", "echo x; exec sleep 60", NULL};
    static const char *const floods[] = {"sh", "-c", "exec yes", NULL};
    static const char *const fails[] = {"sh", "-c", "echo x; exit 3", NULL};
    static const char *const missing[] = {"no-such-program-of-anybody", NULL};
    atomic_bool is_late = false;
    struct ol__buf out;
    ol__buf_init(&out, 4096);
    assert_true(collect_program(hello, "/", 30000, &is_late, add, &out));
    assert_string_equal(out.data, "/\n");
    int64_t begin = ol__time_monotonic_ms();
    assert_false(collect_program(hangs, NULL, 200, &is_late, add, &out));
    assert_false(collect_program(floods, NULL, 30000, &is_late, add, &out));
    assert_false(collect_program(fails, NULL, 30000, &is_late, add, &out));
    assert_false(collect_program(missing, NULL, 30000, &is_late, add, &out));
    ol__buf_reset(&out);
    is_late = true; /* a second, and not the whole limit */
    assert_false(collect_program(hangs, NULL, 60000, &is_late, add, &out));
    assert_true(ol__time_monotonic_ms() - begin < 20000);
    ol__buf_release(&out);
}

static void names(void **state)
{
    (void)state;
    unsigned what = 7;
    assert_true(collect_run_parse("machine,dvc", &what));
    assert_int_equal(what, OL_COLLECT_MACHINE | COLLECT_DVC);
    assert_true(collect_run_parse("none", &what));
    assert_int_equal(what, 0);
    assert_true(collect_run_parse("all", &what));
    assert_int_equal(what, COLLECT_DEFAULT | COLLECT_PATCH | COLLECT_GPU);
    assert_false(collect_run_parse("machin", &what));
    assert_false(collect_run_parse("machine,", &what));
    assert_false(collect_run_parse("", &what));
    assert_int_equal(what, COLLECT_DEFAULT | COLLECT_PATCH | COLLECT_GPU);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(dvc_lock),         TEST(dvc_files),
                                       TEST(dvc_that_is_none), TEST(dvc_with_more_than_is_listed),
                                       TEST(git_status),       TEST(gpus),
                                       TEST(programs),         TEST(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
