/* SPDX-License-Identifier: Apache-2.0 */
/* The line that a call is in a receipt: what it says, that it is JSON, that each of its members is
 * one of `calls` in the receipt's JSON Schema, and that no secret and no text is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openlineage/openlineage.h>
#include "json_read.h"

#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct names {
    struct ol__buf text; /* each with a newline around it */
    const char *const *under;
    size_t depth;
};

static ol_status take_name(void *arg, const struct ol__json_value *value,
                           struct ol_error *err OL_UNUSED)
{
    struct names *n = arg;
    if (value->type == OL_JSON_OBJECT_END || value->type == OL_JSON_ARRAY_END ||
        value->depth != n->depth + 1 || value->path[n->depth].is_index)
        return OL_OK;
    for (size_t i = 0; i < n->depth; i++)
        if (value->path[i].is_index ||
            !ol__span_equal(value->path[i].key, ol__span_text(n->under[i])))
            return OL_OK;
    struct ol__span key = value->path[n->depth].key;
    ol__buf_add_char(&n->text, '\n');
    ol__buf_add(&n->text, key.data, key.size);
    return ol__buf_add_char(&n->text, '\n');
}

/* Members of the object under these keys; owned. */
static char *member_names(const char *json, size_t size, const char *const *under, size_t depth)
{
    struct names n = {.under = under, .depth = depth};
    struct ol__json_reader *reader = NULL;
    ol__buf_init(&n.text, 65536);
    assert_int_equal(ol__json_reader_new(&reader, NULL), OL_OK);
    assert_int_equal(
        ol__json_read(reader, (struct ol__span){json, size}, NULL, take_name, &n, NULL), OL_OK);
    ol__json_reader_free(reader);
    assert_true(n.text.size > 0);
    return ol__buf_take(&n.text);
}

static char *schema_names(void)
{
    static const char *const under[] = {"properties", "calls", "items", "properties"};
    static char text[200000];
    FILE *in = fopen(OL_RECEIPT_SCHEMA, "re");
    assert_non_null(in);
    size_t size = fread(text, 1, sizeof text, in);
    assert_in_range(size, 1, sizeof text - 1);
    fclose(in);
    return member_names(text, size, under, OL_COUNT(under));
}

static void assert_known(const char *json, size_t size)
{
    char *known = schema_names(), *names = member_names(json, size, NULL, 0);
    for (char *at = names; *at != '\0';) {
        char *end = strchr(at + 1, '\n') + 1;
        char was = *end;
        *end = '\0';
        if (strstr(known, at) == NULL)
            fail_msg("not in the schema's calls: %s", at);
        *end = was;
        at = end;
    }
    free(known);
    free(names);
}

