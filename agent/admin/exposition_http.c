/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP door refused and ended, and what senders with a name of their own did. */
#include "exposition_impl.h"

static void add_refused(struct exposition *x, struct intake_metrics *m)
{
    const struct {
        const char *reason;
        metric *value;
    } table[] = {
        {"invalid", &m->http_refused_invalid}, {"full", &m->http_refused_full},
        {"rate", &m->http_refused_rate},       {"unauthorized", &m->http_refused_unauthorized},
        {"too_large", &m->http_refused_large}, {"other", &m->http_refused_other},
    };
    expose_family(x, "http_refused", EXPOSE_COUNTER, "Requests refused, by reason.");
    for (size_t i = 0; i < OL_COUNT(table); i++)
        expose(x, EXPOSE_LABEL("reason", table[i].reason), EXPOSE_NO_LABEL,
               metric_get(table[i].value));
}

static void add_ended(struct exposition *x, struct intake_metrics *m)
{
    const struct {
        const char *reason;
        metric *value;
    } table[] = {
        {"slow", &m->http_slow},            /* intake.http.min_rate */
        {"peer", &m->http_peer_refused},    /* intake.http.max_connections_per_peer */
        {"unfinished", &m->http_unfinished} /* by the other side, or idle, or no handshake */
    };
    expose_family(x, "http_ended", EXPOSE_COUNTER,
                  "Connections that ended without a whole request, by reason.");
    for (size_t i = 0; i < OL_COUNT(table); i++)
        expose(x, EXPOSE_LABEL("reason", table[i].reason), EXPOSE_NO_LABEL,
               metric_get(table[i].value));
}

static void add_clients(struct exposition *x, struct intake_metrics *m)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } table[] = {
        {"http_client_requests", "Requests of a sender with a key or a certificate.",
         offsetof(struct client_metrics, requests)},
        {"http_client_events", "Events of such a sender that were taken.",
         offsetof(struct client_metrics, events)},
        {"http_client_refused", "Requests of such a sender that were refused.",
         offsetof(struct client_metrics, refused)},
    };
    unsigned count = atomic_load_explicit(&m->client_count, memory_order_acquire);
    for (size_t i = 0; i < OL_COUNT(table); i++) {
        expose_family(x, table[i].name, EXPOSE_COUNTER, table[i].help);
        for (unsigned c = 0; c < count; c++)
            expose(x, EXPOSE_LABEL("client", m->clients[c].name), EXPOSE_NO_LABEL,
                   metric_get((metric *)(void *)((char *)&m->clients[c] + table[i].offset)));
    }
}

void expose_http(struct exposition *x, struct intake_metrics *m)
{
    add_refused(x, m);
    add_ended(x, m);
    add_clients(x, m);
}
