/* SPDX-License-Identifier: Apache-2.0 */
/* From what is configured to transports that are open. */
#include <stdio.h>
#include <stdlib.h>
#include "client.h"
#include "place.h"
#include "transport_http.h"
#include "transport_parts.h"

struct opening {
    struct ol_client *client;
    const struct ol_client_options *options;
    const struct ol__client_hooks *hooks;
    struct ol__buf *destination; /* where events go, for people */
    bool wants_fallback;
    bool is_elsewhere; /* something goes to the journal at once */
    struct ol_error *err;
};

static ol_status open_directory(const struct opening *o, const struct ol__conf *map,
                                const char *directory, struct ol__transport **ret)
{
    bool is_disk = map != NULL && ol__conf_key_equal(ol__key_text(map, OL_KEY_DURABILITY), "disk");
    const struct ol__journal_options journal = {
        .directory = directory,
        .is_durable = o->options->durability == OL_DURABLE_DISK ||
                      (o->options->durability == OL_DURABLE_DEFAULT && is_disk),
        .infer_abort = o->options->infer_abort,
        .fs = o->hooks->fs,
        .limits = o->hooks->limits,
    };
    return ol__journal_open(&journal, ret, o->err);
}

static ol_status open_journal(struct opening *o, const struct ol__conf *map, const char *wanted,
                              struct ol__transport **ret)
{
    char directory[OL_PATH_MAX];
    const struct ol__place_wish wish = {.directory = wanted != NULL ? wanted
                                                     : map != NULL
                                                         ? ol__key_text(map, OL_KEY_DIRECTORY)
                                                         : NULL};
    ol_status status =
        ol__place_choose(&wish, o->hooks->system_directory, &o->client->log, directory, o->err);
    if (status == OL_OK)
        status = open_directory(o, map, directory, ret);
    if (status == OL_OK)
        ol__buf_add_format(o->destination, "journal %s", directory);
    return status;
}

static ol_status open_one(struct opening *o, const struct ol__transport_config *c,
                          struct ol__transport **ret);

static void close_one(struct ol__transport *transport)
{
    OL_IGNORE(transport->functions->close(transport, 0, NULL), "nothing was written");
}

static ol_status open_composite(struct opening *o, const struct ol__transport_config *c,
                                struct ol__transport **ret)
{
    size_t count = 0;
    ol_status status = OL_OK;
    struct ol__transport **children = calloc(c->child_count, sizeof(struct ol__transport *));
    if (children == NULL)
        return ol__error_set(o->err, OL_NOMEM, "composite: out of memory");
    while (count < c->child_count && status == OL_OK) {
        if (count > 0)
            ol__buf_add_text(o->destination, ", ");
        status = open_one(o, &c->children[count], &children[count]);
        count += status == OL_OK;
    }
    if (status == OL_OK)
        status = ol__transport_composite_open(
            children, count, ol__key_bool(c->map, OL_KEY_CONTINUE_FAILURE),
            ol__key_bool(c->map, OL_KEY_CONTINUE_SUCCESS), &o->client->log, ret, o->err);
    for (size_t i = 0; i < count && status != OL_OK; i++)
        close_one(children[i]);
    free(children);
    return status;
}

static ol_status rename_before(struct opening *o, const struct ol__transport_config *c,
                               struct ol__transport *inner, struct ol__transport **ret)
{
    ol_status status =
        ol__transport_rename_open(inner, ol__key_text(c->map, OL_KEY_NEW_NAMESPACE),
                                  ol__key_bool(c->map, OL_KEY_INCLUDE_PARENT), ret, o->err);
    if (status != OL_OK)
        close_one(inner);
    return status;
}

/* Without the module the journal is still there. */
static ol_status open_http(struct opening *o, const struct ol__transport_config *c,
                           struct ol__transport **ret)
{
    struct ol__buf url, socket;
    struct ol__transport *http = NULL;
    ol_status status = ol__transport_http_open(c->map, &o->client->log, &http, o->err);
    o->wants_fallback = true;
    if (status == OL_NOT_FOUND) {
        ol__log(&o->client->log, OL_CONFIG, "%s; events go to the journal", o->err->message);
        status = ol__transport_elsewhere_open(ret, o->err);
        ol__buf_add_text(o->destination, "the journal");
        o->is_elsewhere = true;
        return status;
    }
    if (status != OL_OK)
        return status;
    ol__buf_init(&url, OL_LINE_MAX);
    ol__buf_init(&socket, OL_LINE_MAX);
    status = ol__http_url(c->map, &url, &socket, o->err);
    if (status == OL_OK)
        ol__buf_add_format(o->destination, "http %.*s", (int)strcspn(url.data, "?"), url.data);
    ol__buf_release(&url);
    ol__buf_release(&socket);
    if (status == OL_OK && o->hooks->timeout_ms > 0)
        ol__transport_http_limit(http, o->hooks->timeout_ms);
    if (status == OL_OK)
        *ret = http;
    else
        close_one(http);
    return status;
}

