/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_HTTP_TLS_H
#define INTAKE_HTTP_TLS_H
/** @file
 * TLS of the door: the server library does it with GnuTLS; here are the certificate, its key and
 * the clients' authorities, which are read again when their files change. Threads: the intake
 * thread only.
 */
#include <gnutls/abstract.h>
#include "config.h"

/** What the server library needs to be told. */
#define HTTP_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct http_tls; /* opaque */
/** What one connection was given; it keeps it to its end. */
struct http_tls_identity;

/** Read the files that @p config names. @return OL_OK; OL_CONFIG: err says which file is wrong and
 * why; OL_NOMEM. */
OL_NODISCARD ol_status http_tls_open(const struct agent_config *config, struct http_tls **ret,
                                     struct ol_error *err);
/** No identity may be held. NULL is a no-op. */
void http_tls_close(struct http_tls *tls);
/** Give a connection that has not begun its handshake the newest identity; looks at the files
 * first, once a second at most. Files that do not fit together leave what was there; logged once
 * for each change. @return to be given to http_tls_unref(); NULL: the connection must be ended. */
struct http_tls_identity *http_tls_begin(struct http_tls *tls, gnutls_session_t session,
                                         int64_t now_ms);
/** NULL is a no-op. */
void http_tls_unref(struct http_tls *tls, struct http_tls_identity *identity);
/** Who is at the other end of a finished handshake: the common name of a certificate that one of
 * intake.http.tls.client_ca vouches for now, for use by a client. @p why is static.
 *  @return whether there is one. No certificate at all: false, *why NULL. */
bool http_tls_peer(gnutls_session_t session, char *name, size_t size, const char **why);
/** For the server library, which wants one: never called, as sessions get their identity from us.
 */
int http_tls_no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int count,
                            const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                            gnutls_pcert_st **certificates, unsigned *certificate_count,
                            gnutls_privkey_t *key);
#endif
