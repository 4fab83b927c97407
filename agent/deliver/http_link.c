/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Only http and https to the configured place: no redirects, and a proxy only if one is
 * configured.
 *  2. A connection that the server closed while it was idle counts no try.
 *  3. Certificates, key and the proxy's password are read again when they change, and connections
 * made with others are not used any more; what cannot be read leaves the last good one in place. */
#include "http_link.h"

#include <strings.h>

#define CONNECT_MAX_MS 10000
/* Marquez closes idle connections after 30 s and does not say so. */
#define IDLE_MAX_S 25L
#define PEM_MAX (1u << 20)
#define PROXY_AUTH_MAX 1024

ol_status link_open(struct http_link *link, const struct route_config *config,
                    struct route_metrics *metrics, CURLM *multi, struct ol_error *err)
{
    *link = (struct http_link){.config = config, .multi = multi, .metrics = metrics, .version = 1};
    const struct {
        struct secret *secret;
        const char *name, *path;
        size_t max;
    } files[] = {
        {&link->ca, "ca_file", config->ca_file, PEM_MAX},
        {&link->cert, "cert_file", config->cert_file, PEM_MAX},
        {&link->key, "key_file", config->key_file, PEM_MAX},
        {&link->proxy_auth, "proxy_auth_file", config->proxy_auth_file, PROXY_AUTH_MAX},
    };
    for (size_t i = 0; i < OL_COUNT(files); i++) {
        ol_status status =
            secret_open(files[i].secret, files[i].name, NULL, files[i].path, files[i].max, err);
        if (status != OL_OK)
            return status;
    }
    return OL_OK;
}

ol_status link_read(struct http_link *link, struct ol_error *err)
{
    struct secret *all[] = {&link->ca, &link->cert, &link->key, &link->proxy_auth};
    ol_status ret = OL_END;
    for (size_t i = 0; i < OL_COUNT(all); i++) {
        ol_status status = secret_read(all[i], all[i] == &link->proxy_auth, err);
        if (status == OL_OK) {
            link->version++;
            if (ret == OL_END)
                ret = OL_OK;
        } else if (status != OL_END)
            ret = status;
    }
    return ret;
}

bool link_is_ready(const struct http_link *link)
{
    const struct secret *all[] = {&link->ca, &link->cert, &link->key, &link->proxy_auth};
    for (size_t i = 0; i < OL_COUNT(all); i++)
        if (all[i]->path != NULL && !all[i]->is_there)
            return false;
    return true;
}

void link_release(struct http_link *link)
{
    secret_release(&link->ca);
    secret_release(&link->cert);
    secret_release(&link->key);
    secret_release(&link->proxy_auth);
}

/* ---- One transfer ---- */

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
    struct http_transfer *t = arg;
    size_t room = t->answer.max - t->answer.size, keep = OL_MIN(size * count, room);
    t->is_cut = t->is_cut || keep < size * count;
    if (keep > 0 && ol__buf_add(&t->answer, data, keep) != OL_OK)
        t->is_cut = true;
    return size * count; /* the rest is read and forgotten, so that the connection can be kept */
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "retry-after:";
    struct http_transfer *t = arg;
    size *= count;
    t->has_headers = true;
    if (size > 5 && memcmp(data, "HTTP/", 5) == 0)
        t->retry_after_size = 0; /* a final answer after 1xx */
    cause_note_clock(&t->link->clock, t->link->metrics, data, size);
    if (size >= sizeof name - 1 && strncasecmp(data, name, sizeof name - 1) == 0) {
        t->retry_after_size = OL_MIN(size - (sizeof name - 1), sizeof t->retry_after);
        memcpy(t->retry_after, data + sizeof name - 1, t->retry_after_size);
    }
    return size;
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (bad == CURLE_OK)                                                                       \
            bad = curl_easy_setopt(t->easy, option, value);                                        \
    } while (0)

static CURLcode set_proxy(struct http_transfer *t)
{
    const struct http_link *link = t->link;
    CURLcode bad = CURLE_OK;
    if (link->config->proxy == NULL)
        SET(CURLOPT_PROXY, ""); /* promise 1: not the environment's either */
    else if (strcmp(link->config->proxy, "environment") != 0) {
        SET(CURLOPT_PROXY, link->config->proxy);
        SET(CURLOPT_NOPROXY, "");
    }
    if (link->proxy_auth.is_there)
        SET(CURLOPT_PROXYUSERPWD, link->proxy_auth.text.data);
    return bad;
}

/* By value: connections made with other bytes do not match (promise 3). */
static CURLcode set_tls(struct http_transfer *t)
{
    struct http_link *link = t->link;
    CURLcode bad = CURLE_OK;
    const struct {
        CURLoption option;
        struct secret *secret;
    } blobs[] = {{CURLOPT_CAINFO_BLOB, &link->ca},
                 {CURLOPT_SSLCERT_BLOB, &link->cert},
                 {CURLOPT_SSLKEY_BLOB, &link->key}};
    for (size_t i = 0; i < OL_COUNT(blobs); i++) {
        struct curl_blob blob = {.data = blobs[i].secret->text.data,
                                 .len = blobs[i].secret->text.size,
                                 .flags = CURL_BLOB_COPY};
        if (blobs[i].secret->is_there)
            SET(blobs[i].option, &blob);
    }
    if (link->ca.is_there)
        SET(CURLOPT_CAPATH, (char *)NULL); /* in place of the system's, not besides */
    return bad;
}

