/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies, whatever the bytes: what is found does not depend on how they were cut, the hash is that
 * of the bytes, and the receipt is JSON. The first byte says what the head announced: 0 nothing, 1
 * events, 2 frames; 3: it is the body of a request. */
#include "call_check.h"
#include "sha2.h"

static void give(struct ol_call *call, unsigned form, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    if (form == 3)
        ol_call_request_body(call, copy, size);
    else
        ol_call_response_body(call, copy, size);
    free(copy);
}

static void announce(struct ol_call *call, unsigned form)
{
    static const char *const heads[4] = {
        "HTTP/2 200\r\n\r\n", "HTTP/2 200\r\nContent-Type: text/event-stream\r\n\r\n",
        "HTTP/2 200\r\nContent-Type: application/vnd.amazon.eventstream\r\n\r\n", ""};
    char head[100];
    size_t size = strlen(heads[form]);
    memcpy(head, heads[form], size);
    CHECK(ol_call_header(head, size, 1, call) == size);
}

static void check_hash(struct ol_call *call, unsigned form, const uint8_t *data, size_t size)
{
    struct ol_call_result r = {.struct_size = sizeof r};
    struct ol__sha2 s;
    uint8_t digest[OL_SHA2_SIZE];
    char want[OL_SHA2_TEXT + 1];
    CHECK(ol_call_look(call, &r) == OL_OK);
    ol__sha2_init(&s);
    ol__sha2_add(&s, data, size);
    ol__sha2_finish(&s, digest);
    ol__sha2_text(digest, want);
    const char *hash = form == 3 ? r.request_sha256 : r.response_sha256;
    CHECK((hash == NULL) == (size == 0));
    CHECK(hash == NULL || strcmp(hash, want) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned form = data[0] % 4;
    struct ol_call *whole = check_new(), *cut = check_new();
    data++;
    size--;
    announce(whole, form);
    announce(cut, form);
    give(whole, form, data, size);
    for (size_t at = 0, part = 1; at < size; at += part, part = part % 11 + 1) {
        part = OL_MIN(part, size - at);
        give(cut, form, data + at, part);
    }
    check_same(whole, cut);
    check_hash(whole, form, data, size);
    check_hash(cut, form, data, size);
    check_receipt(cut);
    ol_call_free(whole);
    ol_call_free(cut);
    return 0;
}
