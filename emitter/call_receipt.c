/* SPDX-License-Identifier: Apache-2.0 */
/* The call as it stands in a receipt: spec/RECEIPT.md, `calls`. Names are those of the facets
 * lineaged_call and lineaged_prompt, and of lineaged_run where these repeat none of it. */
#include "call_impl.h"
#include "json_write.h"
#include "times.h"

static void add_time(struct ol__json_writer *w, const char *key, int64_t ms)
{
    char text[OL_TIME_TEXT + 1];
    if (ms == 0)
        return;
    ol__time_format(ms, text);
    ol__json_member_text(w, key, text);
}

static void add_int(struct ol__json_writer *w, const char *key, struct ol_int value)
{
    if (value.is_set)
        ol__json_member_int(w, key, value.value);
}

static void add_ms(struct ol__json_writer *w, const char *key, int64_t ms)
{
    if (ms >= 0)
        ol__json_member_int(w, key, ms);
}

static void add_size(struct ol__json_writer *w, const char *key, const struct ol__call_bytes *b)
{
    if (b->is_any)
        ol__json_member_int(w, key, b->size);
}

/* Every header that may be the id, for whoever asks which of them it was. */
static void add_ids(struct ol__json_writer *w, const struct ol__head *h)
{
    bool is_open = false;
    for (int from = 1; from >= 0; from--)
        for (size_t i = 0; i < OL_HEAD_IDS; i++) {
            if (h->ids[from][i].text[0] == '\0')
                continue;
            if (!is_open) {
                ol__json_key(w, "response_ids");
                ol__json_begin_object(w);
                is_open = true;
            }
            ol__json_member_text(w, ol__head_id_name(from, i), h->ids[from][i].text);
        }
    if (is_open)
        ol__json_end_object(w);
}

static void add_words(struct ol__json_writer *w, const char *key, const char *list)
{
    if (list == NULL)
        return;
    ol__json_key(w, key);
    ol__json_begin_array(w);
    while (*list != '\0') {
        size_t size = strcspn(list, ",");
        ol__json_span(w, (struct ol__span){list, size});
        list += size + (list[size] == ',');
    }
    ol__json_end_array(w);
}

static void add_asked(struct ol__json_writer *w, const struct ol_call *call,
                      const struct ol_call_result *r)
{
    static const char *const names[OL_CALL_PARAMETERS] = {
        "temperature",      "top_p",        "top_k",
        "max_tokens",       NULL,           "frequency_penalty",
        "presence_penalty", "choice_count", "dimension_count"};
    const struct ol_call_options *o = &call->o;
    ol__json_member_text(w, "provider", o->provider);
    ol__json_member_text_opt(w, "operation", o->operation);
    ol__json_member_text_opt(w, "url", call->url);
    ol__json_member_text_opt(w, "request_model", r->request_model);
    if (call->asked.stream != OL_UNSET)
        ol__json_member_bool(w, "stream", call->asked.stream == OL_TRUE);
    for (size_t i = 0; i < OL_CALL_PARAMETERS; i++) {
        if (names[i] == NULL) {
            add_int(w, "seed", call->asked.seed);
        } else if (call->asked.parameters[i].is_set) {
            ol__json_key(w, names[i]);
            ol__json_real(w, call->asked.parameters[i].value);
        }
    }
    ol__json_member_text_opt(w, "prompt_name", o->prompt_name);
    ol__json_member_text_opt(w, "prompt_version", o->prompt_version);
    ol__json_member_text_opt(w, "prompt_source_sha256", o->prompt_source_sha256);
    ol__json_member_text_opt(w, "prompt_rendered_sha256", r->prompt_rendered_sha256);
    ol__json_member_text_opt(w, "prompt_rendered_hmac", r->prompt_rendered_hmac);
    add_size(w, "prompt_rendered_size", &call->rendered);
    ol__json_member_text_opt(w, "corpus", o->corpus);
    ol__json_member_text_opt(w, "corpus_sha", o->corpus_sha256);
}

