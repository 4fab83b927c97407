/* SPDX-License-Identifier: Apache-2.0 */
/* `why` and `impact`: a walk over dataset versions and the runs that made and read them.
 * Promises:
 *  1. A node is a dataset in one version as one run left it, or one run: nothing is visited twice,
 * so cycles end.
 *  2. Backward, an input leads to the run that wrote that very version; without a version, to the
 * run that wrote it last before the reader started. Forward, of each job the latest run that read
 * what is meant.
 *  3. No more than `limit` nodes and `depth` steps (dataset to dataset); the document says which of
 * them cut it. */
#include "ask.h"

#include <stdlib.h>

#define DEPTH_DEFAULT 20
#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 100000

enum node_kind { NODE_DATASET, NODE_RUN, NODE_JOB };
struct node {
    enum node_kind kind;
    int64_t id;      /* dataset, run or (static edges) job */
    int64_t version; /* dataset: 0 none */
    int64_t
        run; /* dataset: the run that left it so; 0 unknown; below 0: job -run, by a static edge */
    int64_t at; /* dataset: under which time that run files its edges */
    int64_t depth;
};
struct edge {
    size_t from, to;
};

struct walk {
    struct ask *ask;
    bool is_upstream, is_cut_by_depth, is_cut_by_limit;
    int64_t depth, limit;
    struct node *nodes; /* owned; also the queue */
    size_t count, cap;
    struct edge *edges; /* owned */
    size_t edge_count, edge_cap;
    uint32_t *slots; /* owned; hash of node -> index + 1 */
    size_t slot_count;
    struct ask_edge *found; /* owned; scratch */
    size_t found_count, found_cap;
};

static ol_status nomem(struct walk *w)
{
    return ol__error_set(w->ask->err, OL_NOMEM, "store: out of memory");
}

static void *grow(void *items, size_t *cap, size_t item_size)
{
    size_t count = OL_MAX(*cap * 2, (size_t)64);
    void *more = realloc(items, count * item_size);
    if (more != NULL)
        *cap = count;
    return more;
}

static size_t hash_node(const struct node *n)
{
    uint64_t h = (uint64_t)n->kind;
    h = (h ^ (uint64_t)n->id) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29 ^ (uint64_t)n->version) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29 ^ (uint64_t)n->run) * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 32);
}

static bool is_same(const struct node *a, const struct node *b)
{
    return a->kind == b->kind && a->id == b->id && a->version == b->version && a->run == b->run;
}

static ol_status rehash(struct walk *w)
{
    size_t count = w->slot_count == 0 ? 256 : w->slot_count * 2;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (slots == NULL)
        return nomem(w);
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

/* The node's index, new or not. @return OL_OK, OL_END: the limit is reached and it is not there. */
static ol_status put_node(struct walk *w, const struct node *node, size_t *ret)
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
            return OL_OK;
        }
    if ((int64_t)w->count >= w->limit) {
        w->is_cut_by_limit = true;
        return OL_END;
    }
    if (w->count == w->cap) {
        struct node *nodes = grow(w->nodes, &w->cap, sizeof *nodes);
        if (nodes == NULL)
            return nomem(w);
        w->nodes = nodes;
    }
    w->nodes[w->count] = *node;
    *ret = w->count++;
    w->slots[at] = (uint32_t)w->count;
    return OL_OK;
}

/* Put @p node and an edge between it and node @p other, in the direction that data flows. */
static ol_status put_edge(struct walk *w, size_t other, const struct node *node)
{
    size_t index;
    ol_status status = put_node(w, node, &index);
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    struct edge edge = {.from = w->is_upstream ? index : other,
                        .to = w->is_upstream ? other : index};
    for (size_t i = w->edge_count; i-- > 0 && i + 8 >= w->edge_count;)
        if (w->edges[i].from == edge.from && w->edges[i].to == edge.to)
            return OL_OK; /* the same input with and without statistics, say */
    if (w->edge_count == w->edge_cap) {
        struct edge *edges = grow(w->edges, &w->edge_cap, sizeof *edges);
        if (edges == NULL)
            return nomem(w);
        w->edges = edges;
    }
    w->edges[w->edge_count++] = edge;
    return OL_OK;
}

