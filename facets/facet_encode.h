/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_FACET_ENCODE_H
#define OL_FACET_ENCODE_H
/** @file
 * Write a public facet struct as JSON, guided by tables that spec/generate.py makes of spec/facts/.
 * The generated setters are one call of ol__facet_set(). Threads: one at a time per place.
 */
#include <openlineage/values.h>
#include "facet_info.h"
#include "facet_place.h"

/** Structs inside structs past this are refused: a pointer cycle, or no sane facet. */
#define OL_FACET_NESTING_MAX 20

enum ol__member_kind {
    OL_MEMBER_TEXT,        /**< const char *; NULL absent */
    OL_MEMBER_JSON,        /**< const char *: one JSON value, checked and put on one line */
    OL_MEMBER_JSON_OBJECT, /**< the same, and the value must be an object */
    OL_MEMBER_INT,         /**< struct ol_int */
    OL_MEMBER_REAL,        /**< struct ol_real */
    OL_MEMBER_BOOL,        /**< enum ol_bool */
    OL_MEMBER_STRUCT,      /**< const struct ol_x *; NULL absent */
    OL_MEMBER_ARRAY,       /**< const struct ol_x *, and a count; stride is struct_size */
    OL_MEMBER_TEXT_ARRAY,  /**< const char *const *, and a count */
    OL_MEMBER_MAP,  /**< as ARRAY; each element has a `key`, which becomes the member's name */
    OL_MEMBER_GROUP /**< an object in JSON whose members stand in this struct: the next `span` rows
                     */
};

/** What a member needs of the struct's `type`, a text with few values, and of another member. */
struct ol__rule {
    const char *const *only;         /**< types it may stand with, ended by NULL; NULL: any */
    const char *const *required_for; /**< types that need it, ended by NULL; NULL: none */
    uint16_t type_offset;            /**< of `type` in the C struct; 0: there is none */
    uint16_t with_offset;            /**< of a text that must stand beside it */
    const char *with;                /**< that text's key; NULL: none */
};

struct ol__member {
    enum ol__member_kind kind;
    bool is_required;
    uint16_t span;               /**< GROUP */
    uint16_t offset;             /**< in the C struct */
    uint16_t count_offset;       /**< ARRAY, TEXT_ARRAY, MAP */
    uint16_t key_size;           /**< bytes of key */
    const char *key;             /**< in JSON; nothing in it needs an escape */
    const struct ol__struct *of; /**< STRUCT, ARRAY, MAP */
    const char *const *values;   /**< TEXT: the only values allowed, ended by NULL; NULL: any */
    int64_t minimum;             /**< INT: INT64_MIN: any */
    const struct ol__rule *rule; /**< NULL: none */
};

struct ol__struct {
    const char *name;      /**< "ol_schema_field" */
    const uint16_t *sizes; /**< sizeof in each version that added members, rising, ended by 0 */
    const struct ol__member *members;
    uint16_t member_count;
    bool is_value; /**< a map's element whose single member is the value itself, not an object */
};

/** The body of every generated setter. @p place may be NULL.
 *  @return OL_OK; OL_DISABLED: no place; OL_INVALID: the first error says facet, field and reason;
 *  OL_NOMEM; OL_TOO_LARGE. On failure an earlier value of the facet stands. */
ol_status ol__facet_set(struct ol__facet_place *place, enum ol__facet_id id,
                        const struct ol__struct *type, const void *facet);
#endif
