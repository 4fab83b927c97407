/* SPDX-License-Identifier: Apache-2.0 */
/* `diff` for people: for each pair of runs what changed, as a table, and how much did not. */
#include "tree.h"

enum { AREA, WHAT, A, B, COLUMNS };

static const char *or_dash(const char *text)
{
    return text != NULL ? (text[0] != '\0' ? text : "(none)") : "-";
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
        row[A] = or_dash(json_get_text(c, "a"));
        row[B] = or_dash(json_get_text(c, "b"));
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
