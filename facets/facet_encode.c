/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. No byte behind the struct_size of the caller's struct is read, and no member that its version
 * did not have: an older caller's struct counts as if the newer members were absent.
 *  2. Work ends: nesting is bounded, and once the buffer has failed nothing more is walked.
 *  3. A refusal names the field by its path in JSON, e.g. fields[2].name. */
#include "facet_encode.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* facts may put a few groups inside each struct; the writer's own depth is the tighter bound */
#define PATH_MAX_DEPTH OL_JSON_WRITE_DEPTH_MAX

struct crumb {
    const char *key;
    size_t index; /* SIZE_MAX: not an element */
};
struct encoder {
    struct ol__facet_place *place;
    struct ol__json_writer *w;
    struct crumb path[PATH_MAX_DEPTH];
    size_t depth;
    int nesting;
    char why[96]; /* of the refusal */
    char field[160];
};

static ol_status encode_struct(struct encoder *e, const struct ol__struct *type, const void *data);

static ol_status refuse(struct encoder *e, const char *key, const char *format, ...)
    OL_PRINTF(3, 4);
static ol_status refuse(struct encoder *e, const char *key, const char *format, ...)
{
    size_t used = 0;
    e->field[0] = '\0';
    for (size_t i = 0; i < e->depth && used < sizeof e->field; i++) {
        const struct crumb *c = &e->path[i];
        int n =
            c->index == SIZE_MAX
                ? snprintf(e->field + used, sizeof e->field - used, "%s.", c->key)
                : snprintf(e->field + used, sizeof e->field - used, "%s[%zu].", c->key, c->index);
        used += n > 0 ? (size_t)n : 0;
    }
    if (used < sizeof e->field)
        snprintf(e->field + used, sizeof e->field - used, "%s", key);
    va_list args;
    va_start(args, format);
    vsnprintf(e->why, sizeof e->why, format, args);
    va_end(args);
    return OL_INVALID;
}

static struct crumb *push(struct encoder *e, const char *key)
{
    assert(e->depth < PATH_MAX_DEPTH);
    e->path[e->depth] = (struct crumb){key, SIZE_MAX};
    return &e->path[e->depth++];
}

/* The bytes of the struct that count: the largest version that struct_size covers; 0: none. */
static size_t known_size(const struct ol__struct *type, const void *data)
{
    size_t given, known = 0;
    memcpy(&given, data, sizeof given);
    for (const uint16_t *s = type->sizes; *s != 0 && *s <= given; s++)
        known = *s;
    return known;
}

static size_t member_size(const struct ol__member *m)
{
    switch (m->kind) {
    case OL_MEMBER_INT:
        return sizeof(struct ol_int);
    case OL_MEMBER_REAL:
        return sizeof(struct ol_real);
    case OL_MEMBER_BOOL:
        return sizeof(enum ol_bool);
    case OL_MEMBER_TEXT:
    case OL_MEMBER_JSON:
    case OL_MEMBER_JSON_OBJECT:
    case OL_MEMBER_STRUCT:
    case OL_MEMBER_ARRAY:
    case OL_MEMBER_TEXT_ARRAY:
    case OL_MEMBER_MAP:
    case OL_MEMBER_GROUP:
        break;
    }
    return sizeof(void *);
}

static const void *pointer_at(const void *data, size_t offset)
{
    const void *p;
    memcpy(&p, (const char *)data + offset, sizeof p);
    return p;
}

static size_t count_at(const void *data, size_t offset)
{
    size_t n;
    memcpy(&n, (const char *)data + offset, sizeof n);
    return n;
}

static const char *text_at(const void *data, size_t offset, size_t size)
{
    return offset != 0 && offset + sizeof(char *) <= size ? pointer_at(data, offset) : NULL;
}

static bool is_among(const char *const *texts, const char *text)
{
    while (*texts != NULL && strcmp(*texts, text) != 0)
        texts++;
    return *texts != NULL;
}

/* Whether the caller gave this member; of a group, any of its members. */
static bool is_given(const struct ol__member *m, const void *data, size_t size)
{
    if (m->kind == OL_MEMBER_GROUP) {
        for (uint16_t i = 1; i <= m->span; i++)
            if (m[i].kind != OL_MEMBER_GROUP && is_given(&m[i], data, size))
                return true;
        return false;
    }
    if (m->offset + member_size(m) > size)
        return false; /* promise 1 */
    const char *at = (const char *)data + m->offset;
    switch (m->kind) {
    case OL_MEMBER_INT:
        return ((const struct ol_int *)(const void *)at)->is_set;
    case OL_MEMBER_REAL: {
        const struct ol_real *real = (const void *)at;
        return real->is_set && isfinite(real->value);
    }
    case OL_MEMBER_BOOL: {
        enum ol_bool value = *(const enum ol_bool *)(const void *)at;
        return value == OL_FALSE || value == OL_TRUE;
    }
    case OL_MEMBER_ARRAY:
    case OL_MEMBER_TEXT_ARRAY:
    case OL_MEMBER_MAP:
        return pointer_at(data, m->offset) != NULL || count_at(data, m->count_offset) > 0;
    case OL_MEMBER_TEXT:
    case OL_MEMBER_JSON:
    case OL_MEMBER_JSON_OBJECT:
    case OL_MEMBER_STRUCT:
    case OL_MEMBER_GROUP:
        break;
    }
    return pointer_at(data, m->offset) != NULL;
}

