/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H
/** @file
 * The headers that events are sent with: configured ones, and an API key or a token that is fetched
 * and replaced ahead of its end (client credentials, or the jwt exchange of other OpenLineage
 * clients). Threads: the delivery thread.
 */
#include "http_link.h"
#include "json_read.h"

/** Shared by requests in flight while keys change. */
struct http_headers {
    struct curl_slist *plain, *packed; /**< packed: with Content-Encoding: gzip */
    uint64_t version;
    int refs;
};

struct http_auth; /* opaque */

/** @param link, area, json  borrowed. @return OL_OK, OL_CONFIG (a header that is none, a variable
 * that the environment has not), OL_NOMEM. */
OL_NODISCARD ol_status auth_open(struct http_link *link, const char *area,
                                 struct ol__json_reader *json, struct http_auth **ret,
                                 struct ol_error *err);
/** Read again what changed, fetch what is due. @param ret_changed  other headers or certificates
 * are in use than before. @return when to come again. */
int64_t auth_work(struct http_auth *auth, int64_t now_ms, bool *ret_changed);
/** Whether there is all that a request needs. */
bool auth_is_ready(const struct http_auth *auth);
/** Headers to send with, a reference of the caller's; NULL: none yet, see auth_why(). */
struct http_headers *auth_headers(struct http_auth *auth);
void auth_headers_unref(struct http_headers *headers);
/** Why there are no headers. @param ret_is_held  it takes somebody's hands; else it is tried
 * again. NULL: a first token is on its way. */
const char *auth_why(const struct http_auth *auth, bool *ret_is_held, enum route_cause *ret_cause);
/** A 401 came to headers of @p version. @return whether to send again, with a token fetched since
 * or on its way. */
bool auth_denied(struct http_auth *auth, uint64_t version, int64_t now_ms);
/** Something was taken with the current headers. */
void auth_accepted(struct http_auth *auth);
void auth_stop(struct http_auth *auth);
void auth_close(struct http_auth *auth);
#endif
