/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Every refusal names file, line and whole key.
 *  2. Anchors, aliases, tags, directives and further documents are refused before anything is
 * built, so a small file cannot become a large one. Nesting is bounded by the table: what it has no
 * key for is refused, not walked.
 *  3. libyaml allocates by itself and reports a failure; ours are checked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>
#include "settings_impl.h"
#include "utf8.h"

#define KEY_MAX 256        /* a whole key, with the list elements above it */
#define YAML_MAX (4 << 20) /* bytes of a configuration */
#define NESTING_MAX 32

struct reading {
    const char *file;
    yaml_document_t *document;
    struct ol_error *err;
};

/* One table being filled: the top one, or that of a list's element. */
struct filling {
    const struct ol__setting *table;
    void *target;
    size_t *seen_at;  /* owned; by position in the table: the line where it was set, 0: not yet */
    const char *path; /* "" or "routes[0]" */
};

static ol_status no_memory(const struct reading *r)
{
    return ol__error_set(r->err, OL_NOMEM, "%s: out of memory", r->file);
}

static size_t line_of(const yaml_node_t *node)
{
    return node->start_mark.line + 1;
}

static ol_status syntax_error(const struct reading *r, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory(r);
    struct ol__setting_place place = {
        .file = r->file, .line = parser->problem_mark.line + 1, .key = ""};
    return ol__setting_error(r->err, &place, "not YAML: %s%s%s", parser->problem,
                             parser->context != NULL ? " " : "",
                             parser->context != NULL ? parser->context : "");
}

/* ---- promise 2 ---- */

static const char *forbidden(const yaml_event_t *event, unsigned documents)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (documents > 1)
            return "a second document";
        if (event->data.document_start.version_directive != NULL ||
            event->data.document_start.tag_directives.start !=
                event->data.document_start.tag_directives.end)
            return "a directive";
        return NULL;
    case YAML_ALIAS_EVENT:
        return "an alias (*name)";
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    return anchor != NULL ? "an anchor (&name)" : tag != NULL ? "a tag (!name)" : NULL;
}

/* Run through all of the text once. */
static ol_status check_events(const struct reading *r, struct ol__span yaml, bool *ret_is_empty)
{
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0)
        return no_memory(r);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml.data, yaml.size);
    ol_status status = OL_OK;
    unsigned documents = 0;
    int nesting = 0;
    bool is_end = false;
    while (status == OL_OK && !is_end) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            status = syntax_error(r, &parser);
            break;
        }
        struct ol__setting_place place = {
            .file = r->file, .line = event.start_mark.line + 1, .key = ""};
        documents += event.type == YAML_DOCUMENT_START_EVENT;
        nesting +=
            event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        nesting -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        const char *what = forbidden(&event, documents);
        if (what != NULL)
            status = ol__setting_error(r->err, &place, "%s is not supported here", what);
        else if (nesting > NESTING_MAX)
            status = ol__setting_error(r->err, &place, "nested deeper than %d levels", NESTING_MAX);
        is_end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    *ret_is_empty = documents == 0;
    return status;
}

/* ---- values ---- */

static struct ol__span scalar_text(const yaml_node_t *node)
{
    return (struct ol__span){.data = (const char *)node->data.scalar.value,
                             .size = node->data.scalar.length};
}

/* Nothing, ~ or null, unquoted. */
static bool is_null(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    struct ol__span text = scalar_text(node);
    return text.size == 0 || ol__span_equal(text, OL_SPAN_LIT("~")) ||
           ol__span_equal(text, OL_SPAN_LIT("null"));
}

static ol_status read_mapping(const struct reading *r, const struct filling *f,
                              const yaml_node_t *node, const char *prefix);

static const char *what_is(const yaml_node_t *node)
{
    return node->type == YAML_MAPPING_NODE    ? "a section"
           : node->type == YAML_SEQUENCE_NODE ? "a list"
           : is_null(node)                    ? "nothing"
                                              : "a single value";
}

static ol_status read_text_list(const struct reading *r, const struct ol__setting *s, void *target,
                                const yaml_node_t *node, const struct ol__setting_place *place)
{
    struct ol__text_list made = {0};
    struct ol__setting aside = *s;
    aside.offset = 0;
    ol_status status = OL_OK;
    for (yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top && status == OL_OK; i++) {
        const yaml_node_t *item = yaml_document_get_node(r->document, *i);
        struct ol__setting_place here = *place;
        here.line = line_of(item);
        if (item->type != YAML_SCALAR_NODE || is_null(item))
            status = ol__setting_error(r->err, &here, "text is needed, not %s", what_is(item));
        else
            status = ol__setting_add_text(&aside, &made, scalar_text(item), &here, r->err);
    }
    if (status != OL_OK) {
        ol__setting_clear(&aside, &made);
        return status;
    }
    ol__setting_clear(s, target);
    memcpy(ol__setting_at(s, target), &made, sizeof made);
    return OL_OK;
}

