/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Never more are kept than have a connection, and HTTP_SENDERS_IDLE_MAX besides.
 *  2. Over any time t a sender gets at most burst + rate * t events taken, but for the rest of one
 * array, which is waited off afterwards. */
#include "http_senders.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS 1024u /* a power of two */

struct http_sender {
    struct http_sender *next;          /* in its row */
    struct http_sender *older, *newer; /* among those without a reference */
    struct client_metrics *metrics;
    double tokens;
    int64_t at_ms; /* when tokens was right; 0: never */
    uint32_t hash, uid;
    unsigned refs;
    enum http_sender_kind kind;
    char name[HTTP_SENDER_NAME_MAX + 1];
};

struct http_senders {
    struct http_sender_limits limits;
    struct intake_metrics *metrics;
    struct http_sender *rows[ROWS];
    struct http_sender *oldest, *newest; /* without a reference */
    unsigned count, idle_count;
};

ol_status http_senders_new(const struct http_sender_limits *limits, struct intake_metrics *metrics,
                           struct http_senders **ret, struct ol_error *err)
{
    struct http_senders *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ol__error_set(err, OL_NOMEM, "HTTP door: out of memory");
    s->limits = *limits;
    s->metrics = metrics;
    *ret = s;
    return OL_OK;
}

static void leave_idle(struct http_senders *s, struct http_sender *sender)
{
    *(sender->older != NULL ? &sender->older->newer : &s->oldest) = sender->newer;
    *(sender->newer != NULL ? &sender->newer->older : &s->newest) = sender->older;
    sender->older = sender->newer = NULL;
    s->idle_count--;
}

static void enter_idle(struct http_senders *s, struct http_sender *sender)
{
    sender->older = s->newest;
    *(s->newest != NULL ? &s->newest->newer : &s->oldest) = sender;
    s->newest = sender;
    s->idle_count++;
}

static void forget(struct http_senders *s, struct http_sender *sender)
{
    struct http_sender **at = &s->rows[sender->hash & (ROWS - 1)];
    leave_idle(s, sender);
    while (*at != sender)
        at = &(*at)->next;
    *at = sender->next;
    s->count--;
    free(sender);
}

void http_senders_free(struct http_senders *s)
{
    if (s == NULL)
        return;
    while (s->oldest != NULL)
        forget(s, s->oldest);
    assert(s->count == 0);
    free(s);
}

/* FNV-1a; who can choose addresses at will can make a row long, but of IDLE_MAX at most. */
static uint32_t hash_of(enum http_sender_kind kind, const char *name)
{
    uint32_t hash = 2166136261u ^ (uint32_t)kind;
    for (size_t i = 0; i < HTTP_SENDER_NAME_MAX && name[i] != '\0'; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return hash;
}

/* Counters for a name, the last ones for all that come too late. Names stay: they are a promise to
 * whoever reads the counters. */
static struct client_metrics *metrics_of(struct intake_metrics *m, const char *name)
{
    unsigned count = atomic_load_explicit(&m->client_count, memory_order_relaxed);
    for (unsigned i = 0; i < count; i++)
        if (strcmp(m->clients[i].name, name) == 0)
            return &m->clients[i];
    if (count == CLIENTS_MAX)
        return &m->clients[count - 1];
    struct client_metrics *mine = &m->clients[count];
    snprintf(mine->name, sizeof mine->name, "%s", count == CLIENTS_MAX - 1 ? "(others)" : name);
    atomic_store_explicit(&m->client_count, count + 1, memory_order_release);
    return mine;
}

struct http_sender *http_sender_ref(struct http_senders *s, enum http_sender_kind kind,
                                    const char *name)
{
    uint32_t hash = hash_of(kind, name);
    struct http_sender **row = &s->rows[hash & (ROWS - 1)], *sender = *row;
    while (sender != NULL && (sender->hash != hash || sender->kind != kind ||
                              strncmp(sender->name, name, HTTP_SENDER_NAME_MAX) != 0))
        sender = sender->next;
    if (sender != NULL) {
        if (sender->refs++ == 0)
            leave_idle(s, sender);
        return sender;
    }
    sender = calloc(1, sizeof *sender);
    if (sender == NULL)
        return NULL;
    snprintf(sender->name, sizeof sender->name, "%s", name);
    sender->hash = hash;
    sender->kind = kind;
    sender->uid = UINT32_MAX;
    sender->refs = 1;
    sender->tokens = (double)s->limits.burst;
    if (kind == HTTP_SENDER_KEY || kind == HTTP_SENDER_CERTIFICATE)
        sender->metrics = metrics_of(s->metrics, sender->name);
    sender->next = *row;
    *row = sender;
    s->count++;
    return sender;
}

void http_sender_unref(struct http_senders *s, struct http_sender *sender)
{
    if (sender == NULL || --sender->refs > 0)
        return;
    enter_idle(s, sender);
    if (s->idle_count > HTTP_SENDERS_IDLE_MAX) /* promise 1 */
        forget(s, s->oldest);
}

unsigned http_sender_refs(const struct http_sender *sender)
{
    return sender->refs;
}

const char *http_sender_name(const struct http_sender *sender)
{
    return sender->name;
}

enum http_sender_kind http_sender_kind(const struct http_sender *sender)
{
    return sender->kind;
}

uint32_t http_sender_uid(const struct http_sender *sender)
{
    return sender->uid;
}

void http_sender_set_uid(struct http_sender *sender, uint32_t uid)
{
    sender->uid = uid;
}

struct client_metrics *http_sender_metrics(struct http_sender *sender)
{
    return sender->metrics;
}

unsigned http_sender_wait_s(struct http_senders *s, struct http_sender *sender, int64_t now_ms)
{
    double rate = (double)s->limits.rate;
    if (s->limits.rate == 0)
        return 0;
    if (sender->at_ms != 0 && now_ms > sender->at_ms)
        sender->tokens = OL_MIN((double)s->limits.burst,
                                sender->tokens + rate * (double)(now_ms - sender->at_ms) / 1000);
    sender->at_ms = OL_MAX(now_ms, sender->at_ms);
    if (sender->tokens >= 1)
        return 0;
    double wait_s = OL_MIN(3600.0, (1 - sender->tokens) / rate);
    return (unsigned)wait_s + ((double)(unsigned)wait_s < wait_s);
}

void http_sender_charge(struct http_senders *s, struct http_sender *sender, uint64_t events)
{
    if (s->limits.rate != 0)
        sender->tokens -= (double)events;
}

unsigned http_senders_count(const struct http_senders *s)
{
    return s->count;
}
