/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A facet is replaced whole or not at all: until ol__facet_end() returns OL_OK the earlier one
 * stands.
 *  2. After any failure the place is usable: the text is cut back to what the slots cover.
 *  3. The text holds no newline and only valid JSON: it is written by our writer or checked and
 * minified.
 *  4. The run's tags and the mirror of our ids never overwrite each other: each has its own slot,
 * and they meet only in ol__facet_write().
 *  5. The first failure since the last emit is kept, later ones are not. */
#include "facet_place.h"

#include <stdio.h>
#include <stdlib.h>
#include "facet_check.h"
#include "facet_info.h"

#define TAGS_KEY "tags"
#define TAG_SOURCE "lineaged"
#define COMPACT_MIN 4096 /* dead bytes below this are left alone */

static const char *const entity_names[OL_ENTITY_COUNT] = {
    [OL_ENTITY_RUN] = "run",     [OL_ENTITY_JOB] = "job",       [OL_ENTITY_DATASET] = "dataset",
    [OL_ENTITY_INPUT] = "input", [OL_ENTITY_OUTPUT] = "output",
};

void ol__facet_place_init(struct ol__facet_place *place, enum ol__entity entity,
                          enum ol__entity side, struct ol__facet_context *context,
                          struct ol_error *first_error, size_t max)
{
    *place = (struct ol__facet_place){
        .entity = entity, .side = side, .context = context, .first_error = first_error};
    ol__buf_init(&place->text, OL_MIN(max, (size_t)UINT32_MAX - 1)); /* slots hold 32-bit offsets */
}

void ol__facet_place_release(struct ol__facet_place *place)
{
    ol__buf_release(&place->text);
    free(place->slots);
    place->slots = NULL;
    place->count = place->cap = place->dead = 0;
}

/* Keep the first failure (promise 5); one of no interest to anyone may lack the place for it. */
static ol_status fail(struct ol__facet_place *place, ol_status status, const char *format, ...)
    OL_PRINTF(3, 4);
