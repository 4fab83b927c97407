/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A secret that a stream delivers in pieces is found: the texts that its events have at one
 *     place are judged as one. Where that one has a secret, the first of them gets it all,
 * redacted, and the others become empty.
 *  2. What is not touched keeps its bytes: spelling, order and white space.
 *  3. Past LANES_MAX places each text is taken out whole. */
#include "keep.h"

#include <stdlib.h>
#include "json_read.h"
#include "json_write.h"
#include "receipt/redact.h"

#define LANES_MAX 4096
#define LANE_NAME_MAX 1024
#define DIGITS_MIN 12 /* of a number that may be a card's */

enum keep_form keep_form_of(const char *media_type)
{
    static const struct {
        const char *type;
        enum keep_form form;
    } table[] = {{"application/json", KEEP_JSON},         {"text/event-stream", KEEP_EVENTS},
                 {"application/x-ndjson", KEEP_LINES},    {"application/jsonl", KEEP_LINES},
                 {"application/x-jsonlines", KEEP_LINES}, {"application/problem+json", KEEP_JSON}};
    for (size_t i = 0; i < OL_COUNT(table); i++) {
        if (strcmp(table[i].type, media_type) == 0)
            return table[i].form;
    }
    return strncmp(media_type, "text/", 5) == 0 ? KEEP_TEXT : KEEP_BYTES;
}

const char *keep_ending(enum keep_form form)
{
    static const char *const endings[] = {[KEEP_JSON] = "json",
                                          [KEEP_LINES] = "jsonl",
                                          [KEEP_EVENTS] = "sse",
                                          [KEEP_TEXT] = "txt",
                                          [KEEP_BYTES] = "bin"};
    return endings[form];
}

/* ---- texts by the place where they stand ---- */

struct lane {
    char *name;         /* owned: pointer, and the numbers that tell parallel answers apart */
    struct ol__buf all; /* its texts, one behind the other; then redacted */
    size_t first;       /* bytes of the first text */
    size_t count, seen;
    bool is_same;   /* all texts are equal: each is judged alone */
    bool has_found; /* a secret in `all` */
};
struct keeper {
    struct ol__json_reader *reader;
    struct ol__buf *out;
    struct lane *lanes; /* owned */
    size_t count, cap;
    struct ol__span doc; /* that is read */
    size_t copied;       /* of it, to `out` */
    char indexes[128];   /* of it */
    bool has_lanes;      /* false: one answer in one piece, where no place comes twice */
    bool is_changed, is_writing;
    ol_status status;
};

static void fail(struct keeper *k, ol_status status)
{
    if (k->status == OL_OK)
        k->status = status;
}

static struct lane *find_lane(struct keeper *k, const char *name)
{
    for (size_t i = 0; i < k->count; i++) {
        if (strcmp(k->lanes[i].name, name) == 0)
            return &k->lanes[i];
    }
    if (k->is_writing || k->count == LANES_MAX)
        return NULL;
    if (k->count == k->cap) {
        struct lane *lanes = ol__grow(k->lanes, &k->cap, sizeof *lanes);
        if (lanes == NULL) {
            fail(k, OL_NOMEM);
            return NULL;
        }
        k->lanes = lanes;
    }
    struct lane *lane = &k->lanes[k->count];
    *lane = (struct lane){.name = strdup(name), .is_same = true};
    ol__buf_init(&lane->all, k->out->max);
    if (lane->name == NULL) {
        fail(k, OL_NOMEM);
        return NULL;
    }
    k->count++;
    return lane;
}

/* The elements of one outermost array are parts of one answer, as the lines of a stream are. */
static void name_of(const struct keeper *k, const struct ol__json_value *v, char *out, size_t size)
{
    struct ol__json_value inner = *v;
    size_t used = strlen(k->indexes);
    if (inner.depth > 0 && inner.path[0].is_index) {
        inner.path++;
        inner.depth--;
    }
    memcpy(out, k->indexes, used); /* far shorter */
    out[used++] = '#';
    ol__json_pointer(&inner, out + used, size - used);
}

/* ---- first: collect ---- */

static ol_status collect(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct keeper *k = arg;
    char name[LANE_NAME_MAX];
    (void)err;
    if (v->type != OL_JSON_STRING)
        return OL_OK;
    name_of(k, v, name, sizeof name);
    struct lane *lane = find_lane(k, name);
    if (lane == NULL)
        return k->status;
    if (lane->count == 0)
        lane->first = v->text.size;
    else if (lane->is_same)
        lane->is_same =
            v->text.size == lane->first &&
            (v->text.size == 0 || memcmp(lane->all.data, v->text.data, lane->first) == 0);
    lane->count++;
    if (ol__buf_add(&lane->all, v->text.size > 0 ? v->text.data : "", v->text.size) != OL_OK)
        fail(k, lane->all.status);
    return k->status;
}

