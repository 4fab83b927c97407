/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Whatever is refused is counted once and, at the start and the end of each row of refusals,
 * logged, under no lock.
 *  2. Emitting takes a line buffer without a lock and allocates none while one is spare. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <inttypes.h>
#include "json_write.h"
#include "shed.h"

const char *ol_version(void)
{
    return OL_VERSION;
}

bool ol__options_copy(const void *options, void *out, size_t size, size_t size_first)
{
    size_t given;
    memcpy(&given, options, sizeof given); /* struct_size stands first in all of them */
    memset(out, 0, size);
    if (given < size_first || given > 65536)
        return false;
    memcpy(out, options,
           OL_MIN(given, size)); /* members that only a newer header has are not ours */
    return true;
}

ol_status ol__options_refused(const void *options, const char *type, struct ol_error *err)
{
    if (options == NULL)
        return ol__error_set(err, OL_INVALID, "%s: NULL was given; expected a struct %s", type,
                             type);
    return ol__error_set(err, OL_INVALID,
                         "%s: struct_size is not set; fill it with OL_MAKE, in C++ with sizeof",
                         type);
}

/* ---- line buffers ---- */

struct ol__buf *ol__client_take_buffer(struct ol_client *client)
{
    for (int i = 0; i < OL_SPARE_BUFFERS; i++) {
        if (atomic_load_explicit(&client->spare[i], memory_order_relaxed) == NULL)
            continue;
        struct ol__buf *buf = atomic_exchange(&client->spare[i], NULL);
        if (buf != NULL)
            return buf;
    }
    struct ol__buf *buf = malloc(sizeof *buf);
    if (buf != NULL)
        ol__buf_init(buf, OL_LINE_MAX + 1); /* one more: the newline in front */
    return buf;
}

void ol__client_give_buffer(struct ol_client *client, struct ol__buf *buf)
{
    ol__buf_reset(buf);
    for (int i = 0; i < OL_SPARE_BUFFERS && buf->cap <= OL_SPARE_MAX; i++) {
        struct ol__buf *none = NULL;
        if (atomic_compare_exchange_strong(&client->spare[i], &none, buf))
            return;
    }
    ol__buf_release(buf);
    free(buf);
}

/* ---- handing over ---- */

ol_status ol__client_refused(struct ol_client *client, ol_status status, const struct ol_error *why,
                             struct ol_error *err)
{
    ol_status public_status = ol__status_public(status);
    if (err != NULL) {
        *err = *why;
        err->status = public_status;
    }
    atomic_store(&client->last_status, (int)public_status);
    atomic_fetch_add(&client->lost, 1);
    if (atomic_fetch_add(&client->streak, 1) == 0)
        ol__log(&client->log, public_status, "event refused: %s", why->message);
    return public_status;
}

/* What a transport could not hand over: into the journal, with all that follows of that run. */
static ol_status emit_fallback(struct ol_client *client, const struct ol__line *line,
                               struct ol_error *why)
{
    if (client->fallback == NULL)
        return ol__error_set(why, OL_IO, "%s, and there is no journal", line->fate->why);
    OL_CRASHPOINT("emitter.diverting");
    ol_status status = client->fallback->functions->emit(client->fallback, line, why);
    if (status != OL_OK)
        return ol__error_prefix(why, status, "%s; journal", line->fate->why);
    atomic_fetch_add(&client->diverted, 1);
    if (line->is_diverted != NULL)
        *line->is_diverted = true;
    return OL_OK;
}

ol_status ol__client_emit(struct ol_client *client, const struct ol__line *line,
                          struct ol_error *err)
{
    struct ol_error why;
    struct ol__fate fate = {.why = ""};
    if (atomic_load_explicit(&client->is_closed, memory_order_acquire))
        return ol__client_refused(
            client, ol__error_set(&why, OL_INVALID, "ol_client_close() came before this event"),
            &why, err);
    struct ol__line own = *line;
    own.fate = &fate;
    ol_status status = client->transport->functions->emit(client->transport, &own, &why);
    if (fate.wants_journal)
        status = emit_fallback(client, &own, &why);
    if (status != OL_OK)
        return ol__client_refused(client, status, &why, err);
    if (atomic_load_explicit(&client->streak, memory_order_relaxed) != 0) {
        uint64_t refused = atomic_exchange(&client->streak, 0);
        if (refused != 0)
            ol__log(&client->log, OL_OK, "events are accepted again, after %" PRIu64 " refused",
                    refused);
    }
    return OL_OK;
}

