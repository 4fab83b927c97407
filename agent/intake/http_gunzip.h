/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_HTTP_GUNZIP_H
#define INTAKE_HTTP_GUNZIP_H
/** @file Undo Content-Encoding: gzip piece by piece, within a buffer's ceiling. Threads: one. */
#include "buf.h"

struct http_gunzip; /* opaque */
/** @param max_ratio  how many times larger than the input the output may be, once it is past 1 MiB;
 * 0: any. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status http_gunzip_new(unsigned max_ratio, struct http_gunzip **ret,
                                       struct ol_error *err);
void http_gunzip_free(struct http_gunzip *gunzip);
/** @return OL_OK; OL_TOO_LARGE: it would exceed out->max, or max_ratio; OL_INVALID: no gzip;
 * OL_NOMEM. */
OL_NODISCARD ol_status http_gunzip_add(struct http_gunzip *gunzip, const void *data, size_t size,
                                       struct ol__buf *out, struct ol_error *err);
/** Whether the input ended where a gzip member ends. */
bool http_gunzip_is_whole(const struct http_gunzip *gunzip);
#endif