static ol_status fail(struct ol__facet_place *place, ol_status status, const char *format, ...)
{
    if (place->first_error == NULL || place->first_error->status != OL_OK)
        return status;
    char text[sizeof place->first_error->message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ol__error_set(place->first_error, status, "%s", text);
}

/* Promise 2. */
static void cut_back(struct ol__facet_place *place, size_t size)
{
    ol__buf_truncate(&place->text, size);
    place->text.status = OL_OK;
}

static struct ol__facet_slot *find(const struct ol__facet_place *place, unsigned entity,
                                   struct ol__span key)
{
    for (size_t i = 0; i < place->count; i++) {
        struct ol__facet_slot *s = &place->slots[i];
        if (s->entity == entity && s->key_size == key.size &&
            (key.size == 0 || memcmp(place->text.data + s->key_offset, key.data, key.size) == 0))
            return s;
    }
    return NULL;
}

static struct ol__facet_slot *find_mirror(const struct ol__facet_place *place)
{
    return find(place, OL_FACET_MIRROR, (struct ol__span){NULL, 0});
}

/* Slide the live facets together. Replacing keeps a slot's place in the array, not in the text, so
 * the slots are walked in the order of their text. */
static void compact(struct ol__facet_place *place)
{
    size_t to = 0;
    for (size_t done = 0; done < place->count; done++) {
        struct ol__facet_slot *next = NULL;
        for (size_t i = 0; i < place->count; i++) {
            struct ol__facet_slot *s = &place->slots[i];
            if (s->offset >= to && (next == NULL || s->offset < next->offset))
                next = s;
        }
        if (next == NULL)
            break; /* every slot lies in the text, each once */
        uint32_t shift = next->offset - (uint32_t)to;
        memmove(place->text.data + to, place->text.data + next->offset, next->size);
        next->offset -= shift;
        next->key_offset -= shift;
        if (next->splice != 0)
            next->splice -= shift;
        to += next->size;
    }
    place->dead = 0;
    cut_back(place, to);
}

static void drop(struct ol__facet_place *place, struct ol__facet_slot *slot)
{
    if (slot == NULL)
        return;
    place->dead += slot->size;
    size_t behind = place->count - (size_t)(slot - place->slots) - 1;
    memmove(slot, slot + 1, behind * sizeof *slot);
    place->count--;
}

static bool reserve_slots(struct ol__facet_place *place, size_t more)
{
    if (place->cap - place->count >= more)
        return true;
    size_t cap = OL_MAX(place->cap * 2, place->count + more);
    cap = OL_MAX(cap, 8);
    struct ol__facet_slot *slots = realloc(place->slots, cap * sizeof *slots);
    if (slots == NULL)
        return false;
    place->slots = slots;
    place->cap = cap;
    return true;
}

static void put(struct ol__facet_place *place, const struct ol__facet_slot *slot)
{
    struct ol__facet_slot *old =
        find(place, slot->entity,
             (struct ol__span){place->text.data + slot->key_offset, slot->key_size});
    if (old != NULL) {
        place->dead += old->size;
        *old = *slot;
    } else {
        assert(place->count < place->cap);
        place->slots[place->count++] = *slot;
    }
}

/* By hand: strspn() makes a table of all bytes at each call, longer work than most keys are. */
static inline bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static bool is_key(const char *key)
{
    size_t size = 0;
    while (size <= OL_FACET_JSON_KEY_MAX && is_key_char(key[size]))
        size++;
    return size > 0 && size <= OL_FACET_JSON_KEY_MAX && key[size] == '\0';
}

/* Everything up to the facet's opening brace. */
static ol_status open_facet(struct ol__facet_place *place, enum ol__entity entity, const char *key)
{
    if (key == NULL || !is_key(key))
        return fail(place, OL_INVALID,
                    "facet key '%.60s': 1 to %d letters, digits, '_', '.' or '-' expected",
                    key != NULL ? key : "(NULL)", OL_FACET_JSON_KEY_MAX);
    if (entity >= OL_ENTITY_COUNT || (entity != place->entity && entity != place->side))
        return fail(place, OL_INVALID, "facet %s: belongs to %s, which this %s is not", key,
                    entity < OL_ENTITY_COUNT ? entity_names[entity] : "nothing",
                    place->side < OL_ENTITY_COUNT ? entity_names[place->side]
                                                  : entity_names[place->entity]);
    if (place->dead > COMPACT_MIN && place->dead > place->text.size / 2)
        compact(place);
    place->open_offset = place->text.size;
    place->open_key_size = strlen(key);
    place->open_entity = entity;
    ol__buf_add_char(&place->text, '"');
    ol__buf_add(&place->text, key, place->open_key_size);
    return ol__buf_add(&place->text, "\":", 2);
}

ol_status ol__facet_begin(struct ol__facet_place *place, enum ol__entity entity, const char *key,
                          const char *schema_url, struct ol__json_writer *w)
{
    ol_status st = open_facet(place, entity, key);
    if (st == OL_INVALID)
        return st;
    ol__json_writer_init(w, &place->text);
    ol__json_begin_object(w);
    ol__json_member_text(w, "_producer", place->context->producer);
    ol__json_member_text(w, "_schemaURL", schema_url);
    if (place->text.status == OL_OK)
        return OL_OK;
    st = place->text.status;
    cut_back(place, place->open_offset);
    return fail(place, st, "facet %s: %s", key,
                st == OL_NOMEM ? "out of memory" : "no room left for facets");
}

ol_status ol__facet_refuse(struct ol__facet_place *place, struct ol__json_writer *w,
                           ol_status status, const char *facet, const char *field, const char *why)
{
    *w = (struct ol__json_writer){.out = w->out};
    cut_back(place, place->open_offset);
    return fail(place, status, "facet %s: %s%s%s", facet, field, field[0] != '\0' ? " " : "", why);
}

/* ---- Tags and their mirror ---- */

static ol_status need_reader(struct ol__facet_place *place, struct ol_error *err)
{
    if (place->context->reader != NULL)
        return OL_OK;
    return ol__json_reader_new(&place->context->reader, err);
}

struct mirror {
    struct ol__buf tags; /* `{...},{...}` */
};

static ol_status mirror_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct mirror *m = arg;
    (void)err;
    bool is_recursion = false;
    if (value->depth != 1 || value->type != OL_JSON_STRING || value->text.size == 0)
        return OL_OK;
    uint16_t root = ol__facet_info(OL_FACET_MIRRORED)->node;
    if (ol__facet_node(ol__facet_step(root, &value->path[0], &is_recursion))->type != OL_NODE_TEXT)
        return OL_OK; /* _producer and other members that are none of ours */
    if (m->tags.size > 0)
        ol__buf_add_char(&m->tags, ',');
    struct ol__json_writer w;
    ol__json_writer_init(&w, &m->tags);
    ol__json_begin_object(&w);
    ol__json_member_span(&w, "key", value->path[0].key);
    ol__json_member_span(&w, "value", value->text);
    ol__json_member_text(&w, "source", TAG_SOURCE);
    ol__json_end_object(&w);
    return m->tags.status;
}

