/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a model. Promises:
 *  1. What takes headers and bodies never fails, blocks or allocates, whatever the bytes.
 *  2. What is hashed is what passed, each byte once, however it was cut.
 *  3. A status line, or another try, leaves nothing of the answer before it.
 *  4. No key, and no text of a prompt or an answer, is kept. */
#include <stdio.h>
#include <stdlib.h>
#include "call_impl.h"
#include "times.h"

#define KEY_MIN 16
#define ENDPOINT_MAX 8192

/* ---- options ---- */

static const struct {
    const char *name;
    size_t offset;
    size_t max;
} texts[] = {
#define TEXT(member, max)                                                                          \
    {                                                                                              \
#member, offsetof(struct ol_call_options, member), max                                     \
    }
    TEXT(provider, OL_CALL_OPTION_MAX),
    TEXT(operation, OL_CALL_OPTION_MAX),
    TEXT(request_model, OL_CALL_OPTION_MAX),
    TEXT(endpoint, ENDPOINT_MAX),
    TEXT(prompt_name, OL_CALL_OPTION_MAX),
    TEXT(prompt_version, OL_CALL_OPTION_MAX),
    TEXT(prompt_source_sha256, OL_SHA2_TEXT),
    TEXT(corpus, OL_CALL_OPTION_MAX),
    TEXT(corpus_sha256, OL_SHA2_TEXT),
    TEXT(run_id, OL_CALL_OPTION_MAX),
    TEXT(step, OL_CALL_OPTION_MAX),
    TEXT(attempt, OL_CALL_OPTION_MAX),
    TEXT(call_id, OL_CALL_OPTION_MAX),
    TEXT(request_id_header, 63),
    TEXT(key_id, OL_CALL_OPTION_MAX),
    TEXT(job_name, OL_CALL_OPTION_MAX),
    TEXT(replay_of, OL_SHA2_TEXT),
#undef TEXT
};

static const char *get_text(const struct ol_call_options *o, size_t i)
{
    const char *text;
    memcpy(&text, (const char *)o + texts[i].offset, sizeof text);
    return text;
}

static void set_text(struct ol_call_options *o, size_t i, const char *text)
{
    memcpy((char *)o + texts[i].offset, &text, sizeof text);
}

static bool is_digest(const char *text)
{
    size_t n = 0;
    while (ol__hex_value(text[n]) >= 0)
        n++;
    return n == OL_SHA2_TEXT && text[n] == '\0';
}

static ol_status check_texts(const struct ol_call_options *o, struct ol_error *err)
{
    for (size_t i = 0; i < OL_COUNT(texts); i++) {
        const char *text = get_text(o, i);
        if (text == NULL)
            continue;
        if (text[0] == '\0' || strnlen(text, texts[i].max + 1) > texts[i].max)
            return ol__error_set(err, OL_INVALID,
                                 "ol_call_options.%s: expected 1 to %zu bytes, or NULL",
                                 texts[i].name, texts[i].max);
        if (texts[i].max == OL_SHA2_TEXT && !is_digest(text))
            return ol__error_set(err, OL_INVALID,
                                 "ol_call_options.%s: expected the %d hexadecimal digits of a"
                                 " SHA-256",
                                 texts[i].name, OL_SHA2_TEXT);
    }
    return OL_OK;
}

/* A prompt or corpus that is given as a URI has a name. */
static ol_status check_name(const char *member, const char *text, struct ol_error *err)
{
    char space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE],
        version[OL_DATASET_VERSION_SIZE];
    struct ol_error why;
    if (text == NULL || !ol__call_is_uri(text))
        return OL_OK;
    ol_status status = ol_dataset_name(text, space, sizeof space, name, sizeof name, version,
                                       sizeof version, &why);
    return status == OL_OK
               ? OL_OK
               : ol__error_set(err, OL_INVALID, "ol_call_options.%s: %.180s", member, why.message);
}

