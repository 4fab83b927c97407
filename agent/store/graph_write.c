/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of a walk as JSON (SCHEMA.md, "Answers"). */
#include "graph.h"

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

static ol_status write_node(struct walk *w, size_t index)
{
    static const char *const kinds[] = {"dataset", "run", "job"};
    const struct graph_node *node = &w->nodes[index];
    struct ol__json_writer *json = &w->ask->json;
    struct ask_run run;
    ol_status status;
    ol__json_begin_object(json);
    ol__json_member_uint(json, "id", index);
    ol__json_member_text(json, "kind", kinds[node->kind]);
    ol__json_member_int(json, "depth", node->depth);
    if (node->kind == GRAPH_DATASET) {
        status = write_dataset(w, node);
    } else if (node->kind == GRAPH_JOB) {
        status = ask_write_name(w->ask, ASK_JOB, node->id);
    } else {
        status = ask_run(w->ask, node->id, false, &run);
        if (status == OL_OK)
            status = ask_write_run(w->ask, &run);
    }
    ol__json_end_object(json);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

ol_status graph_write(struct walk *w)
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
