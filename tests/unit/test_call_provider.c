/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between providers, and what may be shown of a URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "provider.h"

static void names_are_known_both_ways(void **state)
{
    static const char *const names[] = {"openai",  "anthropic", "azure",  "gemini", "google",
                                        "bedrock", "litellm",   "ollama", "vllm"};
    struct ol__buf all;
    (void)state;
    ol__buf_init(&all, 1000);
    provider_names(&all);
    for (size_t i = 0; i < OL_COUNT(names); i++) {
        const struct provider *p = provider_find(names[i]);
        assert_non_null(p);
        assert_ptr_equal(provider_find_gen_ai(p->gen_ai), p);
        assert_non_null(strstr(all.data, names[i]));
    }
    assert_null(provider_find("OpenAI"));
    assert_null(provider_find_gen_ai("azure"));
    ol__buf_release(&all);
}

static void models_in_urls_are_replaced(void **state)
{
    static const struct {
        const char *provider, *url, *expected; /* NULL: none stands there */
    } cases[] = {
        {"openai", "https://api.openai.com/v1/chat/completions", NULL},
        {"azure", "https://x.openai.azure.com/openai/deployments/a/chat/completions?api-version=1",
         "https://x.openai.azure.com/openai/deployments/NEW/chat/completions?api-version=1"},
        {"azure", "https://x.openai.azure.com/openai/v1/chat/completions", NULL},
        {"gemini", "https://g/v1beta/models/flash:generateContent?alt=sse",
         "https://g/v1beta/models/NEW:generateContent?alt=sse"},
        {"google", "https://g/v1/projects/p/locations/l/publishers/google/models/a:predict",
         "https://g/v1/projects/p/locations/l/publishers/google/models/NEW:predict"},
        {"bedrock", "https://b/model/anthropic.claude-v2:1/converse",
         "https://b/model/NEW/converse"},
        {"gemini", "https://g/v1?x=/models/a", NULL},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol__buf out;
        ol__buf_init(&out, 1000);
        ol_status status =
            provider_set_model(provider_find(cases[i].provider), cases[i].url, "NEW", &out);
        assert_int_equal(status, cases[i].expected != NULL ? OL_OK : OL_NOT_FOUND);
        if (cases[i].expected != NULL)
            assert_string_equal(out.data, cases[i].expected);
        ol__buf_release(&out);
    }
}

static void queries_are_not_shown(void **state)
{
    static const struct {
        const char *url, *shown;
    } cases[] = {{"https://h/p", "https://h/p"},
                 {"https://h/p?api-version=2024-10-21", "https://h/p?api-version=2024-10-21"},
                 {"https://h/p?key=AbC&alt=sse", "https://h/p?key=[redacted]&alt=sse"},
                 {"https://h/p?stream&x=1#frag=2", "https://h/p?stream&x=[redacted]"}};
    (void)state;
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol__buf out;
        ol__buf_init(&out, 1000);
        provider_show_url(cases[i].url, &out);
        assert_string_equal(out.data, cases[i].shown);
        ol__buf_release(&out);
    }
}

static void keys_go_nowhere_in_the_open(void **state)
{
    (void)state;
    assert_null(provider_url_problem("https://h/p", true, false));
    assert_null(provider_url_problem("http://127.0.0.1:8080/p", true, false));
    assert_null(provider_url_problem("http://localhost/p", true, false));
    assert_null(provider_url_problem("http://[::1]:1/p", true, false));
    assert_null(provider_url_problem("http://vllm.local/p", false, false));
    assert_null(provider_url_problem("http://vllm.local/p", true, true));
    assert_non_null(provider_url_problem("http://vllm.local/p", true, false));
    assert_non_null(provider_url_problem("http://localhost.evil.org/p", true, false));
    assert_non_null(provider_url_problem("http://127.0.0.1.evil.org/p", true, false));
    assert_non_null(provider_url_problem("https://u:p@h/", false, false));
    assert_non_null(provider_url_problem("ftp://h/", false, false));
    assert_non_null(provider_url_problem("file:///etc/passwd", false, false));
    assert_non_null(provider_url_problem("https:///p", false, false));
    assert_non_null(provider_url_problem("https://h/p q", false, false));
    assert_non_null(provider_url_problem("https://h/p\r\nX: y", false, false));
}

static void operations_are_known_by_the_url(void **state)
{
    (void)state;
    assert_string_equal(provider_operation("https://h/v1/chat/completions?x=1"), "chat");
    assert_string_equal(provider_operation("https://h/v1/messages"), "chat");
    assert_string_equal(provider_operation("https://h/v1/completions"), "text_completion");
    assert_string_equal(provider_operation("https://h/v1/embeddings"), "embeddings");
    assert_string_equal(provider_operation("https://h/m/f:streamGenerateContent?alt=sse"),
                        "generate_content");
    assert_null(provider_operation("https://h/v1/files"));
    assert_null(provider_operation("https://h"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_known_both_ways),
        cmocka_unit_test(models_in_urls_are_replaced),
        cmocka_unit_test(queries_are_not_shown),
        cmocka_unit_test(keys_go_nowhere_in_the_open),
        cmocka_unit_test(operations_are_known_by_the_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