static ol_status check_options(const struct ol_call_options *o, struct ol_error *err)
{
    ol_status status = check_texts(o, err);
    if (status == OL_OK && o->provider == NULL)
        return ol__error_set(err, OL_INVALID,
                             "ol_call_options.provider: none; expected e.g. \"openai\"");
    if (status == OL_OK && o->key_size > 0 &&
        (o->key == NULL || o->key_size < KEY_MIN || o->key_id == NULL))
        return ol__error_set(err, OL_INVALID,
                             "ol_call_options.key: expected at least %d bytes, and a key_id",
                             KEY_MIN);
    if (status == OL_OK)
        status = check_name("prompt_name", o->prompt_name, err);
    return status == OL_OK ? check_name("corpus", o->corpus, err) : status;
}

static bool copy_texts(const struct ol_call_options *from, struct ol_call_options *ret)
{
    bool is_whole = true;
    *ret = *from;
    ret->key = NULL; /* promise 4 */
    for (size_t i = 0; i < OL_COUNT(texts); i++) {
        const char *text = get_text(from, i);
        char *copy = text != NULL ? strdup(text) : NULL;
        is_whole = is_whole && (copy != NULL || text == NULL);
        set_text(ret, i, copy);
    }
    return is_whole;
}

/* ---- making ---- */

static void hash_begin(struct ol__call_bytes *b, const struct ol_call *call, bool is_keyed)
{
    *b = (struct ol__call_bytes){.is_keyed = is_keyed && call->o.key_size > 0};
    if (b->is_keyed)
        b->hash = call->keyed;
    else
        ol__sha2_init(&b->hash.inner);
}

static void hash_add(struct ol__call_bytes *b, const void *data, size_t size)
{
    ol__hmac_add(&b->hash, data, size); /* without a key, inner is the hash */
    b->size += (int64_t)size;
    b->is_any = true;
}

/* What it is by now; more may follow. @return NULL: no byte came. */
static const char *hash_text(struct ol__call_bytes *b)
{
    uint8_t digest[OL_SHA2_SIZE];
    struct ol__hmac copy = b->hash;
    if (!b->is_any)
        return NULL;
    if (b->is_keyed)
        ol__hmac_finish(&copy, digest);
    else
        ol__sha2_finish(&copy.inner, digest);
    ol__sha2_text(digest, b->text);
    return b->text;
}

static void forget_answer(struct ol_call *call)
{
    hash_begin(&call->response, call, true);
    call->answer = (struct ol__answer_facts){.is_error = false};
    call->first_byte_us = 0;
    ol__stream_begin(&call->stream, ol__answer_fact, &call->answer);
}

static void forget_request(struct ol_call *call)
{
    hash_begin(&call->request, call, true);
    call->asked = (struct ol__request_facts){.stream = OL_UNSET};
    ol__scan_begin(&call->request_scan, ol__request_fact, &call->asked);
}

static ol_status make_own_run(struct ol_call *call, const struct ol_run *parent,
                              struct ol_error *err)
{
    const char *operation = call->o.operation != NULL ? call->o.operation : "call";
    size_t size = parent->name_size + 1 + strlen(operation) + 1;
    char *space = strndup(parent->parent_id, parent->namespace_size);
    char *name = malloc(size);
    ol_status status = OL_NOMEM;
    if (space == NULL || name == NULL) {
        status = ol__error_set(err, OL_NOMEM, "ol_call_new: out of memory");
    } else {
        snprintf(name, size, "%.*s.%s", (int)parent->name_size,
                 parent->parent_id + parent->namespace_size + 1, operation);
        status = ol_run_new_child(
            parent,
            OL_MAKE(ol_run_options, .job_namespace = space,
                    .job_name = call->o.job_name != NULL ? call->o.job_name : name),
            &call->own, err);
    }
    free(space);
    free(name);
    if (status == OL_OK)
        call->run = call->own;
    return status;
}

