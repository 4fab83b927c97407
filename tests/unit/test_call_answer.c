/* SPDX-License-Identifier: Apache-2.0 */
/* Heads and bodies as providers send them, written for this test: which request id, model, counts
 * and reasons are found, whatever pieces they come in; that a new status line forgets the answer
 * before it; and that nothing of what was said gets into a receipt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openlineage/openlineage.h>
#include "call_head.h"

#define SAID "the butler did it"

struct want {
    int status;
    const char *id, *header;
    const char *response_id, *model, *fingerprint, *tier, *finish, *error;
    int64_t input, output, cached, created, reasoning, total, tools; /* -1: not said */
    bool is_streamed;
};

static const struct {
    const char *name, *head, *body;
    struct want want;
} answers[] = {
    {"OpenAI, chat",
     "HTTP/2 200 \r\ncontent-type: application/json\r\nOpenAI-Processing-MS: 412\r\n"
     "x-request-id: req_0a1b2c\r\ncf-ray: 8f00aa11bb22cc33-AMS\r\n\r\n",
     "{\n \"id\": \"chatcmpl-A1\", \"object\": \"chat.completion\", \"model\": "
     "\"gpt-x-2026-01-02\","
     "\"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": \"" SAID
     "\", \"tool_calls\": [{\"id\": \"call_1\", \"type\": \"function\", \"function\": {\"name\": "
     "\"f\", \"arguments\": \"{\\\"id\\\": 1}\"}}, {\"id\": \"call_2\"}]}, \"finish_reason\": "
     "\"tool_calls\"}, {\"index\": 1, \"finish_reason\": \"stop\"}, {\"index\": 2, "
     "\"finish_reason\": \"stop\"}], \"usage\": {\"prompt_tokens\": 9, \"completion_tokens\": 12, "
     "\"total_tokens\": 21, \"prompt_tokens_details\": {\"cached_tokens\": 4}, "
     "\"completion_tokens_details\": {\"reasoning_tokens\": 7}}, \"service_tier\": \"default\", "
     "\"system_fingerprint\": \"fp_44\"}\n",
     {200, "req_0a1b2c", "x-request-id", "chatcmpl-A1", "gpt-x-2026-01-02", "fp_44", "default",
      "tool_calls,stop", NULL, 9, 12, 4, -1, 7, 21, 2, false}},
    {"OpenAI, chat, streamed",
     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nX-Request-ID:req_s\r\n"
     "\r\n",
     "data: {\"id\":\"chatcmpl-S\",\"model\":\"gpt-x\",\"choices\":[{\"delta\":{\"content\":"
     "\"" SAID "\"},\"finish_reason\":null}]}\n\n"
     "data: {\"id\":\"chatcmpl-S\",\"model\":\"gpt-x\",\"choices\":[{\"delta\":{\"tool_calls\":[{"
     "\"index\":0,\"id\":\"call_1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n"
     "data: {\"id\":\"chatcmpl-S\",\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,"
     "\"function\":{\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n"
     ": keep alive\n\n"
     "data: {\"id\":\"chatcmpl-S\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
     "\"completion_tokens\":5,\"total_tokens\":8},\"system_fingerprint\":\"fp_1\"}\n\n"
     "data: [DONE]\n\n",
     {200, "req_s", "x-request-id", "chatcmpl-S", "gpt-x", "fp_1", NULL, "tool_calls", NULL, 3, 5,
      -1, -1, -1, 8, 1, true}},
    {"OpenAI, responses",
     "HTTP/1.1 200 OK\nx-request-id: r\n\n",
     "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"error\":null,\"model\":"
     "\"o-x\",\"output\":[{\"type\":\"reasoning\"},{\"type\":\"function_call\",\"id\":\"fc_1\"},{"
     "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"" SAID "\"}]}],"
     "\"usage\":{\"input_tokens\":36,\"input_tokens_details\":{\"cached_tokens\":30},"
     "\"output_tokens\":87,\"output_tokens_details\":{\"reasoning_tokens\":80},\"total_tokens\":"
     "123}}",
     {200, "r", "x-request-id", "resp_1", "o-x", NULL, NULL, "completed", NULL, 36, 87, 30, -1, 80,
      123, 1, false}},
    {"OpenAI, responses, streamed",
     "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
     "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":"
     "\"resp_2\",\"status\":\"in_progress\",\"output\":[],\"model\":\"o-x\"}}\n\n"
     "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":"
     "\"" SAID "\",\"item_id\":\"i\"}\n\n"
     "event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"response\":{\"id\":"
     "\"resp_2\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":"
     "\"max_output_tokens\"},\"error\":null,\"model\":\"o-x\",\"usage\":{\"input_tokens\":1,"
     "\"output_tokens\":2,\"total_tokens\":3}}}\n\n",
     {200, NULL, NULL, "resp_2", "o-x", NULL, NULL, "incomplete,max_output_tokens", NULL, 1, 2, -1,
      -1, -1, 3, 0, true}},
    {"Azure",
     "HTTP/1.1 200 OK\r\nx-request-id: inner-1\r\napim-request-id: outer-2\r\n"
     "x-ms-client-request-id: outer-2\r\n\r\n",
     "{\"id\":\"chatcmpl-Z\",\"model\":\"gpt-x\",\"choices\":[{\"finish_reason\":"
     "\"content_filter\"}]}",
     {200, "outer-2", "apim-request-id", "chatcmpl-Z", "gpt-x", NULL, NULL, "content_filter", NULL,
      -1, -1, -1, -1, -1, -1, 0, false}},
    {"Anthropic",
     "HTTP/2 200\r\nrequest-id: req_an\r\nanthropic-organization-id: o\r\ncf-ray: x\r\n\r\n",
     "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\","
     "\"content\":[{\"type\":\"text\",\"text\":\"" SAID "\"},{\"type\":\"tool_use\",\"id\":\"t\","
     "\"name\":\"f\",\"input\":{\"id\":\"not this\"}}],\"stop_reason\":\"tool_use\","
     "\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":2,"
     "\"cache_read_input_tokens\":3,\"output_tokens\":6,\"service_tier\":\"standard\"}}",
     {200, "req_an", "request-id", "msg_1", "claude-x", NULL, "standard", "tool_use", NULL, 10, 6,
      3, 2, -1, -1, 1, false}},
    {"Anthropic, streamed",
     "HTTP/2 200\r\nrequest-id: req_as\r\ncontent-type: text/event-stream\r\n\r\n",
     "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\","
     "\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":25,"
     "\"output_tokens\":1}}}\r\n\r\n"
     "event: content_block_start\r\ndata: {\"type\":\"content_block_start\",\"index\":1,"
     "\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\"}}\r\n\r\n"
     "event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":"
     "\"text_delta\",\"text\":\"" SAID "\"}}\r\n\r\n"
     "event: message_delta\r\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
     "\"end_turn\"},\"usage\":{\"output_tokens\":15}}\r\n\r\n"
     "event: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n",
     {200, "req_as", "request-id", "msg_2", "claude-x", NULL, NULL, "end_turn", NULL, 25, 15, -1,
      -1, -1, -1, 1, true}},
    {"Anthropic, an error within the stream",
     "HTTP/2 200\r\nrequest-id: req_ae\r\ncontent-type: text/event-stream\r\n\r\n",
     "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
     "\"" SAID "\"}}\n\n",
     {200, "req_ae", "request-id", NULL, NULL, NULL, NULL, NULL, "overloaded_error", -1, -1, -1, -1,
      -1, -1, 0, true}},
    {"Bedrock, converse",
     "HTTP/1.1 200 OK\r\nx-amzn-RequestId: 11111111-2222-4333-8444-555555555555\r\n\r\n",
     "{\"metrics\":{\"latencyMs\":551},\"output\":{\"message\":{\"content\":[{\"text\":\"" SAID
     "\"},{\"toolUse\":{\"toolUseId\":\"u\",\"name\":\"f\",\"input\":{}}}],\"role\":"
     "\"assistant\"}},\"stopReason\":\"tool_use\",\"usage\":{\"inputTokens\":31,\"outputTokens\":"
     "14,\"totalTokens\":45,\"cacheReadInputTokens\":0,\"cacheWriteInputTokens\":8}}",
     {200, "11111111-2222-4333-8444-555555555555", "x-amzn-requestid", NULL, NULL, NULL, NULL,
      "tool_use", NULL, 31, 14, 0, 8, -1, 45, 1, false}},
    {"Bedrock, counts in the head",
     "HTTP/1.1 200 OK\r\nx-amzn-requestid: b2\r\nX-Amzn-Bedrock-Input-Token-Count: 7\r\n"
     "X-Amzn-Bedrock-Output-Token-Count: 8\r\n\r\n",
     "{\"completion\":\"" SAID "\",\"stop_reason\":\"stop_sequence\"}",
     {200, "b2", "x-amzn-requestid", NULL, NULL, NULL, NULL, "stop_sequence", NULL, 7, 8, -1, -1,
      -1, -1, 0, false}},
    {"Bedrock, refused",
     "HTTP/1.1 429 Too Many Requests\r\nx-amzn-requestid: b3\r\n"
     "x-amzn-ErrorType: ThrottlingException:http://internal.example/\r\n\r\n",
     "{\"message\":\"" SAID "\"}",
     {429, "b3", "x-amzn-requestid", NULL, NULL, NULL, NULL, NULL, "ThrottlingException", -1, -1,
      -1, -1, -1, -1, 0, false}},
    {"Gemini",
     "HTTP/2 200\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n",
     "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" SAID
     "\"},{\"functionCall\":{\"name\":"
     "\"f\",\"args\":{}}}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],"
     "\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":6,\"totalTokenCount\":30,"
     "\"thoughtsTokenCount\":20,\"cachedContentTokenCount\":1},\"modelVersion\":\"gemini-x-001\","
     "\"responseId\":\"Rr_1\"}",
     {200, NULL, NULL, "Rr_1", "gemini-x-001", NULL, NULL, "STOP", NULL, 4, 6, 1, -1, 20, 30, 1,
      false}},
    {"Gemini, streamed as an array",
     "HTTP/2 200\r\n\r\n",
     "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" SAID "\"}]}}],\"modelVersion\":"
     "\"gemini-x\",\"responseId\":\"Rr_2\"}\n,\r\n{\"candidates\":[{\"finishReason\":"
     "\"MAX_TOKENS\"}],\"usageMetadata\":{\"promptTokenCount\":5},\"responseId\":\"Rr_2\"}]",
     {200, NULL, NULL, "Rr_2", "gemini-x", NULL, NULL, "MAX_TOKENS", NULL, 5, -1, -1, -1, -1, -1, 0,
      false}},
    {"Gemini, refused",
     "HTTP/2 429\r\nRetry-After: 17\r\n\r\n",
     "{\"error\":{\"code\":429,\"message\":\"" SAID "\",\"status\":\"RESOURCE_EXHAUSTED\"}}",
     {429, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "RESOURCE_EXHAUSTED", -1, -1, -1, -1, -1, -1,
      0, false}},
    {"Cohere",
     "HTTP/1.1 200 OK\r\nx-trace-id: tr\r\n\r\n",
     "{\"id\":\"co-1\",\"finish_reason\":\"TOOL_CALL\",\"message\":{\"role\":\"assistant\","
     "\"tool_calls\":[{\"id\":\"f_1\",\"type\":\"function\",\"function\":{\"name\":\"f\"}}]},"
     "\"usage\":{\"billed_units\":{\"input_tokens\":1},\"tokens\":{\"input_tokens\":70,"
     "\"output_tokens\":3}}}",
     {200, "tr", "x-trace-id", "co-1", NULL, NULL, NULL, "TOOL_CALL", NULL, 70, 3, -1, -1, -1, -1,
      1, false}},
    {"Cohere, streamed",
     "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
     "event: message-start\ndata: {\"id\":\"co-2\",\"type\":\"message-start\",\"delta\":{"
     "\"message\":{\"role\":\"assistant\",\"tool_calls\":[]}}}\n\n"
     "event: tool-call-start\ndata: {\"type\":\"tool-call-start\",\"index\":0,\"delta\":{"
     "\"message\":{\"tool_calls\":{\"id\":\"f_1\",\"function\":{\"name\":\"f\"}}}}}\n\n"
     "event: message-end\ndata: "
     "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\","
     "\"usage\":{\"tokens\":{\"input_tokens\":11,\"output_tokens\":2}}}}\n\n",
     {200, NULL, NULL, "co-2", NULL, NULL, NULL, "COMPLETE", NULL, 11, 2, -1, -1, -1, -1, 1, true}},
    {"Mistral, behind a gateway",
     "HTTP/1.1 200 OK\r\nx-litellm-call-id: gw-1\r\nx-request-id: gw-2\r\n"
     "llm_provider-x-request-id: up-3\r\n\r\n",
     "{\"id\":\"m1\",\"model\":\"mistral-x\",\"choices\":[{\"finish_reason\":\"length\"}],"
     "\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1,\"total_tokens\":3}}",
     {200, "up-3", "llm_provider-x-request-id", "m1", "mistral-x", NULL, NULL, "length", NULL, 2, 1,
      -1, -1, -1, 3, 0, false}},
    {"Ollama, streamed",
     "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n",
     "{\"model\":\"llama-x\",\"message\":{\"role\":\"assistant\",\"content\":\"" SAID
     "\"},\"done\":"
     "false}\n{\"model\":\"llama-x\",\"message\":{\"role\":\"assistant\",\"tool_calls\":[{"
     "\"function\":{\"name\":\"f\"}}]},\"done\":true,\"done_reason\":\"stop\","
     "\"prompt_eval_count\":26,\"eval_count\":298}\n",
     {200, NULL, NULL, NULL, "llama-x", NULL, NULL, "stop", NULL, 26, 298, -1, -1, -1, -1, 1,
      true}},
    {"Ollama, refused",
     "HTTP/1.1 404 Not Found\r\n\r\n",
     "{\"error\":\"" SAID "\"}",
     {404, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "404", -1, -1, -1, -1, -1, -1, 0, false}},
    {"a proxy, a hundred, a redirect, then the answer",
     "HTTP/1.1 200 Connection established\r\nx-request-id: proxy\r\n\r\n"
     "HTTP/1.1 100 Continue\r\n\r\n"
     "HTTP/1.1 307 Temporary Redirect\r\nx-request-id: first\r\ncf-ray: first\r\nretry-after: 9\r\n"
     "\r\nHTTP/1.1 200 OK\r\nrequest-id:\r\n \r\n\tfolded\r\n\r\n",
     "{\"id\":\"x\"}",
     {200, "folded", "request-id", "x", NULL, NULL, NULL, NULL, NULL, -1, -1, -1, -1, -1, -1, 0,
      false}},
    {"not for us: a page",
     "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n",
     "<html>" SAID "</html>",
     {502, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "502", -1, -1, -1, -1, -1, -1, -1, false}},
    {"not ids: too long, not printable, empty",
     "HTTP/1.1 200 OK\r\nrequest-id: a b\r\nx-amzn-requestid: \xc3\xa4\r\napim-request-id:\r\n"
     "x-request-id: good\r\nx-request-id: second\r\n\r\n",
     "{\"id\":\"a\\u0007b\",\"model\":\"\",\"choices\":[{\"finish_reason\":\"" SAID "\"}],"
     "\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1e3,\"total_tokens\":"
     "123456789012345678901}}",
     {200, "good", "x-request-id", NULL, NULL, NULL, NULL, NULL, NULL, -1, -1, -1, -1, -1, -1, 0,
      false}},
    {"escapes and depth",
     "HTTP/1.1 200 OK\r\n\r\n",
     "{\"i\\u0064\":\"\\u00e4\\ud83d\\ude00\\/\",\"m/odel\":\"no\",\"choices\":[[[[[[[[[[[[{\"id\":"
     "\"no\"}]]]]]]]]]]]],\"model\":\"\\ud800x\"}",
     {200, NULL, NULL, "\xc3\xa4\xf0\x9f\x98\x80/", "\xef\xbf\xbdx", NULL, NULL, NULL, NULL, -1, -1,
      -1, -1, -1, -1, 0, false}},
};

