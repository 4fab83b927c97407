/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: times are formatted as gmtime(3) says over all years, parsed back to the same ms, and
 * what is no RFC 3339 time is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#include "times.h"

static void formats_as_gmtime_does(void **state)
{
    (void)state;
    /* a prime number of ms, some 100 days, so that every field changes */
    for (int64_t ms = INT64_C(-62135596800000); ms <= INT64_C(253402300799999);
         ms += INT64_C(8640001237)) {
        int64_t floor_s = (ms - ((ms % 1000) + 1000) % 1000) / 1000;
        time_t seconds = (time_t)floor_s;
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        char expected[100];
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)(ms - floor_s * 1000));
        char text[OL_TIME_TEXT + 1];
        ol__time_format(ms, text);
        assert_string_equal(text, expected);
        int64_t back = 1;
        bool has_zone = false;
        assert_int_equal(ol__time_parse(ol__span_text(text), &back, &has_zone), OL_OK);
        assert_true(back == ms);
        assert_true(has_zone);
    }
}

static void clamps_what_it_cannot_write(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{INT64_MIN, "0001-01-01T00:00:00.000Z"},
                 {INT64_C(-62135596800001), "0001-01-01T00:00:00.000Z"},
                 {0, "1970-01-01T00:00:00.000Z"},
                 {-1, "1969-12-31T23:59:59.999Z"},
                 {INT64_C(253402300800000), "9999-12-31T23:59:59.999Z"},
                 {INT64_MAX, "9999-12-31T23:59:59.999Z"}};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        char text[OL_TIME_TEXT + 1];
        ol__time_format(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void parses_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        bool has_zone;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, true},
        {"1970-01-01t00:00:00z", 0, true},
        {"1970-01-01 00:00:00+00:00", 0, true},
        {"1970-01-01T00:00:00-00:00", 0, true},
        {"1970-01-01T00:00:00", 0, false},
        {"1970-01-01T00:00:00.5", 500, false},
        {"1970-01-01T00:00:00.1239999Z", 123, true},
        {"1970-01-01T00:00:00.000001Z", 0, true},
        {"1970-01-01T01:00:00+01:00", 0, true},
        {"1969-12-31T18:30:00.25-05:30", 250, true},
        {"2016-12-31T23:59:60Z", INT64_C(1483228799000), true},
        {"2000-02-29T12:00:00Z", INT64_C(951825600000), true},
        {"2026-11-21T09:00:00.000Z", INT64_C(1795251600000), true},
        {"0001-01-01T00:00:00+23:59", INT64_C(-62135683140000), true},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        int64_t ms = -1;
        bool has_zone = !cases[i].has_zone;
        assert_int_equal(ol__time_parse(ol__span_text(cases[i].text), &ms, &has_zone), OL_OK);
        assert_true(ms == cases[i].ms);
        assert_int_equal(has_zone, cases[i].has_zone);
        assert_int_equal(ol__time_parse(ol__span_text(cases[i].text), &ms, NULL), OL_OK);
    }
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "now",
        "2026-11-21",
        "2026-11-21T09:00Z",
        "2026-11-21T09:00:00.Z",
        "2026-11-21T09:00:00,5Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T09:60:00Z",
        "2026-11-21T09:00:61Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-04-00T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-11-21T09:00:00+0100",
        "2026-11-21T09:00:00+24:00",
        "2026-11-21T09:00:00+01:60",
        "2026-11-21T09:00:00+01",
        "2026-11-21T09:00:00Zx",
        "2026-11-21T09:00:00 Z",
        " 2026-11-21T09:00:00Z",
        "2026-11-21_09:00:00Z",
        "2026/11/21T09:00:00Z",
        "+026-11-21T09:00:00Z",
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        int64_t ms = 77;
        bool has_zone = true;
        assert_int_equal(ol__time_parse(ol__span_text(cases[i]), &ms, &has_zone), OL_INVALID);
        assert_int_equal(ms, 77);
    }
    int64_t ms = 77;
    struct ol__span with_nul = {"2026-11-21T09:00:00Z\0", 21};
    assert_int_equal(ol__time_parse(with_nul, &ms, NULL), OL_INVALID);
    struct ol__span nul_inside = {"2026-11-21\00009:00:00Z", 20};
    assert_int_equal(ol__time_parse(nul_inside, &ms, NULL), OL_INVALID);
}

static void clocks_move(void **state)
{
    (void)state;
    int64_t before = ol__time_monotonic_us();
    int64_t ms = ol__time_monotonic_ms();
    int64_t after = ol__time_monotonic_us();
    assert_true(before / 1000 <= ms && ms <= after / 1000);
    int64_t wall = (int64_t)time(NULL);
    assert_true(ol__time_now_ms() / 1000 - wall <= 10 && ol__time_now_ms() / 1000 >= wall - 1);
    assert_true(ol__time_now_ns() / 1000000 - ol__time_now_ms() < 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_as_gmtime_does),
        cmocka_unit_test(clamps_what_it_cannot_write),
        cmocka_unit_test(parses_every_form),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(clocks_move),
    };
    return cmocka_run_group_tests_name("times", tests, NULL, NULL);
}
