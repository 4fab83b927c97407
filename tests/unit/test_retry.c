/* SPDX-License-Identifier: Apache-2.0 */
/* Proves agent/deliver/retry.c row by row: what each answer means, Retry-After, backoff, what
 * profile marquez will not be sent, and where a URL leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

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
        for (int profile = PROFILE_GENERIC; profile <= PROFILE_LINEAGED; profile++) {
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

static void refusals(void **state)
{
    (void)state;
    const struct ol__span schema_run = OL_SPAN_LIT("https://x/OpenLineage.json#/$defs/RunEvent");
    const struct ol__span schema_job = OL_SPAN_LIT("https://x/OpenLineage.json#/$defs/JobEvent");
    const struct ol__span schema_data = OL_SPAN_LIT("https://x/#/definitions/DatasetEvent");
    const struct ol__span none = {0};
    const struct {
        enum ol__event_kind kind;
        enum ol__event_type type;
        struct ol__span schema;
        uint32_t record, event;
        bool is_refused;
    } rows[] = {
        {OL_EVENT_RUN, OL_TYPE_START, schema_run, 0, 0, false},
        {OL_EVENT_RUN, OL_TYPE_UNKNOWN, none, OL_WARN_NO_SCHEMA_URL, 0, false},
        {OL_EVENT_RUN, OL_TYPE_ABSENT, schema_run, 0, 0, true},
        {OL_EVENT_RUN, OL_TYPE_COMPLETE, schema_run, OL_WARN_NUL, 0, true},
        {OL_EVENT_RUN, OL_TYPE_COMPLETE, schema_run, 0, OL_WARN_NUL, true},
        {OL_EVENT_JOB, OL_TYPE_ABSENT, schema_job, 0, 0, false},
        {OL_EVENT_JOB, OL_TYPE_ABSENT, none, 0, 0, true},
        {OL_EVENT_JOB, OL_TYPE_ABSENT, schema_run, 0, 0, true},
        {OL_EVENT_DATASET, OL_TYPE_ABSENT, schema_data, 0, 0, false},
        {OL_EVENT_DATASET, OL_TYPE_ABSENT, schema_job, 0, 0, true},
        {OL_EVENT_DATASET, OL_TYPE_ABSENT, none, 0, 0, true},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__event event = {.kind = rows[i].kind,
                                  .type = rows[i].type,
                                  .schema_url = rows[i].schema,
                                  .warnings = rows[i].event};
        assert_null(retry_refusal(PROFILE_GENERIC, &event, rows[i].record));
        assert_null(retry_refusal(PROFILE_LINEAGED, &event, rows[i].record));
        const char *why = retry_refusal(PROFILE_MARQUEZ, &event, rows[i].record);
        if ((why != NULL) != rows[i].is_refused)
            fail_msg("row %zu: %s", i, why != NULL ? why : "not refused");
    }
}

static void urls(void **state)
{
    (void)state;
    static const struct {
        const char *url, *want; /* NULL: refused */
    } rows[] = {
        {"http://marquez:5000", "http://marquez:5000/api/v1/lineage"},
        {"http://marquez:5000/", "http://marquez:5000/api/v1/lineage"},
        {"https://h/api/v2/lineage", "https://h/api/v2/lineage"},
        {"https://h/api/v1/lineage/", "https://h/api/v1/lineage/"},
        {"http://h?key=1", "http://h/api/v1/lineage?key=1"},
        {"http://h/?key=1", "http://h/api/v1/lineage?key=1"},
        {"http://[::1]:5000", "http://[::1]:5000/api/v1/lineage"},
        {"http://", NULL},
        {"http:///x", NULL},
        {"http://:80", NULL},
        {"marquez:5000", NULL},
        {"ftp://h", NULL},
        {"http://u:secret@h", NULL},
        {"htps://u:secret@h", NULL},
        {"http:///?key=secret", NULL},
        {"http://h/a b", NULL},
        {"http://h/#x", NULL},
        {"http://h/\nx", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__buf out;
        struct ol_error err = {0};
        ol__buf_init(&out, 1000);
        ol_status status = retry_url(rows[i].url, &out, &err);
        if (rows[i].want == NULL) {
            if (status != OL_INVALID || err.message[0] == '\0')
                fail_msg("'%s' was not refused", rows[i].url);
            assert_null(strstr(err.message, "secret"));
        } else {
            assert_int_equal(status, OL_OK);
            assert_string_equal(out.data, rows[i].want);
        }
        ol__buf_release(&out);
    }
}

static int set_up(void **state)
{
    struct ol__json_reader *reader = NULL;
    if (ol__json_reader_new(&reader, NULL) != OL_OK)
        return -1;
    *state = reader;
    return 0;
}

static int tear_down(void **state)
{
    ol__json_reader_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),  cmocka_unit_test(retry_after), cmocka_unit_test(backoff),
        cmocka_unit_test(refusals), cmocka_unit_test(urls),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
