/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_HTTP_SENDERS_H
#define INTAKE_HTTP_SENDERS_H
/** @file
 * Who sends, by name: an API key or a client's certificate, else the address or the uid at the
 * other end. Each has its allowance of events a second and its count of connections. Bounded:
 * those without a connection are forgotten, longest unused first. Threads: the intake thread only.
 */
#include "metrics.h"
#include "ol_base.h"

#define HTTP_SENDER_NAME_MAX 64
#define HTTP_SENDERS_IDLE_MAX 4096u /* kept without a connection, for their allowance */

enum http_sender_kind {
    HTTP_SENDER_KEY,         /**< name of an API key */
    HTTP_SENDER_CERTIFICATE, /**< common name of a certificate */
    HTTP_SENDER_ADDRESS,
    HTTP_SENDER_UID
};

struct http_senders; /* opaque */
struct http_sender;  /* opaque */

struct http_sender_limits {
    uint64_t rate, burst; /**< events a second, 0: any; and how many at once */
};

/** @p metrics is borrowed; named senders are counted there. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status http_senders_new(const struct http_sender_limits *limits,
                                        struct intake_metrics *metrics, struct http_senders **ret,
                                        struct ol_error *err);
/** No reference may be left. NULL is a no-op. */
void http_senders_free(struct http_senders *senders);
/** The sender of that kind and name (cut at HTTP_SENDER_NAME_MAX), made if need be. @return one
 * more reference, to be given to http_sender_unref(); NULL: out of memory. */
struct http_sender *http_sender_ref(struct http_senders *senders, enum http_sender_kind kind,
                                    const char *name);
/** NULL is a no-op. */
void http_sender_unref(struct http_senders *senders, struct http_sender *sender);
/** References that are held now; of an address or uid: its connections. */
unsigned http_sender_refs(const struct http_sender *sender);
const char *http_sender_name(const struct http_sender *sender);
enum http_sender_kind http_sender_kind(const struct http_sender *sender);
/** What the sender was given as @p uid of its records; UINT32_MAX: nothing yet. */
uint32_t http_sender_uid(const struct http_sender *sender);
void http_sender_set_uid(struct http_sender *sender, uint32_t uid);
/** Counters of a named sender; NULL: an address or a uid. */
struct client_metrics *http_sender_metrics(struct http_sender *sender);
/** Whether it may send now. @p now_ms is monotonic. @return seconds until it may, 0: now. */
unsigned http_sender_wait_s(struct http_senders *senders, struct http_sender *sender,
                            int64_t now_ms);
/** It sent @p events. More than it has left is a debt that is waited off. */
void http_sender_charge(struct http_senders *senders, struct http_sender *sender, uint64_t events);
/** How many are known. */
unsigned http_senders_count(const struct http_senders *senders);
#endif
