/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_SHED_H
#define OL_SHED_H
/** @file The size guard: what becomes of an event that is larger than the client's limit. Threads:
 * one at a time per run. */
#include "run.h"

#define OL_EVENT_MAX (OL_LINE_MAX - 2) /**< the largest event that fits into a journal's line */
#define OL_EVENT_MAX_MIN 4096          /**< the lowest limit that may be told */
#define OL_SHED_LISTED_MAX 32          /**< facets that lineaged_shed lists */

struct ol__shed_item {
    struct ol__facet_place *place; /**< borrowed */
    size_t slot;                   /**< in place->slots */
    size_t dataset;                /**< its index in the event */
};

/** What was left out of one event; begin with zeros, whatever happens end it. */
struct ol__shed {
    struct ol__shed_item *items; /**< owned; the first `count` are left out, largest first */
    size_t count, total;         /**< of those that may be left out */
    size_t aside, cap;           /**< `aside`: all that were set aside to begin with */
    const struct ol__facet_place *marker_place; /**< borrowed; where lineaged_shed goes */
    uint64_t bytes;                             /**< of those left out */
    size_t limit;                               /**< bytes of the event */
    struct ol__buf marker;                      /**< owned; `"lineaged_shed":{...}` */
};

/** Whether @p line, as ol__event_write() left it, is larger than the client's limit. */
static inline bool ol__shed_is_needed(const struct ol_client *client, const struct ol__buf *line,
                                      size_t control_size)
{
    return line->status == OL_TOO_LARGE ||
           line->size > OL_MIN(client->event_max + 2 + control_size, OL_LINE_MAX);
}
/** Write the event anew without its largest optional facets. They stay set aside, as run.c's
 * mark_sent() needs to know, until ol__shed_end().
 *  @return OL_OK; OL_TOO_LARGE: it does not fit without any of them; OL_NOMEM. */
OL_NODISCARD ol_status ol__shed_write(struct ol__shed *shed, struct ol_run *run, enum ol_event type,
                                      int64_t time_ms, struct ol__buf *line,
                                      size_t *ret_control_size);
/** The event was handed over: count it, and tell it with the next result of the run. */
void ol__shed_tell(const struct ol__shed *shed, struct ol_run *run);
/** Put back what was set aside, and free. */
void ol__shed_end(struct ol__shed *shed);
#endif
