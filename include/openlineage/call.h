/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENLINEAGE_CALL_H
#define OPENLINEAGE_CALL_H
/** @file
 * One call of a model over HTTP, as a part of a run: which prompt, model and request made an
 * answer, by ids that both sides know. Part of <openlineage/openlineage.h>; docs/ai.md says what
 * goes where.
 *
 *     struct ol_call *call = NULL;
 *     ol_call_new(run, OL_MAKE(ol_call_options, .provider = "openai", .operation = "chat",
 *                              .endpoint = url), &call, &err);
 *     ... send header ol_call_client_request_header(): ol_call_client_request_id() ...
 *     ol_call_request_body(call, body, size);
 *     curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, ol_call_header);
 *     curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
 *     ... your CURLOPT_WRITEFUNCTION calls ol_call_response_body(call, data, size * n) ...
 *     ol_call_begin(call);
 *     CURLcode code = curl_easy_perform(curl);
 *     ol_call_end(call, code == CURLE_OK ? NULL : curl_easy_strerror(code), &err);
 *     ol_call_free(call);
 *
 * What is sent and received is hashed and read for ids, models and counts as it passes; no text of
 * a prompt or an answer is kept, and none reaches an event or ol_call_receipt(). Of what is read
 * only texts of at most OL_CALL_TEXT_MAX bytes without control characters count.
 *
 * Memory is that of the struct (under 32 KiB) and of the options, whatever comes: the functions
 * that take headers and bodies allocate nothing, never block, never fail, and take any bytes.
 * Threads: one at a time per call; only ol_call_new(), ol_call_begin(), ol_call_inject(),
 * ol_call_end() and ol_call_free() touch the run, so the transfer may be on another thread than the
 * run's. Fork: parent and child may both go on with their copies, but only one may end it. Handles
 * may be NULL everywhere, so a program whose lineage is switched off needs no second path.
 */
#include <openlineage/status.h>
#include <openlineage/values.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ol_run;     /* <openlineage/openlineage.h> */
struct ol_carrier; /* <openlineage/openlineage.h> */
struct ol_call;    /* opaque */

#define OL_CALL_CLIENT_ID_MAX 512 /**< bytes of a client request id, without its NUL */
#define OL_CALL_TEXT_MAX 255      /**< bytes of one text that is read from an answer */
#define OL_CALL_OPTION_MAX 1024   /**< bytes of one text of ol_call_options; endpoint: 8192 */

/** How a call is made. Texts are copied. NULL: not known, or as it says. */
struct ol_call_options {
    size_t struct_size;         /**< Set by OL_MAKE. */
    const char *provider;       /**< Required: gen_ai.provider.name, e.g. "openai", "anthropic",
                                     "aws.bedrock", "azure.ai.openai", "gcp.gemini". */
    const char *operation;      /**< gen_ai.operation.name, e.g. "chat", "embeddings". */
    const char *request_model;  /**< NULL: what the request's body says, or its URL. */
    const char *endpoint;       /**< URL; user, password, query and fragment are cut off. */
    const char *prompt_name;    /**< Template: a URI ("prompt://registry/support/greeting:v7"), an
                                     absolute path, else a name, in name space "prompt". */
    const char *prompt_version; /**< Of the template. */
    const char *prompt_source_sha256; /**< Of the template's source, hexadecimal. */
    const char *corpus;               /**< Text corpus behind retrieval, as prompt_name. */
    const char *corpus_sha256;        /**< Of the corpus, or of its manifest. */
    const char *run_id;  /**< For the client request id; NULL: that of the run's lineaged_run facet,
                              else the root run's id. */
    const char *step;    /**< NULL: that of the facet, else the job's name. */
    const char *attempt; /**< NULL: that of the facet, else none. */
    const char *call_id; /**< Tells calls of one attempt apart: `;call=` behind the others. NULL:
                              none, or with is_own_run that run's id. */
    const char *request_id_header; /**< A response header that wins over all known ones. */
    const void *key;    /**< Hashes of what was sent, received and rendered become HMAC-SHA-256
                             under these bytes, for texts that could be guessed. */
    size_t key_size;    /**< Bytes at key, at least 16; 0: none. */
    const char *key_id; /**< Name of the key, which is recorded; required with a key. */
    bool is_own_run;    /**< The call becomes a child of the run: START by ol_call_begin(), its end
                             by ol_call_end(). Else the facets go to the run itself, which the caller
                             emits, and of several calls of it the last one's stay. */
    const char *job_name;  /**< Of the own run; NULL: the parent's job, a dot and operation (or
                                "call"). */
    const char *replay_of; /**< SHA-256 of the receipt whose request is sent again. */
    bool is_standalone;    /**< Make the call also where the run is NULL: for its ids, its hashes
                                and its receipt. run_id, step and attempt are then only what
                                stands here. */
};

