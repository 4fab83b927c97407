/* SPDX-License-Identifier: Apache-2.0 */
/* Proves agent/deliver/profile.c: what each kind of server is not sent, which answers mean a bad
 * event although their status does not say so, and where URLs lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "json_reader_fixture.h"
#include "profile.h"

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
        assert_null(profile_refusal(PROFILE_GENERIC, &event, rows[i].record));
        assert_null(profile_refusal(PROFILE_LINEAGED, &event, rows[i].record));
        assert_null(profile_refusal(PROFILE_DATAHUB, &event, rows[i].record));
        assert_int_equal(profile_refusal(PROFILE_OPENMETADATA, &event, rows[i].record) != NULL,
                         rows[i].kind != OL_EVENT_RUN);
        const char *why = profile_refusal(PROFILE_MARQUEZ, &event, rows[i].record);
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
        ol_status status = profile_url(PROFILE_GENERIC, rows[i].url, &out, &err);
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

static void answers_that_park(void **state)
{
    static const struct {
        enum route_profile profile;
        int status;
        const char *body;
        bool parks;
    } rows[] = {
        {PROFILE_MARQUEZ, 500, "{\"code\":400}", true},
        {PROFILE_MARQUEZ, 503, "{\"code\":400}", false},
        {PROFILE_MARQUEZ, 500, "<html>", false},
        {PROFILE_DATAHUB, 500, "{\"code\":400}", false},
        {PROFILE_DATAHUB, 500, "java.lang.RuntimeException: Unable to determine orchestrator: x",
         true},
        {PROFILE_DATAHUB, 502, "Unable to determine orchestrator", false},
        {PROFILE_DATAHUB, 500, "", false},
        {PROFILE_GENERIC, 500, "Unable to determine orchestrator", false},
        {PROFILE_OPENMETADATA, 500, "{\"code\":400}", false},
        {PROFILE_LINEAGED, 500, "{\"code\":400}", false},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++)
        if (profile_parks(rows[i].profile, rows[i].status, ol__span_text(rows[i].body), *state) !=
            rows[i].parks)
            fail_msg("row %zu", i);
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        enum route_profile profile;
        const char *url, *want, *batch, *health;
    } rows[] = {
        {PROFILE_LINEAGED, "http://a:5010", "http://a:5010/api/v1/lineage",
         "http://a:5010/api/v1/lineage/batch", "http://a:5010/healthz"},
        {PROFILE_DATAHUB, "https://gms:8080/?t=1",
         "https://gms:8080/openapi/openlineage/api/v1/lineage?t=1",
         "https://gms:8080/openapi/openlineage/api/v1/lineage/batch?t=1",
         "https://gms:8080/health"},
        {PROFILE_OPENMETADATA, "http://om:8585", "http://om:8585/api/v1/openlineage/lineage",
         "http://om:8585/api/v1/openlineage/lineage/batch", NULL},
        {PROFILE_LINEAGED, "http://h/x/lineage/", "http://h/x/lineage/", "http://h/x/lineage/batch",
         "http://h/healthz"},
        {PROFILE_GENERIC, "http://h/x?a=b/c", "http://h/x?a=b/c", "http://h/x/batch?a=b/c", NULL},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__buf url, batch, health;
        struct ol_error err = {0};
        ol__buf_init(&url, 1000);
        ol__buf_init(&batch, 1000);
        ol__buf_init(&health, 1000);
        assert_int_equal(profile_url(rows[i].profile, rows[i].url, &url, &err), OL_OK);
        assert_string_equal(url.data, rows[i].want);
        assert_int_equal(profile_batch_url(url.data, &batch, &err), OL_OK);
        assert_string_equal(batch.data, rows[i].batch);
        const char *path = profile_of(rows[i].profile)->health;
        assert_int_equal(path == NULL, rows[i].health == NULL);
        if (path != NULL) {
            assert_int_equal(profile_health_url(url.data, path, &health, &err), OL_OK);
            assert_string_equal(health.data, rows[i].health);
        }
        ol__buf_release(&url);
        ol__buf_release(&batch);
        ol__buf_release(&health);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(urls),
        cmocka_unit_test(answers_that_park),
        cmocka_unit_test(paths),
    };
    return cmocka_run_group_tests(tests, json_reader_set_up, json_reader_tear_down);
}
