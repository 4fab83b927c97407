/* SPDX-License-Identifier: Apache-2.0 */
/* The JobNamespaceReplaceTransformer of the Python client. Promise: nothing but those texts
 * changes; all other bytes of the event go on as they are. Control lines stay in front. */
#include "transport_parts.h"

#include <stdlib.h>
#include "json_read.h"
#include "json_write.h"

#define PLACES_MAX 8 /* /job, parent and root, each maybe given twice */

struct rename_transport {
    struct ol__transport transport; /* first */
    struct ol__transport *inner;    /* owned */
    struct ol__buf name_space;      /* as JSON text */
    bool with_parent;
};

struct places {
    bool with_parent;
    size_t count;
    struct {
        size_t begin, end;
    } at[PLACES_MAX];
};

static ol_status take(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    static const char *const job[] = {"job", "namespace"};
    static const char *const parent[] = {"run", "facets", "parent", "job", "namespace"};
    static const char *const root[] = {"run", "facets", "parent", "root", "job", "namespace"};
    struct places *p = arg;
    if (value->type != OL_JSON_STRING)
        return OL_OK;
    if (!ol__json_at(value, job, OL_COUNT(job)) &&
        !(p->with_parent && (ol__json_at(value, parent, OL_COUNT(parent)) ||
                             ol__json_at(value, root, OL_COUNT(root)))))
        return OL_OK;
    if (p->count == PLACES_MAX)
        return ol__error_set(err, OL_INVALID, "transform: too many job name spaces");
    p->at[p->count].begin = value->begin;
    p->at[p->count++].end = value->end;
    return OL_OK;
}

static ol_status rename_emit(struct ol__transport *transport, const struct ol__line *line,
                             struct ol_error *err)
{
    struct rename_transport *t = (struct rename_transport *)transport;
    struct ol__json_reader *reader = NULL;
    struct places places = {.with_parent = t->with_parent};
    struct ol__buf out;
    struct ol__span event = ol__line_event(line);
    size_t from = 0;
    ol_status status = ol__json_reader_new(&reader, err);
    if (status == OL_OK)
        status = ol__json_read(reader, event, NULL, take, &places, err);
    ol__json_reader_free(reader);
    if (status != OL_OK)
        return status;
    ol__buf_init(&out, OL_LINE_MAX + 1);
    ol__buf_add(&out, line->data, 1 + line->control_size);
    for (size_t i = 0; i < places.count; i++) {
        ol__buf_add(&out, event.data + from, places.at[i].begin - from);
        ol__buf_add(&out, t->name_space.data, t->name_space.size);
        from = places.at[i].end;
    }
    ol__buf_add(&out, event.data + from, event.size - from);
    ol__buf_add_char(&out, '\n');
    if (out.status == OL_OK) {
        struct ol__line renamed = *line;
        renamed.data = out.data;
        renamed.size = out.size;
        status = t->inner->functions->emit(t->inner, &renamed, err);
    } else {
        status = ol__error_set(err, out.status, "transform: %s", ol_status_name(out.status));
    }
    ol__buf_release(&out);
    return status;
}

static ol_status rename_close(struct ol__transport *transport, int timeout_ms, struct ol_error *err)
{
    struct rename_transport *t = (struct rename_transport *)transport;
    ol_status status = t->inner->functions->close(t->inner, timeout_ms, err);
    ol__buf_release(&t->name_space);
    free(t);
    return status;
}

static const struct ol__transport_functions rename_functions = {.emit = rename_emit,
                                                                .close = rename_close};

ol_status ol__transport_rename_open(struct ol__transport *inner, const char *name_space,
                                    bool with_parent, struct ol__transport **ret,
                                    struct ol_error *err)
{
    struct ol__json_writer w;
    struct rename_transport *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ol__error_set(err, OL_NOMEM, "transform: out of memory");
    t->transport.functions = &rename_functions;
    t->with_parent = with_parent;
    ol__buf_init(&t->name_space, OL_LINE_MAX);
    ol__json_writer_init(&w, &t->name_space);
    ol__json_text(&w, name_space);
    if (t->name_space.status != OL_OK) {
        ol__buf_release(&t->name_space);
        free(t);
        return ol__error_set(err, OL_NOMEM, "transform: out of memory");
    }
    t->inner = inner;
    *ret = &t->transport;
    return OL_OK;
}
