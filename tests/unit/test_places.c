/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that every program finds the same places from the same environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "places.h"

static void set(const char *name, const char *value)
{
    if (value != NULL)
        assert_int_equal(setenv(name, value, 1), 0);
    else
        assert_int_equal(unsetenv(name), 0);
}

static void test_user_places(void **state)
{
    (void)state;
    static const struct {
        const char *home, *config, *state, *runtime;
        ol_status status;
        const char *spool, *socket, *yaml;
    } rows[] = {
        {"/home/me", NULL, NULL, NULL, OL_OK, "/home/me/.local/state/lineaged/spool",
         "/home/me/.local/state/lineaged/lineaged.sock", "/home/me/.config/lineaged/lineaged.yaml"},
        {"/home/me", "/c", "/s", "/run/user/7", OL_OK, "/s/lineaged/spool",
         "/run/user/7/lineaged.sock", "/c/lineaged/lineaged.yaml"},
        {NULL, "/c", "/s", NULL, OL_OK, "/s/lineaged/spool", "/s/lineaged/lineaged.sock",
         "/c/lineaged/lineaged.yaml"},
        {"/home/me", NULL, "relative", NULL, OL_OK, "/home/me/.local/state/lineaged/spool",
         "/home/me/.local/state/lineaged/lineaged.sock", "/home/me/.config/lineaged/lineaged.yaml"},
        {NULL, NULL, "/s", NULL, OL_OK, "/s/lineaged/spool", "/s/lineaged/lineaged.sock",
         "/s/lineaged/lineaged.yaml"},
        {NULL, NULL, NULL, NULL, OL_CONFIG, NULL, NULL, NULL},
        {NULL, "/c", NULL, NULL, OL_CONFIG, NULL, NULL, NULL},
        {"relative", NULL, NULL, NULL, OL_CONFIG, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__places places;
        struct ol_error err;
        set("HOME", rows[i].home);
        set("XDG_CONFIG_HOME", rows[i].config);
        set("XDG_STATE_HOME", rows[i].state);
        set("XDG_RUNTIME_DIR", rows[i].runtime);
        assert_int_equal(ol__places_find(false, &places, &err), rows[i].status);
        if (rows[i].status != OL_OK) {
            assert_non_null(strstr(err.message, "XDG_STATE_HOME"));
            continue;
        }
        assert_string_equal(places.spool, rows[i].spool);
        assert_string_equal(places.socket, rows[i].socket);
        assert_string_equal(places.config, rows[i].yaml);
    }
}

static void test_system_places(void **state)
{
    (void)state;
    struct ol__places places;
    assert_int_equal(ol__places_find(true, &places, NULL), OL_OK);
    assert_string_equal(places.journal, "/var/lib/lineaged/journal");
    assert_string_equal(places.admin_socket, "/run/lineaged/lineaged-admin.sock");
    assert_string_equal(places.store, "/var/lib/lineaged/lineage.db");
}

static void test_admin_socket(void **state)
{
    (void)state;
    char out[32];
    assert_int_equal(ol__places_admin_socket("/r/a.sock", out, sizeof out), OL_OK);
    assert_string_equal(out, "/r/a-admin.sock");
    assert_int_equal(ol__places_admin_socket("/r/door", out, sizeof out), OL_OK);
    assert_string_equal(out, "/r/door-admin.sock");
    assert_int_equal(ol__places_admin_socket("/r/a.sock", out, 8), OL_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_places),
        cmocka_unit_test(test_system_places),
        cmocka_unit_test(test_admin_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