uint64_t ol_client_lost(const struct ol_client *client, const char **ret_reason)
{
    const char *reason = NULL;
    uint64_t lost = 0;
    if (client != NULL) {
        lost = atomic_load(&client->lost);
        switch ((ol_status)atomic_load(&client->last_status)) {
        case OL_OK:
        case OL_PARTIAL:
        case OL_DISABLED:
            break;
        case OL_INVALID:
            reason = "after a terminal event, or no such event";
            break;
        case OL_NOMEM:
            reason = "out of memory";
            break;
        case OL_FULL:
            reason = "disk, quota, file size limit or the journal's ceiling";
            break;
        case OL_TOO_LARGE:
            reason = "larger than the limit, even without its optional facets";
            break;
        case OL_IO:
            reason = "the file could not be written";
            break;
        case OL_CONFIG:
            reason = "configuration";
            break;
        }
    }
    if (ret_reason != NULL)
        *ret_reason = reason;
    return lost;
}

void ol__client_ignored(struct ol_client *client, bool is_variable, const char *name,
                        const char *expected)
{
    atomic_fetch_add(&client->ignored, 1);
    if (is_variable || !atomic_exchange(&client->has_said_ignored, true))
        ol__log(&client->log, OL_INVALID, "%s: ignored: %s", name, expected);
}

static void ignore_variable(void *client, const char *name, const char *expected)
{
    ol__client_ignored(client, true, name, expected);
}

uint64_t ol_client_ignored(const struct ol_client *client)
{
    return client != NULL ? atomic_load(&client->ignored) : 0;
}

uint64_t ol_client_diverted(const struct ol_client *client)
{
    return client != NULL ? atomic_load(&client->diverted) : 0;
}

uint64_t ol_client_shed(const struct ol_client *client)
{
    return client != NULL ? atomic_load(&client->shed) : 0;
}

const char *ol_client_destination(const struct ol_client *client)
{
    return client != NULL ? client->destination : NULL;
}

/* ---- open ---- */

static void free_client(struct ol_client *client)
{
    for (int i = 0; i < OL_SPARE_BUFFERS; i++) {
        struct ol__buf *buf = atomic_load(&client->spare[i]);
        if (buf != NULL)
            ol__buf_release(buf);
        free(buf);
    }
    for (size_t i = 0; i < OL_COUNT(client->event_tail); i++)
        ol__buf_release(&client->event_tail[i]);
    ol__rules_free(client->rules);
    ol__config_release(&client->config);
    ol__context_release(&client->context);
    free(client->producer);
    free(client->job_namespace);
    free(client->engine_name);
    free(client->engine_version);
    free(client->destination);
    free(client);
}

void ol__client_hold(struct ol_client *client)
{
    atomic_fetch_add_explicit(&client->users, 1, memory_order_relaxed);
}

void ol__client_release(struct ol_client *client)
{
    if (atomic_fetch_sub(&client->users, 1) == 1)
        free_client(client);
}

static char *copy_first(const char *first, const char *second, const char *third)
{
    return strdup(first != NULL ? first : second != NULL ? second : third);
}

static ol_status copy_texts(struct ol_client *client, const struct ol_client_options *o,
                            struct ol_error *err)
{
    static const char *const kinds[] = {"RunEvent", "JobEvent", "DatasetEvent"};
    ol_status status = OL_OK;
    client->producer = strdup(o->producer);
    client->job_namespace = copy_first(o->job_namespace, client->config.job_namespace,
                                       ol__keys[OL_KEY_NAMESPACE].default_value);
    client->engine_name = copy_first(o->engine_name, NULL, "libopenlineage");
    client->engine_version = copy_first(o->engine_version, NULL, ol_version());
    if (status != OL_OK || client->producer == NULL || client->job_namespace == NULL ||
        client->engine_name == NULL || client->engine_version == NULL)
        return ol__error_set(err, OL_NOMEM, "client: out of memory");
    for (size_t i = 0; i < OL_COUNT(kinds); i++) {
        struct ol__buf *tail = &client->event_tail[i];
        ol__buf_init(tail, OL_LINE_MAX);
        struct ol__json_writer w;
        ol__buf_add_text(tail, "\",\"producer\":");
        ol__json_writer_init(&w, tail);
        ol__json_text(&w, o->producer);
        ol__buf_add_format(tail,
                           ",\"schemaURL\":\"https://openlineage.io/spec/2-0-2/OpenLineage.json"
                           "#/$defs/%s\",",
                           kinds[i]);
        if (tail->status != OL_OK)
            return ol__error_set(err, tail->status, "producer: %s", ol_status_name(tail->status));
    }
    return OL_OK;
}

/* An absolute URI: a scheme and something after it. */
static bool is_uri(const char *text)
{
    size_t scheme =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    return scheme > 0 && text[scheme] == ':' && text[scheme + 1] != '\0' &&
           strpbrk(text, " \t\n") == NULL;
}