static CURLcode prepare(struct http_transfer *t)
{
    long timeout = (long)t->link->config->timeout_ms;
    CURLcode bad = CURLE_OK;
    t->easy = curl_easy_init();
    if (t->easy == NULL)
        return CURLE_OUT_OF_MEMORY;
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "lineaged/" OL_VERSION);
    SET(CURLOPT_TIMEOUT_MS, timeout);
    SET(CURLOPT_CONNECTTIMEOUT_MS, OL_MIN(timeout, (long)CONNECT_MAX_MS));
    SET(CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, (void *)t);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, (void *)t);
    SET(CURLOPT_PRIVATE, (void *)t);
    SET(CURLOPT_ERRORBUFFER, t->trouble);
    return bad;
}

static CURLcode set_message(struct http_transfer *t, const struct http_message *message)
{
    CURLcode bad = CURLE_OK;
    SET(CURLOPT_URL, message->url);
    SET(CURLOPT_HTTPHEADER, message->headers);
    SET(CURLOPT_FRESH_CONNECT, t->is_fresh ? 1L : 0L);
    if (message->user != NULL) {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, message->user);
        SET(CURLOPT_PASSWORD, message->password);
    }
    if (message->body.data == NULL) {
        SET(CURLOPT_HTTPGET, 1L);
        return bad;
    }
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)message->body.size);
    SET(CURLOPT_POSTFIELDS, message->body.data);
    return bad;
}
#undef SET

void transfer_init(struct http_transfer *t, struct http_link *link,
                   void (*finished)(struct http_transfer *, CURLcode, int64_t), void *owner)
{
    *t = (struct http_transfer){.link = link, .finished = finished, .owner = owner};
    ol__buf_init(&t->answer, HTTP_ANSWER_MAX);
}

bool transfer_start(struct http_transfer *t, const struct http_message *message)
{
    assert(!t->is_running);
    ol__buf_reset(&t->answer);
    t->retry_after_size = 0;
    t->trouble[0] = '\0';
    t->has_headers = t->is_cut = false;
    CURLcode bad = t->easy == NULL ? prepare(t) : CURLE_OK;
    if (bad == CURLE_OK && t->version != t->link->version) {
        bad = set_proxy(t);
        if (bad == CURLE_OK)
            bad = set_tls(t);
        t->version = t->link->version;
    }
    if (bad == CURLE_OK)
        bad = set_message(t, message);
    if (bad == CURLE_OK && curl_multi_add_handle(t->link->multi, t->easy) == CURLM_OK) {
        t->is_running = true;
        return true;
    }
    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    t->easy = NULL;
    t->version = 0;
    return false;
}

void transfer_ended(CURL *easy, CURLcode result, int64_t now_ms)
{
    char *private_data = NULL;
    OL_IGNORE(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private_data) != CURLE_OK,
              "always set by prepare()");
    struct http_transfer *t = (struct http_transfer *)(void *)private_data;
    curl_multi_remove_handle(t->link->multi, easy);
    t->is_running = false;
    t->finished(t, result, now_ms);
}

bool transfer_is_stale(struct http_transfer *t, CURLcode result)
{
    long connects = 1;
    if (t->is_fresh || t->has_headers ||
        (result != CURLE_GOT_NOTHING && result != CURLE_SEND_ERROR && result != CURLE_RECV_ERROR) ||
        curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects) != CURLE_OK || connects != 0)
        return false;
    t->is_fresh = true;
    return true;
}

void transfer_stop(struct http_transfer *t)
{
    if (t->is_running)
        curl_multi_remove_handle(t->link->multi, t->easy);
    t->is_running = false;
}

void transfer_release(struct http_transfer *t)
{
    transfer_stop(t);
    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    t->easy = NULL;
    ol__buf_release(&t->answer);
}

static enum retry_failure failure_of(CURLcode result)
{
    switch (result) {
    case CURLE_OK:
        return RETRY_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return RETRY_NO_CONNECTION;
    case CURLE_OPERATION_TIMEDOUT:
        return RETRY_TIMED_OUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_NOT_BUILT_IN:
        return RETRY_UNTRUSTED;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return RETRY_LOCAL;
    default:
        return RETRY_BROKEN;
    }
}

struct retry_answer transfer_answer(const struct http_transfer *t, CURLcode result)
{
    long status = 0, proxy = 0;
    OL_IGNORE(curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK,
              "stays 0: no answer");
    OL_IGNORE(curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &proxy) != CURLE_OK,
              "stays 0: no tunnel");
    if (result != CURLE_OK && proxy >= 300) { /* the proxy made no tunnel */
        bool is_denied = proxy == 401 || proxy == 403 || proxy == 407;
        return (struct retry_answer){.failure = is_denied ? RETRY_ANSWERED : RETRY_NO_CONNECTION,
                                     .status = (int)proxy};
    }
    return (struct retry_answer){
        .failure = failure_of(result),
        .status = (int)status,
        .body = {.data = t->answer.data, .size = t->answer.size},
        .retry_after = {.data = t->retry_after, .size = t->retry_after_size}};
}
