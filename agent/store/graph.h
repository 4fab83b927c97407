/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_GRAPH_H
#define STORE_GRAPH_H
/** @file
 * A walk over the graph: ask_graph.c goes, graph_nodes.c keeps what was found, graph_write.c writes
 * it. Threads: one.
 */
#include "ask.h"

enum graph_kind { GRAPH_DATASET, GRAPH_RUN, GRAPH_JOB };
struct graph_node {
    enum graph_kind kind;
    int64_t id;      /* dataset, run or (static edges) job */
    int64_t version; /* dataset: 0 none */
    int64_t
        run; /* dataset: the run that left it so; 0 unknown; below 0: job -run, by a static edge */
    int64_t at; /* dataset: under which time that run files its edges */
    int64_t depth;
};
struct graph_edge {
    size_t from, to;
};

struct walk {
    struct ask *ask;
    bool is_upstream, is_cut_by_depth, is_cut_by_limit;
    int64_t depth, limit;
    struct graph_node *nodes; /* owned; also the queue */
    size_t count, cap;
    struct graph_edge *edges; /* owned */
    size_t edge_count, edge_cap;
    uint32_t *slots; /* owned; hash of node -> index + 1 */
    size_t slot_count;
    struct ask_edge *found; /* owned; scratch */
    size_t found_count, found_cap;
};

/* ---- What was found (graph_nodes.c) ---- */
ol_status graph_nomem(struct walk *w);
/** More room for @p items; NULL: there is none, and all is as it was. */
void *graph_grow(void *items, size_t *cap, size_t item_size);
/** The node's index, new or not. @return OL_OK; OL_END: the limit is reached and it is not there.
 */
OL_NODISCARD ol_status graph_put_node(struct walk *w, const struct graph_node *node, size_t *ret);
/** Put @p node and an edge between it and node @p other, in the direction that data flows. Nothing
 * where the limit is reached. */
OL_NODISCARD ol_status graph_put_edge(struct walk *w, size_t other, const struct graph_node *node);
/** The run of an edge, or the job of a static one. */
struct graph_node graph_maker(const struct ask_edge *edge, int64_t depth);
/** A dataset in @p version (0: that of @p writer) as @p writer left it. */
struct graph_node graph_dataset(int64_t dataset, int64_t version, const struct ask_edge *writer,
                                int64_t depth);
void graph_release(struct walk *w);

/* ---- Writing (graph_write.c) ---- */
/** Members direction, nodes, edges, truncated. */
OL_NODISCARD ol_status graph_write(struct walk *w);
#endif