static struct ol_call *new_call(const struct ol_call_options *options)
{
    struct ol_call *call = NULL;
    struct ol_error err;
    if (ol_call_new(NULL, options, &call, &err) != OL_OK)
        fail_msg("%s", err.message);
    return call;
}

static struct ol_call *standalone(void)
{
    return new_call(OL_MAKE(ol_call_options, .provider = "openai", .is_standalone = true));
}

static struct ol_call_result look(struct ol_call *call)
{
    struct ol_call_result r = {.struct_size = sizeof r};
    assert_int_equal(ol_call_look(call, &r), OL_OK);
    return r;
}

static void assert_text(const char *name, const char *what, const char *text, const char *want)
{
    if ((text == NULL) != (want == NULL) || (text != NULL && strcmp(text, want) != 0))
        fail_msg("%s: %s: '%s', expected '%s'", name, what, text != NULL ? text : "(none)",
                 want != NULL ? want : "(none)");
}

static void assert_count(const char *name, const char *what, struct ol_int count, int64_t want)
{
    int64_t value = count.is_set ? count.value : -1;
    if (value != want)
        fail_msg("%s: %s: %lld, expected %lld", name, what, (long long)value, (long long)want);
}

static void assert_answer(const char *name, struct ol_call *call, const struct want *w)
{
    struct ol_call_result r = look(call);
    if (r.http_status != w->status)
        fail_msg("%s: status %d", name, r.http_status);
    assert_text(name, "id", r.provider_request_id, w->id);
    assert_text(name, "header", r.provider_request_header, w->header);
    assert_text(name, "response_id", r.response_id, w->response_id);
    assert_text(name, "model", r.response_model, w->model);
    assert_text(name, "fingerprint", r.system_fingerprint, w->fingerprint);
    assert_text(name, "tier", r.service_tier, w->tier);
    assert_text(name, "finish", r.finish_reasons, w->finish);
    assert_text(name, "error", r.error_type, w->error);
    assert_int_equal(r.is_error, w->error != NULL);
    assert_count(name, "input", r.input_tokens, w->input);
    assert_count(name, "output", r.output_tokens, w->output);
    assert_count(name, "cached", r.cache_read_tokens, w->cached);
    assert_count(name, "created", r.cache_creation_tokens, w->created);
    assert_count(name, "reasoning", r.reasoning_tokens, w->reasoning);
    assert_count(name, "total", r.total_tokens, w->total);
    assert_count(name, "tools", r.tool_calls, w->tools);
    if (r.is_streamed != w->is_streamed)
        fail_msg("%s: streamed: %d", name, r.is_streamed);
}

