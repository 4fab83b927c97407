/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H
/** @file
 * Bodies of requests: gzip, and what a server says to a batch. Threads: one at a time per object.
 */
#include "buf.h"
#include "json_read.h"

struct http_packer; /* opaque: the state of a compressor, 256 KB */

OL_NODISCARD ol_status packer_new(struct http_packer **ret, struct ol_error *err);
/** Replace the contents of @p out by @p in in gzip format. @return OL_OK, OL_NOMEM, OL_TOO_LARGE.
 */
OL_NODISCARD ol_status packer_gzip(struct http_packer *packer, struct ol__span in,
                                   struct ol__buf *out);
void packer_free(struct http_packer *packer);

/** One event of a batch. */
struct batch_verdict {
    bool is_failed, is_retriable;
    char reason[160]; /**< as the server says it, cut */
};

/** What the body of a 2xx says of @p count events, into @p ret (zeroed by this call). An empty
 * body, or one that is no JSON object, means that all were taken.
 *  @return OL_OK; OL_INVALID: it does not say which failed: each has to be sent alone. */
OL_NODISCARD ol_status batch_read(struct ol__json_reader *reader, struct ol__span body,
                                  struct batch_verdict *ret, size_t count);
#endif
