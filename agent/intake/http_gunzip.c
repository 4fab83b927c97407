/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Never more than out->max bytes come out, whatever the input claims; what is past it is not
 * even inflated.
 *  2. Past RATIO_FROM bytes, never more than max_ratio times what went in.
 *  3. Several members one after the other are one stream (RFC 1952); anything else behind a member
 * is refused. */
#include "http_gunzip.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#define STEP_MIN 4096u
#define RATIO_FROM ((size_t)1 << 20)
#define STEP_MAX (256u * 1024u)

struct http_gunzip {
    z_stream stream;
    uint64_t taken;     /* bytes, over all members */
    unsigned max_ratio; /* 0: any */
    bool is_at_end;     /* of a member */
};

ol_status http_gunzip_new(unsigned max_ratio, struct http_gunzip **ret, struct ol_error *err)
{
    struct http_gunzip *g = calloc(1, sizeof *g);
    if (g == NULL || inflateInit2(&g->stream, 15 + 16) != Z_OK) {
        free(g);
        return ol__error_set(err, OL_NOMEM, "gzip: out of memory");
    }
    g->max_ratio = max_ratio;
    *ret = g;
    return OL_OK;
}

void http_gunzip_free(struct http_gunzip *g)
{
    if (g == NULL)
        return;
    inflateEnd(&g->stream);
    free(g);
}

/* Inflate once into room that is there. A byte past the ceiling tells that there is more (promise
 * 1). */
static ol_status inflate_step(struct http_gunzip *g, struct ol__buf *out, struct ol_error *err)
{
    Bytef over = 0;
    size_t left = out->max - out->size;
    size_t step = OL_MIN(left, OL_MIN(STEP_MAX, OL_MAX(STEP_MIN, (size_t)g->stream.avail_in * 4)));
    char *room = step > 0 ? ol__buf_room(out, step) : NULL;
    if (step > 0 && room == NULL)
        return ol__error_set(err, OL_NOMEM, "gzip: out of memory");
    g->stream.next_out = step > 0 ? (Bytef *)room : &over;
    g->stream.avail_out = step > 0 ? (uInt)step : 1;
    uInt left_in = g->stream.avail_in;
    int result = inflate(&g->stream, Z_NO_FLUSH);
    g->taken += left_in - g->stream.avail_in;
    if (step == 0 && g->stream.avail_out == 0)
        return ol__error_set(err, OL_TOO_LARGE, "gzip: more than %zu bytes come out", out->max);
    if (step > 0)
        ol__buf_grow(out, step - g->stream.avail_out);
    if (g->max_ratio > 0 && out->size > RATIO_FROM && out->size / g->max_ratio > g->taken)
        return ol__error_set(err, OL_TOO_LARGE, "gzip: grows more than %u times", g->max_ratio);
    if (result == Z_STREAM_END) {
        g->is_at_end = true;
        return OL_OK;
    }
    if (result == Z_MEM_ERROR)
        return ol__error_set(err, OL_NOMEM, "gzip: out of memory");
    if (result != Z_OK && result != Z_BUF_ERROR)
        return ol__error_set(err, OL_INVALID, "gzip: %s",
                             g->stream.msg != NULL ? g->stream.msg : "not in gzip format");
    return OL_OK;
}

ol_status http_gunzip_add(struct http_gunzip *g, const void *data, size_t size, struct ol__buf *out,
                          struct ol_error *err)
{
    assert(size <= UINT32_MAX);
    g->stream.next_in = data;
    g->stream.avail_in = (uInt)size;
    bool has_output = true; /* inflate may hold more although all input is eaten */
    while (g->stream.avail_in > 0 || has_output) {
        if (g->is_at_end) {
            if (g->stream.avail_in == 0)
                break;
            g->is_at_end = false; /* promise 3 */
            if (inflateReset(&g->stream) != Z_OK)
                return ol__error_set(err, OL_INVALID, "gzip: cannot begin a new member");
        }
        ol_status status = inflate_step(g, out, err);
        if (status != OL_OK)
            return status;
        has_output = g->stream.avail_out == 0;
    }
    return OL_OK;
}

bool http_gunzip_is_whole(const struct http_gunzip *g)
{
    return g->is_at_end;
}
