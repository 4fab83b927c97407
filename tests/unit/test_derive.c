/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: SHA-1 gives the published sums, whatever the pieces; computed ids are those that the
 * Python and the Java client computed for the same facts (recorded here, asked again by
 * tests/e2e/test_names.py); each form of a foreign id has its UUID; what has none is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "derive.h"
#include "sha1.h"

static void to_hex(const uint8_t *sum, char out[2 * OL_SHA1_SIZE + 1])
{
    for (int i = 0; i < OL_SHA1_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

static void sha1_gives_the_published_sums(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sum;
    } rows[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    };
    uint8_t sum[OL_SHA1_SIZE];
    char hex[2 * OL_SHA1_SIZE + 1];
    struct ol__sha1 sha;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        ol__sha1_init(&sha);
        ol__sha1_add(&sha, rows[i].text, strlen(rows[i].text));
        ol__sha1_finish(&sha, sum);
        to_hex(sum, hex);
        assert_string_equal(hex, rows[i].sum);
    }
    ol__sha1_init(&sha); /* a million times "a", in pieces that cross every block border */
    char many[137];
    memset(many, 'a', sizeof many);
    for (size_t left = 1000000, part = 1; left > 0; left -= part, part = part % sizeof many + 1) {
        part = OL_MIN(part, left);
        ol__sha1_add(&sha, many, part);
    }
    ol__sha1_finish(&sha, sum);
    to_hex(sum, hex);
    assert_string_equal(hex, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

static void assert_id(const char *what, const struct ol__uuid *uuid, const char *expected)
{
    char text[OL_UUID_TEXT + 1];
    ol__uuid_format(uuid, text);
    if (strcmp(text, expected) != 0)
        fail_msg("%s: %s, expected %s", what, text, expected);
}

#define TASK "default.my_dag.my_task.1.-1"

static void python_rule(void **state)
{
    (void)state;
    static const struct {
        const char *instant, *data, *id;
    } rows[] = {
        {"2025-01-01T00:00:00Z", TASK, "01941f29-7c00-7837-a31d-d79a7fb36a3d"},
        {"2025-01-01T01:00:00+01:00", TASK, "01941f29-7c00-7837-a31d-d79a7fb36a3d"},
        {"2025-01-01T00:00:00Z", "default.my_dag.0", "01941f29-7c00-709e-becf-9b63d4348e4b"},
        {"2024-02-29T12:34:56.789123Z", TASK, "018df4dc-5495-7959-9b84-a715d5877bdc"},
        {"2024-02-29T12:34:56.789123999Z", TASK, "018df4dc-5495-7959-9b84-a715d5877bdc"},
        {"2024-02-29T12:34:56.001Z", TASK, "018df4dc-5181-7a0e-9305-3a7f6c7dc42f"},
        {"2024-02-29T14:34:56+02:00", TASK, "018df4dc-5180-7646-a211-bb9b7322a7f2"},
        /* the milliseconds went through a double */
        {"2001-09-09T01:46:41.001Z", TASK, "00e8d4a5-13e9-7828-aaad-1d8ed12b5e86"},
        {"2023-05-05T05:05:05.005Z", TASK, "0187ea4c-a7ed-7e01-9d4e-17d626003499"},
        {"1969-12-31T23:59:59.9995Z", TASK, "00000000-0000-7c55-b12a-57c9b40b74fd"},
        {"1700-03-01T00:00:00.000001Z", TASK, "f841643d-7001-7d45-b61c-d496f6eb9471"},
        {"2254-12-31T23:59:59.999999Z", TASK, "082e0394-c7ff-73f4-8cec-3208a2ba3377"},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__uuid id;
        assert_int_equal(
            ol__derive_python(ol__span_text(rows[i].instant), ol__span_text(rows[i].data), &id),
            OL_OK);
        assert_id(rows[i].instant, &id, rows[i].id);
    }
}

static void java_rule(void **state)
{
    (void)state;
    static const struct {
        const char *instant, *id;
    } rows[] = {
        {"2025-01-01T00:00:00Z", "01941f29-7c00-7240-b326-933cc12c6946"},
        {"2024-02-29T12:34:00Z", "018df4db-76c0-701e-80c7-8098ff89b9e8"},
        {"2024-02-29T12:34:56.5Z", "018df4dc-5374-78f5-8e61-79f72e83051a"},
        {"2024-02-29T12:34:56.789Z", "018df4dc-5495-7472-b025-88bed2b3ec8a"},
        {"2024-02-29T12:34:56.789123Z", "018df4dc-5495-7389-9fc3-5b44bdf187ec"},
        {"2024-02-29T12:34:56.789123456Z", "018df4dc-5495-7f77-b702-f87ec7b11bfb"},
        {"1969-12-31T23:59:59.999Z", "ffffffff-ffff-7afc-ae01-5e7c3e8b5225"},
        {"1969-12-31T23:59:59.9995Z", "ffffffff-ffff-7300-8dd8-02e22d9c4403"},
        {"1700-03-01T00:00:00.000001Z", "f841643d-7000-7730-ab15-43930e05cf36"},
        {"2254-12-31T23:59:59.999999999Z", "082e0394-c7ff-78da-97d8-6de0414194e7"},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__uuid id;
        assert_int_equal(ol__derive_java(ol__span_text(rows[i].instant), OL_SPAN_LIT(TASK), &id),
                         OL_OK);
        assert_id(rows[i].instant, &id, rows[i].id);
    }
}

static void airflow_is_pythons_rule_over_its_names(void **state)
{
    (void)state;
    struct ol__uuid id;
    static const char day[] = "2025-01-01T00:00:00+00:00";
    assert_int_equal(ol__derive_airflow_task("default", "my_dag", "my_task", 1, -1, day, &id),
                     OL_OK);
    assert_id("task", &id, "01941f29-7c00-7837-a31d-d79a7fb36a3d");
    assert_int_equal(ol__derive_airflow_dag("default", "my_dag", 0, day, &id), OL_OK);
    assert_id("dag run", &id, "01941f29-7c00-709e-becf-9b63d4348e4b");
    assert_int_equal(ol__derive_airflow_task("", "my_dag", "my_task", 1, -1, day, &id), OL_INVALID);
    assert_int_equal(ol__derive_airflow_task("n", NULL, "my_task", 1, -1, day, &id), OL_INVALID);
    assert_int_equal(ol__derive_airflow_task("n", "d", "t", 1, -1, "yesterday", &id), OL_INVALID);
    assert_int_equal(ol__derive_airflow_dag("n", "d", 0, NULL, &id), OL_INVALID);
}

static void what_is_no_instant_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "2025-01-01",
                                      "2025-01-01T00:00:00", /* whose midnight? */
                                      "2256-01-01T00:00:00Z",
                                      "1600-01-01T00:00:00Z",
                                      "2025-13-01T00:00:00Z",
                                      "2025-01-01T00:00:00Zx"};
    for (size_t i = 0; i < OL_COUNT(bad); i++) {
        struct ol__uuid id;
        assert_int_equal(ol__derive_python(ol__span_text(bad[i]), OL_SPAN_LIT("x"), &id),
                         OL_INVALID);
        assert_int_equal(ol__derive_java(ol__span_text(bad[i]), OL_SPAN_LIT("x"), &id), OL_INVALID);
    }
}

