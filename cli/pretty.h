/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRETTY_H
#define PRETTY_H
/** @file
 * Text for people: what comes from outside is made harmless (no control characters reach a
 * terminal), tables are aligned, colour and tree lines depend on where it goes. Everything is
 * written to a buffer. Threads: main.
 */
#include "buf.h"
#include "json_doc.h"

struct pretty {
    struct ol__buf *out; /**< borrowed */
    bool is_utf8;        /**< tree lines and cuts may use more than ASCII */
    bool has_colour;
    int width; /**< columns of the terminal; 0: no limit (not a terminal) */
};

enum pretty_colour { PRETTY_PLAIN, PRETTY_BOLD, PRETTY_DIM, PRETTY_GOOD, PRETTY_BAD, PRETTY_NOW };

/** As standard output wants it: UTF-8 by the locale, colour on a terminal without NO_COLOR. Sets
 * the locale's character type from the environment. */
void pretty_init(struct pretty *p, struct ol__buf *out);
/** Write what is in the buffer to standard output: cli_print_buf(). */
OL_NODISCARD bool pretty_flush(struct pretty *p);
/** Append @p text; control and direction characters are shown as \n, \t or \u{...}. */
void pretty_text(struct pretty *p, enum pretty_colour colour, const char *text);
/** Columns that @p text takes when written by pretty_text(). */
size_t pretty_width(const char *text);
/** The colour of a run's state. */
enum pretty_colour pretty_state_colour(const char *state);

#define PRETTY_COLUMNS_MAX 16
struct pretty_table {
    struct ol__arena *arena; /**< borrowed; holds the cells */
    size_t columns;
    const char *heads[PRETTY_COLUMNS_MAX];
    bool is_right[PRETTY_COLUMNS_MAX]; /**< numbers */
    int flexible;       /**< the column that is cut where the terminal is too narrow; -1: none */
    const char ***rows; /**< owned; each points to `columns` texts, NULL is empty */
    size_t count, cap;
};
/** A new row of NULLs to be filled, or NULL: out of memory. */
const char **pretty_table_row(struct pretty_table *table);
void pretty_table_print(struct pretty *p, const struct pretty_table *table, int indent);
void pretty_table_release(struct pretty_table *table);

/** Any object as sections: scalars aligned, objects indented, arrays of objects as tables. */
void pretty_sections(struct pretty *p, const struct json_node *object, int indent);
#endif
