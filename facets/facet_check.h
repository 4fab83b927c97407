/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_FACET_CHECK_H
#define OL_FACET_CHECK_H
/** @file
 * Whether a facet given as JSON is what its schema says, as far as our tables know it: types of
 * members, and that the required ones are there. Fed with each value as it is read. Threads: one
 * at a time per check.
 */
#include "facet_info.h"
#include "facet_place.h"

struct ol__facet_check {
    uint16_t nodes[OL_FACET_JSON_DEPTH_MAX + 1]; /**< by depth; 0: nothing is known there */
    uint64_t seen[OL_FACET_JSON_DEPTH_MAX + 1];  /**< members of the object open there */
    bool is_deleted;                             /**< `_deleted` is true: needs nothing else */
    bool has_failed;
    struct ol_error failure;
};

/** @p id OL_FACET_UNKNOWN: everything passes. */
void ol__facet_check_begin(struct ol__facet_check *check, enum ol__facet_id id);
void ol__facet_check_value(struct ol__facet_check *check, const struct ol__json_value *value);
/** After the last value. @return OL_OK; OL_INVALID: err has the JSON pointer and what was
 *  expected there. */
ol_status ol__facet_check_end(const struct ol__facet_check *check, struct ol_error *err);
#endif