struct splice {
    size_t offset; /* of the array's closing bracket; 0: no array */
};

static ol_status splice_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct splice *s = arg;
    if (value->depth != 1 || !ol__span_equal(value->path[0].key, OL_SPAN_LIT(TAGS_KEY)))
        return OL_OK;
    if (value->type == OL_JSON_ARRAY_END)
        s->offset = value->end - 1;
    else if (value->type != OL_JSON_ARRAY)
        return ol__error_set(err, OL_INVALID, "tags must be an array");
    return OL_OK;
}

/* Put slot.splice where the object at @p json has room for more tags. */
static ol_status find_splice(struct ol__facet_place *place, struct ol__span json,
                             struct ol__facet_slot *slot, struct ol_error *err)
{
    struct splice s = {0};
    ol_status st = need_reader(place, err);
    if (st == OL_OK)
        st = ol__json_read(place->context->reader, json, NULL, splice_value, &s, err);
    if (st == OL_OK && s.offset != 0)
        slot->splice = (uint32_t)((size_t)(json.data - place->text.data) + s.offset);
    return st;
}

/* Append the mirror of the object at @p json to the text; @p ret has size 0 if there is nothing to
 * show. */
static ol_status append_mirror(struct ol__facet_place *place, struct ol__span json,
                               struct ol__facet_slot *ret, struct ol_error *err)
{
    struct mirror m;
    ol__buf_init(&m.tags, place->context->facet_max);
    ol_status st = need_reader(place, err);
    if (st == OL_OK)
        st = ol__json_read(place->context->reader, json, NULL, mirror_value, &m, err);
    if (st == OL_OK) {
        *ret = (struct ol__facet_slot){.key_offset = (uint32_t)place->text.size,
                                       .offset = (uint32_t)place->text.size,
                                       .size = (uint32_t)m.tags.size,
                                       .entity = OL_FACET_MIRROR,
                                       .is_required = true};
        st = ol__buf_add(&place->text, m.tags.data, m.tags.size);
    }
    ol__buf_release(&m.tags);
    return st;
}

/* Let the hook change the facet that stands from open_offset to the end. @return OL_OK, OL_END (it
 * is left out), or a failure. */
static ol_status apply_hook(struct ol__facet_place *place, struct ol_error *err)
{
    const struct ol__facet_hook *hook = place->context->hook;
    char key[OL_FACET_JSON_KEY_MAX + 1];
    struct ol__buf out;
    size_t begin = place->open_offset + place->open_key_size + 3; /* "key": */
    if (hook == NULL)
        return OL_OK;
    memcpy(key, place->text.data + place->open_offset + 1, place->open_key_size);
    key[place->open_key_size] = '\0';
    ol__buf_init(&out, place->context->facet_max);
    ol_status st = hook->change(
        hook->arg, place->open_entity, key,
        (struct ol__span){place->text.data + begin, place->text.size - begin}, &out, err);
    if (st == OL_AGAIN) {
        ol__buf_truncate(&place->text, begin);
        st = ol__buf_add(&place->text, out.data, out.size);
    }
    ol__buf_release(&out);
    return st;
}

