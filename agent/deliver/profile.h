/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROFILE_H
#define PROFILE_H
/** @file
 * What is known about each kind of server that an HTTP route may lead to: one table (profile.c),
 * told in README.md. Pure. Threads: any.
 */
#include "config.h"
#include "event_read.h"

/** How several events go in one POST, to the path with `/batch` behind it. */
enum profile_batch {
    BATCH_NONE,  /**< it has no such endpoint */
    BATCH_ARRAY, /**< OpenLineage 1.40: [event, ...] */
    BATCH_OBJECT /**< OpenMetadata: {"events": [event, ...]} */
};

struct profile {
    const char *name;
    const char *path;           /**< of a URL that has none */
    const char *health;         /**< path that tells whether the server is up; NULL: none known */
    enum profile_batch batch;   /**< the dialect it speaks, if any */
    int batch_events;           /**< events in one POST unless configured; 1: single events */
    enum route_answers answers; /**< what becomes of answers of services, unless configured */
    bool resends_terminal;      /**< there the last arrival wins: late.h */
    bool looks_at_events;       /**< profile_refusal() may refuse some */
};

const struct profile *profile_of(enum route_profile profile);

/** Why the other side cannot take this event, known without asking it; NULL: send it.
 *  @param warnings  bits of enum ol__event_warning from the record and the event. */
const char *profile_refusal(enum route_profile profile, const struct ol__event *event,
                            uint32_t warnings);

/** Whether this answer means that the event will never be taken, though its status alone does not
 * say so.
 *  @param reader  looks into the body, borrowed. */
bool profile_parks(enum route_profile profile, int status, struct ol__span body,
                   struct ol__json_reader *reader);

/** The URL to post to: the profile's path is added where @p url has none. Must be http or https
 * with a host and without user, query kept, fragment refused. @return OL_OK, OL_INVALID, OL_NOMEM.
 */
OL_NODISCARD ol_status profile_url(enum route_profile profile, const char *url, struct ol__buf *out,
                                   struct ol_error *err);
/** The URL that @p url (of profile_url()) has for several events: `/batch` behind its path. */
OL_NODISCARD ol_status profile_batch_url(const char *url, struct ol__buf *out,
                                         struct ol_error *err);
/** The same server's health URL: @p path in place of that of @p url. */
OL_NODISCARD ol_status profile_health_url(const char *url, const char *path, struct ol__buf *out,
                                          struct ol_error *err);
#endif
