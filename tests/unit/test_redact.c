/* SPDX-License-Identifier: Apache-2.0 */
/* R12: what is taken out of command lines, texts and documents, and what is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "receipt/redact.h"

static void secrets_of_command_lines_are_not_shown(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second; /* arguments; second NULL: one */
        const char *shown;          /* with a blank between */
    } rows[] = {
        {"--password", "hunter2", "--password [redacted]"},
        {"--password=hunter2", NULL, "--password=[redacted]"},
        {"--password=two words 'and' \"more\"", NULL, "--password=[redacted]"},
        {"-api-key", "k", "-api-key [redacted]"},
        {"--db-passwd=a=b", NULL, "--db-passwd=[redacted]"},
        {"API_KEY=abc", NULL, "API_KEY=[redacted]"},
        {"AWS_SECRET_ACCESS_KEY=abc/def+", NULL, "AWS_SECRET_ACCESS_KEY=[redacted]"},
        {"--header", "Authorization: Bearer abc.def", "--header Authorization: Bearer [redacted]"},
        {"Authorization: Basic dXNlcjpwYXNz", NULL, "Authorization: Basic [redacted]"},
        {"Cookie: a=b; c=d", NULL, "Cookie: [redacted]"},
        {"postgresql://me:secret@db/shop", NULL, "postgresql://me:[redacted]@db/shop"},
        {"https://u:p@h/x?q=1", NULL, "https://u:[redacted]@h/x?q=1"},
        {"https://h/x?token=abc&y=2", NULL, "https://h/x?token=[redacted]&y=2"},
        {"a https://u:p@h/x https://v:q@i", NULL,
         "a https://u:[redacted]@h/x https://v:[redacted]@i"},
        {"sk-abcdefghijklmnopqrst123", NULL, "[redacted]"},
        {"key ghp_0123456789abcdef0123456789abcdef0123", NULL, "key [redacted]"},
        {"aws AKIAIOSFODNN7EXAMPLE", NULL, "aws [redacted]"},
        {"curl -H 'x-api-key: abc' u", NULL, "curl -H 'x-api-key: [redacted]' u"},
        {"A=1 DB_TOKEN=abc make; K_TOKEN=d", NULL,
         "A=1 DB_TOKEN=[redacted] make; K_TOKEN=[redacted]"},
        {"{\"token\": \"a b\", \"n\": 1}", NULL, "{\"token\": \"[redacted]\", \"n\": 1}"},
        {"{\\\"token\\\": \\\"a b\\\"}", NULL, "{\\\"token\\\": \\\"[redacted]\\\"}"},
        {"{\"pin_token\": 123, \"n\": 1}", NULL, "{\"pin_token\": [redacted], \"n\": 1}"},
        {"secret: \"a\nK_PASSWORD=\"b c\" d", NULL, "secret: \"[redacted]\" d"},
        {"to jane.doe@example.org", NULL, "to [redacted]"},
        {"4111 1111 1111 1111", NULL, "[redacted]"},
        {"--card=4111111111111111", NULL, "--card=[redacted]"},
        {"ssn 078-05-1120.", NULL, "ssn [redacted]."},
        {"password=[redacted]", NULL, "password=[redacted]"},
        {"x \xff --pwd: a", NULL, "x \xef\xbf\xbd --pwd: [redacted]"},
        /* no secrets */
        {"--max-tokens", "100", "--max-tokens 100"},
        {"--token-file", "/run/token", "--token-file /run/token"},
        {"--input=raw.csv", NULL, "--input=raw.csv"},
        {"https://h:80/x", NULL, "https://h:80/x"},
        {"4111111111111112", NULL, "4111111111111112"},
        {"sk-short", NULL, "sk-short"},
        {"git@github.com:a/b.git", NULL, "git@github.com:a/b.git"},
        {"task-1-of-a-desk-2", NULL, "task-1-of-a-desk-2"},
        {"--password=", NULL, "--password="},
        {"", NULL, ""},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__buf out, again;
        bool is_value = false;
        ol__buf_init(&out, 4096);
        ol__buf_init(&again, 4096);
        redact_argument(rows[i].first, &is_value, &out);
        if (rows[i].second != NULL) {
            ol__buf_add_char(&out, ' ');
            redact_argument(rows[i].second, &is_value, &out);
        }
        assert_string_equal(out.data != NULL ? out.data : "", rows[i].shown);
        redact_text(ol__span_text(out.data != NULL ? out.data : ""), &again); /* promise 2 */
        assert_string_equal(again.data != NULL ? again.data : "", rows[i].shown);
        ol__buf_release(&out);
        ol__buf_release(&again);
    }
}