/* The facet stands complete from open_offset to the end of the text: take it into the slots. */
static ol_status commit(struct ol__facet_place *place)
{
    struct ol_error err = {.status = OL_OK};
    char key[OL_FACET_JSON_KEY_MAX + 1] = "";
    struct ol__facet_slot mirror = {0};
    ol_status st = place->text.status;
    bool is_mirrored = false;
    if (st == OL_OK)
        st = apply_hook(place, &err);
    if (st == OL_END) {
        cut_back(place, place->open_offset);
        return OL_OK;
    }
    if (st == OL_OK) {
        struct ol__facet_slot slot = {.key_offset = (uint32_t)place->open_offset + 1,
                                      .key_size = (uint32_t)place->open_key_size,
                                      .offset = (uint32_t)place->open_offset,
                                      .size = (uint32_t)(place->text.size - place->open_offset),
                                      .entity = (uint8_t)place->open_entity};
        memcpy(key, place->text.data + slot.key_offset, slot.key_size);
        enum ol__facet_id id = ol__facet_find(place->open_entity, ol__span_text(key));
        slot.is_required = id != OL_FACET_UNKNOWN && ol__facet_info(id)->is_kept;
        is_mirrored = id != OL_FACET_UNKNOWN && id == OL_FACET_MIRRORED;
        size_t head = slot.key_size + 3; /* "key": */
        if (slot.size - head > place->context->facet_max) {
            st = ol__error_set(&err, OL_TOO_LARGE, "%zu bytes, the limit is %zu",
                               (size_t)slot.size - head, place->context->facet_max);
        } else if (!reserve_slots(place, 2)) {
            st = ol__error_set(&err, OL_NOMEM, "out of memory");
        } else if (slot.entity == OL_ENTITY_RUN && strcmp(key, TAGS_KEY) == 0) {
            st = find_splice(
                place, (struct ol__span){place->text.data + slot.offset + head, slot.size - head},
                &slot, &err);
        } else if (is_mirrored) {
            st = append_mirror(
                place, (struct ol__span){place->text.data + slot.offset + head, slot.size - head},
                &mirror, &err);
        }
        if (st == OL_OK) {
            put(place, &slot);
            if (is_mirrored && mirror.size > 0)
                put(place, &mirror);
            else if (is_mirrored)
                drop(place, find_mirror(place));
            return OL_OK;
        }
    } else if (place->text.data != NULL &&
               place->text.size > place->open_offset + place->open_key_size) {
        memcpy(key, place->text.data + place->open_offset + 1, place->open_key_size);
    }
    cut_back(place, place->open_offset);
    return fail(place, st, "facet %s: %s", key,
                err.status != OL_OK ? err.message
                : st == OL_NOMEM    ? "out of memory"
                                    : "no room left for facets");
}

ol_status ol__facet_end(struct ol__facet_place *place, struct ol__json_writer *w)
{
    ol__json_end_object(w);
    assert(w->depth == 0 || w->out->status != OL_OK); /* a writer that failed keeps no nesting */
    return commit(place);
}

/* ---- JSON from callers ---- */

struct json_check {
    bool has_producer, has_schema_url;
    struct ol__facet_check facet;
};

static ol_status check_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct json_check *c = arg;
    ol__facet_check_value(&c->facet, value);
    if (value->depth == 0)
        return value->type == OL_JSON_OBJECT || value->type == OL_JSON_OBJECT_END
                   ? OL_OK
                   : ol__error_set(err, OL_INVALID, "is no JSON object");
    if (value->depth != 1 || value->path[0].key.size == 0 || value->path[0].key.data[0] != '_')
        return OL_OK;
    bool is_producer = ol__span_equal(value->path[0].key, OL_SPAN_LIT("_producer"));
    bool is_schema_url = ol__span_equal(value->path[0].key, OL_SPAN_LIT("_schemaURL"));
    if ((is_producer || is_schema_url) && value->type != OL_JSON_STRING)
        return ol__error_set(err, OL_INVALID, "/%s: text expected",
                             is_producer ? "_producer" : "_schemaURL");
    c->has_producer |= is_producer;
    c->has_schema_url |= is_schema_url;
    return OL_OK;
}