static void set_wanted_header(struct ol_call *call)
{
    const char *name = call->o.request_id_header;
    size_t i = 0;
    for (; name != NULL && name[i] != '\0'; i++)
        call->wanted_header[i] =
            name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
    call->wanted_header[i] = '\0';
    call->head.wanted = name != NULL ? call->wanted_header : NULL;
    call->head.not_this = call->client_id;
}

static ol_status fill(struct ol_call *call, struct ol_run *run, struct ol_error *err)
{
    ol_status status = ol__call_read_endpoint(call, err);
    call->run = run;
    if (status == OL_OK && run != NULL && call->o.is_own_run)
        status = make_own_run(call, run, err);
    if (status != OL_OK)
        return status;
    status = ol__call_make_id(call, run);
    if (status != OL_OK)
        return ol__error_set(err, ol__status_public(status), "ol_call_new: out of memory");
    ol__head_init(&call->head);
    set_wanted_header(call);
    forget_request(call);
    forget_answer(call);
    hash_begin(&call->request_redacted, call, false);
    hash_begin(&call->response_redacted, call, false);
    hash_begin(&call->rendered, call, true);
    ol__buf_init(&call->receipt, OL_LINE_MAX);
    call->tries = 1;
    call->started_ms = ol__time_now_ms();
    call->try_us = ol__time_monotonic_us();
    return OL_OK;
}

ol_status ol_call_new(struct ol_run *run, const struct ol_call_options *options,
                      struct ol_call **ret, struct ol_error *err)
{
    struct ol_call_options o;
    if (ret == NULL)
        return ol__error_set(err, OL_INVALID, "ol_call_new: ret is NULL");
    *ret = NULL;
    bool is_read = options != NULL && ol__options_copy(options, &o, sizeof o, sizeof o);
    if (run == NULL && !(is_read && o.is_standalone))
        return ol__error_set(err, OL_DISABLED, "ol_call_new: there is no run: NULL was given");
    if (!is_read)
        return ol__options_refused(options, "ol_call_options", err);
    if (run != NULL && run->form != OL_FORM_RUN)
        return ol__error_set(err, OL_INVALID,
                             "ol_call_new: this is an event without a run; expected what"
                             " ol_run_new() made");
    ol_status status = check_options(&o, err);
    if (status != OL_OK)
        return status;
    struct ol_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return ol__error_set(err, OL_NOMEM, "ol_call_new: out of memory");
    if (o.key_size > 0)
        ol__hmac_init(&call->keyed, o.key, o.key_size);
    status = copy_texts(&o, &call->o) ? fill(call, run, err)
                                      : ol__error_set(err, OL_NOMEM, "ol_call_new: out of memory");
    if (status != OL_OK) {
        ol_call_free(call);
        return status;
    }
    *ret = call;
    return OL_OK;
}

void ol_call_free(struct ol_call *call)
{
    if (call == NULL)
        return;
    for (size_t i = 0; i < OL_COUNT(texts); i++)
        free((char *)(uintptr_t)get_text(&call->o, i));
    free(call->url);
    ol_run_free(call->own);
    ol__buf_release(&call->receipt);
    explicit_bzero(call, sizeof *call); /* what the key became signs as well as the key */
    free(call);
}

struct ol_run *ol_call_run(struct ol_call *call)
{
    return call != NULL ? call->run : NULL;
}

const char *ol_call_client_request_id(const struct ol_call *call)
{
    return call != NULL ? call->client_id : NULL;
}

ol_status ol_call_inject(const struct ol_call *call, const struct ol_carrier *carrier,
                         struct ol_error *err)
{
    struct ol_carrier c = {.put = NULL};
    if (call == NULL)
        return ol__error_set(err, OL_DISABLED, "ol_call_inject: there is no call: NULL was given");
    if (carrier == NULL || !ol__options_copy(carrier, &c, sizeof c, sizeof c))
        return ol__options_refused(carrier, "ol_carrier", err);
    if (c.put == NULL)
        return ol__error_set(err, OL_INVALID, "ol_call_inject: ol_carrier.put: required");
    const char *name = ol_call_client_request_header(call);
    const char *key = name[0] == 'X' ? "x-client-request-id" : name;
    if (call->client_id[0] != '\0' && c.put(c.arg, key, call->client_id) != 0)
        return ol__error_set(err, OL_IO, "ol_call_inject: the carrier did not take '%s'", key);
    return call->run != NULL ? ol_context_inject(call->run, carrier, err) : OL_OK;
}