static void values_go_by_their_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *shown;
    } rows[] = {
        {"DB_PASSWORD", "x", "[redacted]"},
        {"OPENAI_API_KEY", "x", "[redacted]"},
        {"seed", "42", "42"},
        {"url", "ftp://a:b@c/", "ftp://a:[redacted]@c/"},
        {"password_file", "/a/b", "/a/b"},
        {"mail", "a@b.io", "[redacted]"},
        {"output_tokens", "12", "12"},
        {"PWD", "/root", "/root"},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__buf out;
        ol__buf_init(&out, 4096);
        redact_value(rows[i].name, rows[i].value, &out);
        assert_string_equal(out.data, rows[i].shown);
        ol__buf_release(&out);
    }
}

static void documents_stay_readable(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown; /* NULL: as it is */
    } rows[] = {
        {"def f(token: str = None):\n    token = next(tokens)\n", NULL},
        {"token = load(path)\nx = 1 if token == y else z\n", NULL},
        {"export API_TOKEN=abc\nB=c\n", "export API_TOKEN=[redacted]\nB=c\n"},
        {"+API_TOKEN=abc\n-API_TOKEN=d\n", "+API_TOKEN=[redacted]\n-API_TOKEN=[redacted]\n"},
        {"token = \"abc def\"\n", "token = \"[redacted]\"\n"},
        {"{\"api_key\":\"abc\",\"to\":\"a@b.io\"}",
         "{\"api_key\":\"[redacted]\",\"to\":\"[redacted]\"}"},
        {"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n", "[redacted]\n"},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__buf out;
        ol__buf_init(&out, 4096);
        assert_int_equal(redact_content(ol__span_text(rows[i].text), &out), rows[i].shown != NULL);
        assert_string_equal(out.data, rows[i].shown != NULL ? rows[i].shown : rows[i].text);
        ol__buf_release(&out);
    }
}

static void expressions_of_the_user_hold_from_then_on(void **state)
{
    struct ol_error err;
    struct ol__buf out;
    (void)state;
    ol__buf_init(&out, 4096);
    assert_int_equal(redact_add("customer-[0-9", &err), OL_INVALID);
    assert_non_null(strstr(err.message, "at byte"));
    redact_text(OL_SPAN_LIT("customer-17"), &out);
    assert_string_equal(out.data, "customer-17");
    assert_int_equal(redact_add("customer-\\K[0-9]+", &err), OL_OK);
    ol__buf_reset(&out);
    redact_text(OL_SPAN_LIT("customer-17 customer-18"), &out);
    assert_string_equal(out.data, "customer-[redacted] customer-[redacted]");
    /* one that cannot finish takes all out */
    assert_int_equal(redact_add("(?:a|aa|b?a)+$", &err), OL_OK);
    ol__buf_reset(&out);
    char text[200];
    memset(text, 'a', sizeof text - 2);
    text[sizeof text - 2] = '!';
    text[sizeof text - 1] = '\0';
    redact_text(ol__span_text(text), &out);
    assert_string_equal(out.data, "[redacted]");
    ol__buf_release(&out);
}

static void text_is_told_from_bytes(void **state)
{
    (void)state;
    assert_true(redact_is_text(OL_SPAN_LIT("\xc3\xa4\n")));
    assert_false(redact_is_text(OL_SPAN_LIT("a\0b")));
    assert_false(redact_is_text(OL_SPAN_LIT("\xff")));
    assert_true(redact_is_text(OL_SPAN_LIT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_of_command_lines_are_not_shown),
        cmocka_unit_test(values_go_by_their_name),
        cmocka_unit_test(documents_stay_readable),
        cmocka_unit_test(text_is_told_from_bytes),
        cmocka_unit_test(expressions_of_the_user_hold_from_then_on), /* the last: of the process */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
