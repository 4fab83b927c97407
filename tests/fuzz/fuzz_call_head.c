/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer, whatever the bytes: all of it is taken, what is found does not depend on
 * how it was cut, and the receipt is JSON. */
#include "call_check.h"

static void give(struct ol_call *call, const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1); /* of its size: a read behind it is seen */
    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    CHECK(ol_call_header(copy, 1, size, call) == size);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ol_call *whole = check_new(), *cut = check_new(), *lines = check_new();
    give(whole, data, size);
    for (size_t at = 0, part = 1; at < size; at += part, part = part % 7 + 1) {
        part = OL_MIN(part, size - at);
        give(cut, data + at, part);
    }
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t part = end != NULL ? (size_t)(end - data) + 1 - at : size - at;
        give(lines, data + at, part);
        at += part;
    }
    check_same(whole, cut);
    check_same(whole, lines);
    check_receipt(whole);
    ol_call_free(whole);
    ol_call_free(cut);
    ol_call_free(lines);
    return 0;
}
