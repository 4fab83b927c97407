/* SPDX-License-Identifier: Apache-2.0 */
/* Events as POST requests, on the thread that emits. Promises:
 *  1. An emit takes no longer than its deadline (200 ms unless told), looking the name up and
 * connecting included, and tries once.
 *  2. A server that does not take events is remembered: until it is asked again (after 1 s, twice
 * as long each time, at most 60 s; as long as it asks for, at most 300 s) no emit tries, and then
 * one alone does.
 *  3. What the server did not take asks for the journal (fate), whatever the reason; so do the
 * later events of that run, so that they keep their order.
 *  4. A forked child never sends a byte on a connection of its parent, nor waits for its threads.
 *  5. No lock is held while the network is waited for: a thread has a connection for itself. */
#include "transport_http.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "http_module.h"
#include "ids.h"
#include "times.h"

#define SPARE 8 /* connections that nobody uses now */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000
#define RETRY_ASKED_MAX_MS 300000
#define TEXT_MAX 65536

struct slot {
    void *connection;
    uint64_t generation; /* of the process that opened it */
    struct slot *next;   /* in `forgotten` */
};

struct http_transport {
    struct ol__transport transport; /* first */
    void *library;
    const struct ol__http_functions *functions;
    struct ol__http_options options; /* its texts: borrowed from the tree, or from the buffers */
    struct ol__buf url, socket, shown;
    char **headers; /* owned */
    char *no_proxy; /* owned */
    struct ol__log log;
    int64_t timeout_ms;
    struct slot *_Atomic spare[SPARE];
    struct slot *_Atomic forgotten; /* of processes above this one: never freed (promise 4) */
    _Atomic int64_t closed_until;   /* monotonic; 0: the server takes events */
    _Atomic int failures;           /* in a row */
    _Atomic uint64_t probe;         /* fork generation of the process in which one thread asks */
};

/* ---- connections ---- */

static void forget(struct http_transport *t, struct slot *slot)
{
    t->functions->forget(slot->connection);
    slot->next = atomic_load(&t->forgotten);
    while (!atomic_compare_exchange_weak(&t->forgotten, &slot->next, slot)) {
    }
}

static ol_status take_slot(struct http_transport *t, struct slot **ret,
                           struct ol__http_answer *answer)
{
    uint64_t now = ol__fork_generation();
    for (size_t i = 0; i < SPARE; i++) {
        struct slot *slot = atomic_exchange(&t->spare[i], NULL);
        if (slot != NULL && slot->generation == now) {
            *ret = slot;
            return OL_OK;
        }
        if (slot != NULL)
            forget(t, slot);
    }
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return OL_NOMEM;
    slot->generation = now;
    ol_status status = t->functions->open(&t->options, &slot->connection, answer);
    if (status == OL_OK)
        *ret = slot;
    else
        free(slot);
    return status;
}

static void free_slot(struct http_transport *t, struct slot *slot)
{
    t->functions->close(slot->connection);
    free(slot);
}

static void give_slot(struct http_transport *t, struct slot *slot)
{
    for (size_t i = 0; i < SPARE; i++) {
        struct slot *none = NULL;
        if (atomic_compare_exchange_strong(&t->spare[i], &none, slot))
            return;
    }
    free_slot(t, slot);
}

/* ---- what the server is worth (promise 2) ---- */

static bool may_try(struct http_transport *t, int64_t now, int64_t *ret_until)
{
    uint64_t mine = ol__fork_generation(), probing = atomic_load(&t->probe);
    *ret_until = atomic_load(&t->closed_until);
    if (*ret_until == 0)
        return true;
    if (now < *ret_until || probing == mine)
        return false;
    return atomic_compare_exchange_strong(&t->probe, &probing, mine);
}

static void end_probe(struct http_transport *t)
{
    uint64_t mine = ol__fork_generation();
    atomic_compare_exchange_strong(&t->probe, &mine, 0);
}

