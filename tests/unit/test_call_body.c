/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a request are changed one by one, and no other byte of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "body.h"

static ol_status set(const char *body, const char *path, const char *json, struct ol__buf *out,
                     struct ol_error *err)
{
    ol__buf_init(out, 4096);
    ol__buf_add_text(out, body);
    return body_set(out, path, ol__span_text(json), err);
}

static void members_are_set_where_they_stand(void **state)
{
    static const struct {
        const char *body, *path, *json, *expected;
    } cases[] = {
        {"{}", "seed", "1", "{\"seed\":1}"},
        {" { } ", "seed", "1", " { \"seed\":1} "},
        {"{\"a\":1}", "seed", "1", "{\"a\":1,\"seed\":1}"},
        {"{ \"model\" : \"m\" , \"a\":[1, 2] }", "model", "\"n\"",
         "{ \"model\" : \"n\" , \"a\":[1, 2] }"},
        {"{\"a\":{\"b\":1}}", "a", "2", "{\"a\":2}"},
        {"{\"a\":{\"b\":1}}", "a.b", "2", "{\"a\":{\"b\":2}}"},
        {"{\"a\":{\"b\":1}}", "a.c", "2", "{\"a\":{\"b\":1,\"c\":2}}"},
        {"{\"a\":{}}", "a.c.d", "2", "{\"a\":{\"c\":{\"d\":2}}}"},
        {"{\"a\":null}", "a.c", "2", "{\"a\":{\"c\":2}}"},
        {"{\"x\":{\"model\":1}}", "model", "2", "{\"x\":{\"model\":1},\"model\":2}"},
        {"{\"l\":[{\"model\":1}]}", "model", "2", "{\"l\":[{\"model\":1}],\"model\":2}"},
        {"{\"a\":1,\"a\":2}", "a", "3", "{\"a\":1,\"a\":3}"},
        {"{\"a\":{\"b\":1},\"a\":5}", "a.b", "3", "{\"a\":{\"b\":1},\"a\":{\"b\":3}}"},
        {"{\"t\":\"{\\\"a\\\":1}\"}", "a", "3", "{\"t\":\"{\\\"a\\\":1}\",\"a\":3}"},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol__buf out;
        assert_int_equal(set(cases[i].body, cases[i].path, cases[i].json, &out, NULL), OL_OK);
        assert_string_equal(out.data, cases[i].expected);
        ol__buf_release(&out);
    }
}

static void what_is_no_object_stays_as_it_was(void **state)
{
    static const struct {
        const char *body, *path;
    } cases[] = {
        {"[1]", "a"}, {"1", "a"},     {"", "a"},    {"{\"a\":", "a"}, {"{} {}", "a"},
        {"{}", ""},   {"{}", "a..b"}, {"{}", ".a"}, {"{}", "a."},     {"{}", "a.b.c.d.e.f.g.h.i"}};
    (void)state;
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol__buf out;
        struct ol_error err = {.message = ""};
        assert_int_equal(set(cases[i].body, cases[i].path, "1", &out, &err), OL_INVALID);
        assert_string_not_equal(err.message, "");
        if (cases[i].body[0] != '\0')
            assert_string_equal(out.data, cases[i].body);
        ol__buf_release(&out);
    }
}

static void the_limit_holds(void **state)
{
    struct ol__buf out;
    (void)state;
    ol__buf_init(&out, 8);
    ol__buf_add_text(&out, "{\"a\":1}");
    assert_int_equal(body_set(&out, "seed", OL_SPAN_LIT("12"), NULL), OL_TOO_LARGE);
    assert_string_equal(out.data, "{\"a\":1}");
    ol__buf_release(&out);
}

static void values_are_json_or_texts(void **state)
{
    static const struct {
        const char *text, *json;
        bool is_plain;
    } cases[] = {{"0.2", "0.2", true},
                 {"true", "true", true},
                 {"null", "null", true},
                 {"gpt-4o", "\"gpt-4o\"", true},
                 {"high", "\"high\"", true},
                 {"[\"a\", 1]", "[\"a\",1]", false},
                 {"Tell me all", "\"Tell me all\"", false},
                 {"", "\"\"", true},
                 {"\"x\"", "\"x\"", false},
                 {"a\nb", "\"a\\nb\"", false}};
    (void)state;
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol__buf out;
        ol__buf_init(&out, 4096);
        assert_int_equal(body_value(cases[i].text, &out, NULL), OL_OK);
        assert_string_equal(out.data, cases[i].json);
        assert_int_equal(body_is_plain(cases[i].text), cases[i].is_plain);
        ol__buf_release(&out);
    }
}

static void members_are_counted(void **state)
{
    (void)state;
    struct ol__span body = OL_SPAN_LIT("{\"metadata\":{\"a\":1,\"b\":{\"c\":2}},\"n\":3}");
    assert_int_equal(body_count(body, "metadata"), 2);
    assert_int_equal(body_count(body, "metadata.b"), 1);
    assert_int_equal(body_count(body, "n"), -1);
    assert_int_equal(body_count(body, "x"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_set_where_they_stand),
        cmocka_unit_test(what_is_no_object_stays_as_it_was),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(values_are_json_or_texts),
        cmocka_unit_test(members_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