static ol_status disabled(const struct ol_client *client, struct ol_error *err)
{
    char source[OL_CONF_SOURCE_MAX];
    ol__conf_source(client->config.disabled_by, source, sizeof source);
    return ol__error_set(err, OL_DISABLED, "%s says so", source);
}

ol_status ol__client_open_hooked(const struct ol_client_options *options,
                                 const struct ol__client_hooks *hooks, struct ol_client **ret,
                                 struct ol_error *err)
{
    struct ol_client_options o;
    if (ret == NULL)
        return ol__error_set(err, OL_INVALID, "ol_client_open: ret is NULL");
    *ret = NULL;
    if (options == NULL || !ol__options_copy(options, &o, sizeof o, sizeof o))
        return ol__options_refused(options, "ol_client_options", err);
    if (o.producer == NULL || !is_uri(o.producer))
        return ol__error_set(err, OL_INVALID,
                             "ol_client_options.producer: %s%.60s%s; expected the URI of your"
                             " program, e.g. https://example.org/program/1.0",
                             o.producer != NULL ? "'" : "",
                             o.producer != NULL ? o.producer : "none",
                             o.producer != NULL ? "' is no absolute URI" : "");
    if (o.durability > OL_DURABLE_DISK)
        return ol__error_set(err, OL_INVALID,
                             "ol_client_options.durability: %d; expected a value of enum"
                             " ol_durability",
                             (int)o.durability);
    if (o.event_max != 0 && (o.event_max < OL_EVENT_MAX_MIN || o.event_max > OL_EVENT_MAX))
        return ol__error_set(err, OL_INVALID,
                             "ol_client_options.event_max: %zu; expected 0 or %d to %zu bytes",
                             o.event_max, OL_EVENT_MAX_MIN, OL_EVENT_MAX);
    struct ol_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return ol__error_set(err, OL_NOMEM, "client: out of memory");
    atomic_store(&client->users, 1);
    client->log = (struct ol__log){.function = o.log, .arg = o.log_arg};
    ol_status status = ol__config_read(&client->config, o.config_path, &client->log, err);
    if (status == OL_OK && client->config.is_disabled)
        status = disabled(client, err);
    if (status == OL_OK)
        client->event_max = o.event_max != 0
                                ? o.event_max
                                : (size_t)ol__key_number(&client->config.tree, OL_KEY_EVENT_MAX);
    if (status == OL_OK && ol__context_read(ignore_variable, client, &client->context) != OL_OK)
        status = ol__error_set(err, OL_NOMEM, "client: out of memory");
    if (status == OL_OK)
        status = ol__rules_read(&client->config, &client->rules, err);
    if (status == OL_OK)
        status = copy_texts(client, &o, err);
    if (status == OL_OK)
        status = ol__client_open_transport(client, &o, hooks, err);
    if (status == OL_OK) {
        *ret = client;
        return OL_OK;
    }
    if (client->transport != NULL)
        OL_IGNORE(client->transport->functions->close(client->transport, 0, NULL),
                  "nothing written");
    if (client->fallback != NULL)
        OL_IGNORE(client->fallback->functions->close(client->fallback, 0, NULL), "nothing written");
    free_client(client);
    if (err != NULL)
        err->status = ol__status_public(status);
    return ol__status_public(status);
}

ol_status ol_client_open(const struct ol_client_options *options, struct ol_client **ret,
                         struct ol_error *err)
{
    return ol__client_open_hooked(options, &(const struct ol__client_hooks){0}, ret, err);
}

ol_status ol_client_close(struct ol_client *client, int timeout_ms, struct ol_error *err)
{
    if (client == NULL)
        return ol__error_set(err, OL_DISABLED,
                             "ol_client_close: there is no client: NULL was given");
    if (atomic_exchange(&client->is_closed, true))
        return ol__error_set(err, OL_INVALID, "ol_client_close: the client is closed already");
    ol_status status = client->transport->functions->close(client->transport, timeout_ms, err);
    if (client->fallback != NULL) {
        struct ol__transport *fallback = client->fallback;
        ol_status second =
            fallback->functions->close(fallback, timeout_ms, status == OL_OK ? err : NULL);
        status = status == OL_OK ? second : status;
    }
    uint64_t lost = atomic_load(&client->lost);
    if (lost != 0)
        ol__log(&client->log, (ol_status)atomic_load(&client->last_status),
                "%" PRIu64 " events were refused while this client was open", lost);
    client->transport = client->fallback = NULL;
    client->log.function = NULL; /* what it is for may be gone */
    ol__client_release(client);
    status = ol__status_public(status);
    if (status != OL_OK && err != NULL)
        err->status = status;
    return status;
}
