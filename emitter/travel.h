/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_TRAVEL_H
#define OL_TRAVEL_H
/** @file
 * What travels with a call: a W3C trace, baggage of others, and our members of it
 * (`lineage.run_id`, `.step`, `.attempt`; `.parent` and `.root`: the calling run and the one at its
 * top, NAMESPACE/NAME/UUID). Threads: one at a time per object.
 */
#include "origin.h"
#include "trace_context.h"

enum ol__travel_id {
    OL_TRAVEL_RUN_ID,
    OL_TRAVEL_STEP,
    OL_TRAVEL_ATTEMPT,
    OL_TRAVEL_PARENT,
    OL_TRAVEL_ROOT, /**< absent: the parent */
    OL_TRAVEL_IDS
};

struct ol__travel {
    struct ol__trace trace;   /**< trace_id "": none */
    char *state;              /**< owned: tracestate; NULL: none */
    char *baggage;            /**< owned: members of others, as they came; NULL: none */
    char *ids[OL_TRAVEL_IDS]; /**< owned, decoded; NULL: absent */
};

/** Value of a key, lower case; NULL: absent. Borrowed until the next call. */
typedef const char *ol__travel_get(void *arg, const char *key);
/** Told of each key, or member of the baggage, that is not used and why. Values are not told: they
 * are other people's. */
typedef void ol__travel_refused(void *arg, const char *key, const char *why);

/** Read what came. Malformed parts are refused one by one and count for nothing; the rest stands.
 *  @p ret is released by the caller whatever the result. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status ol__travel_read(ol__travel_get *get, void *arg, ol__travel_refused *refused,
                                       void *refused_arg, struct ol__travel *ret);
OL_NODISCARD ol_status ol__travel_copy(const struct ol__travel *from, struct ol__travel *ret);
void ol__travel_release(struct ol__travel *travel);
/** The calling run and its root; the caller's on OL_OK. @return OL_OK; OL_END: no run has called;
 * OL_NOMEM. */
OL_NODISCARD ol_status ol__travel_origins(const struct ol__travel *travel,
                                          struct ol__origin *ret_parent,
                                          struct ol__origin *ret_root);
bool ol__travel_is_empty(const struct ol__travel *travel);

/** Write a baggage list: the members of @p carrier (may be NULL), then those of @p travel that it
 * lacks, then our ids. What others put there goes first: whole members, in order, as long as the
 * W3C limits allow. @p ids may hold NULLs. A failure shows in @p out.
 *  @return whether everything found room. */
bool ol__travel_write_baggage(const char *carrier, const struct ol__travel *travel,
                              const char *const ids[OL_TRAVEL_IDS], struct ol__buf *out);
#endif