static void each_form_of_a_foreign_id(void **state)
{
    (void)state;
#define UUID "0123abcd-4567-489a-bcde-f0123456789a"
    static const struct {
        const char *system, *text, *id;
        enum ol__foreign form;
    } rows[] = {
        {"", UUID, UUID, OL_FOREIGN_UUID},
        {"any", UUID, UUID, OL_FOREIGN_UUID},
        {"", "0123ABCD-4567-489A-BCDE-F0123456789A", UUID, OL_FOREIGN_SPELT_UUID},
        {"", "{" UUID "}", UUID, OL_FOREIGN_SPELT_UUID},
        {"", "URN:uuid:" UUID, UUID, OL_FOREIGN_SPELT_UUID},
        {"mlflow", "0123abcd4567489abcdef0123456789a", UUID, OL_FOREIGN_HEX},
        {"", "0123ABCD4567489ABCDEF0123456789A", UUID, OL_FOREIGN_HEX},
        {"", "20261121T090000Z_0123abcd4567489abcdef0123456789a", UUID, OL_FOREIGN_RECEIPT},
        {"", "2026-11-21T09:00:00Z_0123abcd4567489abcdef0123456789a", UUID, OL_FOREIGN_RECEIPT},
        {"slurm:alpha", "4711_3", "1bf23993-f22b-5af3-8ed9-07e7dd7d61ac", OL_FOREIGN_TEXT},
        {"", "4711", "af0afc56-c319-5f67-85e3-6d06934966b2", OL_FOREIGN_TEXT},
        {"", "a/b", "7bfc29f2-5fe3-5fc4-9010-79e8d78c9df1", OL_FOREIGN_TEXT},
    };
    static const char *const texts[] = {/* near misses: texts like any other */
                                        "0123abcd4567489abcdef0123456789",
                                        "0123abcd4567489abcdef0123456789ab",
                                        "0123abcd4567489abcdef0123456789g",
                                        ("{" UUID),
                                        "urn:uuid:",
                                        "_0123abcd4567489abcdef0123456789a",
                                        "job_0123abcd4567489abcdef0123456789a",
                                        "manual__2025-01-01T00:00:00+00:00"};
    struct ol__uuid id;
    enum ol__foreign form;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        assert_int_equal(ol__derive_foreign(ol__span_text(rows[i].system),
                                            ol__span_text(rows[i].text), &id, &form),
                         OL_OK);
        assert_id(rows[i].text, &id, rows[i].id);
        assert_int_equal(form, rows[i].form);
    }
    for (size_t i = 0; i < OL_COUNT(texts); i++) {
        assert_int_equal(ol__derive_foreign(OL_SPAN_LIT("s"), ol__span_text(texts[i]), &id, &form),
                         OL_OK);
        assert_int_equal(form, OL_FOREIGN_TEXT);
        assert_int_equal(id.bytes[6] >> 4, 5);
        assert_int_equal(id.bytes[8] >> 6, 2);
    }
}