static void give_head(struct ol_call *call, const char *head, size_t size)
{
    char copy[4096];
    memcpy(copy, head, size);
    assert_int_equal(ol_call_header(copy, 1, size, call), size);
}

static void assert_silent(const char *name, struct ol_call *call)
{
    const char *json = NULL;
    size_t size = 0;
    assert_int_equal(ol_call_receipt(call, &json, &size, NULL), OL_OK);
    assert_int_equal(strlen(json), size);
    if (strstr(json, "butler") != NULL || strchr(json, '\n') != NULL)
        fail_msg("%s: %s", name, json);
}

/* In one go, line by line as libcurl gives them, byte by byte, and cut in two at every place. */
static void every_provider_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(answers); i++) {
        const char *head = answers[i].head, *body = answers[i].body, *name = answers[i].name;
        size_t head_size = strlen(head), body_size = strlen(body);
        struct ol_call *call = standalone();
        for (const char *at = head; *at != '\0';) {
            size_t size = strcspn(at, "\n") + 1;
            give_head(call, at, size);
            at += size;
        }
        ol_call_response_body(call, body, body_size);
        assert_answer(name, call, &answers[i].want);
        assert_silent(name, call);
        ol_call_free(call);
        call = standalone();
        for (size_t n = 0; n < head_size; n++)
            give_head(call, head + n, 1);
        for (size_t n = 0; n < body_size; n++)
            ol_call_response_body(call, body + n, 1);
        assert_answer(name, call, &answers[i].want);
        for (size_t cut = 0; cut <= body_size; cut += 3) {
            assert_int_equal(ol_call_begin(call, NULL), OL_OK); /* another try forgets */
            give_head(call, head, OL_MIN(cut, head_size));
            give_head(call, head + OL_MIN(cut, head_size), head_size - OL_MIN(cut, head_size));
            ol_call_response_body(call, body, cut);
            ol_call_response_body(call, body + cut, body_size - cut);
            assert_answer(name, call, &answers[i].want);
        }
        ol_call_free(call);
    }
}

