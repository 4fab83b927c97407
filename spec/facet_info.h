/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_FACET_INFO_H
#define OL_FACET_INFO_H
/** @file
 * What is known of each facet, over tables that spec/generate.py makes of spec/facts/. A facet is
 * found by entity and key, never by key alone; a field of it by walking its tree of nodes along a
 * JSON path. All data is constant. Threads: any.
 */
#include "entity.h"
#include "facet_table.h" /* generated: enum ol__facet_id, enum ol__field_id */
#include "json_read.h"

/** What a value is in JSON. */
enum ol__node_type {
    OL_NODE_TEXT,
    OL_NODE_INT,
    OL_NODE_REAL,
    OL_NODE_BOOL,
    OL_NODE_OBJECT,
    OL_NODE_ARRAY, /**< its element is `element` */
    OL_NODE_MAP,   /**< an object with keys of the user's; each value is `element` */
    OL_NODE_ANY    /**< anything; nothing below is known */
};

struct ol__facet_info {
    enum ol__entity entity;
    const char *key;
    const char *schema_url; /**< with #/$defs/... */
    uint16_t node;          /**< the facet's own object */
    bool is_kept;           /**< never shed to meet a size limit */
    bool has_map;           /**< some field of it lies in a map */
};

struct ol__facet_node {
    enum ol__node_type type;
    uint16_t field;                  /**< enum ol__field_id of a leaf; else 0 */
    uint16_t element;                /**< node of ARRAY and MAP elements */
    uint16_t first_edge, edge_count; /**< members of OBJECT */
};
struct ol__facet_edge {
    const char *key;
    uint8_t key_size;
    bool is_required;
    bool is_recursion; /**< leads to a node that is also nearer to the root */
    uint16_t node;
};
struct ol__field_info {
    enum ol__facet_id facet;
    const char *path; /**< keys joined by '/', elements of arrays and maps as '*' */
    bool is_required; /**< within its object */
};

/** @return OL_FACET_UNKNOWN if no such facet is known there. */
enum ol__facet_id ol__facet_find(enum ol__entity entity, struct ol__span key);
/** NULL for OL_FACET_UNKNOWN; else static. */
const struct ol__facet_info *ol__facet_info(enum ol__facet_id id);
/** NULL for OL_FIELD_UNKNOWN; else static. */
const struct ol__field_info *ol__field_info(enum ol__field_id id);
/** The node of index @p node; 0 is the unknown node, type ANY. */
const struct ol__facet_node *ol__facet_node(uint16_t node);
/** One step down from @p node. @p ret_is_recursion is set to true, never to false, if the step
 * comes back to a node nearer to the root. @return 0 if it is not known what is there. */
uint16_t ol__facet_step(uint16_t node, const struct ol__json_step *step, bool *ret_is_recursion);
/** The leaf at @p path (from inside the facet). Members of a recursive struct below its first level
 * give OL_FIELD_UNKNOWN. */
enum ol__field_id ol__facet_field(enum ol__facet_id id, const struct ol__json_step *path,
                                  size_t depth);
/** Whether a value of @p type may stand where @p node is. */
bool ol__facet_type_fits(uint16_t node, enum ol__json_type type, struct ol__span text);

/* Generated (facet_table.c). */
extern const struct ol__facet_info ol__facet_infos[];
extern const struct ol__field_info ol__field_infos[];
extern const struct ol__facet_node ol__facet_nodes[];
extern const struct ol__facet_edge ol__facet_edges[];
/** Perfect hash: slot of (entity, key) -> facet to compare with, and which (entity, key) it stands
 * for. */
struct ol__facet_slot_key {
    uint16_t facet; /**< 0: empty */
    uint8_t entity;
    const char *key;
};
extern const struct ol__facet_slot_key ol__facet_slots[];
extern const uint32_t ol__facet_slot_mask, ol__facet_slot_seed;
#endif