static void judge(struct keeper *k)
{
    for (size_t i = 0; i < k->count && k->status == OL_OK; i++) {
        struct lane *lane = &k->lanes[i];
        if (lane->count < 2 || lane->is_same || lane->all.size == 0)
            continue;
        struct ol__buf shown;
        ol__buf_init(&shown, k->out->max);
        lane->has_found = redact_content(
            (struct ol__span){.data = lane->all.data, .size = lane->all.size}, &shown);
        if (shown.status != OL_OK)
            fail(k, shown.status);
        ol__buf_release(&lane->all);
        if (lane->has_found)
            lane->all = shown;
        else
            ol__buf_release(&shown);
    }
}

/* ---- then: copy ---- */

static void replace(struct keeper *k, size_t begin, size_t end, struct ol__span text)
{
    struct ol__buf json;
    struct ol__json_writer w;
    ol__buf_init(&json, k->out->max);
    ol__json_writer_init(&w, &json);
    ol__json_span(&w, text);
    ol__buf_add(k->out, k->doc.data + k->copied, begin - k->copied);
    ol__buf_add(k->out, json.data != NULL ? json.data : "", json.size);
    if (json.status != OL_OK)
        fail(k, json.status);
    ol__buf_release(&json);
    k->copied = end;
    k->is_changed = true;
}

/* A value alone: by its name, else by its text. */
static void write_alone(struct keeper *k, const struct ol__json_value *v, struct ol__span key)
{
    struct ol__buf shown;
    char name[64];
    if (key.size > 0 && key.size < sizeof name && v->type == OL_JSON_STRING && v->text.size > 0) {
        memcpy(name, key.data, key.size);
        name[key.size] = '\0';
        /* "token" is a word of a model in the answers of most of them */
        if (strcmp(name, "token") != 0 && redact_is_secret_name(name)) {
            replace(k, v->begin, v->end, OL_SPAN_LIT(REDACTED));
            return;
        }
    }
    ol__buf_init(&shown, k->out->max);
    if (redact_content(v->text, &shown))
        replace(k, v->begin, v->end, (struct ol__span){.data = shown.data, .size = shown.size});
    if (shown.status != OL_OK)
        fail(k, shown.status);
    ol__buf_release(&shown);
}

/* The name in front of a value, which ends before it with a quote and a colon. */
static void write_name(struct keeper *k, const struct ol__json_value *v, struct ol__span key)
{
    struct ol__buf shown;
    size_t end = v->begin;
    if (memchr(key.data, '@', key.size) == NULL && key.size < DIGITS_MIN)
        return;
    ol__buf_init(&shown, k->out->max);
    if (redact_content(key, &shown)) {
        while (end > k->copied && k->doc.data[end - 1] != '"')
            end--;
        size_t begin = end - 1;
        for (bool is_quote = false; begin > k->copied && !is_quote;) {
            size_t escapes = 0;
            begin--;
            while (begin > escapes && k->doc.data[begin - 1 - escapes] == '\\')
                escapes++;
            is_quote = k->doc.data[begin] == '"' && escapes % 2 == 0;
        }
        replace(k, begin, end, (struct ol__span){.data = shown.data, .size = shown.size});
    }
    if (shown.status != OL_OK)
        fail(k, shown.status);
    ol__buf_release(&shown);
}

static ol_status copy(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct keeper *k = arg;
    char name[LANE_NAME_MAX];
    struct ol__span key = {0};
    (void)err;
    if (v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END)
        return k->status;
    if (v->depth > 0 && !v->path[v->depth - 1].is_index)
        key = v->path[v->depth - 1].key;
    if (key.size > 0)
        write_name(k, v, key);
    if (v->type == OL_JSON_NUMBER && v->text.size >= DIGITS_MIN)
        write_alone(k, v, key);
    if (v->type != OL_JSON_STRING)
        return k->status;
    if (!k->has_lanes) {
        write_alone(k, v, key);
        return k->status;
    }
    name_of(k, v, name, sizeof name);
    struct lane *lane = find_lane(k, name);
    if (lane == NULL) { /* promise 3 */
        replace(k, v->begin, v->end, OL_SPAN_LIT(REDACTED));
    } else if (lane->has_found) { /* promise 1 */
        bool is_first = lane->seen++ == 0;
        replace(k, v->begin, v->end,
                is_first ? (struct ol__span){.data = lane->all.data, .size = lane->all.size}
                         : OL_SPAN_LIT(""));
    } else
        write_alone(k, v, key);
    return k->status;
}