/* ---- under way ---- */

ol_status ol_call_begin(struct ol_call *call, struct ol_error *err)
{
    if (call == NULL)
        return ol__error_set(err, OL_DISABLED, "ol_call_begin: there is no call: NULL was given");
    if (call->has_ended)
        return ol__error_set(err, OL_INVALID, "ol_call_begin: the call has ended");
    bool is_first = !call->has_begun;
    call->has_begun = true;
    call->try_us = ol__time_monotonic_us();
    if (!is_first) {
        call->tries++;
        ol__head_init(&call->head);
        forget_answer(call); /* promise 3 */
        return OL_OK;
    }
    call->started_ms = ol__time_now_ms();
    return call->own != NULL ? ol_run_emit_at(call->own, OL_START, call->started_ms, err) : OL_OK;
}

void ol_call_request_body(struct ol_call *call, const void *data, size_t size)
{
    if (call == NULL || call->has_ended || size == 0)
        return;
    hash_add(&call->request, data, size);
    ol__scan_add(&call->request_scan, data, size);
}

void ol_call_request_restart(struct ol_call *call)
{
    if (call != NULL && !call->has_ended)
        forget_request(call);
}

size_t ol_call_header(char *line, size_t size, size_t n, void *call)
{
    struct ol_call *c = call;
    size_t bytes = 0;
    if (__builtin_mul_overflow(size, n, &bytes) || bytes == 0 || c == NULL || c->has_ended)
        return size * n;
    if (ol__head_add(&c->head, line, bytes))
        forget_answer(c); /* promise 3 */
    return bytes;
}

void ol_call_response_body(struct ol_call *call, const void *data, size_t size)
{
    if (call == NULL || call->has_ended || size == 0)
        return;
    if (!call->response.is_any) {
        ol__head_finish(&call->head);
        ol__stream_expect(&call->stream, call->head.form);
        call->first_byte_us = ol__time_monotonic_us();
    }
    hash_add(&call->response, data, size);
    ol__stream_add(&call->stream, data, size);
}

static void add_bytes(struct ol_call *call, struct ol__call_bytes *b, const void *data, size_t size)
{
    if (!call->has_ended && size > 0)
        hash_add(b, data, size);
}

void ol_call_request_redacted(struct ol_call *call, const void *data, size_t size)
{
    if (call != NULL)
        add_bytes(call, &call->request_redacted, data, size);
}

void ol_call_response_redacted(struct ol_call *call, const void *data, size_t size)
{
    if (call != NULL)
        add_bytes(call, &call->response_redacted, data, size);
}

void ol_call_prompt_rendered(struct ol_call *call, const void *data, size_t size)
{
    if (call != NULL)
        add_bytes(call, &call->rendered, data, size);
}

/* ---- what is known ---- */

static const char *known(const struct ol__call_text *text)
{
    return text->text[0] != '\0' ? text->text : NULL;
}

static void look_at_hashes(struct ol_call *call, struct ol_call_result *r)
{
    const char *request = hash_text(&call->request), *response = hash_text(&call->response);
    const char *rendered = hash_text(&call->rendered);
    bool is_keyed = call->o.key_size > 0;
    r->request_sha256 = is_keyed ? NULL : request;
    r->request_hmac = is_keyed ? request : NULL;
    r->response_sha256 = is_keyed ? NULL : response;
    r->response_hmac = is_keyed ? response : NULL;
    r->prompt_rendered_sha256 = is_keyed ? NULL : rendered;
    r->prompt_rendered_hmac = is_keyed ? rendered : NULL;
    r->request_redacted_sha256 = hash_text(&call->request_redacted);
    r->response_redacted_sha256 = hash_text(&call->response_redacted);
    r->request_size = call->request.size;
    r->response_size = call->response.size;
    r->request_redacted_size = call->request_redacted.size;
    r->response_redacted_size = call->response_redacted.size;
    r->prompt_rendered_size = call->rendered.size;
}

