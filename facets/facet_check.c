/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. The first value that does not fit is the one that is told.
 *  2. What the tables do not know passes: a schema allows more members than it names. */
#include "facet_check.h"

#define EDGES_MAX 64 /* bits of seen; the generator refuses objects with more members */

static const char *expected(enum ol__node_type type)
{
    static const char *const texts[] = {
        [OL_NODE_TEXT] = "text",        [OL_NODE_INT] = "a whole number",
        [OL_NODE_REAL] = "a number",    [OL_NODE_BOOL] = "true or false",
        [OL_NODE_OBJECT] = "an object", [OL_NODE_ARRAY] = "an array",
        [OL_NODE_MAP] = "an object",    [OL_NODE_ANY] = "anything"};
    return texts[type];
}

void ol__facet_check_begin(struct ol__facet_check *check, enum ol__facet_id id)
{
    const struct ol__facet_info *info = ol__facet_info(id);
    check->nodes[0] = info != NULL ? info->node : 0;
    check->seen[0] = 0;
    check->is_deleted = check->has_failed = false;
}

/* @p what is wanted: "/a/b: a number expected" */
static void fail(struct ol__facet_check *check, const struct ol__json_value *value,
                 const char *what, const char *wanted)
{
    char pointer[120];
    check->has_failed = true;
    ol__json_pointer(value, pointer, sizeof pointer);
    OL_IGNORE(ol__error_set(&check->failure, OL_INVALID, "%s%s%s %s", pointer,
                            pointer[0] != '\0' ? ": " : "", what, wanted),
              "told at the end");
}

static void mark_seen(struct ol__facet_check *check, const struct ol__json_value *value)
{
    const struct ol__json_step *step = &value->path[value->depth - 1];
    const struct ol__facet_node *above = ol__facet_node(check->nodes[value->depth - 1]);
    if (above->type != OL_NODE_OBJECT || step->is_index)
        return;
    for (uint16_t i = 0; i < above->edge_count && i < EDGES_MAX; i++) {
        const struct ol__facet_edge *e = &ol__facet_edges[above->first_edge + i];
        if (ol__span_equal(step->key, (struct ol__span){e->key, e->key_size}))
            check->seen[value->depth - 1] |= UINT64_C(1) << i;
    }
}

/* At the end of an object: what it should have had. */
static void check_required(struct ol__facet_check *check, const struct ol__json_value *value)
{
    const struct ol__facet_node *node = ol__facet_node(check->nodes[value->depth]);
    if (node->type != OL_NODE_OBJECT || (value->depth == 0 && check->is_deleted))
        return;
    for (uint16_t i = 0; i < node->edge_count && i < EDGES_MAX; i++) {
        const struct ol__facet_edge *e = &ol__facet_edges[node->first_edge + i];
        if (e->is_required && (check->seen[value->depth] >> i & 1) == 0) {
            fail(check, value, e->key, "is required");
            return;
        }
    }
}

void ol__facet_check_value(struct ol__facet_check *check, const struct ol__json_value *value)
{
    if (check->has_failed ||
        value->depth >= OL_COUNT(check->nodes)) /* promise 1; too deep anyway */
        return;
    bool is_end = value->type == OL_JSON_OBJECT_END || value->type == OL_JSON_ARRAY_END;
    if (is_end) {
        if (value->type == OL_JSON_OBJECT_END)
            check_required(check, value);
        return;
    }
    if (value->depth > 0) {
        const struct ol__json_step *step = &value->path[value->depth - 1];
        bool is_recursion = false;
        uint16_t above = check->nodes[value->depth - 1];
        if (value->depth == 1 && ol__span_equal(step->key, OL_SPAN_LIT("_deleted")))
            check->is_deleted = value->type == OL_JSON_BOOL && value->boolean;
        mark_seen(check, value);
        check->nodes[value->depth] = above != 0 ? ol__facet_step(above, step, &is_recursion) : 0;
        check->seen[value->depth] = 0;
    }
    uint16_t node = check->nodes[value->depth];
    if (node != 0 && !ol__facet_type_fits(node, value->type, value->text))
        fail(check, value, expected(ol__facet_node(node)->type), "expected");
}

ol_status ol__facet_check_end(const struct ol__facet_check *check, struct ol_error *err)
{
    if (!check->has_failed)
        return OL_OK;
    if (err != NULL)
        *err = check->failure;
    return OL_INVALID;
}