/* The facet's object, with what was missing put in front. */
static void write_json_facet(struct ol__facet_place *place, const struct json_check *c,
                             const char *schema_url, const struct ol__buf *line)
{
    struct ol__buf *text = &place->text;
    struct ol__json_writer w;
    ol__json_writer_init(&w, text);
    ol__json_begin_object(&w);
    if (!c->has_producer)
        ol__json_member_text(&w, "_producer", place->context->producer);
    if (!c->has_schema_url)
        ol__json_member_text(&w, "_schemaURL", schema_url);
    if (line->size > 2 && (!c->has_producer || !c->has_schema_url))
        ol__buf_add_char(text, ',');
    ol__buf_add(text, line->data + 1, line->size - 1); /* members and the closing brace */
}

ol_status ol__facet_set_json(struct ol__facet_place *place, enum ol__entity entity, const char *key,
                             const char *schema_url, struct ol__span json)
{
    if (place == NULL)
        return OL_DISABLED;
    struct ol_error err = {.status = OL_OK};
    struct json_check check;
    struct ol__buf line;
    const struct ol__json_limits limits = {.size_max = place->context->facet_max,
                                           .depth_max = OL_FACET_JSON_DEPTH_MAX};
    ol__buf_init(&line, place->context->facet_max);
    ol_status st = open_facet(place, entity, key);
    if (st == OL_INVALID)
        return st;
    if (json.data == NULL)
        json = OL_SPAN_LIT("");
    enum ol__facet_id id = ol__facet_find(entity, ol__span_text(key));
    check.has_producer = check.has_schema_url = false;
    ol__facet_check_begin(&check.facet, id);
    st = need_reader(place, &err);
    if (st == OL_OK)
        st = ol__json_read(place->context->reader, json, &limits, check_value, &check, &err);
    if (st == OL_OK)
        st = ol__json_minify(place->context->reader, json, &limits, &line, &err);
    if (st == OL_OK && !check.has_schema_url && schema_url == NULL) {
        /* what is to carry the name of a schema that we know must be what that schema says */
        st = id != OL_FACET_UNKNOWN
                 ? ol__facet_check_end(&check.facet, &err)
                 : ol__error_set(&err, OL_INVALID, "no _schemaURL inside and none given");
        schema_url = st == OL_OK ? ol__facet_info(id)->schema_url : NULL;
    }
    if (st == OL_OK) {
        write_json_facet(place, &check, schema_url, &line);
        ol__buf_release(&line);
        return commit(place);
    }
    ol__buf_release(&line);
    cut_back(place, place->open_offset);
    return fail(place, st, "facet %s: %s", key,
                err.status != OL_OK ? err.message : "out of memory");
}

ol_status ol__facet_delete(struct ol__facet_place *place, enum ol__entity entity, const char *key,
                           const char *schema_url)
{
    struct ol__json_writer w;
    if (place == NULL)
        return OL_DISABLED;
    enum ol__facet_id id = ol__facet_find(entity, ol__span_text(key));
    if (schema_url == NULL && id != OL_FACET_UNKNOWN)
        schema_url = ol__facet_info(id)->schema_url;
    if (schema_url == NULL)
        return fail(place, OL_INVALID, "facet %.60s: not known here, so its schema URL is needed",
                    key != NULL ? key : "(NULL)");
    ol_status st = ol__facet_begin(place, entity, key, schema_url, &w);
    if (st != OL_OK)
        return st;
    ol__json_key(&w, "_deleted");
    ol__json_bool(&w, true);
    return ol__facet_end(place, &w);
}

ol_status ol__facet_remove(struct ol__facet_place *place, enum ol__entity entity, const char *key)
{
    struct ol__span text = ol__span_text(key);
    if (text.size == 0)
        return OL_OK;
    drop(place, find(place, entity, text));
    enum ol__facet_id id = ol__facet_find(entity, text);
    if (id != OL_FACET_UNKNOWN && id == OL_FACET_MIRRORED)
        drop(place, find_mirror(place));
    return OL_OK;
}

