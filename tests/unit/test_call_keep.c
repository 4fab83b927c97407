/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are found in the texts of requests and answers, however they are escaped or cut, and
 * nothing else changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "keep.h"

static void check(enum keep_form form, const char *content, const char *expected)
{
    struct ol__buf out;
    bool is_changed = false;
    ol__buf_init(&out, 1u << 20);
    assert_int_equal(keep_redact(form, ol__span_text(content), &out, &is_changed, NULL), OL_OK);
    assert_string_equal(out.data, expected);
    assert_int_equal(is_changed, strcmp(content, expected) != 0);
    ol__buf_release(&out);
}

static void what_is_harmless_keeps_its_bytes(void **state)
{
    (void)state;
    check(KEEP_JSON, "{ \"a\" : [1, 2.50, \"\\u0041\\/b\"],\n\t\"max_tokens\":16 }",
          "{ \"a\" : [1, 2.50, \"\\u0041\\/b\"],\n\t\"max_tokens\":16 }");
    check(KEEP_EVENTS, "event: x\r\ndata: {\"a\": 1}\r\n\r\n: hello\ndata: [DONE]\n\n",
          "event: x\r\ndata: {\"a\": 1}\r\n\r\n: hello\ndata: [DONE]\n\n");
    check(KEEP_LINES, "{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n{\"a\":2}");
    check(KEEP_TEXT, "Bad Gateway\n", "Bad Gateway\n");
    check(KEEP_JSON, "{\"logprobs\":[{\"token\":\"Hello\"}]}",
          "{\"logprobs\":[{\"token\":\"Hello\"}]}");
}

static void secrets_are_found_as_they_are_meant(void **state)
{
    (void)state;
    check(KEEP_JSON, "{\"content\": \"Write to alice@example.com now\"}",
          "{\"content\": \"Write to [redacted] now\"}");
    check(KEEP_JSON, "{\"content\":\"alice\\u0040example.com\"}", "{\"content\":\"[redacted]\"}");
    check(KEEP_JSON, "{\"password\":\"hunter2\",\"n\":1}", "{\"password\":\"[redacted]\",\"n\":1}");
    check(KEEP_JSON, "{\"n\":4111111111111111,\"t\":\"card 4111 1111 1111 1111.\"}",
          "{\"n\":\"[redacted]\",\"t\":\"card [redacted].\"}");
    check(KEEP_JSON, "{\"a\":1,\"alice@example.com\" : {\"b\":2}}",
          "{\"a\":1,\"[redacted]\" : {\"b\":2}}");
    check(KEEP_TEXT, "mail alice@example.com\n", "mail [redacted]\n");
    check(KEEP_JSON, "not JSON, alice@example.com", "not JSON, [redacted]");
}

#define DELTA(index, text)                                                                         \
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":" index ",\"delta\":{\"content\":\"" text        \
    "\"}}]}\n\n"

static void secrets_that_come_in_pieces_are_found(void **state)
{
    (void)state;
    check(KEEP_EVENTS, DELTA("0", "Ask al") DELTA("0", "ice@exam") DELTA("0", "ple.com."),
          DELTA("0", "Ask [redacted].") DELTA("0", "") DELTA("0", ""));
    /* two answers at once: each is judged by itself */
    check(KEEP_EVENTS,
          DELTA("0", "al") DELTA("1", "one ") DELTA("0", "ice@example.com") DELTA("1", "two"),
          DELTA("0", "[redacted]") DELTA("1", "one ") DELTA("0", "") DELTA("1", "two"));
    check(KEEP_LINES, "{\"response\":\"411111\"}\n{\"response\":\"1111111111\"}\n",
          "{\"response\":\"[redacted]\"}\n{\"response\":\"\"}\n");
    /* one array of pieces */
    check(KEEP_JSON, "[{\"text\":\"alice@ex\"},{\"text\":\"ample.com\"}]",
          "[{\"text\":\"[redacted]\"},{\"text\":\"\"}]");
}

static void what_is_no_text_is_not_kept(void **state)
{
    struct ol__buf out;
    bool is_changed;
    (void)state;
    ol__buf_init(&out, 100);
    assert_int_equal(keep_redact(KEEP_BYTES, (struct ol__span){.data = "\0\1\2", .size = 3}, &out,
                                 &is_changed, NULL),
                     OL_INVALID);
    assert_int_equal(keep_redact(KEEP_JSON, OL_SPAN_LIT("\"\xff\""), &out, &is_changed, NULL),
                     OL_INVALID);
    ol__buf_release(&out);
}

static void places_past_the_limit_are_taken_out(void **state)
{
    struct ol__buf in, out;
    bool is_changed = false;
    (void)state;
    ol__buf_init(&in, 1u << 20);
    ol__buf_init(&out, 1u << 20);
    ol__buf_add_text(&in, "[{");
    for (int i = 0; i < 4200; i++)
        ol__buf_add_format(&in, "%s\"k%d\":\"v%d\"", i > 0 ? "," : "", i, i);
    ol__buf_add_text(&in, "}]");
    assert_int_equal(keep_redact(KEEP_JSON, (struct ol__span){.data = in.data, .size = in.size},
                                 &out, &is_changed, NULL),
                     OL_OK);
    assert_true(is_changed);
    assert_non_null(strstr(out.data, "\"k4095\":\"v4095\""));
    assert_non_null(strstr(out.data, "\"k4096\":\"[redacted]\""));
    ol__buf_release(&in);
    ol__buf_release(&out);
}

static void media_types_have_forms(void **state)
{
    static const struct {
        const char *type, *ending;
    } cases[] = {{"application/json", "json"},        {"text/event-stream", "sse"},
                 {"application/x-ndjson", "jsonl"},   {"text/html", "txt"},
                 {"application/octet-stream", "bin"}, {"", "bin"}};
    (void)state;
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        assert_string_equal(keep_ending(keep_form_of(cases[i].type)), cases[i].ending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_harmless_keeps_its_bytes),
        cmocka_unit_test(secrets_are_found_as_they_are_meant),
        cmocka_unit_test(secrets_that_come_in_pieces_are_found),
        cmocka_unit_test(what_is_no_text_is_not_kept),
        cmocka_unit_test(places_past_the_limit_are_taken_out),
        cmocka_unit_test(media_types_have_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
