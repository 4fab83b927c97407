/* SPDX-License-Identifier: Apache-2.0 */
/* Who sends, and whether it may.
 * Promises:
 *  1. A door that asks for a credential gives nobody without one more than GET /healthz.
 *  2. A key is never logged, nor any part of it; names are. */
#include "http_impl.h"

#include <stdio.h>
#include "times.h"

#define TELL_MS 60000 /* one line a minute about those that are refused */

bool http_auth_is_asked(const struct agent_config *config, const struct listen_address *address)
{
    switch ((enum http_authentication)config->http_authentication) {
    case AUTHENTICATION_REMOTE:
        return !address->is_local;
    case AUTHENTICATION_TCP:
        return !address->is_unix;
    case AUTHENTICATION_NONE:
        break;
    }
    return false;
}

static void tell_refused(struct http_door *door, const struct http_request *r, const char *why)
{
    int64_t now_ms = ol__time_monotonic_ms();
    door->refused_untold++;
    if (now_ms < door->tell_after_ms)
        return;
    log_write(LOG_LEVEL_WARNING, "intake",
              "%s from %s: %s (%llu requests refused since it was "
              "said last)",
              r->listener->socket.address.text, http_link_peer(r->connection), why,
              (unsigned long long)door->refused_untold);
    door->refused_untold = 0;
    door->tell_after_ms = now_ms + TELL_MS;
}

/* The name of a key or of a certificate that is good. @p why: what is wrong, or NULL: there is
 * neither. */
static const char *credential(struct http_request *r, enum http_sender_kind *kind, const char **why)
{
    struct http_door *door = r->listener->door;
    const char *name = NULL;
    *why = NULL;
    if (r->fields.authorization != NULL && http_keys_are_used(door->keys) &&
        http_keys_is_bearer(r->fields.authorization)) {
        http_keys_look(door->keys, ol__time_monotonic_ms());
        *kind = HTTP_SENDER_KEY;
        name = http_keys_find(door->keys, door->hash, r->fields.authorization);
        *why = name == NULL ? "the API key is not known" : NULL;
        return name;
    }
    *kind = HTTP_SENDER_CERTIFICATE;
    return http_link_certificate(r->connection, why);
}

int http_auth_check(struct http_request *r, const char **ret_why)
{
    struct http_listener *l = r->listener;
    enum http_sender_kind kind;
    const char *why;
    if (r->kind == HTTP_HEALTH) /* promise 1 */
        return 0;
    const char *name = credential(r, &kind, &why);
    if (name != NULL)
        r->sender = http_link_set_credential(r->connection, kind, name);
    else if (why != NULL || l->is_asking) {
        *ret_why = why != NULL ? why : "expected Authorization: Bearer KEY, or a certificate";
        tell_refused(l->door, r, *ret_why);
        return MHD_HTTP_UNAUTHORIZED;
    }
    if (r->sender == NULL)
        r->sender = http_link_sender(r->connection);
    if (r->sender == NULL) {
        *ret_why = "out of memory";
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    return 0;
}

int http_auth_allowance(struct http_request *r, const char **ret_why)
{
    struct http_door *door = r->listener->door;
    if (r->kind > HTTP_BATCH)
        return 0;
    r->wait_s = http_sender_wait_s(door->senders, r->sender, ol__time_monotonic_ms());
    if (r->wait_s == 0) { /* at once: others of the same sender may be under way beside it */
        http_sender_charge(door->senders, r->sender, 1);
        return 0;
    }
    *ret_why = "more events than intake.http.rate allows one sender";
    return MHD_HTTP_TOO_MANY_REQUESTS;
}

uint32_t http_auth_record_uid(struct http_request *r)
{
    struct http_door *door = r->listener->door;
    struct ol_error err = {0};
    char name[SENDERS_NAME_MAX + 1];
    uint32_t uid = http_link_uid(r->connection);
    if (uid != SPOOL_UID_UNKNOWN || r->sender == NULL || http_sender_metrics(r->sender) == NULL)
        return uid;
    if (http_sender_uid(r->sender) != SPOOL_UID_UNKNOWN)
        return http_sender_uid(r->sender);
    snprintf(name, sizeof name, "%s %s",
             http_sender_kind(r->sender) == HTTP_SENDER_KEY ? "key" : "certificate",
             http_sender_name(r->sender));
    uid = senders_uid(door->names, name, &err);
    if (uid == SPOOL_UID_UNKNOWN) /* the event counts more than who sent it */
        tell_refused(door, r, err.message);
    http_sender_set_uid(r->sender, uid);
    return uid;
}

void http_auth_count(struct http_request *r, uint64_t events, bool is_refused)
{
    struct client_metrics *m = r->sender != NULL ? http_sender_metrics(r->sender) : NULL;
    if (r->sender != NULL && events > 1)
        http_sender_charge(r->listener->door->senders, r->sender, events - 1);
    if (m == NULL)
        return;
    metric_add(&m->requests, 1);
    metric_add(&m->events, events);
    metric_add(&m->refused, is_refused);
}
