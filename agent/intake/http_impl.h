/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_HTTP_IMPL_H
#define INTAKE_HTTP_IMPL_H
/** @file What the http_*.c files of this room share; for nobody else. */
#include <microhttpd.h>
#include "dedup.h"
#include "hash.h"
#include "http.h"
#include "http_gunzip.h"
#include "http_server.h"
#include "json_read.h"
#include "listen.h"

#define HTTP_HEADER_MAX 32768u      /* memory of a connection: header lines and read buffer */
#define HTTP_BATCH_MAX 10000u       /* elements of one array */
#define HTTP_BODIES_MAX (64u << 20) /* bytes of bodies held at once, over all connections */
#define HTTP_SPARE_MAX 64u          /* request objects kept for reuse */
#define HTTP_SPARE_BODY_MAX 16384u

enum http_kind { HTTP_EVENT, HTTP_BATCH, HTTP_HEALTH, HTTP_METRICS, HTTP_NOWHERE };

/** Header fields that count, as sent; NULL: absent. Borrowed from the connection. */
struct http_fields {
    const char *content_length, *transfer_encoding, *content_type, *content_encoding, *host,
        *authorization, *expect;
    unsigned content_lengths, transfer_encodings, hosts, content_types, content_encodings;
    bool is_malformed; /**< a name with a space or a control character, a value with a bare CR... */
};

struct http_link; /* a connection, owned by its listener's list; http_links.c */

struct http_listener {
    struct http_door *door;
    struct listen_socket socket;
    struct MHD_Daemon *daemon;
    struct http_link *links;
    unsigned limit, idle_s;
    unsigned link_count, hurried_count;
    bool is_crowded; /* when it looked last */
    int64_t look_after_ms;
};

struct http_request {
    struct http_request *next; /* waiting or spare list */
    struct MHD_Connection *connection;
    struct http_listener *listener;
    const char *url;
    enum http_kind kind;
    struct http_fields fields;
    bool is_openmetrics; /* what /metrics is to be */
    bool is_gzip, is_waiting, is_answered, must_close;
    int status;                 /* 0: not decided */
    int64_t begun_us;           /* monotonic: when its head was there */
    uint64_t received;          /* bytes of body as sent */
    uint64_t length;            /* Content-Length; UINT64_MAX: chunked */
    size_t accounted;           /* of door->body_bytes */
    struct ol__buf body;        /* decoded, unless it was taken straight from the read buffer */
    struct ol__buf answer;      /* JSON */
    struct http_gunzip *gunzip; /* owned, while is_gzip */
};

struct http_door {
    const struct agent *agent;
    struct intake_metrics *metrics;
    struct intake_taker *taker;
    struct dedup *dedup;
    struct ol__sha256 *hash;
    struct ol__json_reader *json;    /* for arrays; made when first needed */
    struct http_listener *listeners; /* owned */
    size_t listener_count;
    int epoll_fd;
    bool is_quiet; /* quiesced */
    struct http_request *waiting, *spare;
    unsigned waiting_count, spare_count, active;
    uint64_t accepted; /* connections, ever */
    size_t body_bytes;
    struct MHD_Response *created, *created_close; /* 201 without a body */
};

/* http_check.c */
void http_fields_read(struct MHD_Connection *connection, struct http_fields *ret);
/** Checks of framing, after whose failure the connection cannot go on. @return status, 0: fine. */
int http_check_framing(struct http_request *r, const char *version, const char **ret_why);
/** Checks of a request that is understood but not taken. @return status, 0: fine. */
int http_check_request(struct http_request *r, const char *method, const char **ret_why);
enum http_kind http_path_kind(const struct agent_config *config, const char *url);

/* http_answer.c */
/** Decide @p status with one error. @p text "/pointer: reason" is split into its two. */
void http_refuse(struct http_request *r, int status, const char *text);
/** Send what was decided. */
enum MHD_Result http_answer(struct http_request *r);

/* http_links.c */
/** @return NULL: out of memory. Owned by @p l, to be given to http_link_free(). */
struct http_link *http_link_new(struct http_listener *l, struct MHD_Connection *connection);
void http_link_free(struct http_listener *l, struct http_link *link);
/** What goes on there now; NULL: nothing. @return false: http_link_new() had failed. */
bool http_link_set_request(struct MHD_Connection *connection, struct http_request *r);
/** Whom the kernel knows at the other end; SPOOL_UID_UNKNOWN: TCP. */
uint32_t http_link_uid(struct MHD_Connection *connection);
/** End what keeps places for nothing, if @p l is near its limit. Between runs of the daemon. */
void http_links_look(struct http_listener *l);
/** ms until the next look; -1: none is due. */
int http_links_timeout_ms(const struct http_listener *l);

/* http_take.c */
/** The whole body is there: take it, or decide the answer. Sets is_waiting if the sync decides. */
void http_take(struct http_request *r, struct ol__span body);
#endif