static void set_line(const struct ol__setting *table, void *target, size_t line)
{
    for (const struct ol__setting *s = table; s->key != NULL; s++)
        if (!ol__setting_is_real(s)) {
            int64_t value = (int64_t)line;
            memcpy(ol__setting_at(s, target), &value, sizeof value);
        }
}

static ol_status read_table(const struct reading *r, const struct ol__setting *table, void *target,
                            const yaml_node_t *node, const char *path);

static ol_status read_list(const struct reading *r, const struct ol__setting *s, void *target,
                           const yaml_node_t *node, const struct ol__setting_place *place)
{
    const yaml_node_item_t *first = node->data.sequence.items.start;
    size_t count = (size_t)(node->data.sequence.items.top - first);
    if (s->max > 0 && count > (size_t)s->max)
        return ol__setting_error(r->err, place, "more than %" PRId64 " elements", s->max);
    struct ol__setting_items made = {.items = calloc(count + 1, s->item_size)};
    struct ol__setting aside = *s;
    aside.offset = 0;
    if (made.items == NULL)
        return no_memory(r);
    ol_status status = OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        const yaml_node_t *item = yaml_document_get_node(r->document, first[i]);
        void *element = (char *)made.items + i * s->item_size;
        char path[KEY_MAX];
        struct ol__setting_place here = {.file = r->file, .line = line_of(item), .key = path};
        OL_IGNORE(snprintf(path, sizeof path, "%s[%zu]", place->key, i), "cut in messages only");
        made.count = i + 1; /* zeroed or half-filled, it can be released */
        status = ol__settings_defaults(s->table, element, r->err);
        if (status == OL_OK && item->type != YAML_MAPPING_NODE && !is_null(item))
            status = ol__setting_error(r->err, &here, "a section is needed, not %s", what_is(item));
        if (status == OL_OK) {
            set_line(s->table, element, line_of(item));
            status = read_table(r, s->table, element, item, path);
        }
    }
    if (status != OL_OK) {
        ol__setting_clear(&aside, &made);
        return status;
    }
    ol__setting_clear(s, target);
    memcpy(ol__setting_at(s, target), &made, sizeof made);
    return OL_OK;
}

static ol_status read_setting(const struct reading *r, const struct filling *f,
                              const struct ol__setting *s, const yaml_node_t *node,
                              const struct ol__setting_place *place)
{
    size_t *seen_at = &f->seen_at[s - f->table];
    if (s->reserved != NULL)
        return ol__setting_error(r->err, place, "is not for use yet: %s", s->reserved);
    if (*seen_at != 0)
        return ol__setting_error(r->err, place, "was set before, on line %zu", *seen_at);
    *seen_at = place->line;
    bool is_list = s->type == OL_SETTING_TEXT_LIST || s->type == OL_SETTING_LIST;
    if (is_list != (node->type == YAML_SEQUENCE_NODE) || is_null(node) ||
        node->type == YAML_MAPPING_NODE)
        return ol__setting_error(r->err, place, "%s is needed, not %s",
                                 is_list ? "a list" : "a single value", what_is(node));
    if (s->type == OL_SETTING_LIST)
        return read_list(r, s, f->target, node, place);
    if (s->type == OL_SETTING_TEXT_LIST)
        return read_text_list(r, s, f->target, node, place);
    return ol__setting_set_scalar(s, f->target, scalar_text(node), place, r->err);
}

static ol_status unknown_key(const struct reading *r, const struct filling *f, const char *prefix,
                             const char *key, const struct ol__setting_place *place)
{
    char near[KEY_MAX];
    ol__setting_suggest(f->table, prefix, key, near, sizeof near);
    return ol__setting_error(r->err, place, "there is no such setting%s%s%s",
                             near[0] != '\0' ? " (did you mean '" : "", near,
                             near[0] != '\0' ? "'?)" : "");
}