static void is_well(struct http_transport *t)
{
    if (atomic_exchange(&t->failures, 0) != 0)
        ol__log(&t->log, OL_OK, "http %s: takes events again", t->shown.data);
    atomic_store(&t->closed_until, 0);
    end_probe(t);
}

static void is_ill(struct http_transport *t, int64_t seen_until, int64_t at_least_ms,
                   const char *why)
{
    int64_t delay = RETRY_FIRST_MS;
    for (int i = atomic_load(&t->failures); i > 0 && delay < RETRY_MAX_MS; i--)
        delay *= 2;
    delay = OL_MAX(OL_MIN(delay, RETRY_MAX_MS), OL_MIN(at_least_ms, RETRY_ASKED_MAX_MS));
    /* Of threads that fail together the first one says for how long. */
    bool is_first = atomic_compare_exchange_strong(&t->closed_until, &seen_until,
                                                   ol__time_monotonic_ms() + delay);
    if (is_first && atomic_fetch_add(&t->failures, 1) == 0)
        ol__log(&t->log, OL_IO,
                "http %s: %s; events go to the journal, it is asked again in %" PRId64 " s",
                t->shown.data, why, (delay + 999) / 1000);
    end_probe(t);
}

static ol_status divert(const struct http_transport *t, const struct ol__line *line,
                        const char *why, struct ol_error *err)
{
    ol__fate_divert(line->fate, why);
    return ol__error_set(err, OL_IO, "http %s: %s", t->shown.data, why);
}

static ol_status judge(struct http_transport *t, const struct ol__line *line, int64_t seen_until,
                       const struct ol__http_answer *answer, struct ol_error *err)
{
    char why[160];
    int status = answer->status;
    if (status >= 200 && status <= 299) {
        is_well(t);
        return OL_OK;
    }
    if (status == 0)
        snprintf(why, sizeof why, "%s", answer->why);
    else
        snprintf(why, sizeof why, "answered %d", status);
    if (status == 400 || status == 413 || status == 415 || status == 422)
        is_well(t); /* it has something against this event, not against us */
    else if (status == 0 || status == 408 || status == 425 || status == 429 || status >= 500)
        is_ill(t, seen_until, answer->retry_after_ms, why);
    else
        is_ill(t, seen_until, RETRY_MAX_MS, why); /* the wrong place, or the wrong key */
    return divert(t, line, why, err);
}

static ol_status http_emit(struct ol__transport *transport, const struct ol__line *line,
                           struct ol_error *err)
{
    struct http_transport *t = (struct http_transport *)transport;
    struct ol__http_answer answer = {.why = "out of memory"};
    int64_t start = ol__time_monotonic_ms(), seen_until;
    if (line->is_diverted != NULL && *line->is_diverted)
        return divert(t, line, "an earlier event of the run lies in the journal", err);
    if (!may_try(t, start, &seen_until))
        return divert(t, line, "it did not take the last events", err);
    struct slot *slot = NULL;
    if (take_slot(t, &slot, &answer) != OL_OK) {
        end_probe(t);
        return divert(t, line, answer.why, err);
    }
    int64_t left = t->timeout_ms - (ol__time_monotonic_ms() - start);
    t->functions->post(slot->connection, ol__line_event(line), OL_MAX(left, 1), &answer);
    give_slot(t, slot);
    return judge(t, line, seen_until, &answer, err);
}

/* ---- opening and closing ---- */

void ol__transport_http_limit(struct ol__transport *http, int64_t timeout_ms)
{
    struct http_transport *t = (struct http_transport *)http;
    t->timeout_ms = OL_MIN(t->timeout_ms, timeout_ms);
}

static ol_status http_close(struct ol__transport *transport, int timeout_ms OL_UNUSED,
                            struct ol_error *err OL_UNUSED)
{
    struct http_transport *t = (struct http_transport *)transport;
    uint64_t now = ol__fork_generation();
    for (size_t i = 0; i < SPARE; i++) {
        struct slot *slot = atomic_exchange(&t->spare[i], NULL);
        if (slot != NULL && slot->generation == now)
            free_slot(t, slot);
        else if (slot != NULL)
            forget(t, slot);
    }
    /* What is forgotten is not freed: its memory is in the state in which a parent left it. */
    for (size_t i = 0; i < t->options.header_count; i++)
        free(t->headers[i]);
    free(t->headers);
    free(t->no_proxy);
    ol__buf_release(&t->url);
    ol__buf_release(&t->socket);
    ol__buf_release(&t->shown);
    if (t->library != NULL)
        dlclose(t->library);
    free(t);
    return OL_OK;
}

