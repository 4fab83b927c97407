/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/quality.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "json_write.h"

#define WRITE_DEPTH_MAX 32 /* what is nested deeper is left off */

void quality_release(struct quality *q)
{
    free(q->assertions);
    free(q->columns);
    free(q->metrics);
    ol__arena_reset(&q->arena, 0);
}

/* ---- Filling ---- */

static void *add(void **items, size_t *count, size_t size, const char *what, struct ol_error *err)
{
    if (*count == QUALITY_ITEMS_MAX) {
        ol__error_set(err, OL_TOO_LARGE, "more than %d %s", QUALITY_ITEMS_MAX, what);
        return NULL;
    }
    if ((*count & (*count - 1)) == 0) { /* full at every power of two */
        void *more = realloc(*items, (*count == 0 ? 1 : *count * 2) * size);
        if (more == NULL) {
            ol__error_set(err, OL_NOMEM, "out of memory");
            return NULL;
        }
        *items = more;
    }
    void *item = (char *)*items + *count * size;
    memset(item, 0, size);
    ++*count;
    return item;
}

struct quality_assertion *quality_add_assertion(struct quality *q, struct ol_error *err)
{
    void *items = q->assertions;
    void *item = add(&items, &q->assertion_count, sizeof *q->assertions, "checks", err);
    q->assertions = items;
    return item;
}

struct quality_metric *quality_add_metric(struct quality *q, struct ol_error *err)
{
    void *items = q->metrics;
    void *item = add(&items, &q->metric_count, sizeof *q->metrics, "figures", err);
    q->metrics = items;
    return item;
}

struct quality_column *quality_column(struct quality *q, const char *name, struct ol_error *err)
{
    for (size_t i = q->column_count; i-- > 0;) /* mostly the last */
        if (strcmp(q->columns[i].name, name) == 0)
            return &q->columns[i];
    void *items = q->columns;
    struct quality_column *c = add(&items, &q->column_count, sizeof *q->columns, "columns", err);
    q->columns = items;
    if (c != NULL)
        c->name = name;
    return c;
}

ol_status quality_add_quantile(struct quality *q, struct quality_column *column, const char *at,
                               const char *value, struct ol_error *err)
{
    struct quality_quantile **end = &column->quantiles;
    while (*end != NULL && strcmp((*end)->at, at) != 0)
        end = &(*end)->next;
    if (*end != NULL)
        return OL_OK; /* told twice */
    *end = ol__arena_alloc(&q->arena, sizeof **end);
    if (*end == NULL)
        return ol__error_set(err, OL_NOMEM, "out of memory");
    **end = (struct quality_quantile){.at = at, .value = value};
    return OL_OK;
}

/** @p size bytes of @p text, cut to QUALITY_TEXT_MAX at the end of a character. */
static const char *keep(struct quality *q, const char *text, size_t size)
{
    if (size > QUALITY_TEXT_MAX) {
        size = QUALITY_TEXT_MAX;
        while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
            size--;
    }
    char *kept = ol__arena_alloc(&q->arena, size + 1);
    if (kept == NULL)
        return NULL;
    memcpy(kept, text, size);
    kept[size] = '\0';
    return kept;
}

const char *quality_format(struct quality *q, const char *format, ...)
{
    char text[QUALITY_TEXT_MAX + 8];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return keep(q, text, size < 0 ? 0 : OL_MIN((size_t)size, sizeof text - 1));
}

const char *quality_whole(struct quality *q, const char *number)
{
    if (number == NULL)
        return NULL;
    size_t digits = strspn(number, "0123456789");
    if (digits == 0 || digits > 18)
        return NULL;
    if (number[digits] == '\0')
        return number;
    if (number[digits] != '.' || number[digits + 1 + strspn(number + digits + 1, "0")] != '\0')
        return NULL;
    return keep(q, number, digits);
}

const char *quality_number(const struct json_node *node)
{
    return node != NULL && node->type == OL_JSON_NUMBER ? node->text : NULL;
}

static void write_node(struct ol__json_writer *w, const struct json_node *node, int depth)
{
    switch (node->type) {
    case OL_JSON_BOOL:
        ol__json_bool(w, node->boolean);
        break;
    case OL_JSON_NUMBER:
        ol__json_raw(w, ol__span_text(node->text));
        break;
    case OL_JSON_STRING:
        ol__json_text(w, node->text);
        break;
    case OL_JSON_OBJECT:
    case OL_JSON_ARRAY:
        if (depth == WRITE_DEPTH_MAX) {
            ol__json_null(w);
            break;
        }
        if (node->type == OL_JSON_OBJECT)
            ol__json_begin_object(w);
        else
            ol__json_begin_array(w);
        for (const struct json_node *n = node->first; n != NULL; n = n->next) {
            if (node->type == OL_JSON_OBJECT)
                ol__json_key(w, n->key);
            write_node(w, n, depth + 1);
        }
        if (node->type == OL_JSON_OBJECT)
            ol__json_end_object(w);
        else
            ol__json_end_array(w);
        break;
    default:
        ol__json_null(w);
    }
}

static void add_value(struct ol__buf *out, const struct json_node *node)
{
    struct ol__json_writer w;
    if (node->type == OL_JSON_STRING) {
        ol__buf_add_text(out, node->text);
        return;
    }
    ol__json_writer_init(&w, out);
    write_node(&w, node, 0);
}

