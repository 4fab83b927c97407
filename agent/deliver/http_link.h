/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_LINK_H
#define HTTP_LINK_H
/** @file
 * How a route reaches its server: TLS, proxy, time limits, kept connections; and one request over
 * it. Events, tokens and health probes all go this way. Threads: the delivery thread.
 */
#include <curl/curl.h>
#include "cause.h"
#include "config.h"
#include "retry.h"
#include "secret.h"

#define HTTP_ANSWER_MAX 4096             /**< kept of the answer to one event */
#define HTTP_BATCH_ANSWER_MAX (1u << 20) /**< and to a batch */

struct http_link {
    const struct route_config *config;
    CURLM *multi; /**< borrowed */
    struct secret ca, cert, key, proxy_auth;
    unsigned version;              /**< of what was read from them */
    struct route_metrics *metrics; /**< gets the server's clock */
    struct cause_clock clock;
};

struct http_transfer {
    struct http_link *link;
    CURL *easy; /**< made when first used */
    void (*finished)(struct http_transfer *transfer, CURLcode result, int64_t now_ms);
    void *owner;
    struct ol__buf answer;
    char trouble[CURL_ERROR_SIZE]; /**< libcurl's words, if there is no answer */
    char retry_after[64];
    size_t retry_after_size;
    unsigned version;
    bool is_running, has_headers, is_fresh, is_cut; /**< is_cut: there was more of the answer */
};

/** What is sent. Everything is borrowed until the end of the transfer. */
struct http_message {
    const char *url;
    struct ol__span body; /**< data NULL: GET */
    struct curl_slist *headers;
    const char *user, *password; /**< basic authentication; NULL: none */
};

OL_NODISCARD ol_status link_open(struct http_link *link, const struct route_config *config,
                                 struct route_metrics *metrics, CURLM *multi, struct ol_error *err);
/** Read again what changed on disk. @return OL_OK: something did; OL_END: nothing; else a file that
 * cannot be read, while the last good one stays in use. */
OL_NODISCARD ol_status link_read(struct http_link *link, struct ol_error *err);
/** Whether all files that it needs were read once. */
bool link_is_ready(const struct http_link *link);
void link_release(struct http_link *link);

void transfer_init(struct http_transfer *t, struct http_link *link,
                   void (*finished)(struct http_transfer *, CURLcode, int64_t), void *owner);
/** @return whether it is under way; `finished` is called in any case but this. */
bool transfer_start(struct http_transfer *t, const struct http_message *message);
/** A transfer of the multi handle ended: call its `finished`. */
void transfer_ended(CURL *easy, CURLcode result, int64_t now_ms);
/** Whether the server had closed the kept connection before it saw the request: it may go out again
 * at once, on a fresh one (is_fresh is set). */
bool transfer_is_stale(struct http_transfer *t, CURLcode result);
void transfer_stop(struct http_transfer *t);
void transfer_release(struct http_transfer *t);
/** What came back, for retry_classify(); spans end with the next request. */
struct retry_answer transfer_answer(const struct http_transfer *t, CURLcode result);
#endif