static const struct ol__transport_functions http_functions = {.emit = http_emit,
                                                              .close = http_close};

static ol_status load_module(struct http_transport *t, struct ol_error *err)
{
    /* It stays: libcurl and OpenSSL are not made to be unloaded. */
    t->library = dlopen(OL_HTTP_MODULE, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (t->library == NULL)
        return ol__error_set(err, OL_NOT_FOUND,
                             "http takes the module %s, which the loader does not find; expected"
                             " beside libopenlineage.so.0",
                             OL_HTTP_MODULE);
    t->functions = dlsym(t->library, OL_HTTP_SYMBOL);
    if (t->functions == NULL || t->functions->version != OL_HTTP_MODULE_VERSION)
        return ol__error_set(err, OL_NOT_FOUND, "the module %s is of another version",
                             OL_HTTP_MODULE);
    return OL_OK;
}

/* No line break may get into a request. */
static bool is_header(const char *name, const char *value)
{
    return name[0] != '\0' && strpbrk(name, " \t\r\n:") == NULL && strpbrk(value, "\r\n") == NULL;
}

static ol_status add_header(struct http_transport *t, const struct ol__conf *told, const char *name,
                            const char *lead, const char *value, struct ol_error *err)
{
    char source[OL_CONF_SOURCE_MAX];
    char **line = &t->headers[t->options.header_count];
    ol__conf_source(told, source, sizeof source);
    if (!is_header(name, value)) /* the value is not shown: it may be a secret */
        return ol__error_set(err, OL_CONFIG, "%s: no header field", source);
    if (asprintf(line, "%s: %s%s", name, lead, value) < 0) {
        *line = NULL;
        return ol__error_set(err, OL_NOMEM, "%s: out of memory", source);
    }
    t->options.header_count++;
    return OL_OK;
}

static ol_status read_headers(struct http_transport *t, const struct ol__conf *map,
                              struct ol_error *err)
{
    const struct ol__conf *told = ol__key_find(map, OL_KEY_HEADERS);
    const struct ol__conf *key = ol__key_find(map, OL_KEY_AUTH_API_KEY);
    size_t count = 1;
    ol_status status = OL_OK;
    for (const struct ol__conf *c = told != NULL ? told->first : NULL; c != NULL; c = c->next)
        count++;
    t->headers = calloc(count, sizeof *t->headers);
    if (t->headers == NULL)
        return ol__error_set(err, OL_NOMEM, "http: out of memory");
    if (key != NULL)
        status = add_header(t, key, "Authorization", "Bearer ", key->text, err);
    for (const struct ol__conf *c = told != NULL ? told->first : NULL; c != NULL && status == OL_OK;
         c = c->next)
        status = add_header(t, c, c->key, "", c->text, err);
    t->options.headers = (const char *const *)t->headers;
    return status;
}

/* Java's list of hosts, "a|b" or a list, as libcurl wants it: "a,b", "*.x" as ".x". */
static ol_status read_no_proxy(struct http_transport *t, const struct ol__conf *map,
                               struct ol_error *err)
{
    const struct ol__conf *told = ol__key_find(map, OL_KEY_PROXY_NOT);
    struct ol__buf out;
    if (told == NULL)
        return OL_OK;
    ol__buf_init(&out, TEXT_MAX);
    for (const struct ol__conf *c = told->type == OL_CONF_TEXT ? told : told->first; c != NULL;
         c = told->type == OL_CONF_TEXT ? NULL : c->next) {
        for (const char *p = c->text; *p != '\0'; p++)
            if (*p != '*')
                ol__buf_add_char(&out, *p == '|' ? ',' : *p);
        ol__buf_add_char(&out, ',');
    }
    t->no_proxy = ol__buf_take(&out);
    t->options.no_proxy = t->no_proxy;
    return t->no_proxy != NULL ? OL_OK : ol__error_set(err, OL_NOMEM, "http: out of memory");
}

/* For messages: without user, password and query. */
static ol_status show_url(struct http_transport *t)
{
    const char *url = t->url.data, *authority = strstr(url, "://") + 3;
    size_t size = strcspn(authority, "/?#"), skip = 0;
    for (size_t i = 0; i < size; i++)
        skip = authority[i] == '@' ? i + 1 : skip;
    if (t->socket.size > 0)
        return ol__buf_add_format(&t->shown, "unix:%s", t->socket.data);
    ol__buf_add(&t->shown, url, (size_t)(authority - url));
    return ol__buf_add(&t->shown, authority + skip, strcspn(authority, "?#") - skip);
}

static ol_status read_settings(struct http_transport *t, const struct ol__conf *map,
                               struct ol_error *err)
{
    bool has_seconds = ol__key_find(map, OL_KEY_TIMEOUT) != NULL;
    struct ol__http_options *o = &t->options;
    ol_status status = ol__http_url(map, &t->url, &t->socket, err);
    if (status == OL_OK && show_url(t) != OL_OK)
        status = ol__error_set(err, OL_NOMEM, "http: out of memory");
    if (status == OL_OK)
        status = read_headers(t, map, err);
    if (status == OL_OK)
        status = read_no_proxy(t, map, err);
    t->timeout_ms = ol__key_number(map, has_seconds ? OL_KEY_TIMEOUT : OL_KEY_TIMEOUT_MS);
    o->url = t->url.data;
    o->unix_socket = t->socket.size > 0 ? t->socket.data : NULL;
    o->is_verified = ol__key_bool(map, OL_KEY_VERIFY);
    o->is_gzip = ol__conf_key_equal(ol__key_text(map, OL_KEY_COMPRESSION), "gzip");
    o->ca_file = ol__key_text(map, OL_KEY_CA_CERT);
    o->cert_file = ol__key_text(map, OL_KEY_CLIENT_CERT);
    o->key_file = ol__key_text(map, OL_KEY_CLIENT_KEY);
    o->proxy_host = ol__key_text(map, OL_KEY_PROXY_HOST);
    o->proxy_port = (long)ol__key_number(map, OL_KEY_PROXY_PORT);
    return status;
}

/* What libcurl does not take is found out here, not at the first event. */
static ol_status try_options(struct http_transport *t, const struct ol__conf *map,
                             struct ol_error *err)
{
    char source[OL_CONF_SOURCE_MAX];
    struct ol__http_answer answer = {0};
    struct slot *slot = NULL;
    ol_status status = take_slot(t, &slot, &answer);
    if (status == OL_OK) {
        give_slot(t, slot);
        return OL_OK;
    }
    ol__conf_source(map, source, sizeof source);
    return ol__error_set(err, status, "%s: %s", source,
                         status == OL_NOMEM ? "out of memory" : answer.why);
}

ol_status ol__transport_http_open(const struct ol__conf *map, const struct ol__log *log,
                                  struct ol__transport **ret, struct ol_error *err)
{
    struct http_transport *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ol__error_set(err, OL_NOMEM, "http: out of memory");
    t->transport.functions = &http_functions;
    t->log = *log;
    ol__buf_init(&t->url, TEXT_MAX);
    ol__buf_init(&t->socket, TEXT_MAX);
    ol__buf_init(&t->shown, TEXT_MAX);
    ol_status status = read_settings(t, map, err);
    if (status == OL_OK)
        status = load_module(t, err);
    if (status == OL_OK)
        status = try_options(t, map, err);
    if (status != OL_OK) {
        OL_IGNORE(http_close(&t->transport, 0, NULL), "nothing was sent");
        return status;
    }
    *ret = &t->transport;
    return OL_OK;
}