static void look_at_answer(const struct ol_call *call, struct ol_call_result *r)
{
    const struct ol__answer_facts *a = &call->answer;
    r->response_id = known(&a->id);
    r->response_model = known(&a->model);
    r->system_fingerprint = known(&a->fingerprint);
    r->service_tier = known(&a->tier);
    r->finish_reasons = known(&a->finish_reasons);
    r->input_tokens =
        a->counts[OL_CALL_INPUT].is_set ? a->counts[OL_CALL_INPUT] : call->head.input_tokens;
    r->output_tokens =
        a->counts[OL_CALL_OUTPUT].is_set ? a->counts[OL_CALL_OUTPUT] : call->head.output_tokens;
    r->cache_read_tokens = a->counts[OL_CALL_CACHE_READ];
    r->cache_creation_tokens = a->counts[OL_CALL_CACHE_CREATION];
    r->reasoning_tokens = a->counts[OL_CALL_REASONING];
    r->total_tokens = a->counts[OL_CALL_TOTAL];
    if (call->stream.events > 0 || call->stream.scan.roots > 0)
        r->tool_calls = (struct ol_int)OL_INT(a->tool_calls);
}

/* The first that there is: given at the end; the answer's word; the head's; the status. */
static void look_at_error(struct ol_call *call, struct ol_call_result *r)
{
    bool is_bad = r->http_status != 0 && (r->http_status < 200 || r->http_status > 299);
    r->is_error = call->error.text[0] != '\0' || call->answer.is_error || is_bad;
    if (!r->is_error)
        return;
    r->error_type = known(&call->error);
    if (r->error_type == NULL)
        r->error_type = known(&call->answer.error_type);
    if (r->error_type == NULL)
        r->error_type = known(&call->head.error_type);
    if (r->error_type == NULL && is_bad) {
        snprintf(call->status_text, sizeof call->status_text, "%d", r->http_status);
        r->error_type = call->status_text;
    }
    if (r->error_type == NULL)
        r->error_type = "_OTHER"; /* OpenTelemetry's word */
}

ol_status ol_call_look(struct ol_call *call, struct ol_call_result *ret)
{
    struct ol_call_result r = {.struct_size = sizeof r};
    size_t size = ret != NULL ? ret->struct_size : 0;
    bool is_read = size >= sizeof r.struct_size && size <= 65536;
    if (is_read) {
        memset(ret, 0, size);
        ret->struct_size = size;
    }
    if (call == NULL)
        return OL_DISABLED;
    if (!is_read)
        return OL_INVALID;
    ol__head_finish(&call->head);
    r.http_status = call->head.http_status;
    r.is_streamed = ol__stream_is_streamed(&call->stream);
    r.has_ended = call->has_ended;
    r.provider_request_id = ol__head_id(&call->head, &r.provider_request_header);
    r.request_model = call->o.request_model != NULL       ? call->o.request_model
                      : known(&call->asked.model) != NULL ? call->asked.model.text
                                                          : known(&call->url_model);
    look_at_answer(call, &r);
    look_at_hashes(call, &r);
    look_at_error(call, &r);
    r.started_ms = call->started_ms;
    r.ended_ms = call->ended_ms;
    r.duration_ms = call->has_ended ? (call->ended_us - call->try_us) / 1000 : -1;
    r.first_byte_ms = call->first_byte_us != 0 ? (call->first_byte_us - call->try_us) / 1000 : -1;
    r.processing_ms = call->head.processing_ms;
    r.retry_after_ms = call->head.retry_after_ms;
    r.tries = call->tries;
    r.struct_size = size;
    memcpy(ret, &r, OL_MIN(size, sizeof r));
    return OL_OK;
}
