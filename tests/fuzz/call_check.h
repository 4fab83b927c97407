/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALL_CHECK_H
#define CALL_CHECK_H
/** @file What the fuzz targets of a call share. Threads: one. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <openlineage/openlineage.h>

#include "json_read.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline struct ol_call *check_new(void)
{
    struct ol_call *call = NULL;
    CHECK(ol_call_new(
              NULL, OL_MAKE(ol_call_options, .provider = "p", .run_id = "R", .is_standalone = true),
              &call, NULL) == OL_OK);
    return call;
}

static inline void check_text(const char *text, const char *other)
{
    CHECK((text == NULL) == (other == NULL));
    if (text == NULL)
        return;
    CHECK(strcmp(text, other) == 0 && text[0] != '\0');
    for (const char *at = text; *at != '\0'; at++)
        CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static inline void check_count(struct ol_int a, struct ol_int b)
{
    CHECK(a.is_set == b.is_set && a.value == b.value && a.value >= 0);
}

/* The same bytes, otherwise cut: the same is known. */
static inline void check_same(struct ol_call *one, struct ol_call *other)
{
    struct ol_call_result a = {.struct_size = sizeof a}, b = {.struct_size = sizeof b};
    CHECK(ol_call_look(one, &a) == OL_OK && ol_call_look(other, &b) == OL_OK);
    CHECK(a.http_status == b.http_status && a.http_status >= 0 && a.http_status <= 999);
    CHECK(a.is_streamed == b.is_streamed && a.is_error == b.is_error);
    check_text(a.error_type, b.error_type);
    check_text(a.provider_request_id, b.provider_request_id);
    check_text(a.provider_request_header, b.provider_request_header);
    check_text(a.response_id, b.response_id);
    check_text(a.request_model, b.request_model);
    check_text(a.response_model, b.response_model);
    check_text(a.system_fingerprint, b.system_fingerprint);
    check_text(a.service_tier, b.service_tier);
    check_text(a.finish_reasons, b.finish_reasons);
    check_text(a.request_sha256, b.request_sha256);
    check_text(a.response_sha256, b.response_sha256);
    check_count(a.input_tokens, b.input_tokens);
    check_count(a.output_tokens, b.output_tokens);
    check_count(a.total_tokens, b.total_tokens);
    check_count(a.tool_calls, b.tool_calls);
    CHECK(a.response_size == b.response_size && a.request_size == b.request_size);
    CHECK(a.retry_after_ms == b.retry_after_ms && a.retry_after_ms >= -1);
    CHECK(a.processing_ms == b.processing_ms && a.processing_ms >= -1);
}

/* JSON on one line. */
static inline void check_receipt(struct ol_call *call)
{
    static struct ol__json_reader *reader;
    const char *json = NULL;
    size_t size = 0;
    CHECK(reader != NULL || ol__json_reader_new(&reader, NULL) == OL_OK);
    CHECK(ol_call_receipt(call, &json, &size, NULL) == OL_OK);
    CHECK(strlen(json) == size && memchr(json, '\n', size) == NULL && size < 65536);
    CHECK(ol__json_read(reader, (struct ol__span){json, size}, NULL, NULL, NULL, NULL) == OL_OK);
}
#endif