/* ---- documents ---- */

static ol_status note_index(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    static const char *const keys[] = {"index", "output_index", "content_index"};
    struct keeper *k = arg;
    (void)err;
    if (v->type != OL_JSON_NUMBER || v->depth == 0 || v->path[v->depth - 1].is_index)
        return OL_OK;
    for (size_t i = 0; i < OL_COUNT(keys); i++) {
        size_t used = strlen(k->indexes);
        if (ol__span_equal(v->path[v->depth - 1].key, ol__span_text(keys[i])) &&
            used + v->text.size + 2 < sizeof k->indexes) {
            memcpy(k->indexes + used, v->text.data, v->text.size);
            memcpy(k->indexes + used + v->text.size, ",", 2);
        }
    }
    return OL_OK;
}

/* @return whether it is JSON, and so was read or copied. */
static bool take_document(struct keeper *k, struct ol__span doc)
{
    k->doc = doc;
    k->copied = 0;
    k->indexes[0] = '\0';
    if (doc.size == 0 || ol__json_read(k->reader, doc, NULL, note_index, k, NULL) != OL_OK)
        return false;
    ol_status status = ol__json_read(k->reader, doc, NULL, k->is_writing ? copy : collect, k, NULL);
    if (status != OL_OK)
        fail(k, status);
    if (k->is_writing)
        ol__buf_add(k->out, doc.data + k->copied, doc.size - k->copied);
    return true;
}

static void take_text(struct keeper *k, struct ol__span text)
{
    if (k->is_writing && text.size > 0 && redact_content(text, k->out))
        k->is_changed = true;
}

static void take_lines(struct keeper *k, struct ol__span content, bool has_fields)
{
    for (size_t at = 0; at < content.size;) {
        const char *line = content.data + at, *end = memchr(line, '\n', content.size - at);
        size_t size = end != NULL ? (size_t)(end - line) : content.size - at, begin = 0;
        size_t inner = size > 0 && line[size - 1] == '\r' ? size - 1 : size;
        if (has_fields) { /* "data: {...}" */
            begin = inner >= 5 && memcmp(line, "data:", 5) == 0 ? 5 : inner;
            if (begin < inner && line[begin] == ' ')
                begin++;
        }
        struct ol__span doc = {.data = line + begin, .size = inner - begin};
        if (begin < inner && k->is_writing)
            ol__buf_add(k->out, line, begin);
        if (begin == inner || !take_document(k, doc))
            take_text(k, begin < inner ? doc : (struct ol__span){.data = line, .size = inner});
        size_t whole = end != NULL ? size + 1 : size;
        if (k->is_writing)
            ol__buf_add(k->out, line + inner, whole - inner);
        at += whole;
    }
}

static void take(struct keeper *k, enum keep_form form, struct ol__span content)
{
    if (form == KEEP_EVENTS || form == KEEP_LINES)
        take_lines(k, content, form == KEEP_EVENTS);
    else if (form == KEEP_TEXT || !take_document(k, content))
        take_text(k, content);
}

ol_status keep_redact(enum keep_form form, struct ol__span content, struct ol__buf *out,
                      bool *ret_changed, struct ol_error *err)
{
    struct keeper k = {.out = out};
    if (!redact_is_text(content))
        return ol__error_set(err, OL_INVALID, "it is no text: what is in it cannot be told");
    ol_status status = ol__json_reader_new(&k.reader, err);
    if (status != OL_OK)
        return status;
    size_t space = 0;
    while (space < content.size && strchr(" \t\r\n", content.data[space]) != NULL)
        space++;
    k.has_lanes = form == KEEP_EVENTS || form == KEEP_LINES ||
                  (space < content.size && content.data[space] == '[');
    if (k.has_lanes)
        take(&k, form, content);
    judge(&k);
    k.is_writing = true;
    if (k.status == OL_OK)
        take(&k, form, content);
    for (size_t i = 0; i < k.count; i++) {
        free(k.lanes[i].name);
        ol__buf_release(&k.lanes[i].all);
    }
    free(k.lanes);
    ol__json_reader_free(k.reader);
    if (k.status == OL_OK)
        k.status = out->status;
    if (k.status != OL_OK)
        return ol__error_set(err, k.status, "%s", ol_status_name(k.status));
    *ret_changed = k.is_changed;
    return OL_OK;
}
