/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Finding a facet takes one hash of its key and one comparison; the generator proved that no
 * two known facets share a slot. The hash here and facet_hash() in generate.py are the same.
 *  2. No function reads outside the tables, whatever the bytes say. */
#include "facet_info.h"

static uint32_t facet_hash(uint32_t seed, enum ol__entity entity, struct ol__span key)
{
    uint32_t h = (seed ^ (uint32_t)entity) * 16777619u;
    for (size_t i = 0; i < key.size; i++)
        h = (h ^ (uint8_t)key.data[i]) * 16777619u;
    return h ^ h >> 15;
}

enum ol__facet_id ol__facet_find(enum ol__entity entity, struct ol__span key)
{
    if (key.size == 0 || key.size > OL_FACET_KEY_MAX)
        return OL_FACET_UNKNOWN;
    const struct ol__facet_slot_key *slot =
        &ol__facet_slots[facet_hash(ol__facet_slot_seed, entity, key) & ol__facet_slot_mask];
    if (slot->facet == 0 || slot->entity != (uint8_t)entity ||
        !ol__span_equal(key, ol__span_text(slot->key)))
        return OL_FACET_UNKNOWN;
    return (enum ol__facet_id)slot->facet;
}

const struct ol__facet_info *ol__facet_info(enum ol__facet_id id)
{
    return id > OL_FACET_UNKNOWN && id < OL_FACET_COUNT ? &ol__facet_infos[id] : NULL;
}

const struct ol__field_info *ol__field_info(enum ol__field_id id)
{
    return id > OL_FIELD_UNKNOWN && id < OL_FIELD_COUNT ? &ol__field_infos[id] : NULL;
}

const struct ol__facet_node *ol__facet_node(uint16_t node)
{
    assert(node < OL_FACET_NODE_COUNT);
    return &ol__facet_nodes[node];
}

uint16_t ol__facet_step(uint16_t node, const struct ol__json_step *step, bool *ret_is_recursion)
{
    const struct ol__facet_node *n = ol__facet_node(node);
    if (n->type == OL_NODE_ARRAY)
        return step->is_index ? n->element : 0;
    if (step->is_index)
        return 0;
    if (n->type == OL_NODE_MAP)
        return n->element;
    for (uint16_t i = 0; i < n->edge_count; i++) {
        const struct ol__facet_edge *e = &ol__facet_edges[n->first_edge + i];
        if (e->key_size == step->key.size && memcmp(e->key, step->key.data, e->key_size) == 0) {
            if (e->is_recursion)
                *ret_is_recursion = true;
            return e->node;
        }
    }
    return 0;
}

enum ol__field_id ol__facet_field(enum ol__facet_id id, const struct ol__json_step *path,
                                  size_t depth)
{
    const struct ol__facet_info *info = ol__facet_info(id);
    uint16_t node = info != NULL ? info->node : 0;
    bool is_recursion = false;
    for (size_t i = 0; i < depth && node != 0; i++)
        node = ol__facet_step(node, &path[i], &is_recursion);
    return is_recursion || depth == 0 ? OL_FIELD_UNKNOWN
                                      : (enum ol__field_id)ol__facet_node(node)->field;
}

static bool is_integer(struct ol__span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '.' || text.data[i] == 'e' || text.data[i] == 'E')
            return false;
    return true;
}

bool ol__facet_type_fits(uint16_t node, enum ol__json_type type, struct ol__span text)
{
    switch (ol__facet_node(node)->type) {
    case OL_NODE_TEXT:
        return type == OL_JSON_STRING;
    case OL_NODE_INT:
        return type == OL_JSON_NUMBER && is_integer(text);
    case OL_NODE_REAL:
        return type == OL_JSON_NUMBER;
    case OL_NODE_BOOL:
        return type == OL_JSON_BOOL;
    case OL_NODE_OBJECT:
    case OL_NODE_MAP:
        return type == OL_JSON_OBJECT || type == OL_JSON_OBJECT_END;
    case OL_NODE_ARRAY:
        return type == OL_JSON_ARRAY || type == OL_JSON_ARRAY_END;
    case OL_NODE_ANY:
        return true;
    }
    return true;
}