const char *quality_value(struct quality *q, const struct json_node *node)
{
    struct ol__buf text;
    if (node == NULL || node->type == OL_JSON_NULL)
        return NULL;
    ol__buf_init(&text, QUALITY_FILE_MAX * 2);
    add_value(&text, node);
    const char *kept = text.status == OL_OK ? keep(q, text.data, text.size) : NULL;
    ol__buf_release(&text);
    return kept;
}

static bool is_in(const char *key, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(*list, key) == 0)
            return true;
    return false;
}

const char *quality_describe(struct quality *q, const struct json_node *object,
                             const char *const *left_off)
{
    struct ol__buf text;
    if (object == NULL || object->type != OL_JSON_OBJECT)
        return NULL;
    ol__buf_init(&text, QUALITY_FILE_MAX * 2);
    for (const struct json_node *n = object->first; n != NULL && text.size <= QUALITY_TEXT_MAX;
         n = n->next) {
        if (n->type == OL_JSON_NULL || is_in(n->key, left_off))
            continue;
        ol__buf_add_format(&text, "%s%s=", text.size > 0 ? ", " : "", n->key);
        add_value(&text, n);
    }
    const char *kept = text.status == OL_OK && text.size > 0 ? keep(q, text.data, text.size) : NULL;
    ol__buf_release(&text);
    return kept;
}

void quality_point(char *out, size_t size, const char *at, const char *key)
{
    size_t used = (size_t)snprintf(out, size, "%s/", at);
    for (; *key != '\0' && used + 3 < size; key++) {
        if (*key == '~' || *key == '/') {
            out[used++] = '~';
            out[used++] = *key == '~' ? '0' : '1';
        } else {
            out[used++] = *key;
        }
    }
    out[OL_MIN(used, size - 1)] = '\0';
}

ol_status quality_expected(struct ol_error *err, const char *pointer, const char *what)
{
    return ol__error_set(err, OL_INVALID, "%s: expected %s", pointer[0] != '\0' ? pointer : "/",
                         what);
}

/* ---- Writing ---- */

static void write_assertion(struct ol__json_writer *w, const struct quality_assertion *a)
{
    ol__json_begin_object(w);
    ol__json_member_text(w, "assertion", a->assertion);
    ol__json_member_bool(w, "success", a->success);
    ol__json_member_text_opt(w, "column", a->column);
    ol__json_member_text(w, "severity", a->is_warning ? "warn" : "error");
    ol__json_member_text_opt(w, "name", a->name);
    ol__json_member_text_opt(w, "description", a->description);
    ol__json_member_text_opt(w, "expected", a->expected);
    ol__json_member_text_opt(w, "actual", a->actual);
    if (a->params != NULL && a->params->type == OL_JSON_OBJECT && a->params->count > 0) {
        ol__json_key(w, "params");
        write_node(w, a->params, 0);
    }
    ol__json_end_object(w);
}

static void member_number(struct ol__json_writer *w, const char *key, const char *number)
{
    if (number == NULL)
        return;
    ol__json_key(w, key);
    ol__json_raw(w, ol__span_text(number));
}

static void write_column(struct ol__json_writer *w, const struct quality_column *c)
{
    ol__json_key(w, c->name);
    ol__json_begin_object(w);
    member_number(w, "nullCount", c->null_count);
    member_number(w, "distinctCount", c->distinct_count);
    member_number(w, "sum", c->sum);
    member_number(w, "count", c->count);
    member_number(w, "min", c->min);
    member_number(w, "max", c->max);
    if (c->quantiles != NULL) {
        ol__json_key(w, "quantiles");
        ol__json_begin_object(w);
        for (const struct quality_quantile *each = c->quantiles; each != NULL; each = each->next)
            member_number(w, each->at, each->value);
        ol__json_end_object(w);
    }
    ol__json_end_object(w);
}

static void write_metric(struct ol__json_writer *w, const struct quality_metric *m)
{
    ol__json_begin_object(w);
    ol__json_member_text(w, "name", m->name);
    member_number(w, "value", m->value);
    ol__json_member_text_opt(w, "split", m->split);
    ol__json_end_object(w);
}

bool quality_write_facet(const struct quality *q, const char *key, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    if (strcmp(key, QUALITY_ASSERTIONS) == 0 && q->assertion_count > 0) {
        ol__json_begin_object(&w);
        ol__json_key(&w, "assertions");
        ol__json_begin_array(&w);
        for (size_t i = 0; i < q->assertion_count; i++)
            write_assertion(&w, &q->assertions[i]);
        ol__json_end_array(&w);
    } else if (strcmp(key, QUALITY_METRICS) == 0 && (q->row_count != NULL || q->column_count > 0)) {
        ol__json_begin_object(&w);
        member_number(&w, "rowCount", q->row_count);
        ol__json_key(&w, "columnMetrics");
        ol__json_begin_object(&w);
        for (size_t i = 0; i < q->column_count; i++)
            write_column(&w, &q->columns[i]);
        ol__json_end_object(&w);
    } else if (strcmp(key, QUALITY_FIGURES) == 0 && q->metric_count > 0) {
        ol__json_begin_object(&w);
        ol__json_key(&w, "metrics");
        ol__json_begin_array(&w);
        for (size_t i = 0; i < q->metric_count; i++)
            write_metric(&w, &q->metrics[i]);
        ol__json_end_array(&w);
    } else {
        return false;
    }
    ol__json_end_object(&w);
    return true;
}
