/* SPDX-License-Identifier: Apache-2.0 */
#include "config_where.h"

#include <stdio.h>
#include "buf.h"
#include "config.h"
#include "place.h"
#include "transport_http.h"

struct search {
    struct ol__where *items; /* borrowed */
    size_t count;
    struct ol_error *err;
};

static void quiet(void *arg OL_UNUSED, ol_status status OL_UNUSED, const char *message OL_UNUSED)
{
}

/* The next item; what there is no room for is written to the last one again. */
static struct ol__where *add(struct search *s, enum ol__where_kind kind, const struct ol__conf *by)
{
    struct ol__where *w = &s->items[OL_MIN(s->count, (size_t)OL_WHERE_MAX - 1)];
    if (s->count < OL_WHERE_MAX)
        s->count++;
    *w = (struct ol__where){.kind = kind};
    if (by != NULL)
        ol__conf_source(by, w->source, sizeof w->source);
    else
        snprintf(w->source, sizeof w->source, "the default");
    return w;
}

static ol_status add_journal(struct search *s, const char *directory, const struct ol__conf *by)
{
    const struct ol__place_wish wish = {.directory = directory};
    const struct ol__log log = {.function = quiet};
    struct ol__where *w = add(s, OL_WHERE_JOURNAL, by);
    return ol__place_choose(&wish, NULL, &log, w->target, s->err);
}

static ol_status add_http(struct search *s, const struct ol__transport_config *c)
{
    struct ol__buf url, socket;
    const struct ol__conf *by = ol__key_find(c->map, OL_KEY_URL);
    const char *key = ol__key_text(c->map, OL_KEY_AUTH_API_KEY);
    struct ol__where *w = add(s, OL_WHERE_HTTP, by);
    ol__buf_init(&url, sizeof w->target - 1);
    ol__buf_init(&socket, sizeof w->socket - 1);
    ol_status status = ol__http_url(c->map, &url, &socket, s->err);
    if (status == OL_OK) {
        w->is_local = ol__url_is_local(by->text);
        snprintf(w->target, sizeof w->target, "%s", url.data != NULL ? url.data : "");
        snprintf(w->socket, sizeof w->socket, "%s", socket.data != NULL ? socket.data : "");
        snprintf(w->api_key, sizeof w->api_key, "%s", key != NULL ? key : "");
    }
    ol__buf_release(&url);
    ol__buf_release(&socket);
    return status;
}

static ol_status add_transport(struct search *s, const struct ol__transport_config *c)
{
    const struct ol__conf *by = c->map != NULL ? ol__key_find(c->map, OL_KEY_TYPE) : NULL;
    const char *text;
    ol_status status = OL_OK;
    switch (c->kind) {
    case OL_KIND_UNSET:
    case OL_KIND_JOURNAL:
        if (c->map != NULL && ol__key_find(c->map, OL_KEY_DIRECTORY) != NULL)
            by = ol__key_find(c->map, OL_KEY_DIRECTORY);
        return add_journal(s, c->map != NULL ? ol__key_text(c->map, OL_KEY_DIRECTORY) : NULL, by);
    case OL_KIND_ELSEWHERE:
        return add_journal(s, NULL, by);
    case OL_KIND_HTTP:
        return add_http(s, c);
    case OL_KIND_FILE:
        text = ol__key_text(c->map, OL_KEY_LOCATION);
        snprintf(add(s, OL_WHERE_FILE, by)->target, OL_PATH_MAX, "%s", text != NULL ? text : "");
        return OL_OK;
    case OL_KIND_CONSOLE:
        add(s, OL_WHERE_CONSOLE, by);
        return OL_OK;
    case OL_KIND_NOOP:
        add(s, OL_WHERE_NOOP, by);
        return OL_OK;
    case OL_KIND_COMPOSITE:
    case OL_KIND_TRANSFORM:
        for (size_t i = 0; i < c->child_count && status == OL_OK; i++)
            status = add_transport(s, &c->children[i]);
        return status;
    }
    return OL_OK;
}

static ol_status find(struct search *s, const struct ol__config *config)
{
    const struct ol__transport_config *c = &config->transport;
    const struct ol__log log = {.function = quiet};
    char directory[OL_PATH_MAX];
    if (config->is_disabled) {
        add(s, OL_WHERE_DISABLED, config->disabled_by);
        return OL_OK;
    }
    if (config->is_url_told) { /* an agent here drains a journal: no need of the network */
        const struct ol__conf *by = ol__key_find(c->map, OL_KEY_URL);
        const struct ol__place_wish wish = {.url = by->text};
        ol_status status = ol__place_choose(&wish, NULL, &log, directory, s->err);
        if (status == OL_END)
            return add_journal(s, directory, by);
    }
    return add_transport(s, c);
}

ol_status ol__config_where(const char *path, struct ol__where *ret, size_t *ret_count,
                           struct ol_error *err)
{
    struct ol__config config;
    const struct ol__log log = {.function = quiet};
    struct search s = {.items = ret, .err = err};
    ol_status status = ol__config_read(&config, path, &log, err);
    if (status == OL_OK)
        status = find(&s, &config);
    ol__config_release(&config);
    if (status == OL_OK)
        *ret_count = s.count;
    return status;
}
