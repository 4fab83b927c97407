/* SPDX-License-Identifier: Apache-2.0 */
/* What must not leave this process, taken out of one facet. */
#include <stdio.h>
#include "rules_parts.h"

struct redact {
    const struct ol__redaction *rules;
    size_t count;
    const char *facet;
    struct ol__span json;
    struct ol__buf *out;
    size_t copied; /* bytes of the facet that are in `out` */
};

/* Whether the value is at the pointer or inside of what is there. */
static bool is_at(const struct ol__json_value *v, const char *pointer)
{
    size_t depth = 0;
    while (*pointer == '/') {
        char index[24], step[256];
        size_t raw = strcspn(pointer + 1, "/"), size = 0;
        for (size_t i = 1; i <= raw && size + 1 < sizeof step; i++) {
            char c = pointer[i];
            if (c == '~' && i < raw && (pointer[i + 1] == '0' || pointer[i + 1] == '1'))
                c = pointer[++i] == '0' ? '~' : '/';
            step[size++] = c;
        }
        step[size] = '\0';
        if (depth == v->depth)
            return false;
        struct ol__span key = v->path[depth].key;
        if (v->path[depth].is_index) {
            snprintf(index, sizeof index, "%zu", v->path[depth].index);
            key = ol__span_text(index);
        }
        if (strcmp(step, "*") != 0 && !ol__span_equal(key, ol__span_text(step)))
            return false;
        depth++;
        pointer += 1 + raw;
    }
    return true;
}

static bool applies(const struct redact *r, const struct ol__redaction *rule,
                    const struct ol__json_value *v)
{
    return (rule->facet == NULL || strcmp(rule->facet, r->facet) == 0) &&
           (rule->pointer == NULL || is_at(v, rule->pointer));
}

static void put(struct redact *r, const struct ol__json_value *v, const struct ol__span *text)
{
    struct ol__json_writer w;
    ol__buf_add(r->out, r->json.data + r->copied, v->begin - r->copied);
    ol__json_writer_init(&w, r->out);
    if (text != NULL)
        ol__json_span(&w, *text);
    else
        ol__json_null(&w);
    r->copied = v->end;
}

static ol_status take_text(struct redact *r, const struct ol__json_value *v)
{
    struct ol__buf texts[2];
    struct ol__span text = v->text;
    bool is_changed = false;
    size_t turn = 0;
    ol__buf_init(&texts[0], r->out->max);
    ol__buf_init(&texts[1], r->out->max);
    for (size_t i = 0; i < r->count; i++) {
        const struct ol__redaction *rule = &r->rules[i];
        if (!applies(r, rule, v))
            continue;
        if (rule->pattern == NULL) {
            text = ol__span_text(rule->with);
            is_changed = true;
            continue;
        }
        struct ol__buf *to = &texts[turn];
        ol__buf_reset(to);
        if (text.size > 0 && ol__pattern_replace(rule->pattern, text, rule->with, to)) {
            text = (struct ol__span){to->data, to->size};
            is_changed = true;
            turn = 1 - turn;
        }
        if (to->status != OL_OK)
            r->out->status = to->status;
    }
    if (is_changed)
        put(r, v, &text);
    ol__buf_release(&texts[0]);
    ol__buf_release(&texts[1]);
    return r->out->status;
}

static ol_status take(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct redact *r = arg;
    (void)err;
    if (v->depth == 0 || v->type >= OL_JSON_OBJECT || v->type == OL_JSON_NULL)
        return OL_OK;
    if (v->depth == 1 && (ol__span_equal(v->path[0].key, OL_SPAN_LIT("_producer")) ||
                          ol__span_equal(v->path[0].key, OL_SPAN_LIT("_schemaURL"))))
        return OL_OK;
    if (v->type == OL_JSON_STRING)
        return take_text(r, v);
    /* A number or a truth value that is named has no place for a text. */
    for (size_t i = 0; i < r->count; i++) {
        const struct ol__redaction *rule = &r->rules[i];
        if (rule->pattern == NULL && rule->pointer != NULL && applies(r, rule, v)) {
            put(r, v, NULL);
            break;
        }
    }
    return r->out->status;
}

ol_status ol__redact(const struct ol__redaction *rules, size_t count, const char *facet,
                     struct ol__span json, struct ol__buf *out, struct ol_error *err)
{
    struct ol__json_reader *reader = NULL;
    struct redact r = {.rules = rules, .count = count, .facet = facet, .json = json, .out = out};
    ol_status status = OL_OK;
    if (count > 0)
        status = ol__json_reader_new(&reader, err);
    if (status == OL_OK && count > 0)
        status = ol__json_read(reader, json, NULL, take, &r, err);
    ol__json_reader_free(reader);
    if (status != OL_OK || r.copied == 0)
        return status;
    status = ol__buf_add(out, json.data + r.copied, json.size - r.copied);
    return status == OL_OK ? OL_AGAIN : status;
}