static ol_status open_one(struct opening *o, const struct ol__transport_config *c,
                          struct ol__transport **ret)
{
    struct ol__transport *inner = NULL;
    ol_status status = OL_OK;
    switch (c->kind) {
    case OL_KIND_UNSET:
    case OL_KIND_JOURNAL:
        return open_journal(o, c->map, NULL, ret);
    case OL_KIND_HTTP:
        return open_http(o, c, ret);
    case OL_KIND_FILE:
        ol__buf_add_format(o->destination, "file %s", ol__key_text(c->map, OL_KEY_LOCATION));
        return ol__transport_file_open(ol__key_text(c->map, OL_KEY_LOCATION), ret, o->err);
    case OL_KIND_CONSOLE:
        ol__buf_add_text(o->destination, "console");
        return ol__transport_console_open(ret, o->err);
    case OL_KIND_NOOP:
        ol__buf_add_text(o->destination, "noop");
        return ol__transport_noop_open(ret, o->err);
    case OL_KIND_COMPOSITE:
        return open_composite(o, c, ret);
    case OL_KIND_TRANSFORM:
        status = open_one(o, c->children, &inner);
        return status == OL_OK ? rename_before(o, c, inner, ret) : status;
    case OL_KIND_ELSEWHERE:
        o->wants_fallback = o->is_elsewhere = true;
        ol__buf_add_text(o->destination, "the journal");
        return ol__transport_elsewhere_open(ret, o->err);
    }
    return ol__error_set(o->err, OL_INVALID, "transport: no such kind");
}

/* The name space that a transform in front of all transports gives, *journal gives too. */
static ol_status rename_as_others(struct opening *o, struct ol__transport **journal)
{
    const struct ol__transport_config *chain[OL_TRANSPORT_DEPTH_MAX + 1];
    ol_status status = OL_OK;
    size_t depth = 0;
    for (const struct ol__transport_config *c = &o->client->config.transport;
         c->kind == OL_KIND_TRANSFORM && depth < OL_COUNT(chain); c = c->children)
        chain[depth++] = c;
    while (depth-- > 0 && status == OL_OK)
        status = rename_before(o, chain[depth], *journal, journal);
    return status;
}

/* The journal behind transports that may fail. No place for it is no reason to have no lineage at
 * all. */
static ol_status open_fallback(struct opening *o)
{
    struct ol__transport *journal = NULL;
    struct ol__buf place, *destination = o->destination;
    ol__buf_init(&place, OL_LINE_MAX);
    o->destination = &place;
    ol_status status = open_journal(o, NULL, NULL, &journal);
    o->destination = destination;
    if (status == OL_OK && o->is_elsewhere) /* "the journal", and where: "journal /DIRECTORY" */
        ol__buf_add_text(destination, place.data + strcspn(place.data, " "));
    ol__buf_release(&place);
    if (status == OL_NOMEM)
        return status;
    if (status != OL_OK) {
        ol__log(&o->client->log, ol__status_public(status),
                "no journal for what cannot be handed over: %s", o->err->message);
        return OL_OK;
    }
    status = rename_as_others(o, &journal);
    if (status == OL_OK)
        o->client->fallback = journal;
    return status;
}

static ol_status open_all(struct opening *o)
{
    struct ol_client *client = o->client;
    const struct ol__transport_config *c = &client->config.transport;
    char directory[OL_PATH_MAX];
    if (o->hooks->is_console) {
        ol__buf_add_text(o->destination, "console");
        return ol__transport_console_open(&client->transport, o->err);
    }
    if (o->hooks->is_journal_only) {
        ol_status opened = open_journal(o, c->kind == OL_KIND_JOURNAL ? c->map : NULL,
                                        o->options->journal_directory, &client->transport);
        return opened == OL_OK ? rename_as_others(o, &client->transport) : opened;
    }
    if (o->options->journal_directory != NULL) /* the host's wish beats all that is configured */
        return open_journal(o, c->kind == OL_KIND_JOURNAL ? c->map : NULL,
                            o->options->journal_directory, &client->transport);
    if (c->kind == OL_KIND_ELSEWHERE) /* no need of a detour */
        return open_journal(o, NULL, NULL, &client->transport);
    if (client->config.is_url_told) {
        const struct ol__place_wish wish = {.url = ol__key_text(c->map, OL_KEY_URL)};
        ol_status status =
            ol__place_choose(&wish, o->hooks->system_directory, &client->log, directory, o->err);
        if (status == OL_END)
            return open_journal(o, NULL, directory, &client->transport);
    }
    ol_status status = open_one(o, c, &client->transport);
    return status == OL_OK && o->wants_fallback ? open_fallback(o) : status;
}

ol_status ol__client_open_transport(struct ol_client *client,
                                    const struct ol_client_options *options,
                                    const struct ol__client_hooks *hooks, struct ol_error *err)
{
    struct ol__buf destination;
    struct ol_error why = {.status = OL_OK};
    ol__buf_init(&destination, OL_LINE_MAX);
    struct opening o = {.client = client,
                        .options = options,
                        .hooks = hooks,
                        .destination = &destination,
                        .err = &why};
    ol_status status = open_all(&o);
    if (status == OL_OK) {
        client->destination = ol__buf_take(&destination);
        if (client->destination == NULL)
            status = ol__error_set(&why, OL_NOMEM, "client: out of memory");
    }
    ol__buf_release(&destination);
    if (status != OL_OK && err != NULL)
        *err = why;
    return status;
}