static void add_answer(struct ol__json_writer *w, const struct ol_call *call,
                       const struct ol_call_result *r)
{
    ol__json_member_text_opt(w, "provider_request_id", r->provider_request_id);
    ol__json_member_text_opt(w, "request_id_header", r->provider_request_header);
    add_ids(w, &call->head);
    ol__json_member_text_opt(w, "response_id", r->response_id);
    ol__json_member_text_opt(w, "response_model", r->response_model);
    ol__json_member_text_opt(w, "system_fingerprint", r->system_fingerprint);
    ol__json_member_text_opt(w, "service_tier", r->service_tier);
    add_words(w, "finish_reasons", r->finish_reasons);
    add_int(w, "tool_calls", r->tool_calls);
    add_int(w, "input_tokens", r->input_tokens);
    add_int(w, "output_tokens", r->output_tokens);
    add_int(w, "total_tokens", r->total_tokens);
    add_int(w, "cache_read_input_tokens", r->cache_read_tokens);
    add_int(w, "cache_creation_input_tokens", r->cache_creation_tokens);
    add_int(w, "reasoning_output_tokens", r->reasoning_tokens);
    if (r->http_status != 0)
        ol__json_member_int(w, "status_code", r->http_status);
    ol__json_member_text_opt(w, "error_type", r->error_type);
    ol__json_key(w, "is_streamed");
    ol__json_bool(w, r->is_streamed);
}

static void add_hashes(struct ol__json_writer *w, const struct ol_call *call,
                       const struct ol_call_result *r)
{
    ol__json_member_text_opt(w, "request_sha256", r->request_sha256);
    ol__json_member_text_opt(w, "request_hmac", r->request_hmac);
    add_size(w, "request_size", &call->request);
    ol__json_member_text_opt(w, "request_redacted_sha256", r->request_redacted_sha256);
    add_size(w, "request_redacted_size", &call->request_redacted);
    ol__json_member_text_opt(w, "response_sha256", r->response_sha256);
    ol__json_member_text_opt(w, "response_hmac", r->response_hmac);
    add_size(w, "response_size", &call->response);
    ol__json_member_text_opt(w, "response_redacted_sha256", r->response_redacted_sha256);
    add_size(w, "response_redacted_size", &call->response_redacted);
    if (call->o.key_size > 0)
        ol__json_member_text(w, "hmac_key_id", call->o.key_id);
    ol__json_member_text_opt(w, "replay_of", call->o.replay_of);
}

ol_status ol_call_receipt(struct ol_call *call, const char **ret_json, size_t *ret_size,
                          struct ol_error *err)
{
    struct ol_call_result r = {.struct_size = sizeof r};
    struct ol__json_writer w;
    if (call == NULL)
        return ol__error_set(err, OL_DISABLED, "ol_call_receipt: there is no call: NULL was given");
    if (ret_json == NULL)
        return ol__error_set(err, OL_INVALID, "ol_call_receipt: ret_json is NULL");
    OL_IGNORE(ol_call_look(call, &r), "its struct is whole");
    ol__buf_reset(&call->receipt);
    ol__json_writer_init(&w, &call->receipt);
    ol__json_begin_object(&w);
    if (call->client_id[0] != '\0')
        ol__json_member_text(&w, "client_request_id", call->client_id);
    if (call->own != NULL)
        ol__json_member_text(&w, "run_id", call->own->run_id);
    add_asked(&w, call, &r);
    add_answer(&w, call, &r);
    add_time(&w, "started_at", r.started_ms);
    add_time(&w, "finished_at", r.ended_ms);
    add_ms(&w, "duration_ms", r.duration_ms);
    add_ms(&w, "first_byte_ms", r.first_byte_ms);
    add_ms(&w, "processing_ms", r.processing_ms);
    ol__json_member_int(&w, "tries", r.tries);
    add_hashes(&w, call, &r);
    ol__json_end_object(&w);
    if (call->receipt.status != OL_OK)
        return ol__error_set(err, OL_NOMEM, "ol_call_receipt: out of memory");
    *ret_json = call->receipt.data;
    if (ret_size != NULL)
        *ret_size = call->receipt.size;
    return OL_OK;
}
