/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A facet that is known is walked along its tree of nodes, one step for each value; what is not
 * known there is node 0 and costs nothing further.
 *  2. Nothing here refuses an event: what breaks a facet's schema is a warning (event_warn()
 * refuses if the reader is strict). Limits do refuse. */
#include "event_impl.h"

static const char *expected(enum ol__node_type type)
{
    static const char *const texts[] = {
        [OL_NODE_TEXT] = "text expected",        [OL_NODE_INT] = "a whole number expected",
        [OL_NODE_REAL] = "a number expected",    [OL_NODE_BOOL] = "true or false expected",
        [OL_NODE_OBJECT] = "an object expected", [OL_NODE_ARRAY] = "an array expected",
        [OL_NODE_MAP] = "an object expected",    [OL_NODE_ANY] = "anything expected"};
    return texts[type];
}

static ol_status open_facet(struct ol__event_reader *r, const struct ol__json_value *v,
                            struct ol_error *err)
{
    if (v->type != OL_JSON_OBJECT)
        return event_warn(r, OL_WARN_FACET, v, "a facet must be an object", err);
    struct ol__span key = v->path[v->depth - 1].key;
    enum ol__facet_id id = ol__facet_find(r->entity, key);
    r->is_job_type = id == OL_FACET_JOB_JOB_TYPE;
    r->is_walking = id != OL_FACET_UNKNOWN && (r->depth == OL_EVENT_ALL || r->limits.is_strict);
    r->nodes[v->depth] = id != OL_FACET_UNKNOWN ? ol__facet_info(id)->node : 0;
    r->recursion_depth = 0;
    if (r->depth != OL_EVENT_ALL)
        return OL_OK;
    struct ol__event *e = &r->event;
    ol_status st = event_grow((void **)&r->facets, &r->facet_cap, e->facet_count, sizeof *r->facets,
                              OL_EVENT_FACET_MAX, "facets", err);
    if (st != OL_OK)
        return st;
    bool has_dataset = r->section != SECTION_RUN && r->section != SECTION_JOB;
    struct ol__event_facet *f = &r->facets[e->facet_count];
    *f = (struct ol__event_facet){.entity = r->entity,
                                  .dataset = has_dataset ? (int)r->element_dataset : -1,
                                  .id = id,
                                  .json = {r->text.data + v->begin, 0}};
    st = event_keep(r, key, &f->key, err);
    if (st != OL_OK)
        return st;
    r->facet = e->facet_count++;
    return OL_OK;
}

static ol_status add_fact(struct ol__event_reader *r, const struct ol__json_value *v,
                          uint16_t field, struct ol_error *err)
{
    struct ol__event *e = &r->event;
    ol_status st = event_grow((void **)&r->facts, &r->fact_cap, e->fact_count, sizeof *r->facts,
                              OL_EVENT_FACT_MAX, "facts", err);
    if (st != OL_OK)
        return st;
    struct ol__event_fact *f = &r->facts[e->fact_count];
    *f = (struct ol__event_fact){
        .facet = (int)r->facet, .field = (enum ol__field_id)field, .index = -1, .type = v->type};
    for (size_t d = r->base + 1; d < v->depth; d++)
        if (v->path[d].is_index) {
            f->index = (int)v->path[d].index; /* at most one a byte of text: fits */
            break;
        }
    if (ol__facet_info(r->facets[r->facet].id)->has_map)
        for (size_t d = r->base + 1; d < v->depth; d++)
            if (ol__facet_node(r->nodes[d])->type == OL_NODE_MAP) {
                st = event_keep(r, v->path[d].key, &f->map_key, err);
                break;
            }
    if (st == OL_OK && v->type == OL_JSON_BOOL)
        f->text = v->boolean ? OL_SPAN_LIT("true") : OL_SPAN_LIT("false");
    else if (st == OL_OK)
        st = event_keep(r, v->text, &f->text, err);
    if (st == OL_OK)
        e->fact_count++;
    return st;
}

/* A value below the facet's own object. */
static ol_status walk(struct ol__event_reader *r, const struct ol__json_value *v,
                      struct ol_error *err)
{
    bool is_recursion = false;
    uint16_t above = r->nodes[v->depth - 1];
    uint16_t node = above != 0 ? ol__facet_step(above, &v->path[v->depth - 1], &is_recursion) : 0;
    if (v->depth < OL_COUNT(r->nodes))
        r->nodes[v->depth] = node;
    if (node == 0)
        return OL_OK;
    if (!ol__facet_type_fits(node, v->type, v->text)) {
        r->nodes[v->depth] = 0; /* what lies below is not what we know */
        return event_warn(r, OL_WARN_FACET, v, expected(ol__facet_node(node)->type), err);
    }
    if (r->recursion_depth == 0 || v->depth <= r->recursion_depth)
        r->recursion_depth = is_recursion ? v->depth : 0;
    uint16_t field = ol__facet_node(node)->field;
    if (field == 0 || r->recursion_depth != 0 || r->depth != OL_EVENT_ALL)
        return OL_OK;
    return add_fact(r, v, field, err);
}

ol_status event_facet_value(struct ol__event_reader *r, const struct ol__json_value *v,
                            struct ol_error *err)
{
    bool is_end = v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END;
    if (v->depth == r->base + 1) {
        if (!is_end)
            return open_facet(r, v, err);
        if (r->depth == OL_EVENT_ALL && v->type == OL_JSON_OBJECT_END)
            r->facets[r->facet].json.size = v->end - v->begin;
        r->is_walking = r->is_job_type = false;
        return OL_OK;
    }
    if (r->is_job_type && v->depth == r->base + 2 && v->type == OL_JSON_STRING &&
        ol__span_equal(v->path[r->base + 1].key, OL_SPAN_LIT("processingType"))) {
        ol_status st = event_keep(r, v->text, &r->event.processing_type, err);
        if (st != OL_OK)
            return st;
    }
    return r->is_walking && !is_end ? walk(r, v, err) : OL_OK;
}

void event_drop_facets(struct ol__event_reader *r, enum ol__entity entity, int dataset)
{
    struct ol__event *e = &r->event;
    if (entity == OL_ENTITY_JOB)
        e->processing_type = (struct ol__span){NULL, 0};
    if (r->depth != OL_EVENT_ALL)
        return;
    /* facets of one object stand together only if nothing else came between: move one by one */
    size_t facets = 0, facts = 0, next_fact = 0;
    for (size_t i = 0; i < e->facet_count; i++) {
        bool is_kept = r->facets[i].entity != entity || r->facets[i].dataset != dataset;
        while (next_fact < e->fact_count && r->facts[next_fact].facet == (int)i) {
            if (is_kept) {
                r->facts[facts] = r->facts[next_fact];
                r->facts[facts++].facet = (int)facets;
            }
            next_fact++;
        }
        if (is_kept)
            r->facets[facets++] = r->facets[i];
    }
    e->facet_count = facets;
    e->fact_count = facts;
}
