/* SPDX-License-Identifier: Apache-2.0 */
/* Proves agent/deliver/retry.c row by row: what each answer means, Retry-After, backoff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "json_reader_fixture.h"
#include "retry.h"

#define NOW INT64_C(1795000000000)
#define CAP INT64_C(300000)

static void answers(void **state)
{
    struct ol__json_reader *reader = *state;
    static const struct {
        enum retry_failure failure;
        int status;
        const char *body, *after;
        struct retry_class generic, marquez;
    } rows[] = {
        /* clang-format off */
        {RETRY_ANSWERED, 200, "", "", {.kind = RETRY_DONE}, {.kind = RETRY_DONE}},
        {RETRY_ANSWERED, 201, "", "", {.kind = RETRY_DONE}, {.kind = RETRY_DONE}},
        {RETRY_ANSWERED, 202, "x", "5", {.kind = RETRY_DONE}, {.kind = RETRY_DONE}},
        {RETRY_ANSWERED, 204, "", "", {.kind = RETRY_DONE}, {.kind = RETRY_DONE}},
        {RETRY_ANSWERED, 301, "", "", {.kind = RETRY_HOLD}, {.kind = RETRY_HOLD}},
        {RETRY_ANSWERED, 307, "", "", {.kind = RETRY_HOLD}, {.kind = RETRY_HOLD}},
        {RETRY_ANSWERED, 400, "", "", {.kind = RETRY_PARK}, {.kind = RETRY_PARK}},
        {RETRY_ANSWERED, 401, "", "", {.kind = RETRY_HOLD}, {.kind = RETRY_HOLD}},
        {RETRY_ANSWERED, 403, "", "", {.kind = RETRY_HOLD}, {.kind = RETRY_HOLD}},
        {RETRY_ANSWERED, 404, "", "", {.kind = RETRY_HOLD}, {.kind = RETRY_HOLD}},
        {RETRY_ANSWERED, 405, "", "", {.kind = RETRY_HOLD}, {.kind = RETRY_HOLD}},
        {RETRY_ANSWERED, 408, "", "", {.kind = RETRY_LATER, .suspicion = RETRY_ODD}, {.kind = RETRY_LATER, .suspicion = RETRY_ODD}},
        {RETRY_ANSWERED, 409, "", "", {.kind = RETRY_PARK}, {.kind = RETRY_PARK}},
        {RETRY_ANSWERED, 413, "", "", {.kind = RETRY_PARK}, {.kind = RETRY_PARK}},
        {RETRY_ANSWERED, 415, "", "", {.kind = RETRY_PARK}, {.kind = RETRY_PARK}},
        {RETRY_ANSWERED, 422, "", "9", {.kind = RETRY_PARK}, {.kind = RETRY_PARK}},
        {RETRY_ANSWERED, 425, "", "", {.kind = RETRY_LATER}, {.kind = RETRY_LATER}},
        {RETRY_ANSWERED, 429, "", "", {.kind = RETRY_LATER}, {.kind = RETRY_LATER}},
        {RETRY_ANSWERED, 429, "", "2", {.kind = RETRY_LATER, .is_rate_limit = true, .after_ms = 2000}, {.kind = RETRY_LATER, .is_rate_limit = true, .after_ms = 2000}},
        {RETRY_ANSWERED, 500, "<html>code: 400</html>", "", {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}, {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}},
        {RETRY_ANSWERED, 500, "{\"code\":400,\"message\":\"Unable\"}", "", {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}, {.kind = RETRY_PARK}},
        {RETRY_ANSWERED, 500, " { \"message\":\"cut at four KiB\", \"code\" : 400, \"more\":\"abc", "", {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}, {.kind = RETRY_PARK}},
        {RETRY_ANSWERED, 500, "{\"code\":500,\"message\":\"\\\"code\\\":400\"}", "", {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}, {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}},
        {RETRY_ANSWERED, 500, "{\"deep\":{\"code\":400}}", "", {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}, {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}},
        {RETRY_ANSWERED, 500, "{\"code\":\"400\"}", "", {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}, {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}},
        {RETRY_ANSWERED, 502, "", "", {.kind = RETRY_LATER}, {.kind = RETRY_LATER}},
        {RETRY_ANSWERED, 503, "", "1", {.kind = RETRY_LATER, .after_ms = 1000}, {.kind = RETRY_LATER, .after_ms = 1000}},
        {RETRY_ANSWERED, 503, "{\"code\":400}", "1000000", {.kind = RETRY_LATER, .after_ms = CAP}, {.kind = RETRY_LATER, .after_ms = CAP}},
        {RETRY_ANSWERED, 504, "", "", {.kind = RETRY_LATER, .suspicion = RETRY_ODD}, {.kind = RETRY_LATER, .suspicion = RETRY_ODD}},
        {RETRY_ANSWERED, 507, "", "", {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}, {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT}},
        {RETRY_ANSWERED, 0, "", "", {.kind = RETRY_LATER, .suspicion = RETRY_ODD}, {.kind = RETRY_LATER, .suspicion = RETRY_ODD}},
        {RETRY_ANSWERED, 999, "", "", {.kind = RETRY_LATER, .suspicion = RETRY_ODD}, {.kind = RETRY_LATER, .suspicion = RETRY_ODD}},
        {RETRY_NO_CONNECTION, 0, "", "", {.kind = RETRY_LATER}, {.kind = RETRY_LATER}},
        {RETRY_TIMED_OUT, 0, "", "", {.kind = RETRY_LATER, .suspicion = RETRY_ODD}, {.kind = RETRY_LATER, .suspicion = RETRY_ODD}},
        {RETRY_BROKEN, 201, "", "", {.kind = RETRY_LATER, .suspicion = RETRY_ODD}, {.kind = RETRY_LATER, .suspicion = RETRY_ODD}},
        {RETRY_UNTRUSTED, 0, "", "", {.kind = RETRY_HOLD}, {.kind = RETRY_HOLD}},
        {RETRY_LOCAL, 0, "", "", {.kind = RETRY_LATER}, {.kind = RETRY_LATER}},
        /* clang-format on */
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct retry_answer answer = {.failure = rows[i].failure,
                                      .status = rows[i].status,
                                      .body = ol__span_text(rows[i].body),
                                      .retry_after = ol__span_text(rows[i].after)};
        for (int profile = PROFILE_GENERIC; profile < PROFILE_COUNT; profile++) {
            struct retry_class got =
                retry_classify((enum route_profile)profile, &answer, reader, NOW, CAP);
            const struct retry_class *want =
                profile == PROFILE_MARQUEZ ? &rows[i].marquez : &rows[i].generic;
            if (got.kind != want->kind || got.suspicion != want->suspicion ||
                got.is_rate_limit != want->is_rate_limit || got.after_ms != want->after_ms)
                fail_msg("row %zu profile %d: kind %d suspicion %d limit %d after %lld", i, profile,
                         (int)got.kind, got.suspicion, got.is_rate_limit, (long long)got.after_ms);
        }
    }
}

