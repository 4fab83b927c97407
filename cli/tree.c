/* SPDX-License-Identifier: Apache-2.0 */
/* `why` and `impact` as a tree. The answer is a graph: a node that was printed before is printed
 * again with
 * "(above)" and not expanded, so the text grows with the edges, not with the paths. */
#include <stdio.h>
#include <stdlib.h>
#include "tree.h"

#define NONE SIZE_MAX

struct edge {
    size_t child;
    size_t next; /* of the same parent, NONE: the last */
};

struct graph {
    const struct json_node **nodes; /* owned; by index, which is the node's id */
    size_t *first, *last;           /* owned; a node's edges */
    bool *is_shown;                 /* owned */
    struct edge *edges;             /* owned */
    size_t node_count, edge_count;
    struct pretty *pretty;
    struct ol__buf prefix; /* lines left of the node */
};

/** A member that is the id of a node, or NONE. */
static size_t node_id(const struct graph *g, const struct json_node *item, const char *key)
{
    int64_t id = json_get_int(item, key, -1);
    return id >= 0 && (uint64_t)id < g->node_count ? (size_t)id : NONE;
}

static ol_status load(struct graph *g, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *nodes = json_get(root, "nodes"), *edges = json_get(root, "edges");
    const char *direction = json_get_text(root, "direction");
    if (nodes == NULL || edges == NULL || direction == NULL)
        return ol__error_set(err, OL_INVALID, "the answer has no nodes, edges or direction");
    bool is_upstream = strcmp(direction, "upstream") == 0;
    g->node_count = nodes->count;
    g->nodes = calloc(nodes->count + 1, sizeof(void *));
    g->first = calloc(nodes->count + 1, sizeof *g->first);
    g->last = calloc(nodes->count + 1, sizeof *g->last);
    g->is_shown = calloc(nodes->count + 1, sizeof *g->is_shown);
    g->edges = calloc(edges->count + 1, sizeof *g->edges);
    if (g->nodes == NULL || g->first == NULL || g->last == NULL || g->is_shown == NULL ||
        g->edges == NULL)
        return ol__error_set(err, OL_NOMEM, "the answer: out of memory");
    for (size_t i = 0; i < nodes->count; i++)
        g->first[i] = g->last[i] = NONE;
    for (const struct json_node *n = nodes->first; n != NULL; n = n->next) {
        size_t id = node_id(g, n, "id");
        if (id == NONE || g->nodes[id] != NULL)
            return ol__error_set(err, OL_INVALID, "the answer has a node without an id of its own");
        g->nodes[id] = n;
    }
    for (const struct json_node *e = edges->first; e != NULL; e = e->next) {
        size_t parent = node_id(g, e, is_upstream ? "to" : "from");
        size_t child = node_id(g, e, is_upstream ? "from" : "to");
        if (parent == NONE || child == NONE)
            return ol__error_set(err, OL_INVALID,
                                 "the answer has an edge to a node it does not have");
        size_t at = g->edge_count++;
        g->edges[at] = (struct edge){.child = child, .next = NONE};
        if (g->first[parent] == NONE)
            g->first[parent] = at;
        else
            g->edges[g->last[parent]].next = at;
        g->last[parent] = at;
    }
    return OL_OK;
}

static void write_node(struct graph *g, size_t id)
{
    const struct json_node *node = g->nodes[id];
    const char *kind = json_get_text(node, "kind");
    if (kind != NULL && strcmp(kind, "dataset") == 0)
        rows_dataset(g->pretty, node, PRETTY_PLAIN);
    else
        rows_run(g->pretty, node);
}

/** The node's line, and what is below it. Recursion is as deep as the answer, which the agent
 * bounds. */
static void write_tree(struct graph *g, size_t id) // NOLINT(misc-no-recursion)
{
    const char *const *lines;
    static const char *const utf8[] = {"\xe2\x94\x9c\xe2\x94\x80 ", "\xe2\x94\x94\xe2\x94\x80 ",
                                       "\xe2\x94\x82  "};
    static const char *const ascii[] = {"|- ", "`- ", "|  "};
    struct ol__buf *out = g->pretty->out;
    lines = g->pretty->is_utf8 ? utf8 : ascii;
    write_node(g, id);
    if (g->is_shown[id] && g->first[id] != NONE)
        ol__buf_add_text(out, "  (above)");
    ol__buf_add_char(out, '\n');
    if (g->is_shown[id])
        return;
    g->is_shown[id] = true;
    for (size_t at = g->first[id]; at != NONE && out->status == OL_OK; at = g->edges[at].next) {
        bool is_last = g->edges[at].next == NONE;
        size_t before = g->prefix.size;
        ol__buf_add(out, g->prefix.data, g->prefix.size);
        ol__buf_add_text(out, lines[is_last ? 1 : 0]);
        ol__buf_add_text(&g->prefix, is_last ? "   " : lines[2]);
        write_tree(g, g->edges[at].child);
        ol__buf_truncate(&g->prefix, before);
    }
}

static void write_notes(struct pretty *p, const struct json_node *root)
{
    const struct json_node *subject = json_get(root, "subject");
    const char *by = json_get_text(subject, "by");
    const char *note = json_get_text(subject, "note");
    if (by != NULL && strcmp(by, "content") == 0)
        ol__buf_add_text(p->out, "(unknown by this name; found by its content)\n");
    if (note != NULL) {
        ol__buf_add_char(p->out, '(');
        pretty_text(p, PRETTY_PLAIN, note);
        ol__buf_add_text(p->out, ")\n");
    }
}

ol_status tree_graph(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    struct graph g = {.pretty = p};
    ol__buf_init(&g.prefix, (size_t)1 << 20);
    ol_status st = load(&g, root, err);
    if (st == OL_OK) {
        write_notes(p, root);
        for (size_t id = 0; id < g.node_count; id++) {
            if (json_get_int(g.nodes[id], "depth", -1) == 0)
                write_tree(&g, id);
        }
        if (json_get_bool(root, "truncated")) {
            const char *by = json_get_text(root, "cut_by");
            ol__buf_add_format(p->out, "(there is more: --%s N)\n",
                               by != NULL && strcmp(by, "depth") == 0 ? "depth" : "limit");
        }
        if (p->out->status != OL_OK)
            st = ol__error_set(err, p->out->status, "the answer: %s",
                               ol__status_name(p->out->status));
    }
    ol__buf_release(&g.prefix);
    free(g.nodes);
    free(g.first);
    free(g.last);
    free(g.is_shown);
    free(g.edges);
    return st;
}
