/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_GRAPH_H
#define STORE_GRAPH_H
/** @file
 * A walk over the graph: ask_graph.c goes, graph_attempts.c tells attempts at one step apart,
 * graph_columns.c goes along one column, graph_nodes.c keeps what was found, graph_write.c and
 * graph_affected.c write it. Threads: one.
 */
#include "ask.h"

enum graph_kind { GRAPH_DATASET, GRAPH_RUN, GRAPH_JOB, GRAPH_MEMBER, GRAPH_ANSWER };
struct graph_node {
    enum graph_kind kind;
    int64_t id;      /* dataset, run or (static edges) job; answer; member: graph_members.c */
    int64_t version; /* dataset: 0 none */
    int64_t
        run; /* dataset: the run that left it so; 0 unknown; below 0: job -run, by a static edge */
    /* A walk along one column: of a dataset that column, of a run the one that it made, with the
     * output's dataset in `run`; 0: none; below 0: all of them. */
    int64_t column;
    int64_t at; /* dataset: under which time that run files its edges */
    int64_t depth;
    int64_t attempt;                     /* run: text of its own number; 0: not told */
    bool is_not_told;                    /* run: it says nothing about that column */
    size_t first_attempt, attempt_count; /* run: others at the same step, in walk.attempts */
    int64_t piece, member, held;         /* member: where it stands; how many are meant */
    int64_t holder;         /* member: the version that it is a member of; 0: several */
    bool is_part, was_part; /* dataset: only one member of it is meant; so it was followed */
    bool has_holders;       /* dataset: what holds its bytes was found before it */
    int64_t beyond;         /* ways on from here that are not in the answer */
};
struct graph_edge {
    size_t from, to;
    bool is_maybe;               /* an earlier writer of a dataset without versions */
    const char *transformations; /* JSON, kept by w->columns; NULL: not told */
    int64_t version;             /* that was read, where the dataset's node has none; 0: not told */
};
#define GRAPH_NONE SIZE_MAX

struct graph_columns; /* graph_columns.c */

struct walk {
    struct ask *ask;
    struct graph_columns *columns; /* owned; NULL: no column is asked about */
    int64_t column;                /* of what was asked about */
    bool is_upstream, is_cut_by_depth, is_cut_by_limit, is_cut_by_members, is_cut_by_runs;
    int64_t roots_beyond; /* of what was asked about, those without a node */
    int64_t depth, limit;
    struct graph_node *nodes; /* owned; also the queue */
    size_t count, cap;
    size_t root_count;        /* the first nodes are what was asked about */
    struct graph_edge *edges; /* owned */
    size_t edge_count, edge_cap;
    uint32_t *slots; /* owned; hash of node -> index + 1 */
    size_t slot_count;
    struct ask_edge *found; /* owned; scratch */
    size_t found_count, found_cap;
    int64_t *attempts; /* owned; runs */
    size_t attempt_count, attempt_cap;
    int64_t members_looked;
    bool has_lists;        /* of members, any at all */
    bool has_answers;      /* there are any at all */
    int64_t looked_at;     /* runs that were looked at as attempts */
    int64_t bodies_looked; /* of answers */
    size_t *edge_heads,
        *edge_nexts; /* owned; edges by the node they lead to; NULL: not asked yet */
    int64_t key_attempt, key_lifecycle; /* texts; 0: nobody ever used them */
};

/** From what ask_resolve() found, as far as depth and limit allow. graph_release() in any case. */
OL_NODISCARD ol_status graph_walk(struct walk *w);

/* ---- What was found (graph_nodes.c) ---- */
ol_status graph_nomem(struct walk *w);
/** More room for @p items; NULL: there is none, and all is as it was. */
void *graph_grow(void *items, size_t *cap, size_t item_size);
/** The node's index, new or not. @return OL_OK; OL_END: the limit is reached and it is not there.
 */
OL_NODISCARD ol_status graph_put_node(struct walk *w, const struct graph_node *node, size_t *ret);
/** Put @p node and an edge between it and node @p other, in the direction that data flows. @p like
 * says what else there is to the edge; NULL: nothing.
 * @param ret_index  may be NULL; GRAPH_NONE: nothing was put, the limit is reached. */
OL_NODISCARD ol_status graph_put_edge(struct walk *w, size_t other, const struct graph_node *node,
                                      const struct graph_edge *like, size_t *ret_index);
/** Forward from dataset @p index to the run or job @p reader (a walk along a column: to what it
 * made of that). @p ret_maker: its (first) node; GRAPH_NONE: none. */
