/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H
/** @file
 * A client that sends exactly the bytes it is given and reads one answer at a time. Every wait ends
 * after HTTP_CLIENT_WAIT_MS. Threads: one per connection.
 */
#include "buf.h"

#define HTTP_CLIENT_WAIT_MS 20000

struct http_client {
    int fd;
    struct ol__buf in; /**< what came and was not read yet */
};
struct http_answer {
    int status;       /**< 0: the connection ended or the wait did, without an answer */
    char head[4096];  /**< status line and header fields */
    char body[65536]; /**< cut to fit, NUL-terminated */
    size_t body_size;
};

/** @p address as intake_address() gives it: "127.0.0.1:PORT" or "unix:PATH". @return whether it
 * connected. */
bool http_client_open(struct http_client *client, const char *address);
void http_client_close(struct http_client *client);
bool http_client_send(struct http_client *client, const void *data, size_t size);
/** Wait for one whole answer; 100 Continue is one. @return its status, 0: none. */
int http_client_read(struct http_client *client, struct http_answer *ret);
/** Whether the other side closes (waits for it; what still comes before is thrown away). */
bool http_client_is_closed(struct http_client *client);
/** The value of a header field of @p answer, or NULL; good until this thread asks again. */
const char *http_answer_field(const struct http_answer *answer, const char *name);
/** One request on a connection of its own. */
int http_client_once(const char *address, const void *data, size_t size, struct http_answer *ret);
#endif