static struct ol_call *make_call(bool has_key)
{
    static const char request[] =
        "{\"model\":\"m-asked\",\"temperature\":0.5,\"top_p\":1,\"top_k\":40,\"max_tokens\":9,"
        "\"seed\":"
        "7,\"frequency_penalty\":-0.25,\"presence_penalty\":2e-1,\"n\":2,\"dimensions\":256,"
        "\"stream\":true,\"messages\":[{\"content\":\"who did it?\"}]}";
    static const char answer[] =
        "data: {\"id\":\"r-1\",\"model\":\"m-came\",\"system_fingerprint\":\"fp\",\"service_tier\":"
        "\"flex\",\"choices\":[{\"finish_reason\":\"stop\",\"delta\":{\"content\":\"the "
        "butler\"}}],"
        "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3,"
        "\"prompt_tokens_details\":{\"cached_tokens\":4},\"cache_creation_input_tokens\":5,"
        "\"completion_tokens_details\":{\"reasoning_tokens\":6}},\"error\":{\"type\":\"late\"}}"
        "\n\n";
    char head[] = "HTTP/2 200\r\nopenai-processing-ms: 8\r\nx-request-id: req-9\r\n"
                  "llm_provider-request-id: up-1\r\ncf-ray: ray-1\r\n\r\n";
    struct ol_call *call = NULL;
    assert_int_equal(
        ol_call_new(NULL,
                    OL_MAKE(ol_call_options, .provider = "openai", .operation = "chat",
                            .endpoint = "https://me:sesame@api.example:8443/v1/chat?key=sesame",
                            .prompt_name = "greeting", .prompt_version = "v12",
                            .prompt_source_sha256 = DIGEST, .corpus = "corpus:handbook",
                            .corpus_sha256 = DIGEST, .run_id = "R", .step = "S", .attempt = "2",
                            .replay_of = DIGEST, .key = has_key ? "0123456789abcdef" : NULL,
                            .key_size = has_key ? 16 : 0, .key_id = "k-1", .is_standalone = true),
                    &call, NULL),
        OL_OK);
    ol_call_request_body(call, request, sizeof request - 1);
    ol_call_request_redacted(call, "{}", 2);
    ol_call_prompt_rendered(call, "who did it?", 11);
    assert_int_equal(ol_call_header(head, 1, sizeof head - 1, call), sizeof head - 1);
    ol_call_response_body(call, answer, sizeof answer - 1);
    ol_call_response_redacted(call, "{}", 2);
    assert_int_equal(ol_call_end(call, NULL, NULL), OL_OK);
    return call;
}

static void what_it_says(void **state)
{
    static const char *const parts[] = {
        "{\"client_request_id\":\"run=R;step=S;attempt=2\"",
        "\"url\":\"https://api.example:8443/v1/chat\"",
        "\"provider_request_id\":\"up-1\",\"request_id_header\":\"llm_provider-request-id\"",
        "\"response_ids\":{\"llm_provider-request-id\":\"up-1\",\"x-request-id\":\"req-9\","
        "\"cf-ray\":\"ray-1\"}",
        "\"request_model\":\"m-asked\"",
        "\"response_model\":\"m-came\"",
        "\"temperature\":0.5,\"top_p\":1,\"top_k\":40,\"max_tokens\":9,\"seed\":7,"
        "\"frequency_penalty\":-0.25,\"presence_penalty\":0.2,\"choice_count\":2,"
        "\"dimension_count\":256",
        "\"stream\":true",
        "\"is_streamed\":true",
        "\"finish_reasons\":[\"stop\"]",
        "\"service_tier\":\"flex\"",
        "\"error_type\":\"late\"",
        "\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3,\"cache_read_input_tokens\":4,"
        "\"cache_creation_input_tokens\":5,\"reasoning_output_tokens\":6",
        "\"prompt_rendered_size\":11",
        "\"started_at\":\"2",
        "\"finished_at\":\"2",
        "\"processing_ms\":8",
        "\"tries\":1",
    };
    static const char *const never[] = {"sesame", "butler", "who did it", "\n",
                                        "0123456789abcdef\""};
    (void)state;
    for (int has_key = 0; has_key <= 1; has_key++) {
        struct ol_call *call = make_call(has_key != 0);
        const char *json = NULL;
        size_t size = 0;
        assert_int_equal(ol_call_receipt(call, &json, &size, NULL), OL_OK);
        assert_int_equal(strlen(json), size);
        for (size_t i = 0; i < OL_COUNT(parts); i++)
            if (strstr(json, parts[i]) == NULL)
                fail_msg("no %s in %s", parts[i], json);
        for (size_t i = 0; i < OL_COUNT(never); i++)
            assert_null(strstr(json, never[i]));
        assert_int_equal(strstr(json, "\"request_hmac\"") != NULL, has_key);
        assert_int_equal(strstr(json, "\"response_sha256\"") == NULL, has_key);
        assert_int_equal(strstr(json, "\"hmac_key_id\":\"k-1\"") != NULL, has_key);
        assert_known(json, size);
        ol_call_free(call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says),
    };
    return cmocka_run_group_tests_name("call_receipt", tests, NULL, NULL);
}
