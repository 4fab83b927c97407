/* SPDX-License-Identifier: Apache-2.0 */
/* Proves agent/deliver/secret.c: variables of the environment, files that are read again when they
 * change, and the last good text where they cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "secret.h"

static void variables(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* NULL: refused */
    } rows[] = {
        {"plain", "plain"},
        {"", ""},
        {"${OL_TEST_A}", "alpha"},
        {"x-${OL_TEST_A}-${OL_TEST_B}$", "x-alpha-$"},
        {"$OL_TEST_A", "$OL_TEST_A"},
        {"${OL_TEST_NONE}", NULL},
        {"${}", NULL},
        {"${OL_TEST_A", NULL},
    };
    assert_int_equal(setenv("OL_TEST_A", "alpha", 1), 0);
    assert_int_equal(setenv("OL_TEST_B", "", 1), 0);
    unsetenv("OL_TEST_NONE");
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct secret s;
        struct ol_error err = {0};
        ol_status status = secret_open(&s, "api_key", rows[i].text, NULL, 100, &err);
        if (rows[i].want == NULL) {
            if (status != OL_CONFIG || strstr(err.message, "api_key") == NULL)
                fail_msg("'%s' was not refused", rows[i].text);
        } else {
            assert_int_equal(status, OL_OK);
            assert_string_equal(s.text.data != NULL ? s.text.data : "", rows[i].want);
            assert_int_equal(secret_read(&s, true, &err), OL_END);
        }
        secret_release(&s);
    }
}

static void write_file(const char *path, const char *text)
{
    char next[64];
    snprintf(next, sizeof next, "%s.next", path);
    FILE *file = fopen(next, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(next, path), 0);
}

static void files(void **state)
{
    (void)state;
    char directory[] = "/tmp/ol-secret-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/key", directory);
    struct secret s;
    struct ol_error err = {0};
    assert_int_equal(secret_open(&s, "key_file", NULL, path, 20, &err), OL_OK);
    assert_true(secret_read(&s, true, &err) < 0);
    assert_false(s.is_there);
    assert_non_null(strstr(err.message, "key_file"));
    write_file(path, "one \r\n");
    assert_int_equal(secret_read(&s, true, &err), OL_OK);
    assert_string_equal(s.text.data, "one");
    assert_int_equal(secret_read(&s, true, &err), OL_END);
    write_file(path, "two\n");
    assert_int_equal(secret_read(&s, false, &err), OL_OK);
    assert_string_equal(s.text.data, "two\n");
    /* what cannot be used leaves it as it was */
    static const char *const bad[] = {"", " \n", "longer than twenty characters"};
    for (size_t i = 0; i < OL_COUNT(bad); i++) {
        write_file(path, bad[i]);
        assert_true(secret_read(&s, true, &err) < 0);
        assert_string_equal(s.text.data, "two\n");
        assert_null(strstr(err.message, "twenty"));
    }
    assert_int_equal(unlink(path), 0);
    assert_true(secret_read(&s, true, &err) < 0);
    assert_true(s.is_there);
    write_file(path, "three");
    assert_int_equal(secret_read(&s, true, &err), OL_OK);
    assert_string_equal(s.text.data, "three");
    secret_release(&s);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(variables), cmocka_unit_test(files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
