/* SPDX-License-Identifier: Apache-2.0 */
/* Proves what a version of a file stands for, and how sizes are read. That inputs are those from
 * before the command is proved with the program (tests/e2e/test_run.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "run_files.h"

static char directory[] = "/tmp/test_run_files.XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL && chdir(directory) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    OL_IGNORE(unlink("file") + unlink("fifo") + unlink("link"), "some are not there");
    return chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

static void put(const char *name, const char *text, size_t size)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_size;
        uint64_t size;
    } rows[] = {
        {"0", true, 0},
        {"1", true, 1},
        {"17B", true, 17},
        {"64K", true, 65536},
        {"64KiB", true, 65536},
        {"3MiB", true, UINT64_C(3) << 20},
        {"2G", true, UINT64_C(2) << 30},
        {"1TiB", true, UINT64_C(1) << 40},
        {"18446744073709551615", true, UINT64_MAX},
        {"16777215T", true, UINT64_C(16777215) << 40},
        {"16777216T", false, 0}, /* past 64 bits */
        {"18446744073709551616", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1MB", false, 0},
        {"1.5G", false, 0},
        {"G", false, 0},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        uint64_t size = 42;
        assert_int_equal(run_files_parse_size(rows[i].text, &size), rows[i].is_size);
        assert_int_equal(size, rows[i].is_size ? rows[i].size : 42);
    }
}

static void test_hash_path(void **state)
{
    (void)state;
    static const char abc[] =
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char version[RUN_VERSION_SIZE];
    put("file", "abc", 3);
    assert_int_equal(run_files_hash_path("file", 3, version), OL_OK);
    assert_string_equal(version, abc);
    assert_int_equal(symlink("file", "link"), 0);
    assert_int_equal(run_files_hash_path("link", 1000, version), OL_OK);
    assert_string_equal(version, abc);
    assert_int_equal(run_files_hash_path("file", 2, version), OL_END);
    assert_int_equal(run_files_hash_path(".", 1000, version), OL_END);
    assert_int_equal(run_files_hash_path("/dev/zero", 1000, version), OL_END);
    assert_int_equal(run_files_hash_path("none", 1000, version), OL_NOT_FOUND);
    assert_int_equal(run_files_hash_path("file/none", 1000, version), OL_NOT_FOUND);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(run_files_hash_path("fifo", 1000, version), OL_END); /* and does not block */
}

static bool always(void)
{
    return true;
}

/** Inputs as the run has them, without a run. */
static void input_of(struct run_files *files, const char *name)
{
    assert_int_equal(run_files_add(files, RUN_INPUT, name), OL_OK);
    run_files_declare(files, NULL);
}

static void test_input_changes(void **state)
{
    (void)state;
    enum change { NOTHING, CONTENT, LONGER, REPLACED, REMOVED, HURRY, CHANGES };
    for (int change = NOTHING; change < CHANGES; change++) {
        struct run_files files = {.hash_limit = 1000,
                                  .is_hurried = change == HURRY ? always : NULL,
                                  .caching = ARTIFACT_CACHE_NONE};
        put("file", "abc", 3);
        input_of(&files, "file");
        run_files_open_inputs(&files);
        assert_true(run_files_has_inputs(&files));
        if (change == CONTENT)
            put("file", "xyz", 3);
        if (change == LONGER)
            put("file", "abcd", 4);
        if (change == REPLACED) {
            put("new", "xyz", 3);
            assert_int_equal(rename("new", "file"), 0);
        }
        if (change == REMOVED)
            assert_int_equal(unlink("file"), 0);
        run_files_hash_inputs(&files);
        bool has_version = change == NOTHING || change == REPLACED || change == REMOVED;
        assert_int_equal(files.items[0].artifact.sha256[0] != '\0', has_version);
        if (has_version)
            assert_non_null(strstr(files.items[0].artifact.sha256, "ba7816bf8f01cfea"));
        run_files_release(&files);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct run_files files = {.hash_limit = 0};
    for (int i = 0; i < RUN_FILES_MAX; i++)
        assert_int_equal(run_files_add(&files, RUN_INPUT, "x"), OL_OK);
    assert_int_equal(run_files_add(&files, RUN_INPUT, "x"), OL_TOO_LARGE);
    assert_int_equal(files.count, RUN_FILES_MAX);
    run_files_release(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_hash_path),
        cmocka_unit_test(test_input_changes),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
