/* SPDX-License-Identifier: Apache-2.0 */
/* The facets of a call: docs/ai.md says which member stands for what. */
#include "call_impl.h"

#define REASONS_MAX 32

static struct ol_int count_of(struct ol_real value)
{
    bool is_whole = value.is_set && value.value >= 0 && value.value < 9e15 &&
                    value.value == (double)(int64_t)value.value;
    return (struct ol_int){is_whole, is_whole ? (int64_t)value.value : 0};
}

static struct ol_int size_of(const struct ol__call_bytes *bytes)
{
    return (struct ol_int){bytes->is_any, bytes->size};
}

static struct ol_real milliseconds(int64_t ms)
{
    return (struct ol_real){ms >= 0, (double)ms};
}

/* The words of @p list, each with its NUL in @p text. */
static size_t split(const char *list, struct ol__call_text *text, const char *words[REASONS_MAX])
{
    size_t count = 0;
    if (list == NULL)
        return 0;
    memcpy(text->text, list, strlen(list) + 1); /* it is an ol__call_text as well */
    for (char *at = text->text; at != NULL && count < REASONS_MAX; count++) {
        words[count] = at;
        at = strchr(at, ',');
        if (at != NULL)
            *at++ = '\0';
    }
    return count;
}

static void add_asked(const struct ol_call *call, struct ol_ai_call *f)
{
    const struct ol_real *p = call->asked.parameters;
    f->stream = call->asked.stream;
    f->temperature = p[OL_CALL_TEMPERATURE];
    f->top_p = p[OL_CALL_TOP_P];
    f->top_k = p[OL_CALL_TOP_K];
    f->max_tokens = count_of(p[OL_CALL_MAX_TOKENS]);
    f->seed = call->asked.seed;
    f->frequency_penalty = p[OL_CALL_FREQUENCY_PENALTY];
    f->presence_penalty = p[OL_CALL_PRESENCE_PENALTY];
    f->choice_count = count_of(p[OL_CALL_CHOICE_COUNT]);
    f->dimension_count = count_of(p[OL_CALL_DIMENSIONS]);
    if (call->url == NULL)
        return;
    int usual = call->url[4] == 's' ? 443 : 80;
    f->server_address = call->host;
    f->server_port = (struct ol_int)OL_INT(call->port != 0 ? call->port : usual);
    f->url_path = call->path[0] != '\0' ? call->path : NULL;
}

static ol_status set_call(struct ol_call *call, const struct ol_call_result *r)
{
    struct ol__call_text text;
    const char *reasons[REASONS_MAX];
    size_t reason_count = split(r->finish_reasons, &text, reasons);
    bool has_key = call->o.key_size > 0;
    struct ol_ai_call f = {
        .struct_size = sizeof f,
        .client_request_id = call->client_id[0] != '\0' ? call->client_id : NULL,
        .provider = call->o.provider,
        .operation = call->o.operation,
        .request_model = r->request_model,
        .response_model = r->response_model,
        .response_id = r->response_id,
        .request_id_header = r->provider_request_header,
        .system_fingerprint = r->system_fingerprint,
        .service_tier = r->service_tier,
        .finish_reasons = reasons,
        .finish_reason_count = reason_count,
        .input_tokens = r->input_tokens,
        .output_tokens = r->output_tokens,
        .total_tokens = r->total_tokens,
        .cache_read_input_tokens = r->cache_read_tokens,
        .cache_creation_input_tokens = r->cache_creation_tokens,
        .reasoning_output_tokens = r->reasoning_tokens,
        .request_sha256 = r->request_sha256,
        .request_size = size_of(&call->request),
        .request_redacted_sha256 = r->request_redacted_sha256,
        .response_sha256 = r->response_sha256,
        .response_size = size_of(&call->response),
        .response_redacted_sha256 = r->response_redacted_sha256,
        .request_hmac = r->request_hmac,
        .response_hmac = r->response_hmac,
        .hmac_key_id = has_key ? call->o.key_id : NULL,
        .status_code = {r->http_status != 0, r->http_status},
        .error_type = r->error_type,
        .tries = OL_INT(r->tries),
        .latency_ms = milliseconds(r->duration_ms),
        .time_to_first_chunk_ms = milliseconds(r->is_streamed ? r->first_byte_ms : -1),
        .replay_of = call->o.replay_of,
    };
    add_asked(call, &f);
    return ol_run_set_ai_call(call->run, &f);
}

static ol_status set_prompt(struct ol_call *call, const struct ol_call_result *r)
{
    const struct ol_call_options *o = &call->o;
    if (o->prompt_name == NULL && o->prompt_source_sha256 == NULL && !call->rendered.is_any)
        return OL_OK;
    return ol_run_set_prompt(
        call->run,
        OL_MAKE(ol_prompt, .name = o->prompt_name, .version = o->prompt_version,
                .source_sha256 = o->prompt_source_sha256,
                .rendered_sha256 = r->prompt_rendered_sha256,
                .rendered_size = size_of(&call->rendered), .rendered_hmac = r->prompt_rendered_hmac,
                .hmac_key_id = r->prompt_rendered_hmac != NULL ? o->key_id : NULL));
}

ol_status ol__call_set_facets(struct ol_call *call, const struct ol_call_result *r)
{
    ol_status status = set_call(call, r);
    return status == OL_OK ? set_prompt(call, r) : status;
}