/** Describe a call that @p run is about to make. @p run, borrowed, must stay until ol_call_free().
 *  @param ret  Owned: end it with ol_call_free(). NULL on any result but OL_OK.
 *  @return OL_OK; OL_DISABLED: @p run is NULL and the call not is_standalone; OL_INVALID: an
 * option, err names it; OL_NOMEM. Since 0.1. */
OL_API OL_NODISCARD ol_status ol_call_new(struct ol_run *run, const struct ol_call_options *options,
                                          struct ol_call **ret, struct ol_error *err);
/** Free @p call. An own run that was begun and not ended stays without an end. Since 0.1. */
OL_API void ol_call_free(struct ol_call *call);

/** The run that the facets go to: the own one, else that which was given; borrowed until
 * ol_call_free(). For facets that the caller adds, e.g. what was retrieved. Since 0.1. */
OL_API struct ol_run *ol_call_run(struct ol_call *call);

/** `run=RUN;step=STEP;attempt=N`, what is not known left out, `;call=ID` behind it where there is
 * one. Printable ASCII: every other byte, space, `%`, `;`, `=` and `,` of a value is
 * percent-encoded (UTF-8, upper case). At most OL_CALL_CLIENT_ID_MAX bytes: run and call have at
 * most 128, attempt 32, the step what is left; a value that has no room is cut at its end, never
 * inside an encoded character. Borrowed until ol_call_free(). "" where nothing is known. Since 0.1.
 */
OL_API const char *ol_call_client_request_id(const struct ol_call *call);
/** The request header to send it in: "x-ms-client-request-id" to Azure, "X-Client-Request-Id" to
 * all others. Static text. Since 0.1. */
OL_API const char *ol_call_client_request_header(const struct ol_call *call);
/** Put that header, its name in lower case, and what ol_context_inject() puts for the call's run
 * (traceparent, tracestate, baggage) into @p carrier. @return as ol_context_inject(). Since 0.1. */
OL_API ol_status ol_call_inject(const struct ol_call *call, const struct ol_carrier *carrier,
                                struct ol_error *err);

/** The request goes out now. Again: another try, which counts and forgets the answer so far; what
 * was sent stays, see ol_call_request_restart(). Without it the call begins with ol_call_new().
 *  @return OL_OK; what emitting START of an own run answered, the first time; OL_DISABLED (NULL);
 * OL_INVALID: it has ended. Since 0.1. */
OL_API ol_status ol_call_begin(struct ol_call *call, struct ol_error *err);

/** Bytes of the request's body as they are sent, in order, in pieces of any size. Since 0.1. */
OL_API void ol_call_request_body(struct ol_call *call, const void *data, size_t size);
/** Forget them: the body is sent again from its start (CURLOPT_SEEKFUNCTION). Since 0.1. */
OL_API void ol_call_request_restart(struct ol_call *call);

/** Bytes of the answer's head; fits CURLOPT_HEADERFUNCTION with @p call (a struct ol_call, may be
 * NULL) as CURLOPT_HEADERDATA. Takes lines or pieces of lines, folded ones and trailers. Each
 * status line (100 Continue, redirects, proxies, authentication, retries inside the HTTP library)
 * begins a new answer: what came before it is forgotten. A line longer than 8192 bytes is ignored.
 *  @return @p size times @p n, always. Since 0.1. */
OL_API size_t ol_call_header(char *line, size_t size, size_t n, void *call);

/** Bytes of the answer's body as the program gets them (decompressed, unchunked), in order, in
 * pieces of any size: JSON, a line or an array of JSON values, text/event-stream, or
 * application/vnd.amazon.eventstream. Since 0.1. */
OL_API void ol_call_response_body(struct ol_call *call, const void *data, size_t size);

/** Bytes that are kept in the place of those that were sent, in pieces: a second hash and size,
 * never keyed. Since 0.1. */
OL_API void ol_call_request_redacted(struct ol_call *call, const void *data, size_t size);
/** The same of those that were received. Since 0.1. */
OL_API void ol_call_response_redacted(struct ol_call *call, const void *data, size_t size);
/** Bytes of the prompt as it was rendered from its template, in pieces: hashed. Since 0.1. */
OL_API void ol_call_prompt_rendered(struct ol_call *call, const void *data, size_t size);

/** What is known of a call; texts are borrowed until the next call of any function on it but this,
 * NULL: not known. Fields are only ever added at the end. */