static ol_status encode_json(struct encoder *e, const struct ol__member *m, const char *json)
{
    struct ol__json_reader **reader = &e->place->context->reader;
    struct ol_error err = {.status = OL_OK};
    if (*reader == NULL && ol__json_reader_new(reader, &err) != OL_OK)
        return err.status;
    struct ol__buf line;
    ol__buf_init(&line, e->place->context->facet_max);
    const struct ol__json_limits limits = {.depth_max = OL_FACET_JSON_DEPTH_MAX};
    ol_status st = ol__json_minify(*reader, ol__span_text(json), &limits, &line, &err);
    if (st == OL_INVALID)
        st = refuse(e, m->key, "%.90s", err.message);
    else if (st == OL_OK && m->kind == OL_MEMBER_JSON_OBJECT && line.data[0] != '{')
        st = refuse(e, m->key, "is no JSON object");
    else if (st == OL_OK)
        ol__json_raw(e->w, (struct ol__span){line.data, line.size});
    ol__buf_release(&line);
    return st;
}

static ol_status encode_text(struct encoder *e, const struct ol__member *m, const char *text)
{
    if (m->values != NULL && !is_among(m->values, text))
        return refuse(e, m->key, "'%.40s' is not one of the allowed values", text);
    ol__json_text(e->w, text);
    return OL_OK;
}

static ol_status encode_list(struct encoder *e, const struct ol__member *m, const void *data)
{
    const char *at = pointer_at(data, m->offset);
    size_t count = count_at(data, m->count_offset);
    if (at == NULL)
        return refuse(e, m->key, "is NULL, but its count is %zu", count);
    ol_status st = OL_OK;
    struct crumb *crumb = push(e, m->key);
    if (m->kind == OL_MEMBER_MAP)
        ol__json_begin_object(e->w);
    else
        ol__json_begin_array(e->w);
    for (size_t i = 0; i < count && st == OL_OK && e->w->out->status == OL_OK; i++) {
        crumb->index = i;
        if (m->kind == OL_MEMBER_TEXT_ARRAY) {
            const char *text = pointer_at(at, i * sizeof(char *));
            if (text == NULL)
                st = refuse(e, "", "is NULL");
            else
                ol__json_text(e->w, text);
            continue;
        }
        size_t stride;
        memcpy(&stride, at, sizeof stride);
        if (m->kind == OL_MEMBER_MAP && known_size(m->of, at) != 0) {
            const char *key = pointer_at(at, sizeof(size_t)); /* asserted by the generated code */
            if (key == NULL) {
                st = refuse(e, "key", "is required");
                break;
            }
            ol__json_key(e->w, key);
        }
        st = encode_struct(e, m->of, at);
        at += stride;
    }
    e->depth--;
    if (st != OL_OK)
        return st;
    if (m->kind == OL_MEMBER_MAP)
        ol__json_end_object(e->w);
    else
        ol__json_end_array(e->w);
    return OL_OK;
}

static ol_status encode_value(struct encoder *e, const struct ol__member *m, const void *data)
{
    const void *at = (const char *)data + m->offset;
    switch (m->kind) {
    case OL_MEMBER_TEXT:
        return encode_text(e, m, pointer_at(data, m->offset));
    case OL_MEMBER_JSON:
    case OL_MEMBER_JSON_OBJECT:
        return encode_json(e, m, pointer_at(data, m->offset));
    case OL_MEMBER_INT: {
        const struct ol_int *number = at;
        if (number->value < m->minimum)
            return refuse(e, m->key, "is %" PRId64 ", must be at least %" PRId64, number->value,
                          m->minimum);
        ol__json_int(e->w, number->value);
        return OL_OK;
    }
    case OL_MEMBER_REAL:
        ol__json_real(e->w, ((const struct ol_real *)at)->value);
        return OL_OK;
    case OL_MEMBER_BOOL:
        ol__json_bool(e->w, *(const enum ol_bool *)at == OL_TRUE);
        return OL_OK;
    case OL_MEMBER_STRUCT: {
        push(e, m->key);
        ol_status st = encode_struct(e, m->of, pointer_at(data, m->offset));
        e->depth--;
        return st;
    }
    case OL_MEMBER_ARRAY:
    case OL_MEMBER_TEXT_ARRAY:
    case OL_MEMBER_MAP:
        return encode_list(e, m, data);
    case OL_MEMBER_GROUP:
        break;
    }
    assert(!"a group has no value of its own");
    return OL_INVALID;
}

