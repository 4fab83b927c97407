/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes: no crash, never more than the ceiling comes out, and a stream that comes in
 * pieces gives what it gives whole. And bytes that zlib packed, as two members, come out again.
 * The first byte of the input is the size of the pieces. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#include "intake/http_gunzip.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define CEILING (128u * 1024u)

/** @param out  Initialised here; what came out, up to the first failure. */
static ol_status gunzip(const uint8_t *data, size_t size, size_t piece, size_t ceiling,
                        struct ol__buf *out, bool *ret_is_whole)
{
    struct http_gunzip *g;
    struct ol_error err = {0};
    ol_status status = OL_OK;
    ol__buf_init(out, ceiling);
    CHECK(http_gunzip_new(0, &g, &err) == OL_OK);
    for (size_t at = 0; at < size && status == OL_OK; at += piece) {
        size_t some = OL_MIN(piece, size - at);
        uint8_t *own = malloc(some); /* exactly the size: a read past its end is seen */
        CHECK(own != NULL);
        memcpy(own, data + at, some);
        status = http_gunzip_add(g, own, some, out, &err);
        free(own);
        CHECK(out->size <= ceiling);
    }
    CHECK(status == OL_OK || status == OL_INVALID || status == OL_TOO_LARGE);
    CHECK((status == OL_OK) == (err.message[0] == '\0'));
    CHECK(status != OL_TOO_LARGE || out->size == ceiling);
    *ret_is_whole = status == OL_OK && http_gunzip_is_whole(g);
    http_gunzip_free(g);
    return status;
}

static void check_pieces(const uint8_t *data, size_t size, size_t piece, size_t ceiling)
{
    struct ol__buf whole, parts;
    bool is_whole, is_whole_in_parts;
    ol_status status = gunzip(data, size, OL_MAX(size, 1u), ceiling, &whole, &is_whole);
    CHECK(gunzip(data, size, piece, ceiling, &parts, &is_whole_in_parts) == status);
    CHECK(is_whole == is_whole_in_parts);
    if (status == OL_OK)
        CHECK(whole.size == parts.size &&
              (whole.size == 0 || memcmp(whole.data, parts.data, whole.size) == 0));
    ol__buf_release(&whole);
    ol__buf_release(&parts);
}

/** Append one gzip member. @return the bytes it takes. */
static size_t pack(const uint8_t *data, size_t size, uint8_t *to, size_t room)
{
    z_stream stream = {0};
    CHECK(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = data;
    stream.avail_in = (uInt)size;
    stream.next_out = to;
    stream.avail_out = (uInt)room;
    CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    size_t packed = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

static void check_packed(const uint8_t *data, size_t size, size_t piece)
{
    struct ol__buf out;
    bool is_whole;
    size_t room = 2 * (size + size / 100 + 256), half = size / 2;
    uint8_t *packed = malloc(room);
    CHECK(packed != NULL);
    size_t first = pack(data, half, packed, room);
    size_t all = first + pack(data + half, size - half, packed + first, room - first);
    CHECK(gunzip(packed, all, piece, size, &out, &is_whole) == OL_OK); /* the ceiling is exact */
    CHECK(is_whole && out.size == size && (size == 0 || memcmp(out.data, data, size) == 0));
    ol__buf_release(&out);
    if (size > 0)
        CHECK(gunzip(packed, all, piece, size - 1, &out, &is_whole) == OL_TOO_LARGE);
    if (size > 0)
        ol__buf_release(&out);
    CHECK(gunzip(packed, all - 1, piece, size, &out, &is_whole) == OL_OK && !is_whole);
    ol__buf_release(&out);
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = data[0] > 0 ? data[0] : 256;
    check_pieces(data + 1, size - 1, piece, CEILING);
    check_pieces(data + 1, size - 1, piece, 100);
    check_packed(data + 1, size - 1, piece);
    return 0;
}