struct ol_call_result {
    size_t struct_size;     /**< Set by the caller: sizeof(struct ol_call_result). */
    int http_status;        /**< 0: none came. */
    bool is_streamed;       /**< The body was a stream of events or of JSON values. */
    bool has_ended;         /**< ol_call_end() was called. */
    bool is_error;          /**< It failed, by the transport, the status, or the answer itself. */
    const char *error_type; /**< Given to ol_call_end(), else the answer's own word for it, else
                                 the HTTP status. */
    const char *provider_request_id;     /**< From a header of the answer. */
    const char *provider_request_header; /**< Which one, lower case. */
    const char *response_id;             /**< From the body. */
    const char *request_model;           /**< Asked for. */
    const char *response_model;          /**< That answered. */
    const char *system_fingerprint;      /**< Of the serving. */
    const char *service_tier;            /**< That was used. */
    const char *finish_reasons;          /**< Each once, joined by commas, as the provider says. */
    struct ol_int input_tokens;          /**< As the provider counts. */
    struct ol_int output_tokens;         /**< As the provider counts. */
    struct ol_int cache_read_tokens;     /**< Of the input, from a cache. */
    struct ol_int cache_creation_tokens; /**< Of the input, into a cache. */
    struct ol_int reasoning_tokens;      /**< Of the output. */
    struct ol_int total_tokens;          /**< As the provider says; never added up here. */
    struct ol_int tool_calls;    /**< That the answer asks for; set where a body was read. */
    const char *request_sha256;  /**< Hexadecimal; NULL: nothing was sent, or a key. */
    const char *response_sha256; /**< NULL: nothing came, or there is a key. */
    const char *request_hmac;    /**< NULL: nothing was sent, or no key. */
    const char *response_hmac;   /**< NULL: nothing came, or no key. */
    const char *request_redacted_sha256;  /**< NULL: none was given. */
    const char *response_redacted_sha256; /**< NULL: none was given. */
    const char *prompt_rendered_sha256;   /**< NULL: none was given, or there is a key. */
    const char *prompt_rendered_hmac;     /**< NULL: none was given, or no key. */
    int64_t request_size;                 /**< Bytes of the body. */
    int64_t response_size;                /**< Bytes of the body. */
    int64_t request_redacted_size;        /**< Bytes. */
    int64_t response_redacted_size;       /**< Bytes. */
    int64_t prompt_rendered_size;         /**< Bytes. */
    int64_t started_ms;                   /**< Unix time of the first try, UTC. */
    int64_t ended_ms;                     /**< 0: not ended. */
    int64_t duration_ms; /**< Of the last try, by the monotonic clock; -1: not ended. */
    int64_t
        first_byte_ms; /**< From the begin of the last try to the body's first byte; -1: none. */
    int64_t processing_ms;  /**< That the provider says it took; -1: it does not say. */
    int64_t retry_after_ms; /**< That it asks to wait; -1: it does not say (a date is not read). */
    int64_t tries;          /**< Calls of ol_call_begin(), at least 1. */
};

/** Fill @p ret with what is known by now; struct_size says how much of it there is.
 *  @return OL_OK; OL_DISABLED (NULL): all else is zero; OL_INVALID: no such struct. Since 0.1. */
OL_API ol_status ol_call_look(struct ol_call *call, struct ol_call_result *ret);

/** The answer is here, or will not come. Sets on the call's run: facet `lineaged_call`,
 * `lineaged_prompt` where there is a prompt; in `lineaged_run` the provider's request id, the model
 * that answered, prompt template and corpus; as inputs model, prompt template and corpus, each with
 * its version. An own run is emitted: COMPLETE, or FAIL. Nothing of it is
 * undone by a failure.
 *  @param error_type  Why there is no answer (gen_ai's error.type, e.g. "timeout"); NULL: there is
 * one, and its status and body say whether it is an error.
 *  @return OL_OK, OL_PARTIAL; OL_DISABLED (NULL); OL_INVALID: it has ended; OL_NOMEM; of an own run
 * what ol_run_emit() answers. Since 0.1. */
OL_API ol_status ol_call_end(struct ol_call *call, const char *error_type, struct ol_error *err);

/** The call as a JSON object on one line, as it stands in `calls` of a receipt (spec/RECEIPT.md).
 *  @param ret_json  Borrowed until the next call of this or ol_call_free(); NUL-terminated.
 *  @return OL_OK; OL_DISABLED (NULL); OL_INVALID: ret_json is NULL; OL_NOMEM. Since 0.1. */
OL_API OL_NODISCARD ol_status ol_call_receipt(struct ol_call *call, const char **ret_json,
                                              size_t *ret_size, struct ol_error *err);

#ifdef __cplusplus
}
#endif
#endif