static void retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t want;
    } rows[] = {
        {"", -1},
        {"0", 0},
        {"1", 1000},
        {" 120 ", 120000},
        {"300", CAP},
        {"301", CAP},
        {"99999999999999999999999999", CAP},
        {"1.5", -1},
        {"-1", -1},
        {"soon", -1},
        {"Wed, 18 Nov 2026 13:20:02 GMT", CAP},
        {"Wed, 18 Nov 2026 11:06:42 GMT", 2000},
        {"Wed, 18 Nov 2026 11:06:40 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT+1", -1},
        {"Sun, 06 Nuv 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 25:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sunday, 06-Nov-94 08:49:37 GMT", -1},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        int64_t got = retry_after_parse(ol__span_text(rows[i].value), NOW, CAP);
        if (got != rows[i].want)
            fail_msg("'%s': %lld, not %lld", rows[i].value, (long long)got,
                     (long long)rows[i].want);
    }
}

static void backoff(void **state)
{
    (void)state;
    static const int64_t ceilings[] = {250, 500, 1000, 2000, 4000, 5000, 5000};
    for (int level = 0; level < (int)OL_COUNT(ceilings); level++) {
        assert_int_equal(retry_ceiling(250, 5000, level), ceilings[level]);
        assert_int_equal(retry_backoff(250, 5000, level, 0), 1);
        assert_int_equal(retry_backoff(250, 5000, level, (uint64_t)ceilings[level] - 1),
                         ceilings[level]);
        assert_int_equal(retry_backoff(250, 5000, level, (uint64_t)ceilings[level]), 1);
    }
    assert_int_equal(retry_ceiling(250, 300000, 1000), 300000);
    assert_int_equal(retry_ceiling(250, 100, 0), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(retry_after),
        cmocka_unit_test(backoff),
    };
    return cmocka_run_group_tests(tests, json_reader_set_up, json_reader_tear_down);
}
