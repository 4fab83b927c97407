/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALL_TRANSPORT_H
#define CALL_TRANSPORT_H
/** @file
 * One request and its answer over libcurl, and waiting, both of which a signal ends at once.
 * Threads: main.
 */
#include "buf.h"

enum transport_end {
    TRANSPORT_ANSWERED,      /**< a whole answer, whatever its status */
    TRANSPORT_NO_CONNECTION, /**< name, address, proxy or handshake: nothing was sent */
    TRANSPORT_TIMED_OUT,
    TRANSPORT_CUT,       /**< sent, perhaps, without a whole answer */
    TRANSPORT_TOO_LARGE, /**< the answer is */
    TRANSPORT_UNTRUSTED, /**< certificate, CA file or URL: the same next time */
    TRANSPORT_STOPPED,   /**< by a signal */
    TRANSPORT_LOCAL      /**< out of memory here */
};
/** As it stands in receipts: "no_connection". */
const char *transport_end_name(enum transport_end end);

struct transport_options {
    int64_t timeout_ms, connect_timeout_ms;
    const char *ca_file; /**< NULL: the system's */
    uint64_t answer_max; /**< bytes of an answer, decoded */
};

struct transport_request {
    const char *url;
    struct ol__span body;
    const char *const *headers; /**< "Name: value" */
    size_t header_count;
    /** Each header line of an answer, with its line end; a status line begins a new answer. */
    void (*on_header)(void *arg, const char *line, size_t size);
    /** Bytes of the answer, its content coding undone. */
    void (*on_data)(void *arg, const char *data, size_t size);
    void *arg;
};
struct transport_answer {
    enum transport_end end;
    int status;           /**< 0: there was none */
    int64_t first_us;     /**< from the request to the first byte of the answer; 0: none came */
    uint64_t size;        /**< bytes given to on_data */
    char why[256];        /**< libcurl's words where it is not ANSWERED; no part of the content */
    int64_t retry_ms;     /**< what the answer asks to wait; below 0: it does not */
    int may_retry;        /**< X-Should-Retry: 1 true, 0 false, -1 not said */
    char media_type[128]; /**< lower case, without parameters */
};

struct transport; /* opaque */
/** @return OL_OK: end it with transport_close(); OL_NOMEM, OL_IO. Signals that end the call
 * (SIGINT, SIGTERM, SIGHUP, unless ignored) are ours from here on. */
OL_NODISCARD ol_status transport_open(const struct transport_options *options,
                                      struct transport **ret, struct ol_error *err);
void transport_close(struct transport *t);
/** Blocks. The handle, and with it the connection, is kept for the next one. */
void transport_exchange(struct transport *t, const struct transport_request *request,
                        struct transport_answer *ret);
/** Wait. @return false: a signal came first. */
bool transport_wait(struct transport *t, int64_t wait_ms);
/** The signal that came, 0: none. */
int transport_signal(void);
#endif