/* One pair of a mapping; @p index: its position, for finding a key given twice. */
static ol_status read_pair(const struct reading *r, const struct filling *f,
                           const yaml_node_t *mapping, size_t index, const char *prefix)
{
    const yaml_node_pair_t *pairs = mapping->data.mapping.pairs.start;
    const yaml_node_t *key = yaml_document_get_node(r->document, pairs[index].key);
    const yaml_node_t *value = yaml_document_get_node(r->document, pairs[index].value);
    char whole[KEY_MAX]; /* within the table */
    char shown[KEY_MAX]; /* with the elements above */
    struct ol__setting_place place = {.file = r->file, .line = line_of(key), .key = f->path};
    if (key->type != YAML_SCALAR_NODE)
        return ol__setting_error(r->err, &place, "a key is needed, not %s", what_is(key));
    struct ol__span text = scalar_text(key);
    int n = snprintf(whole, sizeof whole, "%s%s%.*s", prefix, prefix[0] != '\0' ? "." : "",
                     (int)OL_MIN(text.size, (size_t)KEY_MAX), text.data);
    if (n < 0 || (size_t)n >= sizeof whole || strlen(text.data) != text.size)
        return ol__setting_error(r->err, &place, "a key that is too long, or has a NUL in it");
    OL_IGNORE(snprintf(shown, sizeof shown, "%.120s%s%.130s", f->path,
                       f->path[0] != '\0' ? "." : "", whole),
              "cut in messages only");
    place.key = shown;
    for (size_t i = 0; i < index; i++) {
        const yaml_node_t *other = yaml_document_get_node(r->document, pairs[i].key);
        if (other->type == YAML_SCALAR_NODE && ol__span_equal(scalar_text(other), text))
            return ol__setting_error(r->err, &place, "was set before, on line %zu", line_of(other));
    }
    const struct ol__setting *s = ol__setting_find(f->table, whole);
    if (s != NULL)
        return read_setting(r, f, s, value, &place);
    if (!ol__setting_is_section(f->table, whole))
        return unknown_key(r, f, prefix, text.data, &place);
    if (is_null(value)) /* a section with everything commented out */
        return OL_OK;
    if (value->type != YAML_MAPPING_NODE)
        return ol__setting_error(r->err, &place, "a section is needed, not %s", what_is(value));
    return read_mapping(r, f, value, whole);
}

static ol_status read_mapping(const struct reading *r, const struct filling *f,
                              const yaml_node_t *node, const char *prefix)
{
    size_t count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    ol_status status = OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++)
        status = read_pair(r, f, node, i, prefix);
    return status;
}

/* Fill @p target, which has its defaults, from a mapping (or nothing); then see what is missing. */
static ol_status read_table(const struct reading *r, const struct ol__setting *table, void *target,
                            const yaml_node_t *node, const char *path)
{
    size_t count = 0;
    while (table[count].key != NULL)
        count++;
    struct filling f = {.table = table,
                        .target = target,
                        .seen_at = calloc(count + 1, sizeof *f.seen_at),
                        .path = path};
    if (f.seen_at == NULL)
        return no_memory(r);
    ol_status status = OL_OK;
    if (node != NULL && node->type == YAML_MAPPING_NODE)
        status = read_mapping(r, &f, node, "");
    for (size_t i = 0; i < count && status == OL_OK; i++)
        if (table[i].is_required && f.seen_at[i] == 0) {
            struct ol__setting_place place = {
                .file = r->file, .line = node != NULL ? line_of(node) : 1, .key = path};
            status = ol__setting_error(r->err, &place, "'%s' is missing", table[i].key);
        }
    free(f.seen_at);
    return status;
}

static ol_status read_document(struct reading *r, const struct ol__setting *table, void *target,
                               struct ol__span yaml)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (yaml_parser_initialize(&parser) == 0)
        return no_memory(r);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml.data, yaml.size);
    ol_status status = OL_OK;
    if (yaml_parser_load(&parser, &document) == 0) {
        status = syntax_error(r, &parser);
    } else {
        r->document = &document;
        const yaml_node_t *root = yaml_document_get_root_node(&document);
        struct ol__setting_place place = {
            .file = r->file, .line = root != NULL ? line_of(root) : 1, .key = ""};
        if (root != NULL && root->type != YAML_MAPPING_NODE && !is_null(root))
            status =
                ol__setting_error(r->err, &place, "settings are needed, not %s", what_is(root));
        else
            status = read_table(r, table, target, root, "");
        r->document = NULL;
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return status;
}

ol_status ol__settings_read(const struct ol__setting *table, void *target, const char *file,
                            struct ol__span yaml, struct ol_error *err)
{
    struct reading r = {.file = file, .err = err};
    struct ol__setting_place place = {.file = file, .line = 1, .key = ""};
    if (yaml.size > YAML_MAX)
        return ol__setting_error(err, &place, "more than %d bytes", YAML_MAX);
    size_t bad = ol__utf8_find_bad(yaml);
    if (bad < yaml.size) {
        for (size_t i = 0; i < bad; i++)
            place.line += yaml.data[i] == '\n';
        return ol__setting_error(err, &place, "not UTF-8");
    }
    if (yaml.size == 0)
        yaml.data = "";
    bool is_empty = false;
    ol_status status = check_events(&r, yaml, &is_empty);
    if (status != OL_OK)
        return status;
    if (is_empty)
        return read_table(&r, table, target, NULL, "");
    return read_document(&r, table, target, yaml);
}
