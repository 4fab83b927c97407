/* SPDX-License-Identifier: Apache-2.0 */
/* lineage export --format dot, mermaid: the graph of X as a drawing.
 * Promise: names are text in the drawing, whatever is in them: they end no label, begin no tag and
 * break no line. */
#include "export.h"

#include <inttypes.h>

#define TEXT_MAX ((size_t)64 << 20)
#define LABEL_BYTES 120u /* of each line of a label; more is cut */

/* Control characters are spaces; dot: backslash and quote escaped; Mermaid: what means something
 * there, or in HTML, as entities by number. */
static void add_text(struct ol__buf *out, const char *text, bool is_mermaid)
{
    size_t size = strlen(text), shown = OL_MIN(size, LABEL_BYTES);
    while (shown < size && shown > 0 && ((uint8_t)text[shown] & 0xc0) == 0x80)
        shown--; /* not inside a character */
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c < 0x20 || c == 0x7f)
            ol__buf_add_char(out, ' ');
        else if (is_mermaid && strchr("\"#&<>`;%|[]{}()\\", c) != NULL)
            ol__buf_add_format(out, "#%d;", c);
        else if (!is_mermaid && (c == '"' || c == '\\'))
            ol__buf_add_format(out, "\\%c", c);
        else
            ol__buf_add_char(out, text[i]);
    }
    if (shown < size)
        ol__buf_add_text(out, "...");
}

static void add_line(struct ol__buf *out, const char *text, bool is_first, bool is_mermaid)
{
    if (text == NULL)
        return;
    if (!is_first)
        ol__buf_add_text(out, is_mermaid ? "<br/>" : "\\n");
    add_text(out, text, is_mermaid);
}

static void add_label(struct ol__buf *out, const struct json_node *node, bool is_mermaid)
{
    const struct json_node *job = json_get(node, "job");
    const struct json_node *named = job != NULL ? job : node;
    const char *name = json_get_text(named, "name");
    add_line(out, name != NULL ? name : "?", true, is_mermaid);
    add_line(out, json_get_text(node, "version"), false, is_mermaid);
    add_line(out, json_get_text(node, "state"), false, is_mermaid);
    add_line(out, json_get_text(node, "started"), false, is_mermaid);
    if (job == NULL)
        add_line(out, json_get_text(named, "namespace"), false, is_mermaid);
}

static void add_node(struct ol__buf *out, const struct json_node *node, bool is_mermaid)
{
    const char *kind = json_get_text(node, "kind");
    bool is_dataset = kind != NULL && strcmp(kind, "dataset") == 0;
    int64_t id = json_get_int(node, "id", -1);
    if (is_mermaid)
        ol__buf_add_format(out, "  n%" PRId64 "%s\"", id, is_dataset ? "[(" : "[");
    else
        ol__buf_add_format(out, "  n%" PRId64 " [shape=%s, label=\"", id,
                           is_dataset ? "cylinder" : "box");
    add_label(out, node, is_mermaid);
    ol__buf_add_text(out, is_mermaid ? is_dataset ? "\")]\n" : "\"]\n" : "\"];\n");
}

static void add_graph(struct ol__buf *out, const struct json_node *root, bool is_mermaid)
{
    const char *cut_by = json_get_text(root, "cut_by");
    ol__buf_add_text(out, is_mermaid ? "flowchart LR\n" : "digraph lineage {\n  rankdir=LR;\n");
    for (const struct json_node *n = json_get_items(root, "nodes"); n != NULL; n = n->next)
        add_node(out, n, is_mermaid);
    for (const struct json_node *e = json_get_items(root, "edges"); e != NULL; e = e->next)
        ol__buf_add_format(out, is_mermaid ? "  n%lld --> n%lld\n" : "  n%lld -> n%lld;\n",
                           (long long)json_get_int(e, "from", -1),
                           (long long)json_get_int(e, "to", -1));
    if (json_get_bool(root, "truncated")) {
        ol__buf_add_text(out, is_mermaid ? "  cut[\"there is more: cut by --"
                                         : "  cut [shape=note, label=\"there is more: cut by --");
        add_text(out, cut_by != NULL ? cut_by : "limit", is_mermaid);
        ol__buf_add_text(out, is_mermaid ? "\"]\n" : "\"];\n");
    }
    if (!is_mermaid)
        ol__buf_add_text(out, "}\n");
}

static ol_status draw(struct export *ex, bool is_mermaid, struct ol_error *err)
{
    struct json_doc doc;
    struct ol__buf text;
    ol_status st = export_graph(ex, ex->direction, &doc, err);
    if (st != OL_OK)
        return st;
    ol__buf_init(&text, TEXT_MAX);
    add_graph(&text, doc.root, is_mermaid);
    json_doc_release(&doc);
    st = export_write(ex, &text, err);
    ol__buf_release(&text);
    return st;
}

ol_status export_dot(struct export *ex, struct ol_error *err)
{
    return draw(ex, false, err);
}

ol_status export_mermaid(struct export *ex, struct ol_error *err)
{
    return draw(ex, true, err);
}
