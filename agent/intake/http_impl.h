/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_HTTP_IMPL_H
#define INTAKE_HTTP_IMPL_H
/** @file What the http_*.c files of this room share; for nobody else. */
#include <microhttpd.h>
#include "dedup.h"
#include "hash.h"
#include "http.h"
#include "http_gunzip.h"
#include "http_keys.h"
#include "http_senders.h"
#include "http_server.h"
#include "http_tls.h"
#include "json_read.h"
#include "listen.h"
#include "spool/senders.h"

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

/* A connection; http_links.c and http_slow.c. */
struct http_link {
    struct http_link *next, *previous;
    struct MHD_Connection *connection;
    struct http_request *request;       /* borrowed; NULL: between requests */
    struct http_sender *peer;           /* a reference: address or uid; NULL: not known */
    struct http_sender *credential;     /* a reference: key or certificate used last, or NULL */
    struct http_tls_identity *identity; /* NULL: not TLS */
    int fd;
    uint32_t uid;
    bool is_hurried; /* has the short timeout */
    bool is_loopback;
    bool has_begun;      /* a request came over it */
    bool has_baseline;   /* received_then is right */
    bool is_vouched_for; /* the certificate was looked at: its name, or what is wrong with it */
    char certificate[HTTP_SENDER_NAME_MAX + 1];
    const char *certificate_why;
    uint64_t received_then; /* bytes that TCP had taken in before what comes now */
    int64_t since_ms;       /* patience_ms when the request, or its head, began; 0: it has not */
};

struct http_listener {
    struct http_door *door;
    struct listen_socket socket;
    struct MHD_Daemon *daemon;
    struct http_link *links;
    unsigned limit, idle_s;
    unsigned link_count, hurried_count;
    bool is_asking;   /* for a credential */
    bool is_crowded;  /* when it looked last */
    bool is_watching; /* when it looked last: a request, or a head, was under way */
    bool is_stale;    /* ran since it looked last */
    int64_t looked_ms, look_after_ms;
    int64_t patience_ms; /* a clock that stands while we ourselves do not read */
};

struct http_request {
    struct http_request *next; /* waiting or spare list */
    struct MHD_Connection *connection;
    struct http_listener *listener;
    const char *url;
    enum http_kind kind;
    struct http_sender *sender; /* borrowed from the connection; NULL: not known yet */
    uint64_t events;            /* taken */
    unsigned wait_s;            /* 429: Retry-After */
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
    struct http_keys *keys;
    struct http_senders *senders;
    struct senders *names;    /* as records have them */
    struct http_tls *tls;     /* NULL: no listener has it */
    struct listen_file files; /* of unix sockets */
    uint64_t refused_untold;  /* for want of a credential */
    int64_t tell_after_ms;
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

/* http_auth.c */
/** Whether a door at that address asks for a credential. */
bool http_auth_is_asked(const struct agent_config *config, const struct listen_address *address);
/** Find out who sends. @return status, 0: it may. */
int http_auth_check(struct http_request *r, const char **ret_why);
/** @return status, 0: the sender may send an event now, which is charged. */
int http_auth_allowance(struct http_request *r, const char **ret_why);
/** What goes into a record as its sender: the uid that the kernel vouches for, else the number of
 * the name of its key or certificate. May block for a sync, once a name. */
uint32_t http_auth_record_uid(struct http_request *r);
/** The request was answered, after @p events were taken. */
void http_auth_count(struct http_request *r, uint64_t events, bool is_refused);

/* http_links.c */
/** One that is too many of its peer is ended at once. @return NULL: out of memory. Owned by @p l,
 * to be given to http_link_free(). */
struct http_link *http_link_new(struct http_listener *l, struct MHD_Connection *connection);
void http_link_free(struct http_listener *l, struct http_link *link);
/** What goes on there now; NULL: nothing. @return false: http_link_new() had failed. */
bool http_link_set_request(struct MHD_Connection *connection, struct http_request *r);
/** Whom the kernel knows at the other end; SPOOL_UID_UNKNOWN: TCP. */
uint32_t http_link_uid(struct MHD_Connection *connection);
/** Address or uid, for messages. */
const char *http_link_peer(struct MHD_Connection *connection);
/** The sender that showed a credential last, else the peer; NULL: out of memory. Borrowed. */
struct http_sender *http_link_sender(struct MHD_Connection *connection);
/** Remember who sends. @return as http_link_sender(). */
struct http_sender *http_link_set_credential(struct MHD_Connection *connection,
                                             enum http_sender_kind kind, const char *name);
/** Name in the peer's certificate, if it is good; NULL: it is not (@p why) or there is none. */
const char *http_link_certificate(struct MHD_Connection *connection, const char **why);
/** End what keeps places for nothing: requests that come too slowly; and if @p l is near its limit,
 * what is over or idle. Between runs of the daemon. */
void http_links_look(struct http_listener *l);
/** ms until the next look; -1: none is due. */
int http_links_timeout_ms(const struct http_listener *l);

/* http_slow.c */
/** A request begins, or (@p is_over) ended, on @p link. */
void http_slow_note(struct http_link *link, const struct http_listener *l, bool is_over);
/** End @p link if what is under way comes too slowly. @return whether something is under way, and
 * must be looked at again. */
bool http_slow_look(struct http_link *link, const struct http_listener *l);

/* http_take.c */
/** The whole body is there: take it, or decide the answer. Sets is_waiting if the sync decides. */
void http_take(struct http_request *r, struct ol__span body);
#endif
