/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact_lines.h"

static bool needs_escape(const char *text)
{
    return strpbrk(text, "\\\n\r") != NULL;
}

static void add_escaped(struct ol__buf *out, const char *text)
{
    for (;;) {
        size_t plain = strcspn(text, "\\\n\r");
        ol__buf_add(out, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        ol__buf_add_text(out, *text == '\\' ? "\\\\" : *text == '\n' ? "\\n" : "\\r");
        text++;
    }
}

void artifact_line_add(struct ol__buf *out, const char *sha256, const char *name)
{
    if (needs_escape(name))
        ol__buf_add_char(out, '\\');
    ol__buf_add_text(out, sha256);
    ol__buf_add_text(out, "  ");
    add_escaped(out, name);
    ol__buf_add_char(out, '\n');
}

void artifact_link_add(struct ol__buf *out, const char *name, const char *target)
{
    if (needs_escape(name) || needs_escape(target))
        ol__buf_add_char(out, '\\');
    ol__buf_add_text(out, "link  ");
    add_escaped(out, name);
    ol__buf_add_text(out, " -> ");
    add_escaped(out, target);
    ol__buf_add_char(out, '\n');
}

void artifact_mark_add(struct ol__buf *out, const char *mark, const char *name)
{
    if (needs_escape(name))
        ol__buf_add_char(out, '\\');
    ol__buf_add_text(out, mark);
    ol__buf_add_text(out, "  ");
    add_escaped(out, name);
    ol__buf_add_char(out, '\n');
}

/* ---- reading ---- */

static bool unescape(struct ol__span text, struct ol__buf *out)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '\\') {
            i++;
            c = i < text.size ? text.data[i] : '\0';
            if (c != '\\' && c != 'n' && c != 'r')
                return false;
            c = (char)(c == 'n' ? '\n' : c == 'r' ? '\r' : '\\');
        }
        ol__buf_add_char(out, c);
    }
    return true;
}

static bool take_hash(struct ol__span *line, char sha256[OL_SHA256_TEXT + 1])
{
    if (line->size < OL_SHA256_TEXT)
        return false;
    for (size_t i = 0; i < OL_SHA256_TEXT; i++) {
        if (ol__hex_value(line->data[i]) < 0 || (line->data[i] >= 'A' && line->data[i] <= 'F'))
            return false;
    }
    memcpy(sha256, line->data, OL_SHA256_TEXT);
    sha256[OL_SHA256_TEXT] = '\0';
    *line = (struct ol__span){line->data + OL_SHA256_TEXT, line->size - OL_SHA256_TEXT};
    return true;
}

static bool take(struct ol__span *line, const char *text)
{
    size_t size = strlen(text);
    if (line->size < size || memcmp(line->data, text, size) != 0)
        return false;
    *line = (struct ol__span){line->data + size, line->size - size};
    return true;
}

ol_status artifact_line_read(struct ol__span *text, struct ol__buf *space,
                             struct artifact_line *ret)
{
    if (text->size == 0)
        return OL_END;
    const char *newline = memchr(text->data, '\n', text->size);
    if (newline == NULL)
        return OL_INVALID;
    struct ol__span line = {text->data, (size_t)(newline - text->data)};
    bool is_escaped = take(&line, "\\");
    *ret = (struct artifact_line){.is_link = false};
    ret->is_link = take(&line, "link");
    if (!ret->is_link && !take_hash(&line, ret->sha256))
        return OL_INVALID;
    if (!take(&line, "  ") || line.size == 0)
        return OL_INVALID;
    ol__buf_reset(space);
    if (is_escaped && !unescape(line, space))
        return OL_INVALID;
    if (space->status != OL_OK)
        return OL_NOMEM;
    ret->name = is_escaped ? (struct ol__span){space->data, space->size} : line;
    *text = (struct ol__span){newline + 1, text->size - (size_t)(newline + 1 - text->data)};
    return OL_OK;
}

/* ---- comparing ---- */

struct side {
    struct ol__span rest;
    struct ol__buf space;
    struct artifact_line line;
    ol_status status;
};

static void step(struct side *side)
{
    side->status = artifact_line_read(&side->rest, &side->space, &side->line);
}

static int order(const struct artifact_line *a, const struct artifact_line *b)
{
    if (a->is_link != b->is_link)
        return a->is_link ? 1 : -1;
    int by_bytes = memcmp(a->name.data, b->name.data, OL_MIN(a->name.size, b->name.size));
    return by_bytes != 0                  ? by_bytes
           : a->name.size == b->name.size ? 0
           : a->name.size < b->name.size  ? -1
                                          : 1;
}

ol_status artifact_lines_compare(struct ol__span a, struct ol__span b,
                                 struct artifact_difference *ret)
{
    struct side x = {.rest = a}, y = {.rest = b};
    *ret = (struct artifact_difference){.count = 0};
    ol__buf_init(&ret->first, ARTIFACT_TEXT_MAX);
    ol__buf_init(&x.space, ARTIFACT_TEXT_MAX);
    ol__buf_init(&y.space, ARTIFACT_TEXT_MAX);
    step(&x);
    step(&y);
    while (x.status >= 0 && y.status >= 0 && (x.status == OL_OK || y.status == OL_OK)) {
        int which = x.status == OL_END ? 1 : y.status == OL_END ? -1 : order(&x.line, &y.line);
        if (which != 0 || strcmp(x.line.sha256, y.line.sha256) != 0) {
            struct ol__span name = which <= 0 ? x.line.name : y.line.name;
            if (ret->count++ == 0)
                ol__buf_add(&ret->first, name.data, name.size);
        }
        if (which <= 0)
            step(&x);
        if (which >= 0)
            step(&y);
    }
    ol_status status = x.status < 0 ? x.status : y.status < 0 ? y.status : ret->first.status;
    ol__buf_release(&x.space);
    ol__buf_release(&y.space);
    return status;
}
