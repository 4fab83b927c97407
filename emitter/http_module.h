/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_HTTP_MODULE_H
#define OL_HTTP_MODULE_H
/** @file
 * Speaking HTTP takes libcurl, which few programs need: it sits in a module,
 * libopenlineage-http.so, that is loaded when a configuration asks for it and stays loaded. The
 * module knows one connection and one request; when to try, and what becomes of an event otherwise,
 * is transport_http.c's.
 */
#include "ol_base.h"

#define OL_HTTP_MODULE "libopenlineage-http.so.0"
#define OL_HTTP_SYMBOL "ol__http_module"
#define OL_HTTP_MODULE_VERSION 1

/** All borrowed until the last connection is closed; NULL and 0: not set. */
struct ol__http_options {
    const char *url;            /**< whole, with endpoint and query */
    const char *unix_socket;    /**< connect there instead of to the host */
    const char *const *headers; /**< "Name: value", header_count of them */
    size_t header_count;
    bool is_verified; /**< check the server's certificate */
    bool is_gzip;     /**< compress bodies */
    const char *ca_file, *cert_file, *key_file;
    const char *proxy_host, *no_proxy;
    long proxy_port;
};

struct ol__http_answer {
    int status;             /**< 0: none came */
    int64_t retry_after_ms; /**< 0: not said */
    bool is_late;           /**< the time was over */
    char why[128];          /**< without an answer: what went wrong */
};

struct ol__http_functions {
    unsigned version; /**< OL_HTTP_MODULE_VERSION */
    /** A connection, not yet made. @return OL_OK, OL_NOMEM; OL_CONFIG: answer->why says what
     * libcurl does not take. */
    ol_status (*open)(const struct ol__http_options *options, void **ret,
                      struct ol__http_answer *answer);
    /** POST @p body and wait for the answer, looking up names and connecting included, at most
     * @p timeout_ms. Blocks all signals meanwhile. */
    void (*post)(void *connection, struct ol__span body, int64_t timeout_ms,
                 struct ol__http_answer *answer);
    void (*close)(void *connection);
    /** In a forked child: let go of the parent's connection without a byte to the server. What it
     * holds in memory stays. */
    void (*forget)(void *connection);
};
#endif
