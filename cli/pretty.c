/* SPDX-License-Identifier: Apache-2.0 */
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>
#include "cli.h"
#include "pretty.h"
#include "utf8.h"

#define CELL_MIN 12 /* a flexible column is not cut below this */

static const char *const colours[] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[33m"};

void pretty_init(struct pretty *p, struct ol__buf *out)
{
    *p = (struct pretty){.out = out};
    p->is_utf8 = setlocale(LC_CTYPE, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (isatty(STDOUT_FILENO) != 1)
        return;
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    p->has_colour = (no_colour == NULL || no_colour[0] == '\0') && terminal != NULL &&
                    strcmp(terminal, "dumb") != 0;
    struct winsize size;
    p->width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 80;
}

bool pretty_flush(struct pretty *p)
{
    bool is_written = cli_print_buf(p->out);
    ol__buf_reset(p->out);
    return is_written;
}

/** One character of @p text at @p *at: its code, or -1 for bytes that are no UTF-8; @p *at moves
 * past it. */
static int32_t next_code(const char **at, const char *end)
{
    const unsigned char *s = (const unsigned char *)*at;
    int size = ol__utf8_size(s, (const unsigned char *)end);
    if (size < 0) {
        *at -= size;
        return -1;
    }
    *at += size;
    switch (size) {
    case 1:
        return s[0];
    case 2:
        return (s[0] & 0x1f) << 6 | (s[1] & 0x3f);
    case 3:
        return (s[0] & 0x0f) << 12 | (s[1] & 0x3f) << 6 | (s[2] & 0x3f);
    default:
        return (s[0] & 0x07) << 18 | (s[1] & 0x3f) << 12 | (s[2] & 0x3f) << 6 | (s[3] & 0x3f);
    }
}

static bool is_harmful(int32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) ||       /* control characters */
           code == 0x061c || code == 0x200e || code == 0x200f || /* direction marks */
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xfeff;
}

/** What stands for a harmful character; @p code -1: bad bytes. */
static int spell(int32_t code, char out[16])
{
    if (code == '\n')
        return snprintf(out, 16, "\\n");
    if (code == '\t')
        return snprintf(out, 16, "\\t");
    if (code < 0)
        return snprintf(out, 16, "\xef\xbf\xbd");
    return snprintf(out, 16, "\\u{%x}", (unsigned)code);
}

static size_t code_width(int32_t code)
{
    char spelt[16];
    if (code < 0)
        return 1;
    if (is_harmful(code))
        return (size_t)spell(code, spelt);
    int width = code < 0x80 ? 1 : wcwidth((wchar_t)code); /* -1: unknown here, most likely one */
    return width >= 0 ? (size_t)width : 1;
}

size_t pretty_width(const char *text)
{
    const char *end = text + strlen(text);
    size_t width = 0;
    while (text < end)
        width += code_width(next_code(&text, end));
    return width;
}

/** Write @p text, at most @p max columns of it (0: all). */
static void write_cut(struct pretty *p, enum pretty_colour colour, const char *text, size_t max)
{
    const char *end = text + strlen(text);
    const char *dots = p->is_utf8 ? "\xe2\x80\xa6" : "~";
    bool is_cut = max > 0 && pretty_width(text) > max;
    size_t used = 0;
    if (p->has_colour)
        ol__buf_add_text(p->out, colours[colour]);
    while (text < end) {
        char spelt[16];
        const char *begin = text;
        int32_t code = next_code(&text, end);
        used += code_width(code);
        if (is_cut && used + 1 > max) {
            ol__buf_add_text(p->out, dots);
            break;
        }
        if (code < 0 || is_harmful(code))
            ol__buf_add(p->out, spelt, (size_t)spell(code, spelt));
        else
            ol__buf_add(p->out, begin, (size_t)(text - begin));
    }
    if (p->has_colour && colour != PRETTY_PLAIN)
        ol__buf_add_text(p->out, "\033[0m");
}

void pretty_text(struct pretty *p, enum pretty_colour colour, const char *text)
{
    write_cut(p, colour, text, 0);
}

enum pretty_colour pretty_state_colour(const char *state)
{
    if (strcmp(state, "COMPLETE") == 0 || strcmp(state, "ok") == 0)
        return PRETTY_GOOD;
    if (strcmp(state, "FAIL") == 0 || strcmp(state, "ABORT") == 0 || strcmp(state, "held") == 0)
        return PRETTY_BAD;
    if (strcmp(state, "RUNNING") == 0 || strcmp(state, "START") == 0)
        return PRETTY_NOW;
    return PRETTY_PLAIN;
}

/* ---- Tables ---- */

const char **pretty_table_row(struct pretty_table *table)
{
    if (table->count == table->cap) {
        const char ***rows = ol__grow(table->rows, &table->cap, sizeof *rows);
        if (rows == NULL)
            return NULL;
        table->rows = rows;
    }
    const char **row = ol__arena_alloc(table->arena, sizeof *row * table->columns);
    if (row == NULL)
        return NULL;
    for (size_t i = 0; i < table->columns; i++)
        row[i] = NULL;
    return table->rows[table->count++] = row;
}

void pretty_table_release(struct pretty_table *table)
{
    free(table->rows);
    table->rows = NULL;
    table->count = table->cap = 0;
}

static void spaces(struct pretty *p, size_t count)
{
    while (count-- > 0)
        ol__buf_add_char(p->out, ' ');
}

static void print_row(struct pretty *p, const struct pretty_table *table, const char *const *row,
                      const size_t *widths, int indent, bool is_head)
{
    size_t owed =
        (size_t)indent; /* spaces that come only if something follows: lines have no blank end */
    for (size_t i = 0; i < table->columns; i++) {
        const char *cell = row[i] != NULL ? row[i] : "";
        size_t width = OL_MIN(pretty_width(cell), widths[i]);
        if (table->is_right[i])
            owed += widths[i] - width;
        if (width > 0) {
            spaces(p, owed);
            owed = 0;
            write_cut(p, is_head ? PRETTY_DIM : pretty_state_colour(cell), cell, widths[i]);
        }
        owed += (table->is_right[i] ? 0 : widths[i] - width) + 2;
    }
    ol__buf_add_char(p->out, '\n');
}

void pretty_table_print(struct pretty *p, const struct pretty_table *table, int indent)
{
    size_t widths[PRETTY_COLUMNS_MAX];
    size_t total = (size_t)indent + 2 * (table->columns - 1);
    for (size_t i = 0; i < table->columns; i++) {
        widths[i] = pretty_width(table->heads[i]);
        for (size_t r = 0; r < table->count; r++) {
            if (table->rows[r][i] != NULL)
                widths[i] = OL_MAX(widths[i], pretty_width(table->rows[r][i]));
        }
        total += widths[i];
    }
    if (p->width > 0 && total > (size_t)p->width && table->flexible >= 0) {
        size_t *width = &widths[table->flexible];
        size_t over = total - (size_t)p->width;
        *width = *width > over + CELL_MIN ? *width - over : OL_MIN(*width, (size_t)CELL_MIN);
    }
    print_row(p, table, table->heads, widths, indent, true);
    for (size_t r = 0; r < table->count; r++)
        print_row(p, table, table->rows[r], widths, indent, false);
}

/* ---- Sections ---- */

static bool is_scalar(const struct json_node *node)
{
    return node->type != OL_JSON_OBJECT && node->type != OL_JSON_ARRAY;
}

static const char *scalar_text(const struct json_node *node)
{
    if (node->text != NULL)
        return node->text;
    if (node->type == OL_JSON_BOOL)
        return node->boolean ? "yes" : "no";
    return "-";
}

/** An array of flat objects as a table: columns in the order they are first seen. */
static bool print_objects(struct pretty *p, const struct json_node *array, int indent)
{
    struct ol__arena arena = {.first = NULL};
    struct pretty_table table = {.arena = &arena, .flexible = -1};
    bool is_table = true;
    for (const struct json_node *item = array->first; item != NULL && is_table; item = item->next) {
        is_table = item->type == OL_JSON_OBJECT;
        for (const struct json_node *n = item->first; n != NULL && is_table; n = n->next) {
            size_t i = 0;
            while (i < table.columns && strcmp(table.heads[i], n->key) != 0)
                i++;
            is_table = is_scalar(n) && i < PRETTY_COLUMNS_MAX;
            if (is_table && i == table.columns) {
                table.heads[table.columns++] = n->key;
                table.is_right[i] = n->type == OL_JSON_NUMBER;
            }
        }
    }
    for (const struct json_node *item = array->first; item != NULL && is_table; item = item->next) {
        const char **row = pretty_table_row(&table);
        if (row == NULL) {
            p->out->status = OL_NOMEM;
            break;
        }
        for (size_t i = 0; i < table.columns; i++) {
            const struct json_node *n = json_get(item, table.heads[i]);
            row[i] = n != NULL ? scalar_text(n) : NULL;
        }
    }
    if (is_table && table.columns > 0)
        pretty_table_print(p, &table, indent);
    pretty_table_release(&table);
    ol__arena_reset(&arena, 0);
    return is_table;
}

static void print_array(struct pretty *p, const struct json_node *array, int indent)
{
    if (print_objects(p, array, indent))
        return;
    for (const struct json_node *item = array->first; item != NULL; item = item->next) {
        if (is_scalar(item)) {
            spaces(p, (size_t)indent);
            pretty_text(p, PRETTY_PLAIN, scalar_text(item));
            ol__buf_add_char(p->out, '\n');
        } else if (item->type == OL_JSON_OBJECT) {
            spaces(p, (size_t)indent);
            ol__buf_add_text(p->out, "-\n");
            pretty_sections(p, item, indent + 2);
        } else {
            print_array(p, item, indent + 2);
        }
    }
}

void pretty_sections(struct pretty *p, const struct json_node *object, int indent)
{
    size_t widest = 0;
    for (const struct json_node *n = object->first; n != NULL; n = n->next) {
        if (n->key != NULL && n->key[0] != '_' && is_scalar(n))
            widest = OL_MAX(widest, pretty_width(n->key));
    }
    for (const struct json_node *n = object->first; n != NULL; n = n->next) {
        /* _producer and _schemaURL stand in every facet; --json has them */
        if (n->key == NULL || n->key[0] == '_' || (!is_scalar(n) && n->count == 0))
            continue;
        spaces(p, (size_t)indent);
        pretty_text(p, is_scalar(n) ? PRETTY_DIM : PRETTY_BOLD, n->key);
        if (is_scalar(n)) {
            const char *text = scalar_text(n);
            spaces(p, widest - pretty_width(n->key) + 2);
            pretty_text(p, pretty_state_colour(text), text);
            ol__buf_add_char(p->out, '\n');
            continue;
        }
        ol__buf_add_char(p->out, '\n');
        if (n->type == OL_JSON_OBJECT)
            pretty_sections(p, n, indent + 2);
        else
            print_array(p, n, indent + 2);
    }
}