static void foreign_texts_have_a_name_space_that_others_can_compute(void **state)
{
    (void)state;
    struct ol__uuid url, made;
    assert_true(ol__uuid_parse(OL_SPAN_LIT("6ba7b811-9dad-11d1-80b4-00c04fd430c8"), &url));
    made = ol__uuid_v5(&url, OL_SPAN_LIT("https://github.com/lineaged/lineaged/ids"));
    assert_memory_equal(&made, &ol__foreign_space, sizeof made);
    struct ol__uuid by_library = ol__uuid_v5(&ol__foreign_space, OL_SPAN_LIT("slurm:alpha/4711_3"));
    assert_id("version 5 by libuuid", &by_library, "1bf23993-f22b-5af3-8ed9-07e7dd7d61ac");
}

static void what_is_no_foreign_id_is_refused(void **state)
{
    (void)state;
    struct ol__uuid id;
    enum ol__foreign form;
    char longest[4098];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(ol__derive_foreign(OL_SPAN_LIT("s"), OL_SPAN_LIT(""), &id, &form), OL_INVALID);
    assert_int_equal(ol__derive_foreign(OL_SPAN_LIT("a/b"), OL_SPAN_LIT("c"), &id, &form),
                     OL_INVALID); /* else a/b + c were a + b/c */
    assert_int_equal(
        ol__derive_foreign(OL_SPAN_LIT(""), (struct ol__span){longest, 4096}, &id, &form), OL_OK);
    assert_int_equal(
        ol__derive_foreign(OL_SPAN_LIT(""), (struct ol__span){longest, 4097}, &id, &form),
        OL_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha1_gives_the_published_sums),
        cmocka_unit_test(python_rule),
        cmocka_unit_test(java_rule),
        cmocka_unit_test(airflow_is_pythons_rule_over_its_names),
        cmocka_unit_test(what_is_no_instant_is_refused),
        cmocka_unit_test(each_form_of_a_foreign_id),
        cmocka_unit_test(foreign_texts_have_a_name_space_that_others_can_compute),
        cmocka_unit_test(what_is_no_foreign_id_is_refused),
    };
    return cmocka_run_group_tests_name("derive", tests, NULL, NULL);
}
