/* SPDX-License-Identifier: Apache-2.0 */
/* git's configuration: what git-config(1) says of its syntax. Values are put together in a buffer
 * of fixed size; a longer one is cut off and not told. */
#include <ctype.h>
#include "collect.h"

#define VALUE_MAX_SIZE 4096

struct text {
    char data[VALUE_MAX_SIZE];
    size_t size;
    bool is_cut;
};

static void put(struct text *t, char c)
{
    if (t->size == sizeof t->data)
        t->is_cut = true;
    else
        t->data[t->size++] = c;
}

static struct ol__span span(const struct text *t)
{
    return (struct ol__span){t->data, t->size};
}

struct reader {
    const char *at, *end;
    struct text section, subsection, key, value;
};

static int peek(const struct reader *r)
{
    return r->at < r->end ? (unsigned char)*r->at : -1;
}

static void skip_blanks(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\r')
        r->at++;
}

static void skip_line(struct reader *r)
{
    while (peek(r) >= 0 && peek(r) != '\n')
        r->at++;
}

/* "[section]", "[section \"Sub\"]", "[section.sub]". @return false: it is none. */
static bool read_section(struct reader *r)
{
    r->section.size = r->subsection.size = 0;
    r->at++;
    for (int c; (c = peek(r)) == '.' || c == '-' || isalnum(c); r->at++)
        put(&r->section, (char)tolower(c));
    const char *dot = r->section.size > 0 ? memchr(r->section.data, '.', r->section.size) : NULL;
    if (dot != NULL) { /* the old form */
        size_t size = (size_t)(dot - r->section.data);
        for (size_t i = size + 1; i < r->section.size; i++)
            put(&r->subsection, r->section.data[i]);
        r->section.size = size;
    }
    skip_blanks(r);
    if (peek(r) == '"') {
        r->at++;
        for (int c; (c = peek(r)) != '"'; r->at++) {
            if (c < 0 || c == '\n')
                return false;
            if (c == '\\') {
                r->at++;
                if (peek(r) < 0 || peek(r) == '\n')
                    return false;
            }
            put(&r->subsection, *r->at);
        }
        r->at++;
    }
    if (peek(r) != ']' || r->section.size == 0)
        return false;
    r->at++;
    return true;
}

static char unescaped(int c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'b' ? '\b' : (char)c;
}

/* Up to the line's end: quotes, escapes, comments; blanks at the end do not count. @return false:
 * an open quote, or an escape that there is not. */
static bool read_value(struct reader *r)
{
    size_t solid = 0; /* bytes that end with something else than a blank */
    bool is_quoted = false;
    r->value.size = 0;
    skip_blanks(r);
    for (int c; (c = peek(r)) >= 0 && c != '\n'; r->at++) {
        if (!is_quoted && (c == '#' || c == ';')) {
            skip_line(r);
            break;
        }
        if (c == '"') {
            is_quoted = !is_quoted;
            solid = r->value.size;
            continue;
        }
        if (c == '\\') {
            r->at++;
            if (peek(r) == '\r' && r->end - r->at > 1 && r->at[1] == '\n')
                r->at++;
            c = peek(r);
            if (c == '\n') /* it goes on */
                continue;
            if (c <= 0 || strchr("\\\"ntb", c) == NULL)
                return false;
            put(&r->value, unescaped(c));
            solid = r->value.size;
            continue;
        }
        put(&r->value, (char)c);
        if (is_quoted || (c != ' ' && c != '\t' && c != '\r'))
            solid = r->value.size;
    }
    r->value.size = solid;
    return !is_quoted;
}

static bool read_key(struct reader *r)
{
    r->key.size = 0;
    for (int c; (c = peek(r)) == '-' || isalnum(c); r->at++)
        put(&r->key, (char)tolower(c));
    skip_blanks(r);
    r->value.size = 0;
    if (r->key.size == 0)
        return false;
    if (peek(r) != '=') /* a key alone is true */
        return peek(r) < 0 || peek(r) == '\n' || peek(r) == '#' || peek(r) == ';';
    r->at++;
    return read_value(r);
}

void ol__git_config_read(struct ol__span text, ol__git_key *take, void *arg)
{
    struct reader r = {.at = text.data, .end = text.data + text.size};
    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        r.at += 3;
    for (;;) {
        skip_blanks(&r);
        int c = peek(&r);
        if (c < 0)
            return;
        r.section.is_cut = r.section.is_cut && c != '[';
        r.key.is_cut = r.value.is_cut = false;
        if (c == '\n') {
            r.at++;
        } else if (c == '#' || c == ';') {
            skip_line(&r);
        } else if (c == '[') {
            r.subsection.is_cut = false;
            if (!read_section(&r))
                return;
        } else {
            if (r.section.size == 0 || !read_key(&r))
                return;
            if (!r.section.is_cut && !r.subsection.is_cut && !r.key.is_cut && !r.value.is_cut)
                take(arg, span(&r.section), span(&r.subsection), span(&r.key), span(&r.value));
        }
    }
}
