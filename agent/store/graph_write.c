/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of a walk as JSON (SCHEMA.md, "Answers"). */
#include "graph_columns.h"

#include "answers.h"

#include <stdlib.h>

#define ATTEMPTS_SHOWN 64

static ol_status write_dataset(struct walk *w, const struct graph_node *node)
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

/* Attempts at the step of a run: it is in the graph, they are not. */
static ol_status write_attempts(struct walk *w, const struct graph_node *node)
{
    struct ol__json_writer *json = &w->ask->json;
    struct ask_run run;
    ol_status status = ask_write_text(w->ask, "attempt", node->attempt);
    if (node->attempt_count == 0 || status != OL_OK)
        return status;
    ol__json_key(json, "attempts");
    ol__json_begin_array(json);
    for (size_t i = 0; i < OL_MIN(node->attempt_count, (size_t)ATTEMPTS_SHOWN) && status == OL_OK;
         i++) {
        status = ask_run(w->ask, w->attempts[node->first_attempt + i], false, &run);
        if (status != OL_OK)
            break;
        ol__json_begin_object(json);
        ol__json_member_text(json, "run_id", run.run_id);
        ol__json_member_text(json, "state", run_status_name(run.row.status));
        ask_write_time(w->ask, "started", run.row.started);
        ask_write_time(w->ask, "ended", run.row.ended);
        status = ask_write_text(w->ask, "error", run.row.error);
        ol__json_end_object(json);
    }
    ol__json_end_array(json);
    if (node->attempt_count > ATTEMPTS_SHOWN)
        ol__json_member_uint(json, "attempts_more", node->attempt_count - ATTEMPTS_SHOWN);
    return status;
}

static ol_status write_run(struct walk *w, const struct graph_node *node, int64_t *ret_job)
{
    struct ask_run run;
    ol_status status = ask_run(w->ask, node->id, false, &run);
    if (status != OL_OK)
        return status;
    *ret_job = run.row.job;
    status = ask_write_run(w->ask, &run);
    return status == OL_OK ? write_attempts(w, node) : status;
}

/* Of a dataset that was asked for in no version: how many of it were read. */
static ol_status write_versions_read(struct walk *w, size_t index)
{
    const struct graph_node *node = &w->nodes[index];
    struct graph_set versions = {0};
    ol_status status = OL_OK;
    if (node->kind != GRAPH_DATASET || node->version != 0)
        return OL_OK;
    for (size_t i = 0; i < w->edge_count && status == OL_OK; i++)
        if (w->edges[i].from == index && w->edges[i].version > 0)
            status = graph_set_put(w, &versions, (uint64_t)w->edges[i].version);
    if (versions.count > 0)
        ol__json_member_uint(&w->ask->json, "versions_read", versions.count);
    free(versions.slots);
    return status;
}

static ol_status write_node(struct walk *w, size_t index, struct graph_counts *counts)
{
    static const char *const kinds[] = {"dataset", "run", "job", "member", "answer"};
    const struct graph_node *node = &w->nodes[index];
    struct ol__json_writer *json = &w->ask->json;
    int64_t job = 0;
    ol_status status;
    ol__json_begin_object(json);
    ol__json_member_uint(json, "id", index);
    ol__json_member_text(json, "kind", kinds[node->kind]);
    ol__json_member_int(json, "depth", node->depth);
    if (node->kind == GRAPH_DATASET) {
        status = write_dataset(w, node);
    } else if (node->kind == GRAPH_JOB) {
        status = ask_write_name(w->ask, ASK_JOB, node->id);
        job = node->id;
    } else if (node->kind == GRAPH_MEMBER) {
        status = graph_write_member(w, node);
    } else if (node->kind == GRAPH_ANSWER) {
        status = ask_write_answer(w->ask, node->id);
    } else {
        status = write_run(w, node, &job);
    }
    if (w->columns != NULL)
        graph_write_column(w, node);
    if (node->beyond > 0)
        ol__json_member_int(json, "beyond", node->beyond);
    if (status == OL_OK && !w->is_upstream && index < w->root_count)
        status = write_versions_read(w, index);
    ol__json_end_object(json);
    if (status == OL_OK && !w->is_upstream)
        status = graph_count(w, counts, index, job);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

ol_status graph_write_node(struct walk *w, size_t index)
{
    struct graph_counts counts = {0};
    ol_status status = write_node(w, index, &counts);
    graph_counts_release(&counts);
    return status;
}

static ol_status write_edge(struct walk *w, const struct graph_edge *edge)
{
    struct ol__json_writer *json = &w->ask->json;
    ol__json_begin_object(json);
    ol__json_member_uint(json, "from", edge->from);
    ol__json_member_uint(json, "to", edge->to);
    if (edge->is_maybe)
        ol__json_member_bool(json, "maybe", true);
    if (edge->transformations != NULL) {
        ol__json_key(json, "transformations");
        ol__json_raw(json, ol__span_text(edge->transformations));
    }
    ol_status status = ask_write_version(w->ask, edge->version);
    ol__json_end_object(json);
    return status;
}

/* Where the walk ended before its ends, and at how many ways on. */
static void write_cuts(struct walk *w)
{
    struct ol__json_writer *json = &w->ask->json;
    int64_t beyond = w->roots_beyond;
    const char *by = w->is_cut_by_limit   ? "limit"
                     : w->is_cut_by_depth ? "depth"
                     : w->is_cut_by_runs  ? "runs"
                                          : "members";
    bool is_cut =
        w->is_cut_by_depth || w->is_cut_by_limit || w->is_cut_by_members || w->is_cut_by_runs;
    ol__json_member_bool(json, "truncated", is_cut);
    if (!is_cut)
        return;
    ol__json_member_text(json, "cut_by", by);
    for (size_t i = 0; i < w->count; i++)
        beyond += w->nodes[i].beyond;
    if (beyond > 0)
        ol__json_member_int(json, "beyond", beyond);
}

ol_status graph_write(struct walk *w)
{
    struct ol__json_writer *json = &w->ask->json;
    struct graph_counts counts = {0};
    ol_status status = OL_OK;
    ol__json_member_text(json, "direction", w->is_upstream ? "upstream" : "downstream");
    ol__json_key(json, "nodes");
    ol__json_begin_array(json);
    for (size_t i = 0; i < w->count && status == OL_OK; i++)
        status = write_node(w, i, &counts);
    ol__json_end_array(json);
    ol__json_key(json, "edges");
    ol__json_begin_array(json);
    for (size_t i = 0; i < w->edge_count && status == OL_OK; i++)
        status = write_edge(w, &w->edges[i]);
    ol__json_end_array(json);
    if (!w->is_upstream && status == OL_OK)
        status = graph_count_rest(w, &counts);
    if (!w->is_upstream)
        graph_write_counts(w, &counts);
    graph_write_caveats(w);
    write_cuts(w);
    graph_counts_release(&counts);
    return status;
}
