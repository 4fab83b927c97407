/* SPDX-License-Identifier: Apache-2.0 */
/* started.json: what `lineage finish` reads is what `lineage start` wrote; what is no such file is
 * named; and where it stands. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "started.h"

static char directory[64];
static int dirfd_of_test;

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/test_started.XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    dirfd_of_test = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dirfd_of_test < 0 ? -1 : 0;
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"whole", "least", "text"};
    (void)state;
    for (size_t i = 0; i < OL_COUNT(names); i++)
        unlinkat(dirfd_of_test, names[i], 0);
    close(dirfd_of_test);
    return rmdir(directory);
}

static void what_is_written_is_read(void **state)
{
    static const struct receipt_artifact inputs[] = {
        {.path = "raw.csv",
         .name_space = "file",
         .name = "/d/raw.csv",
         .sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         .size = 7,
         .media_type = "text/csv",
         .kind = "file",
         .basis = "computed"},
        {.path = "s3://b/k", .version = "7", .size = -1, .kind = "remote", .basis = "declared"},
        {.path = "gone", .size = -1, .kind = "file", .basis = "unknown", .reason = "no such file"}};
    static const char *const outputs[] = {"a \"b\"", "\xc3\xa4.bin"};
    const struct started told = {.run_id = "0195d2c4-a1b9-7e6f-8a3c-0d1e2f405162",
                                 .job_namespace = "n",
                                 .job_name = "j",
                                 .parent_id = "n/p/0195d2c4-a1b9-7e6f-8a3c-0d1e2f405163",
                                 .root_id = "n/r/0195d2c4-a1b9-7e6f-8a3c-0d1e2f405164",
                                 .foreign_id = "4711",
                                 .foreign_system = "slurm:a",
                                 .started_ms = 1770230472123,
                                 .inputs = inputs,
                                 .input_count = OL_COUNT(inputs),
                                 .outputs = outputs,
                                 .output_count = OL_COUNT(outputs)};
    struct started_doc doc;
    struct ol_error err = {.message = ""};
    (void)state;
    assert_int_equal(started_put(dirfd_of_test, "whole", &told, &err), OL_OK);
    assert_int_equal(started_get(dirfd_of_test, "whole", &doc, &err), OL_OK);
    assert_string_equal(doc.started.run_id, told.run_id);
    assert_string_equal(doc.started.job_namespace, "n");
    assert_string_equal(doc.started.job_name, "j");
    assert_string_equal(doc.started.parent_id, told.parent_id);
    assert_string_equal(doc.started.root_id, told.root_id);
    assert_string_equal(doc.started.foreign_id, "4711");
    assert_string_equal(doc.started.foreign_system, "slurm:a");
    assert_int_equal(doc.started.started_ms, told.started_ms);
    assert_int_equal(doc.started.input_count, OL_COUNT(inputs));
    for (size_t i = 0; i < OL_COUNT(inputs); i++) {
        const struct receipt_artifact *a = &doc.started.inputs[i];
        assert_string_equal(a->path, inputs[i].path);
        assert_string_equal(a->kind, inputs[i].kind);
        assert_string_equal(a->basis, inputs[i].basis);
        assert_int_equal(a->size, inputs[i].size);
    }
    assert_string_equal(doc.started.inputs[0].sha256, inputs[0].sha256);
    assert_string_equal(doc.started.inputs[0].name, "/d/raw.csv");
    assert_string_equal(doc.started.inputs[0].media_type, "text/csv");
    assert_string_equal(doc.started.inputs[1].version, "7");
    assert_string_equal(doc.started.inputs[2].reason, "no such file");
    assert_int_equal(doc.started.output_count, OL_COUNT(outputs));
    for (size_t i = 0; i < OL_COUNT(outputs); i++)
        assert_string_equal(doc.started.outputs[i], outputs[i]);
    started_release(&doc);
}

static void nothing_told_is_nothing_read(void **state)
{
    const struct started told = {
        .run_id = "r", .job_namespace = "n", .job_name = "j", .started_ms = 1};
    struct started_doc doc;
    (void)state;
    assert_int_equal(started_put(dirfd_of_test, "least", &told, NULL), OL_OK);
    assert_int_equal(started_get(dirfd_of_test, "least", &doc, NULL), OL_OK);
    assert_null(doc.started.parent_id);
    assert_null(doc.started.root_id);
    assert_null(doc.started.foreign_id);
    assert_null(doc.started.foreign_system);
    assert_int_equal(doc.started.input_count, 0);
    assert_int_equal(doc.started.output_count, 0);
    started_release(&doc);
}

static void what_is_none_is_named(void **state)
{
    static const char *const wrong[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"run_id\": \"r\", \"job_namespace\": \"n\", \"job_name\": \"j\"}",
        "{\"run_id\": \"r\", \"job_namespace\": \"n\", \"job_name\": \"j\", \"started_at\": \"x\"}",
        "{\"run_id\": \"r\", \"job_name\": \"j\", \"started_at\": \"2026-02-04T18:41:12Z\"}"};
    struct started_doc doc;
    (void)state;
    assert_int_equal(started_get(dirfd_of_test, "missing", &doc, NULL), OL_NOT_FOUND);
    for (size_t i = 0; i < OL_COUNT(wrong); i++) {
        struct ol_error err = {.message = ""};
        int fd = openat(dirfd_of_test, "text", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, wrong[i], strlen(wrong[i])), strlen(wrong[i]));
        close(fd);
        assert_int_equal(started_get(dirfd_of_test, "text", &doc, &err), OL_CORRUPT);
        if (strstr(err.message, "text") == NULL)
            fail_msg("%zu: %s", i, err.message);
    }
}

static void where_it_stands(void **state)
{
    char out[STARTED_TEXT_MAX], *text = malloc(STARTED_TEXT_MAX + 1);
    (void)state;
    assert_non_null(text);
    setenv("XDG_STATE_HOME", "/s", 1);
    setenv("HOME", "/h", 1);
    assert_true(started_find_folder("given", out));
    assert_string_equal(out, "given");
    assert_true(started_find_folder(NULL, out));
    assert_string_equal(out, "/s/lineaged/started");
    setenv("XDG_STATE_HOME", "relative", 1); /* as if it were not set */
    assert_true(started_find_folder(NULL, out));
    assert_string_equal(out, "/h/.local/state/lineaged/started");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    assert_int_equal(started_find_folder(NULL, out), geteuid() == 0);
    memset(text, 'a', STARTED_TEXT_MAX);
    text[STARTED_TEXT_MAX] = '\0';
    assert_false(started_find_folder(text, out));
    assert_false(started_find_folder("", out));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(nothing_told_is_nothing_read),
        cmocka_unit_test(what_is_none_is_named),
        cmocka_unit_test(where_it_stands),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
