/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: a node is there once, however often it is put. */
#include "graph.h"

#include <stdlib.h>

ol_status graph_nomem(struct walk *w)
{
    return ol__error_set(w->ask->err, OL_NOMEM, "store: out of memory");
}

void *graph_grow(void *items, size_t *cap, size_t item_size)
{
    size_t count = OL_MAX(*cap * 2, (size_t)64);
    void *more = realloc(items, count * item_size);
    if (more != NULL)
        *cap = count;
    return more;
}

static size_t hash_node(const struct graph_node *n)
{
    uint64_t h = (uint64_t)n->kind;
    h = (h ^ (uint64_t)n->id) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29 ^ (uint64_t)n->version) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29 ^ (uint64_t)n->run) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29 ^ (uint64_t)n->column) * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 32);
}

static bool is_same(const struct graph_node *a, const struct graph_node *b)
{
    return a->kind == b->kind && a->id == b->id && a->version == b->version && a->run == b->run &&
           a->column == b->column;
}

static ol_status rehash(struct walk *w)
{
    size_t count = w->slot_count == 0 ? 256 : w->slot_count * 2;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (slots == NULL)
        return graph_nomem(w);
    for (size_t i = 0; i < w->count; i++) {
        size_t at = hash_node(&w->nodes[i]) & (count - 1);
        while (slots[at] != 0)
            at = (at + 1) & (count - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(w->slots);
    w->slots = slots;
    w->slot_count = count;
    return OL_OK;
}

ol_status graph_put_node(struct walk *w, const struct graph_node *node, size_t *ret)
{
    if (w->count * 2 >= w->slot_count) {
        ol_status status = rehash(w);
        if (status != OL_OK)
            return status;
    }
    size_t at = hash_node(node) & (w->slot_count - 1);
    for (; w->slots[at] != 0; at = (at + 1) & (w->slot_count - 1))
        if (is_same(&w->nodes[w->slots[at] - 1], node)) {
            *ret = w->slots[at] - 1;
            w->nodes[*ret].is_part = w->nodes[*ret].is_part && node->is_part;
            return OL_OK;
        }
    if ((int64_t)w->count >= w->limit) {
        w->is_cut_by_limit = true;
        return OL_END;
    }
    if (w->count == w->cap) {
        struct graph_node *nodes = graph_grow(w->nodes, &w->cap, sizeof *nodes);
        if (nodes == NULL)
            return graph_nomem(w);
        w->nodes = nodes;
    }
    w->nodes[w->count] = *node;
    *ret = w->count++;
    w->slots[at] = (uint32_t)w->count;
    return OL_OK;
}

ol_status graph_put_edge(struct walk *w, size_t other, const struct graph_node *node,
                         const struct graph_edge *like, size_t *ret_index)
{
    size_t index = GRAPH_NONE;
    ol_status status = graph_put_node(w, node, &index);
    if (ret_index != NULL)
        *ret_index = index;
    if (status == OL_END)
        w->nodes[other].beyond++;
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    struct graph_edge edge = like != NULL ? *like : (struct graph_edge){0};
    edge.from = w->is_upstream ? index : other;
    edge.to = w->is_upstream ? other : index;
    for (size_t i = w->edge_count; i-- > 0 && i + 8 >= w->edge_count;)
        if (w->edges[i].from == edge.from && w->edges[i].to == edge.to)
            return OL_OK; /* the same input with and without statistics, say */
    if (w->edge_count == w->edge_cap) {
        struct graph_edge *edges = graph_grow(w->edges, &w->edge_cap, sizeof *edges);
        if (edges == NULL)
            return graph_nomem(w);
        w->edges = edges;
    }
    w->edges[w->edge_count++] = edge;
    return OL_OK;
}

struct graph_node graph_maker(const struct ask_edge *edge, int64_t depth)
{
    return (struct graph_node){.kind = edge->run != 0 ? GRAPH_RUN : GRAPH_JOB,
                               .id = edge->run != 0 ? edge->run : edge->job,
                               .depth = depth};
}

struct graph_node graph_dataset(int64_t dataset, int64_t version, const struct ask_edge *writer,
                                int64_t depth)
{
    return (struct graph_node){.kind = GRAPH_DATASET,
                               .id = dataset,
                               .version = version != 0 ? version : writer->version,
                               .run = writer->run != 0 ? writer->run : -writer->job,
                               .at = writer->at,
                               .depth = depth};
}

bool graph_has_node(const struct walk *w, const struct graph_node *node)
{
    if (w->slot_count == 0)
        return false;
    size_t at = hash_node(node) & (w->slot_count - 1);
    while (w->slots[at] != 0 && !is_same(&w->nodes[w->slots[at] - 1], node))
        at = (at + 1) & (w->slot_count - 1);
    return w->slots[at] != 0;
}

static ol_status index_edges(struct walk *w)
{
    w->edge_heads = malloc((w->count + 1) * sizeof *w->edge_heads);
    w->edge_nexts = malloc((w->edge_count + 1) * sizeof *w->edge_nexts);
    if (w->edge_heads == NULL || w->edge_nexts == NULL)
        return OL_NOMEM;
    for (size_t i = 0; i < w->count; i++)
        w->edge_heads[i] = GRAPH_NONE;
    for (size_t i = w->edge_count; i-- > 0;) {
        w->edge_nexts[i] = w->edge_heads[w->edges[i].to];
        w->edge_heads[w->edges[i].to] = i;
    }
    return OL_OK;
}

ol_status graph_first_edge_to(struct walk *w, size_t index, size_t *ret)
{
    if (w->edge_heads == NULL && index_edges(w) != OL_OK)
        return graph_nomem(w);
    *ret = w->edge_heads[index];
    return OL_OK;
}

size_t graph_next_edge_to(const struct walk *w, size_t edge)
{
    return w->edge_nexts[edge];
}

bool graph_is_half_full(const struct walk *w, int64_t depth)
{
    return depth == 0 && (int64_t)w->count >= w->limit / 2 && w->count > 1;
}

void graph_release(struct walk *w)
{
    free(w->edge_heads);
    free(w->edge_nexts);
    free(w->nodes);
    free(w->edges);
    free(w->slots);
    free(w->found);
    free(w->attempts);
}
