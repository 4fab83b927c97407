/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CALL_IMPL_H
#define OL_CALL_IMPL_H
/** @file What a call is inside; for call*.c only. Threads: one at a time per call. */
#include <openlineage/call.h>
#include "call_head.h"
#include "run.h"
#include "sha2.h"

#define OL_CALL_HOST_MAX 255

/** Bytes that are hashed as they pass. */
struct ol__call_bytes {
    struct ol__hmac hash; /**< inner alone where there is no key */
    int64_t size;
    bool is_keyed, is_any;
    char text[OL_SHA2_TEXT + 1]; /**< of what is here by now */
};

struct ol_call {
    struct ol_run *run;       /**< the facets go there; NULL: standalone */
    struct ol_run *own;       /**< owned: the same, or NULL */
    struct ol_call_options o; /**< texts owned, no key */
    char client_id[OL_CALL_CLIENT_ID_MAX + 1];
    char wanted_header[64]; /**< lower case */
    char *url;              /**< owned: the endpoint without secrets; NULL: none */
    char host[OL_CALL_HOST_MAX + 1];
    int port;         /**< 0: none */
    const char *path; /**< in url */
    struct ol__call_text url_model;
    struct ol__hmac keyed; /**< a hash under the key, with no byte yet */
    struct ol__call_bytes request, response, request_redacted, response_redacted, rendered;
    struct ol__scan request_scan;
    struct ol__request_facts asked;
    struct ol__head head;
    struct ol__stream stream;
    struct ol__answer_facts answer;
    bool has_begun, has_ended;
    int64_t tries, started_ms, ended_ms;
    int64_t try_us, first_byte_us, ended_us; /* monotonic; 0: not yet */
    struct ol__call_text error;              /**< given to ol_call_end() */
    char status_text[12];
    struct ol__buf receipt;
};
static_assert(sizeof(struct ol_call) < 32768, "as <openlineage/call.h> says");

/* call_id.c */
/** Fill call->client_id from the options, and from @p run (may be NULL) what they leave out. */
OL_NODISCARD ol_status ol__call_make_id(struct ol_call *call, const struct ol_run *run);
/** Fill url, host, port, path, url_model from the endpoint. @return OL_OK, OL_INVALID, OL_NOMEM. */
OL_NODISCARD ol_status ol__call_read_endpoint(struct ol_call *call, struct ol_error *err);
/* call_end.c */
/** Whether what a prompt or corpus is called is a URI or an absolute path, else it is a name. */
bool ol__call_is_uri(const char *text);
/* call_facets.c */
/** lineaged_call, lineaged_prompt and lineaged_retrieval of call->run. */
OL_NODISCARD ol_status ol__call_set_facets(struct ol_call *call, const struct ol_call_result *r);
#endif