/* Refuse a member in the wrong company; say whether its company needs it. Without a `type` all of
 * it passes: the row of `type` itself says what is wrong. */
static ol_status check_rule(struct encoder *e, const struct ol__member *m, const void *data,
                            size_t size, bool is_here, bool *is_needed)
{
    const struct ol__rule *rule = m->rule;
    const char *type = text_at(data, rule->type_offset, size);
    bool is_allowed = rule->only == NULL || (type != NULL && is_among(rule->only, type));
    if (is_here && type != NULL && !is_allowed)
        return refuse(e, m->key, "belongs to type %s, but type is '%.40s'", rule->only[0], type);
    if (is_here && rule->with != NULL && text_at(data, rule->with_offset, size) == NULL)
        return refuse(e, rule->with, "is required with %s", m->key);
    *is_needed = (m->is_required && is_allowed) ||
                 (rule->required_for != NULL && type != NULL && is_among(rule->required_for, type));
    return OL_OK;
}

/* The members of one object: rows [m, end). */
static ol_status encode_members(struct encoder *e, const struct ol__member *m,
                                const struct ol__member *end, const void *data, size_t size)
{
    for (; m < end && e->w->out->status == OL_OK; m += 1 + m->span) {
        /* nearly all members are text: those by the shortest way */
        if (m->kind == OL_MEMBER_TEXT && m->values == NULL && m->rule == NULL &&
            m->offset + sizeof(char *) <= size) {
            const char *text = pointer_at(data, m->offset);
            if (text != NULL)
                ol__json_member_known(e->w, m->key, m->key_size, text);
            else if (m->is_required)
                return refuse(e, m->key, "is required");
            continue;
        }
        /* a required group is entered even if empty, so that the missing leaf is what gets named */
        bool is_wanted = is_given(m, data, size) || (m->kind == OL_MEMBER_GROUP && m->is_required);
        bool is_needed = m->is_required;
        ol_status st =
            m->rule == NULL ? OL_OK : check_rule(e, m, data, size, is_wanted, &is_needed);
        if (st != OL_OK)
            return st;
        if (!is_wanted) {
            if (is_needed)
                return refuse(e, m->key, "is required");
            continue;
        }
        ol__json_key_known(e->w, m->key, m->key_size);
        if (m->kind == OL_MEMBER_GROUP) {
            push(e, m->key);
            ol__json_begin_object(e->w);
            st = encode_members(e, m + 1, m + 1 + m->span, data, size);
            e->depth--;
            if (st == OL_OK)
                ol__json_end_object(e->w);
        } else {
            st = encode_value(e, m, data);
        }
        if (st != OL_OK)
            return st;
    }
    return OL_OK;
}

static ol_status check_size(struct encoder *e, const struct ol__struct *type, const void *data,
                            size_t *ret)
{
    *ret = known_size(type, data);
    if (*ret != 0)
        return OL_OK;
    size_t given = count_at(data, 0);
    return refuse(e, "struct_size", "is %zu; fill struct %s with OL_MAKE or OL_ITEM", given,
                  type->name);
}

static ol_status encode_struct(struct encoder *e, const struct ol__struct *type, const void *data)
{
    size_t size;
    ol_status st = check_size(e, type, data, &size);
    if (st != OL_OK)
        return st;
    if (e->nesting >= OL_FACET_NESTING_MAX) /* promise 2 */
        return refuse(e, "", "is nested deeper than %d", OL_FACET_NESTING_MAX);
    e->nesting++;
    if (type->is_value) {
        st = is_given(type->members, data, size) ? encode_value(e, type->members, data)
                                                 : refuse(e, type->members->key, "is required");
    } else {
        ol__json_begin_object(e->w);
        st = encode_members(e, type->members, type->members + type->member_count, data, size);
        if (st == OL_OK)
            ol__json_end_object(e->w);
    }
    e->nesting--;
    return st;
}

ol_status ol__facet_set(struct ol__facet_place *place, enum ol__facet_id id,
                        const struct ol__struct *type, const void *facet)
{
    if (place == NULL)
        return OL_DISABLED;
    const struct ol__facet_info *info = ol__facet_info(id);
    assert(info != NULL);
    struct ol__json_writer w;
    ol_status st = ol__facet_begin(place, info->entity, info->key, info->schema_url, &w);
    if (st != OL_OK)
        return st;
    if (facet == NULL)
        return ol__facet_refuse(place, &w, OL_INVALID, info->key, type->name, "is NULL");
    struct encoder e = {.place = place, .w = &w, .nesting = 1};
    size_t size;
    st = check_size(&e, type, facet, &size);
    if (st == OL_OK)
        st = encode_members(&e, type->members, type->members + type->member_count, facet, size);
    if (st == OL_INVALID)
        return ol__facet_refuse(place, &w, st, info->key, e.field, e.why);
    if (st != OL_OK)
        return ol__facet_refuse(place, &w, st, info->key, "", ol_status_name(st));
    return ol__facet_end(place, &w);
}