OL_NODISCARD ol_status graph_put_reader(struct walk *w, size_t index, const struct ask_edge *reader,
                                        size_t *ret_maker);
/** The version that @p reader read of dataset @p index, where its node has none. */
int64_t graph_version_read(const struct walk *w, size_t index, const struct ask_edge *reader);
/** The run of an edge, or the job of a static one. */
struct graph_node graph_maker(const struct ask_edge *edge, int64_t depth);
/** A dataset in @p version (0: that of @p writer) as @p writer left it. */
struct graph_node graph_dataset(int64_t dataset, int64_t version, const struct ask_edge *writer,
                                int64_t depth);
/** Whether it is there. */
bool graph_has_node(const struct walk *w, const struct graph_node *node);
/** The edges that lead to node @p index, once the walk is over; GRAPH_NONE: no more. */
OL_NODISCARD ol_status graph_first_edge_to(struct walk *w, size_t index, size_t *ret);
size_t graph_next_edge_to(const struct walk *w, size_t edge);
/** Whether what was asked about leaves no more room for its own runs: half is for what they made.
 */
bool graph_is_half_full(const struct walk *w, int64_t depth);
void graph_release(struct walk *w);

/* ---- Across members of artifacts (graph_members.c) ---- */
OL_NODISCARD ol_status graph_prepare_members(struct walk *w);
/** From dataset @p index to what holds it and, of a whole one, to what is in it. */
OL_NODISCARD ol_status graph_follow_members(struct walk *w, size_t index);
/** Those that were followed as parts and turned out to be meant as a whole; new nodes may be there
 * afterwards. */
OL_NODISCARD ol_status graph_follow_wholes(struct walk *w);
/** Where the subject is a member, or a document of answers. */
OL_NODISCARD ol_status graph_put_member_roots(struct walk *w);
OL_NODISCARD ol_status graph_from_member(struct walk *w, size_t index);
/** Members of an open object. */
OL_NODISCARD ol_status graph_write_member(struct walk *w, const struct graph_node *node);

/* ---- Attempts (graph_attempts.c) ---- */
/** Forward from dataset @p index, where @p picked of its job was followed to node @p maker: the
 * other runs of that job that read the same. Those whose outputs somebody used are followed too,
 * the rest is kept as attempts of @p maker. */
OL_NODISCARD ol_status graph_follow_attempts(struct walk *w, size_t index, size_t maker,
                                             const struct ask_edge *picked);
/** Backward, of run @p index: runs of the same job under the same parent that did not complete. */
OL_NODISCARD ol_status graph_keep_attempts(struct walk *w, size_t index, const struct ask_run *run);

/* ---- Writing (graph_write.c) ---- */
/** Members direction, nodes, edges, truncated. */
OL_NODISCARD ol_status graph_write(struct walk *w);
/** One node, as graph_write() does it. */
OL_NODISCARD ol_status graph_write_node(struct walk *w, size_t index);

/* ---- What is affected, in numbers (graph_affected.c) ---- */
struct graph_counts {
    struct graph_set {
        uint64_t *slots; /* owned; 0: empty */
        size_t count, size;
    } models, datasets, jobs, services, runs;
    struct graph_set versioned; /* models that were counted in a version */
    struct graph_set left_out;  /* answers of one run with the same ids: graph_group_key() */
    int64_t answers, answers_not_told;
    int64_t type, name_space; /* of which is_model is known */
    bool is_model;
};
/** Count a node that was just written; ask->type and name_space are those of its dataset, @p job
 * that of its run. */
OL_NODISCARD ol_status graph_count(struct walk *w, struct graph_counts *counts, size_t index,
                                   int64_t job);
/** What can only be counted when all nodes were. */
OL_NODISCARD ol_status graph_count_rest(struct walk *w, struct graph_counts *counts);
/** Member "affected". */
void graph_write_counts(struct walk *w, const struct graph_counts *counts);
OL_NODISCARD ol_status graph_set_put(struct walk *w, struct graph_set *set, uint64_t key);
bool graph_set_has(const struct graph_set *set, uint64_t key);

/* ---- Answers that used what is affected (graph_answers.c) ---- */
struct graph_answers {
    int64_t count;    /* those that did, and those that do not tell */
    int64_t not_told; /* of count */
};
/** Of the run that is node @p index. */
OL_NODISCARD ol_status graph_count_answers(struct walk *w, struct graph_counts *counts,
                                           size_t index, struct graph_answers *ret);
/** In counts->left_out: answers of @p run with these @p ids. */
uint64_t graph_group_key(int64_t run, int64_t ids);
void graph_counts_release(struct graph_counts *counts);
#endif
