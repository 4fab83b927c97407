/* SPDX-License-Identifier: Apache-2.0 */
#include "http_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define LEVEL 1 /* JSON shrinks tenfold with it already, at a third of the time of the default */

struct http_packer {
    z_stream stream;
};

ol_status packer_new(struct http_packer **ret, struct ol_error *err)
{
    struct http_packer *packer = calloc(1, sizeof *packer);
    if (packer == NULL ||
        deflateInit2(&packer->stream, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(packer);
        return ol__error_set(err, OL_NOMEM, "compression: out of memory");
    }
    *ret = packer;
    return OL_OK;
}

ol_status packer_gzip(struct http_packer *packer, struct ol__span in, struct ol__buf *out)
{
    z_stream *z = &packer->stream;
    ol__buf_reset(out);
    deflateReset(z);
    uLong bound = deflateBound(z, (uLong)in.size);
    char *room = ol__buf_room(out, bound);
    if (room == NULL)
        return out->status;
    z->next_in = (Bytef *)(uintptr_t)in.data;
    z->avail_in = (uInt)in.size; /* far below 4 GiB */
    z->next_out = (Bytef *)room;
    z->avail_out = (uInt)bound;
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        return OL_NOMEM;
    ol__buf_grow(out, bound - z->avail_out);
    return OL_OK;
}

void packer_free(struct http_packer *packer)
{
    if (packer == NULL)
        return;
    deflateEnd(&packer->stream);
    free(packer);
}

/* ---- Answers to batches ---- */

struct reading {
    struct batch_verdict *verdicts;
    size_t count, failed;
    bool is_failure, is_odd; /* status says so; an entry makes no sense */
    uint64_t summary_failed;
    /* the entry being read */
    bool has_index, is_retriable;
    uint64_t index;
    char reason[sizeof((struct batch_verdict *)NULL)->reason];
};

static bool is_number(struct ol__span text, uint64_t *ret)
{
    char digits[24];
    if (text.size == 0 || text.size >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    char *end;
    *ret = strtoull(digits, &end, 10);
    return *end == '\0' && digits[0] != '-';
}

static void entry_end(struct reading *r)
{
    if (!r->has_index || r->index >= r->count) {
        r->is_odd = true;
        return;
    }
    struct batch_verdict *v = &r->verdicts[r->index];
    r->failed += !v->is_failed;
    v->is_failed = true;
    v->is_retriable = r->is_retriable;
    memcpy(v->reason, r->reason, sizeof v->reason);
}

static void entry_member(struct reading *r, const struct ol__json_value *value)
{
    struct ol__span key = value->path[2].key;
    if (ol__span_equal(key, OL_SPAN_LIT("index")))
        r->has_index = value->type == OL_JSON_NUMBER && is_number(value->text, &r->index);
    else if (ol__span_equal(key, OL_SPAN_LIT("retriable")))
        r->is_retriable = value->type != OL_JSON_BOOL || value->boolean;
    else if (value->type == OL_JSON_STRING && ol__span_equal(key, OL_SPAN_LIT("reason"))) {
        size_t size = OL_MIN(value->text.size, sizeof r->reason - 1);
        memcpy(r->reason, value->text.data, size);
        r->reason[size] = '\0';
    }
}

static ol_status take_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    static const char *const status[] = {"status"}, *const failed[] = {"summary", "failed"};
    static const char *const entry[] = {"failed_events", "*"};
    static const char *const member[] = {"failed_events", "*", "*"};
    struct reading *r = arg;
    (void)err;
    if (value->depth == 1 && value->type == OL_JSON_STRING && ol__json_at(value, status, 1)) {
        r->is_failure = value->text.size == 7 && strncasecmp(value->text.data, "failure", 7) == 0;
    } else if (value->depth == 2 && value->type == OL_JSON_NUMBER &&
               ol__json_at(value, failed, 2)) {
        r->is_odd = r->is_odd || !is_number(value->text, &r->summary_failed);
    } else if (value->depth == 2 && ol__json_at(value, entry, 2)) {
        if (value->type == OL_JSON_OBJECT) {
            r->has_index = false;
            r->is_retriable = true; /* unless it says otherwise: sent alone it shows */
            r->reason[0] = '\0';
        } else if (value->type == OL_JSON_OBJECT_END)
            entry_end(r);
        else
            r->is_odd = true;
    } else if (value->depth == 3 && ol__json_at(value, member, 3))
        entry_member(r, value);
    return OL_OK;
}

ol_status batch_read(struct ol__json_reader *reader, struct ol__span body,
                     struct batch_verdict *ret, size_t count)
{
    memset(ret, 0, count * sizeof *ret);
    while (body.size > 0 && strchr(" \t\r\n", body.data[0]) != NULL && body.data[0] != '\0') {
        body.data++;
        body.size--;
    }
    if (body.size == 0 || body.data[0] != '{')
        return OL_OK;
    struct reading r = {.verdicts = ret, .count = count};
    ol_status status = ol__json_read(reader, body, NULL, take_value, &r, NULL);
    bool is_unclear = status != OL_OK || r.is_odd || r.summary_failed > r.failed ||
                      (r.is_failure && r.failed == 0);
    if (is_unclear) {
        memset(ret, 0, count * sizeof *ret);
        return OL_INVALID;
    }
    return OL_OK;
}
