/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_RULES_PARTS_H
#define OL_RULES_PARTS_H
/** @file How one facet is changed by rules; for rules.c only. */
#include "config.h"
#include "facet_place.h"
#include "pattern.h"

enum ol__addition_kind {
    OL_ADD_RUN_TAGS,
    OL_ADD_JOB_TAGS,
    OL_ADD_ENVIRONMENT,
    OL_ADD_OWNERS,
    OL_ADDITION_COUNT
};

/** Elements for the array of a facet. */
struct ol__addition {
    enum ol__entity entity;
    const char *facet, *array, *key; /**< static: e.g. "tags", "tags", "key" */
    bool ours_win;                   /**< over elements of the same key that are there */
    struct {
        char *key, *json; /**< owned */
    } * items;            /**< owned */
    size_t count;
};

/** @return OL_OK, OL_NOMEM: release what there is. */
OL_NODISCARD ol_status ol__additions_read(const struct ol__conf *tree,
                                          struct ol__addition ret[OL_ADDITION_COUNT]);
void ol__addition_release(struct ol__addition *addition);
bool ol__addition_is_for(const struct ol__addition *a, enum ol__entity entity, const char *key);
/** Append the facet @p json with the elements to @p out. @return OL_AGAIN: done; OL_OK: it has no
 * such array, nothing was written; OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__addition_merge(const struct ol__addition *a, struct ol__span json,
                                          struct ol__buf *out, struct ol_error *err);

struct ol__redaction {
    const char *facet, *pointer; /**< borrowed; NULL: all */
    const char *with;
    struct ol__pattern *pattern; /**< owned; NULL: the whole text */
};
/** Append the redacted facet to @p out. @return OL_AGAIN: done; OL_OK: nothing to redact, nothing
 * was written; OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__redact(const struct ol__redaction *rules, size_t count,
                                  const char *facet, struct ol__span json, struct ol__buf *out,
                                  struct ol_error *err);
#endif
