/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include "json_read.h"
#include "json_write.h"

#define WORD_MAX 64

/* One of the values on the way to a member: that of the first d names. */
struct place {
    bool is_there, is_object;
    size_t begin, end, members;
};
struct search {
    const char *keys[BODY_DEPTH_MAX];
    char text[256];
    size_t count;
    struct place places[BODY_DEPTH_MAX + 1];
};

static ol_status split(const char *path, struct search *s, struct ol_error *err)
{
    *s = (struct search){0};
    if (strlen(path) >= sizeof s->text)
        return ol__error_set(err, OL_INVALID, "'%.40s...': longer than 255 bytes", path);
    memcpy(s->text, path, strlen(path) + 1);
    for (char *name = s->text; name != NULL;) {
        char *dot = strchr(name, '.');
        if (dot != NULL)
            *dot = '\0';
        if (name[0] == '\0' || s->count == BODY_DEPTH_MAX)
            return ol__error_set(err, OL_INVALID, "'%.60s': expected NAME or NAME.NAME, at most %d",
                                 path, BODY_DEPTH_MAX);
        s->keys[s->count++] = name;
        name = dot != NULL ? dot + 1 : NULL;
    }
    return OL_OK;
}

/* Whether the first @p count steps to the value are the names that are looked for. */
static bool is_on_way(const struct search *s, const struct ol__json_value *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ol__json_step *step = &v->path[i];
        if (step->is_index || !ol__span_equal(step->key, ol__span_text(s->keys[i])))
            return false;
    }
    return true;
}

static ol_status see(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct search *s = arg;
    (void)err;
    /* an end has the path of its beginning */
    bool is_end = v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END;
    if (v->depth > 0 && v->depth <= s->count + 1 && is_on_way(s, v, v->depth - 1) && !is_end)
        s->places[v->depth - 1].members++;
    if (v->depth > s->count || !is_on_way(s, v, v->depth))
        return OL_OK;
    struct place *p = &s->places[v->depth];
    if (is_end) {
        p->end = v->end;
        return OL_OK;
    }
    *p = (struct place){
        .is_there = true, .is_object = v->type == OL_JSON_OBJECT, .begin = v->begin, .end = v->end};
    for (size_t d = v->depth + 1; d <= s->count; d++) /* of an earlier one with the same name */
        s->places[d] = (struct place){0};
    return OL_OK;
}

static ol_status find(struct ol__span body, struct search *s, struct ol_error *err)
{
    struct ol__json_reader *reader;
    ol_status status = ol__json_reader_new(&reader, err);
    if (status != OL_OK)
        return status;
    status = ol__json_read(reader, body, NULL, see, s, err);
    ol__json_reader_free(reader);
    if (status == OL_OK && !s->places[0].is_object)
        status = ol__error_set(err, OL_INVALID, "expected a JSON object");
    return status;
}

static void add_nested(struct ol__buf *out, const struct search *s, size_t from,
                       struct ol__span json)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    for (size_t d = from; d < s->count; d++) {
        ol__json_begin_object(&w);
        ol__json_key(&w, s->keys[d]);
    }
    ol__json_raw(&w, json);
    for (size_t d = from; d < s->count; d++)
        ol__json_end_object(&w);
}

ol_status body_set(struct ol__buf *body, const char *path, struct ol__span json,
                   struct ol_error *err)
{
    struct search s;
    struct ol__buf out;
    ol_status status = split(path, &s, err);
    if (status == OL_OK)
        status = find((struct ol__span){.data = body->data, .size = body->size}, &s, err);
    if (status != OL_OK)
        return status;
    size_t d = 0; /* the innermost object that is there */
    while (d < s.count && s.places[d + 1].is_there && s.places[d + 1].is_object)
        d++;
    bool is_whole = d == s.count;
    if (is_whole)
        d--;
    const struct place *outer = &s.places[d], *inner = &s.places[d + 1];
    ol__buf_init(&out, body->max);
    if (inner->is_there) {
        ol__buf_add(&out, body->data, inner->begin);
        add_nested(&out, &s, d + 1, json);
        ol__buf_add(&out, body->data + inner->end, body->size - inner->end);
    } else {
        struct ol__buf key;
        struct ol__json_writer w;
        ol__buf_init(&key, 4096);
        ol__json_writer_init(&w, &key);
        ol__json_text(&w, s.keys[d]);
        ol__buf_add(&out, body->data, outer->end - 1);
        if (outer->members > 0)
            ol__buf_add_char(&out, ',');
        ol__buf_add(&out, key.data != NULL ? key.data : "", key.size);
        ol__buf_add_char(&out, ':');
        add_nested(&out, &s, d + 1, json);
        ol__buf_add(&out, body->data + outer->end - 1, body->size - outer->end + 1);
        if (key.status != OL_OK && out.status == OL_OK)
            out.status = key.status;
        ol__buf_release(&key);
    }
    if (out.status != OL_OK) {
        status = ol__error_set(err, out.status, "request: %s", ol_status_name(out.status));
        ol__buf_release(&out);
        return status;
    }
    ol__buf_release(body);
    *body = out;
    return OL_OK;
}

ol_status body_set_text(struct ol__buf *body, const char *path, const char *text,
                        struct ol_error *err)
{
    struct ol__buf json;
    struct ol__json_writer w;
    ol__buf_init(&json, body->max);
    ol__json_writer_init(&w, &json);
    ol__json_text(&w, text);
    ol_status status = json.status;
    if (status == OL_OK)
        status = body_set(body, path, (struct ol__span){.data = json.data, .size = json.size}, err);
    else
        ol__error_set(err, status, "request: %s", ol_status_name(status));
    ol__buf_release(&json);
    return status;
}

ol_status body_value(const char *text, struct ol__buf *out, struct ol_error *err)
{
    struct ol__json_reader *reader;
    ol_status status = ol__json_reader_new(&reader, err);
    if (status != OL_OK)
        return status;
    status = ol__json_minify(reader, ol__span_text(text), NULL, out, NULL);
    ol__json_reader_free(reader);
    if (status == OL_INVALID) {
        struct ol__json_writer w;
        ol__json_writer_init(&w, out);
        ol__json_text(&w, text);
        status = out->status;
    }
    return status == OL_OK ? OL_OK : ol__error_set(err, status, "%s", ol_status_name(status));
}

bool body_is_plain(const char *text)
{
    size_t size = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                               "._:+-/");
    return size <= WORD_MAX && text[size] == '\0';
}

int body_count(struct ol__span body, const char *path)
{
    struct search s;
    if (split(path, &s, NULL) != OL_OK || find(body, &s, NULL) != OL_OK)
        return -1;
    const struct place *p = &s.places[s.count];
    return p->is_there && p->is_object ? (int)p->members : -1;
}