/* docs/ai.md says which header wins: each against all that stand below it there. */
static void the_order_on_the_page(void **state)
{
    (void)state;
    char names[2 * OL_HEAD_IDS][64], line[500];
    size_t count = 0;
    bool is_in = false;
    FILE *in = fopen(OL_AI_PAGE, "re");
    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        if (strncmp(line, "<!-- ", 5) == 0)
            is_in = strcmp(line, "<!-- request ids -->\n") == 0;
        if (!is_in || strncmp(line, "| `", 3) != 0)
            continue;
        assert_true(count < OL_HEAD_IDS);
        int size = (int)strcspn(line + 3, "`");
        snprintf(names[OL_HEAD_IDS + count], 64, "%.*s", size, line + 3);
        snprintf(names[count], 64, "llm_provider-%.*s", size, line + 3);
        count++;
    }
    fclose(in);
    assert_int_equal(count, OL_HEAD_IDS);
    for (size_t first = 0; first < OL_COUNT(names); first++) {
        struct ol_call *call = standalone();
        give_head(call, "HTTP/1.1 200 OK\r\n", 17);
        for (size_t i = OL_COUNT(names); i-- > first;) {
            int size = snprintf(line, sizeof line, "%s: of-%s\r\n", names[i], names[i]);
            give_head(call, line, (size_t)size);
        }
        struct ol_call_result r = look(call);
        assert_string_equal(r.provider_request_header, names[first]);
        assert_string_equal(r.provider_request_id + 3, names[first]);
        ol_call_free(call);
    }
}

