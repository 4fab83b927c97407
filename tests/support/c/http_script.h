/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SCRIPT_H
#define HTTP_SCRIPT_H
/** @file
 * An HTTP server on a free loopback port that answers as the test says: a thread for each
 * connection, the script called under one lock. Keeps connections alive.
 */
#include <stdbool.h>
#include "ol_base.h"

struct http_script; /* opaque */

struct script_request {
    unsigned number;      /**< from 1, over all connections */
    unsigned connection;  /**< from 1 */
    struct ol__span head; /**< request line and headers */
    struct ol__span body;
};
struct script_reply {
    int status;          /**< preset: 201 */
    const char *headers; /**< whole lines with CRLF; NULL: none */
    const char *body;    /**< NULL: empty */
    bool is_hanging;     /**< never answer */
    bool is_dropped;     /**< close without an answer */
    bool closes_after;   /**< answer, then close without having announced it */
};
typedef void http_script_handler(void *arg, const struct script_request *request,
                                 struct script_reply *reply);

/** NULL if it cannot be set up. @p port 0: any. */
struct http_script *http_script_start(int port, http_script_handler *handler, void *arg);
int http_script_port(const struct http_script *server);
unsigned http_script_requests(struct http_script *server);
void http_script_stop(struct http_script *server);
#endif