static struct node maker_node(const struct ask_edge *edge, int64_t depth)
{
    return (struct node){.kind = edge->run != 0 ? NODE_RUN : NODE_JOB,
                         .id = edge->run != 0 ? edge->run : edge->job,
                         .depth = depth};
}

static struct node dataset_node(int64_t dataset, int64_t version, const struct ask_edge *writer,
                                int64_t depth)
{
    return (struct node){.kind = NODE_DATASET,
                         .id = dataset,
                         .version = version != 0 ? version : writer->version,
                         .run = writer->run != 0 ? writer->run : -writer->job,
                         .at = writer->at,
                         .depth = depth};
}

/* ---- From a run (or a job's static events) to its datasets ---- */

static ol_status load_maker(struct walk *w, const struct node *node, struct ask_run *run)
{
    *run = (struct ask_run){0};
    if (node->kind == NODE_RUN)
        return ask_run(w->ask, node->id, true, run);
    run->row.started = INT64_MAX;
    run->row.job = node->id;
    return ask_static(w->ask, ASK_JOB, node->id);
}

static ol_status from_maker(struct walk *w, size_t index)
{
    struct node node = w->nodes[index];
    struct ask_run run;
    ol_status status = load_maker(w, &node, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    uint8_t kind = w->is_upstream ? STATE_INPUT : STATE_OUTPUT;
    struct state state = w->ask->state; /* ask_writer() does not touch it */
    for (size_t i = 0; i < state.count && status == OL_OK; i++) {
        const struct state_entry *e = &state.entries[i];
        if (e->kind != kind)
            continue;
        struct ask_edge writer = {.job = node.kind == NODE_JOB ? node.id : run.row.job,
                                  .run = node.kind == NODE_RUN ? node.id : 0,
                                  .at = run.row.born};
        if (w->is_upstream)
            status = ask_writer(w->ask, e->object, e->key, run.row.started, run.row.id, &writer);
        struct node next = dataset_node(e->object, e->key, &writer, node.depth);
        if (status == OL_OK)
            status = put_edge(w, index, &next);
    }
    return status;
}

/* ---- From a dataset, forward ---- */

static ol_status keep_found(void *arg, const struct ask_edge *edge)
{
    struct walk *w = arg;
    for (size_t i = 0; i < w->found_count; i++)
        if (w->found[i].job == edge->job) /* read with and without the version: the later run */ {
            if (edge->at > w->found[i].at)
                w->found[i] = *edge;
            return OL_OK;
        }
    if (w->found_count == w->found_cap) {
        struct ask_edge *found = grow(w->found, &w->found_cap, sizeof *found);
        if (found == NULL)
            return nomem(w);
        w->found = found;
    }
    w->found[w->found_count++] = *edge;
    return (int64_t)w->found_count > w->limit ? OL_END : OL_OK;
}

/* Those that read it without saying which version, while it stood. */
static ol_status find_in_time(struct walk *w, const struct node *node)
{
    struct ask_window window = {.dataset = node->id,
                                .version = node->version != 0 ? 0 : ASK_ANY_VERSION,
                                .since = node->at,
                                .until = INT64_MAX,
                                .except_run = node->run};
    bool is_read = true;
    ol_status status = OL_OK;
    if (window.version == 0) /* mostly nobody, where versions are told */
        status = ask_has_edges(w->ask, node->id, 0, 0, &is_read);
    if (status != OL_OK || !is_read)
        return status;
    if (node->run > 0)
        status = ask_next_write(w->ask, node->id, node->at, &window.until);
    if (status == OL_OK)
        status = ask_edges(w->ask, &window, keep_found, w);
    window.since = window.until = 0; /* static edges stand at all times */
    return status == OL_OK ? ask_edges(w->ask, &window, keep_found, w) : status;
}

static ol_status forward(struct walk *w, size_t index)
{
    struct node node = w->nodes[index];
    struct ask_window window = {.dataset = node.id,
                                .version = node.version != 0 ? node.version : ASK_ANY_VERSION,
                                .since = INT64_MIN,
                                .until = INT64_MAX,
                                .except_run = node.run};
    w->found_count = 0;
    ol_status status = OL_OK;
    if (node.version != 0 || node.run == 0)
        status = ask_edges(w->ask, &window, keep_found, w);
    if (status == OL_OK && node.run != 0)
        status = find_in_time(w, &node);
    if (status == OL_OK && node.depth >= w->depth) {
        w->is_cut_by_depth = w->is_cut_by_depth || w->found_count > 0;
        return OL_OK;
    }
    for (size_t i = 0; i < w->found_count && status == OL_OK; i++) {
        struct node next = maker_node(&w->found[i], node.depth + 1);
        status = put_edge(w, index, &next);
    }
    return status;
}

static ol_status backward(struct walk *w, size_t index)
{
    struct node node = w->nodes[index];
    if (node.run == 0)
        return OL_OK;
    if (node.depth >= w->depth) {
        w->is_cut_by_depth = true;
        return OL_OK;
    }
    struct ask_edge writer = {.run = node.run > 0 ? node.run : 0, .job = -node.run};
    struct node next = maker_node(&writer, node.depth + 1);
    return put_edge(w, index, &next);
}

/* ---- Where the walk begins ---- */

static ol_status put_root(struct walk *w, const struct node *node)
{
    size_t index;
    ol_status status = put_node(w, node, &index);
    return status == OL_END ? OL_OK : status;
}

/* The job's latest run to be seen, or its static events. */
static ol_status job_root(struct walk *w, int64_t job)
{
    struct node node = {.kind = NODE_JOB, .id = job};
    sqlite3_stmt *stmt = store_bind(w->ask->store, SQL_ASK_RUNS_JOB, w->ask->err, "i", job);
    ol_status status;
    while ((status = store_step(w->ask->store, stmt, w->ask->err)) == OL_OK) {
        int64_t state = sqlite3_column_int64(stmt, 2);
        if (!ask_may_see(w->ask, sqlite3_column_int64(stmt, 1)) || state == RUN_NEW)
            continue;
        if (node.kind == NODE_JOB || state == RUN_COMPLETE)
            node = (struct node){.kind = NODE_RUN, .id = sqlite3_column_int64(stmt, 0)};
        if (state == RUN_COMPLETE)
            break;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : put_root(w, &node);
}

static ol_status put_roots(struct walk *w)
{
    struct ask *ask = w->ask;
    ol_status status = OL_OK;
    for (int i = 0; i < ask->count && status == OL_OK; i++) {
        struct node node = {.kind = NODE_RUN, .id = ask->ids[i]};
        struct ask_edge writer = {0};
        if (ask->kind == ASK_JOB) {
            status = job_root(w, ask->ids[i]);
            continue;
        }
        if (ask->kind == ASK_DATASET) {
            if (w->is_upstream || ask->versions[i] != 0)
                status = ask_writer(ask, ask->ids[i], ask->versions[i], INT64_MAX, 0, &writer);
            node = dataset_node(ask->ids[i], ask->versions[i], &writer, 0);
        }
        if (status == OL_OK)
            status = put_root(w, &node);
    }
    return status;
}

static ol_status walk_all(struct walk *w)
{
    ol_status status = put_roots(w);
    for (size_t i = 0; i < w->count && status == OL_OK; i++) {
        if (w->nodes[i].kind != NODE_DATASET)
            status = from_maker(w, i);
        else
            status = w->is_upstream ? backward(w, i) : forward(w, i);
    }
    return status;
}

/* ---- Writing ---- */

static ol_status write_dataset(struct walk *w, const struct node *node)
{
    ol_status status = ask_write_dataset(w->ask, node->id, node->version);
    struct ask_run run;
    if (status == OL_OK && node->run > 0) {
        status = ask_run(w->ask, node->run, false, &run);
        if (status == OL_OK) {
            ol__json_member_text(&w->ask->json, "written_by", run.run_id);
            ask_write_time(w->ask, "written_at", run.row.ended != 0 ? run.row.ended : run.row.last);
        }
    }
    return status == OL_NOT_FOUND ? OL_OK : status;
}

static ol_status write_node(struct walk *w, size_t index)
{
    static const char *const kinds[] = {"dataset", "run", "job"};
    const struct node *node = &w->nodes[index];
    struct ol__json_writer *json = &w->ask->json;
    struct ask_run run;
    ol_status status;
    ol__json_begin_object(json);
    ol__json_member_uint(json, "id", index);
    ol__json_member_text(json, "kind", kinds[node->kind]);
    ol__json_member_int(json, "depth", node->depth);
    if (node->kind == NODE_DATASET) {
        status = write_dataset(w, node);
    } else if (node->kind == NODE_JOB) {
        status = ask_write_name(w->ask, ASK_JOB, node->id);
    } else {
        status = ask_run(w->ask, node->id, false, &run);
        if (status == OL_OK)
            status = ask_write_run(w->ask, &run);
    }
    ol__json_end_object(json);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

static ol_status write_walk(struct walk *w)
{
    struct ol__json_writer *json = &w->ask->json;
    ol_status status = OL_OK;
    ol__json_member_text(json, "direction", w->is_upstream ? "upstream" : "downstream");
    ol__json_key(json, "nodes");
    ol__json_begin_array(json);
    for (size_t i = 0; i < w->count && status == OL_OK; i++)
        status = write_node(w, i);
    ol__json_end_array(json);
    ol__json_key(json, "edges");
    ol__json_begin_array(json);
    for (size_t i = 0; i < w->edge_count; i++) {
        ol__json_begin_object(json);
        ol__json_member_uint(json, "from", w->edges[i].from);
        ol__json_member_uint(json, "to", w->edges[i].to);
        ol__json_end_object(json);
    }
    ol__json_end_array(json);
    ol__json_member_bool(json, "truncated", w->is_cut_by_depth || w->is_cut_by_limit);
    if (w->is_cut_by_limit || w->is_cut_by_depth)
        ol__json_member_text(json, "cut_by", w->is_cut_by_limit ? "limit" : "depth");
    return status;
}

static ol_status graph(struct store *store, const struct store_question *question, bool is_upstream,
                       struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    struct walk w = {.ask = &ask, .is_upstream = is_upstream};
    if (question->subject == NULL || question->depth < 0 || question->limit < 0)
        return ol__error_set(err, OL_INVALID, "a question needs a subject, and no number below 0");
    w.depth = question->depth == 0 ? DEPTH_DEFAULT : question->depth;
    w.limit = question->limit == 0 ? LIMIT_DEFAULT : OL_MIN(question->limit, LIMIT_MAX);
    ol_status found = OL_NOT_FOUND, status = ask_begin(&ask, store, question, w.limit, out, err);
    if (status != OL_OK)
        return status;
    ol__json_begin_object(&ask.json);
    found = ask_resolve(&ask);
    status = found == OL_NOT_FOUND ? OL_OK : found;
    if (status == OL_OK)
        status = walk_all(&w);
    if (status == OL_OK)
        status = ask_write_subject(&ask);
    if (status == OL_OK)
        status = write_walk(&w);
    if (status == OL_OK)
        ol__json_end_object(&ask.json);
    free(w.nodes);
    free(w.edges);
    free(w.slots);
    free(w.found);
    status = ask_end(&ask, status);
    if (status == OL_OK && found == OL_NOT_FOUND)
        return ol__error_set(err, OL_NOT_FOUND, "nothing is recorded under '%.*s'",
                             (int)OL_MIN(ask.raw.size, 150u), ask.raw.data);
    return status;
}

ol_status store_why(struct store *store, const struct store_question *question, struct ol__buf *out,
                    struct ol_error *err)
{
    return graph(store, question, true, out, err);
}

ol_status store_impact(struct store *store, const struct store_question *question,
                       struct ol__buf *out, struct ol_error *err)
{
    return graph(store, question, false, out, err);
}
