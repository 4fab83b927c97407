/* SPDX-License-Identifier: Apache-2.0 */
/* How a call ends: as ids, facets and versioned inputs of a run, and as a line of JSON. Promises:
 *  1. No text of a prompt or an answer, no key and no secret of a URL is in any of it.
 *  2. A call ends once; what comes after changes nothing of it. */
#include <stdlib.h>
#include "call_impl.h"
#include "run_ids.h"
#include "times.h"

#define SHA256_PREFIX "sha256:"

/* ---- ids ---- */

/* NAME@VERSION. @return NULL: out of memory. */
static char *versioned(const char *name, const char *version)
{
    size_t a = strlen(name), b = version != NULL ? strlen(version) : 0;
    char *text = malloc(a + b + 2);
    if (text == NULL)
        return NULL;
    memcpy(text, name, a);
    if (b > 0) {
        text[a++] = '@';
        memcpy(text + a, version, b);
    }
    text[a + b] = '\0';
    return text;
}

static ol_status set_ids(struct ol_call *call, const struct ol_call_result *r)
{
    const struct ol_call_options *o = &call->o;
    struct ol__run_ids all;
    ol__run_ids_init(&all);
    char *prompt = o->prompt_name != NULL ? versioned(o->prompt_name, o->prompt_version) : NULL;
    ol_status status = ol__run_ids_read(call->run, &all);
    if (status == OL_OK && o->prompt_name != NULL && prompt == NULL)
        status = OL_NOMEM;
    if (r->provider_request_id != NULL)
        all.ids.provider_request_id = r->provider_request_id;
    if (r->response_model != NULL)
        all.ids.model_version = r->response_model;
    if (prompt != NULL)
        all.ids.prompt_template = prompt;
    if (o->corpus_sha256 != NULL)
        all.ids.corpus_sha = o->corpus_sha256;
    if (status == OL_OK)
        status = ol_run_set_ids(call->run, &all.ids);
    free(prompt);
    ol__run_ids_release(&all);
    return status;
}

/* ---- datasets ---- */

/* OpenTelemetry's name of a provider to the name space of docs/naming.md. */
static const char *model_space(const char *provider)
{
    static const char *const spaces[][2] = {{"aws.bedrock", "bedrock"}, {"mistral_ai", "mistral"}};
    for (size_t i = 0; i < OL_COUNT(spaces); i++)
        if (strcmp(provider, spaces[i][0]) == 0)
            return spaces[i][1];
    return provider;
}

static ol_status describe(struct ol_dataset *d, const char *type, const char *version)
{
    ol_status status = d != NULL ? OL_OK : OL_NOMEM;
    if (status == OL_OK && type != NULL)
        status = ol_dataset_set_dataset_type(d, OL_MAKE(ol_dataset_type, .type = type));
    if (status == OL_OK && version != NULL)
        status = ol_dataset_set_dataset_version(d, OL_MAKE(ol_dataset_version, .version = version));
    return status;
}

bool ol__call_is_uri(const char *text)
{
    return text[0] == '/' || strstr(text, "://") != NULL || ol_dataset_name_type(text) != NULL;
}

/* A name alone, whatever is in it, is one of scheme @p scheme. */
static ol_status add_named(struct ol_run *run, const char *scheme, const char *type,
                           const char *name, const char *version, const char *sha256)
{
    char digest[sizeof SHA256_PREFIX + OL_SHA2_TEXT];
    bool is_uri = ol__call_is_uri(name);
    if (version == NULL && sha256 != NULL) {
        memcpy(digest, SHA256_PREFIX, sizeof SHA256_PREFIX - 1);
        memcpy(digest + sizeof SHA256_PREFIX - 1, sha256, OL_SHA2_TEXT + 1);
        version = digest;
    }
    return describe(is_uri ? ol_run_input(run, name) : ol_run_input_named(run, scheme, name), type,
                    version);
}

static ol_status add_inputs(struct ol_call *call, const struct ol_call_result *r)
{
    const struct ol_call_options *o = &call->o;
    const char *model = r->request_model != NULL ? r->request_model : r->response_model;
    ol_status status = OL_OK;
    if (model != NULL)
        status = describe(ol_run_input_named(call->run, model_space(o->provider), model), "MODEL",
                          r->response_model);
    if (status == OL_OK && o->prompt_name != NULL)
        status = add_named(call->run, "prompt", "PROMPT", o->prompt_name, o->prompt_version,
                           o->prompt_source_sha256);
    if (status == OL_OK && o->corpus != NULL)
        status = add_named(call->run, "corpus", "CORPUS", o->corpus, NULL, o->corpus_sha256);
    return status;
}

/* ---- the end ---- */

static void end_now(struct ol_call *call, const char *error_type)
{
    struct ol__span error = ol__span_text(error_type);
    call->has_ended = true;
    call->ended_ms = ol__time_now_ms();
    call->ended_us = ol__time_monotonic_us();
    if (error_type == NULL)
        return;
    error.size = OL_MIN(error.size, (size_t)OL_CALL_TEXT_MAX);
    if (!ol__call_text_set(&call->error, error))
        OL_IGNORE(ol__call_text_set(&call->error, OL_SPAN_LIT("_OTHER")), "it has room");
}

ol_status ol_call_end(struct ol_call *call, const char *error_type, struct ol_error *err)
{
    struct ol_call_result r = {.struct_size = sizeof r};
    if (call == NULL)
        return ol__error_set(err, OL_DISABLED, "ol_call_end: there is no call: NULL was given");
    if (call->has_ended)
        return ol__error_set(err, OL_INVALID, "ol_call_end: the call has ended");
    ol_status status = call->has_begun || call->own == NULL ? OL_OK : ol_call_begin(call, err);
    end_now(call, error_type);
    OL_IGNORE(ol_call_look(call, &r), "its struct is whole");
    if (call->run == NULL)
        return status;
    ol_status set = set_ids(call, &r);
    if (set == OL_OK)
        set = add_inputs(call, &r);
    if (set == OL_OK)
        set = ol__call_set_facets(call, &r);
    if (set != OL_OK && status >= OL_OK)
        status = ol__error_set(err, ol__status_public(set), "ol_call_end: %s",
                               ol_status_name(ol__status_public(set)));
    if (call->own == NULL)
        return status;
    ol_status sent =
        ol_run_emit_at(call->own, r.is_error ? OL_FAIL : OL_COMPLETE, call->ended_ms, err);
    return status < OL_OK ? status : sent;
}
