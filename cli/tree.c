/* SPDX-License-Identifier: Apache-2.0 */
/* `why` and `impact` as a tree. The answer is a graph: a node that was printed before is printed
 * again with
 * "(above)" and not expanded, so the text grows with the edges, not with the paths. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "tree.h"

#define NONE SIZE_MAX
#define ATTEMPTS_SHOWN 3

struct edge {
    const struct json_node *said; /* what the answer says of it */
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
        g->edges[at] = (struct edge){.said = e, .child = child, .next = NONE};
        if (g->first[parent] == NONE)
            g->first[parent] = at;
        else
            g->edges[g->last[parent]].next = at;
        g->last[parent] = at;
    }
    return OL_OK;
}

/** "  attempt 2, others: 01a1fdfa-029e… FAIL, ..." */
static void write_attempts(struct pretty *p, const struct json_node *run)
{
    const char *own = json_get_text(run, "attempt");
    const struct json_node *others = json_get(run, "attempts");
    size_t shown = 0;
    if (own != NULL) {
        ol__buf_add_text(p->out, "  attempt ");
        pretty_text(p, PRETTY_PLAIN, own);
    }
    if (others == NULL)
        return;
    ol__buf_add_text(p->out, "  other attempts: ");
    for (const struct json_node *o = others->first; o != NULL; o = o->next, shown++) {
        const char *state = json_get_text(o, "state");
        if (shown == ATTEMPTS_SHOWN) {
            ol__buf_add_format(p->out, " and %zu more", others->count - shown);
            return;
        }
        ol__buf_add_text(p->out, shown > 0 ? ", " : "");
        rows_run_id(p, o);
        ol__buf_add_char(p->out, ' ');
        pretty_text(p, pretty_state_colour(state != NULL ? state : ""),
                    state != NULL ? state : "?");
    }
}

/** "  column c": of a dataset, or what a run made. */
static void write_column(struct pretty *p, const struct json_node *node)
{
    const char *column = json_get_text(node, "column"), *columns = json_get_text(node, "columns");
    if (column != NULL) {
        ol__buf_add_text(p->out, "  column ");
        pretty_text(p, PRETTY_BOLD, column);
    }
    if (columns != NULL && strcmp(columns, "all") == 0)
        ol__buf_add_text(p->out, "  all columns");
    else if (columns != NULL) {
        ol__buf_add_text(p->out, "  ");
        pretty_text(p, PRETTY_BAD, "tells no lineage of columns");
    }
}

/** "  (DIRECT IDENTITY, masked)", "  (maybe: ...)" */
static void write_edge(struct pretty *p, const struct json_node *edge)
{
    if (json_get_bool(edge, "maybe"))
        ol__buf_add_text(p->out, "  (maybe: it wrote there earlier)");
    for (const struct json_node *t = json_get_items(edge, "transformations"); t != NULL;
         t = t->next) {
        const char *type = json_get_text(t, "type"), *subtype = json_get_text(t, "subtype");
        ol__buf_add_text(p->out, "  (");
        pretty_text(p, PRETTY_PLAIN, type != NULL ? type : "");
        ol__buf_add_text(p->out, type != NULL && subtype != NULL ? " " : "");
        pretty_text(p, PRETTY_PLAIN, subtype != NULL ? subtype : "");
        ol__buf_add_text(p->out, json_get_bool(t, "masking") ? ", masked)" : ")");
    }
}

/** "member ./a.txt of sha256:12ab...", "3 members (./a.txt, ...) of ..." */
static void write_member(struct pretty *p, const struct json_node *node)
{
    const char *name = json_get_text(node, "name"), *artifact = json_get_text(node, "artifact");
    int64_t count = json_get_int(node, "count", 1);
    if (count > 1)
        ol__buf_add_format(p->out, "%" PRId64 " members (", count);
    else
        ol__buf_add_text(p->out, "member ");
    pretty_text(p, PRETTY_BOLD, name != NULL ? name : "?");
    ol__buf_add_text(p->out, count > 1 ? ", ...)" : "");
    if (artifact != NULL)
        ol__buf_add_format(p->out, " of %.15s", artifact);
}

static void write_answer(struct pretty *p, const struct json_node *node)
{
    const char *id = json_get_text(json_get(node, "answer"), "request_id");
    const char *at = json_get_text(node, "at");
    ol__buf_add_text(p->out, "answer ");
    pretty_text(p, PRETTY_BOLD, id != NULL ? id : "?");
    if (at != NULL)
        ol__buf_add_format(p->out, "  %.19sZ", at);
}

static void write_node(struct graph *g, size_t id)
{
    const struct json_node *node = g->nodes[id];
    const char *kind = json_get_text(node, "kind");
    if (kind != NULL && strcmp(kind, "dataset") == 0)
        rows_dataset(g->pretty, node, PRETTY_PLAIN);
    else if (kind != NULL && strcmp(kind, "member") == 0)
        write_member(g->pretty, node);
    else if (kind != NULL && strcmp(kind, "answer") == 0)
        write_answer(g->pretty, node);
    else
        rows_run(g->pretty, node);
    write_column(g->pretty, node);
    write_attempts(g->pretty, node);
}

