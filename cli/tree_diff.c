/* SPDX-License-Identifier: Apache-2.0 */
/* `diff` for people: for each pair of runs what changed, as a table, and how much did not. */
#include <stdio.h>
#include "tree.h"

enum { AREA, WHAT, A, B, COLUMNS };

/* Values as people tell them apart: of a SHA-256 eight digits, of a commit twelve. --json has them
 * whole. */
static const char *shown(struct pretty *p, struct ol__arena *arena, const char *text)
{
    size_t size = strncmp(text, "sha256:", 7) == 0 ? 7 : 0;
    size_t digits = strspn(text + size, "0123456789abcdef");
    size_t left = digits == 64 ? 8 : digits == 40 && size == 0 ? 12 : 0;
    char *copy = left > 0 && text[size + digits] == '\0' ? ol__arena_alloc(arena, 24) : NULL;
    if (copy == NULL)
        return text[0] != '\0' ? text : "(none)";
    snprintf(copy, 24, "%.*s%s", (int)(size + left), text, p->is_utf8 ? "\xe2\x80\xa6" : "...");
    return copy;
}

static ol_status write_changes(struct pretty *p, const struct json_node *pair)
{
    struct ol__arena arena = {0};
    struct pretty_table table = {
        .arena = &arena, .columns = COLUMNS, .heads = {"", "WHAT", "A", "B"}, .flexible = WHAT};
    ol_status status = OL_OK;
    for (const struct json_node *c = json_get_items(pair, "changed"); c != NULL; c = c->next) {
        const char **row = pretty_table_row(&table);
        if (row == NULL) {
            status = OL_NOMEM;
            break;
        }
        row[AREA] = json_get_text(c, "area");
        row[WHAT] = json_get_text(c, "what");
        const char *a = json_get_text(c, "a"), *b = json_get_text(c, "b");
        row[A] = a != NULL ? shown(p, &arena, a) : "-";
        row[B] = b != NULL ? shown(p, &arena, b) : "-";
    }
    if (status == OL_OK && table.count > 0)
        pretty_table_print(p, &table, 2);
    else if (status == OL_OK)
        ol__buf_add_text(p->out, "  nothing that was told of them is different\n");
    pretty_table_release(&table);
    ol__arena_reset(&arena, 0);
    return status;
}

static void write_same(struct pretty *p, const struct json_node *pair)
{
    const char *between = "  the same: ";
    for (const struct json_node *s = json_get_items(pair, "same"); s != NULL; s = s->next) {
        ol__buf_add_format(p->out, "%s%s %s", between, s->text, s->key);
        between = ", ";
    }
    if (json_get_items(pair, "same") != NULL)
        ol__buf_add_char(p->out, '\n');
}

static void write_side(struct pretty *p, const char *name, const struct json_node *run)
{
    ol__buf_add_text(p->out, name);
    if (run != NULL)
        rows_run(p, run);
    else
        ol__buf_add_text(p->out, "not to be seen");
    ol__buf_add_char(p->out, '\n');
}

ol_status tree_diff(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *pair = json_get_items(root, "pairs");
    ol_status status = OL_OK;
    if (json_get(root, "pairs") == NULL)
        return ol__error_set(err, OL_INVALID, "the answer has no pairs");
    if (pair == NULL)
        ol__buf_add_text(p->out, "both are of the same run\n");
    for (; pair != NULL && status == OL_OK; pair = pair->next) {
        write_side(p, "A  ", json_get(pair, "a"));
        write_side(p, "B  ", json_get(pair, "b"));
        status = write_changes(p, pair);
        write_same(p, pair);
        if (pair->next != NULL)
            ol__buf_add_char(p->out, '\n');
    }
    if (json_get_bool(root, "truncated")) {
        const char *by = json_get_text(root, "cut_by");
        ol__buf_add_format(p->out, "(there is more: --%s N)\n",
                           by != NULL && strcmp(by, "depth") == 0 ? "depth" : "limit");
    }
    if (status == OL_OK)
        status = p->out->status;
    return status == OL_OK ? OL_OK
                           : ol__error_set(err, status, "the answer: %s", ol__status_name(status));
}
