/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_ORIGIN_H
#define OL_ORIGIN_H
/** @file Which run another run comes from, and the texts that say so. Threads: any. */
#include "ids.h"

/** A run elsewhere: NAMESPACE/NAME/UUID. */
struct ol__origin {
    char *job_namespace; /**< owned, NULL: no origin; job_name points into it */
    const char *job_name;
    char run_id[OL_UUID_TEXT + 1];
};

/** What a JSON text looks like. */
enum ol__origin_form {
    OL_ORIGIN_FACET,  /**< the parent facet: {"run":{},"job":{},"root":{"run":{},"job":{}}} */
    OL_ORIGIN_CONTEXT /**< OPENLINEAGE_CONTEXT: {"parent": that facet}; a "root" beside "parent"
                         counts where the parent has none */
};

/** An origin of its parts: @p names is NAMESPACE/NAME. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status ol__origin_make(const char *names, size_t namespace_size, size_t name_size,
                                       const char *run_id, struct ol__origin *ret);
/** Parse NAMESPACE/NAME/UUID. A name space like scheme://authority keeps its slashes; else it ends
 * at the first one. @return OL_OK, OL_INVALID, OL_NOMEM. */
OL_NODISCARD ol_status ol__origin_parse(const char *text, struct ol__origin *ret);
/** Read the parent and its root from JSON. What a root does not say is as its parent's; no root at
 * all: the parent. @p ret_parent (may be NULL) and @p ret_root are owned by the caller on OL_OK.
 *  @return OL_OK; OL_INVALID: not JSON, or no parent with name space, name and UUID (err says
 * which); OL_NOMEM. */
OL_NODISCARD ol_status ol__origin_read(struct ol__span json, enum ol__origin_form form,
                                       struct ol__origin *ret_parent, struct ol__origin *ret_root,
                                       struct ol_error *err);
void ol__origin_release(struct ol__origin *origin);
#endif