/* Amazon's frames, cut at every place; one that lies about its size ends the reading, no more. */
static size_t add_frame(char *out, const char *payload)
{
    static const char header[] = "\x0b:event-type\x07\x00\x08metadata";
    size_t headers = sizeof header - 1, size = strlen(payload), total = 16 + headers + size;
    memset(out, 0, total);
    out[2] = (char)(total >> 8);
    out[3] = (char)total;
    out[7] = (char)headers;
    memcpy(out + 12, header, headers);
    memcpy(out + 12 + headers, payload, size);
    return total;
}

static void frames_in_every_cut(void **state)
{
    (void)state;
    static const char head[] = "HTTP/1.1 200 OK\r\nx-amzn-requestid: f-1\r\n"
                               "Content-Type: application/vnd.amazon.eventstream\r\n\r\n";
    const struct want want = {200,  "f-1",      "x-amzn-requestid",
                              NULL, NULL,       NULL,
                              NULL, "tool_use", NULL,
                              5,    6,          -1,
                              -1,   -1,         11,
                              1,    true};
    char body[2000];
    size_t size = add_frame(body, "{\"role\":\"assistant\"}");
    size += add_frame(body + size, "{\"start\":{\"toolUse\":{\"name\":\"f\"}}}");
    size += add_frame(body + size, "{\"delta\":{\"text\":\"" SAID "\"}}");
    size += add_frame(body + size, "{\"stopReason\":\"tool_use\"}");
    size += add_frame(body + size, "{\"usage\":{\"inputTokens\":5,\"outputTokens\":6,"
                                   "\"totalTokens\":11}}");
    for (size_t cut = 0; cut <= size; cut++) {
        struct ol_call *call = standalone();
        give_head(call, head, sizeof head - 1);
        ol_call_response_body(call, body, cut);
        ol_call_response_body(call, body + cut, size - cut);
        assert_answer("frames", call, &want);
        assert_silent("frames", call);
        ol_call_free(call);
    }
    static const unsigned char lies[][12] = {{0xff, 0xff, 0xff, 0xff},
                                             {0, 0, 0, 15},
                                             {0, 0, 1, 0, 0, 0, 0, 241},
                                             {0, 1, 0, 0, 0, 2, 0, 0}};
    for (size_t i = 0; i < OL_COUNT(lies); i++) {
        struct ol_call *call = standalone();
        give_head(call, head, sizeof head - 1);
        ol_call_response_body(call, lies[i], sizeof lies[i]);
        ol_call_response_body(call, body, size);
        struct ol_call_result r = look(call);
        assert_null(r.finish_reasons);
        assert_int_equal(r.response_size, size + sizeof lies[i]);
        ol_call_free(call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_provider_in_every_cut),
        cmocka_unit_test(the_order_on_the_page),
        cmocka_unit_test(frames_in_every_cut),
    };
    return cmocka_run_group_tests_name("call_answer", tests, NULL, NULL);
}