/** The node's line, and what is below it. Recursion is as deep as the answer, which the agent
 * bounds. */
static void write_tree(struct graph *g, size_t id, // NOLINT(misc-no-recursion)
                       const struct json_node *edge)
{
    const char *const *lines;
    static const char *const utf8[] = {"\xe2\x94\x9c\xe2\x94\x80 ", "\xe2\x94\x94\xe2\x94\x80 ",
                                       "\xe2\x94\x82  "};
    static const char *const ascii[] = {"|- ", "`- ", "|  "};
    struct ol__buf *out = g->pretty->out;
    lines = g->pretty->is_utf8 ? utf8 : ascii;
    write_node(g, id);
    write_edge(g->pretty, edge);
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
        write_tree(g, g->edges[at].child, g->edges[at].said);
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
    int64_t missing = json_get_int(subject, "lists_not_here", 0);
    if (missing > 0)
        ol__buf_add_format(p->out,
                           "(of %" PRId64 " artifact%s with members the list is not here: what %s "
                           "hold%s is not known)\n",
                           missing, missing == 1 ? "" : "s", missing == 1 ? "it" : "they",
                           missing == 1 ? "s" : "");
}

/** " of 1 service (2 of them do not tell what they used)" */
static void write_services(struct pretty *p, const struct json_node *affected, int64_t answers)
{
    int64_t services = json_get_int(affected, "services", 0);
    int64_t not_told = json_get_int(affected, "answers_not_told", 0);
    ol__buf_add_format(p->out, " of %" PRId64 " %s", services,
                       services == 1 ? "service" : "services");
    if (not_told > 0 && not_told == answers)
        ol__buf_add_format(p->out, " (%s not tell what %s used)",
                           answers == 1 ? "it does" : "they do", answers == 1 ? "it" : "they");
    else if (not_told > 0)
        ol__buf_add_format(p->out, " (%" PRId64 " of them %s not tell what %s used)", not_told,
                           not_told == 1 ? "does" : "do", not_told == 1 ? "it" : "they");
}

/** "2 models, 3 answers of 1 service, 14 datasets and 5 jobs are affected." */
static void write_affected(struct pretty *p, const struct json_node *root)
{
    static const struct {
        const char *key, *one, *many;
    } kinds[] = {{"models", "model", "models"},
                 {"answers", "answer", "answers"},
                 {"datasets", "dataset", "datasets"},
                 {"jobs", "job", "jobs"}};
    const struct json_node *affected = json_get(root, "affected");
    size_t left = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < OL_COUNT(kinds); i++)
        left += json_get_int(affected, kinds[i].key, 0) > 0;
    if (left > 0 && json_get_bool(root, "truncated"))
        ol__buf_add_text(p->out, "At least ");
    for (size_t i = 0; i < OL_COUNT(kinds); i++) {
        int64_t count = json_get_int(affected, kinds[i].key, 0);
        if (count <= 0)
            continue;
        sum += count;
        ol__buf_add_format(p->out, "%" PRId64 " %s", count,
                           count == 1 ? kinds[i].one : kinds[i].many);
        if (strcmp(kinds[i].key, "answers") == 0)
            write_services(p, affected, count);
        left--;
        ol__buf_add_text(p->out, left > 1 ? ", " : left == 1 ? " and " : "");
    }
    if (sum > 0)
        ol__buf_add_text(p->out, sum == 1 ? " is affected.\n" : " are affected.\n");
}

static void write_caveats(struct pretty *p, const struct json_node *root)
{
    const char *before = "";
    for (const struct json_node *c = json_get_items(root, "caveats"); c != NULL; c = c->next) {
        const char *text = json_get_text(c, "text");
        if (text == NULL || strcmp(text, before) == 0)
            continue; /* the same of another node, whose line has it */
        before = text;
        ol__buf_add_char(p->out, '(');
        pretty_text(p, PRETTY_PLAIN, text);
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
        const char *kind = json_get_text(json_get(root, "subject"), "kind");
        bool is_dataset = kind != NULL && strcmp(kind, "dataset") == 0;
        for (size_t id = 0; id < g.node_count; id++) {
            /* what a run or job that was asked about read or wrote stands below it already */
            if (json_get_int(g.nodes[id], "depth", -1) == 0 && (is_dataset || !g.is_shown[id]))
                write_tree(&g, id, NULL);
        }
        if (json_get_bool(root, "truncated")) {
            const char *by = json_get_text(root, "cut_by");
            if (by != NULL && strcmp(by, "members") == 0)
                ol__buf_add_text(p->out, "(there is more: not all members were looked at)\n");
            else
                ol__buf_add_format(p->out, "(there is more: --%s N)\n",
                                   by != NULL && strcmp(by, "depth") == 0 ? "depth" : "limit");
        }
        write_caveats(p, root);
        write_affected(p, root);
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