/* ---- Writing ---- */

static void write_tags(const struct ol__facet_place *place, const struct ol__facet_slot *tags,
                       const struct ol__facet_slot *mirror, struct ol__buf *out)
{
    const char *text = place->text.data;
    if (tags == NULL) {
        ol__buf_add_text(out, "\"" TAGS_KEY "\":");
        struct ol__json_writer w;
        ol__json_writer_init(&w, out);
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "_producer", place->context->producer);
        ol__json_member_text(&w, "_schemaURL", ol__facet_info(OL_FACET_RUN_TAGS)->schema_url);
        ol__json_key(&w, TAGS_KEY);
        ol__json_begin_array(&w);
        ol__json_raw(&w, (struct ol__span){text + mirror->offset, mirror->size});
        ol__json_end_array(&w);
        ol__json_end_object(&w);
        return;
    }
    size_t end = (size_t)tags->offset + tags->size;
    size_t at = tags->splice != 0 ? tags->splice : end - 1;
    ol__buf_add(out, text + tags->offset, at - tags->offset);
    if (tags->splice == 0)
        ol__buf_add_text(out, ",\"" TAGS_KEY "\":["); /* an object of ours is never empty */
    else if (text[at - 1] != '[')
        ol__buf_add_char(out, ',');
    ol__buf_add(out, text + mirror->offset, mirror->size);
    if (tags->splice == 0)
        ol__buf_add_char(out, ']');
    ol__buf_add(out, text + at, end - at);
}

/* Every facet of @p entity; with @p is_lean only those that no accepted event held, and the
 * required. */
static void write_facets(const struct ol__facet_place *place, enum ol__entity entity, bool is_lean,
                         struct ol__buf *out)
{
    const struct ol__facet_slot *mirror = entity == OL_ENTITY_RUN ? find_mirror(place) : NULL;
    const struct ol__facet_slot *tags =
        mirror != NULL ? find(place, entity, OL_SPAN_LIT(TAGS_KEY)) : NULL;
    bool is_first = true;
    ol__buf_add_char(out, '{');
    for (size_t i = 0; i < place->count; i++) {
        const struct ol__facet_slot *s = &place->slots[i];
        bool has_mirror = mirror != NULL && s == tags;
        if (s->entity != (uint8_t)entity)
            continue;
        if (is_lean && s->is_sent && !s->is_required && !has_mirror)
            continue;
        if (!is_first)
            ol__buf_add_char(out, ',');
        is_first = false;
        if (has_mirror)
            write_tags(place, tags, mirror, out);
        else
            ol__buf_add(out, place->text.data + s->offset, s->size);
    }
    if (mirror != NULL && tags == NULL) {
        if (!is_first)
            ol__buf_add_char(out, ',');
        write_tags(place, NULL, mirror, out);
    }
    ol__buf_add_char(out, '}');
}

void ol__facet_write(const struct ol__facet_place *place, enum ol__entity entity,
                     struct ol__buf *out)
{
    write_facets(place, entity, false, out);
}

void ol__facet_write_unsent(const struct ol__facet_place *place, enum ol__entity entity,
                            struct ol__buf *out)
{
    write_facets(place, entity, true, out);
}

bool ol__facet_has_unsent(const struct ol__facet_place *place)
{
    for (size_t i = 0; i < place->count; i++)
        if (!place->slots[i].is_sent)
            return true;
    return false;
}

void ol__facet_mark_sent(struct ol__facet_place *place)
{
    for (size_t i = 0; i < place->count; i++)
        place->slots[i].is_sent |= (place->slots[i].entity & OL_FACET_ASIDE) == 0;
}

bool ol__facet_has(const struct ol__facet_place *place, enum ol__entity entity, const char *key)
{
    struct ol__span text = ol__span_text(key);
    return text.size > 0 && find(place, entity, text) != NULL;
}
